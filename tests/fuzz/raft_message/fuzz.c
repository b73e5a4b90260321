/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a message, an entry or a configuration of the consensus core: what is read is
 * written again as the same bytes. Input: which of them, then its bytes. Random bytes fail every
 * checksum, so bit 7 of the first byte asks for a message or entry whose checksum is mended first.
 */
#include "base/crc32c.h"
#include "raft/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void check_same(const uint8_t *written, size_t size, const uint8_t *read) {
    check(memcmp(written, read, size) == 0);
}

static void put_checksum(uint8_t *at, struct slice checked) {
    uint32_t value = crc32c(checked);
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void check_message(uint8_t *bytes, size_t size, bool is_mended) {
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;
    if (is_mended && size >= 4)
        put_checksum(bytes + size - 4, slice_of(bytes, size - 4));
    if (raft_message_decode(slice_of(bytes, size), entries, &message) != LARDER_OK)
        return;
    check(raft_message_encoded_size(&message) == size);
    uint8_t *again = malloc(size);
    check(again != NULL && raft_message_encode(&message, again) == size);
    check_same(again, size, bytes);
    free(again);
}

static void check_entry(uint8_t *bytes, size_t size, bool is_mended) {
    struct raft_entry entry;
    size_t taken = 0;
    if (is_mended && size >= RAFT_ENTRY_HEADER_BYTES) {
        size_t data_size = size - RAFT_ENTRY_HEADER_BYTES;
        for (int i = 0; i < 4; i++)
            bytes[i] = (uint8_t)(data_size >> (8 * i));
        put_checksum(bytes + 4, slice_of(bytes + 8, size - 8));
    }
    if (raft_entry_decode(slice_of(bytes, size), &entry, &taken) != LARDER_OK)
        return;
    check(taken <= size && raft_entry_encoded_size(&entry) == taken);
    uint8_t *again = malloc(taken);
    check(again != NULL && raft_entry_encode(&entry, again) == taken);
    check_same(again, taken, bytes);
    free(again);
}

static void check_configuration(const uint8_t *bytes, size_t size) {
    struct raft_configuration configuration;
    if (raft_configuration_decode(slice_of(bytes, size), &configuration) != LARDER_OK)
        return;
    uint8_t again[RAFT_CONFIGURATION_BYTES_MAX];
    check(raft_configuration_encode(&configuration, again) == size);
    check_same(again, size, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    bool is_mended = (data[0] & 0x80) != 0;
    uint8_t *bytes = malloc(size); /* of its own size, so that a read behind it is seen */
    check(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    switch ((data[0] & 0x7f) % 3) {
    case 0: check_message(bytes, size - 1, is_mended); break;
    case 1: check_entry(bytes, size - 1, is_mended); break;
    default: check_configuration(bytes, size - 1); break;
    }
    free(bytes);
    return 0;
}
