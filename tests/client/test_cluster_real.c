/* SPDX-License-Identifier: BSD-3-Clause */
/* The synchronous cluster interface against three redis-servers with a password, whose slots move
 * while a long pipeline runs. */
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/cluster_scan.h>
#include <valkey/cluster_transaction.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { FIRST_PORT = 21620, COMMANDS = 100000, MOVES = 200 };

static struct real_cluster cluster;

static valkeyClusterContext *connect_to_cluster(int flags) {
    valkeyClusterOptions options = {
        .initial_nodes = "127.0.0.1:21620", .password = "secret", .options = flags};
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    assert_string_equal(cc->errstr, "");
    return cc;
}

static void keys_of_all_slots_are_found(void **state) {
    (void)state;
    static const int FLAGS[] = {0, VALKEY_OPT_USE_CLUSTER_NODES, VALKEY_OPT_USE_CLUSTER_SHARDS};
    for (size_t i = 0; i < COUNT_OF(FLAGS); i++) {
        valkeyClusterContext *cc = connect_to_cluster(FLAGS[i]);
        for (int key = 0; key < 500; key++) {
            freeReplyObject(valkeyClusterCommand(cc, "SET key:%d %d", key, key));
            valkeyReply *reply = valkeyClusterCommand(cc, "GET key:%d", key);
            assert_int_equal(atoi(reply->str), key);
            freeReplyObject(reply);
        }
        assert_true(cc->route_version == 1);
        valkeyClusterFree(cc);
    }
}

/* Moves slots around; even those of the keys in use. */
static void *reshard(void *argument) {
    atomic_bool *is_over = argument;
    for (int i = 0; i < MOVES && !atomic_load(is_over); i++) {
        int from = i % CLUSTER_NODES, to = (i + 1) % CLUSTER_NODES;
        real_cluster_move(&cluster, real_cluster_first_slot(from) + i * 17, from, to);
    }
    return NULL;
}

static void a_long_pipeline_survives_resharding(void **state) {
    (void)state;
    valkeyClusterContext *cc = connect_to_cluster(0);
    atomic_bool is_over = false;
    pthread_t thread;
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "SETEX k:%d 60 %d", i % 20000, i),
                         VALKEY_OK);
    assert_int_equal(pthread_create(&thread, NULL, reshard, &is_over), 0);
    for (int i = 0; i < COMMANDS; i++) {
        valkeyReply *reply;
        if (valkeyClusterGetReply(cc, (void **)&reply) != VALKEY_OK)
            fail_msg("command %d: %s", i, cc->errstr);
        assert_string_equal(reply->str, "OK");
        freeReplyObject(reply);
    }
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "GET k:%d", i % 20000), VALKEY_OK);
    for (int i = 0; i < COMMANDS; i++) {
        valkeyReply *reply;
        if (valkeyClusterGetReply(cc, (void **)&reply) != VALKEY_OK)
            fail_msg("reply %d: %s", i, cc->errstr);
        assert_int_equal(reply->type, VALKEY_REPLY_STRING);
        assert_int_equal(atoi(reply->str), COMMANDS - 20000 + i % 20000);
        freeReplyObject(reply);
    }
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(cc->route_version > 1);
    valkeyClusterFree(cc);
}

static void a_scan_sees_all_keys(void **state) {
    (void)state;
    static bool is_seen[20000];
    valkeyClusterContext *cc = connect_to_cluster(0);
    valkeyClusterScanOptions options = {.match = "k:*", .count = 500};
    valkeyClusterScan *scan = valkeyClusterScanCreate(cc, &options);
    valkeyReply *keys;
    int count = 0;
    while ((keys = valkeyClusterScanNext(scan)) != NULL) {
        for (size_t i = 0; i < keys->elements; i++) {
            int number = atoi(keys->element[i]->str + 2);
            count += !is_seen[number];
            is_seen[number] = true;
        }
        freeReplyObject(keys);
    }
    assert_int_equal(cc->err, 0);
    assert_int_equal(count, 20000);
    valkeyClusterScanFree(scan);
    valkeyClusterFree(cc);
}

/* Moves the slots of the keys that transactions use, each to the next node. */
static void *move_transactions(void *argument) {
    atomic_bool *is_over = argument;
    valkeyClusterContext *cc = connect_to_cluster(0);
    for (int i = 0; i < 60 && !atomic_load(is_over); i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "t:%d", i);
        assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
        int from = valkeyClusterGetNodeByKey(cc, key)->port - FIRST_PORT;
        real_cluster_move(&cluster, (int)valkeyClusterGetSlotByKey(key), from,
                          (from + 1) % CLUSTER_NODES);
    }
    valkeyClusterFree(cc);
    return NULL;
}

static void transactions_survive_resharding(void **state) {
    (void)state;
    valkeyClusterContext *cc = connect_to_cluster(0);
    atomic_bool is_over = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, move_transactions, &is_over), 0);
    for (int i = 0; i < 600; i++) {
        char key[32];
        int size = snprintf(key, sizeof key, "t:%d", i % 60);
        valkeyClusterTransaction *transaction =
            valkeyClusterTransactionBegin(cc, key, (size_t)size);
        if (transaction == NULL)
            fail_msg("%s: %s", key, cc->errstr);
        for (int j = 0; j < 2; j++)
            assert_int_equal(valkeyClusterTransactionAppend(transaction, "INCR %s", key),
                             VALKEY_OK);
        valkeyReply *reply = valkeyClusterTransactionExec(transaction);
        if (reply == NULL || reply->type != VALKEY_REPLY_ARRAY)
            fail_msg("%s: %s", key, reply != NULL ? reply->str : cc->errstr);
        assert_int_equal(reply->element[1]->integer, (i / 60 + 1) * 2);
        freeReplyObject(reply);
        valkeyClusterTransactionEnd(transaction);
    }
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    valkeyClusterFree(cc);
}

static void a_dead_node_is_an_error_for_its_keys_only(void **state) {
    (void)state;
    const struct timeval timeout = {.tv_sec = 1};
    valkeyClusterContext *cc = connect_to_cluster(0);
    assert_int_equal(valkeyClusterSetOptionTimeout(cc, timeout), VALKEY_OK);
    real_server_pause(cluster.servers[2]);
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_string_equal(cc->errstr, "Timeout");
    real_server_resume(cluster.servers[2]);
    valkeyReply *reply = valkeyClusterCommand(cc, "GET bar");
    assert_non_null(reply);
    freeReplyObject(reply);
    valkeyClusterFree(cc);
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
        cmocka_unit_test(keys_of_all_slots_are_found),
        cmocka_unit_test(a_long_pipeline_survives_resharding),
        cmocka_unit_test(a_scan_sees_all_keys),
        cmocka_unit_test(transactions_survive_resharding),
        cmocka_unit_test(a_dead_node_is_an_error_for_its_keys_only),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
