/* SPDX-License-Identifier: BSD-3-Clause */
/* A server with four loop threads and four clients that do everything at once: pipelines of random
 * commands, connections that come, go and are killed, settings that change, MONITOR, INFO, CLIENT
 * LIST. Every command gets one well-formed reply, nothing hangs, and the books are right at the
 * end. */
#include "support/store_fixture.h"
#include "support/test_seed.h"
#include "threads/resp_reader.h"
#include "threads/server_driver.h"
#include "threads/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/un.h>

#include <cmocka.h>

enum {
    CLIENTS = 4,
    BATCHES = 1500,
    PIPELINE_MAX = 40,
    RECONNECT_ONE_IN = 25,
    RECENT_IDS = 8,
    REPLY_MAX = 8 << 20,
};

struct fixture {
    struct server_driver driver;
    struct watchdog watchdog;
    char directory[64], path[96];
};

struct client {
    struct fixture *f;
    unsigned number;
    struct os_thread thread;
    struct random random;
    int fd;
    uint8_t *replies;
    char *request;
    uint64_t commands, kills;
};

static void connect_client(struct client *c) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", c->f->path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    driver_require(c->fd >= 0, "socket");
    driver_require(connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
}

static unsigned draw(struct client *c, unsigned below) {
    return (unsigned)random_below(&c->random, below);
}

/* %k a key, %n a number, %v a value, %i the id of a recent connection. */
static const char *const LINES[] = {
    "SET %k %v",
    "SET %k %v EX %n",
    "GET %k",
    "GET %k",
    "INCR %n",
    "DEL %k %k %k",
    "MSET %k %v %k 1",
    "MGET %k %k %k",
    "APPEND %k %n",
    "EXPIRE %k 1",
    "PERSIST %k",
    "RENAME %k %k",
    "COPY %k %k",
    "SETRANGE %k %n x",
    "GETRANGE %k 0 20",
    "SETBIT %k %n 1",
    "BITCOUNT %k",
    "BITOP OR %k %k %k",
    "STRLEN %k",
    "TTL %k",
    "TYPE %k",
    "OBJECT ENCODING %k",
    "SELECT 0",
    "SELECT 1",
    "MOVE %k 1",
    "PING",
    "ECHO %n",
    "DBSIZE",
    "SCAN 0 COUNT 20",
    "RANDOMKEY",
    "SWAPDB 0 1",
    "UNLINK %k",
    "HELLO 3",
    "HELLO 2",
    "RESET",
    "nosuchcommand %n",
    "GET",
    "INCRBYFLOAT %n 0.5",
};

static const char *const RARE_LINES[] = {
    "CLIENT LIST",
    "CLIENT INFO",
    "CLIENT KILL ID %i",
    "CLIENT SETNAME name%n",
    "CLIENT NO-TOUCH on",
    "CLIENT NO-EVICT on",
    "INFO",
    "INFO all",
    "CONFIG GET max*",
    "CONFIG SET maxmemory 3mb",
    "CONFIG SET maxmemory 0",
    "CONFIG SET maxmemory-policy allkeys-s3fifo",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG SET maxmemory-policy volatile-ttl",
    "CONFIG SET maxmemory-policy noeviction",
    "CONFIG SET slowlog-log-slower-than 0",
    "CONFIG SET slowlog-log-slower-than 10000",
    "CONFIG SET hz 50",
    "CONFIG SET maxclients 500",
    "CONFIG SET latency-monitor-threshold 1",
    "CONFIG RESETSTAT",
    "SLOWLOG GET 5",
    "SLOWLOG RESET",
    "LATENCY LATEST",
    "LATENCY HISTOGRAM",
    "COMMAND COUNT",
    "FLUSHDB",
    "FLUSHALL ASYNC",
    "KEYS k1*",
    "MEMORY USAGE %k",
    "CLIENT PAUSE 3 WRITE",
    "CLIENT UNPAUSE",
    "TIME",
    "ROLE",
    "LOLWUT",
};

static size_t draw_value(struct client *c, char *out) {
    static const unsigned SIZES[] = {1, 10, 100, 1000, 2500, 20000, 60000};
    size_t size = SIZES[draw(c, draw(c, 10) == 0 ? 7 : 4)];
    memset(out, 'v', size);
    return size;
}

static size_t fill_line(struct client *c, const char *line, char *out) {
    char *at = out;
    for (; *line != '\0'; line++) {
        if (*line != '%') {
            *at++ = *line;
            continue;
        }
        uint64_t last_id = 0;
        switch (*++line) {
        case 'k': at += sprintf(at, "k%u", draw(c, 300)); break;
        case 'n': at += sprintf(at, "%u", draw(c, 3000)); break;
        case 'v': at += draw_value(c, at); break;
        default:
            server_stats_lock(c->f->driver.server);
            last_id = c->f->driver.server->next_session_id;
            server_stats_unlock(c->f->driver.server);
            at += sprintf(at, "%u", (unsigned)last_id - draw(c, RECENT_IDS));
        }
    }
    memcpy(at, "\r\n", 2);
    return (size_t)(at + 2 - out);
}

static const char *draw_line(struct client *c) {
    if (draw(c, 20) == 0)
        return RARE_LINES[draw(c, sizeof(RARE_LINES) / sizeof(*RARE_LINES))];
    return LINES[draw(c, sizeof(LINES) / sizeof(*LINES))];
}

/* False: the connection has ended. */
static bool send_all(struct client *c, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t now = send(c->fd, c->request + sent, size - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

static bool receive_replies(struct client *c, unsigned count) {
    size_t received = 0, scanned = 0;
    for (unsigned i = 0; i < count;) {
        long size = resp_scan(c->replies + scanned, received - scanned);
        driver_require(size != RESP_MALFORMED, "a malformed reply");
        if (size > 0) {
            scanned += (size_t)size;
            i++;
            continue;
        }
        driver_require(received < REPLY_MAX, "replies too long");
        ssize_t now = recv(c->fd, c->replies + received, REPLY_MAX - received, 0);
        if (now <= 0)
            return false;
        received += (size_t)now;
    }
    driver_require(scanned == received, "more replies than commands");
    return true;
}

static void reconnect(struct client *c) {
    (void)close(c->fd);
    watchdog_at(&c->f->watchdog, c->number, "connect");
    connect_client(c);
}

/* Watch the commands of others for a while and leave, in the middle of a line as likely as not. */
static void monitor(struct client *c) {
    static const char MONITOR[] = "MONITOR\r\n";
    memcpy(c->request, MONITOR, sizeof(MONITOR) - 1);
    watchdog_at(&c->f->watchdog, c->number, "MONITOR");
    if (send_all(c, sizeof(MONITOR) - 1))
        (void)recv(c->fd, c->replies, 5, MSG_WAITALL);
    reconnect(c);
}

static void run_client(void *context) {
    struct client *c = context;
    connect_client(c);
    for (unsigned i = 0; i < BATCHES; i++) {
        unsigned count = 1 + draw(c, PIPELINE_MAX);
        size_t size = 0;
        for (unsigned k = 0; k < count; k++)
            size += fill_line(c, draw_line(c), c->request + size);
        watchdog_at(&c->f->watchdog, c->number, "send");
        bool is_alive = send_all(c, size);
        watchdog_at(&c->f->watchdog, c->number, "receive");
        is_alive = is_alive && receive_replies(c, count);
        c->commands += is_alive ? count : 0;
        c->kills += !is_alive;
        if (!is_alive || draw(c, RECONNECT_ONE_IN) == 0)
            reconnect(c);
        if (draw(c, 2 * RECONNECT_ONE_IN) == 0)
            monitor(c);
    }
    (void)close(c->fd);
    watchdog_at(&c->f->watchdog, c->number, "done");
}

static void report_server(void *context) {
    struct fixture *f = context;
    struct server *server = f->driver.server;
    for (uint32_t i = 0; i < server->node->keyspace.partition_count; i++)
        if (atomic_load(&server->node->locks[i].lock.state) != LOCK_FREE)
            (void)fprintf(stderr, "  partition %u is locked\n", i);
    (void)fprintf(stderr, "  config lock %u, registry lock %u, pool lock %u, pause mode %u\n",
                  atomic_load(&server->config_lock.state),
                  atomic_load(&server->registry_lock.state),
                  atomic_load(&server->node->pool_lock.state), atomic_load(&server->pause_mode));
    for (unsigned i = 0; i < server->thread_count; i++)
        (void)fprintf(stderr, "  loop %u: %u connections, %llu passes\n", i,
                      atomic_load(&server->threads[i].loop.connection_count),
                      (unsigned long long)server->threads[i].loop.passes);
}

static void start_server(struct fixture *f) {
    strcpy(f->directory, "/tmp/larder-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
    char directives[512];
    (void)snprintf(directives, sizeof(directives),
                   "port 0\nthreads 4\npartitions 17\nunixsocket %s\nslowlog-max-len 16\n",
                   f->path);
    server_driver_create(&f->driver, directives);
    assert_int_equal(server_start(f->driver.server), LARDER_OK);
}

static void check_and_stop(struct fixture *f) {
    struct server *server = f->driver.server;
    server_stop(server);
    server_join(server);
    for (uint32_t i = 0; i < server->node->keyspace.partition_count; i++)
        partition_check(keyspace_partition(&server->node->keyspace, i), &server->node->keyspace);
    assert_int_equal(atomic_load(&server->monitor_count), 0);
    assert_int_equal(server->session_count, 0);
    server_driver_destroy(&f->driver);
    (void)unlink(f->path);
    (void)rmdir(f->directory);
}

static void wait_until_all_have_left(struct server *server) {
    for (;;) {
        server_stats_lock(server);
        uint32_t count = server->session_count;
        server_stats_unlock(server);
        if (count == 0)
            return;
        thread_yield();
    }
}

static void clients_of_all_kinds_at_once(void **state) {
    (void)state;
    static struct fixture f;
    static struct client clients[CLIENTS];
    uint64_t seed = test_seed("server threads"), commands = 0, kills = 0;
    start_server(&f);
    f.watchdog.report = report_server;
    f.watchdog.context = &f;
    watchdog_start(&f.watchdog, 100);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.f = &f, .number = i, .random = random_seeded(seed + i)};
        clients[i].replies = malloc(REPLY_MAX);
        clients[i].request = malloc(PIPELINE_MAX * 130000);
        assert_true(clients[i].replies != NULL && clients[i].request != NULL);
        struct os_thread_options thread = {.run = run_client,
                                           .context = &clients[i],
                                           .name = "client",
                                           .core = OS_THREAD_ANY_CORE};
        assert_int_equal(os_thread_start(&clients[i].thread, &thread), LARDER_OK);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        os_thread_join(&clients[i].thread);
        free(clients[i].replies);
        free(clients[i].request);
        commands += clients[i].commands;
        kills += clients[i].kills;
    }
    wait_until_all_have_left(f.driver.server);
    watchdog_stop(&f.watchdog);
    printf("%llu commands, %llu connections ended by the server\n", (unsigned long long)commands,
           (unsigned long long)kills);
    assert_true(commands > CLIENTS * BATCHES);
    check_and_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_of_all_kinds_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
