/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about whole databases. What a flush leaves to be freed is freed before the reply (SYNC)
 * or in slices between passes of the loop (ASYNC): a message that posts itself until it is done. */
#include "base/glob.h"
#include "node/keyspace_admin.h"
#include "node/scan.h"
#include "server/figures.h"
#include "server/session_commands.h"

static struct node_thread *node_thread_of(struct session *session) {
    return &session->thread->node_thread;
}

static void reply_no_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

/* ---- SCAN and KEYS ---- */

enum { SCAN_COUNT_DEFAULT = 10 };

struct collector {
    struct reply *reply; /* keys as bulk strings */
    size_t count;
    bool has_pattern, has_type;
    struct slice pattern, type;
};

static const char *type_name(const struct entry *entry) {
    return entry->value.kind == VALUE_OBJECT ? object_kind_name(entry->value.object->type->kind)
                                             : "string";
}

static void collect(void *context, const struct entry *entry) {
    struct collector *collector = context;
    if ((collector->has_type && !slice_equal_word(collector->type, type_name(entry))) ||
        (collector->has_pattern && !glob_match(collector->pattern, entry->key)))
        return;
    reply_bulk(collector->reply, entry->key);
    collector->count++;
}

/* As strtoul reads it: digits after an optional sign, negative numbers wrapping around, up to a
 * NUL; nothing at all is 0. */
static bool parse_cursor(struct slice text, uint64_t *out) {
    const uint8_t *nul = text.size > 0 ? memchr(text.data, '\0', text.size) : NULL;
    if (nul != NULL)
        text.size = (size_t)(nul - text.data);
    bool has_sign = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    uint64_t value = 0;
    *out = 0;
    if (has_sign && text.size == 1)
        return false;
    for (size_t i = has_sign; i < text.size; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = has_sign && text.data[0] == '-' ? 0 - value : value;
    return true;
}

/* The options behind the cursor. False: an error was written. */
static bool parse_scan(struct call *call, struct node_scan *scan, struct collector *collector) {
    for (size_t i = 2; i < call->argc; i += 2) {
        struct slice name = call->argv[i];
        bool has_value = i + 1 < call->argc;
        struct slice value = has_value ? call->argv[i + 1] : name;
        int64_t count;
        if (has_value && slice_equal_word(name, "count")) {
            if (!call_integer(call, value, &count))
                return false;
            if (count < 1) {
                (void)!call_syntax_error(call);
                return false;
            }
            scan->wanted = (uint64_t)count;
        } else if (has_value && slice_equal_word(name, "match")) {
            collector->pattern = value;
            collector->has_pattern = !glob_is_all(value);
        } else if (has_value && slice_equal_word(name, "type")) {
            collector->type = value;
            collector->has_type = true;
        } else {
            (void)!call_syntax_error(call);
            return false;
        }
    }
    return true;
}

void session_command_scan(struct session *session, struct call *call) {
    struct reply keys;
    struct collector collector = {.reply = &keys};
    struct node_scan scan = {.database = session->database,
                             .wanted = SCAN_COUNT_DEFAULT,
                             .visitor = collect,
                             .context = &collector};
    uint64_t cursor;
    if (!parse_cursor(call->argv[1], &cursor)) {
        reply_error(call->reply, "ERR invalid cursor");
        return;
    }
    if (!parse_scan(call, &scan, &collector))
        return;
    reply_init(&keys, session->server->allocator);
    bool is_valid;
    uint64_t next = node_scan_step(node_thread_of(session), &scan, cursor, &is_valid);
    if (keys.failed) {
        reply_no_memory(call);
    } else {
        uint8_t text[INT64_TEXT_MAX];
        reply_array(call->reply, 2);
        reply_bulk(call->reply, slice_of(text, uint64_format(next, text)));
        reply_array(call->reply, collector.count);
        reply_raw(call->reply, slice_of(keys.data, keys.used));
    }
    reply_finish(&keys);
}

void session_command_keys(struct session *session, struct call *call) {
    struct collector collector = {
        .reply = call->reply, .has_pattern = !glob_is_all(call->argv[1]), .pattern = call->argv[1]};
    struct reply_mark mark = reply_mark(call->reply);
    size_t begin = reply_deferred_begin(call->reply);
    node_visit(node_thread_of(session), session->database, collect, &collector);
    if (!call->reply->failed)
        reply_deferred_end(call->reply, begin, '*', collector.count);
    if (!call->reply->failed)
        return;
    reply_cut(call->reply, mark);
    reply_no_memory(call);
}

static void reply_key(void *context, const struct entry *entry) {
    reply_bulk(context, entry->key);
}

void session_command_randomkey(struct session *session, struct call *call) {
    if (!node_visit_random(node_thread_of(session), session->database, reply_key, call->reply))
        reply_null(call->reply);
}

/* Where keys expire, what has is deleted first, within limits of time, so that it is not counted.
 */
void session_command_dbsize(struct session *session, struct call *call) {
    enum { SWEEP_US = 1000 };
    struct node_thread *thread = node_thread_of(session);
    struct database_figures figures;
    figures_database(session->server, session->database, session->thread->now_ms, &figures);
    if (figures.expiring > 0) {
        node_sweep(thread, SWEEP_US);
        figures.keys = node_key_count(thread->node, session->database);
    }
    reply_integer(call->reply, (int64_t)figures.keys);
}

/* ---- FLUSHDB, FLUSHALL, SWAPDB ---- */

enum { FLUSH_BUDGET = 4096, FLUSH_SLICES_PER_PASS = 4 };

struct flush_message {
    struct loop_message message;
    struct node_flush flush;
};

static void finish_flush(struct node_thread *thread, struct node_flush *flush) {
    while (node_flush_step(thread, flush, FLUSH_BUDGET))
        ;
    node_trim(thread->node);
}

static void run_flush(struct loop *loop, struct loop_message *message) {
    struct flush_message *job = (struct flush_message *)message;
    struct node_thread *thread = &thread_of_loop(loop)->node_thread;
    if (!atomic_load_explicit(&loop->is_stopping, memory_order_relaxed)) {
        for (unsigned i = 0; i < FLUSH_SLICES_PER_PASS; i++) {
            if (node_flush_step(thread, &job->flush, FLUSH_BUDGET))
                continue;
            node_trim(thread->node);
            allocator_release(thread->node->allocator, job, sizeof(*job));
            return;
        }
        loop_post(loop, message);
        return;
    }
    finish_flush(thread, &job->flush);
    allocator_release(thread->node->allocator, job, sizeof(*job));
}

/* Free now, or later if asked for and there is memory for the message. */
static void dispose(struct session *session, struct node_flush *flush, bool is_async) {
    struct node_thread *thread = node_thread_of(session);
    struct flush_message *job = NULL;
    if (is_async)
        job = allocator_allocate(thread->node->allocator, sizeof(*job));
    if (job == NULL) {
        finish_flush(thread, flush);
        return;
    }
    *job = (struct flush_message){{NULL, run_flush}, *flush};
    loop_post(&session->thread->loop, &job->message);
}

/* False: a syntax error was written. */
static bool parse_flush(struct session *session, struct call *call, bool *is_async) {
    if (call->argc == 2 && slice_equal_word(call->argv[1], "async")) {
        *is_async = true;
    } else if (call->argc == 2 && slice_equal_word(call->argv[1], "sync")) {
        *is_async = false;
    } else if (call->argc > 1) {
        (void)!call_syntax_error(call);
        return false;
    } else {
        *is_async = atomic_load_explicit(&session->server->flushes_lazily, memory_order_relaxed);
    }
    return true;
}

static void reply_done(struct reply *reply, enum larder_status status) {
    if (status == LARDER_OK)
        reply_ok(reply);
    else
        reply_error(reply, NODE_OUT_OF_MEMORY_TEXT);
}

void session_command_flushdb(struct session *session, struct call *call) {
    struct node_flush flush = {.has_dead = false};
    bool is_async;
    if (!parse_flush(session, call, &is_async))
        return;
    enum larder_status status =
        node_flush_database(node_thread_of(session), session->database, &flush);
    dispose(session, &flush, is_async);
    reply_done(call->reply, status);
}

void session_command_flushall(struct session *session, struct call *call) {
    struct node_flush flush = {.has_dead = false};
    bool is_async;
    if (!parse_flush(session, call, &is_async))
        return;
    enum larder_status status = node_flush_all(node_thread_of(session), &flush);
    dispose(session, &flush, is_async);
    reply_done(call->reply, status);
}

static bool parse_database(struct call *call, size_t index, const char *error, int64_t *out) {
    if (slice_to_int64(call->argv[index], out) && *out >= INT32_MIN && *out <= INT32_MAX)
        return true;
    reply_error(call->reply, error);
    return false;
}

void session_command_swapdb(struct session *session, struct call *call) {
    struct node *node = session->server->node;
    int64_t a, b, count = node->keyspace.database_count;
    if (!parse_database(call, 1, "ERR invalid first DB index", &a) ||
        !parse_database(call, 2, "ERR invalid second DB index", &b))
        return;
    if (a < 0 || b < 0 || a >= count || b >= count) {
        reply_error(call->reply, "ERR DB index is out of range");
        return;
    }
    enum larder_status status = LARDER_OK;
    if (a != b)
        status = node_swap_databases(node_thread_of(session), (uint32_t)a, (uint32_t)b);
    reply_done(call->reply, status);
}
