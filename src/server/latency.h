/* SPDX-License-Identifier: BSD-3-Clause */
/* The latency monitor: for each kind of event the latest spikes (at most one per second, the
 * highest) and the highest ever; and percentiles over histograms with buckets of powers of two.
 *
 * Pure: the caller serialises use of one monitor and gives the time. */
#ifndef LARDER_SERVER_LATENCY_H
#define LARDER_SERVER_LATENCY_H

#include "base/slice.h"

enum { LATENCY_SAMPLES = 160 };

/* Kinds of events and the names that LATENCY shows. */
#define LATENCY_EVENT_TABLE(ROW)                                                                   \
    ROW(COMMAND, "command")                                                                        \
    ROW(FAST_COMMAND, "fast-command")                                                              \
    ROW(EXPIRE_CYCLE, "expire-cycle")                                                              \
    ROW(EVICTION_CYCLE, "eviction-cycle")

enum latency_event {
#define LATENCY_EVENT_ENUM(name, text) LATENCY_EVENT_##name,
    LATENCY_EVENT_TABLE(LATENCY_EVENT_ENUM)
#undef LATENCY_EVENT_ENUM
        LATENCY_EVENT_COUNT
};

struct latency_sample {
    int64_t time_s;
    uint32_t latency_ms;
};

struct latency_series {
    struct latency_sample samples[LATENCY_SAMPLES]; /* ring */
    size_t begin;                                   /* of the oldest */
    size_t count;                                   /* 0: the event never happened */
    uint32_t max_ms;                                /* since the last reset */
};

struct latency_monitor {
    struct latency_series series[LATENCY_EVENT_COUNT];
};

const char *latency_event_name(enum latency_event event);
/* False if there is no such event. Case-sensitive. */
bool latency_event_find(struct slice name, enum latency_event *out_event);

void latency_add(struct latency_monitor *monitor, enum latency_event event, int64_t time_s,
                 uint32_t latency_ms);
/* Forget an event's series; false if it was empty. */
bool latency_reset(struct latency_monitor *monitor, enum latency_event event);

/* Sample number `index` of a series, 0 being the oldest. */
static inline const struct latency_sample *latency_sample_at(const struct latency_series *series,
                                                             size_t index) {
    return &series->samples[(series->begin + index) % LATENCY_SAMPLES];
}

/* What LATENCY DOCTOR tells about a series with at least one sample. */
struct latency_summary {
    uint32_t average_ms, mean_deviation_ms;
    double period_s; /* between two spikes */
    uint32_t min_ms, max_ms;
};
struct latency_summary latency_summarize(const struct latency_series *series, int64_t now_s);

/* The latency in ns below which `percentile` (0..100) of the calls in buckets of [2^i, 2^(i+1)) ns
 * lie, interpolated within the bucket. 0 when there are none. */
uint64_t latency_percentile_ns(const uint64_t *buckets, size_t count, double percentile);

#endif
