/* SPDX-License-Identifier: BSD-3-Clause */
/* Five whole members with clients that use keys of all partitions; a smaller world has one. */
#include "sim/subject_cluster.h"

#include "sim/cluster_changes.h"
#include "sim/cluster_departures.h"
#include "sim/cluster_founding_faults.h"
#include "sim/cluster_protocol.h"
#include "sim/cluster_worlds.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MACHINES = 5, REGISTER_CLIENTS = 6, LOCK_CLIENTS = 3, SCRIPT_PARTITIONS = 4 };
enum { OPERATOR_US = 500000 };

struct cluster_subject {
    struct sim_world *world;
    struct cluster_sim_settings settings;
    struct cluster_oracle *oracle;
    struct register_clients clients;
    struct lock_clients locks;
    struct cluster_founding_faults founding_faults;
    struct cluster_departures departures;
    struct cluster_changes changes;
    bool has_founding_faults;
    uint64_t seed;
    uint32_t resets_seen[CLUSTER_SIM_PARTITIONS_MAX];  /* before this round */
    int64_t lost_since_us[CLUSTER_SIM_PARTITIONS_MAX]; /* nobody has the data any more */
};

static struct cluster_member *member_at(const struct cluster_subject *s, uint32_t machine);
static uint32_t find_leader(void *context);

/* Of the seeds most may be enough; or some machines are none and can only join. */
static void vary_founding(struct cluster_sim_settings *settings, uint64_t seed) {
    if (seed % 7 == 3)
        settings->founders = 3;
    if (seed % 7 != 5)
        return;
    settings->expected_nodes = 3;
    settings->is_founding_durable = true;
}

static void *create(uint64_t seed, struct sim_world_options *options) {
    struct cluster_subject *s = sim_resize(NULL, sizeof(*s));
    *s = (struct cluster_subject){.seed = seed,
                                  .has_founding_faults = options->machine_count == MACHINES};
    s->settings.founders = options->machine_count;
    s->settings.is_founding_durable = seed % 3 != 0;
    cluster_world_draw(seed, options->machine_count, &s->settings);
    if (s->has_founding_faults)
        vary_founding(&s->settings, seed);
    s->settings.is_durable = options->machine_count == MACHINES && seed % 3 == 1;
    if (s->settings.is_durable) {
        s->settings.cluster.loss_policy = LOSS_HOLD;
        s->settings.in_memory = seed % 2 == 0 ? 1u << seed % MACHINES : 0;
    }
    s->oracle = cluster_oracle_create();
    options->type = &CLUSTER_MEMBER_PROCESS;
    options->settings = &s->settings;
    options->oracle = s->oracle;
    return s;
}

/* The same for every seed. */
static void *create_for_scripts(uint64_t seed, struct sim_world_options *options) {
    struct cluster_subject *s = create(seed, options);
    s->has_founding_faults = false;
    s->settings = (struct cluster_sim_settings){
        .founders = options->machine_count,
        .is_founding_durable = seed % 3 != 0,
        .partition_count = options->machine_count < MACHINES ? 1 : SCRIPT_PARTITIONS,
        .log_bytes = 256 * 1024,
        .cluster = CLUSTER_DEFAULT_SETTINGS};
    s->settings.cluster.voter_count = options->machine_count < MACHINES ? 3 : 5;
    s->settings.cluster.replica_count = 3;
    return s;
}

static void *create_durable_for_scripts(uint64_t seed, struct sim_world_options *options) {
    struct cluster_subject *s = create_for_scripts(seed, options);
    s->settings.is_durable = true;
    s->settings.cluster.loss_policy = LOSS_HOLD;
    return s;
}

static void *create_pair(uint64_t seed, struct sim_world_options *options) {
    struct cluster_subject *s = create_for_scripts(seed, options);
    s->settings.cluster.replica_count = 2;
    return s;
}

static void *create_with_witness(uint64_t seed, struct sim_world_options *options) {
    struct cluster_subject *s = create_pair(seed, options);
    s->settings.weightless = 1u << 2;
    return s;
}

struct register_clients *cluster_subject_clients(void *context) {
    struct cluster_subject *s = context;
    return &s->clients;
}

struct lock_clients *cluster_subject_locks(void *context) {
    struct cluster_subject *s = context;
    return &s->locks;
}

struct cluster_oracle *cluster_subject_oracle(void *context) {
    struct cluster_subject *s = context;
    return s->oracle;
}

struct cluster_sim_settings *cluster_subject_settings(void *context) {
    struct cluster_subject *s = context;
    return &s->settings;
}

static void destroy(void *context) {
    struct cluster_subject *s = context;
    register_clients_finish(&s->clients);
    lock_clients_finish(&s->locks);
    cluster_oracle_destroy(s->oracle);
    free(s);
}

static int64_t last_loss_us(void *context) {
    const struct cluster_subject *s = context;
    int64_t last_us = -1;
    for (uint32_t p = 0; p < s->settings.partition_count; p++) {
        const struct partition_config *config = cluster_oracle_partition(s->oracle, p);
        int64_t from_us, until_us;
        if (config != NULL && config->state == PARTITION_LOST)
            return s->world->now_us;
        for (uint64_t n = s->resets_seen[p];
             cluster_oracle_reset(s->oracle, p, n, &from_us, &until_us); n++)
            last_us = until_us > last_us ? until_us : last_us;
    }
    return last_us;
}

/* ---- the operator of partitions that are not given up by themselves when they are lost ---- */

static bool is_in_memory(const struct cluster_subject *s, uint32_t machine) {
    return !s->settings.is_durable || s->world->machines[machine].is_diskless ||
           (s->settings.in_memory >> machine & 1) != 0;
}

/* Under policy isr it goes on with the partition, whoever hears it, until it knows that it lost it.
 */
static bool still_serves(const struct cluster_subject *s, uint32_t machine, uint32_t p) {
    struct cluster_member *member = member_at(s, machine);
    const struct partition_config *config = cluster_oracle_partition(s->oracle, p);
    return member != NULL && config != NULL && config->is_unleased &&
           member_applied(member) < config->lost_index;
}

/* Whether the machine has the member's data, or may have it when it is back. One that was in sync
 * and died before anything was logged has none. */
static bool may_have_data(const struct cluster_subject *s, uint32_t machine,
                          const struct member *member, uint32_t p) {
    const struct sim_machine *m = &s->world->machines[machine];
    struct log_position end;
    if (!raft_id_equal(m->node_id, member->node))
        return false;
    if (still_serves(s, machine, p))
        return true;
    if (member_at(s, machine) == NULL ||
        cluster_data_replica(cluster_process_data(m->process), p) == NULL)
        return !is_in_memory(s, machine);
    /* who has not heard that it is out may serve, and offer what it has when it has heard */
    const struct partition_replica *r = cluster_data_replica(cluster_process_data(m->process), p);
    if (r->role >= REPLICA_BACKUP && !r->is_unsynced)
        return true;
    return cluster_data_offer(cluster_process_data(m->process), p, &end);
}

static bool may_come_back(const struct cluster_subject *s, const struct configuration *c,
                          uint32_t p) {
    const struct member_set *last = &c->partitions[p].last;
    for (uint8_t i = 0; i < last->count; i++) {
        const struct member *member = configuration_find_member(c, last->members[i]);
        for (uint32_t k = 0; member != NULL && k < s->world->options.machine_count; k++)
            if (may_have_data(s, k, member, p))
                return true;
    }
    return false;
}

static void give_up(struct cluster_subject *s, struct cluster_member *member, uint32_t p) {
    const struct configuration *c = member_configuration(member);
    const struct config_entry entry = {
        .type = CONFIG_RESET,
        .change = {.partition = p,
                   .epoch = c->partitions[p].epoch,
                   .member = member_number(member),
                   .incarnation = configuration_find_member(c, member_number(member))->incarnation,
                   .ceiling = c->ceiling}};
    world_note(s->world, "the operator gives up partition", p, c->partitions[p].epoch);
    member_propose(member, &entry);
}

/* Whoever had the last data has lost it: go on without, once no lease can be held any more. */
static void look_after(void *context, uint64_t stamp) {
    struct cluster_subject *s = context;
    uint32_t coordinator = find_leader(context);
    struct cluster_member *member = coordinator == UINT32_MAX ? NULL : member_at(s, coordinator);
    (void)stamp;
    world_call_at(s->world, s->world->now_us + OPERATOR_US, look_after, s, 0);
    if (member == NULL || member_number(member) == CLUSTER_NOBODY)
        return;
    const struct configuration *c = member_configuration(member);
    int64_t wait_us = 2 * (int64_t)c->longest_config_lease_ms * 1000;
    for (uint32_t p = 0; p < c->partition_count; p++) {
        bool is_ours = s->settings.is_durable || c->partitions[p].is_unleased;
        if (c->partitions[p].state != PARTITION_LOST || !is_ours || may_come_back(s, c, p))
            s->lost_since_us[p] = s->world->now_us;
        else if (s->world->now_us - s->lost_since_us[p] > wait_us)
            give_up(s, member, p);
    }
}

/* Mode async: keys are what the log that is left makes them; it is checked that this is a prefix.
 */
static void note_loss(void *context, struct cluster_data *data, uint32_t p) {
    struct cluster_subject *s = context;
    int64_t now_us = s->world->now_us;
    for (uint64_t i = 0; i < ROUND_KEYS; i++) {
        uint64_t key = s->clients.round * ROUND_KEYS + 1 + i, value;
        uint8_t name[INT64_TEXT_MAX + 1];
        if (cluster_data_partition_of(data, slice_of(name, cluster_key_name(key, name))) != p)
            continue;
        if (!cluster_data_value(data, key, &value)) {
            world_violate(s->world, -1, "a key can't be read after a failover");
            continue;
        }
        register_clients_note(&s->clients, key,
                              &(struct operation){.call_us = now_us,
                                                  .return_us = now_us,
                                                  .kind = OPERATION_WRITE,
                                                  .a = value,
                                                  .result = {.is_done = true}});
        if (cluster_key_expires(key)) /* as it may have done before */
            register_clients_note(&s->clients, key,
                                  &(struct operation){.call_us = now_us,
                                                      .return_us = OPERATION_UNKNOWN,
                                                      .kind = OPERATION_COMPARE,
                                                      .a = value});
    }
}

static void attach(void *context, struct sim_world *world) {
    struct cluster_subject *s = context;
    s->world = world;
    look_after(s, 0);
    cluster_oracle_attach(s->oracle, world);
    cluster_departures_init(&s->departures, world);
    cluster_changes_init(&s->changes, world, s->oracle, s->settings.partition_count);
    if (s->has_founding_faults)
        cluster_founding_faults_begin(&s->founding_faults, world, s->seed);
    uint32_t count = world->options.client_count;
    uint32_t registers = count < REGISTER_CLIENTS ? count : REGISTER_CLIENTS;
    register_clients_init(&s->clients, world, &CLUSTER_PROTOCOL, registers, s->seed);
    s->clients.lost_us = last_loss_us;
    s->clients.lost_context = s;
    s->clients.is_early = s->settings.cluster.write_mode == WRITES_EXECUTED;
    cluster_oracle_on_loss(s->oracle, note_loss, s);
    s->clients.partition_count = s->settings.partition_count;
    lock_clients_init(&s->locks, world, s->settings.partition_count, registers, count - registers);
}

static void begin_round(void *context, uint64_t seed, bool is_frantic) {
    struct cluster_subject *s = context;
    for (uint32_t p = 0; p < s->settings.partition_count; p++) {
        int64_t from_us, until_us;
        while (cluster_oracle_reset(s->oracle, p, s->resets_seen[p], &from_us, &until_us))
            s->resets_seen[p]++;
    }
    register_clients_begin(&s->clients, seed, is_frantic);
    lock_clients_begin(&s->locks, seed, is_frantic);
}

static struct cluster_member *member_at(const struct cluster_subject *s, uint32_t machine) {
    const struct sim_machine *m = &s->world->machines[machine];
    return machine_is_running(m) ? cluster_process_member(m->process) : NULL;
}

static uint32_t find_leader(void *context) {
    const struct cluster_subject *s = context;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        const struct cluster_member *member = member_at(s, i);
        if (member != NULL && member_is_coordinator(member))
            return i;
    }
    return UINT32_MAX;
}

static void propose(const struct cluster_subject *s, uint32_t machine,
                    const struct config_entry *entry) {
    struct cluster_member *member = member_at(s, machine);
    if (member != NULL && s->world->machines[machine].paused_until_us <= s->world->now_us)
        member_propose(member, entry);
}

static void operate(void *context, uint64_t draw) {
    struct cluster_subject *s = context;
    uint32_t partition = (uint32_t)(draw >> 8) % s->settings.partition_count;
    const struct configuration *newest = cluster_oracle_configuration(s->oracle);
    struct config_entry stray;
    if ((draw & 7) == 3) {
        cluster_departures_draw(&s->departures, draw);
        return;
    }
    if ((draw & 3) == 0 && newest != NULL && cluster_stray_draw(draw >> 2, newest, &stray)) {
        uint32_t leader = find_leader(context);
        bool is_direct = (draw >> 50 & 1) != 0 && leader != UINT32_MAX;
        propose(s, is_direct ? leader : (uint32_t)(draw >> 52) % s->world->options.machine_count,
                &stray);
        return;
    }
    if ((draw & 3) == 1 && newest != NULL) {
        cluster_changes_draw(&s->changes, draw >> 8);
        return;
    }
    const struct partition_config *config = cluster_oracle_partition(s->oracle, partition);
    for (uint32_t i = 0; config != NULL && i < s->world->options.machine_count; i++) {
        struct cluster_member *member = member_at(s, i);
        if (member == NULL || member_number(member) != config->primary || config->in_sync.count < 2)
            continue;
        uint32_t to = config->in_sync.members[(draw >> 16) % config->in_sync.count];
        if (to != config->primary)
            cluster_data_hand_off(cluster_process_data(s->world->machines[i].process), partition,
                                  to);
    }
}

static void begin_calm(void *context) {
    struct cluster_subject *s = context;
    s->clients.answered = 0;
    cluster_departures_end(&s->departures);
    cluster_changes_end(&s->changes);
    if (s->has_founding_faults)
        cluster_founding_faults_end(&s->founding_faults);
}

static bool may_lose_disk(void *context) {
    const struct cluster_subject *s = context;
    return cluster_oracle_is_founded(s->oracle);
}

static void note_fault(void *context, enum sim_fault_kind kind, uint32_t machine) {
    struct cluster_subject *s = context;
    (void)machine;
    for (uint32_t i = 0; kind == FAULT_WALL_JUMP && i < s->locks.count; i++)
        if (s->locks.each[i].is_holding) {
            world_count(s->world, RARE_CLOCK_JUMP_WITH_LOCKS);
            return;
        }
}

static void stop_clients(void *context) {
    struct cluster_subject *s = context;
    register_clients_stop(&s->clients);
    lock_clients_stop(&s->locks);
}

static bool has_role(const struct cluster_subject *s, uint32_t machine, enum sim_role role) {
    const struct cluster_member *member = member_at(s, machine);
    if (member == NULL)
        return false;
    if (role == SIM_ROLE_COORDINATOR)
        return member_is_coordinator(member);
    for (uint32_t p = 0; p < s->settings.partition_count; p++) {
        const struct partition_config *c = cluster_oracle_partition(s->oracle, p);
        uint32_t number = member_number(member);
        if (c == NULL || number == CLUSTER_NOBODY)
            return false;
        bool is_primary = c->primary == number;
        if ((role == SIM_ROLE_PRIMARY && is_primary) ||
            (role == SIM_ROLE_BACKUP && !is_primary && member_set_has(&c->in_sync, number)) ||
            (role == SIM_ROLE_RECEIVER && member_set_has(&c->learners, number)))
            return true;
    }
    return false;
}

static uint32_t find_target(void *context, enum sim_role role, uint64_t draw) {
    const struct cluster_subject *s = context;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        uint32_t machine = (uint32_t)((draw + i) % s->world->options.machine_count);
        if (has_role(s, machine, role))
            return machine;
    }
    return UINT32_MAX;
}

/* Every process is a member; every partition has all its replicas and is open. */
static bool is_settled(void *context) {
    const struct cluster_subject *s = context;
    if (find_leader(context) == UINT32_MAX || (s->clients.is_active && s->clients.answered == 0))
        return false;
    uint32_t open = 0;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        const struct cluster_member *member = member_at(s, i);
        if (member == NULL || member_number(member) == CLUSTER_NOBODY)
            return false;
        for (uint32_t p = 0; p < s->settings.partition_count; p++) {
            const struct partition_config *c = cluster_oracle_partition(s->oracle, p);
            const struct partition_replica *r =
                cluster_data_replica(cluster_process_data(s->world->machines[i].process), p);
            if (r == NULL || c->state != PARTITION_OK || c->learners.count > 0 ||
                r->view.epoch != c->epoch)
                return false;
            open += r->role == REPLICA_OPEN;
        }
    }
    return open == s->settings.partition_count;
}

/* Data that was given up is gone for all keys of the partition, at some moment in between. */
static void note_resets(struct cluster_subject *s) {
    struct cluster_data *data = cluster_process_data(s->world->machines[0].process);
    for (uint64_t i = 0; i < ROUND_KEYS; i++) {
        uint64_t key = s->clients.round * ROUND_KEYS + 1 + i;
        uint8_t name[INT64_TEXT_MAX + 1];
        uint32_t p = cluster_data_partition_of(data, slice_of(name, cluster_key_name(key, name)));
        int64_t from_us, until_us;
        for (uint32_t n = s->resets_seen[p];
             cluster_oracle_reset(s->oracle, p, n, &from_us, &until_us); n++)
            register_clients_note(&s->clients, key,
                                  &(struct operation){.call_us = from_us,
                                                      .return_us = until_us,
                                                      .kind = OPERATION_WRITE,
                                                      .result = {.is_done = true}});
    }
}

static void note_lock_floors(struct cluster_subject *s) {
    for (uint32_t p = 0; p < s->settings.partition_count; p++) {
        int64_t from_us, until_us;
        if (cluster_oracle_reset(s->oracle, p, s->resets_seen[p], &from_us, &until_us))
            lock_clients_note_reset(&s->locks, p);
        uint64_t floor = cluster_oracle_take_floor(s->oracle, p, &from_us);
        lock_clients_note_floor(&s->locks, p, from_us, floor);
    }
}

static void end_round(void *context) {
    struct cluster_subject *s = context;
    note_resets(s);
    note_lock_floors(s);
    lock_clients_check(&s->locks);
    register_clients_check(&s->clients);
    cluster_oracle_compare(s->oracle);
}

static void get_counters(void *context, struct sim_subject_counters *out) {
    const struct cluster_subject *s = context;
    *out = s->clients.counters;
    out->operations += s->locks.counters.operations;
    out->unknown += s->locks.counters.unknown;
    out->histories += s->locks.counters.histories;
}

static void describe(void *context, char *out, size_t size) {
    const struct cluster_subject *s = context;
    struct cluster_oracle_counters c;
    cluster_oracle_get_counters(s->oracle, &c);
    snprintf(out, size,
             "terms opened %" PRIu64 ", failovers %" PRIu64 ", hand-offs %" PRIu64
             ", expansions %" PRIu64 ", resets %" PRIu64 ", restores %" PRIu64
             ", departures %" PRIu64 ", taken back %" PRIu64 ", locks granted %" PRIu64
             ", fenced writes %" PRIu64 ", of them refused %" PRIu64,
             c.opened, c.failovers, c.hand_offs, c.expansions, c.resets, c.restores,
             s->departures.let_go, s->departures.taken_back, s->locks.granted, s->locks.written,
             s->locks.fenced);
}

#define FUNCTIONS                                                                                  \
    .client_count = REGISTER_CLIENTS + LOCK_CLIENTS, .destroy = destroy, .attach = attach,         \
    .begin_round = begin_round, .operate = operate, .begin_calm = begin_calm,                      \
    .may_lose_disk = may_lose_disk, .stop_clients = stop_clients, .find_leader = find_leader,      \
    .find_target = find_target, .note_fault = note_fault, .is_settled = is_settled,                \
    .end_round = end_round, .get_counters = get_counters, .describe = describe

const struct sim_subject_type CLUSTER_SUBJECT = {
    .name = "cluster", .machine_count = MACHINES, .create = create, FUNCTIONS};
const struct sim_subject_type CLUSTER_SCRIPT_SUBJECT = {
    .name = "cluster-script", .machine_count = MACHINES, .create = create_for_scripts, FUNCTIONS};
const struct sim_subject_type CLUSTER_DURABLE_SUBJECT = {.name = "cluster-durable",
                                                         .machine_count = MACHINES,
                                                         .create = create_durable_for_scripts,
                                                         FUNCTIONS};
const struct sim_subject_type CLUSTER_PAIR_SUBJECT = {
    .name = "cluster-pair", .machine_count = 2, .create = create_pair, FUNCTIONS};
const struct sim_subject_type CLUSTER_WITNESS_SUBJECT = {
    .name = "cluster-witness", .machine_count = 3, .create = create_with_witness, FUNCTIONS};
