/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of config_group.h, for its source files. */
#ifndef LARDER_TESTS_SIM_CONFIG_GROUP_CORE_H
#define LARDER_TESTS_SIM_CONFIG_GROUP_CORE_H

#include "sim/config_group.h"
#include "sim/storage_answers.h"
#include "sim/world.h"

enum { REQUESTS_MAX = 4 * RAFT_READS_MAX };

/* A client that waits. */
struct request {
    bool is_used, is_read;
    uint32_t client;
    struct register_command command;
    uint64_t index, term; /* entry that does it; READ: index 0 until it is confirmed */
    uint64_t floor;       /* READ: what was committed when it came */
};

struct config_group {
    struct sim_machine *machine;
    const struct config_group_settings *settings;
    struct raft_oracle *oracle;
    uint64_t number; /* of this node for the oracle */
    struct raft *raft;
    struct raft_storage storage;
    struct registers registers;
    uint64_t applied;
    uint64_t snapshot_asked; /* index of the newest own snapshot that was begun */
    int64_t survey_us;
    struct request requests[REQUESTS_MAX];
    size_t request_count; /* used */
    struct storage_answers answers;
    bool is_stepping;
    uint8_t *frame; /* owned: room for the message that is being sent */
    size_t frame_capacity;
    struct raft_output out;
};

/* One step of the core and all that follows from it; is not to be nested. */
enum larder_status config_group_step(struct config_group *group, struct raft_input *input);
/* Give the core what the storage had to say, if it is there and not in a step. */
void config_group_drain(struct config_group *group);

/* ---- config_group_requests.c ---- */

void config_group_end_request(struct config_group *group, struct request *request);
/* Reads that are confirmed and whose state is reached. */
void config_group_answer_reads(struct config_group *group);
/* The entry at this index is known: who waited for it knows what became of the request. */
void config_group_answer_writes(struct config_group *group, const struct raft_entry *entry,
                                bool is_good, const struct operation_result *result);
void config_group_take_read(struct config_group *group, const struct raft_read_state *state);
void config_group_take_request(struct config_group *group, uint32_t client, struct slice frame);

#endif
