/* SPDX-License-Identifier: BSD-3-Clause */
/* Libraries of functions: a text that begins with "#!lua name=..." and registers functions when it
 * is run. Loading runs it in an interpreter that offers nothing but redis.register_function and
 * what needs no data. */
#ifndef LARDER_SCRIPT_LIBRARY_H
#define LARDER_SCRIPT_LIBRARY_H

#include "script/interpreter.h"

enum script_flag {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_ALLOW_CROSS_SLOT_KEYS = 1 << 4,
    SCRIPT_HAS_FLAGS = 1 << 5, /* it began with a shebang; others are of the old kind */
};

enum { SCRIPT_FLAG_NAMES = 5 };
/* In the order of the bits. */
extern const char *const SCRIPT_FLAG_NAME[SCRIPT_FLAG_NAMES];

/* One function that a library registered. */
struct script_function {
    char *name;        /* owned */
    char *description; /* owned; NULL: none */
    uint32_t flags;    /* enum script_flag */
    int function;      /* reference in the interpreter that loaded it */
};

struct script_functions {
    const struct allocator *allocator;
    struct script_function *items;
    size_t count, capacity;
};

void script_functions_finish(struct script_functions *functions);

/* What the first line of a script says. */
struct script_header {
    struct slice engine; /* of a library: as written */
    struct slice name;   /* of a library */
    struct slice code;   /* what is compiled: from the end of the first line on */
    uint32_t flags;
};

/* Read the first line of a script for EVAL; one without "#!" has no flags. False: the error was
 * written. */
bool script_read_header(struct slice text, struct script_header *out, struct reply *error);
/* The first line of a library, which has to be there. */
bool script_read_library_header(struct slice text, struct script_header *out, struct reply *error);
bool script_is_name(struct slice name);

/* Run a library's code; it registers functions into `out`, which begins empty and refers to the
 * interpreter. `error` may be NULL. Takes at most as long as the host's tick allows. On failure
 * nothing is kept and the error was written. Errors: LARDER_INVALID, LARDER_NO_MEMORY. */
enum larder_status script_library_load(struct script_interpreter *interpreter, struct slice code,
                                       struct script_functions *out,
                                       struct reply *error) LARDER_NODISCARD;
/* The interpreter forgets the functions. */
void script_library_unload(struct script_interpreter *interpreter,
                           const struct script_functions *functions);

#endif
