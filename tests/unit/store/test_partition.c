/* SPDX-License-Identifier: BSD-3-Clause */
/* What a put does to the log: in place or appended, at the limits of sizes and times, with blobs,
 * with access words; what deletion gives back. */
#include "store/access.h"
#include "store/partition_state.h"
#include "support/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct entry put(struct store_fixture *f, struct slice text, struct value value,
                        int64_t expiry_ms) NO_THREAD_SAFETY {
    struct key key = keyspace_key(&f->keyspace, text, 0);
    struct partition *p = store_fixture_partition(f, &key);
    struct entry entry;
    bool is_there = partition_find(p, &f->keyspace, &key, &entry);
    assert_int_equal(partition_put(p, &f->keyspace, &f->thread, &key, is_there ? &entry : NULL,
                                   value, expiry_ms),
                     LARDER_OK);
    store_fixture_rest(f);
    assert_true(partition_find(p, &f->keyspace, &key, &entry));
    return entry;
}

static struct value text_value(const char *text) {
    return value_of_bytes(slice_of_string(text));
}

static const struct partition *only(const struct store_fixture *f) {
    return &f->keyspace.partitions[0];
}

static struct store_fixture *create(enum eviction_policy policy) {
    return store_fixture_create(&(struct store_fixture_options){.seed = 1, .policy = policy});
}

static void a_record_of_16_and_32_bytes_takes_51(void **state) {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    (void)put(f, SLICE_LITERAL("key:000000000001"), text_value("abcdefghijklmnopqrstuvwxyz012345"),
              0);
    assert_int_equal(only(f)->live_bytes, 51);
    store_fixture_destroy(f);
}

static void a_value_of_the_same_length_is_written_in_place(void **state) {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct entry first = put(f, SLICE_LITERAL("k"), text_value("12345678"), 0);
    struct entry second = put(f, SLICE_LITERAL("k"), text_value("abcdefgh"), 0);
    assert_ptr_equal(first.record, second.record);
    assert_true(slice_equal(second.value.bytes, SLICE_LITERAL("abcdefgh")));
    /* An integer of eight bytes, then a blob's pointer: the same length as well. */
    struct entry third = put(f, SLICE_LITERAL("k"), value_of_integer(INT64_MIN), 0);
    assert_ptr_equal(first.record, third.record);
    struct blob *blob = store_fixture_blob(f, SLICE_LITERAL("a blob of some length"));
    struct entry fourth = put(f, SLICE_LITERAL("k"), value_of_blob(blob), 0);
    assert_ptr_equal(first.record, fourth.record);
    assert_int_equal(only(f)->blob_bytes, blob_footprint(blob));
    store_fixture_check(f);
    struct entry fifth = put(f, SLICE_LITERAL("k"), text_value("12345678"), 0);
    assert_ptr_equal(first.record, fifth.record);
    assert_int_equal(only(f)->blob_bytes, 0);
    struct entry longer = put(f, SLICE_LITERAL("k"), text_value("123456789"), 0);
    assert_ptr_not_equal(first.record, longer.record);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void an_overwrite_counts_as_a_use(void **state) {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct entry entry = put(f, SLICE_LITERAL("k"), text_value("1"), 0);
    assert_int_equal(index_frequency(index_load(entry.word)), 0);
    entry = put(f, SLICE_LITERAL("k"), text_value("2"), 0);
    assert_int_equal(index_frequency(index_load(entry.word)), 1);
    for (unsigned i = 0; i < 5; i++)
        entry = put(f, SLICE_LITERAL("k"), text_value(i % 2 == 0 ? "longer" : "short"), 0);
    assert_int_equal(index_frequency(index_load(entry.word)), INDEX_FREQUENCY_MAX);
    store_fixture_destroy(f);
}

static void an_expiry_field_stays_once_it_is_there(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct partition *p = &f->keyspace.partitions[0];
    (void)put(f, SLICE_LITERAL("k"), text_value("v"), 0);
    uint64_t plain = p->live_bytes;
    struct entry entry = put(f, SLICE_LITERAL("k"), text_value("v"), 5000);
    uint8_t *record = entry.record;
    assert_int_equal(p->live_bytes, plain + RECORD_EXPIRY_BYTES);
    assert_int_equal(partition_count(p, 0).expiring, 1);
    assert_int_equal(partition_set_expiry(p, &f->keyspace, &f->thread, &entry, 0), LARDER_OK);
    assert_int_equal(partition_count(p, 0).expiring, 0);
    assert_true(store_fixture_find(f, SLICE_LITERAL("k"), 0, &entry));
    assert_ptr_equal(entry.record, record);
    assert_int_equal(entry.expiry_ms, 0);
    assert_int_equal(partition_set_expiry(p, &f->keyspace, &f->thread, &entry, 9000), LARDER_OK);
    assert_true(store_fixture_find(f, SLICE_LITERAL("k"), 0, &entry));
    assert_ptr_equal(entry.record, record);
    assert_int_equal(entry.expiry_ms, 9000);
    assert_int_equal(partition_count(p, 0).expiry_sum_s, 9);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void expiry_times_beyond_their_field_are_bounded(void **state) {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct entry entry = put(f, SLICE_LITERAL("k"), text_value("v"), INT64_MAX);
    assert_int_equal(entry.expiry_ms, RECORD_EXPIRY_MAX_MS);
    entry = put(f, SLICE_LITERAL("k"), text_value("v"), -5);
    assert_int_equal(entry.expiry_ms, 1);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void keys_and_values_at_their_limits_are_kept(void **state) {
    (void)state;
    static const size_t KEY_SIZES[] = {0, 1, 127, 128, 1023, 1024, 1025, 5000};
    static const size_t VALUE_SIZES[] = {0, 1, 127, 128, 2047, 2048, 2049, 70000};
    static uint8_t key[5000], bytes[70000];
    memset(bytes, 'v', sizeof(bytes));
    struct store_fixture *f = create(EVICTION_NONE);
    for (size_t k = 0; k < sizeof(KEY_SIZES) / sizeof(KEY_SIZES[0]); k++) {
        for (size_t v = 0; v < sizeof(VALUE_SIZES) / sizeof(VALUE_SIZES[0]); v++) {
            struct slice text = slice_of(key, KEY_SIZES[k]);
            store_fixture_set(f, text, 7, slice_of(bytes, VALUE_SIZES[v]), 12345);
            struct entry entry;
            assert_true(store_fixture_find(f, text, 7, &entry));
            uint8_t scratch[INT64_TEXT_MAX];
            assert_true(
                slice_equal(value_text(&entry.value, scratch), slice_of(bytes, VALUE_SIZES[v])));
            assert_int_equal(entry.value.kind == VALUE_BLOB, VALUE_SIZES[v] > 2048);
            assert_int_equal((entry.record[0] & RECORD_EXTERNAL_KEY) != 0, KEY_SIZES[k] > 1024);
            assert_true(slice_equal(entry.key, text));
            store_fixture_check(f);
        }
    }
    for (size_t k = 0; k < sizeof(KEY_SIZES) / sizeof(KEY_SIZES[0]); k++)
        assert_true(store_fixture_delete(f, slice_of(key, KEY_SIZES[k]), 7));
    assert_int_equal(only(f)->blob_bytes, 0);
    assert_int_equal(only(f)->log_bytes, 0);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void a_reply_may_hold_a_blob_that_is_overwritten(void **state) {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct blob *blob = store_fixture_blob(f, SLICE_LITERAL("held by a reply"));
    (void)put(f, SLICE_LITERAL("k"), value_of_blob(blob), 0);
    struct blob *held = blob_acquire(blob);
    (void)put(f, SLICE_LITERAL("k"), text_value("other"), 0);
    assert_true(slice_equal(blob_slice(held), SLICE_LITERAL("held by a reply")));
    blob_release(held);
    (void)put(f, SLICE_LITERAL("k"), value_of_blob(store_fixture_blob(f, SLICE_LITERAL("x"))), 0);
    assert_true(store_fixture_delete(f, SLICE_LITERAL("k"), 0));
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void a_put_that_fails_leaves_memory_counted(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct key key = keyspace_key(&f->keyspace, SLICE_LITERAL("k"), 0);
    reserve_drain(&f->thread.reserve, &f->keyspace.pool);
    assert_int_equal(partition_put(&f->keyspace.partitions[0], &f->keyspace, &f->thread, &key, NULL,
                                   text_value("v"), 0),
                     LARDER_NO_MEMORY);
    assert_true(only(f)->index.bytes > 0); /* the directory was begun */
    store_fixture_check(f);
    (void)store_fixture_refill(f);
    (void)put(f, SLICE_LITERAL("k"), text_value("v"), 0);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void deleting_everything_gives_the_memory_back(void **state) {
    (void)state;
    struct store_fixture *f =
        store_fixture_create(&(struct store_fixture_options){.seed = 1, .partition_count = 16});
    char text[32];
    for (unsigned n = 0; n < 50000; n++)
        store_fixture_set(f, slice_of(text, (size_t)snprintf(text, sizeof(text), "key:%u", n)), 0,
                          SLICE_LITERAL("some value of a certain length"), 0);
    int64_t full = keyspace_memory_bytes(&f->keyspace) + f->thread.memory_delta;
    for (unsigned n = 0; n < 50000; n++)
        assert_true(store_fixture_delete(
            f, slice_of(text, (size_t)snprintf(text, sizeof(text), "key:%u", n)), 0));
    int64_t empty = keyspace_memory_bytes(&f->keyspace) + f->thread.memory_delta;
    assert_true(full > 50000 * 50);
    assert_true(empty <= 16 * (2 * PAGE_BYTES));
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void a_use_under_lru_gives_old_records_an_access_word(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = create(EVICTION_NONE);
    struct partition *p = &f->keyspace.partitions[0];
    struct entry entry = put(f, SLICE_LITERAL("k"), text_value("v"), 77000);
    assert_int_equal(entry.record[0] & RECORD_HAS_ACCESS, 0);
    atomic_store(&f->keyspace.policy, EVICTION_ALLKEYS_LRU);
    partition_touch(p, &f->keyspace, &f->thread, &entry);
    assert_int_not_equal(entry.record[0] & RECORD_HAS_ACCESS, 0);
    assert_int_equal(entry.expiry_ms, 77000);
    assert_true(slice_equal(entry.value.bytes, SLICE_LITERAL("v")));
    struct record_layout l = record_parse(entry.record);
    uint32_t access = (uint32_t)bytes_get(entry.record + l.access_at, RECORD_ACCESS_BYTES);
    assert_int_equal(access_idle_s(access, f->thread.now_ms + 9000), 9);
    f->thread.now_ms += 60000;
    partition_touch(p, &f->keyspace, &f->thread, &entry);
    access = (uint32_t)bytes_get(entry.record + l.access_at, RECORD_ACCESS_BYTES);
    assert_int_equal(access_idle_s(access, f->thread.now_ms), 0);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void lfu_counters_grow_slowly_and_decay(void **state) {
    (void)state;
    struct store_fixture *f = create(EVICTION_ALLKEYS_LFU);
    uint32_t access = access_initial(&f->keyspace, &f->thread, NULL);
    assert_int_equal(access_lfu_counter(&f->keyspace, access, f->thread.now_ms), LFU_INITIAL);
    for (unsigned i = 0; i < 1000; i++)
        access = access_after_use(&f->keyspace, &f->thread, access);
    uint8_t counter = access_lfu_counter(&f->keyspace, access, f->thread.now_ms);
    assert_true(counter > 12 && counter < 30); /* factor 10: about 18 after a thousand uses */
    assert_int_equal(access_lfu_counter(&f->keyspace, access, f->thread.now_ms + 3 * 60000),
                     counter - 3);
    assert_int_equal(access_lfu_counter(&f->keyspace, access, f->thread.now_ms + 300 * 60000), 0);
    for (unsigned i = 0; i < 1000000; i++)
        access = access_after_use(&f->keyspace, &f->thread, access);
    assert_true(access_lfu_counter(&f->keyspace, access, f->thread.now_ms) >= 230);
    store_fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_16_and_32_bytes_takes_51),
        cmocka_unit_test(a_value_of_the_same_length_is_written_in_place),
        cmocka_unit_test(an_overwrite_counts_as_a_use),
        cmocka_unit_test(an_expiry_field_stays_once_it_is_there),
        cmocka_unit_test(expiry_times_beyond_their_field_are_bounded),
        cmocka_unit_test(keys_and_values_at_their_limits_are_kept),
        cmocka_unit_test(a_reply_may_hold_a_blob_that_is_overwritten),
        cmocka_unit_test(a_put_that_fails_leaves_memory_counted),
        cmocka_unit_test(deleting_everything_gives_the_memory_back),
        cmocka_unit_test(a_use_under_lru_gives_old_records_an_access_word),
        cmocka_unit_test(lfu_counters_grow_slowly_and_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
