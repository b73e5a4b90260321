/* SPDX-License-Identifier: BSD-3-Clause */
/* Planning: a command whose keys all have one slot is one part; with more slots its keys are sorted
 * by slot, and each run of equal slots is a part. Slots, not nodes, make parts: a server refuses
 * keys of two slots even if it serves both. */
#include "client/cluster_spread.h"

#include "client/command_text.h"

#include <stdlib.h>
#include <string.h>

void spread_plan_finish(struct spread_plan *plan) {
    for (size_t i = 0; i < plan->part_count; i++)
        freeReplyObject(plan->parts[i].reply);
    vk_free(plan->parts);
    vk_free(plan->words);
    vk_free(plan->order);
    *plan = (struct spread_plan){0};
}

static int plan_one(struct spread_plan *plan, struct cluster *cluster, struct cluster_node *node,
                    int slot) {
    plan->parts = vk_calloc(1, sizeof *plan->parts);
    if (plan->parts == NULL)
        return cluster_fail_memory(cluster);
    plan->parts[0] = (struct spread_part){.node = node, .slot = slot};
    plan->part_count = 1;
    return VALKEY_OK;
}

static bool is_wanted(const struct cluster_node *node, enum spread spread) {
    return node->is_mapped && (spread == SPREAD_NODES || node->base.role == VALKEY_ROLE_PRIMARY);
}

/* Any one primary, for commands that say nothing about where they go. */
static int plan_any(struct spread_plan *plan, struct cluster *cluster) {
    size_t count = cluster->node_count, first = count == 0 ? 0 : (size_t)random() % count;
    for (size_t i = 0; i < count; i++) {
        struct cluster_node *node = cluster->nodes[(first + i) % count];
        if (is_wanted(node, SPREAD_PRIMARIES))
            return plan_one(plan, cluster, node, -1);
    }
    return cluster_fail(cluster, VALKEY_ERR_OTHER, "slot not served by any node");
}

static int plan_nodes(struct spread_plan *plan, struct cluster *cluster, enum spread spread) {
    plan->parts = vk_calloc(cluster->node_count + 1, sizeof *plan->parts);
    if (plan->parts == NULL)
        return cluster_fail_memory(cluster);
    for (size_t i = 0; i < cluster->node_count; i++)
        if (is_wanted(cluster->nodes[i], spread))
            plan->parts[plan->part_count++] =
                (struct spread_part){.node = cluster->nodes[i], .slot = -1};
    if (plan->part_count == 0)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "slot not served by any node");
    return VALKEY_OK;
}

struct slot_key {
    int slot;
    size_t number;
};

static int compare_keys(const void *left, const void *right) {
    const struct slot_key *a = left, *b = right;
    if (a->slot != b->slot)
        return a->slot - b->slot;
    return a->number < b->number ? -1 : 1;
}

static void make_parts(struct spread_plan *plan, const struct slot_key *keys) {
    for (size_t i = 0; i < plan->key_count; i++) {
        plan->order[i] = keys[i].number;
        if (i == 0 || keys[i].slot != keys[i - 1].slot)
            plan->parts[plan->part_count++] =
                (struct spread_part){.slot = keys[i].slot, .first_key = i};
        plan->parts[plan->part_count - 1].key_count++;
    }
}

/* Read all words of a command. VALKEY_ERR: cc->err is set. */
static int read_words(struct spread_plan *plan, struct cluster *cluster, const char *command,
                      size_t size, size_t *out_count) {
    struct command_cursor cursor;
    if (!command_cursor_open(&cursor, command, size) || cursor.count > size)
        return cluster_fail(cluster, VALKEY_ERR_PROTOCOL, "Malformed command");
    plan->words = vk_calloc(cursor.count + 1, sizeof *plan->words);
    if (plan->words == NULL)
        return cluster_fail_memory(cluster);
    for (size_t i = 0; i < cursor.count; i++)
        if (!command_cursor_next(&cursor, &plan->words[i].text, &plan->words[i].size))
            return cluster_fail(cluster, VALKEY_ERR_PROTOCOL, "Malformed command");
    *out_count = cursor.count;
    return VALKEY_OK;
}

/* Make the parts of the words; false without memory. */
static bool sort_keys(struct spread_plan *plan, size_t count) {
    plan->order = vk_calloc(count + 1, sizeof *plan->order);
    plan->parts = vk_calloc(count + 1, sizeof *plan->parts);
    struct slot_key *keys = vk_calloc(count + 1, sizeof *keys);
    bool has_memory = plan->order != NULL && plan->parts != NULL && keys != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        const struct spread_word *key = &plan->words[1 + i * plan->step];
        keys[i] = (struct slot_key){.slot = (int)slot_of_key(key->text, key->size), .number = i};
    }
    if (has_memory) {
        plan->key_count = count;
        qsort(keys, count, sizeof *keys, compare_keys);
        make_parts(plan, keys);
    }
    vk_free(keys);
    return has_memory;
}

static int plan_split(struct spread_plan *plan, struct cluster *cluster, const char *command,
                      size_t size, int step) {
    size_t count = 0;
    plan->step = (size_t)step;
    if (read_words(plan, cluster, command, size, &count) != VALKEY_OK)
        return VALKEY_ERR;
    size_t keys = count < 2 ? 0 : (count - 1) / plan->step;
    /* The server is to say what is wrong with words that are no whole pairs. */
    if (count == 1 + keys * plan->step && !sort_keys(plan, keys))
        return cluster_fail_memory(cluster);
    if (plan->part_count > 1)
        return VALKEY_OK;
    plan->part_count = plan->key_count = 0;
    vk_free(plan->parts);
    plan->parts = NULL;
    int slot = cluster_find_slot(cluster, command, size);
    return slot < 0 ? VALKEY_ERR : plan_one(plan, cluster, NULL, slot);
}

int spread_plan_init(struct spread_plan *plan, struct cluster *cluster, const char *command,
                     size_t size) {
    struct command_traits traits = {0};
    *plan = (struct spread_plan){0};
    bool is_known = command_traits_of(command, size, &traits);
    plan->merge = traits.merge;
    if (is_known && traits.spread == SPREAD_SPLIT)
        return plan_split(plan, cluster, command, size, traits.key_step);
    const char *name;
    size_t name_size;
    unsigned slot;
    if (!is_known || slot_of_command(command, size, &slot, &name, &name_size) != SLOT_NO_KEY) {
        int found = cluster_find_slot(cluster, command, size);
        return found < 0 ? VALKEY_ERR : plan_one(plan, cluster, NULL, found);
    }
    switch (traits.spread) {
    case SPREAD_PRIMARIES:
    case SPREAD_NODES: return plan_nodes(plan, cluster, traits.spread);
    case SPREAD_SPECIAL:
        return cluster_fail(cluster, VALKEY_ERR_OTHER,
                            "This command can't be sent to several nodes");
    default: return plan_any(plan, cluster);
    }
}

long long spread_part_format(const struct spread_plan *plan, const struct spread_part *part,
                             char **out_bytes) {
    size_t count = 1 + part->key_count * plan->step, at = 1;
    const char **texts = vk_calloc(count, sizeof(*texts));
    size_t *sizes = vk_calloc(count, sizeof *sizes);
    long long result = -1;
    if (texts != NULL && sizes != NULL) {
        texts[0] = plan->words[0].text;
        sizes[0] = plan->words[0].size;
        for (size_t i = 0; i < part->key_count; i++)
            for (size_t j = 0; j < plan->step; j++, at++) {
                size_t key = plan->order[part->first_key + i];
                texts[at] = plan->words[1 + key * plan->step + j].text;
                sizes[at] = plan->words[1 + key * plan->step + j].size;
            }
        result = valkeyFormatCommandArgv(out_bytes, (int)count, texts, sizes);
    }
    vk_free(texts);
    vk_free(sizes);
    return result;
}
