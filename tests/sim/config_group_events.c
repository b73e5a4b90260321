/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/config_group_events.h"

static void count_if(struct sim_machine *machine, bool is_true, enum rare_event event) {
    if (is_true)
        machine_count_event(machine, event);
}

void config_group_count_step(struct sim_machine *machine, const struct raft_status *before,
                             const struct raft_status *after, const struct raft_output *out) {
    count_if(machine, out->has_install, RARE_SNAPSHOT_INSTALLED);
    count_if(machine, after->last_index < before->last_index && !out->has_install, RARE_LOG_CUT);
    count_if(machine, after->configuration_index < before->configuration_index,
             RARE_CONFIGURATION_CUT);
    count_if(machine,
             before->role == RAFT_LEADER && after->is_storage_failed && !before->is_storage_failed,
             RARE_STORAGE_FULL_AT_LEADER);
    count_if(machine,
             before->role == RAFT_LEADER && after->role != RAFT_LEADER &&
                 before->last_index > before->commit_index,
             RARE_LEADER_LOST_WITH_TAIL);
    for (size_t i = 0; i < out->read_count; i++)
        count_if(machine, out->reads[i].status != LARDER_OK, RARE_READ_OUTLIVED_LEADER);
}

void config_group_count_end(struct sim_machine *machine, const struct raft_status *last) {
    count_if(machine, last->role == RAFT_LEADER && last->last_index > last->commit_index,
             RARE_LEADER_LOST_WITH_TAIL);
}
