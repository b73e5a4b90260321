/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that were executed and wait for their answer.
 *
 *   write  its record is committed        DONE, if enough are in sync when the answer leaves
 *          the log goes on without it     MOVED: surely not applied, a newer primary has begun
 *          its deadline comes first       IN_DOUBT, also after this member was deposed
 *          it is early: on the disk here, if that is waited for, and the lease holds now    DONE
 *   read   all it saw is committed, unless it is early, and the lease holds now    DONE; if it is a
 *                                        write that was executed before: enough in sync too
 *          or a record that was made after it is committed    DONE
 *          another term                   MOVED
 *          its deadline comes first       REFUSED
 */
#include "cluster/mutants.h"
#include "cluster/replica_core.h"

static bool is_covered(const struct partition_replica *r) {
    struct member_set peers = r->view.in_sync;
    for (uint8_t i = 0; i < r->pending.count && !CLUSTER_MUTATED(MUTANT_LEASE_IGNORES_PENDING); i++)
        member_set_add(&peers, r->pending.members[i]);
    return lease_covers(r->leases, &peers, r->options.self, r->view.term_index, r->now_us);
}

bool requests_may_answer(const struct partition_replica *r) {
    return r->settings.quorum_policy != QUORUM_MAJORITY || lease_config_holds(r->leases, r->now_us);
}

enum larder_status requests_add(struct partition_replica *r, const struct replica_input *input) {
    bool is_read = input->type == REPLICA_READ;
    if (r->role != REPLICA_OPEN)
        return LARDER_AGAIN;
    bool has_waiter = is_read || input->request.context != 0;
    if (has_waiter && r->request_count == r->options.requests_max)
        return LARDER_BUSY;
    if (!is_read) {
        struct replica_record record = {
            .term = r->view.term, .kind = RECORD_EFFECT, .payload = input->request.payload};
        if (!replica_append(r, &record))
            return LARDER_BUSY;
        r->executed = r->log.last;
        r->executed_term = r->view.term;
    }
    if (!has_waiter)
        return LARDER_OK;
    r->requests[r->request_count++] =
        (struct replica_request){.context = input->request.context,
                                 .is_read = is_read,
                                 .is_known = is_read && input->request.is_known,
                                 .is_early = input->request.is_early,
                                 .is_covered = is_read && is_covered(r) && requests_may_answer(r),
                                 .term = r->view.term,
                                 .sequence = r->log.last,
                                 .since_us = r->now_us,
                                 .deadline_us = input->request.deadline_us};
    return LARDER_OK;
}

static bool is_confirmed(const struct partition_replica *r, const struct replica_request *request) {
    return request->confirmed_by != 0 &&
           (r->commit >= request->confirmed_by || CLUSTER_MUTATED(MUTANT_CONFIRM_UNCOMMITTED));
}

bool replica_reads_wait(const struct partition_replica *r, int64_t since_us) {
    if (r->role != REPLICA_OPEN || is_covered(r))
        return false;
    for (uint32_t i = 0; i < r->request_count; i++) {
        const struct replica_request *request = &r->requests[i];
        if (request->is_read && request->confirmed_by == 0 && request->term == r->view.term &&
            request->since_us <= since_us)
            return true;
    }
    return false;
}

void replica_confirm_reads(struct partition_replica *r, uint64_t sequence) {
    for (uint32_t i = 0; i < r->request_count; i++) {
        struct replica_request *request = &r->requests[i];
        if (request->is_read && request->confirmed_by == 0 && request->term == r->view.term)
            request->confirmed_by = sequence;
    }
}

static bool has_enough(const struct partition_replica *r) {
    return r->view.in_sync.count >= r->settings.min_insync ||
           CLUSTER_MUTATED(MUTANT_MIN_INSYNC_AT_ENTRY);
}

static bool is_serving(const struct partition_replica *r) {
    return r->role == REPLICA_OPEN ||
           (r->role == REPLICA_DRAINING &&
            (!r->proposal.is_open || CLUSTER_MUTATED(MUTANT_CLOSED_ANSWERS_READS)));
}

/* All that it tells of is this primary's, on its disk if that is waited for. */
static bool is_done_early(const struct partition_replica *r,
                          const struct replica_request *request) {
    return request->is_early &&
           (replica_durable(r) >= request->sequence || CLUSTER_MUTATED(MUTANT_EARLY_BEFORE_SYNC));
}

/* Under a lease, as a read: else a deposed primary would go on taking writes that are lost. */
static bool may_answer_early(const struct partition_replica *r,
                             const struct replica_request *request) {
    return is_serving(r) && r->view.term == request->term && is_done_early(r, request) &&
           (is_covered(r) || CLUSTER_MUTATED(MUTANT_EARLY_WITHOUT_LEASE));
}

/* 0: wait on. */
static enum replica_answer settle_read(const struct partition_replica *r,
                                       const struct replica_request *request) {
    if (!replica_is_primary(r) || r->view.term != request->term)
        return ANSWER_MOVED;
    bool is_committed = r->commit >= request->sequence || is_done_early(r, request) ||
                        CLUSTER_MUTATED(MUTANT_READ_SPECULATIVE);
    bool is_held = CLUSTER_MUTATED(MUTANT_READ_CHECKED_EARLY)
                       ? request->is_covered
                       : (is_covered(r) || is_confirmed(r, request)) && requests_may_answer(r);
    bool is_enough = !request->is_known || has_enough(r);
    if (is_serving(r) && is_committed && is_held && is_enough)
        return ANSWER_DONE;
    return r->now_us >= request->deadline_us ? ANSWER_REFUSED : 0;
}

/* A record of an older term that is not committed when the log has begun a newer term in committed
 * records will never be. Until then a third member may still have it and be elected. */
static void note_outcome(const struct partition_replica *r, struct replica_request *request) {
    bool is_told = request->sequence > r->log.base.sequence; /* else the log began anew */
    if (request->is_committed || request->is_cut ||
        (!is_told && !CLUSTER_MUTATED(MUTANT_NEW_LOG_SAYS_MOVED)))
        return;
    bool is_there = replica_log_term(&r->log, request->sequence) == request->term;
    if (r->commit >= request->sequence) {
        request->is_committed = is_there;
        request->is_cut = !is_there;
    } else if (replica_log_term(&r->log, r->commit) > request->term) {
        request->is_cut = true;
    } else if (!is_there && CLUSTER_MUTATED(MUTANT_CUT_BY_UNOPENED)) {
        request->is_cut = true;
    }
}

static enum replica_answer settle_write(const struct partition_replica *r,
                                        struct replica_request *request) {
    note_outcome(r, request);
    bool may_answer = !replica_is_primary(r) || requests_may_answer(r);
    bool is_settled = request->is_committed || may_answer_early(r, request);
    bool is_enough =
        has_enough(r) || (!request->is_committed && CLUSTER_MUTATED(MUTANT_EARLY_WITHOUT_MIN));
    if (is_settled && is_enough && may_answer)
        return ANSWER_DONE;
    if (request->is_cut)
        return ANSWER_MOVED;
    if (CLUSTER_MUTATED(MUTANT_DEPOSED_SAYS_MOVED) && !replica_is_primary(r))
        return ANSWER_MOVED;
    return r->now_us >= request->deadline_us ? ANSWER_IN_DOUBT : 0;
}

void requests_settle(struct partition_replica *r) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->request_count; i++) {
        struct replica_request request = r->requests[i];
        enum replica_answer answer =
            request.is_read ? settle_read(r, &request) : settle_write(r, &request);
        if (answer == 0)
            r->requests[kept++] = request;
        else
            r->replies[r->out->reply_count++] =
                (struct replica_reply){request.context, answer, request.is_read && !is_covered(r)};
    }
    r->request_count = kept;
}
