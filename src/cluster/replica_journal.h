/* SPDX-License-Identifier: BSD-3-Clause */
/* The durable form of a partition's replica: what is appended to a file for it, and what is found
 * again. Pure: files and their syncs are the caller's (a simulated disk, a write-ahead log).
 *
 *   file   frame | frame | ...    of one generation; its first frame holds an image or nothing
 *   frame  magic u32 | body size u32 | generation u64 | durable u64 | previous u32 | crc u32 |
 *          body, filled up to a multiple of 8 with zeros
 *   body   VOID    nothing is known of the partition
 *          IMAGE   all that it held as of a committed position
 *          WRITE   a struct replica_write: records behind a position, which cuts what was there
 *
 * `previous` is the crc of the frame before, so nothing of another use of the file passes for a
 * part of it, and the end of the chain is the end of what counts: what is behind was being written
 * when power was lost. But `durable`, how much of the file was known to be on stable storage when
 * the frame was made, tells that apart from damage: where any later frame says that the broken
 * place had been durable, the file is damaged and what it says is not believed at all.
 *
 * Who waits for syncs acknowledges only what is durable, so what is found has everything that this
 * process acknowledged. Two files take turns: a new image goes into the other one as a new
 * generation, and the older one stays as it is until that is durable. The file of the highest
 * generation counts. A log that begins anew does so in the other file, too, also if it had to wait
 * for room: what is in this one may be damaged, or nothing. What a new process finds may be in a
 * cache only, also where a sync of it had failed: it is written over itself and synced before
 * anybody is told of it. */
#ifndef LARDER_CLUSTER_REPLICA_JOURNAL_H
#define LARDER_CLUSTER_REPLICA_JOURNAL_H

#include "cluster/partition_replica.h"

/* Where the next frame of a file goes. */
struct journal_cursor {
    uint64_t generation;
    size_t end;
    uint32_t crc; /* of the last frame */
};

/* ---- writing ---- */

enum { JOURNAL_VOID_BYTES = 1 };

size_t journal_void_encode(uint8_t out[JOURNAL_VOID_BYTES]);

/* All that a partition held as of `position`, which is committed. */
struct journal_image {
    struct log_position position;
    struct slice beside; /* partition_beside_encode */
    struct slice items;  /* effects that make the entries where there are none: size u32, bytes */
};

size_t journal_image_size(const struct journal_image *image);
size_t journal_image_encode(const struct journal_image *image, uint8_t *out);

/* `write` is of the replica's last step. */
size_t journal_write_size(const struct partition_replica *replica,
                          const struct replica_write *write);
size_t journal_write_encode(const struct partition_replica *replica,
                            const struct replica_write *write, uint8_t *out);

size_t journal_frame_size(size_t body_bytes);
/* Writes journal_frame_size bytes, to be put at cursor->end, which moves behind them. `durable`:
 * bytes of this file that a sync has made durable. */
void journal_frame(struct journal_cursor *cursor, struct slice body, size_t durable, uint8_t *out);

/* ---- reading ---- */

/* What a file says. */
struct journal_found {
    bool is_there;   /* there is a whole first frame, or frames that say that there was one */
    bool is_damaged; /* something is broken that had been durable */
    struct journal_cursor cursor;
    bool has_data; /* the partition was whole: an image, or all records from the first on */
    struct log_position base;
    struct slice beside, items; /* as of base; empty if its sequence is 0 */
    uint64_t commit;
    size_t record_count, record_capacity;
    struct replica_record *records; /* owned; payloads borrow from the file */
};

/* `file` is borrowed until journal_finish. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status journal_read(struct slice file, const struct allocator *allocator,
                                struct journal_found *out);
void journal_finish(struct journal_found *found, const struct allocator *allocator);

#endif
