/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes: what was answered stays, whoever is elected, and no clock is needed for it.
 *
 * There is no time: anybody who is elected may go on at once, and an old primary may go on as long
 * as it likes. A record is named by its term and place, so a log is a list of terms. Its first
 * record of a term, but term 1, says only that the term has begun. An acknowledgement that comes
 * late is one that is used late, so copying and acknowledging are one step. Reads are taken from the
 * newest open primary (leases.pml says why from no other one).
 *
 * A primary's store runs ahead of what is committed; a replica outside the in-sync set that has lost
 * its memory, or had executed what was cut, copies from the primary as of its log's end.
 *
 * Bound: RECORDS of a log. */
#include "group.pml"
#ifndef RECORDS
#define RECORDS 2
#endif

typedef Node {
    unsigned view : 3;
    unsigned named : 3;
    unsigned pending : 3;
    unsigned proposal : 3;
    bit outdated;
    bit is_open;
    bit is_closed;
    unsigned size : 3;
    unsigned log : 12;   /* three bits per record */
    unsigned committed : 3; /* as far as this node knows */
    unsigned acked_0 : 3;   /* 1 + what 0, 1, 2 acknowledged in this term */
    unsigned acked_1 : 3;
    unsigned acked_2 : 3;
    bit is_unsynced;        /* the store lacks something or has too much */
    unsigned copied : 3;    /* 1 + the log's end as of which it was copied */
    unsigned copied_term : 3 /* of the last record that is in the copy */
};
Node node[3];
/* What clients were told, and the newest term in which anything was committed. */
short told;
byte told_size, opened = 1, at;
#ifdef WITHOUT_MOVED_AFTER_COMMIT
byte denied[RECORDS]; /* terms of records that clients were told will never be */
#endif
#ifdef WITHOUT_COMMITTED_COPY
byte stored[3]; /* what the store of a complete copy has in it, committed or not */
#define STORE(b) stored[b] = node[b].copied - 1
#define CHECK_STORED(b) assert(at >= stored[b])
#define FORGET_STORED(b) stored[b] = 0
#else
#define STORE(b) skip
#define CHECK_STORED(b) skip
#define FORGET_STORED(b) skip
#endif

#define RECORD(log, i) (((log) >> (3 * (i))) & 7)
#define FIRST(count) ((1 << (3 * (count))) - 1)
#define HAS_TOLD(n) (((node[n].log ^ told) & FIRST(told_size)) == 0)
#define IS_WHOLE(n) (!IN(NOW.insync, n) || (HAS_TOLD(n) && !node[n].is_unsynced))
#define IS_RIGHT(n) (node[n].committed <= told_size && ((node[n].log ^ told) & FIRST(node[n].committed)) == 0)
#define CHECK \
    assert(IS_WHOLE(0) && IS_WHOLE(1) && IS_WHOLE(2)); \
    assert(IS_RIGHT(0) && IS_RIGHT(1) && IS_RIGHT(2))

#ifdef WITHOUT_ACK_OF_THIS_TERM
#define IS_OLD(n, to) false
#else
#define IS_OLD(n, to) (config[to].term != VIEW(n).term)
#endif
#ifdef WITHOUT_ACK_OF_THIS_PROCESS
#define IS_GONE(n, b, to) false
#else
#define IS_GONE(n, b, to) (node[b].named > node[n].view && node[b].named <= to)
#endif
#define FORGET(n, b, to) if :: IS_OLD(n, to) || IS_GONE(n, b, to) -> node[n].acked_##b = 0 :: else fi
#ifdef WITHOUT_COPYING_ANEW
#define FORGET_COPY(n) skip
#else
#define FORGET_COPY(n) node[n].copied = 0; node[n].copied_term = 0
#endif
#define APPEND(n, t) node[n].log = node[n].log | ((t) << (3 * node[n].size)); node[n].size = node[n].size + 1
#define FOLLOW(n, to) \
    FORGET(n, 0, to); FORGET(n, 1, to); FORGET(n, 2, to); \
    if \
    :: config[to].term != VIEW(n).term -> \
        FORGET_COPY(n); \
        if \
        :: config[to].primary == n && node[n].size < RECORDS -> APPEND(n, config[to].term) \
        :: else \
        fi \
    :: else \
    fi
#define FOLLOWED(n) skip
#define RESTARTED(n, keeps) \
    node[n].acked_0 = 0; node[n].acked_1 = 0; node[n].acked_2 = 0; \
    node[n].copied = 0; node[n].copied_term = 0; \
    FORGET_STORED(n); \
    if :: keeps == 0 -> node[n].log = 0; node[n].size = 0; node[n].committed = 0; node[n].is_unsynced = 1 :: else fi;

#define WRITE(n) :: d_step { LEADS(n) && node[n].is_open && !node[n].is_closed && node[n].size < RECORDS -> \
    APPEND(n, VIEW(n).term); printf("write %d\n", n) }

#ifdef WITHOUT_READS_WAITING
#define SEEN(n) node[n].size
#else
#define SEEN(n) node[n].committed
#endif
#define READ(n) :: d_step { LEADS(n) && node[n].is_open && !node[n].is_closed && VIEW(n).term == opened && \
    SEEN(n) != told_size -> \
    assert(SEEN(n) > told_size && HAS_TOLD(n)); \
    told = node[n].log & FIRST(SEEN(n)); told_size = SEEN(n); CHECK; printf("read %d\n", n) }

/* b takes the first record of n's that it lacks; what it has in that place goes, with all behind. */
#ifdef WITHOUT_TERM_CHECK
#define ACCEPTS(n, b) (VIEW(b).term >= VIEW(n).term && !LEADS(b))
#else
#define ACCEPTS(n, b) (VIEW(b).term == VIEW(n).term)
#endif
#define EXECUTED_IN(b, i) (i <= latest && config[i].term == RECORD(node[b].log, at) && config[i].primary == b && \
    node[b].named <= i)
#define EXECUTED(b) (EXECUTED_IN(b, 0) || EXECUTED_IN(b, 1) || EXECUTED_IN(b, 2) || EXECUTED_IN(b, 3))
#ifdef WITHOUT_MOVED_AFTER_COMMIT
#define DENY(b) if :: EXECUTED(b) -> denied[at] = denied[at] | BIT(RECORD(node[b].log, at)) :: else fi
#else
#define DENY(b) skip
#endif
#define CUT_FROM(b) \
    do \
    :: at < node[b].size && EXECUTED(b) -> \
        node[b].is_unsynced = 1; node[b].copied = 0; node[b].copied_term = 0; DENY(b); at++ \
    :: at < node[b].size && !EXECUTED(b) -> at++ \
    :: else -> break \
    od
#ifdef WITHOUT_APPENDING_FIRST
#define TAKE(n, b) node[n].acked_##b = node[n].size + 1
#else
#define TAKE(n, b) \
    do \
    :: at < node[n].size && at < node[b].size && RECORD(node[n].log, at) == RECORD(node[b].log, at) -> at++ \
    :: else -> break \
    od; \
    if \
    :: at == node[n].size -> node[n].acked_##b = at + 1; at = 0 \
    :: else -> \
        assert(at >= node[b].committed); \
        if :: at < node[b].size -> CHECK_STORED(b) :: else fi; \
        node[n].acked_##b = at + 2; \
        CUT_FROM(b); \
        at = node[n].acked_##b - 2; \
        node[b].log = node[n].log & FIRST(at + 1); node[b].size = at + 1; at = 0 \
    fi
#endif
#define COPY(n, b) :: d_step { LEADS(n) && KNOWS(n, b) && KNOWS(b, n) && ACCEPTS(n, b) && \
    (node[n].acked_##b != node[n].size + 1 || node[b].committed < node[n].committed) -> \
    TAKE(n, b); LEARN(n, b); CHECK; printf("copy %d %d\n", n, b) }

#define LEARN(n, b) \
    if \
    :: node[n].committed > node[b].committed && node[n].acked_##b > node[b].committed + 1 -> \
        node[b].committed = (node[n].committed < node[n].acked_##b -> node[n].committed : node[n].acked_##b - 1) \
    :: else \
    fi

#ifdef WITHOUT_PENDING_ACKS
#define COUNTS(n, b) (b == n || !IN(VIEW(n).insync, b))
#else
#define COUNTS(n, b) (b == n || !IN(REQUIRED(n), b))
#endif
#define LACKS(n, b, i) (!COUNTS(n, b) && node[n].acked_##b < i + 1)
#ifdef WITHOUT_EVERY_MEMBER
#define HAVE(n, i) (node[n].size >= i && (LACKS(n, 0, i) + LACKS(n, 1, i) + LACKS(n, 2, i) <= 1))
#else
#define HAVE(n, i) (node[n].size >= i && !LACKS(n, 0, i) && !LACKS(n, 1, i) && !LACKS(n, 2, i))
#endif
#ifdef WITHOUT_COMMITTING_OWN_TERM
#define IS_OWN(n, i) true
#else
#define IS_OWN(n, i) (RECORD(node[n].log, i - 1) == VIEW(n).term)
#endif
#ifdef WITHOUT_MOVED_AFTER_COMMIT
#define CHECK_DENIED(n, i) do \
    :: at < i -> assert(!IN(denied[at], RECORD(node[n].log, at))); at++ \
    :: else -> at = 0; break \
    od
#else
#define CHECK_DENIED(n, i) skip
#endif
/* The first commit of a term opens it. */
#define COMMIT(n, i) :: d_step { i <= RECORDS && LEADS(n) && node[n].committed < i && HAVE(n, i) && \
    (i == RECORDS || !HAVE(n, i + 1)) && IS_OWN(n, i) -> \
    assert(told_size <= i -> HAS_TOLD(n) : ((node[n].log ^ told) & FIRST(i)) == 0); \
    if :: told_size < i -> told = node[n].log & FIRST(i); told_size = i :: else fi; \
    node[n].committed = i; CHECK_DENIED(n, i); OPENS(n); CHECK; printf("commit %d %d\n", n, i) }
#define COMMITS(n) COMMIT(n, 1) COMMIT(n, 2) COMMIT(n, 3) COMMIT(n, 4)
#define OPENS(n) \
    if :: IS_LAST_OWN(n) -> node[n].is_open = 1 :: else fi; \
    if :: VIEW(n).term > opened -> opened = VIEW(n).term :: else fi
#define IS_LAST_OWN(n) (RECORD(node[n].log, node[n].committed - 1) == VIEW(n).term)
#ifdef WITHOUT_TERM_START
#define OPEN(n) :: d_step { LEADS(n) && !node[n].is_open -> node[n].is_open = 1; \
    if :: VIEW(n).term > opened -> opened = VIEW(n).term :: else fi; printf("open %d\n", n) }
#else
#define OPEN(n)
#endif

/* The store of b is copied, with what is not committed, and complete when that is. */
#define SYNC(n, b) :: d_step { LEADS(n) && KNOWS(n, b) && KNOWS(b, n) && node[b].is_unsynced && \
    node[b].copied == 0 && VIEW(b).term == VIEW(n).term && node[n].acked_##b > 0 -> \
    node[b].copied = node[n].size + 1; \
    if :: node[n].size > 0 -> node[b].copied_term = RECORD(node[n].log, node[n].size - 1) :: else fi; printf("sync %d %d\n", n, b) }
#ifdef WITHOUT_COMMITTED_COPY
#define IS_COMMITTED(n, b) true
#else
#define IS_COMMITTED(n, b) (node[n].committed + 1 >= node[b].copied)
#endif
#define SYNCED(n, b) :: d_step { LEADS(n) && KNOWS(n, b) && KNOWS(b, n) && node[b].copied > 0 && \
    VIEW(b).term == VIEW(n).term && node[n].acked_##b >= node[b].copied && IS_COMMITTED(n, b) -> \
    assert(node[b].copied == 1 || RECORD(node[n].log, node[b].copied - 2) == node[b].copied_term); \
    STORE(b); node[b].is_unsynced = 0; node[b].copied = 0; node[b].copied_term = 0; printf("synced %d %d\n", n, b) }

#ifdef WITHOUT_CATCHING_UP
#define HAS_COMMITTED(n, b) true
#else
#define HAS_COMMITTED(n, b) (node[n].acked_##b > node[n].committed)
#endif
#ifdef WITHOUT_COMPLETE_DATA
#define IS_COMPLETE(b) true
#else
#define IS_COMPLETE(b) !node[b].is_unsynced
#endif
#define CAUGHT_UP(n, b) (HAS_COMMITTED(n, b) && IS_COMPLETE(b))
#ifdef WITHOUT_DRAINING
#define DRAINED(n) true
#else
#define DRAINED(n) (node[n].committed == node[n].size)
#endif

init {
    d_step { config[0].term = 1; config[0].primary = 0; config[0].insync = INSYNC; node[0].is_open = 1 };
end:
    do
    EACH(READ) EACH(WRITE) EACH(OPEN) EACH(COMMITS) PAIRS(COPY) PAIRS(SYNC) PAIRS(SYNCED)
    GROUP RESTARTS(1) RESTARTS(0)
    od
}
