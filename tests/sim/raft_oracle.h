/* SPDX-License-Identifier: BSD-3-Clause */
/* What Raft promises, checked after every step of a core (figure 3 of the paper and what it rests
 * on): election safety, vote once, log matching, leader completeness, state machine safety, a
 * durable majority behind every commit, nothing said before it is durable, nothing durable lost by
 * a restart, terms and commit positions that never fall, reads that miss nothing.
 *
 * Log matching is checked by registering each (index, term) ever seen with its content and the term
 * before it: two logs that agree on an entry then agree on everything before. Nodes are named by
 * the second word of their id, which is to be unique, small and not 0. */
#ifndef LARDER_TESTS_SIM_RAFT_ORACLE_H
#define LARDER_TESTS_SIM_RAFT_ORACLE_H

#include "raft/raft.h"

struct raft_oracle;

struct raft_oracle_counters {
    uint64_t elections, commits, installs, reads, truncations, configurations;
};

/* Returns owned. `violate` is called with a static text for each violation. */
struct raft_oracle *
raft_oracle_create(void (*violate)(void *context, uint64_t node, const char *text), void *context);
/* NULL is allowed. */
void raft_oracle_destroy(struct raft_oracle *oracle);

/* A core was made from what storage had; `raft` exists. `state` is the digest of the state machine
 * as of restored->snapshot. */
void raft_oracle_start(struct raft_oracle *oracle, uint64_t node, const struct raft *raft,
                       const struct raft_restored *restored, uint64_t state);
/* After raft_step returned LARDER_OK, before anything else is done with `out`. `state`: digest of
 * the snapshot that out->install names, 0 without one. */
void raft_oracle_step(struct raft_oracle *oracle, uint64_t node, const struct raft *raft,
                      const struct raft_output *out, uint64_t state);
/* All writes up to `number` are durable. To be told before the core is. */
void raft_oracle_persisted(struct raft_oracle *oracle, uint64_t node, uint64_t number);
/* The storage refused `number` and all later ones. */
void raft_oracle_persist_failed(struct raft_oracle *oracle, uint64_t node, uint64_t number);
/* A snapshot of the own state as of `index` is durable. */
void raft_oracle_snapshot(struct raft_oracle *oracle, uint64_t node, uint64_t index);

/* For reads: give the floor when the read begins and check it with the result. */
uint64_t raft_oracle_committed_index(const struct raft_oracle *oracle);
/* Term of the entry committed at `index`; 0 if it is not known. */
uint64_t raft_oracle_committed_term(const struct raft_oracle *oracle, uint64_t index);
/* Digest of the state after `index`; 0 if it is not known. It covers indexes, terms and contents
 * of all entries, so it goes into snapshots as the state's identity. */
uint64_t raft_oracle_state(const struct raft_oracle *oracle, uint64_t index);
/* What the core said last. */
const struct raft_status *raft_oracle_seen(const struct raft_oracle *oracle, uint64_t node);
void raft_oracle_get_counters(const struct raft_oracle *oracle, struct raft_oracle_counters *out);

#endif
