/* SPDX-License-Identifier: BSD-3-Clause */
/* Classic mistakes in implementations of Raft, one of which a test build may compile in with
 * -DRAFT_MUTANT=<number> to see whether the tests notice, or choose at each start of a program if
 * all were compiled in with -DLARDER_MUTANTS. Without both every RAFT_MUTATED is the constant 0 and
 * leaves no code. */
#ifndef LARDER_RAFT_MUTANTS_H
#define LARDER_RAFT_MUTANTS_H

enum raft_mutant {
    MUTANT_VOTE_FORGOTTEN = 1,       /* a restart keeps the term but not the vote */
    MUTANT_OLD_TERM_COUNTED = 2,     /* entries of older terms commit by counting (figure 8) */
    MUTANT_STALE_ACK_COUNTED = 3,    /* PERSISTED of truncated entries counts */
    MUTANT_NO_NOOP = 4,              /* a term begins without an entry of its own */
    MUTANT_LEASE_IGNORED = 5,        /* votes and pre-votes are given while the leader is heard */
    MUTANT_CHANGE_BEFORE_COMMIT = 6, /* a change without a committed entry of the own term (2015) */
    MUTANT_TWO_CHANGES = 7,          /* a second change before the first is committed */
    MUTANT_ACK_BEFORE_DURABLE = 8,   /* a follower acknowledges what is only in memory */
    MUTANT_VOTE_BEFORE_DURABLE = 9,  /* a vote leaves before it is durable */
    MUTANT_LEADER_COUNTS_EARLY = 10, /* a leader counts its own entry before it is durable */
    MUTANT_READ_WITHOUT_QUORUM = 11, /* ReadIndex without a round of confirmations */
    MUTANT_READ_BEFORE_OWN_COMMIT = 12, /* ReadIndex before an entry of the own term is committed */
    MUTANT_LEARNER_COUNTED = 13,        /* learners count for commits */
    MUTANT_OLD_LOG_ELECTED = 14,        /* votes for a candidate whose log is behind */
    MUTANT_COMMIT_UNVERIFIED = 15,      /* a follower commits entries it did not compare */
    MUTANT_INDEX_REUSED = 16,           /* a leader drops what it failed to store and goes on */
    MUTANT_APPEND_TRUNCATES = 17,       /* an append cuts the log even if it agrees with it */
    MUTANT_NO_CHECK_QUORUM = 18,        /* a leader without a majority stays leader */
    MUTANT_DISK_FULL_WEDGES = 19,       /* what failed to be stored is not written again */
    MUTANT_CONFIGURATION_KEPT = 20,     /* a truncated configuration stays in force */
    MUTANT_SNAPSHOT_KEEPS_TAIL = 21,    /* a conflicting log tail survives an installed snapshot */
    MUTANT_VOTED_TWICE = 22,            /* a second candidate of the same term gets a vote too */
    MUTANT_NO_PRE_VOTE = 23,            /* a timeout raises the term at once */
    MUTANT_STALE_REPLY_COUNTED = 24,    /* replies of an older term count */
};

#ifdef RAFT_MUTANT
#define RAFT_MUTATED(mutant) (RAFT_MUTANT == (mutant))
#elif defined(LARDER_MUTANTS)
extern int larder_mutant; /* tests/mutants/chosen.c */
#define RAFT_MUTATED(mutant) (larder_mutant == (int)(mutant))
#else
#define RAFT_MUTATED(mutant) 0
#endif

#endif
