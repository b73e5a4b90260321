/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs in order, each a few steps of writing and syncing; whatever ends a step starts the next. */
#include "sim/raft_storage.h"

#include "sim/raft_storage_snapshot.h"
#include "sim/world.h"

#include <stdlib.h>

enum { NO_TICKET = 0 };

static void run(struct raft_storage *storage);

static void sync_file(struct raft_storage *storage, uint32_t file) {
    storage->ticket = ++storage->last_ticket;
    disk_sync(storage->disk, file, storage->ticket);
}

/* One of the two slots. */
static enum larder_status write_hard_state(struct raft_storage *storage, uint32_t slot,
                                           const struct raft_hard_state *state) {
    uint8_t bytes[RAFT_HARD_STATE_BYTES];
    raft_hard_state_encode(&(struct raft_hard_state_slot){.cluster = storage->cluster,
                                                          .generation = storage->generation,
                                                          .self = machine_node_id(storage->machine),
                                                          .sequence = storage->hard_state_sequence,
                                                          .state = *state},
                           bytes);
    return disk_write(storage->disk, STORAGE_HARD_STATE_FILE, (size_t)slot * SIM_SECTOR_BYTES,
                      slice_of(bytes, sizeof(bytes)));
}

/* The first so many bytes of a file over themselves, to be synced, and nothing behind them. */
static enum larder_status write_again(struct raft_storage *storage, uint32_t file, size_t size) {
    uint8_t *bytes = sim_resize(NULL, size + 1);
    enum larder_status status = disk_read(storage->disk, file, 0, bytes, size, &size);
    if (status == LARDER_OK)
        status = disk_write(storage->disk, file, 0, slice_of(bytes, size));
    if (status == LARDER_OK && disk_size(storage->disk, file) > size)
        status = disk_resize(storage->disk, file, size);
    free(bytes);
    return status;
}

/* Whether a log file is of this generation of the cluster. */
static bool is_of_generation(const struct raft_storage *storage, uint64_t log_generation) {
    return log_generation >> LOG_GENERATION_SHIFT == storage->generation;
}

static uint32_t other_log_file(const struct raft_storage *storage) {
    return storage->log_file == STORAGE_LOG_FILE ? STORAGE_LOG_FILE + 1 : STORAGE_LOG_FILE;
}

/* All that the log says, without what may be dropped, into the other file. */
static enum larder_status rewrite_log(struct raft_storage *storage) {
    struct log_contents found;
    enum larder_status status = log_contents_load(storage->disk, storage->log_file, &found);
    if (status == LARDER_NOT_FOUND)
        found = (struct log_contents){0};
    else if (status != LARDER_OK)
        return status;
    size_t first = 0, size;
    while (first < found.count && found.entries[first].index < storage->first_index)
        first++;
    uint64_t after = first < found.count ? found.entries[first].index - 1 : storage->snapshot.index;
    uint8_t *record =
        log_record_encode(true, after, first < found.count ? &found.entries[first] : NULL,
                          found.count - first, &size);
    status =
        log_begin(storage->disk, other_log_file(storage), &storage->log, slice_of(record, size));
    storage->rewrite_at =
        2 * size > STORAGE_LOG_REWRITE_BYTES ? 2 * size : STORAGE_LOG_REWRITE_BYTES;
    free(record);
    log_contents_finish(&found);
    return status;
}

/* ---- recovery ---- */

static enum larder_status find_hard_state(struct raft_storage *storage) {
    uint8_t bytes[2 * SIM_SECTOR_BYTES] = {0};
    size_t size;
    struct raft_hard_state_slot slot, first;
    bool is_damaged;
    enum larder_status status =
        disk_read(storage->disk, STORAGE_HARD_STATE_FILE, 0, bytes, sizeof(bytes), &size);
    if (status != LARDER_OK)
        return status;
    struct slice slots[2] = {slice_of(bytes, RAFT_HARD_STATE_BYTES),
                             slice_of(bytes + SIM_SECTOR_BYTES, RAFT_HARD_STATE_BYTES)};
    storage->newer_slot = 1;
    storage->hard_state_sequence = 1;
    status = raft_hard_state_decode(slots[0], slots[1], &slot, &is_damaged);
    if (status != LARDER_OK)
        return status == LARDER_NOT_FOUND ? LARDER_OK : status;
    storage->hard_state = slot.state;
    storage->hard_state_sequence = slot.sequence;
    static const uint8_t EMPTY[RAFT_HARD_STATE_BYTES];
    if (raft_hard_state_decode(slots[0], slice_of(EMPTY, sizeof(EMPTY)), &first, &is_damaged) ==
            LARDER_OK &&
        first.sequence == slot.sequence)
        storage->newer_slot = 0;
    return LARDER_OK;
}

/* The newer of the two files that is complete. */
static enum larder_status find_log(struct raft_storage *storage) {
    uint64_t generations[2];
    enum larder_status status = LARDER_OK;
    for (uint32_t i = 0; i < 2 && status == LARDER_OK; i++)
        status = log_generation_load(storage->disk, STORAGE_LOG_FILE + i, &generations[i]);
    if (status != LARDER_OK)
        return status;
    uint32_t newer = generations[1] > generations[0];
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t file = i == 0 ? newer : 1 - newer;
        storage->log_file = STORAGE_LOG_FILE + file;
        if (!is_of_generation(storage, generations[file]))
            continue;
        status = log_contents_load(storage->disk, storage->log_file, &storage->log);
        if (status != LARDER_NOT_FOUND)
            return status;
    }
    storage->log =
        (struct log_contents){.generation = (uint64_t)storage->generation << LOG_GENERATION_SHIFT};
    return LARDER_OK;
}

/* A log of nothing where there is none. */
static enum larder_status recover_log(struct raft_storage *storage) {
    size_t size;
    if (storage->log.end > 0)
        return write_again(storage, storage->log_file, storage->log.end);
    uint8_t *record = log_record_encode(true, storage->snapshot.index, NULL, 0, &size);
    enum larder_status status =
        log_begin(storage->disk, storage->log_file, &storage->log, slice_of(record, size));
    free(record);
    return status;
}

static enum larder_status recover_snapshot(struct raft_storage *storage) {
    uint32_t file = (uint32_t)storage->snapshot_file;
    return write_again(storage, file, disk_size(storage->disk, file));
}

/* The next thing that was found and is to be made durable; the last step is the end of it. What
 * the file holds is written over itself first: tearing that loses nothing. Only then may a slot
 * become another one. */
static enum larder_status recover(struct raft_storage *storage) {
    enum larder_status status = LARDER_OK;
    uint32_t step = storage->step++;
    if (step == 4 && storage->snapshot_file < 0)
        step = storage->step++;
    switch (step) {
    case 0:
        status = write_again(storage, STORAGE_HARD_STATE_FILE,
                             disk_size(storage->disk, STORAGE_HARD_STATE_FILE));
        break;
    case 1:
        status = write_hard_state(storage, 1 - storage->newer_slot, &storage->hard_state);
        break;
    case 2: status = write_hard_state(storage, storage->newer_slot, &storage->hard_state); break;
    case 3: status = recover_log(storage); break;
    case 4: status = recover_snapshot(storage); break;
    default:
        storage->is_recovering = false;
        storage->step = 0;
        storage->ready(storage->owner);
        return LARDER_OK;
    }
    uint32_t file = step == 3 ? storage->log_file : (uint32_t)storage->snapshot_file;
    sync_file(storage, step < 3 ? STORAGE_HARD_STATE_FILE : file);
    return status;
}

enum larder_status raft_storage_open(struct raft_storage *storage,
                                     const struct raft_configuration *founders) {
    storage->disk = machine_disk(storage->machine);
    storage->snapshot_file = storage->arriving_file = storage->taken_file = -1;
    storage->is_recovering = true;
    storage->configuration = *founders;
    enum larder_status status = find_hard_state(storage);
    if (status == LARDER_OK)
        status = find_log(storage);
    if (status == LARDER_OK)
        status = raft_storage_find_snapshot(storage);
    storage->first_index = storage->snapshot.index + 1;
    storage->rewrite_at = STORAGE_LOG_REWRITE_BYTES;
    if (status == LARDER_OK)
        status = recover(storage);
    if (status != LARDER_OK)
        raft_storage_close(storage);
    return status;
}

void raft_storage_restored(const struct raft_storage *storage, struct raft_restored *out) {
    *out = (struct raft_restored){.hard_state = storage->hard_state,
                                  .snapshot = storage->snapshot,
                                  .configuration = storage->configuration,
                                  .entries = storage->log.entries,
                                  .entry_count = storage->log.count};
}

void raft_storage_release(struct raft_storage *storage) {
    log_contents_finish(&storage->log);
}

/* ---- a new generation ---- */

static enum larder_status begin_snapshot(struct raft_storage *storage, struct storage_job *job) {
    enum larder_status status = raft_storage_put_snapshot(storage, job);
    return status == LARDER_OK ? disk_sync_now(storage->disk, job->file) : status;
}

static enum larder_status begin_log(struct raft_storage *storage, uint64_t index,
                                    struct log_contents *log) {
    size_t size;
    uint32_t file = other_log_file(storage);
    uint8_t *record = log_record_encode(true, index, NULL, 0, &size);
    enum larder_status status = log_begin(storage->disk, file, log, slice_of(record, size));
    free(record);
    return status == LARDER_OK ? disk_sync_now(storage->disk, file) : status;
}

/* Both slots: with the first one it has begun. */
static enum larder_status begin_hard_state(struct raft_storage *storage,
                                           const struct raft_hard_state *state) {
    enum larder_status status = LARDER_OK;
    storage->hard_state_sequence++;
    for (uint32_t slot = 0; slot < 2 && status == LARDER_OK; slot++) {
        status = write_hard_state(storage, slot, state);
        if (status == LARDER_OK)
            status = disk_sync_now(storage->disk, STORAGE_HARD_STATE_FILE);
    }
    if (status != LARDER_OK)
        machine_exit(storage->machine, "the disk failed");
    return status;
}

/* What is written before the hard state is of a generation that does not count yet. */
enum larder_status raft_storage_begin_generation(struct raft_storage *storage, uint16_t generation,
                                                 const struct raft_hard_state *hard_state,
                                                 const struct raft_snapshot *snapshot,
                                                 const struct raft_configuration *configuration,
                                                 struct slice bytes) {
    uint16_t former = storage->generation;
    if (storage->is_recovering || storage->job_count > 0)
        return LARDER_BUSY;
    struct storage_job job = {.type = STORAGE_OWN_SNAPSHOT,
                              .bytes = sim_resize(NULL, bytes.size + 1),
                              .size = bytes.size,
                              .snapshot = *snapshot,
                              .configuration = *configuration};
    memcpy(job.bytes, bytes.data, bytes.size);
    struct log_contents log = {.generation = (uint64_t)generation << LOG_GENERATION_SHIFT};
    storage->generation = generation;
    storage->taken_file = -1; /* whose place in a file may be needed */
    enum larder_status status = begin_snapshot(storage, &job);
    free(job.bytes);
    if (status == LARDER_OK)
        status = begin_log(storage, snapshot->index, &log);
    if (status == LARDER_OK)
        status = begin_hard_state(storage, hard_state);
    if (status != LARDER_OK) {
        storage->generation = former;
        return status;
    }
    storage->hard_state = *hard_state;
    storage->snapshot = *snapshot;
    storage->configuration = *configuration;
    storage->snapshot_file = (int32_t)job.file;
    storage->arriving_file = -1;
    storage->first_index = snapshot->index + 1;
    storage->rewrite_at = STORAGE_LOG_REWRITE_BYTES;
    storage->log_file = other_log_file(storage);
    storage->log = log;
    storage->is_full = false;
    return LARDER_OK;
}

/* ---- jobs ---- */

static void forget_jobs(struct raft_storage *storage, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(storage->jobs[i].bytes);
    storage->job_count -= count;
    if (storage->job_count > 0)
        memmove(storage->jobs, storage->jobs + count, storage->job_count * sizeof(*storage->jobs));
}

void raft_storage_close(struct raft_storage *storage) {
    forget_jobs(storage, storage->job_count);
    free(storage->jobs);
    storage->jobs = NULL;
    storage->is_recovering = false;
    storage->ticket = NO_TICKET;
    log_contents_finish(&storage->log);
}

static void add_job(struct raft_storage *storage, const struct storage_job *job) {
    if (storage->job_count == storage->job_capacity) {
        storage->job_capacity = storage->job_capacity == 0 ? 16 : 2 * storage->job_capacity;
        storage->jobs = sim_resize(storage->jobs, storage->job_capacity * sizeof(*storage->jobs));
    }
    storage->jobs[storage->job_count++] = *job;
    run(storage);
}

void raft_storage_write(struct raft_storage *storage, const struct raft_write *write) {
    struct storage_job job = {.type = STORAGE_WRITE, .write = *write};
    if (storage->is_full)
        return;
    if (write->has_log)
        job.bytes = log_record_encode(write->is_reset, write->after_index, write->entries,
                                      write->entry_count, &job.size);
    add_job(storage, &job);
}

void raft_storage_take_snapshot(struct raft_storage *storage, const struct raft_snapshot *snapshot,
                                const struct raft_configuration *configuration, uint64_t keep_from,
                                uint8_t *bytes) {
    add_job(storage, &(struct storage_job){.type = STORAGE_OWN_SNAPSHOT,
                                           .bytes = bytes,
                                           .size = snapshot->size,
                                           .snapshot = *snapshot,
                                           .configuration = *configuration,
                                           .keep_from = keep_from});
}

bool raft_storage_is_taking(const struct raft_storage *storage) {
    for (size_t i = 0; i < storage->job_count; i++)
        if (storage->jobs[i].type == STORAGE_OWN_SNAPSHOT)
            return true;
    return storage->taken_file >= 0;
}

void raft_storage_store_chunk(struct raft_storage *storage,
                              const struct raft_snapshot_chunk *chunk) {
    struct storage_job job = {.type = STORAGE_CHUNK,
                              .size = chunk->data.size,
                              .snapshot = chunk->snapshot,
                              .configuration = chunk->configuration,
                              .offset = chunk->offset};
    job.bytes = sim_resize(NULL, chunk->data.size + 1);
    if (chunk->data.size > 0)
        memcpy(job.bytes, chunk->data.data, chunk->data.size);
    add_job(storage, &job);
}

static void tell(struct raft_storage *storage, struct raft_input input) {
    storage->input(storage->owner, &input);
}

static void end_jobs(struct raft_storage *storage) {
    forget_jobs(storage, storage->running);
    storage->running = 0;
    storage->step = 0;
}

/* No space: this write and all that wait fail. */
static void fail_writes(struct raft_storage *storage) {
    uint64_t number = storage->jobs[0].write.number;
    storage->running = 0;
    storage->step = 0;
    storage->is_full = true;
    for (size_t i = 0; i < storage->job_count;) {
        struct storage_job *job = &storage->jobs[i];
        if (job->type != STORAGE_WRITE) {
            i++;
            continue;
        }
        free(job->bytes);
        storage->job_count--;
        memmove(job, job + 1, (storage->job_count - i) * sizeof(*job));
    }
    tell(storage, (struct raft_input){.type = RAFT_PERSIST_FAILED, .failed_number = number});
}

/* The newest hard state among the running writes; NULL if none has one. */
static const struct raft_hard_state *running_hard_state(const struct raft_storage *storage) {
    for (size_t i = storage->running; i > 0; i--)
        if (storage->jobs[i - 1].write.has_hard_state)
            return &storage->jobs[i - 1].write.hard_state;
    return NULL;
}

static enum larder_status append_running(struct raft_storage *storage) {
    for (size_t i = 0; i < storage->running; i++) {
        const struct storage_job *job = &storage->jobs[i];
        if (job->bytes == NULL)
            continue;
        enum larder_status status = log_append(storage->disk, storage->log_file, &storage->log,
                                               slice_of(job->bytes, job->size));
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_OK;
}

static void end_writes(struct raft_storage *storage) {
    const struct raft_write *last = &storage->jobs[storage->running - 1].write;
    struct raft_input input = {.type = RAFT_PERSISTED,
                               .persisted = {last->number, last->last_index, last->last_term}};
    end_jobs(storage);
    tell(storage, input);
}

/* Steps: hard state twice, the log, and sometimes the whole log anew. */
static enum larder_status run_writes(struct raft_storage *storage) {
    const struct raft_hard_state *hard_state = running_hard_state(storage);
    enum larder_status status = LARDER_OK;
    if (storage->step < 2 && hard_state == NULL)
        storage->step = 2;
    switch (storage->step++) {
    case 0:
        storage->hard_state_sequence++;
        status = write_hard_state(storage, 0, hard_state);
        sync_file(storage, STORAGE_HARD_STATE_FILE);
        return status;
    case 1:
        status = write_hard_state(storage, 1, hard_state);
        sync_file(storage, STORAGE_HARD_STATE_FILE);
        return status;
    case 2:
        status = append_running(storage);
        if (status == LARDER_OK)
            sync_file(storage, storage->log_file);
        return status;
    case 3:
        if (storage->log.end > storage->rewrite_at && rewrite_log(storage) == LARDER_OK) {
            sync_file(storage, other_log_file(storage));
            return LARDER_OK;
        }
        end_writes(storage);
        return LARDER_OK;
    default:
        storage->log_file = other_log_file(storage);
        end_writes(storage);
        return LARDER_OK;
    }
}

static enum larder_status run_job(struct raft_storage *storage) {
    struct storage_job *job = &storage->jobs[0];
    if (job->type == STORAGE_WRITE) {
        if (storage->step == 0) {
            storage->running = 1;
            while (storage->running < storage->job_count &&
                   storage->jobs[storage->running].type == STORAGE_WRITE)
                storage->running++;
        }
        return run_writes(storage);
    }
    storage->running = 1;
    if (storage->step++ == 0) {
        enum larder_status status = raft_storage_put_snapshot(storage, job);
        if (status == LARDER_OK)
            sync_file(storage, job->file);
        return status;
    }
    struct raft_input input = raft_storage_end_snapshot(storage, job, true);
    end_jobs(storage);
    tell(storage, input);
    return LARDER_OK;
}

static void fail_job(struct raft_storage *storage, enum larder_status status) {
    if (status != LARDER_NO_SPACE) {
        machine_exit(storage->machine, "the disk failed");
        return;
    }
    if (storage->jobs[0].type == STORAGE_WRITE) {
        fail_writes(storage);
        return;
    }
    struct raft_input input = raft_storage_end_snapshot(storage, &storage->jobs[0], false);
    end_jobs(storage);
    if (input.type != RAFT_TICK)
        tell(storage, input);
}

/* Go on until a sync is awaited or nothing is left. */
static void run(struct raft_storage *storage) {
    while (storage->ticket == NO_TICKET && !storage->is_recovering && storage->job_count > 0 &&
           storage->machine->exit_reason == NULL) {
        enum larder_status status = run_job(storage);
        if (status != LARDER_OK)
            fail_job(storage, status);
    }
}

void raft_storage_synced(struct raft_storage *storage, uint64_t ticket, enum larder_status status) {
    if (ticket != storage->ticket)
        return;
    storage->ticket = NO_TICKET;
    if (status == LARDER_OK && storage->is_recovering)
        status = recover(storage);
    if (status != LARDER_OK) {
        machine_exit(storage->machine, "the disk failed");
        return;
    }
    run(storage);
}

void raft_storage_probe(struct raft_storage *storage) {
    if (!storage->is_full || storage->ticket != NO_TICKET)
        return;
    size_t size = disk_size(storage->disk, storage->log_file);
    if (disk_resize(storage->disk, storage->log_file, size + 8192) != LARDER_OK ||
        disk_resize(storage->disk, storage->log_file, size) != LARDER_OK)
        return;
    storage->is_full = false;
    tell(storage, (struct raft_input){.type = RAFT_STORAGE_READY});
}
