/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop: take the first event, let its target take it, look at nothing but the heap. */
#include "sim/world.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdlib.h>

enum { HEAP_CHILDREN = 4 };

static const struct hash_seed TRACE_SEED = {{0x6c61726465722d73, 0x696d2d7472616365}};

void *sim_resize(void *pointer, size_t size) {
    void *moved = realloc(pointer, size);
    if (moved == NULL) {
        fprintf(stderr, "simulator: out of memory\n");
        exit(3);
    }
    return moved;
}

/* ---- heap ---- */

static bool event_is_before(const struct sim_event *a, const struct sim_event *b) {
    return a->time_us < b->time_us || (a->time_us == b->time_us && a->order < b->order);
}

static void push(struct sim_world *world, const struct sim_event *event) {
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity == 0 ? 256 : 2 * world->event_capacity;
        world->events = sim_resize(world->events, world->event_capacity * sizeof(*world->events));
    }
    struct sim_event *events = world->events;
    size_t at = world->event_count++;
    for (; at > 0 && event_is_before(event, &events[(at - 1) / HEAP_CHILDREN]);
         at = (at - 1) / HEAP_CHILDREN)
        events[at] = events[(at - 1) / HEAP_CHILDREN];
    events[at] = *event;
}

static size_t first_child(const struct sim_world *world, size_t at) {
    const struct sim_event *events = world->events;
    size_t first = HEAP_CHILDREN * at + 1, end = first + HEAP_CHILDREN;
    end = end < world->event_count ? end : world->event_count;
    for (size_t i = first + 1; i < end; i++)
        if (event_is_before(&events[i], &events[first]))
            first = i;
    return first;
}

/* Put the event where it belongs at or below `at`. */
static void sink(struct sim_world *world, size_t at, const struct sim_event *event) {
    struct sim_event *events = world->events;
    for (size_t child = first_child(world, at); child < world->event_count;
         child = first_child(world, at)) {
        if (!event_is_before(&events[child], event))
            break;
        events[at] = events[child];
        at = child;
    }
    events[at] = *event;
}

static struct sim_event pop(struct sim_world *world) {
    struct sim_event first = world->events[0];
    const struct sim_event *last = &world->events[--world->event_count];
    sink(world, 0, last);
    return first;
}

void world_order_events(struct sim_world *world) {
    for (size_t i = world->event_count; i > 0; i--) {
        struct sim_event event = world->events[i - 1];
        sink(world, i - 1, &event);
    }
}

void world_drop_first(struct sim_world *world) {
    struct sim_event event = pop(world);
    if (event.type == SIM_EVENT_FRAME)
        free(event.bytes);
}

void world_schedule(struct sim_world *world, const struct sim_event *event) {
    struct sim_event added = *event;
    added.order = ++world->order;
    if (added.time_us < world->now_us)
        added.time_us = world->now_us;
    push(world, &added);
}

void world_schedule_sync(struct sim_machine *machine, int64_t time_us, uint64_t ticket) {
    world_schedule(machine->world, &(struct sim_event){.time_us = time_us,
                                                       .type = SIM_EVENT_SYNCED,
                                                       .stamp = machine->incarnation,
                                                       .ticket = ticket,
                                                       .disk_epoch = machine->disk.epoch,
                                                       .target = (uint16_t)machine->address});
}

void world_call_at(struct sim_world *world, int64_t time_us,
                   void (*call)(void *context, uint64_t stamp), void *context, uint64_t stamp) {
    world_schedule(world, &(struct sim_event){.time_us = time_us,
                                              .type = SIM_EVENT_CALL,
                                              .stamp = stamp,
                                              .call = call,
                                              .context = context});
}

/* ---- life ---- */

struct sim_world *world_create(const struct sim_world_options *options) {
    struct sim_world *world = sim_resize(NULL, sizeof(*world));
    *world = (struct sim_world){.options = *options, .violation_machine = -1};
    world->random = random_seeded(options->seed);
    trace_init(&world->trace, &options->trace);
    network_init(&world->network, world, options->machine_count + options->client_count,
                 random_next(&world->random));
    world->machines = sim_resize(NULL, options->machine_count * sizeof(*world->machines));
    for (uint32_t i = 0; i < options->machine_count; i++)
        machine_init(&world->machines[i], world, i);
    return world;
}

void world_destroy(struct sim_world *world) {
    if (world == NULL)
        return;
    for (uint32_t i = 0; i < world->options.machine_count; i++)
        machine_finish(&world->machines[i]);
    for (size_t i = 0; i < world->event_count; i++)
        if (world->events[i].type == SIM_EVENT_FRAME)
            free(world->events[i].bytes);
    network_finish(&world->network);
    free(world->machines);
    free(world->events);
    free(world);
}

void world_violate(struct sim_world *world, int32_t machine, const char *text) {
    if (world->violation != NULL)
        return;
    world->violation = text;
    world->violation_us = world->now_us;
    world->violation_machine = machine;
    trace_print(&world->trace, world->now_us, "VIOLATION at %" PRId32 ": %s", machine, text);
}

void world_note(struct sim_world *world, const char *what, uint64_t a, uint64_t b) {
    world_note_quietly(world, what, a, b);
    trace_print(&world->trace, world->now_us, "* %s %" PRIu64 " %" PRIu64, what, a, b);
}

void world_note_quietly(struct sim_world *world, const char *what, uint64_t a, uint64_t b) {
    trace_event(&world->trace, world->now_us, SIM_EVENT_NOTE,
                hash_key(&TRACE_SEED, slice_of_string(what), 0), hash_fold(a + 1, b ^ 0x9e3779b9));
}

uint64_t world_fault_count(const struct sim_world *world) {
    uint64_t count = world->fault_count + world->network.fault_count;
    for (uint32_t i = 0; i < world->options.machine_count; i++)
        count += world->machines[i].disk.fault_count + world->machines[i].memory.failure_count;
    return count;
}

struct sim_machine *world_machine(struct sim_world *world, uint32_t address) {
    return &world->machines[address];
}

/* ---- clients ---- */

void world_set_client(struct sim_world *world, uint32_t index, const struct sim_client *client) {
    world->clients[index] = *client;
}

void world_client_send(struct sim_world *world, uint32_t index, uint32_t to, struct slice frame) {
    network_send(&world->network, world->options.machine_count + index, to, frame);
}

/* ---- events ---- */

static uint32_t address_of(const struct sim_world *world, uint32_t endpoint) {
    uint32_t machines = world->options.machine_count;
    return endpoint < machines ? endpoint : SIM_CLIENT_FIRST + endpoint - machines;
}

static void trace_of(struct sim_world *world, const struct sim_event *event, uint64_t detail) {
    trace_event(&world->trace, world->now_us, event->type,
                (uint64_t)event->target << 32 | event->source, detail);
}

/* Machines by their number, clients as c0, c1, ... */
struct name {
    char text[16];
};

static struct name name_of(const struct sim_world *world, uint32_t endpoint) {
    uint32_t machines = world->options.machine_count;
    struct name name;
    if (endpoint < machines)
        snprintf(name.text, sizeof(name.text), "%" PRIu32, endpoint);
    else
        snprintf(name.text, sizeof(name.text), "c%" PRIu32, endpoint - machines);
    return name;
}

static void deliver_link(struct sim_world *world, const struct sim_event *event,
                         enum sim_link_event what) {
    bool is_machine = event->target < world->options.machine_count;
    if (is_machine && !machine_is_running(&world->machines[event->target]))
        return;
    static const char *const NAMES[] = {"opened", "broken", "refused"};
    trace_event(&world->trace, world->now_us, SIM_EVENT_LINK,
                (uint64_t)event->target << 32 | event->source, what);
    uint32_t from = address_of(world, event->source);
    if (trace_is_printing_frames(&world->trace, world->now_us))
        trace_print(&world->trace, world->now_us, "%s: connection with %s %s",
                    name_of(world, event->target).text, name_of(world, event->source).text,
                    NAMES[what]);
    if (is_machine) {
        machine_take_link(&world->machines[event->target], from, what);
        return;
    }
    const struct sim_client *client = &world->clients[event->target - world->options.machine_count];
    if (client->link != NULL)
        client->link(client->context, from, what);
}

static void print_frame(struct sim_world *world, const struct sim_event *event,
                        struct slice frame) {
    char text[500];
    if (!trace_is_printing_frames(&world->trace, world->now_us))
        return;
    if (world->options.type->describe_frame != NULL)
        world->options.type->describe_frame(frame, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%zu bytes", frame.size);
    trace_print(&world->trace, world->now_us, "%s -> %s: %s", name_of(world, event->source).text,
                name_of(world, event->target).text, text);
}

static void handle_frame(struct sim_world *world, const struct sim_event *event) {
    bool is_machine = event->target < world->options.machine_count;
    struct sim_machine *machine = is_machine ? &world->machines[event->target] : NULL;
    if (is_machine && !machine_is_running(machine)) {
        if (machine->has_power)
            network_refuse(&world->network, event);
        return;
    }
    bool is_opened;
    if (!network_accept(&world->network, event, &is_opened))
        return;
    if (is_opened)
        deliver_link(world, event, SIM_LINK_OPENED);
    if (is_machine && !machine_is_running(machine))
        return;
    struct slice frame = slice_of(event->bytes, event->size);
    trace_of(world, event, hash_key(&TRACE_SEED, frame, event->stamp));
    print_frame(world, event, frame);
    uint32_t from = address_of(world, event->source);
    if (is_machine) {
        machine_take_frame(machine, from, frame);
        return;
    }
    const struct sim_client *client = &world->clients[event->target - world->options.machine_count];
    if (client->deliver != NULL)
        client->deliver(client->context, from, frame);
}

/* A paused machine takes its events when it goes on, in the same order. */
static bool is_put_off(struct sim_world *world, const struct sim_event *event) {
    if (event->type == SIM_EVENT_CALL || event->target >= world->options.machine_count)
        return false;
    const struct sim_machine *machine = &world->machines[event->target];
    if (!machine_is_running(machine) || machine->paused_until_us <= world->now_us)
        return false;
    struct sim_event later = *event;
    later.time_us = machine->paused_until_us;
    push(world, &later);
    return true;
}

static void handle(struct sim_world *world, const struct sim_event *event) {
    switch ((enum sim_event_type)event->type) {
    case SIM_EVENT_FRAME: handle_frame(world, event); break;
    case SIM_EVENT_LINK:
        if (network_accept_event(&world->network, event))
            deliver_link(world, event, event->link);
        break;
    case SIM_EVENT_WAKE: machine_take_wake(&world->machines[event->target], event); break;
    case SIM_EVENT_SYNCED: machine_take_synced(&world->machines[event->target], event); break;
    case SIM_EVENT_CALL: event->call(event->context, event->stamp); break;
    case SIM_EVENT_START:
    case SIM_EVENT_CRASH:
    case SIM_EVENT_NOTE: break;
    }
}

void world_run_until(struct sim_world *world, int64_t time_us) {
    while (world->violation == NULL && world->event_count > 0 &&
           world->events[0].time_us <= time_us) {
        if (world->before_event != NULL && world->before_event(world->before_event_context))
            continue;
        struct sim_event event = pop(world);
        world->now_us = event.time_us;
        if (is_put_off(world, &event))
            continue;
        handle(world, &event);
        if (event.type == SIM_EVENT_FRAME)
            free(event.bytes);
    }
    if (world->violation == NULL && world->now_us < time_us)
        world->now_us = time_us;
}
