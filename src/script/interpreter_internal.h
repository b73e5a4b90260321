/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of src/script share about a running interpreter. Functions that take a lua_State
 * may raise a Lua error, and are called inside lua_cpcall only, unless they say otherwise. */
#ifndef LARDER_SCRIPT_INTERPRETER_INTERNAL_H
#define LARDER_SCRIPT_INTERPRETER_INTERNAL_H

#include "script/interpreter.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

/* The words of the 48-bit generator of lrand48. */
struct script_random {
    uint64_t state;
};

struct script_library_loading; /* library.c */

/* A block that could not be made smaller: Lua takes it for one of the size that it asked for. */
struct oversized_block {
    void *block;
    size_t size;
};

enum { OVERSIZED_BLOCKS_MAX = 64 };

struct script_interpreter {
    const struct allocator *allocator;
    struct script_host host;
    lua_State *lua;
    _Atomic size_t used_bytes;
    size_t limit_bytes; /* 0: none */
    struct oversized_block oversized[OVERSIZED_BLOCKS_MAX];
    size_t oversized_count;
    struct script_random random;
    struct reply reply;      /* of the command being called */
    struct slice *arguments; /* of it */
    size_t argument_capacity;
    uint8_t protocol;       /* redis.setresp */
    bool is_aborting;       /* the host ended the script: every hook raises an error */
    const char *abort_text; /* NULL: the host answers itself */
    int error_handler, globals, limited_api, full_api; /* references in the registry */
    bool has_limited_api;
    bool has_large_json;                    /* cjson was left with a large buffer */
    struct script_library_loading *loading; /* FUNCTION LOAD runs; NULL: not */
    const char *redis_version, *server_name, *server_version;
};

/* Can't fail. */
static inline struct script_interpreter *interpreter_of(lua_State *lua) {
    void *context;
    (void)lua_getallocf(lua, &context);
    return context;
}

/* ---- sandbox.c ---- */

/* Open the libraries that scripts have and close what they could break out with. */
void sandbox_open(lua_State *lua);
/* Replace the table on top by a view of it that can't be changed. */
void sandbox_protect(lua_State *lua);

/* ---- api.c: the table `redis` ---- */

/* Push it; `is_limited`: what there is while a library is loaded. */
void api_push(lua_State *lua, bool is_limited);
/* Push {err = text}; "ERR " is put before a text that starts with no prefix of its own: one that
 * begins with '-' has one. */
void api_push_error(lua_State *lua, const char *text);
/* Raise it. */
int api_error(lua_State *lua, const char *text) __attribute__((noreturn));

/* ---- interpreter.c ---- */

/* Memory ran out: free what is garbage, so that the next script has some. Not inside Lua. */
void interpreter_recover(struct script_interpreter *interpreter);
/* Have the host asked every few instructions whether to go on. */
void interpreter_watch(lua_State *lua);
/* End the script, whatever it catches. */
int interpreter_abort(lua_State *lua) __attribute__((noreturn));
/* Write the error on top of the stack as the reply. `name` as in script_call. */
void interpreter_reply_error(lua_State *lua, const char *name, struct reply *reply);
/* Push a table of the slices. */
void interpreter_push_slices(lua_State *lua, const struct slice *items, size_t count);

/* ---- conversion.c ---- */

/* Push what the reply of a command is in Lua. True: it is an error, {err = ...}. */
bool conversion_push_reply(lua_State *lua, const struct reply *reply);
/* Write the value on top of the stack, which is popped, as a reply in reply->protocol. */
void conversion_write_value(lua_State *lua, struct reply *reply);

/* ---- library.c ---- */

int library_register(lua_State *lua);
/* Give scripts the whole table `redis` again after a load. */
int library_restore_api(lua_State *lua);

/* ---- cjson_limit.c, cmsgpack.c, struct_format.c ---- */

int script_open_cjson(lua_State *lua);
int script_open_cmsgpack(lua_State *lua);
int script_open_struct(lua_State *lua);

#endif
