/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of entries, configurations, messages and hard state. Integers are little-endian. Decoding
 * trusts nothing: sizes and counts are bounded before use, enumerations, flags and checksums are
 * checked, trailing bytes are refused. Pure functions; any thread.
 *
 *   entry          size u32 | crc u32 | index u64 | term u64 | type u8 | data (size bytes)
 *                  crc: CRC-32C of all that follows it
 *   configuration  count u8 | count times: id 16 bytes, role u8 (1 voter, 0 learner)
 *   hard state     magic u32 | version u32 | cluster 16 | generation u16, 0 u16 | self 16 | term
 * u64 | vote 16 | sequence u64 | crc u32 message        version u8 | type u8 | generation u16 |
 * cluster 16 | from 16 | to 16 | term u64 | body of the type | crc u32 */
#ifndef LARDER_RAFT_CODEC_H
#define LARDER_RAFT_CODEC_H

#include "raft/types.h"

enum {
    RAFT_ENTRY_HEADER_BYTES = 25,
    RAFT_CONFIGURATION_BYTES_MAX = 1 + RAFT_MEMBERS_MAX * 17,
    RAFT_HARD_STATE_BYTES = 80,
    RAFT_MESSAGE_BYTES_MAX =
        RAFT_APPEND_BYTES_MAX + RAFT_APPEND_ENTRIES_MAX * RAFT_ENTRY_HEADER_BYTES + 1024,
};

static inline size_t raft_entry_encoded_size(const struct raft_entry *entry) {
    return RAFT_ENTRY_HEADER_BYTES + entry->data.size;
}

/* Writes raft_entry_encoded_size bytes at `out` and returns that size. */
size_t raft_entry_encode(const struct raft_entry *entry, uint8_t *out);

/* Decode the entry at the start of `bytes`, which may hold more. The entry borrows `bytes`.
 * *out_size: bytes it took.
 * Errors: LARDER_AGAIN (cut off: more bytes are needed), LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status raft_entry_decode(struct slice bytes, struct raft_entry *out, size_t *out_size);

/* Writes at most RAFT_CONFIGURATION_BYTES_MAX bytes and returns how many. */
size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out);

/* Errors: LARDER_CORRUPT (also an id twice, nobody, or too many voters). */
LARDER_NODISCARD
enum larder_status raft_configuration_decode(struct slice bytes, struct raft_configuration *out);

/* At most RAFT_MESSAGE_BYTES_MAX for what raft_step gives out. */
size_t raft_message_encoded_size(const struct raft_message *message);

/* Writes raft_message_encoded_size bytes at `out` and returns that size. */
size_t raft_message_encode(const struct raft_message *message, uint8_t *out);

/* Decode exactly `bytes`. The message borrows `bytes` and the caller's `entries`.
 * Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status raft_message_decode(struct slice bytes,
                                       struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX],
                                       struct raft_message *out);

/* One slot of the file with the hard state. The file has two; a new state is written with the next
 * sequence number to the first and synced, then to the second and synced. So a torn write loses
 * nothing that was promised, and neither does decay of either slot. */
struct raft_hard_state_slot {
    struct raft_id cluster;
    uint16_t generation;
    struct raft_id self;
    uint64_t sequence; /* from 1 */
    struct raft_hard_state state;
};

void raft_hard_state_encode(const struct raft_hard_state_slot *slot,
                            uint8_t out[RAFT_HARD_STATE_BYTES]);

/* The newer readable slot. *out_is_damaged: one is unreadable or older, so both should be written
 * again. A slot of zeros or of no bytes was never written.
 * Errors: LARDER_NOT_FOUND (no write was ever completed), LARDER_CORRUPT (none can be read, or the
 * slots are of different nodes: the node must not take part with its old id). */
LARDER_NODISCARD
enum larder_status raft_hard_state_decode(struct slice first, struct slice second,
                                          struct raft_hard_state_slot *out, bool *out_is_damaged);

#endif
