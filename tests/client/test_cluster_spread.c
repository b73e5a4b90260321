/* SPDX-License-Identifier: BSD-3-Clause */
/* Spread commands and commands with a key hint, against scripted nodes. Of the keys here bar is on
 * node 0, c on node 1, foo on node 2; each has a slot of its own. */
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <valkey/cluster_commands.h>

#include <stdbool.h>
#include <stdio.h>

static struct fake_cluster fake;
static valkeyClusterContext *cc;

static int start(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    cc = valkeyClusterConnect(fake.seeds);
    assert_int_equal(cc->err, 0);
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

static valkeyReply *spread(const char *command) {
    valkeyReply *reply = valkeyClusterSpreadCommand(cc, command);
    if (reply == NULL)
        fail_msg("%s: %s", command, cc->errstr);
    assert_int_equal(cc->err, 0);
    return reply;
}

static void expect_number(const char *command, long long number) {
    valkeyReply *reply = spread(command);
    assert_int_equal(reply->type, VALKEY_REPLY_INTEGER);
    assert_int_equal(reply->integer, number);
    freeReplyObject(reply);
}

static void expect_text(const char *command, int type, const char *text) {
    valkeyReply *reply = spread(command);
    assert_int_equal(reply->type, type);
    assert_string_equal(reply->str, text);
    freeReplyObject(reply);
}

static void values_come_in_the_order_of_the_keys(void **state) {
    (void)state;
    answer(0, "MGET bar bar", "*2\r\n$1\r\n0\r\n$1\r\n1\r\n");
    answer(1, "MGET c", "*1\r\n$-1\r\n");
    answer(2, "MGET foo", "*1\r\n$1\r\n2\r\n");
    answer(2, "MGET {foo}x", "*1\r\n$1\r\n3\r\n");
    valkeyReply *reply = spread("mget foo bar c bar");
    assert_int_equal(reply->type, VALKEY_REPLY_ARRAY);
    assert_int_equal(reply->elements, 4);
    assert_string_equal(reply->element[0]->str, "2");
    assert_string_equal(reply->element[1]->str, "0");
    assert_int_equal(reply->element[2]->type, VALKEY_REPLY_NIL);
    assert_string_equal(reply->element[3]->str, "1");
    freeReplyObject(reply);
    /* Keys of one slot stay together. */
    answer(2, "MGET {foo}a {foo}b", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    reply = spread("MGET {foo}a {foo}b");
    assert_int_equal(reply->elements, 2);
    freeReplyObject(reply);
    assert_int_equal(fake_server_count(fake.nodes[2], "MGET {foo}a {foo}b"), 1);
}

static void counts_are_added_and_pairs_stay_together(void **state) {
    (void)state;
    static const char *const COUNTS[] = {":1\r\n", ":2\r\n", ":4\r\n"};
    static const char *const COMMANDS[] = {"DEL", "UNLINK", "EXISTS", "TOUCH"};
    for (int i = 0; i < FAKE_NODES; i++) {
        answer(i, "MSET", "+OK\r\n");
        for (size_t j = 0; j < COUNT_OF(COMMANDS); j++)
            answer(i, COMMANDS[j], COUNTS[i]);
    }
    for (size_t j = 0; j < COUNT_OF(COMMANDS); j++) {
        char command[64];
        (void)snprintf(command, sizeof command, "%s foo bar c", COMMANDS[j]);
        expect_number(command, 7);
    }
    expect_number("EXISTS foo bar", 5);
    expect_number("EXISTS foo", 4);
    expect_text("MSET foo 1 bar 2 c 3", VALKEY_REPLY_STATUS, "OK");
    assert_int_equal(fake_server_count(fake.nodes[0], "MSET bar 2"), 1);
    assert_int_equal(fake_server_count(fake.nodes[1], "MSET c 3"), 1);
    assert_int_equal(fake_server_count(fake.nodes[2], "MSET foo 1"), 1);
}

static void parts_travel_at_the_same_time(void **state) {
    (void)state;
    for (int i = 0; i < FAKE_NODES; i++)
        fake_cluster_add(&fake, i,
                         (struct fake_rule){.command = "DEL", .reply = ":1\r\n", .delay_ms = 300});
    long long begin = now_ms();
    expect_number("DEL foo bar c", 3);
    assert_in_range(now_ms() - begin, 290, 800);
}

static void an_error_of_a_part_is_the_reply(void **state) {
    (void)state;
    answer(0, "MSET", "+OK\r\n");
    answer(1, "MSET", "-OOM no\r\n");
    answer(2, "MSET", "+OK\r\n");
    expect_text("MSET foo 1 bar 2 c 3", VALKEY_REPLY_ERROR, "OOM no");
    /* Words that are no pairs are for the server to judge. */
    expect_text("MSET bar 2 c", VALKEY_REPLY_STATUS, "OK");
}

static void a_moved_part_is_sent_on(void **state) {
    (void)state;
    char moved[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    answer(0, "DEL", ":1\r\n");
    answer(1, "DEL", ":1\r\n");
    answer(2, "DEL", moved);
    expect_number("DEL foo bar", 2);
    assert_int_equal(fake_server_count(fake.nodes[1], "DEL foo"), 1);
}

static void a_lost_part_fails_the_command(void **state) {
    (void)state;
    answer(0, "DEL", ":1\r\n");
    answer(1, "DEL", ":1\r\n");
    fake_cluster_add(&fake, 2, (struct fake_rule){.command = "DEL", .after = FAKE_CLOSE});
    assert_null(valkeyClusterSpreadCommand(cc, "DEL foo bar c"));
    assert_int_equal(cc->err, VALKEY_ERR_EOF);
    assert_string_equal(cc->errstr, "Server closed the connection");
    expect_number("DEL bar c", 2);
    assert_null(valkeyClusterSpreadCommand(cc, "NOSUCH a b"));
    assert_string_equal(cc->errstr, "Unknown command NOSUCH");
    assert_null(valkeyClusterSpreadCommand(cc, "DEL %y"));
    assert_null(valkeyClusterSpreadCommand(cc, "DEL"));
    assert_null(valkeyClusterSpreadCommand(cc, "SCAN 0"));
    assert_string_equal(cc->errstr, "This command can't be sent to several nodes");
}

static void replies_that_do_not_fit_are_errors(void **state) {
    (void)state;
    static const char *const REPLIES[] = {"*2\r\n:1\r\n:2\r\n", ":1\r\n", "*0\r\n"};
    for (int i = 0; i < FAKE_NODES; i++) {
        answer(i, "MGET", REPLIES[i]);
        answer(i, "DEL", i == 1 ? "+what\r\n" : ":1\r\n");
        answer(i, "SCRIPT EXISTS", i == 1 ? "*1\r\n:1\r\n" : "*2\r\n:1\r\n:1\r\n");
    }
    static const char *const COMMANDS[] = {"MGET foo bar c", "DEL foo bar c", "SCRIPT EXISTS a b"};
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) {
        assert_null(valkeyClusterSpreadCommand(cc, COMMANDS[i]));
        assert_int_equal(cc->err, VALKEY_ERR_PROTOCOL);
    }
}

static void commands_without_a_key_go_where_they_should(void **state) {
    (void)state;
    static const char *const SIZES[] = {":10\r\n", ":20\r\n", ":30\r\n"};
    static const char *const KEYS[] = {"*1\r\n$1\r\na\r\n", "*0\r\n",
                                       "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"};
    for (int i = 0; i < FAKE_NODES; i++) {
        answer(i, "DBSIZE", SIZES[i]);
        answer(i, "KEYS", KEYS[i]);
        answer(i, "PING", "+PONG\r\n");
        answer(i, "FLUSHALL", "+OK\r\n");
        answer(i, "SCRIPT LOAD", "$2\r\nid\r\n");
        answer(i, "SCRIPT EXISTS", i == 1 ? "*2\r\n:1\r\n:0\r\n" : "*2\r\n:1\r\n:1\r\n");
        answer(i, "SCRIPT KILL", i == 1 ? "+OK\r\n" : "-NOTBUSY no\r\n");
        answer(i, "PUBLISH", ":1\r\n");
        answer(i, "WAIT", SIZES[2 - i]);
    }
    expect_number("DBSIZE", 60);
    expect_number("WAIT 1 1", 10);
    expect_text("PING", VALKEY_REPLY_STATUS, "PONG");
    expect_text("FLUSHALL", VALKEY_REPLY_STATUS, "OK");
    expect_text("SCRIPT LOAD x", VALKEY_REPLY_STRING, "id");
    expect_text("SCRIPT KILL", VALKEY_REPLY_STATUS, "OK");
    expect_number("PUBLISH channel text", 1);
    int published = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        assert_int_equal(fake_server_count(fake.nodes[i], "SCRIPT LOAD"), 1);
        assert_int_equal(fake_server_count(fake.nodes[i], "FLUSHALL"), 1);
        published += fake_server_count(fake.nodes[i], "PUBLISH");
    }
    assert_int_equal(published, 1);
    valkeyReply *reply = spread("KEYS *");
    assert_int_equal(reply->elements, 3);
    assert_string_equal(reply->element[2]->str, "c");
    freeReplyObject(reply);
    reply = spread("SCRIPT EXISTS x y");
    assert_int_equal(reply->element[0]->integer, 1);
    assert_int_equal(reply->element[1]->integer, 0);
    freeReplyObject(reply);
}

static void replies_that_can_not_be_merged_come_per_node(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    valkeyReply *reply = spread("INFO");
    assert_int_equal(reply->elements, 3);
    for (int i = 0; i < FAKE_NODES; i++)
        assert_int_equal(reply->element[i]->str[0], 'n');
    freeReplyObject(reply);
}

static void a_key_hint_says_where_a_command_goes(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    static const struct {
        const char *key, *text;
    } CASES[] = {{"foo", "n2"}, {"bar", "n0"}, {"c", "n1"}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        const char *key = CASES[i].key;
        valkeyReply *reply =
            valkeyClusterCommandByKey(cc, key, strlen(key), "MODULE.SET %s x", key);
        assert_string_equal(reply->str, CASES[i].text);
        freeReplyObject(reply);
        reply = valkeyClusterCommandArgvByKey(cc, key, strlen(key), 1, (const char *[]){"X"}, NULL);
        assert_string_equal(reply->str, CASES[i].text);
        freeReplyObject(reply);
        assert_int_equal(valkeyClusterAppendCommandByKey(cc, key, strlen(key), "X.Y"), VALKEY_OK);
    }
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        void *reply;
        assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
        assert_string_equal(((valkeyReply *)reply)->str, CASES[i].text);
        freeReplyObject(reply);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    answer(0, "MGET", "*1\r\n$1\r\na\r\n");
    answer(1, "MGET", "*1\r\n$1\r\nb\r\n");
    answer(2, "MGET", "*1\r\n$1\r\nc\r\n");
    valkeyClusterFree(cc);
    cc = NULL;
    for (int at = 0, last = 0; !last; at++) {
        failing_allocator_install(at);
        valkeyClusterContext *context = valkeyClusterConnect(fake.seeds);
        valkeyReply *reply = NULL;
        if (context != NULL)
            reply = valkeyClusterSpreadCommand(context, "MGET foo bar c");
        last = !failing_allocator_has_failed();
        assert_true(reply != NULL || !last);
        if (reply == NULL && context != NULL)
            assert_int_not_equal(context->err, 0);
        freeReplyObject(reply);
        valkeyClusterFree(context);
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_come_in_the_order_of_the_keys),
        TEST(counts_are_added_and_pairs_stay_together),
        TEST(parts_travel_at_the_same_time),
        TEST(an_error_of_a_part_is_the_reply),
        TEST(a_moved_part_is_sent_on),
        TEST(a_lost_part_fails_the_command),
        TEST(replies_that_do_not_fit_are_errors),
        TEST(commands_without_a_key_go_where_they_should),
        TEST(replies_that_can_not_be_merged_come_per_node),
        TEST(a_key_hint_says_where_a_command_goes),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
