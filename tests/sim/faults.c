/* SPDX-License-Identifier: BSD-3-Clause */
/* Swarm testing (Groce et al. 2012): leaving most kinds of fault out of a run finds more than
 * having all of them in every run. */
#include "sim/faults.h"

#include <stdlib.h>

const char *fault_kind_name(enum sim_fault_kind kind) {
    static const char *const NAMES[] = {
#define SIM_FAULT_NAME(name, text) text,
        SIM_FAULT_TABLE(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
    };
    return NAMES[kind];
}

const char *rate_name(enum sim_rate rate) {
    static const char *const NAMES[] = {"loss", "duplication", "slow", "damage", "reset"};
    return NAMES[rate];
}

/* About evenly in the logarithm: so many steps of a quarter. Integers, to be the same everywhere.
 */
static int64_t draw_between(struct random *random, int64_t least, int64_t most) {
    uint64_t steps = 0;
    for (int64_t value = least; value < most; value += value / 4 + 1)
        steps++;
    int64_t drawn = least;
    for (uint64_t left = random_below(random, steps + 1); left > 0; left--)
        drawn += drawn / 4 + 1;
    return drawn < most ? drawn : most;
}

static void add_faults(struct sim_round *round, struct random *random, enum sim_fault_kind kind) {
    bool is_frantic = round->is_frantic;
    int64_t interval_us =
        draw_between(random, is_frantic ? 20000 : 1500000, is_frantic ? 3000000 : 60000000);
    int64_t most_us =
        draw_between(random, is_frantic ? 10000 : 100000, is_frantic ? 1000000 : 15000000);
    int64_t at_us = 0;
    for (;;) {
        at_us += 1 + (int64_t)random_below(random, (uint64_t)(2 * interval_us));
        if (at_us >= round->length_us || round->fault_count == SIM_FAULTS_MAX)
            return;
        struct sim_fault *fault = &round->faults[round->fault_count++];
        *fault = (struct sim_fault){.kind = kind, .at_us = at_us};
        fault->for_us = draw_between(random, 5000, most_us);
        fault->draw = random_next(random);
    }
}

static int compare_faults(const void *left, const void *right) {
    const struct sim_fault *a = left, *b = right;
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us ? -1 : 1;
    return (int)a->kind - (int)b->kind;
}

/* In 1,000, how many rounds have this kind at all. */
static uint64_t frequency(enum sim_fault_kind kind) {
    switch (kind) {
    case FAULT_CRASH_EVERYWHERE:
    case FAULT_POWER_EVERYWHERE: return 120;
    case FAULT_DISK_LOST:
    case FAULT_DISK_LIES:
    case FAULT_EMPTY_RESTART:
    case FAULT_DISK_ERRORS: return 200;
    case FAULT_OPERATOR: return 600;
    default: return 350;
    }
}

void round_draw(struct sim_round *round, uint64_t seed, uint32_t number) {
    struct random random = random_seeded(seed ^ (number + 1) * 0x9e3779b97f4a7c15u);
    *round = (struct sim_round){.seed = random_next(&random)};
    round->is_frantic = random_below(&random, 1000) < 400;
    round->length_us = round->is_frantic ? 3000000 + (int64_t)random_below(&random, 12000000)
                                         : 15000000 + (int64_t)random_below(&random, 75000000);
    for (uint32_t i = 0; i < RATE_COUNT; i++)
        if (random_below(&random, 1000) < 400)
            round->rates[i] = (uint32_t)draw_between(&random, 1, i == RATE_RESET ? 20 : 250);
    round->latency_us = draw_between(&random, 100, 20000);
    round->slow_us = draw_between(&random, 20000, round->is_frantic ? 600000 : 3000000);
    round->sync_us = draw_between(&random, 50, 30000);
    for (uint32_t kind = 0; kind < FAULT_KIND_COUNT; kind++)
        if (random_below(&random, 1000) < frequency((enum sim_fault_kind)kind))
            add_faults(round, &random, (enum sim_fault_kind)kind);
    qsort(round->faults, round->fault_count, sizeof(round->faults[0]), compare_faults);
}
