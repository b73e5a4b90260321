/* SPDX-License-Identifier: BSD-3-Clause */
/* Three primaries with their replicas, once with a password, once with TLS and a password, once
 * over IPv6: slots move and primaries hand over while pipelines and single commands run. */
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/cluster.h>
#include <valkey/tls.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { FIRST_PORT = 21770, TLS_OFFSET = 100, KEYS = 600, MOVES = 20, PATIENCE_MS = 30000 };

static const struct kind {
    const char *seeds, *password;
    bool has_tls, is_v6;
} KINDS[] = {
    {.seeds = "127.0.0.1:21770", .password = "secret"},
    {.seeds = "127.0.0.1:21870,127.0.0.1:21871", .password = "secret", .has_tls = true},
    {.seeds = "::1:21770", .is_v6 = true},
};

static const struct kind *kind;
static struct real_cluster cluster;
static char folder[64];
static valkeyTLSContext *tls;
static valkeyClusterContext *cc;
static atomic_bool is_over;
static long expected[KEYS]; /* increments that were confirmed, per key */
static long doubtful;       /* those of which it is not known */

static int init_tls(struct valkeyContext *c, struct valkeyTLSContext *context) {
    return valkeyInitiateTLSWithContext(c, context);
}

static int open_cluster(void **state) {
    kind = *state;
    if (kind->has_tls)
        real_cluster_start_tls(&cluster, FIRST_PORT, kind->password, folder);
    else if (kind->is_v6)
        real_cluster_start_v6(&cluster, FIRST_PORT);
    else
        real_cluster_start(&cluster, FIRST_PORT, kind->password);
    real_cluster_add_replicas(&cluster);
    const struct timeval timeout = {.tv_sec = 10};
    valkeyClusterOptions options = {.initial_nodes = kind->seeds,
                                    .password = kind->password,
                                    .command_timeout = &timeout,
                                    .tls = kind->has_tls ? tls : NULL,
                                    .tls_init_fn = kind->has_tls ? init_tls : NULL};
    cc = valkeyClusterConnectWithOptions(&options);
    assert_string_equal(cc->errstr, "");
    memset(expected, 0, sizeof expected);
    doubtful = 0;
    atomic_store(&is_over, false);
    return 0;
}

static int close_cluster(void **state) {
    (void)state;
    valkeyClusterFree(cc);
    real_cluster_stop(&cluster);
    return 0;
}

/* Increment every key once, in one pipeline. Returns how many commands failed. */
static int increment_all(void) {
    int failed = 0;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "INCR n:%d", i), VALKEY_OK);
    for (int i = 0; i < KEYS; i++) {
        valkeyReply *reply = NULL;
        if (valkeyClusterGetReply(cc, (void **)&reply) != VALKEY_OK) {
            failed++;
            doubtful++;
            continue;
        }
        /* Replies are in order and never about the cluster. */
        if (reply->type != VALKEY_REPLY_INTEGER)
            fail_msg("n:%d: %s", i, reply->str);
        expected[i]++;
        assert_in_range(reply->integer, expected[i], expected[i] + doubtful);
        freeReplyObject(reply);
    }
    return failed;
}

static void check_all(void) {
    for (int i = 0; i < KEYS; i++) {
        valkeyReply *reply = valkeyClusterCommand(cc, "GET n:%d", i);
        if (reply == NULL)
            fail_msg("n:%d: %s", i, cc->errstr);
        assert_in_range(atol(reply->str), expected[i], expected[i] + doubtful);
        freeReplyObject(reply);
    }
}

static void *reshard(void *unused) {
    (void)unused;
    for (int i = 0; i < MOVES; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "n:%d", i);
        int slot = (int)valkeyClusterGetSlotByKey(key), from = slot * CLUSTER_NODES / 16384;
        while (from > 0 && slot < real_cluster_first_slot(from))
            from--;
        while (from + 1 < CLUSTER_NODES && slot >= real_cluster_first_slot(from + 1))
            from++;
        real_cluster_move(&cluster, slot, from, (from + 1) % CLUSTER_NODES);
    }
    atomic_store(&is_over, true);
    return NULL;
}

static void nothing_fails_while_slots_move(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, reshard, NULL), 0);
    int rounds = 0;
    while (!atomic_load(&is_over)) {
        assert_int_equal(increment_all(), 0);
        rounds++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(increment_all(), 0);
    assert_true(rounds > 0);
    assert_true(cc->route_version > 1);
    check_all();
}

static void *hand_over(void *unused) {
    (void)unused;
    real_cluster_fail_over(&cluster, 0);
    atomic_store(&is_over, true);
    return NULL;
}

static void a_handover_is_survived(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hand_over, NULL), 0);
    while (!atomic_load(&is_over))
        (void)increment_all();
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* Soon nothing fails any more, and node 0's slots are served by its replica. */
    long long end = now_ms() + PATIENCE_MS;
    while (increment_all() > 0)
        assert_true(now_ms() < end);
    check_all();
    int offset = kind->has_tls ? TLS_OFFSET : 0;
    assert_int_equal(valkeyClusterGetNodeByKey(cc, (char[]){"bar"})->port,
                     FIRST_PORT + CLUSTER_NODES + offset);
    const char *host = valkeyClusterGetNodeByKey(cc, (char[]){"bar"})->host;
    assert_string_equal(host, kind->is_v6 ? "::1" : "127.0.0.1");
}

static int open_folder(void **state) {
    (void)state;
    char command[256], ca[96], certificate[96], key[96];
    (void)snprintf(folder, sizeof folder, "/tmp/larder-client-load-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(command, sizeof command, "%s %s", MAKE_CERTIFICATES, folder);
    assert_int_equal(system(command), 0);
    (void)snprintf(ca, sizeof ca, "%s/ca.crt", folder);
    (void)snprintf(certificate, sizeof certificate, "%s/node.crt", folder);
    (void)snprintf(key, sizeof key, "%s/node.key", folder);
    assert_int_equal(valkeyInitOpenSSL(), VALKEY_OK);
    tls = valkeyCreateTLSContext(ca, NULL, certificate, key, NULL, NULL);
    assert_non_null(tls);
    return 0;
}

static int close_folder(void **state) {
    (void)state;
    char command[128];
    valkeyFreeTLSContext(tls);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void resharding_and_handover(void **state) {
    nothing_fails_while_slots_move(state);
    atomic_store(&is_over, false);
    a_handover_is_survived(state);
}

#define TEST(name, at)                                                                             \
    { name, resharding_and_handover, open_cluster, close_cluster, (void *)(uintptr_t)&KINDS[at] }

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST("with a password", 0),
        TEST("with TLS", 1),
        TEST("over IPv6", 2),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
