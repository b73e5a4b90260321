/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition's locks under load and failures: clients that ask, hold, renew, stall, write with
 * their tokens and repeat what was not answered; a primary that decides, logs, commits with a delay
 * and is replaced by a backup that has some of its tail; copies; total losses, here and of another
 * partition whose keys are written with these tokens too.
 *
 * Four judges: a naive model of who holds what and who is next, compared at every record; the
 * checker of lock histories on what clients saw; digests of replicas at the same position; the
 * other partition, which has to take every new token. */
#include "cluster/locks.h"

#include "sim/lock_history.h"
#include "support/test_seed.h"
#include "unit/cluster/golden.h"

#include "base/random.h"

#include <stdlib.h>

enum {
    ROUNDS = 1500,
    STEPS = 3000, /* of a millisecond */
    MS = 1000,
    LOCKS = 3,
    CLIENTS = 6,
    REPLICAS = 3,
    LOG_MAX = 8192,
    EVENTS_MAX = 8192,
};

static const char *const NAMES[LOCKS] = {"door", "gate", "bridge"};

/* ---- the model ---- */

struct model_lock {
    struct raft_id owner;
    uint64_t token;
    uint32_t depth;
    uint32_t hold_ms;
    uint64_t counted_from; /* sequence of the record that its hold counts from */
    uint64_t mark;
    uint64_t requests[8]; /* granted with this token, one after the other */
    uint32_t request_count;
};

struct model {
    struct model_lock locks[LOCKS];
    uint64_t last;
};

struct logged {
    uint8_t bytes[LOCK_RECORD_BYTES_MAX];
    size_t size;
    struct model after;
    uint64_t token; /* that it gave; 0: none */
    uint64_t above; /* when it did */
    int64_t committed_us;
};

/* ---- clients ---- */

enum client_state { IDLE, ASKING, HOLDING };

struct client {
    enum client_state state;
    struct raft_id session; /* another one for each time it takes a lock */
    uint64_t requests;
    uint32_t lock;
    uint64_t token;
    int64_t lost_us; /* HOLDING: counts on it until then */
    int64_t act_us;
    /* ASKING */
    struct lock_request asked;
    bool is_write;
    int64_t arrives_us, repeat_us, give_up_us; /* INT64_MAX: has arrived */
    bool has_reply;
    int64_t reply_us;
    enum lock_answer reply;
    uint64_t reply_token;
    size_t event;
};

/* An answer that leaves when the log is committed up to `sequence`. */
struct pending {
    uint64_t sequence, context;
    enum lock_answer answer;
    uint64_t token;
    bool is_read;
};

struct world {
    struct random random;
    struct hash_seed seed;
    int64_t now_us;
    uint64_t ceiling;
    struct locks *elsewhere; /* of the other partition: marks and a floor, nothing is held there */
    uint64_t above;          /* the ceiling when that was last reset */
    int64_t skew_us[REPLICAS];
    struct locks *tables[REPLICAS];
    uint64_t applied[REPLICAS];
    uint32_t primary;
    uint64_t base; /* records up to here were lost */
    uint64_t last, commit;
    int64_t led_us;
    struct model model, base_model;
    struct logged log[LOG_MAX];
    uint64_t queue[LOCKS][CLIENTS * 2]; /* contexts, in order of arrival */
    uint32_t queued[LOCKS];
    struct pending pending[256];
    uint32_t pending_count;
    struct client clients[CLIENTS];
    uint64_t contexts;
    struct lock_event events[LOCKS][EVENTS_MAX];
    size_t event_count[LOCKS];
    uint32_t loss_per_mille, impatience_per_mille;
    bool has_losses; /* of all data: then holding in time is not promised */
    bool is_tight;   /* the ceiling is hardly ever above the last token */
    bool has_days;   /* cluster time jumps by a day */
};

#define NO_EVENT ((enum lock_event_kind)99)

static struct world world;
static struct {
    uint64_t grants, waits, failovers, cut, expiries, stale, resets, repeats, forced, late,
        resets_elsewhere;
} seen;

static uint64_t pick(struct world *w, uint64_t bound) {
    return random_below(&w->random, bound);
}

static bool happens(struct world *w, uint64_t per_mille) {
    return pick(w, 1000) < per_mille;
}

static struct slice name_of(uint32_t lock) {
    return slice_of_string(NAMES[lock]);
}

static struct locks *make(struct world *w) {
    struct locks *locks = NULL;
    struct locks_options options = {.waiters_max = 32, .seed = &w->seed};
    assert_int_equal(locks_create(&options, &ALLOCATOR_SYSTEM, &locks), LARDER_OK);
    return locks;
}

static struct lock_moment moment(struct world *w) {
    int64_t cluster_us = w->now_us + w->skew_us[w->primary];
    return (struct lock_moment){.now_us = w->now_us,
                                .cluster_us = (uint64_t)cluster_us,
                                .ceiling = w->ceiling,
                                .above = w->above};
}

static void compare(struct world *w) {
    for (uint32_t i = 0; i < LOCKS; i++) {
        struct lock_state state;
        const struct model_lock *m = &w->model.locks[i];
        locks_find(w->tables[w->primary], name_of(i), &state);
        assert_int_equal(state.depth, m->depth);
        if (m->depth > 0) {
            assert_int_equal(state.token, m->token);
            assert_true(raft_id_equal(state.owner, m->owner));
        }
        assert_int_equal(state.waiting, w->queued[i]);
        assert_true(locks_fence_of(w->tables[w->primary], name_of(i)) >= m->mark);
    }
    assert_int_equal(locks_last_token(w->tables[w->primary]), w->model.last);
}

/* ---- the log ---- */

static void log_record(struct world *w, struct slice bytes) {
    assert_true(w->last + 1 < LOG_MAX);
    struct logged *logged = &w->log[++w->last];
    if (bytes.size > 0)
        memcpy(logged->bytes, bytes.data, bytes.size);
    logged->size = bytes.size;
    uint64_t before = w->last - 1 == w->base ? w->base_model.last : logged[-1].after.last;
    logged->after = w->model;
    logged->token = w->model.last == before ? 0 : w->model.last;
    logged->above = w->above;
    logged->committed_us = INT64_MAX;
    if (logged->size > 0)
        assert_int_equal(
            locks_apply(w->tables[w->primary], slice_of(logged->bytes, logged->size), w->last),
            LARDER_OK);
    w->applied[w->primary] = w->last;
}

static void apply_up_to(struct world *w, uint32_t replica, uint64_t sequence) {
    while (w->applied[replica] < sequence) {
        const struct logged *logged = &w->log[++w->applied[replica]];
        if (logged->size > 0)
            assert_int_equal(locks_apply(w->tables[replica], slice_of(logged->bytes, logged->size),
                                         w->applied[replica]),
                             LARDER_OK);
    }
}

static struct client *find_client(struct world *w, uint64_t context) {
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (w->clients[i].state == ASKING && w->clients[i].asked.context == context)
            return &w->clients[i];
    return NULL;
}

static void reply(struct world *w, uint64_t context, enum lock_answer answer, uint64_t token) {
    struct client *client = find_client(w, context);
    if (client == NULL || client->has_reply || happens(w, w->loss_per_mille))
        return;
    client->has_reply = true;
    client->reply = answer;
    client->reply_token = token;
    client->reply_us = w->now_us + (int64_t)pick(w, 20 * MS);
}

static void owe(struct world *w, const struct pending *pending) {
    assert_true(w->pending_count < 256);
    w->pending[w->pending_count++] = *pending;
}

/* Answers whose records are committed leave; with `is_over` the others are cut or unknown. */
static void settle(struct world *w, bool is_over) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->pending_count; i++) {
        struct pending *p = &w->pending[i];
        if (p->sequence <= w->commit && !(p->is_read && is_over))
            reply(w, p->context, p->answer, p->token);
        else if (is_over)
            reply(w, p->context, LOCK_MOVED, 0);
        else
            w->pending[kept++] = *p;
    }
    w->pending_count = kept;
}

static uint32_t lock_of(struct slice record) {
    for (uint32_t i = 0; i < LOCKS; i++)
        if (record.size > 3 && record.data[1] == strlen(NAMES[i]) &&
            memcmp(record.data + 3, NAMES[i], strlen(NAMES[i])) == 0)
            return i;
    return LOCKS;
}

/* A token that was given is the newest of its lock, so the other partition does not know a newer
 * one. */
static void write_elsewhere(struct world *w, const struct logged *logged) {
    struct slice record;
    if (logged->token == 0 || logged->above != w->above)
        return;
    struct slice name = name_of(lock_of(slice_of(logged->bytes, logged->size)));
    assert_int_equal(locks_fence(w->elsewhere, name, logged->token, moment(w).cluster_us, &record),
                     LARDER_OK);
    if (record.size > 0 && happens(w, 500))
        assert_int_equal(locks_apply(w->elsewhere, record, 1), LARDER_OK);
}

static void commit_next(struct world *w) {
    struct logged *logged = &w->log[++w->commit];
    logged->committed_us = w->now_us;
    write_elsewhere(w, logged);
}

static void commit_up_to(struct world *w, uint64_t sequence) {
    while (w->commit < sequence)
        commit_next(w);
    locks_commit(w->tables[w->primary], w->commit, w->now_us);
    settle(w, false);
}

/* ---- what the primary decides, and whether it is right ---- */

static void leave_queue(struct world *w, uint64_t context) {
    for (uint32_t i = 0; i < LOCKS; i++)
        for (uint32_t k = 0; k < w->queued[i]; k++)
            if (w->queue[i][k] == context) {
                memmove(&w->queue[i][k], &w->queue[i][k + 1],
                        (w->queued[i] - k - 1) * sizeof(w->queue[i][0]));
                w->queued[i]--;
                return;
            }
}

static uint64_t expected_token(struct world *w) {
    struct lock_moment now = moment(w);
    uint64_t most = now.ceiling - 60 * 1000 * MS;
    uint64_t token = now.cluster_us < most ? now.cluster_us : most;
    if (token <= w->above)
        token = w->above + 1;
    return token > w->model.last ? token : w->model.last + 1;
}

static bool model_has_request(const struct model_lock *m, uint64_t request) {
    for (uint32_t i = 0; i < m->request_count && i < 8 && m->depth > 0; i++)
        if (m->requests[i] == request)
            return true;
    return false;
}

static void model_grant(struct world *w, const struct lock_step *step, uint32_t lock,
                        uint32_t hold_ms) {
    struct model_lock *m = &w->model.locks[lock];
    if (m->depth > 0) {
        if (m->hold_ms > hold_ms)
            hold_ms = m->hold_ms;
        assert_true(raft_id_equal(m->owner, step->session));
        assert_int_equal(step->token, m->token);
    } else {
        assert_int_equal(step->token, expected_token(w));
        assert_true(step->token <= w->ceiling);
        w->model.last = step->token;
    }
    assert_false(model_has_request(m, step->request));
    if (m->depth == 0)
        m->request_count = 0;
    m->requests[m->request_count++ % 8] = step->request;
    m->owner = step->session;
    m->token = step->token;
    m->depth++;
    m->hold_ms = hold_ms;
    m->counted_from = w->last + 1;
    seen.grants++;
}

static void model_free(struct world *w, uint32_t lock) {
    w->model.locks[lock] = (struct model_lock){.mark = w->model.locks[lock].mark};
}

static void model_give_back(struct world *w, uint32_t lock) {
    if (--w->model.locks[lock].depth == 0)
        model_free(w, lock);
}

/* A hold runs out only when it has been counted in full since its commit, by this primary. */
static void check_expiry(struct world *w, uint32_t lock) {
    const struct model_lock *m = &w->model.locks[lock];
    int64_t from_us = w->led_us;
    assert_true(m->depth > 0 && m->hold_ms > 0);
    if (m->counted_from > w->base) {
        assert_true(m->counted_from <= w->commit);
        if (w->log[m->counted_from].committed_us > from_us)
            from_us = w->log[m->counted_from].committed_us;
    }
    assert_true(w->now_us >= from_us + (int64_t)m->hold_ms * MS);
    assert_true(w->now_us <= from_us + (int64_t)m->hold_ms * MS + 2 * MS);
    seen.expiries++;
}

static void model_request(struct world *w, const struct lock_request *r,
                          const struct lock_step *step, uint32_t lock) {
    struct model_lock *m = &w->model.locks[lock];
    bool is_owner = m->depth > 0 && raft_id_equal(m->owner, r->session);
    switch (r->type) {
    case LOCK_REQUEST_ACQUIRE:
        assert_true(is_owner || (m->depth == 0 && w->queued[lock] == 0));
        model_grant(w, step, lock, r->hold_ms);
        break;
    case LOCK_REQUEST_RENEW:
        assert_true(is_owner && m->token == r->token);
        if (r->hold_ms > m->hold_ms)
            m->hold_ms = r->hold_ms;
        m->counted_from = w->last + 1;
        break;
    case LOCK_REQUEST_RELEASE:
        assert_true(is_owner && m->token == r->token);
        model_give_back(w, lock);
        break;
    case LOCK_REQUEST_CANCEL:
        assert_true(is_owner);
        model_give_back(w, lock);
        seen.late++;
        break;
    case LOCK_REQUEST_FORCE:
        assert_int_equal(step->token, expected_token(w));
        w->model.last = step->token;
        m->mark = step->token;
        model_free(w, lock);
        seen.forced++;
        break;
    default: fail();
    }
}

static void log_step(struct world *w, const struct lock_step *step) {
    log_record(w, step->record);
    if (step->context != 0)
        owe(w, &(struct pending){.sequence = w->last,
                                 .context = step->context,
                                 .answer = step->answer,
                                 .token = step->token});
}

static void run(struct world *w) {
    for (;;) {
        struct lock_step step;
        struct lock_moment now = moment(w);
        locks_next(w->tables[w->primary], &now, &step);
        if (step.verdict == LOCKS_NOTHING)
            break;
        if (step.verdict == LOCKS_ANSWER) {
            leave_queue(w, step.context);
            reply(w, step.context, step.answer, 0);
            continue;
        }
        uint32_t lock = lock_of(step.record);
        if (step.context == 0) {
            check_expiry(w, lock);
            model_free(w, lock);
        } else {
            struct lock_state state;
            assert_true(w->queued[lock] > 0 && w->queue[lock][0] == step.context);
            leave_queue(w, step.context);
            locks_find(w->tables[w->primary], name_of(lock), &state);
            const struct client *client = find_client(w, step.context);
            model_grant(w, &step, lock, client == NULL ? 100 : client->asked.hold_ms);
        }
        log_step(w, &step);
        compare(w);
    }
}

static void arrive(struct world *w, const struct client *client) {
    struct lock_step step;
    struct lock_moment now = moment(w);
    const struct lock_request *r = &client->asked;
    assert_int_equal(locks_request(w->tables[w->primary], r, &now, &step), LARDER_OK);
    uint32_t lock = client->lock;
    const struct model_lock *m = &w->model.locks[lock];
    if (r->type == LOCK_REQUEST_CANCEL && raft_id_equal(m->owner, r->session) &&
        model_has_request(m, r->request))
        assert_int_equal(step.verdict, LOCKS_RECORD);
    switch (step.verdict) {
    case LOCKS_RECORD:
        model_request(w, r, &step, lock);
        log_step(w, &step);
        break;
    case LOCKS_ANSWER:
        seen.repeats += step.answer == LOCK_GRANTED;
        owe(w, &(struct pending){.sequence = w->last,
                                 .context = r->context,
                                 .answer = step.answer,
                                 .token = step.token,
                                 .is_read = true});
        break;
    default:
        for (uint32_t k = 0; k < w->queued[lock] && step.superseded != 0; k++)
            if (w->queue[lock][k] == step.superseded)
                w->queue[lock][k] = r->context;
        if (step.superseded == 0)
            w->queue[lock][w->queued[lock]++] = r->context;
        seen.waits++;
    }
    compare(w);
    run(w);
}

/* A write of the lock's key; it is in one record with the mark. */
static void arrive_write(struct world *w, const struct client *client) {
    struct slice record;
    struct model_lock *m = &w->model.locks[client->lock];
    enum larder_status status = locks_fence(w->tables[w->primary], name_of(client->lock),
                                            client->asked.token, moment(w).cluster_us, &record);
    bool is_stale = client->asked.token < m->mark;
    if (is_stale)
        assert_int_equal(status, LARDER_DENIED);
    if (status == LARDER_DENIED) /* by its mark, or by the floor */
        assert_true(client->asked.token <
                    locks_fence_of(w->tables[w->primary], name_of(client->lock)));
    struct pending pending = {.context = client->asked.context, .answer = LOCK_NOT_HELD};
    if (status == LARDER_OK) {
        m->mark = client->asked.token;
        pending.answer = LOCK_DONE;
        log_record(w, record);
    } else {
        seen.stale++;
        pending.is_read = true;
    }
    pending.sequence = w->last;
    owe(w, &pending);
}

static size_t new_event(struct world *w, uint32_t lock, struct lock_event event) {
    assert_true(w->event_count[lock] < EVENTS_MAX);
    event.call_us = w->now_us;
    event.return_us = INT64_MAX;
    w->events[lock][w->event_count[lock]] = event;
    return w->event_count[lock]++;
}

/* FORCE and a total loss make tokens void as a write with a newer one does. */
static void void_tokens(struct world *w, uint32_t lock) {
    new_event(w, lock, (struct lock_event){.kind = LOCK_WRITE, .token = UINT64_MAX, .key = 1});
}

/* ---- failures ---- */

static void check_replicas(struct world *w) {
    struct store_digest first = {0};
    for (uint32_t i = 0, count = 0; i < REPLICAS; i++) {
        if (i == w->primary)
            continue;
        apply_up_to(w, i, w->commit);
        struct store_digest digest = locks_digest(w->tables[i]);
        assert_true(count++ == 0 || (digest.low == first.low && digest.high == first.high));
        first = digest;
    }
}

static void copy(struct world *w, uint32_t from, uint32_t to) {
    size_t size = locks_encoded_size(w->tables[from]);
    uint8_t *bytes = malloc(size);
    assert_int_equal(locks_encode(w->tables[from], bytes), size);
    assert_int_equal(locks_decode(w->tables[to], slice_of(bytes, size)), LARDER_OK);
    w->applied[to] = w->applied[from];
    free(bytes);
}

static void lead(struct world *w, uint32_t replica) {
    w->primary = replica;
    w->model = w->last == w->base ? w->base_model : w->log[w->last].after;
    w->led_us = w->now_us;
    locks_lead(w->tables[replica], w->now_us);
    compare(w);
    run(w);
}

static void depose(struct world *w) {
    struct lock_step step;
    struct lock_moment now = moment(w);
    locks_follow(w->tables[w->primary]);
    for (locks_next(w->tables[w->primary], &now, &step); step.verdict != LOCKS_NOTHING;
         locks_next(w->tables[w->primary], &now, &step)) {
        assert_true(step.verdict == LOCKS_ANSWER && step.answer == LOCK_MOVED);
        leave_queue(w, step.context);
        reply(w, step.context, LOCK_MOVED, 0);
    }
    for (uint32_t i = 0; i < LOCKS; i++)
        assert_int_equal(w->queued[i], 0);
}

/* Another replica goes on with all that is committed and some of what is not. */
static void fail_over(struct world *w) {
    uint32_t old = w->primary, next = (old + 1 + (uint32_t)pick(w, REPLICAS - 1)) % REPLICAS;
    uint64_t end = w->commit + pick(w, w->last - w->commit + 1);
    seen.failovers++;
    seen.cut += end < w->last;
    depose(w);
    check_replicas(w);
    w->last = end;
    while (w->commit < end)
        commit_next(w);
    settle(w, true);
    apply_up_to(w, next, end);
    for (uint32_t i = 0; i < REPLICAS; i++)
        if (i == old || happens(w, 200))
            if (i != next)
                copy(w, next, i);
    lead(w, next);
}

/* All replicas are gone: the partition begins anew, above the ceiling. */
static void lose_all(struct world *w) {
    seen.resets++;
    depose(w);
    w->last = w->base = w->commit;
    settle(w, true);
    w->base_model = (struct model){.last = w->ceiling};
    for (uint32_t i = 0; i < REPLICAS; i++) {
        locks_destroy(w->tables[i]);
        w->tables[i] = make(w);
        locks_reset(w->tables[i], w->ceiling);
        w->applied[i] = w->base;
    }
    w->ceiling += w->is_tight ? pick(w, 6) : 120 * 1000 * MS;
    for (uint32_t i = 0; i < LOCKS; i++)
        void_tokens(w, i);
    lead(w, (uint32_t)pick(w, REPLICAS));
}

/* What the other partition was written with is forgotten: no token up to the ceiling counts. */
static void lose_elsewhere(struct world *w) {
    seen.resets_elsewhere++;
    w->above = w->ceiling;
    locks_reset(w->elsewhere, w->above);
    w->ceiling += w->is_tight ? pick(w, 6) : 1000 * MS + pick(w, 120 * 1000 * MS);
}

/* ---- clients ---- */

/* All marks become part of the floor, which is for all locks. */
static void pass_a_day(struct world *w) {
    for (uint32_t i = 0; i < REPLICAS; i++)
        w->skew_us[i] += (int64_t)25 * 3600 * 1000 * MS;
    for (uint32_t i = 0; i < LOCKS; i++)
        void_tokens(w, i);
}

static void send(struct world *w, struct client *client) {
    client->asked.context = ++w->contexts;
    client->asked.connection = client->asked.context;
    client->has_reply = false;
    client->arrives_us =
        happens(w, w->loss_per_mille) ? INT64_MAX : w->now_us + (int64_t)pick(w, 20 * MS);
    client->repeat_us = w->now_us + 100 * MS + (int64_t)client->asked.wait_ms * MS;
}

static void ask(struct world *w, struct client *client, struct lock_request r,
                struct lock_event event) {
    r.session = client->session;
    r.name = name_of(client->lock);
    if (r.request == 0)
        r.request = ++client->requests;
    client->asked = r;
    client->is_write = event.kind == LOCK_WRITE;
    client->state = ASKING;
    client->event = new_event(w, client->lock, event);
    client->give_up_us = w->now_us + 50 * MS + (int64_t)pick(w, 500 * MS);
    send(w, client);
}

static void begin_to_take(struct world *w, struct client *client) {
    uint32_t hold_ms = 50 + (uint32_t)pick(w, 200);
    client->session = (struct raft_id){{random_next(&w->random) | 1, ++w->contexts}};
    client->lock = (uint32_t)pick(w, LOCKS);
    client->token = 0;
    if (happens(w, 20)) {
        void_tokens(w, client->lock);
        ask(w, client, (struct lock_request){.type = LOCK_REQUEST_FORCE},
            (struct lock_event){.kind = LOCK_FORCE});
        return;
    }
    ask(w, client,
        (struct lock_request){.type = LOCK_REQUEST_ACQUIRE,
                              .hold_ms = hold_ms,
                              .wait_ms = happens(w, 300) ? 0 : (uint32_t)pick(w, 400)},
        (struct lock_event){.kind = LOCK_GRANT, .hold_us = (int64_t)hold_ms * MS});
}

static void use(struct world *w, struct client *client) {
    bool counts_on_it = w->now_us < client->lost_us;
    switch (pick(w, counts_on_it ? 4 : 2)) {
    case 0:
        ask(w, client, (struct lock_request){.type = LOCK_REQUEST_RELEASE, .token = client->token},
            (struct lock_event){.kind = LOCK_RELEASE, .token = client->token});
        return;
    case 3: /* as if it had not noticed that it took it anew */
        ask(w, client,
            (struct lock_request){
                .type = LOCK_REQUEST_RENEW, .token = client->token - 1, .hold_ms = 1000},
            (struct lock_event){.kind = NO_EVENT});
        return;
    case 2: {
        uint32_t hold_ms = 50 + (uint32_t)pick(w, 200);
        ask(w, client,
            (struct lock_request){
                .type = LOCK_REQUEST_RENEW, .token = client->token, .hold_ms = hold_ms},
            (struct lock_event){
                .kind = LOCK_RENEW, .token = client->token, .hold_us = (int64_t)hold_ms * MS});
        return;
    }
    default: /* also when it no longer counts on it: that is what tokens are for */
        ask(w, client, (struct lock_request){.type = LOCK_REQUEST_RENEW, .token = client->token},
            (struct lock_event){.kind = LOCK_WRITE, .token = client->token, .key = 1});
    }
}

static void rest(struct world *w, struct client *client, enum client_state state) {
    client->state = state;
    client->act_us = w->now_us + (int64_t)pick(w, happens(w, 150) ? 400 * MS : 15 * MS);
}

/* The event did not happen, or nobody cares: it is taken out of the history. */
static void forget_event(struct world *w, const struct client *client) {
    w->events[client->lock][client->event].kind = NO_EVENT;
}

static void take_reply(struct world *w, struct client *client) {
    struct lock_event *event = &w->events[client->lock][client->event];
    client->has_reply = false;
    if (client->reply == LOCK_MOVED && client->is_write) {
        forget_event(w, client);
        rest(w, client, HOLDING);
        return;
    }
    if (client->reply == LOCK_MOVED) {
        send(w, client);
        return;
    }
    event->return_us = w->now_us;
    if (client->is_write) {
        event->is_stale = client->reply == LOCK_NOT_HELD;
        rest(w, client, HOLDING);
        return;
    }
    switch (client->asked.type) {
    case LOCK_REQUEST_ACQUIRE:
        if (client->reply != LOCK_GRANTED) {
            forget_event(w, client);
            rest(w, client, IDLE);
            return;
        }
        event->token = client->token = client->reply_token;
        client->lost_us = lock_lost_at_us(event->call_us, client->asked.hold_ms);
        rest(w, client, HOLDING);
        return;
    case LOCK_REQUEST_RENEW:
        if (client->reply == LOCK_DONE)
            client->lost_us = lock_lost_at_us(event->call_us, client->asked.hold_ms);
        else
            forget_event(w, client);
        rest(w, client, HOLDING);
        return;
    default: rest(w, client, IDLE);
    }
}

/* Its outcome stays unknown. An acquire that is given up is cancelled, half of the time. */
static void give_up(struct world *w, struct client *client) {
    bool cancels =
        client->asked.type == LOCK_REQUEST_ACQUIRE && !client->is_write && happens(w, 500);
    uint64_t request = client->asked.request;
    locks_disconnect(w->tables[w->primary], client->asked.connection);
    leave_queue(w, client->asked.context);
    if (cancels)
        ask(w, client, (struct lock_request){.type = LOCK_REQUEST_CANCEL, .request = request},
            (struct lock_event){.kind = NO_EVENT});
    else
        rest(w, client, IDLE);
}

/* A write has no request memory here: twice could mean two outcomes. */
static bool may_repeat(const struct world *w, const struct client *client) {
    return w->now_us < client->give_up_us && !client->is_write;
}

/* Its connection closes while it waits. */
static bool loses_patience(struct world *w, const struct client *client) {
    return client->asked.type == LOCK_REQUEST_ACQUIRE && !client->is_write &&
           client->arrives_us == INT64_MAX && happens(w, w->impatience_per_mille);
}

static void act(struct world *w, struct client *client) {
    if (client->state == ASKING) {
        if (w->now_us >= client->arrives_us) {
            client->arrives_us = INT64_MAX;
            if (client->is_write)
                arrive_write(w, client);
            else
                arrive(w, client);
        }
        if (client->has_reply && w->now_us >= client->reply_us)
            take_reply(w, client);
        else if (w->now_us >= client->repeat_us && may_repeat(w, client))
            send(w, client);
        else if (w->now_us >= client->repeat_us || loses_patience(w, client))
            give_up(w, client);
    } else if (w->now_us >= client->act_us) {
        if (client->state == HOLDING)
            use(w, client);
        else
            begin_to_take(w, client);
    }
}

/* ---- */

static void check_histories(struct world *w, uint64_t seed) {
    struct lock_history_options options = {.checks_time = !w->has_losses};
    for (uint32_t i = 0; i < LOCKS; i++) {
        size_t count = 0, first, second;
        for (size_t k = 0; k < w->event_count[i]; k++)
            if (w->events[i][k].kind != NO_EVENT)
                w->events[i][count++] = w->events[i][k];
        const char *wrong = lock_history_check(w->events[i], count, &options, &first, &second);
        if (wrong != NULL)
            print_error("seed %llu: %s: %s (events %zu, %zu)\n", (unsigned long long)seed, NAMES[i],
                        wrong, first, second);
        assert_null(wrong);
    }
}

static void begin(uint64_t seed) {
    struct world *w = &world;
    memset(w, 0, sizeof(*w));
    w->random = random_seeded(seed);
    w->seed = (struct hash_seed){{random_next(&w->random), random_next(&w->random)}};
    w->now_us = (int64_t)1000 * 1000 * MS;
    w->ceiling = (uint64_t)w->now_us + 120 * 1000 * MS;
    w->loss_per_mille = happens(w, 500) ? 0 : (uint32_t)pick(w, 200);
    w->impatience_per_mille = happens(w, 500) ? 0 : (uint32_t)pick(w, 30);
    w->has_losses = happens(w, 250);
    w->is_tight = happens(w, 250);
    w->has_days = happens(w, 250);
    for (uint32_t i = 0; i < REPLICAS; i++) {
        w->tables[i] = make(w);
        if (w->is_tight)
            locks_reset(w->tables[i], w->ceiling);
        w->skew_us[i] = (int64_t)pick(w, 2000 * MS) - 1000 * MS;
    }
    if (w->is_tight)
        w->base_model.last = w->ceiling;
    w->elsewhere = make(w);
    lead(w, 0);
}

static void run_one(uint64_t seed) {
    struct world *w = &world;
    begin(seed);
    uint64_t commit_rate = 10 + pick(w, pick(w, 2) == 0 ? 90 : 990), failover_rate = pick(w, 12);
    for (uint32_t i = 0; i < STEPS; i++, w->now_us += MS) {
        for (uint32_t c = 0; c < CLIENTS; c++)
            act(w, &w->clients[c]);
        if (w->commit < w->last && happens(w, commit_rate))
            commit_up_to(w, w->commit + 1 + pick(w, w->last - w->commit));
        else
            settle(w, false);
        if (happens(w, failover_rate))
            fail_over(w);
        if (w->has_losses && happens(w, 1))
            lose_all(w);
        if (happens(w, 1))
            lose_elsewhere(w);
        if (happens(w, 2))
            w->skew_us[pick(w, REPLICAS)] += (int64_t)pick(w, 200000 * MS) - 100000 * MS;
        if (w->has_days && happens(w, 2))
            pass_a_day(w);
        run(w);
        if (happens(w, 5))
            w->ceiling += pick(w, w->is_tight ? 6 : 3000 * MS);
    }
    check_histories(w, seed);
    for (uint32_t i = 0; i < REPLICAS; i++)
        locks_destroy(w->tables[i]);
    locks_destroy(w->elsewhere);
}

static uint64_t round_seed;

/* A failed assertion leaves the test by a jump; LOCKS_ROUND=<this> runs its round alone. */
static int tell_round(void **state) {
    (void)state;
    print_message("last round: LOCKS_ROUND=%llu\n", (unsigned long long)round_seed);
    return 0;
}

static void test_locks_hold_what_they_promise(void **state) {
    (void)state;
    uint64_t seed = test_seed("locks");
    const char *one = getenv("LOCKS_ROUND");
    if (one != NULL) {
        run_one(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t i = 0; i < ROUNDS; i++) {
        round_seed = seed * 1000000 + i;
        run_one(round_seed);
    }
    print_message("%llu grants (%llu told again), %llu waits, %llu failovers (%llu cut), "
                  "%llu expiries, %llu stale writes, %llu forced, %llu given back, %llu resets, "
                  "%llu elsewhere\n",
                  (unsigned long long)seen.grants, (unsigned long long)seen.repeats,
                  (unsigned long long)seen.waits, (unsigned long long)seen.failovers,
                  (unsigned long long)seen.cut, (unsigned long long)seen.expiries,
                  (unsigned long long)seen.stale, (unsigned long long)seen.forced,
                  (unsigned long long)seen.late, (unsigned long long)seen.resets,
                  (unsigned long long)seen.resets_elsewhere);
    assert_true(seen.cut > ROUNDS && seen.expiries > ROUNDS && seen.stale > ROUNDS / 4 &&
                seen.repeats > ROUNDS / 4 && seen.resets > ROUNDS / 8 && seen.late > ROUNDS / 8 &&
                seen.resets_elsewhere > ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_locks_hold_what_they_promise, tell_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
