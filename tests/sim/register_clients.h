/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of registers, kept by whatever speaks the protocol they are given: each sends one request
 * at a time to the member that it takes for the one in charge and notes what came of it. A request
 * that is refused never happened; one whose answer does not come has an unknown outcome and its
 * client goes on under a new name. */
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

enum { REGISTER_FRAME_MAX = 256 };

/* How requests and replies look. */
struct register_protocol {
    /* Every key has its own member in charge. */
    bool is_by_key;
    /* A request whose outcome is unknown may be sent again under its number: it is executed once.
     */
    bool has_retries;
    /* Reads of other kinds, values that go by themselves, writes of one term only; and a request
     * that was answered may come once more, ever so late: it is not executed again. */
    bool has_more;
    bool (*expires)(uint64_t key); /* has_more: only reads and writes of such keys */
    uint32_t (*place)(uint64_t key, uint32_t partition_count); /* has_more: its partition */
    size_t (*encode)(const struct register_command *command, int64_t first_sent_us,
                     uint8_t out[REGISTER_FRAME_MAX]);
    /* Errors: LARDER_CORRUPT; LARDER_NOT_FOUND (a reply to another request). */
    enum larder_status (*decode)(struct slice frame, const struct register_command *command,
                                 struct config_group_reply *out);
};

extern const struct register_protocol CONFIG_GROUP_PROTOCOL;

enum { REGISTER_FORMER_MAX = 8, REGISTER_PLACES_MAX = 16 };

/* A request whose end is known to its client. */
struct register_former {
    struct register_command command; /* number 0: none */
    int64_t called_us, first_sent_us;
};

struct register_client {
    struct register_clients *clients;
    uint32_t index;
    struct random random;
    uint32_t targets[ROUND_KEYS]; /* by key; without is_by_key the first is everybody's */
    uint32_t target;              /* of the request */
    uint32_t retries;             /* of it so far */
    bool is_waiting;
    uint64_t turn; /* raised with every request and every end of one: older calls are stale */
    struct register_command command;
    int64_t called_us;
    int64_t offsets_us[REGISTER_PLACES_MAX]; /* by partition: cluster time less true time, as the
                                                last reply showed it */
    bool is_time_known[REGISTER_PLACES_MAX];
    int64_t first_sent_us;      /* cluster time of the request */
    bool was_time_known;        /* when it was first sent */
    uint64_t last_value;        /* that it saw */
    uint64_t terms[ROUND_KEYS]; /* of the keys' partitions, as last told; 0: not known */
    uint32_t former_at;
    struct register_former former[REGISTER_FORMER_MAX];
    enum register_outcome outcome; /* of the last request */
    struct operation_result result;
};

struct register_clients {
    struct sim_world *world;
    const struct register_protocol *protocol;
    uint32_t count;
    /* Set by the subject: when data was given up last, after which what was done before may be done
     * once more; NULL: never. */
    int64_t (*lost_us)(void *context);
    void *lost_context;
    uint32_t partition_count; /* set by the subject, of a protocol that has_more; at most
                                 REGISTER_PLACES_MAX */
    bool
        is_early; /* set by the subject: what was answered may be lost, then it may be done again */
    bool is_active;
    int64_t think_us; /* at most, between two requests */
    uint64_t round;
    uint64_t next_number, next_value;
    struct register_client each[REGISTER_CLIENTS_MAX];
    struct register_history histories[ROUND_KEYS];
    struct sim_subject_counters counters;
    uint64_t answered; /* in this round */
    int64_t began_us;  /* the round */
};

void register_clients_init(struct register_clients *clients, struct sim_world *world,
                           const struct register_protocol *protocol, uint32_t count, uint64_t seed);
void register_clients_finish(struct register_clients *clients);
void register_clients_begin(struct register_clients *clients, uint64_t seed, bool is_hasty);
void register_clients_stop(struct register_clients *clients);
/* Whether none waits for an answer. */
bool register_clients_are_idle(const struct register_clients *clients);
/* Something that surely happened to the object of a key of this round, unasked. */
void register_clients_note(struct register_clients *clients, uint64_t key,
                           const struct operation *operation);
/* Check and forget the histories of the round. Violations go to the world. */
void register_clients_check(struct register_clients *clients);
/* One request now, for scripts; the client must be idle. */
void register_client_request(struct register_client *client, uint32_t target, uint64_t key,
                             enum operation_kind kind, uint64_t a, uint64_t b);
/* The same, whole. */
void register_client_send(struct register_client *client, uint32_t target,
                          const struct register_command *command);
/* It waits no longer for the answer, if it does: the outcome is unknown. */
void register_client_abandon(struct register_client *client);

#endif
