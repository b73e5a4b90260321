/* SPDX-License-Identifier: BSD-3-Clause */
/* The config group of five voters with clients that use its registers. */
#include "sim/subject_config_group.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MACHINES = 5, CLIENTS = 6 };

struct config_group_subject {
    struct sim_world *world;
    struct config_group_settings settings;
    struct raft_oracle *oracle;
    struct register_clients clients;
    uint64_t seed;
};

static void violate(void *context, uint64_t node, const char *text) {
    struct config_group_subject *subject = context;
    int32_t found = -1;
    for (uint32_t i = 0; i < subject->world->options.machine_count; i++)
        if (subject->world->machines[i].node_id.words[1] == node)
            found = (int32_t)i;
    world_violate(subject->world, found, text);
}

static void *create(uint64_t seed, struct sim_world_options *options) {
    struct config_group_subject *subject = sim_resize(NULL, sizeof(*subject));
    *subject = (struct config_group_subject){
        .settings = {.voters = options->machine_count, .election_ms = seed % 3 == 0 ? 150 : 300},
        .seed = seed};
    subject->oracle = raft_oracle_create(violate, subject);
    options->type = &CONFIG_GROUP_PROCESS;
    options->settings = &subject->settings;
    options->oracle = subject->oracle;
    return subject;
}

static void destroy(void *context) {
    struct config_group_subject *subject = context;
    register_clients_finish(&subject->clients);
    raft_oracle_destroy(subject->oracle);
    free(subject);
}

static void attach(void *context, struct sim_world *world) {
    struct config_group_subject *subject = context;
    subject->world = world;
    register_clients_init(&subject->clients, world, &CONFIG_GROUP_PROTOCOL,
                          world->options.client_count, subject->seed);
}

struct register_clients *config_group_subject_clients(void *context) {
    struct config_group_subject *subject = context;
    return &subject->clients;
}

static void begin_round(void *context, uint64_t seed, bool is_frantic) {
    struct config_group_subject *subject = context;
    register_clients_begin(&subject->clients, seed, is_frantic);
}

static void begin_calm(void *context) {
    struct config_group_subject *subject = context;
    subject->clients.answered = 0;
}

static void stop_clients(void *context) {
    struct config_group_subject *subject = context;
    register_clients_stop(&subject->clients);
}

static uint32_t find_leader(void *context) {
    const struct config_group_subject *subject = context;
    uint32_t found = UINT32_MAX;
    uint64_t term = 0;
    for (uint32_t i = 0; i < subject->world->options.machine_count; i++) {
        const struct sim_machine *machine = &subject->world->machines[i];
        struct raft_status status;
        if (machine_is_running(machine) && config_group_status(machine->process, &status) &&
            status.role == RAFT_LEADER && status.term >= term) {
            term = status.term;
            found = i;
        }
    }
    return found;
}

static void operate(void *context, uint64_t draw) {
    struct config_group_subject *subject = context;
    uint32_t leader = find_leader(context);
    uint32_t target = (uint32_t)(draw >> 8) % subject->world->options.machine_count;
    if (leader == UINT32_MAX)
        return;
    void *process = subject->world->machines[leader].process;
    if ((draw & 3) == 0)
        config_group_transfer(process, target);
    else
        config_group_unseat(process, subject->world->machines[target].node_id, (draw & 4) != 0);
}

/* Every machine's node is a voter, and nobody else. */
static bool is_complete(const struct sim_world *world, const struct raft_configuration *c) {
    if (c->count != world->options.machine_count)
        return false;
    for (uint32_t i = 0; i < c->count; i++) {
        bool is_here = false;
        for (uint32_t k = 0; k < world->options.machine_count; k++)
            is_here = is_here || raft_id_equal(world->machines[k].node_id, c->members[i].id);
        if (!is_here || !c->members[i].is_voter)
            return false;
    }
    return true;
}

static bool is_settled(void *context) {
    const struct config_group_subject *subject = context;
    const struct sim_world *world = subject->world;
    uint32_t leader = find_leader(context);
    struct raft_status status;
    if (leader == UINT32_MAX || subject->clients.answered == 0 ||
        !config_group_status(world->machines[leader].process, &status) ||
        !is_complete(world, config_group_configuration(world->machines[leader].process)))
        return false;
    for (uint32_t i = 0; i < world->options.machine_count; i++) {
        const struct sim_machine *machine = &world->machines[i];
        struct raft_status own;
        if (!machine_is_running(machine) || !config_group_status(machine->process, &own) ||
            own.is_storage_failed || !raft_id_equal(own.leader, status.leader) ||
            config_group_applied(machine->process) + 3 < status.commit_index)
            return false;
    }
    return true;
}

static void end_round(void *context) {
    struct config_group_subject *subject = context;
    register_clients_check(&subject->clients);
}

static void get_counters(void *context, struct sim_subject_counters *out) {
    const struct config_group_subject *subject = context;
    *out = subject->clients.counters;
}

static void describe(void *context, char *out, size_t size) {
    const struct config_group_subject *subject = context;
    struct raft_oracle_counters c;
    raft_oracle_get_counters(subject->oracle, &c);
    snprintf(out, size,
             "elections %" PRIu64 ", commits %" PRIu64 ", configurations %" PRIu64
             ", installed snapshots %" PRIu64 ", truncated logs %" PRIu64
             ", confirmed reads %" PRIu64,
             c.elections, c.commits, c.configurations, c.installs, c.truncations, c.reads);
}

const struct sim_subject_type CONFIG_GROUP_SUBJECT = {
    .name = "config-group",
    .machine_count = MACHINES,
    .client_count = CLIENTS,
    .create = create,
    .destroy = destroy,
    .attach = attach,
    .begin_round = begin_round,
    .operate = operate,
    .begin_calm = begin_calm,
    .stop_clients = stop_clients,
    .find_leader = find_leader,
    .is_settled = is_settled,
    .end_round = end_round,
    .get_counters = get_counters,
    .describe = describe,
};
