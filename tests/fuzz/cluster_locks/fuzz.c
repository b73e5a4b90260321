/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a record or as the whole state of a partition's locks. What is taken as a state is
 * written and read again with the same digest; records are applied to one table, in which the same
 * digest must come of a copy. Input: steps of kind u8 | size u16 | bytes. */
#include "cluster/locks.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static struct locks *make(void) {
    static const struct hash_seed SEED = {{1, 2}};
    struct locks_options options = {.waiters_max = 4, .marks_max = 8, .seed = &SEED};
    struct locks *locks = NULL;
    check(locks_create(&options, &ALLOCATOR_SYSTEM, &locks) == LARDER_OK);
    return locks;
}

static void check_copy(const struct locks *locks) {
    struct locks *copy = make();
    size_t size = locks_encoded_size(locks);
    uint8_t *bytes = malloc(size);
    check(bytes != NULL && locks_encode(locks, bytes) == size);
    check(locks_decode(copy, slice_of(bytes, size)) == LARDER_OK);
    struct store_digest a = locks_digest(locks), b = locks_digest(copy);
    check(a.low == b.low && a.high == b.high);
    free(bytes);
    locks_destroy(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct locks *locks = make();
    uint64_t sequence = 0;
    for (size_t at = 0; at + 3 <= size;) {
        uint8_t kind = data[at];
        size_t length = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        at += 3;
        if (length > size - at)
            length = size - at;
        uint8_t *bytes = malloc(length + 1);
        check(bytes != NULL);
        memcpy(bytes, data + at, length);
        enum larder_status status = kind % 2 == 0
                                        ? locks_apply(locks, slice_of(bytes, length), ++sequence)
                                        : locks_decode(locks, slice_of(bytes, length));
        check(status == LARDER_OK || status == LARDER_CORRUPT);
        free(bytes);
        at += length;
    }
    check_copy(locks);
    locks_lead(locks, 0);
    locks_follow(locks);
    locks_destroy(locks);
    return 0;
}
