/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/config_group_events.h"

#include "sim/config_group_frames.h"
#include "sim/world.h"

#include <inttypes.h>

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

/* ---- for people ---- */

static void print(struct sim_machine *machine, const char *text) {
    trace_print(&machine->world->trace, machine->world->now_us, "%" PRIu32 ": %s", machine->address,
                text);
}

static void print_role(struct sim_machine *machine, const struct raft_status *s) {
    char line[200];
    struct sim_text text = text_of(line, sizeof(line));
    text_add(&text, "is %s in term %" PRIu64, raft_role_name(s->role), s->term);
    if (raft_id_is_set(s->leader) && s->role == RAFT_FOLLOWER)
        text_add(&text, " of n%" PRIu64, s->leader.words[1]);
    text_add(&text, ", its log ends %" PRIu64 ":%" PRIu64 ", committed to %" PRIu64, s->last_index,
             s->last_term, s->commit_index);
    print(machine, line);
}

static void print_write(struct sim_machine *machine, const struct raft_write *write) {
    char line[200];
    struct sim_text text = text_of(line, sizeof(line));
    text_add(&text, "writes #%" PRIu64 ":", write->number);
    if (write->has_hard_state) {
        text_add(&text, " term %" PRIu64 " ", write->hard_state.term);
        if (raft_id_is_set(write->hard_state.vote))
            text_add(&text, "vote n%" PRIu64, write->hard_state.vote.words[1]);
        else
            text_add(&text, "no vote");
    }
    if (write->is_reset)
        text_add(&text, " log begins anew");
    if (write->has_log)
        text_add(&text, " behind %" PRIu64, write->after_index);
    for (size_t i = 0; i < write->entry_count; i++)
        text_add(&text, " %" PRIu64 ":%" PRIu64, write->entries[i].index, write->entries[i].term);
    print(machine, line);
}

static void print_applied(struct sim_machine *machine, const struct raft_output *out) {
    char line[500];
    struct sim_text text = text_of(line, sizeof(line));
    text_add(&text, "applies");
    for (size_t i = 0; i < out->apply_count; i++) {
        text_add(&text, i == 0 ? " " : ", ");
        config_group_describe_entry(&text, &out->apply[i]);
    }
    print(machine, line);
}

void config_group_print_step(struct sim_machine *machine, const struct raft *raft,
                             const struct raft_status *before, const struct raft_status *after,
                             const struct raft_output *out) {
    char line[300];
    struct sim_text text = text_of(line, sizeof(line));
    if (!trace_is_printing(&machine->world->trace, machine->world->now_us))
        return;
    if (before->role != after->role || before->term != after->term ||
        !raft_id_equal(before->leader, after->leader))
        print_role(machine, after);
    if (out->has_install) {
        text_add(&text, "installs the snapshot up to %" PRIu64 ":%" PRIu64, out->install.index,
                 out->install.term);
        print(machine, line);
    }
    if (before->configuration_index != after->configuration_index) {
        text = text_of(line, sizeof(line));
        text_add(&text, "members as of %" PRIu64 ": ", after->configuration_index);
        config_group_describe_configuration(&text, raft_get_configuration(raft));
        print(machine, line);
    }
    if (out->write.number != 0)
        print_write(machine, &out->write);
    if (out->apply_count > 0)
        print_applied(machine, out);
}
