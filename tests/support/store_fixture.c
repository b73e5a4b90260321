/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/store_fixture.h"

#include "store/eviction.h"
#include "store/partition_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct store_fixture *store_fixture_create(const struct store_fixture_options *options) {
    struct store_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_allocator_init(&f->allocator);
    struct keyspace_options keyspace_options = {
        .allocator = &f->allocator.base,
        .partition_count = options->partition_count != 0 ? options->partition_count : 1,
        .database_count = options->database_count,
        .delete_command = 77,
        .element_delete_command = 78,
        .seed = options->seed,
    };
    assert_int_equal(keyspace_init(&f->keyspace, &keyspace_options), LARDER_OK);
    atomic_store(&f->keyspace.policy, (uint32_t)options->policy);
    store_thread_init(&f->thread, &f->keyspace, options->seed + 1);
    f->thread.now_ms = 1700000000000;
    store_fixture_rest(f);
    return f;
}

void store_fixture_destroy(struct store_fixture *f) NO_THREAD_SAFETY {
    store_thread_finish(&f->thread, &f->keyspace);
    keyspace_finish(&f->keyspace);
    assert_int_equal(f->allocator.heap_blocks, 0);
    assert_int_equal(f->allocator.heap_bytes, 0);
    assert_int_equal(f->allocator.mapped_bytes, 0);
    free(f);
}

struct partition *store_fixture_partition(struct store_fixture *f, const struct key *key) {
    return keyspace_partition(&f->keyspace, key->partition);
}

void store_fixture_rest(struct store_fixture *f) NO_THREAD_SAFETY {
    (void)store_thread_free_dropped(&f->thread);
    reserve_reset_targets(&f->thread.reserve);
    if (f->thread.reserve.is_starved || f->thread.reserve.is_unbalanced) {
        enum larder_status status = reserve_fill(&f->thread.reserve, &f->keyspace.pool);
        (void)status;
    }
}

enum larder_status store_fixture_refill(struct store_fixture *f) NO_THREAD_SAFETY {
    (void)store_thread_free_dropped(&f->thread);
    reserve_raise(&f->thread.reserve);
    return reserve_fill(&f->thread.reserve, &f->keyspace.pool);
}

struct blob *store_fixture_blob(struct store_fixture *f, struct slice bytes) {
    struct blob *blob = blob_create(&f->allocator.base, bytes.size);
    assert_non_null(blob);
    memcpy(blob->data, bytes.data, bytes.size);
    blob->size = bytes.size;
    return blob;
}

void store_fixture_set(struct store_fixture *f, struct slice text, uint32_t collection,
                       struct slice value, int64_t expiry_ms) NO_THREAD_SAFETY {
    struct key key = keyspace_key(&f->keyspace, text, collection);
    struct partition *p = store_fixture_partition(f, &key);
    struct value stored = value.size > RECORD_INLINE_VALUE_MAX
                              ? value_of_blob(store_fixture_blob(f, value))
                              : value_of_bytes(value);
    for (unsigned attempt = 0;; attempt++) {
        struct entry old;
        bool is_there = partition_find(p, &f->keyspace, &key, &old);
        enum larder_status status = partition_put(p, &f->keyspace, &f->thread, &key,
                                                  is_there ? &old : NULL, stored, expiry_ms);
        if (status == LARDER_OK)
            break;
        assert_true(attempt < 8);
        assert_int_equal(store_fixture_refill(f), LARDER_OK);
    }
    store_fixture_rest(f);
}

bool store_fixture_find(struct store_fixture *f, struct slice text, uint32_t collection,
                        struct entry *out) NO_THREAD_SAFETY {
    struct key key = keyspace_key(&f->keyspace, text, collection);
    return partition_find(store_fixture_partition(f, &key), &f->keyspace, &key, out);
}

bool store_fixture_delete(struct store_fixture *f, struct slice text,
                          uint32_t collection) NO_THREAD_SAFETY {
    struct key key = keyspace_key(&f->keyspace, text, collection);
    struct partition *p = store_fixture_partition(f, &key);
    struct entry old;
    if (!partition_find(p, &f->keyspace, &key, &old))
        return false;
    partition_delete(p, &f->keyspace, &f->thread, &old);
    store_fixture_rest(f);
    return true;
}

static size_t held_by(const struct partition *p) NO_THREAD_SAFETY {
    return p->log_bytes + p->index.bytes + p->blob_bytes + p->count_capacity * sizeof(*p->counts) +
           eviction_bytes(p);
}

void store_fixture_check(struct store_fixture *f) {
    int64_t held = 0;
    uint64_t blob_bytes = 0;
    for (uint32_t i = 0; i < f->keyspace.partition_count; i++) {
        const struct partition *p = &f->keyspace.partitions[i];
        partition_check(p, &f->keyspace);
        held += (int64_t)held_by(p);
        blob_bytes += p->blob_bytes;
    }
    assert_int_equal(held, keyspace_memory_bytes(&f->keyspace) + f->thread.memory_delta);
    assert_true(blob_bytes <= f->allocator.heap_bytes);
}
