/* SPDX-License-Identifier: BSD-3-Clause */
/* The shell of a consensus core: each step's output is used up in full before the next input. */
#include "sim/config_group.h"

#include "base/crc32c.h"
#include "raft/bytes.h"
#include "sim/config_group_core.h"
#include "sim/config_group_events.h"
#include "sim/config_group_frames.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TICK_US = 10000, SURVEY_US = 500000 };

/* ---- the state machine ---- */

static void apply(struct config_group *group, const struct raft_entry *entry) {
    struct register_command command;
    struct operation_result result = {0};
    bool is_good = false;
    group->applied = entry->index;
    if (entry->type == RAFT_ENTRY_COMMAND) {
        if (register_command_decode(entry->data, &command) != LARDER_OK)
            machine_violate(group->machine, "a committed command does not decode");
        else
            is_good = registers_apply(&group->registers, &command, &result) == LARDER_OK;
    }
    config_group_answer_writes(group, entry, is_good, &result);
}

/* The image of a snapshot: the oracle's digest of the state, then the registers. */
enum { IMAGE_BYTES = 8 + REGISTERS_IMAGE_BYTES };

static uint64_t load_image(struct config_group *group, struct registers *out) {
    uint8_t *bytes = raft_storage_load_snapshot(&group->storage);
    if (bytes == NULL)
        return 0;
    struct byte_reader reader = byte_reader_of(slice_of(bytes, 8));
    uint64_t state = read_unsigned(&reader, 8);
    registers_decode(out, bytes + 8);
    free(bytes);
    return state;
}

static void take_snapshot(struct config_group *group) {
    uint32_t every = group->settings->entries_per_snapshot;
    struct raft_status status;
    struct raft_configuration configuration;
    raft_get_status(group->raft, &status);
    if (group->applied < group->snapshot_asked + (every == 0 ? 400 : every) ||
        group->applied <= status.snapshot_index || raft_storage_is_taking(&group->storage) ||
        raft_get_configuration_at(group->raft, group->applied, &configuration) != LARDER_OK)
        return;
    uint8_t *bytes = sim_resize(NULL, IMAGE_BYTES);
    struct byte_writer writer = {bytes};
    write_unsigned(&writer, raft_oracle_state(group->oracle, group->applied), 8);
    registers_encode(&group->registers, writer.at);
    struct raft_snapshot snapshot = {.index = group->applied,
                                     .term =
                                         raft_oracle_committed_term(group->oracle, group->applied),
                                     .size = IMAGE_BYTES,
                                     .checksum = crc32c(slice_of(bytes, IMAGE_BYTES))};
    uint64_t kept = machine_random(group->machine) % 200;
    uint64_t keep_from = group->applied + 1 > kept ? group->applied + 1 - kept : 1;
    group->snapshot_asked = group->applied;
    raft_storage_take_snapshot(&group->storage, &snapshot, &configuration,
                               keep_from < status.first_index ? status.first_index : keep_from,
                               bytes);
}

/* ---- steps ---- */

static void answered(void *owner, const struct raft_input *input) {
    struct config_group *group = owner;
    storage_answers_add(&group->answers, input);
}

static enum larder_status step(void *owner, struct raft_input *input) {
    return config_group_step(owner, input);
}

void config_group_drain(struct config_group *group) {
    if (group->raft != NULL && !group->is_stepping)
        storage_answers_give(&group->answers);
}

static void send_message(struct config_group *group, const struct raft_message *message) {
    uint32_t to;
    if (!machine_find_peer(group->machine, message->to, &to))
        return;
    size_t size = raft_message_encoded_size(message);
    if (size + 1 > group->frame_capacity) {
        group->frame_capacity = 2 * (size + 1);
        group->frame = sim_resize(group->frame, group->frame_capacity);
    }
    uint8_t *frame = group->frame;
    frame[0] = FRAME_CONSENSUS;
    if (raft_message_encode(message, frame + 1) != size)
        machine_violate(group->machine, "a message has another size than it said");
    machine_send_datagram(group->machine, to, slice_of(frame, size + 1));
}

static void install(struct config_group *group) {
    group->applied = group->out.install.index;
    group->snapshot_asked = group->applied;
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        if (group->requests[i].is_used && !group->requests[i].is_read &&
            group->requests[i].index <= group->applied)
            config_group_end_request(group, &group->requests[i]); /* its client will not know */
}

/* Everything that the step gave out. Storage may answer at once, which is queued. */
static void use_output(struct config_group *group) {
    struct raft_output *out = &group->out;
    uint64_t state = 0;
    if (out->has_install) {
        struct raft_status status;
        raft_get_status(group->raft, &status);
        raft_storage_installed(&group->storage, &out->install, status.first_index);
        state = load_image(group, &group->registers);
        install(group);
    }
    struct raft_status before = *raft_oracle_seen(group->oracle, group->number);
    raft_oracle_step(group->oracle, group->number, group->raft, out, state);
    const struct raft_status *after = raft_oracle_seen(group->oracle, group->number);
    config_group_count_step(group->machine, &before, after, out);
    config_group_print_step(group->machine, group->raft, &before, after, out);
    for (size_t i = 0; i < out->apply_count; i++)
        apply(group, &out->apply[i]);
    for (size_t i = 0; i < out->read_count; i++)
        config_group_take_read(group, &out->reads[i]);
    config_group_answer_reads(group);
    for (size_t i = 0; i < out->message_count; i++)
        send_message(group, &out->messages[i]);
    if (out->write.number != 0)
        raft_storage_write(&group->storage, &out->write);
    if (out->has_snapshot_chunk)
        raft_storage_store_chunk(&group->storage, &out->snapshot_chunk);
    for (size_t i = 0; i < out->snapshot_read_count; i++)
        raft_storage_read_chunk(&group->storage, &out->snapshot_reads[i]);
    if (out->has_new_role) {
        struct raft_status status;
        raft_get_status(group->raft, &status);
        machine_note(group->machine, status.term, status.commit_index);
    }
}

enum larder_status config_group_step(struct config_group *group, struct raft_input *input) {
    input->now_ms = machine_now_us(group->machine) / 1000;
    group->is_stepping = true;
    enum larder_status status = raft_step(group->raft, input, &group->out);
    if (status == LARDER_OK)
        use_output(group);
    group->is_stepping = false;
    return status;
}

static enum larder_status step_and_drain(struct config_group *group, struct raft_input input) {
    enum larder_status status = config_group_step(group, &input);
    config_group_drain(group);
    return status;
}

/* ---- life ---- */

/* What the storage found is durable: take part. */
static void begin(void *owner) {
    struct config_group *group = owner;
    struct raft_restored restored;
    raft_storage_restored(&group->storage, &restored);
    restored.now_ms = machine_now_us(group->machine) / 1000;
    const struct config_group_settings *settings = group->settings;
    struct raft_options options = {
        .cluster = CONFIG_GROUP_CLUSTER,
        .generation = 1,
        .self = machine_node_id(group->machine),
        .seed = machine_random(group->machine),
        .election_ms = settings->election_ms,
        .heartbeat_ms = settings->heartbeat_ms,
        .snapshot_chunk_bytes = 300,
    };
    enum larder_status status =
        raft_create(&options, &restored, machine_allocator(group->machine), &group->raft);
    if (status != LARDER_OK) {
        group->raft = NULL;
        if (status != LARDER_NO_MEMORY)
            machine_violate(group->machine, "a core can't start from what was durable");
        machine_exit(group->machine, larder_status_text(status));
        return;
    }
    uint64_t state = load_image(group, &group->registers);
    group->applied = group->snapshot_asked = restored.snapshot.index;
    raft_oracle_start(group->oracle, group->number, group->raft, &restored, state);
    raft_storage_release(&group->storage);
    answered(group, &(struct raft_input){
                        .type = RAFT_POLICY,
                        .policy = {.voters_target = settings->voters, .dead_after_ms = 8000}});
    config_group_drain(group);
}

static struct raft_configuration founding_configuration(struct sim_machine *machine,
                                                        uint32_t voters) {
    struct raft_configuration founders = {0};
    if (machine_node_id(machine).words[1] > voters)
        return founders;
    struct raft_id id = machine_node_id(machine);
    for (uint64_t i = 1; i <= voters; i++) {
        id.words[1] = i;
        founders.members[founders.count++] = (struct raft_member){id, true};
    }
    return founders;
}

static void free_group(struct config_group *group) {
    storage_answers_free(&group->answers);
    free(group->frame);
    raft_destroy(group->raft);
    free(group);
}

static enum larder_status start(struct sim_machine *machine, const void *settings, void **out) {
    struct config_group *group = sim_resize(NULL, sizeof(*group));
    memset(group, 0, sizeof(*group));
    group->machine = machine;
    group->settings = settings;
    group->oracle = machine_oracle(machine);
    group->number = machine_node_id(machine).words[1];
    group->storage = (struct raft_storage){.machine = machine,
                                           .input = answered,
                                           .ready = begin,
                                           .owner = group,
                                           .cluster = CONFIG_GROUP_CLUSTER,
                                           .generation = 1};
    group->answers = (struct storage_answers){.storage = &group->storage,
                                              .oracle = group->oracle,
                                              .number = group->number,
                                              .step = step,
                                              .owner = group};
    struct raft_configuration founders = founding_configuration(machine, group->settings->voters);
    enum larder_status status = raft_storage_open(&group->storage, &founders);
    if (status != LARDER_OK) {
        free_group(group);
        return status;
    }
    machine_wake_at(machine, machine_now_us(machine) + TICK_US);
    *out = group;
    return LARDER_OK;
}

static void stop(void *process) {
    struct config_group *group = process;
    if (group->raft != NULL)
        config_group_count_end(group->machine, raft_oracle_seen(group->oracle, group->number));
    raft_storage_close(&group->storage);
    free_group(group);
}

/* ---- inputs ---- */

static bool add_newcomer(struct config_group *group) {
    const struct raft_configuration *configuration = raft_get_configuration(group->raft);
    for (uint32_t address = 0; address < machine_peer_count(group->machine); address++) {
        struct raft_id id = machine_peer_id(group->machine, address);
        bool is_member = false;
        for (uint32_t i = 0; i < configuration->count; i++)
            is_member = is_member || raft_id_equal(configuration->members[i].id, id);
        if (is_member)
            continue;
        (void)step_and_drain(
            group, (struct raft_input){.type = RAFT_CHANGE, .change = {RAFT_ADD_LEARNER, id}});
        return true;
    }
    return false;
}

/* A voter whose machine has another identity now is dead; once it is no voter it is removed. */
static void remove_departed(struct config_group *group) {
    const struct raft_configuration *configuration = raft_get_configuration(group->raft);
    for (uint32_t i = 0; i < configuration->count; i++) {
        struct raft_member member = configuration->members[i];
        struct raft_input input = {.type = RAFT_CHANGE, .change = {RAFT_REMOVE, member.id}};
        uint32_t address;
        if (machine_find_peer(group->machine, member.id, &address))
            continue;
        if (member.is_voter)
            input = (struct raft_input){.type = RAFT_MEMBER_DEAD, .member_dead = {member.id, true}};
        (void)step_and_drain(group, input);
        return;
    }
}

/* The leader's view of who lives where. */
static void survey(struct config_group *group) {
    struct raft_status status;
    raft_get_status(group->raft, &status);
    if (status.role != RAFT_LEADER || machine_now_us(group->machine) < group->survey_us)
        return;
    group->survey_us = machine_now_us(group->machine) + SURVEY_US;
    if (!add_newcomer(group))
        remove_departed(group);
}

static void wake(void *process) {
    struct config_group *group = process;
    machine_wake_at(group->machine, machine_now_us(group->machine) + TICK_US);
    if (group->raft == NULL)
        return;
    config_group_drain(group);
    (void)step_and_drain(group, (struct raft_input){.type = RAFT_TICK});
    raft_storage_probe(&group->storage);
    config_group_drain(group);
    survey(group);
    take_snapshot(group);
    storage_answers_offer_snapshot(&group->answers);
    config_group_drain(group);
}

static void take_message(struct config_group *group, struct slice bytes) {
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;
    if (raft_message_decode(bytes, entries, &message) != LARDER_OK)
        return;
    enum larder_status status =
        step_and_drain(group, (struct raft_input){.type = RAFT_MESSAGE, .message = &message});
    if (status == LARDER_CORRUPT)
        machine_violate(group->machine, "a correct message was refused as corrupt");
}

static void deliver(void *process, uint32_t from, struct slice frame) {
    struct config_group *group = process;
    if (group->raft == NULL || frame.size == 0)
        return;
    struct slice body = slice_of(frame.data + 1, frame.size - 1);
    if (frame.data[0] == FRAME_REQUEST && sim_address_is_client(from))
        config_group_take_request(group, from, body);
    else if (frame.data[0] == FRAME_CONSENSUS)
        take_message(group, body);
}

static void synced(void *process, uint64_t ticket, enum larder_status status) {
    struct config_group *group = process;
    raft_storage_synced(&group->storage, ticket, status);
    config_group_drain(group);
}

static void describe(const void *process, char *out, size_t size) {
    const struct config_group *group = process;
    struct raft_status s;
    if (!config_group_status(group, &s)) {
        snprintf(out, size, "recovering");
        return;
    }
    snprintf(out, size,
             "%s term %" PRIu64 " log %" PRIu64 "..%" PRIu64 " durable %" PRIu64 " commit %" PRIu64
             " applied %" PRIu64 " leader %" PRIu64 "%s",
             raft_role_name(s.role), s.term, s.first_index, s.last_index, s.durable_index,
             s.commit_index, group->applied, s.leader.words[1],
             s.is_storage_failed ? " storage failed" : "");
}

const struct sim_process_type CONFIG_GROUP_PROCESS = {
    .name = "config group",
    .start = start,
    .deliver = deliver,
    .wake = wake,
    .synced = synced,
    .stop = stop,
    .describe = describe,
    .describe_frame = config_group_describe_frame,
};

/* ---- questions ---- */

bool config_group_status(const void *process, struct raft_status *out) {
    const struct config_group *group = process;
    if (group->raft == NULL)
        return false;
    raft_get_status(group->raft, out);
    return true;
}

const struct raft_configuration *config_group_configuration(const void *process) {
    const struct config_group *group = process;
    return raft_get_configuration(group->raft);
}

uint64_t config_group_applied(const void *process) {
    const struct config_group *group = process;
    return group->applied;
}

void config_group_transfer(void *process, uint32_t to) {
    struct config_group *group = process;
    if (group->raft == NULL)
        return;
    (void)step_and_drain(group,
                         (struct raft_input){.type = RAFT_TRANSFER,
                                             .transfer_to = machine_peer_id(group->machine, to)});
}

void config_group_unseat(void *process, struct raft_id id, bool is_removed) {
    struct config_group *group = process;
    uint32_t voters = 0;
    bool is_voter = false;
    if (group->raft == NULL)
        return;
    const struct raft_configuration *configuration = raft_get_configuration(group->raft);
    for (uint32_t i = 0; i < configuration->count; i++) {
        voters += configuration->members[i].is_voter;
        is_voter = is_voter || (configuration->members[i].is_voter &&
                                raft_id_equal(configuration->members[i].id, id));
    }
    struct raft_change change = {is_removed ? RAFT_REMOVE : RAFT_DEMOTE, id};
    if (voters <= 3 && is_voter)
        return;
    (void)step_and_drain(group, (struct raft_input){.type = RAFT_CHANGE, .change = change});
}
