/* SPDX-License-Identifier: BSD-3-Clause */
/* A fault that has begun does not begin again before it ended; its end is a call of its own, which
 * is stale when the round is over. */
#include "sim/fault_actions.h"

#include "sim/text.h"

#include <inttypes.h>

/* Stamps of ends: round and index. */
static uint64_t stamp_of(const struct swarm *swarm, uint64_t index) {
    return (uint64_t)swarm->round_number << 32 | index;
}

static uint32_t target_of(const struct swarm *swarm, const struct sim_fault *fault) {
    return (uint32_t)(fault->draw % swarm->world->options.machine_count);
}

static uint32_t other_of(const struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t count = swarm->world->options.machine_count;
    uint32_t target = target_of(swarm, fault);
    return count < 2 ? target : (uint32_t)((target + 1 + (fault->draw >> 8) % (count - 1)) % count);
}

/* Whoever has the role that the fault drew: the coordinator half of the time. */
static uint32_t find_important(const struct swarm *swarm, uint64_t draw) {
    static const enum sim_role ROLES[8] = {
        SIM_ROLE_COORDINATOR, SIM_ROLE_COORDINATOR, SIM_ROLE_COORDINATOR, SIM_ROLE_COORDINATOR,
        SIM_ROLE_PRIMARY,     SIM_ROLE_PRIMARY,     SIM_ROLE_BACKUP,      SIM_ROLE_RECEIVER};
    const struct sim_subject_type *subject = swarm->options->subject;
    if (subject->find_target == NULL)
        return subject->find_leader(swarm->subject);
    return subject->find_target(swarm->subject, ROLES[draw >> 60 & 7], draw >> 48 & 0xfff);
}

static uint32_t important_of(const struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t found = find_important(swarm, fault->draw);
    return found == UINT32_MAX ? target_of(swarm, fault) : found;
}

static void note_fault(const struct swarm *swarm, enum sim_fault_kind kind, uint32_t machine) {
    if (swarm->options->subject->note_fault != NULL)
        swarm->options->subject->note_fault(swarm->subject, kind, machine);
}

/* Whether the round's one disk was lost, by a fault or by its lies; or none may be lost yet. */
static bool is_loss_spent(const struct swarm *swarm) {
    const struct sim_subject_type *subject = swarm->options->subject;
    if (subject->may_lose_disk != NULL && !subject->may_lose_disk(swarm->subject))
        return true;
    return swarm->is_loss_spent ||
           !raft_id_equal(swarm->world->machines[swarm->lossy_machine].node_id, swarm->lossy_node);
}

/* The process is down until the fault ends. */
static void keep_down(struct swarm *swarm, uint32_t machine, const struct sim_fault *fault) {
    swarm->start_us[machine] = swarm->world->now_us + fault->for_us;
}

static void crash(struct swarm *swarm, uint32_t machine, const struct sim_fault *fault) {
    note_fault(swarm, fault->kind, machine);
    machine_crash(&swarm->world->machines[machine]);
    keep_down(swarm, machine, fault);
}

static void lose_power(struct swarm *swarm, uint32_t machine, const struct sim_fault *fault) {
    note_fault(swarm, fault->kind, machine);
    machine_lose_power(&swarm->world->machines[machine]);
    keep_down(swarm, machine, fault);
}

static void cut_between(struct swarm *swarm, uint32_t a, uint32_t b, bool is_cut) {
    struct sim_network *network = &swarm->world->network;
    if (is_cut)
        network_cut(network, a, b);
    else
        network_heal(network, a, b);
}

/* The coordinator together with somebody else who matters. */
static void crash_pair(struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t first = swarm->options->subject->find_leader(swarm->subject);
    uint32_t second = important_of(swarm, fault);
    if (first == UINT32_MAX)
        first = target_of(swarm, fault);
    if (second == first)
        second = other_of(swarm, fault);
    crash(swarm, first, fault);
    crash(swarm, second, fault);
}

/* The process is back before its silence is noticed, without anything it knew. */
static void restart_empty(struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t target = swarm->lossy_machine;
    if ((fault->draw >> 20 & 1) != 0 && swarm->world->machines[target_of(swarm, fault)].is_diskless)
        target = target_of(swarm, fault);
    struct sim_machine *machine = &swarm->world->machines[target];
    if (!machine_is_running(machine) || (!machine->is_diskless && is_loss_spent(swarm)))
        return;
    crash(swarm, target, fault);
    swarm->start_us[target] = swarm->world->now_us + (int64_t)(fault->draw >> 24 & 0x3ffff);
    if (machine->is_diskless)
        return;
    swarm->is_loss_spent = true;
    machine_replace(machine);
}

/* A line about what a fault does to a machine. */
static void tell(const struct swarm *swarm, uint32_t machine, const char *what) {
    trace_print(&swarm->world->trace, swarm->world->now_us, "* %" PRIu32 ": %s", machine, what);
}

/* Which links are cut, as a line: pairs in both directions once. */
static void tell_cuts(const struct swarm *swarm) {
    const struct sim_network *network = &swarm->world->network;
    uint32_t machines = swarm->world->options.machine_count;
    char line[400];
    struct sim_text text = text_of(line, sizeof(line));
    for (uint32_t a = 0; a < machines; a++)
        for (uint32_t b = 0; b < machines; b++) {
            bool there = network_link(network, a, b)->is_cut;
            bool back = network_link(network, b, a)->is_cut;
            if (there && (!back || a < b))
                text_add(&text, " %" PRIu32 "%s%" PRIu32, a, back ? "|" : ">", b);
        }
    trace_print(&swarm->world->trace, swarm->world->now_us, "* cut between machines:%s",
                line[0] == '\0' ? " none" : line);
}

/* Links from machines of one side to those of the other; clients belong to a side too. */
static void cut_sides(struct swarm *swarm, uint64_t sides, bool is_one_way, bool is_cut) {
    uint32_t count = swarm->world->network.endpoint_count;
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++) {
            bool first = (sides >> a % 32 & 1) != 0, second = (sides >> b % 32 & 1) != 0;
            if (first != second && (first || !is_one_way))
                cut_between(swarm, a, b, is_cut);
        }
}

/* Two halves that only one machine can reach. */
static void cut_but_bridge(struct swarm *swarm, const struct sim_fault *fault, bool is_cut) {
    uint32_t count = swarm->world->options.machine_count;
    uint32_t bridge = target_of(swarm, fault);
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++) {
            uint32_t side_a = (a + count - bridge) % count, side_b = (b + count - bridge) % count;
            bool is_across = a != bridge && b != bridge &&
                             (side_a <= (count - 1) / 2) != (side_b <= (count - 1) / 2);
            if (is_across)
                cut_between(swarm, a, b, is_cut);
        }
}

/* Only what is between two machines, one way or both. */
static void cut_link(struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t a = important_of(swarm, fault), b = other_of(swarm, fault);
    if (a == b)
        b = (a + 1) % swarm->world->options.machine_count;
    if ((fault->draw >> 21 & 3) != 1)
        cut_between(swarm, a, b, true);
    if ((fault->draw >> 21 & 3) != 2)
        cut_between(swarm, b, a, true);
}

/* The leader may be another one by now: every link. */
static void heal_links(struct swarm *swarm) {
    struct sim_network *network = &swarm->world->network;
    for (uint32_t a = 0; a < network->endpoint_count; a++)
        for (uint32_t b = 0; b < network->endpoint_count; b++)
            network_heal(network, a, b);
}

static void isolate(struct swarm *swarm, uint32_t machine, uint64_t draw) {
    bool takes_clients = (draw >> 16 & 1) != 0;
    bool is_deaf = (draw >> 17 & 3) != 1, is_mute = (draw >> 17 & 3) != 2;
    uint32_t count =
        takes_clients ? swarm->world->options.machine_count : swarm->world->network.endpoint_count;
    for (uint32_t peer = 0; peer < count; peer++) {
        if (peer != machine && is_deaf)
            cut_between(swarm, peer, machine, true);
        if (peer != machine && is_mute)
            cut_between(swarm, machine, peer, true);
    }
}

static void clog_links(struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t a = target_of(swarm, fault), b = other_of(swarm, fault);
    int64_t until_us = swarm->world->now_us + fault->for_us;
    network_clog(&swarm->world->network, a, b, until_us);
    if ((fault->draw >> 20 & 1) != 0)
        network_clog(&swarm->world->network, b, a, until_us);
}

static void set_link_delay(struct swarm *swarm, const struct sim_fault *fault, bool is_on) {
    network_link(&swarm->world->network, target_of(swarm, fault), other_of(swarm, fault))
        ->delay_us = is_on ? (int64_t)(fault->draw >> 24 & 0x3ffff) : 0;
}

/* A disk whose content is gone, or that lies: only one machine in a round. */
static void make_lossy(struct swarm *swarm, const struct sim_fault *fault, bool is_on) {
    struct sim_machine *machine = &swarm->world->machines[swarm->lossy_machine];
    if (fault->kind == FAULT_DISK_LIES) {
        if (!is_on)
            disk_stop_lying(&machine->disk);
        else if (!is_loss_spent(swarm))
            machine->disk.is_lying = true;
        tell(swarm, swarm->lossy_machine, is_on ? "its disk may lie" : "its disk tells the truth");
        return;
    }
    if (!is_on || is_loss_spent(swarm))
        return;
    swarm->is_loss_spent = true;
    note_fault(swarm, fault->kind, swarm->lossy_machine);
    if (!machine_is_running(machine) && !machine->has_power)
        return;
    machine_lose_power(machine);
    machine_replace(machine);
    keep_down(swarm, swarm->lossy_machine, fault);
}

static void set_disk(struct swarm *swarm, const struct sim_fault *fault, bool is_on) {
    uint32_t target =
        (fault->draw >> 28 & 1) != 0 ? important_of(swarm, fault) : target_of(swarm, fault);
    struct sim_disk *disk = &swarm->world->machines[target].disk;
    if (!is_on) {
        for (uint32_t i = 0; i < swarm->world->options.machine_count; i++) {
            disk = &swarm->world->machines[i].disk;
            if (fault->kind == FAULT_DISK_FULL)
                disk->is_full = false;
            else if (fault->kind == FAULT_DISK_ERRORS)
                disk->error_rate = disk->sync_error_rate = 0;
            else
                disk->slow_rate = 0;
        }
        return;
    }
    tell(swarm, target, "its disk is at fault");
    if (fault->kind == FAULT_DISK_FULL) {
        disk->is_full = true;
    } else if (fault->kind == FAULT_DISK_ERRORS) {
        uint32_t *rate = (fault->draw >> 46 & 1) != 0 ? &disk->sync_error_rate : &disk->error_rate;
        *rate = 1 + (uint32_t)(fault->draw >> 32 & 0x3fff) * ((fault->draw >> 47 & 1) != 0 ? 4 : 1);
    } else {
        disk->slow_rate = 1 + (uint32_t)(fault->draw >> 32 & 0x1ff);
        disk->slow_sync_us = 20000 + (int64_t)(fault->draw >> 42 & 0x1fffff);
    }
}

static void set_clock(struct swarm *swarm, const struct sim_fault *fault) {
    uint32_t target = target_of(swarm, fault);
    struct sim_machine *machine = &swarm->world->machines[target];
    int64_t amount = (int64_t)(fault->draw >> 16 & 0xffffff);
    bool is_back = (fault->draw >> 40 & 1) != 0;
    note_fault(swarm, fault->kind, target);
    bool is_edge = (fault->draw >> 41 & 1) != 0;
    if (fault->kind == FAULT_DRIFT)
        machine_set_drift(machine, (is_back ? -1 : 1) *
                                       (is_edge ? SIM_DRIFT_MAX_PPM : amount % SIM_DRIFT_MAX_PPM));
    else
        machine_jump_wall(machine,
                          (is_back ? -1 : 1) * amount * ((fault->draw & 1) != 0 ? 1000 : 1));
}

/* Look at who matters every few milliseconds while the fault is on; it may not live long. */
static void watch_reign(void *context, uint64_t round_number) {
    struct swarm *swarm = context;
    struct sim_world *world = swarm->world;
    if (swarm->is_calm || swarm->reign_rate == 0 || round_number != swarm->round_number)
        return;
    uint32_t target = find_important(swarm, random_next(&world->random));
    if (target != UINT32_MAX && random_below(&world->random, 1000) < swarm->reign_rate) {
        note_fault(swarm, FAULT_CRASH, target);
        machine_crash(&world->machines[target]);
        swarm->start_us[target] = world->now_us + (int64_t)random_below(&world->random, 300000);
    }
    world_call_at(world, world->now_us + 1000 + (int64_t)random_below(&world->random, 6000),
                  watch_reign, swarm, round_number);
}

static void set_short_reigns(struct swarm *swarm, const struct sim_fault *fault, bool is_on) {
    bool was_on = swarm->reign_rate > 0;
    swarm->reign_rate = is_on ? 1 + (uint32_t)(fault->draw >> 24 & 127) : 0;
    if (is_on && !was_on)
        watch_reign(swarm, swarm->round_number);
}

static void act(struct swarm *swarm, const struct sim_fault *fault, bool is_on) {
    struct sim_world *world = swarm->world;
    uint32_t target = target_of(swarm, fault);
    switch (fault->kind) {
    case FAULT_CRASH:
        if (is_on)
            crash(swarm, target, fault);
        break;
    case FAULT_CRASH_LEADER:
        if (is_on)
            crash(swarm, important_of(swarm, fault), fault);
        break;
    case FAULT_SHORT_REIGNS: set_short_reigns(swarm, fault, is_on); break;
    case FAULT_OPERATOR:
        if (is_on)
            swarm->options->subject->operate(swarm->subject, fault->draw);
        break;
    case FAULT_POWER:
        if (is_on)
            lose_power(swarm, target, fault);
        break;
    case FAULT_POWER_EVERYWHERE:
        for (uint32_t i = 0; i < world->options.machine_count && is_on; i++)
            lose_power(swarm, i, fault);
        break;
    case FAULT_CRASH_EVERYWHERE:
        for (uint32_t i = 0; i < world->options.machine_count && is_on; i++)
            crash(swarm, i, fault);
        break;
    case FAULT_CRASH_PAIR:
        if (is_on)
            crash_pair(swarm, fault);
        break;
    case FAULT_EMPTY_RESTART:
        if (is_on)
            restart_empty(swarm, fault);
        break;
    case FAULT_PAUSE:
        if (is_on)
            machine_pause(&world->machines[(fault->draw >> 28 & 1) != 0 ? important_of(swarm, fault)
                                                                        : target],
                          fault->for_us);
        break;
    case FAULT_CUT:
    case FAULT_CUT_ONE_WAY:
        cut_sides(swarm, fault->draw >> 8, fault->kind == FAULT_CUT_ONE_WAY, is_on);
        break;
    case FAULT_BRIDGE: cut_but_bridge(swarm, fault, is_on); break;
    case FAULT_ISOLATE_LEADER:
        if (is_on)
            isolate(swarm, important_of(swarm, fault), fault->draw);
        else
            heal_links(swarm);
        break;
    case FAULT_CUT_LINK:
        if (is_on)
            cut_link(swarm, fault);
        else
            heal_links(swarm);
        break;
    case FAULT_CLOG:
        if (is_on)
            clog_links(swarm, fault);
        break;
    case FAULT_SLOW_READER:
        tell(swarm, target, is_on ? "reads slowly" : "reads as fast as it can");
        network_set_reading(&world->network, target,
                            is_on ? (int64_t)(fault->draw >> 24 & 0x7fff) : 0);
        break;
    case FAULT_SLOW_LINK: set_link_delay(swarm, fault, is_on); break;
    case FAULT_DISK_FULL:
    case FAULT_DISK_ERRORS:
    case FAULT_DISK_SLOW: set_disk(swarm, fault, is_on); break;
    case FAULT_DISK_LIES:
    case FAULT_DISK_LOST: make_lossy(swarm, fault, is_on); break;
    case FAULT_MEMORY_SHORT:
        tell(swarm, target, is_on ? "has little memory" : "has enough memory");
        world->machines[target].memory.failure_rate =
            is_on ? 1 + (uint32_t)(fault->draw >> 24 & 0x7fff) : 0;
        break;
    case FAULT_DRIFT:
    case FAULT_WALL_JUMP:
        if (is_on)
            set_clock(swarm, fault);
        break;
    case FAULT_KIND_COUNT: break;
    }
}

static bool is_cut(enum sim_fault_kind kind) {
    return kind == FAULT_CUT || kind == FAULT_CUT_ONE_WAY || kind == FAULT_BRIDGE ||
           kind == FAULT_ISOLATE_LEADER || kind == FAULT_CUT_LINK;
}

void fault_begin(void *context, uint64_t index) {
    struct swarm *swarm = context;
    const struct sim_fault *fault = &swarm->round.faults[index];
    if (swarm->is_calm)
        return;
    world_note_quietly(swarm->world, fault_kind_name(fault->kind), index, (uint64_t)fault->for_us);
    trace_print(&swarm->world->trace, swarm->world->now_us, "* fault %" PRIu64 ": %s for %.3f s",
                index, fault_kind_name(fault->kind), (double)fault->for_us / 1e6);
    swarm->world->fault_count++;
    act(swarm, fault, true);
    if (is_cut(fault->kind) && trace_is_printing(&swarm->world->trace, swarm->world->now_us))
        tell_cuts(swarm);
    world_call_at(swarm->world, swarm->world->now_us + fault->for_us, fault_end, swarm,
                  stamp_of(swarm, index));
}

void fault_end(void *context, uint64_t stamp) {
    struct swarm *swarm = context;
    uint64_t index = stamp & UINT32_MAX;
    if (swarm->is_calm || stamp != stamp_of(swarm, index))
        return;
    const struct sim_fault *fault = &swarm->round.faults[index];
    world_note_quietly(swarm->world, "end of fault", index, 0);
    trace_print(&swarm->world->trace, swarm->world->now_us, "* end of fault %" PRIu64 ": %s", index,
                fault_kind_name(fault->kind));
    act(swarm, fault, false);
    if (is_cut(fault->kind) && trace_is_printing(&swarm->world->trace, swarm->world->now_us))
        tell_cuts(swarm);
}

void fault_heal_disk(struct sim_disk *disk) {
    disk_stop_lying(disk);
    disk->is_full = disk->is_broken = false;
    disk->error_rate = disk->sync_error_rate = disk->slow_rate = 0;
    disk->sync_us = 1000;
}
