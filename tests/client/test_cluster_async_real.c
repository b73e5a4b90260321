/* SPDX-License-Identifier: BSD-3-Clause */
/* The asynchronous cluster interface against redis-servers, three primaries and their replicas,
 * whose slots move and whose primaries hand over while commands run. */
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/adapters/libevent.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { FIRST_PORT = 21630, OUTSTANDING = 200, KEYS = 3000, MOVES = 60 };

static struct real_cluster cluster;
static struct event_base *base;
static valkeyClusterAsyncContext *acc;
static atomic_bool is_over;

static struct {
    long answered, failed, wrong;
    int next, outstanding;
    char errstr[128];
    long long last_ms;
} load;

static void on_increment(valkeyClusterAsyncContext *context, void *data, void *privdata);

/* Each key is incremented over and over; a key has one command under way. */
static void increment(int key) {
    load.outstanding++;
    if (valkeyClusterAsyncCommand(acc, on_increment, (void *)(intptr_t)key, "INCR n:%d", key) ==
        VALKEY_OK)
        return;
    load.outstanding--;
    load.failed++;
    (void)snprintf(load.errstr, sizeof load.errstr, "%s", acc->errstr);
}

static void on_increment(valkeyClusterAsyncContext *context, void *data, void *privdata) {
    const valkeyReply *reply = data;
    (void)privdata;
    load.outstanding--;
    load.last_ms = now_ms();
    if (reply == NULL) {
        load.failed++;
        (void)snprintf(load.errstr, sizeof load.errstr, "%s", context->errstr);
    } else if (reply->type == VALKEY_REPLY_INTEGER) {
        load.answered++;
    } else {
        load.wrong++;
        (void)snprintf(load.errstr, sizeof load.errstr, "%s", reply->str);
    }
}

static void keep_busy(evutil_socket_t fd, short events, void *data) {
    (void)fd, (void)events, (void)data;
    if (atomic_load(&is_over)) {
        if (load.outstanding == 0)
            (void)event_base_loopbreak(base);
        return;
    }
    while (load.outstanding < OUTSTANDING) {
        int before = load.outstanding;
        increment(load.next++ % KEYS);
        if (load.outstanding == before)
            return;
    }
}

static void connect_all(int flags) {
    valkeyClusterOptions options = {.initial_nodes = "127.0.0.1:21630",
                                    .password = "secret",
                                    .options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE | flags};
    memset(&load, 0, sizeof load);
    atomic_store(&is_over, false);
    base = event_base_new();
    assert_int_equal(valkeyClusterOptionsUseLibevent(&options, base), VALKEY_OK);
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "");
}

/* Run the load until the other thread has done its work. */
static void run_during(void *(*work)(void *)) {
    pthread_t thread;
    struct timeval moment = {.tv_usec = 1000};
    struct event *timer = event_new(base, -1, EV_PERSIST, keep_busy, NULL);
    assert_int_equal(event_add(timer, &moment), 0);
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    (void)event_base_dispatch(base);
    assert_int_equal(pthread_join(thread, NULL), 0);
    event_free(timer);
}

static void disconnect_all(void) {
    valkeyClusterAsyncDisconnect(acc);
    (void)event_base_dispatch(base); /* returns when no connection is left */
    valkeyClusterAsyncFree(acc);
    event_base_free(base);
}

static long sum_of_keys(void) {
    valkeyClusterOptions options = {.initial_nodes = "127.0.0.1:21631", .password = "secret"};
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    long sum = 0;
    for (int i = 0; i < KEYS; i++) {
        valkeyReply *reply = valkeyClusterCommand(cc, "GET n:%d", i);
        assert_non_null(reply);
        sum += reply->str == NULL ? 0 : atol(reply->str);
        freeReplyObject(reply);
    }
    valkeyClusterFree(cc);
    return sum;
}

static void *reshard(void *unused) {
    (void)unused;
    for (int i = 0; i < MOVES; i++) {
        int from = i % CLUSTER_NODES, to = (i + 1) % CLUSTER_NODES;
        real_cluster_move(&cluster, real_cluster_first_slot(from) + i * 17, from, to);
    }
    atomic_store(&is_over, true);
    return NULL;
}

static void nothing_fails_while_slots_move(void **state) {
    (void)state;
    connect_all(0);
    long before = sum_of_keys();
    run_during(reshard);
    if (load.failed + load.wrong > 0)
        fail_msg("%ld failed, %ld wrong: %s", load.failed, load.wrong, load.errstr);
    assert_true(load.answered > 1000);
    assert_true(acc->cc.route_version > 1);
    disconnect_all();
    assert_true(sum_of_keys() - before == load.answered);
}

static void *fail_over(void *unused) {
    (void)unused;
    real_cluster_fail_over(&cluster, 0);
    real_cluster_fail_over(&cluster, 1);
    struct timespec second = {.tv_sec = 1};
    (void)nanosleep(&second, NULL);
    atomic_store(&is_over, true);
    return NULL;
}

static void a_handover_loses_nothing(void **state) {
    (void)state;
    connect_all(VALKEY_OPT_USE_REPLICAS);
    real_cluster_add_replicas(&cluster);
    long before = sum_of_keys();
    run_during(fail_over);
    /* A primary that becomes a replica may end connections, never lie. */
    assert_true(load.wrong == 0);
    assert_true(load.answered > 1000);
    long counted = sum_of_keys() - before;
    assert_true(counted >= load.answered);
    assert_true(counted <= load.answered + load.failed);
    assert_int_equal(valkeyClusterGetNodeByKey(&acc->cc, "bar")->port, FIRST_PORT + CLUSTER_NODES);
    disconnect_all();
}

static void *kill_one(void *unused) {
    (void)unused;
    int tries = 0;
    real_server_pause(cluster.servers[2]);
    /* Its replica is voted for when the others have given it up. */
    for (bool is_over_taken = false; !is_over_taken; tries++) {
        valkeyReply *reply = valkeyCommand(cluster.replica_control[2], "ROLE");
        is_over_taken = reply != NULL && strcmp(reply->element[0]->str, "master") == 0;
        freeReplyObject(reply);
        struct timespec moment = {.tv_nsec = 20000000};
        (void)nanosleep(&moment, NULL);
        if (tries > 1000)
            abort();
    }
    struct timespec moment = {.tv_sec = 1, .tv_nsec = 500000000};
    (void)nanosleep(&moment, NULL);
    atomic_store(&is_over, true);
    return NULL;
}

static void a_dead_primary_is_replaced(void **state) {
    (void)state;
    connect_all(0);
    assert_int_equal(valkeyClusterSetOptionTimeout(&acc->cc, (struct timeval){.tv_usec = 300000}),
                     VALKEY_OK);
    run_during(kill_one);
    assert_true(load.wrong == 0);
    assert_true(load.failed > 0);
    assert_true(now_ms() - load.last_ms < 1000);
    /* Its keys are served again. */
    assert_int_equal(valkeyClusterGetNodeByKey(&acc->cc, "foo")->port,
                     FIRST_PORT + CLUSTER_NODES + 2);
    long answered = load.answered, failed = load.failed;
    for (int i = 0; i < 100; i++)
        increment(i);
    while (load.outstanding > 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    assert_true(load.answered - answered == 100);
    assert_true(load.failed == failed);
    disconnect_all();
    real_server_resume(cluster.servers[2]);
}

static int start(void **state) {
    (void)state;
    real_cluster_start(&cluster, FIRST_PORT, "secret");
    return 0;
}

static int stop(void **state) {
    (void)state;
    real_cluster_stop(&cluster);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_fails_while_slots_move),
        cmocka_unit_test(a_handover_loses_nothing),
        cmocka_unit_test(a_dead_primary_is_replaced),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
