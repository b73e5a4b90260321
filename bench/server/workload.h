/* SPDX-License-Identifier: BSD-3-Clause */
/* Workloads: which commands a load sends and what it expects back.
 *
 * A workload is a row of a table: a command pattern per protocol, the expected kind of reply, and
 * the pattern that loads a key beforehand. Patterns are words; {key}, {value}, {size} stand for the
 * request's key, value and value size, {keys} and {pairs} for N keys or N key-value pairs (name:N),
 * | for a line end in the memcached protocol. Patterns are turned into request templates once;
 * writing a request is a copy plus the digits of its key. */
#ifndef LARDER_BENCH_WORKLOAD_H
#define LARDER_BENCH_WORKLOAD_H

#include "keyspace.h"
#include "reply.h"

enum expectation {
    EXPECT_ANY,      /* anything but an error */
    EXPECT_STATUS,   /* a status such as OK */
    EXPECT_INTEGER,  /* any integer */
    EXPECT_POSITIVE, /* an integer of at least 1; 0 is a miss */
    EXPECT_DELETED,  /* an integer, or whatever memcached answers */
    EXPECT_VALUE,    /* the value of the request's key; null is a miss */
    EXPECT_VALUES,   /* an array with the value of each key; a null or missing element is a miss */
};

enum outcome { OUTCOME_CORRECT, OUTCOME_MISS, OUTCOME_WRONG, OUTCOME_ERROR };

struct request_template {
    char *bytes; /* owned */
    size_t length;
    struct request_slot {
        uint32_t offset;
        bool is_value; /* else a key */
    } * slots;         /* owned, in request order; a value belongs to the key before it */
    size_t slot_count;
    size_t key_count;
    enum expectation expectation;
};

struct workload {
    struct request_template first;
    struct request_template second; /* only mixed workloads */
    struct request_template populate;
    unsigned first_percent; /* 100 unless mixed */
};

/* Compile the workload `name`: a row of the table, "row:N", or "mixed:R" (R % get, else set).
 * Values are checked only if `verify`; otherwise any reply but an error is right. Errors: false
 * with a static text in *problem. */
bool workload_init(struct workload *w, const char *name, enum protocol protocol,
                   const struct keyspace *keyspace, bool verify, const char **problem);
void workload_finish(struct workload *w);

/* One name per line, for --help. */
const char *workload_names(void);

/* The number of the n-th key of a request whose first key is `number`. */
uint64_t request_key(const struct keyspace *keyspace, uint64_t number, size_t n);

/* Write the request for `number` to `out`, which has t->length bytes. */
void request_write(const struct request_template *t, const struct keyspace *keyspace,
                   uint64_t number, char *out);

/* Judge the reply to the request for `number`. */
enum outcome request_check(const struct request_template *t, const struct keyspace *keyspace,
                           enum protocol protocol, uint64_t number, const struct reply *reply);

#endif
