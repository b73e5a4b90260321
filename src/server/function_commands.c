/* SPDX-License-Identifier: BSD-3-Clause */
/* FUNCTION, FCALL. */
#include "server/function_payload.h"
#include "server/observe.h"
#include "server/script_internal.h"
#include "server/session_commands.h"

#include "base/glob.h"

/* ---- FCALL ---- */

void session_command_fcall(struct session *session, struct call *call) {
    struct script_thread *st = session->thread->scripts;
    struct script_task task = {
        .is_function = true,
        .function_name = call->argv[1],
        .is_read_only = call->spec->id == COMMAND_FCALL_RO,
    };
    observe_script(session, call);
    if (script_thread_load_libraries(st, call->reply) != LARDER_OK)
        return;
    if (script_thread_function(st, task.function_name) == NULL)
        reply_error(call->reply, "ERR Function not found");
    else if (script_read_key_count(call, &task, "ERR Bad number of keys provided"))
        script_task_run(session, call, &task);
}

/* ---- LOAD ---- */

/* A library from its text, loaded once to see what it registers. Returns owned; NULL: the error was
 * written. */
static struct function_library *read_library(struct script_thread *st, struct slice text,
                                             struct reply *error) {
    const struct allocator *a = st->thread->server->allocator;
    struct script_header header;
    struct script_functions functions = {.allocator = a};
    if (!script_read_library_header(text, &header, error) ||
        script_thread_load(st, header.code, &functions, error) != LARDER_OK)
        return NULL;
    script_library_unload(st->function_interpreter, &functions);
    struct function_library *library =
        function_library_create(a, text, header.name, header.code, &functions);
    if (library == NULL) {
        script_functions_finish(&functions);
        reply_error(error, "OOM not enough memory for the library");
    }
    return library;
}

void session_command_function_load(struct session *session, struct call *call) {
    struct script_thread *st = session->thread->scripts;
    struct script_store *store = session->server->scripts;
    enum function_policy policy = FUNCTIONS_APPEND;
    for (size_t i = 2; i + 1 < call->argc; i++) {
        struct slice word = call->argv[i];
        if (!slice_equal_word(word, "REPLACE")) {
            reply_error_format(call->reply, "ERR Unknown option given: %.*s",
                               (int)(word.size < 128 ? word.size : 128), (const char *)word.data);
            return;
        }
        policy = FUNCTIONS_REPLACE;
    }
    struct reply_mark mark = reply_mark(call->reply);
    struct script_header header;
    if (!script_read_library_header(call->argv[call->argc - 1], &header, call->reply))
        return;
    if (policy == FUNCTIONS_APPEND && script_store_has_library(store, header.name)) {
        reply_error_format(call->reply, "ERR Library '%.*s' already exists",
                           (int)(header.name.size < 256 ? header.name.size : 256),
                           (const char *)header.name.data);
        return;
    }
    struct function_library *library = read_library(st, call->argv[call->argc - 1], call->reply);
    if (library != NULL &&
        script_store_add_libraries(store, &library, 1, policy, "'", call->reply) == LARDER_OK)
        reply_bulk(call->reply, library->name);
    else if (call->reply->used == mark.used)
        reply_error(call->reply, "OOM not enough memory for the library");
    function_library_release(store->allocator, library);
    script_thread_account(st);
}

/* ---- DELETE, FLUSH, KILL ---- */

static void refuse_words(struct call *call) {
    struct slice word = call->argv[1];
    reply_error_format(call->reply,
                       "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
                       "FUNCTION HELP.",
                       (int)(word.size < 128 ? word.size : 128), (const char *)word.data);
}

void session_command_function_delete(struct session *session, struct call *call) {
    if (script_store_delete_library(session->server->scripts, call->argv[2]))
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR Library not found");
}

void session_command_function_flush(struct session *session, struct call *call) {
    if (call->argc > 3) {
        refuse_words(call);
        return;
    }
    if (call->argc == 3 && !slice_equal_word(call->argv[2], "SYNC") &&
        !slice_equal_word(call->argv[2], "ASYNC")) {
        reply_error(call->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    script_store_flush_libraries(session->server->scripts);
    reply_ok(call->reply);
}

void session_command_function_kill(struct session *session, struct call *call) {
    script_reply_kill(call->reply, script_kill(session->server, true), true);
}

/* ---- LIST, STATS ---- */

static void reply_flags(struct reply *reply, uint32_t flags) {
    uint32_t known = flags & ((1u << SCRIPT_FLAG_NAMES) - 1);
    reply_set(reply, (size_t)__builtin_popcount(known));
    for (size_t i = 0; i < SCRIPT_FLAG_NAMES; i++)
        if ((known >> i & 1) != 0)
            reply_simple(reply, SCRIPT_FLAG_NAME[i]);
}

static void reply_library(struct reply *reply, const struct function_library *library,
                          bool with_code) {
    reply_map(reply, with_code ? 4 : 3);
    reply_bulk_text(reply, "library_name");
    reply_bulk(reply, library->name);
    reply_bulk_text(reply, "engine");
    reply_bulk_text(reply, "LUA");
    reply_bulk_text(reply, "functions");
    reply_array(reply, library->functions.count);
    for (size_t i = 0; i < library->functions.count; i++) {
        const struct script_function *f = &library->functions.items[i];
        reply_map(reply, 3);
        reply_bulk_text(reply, "name");
        reply_bulk_text(reply, f->name);
        reply_bulk_text(reply, "description");
        if (f->description != NULL)
            reply_bulk_text(reply, f->description);
        else
            reply_null(reply);
        reply_bulk_text(reply, "flags");
        reply_flags(reply, f->flags);
    }
    if (with_code) {
        reply_bulk_text(reply, "library_code");
        reply_bulk(reply, blob_slice(library->text));
    }
}

/* False: the error was written. */
static bool parse_list(struct call *call, bool *with_code, struct slice *pattern) {
    bool has_pattern = false;
    *with_code = false;
    for (size_t i = 2; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (!*with_code && slice_equal_word(word, "WITHCODE")) {
            *with_code = true;
        } else if (!has_pattern && slice_equal_word(word, "LIBRARYNAME")) {
            if (++i == call->argc) {
                reply_error(call->reply, "ERR library name argument was not given");
                return false;
            }
            *pattern = call->argv[i];
            has_pattern = true;
        } else {
            reply_error_format(call->reply, "ERR Unknown argument %.*s",
                               (int)(word.size < 128 ? word.size : 128), (const char *)word.data);
            return false;
        }
    }
    return true;
}

void session_command_function_list(struct session *session, struct call *call) {
    struct script_store *store = session->server->scripts;
    struct slice pattern = SLICE_LITERAL("*");
    bool with_code, has_failed;
    size_t count, shown = 0;
    uint64_t version;
    if (!parse_list(call, &with_code, &pattern))
        return;
    struct function_library **list = script_store_libraries(store, &count, &version, &has_failed);
    if (has_failed) {
        reply_error(call->reply, "OOM not enough memory for the list");
        return;
    }
    size_t begin = reply_deferred_begin(call->reply);
    for (size_t i = 0; i < count; i++) {
        if (!glob_match_any_case(pattern, list[i]->name))
            continue;
        reply_library(call->reply, list[i], with_code);
        shown++;
    }
    if (!call->reply->failed)
        reply_deferred_end(call->reply, begin, '*', shown);
    script_store_release_libraries(store, list, count);
}

/* The words of the command, from the copy that its thread made. */
static void reply_command(struct reply *reply, const struct blob *command) {
    size_t begin = reply_deferred_begin(reply), count = 0;
    for (size_t at = 0; at < command->size; count++) {
        uint32_t size;
        memcpy(&size, command->data + at, sizeof(size));
        reply_bulk(reply, slice_of(command->data + at + sizeof(size), size));
        at += sizeof(size) + size;
    }
    if (!reply->failed)
        reply_deferred_end(reply, begin, '*', count);
}

/* The function that has run longest, or null. */
static void reply_running(struct server *server, struct reply *reply) REQUIRES(SCRIPT_TABLE_LOCK) {
    const struct script_thread *longest = NULL;
    uint64_t began = UINT64_MAX;
    for (unsigned i = 0; i < server->thread_count; i++) {
        const struct script_thread *st = server->threads[i].scripts;
        uint64_t since = atomic_load_explicit(&st->began_ns, memory_order_relaxed);
        if (st->shown_command != NULL && since < began) {
            longest = st;
            began = since;
        }
    }
    if (longest == NULL) {
        reply_null(reply);
        return;
    }
    reply_map(reply, 3);
    reply_bulk_text(reply, "name");
    reply_bulk_text(reply, longest->shown_name);
    reply_bulk_text(reply, "command");
    reply_command(reply, longest->shown_command);
    reply_bulk_text(reply, "duration_ms");
    reply_integer(reply, (int64_t)((clock_monotonic_ns() - began) / 1000000));
}

void session_command_function_stats(struct session *session, struct call *call) {
    struct script_store *store = session->server->scripts;
    struct reply *reply = call->reply;
    reply_map(reply, 2);
    reply_bulk_text(reply, "running_script");
    script_store_lock(store);
    reply_running(session->server, reply);
    size_t libraries = store->library_count, functions = store->function_count;
    script_store_unlock(store);
    reply_bulk_text(reply, "engines");
    reply_map(reply, 1);
    reply_bulk_text(reply, "LUA");
    reply_map(reply, 2);
    reply_bulk_text(reply, "libraries_count");
    reply_integer(reply, (int64_t)libraries);
    reply_bulk_text(reply, "functions_count");
    reply_integer(reply, (int64_t)functions);
}

/* ---- DUMP, RESTORE ---- */

void session_command_function_dump(struct session *session, struct call *call) {
    struct script_store *store = session->server->scripts;
    size_t count;
    uint64_t version;
    bool has_failed;
    struct function_library **list = script_store_libraries(store, &count, &version, &has_failed);
    struct reply payload;
    reply_init(&payload, store->allocator);
    for (size_t i = 0; i < count; i++)
        function_payload_add(&payload, blob_slice(list[i]->text));
    function_payload_end(&payload);
    if (has_failed || payload.failed)
        reply_error(call->reply, "OOM not enough memory for the payload");
    else
        reply_bulk(call->reply, slice_of(payload.data, payload.used));
    reply_finish(&payload);
    script_store_release_libraries(store, list, count);
}

struct library_array {
    struct function_library **items; /* references */
    size_t count, capacity;
};

static bool append(const struct allocator *a, struct library_array *list,
                   struct function_library *library) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : 2 * list->capacity;
        void *grown = allocator_resize(a, list->items, list->capacity * sizeof(*list->items),
                                       capacity * sizeof(*list->items));
        if (grown == NULL)
            return false;
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = library;
    return true;
}

/* The libraries of a payload. False: the error was written. */
static bool read_payload(struct script_thread *st, struct slice payload, struct library_array *list,
                         struct reply *error) {
    const struct allocator *a = st->thread->server->allocator;
    for (;;) {
        struct blob *text = NULL;
        switch (function_payload_next(&payload, a, &text)) {
        case FUNCTION_PAYLOAD_TEXT: break;
        case FUNCTION_PAYLOAD_END: return true;
        case FUNCTION_PAYLOAD_OTHER:
            reply_error(error, "ERR given type is not a function");
            return false;
        case FUNCTION_PAYLOAD_BROKEN:
            reply_error(error, "ERR Failed loading library data");
            return false;
        case FUNCTION_PAYLOAD_NO_MEMORY:
            reply_error(error, "OOM not enough memory for the libraries");
            return false;
        }
        struct function_library *library = read_library(st, blob_slice(text), error);
        blob_release(text);
        if (library == NULL)
            return false;
        if (!append(a, list, library)) {
            function_library_release(a, library);
            reply_error(error, "OOM not enough memory for the libraries");
            return false;
        }
    }
}

static bool parse_policy(struct call *call, enum function_policy *out) {
    *out = FUNCTIONS_APPEND;
    if (call->argc > 4) {
        refuse_words(call);
        return false;
    }
    if (call->argc == 3 || slice_equal_word(call->argv[3], "APPEND"))
        return true;
    if (slice_equal_word(call->argv[3], "REPLACE")) {
        *out = FUNCTIONS_REPLACE;
        return true;
    }
    if (slice_equal_word(call->argv[3], "FLUSH")) {
        *out = FUNCTIONS_FLUSH;
        return true;
    }
    reply_error(call->reply, "ERR Wrong restore policy given, value should be either FLUSH, APPEND "
                             "or REPLACE.");
    return false;
}

void session_command_function_restore(struct session *session, struct call *call) {
    struct script_thread *st = session->thread->scripts;
    struct script_store *store = session->server->scripts;
    struct library_array list = {NULL, 0, 0};
    struct slice payload = call->argv[2];
    enum function_policy policy;
    if (!parse_policy(call, &policy))
        return;
    if (!function_payload_check(&payload)) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    if (read_payload(st, payload, &list, call->reply) &&
        script_store_add_libraries(store, list.items, list.count, policy, "", call->reply) ==
            LARDER_OK)
        reply_ok(call->reply);
    for (size_t i = 0; i < list.count; i++)
        function_library_release(store->allocator, list.items[i]);
    allocator_release(store->allocator, list.items, list.capacity * sizeof(*list.items));
    script_thread_account(st);
}
