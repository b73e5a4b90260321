/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of one seed: rounds of faults on a subject, each followed by a time without any, in which
 * within 10 virtual seconds everything must be available again; then what clients saw is checked.
 */
#ifndef LARDER_TESTS_SIM_SWARM_H
#define LARDER_TESTS_SIM_SWARM_H

#include "sim/faults.h"
#include "sim/subject.h"

enum { SIM_SETTLE_US = 10000000, SWARM_ROUNDS_MAX = 100000 };

struct swarm_options {
    const struct sim_subject_type *subject;
    uint64_t seed;
    int64_t length_us;  /* rounds begin until then */
    int32_t only_round; /* -1: all */
    struct trace_options trace;
    /* what is left out, for shrinking */
    bool is_kind_off[FAULT_KIND_COUNT];
    bool is_rate_off[RATE_COUNT];
    const uint32_t *only_faults; /* indices into the round's list; NULL: all */
    size_t only_count;
    int64_t round_us; /* cut the round short; 0: as drawn */
};

struct swarm_result {
    const char *violation; /* NULL: none */
    int32_t machine;
    uint32_t round;
    int64_t violation_us;
    int64_t round_us; /* since the round began */
    int64_t length_us;
    uint64_t event_count, fault_count, frame_count;
    uint32_t round_count;
    char digest[SHA1_HEX_BYTES + 1];
    struct sim_subject_counters counters;
    uint64_t rare_events[RARE_EVENT_COUNT];
    char description[256];
};

void swarm_run(const struct swarm_options *options, struct swarm_result *out);

#endif
