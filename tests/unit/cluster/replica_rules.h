/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold in the world of replica_world.h after every step, the rules of docs/model and of
 * the headers, from what machines were given and did:
 *
 * - committed records are the same everywhere, on every in-sync member, durably where that is
 *   promised, and are never cut; counted are only members that really have them
 * - a term is opened by one process, when its promises have run out and a record of the term is
 *   committed; a fresh process waits for the length of a promise
 * - a read is answered under promises of all that count, which knew the term and are known here,
 *   and never once a newer term is open; it sees what is committed, and everything that was
 *   answered before it
 * - a write is answered DONE when it is committed and enough are in sync; one answered MOVED is
 *   never kept. One that need not wait for that is answered under a lease, as a read, with enough
 * in sync, when the primary's own disk has it where that is promised
 * - EXPAND names who has everything; a hand-off is proposed when everything is committed, and
 *   nothing is served until its outcome is known; one whose data is not complete leaves
 * - the same records are not sent over and over to one that shows no progress */
#ifndef LARDER_TESTS_UNIT_CLUSTER_REPLICA_RULES_H
#define LARDER_TESTS_UNIT_CLUSTER_REPLICA_RULES_H

#include "unit/cluster/replica_world.h"

enum { REQUESTS_MAX = 4096, TERMS_MAX = ENTRIES_MAX + 2 };

struct request {
    bool is_read, is_early, is_moved, is_answered;
    uint64_t generation; /* term of the last RESET when it came */
    uint64_t term, sequence, sequence_term;
    uint64_t floor;  /* a read: what was answered before */
    uint32_t record; /* a read: the write that confirms it; 0: none */
};

static struct oracle {
    uint64_t length; /* of the committed log */
    struct cell log[SEQUENCES_MAX];
    uint64_t acknowledged; /* writes up to here were answered */
    uint64_t newest_open;  /* term */
    uint32_t opened_by[TERMS_MAX];
    uint64_t opened_as[TERMS_MAX];
    uint32_t request_count;
    struct request requests[REQUESTS_MAX];
    /* over all seeds */
    uint64_t commits, writes, reads, rounds, early, opened, moved, resets, expansions, hand_offs,
        restores;
} oracle;

static unsigned rules_early; /* per mille of the requests are WRITES_EXECUTED */

static void oracle_begin(void) {
    oracle.length = oracle.acknowledged = oracle.newest_open = 0;
    oracle.request_count = 1;
    memset(oracle.opened_by, 0, sizeof(oracle.opened_by));
}

static bool is_primary(const struct partition_replica *r) {
    return r->role >= REPLICA_ELECTED;
}

/* The process that this machine takes for the member; 0: there is none. */
static uint64_t incarnation_of(uint32_t n, uint32_t machine) {
    const struct member *m = configuration_find_member(world.machines[n].view, machine + 1);
    return m == NULL ? 0 : m->incarnation;
}

/* ---- leases ---- */

static bool is_within(int64_t sent_us, int64_t duration_us, int64_t now_us) {
    return now_us - sent_us < duration_us - duration_us / 10;
}

static bool has_promised(uint32_t n, uint32_t machine, uint64_t term_index) {
    const struct machine *m = &world.machines[n];
    const struct witness *w = &m->witness;
    uint64_t incarnation = incarnation_of(n, machine);
    for (uint32_t i = 0; i < w->promise_count && i < PROMISES_KEPT; i++) {
        const struct promise *p = &w->promises[i];
        if (p->machine == machine && p->incarnation == incarnation && p->index >= term_index &&
            p->index <= m->view->index && is_within(p->sent_us, p->duration_us, local_us(n)))
            return true;
    }
    return false;
}

static bool is_confirmed(uint32_t n) {
    const struct machine *m = &world.machines[n];
    const struct witness *w = &m->witness;
    if (m->replica->settings.quorum_policy != QUORUM_MAJORITY)
        return true;
    for (uint32_t i = 0; i < w->confirm_count && i < PROMISES_KEPT; i++)
        if (w->confirms[i].index <= m->view->index &&
            is_within(w->confirms[i].sent_us, w->confirms[i].duration_us, local_us(n)))
            return true;
    return false;
}

/* In sync, or being added as far as this primary knows. */
static bool is_counted(const struct partition_replica *r, const struct witness *w, uint32_t k) {
    return member_set_has(&r->view.in_sync, k + 1) || w->expanding_epoch[k] >= r->view.epoch;
}

static bool is_covered(uint32_t n) {
    const struct machine *m = &world.machines[n];
    for (uint32_t k = 0; k < world.machine_count; k++)
        if (k != n && is_counted(m->replica, &m->witness, k) &&
            !has_promised(n, k, m->replica->view.term_index))
            return false;
    return true;
}

/* The table may believe in less than was promised, never in more. */
static void check_lease_table(uint32_t n) {
    struct machine *m = &world.machines[n];
    uint32_t k = (uint32_t)draw(world.machine_count);
    uint64_t back = draw(3);
    uint64_t term_index = m->view->index > back ? m->view->index - back : 0;
    struct member_set one = {.count = 1, .members = {k + 1}};
    if (k != n && lease_covers(m->leases, &one, n + 1, term_index, local_us(n)) &&
        !has_promised(n, k, term_index))
        violate(n, "the lease table counts what was not promised");
    if (lease_config_holds(m->leases, local_us(n)) && !is_confirmed(n))
        violate(n, "the lease table counts what the coordinator did not confirm");
}

/* ---- logs ---- */

static bool log_has(const struct partition_replica *r, uint64_t sequence, uint64_t term) {
    return sequence <= r->log.base.sequence ||
           (sequence <= r->log.last && replica_log_term(&r->log, sequence) == term);
}

/* Whether the process has the record, durably if that is promised. One that is dead by now is
 * believed. */
static bool really_has(uint32_t k, uint64_t incarnation, uint64_t sequence, uint64_t term) {
    const struct machine *m = &world.machines[k];
    if (!m->is_up || m->incarnation != incarnation)
        return true;
    return log_has(m->replica, sequence, term) &&
           (!world.is_durable || disk_has(k, sequence, term));
}

static bool is_of_this_generation(const struct partition_replica *r) {
    return r->view.reset_term == group_partition()->reset_term;
}

static void check_in_sync(uint32_t k) {
    const struct machine *m = &world.machines[k];
    if (oracle.length == 0 || !member_set_has(&group_partition()->in_sync, k + 1) ||
        !is_of_living_process(k + 1) || !is_of_this_generation(m->replica))
        return;
    if (!really_has(k, m->incarnation, oracle.length, oracle.log[oracle.length].term))
        violate(k, "an in-sync member lacks what is committed");
}

static void take_committed(uint32_t n, uint64_t sequence) {
    const struct replica_record record = replica_get_record(world.machines[n].replica, sequence);
    struct cell cell = {.term = record.term};
    if (record.payload.size > 0)
        memcpy(&cell.value, record.payload.data, sizeof(cell.value));
    if (sequence <= oracle.length) {
        if (oracle.log[sequence].term != cell.term || oracle.log[sequence].value != cell.value)
            violate(n, "two committed records of one number differ");
        return;
    }
    assert_true(sequence < SEQUENCES_MAX);
    if (sequence != oracle.length + 1)
        violate(n, "something is committed behind what is not");
    if (cell.value != 0 && oracle.requests[cell.value].is_moved)
        violate(n, "a write that was answered MOVED is kept");
    oracle.log[oracle.length = sequence] = cell;
    oracle.commits++;
}

/* What a primary takes for acknowledged in its term is there. */
static void check_acknowledged(uint32_t n) {
    const struct partition_replica *r = world.machines[n].replica;
    for (uint32_t i = 0; is_primary(r) && i < r->peer_count; i++) {
        const struct replica_peer *peer = &r->peers[i];
        const struct machine *m = &world.machines[peer->member - 1];
        if (peer->received <= r->log.base.sequence || !m->is_up ||
            m->replica->view.term != r->view.term)
            continue;
        uint64_t term = replica_log_term(&r->log, peer->received);
        if (m->incarnation == peer->incarnation && !log_has(m->replica, peer->received, term))
            violate(n, "a record counts as acknowledged that the member lacks");
    }
}

/* Nothing changes for what another term, or another process, has acknowledged. */
static void check_late_ack(uint32_t n, const struct replica_input *input) {
    const struct partition_replica *r = world.machines[n].replica;
    struct witness *w = &world.machines[n].witness;
    uint64_t sum = 0, before = w->acknowledged;
    for (uint32_t i = 0; i < r->peer_count; i++)
        sum += r->peers[i].received + r->peers[i].durable + r->peers[i].is_matched;
    w->acknowledged = sum;
    if (input->type != REPLICA_MESSAGE || input->message->type != REPLICA_ACK || sum == before)
        return;
    const struct replica_message *m = input->message;
    if (m->term != r->view.term || m->from_incarnation != incarnation_of(n, m->from - 1))
        violate(n, "an acknowledgement of another term or process counts");
}

/* What this primary counts as committed is with all that count. */
static void check_counted(uint32_t n) {
    const struct machine *m = &world.machines[n];
    uint64_t term = replica_log_term(&m->replica->log, m->replica->commit);
    for (uint32_t k = 0; k < world.machine_count; k++)
        if ((k == n || is_counted(m->replica, &m->witness, k)) &&
            !really_has(k, k == n ? m->incarnation : incarnation_of(n, k), m->replica->commit,
                        term))
            violate(n, "a record counts as committed that a member lacks");
}

static void check_commit(uint32_t n) {
    struct machine *m = &world.machines[n];
    struct witness *w = &m->witness;
    const struct partition_replica *r = m->replica;
    if (r->view.reset_term != w->reset_term)
        w->commit = w->checked = 0;
    bool is_seated = r->role == REPLICA_BACKUP || is_primary(r);
    if (r->commit < w->commit && is_seated)
        violate(n, "a commit position fell");
    bool is_further = r->commit > w->commit;
    w->commit = r->commit;
    w->reset_term = r->view.reset_term;
    if (!is_of_this_generation(r))
        return;
    uint64_t from = w->checked > r->log.base.sequence ? w->checked : r->log.base.sequence;
    for (uint64_t s = from + 1; s <= r->commit; s++)
        take_committed(n, s);
    w->checked = r->commit;
    if (is_further && is_primary(r))
        check_counted(n);
}

/* ---- roles ---- */

static void check_opening(uint32_t n) {
    struct machine *m = &world.machines[n];
    struct witness *w = &m->witness;
    const struct partition_replica *r = m->replica;
    uint64_t term = r->view.term;
    bool was_open = w->role >= REPLICA_OPEN && w->role_term == term;
    bool is_open = r->role == REPLICA_OPEN;
    w->role = r->role;
    w->role_term = term;
    if (!is_open || was_open)
        return;
    oracle.opened++;
    if (local_us(n) < m->started_us + (int64_t)m->view->longest_lease_ms * 1000)
        violate(n, "a fresh process opened a term");
    if (local_us(n) < w->blocked_until_us)
        violate(n, "a term was opened against a promise");
    if (replica_log_term(&r->log, r->commit) != term)
        violate(n, "a term was opened without a committed record");
    if (oracle.opened_by[term] != 0 &&
        (oracle.opened_by[term] != n + 1 || oracle.opened_as[term] != m->incarnation))
        violate(n, "two processes opened one term");
    oracle.opened_by[term] = n + 1;
    oracle.opened_as[term] = m->incarnation;
    if (term > oracle.newest_open)
        oracle.newest_open = term;
}

/* Promises to a former primary move to the partition. */
static void take_view(uint32_t n) {
    struct machine *m = &world.machines[n];
    struct witness *w = &m->witness;
    const struct partition_config *next = &m->replica->view;
    uint32_t former = w->view.primary;
    if (former != next->primary && former != CLUSTER_NOBODY && former != n + 1 &&
        w->gave_until_us[former - 1] > w->blocked_until_us)
        w->blocked_until_us = w->gave_until_us[former - 1];
    if (next->term > w->view.term && next->is_released)
        w->blocked_until_us = INT64_MIN;
    w->view = *next;
}

/* ---- proposals ---- */

static void check_expand(uint32_t n, const struct config_partition_change *change) {
    const struct partition_replica *r = world.machines[n].replica;
    uint32_t k = change->member - 1;
    world.machines[n].witness.expanding_epoch[k] = change->epoch;
    if (!is_of_this_generation(r))
        return;
    if (!really_has(k, change->incarnation, r->commit, replica_log_term(&r->log, r->commit)))
        violate(n, "EXPAND of a member that lacks what is committed");
    const struct witness *w = &world.machines[n].witness;
    if (w->unsynced_term[k] == r->view.term && w->unsynced_of[k] == change->incarnation)
        violate(n, "EXPAND of a member whose data is not complete");
}

static void check_proposal(uint32_t n) {
    struct machine *m = &world.machines[n];
    const struct config_entry *entry = &world.out.proposal;
    if (!world.out.has_proposal)
        return;
    if (entry->type == CONFIG_EXPAND)
        check_expand(n, &entry->change);
    if (entry->type == CONFIG_SHRINK)
        m->witness.shrinking_epoch = entry->change.epoch;
    if (entry->type != CONFIG_TRANSFER)
        return;
    m->witness.transfer_epoch = entry->change.epoch;
    if (m->replica->commit != m->replica->log.last)
        violate(n, "a hand-off before everything is committed");
}

static bool is_handing_off(uint32_t n) {
    const struct machine *m = &world.machines[n];
    return m->witness.transfer_epoch >= m->replica->view.epoch;
}

/* Who said that its data is not complete, in this term and while it has a seat here. */
static void note_completeness(uint32_t n, const struct replica_message *message) {
    struct machine *m = &world.machines[n];
    const struct partition_replica *r = m->replica;
    uint32_t from = message->from - 1;
    bool has_seat = member_set_has(&r->view.in_sync, message->from) ||
                    member_set_has(&r->view.learners, message->from);
    if (message->type != REPLICA_ACK || !has_seat || !is_primary(r) ||
        message->term != r->view.term || message->from_incarnation != incarnation_of(n, from) ||
        message->position.sequence > r->log.last)
        return;
    struct witness *w = &m->witness;
    if (w->unsynced_of[from] == message->from_incarnation &&
        w->unsynced_number[from] >= message->number)
        return;
    w->unsynced_term[from] = message->is_unsynced ? message->term : 0;
    w->unsynced_of[from] = message->from_incarnation;
    w->unsynced_number[from] = message->number;
}

static void check_completeness(uint32_t n) {
    const struct machine *m = &world.machines[n];
    const struct witness *w = &m->witness;
    const struct partition_replica *r = m->replica;
    for (uint32_t k = 0; k < world.machine_count && is_primary(r); k++)
        if (k != n && member_set_has(&r->view.in_sync, k + 1) &&
            w->unsynced_term[k] == r->view.term && w->unsynced_of[k] == incarnation_of(n, k) &&
            w->shrinking_epoch != r->view.epoch)
            violate(n, "a member whose data is not complete stays in sync");
}

/* Nobody says that its data is complete while it is not, or the copy of it not durable. */
static void check_word(uint32_t n) {
    const struct partition_replica *r = world.machines[n].replica;
    for (uint32_t i = 0; i < world.out.message_count; i++)
        if (world.out.messages[i].type == REPLICA_ACK && !world.out.messages[i].is_unsynced &&
            (r->is_unsynced || r->is_unstored))
            violate(n, "a member says that it is complete, and is not");
}

/* ---- replies ---- */

static bool is_known_committed(const struct request *request) {
    return request->sequence <= oracle.length &&
           oracle.log[request->sequence].term == request->sequence_term;
}

/* What is told before it is committed is in the log of the primary, as durable as promised. */
static void check_own(uint32_t n, const struct request *request) {
    const struct partition_replica *r = world.machines[n].replica;
    if (!log_has(r, request->sequence, request->sequence_term))
        violate(n, "an early answer tells of what its primary lacks");
    if (world.is_durable && !disk_has(n, request->sequence, request->sequence_term))
        violate(n, "an early answer tells of what is not on the disk of its primary");
}

/* A write is answered before it is committed only by one that could answer reads. */
static void check_early(uint32_t n, const struct request *request) {
    const struct partition_replica *r = world.machines[n].replica;
    oracle.early++;
    if (!is_primary(r) || r->view.term != request->term || is_handing_off(n))
        violate(n, "an early answer by one that does not serve");
    if (oracle.newest_open > request->term)
        violate(n, "an early answer while a newer term is open");
    if (!is_covered(n))
        violate(n, "an early answer without a lease");
    check_own(n, request);
}

/* A record that was made after the read came is committed: its primary still led then. */
static bool is_recorded(const struct request *request) {
    bool is_it = request->record != 0 && is_known_committed(&oracle.requests[request->record]);
    oracle.rounds += is_it;
    return is_it;
}

static void check_read(uint32_t n, const struct request *request) {
    const struct partition_replica *r = world.machines[n].replica;
    bool is_round = is_recorded(request);
    oracle.reads++;
    if (!is_primary(r) || r->view.term != request->term || is_handing_off(n))
        violate(n, "a read was answered by one that does not serve");
    if (oracle.newest_open > request->term && !is_round)
        violate(n, "a read was answered while a newer term is open");
    if ((!is_covered(n) && !is_round) || !is_confirmed(n))
        violate(n, "a read was answered without a lease");
    if (request->generation != group_partition()->reset_term)
        return;
    if (request->sequence < request->floor)
        violate(n, "a read misses a write that was answered before");
    if (is_known_committed(request))
        return;
    if (request->is_early)
        check_own(n, request);
    else
        violate(n, "a read saw what is not committed");
}

static void check_done(uint32_t n, uint32_t id) {
    const struct partition_replica *r = world.machines[n].replica;
    const struct request *request = &oracle.requests[id];
    oracle.writes++;
    if (r->view.in_sync.count < r->settings.min_insync)
        violate(n, "a write was answered while too few are in sync");
    if (is_primary(r) && !is_confirmed(n))
        violate(n, "a write was answered without the coordinator");
    if (request->generation != group_partition()->reset_term)
        return;
    bool is_committed =
        request->sequence <= oracle.length && oracle.log[request->sequence].value == id;
    if (!is_committed && request->is_early) {
        check_early(n, request);
        return;
    }
    if (!is_committed)
        violate(n, "a write was answered that is not committed");
    if (request->sequence > oracle.acknowledged)
        oracle.acknowledged = request->sequence;
}

static void check_reply(uint32_t n, const struct replica_reply *reply) {
    uint32_t id = (uint32_t)reply->context;
    struct request *request = &oracle.requests[id];
    if (request->is_answered)
        violate(n, "a request was answered twice");
    request->is_answered = true;
    if (request->is_read && reply->answer == ANSWER_DONE)
        check_read(n, request);
    if (request->is_read)
        return;
    if (reply->answer == ANSWER_DONE)
        check_done(n, id);
    if (reply->answer != ANSWER_MOVED)
        return;
    oracle.moved++;
    request->is_moved = true;
    if (request->generation == group_partition()->reset_term &&
        request->sequence <= oracle.length && oracle.log[request->sequence].value == id)
        violate(n, "a write that is committed was answered MOVED");
}

/* A client's request at this machine, if it takes any. Returns its number, 0: not taken. */
static uint32_t ask(uint32_t n, bool is_read) {
    struct partition_replica *r = world.machines[n].replica;
    uint32_t id = oracle.request_count;
    if (id == REQUESTS_MAX || r->log.last + 16 > SEQUENCES_MAX ||
        replica_admit(r, 4, local_us(n)) != LARDER_OK)
        return 0;
    oracle.request_count++;
    uint64_t at = r->log.last + !is_read;
    bool is_early = chance(rules_early);
    oracle.requests[id] = (struct request){
        .is_read = is_read,
        .is_early = is_early,
        .generation = r->view.reset_term,
        .term = r->view.term,
        .sequence = at,
        .sequence_term = is_read ? replica_log_term(&r->log, r->log.last) : r->view.term,
        .floor = oracle.acknowledged};
    struct replica_input input = {
        .type = is_read ? REPLICA_READ : REPLICA_WRITE,
        .request = {.context = id,
                    .payload = slice_of(&id, sizeof(id)),
                    .is_early = is_early,
                    .deadline_us =
                        local_us(n) + 2 * world.lease_us +
                        (int64_t)draw((chance(700) ? 30 : 4) * (uint64_t)world.lease_us)}};
    return step(n, input) == LARDER_OK ? id : 0;
}

/* Reads that wait for a lease are answered by a round instead. */
static void confirm_reads(uint32_t n) {
    struct partition_replica *r = world.machines[n].replica;
    if (!replica_reads_wait(r, local_us(n)))
        return;
    uint32_t record = ask(n, false);
    if (record == 0 || r->log.last != oracle.requests[record].sequence)
        return;
    replica_confirm_reads(r, r->log.last);
    for (uint32_t i = 0; i < r->request_count; i++)
        if (r->requests[i].is_read && r->requests[i].confirmed_by == r->log.last)
            oracle.requests[r->requests[i].context].record = record;
}

/* ---- what the world calls ---- */

static void rules_take_group(const struct partition_config *before) {
    const struct partition_config *p = group_partition();
    if (p->reset_term > before->reset_term) {
        oracle.length = oracle.acknowledged = 0;
        oracle.resets++;
    }
    oracle.hand_offs += p->term > before->term && p->is_released;
    oracle.restores += before->state == PARTITION_LOST && p->state != PARTITION_LOST;
    oracle.expansions += p->in_sync.count > before->in_sync.count;
    for (uint32_t k = 0; k < world.machine_count; k++)
        check_in_sync(k);
}

static void rules_begin_process(uint32_t n) {
    struct machine *m = &world.machines[n];
    m->witness = (struct witness){.blocked_until_us = INT64_MIN};
    for (uint32_t k = 0; k < MACHINES_MAX; k++)
        m->witness.gave_until_us[k] = INT64_MIN;
}

/* ---- what is sent in vain ---- */

enum { ATTEMPTS_MAX = 4 }; /* late refusals of other messages ask for them, too */

/* What a machine sends to another, and how far that one is as far as it was told. */
static struct attempts {
    uint64_t term, incarnation, from; /* records behind this position */
    uint64_t commit, durable;
    int64_t since_us;
    uint32_t count;
} attempts[MACHINES_MAX][MACHINES_MAX];

static void attempts_begin(void) {
    memset(attempts, 0, sizeof(attempts));
}

static void note_room(uint32_t n, const struct replica_message *m) {
    struct attempts *a = &attempts[n][m->from - 1];
    if (m->type != REPLICA_ACK || (m->commit <= a->commit && m->durable <= a->durable))
        return;
    a->commit = m->commit > a->commit ? m->commit : a->commit;
    a->durable = m->durable > a->durable ? m->durable : a->durable;
    a->count = 0;
}

static void check_attempts(uint32_t n) {
    const struct partition_replica *r = world.machines[n].replica;
    for (uint32_t i = 0; i < world.out.message_count; i++) {
        const struct replica_message *m = &world.out.messages[i];
        struct attempts *a = &attempts[n][m->to - 1];
        if (m->type != REPLICA_RECORDS || m->record_count == 0)
            continue;
        if (a->term != m->term || a->incarnation != m->to_incarnation)
            *a = (struct attempts){.term = m->term, .incarnation = m->to_incarnation};
        if (a->from != m->position.sequence ||
            local_us(n) - a->since_us >= r->options.resend_after_us) {
            a->from = m->position.sequence;
            a->since_us = local_us(n);
            a->count = 0;
        }
        if (++a->count > ATTEMPTS_MAX)
            violate(n, "the same records are sent over and over");
    }
}

static void rules_after_step(uint32_t n, const struct replica_input *input) {
    if (input->type == REPLICA_VIEW)
        take_view(n);
    if (input->type == REPLICA_MESSAGE)
        note_completeness(n, input->message);
    if (input->type == REPLICA_MESSAGE)
        note_room(n, input->message);
    check_attempts(n);
    check_proposal(n);
    check_commit(n);
    check_acknowledged(n);
    check_late_ack(n, input);
    check_in_sync(n);
    check_opening(n);
    check_completeness(n);
    check_word(n);
    if (world.machines[n].replica->role == REPLICA_OPEN && is_handing_off(n))
        violate(n, "a hand-off of unknown outcome was taken back");
    for (uint32_t i = 0; i < world.out.reply_count; i++)
        check_reply(n, &world.out.replies[i]);
    if (input->type != REPLICA_VIEW) /* the table forgets dead processes after it */
        check_lease_table(n);
}

#endif
