/* SPDX-License-Identifier: BSD-3-Clause */
/* The cache that servers keep fresh: a redis-server and a second writer, and scripted nodes. */
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/cache.h>

#include <stdbool.h>
#include <stdio.h>

enum { PORT = 21740, FIRST_PORT = 21745 };

static struct real_server *server;
static valkeyContext *c, *writer;
static valkeyCache *cache;

static int open_contexts(void **state) {
    (void)state;
    c = valkeyConnect("127.0.0.1", PORT);
    writer = valkeyConnect("127.0.0.1", PORT);
    freeReplyObject(valkeyCommand(writer, "FLUSHALL"));
    cache = valkeyCacheCreate(c, 100000);
    return cache == NULL ? -1 : 0;
}

static int close_contexts(void **state) {
    (void)state;
    valkeyCacheFree(cache);
    valkeyFree(c);
    valkeyFree(writer);
    return 0;
}

static void expect(const char *command, const char *text) {
    const valkeyReply *reply = valkeyCacheCommand(cache, command);
    if (reply == NULL)
        fail_msg("%s: %s", command, c->errstr);
    if (text == NULL)
        assert_int_equal(reply->type, VALKEY_REPLY_NIL);
    else
        assert_string_equal(reply->str, text);
}

static void set(const char *command) {
    valkeyReply *reply = valkeyCommand(writer, command);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, VALKEY_REPLY_ERROR);
    freeReplyObject(reply);
    /* The message to the other connection goes out with or before this answer. */
    freeReplyObject(valkeyCommand(writer, "PING"));
}

static valkeyCacheStatistics numbers(void) {
    valkeyCacheStatistics seen;
    valkeyCacheGetStatistics(cache, &seen);
    return seen;
}

static void replies_are_kept_until_the_key_changes(void **state) {
    (void)state;
    set("SET a 1");
    expect("GET a", "1");
    for (int i = 0; i < 10; i++)
        expect("GET a", "1");
    assert_int_equal(numbers().hits, 10);
    assert_int_equal(numbers().misses, 1);
    set("SET a 2");
    expect("GET a", "2");
    expect("GET a", "2");
    assert_int_equal(numbers().misses, 2);
    assert_int_equal(numbers().invalidated, 1);
    /* A missing key is an answer too; other commands about a key are kept beside it. */
    expect("GET b", NULL);
    expect("GET b", NULL);
    set("SET b x");
    expect("GET b", "x");
    assert_int_equal(valkeyCacheCommand(cache, "STRLEN b")->integer, 1);
    assert_int_equal(valkeyCacheCommand(cache, "STRLEN b")->integer, 1);
    assert_int_equal(numbers().entries, 3);
    set("APPEND b y");
    assert_int_equal(valkeyCacheCommand(cache, "STRLEN b")->integer, 2);
    expect("GET b", "xy");
    set("FLUSHALL");
    expect("GET a", NULL);
    assert_int_equal(numbers().entries, 1);
}

static void own_writes_are_seen(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        const char *words[] = {"SET", "a", text};
        assert_string_equal(valkeyCacheCommandArgv(cache, 3, words, NULL)->str, "OK");
        expect("GET a", text);
        expect("GET a", text);
    }
    assert_int_equal(numbers().hits, 5);
}

static void what_is_no_plain_read_is_not_kept(void **state) {
    (void)state;
    set("SADD s a b");
    static const char *const COMMANDS[] = {"PING",          "MGET a b", "SRANDMEMBER s",
                                           "PTTL a",        "INCR n",   "EXISTS a b",
                                           "OBJECT FREQ a", "NOSUCH a", "XREAD STREAMS x 0"};
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) {
        assert_non_null(valkeyCacheCommand(cache, COMMANDS[i]));
        assert_non_null(valkeyCacheCommand(cache, COMMANDS[i]));
    }
    assert_int_equal(valkeyCacheCommand(cache, "GET s")->type, VALKEY_REPLY_ERROR);
    assert_int_equal(numbers().entries, 0);
    assert_int_equal(numbers().hits, 0);
}

static void the_oldest_go_when_there_is_no_room(void **state) {
    (void)state;
    for (int i = 0; i < 2000; i++) {
        char command[64];
        (void)snprintf(command, sizeof command, "SET key:%d %d", i, i);
        set(command);
        (void)snprintf(command, sizeof command, "GET key:%d", i);
        (void)valkeyCacheCommand(cache, command);
        expect("GET key:0", "0");
    }
    assert_true(numbers().evicted > 100);
    assert_true(numbers().bytes <= 100000);
    assert_true(numbers().entries > 50);
    assert_int_equal(numbers().hits, 1999 + 1);
    char large[120000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    freeReplyObject(valkeyCommand(writer, "SET large %s", large));
    expect("GET large", large);
    expect("GET large", large);
    assert_int_equal(numbers().hits, 2000);
}

static void nothing_is_kept_of_a_lost_connection(void **state) {
    (void)state;
    set("SET a 1");
    expect("GET a", "1");
    set("CLIENT KILL SKIPME yes TYPE normal");
    assert_null(valkeyCacheCommand(cache, "GET a"));
    assert_int_not_equal(c->err, 0);
    assert_int_equal(numbers().entries, 0);
    /* The context can go first. */
    valkeyFree(c);
    c = NULL;
    assert_null(valkeyCacheCommand(cache, "GET a"));
    valkeyCacheFree(cache);
    c = valkeyConnect("127.0.0.1", PORT);
    cache = valkeyCacheCreate(c, 1000);
    expect("GET a", "1");
    assert_int_equal(numbers().entries, 1);
    assert_int_equal(valkeyReconnect(c), VALKEY_OK);
    assert_int_equal(numbers().entries, 0);
    assert_null(valkeyCacheCommand(cache, "GET a"));
    valkeyCacheFree(cache);
    cache = valkeyCacheCreate(c, 1000);
    expect("GET a", "1");
    assert_null(valkeyCacheCreate(c, 1000));
    valkeyCacheFree(cache);
    cache = NULL;
    freeReplyObject(valkeyCommand(c, "GET a"));
    assert_int_equal(c->err, 0);
}

static void a_change_under_way_is_not_missed(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {
        {.command = "HELLO 3", .reply = "%1\r\n+proto\r\n:3\r\n"},
        {.command = "CLIENT TRACKING ON", .reply = "+OK\r\n"},
        {.command = "GET a",
         .reply = ">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n$3\r\nold\r\n",
         .times = 1},
        {.command = "GET a", .reply = "$3\r\nnew\r\n"},
        {.command = "GET b", .reply = ">2\r\n+invalidate\r\n*1\r\n:1\r\n>1\r\n+x\r\n$1\r\nb\r\n"},
        {.command = "GET c", .reply = "$1\r\nc\r\n+what\r\n"},
    };
    struct fake_server *fake = fake_server_start(0, RULES, COUNT_OF(RULES));
    valkeyContext *other = valkeyConnect("127.0.0.1", fake_server_port(fake));
    valkeyCache *small = valkeyCacheCreate(other, 1000);
    assert_string_equal(valkeyCacheCommand(small, "GET a")->str, "old");
    assert_string_equal(valkeyCacheCommand(small, "GET a")->str, "new");
    assert_string_equal(valkeyCacheCommand(small, "GET a")->str, "new");
    assert_int_equal(fake_server_count(fake, "GET a"), 2);
    assert_string_equal(valkeyCacheCommand(small, "GET b")->str, "b");
    assert_string_equal(valkeyCacheCommand(small, "GET c")->str, "c");
    valkeyCacheFree(small);
    valkeyFree(other);
    fake_server_stop(fake);
}

static void servers_without_tracking_are_refused(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {{.reply = "-ERR unknown command\r\n"}};
    struct fake_server *fake = fake_server_start(0, RULES, 1);
    valkeyContext *other = valkeyConnect("127.0.0.1", fake_server_port(fake));
    assert_null(valkeyCacheCreate(other, 1000));
    assert_string_equal(other->errstr, "ERR unknown command");
    valkeyFree(other);
    fake_server_stop(fake);
}

static void a_cluster_is_cached_through_moves(void **state) {
    (void)state;
    static struct real_cluster cluster;
    real_cluster_start(&cluster, FIRST_PORT, NULL);
    valkeyClusterContext *cc = valkeyClusterConnect("127.0.0.1:21745");
    valkeyClusterContext *other = valkeyClusterConnect("127.0.0.1:21745");
    valkeyCache *shared = valkeyCacheCreateCluster(cc, 100000);
    assert_non_null(shared);
    static const char *const KEYS[] = {"foo", "bar", "c"};
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < COUNT_OF(KEYS); i++) {
            valkeyReply *stored = valkeyClusterCommand(other, "SET %s %d", KEYS[i], round);
            if (stored == NULL) /* its connection was killed too */
                stored = valkeyClusterCommand(other, "SET %s %d", KEYS[i], round);
            assert_string_equal(stored->str, "OK");
            freeReplyObject(stored);
            /* as in set() */
            freeReplyObject(valkeyClusterCommand(other, "EXISTS %s", KEYS[i]));
        }
        for (int again = 0; again < 3; again++)
            for (size_t i = 0; i < COUNT_OF(KEYS); i++) {
                const valkeyReply *reply = valkeyCacheCommand(shared, "GET %s", KEYS[i]);
                assert_non_null(reply);
                assert_int_equal(atoi(reply->str), round);
            }
        if (round == 1)
            real_cluster_move(&cluster, 12182, 2, 0);
        if (round == 2)
            freeReplyObject(valkeyCommand(cluster.control[1], "CLIENT KILL TYPE normal"));
    }
    valkeyCacheStatistics seen;
    valkeyCacheGetStatistics(shared, &seen);
    assert_in_range(seen.hits, 20, 24);
    assert_int_equal(seen.hits + seen.misses, 36);
    assert_null(valkeyCacheCreateCluster(cc, 1000));
    void *pipelined;
    assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
    assert_null(valkeyCacheCommand(shared, "GET foo"));
    assert_string_equal(cc->errstr, "A pipeline is under way");
    assert_int_equal(valkeyClusterGetReply(cc, &pipelined), VALKEY_OK);
    freeReplyObject(pipelined);
    valkeyClusterFree(cc);
    assert_null(valkeyCacheCommand(shared, "GET foo"));
    valkeyCacheFree(shared);
    valkeyClusterFree(other);
    real_cluster_stop(&cluster);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char *const VALUES[] = {"$1\r\n0\r\n", "$1\r\n1\r\n", "$1\r\n2\r\n"};
    struct fake_cluster fake;
    fake_cluster_start(&fake);
    for (int i = 0; i < FAKE_NODES; i++) {
        fake_cluster_add(&fake, i, (struct fake_rule){.command = "HELLO 3", .reply = "%0\r\n"});
        fake_cluster_add(&fake, i, (struct fake_rule){.command = "CLIENT", .reply = "+OK\r\n"});
        fake_cluster_add(&fake, i, (struct fake_rule){.command = "GET", .reply = VALUES[i]});
    }
    for (int at = 0, last = 0; !last; at++) {
        failing_allocator_install(at);
        valkeyClusterContext *cc = valkeyClusterConnect(fake.seeds);
        valkeyCache *tried =
            cc == NULL || cc->err != 0 ? NULL : valkeyCacheCreateCluster(cc, 10000);
        for (int i = 0; i < 3 && tried != NULL; i++)
            (void)valkeyCacheCommand(tried, i == 1 ? "GET bar" : "GET foo");
        last = !failing_allocator_has_failed();
        valkeyCacheFree(tried);
        valkeyClusterFree(cc);
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
    }
    fake_cluster_stop(&fake);
}

static int start(void **state) {
    (void)state;
    server = real_server_start(PORT, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    real_server_stop(server);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_contexts, close_contexts)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(replies_are_kept_until_the_key_changes),
        TEST(own_writes_are_seen),
        TEST(what_is_no_plain_read_is_not_kept),
        TEST(the_oldest_go_when_there_is_no_room),
        TEST(nothing_is_kept_of_a_lost_connection),
        cmocka_unit_test(a_change_under_way_is_not_missed),
        cmocka_unit_test(servers_without_tracking_are_refused),
        cmocka_unit_test(a_cluster_is_cached_through_moves),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
