/* SPDX-License-Identifier: BSD-3-Clause */
/* Dead space stays within its share, nothing is lost, the order of the queue stays, and cleaning
 * comes to an end. */
#include "store/partition_state.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice key_text(char *out, uint64_t number) {
    return slice_of(out, (size_t)snprintf(out, 32, "key:%llu", (unsigned long long)number));
}

/* A value that begins with a sequence number. */
static void set(struct store_fixture *f, uint64_t number, uint64_t sequence, size_t size) {
    uint8_t bytes[2048] = {0};
    char text[32];
    memcpy(bytes, &sequence, sizeof(sequence));
    store_fixture_set(f, key_text(text, number), 0, slice_of(bytes, size), 0);
}

static void delete_key(struct store_fixture *f, uint64_t number) {
    char text[32];
    (void)store_fixture_delete(f, key_text(text, number), 0);
}

/* Bytes of segments that are neither live records, headers nor room of the open segments. */
static uint64_t waste(const struct partition *p) {
    uint64_t room = 0;
    for (unsigned q = 0; q < QUEUE_COUNT; q++)
        if (p->queues[q].newest != NULL)
            room += p->queues[q].newest->size - p->queues[q].newest->used;
    return p->log_bytes - (uint64_t)p->segment_count * SEGMENT_HEADER - p->live_bytes - room;
}

static void check_order(const struct partition *p) {
    uint64_t last = 0;
    for (const struct segment *s = p->queues[QUEUE_SMALL].oldest; s != NULL; s = s->newer) {
        for (uint32_t at = SEGMENT_HEADER; at < s->used;) {
            const uint8_t *record = (const uint8_t *)s + at;
            struct record_layout l = record_parse(record);
            at += l.size;
            if ((l.flags & RECORD_DEAD) != 0)
                continue;
            struct value value;
            record_value(record, &l, &value);
            uint64_t sequence = bytes_get(value.bytes.data, 8);
            assert_true(sequence > last);
            last = sequence;
        }
    }
}

static void dead_space_stays_within_a_fifth(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    static const size_t SIZES[] = {20, 60, 300, 2000};
    for (size_t kind = 0; kind < sizeof(SIZES) / sizeof(SIZES[0]); kind++) {
        struct store_fixture *f =
            store_fixture_create(&(struct store_fixture_options){.seed = seed});
        struct random random = random_seeded(seed);
        const struct partition *p = &f->keyspace.partitions[0];
        uint64_t keys = 4000000 / (SIZES[kind] + 40), sequence = 1;
        if (keys > 20000)
            keys = 20000;
        for (uint64_t n = 0; n < keys; n++)
            set(f, n, sequence++, 8 + random_below(&random, SIZES[kind]));
        uint64_t moved = atomic_load(&f->thread.counters.records_moved);
        for (uint64_t i = 0; i < 2 * keys; i++) {
            uint64_t n = random_below(&random, keys);
            if (random_below(&random, 8) == 0)
                delete_key(f, n);
            else
                set(f, n, sequence++, 8 + random_below(&random, SIZES[kind]));
            assert_true(waste(p) * 100 <= p->log_bytes * 24 + 100 * 3 * RUN_BYTES_MAX);
            if (i % (keys / 2) == 0)
                partition_check(p, &f->keyspace);
        }
        moved = atomic_load(&f->thread.counters.records_moved) - moved;
        printf("values of %zu: %.0f %% of %llu KiB dead, %.2f moves per write\n", SIZES[kind],
               100.0 * (double)waste(p) / (double)p->log_bytes,
               (unsigned long long)p->log_bytes / 1024, (double)moved / (double)(2 * keys));
        assert_true(moved < 2 * keys * 3);
        partition_check(p, &f->keyspace);
        store_fixture_destroy(f);
    }
}

static void rewriting_and_cleaning_keeps_the_order_of_the_queue(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = seed});
    struct random random = random_seeded(seed);
    for (uint64_t sequence = 1; sequence < 30000; sequence++) {
        uint64_t n = random_below(&random, 3000);
        delete_key(f, n); /* so that it goes to the end, never in place */
        set(f, n, sequence, 8 + sequence % 40);
        if (sequence % 500 == 0)
            check_order(&f->keyspace.partitions[0]);
    }
    partition_check(&f->keyspace.partitions[0], &f->keyspace);
    assert_true(atomic_load(&f->thread.counters.records_moved) > 1000);
    store_fixture_destroy(f);
}

static void deleting_and_cleaning_keeps_the_order_of_the_queue(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = seed});
    struct random random = random_seeded(seed);
    for (uint64_t n = 0; n < 20000; n++)
        set(f, n, n + 1, 8 + random_below(&random, 100));
    for (unsigned i = 0; i < 15000; i++) {
        delete_key(f, random_below(&random, 20000));
        if (i % 500 == 0)
            check_order(&f->keyspace.partitions[0]);
    }
    check_order(&f->keyspace.partitions[0]);
    partition_check(&f->keyspace.partitions[0], &f->keyspace);
    assert_true(atomic_load(&f->thread.counters.records_moved) > 1000);
    store_fixture_destroy(f);
}

/* Every other segment half dead, the others full: no single segment is worth copying alone. */
static void sparse_segments_between_full_ones_are_cleaned_once(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 3});
    struct partition *p = &f->keyspace.partitions[0];
    enum { KEYS = 12000 };
    uint8_t *owner = calloc(KEYS, 1);
    for (uint64_t n = 0; n < KEYS; n++) {
        set(f, n, n + 1, 50);
        char text[32];
        struct entry entry;
        assert_true(store_fixture_find(f, key_text(text, n), 0, &entry));
        owner[n] = (uint8_t)(segment_of(entry.record)->birth % 2);
    }
    for (uint64_t n = 0; n < KEYS; n++)
        if (owner[n] == 1 && n % 2 == 0)
            delete_key(f, n);
    unsigned idle = 0, steps = 0;
    while (idle < 100 && ++steps < 100000) {
        idle = cleaner_compact(p, &f->keyspace, &f->thread, 10) ? 0 : idle + 1;
        store_fixture_rest(f);
    }
    assert_true(steps < 5000);
    assert_true(waste(p) * 100 <= p->log_bytes * 12);
    partition_check(p, &f->keyspace);
    check_order(p);
    free(owner);
    store_fixture_destroy(f);
}

static void stopping_in_the_middle_loses_nothing(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 3});
    struct partition *p = &f->keyspace.partitions[0];
    struct random random = random_seeded(3);
    for (uint64_t n = 0; n < 20000; n++)
        set(f, n, n + 1, 8 + random_below(&random, 100));
    unsigned stopped = 0;
    for (unsigned i = 0; i < 15000; i++) {
        delete_key(f, random_below(&random, 20000));
        if (p->cleaning.segment != NULL && random_below(&random, 4) == 0) {
            cleaner_stop(p, &f->thread);
            stopped++;
        }
    }
    assert_true(stopped > 20);
    partition_check(p, &f->keyspace);
    check_order(p);
    store_fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_space_stays_within_a_fifth),
        cmocka_unit_test(rewriting_and_cleaning_keeps_the_order_of_the_queue),
        cmocka_unit_test(deleting_and_cleaning_keeps_the_order_of_the_queue),
        cmocka_unit_test(sparse_segments_between_full_ones_are_cleaned_once),
        cmocka_unit_test(stopping_in_the_middle_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
