/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the locks: what their files call of each other. For this folder only. */
#ifndef LARDER_CLUSTER_LOCKS_CORE_H
#define LARDER_CLUSTER_LOCKS_CORE_H

#include "cluster/deadlines.h"
#include "cluster/locks.h"
#include "ds/table.h"

/* Circular lists through the objects themselves. An element that is in no list points to itself. */
struct link {
    struct link *previous, *next;
};

#define LINK_OWNER(link, type, field) ((type *)(void *)((char *)(link)-offsetof(type, field)))

static inline void link_init(struct link *link) {
    link->previous = link->next = link;
}

static inline bool link_is_alone(const struct link *link) {
    return link->next == link;
}

static inline void link_remove(struct link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link_init(link);
}

/* At the end of the list that `head` is the head of; it may be in one. */
static inline void link_append(struct link *head, struct link *link) {
    link_remove(link);
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

struct lock {
    /* replicated */
    struct raft_id owner;
    uint64_t token;
    uint32_t hold_ms;
    uint32_t depth; /* 0: free */
    uint64_t requests[LOCK_REQUESTS_KEPT];
    uint8_t request_count, request_next;
    /* the primary's */
    uint64_t sequence;      /* of the record that its hold counts from the commit of */
    struct link uncounted;  /* in locks.uncounted, by sequence, until that is committed */
    struct deadline expiry; /* in locks.expiries */
    struct link ready;      /* in locks.ready: free, and somebody waits */
    struct link waiters;    /* head, in order of arrival */
    uint32_t waiting;
    uint32_t name_size;
    uint8_t name[];
};

struct waiter {
    struct link link;    /* in the queue of its lock, or in locks.unused */
    struct deadline due; /* in locks.patience */
    struct lock *lock;   /* NULL: the primary was deposed meanwhile */
    struct raft_id session;
    uint64_t request, context, connection;
    uint32_t hold_ms;
    bool is_used;
};

struct mark {
    struct link order; /* in locks.mark_order, the one that was raised first first */
    uint64_t token;
    uint64_t raised_us; /* cluster time */
    uint32_t name_size;
    uint8_t name[];
};

struct locks {
    const struct allocator *allocator;
    struct object_context objects;
    struct locks_options options;
    bool is_leading;
    int64_t now_us; /* of the last decision */
    uint64_t last;  /* newest token */
    struct table table;
    struct link uncounted, ready;
    struct deadlines expiries;
    /* the waiting */
    struct waiter *waiters; /* waiters_max */
    struct link unused;
    struct deadlines patience;
    /* marks */
    struct table marks;
    struct link mark_order;
    uint64_t floor;
    uint8_t record[LOCK_RECORD_BYTES_MAX];
};

enum lock_record_type {
    LOCK_RECORD_GRANT = 1,
    LOCK_RECORD_RENEW,
    LOCK_RECORD_RELEASE,
    LOCK_RECORD_CANCEL, /* gives back the grant of `request` */
    LOCK_RECORD_EXPIRE,
    LOCK_RECORD_FORCE, /* `token` is used up */
    LOCK_RECORD_END,   /* everything of `session` */
    LOCK_RECORD_FENCE, /* a write with `token` */
    LOCK_RECORD_TYPE_END,
};

struct lock_record {
    enum lock_record_type type;
    struct slice name;
    uint64_t token;
    struct raft_id session;
    uint64_t request;
    uint32_t hold_ms;
    uint64_t cluster_us;
};

/* locks.c */
struct lock *locks_find_lock(const struct locks *l, struct slice name);
bool lock_has_request(const struct lock *lock, uint64_t request);
/* Take it out of the queue; the lock may go with it. */
void waiter_leave(struct locks *l, struct waiter *waiter);
struct waiter *lock_find_waiter(const struct lock *lock, struct raft_id session, uint64_t request);

/* locks_apply.c */
void lock_destroy(void *lock, const struct allocator *allocator);
/* Free and nobody waits: forget it. Free and somebody waits: ready. */
void locks_settle(struct locks *l, struct lock *lock);
/* A new one, free. NULL: no memory. */
struct lock *locks_insert_lock(struct locks *l, struct slice name);

/* lock_marks.c */
void mark_destroy(void *mark, const struct allocator *allocator);
struct mark *locks_find_mark(const struct locks *l, struct slice name);
/* A new one, in no order yet. NULL: no memory. */
struct mark *locks_insert_mark(struct locks *l, struct slice name);
/* Errors, nothing changed: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status locks_raise_mark(struct locks *l, struct slice name, uint64_t token,
                                    uint64_t cluster_us);
void locks_clear_marks(struct locks *l);

/* locks_codec.c */
size_t lock_record_encode(const struct lock_record *record, uint8_t *out);
LARDER_NODISCARD
enum larder_status lock_record_decode(struct slice bytes, struct lock_record *out);

#endif
