/* SPDX-License-Identifier: BSD-3-Clause */
/* MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) for scripts: pack, unpack,
 * unpack_one, unpack_limit. Numbers without a fraction are packed as integers, others as the
 * shortest float that holds them. A table whose keys are 1 to n is an array, any other a map.
 * Tables nested deeper than NESTING_MAX are packed as nil. Extension types are not read. */
#include "script/interpreter_internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { NESTING_MAX = 16, UNPACK_NESTING_MAX = 1000 };

/* ---- packing ---- */

/* A type byte and a number in network order. */
static void add_head(luaL_Buffer *out, uint8_t type, uint64_t value, unsigned bytes) {
    char head[9];
    head[0] = (char)type;
    for (unsigned i = 0; i < bytes; i++)
        head[1 + i] = (char)(value >> 8 * (bytes - 1 - i));
    luaL_addlstring(out, head, bytes + 1);
}

static void pack_integer(luaL_Buffer *out, int64_t n) {
    if (n >= 0) {
        if (n <= 127)
            add_head(out, (uint8_t)n, 0, 0);
        else if (n <= UINT8_MAX)
            add_head(out, 0xcc, (uint64_t)n, 1);
        else if (n <= UINT16_MAX)
            add_head(out, 0xcd, (uint64_t)n, 2);
        else if (n <= UINT32_MAX)
            add_head(out, 0xce, (uint64_t)n, 4);
        else
            add_head(out, 0xcf, (uint64_t)n, 8);
    } else if (n >= -32) {
        add_head(out, (uint8_t)(int8_t)n, 0, 0);
    } else if (n >= INT8_MIN) {
        add_head(out, 0xd0, (uint64_t)n, 1);
    } else if (n >= INT16_MIN) {
        add_head(out, 0xd1, (uint64_t)n, 2);
    } else if (n >= INT32_MIN) {
        add_head(out, 0xd2, (uint64_t)n, 4);
    } else {
        add_head(out, 0xd3, (uint64_t)n, 8);
    }
}

static void pack_float(luaL_Buffer *out, double d) {
    float single = (float)d;
    if ((double)single == d) {
        uint32_t bits;
        memcpy(&bits, &single, sizeof(bits));
        add_head(out, 0xca, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &d, sizeof(bits));
        add_head(out, 0xcb, bits, 8);
    }
}

static void pack_number(luaL_Buffer *out, lua_Number n) {
    bool is_integer =
        n >= -9223372036854775808.0 && n < 9223372036854775808.0 && (lua_Number)(int64_t)n == n;
    if (is_integer)
        pack_integer(out, (int64_t)n);
    else
        pack_float(out, n);
}

static void pack_string(luaL_Buffer *out, const char *text, size_t size) {
    if (size < 32)
        add_head(out, (uint8_t)(0xa0 | size), 0, 0);
    else if (size <= UINT8_MAX)
        add_head(out, 0xd9, size, 1);
    else if (size <= UINT16_MAX)
        add_head(out, 0xda, size, 2);
    else
        add_head(out, 0xdb, size, 4);
    luaL_addlstring(out, text, size);
}

/* The number of elements if the keys are exactly 1 to n; false if they are not. */
static bool is_array(lua_State *lua, int table, size_t *out_count) {
    size_t count = 0, highest = 0;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        lua_pop(lua, 1);
        lua_Number n = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : 0;
        if (!(n >= 1 && n <= INT_MAX) || n != floor(n)) {
            lua_pop(lua, 1);
            return false;
        }
        count++;
        if ((size_t)n > highest)
            highest = (size_t)n;
    }
    *out_count = count;
    return count == highest;
}

static size_t count_pairs(lua_State *lua, int table) {
    size_t count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        lua_pop(lua, 1);
        count++;
    }
    return count;
}

static void pack_count(luaL_Buffer *out, size_t count, uint8_t small, uint8_t large) {
    if (count < 16)
        add_head(out, (uint8_t)(small | count), 0, 0);
    else if (count <= UINT16_MAX)
        add_head(out, large, count, 2);
    else
        add_head(out, (uint8_t)(large + 1), count, 4);
}

/* Lua's buffers keep pieces on the stack, so a value is packed into a string of its own: the
 * function leaves exactly one string. `index` is absolute. */
static void pack_value(lua_State *lua, int index, int depth);

static void pack_table(lua_State *lua, int index, int depth) {
    luaL_Buffer out;
    size_t count = 0;
    bool as_array = is_array(lua, index, &count);
    if (!as_array)
        count = count_pairs(lua, index);
    lua_newtable(lua); /* the pieces */
    int pieces = lua_gettop(lua), piece = 1;
    luaL_buffinit(lua, &out);
    pack_count(&out, count, as_array ? 0x90 : 0x80, as_array ? 0xdc : 0xde);
    luaL_pushresult(&out);
    lua_rawseti(lua, pieces, piece++);
    if (as_array) {
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(lua, index, (int)i);
            pack_value(lua, lua_gettop(lua), depth + 1);
            lua_rawseti(lua, pieces, piece++);
            lua_settop(lua, pieces);
        }
    } else {
        lua_pushnil(lua);
        while (lua_next(lua, index) != 0) {
            int key = lua_gettop(lua) - 1;
            pack_value(lua, key, depth + 1);
            lua_rawseti(lua, pieces, piece++);
            pack_value(lua, key + 1, depth + 1);
            lua_rawseti(lua, pieces, piece++);
            lua_settop(lua, key);
        }
    }
    luaL_buffinit(lua, &out);
    for (int i = 1; i < piece; i++) {
        lua_rawgeti(lua, pieces, i);
        luaL_addvalue(&out);
    }
    luaL_pushresult(&out);
    lua_replace(lua, pieces);
    lua_settop(lua, pieces);
}

static void pack_value(lua_State *lua, int index, int depth) {
    luaL_Buffer out;
    luaL_checkstack(lua, LUA_MINSTACK, "in function pack");
    int type = lua_type(lua, index);
    if (type == LUA_TTABLE && depth < NESTING_MAX) {
        pack_table(lua, index, depth);
        return;
    }
    size_t size = 0;
    const char *text = type == LUA_TSTRING ? lua_tolstring(lua, index, &size) : NULL;
    luaL_buffinit(lua, &out);
    if (type == LUA_TSTRING)
        pack_string(&out, text, size);
    else if (type == LUA_TNUMBER)
        pack_number(&out, lua_tonumber(lua, index));
    else if (type == LUA_TBOOLEAN)
        add_head(&out, lua_toboolean(lua, index) ? 0xc3 : 0xc2, 0, 0);
    else
        add_head(&out, 0xc0, 0, 0);
    luaL_pushresult(&out);
}

static int cmsgpack_pack(lua_State *lua) {
    int count = lua_gettop(lua);
    if (count == 0)
        return luaL_argerror(lua, 0, "MessagePack pack needs input.");
    luaL_checkstack(lua, count + LUA_MINSTACK, "Too many arguments for MessagePack pack.");
    for (int i = 1; i <= count; i++)
        pack_value(lua, i, 0);
    lua_concat(lua, count);
    return 1;
}

/* ---- unpacking ---- */

struct cursor {
    const uint8_t *at;
    size_t left;
};

static int fail_short(lua_State *lua) {
    return luaL_error(lua, "Missing bytes in input.");
}

static const uint8_t *take(lua_State *lua, struct cursor *c, size_t size) {
    if (c->left < size)
        fail_short(lua);
    const uint8_t *at = c->at;
    c->at += size;
    c->left -= size;
    return at;
}

static uint64_t take_number(lua_State *lua, struct cursor *c, unsigned bytes) {
    const uint8_t *at = take(lua, c, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static int64_t extend_sign(uint64_t value, unsigned bytes) {
    unsigned shift = 64 - 8 * bytes;
    return (int64_t)(value << shift) >> shift;
}

static void push_float(lua_State *lua, struct cursor *c, bool is_double) {
    if (is_double) {
        uint64_t bits = take_number(lua, c, 8);
        double d;
        memcpy(&d, &bits, sizeof(d));
        lua_pushnumber(lua, d);
    } else {
        uint32_t bits = (uint32_t)take_number(lua, c, 4);
        float f;
        memcpy(&f, &bits, sizeof(f));
        lua_pushnumber(lua, (lua_Number)f);
    }
}

static void unpack_value(lua_State *lua, struct cursor *c, int depth);

static void push_string(lua_State *lua, struct cursor *c, uint64_t size) {
    lua_pushlstring(lua, (const char *)take(lua, c, (size_t)size), (size_t)size);
}

static void push_array(lua_State *lua, struct cursor *c, uint64_t count, int depth) {
    lua_newtable(lua);
    for (uint64_t i = 1; i <= count; i++) {
        unpack_value(lua, c, depth + 1);
        lua_rawseti(lua, -2, (int)i);
    }
}

static void push_map(lua_State *lua, struct cursor *c, uint64_t count, int depth) {
    lua_newtable(lua);
    for (uint64_t i = 0; i < count; i++) {
        unpack_value(lua, c, depth + 1);
        unpack_value(lua, c, depth + 1);
        lua_settable(lua, -3); /* raises an error for nil and not-a-number */
    }
}

static void unpack_value(lua_State *lua, struct cursor *c, int depth) {
    if (depth > UNPACK_NESTING_MAX)
        luaL_error(lua, "Bad data format in input.");
    luaL_checkstack(lua, LUA_MINSTACK,
                    "too many return values at once; use unpack_one or "
                    "unpack_limit instead.");
    uint8_t type = *take(lua, c, 1);
    unsigned bytes = 1u << (type & 3); /* of the numbers of 0xcc to 0xd3 */
    switch (type) {
    case 0xc0: lua_pushnil(lua); return;
    case 0xc2: lua_pushboolean(lua, 0); return;
    case 0xc3: lua_pushboolean(lua, 1); return;
    case 0xca: push_float(lua, c, false); return;
    case 0xcb: push_float(lua, c, true); return;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: lua_pushnumber(lua, (lua_Number)take_number(lua, c, bytes)); return;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        lua_pushnumber(lua, (lua_Number)extend_sign(take_number(lua, c, bytes), bytes));
        return;
    case 0xd9: push_string(lua, c, take_number(lua, c, 1)); return;
    case 0xda: push_string(lua, c, take_number(lua, c, 2)); return;
    case 0xdb: push_string(lua, c, take_number(lua, c, 4)); return;
    case 0xdc: push_array(lua, c, take_number(lua, c, 2), depth); return;
    case 0xdd: push_array(lua, c, take_number(lua, c, 4), depth); return;
    case 0xde: push_map(lua, c, take_number(lua, c, 2), depth); return;
    case 0xdf: push_map(lua, c, take_number(lua, c, 4), depth); return;
    default: break;
    }
    if (type <= 0x7f)
        lua_pushnumber(lua, type);
    else if (type >= 0xe0)
        lua_pushnumber(lua, (int8_t)type);
    else if (type >= 0xa0 && type <= 0xbf)
        push_string(lua, c, type & 0x1f);
    else if (type >= 0x90 && type <= 0x9f)
        push_array(lua, c, type & 0x0f, depth);
    else if (type >= 0x80 && type <= 0x8f)
        push_map(lua, c, type & 0x0f, depth);
    else
        luaL_error(lua, "Bad data format in input.");
}

static int unpack_some(lua_State *lua, int limit, int offset, bool is_all) {
    size_t size;
    const char *text = luaL_checklstring(lua, 1, &size);
    if (offset < 0 || limit < 0)
        return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                          offset, (int)size);
    if ((size_t)offset > size)
        return luaL_error(lua, "Start offset %d greater than input length %d.", offset, (int)size);
    struct cursor c = {(const uint8_t *)text + offset, size - (size_t)offset};
    lua_settop(lua, 1);
    int count = 0;
    for (; c.left > 0 && (is_all || count < limit); count++)
        unpack_value(lua, &c, 0);
    if (is_all)
        return count;
    luaL_checkstack(lua, 1, "too many return values");
    lua_pushinteger(lua, c.left == 0 ? -1 : (lua_Integer)(size - c.left));
    lua_insert(lua, 2);
    return count + 1;
}

static int cmsgpack_unpack(lua_State *lua) {
    return unpack_some(lua, 0, 0, true);
}

static int cmsgpack_unpack_one(lua_State *lua) {
    return unpack_some(lua, 1, (int)luaL_optinteger(lua, 2, 0), false);
}

static int cmsgpack_unpack_limit(lua_State *lua) {
    int limit = (int)luaL_checkinteger(lua, 2);
    return unpack_some(lua, limit, (int)luaL_optinteger(lua, 3, 0), limit == 0);
}

int script_open_cmsgpack(lua_State *lua) {
    static const luaL_Reg FUNCTIONS[] = {
        {"pack", cmsgpack_pack},
        {"unpack", cmsgpack_unpack},
        {"unpack_one", cmsgpack_unpack_one},
        {"unpack_limit", cmsgpack_unpack_limit},
        {NULL, NULL},
    };
    lua_newtable(lua);
    luaL_register(lua, NULL, FUNCTIONS);
    lua_pushliteral(lua, "cmsgpack");
    lua_setfield(lua, -2, "_NAME");
    return 1;
}
