/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that run scripts share. */
#ifndef LARDER_SERVER_SCRIPT_INTERNAL_H
#define LARDER_SERVER_SCRIPT_INTERNAL_H

#include "server/script_run.h"

/* The functions of script_call.c, for an interpreter of the thread. */
struct script_host script_host_of(struct script_thread *scripts);

/* The script compiled by this thread's interpreter; else the error was written. Errors:
 * LARDER_INVALID, LARDER_NO_MEMORY. */
enum larder_status script_thread_compile(struct script_thread *scripts,
                                         struct cached_script *script, int *out_function,
                                         struct reply *error) LARDER_NODISCARD;
/* Returns a reference, or NULL: no such script. */
struct cached_script *script_thread_find(struct script_thread *scripts, const char *sha);
/* Have all libraries of the store loaded. On failure the error was written. */
enum larder_status script_thread_load_libraries(struct script_thread *scripts,
                                                struct reply *error) LARDER_NODISCARD;
/* Borrows until the libraries change; NULL: there is none. */
const struct script_function *script_thread_function(const struct script_thread *scripts,
                                                     struct slice name);

/* What SCRIPT KILL and FUNCTION KILL answer. */
void script_reply_kill(struct reply *reply, enum script_kill result, bool functions);
/* Read "numkeys key ... arg ..." of EVAL or FCALL. False: the error was written. */
bool script_read_key_count(struct call *call, struct script_task *task, const char *not_a_number);

#endif
