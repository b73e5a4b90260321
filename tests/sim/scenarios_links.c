/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts about who may go on when members live and do not hear each other, and about locks when
 * their primary goes. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

static uint64_t epoch_of(const struct scenario *s, uint64_t key) {
    return script_config_of(s, key)->epoch;
}

/* ---- one link ---- */

static void cut_link(struct scenario *s, uint32_t a, uint32_t b) {
    world_note(s->world, "cut the link between machines", a, b);
    network_cut(&s->world->network, a, b);
    network_cut(&s->world->network, b, a);
}

/* Everybody hears everybody but these two. The backup goes, or the primary: never both. */
static void one_link_cut(struct scenario *s) {
    uint64_t value = 10;
    script_begin(s);
    for (uint32_t round = 0; round < 8 && s->world->violation == NULL; round++) {
        world_run_for(s->world, 7000 * round);
        uint32_t primary = script_primary_of(s, KEY), backup = script_backup_of(s, KEY, round % 2);
        const struct partition_config before = *script_config_of(s, KEY);
        uint32_t number = member_number(script_member_at(s, backup));
        /* if the coordinator is one of them, the other can't ask it for anything */
        uint32_t coordinator = scenario_important(s);
        bool is_far = primary != coordinator && backup != coordinator;
        cut_link(s, primary, backup);
        script_write(s, KEY, ++value, is_far ? 1000 : 3500, "writes go on in time");
        while (s->world->violation == NULL && epoch_of(s, KEY) == before.epoch)
            scenario_wait(s, 1);
        scenario_wait(s, 3000);
        const struct partition_config *after = script_config_of(s, KEY);
        bool is_moved = after->term != before.term;
        bool is_shrunk = !member_set_has(&after->in_sync, number);
        scenario_expect(s, is_moved != is_shrunk, "one of the two gave way, not both");
        scenario_expect(s, after->term <= before.term + 1, "and nobody after that");
        scenario_heal(s);
        script_end(s, value);
    }
}

/* ---- policy isr ---- */

/* Two replicas; found a cluster with this policy. */
static void begin_with(struct scenario *s, enum quorum_policy policy) {
    struct cluster_sim_settings *settings = cluster_subject_settings(s->subject);
    settings->cluster.quorum_policy = policy;
    settings->cluster.replica_count = 2;
    script_restart(s);
    script_begin(s);
}

static void cut_off_replicas(struct scenario *s, uint32_t *primary) {
    *primary = script_primary_of(s, KEY);
    scenario_expect(s, script_config_of(s, KEY)->in_sync.count == 2, "two are in sync");
    if (s->world->violation == NULL)
        scenario_cut_off(s, 1u << *primary | 1u << script_backup_of(s, KEY, 0), false);
}

/* The in-sync set is together, on the side of the minority: it goes on, the majority does not, and
 * nothing of it is lost. */
static void isr_split(struct scenario *s) {
    uint32_t primary;
    begin_with(s, QUORUM_IN_SYNC);
    cut_off_replicas(s, &primary);
    for (uint64_t i = 0; i < 40 && s->world->violation == NULL; i++) {
        struct scenario_answer answer = scenario_ask(s, primary, KEY, OPERATION_WRITE, 100 + i, 0);
        scenario_expect(s, answer.outcome == OUTCOME_DONE, "the in-sync set goes on");
        answer = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
        scenario_expect(s, answer.outcome == OUTCOME_DONE && answer.value == 100 + i,
                        "for reads too");
        scenario_wait(s, 250);
    }
    scenario_expect(s, script_config_of(s, KEY)->state == PARTITION_LOST,
                    "to the majority it is lost, and held");
    int64_t from_us, until_us;
    scenario_expect(s,
                    !cluster_oracle_reset(cluster_subject_oracle(s->subject),
                                          script_partition_of(s, KEY), 0, &from_us, &until_us),
                    "nobody began without the data");
    scenario_heal(s);
    script_end(s, 139);
}

/* The same by the default: the majority gives the data up while those who have it live, and by then
 * they have stopped. */
static void reset_while_the_old_set_lives(struct scenario *s) {
    uint32_t primary, done = 0;
    int64_t from_us, until_us;
    bool is_reset = false;
    begin_with(s, QUORUM_MAJORITY);
    cut_off_replicas(s, &primary);
    scenario_wait(s, 600);
    for (uint32_t i = 0; i < 600 && !is_reset && s->world->violation == NULL; i++) {
        struct scenario_answer answer = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
        done += answer.outcome == OUTCOME_DONE;
        is_reset = cluster_oracle_reset(cluster_subject_oracle(s->subject),
                                        script_partition_of(s, KEY), 0, &from_us, &until_us);
        scenario_wait(s, 20);
    }
    scenario_expect(s, is_reset, "the data is given up");
    scenario_expect(s, done > 0, "after the old primary had answered for a while");
    for (uint32_t i = 0; i < 10 && s->world->violation == NULL; i++) {
        struct scenario_answer read = scenario_ask(s, primary, KEY, OPERATION_READ, 0, 0);
        struct scenario_answer write = scenario_ask(s, primary, KEY, OPERATION_WRITE, 99, 0);
        scenario_expect(s, machine_is_running(scenario_machine(s, primary)), "it lives");
        scenario_expect(s, read.outcome != OUTCOME_DONE && write.outcome != OUTCOME_DONE,
                        "and neither reads nor writes");
    }
    script_write(s, KEY, 12, 8000, "a new set goes on, empty");
    scenario_heal(s);
    script_end(s, 12);
}

/* ---- who stood still ---- */

static uint32_t count_down(const struct scenario *s, uint32_t but) {
    const struct configuration *c =
        cluster_oracle_configuration(cluster_subject_oracle(s->subject));
    uint32_t down = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        down += c->members[i].state == MEMBER_DOWN &&
                cluster_sim_machine(&c->members[i].address) != but;
    return down;
}

/* Grows with every change of a partition. */
static uint64_t sum_epochs(const struct scenario *s) {
    const struct configuration *c =
        cluster_oracle_configuration(cluster_subject_oracle(s->subject));
    uint64_t sum = 0;
    for (uint32_t p = 0; p < c->partition_count; p++)
        sum += c->partitions[p].epoch;
    return sum;
}

/* It hears nobody meanwhile, and blames nobody for it. */
static void stalled_observer(struct scenario *s) {
    static const int64_t STALLS_MS[] = {100, 200, 300, 400, 600, 1000, 2500};
    script_begin(s);
    for (uint32_t i = 0; i < 7; i++)
        for (uint32_t role = 0; role < 2 && s->world->violation == NULL; role++) {
            uint32_t who = scenario_important(s);
            if (role == 1)
                who = scenario_other(s, who);
            scenario_wait(s, 2000);
            uint64_t before = sum_epochs(s);
            world_run_for(s->world, 13000 * i);
            machine_pause(scenario_machine(s, who), STALLS_MS[i] * 1000);
            for (uint32_t ms = 0; ms < STALLS_MS[i] + 1500 && s->world->violation == NULL; ms++) {
                scenario_wait(s, 1);
                if (count_down(s, who) > 0)
                    scenario_expect(s, false, "nobody but who stood still is declared down");
            }
            scenario_expect(s, STALLS_MS[i] > 200 || sum_epochs(s) == before,
                            "a stall that nobody misses changes nothing");
            scenario_expect(s, scenario_settles(s, 15000), "everything is available again");
        }
    script_end(s, 10);
}

/* ---- locks ---- */

/* Whoever holds a lock holds it after a failover, and its token is good until somebody else's is.
 */
static void lock_over_failover(struct scenario *s) {
    struct lock_client_command acquire = {.type = LOCK_REQUEST_ACQUIRE, .hold_ms = 60000};
    script_begin(s);
    acquire.lock = script_lock_beside(s, KEY);
    for (uint32_t round = 0; round < 4 && s->world->violation == NULL; round++) {
        uint64_t token = script_ask_lock(s, 0, &acquire)->result_token;
        struct lock_client_command write = {.is_write = true, .lock = acquire.lock, .token = token};
        struct lock_client_command renew = {
            .type = LOCK_REQUEST_RENEW, .lock = acquire.lock, .token = token, .hold_ms = 60000};
        struct lock_client_command release = {
            .type = LOCK_REQUEST_RELEASE, .lock = acquire.lock, .token = token};
        scenario_expect(s, !script_ask_lock(s, 0, &write)->is_stale, "the token is good");
        machine_crash(scenario_machine(s, script_primary_of(s, KEY)));
        world_run_for(s->world, 500 + 4000 * round);
        scenario_expect(s, script_ask_lock(s, 1, &acquire)->answer == LOCK_HELD,
                        "after the failover nobody else gets it");
        scenario_expect(s, !script_ask_lock(s, 0, &write)->is_stale, "the token is good still");
        scenario_expect(s, script_ask_lock(s, 0, &renew)->answer == LOCK_DONE,
                        "and can be renewed");
        scenario_expect(s, script_ask_lock(s, 0, &release)->answer == LOCK_DONE, "and given back");
        const struct lock_client *next = script_ask_lock(s, 1, &acquire);
        scenario_expect(s, next->answer == LOCK_GRANTED && next->result_token > token,
                        "the next one gets a newer token");
        struct lock_client_command newer = {
            .is_write = true, .lock = acquire.lock, .token = next->result_token};
        scenario_expect(s, !script_ask_lock(s, 1, &newer)->is_stale, "which is good");
        machine_crash(scenario_machine(s, script_primary_of(s, KEY)));
        scenario_expect(s, script_ask_lock(s, 0, &write)->is_stale,
                        "and the old one is refused, also by yet another primary");
        release.token = newer.token;
        scenario_expect(s, script_ask_lock(s, 1, &release)->answer == LOCK_DONE,
                        "it is given back");
        script_end(s, 10);
    }
}

const struct scenario_type LINKS_SCENARIOS[] = {
    CLUSTER_SCRIPT("one-link-cut", "primary and backup do not hear each other, others hear both",
                   one_link_cut),
    CLUSTER_SCRIPT("isr-split", "policy isr: the in-sync set goes on in a minority", isr_split),
    CLUSTER_SCRIPT("reset-while-alive", "RESET while those who have the data live, cut off",
                   reset_while_the_old_set_lives),
    CLUSTER_SCRIPT("stalled-observer", "who stood still accuses nobody", stalled_observer),
    CLUSTER_SCRIPT("lock-over-failover", "a lock, its token and fenced writes over failovers",
                   lock_over_failover),
    {0},
};
