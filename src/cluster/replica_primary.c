/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary's side: begin the term with a record of its own, bring the others to its log, count
 * acknowledgements. The tail that a former term left is kept: nobody knows whether it was answered.
 */
#include "cluster/mutants.h"
#include "cluster/replica_core.h"

enum { WINDOW_RECORDS = 1024 }; /* sent and not acknowledged, per peer */

struct replica_peer *primary_find_peer(struct partition_replica *r, uint32_t member) {
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].member == member)
            return &r->peers[i];
    return NULL;
}

static bool must_acknowledge(const struct partition_replica *r, const struct replica_peer *peer) {
    return peer->is_in_sync || (member_set_has(&r->pending, peer->member) &&
                                !CLUSTER_MUTATED(MUTANT_COMMIT_WITHOUT_PENDING));
}

/* Each member says how far its part is done: one that waits for its disk, when that has it; also to
 * a primary that has no disk itself. */
static uint64_t reached(const struct replica_peer *peer) {
    return CLUSTER_MUTATED(MUTANT_RECEIVED_COUNTS) ? peer->received : peer->durable;
}

void primary_begin_term(struct partition_replica *r) {
    r->term_start = 0;
    r->pending = (struct member_set){0};
    r->proposal = (struct replica_proposal){0};
    r->is_unsynced = false; /* it was in sync, or its data is what there is */
    if (CLUSTER_MUTATED(MUTANT_TAIL_DROPPED) && r->commit < r->log.last) {
        replica_log_cut(&r->log, r->commit);
        r->dirty_from = r->commit + 1;
    }
}

/* The first record of a term may find no room, then the next step tries again. */
static void start_term(struct partition_replica *r) {
    if (r->term_start != 0)
        return;
    uint64_t behind = r->log.last;
    struct replica_record start = {.term = r->view.term, .kind = RECORD_TERM_START};
    if (!replica_append(r, &start))
        return;
    r->term_start = behind + 1;
    for (uint32_t i = 0; i < r->peer_count; i++)
        r->peers[i].next = r->term_start;
}

static uint64_t acknowledged_by_all(const struct partition_replica *r) {
    uint64_t least = replica_durable(r);
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct replica_peer *peer = &r->peers[i];
        bool is_believed_gone = CLUSTER_MUTATED(MUTANT_SHRINK_BELIEVED) && r->proposal.is_open &&
                                r->proposal.type == CONFIG_SHRINK &&
                                r->proposal.member == peer->member;
        if (must_acknowledge(r, peer) && !is_believed_gone && reached(peer) < least)
            least = reached(peer);
    }
    return least;
}

/* Only for the mutant: the largest position that more than half have. */
static uint64_t acknowledged_by_majority(const struct partition_replica *r) {
    uint64_t best = 0;
    for (uint32_t i = 0; i <= r->peer_count; i++) {
        uint64_t at = i == r->peer_count ? replica_durable(r) : reached(&r->peers[i]);
        uint32_t have = replica_durable(r) >= at;
        for (uint32_t k = 0; k < r->peer_count; k++)
            have += r->peers[k].is_in_sync && reached(&r->peers[k]) >= at;
        if (2 * have > r->view.in_sync.count && at > best)
            best = at;
    }
    return best;
}

static bool is_restrained(const struct partition_replica *r) {
    if (r->now_us < r->leases->opens_from_us)
        return true;
    return r->now_us < r->blocked_until_us && !CLUSTER_MUTATED(MUTANT_PROMISE_IGNORED);
}

void primary_advance(struct partition_replica *r) {
    start_term(r);
    if (r->term_start == 0 || is_restrained(r))
        return;
    uint64_t to = CLUSTER_MUTATED(MUTANT_COMMIT_MAJORITY) ? acknowledged_by_majority(r)
                                                          : acknowledged_by_all(r);
    if (to >= r->term_start && to > r->commit)
        r->commit = to;
    bool has_begun = r->commit >= r->term_start || CLUSTER_MUTATED(MUTANT_NO_TERM_START);
    if (r->role == REPLICA_ELECTED && has_begun)
        replica_become(r, REPLICA_OPEN);
}

static void note_progress(struct partition_replica *r, struct replica_peer *peer, uint64_t before) {
    if (reached(peer) == r->log.last)
        peer->waiting_since_us = INT64_MAX;
    else if (reached(peer) > before)
        peer->waiting_since_us = r->now_us;
}

static struct replica_peer *sender(struct partition_replica *r, const struct replica_message *m) {
    struct replica_peer *peer = primary_find_peer(r, m->from);
    if (peer == NULL || !replica_is_primary(r))
        return NULL;
    if (peer->incarnation != m->from_incarnation && !CLUSTER_MUTATED(MUTANT_ACK_ANY_INCARNATION))
        return NULL;
    return peer;
}

/* It lacked what came before, and one message that begins there is under way. Until that is
 * answered, or late, no other records are sent: a log without room would refuse them, too, and be
 * sent all of it again with each refusal. */
static bool is_retried(const struct partition_replica *r, const struct replica_peer *peer) {
    return peer->next > peer->refused_at + 1 && peer->received <= peer->refused_at &&
           r->now_us - peer->refused_us < r->options.resend_after_us &&
           !CLUSTER_MUTATED(MUTANT_REFUSED_AT_ONCE);
}

/* Up to here its log can make room. */
static uint64_t droppable(const struct replica_peer *peer) {
    return peer->committed < peer->durable ? peer->committed : peer->durable;
}

/* Positions only grow, so the order of acknowledgements does not matter for them; what a replica
 * says of its data is believed if it was said later than what is known, and since it has its seat.
 */
void primary_take_ack(struct partition_replica *r, const struct replica_message *m) {
    struct replica_peer *peer = sender(r, m);
    if (peer == NULL || (m->term != r->view.term && !CLUSTER_MUTATED(MUTANT_ACK_ANY_TERM)) ||
        m->position.sequence > r->log.last)
        return;
    uint64_t before = reached(peer), had_room = droppable(peer);
    peer->is_matched = true;
    if ((m->number > peer->ack &&
         (m->config_index >= peer->since || CLUSTER_MUTATED(MUTANT_WORD_BEFORE_SEAT))) ||
        CLUSTER_MUTATED(MUTANT_STALE_ACK_SYNCED)) {
        peer->ack = m->number;
        peer->is_unsynced = m->is_unsynced;
    }
    if (m->position.sequence > peer->received)
        peer->received = m->position.sequence;
    if (m->durable > peer->durable)
        peer->durable = m->durable;
    if (m->commit > peer->committed)
        peer->committed = m->commit;
    if (peer->next <= peer->received)
        peer->next = peer->received + 1;
    if (droppable(peer) > had_room)
        peer->refused_us = INT64_MIN / 2;
    note_progress(r, peer, before);
}

/* Go back to where the logs can agree: not behind the hint, in no newer term than its. Where even
 * the first record that is left here is newer, the log does not help: BASE. */
void primary_take_refusal(struct partition_replica *r, const struct replica_message *m) {
    struct replica_peer *peer = sender(r, m);
    if (peer == NULL || m->term != r->view.term)
        return; /* a newer term: the configuration is fetched */
    uint64_t at = m->position.sequence < r->log.last ? m->position.sequence : r->log.last;
    while (at >= r->log.base.sequence && at > 0 && replica_log_term(&r->log, at) > m->position.term)
        at--;
    if (at < peer->received)
        at = peer->received;
    bool is_behind = at >= peer->refused_at;
    if (CLUSTER_MUTATED(MUTANT_LATE_REFUSAL))
        is_behind = at == peer->refused_at;
    if (at + 1 >= peer->next || (is_behind && is_retried(r, peer)))
        return;
    peer->next = at + 1;
    peer->sent_us = INT64_MIN / 2;
    peer->refused_at = at;
    peer->refused_us = r->now_us;
}

static void send_base(struct partition_replica *r, struct replica_peer *peer) {
    struct replica_message *m =
        replica_new_message(r, REPLICA_BASE, peer->member, peer->incarnation);
    m->position = (struct log_position){replica_log_term(&r->log, r->commit), r->commit};
    m->commit = r->commit;
    peer->next = r->commit + 1;
    peer->sent_us = r->now_us;
}

static void send_records(struct partition_replica *r, struct replica_peer *peer) {
    struct replica_record *records = r->out->records[r->out->message_count];
    struct replica_message *m =
        replica_new_message(r, REPLICA_RECORDS, peer->member, peer->incarnation);
    uint64_t previous = peer->next - 1;
    m->position = (struct log_position){replica_log_term(&r->log, previous), previous};
    m->commit = r->commit;
    m->records = records;
    size_t bytes = 0;
    while (peer->next <= r->log.last && m->record_count < REPLICA_BATCH_RECORDS &&
           peer->next - peer->received <= WINDOW_RECORDS) {
        records[m->record_count] = replica_log_get(&r->log, peer->next);
        bytes += records[m->record_count].payload.size;
        if (m->record_count > 0 && bytes > REPLICA_BATCH_BYTES)
            break;
        m->record_count++;
        peer->next++;
    }
    peer->commit_sent = r->commit;
    peer->sent_us = r->now_us;
    bool is_awaited = peer->is_in_sync && !peer->is_matched && /* until then nothing commits */
                      !CLUSTER_MUTATED(MUTANT_QUESTION_NOT_AWAITED);
    if ((m->record_count > 0 || is_awaited) && peer->waiting_since_us == INT64_MAX)
        peer->waiting_since_us = r->now_us;
}

/* To one that takes no records now: with that it may have room. */
static void send_commit(struct partition_replica *r, struct replica_peer *peer) {
    if (!peer->is_matched || peer->commit_sent >= r->commit ||
        peer->refused_at < r->log.base.sequence)
        return;
    struct replica_message *m =
        replica_new_message(r, REPLICA_RECORDS, peer->member, peer->incarnation);
    m->position =
        (struct log_position){replica_log_term(&r->log, peer->refused_at), peer->refused_at};
    m->commit = peer->commit_sent = r->commit;
}

/* Where its log agrees, that what it received is durable, that its data is complete, what it knows
 * to be committed: the last message of either side may have been lost, and without writes there is
 * no other. */
static bool owes_word(const struct replica_peer *peer) {
    return !peer->is_matched || reached(peer) < peer->received || peer->is_unsynced ||
           peer->committed < peer->commit_sent;
}

void primary_send(struct partition_replica *r) {
    if (r->term_start == 0)
        return;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct replica_peer *peer = &r->peers[i];
        if (is_retried(r, peer)) {
            send_commit(r, peer);
            continue;
        }
        if (peer->next <= r->log.base.sequence) {
            if (!peer->is_in_sync && r->log.base.sequence > 0)
                send_base(r, peer);
            continue;
        }
        bool has_records =
            peer->next <= r->log.last && peer->next - peer->received <= WINDOW_RECORDS;
        bool has_commit = peer->is_matched && peer->commit_sent < r->commit;
        bool is_probe = owes_word(peer) && r->now_us - peer->sent_us >= r->options.resend_after_us;
        if (has_records || has_commit || is_probe)
            send_records(r, peer);
    }
}

/* What was sent and not acknowledged in time is sent again, from what is known to be there. */
void primary_tick(struct partition_replica *r) {
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct replica_peer *peer = &r->peers[i];
        if (peer->waiting_since_us == INT64_MAX ||
            r->now_us - peer->sent_us < r->options.resend_after_us)
            continue;
        uint64_t from = peer->is_matched ? peer->received + 1 : r->term_start;
        if (from != 0 && from < peer->next)
            peer->next = from;
    }
}
