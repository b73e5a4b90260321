/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the two slots of hard state: what is read is in one of them, byte for byte, and no
 * readable slot is newer. Input: flags (1, 2: mend the checksum of the first, second slot), slots.
 */
#include "base/crc32c.h"
#include "raft/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void mend(uint8_t *slot) {
    uint32_t value = crc32c(slice_of(slot, RAFT_HARD_STATE_BYTES - 4));
    for (int i = 0; i < 4; i++)
        slot[RAFT_HARD_STATE_BYTES - 4 + i] = (uint8_t)(value >> (8 * i));
}

static bool is_slot(struct slice slot, const uint8_t *bytes) {
    return slot.size == RAFT_HARD_STATE_BYTES && memcmp(slot.data, bytes, slot.size) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t bytes[2 * RAFT_HARD_STATE_BYTES] = {0};
    if (size == 0)
        return 0;
    size_t taken = size - 1 < sizeof(bytes) ? size - 1 : sizeof(bytes);
    memcpy(bytes, data + 1, taken);
    size_t first_size = taken < RAFT_HARD_STATE_BYTES ? taken : RAFT_HARD_STATE_BYTES;
    if ((data[0] & 1) != 0 && first_size == RAFT_HARD_STATE_BYTES)
        mend(bytes);
    if ((data[0] & 2) != 0 && taken == sizeof(bytes))
        mend(bytes + RAFT_HARD_STATE_BYTES);
    struct slice first = slice_of(bytes, first_size);
    struct slice second = slice_of(bytes + RAFT_HARD_STATE_BYTES, taken - first_size);
    struct raft_hard_state_slot slot, alone;
    bool is_damaged = false, ignored = false;
    if (raft_hard_state_decode(first, second, &slot, &is_damaged) != LARDER_OK)
        return 0;
    uint8_t again[RAFT_HARD_STATE_BYTES];
    raft_hard_state_encode(&slot, again);
    check(slot.sequence > 0 && (is_slot(first, again) || is_slot(second, again)));
    check(is_damaged || (is_slot(first, again) && second.size == RAFT_HARD_STATE_BYTES));
    struct slice none = {NULL, 0};
    check(raft_hard_state_decode(first, none, &alone, &ignored) != LARDER_OK ||
          alone.sequence <= slot.sequence);
    check(raft_hard_state_decode(none, second, &alone, &ignored) != LARDER_OK ||
          alone.sequence <= slot.sequence);
    return 0;
}
