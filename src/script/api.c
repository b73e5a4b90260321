/* SPDX-License-Identifier: BSD-3-Clause */
/* The table `redis`, also called `server`: calling commands, making replies, logging. */
#include "base/sha1.h"
#include "script/interpreter_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

/* Push the text of an error as scripts see it: with its prefix, without the line end. */
static void push_error_text(lua_State *lua, const char *text) {
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    if (text[0] == '-')
        lua_pushlstring(lua, text + 1, size - 1);
    else
        lua_pushfstring(lua, "ERR %s", text);
}

void api_push_error(lua_State *lua, const char *text) {
    lua_createtable(lua, 0, 2);
    push_error_text(lua, text);
    lua_setfield(lua, -2, "err");
}

int api_error(lua_State *lua, const char *text) {
    api_push_error(lua, text);
    lua_error(lua);
    abort(); /* lua_error does not return */
}

/* ---- commands ---- */

static void reserve_arguments(lua_State *lua, struct script_interpreter *s, size_t count) {
    if (count <= s->argument_capacity)
        return;
    size_t capacity = s->argument_capacity == 0 ? 32 : s->argument_capacity;
    while (capacity < count)
        capacity *= 2;
    void *grown =
        allocator_resize(s->allocator, s->arguments, s->argument_capacity * sizeof(*s->arguments),
                         capacity * sizeof(*s->arguments));
    if (grown == NULL)
        luaL_error(lua, "not enough memory");
    s->arguments = grown;
    s->argument_capacity = capacity;
}

/* Numbers are passed with all their digits, not in the form of tostring. */
static void spell_number(lua_State *lua, int index) {
    char text[40];
    int size = snprintf(text, sizeof(text), "%.17g", lua_tonumber(lua, index));
    lua_pushlstring(lua, text, (size_t)size);
    lua_replace(lua, index);
}

/* The arguments on the stack as slices. NULL, or the text of an error. */
static const char *take_arguments(lua_State *lua, size_t *out_count) {
    struct script_interpreter *s = interpreter_of(lua);
    int count = lua_gettop(lua);
    if (count == 0)
        return "Please specify at least one argument for this redis lib call";
    reserve_arguments(lua, s, (size_t)count);
    for (int i = 1; i <= count; i++) {
        int type = lua_type(lua, i);
        if (type == LUA_TNUMBER)
            spell_number(lua, i);
        else if (type != LUA_TSTRING)
            return "Lua redis lib command arguments must be strings or integers";
        size_t size;
        const char *data = lua_tolstring(lua, i, &size);
        s->arguments[i - 1] = slice_of(data, size);
    }
    *out_count = (size_t)count;
    return NULL;
}

static int finish_error(lua_State *lua, bool raises) {
    return raises ? lua_error(lua) : 1;
}

static int call_command(lua_State *lua, bool raises) {
    struct script_interpreter *s = interpreter_of(lua);
    size_t argc;
    const char *refusal = take_arguments(lua, &argc);
    if (refusal != NULL) {
        api_push_error(lua, refusal);
        return finish_error(lua, raises);
    }
    reply_clear(&s->reply);
    s->reply.protocol = s->protocol;
    if (!s->host.execute(s->host.context, argc, s->arguments, &s->reply))
        interpreter_abort(lua);
    if (s->reply.failed) {
        reply_clear(&s->reply);
        api_push_error(lua, "-OOM not enough memory for the reply of a command");
        return finish_error(lua, raises);
    }
    bool is_error = conversion_push_reply(lua, &s->reply);
    if (!is_error)
        return 1;
    lua_pushboolean(lua, 1);
    lua_setfield(lua, -2, "ignore_error_stats_update");
    return finish_error(lua, raises);
}

static int api_call(lua_State *lua) {
    return call_command(lua, true);
}

static int api_pcall(lua_State *lua) {
    return call_command(lua, false);
}

static int api_acl_check_cmd(lua_State *lua) {
    struct script_interpreter *s = interpreter_of(lua);
    size_t argc;
    const char *refusal = take_arguments(lua, &argc);
    if (refusal != NULL)
        api_error(lua, refusal);
    int answer = s->host.may_run(s->host.context, argc, s->arguments);
    if (answer < 0)
        api_error(lua, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(lua, answer);
    return 1;
}

/* ---- replies ---- */

static int single_field(lua_State *lua, const char *field) {
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        api_push_error(lua, "wrong number or type of arguments");
        return 1;
    }
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, field);
    return 1;
}

static int api_status_reply(lua_State *lua) {
    return single_field(lua, "ok");
}

static int api_error_reply(lua_State *lua) {
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        api_push_error(lua, "wrong number or type of arguments");
        return 1;
    }
    size_t size;
    const char *text = lua_tolstring(lua, 1, &size);
    if (size > 0 && text[0] == '-') {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    lua_createtable(lua, 0, 1);
    if (memchr(text, ' ', size) == NULL) { /* it has no prefix of its own */
        lua_pushliteral(lua, "ERR ");
        lua_pushlstring(lua, text, size);
        lua_concat(lua, 2);
    } else {
        lua_pushlstring(lua, text, size);
    }
    lua_setfield(lua, -2, "err");
    return 1;
}

static int api_setresp(lua_State *lua) {
    if (lua_gettop(lua) != 1)
        api_error(lua, "redis.setresp() requires one argument.");
    lua_Number version = lua_tonumber(lua, 1);
    if (version != 2 && version != 3)
        api_error(lua, "RESP version must be 2 or 3.");
    interpreter_of(lua)->protocol = (uint8_t)version;
    return 0;
}

/* ---- the rest ---- */

static int api_log(lua_State *lua) {
    int count = lua_gettop(lua);
    if (count < 2)
        api_error(lua, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(lua, 1))
        api_error(lua, "First argument must be a number (log level).");
    lua_Number level = lua_tonumber(lua, 1);
    if (!(level >= SCRIPT_LOG_DEBUG && level <= SCRIPT_LOG_WARNING))
        api_error(lua, "Invalid debug level.");
    luaL_Buffer text;
    luaL_buffinit(lua, &text);
    for (int i = 2; i <= count; i++) {
        size_t size;
        const char *piece = lua_tolstring(lua, i, &size);
        if (piece == NULL)
            continue;
        if (i > 2)
            luaL_addchar(&text, ' ');
        luaL_addlstring(&text, piece, size);
    }
    luaL_pushresult(&text);
    size_t size;
    const char *line = lua_tolstring(lua, -1, &size);
    struct script_interpreter *s = interpreter_of(lua);
    s->host.log(s->host.context, (enum script_log_level)level, slice_of(line, size));
    return 0;
}

static int api_sha1hex(lua_State *lua) {
    if (lua_gettop(lua) != 1)
        api_error(lua, "wrong number of arguments");
    size_t size;
    const char *text = lua_tolstring(lua, 1, &size);
    char hex[SHA1_HEX_BYTES + 1];
    sha1_hex(slice_of(text, text != NULL ? size : 0), hex);
    lua_pushlstring(lua, hex, SHA1_HEX_BYTES);
    return 1;
}

enum { REPL_NONE, REPL_AOF, REPL_REPLICA, REPL_ALL };

/* Effects always go everywhere; what a script wants is checked and has no effect. */
static int api_set_repl(lua_State *lua) {
    if (lua_gettop(lua) != 1)
        api_error(lua, "redis.set_repl() requires two arguments.");
    lua_Number flags = lua_tonumber(lua, 1);
    if (!(flags >= REPL_NONE && flags <= REPL_ALL))
        api_error(lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                       "REPL_NONE.");
    return 0;
}

static int api_replicate_commands(lua_State *lua) {
    lua_pushboolean(lua, 1);
    return 1;
}

static int api_breakpoint(lua_State *lua) {
    lua_pushboolean(lua, 0);
    return 1;
}

static int api_debug(lua_State *lua) {
    (void)lua;
    return 0;
}

/* "7.2.4" as 0x00070204. */
static lua_Number version_number(const char *text) {
    unsigned major = 0, minor = 0, patch = 0;
    (void)!sscanf(text, "%u.%u.%u", &major, &minor, &patch);
    return (lua_Number)(major << 16 | minor << 8 | patch);
}

static void push_versions(lua_State *lua) {
    const struct script_interpreter *s = interpreter_of(lua);
    lua_pushstring(lua, s->redis_version);
    lua_setfield(lua, -2, "REDIS_VERSION");
    lua_pushnumber(lua, version_number(s->redis_version));
    lua_setfield(lua, -2, "REDIS_VERSION_NUM");
    lua_pushstring(lua, s->server_name);
    lua_setfield(lua, -2, "SERVER_NAME");
    lua_pushstring(lua, s->server_version);
    lua_setfield(lua, -2, "SERVER_VERSION");
    lua_pushnumber(lua, version_number(s->server_version));
    lua_setfield(lua, -2, "SERVER_VERSION_NUM");
}

void api_push(lua_State *lua, bool is_limited) {
    static const luaL_Reg ALWAYS[] = {
        {"log", api_log},
        {"sha1hex", api_sha1hex},
        {"error_reply", api_error_reply},
        {"status_reply", api_status_reply},
        {NULL, NULL},
    };
    static const luaL_Reg RUNNING[] = {
        {"call", api_call},
        {"pcall", api_pcall},
        {"setresp", api_setresp},
        {"set_repl", api_set_repl},
        {"replicate_commands", api_replicate_commands},
        {"breakpoint", api_breakpoint},
        {"debug", api_debug},
        {"acl_check_cmd", api_acl_check_cmd},
        {NULL, NULL},
    };
    static const struct {
        const char *name;
        int value;
    } NUMBERS[] = {
        {"LOG_DEBUG", SCRIPT_LOG_DEBUG},
        {"LOG_VERBOSE", SCRIPT_LOG_VERBOSE},
        {"LOG_NOTICE", SCRIPT_LOG_NOTICE},
        {"LOG_WARNING", SCRIPT_LOG_WARNING},
        {"REPL_NONE", REPL_NONE},
        {"REPL_AOF", REPL_AOF},
        {"REPL_SLAVE", REPL_REPLICA},
        {"REPL_REPLICA", REPL_REPLICA},
        {"REPL_ALL", REPL_ALL},
    };
    lua_newtable(lua);
    luaL_register(lua, NULL, ALWAYS);
    if (is_limited) {
        lua_pushcfunction(lua, library_register);
        lua_setfield(lua, -2, "register_function");
    } else {
        luaL_register(lua, NULL, RUNNING);
    }
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(*NUMBERS); i++) {
        lua_pushinteger(lua, NUMBERS[i].value);
        lua_setfield(lua, -2, NUMBERS[i].name);
    }
    push_versions(lua);
}
