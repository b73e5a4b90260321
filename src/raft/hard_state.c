/* SPDX-License-Identifier: BSD-3-Clause */
/* Term and vote in two checksummed slots. Both hold the same state except between the two writes of
 * an update: whichever can be read and is newer counts, and a state that was acknowledged is in
 * both, so one of them may decay without a vote being forgotten. */
#include "base/crc32c.h"
#include "raft/bytes.h"
#include "raft/codec.h"

enum {
    SLOT_MAGIC = 0x5348524c, /* "LRHS" in the file */
    SLOT_VERSION = 1,
    SLOT_CHECKED_BYTES = RAFT_HARD_STATE_BYTES - 4,
};

enum slot_condition { SLOT_EMPTY, SLOT_DAMAGED, SLOT_READABLE };

void raft_hard_state_encode(const struct raft_hard_state_slot *slot,
                            uint8_t out[RAFT_HARD_STATE_BYTES]) {
    struct byte_writer w = {out};
    write_unsigned(&w, SLOT_MAGIC, 4);
    write_unsigned(&w, SLOT_VERSION, 4);
    write_id(&w, slot->cluster);
    write_unsigned(&w, slot->generation, 2);
    write_unsigned(&w, 0, 2);
    write_id(&w, slot->self);
    write_unsigned(&w, slot->state.term, 8);
    write_id(&w, slot->state.vote);
    write_unsigned(&w, slot->sequence, 8);
    write_unsigned(&w, crc32c(slice_of(out, SLOT_CHECKED_BYTES)), 4);
}

static bool is_all_zero(struct slice bytes) {
    uint8_t seen = 0;
    for (size_t i = 0; i < bytes.size; i++)
        seen |= bytes.data[i];
    return seen == 0;
}

static enum slot_condition slot_decode(struct slice bytes, struct raft_hard_state_slot *out) {
    if (is_all_zero(bytes))
        return SLOT_EMPTY;
    if (bytes.size != RAFT_HARD_STATE_BYTES)
        return SLOT_DAMAGED;
    struct byte_reader r = byte_reader_of(bytes);
    bool is_ours = read_unsigned(&r, 4) == SLOT_MAGIC;
    is_ours &= read_unsigned(&r, 4) == SLOT_VERSION;
    out->cluster = read_id(&r);
    out->generation = (uint16_t)read_unsigned(&r, 2);
    is_ours &= read_unsigned(&r, 2) == 0;
    out->self = read_id(&r);
    out->state.term = read_unsigned(&r, 8);
    out->state.vote = read_id(&r);
    out->sequence = read_unsigned(&r, 8);
    is_ours &= read_unsigned(&r, 4) == crc32c(slice_of(bytes.data, SLOT_CHECKED_BYTES));
    return is_ours && out->sequence > 0 ? SLOT_READABLE : SLOT_DAMAGED;
}

enum larder_status raft_hard_state_decode(struct slice first, struct slice second,
                                          struct raft_hard_state_slot *out, bool *out_is_damaged) {
    struct raft_hard_state_slot slots[2];
    enum slot_condition a = slot_decode(first, &slots[0]);
    enum slot_condition b = slot_decode(second, &slots[1]);
    if (a != SLOT_READABLE && b == SLOT_EMPTY)
        return LARDER_NOT_FOUND;
    if (a != SLOT_READABLE && b != SLOT_READABLE)
        return LARDER_CORRUPT;
    *out_is_damaged = a != b || slots[0].sequence != slots[1].sequence;
    if (a != b) {
        *out = a == SLOT_READABLE ? slots[0] : slots[1];
        return LARDER_OK;
    }
    if (!raft_id_equal(slots[0].self, slots[1].self) ||
        !raft_id_equal(slots[0].cluster, slots[1].cluster))
        return LARDER_CORRUPT;
    *out = slots[1].sequence > slots[0].sequence ? slots[1] : slots[0];
    return LARDER_OK;
}
