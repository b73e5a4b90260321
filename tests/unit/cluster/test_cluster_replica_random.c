/* SPDX-License-Identifier: BSD-3-Clause */
/* Many small worlds of replicas under faults, each from its seed: links that delay, lose, repeat
 * and break one way or both, clocks that differ by up to 5 %, crashes with and without disks, slow
 * disks, pauses, heartbeats that stop, a config group that is silent, suspects the living, adds,
 * removes, elects and gives up, hand-offs, data found to differ. replica_rules.h says what holds
 * after every step. When the faults stop, all is soon open, complete and answered. */
#include "unit/cluster/replica_rules.h"
#include "unit/cluster/seed_range.h"

static struct rates { /* per mille and look, drawn per seed */
    unsigned cut, heal, slow_link, crash, pause, mute, sleep, hand_off, suspect, diverge, elect,
        disk, nop, add, remove, settings, policy, durations, exile, read, confirm, write, view,
        give_up;
} rates;

static int64_t coordinator_from_us; /* it sleeps until then */
static uint32_t exiles;             /* machines cut off from all others, as bits */
static bool is_deaf;                /* they are heard, and hear nobody */
static int64_t exiled_until_us;
static uint32_t full;        /* machine without room on its disk at the end; MACHINES_MAX: none */
static int64_t lost_from_us; /* by the entry ... */
static uint64_t lost_index;  /* ... 0: not lost */

static unsigned draw_rate(unsigned most) {
    return chance(350) ? 0 : 1 + (unsigned)draw(most);
}

/* ---- the config group ---- */

static void declare_down(uint32_t n) {
    const struct member *m = configuration_find_member(world.group, n + 1);
    if (m->state == MEMBER_DOWN)
        return;
    bool is_gone = !is_of_living_process(n + 1);
    if ((is_gone || world.machines[n].is_suspected) && chance(150)) {
        (void)commit_entry(&(struct config_entry){
            .type = CONFIG_DOWN, .member = {.number = n + 1, .incarnation = m->incarnation}});
        world.machines[n].is_suspected = false;
    }
}

static uint32_t any_living_outside(const struct member_set *set, const struct member_set *other) {
    uint32_t from = (uint32_t)draw(world.machine_count);
    for (uint32_t i = 0; i < world.machine_count; i++) {
        uint32_t number = 1 + (from + i) % world.machine_count;
        if (is_of_living_process(number) && !member_set_has(set, number) &&
            !member_set_has(other, number))
            return number;
    }
    return CLUSTER_NOBODY;
}

static bool does_anybody_lead(void) {
    for (uint32_t n = 0; n < world.machine_count; n++)
        if (world.machines[n].is_up && is_primary(world.machines[n].replica))
            return true;
    return false;
}

/* Who was in the last set and has its disk comes back; else the data is given up, when every lease
 * has run out by any clock, or by an operator who has seen to it that nobody serves. */
static void look_after_lost(void) {
    const struct partition_config *p = group_partition();
    if (p->lost_index != lost_index)
        lost_from_us = world.now_us;
    lost_index = p->lost_index;
    if (p->state != PARTITION_LOST)
        return;
    static const struct member_set NONE;
    uint32_t number = any_living_outside(&NONE, &NONE);
    if (number == CLUSTER_NOBODY || !chance(100))
        return;
    int64_t lost_us = world.now_us - lost_from_us;
    bool may_give_up = configuration_may_reset(world.group, 0, lost_us) ||
                       (world.is_calm && !world.is_durable && !does_anybody_lead() &&
                        lost_us > 2 * (int64_t)world.group->longest_config_lease_ms * 1000);
    if (world.is_durable && member_set_has(&p->last, number) && !chance(rates.give_up))
        (void)commit_change(CONFIG_RESTORE, number);
    else if (may_give_up && (!world.is_durable || chance(rates.give_up)))
        (void)commit_change(CONFIG_RESET, number);
}

static void look_after_replicas(void) {
    const struct partition_config *p = group_partition();
    unsigned seats = p->in_sync.count + p->learners.count;
    if (p->state == PARTITION_LOST)
        return;
    if ((seats < world.group->settings.replica_count && chance(300)) || chance(rates.add)) {
        uint32_t number = any_living_outside(&p->in_sync, &p->learners);
        if (number != CLUSTER_NOBODY)
            (void)commit_change(CONFIG_ADD_LEARNER, number);
    }
    if (p->learners.count > 0 && chance(rates.remove))
        (void)commit_change(CONFIG_REMOVE_LEARNER, p->learners.members[draw(p->learners.count)]);
    if (chance(rates.elect))
        (void)commit_change(CONFIG_ELECT, p->in_sync.members[draw(p->in_sync.count)]);
    if (chance(rates.nop))
        (void)commit_change(CONFIG_NOP, CLUSTER_NOBODY);
}

static void set_policy(enum quorum_policy policy) {
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = world.group->settings};
    entry.settings.quorum_policy = policy;
    (void)commit_entry(&entry);
}

static void act_as_coordinator(void) {
    if (world.now_us < coordinator_from_us)
        return;
    for (uint32_t n = 0; n < world.machine_count; n++)
        declare_down(n);
    look_after_lost();
    look_after_replicas();
    if (chance(rates.settings)) {
        struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = world.group->settings};
        entry.settings.min_insync = 1 + (uint32_t)draw(entry.settings.replica_count);
        if (chance(rates.durations)) {
            entry.settings.lease_ms = 20 + 20 * (uint32_t)draw(4);
            entry.settings.config_lease_ms = entry.settings.lease_ms * (1 + (uint32_t)draw(4));
        }
        (void)commit_entry(&entry);
        if (chance(rates.policy))
            set_policy(chance(500) ? QUORUM_MAJORITY : QUORUM_IN_SYNC);
    }
}

/* ---- faults ---- */

static void set_links(bool is_cut) {
    for (uint32_t a = 0; a <= MACHINES_MAX; a++)
        for (uint32_t b = 0; b <= MACHINES_MAX; b++)
            world.links[a][b].is_cut = is_cut;
}

static uint32_t any_end(void) {
    uint32_t end = (uint32_t)draw(world.machine_count + 1);
    return end == world.machine_count ? COORDINATOR : end;
}

/* One link one way, or all of one machine, in, out or both. */
static void cut_links(void) {
    uint32_t a = any_end(), b = any_end();
    if (chance(500)) {
        world.links[a][b].is_cut = true;
        return;
    }
    uint64_t which = 1 + draw(3);
    for (b = 0; b <= MACHINES_MAX; b++) {
        bool is_kept = chance(200);
        world.links[a][b].is_cut |= (which & 1) != 0 && !is_kept;
        world.links[b][a].is_cut |= (which & 2) != 0 && !is_kept;
    }
}

/* Those who are in sync are by themselves for longer than any lease lasts, or the primary hears
 * nobody for so long, and taken to be dead; meanwhile the policy may become another one. */
static void begin_exile(void) {
    const struct partition_config *p = group_partition();
    is_deaf = chance(400);
    for (uint8_t i = 0; i < p->in_sync.count; i++)
        if (!is_deaf || p->in_sync.members[i] == p->primary)
            exiles |= 1u << (p->in_sync.members[i] - 1);
    for (uint32_t n = 0; n < world.machine_count; n++)
        world.machines[n].is_suspected |= (exiles >> n & 1) != 0;
    exiled_until_us = world.now_us + (int64_t)draw(6 * (uint64_t)world.config_lease_us);
    if (chance(rates.policy))
        set_policy(QUORUM_MAJORITY);
}

static void keep_exiles(void) {
    if (exiles != 0 && world.now_us >= exiled_until_us) {
        exiles = 0;
        set_links(false);
    }
    for (uint32_t a = 0; exiles != 0 && a <= MACHINES_MAX; a++)
        for (uint32_t b = 0; b <= MACHINES_MAX; b++)
            world.links[a][b].is_cut |=
                (exiles >> a & 1) != (exiles >> b & 1) && (!is_deaf || (exiles >> b & 1) != 0);
}

static void meddle_with_machine(uint32_t n) {
    struct machine *m = &world.machines[n];
    uint64_t lease = (uint64_t)world.lease_us;
    if (chance(rates.crash))
        crash_machine(n, chance(500) ? (int64_t)draw(3000) : (int64_t)draw(4 * lease));
    if (world.is_durable && m->is_up && chance(rates.disk))
        m->has_failed_disk = true;
    if (chance(rates.pause))
        m->paused_until_us = world.now_us + (int64_t)draw(3 * lease);
    if (chance(rates.mute))
        m->is_mute = !m->is_mute;
    if (chance(rates.suspect))
        m->is_suspected = true;
    if (!m->is_up || m->paused_until_us > world.now_us)
        return;
    if (chance(rates.hand_off))
        (void)step(n, (struct replica_input){.type = REPLICA_HAND_OFF,
                                             .member = 1 + (uint32_t)draw(world.machine_count)});
    if (chance(rates.diverge) && m->replica->role < REPLICA_ELECTED) {
        m->needs_copy = true;
        (void)step(n, (struct replica_input){.type = REPLICA_DIVERGED});
    }
    uint32_t other = (uint32_t)draw(world.machine_count);
    if (!world.machines[other].is_up && chance(100))
        (void)step(n, (struct replica_input){.type = REPLICA_SILENT, .member = other + 1});
}

static void meddle(void) {
    if (chance(rates.cut))
        cut_links();
    if (chance(rates.heal))
        set_links(false);
    if (chance(rates.slow_link))
        world.links[any_end()][any_end()].delay_us = 500 + (int64_t)draw(30000);
    if (chance(rates.sleep))
        coordinator_from_us = world.now_us + (int64_t)draw(2 * (uint64_t)world.config_lease_us);
    for (uint32_t n = 0; n < world.machine_count; n++)
        meddle_with_machine(n);
    if (exiles == 0 && chance(rates.exile))
        begin_exile();
    keep_exiles();
}

/* ---- a run ---- */

static void draw_world(void) {
    static const int64_t DELAYS[] = {500, 2000, 8000, 25000};
    int64_t delay_us = DELAYS[draw(4)];
    world.machine_count = 2 + (uint32_t)draw(MACHINES_MAX - 1);
    world.is_durable = chance(400);
    world.lease_us = 20000 + (int64_t)draw(4) * 20000;
    world.config_lease_us = world.lease_us * (1 + (int64_t)draw(4));
    world.tick_us = 1000 + (int64_t)draw(6000);
    world.disk_us = chance(500) ? 1000 : (int64_t)draw(100000);
    world.slow = draw_rate(100);
    world.duplication = draw_rate(100);
    rates = (struct rates){.cut = draw_rate(30),
                           .heal = 5 + (unsigned)draw(40),
                           .slow_link = draw_rate(20),
                           .crash = draw_rate(8),
                           .pause = draw_rate(10),
                           .mute = draw_rate(10),
                           .sleep = draw_rate(10),
                           .hand_off = draw_rate(60),
                           .suspect = draw_rate(4),
                           .diverge = draw_rate(6),
                           .disk = draw_rate(4),
                           .elect = draw_rate(20),
                           .nop = draw_rate(20),
                           .add = draw_rate(10),
                           .remove = draw_rate(10),
                           .settings = draw_rate(6),
                           .policy = draw_rate(600),
                           .durations = draw_rate(600),
                           .exile = draw_rate(4),
                           .read = 50 + (unsigned)draw(400),
                           .confirm = draw_rate(400),
                           .write = 20 + (unsigned)draw(300),
                           .view = 100 + (unsigned)draw(700),
                           .give_up = draw_rate(300)};
    unsigned loss = draw_rate(150);
    rules_early = draw_rate(1000);
    for (uint32_t a = 0; a <= MACHINES_MAX; a++)
        for (uint32_t b = 0; b <= MACHINES_MAX; b++)
            world.links[a][b] = (struct link){.delay_us = delay_us, .loss = loss};
}

static void draw_machine(uint32_t n) {
    struct machine *m = &world.machines[n];
    static const int64_t SPEEDS[] = {95, 100, 105};
    m->is_up = m->is_mute = m->is_suspected = m->has_failed_disk = false;
    m->incarnation = 0;
    m->offset_us = (int64_t)draw(1000000);
    m->speed_percent = chance(800) ? SPEEDS[draw(3)] : 95 + (int64_t)draw(11);
    m->records_max = chance(500) ? RECORDS_MAX : 12 + draw(40);
    m->paused_until_us = 0;
    m->write_count = 0;
    m->disk.base = (struct log_position){0, 0};
    m->disk.last = m->disk.commit = 0;
    m->disk.is_complete = true;
}

static void found_cluster(void) {
    struct member founders[MACHINES_MAX] = {0};
    for (uint32_t n = 0; n < world.machine_count; n++)
        founders[n] = (struct member){
            .node = {{n + 1, 1}}, .incarnation = 1, .weight = 1, .is_durable = world.is_durable};
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 1 + (uint32_t)draw(world.machine_count);
    settings.replica_count = settings.replica_count > 3 ? 3 : settings.replica_count;
    settings.min_insync = 1 + (uint32_t)(settings.replica_count > 1 && chance(300));
    settings.lease_ms = (uint32_t)(world.lease_us / 1000);
    settings.config_lease_ms = (uint32_t)(world.config_lease_us / 1000);
    settings.quorum_policy = chance(850) ? QUORUM_MAJORITY : QUORUM_IN_SYNC;
    world.group = new_configuration();
    assert_int_equal(configuration_found(world.group, founders, world.machine_count, &settings),
                     LARDER_OK);
}

static void begin(uint64_t seed) {
    world.seed = seed;
    world.random = random_seeded(seed);
    world.violation = NULL;
    world.now_us = 0;
    world.is_calm = false;
    world.entry_count = world.frame_count = 0;
    for (uint32_t i = 0; i < FRAMES_MAX; i++)
        world.frames[i] = &world.pool[i];
    coordinator_from_us = 0;
    exiles = 0;
    lost_index = 0;
    draw_world();
    oracle_begin();
    attempts_begin();
    found_cluster();
    for (uint32_t n = 0; n < world.machine_count; n++) {
        draw_machine(n);
        start_machine(n);
    }
}

static void end(void) {
    for (uint32_t n = 0; n < world.machine_count; n++)
        destroy_process(n);
    configuration_destroy(world.group);
}

static void look_at_group(uint32_t n) {
    const struct machine *m = &world.machines[n];
    if (world.links[COORDINATOR][n].is_cut || world.now_us < coordinator_from_us ||
        m->view->index == world.entry_count || !chance(rates.view))
        return;
    uint64_t behind = world.entry_count - m->view->index;
    see(n, m->view->index + 1 + (chance(500) ? behind - 1 : draw(behind)));
}

static void run_machine(uint32_t n) {
    struct machine *m = &world.machines[n];
    if (m->has_failed_disk && chance(100))
        crash_machine(n, (int64_t)draw(2 * (uint64_t)world.lease_us));
    if (!m->is_up && world.now_us >= m->restart_us)
        start_machine(n);
    if (!m->is_up || m->paused_until_us > world.now_us)
        return;
    if (chance(rates.write))
        (void)ask(n, false);
    if (chance(rates.read))
        (void)ask(n, true);
    if (chance(rates.confirm))
        confirm_reads(n);
    if (world.now_us < m->tick_us)
        return;
    tick_machine(n);
    if (world.is_calm && n == full)
        (void)step(n, (struct replica_input){.type = REPLICA_FULL, .is_full = true});
    look_at_group(n);
}

static void run_once(void) {
    world.now_us += 500 + (int64_t)draw(3000);
    deliver_due(coordinator_from_us);
    act_as_coordinator();
    for (uint32_t n = 0; n < world.machine_count; n++)
        run_machine(n);
}

/* Open where there is room, complete, everything committed everywhere and answered. */
static bool is_settled(void) {
    const struct partition_config *p = group_partition();
    unsigned wanted = world.group->settings.replica_count;
    if (p->state == PARTITION_LOST || p->in_sync.count < wanted)
        return false;
    for (uint32_t n = 0; n < world.machine_count; n++) {
        const struct machine *m = &world.machines[n];
        if (!m->is_up || m->view->index != world.entry_count || m->replica->request_count > 0)
            return false;
        bool is_in_sync = member_set_has(&p->in_sync, n + 1);
        if (is_in_sync && (m->replica->commit != oracle.length || m->replica->is_unsynced ||
                           m->replica->log.last != oracle.length))
            return false;
        bool is_full = n == full && p->in_sync.count > 1;
        if (p->primary == n + 1 && (m->replica->role != REPLICA_OPEN || is_full))
            return false;
    }
    return true;
}

static void calm_down(void) {
    rates = (struct rates){.view = 1000, .give_up = rates.give_up == 0 ? 0 : 300};
    world.is_calm = true;
    full = chance(300) ? (uint32_t)draw(world.machine_count) : MACHINES_MAX;
    exiles = 0;
    world.slow = world.duplication = 0;
    coordinator_from_us = 0;
    world.disk_us = 1000;
    for (uint32_t a = 0; a <= MACHINES_MAX; a++)
        for (uint32_t b = 0; b <= MACHINES_MAX; b++)
            world.links[a][b] = (struct link){.delay_us = 1000};
    for (uint32_t n = 0; n < world.machine_count; n++) {
        struct machine *m = &world.machines[n];
        m->is_mute = m->is_suspected = false;
        m->restart_us = m->paused_until_us = world.now_us;
    }
    int64_t until_us = world.now_us + 40 * world.lease_us + 8 * world.config_lease_us + 1000000;
    uint32_t last_write = 0;
    while (world.violation == NULL && world.now_us < until_us) {
        run_once();
        if (world.violation != NULL || !is_settled())
            continue;
        if (last_write != 0 && oracle.requests[last_write].is_answered)
            return;
        last_write = ask(group_partition()->primary - 1, false);
    }
    if (world.entry_count < ENTRIES_MAX && oracle.request_count < REQUESTS_MAX)
        violate(0, "no progress after the faults stopped");
}

static void print_machines(void) {
    const struct partition_config *p = group_partition();
    print_message("group: entry %u, epoch %llu, term %llu, primary %u, %u in sync, %u learners; "
                  "%llu committed\n",
                  world.entry_count, (unsigned long long)p->epoch, (unsigned long long)p->term,
                  p->primary, p->in_sync.count, p->learners.count,
                  (unsigned long long)oracle.length);
    for (uint32_t n = 0; n < world.machine_count; n++) {
        const struct machine *m = &world.machines[n];
        if (!m->is_up)
            continue;
        const struct partition_replica *r = m->replica;
        print_message("%u.%llu: %s of term %llu, view %llu, log %llu..%llu, commit %llu%s%s\n",
                      n + 1, (unsigned long long)m->incarnation, replica_role_name(r->role),
                      (unsigned long long)r->view.term, (unsigned long long)r->view_index,
                      (unsigned long long)r->log.base.sequence, (unsigned long long)r->log.last,
                      (unsigned long long)r->commit, r->is_unsynced ? ", not complete" : "",
                      r->request_count > 0 ? ", has requests" : "");
    }
}

static void run(uint64_t seed) {
    begin(seed);
    int64_t until_us = 200000 + (int64_t)draw(600000);
    while (world.violation == NULL && world.now_us < until_us) {
        meddle();
        run_once();
    }
    if (world.violation == NULL)
        calm_down();
    if (world.violation != NULL) {
        print_machines();
        fail_msg("LARDER_TEST_SEED=%llu, %lld us, machine %u: %s", (unsigned long long)seed,
                 (long long)world.now_us, world.violator + 1, world.violation);
    }
    end();
}

static void replicas_keep_their_promises(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(400);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    print_message(
        "%llu commits, %llu writes (%llu early) and %llu reads (%llu by a round) answered, "
        "%llu terms opened, "
        "%llu moved, %llu resets, %llu restores, %llu hand-offs, %llu expansions\n",
        (unsigned long long)oracle.commits, (unsigned long long)oracle.writes,
        (unsigned long long)oracle.early, (unsigned long long)oracle.reads,
        (unsigned long long)oracle.rounds, (unsigned long long)oracle.opened,
        (unsigned long long)oracle.moved, (unsigned long long)oracle.resets,
        (unsigned long long)oracle.restores, (unsigned long long)oracle.hand_offs,
        (unsigned long long)oracle.expansions);
    if (seeds.count < 200)
        return;
    assert_true(oracle.opened > seeds.count && oracle.expansions > seeds.count &&
                oracle.writes > 10 * seeds.count && oracle.reads > 10 * seeds.count &&
                oracle.early > seeds.count && oracle.rounds > seeds.count / 4);
    assert_true(oracle.moved > seeds.count / 25 && oracle.resets > seeds.count / 20 &&
                oracle.restores > seeds.count / 10 && oracle.hand_offs > seeds.count / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicas_keep_their_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
