/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of a replica: appending, comparing with the primary's, cutting. Terms cut logs, nothing
 * else does: a record goes if the primary of a newer term has another one in its place. */
#include "cluster/mutants.h"
#include "cluster/replica_core.h"

uint64_t replica_durable(const struct partition_replica *r) {
    if (!r->options.waits_for_sync || CLUSTER_MUTATED(MUTANT_ACK_BEFORE_SYNC))
        return r->log.last;
    return r->synced;
}

/* What is not durable yet stays: else its place would be taken for durable. */
uint64_t replica_keep_after(const struct partition_replica *r) {
    uint64_t done = r->commit < r->applied ? r->commit : r->applied;
    if (r->options.waits_for_sync && r->synced < done)
        done = r->synced;
    return r->held_from <= done ? r->held_from - 1 : done;
}

static void set_dirty(struct partition_replica *r, uint64_t from) {
    if (from < r->dirty_from)
        r->dirty_from = from;
}

bool replica_append(struct partition_replica *r, const struct replica_record *record) {
    if (!replica_log_append(&r->log, record, r->write_number + 1, replica_keep_after(r)))
        return false;
    set_dirty(r, r->log.last);
    return true;
}

void replica_forget_log(struct partition_replica *r, struct log_position base) {
    replica_log_reset(&r->log, base);
    r->commit = r->applied = base.sequence;
    r->synced = 0;
    r->base_number = r->write_number + 1;
    r->executed = r->executed_term = 0;
    r->is_reset_unwritten = true;
    r->dirty_from = base.sequence + 1;
}

void replica_take_synced(struct partition_replica *r, uint64_t number) {
    if (number <= r->synced_number || number > r->write_number)
        return;
    r->synced_number = number;
    if (CLUSTER_MUTATED(MUTANT_STALE_SYNC_COUNTED))
        r->synced = r->log.last;
    if (r->synced < r->log.base.sequence && number >= r->base_number)
        r->synced = r->log.base.sequence;
    while (r->synced >= r->log.base.sequence && r->synced < r->log.last &&
           r->log.entries[(r->synced + 1) % r->log.records_max].write_number <= number)
        r->synced++;
    if (r->role == REPLICA_BACKUP || r->role == REPLICA_LEARNER)
        replica_acknowledge(r, r->matched);
}

struct replica_message *replica_new_message(struct partition_replica *r,
                                            enum replica_message_type type, uint32_t to,
                                            uint64_t incarnation) {
    struct replica_message *m = &r->out->messages[r->out->message_count++];
    *m = (struct replica_message){.type = type,
                                  .partition = r->options.partition,
                                  .from = r->options.self,
                                  .from_incarnation = r->options.incarnation,
                                  .to = to,
                                  .to_incarnation = incarnation,
                                  .config_index = r->view_index,
                                  .term = r->view.term};
    return m;
}

void replica_acknowledge(struct partition_replica *r, uint64_t matched) {
    if (r->out->message_count > 0 || r->matched_term != r->view.term)
        return;
    struct replica_message *m =
        replica_new_message(r, REPLICA_ACK, r->view.primary, r->primary_incarnation);
    m->position = (struct log_position){replica_log_term(&r->log, matched), matched};
    uint64_t durable = replica_durable(r);
    m->durable = durable < matched ? durable : matched;
    m->commit = r->commit;
    m->number = r->ack = r->ack < (uint64_t)r->now_us ? (uint64_t)r->now_us : r->ack + 1;
    m->is_unsynced = r->is_unsynced || (r->is_unstored && !CLUSTER_MUTATED(MUTANT_COPY_NOT_STORED));
    r->owes_ack = false;
}

static void refuse(struct partition_replica *r, const struct replica_message *m,
                   struct log_position hint) {
    struct replica_message *refusal =
        replica_new_message(r, REPLICA_REFUSE, m->from, m->from_incarnation);
    refusal->position = hint;
}

void replica_offer_log(struct partition_replica *r) {
    struct replica_message *m =
        replica_new_message(r, REPLICA_REFUSE, r->view.primary, r->primary_incarnation);
    m->position = replica_log_end(&r->log);
}

/* Whether the sender is this view's primary; if its term is older it is told so. It may lead again
 * in this term and not know which of its messages is meant, so the hint is one for any term. */
static bool is_from_primary(struct partition_replica *r, const struct replica_message *m) {
    if (m->term < r->view.term && !CLUSTER_MUTATED(MUTANT_OLD_TERM_ACCEPTED)) {
        refuse(r, m,
               CLUSTER_MUTATED(MUTANT_REFUSAL_AT_ZERO) ? (struct log_position){0, 0}
                                                       : replica_log_end(&r->log));
        return false;
    }
    bool is_seated = r->role == REPLICA_BACKUP || r->role == REPLICA_LEARNER;
    if (CLUSTER_MUTATED(MUTANT_OLD_TERM_ACCEPTED) && m->term < r->view.term)
        return is_seated;
    return is_seated && m->term == r->view.term && m->from == r->view.primary &&
           m->from_incarnation == r->primary_incarnation;
}

/* False: something committed would go. */
static bool cut(struct partition_replica *r, uint64_t keep) {
    if (keep < r->commit) {
        r->out->is_broken = true;
        return false;
    }
    if (r->executed_term != 0 && r->executed > keep) {
        r->out->has_cut = true;
        r->out->cut_first = keep + 1;
        r->out->cut_last = r->executed;
        r->is_unsynced = true;
        r->is_copied = false;
        r->executed = keep;
    }
    replica_log_cut(&r->log, keep);
    r->synced = r->synced < keep ? r->synced : keep;
    set_dirty(r, keep + 1);
    return true;
}

/* Where the logs might agree: the last own record of no newer term than the primary's there. Each
 * exchange of such hints goes back at least one term (Kafka's KIP-101 has the same idea). */
static struct log_position hint_below(const struct partition_replica *r,
                                      struct log_position previous) {
    uint64_t at = previous.sequence;
    while (at > r->commit && replica_log_term(&r->log, at) > previous.term)
        at--;
    return (struct log_position){replica_log_term(&r->log, at), at};
}

static bool agrees(const struct partition_replica *r, struct log_position previous) {
    if (previous.sequence <= r->commit)
        return true; /* committed: the same everywhere */
    return replica_log_term(&r->log, previous.sequence) == previous.term;
}

/* Room that the first records of terms find: without one nobody can commit, and make room. */
enum { ROOM_FOR_TERMS = 4 };

static bool may_append(const struct partition_replica *r, const struct replica_record *record) {
    uint64_t from = replica_keep_after(r);
    if (from < r->log.base.sequence)
        from = r->log.base.sequence;
    return record->kind == RECORD_TERM_START ||
           r->log.last - from + 1 + ROOM_FOR_TERMS <= r->log.records_max;
}

/* Records that can't be appended for lack of room are not acknowledged: the primary sends again. */
static bool take_record(struct partition_replica *r, uint64_t sequence,
                        const struct replica_record *record) {
    if (sequence <= r->log.base.sequence || sequence <= r->commit)
        return true;
    if (sequence <= r->log.last) {
        if (replica_log_term(&r->log, sequence) == record->term ||
            CLUSTER_MUTATED(MUTANT_TAIL_KEPT))
            return true;
        if (!cut(r, sequence - 1))
            return false;
    }
    return may_append(r, record) && replica_append(r, record);
}

static void advance_commit(struct partition_replica *r, uint64_t commit, uint64_t matched) {
    if (CLUSTER_MUTATED(MUTANT_COMMIT_UNMATCHED))
        matched = r->log.last;
    uint64_t to = commit < matched ? commit : matched;
    if (to > r->commit)
        r->commit = to;
}

enum larder_status replica_take_records(struct partition_replica *r,
                                        const struct replica_message *m) {
    if (!is_from_primary(r, m))
        return LARDER_OK;
    if (m->position.sequence > r->log.last && !CLUSTER_MUTATED(MUTANT_GAP_ACCEPTED)) {
        refuse(r, m, replica_log_end(&r->log));
        return LARDER_OK;
    }
    if (!agrees(r, m->position) && !CLUSTER_MUTATED(MUTANT_GAP_ACCEPTED)) {
        refuse(r, m, hint_below(r, m->position));
        return LARDER_OK;
    }
    uint64_t matched = m->position.sequence;
    for (uint32_t i = 0; i < m->record_count; i++) {
        if (!take_record(r, m->position.sequence + 1 + i, &m->records[i]))
            break;
        matched = m->position.sequence + 1 + i;
    }
    if (r->matched_term != r->view.term)
        r->matched = 0;
    r->matched_term = r->view.term;
    r->matched = matched > r->matched ? matched : r->matched;
    if (matched > r->log.last)
        r->matched = r->log.last;
    advance_commit(r, m->commit, r->matched);
    replica_acknowledge(r, CLUSTER_MUTATED(MUTANT_ACK_BEFORE_APPEND)
                               ? m->position.sequence + m->record_count
                               : r->matched);
    return LARDER_OK;
}

/* Only a learner begins anew: a member of the in-sync set has everything that is committed. */
enum larder_status replica_take_base(struct partition_replica *r, const struct replica_message *m) {
    if (!is_from_primary(r, m) || r->role != REPLICA_LEARNER)
        return LARDER_OK;
    if (m->position.sequence > r->log.last || !agrees(r, m->position)) {
        replica_forget_log(r, m->position);
        r->is_unsynced = true;
        r->is_copied = false;
        r->is_unstored = r->options.waits_for_sync;
        r->out->has_base = true;
    }
    r->matched_term = r->view.term;
    r->matched = m->position.sequence;
    replica_acknowledge(r, r->matched);
    return LARDER_OK;
}
