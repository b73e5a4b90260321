/* SPDX-License-Identifier: BSD-3-Clause */
/* What the primary executes, and how it becomes a record: whatever changed something, also a read
 * that deleted an expired key, is one. */
#include "cluster/mutants.h"
#include "cluster/partition_core.h"

enum { SESSION_BYTES_BOUND = 512 + REQUEST_RESULT_MAX, EXPIRY_EVERY_US = 1000000 };

int64_t partition_time(struct cluster_partition *p) {
    return cluster_clock_now(&p->clock, p->now_us);
}

static bool add(struct cluster_partition *p, enum replica_input_type type, uint64_t context,
                int64_t deadline_us, struct slice payload, bool is_known) {
    bool is_early = context != 0 && p->slots[context - 1].is_early;
    struct replica_input input = {.type = type,
                                  .now_us = p->now_us,
                                  .request = {context, payload, deadline_us, is_known, is_early}};
    return replica_add(p->replica, &input) == LARDER_OK;
}

void partition_write(struct cluster_partition *p, uint64_t context, int64_t deadline_us,
                     const struct partition_record *record) {
    struct partition_record written = *record;
    bool fits = partition_record_encoded_size(record) <= p->record_max;
    if (fits) {
        size_t size = partition_record_encode(record, p->record);
        fits = add(p, REPLICA_WRITE, context, deadline_us, slice_of(p->record, size), false) &&
               partition_record_decode(slice_of(p->record, size), &written) == LARDER_OK;
    }
    bool is_lock = record->kind == PARTITION_RECORD_LOCK;
    written.marks = slice_of(NULL, 0); /* applied before */
    cluster_clock_note(&p->clock, record->time_us);
    if (!fits ||
        (!is_lock && partition_apply_beside(p, p->replica->log.last, &written) != LARDER_OK))
        p->is_broken = true;
    if (!p->is_broken && written.kind == PARTITION_RECORD_EFFECT) {
        copying_note_executed(p->copying, p->replica->log.last, written.body);
        if (context != 0 || !CLUSTER_MUTATED(MUTANT_WATCH_OWN_ONLY))
            partition_note_changes(p, p->replica->log.last, written.body);
    }
}

enum partition_answer partition_answer_read(struct cluster_partition *p, uint32_t slot,
                                            const struct partition_request *request) {
    struct partition_slot *s = &p->slots[slot];
    bool is_added = true;
    if (request->read_mode == PARTITION_READ_ROUND && !CLUSTER_MUTATED(MUTANT_ROUND_BY_LEASE)) {
        s->is_round = true;
        struct partition_record record = {.kind = PARTITION_RECORD_CONFIRM,
                                          .time_us = partition_time(p)};
        partition_write(p, slot + 1, request->deadline_us, &record);
    } else {
        is_added =
            add(p, REPLICA_READ, slot + 1, request->deadline_us, slice_of(NULL, 0), s->is_known);
    }
    return is_added ? 0 : PARTITION_BUSY;
}

void partition_confirm_reads(struct cluster_partition *p) {
    if (p->options.confirm_after_us < 0 || !partition_is_ready(p) ||
        !replica_reads_wait(p->replica, p->now_us - p->options.confirm_after_us) ||
        replica_admit(p->replica, p->record_max, p->now_us) != LARDER_OK)
        return;
    struct partition_record record = {.kind = PARTITION_RECORD_CONFIRM,
                                      .time_us = partition_time(p)};
    partition_write(p, 0, INT64_MAX, &record);
    replica_confirm_reads(p->replica, p->replica->log.last);
}

/* Make room for one more result: the quietest sessions go. */
static void forget_sessions(struct cluster_partition *p, size_t extra_bytes) {
    uint8_t clients[PARTITION_EXPIRE_MAX * REQUEST_CLIENT_BYTES];
    int64_t time_us = partition_time(p);
    uint32_t count =
        request_memory_choose(p->requests, time_us, extra_bytes, PARTITION_EXPIRE_MAX, clients);
    if (count == 0)
        return;
    struct partition_record record = {.kind = PARTITION_RECORD_SESSION_EXPIRE,
                                      .time_us = time_us,
                                      .body =
                                          slice_of(clients, (size_t)count * REQUEST_CLIENT_BYTES)};
    partition_write(p, 0, INT64_MAX, &record);
}

/* 0: it is new, and there is room for its result. */
static enum partition_answer look_up(struct cluster_partition *p, uint32_t slot,
                                     const struct partition_request *request, bool *out_is_known) {
    struct request_result known;
    *out_is_known = false;
    if (p->requests->bytes + SESSION_BYTES_BOUND > p->requests->bytes_max)
        forget_sessions(p, SESSION_BYTES_BOUND); /* the quiet ones go once a second */
    switch (request_memory_find(p->requests, request->id, partition_time(p), &known)) {
    case REQUEST_KNOWN: break;
    case REQUEST_UNKNOWN: return PARTITION_UNKNOWN_SESSION;
    case REQUEST_TOO_MANY: return PARTITION_BUSY;
    default:
        return request_memory_reserve(p->requests, request->id) == LARDER_OK ? 0 : PARTITION_BUSY;
    }
    if (CLUSTER_MUTATED(MUTANT_KNOWN_EXECUTED))
        return 0;
    *out_is_known = p->slots[slot].is_known = true;
    if (known.kind == REQUEST_RESULT_LOST)
        p->slots[slot].done = PARTITION_RESULT_LOST;
    else if (known.kind == REQUEST_RESULT_ABANDONED)
        p->slots[slot].done =
            request->kind == PARTITION_ABANDON ? PARTITION_DONE : PARTITION_REFUSED;
    else if (!partition_hold_reply(p, slot, known.bytes))
        return PARTITION_BUSY;
    if (CLUSTER_MUTATED(MUTANT_STORED_ANSWER_AT_ONCE))
        return p->slots[slot].done;
    return partition_answer_read(p, slot, request);
}

/* For lack of memory a store may have no words for what it did. */
static struct request_result result_of(struct slice reply) {
    if (reply.size == 0 || reply.size > REQUEST_RESULT_MAX)
        return (struct request_result){.kind = REQUEST_RESULT_LOST};
    return (struct request_result){REQUEST_RESULT_STORED, reply};
}

/* Sent again, a write that changed nothing might change something: it is a record as well, so that
 * it is known. */
static bool is_record(const struct partition_request *request, const struct store_result *result) {
    return result->effect.size > 0 || (request->id != NULL && result->is_write &&
                                       !CLUSTER_MUTATED(MUTANT_VAIN_WRITE_FORGOTTEN));
}

/* Nothing changed but the marks, if there are any. */
static enum partition_answer answer_unchanged(struct cluster_partition *p, uint32_t slot,
                                              const struct partition_request *request,
                                              struct slice marks, bool is_held) {
    struct partition_record record = {
        .kind = PARTITION_RECORD_EFFECT, .time_us = partition_time(p), .marks = marks};
    if (marks.size > 0)
        partition_write(p, is_held ? slot + 1 : 0, request->deadline_us, &record);
    else if (is_held)
        return partition_answer_read(p, slot, request);
    return is_held ? 0 : PARTITION_BUSY;
}

static enum larder_status execute(struct cluster_partition *p,
                                  const struct partition_request *request, int64_t time_us,
                                  struct store_result *out) {
    const struct partition_store_type *type = p->store.type;
    if (request->kind == PARTITION_EXEC)
        return type->execute_all(p->store.context, time_us / 1000, request->commands,
                                 request->command_count, out);
    return type->execute(p->store.context, time_us / 1000, request->argv, request->argc, out);
}

static enum partition_answer run_command(struct cluster_partition *p, uint32_t slot,
                                         const struct partition_request *request) {
    struct store_result result = {0};
    struct slice marks;
    int64_t time_us = partition_time(p);
    enum partition_answer answer = partition_check_fences(p, slot, request, &marks);
    if (answer != 0)
        return answer;
    if (p->slots[slot].done == PARTITION_FENCED)
        return answer_unchanged(p, slot, request, marks, true);
    enum larder_status status = execute(p, request, time_us, &result);
    p->is_broken |= status == LARDER_CORRUPT;
    bool is_run = status == LARDER_OK || status == LARDER_INVALID;
    bool is_held = is_run && result.reply.size > 0 && partition_hold_reply(p, slot, result.reply);
    if (!is_run || !is_record(request, &result))
        return answer_unchanged(p, slot, request, marks, is_held);
    if (!is_held)
        p->slots[slot].done = PARTITION_RESULT_LOST;
    struct partition_record record = {
        .kind = PARTITION_RECORD_EFFECT, .time_us = time_us, .marks = marks, .body = result.effect};
    if (request->id != NULL) {
        record.has_request = true;
        record.id = *request->id;
        record.result = result_of(result.reply);
    }
    if (CLUSTER_MUTATED(MUTANT_REPLY_BEFORE_COMMIT)) {
        partition_write(p, 0, request->deadline_us, &record);
        return p->slots[slot].done;
    }
    partition_write(p, slot + 1, request->deadline_us, &record);
    return 0;
}

/* Its number is known from now on, as one that was not executed. */
static enum partition_answer abandon(struct cluster_partition *p, uint32_t slot,
                                     const struct partition_request *request) {
    struct partition_record record = {.kind = PARTITION_RECORD_EFFECT,
                                      .time_us = partition_time(p),
                                      .has_request = true,
                                      .id = *request->id,
                                      .result = {.kind = REQUEST_RESULT_ABANDONED}};
    if (CLUSTER_MUTATED(MUTANT_ABANDON_FORGOTTEN))
        return partition_answer_read(p, slot, request);
    partition_write(p, slot + 1, request->deadline_us, &record);
    return 0;
}

/* What a deposed primary executed and knows not to be committed may be cut. */
static bool has_all_committed(const struct cluster_partition *p) {
    const struct partition_replica *r = p->replica;
    bool has_tail = r->executed_term != 0 && r->executed > r->commit;
    return (!r->is_unsynced || CLUSTER_MUTATED(MUTANT_STALE_READ_UNSYNCED)) &&
           (!has_tail || CLUSTER_MUTATED(MUTANT_STALE_READ_OF_TAIL));
}

enum partition_answer partition_execute_stale(struct cluster_partition *p, uint32_t slot,
                                              const struct partition_request *request) {
    struct store_result result = {0};
    int64_t time_us = partition_time(p);
    if (request->kind != PARTITION_COMMAND || !has_all_committed(p))
        return PARTITION_MOVED;
    enum larder_status status = p->store.type->read(p->store.context, time_us / 1000, request->argv,
                                                    request->argc, &result);
    if (status == LARDER_INVALID)
        return PARTITION_MOVED;
    bool is_held =
        status == LARDER_OK && result.reply.size > 0 && partition_hold_reply(p, slot, result.reply);
    p->slots[slot].as_of_us = time_us;
    return is_held ? PARTITION_DONE : PARTITION_BUSY;
}

/* What was executed before is told before anything else is looked at: the watch that a transaction
 * had broken itself, or the term that began since, say nothing about it. */
static enum partition_answer execute_once(struct cluster_partition *p, uint32_t slot,
                                          const struct partition_request *request) {
    bool is_known = false;
    enum partition_answer answer = 0;
    if (request->id != NULL)
        answer = look_up(p, slot, request, &is_known);
    if (answer != 0 || is_known)
        return answer;
    if (request->kind == PARTITION_ABANDON)
        return abandon(p, slot, request);
    if (request->watched_term > p->replica->view.term)
        return PARTITION_MOVED; /* a newer primary than this one may have executed it */
    if (request->watched_term != 0 && request->watched_term != p->replica->view.term &&
        !CLUSTER_MUTATED(MUTANT_WATCH_OVER_TERMS))
        return PARTITION_WATCH_BROKEN;
    answer = partition_check_watches(p, request);
    if (answer == PARTITION_WATCH_BROKEN) {
        p->slots[slot].done = PARTITION_WATCH_BROKEN;
        return partition_answer_read(p, slot, request);
    }
    return answer != 0 ? answer : run_command(p, slot, request);
}

/* What others rely on, a lock or the newest token of one, waits for commit however it is set: taken
 * back it would be held twice. */
static bool is_early(const struct cluster_partition *p, const struct partition_request *request) {
    enum write_mode mode = request->write_mode;
    if (mode == 0)
        mode = p->replica->settings.write_mode;
    if (mode != WRITES_EXECUTED)
        return false;
    switch (request->kind) {
    case PARTITION_LOCK_REQUEST: return CLUSTER_MUTATED(MUTANT_EARLY_LOCKS);
    case PARTITION_ABANDON: return CLUSTER_MUTATED(MUTANT_EARLY_ABANDON);
    default: break;
    }
    return (request->fence_count == 0 || CLUSTER_MUTATED(MUTANT_EARLY_FENCED)) &&
           (request->read_mode != PARTITION_READ_ROUND || CLUSTER_MUTATED(MUTANT_EARLY_ROUND));
}

enum partition_answer partition_execute(struct cluster_partition *p, uint32_t slot,
                                        const struct partition_request *request) {
    p->slots[slot].done = PARTITION_DONE;
    p->slots[slot].is_early = is_early(p, request);
    p->slots[slot].is_round = p->slots[slot].is_known = false;
    if (CLUSTER_MUTATED(MUTANT_WATCH_BEFORE_RESULT) &&
        partition_check_watches(p, request) == PARTITION_WATCH_BROKEN)
        return PARTITION_WATCH_BROKEN;
    switch (request->kind) {
    case PARTITION_LOCK_REQUEST: return partition_execute_lock(p, slot, request);
    case PARTITION_WATCH: return partition_execute_watch(p, slot, request);
    case PARTITION_ABANDON:
        return request->id == NULL ? PARTITION_REFUSED : execute_once(p, slot, request);
    default: return execute_once(p, slot, request);
    }
}

static void log_digest(struct cluster_partition *p) {
    struct copying_digest digest;
    uint8_t bytes[COPYING_DIGEST_BYTES];
    if (!copying_take_digest(p->copying, p->now_us, &digest))
        return;
    copying_digest_encode(&digest, bytes);
    struct partition_record record = {.kind = PARTITION_RECORD_DIGEST,
                                      .time_us = partition_time(p),
                                      .body = slice_of(bytes, sizeof(bytes))};
    partition_write(p, 0, INT64_MAX, &record);
}

/* Only for the mutants. */
static void keep_house_at_backup(struct cluster_partition *p) {
    uint8_t clients[PARTITION_EXPIRE_MAX * REQUEST_CLIENT_BYTES];
    struct store_result result;
    int64_t time_us = p->now_us + p->clock.offset_us;
    if (CLUSTER_MUTATED(MUTANT_BACKUP_EXPIRES))
        (void)p->store.type->sweep(p->store.context, time_us / 1000, &result);
    if (CLUSTER_MUTATED(MUTANT_BACKUP_EVICTS))
        (void)p->store.type->sweep(p->store.context, 0, &result);
    uint32_t count = 0;
    if (CLUSTER_MUTATED(MUTANT_SESSIONS_EXPIRE_LOCALLY))
        count = request_memory_choose(p->requests, time_us, 0, PARTITION_EXPIRE_MAX, clients);
    (void)request_memory_expire(p->requests,
                                slice_of(clients, (size_t)count * REQUEST_CLIENT_BYTES));
}

void partition_keep_house(struct cluster_partition *p) {
    if (CLUSTER_MUTATED(MUTANT_BACKUP_EXPIRES) || CLUSTER_MUTATED(MUTANT_BACKUP_EVICTS) ||
        CLUSTER_MUTATED(MUTANT_SESSIONS_EXPIRE_LOCALLY))
        keep_house_at_backup(p);
    if (!partition_is_ready(p) || p->now_us < p->next_sweep_us ||
        replica_admit(p->replica, p->record_max, p->now_us) != LARDER_OK)
        return;
    p->next_sweep_us = p->now_us + p->options.sweep_every_us;
    if (p->now_us >= p->next_expiry_us) {
        p->next_expiry_us = p->now_us + EXPIRY_EVERY_US;
        forget_sessions(p, 0);
    }
    struct store_result result = {0};
    int64_t time_us = partition_time(p);
    if (p->store.type->sweep(p->store.context, time_us / 1000, &result) != LARDER_OK)
        return; /* it may hold what has to be put back first */
    if (result.effect.size > 0) {
        struct partition_record record = {
            .kind = PARTITION_RECORD_EFFECT, .time_us = time_us, .body = result.effect};
        partition_write(p, 0, INT64_MAX, &record);
    }
    log_digest(p);
}
