/* SPDX-License-Identifier: BSD-3-Clause */
/* A server with four loop threads: publishers, subscribers of both protocols that count every
 * message, and clients that subscribe, unsubscribe, look and leave at any time, while keys change
 * and their events are published. No message is lost, none comes twice, each publisher's come in
 * its order, and all subscribers see those of a channel in one order. */
#include "base/random.h"
#include "server/pubsub.h"
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
    PUBLISHERS = 2,
    WATCHERS = 4,
    CHURNERS = 2,
    CLIENTS = PUBLISHERS + WATCHERS + CHURNERS,
    MESSAGES = 3000, /* of each publisher */
    BATCH_MAX = 20,
    BUFFER_BYTES = 1 << 20,
    CHANNELS = 3,
};

struct fixture {
    struct server_driver driver;
    struct watchdog watchdog;
    char directory[64], path[96];
    _Atomic unsigned ready; /* watchers that are subscribed */
    _Atomic unsigned watching;
};

struct client {
    struct fixture *f;
    unsigned number;
    struct os_thread thread;
    struct random random;
    int fd;
    uint8_t *buffer;
    size_t received, used;
    uint32_t *first_channel; /* watchers: what came on channel 0, in order */
    size_t first_channel_count;
};

static void connect_client(struct client *c) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", c->f->path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    driver_require(c->fd >= 0, "socket");
    driver_require(connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    c->received = c->used = 0;
}

static void send_text(struct client *c, const char *text, size_t size) {
    watchdog_at(&c->f->watchdog, c->number, "send");
    while (size > 0) {
        ssize_t now = send(c->fd, text, size, MSG_NOSIGNAL);
        driver_require(now > 0, "send");
        text += now;
        size -= (size_t)now;
    }
}

/* The next reply or message; borrowed until the next one. */
static struct slice read_reply(struct client *c) {
    watchdog_at(&c->f->watchdog, c->number, "receive");
    for (;;) {
        long size = resp_scan(c->buffer + c->used, c->received - c->used);
        driver_require(size != RESP_MALFORMED, "a malformed reply");
        if (size > 0) {
            c->used += (size_t)size;
            return slice_of(c->buffer + c->used - (size_t)size, (size_t)size);
        }
        memmove(c->buffer, c->buffer + c->used, c->received - c->used);
        c->received -= c->used;
        c->used = 0;
        driver_require(c->received < BUFFER_BYTES, "a reply too long");
        ssize_t now = recv(c->fd, c->buffer + c->received, BUFFER_BYTES - c->received, 0);
        driver_require(now > 0, "the server closed");
        c->received += (size_t)now;
    }
}

static void read_replies(struct client *c, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        (void)read_reply(c);
}

static unsigned draw(struct client *c, unsigned below) {
    return (unsigned)random_below(&c->random, below);
}

/* ---- publishers ---- */

static void wait_for_watchers(struct fixture *f) {
    while (atomic_load(&f->ready) < WATCHERS)
        thread_yield();
}

/* Payload: channel, publisher, number. */
static void run_publisher(void *context) {
    struct client *c = context;
    char text[BATCH_MAX * 128];
    connect_client(c);
    wait_for_watchers(c->f);
    for (unsigned sent = 0; sent < MESSAGES;) {
        unsigned replies = 0;
        size_t size = 0;
        for (unsigned i = draw(c, BATCH_MAX); i < BATCH_MAX && sent < MESSAGES; i++) {
            unsigned channel = draw(c, CHANNELS);
            bool is_transaction = draw(c, 8) == 0;
            size += (size_t)sprintf(text + size, "%sPUBLISH ch%u %u.%u.%u\r\n%s",
                                    is_transaction ? "MULTI\r\n" : "", channel, channel, c->number,
                                    sent++, is_transaction ? "EXEC\r\n" : "");
            replies += is_transaction ? 3 : 1;
            if (draw(c, 4) == 0) {
                size += (size_t)sprintf(text + size, "SET k%u x PX 3\r\n", draw(c, 50));
                replies++;
            }
        }
        send_text(c, text, size);
        read_replies(c, replies);
    }
    (void)close(c->fd);
    watchdog_at(&c->f->watchdog, c->number, "done");
}

/* ---- watchers ---- */

static void subscribe_watcher(struct client *c) {
    unsigned kind = c->number % 3;
    if (c->number % 2 == 0) {
        send_text(c, "HELLO 3\r\n", 9);
        read_replies(c, 1);
    }
    if (kind == 0) {
        send_text(c, "PSUBSCRIBE ch*\r\n", 16);
        read_replies(c, 1);
    } else {
        send_text(c, "SUBSCRIBE ch0 ch1 ch2\r\n", 23);
        read_replies(c, CHANNELS);
    }
}

static void run_watcher(void *context) {
    struct client *c = context;
    unsigned next[PUBLISHERS] = {0}, left = PUBLISHERS * MESSAGES;
    connect_client(c);
    subscribe_watcher(c);
    atomic_fetch_add(&c->f->ready, 1);
    for (; left > 0; left--) {
        struct slice message = read_reply(c);
        char payload[64];
        size_t begin = message.size - 2;
        while (message.data[begin - 1] != '\n')
            begin--;
        driver_require(message.size - begin < sizeof(payload), "a payload too long");
        memcpy(payload, message.data + begin, message.size - begin);
        payload[message.size - begin] = '\0';
        unsigned channel, publisher, number;
        driver_require(sscanf(payload, "%u.%u.%u", &channel, &publisher, &number) == 3, payload);
        driver_require(publisher < PUBLISHERS && number == next[publisher]++, "wrong order");
        if (channel == 0)
            c->first_channel[c->first_channel_count++] = publisher * MESSAGES + number;
    }
    atomic_fetch_sub(&c->f->watching, 1);
    (void)close(c->fd);
    watchdog_at(&c->f->watchdog, c->number, "done");
}

/* ---- churners ---- */

static void stay_a_while(struct client *c) {
    static const char *const SUBSCRIPTIONS[] = {
        "SUBSCRIBE ch0\r\n",    "SUBSCRIBE ch0 ch1 own\r\n",        "PSUBSCRIBE ch*\r\n",
        "PSUBSCRIBE *0 *1\r\n", "PSUBSCRIBE __key*__:*\r\n",        "SSUBSCRIBE shard\r\n",
        "SUBSCRIBE ch2\r\n",    "SUBSCRIBE __keyevent@0__:set\r\n",
    };
    static const unsigned CONFIRMATIONS[] = {1, 3, 1, 2, 1, 1, 1, 1};
    unsigned which = draw(c, 8);
    send_text(c, SUBSCRIPTIONS[which], strlen(SUBSCRIPTIONS[which]));
    read_replies(c, CONFIRMATIONS[which]);
    unsigned messages = which == 5 ? 0 : draw(c, 5);
    /* What is published may be over before they have come. */
    while (messages-- > 0 && atomic_load(&c->f->watching) == WATCHERS) {
        send_text(c, "PING\r\n", 6);
        (void)read_reply(c);
    }
}

static void run_churner(void *context) {
    static const char *const LOOKS[] = {
        "PUBSUB CHANNELS *\r\n",
        "PUBSUB NUMSUB ch0 own\r\n",
        "PUBSUB NUMPAT\r\n",
        "CLIENT LIST TYPE pubsub\r\n",
        "INFO stats\r\n",
        "SPUBLISH shard x\r\n",
        "PUBSUB SHARDNUMSUB shard\r\n",
        "CLIENT LIST\r\n",
    };
    struct client *c = context;
    while (atomic_load(&c->f->watching) > 0) {
        connect_client(c);
        for (unsigned i = 0; i < 3; i++) {
            const char *look = LOOKS[draw(c, 8)];
            send_text(c, look, strlen(look));
            (void)read_reply(c);
        }
        if (draw(c, 2) == 0) {
            send_text(c, "HELLO 3\r\n", 9);
            (void)read_reply(c);
        }
        stay_a_while(c);
        if (draw(c, 2) == 0)
            send_text(c, "UNSUBSCRIBE\r\nPUNSUBSCRIBE\r\n", 27);
        (void)close(c->fd);
    }
    watchdog_at(&c->f->watchdog, c->number, "done");
}

/* ---- all together ---- */

static void start_server(struct fixture *f) {
    strcpy(f->directory, "/tmp/larder-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
    char directives[512];
    (void)snprintf(directives, sizeof(directives),
                   "port 0\nthreads 4\npartitions 17\nunixsocket %s\n"
                   "notify-keyspace-events KEAn\nhz 100\n",
                   f->path);
    server_driver_create(&f->driver, directives);
    assert_int_equal(server_start(f->driver.server), LARDER_OK);
}

static void start_client(struct client *c, struct fixture *f, unsigned number, uint64_t seed) {
    *c = (struct client){.f = f, .number = number, .random = random_seeded(seed + number)};
    c->buffer = malloc(BUFFER_BYTES);
    c->first_channel = malloc(PUBLISHERS * MESSAGES * sizeof(uint32_t));
    assert_true(c->buffer != NULL && c->first_channel != NULL);
    struct os_thread_options thread = {
        .run = number < PUBLISHERS              ? run_publisher
               : number < PUBLISHERS + WATCHERS ? run_watcher
                                                : run_churner,
        .context = c,
        .name = "client",
        .core = OS_THREAD_ANY_CORE,
    };
    assert_int_equal(os_thread_start(&c->thread, &thread), LARDER_OK);
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

static void no_message_is_lost_and_all_see_one_order(void **state) {
    (void)state;
    static struct fixture f;
    static struct client clients[CLIENTS];
    uint64_t seed = test_seed("pubsub threads");
    start_server(&f);
    atomic_store(&f.watching, WATCHERS);
    watchdog_start(&f.watchdog, 100);
    for (unsigned i = 0; i < CLIENTS; i++)
        start_client(&clients[i], &f, i, seed);
    for (unsigned i = 0; i < CLIENTS; i++)
        os_thread_join(&clients[i].thread);
    const struct client *first = &clients[PUBLISHERS];
    for (unsigned i = 1; i < WATCHERS; i++) {
        assert_int_equal(first[i].first_channel_count, first->first_channel_count);
        assert_memory_equal(first[i].first_channel, first->first_channel,
                            first->first_channel_count * sizeof(uint32_t));
    }
    wait_until_all_have_left(f.driver.server);
    watchdog_stop(&f.watchdog);
    for (unsigned kind = 0; kind < CHANNEL_KINDS; kind++)
        assert_int_equal(pubsub_channel_count(f.driver.server, (enum channel_kind)kind), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        free(clients[i].buffer);
        free(clients[i].first_channel);
    }
    server_stop(f.driver.server);
    server_join(f.driver.server);
    server_driver_destroy(&f.driver);
    (void)unlink(f.path);
    (void)rmdir(f.directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_message_is_lost_and_all_see_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
