/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks at the primary: what the lock table decides becomes a record, or is answered as a read, or
 * waits in it with its slot. A record is applied before it is logged, so that one which finds no
 * memory is refused and changes nothing. */
#include "cluster/mutants.h"
#include "cluster/partition_core.h"

static const int64_t LATE_US = 1000000; /* a grant that comes at the end of the wait may take */

static struct lock_moment moment(struct cluster_partition *p) {
    return (struct lock_moment){.now_us = p->now_us,
                                .cluster_us = (uint64_t)partition_time(p),
                                .ceiling = p->ceiling,
                                .above = p->above};
}

/* False: no memory, nothing changed. */
static bool log_lock(struct cluster_partition *p, uint64_t context, int64_t deadline_us,
                     struct slice bytes) {
    if (locks_apply(p->locks, bytes, p->replica->log.last + 1) != LARDER_OK)
        return false;
    struct partition_record record = {
        .kind = PARTITION_RECORD_LOCK, .time_us = partition_time(p), .body = bytes};
    partition_write(p, context, deadline_us, &record);
    return true;
}

static void note_answer(struct cluster_partition *p, uint32_t slot, const struct lock_step *step) {
    p->slots[slot].lock_answer = step->answer;
    p->slots[slot].token = step->token;
}

enum partition_answer partition_execute_lock(struct cluster_partition *p, uint32_t slot,
                                             const struct partition_request *request) {
    struct partition_slot *s = &p->slots[slot];
    struct lock_request lock = *request->lock;
    struct lock_moment now = moment(p);
    struct lock_step step;
    lock.context = slot + 1;
    if (locks_request(p->locks, &lock, &now, &step) != LARDER_OK)
        return PARTITION_REFUSED;
    if (step.superseded != 0)
        partition_release_slot(p, (uint32_t)step.superseded - 1);
    note_answer(p, slot, &step);
    switch (step.verdict) {
    case LOCKS_RECORD:
        return log_lock(p, slot + 1, request->deadline_us, step.record) ? 0 : PARTITION_BUSY;
    case LOCKS_ANSWER: return partition_answer_read(p, slot, request);
    default:
        s->state = SLOT_QUEUED;
        s->connection = lock.connection;
        s->request.deadline_us = request->deadline_us;
        s->request.read_mode = request->read_mode;
        return 0;
    }
}

/* False: it can't be logged now. */
static bool take_record(struct cluster_partition *p, const struct lock_step *step) {
    if (step->context == 0)
        return log_lock(p, 0, INT64_MAX, step->record);
    uint32_t slot = (uint32_t)step->context - 1;
    struct partition_slot *s = &p->slots[slot];
    if (s->request.deadline_us < p->now_us + LATE_US)
        s->request.deadline_us = p->now_us + LATE_US;
    if (!log_lock(p, step->context, s->request.deadline_us, step->record))
        return false;
    note_answer(p, slot, step);
    s->state = SLOT_WAITING;
    return true;
}

static void take_answer(struct cluster_partition *p, const struct lock_step *step) {
    uint32_t slot = (uint32_t)step->context - 1;
    struct partition_slot *s = &p->slots[slot];
    enum partition_answer answer = PARTITION_MOVED;
    note_answer(p, slot, step);
    s->state = SLOT_WAITING;
    if (s->request.deadline_us < p->now_us + LATE_US)
        s->request.deadline_us = p->now_us + LATE_US;
    if (step->answer != LOCK_MOVED)
        answer = partition_answer_read(p, slot, &s->request);
    if (answer != 0)
        partition_say(p, s->request.context, answer, slot);
}

/* A record that can't be logged now comes again; who has waited long enough is told so anyway. */
void partition_run_locks(struct cluster_partition *p) {
    struct lock_step step;
    bool is_ready = partition_is_ready(p);
    if (!is_ready && p->clock.is_running)
        return; /* hands off: nothing is decided */
    for (;;) {
        if (CLUSTER_MUTATED(MUTANT_WAITER_UNTOLD) && is_ready &&
            replica_admit(p->replica, p->record_max, p->now_us) != LARDER_OK)
            return;
        struct lock_moment now = moment(p);
        locks_next(p->locks, &now, &step);
        bool may_log = is_ready && replica_admit(p->replica, p->record_max, p->now_us) == LARDER_OK;
        if (step.verdict == LOCKS_ANSWER)
            take_answer(p, &step);
        else if (step.verdict != LOCKS_RECORD || !may_log || !take_record(p, &step))
            return;
    }
}

void partition_disconnect(struct cluster_partition *p, uint64_t connection) {
    locks_disconnect(p->locks, connection);
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i].state == SLOT_QUEUED && p->slots[i].connection == connection)
            partition_release_slot(p, i);
}
