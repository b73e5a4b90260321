/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of a partition's replica: what its files call of each other. For this folder only. */
#ifndef LARDER_CLUSTER_REPLICA_CORE_H
#define LARDER_CLUSTER_REPLICA_CORE_H

#include "cluster/partition_replica.h"

static inline bool replica_is_primary(const struct partition_replica *r) {
    return r->role >= REPLICA_ELECTED;
}

/* replica_view.c */
void replica_become(struct partition_replica *r, enum replica_role role);
void replica_take_view(struct partition_replica *r, const struct configuration *configuration);

/* replica_records.c: the log, for primaries and backups */
uint64_t replica_durable(const struct partition_replica *r);
/* The log may drop records up to here. */
uint64_t replica_keep_after(const struct partition_replica *r);
/* False: no room. */
bool replica_append(struct partition_replica *r, const struct replica_record *record);
void replica_forget_log(struct partition_replica *r, struct log_position base);
void replica_take_synced(struct partition_replica *r, uint64_t number);
enum larder_status replica_take_records(struct partition_replica *r,
                                        const struct replica_message *message);
enum larder_status replica_take_base(struct partition_replica *r,
                                     const struct replica_message *message);
/* Acknowledge to the primary what is known to equal its log. */
void replica_acknowledge(struct partition_replica *r, uint64_t matched);
/* Tell the primary of a new term where this log ends: what it sent before the term was known here
 * was not taken. */
void replica_offer_log(struct partition_replica *r);
struct replica_message *replica_new_message(struct partition_replica *r,
                                            enum replica_message_type type, uint32_t to,
                                            uint64_t incarnation);

/* replica_primary.c */
void primary_begin_term(struct partition_replica *r);
void primary_take_ack(struct partition_replica *r, const struct replica_message *message);
void primary_take_refusal(struct partition_replica *r, const struct replica_message *message);
void primary_tick(struct partition_replica *r);
/* Move the commit position, open, send what is to be sent. */
void primary_advance(struct partition_replica *r);
void primary_send(struct partition_replica *r);
struct replica_peer *primary_find_peer(struct partition_replica *r, uint32_t member);

/* replica_growth.c: proposals */
void primary_propose(struct partition_replica *r, enum config_entry_type type, uint32_t member);
void primary_check_proposals(struct partition_replica *r);

/* replica_requests.c */
enum larder_status requests_add(struct partition_replica *r, const struct replica_input *input);
void requests_settle(struct partition_replica *r);
bool requests_may_answer(const struct partition_replica *r);

#endif
