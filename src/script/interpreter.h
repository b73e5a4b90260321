/* SPDX-License-Identifier: BSD-3-Clause */
/* A Lua 5.1 interpreter for scripts: sandboxed, with a limit of memory, and stoppable. It knows no
 * partitions and no sessions: commands are run by its host, which gets their arguments and writes
 * their replies. One thread uses an interpreter; nothing is shared between two.
 *
 * Everything that may raise a Lua error runs inside lua_cpcall. An error jumps over C frames, so
 * none of them owns a lock or memory: arguments lie on Lua's stack and in arrays of the
 * interpreter, replies in a buffer of the interpreter. */
#ifndef LARDER_SCRIPT_INTERPRETER_H
#define LARDER_SCRIPT_INTERPRETER_H

#include "base/alloc.h"
#include "base/status.h"
#include "wire/reply.h"

enum script_log_level {
    SCRIPT_LOG_DEBUG,
    SCRIPT_LOG_VERBOSE,
    SCRIPT_LOG_NOTICE,
    SCRIPT_LOG_WARNING
};

/* What a script asks of whoever runs it. Called on the interpreter's thread. */
struct script_host {
    void *context;
    /* Run a command and write one reply in reply->protocol. The slices are borrowed. False: the
     * script must end now, and can't prevent it. */
    bool (*execute)(void *context, size_t argc, const struct slice *argv, struct reply *reply);
    /* Every few ten thousand instructions. NULL: go on; else the script ends with this error (a
     * static text without prefix). */
    const char *(*tick)(void *context);
    void (*log)(void *context, enum script_log_level level, struct slice text);
    /* Whether the user of the script may run this command: 1, 0, or -1 if there is none. */
    int (*may_run)(void *context, size_t argc, const struct slice *argv);
};

struct script_options {
    const struct allocator *allocator;
    struct script_host host;
    const char *redis_version; /* "7.2.4" */
    const char *server_name;
    const char *server_version; /* of the server that server_name is */
};

struct script_interpreter;
struct script_library; /* script/library.h */

/* Returns owned; NULL without memory. */
struct script_interpreter *script_interpreter_create(const struct script_options *options);
/* NULL is allowed. */
void script_interpreter_destroy(struct script_interpreter *interpreter);

/* Bytes that Lua has now. Any thread. */
size_t script_interpreter_bytes(const struct script_interpreter *interpreter);
/* What Lua may have at most; 0: no limit. Beyond it scripts end with an error. */
void script_interpreter_limit(struct script_interpreter *interpreter, size_t bytes);

/* Compile a script. *out_function: for script_run, until script_forget. On failure the error was
 * written as a reply, if `error` is not NULL. Errors: LARDER_INVALID (not Lua), LARDER_NO_MEMORY.
 */
enum larder_status script_compile(struct script_interpreter *interpreter, struct slice text,
                                  int *out_function, struct reply *error) LARDER_NODISCARD;
void script_forget(struct script_interpreter *interpreter, int function);

struct script_call {
    const char *name; /* shown in errors: the SHA-1 or the function's name; borrowed */
    bool is_function; /* keys and arguments are parameters instead of the globals KEYS and ARGV */
    const struct slice *keys, *arguments;
    size_t key_count, argument_count;
};

/* Run it and write one reply in the reply's protocol. False: the host ended it; the reply is the
 * error of its tick, or nothing if its execute did. */
bool script_run(struct script_interpreter *interpreter, int function,
                const struct script_call *call, struct reply *reply);

#endif
