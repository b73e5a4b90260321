/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of memory at every allocation of publishing and subscribing: a subscription is refused whole,
 * a publication reaches as many as its reply says, a session that would miss one is ended, and all
 * memory is back when the server is gone. */
#include "server/pubsub.h"
#include "support/store_fixture.h"
#include "threads/resp_reader.h"
#include "threads/server_driver.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char DIRECTIVES[] =
    "port 0\nthreads 1\npartitions 3\nnotify-keyspace-events KEA\nslowlog-log-slower-than -1\n";

enum { TEXT_MAX = 1 << 20, QUIET_PASSES = 3 };

enum side { SUBSCRIBER, PUBLISHER, SIDES };

static const struct step {
    enum side side;
    const char *line; /* @: a long message */
} SCRIPT[] = {
    {SUBSCRIBER, "HELLO 3"},
    {SUBSCRIBER, "SUBSCRIBE a b"},
    {SUBSCRIBER, "PSUBSCRIBE a*"},
    {SUBSCRIBER, "SSUBSCRIBE s"},
    {PUBLISHER, "PUBLISH a one"},
    {PUBLISHER, "PUBLISH b @"},
    {PUBLISHER, "PUBLISH nobody @"},
    {PUBLISHER, "SPUBLISH s two"},
    {PUBLISHER, "MULTI\r\nPUBLISH a three\r\nSPUBLISH s four\r\nPUBLISH b five\r\nEXEC"},
    {SUBSCRIBER, "SUBSCRIBE c1 c2 c3 c4 c5 c6 c7 c8 c9 c10 c11 c12 c13 c14 c15 c16 c17"},
    {PUBLISHER, "PUBLISH c1 six\r\nPUBLISH a seven\r\nPUBLISH c17 eight"},
    {SUBSCRIBER, "PUBLISH b myself"},
    {SUBSCRIBER, "UNSUBSCRIBE a c1"},
    {PUBLISHER, "PUBLISH a nine\r\nPUBLISH c1 ten"},
    {SUBSCRIBER, "UNSUBSCRIBE"},
    {SUBSCRIBER, "PUNSUBSCRIBE"},
    {PUBLISHER, "PUBLISH a eleven"},
};
enum { STEPS = sizeof(SCRIPT) / sizeof(*SCRIPT) };

struct fixture {
    struct server_driver driver;
    struct test_allocator allocator;
    int fds[SIDES];
    char *texts[SIDES]; /* what each side has received */
    size_t sizes[SIDES];
    bool has_ended[SIDES];
};

static void connect_side(struct fixture *f, enum side side) {
    do
        f->fds[side] = server_driver_connect(&f->driver);
    while (f->fds[side] < 0);
}

static void start(struct fixture *f) {
    *f = (struct fixture){.fds = {-1, -1}};
    test_allocator_init(&f->allocator);
    assert_int_equal(server_driver_try_create(&f->driver, DIRECTIVES, &f->allocator.base),
                     LARDER_OK);
    for (unsigned side = 0; side < SIDES; side++) {
        connect_side(f, (enum side)side);
        f->texts[side] = malloc(TEXT_MAX);
        assert_non_null(f->texts[side]);
    }
}

static void stop(struct fixture *f) {
    test_allocator_fail_never(&f->allocator);
    for (unsigned side = 0; side < SIDES; side++) {
        (void)close(f->fds[side]);
        free(f->texts[side]);
    }
    for (unsigned i = 0; i < QUIET_PASSES; i++)
        server_driver_step(&f->driver);
    for (unsigned kind = 0; kind < CHANNEL_KINDS; kind++)
        assert_int_equal(pubsub_channel_count(f->driver.server, (enum channel_kind)kind), 0);
    server_driver_destroy(&f->driver);
    assert_int_equal(f->allocator.heap_blocks, 0);
    assert_int_equal(f->allocator.heap_bytes, 0);
}

/* True: something came. */
static bool receive(struct fixture *f, enum side side) {
    bool is_closed;
    size_t got = driver_receive(f->fds[side], (uint8_t *)f->texts[side] + f->sizes[side],
                                TEXT_MAX - 1 - f->sizes[side], &is_closed);
    f->sizes[side] += got;
    f->texts[side][f->sizes[side]] = '\0';
    if (is_closed) {
        f->has_ended[side] = true;
        (void)close(f->fds[side]);
        connect_side(f, side);
    }
    return got > 0 || is_closed;
}

static void run(struct fixture *f, const struct step *step) {
    static char line[TEXT_MAX];
    size_t size = 0;
    for (const char *at = step->line; *at != '\0'; at++) {
        if (*at == '@')
            memset(line + size, 'm', 20000);
        else
            line[size] = *at;
        size += *at == '@' ? 20000 : 1;
    }
    memcpy(line + size, "\r\n", 2);
    driver_send(f->fds[step->side], line, size + 2);
    for (unsigned quiet = 0; quiet < QUIET_PASSES; quiet++) {
        server_driver_step(&f->driver);
        bool has_come = receive(f, SUBSCRIBER);
        has_come = receive(f, PUBLISHER) || has_come;
        if (has_come)
            quiet = 0;
    }
}

static void check_form(const struct fixture *f, enum side side) {
    const uint8_t *data = (const uint8_t *)f->texts[side];
    for (size_t at = 0; at < f->sizes[side];) {
        long size = resp_scan(data + at, f->sizes[side] - at);
        assert_true(size > 0);
        at += (size_t)size;
    }
}

static unsigned occurrences(const char *text, const char *part) {
    unsigned count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

static unsigned messages_of(const struct fixture *f) {
    const char *text = f->texts[SUBSCRIBER];
    return occurrences(text, "$7\r\nmessage\r\n") + occurrences(text, "$8\r\npmessage\r\n") +
           occurrences(text, "$8\r\nsmessage\r\n");
}

/* The sum of the publisher's integer replies. */
static unsigned receivers_of(const struct fixture *f) {
    unsigned sum = 0;
    for (const char *at = f->texts[PUBLISHER]; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (*at == ':')
            sum += (unsigned)strtoul(at + 1, NULL, 10);
        if (*at == '\0')
            break;
    }
    return sum;
}

/* What the subscriber's own publication was answered. */
static unsigned own_receivers_of(const struct fixture *f) {
    const char *own = strstr(f->texts[SUBSCRIBER], "myself\r\n:");
    return own != NULL ? 1 : 0;
}

static bool run_script(uint64_t allocation, unsigned *refusals, unsigned *endings) {
    struct fixture f;
    start(&f);
    test_allocator_fail_in(&f.allocator, allocation, 0);
    for (size_t i = 0; i < STEPS; i++)
        run(&f, &SCRIPT[i]);
    bool has_failed = f.allocator.failures > 0;
    bool has_ended = f.has_ended[SUBSCRIBER] || f.has_ended[PUBLISHER];
    unsigned refused =
        occurrences(f.texts[SUBSCRIBER], "-OOM") + occurrences(f.texts[PUBLISHER], "-OOM");
    *refusals += refused;
    *endings += has_ended;
    if (!has_ended) {
        check_form(&f, SUBSCRIBER);
        check_form(&f, PUBLISHER);
        assert_int_equal(messages_of(&f), receivers_of(&f) + own_receivers_of(&f));
    }
    if (!has_failed) {
        assert_int_equal(refused, 0);
        assert_int_equal(messages_of(&f), 14);
    }
    stop(&f);
    return has_failed;
}

static void what_finds_no_memory_is_refused_whole(void **state) {
    (void)state;
    unsigned refusals = 0, endings = 0;
    uint64_t allocation = 1;
    while (run_script(allocation, &refusals, &endings))
        allocation++;
    printf("%llu allocations: %u commands refused, %u runs with an ended connection\n",
           (unsigned long long)allocation - 1, refusals, endings);
    assert_true(refusals > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_finds_no_memory_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
