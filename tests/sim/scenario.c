/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/scenario.h"

#include "sim/subject_cluster.h"
#include "sim/subject_config_group.h"

#include <stdarg.h>

const struct scenario_type *scenario_find(size_t number) {
    for (const struct scenario_type *const *set = SCENARIO_SETS; *set != NULL; set++)
        for (const struct scenario_type *type = *set; type->name != NULL; type++)
            if (number-- == 0)
                return type;
    return NULL;
}

void scenario_expect(struct scenario *s, bool is_true, const char *what) {
    if (s->world->violation != NULL)
        return;
    trace_print(&s->world->trace, s->world->now_us, "= %s%s", is_true ? "" : "NOT TRUE: ", what);
    if (is_true)
        return;
    snprintf(s->text, sizeof(s->text), "%s", what);
    world_violate(s->world, -1, "the scenario did not go as expected");
}

void scenario_note(struct scenario *s, const char *what) {
    world_note(s->world, what, 0, 0);
}

void scenario_report(struct scenario *s, const char *format, ...) {
    size_t used = strlen(s->report);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->report + used, sizeof(s->report) - used, format, arguments);
    va_end(arguments);
    used = strlen(s->report);
    if (used + 1 < sizeof(s->report))
        memcpy(s->report + used, "\n", 2);
}

void scenario_wait(struct scenario *s, int64_t ms) {
    world_run_for(s->world, ms * 1000);
}

struct sim_machine *scenario_machine(const struct scenario *s, uint32_t machine) {
    return &s->world->machines[machine];
}

struct raft_status scenario_status(const struct scenario *s, uint32_t machine) {
    struct raft_status status = {0};
    if (machine_is_running(&s->world->machines[machine]))
        (void)config_group_status(s->world->machines[machine].process, &status);
    return status;
}

uint32_t scenario_important(const struct scenario *s) {
    return s->type->find_leader(s->subject);
}

static uint32_t count_followers(const struct scenario *s, uint32_t leader) {
    struct raft_status status = scenario_status(s, leader);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->world->options.machine_count; i++) {
        struct raft_status other = scenario_status(s, i);
        count += other.term == status.term && raft_id_equal(other.leader, status.leader);
    }
    return count;
}

uint32_t scenario_leader(struct scenario *s, int64_t ms) {
    int64_t end_us = s->world->now_us + ms * 1000;
    for (;;) {
        uint32_t leader = scenario_important(s);
        if (leader != UINT32_MAX &&
            2 * count_followers(s, leader) > s->world->options.machine_count)
            return leader;
        if (s->world->now_us >= end_us || s->world->violation != NULL)
            return UINT32_MAX;
        scenario_wait(s, 5);
    }
}

uint32_t scenario_other(const struct scenario *s, uint32_t but) {
    return (but + 1) % s->world->options.machine_count;
}

bool scenario_settles(struct scenario *s, int64_t ms) {
    int64_t end_us = s->world->now_us + ms * 1000;
    while (!s->type->is_settled(s->subject)) {
        if (s->world->now_us >= end_us || s->world->violation != NULL)
            return false;
        scenario_wait(s, 10);
    }
    return true;
}

void scenario_cut_off(struct scenario *s, uint32_t machines, bool is_one_way) {
    uint32_t count = s->world->options.machine_count;
    world_note(s->world, "cut off the machines", machines, is_one_way);
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++) {
            bool first = (machines >> a & 1) != 0, second = (machines >> b & 1) != 0;
            if (first != second && (first || !is_one_way))
                network_cut(&s->world->network, a, b);
        }
}

void scenario_heal(struct scenario *s) {
    scenario_note(s, "heal");
    network_heal_all(&s->world->network);
}

void scenario_begin(struct scenario *s, uint32_t client, uint32_t machine, uint64_t key,
                    enum operation_kind kind, uint64_t a, uint64_t b) {
    if (s->world->violation == NULL)
        register_client_request(&s->clients->each[client], machine, key, kind, a, b);
}

struct scenario_answer scenario_ask(struct scenario *s, uint32_t machine, uint64_t key,
                                    enum operation_kind kind, uint64_t a, uint64_t b) {
    struct register_client *client = &s->clients->each[0];
    int64_t began_us = s->world->now_us;
    scenario_begin(s, 0, machine, key, kind, a, b);
    while (client->is_waiting && s->world->violation == NULL)
        scenario_wait(s, 1);
    return (struct scenario_answer){.outcome = client->outcome,
                                    .is_done = client->result.is_done,
                                    .value = client->result.value,
                                    .took_us = s->world->now_us - began_us};
}

/* Ask the leader until one answers. */
static bool ask_until_done(struct scenario *s, uint64_t key, enum operation_kind kind, uint64_t a,
                           int64_t ms, struct scenario_answer *out) {
    int64_t end_us = s->world->now_us + ms * 1000;
    while (s->world->now_us < end_us && s->world->violation == NULL) {
        uint32_t leader = scenario_leader(s, (end_us - s->world->now_us) / 1000);
        if (leader == UINT32_MAX)
            return false;
        *out = scenario_ask(s, leader, key, kind, a, 0);
        if (out->outcome == OUTCOME_DONE)
            return s->world->now_us <= end_us;
        scenario_wait(s, 5);
    }
    return false;
}

bool scenario_write(struct scenario *s, uint64_t key, uint64_t value, int64_t ms) {
    struct scenario_answer answer;
    return ask_until_done(s, key, OPERATION_WRITE, value, ms, &answer);
}

bool scenario_read(struct scenario *s, uint64_t key, int64_t ms, uint64_t *out) {
    struct scenario_answer answer;
    *out = 0;
    if (!ask_until_done(s, key, OPERATION_READ, 0, ms, &answer))
        return false;
    *out = answer.value;
    return true;
}

void scenario_run(const struct scenario_type *type, uint64_t seed,
                  const struct trace_options *trace, struct scenario_result *out) {
    const struct sim_subject_type *subject_type =
        type->subject != NULL ? type->subject : &CONFIG_GROUP_SUBJECT;
    struct sim_world_options options = {.seed = seed,
                                        .machine_count = subject_type->machine_count,
                                        .client_count = subject_type->client_count,
                                        .trace = *trace};
    struct scenario s = {.type = subject_type, .subject = subject_type->create(seed, &options)};
    s.world = world_create(&options);
    subject_type->attach(s.subject, s.world);
    if (subject_type == &CONFIG_GROUP_SUBJECT)
        s.clients = config_group_subject_clients(s.subject);
    else if (subject_type != &CLUSTER_SUBJECT)
        s.clients = cluster_subject_clients(s.subject);
    for (uint32_t i = 0; i < subject_type->machine_count; i++)
        machine_start(&s.world->machines[i]);
    type->play(&s);
    if (s.world->violation == NULL) {
        scenario_wait(&s, 2000);
        subject_type->end_round(s.subject);
    }
    *out = (struct scenario_result){.violation = s.world->violation,
                                    .length_us = s.world->now_us,
                                    .event_count = s.world->trace.event_count,
                                    .fault_count = world_fault_count(s.world)};
    memcpy(out->text, s.text, sizeof(out->text));
    memcpy(out->report, s.report, sizeof(out->report));
    trace_digest(&s.world->trace, out->digest);
    world_destroy(s.world);
    subject_type->destroy(s.subject);
}
