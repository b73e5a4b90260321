/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of locks: each acquires one, waiting for it or not, writes keys with its token, renews,
 * and gives it back or lets it run out; now and then one takes a lock away from whoever has it, or
 * writes with a token that it had before. What may have been done is asked for again under the same
 * request id. What they saw is checked per lock and per partition (lock_history.h); newest tokens
 * are remembered over rounds, so that they are compared with those of later ones.
 *
 * Every acquire is of a new session, so that no lock is acquired twice by its owner. A lock guards
 * two keys, one in its own partition and one anywhere; marks belong to the partition of the key, so
 * that is what takes the place of the key in a history. */
#ifndef LARDER_TESTS_SIM_LOCK_CLIENTS_H
#define LARDER_TESTS_SIM_LOCK_CLIENTS_H

#include "base/random.h"
#include "cluster/locks.h"
#include "sim/cluster_member.h"
#include "sim/lock_history.h"
#include "sim/register_clients.h"

enum { LOCK_CLIENTS_MAX = 8, LOCK_CLIENT_LOCKS = 6, LOCK_NAME_BYTES = 24 };

struct lock_event_list {
    struct lock_event *events;
    size_t count, capacity;
};

struct lock_client_command {
    bool is_write; /* else a lock request of this type */
    enum lock_request_type type;
    uint32_t lock;
    uint32_t key; /* 0 or 1 of the lock's; is_write */
    uint64_t token;
    uint32_t hold_ms, wait_ms;
};

struct lock_client {
    struct lock_clients *clients;
    uint32_t index; /* of the world's clients */
    struct random random;
    uint32_t targets[CLUSTER_SIM_PARTITIONS_MAX]; /* who is taken for the primary */
    /* the request */
    bool is_waiting;
    uint32_t target, retries;
    uint64_t turn;    /* raised with every request and every end of one: older calls are stale */
    uint64_t number;  /* of the request; of an acquire also its request id */
    uint64_t session; /* of the acquire */
    struct lock_client_command command;
    int64_t called_us, first_sent_us, offset_us;
    enum register_outcome outcome; /* of the last request */
    enum lock_answer answer;
    bool is_stale;         /* a write's token was refused */
    uint64_t result_token; /* or the value that was there */
    /* what it holds */
    bool is_holding;
    uint32_t lock, hold_ms;
    uint64_t token; /* also of the last one that it held in this round; 0: none */
    int64_t lost_us;
};

struct lock_clients {
    struct sim_world *world;
    uint32_t partition_count, count;
    bool is_active;
    int64_t think_us;
    uint64_t round;
    uint64_t next_number;
    struct lock_client each[LOCK_CLIENTS_MAX];
    struct lock_event_list locks[LOCK_CLIENT_LOCKS];
    struct lock_event_list partitions[CLUSTER_SIM_PARTITIONS_MAX]; /* tokens given out there */
    bool was_reset[CLUSTER_SIM_PARTITIONS_MAX];                    /* in this round */
    uint64_t floors[CLUSTER_SIM_PARTITIONS_MAX]; /* of fence marks: older tokens may be refused */
    uint64_t newest[CLUSTER_SIM_PARTITIONS_MAX]; /* token of earlier rounds */
    uint64_t newest_written[LOCK_CLIENT_LOCKS][CLUSTER_SIM_PARTITIONS_MAX];
    struct sim_subject_counters counters;
    uint64_t granted, written, fenced;
};

/* Clients of the world from `first` on. */
void lock_clients_init(struct lock_clients *clients, struct sim_world *world,
                       uint32_t partition_count, uint32_t first, uint32_t count);
void lock_clients_finish(struct lock_clients *clients);
void lock_clients_begin(struct lock_clients *clients, uint64_t seed, bool is_hasty);
void lock_clients_stop(struct lock_clients *clients);
/* The data of the partition was given up in this round. */
void lock_clients_note_reset(struct lock_clients *clients, uint32_t partition);
/* The partition may refuse tokens below the floor, from that time of this round on; INT64_MAX:
 * since before it. */
void lock_clients_note_floor(struct lock_clients *clients, uint32_t partition, int64_t from_us,
                             uint64_t floor);
/* Check and forget the histories of the round. Violations go to the world. */
void lock_clients_check(struct lock_clients *clients);

uint32_t lock_clients_partition(const struct lock_clients *clients, uint32_t lock);
/* One request now, for scripts; the client must be idle. */
void lock_client_request(struct lock_client *client, uint32_t target,
                         const struct lock_client_command *command);

#endif
