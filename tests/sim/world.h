/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated world: true time, machines with their processes, clients, and the network between
 * them. One heap of events by (time, order of scheduling) drives everything, so a run follows from
 * its seed and from the calls made on the world. The outside (swarm.h, scenario.h) makes faults
 * happen through the functions below and lets time pass with world_run_until. One thread. */
#ifndef LARDER_TESTS_SIM_WORLD_H
#define LARDER_TESTS_SIM_WORLD_H

#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/network.h"
#include "sim/rare_events.h"
#include "sim/trace.h"

enum sim_event_type {
    SIM_EVENT_WAKE = 1,
    SIM_EVENT_FRAME,
    SIM_EVENT_SYNCED,
    SIM_EVENT_LINK,
    SIM_EVENT_CALL,
    /* only in the trace */
    SIM_EVENT_START,
    SIM_EVENT_CRASH,
    SIM_EVENT_NOTE,
};

struct sim_event {
    int64_t time_us;
    uint64_t order;
    uint64_t stamp; /* WAKE, SYNCED: incarnation; FRAME, LINK: connection number; CALL */
    union {
        uint8_t *bytes;                              /* FRAME; owned */
        uint64_t ticket;                             /* SYNCED */
        void (*call)(void *context, uint64_t stamp); /* CALL */
        enum sim_link_event link;                    /* LINK */
    };
    union {
        void *context;       /* CALL */
        uint64_t disk_epoch; /* SYNCED */
        uint64_t size;       /* FRAME */
    };
    uint16_t target; /* endpoint */
    uint16_t source; /* endpoint */
    uint8_t type;
};

/* Memory of one machine's process: counted, and short when a fault wants it. */
struct sim_memory {
    struct allocator base;
    struct sim_machine *machine;
    size_t held_bytes, held_blocks;
    uint32_t failure_rate; /* per 100,000 allocations */
    uint64_t failure_count;
};

struct sim_machine {
    struct sim_world *world;
    uint32_t address;
    struct raft_id node_id;
    uint64_t incarnation;
    bool has_power;
    bool is_diskless; /* set by the subject: every end of its process leaves a new node */
    void *process;    /* NULL while down */
    struct sim_clock clock;
    struct sim_disk disk;
    struct sim_memory memory;
    struct random random;
    int64_t paused_until_us; /* true time */
    int64_t wake_boot_us;    /* of the boot clock; INT64_MAX: none */
    uint64_t wake_order;     /* the event that will do it; others are stale */
    const char *exit_reason; /* it ends itself after this step */
    int64_t ended_us;        /* true time of the last end of a process; 0: none yet */
    struct raft_id ended_as; /* its node */
};

/* A client: an endpoint of the network outside the machines. Its clock is true time. */
struct sim_client {
    void (*deliver)(void *context, uint32_t from, struct slice frame);
    void (*link)(void *context, uint32_t peer, enum sim_link_event event);
    void *context;
};

struct sim_world_options {
    uint64_t seed;
    uint32_t machine_count;
    uint32_t client_count;
    const struct sim_process_type *type;
    const void *settings; /* of the process type; borrowed */
    void *oracle;         /* shared by the processes' oracles; borrowed */
    struct trace_options trace;
};

struct sim_world {
    struct sim_world_options options;
    int64_t now_us;
    uint64_t order;
    size_t event_count, event_capacity;
    struct sim_event *events;
    /* Called before each event is taken, if set. It may change which one is the first, and returns
     * whether it wants to see the one that is it then. */
    bool (*before_event)(void *context);
    void *before_event_context;
    struct sim_machine *machines;
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_network network;
    struct random random;
    struct sim_trace trace;
    uint64_t fault_count; /* made through the functions below; see world_fault_count */
    uint64_t next_node;
    uint64_t rare_events[RARE_EVENT_COUNT]; /* how often each happened */
    const char *violation;                  /* NULL while all is well; static text */
    int64_t violation_us;
    int32_t violation_machine; /* -1: none in particular */
};

/* Memory of the simulator itself, which never runs out: it ends the program if it does. */
void *sim_resize(void *pointer, size_t size);

/* Machines have power and no process yet. Returns owned. */
struct sim_world *world_create(const struct sim_world_options *options);
/* NULL is allowed. */
void world_destroy(struct sim_world *world);

/* Handle all events up to that time, or until something is violated. */
void world_run_until(struct sim_world *world, int64_t time_us);
static inline void world_run_for(struct sim_world *world, int64_t us) {
    world_run_until(world, world->now_us + us);
}

/* Call later; calls are not delayed by anything. `stamp` is handed on. */
void world_call_at(struct sim_world *world, int64_t time_us,
                   void (*call)(void *context, uint64_t stamp), void *context, uint64_t stamp);

void world_violate(struct sim_world *world, int32_t machine, const char *text);
/* Add to the trace. */
void world_note(struct sim_world *world, const char *what, uint64_t a, uint64_t b);
/* The same without a line for people. */
void world_note_quietly(struct sim_world *world, const char *what, uint64_t a, uint64_t b);
/* One of the events that a run should meet happened. */
static inline void world_count(struct sim_world *world, enum rare_event event) {
    world->rare_events[event]++;
}
/* Faults of all kinds so far: made by calls and drawn by network, disks and memory. */
uint64_t world_fault_count(const struct sim_world *world);

/* For before_event: times in the heap were changed; the first event never happens. */
void world_order_events(struct sim_world *world);
void world_drop_first(struct sim_world *world);

/* ---- machines ---- */

struct sim_machine *world_machine(struct sim_world *world, uint32_t address);
static inline bool machine_is_running(const struct sim_machine *machine) {
    return machine->process != NULL;
}
/* Start the process if the machine has none; gives it power. False if it could not start. */
bool machine_start(struct sim_machine *machine);
/* The process ends at once (kill -9); what it wrote stays in the cache, its connections reset. */
void machine_crash(struct sim_machine *machine);
/* The machine goes dark: caches are lost, nobody is told. A disk that lied is found out and
 * replaced. */
void machine_lose_power(struct sim_machine *machine);
/* With an empty disk, as a new node. Only while it is down. */
void machine_replace(struct sim_machine *machine);
/* Nothing in it runs until then (SIGSTOP, a stalled host); its clocks go on. */
void machine_pause(struct sim_machine *machine, int64_t us);
void machine_set_drift(struct sim_machine *machine, int64_t drift_ppm);
void machine_jump_wall(struct sim_machine *machine, int64_t by_us);

/* ---- clients ---- */

void world_set_client(struct sim_world *world, uint32_t index, const struct sim_client *client);
/* Over the client's connection with a machine. */
void world_client_send(struct sim_world *world, uint32_t index, uint32_t to, struct slice frame);

/* ---- between world.c, machine.c, network.c and disk.c ---- */

void world_schedule(struct sim_world *world, const struct sim_event *event);
void world_schedule_sync(struct sim_machine *machine, int64_t time_us, uint64_t ticket);
void machine_init(struct sim_machine *machine, struct sim_world *world, uint32_t address);
void machine_finish(struct sim_machine *machine);
/* Steps of the process; it is running, but for the last, which ends a sync in any case. */
void machine_take_frame(struct sim_machine *machine, uint32_t from, struct slice frame);
void machine_take_link(struct sim_machine *machine, uint32_t peer, enum sim_link_event what);
void machine_take_wake(struct sim_machine *machine, const struct sim_event *event);
void machine_take_synced(struct sim_machine *machine, const struct sim_event *event);

#endif
