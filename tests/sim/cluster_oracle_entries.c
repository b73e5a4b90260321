/* SPDX-License-Identifier: BSD-3-Clause */
/* I2 by what allows a change: each entry of the config group is applied here once more, one after
 * the other, and what it did is compared with what it says. */
#include "sim/cluster_oracle_core.h"

#include <stdlib.h>

static struct configuration *create_like(const struct configuration *c) {
    struct configuration *out = NULL;
    if (configuration_create(c->cluster, c->generation, c->partition_count, c->members_max,
                             &ALLOCATOR_SYSTEM, &out) != LARDER_OK)
        abort();
    return out;
}

static bool copy(const struct configuration *from, struct configuration *to) {
    size_t size = configuration_encoded_size(from);
    uint8_t *bytes = sim_resize(NULL, size);
    configuration_encode(from, bytes);
    bool is_good = configuration_restore(to, slice_of(bytes, size)) == LARDER_OK;
    free(bytes);
    return is_good;
}

void oracle_begin_entries(struct cluster_oracle *o, const struct configuration *first) {
    o->before = create_like(first);
    o->after = create_like(first);
    if (!copy(first, o->before) || !copy(first, o->after))
        oracle_violate(o, NULL, "a configuration can't be read back");
}

/* ---- rules ---- */

static bool is_of(const struct config_entry *entry, uint32_t partition) {
    return entry->type >= CONFIG_SHRINK && entry->change.partition == partition;
}

static const char *check_growth(const struct configuration *before,
                                const struct config_entry *entry,
                                const struct partition_config *was, uint32_t p, uint32_t grown) {
    const struct member *member = configuration_find_member(before, grown);
    if (!is_of(entry, p) || entry->change.member != grown || member == NULL ||
        member->incarnation != entry->change.incarnation)
        return "I2: a process came into the in-sync set that was not named";
    if (entry->type == CONFIG_EXPAND)
        return entry->change.term == was->term && member_set_has(&was->learners, grown)
                   ? NULL
                   : "I2: a member was added that is no learner of this term";
    if (entry->type == CONFIG_RESTORE)
        return member_set_has(&was->last, grown)
                   ? NULL
                   : "I2: a lost partition came back from a member that was not the last";
    return entry->type == CONFIG_RESET ? NULL : "I2: the in-sync set grew by itself";
}

static const char *check_new_term(const struct configuration *after,
                                  const struct config_entry *entry,
                                  const struct partition_config *was,
                                  const struct partition_config *is) {
    if (is->is_released != (entry->type == CONFIG_TRANSFER))
        return "I2: a primary is taken to be released that was not";
    if (entry->type == CONFIG_RESET)
        return after->ceiling > is->reset_ceiling ? NULL
                                                  : "I2: no room for tokens above those given up";
    if (entry->type == CONFIG_RESTORE)
        return NULL;
    return member_set_has(&was->in_sync, is->primary)
               ? NULL
               : "I2: a member was elected that was not in sync";
}

static const char *check_partition(const struct configuration *before,
                                   const struct configuration *after,
                                   const struct config_entry *entry, uint32_t p) {
    const struct partition_config *was = &before->partitions[p], *is = &after->partitions[p];
    bool is_changed = is->epoch != was->epoch || is->primary != was->primary;
    if (is_changed && is_of(entry, p) && entry->change.epoch != was->epoch)
        return "I2: a change applied that was made for another epoch";
    for (uint8_t i = 0; i < is->in_sync.count; i++) {
        uint32_t member = is->in_sync.members[i];
        const char *wrong = member_set_has(&was->in_sync, member)
                                ? NULL
                                : check_growth(before, entry, was, p, member);
        if (wrong != NULL)
            return wrong;
    }
    if (is->primary != was->primary && is->primary != CLUSTER_NOBODY && is->term <= was->term)
        return "I2: a new primary in an old term";
    if (is->primary != was->primary && is_of(entry, p) && entry->type == CONFIG_SHRINK)
        return "I2: a primary was taken out of its set";
    return is->term > was->term ? check_new_term(after, entry, was, is) : NULL;
}

static const char *check_members(const struct configuration *before,
                                 const struct configuration *after,
                                 const struct config_entry *entry) {
    for (uint32_t i = 0; i < after->member_count; i++) {
        const struct member *is = &after->members[i];
        const struct member *was = configuration_find_member(before, is->number);
        bool is_new = was != NULL && was->state != MEMBER_DOWN && is->state == MEMBER_DOWN;
        if (is_new && (entry->type != CONFIG_DOWN || entry->member.number != is->number ||
                       entry->member.incarnation != was->incarnation))
            return "I2: a process was taken out that nobody named";
    }
    return NULL;
}

static const char *check_entry(struct cluster_oracle *o, const struct config_entry *entry) {
    const char *wrong = check_members(o->before, o->after, entry);
    for (uint32_t p = 0; p < o->after->partition_count && wrong == NULL; p++)
        wrong = check_partition(o->before, o->after, entry, p);
    return wrong;
}

void cluster_oracle_entry(struct cluster_oracle *o, struct sim_machine *machine,
                          const struct raft_entry *raft) {
    struct config_entry entry;
    enum config_outcome outcome;
    if (o->after == NULL || raft->index != o->after->index + 1 || oracle_is_old(o, machine))
        return;
    if (raft->type != RAFT_ENTRY_COMMAND || config_entry_decode(raft->data, &entry) != LARDER_OK) {
        configuration_advance(o->after, raft->index);
        return;
    }
    if (!copy(o->after, o->before) ||
        configuration_apply(o->after, raft->index, raft->data, &outcome) != LARDER_OK) {
        oracle_violate(o, machine, "a configuration can't be read back");
        return;
    }
    const char *wrong = check_entry(o, &entry);
    if (wrong != NULL)
        oracle_violate(o, machine, wrong);
}

const struct configuration *cluster_oracle_configuration(const struct cluster_oracle *o) {
    return o->after;
}
