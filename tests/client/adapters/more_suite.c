/* SPDX-License-Identifier: BSD-3-Clause */
/* What the asynchronous cluster interface has beyond commands by key, against scripted nodes, the
 * same for every adapter. */
#include "adapters/driver.h"
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <valkey/cluster_commands.h>
#include <valkey/cluster_pubsub.h>
#include <valkey/cluster_read.h>
#include <valkey/cluster_statistics.h>

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>

enum { PATIENCE_MS = 5000, SLOW_MS = 400, CLOSED_PORT = 21697 };

static struct fake_cluster cluster;
static valkeyClusterAsyncContext *acc;

/* What callbacks saw. */
static struct {
    int ready, replies, nulls;
    char log[1024], errstr[128];
} seen;

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        long long end_ = now_ms() + PATIENCE_MS;                                                   \
        while (!(condition) && now_ms() < end_)                                                    \
            driver_turn();                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

static void on_event(const valkeyClusterContext *cc, int event, void *privdata) {
    (void)cc;
    (void)privdata;
    seen.ready += event == VALKEYCLUSTER_EVENT_READY;
}

static void note(const valkeyReply *reply) {
    size_t used = strlen(seen.log);
    if (reply->type == VALKEY_REPLY_INTEGER)
        (void)snprintf(seen.log + used, sizeof seen.log - used, "%lld ", reply->integer);
    else if (reply->str != NULL)
        (void)snprintf(seen.log + used, sizeof seen.log - used, "%s ", reply->str);
    for (size_t i = 0; i < reply->elements; i++)
        note(reply->element[i]);
}

static void on_reply(valkeyClusterAsyncContext *context, void *data, void *privdata) {
    (void)privdata;
    seen.replies += data != NULL;
    seen.nulls += data == NULL;
    if (data != NULL)
        note(data);
    else
        (void)snprintf(seen.errstr, sizeof seen.errstr, "%s", context->errstr);
}

static void on_reply_free(valkeyClusterAsyncContext *context, void *data, void *privdata) {
    on_reply(context, data, privdata);
    valkeyClusterAsyncFree(context);
    acc = NULL;
}

static valkeyClusterOptions options_of_test(void) {
    valkeyClusterOptions options = {.initial_nodes = cluster.seeds, .event_callback = on_event};
    assert_int_equal(driver_use(&options), VALKEY_OK);
    return options;
}

static void connect_ready(void) {
    valkeyClusterOptions options = options_of_test();
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_int_equal(acc->err, 0);
    TURN_UNTIL(seen.ready == 1);
}

static void answer(int node, const char *command, const char *reply) {
    fake_cluster_add(&cluster, node, (struct fake_rule){.command = command, .reply = reply});
}

static int open_nodes(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    fake_cluster_start(&cluster);
    acc = NULL;
    return 0;
}

static int close_nodes(void **state) {
    (void)state;
    valkeyClusterAsyncFree(acc);
    driver_turn();
    fake_cluster_stop(&cluster);
    return 0;
}

static void spread_commands_are_merged(void **state) {
    (void)state;
    static const char *const SIZES[] = {":1\r\n", ":2\r\n", ":4\r\n"};
    answer(0, "MGET bar", "*1\r\n$1\r\n0\r\n");
    answer(1, "MGET c", "*1\r\n$1\r\n1\r\n");
    answer(2, "MGET foo", "*1\r\n$1\r\n2\r\n");
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "DBSIZE", SIZES[i]);
    connect_ready();
    assert_int_equal(
        valkeyClusterAsyncSpreadCommand(acc, on_reply, NULL, "MGET %s %s %s", "foo", "bar", "c"),
        VALKEY_OK);
    TURN_UNTIL(seen.replies == 1);
    const char *words[] = {"DBSIZE"};
    assert_int_equal(valkeyClusterAsyncSpreadCommandArgv(acc, on_reply, NULL, 1, words, NULL),
                     VALKEY_OK);
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "2 0 1 7 ");
    assert_int_equal(valkeyClusterAsyncSpreadCommand(acc, on_reply, NULL, "NOSUCH x"), VALKEY_ERR);
    assert_string_equal(acc->errstr, "Unknown command NOSUCH");
}

static void a_lost_part_fails_a_spread_command(void **state) {
    (void)state;
    fake_cluster_add(&cluster, 2, (struct fake_rule){.command = "DEL", .after = FAKE_CLOSE});
    answer(0, "DEL", ":1\r\n");
    connect_ready();
    assert_int_equal(valkeyClusterAsyncSpreadCommand(acc, on_reply, NULL, "DEL foo bar"),
                     VALKEY_OK);
    TURN_UNTIL(seen.nulls == 1);
    assert_string_equal(seen.errstr, "Server closed the connection");
}

static void a_context_may_end_while_parts_are_missing(void **state) {
    (void)state;
    fake_cluster_add(&cluster, 2,
                     (struct fake_rule){.command = "DEL", .reply = ":1\r\n", .delay_ms = 100});
    answer(0, "DEL", ":1\r\n");
    answer(0, "GET", "+x\r\n");
    connect_ready();
    assert_int_equal(valkeyClusterAsyncSpreadCommand(acc, on_reply, NULL, "DEL foo bar"),
                     VALKEY_OK);
    assert_int_equal(valkeyClusterAsyncCommand(acc, on_reply_free, NULL, "GET bar"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 1 && seen.nulls == 1);
    assert_null(acc);
}

static void a_key_hint_says_where_a_command_goes(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    connect_ready();
    static const char *const KEYS[] = {"foo", "bar", "c"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(valkeyClusterAsyncCommandByKey(acc, KEYS[i], strlen(KEYS[i]), on_reply,
                                                        NULL, "MODULE.X %d", i),
                         VALKEY_OK);
        TURN_UNTIL(seen.replies == i + 1);
    }
    assert_string_equal(seen.log, "n2 n0 n1 ");
}

static int count_of(char node) {
    int count = 0;
    for (const char *at = seen.log; (at = strchr(at, 'n')) != NULL; at++)
        count += at[1] == node;
    return count;
}

static void get_foo(int times) {
    for (int i = 0; i < times; i++) {
        int before = seen.replies;
        assert_int_equal(valkeyClusterAsyncCommand(acc, on_reply, NULL, "GET foo"), VALKEY_OK);
        TURN_UNTIL(seen.replies == before + 1);
    }
}

static void reads_go_to_replicas(void **state) {
    (void)state;
    fake_cluster_use_replicas(&cluster);
    fake_cluster_answer(&cluster);
    valkeyClusterOptions options = options_of_test();
    options.options = VALKEY_OPT_USE_REPLICAS;
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    TURN_UNTIL(seen.ready == 1);
    assert_int_equal(valkeyClusterSetReadFrom(&acc->cc, VALKEYCLUSTER_READ_ANY, NULL), VALKEY_OK);
    get_foo(9);
    for (int i = 0; i < FAKE_NODES; i++) {
        assert_int_equal(count_of((char)('0' + i)), 3);
        assert_int_equal(fake_server_count(cluster.nodes[i], "READONLY"), 1);
    }
    assert_int_equal(valkeyClusterAsyncCommand(acc, on_reply, NULL, "SET foo x"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 10);
    assert_int_equal(count_of('0'), 4);
}

static void a_failed_replica_is_passed_over(void **state) {
    (void)state;
    fake_cluster_use_replicas(&cluster);
    fake_cluster_add(&cluster, 1, (struct fake_rule){.command = "GET", .after = FAKE_CLOSE});
    fake_cluster_answer(&cluster);
    valkeyClusterOptions options = options_of_test();
    options.options = VALKEY_OPT_USE_REPLICAS;
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    TURN_UNTIL(seen.ready == 1);
    assert_int_equal(valkeyClusterSetReadFrom(&acc->cc, VALKEYCLUSTER_READ_ANY, NULL), VALKEY_OK);
    get_foo(9);
    assert_int_equal(seen.nulls, 0);
    assert_int_equal(fake_server_count(cluster.nodes[1], "GET"), 1);
    valkeyClusterNode *nodes[FAKE_NODES];
    assert_int_equal(valkeyClusterGetNodes(&acc->cc, nodes, FAKE_NODES), FAKE_NODES);
    uint64_t commands = 0, errors = 0, samples = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        valkeyClusterNodeStatistics numbers;
        assert_int_equal(valkeyClusterGetNodeStatistics(&acc->cc, nodes[i], &numbers), VALKEY_OK);
        commands += numbers.commands;
        errors += numbers.errors;
        samples += numbers.samples;
    }
    assert_int_equal(commands, 10);
    assert_int_equal(errors, 1);
    assert_true(samples >= 5);
}

/* What a subscription saw: a letter per event, and messages as channel=data. */
static char heard[1024];
static int ended;

static void on_message(valkeyClusterAsyncContext *context, const valkeyClusterMessage *message,
                       void *privdata) {
    (void)context;
    assert_ptr_equal(privdata, heard);
    if (message == NULL) {
        ended++;
        return;
    }
    size_t used = strlen(heard);
    if (message->event == VALKEY_MESSAGE_DATA)
        (void)snprintf(heard + used, sizeof heard - used, "%s=%s ", message->channel,
                       message->data);
    else
        (void)snprintf(heard + used, sizeof heard - used, "%c:%s ", "DSLR"[message->event],
                       message -> subscription);
}

static void subscribe(int kind, const char *name) {
    if (valkeyClusterAsyncSubscribe(acc, kind, name, strlen(name), on_message, heard) != VALKEY_OK)
        fail_msg("%s: %s", name, acc->errstr);
}

#define SUBSCRIBED(word, name) ">3\r\n+" word "\r\n+" name "\r\n:1\r\n"
#define MESSAGE(name, data)    ">3\r\n+message\r\n+" name "\r\n+" data "\r\n"

static void subscriptions_get_messages_until_they_end(void **state) {
    (void)state;
    heard[0] = '\0', ended = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        answer(i, "SUBSCRIBE news", SUBSCRIBED("subscribe", "news") MESSAGE("news", "a"));
        answer(i, "PSUBSCRIBE n*",
               SUBSCRIBED("psubscribe", "n*") ">4\r\n+pmessage\r\n+n*\r\n+now\r\n+b\r\n");
        answer(i, "UNSUBSCRIBE news", SUBSCRIBED("unsubscribe", "news"));
        answer(i, "SUBSCRIBE secret", "-NOPERM no\r\n");
    }
    answer(1, "SSUBSCRIBE c", SUBSCRIBED("ssubscribe", "c") ">3\r\n+smessage\r\n+c\r\n+d\r\n");
    valkeyClusterOptions options = options_of_test();
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    /* Before the map is there. */
    subscribe(VALKEY_SUBSCRIBE_CHANNEL, "news");
    subscribe(VALKEY_SUBSCRIBE_SHARD, "c");
    TURN_UNTIL(strstr(heard, "news=a") != NULL && strstr(heard, "c=d") != NULL);
    assert_non_null(strstr(heard, "S:news news=a "));
    assert_non_null(strstr(heard, "S:c c=d "));
    subscribe(VALKEY_SUBSCRIBE_PATTERN, "n*");
    TURN_UNTIL(strstr(heard, "S:n* now=b ") != NULL);
    subscribe(VALKEY_SUBSCRIBE_CHANNEL, "secret");
    TURN_UNTIL(ended == 1);
    assert_non_null(strstr(heard, "R:secret"));
    assert_int_equal(valkeyClusterAsyncUnsubscribe(acc, VALKEY_SUBSCRIBE_CHANNEL, "news", 4),
                     VALKEY_OK);
    TURN_UNTIL(ended == 2);
    assert_int_equal(valkeyClusterAsyncUnsubscribe(acc, VALKEY_SUBSCRIBE_CHANNEL, "news", 4),
                     VALKEY_ERR);
    valkeyClusterAsyncFree(acc);
    acc = NULL;
    assert_int_equal(ended, 4);
}

static void lost_subscriptions_are_made_again(void **state) {
    (void)state;
    heard[0] = '\0', ended = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        fake_cluster_add(&cluster, i,
                         (struct fake_rule){.command = "SUBSCRIBE news",
                                            .reply = SUBSCRIBED("subscribe", "news"),
                                            .after = FAKE_CLOSE,
                                            .times = 1});
        answer(i, "SUBSCRIBE news", SUBSCRIBED("subscribe", "news") MESSAGE("news", "a"));
    }
    connect_ready();
    subscribe(VALKEY_SUBSCRIBE_CHANNEL, "news");
    TURN_UNTIL(strstr(heard, "news=a") != NULL);
    assert_non_null(strstr(heard, "S:news L:news S:news "));
    valkeyClusterAsyncDisconnect(acc);
    TURN_UNTIL(ended == 1);
}

static void a_shard_channel_follows_its_slot(void **state) {
    (void)state;
    heard[0] = '\0', ended = 0;
    char moved[FAKE_TEXT], redirection[64];
    fake_cluster_write_map(&cluster, moved, (int[]){0, 1, 0});
    (void)snprintf(redirection, sizeof redirection, "-MOVED 7365 127.0.0.1:%d\r\n",
                   cluster.ports[2]);
    /* foo: the server ends it, as the slot leaves; c: refused with a redirection. */
    answer(2, "SSUBSCRIBE foo", SUBSCRIBED("ssubscribe", "foo") SUBSCRIBED("sunsubscribe", "foo"));
    answer(0, "SSUBSCRIBE foo", SUBSCRIBED("ssubscribe", "foo"));
    answer(1, "SSUBSCRIBE c", redirection);
    answer(2, "SSUBSCRIBE c", SUBSCRIBED("ssubscribe", "c"));
    connect_ready();
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "CLUSTER SLOTS", moved);
    subscribe(VALKEY_SUBSCRIBE_SHARD, "foo");
    TURN_UNTIL(fake_server_count(cluster.nodes[0], "SSUBSCRIBE foo") > 0);
    assert_non_null(strstr(heard, "S:foo L:foo "));
    TURN_UNTIL(strcmp(heard + strlen(heard) - 6, "S:foo ") == 0);
    subscribe(VALKEY_SUBSCRIBE_SHARD, "c");
    TURN_UNTIL(strstr(heard, "S:c ") != NULL);
}

static void a_silent_node_is_left(void **state) {
    (void)state;
    heard[0] = '\0', ended = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        fake_cluster_add(&cluster, i,
                         (struct fake_rule){.command = "SUBSCRIBE news",
                                            .reply = SUBSCRIBED("subscribe", "news")});
        if (i == 0)
            fake_cluster_add(&cluster, i, (struct fake_rule){.command = "PING"});
        answer(i, "PING", "+PONG\r\n");
    }
    valkeyClusterOptions options = options_of_test();
    struct timeval timeout = {.tv_usec = 60000};
    options.command_timeout = &timeout;
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    TURN_UNTIL(seen.ready == 1);
    int tries = 0;
    /* Sooner or later the choice falls on the silent one. */
    for (; tries < 40 && strstr(heard, "L:news") == NULL; tries++) {
        subscribe(VALKEY_SUBSCRIBE_CHANNEL, "news");
        TURN_UNTIL(strstr(heard, "S:news") != NULL);
        for (long long end = now_ms() + 150; now_ms() < end;)
            driver_turn();
        if (strstr(heard, "L:news") != NULL)
            break;
        assert_int_equal(fake_server_count(cluster.nodes[0], "SUBSCRIBE"), 0);
        heard[0] = '\0';
        valkeyClusterAsyncFree(acc);
        seen.ready = 0;
        acc = valkeyClusterAsyncConnectWithOptions(&options);
        TURN_UNTIL(seen.ready == 1);
    }
    assert_non_null(strstr(heard, "L:news"));
    TURN_UNTIL(strstr(strstr(heard, "L:news"), "S:news") != NULL);
}

static void nobody_is_there_for_a_while(void **state) {
    (void)state;
    heard[0] = '\0', ended = 0;
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "SUBSCRIBE news", SUBSCRIBED("subscribe", "news"));
    connect_ready();
    subscribe(VALKEY_SUBSCRIBE_CHANNEL, "news");
    TURN_UNTIL(strstr(heard, "S:news ") != NULL);
    for (int i = 0; i < FAKE_NODES; i++)
        fake_server_stop(cluster.nodes[i]);
    TURN_UNTIL(strstr(heard, "L:news ") != NULL);
    for (long long end = now_ms() + 200; now_ms() < end;)
        driver_turn();
    for (int i = 0; i < FAKE_NODES; i++) {
        cluster.nodes[i] = fake_server_start(cluster.ports[i], NULL, 0);
        answer(i, "none", "+OK\r\n");
    }
    TURN_UNTIL(strstr(heard, "S:news L:news S:news ") != NULL);
}

static void unsubscribing_can_be_taken_back(void **state) {
    (void)state;
    heard[0] = '\0', ended = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        answer(i, "SUBSCRIBE news", SUBSCRIBED("subscribe", "news"));
        answer(i, "UNSUBSCRIBE news", SUBSCRIBED("unsubscribe", "news"));
    }
    connect_ready();
    subscribe(VALKEY_SUBSCRIBE_CHANNEL, "news");
    TURN_UNTIL(strcmp(heard, "S:news ") == 0);
    assert_int_equal(valkeyClusterAsyncUnsubscribe(acc, VALKEY_SUBSCRIBE_CHANNEL, "news", 4),
                     VALKEY_OK);
    subscribe(VALKEY_SUBSCRIBE_CHANNEL, "news");
    TURN_UNTIL(strcmp(heard, "S:news S:news ") == 0);
    assert_int_equal(ended, 0);
    assert_int_equal(valkeyClusterAsyncUnsubscribe(acc, VALKEY_SUBSCRIBE_CHANNEL, "news", 4),
                     VALKEY_OK);
    TURN_UNTIL(ended == 1);
}

static void every_allocation_of_a_subscription_may_fail(void **state) {
    (void)state;
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "SUBSCRIBE news", SUBSCRIBED("subscribe", "news") MESSAGE("news", "a"));
    bool has_failed = true;
    for (int at = 0; has_failed; at++) {
        heard[0] = '\0', ended = 0;
        valkeyClusterOptions options = options_of_test();
        options.options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE;
        failing_allocator_install(at);
        acc = valkeyClusterAsyncConnectWithOptions(&options);
        bool is_made =
            acc != NULL && valkeyClusterAsyncSubscribe(acc, VALKEY_SUBSCRIBE_CHANNEL, "news", 4,
                                                       on_message, heard) == VALKEY_OK;
        for (int i = 0; i < 40 && is_made && strstr(heard, "news=a") == NULL; i++)
            driver_turn();
        valkeyClusterAsyncFree(acc);
        acc = NULL;
        driver_turn();
        has_failed = failing_allocator_has_failed();
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
        assert_int_equal(ended, is_made);
        assert_true(has_failed || strstr(heard, "news=a") != NULL);
    }
}

static void every_allocation_of_a_spread_command_may_fail(void **state) {
    (void)state;
    answer(0, "MGET bar", "*1\r\n$1\r\n0\r\n");
    answer(2, "MGET foo", "*1\r\n$1\r\n2\r\n");
    bool has_failed = true;
    for (int at = 0; has_failed; at++) {
        memset(&seen, 0, sizeof seen);
        valkeyClusterOptions options = options_of_test();
        options.options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE;
        failing_allocator_install(at);
        acc = valkeyClusterAsyncConnectWithOptions(&options);
        bool is_sent = acc != NULL && valkeyClusterAsyncSpreadCommand(acc, on_reply, NULL,
                                                                      "MGET foo bar") == VALKEY_OK;
        for (int i = 0; i < 40 && is_sent && seen.replies + seen.nulls == 0; i++)
            driver_turn();
        assert_int_equal(seen.replies + seen.nulls, is_sent);
        valkeyClusterAsyncFree(acc);
        acc = NULL;
        driver_turn();
        has_failed = failing_allocator_has_failed();
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
        assert_true(has_failed || seen.replies == 1);
    }
}

/* The resolver of these programs: slow.test takes its time, two.test has a first address that
 * refuses; both are 127.0.0.1. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out_list) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    bool is_slow = host != NULL && strcmp(host, "slow.test") == 0;
    bool is_two = host != NULL && strcmp(host, "two.test") == 0;
    if (hints->ai_flags & AI_NUMERICHOST || (!is_slow && !is_two))
        return next(host, service, hints, out_list);
    if (hints->ai_family != AF_INET)
        return EAI_NONAME;
    struct timespec time = {.tv_nsec = SLOW_MS * 1000000L};
    if (is_slow)
        (void)nanosleep(&time, NULL);
    int result = next("127.0.0.1", service, hints, out_list);
    if (result == 0 && is_two) {
        result = next("127.0.0.1", service, hints, &(*out_list)->ai_next);
        struct sockaddr_in *first = (struct sockaddr_in *)(void *)(*out_list)->ai_addr;
        first->sin_port = htons(CLOSED_PORT);
    }
    return result;
}

static struct {
    int status, replies;
    char errstr[128];
} single;

static void on_single_connect(valkeyAsyncContext *ac, int status) {
    single.status = status == VALKEY_OK ? 1 : -1;
    if (status != VALKEY_OK)
        (void)snprintf(single.errstr, sizeof single.errstr, "%s", ac->errstr);
}

static void on_single_reply(valkeyAsyncContext *ac, void *reply, void *privdata) {
    (void)privdata;
    single.replies += reply != NULL;
    if (reply != NULL)
        valkeyAsyncDisconnect(ac);
}

static void connect_by_name(const char *name, int port, const struct timeval *timeout) {
    memset(&single, 0, sizeof single);
    valkeyOptions options = {.connect_timeout = timeout};
    VALKEY_OPTIONS_SET_TCP(&options, name, port);
    long long begin = now_ms();
    valkeyAsyncContext *ac = valkeyAsyncConnectWithOptions(&options);
    assert_int_equal(ac->err, 0);
    assert_int_equal(driver_attach(ac), VALKEY_OK);
    (void)valkeyEnableKeepAlive(&ac->c);
    assert_int_equal(valkeyAsyncSetConnectCallback(ac, on_single_connect), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, on_single_reply, NULL, "GET foo"), VALKEY_OK);
    assert_true(now_ms() - begin < SLOW_MS / 2);
}

static void a_slow_name_holds_nobody_up(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    connect_by_name("slow.test", cluster.ports[0], NULL);
    long long begin = now_ms(), longest = 0;
    while (single.replies == 0 && now_ms() - begin < PATIENCE_MS) {
        long long before = now_ms();
        driver_turn();
        if (now_ms() - before > longest)
            longest = now_ms() - before;
    }
    assert_int_equal(single.replies, 1);
    assert_int_equal(single.status, 1);
    assert_true(now_ms() - begin >= SLOW_MS / 2);
    assert_true(longest < SLOW_MS / 2);
}

static void the_connect_timeout_holds_for_the_name_too(void **state) {
    (void)state;
    struct timeval timeout = {.tv_usec = 50000};
    long long begin = now_ms();
    connect_by_name("slow.test", cluster.ports[0], &timeout);
    TURN_UNTIL(single.status == -1);
    assert_string_equal(single.errstr, "Timeout");
    assert_true(now_ms() - begin < SLOW_MS);
    begin = now_ms();
    valkeyContext *c = valkeyConnectWithTimeout("slow.test", cluster.ports[0], timeout);
    assert_int_equal(c->err, VALKEY_ERR_IO);
    assert_string_equal(c->errstr, "Connection timed out");
    assert_true(now_ms() - begin < SLOW_MS);
    valkeyFree(c);
    timeout.tv_sec = 5;
    c = valkeyConnectWithTimeout("slow.test", cluster.ports[0], timeout);
    assert_int_equal(c->err, 0);
    valkeyFree(c);
}

static void the_next_address_of_a_name_is_tried(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    connect_by_name("two.test", cluster.ports[0], NULL);
    TURN_UNTIL(single.replies == 1);
    assert_int_equal(single.status, 1);
}

static void unknown_names_are_errors(void **state) {
    (void)state;
    connect_by_name("name.invalid", cluster.ports[0], NULL);
    TURN_UNTIL(single.status == -1);
    assert_string_not_equal(single.errstr, "");
    /* An end before the name is known. */
    valkeyAsyncContext *ac = valkeyAsyncConnect("slow.test", cluster.ports[0]);
    assert_int_equal(driver_attach(ac), VALKEY_OK);
    assert_int_equal(valkeyAsyncCommand(ac, on_single_reply, NULL, "GET foo"), VALKEY_OK);
    driver_turn();
    valkeyAsyncFree(ac);
    driver_turn();
}

static void every_allocation_of_a_named_connection_may_fail(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    bool has_failed = true;
    for (int at = 0; has_failed; at++) {
        memset(&single, 0, sizeof single);
        failing_allocator_install(at);
        valkeyAsyncContext *ac = valkeyAsyncConnect("two.test", cluster.ports[0]);
        bool is_sent = ac != NULL && ac->err == 0 && driver_attach(ac) == VALKEY_OK &&
                       valkeyAsyncSetConnectCallback(ac, on_single_connect) == VALKEY_OK &&
                       valkeyAsyncCommand(ac, on_single_reply, NULL, "GET foo") == VALKEY_OK;
        if (!is_sent)
            valkeyAsyncFree(ac);
        for (int i = 0; i < 200 && is_sent && single.status >= 0 && single.replies == 0; i++)
            driver_turn();
        for (int i = 0; i < 3; i++)
            driver_turn();
        has_failed = failing_allocator_has_failed();
        assert_true(has_failed || single.replies == 1);
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
    }
}

static void a_cluster_is_found_by_name(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    (void)snprintf(cluster.seeds, sizeof cluster.seeds, "slow.test:%d", cluster.ports[0]);
    connect_ready();
    get_foo(1);
    assert_string_equal(seen.log, "n2 ");
}

static int open_driver(void **state) {
    (void)state;
    driver_open();
    return 0;
}

static int close_driver(void **state) {
    (void)state;
    driver_close();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_nodes, close_nodes)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(spread_commands_are_merged),
        TEST(a_lost_part_fails_a_spread_command),
        TEST(a_context_may_end_while_parts_are_missing),
        TEST(a_key_hint_says_where_a_command_goes),
        TEST(reads_go_to_replicas),
        TEST(a_failed_replica_is_passed_over),
        TEST(subscriptions_get_messages_until_they_end),
        TEST(lost_subscriptions_are_made_again),
        TEST(a_shard_channel_follows_its_slot),
        TEST(a_silent_node_is_left),
        TEST(nobody_is_there_for_a_while),
        TEST(unsubscribing_can_be_taken_back),
        TEST(every_allocation_of_a_subscription_may_fail),
        TEST(a_slow_name_holds_nobody_up),
        TEST(the_connect_timeout_holds_for_the_name_too),
        TEST(the_next_address_of_a_name_is_tried),
        TEST(unknown_names_are_errors),
        TEST(every_allocation_of_a_named_connection_may_fail),
        TEST(a_cluster_is_found_by_name),
        TEST(every_allocation_of_a_spread_command_may_fail),
    };
    return cmocka_run_group_tests(tests, open_driver, close_driver);
}
