/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the cluster's oracle share. */
#ifndef LARDER_TESTS_SIM_CLUSTER_ORACLE_CORE_H
#define LARDER_TESTS_SIM_CLUSTER_ORACLE_CORE_H

#include "sim/cluster_oracle.h"

enum {
    ORACLE_INDEXES = 1 << 16,
    ORACLE_TERMS_MAX = 1 << 14,
    ORACLE_RESETS_MAX = 4096,
    ORACLE_RECORDS = 4096,
    ORACLE_WATCHES = 256,
    ORACLE_GENERATIONS = 8, /* that a run may have */
    ORACLE_EARLY = 512,
};

/* Who opened a term. */
struct opened_term {
    uint64_t term;
    uint32_t machine;
    uint64_t incarnation;
};

struct given_up {
    int64_t from_us, until_us; /* lost; the term after RESET opened, INT64_MAX: not yet */
    uint64_t term;             /* of RESET */
};

/* A record that is committed. */
struct committed_record {
    uint64_t sequence, term; /* 0: none */
    uint32_t digest;
    int64_t time_us; /* cluster time; 0: it has none */
};

struct early_record {
    uint64_t sequence; /* 0: none */
    uint32_t digest;
};

/* What a primary had in its log when it last answered, of what was not committed when it first did.
 */
struct early_answers {
    uint64_t term, last;                       /* last 0: nothing since a newer term began */
    struct early_record records[ORACLE_EARLY]; /* by sequence */
};

struct watched_partition {
    struct partition_config config; /* the newest that any member applied */
    struct log_position committed;  /* the furthest that any member knows */
    uint64_t opened_count;
    struct opened_term opened[ORACLE_TERMS_MAX];
    uint64_t newest_open;                 /* term */
    int64_t lost_us;                      /* when it was first seen to be lost */
    int64_t newest_time_us, newest_at_us; /* cluster time that anybody showed; when, true time */
    uint64_t floor;                       /* of fence marks: the highest that anybody had */
    int64_t floor_us; /* when it first rose since it was asked for; INT64_MAX: it did not */
    uint32_t reset_count;
    struct given_up resets[ORACLE_RESETS_MAX];
    struct committed_record records[ORACLE_RECORDS]; /* by sequence, since the last RESET */
    struct early_answers early;
};

/* What was last seen of the time of a partition at a process. */
struct watched_time {
    uint64_t term;    /* that it led; 0: none */
    int64_t time_us;  /* cluster time ... */
    int64_t at_us;    /* ... at this moment of the machine's clock */
    int64_t since_us; /* by that clock it was first seen then */
    int64_t limit_us; /* the median of wall clocks, and what they may be from it */
};

/* What the check of a log looks at: it is not repeated for what is as it was. */
struct watched_log {
    uint64_t commit, base, last, last_term;
    uint64_t reset_term, index; /* of the replica's view; of the newest configuration */
    struct log_position committed;
};

/* What was last seen of a process. */
struct watched_process {
    uint64_t steps, index; /* of its partitions, and of the configuration, when last looked at */
    uint64_t incarnation;
    uint64_t epochs[CLUSTER_SIM_PARTITIONS_MAX], terms[CLUSTER_SIM_PARTITIONS_MAX];
    uint64_t commits[CLUSTER_SIM_PARTITIONS_MAX], reset_terms[CLUSTER_SIM_PARTITIONS_MAX];
    struct watched_log logs[CLUSTER_SIM_PARTITIONS_MAX];
    struct watched_time times[CLUSTER_SIM_PARTITIONS_MAX];
};

/* A request that may be executed in one term only. */
struct watched_request {
    uint64_t client, number, term; /* term 0: none */
};

/* What the log on a machine's disk has to have. */
struct held_log {
    struct raft_id node;
    uint64_t reset_term;
    struct log_position committed; /* sequence 0: nothing */
};

struct cluster_oracle {
    struct sim_world *world;
    uint16_t generation;                           /* the newest that any member showed; 0: none */
    struct raft_oracle *cores[ORACLE_GENERATIONS]; /* by generation; NULL: none yet */
    struct raft_id cluster;                        /* of the first configuration */
    uint32_t partition_count;
    uint64_t index;   /* of the newest configuration */
    uint64_t *hashes; /* of configurations, by index modulo ORACLE_INDEXES */
    uint64_t *hashed; /* their indexes + 1 */
    int64_t *applied; /* true time at which an index was first applied anywhere, likewise */
    uint64_t *applied_index;
    struct cluster_settings settings;
    uint32_t member_count;
    struct member members[CLUSTER_MEMBERS_MAX];
    struct watched_partition partitions[CLUSTER_SIM_PARTITIONS_MAX];
    struct watched_process processes[SIM_MACHINES_MAX];
    struct held_log held[SIM_MACHINES_MAX][CLUSTER_SIM_PARTITIONS_MAX];
    /* every entry one after the other; NULL: no configuration was seen */
    struct configuration *before, *after;
    struct watched_request watches[ORACLE_WATCHES]; /* by number */
    uint64_t asked[ORACLE_WATCHES];                 /* numbers that came to somebody, by number */
    struct cluster_oracle_counters counters;
    void (*lost)(void *context, struct cluster_data *data, uint32_t partition); /* or NULL */
    void *lost_context;
};

static inline void oracle_violate(struct cluster_oracle *o, const struct sim_machine *machine,
                                  const char *text) {
    world_violate(o->world, machine == NULL ? -1 : (int32_t)machine->address, text);
}

static inline const struct member *oracle_find_member(const struct cluster_oracle *o,
                                                      uint32_t number) {
    for (uint32_t i = 0; i < o->member_count; i++)
        if (o->members[i].number == number)
            return &o->members[i];
    return NULL;
}

/* The partition's replica at a machine; NULL: there is none now. */
static inline const struct partition_replica *oracle_replica(const struct cluster_oracle *o,
                                                             uint32_t machine, uint32_t partition) {
    const struct sim_machine *m = &o->world->machines[machine];
    if (!machine_is_running(m) || cluster_process_member(m->process) == NULL)
        return NULL;
    return cluster_data_replica(cluster_process_data(m->process), partition);
}

/* Whether the replica is of a process that the newest configuration has in sync. */
static inline bool oracle_is_in_sync(const struct cluster_oracle *o,
                                     const struct watched_partition *w,
                                     const struct partition_replica *r) {
    const struct member *self = oracle_find_member(o, r->options.self);
    return self != NULL && self->incarnation == r->options.incarnation &&
           member_set_has(&w->config.in_sync, r->options.self);
}

/* cluster_oracle_log.c: I3 and I4, after a step of the replica's machine. */
void oracle_check_log(struct cluster_oracle *oracle, struct sim_machine *machine,
                      uint32_t partition, const struct partition_replica *replica);
/* The machine's replica ends: what its disk has to have when it is found again. */
void oracle_note_held(struct cluster_oracle *oracle, struct sim_machine *machine,
                      uint32_t partition);
void oracle_check_acknowledged(struct cluster_oracle *oracle, const struct sim_machine *machine,
                               uint32_t partition, const struct partition_replica *primary);
/* A RESET: what was committed before does not count. */
void oracle_forget_log(struct watched_partition *partition);

/* cluster_oracle_promises.c: I5. */
/* Whether this process would answer reads for as long as what it was promised holds. */
bool oracle_is_serving(const struct partition_replica *replica);
bool oracle_has_lease(struct cluster_member *member, const struct partition_replica *replica,
                      int64_t now_us);
void oracle_check_promises(struct cluster_oracle *oracle, struct sim_machine *machine,
                           struct cluster_member *member, uint32_t partition,
                           const struct partition_replica *replica);

/* The same at the moment in which a read is answered, whatever the process counts on. */
void oracle_check_answer(struct cluster_oracle *oracle, struct sim_machine *machine,
                         struct cluster_member *member, uint32_t partition,
                         const struct partition_replica *replica);

/* cluster_oracle_generations.c */
/* A member shows the first configuration of a newer generation: nothing is expected of the old one
 * any more, but that what was committed is where the survivor was in sync. */
void oracle_begin_generation(struct cluster_oracle *oracle, struct sim_machine *machine,
                             const struct configuration *first);
/* Whether the machine's process is of a generation that is no more. */
bool oracle_is_old(const struct cluster_oracle *oracle, const struct sim_machine *machine);
/* Such a process may not count on promises. */
void oracle_check_old(struct cluster_oracle *oracle, struct sim_machine *machine,
                      struct cluster_member *member, const struct cluster_data *data);

/* cluster_oracle_answers.c: a record of that term is committed. */
void oracle_check_watch(struct cluster_oracle *oracle, const struct sim_machine *machine,
                        const struct partition_record *record, uint64_t term);

/* cluster_oracle_early.c: a primary answers what may not be committed. */
void oracle_note_early(struct cluster_oracle *oracle, uint32_t partition,
                       const struct partition_replica *replica);

/* cluster_oracle_story.c: lines about what a newer configuration changes. */
void oracle_tell_configuration(const struct cluster_oracle *oracle,
                               const struct configuration *configuration);

/* cluster_oracle_entries.c: the first configuration that anybody shows. */
void oracle_begin_entries(struct cluster_oracle *oracle, const struct configuration *first);

#endif
