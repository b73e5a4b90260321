/* SPDX-License-Identifier: BSD-3-Clause */
/* Scans of a cluster, transactions and commands that wait, against scripted nodes. */
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <valkey/cluster_scan.h>
#include <valkey/cluster_transaction.h>

#include <stdbool.h>
#include <stdio.h>

static struct fake_cluster fake;
static valkeyClusterContext *cc;

/* Who may not ask is told of no slots that are on their way. */
static const struct fake_rule NO_MOVES = {.command = "CLUSTER NODES", .reply = "-NOPERM no\r\n"};

static int start(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    cc = valkeyClusterConnect(fake.seeds);
    assert_int_equal(cc->err, 0);
    for (int i = 0; i < FAKE_NODES; i++)
        fake_cluster_add(&fake, i, NO_MOVES);
    return 0;
}

static int stop(void **state) {
    (void)state;
    valkeyClusterFree(cc);
    fake_cluster_stop(&fake);
    return 0;
}

static void answer(int node, const char *command, const char *reply) {
    fake_cluster_add(&fake, node, (struct fake_rule){.command = command, .reply = reply});
}

static void answer_once(int node, const char *command, const char *reply) {
    fake_cluster_add(&fake, node,
                     (struct fake_rule){.command = command, .reply = reply, .times = 1});
}

/* All keys of a scan, one behind the other. */
static char scanned[256];

static void scan_all(valkeyClusterScan *scan) {
    valkeyReply *keys;
    scanned[0] = '\0';
    while ((keys = valkeyClusterScanNext(scan)) != NULL) {
        assert_true(keys->elements > 0);
        for (size_t i = 0; i < keys->elements; i++)
            (void)strcat(strcat(scanned, keys->element[i]->str), " ");
        freeReplyObject(keys);
    }
}

static void a_scan_walks_all_nodes(void **state) {
    (void)state;
    static const char OPTIONS[] = "SCAN 0 MATCH a* COUNT 7 TYPE string";
    answer(0, OPTIONS, "*2\r\n$1\r\n5\r\n*1\r\n$2\r\na0\r\n");
    answer(0, "SCAN 5 MATCH a*", "*2\r\n$1\r\n0\r\n*1\r\n$2\r\na1\r\n");
    answer(1, OPTIONS, "*2\r\n$1\r\n0\r\n*0\r\n");
    answer(2, OPTIONS, "*2\r\n$20\r\n18446744073709551615\r\n*0\r\n");
    answer(2, "SCAN 18446744073709551615", "*2\r\n$1\r\n0\r\n*2\r\n$2\r\na2\r\n$2\r\na3\r\n");
    valkeyClusterScanOptions options = {.match = "a*", .type = "string", .count = 7};
    valkeyClusterScan *scan = valkeyClusterScanCreate(cc, &options);
    scan_all(scan);
    assert_int_equal(cc->err, 0);
    assert_string_equal(scanned, "a0 a1 a2 a3 ");
    assert_null(valkeyClusterScanNext(scan));
    valkeyClusterScanFree(scan);
}

static void moved_slots_are_scanned_at_their_new_node(void **state) {
    (void)state;
    char moved[FAKE_TEXT];
    fake_cluster_write_map(&fake, moved, (int[]){0, 2, 2});
    answer_once(0, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    /* While node 1 is walked its slots move to node 2. */
    answer(1, "SCAN 0", "*2\r\n$1\r\n7\r\n*1\r\n$1\r\nb\r\n");
    answer(1, "SCAN 7", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n");
    answer(2, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nd\r\n");
    valkeyClusterScan *scan = valkeyClusterScanCreate(cc, NULL);
    for (int i = 0; i < 2; i++) {
        valkeyReply *keys = valkeyClusterScanNext(scan);
        assert_non_null(keys);
        freeReplyObject(keys);
    }
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "CLUSTER SLOTS", moved);
    scan_all(scan);
    assert_int_equal(cc->err, 0);
    assert_string_equal(scanned, "c d ");
    assert_int_equal(fake_server_count(fake.nodes[0], "SCAN"), 1);
    valkeyClusterScanFree(scan);
}

/* A text of CLUSTER NODES in which slot 6000 of node 1 is on its way to node 0. */
static void write_move(char *out) {
    char text[FAKE_TEXT];
    int size = snprintf(text, sizeof text,
                        "idzero 127.0.0.1:%d@1,host master - 0 0 1 connected 0-5460\n"
                        "idone 127.0.0.1:%d@2 myself,master - 0 0 2 connected 5461-10922 "
                        "[5462-<-idzero] [6000->-idzero] [6001->-gone] [99999->-idzero] [x\n",
                        fake.ports[0], fake.ports[1]);
    (void)snprintf(out, FAKE_TEXT + 16, "$%d\r\n%s\r\n", size, text);
}

static void slots_on_their_way_are_scanned_where_they_go(void **state) {
    (void)state;
    char nodes[FAKE_TEXT + 16];
    write_move(nodes);
    fake.rule_counts[1] = 0;
    answer(1, "CLUSTER NODES", nodes);
    answer_once(0, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    answer(0, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nm\r\n");
    answer(1, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
    answer(2, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n");
    valkeyClusterScan *scan = valkeyClusterScanCreate(cc, NULL);
    scan_all(scan);
    assert_int_equal(cc->err, 0);
    assert_string_equal(scanned, "a b m c ");
    valkeyClusterScanFree(scan);
    /* Freed before it is walked where it goes. */
    scan = valkeyClusterScanCreate(cc, NULL);
    for (int i = 0; i < 2; i++)
        freeReplyObject(valkeyClusterScanNext(scan));
    valkeyClusterScanFree(scan);
}

static void a_scan_goes_on_after_failures(void **state) {
    (void)state;
    for (int i = 0; i < FAKE_NODES; i++) {
        fake_cluster_add(&fake, i,
                         (struct fake_rule){.command = "SCAN 0", .after = FAKE_CLOSE, .times = 1});
        answer(i, "SCAN 0",
               i == 0 ? "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"
                      : "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
    }
    valkeyClusterScan *scan = valkeyClusterScanCreate(cc, NULL);
    scan_all(scan);
    assert_int_equal(cc->err, 0);
    assert_string_equal(scanned, "a b b ");
    valkeyClusterScanFree(scan);
    static const char *const WRONG[] = {"-NOPERM no\r\n", "*1\r\n:1\r\n", "+OK\r\n",
                                        "*2\r\n:0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n$1\r\n0\r\n"};
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        fake.rule_counts[0] = 0;
        fake_cluster_add(&fake, 0, NO_MOVES);
        answer(0, "SCAN 0", WRONG[i]);
        scan = valkeyClusterScanCreate(cc, NULL);
        assert_null(valkeyClusterScanNext(scan));
        assert_int_not_equal(cc->err, 0);
        valkeyClusterScanFree(scan);
    }
    fake_server_stop(fake.nodes[0]);
    fake.nodes[0] = NULL;
    scan = valkeyClusterScanCreate(cc, NULL);
    assert_null(valkeyClusterScanNext(scan));
    assert_int_equal(cc->err, VALKEY_ERR_IO);
    valkeyClusterScanFree(scan);
    valkeyClusterScanFree(NULL);
}

#define QUEUED "+QUEUED\r\n"

static void a_transaction_is_sent_at_once(void **state) {
    (void)state;
    answer(2, "MULTI", "+OK\r\n");
    answer(2, "INCR foo", QUEUED);
    answer(2, "GET foo", "$1\r\n1\r\n");
    answer(2, "WATCH foo", "+OK\r\n");
    answer_once(2, "EXEC", "*2\r\n:1\r\n:2\r\n");
    answer(2, "EXEC", "*-1\r\n");
    valkeyClusterTransaction *transaction = valkeyClusterTransactionBegin(cc, "foo", 3);
    assert_non_null(transaction);
    assert_int_equal(valkeyClusterTransactionAppend(transaction, "INCR %s", "foo"), VALKEY_OK);
    assert_int_equal(
        valkeyClusterTransactionAppendArgv(transaction, 2, (const char *[]){"INCR", "foo"}, NULL),
        VALKEY_OK);
    assert_int_equal(fake_server_count(fake.nodes[2], "MULTI"), 0);
    valkeyReply *reply = valkeyClusterTransactionExec(transaction);
    assert_int_equal(reply->elements, 2);
    freeReplyObject(reply);
    /* With a watch. */
    reply = valkeyClusterTransactionCommand(transaction, "WATCH foo");
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    reply = valkeyClusterTransactionCommand(transaction, "GET foo");
    assert_string_equal(reply->str, "1");
    freeReplyObject(reply);
    assert_int_equal(valkeyClusterTransactionAppend(transaction, "INCR foo"), VALKEY_OK);
    reply = valkeyClusterTransactionExec(transaction);
    assert_int_equal(reply->type, VALKEY_REPLY_NIL);
    freeReplyObject(reply);
    assert_null(valkeyClusterTransactionCommand(transaction, "MULTI"));
    assert_null(valkeyClusterTransactionCommand(transaction, "exec"));
    assert_int_equal(valkeyClusterTransactionAppend(transaction, "%y"), VALKEY_ERR);
    int connections = fake_server_connections(fake.nodes[2]);
    valkeyClusterTransactionEnd(transaction);
    /* The connection is kept. */
    transaction = valkeyClusterTransactionBegin(cc, "foo", 3);
    assert_int_equal(fake_server_connections(fake.nodes[2]), connections);
    valkeyClusterTransactionEnd(transaction);
    valkeyClusterTransactionEnd(NULL);
}

static void a_transaction_follows_its_slot(void **state) {
    (void)state;
    char moved[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    answer(2, "MULTI", "+OK\r\n");
    answer(2, "INCR foo", moved);
    answer(2, "WATCH foo", "+OK\r\n");
    answer(2, "GET foo", moved);
    answer(2, "EXEC", "-EXECABORT no\r\n");
    answer(1, "MULTI", "+OK\r\n");
    answer_once(1, "INCR foo", "-TRYAGAIN x\r\n");
    answer(1, "INCR foo", QUEUED);
    answer_once(1, "EXEC", "-EXECABORT no\r\n");
    answer(1, "EXEC", "*1\r\n:1\r\n");
    /* What is watched can't be moved. */
    valkeyClusterTransaction *transaction = valkeyClusterTransactionBegin(cc, "foo", 3);
    freeReplyObject(valkeyClusterTransactionCommand(transaction, "WATCH foo"));
    assert_null(valkeyClusterTransactionCommand(transaction, "GET foo"));
    assert_string_equal(cc->errstr, "The slot has moved");
    valkeyClusterTransactionEnd(transaction);
    transaction = valkeyClusterTransactionBegin(cc, "foo", 3);
    assert_int_equal(valkeyClusterTransactionAppend(transaction, "INCR foo"), VALKEY_OK);
    valkeyReply *reply = valkeyClusterTransactionExec(transaction);
    assert_non_null(reply);
    assert_int_equal(reply->type, VALKEY_REPLY_ARRAY);
    freeReplyObject(reply);
    assert_int_equal(cc->err, 0);
    valkeyClusterTransactionEnd(transaction);
}

static void a_refused_command_is_told(void **state) {
    (void)state;
    answer(2, "MULTI", "+OK\r\n");
    answer(2, "NOSUCH", "-ERR unknown\r\n");
    answer(2, "EXEC", "-EXECABORT no\r\n");
    fake_cluster_add(&fake, 2, (struct fake_rule){.command = "GET", .after = FAKE_CLOSE});
    valkeyClusterTransaction *transaction = valkeyClusterTransactionBegin(cc, "foo", 3);
    assert_int_equal(valkeyClusterTransactionAppend(transaction, "NOSUCH"), VALKEY_OK);
    valkeyReply *reply = valkeyClusterTransactionExec(transaction);
    assert_string_equal(reply->str, "EXECABORT no");
    freeReplyObject(reply);
    assert_null(valkeyClusterTransactionCommand(transaction, "GET foo"));
    assert_int_equal(cc->err, VALKEY_ERR_EOF);
    reply = valkeyClusterTransactionExec(transaction);
    assert_string_equal(reply->str, "EXECABORT no");
    freeReplyObject(reply);
    valkeyClusterTransactionEnd(transaction);
}

static void waiting_commands_hold_nobody_up(void **state) {
    (void)state;
    fake_cluster_add(
        &fake, 2,
        (struct fake_rule){.command = "BLPOP", .reply = "*1\r\n$1\r\nx\r\n", .delay_ms = 200});
    answer(2, "GET", "+quick\r\n");
    assert_int_equal(valkeyClusterSetOptionTimeout(cc, (struct timeval){.tv_usec = 100000}),
                     VALKEY_OK);
    assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
    /* It may take longer than other commands. */
    valkeyReply *reply = valkeyClusterBlockingCommand(cc, NULL, "BLPOP foo 1");
    assert_non_null(reply);
    assert_int_equal(cc->err, 0);
    freeReplyObject(reply);
    void *other;
    assert_int_equal(valkeyClusterGetReply(cc, &other), VALKEY_OK);
    freeReplyObject(other);
    struct timeval limit = {.tv_usec = 50000};
    assert_null(valkeyClusterBlockingCommand(cc, &limit, "BLPOP foo 1"));
    assert_int_equal(cc->err, VALKEY_ERR_TIMEOUT);
    reply = valkeyClusterCommand(cc, "GET foo");
    assert_string_equal(reply->str, "quick");
    freeReplyObject(reply);
    assert_null(valkeyClusterBlockingCommand(cc, NULL, "WAIT 1 1"));
    assert_null(valkeyClusterBlockingCommand(cc, NULL, "%y"));
}

static void waiting_commands_follow_their_slot(void **state) {
    (void)state;
    char moved[64], asked[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    (void)snprintf(asked, sizeof asked, "-ASK 12182 127.0.0.1:%d\r\n", fake.ports[0]);
    answer_once(2, "BLPOP", "-UNBLOCKED force unblock\r\n");
    answer(2, "BLPOP", moved);
    answer_once(1, "BLPOP", asked);
    answer(1, "BLPOP", "*1\r\n$1\r\nx\r\n");
    answer(0, "ASKING", "+OK\r\n");
    answer_once(0, "BLPOP", "-TRYAGAIN x\r\n");
    valkeyReply *reply = valkeyClusterBlockingCommand(cc, NULL, "BLPOP foo 1");
    assert_non_null(reply);
    assert_int_equal(reply->elements, 1);
    freeReplyObject(reply);
    assert_int_equal(fake_server_count(fake.nodes[0], "ASKING"), 1);
}

static void play(valkeyClusterContext *context) {
    valkeyClusterScan *scan = valkeyClusterScanCreate(context, NULL);
    if (scan != NULL)
        freeReplyObject(valkeyClusterScanNext(scan));
    valkeyClusterScanFree(scan);
    valkeyClusterTransaction *transaction = valkeyClusterTransactionBegin(context, "foo", 3);
    if (transaction != NULL) {
        freeReplyObject(valkeyClusterTransactionCommand(transaction, "WATCH foo"));
        (void)valkeyClusterTransactionAppend(transaction, "INCR foo");
        freeReplyObject(valkeyClusterTransactionExec(transaction));
    }
    valkeyClusterTransactionEnd(transaction);
    freeReplyObject(valkeyClusterBlockingCommand(context, NULL, "BLPOP foo 1"));
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    answer(2, "MULTI", "+OK\r\n");
    answer(2, "INCR foo", QUEUED);
    answer(2, "WATCH foo", "+OK\r\n");
    answer(2, "EXEC", "*1\r\n:1\r\n");
    answer(2, "BLPOP", "*1\r\n$1\r\nx\r\n");
    for (int at = 0, last = 0; !last; at++) {
        failing_allocator_install(at);
        valkeyClusterContext *context = valkeyClusterConnect(fake.seeds);
        if (context != NULL && context->err == 0)
            play(context);
        last = !failing_allocator_has_failed();
        valkeyClusterFree(context);
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_scan_walks_all_nodes),
        TEST(moved_slots_are_scanned_at_their_new_node),
        TEST(slots_on_their_way_are_scanned_where_they_go),
        TEST(a_scan_goes_on_after_failures),
        TEST(a_transaction_is_sent_at_once),
        TEST(a_transaction_follows_its_slot),
        TEST(a_refused_command_is_told),
        TEST(waiting_commands_hold_nobody_up),
        TEST(waiting_commands_follow_their_slot),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
