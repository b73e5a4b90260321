/* SPDX-License-Identifier: BSD-3-Clause */
/* While a library's code runs the table `redis` is the limited one; register_function appends to
 * the list that the interpreter's `loading` names. Names and descriptions are copied with the
 * list's allocator at once, and the list belongs to the caller of script_library_load, which an
 * error does not jump over. */
#include "script/library.h"

#include "script/interpreter_internal.h"

#include <string.h>

struct script_library_loading {
    struct slice code;
    struct script_functions *functions;
    struct reply *error;
    enum larder_status status;
};

/* ---- the list ---- */

static void release_text(const struct allocator *a, char *text) {
    if (text != NULL)
        allocator_release(a, text, strlen(text) + 1);
}

void script_functions_finish(struct script_functions *f) {
    for (size_t i = 0; i < f->count; i++) {
        release_text(f->allocator, f->items[i].name);
        release_text(f->allocator, f->items[i].description);
    }
    allocator_release(f->allocator, f->items, f->capacity * sizeof(*f->items));
    *f = (struct script_functions){.allocator = f->allocator};
}

static char *copy_text(const struct allocator *a, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = allocator_allocate(a, size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

static bool append(struct script_functions *f, const char *name, const char *description,
                   uint32_t flags, int function) {
    if (f->count == f->capacity) {
        size_t capacity = f->capacity == 0 ? 4 : 2 * f->capacity;
        void *grown = allocator_resize(f->allocator, f->items, f->capacity * sizeof(*f->items),
                                       capacity * sizeof(*f->items));
        if (grown == NULL)
            return false;
        f->items = grown;
        f->capacity = capacity;
    }
    struct script_function item = {.flags = flags, .function = function};
    item.name = copy_text(f->allocator, name);
    if (item.name == NULL)
        return false;
    if (description != NULL) {
        item.description = copy_text(f->allocator, description);
        if (item.description == NULL) {
            release_text(f->allocator, item.name);
            return false;
        }
    }
    f->items[f->count++] = item;
    return true;
}

/* ---- redis.register_function ---- */

static uint32_t flag_of(const char *name) {
    for (uint32_t i = 0; name != NULL && i < SCRIPT_FLAG_NAMES; i++)
        if (strcmp(name, SCRIPT_FLAG_NAME[i]) == 0)
            return 1u << i;
    return 0;
}

static uint32_t read_flags(lua_State *lua, int table) {
    uint32_t flags = 0;
    for (int i = 1;; i++) {
        lua_rawgeti(lua, table, i);
        if (lua_isnil(lua, -1))
            break;
        uint32_t flag = lua_type(lua, -1) == LUA_TSTRING ? flag_of(lua_tostring(lua, -1)) : 0;
        if (flag == 0)
            api_error(lua, "unknown flag given");
        flags |= flag;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return flags;
}

/* One named argument: its name is at -2, its value at -1. */
static void read_named(lua_State *lua, const char **name, const char **description,
                       uint32_t *flags) {
    const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : NULL;
    if (key == NULL)
        api_error(lua, "named argument key given to redis.register_function is not a string");
    if (strcmp(key, "function_name") == 0) {
        if (lua_type(lua, -1) != LUA_TSTRING)
            api_error(lua,
                      "function_name argument given to redis.register_function must be a string");
        *name = lua_tostring(lua, -1);
    } else if (strcmp(key, "description") == 0) {
        if (lua_type(lua, -1) != LUA_TSTRING)
            api_error(lua,
                      "description argument given to redis.register_function must be a string");
        *description = lua_tostring(lua, -1);
    } else if (strcmp(key, "callback") == 0) {
        if (!lua_isfunction(lua, -1))
            api_error(lua, "callback argument given to redis.register_function must be a function");
        lua_pushvalue(lua, -1);
        lua_replace(lua, 2);
    } else if (strcmp(key, "flags") == 0) {
        if (!lua_istable(lua, -1))
            api_error(lua, "flags argument to redis.register_function must be a table representing "
                           "function flags");
        *flags = read_flags(lua, lua_gettop(lua));
    } else {
        api_error(lua, "unknown argument given to redis.register_function");
    }
}

static void read_arguments(lua_State *lua, const char **name, const char **description,
                           uint32_t *flags) {
    int count = lua_gettop(lua);
    if (count < 1 || count > 2)
        api_error(lua, "wrong number of arguments to redis.register_function");
    if (count == 2) {
        if (!lua_isstring(lua, 1))
            api_error(lua, "first argument to redis.register_function must be a string");
        if (!lua_isfunction(lua, 2))
            api_error(lua, "second argument to redis.register_function must be a function");
        *name = lua_tostring(lua, 1);
        return;
    }
    if (!lua_istable(lua, 1))
        api_error(lua, "calling redis.register_function with a single argument is only applicable "
                       "to Lua table (representing named arguments).");
    lua_pushnil(lua); /* at 2: the callback */
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        read_named(lua, name, description, flags);
        lua_pop(lua, 1);
    }
    if (*name == NULL)
        api_error(lua, "redis.register_function must get a function name argument");
    if (lua_isnil(lua, 2))
        api_error(lua, "redis.register_function must get a callback argument");
}

int library_register(lua_State *lua) {
    struct script_interpreter *s = interpreter_of(lua);
    const char *name = NULL, *description = NULL;
    uint32_t flags = 0;
    if (s->loading == NULL)
        api_error(lua, "redis.register_function can only be called on FUNCTION LOAD command");
    read_arguments(lua, &name, &description, &flags);
    if (!script_is_name(slice_of_string(name)))
        api_error(lua, "Library names can only contain letters, numbers, or underscores(_) and "
                       "must be at least one character long");
    struct script_functions *functions = s->loading->functions;
    for (size_t i = 0; i < functions->count; i++)
        if (strcmp(functions->items[i].name, name) == 0)
            api_error(lua, "Function already exists in the library");
    lua_pushvalue(lua, 2);
    int function = luaL_ref(lua, LUA_REGISTRYINDEX);
    if (!append(functions, name, description, flags, function)) {
        luaL_unref(lua, LUA_REGISTRYINDEX, function);
        luaL_error(lua, "not enough memory");
    }
    return 0;
}

/* ---- loading ---- */

static void set_api(lua_State *lua, int reference) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, interpreter_of(lua)->globals);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "redis");
    lua_setfield(lua, -2, "server");
    lua_pop(lua, 1);
}

static int load(lua_State *lua) {
    struct script_library_loading *l = lua_touserdata(lua, 1);
    struct script_interpreter *s = interpreter_of(lua);
    s->has_limited_api = true;
    set_api(lua, s->limited_api);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, s->error_handler);
    int status = LUA_ERRSYNTAX;
    const char *what = "Error compiling function";
    if (l->code.size > 0 && l->code.data[0] == LUA_SIGNATURE[0])
        lua_pushliteral(lua, "compiled code");
    else
        status = luaL_loadbuffer(lua, (const char *)l->code.data, l->code.size, "@user_function");
    if (status == 0) {
        what = "Error registering functions";
        interpreter_watch(lua);
        status = lua_pcall(lua, 0, 0, 2);
        lua_sethook(lua, NULL, 0, 0);
        if (status == 0 && s->is_aborting) {
            api_push_error(lua, s->abort_text);
            status = LUA_ERRRUN;
        }
    }
    if (status == 0) {
        l->status = LARDER_OK;
        return 0;
    }
    l->status = status == LUA_ERRMEM ? LARDER_NO_MEMORY : LARDER_INVALID;
    if (lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
    }
    const char *text = lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "execution failure";
    if (l->error != NULL)
        reply_error(l->error, lua_pushfstring(lua, "ERR %s: %s", what, text));
    return 0;
}

int library_restore_api(lua_State *lua) {
    set_api(lua, interpreter_of(lua)->full_api);
    interpreter_of(lua)->has_limited_api = false;
    return 0;
}

enum larder_status script_library_load(struct script_interpreter *s, struct slice code,
                                       struct script_functions *out, struct reply *error) {
    struct script_library_loading loading = {
        .code = code, .functions = out, .error = error, .status = LARDER_NO_MEMORY};
    struct reply_mark mark = error != NULL ? reply_mark(error) : (struct reply_mark){0};
    s->is_aborting = false;
    s->abort_text = NULL;
    s->loading = &loading;
    bool has_failed = lua_cpcall(s->lua, load, &loading) != 0;
    s->loading = NULL;
    lua_sethook(s->lua, NULL, 0, 0);
    lua_settop(s->lua, 0);
    (void)!lua_cpcall(s->lua, library_restore_api, NULL); /* else the next run does it */
    lua_settop(s->lua, 0);
    if (has_failed || loading.status == LARDER_NO_MEMORY)
        interpreter_recover(s);
    if (has_failed) {
        loading.status = LARDER_NO_MEMORY;
        if (error != NULL) {
            reply_cut(error, mark);
            reply_error(error, "OOM not enough memory for the library, see lua-memory-limit");
        }
    }
    if (loading.status == LARDER_OK && out->count == 0) {
        if (error != NULL)
            reply_error(error, "ERR No functions registered");
        loading.status = LARDER_INVALID;
    }
    if (loading.status != LARDER_OK) {
        script_library_unload(s, out);
        script_functions_finish(out);
    }
    return loading.status;
}

void script_library_unload(struct script_interpreter *s, const struct script_functions *f) {
    for (size_t i = 0; i < f->count; i++)
        script_forget(s, f->items[i].function);
}
