/* SPDX-License-Identifier: BSD-3-Clause */
/* The library `struct`: values in the binary form that a format string tells.
 *
 *   < > = little, big, native byte order    ! [n]  align to at most n (8)
 *   x     a zero byte                       b B    char          h H  short       l L  long
 *   T     size_t                            i I [n] integer of n bytes (4)
 *   f d   float, double                     s      zero-terminated string
 *   c [n] n bytes (1); c0 packs a whole string, and unpacks as many as the number before says
 *   space does nothing */
#include "script/interpreter_internal.h"

#include <limits.h>
#include <string.h>

enum { INTEGER_BYTES_MAX = 32, ALIGNMENT_MAX = 8, WORD_BYTES = 8 };

struct layout {
    bool is_big;
    size_t alignment;
};

/* The number at *format, or `missing`. */
static size_t read_number(lua_State *lua, const char **format, size_t missing) {
    if (**format < '0' || **format > '9')
        return missing;
    size_t number = 0;
    for (; **format >= '0' && **format <= '9'; (*format)++) {
        size_t digit = (size_t)(**format - '0');
        if (number > (INT_MAX - digit) / 10)
            luaL_error(lua, "integral size overflow");
        number = number * 10 + digit;
    }
    return number;
}

/* Bytes that an option takes; 0 for those that take none by themselves. */
static size_t option_size(lua_State *lua, char option, const char **format) {
    size_t size;
    switch (option) {
    case 'B':
    case 'b':
    case 'x': return 1;
    case 'H':
    case 'h': return 2;
    case 'L':
    case 'l':
    case 'T':
    case 'd': return 8;
    case 'f': return 4;
    case 'c': return read_number(lua, format, 1);
    case 'i':
    case 'I':
        size = read_number(lua, format, 4);
        if (size > INTEGER_BYTES_MAX)
            luaL_error(lua, "integral size %d is larger than limit of %d", (int)size,
                       INTEGER_BYTES_MAX);
        return size;
    default: return 0;
    }
}

static size_t padding(const struct layout *layout, size_t size, char option, size_t at) {
    if (size == 0 || option == 'c')
        return 0;
    if (size > layout->alignment)
        size = layout->alignment;
    return size > 1 ? (size - (at & (size - 1))) & (size - 1) : 0;
}

/* An option that is about the layout. */
static void apply_control(lua_State *lua, char option, const char **format, struct layout *layout) {
    size_t alignment;
    switch (option) {
    case ' ': return;
    case '>': layout->is_big = true; return;
    case '<': layout->is_big = false; return;
    case '!':
        alignment = read_number(lua, format, ALIGNMENT_MAX);
        if (alignment == 0 || (alignment & (alignment - 1)) != 0)
            luaL_error(lua, "alignment %d is not a power of 2", (int)alignment);
        layout->alignment = alignment;
        return;
    default: luaL_argerror(lua, 1, lua_pushfstring(lua, "invalid format option '%c'", option));
    }
}

/* ---- packing ---- */

static void add_integer(luaL_Buffer *out, const struct layout *layout, lua_Number n, size_t size) {
    char bytes[INTEGER_BYTES_MAX];
    uint64_t value;
    if (n < 0)
        value = n >= -9223372036854775808.0 ? (uint64_t)(int64_t)n : (uint64_t)INT64_MIN;
    else
        value = n < 18446744073709551616.0 ? (uint64_t)n : 0;
    for (size_t i = 0; i < size; i++) {
        char byte = (char)(i < WORD_BYTES ? value >> 8 * i : 0);
        bytes[layout->is_big ? size - 1 - i : i] = byte;
    }
    luaL_addlstring(out, bytes, size);
}

static void add_float(luaL_Buffer *out, const struct layout *layout, lua_Number n, size_t size) {
    float single = (float)n;
    char bytes[sizeof(n)], ordered[sizeof(n)];
    memcpy(bytes, size == sizeof(single) ? (const void *)&single : (const void *)&n, size);
    for (size_t i = 0; i < size; i++)
        ordered[i] = bytes[layout->is_big ? size - 1 - i : i];
    luaL_addlstring(out, ordered, size);
}

static void pack_one(lua_State *lua, luaL_Buffer *out, const struct layout *layout, char option,
                     size_t size, int *argument, size_t *total) {
    size_t length;
    const char *text;
    switch (option) {
    case 'x': luaL_addchar(out, '\0'); return;
    case 's':
        text = luaL_checklstring(lua, (*argument)++, &length);
        luaL_addlstring(out, text, length);
        luaL_addchar(out, '\0');
        *total += length + 1;
        return;
    case 'c':
        text = luaL_checklstring(lua, *argument, &length);
        if (size == 0)
            *total += size = length;
        luaL_argcheck(lua, length >= size, *argument, "string too short");
        (*argument)++;
        luaL_addlstring(out, text, size);
        return;
    case 'f':
    case 'd': add_float(out, layout, luaL_checknumber(lua, (*argument)++), size); return;
    default: add_integer(out, layout, luaL_checknumber(lua, (*argument)++), size); return;
    }
}

static bool is_control(char option) {
    return strchr("bBhHlLTiIfdscx", option) == NULL;
}

static int struct_pack(lua_State *lua) {
    const char *format = luaL_checkstring(lua, 1);
    struct layout layout = {.alignment = 1};
    int argument = 2;
    size_t total = 0;
    luaL_Buffer out;
    lua_pushnil(lua); /* a buffer's pieces lie above the arguments */
    luaL_buffinit(lua, &out);
    while (*format != '\0') {
        char option = *format++;
        size_t size = option_size(lua, option, &format);
        size_t pad = padding(&layout, size, option, total);
        for (size_t i = 0; i < pad; i++)
            luaL_addchar(&out, '\0');
        total += pad + size;
        if (is_control(option))
            apply_control(lua, option, &format, &layout);
        else
            pack_one(lua, &out, &layout, option, size, &argument, &total);
    }
    luaL_pushresult(&out);
    return 1;
}

/* ---- unpacking ---- */

static lua_Number get_integer(const uint8_t *bytes, const struct layout *layout, bool is_signed,
                              size_t size) {
    uint64_t value = 0;
    size_t used = size < WORD_BYTES ? size : WORD_BYTES; /* the low ones */
    for (size_t i = 0; i < used; i++)
        value |= (uint64_t)bytes[layout->is_big ? size - 1 - i : i] << 8 * i;
    if (!is_signed)
        return (lua_Number)value;
    if (used == 0)
        return 0;
    unsigned shift = (unsigned)(8 * (WORD_BYTES - used));
    return (lua_Number)((int64_t)(value << shift) >> shift);
}

static lua_Number get_float(const uint8_t *bytes, const struct layout *layout, size_t size) {
    uint8_t ordered[sizeof(double)];
    for (size_t i = 0; i < size; i++)
        ordered[i] = bytes[layout->is_big ? size - 1 - i : i];
    float single;
    double d;
    memcpy(size == sizeof(single) ? (void *)&single : (void *)&d, ordered, size);
    return size == sizeof(single) ? (lua_Number)single : d;
}

/* How many bytes "c" takes: those of its number, or what the value unpacked last says. */
static size_t count_of_chars(lua_State *lua, size_t size, int *pushed) {
    if (size > 0)
        return size;
    if (*pushed == 0 || !lua_isnumber(lua, -1))
        luaL_error(lua, "format 'c0' needs a previous size");
    lua_Number count = lua_tonumber(lua, -1);
    lua_pop(lua, 1);
    (*pushed)--;
    return count >= 0 && count < 4294967296.0 ? (size_t)count : SIZE_MAX;
}

static int struct_unpack(lua_State *lua) {
    const char *format = luaL_checkstring(lua, 1);
    size_t size;
    const uint8_t *data = (const uint8_t *)luaL_checklstring(lua, 2, &size);
    lua_Integer first = luaL_optinteger(lua, 3, 1);
    luaL_argcheck(lua, first > 0, 3, "offset must be 1 or greater");
    size_t at = (size_t)first - 1;
    struct layout layout = {.alignment = 1};
    int pushed = 0;
    lua_settop(lua, 2);
    while (*format != '\0') {
        char option = *format++;
        size_t width = option_size(lua, option, &format);
        at += padding(&layout, width, option, at);
        luaL_argcheck(lua, at <= size && width <= size - at, 2, "data string too short");
        luaL_checkstack(lua, 2, "too many results");
        const uint8_t *end;
        if (is_control(option)) {
            apply_control(lua, option, &format, &layout);
            continue;
        }
        switch (option) {
        case 'x': break;
        case 's':
            end = size > at ? memchr(data + at, '\0', size - at) : NULL;
            if (end == NULL)
                luaL_error(lua, "unfinished string in data");
            width = (size_t)(end - (data + at)) + 1;
            lua_pushlstring(lua, (const char *)data + at, width - 1);
            pushed++;
            break;
        case 'c':
            width = count_of_chars(lua, width, &pushed);
            luaL_argcheck(lua, width <= size - at, 2, "data string too short");
            lua_pushlstring(lua, (const char *)data + at, width);
            pushed++;
            break;
        case 'f':
        case 'd':
            lua_pushnumber(lua, get_float(data + at, &layout, width));
            pushed++;
            break;
        default:
            lua_pushnumber(lua, get_integer(data + at, &layout, option >= 'a', width));
            pushed++;
            break;
        }
        at += width;
    }
    lua_pushinteger(lua, (lua_Integer)at + 1);
    return pushed + 1;
}

static int struct_size(lua_State *lua) {
    const char *format = luaL_checkstring(lua, 1);
    struct layout layout = {.alignment = 1};
    size_t total = 0;
    while (*format != '\0') {
        char option = *format++;
        size_t size = option_size(lua, option, &format);
        total += padding(&layout, size, option, total);
        if (option == 's' || (option == 'c' && size == 0))
            luaL_argerror(
                lua, 1,
                lua_pushfstring(lua, "option '%s' has no fixed size", option == 's' ? "s" : "c0"));
        if (size > INT_MAX - total)
            luaL_error(lua, "integral size overflow");
        total += size;
        if (is_control(option))
            apply_control(lua, option, &format, &layout);
    }
    lua_pushinteger(lua, (lua_Integer)total);
    return 1;
}

int script_open_struct(lua_State *lua) {
    static const luaL_Reg FUNCTIONS[] = {
        {"pack", struct_pack},
        {"unpack", struct_unpack},
        {"size", struct_size},
        {NULL, NULL},
    };
    lua_newtable(lua);
    luaL_register(lua, NULL, FUNCTIONS);
    return 1;
}
