/* SPDX-License-Identifier: BSD-3-Clause */
/* The log file: a chain of records, each of which says what the log is from some index on. */
#include "base/crc32c.h"
#include "raft/bytes.h"
#include "sim/raft_storage.h"
#include "sim/world.h"

#include <stdlib.h>

enum { LOG_MAGIC = 0x4c524c47, LOG_HEADER_BYTES = 20, RECORD_HEADER_BYTES = 8 };

void log_contents_finish(struct log_contents *log) {
    free(log->entries);
    free(log->bytes);
    log->entries = NULL;
    log->bytes = NULL;
    log->count = log->capacity = 0;
}

static void add_entry(struct log_contents *log, const struct raft_entry *entry) {
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 256 : 2 * log->capacity;
        log->entries = sim_resize(log->entries, log->capacity * sizeof(*log->entries));
    }
    log->entries[log->count++] = *entry;
}

/* The log becomes what it is up to after_index, then what the record holds. */
static bool take_record(struct log_contents *log, struct slice record) {
    struct byte_reader reader = byte_reader_of(record);
    bool is_reset = read_flag(&reader);
    uint64_t after = read_unsigned(&reader, 8);
    if (is_reset || log->count == 0 || after + 1 < log->entries[0].index)
        log->count = 0;
    else if (after < log->entries[0].index + log->count - 1)
        log->count = (size_t)(after + 1 - log->entries[0].index);
    while (!reader.is_failed && reader.left > 0) {
        struct raft_entry entry;
        size_t size;
        if (raft_entry_decode(slice_of(reader.at, reader.left), &entry, &size) != LARDER_OK)
            return false;
        add_entry(log, &entry);
        (void)read_bytes(&reader, size);
    }
    return !reader.is_failed;
}

/* Whether a whole record begins at `at`; it then becomes part of the log. */
static bool take_next(struct log_contents *log, struct slice file, size_t at) {
    if (at + RECORD_HEADER_BYTES > file.size)
        return false;
    struct byte_reader reader = byte_reader_of(slice_of(file.data + at, RECORD_HEADER_BYTES));
    size_t size = read_unsigned(&reader, 4);
    uint32_t crc = (uint32_t)read_unsigned(&reader, 4);
    if (size == 0 || size > file.size - at - RECORD_HEADER_BYTES)
        return false;
    struct slice record = slice_of(file.data + at + RECORD_HEADER_BYTES, size);
    if (crc32c_extend(log->crc, record) != crc || !take_record(log, record))
        return false;
    log->crc = crc;
    log->end = at + RECORD_HEADER_BYTES + size;
    return true;
}

static bool take_header(struct log_contents *log, struct slice file) {
    if (file.size < LOG_HEADER_BYTES)
        return false;
    struct byte_reader reader = byte_reader_of(slice_of(file.data, LOG_HEADER_BYTES));
    uint64_t magic = read_unsigned(&reader, 4);
    log->generation = read_unsigned(&reader, 8);
    (void)read_unsigned(&reader, 4);
    log->crc = (uint32_t)read_unsigned(&reader, 4);
    log->end = LOG_HEADER_BYTES;
    return magic == LOG_MAGIC && crc32c(slice_of(file.data, LOG_HEADER_BYTES - 4)) == log->crc;
}

static bool take_file(struct log_contents *log, struct slice file) {
    if (!take_header(log, file))
        return false;
    bool is_complete = false;
    while (take_next(log, file, log->end))
        is_complete = true;
    return is_complete;
}

enum larder_status log_generation_load(struct sim_disk *disk, uint32_t file, uint64_t *out) {
    uint8_t header[LOG_HEADER_BYTES];
    struct log_contents log;
    size_t size;
    enum larder_status status = disk_read(disk, file, 0, header, sizeof(header), &size);
    *out = status == LARDER_OK && take_header(&log, slice_of(header, size)) ? log.generation : 0;
    return status;
}

enum larder_status log_contents_load(struct sim_disk *disk, uint32_t file,
                                     struct log_contents *out) {
    *out = (struct log_contents){0};
    size_t size = disk_size(disk, file), read = 0;
    out->bytes = sim_resize(NULL, size + 1);
    enum larder_status status = disk_read(disk, file, 0, out->bytes, size, &read);
    if (status == LARDER_OK && !take_file(out, slice_of(out->bytes, read)))
        status = LARDER_NOT_FOUND;
    if (status != LARDER_OK) {
        log_contents_finish(out);
        *out = (struct log_contents){0};
    }
    return status;
}

uint8_t *log_record_encode(bool is_reset, uint64_t after_index, const struct raft_entry *entries,
                           size_t count, size_t *out_size) {
    size_t size = 9;
    for (size_t i = 0; i < count; i++)
        size += raft_entry_encoded_size(&entries[i]);
    uint8_t *bytes = sim_resize(NULL, size);
    struct byte_writer writer = {bytes};
    write_unsigned(&writer, is_reset, 1);
    write_unsigned(&writer, after_index, 8);
    for (size_t i = 0; i < count; i++)
        writer.at += raft_entry_encode(&entries[i], writer.at);
    *out_size = size;
    return bytes;
}

enum larder_status log_append(struct sim_disk *disk, uint32_t file, struct log_contents *log,
                              struct slice record) {
    uint8_t *bytes = sim_resize(NULL, RECORD_HEADER_BYTES + record.size);
    struct byte_writer writer = {bytes};
    uint32_t crc = crc32c_extend(log->crc, record);
    write_unsigned(&writer, record.size, 4);
    write_unsigned(&writer, crc, 4);
    write_bytes(&writer, record);
    size_t size = RECORD_HEADER_BYTES + record.size;
    enum larder_status status = disk_write(disk, file, log->end, slice_of(bytes, size));
    free(bytes);
    if (status != LARDER_OK)
        return status;
    log->crc = crc;
    log->end += size;
    return LARDER_OK;
}

enum larder_status log_begin(struct sim_disk *disk, uint32_t file, struct log_contents *log,
                             struct slice record) {
    uint8_t header[LOG_HEADER_BYTES];
    struct byte_writer writer = {header};
    write_unsigned(&writer, LOG_MAGIC, 4);
    write_unsigned(&writer, log->generation + 1, 8);
    write_unsigned(&writer, record.size, 4);
    uint32_t crc = crc32c(slice_of(header, LOG_HEADER_BYTES - 4));
    write_unsigned(&writer, crc, 4);
    enum larder_status status = disk_resize(disk, file, 0);
    if (status == LARDER_OK)
        status = disk_write(disk, file, 0, slice_of(header, sizeof(header)));
    if (status != LARDER_OK)
        return status;
    struct log_contents begun = {
        .generation = log->generation + 1, .crc = crc, .end = LOG_HEADER_BYTES};
    status = log_append(disk, file, &begun, record);
    if (status != LARDER_OK)
        return status;
    log->generation = begun.generation;
    log->crc = begun.crc;
    log->end = begun.end;
    return LARDER_OK;
}
