/* SPDX-License-Identifier: BSD-3-Clause */
/* Promises and leases: a primary that may answer reads never lives beside an open newer one.
 *
 * Logs are left out: whoever is elected may open as soon as its restraint is over, and anybody may
 * be added. Time passes in ticks; what it decides is kept as ticks left, so time itself is
 * unbounded. A promise lasts PROMISE ticks at its giver, one less at the primary (the margin), whose
 * clock may lose DRIFTS ticks: one, for losing two within a promise is more than the margin.
 *
 * A heartbeat that is under way for long only shortens the right that its answer gives, so a promise
 * is given in the tick in which it was asked for. An answer may come late: one that knows more than
 * the primary counts once the primary knows as much. A member keeps one promise, to the primary in
 * its view; others would count for nothing.
 *
 * With CONFIG_LEASE a primary also needs to have heard the coordinator, whose answer says what was
 * committed when it was asked. Then a partition whose only in-sync member is taken for dead may be
 * given to another, empty one, when RESET ticks have passed. */
#include "group.pml"
#ifndef DRIFTS
#define DRIFTS 1
#endif
#define PROMISE 2
#ifdef WITHOUT_DRIFT_MARGIN
#define LEASE 2
#else
#define LEASE 1
#endif
#define UNDER_WAY 3
#ifdef WITHOUT_WAITING_BEFORE_RESET
#define RESET 0
#else
#define RESET 4
#endif

typedef Node {
    unsigned view : 3;
    unsigned named : 3;
    unsigned pending : 3;
    unsigned proposal : 3;
    bit outdated;
    bit is_open;
    bit is_closed;
    unsigned promised : 2; /* to the primary of the view */
    unsigned blocked : 2;  /* what was promised to a former one */
    unsigned fresh : 2;
    unsigned right_0 : 2;  /* what was promised by 0, 1, 2 ... */
    unsigned right_1 : 2;
    unsigned right_2 : 2;
    unsigned ahead_0 : 3;  /* ... and the index it knew, if that is still ahead; else 0 */
    unsigned ahead_1 : 3;
    unsigned ahead_2 : 3;
    unsigned heard : 2;      /* the coordinator's answer, and what it knew */
    unsigned heard_ahead : 3
};
Node node[3];
byte opened = 1; /* the newest term that was ever open */
byte drifts;
byte lost; /* ticks until a lost partition may be given away */

#define CHECK skip
#define CAUGHT_UP(n, b) true
#define DRAINED(n) true

#ifdef WITHOUT_FRESH_WAITING
#define FRESH 0
#else
#define FRESH PROMISE
#endif
#define RESTARTED(n, keeps) \
    node[n].promised = 0; node[n].blocked = 0; node[n].fresh = FRESH; \
    node[n].right_0 = 0; node[n].right_1 = 0; node[n].right_2 = 0; \
    node[n].ahead_0 = 0; node[n].ahead_1 = 0; node[n].ahead_2 = 0; \
    node[n].heard = 0; node[n].heard_ahead = 0; SET_LOST;

#ifdef WITHOUT_BLOCKING
#define BLOCKS(n, to) false
#else
#ifdef WITHOUT_BLOCKING_OVER_SKIPPED
#define BLOCKS(n, to) (to == node[n].view + 1)
#else
#define BLOCKS(n, to) true
#endif
#endif
/* A right of an older term, or of a process that is gone, is none. */
#ifdef WITHOUT_PROMISE_OF_THIS_TERM
#define IS_OLD(n, b, to) false
#else
#define IS_OLD(n, b, to) (config[to].term != VIEW(n).term && node[n].ahead_##b < config[to].began)
#endif
#ifdef WITHOUT_FORGETTING_PROMISES
#define IS_GONE(n, b, to) false
#else
#define IS_GONE(n, b, to) (node[b].named > node[n].view && node[b].named <= to)
#endif
#define COUNT(n, b, to) \
    if \
    :: IS_OLD(n, b, to) || IS_GONE(n, b, to) || config[to].primary != n -> \
        node[n].right_##b = 0; node[n].ahead_##b = 0 \
    :: else -> if :: node[n].ahead_##b <= to -> node[n].ahead_##b = 0 :: else fi \
    fi
#define FOLLOW(n, to) \
    if \
    :: VIEW(n).primary != config[to].primary -> \
        if :: BLOCKS(n, to) && node[n].promised > node[n].blocked -> node[n].blocked = node[n].promised :: else fi; \
        node[n].promised = 0 \
    :: else \
    fi; \
    if :: config[to].term != VIEW(n).term && config[to].released -> node[n].blocked = 0 :: else fi; \
    COUNT(n, 0, to); COUNT(n, 1, to); COUNT(n, 2, to)
#define FOLLOWED(n) if :: node[n].heard_ahead <= node[n].view -> node[n].heard_ahead = 0 :: else fi

/* b answers a heartbeat of n. */
#ifdef WITHOUT_PROMISE_OF_THIS_TERM
#define NEW_ENOUGH(n, b) true
#else
#define NEW_ENOUGH(n, b) (VIEW(n).began <= node[b].view)
#endif
#define COUNTS(n, b) (LEADS(n) && node[b].view <= node[n].view && NEW_ENOUGH(n, b))
#define COUNTS_LATER(n, b) (node[b].view > node[n].view && VIEW(b).primary == n)
#ifdef WITHOUT_APPLYING_SEEN_INDEX
#define IS_OF_USE(n, b) ((LEADS(n) && node[b].view > node[n].view) || COUNTS(n, b))
#define AHEAD(n, b) 0
#else
#define IS_OF_USE(n, b) (COUNTS(n, b) || COUNTS_LATER(n, b))
#define AHEAD(n, b) (node[b].view > node[n].view -> node[b].view : 0)
#endif
#ifdef WITHOUT_COUNTING_FROM_SENDING
#define GIVEN UNDER_WAY
#define ARRIVE(n, b) :: d_step { node[n].right_##b == UNDER_WAY -> node[n].right_##b = LEASE; printf("arrive %d %d\n", n, b) }
#else
#define GIVEN LEASE
#define ARRIVE(n, b)
#endif
#define PROMISE_TO(n, b) :: d_step { KNOWS(n, b) && KNOWS(b, n) && IS_OF_USE(n, b) -> \
    if :: VIEW(b).primary == n -> node[b].promised = PROMISE :: else fi; \
    node[n].ahead_##b = AHEAD(n, b); node[n].right_##b = GIVEN; printf("promise to %d %d\n", n, b) }

#define HOLDS(n, b) (node[n].right_##b != 0 && node[n].right_##b != UNDER_WAY && node[n].ahead_##b == 0)
#ifdef WITHOUT_PENDING_PROMISES
#define NEEDED(n, b) (b != n && IN(VIEW(n).insync, b))
#else
#define NEEDED(n, b) (b != n && IN(REQUIRED(n), b))
#endif
#ifdef WITHOUT_EVERY_PROMISE
#define HAS_LEASE(n) (VIEW(n).insync == BIT(n) || HOLDS(n, 0) || HOLDS(n, 1) || HOLDS(n, 2))
#else
#define HAS_LEASE(n) ((!NEEDED(n, 0) || HOLDS(n, 0)) && (!NEEDED(n, 1) || HOLDS(n, 1)) && (!NEEDED(n, 2) || HOLDS(n, 2)))
#endif
#if defined(CONFIG_LEASE) && !defined(WITHOUT_CONFIG_LEASE)
#define HEARS(n) (node[n].heard != 0 && node[n].heard_ahead == 0)
#else
#define HEARS(n) true
#endif
#ifdef WITHOUT_CONFIG_INDEX
#define HEARD_AHEAD(n) 0
#else
#define HEARD_AHEAD(n) (latest > node[n].view -> latest : 0)
#endif
#ifdef CONFIG_LEASE
#define SET_LOST if :: NOW.primary == NOBODY && config[latest - 1].primary != NOBODY -> lost = RESET :: else fi
#define HEAR(n) :: d_step { KNOWS(n, n) && (node[n].heard != LEASE || node[n].heard_ahead != HEARD_AHEAD(n)) && LEADS(n) -> \
    node[n].heard = LEASE; node[n].heard_ahead = HEARD_AHEAD(n); printf("hear %d\n", n) }
#define LOSE :: d_step { latest < CHANGES && NOW.insync == BIT(NOW.primary) -> \
    NEXT(NOW.term, NOBODY, 0, 0, 0, 1); lost = RESET; printf("lose\n") }
#define GIVE(n) :: d_step { latest < CHANGES && NOW.primary == NOBODY && lost == 0 -> \
    NEXT(NOW.term + 1, n, BIT(n), 0, 0, 1); printf("give to %d\n", n) }
#else
#define SET_LOST skip
#define HEAR(n)
#define LOSE
#define GIVE(n)
#endif
#define READ(n) :: d_step { LEADS(n) && node[n].is_open && !node[n].is_closed && HAS_LEASE(n) && HEARS(n) && \
    VIEW(n).term < opened -> assert(false); printf("read %d\n", n) }

#define OPEN(n) :: d_step { LEADS(n) && !node[n].is_open && node[n].blocked == 0 && node[n].fresh == 0 -> \
    node[n].is_open = 1; \
    if :: VIEW(n).term > opened -> opened = VIEW(n).term :: else fi; printf("open %d\n", n) }

#define LESS(x) if :: x > 0 -> x-- :: else fi
#define LAPSE(n, b) \
    if \
    :: node[n].right_##b == 1 -> node[n].right_##b = 0; node[n].ahead_##b = 0 \
    :: node[n].right_##b == 2 -> node[n].right_##b = 1 \
    :: else \
    fi
#define AGE(n, slow) \
    LESS(node[n].promised); LESS(node[n].blocked); LESS(node[n].fresh); \
    if \
    :: n != slow -> LAPSE(n, 0); LAPSE(n, 1); LAPSE(n, 2); LESS(node[n].heard); \
        if :: node[n].heard == 0 -> node[n].heard_ahead = 0 :: else fi \
    :: else \
    fi
#define TICK(slow) :: d_step { slow == NOBODY || (drifts < DRIFTS && LEADS(slow)) -> \
    AGE(0, slow); AGE(1, slow); AGE(2, slow); LESS(lost); \
    if :: slow != NOBODY -> drifts++ :: else fi; printf("tick %d\n", slow) }

init {
    d_step { config[0].term = 1; config[0].primary = 0; config[0].insync = INSYNC; node[0].is_open = 1 };
end:
    do
    EACH(READ) EACH(OPEN) EACH(HEAR) LOSE EACH(GIVE) PAIRS(PROMISE_TO) PAIRS(ARRIVE)
    TICK(0) TICK(1) TICK(2) TICK(NOBODY)
    GROUP RESTARTS(1)
    od
}
