/* SPDX-License-Identifier: BSD-3-Clause */
/* A buddy system (Knowlton 1965) over 2 MiB chunks: runs of 2^k pages, a free run's buddy differs
 * in one bit of its page number, and two free buddies merge. One byte per page holds the order of
 * the free run that starts there, or NOT_FREE. The header page is never free, so the first 64 KiB
 * of a chunk never merge whole and a chunk is empty when all its other pages are free. */
#include "store/pool.h"

#include <string.h>

enum { NOT_FREE = 0xff };

struct chunk {
    struct chunk *next;
    struct chunk *previous;
    uint16_t free_pages;
    uint8_t free_order[CHUNK_PAGES]; /* of a free run's first page, else NOT_FREE; POOL_LOCK */
    uint16_t run_page[CHUNK_PAGES];  /* first page of the run in use that covers the page */
};
_Static_assert(sizeof(struct chunk) <= PAGE_BYTES, "the header is one page");

static struct chunk *chunk_of(const void *address) {
    return (struct chunk *)((uintptr_t)address & ~(uintptr_t)(CHUNK_BYTES - 1));
}

static size_t page_of(const void *address) {
    return ((uintptr_t)address & (CHUNK_BYTES - 1)) / PAGE_BYTES;
}

static void *page_address(struct chunk *chunk, size_t page) {
    return (uint8_t *)chunk + page * PAGE_BYTES;
}

void *chunk_run_of(const void *address) {
    struct chunk *chunk = chunk_of(address);
    return page_address(chunk, chunk->run_page[page_of(address)]);
}

void chunk_map_run(void *run, unsigned order) {
    struct chunk *chunk = chunk_of(run);
    size_t first = page_of(run);
    for (size_t page = first; page < first + ((size_t)1 << order); page++)
        chunk->run_page[page] = (uint16_t)first;
}

void pool_init(struct pool *pool, const struct allocator *allocator) {
    memset(pool, 0, sizeof(*pool));
    pool->allocator = allocator;
}

void pool_finish(struct pool *pool) NO_THREAD_SAFETY {
    struct chunk *chunk = pool->chunks;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        pool->allocator->unmap(pool->allocator->context, chunk, CHUNK_BYTES);
        chunk = next;
    }
    pool_init(pool, pool->allocator);
}

static void list_push(struct pool *pool, unsigned order, struct run *run) REQUIRES(POOL_LOCK) {
    run->previous = NULL;
    run->next = pool->free[order];
    if (run->next != NULL)
        run->next->previous = run;
    pool->free[order] = run;
}

static void list_remove(struct pool *pool, unsigned order, struct run *run) REQUIRES(POOL_LOCK) {
    if (run->previous != NULL)
        run->previous->next = run->next;
    else
        pool->free[order] = run->next;
    if (run->next != NULL)
        run->next->previous = run->previous;
}

static void mark_free(struct pool *pool, struct chunk *chunk, size_t page, unsigned order)
    REQUIRES(POOL_LOCK) {
    chunk->free_order[page] = (uint8_t)order;
    list_push(pool, order, page_address(chunk, page));
}

static void unmark_free(struct pool *pool, struct chunk *chunk, size_t page, unsigned order)
    REQUIRES(POOL_LOCK) {
    chunk->free_order[page] = NOT_FREE;
    list_remove(pool, order, page_address(chunk, page));
}

/* Map one more chunk and free its pages, the largest runs last so that they are used first. */
static bool pool_grow(struct pool *pool) REQUIRES(POOL_LOCK) {
    struct chunk *chunk = pool->allocator->map(pool->allocator->context, CHUNK_BYTES);
    if (chunk == NULL)
        return false;
    memset(chunk->free_order, NOT_FREE, sizeof(chunk->free_order));
    chunk->previous = NULL;
    chunk->next = pool->chunks;
    if (chunk->next != NULL)
        chunk->next->previous = chunk;
    pool->chunks = chunk;
    pool->chunk_count++;
    size_t page = CHUNK_PAGES;
    while (page > (size_t)1 << (RUN_ORDERS - 1)) {
        page -= (size_t)1 << (RUN_ORDERS - 1);
        mark_free(pool, chunk, page, RUN_ORDERS - 1);
    }
    for (unsigned order = RUN_ORDERS - 1; order-- > 0;)
        mark_free(pool, chunk, (size_t)1 << order, order);
    chunk->free_pages = CHUNK_PAGES - 1;
    pool->free_pages += CHUNK_PAGES - 1;
    return true;
}

static void *pool_take(struct pool *pool, unsigned order, bool may_grow) REQUIRES(POOL_LOCK) {
    unsigned from = order;
    while (from < RUN_ORDERS && pool->free[from] == NULL)
        from++;
    if (from == RUN_ORDERS) {
        if (!may_grow || !pool_grow(pool))
            return NULL;
        from = pool->free[order] != NULL ? order : RUN_ORDERS - 1;
    }
    void *run = pool->free[from];
    struct chunk *chunk = chunk_of(run);
    size_t page = page_of(run);
    unmark_free(pool, chunk, page, from);
    while (from > order) {
        from--;
        mark_free(pool, chunk, page + ((size_t)1 << from), from);
    }
    chunk->free_pages = (uint16_t)(chunk->free_pages - (1u << order));
    pool->free_pages -= (size_t)1 << order;
    return run;
}

static void pool_give(struct pool *pool, unsigned order, void *run) REQUIRES(POOL_LOCK) {
    struct chunk *chunk = chunk_of(run);
    size_t page = page_of(run);
    chunk->free_pages = (uint16_t)(chunk->free_pages + (1u << order));
    pool->free_pages += (size_t)1 << order;
    while (order < RUN_ORDERS - 1) {
        size_t buddy = page ^ (size_t)1 << order;
        if (chunk->free_order[buddy] != order)
            break;
        unmark_free(pool, chunk, buddy, order);
        page &= ~((size_t)1 << order);
        order++;
    }
    mark_free(pool, chunk, page, order);
}

/* Lists of free index pages run through the pages' first words. Another thread may read those words
 * at any time as a prefetch hint, hence the atomic accesses. */
static void page_push(_Atomic uint64_t **list, _Atomic uint64_t *page) {
    atomic_store_explicit(&page[0], (uint64_t)(uintptr_t)*list, memory_order_relaxed);
    *list = page;
}

static _Atomic uint64_t *page_pop(_Atomic uint64_t **list) {
    _Atomic uint64_t *page = *list;
    if (page != NULL)
        *list = (_Atomic uint64_t *)(uintptr_t)atomic_load_explicit(&page[0], memory_order_relaxed);
    return page;
}

static bool pool_cut_index_pages(struct pool *pool) REQUIRES(POOL_LOCK) {
    uint8_t *run = pool_take(pool, RUN_ORDERS - 1, true);
    if (run == NULL)
        return false;
    for (size_t at = RUN_BYTES_MAX; at > 0; at -= PAGE_BYTES)
        page_push(&pool->index_pages, (_Atomic uint64_t *)(void *)(run + at - PAGE_BYTES));
    return true;
}

void pool_trim(struct pool *pool, size_t keep) {
    struct chunk *chunk = pool->chunks;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        if (chunk->free_pages == CHUNK_PAGES - 1) {
            if (keep > 0) {
                keep--;
                chunk = next;
                continue;
            }
            for (size_t page = 1; page < CHUNK_PAGES; page++)
                if (chunk->free_order[page] != NOT_FREE)
                    unmark_free(pool, chunk, page, chunk->free_order[page]);
            if (chunk->previous != NULL)
                chunk->previous->next = chunk->next;
            else
                pool->chunks = chunk->next;
            if (chunk->next != NULL)
                chunk->next->previous = chunk->previous;
            pool->chunk_count--;
            pool->free_pages -= CHUNK_PAGES - 1;
            pool->allocator->unmap(pool->allocator->context, chunk, CHUNK_BYTES);
        }
        chunk = next;
    }
}

size_t pool_mapped_bytes(const struct pool *pool) {
    return pool->chunk_count * CHUNK_BYTES;
}

/* ---- a thread's reserve ---- */

enum { TARGET = 2, INDEX_TARGET = 2, TARGET_MAX = 1 << 14 };

void reserve_reset_targets(struct reserve *reserve) {
    for (unsigned order = 0; order < RUN_ORDERS; order++)
        reserve->run_target[order] = TARGET;
    reserve->index_target = INDEX_TARGET;
    reserve->is_unbalanced = true;
}

void reserve_init(struct reserve *reserve) {
    memset(reserve, 0, sizeof(*reserve));
    reserve_reset_targets(reserve);
    reserve->is_unbalanced = true;
}

void reserve_raise(struct reserve *reserve) {
    for (unsigned order = 0; order < RUN_ORDERS; order++)
        if ((reserve->starved & 1u << order) != 0 && reserve->run_target[order] < TARGET_MAX)
            reserve->run_target[order] = (uint16_t)(reserve->run_target[order] * 4);
    if ((reserve->starved & 1u << RUN_ORDERS) != 0 && reserve->index_target < TARGET_MAX)
        reserve->index_target = (uint16_t)(reserve->index_target * 4);
}

static void starve(struct reserve *reserve, unsigned what) {
    reserve->is_starved = true;
    reserve->starved = (uint8_t)(reserve->starved | 1u << what);
}

static void list_give(struct run **list, uint16_t *count, void *memory) {
    struct run *run = memory;
    run->next = *list;
    *list = run;
    (*count)++;
}

static void *list_take(struct run **list, uint16_t *count) {
    struct run *run = *list;
    if (run != NULL) {
        *list = run->next;
        (*count)--;
    }
    return run;
}

/* Whether mapping more is better than serving large runs in pieces. */
static bool is_well_used(const struct pool *pool) REQUIRES(POOL_LOCK) {
    return pool->free_pages < pool->chunk_count * CHUNK_PAGES / 32 + RUN_BYTES_MAX / PAGE_BYTES;
}

static bool fill_order(struct reserve *reserve, struct pool *pool, unsigned order)
    REQUIRES(POOL_LOCK) {
    while (reserve->run_count[order] > 2 * reserve->run_target[order])
        pool_give(pool, order, list_take(&reserve->runs[order], &reserve->run_count[order]));
    while (reserve->run_count[order] < reserve->run_target[order]) {
        void *run = pool_take(pool, order, order == 0 || is_well_used(pool));
        if (run == NULL)
            return order > 0 && !is_well_used(pool);
        list_give(&reserve->runs[order], &reserve->run_count[order], run);
    }
    return true;
}

static bool fill_index(struct reserve *reserve, struct pool *pool) REQUIRES(POOL_LOCK) {
    while (reserve->index_count > 2 * reserve->index_target) {
        page_push(&pool->index_pages, page_pop(&reserve->index_pages));
        reserve->index_count--;
    }
    while (reserve->index_count < reserve->index_target) {
        if (pool->index_pages == NULL && !pool_cut_index_pages(pool))
            return false;
        page_push(&reserve->index_pages, page_pop(&pool->index_pages));
        reserve->index_count++;
    }
    return true;
}

enum larder_status reserve_fill(struct reserve *reserve, struct pool *pool) {
    bool filled = fill_index(reserve, pool);
    for (unsigned order = 0; order < RUN_ORDERS; order++)
        filled = fill_order(reserve, pool, order) && filled;
    reserve->is_starved = false;
    reserve->starved = 0;
    reserve->is_unbalanced = !filled;
    return filled ? LARDER_OK : LARDER_NO_MEMORY;
}

void reserve_drain(struct reserve *reserve, struct pool *pool) {
    memset(reserve->run_target, 0, sizeof(reserve->run_target));
    reserve->index_target = 0;
    enum larder_status status = reserve_fill(reserve, pool); /* with targets of 0 it only gives */
    (void)status;
    reserve_reset_targets(reserve);
}

void *reserve_take_run(struct reserve *reserve, unsigned order) {
    void *run = list_take(&reserve->runs[order], &reserve->run_count[order]);
    if (run == NULL)
        starve(reserve, order);
    if (reserve->run_count[order] == 0)
        reserve->is_unbalanced = true;
    return run;
}

void reserve_give_run(struct reserve *reserve, unsigned order, void *run) {
    list_give(&reserve->runs[order], &reserve->run_count[order], run);
    if (reserve->run_count[order] > 2 * reserve->run_target[order])
        reserve->is_unbalanced = true;
}

_Atomic uint64_t *reserve_take_index_page(struct reserve *reserve) {
    _Atomic uint64_t *page = page_pop(&reserve->index_pages);
    if (page == NULL) {
        starve(reserve, RUN_ORDERS);
        return NULL;
    }
    if (--reserve->index_count == 0)
        reserve->is_unbalanced = true;
    for (size_t i = 0; i < PAGE_BYTES / sizeof(*page); i++)
        atomic_store_explicit(&page[i], 0, memory_order_relaxed);
    return page;
}

void reserve_give_index_page(struct reserve *reserve, _Atomic uint64_t *page) {
    page_push(&reserve->index_pages, page);
    reserve->index_count++;
    if (reserve->index_count > 2 * reserve->index_target)
        reserve->is_unbalanced = true;
}
