/* SPDX-License-Identifier: BSD-3-Clause */
/* The step: take the input; then, whatever it was, settle what follows from it: open, commit,
 * propose, send, apply, reply, write. Settling is the same after each input, so no rule depends on
 * which input made it true. */
#include "cluster/partition_replica.h"

#include "cluster/mutants.h"
#include "cluster/replica_core.h"

static void set_defaults(struct replica_options *o) {
    o->records_max = o->records_max == 0 ? 4096 : o->records_max;
    o->bytes_max = o->bytes_max == 0 ? REPLICA_LOG_BYTES : o->bytes_max;
    o->requests_max = o->requests_max == 0 ? 256 : o->requests_max;
    o->shrink_after_us = o->shrink_after_us == 0 ? 250000 : o->shrink_after_us;
    o->resend_after_us = o->resend_after_us == 0 ? 100000 : o->resend_after_us;
    o->settle_after_us = o->settle_after_us == 0 ? 500000 : o->settle_after_us;
    o->expand_lag = o->expand_lag == 0 ? 64 : o->expand_lag;
}

enum larder_status replica_create(const struct replica_options *options, struct lease_table *leases,
                                  const struct allocator *allocator,
                                  struct partition_replica **out) {
    struct partition_replica *r = allocator_allocate_zeroed(allocator, sizeof(*r));
    if (r == NULL)
        return LARDER_NO_MEMORY;
    r->options = *options;
    set_defaults(&r->options);
    r->allocator = allocator;
    r->leases = leases;
    r->dirty_from = r->held_from = UINT64_MAX;
    r->blocked_until_us = INT64_MIN;
    size_t requests = r->options.requests_max;
    r->requests = allocator_allocate_zeroed(allocator, requests * sizeof(*r->requests));
    r->replies = allocator_allocate_zeroed(allocator, requests * sizeof(*r->replies));
    enum larder_status status =
        replica_log_init(&r->log, r->options.records_max, r->options.bytes_max, allocator);
    if (r->requests == NULL || r->replies == NULL)
        status = LARDER_NO_MEMORY;
    if (status != LARDER_OK) {
        replica_destroy(r);
        return status;
    }
    *out = r;
    return LARDER_OK;
}

void replica_destroy(struct partition_replica *r) {
    if (r == NULL)
        return;
    size_t requests = r->options.requests_max;
    allocator_release(r->allocator, r->requests, requests * sizeof(*r->requests));
    allocator_release(r->allocator, r->replies, requests * sizeof(*r->replies));
    replica_log_finish(&r->log);
    allocator_release(r->allocator, r, sizeof(*r));
}

enum larder_status replica_restore(struct partition_replica *r, struct log_position base,
                                   const struct replica_record *records, size_t record_count,
                                   uint64_t commit, uint64_t applied, bool is_complete) {
    uint64_t end = base.sequence + record_count;
    if (commit > end || applied > commit || applied < base.sequence)
        return LARDER_CORRUPT;
    replica_log_reset(&r->log, base);
    for (size_t i = 0; i < record_count; i++) {
        if (records[i].term < replica_log_end(&r->log).term)
            return LARDER_CORRUPT;
        struct replica_record record = records[i];
        if (CLUSTER_MUTATED(MUTANT_RESTORE_ONE_TERM))
            record.term = records[record_count - 1].term;
        if (!replica_log_append(&r->log, &record, 0, 0))
            return LARDER_NO_MEMORY;
    }
    r->commit = commit;
    r->applied = applied;
    r->synced = end;
    r->is_unsynced = !is_complete;
    return LARDER_OK;
}

struct replica_record replica_get_record(const struct partition_replica *r, uint64_t sequence) {
    return replica_log_get(&r->log, sequence);
}

enum larder_status replica_add(struct partition_replica *r, const struct replica_input *input) {
    if (input->type != REPLICA_WRITE && input->type != REPLICA_READ)
        return LARDER_INVALID;
    r->now_us = input->now_us;
    return requests_add(r, input);
}

void replica_hold(struct partition_replica *r, uint64_t sequence) {
    r->held_from = sequence;
}

enum larder_status replica_admit(const struct partition_replica *r, size_t payload_bytes,
                                 int64_t now_us) {
    if (!replica_is_primary(r))
        return LARDER_AGAIN;
    if (r->role != REPLICA_OPEN)
        return LARDER_BUSY;
    if (r->view.in_sync.count < r->settings.min_insync)
        return LARDER_DENIED;
    if (r->settings.quorum_policy == QUORUM_MAJORITY && !lease_config_holds(r->leases, now_us))
        return LARDER_DENIED;
    uint64_t keep_after = replica_keep_after(r);
    /* Some records stay free for the beginning of terms. */
    bool has_room = payload_bytes <= r->options.bytes_max / 8 &&
                    replica_log_has_room(&r->log, 8, payload_bytes, keep_after) &&
                    r->request_count < r->options.requests_max;
    return has_room ? LARDER_OK : LARDER_NO_MEMORY;
}

static enum larder_status take_message(struct partition_replica *r,
                                       const struct replica_message *m) {
    if (m->partition != r->options.partition || m->to != r->options.self ||
        m->to_incarnation != r->options.incarnation)
        return LARDER_DENIED;
    if (m->config_index > r->view_index && m->config_index > r->leases->applied_index) {
        r->out->wanted_index = m->config_index;
        r->out->wanted_from = m->from;
    }
    switch (m->type) {
    case REPLICA_RECORDS: return replica_take_records(r, m);
    case REPLICA_BASE: return replica_take_base(r, m);
    case REPLICA_ACK: primary_take_ack(r, m); return LARDER_OK;
    case REPLICA_REFUSE: primary_take_refusal(r, m); return LARDER_OK;
    default: return LARDER_INVALID;
    }
}

static enum larder_status hand_off(struct partition_replica *r, uint32_t member) {
    if (r->role != REPLICA_OPEN)
        return LARDER_AGAIN;
    if (member == r->options.self || !member_set_has(&r->view.in_sync, member))
        return LARDER_NOT_FOUND;
    r->hand_off_to = member;
    replica_become(r, REPLICA_DRAINING);
    return LARDER_OK;
}

static void take_copied(struct partition_replica *r, uint64_t sequence) {
    r->synced_from = sequence;
    r->is_copied = true; /* settled when the commit position is there */
}

/* A primary's data is what there is. */
static void take_diverged(struct partition_replica *r) {
    if (replica_is_primary(r))
        return;
    r->is_unsynced = r->owes_ack = true;
    r->is_copied = false;
    r->is_unstored = r->options.waits_for_sync;
}

static void take_stored(struct partition_replica *r, uint64_t sequence) {
    if (!r->is_unstored || r->is_unsynced || sequence < r->stored_from)
        return;
    r->is_unstored = false;
    r->owes_ack = true;
}

static enum larder_status take(struct partition_replica *r, const struct replica_input *input) {
    switch (input->type) {
    case REPLICA_VIEW: replica_take_view(r, input->configuration); return LARDER_OK;
    case REPLICA_TICK:
        if (replica_is_primary(r))
            primary_tick(r);
        else if (r->role == REPLICA_LEARNER
                     ? r->owes_ack
                     : r->role == REPLICA_BACKUP && (r->owes_ack || r->is_unsynced))
            replica_acknowledge(r, r->matched);
        return LARDER_OK;
    case REPLICA_WRITE:
    case REPLICA_READ: return requests_add(r, input);
    case REPLICA_MESSAGE: return take_message(r, input->message);
    case REPLICA_SYNCED: replica_take_synced(r, input->number); return LARDER_OK;
    case REPLICA_STORED: take_stored(r, input->sequence); return LARDER_OK;
    case REPLICA_FULL: r->is_full = input->is_full; return LARDER_OK;
    case REPLICA_HAND_OFF: return hand_off(r, input->member);
    case REPLICA_COPIED: take_copied(r, input->sequence); return LARDER_OK;
    case REPLICA_DIVERGED: take_diverged(r); return LARDER_OK;
    case REPLICA_SETTLE: return LARDER_OK;
    case REPLICA_SILENT:
        if (replica_is_primary(r) && input->member != r->options.self &&
            member_set_has(&r->view.in_sync, input->member))
            primary_propose(r, CONFIG_SHRINK, input->member);
        return LARDER_OK;
    default: return LARDER_INVALID;
    }
}

/* What this node executed itself is in the store already. */
static void settle_applied(struct partition_replica *r) {
    if (r->is_copied && r->commit >= r->synced_from) {
        r->is_copied = r->is_unsynced = false;
        r->stored_from = r->commit;
        r->owes_ack = true;
    }
    uint64_t last = CLUSTER_MUTATED(MUTANT_APPLY_UNCOMMITTED) ? r->log.last : r->commit;
    if (r->applied >= last)
        return;
    uint64_t first = r->applied + 1;
    if (r->executed_term != 0 && first <= r->executed &&
        replica_log_term(&r->log, first) == r->executed_term)
        first = (r->executed < last ? r->executed : last) + 1;
    r->out->apply_first = first;
    r->out->apply_last = last;
    r->applied = last;
}

static void settle_write(struct partition_replica *r) {
    if (r->dirty_from == UINT64_MAX)
        return;
    r->out->write = (struct replica_write){.number = ++r->write_number,
                                           .is_reset = r->is_reset_unwritten,
                                           .after = r->dirty_from - 1,
                                           .last = r->log.last,
                                           .commit = r->commit};
    r->dirty_from = UINT64_MAX;
    r->is_reset_unwritten = false;
}

enum larder_status replica_step(struct partition_replica *r, const struct replica_input *input,
                                struct replica_output *out) {
    out->write = (struct replica_write){0};
    out->message_count = out->reply_count = 0;
    out->apply_first = 1;
    out->apply_last = 0;
    out->replies = r->replies;
    out->has_proposal = out->has_new_role = out->has_base = out->has_cut = out->is_broken = false;
    out->wanted_index = 0;
    out->wanted_from = CLUSTER_NOBODY;
    r->out = out;
    r->now_us = input->now_us;
    enum larder_status status = take(r, input);
    if (status == LARDER_OK) {
        if (replica_is_primary(r)) {
            primary_advance(r);
            primary_check_proposals(r);
            primary_send(r);
        }
        settle_applied(r);
        requests_settle(r);
        settle_write(r);
    }
    r->out = NULL;
    return status;
}
