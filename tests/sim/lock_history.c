/* SPDX-License-Identifier: BSD-3-Clause */
/* Every pair of events is looked at: histories of one lock are short. */
#include "sim/lock_history.h"

struct check {
    const struct lock_event *events;
    size_t count;
    struct lock_history_options options;
};

static bool is_known(const struct lock_event *event) {
    return event->return_us != INT64_MAX;
}

static bool is_before(const struct lock_event *a, const struct lock_event *b) {
    return is_known(a) && a->return_us < b->call_us;
}

static const char *check_grants(const struct lock_event *a, const struct lock_event *b) {
    if (a->kind != LOCK_GRANT || b->kind != LOCK_GRANT || !is_known(a) || !is_known(b))
        return NULL;
    if (a->token == b->token)
        return "a token was given twice";
    if (is_before(a, b) && a->token > b->token)
        return "a later grant has an older token";
    return NULL;
}

static const char *check_writes(const struct lock_event *a, const struct lock_event *b) {
    if (a->kind != LOCK_WRITE || b->kind != LOCK_WRITE || a->key != b->key || !is_known(b))
        return NULL;
    if (is_before(a, b) && !a->is_stale && !b->is_stale && a->token > b->token)
        return "a write with an older token followed one with a newer";
    return NULL;
}

/* Whether some write with a newer token may have come first. */
static bool may_be_stale(const struct check *c, const struct lock_event *write) {
    for (size_t i = 0; i < c->count; i++) {
        const struct lock_event *other = &c->events[i];
        if (other->kind == LOCK_WRITE && other->key == write->key && other->token > write->token &&
            !other->is_stale && other->call_us <= write->return_us)
            return true;
    }
    return false;
}

/* Until when the holder of a grant counts on the lock at least. */
static int64_t counts_until(const struct check *c, const struct lock_event *grant) {
    int64_t until_us = INT64_MIN, ends_us = INT64_MAX;
    for (size_t i = 0; i < c->count; i++) {
        const struct lock_event *event = &c->events[i];
        bool is_mine = event->token == grant->token;
        if (is_mine && is_known(event) &&
            (event->kind == LOCK_GRANT || event->kind == LOCK_RENEW)) {
            int64_t held_us = event->hold_us - event->hold_us * 2 * c->options.drift_ppm / 1000000;
            /* a renewal counts only from when its answer came in time */
            if (event->kind == LOCK_GRANT || event->return_us <= until_us)
                until_us =
                    event->call_us + held_us > until_us ? event->call_us + held_us : until_us;
        }
        bool ends_it = event->kind == LOCK_RELEASE && is_mine;
        bool may_end_it = event->kind == LOCK_FORCE && event->return_us >= grant->call_us;
        if ((ends_it || may_end_it) && event->call_us < ends_us)
            ends_us = event->call_us;
    }
    return until_us < ends_us ? until_us : ends_us;
}

/* Whether the second was given the lock while the first counted on it. */
static const char *check_times(const struct check *c, const struct lock_event *a,
                               const struct lock_event *b) {
    if (!c->options.checks_time || a->kind != LOCK_GRANT || b->kind != LOCK_GRANT || !is_known(a) ||
        !is_known(b) || a->token >= b->token)
        return NULL;
    if (b->return_us < counts_until(c, a))
        return "the lock was given away while its holder counted on it";
    return NULL;
}

const char *lock_history_check(const struct lock_event *events, size_t count,
                               const struct lock_history_options *options, size_t *out_first,
                               size_t *out_second) {
    struct check c = {events, count, *options};
    for (size_t i = 0; i < count; i++) {
        *out_first = *out_second = i;
        if (events[i].kind == LOCK_WRITE && is_known(&events[i]) && events[i].is_stale &&
            !may_be_stale(&c, &events[i]))
            return "a write was refused as stale and no newer token was used";
        for (size_t k = 0; k < count; k++) {
            *out_second = k;
            const char *wrong = NULL;
            if (i != k)
                wrong = check_grants(&events[i], &events[k]);
            if (wrong == NULL && i != k)
                wrong = check_writes(&events[i], &events[k]);
            if (wrong == NULL && i != k)
                wrong = check_times(&c, &events[i], &events[k]);
            if (wrong != NULL)
                return wrong;
        }
    }
    return NULL;
}
