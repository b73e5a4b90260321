/* SPDX-License-Identifier: BSD-3-Clause */
/* Every run of a small world that differs from the usual one in at most so many places.
 *
 * A world can't be copied, so a run is a list of choices and is made anew from its beginning: at
 * each decision the list says which option to take, 0 (the usual one) behind its end. A decision
 * comes before a machine takes a frame of another machine or the end of a sync, and its options are
 * what may happen to that machine instead: another frame comes first, this one is late or lost, the
 * process dies, the power goes, the machine sleeps. What happens to different machines commutes, so
 * only the one whose turn it is has options (cf. Godefroid 1996). The runs are those with at most
 * `deviations` choices other than 0, of which at most `crashes` end a process, in the first
 * `decisions` decisions after everything has settled, or from the first frame on (cf. delay
 * bounding, Emmi et al. 2011): first those with one, then those with two, ... Each ends as a
 * swarm's round does: no more faults, everything available again within 10 virtual seconds,
 * histories checked. */
#ifndef LARDER_TESTS_SIM_EXHAUSTIVE_H
#define LARDER_TESTS_SIM_EXHAUSTIVE_H

#include "sim/subject.h"

enum { EXHAUSTIVE_DECISIONS_MAX = 512, EXHAUSTIVE_DEVIATIONS_MAX = 8 };

/* A run: the deviations from the usual one, by decision. */
struct exhaustive_choices {
    uint32_t count;
    struct {
        uint32_t decision, option;
    } each[EXHAUSTIVE_DEVIATIONS_MAX];
};

struct exhaustive_options {
    const struct sim_subject_type *subject;
    uint64_t seed;
    uint32_t machine_count; /* 0: 3 */
    uint32_t client_count;  /* 0: 2 */
    uint32_t decisions;     /* 0: 60 */
    uint32_t deviations;    /* 0: 2 */
    uint32_t crashes;       /* 0: 2 */
    uint64_t run_limit;     /* 0: none */
    bool is_from_start;     /* decide while a cluster is being founded */
    struct trace_options trace;
};

struct exhaustive_result {
    uint64_t run_count, distinct_count; /* traces */
    uint64_t event_count, history_count;
    int64_t length_us;   /* of all runs together */
    uint32_t deviations; /* all runs with so many were made */
    bool is_complete;
    const char *violation; /* NULL: none */
    struct exhaustive_choices choices;
    int32_t machine;
    int64_t violation_us;
};

/* Until something is violated, all runs are made or the limit is reached. */
void exhaustive_run(const struct exhaustive_options *options, struct exhaustive_result *out);
/* One run. */
void exhaustive_replay(const struct exhaustive_options *options,
                       const struct exhaustive_choices *choices, struct exhaustive_result *out);

/* "12:3,40:1", or "none". */
void exhaustive_print(const struct exhaustive_choices *choices, char *out, size_t size);
/* False if that is none. */
bool exhaustive_parse(const char *text, struct exhaustive_choices *out);

#endif
