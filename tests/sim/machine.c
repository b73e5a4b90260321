/* SPDX-License-Identifier: BSD-3-Clause */
/* One machine: the life of its process, its memory and clocks, and what it offers the process. */
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- memory ---- */

static bool memory_is_short(struct sim_memory *memory) {
    if (memory->failure_rate == 0 ||
        random_below(&memory->machine->random, 100000) >= memory->failure_rate)
        return false;
    memory->failure_count++;
    return true;
}

static void *memory_allocate(void *context, size_t size) {
    struct sim_memory *memory = context;
    if (memory_is_short(memory))
        return NULL;
    memory->held_bytes += size;
    memory->held_blocks++;
    return sim_resize(NULL, size);
}

static void *memory_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    struct sim_memory *memory = context;
    if (pointer == NULL)
        return memory_allocate(context, new_size);
    if (new_size > old_size && memory_is_short(memory))
        return NULL;
    memory->held_bytes += new_size - old_size;
    return sim_resize(pointer, new_size);
}

static void memory_release(void *context, void *pointer, size_t size) {
    struct sim_memory *memory = context;
    if (pointer == NULL)
        return;
    memory->held_bytes -= size;
    memory->held_blocks--;
    free(pointer);
}

static void *memory_map(void *context, size_t size) {
    struct sim_memory *memory = context;
    if (memory_is_short(memory))
        return NULL;
    void *mapped = ALLOCATOR_SYSTEM.map(ALLOCATOR_SYSTEM.context, size);
    if (mapped != NULL) {
        /* processes live for seconds and touch a part of it: huge pages would all be cleared */
        (void)madvise(mapped, size, MADV_NOHUGEPAGE);
        memory->held_bytes += size;
        memory->held_blocks++;
    }
    return mapped;
}

static void memory_unmap(void *context, void *pointer, size_t size) {
    struct sim_memory *memory = context;
    memory->held_bytes -= size;
    memory->held_blocks--;
    ALLOCATOR_SYSTEM.unmap(ALLOCATOR_SYSTEM.context, pointer, size);
}

/* ---- life ---- */

static struct raft_id new_node_id(struct sim_world *world) {
    return (struct raft_id){{0x6e6f6465, ++world->next_node}};
}

void machine_init(struct sim_machine *machine, struct sim_world *world, uint32_t address) {
    *machine = (struct sim_machine){.world = world,
                                    .address = address,
                                    .node_id = new_node_id(world),
                                    .has_power = true,
                                    .wake_boot_us = INT64_MAX};
    machine->random = random_seeded(random_next(&world->random));
    machine->clock.boot_us = (int64_t)random_below(&machine->random, 1000000000000);
    machine->clock.wall_us = SIM_WALL_EPOCH_US - machine->clock.boot_us;
    machine->memory = (struct sim_memory){.base = {.allocate = memory_allocate,
                                                   .resize = memory_resize,
                                                   .release = memory_release,
                                                   .map = memory_map,
                                                   .unmap = memory_unmap},
                                          .machine = machine};
    machine->memory.base.context = &machine->memory;
    disk_init(&machine->disk, machine, random_next(&world->random));
}

/* What was put off until the end of a pause comes when the pause now ends, sooner or later. The
 * ends of syncs are among it, which belong to the disk and come in order, whoever began them. */
static void bring_to_end(struct sim_machine *machine, int64_t from_us, int64_t to_us) {
    struct sim_world *world = machine->world;
    for (size_t i = 0; i < world->event_count; i++) {
        struct sim_event *event = &world->events[i];
        if (event->type != SIM_EVENT_CALL && event->target == machine->address &&
            event->time_us == from_us)
            event->time_us = to_us;
    }
    world_order_events(world);
}

/* Free the process and see that it gave all its memory back. */
static void end_process(struct sim_machine *machine) {
    if (machine->paused_until_us > machine->world->now_us)
        bring_to_end(machine, machine->paused_until_us, machine->world->now_us);
    machine->paused_until_us = 0;
    machine->world->options.type->stop(machine->process);
    machine->ended_as = machine->node_id;
    machine->process = NULL;
    machine->wake_boot_us = INT64_MAX;
    machine->exit_reason = NULL;
    machine->ended_us = machine->world->now_us;
    if (machine->memory.held_blocks != 0 || machine->memory.held_bytes != 0)
        world_violate(machine->world, (int32_t)machine->address,
                      "memory: a process ended and did not give back all it took");
}

void machine_finish(struct sim_machine *machine) {
    if (machine_is_running(machine))
        end_process(machine);
    disk_finish(&machine->disk);
}

static uint64_t who(const struct sim_machine *machine) {
    return (uint64_t)machine->address << 32;
}

static void end_step(struct sim_machine *machine) {
    if (machine->exit_reason == NULL)
        return;
    trace_print(&machine->world->trace, machine->world->now_us, "%" PRIu32 ": exits: %s",
                machine->address, machine->exit_reason);
    machine_crash(machine);
}

/* Silence is noticed after about this time, and no lease is longer. */
enum { DETECTION_US = 350000, LEASE_US = 250000 };

static void count_restart(struct sim_machine *machine) {
    if (machine->ended_us == 0 || machine->world->now_us - machine->ended_us >= DETECTION_US)
        return;
    machine_count_event(machine, raft_id_equal(machine->ended_as, machine->node_id)
                                     ? RARE_RESTART_IN_DETECTION
                                     : RARE_EMPTY_RESTART_IN_DETECTION);
}

bool machine_start(struct sim_machine *machine) {
    struct sim_world *world = machine->world;
    if (machine_is_running(machine))
        return true;
    machine->has_power = true;
    machine->incarnation++;
    machine->paused_until_us = 0;
    void *process = NULL;
    enum larder_status status =
        world->options.type->start(machine, world->options.settings, &process);
    trace_event(&world->trace, world->now_us, SIM_EVENT_START, who(machine), (uint64_t)status);
    trace_print(&world->trace, world->now_us, "%" PRIu32 ": starts as n%" PRIu64 ": %s",
                machine->address, machine->node_id.words[1], larder_status_text(status));
    if (status == LARDER_OK) {
        machine->process = process;
        count_restart(machine);
    }
    if (status != LARDER_OK && machine->memory.held_blocks != 0)
        world_violate(world, (int32_t)machine->address,
                      "memory: a failed start did not give back all it took");
    if (status == LARDER_OK)
        end_step(machine);
    return machine_is_running(machine);
}

static void trace_end(struct sim_machine *machine, const char *what, uint64_t detail) {
    struct sim_world *world = machine->world;
    trace_event(&world->trace, world->now_us, SIM_EVENT_CRASH, who(machine), detail);
    trace_print(&world->trace, world->now_us, "%" PRIu32 ": %s", machine->address, what);
}

void machine_crash(struct sim_machine *machine) {
    if (!machine_is_running(machine))
        return;
    machine->world->fault_count++;
    trace_end(machine, "crashes", 0);
    end_process(machine);
    network_forget(&machine->world->network, machine->address, true);
    if (machine->is_diskless)
        machine_replace(machine);
}

void machine_lose_power(struct sim_machine *machine) {
    machine->world->fault_count++;
    trace_end(machine, "loses power", 1);
    if (machine_is_running(machine))
        end_process(machine);
    machine->has_power = false;
    network_forget(&machine->world->network, machine->address, false);
    disk_lose_power(&machine->disk);
    if (machine->disk.has_lied)
        machine->disk.is_lying = false;
    if (machine->disk.has_lied || machine->is_diskless)
        machine_replace(machine);
}

void machine_replace(struct sim_machine *machine) {
    disk_wipe(&machine->disk);
    machine->node_id = new_node_id(machine->world);
    trace_end(machine, "gets an empty disk and is a new node", machine->node_id.words[1]);
}

void machine_pause(struct sim_machine *machine, int64_t us) {
    int64_t until_us = machine->world->now_us + us;
    if (machine->paused_until_us > machine->world->now_us && until_us != machine->paused_until_us)
        bring_to_end(machine, machine->paused_until_us, until_us);
    machine->world->fault_count++;
    if (machine_is_running(machine) && us > LEASE_US)
        machine_count_event(machine, RARE_PAUSE_PAST_LEASE);
    machine->paused_until_us = until_us;
    world_note_quietly(machine->world, "pause", machine->address, (uint64_t)us);
    trace_print(&machine->world->trace, machine->world->now_us, "%" PRIu32 ": sleeps for %.3f s",
                machine->address, (double)us / 1e6);
}

/* ---- clocks ---- */

static void schedule_wake(struct sim_machine *machine) {
    int64_t time_us = clock_true_us(&machine->clock, machine->wake_boot_us) + 1;
    int64_t next_us = machine->world->now_us + 1;
    world_schedule(machine->world,
                   &(struct sim_event){.time_us = time_us > next_us ? time_us : next_us,
                                       .type = SIM_EVENT_WAKE,
                                       .stamp = machine->incarnation,
                                       .target = (uint16_t)machine->address});
    machine->wake_order = machine->world->order;
}

void machine_wake_at(struct sim_machine *machine, int64_t time_us) {
    machine->wake_boot_us = time_us;
    schedule_wake(machine);
}

void machine_set_drift(struct sim_machine *machine, int64_t drift_ppm) {
    machine->world->fault_count++;
    world_note_quietly(machine->world, "drift", machine->address, (uint64_t)drift_ppm);
    trace_print(&machine->world->trace, machine->world->now_us,
                "%" PRIu32 ": its clock gains %" PRId64 " us per second", machine->address,
                drift_ppm);
    clock_set_drift(&machine->clock, machine->world->now_us, drift_ppm);
    if (machine->wake_boot_us != INT64_MAX)
        schedule_wake(machine);
}

void machine_jump_wall(struct sim_machine *machine, int64_t by_us) {
    machine->world->fault_count++;
    world_note_quietly(machine->world, "wall clock jumps", machine->address, (uint64_t)by_us);
    trace_print(&machine->world->trace, machine->world->now_us,
                "%" PRIu32 ": its wall clock jumps by %.3f s", machine->address,
                (double)by_us / 1e6);
    clock_jump_wall(&machine->clock, by_us);
}

int64_t machine_now_us(const struct sim_machine *machine) {
    return clock_boot_us(&machine->clock, machine->world->now_us);
}

int64_t machine_wall_us(const struct sim_machine *machine) {
    return clock_wall_us(&machine->clock, machine->world->now_us);
}

/* ---- steps ---- */

void machine_take_frame(struct sim_machine *machine, uint32_t from, struct slice frame) {
    machine->world->options.type->deliver(machine->process, from, frame);
    end_step(machine);
}

void machine_take_link(struct sim_machine *machine, uint32_t peer, enum sim_link_event what) {
    if (machine->world->options.type->link == NULL)
        return;
    machine->world->options.type->link(machine->process, peer, what);
    end_step(machine);
}

void machine_take_wake(struct sim_machine *machine, const struct sim_event *event) {
    if (!machine_is_running(machine) || event->stamp != machine->incarnation ||
        event->order != machine->wake_order)
        return;
    if (machine_now_us(machine) < machine->wake_boot_us) {
        schedule_wake(machine);
        return;
    }
    trace_event(&machine->world->trace, machine->world->now_us, SIM_EVENT_WAKE, who(machine), 0);
    machine->wake_boot_us = INT64_MAX;
    machine->world->options.type->wake(machine->process);
    end_step(machine);
}

void machine_take_synced(struct sim_machine *machine, const struct sim_event *event) {
    if (event->disk_epoch != machine->disk.epoch)
        return;
    enum larder_status status = disk_end_sync(&machine->disk);
    if (!machine_is_running(machine) || event->stamp != machine->incarnation)
        return;
    trace_event(&machine->world->trace, machine->world->now_us, SIM_EVENT_SYNCED, who(machine),
                event->ticket << 8 | (uint64_t)status);
    machine->world->options.type->synced(machine->process, event->ticket, status);
    end_step(machine);
}

/* ---- what a process asks for ---- */

uint32_t machine_address(const struct sim_machine *machine) {
    return machine->address;
}

struct raft_id machine_node_id(const struct sim_machine *machine) {
    return machine->node_id;
}

uint64_t machine_incarnation(const struct sim_machine *machine) {
    return machine->incarnation;
}

uint32_t machine_peer_count(const struct sim_machine *machine) {
    return machine->world->options.machine_count;
}

struct raft_id machine_peer_id(const struct sim_machine *machine, uint32_t address) {
    return machine->world->machines[address].node_id;
}

bool machine_find_peer(const struct sim_machine *machine, struct raft_id id, uint32_t *out) {
    const struct sim_world *world = machine->world;
    for (uint32_t i = 0; i < world->options.machine_count; i++)
        if (raft_id_equal(world->machines[i].node_id, id)) {
            *out = i;
            return true;
        }
    return false;
}

uint64_t machine_random(struct sim_machine *machine) {
    return random_next(&machine->random);
}

const struct allocator *machine_allocator(const struct sim_machine *machine) {
    return &machine->memory.base;
}

static uint32_t endpoint_of(const struct sim_machine *machine, uint32_t address) {
    if (!sim_address_is_client(address))
        return address;
    return machine->world->options.machine_count + address - SIM_CLIENT_FIRST;
}

void machine_send(struct sim_machine *machine, uint32_t to, struct slice frame) {
    network_send(&machine->world->network, machine->address, endpoint_of(machine, to), frame);
}

void machine_send_datagram(struct sim_machine *machine, uint32_t to, struct slice frame) {
    network_send_datagram(&machine->world->network, machine->address, endpoint_of(machine, to),
                          frame);
}

void machine_exit(struct sim_machine *machine, const char *reason) {
    machine->exit_reason = reason;
}

struct sim_disk *machine_disk(struct sim_machine *machine) {
    return &machine->disk;
}

void machine_violate(struct sim_machine *machine, const char *text) {
    world_violate(machine->world, (int32_t)machine->address, text);
}

void machine_trace(struct sim_machine *machine, uint64_t a, uint64_t b, const char *format, ...) {
    const struct sim_world *world = machine->world;
    machine_note(machine, a, b);
    if (!trace_is_printing(&world->trace, world->now_us))
        return;
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    trace_print(&machine->world->trace, world->now_us, "%" PRIu32 ": %s", machine->address, text);
}

void machine_note(struct sim_machine *machine, uint64_t a, uint64_t b) {
    trace_event(&machine->world->trace, machine->world->now_us, SIM_EVENT_NOTE, who(machine),
                a * 0x9e3779b97f4a7c15u ^ b);
}

void machine_count_event(struct sim_machine *machine, enum rare_event event) {
    world_count(machine->world, event);
}

void *machine_oracle(const struct sim_machine *machine) {
    return machine->world->options.oracle;
}
