/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_script.h"

#include "sim/cluster_protocol.h"
#include "sim/subject_cluster.h"

/* ---- who is who ---- */

struct cluster_member *script_member_at(const struct scenario *s, uint32_t machine) {
    const struct sim_machine *m = &s->world->machines[machine];
    return machine_is_running(m) ? cluster_process_member(m->process) : NULL;
}

uint32_t script_machine_of(const struct scenario *s, uint32_t number) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (script_member_at(s, i) != NULL && number != CLUSTER_NOBODY &&
            member_number(script_member_at(s, i)) == number)
            return i;
    return NONE;
}

uint32_t script_partition_of(const struct scenario *s, uint64_t key) {
    uint8_t name[INT64_TEXT_MAX + 1];
    struct slice text = slice_of(name, cluster_key_name(key, name));
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        if (script_member_at(s, i) != NULL)
            return cluster_data_partition_of(cluster_process_data(s->world->machines[i].process),
                                             text);
    return 0;
}

const struct partition_config *script_config_of(const struct scenario *s, uint64_t key) {
    return cluster_oracle_partition(cluster_subject_oracle(s->subject),
                                    script_partition_of(s, key));
}

uint32_t script_primary_of(const struct scenario *s, uint64_t key) {
    return script_machine_of(s, script_config_of(s, key)->primary);
}

uint32_t script_backup_of(const struct scenario *s, uint64_t key, uint32_t which) {
    const struct partition_config *config = script_config_of(s, key);
    for (uint8_t i = 0; i < config->in_sync.count; i++)
        if (config->in_sync.members[i] != config->primary && which-- == 0)
            return script_machine_of(s, config->in_sync.members[i]);
    return NONE;
}

const struct partition_replica *script_replica_at(const struct scenario *s, uint32_t machine,
                                                  uint64_t key) {
    if (machine == NONE || script_member_at(s, machine) == NULL)
        return NULL;
    return cluster_data_replica(cluster_process_data(s->world->machines[machine].process),
                                script_partition_of(s, key));
}

bool script_has_role(const struct scenario *s, uint32_t machine, uint64_t key,
                     enum replica_role role) {
    const struct partition_replica *r = script_replica_at(s, machine, key);
    return r != NULL && r->role == role;
}

/* ---- what clients do ---- */

bool script_ask(struct scenario *s, uint64_t key, enum operation_kind kind, uint64_t a, int64_t ms,
                struct scenario_answer *out) {
    int64_t end_us = s->world->now_us + ms * 1000;
    while (s->world->now_us < end_us && s->world->violation == NULL) {
        uint32_t primary = script_primary_of(s, key);
        if (primary != NONE) {
            *out = scenario_ask(s, primary, key, kind, a, 0);
            if (out->outcome == OUTCOME_DONE)
                return s->world->now_us <= end_us;
        }
        scenario_wait(s, 5);
    }
    return false;
}

void script_write(struct scenario *s, uint64_t key, uint64_t value, int64_t ms, const char *what) {
    struct scenario_answer answer;
    scenario_expect(s, script_ask(s, key, OPERATION_WRITE, value, ms, &answer), what);
}

void script_write_for(struct scenario *s, uint64_t key, uint64_t value, uint32_t ttl_ms) {
    struct register_client *client = &s->clients->each[0];
    const struct register_command command = {
        .key = key, .kind = OPERATION_WRITE, .a = value, .ttl_ms = ttl_ms};
    int64_t end_us = s->world->now_us + 8000000;
    while (s->world->now_us < end_us && s->world->violation == NULL) {
        uint32_t primary = script_primary_of(s, key);
        if (primary != NONE)
            register_client_send(client, primary, &command);
        while (client->is_waiting && s->world->violation == NULL)
            scenario_wait(s, 1);
        if (primary != NONE && client->outcome == OUTCOME_DONE)
            return;
        scenario_wait(s, 5);
    }
    scenario_expect(s, false, "a write of a key that expires is answered");
}

/* Of locks in the key's partition only. */
const struct lock_client *script_ask_lock(struct scenario *s, uint32_t index,
                                          const struct lock_client_command *command) {
    struct lock_client *client = &cluster_subject_locks(s->subject)->each[index];
    int64_t end_us = s->world->now_us + 20000000;
    while (s->world->now_us < end_us && s->world->violation == NULL) {
        uint32_t primary = script_primary_of(s, KEY);
        if (primary != NONE) {
            lock_client_request(client, primary, command);
            while (client->is_waiting && s->world->violation == NULL)
                scenario_wait(s, 1);
            if (client->outcome == OUTCOME_DONE)
                return client;
        }
        scenario_wait(s, 5);
    }
    scenario_expect(s, false, "a lock request is answered");
    return client;
}

uint32_t script_lock_beside(struct scenario *s, uint64_t key) {
    const struct lock_clients *locks = cluster_subject_locks(s->subject);
    for (uint32_t lock = 0; lock < LOCK_CLIENT_LOCKS; lock++)
        if (lock_clients_partition(locks, lock) == script_partition_of(s, key))
            return lock;
    scenario_expect(s, false, "the partition has a lock");
    return 0;
}

void script_expect_value(struct scenario *s, uint64_t key, uint64_t value) {
    struct scenario_answer answer = {0};
    scenario_expect(s, script_ask(s, key, OPERATION_READ, 0, 8000, &answer), "a read is answered");
    scenario_expect(s, answer.value == value, "the read sees the last acknowledged write");
}

void script_restart(struct scenario *s) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        machine_crash(scenario_machine(s, i));
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(scenario_machine(s, i));
}

void script_begin(struct scenario *s) {
    scenario_wait(s, 2000);
    scenario_expect(s, scenario_settles(s, 8000), "a new cluster settles");
    script_write(s, KEY, 10, 2000, "a new cluster accepts a write");
}

void script_end(struct scenario *s, uint64_t value) {
    for (uint32_t i = 0; i < s->world->options.machine_count; i++)
        (void)machine_start(&s->world->machines[i]);
    scenario_expect(s, scenario_settles(s, 15000), "everything is available and complete again");
    script_expect_value(s, KEY, value);
}

void script_wait_for_role(struct scenario *s, uint64_t key, enum replica_role role, int64_t ms,
                          uint32_t *out) {
    int64_t end_us = s->world->now_us + ms * 1000;
    *out = NONE;
    while (*out == NONE && s->world->now_us < end_us && s->world->violation == NULL) {
        for (uint32_t i = 0; i < s->world->options.machine_count; i++)
            if (script_has_role(s, i, key, role))
                *out = i;
        if (*out == NONE)
            scenario_wait(s, 1);
    }
}
