/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of the config group's registers: each sends one request at a time to the member that it
 * takes for the leader and notes what came of it. A request that is refused never happened; one
 * whose answer does not come has an unknown outcome and its client goes on under a new name. */
#ifndef LARDER_TESTS_SIM_REGISTER_CLIENTS_H
#define LARDER_TESTS_SIM_REGISTER_CLIENTS_H

#include "sim/config_group.h"
#include "sim/linearizability.h"
#include "sim/subject.h"

enum { ROUND_KEYS = 8, REGISTER_CLIENTS_MAX = 16 };

struct register_history {
    struct operation *operations;
    size_t count, capacity;
};

enum register_outcome { OUTCOME_NONE, OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_UNKNOWN };

struct register_client {
    struct register_clients *clients;
    uint32_t index;
    struct random random;
    uint32_t target;
    bool is_waiting;
    uint64_t turn; /* raised with every request and every end of one: older calls are stale */
    struct register_command command;
    int64_t called_us;
    uint64_t last_value;           /* that it saw */
    enum register_outcome outcome; /* of the last request */
    struct operation_result result;
};

struct register_clients {
    struct sim_world *world;
    uint32_t count;
    bool is_active;
    int64_t think_us; /* at most, between two requests */
    uint64_t round;
    uint64_t next_number, next_value;
    struct register_client each[REGISTER_CLIENTS_MAX];
    struct register_history histories[ROUND_KEYS];
    struct sim_subject_counters counters;
    uint64_t answered; /* in this round */
};

void register_clients_init(struct register_clients *clients, struct sim_world *world,
                           uint32_t count, uint64_t seed);
void register_clients_finish(struct register_clients *clients);
void register_clients_begin(struct register_clients *clients, uint64_t seed, bool is_hasty);
void register_clients_stop(struct register_clients *clients);
/* Whether none waits for an answer. */
bool register_clients_are_idle(const struct register_clients *clients);
/* Check and forget the histories of the round. Violations go to the world. */
void register_clients_check(struct register_clients *clients);
/* One request now, for scripts; the client must be idle. */
void register_client_request(struct register_client *client, uint32_t target, uint64_t key,
                             enum operation_kind kind, uint64_t a, uint64_t b);

#endif
