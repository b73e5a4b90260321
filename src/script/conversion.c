/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies to Lua values and back. What RESP2 has is a number, a string, false for null, a table for
 * an array, {ok = ...} or {err = ...}; RESP3 adds nil for null, booleans, {double = ...},
 * {map = {...}}, {set = {element = true}}, {big_number = ...} and
 * {verbatim_string = {format =, string =}}. A reply read here was written by this program, so its
 * form is only checked as far as not to read past its end. */
#include "script/interpreter_internal.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000, STACK_PER_LEVEL = 8 };

/* ---- reading a reply ---- */

struct reader {
    const struct reply *reply;
    size_t at;        /* in reply->data */
    size_t reference; /* the next blob that was not passed */
};

static struct slice read_line(struct reader *r) {
    const uint8_t *begin = r->reply->data + r->at;
    size_t left = r->reply->used - r->at;
    const uint8_t *end = left > 0 ? memchr(begin, '\r', left) : NULL;
    size_t size = end != NULL ? (size_t)(end - begin) : left;
    r->at += size + 2 < left ? size + 2 : left;
    return slice_of(begin, size);
}

static int64_t read_number(struct reader *r) {
    struct slice line = read_line(r);
    int64_t value;
    return slice_to_int64(line, &value) ? value : 0;
}

/* The bytes behind "$<size>": in the buffer or in a blob. */
static struct slice read_bytes(struct reader *r, int64_t size) {
    const struct reply *reply = r->reply;
    struct slice bytes = slice_of("", 0);
    if (size < 0)
        return bytes;
    if (r->reference < reply->reference_count && reply->references[r->reference].at == r->at &&
        reply->references[r->reference].blob->size == (size_t)size) {
        const struct blob *blob = reply->references[r->reference++].blob;
        bytes = slice_of(blob->data, blob->size);
    } else if ((uint64_t)size <= reply->used - r->at) {
        bytes = slice_of(reply->data + r->at, (size_t)size);
        r->at += (size_t)size;
    }
    r->at = reply->used - r->at < 2 ? reply->used : r->at + 2;
    return bytes;
}

static void push_slice(lua_State *lua, struct slice bytes) {
    lua_pushlstring(lua, bytes.size > 0 ? (const char *)bytes.data : "", bytes.size);
}

static bool push_value(lua_State *lua, struct reader *r, int depth);

static void push_wrapped(lua_State *lua, const char *field, struct slice bytes) {
    lua_createtable(lua, 0, 1);
    push_slice(lua, bytes);
    lua_setfield(lua, -2, field);
}

static void push_array(lua_State *lua, struct reader *r, int64_t count, int depth) {
    size_t left = r->reply->used - r->at;
    if (count > (int64_t)left)
        count = (int64_t)left; /* an element takes a byte at least */
    lua_createtable(lua, (int)count, 0);
    for (int i = 1; i <= (int)count; i++) {
        (void)push_value(lua, r, depth + 1);
        lua_rawseti(lua, -2, i);
    }
}

/* A null can't be a key: such a pair is left out. */
static void push_pairs(lua_State *lua, struct reader *r, int64_t count, int depth, bool is_set) {
    lua_createtable(lua, 0, 1);
    lua_newtable(lua);
    for (int64_t i = 0; i < count && r->at < r->reply->used; i++) {
        (void)push_value(lua, r, depth + 1);
        if (is_set)
            lua_pushboolean(lua, 1);
        else
            (void)push_value(lua, r, depth + 1);
        if (lua_isnil(lua, -2))
            lua_pop(lua, 2);
        else
            lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, is_set ? "set" : "map");
}

static void push_double(lua_State *lua, struct slice line) {
    char text[64];
    size_t size = line.size < sizeof(text) - 1 ? line.size : sizeof(text) - 1;
    memcpy(text, line.data, size);
    text[size] = '\0';
    lua_createtable(lua, 0, 1);
    lua_pushnumber(lua, strtod(text, NULL));
    lua_setfield(lua, -2, "double");
}

static void push_verbatim(lua_State *lua, struct slice bytes) {
    size_t prefix = bytes.size >= 4 ? 4 : 0; /* "txt:" */
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, 2);
    push_slice(lua, slice_of(bytes.data + prefix, bytes.size - prefix));
    lua_setfield(lua, -2, "string");
    push_slice(lua, slice_of(bytes.data, prefix > 0 ? prefix - 1 : 0));
    lua_setfield(lua, -2, "format");
    lua_setfield(lua, -2, "verbatim_string");
}

/* Bulk strings and aggregates of negative length are null: false, as scripts know it. */
static bool push_value(lua_State *lua, struct reader *r, int depth) {
    if (depth > DEPTH_MAX || r->at >= r->reply->used) {
        lua_pushnil(lua);
        return false;
    }
    luaL_checkstack(lua, STACK_PER_LEVEL, "reply too deep");
    char type = (char)r->reply->data[r->at++];
    int64_t size = 0;
    if (type == '$' || type == '=' || type == '*' || type == '%' || type == '~' || type == '>') {
        size = read_number(r);
        if (size < 0) {
            lua_pushboolean(lua, 0);
            return false;
        }
    }
    switch (type) {
    case ':': lua_pushnumber(lua, (lua_Number)read_number(r)); break;
    case '$': push_slice(lua, read_bytes(r, size)); break;
    case '+': push_wrapped(lua, "ok", read_line(r)); break;
    case '-': push_wrapped(lua, "err", read_line(r)); return true;
    case '*':
    case '>': push_array(lua, r, size, depth); break;
    case '%': push_pairs(lua, r, size, depth, false); break;
    case '~': push_pairs(lua, r, size, depth, true); break;
    case '#': lua_pushboolean(lua, read_line(r).data[0] == 't'); break;
    case ',': push_double(lua, read_line(r)); break;
    case '(': push_wrapped(lua, "big_number", read_line(r)); break;
    case '=': push_verbatim(lua, read_bytes(r, size)); break;
    default:
        (void)read_line(r);
        lua_pushnil(lua);
        break;
    }
    return false;
}

bool conversion_push_reply(lua_State *lua, const struct reply *reply) {
    struct reader reader = {.reply = reply};
    return push_value(lua, &reader, 0);
}

/* ---- writing a reply ---- */

static void write_value(lua_State *lua, struct reply *reply, int depth);

/* As the processors that scripts grew up on convert it: what does not fit is the least integer. */
static int64_t truncate(lua_Number number) {
    if (number >= -9223372036854775808.0 && number < 9223372036854775808.0)
        return (int64_t)number;
    return INT64_MIN;
}

/* Push the field of the table on top. True: it is of the type, else it is popped. */
static bool push_field(lua_State *lua, const char *name, int type) {
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == type)
        return true;
    lua_pop(lua, 1);
    return false;
}

static struct slice top_slice(lua_State *lua) {
    size_t size;
    const char *text = lua_tolstring(lua, -1, &size);
    return slice_of(text, size);
}

/* Simple strings and big numbers are lines: no line end may stand in them. */
static void write_line(lua_State *lua, struct reply *reply, char type) {
    struct slice text = top_slice(lua);
    luaL_Buffer line;
    luaL_buffinit(lua, &line);
    luaL_addchar(&line, type);
    for (size_t i = 0; i < text.size; i++)
        luaL_addchar(&line,
                     (char)(text.data[i] == '\r' || text.data[i] == '\n' ? ' ' : text.data[i]));
    luaL_addlstring(&line, "\r\n", 2);
    luaL_pushresult(&line);
    reply_raw(reply, top_slice(lua));
    lua_pop(lua, 1);
}

/* The elements of the table on top in the order of lua_next. */
static void write_pairs(lua_State *lua, struct reply *reply, int depth, bool is_set) {
    size_t begin = reply_deferred_begin(reply), count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        lua_pushvalue(lua, -2);
        write_value(lua, reply, depth + 1);
        if (is_set)
            lua_pop(lua, 1);
        else
            write_value(lua, reply, depth + 1);
        count++;
    }
    if (!reply->failed)
        reply_deferred_end(reply, begin, is_set ? '~' : '%', count);
}

static void write_verbatim(lua_State *lua, struct reply *reply) {
    bool has_format = push_field(lua, "format", LUA_TSTRING);
    struct slice format = has_format ? top_slice(lua) : slice_of("", 0);
    lua_pop(lua, has_format ? 1 : 0);
    if (!has_format || !push_field(lua, "string", LUA_TSTRING)) {
        reply_null(reply);
        return;
    }
    struct slice text = top_slice(lua);
    if (reply->protocol < 3) {
        reply_bulk(reply, text);
    } else {
        char head[32];
        uint8_t digits[INT64_TEXT_MAX];
        size_t size = uint64_format(text.size + 4, digits);
        memcpy(head, "=", 1);
        memcpy(head + 1, digits, size);
        memcpy(head + 1 + size, "\r\n", 2);
        size += 3;
        for (size_t i = 0; i < 3; i++)
            head[size++] = i < format.size ? (char)format.data[i] : ' ';
        head[size++] = ':';
        reply_raw(reply, slice_of(head, size));
        reply_raw(reply, text);
        reply_raw(reply, SLICE_LITERAL("\r\n"));
    }
    lua_pop(lua, 1);
}

static void write_big_number(lua_State *lua, struct reply *reply) {
    if (reply->protocol >= 3)
        write_line(lua, reply, '(');
    else
        reply_bulk(reply, top_slice(lua));
}

static void write_array(lua_State *lua, struct reply *reply, int depth) {
    size_t begin = reply_deferred_begin(reply), count = 0;
    for (int i = 1;; i++, count++) {
        lua_rawgeti(lua, -1, i);
        if (lua_isnil(lua, -1))
            break;
        write_value(lua, reply, depth + 1);
    }
    lua_pop(lua, 1);
    if (!reply->failed)
        reply_deferred_end(reply, begin, '*', count);
}

/* A table is what its first known field says, else an array. It stays on the stack. */
static void write_table(lua_State *lua, struct reply *reply, int depth) {
    if (push_field(lua, "err", LUA_TSTRING)) {
        reply_error(reply, lua_tostring(lua, -1));
    } else if (push_field(lua, "ok", LUA_TSTRING)) {
        write_line(lua, reply, '+');
    } else if (push_field(lua, "double", LUA_TNUMBER)) {
        reply_double(reply, lua_tonumber(lua, -1));
    } else if (push_field(lua, "map", LUA_TTABLE)) {
        write_pairs(lua, reply, depth, false);
    } else if (push_field(lua, "set", LUA_TTABLE)) {
        write_pairs(lua, reply, depth, true);
    } else if (push_field(lua, "big_number", LUA_TSTRING)) {
        write_big_number(lua, reply);
    } else if (push_field(lua, "verbatim_string", LUA_TTABLE)) {
        write_verbatim(lua, reply);
    } else {
        write_array(lua, reply, depth);
        return;
    }
    lua_pop(lua, 1);
}

static void write_boolean(lua_State *lua, struct reply *reply) {
    bool value = lua_toboolean(lua, -1) != 0;
    if (interpreter_of(lua)->protocol >= 3)
        reply_boolean(reply, value);
    else if (value)
        reply_integer(reply, 1);
    else
        reply_null(reply);
}

static void write_value(lua_State *lua, struct reply *reply, int depth) {
    if (depth > DEPTH_MAX || lua_checkstack(lua, STACK_PER_LEVEL) == 0) {
        reply_error(reply, "ERR reached lua stack limit");
        lua_pop(lua, 1);
        return;
    }
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING: reply_bulk(reply, top_slice(lua)); break;
    case LUA_TBOOLEAN: write_boolean(lua, reply); break;
    case LUA_TNUMBER: reply_integer(reply, truncate(lua_tonumber(lua, -1))); break;
    case LUA_TTABLE: write_table(lua, reply, depth); break;
    default: reply_null(reply); break;
    }
    lua_pop(lua, 1);
}

void conversion_write_value(lua_State *lua, struct reply *reply) {
    write_value(lua, reply, 0);
}
