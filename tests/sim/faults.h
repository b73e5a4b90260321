/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes wrong in one round of a seed: rates that hold for the whole round ("weather") and a
 * list of single faults, each at a time, on a target, for a while. Both are drawn before the round
 * begins and depend on nothing but seed and round, so any single fault can be left out and the rest
 * stays as it was. */
#ifndef LARDER_TESTS_SIM_FAULTS_H
#define LARDER_TESTS_SIM_FAULTS_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, text */
#define SIM_FAULT_TABLE(ROW)                                                                       \
    ROW(CRASH, "crash")                                                                            \
    ROW(POWER, "power")                                                                            \
    ROW(POWER_EVERYWHERE, "power-everywhere")                                                      \
    ROW(CRASH_LEADER, "crash-leader")                                                              \
    ROW(SHORT_REIGNS, "short-reigns")                                                              \
    ROW(OPERATOR, "operator")                                                                      \
    ROW(PAUSE, "pause")                                                                            \
    ROW(CUT, "cut")                                                                                \
    ROW(CUT_ONE_WAY, "cut-one-way")                                                                \
    ROW(BRIDGE, "bridge")                                                                          \
    ROW(ISOLATE_LEADER, "isolate-leader")                                                          \
    ROW(CLOG, "clog")                                                                              \
    ROW(SLOW_READER, "slow-reader")                                                                \
    ROW(SLOW_LINK, "slow-link")                                                                    \
    ROW(DISK_FULL, "disk-full")                                                                    \
    ROW(DISK_ERRORS, "disk-errors")                                                                \
    ROW(DISK_SLOW, "disk-slow")                                                                    \
    ROW(DISK_LIES, "disk-lies")                                                                    \
    ROW(DISK_LOST, "disk-lost")                                                                    \
    ROW(MEMORY_SHORT, "memory-short")                                                              \
    ROW(DRIFT, "drift")                                                                            \
    ROW(WALL_JUMP, "wall-jump")                                                                    \
    ROW(EMPTY_RESTART, "empty-restart")                                                            \
    ROW(CRASH_EVERYWHERE, "crash-everywhere")                                                      \
    ROW(CRASH_PAIR, "crash-pair")                                                                  \
    ROW(CUT_LINK, "cut-link")

enum sim_fault_kind {
#define SIM_FAULT_ENUM(name, text) FAULT_##name,
    SIM_FAULT_TABLE(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        FAULT_KIND_COUNT
};

const char *fault_kind_name(enum sim_fault_kind kind);

struct sim_fault {
    enum sim_fault_kind kind;
    int64_t at_us; /* since the beginning of the round */
    int64_t for_us;
    uint64_t draw; /* chooses target, sides, amounts */
};

enum sim_rate {
    RATE_LOSS,
    RATE_DUPLICATION,
    RATE_SLOW,
    RATE_DAMAGE,
    RATE_RESET,
    RATE_COUNT,
};

const char *rate_name(enum sim_rate rate);

enum { SIM_FAULTS_MAX = 4096 };

struct sim_round {
    uint64_t seed; /* for whatever else the round draws */
    int64_t length_us;
    bool is_frantic;            /* short, with faults in quick succession */
    uint32_t rates[RATE_COUNT]; /* per 1,000 frames */
    int64_t latency_us, slow_us, sync_us;
    size_t fault_count;
    struct sim_fault faults[SIM_FAULTS_MAX]; /* by time */
};

void round_draw(struct sim_round *round, uint64_t seed, uint32_t number);

#endif
