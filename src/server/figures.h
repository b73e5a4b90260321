/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's figures at one moment, added up over threads, sessions and partitions: what INFO,
 * MEMORY STATS and /metrics show. Counters count from the last CONFIG RESETSTAT: threads never
 * reset theirs, a reset remembers where they stood. Any thread; no lock is held by the caller
 * unless said. */
#ifndef LARDER_SERVER_FIGURES_H
#define LARDER_SERVER_FIGURES_H

#include "server/server.h"

enum counter {
    COUNTER_COMMANDS,
    COUNTER_BYTES_RECEIVED,
    COUNTER_BYTES_SENT,
    COUNTER_READS,
    COUNTER_WRITES,
    COUNTER_ERROR_REPLIES,
    COUNTER_PROTOCOL_ERRORS,
    COUNTER_CONNECTIONS,
    COUNTER_CONNECTIONS_REJECTED,
    COUNTER_OUTPUT_LIMIT,
    COUNTER_QUERY_LIMIT,
    COUNTER_TIMEOUTS,
    COUNTER_CLIENTS_EVICTED,
    COUNTER_HITS,
    COUNTER_MISSES,
    COUNTER_EXPIRED,
    COUNTER_EVICTED,
    COUNTER_RECORDS_MOVED,
    COUNTER_COUNT
};

struct counters {
    uint64_t value[COUNTER_COUNT];
};

/* What one command did, over all threads. */
struct command_figures {
    uint64_t calls, ns, rejected, failed;
    uint64_t latency[LATENCY_BUCKETS];
};

/* Where everything stood at the last reset; all zero before the first. */
struct figures_base {
    struct counters counters;
    struct command_figures *commands; /* COMMAND_COUNT of them, owned; NULL before the first */
};

struct session_figures {
    uint32_t count, monitors, subscribers, paused, blocked, blocked_for_some_time, watching;
    uint64_t watched_keys;   /* each counts once per session that watches it */
    uint64_t memory_bytes;   /* of all sessions, themselves included */
    uint64_t largest_input;  /* bytes */
    uint64_t largest_output; /* bytes */
};

struct memory_figures {
    int64_t used_bytes, peak_bytes, limit_bytes;
    int64_t dataset_bytes; /* live records and large values */
    int64_t startup_bytes; /* used_bytes of the server before its first client */
    uint64_t log_bytes, live_bytes, blob_bytes, index_bytes;
    uint64_t record_count;
    uint64_t resident_bytes, peak_resident_bytes;
};

struct database_figures {
    uint64_t keys, expiring;
    uint64_t average_ttl_ms; /* of the keys that expire */
};

/* Counters since the reset. */
void figures_counters(struct server *server, struct counters *out);
void figures_command(struct server *server, enum command_id id, struct command_figures *out);
void figures_sessions(struct server *server, struct session_figures *out);
/* Locks one partition after the other. */
void figures_memory(struct server *server, struct memory_figures *out);
void figures_database(struct server *server, uint32_t database, int64_t now_ms,
                      struct database_figures *out);

/* Bytes received and sent since the start, by all sessions that are or were. */
void figures_traffic(const struct server *server, uint64_t *out_received, uint64_t *out_sent)
    REQUIRES(STATS_LOCK);

/* Start counting anew. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status figures_reset(struct server *server) LARDER_NODISCARD;

#endif
