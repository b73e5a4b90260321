/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings of spikes, one per kind of event, and arithmetic on histograms. */
#include "server/latency.h"

static const char *const EVENT_NAMES[LATENCY_EVENT_COUNT] = {
#define EVENT_NAME(name, text) [LATENCY_EVENT_##name] = text,
    LATENCY_EVENT_TABLE(EVENT_NAME)
#undef EVENT_NAME
};

const char *latency_event_name(enum latency_event event) {
    return EVENT_NAMES[event];
}

bool latency_event_find(struct slice name, enum latency_event *out_event) {
    for (int i = 0; i < LATENCY_EVENT_COUNT; i++) {
        if (!slice_equal(name, slice_of_string(EVENT_NAMES[i])))
            continue;
        *out_event = (enum latency_event)i;
        return true;
    }
    return false;
}

void latency_add(struct latency_monitor *monitor, enum latency_event event, int64_t time_s,
                 uint32_t latency_ms) {
    struct latency_series *series = &monitor->series[event];
    if (latency_ms > series->max_ms)
        series->max_ms = latency_ms;
    if (series->count > 0) {
        size_t last = (series->begin + series->count - 1) % LATENCY_SAMPLES;
        struct latency_sample *sample = &series->samples[last];
        if (sample->time_s == time_s) {
            if (latency_ms > sample->latency_ms)
                sample->latency_ms = latency_ms;
            return;
        }
    }
    size_t at = (series->begin + series->count) % LATENCY_SAMPLES;
    series->samples[at] = (struct latency_sample){time_s, latency_ms};
    if (series->count < LATENCY_SAMPLES)
        series->count++;
    else
        series->begin = (series->begin + 1) % LATENCY_SAMPLES;
}

bool latency_reset(struct latency_monitor *monitor, enum latency_event event) {
    bool existed = monitor->series[event].count > 0;
    monitor->series[event] = (struct latency_series){.count = 0};
    return existed;
}

struct latency_summary latency_summarize(const struct latency_series *series, int64_t now_s) {
    struct latency_summary summary = {.min_ms = UINT32_MAX};
    uint64_t sum = 0, deviations = 0;
    for (size_t i = 0; i < series->count; i++) {
        uint32_t ms = latency_sample_at(series, i)->latency_ms;
        sum += ms;
        summary.min_ms = ms < summary.min_ms ? ms : summary.min_ms;
        summary.max_ms = ms > summary.max_ms ? ms : summary.max_ms;
    }
    summary.average_ms = (uint32_t)(sum / series->count);
    for (size_t i = 0; i < series->count; i++) {
        int64_t distance =
            (int64_t)latency_sample_at(series, i)->latency_ms - (int64_t)summary.average_ms;
        deviations += (uint64_t)(distance < 0 ? -distance : distance);
    }
    summary.mean_deviation_ms = (uint32_t)(deviations / series->count);
    summary.period_s =
        (double)(now_s - latency_sample_at(series, 0)->time_s) / (double)series->count;
    return summary;
}

uint64_t latency_percentile_ns(const uint64_t *buckets, size_t count, double percentile) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += buckets[i];
    if (total == 0)
        return 0;
    double wanted = (double)total * percentile / 100.0, below = 0;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (buckets[i] == 0)
            continue;
        last = i;
        double here = (double)buckets[i];
        if (below + here >= wanted) {
            double share = (wanted - below) / here, floor_ns = (double)(UINT64_C(1) << i);
            return (uint64_t)(floor_ns + floor_ns * (share < 0 ? 0 : share));
        }
        below += here;
    }
    return (UINT64_C(2) << last) - 1;
}
