/* SPDX-License-Identifier: BSD-3-Clause */
/* cjson within the limit of memory. The library takes its buffers from the C library, ends the
 * process when it gets none, and loses the one of a decode when Lua finds no memory meanwhile. So
 * `encode` and `decode` are wrapped: before they run, what they can take at most is counted, and
 * with less than that left the script is out of memory as by any other allocation.
 *
 * An encode takes up to twice its text for the buffer, which doubles, and the text once more as a
 * Lua string. The text's size is found by walking the value as cjson does. A decode takes its text
 * once and the values, whose number is seen from the punctuation outside of strings. */
#include "script/interpreter_internal.h"

#include <lua-cjson.h>
#include <string.h>

enum {
    BUFFER_KEPT_BYTES = 64 * 1024, /* a larger one is given back after the encode */
    SLACK_BYTES = 4096,
    NUMBER_BYTES = 32, /* and a comma */
    TABLE_BYTES = 64,
    STRING_BYTES = 48,        /* of a short string, beside its text, and its place among all */
    ELEMENT_BYTES = 3 * 16,   /* of an array: it doubles, and is copied then */
    MEMBER_BYTES = 3 * 40,    /* of an object */
    DEPTH_DEFAULT = 1000,     /* cjson refuses deeper values */
    SPARSE_RATIO_DEFAULT = 2, /* and arrays with more places than this per element, */
    SPARSE_SAFE_DEFAULT = 10, /* beyond these */
};

/* ---- what there is ---- */

static int collect_garbage(lua_State *lua) {
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return 0;
}

static size_t bytes_left(const struct script_interpreter *s) {
    size_t used = script_interpreter_bytes(s);
    return s->limit_bytes == 0 ? SIZE_MAX : used < s->limit_bytes ? s->limit_bytes - used : 0;
}

/* As any allocation beyond the limit: the error can't be told from it. */
static void demand(lua_State *lua, size_t bytes) {
    struct script_interpreter *s = interpreter_of(lua);
    if (bytes <= bytes_left(s))
        return;
    (void)collect_garbage(lua);
    if (bytes > bytes_left(s))
        (void)lua_newuserdata(lua, s->limit_bytes);
}

/* ---- the size of an encoded value ---- */

struct measure {
    lua_State *lua;
    size_t bytes;
    size_t limit; /* no need to go on beyond */
    int depth, max_depth;
};

/* Call one of cjson's functions about its configuration without arguments; its first `count`
 * results are on the stack. The table of cjson's functions is upvalue 2. */
static void configuration(lua_State *lua, const char *name, int count) {
    lua_getfield(lua, lua_upvalueindex(2), name);
    lua_call(lua, 0, count);
}

static size_t text_bytes(const char *text, size_t size) {
    size_t bytes = size + 2;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f)
            bytes += 5;
        else if (c == '"' || c == '\\' || c == '/')
            bytes++;
    }
    return bytes;
}

/* The nulls of an array with `count` elements, of which the last has index `last`. */
static size_t holes(struct measure *m, lua_Number last, size_t count) {
    lua_State *lua = m->lua;
    if (last <= (lua_Number)count)
        return 0;
    if (last > (lua_Number)count * SPARSE_RATIO_DEFAULT && last > SPARSE_SAFE_DEFAULT) {
        configuration(lua, "encode_sparse_array", 3);
        lua_Number ratio = lua_tonumber(lua, -2), safe = lua_tonumber(lua, -1);
        lua_pop(lua, 3);
        if (ratio > 0 && last > (lua_Number)count * ratio && last > safe)
            return 0; /* refused, or made an object */
    }
    return last > (lua_Number)m->limit ? m->limit : (size_t)last - count;
}

static void measure_value(struct measure *m);

/* Refuse a table where cjson would, or where Lua's stack ends. */
static void check_depth(struct measure *m) {
    if (m->depth == DEPTH_DEFAULT) {
        configuration(m->lua, "encode_max_depth", 1);
        m->max_depth =
            lua_tointeger(m->lua, -1) > INT32_MAX ? INT32_MAX : (int)lua_tointeger(m->lua, -1);
        lua_pop(m->lua, 1);
    }
    if (m->depth >= m->max_depth || !lua_checkstack(m->lua, 8))
        luaL_error(m->lua, "Cannot serialise, excessive nesting (%d)", m->depth + 1);
}

static void measure_table(struct measure *m) {
    lua_State *lua = m->lua;
    lua_Number last = 0;
    size_t count = 0;
    bool is_array = true;
    m->bytes += 2;
    check_depth(m);
    m->depth++;
    for (lua_pushnil(lua); m->bytes <= m->limit && lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        size_t size;
        count++;
        if (lua_type(lua, -2) == LUA_TNUMBER) {
            lua_Number key = lua_tonumber(lua, -2);
            is_array = is_array && key >= 1;
            last = key > last ? key : last;
            m->bytes += NUMBER_BYTES;
        } else {
            is_array = false;
            const char *text =
                lua_type(lua, -2) == LUA_TSTRING ? lua_tolstring(lua, -2, &size) : NULL;
            m->bytes += 2 + (text != NULL ? text_bytes(text, size) : 0);
        }
        measure_value(m);
    }
    if (m->bytes > m->limit)
        return;
    m->depth--;
    if (is_array)
        m->bytes += 5 * holes(m, last, count);
}

/* Count the value on top of the stack. */
static void measure_value(struct measure *m) {
    size_t size;
    switch (lua_type(m->lua, -1)) {
    case LUA_TSTRING: {
        const char *text = lua_tolstring(m->lua, -1, &size);
        m->bytes += 1 + text_bytes(text, size);
        break;
    }
    case LUA_TTABLE: measure_table(m); break;
    default: m->bytes += NUMBER_BYTES; break;
    }
}

/* Bytes of the text of the value on top of the stack, or more than `limit`. */
static size_t encoded_bytes(lua_State *lua, size_t limit) {
    struct measure m = {.lua = lua, .limit = limit, .max_depth = INT32_MAX};
    measure_value(&m);
    return m.bytes;
}

/* ---- the memory of a decoded text ---- */

/* The end of the string that begins at `at`, a quote. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at;
}

static size_t decoded_bytes(const char *text, size_t size) {
    const char *end = text + size;
    size_t tables = 0, elements = 1, members = 0, strings = 0;
    for (const char *at = text; at < end; at++) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            strings++;
            break;
        case '[':
        case '{': tables++; /* fall through */
        case ',': elements++; break;
        case ':': members++; break;
        default: break;
        }
    }
    return 2 * size + tables * TABLE_BYTES + strings * STRING_BYTES + elements * ELEMENT_BYTES +
           members * MEMBER_BYTES;
}

/* ---- the functions of scripts; upvalues: cjson's function, the table of all of them ---- */

/* Call it with the argument on the stack. Its error says where the script called, as if this
 * function weren't between them. */
static int call_through(lua_State *lua) {
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    if (lua_pcall(lua, 1, 1, 0) == 0)
        return 1;
    if (lua_type(lua, -1) == LUA_TSTRING) {
        luaL_where(lua, 1);
        lua_insert(lua, -2);
        lua_concat(lua, 2);
    }
    return lua_error(lua);
}

/* cjson keeps the buffer of its encodes: have it replaced by a small one, unless a script told it
 * not to keep any. */
static void shrink_buffer(lua_State *lua) {
    configuration(lua, "encode_keep_buffer", 1);
    bool is_kept = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    for (int keep = 0; keep <= 1 && is_kept; keep++) {
        lua_getfield(lua, lua_upvalueindex(2), "encode_keep_buffer");
        lua_pushboolean(lua, keep);
        lua_call(lua, 1, 0);
    }
}

static int limited_encode(lua_State *lua) {
    struct script_interpreter *s = interpreter_of(lua);
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    if (s->has_large_json)
        shrink_buffer(lua); /* the last one failed */
    size_t bytes = encoded_bytes(lua, s->limit_bytes > 0 ? s->limit_bytes : SIZE_MAX / 8);
    demand(lua, 3 * bytes + SLACK_BYTES);
    s->has_large_json = bytes > BUFFER_KEPT_BYTES;
    (void)call_through(lua);
    if (s->has_large_json)
        shrink_buffer(lua);
    s->has_large_json = false;
    return 1;
}

static int limited_decode(lua_State *lua) {
    size_t size;
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    const char *text = luaL_checklstring(lua, 1, &size);
    demand(lua, decoded_bytes(text, size) + SLACK_BYTES);
    return call_through(lua);
}

/* Wrap the functions of the table on top of the stack. */
static void limit_functions(lua_State *lua);

/* cjson.new(): another table of functions, with a configuration of its own. */
static int limited_new(lua_State *lua) {
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_call(lua, 0, 1);
    limit_functions(lua);
    return 1;
}

static void limit_functions(lua_State *lua) {
    static const luaL_Reg LIMITED[] = {
        {"encode", limited_encode},
        {"decode", limited_decode},
        {"new", limited_new},
    };
    int table = lua_gettop(lua);
    lua_newtable(lua); /* as cjson made it: scripts can't change what it holds */
    for (lua_pushnil(lua); lua_next(lua, table) != 0;) {
        lua_pushvalue(lua, -2);
        lua_insert(lua, -2);
        lua_rawset(lua, table + 1);
    }
    for (size_t i = 0; i < sizeof(LIMITED) / sizeof(*LIMITED); i++) {
        lua_getfield(lua, table + 1, LIMITED[i].name);
        lua_pushvalue(lua, table + 1);
        lua_pushcclosure(lua, LIMITED[i].func, 2);
        lua_setfield(lua, table, LIMITED[i].name);
    }
    lua_settop(lua, table);
}

int script_open_cjson(lua_State *lua) {
    lua_pushcfunction(lua, luaopen_cjson);
    lua_pushliteral(lua, "cjson");
    lua_call(lua, 1, 1);
    limit_functions(lua);
    return 1;
}
