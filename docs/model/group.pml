/* SPDX-License-Identifier: BSD-3-Clause */
/* What both models share: the config group as a history of one partition's configurations, and
 * three nodes whose views follow it. A change is a compare-and-set on the epoch. SHRINK, ELECT, NOP,
 * RESTORE and the return of a restarted process take effect at once: nobody acts on having proposed
 * them, so a delay would allow nothing else. EXPAND and TRANSFER change what their proposer does
 * from the moment they are proposed, so they stay in flight as long as they like. A proposal that is
 * lost is one that is never decided. A process that fails and the entry that lets its next
 * incarnation join are one step: until that entry a dead process only does nothing, which a live
 * one may do too. Who is no member of the in-sync set is a learner.
 *
 * Bounds: CHANGES entries, CRASHES restarts. INSYNC is the first in-sync set, as bits. Node 0 is the
 * first primary. Rules are removed with -DWITHOUT_<rule>; `verify` knows them all. */
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef INSYNC
#define INSYNC 7
#endif
#define NOBODY 3
#define BIT(n) (1 << (n))
#define IN(set, n) (((set) >> (n)) & 1)

typedef Configuration {
    unsigned term : 3;
    unsigned began : 3;  /* index of the entry with which the term began */
    unsigned epoch : 3;
    unsigned primary : 2;
    unsigned insync : 3;
    unsigned last : 3;   /* lost: who may restore it */
    bit released
};
Configuration config[CHANGES + 1];
byte latest, crashes;

#define NOW config[latest]
#define VIEW(n) config[node[n].view]
#define LEADS(n) (VIEW(n).primary == n)
#define KNOWS(n, b) (node[b].named <= node[n].view) /* the present incarnation of b */
#define REQUIRED(n) (VIEW(n).insync | node[n].pending)

#define NEXT(new_term, new_primary, new_insync, new_last, is_released, raise) \
    config[latest + 1].term = new_term; \
    config[latest + 1].primary = new_primary; \
    config[latest + 1].insync = new_insync; \
    config[latest + 1].last = new_last; \
    config[latest + 1].epoch = NOW.epoch + raise; \
    if \
    :: config[latest + 1].term != NOW.term -> \
        config[latest + 1].began = latest + 1; config[latest + 1].released = is_released \
    :: else -> config[latest + 1].began = NOW.began; config[latest + 1].released = NOW.released \
    fi; \
    latest++

#define SHRINK(b) :: d_step { latest < CHANGES && NOW.primary != b && IN(NOW.insync, b) -> \
    NEXT(NOW.term, NOW.primary, NOW.insync & (7 - BIT(b)), 0, 0, 1); CHECK; printf("shrink %d\n", b) }

#ifdef WITHOUT_ELECTING_IN_SYNC
#define ELIGIBLE(n) true
#else
#define ELIGIBLE(n) IN(NOW.insync, n)
#endif
#define ELECT(n) :: d_step { latest < CHANGES && NOW.primary != n && NOW.primary != NOBODY && ELIGIBLE(n) -> \
    NEXT(NOW.term + 1, n, (NOW.insync | BIT(n)) & (7 - BIT(NOW.primary)), 0, 0, 1); CHECK; printf("elect %d\n", n) }

/* Only to settle a proposal. */
#define NOP :: d_step { latest < CHANGES && (node[0].proposal | node[1].proposal | node[2].proposal) != 0 -> \
    NEXT(NOW.term, NOW.primary, NOW.insync, 0, 0, 1); printf("nop\n") }

#define RESTORE(n) :: d_step { latest < CHANGES && NOW.primary == NOBODY && IN(NOW.last, n) -> \
    NEXT(NOW.term + 1, n, BIT(n), 0, 0, 1); CHECK; printf("restore %d\n", n) }

/* The process of n begins anew. m: the primary from then on, if n was; n: there is nobody else. */
#ifdef WITHOUT_TAKING_SEATS
#define RETURN(n, m, keeps) NEXT(NOW.term, NOW.primary, NOW.insync, NOW.last, 0, 0)
#else
#define RETURN(n, m, keeps) \
    if \
    :: NOW.primary != n && IN(NOW.insync, n) -> \
        NEXT(NOW.term, NOW.primary, NOW.insync & (7 - BIT(n)), 0, 0, 1) \
    :: NOW.primary != n && !IN(NOW.insync, n) -> \
        NEXT(NOW.term, NOW.primary, NOW.insync, NOW.last & (7 - BIT(n) * (1 - keeps)), 0, 0) \
    :: NOW.primary == n && m != n -> NEXT(NOW.term + 1, m, NOW.insync & (7 - BIT(n)), 0, 0, 1) \
    :: NOW.primary == n && m == n -> NEXT(NOW.term, NOBODY, 0, BIT(n) * keeps, 0, 1) \
    fi
#endif
/* A proposal in flight for the old process names an incarnation that is not the present one. */
#define OUTDATE(p, n) if :: node[p].proposal == 1 + n -> node[p].outdated = 1 :: else fi
#define RESTART(n, m, keeps) :: d_step { latest < CHANGES && crashes < CRASHES && \
    (NOW.primary == n -> (m != n && IN(NOW.insync, m)) || (m == n && NOW.insync == BIT(n)) : m == n) -> \
    crashes++; RETURN(n, m, keeps); \
    OUTDATE(0, n); OUTDATE(1, n); OUTDATE(2, n); \
    node[n].proposal = 0; node[n].pending = 0; node[n].outdated = 0; \
    node[n].is_open = 0; node[n].is_closed = 0; \
    node[n].named = latest; node[n].view = latest; \
    RESTARTED(n, keeps) CHECK; printf("restart %d %d %d\n", n, m, keeps) }
#define RESTARTS(keeps) RESTART(0, 0, keeps) RESTART(0, 1, keeps) RESTART(0, 2, keeps) \
    RESTART(1, 0, keeps) RESTART(1, 1, keeps) RESTART(1, 2, keeps) \
    RESTART(2, 0, keeps) RESTART(2, 1, keeps) RESTART(2, 2, keeps)

/* Proposals: 1..3 EXPAND, 4..6 TRANSFER. One for an older epoch would only restrain its proposer. */
#define MAY_PROPOSE(n) (LEADS(n) && node[n].is_open && !node[n].is_closed && node[n].proposal == 0 && \
    node[n].pending == 0 && VIEW(n).epoch == NOW.epoch && latest < CHANGES)
#ifdef WITHOUT_PENDING
#define PEND(n, b) skip
#else
#define PEND(n, b) node[n].pending = BIT(b)
#endif
#define EXPAND(n, b) :: d_step { MAY_PROPOSE(n) && !IN(VIEW(n).insync, b) && KNOWS(n, b) && CAUGHT_UP(n, b) -> \
    PEND(n, b); node[n].proposal = 1 + b; printf("expand %d %d\n", n, b) }
#ifdef WITHOUT_CLOSING
#define CLOSE(n) skip
#else
#define CLOSE(n) node[n].is_closed = 1
#endif
#define TRANSFER(n, b) :: d_step { MAY_PROPOSE(n) && IN(VIEW(n).insync, b) && DRAINED(n) -> \
    CLOSE(n); node[n].proposal = 4 + b; printf("transfer %d %d\n", n, b) }

#ifdef WITHOUT_PRESENT_INCARNATION
#define NAMES_PRESENT(n) true
#else
#define NAMES_PRESENT(n) !node[n].outdated
#endif
#define DECIDE(n) :: d_step { node[n].proposal != 0 && VIEW(n).epoch == NOW.epoch && latest < CHANGES && \
    NAMES_PRESENT(n) -> \
    if \
    :: node[n].proposal < 4 -> \
        NEXT(NOW.term, NOW.primary, NOW.insync | BIT(node[n].proposal - 1), 0, 0, 1) \
    :: else -> NEXT(NOW.term + 1, node[n].proposal - 4, NOW.insync, 0, 1, 1) \
    fi; CHECK; printf("decide %d\n", n) }

#ifdef WITHOUT_WAITING_FOR_OUTCOME
#define FORGET_PROPOSAL(n) :: d_step { node[n].proposal != 0 && (node[n].pending != 0 || node[n].is_closed) -> \
    node[n].pending = 0; node[n].is_closed = 0; printf("forget proposal %d\n", n) }
#else
#define FORGET_PROPOSAL(n)
#endif

/* A view moves by one entry, or over some by a snapshot. */
#define APPLY(n, to) :: d_step { node[n].view < (to) && (to) <= latest -> \
    FOLLOW(n, (to)); \
    if \
    :: VIEW(n).term != config[to].term -> node[n].is_open = 0 \
    :: else \
    fi; \
    if \
    :: VIEW(n).epoch != config[to].epoch -> \
        node[n].proposal = 0; node[n].outdated = 0; node[n].pending = 0; node[n].is_closed = 0 \
    :: else \
    fi; \
    node[n].view = (to); FOLLOWED(n); printf("apply %d: %d\n", n, node[n].view) }
#define APPLIES(n) APPLY(n, node[n].view + 1) APPLY(n, node[n].view + 2) APPLY(n, node[n].view + 3)

#define EACH(A) A(0) A(1) A(2)
#define PAIRS(A) A(0, 1) A(0, 2) A(1, 0) A(1, 2) A(2, 0) A(2, 1)

#define GROUP \
    EACH(SHRINK) EACH(ELECT) NOP EACH(RESTORE) EACH(APPLIES) \
    PAIRS(EXPAND) PAIRS(TRANSFER) EACH(DECIDE) EACH(FORGET_PROPOSAL)
