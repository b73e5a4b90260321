/* SPDX-License-Identifier: BSD-3-Clause */
/* The step: work that waited (parked requests, housekeeping), then the input, then one step of the
 * replica, which sends what both caused; then apply, answer, and look at who leads now. */
#include "cluster/partition.h"

#include "cluster/mutants.h"
#include "cluster/partition_core.h"
#include "raft/bytes.h"

static void set_defaults(struct partition_options *o) {
    o->bytes_max = o->bytes_max == 0 ? 4 << 20 : o->bytes_max;
    o->park_us = o->park_us == 0 ? 1000000 : o->park_us;
    o->confirm_after_us = o->confirm_after_us == 0 ? 100000 : o->confirm_after_us;
    o->sweep_every_us = o->sweep_every_us == 0 ? 100000 : o->sweep_every_us;
}

static enum larder_status make_copying(struct cluster_partition *p) {
    const struct replica_options *replica = &p->options.replica;
    struct copying_options options = {
        .partition = replica->partition,
        .self = replica->self,
        .incarnation = replica->incarnation,
        .store = p->store,
        .rest = {p, partition_read_rest, partition_replace_rest, partition_digest_rest},
        .allocator = p->allocator,
        .bytes_per_second = p->options.copy_bytes_per_second,
        .digest_every_us = p->options.digest_every_us,
    };
    return copying_create(&options, &p->copying);
}

static enum larder_status make_locks(struct cluster_partition *p) {
    static const struct hash_seed FIXED = {{1, 2}};
    struct locks_options options = p->options.locks;
    if (options.seed == NULL)
        options.seed = &FIXED;
    if (options.waiters_max == 0)
        options.waiters_max = p->replica->options.requests_max;
    return locks_create(&options, p->allocator, &p->locks);
}

static enum larder_status make_slots(struct cluster_partition *p) {
    uint32_t count = 2 * p->replica->options.requests_max; /* half of them may wait for locks */
    p->slots = allocator_allocate_zeroed(p->allocator, count * sizeof(*p->slots));
    p->free_slots = allocator_allocate(p->allocator, count * sizeof(*p->free_slots));
    p->parked = allocator_allocate(p->allocator, count * sizeof(*p->parked));
    p->replies = allocator_allocate(p->allocator, (count + 1) * sizeof(*p->replies));
    p->reply_slots = allocator_allocate(p->allocator, (count + 1) * sizeof(*p->reply_slots));
    p->record_max = p->replica->options.bytes_max / 8;
    p->record = allocator_allocate(p->allocator, p->record_max);
    p->slot_count = count;
    if (p->slots == NULL || p->free_slots == NULL || p->parked == NULL || p->replies == NULL ||
        p->reply_slots == NULL || p->record == NULL)
        return LARDER_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        p->free_slots[p->free_count++] = count - 1 - i;
    return LARDER_OK;
}

enum larder_status partition_create(const struct partition_options *options,
                                    struct lease_table *leases, struct partition_store store,
                                    const struct allocator *allocator,
                                    struct cluster_partition **out) {
    struct cluster_partition *p = allocator_allocate_zeroed(allocator, sizeof(*p));
    if (p == NULL)
        return LARDER_NO_MEMORY;
    p->options = *options;
    set_defaults(&p->options);
    p->allocator = allocator;
    p->store = store;
    p->apply_from = 1;
    enum larder_status status = replica_create(&options->replica, leases, allocator, &p->replica);
    if (status == LARDER_OK)
        status = request_memory_create(options->session_bytes_max, allocator, &p->requests);
    if (status == LARDER_OK)
        status = make_copying(p);
    if (status == LARDER_OK)
        status = make_locks(p);
    if (status == LARDER_OK)
        status = make_slots(p);
    if (status != LARDER_OK) {
        partition_destroy(p);
        return status;
    }
    *out = p;
    return LARDER_OK;
}

void partition_destroy(struct cluster_partition *p) {
    if (p == NULL)
        return;
    size_t count = p->slot_count;
    for (uint32_t i = 0; p->slots != NULL && i < count; i++)
        allocator_release(p->allocator, p->slots[i].bytes, p->slots[i].size);
    allocator_release(p->allocator, p->slots, count * sizeof(*p->slots));
    allocator_release(p->allocator, p->free_slots, count * sizeof(*p->free_slots));
    allocator_release(p->allocator, p->parked, count * sizeof(*p->parked));
    allocator_release(p->allocator, p->replies, (count + 1) * sizeof(*p->replies));
    allocator_release(p->allocator, p->reply_slots, (count + 1) * sizeof(*p->reply_slots));
    allocator_release(p->allocator, p->record, p->record_max);
    allocator_release(p->allocator, p->beside, p->beside_size);
    partition_forget_watches(p);
    locks_destroy(p->locks);
    copying_destroy(p->copying);
    request_memory_destroy(p->requests);
    replica_destroy(p->replica);
    allocator_release(p->allocator, p, sizeof(*p));
}

/* The log began anew: what is here is of no use. All is as before the first record, also what a
 * reset does to it: only its record does that, or who follows by the log alone would lack it. */
static void begin_anew(struct cluster_partition *p) {
    copying_begin(p->copying, p->replica->role >= REPLICA_ELECTED);
    request_memory_clear(p->requests);
    locks_clear(p->locks);
    if (CLUSTER_MUTATED(MUTANT_RESET_BEFORE_RECORD))
        locks_reset(p->locks, p->replica->view.reset_ceiling);
    p->apply_from = p->replica->applied + 1;
    p->apply_to = p->replica->applied;
    p->applied_bytes = 0;
    p->is_effect_applied = false;
    p->announced = p->replica->commit;
    replica_hold(p->replica, UINT64_MAX);
}

/* In the order that copying.h asks for. */
static void take_output(struct cluster_partition *p, const struct replica_output *out) {
    if (out->has_base)
        begin_anew(p);
    if (out->has_cut)
        copying_cut(p->copying, out->cut_first, out->cut_last);
    if (out->apply_first <= out->apply_last) {
        if (!partition_is_behind(p))
            p->apply_from = out->apply_first;
        p->apply_to = out->apply_last;
    }
    partition_apply_pending(p);
    copying_follow(p->copying, p->replica);
}

/* Last in a step: what copying puts out borrows from the store. */
static enum larder_status step_copying(struct cluster_partition *p,
                                       const struct partition_input *input,
                                       struct partition_output *out) {
    bool has_to_ask =
        input->type == PARTITION_TICK || out->replica.has_base || out->replica.has_cut;
    if (input->type == PARTITION_COPY_MESSAGE)
        return copying_receive(p->copying, p->now_us, input->copy, &out->copies);
    if (has_to_ask)
        copying_tick(p->copying, p->now_us, &out->copies);
    return LARDER_OK;
}

/* What copying found out and the replica does not know. False: nothing. */
static bool news_for_replica(struct cluster_partition *p, struct replica_input *out) {
    uint64_t sequence;
    *out = (struct replica_input){.now_us = p->now_us};
    if (p->has_diverged) {
        out->type = REPLICA_DIVERGED;
        return true;
    }
    if (!p->replica->is_unsynced || p->replica->is_copied || partition_is_behind(p) ||
        !copying_is_complete(p->copying, &sequence))
        return false;
    out->type = REPLICA_COPIED;
    out->sequence = sequence;
    return true;
}

/* Of the last RESET, or RESTORE that may lack something, there is no record: it was in this term,
 * or in one whose primary was gone before it had logged it. */
static bool is_reset_unknown(const struct cluster_partition *p) {
    const struct partition_config *view = &p->replica->view;
    bool has_loss = view->loss_term != 0 && !CLUSTER_MUTATED(MUTANT_LOSS_KEEPS_LOCKS);
    if (view->reset_term == view->term || (has_loss && view->loss_term == view->term))
        return p->reset_term != view->term;
    return (view->reset_term != 0 || has_loss) &&
           locks_last_token(p->locks) < view->reset_ceiling &&
           !CLUSTER_MUTATED(MUTANT_LOCK_RESET_FORGETS);
}

/* Open, with all records in the store. What was lost may have had tokens that nobody here knows of;
 * those who will follow learn by a record that they are below the ceiling. */
static void lead(struct cluster_partition *p) {
    uint64_t term = p->replica->view.term;
    cluster_clock_begin(&p->clock, p->now_us);
    if (is_reset_unknown(p)) {
        uint8_t ceiling[8];
        struct byte_writer w = {ceiling};
        write_unsigned(&w, p->replica->view.reset_ceiling, 8);
        struct partition_record record = {.kind = PARTITION_RECORD_RESET,
                                          .time_us = partition_time(p),
                                          .body = slice_of(ceiling, sizeof(ceiling))};
        partition_write(p, 0, INT64_MAX, &record);
        p->reset_term = term;
        p->out->wants_step = true;
    }
    locks_lead(p->locks, p->now_us);
}

static void follow_role(struct cluster_partition *p, enum replica_role before) {
    enum replica_role role = p->replica->role;
    bool leads = role == REPLICA_OPEN || role == REPLICA_DRAINING;
    if (!leads && p->clock.is_running) {
        cluster_clock_end(&p->clock);
        locks_follow(p->locks);
        partition_forget_watches(p);
    } else if (leads && !p->clock.is_running && p->clock.has_sample &&
               (!partition_is_behind(p) || CLUSTER_MUTATED(MUTANT_EXECUTES_BEHIND))) {
        lead(p);
    }
    if (p->clock.is_running)
        locks_commit(p->locks, p->replica->commit, p->now_us);
    else
        partition_run_locks(p);
    if (before == REPLICA_DRAINING && role < REPLICA_ELECTED && p->replica->view.is_released) {
        p->successor_term = p->replica->view.term;
        p->successor_until_us = p->now_us + p->options.park_us;
    }
}

static void announce(struct cluster_partition *p) {
    uint64_t base = p->replica->log.base.sequence;
    uint64_t last =
        CLUSTER_MUTATED(MUTANT_EFFECTS_LEAVE_EARLY) ? p->replica->log.last : p->replica->commit;
    uint64_t first = (p->announced > base ? p->announced : base) + 1;
    p->out->committed_first = first;
    p->out->committed_last = last;
    p->announced = last > p->announced ? last : p->announced;
}

static void to_replica(struct cluster_partition *p, const struct partition_input *input,
                       struct replica_input *out) {
    bool is_own = input->type == PARTITION_CONTINUE || input->type == PARTITION_REQUEST ||
                  input->type == PARTITION_COPY_MESSAGE || input->type == PARTITION_TICK;
    if (is_own && news_for_replica(p, out)) {
        p->has_diverged = false;
        return;
    }
    *out = (struct replica_input){.type = REPLICA_SETTLE, .now_us = input->now_us};
    switch (input->type) {
    case PARTITION_VIEW:
        out->type = REPLICA_VIEW;
        out->configuration = input->configuration;
        break;
    case PARTITION_TICK: out->type = REPLICA_TICK; break;
    case PARTITION_MESSAGE:
        out->type = REPLICA_MESSAGE;
        out->message = input->message;
        break;
    case PARTITION_SYNCED:
        out->type = REPLICA_SYNCED;
        out->number = input->number;
        break;
    case PARTITION_STORED:
        out->type = REPLICA_STORED;
        out->sequence = input->number;
        break;
    case PARTITION_FULL:
        out->type = REPLICA_FULL;
        out->is_full = input->is_full;
        break;
    case PARTITION_HAND_OFF:
        out->type = REPLICA_HAND_OFF;
        out->member = input->member;
        break;
    case PARTITION_SILENT:
        out->type = REPLICA_SILENT;
        out->member = input->member;
        break;
    default: break;
    }
}

static void take(struct cluster_partition *p, const struct partition_input *input) {
    switch (input->type) {
    case PARTITION_TICK:
        cluster_clock_sample(&p->clock, p->now_us, input->tick.wall_us, input->tick.median_wall_us);
        p->store.type->set_pressure(p->store.context, input->tick.pressure);
        partition_run_parked(p);
        partition_keep_house(p);
        partition_confirm_reads(p);
        break;
    case PARTITION_CONTINUE: partition_run_parked(p); break;
    case PARTITION_REQUEST:
        partition_run_parked(p);
        partition_take_request(p, input->request);
        break;
    case PARTITION_DISCONNECT: partition_disconnect(p, input->connection); break;
    case PARTITION_VIEW:
        p->ceiling = input->configuration->ceiling;
        p->above = input->configuration->reset_ceiling;
        return;
    default: return;
    }
    if (partition_is_ready(p))
        partition_run_locks(p);
}

enum larder_status partition_step(struct cluster_partition *p, const struct partition_input *input,
                                  struct partition_output *out) {
    partition_forget_replies(p);
    p->out = out;
    p->now_us = input->now_us;
    out->copies.message_count = 0;
    out->wants_step = false;
    enum replica_role before = p->replica->role;
    partition_apply_pending(p);
    take(p, input);
    struct replica_input next;
    to_replica(p, input, &next);
    enum larder_status status = replica_step(p->replica, &next, &out->replica);
    if (status == LARDER_OK) {
        take_output(p, &out->replica);
        partition_take_replies(p, &out->replica);
        status = step_copying(p, input, out);
    }
    follow_role(p, before);
    partition_settle_parked(p);
    announce(p);
    out->has_diverged = p->has_diverged;
    out->wants_step |= news_for_replica(p, &next);
    out->replica.is_broken |= p->is_broken;
    out->reply_count = p->reply_count;
    out->replies = p->replies;
    p->out = NULL;
    return status;
}

const struct partition_replica *partition_replica(const struct cluster_partition *p) {
    return p->replica;
}

/* Data that is known to be of no use is not yet known to be unsynced before the first question. */
uint64_t partition_copy_left(const struct cluster_partition *p) {
    const struct partition_replica *r = partition_replica(p);
    uint64_t left = copying_left(partition_copying(p));
    return left == 0 && r->is_unsynced && !r->is_copied ? UINT64_MAX : left;
}

const struct copying *partition_copying(const struct cluster_partition *p) {
    return p->copying;
}

const struct locks *partition_locks(const struct cluster_partition *p) {
    return p->locks;
}

uint64_t partition_term(const struct cluster_partition *p) {
    return p->replica->view.term;
}

int64_t partition_time_us(const struct cluster_partition *p) {
    return p->clock.is_running ? p->clock.time_us : p->clock.replicated_us;
}

bool partition_may_image(const struct cluster_partition *p) {
    const struct partition_replica *r = p->replica;
    bool runs_ahead =
        r->executed_term != 0 && r->executed > r->commit && !CLUSTER_MUTATED(MUTANT_IMAGE_AHEAD);
    return !r->is_unsynced && !partition_is_behind(p) && r->applied == r->commit && !runs_ahead;
}

bool partition_wants_image(const struct cluster_partition *p) {
    return p->replica->is_unstored && !p->replica->is_unsynced;
}

uint64_t partition_stored(const struct cluster_partition *p) {
    return partition_is_behind(p) ? p->apply_from - 1 : p->replica->applied;
}
