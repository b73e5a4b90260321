/* SPDX-License-Identifier: BSD-3-Clause */
/* Request traces for eviction policies: generated from a seed, or read from a CSV file.
 *
 * Generators, over `key_count` keys:
 *   zipf:S       independent draws, probability of the k-th key proportional to k^-S
 *   zipf-scan:S  as zipf, but after every key_count/4 draws a scan of key_count/8 keys that are
 * never asked for again loop         all keys in order, again and again shift:S      as zipf, but
 * the popular keys change: in the course of the trace each rank moves over the whole key range
 * twice, in 200 steps A file has lines "time,key,size"; lines whose size isn't a number (a heading)
 * are passed over. Keys longer than TRACE_KEY_MAX are cut, sizes above size_limit are reduced to
 * it.
 *
 * Same arguments, same trace. Not thread-safe. */
#ifndef LARDER_BENCH_TRACE_H
#define LARDER_BENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACE_KEY_MAX = 256 };

struct trace_options {
    const char *generator; /* or NULL */
    const char *path;      /* of a CSV file, or NULL */
    uint64_t seed;
    uint64_t key_count;
    uint64_t request_count; /* 0 with a file: all of it */
    uint32_t value_size;    /* of generated requests */
    uint32_t size_limit;
};

struct trace_request {
    char key[TRACE_KEY_MAX];
    size_t key_length;
    uint32_t size; /* bytes of the value */
};

struct trace; /* opaque */

/* Borrows the options' strings. Errors: NULL and a message on stderr (unknown generator, unreadable
 * file, no memory). */
struct trace *trace_open(const struct trace_options *options);
void trace_close(struct trace *trace);

/* Returns false at the end. */
bool trace_next(struct trace *trace, struct trace_request *out);

#endif
