/* SPDX-License-Identifier: BSD-3-Clause */
/* The scripts and libraries of functions that the server knows. Threads compile them for themselves
 * when they first run them; what is here are their texts. Any thread. */
#ifndef LARDER_SERVER_SCRIPT_STORE_H
#define LARDER_SERVER_SCRIPT_STORE_H

#include "base/blob.h"
#include "base/lock_order.h"
#include "base/sha1.h"
#include "os/lock.h"
#include "script/library.h"

enum { SCRIPTS_OF_EVAL_MAX = 500 }; /* more, and the one used longest ago is forgotten */

/* One script. Immutable but for the atomic fields. */
struct cached_script {
    char sha[SHA1_HEX_BYTES + 1];
    struct blob *text;           /* owned */
    struct script_header header; /* of it */
    bool is_declared;            /* it touches the keys of its KEYS only, as far as can be seen */
    struct cached_script *next;  /* in its bucket; guarded by SCRIPT_TABLE_LOCK */
    _Atomic uint32_t references;
    _Atomic uint64_t used_at; /* of the store's count of uses */
    _Atomic bool is_loaded;   /* by SCRIPT LOAD: never forgotten */
    _Atomic bool is_gone;     /* no longer in the store */
    _Atomic bool needs_open;  /* it has touched a key that it did not declare */
};

/* One library of functions. Immutable but for the references. */
struct function_library {
    struct blob *text; /* owned */
    struct slice name; /* of it */
    struct slice code;
    struct script_functions functions; /* without references into an interpreter */
    _Atomic uint32_t references;
};

struct script_store {
    const struct allocator *allocator;
    _Atomic uint64_t uses;
    _Atomic uint64_t removals;  /* of scripts, ever */
    _Atomic uint64_t flushes;   /* SCRIPT FLUSH, ever */
    _Atomic uint64_t evictions; /* scripts forgotten for want of room */
    _Atomic uint64_t version;   /* of the libraries */
    _Atomic uint64_t function_flushes;
    struct lock lock;
    /* guarded by SCRIPT_TABLE_LOCK */
    struct cached_script **buckets;
    size_t bucket_count, script_count, eval_count;
    size_t script_bytes;
    struct function_library **libraries; /* sorted by name */
    size_t library_count, library_capacity;
    size_t library_bytes, function_count;
};

/* Errors: LARDER_NO_MEMORY. */
enum larder_status script_store_init(struct script_store *store,
                                     const struct allocator *allocator) LARDER_NODISCARD;
void script_store_finish(struct script_store *store);

void script_store_lock(struct script_store *store) ACQUIRE(SCRIPT_TABLE_LOCK);
void script_store_unlock(struct script_store *store) RELEASE(SCRIPT_TABLE_LOCK);

/* ---- scripts ---- */

/* Returns a reference, or NULL. `sha` in lower case. */
struct cached_script *script_store_find(struct script_store *store, const char *sha);
/* Add a script, or find it. Returns a reference; NULL without memory. */
struct cached_script *script_store_add(struct script_store *store, const char *sha,
                                       struct slice text, const struct script_header *header,
                                       bool is_loaded);
void script_store_flush(struct script_store *store);
void cached_script_release(struct script_store *store, struct cached_script *script);
static inline struct cached_script *cached_script_acquire(struct cached_script *script) {
    atomic_fetch_add_explicit(&script->references, 1, memory_order_relaxed);
    return script;
}
/* A use, for which scripts are kept. */
static inline void cached_script_use(struct script_store *store, struct cached_script *script) {
    uint64_t now = atomic_fetch_add_explicit(&store->uses, 1, memory_order_relaxed);
    atomic_store_explicit(&script->used_at, now + 1, memory_order_relaxed);
}

/* ---- libraries ---- */

/* Takes ownership of the functions, copies the text. Returns one reference; NULL without memory
 * (the functions stay the caller's). */
struct function_library *function_library_create(const struct allocator *allocator,
                                                 struct slice text, struct slice name,
                                                 struct slice code,
                                                 struct script_functions *functions);
void function_library_release(const struct allocator *allocator, struct function_library *library);
static inline struct function_library *function_library_acquire(struct function_library *library) {
    atomic_fetch_add_explicit(&library->references, 1, memory_order_relaxed);
    return library;
}

enum function_policy {
    FUNCTIONS_APPEND,  /* a library of the same name is an error */
    FUNCTIONS_REPLACE, /* it is replaced */
    FUNCTIONS_FLUSH,   /* all others go */
};

/* Add libraries, all or none; each gets a reference of the store's. On failure the error is
 * written, with `quote` around the name of a library. Errors: LARDER_EXISTS, LARDER_NO_MEMORY. */
enum larder_status script_store_add_libraries(struct script_store *store,
                                              struct function_library **libraries, size_t count,
                                              enum function_policy policy, const char *quote,
                                              struct reply *error) LARDER_NODISCARD;
bool script_store_has_library(struct script_store *store, struct slice name);
/* False: there is none. */
bool script_store_delete_library(struct script_store *store, struct slice name);
void script_store_flush_libraries(struct script_store *store);
/* The libraries with a reference each, in an owned array of *out_count; NULL when there are none or
 * there is no memory (*out_failed). *out_version: of what they are. */
struct function_library **script_store_libraries(struct script_store *store, size_t *out_count,
                                                 uint64_t *out_version, bool *out_failed);
void script_store_release_libraries(struct script_store *store, struct function_library **libraries,
                                    size_t count);

#endif
