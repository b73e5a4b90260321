/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that wait: who asked for what, and what they are told. */
#include "sim/config_group_core.h"
#include "sim/config_group_frames.h"

static uint32_t leader_address(const struct config_group *group) {
    struct raft_status status;
    uint32_t address = UINT32_MAX;
    raft_get_status(group->raft, &status);
    if (!raft_id_is_set(status.leader) ||
        !machine_find_peer(group->machine, status.leader, &address))
        return UINT32_MAX;
    return address;
}

static void answer(struct config_group *group, uint32_t client, uint64_t number,
                   enum config_group_answer what, const struct operation_result *result) {
    struct config_group_reply reply = {
        .number = number, .answer = what, .leader = leader_address(group)};
    uint8_t frame[CONFIG_GROUP_REPLY_BYTES];
    if (result != NULL)
        reply.result = *result;
    config_group_reply_encode(&reply, frame);
    machine_send(group->machine, client, slice_of(frame, sizeof(frame)));
}

void config_group_end_request(struct config_group *group, struct request *request) {
    request->is_used = false;
    group->request_count--;
}

static struct request *find_free_request(struct config_group *group) {
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        if (!group->requests[i].is_used)
            return &group->requests[i];
    return NULL;
}

/* Reads that are confirmed and whose state is reached. */
void config_group_answer_reads(struct config_group *group) {
    size_t left = group->request_count;
    for (size_t i = 0; left > 0; i++) {
        struct request *request = &group->requests[i];
        struct operation_result result = {0};
        if (!request->is_used)
            continue;
        left--;
        if (!request->is_read || request->index == 0 || request->index > group->applied)
            continue;
        config_group_end_request(group, request);
        bool is_good = registers_apply(&group->registers, &request->command, &result) == LARDER_OK;
        answer(group, request->client, request->command.number, is_good ? ANSWER_OK : ANSWER_FAILED,
               &result);
    }
}

/* The entry at this index is known: who waited for it knows what became of the request. */
void config_group_answer_writes(struct config_group *group, const struct raft_entry *entry,
                                bool is_good, const struct operation_result *result) {
    size_t left = group->request_count;
    for (size_t i = 0; left > 0; i++) {
        struct request *request = &group->requests[i];
        if (!request->is_used)
            continue;
        left--;
        if (request->is_read || request->index != entry->index)
            continue;
        config_group_end_request(group, request);
        bool is_mine = request->term == entry->term;
        answer(group, request->client, request->command.number,
               is_mine && is_good ? ANSWER_OK : ANSWER_FAILED, result);
    }
}

void config_group_take_read(struct config_group *group, const struct raft_read_state *state) {
    struct request *request = &group->requests[state->context];
    if (state->status != LARDER_OK) {
        config_group_end_request(group, request);
        answer(group, request->client, request->command.number, ANSWER_NOT_LEADER, NULL);
        return;
    }
    request->index = state->index;
    if (state->index < request->floor)
        machine_violate(group->machine, "a read misses what was committed before it");
}

void config_group_take_request(struct config_group *group, uint32_t client, struct slice frame) {
    struct register_command command;
    struct request *request = find_free_request(group);
    if (register_command_decode(frame, &command) != LARDER_OK) {
        machine_violate(group->machine, "a request does not decode");
        return;
    }
    if (request == NULL) {
        answer(group, client, command.number, ANSWER_FAILED, NULL);
        return;
    }
    struct raft_input input = {.type = RAFT_PROPOSE, .command = frame};
    group->request_count++;
    *request = (struct request){.is_used = true,
                                .is_read = command.kind == OPERATION_READ,
                                .client = client,
                                .command = command,
                                .index = UINT64_MAX};
    if (request->is_read) {
        request->index = 0;
        request->floor = raft_oracle_committed_index(group->oracle);
        input = (struct raft_input){.type = RAFT_READ,
                                    .read_context = (uint64_t)(request - group->requests)};
    }
    enum larder_status status = config_group_step(group, &input);
    if (status == LARDER_OK && !request->is_read) {
        request->index = group->out.proposed_index;
        request->term = group->out.proposed_term;
    }
    if (status != LARDER_OK) {
        config_group_end_request(group, request);
        answer(group, client, command.number,
               status == LARDER_AGAIN ? ANSWER_NOT_LEADER : ANSWER_FAILED, NULL);
    }
    config_group_drain(group);
}
