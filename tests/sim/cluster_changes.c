/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_changes.h"

#include "sim/cluster_data.h"
#include "sim/cluster_member.h"
#include "sim/cluster_worlds.h"

enum { CHANGES_MAX = 6, LOOK_US = 300000, PATIENCE_US = 8000000 };

void cluster_changes_init(struct cluster_changes *c, struct sim_world *world,
                          struct cluster_oracle *oracle, uint32_t partition_count) {
    *c = (struct cluster_changes){
        .world = world, .oracle = oracle, .partition_count = partition_count};
}

static struct cluster_member *member_at(const struct cluster_changes *c, uint32_t machine) {
    const struct sim_machine *m = &c->world->machines[machine];
    return machine_is_running(m) ? cluster_process_member(m->process) : NULL;
}

static uint32_t find_coordinator(const struct cluster_changes *c) {
    for (uint32_t i = 0; i < c->world->options.machine_count; i++) {
        const struct cluster_member *member = member_at(c, i);
        if (member != NULL && member_is_coordinator(member))
            return i;
    }
    return UINT32_MAX;
}

static bool can_tell(const struct cluster_changes *c, uint32_t from, uint32_t to) {
    return from == to || !network_link(&c->world->network, from, to)->is_cut;
}

static bool is_serving(const struct cluster_changes *c, uint32_t machine) {
    if (member_at(c, machine) == NULL)
        return false;
    const struct cluster_data *data = cluster_process_data(c->world->machines[machine].process);
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct partition_replica *r = cluster_data_replica(data, p);
        if (r != NULL && r->role == REPLICA_OPEN)
            return true;
    }
    return false;
}

/* Most hear the coordinator, and somebody who serves a partition does not. */
static bool is_somebody_left_out(const struct cluster_changes *c, uint32_t coordinator) {
    uint32_t heard = 0, count = c->world->options.machine_count;
    bool is_left_out = false;
    for (uint32_t i = 0; i < count && coordinator < count; i++) {
        bool hears = can_tell(c, coordinator, i);
        heard += hears && can_tell(c, i, coordinator);
        is_left_out |= !hears && is_serving(c, i);
    }
    return is_left_out && 2 * heard > count;
}

static void propose(struct cluster_changes *c, uint32_t machine, uint64_t draw) {
    struct cluster_member *member = member_at(c, machine);
    const struct config_entry entry = {
        .type = CONFIG_SETTINGS,
        .settings = cluster_settings_draw(draw, cluster_oracle_configuration(c->oracle))};
    if (member != NULL && c->world->machines[machine].paused_until_us <= c->world->now_us)
        member_propose(member, &entry);
}

static void look(void *context, uint64_t draw) {
    struct cluster_changes *c = context;
    struct random random = random_seeded(draw);
    uint32_t coordinator = find_coordinator(c);
    int64_t now_us = c->world->now_us;
    if (c->left == 0)
        return;
    bool is_moment = is_somebody_left_out(c, coordinator);
    if (is_moment || now_us >= c->due_us) {
        uint32_t any = (uint32_t)random_below(&random, c->world->options.machine_count);
        propose(c, is_moment ? coordinator : any, random_next(&random));
        c->left--;
        c->due_us = now_us + (int64_t)random_below(&random, PATIENCE_US);
    }
    int64_t next_us = now_us + (int64_t)random_below(&random, LOOK_US);
    world_call_at(c->world, next_us, look, c, random_next(&random));
}

void cluster_changes_draw(struct cluster_changes *c, uint64_t draw) {
    bool is_under_way = c->left > 0;
    c->left = 1 + (uint32_t)(draw % CHANGES_MAX);
    c->due_us = c->world->now_us;
    if (!is_under_way)
        look(c, draw);
}

void cluster_changes_end(struct cluster_changes *c) {
    c->left = 0;
}
