/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks what clients saw of one lock and of the keys that are written with its tokens:
 * - tokens strictly increase: a grant that was asked for after another had returned has a larger
 *   token, and no token is given twice;
 * - at most one holder by token: once a write with some token was accepted, none with an older one
 *   is accepted for that key, however late it comes;
 * - a write is refused as stale only if a newer token may have been used on that key before;
 * - if `checks_time`: nobody is given the lock while another still counts on it. A holder counts
 *   from before it sent the request, less the drift that clocks may have.
 *
 * Times are true ones. What surely failed is not in the history; what has an unknown outcome may
 * have happened at any time after its call, or never. */
#ifndef LARDER_TESTS_SIM_LOCK_HISTORY_H
#define LARDER_TESTS_SIM_LOCK_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lock_event_kind {
    LOCK_GRANT,   /* -> token; holds for hold_us */
    LOCK_RENEW,   /* holds for hold_us again */
    LOCK_RELEASE, /* given up from its call on, whatever became of it */
    LOCK_FORCE,   /* taken away from whoever holds it */
    LOCK_WRITE,   /* of `key` with `token` */
};

struct lock_event {
    enum lock_event_kind kind;
    int64_t call_us;
    int64_t return_us; /* INT64_MAX: the outcome is not known */
    uint64_t token;    /* 0: a grant of unknown outcome */
    int64_t hold_us;   /* GRANT, RENEW */
    uint64_t key;      /* WRITE */
    bool is_stale;     /* WRITE: refused for an older token; else accepted */
};

struct lock_history_options {
    bool checks_time;
    int64_t drift_ppm; /* that any two clocks may differ from true time */
};

/* NULL when it is right, else what is wrong, a static text; *out_first and *out_second: the events
 * that contradict each other. */
const char *lock_history_check(const struct lock_event *events, size_t count,
                               const struct lock_history_options *options, size_t *out_first,
                               size_t *out_second);

#endif
