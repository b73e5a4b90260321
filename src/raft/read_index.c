/* SPDX-License-Identifier: BSD-3-Clause */
/* ReadIndex (Ongaro 2014, 6.4): a read of the committed state is linearizable if, after it was
 * asked for, a majority confirmed that this leader still leads; the index to wait for is the commit
 * index at the time of asking. Only a leader with a committed entry of its own term knows that
 * index. Each read gets a round number, which goes out with appends and comes back with their
 * answers. */
#include "raft/core.h"

static void add_result(struct raft *raft, const struct raft_read *read, enum larder_status status) {
    raft->out->reads[raft->out->read_count++] =
        (struct raft_read_state){.context = read->context, .status = status, .index = read->index};
}

enum larder_status raft_on_read(struct raft *raft, uint64_t context) {
    if (raft->role != RAFT_LEADER)
        return LARDER_AGAIN;
    if (!raft_is_term_committed(raft) && !RAFT_MUTATED(MUTANT_READ_BEFORE_OWN_COMMIT))
        return LARDER_BUSY;
    if (raft->read_count == RAFT_READS_MAX)
        return LARDER_BUSY;
    raft->reads[raft->read_count++] =
        (struct raft_read){.context = context, .index = raft->commit, .round = ++raft->round};
    return LARDER_OK;
}

static bool has_confirmed_first(const struct raft *raft, const struct raft_peer *peer) {
    return raft_is_self(raft, peer->id) || peer->round >= raft->reads[0].round ||
           RAFT_MUTATED(MUTANT_READ_WITHOUT_QUORUM);
}

void raft_release_reads(struct raft *raft) {
    while (raft->read_count > 0 && raft_has_quorum(raft, has_confirmed_first)) {
        add_result(raft, &raft->reads[0], LARDER_OK);
        raft->read_count--;
        memmove(raft->reads, raft->reads + 1, raft->read_count * sizeof(raft->reads[0]));
    }
}

void raft_fail_reads(struct raft *raft) {
    for (size_t i = 0; i < raft->read_count; i++)
        add_result(raft, &raft->reads[i], LARDER_AGAIN);
    raft->read_count = 0;
}
