/* SPDX-License-Identifier: BSD-3-Clause */
/* The roles and the moves between them (Raft, figure 4, with the pre-vote between).
 *
 *   from           to             when
 *   any            follower       a newer term, or a leader of this term, is seen
 *   follower       pre-candidate  timeout, or evidence that the leader is gone
 *   follower       candidate      told so by the leader (transfer)
 *   pre-candidate  pre-candidate  timeout
 *   pre-candidate  candidate      a majority would vote
 *   candidate      pre-candidate  timeout
 *   candidate      leader         a majority voted
 *   leader         follower       also: no majority in contact, no longer a voter, failed storage
 */
#include "raft/core.h"

#include <assert.h>

#define TO(role) (1u << (role))

static const struct {
    const char *name;
    unsigned moves;
} ROLES[] = {
    [RAFT_FOLLOWER] = {"follower", TO(RAFT_FOLLOWER) | TO(RAFT_PRE_CANDIDATE) | TO(RAFT_CANDIDATE)},
    [RAFT_PRE_CANDIDATE] = {"pre-candidate",
                            TO(RAFT_FOLLOWER) | TO(RAFT_PRE_CANDIDATE) | TO(RAFT_CANDIDATE)},
    [RAFT_CANDIDATE] = {"candidate", TO(RAFT_FOLLOWER) | TO(RAFT_PRE_CANDIDATE) | TO(RAFT_LEADER)},
    [RAFT_LEADER] = {"leader", TO(RAFT_FOLLOWER)},
};

void raft_become(struct raft *raft, enum raft_role role) {
    assert(ROLES[raft->role].moves & TO(role));
    if (raft->role != role && raft->out != NULL)
        raft->out->has_new_role = true;
    raft->role = role;
}

const char *raft_role_name(enum raft_role role) {
    return ROLES[role].name;
}
