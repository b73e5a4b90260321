/* SPDX-License-Identifier: BSD-3-Clause */
/* Every policy frees memory, evicts only what it may, and picks what it says it picks. */
#include "store/effect.h"
#include "store/eviction.h"
#include "store/partition_state.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int64_t used_bytes(const struct store_fixture *f) {
    return keyspace_memory_bytes(&f->keyspace) + f->thread.memory_delta;
}

static struct slice key_text(char *out, const char *prefix, uint64_t number) {
    return slice_of(out, (size_t)snprintf(out, 32, "%s:%llu", prefix, (unsigned long long)number));
}

static bool is_there(struct store_fixture *f, const char *prefix, uint64_t number) {
    char text[32];
    struct entry entry;
    return store_fixture_find(f, key_text(text, prefix, number), 0, &entry);
}

static void use(struct store_fixture *f, const char *prefix, uint64_t number) NO_THREAD_SAFETY {
    char text[32];
    struct entry entry;
    struct key key = keyspace_key(&f->keyspace, key_text(text, prefix, number), 0);
    struct partition *p = store_fixture_partition(f, &key);
    if (partition_find(p, &f->keyspace, &key, &entry))
        partition_touch(p, &f->keyspace, &f->thread, &entry);
}

static void set(struct store_fixture *f, const char *prefix, uint64_t number, size_t size,
                int64_t expiry_ms) {
    static uint8_t bytes[1 << 16];
    char text[32];
    memset(bytes, (int)('a' + number % 26), size);
    store_fixture_set(f, key_text(text, prefix, number), 0, slice_of(bytes, size), expiry_ms);
}

/* What a node does over its limit: steps on partitions drawn at random, the oldest of four. Returns
 * whether the limit was reached. */
static bool evict_to(struct store_fixture *f, int64_t limit, uint64_t *evicted) NO_THREAD_SAFETY {
    unsigned idle = 0;
    while (used_bytes(f) > limit && idle < 4 * f->keyspace.partition_count) {
        uint32_t best = 0;
        uint64_t best_age = UINT64_MAX;
        for (unsigned i = 0; i < 4; i++) {
            uint32_t id = (uint32_t)random_below(&f->thread.random, f->keyspace.partition_count);
            uint64_t age = eviction_age(&f->keyspace.partitions[id], &f->keyspace);
            if (age <= best_age) {
                best = id;
                best_age = age;
            }
        }
        uint32_t count = 0;
        int64_t freed = eviction_step(&f->keyspace.partitions[best], &f->keyspace, &f->thread, best,
                                      used_bytes(f) - limit, &count);
        store_fixture_rest(f);
        (void)freed;
        idle = best_age != UINT64_MAX ? 0 : idle + 1;
        if (evicted != NULL)
            *evicted += count;
    }
    return used_bytes(f) <= limit;
}

static const struct {
    enum eviction_policy policy;
    const char *name;
    bool is_volatile;
} POLICIES[] = {
    {EVICTION_ALLKEYS_S3FIFO, "allkeys-s3fifo", false},
    {EVICTION_VOLATILE_S3FIFO, "volatile-s3fifo", true},
    {EVICTION_ALLKEYS_LRU, "allkeys-lru", false},
    {EVICTION_VOLATILE_LRU, "volatile-lru", true},
    {EVICTION_ALLKEYS_LFU, "allkeys-lfu", false},
    {EVICTION_VOLATILE_LFU, "volatile-lfu", true},
    {EVICTION_ALLKEYS_RANDOM, "allkeys-random", false},
    {EVICTION_VOLATILE_RANDOM, "volatile-random", true},
    {EVICTION_VOLATILE_TTL, "volatile-ttl", true},
};
enum { POLICY_COUNT = sizeof(POLICIES) / sizeof(POLICIES[0]) };

static size_t mixed_size(struct random *random) {
    uint64_t draw = random_below(random, 100);
    if (draw == 0)
        return 2049 + random_below(random, 30000);
    return draw < 10 ? random_below(random, 2048) : random_below(random, 80);
}

static void every_policy_keeps_memory_within_the_limit(void **state) NO_THREAD_SAFETY {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){
            .partition_count = 5, .seed = seed, .policy = POLICIES[i].policy});
        struct random random = random_seeded(seed);
        const int64_t limit = 2 << 20;
        uint64_t evicted = 0, written = 30000;
        for (uint64_t n = 0; n < written; n++) {
            int64_t expiry_ms = random_below(&random, 4) == 0
                                    ? 0
                                    : f->thread.now_ms + (int64_t)random_below(&random, 100000);
            if (!POLICIES[i].is_volatile && random_below(&random, 2) == 0)
                expiry_ms = 0;
            if (POLICIES[i].is_volatile && n > 2000 && expiry_ms == 0)
                expiry_ms = f->thread.now_ms + 5000;
            set(f, "k", n, mixed_size(&random), expiry_ms);
            use(f, "k", random_below(&random, n + 1));
            f->thread.now_ms += 5;
            assert_true(evict_to(f, limit, &evicted));
            if (n % 5000 == 0)
                store_fixture_check(f);
        }
        store_fixture_check(f);
        uint64_t records = 0, live = 0;
        for (uint32_t j = 0; j < 5; j++) {
            struct partition_usage usage = partition_usage(&f->keyspace.partitions[j]);
            records += usage.record_count;
            live += usage.live_bytes + usage.blob_bytes;
        }
        printf("%-16s %llu evicted, %llu there, %.0f %% of the limit is live\n", POLICIES[i].name,
               (unsigned long long)evicted, (unsigned long long)records,
               100.0 * (double)live / (double)limit);
        assert_int_equal(records + evicted, written);
        assert_int_equal(atomic_load(&f->thread.counters.evicted_keys), evicted);
        assert_true(live * 10 > (uint64_t)limit * 6); /* it does not evict far more than asked */
        assert_true(evict_to(f, limit / 2, &evicted) || POLICIES[i].is_volatile);
        store_fixture_check(f);
        store_fixture_destroy(f);
    }
}

static void volatile_policies_leave_other_keys_alone(void **state) NO_THREAD_SAFETY {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        if (!POLICIES[i].is_volatile)
            continue;
        struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){
            .partition_count = 3, .seed = seed, .policy = POLICIES[i].policy});
        for (uint64_t n = 0; n < 6000; n++) {
            set(f, "stay", n, 40, 0);
            if (n % 50 == 0)
                set(f, "go", n, 40, f->thread.now_ms + 100000);
        }
        uint64_t evicted = 0;
        assert_false(evict_to(f, 1000, &evicted));
        assert_int_equal(evicted, 120);
        for (uint64_t n = 0; n < 6000; n++)
            assert_true(is_there(f, "stay", n));
        for (uint32_t j = 0; j < 3; j++)
            assert_int_equal(eviction_age(&f->keyspace.partitions[j], &f->keyspace), UINT64_MAX);
        store_fixture_check(f);
        store_fixture_destroy(f);
    }
}

static void without_a_policy_nothing_leaves(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 1});
    for (uint64_t n = 0; n < 1000; n++)
        set(f, "k", n, 40, f->thread.now_ms + 1000);
    uint64_t evicted = 0;
    assert_false(evict_to(f, 0, &evicted));
    assert_int_equal(evicted, 0);
    store_fixture_destroy(f);
}

static void everything_can_be_evicted_and_its_memory_comes_back(void **state) {
    (void)state;
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct store_fixture *f = store_fixture_create(
            &(struct store_fixture_options){.seed = i, .policy = POLICIES[i].policy});
        for (uint64_t n = 0; n < 5000; n++) {
            set(f, "k", n, n % 100 == 0 ? 5000 : 40, f->thread.now_ms + 100000);
            for (unsigned j = 0; j < n % 5; j++)
                use(f, "k", n);
        }
        uint64_t evicted = 0;
        (void)evict_to(f, 0, &evicted);
        assert_int_equal(evicted, 5000);
        const struct partition *p = &f->keyspace.partitions[0];
        assert_int_equal(p->log_bytes, 0);
        assert_int_equal(p->blob_bytes, 0);
        store_fixture_check(f);
        store_fixture_destroy(f);
    }
}

/* Share of the first 1000 keys, all used now and then, that survives ten times as many new keys. */
static unsigned survivors(enum eviction_policy policy, unsigned uses, int64_t ms_per_key) {
    struct store_fixture *f = store_fixture_create(
        &(struct store_fixture_options){.seed = 3, .policy = policy, .partition_count = 1});
    for (uint64_t n = 0; n < 1000; n++)
        set(f, "hot", n, 40, f->thread.now_ms + 100000000);
    int64_t limit = used_bytes(f) * 3;
    for (uint64_t n = 0; n < 20000; n++) {
        set(f, "cold", n, 40, f->thread.now_ms + 100000000);
        for (unsigned i = 0; i < uses; i++)
            use(f, "hot", (n * uses + i) % 1000);
        f->thread.now_ms += ms_per_key;
        assert_true(evict_to(f, limit, NULL));
    }
    unsigned count = 0;
    for (uint64_t n = 0; n < 1000; n++)
        count += is_there(f, "hot", n);
    printf("policy %d: %u of 1000 used keys stay\n", (int)policy, count);
    store_fixture_destroy(f);
    return count;
}

static void policies_keep_what_is_used(void **state) {
    (void)state;
    assert_true(survivors(EVICTION_ALLKEYS_S3FIFO, 2, 1) > 950);
    assert_true(survivors(EVICTION_VOLATILE_S3FIFO, 2, 1) > 950);
    assert_true(survivors(EVICTION_ALLKEYS_LRU, 2, 100) > 800);
    assert_true(survivors(EVICTION_VOLATILE_LRU, 2, 100) > 800);
    assert_true(survivors(EVICTION_ALLKEYS_LFU, 2, 1) > 800);
    assert_true(survivors(EVICTION_VOLATILE_LFU, 2, 1) > 800);
    assert_true(survivors(EVICTION_ALLKEYS_RANDOM, 2, 1) < 200);
}

static void volatile_ttl_evicts_what_expires_first(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(
        &(struct store_fixture_options){.seed = 3, .policy = EVICTION_VOLATILE_TTL});
    for (uint64_t n = 0; n < 2000; n++)
        set(f, "k", n, 40, f->thread.now_ms + 1000 + (int64_t)(n * 7919 % 2000) * 1000);
    uint64_t evicted = 0;
    assert_true(evict_to(f, used_bytes(f) / 2, &evicted));
    unsigned early = 0;
    for (uint64_t n = 0; n < 2000; n++)
        early += is_there(f, "k", n) && n * 7919 % 2000 < 500;
    assert_true(early < 25);
    store_fixture_destroy(f);
}

/* Zipf with exponent 1 by inversion of the harmonic sum's integral. */
static uint64_t zipf(struct random *random, uint64_t count) {
    double uniform = (double)(random_next(random) >> 11) / 9007199254740992.0;
    uint64_t rank = (uint64_t)exp(uniform * log((double)count + 1)) - 1;
    return rank < count ? rank : count - 1;
}

static double hit_ratio(enum eviction_policy policy, uint64_t seed) {
    struct store_fixture *f = store_fixture_create(
        &(struct store_fixture_options){.seed = seed, .policy = policy, .partition_count = 3});
    struct random random = random_seeded(seed);
    uint64_t hits = 0, reads = 0;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t n = zipf(&random, 50000);
        bool is_hit = is_there(f, "z", n);
        if (is_hit)
            use(f, "z", n);
        else
            set(f, "z", n, 40, 0);
        f->thread.now_ms += 5;
        assert_true(evict_to(f, 400000, NULL));
        if (i >= 50000) {
            reads++;
            hits += is_hit;
        }
    }
    store_fixture_check(f);
    store_fixture_destroy(f);
    return (double)hits / (double)reads;
}

static void s3fifo_hits_more_than_random_and_lru_on_zipf(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    double s3fifo = hit_ratio(EVICTION_ALLKEYS_S3FIFO, seed);
    double lru = hit_ratio(EVICTION_ALLKEYS_LRU, seed);
    double lfu = hit_ratio(EVICTION_ALLKEYS_LFU, seed);
    double at_random = hit_ratio(EVICTION_ALLKEYS_RANDOM, seed);
    printf("hit ratios: s3fifo %.3f, lru %.3f, lfu %.3f, random %.3f\n", s3fifo, lru, lfu,
           at_random);
    assert_true(s3fifo > at_random + 0.05);
    assert_true(s3fifo > lru);
}

static void each_eviction_emits_one_deletion(void **state) {
    (void)state;
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){
            .seed = i, .policy = POLICIES[i].policy, .partition_count = 3});
        struct effects effects;
        effects_init(&effects, &f->allocator.base);
        f->thread.effects = &effects;
        for (uint64_t n = 0; n < 3000; n++)
            set(f, "k", n, 40, f->thread.now_ms + 100000);
        uint64_t evicted = 0, parts = 0;
        assert_true(evict_to(f, used_bytes(f) / 2, &evicted));
        struct effect_reader reader;
        effect_reader_init(&reader, slice_of(effects.data, effects.used));
        struct effect_part part;
        struct slice key;
        struct entry entry;
        while (effect_reader_next(&reader, &part, &key, 1) == LARDER_OK) {
            parts++;
            assert_int_equal(part.command, 77);
            assert_int_equal(part.argument_count, 1);
            assert_int_equal(part.partition, keyspace_partition_id(&f->keyspace, key));
            assert_false(store_fixture_find(f, key, part.collection, &entry));
        }
        assert_true(evicted > 100);
        assert_int_equal(parts, evicted);
        f->thread.effects = NULL;
        effects_finish(&effects);
        store_fixture_destroy(f);
    }
}

static enum queue_id queue_of(struct store_fixture *f, const char *prefix, uint64_t number) {
    char text[32];
    struct entry entry;
    assert_true(store_fixture_find(f, key_text(text, prefix, number), 0, &entry));
    return (enum queue_id)segment_of(entry.record)->queue;
}

static void a_key_that_returns_soon_goes_to_main(void **state) {
    (void)state;
    enum { KEYS = 20000, FIRST = 3000, LOOKED_AT = 500 };
    struct store_fixture *f = store_fixture_create(
        &(struct store_fixture_options){.seed = 3, .policy = EVICTION_ALLKEYS_S3FIFO});
    for (uint64_t n = 0; n < FIRST; n++)
        set(f, "k", n, 40, 0);
    int64_t limit = used_bytes(f);
    for (uint64_t n = FIRST; n < KEYS; n++) {
        set(f, "k", n, 40, 0);
        assert_true(evict_to(f, limit, NULL));
    }
    unsigned in_main = 0, gone = 0, strangers_in_main = 0;
    for (uint64_t n = KEYS; n-- > 0 && gone < LOOKED_AT;) {
        if (is_there(f, "k", n))
            continue;
        gone++;
        set(f, "k", n, 40, 0);
        in_main += queue_of(f, "k", n) == QUEUE_MAIN;
        set(f, "stranger", n, 40, 0);
        strangers_in_main += queue_of(f, "stranger", n) == QUEUE_MAIN;
    }
    printf("%u of the last %u that left are remembered\n", in_main, gone);
    assert_int_equal(gone, LOOKED_AT);
    assert_true(in_main * 10 > gone * 9);
    assert_true(strangers_in_main < 5);
    store_fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_keeps_memory_within_the_limit),
        cmocka_unit_test(volatile_policies_leave_other_keys_alone),
        cmocka_unit_test(without_a_policy_nothing_leaves),
        cmocka_unit_test(everything_can_be_evicted_and_its_memory_comes_back),
        cmocka_unit_test(policies_keep_what_is_used),
        cmocka_unit_test(volatile_ttl_evicts_what_expires_first),
        cmocka_unit_test(s3fifo_hits_more_than_random_and_lru_on_zipf),
        cmocka_unit_test(each_eviction_emits_one_deletion),
        cmocka_unit_test(a_key_that_returns_soon_goes_to_main),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
