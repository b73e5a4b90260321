/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster of redis-servers that know each other by IPv6 addresses. */
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/cluster.h>

#include <stdio.h>

enum { FIRST_PORT = 21700, KEYS = 300 };

static struct real_cluster cluster;

static valkeyClusterContext *connect_with(int flags) {
    valkeyClusterOptions options = {.initial_nodes = "::1:21700", .options = flags};
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    assert_string_equal(cc->errstr, "");
    return cc;
}

static void keys_of_all_slots_are_found(void **state) {
    (void)state;
    static const int FLAGS[] = {0, VALKEY_OPT_USE_CLUSTER_NODES,
                                VALKEY_OPT_PREFER_IPV6 | VALKEY_OPT_USE_REPLICAS};
    for (size_t i = 0; i < COUNT_OF(FLAGS); i++) {
        valkeyClusterContext *cc = connect_with(FLAGS[i]);
        for (int key = 0; key < KEYS; key++)
            assert_int_equal(valkeyClusterAppendCommand(cc, "SET key:%d %d", key, key), VALKEY_OK);
        for (int key = 0; key < KEYS; key++) {
            void *reply;
            assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
            assert_string_equal(((valkeyReply *)reply)->str, "OK");
            freeReplyObject(reply);
        }
        assert_string_equal(valkeyClusterGetNodeByKey(cc, (char[]){"foo"})->host, "::1");
        valkeyClusterFree(cc);
    }
}

static void a_moved_slot_is_followed(void **state) {
    (void)state;
    valkeyClusterContext *cc = connect_with(0);
    freeReplyObject(valkeyClusterCommand(cc, "SET foo 1"));
    real_cluster_move(&cluster, 12182, 2, 0);
    valkeyReply *reply = valkeyClusterCommand(cc, "GET foo");
    assert_string_equal(reply->str, "1");
    freeReplyObject(reply);
    assert_int_equal(valkeyClusterGetNodeByKey(cc, (char[]){"foo"})->port, FIRST_PORT);
    valkeyClusterFree(cc);
}

static int start(void **state) {
    (void)state;
    real_cluster_start_v6(&cluster, FIRST_PORT);
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
        cmocka_unit_test(a_moved_slot_is_followed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
