/* SPDX-License-Identifier: BSD-3-Clause */
/* Creating, running, stopping. A hook counts instructions; once the host wants the script to end,
 * the hook raises an error at every instruction, so that a pcall in the script only delays the end
 * by a moment. */
#include "script/interpreter_internal.h"

#include <string.h>

enum { HOOK_INSTRUCTIONS = 20000, COLLECT_PAUSE_PERCENT = 200 };

#define OUT_OF_MEMORY_TEXT "OOM not enough memory for the script, see lua-memory-limit"

/* ---- memory ---- */

/* The true size of a block; it is no longer remembered. */
static size_t take_true_size(struct script_interpreter *s, const void *block, size_t size) {
    for (size_t i = 0; i < s->oversized_count; i++) {
        if (s->oversized[i].block != block)
            continue;
        size = s->oversized[i].size;
        s->oversized[i] = s->oversized[--s->oversized_count];
        return size;
    }
    return size;
}

/* Lua relies on it that a block can always be made smaller. */
static void *keep_oversized(struct script_interpreter *s, void *block, size_t size) {
    if (s->oversized_count < OVERSIZED_BLOCKS_MAX)
        s->oversized[s->oversized_count++] = (struct oversized_block){block, size};
    return block;
}

/* Lua's allocator. It may fail whenever the block grows. */
static void *resize(void *context, void *block, size_t old_size, size_t new_size) {
    struct script_interpreter *s = context;
    size_t used = atomic_load_explicit(&s->used_bytes, memory_order_relaxed);
    size_t true_size = block == NULL             ? 0
                       : s->oversized_count == 0 ? old_size
                                                 : take_true_size(s, block, old_size);
    if (new_size == 0) {
        if (block != NULL)
            allocator_release(s->allocator, block, true_size);
        atomic_store_explicit(&s->used_bytes, used - true_size, memory_order_relaxed);
        return NULL;
    }
    bool is_growth = block == NULL || new_size > old_size;
    bool is_over = is_growth && s->limit_bytes > 0 && used - true_size + new_size > s->limit_bytes;
    void *result = is_over         ? NULL
                   : block == NULL ? allocator_allocate(s->allocator, new_size)
                                   : allocator_resize(s->allocator, block, true_size, new_size);
    if (result == NULL) {
        if (!is_growth)
            return keep_oversized(s, block, true_size);
        if (true_size != old_size && block != NULL)
            (void)keep_oversized(s, block, true_size);
        return NULL;
    }
    atomic_store_explicit(&s->used_bytes, used - true_size + new_size, memory_order_relaxed);
    return result;
}

size_t script_interpreter_bytes(const struct script_interpreter *s) {
    return atomic_load_explicit(&s->used_bytes, memory_order_relaxed);
}

void script_interpreter_limit(struct script_interpreter *s, size_t bytes) {
    s->limit_bytes = bytes;
}

static int collect_all(lua_State *lua) {
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return 0;
}

void interpreter_recover(struct script_interpreter *s) {
    size_t limit = s->limit_bytes;
    s->limit_bytes = 0; /* collecting may take a little first */
    (void)!lua_cpcall(s->lua, collect_all, NULL);
    lua_settop(s->lua, 0);
    s->limit_bytes = limit;
}

/* ---- stopping ---- */

static void hook(lua_State *lua, lua_Debug *activation) {
    (void)activation;
    struct script_interpreter *s = interpreter_of(lua);
    if (!s->is_aborting) {
        s->abort_text = s->host.tick(s->host.context);
        if (s->abort_text == NULL)
            return;
    }
    interpreter_abort(lua);
}

void interpreter_watch(lua_State *lua) {
    lua_sethook(lua, hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

int interpreter_abort(lua_State *lua) {
    struct script_interpreter *s = interpreter_of(lua);
    s->is_aborting = true;
    lua_sethook(lua, hook, LUA_MASKCOUNT, 1);
    lua_sethook(s->lua, hook, LUA_MASKCOUNT, 1);
    api_error(lua, s->abort_text != NULL ? s->abort_text : "script ended");
}

/* ---- errors ---- */

/* The handler of lua_pcall: an error becomes a table that says where it happened. */
static int handle_error(lua_State *lua) {
    lua_Debug where;
    bool is_known = lua_getstack(lua, 1, &where) != 0 && lua_getinfo(lua, "Sl", &where) != 0;
    if (is_known && strcmp(where.what, "C") == 0)
        is_known = lua_getstack(lua, 2, &where) != 0 && lua_getinfo(lua, "Sl", &where) != 0;
    if (!lua_istable(lua, 1)) {
        const char *text = lua_tostring(lua, 1);
        if (text == NULL)
            text = lua_isnil(lua, 1) ? "nil" : luaL_typename(lua, 1);
        lua_newtable(lua);
        lua_pushfstring(lua, "ERR %s", text);
        lua_setfield(lua, -2, "err");
        lua_replace(lua, 1);
    }
    lua_settop(lua, 1);
    if (is_known && lua_getmetatable(lua, 1) == 0) {
        lua_pushliteral(lua, "source");
        lua_pushstring(lua, where.source);
        lua_rawset(lua, 1);
        lua_pushliteral(lua, "line");
        lua_pushinteger(lua, where.currentline);
        lua_rawset(lua, 1);
    }
    lua_settop(lua, 1);
    return 1;
}

/* A field of the error table on top, as a text, or NULL. It stays on the stack. */
static const char *error_field(lua_State *lua, int table, const char *name) {
    lua_pushstring(lua, name);
    lua_rawget(lua, table);
    return lua_isstring(lua, -1) ? lua_tostring(lua, -1) : NULL;
}

void interpreter_reply_error(lua_State *lua, const char *name, struct reply *reply) {
    int at = lua_gettop(lua);
    if (!lua_istable(lua, at)) {
        const char *text = lua_isstring(lua, at) ? lua_tostring(lua, at) : "execution failure";
        reply_error_format(reply, "ERR Error running script %s, %.100s", name, text);
        return;
    }
    const char *text = error_field(lua, at, "err");
    const char *source = error_field(lua, at, "source");
    const char *line = error_field(lua, at, "line");
    if (text == NULL)
        text = "ERR unknown error";
    if (source != NULL && line != NULL)
        text = lua_pushfstring(lua, "%s script: %s, on %s:%s.", text, name, source, line);
    reply_error(reply, text);
    lua_settop(lua, at);
}

/* ---- life ---- */

/* The list of free references begins at slot 0 of the registry. While it holds a number the slot
 * stays, and nothing that is given back later needs memory. */
static int open_all(lua_State *lua) {
    lua_pushinteger(lua, 0);
    lua_rawseti(lua, LUA_REGISTRYINDEX, 0);
    sandbox_open(lua);
    lua_pushcfunction(lua, handle_error);
    interpreter_of(lua)->error_handler = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

struct script_interpreter *script_interpreter_create(const struct script_options *options) {
    struct script_interpreter *s = allocator_allocate_zeroed(options->allocator, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->allocator = options->allocator;
    s->host = options->host;
    s->redis_version = options->redis_version;
    s->server_name = options->server_name;
    s->server_version = options->server_version;
    s->protocol = 2;
    s->random.state = 0x1234abcd330e;
    reply_init(&s->reply, options->allocator);
    s->lua = lua_newstate(resize, s);
    if (s->lua == NULL || lua_cpcall(s->lua, open_all, NULL) != 0) {
        script_interpreter_destroy(s);
        return NULL;
    }
    return s;
}

void script_interpreter_destroy(struct script_interpreter *s) {
    if (s == NULL)
        return;
    if (s->lua != NULL)
        lua_close(s->lua);
    reply_finish(&s->reply);
    allocator_release(s->allocator, s->arguments, s->argument_capacity * sizeof(*s->arguments));
    allocator_release(s->allocator, s, sizeof(*s));
}

/* ---- compiling ---- */

struct compilation {
    struct slice text;
    int function;
    struct reply *error;
    enum larder_status status;
};

static int compile(lua_State *lua) {
    struct compilation *c = lua_touserdata(lua, 1);
    int status = LUA_ERRSYNTAX;
    if (c->text.size > 0 && c->text.data[0] == LUA_SIGNATURE[0])
        lua_pushliteral(lua, "user_script:1: unexpected symbol near 'char(27)'");
    else
        status = luaL_loadbuffer(lua, (const char *)c->text.data, c->text.size, "@user_script");
    if (status == 0) {
        c->function = luaL_ref(lua, LUA_REGISTRYINDEX);
        c->status = LARDER_OK;
        return 0;
    }
    c->status = status == LUA_ERRMEM ? LARDER_NO_MEMORY : LARDER_INVALID;
    if (c->error == NULL)
        return 0;
    if (status == LUA_ERRMEM)
        reply_error(c->error, OUT_OF_MEMORY_TEXT);
    else
        reply_error(c->error, lua_pushfstring(lua, "ERR Error compiling script (new function): %s",
                                              lua_tostring(lua, -1)));
    return 0;
}

enum larder_status script_compile(struct script_interpreter *s, struct slice text,
                                  int *out_function, struct reply *error) {
    struct compilation c = {.text = text, .error = error, .status = LARDER_NO_MEMORY};
    struct reply_mark mark = error != NULL ? reply_mark(error) : (struct reply_mark){0};
    if (lua_cpcall(s->lua, compile, &c) != 0) {
        c.status = LARDER_NO_MEMORY;
        if (error != NULL) {
            reply_cut(error, mark);
            reply_error(error, OUT_OF_MEMORY_TEXT);
        }
    }
    lua_settop(s->lua, 0);
    if (c.status == LARDER_NO_MEMORY)
        interpreter_recover(s);
    *out_function = c.function;
    return c.status;
}

void script_forget(struct script_interpreter *s, int function) {
    luaL_unref(s->lua, LUA_REGISTRYINDEX, function); /* writes to slots that are there */
}

/* ---- running ---- */

struct running {
    int function;
    const struct script_call *call;
    struct reply *reply;
    bool is_out_of_memory;
};

void interpreter_push_slices(lua_State *lua, const struct slice *items, size_t count) {
    lua_createtable(lua, count < 1 << 20 ? (int)count : 1 << 20, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(lua, items[i].size > 0 ? (const char *)items[i].data : "", items[i].size);
        lua_rawseti(lua, -2, (int)i + 1);
    }
}

static int push_inputs(lua_State *lua, const struct script_call *call) {
    interpreter_push_slices(lua, call->keys, call->key_count);
    interpreter_push_slices(lua, call->arguments, call->argument_count);
    if (call->is_function)
        return 2;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, interpreter_of(lua)->globals);
    lua_insert(lua, -3);
    lua_setfield(lua, -3, "ARGV");
    lua_setfield(lua, -2, "KEYS");
    lua_pop(lua, 1);
    return 0;
}

static int run(lua_State *lua) {
    struct running *r = lua_touserdata(lua, 1);
    struct script_interpreter *s = interpreter_of(lua);
    if (s->has_limited_api)
        (void)library_restore_api(lua);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, s->error_handler);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, r->function);
    int inputs = push_inputs(lua, r->call);
    interpreter_watch(lua);
    int status = lua_pcall(lua, inputs, 1, 2);
    lua_sethook(lua, NULL, 0, 0);
    if (s->is_aborting && s->abort_text == NULL)
        return 0;
    if (s->is_aborting && status == 0) { /* it caught the error in its last instruction */
        api_push_error(lua, s->abort_text);
        status = LUA_ERRRUN;
    }
    if (status == 0)
        conversion_write_value(lua, r->reply);
    else if ((r->is_out_of_memory = status == LUA_ERRMEM))
        reply_error(r->reply, OUT_OF_MEMORY_TEXT);
    else
        interpreter_reply_error(lua, r->call->name, r->reply);
    return 0;
}

bool script_run(struct script_interpreter *s, int function, const struct script_call *call,
                struct reply *reply) {
    struct running r = {.function = function, .call = call, .reply = reply};
    struct reply_mark mark = reply_mark(reply);
    s->protocol = 2;
    s->is_aborting = false;
    s->abort_text = NULL;
    if (lua_cpcall(s->lua, run, &r) != 0) {
        lua_sethook(s->lua, NULL, 0, 0);
        reply_cut(reply, mark);
        reply_error(reply, OUT_OF_MEMORY_TEXT);
        r.is_out_of_memory = true;
    }
    lua_settop(s->lua, 0);
    if (r.is_out_of_memory)
        interpreter_recover(s);
    lua_gc(s->lua, LUA_GCRESTART, 0);
    lua_gc(s->lua, LUA_GCSETPAUSE, COLLECT_PAUSE_PERCENT);
    return !s->is_aborting;
}
