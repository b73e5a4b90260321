/* SPDX-License-Identifier: BSD-3-Clause */
/* What a command tells others besides its reply: which keys it changed (for WATCH, clients that
 * wait for a key, tracking), and which keyspace events happened. Collected in the calling thread
 * under the partition locks; the node delivers them before it releases these. Nothing is collected
 * that nobody asked for: `interest` is read under the lock before each command.
 *
 * Collecting can't fail: what finds no memory sets is_incomplete, and the node then takes every key
 * of the locked partitions for changed. */
#ifndef LARDER_STORE_NOTICES_H
#define LARDER_STORE_NOTICES_H

#include "base/alloc.h"
#include "base/slice.h"

/* Classes of keyspace events, as notify-keyspace-events names them, and what else is asked for. */
enum notice_interest {
    NOTICE_GENERIC = 1 << 0,    /* g */
    NOTICE_STRING = 1 << 1,     /* $ */
    NOTICE_LIST = 1 << 2,       /* l */
    NOTICE_SET = 1 << 3,        /* s */
    NOTICE_HASH = 1 << 4,       /* h */
    NOTICE_SORTED_SET = 1 << 5, /* z */
    NOTICE_EXPIRED = 1 << 6,    /* x */
    NOTICE_EVICTED = 1 << 7,    /* e */
    NOTICE_STREAM = 1 << 8,     /* t */
    NOTICE_MISS = 1 << 9,       /* m, not in A */
    NOTICE_MODULE = 1 << 10,    /* d */
    NOTICE_NEW = 1 << 11,       /* n, not in A */
    NOTICE_CHANGES = 1 << 16,   /* changed keys */
    NOTICE_EVENTS = 0xffff,     /* all classes */
};

struct notice {
    const char *event; /* static; NULL: the key was changed */
    uint32_t class;    /* of the event, enum notice_interest */
    uint32_t partition;
    uint32_t collection;
    uint32_t key_at, key_size; /* in `text` */
};

struct notices {
    const struct allocator *allocator;
    struct notice *items;
    uint8_t *text;
    uint32_t count, capacity;
    uint32_t text_used, text_capacity;
    uint32_t interest;    /* enum notice_interest: what is to be collected */
    bool is_incomplete;   /* something was not collected for want of memory */
    uint32_t lost_events; /* events among it */
};

void notices_init(struct notices *notices, const struct allocator *allocator);
void notices_finish(struct notices *notices);
/* Delivered: forget them, keep the memory (unless it is much). */
void notices_clear(struct notices *notices);

/* What was collected of one collection id is the other's from here on: the database that it belongs
 * to got a new id. */
void notices_renumber(struct notices *notices, uint32_t from, uint32_t to);

/* Collect; use the inline functions below. */
void notices_add(struct notices *notices, const char *event, uint32_t class, uint32_t partition,
                 uint32_t collection, struct slice key);

static inline struct slice notice_key(const struct notices *notices, const struct notice *notice) {
    return slice_of(notices->text + notice->key_at, notice->key_size);
}

static inline void notices_changed(struct notices *notices, uint32_t partition, uint32_t collection,
                                   struct slice key) {
    if ((notices->interest & NOTICE_CHANGES) != 0)
        notices_add(notices, NULL, NOTICE_CHANGES, partition, collection, key);
}

static inline void notices_event(struct notices *notices, uint32_t class, const char *event,
                                 uint32_t partition, uint32_t collection, struct slice key) {
    if ((notices->interest & class) != 0)
        notices_add(notices, event, class, partition, collection, key);
}

#endif
