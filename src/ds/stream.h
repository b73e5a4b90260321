/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream: entries of names and values, appended in the order of their ids, and consumer groups
 * that remember what was delivered to whom and not acknowledged yet.
 *
 *   stream
 *    |-- nodes: tree by first id -> runs of packed entries (stream_node.h)
 *    |-- last id, largest deleted id, count of entries ever added
 *    `-- groups by name: last delivered id, count of entries read
 *         |-- pending entries by id    \  both lead to the same
 *         `-- consumers by name         } struct stream_pending
 *              `-- pending entries by id /
 *
 * Unlike other containers a stream has one representation and never moves, so its functions take
 * it by plain pointer. An empty stream is a value: it stays under its key.
 *
 * Every function that may fail leaves things as they were then. One thread at a time: the
 * partition's lock guards it. Groups, consumers and pending entries belong to the stream; pointers
 * to them are valid until they are removed. */
#ifndef LARDER_DS_STREAM_H
#define LARDER_DS_STREAM_H

#include "ds/object.h"
#include "ds/packed.h"
#include "ds/stream_id.h"
#include "ds/stream_tree.h"

enum { STREAM_ENTRY_BYTES_MAX = 1 << 30 }; /* texts of an entry together */

/* Returns owned: an empty stream. NULL without memory. */
struct object *stream_create(const struct object_context *context);

/* ---- what is known of it as a whole ---- */

struct stream_state {
    uint64_t length;                 /* entries */
    struct stream_id first_id;       /* of the first entry; 0-0 when there is none */
    struct stream_id last_id;        /* the largest that was ever added or set */
    struct stream_id max_deleted_id; /* the largest that was deleted one by one; 0-0: none */
    uint64_t entries_added;          /* ever */
    size_t group_count;
    size_t node_count, page_count; /* nodes, and pages of the tree over them */
};

struct stream_state stream_get_state(const struct object *object);
uint64_t stream_length(const struct object *object);
struct stream_id stream_last_id(const struct object *object);
/* Set what XSETID and RESTORE set; the caller checks that it fits the entries. */
void stream_set_state(struct object *object, struct stream_id last_id,
                      struct stream_id max_deleted_id, uint64_t entries_added);

/* ---- entries ---- */

/* Append an entry of `count` texts: name, value, name ... Its id is above the last id, which it
 * becomes; counts as added. Errors: LARDER_NO_MEMORY, LARDER_TOO_LARGE. */
enum larder_status stream_append(struct object *object, const struct object_context *context,
                                 struct stream_id id, const struct slice *texts,
                                 size_t count) LARDER_NODISCARD;
/* Delete the entry with this id. False: there is none. */
bool stream_delete(struct object *object, const struct allocator *allocator, struct stream_id id);

struct stream_trim {
    bool is_by_length;   /* to at most max_length entries, else to ids from min_id on */
    bool is_approximate; /* whole nodes only, so more may stay */
    uint64_t max_length;
    struct stream_id min_id;
    uint64_t limit; /* approximate: delete at most this many; 0: any number */
};
/* Delete the oldest entries. Returns how many. */
uint64_t stream_trim(struct object *object, const struct allocator *allocator,
                     const struct stream_trim *trim);

/* An entry as a cursor or lookup shows it; borrows from the stream until it is changed. */
struct stream_entry {
    struct stream_id id;
    uint32_t field_count;
    const uint8_t *names;    /* packed, one behind the other; NULL: in turn with the values */
    const uint8_t *elements; /* packed values, or names and values in turn */
};
/* Take the next pair off the entry, field_count times. */
static inline void stream_entry_next(struct stream_entry *entry, struct packed_element *out_name,
                                     struct packed_element *out_value) {
    if (entry->names != NULL)
        entry->names = packed_get(entry->names, out_name);
    else
        entry->elements = packed_get(entry->elements, out_name);
    entry->elements = packed_get(entry->elements, out_value);
}

/* False: there is no entry with this id. */
bool stream_find(const struct object *object, struct stream_id id, struct stream_entry *out);

/* Walks the entries with ids from `start` to `end`, both included, upwards or downwards. */
struct stream_cursor {
    struct stream_id start, end;
    bool is_reverse;
    struct stream_place place; /* of the node; page NULL: at the end */
    uint32_t at;               /* offset in the node */
};
void stream_cursor_init(struct stream_cursor *cursor, const struct object *object,
                        struct stream_id start, struct stream_id end, bool is_reverse);
/* False: there are no more. */
bool stream_cursor_next(struct stream_cursor *cursor, struct stream_entry *out);

/* ---- groups ---- */

enum { STREAM_ENTRIES_READ_UNKNOWN = -1 };

struct stream_group;
struct stream_consumer;

/* An entry that was delivered and not acknowledged. */
struct stream_pending {
    int64_t time_ms;                  /* of the last delivery */
    uint64_t count;                   /* of deliveries */
    struct stream_consumer *consumer; /* NULL: of none yet, see stream_load_pending */
};

struct stream_group_state {
    struct slice name;
    struct stream_id last_id;
    int64_t entries_read; /* or STREAM_ENTRIES_READ_UNKNOWN */
    size_t consumer_count, pending_count;
};

struct stream_consumer_state {
    struct slice name;
    int64_t seen_ms;   /* when it last tried to do something */
    int64_t active_ms; /* when it last was given an entry; -1: never */
    size_t pending_count;
};

/* NULL: there is none. */
struct stream_group *stream_find_group(const struct object *object, struct slice name);
/* In the order of names, `position` below the count. */
struct stream_group *stream_group_at(const struct object *object, size_t position);
struct stream_group_state stream_group_get_state(const struct stream_group *group);
void stream_group_set(struct stream_group *group, struct stream_id last_id, int64_t entries_read);
/* Create one whose name is not there; borrows the name. NULL: no memory. */
struct stream_group *stream_create_group(struct object *object, const struct allocator *allocator,
                                         struct slice name, struct stream_id last_id,
                                         int64_t entries_read);
void stream_destroy_group(struct object *object, const struct allocator *allocator,
                          struct stream_group *group);
/* Take a group out, into a stream of nothing else, which can be freed in slices. Returns owned;
 * NULL without memory: the group is where it was. */
struct object *stream_detach_group(struct object *object, const struct allocator *allocator,
                                   struct stream_group *group);

struct stream_consumer *stream_find_consumer(const struct stream_group *group, struct slice name);
struct stream_consumer *stream_consumer_at(const struct stream_group *group, size_t position);
struct stream_consumer_state stream_consumer_get_state(const struct stream_consumer *consumer);
void stream_consumer_set(struct stream_consumer *consumer, int64_t seen_ms, int64_t active_ms);
/* As stream_create_group; it was never active. */
struct stream_consumer *stream_create_consumer(struct object *object,
                                               const struct allocator *allocator,
                                               struct stream_group *group, struct slice name,
                                               int64_t seen_ms);
/* Delete it with its pending entries. */
void stream_delete_consumer(struct object *object, const struct allocator *allocator,
                            struct stream_group *group, struct stream_consumer *consumer);

/* ---- how far a group is ----
 * The count of entries that were ever added up to `id`, or STREAM_ENTRIES_READ_UNKNOWN where
 * deleted entries make it uncertain. */
int64_t stream_estimate_entries_read(const struct object *object, struct stream_id id);
/* Whether one was deleted from between the entries that are left from `start` on, as far as is
 * known. */
bool stream_has_gaps(const struct object *object, struct stream_id start);
/* Entries not delivered to the group yet. False: uncertain. */
bool stream_group_lag(const struct object *object, const struct stream_group *group,
                      int64_t *out_lag);
/* The entry `id` was delivered as the group's next one: advances last id and count. */
void stream_group_advance(const struct object *object, struct stream_group *group,
                          struct stream_id id);

/* ---- pending entries ---- */

/* NULL: not pending. */
struct stream_pending *stream_find_pending(const struct stream_group *group, struct stream_id id);

/* Walks the pending entries of a group or, with a consumer, of that one, from `start` on. */
struct stream_pending_cursor {
    struct stream_place place;
};
void stream_pending_seek(struct stream_pending_cursor *cursor, const struct stream_group *group,
                         const struct stream_consumer *consumer, struct stream_id start);
/* False: there are no more. */
bool stream_pending_next(struct stream_pending_cursor *cursor, struct stream_id *out_id,
                         struct stream_pending **out);
/* The last id. False: there is none. */
bool stream_pending_last(const struct stream_group *group, struct stream_id *out_id);

/* Make an entry pending for a consumer, in two steps, so that many are done all or not at all:
 * prepare each (may fail; the same one may come twice), then either commit each or abort each.
 * Nothing else is done to the group in between. */
enum larder_status stream_claim_prepare(struct object *object, const struct allocator *allocator,
                                        struct stream_group *group,
                                        struct stream_consumer *consumer,
                                        struct stream_id id) LARDER_NODISCARD;
/* Undo what prepare did for an id; nothing to undo is fine. */
void stream_claim_abort(struct object *object, const struct allocator *allocator,
                        struct stream_group *group, struct stream_consumer *consumer,
                        struct stream_id id);
void stream_claim_commit(struct object *object, const struct allocator *allocator,
                         struct stream_group *group, struct stream_consumer *consumer,
                         struct stream_id id, int64_t time_ms, uint64_t count);

/* No longer pending. False: it was not. */
bool stream_acknowledge(struct object *object, const struct allocator *allocator,
                        struct stream_group *group, struct stream_id id);

/* ---- building from a serialised form ----
 * stream_create, stream_append per entry in order, stream_set_state, stream_create_group,
 * stream_create_consumer, stream_consumer_set, and for pending entries: each into its group, then
 * to its consumer; at the end stream_is_complete must hold. */

/* Errors: LARDER_NO_MEMORY, LARDER_CORRUPT (the id is there already). */
enum larder_status stream_load_pending(struct object *object, const struct allocator *allocator,
                                       struct stream_group *group, struct stream_id id,
                                       int64_t time_ms, uint64_t count) LARDER_NODISCARD;
/* Errors: LARDER_NO_MEMORY, LARDER_CORRUPT (not pending, or somebody's already). */
enum larder_status stream_load_owner(struct object *object, const struct allocator *allocator,
                                     struct stream_group *group, struct stream_consumer *consumer,
                                     struct stream_id id) LARDER_NODISCARD;
/* Whether every pending entry has a consumer. */
bool stream_is_complete(const struct object *object);

#endif
