/* SPDX-License-Identifier: BSD-3-Clause */
/* A database is a number that stands for a collection id: it is emptied by giving it a new id, and
 * two are exchanged by exchanging their ids. The entries of the old id are nobody's and are deleted
 * partition by partition. If no other database holds anything, the partitions are emptied as
 * wholes instead, without a look at their entries.
 *
 * The effect is the new ids, one part for each partition. What a transaction or script did before
 * and has still to tell follows its database to the new id. */
#include "node/keyspace_admin.h"

#include "node/interest.h"
#include "node/node_internal.h"

static void clear_all(struct node_thread *thread, struct node_flush *flush)
    REQUIRES(PARTITION_LOCK) {
    struct keyspace *keyspace = &thread->node->keyspace;
    for (uint32_t id = 0; id < keyspace->partition_count; id++)
        partition_clear(keyspace_partition(keyspace, id), keyspace, &thread->store,
                        &flush->detached);
}

/* No lock is held, unless the thread is in a section. */
static void balance(struct node_thread *thread) {
    if (thread->section.kind == SECTION_NONE)
        node_serve_deferred(thread);
    if (thread->store.reserve.is_unbalanced)
        (void)node_thread_refill(thread);
    (void)store_thread_free_dropped(&thread->store);
    store_thread_report(&thread->store, &thread->node->keyspace);
}

enum { PAIR_BYTES = 2 * INT64_TEXT_MAX };

/* Room for the effects of `changes` changes of up to `pairs` databases each: all that can fail, so
 * it comes first. Inside a section a record is being written already. */
static enum larder_status begin_record(struct node_thread *thread, size_t changes, size_t pairs) {
    if (thread->store.effects == NULL)
        return LARDER_OK;
    size_t size = changes * thread->node->keyspace.partition_count *
                  effects_part_bound(2 * pairs, pairs * PAIR_BYTES);
    return thread->section.kind == SECTION_NONE ? effects_begin(&thread->effects, size)
                                                : effects_reserve(&thread->effects, size);
}

static void end_record(struct node_thread *thread) {
    if (thread->store.effects != NULL && thread->section.kind == SECTION_NONE)
        effects_commit(&thread->effects);
}

/* The databases have the ids that they have now. */
static void emit(struct node_thread *thread, enum command_id command, const uint32_t *databases,
                 size_t count) REQUIRES(PARTITION_LOCK) {
    struct keyspace *keyspace = &thread->node->keyspace;
    uint8_t text[2][PAIR_BYTES];
    struct slice arguments[4];
    if (thread->store.effects == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        uint32_t collection = keyspace_collection(keyspace, databases[i]);
        size_t first = uint64_format(databases[i], text[i]);
        size_t second = uint64_format(collection, text[i] + INT64_TEXT_MAX);
        arguments[2 * i] = slice_of(text[i], first);
        arguments[2 * i + 1] = slice_of(text[i] + INT64_TEXT_MAX, second);
    }
    for (uint32_t id = 0; id < keyspace->partition_count; id++) {
        struct effect_part part = {
            .partition = id,
            .collection = keyspace_collection(keyspace, databases[0]),
            .time_ms = thread->store.now_ms,
            .command = (uint32_t)command,
            .argument_count = 2 * count,
        };
        effects_append(&thread->effects, &part, arguments);
    }
}

static bool is_empty(struct keyspace *keyspace, uint32_t database) REQUIRES(PARTITION_LOCK) {
    uint32_t collection = keyspace_collection(keyspace, database);
    for (uint32_t id = 0; id < keyspace->partition_count; id++)
        if (partition_count(keyspace_partition(keyspace, id), collection).keys > 0)
            return false;
    return true;
}

/* What the database held is nobody's from here on. */
static void renew(struct node_thread *thread, uint32_t database) REQUIRES(PARTITION_LOCK) {
    struct keyspace *keyspace = &thread->node->keyspace;
    uint32_t id = keyspace->next_collection++;
    notices_renumber(&thread->store.notices, keyspace_collection(keyspace, database), id);
    atomic_store_explicit(&keyspace->collections[database], id, memory_order_relaxed);
    emit(thread, COMMAND_FLUSHDB, &database, 1);
}

/* Those who wait for keys may have waited for nothing (a consumer group that is gone). */
static void tell_flushed(struct node_thread *thread, uint32_t database) REQUIRES(PARTITION_LOCK) {
    struct node *node = thread->node;
    if (atomic_load_explicit(&node->changes_wanted, memory_order_relaxed) == 0)
        return;
    node_listen(thread);
    thread->section.has_other_databases = true; /* in a section they are served at its end */
    for (uint32_t i = 0; i < node->keyspace.database_count; i++)
        if ((database == UINT32_MAX || database == i) && thread->section.kind == SECTION_NONE)
            node_serve_database(thread, i);
    if (node->listener.flushed != NULL)
        node->listener.flushed(node->listener.context, thread, database);
}

/* Empty a database, or all: UINT32_MAX. */
static enum larder_status flush(struct node_thread *thread, uint32_t database,
                                struct node_flush *flush) {
    struct keyspace *keyspace = &thread->node->keyspace;
    size_t flushed = 0, kept = 0;
    partition_lock_all(thread->node);
    for (uint32_t i = 0; i < keyspace->database_count; i++) {
        bool is_chosen = database == UINT32_MAX || database == i;
        if (!is_empty(keyspace, i))
            ++*(is_chosen ? &flushed : &kept);
    }
    enum larder_status status = begin_record(thread, flushed, 1);
    if (status == LARDER_OK) {
        node_touch_database(thread, database, UINT32_MAX);
        for (uint32_t i = 0; i < keyspace->database_count; i++)
            if ((database == UINT32_MAX || database == i) && !is_empty(keyspace, i))
                renew(thread, i);
        if (kept == 0) {
            clear_all(thread, flush);
        } else if (flushed > 0) {
            flush->has_dead = true;
            flush->next_partition = 0;
        }
        tell_flushed(thread, database);
        end_record(thread);
    }
    partition_unlock_all(thread->node);
    balance(thread);
    return status;
}

enum larder_status node_flush_all(struct node_thread *thread, struct node_flush *out) {
    return flush(thread, UINT32_MAX, out);
}

enum larder_status node_flush_database(struct node_thread *thread, uint32_t database,
                                       struct node_flush *out) {
    return flush(thread, database, out);
}

/* Delete dead entries of the next partition that has some. */
static void drop_dead(struct node_thread *thread, struct node_flush *flush, uint32_t budget) {
    struct node *node = thread->node;
    struct keyspace *keyspace = &node->keyspace;
    while (flush->next_partition < keyspace->partition_count) {
        uint32_t id = flush->next_partition;
        struct partition *p = keyspace_partition(keyspace, id);
        partition_lock(node, id);
        bool has_dead = partition_has_dead(p, keyspace);
        bool has_more =
            has_dead && partition_drop_dead(p, keyspace, &thread->store, &flush->detached, budget);
        partition_unlock(node, id);
        flush->next_partition += !has_more;
        if (has_dead)
            return;
    }
    flush->has_dead = false;
}

bool node_flush_step(struct node_thread *thread, struct node_flush *flush, uint32_t budget) {
    if (flush->detached.segments != NULL)
        (void)detached_free(&flush->detached, &thread->store, budget);
    else if (flush->has_dead)
        drop_dead(thread, flush, budget);
    balance(thread);
    return flush->detached.segments != NULL || flush->has_dead;
}

static void exchange(struct node_thread *thread, uint32_t a, uint32_t b) REQUIRES(PARTITION_LOCK) {
    struct keyspace *keyspace = &thread->node->keyspace;
    struct notices *notices = &thread->store.notices;
    uint32_t first = keyspace_collection(keyspace, a), second = keyspace_collection(keyspace, b);
    notices_renumber(notices, first, UINT32_MAX);
    notices_renumber(notices, second, first);
    notices_renumber(notices, UINT32_MAX, second);
    atomic_store_explicit(&keyspace->collections[a], second, memory_order_relaxed);
    atomic_store_explicit(&keyspace->collections[b], first, memory_order_relaxed);
    emit(thread, COMMAND_SWAPDB, (uint32_t[]){a, b}, 2);
}

enum larder_status node_swap_databases(struct node_thread *thread, uint32_t a, uint32_t b) {
    partition_lock_all(thread->node);
    enum larder_status status = begin_record(thread, 1, 2);
    if (status == LARDER_OK) {
        node_touch_database(thread, a, b);
        node_touch_database(thread, b, a);
        exchange(thread, a, b);
        tell_flushed(thread, a);
        tell_flushed(thread, b);
        end_record(thread);
    }
    partition_unlock_all(thread->node);
    balance(thread);
    return status;
}
