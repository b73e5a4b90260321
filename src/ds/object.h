/* SPDX-License-Identifier: BSD-3-Clause */
/* What every container (list, set, sorted set, hash, stream) begins with, so that the store can
 * hold, count and free it without knowing what it is. The record of the key holds a pointer to it.
 *
 * A container has one or more representations, each with an object_type of its own: a flat one in
 * a single allocation while it is small, a full one beyond the configured thresholds. A function
 * that changes a container takes `struct object **`: growing a flat one moves it, crossing a
 * threshold replaces it. Every change is all or nothing: LARDER_NO_MEMORY means nothing changed
 * (it may have moved).
 *
 * Pure: no clock, no locks, no global state; the allocator is an argument. One thread at a time:
 * the partition's lock guards it. */
#ifndef LARDER_DS_OBJECT_H
#define LARDER_DS_OBJECT_H

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"

#include <stdatomic.h>

/* The values are part of the effect and dump formats. */
enum object_kind {
    OBJECT_LIST,
    OBJECT_SET,
    OBJECT_SORTED_SET,
    OBJECT_HASH,
    OBJECT_STREAM,
    OBJECT_KIND_COUNT,
};

struct object;
struct object_context;

/* One element as object_type.visit shows it, its parts borrowed for the call:
 * list {element}; set {member}; sorted set {member, score}; hash {field, value} or {field, value,
 * expiry in ms}; stream {"entry", id, field, value, ...} and one for each thing that its groups and
 * counters consist of. A score is the shortest text that reads back the same. */
typedef void (*object_visitor)(void *context, const struct slice *parts, size_t count);

/* Of containers whose elements may expire one by one. Elements are named by one text each. */
struct object_expiry {
    const char *event; /* keyspace event when elements have expired */
    /* No element expires before; INT64_MAX: none expires. O(1). */
    int64_t (*due_ms)(const struct object *object);
    /* Names of up to `count` elements that have expired (their time is before now_ms); returns how
     * many. Each is borrowed until it is removed. */
    size_t (*expired)(const struct object *object, int64_t now_ms, struct slice *out_names,
                      size_t count);
    /* Remove an element that `expired` named. Can't fail. */
    void (*remove)(struct object **object, const struct object_context *context, struct slice name);
    /* Look again for the element that expires first. */
    void (*update_due)(struct object *object);
};

struct object_type {
    enum object_kind kind;
    bool is_ordered;      /* the order of elements is part of the value (lists, streams) */
    const char *encoding; /* as OBJECT ENCODING names it: "listpack", "hashtable" ... */
    /* Memory that it occupies now, itself included. O(1). */
    size_t (*bytes)(const struct object *object);
    /* Elements. O(1). */
    size_t (*length)(const struct object *object);
    /* Free about `budget` elements. True when it is gone, itself included. Between the calls it is
     * nothing but something to be freed. */
    bool (*free_some)(struct object *object, const struct allocator *allocator, size_t budget);
    /* Returns owned: an equal one of the same representation. NULL without memory. */
    struct object *(*copy)(const struct object *object, const struct allocator *allocator);
    /* Show every element, in order where order is part of the value. */
    void (*visit)(const struct object *object, object_visitor visitor, void *context);
    const struct object_expiry *expiry; /* NULL: elements never expire */
};

/* Up to where a container stays flat; the *-max-listpack-* directives. Written by CONFIG SET, read
 * by any thread (relaxed). */
struct object_limits {
    _Atomic int64_t hash_entries, hash_value_bytes;             /* 512, 64 */
    _Atomic int64_t set_integer_entries;                        /* 512 */
    _Atomic int64_t set_entries, set_value_bytes;               /* 128, 64 */
    _Atomic int64_t sorted_set_entries, sorted_set_value_bytes; /* 128, 64 */
    _Atomic int64_t list_size;           /* of a block: elements, or -1 to -5 for 4 to 64 KiB; -2 */
    _Atomic int64_t list_plain_bytes;    /* elements from this size on stand alone; 8 KiB */
    _Atomic int64_t stream_node_bytes;   /* 4096; 0: any */
    _Atomic int64_t stream_node_entries; /* 100; 0: any */
    _Atomic int64_t hyperloglog_sparse_bytes; /* 3000 */
};

static inline int64_t object_limit(const _Atomic int64_t *limit) {
    return atomic_load_explicit(limit, memory_order_relaxed);
}

/* What every function that may allocate or hash is given. */
struct object_context {
    const struct allocator *allocator;
    const struct hash_seed *seed;
    const struct object_limits *limits;
};

/* As TYPE names it: "list", "set", "zset", "hash", "stream". */
const char *object_kind_name(enum object_kind kind);

/* The limits that the server has unless configured otherwise. */
void object_limits_init(struct object_limits *limits);

struct object {
    const struct object_type *type;
    size_t counted_bytes; /* of type->bytes, how much its partition has counted; the store's */
};

static inline size_t object_bytes(const struct object *object) {
    return object->type->bytes(object);
}

static inline size_t object_length(const struct object *object) {
    return object->type->length(object);
}

/* No element expires before; INT64_MAX: none expires. */
static inline int64_t object_due_ms(const struct object *object) {
    const struct object_expiry *expiry = object->type->expiry;
    return expiry == NULL ? INT64_MAX : expiry->due_ms(object);
}

/* Free it whole. NULL is allowed. */
static inline void object_destroy(struct object *object, const struct allocator *allocator) {
    while (object != NULL && !object->type->free_some(object, allocator, SIZE_MAX))
        ;
}

#endif
