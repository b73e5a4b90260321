/* SPDX-License-Identifier: BSD-3-Clause */
/* First in, first out within each bucket stands for first in, first out over the table, since keys
 * spread evenly. Eight fingerprints of 16 bits mistake a stranger for a known key about once in
 * 8,000 look-ups. */
#include "store/ghost.h"

#include <string.h>

enum { SLOTS = 8, BUCKETS_MIN = 4, BUCKETS_MAX = 1 << 22 };

struct ghost {
    uint32_t bucket_count; /* power of two */
    uint32_t added;        /* fingerprints since it has this size */
    uint16_t slots[][SLOTS];
};

static size_t bytes_of(uint32_t bucket_count) {
    return sizeof(struct ghost) + (size_t)bucket_count * SLOTS * sizeof(uint16_t);
}

size_t ghost_bytes(const struct ghost *ghost) {
    return ghost == NULL ? 0 : bytes_of(ghost->bucket_count);
}

static uint16_t fingerprint(uint64_t hash) {
    uint16_t bits = (uint16_t)(hash >> 48);
    return bits != 0 ? bits : 1;
}

static uint16_t *bucket(const struct ghost *ghost, uint64_t hash) {
    return (uint16_t *)ghost->slots[(hash >> 16) & (ghost->bucket_count - 1)];
}

/* Half as many or twice as many buckets. */
static struct ghost *resized(const struct ghost *old, const struct allocator *allocator,
                             uint32_t bucket_count) {
    struct ghost *fresh = allocator_allocate_zeroed(allocator, bytes_of(bucket_count));
    if (fresh == NULL)
        return NULL;
    fresh->bucket_count = bucket_count;
    if (old == NULL)
        return fresh;
    for (uint32_t i = 0; i < bucket_count; i++) {
        if (bucket_count > old->bucket_count) {
            memcpy(fresh->slots[i], old->slots[i & (old->bucket_count - 1)], sizeof(*fresh->slots));
            continue;
        }
        for (size_t j = 0; j < SLOTS; j++)
            fresh->slots[i][j] = old->slots[j % 2 == 0 ? i : i + bucket_count][j / 2];
    }
    return fresh;
}

int64_t ghost_fit(struct ghost **ghost, const struct allocator *allocator, uint64_t entry_count) {
    uint32_t have = *ghost == NULL ? 0 : (*ghost)->bucket_count, next = have;
    uint64_t wanted = entry_count / SLOTS;
    if (have == 0)
        next = BUCKETS_MIN;
    else if (have < BUCKETS_MAX && wanted > have + have / 2 &&
             (*ghost)->added >= (uint64_t)have * SLOTS / 2)
        next = have * 2;
    else if (have > BUCKETS_MIN && wanted < have / 4)
        next = have / 2;
    struct ghost *fresh = next == have ? NULL : resized(*ghost, allocator, next);
    if (fresh == NULL)
        return 0;
    int64_t change = (int64_t)bytes_of(next) - (int64_t)ghost_bytes(*ghost);
    ghost_destroy(*ghost, allocator);
    *ghost = fresh;
    return change;
}

void ghost_destroy(struct ghost *ghost, const struct allocator *allocator) {
    if (ghost != NULL)
        allocator_release(allocator, ghost, bytes_of(ghost->bucket_count));
}

void ghost_add(struct ghost *ghost, uint64_t hash) {
    uint16_t *slots = bucket(ghost, hash);
    memmove(slots + 1, slots, (SLOTS - 1) * sizeof(*slots));
    slots[0] = fingerprint(hash);
    ghost->added += ghost->added < UINT32_MAX;
}

bool ghost_remembers(const struct ghost *ghost, uint64_t hash) {
    const uint16_t *slots = bucket(ghost, hash);
    uint16_t wanted = fingerprint(hash);
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i] == wanted)
            return true;
    return false;
}
