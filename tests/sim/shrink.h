/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a failing seed smaller while it goes on failing in the same way: one round instead of all,
 * an earlier end, kinds of faults and rates off, single faults left out (delta debugging, Zeller
 * and Hildebrandt 2002). */
#ifndef LARDER_TESTS_SIM_SHRINK_H
#define LARDER_TESTS_SIM_SHRINK_H

#include "sim/swarm.h"

struct shrunk {
    struct swarm_options options; /* only_faults points to `only` when it is set */
    uint32_t only[SIM_FAULTS_MAX];
    struct swarm_result result;
    uint32_t run_count;
    bool is_same_violation; /* false: it did not fail again, `options` is as given */
};

/* `failed` is what `options` gave. At most `run_limit` runs. */
void shrink(const struct swarm_options *options, const struct swarm_result *failed,
            uint32_t run_limit, struct shrunk *out);

/* The arguments of larder-sim that repeat the run, NUL-terminated. */
void shrink_print_arguments(const struct swarm_options *options, char *out, size_t size);

#endif
