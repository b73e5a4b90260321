/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_departures.h"

#include "sim/cluster_member.h"

enum { LOOK_US = 20000, PATIENCE_US = 8000000, MACHINE_BITS = 8 };

void cluster_departures_init(struct cluster_departures *d, struct sim_world *world) {
    *d = (struct cluster_departures){.world = world};
}

static struct cluster_member *member_of(const struct sim_machine *machine) {
    return machine_is_running(machine) ? cluster_process_member(machine->process) : NULL;
}

static void tell(struct cluster_departures *d, uint32_t machine, enum member_departure how) {
    static const char *const WHAT[DEPARTURE_END] = {
        "the operator takes a departure back", "the operator has a member restart",
        "the operator has a member leave", "the operator has a member leave by force"};
    world_note(d->world, WHAT[how], machine, 0);
    member_drain(member_of(&d->world->machines[machine]), how);
    d->each[machine].how = how;
}

/* As far as anybody knows that runs. */
static bool is_voter(const struct cluster_departures *d, struct raft_id node) {
    for (uint32_t i = 0; i < d->world->options.machine_count; i++) {
        const struct cluster_member *member = member_of(&d->world->machines[i]);
        if (member == NULL)
            return true;
        const struct raft_configuration *core = raft_get_configuration(member_raft(member));
        for (uint32_t k = 0; k < core->count; k++)
            if (core->members[k].is_voter && raft_id_equal(core->members[k].id, node))
                return true;
    }
    return false;
}

/* The disk of who left may be thrown away, but not one with a vote: that would be a loss. */
static void end_process(struct cluster_departures *d, uint32_t machine) {
    struct sim_machine *m = &d->world->machines[machine];
    bool is_for_good = d->each[machine].how != DEPARTURE_RESTART;
    bool is_emptied = is_for_good && !m->is_diskless && (d->each[machine].draw >> 60 & 1) != 0 &&
                      !is_voter(d, m->node_id);
    d->each[machine].how = DEPARTURE_NONE;
    d->let_go++;
    machine_crash(m);
    if (is_emptied)
        machine_replace(m);
}

/* The stamp says which departure, of which machine. */
static void look(void *context, uint64_t stamp) {
    struct cluster_departures *d = context;
    uint32_t machine = (uint32_t)(stamp & ((1u << MACHINE_BITS) - 1));
    struct cluster_departure *each = &d->each[machine];
    struct sim_machine *m = &d->world->machines[machine];
    struct cluster_member *member = member_of(m);
    if (each->how == DEPARTURE_NONE || each->turn != stamp >> MACHINE_BITS)
        return;
    if (member == NULL || m->incarnation != each->incarnation) {
        each->how = DEPARTURE_NONE; /* it crashed */
        return;
    }
    int64_t patience_us =
        (each->draw >> 40 & 3) == 0 ? (int64_t)(each->draw >> 42 & 0x1fffff) : PATIENCE_US;
    if (d->world->now_us - each->since_us > patience_us) {
        tell(d, machine, DEPARTURE_NONE);
        d->taken_back++;
        return;
    }
    if (member_may_leave(member)) {
        end_process(d, machine);
        return;
    }
    world_call_at(d->world, d->world->now_us + LOOK_US, look, d, stamp);
}

void cluster_departures_draw(struct cluster_departures *d, uint64_t draw) {
    uint32_t machine = (uint32_t)((draw >> 20) % d->world->options.machine_count);
    struct cluster_departure *each = &d->each[machine];
    const struct cluster_member *member = member_of(&d->world->machines[machine]);
    if (member == NULL || member_number(member) == CLUSTER_NOBODY)
        return;
    *each = (struct cluster_departure){.draw = draw,
                                       .turn = each->turn + 1,
                                       .incarnation = d->world->machines[machine].incarnation,
                                       .since_us = d->world->now_us};
    tell(d, machine, (enum member_departure)(1 + (draw >> 32) % (DEPARTURE_END - 1)));
    world_call_at(d->world, d->world->now_us + LOOK_US, look, d,
                  each->turn << MACHINE_BITS | machine);
}

void cluster_departures_end(struct cluster_departures *d) {
    for (uint32_t i = 0; i < d->world->options.machine_count; i++) {
        bool is_same = member_of(&d->world->machines[i]) != NULL &&
                       d->world->machines[i].incarnation == d->each[i].incarnation;
        if (d->each[i].how != DEPARTURE_NONE && is_same)
            tell(d, i, DEPARTURE_NONE);
        d->each[i].how = DEPARTURE_NONE;
    }
}
