/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of all logs and indexes of a node: 2 MiB chunks, cut by a buddy system into runs of 4 to
 * 64 KiB, and each thread's reserve of runs, from which partitions take under their own lock.
 *
 *   chunk (2 MiB, aligned)
 *   +--------------------------+--------+--------+------------------+-----
 *   | header, 1 page of 4 KiB  | 4 KiB  | 8 KiB  | 16 KiB           | ...
 *   +--------------------------+--------+--------+------------------+-----
 *   The header maps each page to the first page of the segment that covers it, so that the
 *   address of a record leads to its segment.
 *
 * Index pages are 4 KiB, cut from runs of 64 KiB that never return to the buddy system: a thread
 * may read an index word of a page that was given back (as a hint), so an index page stays an
 * index page while the node lives.
 *
 * The pool is guarded by POOL_LOCK, which src/node takes; a reserve belongs to its thread. */
#ifndef LARDER_STORE_POOL_H
#define LARDER_STORE_POOL_H

#include "base/alloc.h"
#include "base/lock_order.h"
#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PAGE_BYTES = 4096,
    CHUNK_BYTES = ALLOCATOR_MAP_UNIT,
    CHUNK_PAGES = CHUNK_BYTES / PAGE_BYTES,
    RUN_ORDERS = 5, /* order k is 4 KiB << k */
    RUN_BYTES_MAX = PAGE_BYTES << (RUN_ORDERS - 1),
};

struct chunk;

/* A free run; its first bytes hold the links. */
struct run {
    struct run *next;
    struct run *previous; /* in the pool's lists only */
    unsigned order;       /* where the holder wants to remember it */
};

struct pool {
    const struct allocator *allocator; /* immutable after init */
    struct run *free[RUN_ORDERS] GUARDED_BY(POOL_LOCK);
    _Atomic uint64_t *index_pages GUARDED_BY(POOL_LOCK);
    struct chunk *chunks GUARDED_BY(POOL_LOCK);
    size_t chunk_count GUARDED_BY(POOL_LOCK);
    size_t free_pages GUARDED_BY(POOL_LOCK);
};

/* What one thread holds ready. Partitions take from it and give back to it without a lock. */
struct reserve {
    struct run *runs[RUN_ORDERS];
    _Atomic uint64_t *index_pages;
    uint16_t run_count[RUN_ORDERS];
    uint16_t index_count;
    uint16_t run_target[RUN_ORDERS]; /* what reserve_fill brings it to */
    uint16_t index_target;
    bool is_starved;    /* something asked for what was not there since the last fill: */
    uint8_t starved;    /* bit k: a run of order k; bit RUN_ORDERS: an index page */
    bool is_unbalanced; /* a list left the range [1, 2 * target]: fill when no lock is held */
};

void pool_init(struct pool *pool, const struct allocator *allocator);
/* Unmaps everything: no run is in use any more. */
void pool_finish(struct pool *pool);

void reserve_init(struct reserve *reserve);

/* Bring the reserve to its targets, give back what is above twice the targets. Maps chunks when the
 * pool runs dry: the caller holds no partition lock. Runs above 4 KiB are filled only as far as
 * free ones are there while more than a 32nd of the pool is free in smaller ones, which serve as
 * well. Errors: LARDER_NO_MEMORY (what could be had is in the reserve). */
enum larder_status reserve_fill(struct reserve *reserve, struct pool *pool)
    REQUIRES(POOL_LOCK) LARDER_NODISCARD;
/* Give everything back. */
void reserve_drain(struct reserve *reserve, struct pool *pool) REQUIRES(POOL_LOCK);

/* After a LARDER_NO_MEMORY of a store function: the next fill brings four times as much of what was
 * missing. The targets stay raised until they are reset. */
void reserve_raise(struct reserve *reserve);
/* Back to the usual targets. */
void reserve_reset_targets(struct reserve *reserve);

/* A run of the order, not cleared; NULL when the reserve holds none (then is_starved is set). */
void *reserve_take_run(struct reserve *reserve, unsigned order);
void reserve_give_run(struct reserve *reserve, unsigned order, void *run);
/* A cleared index page or NULL. */
_Atomic uint64_t *reserve_take_index_page(struct reserve *reserve);
void reserve_give_index_page(struct reserve *reserve, _Atomic uint64_t *page);

/* Unmap chunks that are wholly free, but keep `keep` of them. */
void pool_trim(struct pool *pool, size_t keep) REQUIRES(POOL_LOCK);

/* Bytes mapped from the system. */
size_t pool_mapped_bytes(const struct pool *pool) REQUIRES(POOL_LOCK);

/* The first byte of the run that covers an address inside it, as recorded by chunk_map_run. */
void *chunk_run_of(const void *address);
/* Record that the run's pages belong together. Called by whoever puts a segment into the run. */
void chunk_map_run(void *run, unsigned order);

#endif
