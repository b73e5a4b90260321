/* SPDX-License-Identifier: BSD-3-Clause */
/* What options of a cluster do to its connections, and what programs rely on besides: sockets that
 * are closed, connections that stay, the order of callbacks, maps that are due. */
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <valkey/adapters/poll.h>
#include <valkey/cluster.h>

#include <dirent.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fake_cluster fake;
static valkeyClusterContext *cc;

static int start(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    cc = NULL;
    return 0;
}

static int stop(void **state) {
    (void)state;
    valkeyClusterFree(cc);
    fake_cluster_stop(&fake);
    return 0;
}

static void connect_with(valkeyClusterOptions options) {
    options.initial_nodes = options.initial_nodes == NULL ? fake.seeds : options.initial_nodes;
    cc = valkeyClusterConnectWithOptions(&options);
    assert_non_null(cc);
}

static void expect_reply(const char *command, const char *text) {
    valkeyReply *reply = valkeyClusterCommand(cc, command);
    if (reply == NULL)
        fail_msg("%s: %s", command, cc->errstr);
    assert_string_equal(reply->str, text);
    freeReplyObject(reply);
}

static int seen_flags;

static void see_flags(const valkeyContext *c, int status) {
    assert_int_equal(status, VALKEY_OK);
    seen_flags = c->flags;
}

static void options_reach_the_connections(void **state) {
    (void)state;
    static const struct {
        int option, flags;
    } CASES[] = {{0, 0},
                 {VALKEY_OPT_REUSEADDR, VALKEY_REUSEADDR},
                 {VALKEY_OPT_PREFER_IPV4, VALKEY_PREFER_IPV4},
                 {VALKEY_OPT_PREFER_IPV6, VALKEY_PREFER_IPV6},
                 {VALKEY_OPT_PREFER_IP_UNSPEC, VALKEY_PREFER_IPV4 | VALKEY_PREFER_IPV6},
                 {VALKEY_OPT_MPTCP, VALKEY_MPTCP}};
    static const int ALL =
        VALKEY_REUSEADDR | VALKEY_PREFER_IPV4 | VALKEY_PREFER_IPV6 | VALKEY_MPTCP;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        connect_with(
            (valkeyClusterOptions){.options = CASES[i].option, .connect_callback = see_flags});
        assert_string_equal(cc->errstr, "");
        assert_int_equal(seen_flags & ALL, CASES[i].flags);
        valkeyClusterFree(cc);
    }
    cc = NULL;
}

static int order, connected_at, secured_at;

static void on_connect(const valkeyContext *c, int status) {
    assert_int_equal(status, VALKEY_OK);
    /* A program may set options of the socket now, and nothing has been said yet. */
    int size = 1 << 16;
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    assert_int_equal(c->tcp.port, fake.ports[0]);
    assert_int_equal(fake_server_count(fake.nodes[0], NULL), 0);
    connected_at = ++order;
}

static int on_secure(struct valkeyContext *c, struct valkeyTLSContext *tls) {
    assert_ptr_equal(tls, &fake);
    assert_true(c->fd >= 0);
    assert_int_equal(fake_server_count(fake.nodes[0], NULL), 0);
    secured_at = ++order;
    return VALKEY_OK;
}

static void the_connect_callback_comes_before_tls_and_passwords(void **state) {
    (void)state;
    order = 0;
    fake_cluster_answer(&fake);
    connect_with((valkeyClusterOptions){.password = "secret",
                                        .connect_callback = on_connect,
                                        .tls = (struct valkeyTLSContext *)(void *)&fake,
                                        .tls_init_fn = on_secure});
    assert_int_equal(connected_at, 1);
    assert_int_equal(secured_at, 2);
    assert_string_equal(fake_server_log(fake.nodes[0]), "AUTH secret\nCLUSTER SLOTS\n");
}

static int refuse_tls(struct valkeyContext *c, struct valkeyTLSContext *tls) {
    (void)c, (void)tls;
    return VALKEY_ERR;
}

static void tls_that_fails_is_an_error(void **state) {
    (void)state;
    connect_with((valkeyClusterOptions){.tls = (struct valkeyTLSContext *)(void *)&fake,
                                        .tls_init_fn = refuse_tls});
    assert_int_not_equal(cc->err, 0);
    assert_int_equal(fake_server_count(fake.nodes[0], NULL), 0);
}

/* A seed that never accepts: its queue is full. */
static void connecting_ends_at_its_timeout(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fillers[8];
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, size);
    }
    char seed[64];
    (void)snprintf(seed, sizeof seed, "127.0.0.1:%d", ntohs(address.sin_port));
    long long begin = now_ms();
    cc = valkeyClusterConnectWithTimeout(seed, (struct timeval){.tv_usec = 200000});
    assert_in_range(now_ms() - begin, 195, 1500);
    assert_int_equal(cc->err, VALKEY_ERR_IO);
    assert_string_equal(cc->errstr, "Connection timed out");
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        (void)close(fillers[i]);
    (void)close(listener);
}

static void commands_to_a_node_schedule_and_make_updates(void **state) {
    (void)state;
    fake_cluster_add(&fake, 2,
                     (struct fake_rule){.command = "DBSIZE", .after = FAKE_CLOSE, .times = 1});
    fake_cluster_answer(&fake);
    connect_with((valkeyClusterOptions){0});
    valkeyClusterNode *node = valkeyClusterGetNodeByKey(cc, (char[]){"foo"});
    assert_null(valkeyClusterCommandToNode(cc, node, "DBSIZE"));
    assert_int_equal(cc->err, VALKEY_ERR_EOF);
    assert_int_equal(cc->need_update_route, 1);
    uint64_t version = cc->route_version;
    node = valkeyClusterGetNodeByKey(cc, (char[]){"bar"});
    valkeyReply *reply = valkeyClusterCommandToNode(cc, node, "DBSIZE");
    assert_string_equal(reply->str, "n0");
    freeReplyObject(reply);
    assert_true(cc->route_version == version + 1);
    assert_int_equal(cc->need_update_route, 0);
    /* The same when it does not answer in time. */
    fake.rule_counts[2] = 0;
    fake_cluster_add(&fake, 2, (struct fake_rule){.command = "DBSIZE", .after = FAKE_SILENT});
    assert_int_equal(valkeyClusterSetOptionTimeout(cc, (struct timeval){.tv_usec = 100000}),
                     VALKEY_OK);
    node = valkeyClusterGetNodeByKey(cc, (char[]){"foo"});
    assert_null(valkeyClusterCommandToNode(cc, node, "DBSIZE"));
    assert_int_equal(cc->err, VALKEY_ERR_TIMEOUT);
    assert_int_equal(cc->need_update_route, 1);
}

static void connections_stay_through_updates(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    connect_with((valkeyClusterOptions){0});
    for (int i = 0; i < 5; i++) {
        expect_reply("GET foo", "n2");
        expect_reply("GET bar", "n0");
        assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    }
    for (int i = 0; i < FAKE_NODES; i++)
        assert_in_range(fake_server_connections(fake.nodes[i]), 0, 1);
}

/* Which nodes are asked for the map, as digits. */
static void ask_for_maps(unsigned seed, char *out, int count) {
    srandom(seed);
    for (int i = 0; i < count; i++) {
        int before[FAKE_NODES];
        for (int j = 0; j < FAKE_NODES; j++)
            before[j] = fake_server_count(fake.nodes[j], "CLUSTER SLOTS");
        assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
        for (int j = 0; j < FAKE_NODES; j++)
            if (fake_server_count(fake.nodes[j], "CLUSTER SLOTS") > before[j])
                out[i] = (char)('0' + j);
    }
    out[count] = '\0';
}

static void nodes_are_chosen_with_random(void **state) {
    (void)state;
    enum { UPDATES = 24 };
    char first[UPDATES + 1], again[UPDATES + 1], other[UPDATES + 1];
    fake_cluster_answer(&fake);
    connect_with((valkeyClusterOptions){0});
    expect_reply("GET foo", "n2");
    expect_reply("GET bar", "n0");
    expect_reply("GET c", "n1");
    ask_for_maps(1, first, UPDATES);
    ask_for_maps(1, again, UPDATES);
    ask_for_maps(2, other, UPDATES);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    for (char node = '0'; node < '3'; node++)
        assert_non_null(strchr(first, node));
}

static int open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static void freeing_closes_the_sockets(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    connect_with((valkeyClusterOptions){0});
    expect_reply("GET foo", "n2");
    expect_reply("GET bar", "n0");
    expect_reply("GET c", "n1");
    int fds[FAKE_NODES];
    valkeyClusterNodeIterator walk;
    valkeyClusterInitNodeIterator(&walk, cc);
    for (int i = 0; i < FAKE_NODES; i++)
        fds[i] = valkeyClusterGetValkeyContext(cc, valkeyClusterNodeNext(&walk))->fd;
    int before = open_descriptors();
    valkeyClusterFree(cc);
    cc = NULL;
    int after = open_descriptors();
    assert_in_range(before - after, FAKE_NODES, 2 * FAKE_NODES); /* theirs follow */
    for (int i = 0; i < FAKE_NODES; i++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        assert_int_not_equal(getpeername(fds[i], (struct sockaddr *)&peer, &size), 0);
    }
    valkeyClusterFree(NULL);
}

/* Bytes that the client holds. */
static size_t held_bytes;

static void *counting_malloc(size_t size) {
    void *block = malloc(size);
    held_bytes += malloc_usable_size(block);
    return block;
}

static void *counting_calloc(size_t count, size_t size) {
    void *block = calloc(count, size);
    held_bytes += malloc_usable_size(block);
    return block;
}

static void *counting_realloc(void *block, size_t size) {
    held_bytes -= malloc_usable_size(block);
    block = realloc(block, size);
    held_bytes += malloc_usable_size(block);
    return block;
}

static char *counting_strdup(const char *text) {
    char *copy = strdup(text);
    held_bytes += malloc_usable_size(copy);
    return copy;
}

static void counting_free(void *block) {
    held_bytes -= malloc_usable_size(block);
    free(block);
}

static valkeyAsyncContext *attached[8];
static size_t attached_count;

static int attach(valkeyAsyncContext *ac, void *data) {
    (void)data;
    attached[attached_count++] = ac;
    return valkeyPollAttach(ac);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    (void)status;
    for (size_t i = 0; i < attached_count; i++)
        if (attached[i] == ac)
            attached[i] = NULL;
}

static void tick_until_all_are_gone(void) {
    for (bool is_alive = true; is_alive;) {
        is_alive = false;
        for (size_t i = 0; i < attached_count; i++)
            if (attached[i] != NULL) {
                is_alive = true;
                (void)valkeyPollTick(attached[i], 0.01);
            }
    }
}

static void after_disconnecting_little_is_left(void **state) {
    (void)state;
    valkeyAllocFuncs functions = {counting_malloc, counting_calloc, counting_realloc,
                                  counting_strdup, counting_free};
    fake_cluster_answer(&fake);
    attached_count = 0;
    (void)valkeySetAllocators(&functions);
    valkeyClusterOptions options = {.initial_nodes = fake.seeds,
                                    .options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE,
                                    .async_disconnect_callback = on_disconnect,
                                    .attach_fn = attach};
    valkeyClusterAsyncContext *acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_string_equal(acc->errstr, "");
    static const char *const COMMANDS[] = {"GET foo", "GET bar", "GET c"};
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++)
        assert_int_equal(valkeyClusterAsyncCommand(acc, NULL, NULL, COMMANDS[i]), VALKEY_OK);
    assert_true(held_bytes > VALKEYCLUSTER_SLOTS * sizeof(void *));
    valkeyClusterAsyncDisconnect(acc);
    tick_until_all_are_gone();
    assert_in_range(held_bytes, 1, 2048);
    valkeyClusterAsyncFree(acc);
    assert_int_equal(held_bytes, 0);
    valkeyResetAllocators();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(options_reach_the_connections),
        TEST(the_connect_callback_comes_before_tls_and_passwords),
        TEST(tls_that_fails_is_an_error),
        TEST(connecting_ends_at_its_timeout),
        TEST(commands_to_a_node_schedule_and_make_updates),
        TEST(connections_stay_through_updates),
        TEST(nodes_are_chosen_with_random),
        TEST(freeing_closes_the_sockets),
        TEST(after_disconnecting_little_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
