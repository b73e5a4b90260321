/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripted runs: a function that makes things happen to a subject one after the other and says what
 * must be true. The oracles watch as always, and what clients saw is checked at the end.
 * `larder-sim --scenario NAME --story` tells one, with --verbose instead every frame too. */
#ifndef LARDER_TESTS_SIM_SCENARIO_H
#define LARDER_TESTS_SIM_SCENARIO_H

#include "sim/register_clients.h"

enum { SCENARIO_REPORT_BYTES = 1000 };

struct scenario {
    struct sim_world *world;
    const struct sim_subject_type *type;
    void *subject;
    struct register_clients *clients; /* NULL if the subject has none for scripts */
    char text[200];                   /* of a failed expectation */
    char report[SCENARIO_REPORT_BYTES];
};

struct scenario_type {
    const char *name;
    const char *about; /* one line */
    void (*play)(struct scenario *scenario);
    const struct sim_subject_type *subject; /* NULL: the config group */
};

/* The scripts of each subject; a list ends with a name that is NULL, the sets end with NULL. */
extern const struct scenario_type CONFIG_GROUP_SCENARIOS[];
extern const struct scenario_type CLUSTER_SCENARIOS[];
extern const struct scenario_type FAILOVER_SCENARIOS[];
extern const struct scenario_type LINKS_SCENARIOS[];
extern const struct scenario_type MOVES_SCENARIOS[];
extern const struct scenario_type DEPARTURE_SCENARIOS[];
extern const struct scenario_type FOUNDING_SCENARIOS[];
extern const struct scenario_type DURABLE_SCENARIOS[];
extern const struct scenario_type POLICY_SCENARIOS[];
extern const struct scenario_type FORCED_SCENARIOS[];
extern const struct scenario_type *const SCENARIO_SETS[];
/* The n-th of all, from 0; NULL behind the last. */
const struct scenario_type *scenario_find(size_t number);

struct scenario_result {
    const char *violation; /* NULL: none; static */
    char text[200];
    int64_t length_us;
    uint64_t event_count, fault_count;
    char digest[SHA1_HEX_BYTES + 1];
    char report[SCENARIO_REPORT_BYTES]; /* lines of what was measured; empty: nothing */
};

void scenario_run(const struct scenario_type *type, uint64_t seed,
                  const struct trace_options *trace, struct scenario_result *out);

/* ---- for scripts ---- */

/* Fails the scenario unless `is_true`. After a failure nothing more happens in the world. */
void scenario_expect(struct scenario *scenario, bool is_true, const char *what);
void scenario_note(struct scenario *scenario, const char *what);
/* A line about what was measured, which is printed at the end. */
void scenario_report(struct scenario *scenario, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Let time pass. */
void scenario_wait(struct scenario *scenario, int64_t ms);
/* Everything is available and complete, as the subject has it. False if not within `ms`. */
bool scenario_settles(struct scenario *scenario, int64_t ms);
/* The machine whose loss matters most to the subject; UINT32_MAX: there is none now. */
uint32_t scenario_important(const struct scenario *scenario);

/* ---- about the config group ---- */

/* The leader that a majority follows; waits for one up to `ms`. UINT32_MAX: none. */
uint32_t scenario_leader(struct scenario *scenario, int64_t ms);
/* Some machine that is not `but`. */
uint32_t scenario_other(const struct scenario *scenario, uint32_t but);
struct raft_status scenario_status(const struct scenario *scenario, uint32_t machine);

struct sim_machine *scenario_machine(const struct scenario *scenario, uint32_t machine);
/* All links between the machines of the mask and the others, or only those out of it. Clients reach
 * everybody. */
void scenario_cut_off(struct scenario *scenario, uint32_t machines, bool is_one_way);
void scenario_heal(struct scenario *scenario);

/* One request, and time passes until its outcome is there. */
struct scenario_answer {
    enum register_outcome outcome;
    bool is_done;
    uint64_t value;
    int64_t took_us;
};
struct scenario_answer scenario_ask(struct scenario *scenario, uint32_t machine, uint64_t key,
                                    enum operation_kind kind, uint64_t a, uint64_t b);
/* Begin a request and do not wait; by one of the clients 1 to 5. */
void scenario_begin(struct scenario *scenario, uint32_t client, uint32_t machine, uint64_t key,
                    enum operation_kind kind, uint64_t a, uint64_t b);
/* A write that some leader accepts, tried again until it does, for up to `ms`. */
bool scenario_write(struct scenario *scenario, uint64_t key, uint64_t value, int64_t ms);
/* The value that a leader confirms, tried again for up to `ms`. */
bool scenario_read(struct scenario *scenario, uint64_t key, int64_t ms, uint64_t *out);

#endif
