/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_oracle.h"

#include "sim/text.h"

#include <inttypes.h>
#include <stdlib.h>

enum { INDEXES = 1 << 16, TERMS_MAX = 1 << 14, RESETS_MAX = 4096 };

/* Who opened a term. */
struct opened_term {
    uint64_t term;
    uint32_t machine;
    uint64_t incarnation;
};

struct given_up {
    int64_t from_us, until_us; /* lost; the term after RESET opened, INT64_MAX: not yet */
    uint64_t term;
};

struct watched_partition {
    struct partition_config config; /* the newest that any member applied */
    struct log_position committed;  /* the furthest that any member knows */
    uint64_t opened_count;
    struct opened_term opened[TERMS_MAX];
    uint64_t newest_open; /* term */
    int64_t lost_us;      /* when it was first seen to be lost */
    uint32_t reset_count;
    struct given_up resets[RESETS_MAX];
};

/* What the check of a log looks at: it is not repeated for what is as it was. */
struct watched_log {
    uint64_t commit, base, last, last_term;
    uint64_t reset_term, index; /* of the replica's view; of the newest configuration */
    struct log_position committed;
};

/* What was last seen of a process. */
struct watched_process {
    uint64_t incarnation;
    uint64_t epochs[CLUSTER_SIM_PARTITIONS_MAX], terms[CLUSTER_SIM_PARTITIONS_MAX];
    uint64_t commits[CLUSTER_SIM_PARTITIONS_MAX], reset_terms[CLUSTER_SIM_PARTITIONS_MAX];
    struct watched_log logs[CLUSTER_SIM_PARTITIONS_MAX];
};

struct cluster_oracle {
    struct sim_world *world;
    struct raft_oracle *core;
    uint32_t partition_count;
    uint64_t index;   /* of the newest configuration */
    uint64_t *hashes; /* of configurations, by index modulo INDEXES */
    uint64_t *hashed; /* their indexes + 1 */
    uint32_t member_count;
    struct member members[CLUSTER_MEMBERS_MAX];
    struct watched_partition partitions[CLUSTER_SIM_PARTITIONS_MAX];
    struct watched_process processes[SIM_MACHINES_MAX];
    struct cluster_oracle_counters counters;
};

static void violate_core(void *context, uint64_t node, const char *text) {
    struct cluster_oracle *o = context;
    int32_t found = -1;
    for (uint32_t i = 0; i < o->world->options.machine_count; i++)
        if (o->world->machines[i].node_id.words[1] == node)
            found = (int32_t)i;
    world_violate(o->world, found, text);
}

struct cluster_oracle *cluster_oracle_create(void) {
    struct cluster_oracle *o = sim_resize(NULL, sizeof(*o));
    memset(o, 0, sizeof(*o));
    o->hashes = sim_resize(NULL, INDEXES * sizeof(*o->hashes));
    o->hashed = sim_resize(NULL, INDEXES * sizeof(*o->hashed));
    memset(o->hashed, 0, INDEXES * sizeof(*o->hashed));
    o->core = raft_oracle_create(violate_core, o);
    return o;
}

void cluster_oracle_destroy(struct cluster_oracle *o) {
    if (o == NULL)
        return;
    raft_oracle_destroy(o->core);
    free(o->hashes);
    free(o->hashed);
    free(o);
}

void cluster_oracle_attach(struct cluster_oracle *o, struct sim_world *world) {
    o->world = world;
}

struct raft_oracle *cluster_oracle_core(const struct cluster_oracle *o) {
    return o->core;
}

static void violate(struct cluster_oracle *o, const struct sim_machine *machine, const char *text) {
    world_violate(o->world, machine == NULL ? -1 : (int32_t)machine->address, text);
}

/* ---- configurations ---- */

static const struct member *find_member(const struct cluster_oracle *o, uint32_t number) {
    for (uint32_t i = 0; i < o->member_count; i++)
        if (o->members[i].number == number)
            return &o->members[i];
    return NULL;
}

/* I7 for the config group's state. */
static void check_hash(struct cluster_oracle *o, const struct sim_machine *machine,
                       const struct configuration *c) {
    uint64_t hash = configuration_hash(c);
    size_t at = c->index % INDEXES;
    if (o->hashed[at] == c->index + 1 && o->hashes[at] != hash)
        violate(o, machine, "I7: two members have different configurations of one index");
    o->hashed[at] = c->index + 1;
    o->hashes[at] = hash;
}

static void note_lost(struct cluster_oracle *o, struct watched_partition *w,
                      const struct partition_config *next) {
    if (next->state == PARTITION_LOST && w->config.state != PARTITION_LOST)
        w->lost_us = o->world->now_us;
    if (next->reset_term <= w->config.reset_term)
        return;
    o->counters.resets++;
    w->committed = (struct log_position){0, 0};
    if (w->reset_count == RESETS_MAX) {
        violate(o, NULL, "the oracle has no room for another RESET");
        return;
    }
    w->resets[w->reset_count++] =
        (struct given_up){.from_us = w->lost_us, .until_us = INT64_MAX, .term = next->reset_term};
}

/* Whether a process that was in the last in-sync set lives on. */
static bool is_any_alive(const struct cluster_oracle *o, const struct member_set *set) {
    for (uint32_t i = 0; i < o->world->options.machine_count; i++) {
        const struct sim_machine *machine = &o->world->machines[i];
        const struct cluster_member *member =
            machine_is_running(machine) ? cluster_process_member(machine->process) : NULL;
        if (member != NULL && member_set_has(set, member_number(member)))
            return true;
    }
    return false;
}

static void count_change(struct cluster_oracle *o, const struct watched_partition *w,
                         const struct partition_config *next) {
    const struct partition_config *was = &w->config;
    if (next->reset_term > was->reset_term && is_any_alive(o, &was->last))
        world_count(o->world, RARE_RESET_WITH_OLD_SET_ALIVE);
    if (next->term <= was->term)
        return;
    if (was->learners.count > 0)
        world_count(o->world, RARE_TERM_CHANGE_IN_MIGRATION);
    if (next->term >= w->newest_open + 2)
        world_count(o->world, RARE_FAILOVERS_WITHOUT_ACTIVATION);
}

/* I2: between two configurations that follow each other. */
static void check_change(struct cluster_oracle *o, const struct sim_machine *machine,
                         struct watched_partition *w, const struct partition_config *next) {
    const struct partition_config *was = &w->config;
    bool is_given_up = next->reset_term > was->reset_term;
    if (next->primary != CLUSTER_NOBODY && next->primary != was->primary && !is_given_up &&
        !member_set_has(&was->in_sync, next->primary) && !member_set_has(&was->last, next->primary))
        violate(o, machine, "I2: a primary was elected that was not in sync");
    if (next->primary != was->primary && next->primary != CLUSTER_NOBODY && next->term <= was->term)
        violate(o, machine, "I2: a new primary in an old term");
    for (uint8_t i = 0; i < next->in_sync.count; i++) {
        uint32_t number = next->in_sync.members[i];
        bool is_new = !member_set_has(&was->in_sync, number);
        bool is_back = was->in_sync.count == 0;
        if (is_new && !is_back && !member_set_has(&was->learners, number))
            violate(o, machine, "I2: the in-sync set grew by a member that was no learner");
        o->counters.expansions += is_new && !is_back;
    }
    o->counters.failovers += next->term > was->term && !next->is_released;
    o->counters.hand_offs += next->term > was->term && next->is_released;
    o->counters.restores += was->state == PARTITION_LOST && next->state != PARTITION_LOST &&
                            !is_given_up && was->epoch > 0;
}

/* ---- the story of a run, for people ---- */

/* Members as number@machine. */
static void tell_set(struct sim_text *text, const struct configuration *c, const char *what,
                     const struct member_set *set) {
    if (set->count > 0)
        text_add(text, ", %s", what);
    for (uint8_t i = 0; i < set->count; i++) {
        const struct member *m = configuration_find_member(c, set->members[i]);
        text_add(text, " #%" PRIu32, set->members[i]);
        if (m != NULL)
            text_add(text, "@%" PRIu32, cluster_sim_machine(&m->address));
    }
}

static void tell_partition(const struct cluster_oracle *o, const struct configuration *c,
                           uint32_t p) {
    const struct partition_config *next = &c->partitions[p];
    char line[300];
    struct sim_text text = text_of(line, sizeof(line));
    const struct member_set primary = {.count = 1, .members = {next->primary}};
    if (next->primary != CLUSTER_NOBODY)
        tell_set(&text, c, "primary", &primary);
    tell_set(&text, c, "in sync", &next->in_sync);
    tell_set(&text, c, "learners", &next->learners);
    tell_set(&text, c, "last", &next->last);
    trace_print(&o->world->trace, o->world->now_us,
                "* entry %" PRIu64 ": p%" PRIu32 "%s, epoch %" PRIu64 ", term %" PRIu64 "%s",
                c->index, p, next->state == PARTITION_LOST ? " LOST" : "", next->epoch, next->term,
                line);
}

static void tell_members(const struct cluster_oracle *o, const struct configuration *c) {
    static const char *const STATES[] = {"?", "active", "draining", "down"};
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *m = &c->members[i], *was = find_member(o, m->number);
        if (was == NULL || was->state != m->state || was->incarnation != m->incarnation)
            trace_print(&o->world->trace, o->world->now_us,
                        "* entry %" PRIu64 ": #%" PRIu32 "@%" PRIu32 " is %s", c->index, m->number,
                        cluster_sim_machine(&m->address), STATES[m->state]);
    }
    for (uint32_t i = 0; i < o->member_count; i++)
        if (configuration_find_member(c, o->members[i].number) == NULL)
            trace_print(&o->world->trace, o->world->now_us,
                        "* entry %" PRIu64 ": #%" PRIu32 " is removed", c->index,
                        o->members[i].number);
}

static void tell_configuration(const struct cluster_oracle *o, const struct configuration *c) {
    if (!trace_is_printing(&o->world->trace, o->world->now_us))
        return;
    tell_members(o, c);
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (o->partition_count == 0 || c->partitions[p].epoch != o->partitions[p].config.epoch)
            tell_partition(o, c, p);
}

static void take_configuration(struct cluster_oracle *o, const struct sim_machine *machine,
                               const struct configuration *c) {
    bool is_next = o->partition_count > 0 && c->index == o->index + 1;
    tell_configuration(o, c);
    o->partition_count = c->partition_count;
    o->index = c->index;
    o->member_count = c->member_count;
    memcpy(o->members, c->members, c->member_count * sizeof(*c->members));
    for (uint32_t p = 0; p < c->partition_count; p++) {
        struct watched_partition *w = &o->partitions[p];
        const struct partition_config *next = &c->partitions[p];
        if (is_next && next->epoch != w->config.epoch) {
            count_change(o, w, next);
            check_change(o, machine, w, next);
        }
        note_lost(o, w, next);
        w->config = *next;
    }
}

static void check_monotone(struct cluster_oracle *o, struct sim_machine *machine,
                           const struct configuration *c) {
    struct watched_process *seen = &o->processes[machine->address];
    if (seen->incarnation != machine->incarnation)
        *seen = (struct watched_process){.incarnation = machine->incarnation};
    for (uint32_t p = 0; p < c->partition_count; p++) {
        if (c->partitions[p].epoch < seen->epochs[p] || c->partitions[p].term < seen->terms[p])
            violate(o, machine, "I11: an epoch or term fell");
        seen->epochs[p] = c->partitions[p].epoch;
        seen->terms[p] = c->partitions[p].term;
    }
}

void cluster_oracle_view(struct cluster_oracle *o, struct sim_machine *machine,
                         const struct configuration *c) {
    if (!configuration_is_sound(c))
        violate(o, machine, "a configuration is not sound");
    check_hash(o, machine, c);
    check_monotone(o, machine, c);
    if (o->partition_count == 0 || c->index > o->index)
        take_configuration(o, machine, c);
}

/* ---- partitions ---- */

static void note_open(struct cluster_oracle *o, struct sim_machine *machine,
                      struct watched_partition *w, uint64_t term) {
    for (uint64_t i = 0; i < w->opened_count && i < TERMS_MAX; i++) {
        const struct opened_term *opened = &w->opened[(w->opened_count - 1 - i) % TERMS_MAX];
        if (opened->term < term)
            break;
        if (opened->term != term)
            continue;
        if (opened->machine != machine->address || opened->incarnation != machine->incarnation)
            violate(o, machine, "I1: two processes opened one term of a partition");
        return;
    }
    w->opened[w->opened_count++ % TERMS_MAX] = (struct opened_term){
        .term = term, .machine = machine->address, .incarnation = machine->incarnation};
    o->counters.opened++;
    if (term > w->newest_open)
        w->newest_open = term;
    for (uint32_t i = 0; i < w->reset_count; i++)
        if (w->resets[i].until_us == INT64_MAX && term >= w->resets[i].term)
            w->resets[i].until_us = o->world->now_us;
}

static bool has_lease(struct cluster_member *member, const struct partition_replica *r,
                      int64_t now_us) {
    struct lease_table *leases = member_leases(member);
    struct member_set peers = r->view.in_sync;
    for (uint8_t i = 0; i < r->pending.count; i++)
        member_set_add(&peers, r->pending.members[i]);
    return lease_covers(leases, &peers, r->options.self, r->view.term_index, now_us) &&
           (r->settings.quorum_policy != QUORUM_MAJORITY || lease_config_holds(leases, now_us));
}

/* I5: a newer term is open and this process could still answer for an older one. */
static void check_lease(struct cluster_oracle *o, struct sim_machine *machine,
                        struct cluster_member *member, const struct watched_partition *w,
                        const struct partition_replica *r) {
    bool is_serving =
        r->role == REPLICA_OPEN || (r->role == REPLICA_DRAINING && !r->proposal.is_open);
    if (is_serving && r->view.term < w->newest_open &&
        has_lease(member, r, machine_now_us(machine)))
        violate(o, machine, "I5: two primaries may answer reads of one partition");
}

/* I5 at the moment when a term opens: none of the others may answer any more. */
static void check_others(struct cluster_oracle *o, uint32_t p) {
    struct watched_partition *w = &o->partitions[p];
    for (uint32_t i = 0; i < o->world->options.machine_count; i++) {
        struct sim_machine *machine = &o->world->machines[i];
        if (!machine_is_running(machine) || cluster_process_member(machine->process) == NULL)
            continue;
        const struct partition_replica *r =
            cluster_data_replica(cluster_process_data(machine->process), p);
        if (r != NULL)
            check_lease(o, machine, cluster_process_member(machine->process), w, r);
    }
}

static bool is_in_sync(const struct cluster_oracle *o, const struct watched_partition *w,
                       const struct partition_replica *r) {
    const struct member *self = find_member(o, r->options.self);
    return self != NULL && self->incarnation == r->options.incarnation &&
           member_set_has(&w->config.in_sync, r->options.self);
}

static bool is_same_log(const struct watched_log *a, const struct watched_log *b) {
    return a->commit == b->commit && a->last == b->last && a->index == b->index &&
           a->base == b->base && a->last_term == b->last_term && a->reset_term == b->reset_term &&
           a->committed.sequence == b->committed.sequence && a->committed.term == b->committed.term;
}

static void check_log(struct cluster_oracle *o, struct sim_machine *machine, uint32_t p,
                      const struct partition_replica *r) {
    struct watched_partition *w = &o->partitions[p];
    struct watched_process *seen = &o->processes[machine->address];
    const struct watched_log log = {.commit = r->commit,
                                    .base = r->log.base.sequence,
                                    .last = r->log.last,
                                    .last_term = replica_log_term(&r->log, r->log.last),
                                    .reset_term = r->view.reset_term,
                                    .index = o->index,
                                    .committed = w->committed};
    if (is_same_log(&log, &seen->logs[p]))
        return;
    seen->logs[p] = log;
    bool is_anew = seen->reset_terms[p] != r->view.reset_term || !is_in_sync(o, w, r);
    if (r->commit < seen->commits[p] && !is_anew)
        violate(o, machine, "I4: a commit position fell");
    seen->commits[p] = r->commit;
    seen->reset_terms[p] = r->view.reset_term;
    bool is_current = r->view.reset_term == w->config.reset_term;
    if (is_current && r->commit > w->committed.sequence)
        w->committed = (struct log_position){replica_log_term(&r->log, r->commit), r->commit};
    if (!is_current || !is_in_sync(o, w, r) || w->committed.sequence == 0)
        return;
    uint64_t term = replica_log_term(&r->log, w->committed.sequence);
    bool is_there = w->committed.sequence <= r->log.base.sequence || term == w->committed.term;
    if (r->log.last < w->committed.sequence || !is_there)
        violate(o, machine, "I3: an in-sync member lacks what is committed");
}

void cluster_oracle_step(struct cluster_oracle *o, struct sim_machine *machine,
                         struct cluster_member *member, const struct cluster_data *data) {
    for (uint32_t p = 0; p < o->partition_count; p++) {
        const struct partition_replica *r = cluster_data_replica(data, p);
        struct watched_partition *w = &o->partitions[p];
        if (r == NULL)
            continue;
        if (r->role == REPLICA_OPEN) {
            uint64_t before = w->newest_open;
            note_open(o, machine, w, r->view.term);
            if (w->newest_open > before)
                check_others(o, p);
        }
        check_lease(o, machine, member, w, r);
        check_log(o, machine, p, r);
    }
}

void cluster_oracle_end(struct cluster_oracle *o, struct sim_machine *machine) {
    o->processes[machine->address] = (struct watched_process){0};
}

/* ---- at the end ---- */

void cluster_oracle_compare(struct cluster_oracle *o) {
    for (uint32_t p = 0; p < o->partition_count; p++) {
        bool has_first = false;
        struct store_digest first = {0};
        uint64_t first_stored = 0;
        for (uint32_t i = 0; i < o->world->options.machine_count; i++) {
            struct sim_machine *machine = &o->world->machines[i];
            if (!machine_is_running(machine) || cluster_process_member(machine->process) == NULL)
                continue;
            struct cluster_data *data = cluster_process_data(machine->process);
            const struct partition_replica *r = cluster_data_replica(data, p);
            if (r == NULL || !is_in_sync(o, &o->partitions[p], r))
                continue;
            struct store_digest digest = cluster_data_digest(data, p);
            uint64_t stored = r->role == REPLICA_OPEN ? r->log.last : cluster_data_stored(data, p);
            if (has_first && stored == first_stored && !store_digest_equal(first, digest))
                violate(o, machine, "I7: replicas of a partition differ");
            first = digest;
            first_stored = stored;
            has_first = true;
        }
    }
}

const struct partition_config *cluster_oracle_partition(const struct cluster_oracle *o,
                                                        uint32_t partition) {
    return partition < o->partition_count ? &o->partitions[partition].config : NULL;
}

bool cluster_oracle_reset(const struct cluster_oracle *o, uint32_t partition, uint64_t number,
                          int64_t *out_from_us, int64_t *out_until_us) {
    const struct watched_partition *w = &o->partitions[partition];
    if (number >= w->reset_count)
        return false;
    *out_from_us = w->resets[number].from_us;
    *out_until_us = w->resets[number].until_us;
    return true;
}

void cluster_oracle_get_counters(const struct cluster_oracle *o,
                                 struct cluster_oracle_counters *out) {
    *out = o->counters;
}
