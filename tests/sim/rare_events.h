/* SPDX-License-Identifier: BSD-3-Clause */
/* Events that a run must meet now and then, or it shows nothing about them. Processes and subjects
 * raise them (world_count in world.h, machine_count_event in process.h); `larder-sim --counters`
 * prints how often each happened and whether that reaches its minimum, which is per 1,000 seeds of
 * one virtual hour. A run that misses a minimum is no evidence, however clean it is. */
#ifndef LARDER_TESTS_SIM_RARE_EVENTS_H
#define LARDER_TESTS_SIM_RARE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, text, subject ("": all), minimum per 1,000 seeds */
#define RARE_EVENT_TABLE(ROW)                                                                      \
    /* raised by the world */                                                                      \
    ROW(POWER_LOST_IN_SYNC, "power lost while a sync is under way", "", 20000)                     \
    ROW(SYNC_FAILED, "a sync that failed", "", 20000)                                              \
    ROW(RESTART_IN_DETECTION, "a process back within the detection time", "", 100000)              \
    ROW(EMPTY_RESTART_IN_DETECTION, "a process back at once, as a new node", "", 2000)             \
    ROW(PAUSE_PAST_LEASE, "a process that ran slept longer than a lease", "", 20000)               \
    /* raised by the config group */                                                               \
    ROW(LEADER_LOST_WITH_TAIL, "a leader ends with entries not committed", "config-group", 50000)  \
    ROW(LOG_CUT, "a log was cut", "config-group", 4000)                                            \
    ROW(CONFIGURATION_CUT, "a configuration was cut before it was committed", "config-group", 400) \
    ROW(SNAPSHOT_INSTALLED, "a snapshot was installed", "config-group", 4000)                      \
    ROW(READ_OUTLIVED_LEADER, "a read waited when its leader stepped down", "config-group", 10000) \
    ROW(STORAGE_FULL_AT_LEADER, "a leader without space", "config-group", 10000)                   \
    /* raised by the cluster */                                                                    \
    ROW(FAILOVER_WITH_TAIL, "failover with a tail that is not committed", "cluster", 100)          \
    ROW(EXPAND_UNKNOWN, "EXPAND whose outcome its proposer does not know", "cluster", 100)         \
    ROW(HANDOFF_UNKNOWN, "hand-off whose outcome its proposer does not know", "cluster", 100)      \
    ROW(FAILOVERS_WITHOUT_ACTIVATION, "two failovers without activation", "cluster", 100)          \
    ROW(READ_TWO_VIEWS_BEHIND, "a read by a view two configurations behind", "cluster", 100)       \
    ROW(TERM_CHANGE_IN_MIGRATION, "a term changed while a copy was under way", "cluster", 100)     \
    ROW(RESET_WITH_OLD_SET_ALIVE, "RESET while a member of the old in-sync set lives", "cluster",  \
        100)                                                                                       \
    ROW(ANSWER_BY_OLD_SETTINGS, "an answer by settings that were changed since", "cluster", 2000)  \
    ROW(ANSWER_BY_ENDED_ISR, "an answer by policy isr, which had ended", "cluster", 500)           \
    ROW(CLOCK_JUMP_WITH_LOCKS, "a wall clock jumped while locks were held", "cluster", 100)        \
    ROW(DEAD_FOUNDER, "a founder died before the cluster was formed", "cluster", 100)              \
    ROW(EARLY_LOST, "mode async: a failover lost what was answered", "cluster", 100)

enum rare_event {
#define RARE_EVENT_ENUM(name, text, subject, minimum) RARE_##name,
    RARE_EVENT_TABLE(RARE_EVENT_ENUM)
#undef RARE_EVENT_ENUM
        RARE_EVENT_COUNT
};

struct rare_event_type {
    const char *name; /* as in the table */
    const char *text;
    const char *subject;
    uint64_t minimum;
};

const struct rare_event_type *rare_event_type(enum rare_event event);
bool rare_event_concerns(enum rare_event event, const char *subject);
/* Whether so many in so many virtual hours reach the minimum. */
bool rare_event_is_enough(enum rare_event event, uint64_t count, double hours);

#endif
