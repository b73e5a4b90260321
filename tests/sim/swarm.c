/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults are calls in the world's heap; a supervisor in it starts processes that are down. */
#include "sim/swarm.h"

#include "sim/fault_actions.h"

#include <stdlib.h>

static bool is_left_out(const struct swarm_options *options, const struct sim_fault *fault,
                        uint32_t index) {
    if (options->is_kind_off[fault->kind] || (options->subject->refused_faults >> fault->kind & 1))
        return true;
    if (options->only_faults == NULL)
        return false;
    for (size_t i = 0; i < options->only_count; i++)
        if (options->only_faults[i] == index)
            return false;
    return true;
}

static void set_weather(struct swarm *swarm) {
    struct sim_network *network = &swarm->world->network;
    const struct sim_round *round = &swarm->round;
    uint32_t rates[RATE_COUNT];
    for (uint32_t i = 0; i < RATE_COUNT; i++)
        rates[i] = swarm->options->is_rate_off[i] ? 0 : round->rates[i];
    network->loss = rates[RATE_LOSS];
    network->duplication = rates[RATE_DUPLICATION];
    network->slow = rates[RATE_SLOW];
    network->damage = rates[RATE_DAMAGE];
    network->reset = rates[RATE_RESET];
    network->latency_us = round->latency_us;
    network->slow_us = round->slow_us;
    for (uint32_t i = 0; i < swarm->world->options.machine_count; i++)
        swarm->world->machines[i].disk.sync_us = round->sync_us;
}

static void begin_round(struct swarm *swarm, uint32_t number) {
    struct sim_world *world = swarm->world;
    round_draw(&swarm->round, swarm->options->seed, number);
    if (swarm->options->round_us > 0 && swarm->options->round_us < swarm->round.length_us)
        swarm->round.length_us = swarm->options->round_us;
    swarm->round_number = number;
    swarm->began_us = world->now_us;
    swarm->ends_us = world->now_us + swarm->round.length_us;
    swarm->is_calm = false;
    swarm->lossy_machine = (uint32_t)(swarm->round.seed % world->options.machine_count);
    swarm->lossy_node = world->machines[swarm->lossy_machine].node_id;
    swarm->is_loss_spent = false;
    swarm->reign_rate = 0;
    set_weather(swarm);
    swarm->options->subject->begin_round(swarm->subject, swarm->round.seed,
                                         swarm->round.is_frantic);
    for (uint32_t i = 0; i < swarm->round.fault_count; i++) {
        const struct sim_fault *fault = &swarm->round.faults[i];
        int64_t at_us = swarm->began_us + fault->at_us;
        if (!is_left_out(swarm->options, fault, i) && at_us < swarm->ends_us)
            world_call_at(world, at_us, fault_begin, swarm, i);
    }
}

/* All faults end; what is down starts. */
static void calm_down(struct swarm *swarm) {
    struct sim_world *world = swarm->world;
    swarm->is_calm = true;
    network_heal_all(&world->network);
    for (uint32_t i = 0; i < world->options.machine_count; i++) {
        struct sim_machine *machine = &world->machines[i];
        fault_heal_disk(&machine->disk);
        machine->memory.failure_rate = 0;
        swarm->start_us[i] = 0;
        swarm->stays_down[i] = false;
        if (machine->paused_until_us > world->now_us)
            machine_pause(machine, 1);
    }
    swarm->options->subject->begin_calm(swarm->subject);
}

/* Whether it settled in time. */
static bool wait_until_settled(struct swarm *swarm) {
    int64_t end_us = swarm->world->now_us + SIM_SETTLE_US;
    while (swarm->world->violation == NULL && swarm->world->now_us < end_us) {
        world_run_for(swarm->world, 50000);
        if (swarm->options->subject->is_settled(swarm->subject))
            return true;
    }
    return false;
}

static void run_round(struct swarm *swarm, uint32_t number) {
    struct sim_world *world = swarm->world;
    begin_round(swarm, number);
    world_run_until(world, swarm->ends_us);
    if (world->violation != NULL)
        return;
    calm_down(swarm);
    if (!wait_until_settled(swarm)) {
        world_violate(world, -1, "L1: not everything is available 10 seconds after the faults");
        return;
    }
    swarm->options->subject->stop_clients(swarm->subject);
    world_run_for(world, 2000000);
    if (world->violation == NULL)
        swarm->options->subject->end_round(swarm->subject);
}

static void supervise(void *context, uint64_t stamp) {
    struct swarm *swarm = context;
    struct sim_world *world = swarm->world;
    (void)stamp;
    for (uint32_t i = 0; i < world->options.machine_count; i++) {
        struct sim_machine *machine = &world->machines[i];
        if (machine_is_running(machine) || swarm->stays_down[i])
            continue;
        if (swarm->start_us[i] == 0 || swarm->start_us[i] <= world->now_us) {
            swarm->start_us[i] = 0;
            machine_start(machine);
        }
    }
    int64_t rest_us = swarm->round.is_frantic && !swarm->is_calm ? 10000 : 100000;
    world_call_at(
        world, world->now_us + rest_us + (int64_t)random_below(&world->random, (uint64_t)rest_us),
        supervise, swarm, 0);
}

static void finish(struct swarm *swarm, struct swarm_result *out) {
    const struct sim_world *world = swarm->world;
    *out = (struct swarm_result){.violation = world->violation,
                                 .machine = world->violation_machine,
                                 .round = swarm->round_number,
                                 .violation_us = world->violation_us,
                                 .round_us = world->violation_us - swarm->began_us,
                                 .length_us = world->now_us,
                                 .event_count = world->trace.event_count,
                                 .fault_count = world_fault_count(world),
                                 .frame_count = world->network.frame_count,
                                 .round_count = swarm->round_count};
    memcpy(out->rare_events, world->rare_events, sizeof(out->rare_events));
    trace_digest(&world->trace, out->digest);
    swarm->options->subject->get_counters(swarm->subject, &out->counters);
    swarm->options->subject->describe(swarm->subject, out->description, sizeof(out->description));
}

void swarm_run(const struct swarm_options *options, struct swarm_result *out) {
    const struct sim_subject_type *type = options->subject;
    struct swarm *swarm = sim_resize(NULL, sizeof(*swarm));
    *swarm = (struct swarm){.options = options};
    struct sim_world_options world_options = {.seed = options->seed,
                                              .machine_count = type->machine_count,
                                              .client_count = type->client_count,
                                              .trace = options->trace};
    swarm->subject = type->create(options->seed, &world_options);
    swarm->world = world_create(&world_options);
    type->attach(swarm->subject, swarm->world);
    for (uint32_t i = 0; i < type->machine_count; i++)
        machine_start(&swarm->world->machines[i]);
    supervise(swarm, 0);
    uint32_t number = options->only_round >= 0 ? (uint32_t)options->only_round : 0;
    while (swarm->world->violation == NULL && swarm->world->now_us < options->length_us) {
        swarm->round_count++;
        run_round(swarm, number++);
        if (options->only_round >= 0)
            break;
    }
    for (uint32_t i = 0; i < type->machine_count && swarm->world->violation != NULL; i++) {
        const struct sim_machine *machine = &swarm->world->machines[i];
        char text[600] = "down";
        if (machine_is_running(machine))
            world_options.type->describe(machine->process, text, sizeof(text));
        trace_print(&swarm->world->trace, swarm->world->now_us, "%u: %s", i, text);
    }
    finish(swarm, out);
    world_destroy(swarm->world);
    type->destroy(swarm->subject);
    free(swarm);
}
