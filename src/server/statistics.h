/* SPDX-License-Identifier: BSD-3-Clause */
/* What threads count about commands and traffic. Each thread writes its own (relaxed atomics, no
 * read-modify-write); readers add them up. */
#ifndef LARDER_SERVER_STATISTICS_H
#define LARDER_SERVER_STATISTICS_H

#include "command_table.h"
#include "store/keyspace.h"

enum { LATENCY_BUCKETS = 40 /* powers of two of nanoseconds */ };

struct command_statistics {
    _Atomic uint64_t calls;
    _Atomic uint64_t ns;                       /* in all calls together */
    _Atomic uint64_t rejected;                 /* refused before execution */
    _Atomic uint64_t failed;                   /* answered an error */
    _Atomic uint64_t latency[LATENCY_BUCKETS]; /* calls with 2^i <= ns < 2^(i+1) */
};

struct thread_statistics {
    struct command_statistics *commands; /* COMMAND_COUNT of them */
    _Atomic uint64_t commands_processed;
    _Atomic uint64_t reads_processed, writes_processed; /* system calls that moved bytes */
    _Atomic uint64_t error_replies;
    _Atomic uint64_t protocol_errors;
};

struct server_totals {
    uint64_t connections_received;
    uint64_t connections_rejected;
    uint64_t output_limit_disconnections;
    uint64_t query_limit_disconnections;
    uint64_t timeouts;
    uint64_t clients_evicted;            /* by maxmemory-clients */
    uint64_t bytes_received, bytes_sent; /* of sessions that are gone */
};

#endif
