/* SPDX-License-Identifier: BSD-3-Clause */
/* The asynchronous cluster interface against scripted nodes, the same for every adapter. */
#include "adapters/driver.h"
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <stdbool.h>
#include <stdio.h>

enum { CLOSED_PORT = 21697, PATIENCE_MS = 5000 };

static struct fake_cluster cluster;
static valkeyClusterAsyncContext *acc;

/* What callbacks saw. */
static struct {
    int events[4];
    int connects, connect_errors, disconnects, disconnect_errors;
    int replies, nulls;
    int err;
    char errstr[128];
    char log[1024];
} seen;

/* Turn the loop until the condition holds. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        long long end_ = now_ms() + PATIENCE_MS;                                                   \
        while (!(condition) && now_ms() < end_)                                                    \
            driver_turn();                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

static void turn_for(int ms) {
    for (long long end = now_ms() + ms; now_ms() < end;)
        driver_turn();
}

static void on_event(const valkeyClusterContext *cc, int event, void *privdata) {
    (void)cc;
    assert_ptr_equal(privdata, &seen);
    seen.events[event]++;
}

static void on_connect(valkeyAsyncContext *ac, int status) {
    seen.connects++;
    seen.connect_errors += status != VALKEY_OK;
    assert_true(status == VALKEY_OK || ac->err != 0);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    seen.disconnects++;
    seen.disconnect_errors += status != VALKEY_OK;
    assert_true(status == VALKEY_OK || ac->err != 0);
}

static void note(const char *text) {
    size_t used = strlen(seen.log);
    (void)snprintf(seen.log + used, sizeof seen.log - used, "%s ", text);
}

static void on_reply(valkeyClusterAsyncContext *context, void *data, void *privdata) {
    valkeyReply *reply = data;
    (void)privdata;
    assert_ptr_equal(context->errstr, context->cc.errstr);
    assert_int_equal(context->err, context->cc.err);
    if (reply == NULL) {
        assert_int_not_equal(context->err, 0);
        seen.nulls++;
        seen.err = context->err;
        (void)snprintf(seen.errstr, sizeof seen.errstr, "%s", context->errstr);
        return;
    }
    assert_int_equal(context->err, 0);
    seen.replies++;
    if (reply->str != NULL)
        note(reply->str);
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->str != NULL)
            note(reply->element[i]->str);
}

static valkeyClusterOptions options_of_test(void) {
    valkeyClusterOptions options = {.initial_nodes = cluster.seeds,
                                    .event_callback = on_event,
                                    .event_privdata = &seen,
                                    .async_connect_callback = on_connect,
                                    .async_disconnect_callback = on_disconnect};
    assert_int_equal(driver_use(&options), VALKEY_OK);
    return options;
}

static void connect_with(valkeyClusterOptions *options) {
    acc = valkeyClusterAsyncConnectWithOptions(options);
    assert_non_null(acc);
    assert_string_equal(acc->errstr, "");
    assert_int_equal(acc->err, 0);
}

/* Connect and wait for the map. */
static void connect_ready(void) {
    valkeyClusterOptions options = options_of_test();
    connect_with(&options);
    TURN_UNTIL(seen.events[VALKEYCLUSTER_EVENT_READY] == 1);
}

static void send_command(const char *command) {
    if (valkeyClusterAsyncCommand(acc, on_reply, NULL, command) != VALKEY_OK)
        fail_msg("%s: %s", command, acc->errstr);
}

static void refuse(const char *command, const char *text) {
    assert_int_equal(valkeyClusterAsyncCommand(acc, on_reply, NULL, command), VALKEY_ERR);
    assert_string_equal(acc->errstr, text);
    assert_int_not_equal(acc->err, 0);
}

/* Another answer of one node, before all others. */
static void answer(int node, const char *command, const char *reply, int times) {
    fake_cluster_add(&cluster, node,
                     (struct fake_rule){.command = command, .reply = reply, .times = times});
}

static void redirection(char *out, const char *kind, int slot, const char *host, int node) {
    (void)snprintf(out, 64, "-%s %d %s:%d\r\n", kind, slot, host, cluster.ports[node]);
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

static void commands_are_refused_until_the_map_is_there(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    valkeyClusterOptions options = options_of_test();
    connect_with(&options);
    refuse("GET foo", "slot not served by any node");
    TURN_UNTIL(seen.events[VALKEYCLUSTER_EVENT_READY] == 1);
    assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED], 1);
    assert_true(acc->cc.route_version == 1);
    send_command("GET foo");
    send_command("GET bar");
    TURN_UNTIL(seen.replies == 2);
    const char *argv[] = {"GET", "c"};
    assert_int_equal(valkeyClusterAsyncCommandArgv(acc, on_reply, NULL, 2, argv, NULL), VALKEY_OK);
    TURN_UNTIL(seen.replies == 3);
    char bytes[] = "*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n";
    assert_int_equal(
        valkeyClusterAsyncFormattedCommand(acc, on_reply, NULL, bytes, (int)strlen(bytes)),
        VALKEY_OK);
    assert_int_equal(valkeyClusterAsyncCommand(acc, NULL, NULL, "GET foo"), VALKEY_OK);
    TURN_UNTIL(seen.replies == 4);
    assert_non_null(strstr(seen.log, "n0"));
    assert_non_null(strstr(seen.log, "n1 n2"));
    TURN_UNTIL(fake_server_count(cluster.nodes[2], "GET") == 3);
    refuse("PING", "No keys in command(must have keys for valkey cluster mode)");
    refuse("NOSUCH x", "Unknown command NOSUCH");
    refuse("GET %y", "Invalid format string");
    /* One connection per node, also for the map. */
    for (int i = 0; i < FAKE_NODES; i++)
        assert_int_equal(fake_server_connections(cluster.nodes[i]), 1);
    assert_int_equal(seen.connects, 3);
}

static void the_first_map_may_be_waited_for(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    valkeyClusterOptions options = options_of_test();
    options.options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE | VALKEY_OPT_USE_REPLICAS |
                      VALKEY_OPT_PREFER_IPV4 | VALKEY_OPT_REUSEADDR;
    connect_with(&options);
    assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_READY], 1);
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 1);
    assert_string_equal(seen.log, "n2 ");
    assert_int_equal(seen.connects, 1);
}

static void failed_starts_say_why(void **state) {
    (void)state;
    valkeyClusterOptions options = options_of_test();
    options.attach_fn = NULL;
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "No event library: attach_fn is not set");
    assert_int_equal(acc->err, VALKEY_ERR_OTHER);
    valkeyClusterAsyncFree(acc);
    options = options_of_test();
    options.options = VALKEY_OPT_NONBLOCK;
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "Unsupported options");
    valkeyClusterAsyncFree(acc);
    options = options_of_test();
    options.initial_nodes = "nocolon";
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "Invalid server address");
    valkeyClusterAsyncFree(acc);
    options.initial_nodes = "127.0.0.1:21697";
    options.options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE;
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "Connection refused");
    valkeyClusterAsyncFree(acc);
    acc = NULL;
    valkeyClusterAsyncFree(NULL);
    assert_int_equal(driver_use(NULL), VALKEY_ERR);
}

static void the_map_comes_from_whoever_has_it(void **state) {
    (void)state;
    static const char *const HOSTILE[] = {"-ERR no\r\n", "*0\r\n", "+OK\r\n", ":1\r\n",
                                          "*1\r\n*3\r\n:0\r\n:99999\r\n:1\r\n"};
    fake_cluster_answer(&cluster);
    char seeds[FAKE_TEXT];
    (void)snprintf(seeds, sizeof seeds, "127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", CLOSED_PORT,
                   cluster.ports[0], cluster.ports[1]);
    for (size_t i = 0; i < COUNT_OF(HOSTILE); i++) {
        cluster.rule_counts[0] = 0;
        answer(0, "CLUSTER SLOTS", HOSTILE[i], 0);
        memset(&seen, 0, sizeof seen);
        valkeyClusterOptions options = options_of_test();
        options.initial_nodes = seeds;
        connect_with(&options);
        TURN_UNTIL(seen.events[VALKEYCLUSTER_EVENT_READY] == 1);
        send_command("GET c");
        TURN_UNTIL(seen.replies == 1);
        valkeyClusterAsyncFree(acc);
        assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_FREE_CONTEXT], 1);
        acc = NULL;
    }
}

static void moved_commands_are_sent_on(void **state) {
    (void)state;
    char moved[64], map[FAKE_TEXT];
    redirection(moved, "MOVED", 12182, "127.0.0.1", 1);
    answer(2, "GET foo", moved, 0);
    connect_ready();
    fake_cluster_answer(&cluster);
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 1);
    assert_string_equal(seen.log, "n1 ");
    assert_int_equal(valkeyClusterGetNodeByKey(&acc->cc, "foo")->port, cluster.ports[1]);
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 2);
    assert_int_equal(fake_server_count(cluster.nodes[2], "GET foo"), 1);
    /* The map was fetched less than a second ago: that waits. */
    assert_true(acc->cc.route_version == 1);
    (void)snprintf(map, sizeof map, "%s", cluster.map);
    turn_for(1050);
    redirection(moved, "MOVED", 5061, "127.0.0.1", 1);
    cluster.rule_counts[0] = 0;
    answer(0, "GET bar", moved, 0);
    send_command("GET bar");
    TURN_UNTIL(seen.replies == 3 && acc->cc.route_version == 2);
    send_command("GET bar");
    TURN_UNTIL(seen.replies == 4);
    /* Never twice within a second, however many commands are moved. */
    for (int i = 0; i < 20; i++)
        send_command("GET bar");
    TURN_UNTIL(seen.replies == 24);
    int maps = 0;
    for (int i = 0; i < FAKE_NODES; i++)
        maps += fake_server_count(cluster.nodes[i], "CLUSTER SLOTS");
    assert_int_equal(maps, 2);
}

static void the_map_comes_from_who_moved_before_the_command_goes_on(void **state) {
    (void)state;
    char moved[64];
    redirection(moved, "MOVED", 12182, "", 1); /* an empty host is the sender's */
    answer(2, "GET foo", moved, 0);
    fake_cluster_answer(&cluster);
    connect_ready();
    turn_for(1050);
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 1 && acc->cc.route_version == 2);
    assert_string_equal(seen.log, "n1 ");
    assert_string_equal(fake_server_log(cluster.nodes[2]), "GET foo\nCLUSTER SLOTS\n");
}

static void asked_commands_go_on_once(void **state) {
    (void)state;
    char ask[64];
    redirection(ask, "ASK", 12182, "127.0.0.1", 1);
    answer(2, "GET foo", ask, 1);
    fake_cluster_answer(&cluster);
    connect_ready();
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 1);
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "n1 n2 ");
    assert_string_equal(fake_server_log(cluster.nodes[1]), "ASKING\nGET foo\n");
    assert_true(acc->cc.route_version == 1);
}

static void bad_redirections_are_errors(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "-MOVED\r\n",     "-MOVED 1\r\n",     "-MOVED x 1:1\r\n", "-MOVED 99999 a:1\r\n",
        "-MOVED 1 a\r\n", "-MOVED 1 a:0\r\n", "-ASK\r\n",         "-ASK 1 :\r\n"};
    for (size_t i = 0; i < COUNT_OF(BAD); i++)
        answer(2, "GET foo", BAD[i], 1);
    connect_ready();
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        send_command("GET foo");
        TURN_UNTIL(seen.nulls == (int)i + 1);
        assert_string_equal(seen.errstr, "Malformed redirection");
        assert_int_equal(seen.err, VALKEY_ERR_PROTOCOL);
    }
}

static void redirections_in_a_circle_end(void **state) {
    (void)state;
    char to_1[64], to_2[64];
    redirection(to_1, "MOVED", 12182, "127.0.0.1", 1);
    redirection(to_2, "MOVED", 12182, "127.0.0.1", 2);
    answer(2, "GET foo", to_1, 0);
    answer(1, "GET foo", to_2, 0);
    connect_ready();
    send_command("GET foo");
    TURN_UNTIL(seen.nulls == 1);
    assert_string_equal(seen.errstr, "too many cluster retries");
    assert_int_equal(
        fake_server_count(cluster.nodes[1], "GET") + fake_server_count(cluster.nodes[2], "GET"), 6);
}

static void commands_that_come_too_early_are_sent_again(void **state) {
    (void)state;
    answer(2, "GET foo", "-TRYAGAIN wait\r\n", 2);
    answer(2, "GET foo", "-LOADING wait\r\n", 1);
    answer(2, "GET foo", "-CLUSTERDOWN wait\r\n", 1);
    fake_cluster_answer(&cluster);
    connect_ready();
    long long begin = now_ms();
    send_command("GET foo");
    send_command("GET c");
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "n1 n2 ");
    /* 10 + 20 + 40 + 80 ms, of which at least the half. */
    assert_in_range(now_ms() - begin, 70, 1500);
    assert_int_equal(fake_server_count(cluster.nodes[2], "GET foo"), 5);
    answer(1, "SET c", "-TRYAGAIN wait\r\n", 0);
    send_command("SET c 1");
    TURN_UNTIL(seen.nulls == 1);
    assert_string_equal(seen.errstr, "too many cluster retries");
}

static void lost_connections_are_opened_again(void **state) {
    (void)state;
    static const struct {
        enum fake_after after;
        const char *text;
    } CASES[] = {{FAKE_CLOSE, "Server closed the connection"},
                 {FAKE_RESET, "Connection reset by peer"}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++)
        fake_cluster_add(
            &cluster, 2,
            (struct fake_rule){.command = "GET foo", .after = CASES[i].after, .times = 1});
    fake_cluster_answer(&cluster);
    connect_ready();
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        send_command("GET foo");
        TURN_UNTIL(seen.nulls == (int)i + 1);
        assert_string_equal(seen.errstr, CASES[i].text);
        TURN_UNTIL(seen.disconnects == (int)i + 1);
        assert_int_equal(seen.disconnect_errors, (int)i + 1);
    }
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 1);
    /* The map is looked at again when its second is over, with the next command. */
    assert_true(acc->cc.route_version == 1);
    turn_for(1050);
    send_command("GET c");
    TURN_UNTIL(acc->cc.route_version == 2 && seen.replies == 2);
}

static void replies_may_come_in_halves(void **state) {
    (void)state;
    fake_cluster_add(&cluster, 2,
                     (struct fake_rule){.command = "GET foo",
                                        .reply = "*2\r\n$5\r\nhello\r\n$5\r\nthere\r\n",
                                        .piece = 1});
    fake_cluster_add(
        &cluster, 0,
        (struct fake_rule){.command = "CLUSTER SLOTS", .reply = cluster.map, .piece = 3});
    connect_ready();
    send_command("GET foo");
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "hello there hello there ");
}

static void silent_nodes_are_given_up(void **state) {
    (void)state;
    static const struct timeval timeout = {.tv_usec = 100000};
    fake_cluster_add(&cluster, 2, (struct fake_rule){.command = "GET", .after = FAKE_SILENT});
    fake_cluster_answer(&cluster);
    valkeyClusterOptions options = options_of_test();
    options.command_timeout = &timeout;
    options.connect_timeout = &timeout;
    connect_with(&options);
    TURN_UNTIL(seen.events[VALKEYCLUSTER_EVENT_READY] == 1);
    send_command("GET foo");
    send_command("GET foo");
    TURN_UNTIL(seen.nulls == 2);
    assert_string_equal(seen.errstr, "Timeout");
    assert_int_equal(seen.err, VALKEY_ERR_TIMEOUT);
    send_command("GET c");
    TURN_UNTIL(seen.replies == 1);
}

static void disconnecting_waits_for_redirected_replies(void **state) {
    (void)state;
    char moved[64];
    redirection(moved, "MOVED", 12182, "127.0.0.1", 1);
    fake_cluster_add(&cluster, 2,
                     (struct fake_rule){.command = "GET foo", .reply = moved, .delay_ms = 30});
    answer(0, "GET bar", "-TRYAGAIN x\r\n", 1);
    fake_cluster_answer(&cluster);
    connect_ready();
    send_command("GET foo");
    send_command("GET bar");
    valkeyClusterAsyncDisconnect(acc);
    refuse("GET foo", "disconnecting");
    assert_null(valkeyClusterGetValkeyAsyncContext(acc, NULL));
    TURN_UNTIL(seen.replies == 2);
    TURN_UNTIL(seen.disconnects == 3);
    assert_int_equal(seen.disconnect_errors + seen.nulls, 0);
    refuse("GET foo", "disconnecting");
    assert_null(valkeyClusterGetNodeByKey(&acc->cc, "foo"));
    assert_null(acc->cc.table);
    valkeyClusterAsyncDisconnect(acc);
    assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_FREE_CONTEXT], 0);
}

static void freeing_ends_everything_at_once(void **state) {
    (void)state;
    fake_cluster_add(&cluster, 2, (struct fake_rule){.command = "GET", .after = FAKE_SILENT});
    answer(1, "GET c", "-TRYAGAIN x\r\n", 0);
    fake_cluster_answer(&cluster);
    connect_ready();
    send_command("GET bar");
    TURN_UNTIL(seen.replies == 1);
    send_command("GET foo");
    send_command("GET c");
    TURN_UNTIL(fake_server_count(cluster.nodes[1], "GET c") > 0);
    turn_for(5);
    valkeyClusterAsyncFree(acc);
    acc = NULL;
    assert_int_equal(seen.nulls, 2);
    assert_string_equal(seen.errstr, "disconnecting");
    assert_int_equal(seen.disconnect_errors, 0);
    assert_int_equal(seen.disconnects, 3);
    assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_FREE_CONTEXT], 1);
    /* Before anything has happened. */
    valkeyClusterOptions options = options_of_test();
    connect_with(&options);
    valkeyClusterAsyncFree(acc);
    acc = NULL;
    assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_FREE_CONTEXT], 2);
}

/* What to do inside which callback. */
static void (*inside)(valkeyClusterAsyncContext *);
enum { IN_EVENT, IN_CONNECT, IN_REPLY, IN_NULL, IN_DISCONNECT, PLACES };
static int place;
static bool has_acted;

static void act(int here, valkeyClusterAsyncContext *context) {
    if (here != place || has_acted)
        return;
    has_acted = true;
    inside(context);
}

static void event_and_act(const valkeyClusterContext *cc, int event, void *privdata) {
    on_event(cc, event, privdata);
    if (event != VALKEYCLUSTER_EVENT_FREE_CONTEXT)
        act(IN_EVENT, (valkeyClusterAsyncContext *)(uintptr_t)cc);
}

static void connect_and_act(valkeyAsyncContext *ac, int status) {
    on_connect(ac, status);
    act(IN_CONNECT, acc);
}

static void disconnect_and_act(const valkeyAsyncContext *ac, int status) {
    on_disconnect(ac, status);
    act(IN_DISCONNECT, acc);
}

static void reply_and_act(valkeyClusterAsyncContext *context, void *reply, void *privdata) {
    on_reply(context, reply, privdata);
    act(reply == NULL ? IN_NULL : IN_REPLY, context);
}

static void disconnect_and_free(valkeyClusterAsyncContext *context) {
    valkeyClusterAsyncDisconnect(context);
    valkeyClusterAsyncFree(context);
    valkeyClusterAsyncFree(context);
    assert_int_equal(valkeyClusterAsyncCommand(context, on_reply, NULL, "GET foo"), VALKEY_ERR);
}

static void ending_inside_any_callback_is_safe(void **state) {
    (void)state;
    static void (*const ACTS[])(valkeyClusterAsyncContext *) = {
        valkeyClusterAsyncFree, valkeyClusterAsyncDisconnect, disconnect_and_free};
    fake_cluster_add(&cluster, 2, (struct fake_rule){.command = "GET foo", .after = FAKE_CLOSE});
    fake_cluster_answer(&cluster);
    for (size_t i = 0; i < COUNT_OF(ACTS); i++) {
        for (int at = 0; at < PLACES; at++) {
            memset(&seen, 0, sizeof seen);
            inside = ACTS[i];
            place = at;
            has_acted = false;
            valkeyClusterOptions options = options_of_test();
            options.event_callback = event_and_act;
            options.async_connect_callback = connect_and_act;
            options.async_disconnect_callback = disconnect_and_act;
            acc = valkeyClusterAsyncConnectWithOptions(&options);
            TURN_UNTIL(has_acted || seen.events[VALKEYCLUSTER_EVENT_READY] == 1);
            if (!has_acted) {
                (void)valkeyClusterAsyncCommand(acc, reply_and_act, NULL, "GET c");
                (void)valkeyClusterAsyncCommand(acc, reply_and_act, NULL, "GET foo");
                (void)valkeyClusterAsyncCommand(acc, reply_and_act, NULL, "GET bar");
            }
            TURN_UNTIL(has_acted);
            if (ACTS[i] == valkeyClusterAsyncDisconnect) {
                turn_for(10);
                valkeyClusterAsyncFree(acc);
            }
            TURN_UNTIL(seen.events[VALKEYCLUSTER_EVENT_FREE_CONTEXT] == 1);
            acc = NULL;
        }
    }
}

static void ending_a_connection_is_safe_too(void **state) {
    (void)state;
    fake_cluster_answer(&cluster);
    connect_ready();
    for (int i = 0; i < 4; i++) {
        send_command("GET foo");
        valkeyClusterNode *node = valkeyClusterGetNodeByKey(&acc->cc, "foo");
        valkeyAsyncContext *ac = valkeyClusterGetValkeyAsyncContext(acc, node);
        assert_non_null(ac);
        assert_ptr_equal(node->acon, ac);
        if (i % 2 == 0)
            valkeyAsyncFree(ac);
        else
            valkeyAsyncDisconnect(ac);
        TURN_UNTIL(seen.replies + seen.nulls == i + 1);
    }
    assert_int_equal(seen.replies, 2);
    assert_int_equal(seen.nulls, 2);
}

static void commands_to_a_node_are_not_redirected(void **state) {
    (void)state;
    answer(2, "GET bar", "-MOVED 5061 127.0.0.1:1\r\n", 0);
    fake_cluster_answer(&cluster);
    connect_ready();
    valkeyClusterNode *node = valkeyClusterGetNodeByKey(&acc->cc, "foo");
    assert_int_equal(valkeyClusterAsyncCommandToNode(acc, node, on_reply, NULL, "DBSIZE"),
                     VALKEY_OK);
    const char *argv[] = {"GET", "bar"};
    assert_int_equal(valkeyClusterAsyncCommandArgvToNode(acc, node, on_reply, NULL, 2, argv, NULL),
                     VALKEY_OK);
    char bytes[] = "*1\r\n$4\r\nPING\r\n";
    assert_int_equal(valkeyClusterAsyncFormattedCommandToNode(acc, node, on_reply, NULL, bytes,
                                                              (int)strlen(bytes)),
                     VALKEY_OK);
    TURN_UNTIL(seen.replies == 3);
    assert_string_equal(seen.log, "n2 MOVED 5061 127.0.0.1:1 n2 ");
    valkeyClusterNode stranger = {0};
    assert_int_equal(valkeyClusterAsyncCommandToNode(acc, &stranger, on_reply, NULL, "PING"),
                     VALKEY_ERR);
    assert_string_equal(acc->errstr, "Unknown node");
    assert_int_equal(valkeyClusterAsyncCommandToNode(acc, NULL, on_reply, NULL, "PING"),
                     VALKEY_ERR);
    valkeyClusterNodeIterator walk;
    valkeyClusterInitNodeIterator(&walk, &acc->cc);
    int count = 0;
    while (valkeyClusterNodeNext(&walk) != NULL)
        count++;
    assert_int_equal(count, FAKE_NODES);
}

static void a_lost_command_to_a_node_asks_for_the_map(void **state) {
    (void)state;
    fake_cluster_add(&cluster, 2,
                     (struct fake_rule){.command = "DBSIZE", .after = FAKE_CLOSE, .times = 1});
    fake_cluster_answer(&cluster);
    connect_ready();
    turn_for(1050);
    assert_true(acc->cc.route_version == 1);
    valkeyClusterNode *node = valkeyClusterGetNodeByKey(&acc->cc, "foo");
    assert_int_equal(valkeyClusterAsyncCommandToNode(acc, node, on_reply, NULL, "DBSIZE"),
                     VALKEY_OK);
    TURN_UNTIL(seen.nulls == 1);
    assert_int_equal(seen.err, VALKEY_ERR_EOF);
    /* At once, or with the next command. */
    send_command("GET c");
    TURN_UNTIL(seen.replies == 1 && acc->cc.route_version == 2);
}

static void nodes_that_are_gone_are_disconnected(void **state) {
    (void)state;
    char moved[64], map[FAKE_TEXT];
    fake_cluster_answer(&cluster);
    connect_ready();
    send_command("GET foo");
    send_command("GET c");
    TURN_UNTIL(seen.replies == 2);
    redirection(moved, "MOVED", 7365, "127.0.0.1", 0);
    fake_cluster_write_map(&cluster, map, (int[]){0, 0, 2});
    for (int i = 0; i < FAKE_NODES; i++) {
        cluster.rule_counts[i] = 0;
        answer(i, "CLUSTER SLOTS", map, 0);
    }
    answer(1, "GET c", moved, 0);
    answer(0, "GET c", "+n0\r\n", 0);
    turn_for(1050);
    send_command("GET c");
    TURN_UNTIL(seen.replies == 3);
    TURN_UNTIL(seen.disconnects == 1);
    assert_int_equal(seen.disconnect_errors, 0);
    valkeyClusterNodeIterator walk;
    valkeyClusterInitNodeIterator(&walk, &acc->cc);
    assert_non_null(valkeyClusterNodeNext(&walk));
    assert_non_null(valkeyClusterNodeNext(&walk));
    assert_null(valkeyClusterNodeNext(&walk));
}

static void logging_in_comes_first(void **state) {
    (void)state;
    for (int i = 0; i < FAKE_NODES; i++) {
        answer(i, "AUTH user pass", "+OK\r\n", 0);
        answer(i, "SELECT 3", "+OK\r\n", 0);
    }
    fake_cluster_answer(&cluster);
    valkeyClusterOptions options = options_of_test();
    options.username = "user";
    options.password = "pass";
    options.select_db = 3;
    connect_with(&options);
    TURN_UNTIL(seen.events[VALKEYCLUSTER_EVENT_READY] == 1);
    send_command("GET foo");
    TURN_UNTIL(seen.replies == 1);
    assert_string_equal(fake_server_log(cluster.nodes[2]), "AUTH user pass\nSELECT 3\nGET foo\n");
    for (int i = 0; i < FAKE_NODES; i++) {
        cluster.rule_counts[i] = 0;
        answer(i, "AUTH", "-WRONGPASS no\r\n", 0);
    }
    options.password = "other";
    valkeyClusterAsyncFree(acc);
    memset(&seen, 0, sizeof seen);
    connect_with(&options);
    TURN_UNTIL(seen.disconnects == 1);
    assert_int_equal(seen.disconnect_errors, 1);
    assert_string_equal(acc->errstr, "WRONGPASS no");
    assert_int_equal(seen.events[VALKEYCLUSTER_EVENT_READY], 0);
}

static void streams_go_on_until_they_end(void **state) {
    (void)state;
    char moved[64];
    redirection(moved, "MOVED", 12182, "127.0.0.1", 1);
    answer(2, "SSUBSCRIBE foo", moved, 0);
    answer(1, "SSUBSCRIBE foo",
           ">3\r\n+ssubscribe\r\n+foo\r\n:1\r\n>3\r\n+smessage\r\n+foo\r\n+hello\r\n", 0);
    answer(1, "SUNSUBSCRIBE foo", ">3\r\n+sunsubscribe\r\n+foo\r\n:0\r\n", 0);
    answer(0, "MONITOR", "+OK\r\n+line\r\n", 0);
    fake_cluster_answer(&cluster);
    connect_ready();
    send_command("SSUBSCRIBE foo");
    TURN_UNTIL(seen.replies == 2);
    assert_string_equal(seen.log, "ssubscribe foo smessage foo hello ");
    seen.log[0] = '\0';
    send_command("SUNSUBSCRIBE foo");
    TURN_UNTIL(seen.replies == 3);
    assert_string_equal(seen.log, "sunsubscribe foo ");
    send_command("SSUBSCRIBE foo");
    TURN_UNTIL(seen.replies == 5);
    valkeyClusterNode *node = valkeyClusterGetNodeByKey(&acc->cc, "bar");
    assert_int_equal(valkeyClusterAsyncCommandToNode(acc, node, on_reply, NULL, "MONITOR"),
                     VALKEY_OK);
    TURN_UNTIL(seen.replies == 7);
    valkeyClusterAsyncDisconnect(acc);
    TURN_UNTIL(seen.nulls == 2);
    TURN_UNTIL(seen.disconnects == 3);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    char moved[64];
    redirection(moved, "MOVED", 12182, "127.0.0.1", 1);
    answer(2, "GET foo", moved, 0);
    answer(1, "SSUBSCRIBE c", ">3\r\n+ssubscribe\r\n+c\r\n:1\r\n", 0);
    fake_cluster_answer(&cluster);
    int at = 0;
    for (bool has_failed = true; has_failed; at++) {
        memset(&seen, 0, sizeof seen);
        cluster.rule_counts[0] = 0;
        answer(0, "GET bar", "-TRYAGAIN x\r\n", 1);
        valkeyClusterOptions options = options_of_test();
        options.password = "secret";
        failing_allocator_install(at);
        acc = valkeyClusterAsyncConnectWithOptions(&options);
        for (int i = 0; acc != NULL && i < 40 && !seen.events[VALKEYCLUSTER_EVENT_READY]; i++)
            driver_turn();
        int sent = 0;
        static const char *const COMMANDS[] = {"GET foo", "GET bar", "SSUBSCRIBE c"};
        for (size_t i = 0; acc != NULL && i < COUNT_OF(COMMANDS); i++)
            sent += valkeyClusterAsyncCommand(acc, on_reply, NULL, COMMANDS[i]) == VALKEY_OK;
        for (int i = 0; i < 40 && seen.replies + seen.nulls < sent; i++)
            driver_turn();
        if (acc != NULL) {
            valkeyClusterAsyncDisconnect(acc);
            for (int i = 0; i < 3; i++)
                driver_turn();
        }
        valkeyClusterAsyncFree(acc);
        acc = NULL;
        driver_turn();
        has_failed = failing_allocator_has_failed();
        assert_true(seen.replies + seen.nulls >= sent);
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
    }
    assert_true(at > 20);
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
        TEST(commands_are_refused_until_the_map_is_there),
        TEST(the_first_map_may_be_waited_for),
        TEST(failed_starts_say_why),
        TEST(the_map_comes_from_whoever_has_it),
        TEST(moved_commands_are_sent_on),
        TEST(the_map_comes_from_who_moved_before_the_command_goes_on),
        TEST(asked_commands_go_on_once),
        TEST(bad_redirections_are_errors),
        TEST(redirections_in_a_circle_end),
        TEST(commands_that_come_too_early_are_sent_again),
        TEST(lost_connections_are_opened_again),
        TEST(replies_may_come_in_halves),
        TEST(silent_nodes_are_given_up),
        TEST(disconnecting_waits_for_redirected_replies),
        TEST(freeing_ends_everything_at_once),
        TEST(ending_inside_any_callback_is_safe),
        TEST(ending_a_connection_is_safe_too),
        TEST(commands_to_a_node_are_not_redirected),
        TEST(a_lost_command_to_a_node_asks_for_the_map),
        TEST(nodes_that_are_gone_are_disconnected),
        TEST(logging_in_comes_first),
        TEST(streams_go_on_until_they_end),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, open_driver, close_driver);
}
