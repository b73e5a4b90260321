/* SPDX-License-Identifier: BSD-3-Clause */
/* Running scripts and functions: a thread's interpreters, what they have compiled, and the run that
 * is under way. A script runs in a section of the node (node/section.h): a DECLARED one when it
 * can write nothing or was seen to touch its declared keys only, so that scripts on different
 * partitions run side by side; an OPEN one otherwise. A DECLARED run that meets another key before
 * anything was changed begins again as an OPEN one. See src/script/README.md. */
#ifndef LARDER_SERVER_SCRIPT_RUN_H
#define LARDER_SERVER_SCRIPT_RUN_H

#include "server/script_store.h"
#include "server/session.h"

/* Where a run stands. Its thread moves it but for KILLED, which any thread sets. */
enum script_state {
    SCRIPT_IDLE,
    SCRIPT_RUNNING, /* has changed nothing */
    SCRIPT_WRITING, /* has changed something: can't be killed */
    SCRIPT_KILLED,
};

/* One script or function that a thread has compiled. */
struct compiled_script {
    struct cached_script *script; /* reference */
    int function;
};

struct loaded_library {
    struct function_library *library;  /* reference */
    struct script_functions functions; /* with references into the interpreter */
};

struct script_thread {
    struct server_thread *thread;
    /* evaluation */
    struct script_interpreter *interpreter; /* NULL: not used yet */
    struct compiled_script *compiled;       /* hash table by SHA-1, open addressing */
    size_t compiled_count, compiled_capacity;
    struct cached_script *last; /* EVAL's last one: its text needs no SHA-1 again */
    uint64_t seen_removals, seen_flushes;
    /* functions */
    struct script_interpreter *function_interpreter;
    struct loaded_library *libraries;
    size_t library_count;
    uint64_t seen_version;
    bool has_libraries; /* those of seen_version */
    /* the run */
    struct session *session;
    const char *name;
    uint32_t flags; /* enum script_flag */
    bool is_read_only, has_flags, is_out_of_memory, is_function, wants_open, is_outside_section;
    bool is_loading;        /* FUNCTION LOAD runs a library's code */
    size_t accounted_bytes; /* of both interpreters, counted by the node */
    /* atomic */
    _Atomic uint32_t state; /* enum script_state */
    _Atomic bool state_is_function;
    _Atomic uint64_t began_ns; /* monotonic */
    _Atomic uint64_t shown_eval_bytes, shown_function_bytes;
    /* guarded by SCRIPT_TABLE_LOCK: what FUNCTION STATS shows; NULL: nothing runs */
    char shown_name[128];
    struct blob *shown_command;
};

enum larder_status script_threads_init(struct server *server) LARDER_NODISCARD;
void script_threads_finish(struct server *server);

/* What to run. */
struct script_task {
    struct cached_script *script;   /* or */
    struct slice function_name;     /* FCALL */
    bool is_function, is_read_only; /* FCALL; EVAL_RO and its kin */
    const struct slice *keys, *arguments;
    size_t key_count, argument_count;
};

/* Run it and write one reply. Blocks for partitions. */
void script_task_run(struct session *session, struct call *call, const struct script_task *task);

/* The thread's interpreter for a compile (SCRIPT LOAD, FUNCTION LOAD), made if need be. NULL
 * without memory. */
struct script_interpreter *script_thread_interpreter(struct script_thread *scripts,
                                                     bool for_functions);
/* Run the code of a library for its functions, within the time it may take; see
 * script_library_load. */
enum larder_status script_thread_load(struct script_thread *scripts, struct slice code,
                                      struct script_functions *out,
                                      struct reply *error) LARDER_NODISCARD;
/* Tell the node what the interpreters take. */
void script_thread_account(struct script_thread *scripts);

/* In the order of what is told when several scripts run. */
enum script_kill {
    SCRIPT_KILL_NONE_RUNS,   /* none is slow */
    SCRIPT_KILL_OTHER_KIND,  /* a slow one is a function where a script is meant, or the reverse */
    SCRIPT_KILL_HAS_WRITTEN, /* a slow one has changed something */
    SCRIPT_KILL_DONE,
};
/* End every script (or function) that is slow and has changed nothing, on whichever thread. */
enum script_kill script_kill(struct server *server, bool functions);

/* Whether a thread runs a script or function. */
static inline bool script_is_running(const struct script_thread *scripts) {
    return atomic_load_explicit(&scripts->state, memory_order_relaxed) != SCRIPT_IDLE;
}

/* Whether a thread runs something for longer than busy-reply-threshold (0: for any time), so that
 * clients are answered -BUSY and it may be killed. */
bool script_is_slow(const struct script_thread *scripts);

struct script_figures {
    uint64_t eval_bytes, function_bytes; /* of interpreters */
    uint64_t script_bytes, script_count, library_bytes, library_count, function_count, evictions;
};
void script_figures(struct server *server, struct script_figures *out);

#endif
