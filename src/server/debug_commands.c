/* SPDX-License-Identifier: BSD-3-Clause */
/* DEBUG: what tests need and operators don't. Refused unless enable-debug-command allows it. Its
 * subcommands are rows of a table here. */
#include "base/glob.h"
#include "node/scan.h"
#include "os/thread.h"
#include "server/session_commands.h"

#include <stdio.h>

struct debug_subcommand {
    const char *name;
    size_t min_argc, max_argc; /* DEBUG and the name included */
    session_command run;
    const char *arguments, *summary;
};

/* ---- time ---- */

static void debug_sleep(struct session *session, struct call *call) {
    char text[64] = "";
    double seconds = 0;
    size_t size = call->argv[2].size < sizeof(text) ? call->argv[2].size : sizeof(text) - 1;
    (void)session;
    memcpy(text, call->argv[2].data, size);
    if (sscanf(text, "%lf", &seconds) == 1 && seconds > 0 && seconds < 86400)
        thread_sleep_ms((unsigned)(seconds * 1000));
    reply_ok(call->reply);
}

static void debug_active_expire(struct session *session, struct call *call) {
    int64_t is_on = 0;
    (void)!slice_to_int64(call->argv[2], &is_on);
    atomic_store_explicit(&session->server->node->expires_actively, is_on != 0,
                          memory_order_relaxed);
    reply_ok(call->reply);
}

/* ---- entries ---- */

struct shown_object {
    struct session *session;
    char text[256];
};

static void show_object(void *context, const struct entry *entry) {
    enum { EMBEDDED_STRING_MAX = 44 };
    struct shown_object *shown = context;
    const char *encoding = "raw";
    size_t size = 0;
    uint8_t digits[INT64_TEXT_MAX];
    switch (entry->value.kind) {
    case VALUE_INTEGER:
        encoding = "int";
        size = int64_format(entry->value.integer, digits);
        break;
    case VALUE_BYTES:
        encoding = entry->value.bytes.size <= EMBEDDED_STRING_MAX ? "embstr" : "raw";
        size = entry->value.bytes.size;
        break;
    case VALUE_RAW: size = entry->value.bytes.size; break;
    case VALUE_BLOB: size = entry->value.blob->size; break;
    case VALUE_OBJECT:
        encoding = entry->value.object->type->encoding;
        size = object_bytes(entry->value.object);
        break;
    }
    (void)snprintf(shown->text, sizeof(shown->text),
                   "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:0 "
                   "lru_seconds_idle:0",
                   (const void *)entry->record, encoding, size + 1);
}

static void debug_object(struct session *session, struct call *call) {
    struct shown_object shown = {.session = session};
    if (node_visit_key(&session->thread->node_thread, session->database, call->argv[2], show_object,
                       &shown))
        reply_simple(call->reply, shown.text);
    else
        reply_error(call->reply, "ERR no such key");
}

static void reply_digest(struct reply *reply, struct digest digest) {
    char text[DIGEST_TEXT_BYTES + 1];
    digest_format(digest, (uint8_t *)text);
    text[DIGEST_TEXT_BYTES] = '\0';
    reply_simple(reply, text);
}

static void debug_digest(struct session *session, struct call *call) {
    reply_digest(call->reply, node_digest(session->server->node));
}

static void take_digest(void *context, const struct entry *entry) {
    *(struct digest *)context = digest_entry(entry, 0);
}

static void debug_digest_value(struct session *session, struct call *call) {
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        struct digest digest = {0, 0};
        (void)!node_visit_key(&session->thread->node_thread, session->database, call->argv[i],
                              take_digest, &digest);
        reply_digest(call->reply, digest);
    }
}

/* ---- POPULATE ---- */

enum { PREFIX_BYTES_MAX = 512, POPULATE_VALUE_MAX = 64 << 20 };

/* SETNX key value, its reply thrown away. */
static void set_if_absent(struct session *session, struct reply *scratch, struct slice key,
                          struct slice value) {
    struct slice argv[3] = {SLICE_LITERAL("setnx"), key, value};
    struct call call = {
        .spec = &command_table[COMMAND_SETNX],
        .argc = 3,
        .argv = argv,
        .database = session->database,
        .reply = scratch,
    };
    node_execute(&session->thread->node_thread, &call);
    reply_clear(scratch);
}

static void populate(struct session *session, int64_t count, struct slice prefix, uint8_t *value,
                     size_t value_size) {
    char key[PREFIX_BYTES_MAX + INT64_TEXT_MAX + 2], text[INT64_TEXT_MAX + 8];
    struct reply scratch;
    reply_init(&scratch, session->server->allocator);
    for (int64_t i = 0; i < count; i++) {
        int key_size = snprintf(key, sizeof(key), "%.*s:%lld", (int)prefix.size,
                                (const char *)prefix.data, (long long)i);
        int text_size = snprintf(text, sizeof(text), "value:%lld", (long long)i);
        size_t copied = (size_t)text_size;
        if (value_size > 0 && copied > value_size)
            copied = value_size;
        memcpy(value, text, copied);
        set_if_absent(session, &scratch, slice_of(key, (size_t)key_size),
                      slice_of(value, value_size > 0 ? value_size : copied));
        node_thread_tick(&session->thread->node_thread, session->thread->now_ms);
    }
    reply_finish(&scratch);
}

static void debug_populate(struct session *session, struct call *call) {
    const struct allocator *a = session->server->allocator;
    int64_t count, value_size = 0;
    struct slice prefix = call->argc > 3 ? call->argv[3] : SLICE_LITERAL("key");
    if (!slice_to_int64(call->argv[2], &count) || count < 0 ||
        (call->argc > 4 && (!slice_to_int64(call->argv[4], &value_size) || value_size < 0)) ||
        value_size > POPULATE_VALUE_MAX || prefix.size > PREFIX_BYTES_MAX) {
        reply_error(call->reply, "ERR value is out of range, must be positive");
        return;
    }
    size_t bytes = (size_t)value_size + INT64_TEXT_MAX + 8;
    uint8_t *value = allocator_allocate_zeroed(a, bytes);
    if (value == NULL) {
        reply_error(call->reply, "OOM not enough memory for the operation");
        return;
    }
    populate(session, count, prefix, value, (size_t)value_size);
    allocator_release(a, value, bytes);
    reply_ok(call->reply);
}

/* ---- PROTOCOL ---- */

static void protocol_aggregate(struct reply *reply, char type) {
    if (type == '%')
        reply_map(reply, 3);
    else if (type == '~')
        reply_set(reply, 3);
    else if (type == '>')
        reply_push(reply, 2);
    else
        reply_array(reply, 3);
    if (type == '>') {
        reply_bulk_text(reply, "server-cpu-usage");
        reply_integer(reply, 42);
        reply_bulk_text(reply, "Some real reply following the push reply");
        return;
    }
    for (int i = 0; i < 3; i++) {
        reply_integer(reply, i);
        if (type == '%')
            reply_boolean(reply, i == 1);
    }
}

static void protocol_attribute(struct reply *reply) {
    if (reply->protocol == 3) {
        reply_raw(reply, SLICE_LITERAL("|1\r\n"));
        reply_bulk_text(reply, "key-popularity");
        reply_array(reply, 2);
        reply_bulk_text(reply, "key:123");
        reply_integer(reply, 90);
    }
    reply_bulk_text(reply, "Some real reply following the attribute");
}

static void protocol_big_number(struct reply *reply) {
    static const char NUMBER[] = "1234567999999999999999999999999999999";
    if (reply->protocol == 3)
        reply_raw(reply, SLICE_LITERAL("(1234567999999999999999999999999999999\r\n"));
    else
        reply_bulk_text(reply, NUMBER);
}

static void debug_protocol(struct session *session, struct call *call) {
    (void)session;
    struct reply *reply = call->reply;
    struct slice type = call->argv[2];
    if (slice_equal_word(type, "string"))
        reply_bulk_text(reply, "Hello World");
    else if (slice_equal_word(type, "integer"))
        reply_integer(reply, 12345);
    else if (slice_equal_word(type, "double"))
        reply_double(reply, 3.141);
    else if (slice_equal_word(type, "null"))
        reply_null(reply);
    else if (slice_equal_word(type, "array"))
        protocol_aggregate(reply, '*');
    else if (slice_equal_word(type, "set"))
        protocol_aggregate(reply, '~');
    else if (slice_equal_word(type, "map"))
        protocol_aggregate(reply, '%');
    else if (slice_equal_word(type, "attrib"))
        protocol_attribute(reply);
    else if (slice_equal_word(type, "push") && reply->protocol == 2)
        reply_error(reply, "ERR RESP2 is not supported by this command");
    else if (slice_equal_word(type, "push"))
        protocol_aggregate(reply, '>');
    else if (slice_equal_word(type, "verbatim"))
        reply_verbatim(reply, SLICE_LITERAL("This is a verbatim\nstring"));
    else if (slice_equal_word(type, "true"))
        reply_boolean(reply, true);
    else if (slice_equal_word(type, "false"))
        reply_boolean(reply, false);
    else if (slice_equal_word(type, "bignum"))
        protocol_big_number(reply);
    else
        reply_error(reply, "ERR Wrong protocol type name. Please use one of the following: "
                           "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                           "true|false");
}

/* ---- the rest ---- */

static void debug_match(struct session *session, struct call *call) {
    (void)session;
    reply_integer(call->reply, glob_match(call->argv[2], call->argv[3]));
}

static void debug_ok(struct session *session, struct call *call) {
    (void)session;
    reply_ok(call->reply);
}

/* Lists have no nodes whose size could be limited; the number is checked all the same. */
static void debug_packed_threshold(struct session *session, struct call *call) {
    int64_t bytes;
    (void)session;
    if (!slice_to_int64(call->argv[2], &bytes) || bytes < 0 || bytes > UINT32_MAX)
        reply_error(call->reply,
                    "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    else
        reply_ok(call->reply);
}

static void debug_not_kept(struct session *session, struct call *call) {
    (void)session;
    reply_error(call->reply, "ERR nothing is kept on disk, so there is nothing to load");
}

static void debug_error(struct session *session, struct call *call) {
    (void)session;
    struct slice text = call->argv[2];
    reply_error_format(call->reply, "%.*s", (int)(text.size < 256 ? text.size : 256),
                       (const char *)text.data);
}

static void debug_log(struct session *session, struct call *call) {
    struct slice text = call->argv[2];
    log_write(session->server->log, LOG_LEVEL_WARNING, "DEBUG LOG: %.*s",
              (int)(text.size < 512 ? text.size : 512), (const char *)text.data);
    reply_ok(call->reply);
}

static void debug_help(struct session *session, struct call *call);

static const struct debug_subcommand SUBCOMMANDS[] = {
    {"digest", 2, 2, debug_digest, "", "A digest of all databases, equal for equal contents."},
    {"digest-value", 2, SIZE_MAX, debug_digest_value, "<key> [<key> ...]",
     "A digest of each key with its value; zeros for one that is not there."},
    {"error", 3, 3, debug_error, "<text>", "Answers this error."},
    {"help", 2, 2, debug_help, "", "Shows this list."},
    {"jmap", 2, 2, debug_ok, "", "Accepted and does nothing."},
    {"loadaof", 2, 2, debug_not_kept, "", "Always an error: nothing is kept on disk."},
    {"log", 3, 3, debug_log, "<text>", "Writes a line to the log."},
    {"object", 3, 4, debug_object, "<key>", "How the value is held."},
    {"populate", 3, 5, debug_populate, "<count> [<prefix>] [<size>]",
     "Creates keys <prefix>:0, <prefix>:1 ... that don't exist yet."},
    {"protocol", 3, 3, debug_protocol, "<type>", "Answers a value of this reply type."},
    {"quicklist-packed-threshold", 3, 3, debug_packed_threshold, "<size>",
     "Accepted and does nothing."},
    {"reload", 2, SIZE_MAX, debug_not_kept, "[<option> ...]",
     "Always an error: nothing is kept on disk."},
    {"set-active-expire", 3, 3, debug_active_expire, "<0|1>",
     "Turns the deletion of expired keys in the background off or on."},
    {"sleep", 3, 3, debug_sleep, "<seconds>", "Blocks the thread that serves this client."},
    {"stringmatch-len", 4, 4, debug_match, "<pattern> <text>",
     "Whether the glob pattern matches the text."},
};

enum { SUBCOMMAND_COUNT = sizeof(SUBCOMMANDS) / sizeof(SUBCOMMANDS[0]) };

static void debug_help(struct session *session, struct call *call) {
    (void)session;
    reply_array(call->reply, 1 + 2 * (size_t)SUBCOMMAND_COUNT);
    reply_simple(call->reply, "DEBUG <subcommand> [<argument> ...]. Subcommands are:");
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        char line[128];
        int size =
            snprintf(line, sizeof(line), "%s %s", SUBCOMMANDS[i].name, SUBCOMMANDS[i].arguments);
        for (int c = 0; c < size && line[c] != ' '; c++)
            line[c] = (char)(line[c] >= 'a' && line[c] <= 'z' ? line[c] - 'a' + 'A' : line[c]);
        reply_simple(call->reply, line);
        (void)snprintf(line, sizeof(line), "    %s", SUBCOMMANDS[i].summary);
        reply_simple(call->reply, line);
    }
}

static bool is_allowed(struct session *session) {
    struct server *server = session->server;
    const struct connection *c = &session->connection;
    server_config_lock(server);
    int permission = server->config.enable_debug_command;
    server_config_unlock(server);
    return permission == CONFIG_ALLOWED ||
           (permission == CONFIG_ALLOWED_LOCALLY && (c->is_unix || c->is_loopback));
}

void session_command_debug(struct session *session, struct call *call) {
    if (!is_allowed(session)) {
        reply_error(call->reply,
                    "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                    "\"local\", you can run it from a local connection, otherwise you need to set "
                    "this option in the configuration file, and then restart the server.");
        return;
    }
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        const struct debug_subcommand *s = &SUBCOMMANDS[i];
        if (!slice_equal_word(call->argv[1], s->name) || call->argc < s->min_argc ||
            call->argc > s->max_argc)
            continue;
        s->run(session, call);
        return;
    }
    session_refuse_subcommand(call);
}
