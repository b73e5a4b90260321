/* SPDX-License-Identifier: BSD-3-Clause */
/* The histogram of expiring bytes is a lower bound that becomes exact, whatever is counted in and
 * out. */
#include "base/random.h"
#include "store/segment.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RECORDS = 500 };

static uint64_t rounded(const struct record_weight *weight) {
    return (weight->size + weight->external + EXPIRY_UNIT / 2) / EXPIRY_UNIT * EXPIRY_UNIT;
}

static uint64_t expired(const struct record_weight *records, size_t count, int64_t now_ms) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (records[i].expiry_ms != 0 && records[i].expiry_ms < now_ms)
            bytes += rounded(&records[i]);
    return bytes;
}

static void expired_bytes_are_a_lower_bound(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed(__func__));
    /* chunk_map_run writes into the header of the chunk that the run is in. */
    uint8_t *chunk = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);
    assert_non_null(chunk);
    for (unsigned round = 0; round < 200; round++) {
        struct segment *s = segment_init(chunk + PAGE_BYTES, 0, QUEUE_SMALL, 1);
        struct record_weight records[RECORDS];
        size_t count = 0;
        int64_t base = (int64_t)random_below(&random, (uint64_t)1 << 40) + 1;
        int64_t spread = (int64_t)1 << random_below(&random, 40);
        for (unsigned i = 0; i < 1000; i++) {
            if (count < RECORDS && random_below(&random, 5) < 3) {
                struct record_weight weight = {
                    .size = 9 + (uint32_t)random_below(&random, 3000),
                    .external = random_below(&random, 10) == 0 ? random_below(&random, 1 << 20) : 0,
                    .expiry_ms = random_below(&random, 4) == 0
                                     ? 0
                                     : base + (int64_t)random_below(&random, (uint64_t)spread)};
                segment_count_record(s, &weight);
                records[count++] = weight;
            } else if (count > 0) {
                size_t at = random_below(&random, count);
                if (random_below(&random, 2) == 0) {
                    struct record_weight to = records[at];
                    to.expiry_ms = base + (int64_t)random_below(&random, (uint64_t)spread);
                    segment_recount_record(s, &records[at], &to);
                    records[at] = to;
                } else {
                    segment_uncount_record(s, &records[at]);
                    records[at] = records[--count];
                }
            }
            int64_t now = base - 10 + (int64_t)random_below(&random, (uint64_t)spread + 20);
            assert_true(segment_expired_bytes(s, now) <= expired(records, count, now));
        }
        int64_t end = base + spread + 1;
        assert_int_equal(segment_expired_bytes(s, end), expired(records, count, end));
        while (count > 0)
            segment_uncount_record(s, &records[--count]);
        assert_int_equal(s->live_bytes, 0);
        assert_int_equal(s->live_count, 0);
        assert_int_equal(s->external_bytes, 0);
        assert_int_equal(s->expiring_count, 0);
        for (unsigned i = 0; i < EXPIRY_STEPS; i++)
            assert_int_equal(s->expiring[i], 0);
    }
    free(chunk);
}

static void an_early_expiry_after_late_ones_is_seen_early(void **state) {
    (void)state;
    uint8_t *chunk = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);
    assert_non_null(chunk);
    struct segment *s = segment_init(chunk + PAGE_BYTES, 0, QUEUE_SMALL, 1);
    segment_count_record(s, &(struct record_weight){64, 0, 1000000});
    segment_count_record(s, &(struct record_weight){160, 0, 1000});
    assert_int_equal(segment_expired_bytes(s, 300000), 160);
    assert_int_equal(segment_expired_bytes(s, 900), 0);
    free(chunk);
}

static void segments_keep_their_order_in_a_queue(void **state) {
    (void)state;
    struct segment a = {0}, b = {0}, c = {0}, d = {0};
    struct queue queue = {0};
    queue_insert(&queue, &b, NULL);
    queue_insert(&queue, &d, &b);
    queue_insert(&queue, &a, NULL);
    queue_insert(&queue, &c, &b);
    assert_ptr_equal(queue.oldest, &a);
    assert_ptr_equal(queue.newest, &d);
    assert_ptr_equal(a.newer, &b);
    assert_ptr_equal(b.newer, &c);
    assert_ptr_equal(c.newer, &d);
    assert_ptr_equal(d.older, &c);
    queue_remove(&queue, &b);
    queue_remove(&queue, &d);
    assert_ptr_equal(a.newer, &c);
    assert_ptr_equal(queue.newest, &c);
    queue_remove(&queue, &a);
    queue_remove(&queue, &c);
    assert_null(queue.oldest);
    assert_null(queue.newest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expired_bytes_are_a_lower_bound),
        cmocka_unit_test(an_early_expiry_after_late_ones_is_seen_early),
        cmocka_unit_test(segments_keep_their_order_in_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
