/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes durable on a simulated disk what the replica of one partition wants to be durable, and
 * finds it again, in the form of cluster/replica_journal.h. Two files per partition take turns.
 *
 *   replica's write -> frame in the file -> a sync of all that is there -> SYNCED, and the next
 *   image           -> first frame of the other file, which then is the log
 *
 * A new process writes what it found over itself and syncs that before it uses it. An I/O error
 * ends the process. Without space writes are dropped; once there is space again, what the replica
 * still has of them is written, or, if that is not all, an image. */
#ifndef LARDER_TESTS_SIM_PARTITION_LOG_H
#define LARDER_TESTS_SIM_PARTITION_LOG_H

#include "cluster/partition_image.h"
#include "sim/process.h"

enum {
    PARTITION_LOG_FILE = 16,                /* the first partition's first */
    PARTITION_LOG_IMAGE_BYTES = 128 * 1024, /* a log as long as this begins anew with an image */
};

/* Tickets of its syncs; those of others have no such bit. */
#define PARTITION_LOG_TICKET (UINT64_C(1) << 42)

struct partition_log {
    struct sim_machine *machine;
    struct sim_disk *disk;
    uint32_t partition;
    uint32_t file; /* 0 or 1 */
    struct journal_cursor cursor;
    size_t durable; /* bytes of the file that a sync has made durable */
    bool is_recovering, is_full;
    bool has_gap;        /* writes were dropped: what follows can't be appended ... */
    bool has_lost_reset; /* ... among them one that began anew */
    uint64_t lost_after; /* ... and all records behind this one */
    uint64_t written;    /* number of the newest write in the file */
    uint64_t image;      /* position of the image that no sync has covered yet; UINT64_MAX: none */
    /* the sync under way */
    uint64_t ticket; /* 0: none */
    uint64_t last_ticket;
    size_t sync_end;
    uint64_t sync_number, sync_image;
};

/* What a sync made durable. */
struct partition_log_synced {
    bool is_recovered; /* what was found may be used now */
    uint64_t number;   /* 0: nothing; else SYNCED */
    bool has_image;    /* STORED as of ... */
    uint64_t image;    /* ... here */
};

/* *log was zero before the first time. Errors: LARDER_IO, LARDER_NO_MEMORY. Else a sync is under
 * way, and until it has ended the log is recovering. */
LARDER_NODISCARD
enum larder_status partition_log_open(struct partition_log *log, struct sim_machine *machine,
                                      uint32_t partition);
/* What the file says now, for a replica that begins with it. *out_bytes is the caller's (free) and
 * lent to *out, which is the caller's too (journal_finish). Errors: LARDER_IO, LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status partition_log_load(const struct partition_log *log,
                                      const struct allocator *allocator, struct journal_found *out,
                                      uint8_t **out_bytes);
/* A replica begins whose writes are numbered from 1: with what was found, or with nothing. */
void partition_log_begin(struct partition_log *log, bool is_anew);

/* The replica's write of its last step. */
void partition_log_write(struct partition_log *log, const struct partition_replica *replica,
                         const struct replica_write *write);
/* Whether an image is wanted by the log itself, and whether one can be written now. */
bool partition_log_wants_image(const struct partition_log *log);
bool partition_log_may_image(const struct partition_log *log);
/* The other file becomes the log: the image and what the replica has behind it. */
void partition_log_put_image(struct partition_log *log, const struct partition_image *image,
                             const struct partition_replica *replica);

/* The ticket is this log's. */
static inline bool partition_log_owns(const struct partition_log *log, uint64_t ticket) {
    return log->ticket != 0 && log->ticket == ticket;
}
void partition_log_synced(struct partition_log *log, enum larder_status status,
                          struct partition_log_synced *out);
/* Now and then: look for space if there was none, and write what was dropped. */
void partition_log_mend(struct partition_log *log, const struct partition_replica *replica);

#endif
