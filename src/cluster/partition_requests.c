/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests from arrival to answer. Each that is not answered at once has a slot, which lives one
 * step longer than the answer because the answer borrows from it. */
#include "cluster/mutants.h"
#include "cluster/partition_core.h"

static const uint32_t NO_SLOT = UINT32_MAX;

static uint32_t take_slot(struct cluster_partition *p) {
    return p->free_count == 0 ? NO_SLOT : p->free_slots[--p->free_count];
}

static void release_bytes(struct cluster_partition *p, struct partition_slot *s) {
    allocator_release(p->allocator, s->bytes, s->size);
    p->held_bytes -= s->size;
    s->bytes = NULL;
    s->size = 0;
    s->reply = slice_of(NULL, 0);
}

void partition_release_slot(struct cluster_partition *p, uint32_t slot) {
    release_bytes(p, &p->slots[slot]);
    p->slots[slot].state = SLOT_FREE;
    p->free_slots[p->free_count++] = slot;
}

void partition_say(struct cluster_partition *p, uint64_t context, enum partition_answer answer,
                   uint32_t slot) {
    struct partition_reply *reply = &p->replies[p->reply_count];
    *reply = (struct partition_reply){.context = context, .answer = answer};
    p->reply_slots[p->reply_count++] = slot;
    if (slot == NO_SLOT)
        return;
    p->slots[slot].state = SLOT_ANSWERED;
    if (answer != PARTITION_DONE)
        return;
    reply->bytes = p->slots[slot].reply;
    reply->lock_answer = p->slots[slot].lock_answer;
    reply->token = p->slots[slot].token;
    reply->watched_sequence = p->slots[slot].watched_sequence;
    reply->watched_term = reply->watched_sequence == 0 ? 0 : p->replica->view.term;
    reply->as_of_us = p->slots[slot].as_of_us;
}

void partition_forget_replies(struct cluster_partition *p) {
    for (uint32_t i = 0; i < p->reply_count; i++)
        if (p->reply_slots[i] != NO_SLOT)
            partition_release_slot(p, p->reply_slots[i]);
    p->reply_count = 0;
}

static uint8_t *hold(struct cluster_partition *p, struct partition_slot *s, size_t size) {
    if (size > p->options.bytes_max - p->held_bytes)
        return NULL;
    s->bytes = allocator_allocate(p->allocator, size);
    if (s->bytes == NULL)
        return NULL;
    s->size = size;
    p->held_bytes += size;
    return s->bytes;
}

bool partition_hold_reply(struct cluster_partition *p, uint32_t slot, struct slice reply) {
    struct partition_slot *s = &p->slots[slot];
    uint8_t *to = s->small;
    if (reply.size > sizeof(s->small))
        to = hold(p, s, reply.size);
    if (to == NULL)
        return false;
    if (reply.size > 0)
        memcpy(to, reply.data, reply.size);
    s->reply = slice_of(to, reply.size);
    return true;
}

/* ---- parking ---- */

/* Arrays come first, then the bytes that they point to. */
struct copier {
    uint8_t *arrays, *bytes;
};

static void copy_bytes(struct copier *c, struct slice *slice) {
    if (slice->size > 0)
        memcpy(c->bytes, slice->data, slice->size);
    slice->data = c->bytes;
    c->bytes += slice->size;
}

static void *copy_array(struct copier *c, const void *from, size_t size) {
    void *to = c->arrays;
    if (size > 0)
        memcpy(to, from, size);
    c->arrays += size;
    return to;
}

static const struct slice *copy_words(struct copier *c, const struct slice *argv, size_t argc) {
    struct slice *copied = copy_array(c, argv, argc * sizeof(*argv));
    for (size_t i = 0; i < argc; i++)
        copy_bytes(c, &copied[i]);
    return copied;
}

static size_t words_size(const struct slice *argv, size_t argc) {
    size_t size = 0;
    for (size_t i = 0; i < argc; i++)
        size += argv[i].size;
    return size;
}

static size_t arrays_size(const struct partition_request *r) {
    size_t words = r->argc;
    for (size_t i = 0; i < r->command_count; i++)
        words += r->commands[i].argc;
    return words * sizeof(struct slice) + r->command_count * sizeof(*r->commands) +
           r->fence_count * sizeof(*r->fences) + r->watch_count * sizeof(*r->watches);
}

static size_t bytes_size(const struct partition_request *r) {
    size_t size = words_size(r->argv, r->argc);
    for (size_t i = 0; i < r->command_count; i++)
        size += words_size(r->commands[i].argv, r->commands[i].argc);
    for (size_t i = 0; i < r->fence_count; i++)
        size += r->fences[i].name.size;
    for (size_t i = 0; i < r->watch_count; i++)
        size += r->watches[i].key.size;
    return size + (r->lock == NULL ? 0 : r->lock->name.size);
}

static void copy_commands(struct copier *c, struct partition_request *r) {
    struct store_command *commands =
        copy_array(c, r->commands, r->command_count * sizeof(*commands));
    for (size_t i = 0; i < r->command_count; i++)
        commands[i].argv = copy_words(c, commands[i].argv, commands[i].argc);
    r->commands = commands;
}

static void copy_conditions(struct copier *c, struct partition_request *r) {
    struct partition_fence *fences = copy_array(c, r->fences, r->fence_count * sizeof(*fences));
    struct partition_watch *watches = copy_array(c, r->watches, r->watch_count * sizeof(*watches));
    for (size_t i = 0; i < r->fence_count; i++)
        copy_bytes(c, &fences[i].name);
    for (size_t i = 0; i < r->watch_count; i++)
        copy_bytes(c, &watches[i].key);
    r->fences = fences;
    r->watches = watches;
}

/* The slot's request points to nothing outside of the slot. */
static bool copy_request(struct cluster_partition *p, struct partition_slot *s,
                         const struct partition_request *request) {
    size_t arrays = arrays_size(request), size = arrays + bytes_size(request);
    uint8_t *bytes = size == 0 ? s->small : hold(p, s, size);
    if (bytes == NULL)
        return false;
    struct copier c = {bytes, bytes + arrays};
    s->request = *request;
    s->request.argv = copy_words(&c, request->argv, request->argc);
    copy_commands(&c, &s->request);
    copy_conditions(&c, &s->request);
    if (request->id != NULL) {
        s->id = *request->id;
        s->request.id = &s->id;
    }
    if (request->lock != NULL) {
        s->lock = *request->lock;
        copy_bytes(&c, &s->lock.name);
        s->request.lock = &s->lock;
    }
    return true;
}

static void park(struct cluster_partition *p, const struct partition_request *request) {
    uint32_t slot = take_slot(p);
    if (slot == NO_SLOT) {
        partition_say(p, request->context, PARTITION_BUSY, NO_SLOT);
        return;
    }
    struct partition_slot *s = &p->slots[slot];
    if (!copy_request(p, s, request)) {
        partition_release_slot(p, slot);
        partition_say(p, request->context, PARTITION_BUSY, NO_SLOT);
        return;
    }
    int64_t until_us = p->now_us + p->options.park_us;
    s->parked_until_us = until_us < request->deadline_us ? until_us : request->deadline_us;
    s->state = SLOT_PARKED;
    p->parked[p->parked_count++] = slot;
}

/* This member handed off and does not know yet that the next primary has opened. */
static bool awaits_successor(const struct cluster_partition *p) {
    const struct partition_replica *r = p->replica;
    return p->successor_term != 0 && p->successor_term == r->view.term &&
           p->now_us < p->successor_until_us && replica_log_term(&r->log, r->commit) < r->view.term;
}

/* 0: it can be executed. PARTITION_CLOSED: not now, park it. */
static enum partition_answer admit(const struct cluster_partition *p) {
    if (p->is_broken)
        return PARTITION_REFUSED;
    switch (replica_admit(p->replica, p->record_max, p->now_us)) {
    case LARDER_OK: return partition_is_ready(p) ? 0 : PARTITION_CLOSED;
    case LARDER_BUSY: return PARTITION_CLOSED;
    case LARDER_AGAIN: return awaits_successor(p) ? PARTITION_CLOSED : PARTITION_MOVED;
    case LARDER_DENIED: return PARTITION_REFUSED;
    default: return PARTITION_BUSY;
    }
}

static bool is_stale_read(const struct cluster_partition *p,
                          const struct partition_request *request) {
    return request->read_mode == PARTITION_READ_STALE && !p->is_broken &&
           (p->replica->role == REPLICA_BACKUP || p->replica->role == REPLICA_LEARNER);
}

static void execute_in(struct cluster_partition *p, uint32_t slot,
                       const struct partition_request *request) {
    p->slots[slot].request.context = request->context;
    p->slots[slot].state = SLOT_WAITING;
    p->slots[slot].lock_answer = 0;
    p->slots[slot].token = p->slots[slot].watched_sequence = 0;
    p->slots[slot].as_of_us = 0;
    enum partition_answer answer = is_stale_read(p, request)
                                       ? partition_execute_stale(p, slot, request)
                                       : partition_execute(p, slot, request);
    if (answer != 0)
        partition_say(p, request->context, answer, slot);
}

void partition_take_request(struct cluster_partition *p, const struct partition_request *request) {
    enum partition_answer answer = is_stale_read(p, request) ? 0 : admit(p);
    if (answer == 0 && request->deadline_us <= p->now_us)
        answer = PARTITION_REFUSED;
    if (answer == PARTITION_CLOSED || (answer == 0 && p->parked_count > 0)) {
        park(p, request);
        return;
    }
    uint32_t slot = answer == 0 ? take_slot(p) : NO_SLOT;
    if (answer == 0 && slot == NO_SLOT)
        answer = PARTITION_BUSY;
    if (answer != 0)
        partition_say(p, request->context, answer, NO_SLOT);
    else
        execute_in(p, slot, request);
}

/* The arguments stay until the command has run, the reply takes their place in the slot. */
static void run_parked(struct cluster_partition *p, uint32_t slot) {
    struct partition_slot *s = &p->slots[slot];
    struct partition_request request = s->request;
    uint8_t *arguments = s->bytes;
    size_t size = s->size;
    s->bytes = NULL;
    s->size = 0;
    execute_in(p, slot, &request);
    allocator_release(p->allocator, arguments, size);
    p->held_bytes -= size;
}

void partition_run_parked(struct cluster_partition *p) {
    uint32_t done = 0;
    while (done < p->parked_count && admit(p) == 0)
        run_parked(p, p->parked[done++]);
    if (CLUSTER_MUTATED(MUTANT_PARKED_STAYS) && done > 0)
        done--;
    p->parked_count -= done;
    memmove(p->parked, p->parked + done, p->parked_count * sizeof(*p->parked));
}

void partition_settle_parked(struct cluster_partition *p) {
    enum partition_answer answer = admit(p);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->parked_count; i++) {
        uint32_t slot = p->parked[i];
        const struct partition_slot *s = &p->slots[slot];
        enum partition_answer now = answer;
        if (answer == 0 || answer == PARTITION_BUSY)
            now = PARTITION_CLOSED;
        if (now == PARTITION_CLOSED && p->now_us < s->parked_until_us)
            p->parked[kept++] = slot;
        else
            partition_say(p, s->request.context, now, slot);
    }
    p->parked_count = kept;
    p->out->wants_step |= kept > 0 && answer == 0;
}

/* ---- answers of the replica ---- */

void partition_take_replies(struct cluster_partition *p, const struct replica_output *out) {
    for (uint32_t i = 0; i < out->reply_count; i++) {
        uint32_t slot = (uint32_t)(out->replies[i].context - 1);
        const struct partition_slot *s = &p->slots[slot];
        enum partition_answer answer = PARTITION_REFUSED;
        switch (out->replies[i].answer) {
        case ANSWER_DONE: answer = s->done; break;
        case ANSWER_MOVED: answer = PARTITION_MOVED; break;
        case ANSWER_IN_DOUBT: answer = s->is_round ? PARTITION_REFUSED : PARTITION_IN_DOUBT; break;
        case ANSWER_REFUSED: break;
        }
        partition_say(p, s->request.context, answer, slot);
        p->replies[p->reply_count - 1].is_confirmed = out->replies[i].is_confirmed;
    }
}
