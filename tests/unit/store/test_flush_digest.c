/* SPDX-License-Identifier: BSD-3-Clause */
/* Emptying partitions and sweeping dead collections; digests that do not depend on how a state came
 * about. */
#include "store/digest.h"
#include "store/effect.h"
#include "store/eviction.h"
#include "store/expiry.h"
#include "store/flush.h"
#include "store/partition_state.h"
#include "support/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void fill(struct store_fixture *f, unsigned count, uint32_t collections) {
    static uint8_t bytes[8192];
    char text[2000];
    for (unsigned n = 0; n < count; n++) {
        memset(text, 'k', sizeof(text));
        int length = snprintf(text, 32, "key:%u", n);
        struct slice key = slice_of(text, n % 50 == 0 ? 1500 : (size_t)length);
        store_fixture_set(f, key, n % collections, slice_of(bytes, n % 40 == 0 ? 5000 : 30),
                          n % 3 == 0 ? f->thread.now_ms + n : 0);
    }
}

static struct digest digest_of(struct store_fixture *f) NO_THREAD_SAFETY {
    struct digest sum = {0};
    for (uint32_t i = 0; i < f->keyspace.partition_count; i++)
        sum = digest_add(sum, partition_digest(&f->keyspace.partitions[i], &f->keyspace));
    return sum;
}

static void clearing_takes_everything_and_gives_it_back_in_slices(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f =
        store_fixture_create(&(struct store_fixture_options){.seed = 5, .partition_count = 3});
    fill(f, 20000, 4);
    struct detached detached = {0};
    unsigned slices = 0;
    for (uint32_t i = 0; i < 3; i++) {
        struct partition *p = &f->keyspace.partitions[i];
        partition_clear(p, &f->keyspace, &f->thread, &detached);
        partition_check(p, &f->keyspace);
        for (uint32_t c = 0; c < 4; c++)
            assert_int_equal(partition_count(p, c).keys, 0);
        assert_int_equal(partition_usage(p).record_count, 0);
        (void)detached_free(&detached, &f->thread, 7);
        store_fixture_rest(f);
    }
    while (detached_free(&detached, &f->thread, 10)) {
        slices++;
        store_fixture_rest(f);
    }
    store_fixture_rest(f);
    assert_true(slices > 10);
    store_fixture_check(f);
    fill(f, 3000, 4);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void entries_of_dead_collections_are_swept_in_slices(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 5});
    struct partition *p = &f->keyspace.partitions[0];
    fill(f, 12000, 4);
    f->keyspace.collections[2] = f->keyspace.next_collection++;
    f->keyspace.collections[3] = f->keyspace.next_collection++;
    assert_int_equal(partition_count(p, f->keyspace.collections[2]).keys, 0);
    assert_true(partition_has_dead(p, &f->keyspace));
    struct detached detached = {0};
    unsigned steps = 1;
    while (partition_drop_dead(p, &f->keyspace, &f->thread, &detached, 100)) {
        store_fixture_rest(f);
        if (steps++ % 20 == 0)
            store_fixture_check(f);
    }
    assert_true(steps > 50);
    assert_null(detached.segments);
    assert_int_equal(p->record_count, 6000);
    store_fixture_check(f);
    f->keyspace.collections[0] = f->keyspace.next_collection++;
    f->keyspace.collections[1] = f->keyspace.next_collection++;
    assert_false(partition_drop_dead(p, &f->keyspace, &f->thread, &detached, 1));
    assert_int_equal(p->record_count, 0);
    assert_non_null(detached.segments);
    while (detached_free(&detached, &f->thread, 1000))
        store_fixture_rest(f);
    store_fixture_rest(f);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

/* Records of half a segment make the cleaner work all the time: what it moves must not keep getting
 * out of the sweep's way. */
static void a_sweep_ends_although_the_cleaner_moves_records(void **state) NO_THREAD_SAFETY {
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct store_fixture *f =
            store_fixture_create(&(struct store_fixture_options){.seed = seed});
        struct partition *p = &f->keyspace.partitions[0];
        struct random random = random_seeded(seed);
        static uint8_t bytes[2048];
        for (unsigned i = 0; i < 600; i++) {
            char key[32];
            int size = snprintf(key, sizeof(key), "k%u", (unsigned)random_below(&random, 150));
            store_fixture_set(f, slice_of(key, (size_t)size), i % 8 == 0 ? 1 : 0,
                              slice_of(bytes, (size_t)random_below(&random, sizeof(bytes))), 0);
        }
        f->keyspace.collections[1] = f->keyspace.next_collection++;
        struct detached detached = {0};
        unsigned steps = 0;
        while (partition_drop_dead(p, &f->keyspace, &f->thread, &detached, 20)) {
            store_fixture_rest(f);
            assert_true(++steps < 100);
        }
        store_fixture_check(f);
        store_fixture_destroy(f);
    }
}

/* Vectors of the reference implementation: key 00..0f, input 00, 01, ... of the given length. */
static void siphash_gives_the_published_values(void **state) {
    (void)state;
    uint8_t key[16], input[64];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 64; i++)
        input[i] = i;
    struct digest none = siphash128(key, slice_of(input, 0));
    assert_int_equal(none.low, 0xe6a825ba047f81a3u);
    assert_int_equal(none.high, 0x930255c71472f66du);
    struct digest one = siphash128(key, slice_of(input, 1));
    assert_int_equal(one.low, 0x44af996bd8c187dau);
    assert_int_equal(one.high, 0x45fc229b11597634u);
}

static void a_digest_depends_on_content_only(void **state) {
    (void)state;
    struct store_fixture *a =
        store_fixture_create(&(struct store_fixture_options){.seed = 1, .partition_count = 3});
    struct store_fixture *b =
        store_fixture_create(&(struct store_fixture_options){.seed = 2, .partition_count = 11});
    b->thread.now_ms = a->thread.now_ms;
    assert_true(digest_equal(digest_of(a), (struct digest){0}));
    fill(a, 5000, 3);
    store_fixture_set(b, SLICE_LITERAL("temporary"), 0, SLICE_LITERAL("x"), 0);
    /* Databases under other ids. */
    b->keyspace.collections[0] = 1;
    b->keyspace.collections[1] = 0;
    static uint8_t bytes[8192];
    char text[2000];
    for (unsigned i = 5000; i-- > 0;) {
        memset(text, 'k', sizeof(text));
        int length = snprintf(text, 32, "key:%u", i);
        struct slice key = slice_of(text, i % 50 == 0 ? 1500 : (size_t)length);
        store_fixture_set(b, key, b->keyspace.collections[i % 3],
                          slice_of(bytes, i % 40 == 0 ? 5000 : 30),
                          i % 3 == 0 ? b->thread.now_ms + i : 0);
    }
    assert_false(digest_equal(digest_of(a), digest_of(b)));
    assert_true(store_fixture_delete(b, SLICE_LITERAL("temporary"), 0));
    assert_true(digest_equal(digest_of(a), digest_of(b)));
    struct digest before = digest_of(a);
    uint8_t formatted[DIGEST_TEXT_BYTES];
    digest_format(before, formatted);
    assert_memory_equal(formatted, "00000000", 8);
    store_fixture_set(a, SLICE_LITERAL("key:1"), 1, SLICE_LITERAL("changed"), 0);
    assert_false(digest_equal(digest_of(a), before));
    store_fixture_destroy(a);
    store_fixture_destroy(b);
}

static void set_kind(struct store_fixture *f, struct value value) NO_THREAD_SAFETY {
    struct key key = keyspace_key(&f->keyspace, SLICE_LITERAL("k"), 0);
    struct entry old;
    struct partition *p = store_fixture_partition(f, &key);
    bool is_there = partition_find(p, &f->keyspace, &key, &old);
    assert_int_equal(
        partition_put(p, &f->keyspace, &f->thread, &key, is_there ? &old : NULL, value, 0),
        LARDER_OK);
    store_fixture_rest(f);
}

static void a_value_counts_by_its_text(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 1});
    set_kind(f, value_of_integer(-1234567));
    struct digest as_integer = digest_of(f);
    set_kind(f, value_of_bytes(SLICE_LITERAL("-1234567")));
    assert_true(digest_equal(digest_of(f), as_integer));
    set_kind(f, value_of_blob(store_fixture_blob(f, SLICE_LITERAL("-1234567"))));
    assert_true(digest_equal(digest_of(f), as_integer));
    set_kind(f, value_of_bytes(SLICE_LITERAL("-1234568")));
    assert_false(digest_equal(digest_of(f), as_integer));
    store_fixture_destroy(f);
}

/* Evictions and expiries on one side, their effects on the other. */
static void effects_of_leaving_replay_to_the_same_digest(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *a = store_fixture_create(&(struct store_fixture_options){
        .seed = 1, .partition_count = 3, .policy = EVICTION_ALLKEYS_S3FIFO});
    struct store_fixture *b =
        store_fixture_create(&(struct store_fixture_options){.seed = 9, .partition_count = 3});
    fill(a, 8000, 3);
    fill(b, 8000, 3);
    assert_true(digest_equal(digest_of(a), digest_of(b)));
    struct effects effects;
    effects_init(&effects, &a->allocator.base);
    a->thread.effects = &effects;
    a->thread.now_ms += 4000;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t evicted;
        struct partition *p = &a->keyspace.partitions[i];
        for (unsigned j = 0; j < 10; j++) {
            (void)eviction_step(p, &a->keyspace, &a->thread, i, 20000, &evicted);
            (void)expiry_step(p, &a->keyspace, &a->thread, i, a->thread.now_ms, 500);
            store_fixture_rest(a);
        }
    }
    assert_true(atomic_load(&a->thread.counters.evicted_keys) > 100);
    assert_true(atomic_load(&a->thread.counters.expired_keys) > 100);
    struct effect_reader reader;
    struct effect_part part;
    struct slice key;
    effect_reader_init(&reader, slice_of(effects.data, effects.used));
    while (effect_reader_next(&reader, &part, &key, 1) == LARDER_OK)
        assert_true(store_fixture_delete(b, key, part.collection));
    assert_true(digest_equal(digest_of(a), digest_of(b)));
    a->thread.effects = NULL;
    effects_finish(&effects);
    store_fixture_check(a);
    store_fixture_check(b);
    store_fixture_destroy(a);
    store_fixture_destroy(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clearing_takes_everything_and_gives_it_back_in_slices),
        cmocka_unit_test(entries_of_dead_collections_are_swept_in_slices),
        cmocka_unit_test(a_sweep_ends_although_the_cleaner_moves_records),
        cmocka_unit_test(siphash_gives_the_published_values),
        cmocka_unit_test(a_digest_depends_on_content_only),
        cmocka_unit_test(a_value_counts_by_its_text),
        cmocka_unit_test(effects_of_leaving_replay_to_the_same_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
