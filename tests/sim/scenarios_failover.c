/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts that measure: for how long does nobody accept a write after one machine fails? Clients
 * write to every partition all the time, to whoever is its primary by the newest configuration. */
#include "sim/cluster_script.h"
#include "sim/subject_cluster.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PARTITIONS = 4, SAMPLES_MAX = 256, PROBE_EVERY_US = 60000 };

enum fault { RESET, POWER_LOST, PAUSE, CUT, NOT_HEARD, DEAF, FAULT_COUNT };

static const char *const FAULT_NAMES[FAULT_COUNT] = {
    "its process dies, connections are reset",
    "its power goes",
    "it stands still",
    "all its links are cut",
    "nobody hears it",
    "it hears nobody",
};

struct samples {
    uint32_t count;
    int64_t us[SAMPLES_MAX];
};

/* The writer of one partition. */
struct probe {
    uint64_t key;
    int64_t since_us; /* it has tried since then; INT64_MAX: the last one was accepted */
    int64_t next_us;  /* when it tries again */
    int64_t longest_us;
};

struct measured {
    struct scenario *scenario;
    uint32_t count;
    struct probe probes[PARTITIONS];
    uint64_t value;
};

/* ---- numbers ---- */

static void add_sample(struct samples *samples, int64_t us) {
    if (samples->count < SAMPLES_MAX)
        samples->us[samples->count++] = us;
}

static int compare_us(const void *a, const void *b) {
    int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
    return (first > second) - (first < second);
}

/* The median and the largest go to the report. Returns the largest. */
static int64_t report(struct scenario *s, const char *who, const char *what,
                      struct samples *samples) {
    qsort(samples->us, samples->count, sizeof(samples->us[0]), compare_us);
    if (samples->count == 0 || s->world->violation != NULL)
        return 0;
    int64_t largest_us = samples->us[samples->count - 1];
    scenario_report(
        s, "%s: %s: writes stop for %" PRId64 " ms (median), %" PRId64 " ms (worst of %" PRIu32 ")",
        who, what, samples->us[samples->count / 2] / 1000, largest_us / 1000, samples->count);
    return largest_us;
}

/* ---- writers ---- */

static enum operation_kind write_of(uint64_t key) {
    return key % 8 < 4 ? OPERATION_WRITE : key % 8 < 6 ? OPERATION_ADD : OPERATION_SET_ADD;
}

/* A key for each partition that has one. */
static void begin_measuring(struct scenario *s, struct measured *m) {
    *m = (struct measured){.scenario = s, .value = 1000};
    uint32_t seen = 0;
    for (uint64_t key = 1; key <= ROUND_KEYS; key++) {
        uint32_t partition = script_partition_of(s, key);
        if ((seen >> partition & 1) == 0)
            m->probes[m->count++] = (struct probe){.key = key};
        seen |= 1u << partition;
    }
}

static void ask(struct measured *m, struct probe *probe, uint32_t client) {
    struct scenario *s = m->scenario;
    uint32_t primary = script_primary_of(s, probe->key);
    if (probe->since_us == INT64_MAX)
        probe->since_us = s->world->now_us;
    if (primary == NONE)
        return;
    enum operation_kind kind = write_of(probe->key);
    scenario_begin(s, client, primary, probe->key, kind, kind == OPERATION_WRITE ? ++m->value : 1,
                   0);
}

static void look_at(struct measured *m, uint32_t index) {
    struct scenario *s = m->scenario;
    struct probe *probe = &m->probes[index];
    struct register_client *client = &s->clients->each[1 + index];
    int64_t now_us = s->world->now_us;
    bool is_astray = client->target != script_primary_of(s, probe->key) || client->retries > 0;
    if (client->is_waiting && is_astray)
        register_client_abandon(client);
    if (client->is_waiting || now_us < probe->next_us)
        return;
    if (probe->since_us != INT64_MAX && client->outcome == OUTCOME_DONE) {
        int64_t took_us = now_us - probe->since_us;
        probe->longest_us = took_us > probe->longest_us ? took_us : probe->longest_us;
        probe->since_us = INT64_MAX;
        probe->next_us = now_us + PROBE_EVERY_US;
        return;
    }
    ask(m, probe, 1 + index);
}

/* Write for so long, and until everything that was begun is accepted. Returns for how long some
 * partition accepted nothing. */
static int64_t measure(struct measured *m, int64_t ms) {
    struct scenario *s = m->scenario;
    int64_t from_us = s->world->now_us, longest_us = 0;
    bool is_waiting = true;
    for (uint32_t i = 0; i < m->count; i++) {
        register_client_abandon(&s->clients->each[1 + i]);
        s->clients->each[1 + i].outcome = OUTCOME_NONE;
        m->probes[i].since_us = from_us;
        m->probes[i].next_us = m->probes[i].longest_us = 0;
    }
    while (s->world->violation == NULL && s->world->now_us < from_us + 10000000 &&
           (s->world->now_us < from_us + ms * 1000 || is_waiting)) {
        is_waiting = false;
        for (uint32_t i = 0; i < m->count; i++) {
            look_at(m, i);
            is_waiting = is_waiting || m->probes[i].since_us != INT64_MAX;
        }
        scenario_wait(s, 1);
    }
    scenario_expect(s, !is_waiting, "all partitions accept writes again");
    for (uint32_t i = 0; i < m->count; i++)
        longest_us = m->probes[i].longest_us > longest_us ? m->probes[i].longest_us : longest_us;
    world_note(s->world, "writes stopped for so many us", (uint64_t)longest_us, 0);
    return longest_us;
}

/* ---- faults ---- */

static void make_fault(struct scenario *s, enum fault fault, uint32_t victim) {
    struct sim_machine *machine = scenario_machine(s, victim);
    world_note(s->world, "machine fails", victim, fault);
    switch (fault) {
    case RESET: machine_crash(machine); return;
    case POWER_LOST: machine_lose_power(machine); return;
    case PAUSE: machine_pause(machine, 2500000); return;
    case CUT: scenario_cut_off(s, 1u << victim, false); return;
    case NOT_HEARD: scenario_cut_off(s, 1u << victim, true); return;
    default: scenario_cut_off(s, 31u & ~(1u << victim), true); return;
    }
}

/* Everybody is there again, with all data; then the heartbeats are at another point. */
static void recover(struct scenario *s, uint32_t round) {
    scenario_heal(s);
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
    scenario_expect(s, scenario_settles(s, 15000), "everything is available and complete again");
    world_run_for(s->world, 1000 * (int64_t)(round * 7 % 50) + 300);
}

/* A primary that is no coordinator; or one that is, and if it leads nothing some partition is
 * handed to it. NONE: there is no such machine. */
static uint32_t find_primary(struct scenario *s, const struct measured *m, bool is_coordinator) {
    uint32_t coordinator = scenario_important(s);
    for (uint32_t i = 0; i < m->count; i++) {
        uint32_t primary = script_primary_of(s, m->probes[i].key);
        if (primary != NONE && (primary == coordinator) == is_coordinator)
            return primary;
    }
    for (uint32_t i = 0; i < m->count && coordinator != NONE; i++) {
        uint64_t key = m->probes[i].key;
        uint32_t primary = script_primary_of(s, key);
        if (primary == NONE || !script_has_role(s, coordinator, key, REPLICA_BACKUP))
            continue;
        cluster_data_hand_off(cluster_process_data(scenario_machine(s, primary)->process),
                              script_partition_of(s, key),
                              member_number(script_member_at(s, coordinator)));
        for (uint32_t ms = 0; ms < 100 && script_primary_of(s, key) != coordinator; ms++)
            scenario_wait(s, 1);
        if (script_primary_of(s, key) == coordinator)
            return coordinator;
    }
    return NONE;
}

static void fail_primaries(struct scenario *s, struct measured *m, enum fault fault,
                           bool is_coordinator, uint32_t rounds, struct samples *samples) {
    for (uint32_t round = 0; round < rounds && s->world->violation == NULL; round++) {
        recover(s, round);
        uint32_t victim = find_primary(s, m, is_coordinator);
        if (victim == NONE)
            continue;
        make_fault(s, fault, victim);
        add_sample(samples, measure(m, 2000));
    }
    recover(s, rounds);
}

static void failover_after_a_reset(struct scenario *s) {
    struct measured m;
    struct samples alone = {0}, coordinator = {0};
    script_begin(s);
    begin_measuring(s, &m);
    fail_primaries(s, &m, RESET, false, 24, &alone);
    fail_primaries(s, &m, RESET, true, 24, &coordinator);
    scenario_expect(s, alone.count > 20 && coordinator.count > 20, "that often");
    int64_t worst_us = report(s, "a primary", FAULT_NAMES[RESET], &alone);
    scenario_expect(s, worst_us <= 300000, "writes go on within 300 ms");
    worst_us = report(s, "the coordinator, a primary", FAULT_NAMES[RESET], &coordinator);
    scenario_expect(s, worst_us <= 300000, "writes go on within 300 ms");
}

static void failover_after_silence(struct scenario *s) {
    static const enum fault FAULTS[] = {PAUSE, CUT, NOT_HEARD, DEAF};
    struct measured m;
    script_begin(s);
    begin_measuring(s, &m);
    for (uint32_t i = 0; i < 4 && s->world->violation == NULL; i++)
        for (uint32_t k = 0; k < 2; k++) {
            struct samples samples = {0};
            fail_primaries(s, &m, FAULTS[i], k == 1, 6, &samples);
            int64_t worst_us = report(s, k == 0 ? "a primary" : "the coordinator, a primary",
                                      FAULT_NAMES[FAULTS[i]], &samples);
            scenario_expect(s, worst_us < 1000000, "writes go on within 1 s");
        }
}

/* L2: whatever one machine does, no partition stands still for long. */
static void any_one_machine(struct scenario *s) {
    struct measured m;
    script_begin(s);
    begin_measuring(s, &m);
    for (uint32_t fault = 0; fault < FAULT_COUNT; fault++) {
        struct samples samples = {0};
        for (uint32_t victim = 0; victim < 5 && s->world->violation == NULL; victim++) {
            recover(s, victim + fault);
            make_fault(s, (enum fault)fault, victim);
            add_sample(&samples, measure(&m, 3000));
        }
        int64_t worst_us = report(s, "any machine", FAULT_NAMES[fault], &samples);
        scenario_expect(s, worst_us < 1000000, "no partition stands still for a second");
    }
    recover(s, 0);
}

const struct scenario_type FAILOVER_SCENARIOS[] = {
    CLUSTER_SCRIPT("failover-reset", "a primary's process dies: until the next write is accepted",
                   failover_after_a_reset),
    CLUSTER_SCRIPT("failover-silence", "the same for one that is not heard or does not hear",
                   failover_after_silence),
    CLUSTER_SCRIPT("any-one-machine", "no partition stands still for a second", any_one_machine),
    {0},
};
