/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls and returns stand in one list in the order of time. The first call whose operation fits the
 * state is taken out of the list with its return (linearized); when a return is met whose operation
 * is still in, the last choice was wrong and is undone. Unknown operations return at the end of
 * time: only they are left when the history is linearizable.
 *
 * Three things keep unknown operations from multiplying the work. Those whose value nobody ever saw
 * are left out: whatever order works with them works without. Equal ones take effect, if at all, in
 * the order of their calls. And they take effect, if at all, just before somebody sees it: a write
 * to a register is not overwritten at once, an element of a set changes just before a known
 * operation that looks at it, and a counter that only grows never exceeds what is seen next. */
#include "sim/linearizability.h"

#include "base/hash.h"

#include <stdlib.h>

enum { NOBODY = UINT32_MAX };

static const uint64_t WAITS = 0x8d2f3a61c5be7094; /* makes a state another one */

struct entry {
    int64_t time_us;
    uint32_t operation;
    bool is_call;
    uint32_t partner; /* CALL: its return; NOBODY: unknown */
    uint32_t next, previous;
};

struct choice {
    uint32_t entry;
    uint64_t state, pending; /* before it */
};

struct search {
    const struct operation *operations;
    size_t count;
    bool *is_left_out;
    uint32_t *equal_before; /* an equal unknown operation that was called earlier; NOBODY */
    struct entry *entries;  /* entries[0] is the head */
    size_t entry_count;
    bool is_register;
    bool is_counter;
    uint64_t pending; /* elements that unknown operations changed since the last known one; of
                         others ~0: it was changed, and nobody saw it yet */
    uint64_t *done;   /* bit per operation */
    size_t words;
    uint64_t *memory; /* hash table of {state, done words} */
    size_t memory_count, memory_capacity;
    uint8_t *memory_used;
    struct choice *choices;
    size_t choice_count;
    size_t open; /* known operations not yet linearized */
    bool is_out_of_memory;
};

struct operation_result operation_apply(enum operation_kind kind, uint64_t a, uint64_t b,
                                        uint64_t *state) {
    struct operation_result result = {.is_done = true, .value = *state};
    uint64_t bit = 1ull << (a & 63);
    switch (kind) {
    case OPERATION_READ: break;
    case OPERATION_WRITE: *state = a; break;
    case OPERATION_COMPARE:
        result.is_done = *state == a;
        if (result.is_done)
            *state = b;
        break;
    case OPERATION_ADD:
        *state += a;
        result.value = *state;
        break;
    case OPERATION_SET_ADD:
        result.is_done = (*state & bit) == 0;
        *state |= bit;
        break;
    case OPERATION_SET_REMOVE:
        result.is_done = (*state & bit) != 0;
        *state &= ~bit;
        break;
    case OPERATION_KIND_END: break;
    }
    return result;
}

/* Whether the answer in this state is the one that the client got. */
static bool is_answer_right(const struct operation *operation,
                            const struct operation_result *result) {
    if (operation->return_us == OPERATION_UNKNOWN)
        return true;
    switch (operation->kind) {
    case OPERATION_READ:
    case OPERATION_ADD: return operation->result.value == result->value;
    case OPERATION_COMPARE:
        return operation->result.is_done == result->is_done &&
               (result->is_done || operation->result.value == result->value);
    case OPERATION_SET_ADD:
    case OPERATION_SET_REMOVE: return operation->result.is_done == result->is_done;
    case OPERATION_WRITE:
    case OPERATION_KIND_END: break;
    }
    return true;
}

/* ---- preparing ---- */

/* Whether any client saw this value or acted on it. */
static bool is_seen(const struct search *s, uint64_t value) {
    for (size_t i = 0; i < s->count; i++) {
        const struct operation *other = &s->operations[i];
        bool is_known = other->return_us != OPERATION_UNKNOWN;
        if (other->kind == OPERATION_COMPARE && other->a == value)
            return true;
        if (is_known && other->result.value == value &&
            (other->kind == OPERATION_READ ||
             (other->kind == OPERATION_COMPARE && !other->result.is_done)))
            return true;
    }
    return false;
}

/* Whether it is a plain register: then a value that nobody saw did nothing. */
static bool is_register(const struct search *s) {
    for (size_t i = 0; i < s->count; i++)
        if (s->operations[i].kind > OPERATION_COMPARE)
            return false;
    return true;
}

/* Whether it is added to, and set anew at most. */
static bool is_counter(const struct search *s) {
    bool has_added = false;
    for (size_t i = 0; i < s->count; i++) {
        const struct operation *operation = &s->operations[i];
        bool adds = operation->kind == OPERATION_ADD && operation->a <= INT64_MAX;
        if (!adds && operation->kind != OPERATION_READ && operation->kind != OPERATION_WRITE)
            return false;
        has_added = has_added || adds;
    }
    return has_added;
}

static void leave_out(struct search *s) {
    s->is_register = is_register(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct operation *operation = &s->operations[i];
        if (operation->return_us != OPERATION_UNKNOWN)
            continue;
        uint64_t value = operation->kind == OPERATION_WRITE ? operation->a : operation->b;
        s->is_left_out[i] =
            operation->kind == OPERATION_READ || (s->is_register && !is_seen(s, value));
    }
}

static void find_equal(struct search *s) {
    for (size_t i = 0; i < s->count; i++) {
        const struct operation *operation = &s->operations[i];
        s->equal_before[i] = NOBODY;
        if (operation->return_us != OPERATION_UNKNOWN || s->is_left_out[i])
            continue;
        for (size_t k = 0; k < s->count; k++) {
            const struct operation *other = &s->operations[k];
            bool is_earlier = other->call_us < operation->call_us ||
                              (other->call_us == operation->call_us && k < i);
            if (other->return_us == OPERATION_UNKNOWN && !s->is_left_out[k] && is_earlier &&
                other->kind == operation->kind && other->a == operation->a &&
                other->b == operation->b &&
                (s->equal_before[i] == NOBODY ||
                 other->call_us >= s->operations[s->equal_before[i]].call_us))
                s->equal_before[i] = (uint32_t)k;
        }
    }
}

/* Calls before returns of the same time: they may have overlapped. */
static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    if (a->is_call != b->is_call)
        return a->is_call ? -1 : 1;
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static void make_list(struct search *s) {
    size_t used = 1;
    for (size_t i = 0; i < s->count; i++) {
        const struct operation *operation = &s->operations[i];
        if (s->is_left_out[i])
            continue;
        s->entries[used++] = (struct entry){
            .time_us = operation->call_us, .operation = (uint32_t)i, .is_call = true};
        if (operation->return_us == OPERATION_UNKNOWN)
            continue;
        s->open++;
        s->entries[used++] =
            (struct entry){.time_us = operation->return_us, .operation = (uint32_t)i};
    }
    qsort(s->entries + 1, used - 1, sizeof(*s->entries), compare_entries);
    s->entry_count = used;
    for (size_t i = 0; i < used; i++) {
        s->entries[i].next = i + 1 < used ? (uint32_t)(i + 1) : 0;
        s->entries[i].previous = i > 0 ? (uint32_t)(i - 1) : (uint32_t)(used - 1);
        s->entries[i].partner = NOBODY;
    }
    for (size_t i = 1; i < used; i++)
        for (size_t k = i + 1; s->entries[i].is_call && k < used; k++)
            if (s->entries[k].operation == s->entries[i].operation) {
                s->entries[i].partner = (uint32_t)k;
                break;
            }
}

/* ---- searching ---- */

static void take_out(struct search *s, uint32_t at) {
    struct entry *entry = &s->entries[at];
    s->entries[entry->previous].next = entry->next;
    s->entries[entry->next].previous = entry->previous;
}

static void put_back(struct search *s, uint32_t at) {
    struct entry *entry = &s->entries[at];
    s->entries[entry->previous].next = at;
    s->entries[entry->next].previous = at;
}

static size_t find_slot(const struct search *s, uint64_t state) {
    uint64_t hash = hash_fold(state ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u);
    for (size_t i = 0; i < s->words; i++)
        hash = hash_fold(hash ^ s->done[i], 0xa0761d6478bd642fu + i);
    size_t mask = s->memory_capacity - 1, width = s->words + 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        const uint64_t *slot = s->memory + at * width;
        if (!s->memory_used[at] ||
            (slot[0] == state && memcmp(slot + 1, s->done, s->words * sizeof(*slot)) == 0))
            return at;
    }
}

static bool memory_grow(struct search *s) {
    size_t width = s->words + 1, old_capacity = s->memory_capacity;
    uint64_t *old = s->memory;
    uint8_t *old_used = s->memory_used;
    s->memory_capacity = old_capacity == 0 ? 1024 : 2 * old_capacity;
    s->memory = malloc(s->memory_capacity * width * sizeof(*old));
    s->memory_used = calloc(s->memory_capacity, 1);
    uint64_t *kept = s->done;
    if (s->memory == NULL || s->memory_used == NULL)
        return false;
    for (size_t i = 0; i < old_capacity; i++) {
        if (!old_used[i])
            continue;
        s->done = old + i * width + 1;
        size_t at = find_slot(s, old[i * width]);
        memcpy(s->memory + at * width, old + i * width, width * sizeof(*old));
        s->memory_used[at] = 1;
    }
    s->done = kept;
    free(old);
    free(old_used);
    return true;
}

/* Whether the operations done and this state were not met before. */
static bool remember(struct search *s, uint64_t state) {
    if (4 * (s->memory_count + 1) > 3 * s->memory_capacity && !memory_grow(s)) {
        s->is_out_of_memory = true;
        return false;
    }
    size_t at = find_slot(s, state);
    if (s->memory_used[at])
        return false;
    uint64_t *slot = s->memory + at * (s->words + 1);
    slot[0] = state;
    memcpy(slot + 1, s->done, s->words * sizeof(*slot));
    s->memory_used[at] = 1;
    s->memory_count++;
    return true;
}

static void toggle_done(struct search *s, uint32_t operation) {
    s->done[operation / 64] ^= 1ull << operation % 64;
}

static bool is_done(const struct search *s, uint32_t operation) {
    return (s->done[operation / 64] >> operation % 64 & 1) != 0;
}

/* The operation that returns next comes before all that is called later. What it saw of a counter
 * is at least what was there before, unless that is set anew first; but what was added is seen by
 * somebody who was called by then. */
static bool is_too_much(const struct search *s, uint64_t state) {
    uint64_t most = 0, seen = 0;
    bool is_set = false;
    uint32_t at = s->entries[0].next;
    for (; at != 0; at = s->entries[at].next) {
        const struct operation *operation = &s->operations[s->entries[at].operation];
        is_set = is_set || operation->kind == OPERATION_WRITE;
        if (operation->return_us == OPERATION_UNKNOWN || operation->kind == OPERATION_WRITE)
            continue;
        seen = operation->result.value - (operation->kind == OPERATION_ADD ? operation->a : 0);
        most = most > seen ? most : seen;
        if (!s->entries[at].is_call)
            break;
    }
    return state > (is_set ? most : seen);
}

/* Whether it may come next, by what waits to be looked at; elements are changed in their order.
 * *out_pending: what waits after it. */
static bool is_due(const struct search *s, const struct operation *operation,
                   uint64_t *out_pending) {
    bool is_of_element =
        operation->kind == OPERATION_SET_ADD || operation->kind == OPERATION_SET_REMOVE;
    uint64_t bit = is_of_element ? 1ull << (operation->a & 63) : 0;
    bool is_unknown = operation->return_us == OPERATION_UNKNOWN;
    *out_pending = 0;
    if (s->is_register || s->is_counter) {
        *out_pending = is_unknown && operation->kind != OPERATION_READ ? UINT64_MAX : 0;
        return s->pending == 0 || operation->kind != OPERATION_WRITE;
    }
    if (is_unknown && is_of_element) {
        *out_pending = s->pending | bit;
        return s->pending < bit;
    }
    return operation->kind == OPERATION_READ || (s->pending & ~bit) == 0;
}

/* Take the operation called at `at` as the next one, if it fits and leads to something new. */
static bool try_call(struct search *s, uint32_t at, uint64_t *state) {
    uint32_t number = s->entries[at].operation;
    const struct operation *operation = &s->operations[number];
    uint64_t next = *state;
    struct operation_result result =
        operation_apply(operation->kind, operation->a, operation->b, &next);
    bool is_known = operation->return_us != OPERATION_UNKNOWN;
    uint64_t pending;
    if (!is_answer_right(operation, &result) || (!is_known && next == *state) ||
        !is_due(s, operation, &pending) || (s->is_counter && !is_known && is_too_much(s, next)) ||
        (s->equal_before[number] != NOBODY && !is_done(s, s->equal_before[number])))
        return false;
    toggle_done(s, number);
    /* of what waits to be seen no more is known than that; the order of additions does not matter
     */
    bool is_to_remember = pending == 0 || s->is_counter;
    if (is_to_remember && !remember(s, pending == 0 ? next : next ^ WAITS)) {
        toggle_done(s, number);
        return false;
    }
    s->choices[s->choice_count++] = (struct choice){at, *state, s->pending};
    s->pending = pending;
    *state = next;
    take_out(s, at);
    if (is_known)
        take_out(s, s->entries[at].partner);
    s->open -= is_known;
    return true;
}

static struct choice undo(struct search *s) {
    struct choice last = s->choices[--s->choice_count];
    const struct entry *entry = &s->entries[last.entry];
    if (entry->partner != NOBODY) {
        put_back(s, entry->partner);
        s->open++;
    }
    put_back(s, last.entry);
    toggle_done(s, entry->operation);
    s->pending = last.pending;
    return last;
}

/* Whether it changes nothing wherever it is put. */
static bool is_neutral(const struct operation *operation) {
    if (operation->return_us == OPERATION_UNKNOWN)
        return false;
    return operation->kind == OPERATION_READ ||
           (operation->kind != OPERATION_WRITE && operation->kind != OPERATION_ADD &&
            !operation->result.is_done);
}

/* Undo the last choice that could have been another one: what fits and is neutral may as well come
 * at once, so there is nothing else to try in its place. *out_at: where to go on. False: there is
 * no choice left. */
static bool go_back(struct search *s, uint64_t *state, uint32_t *out_at) {
    while (s->choice_count > 0) {
        struct choice last = undo(s);
        *state = last.state;
        if (is_neutral(&s->operations[s->entries[last.entry].operation]))
            continue;
        *out_at = s->entries[last.entry].next;
        return true;
    }
    return false;
}

static enum history_verdict run(struct search *s, uint64_t limit, size_t *out_reached) {
    uint64_t state = 0;
    size_t farthest = 0;
    uint32_t at = s->entries[0].next;
    while (s->open > 0) {
        if (s->is_out_of_memory || s->memory_count > limit)
            return HISTORY_UNDECIDED;
        if (at != 0 && s->entries[at].is_call) {
            at = try_call(s, at, &state) ? s->entries[0].next : s->entries[at].next;
            continue;
        }
        if (at > farthest) {
            farthest = at;
            *out_reached = s->entries[at].operation;
        }
        if (!go_back(s, &state, &at))
            return HISTORY_NOT_LINEARIZABLE;
    }
    *out_reached = s->count;
    return HISTORY_LINEARIZABLE;
}

enum history_verdict history_check(const struct operation *operations, size_t count, uint64_t limit,
                                   size_t *out_reached) {
    size_t ignored;
    if (out_reached == NULL)
        out_reached = &ignored;
    *out_reached = 0;
    struct search s = {.operations = operations, .count = count, .words = count / 64 + 1};
    s.is_left_out = calloc(count + 1, sizeof(*s.is_left_out));
    s.equal_before = calloc(count + 1, sizeof(*s.equal_before));
    s.entries = calloc(2 * count + 1, sizeof(*s.entries));
    s.done = calloc(s.words, sizeof(*s.done));
    s.choices = calloc(count + 1, sizeof(*s.choices));
    enum history_verdict verdict = HISTORY_UNDECIDED;
    if (s.is_left_out != NULL && s.equal_before != NULL && s.entries != NULL && s.done != NULL &&
        s.choices != NULL) {
        leave_out(&s);
        find_equal(&s);
        make_list(&s);
        s.is_counter = is_counter(&s);
        verdict = run(&s, limit == 0 ? 20000000 : limit, out_reached);
    }
    free(s.is_left_out);
    free(s.equal_before);
    free(s.entries);
    free(s.done);
    free(s.choices);
    free(s.memory);
    free(s.memory_used);
    return verdict;
}
