/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/partition_log.h"

#include "cluster/mutants.h"
#include "sim/world.h"

#include <stdlib.h>

enum { PROBE_BYTES = 8192 };

static uint32_t file_number(const struct partition_log *log, uint32_t file) {
    return PARTITION_LOG_FILE + 2 * log->partition + file;
}

static void fail(struct partition_log *log) {
    machine_exit(log->machine, "the disk failed");
}

/* ---- syncs ---- */

static void begin_sync(struct partition_log *log) {
    if (log->ticket != 0)
        return;
    log->ticket =
        PARTITION_LOG_TICKET | (uint64_t)log->partition << 32 | (++log->last_ticket & UINT32_MAX);
    log->sync_end = log->cursor.end;
    log->sync_number = log->written;
    log->sync_image = log->image;
    disk_sync(log->disk, file_number(log, log->file), log->ticket);
}

/* A file whose first sync is still to come was begun while another one was being synced. */
static bool is_more_to_sync(const struct partition_log *log) {
    return log->cursor.end > log->durable;
}

void partition_log_synced(struct partition_log *log, enum larder_status status,
                          struct partition_log_synced *out) {
    *out = (struct partition_log_synced){0};
    bool is_own = log->sync_end > 0;
    log->ticket = 0;
    if (status != LARDER_OK) {
        fail(log);
        return;
    }
    if (is_own) {
        log->durable = log->sync_end < log->cursor.end ? log->sync_end : log->cursor.end;
        out->number = CLUSTER_MUTATED(MUTANT_SYNC_COUNTS_LATER) ? log->written : log->sync_number;
        out->has_image = log->sync_image != UINT64_MAX;
        out->image = log->sync_image;
        if (out->has_image && log->image == log->sync_image)
            log->image = UINT64_MAX;
        out->is_recovered = log->is_recovering;
        log->is_recovering = false;
    }
    if (is_more_to_sync(log))
        begin_sync(log);
}

/* What a sync under way covers belongs to an older use of the file, or to the other one. */
static void disown_sync(struct partition_log *log) {
    log->sync_end = 0;
    log->sync_number = 0;
    log->sync_image = UINT64_MAX;
}

/* ---- finding ---- */

static enum larder_status read_file(const struct partition_log *log, uint32_t file,
                                    const struct allocator *allocator, uint8_t **out,
                                    struct journal_found *found) {
    size_t size = disk_size(log->disk, file_number(log, file)), got;
    *out = sim_resize(NULL, size + 1);
    enum larder_status status = disk_read(log->disk, file_number(log, file), 0, *out, size, &got);
    if (status == LARDER_OK)
        status = journal_read(slice_of(*out, got), allocator, found);
    if (status != LARDER_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

enum larder_status partition_log_load(const struct partition_log *log,
                                      const struct allocator *allocator, struct journal_found *out,
                                      uint8_t **out_bytes) {
    return read_file(log, log->file, allocator, out_bytes, out);
}

/* The file of the highest generation, be it damaged. */
static enum larder_status choose_file(struct partition_log *log, bool *out_is_damaged) {
    uint64_t highest = 0;
    *out_is_damaged = false;
    for (uint32_t file = 0; file < 2; file++) {
        struct journal_found found;
        uint8_t *bytes;
        enum larder_status status =
            read_file(log, file, machine_allocator(log->machine), &bytes, &found);
        if (status != LARDER_OK)
            return status;
        if (found.is_there && found.cursor.generation > highest) {
            highest = found.cursor.generation;
            log->file = file;
            log->cursor = found.cursor;
            *out_is_damaged = found.is_damaged;
        }
        journal_finish(&found, machine_allocator(log->machine));
        free(bytes);
    }
    return LARDER_OK;
}

/* All that is there, over itself. */
static enum larder_status write_again(struct partition_log *log) {
    uint32_t number = file_number(log, log->file);
    size_t size = disk_size(log->disk, number), got;
    uint8_t *bytes = sim_resize(NULL, size + 1);
    enum larder_status status = disk_read(log->disk, number, 0, bytes, size, &got);
    if (status == LARDER_OK)
        status = disk_write(log->disk, number, 0, slice_of(bytes, got));
    free(bytes);
    return status;
}

/* What was being written behind the end goes; what shows damage stays. */
enum larder_status partition_log_open(struct partition_log *log, struct sim_machine *machine,
                                      uint32_t partition) {
    *log = (struct partition_log){.machine = machine,
                                  .disk = machine_disk(machine),
                                  .partition = partition,
                                  .last_ticket = log->last_ticket,
                                  .image = UINT64_MAX,
                                  .is_recovering = true};
    bool is_damaged;
    enum larder_status status = choose_file(log, &is_damaged);
    if (status == LARDER_OK && !is_damaged)
        status = disk_resize(log->disk, file_number(log, log->file), log->cursor.end);
    if (status == LARDER_OK)
        status = write_again(log);
    if (status != LARDER_OK)
        return status;
    begin_sync(log);
    log->sync_end = log->sync_end > 0 ? log->sync_end : 1;
    return LARDER_OK;
}

/* ---- appending ---- */

/* Frames of these bodies, in one piece: all or none of them. */
static enum larder_status append(struct partition_log *log, const struct slice *bodies,
                                 size_t count) {
    size_t size = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        size += journal_frame_size(bodies[i].size);
    uint8_t *frames = sim_resize(NULL, size);
    struct journal_cursor cursor = log->cursor;
    for (size_t i = 0; i < count; i++) {
        journal_frame(&cursor, bodies[i], log->durable, frames + at);
        at += journal_frame_size(bodies[i].size);
    }
    enum larder_status status =
        disk_write(log->disk, file_number(log, log->file), log->cursor.end, slice_of(frames, size));
    free(frames);
    if (status == LARDER_OK)
        log->cursor = cursor;
    return status;
}

/* The other file begins with these bodies. */
static enum larder_status turn(struct partition_log *log, const struct slice *bodies,
                               size_t count) {
    const struct partition_log before = *log;
    log->file = 1 - log->file;
    log->cursor = (struct journal_cursor){.generation = log->cursor.generation + 1};
    log->durable = 0;
    enum larder_status status = disk_resize(log->disk, file_number(log, log->file), 0);
    if (status == LARDER_OK)
        status = append(log, bodies, count);
    if (status != LARDER_OK) {
        *log = before;
        return status;
    }
    disown_sync(log);
    return LARDER_OK;
}

static void lose(struct partition_log *log, const struct replica_write *write) {
    if (!log->has_gap || write->after < log->lost_after)
        log->lost_after = write->after;
    log->has_lost_reset = write->is_reset || (log->has_gap && log->has_lost_reset);
    log->has_gap = true;
}

void partition_log_begin(struct partition_log *log, bool is_anew) {
    uint8_t bytes[JOURNAL_VOID_BYTES];
    const struct slice nothing = slice_of(bytes, journal_void_encode(bytes));
    log->written = 0;
    log->image = UINT64_MAX;
    disown_sync(log);
    log->has_gap = false;
    if (!is_anew)
        return;
    enum larder_status status = turn(log, &nothing, 1);
    if (status == LARDER_NO_SPACE) {
        log->is_full = true;
        lose(log, &(struct replica_write){.is_reset = true});
    } else if (status != LARDER_OK) {
        fail(log);
    } else {
        begin_sync(log);
    }
}

static struct slice body_of(const struct partition_replica *replica,
                            const struct replica_write *write) {
    uint8_t *body = sim_resize(NULL, journal_write_size(replica, write));
    return slice_of(body, journal_write_encode(replica, write, body));
}

/* A log that begins anew does so in the other file, also where it could not at once: what is at the
 * end of this one may be damaged, or the file may never have been begun. */
static enum larder_status put(struct partition_log *log, struct slice body, bool is_anew) {
    uint8_t bytes[JOURNAL_VOID_BYTES];
    const struct slice bodies[2] = {slice_of(bytes, journal_void_encode(bytes)), body};
    return is_anew ? turn(log, bodies, 2) : append(log, &bodies[1], 1);
}

static void put_write(struct partition_log *log, const struct partition_replica *replica,
                      const struct replica_write *write, bool is_anew) {
    const struct slice body = body_of(replica, write);
    enum larder_status status = put(log, body, is_anew);
    free((void *)(uintptr_t)body.data);
    if (status == LARDER_NO_SPACE) {
        log->is_full = true;
        lose(log, write);
    } else if (status != LARDER_OK) {
        fail(log);
    } else {
        log->written = write->number;
        begin_sync(log);
    }
}

void partition_log_write(struct partition_log *log, const struct partition_replica *replica,
                         const struct replica_write *write) {
    if (log->has_gap)
        lose(log, write);
    else
        put_write(log, replica, write, false);
}

static void probe(struct partition_log *log) {
    uint32_t number = file_number(log, 1 - log->file);
    size_t size = disk_size(log->disk, number);
    if (disk_resize(log->disk, number, size + PROBE_BYTES) == LARDER_OK &&
        disk_resize(log->disk, number, size) == LARDER_OK)
        log->is_full = false;
}

/* A log that began anew is all there, wherever it began: what was not synced does not leave it. It
 * can't wait for an image, as a copy that is not complete gives none, and may need this room. */
void partition_log_mend(struct partition_log *log, const struct partition_replica *replica) {
    if (log->is_full)
        probe(log);
    uint64_t base = replica->log.base.sequence;
    bool is_there = log->has_lost_reset || base <= log->lost_after;
    if (log->is_full || !log->has_gap || !is_there)
        return;
    const struct replica_write lost = {.number = replica->write_number,
                                       .is_reset = log->has_lost_reset,
                                       .after = log->has_lost_reset ? base : log->lost_after,
                                       .last = replica->log.last,
                                       .commit = replica->commit};
    log->has_gap = false;
    put_write(log, replica, &lost, lost.is_reset);
}

/* ---- images ---- */

bool partition_log_wants_image(const struct partition_log *log) {
    return log->has_gap || log->cursor.end >= PARTITION_LOG_IMAGE_BYTES;
}

/* Not before the present file is durable: until the other one is, it is what there is. */
bool partition_log_may_image(const struct partition_log *log) {
    return !log->is_full && !log->is_recovering && log->durable > 0 && log->image == UINT64_MAX;
}

void partition_log_put_image(struct partition_log *log, const struct partition_image *image,
                             const struct partition_replica *replica) {
    const struct replica_write rest = {.number = replica->write_number,
                                       .after = image->position.sequence,
                                       .last = replica->log.last,
                                       .commit = replica->commit};
    const struct slice bodies[2] = {slice_of(image->bytes, image->size), body_of(replica, &rest)};
    enum larder_status status = turn(log, bodies, 2);
    free((void *)(uintptr_t)bodies[1].data);
    if (status == LARDER_NO_SPACE) {
        log->is_full = true;
        return;
    }
    if (status != LARDER_OK) {
        fail(log);
        return;
    }
    log->has_gap = false;
    log->written = rest.number;
    log->image = image->position.sequence;
    begin_sync(log);
}
