/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread's interpreters and what they have compiled. Texts come from the store; what the store
 * has dropped is forgotten here when the table next needs room, or all at once after SCRIPT FLUSH,
 * which begins with a new interpreter. */
#include "server/script_internal.h"

#include "server/server.h"

#include <string.h>

enum { FIRST_CAPACITY = 64, REMOVALS_KEPT = 256 };

/* ---- life ---- */

enum larder_status script_threads_init(struct server *server) {
    struct script_store *store = allocator_allocate_zeroed(server->allocator, sizeof(*store));
    if (store == NULL)
        return LARDER_NO_MEMORY;
    server->scripts = store;
    enum larder_status status = script_store_init(store, server->allocator);
    for (unsigned i = 0; i < server->thread_count && status == LARDER_OK; i++) {
        struct script_thread *st = allocator_allocate_zeroed(server->allocator, sizeof(*st));
        if (st == NULL)
            return LARDER_NO_MEMORY;
        st->thread = &server->threads[i];
        server->threads[i].scripts = st;
    }
    return status;
}

static void forget_compiled(struct script_thread *st) {
    struct script_store *store = st->thread->server->scripts;
    for (size_t i = 0; i < st->compiled_capacity; i++) {
        if (st->compiled[i].script == NULL)
            continue;
        script_forget(st->interpreter, st->compiled[i].function);
        cached_script_release(store, st->compiled[i].script);
    }
    allocator_release(store->allocator, st->compiled,
                      st->compiled_capacity * sizeof(*st->compiled));
    cached_script_release(store, st->last);
    st->compiled = NULL;
    st->last = NULL;
    st->compiled_count = st->compiled_capacity = 0;
}

static void forget_libraries(struct script_thread *st) {
    const struct allocator *a = st->thread->server->allocator;
    for (size_t i = 0; i < st->library_count; i++) {
        script_library_unload(st->function_interpreter, &st->libraries[i].functions);
        script_functions_finish(&st->libraries[i].functions);
        function_library_release(a, st->libraries[i].library);
    }
    allocator_release(a, st->libraries, st->library_count * sizeof(*st->libraries));
    st->libraries = NULL;
    st->library_count = 0;
    st->has_libraries = false;
}

void script_threads_finish(struct server *server) {
    for (unsigned i = 0; i < server->thread_count; i++) {
        struct script_thread *st = server->threads[i].scripts;
        if (st == NULL)
            continue;
        forget_compiled(st);
        forget_libraries(st);
        script_interpreter_destroy(st->interpreter);
        script_interpreter_destroy(st->function_interpreter);
        allocator_release(server->allocator, st, sizeof(*st));
        server->threads[i].scripts = NULL;
    }
    if (server->scripts == NULL)
        return;
    script_store_finish(server->scripts);
    allocator_release(server->allocator, server->scripts, sizeof(*server->scripts));
    server->scripts = NULL;
}

/* ---- interpreters ---- */

struct script_interpreter *script_thread_interpreter(struct script_thread *st, bool for_functions) {
    struct server *server = st->thread->server;
    struct script_interpreter **at = for_functions ? &st->function_interpreter : &st->interpreter;
    if (*at == NULL) {
        struct script_options options = {
            .allocator = server->allocator,
            .host = script_host_of(st),
            .redis_version = SERVER_REDIS_VERSION,
            .server_name = "larder",
            .server_version = LARDER_VERSION,
        };
        *at = script_interpreter_create(&options);
        if (*at == NULL)
            return NULL;
    }
    int64_t limit = atomic_load_explicit(&server->script_memory_limit, memory_order_relaxed);
    script_interpreter_limit(*at, limit > 0 ? (size_t)limit : 0);
    return *at;
}

void script_thread_account(struct script_thread *st) {
    size_t eval = st->interpreter != NULL ? script_interpreter_bytes(st->interpreter) : 0;
    size_t functions =
        st->function_interpreter != NULL ? script_interpreter_bytes(st->function_interpreter) : 0;
    size_t bytes = eval + functions;
    if (bytes == st->accounted_bytes)
        return;
    node_account(st->thread->server->node, (int64_t)bytes - (int64_t)st->accounted_bytes);
    st->accounted_bytes = bytes;
    atomic_store_explicit(&st->shown_eval_bytes, eval, memory_order_relaxed);
    atomic_store_explicit(&st->shown_function_bytes, functions, memory_order_relaxed);
}

/* ---- compiled scripts ---- */

/* The entry of the SHA-1, or the empty one where it belongs. The first letters are a hash. */
static struct compiled_script *place_of(const struct script_thread *st, const char *sha) {
    size_t at = 0;
    for (size_t i = 8; i < 16; i++)
        at = at * 31 + (uint8_t)sha[i];
    for (;; at++) {
        struct compiled_script *entry = &st->compiled[at & (st->compiled_capacity - 1)];
        if (entry->script == NULL || memcmp(entry->script->sha, sha, SHA1_HEX_BYTES) == 0)
            return entry;
    }
}

/* Drop what the store has dropped, into a table with room for one more. False: no memory. */
static bool rebuild(struct script_thread *st, size_t capacity) {
    struct script_store *store = st->thread->server->scripts;
    struct compiled_script *old = st->compiled, *entries;
    size_t old_capacity = st->compiled_capacity;
    entries = allocator_allocate_zeroed(store->allocator, capacity * sizeof(*entries));
    if (entries == NULL)
        return false;
    st->compiled = entries;
    st->compiled_capacity = capacity;
    st->compiled_count = 0;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].script == NULL)
            continue;
        if (atomic_load_explicit(&old[i].script->is_gone, memory_order_acquire)) {
            script_forget(st->interpreter, old[i].function);
            cached_script_release(store, old[i].script);
        } else {
            *place_of(st, old[i].script->sha) = old[i];
            st->compiled_count++;
        }
    }
    allocator_release(store->allocator, old, old_capacity * sizeof(*old));
    return true;
}

/* Bring the table in line with the store. */
static bool catch_up(struct script_thread *st) {
    struct script_store *store = st->thread->server->scripts;
    uint64_t flushes = atomic_load_explicit(&store->flushes, memory_order_acquire);
    uint64_t removals = atomic_load_explicit(&store->removals, memory_order_acquire);
    if (flushes != st->seen_flushes) {
        forget_compiled(st);
        script_interpreter_destroy(st->interpreter);
        st->interpreter = NULL;
        st->seen_flushes = flushes;
        st->seen_removals = removals;
    }
    bool is_full = 2 * (st->compiled_count + 1) > st->compiled_capacity;
    bool is_stale = removals - st->seen_removals > REMOVALS_KEPT;
    if (!is_full && !is_stale && st->compiled_capacity > 0)
        return true;
    st->seen_removals = removals;
    size_t capacity = st->compiled_capacity == 0 ? FIRST_CAPACITY : st->compiled_capacity;
    return rebuild(st, is_full && st->compiled_capacity > 0 ? 2 * capacity : capacity);
}

enum larder_status script_thread_compile(struct script_thread *st, struct cached_script *script,
                                         int *out_function, struct reply *error) {
    if (!catch_up(st) || script_thread_interpreter(st, false) == NULL) {
        reply_error(error, "OOM not enough memory for the script");
        return LARDER_NO_MEMORY;
    }
    struct compiled_script *entry = place_of(st, script->sha);
    if (entry->script != NULL && entry->script != script) { /* of a text that was flushed */
        script_forget(st->interpreter, entry->function);
        cached_script_release(st->thread->server->scripts, entry->script);
        entry->script = NULL;
        st->compiled_count--;
        (void)rebuild(st, st->compiled_capacity);
        entry = place_of(st, script->sha);
    }
    if (entry->script == NULL) {
        enum larder_status status =
            script_compile(st->interpreter, script->header.code, &entry->function, error);
        if (status != LARDER_OK)
            return status;
        entry->script = cached_script_acquire(script);
        st->compiled_count++;
    }
    *out_function = entry->function;
    return LARDER_OK;
}

struct cached_script *script_thread_find(struct script_thread *st, const char *sha) {
    struct script_store *store = st->thread->server->scripts;
    if (st->compiled_capacity > 0) {
        struct cached_script *script = place_of(st, sha)->script;
        if (script != NULL && !atomic_load_explicit(&script->is_gone, memory_order_acquire))
            return cached_script_acquire(script);
    }
    return script_store_find(store, sha);
}

/* ---- libraries ---- */

/* Take what is already loaded over into the new list. */
static bool take_over(struct script_thread *st, struct loaded_library *into) {
    for (size_t i = 0; i < st->library_count; i++) {
        struct loaded_library *old = &st->libraries[i];
        if (old->library != into->library)
            continue;
        into->functions = old->functions;
        old->functions = (struct script_functions){.allocator = into->functions.allocator};
        return true;
    }
    return false;
}

/* Load the libraries of the store that are not loaded yet, and forget those that are gone. */
enum larder_status script_thread_load_libraries(struct script_thread *st, struct reply *error) {
    struct script_store *store = st->thread->server->scripts;
    if (st->has_libraries &&
        st->seen_version == atomic_load_explicit(&store->version, memory_order_acquire))
        return LARDER_OK;
    size_t count, done = 0;
    uint64_t version;
    bool has_failed;
    struct function_library **list = script_store_libraries(store, &count, &version, &has_failed);
    struct loaded_library *loaded =
        count > 0 ? allocator_allocate_zeroed(store->allocator, count * sizeof(*loaded)) : NULL;
    enum larder_status status = LARDER_OK;
    if (has_failed || (count > 0 && loaded == NULL)) {
        reply_error(error, "OOM not enough memory for the libraries");
        status = LARDER_NO_MEMORY;
    }
    for (; done < count && status == LARDER_OK; done++) {
        loaded[done].library = function_library_acquire(list[done]);
        loaded[done].functions.allocator = store->allocator;
        if (!take_over(st, &loaded[done]))
            status = script_thread_load(st, list[done]->code, &loaded[done].functions, error);
    }
    script_store_release_libraries(store, list, count);
    forget_libraries(st); /* what was not taken over */
    st->libraries = loaded;
    st->library_count = count;
    if (status != LARDER_OK) { /* begin anew the next time */
        for (size_t i = done; i < count && loaded != NULL; i++)
            loaded[i].functions.allocator = store->allocator;
        if (loaded == NULL)
            st->library_count = 0;
        forget_libraries(st);
        return status;
    }
    st->has_libraries = true;
    st->seen_version = version;
    return LARDER_OK;
}

const struct script_function *script_thread_function(const struct script_thread *st,
                                                     struct slice name) {
    for (size_t i = 0; i < st->library_count; i++) {
        const struct script_functions *f = &st->libraries[i].functions;
        for (size_t j = 0; j < f->count; j++)
            if (slice_equal_word(name, f->items[j].name))
                return &f->items[j];
    }
    return NULL;
}

/* ---- what others see ---- */

bool script_is_slow(const struct script_thread *st) {
    const struct node *node = st->thread->server->node;
    if (!script_is_running(st))
        return false;
    int64_t after_ms = atomic_load_explicit(&node->busy_after_ms, memory_order_relaxed);
    uint64_t began = atomic_load_explicit(&st->began_ns, memory_order_relaxed);
    return after_ms <= 0 || clock_monotonic_ns() - began >= (uint64_t)after_ms * 1000000;
}

/* From its first write on it can't be killed. */
static enum script_kill kill_one(struct script_thread *st) {
    uint32_t state = SCRIPT_RUNNING;
    if (atomic_compare_exchange_strong_explicit(&st->state, &state, SCRIPT_KILLED,
                                                memory_order_acq_rel, memory_order_acquire) ||
        state == SCRIPT_KILLED)
        return SCRIPT_KILL_DONE;
    return state == SCRIPT_WRITING ? SCRIPT_KILL_HAS_WRITTEN : SCRIPT_KILL_NONE_RUNS;
}

enum script_kill script_kill(struct server *server, bool functions) {
    enum script_kill result = SCRIPT_KILL_NONE_RUNS;
    for (unsigned i = 0; i < server->thread_count; i++) {
        struct script_thread *st = server->threads[i].scripts;
        if (!script_is_slow(st))
            continue;
        bool is_meant =
            atomic_load_explicit(&st->state_is_function, memory_order_relaxed) == functions;
        enum script_kill one = is_meant ? kill_one(st) : SCRIPT_KILL_OTHER_KIND;
        result = one > result ? one : result;
    }
    return result;
}

void script_figures(struct server *server, struct script_figures *out) {
    struct script_store *store = server->scripts;
    *out = (struct script_figures){0};
    for (unsigned i = 0; i < server->thread_count; i++) {
        const struct script_thread *st = server->threads[i].scripts;
        out->eval_bytes += atomic_load_explicit(&st->shown_eval_bytes, memory_order_relaxed);
        out->function_bytes +=
            atomic_load_explicit(&st->shown_function_bytes, memory_order_relaxed);
    }
    script_store_lock(store);
    out->script_bytes = store->script_bytes;
    out->script_count = store->script_count;
    out->library_bytes = store->library_bytes;
    out->library_count = store->library_count;
    out->function_count = store->function_count;
    out->evictions = atomic_load_explicit(&store->evictions, memory_order_relaxed);
    script_store_unlock(store);
}
