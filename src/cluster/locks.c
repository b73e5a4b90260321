/* SPDX-License-Identifier: BSD-3-Clause */
/* The primary's decisions. Each looks at what is applied so far and gives a record, an answer or a
 * place in the queue; locks_apply does what records say.
 *
 *      ACQUIRE   FREE, nobody waits       GRANT, a new token
 *                HELD by this session     GRANT with its token; the same request: the answer
 *                else                     a place in the queue, or HELD
 *      RENEW     HELD with this token     RENEW
 *      RELEASE   HELD with this token     RELEASE
 *      CANCEL    granted to this request  CANCEL; waiting: its waiting is over
 *      FORCE                              FORCE, a new token that nobody gets
 *      (time)    a hold ran out           EXPIRE
 *      (order)   FREE, somebody waits     GRANT to the first */
#include "cluster/locks.h"

#include "cluster/locks_core.h"
#include "cluster/mutants.h"

static const uint64_t TOKEN_MARGIN_US = 60 * 1000 * 1000;

enum { DEFAULT_WAITERS = 1024, DEFAULT_LOCKS = 1 << 20 };

static struct slice lock_name(const void *element) {
    const struct lock *lock = element;
    return slice_of(lock->name, lock->name_size);
}

static struct slice mark_name(const void *element) {
    const struct mark *mark = element;
    return slice_of(mark->name, mark->name_size);
}

enum larder_status locks_create(const struct locks_options *options,
                                const struct allocator *allocator, struct locks **out) {
    struct locks *l = allocator_allocate_zeroed(allocator, sizeof(*l));
    if (l == NULL)
        return LARDER_NO_MEMORY;
    l->allocator = allocator;
    l->options = *options;
    if (l->options.waiters_max == 0)
        l->options.waiters_max = DEFAULT_WAITERS;
    if (l->options.locks_max == 0)
        l->options.locks_max = DEFAULT_LOCKS;
    if (l->options.marks_max == 0)
        l->options.marks_max = DEFAULT_LOCKS;
    l->objects = (struct object_context){.allocator = allocator, .seed = options->seed};
    table_init(&l->table, lock_name);
    table_init(&l->marks, mark_name);
    link_init(&l->uncounted);
    link_init(&l->ready);
    link_init(&l->unused);
    link_init(&l->mark_order);
    deadlines_init(&l->expiries, allocator);
    deadlines_init(&l->patience, allocator);
    size_t bytes = l->options.waiters_max * sizeof(*l->waiters);
    l->waiters = allocator_allocate_zeroed(allocator, bytes);
    if (l->waiters == NULL ||
        deadlines_reserve(&l->patience, l->options.waiters_max) != LARDER_OK) {
        locks_destroy(l);
        return LARDER_NO_MEMORY;
    }
    for (uint32_t i = 0; i < l->options.waiters_max; i++) {
        link_init(&l->waiters[i].link);
        link_append(&l->unused, &l->waiters[i].link);
    }
    *out = l;
    return LARDER_OK;
}

void locks_destroy(struct locks *l) {
    if (l == NULL)
        return;
    while (!table_free_some(&l->table, l->allocator, SIZE_MAX, lock_destroy))
        ;
    while (!table_free_some(&l->marks, l->allocator, SIZE_MAX, mark_destroy))
        ;
    deadlines_finish(&l->expiries);
    deadlines_finish(&l->patience);
    allocator_release(l->allocator, l->waiters, l->options.waiters_max * sizeof(*l->waiters));
    allocator_release(l->allocator, l, sizeof(*l));
}

struct lock *locks_find_lock(const struct locks *l, struct slice name) {
    return table_find(&l->table, table_hash(&l->objects, name), name);
}

bool lock_has_request(const struct lock *lock, uint64_t request) {
    for (uint8_t i = 0; i < lock->request_count; i++)
        if (lock->requests[i] == request)
            return true;
    return false;
}

static bool is_owned(const struct lock *lock, struct raft_id session) {
    return lock != NULL && lock->depth > 0 && raft_id_equal(lock->owner, session);
}

/* ---- leading ---- */

static void count_hold(struct locks *l, struct lock *lock, int64_t from_us) {
    link_remove(&lock->uncounted);
    if (lock->depth > 0 && lock->hold_ms > 0)
        deadlines_set(&l->expiries, &lock->expiry, from_us + (int64_t)lock->hold_ms * 1000);
}

void locks_lead(struct locks *l, int64_t now_us) {
    struct table_walk walk = {0};
    struct lock *lock;
    l->is_leading = true;
    while ((lock = table_next(&l->table, &walk)) != NULL) {
        count_hold(l, lock, now_us);
        if (CLUSTER_MUTATED(MUTANT_LOCK_HOLD_NOT_RESTARTED) && lock->expiry.place != 0)
            deadlines_set(&l->expiries, &lock->expiry, now_us);
    }
}

void locks_follow(struct locks *l) {
    struct deadline *due;
    l->is_leading = false;
    while ((due = deadlines_due(&l->expiries, INT64_MAX)) != NULL)
        deadlines_remove(&l->expiries, due);
    while (!link_is_alone(&l->uncounted))
        link_remove(l->uncounted.next);
    for (uint32_t i = 0; i < l->options.waiters_max; i++) {
        struct waiter *waiter = &l->waiters[i];
        if (!waiter->is_used || waiter->lock == NULL)
            continue;
        struct lock *lock = waiter->lock;
        link_remove(&waiter->link);
        waiter->lock = NULL;
        lock->waiting--;
        locks_settle(l, lock);
    }
}

void locks_commit(struct locks *l, uint64_t sequence, int64_t now_us) {
    while (!link_is_alone(&l->uncounted)) {
        struct lock *lock = LINK_OWNER(l->uncounted.next, struct lock, uncounted);
        if (lock->sequence > sequence)
            return;
        count_hold(l, lock, now_us);
    }
}

/* ---- the waiting ---- */

void waiter_leave(struct locks *l, struct waiter *waiter) {
    struct lock *lock = waiter->lock;
    deadlines_remove(&l->patience, &waiter->due);
    waiter->is_used = false;
    waiter->lock = NULL;
    link_append(&l->unused, &waiter->link);
    if (lock == NULL)
        return;
    lock->waiting--;
    locks_settle(l, lock);
}

struct waiter *lock_find_waiter(const struct lock *lock, struct raft_id session, uint64_t request) {
    for (struct link *at = lock->waiters.next; at != &lock->waiters; at = at->next) {
        struct waiter *waiter = LINK_OWNER(at, struct waiter, link);
        if (waiter->request == request && raft_id_equal(waiter->session, session))
            return waiter;
    }
    return NULL;
}

void locks_disconnect(struct locks *l, uint64_t connection) {
    for (uint32_t i = 0; i < l->options.waiters_max; i++)
        if (l->waiters[i].is_used && l->waiters[i].connection == connection &&
            !CLUSTER_MUTATED(MUTANT_WAITER_STAYS))
            waiter_leave(l, &l->waiters[i]);
}

static void answer(struct lock_step *out, enum lock_answer type, uint64_t token) {
    out->verdict = LOCKS_ANSWER;
    out->answer = type;
    out->token = token;
}

/* The same request again keeps its place. */
static void wait(struct locks *l, struct lock *lock, const struct lock_request *r,
                 struct lock_step *out) {
    struct waiter *waiter = lock_find_waiter(lock, r->session, r->request);
    if (waiter == NULL && r->wait_ms == 0) {
        answer(out, LOCK_HELD, 0);
        return;
    }
    if (waiter == NULL && link_is_alone(&l->unused)) {
        answer(out, LOCK_REFUSED, 0);
        return;
    }
    if (waiter == NULL) {
        waiter = LINK_OWNER(l->unused.next, struct waiter, link);
        link_append(&lock->waiters, &waiter->link);
        lock->waiting++;
    } else {
        out->superseded = waiter->context;
    }
    waiter->is_used = true;
    waiter->lock = lock;
    waiter->session = r->session;
    waiter->request = r->request;
    waiter->context = r->context;
    waiter->connection = r->connection;
    waiter->hold_ms = r->hold_ms;
    deadlines_set(&l->patience, &waiter->due, l->now_us + (int64_t)r->wait_ms * 1000);
    out->verdict = LOCKS_WAITS;
}

/* ---- records ---- */

static void give_record(struct locks *l, const struct lock_record *record, enum lock_answer type,
                        struct lock_step *out) {
    out->verdict = LOCKS_RECORD;
    out->answer = type;
    out->token = record->token;
    out->session = record->session;
    out->request = record->request;
    out->record = slice_of(l->record, lock_record_encode(record, l->record));
}

/* 0: none below the ceiling. */
static uint64_t next_token(const struct locks *l, const struct lock_moment *moment) {
    uint64_t most = moment->ceiling > TOKEN_MARGIN_US ? moment->ceiling - TOKEN_MARGIN_US : 0;
    uint64_t token = moment->cluster_us < most ? moment->cluster_us : most;
    if (token <= moment->above && !CLUSTER_MUTATED(MUTANT_TOKEN_BELOW_RESET))
        token = moment->above + 1;
    if (token <= l->floor)
        token = l->floor + 1;
    if (token <= l->last)
        token = l->last + 1;
    return token <= moment->ceiling || CLUSTER_MUTATED(MUTANT_LOCK_ABOVE_CEILING) ? token : 0;
}

static void acquire(struct locks *l, const struct lock_request *r, const struct lock_moment *moment,
                    struct lock_step *out) {
    struct lock *lock = locks_find_lock(l, r->name);
    struct lock_record grant = {.type = LOCK_RECORD_GRANT,
                                .name = r->name,
                                .session = r->session,
                                .request = r->request,
                                .hold_ms = r->hold_ms};
    bool is_own = is_owned(lock, r->session);
    bool is_taken = lock != NULL && !is_own;
    if (CLUSTER_MUTATED(MUTANT_LOCK_QUEUE_IGNORED))
        is_taken = is_taken && lock->depth > 0;
    if (is_own && lock_has_request(lock, r->request) &&
        !CLUSTER_MUTATED(MUTANT_LOCK_GRANTED_TWICE)) {
        answer(out, LOCK_GRANTED, lock->token);
        return;
    }
    if (is_taken) {
        wait(l, lock, r, out);
        return;
    }
    grant.token = is_own ? lock->token : next_token(l, moment);
    if (grant.token == 0 || (lock == NULL && l->table.count >= l->options.locks_max))
        answer(out, LOCK_REFUSED, 0);
    else
        give_record(l, &grant, LOCK_GRANTED, out);
}

static void change(struct locks *l, const struct lock_request *r, enum lock_record_type type,
                   struct lock_step *out) {
    const struct lock *lock = locks_find_lock(l, r->name);
    bool is_holder = is_owned(lock, r->session) &&
                     (lock->token == r->token || CLUSTER_MUTATED(MUTANT_LOCK_ANY_TOKEN));
    struct lock_record record = {.type = type,
                                 .name = r->name,
                                 .token = r->token,
                                 .session = r->session,
                                 .request = r->request,
                                 .hold_ms = r->hold_ms};
    if (!is_holder)
        answer(out, LOCK_NOT_HELD, 0);
    else if (lock_has_request(lock, r->request))
        answer(out, LOCK_DONE, r->token);
    else
        give_record(l, &record, LOCK_DONE, out);
}

static void cancel(struct locks *l, const struct lock_request *r, struct lock_step *out) {
    const struct lock *lock = locks_find_lock(l, r->name);
    struct waiter *waiter = lock == NULL ? NULL : lock_find_waiter(lock, r->session, r->request);
    bool is_granted = is_owned(lock, r->session) && lock_has_request(lock, r->request);
    if (waiter != NULL)
        deadlines_set(&l->patience, &waiter->due, INT64_MIN);
    if (!is_granted || CLUSTER_MUTATED(MUTANT_LOCK_CANCEL_IGNORED)) {
        answer(out, waiter != NULL || is_granted ? LOCK_DONE : LOCK_NOT_HELD, 0);
        return;
    }
    struct lock_record record = {.type = LOCK_RECORD_CANCEL,
                                 .name = r->name,
                                 .token = lock->token,
                                 .session = r->session,
                                 .request = r->request};
    give_record(l, &record, LOCK_DONE, out);
}

static void force(struct locks *l, const struct lock_request *r, const struct lock_moment *moment,
                  struct lock_step *out) {
    struct lock_record record = {.type = LOCK_RECORD_FORCE,
                                 .name = r->name,
                                 .token = next_token(l, moment),
                                 .session = r->session,
                                 .request = r->request,
                                 .cluster_us = moment->cluster_us};
    if (record.token == 0)
        answer(out, LOCK_REFUSED, 0);
    else
        give_record(l, &record, LOCK_DONE, out);
}

static void end_session(struct locks *l, const struct lock_request *r, struct lock_step *out) {
    struct table_walk walk = {0};
    const struct lock *lock;
    struct lock_record record = {
        .type = LOCK_RECORD_END, .session = r->session, .request = r->request};
    for (uint32_t i = 0; i < l->options.waiters_max; i++)
        if (l->waiters[i].is_used && raft_id_equal(l->waiters[i].session, r->session))
            deadlines_set(&l->patience, &l->waiters[i].due, INT64_MIN);
    while ((lock = table_next(&l->table, &walk)) != NULL)
        if (is_owned(lock, r->session))
            break;
    if (lock == NULL)
        answer(out, LOCK_DONE, 0);
    else
        give_record(l, &record, LOCK_DONE, out);
}

enum larder_status locks_request(struct locks *l, const struct lock_request *r,
                                 const struct lock_moment *moment, struct lock_step *out) {
    bool has_name = r->type != LOCK_REQUEST_END_SESSION;
    *out = (struct lock_step){.context = r->context, .session = r->session, .request = r->request};
    if (!l->is_leading || r->context == 0 || r->name.size > LOCK_NAME_MAX ||
        (has_name && r->name.size == 0) || !raft_id_is_set(r->session))
        return LARDER_INVALID;
    l->now_us = moment->now_us;
    switch (r->type) {
    case LOCK_REQUEST_ACQUIRE: acquire(l, r, moment, out); return LARDER_OK;
    case LOCK_REQUEST_RENEW: change(l, r, LOCK_RECORD_RENEW, out); return LARDER_OK;
    case LOCK_REQUEST_RELEASE: change(l, r, LOCK_RECORD_RELEASE, out); return LARDER_OK;
    case LOCK_REQUEST_CANCEL: cancel(l, r, out); return LARDER_OK;
    case LOCK_REQUEST_FORCE: force(l, r, moment, out); return LARDER_OK;
    case LOCK_REQUEST_END_SESSION: end_session(l, r, out); return LARDER_OK;
    default: return LARDER_INVALID;
    }
}

/* ---- by itself ---- */

static void dismiss(struct locks *l, struct deadline *due, struct lock_step *out) {
    struct waiter *waiter = LINK_OWNER(due, struct waiter, due);
    answer(out, l->is_leading ? LOCK_TIMED_OUT : LOCK_MOVED, 0);
    out->context = waiter->context;
    out->session = waiter->session;
    out->request = waiter->request;
    waiter_leave(l, waiter);
}

static void expire(struct locks *l, struct deadline *due, struct lock_step *out) {
    const struct lock *lock = LINK_OWNER(due, struct lock, expiry);
    struct lock_record record = {.type = LOCK_RECORD_EXPIRE,
                                 .name = lock_name(lock),
                                 .token = lock->token,
                                 .session = lock->owner};
    give_record(l, &record, LOCK_DONE, out);
}

static void serve(struct locks *l, const struct lock_moment *moment, struct lock_step *out) {
    const struct lock *lock = LINK_OWNER(l->ready.next, struct lock, ready);
    struct link *first =
        CLUSTER_MUTATED(MUTANT_LOCK_SERVED_LAST) ? lock->waiters.previous : lock->waiters.next;
    const struct waiter *waiter = LINK_OWNER(first, struct waiter, link);
    struct lock_record grant = {.type = LOCK_RECORD_GRANT,
                                .name = lock_name(lock),
                                .token = next_token(l, moment),
                                .session = waiter->session,
                                .request = waiter->request,
                                .hold_ms = waiter->hold_ms};
    if (grant.token == 0)
        return;
    out->context = waiter->context;
    give_record(l, &grant, LOCK_GRANTED, out);
}

void locks_next(struct locks *l, const struct lock_moment *moment, struct lock_step *out) {
    *out = (struct lock_step){0};
    l->now_us = moment->now_us;
    struct deadline *due = deadlines_due(&l->patience, l->is_leading ? moment->now_us : INT64_MAX);
    if (due != NULL) {
        dismiss(l, due, out);
        return;
    }
    due = deadlines_due(&l->expiries, moment->now_us);
    if (due != NULL)
        expire(l, due, out);
    else if (l->is_leading && !link_is_alone(&l->ready))
        serve(l, moment, out);
}

/* ---- looking ---- */

bool locks_find(const struct locks *l, struct slice name, struct lock_state *out) {
    const struct lock *lock = locks_find_lock(l, name);
    *out = (struct lock_state){.expires_us = INT64_MAX};
    if (lock == NULL)
        return false;
    out->owner = lock->owner;
    out->token = lock->token;
    out->hold_ms = lock->hold_ms;
    out->depth = lock->depth;
    out->waiting = lock->waiting;
    if (lock->expiry.place != 0)
        out->expires_us = lock->expiry.due_us;
    return true;
}

uint64_t locks_last_token(const struct locks *l) {
    return l->last;
}

uint64_t locks_floor(const struct locks *l) {
    return l->floor;
}

const char *lock_answer_name(enum lock_answer type) {
    static const char *const NAMES[] = {"?",         "GRANTED",  "DONE",  "HELD",
                                        "TIMED OUT", "NOT HELD", "MOVED", "REFUSED"};
    return type > 0 && type <= LOCK_REFUSED ? NAMES[type] : NAMES[0];
}
