/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_founding_faults.h"

#include "sim/cluster_member.h"

enum { LOOK_US = 200, END_US = 2500000 };

static void set_sides(struct cluster_founding_faults *f, bool is_cut) {
    struct sim_network *network = &f->world->network;
    for (uint32_t a = 0; a < f->world->options.machine_count; a++)
        for (uint32_t b = 0; b < f->world->options.machine_count; b++) {
            if ((f->sides >> a & 1) == (f->sides >> b & 1))
                continue;
            if (is_cut)
                network_cut(network, a, b);
            else
                network_heal(network, a, b);
        }
    world_note(f->world, is_cut ? "two sides while founding" : "the sides see each other", f->sides,
               0);
}

static enum founding_state state_of(const struct cluster_founding_faults *f, uint32_t machine) {
    const struct sim_machine *m = &f->world->machines[machine];
    return machine_is_running(m) ? cluster_process_founding(m->process) : (enum founding_state)0;
}

static void kill_one(struct cluster_founding_faults *f, struct sim_machine *machine) {
    f->left--;
    if (random_below(&f->random, 2) == 0)
        machine_crash(machine);
    else
        machine_lose_power(machine);
}

/* Who has formed a cluster may die as well, before the others know. */
static void look(void *context, uint64_t stamp) {
    struct cluster_founding_faults *f = context;
    bool is_formed = false;
    if (f->is_over)
        return;
    if (f->sides != 0 && f->world->now_us >= f->heal_us) {
        set_sides(f, false);
        f->sides = 0;
    }
    for (uint32_t i = 0; i < f->world->options.machine_count; i++) {
        enum founding_state state = state_of(f, i);
        is_formed |= state == FOUNDING_FORMED;
        bool is_founder = state >= FOUNDING_PROPOSING && state != FOUNDING_JOINING;
        if (is_founder && f->left > 0 && random_below(&f->random, 1000) < f->rate)
            kill_one(f, &f->world->machines[i]);
    }
    if ((is_formed && f->sides == 0 && random_below(&f->random, 8) == 0) ||
        f->world->now_us >= f->end_us) {
        cluster_founding_faults_end(f);
        return;
    }
    world_call_at(f->world,
                  f->world->now_us + LOOK_US + (int64_t)random_below(&f->random, 4 * LOOK_US), look,
                  f, stamp);
}

void cluster_founding_faults_begin(struct cluster_founding_faults *f, struct sim_world *world,
                                   uint64_t seed) {
    *f = (struct cluster_founding_faults){
        .world = world, .random = random_seeded(seed ^ 0x666f756e64), .is_over = seed % 3 == 1};
    if (f->is_over)
        return;
    f->rate = 5 + (uint32_t)random_below(&f->random, 200);
    f->left = 1 + (uint32_t)random_below(&f->random, 6);
    f->end_us = world->now_us + END_US;
    if (random_below(&f->random, 3) == 0) {
        f->sides = random_next(&f->random) & 31;
        f->heal_us = world->now_us + (int64_t)random_below(&f->random, END_US / 2);
        set_sides(f, true);
    }
    look(f, 0);
}

void cluster_founding_faults_end(struct cluster_founding_faults *f) {
    if (f->is_over)
        return;
    f->is_over = true;
    if (f->sides != 0)
        set_sides(f, false);
}
