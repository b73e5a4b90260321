/* SPDX-License-Identifier: BSD-3-Clause */
/* Four threads on one node: random commands on one key and on many, emptying and exchanging
 * databases, scans and sweeps in between. Then the books are checked: sums that only atomic
 * commands keep, every counter of every partition, and the bytes that count as used. */
#include "node/keyspace_admin.h"
#include "node/scan.h"
#include "store/eviction.h"
#include "store/partition_state.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"
#include "threads/watchdog.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 20000, FLUSH_BUDGET = 100, PAIRS = 40, COUNTERS = 16 };

struct fixture {
    struct node *node;
    struct watchdog watchdog;
    uint64_t seed;
    _Atomic uint64_t increments;
};

struct worker {
    struct fixture *f;
    unsigned number;
    struct os_thread thread;
    struct node_client client;
    struct random random;
    char line[4096];
};

static void report_locks(void *context) {
    struct fixture *f = context;
    for (uint32_t i = 0; i < f->node->keyspace.partition_count; i++)
        if (atomic_load(&f->node->locks[i].lock.state) != LOCK_FREE)
            (void)fprintf(stderr, "  partition %u is locked\n", i);
}

static void require_done(enum larder_status status) {
    client_require(status == LARDER_OK, "flush or swap");
}

static void require_not_error(struct worker *w) {
    if (w->client.text[0] == '-') {
        (void)fprintf(stderr, "%s: %s", w->line, w->client.text);
        abort();
    }
}

static unsigned draw(struct worker *w, unsigned below) {
    return (unsigned)random_below(&w->random, below);
}

static const char *run(struct worker *w, const char *what) {
    watchdog_at(&w->f->watchdog, w->number, what);
    return node_client_run(&w->client, w->line);
}

/* Both keys of a pair are only ever written together, so they are equal whenever they are read. */
static void write_pair(struct worker *w) {
    unsigned pair = draw(w, PAIRS), value = draw(w, 1000);
    (void)sprintf(w->line, "MSET {a}pair%u-x %u pair%u-y %u", pair, value, pair, value);
    (void)run(w, "MSET");
    require_not_error(w);
}

static void read_pair(struct worker *w) {
    unsigned pair = draw(w, PAIRS);
    (void)sprintf(w->line, "MGET {a}pair%u-x pair%u-y", pair, pair);
    const char *reply = run(w, "MGET");
    /* "*2\r\n" and twice the same. */
    size_t half = (strlen(reply) - 4) / 2;
    if (memcmp(reply, "*2\r\n", 4) != 0 || memcmp(reply + 4, reply + 4 + half, half) != 0) {
        (void)fprintf(stderr, "a pair was torn: %s", reply);
        abort();
    }
}

static void count(struct worker *w) {
    (void)sprintf(w->line, "INCR counter%u", draw(w, COUNTERS));
    (void)run(w, "INCR");
    require_not_error(w);
    atomic_fetch_add(&w->f->increments, 1);
}

/* Values of all sizes over a key space that grows and shrinks, in database 2. */
static void churn(struct worker *w) {
    static const unsigned SIZES[] = {1, 8, 100, 900, 1900, 3500};
    w->client.database = 2;
    unsigned key = draw(w, 3000);
    int at = 0;
    switch (draw(w, 8)) {
    case 0:
    case 1:
    case 2: {
        unsigned size = SIZES[draw(w, 6)];
        at = sprintf(w->line, "SET churn%u ", key);
        memset(w->line + at, 'v', size);
        w->line[(unsigned)at + size] = '\0';
        break;
    }
    case 3: (void)sprintf(w->line, "DEL churn%u churn%u churn%u", key, key / 2, key / 3); break;
    case 4: (void)sprintf(w->line, "APPEND churn%u abcdefgh", key); break;
    case 5: (void)sprintf(w->line, "EXPIRE churn%u %u", key, draw(w, 3)); break;
    case 6: (void)sprintf(w->line, "RENAME churn%u churn%u", key, draw(w, 3000)); break;
    default: (void)sprintf(w->line, "GETSET churn%u %u", key, key); break;
    }
    (void)run(w, "churn");
    w->client.database = 0;
}

/* Databases 4 and 5 are exchanged and emptied all the time; each command acts in one of them. */
static void disturb(struct worker *w) {
    watchdog_at(&w->f->watchdog, w->number, "flush or swap");
    struct node_flush flush = {.has_dead = false};
    unsigned choice = draw(w, 40);
    if (choice == 0) {
        require_done(node_flush_database(&w->client.thread, 4, &flush));
        while (node_flush_step(&w->client.thread, &flush, FLUSH_BUDGET))
            node_client_tick(&w->client, 0);
    } else if (choice < 4) {
        require_done(node_swap_databases(&w->client.thread, 4, 5));
    } else {
        w->client.database = 4 + draw(w, 2);
        (void)sprintf(w->line, choice < 20 ? "MSET f%u 1 g%u 2" : "DEL f%u g%u", choice, choice);
        (void)run(w, "flushed database");
        require_not_error(w);
        w->client.database = 0;
    }
}

static void ignore_entry(void *context, const struct entry *entry) {
    *(size_t *)context += entry->key.size;
}

static void look_around(struct worker *w) {
    watchdog_at(&w->f->watchdog, w->number, "scan, sweep, totals");
    size_t bytes = 0;
    struct node_scan scan = {
        .database = 2, .wanted = 20, .visitor = ignore_entry, .context = &bytes};
    bool is_valid = true;
    uint64_t cursor = 0;
    for (int i = 0; i < 5; i++)
        cursor = node_scan_step(&w->client.thread, &scan, cursor, &is_valid);
    (void)node_visit_random(&w->client.thread, 0, ignore_entry, &bytes);
    (void)node_key_count(w->f->node, 2);
    (void)node_totals(w->f->node);
    node_sweep(&w->client.thread, 100);
    node_trim(w->f->node);
}

static void work(void *context) {
    struct worker *w = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned choice = draw(w, 100);
        if (choice < 20)
            write_pair(w);
        else if (choice < 40)
            read_pair(w);
        else if (choice < 60)
            count(w);
        else if (choice < 90)
            churn(w);
        else if (choice < 97)
            disturb(w);
        else
            look_around(w);
        if (i % 16 == 0)
            node_client_tick(&w->client, draw(w, 100));
    }
    watchdog_at(&w->f->watchdog, w->number, "done");
}

/* What the partitions hold, counted from their parts. */
static uint64_t held_bytes(struct node *node) NO_THREAD_SAFETY {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < node->keyspace.partition_count; i++) {
        struct partition *p = keyspace_partition(&node->keyspace, i);
        partition_check(p, &node->keyspace);
        bytes += p->log_bytes + p->index.bytes + p->blob_bytes +
                 p->count_capacity * sizeof(*p->counts) + eviction_bytes(p);
    }
    return bytes;
}

static void check_books(struct fixture *f, struct node_client *client) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < COUNTERS; i++) {
        char line[64];
        (void)sprintf(line, "INCRBY counter%u 0", i);
        sum += strtoull(node_client_run(client, line) + 1, NULL, 10);
    }
    assert_int_equal(sum, atomic_load(&f->increments));
    node_client_tick(client, 0);
    assert_int_equal(held_bytes(f->node), node_used_bytes(f->node));
}

static void four_threads_keep_the_books(void **state) {
    (void)state;
    struct fixture f = {.seed = test_seed("node threads")};
    struct node_options options = {.partition_count = 13, .seed = f.seed};
    assert_int_equal(node_create(&options, &f.node), LARDER_OK);
    static struct worker workers[THREADS];
    f.watchdog.report = report_locks;
    f.watchdog.context = &f;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.f = &f, .number = i};
        workers[i].random = random_seeded(f.seed + i);
        node_client_init(&workers[i].client, f.node);
    }
    watchdog_start(&f.watchdog, 60);
    for (unsigned i = 0; i < THREADS; i++) {
        struct os_thread_options thread = {
            .run = work, .context = &workers[i], .name = "worker", .core = OS_THREAD_ANY_CORE};
        assert_int_equal(os_thread_start(&workers[i].thread, &thread), LARDER_OK);
    }
    for (unsigned i = 0; i < THREADS; i++)
        os_thread_join(&workers[i].thread);
    watchdog_stop(&f.watchdog);
    for (unsigned i = 1; i < THREADS; i++)
        node_client_finish(&workers[i].client);
    check_books(&f, &workers[0].client);
    node_client_finish(&workers[0].client);
    node_destroy(f.node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_threads_keep_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
