/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes durable on a simulated disk what a consensus core wants to be durable, and finds it again.
 *
 *   file 0      hard state: two slots a sector apart, written and synced one after the other
 *   file 1, 2   log: the newer complete one counts.  header | record | record ...
 *                 header  magic u32 | generation u16, use u48 | size of the first record u32 |
 *                         crc u32
 *                 record  size u32 | crc u32 | reset u8 | after index u64 | entries as in codec.h
 *               each crc continues the one before, so nothing of an older use or behind a torn
 *               record can pass for a part of it
 *   file 3-5    snapshots: the complete one of the highest index counts
 *                 header  magic u32 | generation u16 | index u64 | term u64 | size u64 |
 *                         checksum u32 | configuration size u32 | configuration | crc u32,
 *                         then the bytes at 1024
 *
 * Logs and snapshots of another generation than the hard state's are not there: with that a new
 * generation begins, all of it at once.
 *
 * What a new process finds may not be durable: it may only be in the cache, and after a sync that
 * failed no later sync tells. So before it takes part it writes all of it over itself and syncs.
 * Nothing else is overwritten until that has succeeded: a copy into another file could take the
 * place of the only durable one, and its own sync fail as well. Jobs run one after the other;
 * writes that queue up share a sync. An I/O error ends the process; a full disk is reported and
 * probed. */
#ifndef LARDER_TESTS_SIM_RAFT_STORAGE_H
#define LARDER_TESTS_SIM_RAFT_STORAGE_H

#include "raft/codec.h"
#include "raft/raft.h"
#include "sim/process.h"

enum {
    STORAGE_HARD_STATE_FILE = 0,
    STORAGE_LOG_FILE = 1,      /* and the next */
    STORAGE_SNAPSHOT_FILE = 3, /* and the next two */
    STORAGE_SNAPSHOT_FILES = 3,
    STORAGE_SNAPSHOT_AT = 1024,            /* where its bytes begin */
    STORAGE_LOG_REWRITE_BYTES = 32 * 1024, /* of a file, or twice what the last rewrite left */
    LOG_GENERATION_SHIFT = 48,             /* of the cluster's generation in that of log_contents */
};

enum storage_job_type { STORAGE_WRITE, STORAGE_OWN_SNAPSHOT, STORAGE_CHUNK };

struct storage_job {
    enum storage_job_type type;
    struct raft_write write; /* `entries` is not kept */
    uint8_t *bytes;          /* owned: the record, the snapshot or the chunk */
    size_t size;
    struct raft_snapshot snapshot;
    struct raft_configuration configuration;
    uint64_t offset;
    uint64_t keep_from;
    uint32_t file; /* written to */
};

/* What a log file says; see log_contents_finish. */
struct log_contents {
    uint8_t *bytes; /* owned: the file as read; entries borrow their data from it */
    struct raft_entry *entries;
    size_t count, capacity;
    uint64_t generation;
    size_t end;   /* of the last whole record */
    uint32_t crc; /* to be continued */
};

struct raft_storage {
    struct sim_machine *machine;
    struct sim_disk *disk;
    /* inputs for the core; `ready` once, when what was found is durable */
    void (*input)(void *owner, const struct raft_input *input);
    void (*ready)(void *owner);
    void *owner;
    struct raft_id cluster;
    uint16_t generation; /* of the cluster */

    struct raft_hard_state hard_state; /* as found; see raft_storage_restored */
    uint64_t hard_state_sequence;
    uint32_t newer_slot; /* as found */
    uint32_t log_file;
    struct log_contents log; /* as found; later only generation, end and crc */
    struct raft_snapshot snapshot;
    struct raft_configuration configuration;
    int32_t snapshot_file; /* of `snapshot`; -1: it is the founding one */
    int32_t arriving_file;
    int32_t taken_file; /* an own one that the core did not accept yet; -1: none */
    struct storage_taken {
        struct raft_snapshot snapshot;
        struct raft_configuration configuration;
        uint64_t keep_from;
    } taken;
    uint64_t arrived_bytes; /* of the snapshot that is arriving; UINT64_MAX: it was given up */
    uint64_t first_index;   /* entries before it may be dropped when the log is rewritten */
    size_t rewrite_at;      /* when the log file is larger */

    struct storage_job *jobs;
    size_t job_count, job_capacity;
    size_t running; /* jobs at the front that are being done */
    uint32_t step;
    uint64_t ticket; /* of the sync that is awaited; 0: none */
    uint64_t last_ticket;
    bool is_recovering;
    bool is_full; /* writes are refused until there is space again */
};

/* Read the disk and begin to make durable what was found. A disk without a log belongs to a new
 * node: `founders` is its configuration as of index 0 (empty for one that joins).
 * Errors: LARDER_IO, LARDER_NO_SPACE, LARDER_CORRUPT (something that was durable can't be read). */
enum larder_status raft_storage_open(struct raft_storage *storage,
                                     const struct raft_configuration *founders) LARDER_NODISCARD;
void raft_storage_close(struct raft_storage *storage);

/* After `ready`: what the core starts with. Borrowed until the next call. */
void raft_storage_restored(const struct raft_storage *storage, struct raft_restored *out);
/* The core was made: what was found is no longer needed in memory. */
void raft_storage_release(struct raft_storage *storage);

void raft_storage_write(struct raft_storage *storage, const struct raft_write *write);
/* Whether an own snapshot is being stored or waits to be accepted. */
bool raft_storage_is_taking(const struct raft_storage *storage);
/* Store a snapshot of the own state; the core is told when it is durable, and may be busy: then the
 * snapshot before it must be kept. Not while one is being taken. Takes ownership of `bytes` (from
 * sim_resize). */
void raft_storage_take_snapshot(struct raft_storage *storage, const struct raft_snapshot *snapshot,
                                const struct raft_configuration *configuration, uint64_t keep_from,
                                uint8_t *bytes);
/* The core took SNAPSHOT_TAKEN, or never will. */
void raft_storage_end_taking(struct raft_storage *storage, bool is_accepted);
void raft_storage_store_chunk(struct raft_storage *storage,
                              const struct raft_snapshot_chunk *chunk);
/* Answers with SNAPSHOT_DATA at once. */
void raft_storage_read_chunk(struct raft_storage *storage, const struct raft_snapshot_read *read);
/* The bytes of the newest snapshot, or of the one just installed. Returns owned (free). NULL if
 * there is none or it can't be read. */
uint8_t *raft_storage_load_snapshot(struct raft_storage *storage);
/* The core installed the snapshot that arrived. */
void raft_storage_installed(struct raft_storage *storage, const struct raft_snapshot *snapshot,
                            uint64_t first_index);

/* A new generation of the cluster takes the place of all, durably when this returns. Errors:
 * LARDER_BUSY (something is being stored: try again), as disk_write; nothing has changed then.
 * After LARDER_IO of the last step it is unknown which one a new process finds, and this one ends.
 */
enum larder_status raft_storage_begin_generation(struct raft_storage *storage, uint16_t generation,
                                                 const struct raft_hard_state *hard_state,
                                                 const struct raft_snapshot *snapshot,
                                                 const struct raft_configuration *configuration,
                                                 struct slice bytes) LARDER_NODISCARD;

void raft_storage_synced(struct raft_storage *storage, uint64_t ticket, enum larder_status status);
/* Now and then: look for space if there was none. */
void raft_storage_probe(struct raft_storage *storage);

/* raft_storage_log.c */
void log_contents_finish(struct log_contents *log);
/* The generation that the file's header tells; 0 if it has none. Errors: LARDER_IO. */
enum larder_status log_generation_load(struct sim_disk *disk, uint32_t file,
                                       uint64_t *out) LARDER_NODISCARD;
/* Read a log file. Errors: LARDER_NOT_FOUND (no complete one), LARDER_IO. */
enum larder_status log_contents_load(struct sim_disk *disk, uint32_t file,
                                     struct log_contents *out) LARDER_NODISCARD;
/* The bytes of a record behind its size and crc. Returns owned (free). */
uint8_t *log_record_encode(bool is_reset, uint64_t after_index, const struct raft_entry *entries,
                           size_t count, size_t *out_size);
/* Append a record; `log` then ends behind it. Errors: as disk_write. */
enum larder_status log_append(struct sim_disk *disk, uint32_t file, struct log_contents *log,
                              struct slice record) LARDER_NODISCARD;
/* Begin the file anew with one record. Errors: as disk_write. */
enum larder_status log_begin(struct sim_disk *disk, uint32_t file, struct log_contents *log,
                             struct slice record) LARDER_NODISCARD;

#endif
