/* SPDX-License-Identifier: BSD-3-Clause */
/* What a script sees. Lua 5.1 has no read-only tables, so every table that scripts share (the
 * globals, the libraries) is hidden behind an empty one whose metatable reads through and refuses
 * to be written. The functions that go around metatables are replaced by ones that know of this:
 * rawset, rawget, setmetatable, next, pairs, table.insert. A view is known by its metatable, which
 * has the address of VIEW as a key, with the hidden table as the value. */
#include "script/interpreter_internal.h"

#include <lua-bitop.h>
#include <lualib.h>

#include <string.h>

static const char VIEW = 0; /* its address is a key */

#define READ_ONLY_TEXT "Attempt to modify a readonly table"

/* Replace the table at `index` by what it hides; false when it is no view. */
static bool see_through(lua_State *lua, int index) {
    if (lua_getmetatable(lua, index) == 0)
        return false;
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&VIEW);
    lua_rawget(lua, -2);
    bool is_view = lua_istable(lua, -1);
    if (is_view)
        lua_replace(lua, index);
    lua_pop(lua, is_view ? 1 : 2);
    return is_view;
}

static bool is_view(lua_State *lua, int index) {
    if (!lua_istable(lua, index))
        return false;
    lua_pushvalue(lua, index);
    bool result = see_through(lua, lua_gettop(lua));
    lua_pop(lua, 1);
    return result;
}

static int refuse_write(lua_State *lua) {
    return luaL_error(lua, READ_ONLY_TEXT);
}

void sandbox_protect(lua_State *lua) {
    int hidden = lua_gettop(lua);
    lua_newtable(lua);
    lua_createtable(lua, 0, 4);
    lua_pushvalue(lua, hidden);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&VIEW);
    lua_pushvalue(lua, hidden);
    lua_rawset(lua, -3);
    lua_setmetatable(lua, -2);
    lua_replace(lua, hidden);
}

/* ---- functions that go around metatables ---- */

static int refuse_view(lua_State *lua) {
    lua_pushliteral(lua, READ_ONLY_TEXT);
    return lua_error(lua);
}

static int safe_rawset(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checkany(lua, 2);
    luaL_checkany(lua, 3);
    if (is_view(lua, 1))
        return refuse_view(lua);
    lua_settop(lua, 3);
    lua_rawset(lua, 1);
    return 1;
}

static int safe_rawget(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checkany(lua, 2);
    lua_settop(lua, 2);
    see_through(lua, 1);
    lua_rawget(lua, 1);
    return 1;
}

static int safe_setmetatable(lua_State *lua) {
    int type = lua_type(lua, 2);
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_argcheck(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
    if (is_view(lua, 1))
        return refuse_view(lua);
    if (luaL_getmetafield(lua, 1, "__metatable") != 0)
        luaL_error(lua, "cannot change a protected metatable");
    lua_settop(lua, 2);
    /* Nothing of a script may run when memory is collected. */
    if (type == LUA_TTABLE) {
        if (is_view(lua, 2))
            return refuse_view(lua);
    }
    lua_setmetatable(lua, 1);
    return 1;
}

static int safe_next(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    see_through(lua, 1);
    if (lua_next(lua, 1) != 0)
        return 2;
    lua_pushnil(lua);
    return 1;
}

/* Upvalue: next. */
static int safe_pairs(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, 1);
    lua_pushnil(lua);
    return 3;
}

/* Upvalue: the function of the library. */
static int safe_first_table(lua_State *lua) {
    if (is_view(lua, 1))
        return refuse_view(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
    return lua_gettop(lua);
}

/* As scripts know it: the error of a command comes as a text. */
static int safe_pcall(lua_State *lua) {
    luaL_checkany(lua, 1);
    int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
    if (status != 0 && lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
        if (lua_isstring(lua, -1))
            lua_replace(lua, -2);
        else
            lua_pop(lua, 1);
    }
    lua_pushboolean(lua, status == 0);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* The handler is called once the stack is unwound. Where Lua calls it, inside a hook that ends the
 * script, no hook would interrupt it. */
static int safe_xpcall(lua_State *lua) {
    luaL_checkany(lua, 2);
    lua_settop(lua, 2);
    lua_insert(lua, 1); /* handler, function */
    int status = lua_pcall(lua, 0, LUA_MULTRET, 0);
    if (status == 0) {
        lua_pushboolean(lua, 1);
        lua_replace(lua, 1);
        return lua_gettop(lua);
    }
    (void)lua_pcall(lua, 1, 1, 0);
    lua_pushboolean(lua, 0);
    lua_insert(lua, 1);
    return 2;
}

/* ---- loading code: texts only, compiled code could do anything ---- */

static int finish_load(lua_State *lua, int status) {
    if (status == 0)
        return 1;
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

static int load_bytes(lua_State *lua, const char *text, size_t size, const char *name) {
    if (size > 0 && text[0] == LUA_SIGNATURE[0]) {
        lua_pushfstring(lua, "[string \"%s\"]:1: unexpected symbol near 'char(27)'", name);
        return finish_load(lua, LUA_ERRSYNTAX);
    }
    return finish_load(lua, luaL_loadbuffer(lua, text, size, name));
}

static int safe_loadstring(lua_State *lua) {
    size_t size;
    const char *text = luaL_checklstring(lua, 1, &size);
    return load_bytes(lua, text, size, luaL_optstring(lua, 2, text));
}

/* load(function [, name]): the pieces are collected before they are compiled. */
static int safe_load(lua_State *lua) {
    const char *name = luaL_optstring(lua, 2, "=(load)");
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_settop(lua, 2);
    lua_newtable(lua);
    for (int pieces = 1;; pieces++) {
        lua_pushvalue(lua, 1);
        lua_call(lua, 0, 1);
        size_t size = 0;
        if (!lua_isnil(lua, -1) && lua_tolstring(lua, -1, &size) == NULL)
            return luaL_error(lua, "reader function must return a string");
        if (size == 0)
            break;
        lua_rawseti(lua, 3, pieces);
    }
    lua_settop(lua, 3);
    size_t count = lua_objlen(lua, 3), size;
    luaL_Buffer text;
    luaL_buffinit(lua, &text);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(lua, 3, (int)i);
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    const char *bytes = lua_tolstring(lua, -1, &size);
    return load_bytes(lua, bytes, size, name);
}

/* ---- math.random: the interpreter's own generator (lrand48 of POSIX) ---- */

enum { RANDOM_RANGE = INT32_MAX };

static int32_t next_random(struct script_random *random) {
    random->state = (random->state * 0x5deece66du + 0xb) & 0xffffffffffff;
    return (int32_t)(random->state >> 17);
}

static int safe_random(lua_State *lua) {
    lua_Number r = (lua_Number)(next_random(&interpreter_of(lua)->random) % RANDOM_RANGE) /
                   (lua_Number)RANDOM_RANGE;
    lua_Number low = 1, high;
    switch (lua_gettop(lua)) {
    case 0: lua_pushnumber(lua, r); return 1;
    case 1: high = (lua_Number)luaL_checkinteger(lua, 1); break;
    case 2:
        low = (lua_Number)luaL_checkinteger(lua, 1);
        high = (lua_Number)luaL_checkinteger(lua, 2);
        break;
    default: return luaL_error(lua, "wrong number of arguments");
    }
    luaL_argcheck(lua, low <= high, lua_gettop(lua), "interval is empty");
    lua_Number span = (high - low + 1) * r;
    lua_pushnumber(lua, (lua_Number)(int64_t)span + low);
    return 1;
}

static int safe_randomseed(lua_State *lua) {
    uint32_t seed = (uint32_t)luaL_checkinteger(lua, 1);
    interpreter_of(lua)->random.state = (uint64_t)seed << 16 | 0x330e;
    return 0;
}

/* ---- globals ---- */

static int refuse_unknown(lua_State *lua) {
    const char *name = lua_isstring(lua, 2) ? lua_tostring(lua, 2) : luaL_typename(lua, 2);
    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'", name);
}

static void open_library(lua_State *lua, const char *name, lua_CFunction open) {
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

/* A library whose function returns its table. */
static void open_module(lua_State *lua, const char *name, lua_CFunction open) {
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 1);
    lua_setglobal(lua, name);
}

static void open_libraries(lua_State *lua) {
    open_library(lua, "", luaopen_base);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    open_library(lua, LUA_OSLIBNAME, luaopen_os);
    open_module(lua, "cjson", script_open_cjson);
    open_module(lua, "bit", luaopen_bit);
    open_module(lua, "cmsgpack", script_open_cmsgpack);
    open_module(lua, "struct", script_open_struct);
}

static void replace_functions(lua_State *lua) {
    static const char *const REMOVED[] = {"print",  "dofile",   "loadfile", "require",
                                          "module", "newproxy", "getfenv",  "setfenv"};
    static const luaL_Reg REPLACED[] = {
        {"rawset", safe_rawset}, {"rawget", safe_rawget},
        {"next", safe_next},     {"setmetatable", safe_setmetatable},
        {"load", safe_load},     {"loadstring", safe_loadstring},
        {"pcall", safe_pcall},   {"xpcall", safe_xpcall},
    };
    for (size_t i = 0; i < sizeof(REMOVED) / sizeof(*REMOVED); i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, REMOVED[i]);
    }
    for (size_t i = 0; i < sizeof(REPLACED) / sizeof(*REPLACED); i++) {
        lua_pushcfunction(lua, REPLACED[i].func);
        lua_setglobal(lua, REPLACED[i].name);
    }
    lua_pushcfunction(lua, safe_next);
    lua_pushcclosure(lua, safe_pairs, 1);
    lua_setglobal(lua, "pairs");
}

static void replace_in_libraries(lua_State *lua) {
    static const char *const WRITERS[] = {"insert", "remove", "sort", "setn"};
    lua_getglobal(lua, "math");
    lua_pushcfunction(lua, safe_random);
    lua_setfield(lua, -2, "random");
    lua_pushcfunction(lua, safe_randomseed);
    lua_setfield(lua, -2, "randomseed");
    lua_getglobal(lua, "table");
    for (size_t i = 0; i < sizeof(WRITERS) / sizeof(*WRITERS); i++) {
        lua_getfield(lua, -1, WRITERS[i]);
        lua_pushcclosure(lua, safe_first_table, 1);
        lua_setfield(lua, -2, WRITERS[i]);
    }
    lua_newtable(lua);
    lua_getglobal(lua, "os");
    lua_getfield(lua, -1, "clock");
    lua_setfield(lua, -3, "clock");
    lua_pop(lua, 1);
    lua_setglobal(lua, "os");
    lua_pop(lua, 2);
}

static void protect_libraries(lua_State *lua) {
    static const char *const NAMES[] = {"string", "table", "math",     "os",    "coroutine",
                                        "cjson",  "bit",   "cmsgpack", "struct"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        lua_getglobal(lua, NAMES[i]);
        sandbox_protect(lua);
        lua_setglobal(lua, NAMES[i]);
    }
    /* ("x"):upper() goes through the metatable of strings. */
    lua_pushliteral(lua, "");
    lua_newtable(lua);
    lua_getglobal(lua, "string");
    lua_setfield(lua, -2, "__index");
    lua_pushvalue(lua, -1);
    sandbox_protect(lua);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

static void set_api(lua_State *lua, int *reference, bool is_limited) {
    api_push(lua, is_limited);
    sandbox_protect(lua);
    lua_pushvalue(lua, -1);
    *reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushvalue(lua, -1);
    lua_setglobal(lua, "redis");
    lua_setglobal(lua, "server");
}

void sandbox_open(lua_State *lua) {
    struct script_interpreter *s = interpreter_of(lua);
    open_libraries(lua);
    replace_functions(lua);
    replace_in_libraries(lua);
    protect_libraries(lua);
    set_api(lua, &s->limited_api, true);
    set_api(lua, &s->full_api, false);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    lua_newtable(lua);
    lua_pushcfunction(lua, refuse_unknown);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    s->globals = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushvalue(lua, -1);
    sandbox_protect(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "_G");
    lua_replace(lua, LUA_GLOBALSINDEX);
    lua_pop(lua, 1);
}
