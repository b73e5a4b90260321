/* SPDX-License-Identifier: BSD-3-Clause */
/* A hash table with chains; it doubles when there are as many entries as chains. FNV-1a is enough:
 * names are the program's own. */
#include "client/subscriptions.h"

#include <string.h>

enum { CHAINS_MIN = 8 };

struct entry {
    struct entry *next;
    valkeyCallback callback;
    size_t size;
    char name[];
};

struct dict {
    struct entry **chains;
    size_t chain_count; /* a power of two */
    size_t count;
};

static size_t hash(const char *name, size_t size) {
    uint64_t value = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        value = (value ^ (unsigned char)name[i]) * 0x100000001b3u;
    return (size_t)(value ^ value >> 32);
}

struct dict *subscriptions_create(void) {
    struct dict *table = vk_calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->chain_count = CHAINS_MIN;
    table->chains = vk_calloc(CHAINS_MIN, sizeof(*table->chains));
    if (table->chains != NULL)
        return table;
    vk_free(table);
    return NULL;
}

void subscriptions_destroy(struct dict *table) {
    if (table == NULL)
        return;
    valkeyCallback ignored;
    while (subscriptions_take(table, &ignored)) {
    }
    vk_free(table->chains);
    vk_free(table);
}

size_t subscriptions_count(const struct dict *table) {
    return table == NULL ? 0 : table->count;
}

/* The link that points to the entry, or to the end of its chain. */
static struct entry **find_link(struct dict *table, const char *name, size_t size) {
    struct entry **link = &table->chains[hash(name, size) & (table->chain_count - 1)];
    while (*link != NULL && ((*link)->size != size || memcmp((*link)->name, name, size) != 0))
        link = &(*link)->next;
    return link;
}

valkeyCallback *subscriptions_find(struct dict *table, const char *name, size_t size) {
    struct entry *entry = table == NULL ? NULL : *find_link(table, name, size);
    return entry == NULL ? NULL : &entry->callback;
}

/* More chains; if there is no memory they only get longer. */
static void grow(struct dict *table) {
    size_t chain_count = table->chain_count * 2;
    struct entry **chains = vk_calloc(chain_count, sizeof(*chains));
    if (chains == NULL)
        return;
    for (size_t i = 0; i < table->chain_count; i++) {
        for (struct entry *entry = table->chains[i]; entry != NULL;) {
            struct entry *next = entry->next;
            struct entry **chain = &chains[hash(entry->name, entry->size) & (chain_count - 1)];
            entry->next = *chain;
            *chain = entry;
            entry = next;
        }
    }
    vk_free(table->chains);
    table->chains = chains;
    table->chain_count = chain_count;
}

valkeyCallback *subscriptions_get(struct dict *table, const char *name, size_t size) {
    valkeyCallback *found = subscriptions_find(table, name, size);
    if (found != NULL)
        return found;
    struct entry *entry = vk_calloc(1, sizeof *entry + size);
    if (entry == NULL)
        return NULL;
    if (table->count >= table->chain_count)
        grow(table);
    entry->size = size;
    if (size > 0)
        memcpy(entry->name, name, size);
    *find_link(table, name, size) = entry;
    table->count++;
    return &entry->callback;
}

static void unlink_entry(struct dict *table, struct entry **link) {
    struct entry *entry = *link;
    *link = entry->next;
    vk_free(entry);
    table->count--;
}

void subscriptions_remove(struct dict *table, const char *name, size_t size) {
    struct entry **link = find_link(table, name, size);
    if (*link != NULL)
        unlink_entry(table, link);
}

bool subscriptions_take(struct dict *table, valkeyCallback *out) {
    for (size_t i = 0; table != NULL && i < table->chain_count; i++) {
        if (table->chains[i] == NULL)
            continue;
        *out = table->chains[i]->callback;
        unlink_entry(table, &table->chains[i]);
        return true;
    }
    return false;
}

void subscriptions_filter(struct dict *table, bool (*visit)(valkeyCallback *, void *context),
                          void *context) {
    for (size_t i = 0; table != NULL && i < table->chain_count; i++) {
        for (struct entry **link = &table->chains[i]; *link != NULL;) {
            if (visit(&(*link)->callback, context))
                link = &(*link)->next;
            else
                unlink_entry(table, link);
        }
    }
}
