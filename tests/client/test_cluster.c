/* SPDX-License-Identifier: BSD-3-Clause */
/* The synchronous cluster interface against scripted nodes: maps, redirections, retries, failures,
 * order and overlap of pipelines, hostile answers. */
#include "support/failing_allocator.h"
#include "support/fake_server.h"
#include "support/testing.h"

#include <valkey/cluster.h>

#include <stdbool.h>
#include <stdio.h>

enum { CLOSED_PORT = 21697, NODES = 3, TEXT = 512 };

/* Three nodes with a third of the slots each. Slots of keys: foo 12182, bar 5061, c 7365. */
static struct fake_server *nodes[NODES];
static int ports[NODES];
static char map[TEXT], addresses[TEXT];
static valkeyClusterContext *cc;
static int events[4];

static void count_event(const valkeyClusterContext *context, int event, void *privdata) {
    (void)context;
    assert_ptr_equal(privdata, events);
    events[event]++;
}

static void write_map(char *out, const int *owners) {
    (void)snprintf(out, TEXT,
                   "*3\r\n*3\r\n:0\r\n:5460\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n"
                   "*3\r\n:5461\r\n:10922\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n"
                   "*3\r\n:10923\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n",
                   ports[owners[0]], ports[owners[1]], ports[owners[2]]);
}

static struct fake_rule rules[NODES][8];
static int rule_counts[NODES];

static void add_rule(int node, struct fake_rule rule) {
    rules[node][rule_counts[node]++] = rule;
    fake_server_use(nodes[node], rules[node], (size_t)rule_counts[node]);
}

static int open_nodes(void **state) {
    (void)state;
    for (int i = 0; i < NODES; i++) {
        rule_counts[i] = 0;
        nodes[i] = fake_server_start(0, NULL, 0);
        ports[i] = fake_server_port(nodes[i]);
    }
    write_map(map, (int[]){0, 1, 2});
    for (int i = 0; i < NODES; i++)
        add_rule(i, (struct fake_rule){.command = "CLUSTER SLOTS", .reply = map});
    (void)snprintf(addresses, sizeof addresses, "127.0.0.1:%d", ports[0]);
    memset(events, 0, sizeof events);
    cc = NULL;
    return 0;
}

static int close_nodes(void **state) {
    (void)state;
    valkeyClusterFree(cc);
    for (int i = 0; i < NODES; i++)
        fake_server_stop(nodes[i]);
    return 0;
}

static void connect_with(valkeyClusterOptions *options) {
    options->initial_nodes = addresses;
    cc = valkeyClusterConnectWithOptions(options);
    assert_non_null(cc);
}

static void connect_all(void) {
    valkeyClusterOptions options = {0};
    connect_with(&options);
    assert_string_equal(cc->errstr, "");
    assert_int_equal(cc->err, 0);
}

static void expect_text(valkeyReply *reply, const char *text) {
    if (reply == NULL)
        fail_msg("no reply: %s", cc->errstr);
    assert_string_equal(reply->str, text);
    freeReplyObject(reply);
}

static void slots_are_those_of_the_specification(void **state) {
    (void)state;
    static const struct {
        char *key;
        unsigned slot;
    } CASES[] = {{"123456789", 12739},
                 {"foo", 12182},
                 {"{user1000}.following", 3443},
                 {"{user1000}.followers", 3443},
                 {"bar", 5061},
                 {"c", 7365},
                 {"", 0}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++)
        assert_int_equal(valkeyClusterGetSlotByKey(CASES[i].key), CASES[i].slot);
    assert_int_equal(valkeyClusterGetSlotByKey("foo{}{bar}"),
                     valkeyClusterGetSlotByKey("foo{}{bar}"));
    assert_int_not_equal(valkeyClusterGetSlotByKey("foo{}{bar}"), 5061);
    assert_int_equal(valkeyClusterGetSlotByKey("foo{bar}{zap}"), 5061);
}

static void commands_go_to_the_node_of_their_key(void **state) {
    (void)state;
    for (int i = 0; i < NODES; i++)
        add_rule(i, (struct fake_rule){.reply = i == 0   ? "+n0\r\n"
                                                : i == 1 ? "+n1\r\n"
                                                         : "+n2\r\n"});
    connect_all();
    expect_text(valkeyClusterCommand(cc, "SET %s %d", "bar", 1), "n0");
    expect_text(valkeyClusterCommand(cc, "get c"), "n1");
    const char *argv[] = {"SET", "foo", "x"};
    expect_text(valkeyClusterCommandArgv(cc, 3, argv, NULL), "n2");
    char formatted[] = "*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n";
    expect_text(valkeyClusterFormattedCommand(cc, formatted, (int)strlen(formatted)), "n2");
    /* Keys that are not the second word. */
    static const char *const COMMANDS[] = {"EVAL return 2 foo x",
                                           "XREAD COUNT 1 STREAMS foo x 0 0",
                                           "BITOP AND foo x",
                                           "XGROUP CREATE foo g 0",
                                           "OBJECT ENCODING foo",
                                           "ZUNION 2 foo x",
                                           "MEMORY USAGE foo",
                                           "MIGRATE host 1 foo 0 1",
                                           "XREADGROUP GROUP g c STREAMS foo >",
                                           "LMPOP 1 foo LEFT",
                                           "FCALL f 1 foo",
                                           "SSUBSCRIBE foo",
                                           "SORT foo",
                                           "EVAL_RO s 1 foo",
                                           "EVALSHA s 1 foo"};
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++)
        expect_text(valkeyClusterCommand(cc, COMMANDS[i]), "n2");
    expect_text(valkeyClusterCommand(cc, "MIGRATE host 1 %s 0 1 KEYS foo", ""), "n2");
    assert_int_equal(valkeyClusterGetNodeByKey(cc, "foo")->port, ports[2]);
    assert_int_equal(fake_server_connections(nodes[0]), 1);
}

static void commands_without_a_key_are_refused(void **state) {
    (void)state;
    connect_all();
    static const char *const COMMANDS[] = {"PING", "EVAL return 0", "CONFIG GET x", "GET", "MULTI"};
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) {
        assert_null(valkeyClusterCommand(cc, COMMANDS[i]));
        assert_string_equal(cc->errstr,
                            "No keys in command(must have keys for valkey cluster mode)");
    }
    assert_null(valkeyClusterCommand(cc, "NOSUCH foo"));
    assert_int_equal(cc->err, VALKEY_ERR_PROTOCOL);
    assert_string_equal(cc->errstr, "Unknown command NOSUCH");
    assert_null(valkeyClusterCommand(cc, "GET %y"));
    char broken[] = "GET foo\r\n", cut[] = "*2\r\n$3\r\nGET\r\n$9\r\nfoo\r\n";
    assert_null(valkeyClusterFormattedCommand(cc, broken, (int)strlen(broken)));
    assert_null(valkeyClusterFormattedCommand(cc, cut, (int)strlen(cut)));
    assert_int_equal(valkeyClusterAppendCommand(cc, "PING"), VALKEY_ERR);
}

static void failed_starts_say_why(void **state) {
    (void)state;
    static const struct {
        const char *addresses, *text;
    } CASES[] = {{"127.0.0.1:21697", "Connection refused"}, {"", "Invalid server address"},
                 {NULL, "Invalid server address"},          {"nocolon", "Invalid server address"},
                 {"host:", "Invalid server address"},       {":1", "Invalid server address"},
                 {"host:70000", "Invalid server address"},  {"host:1x", "Invalid server address"}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        valkeyClusterContext *context = valkeyClusterConnect(CASES[i].addresses);
        assert_int_not_equal(context->err, 0);
        assert_string_equal(context->errstr, CASES[i].text);
        assert_null(valkeyClusterCommand(context, "GET foo"));
        valkeyClusterFree(context);
    }
    valkeyClusterOptions options = {.options = VALKEY_OPT_NOAUTOFREE};
    connect_with(&options);
    assert_string_equal(cc->errstr, "Unsupported options");
}

static void the_next_seed_is_tried(void **state) {
    (void)state;
    (void)snprintf(addresses, sizeof addresses, "127.0.0.1:%d,127.0.0.1:%d", CLOSED_PORT, ports[1]);
    valkeyClusterOptions options = {.event_callback = count_event, .event_privdata = events};
    connect_with(&options);
    assert_int_equal(cc->err, 0);
    assert_int_equal(events[VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED], 1);
    assert_int_equal(events[VALKEYCLUSTER_EVENT_READY], 1);
    assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    assert_int_equal(events[VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED], 2);
    assert_int_equal(events[VALKEYCLUSTER_EVENT_READY], 1);
    valkeyClusterFree(cc);
    cc = NULL;
    assert_int_equal(events[VALKEYCLUSTER_EVENT_FREE_CONTEXT], 1);
}

static void the_map_may_come_from_cluster_nodes(void **state) {
    (void)state;
    char text[1024], reply[1100];
    int size = snprintf(text, sizeof text,
                        "aa 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-5460 [93->-cc]\n"
                        "bb 127.0.0.1:%d@1,host master - 0 0 2 connected 5461 5462-10922\n"
                        "cc :%d@1 master,fail? - 0 0 3 connected 10923-16383\n"
                        "dd 127.0.0.1:7@1 slave aa 0 0 3 connected\n"
                        "ee :0@0 master,noaddr - 0 0 3 disconnected\n",
                        ports[0], ports[1], ports[2]);
    (void)snprintf(reply, sizeof reply, "$%d\r\n%s\r\n", size, text);
    add_rule(0, (struct fake_rule){.command = "CLUSTER NODES", .reply = reply});
    for (int i = 0; i < NODES; i++)
        add_rule(i, (struct fake_rule){.reply = i == 0   ? "+n0\r\n"
                                                : i == 1 ? "+n1\r\n"
                                                         : "+n2\r\n"});
    valkeyClusterOptions options = {.options = VALKEY_OPT_USE_CLUSTER_NODES};
    connect_with(&options);
    assert_string_equal(cc->errstr, "");
    expect_text(valkeyClusterCommand(cc, "GET bar"), "n0");
    expect_text(valkeyClusterCommand(cc, "GET c"), "n1");
    expect_text(valkeyClusterCommand(cc, "GET foo"), "n2");
    assert_int_equal(fake_server_count(nodes[0], "CLUSTER SLOTS"), 0);
}

static void malformed_maps_are_errors(void **state) {
    (void)state;
    static const char *const MAPS[] = {"*1\r\n:1\r\n",
                                       "*1\r\n*2\r\n:0\r\n:1\r\n",
                                       "+OK\r\n",
                                       ":1\r\n",
                                       "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n",
                                       "*1\r\n*3\r\n:-1\r\n:5\r\n*2\r\n$1\r\nh\r\n:1\r\n",
                                       "*1\r\n*3\r\n:9\r\n:5\r\n*2\r\n$1\r\nh\r\n:1\r\n",
                                       "*1\r\n*3\r\n:0\r\n:5\r\n*1\r\n$1\r\nh\r\n",
                                       "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n:1\r\n:1\r\n",
                                       "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\nh\r\n:65536\r\n",
                                       "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\nh\r\n$1\r\n1\r\n",
                                       "$6\r\na b c\n\r\n",
                                       "$42\r\na noport master - 0 0 1 connected 0-16383\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(MAPS); i++) {
        rule_counts[0] = 0;
        add_rule(0, (struct fake_rule){.command = "CLUSTER", .reply = MAPS[i]});
        valkeyClusterContext *context = valkeyClusterConnect(addresses);
        assert_int_equal(context->err, VALKEY_ERR_PROTOCOL);
        assert_string_equal(context->errstr, "Malformed slot map");
        valkeyClusterFree(context);
    }
    static const struct {
        const char *map, *text;
    } OTHERS[] = {{"*0\r\n", "No slot information"},
                  {"-ERR This instance has cluster support disabled\r\n",
                   "ERR This instance has cluster support disabled"}};
    for (size_t i = 0; i < COUNT_OF(OTHERS); i++) {
        rule_counts[0] = 0;
        add_rule(0, (struct fake_rule){.command = "CLUSTER", .reply = OTHERS[i].map});
        valkeyClusterContext *context = valkeyClusterConnect(addresses);
        assert_string_equal(context->errstr, OTHERS[i].text);
        valkeyClusterFree(context);
    }
}

static void slots_that_nobody_serves_are_errors(void **state) {
    (void)state;
    (void)snprintf(map, sizeof map, "*1\r\n*3\r\n:0\r\n:5460\r\n*2\r\n$0\r\n\r\n:%d\r\n", ports[0]);
    add_rule(0, (struct fake_rule){.reply = "+n0\r\n"});
    connect_all();
    expect_text(valkeyClusterCommand(cc, "GET bar"), "n0");
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_string_equal(cc->errstr, "slot not served by any node");
    assert_null(valkeyClusterGetNodeByKey(cc, "foo"));
    /* The map is fetched anew with the next command. */
    write_map(map, (int[]){0, 0, 0});
    expect_text(valkeyClusterCommand(cc, "GET foo"), "n0");
}

static char moved[64], ask[64];

static void a_moved_slot_is_followed(void **state) {
    (void)state;
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", ports[1]);
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = moved});
    add_rule(1, (struct fake_rule){.command = "GET foo", .reply = "+moved\r\n"});
    connect_all();
    uint64_t version = cc->route_version;
    char after[TEXT];
    write_map(after, (int[]){0, 1, 1});
    memcpy(map, after, sizeof map);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "moved");
    assert_string_equal(fake_server_log(nodes[2]), "GET foo\nCLUSTER SLOTS\n");
    assert_true(cc->route_version == version + 1);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "moved");
    assert_int_equal(fake_server_count(nodes[2], "GET"), 1);
}

static void an_empty_host_is_that_of_the_connection(void **state) {
    (void)state;
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 :%d\r\n", ports[1]);
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = moved});
    add_rule(1, (struct fake_rule){.command = "GET foo", .reply = "+moved\r\n"});
    connect_all();
    expect_text(valkeyClusterCommand(cc, "GET foo"), "moved");
}

static void asking_leaves_the_map_alone(void **state) {
    (void)state;
    (void)snprintf(ask, sizeof ask, "-ASK 12182 127.0.0.1:%d\r\n", ports[1]);
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = ask});
    add_rule(1, (struct fake_rule){.command = "ASKING", .reply = "+OK\r\n"});
    add_rule(1, (struct fake_rule){.command = "GET foo", .reply = "+asked\r\n"});
    connect_all();
    uint64_t version = cc->route_version;
    expect_text(valkeyClusterCommand(cc, "GET foo"), "asked");
    assert_string_equal(fake_server_log(nodes[1]), "ASKING\nGET foo\n");
    assert_true(cc->route_version == version);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "asked");
    assert_int_equal(fake_server_count(nodes[2], "GET"), 2);
}

static void endless_redirections_end(void **state) {
    (void)state;
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", ports[2]);
    add_rule(2, (struct fake_rule){.command = "GET", .reply = moved});
    connect_all();
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_string_equal(cc->errstr, "too many cluster retries");
    assert_int_equal(cc->err, 100);
    assert_int_equal(fake_server_count(nodes[2], "GET foo"), 6);
}

static void quarrelling_nodes_are_given_time(void **state) {
    (void)state;
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", ports[1]);
    (void)snprintf(ask, sizeof ask, "-MOVED 12182 127.0.0.1:%d\r\n", ports[2]);
    add_rule(2, (struct fake_rule){.command = "GET", .reply = moved, .times = 2});
    add_rule(2, (struct fake_rule){.command = "GET", .reply = "+done\r\n"});
    add_rule(1, (struct fake_rule){.command = "GET", .reply = ask});
    /* The map keeps changing sides too: it names the node that was asked first. */
    connect_all();
    long long begin = now_ms();
    expect_text(valkeyClusterCommand(cc, "GET foo"), "done");
    assert_in_range(now_ms() - begin, 5, 1000);
}

static void malformed_redirections_are_errors(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"-MOVED\r\n",
                                        "-MOVED 1\r\n",
                                        "-MOVED x 127.0.0.1:1\r\n",
                                        "-MOVED 16384 a:1\r\n",
                                        "-MOVED -1 a:1\r\n",
                                        "-MOVED 1 nocolon\r\n",
                                        "-MOVED 1 a:\r\n",
                                        "-MOVED 1 a:65536\r\n",
                                        "-MOVED 1 a:0\r\n",
                                        "-ASK\r\n",
                                        "-ASK 1 a:1x\r\n",
                                        "-MOVED 99999999999 a:1\r\n"};
    connect_all();
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        rule_counts[2] = 0;
        add_rule(2, (struct fake_rule){.reply = TEXTS[i]});
        assert_null(valkeyClusterCommand(cc, "GET foo"));
        assert_string_equal(cc->errstr, "Malformed redirection");
        assert_int_equal(cc->err, VALKEY_ERR_PROTOCOL);
    }
}

static void busy_nodes_are_asked_again_after_a_while(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"-TRYAGAIN later\r\n", "-CLUSTERDOWN down\r\n",
                                        "-LOADING dataset\r\n"};
    connect_all();
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        rule_counts[2] = 0;
        add_rule(2, (struct fake_rule){.command = "CLUSTER SLOTS", .reply = map});
        add_rule(2, (struct fake_rule){.command = "GET foo", .reply = TEXTS[i], .times = 4});
        add_rule(2, (struct fake_rule){.command = "GET foo", .reply = "+done\r\n"});
        long long begin = now_ms();
        expect_text(valkeyClusterCommand(cc, "GET foo"), "done");
        /* Delays of at least 5, 10, 20 and 40 ms. */
        assert_in_range(now_ms() - begin, 70, 1000);
    }
}

static void retries_end_with_the_deadline(void **state) {
    (void)state;
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = "-TRYAGAIN later\r\n"});
    const struct timeval timeout = {.tv_usec = 400000};
    valkeyClusterOptions options = {.command_timeout = &timeout};
    connect_with(&options);
    long long begin = now_ms();
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_in_range(now_ms() - begin, 120, 600);
    assert_string_equal(cc->errstr, "too many cluster retries");
    assert_in_range(fake_server_count(nodes[2], "GET"), 4, 10);
}

static void a_lost_node_is_looked_up_again(void **state) {
    (void)state;
    add_rule(2, (struct fake_rule){.command = "GET", .after = FAKE_CLOSE});
    add_rule(1, (struct fake_rule){.command = "GET", .reply = "+n1\r\n"});
    connect_all();
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_string_equal(cc->errstr, "Server closed the connection");
    assert_int_equal(cc->err, VALKEY_ERR_EOF);
    assert_int_equal(cc->need_update_route, 1);
    char after[TEXT];
    write_map(after, (int[]){0, 1, 1});
    memcpy(map, after, sizeof map);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "n1");
    assert_int_equal(cc->err, 0);
    /* Its node has gone from the map. */
    valkeyClusterNodeIterator iterator;
    valkeyClusterInitNodeIterator(&iterator, cc);
    for (valkeyClusterNode *node; (node = valkeyClusterNodeNext(&iterator)) != NULL;)
        assert_int_not_equal(node->port, ports[2]);
}

static void slow_nodes_time_out(void **state) {
    (void)state;
    add_rule(2, (struct fake_rule){.command = "GET", .reply = "+late\r\n", .delay_ms = 400});
    add_rule(1, (struct fake_rule){.command = "GET", .reply = "+n1\r\n"});
    connect_all();
    expect_text(valkeyClusterCommand(cc, "GET c"), "n1");
    assert_int_equal(valkeyClusterSetOptionTimeout(cc, (struct timeval){.tv_usec = 100000}),
                     VALKEY_OK);
    assert_int_equal(valkeyClusterSetOptionTimeout(cc, (struct timeval){-1, 0}), VALKEY_ERR);
    long long begin = now_ms();
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_in_range(now_ms() - begin, 95, 380);
    assert_int_equal(cc->err, VALKEY_ERR_TIMEOUT);
    assert_string_equal(cc->errstr, "Timeout");
    /* In a pipeline only the slow node's command fails. */
    assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
    assert_int_equal(valkeyClusterAppendCommand(cc, "GET c"), VALKEY_OK);
    void *reply;
    assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_ERR);
    assert_string_equal(cc->errstr, "Timeout");
    assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
    expect_text(reply, "n1");
}

static void a_pipeline_waits_for_all_nodes_at_once(void **state) {
    (void)state;
    static const char *const KEYS[] = {"bar", "c", "foo"};
    static const char *const REPLIES[] = {"+bar\r\n", "+c\r\n", "+foo\r\n"};
    for (int i = 0; i < NODES; i++)
        add_rule(i, (struct fake_rule){.command = "GET", .reply = REPLIES[i], .delay_ms = 200});
    connect_all();
    for (int i = 0; i < NODES; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "GET %s", KEYS[i]), VALKEY_OK);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(fake_server_count(nodes[i], "GET"), 0);
    long long begin = now_ms();
    void *reply;
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
        expect_text(reply, KEYS[i]);
    }
    assert_in_range(now_ms() - begin, 195, 390);
    assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
    assert_null(reply);
}

static void pipelined_commands_are_redirected_in_order(void **state) {
    (void)state;
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", ports[1]);
    (void)snprintf(ask, sizeof ask, "-ASK 12182 127.0.0.1:%d\r\n", ports[0]);
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = moved, .times = 2});
    add_rule(2, (struct fake_rule){.command = "SET foo", .reply = ask});
    add_rule(2, (struct fake_rule){.command = "STRLEN foo", .reply = ":2\r\n"});
    add_rule(1, (struct fake_rule){.command = "GET foo", .reply = "+1\r\n"});
    add_rule(0, (struct fake_rule){.command = "ASKING", .reply = "+OK\r\n"});
    add_rule(0, (struct fake_rule){.command = "SET foo", .reply = "+0\r\n"});
    connect_all();
    assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
    assert_int_equal(valkeyClusterAppendCommand(cc, "SET foo x"), VALKEY_OK);
    const char *argv[] = {"GET", "foo"};
    assert_int_equal(valkeyClusterAppendCommandArgv(cc, 2, argv, NULL), VALKEY_OK);
    char formatted[] = "*2\r\n$6\r\nSTRLEN\r\n$3\r\nfoo\r\n";
    assert_int_equal(valkeyClusterAppendFormattedCommand(cc, formatted, (int)strlen(formatted)),
                     VALKEY_OK);
    static const char *const WANTED[] = {"1", "0", "1", NULL};
    for (int i = 0; i < 4; i++) {
        valkeyReply *reply;
        assert_int_equal(valkeyClusterGetReply(cc, (void **)&reply), VALKEY_OK);
        if (WANTED[i] != NULL) {
            expect_text(reply, WANTED[i]);
        } else {
            assert_true(reply->integer == 2);
            freeReplyObject(reply);
        }
    }
    assert_int_equal(fake_server_count(nodes[2], "CLUSTER SLOTS"), 1);
}

static void a_dropped_pipeline_leaves_nothing_behind(void **state) {
    (void)state;
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = "+old\r\n"});
    add_rule(2, (struct fake_rule){.command = "STRLEN", .after = FAKE_CLOSE});
    connect_all();
    for (int i = 0; i < 3; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
    valkeyClusterReset(cc);
    void *reply;
    assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
    assert_null(reply);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "old");
    assert_int_equal(valkeyClusterAppendCommand(cc, "STRLEN foo"), VALKEY_OK);
    valkeyClusterReset(cc);
    assert_int_equal(cc->need_update_route, 0);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "old");
    /* And one that is freed with the context. */
    assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
}

static void a_node_can_be_addressed(void **state) {
    (void)state;
    for (int i = 0; i < NODES; i++) {
        add_rule(i, (struct fake_rule){.command = "DBSIZE", .reply = ":7\r\n"});
        add_rule(i, (struct fake_rule){.reply = "-MOVED 1 127.0.0.1:1\r\n"});
    }
    connect_all();
    valkeyClusterNodeIterator iterator;
    valkeyClusterInitNodeIterator(&iterator, cc);
    int count = 0;
    valkeyClusterNode *last = NULL;
    for (valkeyClusterNode *node; (node = valkeyClusterNodeNext(&iterator)) != NULL; count++) {
        valkeyReply *reply = valkeyClusterCommandToNode(cc, node, "DBSIZE");
        assert_true(reply->integer == 7);
        freeReplyObject(reply);
        assert_int_equal(node->role, VALKEY_ROLE_PRIMARY);
        assert_string_equal(node->host, "127.0.0.1");
        assert_non_null(valkeyClusterGetValkeyContext(cc, node));
        last = node;
    }
    assert_int_equal(count, NODES);
    assert_true(iterator.route_version == cc->route_version);
    /* Redirections come back as they are. */
    assert_int_equal(valkeyClusterAppendCommandToNode(cc, last, "GET %s", "foo"), VALKEY_OK);
    valkeyReply *reply;
    assert_int_equal(valkeyClusterGetReply(cc, (void **)&reply), VALKEY_OK);
    expect_text(reply, "MOVED 1 127.0.0.1:1");
    /* A change of the map starts the walk again, but not for ever. */
    valkeyClusterInitNodeIterator(&iterator, cc);
    for (count = 0; count < 100 && valkeyClusterNodeNext(&iterator) != NULL; count++)
        assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    assert_int_equal(count, 6);
    valkeyClusterNode unknown = {0};
    assert_null(valkeyClusterCommandToNode(cc, &unknown, "DBSIZE"));
    assert_null(valkeyClusterGetValkeyContext(cc, &unknown));
}

static int connects[2];

static void count_connect(const valkeyContext *c, int status) {
    connects[status == VALKEY_OK]++;
    assert_int_equal(c->err != 0, status != VALKEY_OK);
}

static void connections_log_in_and_select(void **state) {
    (void)state;
    for (int i = 0; i < NODES; i++) {
        add_rule(i, (struct fake_rule){.command = "AUTH user secret", .reply = "+OK\r\n"});
        add_rule(i, (struct fake_rule){.command = "SELECT 3", .reply = "+OK\r\n"});
        add_rule(i, (struct fake_rule){.command = "AUTH", .reply = "-WRONGPASS no\r\n"});
        add_rule(i, (struct fake_rule){.command = "GET", .reply = "+OK\r\n"});
    }
    valkeyClusterOptions options = {.username = "user",
                                    .password = "secret",
                                    .select_db = 3,
                                    .connect_callback = count_connect};
    connects[0] = connects[1] = 0;
    connect_with(&options);
    expect_text(valkeyClusterCommand(cc, "GET foo"), "OK");
    assert_string_equal(fake_server_log(nodes[2]), "AUTH user secret\nSELECT 3\nGET foo\n");
    assert_int_equal(connects[1], 2);
    valkeyClusterFree(cc);
    options.username = NULL;
    connect_with(&options);
    assert_string_equal(cc->errstr, "WRONGPASS no");
    valkeyClusterFree(cc);
    (void)snprintf(addresses, sizeof addresses, "127.0.0.1:%d", CLOSED_PORT);
    connect_with(&options);
    assert_int_equal(connects[0], 1);
}

static void replicas_are_known_if_wanted(void **state) {
    (void)state;
    (void)snprintf(map, sizeof map,
                   "*1\r\n*4\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
                   "*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
                   ports[0], ports[1]);
    valkeyClusterOptions options = {.options = VALKEY_OPT_USE_REPLICAS};
    connect_with(&options);
    assert_int_equal(cc->err, 0);
    valkeyClusterNodeIterator iterator;
    valkeyClusterInitNodeIterator(&iterator, cc);
    assert_int_equal(valkeyClusterNodeNext(&iterator)->port, ports[0]);
    assert_null(valkeyClusterNodeNext(&iterator));
}

static bool play(void) {
    valkeyClusterContext *context = valkeyClusterConnect(addresses);
    if (context == NULL)
        return false;
    bool worked = context->err == 0;
    void *replies[3] = {NULL, NULL, NULL};
    if (worked)
        replies[0] = valkeyClusterCommand(context, "GET foo");
    worked = worked && replies[0] != NULL &&
             valkeyClusterAppendCommand(context, "GET foo") == VALKEY_OK &&
             valkeyClusterAppendCommand(context, "GET c") == VALKEY_OK &&
             valkeyClusterGetReply(context, &replies[1]) == VALKEY_OK &&
             valkeyClusterGetReply(context, &replies[2]) == VALKEY_OK;
    if (!worked) {
        assert_string_equal(context->errstr, "Out of memory");
        assert_int_equal(context->err, VALKEY_ERR_OOM);
    }
    for (int i = 0; i < 3; i++)
        freeReplyObject(replies[i]);
    valkeyClusterFree(context);
    return worked;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    (void)snprintf(ask, sizeof ask, "-ASK 12182 127.0.0.1:%d\r\n", ports[1]);
    add_rule(2, (struct fake_rule){.command = "GET foo", .reply = ask});
    add_rule(1, (struct fake_rule){.reply = "+OK\r\n"});
    for (int at = 0, last = 0; !last; at++) {
        assert_in_range(at, 0, 500);
        failing_allocator_install(at);
        bool worked = play();
        last = !failing_allocator_has_failed();
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
        assert_true(worked || !last);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_nodes, close_nodes)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(slots_are_those_of_the_specification),
        TEST(commands_go_to_the_node_of_their_key),
        TEST(commands_without_a_key_are_refused),
        TEST(failed_starts_say_why),
        TEST(the_next_seed_is_tried),
        TEST(the_map_may_come_from_cluster_nodes),
        TEST(malformed_maps_are_errors),
        TEST(slots_that_nobody_serves_are_errors),
        TEST(a_moved_slot_is_followed),
        TEST(an_empty_host_is_that_of_the_connection),
        TEST(asking_leaves_the_map_alone),
        TEST(endless_redirections_end),
        TEST(quarrelling_nodes_are_given_time),
        TEST(malformed_redirections_are_errors),
        TEST(busy_nodes_are_asked_again_after_a_while),
        TEST(retries_end_with_the_deadline),
        TEST(a_lost_node_is_looked_up_again),
        TEST(slow_nodes_time_out),
        TEST(a_pipeline_waits_for_all_nodes_at_once),
        TEST(pipelined_commands_are_redirected_in_order),
        TEST(a_dropped_pipeline_leaves_nothing_behind),
        TEST(a_node_can_be_addressed),
        TEST(connections_log_in_and_select),
        TEST(replicas_are_known_if_wanted),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
