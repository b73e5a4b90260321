/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads write values of all sizes, with a limit, under every policy: what counts as used stays
 * within the limit and 64 KiB per thread, and what is kept is sound. */
#include "store/keyspace.h"
#include "support/store_fixture.h"
#include "threads/watchdog.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    WRITERS_MAX = 2,
    LIMIT_BYTES = 8 << 20,
    SLACK_BYTES = 64 * 1024, /* per writer */
    WRITES = 2500,
    KEYS = 20000,
};

struct fixture {
    struct node *node;
    size_t largest; /* value */
    struct watchdog watchdog;
    _Atomic int64_t worst_bytes; /* above the limit */
    _Atomic uint64_t refused;
};

struct writer {
    struct fixture *f;
    unsigned number;
    struct os_thread thread;
    struct node_client client;
    struct random random;
    char *value;
};

static void note_worst(struct fixture *f) {
    int64_t over = node_used_bytes(f->node) - LIMIT_BYTES, worst = atomic_load(&f->worst_bytes);
    while (over > worst && !atomic_compare_exchange_weak(&f->worst_bytes, &worst, over))
        continue;
}

static size_t draw_size(struct writer *w) {
    const size_t bounds[] = {16, 16, 200, 200, 1900, 2100, 9000, w->f->largest};
    return (size_t)random_below(&w->random, bounds[random_below(&w->random, 8)]);
}

/* As the server does it: room first, then the command, then the tick. */
static void write_one(struct writer *w) {
    char key[32], expiry[16];
    size_t size = draw_size(w);
    struct slice argv[] = {
        SLICE_LITERAL("SET"),
        slice_of(key, (size_t)sprintf(key, "key%u", (unsigned)random_below(&w->random, KEYS))),
        slice_of(w->value, size),
        SLICE_LITERAL("EX"),
        slice_of(expiry, (size_t)sprintf(expiry, "%u", 100 + (unsigned)size)),
    };
    watchdog_at(&w->f->watchdog, w->number, "make room");
    if (!node_make_room(&w->client.thread, (int64_t)size + 64)) {
        atomic_fetch_add(&w->f->refused, 1);
        return;
    }
    watchdog_at(&w->f->watchdog, w->number, "write");
    (void)node_client_call(&w->client, argv, random_below(&w->random, 4) == 0 ? 3 : 5);
    client_require(w->client.text[0] == '+', w->client.text);
    watchdog_at(&w->f->watchdog, w->number, "tick");
    node_client_tick(&w->client, 1);
    note_worst(w->f);
}

static void write_all(void *context) {
    struct writer *w = context;
    for (unsigned i = 0; i < WRITES; i++)
        write_one(w);
}

static void check_partitions(struct node *node) {
    for (uint32_t i = 0; i < node->keyspace.partition_count; i++)
        partition_check(keyspace_partition(&node->keyspace, i), &node->keyspace);
}

static void run_policy(enum eviction_policy policy, unsigned writer_count, size_t largest) {
    struct fixture f = {.largest = largest};
    struct node_options options = {.partition_count = 31, .seed = 3};
    static struct writer writers[WRITERS_MAX];
    assert_int_equal(node_create(&options, &f.node), LARDER_OK);
    atomic_store(&f.node->max_memory_bytes, LIMIT_BYTES);
    atomic_store(&f.node->keyspace.policy, (uint32_t)policy);
    watchdog_start(&f.watchdog, 60);
    for (unsigned i = 0; i < writer_count; i++) {
        writers[i] = (struct writer){.f = &f, .number = i, .random = random_seeded(77 + i)};
        writers[i].value = calloc(1, largest);
        assert_non_null(writers[i].value);
        node_client_init(&writers[i].client, f.node);
        struct os_thread_options thread = {
            .run = write_all, .context = &writers[i], .name = "writer", .core = OS_THREAD_ANY_CORE};
        assert_int_equal(os_thread_start(&writers[i].thread, &thread), LARDER_OK);
    }
    for (unsigned i = 0; i < writer_count; i++)
        os_thread_join(&writers[i].thread);
    watchdog_stop(&f.watchdog);
    struct node_totals totals = node_totals(f.node);
    printf("policy %d: at most %lld KiB above the limit, %llu evicted, %llu refused\n", (int)policy,
           (long long)atomic_load(&f.worst_bytes) / 1024, (unsigned long long)totals.evicted_keys,
           (unsigned long long)atomic_load(&f.refused));
    check_partitions(f.node);
    assert_true(atomic_load(&f.worst_bytes) <= (int64_t)writer_count * SLACK_BYTES);
    assert_true((policy == EVICTION_NONE ? atomic_load(&f.refused) : totals.evicted_keys) > 100);
    for (unsigned i = 0; i < writer_count; i++) {
        node_client_finish(&writers[i].client);
        free(writers[i].value);
    }
    node_destroy(f.node);
}

static void every_policy_keeps_the_limit_with_two_writers(void **state) {
    (void)state;
    for (int policy = EVICTION_NONE; policy <= EVICTION_VOLATILE_TTL; policy++)
        run_policy((enum eviction_policy)policy, 2, 60000);
}

static void every_policy_keeps_the_limit_with_large_values(void **state) {
    (void)state;
    for (int policy = EVICTION_NONE; policy <= EVICTION_VOLATILE_TTL; policy++)
        run_policy((enum eviction_policy)policy, 1, 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_keeps_the_limit_with_two_writers),
        cmocka_unit_test(every_policy_keeps_the_limit_with_large_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
