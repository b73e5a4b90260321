/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about whole members: what happens to primaries, copies and clients when the worst comes
 * at the worst moment. Every partition has three replicas; data is in memory. */
#include "sim/cluster_protocol.h"
#include "sim/scenario.h"
#include "sim/subject_cluster.h"

enum { KEY = 1, OTHER_KEY = 2, COUNTER = 4, SET_KEY = 6, NONE = UINT32_MAX };

/* ---- who is who ---- */

static struct cluster_member *member_at(const struct scenario *s, uint32_t machine) {
    const struct sim_machine *m = &s->world->machines[machine];
    return machine_is_running(m) ? cluster_process_member(m->process) : NULL;
}

static uint32_t machine_of(const struct scenario *s, uint32_t number) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (member_at(s, i) != NULL && number != CLUSTER_NOBODY &&
            member_number(member_at(s, i)) == number)
            return i;
    return NONE;
}

static uint32_t partition_of(const struct scenario *s, uint64_t key) {
    uint8_t name[INT64_TEXT_MAX + 1];
    struct slice text = slice_of(name, cluster_key_name(key, name));
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (member_at(s, i) != NULL)
            return cluster_data_partition_of(cluster_process_data(s->world->machines[i].process),
                                             text);
    return 0;
}

static const struct partition_config *config_of(const struct scenario *s, uint64_t key) {
    return cluster_oracle_partition(cluster_subject_oracle(s->subject), partition_of(s, key));
}

static uint32_t primary_of(const struct scenario *s, uint64_t key) {
    return machine_of(s, config_of(s, key)->primary);
}

static uint32_t backup_of(const struct scenario *s, uint64_t key, uint32_t which) {
    const struct partition_config *config = config_of(s, key);
    for (uint8_t i = 0; i < config->in_sync.count; i++)
        if (config->in_sync.members[i] != config->primary && which-- == 0)
            return machine_of(s, config->in_sync.members[i]);
    return NONE;
}

static const struct partition_replica *replica_at(const struct scenario *s, uint32_t machine,
                                                  uint64_t key) {
    if (machine == NONE || member_at(s, machine) == NULL)
        return NULL;
    return cluster_data_replica(cluster_process_data(s->world->machines[machine].process),
                                partition_of(s, key));
}

static bool has_role(const struct scenario *s, uint32_t machine, uint64_t key,
                     enum replica_role role) {
    const struct partition_replica *r = replica_at(s, machine, key);
    return r != NULL && r->role == role;
}

/* ---- what clients do ---- */

/* Ask the primary until it answers. */
static bool ask(struct scenario *s, uint64_t key, enum operation_kind kind, uint64_t a, int64_t ms,
                struct scenario_answer *out) {
    int64_t end_us = s->world->now_us + ms * 1000;
    while (s->world->now_us < end_us && s->world->violation == NULL) {
        uint32_t primary = primary_of(s, key);
        if (primary != NONE) {
            *out = scenario_ask(s, primary, key, kind, a, 0);
            if (out->outcome == OUTCOME_DONE)
                return s->world->now_us <= end_us;
        }
        scenario_wait(s, 5);
    }
    return false;
}

static void write(struct scenario *s, uint64_t key, uint64_t value, int64_t ms, const char *what) {
    struct scenario_answer answer;
    scenario_expect(s, ask(s, key, OPERATION_WRITE, value, ms, &answer), what);
}

static void expect_value(struct scenario *s, uint64_t key, uint64_t value) {
    struct scenario_answer answer = {0};
    scenario_expect(s, ask(s, key, OPERATION_READ, 0, 8000, &answer), "a read is answered");
    scenario_expect(s, answer.value == value, "the read sees the last acknowledged write");
}

static void begin(struct scenario *s) {
    scenario_wait(s, 2000);
    scenario_expect(s, scenario_settles(s, 8000), "a new cluster settles");
    write(s, KEY, 10, 2000, "a new cluster accepts a write");
}

static void end(struct scenario *s, uint64_t value) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(&s->world->machines[i]);
    scenario_expect(s, scenario_settles(s, 15000), "everything is available and complete again");
    expect_value(s, KEY, value);
}

static void wait_for_role(struct scenario *s, uint64_t key, enum replica_role role, int64_t ms,
                          uint32_t *out) {
    int64_t end_us = s->world->now_us + ms * 1000;
    *out = NONE;
    while (*out == NONE && s->world->now_us < end_us && s->world->violation == NULL) {
        for (uint32_t i = 0; i < s->world->options.machine_count; i++)
            if (has_role(s, i, key, role))
                *out = i;
        if (*out == NONE)
            scenario_wait(s, 1);
    }
}

/* ---- failovers ---- */

static void primary_lost(struct scenario *s) {
    begin(s);
    int64_t lost_us = s->world->now_us;
    machine_crash(scenario_machine(s, primary_of(s, KEY)));
    scenario_wait(s, 1);
    write(s, KEY, 11, 1000, "a write is accepted within a second of the primary's death");
    scenario_expect(s, s->world->now_us - lost_us < 1000000, "in less than a second");
    end(s, 11);
}

/* The one elected dies before it opens. */
static void double_failover(struct scenario *s) {
    begin(s);
    uint32_t next;
    machine_crash(scenario_machine(s, primary_of(s, KEY)));
    wait_for_role(s, KEY, REPLICA_ELECTED, 3000, &next);
    scenario_expect(s, next != NONE, "somebody is elected");
    if (next != NONE)
        machine_crash(scenario_machine(s, next));
    write(s, KEY, 11, 8000, "the third replica goes on");
    end(s, 11);
}

/* It is back, without data, before anybody noticed that it was gone. */
static void empty_fast_restart(struct scenario *s) {
    for (uint32_t round = 0; round < 5; round++) {
        if (round == 0)
            begin(s);
        uint32_t primary = primary_of(s, KEY);
        machine_crash(scenario_machine(s, primary));
        scenario_wait(s, 3);
        scenario_expect(s, machine_start(scenario_machine(s, primary)), "it starts");
        expect_value(s, KEY, 10 + round);
        write(s, KEY, 11 + round, 8000, "writes go on");
        scenario_expect(s, scenario_settles(s, 15000), "it gets its data again");
    }
    end(s, 15);
}

static void last_replica_standing(struct scenario *s) {
    begin(s);
    uint32_t first = backup_of(s, KEY, 0), second = backup_of(s, KEY, 1);
    machine_crash(scenario_machine(s, first));
    write(s, KEY, 11, 3000, "writes go on with two replicas");
    machine_crash(scenario_machine(s, second));
    write(s, KEY, 12, 3000, "writes go on with one");
    end(s, 12);
}

static void coordinator_and_primary_lost(struct scenario *s) {
    begin(s);
    uint32_t primary = primary_of(s, KEY), coordinator = scenario_important(s);
    machine_crash(scenario_machine(s, coordinator));
    if (primary != coordinator)
        machine_crash(scenario_machine(s, primary));
    write(s, KEY, 11, 4000, "writes go on after an election of each");
    end(s, 11);
}

/* Everybody who had the data is gone: the cache goes on, empty, and says so. */
static void all_replicas_lost(struct scenario *s) {
    begin(s);
    uint32_t members[3] = {primary_of(s, KEY), backup_of(s, KEY, 0), backup_of(s, KEY, 1)};
    for (uint32_t i = 0; i < 3; i++)
        machine_crash(scenario_machine(s, members[i]));
    for (uint32_t i = 0; i < 3; i++)
        (void)machine_start(scenario_machine(s, members[i]));
    write(s, KEY, 12, 20000, "the partition is there again");
    int64_t from_us, until_us;
    scenario_expect(s,
                    cluster_oracle_reset(cluster_subject_oracle(s->subject), partition_of(s, KEY),
                                         0, &from_us, &until_us),
                    "its data was given up, by an entry that says so");
    end(s, 12);
}

/* A request about the lock at its primary, until it is answered. Returns the token. */
static uint64_t ask_lock(struct scenario *s, const struct lock_client_command *command) {
    struct lock_client *client = &cluster_subject_locks(s->subject)->each[0];
    int64_t end_us = s->world->now_us + 20000000;
    while (s->world->now_us < end_us && s->world->violation == NULL) {
        uint32_t primary = primary_of(s, KEY);
        if (primary != NONE) {
            lock_client_request(client, primary, command);
            while (client->is_waiting && s->world->violation == NULL)
                scenario_wait(s, 1);
            if (client->outcome == OUTCOME_DONE)
                return client->result_token;
        }
        scenario_wait(s, 5);
    }
    scenario_expect(s, false, "a lock request is answered");
    return 0;
}

/* Nobody remembers a token, and all new ones are newer; the old ones are worth nothing. */
static void token_after_total_loss(struct scenario *s) {
    const struct lock_clients *locks = cluster_subject_locks(s->subject);
    struct lock_client_command acquire = {.type = LOCK_REQUEST_ACQUIRE, .hold_ms = 60000};
    begin(s);
    while (acquire.lock < LOCK_CLIENT_LOCKS &&
           lock_clients_partition(locks, acquire.lock) != partition_of(s, KEY))
        acquire.lock++;
    scenario_expect(s, acquire.lock < LOCK_CLIENT_LOCKS, "the partition has a lock");
    if (s->world->violation != NULL)
        return;
    uint64_t before = ask_lock(s, &acquire);
    struct lock_client_command old_write = {
        .is_write = true, .lock = acquire.lock, .token = before};
    (void)ask_lock(s, &old_write);
    scenario_expect(s, before > 0 && !locks->each[0].is_stale, "its token is good");
    uint32_t members[3] = {primary_of(s, KEY), backup_of(s, KEY, 0), backup_of(s, KEY, 1)};
    for (uint32_t i = 0; i < 3; i++)
        machine_crash(scenario_machine(s, members[i]));
    for (uint32_t i = 0; i < 3; i++)
        (void)machine_start(scenario_machine(s, members[i]));
    write(s, KEY, 12, 20000, "the partition is there again");
    int64_t from_us, until_us;
    scenario_expect(s,
                    cluster_oracle_reset(cluster_subject_oracle(s->subject), partition_of(s, KEY),
                                         0, &from_us, &until_us),
                    "its data was given up");
    uint64_t after = ask_lock(s, &acquire);
    scenario_expect(s, after > before, "the next token is larger than any before");
    (void)ask_lock(s, &old_write);
    scenario_expect(s, locks->each[0].is_stale, "the old token is refused");
    end(s, 12);
}

/* ---- leases ---- */

/* A read is under way when the primary stops for longer than its lease; meanwhile others go on. */
static void pause_past_lease(struct scenario *s) {
    begin(s);
    uint32_t primary = primary_of(s, KEY);
    scenario_begin(s, 1, primary, KEY, OPERATION_READ, 0, 0);
    scenario_begin(s, 2, primary, KEY, OPERATION_WRITE, 77, 0);
    world_run_for(s->world, 300);
    machine_pause(scenario_machine(s, primary), 1500000);
    scenario_wait(s, 900);
    write(s, KEY, 11, 5000, "somebody else goes on");
    scenario_expect(s, primary_of(s, KEY) != primary, "another primary");
    scenario_wait(s, 3000);
    struct scenario_answer answer = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE || answer.value != 10,
                    "the old primary shows nothing old");
    scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
}

static void cut_one_way(struct scenario *s) {
    begin(s);
    for (uint64_t round = 0; round < 2; round++) {
        uint32_t primary = primary_of(s, KEY);
        uint32_t others = 31u & ~(1u << primary);
        scenario_cut_off(s, round == 0 ? 1u << primary : others, true);
        scenario_begin(s, 1, primary, KEY, OPERATION_READ, 0, 0);
        write(s, KEY, 11 + round, 8000, "writes go on");
        scenario_heal(s);
        scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
    }
    end(s, 12);
}

/* The side without a majority of the voters accepts nothing, and loses nothing. */
static void minority(struct scenario *s) {
    begin(s);
    uint32_t primary = primary_of(s, KEY);
    uint32_t friend = (primary + 1) % 5;
    scenario_cut_off(s, 1u << primary | 1u << friend, false);
    scenario_wait(s, 3000);
    struct scenario_answer answer = scenario_ask(s, primary, KEY, OPERATION_WRITE, 99, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "a minority accepts nothing");
    answer = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
    scenario_expect(s, answer.outcome != OUTCOME_DONE, "and answers nothing");
    write(s, OTHER_KEY, 21, 8000, "the majority goes on");
    scenario_heal(s);
    scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
    expect_value(s, OTHER_KEY, 21);
}

static void clock_jumps(struct scenario *s) {
    static const int64_t JUMPS_US[] = {3600000000, -7200000000, 86400000000, -86400000000, 1000};
    begin(s);
    for (uint64_t i = 0; i < 5; i++) {
        machine_jump_wall(scenario_machine(s, primary_of(s, KEY)), JUMPS_US[i]);
        write(s, KEY, 11 + i, 3000, "writes go on after a jump of the wall clock");
        machine_crash(scenario_machine(s, primary_of(s, KEY)));
        write(s, COUNTER, 5 + i, 5000, "and after a failover");
        expect_value(s, KEY, 11 + i);
        end(s, 11 + i);
    }
}

/* ---- copies and hand-offs ---- */

/* A machine gets an empty disk and is a new node, which needs copies. Returns it when one has begun
 * for the key's partition. */
static uint32_t begin_copy(struct scenario *s, uint64_t key) {
    uint32_t receiver = NONE, backup = backup_of(s, key, 0);
    if (backup == NONE)
        return NONE;
    struct sim_machine *machine = scenario_machine(s, backup);
    machine_crash(machine);
    machine_replace(machine);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
    wait_for_role(s, key, REPLICA_LEARNER, 10000, &receiver);
    return receiver;
}

/* Somebody crashes so many milliseconds after a copy has begun. */
static void crash_in_copy(struct scenario *s, uint32_t victim, int64_t after_ms, uint64_t value) {
    uint32_t receiver = begin_copy(s, KEY);
    scenario_expect(s, receiver != NONE, "a copy begins");
    if (receiver == NONE)
        return;
    scenario_begin(s, 1, primary_of(s, KEY), OTHER_KEY, OPERATION_WRITE, value, 0);
    scenario_wait(s, after_ms);
    uint32_t who = victim == 0   ? receiver
                   : victim == 1 ? primary_of(s, KEY)
                                 : scenario_important(s);
    if (who != NONE)
        machine_crash(scenario_machine(s, who));
    write(s, KEY, value, 8000, "writes go on");
    end(s, value);
}

static void crash_at_each_step_of_a_copy(struct scenario *s) {
    static const int64_t AFTER_MS[] = {0, 1, 2, 3, 5, 8, 15, 30, 60, 120};
    uint64_t value = 10;
    begin(s);
    for (uint32_t i = 0; i < 10; i++)
        for (uint32_t victim = 0; victim < 3 && s->world->violation == NULL; victim++)
            crash_in_copy(s, victim, AFTER_MS[i], ++value);
}

/* The primary, its successor or the coordinator dies, so many microseconds after a hand-off began.
 */
static void crash_in_hand_off(struct scenario *s, uint32_t victim, int64_t after_us,
                              uint64_t value) {
    uint32_t primary = primary_of(s, KEY), next = backup_of(s, KEY, 0);
    scenario_expect(s, primary != NONE && next != NONE, "there is somebody to hand over to");
    if (s->world->violation != NULL)
        return;
    scenario_begin(s, 1, primary, KEY, OPERATION_WRITE, value, 0);
    cluster_data_hand_off(cluster_process_data(scenario_machine(s, primary)->process),
                          partition_of(s, KEY), member_number(member_at(s, next)));
    world_run_for(s->world, after_us);
    uint32_t who = victim == 0 ? primary : victim == 1 ? next : scenario_important(s);
    if (who != NONE)
        machine_crash(scenario_machine(s, who));
    while (s->clients->each[1].is_waiting && s->world->violation == NULL)
        scenario_wait(s, 5);
    write(s, KEY, value + 1, 8000, "writes go on");
    end(s, value + 1);
}

static void crash_at_each_step_of_a_hand_off(struct scenario *s) {
    uint64_t value = 11;
    begin(s);
    for (uint32_t i = 0; i < 12; i++)
        for (uint32_t victim = 0; victim < 3 && s->world->violation == NULL; victim++) {
            crash_in_hand_off(s, victim, 200 * i, value);
            value += 2;
        }
}

/* What is deleted while it is copied does not come back with the copy. */
static void delete_during_copy(struct scenario *s) {
    struct scenario_answer answer;
    begin(s);
    scenario_expect(s, ask(s, SET_KEY, OPERATION_SET_ADD, 3, 2000, &answer), "a member is added");
    uint32_t receiver = begin_copy(s, SET_KEY);
    scenario_expect(s, receiver != NONE, "a copy begins");
    scenario_expect(s, ask(s, SET_KEY, OPERATION_SET_REMOVE, 3, 2000, &answer),
                    "the last member is removed while the copy is under way");
    scenario_expect(s, answer.is_done, "it was there");
    scenario_expect(s, scenario_settles(s, 15000), "the copy ends");
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (i != receiver)
            machine_crash(scenario_machine(s, i));
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
    scenario_expect(s, ask(s, SET_KEY, OPERATION_READ, 0, 20000, &answer), "a read is answered");
    scenario_expect(s, answer.value == 0, "what was deleted stays deleted");
}

/* The learner is reborn, empty, while the config group decides whether it is in sync. */
static void expand_against_a_reborn_member(struct scenario *s) {
    uint64_t value = 10;
    begin(s);
    for (int64_t us = 500; us < 20000; us += 500) {
        uint32_t receiver = begin_copy(s, KEY);
        scenario_expect(s, receiver != NONE, "a copy begins");
        if (receiver == NONE)
            return;
        world_run_for(s->world, us);
        machine_crash(scenario_machine(s, receiver));
        (void)machine_start(scenario_machine(s, receiver));
        write(s, KEY, ++value, 8000, "writes go on");
        end(s, value);
    }
}

/* ---- clients ---- */

static void stale_client_table(struct scenario *s) {
    begin(s);
    uint32_t before = primary_of(s, KEY);
    machine_crash(scenario_machine(s, before));
    write(s, KEY, 11, 5000, "writes go on");
    (void)machine_start(scenario_machine(s, before));
    scenario_expect(s, scenario_settles(s, 15000), "it is back");
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        struct scenario_answer answer = scenario_ask(s, i, KEY, OPERATION_READ, 0, 0);
        scenario_expect(s, answer.outcome == OUTCOME_DONE ? answer.value == 11 : true,
                        "nobody but the primary answers for it");
    }
    end(s, 11);
}

/* Executed, and the primary dies before the reply: sent again, it is not executed again. */
static void retry_after_failover(struct scenario *s) {
    uint64_t total = 0;
    begin(s);
    for (int64_t us = 100; us < 3000; us += 150) {
        uint32_t primary = primary_of(s, COUNTER);
        scenario_begin(s, 1, primary, COUNTER, OPERATION_ADD, 1, 0);
        world_run_for(s->world, us);
        machine_crash(scenario_machine(s, primary));
        while (s->clients->each[1].is_waiting && s->world->violation == NULL)
            scenario_wait(s, 5);
        bool is_done = s->clients->each[1].outcome == OUTCOME_DONE;
        struct scenario_answer answer = {0};
        scenario_expect(s, ask(s, COUNTER, OPERATION_READ, 0, 8000, &answer), "a read is answered");
        scenario_expect(s, answer.value <= total + 1, "it was executed once at most");
        scenario_expect(s, !is_done || answer.value == total + 1, "if it was answered, once");
        total = answer.value;
        end(s, 10);
    }
}

/* ---- disks ---- */

static void coordinator_disk_full(struct scenario *s) {
    begin(s);
    uint32_t coordinator = scenario_important(s);
    scenario_machine(s, coordinator)->disk.is_full = true;
    uint32_t primary = primary_of(s, KEY);
    if (primary != coordinator)
        machine_crash(scenario_machine(s, primary));
    write(s, KEY, 11, 8000, "a failover happens although the coordinator can't store it");
    scenario_machine(s, coordinator)->disk.is_full = false;
    end(s, 11);
}

#define SCRIPT(name, about, function)                                                              \
    { name, about, function, &CLUSTER_SCRIPT_SUBJECT }

const struct scenario_type CLUSTER_SCENARIOS[] = {
    SCRIPT("primary-lost", "a primary dies; another accepts writes within a second", primary_lost),
    SCRIPT("double-failover", "the one elected dies before it opens", double_failover),
    SCRIPT("empty-fast-restart", "a primary is back, empty, within the detection time",
           empty_fast_restart),
    SCRIPT("last-replica-standing", "two of three replicas die", last_replica_standing),
    SCRIPT("coordinator-and-primary", "both are lost together", coordinator_and_primary_lost),
    SCRIPT("all-replicas-lost", "LOST, then RESET, and everybody knows", all_replicas_lost),
    SCRIPT("token-after-total-loss", "tokens grow although all replicas are lost",
           token_after_total_loss),
    SCRIPT("pause-past-lease", "a primary sleeps between check and reply", pause_past_lease),
    SCRIPT("primary-cut-one-way", "it is heard and does not hear, and the other way round",
           cut_one_way),
    SCRIPT("minority", "two of five cut off with a primary", minority),
    SCRIPT("cluster-clock-jumps", "wall clocks jump by hours and days over failovers", clock_jumps),
    SCRIPT("crash-in-copy", "receiver, primary, coordinator: at each step of a copy",
           crash_at_each_step_of_a_copy),
    SCRIPT("crash-in-hand-off", "primary, successor, coordinator: at each step",
           crash_at_each_step_of_a_hand_off),
    SCRIPT("delete-during-copy", "what is deleted while it moves stays deleted",
           delete_during_copy),
    SCRIPT("expand-reborn", "EXPAND of a learner that was reborn empty",
           expand_against_a_reborn_member),
    SCRIPT("stale-client-table", "clients ask who was the primary", stale_client_table),
    SCRIPT("retry-after-failover", "a request is sent again to another primary",
           retry_after_failover),
    SCRIPT("cluster-disk-full", "the coordinator's disk is full when a primary dies",
           coordinator_disk_full),
    {0},
};
