/* SPDX-License-Identifier: BSD-3-Clause */
/* The load engine: one thread, one epoll, many connections.
 *
 * Closed loop: each connection sends a batch of `pipeline` requests, waits for all their replies,
 * and sends the next batch; latency counts from the moment the batch was handed to the kernel. Open
 * loop (rate > 0): request i is due at start + i / rate. It goes out on the next connection with
 * fewer than `pipeline` requests under way and waits when there is none; latency counts from the
 * moment it was due, so a stalled server can't hide by slowing the client down. */
#ifndef LARDER_BENCH_LOAD_H
#define LARDER_BENCH_LOAD_H

#include "histogram.h"
#include "workload.h"

struct load; /* opaque: the connections and their buffers */

struct load_target {
    const char *host; /* numeric IPv4 or IPv6, or a path to a unix socket */
    uint16_t port;
    enum protocol protocol;
    unsigned connections;
    unsigned pipeline_max; /* of all runs on these connections */
};

struct load_run {
    const struct keyspace *keyspace;
    const struct request_template *templates[2]; /* the second may be NULL */
    unsigned first_percent;                      /* of requests made from the first */
    struct key_sequence *keys;
    uint64_t seed;
    unsigned pipeline;
    uint64_t request_limit; /* 0: none */
    double second_limit;    /* 0: none; no new requests after it, those under way are finished */
    double rate;            /* requests per second, 0: closed loop */
};

struct load_result {
    uint64_t requests; /* answered */
    uint64_t misses;
    uint64_t wrong;
    uint64_t errors;
    double seconds;
    char problem[160]; /* the first error reply or the reason why the run ended early; or "" */
    struct histogram latency;
};

/* Connect. Errors: NULL and a message on stderr. */
struct load *load_create(const struct load_target *target);
void load_destroy(struct load *load);

/* Run to a limit and wait for every reply. Returns false when connections broke or replies could
 * not be read; the result then holds what came before. */
bool load_execute(struct load *load, const struct load_run *run, struct load_result *result);

#endif
