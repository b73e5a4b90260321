/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots lie in one of three files: the one in force, the one that arrives, a free one. */
#include "sim/raft_storage_snapshot.h"

#include "base/crc32c.h"
#include "raft/bytes.h"
#include "sim/world.h"

#include <stdlib.h>

enum { SNAPSHOT_MAGIC = 0x4c52534e, HEADER_BYTES = 38 };

static enum larder_status write_header(struct raft_storage *storage, uint32_t file,
                                       const struct raft_snapshot *snapshot,
                                       const struct raft_configuration *configuration) {
    uint8_t bytes[STORAGE_SNAPSHOT_AT] = {0};
    struct byte_writer writer = {bytes};
    write_unsigned(&writer, SNAPSHOT_MAGIC, 4);
    write_unsigned(&writer, storage->generation, 2);
    write_unsigned(&writer, snapshot->index, 8);
    write_unsigned(&writer, snapshot->term, 8);
    write_unsigned(&writer, snapshot->size, 8);
    write_unsigned(&writer, snapshot->checksum, 4);
    size_t size = raft_configuration_encode(configuration, bytes + HEADER_BYTES);
    write_unsigned(&writer, size, 4);
    writer.at += size;
    write_unsigned(&writer, crc32c(slice_of(bytes, HEADER_BYTES + size)), 4);
    return disk_write(storage->disk, file, 0, slice_of(bytes, sizeof(bytes)));
}

static bool read_header(struct slice file, uint16_t generation, struct raft_snapshot *out,
                        struct raft_configuration *out_configuration) {
    struct byte_reader reader = byte_reader_of(file);
    bool is_ours = read_unsigned(&reader, 4) == SNAPSHOT_MAGIC;
    is_ours &= read_unsigned(&reader, 2) == generation;
    out->index = read_unsigned(&reader, 8);
    out->term = read_unsigned(&reader, 8);
    out->size = read_unsigned(&reader, 8);
    out->checksum = (uint32_t)read_unsigned(&reader, 4);
    struct slice configuration = read_bytes(&reader, read_unsigned(&reader, 4));
    size_t size = HEADER_BYTES + configuration.size;
    uint32_t crc = (uint32_t)read_unsigned(&reader, 4);
    return !reader.is_failed && is_ours && crc32c(slice_of(file.data, size)) == crc &&
           raft_configuration_decode(configuration, out_configuration) == LARDER_OK;
}

/* The whole file if it holds a complete snapshot. Returns owned; NULL if not. */
static uint8_t *load_file(struct raft_storage *storage, uint32_t file, struct raft_snapshot *out,
                          struct raft_configuration *out_configuration,
                          enum larder_status *out_status) {
    size_t size = disk_size(storage->disk, file);
    uint8_t *bytes = sim_resize(NULL, size + 1);
    *out_status = disk_read(storage->disk, file, 0, bytes, size, &size);
    if (*out_status == LARDER_OK && size >= STORAGE_SNAPSHOT_AT &&
        read_header(slice_of(bytes, STORAGE_SNAPSHOT_AT), storage->generation, out,
                    out_configuration) &&
        out->size <= size - STORAGE_SNAPSHOT_AT &&
        crc32c(slice_of(bytes + STORAGE_SNAPSHOT_AT, out->size)) == out->checksum)
        return bytes;
    free(bytes);
    return NULL;
}

enum larder_status raft_storage_find_snapshot(struct raft_storage *storage) {
    for (uint32_t i = 0; i < STORAGE_SNAPSHOT_FILES; i++) {
        struct raft_snapshot found;
        struct raft_configuration configuration;
        enum larder_status status;
        uint8_t *bytes =
            load_file(storage, STORAGE_SNAPSHOT_FILE + i, &found, &configuration, &status);
        if (status != LARDER_OK)
            return status;
        if (bytes == NULL)
            continue;
        free(bytes);
        if (found.index <= storage->snapshot.index)
            continue;
        storage->snapshot = found;
        storage->configuration = configuration;
        storage->snapshot_file = (int32_t)(STORAGE_SNAPSHOT_FILE + i);
    }
    return LARDER_OK;
}

uint32_t raft_storage_free_file(const struct raft_storage *storage) {
    uint32_t file = STORAGE_SNAPSHOT_FILE;
    while ((int32_t)file == storage->snapshot_file || (int32_t)file == storage->arriving_file ||
           (int32_t)file == storage->taken_file)
        file++;
    return file;
}

static enum larder_status write_whole(struct raft_storage *storage, uint32_t file,
                                      const struct raft_snapshot *snapshot,
                                      const struct raft_configuration *configuration,
                                      const uint8_t *bytes) {
    enum larder_status status = disk_resize(storage->disk, file, 0);
    if (status == LARDER_OK)
        status =
            disk_write(storage->disk, file, STORAGE_SNAPSHOT_AT, slice_of(bytes, snapshot->size));
    if (status == LARDER_OK)
        status = write_header(storage, file, snapshot, configuration);
    return status;
}

uint8_t *raft_storage_load_snapshot(struct raft_storage *storage) {
    struct raft_snapshot found;
    struct raft_configuration configuration;
    enum larder_status status;
    if (storage->snapshot_file < 0)
        return NULL;
    uint8_t *bytes =
        load_file(storage, (uint32_t)storage->snapshot_file, &found, &configuration, &status);
    if (bytes != NULL)
        memmove(bytes, bytes + STORAGE_SNAPSHOT_AT, found.size);
    return bytes;
}

static enum larder_status put_chunk(struct raft_storage *storage, struct storage_job *job) {
    enum larder_status status = LARDER_OK;
    if (job->offset == 0) {
        storage->arriving_file = -1;
        storage->arriving_file = (int32_t)raft_storage_free_file(storage);
        storage->arrived_bytes = 0;
        status = disk_resize(storage->disk, (uint32_t)storage->arriving_file, 0);
    }
    if (storage->arriving_file < 0 || storage->arrived_bytes != job->offset)
        return LARDER_NO_SPACE;
    job->file = (uint32_t)storage->arriving_file;
    if (status == LARDER_OK)
        status = disk_write(storage->disk, job->file, STORAGE_SNAPSHOT_AT + job->offset,
                            slice_of(job->bytes, job->size));
    if (status == LARDER_OK && job->offset + job->size == job->snapshot.size)
        status = write_header(storage, job->file, &job->snapshot, &job->configuration);
    if (status == LARDER_OK)
        storage->arrived_bytes += job->size;
    return status;
}

enum larder_status raft_storage_put_snapshot(struct raft_storage *storage,
                                             struct storage_job *job) {
    if (job->type == STORAGE_CHUNK)
        return put_chunk(storage, job);
    job->file = raft_storage_free_file(storage);
    return write_whole(storage, job->file, &job->snapshot, &job->configuration, job->bytes);
}

/* Whether what arrived is what was announced. */
static bool is_arrived_whole(struct raft_storage *storage, const struct storage_job *job) {
    struct raft_snapshot found;
    struct raft_configuration configuration;
    enum larder_status status;
    uint8_t *bytes =
        load_file(storage, (uint32_t)storage->arriving_file, &found, &configuration, &status);
    free(bytes);
    return bytes != NULL && found.index == job->snapshot.index &&
           found.checksum == job->snapshot.checksum;
}

struct raft_input raft_storage_end_snapshot(struct raft_storage *storage,
                                            const struct storage_job *job, bool is_stored) {
    struct raft_input input = {.type = RAFT_TICK};
    if (job->type == STORAGE_OWN_SNAPSHOT) {
        if (!is_stored || job->snapshot.index <= storage->snapshot.index)
            return input;
        storage->taken_file = (int32_t)job->file;
        storage->taken = (struct storage_taken){job->snapshot, job->configuration, job->keep_from};
        input.type = RAFT_SNAPSHOT_TAKEN;
        input.snapshot_taken = (struct raft_snapshot_taken){job->snapshot, job->keep_from};
        return input;
    }
    bool is_last = job->offset + job->size == job->snapshot.size;
    if (is_stored && is_last && !is_arrived_whole(storage, job))
        is_stored = false;
    input.type = is_stored ? RAFT_SNAPSHOT_STORED : RAFT_SNAPSHOT_DISCARDED;
    input.snapshot_stored =
        (struct raft_snapshot_stored){job->snapshot, is_stored ? job->offset + job->size : 0};
    if (!is_stored)
        storage->arriving_file = -1;
    return input;
}

void raft_storage_end_taking(struct raft_storage *storage, bool is_accepted) {
    if (is_accepted) {
        storage->snapshot = storage->taken.snapshot;
        storage->configuration = storage->taken.configuration;
        storage->snapshot_file = storage->taken_file;
        storage->first_index = storage->taken.keep_from;
    }
    storage->taken_file = -1;
}

void raft_storage_installed(struct raft_storage *storage, const struct raft_snapshot *snapshot,
                            uint64_t first_index) {
    struct raft_snapshot found;
    enum larder_status status;
    uint8_t *bytes = load_file(storage, (uint32_t)storage->arriving_file, &found,
                               &storage->configuration, &status);
    free(bytes);
    if (bytes == NULL || found.index != snapshot->index) {
        machine_exit(storage->machine, "an arrived snapshot can't be read");
        return;
    }
    storage->snapshot = *snapshot;
    storage->snapshot_file = storage->arriving_file;
    storage->arriving_file = -1;
    storage->first_index = first_index;
}

void raft_storage_read_chunk(struct raft_storage *storage, const struct raft_snapshot_read *read) {
    struct raft_input input = {
        .type = RAFT_SNAPSHOT_DATA,
        .snapshot_data = {.to = read->to, .snapshot = read->snapshot, .offset = read->offset}};
    uint8_t *bytes = sim_resize(NULL, read->size + 1);
    size_t size = 0;
    if (storage->snapshot_file >= 0 && storage->snapshot.index == read->snapshot.index &&
        disk_read(storage->disk, (uint32_t)storage->snapshot_file,
                  STORAGE_SNAPSHOT_AT + read->offset, bytes, read->size, &size) == LARDER_OK &&
        size == read->size)
        input.snapshot_data.data = slice_of(bytes, size);
    storage->input(storage->owner, &input);
    free(bytes);
}
