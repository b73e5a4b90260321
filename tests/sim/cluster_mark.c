/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_mark.h"

#include "base/crc32c.h"
#include "raft/bytes.h"
#include "sim/world.h"

#include <stdlib.h>

enum { MARK_MAGIC = 0x6b72616d, SLOT_BYTES = 32 * 1024, HEADER_BYTES = 20 };

static uint32_t checksum(uint64_t sequence, struct slice bytes) {
    return crc32c(bytes) ^ (uint32_t)(sequence * 0x9e3779b1u);
}

/* *out_bytes: owned, the slot with its header; NULL: nothing readable. */
static enum larder_status load_slot(struct sim_machine *machine, uint32_t slot, uint8_t **out_bytes,
                                    size_t *out_size, uint64_t *out_sequence) {
    uint8_t *bytes = sim_resize(NULL, SLOT_BYTES);
    size_t size;
    *out_bytes = NULL;
    enum larder_status status = disk_read(machine_disk(machine), CLUSTER_MARK_FILE,
                                          (size_t)slot * SLOT_BYTES, bytes, SLOT_BYTES, &size);
    struct byte_reader r = byte_reader_of(slice_of(bytes, status == LARDER_OK ? size : 0));
    uint64_t magic = read_unsigned(&r, 4);
    *out_sequence = read_unsigned(&r, 8);
    uint64_t length = read_unsigned(&r, 4);
    uint64_t crc = read_unsigned(&r, 4);
    if (r.is_failed || magic != MARK_MAGIC || length > r.left ||
        crc != checksum(*out_sequence, slice_of(r.at, length))) {
        free(bytes);
        return status;
    }
    *out_bytes = bytes;
    *out_size = HEADER_BYTES + length;
    return LARDER_OK;
}

enum larder_status cluster_mark_load(struct cluster_mark *mark, struct sim_machine *machine) {
    *mark = (struct cluster_mark){.machine = machine, .ticket = CLUSTER_MARK_TICKETS};
    for (uint32_t slot = 0; slot < 2; slot++) {
        uint8_t *bytes;
        size_t size;
        uint64_t sequence;
        enum larder_status status = load_slot(machine, slot, &bytes, &size, &sequence);
        if (status != LARDER_OK) {
            cluster_mark_free(mark);
            return status;
        }
        if (bytes == NULL || sequence <= mark->sequence) {
            free(bytes);
            continue;
        }
        free(mark->bytes);
        mark->bytes = bytes;
        mark->size = size;
        mark->sequence = sequence;
        mark->slot = slot;
    }
    return LARDER_OK;
}

void cluster_mark_free(struct cluster_mark *mark) {
    free(mark->bytes);
    mark->bytes = NULL;
}

struct slice cluster_mark_bytes(const struct cluster_mark *mark) {
    return mark->bytes == NULL ? slice_of(NULL, 0)
                               : slice_of(mark->bytes + HEADER_BYTES, mark->size - HEADER_BYTES);
}

void cluster_mark_keep(struct cluster_mark *mark) {
    struct sim_disk *disk = machine_disk(mark->machine);
    enum larder_status status = disk_write(disk, CLUSTER_MARK_FILE, (size_t)mark->slot * SLOT_BYTES,
                                           slice_of(mark->bytes, mark->size));
    mark->is_written = status == LARDER_OK;
    if (status == LARDER_OK)
        disk_sync(disk, CLUSTER_MARK_FILE, ++mark->ticket);
    else if (status != LARDER_NO_SPACE)
        machine_exit(mark->machine, "the disk failed");
}

void cluster_mark_store(struct cluster_mark *mark, struct slice bytes) {
    mark->bytes = sim_resize(mark->bytes, SLOT_BYTES);
    mark->size = HEADER_BYTES + bytes.size;
    mark->sequence++;
    mark->slot = 1 - mark->slot;
    struct byte_writer w = {mark->bytes};
    write_unsigned(&w, MARK_MAGIC, 4);
    write_unsigned(&w, mark->sequence, 8);
    write_unsigned(&w, bytes.size, 4);
    write_unsigned(&w, checksum(mark->sequence, bytes), 4);
    write_bytes(&w, bytes);
    cluster_mark_keep(mark);
}

void cluster_mark_probe(struct cluster_mark *mark) {
    if (mark->bytes != NULL && !mark->is_written)
        cluster_mark_keep(mark);
}

bool cluster_mark_synced(struct cluster_mark *mark, uint64_t ticket, enum larder_status status) {
    if (ticket != mark->ticket)
        return false;
    if (status != LARDER_OK)
        machine_exit(mark->machine, "the disk failed");
    return status == LARDER_OK;
}
