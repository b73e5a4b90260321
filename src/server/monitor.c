/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread's message takes the whole pending buffer and sends it to each of its watchers, so the
 * walk over the thread's connections is paid once for all lines that came meanwhile. */
#include "server/monitor.h"

struct monitor_message {
    struct loop_message message;
    struct monitor_feed *feed;
    const struct allocator *allocator;
};

void monitor_feed_init(struct monitor_feed *feed, const struct allocator *allocator) {
    for (size_t i = 0; i < SERVER_THREADS_MAX; i++) {
        text_buffer_init(&feed->outlets[i].pending, allocator);
        feed->outlets[i].has_overflowed = feed->outlets[i].is_told = false;
    }
}

void monitor_feed_finish(struct monitor_feed *feed) {
    for (size_t i = 0; i < SERVER_THREADS_MAX; i++)
        text_buffer_finish(&feed->outlets[i].pending);
}

void monitor_quote(struct text_buffer *out, struct slice text) {
    static const char ESCAPED[] = "\n\r\t\a\b\"\\", LETTERS[] = "nrtab\"\\";
    text_buffer_append(out, SLICE_LITERAL("\""));
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        const char *at = c == '\0' ? NULL : strchr(ESCAPED, c);
        if (at != NULL) {
            char pair[2] = {'\\', LETTERS[at - ESCAPED]};
            text_buffer_append(out, slice_of(pair, 2));
        } else if (c >= ' ' && c < 0x7f) {
            text_buffer_append(out, slice_of(&c, 1));
        } else {
            text_buffer_format(out, "\\x%02x", c);
        }
    }
    text_buffer_append(out, SLICE_LITERAL("\""));
}

static void deliver(struct loop *loop, struct slice lines, bool has_overflowed) {
    for (struct connection *c = loop->connections; c != NULL; c = c->next) {
        struct session *session = session_of(c);
        if ((session->flags & (SESSION_MONITOR | SESSION_CLOSING)) != SESSION_MONITOR ||
            (c->flags & CONNECTION_BROKEN) != 0)
            continue;
        if (has_overflowed || connection_send_bytes(c, lines) != LARDER_OK) {
            loop_break(loop, c);
            continue;
        }
        loop_watch(loop, c);
        session_note(session);
    }
}

static void run_message(struct loop *loop, struct loop_message *message) {
    struct monitor_message *m = (struct monitor_message *)message;
    struct server *server = thread_of_loop(loop)->server;
    struct monitor_outlet *outlet = &m->feed->outlets[loop->index];
    server_stats_lock(server);
    struct text_buffer lines = outlet->pending;
    bool has_overflowed = outlet->has_overflowed || lines.is_out_of_memory;
    text_buffer_init(&outlet->pending, lines.allocator);
    outlet->has_overflowed = outlet->is_told = false;
    server_stats_unlock(server);
    deliver(loop, text_buffer_slice(&lines), has_overflowed);
    text_buffer_finish(&lines);
    allocator_release(m->allocator, m, sizeof(*m));
}

/* Whether the thread has to be told; it then counts as told. */
static bool append(struct monitor_outlet *outlet, struct slice line) REQUIRES(STATS_LOCK) {
    bool was_told = outlet->is_told;
    outlet->is_told = true;
    if (outlet->pending.size + line.size > MONITOR_PENDING_BYTES)
        outlet->has_overflowed = true;
    else
        text_buffer_append(&outlet->pending, line);
    return !was_told;
}

/* Without memory for a message the lines wait for the next command's. */
static void tell(struct server *server, struct monitor_feed *feed, unsigned index) {
    struct monitor_message *message = allocator_allocate(server->allocator, sizeof(*message));
    if (message == NULL) {
        server_stats_lock(server);
        feed->outlets[index].is_told = false;
        server_stats_unlock(server);
        return;
    }
    *message = (struct monitor_message){{NULL, run_message}, feed, server->allocator};
    loop_post(&server->threads[index].loop, &message->message);
}

void monitor_publish(struct server *server, struct monitor_feed *feed, struct slice line) {
    bool wants_message[SERVER_THREADS_MAX];
    server_stats_lock(server);
    for (unsigned i = 0; i < server->thread_count; i++)
        wants_message[i] = append(&feed->outlets[i], line);
    server_stats_unlock(server);
    for (unsigned i = 0; i < server->thread_count; i++)
        if (wants_message[i])
            tell(server, feed, i);
}
