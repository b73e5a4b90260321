/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of one partition as replication sees it: effects make another member's equal, buckets
 * can be handed over, and nothing but what belongs here runs. */
#include "node/partition_store.h"

#include "support/store_workload.h"
#include "support/test_allocator.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 40 };

static const int64_t NOW_MS = 1700000000000;

struct member {
    struct test_allocator allocator;
    struct store_host *host;
    struct partition_store store;
    int64_t now_ms;
    struct store_result result;
    struct workload_line line;
    char reply[1 << 16];
};

static struct member *member_create(uint32_t partitions, uint32_t id, uint64_t random_seed) {
    struct member *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    test_allocator_init(&m->allocator);
    m->now_ms = NOW_MS;
    struct store_host_options options = {.allocator = &m->allocator.base,
                                         .partition_count = partitions,
                                         .hash_seed = 77,
                                         .random_seed = random_seed};
    assert_int_equal(store_host_create(&options, &m->host), LARDER_OK);
    m->store = store_host_partition(m->host, id);
    return m;
}

static void member_destroy(struct member *m) {
    store_host_destroy(m->host);
    assert_int_equal(m->allocator.heap_bytes, 0);
    free(m);
}

static enum larder_status run_line(struct member *m) {
    enum larder_status status = m->store.type->execute(m->store.context, m->now_ms, m->line.words,
                                                       m->line.count, &m->result);
    size_t size = m->result.reply.size;
    assert_true(size < sizeof(m->reply));
    memcpy(m->reply, m->result.reply.data, size);
    m->reply[size] = '\0';
    return status;
}

static const char *run(struct member *m, const char *text) {
    strcpy(m->line.text, text);
    workload_split(&m->line);
    assert_int_equal(run_line(m), LARDER_OK);
    return m->reply;
}

static void apply(struct member *to, struct slice effect) {
    size_t at = 0;
    assert_int_equal(to->store.type->apply(to->store.context, effect, &at), LARDER_OK);
    assert_int_equal(at, effect.size);
}

/* Part by part, as one who leaves some out. */
static void apply_parts(struct member *to, struct slice effect) {
    struct store_part part;
    size_t at = 0;
    enum larder_status status;
    while ((status = to->store.type->next_part(to->store.context, effect, &at, &part)) ==
           LARDER_OK) {
        if (part.bucket != PARTITION_WHOLE)
            assert_int_equal(part.bucket, to->store.type->bucket_of(to->store.context, part.key));
        apply(to, part.bytes);
    }
    assert_int_equal(status, LARDER_NOT_FOUND);
}

static void effects_make_other_members_equal(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed("partition store effects"));
    struct member *primary = member_create(1, 0, 1);
    struct member *backup = member_create(1, 0, 2);
    struct member *other = member_create(1, 0, 3);
    for (unsigned i = 0; i < 8000; i++) {
        workload_draw(&random, KEYS, &primary->line);
        assert_int_equal(run_line(primary), LARDER_OK);
        apply(backup, primary->result.effect);
        apply_parts(other, primary->result.effect);
        primary->now_ms += (int64_t)random_below(&random, 20);
        if (i % 500 == 0) {
            assert_int_equal(primary->store.type->sweep(primary->store.context, primary->now_ms,
                                                        &primary->result),
                             LARDER_OK);
            apply(backup, primary->result.effect);
            apply_parts(other, primary->result.effect);
            assert_int_equal(workload_difference(&primary->store, &backup->store),
                             PARTITION_BUCKETS);
            assert_int_equal(workload_difference(&primary->store, &other->store),
                             PARTITION_BUCKETS);
        }
    }
    member_destroy(primary);
    member_destroy(backup);
    member_destroy(other);
}

static void applying_goes_on_where_memory_ran_out(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed("partition store memory"));
    struct member *primary = member_create(1, 0, 1);
    struct member *backup = member_create(1, 0, 2);
    unsigned stops = 0;
    for (unsigned i = 0; i < 4000; i++) {
        workload_draw(&random, KEYS, &primary->line);
        assert_int_equal(run_line(primary), LARDER_OK);
        size_t at = 0;
        enum larder_status status;
        test_allocator_fail_in(&backup->allocator, 1 + random_below(&random, 4), 0);
        while ((status = backup->store.type->apply(backup->store.context, primary->result.effect,
                                                   &at)) == LARDER_NO_MEMORY)
            stops++;
        test_allocator_fail_never(&backup->allocator);
        assert_int_equal(status, LARDER_OK);
    }
    assert_true(stops > 100);
    assert_int_equal(workload_difference(&primary->store, &backup->store), PARTITION_BUCKETS);
    member_destroy(primary);
    member_destroy(backup);
}

static void a_read_that_finds_a_key_expired_deletes_it_for_all(void **state) {
    (void)state;
    struct member *primary = member_create(1, 0, 1);
    struct member *backup = member_create(1, 0, 2);
    assert_string_equal(run(primary, "SET k v PX 100"), "+OK\r\n");
    apply(backup, primary->result.effect);
    assert_string_equal(run(primary, "HSET h f 1 g 2"), ":2\r\n");
    apply(backup, primary->result.effect);
    assert_string_equal(run(primary, "HPEXPIRE h 100 FIELDS 1 f"), "*1\r\n:1\r\n");
    apply(backup, primary->result.effect);
    run(primary, "GET k");
    assert_int_equal(primary->result.effect.size, 0);
    primary->now_ms += 101;
    assert_string_equal(run(primary, "GET k"), "$-1\r\n");
    assert_true(primary->result.effect.size > 0);
    apply(backup, primary->result.effect);
    assert_string_equal(run(primary, "HLEN h"), ":1\r\n");
    assert_true(primary->result.effect.size > 0);
    apply(backup, primary->result.effect);
    assert_string_equal(run(backup, "EXISTS k"), ":0\r\n");
    assert_string_equal(run(backup, "HLEN h"), ":1\r\n");
    member_destroy(primary);
    member_destroy(backup);
}

static void expect_refused(struct member *m, const char *text, const char *reply) {
    strcpy(m->line.text, text);
    workload_split(&m->line);
    assert_int_equal(run_line(m), LARDER_INVALID);
    assert_string_equal(m->reply, reply);
    assert_int_equal(m->result.effect.size, 0);
}

static void what_does_not_belong_here_is_refused(void **state) {
    (void)state;
    struct member *m = member_create(16, 0, 1);
    m->store = store_host_partition(m->host, store_host_partition_of(m->host, SLICE_LITERAL("a")));
    assert_string_equal(run(m, "MSET a 1 {a}b 2"), "+OK\r\n");
    expect_refused(m, "MGET a b", "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    expect_refused(m, "GET b", "-ERR the keys belong to another partition\r\n");
    expect_refused(m, "PING", "-ERR 'ping' is no command of one partition\r\n");
    expect_refused(m, "SORT a BY w* GET v*",
                   "-ERR 'sort' with keys that it does not name is denied in a cluster\r\n");
    expect_refused(m, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    expect_refused(m, "NOTHING a", "-ERR unknown command\r\n");
    assert_string_equal(run(m, "BLPOP {a}list 0"), "*-1\r\n");
    assert_string_equal(run(m, "MOVE a 1"), "-ERR DB index is out of range\r\n");
    store_host_set_protocol(m->host, 3);
    assert_string_equal(run(m, "GET {a}none"), "_\r\n");
    member_destroy(m);
}

static void flushing_empties_one_partition_on_all_members(void **state) {
    (void)state;
    struct member *m = member_create(2, 0, 1);
    struct member *backup = member_create(2, 0, 2);
    struct partition_store stores[2] = {store_host_partition(m->host, 0),
                                        store_host_partition(m->host, 1)};
    char text[32];
    for (unsigned i = 0; i < 200; i++) {
        uint32_t id =
            store_host_partition_of(m->host, slice_of(text, (size_t)sprintf(text, "k%u", i)));
        (void)sprintf(text, "SET k%u %u", i, i);
        m->store = stores[id];
        run(m, text);
        if (id == 1)
            backup->store = store_host_partition(backup->host, 1);
        else
            backup->store = store_host_partition(backup->host, 0);
        apply(backup, m->result.effect);
    }
    m->store = stores[1];
    backup->store = store_host_partition(backup->host, 1);
    assert_string_equal(run(m, "FLUSHALL"), "+OK\r\n");
    apply_parts(backup, m->result.effect);
    for (uint32_t id = 0; id < 2; id++) {
        struct partition_store theirs = store_host_partition(backup->host, id);
        assert_int_equal(workload_difference(&stores[id], &theirs), PARTITION_BUCKETS);
        struct store_digest digest = {0, 0};
        bool is_empty = true;
        for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
            theirs.type->digest_bucket(theirs.context, bucket, &digest);
            is_empty = is_empty && digest.low == 0 && digest.high == 0;
        }
        assert_int_equal(is_empty, id == 1);
    }
    member_destroy(m);
    member_destroy(backup);
}

/* Hand one bucket over: what fits at once, the others key by key. Returns how many were left out.
 */
static unsigned hand_over(struct member *from, struct member *to, uint32_t bucket,
                          size_t bytes_max) {
    struct store_items items;
    struct slice key, effect, keys;
    size_t at = 0;
    unsigned count = 0;
    to->store.type->clear_bucket(to->store.context, bucket);
    assert_int_equal(from->store.type->read_bucket(from->store.context, bucket, bytes_max, &items),
                     LARDER_OK);
    apply(to, items.effect);
    uint8_t *copy = malloc(items.left_out.size + 1);
    if (items.left_out.size > 0)
        memcpy(copy, items.left_out.data, items.left_out.size);
    keys = slice_of(copy, items.left_out.size);
    while (store_next_key(keys, &at, &key)) {
        assert_int_equal(from->store.type->read_key(from->store.context, key, &effect), LARDER_OK);
        to->store.type->clear_key(to->store.context, key);
        apply(to, effect);
        count++;
    }
    assert_int_equal(at, keys.size);
    free(copy);
    return count;
}

static void buckets_are_handed_over_whole(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed("partition store buckets"));
    struct member *from = member_create(1, 0, 1);
    struct member *to = member_create(1, 0, 2);
    unsigned left_out = 0;
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3000; i++) {
            workload_draw(&random, round == 0 ? 5 : 3000, &from->line);
            assert_int_equal(run_line(from), LARDER_OK);
        }
        for (unsigned i = 0; i < 500; i++) { /* what is there goes */
            workload_draw(&random, 4000, &to->line);
            assert_int_equal(run_line(to), LARDER_OK);
        }
        for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++)
            left_out += hand_over(from, to, bucket, 4000);
        assert_int_equal(workload_difference(&from->store, &to->store), PARTITION_BUCKETS);
    }
    assert_true(left_out > 100);
    struct slice effect;
    assert_int_equal(
        from->store.type->read_key(from->store.context, SLICE_LITERAL("none"), &effect), LARDER_OK);
    assert_int_equal(effect.size, 0);
    member_destroy(from);
    member_destroy(to);
}

static void above_the_limit_entries_leave_with_an_effect(void **state) {
    (void)state;
    struct member *primary = member_create(1, 0, 1);
    struct member *backup = member_create(1, 0, 2);
    atomic_store(&primary->host->node->max_memory_bytes, 2 << 20);
    atomic_store(&primary->host->node->keyspace.policy, (uint32_t)EVICTION_ALLKEYS_LRU);
    for (unsigned i = 0; i < 4000; i++) {
        int size = sprintf(primary->line.text, "SET k%u ", i);
        memset(primary->line.text + size, 'x', 1000);
        primary->line.text[size + 1000] = '\0';
        workload_split(&primary->line);
        assert_int_equal(run_line(primary), LARDER_OK);
        assert_string_equal(primary->reply, "+OK\r\n");
        apply(backup, primary->result.effect);
    }
    assert_int_equal(workload_difference(&primary->store, &backup->store), PARTITION_BUCKETS);
    assert_true(node_totals(primary->host->node).evicted_keys > 1000);
    assert_int_equal(node_totals(backup->host->node).evicted_keys, 0);
    member_destroy(primary);
    member_destroy(backup);
}

static void an_effect_that_might_be_too_long_is_never_made(void **state) {
    (void)state;
    struct member *m = member_create(1, 0, 1);
    m->host->thread.effects.limit = 4000;
    for (unsigned i = 0; i < 100; i++)
        assert_string_equal(run(m, "RPUSH list a-value-of-fifty-bytes-a-value-of-fifty-bytes-a-v") +
                                strlen(m->reply) - 2,
                            "\r\n");
    assert_string_equal(run(m, "RENAME list other"),
                        "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    assert_int_equal(m->result.effect.size, 0);
    assert_string_equal(run(m, "LLEN list"), ":100\r\n");
    char line[64];
    for (unsigned i = 0; i < 1000; i++) {
        (void)sprintf(line, "SET key-number-%u v PX 1", i);
        run(m, line);
    }
    m->now_ms += 10;
    unsigned sweeps = 0;
    do {
        assert_int_equal(m->store.type->sweep(m->store.context, m->now_ms, &m->result), LARDER_OK);
        assert_true(m->result.effect.size <= 4008);
        sweeps++;
    } while (m->result.effect.size > 0 && sweeps < 1000);
    assert_in_range(sweeps, 10, 999);
    m->host->thread.effects.limit = 0;
    assert_string_equal(run(m, "RENAME list other"), "+OK\r\n");
    member_destroy(m);
}

static void damaged_effects_are_refused(void **state) {
    (void)state;
    struct member *m = member_create(2, 0, 1);
    char text[32];
    unsigned i = 0;
    do
        (void)sprintf(text, "k%u", i++);
    while (store_host_partition_of(m->host, slice_of_string(text)) != 0);
    char line[64];
    (void)sprintf(line, "SET %s value", text);
    run(m, line);
    uint8_t bytes[256];
    size_t size = m->result.effect.size, at = 0;
    memcpy(bytes, m->result.effect.data, size);
    struct partition_store other = store_host_partition(m->host, 1);
    assert_int_equal(other.type->apply(other.context, slice_of(bytes, size), &at), LARDER_CORRUPT);
    for (size_t cut = 1; cut < size; cut++) {
        at = 0;
        assert_int_equal(m->store.type->apply(m->store.context, slice_of(bytes, cut), &at),
                         LARDER_CORRUPT);
    }
    member_destroy(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_make_other_members_equal),
        cmocka_unit_test(applying_goes_on_where_memory_ran_out),
        cmocka_unit_test(a_read_that_finds_a_key_expired_deletes_it_for_all),
        cmocka_unit_test(what_does_not_belong_here_is_refused),
        cmocka_unit_test(flushing_empties_one_partition_on_all_members),
        cmocka_unit_test(buckets_are_handed_over_whole),
        cmocka_unit_test(above_the_limit_entries_leave_with_an_effect),
        cmocka_unit_test(an_effect_that_might_be_too_long_is_never_made),
        cmocka_unit_test(damaged_effects_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
