/* SPDX-License-Identifier: BSD-3-Clause */
/* What the swarm makes faults for: a kind of process together with the clients that use it and with
 * what is to be true of it. */
#ifndef LARDER_TESTS_SIM_SUBJECT_H
#define LARDER_TESTS_SIM_SUBJECT_H

#include "sim/faults.h"
#include "sim/world.h"

struct sim_subject_counters {
    uint64_t operations; /* that came back */
    uint64_t unknown;    /* whose outcome no client knows */
    uint64_t histories;  /* checked */
    uint64_t undecided;  /* given up */
};

/* What a machine may be to the subject, for faults that aim at it. */
enum sim_role {
    SIM_ROLE_COORDINATOR,
    SIM_ROLE_PRIMARY, /* of something, rather of something that changed or was used just now */
    SIM_ROLE_BACKUP,
    SIM_ROLE_RECEIVER, /* of a copy that is under way */
    SIM_ROLE_COUNT,
};

struct sim_subject_type {
    const char *name;
    uint32_t machine_count, client_count;
    uint64_t refused_faults; /* a bit for each kind of fault that makes no sense for it */
    /* What the world is to be made with: fills type, settings, oracle; the numbers of machines and
     * clients are set, and may be smaller than the above. Returns the subject, owned. */
    void *(*create)(uint64_t seed, struct sim_world_options *options);
    void (*destroy)(void *subject);
    /* The world exists; machines have no processes yet. */
    void (*attach)(void *subject, struct sim_world *world);
    /* Clients begin to work, on fresh objects, as this seed says. */
    void (*begin_round)(void *subject, uint64_t seed, bool is_frantic);
    /* What an operator may do at any time: hand over, add, remove. */
    void (*operate)(void *subject, uint64_t draw);
    /* Faults have stopped: clients work on, and only what they do from now on shows that everything
     * is available. */
    void (*begin_calm)(void *subject);
    /* No new requests from now on. */
    void (*stop_clients)(void *subject);
    /* The machine whose loss matters most; UINT32_MAX if there is none now. */
    uint32_t (*find_leader)(void *subject);
    /* A machine that has the role now, chosen by `draw`; UINT32_MAX if there is none. NULL: every
     * role is the leader's. */
    uint32_t (*find_target)(void *subject, enum sim_role role, uint64_t draw);
    /* Whether a machine may lose what it had synced. NULL: always. */
    bool (*may_lose_disk)(void *subject);
    /* A fault, named as in faults.h, is about to act on the machine: for counting rare events. May
     * be NULL. */
    void (*note_fault)(void *subject, enum sim_fault_kind kind, uint32_t machine);
    /* Faults have stopped: whether everything is available and every copy complete. */
    bool (*is_settled)(void *subject);
    /* Clients have stopped and everything is settled: whether what they saw is right. Violations
     * go to the world. */
    void (*end_round)(void *subject);
    void (*get_counters)(void *subject, struct sim_subject_counters *out);
    /* Counters of rare events, one line for people. */
    void (*describe)(void *subject, char *out, size_t size);
};

extern const struct sim_subject_type CONFIG_GROUP_SUBJECT;
extern const struct sim_subject_type CLUSTER_SUBJECT;

/* All there are; the first is what a swarm tests unless told otherwise. Ends with NULL. */
extern const struct sim_subject_type *const SIM_SUBJECTS[];
/* NULL if there is none of that name. */
const struct sim_subject_type *sim_subject_find(const char *name);

#endif
