/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of a loop, over socket pairs: what is sent arrives whole and in order however slowly
 * it is read, what came too early is kept, memory is given back, and ends are told. */
#include "net/loop.h"
#include "os/clock.h"
#include "support/test_allocator.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct loop loop;
    struct test_allocator allocator;
    struct loop_message stop;
    int peer; /* the client's end */
    unsigned opened, closing, batches, ticks, messages;
    bool refuses, receives;
    uint8_t got[1 << 16]; /* by the batch handler */
    size_t got_size;
};

/* The handler's context is where the loop lies. */
static struct fixture *fixture_of(struct loop *loop) {
    return (struct fixture *)loop;
}

static bool opened(struct loop *loop, struct connection *c) {
    struct fixture *f = fixture_of(loop);
    f->opened++;
    if (!f->refuses)
        return true;
    assert_int_equal(connection_send_bytes(c, SLICE_LITERAL("-ERR no\r\n")), LARDER_OK);
    return false;
}

static void closing(struct loop *loop, struct connection *c) {
    (void)c;
    fixture_of(loop)->closing++;
}

static void tick(struct loop *loop) {
    fixture_of(loop)->ticks++;
}

static void batch(struct loop *loop, struct connection **ready, size_t count) {
    struct fixture *f = fixture_of(loop);
    f->batches++;
    for (size_t i = 0; i < count && f->receives; i++) {
        uint8_t scratch[1000], *data;
        size_t size;
        enum larder_status status =
            connection_receive(ready[i], scratch, sizeof(scratch), &data, &size);
        if (status == LARDER_CLOSED || status == LARDER_IO) {
            loop_break(loop, ready[i]);
            continue;
        }
        assert_true(f->got_size + size <= sizeof(f->got));
        memcpy(f->got + f->got_size, data, size);
        f->got_size += size;
        assert_int_equal(connection_keep(ready[i], data, 0), LARDER_OK);
    }
}

static void setup(struct fixture *f) {
    memset(f, 0, sizeof(*f));
    test_allocator_init(&f->allocator);
    struct loop_handler handler = {.context = f,
                                   .connection_bytes = sizeof(struct connection),
                                   .opened = opened,
                                   .batch = batch,
                                   .closing = closing,
                                   .tick = tick};
    assert_int_equal(loop_init(&f->loop, &f->allocator.base, 0, &handler), LARDER_OK);
    atomic_store(&f->loop.tick_ms, 10);
    f->receives = true;
}

static void teardown(struct fixture *f) {
    loop_finish(&f->loop);
    (void)close(f->peer);
    assert_int_equal(f->opened, f->closing);
    assert_int_equal(f->allocator.heap_blocks, 0);
    assert_int_equal(f->allocator.heap_bytes, 0);
}

static void stop_loop(struct loop *loop, struct loop_message *message) {
    (void)message;
    fixture_of(loop)->messages++;
    atomic_store(&loop->is_stopping, true);
}

/* One pass. */
static void step(struct fixture *f) {
    atomic_store(&f->loop.is_stopping, false);
    f->stop.run = stop_loop;
    loop_post(&f->loop, &f->stop);
    loop_run(&f->loop);
}

/* Connect; the loop's end, or NULL. */
static struct connection *connect_peer(struct fixture *f, enum larder_status expected) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    int small = 8192;
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    struct socket_peer peer = {.fd = fds[1], .is_unix = true, .is_loopback = true};
    f->peer = fds[0];
    assert_int_equal(loop_adopt(&f->loop, &peer, NULL), expected);
    return f->loop.connections;
}

static size_t receive_some(struct fixture *f, uint8_t *room, size_t size) {
    ssize_t got = recv(f->peer, room, size, 0);
    return got > 0 ? (size_t)got : 0;
}

static void send_text(struct fixture *f, const char *text) {
    assert_int_equal(send(f->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static struct blob *blob_of(struct fixture *f, size_t size, uint8_t seed) {
    struct blob *blob = blob_create(&f->allocator.base, size);
    assert_non_null(blob);
    for (size_t i = 0; i < size; i++)
        blob->data[i] = (uint8_t)(seed + i * 13 + i / 251);
    blob->size = size;
    return blob;
}

/* ---- sending ---- */

enum { BLOBS = 40, BLOB_BYTES = 50000 };

/* Numbered lines with blobs in between, and the same as plain bytes. */
static size_t write_mixed(struct fixture *f, struct reply *reply, uint8_t *expected) {
    size_t size = 0;
    for (unsigned i = 0; i < BLOBS; i++) {
        struct blob *blob = blob_of(f, BLOB_BYTES + i, (uint8_t)i);
        for (unsigned k = 0; k < i % 5; k++) {
            reply_integer(reply, i * 1000 + k);
            size += (size_t)sprintf((char *)expected + size, ":%u\r\n", i * 1000 + k);
        }
        reply_blob(reply, blob);
        size += (size_t)sprintf((char *)expected + size, "$%zu\r\n", blob->size);
        memcpy(expected + size, blob->data, blob->size);
        size += blob->size;
        memcpy(expected + size, "\r\n", 2);
        size += 2;
        blob_release(blob);
    }
    return size;
}

/* Read `chunk` bytes per pass until nothing comes any more. */
static size_t drain(struct fixture *f, uint8_t *out, size_t chunk, size_t limit) {
    size_t size = 0;
    for (unsigned quiet = 0; quiet < 3 && size < limit; quiet++) {
        size_t got = receive_some(f, out + size, chunk);
        size += got;
        step(f);
        quiet = got > 0 ? 0 : quiet;
    }
    return size;
}

static void send_mixed(size_t chunk) {
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    size_t capacity = BLOBS * (BLOB_BYTES + 200);
    uint8_t *expected = malloc(capacity), *received = malloc(capacity);
    assert_true(expected != NULL && received != NULL);
    struct reply reply;
    reply_init(&reply, &f.allocator.base);
    reply_simple(&reply, "of another connection");
    struct reply_mark from = reply_mark(&reply);
    size_t size = write_mixed(&f, &reply, expected);
    struct reply_mark to = reply_mark(&reply);
    reply_simple(&reply, "of a third");
    assert_int_equal(connection_send(c, &reply, from, to), LARDER_OK);
    assert_non_null(c->output);
    reply_finish(&reply); /* what waits does not need it */
    assert_int_equal(connection_pending(c) + c->bytes_sent, size);
    assert_true(connection_buffer_bytes(c) < 100000); /* blobs are not copied */
    assert_int_equal(connection_send_bytes(c, SLICE_LITERAL("+behind\r\n")), LARDER_OK);
    assert_int_equal(drain(&f, received, chunk, capacity), size + 9);
    assert_memory_equal(received, expected, size);
    assert_memory_equal(received + size, "+behind\r\n", 9);
    assert_null(c->output);
    assert_int_equal(connection_pending(c), 0);
    assert_int_equal(c->bytes_sent, size + 9);
    free(expected);
    free(received);
    teardown(&f);
}

static void large_replies_arrive_however_slowly_they_are_read(void **state) {
    (void)state;
    static const size_t CHUNKS[] = {1 << 20, 30000, 4099};
    for (size_t i = 0; i < sizeof(CHUNKS) / sizeof(*CHUNKS); i++)
        send_mixed(CHUNKS[i]);
}

static void what_waits_is_moved_up_when_much_was_sent(void **state) {
    (void)state;
    enum { LINES = 40000 };
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    char *expected = malloc(LINES * 8), *received = malloc(LINES * 8);
    assert_true(expected != NULL && received != NULL);
    size_t size = 0, got = 0, most = 0;
    for (unsigned i = 0; i < LINES; i++) {
        size += (size_t)sprintf(expected + size, "%06u\n", i);
        assert_int_equal(connection_send_bytes(c, slice_of(expected + size - 7, 7)), LARDER_OK);
        if (i % 8 == 0)
            got += receive_some(&f, (uint8_t *)received + got, 50);
        size_t bytes = connection_buffer_bytes(c);
        most = bytes > most ? bytes : most;
    }
    assert_true(most < 2 * LINES * 7 + 1000);
    got += drain(&f, (uint8_t *)received + got, 5000, size);
    assert_int_equal(got, size);
    assert_memory_equal(received, expected, size);
    assert_true(connection_buffer_bytes(c) < 1000);
    free(expected);
    free(received);
    teardown(&f);
}

static void a_peer_that_left_ends_the_connection(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    (void)close(f.peer);
    f.peer = -1;
    assert_int_not_equal(connection_send_bytes(c, SLICE_LITERAL("+x\r\n")), LARDER_OK);
    step(&f);
    step(&f);
    assert_int_equal(f.closing, 1);
    assert_null(f.loop.connections);
    teardown(&f);
}

static void whoever_is_refused_is_told_why(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    f.refuses = true;
    (void)connect_peer(&f, LARDER_OK);
    step(&f);
    uint8_t text[32];
    assert_int_equal(receive_some(&f, text, sizeof(text)), 9);
    assert_memory_equal(text, "-ERR no\r\n", 9);
    assert_int_equal(f.closing, 1);
    assert_int_equal(f.batches, 0);
    teardown(&f);
}

static void closing_waits_for_what_is_to_be_sent(void **state) {
    (void)state;
    enum { SIZE = 500000 };
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    uint8_t *bytes = calloc(1, SIZE);
    assert_non_null(bytes);
    assert_int_equal(connection_send_bytes(c, slice_of(bytes, SIZE)), LARDER_OK);
    c->flags |= CONNECTION_CLOSE_AFTER_SEND;
    loop_queue(&f.loop, c);
    send_text(&f, "read by nobody");
    for (int i = 0; i < 3; i++)
        step(&f);
    assert_int_equal(f.closing, 0);
    assert_int_equal(f.got_size, 0);
    assert_int_equal(drain(&f, bytes, 100000, SIZE), SIZE);
    step(&f);
    step(&f);
    assert_int_equal(f.closing, 1);
    free(bytes);
    teardown(&f);
}

/* ---- receiving ---- */

static void what_came_too_early_is_kept(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    uint8_t scratch[64], *data;
    size_t size;
    send_text(&f, "abcdef");
    assert_int_equal(connection_receive(c, scratch, sizeof(scratch), &data, &size), LARDER_OK);
    assert_ptr_equal(data, scratch);
    assert_int_equal(size, 6);
    assert_int_equal(connection_keep(c, data + 4, 2), LARDER_OK);
    assert_int_equal(connection_receive(c, scratch, sizeof(scratch), &data, &size), LARDER_AGAIN);
    assert_int_equal(size, 2);
    assert_memory_equal(data, "ef", 2);
    send_text(&f, "gh");
    assert_int_equal(connection_receive(c, scratch, sizeof(scratch), &data, &size), LARDER_OK);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "efgh", 4);
    assert_int_equal(connection_keep(c, data + 1, 3), LARDER_OK);
    assert_int_equal(connection_receive(c, scratch, sizeof(scratch), &data, &size), LARDER_AGAIN);
    assert_memory_equal(data, "fgh", 3);
    assert_int_equal(connection_keep(c, data, 0), LARDER_OK);
    assert_int_equal(connection_buffer_bytes(c), 0); /* an idle connection holds nothing */
    assert_int_equal(c->bytes_received, 8);
    teardown(&f);
}

static void a_kept_buffer_grows_and_shrinks(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    static uint8_t bytes[200000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i / 7);
    assert_int_equal(connection_keep(c, bytes, sizeof(bytes)), LARDER_OK);
    size_t large = connection_buffer_bytes(c), left = sizeof(bytes);
    while (left > 100) {
        left -= left / 3;
        assert_int_equal(connection_keep(c, c->input + c->input_used - left, left), LARDER_OK);
        assert_memory_equal(c->input, bytes + sizeof(bytes) - left, left);
    }
    assert_true(connection_buffer_bytes(c) <= large / 8);
    teardown(&f);
}

/* ---- out of memory ---- */

static bool send_with_failure(uint64_t allocation) {
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    uint8_t *expected = malloc(BLOBS * (BLOB_BYTES + 200));
    assert_non_null(expected);
    struct reply reply;
    reply_init(&reply, &f.allocator.base);
    (void)write_mixed(&f, &reply, expected);
    free(expected);
    test_allocator_fail_in(&f.allocator, allocation, 0);
    enum larder_status status =
        connection_send(c, &reply, (struct reply_mark){0, 0, 0}, reply_mark(&reply));
    bool has_failed = f.allocator.failures > 0;
    assert_int_equal(status, has_failed ? LARDER_NO_MEMORY : LARDER_OK);
    test_allocator_fail_never(&f.allocator);
    reply_finish(&reply);
    loop_break(&f.loop, c);
    step(&f);
    assert_int_equal(f.closing, 1);
    teardown(&f);
    return has_failed;
}

static void sending_may_fail_for_memory_anywhere(void **state) {
    (void)state;
    uint64_t allocation = 1;
    while (send_with_failure(allocation))
        allocation++;
    assert_true(allocation > 3);
}

static void adopting_may_fail_for_memory_anywhere(void **state) {
    (void)state;
    for (uint64_t allocation = 1; allocation <= 2; allocation++) {
        static struct fixture f;
        setup(&f);
        test_allocator_fail_in(&f.allocator, allocation, 0);
        assert_null(connect_peer(&f, LARDER_NO_MEMORY));
        uint8_t byte;
        assert_int_equal(recv(f.peer, &byte, 1, 0), 0); /* closed */
        teardown(&f);
    }
}

/* ---- the loop ---- */

static void a_queued_connection_is_served_without_new_bytes(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    step(&f);
    assert_int_equal(f.batches, 0);
    loop_queue(&f.loop, c);
    loop_queue(&f.loop, c);
    step(&f);
    assert_int_equal(f.batches, 1);
    step(&f);
    assert_int_equal(f.batches, 1);
    teardown(&f);
}

static void a_paused_connection_is_not_read(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    struct connection *c = connect_peer(&f, LARDER_OK);
    c->flags |= CONNECTION_PAUSED;
    loop_watch(&f.loop, c);
    send_text(&f, "later");
    step(&f);
    assert_int_equal(f.got_size, 0);
    c->flags &= ~(uint32_t)CONNECTION_PAUSED;
    loop_watch(&f.loop, c);
    step(&f);
    assert_int_equal(f.got_size, 5);
    teardown(&f);
}

static void many_connections_make_one_batch(void **state) {
    (void)state;
    enum { PEERS = 100 };
    static struct fixture f;
    int peers[PEERS];
    setup(&f);
    for (int i = 0; i < PEERS; i++) {
        (void)connect_peer(&f, LARDER_OK);
        peers[i] = f.peer;
        send_text(&f, "x");
    }
    step(&f);
    assert_int_equal(f.batches, 1);
    assert_int_equal(f.got_size, PEERS);
    for (int i = 0; i < PEERS; i++)
        (void)close(peers[i]);
    f.peer = -1;
    step(&f);
    assert_int_equal(f.closing, PEERS);
    assert_int_equal(atomic_load(&f.loop.connection_count), 0);
    teardown(&f);
}

static void count_message(struct loop *loop, struct loop_message *message) {
    (void)message;
    fixture_of(loop)->messages++;
}

static void messages_are_run_in_the_next_pass_or_at_the_end(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    (void)connect_peer(&f, LARDER_OK);
    struct loop_message first = {.run = count_message}, last = {.run = count_message};
    loop_post(&f.loop, &first);
    step(&f);
    assert_int_equal(f.messages, 2);
    loop_post(&f.loop, &last);
    teardown(&f);
    assert_int_equal(f.messages, 3);
}

static void the_tick_comes_in_its_period(void **state) {
    (void)state;
    static struct fixture f;
    setup(&f);
    (void)connect_peer(&f, LARDER_OK);
    uint64_t from = clock_monotonic_ns();
    while (f.ticks < 5)
        step(&f);
    assert_true(clock_monotonic_ns() - from >= 4 * 10 * 1000000ull);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_replies_arrive_however_slowly_they_are_read),
        cmocka_unit_test(what_waits_is_moved_up_when_much_was_sent),
        cmocka_unit_test(a_peer_that_left_ends_the_connection),
        cmocka_unit_test(whoever_is_refused_is_told_why),
        cmocka_unit_test(closing_waits_for_what_is_to_be_sent),
        cmocka_unit_test(what_came_too_early_is_kept),
        cmocka_unit_test(a_kept_buffer_grows_and_shrinks),
        cmocka_unit_test(sending_may_fail_for_memory_anywhere),
        cmocka_unit_test(adopting_may_fail_for_memory_anywhere),
        cmocka_unit_test(a_queued_connection_is_served_without_new_bytes),
        cmocka_unit_test(a_paused_connection_is_not_read),
        cmocka_unit_test(many_connections_make_one_batch),
        cmocka_unit_test(messages_are_run_in_the_next_pass_or_at_the_end),
        cmocka_unit_test(the_tick_comes_in_its_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
