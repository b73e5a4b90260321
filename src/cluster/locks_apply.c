/* SPDX-License-Identifier: BSD-3-Clause */
/* What records do, on every replica alike: they depend on nothing but what records before them did.
 * A record about a token that is no longer the lock's does nothing. While leading, what is not
 * replicated follows: a hold counts anew when the record is committed, a freed lock that somebody
 * waits for becomes ready. */
#include "cluster/locks_core.h"
#include "cluster/mutants.h"

void lock_destroy(void *element, const struct allocator *allocator) {
    struct lock *lock = element;
    allocator_release(allocator, lock, sizeof(*lock) + lock->name_size);
}

struct lock *locks_insert_lock(struct locks *l, struct slice name) {
    if (deadlines_reserve(&l->expiries, (uint32_t)l->table.count + 1) != LARDER_OK ||
        table_reserve(&l->table, &l->objects, 1) != LARDER_OK)
        return NULL;
    struct lock *lock = allocator_allocate_zeroed(l->allocator, sizeof(*lock) + name.size);
    if (lock != NULL) {
        lock->name_size = (uint32_t)name.size;
        memcpy(lock->name, name.data, name.size);
        link_init(&lock->uncounted);
        link_init(&lock->ready);
        link_init(&lock->waiters);
        table_insert(&l->table, &l->objects, table_hash(&l->objects, name), lock);
    }
    table_end_reserve(&l->table, &l->objects);
    return lock;
}

void locks_settle(struct locks *l, struct lock *lock) {
    if (lock->depth > 0)
        return;
    if (lock->waiting > 0) {
        if (link_is_alone(&lock->ready))
            link_append(&l->ready, &lock->ready);
        return;
    }
    struct slice name = slice_of(lock->name, lock->name_size);
    uint64_t hash = table_hash(&l->objects, name);
    link_remove(&lock->ready);
    link_remove(&lock->uncounted);
    deadlines_remove(&l->expiries, &lock->expiry);
    table_remove(&l->table, &l->objects, hash, table_find_word(&l->table, hash, name));
    lock_destroy(lock, l->allocator);
}

static void free_lock(struct locks *l, struct lock *lock) {
    lock->depth = 0;
    lock->owner = RAFT_NOBODY;
    lock->request_count = lock->request_next = 0;
    link_remove(&lock->uncounted);
    deadlines_remove(&l->expiries, &lock->expiry);
    locks_settle(l, lock);
}

static void keep_request(struct lock *lock, uint64_t request) {
    lock->requests[lock->request_next] = request;
    lock->request_next = (uint8_t)((lock->request_next + 1) % LOCK_REQUESTS_KEPT);
    if (lock->request_count < LOCK_REQUESTS_KEPT)
        lock->request_count++;
}

/* 0 is for ever. */
static uint32_t longer(uint32_t a_ms, uint32_t b_ms) {
    if (a_ms == 0 || b_ms == 0)
        return 0;
    return a_ms > b_ms ? a_ms : b_ms;
}

/* The hold runs from the commit of this record on. It is never less than what was promised with the
 * same token before: its holder may not know yet that it asked for less. */
static void begin_hold(struct locks *l, struct lock *lock, uint32_t hold_ms, uint64_t sequence) {
    lock->hold_ms =
        CLUSTER_MUTATED(MUTANT_LOCK_HOLD_SHORTENED) ? hold_ms : longer(lock->hold_ms, hold_ms);
    hold_ms = lock->hold_ms;
    lock->sequence = sequence;
    deadlines_remove(&l->expiries, &lock->expiry);
    if (l->is_leading)
        link_append(&l->uncounted, &lock->uncounted);
    if (l->is_leading && hold_ms > 0 && CLUSTER_MUTATED(MUTANT_LOCK_HOLD_FROM_REQUEST)) {
        link_remove(&lock->uncounted);
        deadlines_set(&l->expiries, &lock->expiry, l->now_us + (int64_t)hold_ms * 1000);
    }
}

static void note_token(struct locks *l, uint64_t token) {
    bool is_forgotten = CLUSTER_MUTATED(MUTANT_LOCK_TOKEN_RESTARTS) && !l->is_leading;
    if (token > l->last && !is_forgotten)
        l->last = token;
}

static enum larder_status grant(struct locks *l, const struct lock_record *r, uint64_t sequence) {
    struct lock *lock = locks_find_lock(l, r->name);
    if (lock == NULL)
        lock = locks_insert_lock(l, r->name);
    if (lock == NULL)
        return LARDER_NO_MEMORY;
    bool is_again =
        lock->depth > 0 && lock->token == r->token && raft_id_equal(lock->owner, r->session);
    if (!is_again) {
        lock->depth = lock->request_count = lock->request_next = 0;
        lock->hold_ms = r->hold_ms;
    }
    lock->owner = r->session;
    lock->token = r->token;
    lock->depth++;
    keep_request(lock, r->request);
    note_token(l, r->token);
    link_remove(&lock->ready);
    begin_hold(l, lock, r->hold_ms, sequence);
    struct waiter *waiter = lock_find_waiter(lock, r->session, r->request);
    if (waiter != NULL)
        waiter_leave(l, waiter);
    return LARDER_OK;
}

static void give_back(struct locks *l, struct lock *lock, const struct lock_record *r) {
    if (r->type == LOCK_RECORD_RELEASE)
        keep_request(lock, r->request);
    if (lock->depth > 1)
        lock->depth--;
    else
        free_lock(l, lock);
}

static enum larder_status force(struct locks *l, const struct lock_record *r) {
    if (CLUSTER_MUTATED(MUTANT_LOCK_FORCE_KEEPS_TOKEN)) {
        struct lock *held = locks_find_lock(l, r->name);
        if (held != NULL && held->depth > 0)
            free_lock(l, held);
        return LARDER_OK;
    }
    enum larder_status status = locks_raise_mark(l, r->name, r->token, r->cluster_us);
    if (status != LARDER_OK)
        return status;
    struct lock *lock = locks_find_lock(l, r->name);
    note_token(l, r->token);
    if (lock != NULL && lock->depth > 0)
        free_lock(l, lock);
    return LARDER_OK;
}

/* Freeing a lock changes the table, so each one is looked for anew. */
static void end_session(struct locks *l, struct raft_id session) {
    struct lock *lock;
    do {
        struct table_walk walk = {0};
        while ((lock = table_next(&l->table, &walk)) != NULL)
            if (lock->depth > 0 && raft_id_equal(lock->owner, session))
                break;
        if (lock != NULL)
            free_lock(l, lock);
    } while (lock != NULL);
}

enum larder_status locks_apply(struct locks *l, struct slice bytes, uint64_t sequence) {
    struct lock_record r;
    enum larder_status status = lock_record_decode(bytes, &r);
    if (status != LARDER_OK)
        return status;
    switch (r.type) {
    case LOCK_RECORD_GRANT: return grant(l, &r, sequence);
    case LOCK_RECORD_FORCE: return force(l, &r);
    case LOCK_RECORD_FENCE: return locks_raise_mark(l, r.name, r.token, r.cluster_us);
    case LOCK_RECORD_END: end_session(l, r.session); return LARDER_OK;
    default: break;
    }
    struct lock *lock = locks_find_lock(l, r.name);
    bool is_token = lock != NULL && lock->depth > 0 &&
                    (lock->token == r.token || CLUSTER_MUTATED(MUTANT_LOCK_ANY_TOKEN));
    if (!is_token)
        return LARDER_OK;
    switch (r.type) {
    case LOCK_RECORD_RENEW:
        keep_request(lock, r.request);
        begin_hold(l, lock, r.hold_ms, sequence);
        break;
    case LOCK_RECORD_EXPIRE: free_lock(l, lock); break;
    default: give_back(l, lock, &r);
    }
    return LARDER_OK;
}

void locks_clear(struct locks *l) {
    locks_follow(l);
    while (!table_free_some(&l->table, l->allocator, SIZE_MAX, lock_destroy))
        ;
    locks_clear_marks(l);
    l->last = l->floor = 0;
}

void locks_reset(struct locks *l, uint64_t ceiling) {
    uint64_t newest = ceiling > l->last ? ceiling : l->last;
    locks_clear(l);
    if (!CLUSTER_MUTATED(MUTANT_LOCK_RESET_FORGETS))
        l->last = l->floor = newest;
}
