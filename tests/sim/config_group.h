/* SPDX-License-Identifier: BSD-3-Clause */
/* A simulated process that is a member of the config group: a consensus core, its storage, and
 * registers as state machine. Clients ask with frames; a member that is not the leader says so.
 *
 *   request  'Q' | command as in registers.h
 *   reply    'R' | number u64 | answer u8 | is_done u8 | value u64 | leader u32
 *   consensus 'M' | message as in raft/codec.h          as datagrams
 *
 * Members that are not in the configuration are added by the leader as learners; those whose
 * machine got another identity are declared dead and removed. */
#ifndef LARDER_TESTS_SIM_CONFIG_GROUP_H
#define LARDER_TESTS_SIM_CONFIG_GROUP_H

#include "sim/process.h"
#include "sim/raft_oracle.h"
#include "sim/registers.h"

struct config_group_settings {
    uint32_t voters;               /* machines 0 to voters - 1 found the group */
    int64_t election_ms;           /* 0: 300 */
    int64_t heartbeat_ms;          /* 0: 50 */
    uint32_t entries_per_snapshot; /* 0: 400 */
};

/* machine_oracle of the world is a struct raft_oracle. */
extern const struct sim_process_type CONFIG_GROUP_PROCESS;

enum config_group_answer {
    ANSWER_OK = 1,
    ANSWER_NOT_LEADER, /* surely not applied; `leader` may help */
    ANSWER_FAILED,     /* surely not applied */
    ANSWER_UNKNOWN,    /* the member does not know; the config group never says so */
};

struct config_group_reply {
    uint64_t number;
    enum config_group_answer answer;
    struct operation_result result;
    uint32_t leader; /* address; UINT32_MAX: not known */
    int64_t time_us; /* of the cluster; 0: not told */
    uint64_t term;   /* of the partition; 0: not told */
};

enum { CONFIG_GROUP_REPLY_BYTES = 23, CONFIG_GROUP_REQUEST_BYTES = 1 + REGISTER_COMMAND_BYTES };

void config_group_request_encode(const struct register_command *command,
                                 uint8_t out[CONFIG_GROUP_REQUEST_BYTES]);
/* Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status config_group_reply_decode(struct slice frame, struct config_group_reply *out);

/* What the core of a running process says. False while it has none. */
bool config_group_status(const void *process, struct raft_status *out);
/* Whether its configuration names exactly these and it has applied all it has. */
const struct raft_configuration *config_group_configuration(const void *process);
uint64_t config_group_applied(const void *process);
/* Hand leadership to the machine. */
void config_group_transfer(void *process, uint32_t to);
/* Make the voter a learner, or remove the learner, if three voters remain; both come back by
 * themselves. */
void config_group_unseat(void *process, struct raft_id id, bool is_removed);

#endif
