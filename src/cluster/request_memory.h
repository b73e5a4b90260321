/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition remembers of the requests of clients, so that one which is sent again is not
 * executed again. A client draws 128 random bits for its session, numbers its requests, and says
 * with each which is the lowest number that it may still send again and when (cluster time) this
 * one was first sent.
 *
 *      request          number is stored       its stored result is the answer
 *                       below the lowest       answered before: unknown, never executed
 *                       sent long ago, or not
 *                       after the floor        might have been forgotten: unknown, never executed
 *                       64 are open            too many, surely not applied
 *                       otherwise              new: execute it
 *
 * Results come in by the records that caused them and go by lowest numbers and SESSION_EXPIRE
 * records, so all replicas remember the same. Whoever forgets a session raises the floor to the
 * newest "first sent" that it ever executed for it; so nothing is executed twice however clocks
 * run, and however early a session had to go for lack of room. After a loss of all data the floor
 * is the time at which the partition began anew.
 *
 * The primary decides what is forgotten (request_memory_choose). One thread. */
#ifndef LARDER_CLUSTER_REQUEST_MEMORY_H
#define LARDER_CLUSTER_REQUEST_MEMORY_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    REQUEST_OPEN_MAX = 64,     /* results kept per session */
    REQUEST_RESULT_MAX = 4096, /* bytes of a result that is kept */
    REQUEST_CLIENT_BYTES = 16,
};

/* Microseconds of cluster time. */
static const int64_t REQUEST_RETRY_US = 5 * 60 * INT64_C(1000000);
static const int64_t REQUEST_AHEAD_US = 60 * INT64_C(1000000); /* sent in the future, at most */
static const int64_t REQUEST_IDLE_US = 10 * 60 * INT64_C(1000000);

struct request_id {
    uint64_t client[2];
    uint64_t number;
    uint64_t lowest; /* all below have been answered; at most `number` */
    int64_t first_sent_us;
};

enum request_result_kind {
    REQUEST_RESULT_STORED = 1,
    REQUEST_RESULT_LOST,      /* applied, but its result was too long to be kept */
    REQUEST_RESULT_ABANDONED, /* was not executed, and never will be */
    REQUEST_RESULT_KIND_END,
};

struct request_result {
    enum request_result_kind kind;
    struct slice bytes; /* borrowed; LOST, ABANDONED: empty */
};

struct stored_result {
    uint64_t number;
    enum request_result_kind kind;
    uint32_t size;
    uint32_t capacity;
    uint8_t *bytes; /* owned; NULL if the capacity is 0 */
};

struct request_session {
    uint64_t client[2];
    uint64_t lowest;
    int64_t active_us; /* newest record */
    int64_t sent_us;   /* newest first_sent_us of what was executed */
    uint32_t count;
    uint32_t capacity;
    struct stored_result *results; /* by number */
};

struct request_memory {
    const struct allocator *allocator;
    size_t bytes_max; /* the primary expires the session that was quiet longest beyond it */
    size_t bytes;     /* held by sessions and results */
    int64_t floor_us; /* what was first sent up to here, and is not stored, is unknown */
    uint32_t count;
    uint32_t capacity;
    struct request_session *sessions; /* by client */
    uint8_t *spare_bytes;             /* room for one more result, or NULL */
    struct stored_result *spare_results;
};

enum request_state {
    REQUEST_NEW = 1,
    REQUEST_KNOWN,
    REQUEST_UNKNOWN,  /* whether it was executed is not known any more: don't */
    REQUEST_TOO_MANY, /* the session has too many open requests; surely not applied */
};

/* bytes_max 0: 1 MiB. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status request_memory_create(size_t bytes_max, const struct allocator *allocator,
                                         struct request_memory **out);
/* NULL is allowed. */
void request_memory_destroy(struct request_memory *memory);
/* Forget everything, the floor too. */
void request_memory_clear(struct request_memory *memory);
/* What was first sent up to `time_us`, and is not stored, is unknown from now on. */
void request_memory_raise_floor(struct request_memory *memory, int64_t time_us);

/* KNOWN: *out is the result, borrowed until the memory changes. */
enum request_state request_memory_find(const struct request_memory *memory,
                                       const struct request_id *id, int64_t now_us,
                                       struct request_result *out);

/* Obtain what adding a result of this request may need, so that the next request_memory_add for it
 * succeeds. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status request_memory_reserve(struct request_memory *memory,
                                          const struct request_id *id);
/* The request was executed by the record of this time. A number that is known already is left as
 * it is. Errors: LARDER_NO_MEMORY (nothing changed). */
LARDER_NODISCARD
enum larder_status request_memory_add(struct request_memory *memory, const struct request_id *id,
                                      int64_t time_us, const struct request_result *result);

/* What the primary should let go now: sessions that were quiet for 10 minutes, and the quietest
 * ones while more than bytes_max would be held with `extra_bytes` more. At most `max` clients, as
 * bytes of a SESSION_EXPIRE record, into *out. Returns how many. */
uint32_t request_memory_choose(const struct request_memory *memory, int64_t now_us,
                               size_t extra_bytes, uint32_t max, uint8_t *out);
/* Forget the sessions of these clients. Errors: LARDER_CORRUPT (not whole clients). */
LARDER_NODISCARD
enum larder_status request_memory_expire(struct request_memory *memory, struct slice clients);

/* Equal where everything that is remembered is. */
void request_memory_digest(const struct request_memory *memory, uint64_t *out_low,
                           uint64_t *out_high);

/* The same bytes from the same state. */
size_t request_memory_encoded_size(const struct request_memory *memory);
size_t request_memory_encode(const struct request_memory *memory, uint8_t *out);
/* Replace everything. Errors: LARDER_CORRUPT, LARDER_NO_MEMORY: nothing changed. */
LARDER_NODISCARD
enum larder_status request_memory_restore(struct request_memory *memory, struct slice bytes);

#endif
