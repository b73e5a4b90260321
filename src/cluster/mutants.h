/* SPDX-License-Identifier: BSD-3-Clause */
/* Mistakes in the cluster's protocol, one of which a test build may compile in with
 * -DCLUSTER_MUTANT=<number> to see whether the tests notice, or choose at each start of a program
 * if all were compiled in with -DLARDER_MUTANTS. Without both every CLUSTER_MUTATED is the constant
 * 0 and leaves no code. */
#ifndef LARDER_CLUSTER_MUTANTS_H
#define LARDER_CLUSTER_MUTANTS_H

enum cluster_mutant {
    /* configuration */
    MUTANT_EPOCH_IGNORED = 101,          /* a change applies whatever epoch it was made for */
    MUTANT_EXPAND_ANY_INCARNATION = 102, /* a reborn member enters the in-sync set */
    MUTANT_EXPAND_ANY_TERM = 103,        /* an older term's EXPAND applies */
    MUTANT_JOIN_KEEPS_ROLES = 104,       /* a restarted member keeps its seats in in-sync sets */
    MUTANT_DOWN_ANY_INCARNATION = 105,   /* evidence about an old process kills the new one */
    MUTANT_ELECT_OUTSIDE = 106,          /* a member outside the in-sync set is elected */
    MUTANT_SAME_TERM = 107,              /* a new primary goes on in the old one's term */
    MUTANT_NOP_KEEPS_EPOCH = 108,        /* NOP does not settle proposals of its epoch */
    MUTANT_LOST_ELECTS_LEARNER = 109,    /* the last in-sync member gone, a learner takes over */
    MUTANT_RESTORE_ANY = 110,            /* a member that was not in the last set restores */
    MUTANT_RESET_KEEPS_CEILING = 111,    /* tokens after a total loss may be old ones */
    MUTANT_SHRINK_TO_NONE = 112,         /* the primary can be taken out by SHRINK */
    MUTANT_RELEASED_STAYS = 113,         /* the mark of a hand-off survives the next election */
    /* leases and reads */
    MUTANT_LEASE_FROM_RECEIPT = 121,    /* a promise counts from when its answer came */
    MUTANT_LEASE_WITHOUT_DRIFT = 122,   /* a promise counts in full */
    MUTANT_LEASE_OLD_VIEW = 123,        /* a promise made before the term began counts */
    MUTANT_LEASE_FUTURE_VIEW = 124,     /* a promise made under a newer configuration counts */
    MUTANT_LEASE_ONE_PEER = 125,        /* one in-sync member's promise is enough */
    MUTANT_LEASE_IGNORES_PENDING = 126, /* members being added need not promise */
    MUTANT_LEASE_ANY_INCARNATION = 127, /* a promise of a dead process counts */
    MUTANT_PROMISE_IGNORED = 128,       /* a new primary opens while its promise holds */
    MUTANT_PROMISE_FORGOTTEN = 129,     /* a change of view forgets the promise */
    MUTANT_FRESH_OPENS = 130,           /* a restarted member opens at once */
    MUTANT_CONFIG_LEASE_IGNORED = 131,  /* a primary serves without hearing the coordinator */
    MUTANT_CONFIG_LEASE_BEHIND = 132,   /* ... or before it has applied what the coordinator had */
    MUTANT_READ_SPECULATIVE = 133,      /* a read does not wait for what it saw to be committed */
    MUTANT_READ_CHECKED_EARLY = 134,    /* the lease is checked when a read executes, not later */
    /* writes and reconciliation */
    MUTANT_COMMIT_MAJORITY = 141,        /* a majority of the in-sync set commits */
    MUTANT_COMMIT_WITHOUT_PENDING = 142, /* members being added are not waited for */
    MUTANT_PENDING_DROPPED = 143,        /* an EXPAND of unknown outcome is taken as failed */
    MUTANT_SHRINK_BELIEVED = 144,        /* a proposed SHRINK counts before it is applied */
    MUTANT_ACK_ANY_TERM = 145,           /* acknowledgements of another term count */
    MUTANT_ACK_BEFORE_APPEND = 146,      /* a backup acknowledges what it refused or lacks */
    MUTANT_ACK_BEFORE_SYNC = 147,        /* a durable backup acknowledges what is in memory */
    MUTANT_OLD_TERM_ACCEPTED = 148,      /* a backup takes records of a deposed primary */
    MUTANT_GAP_ACCEPTED = 149,           /* a backup takes records without the ones before */
    MUTANT_NO_TERM_START = 150,          /* a new primary opens without a committed record */
    MUTANT_TAIL_DROPPED = 151,           /* a new primary forgets its uncommitted tail */
    MUTANT_TAIL_KEPT = 152,              /* a backup keeps a tail that the primary lacks */
    MUTANT_COMMIT_UNMATCHED = 153,       /* a backup commits records it did not compare */
    MUTANT_MIN_INSYNC_AT_ENTRY = 154,    /* min-insync is checked only on acceptance */
    MUTANT_DEPOSED_SAYS_MOVED = 155,     /* a deposed primary answers MOVED for held writes */
    MUTANT_CUT_BY_UNOPENED = 156,        /* ... or as soon as any newer primary cut them */
    MUTANT_EXPAND_BEHIND = 157,          /* EXPAND of a learner that has not reached the commit */
    MUTANT_EXPAND_UNSYNCED = 158,        /* EXPAND of a learner that has unsynced keys */
    MUTANT_HANDOFF_UNDRAINED = 159,      /* TRANSFER before everything is committed */
    MUTANT_HANDOFF_REOPENS = 160,        /* a hand-off of unknown outcome is taken as failed */
    MUTANT_APPLY_UNCOMMITTED = 161,      /* a backup applies what may be cut */
    MUTANT_STALE_SYNC_COUNTED = 162,     /* a sync of records that were cut since counts */
    MUTANT_ACK_ANY_INCARNATION = 163,    /* acknowledgements of a dead process count */
    /* requests, sessions and time of a partition */
    MUTANT_RESULT_NOT_STORED = 191,       /* what a request answered is not remembered */
    MUTANT_KNOWN_EXECUTED = 192,          /* a request that is known is executed again */
    MUTANT_PRUNED_EXECUTED = 193,         /* a request below the lowest is executed again */
    MUTANT_FLOOR_IGNORED = 194,           /* ... or of a session that was forgotten */
    MUTANT_OLD_REQUEST_EXECUTED = 195,    /* a request of long ago is executed */
    MUTANT_RESULTS_AT_PRIMARY_ONLY = 196, /* backups do not remember results */
    MUTANT_CLOCK_RUNS_BACK = 197,         /* a new primary begins with its own wall clock */
    MUTANT_CLOCK_STEPS = 198,             /* cluster time follows a wall clock that is set */
    MUTANT_CLOCK_IGNORES_MEDIAN = 199,    /* a term begins with whatever the wall clock shows */
    MUTANT_EFFECTS_LEAVE_EARLY = 200,     /* side effects leave before commit */
    MUTANT_WATCH_OVER_TERMS = 201,        /* EXEC believes a WATCH of an older term */
    MUTANT_EXPIRED_READ_UNRECORDED = 202, /* a read says that a key expired, and nobody knows */
    MUTANT_PARKED_STAYS = 203,            /* a parked request is executed, and stays parked */
    MUTANT_STORED_ANSWER_AT_ONCE = 204,   /* a stored answer leaves before it is committed */
    MUTANT_REPLY_BEFORE_COMMIT = 205,     /* a reply leaves before its record is committed */
    MUTANT_BACKUP_EXPIRES = 206,          /* a backup removes keys by its own clock */
    MUTANT_SESSIONS_EXPIRE_LOCALLY = 207, /* each replica forgets sessions by its own clock */
    MUTANT_EXECUTES_BEHIND = 208,         /* a primary opens before its store has its log */
    MUTANT_ROUND_BY_LEASE = 209,          /* a read that asked for a round trusts the lease */
    MUTANT_TIME_NOT_REPLICATED = 210,     /* backups do not keep the time of records */
    MUTANT_VAIN_WRITE_FORGOTTEN = 216,    /* a write that changed nothing is executed again */
    MUTANT_STALE_READ_OF_TAIL = 211,      /* a stale read shows what may be cut */
    MUTANT_STALE_READ_UNSYNCED = 212,     /* a stale read finds no key where none was copied yet */
    /* copying and anti-entropy */
    MUTANT_ITEM_OVER_NEWER = 171,        /* an item from before a left out record is taken */
    MUTANT_APPLY_TWICE = 172,            /* a record that an item has already is applied again */
    MUTANT_APPLY_UNSYNCED = 173,         /* a record is applied to a key that is not there yet */
    MUTANT_ITEM_MERGED = 174,            /* an item leaves what was deleted before it */
    MUTANT_COPIED_UNCOMMITTED = 175,     /* complete before the highest e is committed */
    MUTANT_COPY_OUTLIVES_TERM = 176,     /* a new term keeps items that were not committed */
    MUTANT_COPY_ANY_TERM = 177,          /* an item of an older term's primary is taken */
    MUTANT_CUT_FORGOTTEN = 178,          /* keys of executed records that were cut stay */
    MUTANT_LEFT_OUT_FORGOTTEN = 179,     /* entries that an item had no room for are missing */
    MUTANT_PIECES_MIXED = 180,           /* pieces of two images make one entry */
    MUTANT_PIECES_WITHOUT_RECORDS = 181, /* records that came between pieces are lost */
    MUTANT_ITEM_BY_ELECTED = 182,        /* a primary answers before its store has its log */
    MUTANT_REST_TWICE = 183,             /* the rest of a record is applied whatever was copied */
    MUTANT_DIGEST_IGNORED = 184,         /* a digest that differs changes nothing */
    MUTANT_DIVERGED_STAYS = 185,         /* ... or leaves the member in sync */
    MUTANT_SAME_ANY_DIGEST = 186,        /* a bucket counts as right whatever its digest */
    /* founding */
    MUTANT_FOUNDING_ACCEPT_EXPIRES = 221,    /* an accept is released by a timeout */
    MUTANT_FOUNDING_WITHOUT_ALL_SEEDS = 222, /* in memory, more than half of the seeds are enough */
    MUTANT_FOUNDING_TWO_ACCEPTS = 223,       /* a second founding is accepted beside the first */
    MUTANT_FOUNDING_COMES_BACK = 224,        /* a founding that was left is accepted again */
    MUTANT_FOUNDING_BOOTS_EARLY = 225,       /* BOOT before all founders have accepted */
    MUTANT_FOUNDING_LOSS_IGNORED = 226,      /* an accept survives the link to its proposer */
    MUTANT_FOUNDING_MARK_LATE = 227,         /* a member says it booted before that is durable */
    MUTANT_FOUNDING_BOOTED_LEAVES = 228,     /* who booted on disk leaves at the first refusal */
    MUTANT_FOUNDING_FORMED_IGNORED = 229,    /* a cluster that answers is not joined */
    MUTANT_FOUNDING_ANY_INCARNATION = 230,   /* a restarted process boots for the former one */
    MUTANT_FOUNDING_MARK_IGNORED = 231,      /* a restart forgets what it had booted for */
    /* locks */
    MUTANT_LOCK_TOKEN_RESTARTS = 232,     /* a new primary does not know the last token */
    MUTANT_LOCK_HOLD_NOT_RESTARTED = 233, /* holds of the former primary's time run out at once */
    MUTANT_LOCK_HOLD_FROM_REQUEST = 234,  /* a hold counts from the request, not from the commit */
    MUTANT_LOCK_GRANTED_TWICE = 235,      /* a repeated request is granted once more */
    MUTANT_LOCK_SERVED_LAST = 236,        /* who came last is served first */
    MUTANT_LOCK_QUEUE_IGNORED = 237,      /* a new request takes what others wait for */
    MUTANT_LOCK_ABOVE_CEILING = 238,      /* tokens above the ceiling are given */
    MUTANT_LOCK_FORCE_KEEPS_TOKEN = 239,  /* FORCE frees the lock and leaves its token valid */
    MUTANT_LOCK_RESET_FORGETS = 240,      /* tokens begin anew after a total loss */
    MUTANT_LOCK_ANY_TOKEN = 241,          /* an old token renews and releases */
    MUTANT_LOCK_CANCEL_IGNORED = 242,     /* a grant that came too late is not given back */
    MUTANT_LOCK_HOLD_SHORTENED = 243,     /* a renewal for less time cuts the hold short */
    MUTANT_FENCE_FLOOR_IGNORED = 244,     /* a mark is forgotten instead of raising the floor */
    MUTANT_FENCE_MARKS_NOT_COPIED = 245,  /* a copied partition has no marks */
    /* the durable form of a partition */
    MUTANT_JOURNAL_UNCHECKED = 246,      /* what was found after a loss of power is not checked */
    MUTANT_JOURNAL_KEEPS_TAIL = 247,     /* a tail that was cut is read back */
    MUTANT_JOURNAL_PART_TRUSTED = 248,   /* a log that begins in the middle counts as whole */
    MUTANT_JOURNAL_DAMAGE_TRUSTED = 249, /* what is left of a damaged log counts as whole */
    MUTANT_COPY_NOT_STORED = 250,        /* a copy counts before it is durable */
    MUTANT_IMAGE_AHEAD = 251,            /* an image holds more than its position says */
    MUTANT_RESTORE_APPLIES_TAIL = 252,   /* what was not committed is applied at a restart */
    MUTANT_RESTORE_ONE_TERM = 253,   /* a restart takes all records for those of the last term */
    MUTANT_OFFER_NOTHING = 254,      /* a member that lost its data offers to go on with it */
    MUTANT_SYNC_COUNTS_LATER = 255,  /* a sync counts for what was written while it ran */
    MUTANT_FULL_PRIMARY_STAYS = 256, /* a primary without room on its disk keeps its seat */
    MUTANT_RECEIVED_COUNTS = 257,    /* a record counts where it was received, not where it is
                                        durable */
    /* what was found by random worlds of replicas */
    MUTANT_NEW_LOG_SAYS_MOVED = 282, /* a write is MOVED if a log that began anew lacks it */
    MUTANT_WORD_BEFORE_SEAT = 283,   /* complete is who said so before it lost its seat */
    /* who leaves, and balance */
    MUTANT_DRAIN_BELOW_COUNT = 330,  /* a drain leaves fewer replicas than there should be */
    MUTANT_FORCED_LEAVE_WAITS = 331, /* ... and one by force waits like any other */
    MUTANT_LEAVER_KEEPS_VOTE = 332,  /* a voter goes before another votes in its place */
    MUTANT_LEAVER_LEADS_ON = 333,    /* a coordinator that departs hands leadership to nobody */
    MUTANT_LEAVER_STOPS_GROUP = 334, /* a voter goes without which there is no majority */
    MUTANT_SOURCE_LEAVES = 335,      /* a member leaves with the data that a lost partition needs */
    MUTANT_RESTART_ALONE = 336,      /* a member stops although it alone holds or leads something */
    MUTANT_RESTART_LOSES_PLACE = 337, /* replicas of a member that restarts go elsewhere at once */
    MUTANT_SAFE_WITH_ONE_VOTER = 338, /* safe although the loss of a voter stops the group */
    MUTANT_HAND_OFF_TO_FRESH = 340,   /* a process that may not open yet is handed partitions */
    MUTANT_BALANCE_AT_ONCE = 339,     /* replicas move for balance while others are missing */
    /* requests of several commands, recovery by force, memory */
    MUTANT_STALE_ACK_SYNCED = 260,      /* an old acknowledgement says that a replica is complete */
    MUTANT_TOKEN_BELOW_RESET = 261,     /* new tokens are below what a reset partition takes */
    MUTANT_EXEC_PARTLY = 262,           /* without memory the first commands of an EXEC stay */
    MUTANT_EXEC_ONE_FENCE = 263,        /* only the first token of an EXEC is checked */
    MUTANT_WATCH_LOST_HOLDS = 264,      /* a watch that was dropped counts as not broken */
    MUTANT_WATCH_BEFORE_RESULT = 265,   /* an EXEC that was applied is said to be broken */
    MUTANT_ABANDON_FORGOTTEN = 266,     /* an abandoned request is executed when it comes */
    MUTANT_WATCH_OWN_ONLY = 267,        /* what expires or is evicted breaks no watch */
    MUTANT_PRESSURE_IGNORED = 270,      /* a primary does not evict for a machine that is full */
    MUTANT_BACKUP_EVICTS = 271,         /* a backup that is above its limit evicts */
    MUTANT_LEASE_OWN_DURATION = 272,    /* a promise counts for what is set here, not there */
    MUTANT_RESET_FORGETS_LEASES = 273,  /* RESET does not wait for leases of former settings */
    MUTANT_DIGEST_WITHOUT_SECRET = 274, /* anybody can make data with the same digest */
    MUTANT_FORCED_SAME_GENERATION = 275, /* the old generation's frames are taken */
    MUTANT_FORCED_LEARNER_LEADS = 276,   /* a member leads by force what it has half of */
    MUTANT_FORCED_TOKENS_GO_ON = 277,    /* tokens do not rise with a forced generation */
    MUTANT_FORCED_UNCHECKED = 278,       /* a member forces although it hears the coordinator */
    MUTANT_OBSERVER_ASKS_NOBODY = 279,   /* who has no seat in the core gets no config lease */
    MUTANT_CONFIRM_UNCOMMITTED = 269,    /* a read is answered before its round has ended */
    MUTANT_REFUSAL_AT_ZERO = 284,        /* an older term is told a position that is not true */
    MUTANT_QUESTION_NOT_AWAITED = 285,   /* who never answers a term's first question stays */
    MUTANT_REFUSED_AT_ONCE = 289,        /* all is sent again with each refusal */
    MUTANT_OFFER_OF_ANY_PROCESS = 290,   /* what a process offered counts for the one after it */
    MUTANT_COPY_FOR_EVER = 291,          /* a copy without progress keeps its place */
    MUTANT_COPY_AGAIN_AT_ONCE = 292,     /* a copy that was given up is tried again at once */
    MUTANT_SOURCES_UNLIMITED = 293,      /* copies count where they go to, not where from */
    MUTANT_DIVERGED_GOES_ON = 350,       /* who has another configuration than most goes on */
    MUTANT_DIVERGED_BY_ONE = 351,        /* who has another configuration than one voter stops */
    /* changes of settings */
    MUTANT_RESET_FORGETS_POLICY = 286, /* RESET while somebody may not know that isr has ended */
    MUTANT_POLICY_KEEPS_EPOCH = 287,   /* LEASED of before applies after isr came and went */
    /* writes that are answered before they are committed */
    MUTANT_EARLY_WITHOUT_LEASE = 310, /* a deposed primary goes on answering them */
    MUTANT_EARLY_BEFORE_SYNC = 311,   /* they do not wait for the primary's own disk */
    MUTANT_EARLY_LOCKS = 312,         /* locks are granted before that is committed */
    MUTANT_EARLY_FENCED = 313,        /* a token is taken for the newest before that is committed */
    MUTANT_EARLY_ROUND = 314,         /* a read by a round, too, is answered early */
    MUTANT_EARLY_ABANDON = 315,       /* a request counts as abandoned before that is committed */
    MUTANT_EARLY_WITHOUT_MIN = 316,   /* they do not need enough in sync */
    MUTANT_RESET_AT_ONCE = 301,       /* RESET does not wait for any lease */
    MUTANT_RESET_UNDER_ISR = 302,     /* RESET by itself under policy isr */
    /* detection */
    MUTANT_STALLED_ACCUSES = 303,       /* time in which the observer stood still is silence */
    MUTANT_STALLED_EVIDENCE = 304,      /* ... or makes refused connections old enough */
    MUTANT_HEARD_ANY_INCARNATION = 305, /* a heartbeat of a former process counts */
    MUTANT_DOWN_UNCONFIRMED = 306,      /* what the coordinator alone suspects is down */
    MUTANT_FLAPPING_LEADS = 307,        /* a member that comes back is given primaries at once */
    MUTANT_CLOSED_ANSWERS_READS = 308,  /* a partition that may be handed over answers reads */
    MUTANT_WAITER_STAYS = 309,          /* who waits for a lock stays when its connection closes */
    MUTANT_JOIN_OF_FORMER = 360, /* a JOIN that comes late takes the seats of the living process */
    MUTANT_LATE_REFUSAL = 361,   /* a refusal that comes late begins anew what is under way */
    MUTANT_CORE_NOT_ASKED = 362, /* who hears no coordinator asks none of the core */
    MUTANT_NO_ROOM_FIRST = 363,  /* without room another is elected before who is incomplete goes */
    MUTANT_RESET_BEFORE_RECORD = 364, /* who begins anew has a reset's floor without its record */
    MUTANT_WAITER_UNTOLD = 365, /* who waits for a lock hears nothing while writes are refused */
    MUTANT_WATCH_BROKEN_ONCE = 366, /* what broke for want of memory holds for a copy of the EXEC */
    MUTANT_FORCED_BY_CLOCK_ONLY = 367, /* a forced generation's floor is ahead of its clock only */
    MUTANT_SCRIPT_STOPPED_KEEPS = 268, /* a script that was stopped leaves what it changed */
    /* logs that may lack something */
    MUTANT_LACKING_FIRST = 317, /* the longest log is restored, though a complete one is there */
    MUTANT_LOSS_UNTOLD = 318,   /* that something may be lost is not told */
    MUTANT_LOSS_KEEPS_TOKENS = 319, /* tokens of what may be lost are given again */
    MUTANT_LOSS_KEEPS_LOCKS = 345,  /* locks go on as what may lack something says */
};

#ifdef CLUSTER_MUTANT
#define CLUSTER_MUTATED(mutant) (CLUSTER_MUTANT == (mutant))
#elif defined(LARDER_MUTANTS)
extern int larder_mutant; /* tests/mutants/chosen.c */
#define CLUSTER_MUTATED(mutant) (larder_mutant == (int)(mutant))
#else
#define CLUSTER_MUTATED(mutant) 0
#endif

#endif
