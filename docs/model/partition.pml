/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition on three nodes: write path, leases, election, hand-off, growth and restarts.
 *
 * The config group is a register with compare-and-set on the epoch; every node sees a lagging prefix
 * of its history. An EXPAND or TRANSFER stays in flight as long as it likes, is lost or commits; its
 * proposer learns the outcome only from its view. SHRINK, ELECT and JOIN take effect at once when
 * their proposer's view is the newest one: delaying them allows nothing else. Time is in ticks, and
 * what time decides is kept as ticks left, so that time itself is unbounded. A primary's clock may
 * lose a tick DRIFTS times. A crash loses all memory.
 *
 * Bounds: CHANGES configurations, RECORDS records of a log, CRASHES, DRIFTS. Rules are removed with
 * -DWITHOUT_<rule>; `verify` knows them all. */
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef DRIFTS
#define DRIFTS 1
#endif
#define EPOCHS (CHANGES + 1)
#define NOBODY 3
#define UNNAMED 255
#define PROMISE 2
#ifdef WITHOUT_DRIFT_MARGIN
#define LEASE 2
#else
#define LEASE 1
#endif

/* The history of the configuration. */
byte latest;
byte term[EPOCHS], primary[EPOCHS], insync[EPOCHS], began[EPOCHS];
bit released[EPOCHS];
byte named[3]; /* epoch since which the node's present incarnation is a member */

/* Nodes. Pairs are [from * 3 + to]. */
byte view[3], size[3], committed[3], pending[3], blocked[3];
bit is_open[3], is_closed[3];
byte record[3 * RECORDS];  /* the terms of a node's log */
byte acked[9];             /* [primary, member]: 1 + acknowledged size in this term */
byte beat[9], answer[9];   /* 1 + age of a heartbeat, of its answer */
byte answer_index[9];      /* and the view of the member that answered */
byte right[9], right_index[9]; /* what the primary holds of it */
byte promised[9];          /* [member, primary] */
byte proposal[3], proposal_epoch[3]; /* 1..3 EXPAND, 4..6 TRANSFER */
byte crashes, drifts;

/* What clients were told. */
byte told[RECORDS], told_size;
byte i, j, members;

#define ACTS(n) (named[n] != UNNAMED && view[n] >= named[n])
#define LEADS(n) (ACTS(n) && primary[view[n]] == n)
#define IN(set, n) (((set) >> (n)) & 1)
#define REQUIRED(n) (insync[view[n]] | pending[n])

inline check() {
    i = 0;
    do
    :: i < 3 ->
        if
        :: IN(insync[latest], i) && named[i] != UNNAMED ->
            assert(size[i] >= told_size);
            j = 0;
            do
            :: j < told_size -> assert(record[i * RECORDS + j] == told[j]); j++
            :: else -> break
            od
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0; j = 0
}

/* The index rules of promises. */
#ifdef WITHOUT_PROMISE_OF_THIS_TERM
#define NEW_ENOUGH(n, b) true
#else
#define NEW_ENOUGH(n, b) (began[view[n]] <= right_index[n * 3 + b])
#endif
#ifdef WITHOUT_APPLYING_SEEN_INDEX
#define OLD_ENOUGH(n, b) true
#else
#define OLD_ENOUGH(n, b) (right_index[n * 3 + b] <= view[n])
#endif
#define HAS_RIGHT(n, b) (b == n || !IN(REQUIRED(n), b) || \
    (right[n * 3 + b] > 0 && NEW_ENOUGH(n, b) && OLD_ENOUGH(n, b)))
#define MAY_READ(n) (LEADS(n) && is_open[n] && !is_closed[n] && \
    HAS_RIGHT(n, 0) && HAS_RIGHT(n, 1) && HAS_RIGHT(n, 2))

#define NOT_NEWER(n, b) (!is_open[b] || term[view[b]] <= term[view[n]])
#ifdef WITHOUT_READS_WAITING
#define READ_SIZE(n) size[n]
#else
#define READ_SIZE(n) committed[n]
#endif
#define READ(n) :: atomic { MAY_READ(n) && \
    !(NOT_NEWER(n, 0) && NOT_NEWER(n, 1) && NOT_NEWER(n, 2) && READ_SIZE(n) == told_size) -> assert(false) }

#define WRITE(n) :: d_step { LEADS(n) && is_open[n] && !is_closed[n] && size[n] < RECORDS -> \
    record[n * RECORDS + size[n]] = term[view[n]]; size[n]++ }

#ifdef WITHOUT_TERM_CHECK
#define ACCEPTS(n, b) (named[b] != UNNAMED)
#else
#define ACCEPTS(n, b) (term[view[b]] == term[view[n]] && primary[view[b]] == n)
#endif
#define COPY(n, b) :: d_step { n != b && LEADS(n) && blocked[n] == 0 && ACTS(b) && named[b] <= view[n] && \
    ACCEPTS(n, b) && acked[n * 3 + b] != size[n] + 1 -> \
    size[b] = size[n]; i = 0; \
    do :: i < RECORDS -> record[b * RECORDS + i] = record[n * RECORDS + i]; i++ :: else -> break od; \
    if :: committed[b] > size[b] -> assert(false) :: else fi; \
    acked[n * 3 + b] = size[n] + 1; check() }

#ifdef WITHOUT_EVERY_MEMBER
#define HAS_ACKED(n, b) true
#else
#define HAS_ACKED(n, b) (b == n || !IN(REQUIRED(n), b) || acked[n * 3 + b] > committed[n] + 1)
#endif
#define COMMIT(n) :: d_step { LEADS(n) && blocked[n] == 0 && committed[n] < size[n] && \
    HAS_ACKED(n, 0) && HAS_ACKED(n, 1) && HAS_ACKED(n, 2) -> \
    if :: committed[n] < told_size -> assert(told[committed[n]] == record[n * RECORDS + committed[n]]) \
       :: else -> told[told_size] = record[n * RECORDS + committed[n]]; told_size++ fi; \
    committed[n]++; check() }

/* Every other member has the log of this term; then what it lacks of its own tail is committed. */
#define EQUAL(n, b) (b == n || !IN(insync[view[n]], b) || acked[n * 3 + b] == size[n] + 1)
#define OPENED(n, b) assert(b == n || !is_open[b] || term[view[b]] != term[view[n]])
#define OPEN(n) :: d_step { LEADS(n) && !is_open[n] && blocked[n] == 0 && \
    EQUAL(n, 0) && EQUAL(n, 1) && EQUAL(n, 2) && committed[n] == size[n] -> \
    is_open[n] = 1; OPENED(n, 0); OPENED(n, 1); OPENED(n, 2) }

#define BEAT(n, b) :: d_step { n != b && LEADS(n) && beat[n * 3 + b] == 0 && answer[n * 3 + b] == 0 -> \
    beat[n * 3 + b] = 1 }
#ifdef WITHOUT_FIXED_BLOCKING
#define EXTENDED(n, b) if :: blocked[b] > 0 -> blocked[b] = PROMISE :: else fi
#else
#define EXTENDED(n, b) skip
#endif
#define ANSWER(n, b) :: d_step { n != b && beat[n * 3 + b] > 0 && ACTS(b) -> \
    promised[b * 3 + n] = PROMISE; EXTENDED(n, b); \
    answer[n * 3 + b] = beat[n * 3 + b]; answer_index[n * 3 + b] = view[b]; beat[n * 3 + b] = 0 }
#ifdef WITHOUT_COUNTING_FROM_SENDING
#define LEFT(n, b) LEASE
#else
#define LEFT(n, b) (LEASE + 1 - answer[n * 3 + b])
#endif
#define ANSWERED(n, b) :: d_step { n != b && answer[n * 3 + b] > 0 && LEADS(n) && named[b] != UNNAMED -> \
    right[n * 3 + b] = LEFT(n, b); right_index[n * 3 + b] = answer_index[n * 3 + b]; \
    answer[n * 3 + b] = 0; answer_index[n * 3 + b] = 0 }

#define LESS(x) if :: x > 0 -> x-- :: else fi
#ifdef WITHOUT_COUNTING_FROM_SENDING
#define OLDER(p) skip
#else
#define OLDER(p) \
    if :: beat[p] > LEASE -> beat[p] = 0 :: beat[p] > 0 && beat[p] <= LEASE -> beat[p]++ :: else fi; \
    if :: answer[p] > LEASE -> answer[p] = 0; answer_index[p] = 0 \
       :: answer[p] > 0 && answer[p] <= LEASE -> answer[p]++ :: else fi
#endif
#define LAPSED(p) if :: right[p] > 0 -> right[p]--; \
    if :: right[p] == 0 -> right_index[p] = 0 :: else fi :: else fi
#define TICK(slow) :: d_step { (slow == NOBODY || (drifts < DRIFTS && LEADS(slow))) -> i = 0; \
    do \
    :: i < 9 -> LESS(promised[i]); \
        if :: i / 3 != slow -> LAPSED(i); OLDER(i) :: else fi; i++ \
    :: else -> break \
    od; \
    LESS(blocked[0]); LESS(blocked[1]); LESS(blocked[2]); \
    if :: slow != NOBODY -> drifts++ :: else fi; i = 0 }

/* A view moves to the newest configuration or by one. */
#ifdef WITHOUT_BLOCKING
#define BLOCK(n, to) skip
#else
#ifdef WITHOUT_BLOCKING_OVER_SKIPPED
#define COUNTS_STEP(n, to) (to == view[n] + 1)
#else
#define COUNTS_STEP(n, to) true
#endif
#define BLOCK(n, to) \
    if :: primary[view[n]] != primary[to] && primary[view[n]] != NOBODY && primary[view[n]] != n && \
          COUNTS_STEP(n, to) && promised[n * 3 + primary[view[n]]] > blocked[n] -> \
          blocked[n] = promised[n * 3 + primary[view[n]]] :: else fi
#endif
#ifdef WITHOUT_FORGETTING_ACKS
#define FORGET(n, b, to) if :: term[view[n]] != term[to] -> acked[n * 3 + b] = 0 :: else fi
#else
#define FORGET(n, b, to) if :: term[view[n]] != term[to] || named[b] > view[n] -> \
    acked[n * 3 + b] = 0; right[n * 3 + b] = 0; right_index[n * 3 + b] = 0 :: else fi
#endif
#define APPLY(n, to) :: d_step { view[n] < latest && named[n] != UNNAMED && (to) <= latest -> \
    BLOCK(n, (to)); FORGET(n, 0, (to)); FORGET(n, 1, (to)); FORGET(n, 2, (to)); \
    if :: released[to] && primary[to] == n && term[view[n]] != term[to] -> blocked[n] = 0 :: else fi; \
    if :: term[view[n]] != term[to] -> is_open[n] = 0 :: else fi; \
    pending[n] = 0; is_closed[n] = 0; view[n] = (to) }

#define NEXT(new_term, new_primary, new_insync, new_released) \
    term[latest + 1] = new_term; primary[latest + 1] = new_primary; insync[latest + 1] = new_insync; \
    released[latest + 1] = new_released; \
    if :: new_term != term[latest] -> began[latest + 1] = latest + 1 \
       :: else -> began[latest + 1] = began[latest] fi; \
    latest++
#define NEWEST(n) (ACTS(n) && view[n] == latest && latest < CHANGES)
#define SHRINK(n, b) :: d_step { n != b && LEADS(n) && NEWEST(n) && IN(insync[latest], b) -> \
    NEXT(term[latest], n, insync[latest] & (7 - (1 << b)), released[latest]); check() }
#ifdef WITHOUT_ELECTING_IN_SYNC
#define ELIGIBLE(n) true
#else
#define ELIGIBLE(n) IN(insync[latest], n)
#endif
#define ELECT(n) :: d_step { NEWEST(n) && primary[latest] != n && ELIGIBLE(n) && insync[latest] != 0 -> \
    assert(IN(insync[latest], n)); \
    if :: primary[latest] != NOBODY -> members = insync[latest] & (7 - (1 << primary[latest])) \
       :: else -> members = insync[latest] fi; \
    NEXT(term[latest] + 1, n, members, 0); members = 0; check() }
#define CRASH(n) :: d_step { crashes < CRASHES && named[n] != UNNAMED -> crashes++; CRASHED(n) \
    size[n] = 0; committed[n] = 0; pending[n] = 0; is_open[n] = 0; is_closed[n] = 0; i = 0; \
    do :: i < RECORDS -> record[n * RECORDS + i] = 0; i++ :: else -> break od; i = 0; \
    do :: i < 3 -> acked[n * 3 + i] = 0; right[n * 3 + i] = 0; right_index[n * 3 + i] = 0; \
        promised[n * 3 + i] = 0; beat[n * 3 + i] = 0; answer[n * 3 + i] = 0; \
        answer_index[n * 3 + i] = 0; i++ :: else -> break od; FRESH(n); check() }
#ifdef WITHOUT_INCARNATIONS
#define CRASHED(n)
#else
#define CRASHED(n) named[n] = UNNAMED; view[n] = 0;
#endif
#ifdef WITHOUT_FRESH_WAITING
#define FRESH(n) blocked[n] = 0
#else
#define FRESH(n) blocked[n] = PROMISE
#endif
#define JOIN(n) :: d_step { named[n] == UNNAMED && latest < CHANGES -> \
    if :: primary[latest] == n -> members = NOBODY :: else -> members = primary[latest] fi; \
    NEXT(term[latest], members, insync[latest] & (7 - (1 << n)), 0); \
    named[n] = latest; view[n] = latest; members = 0; check() }

#ifdef WITHOUT_CATCHING_UP
#define CAUGHT_UP(n, b) true
#else
#define CAUGHT_UP(n, b) (acked[n * 3 + b] > committed[n])
#endif
#ifdef WITHOUT_PENDING
#define PEND(n, b) skip
#else
#define PEND(n, b) pending[n] = (1 << b)
#endif
#ifdef WITHOUT_STAYING_PENDING
#define GIVE_UP(n) :: d_step { proposal[n] != 0 && pending[n] != 0 -> pending[n] = 0 }
#else
#define GIVE_UP(n)
#endif
#define EXPAND(n, b) :: d_step { n != b && LEADS(n) && proposal[n] == 0 && pending[n] == 0 && !is_closed[n] && \
    view[n] < CHANGES && !IN(insync[view[n]], b) && named[b] <= view[n] && CAUGHT_UP(n, b) -> \
    PEND(n, b); proposal[n] = 1 + b; proposal_epoch[n] = view[n] }
#ifdef WITHOUT_CLOSING
#define CLOSE(n) skip
#else
#define CLOSE(n) is_closed[n] = 1
#endif
#ifdef WITHOUT_STAYING_CLOSED
#define REOPEN(n) :: d_step { is_closed[n] -> is_closed[n] = 0 }
#else
#define REOPEN(n)
#endif
#define TRANSFER(n, b) :: d_step { n != b && LEADS(n) && is_open[n] && proposal[n] == 0 && pending[n] == 0 && \
    view[n] < CHANGES && IN(insync[view[n]], b) && committed[n] == size[n] -> \
    CLOSE(n); proposal[n] = 4 + b; proposal_epoch[n] = view[n] }
#define DECIDE(n) :: d_step { proposal[n] != 0 && proposal_epoch[n] == latest && latest < CHANGES -> \
    if :: proposal[n] < 4 -> \
          NEXT(term[latest], primary[latest], insync[latest] | (1 << (proposal[n] - 1)), released[latest]) \
       :: else -> assert(IN(insync[latest], proposal[n] - 4)); \
          NEXT(term[latest] + 1, proposal[n] - 4, insync[latest], 1) fi; \
    proposal[n] = 0; proposal_epoch[n] = 0; check() }
#define LOSE(n) :: d_step { proposal[n] != 0 -> proposal[n] = 0; proposal_epoch[n] = 0 }

#define EACH(A) A(0) A(1) A(2)
#define PAIRS(A) A(0, 1) A(0, 2) A(1, 0) A(1, 2) A(2, 0) A(2, 1)

init {
    d_step { term[0] = 1; primary[0] = 0; insync[0] = 3; is_open[0] = 1 };
end:
    do
    EACH(READ)
    EACH(WRITE)
    PAIRS(COPY)
    EACH(COMMIT)
    EACH(OPEN)
    PAIRS(BEAT)
    PAIRS(ANSWER)
    PAIRS(ANSWERED)
    TICK(0) TICK(1) TICK(2) TICK(NOBODY)
    APPLY(0, latest) APPLY(1, latest) APPLY(2, latest)
    APPLY(0, view[0] + 1) APPLY(1, view[1] + 1) APPLY(2, view[2] + 1)
    PAIRS(SHRINK)
    EACH(ELECT)
    EACH(CRASH)
    EACH(JOIN)
    PAIRS(EXPAND)
    PAIRS(TRANSFER)
    EACH(DECIDE)
    EACH(LOSE)
    EACH(GIVE_UP)
    EACH(REOPEN)
    od
}
