/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_oracle_core.h"

#include <stdlib.h>

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
    o->hashes = sim_resize(NULL, ORACLE_INDEXES * sizeof(*o->hashes));
    o->hashed = sim_resize(NULL, ORACLE_INDEXES * sizeof(*o->hashed));
    memset(o->hashed, 0, ORACLE_INDEXES * sizeof(*o->hashed));
    o->applied = sim_resize(NULL, ORACLE_INDEXES * sizeof(*o->applied));
    o->applied_index = sim_resize(NULL, ORACLE_INDEXES * sizeof(*o->applied_index));
    memset(o->applied_index, 0, ORACLE_INDEXES * sizeof(*o->applied_index));
    return o;
}

void cluster_oracle_destroy(struct cluster_oracle *o) {
    if (o == NULL)
        return;
    for (uint32_t i = 0; i < ORACLE_GENERATIONS; i++)
        raft_oracle_destroy(o->cores[i]);
    free(o->hashes);
    free(o->hashed);
    free(o->applied);
    free(o->applied_index);
    configuration_destroy(o->before);
    configuration_destroy(o->after);
    free(o);
}

void cluster_oracle_attach(struct cluster_oracle *o, struct sim_world *world) {
    o->world = world;
}

struct raft_oracle *cluster_oracle_core(struct cluster_oracle *o, uint16_t generation) {
    struct raft_oracle **core = &o->cores[generation % ORACLE_GENERATIONS];
    if (*core == NULL)
        *core = raft_oracle_create(violate_core, o);
    return *core;
}

/* ---- configurations ---- */

/* I7 for the config group's state. */
static void check_hash(struct cluster_oracle *o, const struct sim_machine *machine,
                       const struct configuration *c) {
    uint64_t hash = configuration_hash(c);
    size_t at = c->index % ORACLE_INDEXES;
    if (o->hashed[at] == c->index + 1 && o->hashes[at] != hash)
        oracle_violate(o, machine, "I7: two members have different configurations of one index");
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
    oracle_forget_log(w);
    if (w->reset_count == ORACLE_RESETS_MAX) {
        oracle_violate(o, NULL, "the oracle has no room for another RESET");
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
        oracle_violate(o, machine, "I2: a primary was elected that was not in sync");
    if (next->primary != was->primary && next->primary != CLUSTER_NOBODY && next->term <= was->term)
        oracle_violate(o, machine, "I2: a new primary in an old term");
    for (uint8_t i = 0; i < next->in_sync.count; i++) {
        uint32_t number = next->in_sync.members[i];
        bool is_new = !member_set_has(&was->in_sync, number);
        bool is_back = was->in_sync.count == 0;
        if (is_new && !is_back && !member_set_has(&was->learners, number))
            oracle_violate(o, machine, "I2: the in-sync set grew by a member that was no learner");
        o->counters.expansions += is_new && !is_back;
    }
    o->counters.failovers += next->term > was->term && !next->is_released;
    o->counters.hand_offs += next->term > was->term && next->is_released;
    o->counters.restores += was->state == PARTITION_LOST && next->state != PARTITION_LOST &&
                            !is_given_up && was->epoch > 0;
}

static void take_configuration(struct cluster_oracle *o, const struct sim_machine *machine,
                               const struct configuration *c) {
    bool is_next = o->partition_count > 0 && c->index == o->index + 1;
    oracle_tell_configuration(o, c);
    o->partition_count = c->partition_count;
    o->index = c->index;
    o->settings = c->settings;
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
            oracle_violate(o, machine, "I11: an epoch or term fell");
        seen->epochs[p] = c->partitions[p].epoch;
        seen->terms[p] = c->partitions[p].term;
    }
}

void cluster_oracle_view(struct cluster_oracle *o, struct sim_machine *machine,
                         const struct configuration *c) {
    if (!configuration_is_sound(c))
        oracle_violate(o, machine, "a configuration is not sound");
    if (!raft_id_is_set(o->cluster))
        o->cluster = c->cluster;
    if (!raft_id_equal(o->cluster, c->cluster))
        oracle_violate(o, machine, "I15: two clusters were founded");
    check_monotone(o, machine, c);
    if (c->generation < o->generation)
        return;
    if (c->generation > o->generation)
        oracle_begin_generation(o, machine, c);
    check_hash(o, machine, c);
    if (o->before == NULL)
        oracle_begin_entries(o, c);
    for (uint64_t index = o->index + 1; index <= c->index; index++) {
        o->applied_index[index % ORACLE_INDEXES] = index;
        o->applied[index % ORACLE_INDEXES] = o->world->now_us;
    }
    if (o->partition_count == 0 || c->index > o->index)
        take_configuration(o, machine, c);
}

/* ---- partitions ---- */

static void note_open(struct cluster_oracle *o, struct sim_machine *machine,
                      struct watched_partition *w, uint64_t term) {
    for (uint64_t i = 0; i < w->opened_count && i < ORACLE_TERMS_MAX; i++) {
        const struct opened_term *opened = &w->opened[(w->opened_count - 1 - i) % ORACLE_TERMS_MAX];
        if (opened->term < term)
            break;
        if (opened->term != term)
            continue;
        if (opened->machine != machine->address || opened->incarnation != machine->incarnation)
            oracle_violate(o, machine, "I1: two processes opened one term of a partition");
        return;
    }
    w->opened[w->opened_count++ % ORACLE_TERMS_MAX] = (struct opened_term){
        .term = term, .machine = machine->address, .incarnation = machine->incarnation};
    o->counters.opened++;
    if (term > w->newest_open)
        w->newest_open = term;
    for (uint32_t i = 0; i < w->reset_count; i++)
        if (w->resets[i].until_us == INT64_MAX && term >= w->resets[i].term)
            w->resets[i].until_us = o->world->now_us;
}

/* I5: a newer term is open and this process could still answer for an older one. */
static void check_lease(struct cluster_oracle *o, struct sim_machine *machine,
                        struct cluster_member *member, const struct watched_partition *w,
                        const struct partition_replica *r) {
    if (oracle_is_serving(r) && r->view.term < w->newest_open &&
        oracle_has_lease(member, r, machine_now_us(machine)))
        oracle_violate(o, machine, "I5: two primaries may answer reads of one partition");
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

static void note_floor(struct cluster_oracle *o, struct watched_partition *w, uint64_t floor) {
    if (floor <= w->floor)
        return;
    w->floor = floor;
    if (w->floor_us > o->world->now_us)
        w->floor_us = o->world->now_us;
}

void cluster_oracle_step(struct cluster_oracle *o, struct sim_machine *machine,
                         struct cluster_member *member, const struct cluster_data *data) {
    struct watched_process *seen = &o->processes[machine->address];
    uint64_t steps = cluster_data_steps(data);
    if (oracle_is_old(o, machine)) {
        oracle_check_old(o, machine, member, data);
        return;
    }
    if (seen->steps == steps && seen->index == o->index)
        return;
    seen->steps = steps;
    seen->index = o->index;
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
        oracle_check_log(o, machine, p, r);
        note_floor(o, w, cluster_data_floor(data, p));
    }
}

void cluster_oracle_end_partitions(struct cluster_oracle *o, struct sim_machine *machine) {
    for (uint32_t p = 0; p < o->partition_count; p++)
        oracle_note_held(o, machine, p);
}

void cluster_oracle_end(struct cluster_oracle *o, struct sim_machine *machine) {
    cluster_oracle_end_partitions(o, machine);
    o->processes[machine->address] = (struct watched_process){0};
}

enum { TIME_SLACK_US = 2000, TIME_FROM_MEDIAN_US = 1100000, TIME_HEARD_US = 3000000 };

/* Within a term the time of a partition goes as fast as the clock of its machine, but for a
 * twentieth. */
static void check_pace(struct cluster_oracle *o, const struct sim_machine *machine,
                       const struct watched_time *seen, const struct watched_time *now) {
    int64_t elapsed_us = now->at_us - seen->at_us;
    int64_t gone_us = now->time_us - seen->time_us, most_us = elapsed_us / 20 + TIME_SLACK_US;
    if (seen->term == now->term && now->term != 0 &&
        (gone_us > elapsed_us + most_us || gone_us < elapsed_us - most_us))
        oracle_violate(o, machine, "I13: the time of a partition jumped");
}

/* A term begins no later than what was replicated and what wall clocks show, as far as a process
 * has heard of them. */
static void check_beginning(struct cluster_oracle *o, const struct sim_machine *machine,
                            const struct watched_partition *w, const struct watched_time *seen,
                            const struct watched_time *now) {
    int64_t elapsed_us = now->at_us - seen->at_us;
    int64_t limit_us = seen->limit_us > now->limit_us ? seen->limit_us : now->limit_us;
    int64_t true_us = o->world->now_us - w->newest_at_us;
    int64_t newest_us = w->newest_time_us + true_us + true_us / 4 + 100000;
    bool has_heard = seen->at_us != 0 && now->at_us - now->since_us > TIME_HEARD_US;
    if (has_heard && now->term != 0 && seen->term != now->term && now->time_us > newest_us &&
        now->time_us > limit_us + elapsed_us)
        oracle_violate(o, machine, "I13: a term began with a wrong wall clock");
}

void cluster_oracle_time(struct cluster_oracle *o, struct sim_machine *machine, uint32_t p,
                         bool is_running, int64_t time_us, int64_t median_us) {
    const struct partition_replica *r = oracle_replica(o, machine->address, p);
    struct watched_partition *w = &o->partitions[p];
    struct watched_time *seen = &o->processes[machine->address].times[p];
    if (r == NULL || oracle_is_old(o, machine))
        return;
    const struct watched_time now = {.term = is_running ? r->view.term : 0,
                                     .time_us = time_us,
                                     .at_us = machine_now_us(machine),
                                     .since_us = seen->at_us == 0 ? machine_now_us(machine)
                                                                  : seen->since_us,
                                     .limit_us = median_us + TIME_FROM_MEDIAN_US};
    check_pace(o, machine, seen, &now);
    check_beginning(o, machine, w, seen, &now);
    *seen = now;
    /* a replica that is behind in its time does not replace one that is ahead and was not asked for
     * a while: that one's time went on too, at least as fast as clocks may be slow */
    int64_t since_us = o->world->now_us - w->newest_at_us;
    if (time_us > w->newest_time_us + since_us - since_us / 10) {
        w->newest_time_us = time_us;
        w->newest_at_us = o->world->now_us;
    }
}

void cluster_oracle_tick(struct cluster_oracle *o, struct sim_machine *machine,
                         struct cluster_member *member, const struct cluster_data *data) {
    if (oracle_is_old(o, machine)) {
        oracle_check_old(o, machine, member, data);
        return;
    }
    for (uint32_t p = 0; p < o->partition_count; p++) {
        const struct partition_replica *r = cluster_data_replica(data, p);
        if (r == NULL)
            continue;
        oracle_check_promises(o, machine, member, p, r);
        if (r->role >= REPLICA_ELECTED)
            oracle_check_acknowledged(o, machine, p, r);
    }
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
            if (r == NULL || !oracle_is_in_sync(o, &o->partitions[p], r))
                continue;
            struct store_digest digest = cluster_data_digest(data, p);
            uint64_t stored = r->role == REPLICA_OPEN ? r->log.last : cluster_data_stored(data, p);
            if (has_first && stored == first_stored && !store_digest_equal(first, digest))
                oracle_violate(o, machine, "I7: replicas of a partition differ");
            first = digest;
            first_stored = stored;
            has_first = true;
        }
    }
}

bool cluster_oracle_is_founded(const struct cluster_oracle *o) {
    return o->index > 0;
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

uint64_t cluster_oracle_take_floor(struct cluster_oracle *o, uint32_t partition,
                                   int64_t *out_from_us) {
    struct watched_partition *w = &o->partitions[partition];
    *out_from_us = w->floor_us;
    w->floor_us = INT64_MAX;
    return w->floor;
}

void cluster_oracle_get_counters(const struct cluster_oracle *o,
                                 struct cluster_oracle_counters *out) {
    *out = o->counters;
}
