/* SPDX-License-Identifier: BSD-3-Clause */
/* What the steps of a consensus core show: rare events to be counted, and lines for people. */
#ifndef LARDER_TESTS_SIM_CONFIG_GROUP_EVENTS_H
#define LARDER_TESTS_SIM_CONFIG_GROUP_EVENTS_H

#include "raft/raft.h"
#include "sim/process.h"

/* After a step: what the core said before and says now, and what it gave out. */
void config_group_count_step(struct sim_machine *machine, const struct raft_status *before,
                             const struct raft_status *after, const struct raft_output *out);
/* Lines about the same; before its output is used. */
void config_group_print_step(struct sim_machine *machine, const struct raft *raft,
                             const struct raft_status *before, const struct raft_status *after,
                             const struct raft_output *out);
/* The process ends. */
void config_group_count_end(struct sim_machine *machine, const struct raft_status *last);

#endif
