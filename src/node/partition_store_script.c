/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts of one partition: EVAL and functions. They run in the section of their command, and touch
 * the keys that they declare: what had expired of those is gone before, and what they change of
 * them can be taken back. A script is stopped after a number of instructions, not of seconds: there
 * is no clock here. */
#include "base/sha1.h"
#include "cluster/mutants.h"
#include "node/partition_store.h"
#include "node/section.h"
#include "script/library.h"

#include <stdio.h>

enum {
    TICKS_MAX = 5000, /* of some ten thousand instructions each */
    LOAD_TICKS_MAX = 500,
    SCRIPT_MEMORY_BYTES = 64 << 20,
    NAME_BYTES = 128,
};

struct hosted_scripts {
    struct script_interpreter *interpreter;
    struct script_functions functions;
    /* of the script that runs */
    struct hosted_partition *partition;
    const struct slice *keys;
    size_t key_count;
    unsigned ticks_left;
    bool is_read_only, has_room, has_written;
    bool has_failed; /* no memory, or stopped: what it did must be taken back */
};

/* ---- what a script asks for ---- */

static const char *refusal(const struct hosted_scripts *s, const struct command_spec *spec,
                           const struct slice *argv, size_t argc) {
    if (spec == NULL || argc == 0)
        return "ERR Unknown Redis command called from script";
    if (!command_arity_fits(spec, argc))
        return "ERR Wrong number of args calling Redis command from script";
    bool has_place = command_functions[spec->id] != NULL && command_has_keys(spec);
    if ((spec->flags & COMMAND_FLAG_NOSCRIPT) != 0 || !has_place ||
        node_has_unknown_keys(spec, argc, argv))
        return "ERR This Redis command is not allowed from script";
    if (s->is_read_only && hosted_is_write(spec))
        return "ERR Write commands are not allowed from read-only scripts.";
    if (!s->has_room && (spec->flags & COMMAND_FLAG_DENYOOM) != 0 && !s->has_written)
        return NODE_OUT_OF_MEMORY_TEXT;
    return NULL;
}

static bool is_declared(const struct hosted_scripts *s, struct slice key) {
    for (size_t i = 0; i < s->key_count; i++)
        if (slice_equal(s->keys[i], key))
            return true;
    return false;
}

/* Before it changes something. */
static bool keep_all(struct hosted_scripts *s, const struct key_list *keys,
                     const struct slice *argv) {
    for (size_t i = 0; i < keys->count; i++)
        if (!hosted_undo_keep(s->partition, argv[keys->items[i].position]))
            return false;
    return true;
}

/* The reply may be another one than the host's. False: no memory. */
static bool run(struct hosted_scripts *s, const struct command_spec *spec, size_t argc,
                const struct slice *argv, const struct key_list *keys, struct reply *reply) {
    static const char STARVED[] = "-" NODE_OUT_OF_MEMORY_TEXT;
    size_t begin = reply->used;
    if (hosted_is_write(spec) && !keep_all(s, keys, argv))
        return false;
    s->has_written |= hosted_is_write(spec);
    struct call call = {
        .spec = spec, .argc = argc, .argv = argv, .flags = CALL_SCRIPT, .reply = reply};
    (void)node_execute(&s->partition->host->thread, &call);
    return !reply->failed && (reply->used - begin < sizeof(STARVED) - 1 ||
                              memcmp(reply->data + begin, STARVED, sizeof(STARVED) - 1) != 0);
}

static bool execute(void *context, size_t argc, const struct slice *argv, struct reply *reply) {
    struct hosted_scripts *s = context;
    struct key_list keys;
    const struct command_spec *spec = argc == 0 ? NULL : hosted_find_command(argv, argc);
    const char *why_not = refusal(s, spec, argv, argc);
    if (why_not != NULL) {
        reply_error(reply, why_not);
        return true;
    }
    if (hosted_list_keys(s->partition->host, spec, argv, argc, &keys) != LARDER_OK) {
        s->has_failed = true;
        return false;
    }
    bool are_declared = true;
    for (size_t i = 0; i < keys.count; i++)
        are_declared &= is_declared(s, argv[keys.items[i].position]);
    if (!are_declared)
        reply_error(reply, "ERR Script attempted to access a non declared key");
    else if (!run(s, spec, argc, argv, &keys, reply))
        s->has_failed = true;
    hosted_drop_keys(s->partition->host, &keys);
    return !s->has_failed;
}

static const char *tick(void *context) {
    struct hosted_scripts *s = context;
    if (s->ticks_left > 0) {
        s->ticks_left--;
        return NULL;
    }
    s->has_failed = true;
    return "The script ran for too long.";
}

static void write_log(void *context, enum script_log_level level, struct slice text) {
    (void)context;
    (void)level;
    (void)text;
}

static int may_run(void *context, size_t argc, const struct slice *argv) {
    (void)context;
    return hosted_find_command(argv, argc) == NULL ? -1 : 1;
}

/* ---- life ---- */

/* NULL: no memory. */
static struct hosted_scripts *obtain(struct store_host *host) {
    if (host->scripts != NULL)
        return host->scripts;
    struct hosted_scripts *s = allocator_allocate_zeroed(host->allocator, sizeof(*s));
    if (s == NULL)
        return NULL;
    struct script_options options = {.allocator = host->allocator,
                                     .host = {s, execute, tick, write_log, may_run},
                                     .redis_version = "7.2.4",
                                     .server_name = "larder",
                                     .server_version = "1"};
    s->interpreter = script_interpreter_create(&options);
    s->functions.allocator = host->allocator;
    if (s->interpreter == NULL) {
        allocator_release(host->allocator, s, sizeof(*s));
        return NULL;
    }
    script_interpreter_limit(s->interpreter, SCRIPT_MEMORY_BYTES);
    host->scripts = s;
    return s;
}

void hosted_scripts_destroy(struct store_host *host) {
    if (host->scripts == NULL)
        return;
    script_functions_finish(&host->scripts->functions);
    script_interpreter_destroy(host->scripts->interpreter);
    allocator_release(host->allocator, host->scripts, sizeof(*host->scripts));
    host->scripts = NULL;
}

static bool add_functions(struct hosted_scripts *s, struct script_functions *loaded) {
    struct script_functions *f = &s->functions;
    size_t count = f->count + loaded->count;
    if (count > f->capacity) {
        void *grown = allocator_resize(f->allocator, f->items, f->capacity * sizeof(*f->items),
                                       count * sizeof(*f->items));
        if (grown == NULL)
            return false;
        f->items = grown;
        f->capacity = count;
    }
    memcpy(f->items + f->count, loaded->items, loaded->count * sizeof(*f->items));
    f->count = count;
    loaded->count = 0; /* what they own has moved */
    return true;
}

enum larder_status store_host_load_functions(struct store_host *host, struct slice library,
                                             struct slice *out_error) {
    struct script_functions loaded = {.allocator = host->allocator};
    struct script_header header;
    enum larder_status status = LARDER_INVALID;
    store_host_begin(host, host->thread.store.now_ms);
    struct hosted_scripts *s = obtain(host);
    if (s == NULL)
        return LARDER_NO_MEMORY;
    s->ticks_left = LOAD_TICKS_MAX;
    if (script_read_library_header(library, &header, &host->reply))
        status = script_library_load(s->interpreter, header.code, &loaded, &host->reply);
    if (status == LARDER_OK && !add_functions(s, &loaded)) {
        script_library_unload(s->interpreter, &loaded);
        status = LARDER_NO_MEMORY;
    }
    script_functions_finish(&loaded);
    *out_error = slice_of(host->reply.data, host->reply.used);
    return status;
}

/* ---- running ---- */

/* What is run, once found. */
struct prepared {
    int function;
    uint32_t flags;
    bool is_compiled; /* to be forgotten */
    char name[NAME_BYTES];
};

static bool find_function(struct hosted_scripts *s, struct slice name, struct prepared *out,
                          struct reply *reply) {
    for (size_t i = 0; i < s->functions.count; i++) {
        const struct script_function *f = &s->functions.items[i];
        if (!slice_equal(name, slice_of_string(f->name)))
            continue;
        out->function = f->function;
        out->flags = f->flags | SCRIPT_HAS_FLAGS;
        (void)snprintf(out->name, sizeof(out->name), "%s", f->name);
        return true;
    }
    reply_error(reply, "ERR Function not found");
    return false;
}

static bool compile(struct hosted_scripts *s, struct slice text, struct prepared *out,
                    struct reply *reply) {
    char sha[SHA1_HEX_BYTES + 1];
    struct script_header header;
    if (!script_read_header(text, &header, reply) ||
        script_compile(s->interpreter, header.code, &out->function, reply) != LARDER_OK)
        return false;
    sha1_hex(text, sha);
    (void)snprintf(out->name, sizeof(out->name), "%s", sha);
    out->flags = header.flags;
    out->is_compiled = true;
    return true;
}

/* The keys of the command. False: the reply says why. */
static bool read_keys(struct hosted_scripts *s, const struct slice *argv, size_t argc,
                      struct script_call *call, struct reply *reply) {
    int64_t count;
    if (!slice_to_int64(argv[2], &count)) {
        reply_error(reply, "ERR value is not an integer or out of range");
        return false;
    }
    if (count < 0 || count > (int64_t)argc - 3) {
        reply_error(reply, count < 0 ? "ERR Number of keys can't be negative"
                                     : "ERR Number of keys can't be greater than number of args");
        return false;
    }
    s->keys = call->keys = argv + 3;
    s->key_count = call->key_count = (size_t)count;
    call->arguments = call->keys + count;
    call->argument_count = argc - 3 - (size_t)count;
    return true;
}

static bool is_admitted(struct hosted_scripts *s, const struct prepared *run, bool is_read_only,
                        struct reply *reply) {
    bool has_flags = (run->flags & SCRIPT_HAS_FLAGS) != 0;
    bool is_harmless = (run->flags & (SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM)) != 0;
    s->is_read_only = is_read_only || (run->flags & SCRIPT_NO_WRITES) != 0;
    s->has_room = s->partition->host->has_room || (run->flags & SCRIPT_ALLOW_OOM) != 0;
    if (has_flags && is_read_only && (run->flags & SCRIPT_NO_WRITES) == 0) {
        reply_error(reply, "ERR Can not execute a script with write flag using *_ro command.");
        return false;
    }
    if (has_flags && !s->has_room && !is_harmless) {
        reply_error(reply, "OOM allow-oom flag is not set on the script, can not run it when used "
                           "memory > 'maxmemory'");
        return false;
    }
    return true;
}

/* Lua itself found no memory. */
static bool has_starved(const struct reply *reply, struct reply_mark begin) {
    static const char TEXT[] = "-OOM not enough memory";
    return reply->used - begin.used >= sizeof(TEXT) - 1 &&
           memcmp(reply->data + begin.used, TEXT, sizeof(TEXT) - 1) == 0;
}

bool hosted_run_script(struct hosted_partition *p, const struct command_spec *spec,
                       const struct slice *argv, size_t argc) {
    struct reply *reply = &p->host->reply;
    struct reply_mark begin = reply_mark(reply);
    struct hosted_scripts *s = obtain(p->host);
    bool is_function = spec->id == COMMAND_FCALL || spec->id == COMMAND_FCALL_RO;
    bool is_read_only = spec->id == COMMAND_EVAL_RO || spec->id == COMMAND_FCALL_RO;
    struct prepared run = {.is_compiled = false};
    struct script_call call = {.name = run.name, .is_function = is_function};
    if (s == NULL) {
        reply_error(reply, "OOM not enough memory for the script");
        return false;
    }
    s->partition = p;
    s->ticks_left = TICKS_MAX;
    s->has_written = s->has_failed = false;
    bool is_ready =
        read_keys(s, argv, argc, &call, reply) &&
        (is_function ? find_function(s, argv[1], &run, reply) : compile(s, argv[1], &run, reply)) &&
        is_admitted(s, &run, is_read_only, reply);
    if (is_ready)
        (void)script_run(s->interpreter, run.function, &call, reply);
    if (run.is_compiled)
        script_forget(s->interpreter, run.function);
    if (!s->has_failed && !reply->failed && !has_starved(reply, begin))
        return true;
    bool was_stopped = s->has_failed && s->ticks_left == 0;
    reply_cut(reply, begin);
    reply_error(reply, was_stopped ? "ERR The script ran for too long." : NODE_OUT_OF_MEMORY_TEXT);
    return false;
}
