/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void store_model_init(struct store_model *m, struct store_fixture *fixture, uint64_t seed,
                      size_t slot_count, uint32_t collection_count) {
    *m = (struct store_model){.fixture = fixture,
                              .random = random_seeded(seed),
                              .slot_count = slot_count,
                              .collection_count = collection_count};
    m->entries = calloc(slot_count, sizeof(*m->entries));
    assert_non_null(m->entries);
}

void store_model_forget(struct store_model *m, size_t slot) {
    struct model_entry *e = &m->entries[slot];
    m->count -= e->is_there;
    free(e->bytes);
    *e = (struct model_entry){0};
}

void store_model_finish(struct store_model *m) {
    for (size_t i = 0; i < m->slot_count; i++)
        store_model_forget(m, i);
    free(m->entries);
}

struct key store_model_key(const struct store_model *m, size_t slot, uint8_t *out) {
    static const uint16_t SIZES[] = {0, 1024, 1025, 1040, 3000, 127, 128, 300};
    size_t size = (size_t)snprintf((char *)out, 64, "key:%zu", slot);
    size_t kind = slot % 61;
    if (slot == 0)
        size = 0; /* the empty key is a key */
    else if (kind < sizeof(SIZES) / sizeof(SIZES[0]) && SIZES[kind] > size) {
        memset(out + size, 'k', SIZES[kind] - size);
        size = SIZES[kind];
    }
    return keyspace_key(&m->fixture->keyspace, slice_of(out, size),
                        (uint32_t)(slot % m->collection_count));
}

static void expect_same(const struct model_entry *e, const struct entry *found) {
    assert_int_equal(found->value.kind, e->kind);
    assert_int_equal(found->expiry_ms, e->expiry_ms);
    if (e->kind == VALUE_INTEGER) {
        assert_int_equal(found->value.integer, e->integer);
        return;
    }
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice bytes = value_text(&found->value, scratch);
    assert_int_equal(bytes.size, e->size);
    assert_true(slice_equal(bytes, slice_of(e->bytes, e->size)));
}

void store_model_compare(struct store_model *m, size_t slot) NO_THREAD_SAFETY {
    uint8_t text[4096];
    struct key key = store_model_key(m, slot, text);
    struct entry found;
    bool is_there = partition_find(store_fixture_partition(m->fixture, &key), &m->fixture->keyspace,
                                   &key, &found);
    assert_int_equal(is_there, m->entries[slot].is_there);
    if (!is_there)
        return;
    assert_true(slice_equal(found.key, key.text));
    assert_int_equal(found.collection, key.collection);
    expect_same(&m->entries[slot], &found);
}

void store_model_compare_all(struct store_model *m) NO_THREAD_SAFETY {
    for (size_t i = 0; i < m->slot_count; i++)
        store_model_compare(m, i);
    uint64_t count = 0;
    for (uint32_t i = 0; i < m->fixture->keyspace.partition_count; i++)
        count += partition_usage(keyspace_partition(&m->fixture->keyspace, i)).record_count;
    assert_int_equal(count, m->count);
}

static int64_t random_integer(struct random *random) {
    static const int64_t EDGES[] = {0,         -1,        127,       -128,      128,
                                    32767,     -32768,    32768,     INT32_MAX, INT32_MIN,
                                    INT64_MAX, INT64_MIN, 2147483648};
    if (random_below(random, 2) == 0)
        return EDGES[random_below(random, sizeof(EDGES) / sizeof(EDGES[0]))];
    return (int64_t)(random_next(random) >> random_below(random, 64));
}

static size_t random_size(struct random *random) {
    static const uint16_t EDGES[] = {0, 1, 8, 127, 128, 2047, 2048, 2049, 4000};
    uint64_t draw = random_below(random, 20);
    if (draw == 0)
        return EDGES[random_below(random, sizeof(EDGES) / sizeof(EDGES[0]))];
    return random_below(random, draw < 3 ? 600 : 50);
}

static int64_t random_expiry(const struct store_model *m, struct random *random) {
    if (random_below(random, 2) == 0)
        return 0;
    return m->fixture->thread.now_ms - 2000 + (int64_t)random_below(random, 600000);
}

/* A value and what the model holds for it. */
static struct value random_value(struct store_model *m, struct model_entry *out) {
    struct random *random = &m->random;
    *out = (struct model_entry){.is_there = true};
    if (random_below(random, 4) == 0) {
        out->kind = VALUE_INTEGER;
        out->integer = random_integer(random);
        return value_of_integer(out->integer);
    }
    out->size = random_size(random);
    out->bytes = malloc(out->size + 1);
    assert_non_null(out->bytes);
    for (size_t i = 0; i < out->size; i++)
        out->bytes[i] = (uint8_t)random_next(random);
    if (out->size <= RECORD_INLINE_VALUE_MAX && random_below(random, 30) != 0) {
        out->kind = random_below(random, 8) == 0 ? VALUE_RAW : VALUE_BYTES;
        return (struct value){.kind = out->kind, .bytes = slice_of(out->bytes, out->size)};
    }
    out->kind = VALUE_BLOB;
    struct blob *blob = blob_create(&m->fixture->allocator.base, out->size);
    if (blob == NULL)
        return (struct value){.kind = VALUE_BLOB};
    memcpy(blob->data, out->bytes, out->size);
    blob->size = out->size;
    return value_of_blob(blob);
}

static void put(struct store_model *m, struct partition *p, const struct key *key, size_t slot,
                bool may_fail) NO_THREAD_SAFETY {
    struct model_entry fresh;
    struct value value = random_value(m, &fresh);
    if (value.kind == VALUE_BLOB && value.blob == NULL) {
        assert_true(may_fail);
        free(fresh.bytes);
        m->refusals++;
        return;
    }
    fresh.expiry_ms = random_expiry(m, &m->random);
    for (unsigned attempt = 0;; attempt++) {
        struct entry old;
        bool is_there = partition_find(p, &m->fixture->keyspace, key, &old);
        assert_int_equal(is_there, m->entries[slot].is_there);
        enum larder_status status =
            partition_put(p, &m->fixture->keyspace, &m->fixture->thread, key,
                          is_there ? &old : NULL, value, fresh.expiry_ms);
        if (status == LARDER_OK)
            break;
        assert_int_equal(status, LARDER_NO_MEMORY);
        store_model_compare(m, slot);
        if (store_fixture_refill(m->fixture) == LARDER_OK && attempt < 8)
            continue;
        assert_true(may_fail);
        if (value.kind == VALUE_BLOB)
            blob_release(value.blob);
        free(fresh.bytes);
        m->refusals++;
        return;
    }
    m->count += !m->entries[slot].is_there;
    free(m->entries[slot].bytes);
    m->entries[slot] = fresh;
}

static void set_expiry(struct store_model *m, struct partition *p, const struct key *key,
                       size_t slot, bool may_fail) NO_THREAD_SAFETY {
    int64_t expiry_ms = random_expiry(m, &m->random);
    for (unsigned attempt = 0;; attempt++) {
        struct entry entry;
        if (!partition_find(p, &m->fixture->keyspace, key, &entry))
            return;
        if (partition_set_expiry(p, &m->fixture->keyspace, &m->fixture->thread, &entry,
                                 expiry_ms) == LARDER_OK)
            break;
        store_model_compare(m, slot);
        if (store_fixture_refill(m->fixture) == LARDER_OK && attempt < 8)
            continue;
        assert_true(may_fail);
        m->refusals++;
        return;
    }
    m->entries[slot].expiry_ms = expiry_ms;
}

void store_model_delete(struct store_model *m, size_t slot) NO_THREAD_SAFETY {
    uint8_t text[4096];
    struct key key = store_model_key(m, slot, text);
    struct partition *p = store_fixture_partition(m->fixture, &key);
    struct entry entry;
    bool is_there = partition_find(p, &m->fixture->keyspace, &key, &entry);
    assert_int_equal(is_there, m->entries[slot].is_there);
    if (is_there)
        partition_delete(p, &m->fixture->keyspace, &m->fixture->thread, &entry);
    store_model_forget(m, slot);
    store_fixture_rest(m->fixture);
}

void store_model_step(struct store_model *m, bool may_fail) NO_THREAD_SAFETY {
    uint8_t text[4096];
    size_t slot = random_below(&m->random, m->slot_count);
    struct key key = store_model_key(m, slot, text);
    struct partition *p = store_fixture_partition(m->fixture, &key);
    uint64_t draw = random_below(&m->random, 20);
    struct entry entry;
    if (draw < 11) {
        put(m, p, &key, slot, may_fail);
    } else if (draw < 13) {
        set_expiry(m, p, &key, slot, may_fail);
    } else if (draw < 16) {
        store_model_delete(m, slot);
    } else if (draw < 18 && partition_find(p, &m->fixture->keyspace, &key, &entry)) {
        partition_touch(p, &m->fixture->keyspace, &m->fixture->thread, &entry);
        assert_true(m->entries[slot].is_there);
        expect_same(&m->entries[slot], &entry);
    } else {
        store_model_compare(m, slot);
    }
    m->fixture->thread.now_ms += (int64_t)random_below(&m->random, 20);
    store_fixture_rest(m->fixture);
}
