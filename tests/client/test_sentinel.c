/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking services up at sentinels: scripted ones, and redis-server as a sentinel of a primary with
 * a replica that takes over. */
#include "support/failing_allocator.h"
#include "support/fake_server.h"
#include "support/real_server.h"
#include "support/testing.h"

#include <valkey/sentinel.h>

#include <stdbool.h>
#include <stdio.h>

enum { CLOSED_PORT = 21697, PRIMARY = 21720, REPLICA = 21721, SENTINEL = 21722 };

static struct fake_server *sentinels[2], *server;
static char addresses[128], answer[128], replicas[512];

static int open_servers(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++)
        sentinels[i] = fake_server_start(0, NULL, 0);
    server = fake_server_start(0, NULL, 0);
    (void)snprintf(addresses, sizeof addresses, "127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d",
                   CLOSED_PORT, fake_server_port(sentinels[0]), fake_server_port(sentinels[1]));
    (void)snprintf(answer, sizeof answer, "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%d\r\n",
                   fake_server_port(server));
    (void)snprintf(replicas, sizeof replicas,
                   "*2\r\n*6\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$1\r\n1\r\n"
                   "$5\r\nflags\r\n$12\r\ns_down,slave\r\n"
                   "*6\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$5\r\n%d\r\n"
                   "$5\r\nflags\r\n$5\r\nslave\r\n",
                   fake_server_port(server));
    return 0;
}

static int close_servers(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++)
        fake_server_stop(sentinels[i]);
    fake_server_stop(server);
    return 0;
}

static const struct fake_rule SERVER_RULES[] = {
    {.command = "ROLE", .reply = "*1\r\n$6\r\nmaster\r\n"},
    {.reply = "+OK\r\n"},
};
static const struct fake_rule REPLICA_RULES[] = {
    {.command = "ROLE", .reply = "*1\r\n$5\r\nslave\r\n"},
    {.reply = "+OK\r\n"},
};

static void the_first_sentinel_that_knows_is_believed(void **state) {
    (void)state;
    const struct fake_rule unknowing[] = {{.reply = "*-1\r\n"}};
    const struct fake_rule knowing[] = {
        {.command = "SENTINEL GET-MASTER-ADDR-BY-NAME service", .reply = answer},
        {.reply = "+OK\r\n"}};
    fake_server_use(sentinels[0], unknowing, 1);
    fake_server_use(sentinels[1], knowing, 2);
    fake_server_use(server, SERVER_RULES, 2);
    valkeySentinelOptions options = {
        .sentinels = addresses, .service = "service", .password = "secret", .select_db = 2};
    valkeyContext *c = valkeySentinelConnect(&options);
    assert_string_equal(c->errstr, "");
    assert_int_equal(c->tcp.port, fake_server_port(server));
    assert_int_equal(fake_server_count(server, "AUTH secret"), 1);
    assert_int_equal(fake_server_count(server, "SELECT 2"), 1);
    assert_int_equal(fake_server_count(sentinels[1], "AUTH"), 0);
    valkeyFree(c);
}

static void a_server_of_another_role_is_refused(void **state) {
    (void)state;
    const struct fake_rule knowing[] = {{.command = "SENTINEL GET-MASTER", .reply = answer},
                                        {.command = "SENTINEL REPLICAS", .reply = replicas},
                                        {.reply = "+OK\r\n"}};
    for (int i = 0; i < 2; i++)
        fake_server_use(sentinels[i], knowing, 3);
    fake_server_use(server, REPLICA_RULES, 2);
    valkeySentinelOptions options = {.sentinels = addresses, .service = "service"};
    valkeyContext *c = valkeySentinelConnect(&options);
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    assert_string_equal(c->errstr, "The server has another role than the sentinel says");
    assert_int_equal(fake_server_count(sentinels[1], "SENTINEL"), 1);
    valkeyFree(c);
    options.wants_replica = 1;
    options.sentinel_password = "other";
    c = valkeySentinelConnect(&options);
    assert_string_equal(c->errstr, "");
    assert_int_equal(fake_server_count(sentinels[0], "AUTH other"), 1);
    valkeyFree(c);
}

static void answers_of_other_shapes_are_errors(void **state) {
    (void)state;
    static const char *const ANSWERS[] = {
        "+x\r\n",
        ":1\r\n",
        "*0\r\n",
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
        "*2\r\n$-1\r\n$1\r\n1\r\n",
        "*2\r\n$1\r\na\r\n$6\r\n999999\r\n",
        "*1\r\n*3\r\n$2\r\nip\r\n:1\r\n$5\r\nflags\r\n",
        "-ERR no\r\n",
        "*1\r\n:1\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(ANSWERS); i++) {
        const struct fake_rule rules[] = {{.reply = ANSWERS[i]}};
        for (int j = 0; j < 2; j++)
            fake_server_use(sentinels[j], rules, 1);
        for (int wants_replica = 0; wants_replica < 2; wants_replica++) {
            valkeySentinelOptions options = {
                .sentinels = addresses, .service = "s", .wants_replica = wants_replica};
            valkeyContext *c = valkeySentinelConnect(&options);
            assert_int_equal(c->err, VALKEY_ERR_OTHER);
            valkeyFree(c);
        }
    }
    static const char *const ADDRESSES[] = {"", "x", ":", ":1", "x:", "x:70000", "x:1y", ",", NULL};
    for (size_t i = 0; i < COUNT_OF(ADDRESSES); i++) {
        valkeySentinelOptions options = {.sentinels = ADDRESSES[i], .service = "s"};
        valkeyContext *c = valkeySentinelConnect(&options);
        assert_string_equal(c->errstr, "Invalid server address");
        valkeyFree(c);
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    const struct fake_rule knowing[] = {{.command = "SENTINEL GET-MASTER", .reply = answer},
                                        {.reply = "+OK\r\n"}};
    fake_server_use(sentinels[0], knowing, 2);
    fake_server_use(sentinels[1], (const struct fake_rule[]){{.reply = "*-1\r\n"}}, 1);
    fake_server_use(server, SERVER_RULES, 2);
    for (int at = 0, last = 0; !last; at++) {
        valkeySentinelOptions options = {.sentinels = addresses, .service = "s", .password = "x"};
        failing_allocator_install(at);
        valkeyContext *c = valkeySentinelConnect(&options);
        last = !failing_allocator_has_failed();
        assert_true(!last || (c != NULL && c->err == 0));
        valkeyFree(c);
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
    }
}

static void pause_ms(long ms) {
    struct timespec moment = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&moment, NULL);
}

static void a_failover_is_noticed(void **state) {
    (void)state;
    char config[64] = "/tmp/larder-sentinel-XXXXXX";
    int fd = mkstemp(config);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    (void)fprintf(file,
                  "port %d\nsentinel monitor service 127.0.0.1 %d 1\n"
                  "sentinel down-after-milliseconds service 300\n"
                  "sentinel failover-timeout service 3000\nprotected-mode no\n",
                  SENTINEL, PRIMARY);
    assert_int_equal(fclose(file), 0);
    struct real_server *primary = real_server_start(PRIMARY, NULL);
    struct real_server *replica =
        real_server_start(REPLICA, (const char *[]){"--replicaof", "127.0.0.1", "21720", NULL});
    struct real_server *sentinel = real_server_start_sentinel(SENTINEL, config);
    valkeySentinelOptions options = {.sentinels = "127.0.0.1:21722", .service = "service"};
    valkeyContext *c = valkeySentinelConnect(&options);
    assert_string_equal(c->errstr, "");
    assert_int_equal(c->tcp.port, PRIMARY);
    valkeyFree(c);
    options.wants_replica = 1;
    long long end = now_ms() + 30000;
    for (bool is_found = false; !is_found; pause_ms(50)) {
        assert_true(now_ms() < end);
        c = valkeySentinelConnect(&options);
        is_found = c->err == 0 && c->tcp.port == REPLICA;
        valkeyFree(c);
    }
    options.wants_replica = 0;
    real_server_stop(primary);
    for (bool is_found = false; !is_found; pause_ms(50)) {
        assert_true(now_ms() < end);
        c = valkeySentinelConnect(&options);
        is_found = c->err == 0 && c->tcp.port == REPLICA;
        valkeyFree(c);
    }
    real_server_stop(sentinel);
    real_server_stop(replica);
    (void)remove(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_servers, close_servers)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_sentinel_that_knows_is_believed), TEST(a_server_of_another_role_is_refused),
        TEST(answers_of_other_shapes_are_errors),        TEST(every_allocation_may_fail),
        cmocka_unit_test(a_failover_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
