/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that reach a session out of turn: what is published to channels, and what clients that
 * track keys are told. They come from any thread, maybe under a partition lock, to sessions of any
 * thread:
 *
 *   stage --commit--> mailbox of the session's thread --end of its pass--> connection
 *
 * A message's bytes are made once per protocol and shared by reference. One entry of a mailbox
 * serves a whole group of sessions of that thread. Mailboxes keep the order in which entries were
 * committed. The poster's thread wakes the others at the end of its pass, each once; a thread's own
 * sessions get theirs at the end of the pass as well, or before their next command, whichever comes
 * first: a session sees what was committed before its command before that command's reply.
 *
 * A session that speaks RESP2 gets messages only while it is in subscriber mode: it could not tell
 * them from replies. A session that does not read is ended by the output buffer limits. A session
 * whose command finds more than DELIVERY_CROWDED_BYTES in a mailbox is not read until the next
 * tick, so that a thread which is slower than its publishers is not buried. */
#ifndef LARDER_SERVER_DELIVERY_H
#define LARDER_SERVER_DELIVERY_H

#include "server/session.h"

/* A push as it will be sent, without its first byte ('*' in RESP2, '>' in RESP3). bodies[0] is for
 * RESP2, bodies[1] for RESP3; both may be the same blob; NULL: sessions of that protocol don't get
 * it. References belong to whoever made the message; posting takes its own. */
struct delivery_message {
    struct blob *bodies[2];
};

/* What a session has that may get messages. Owned by its thread. */
struct recipient {
    struct session *session;
    struct recipient *next_of_id;   /* in the thread's table of recipients by session id */
    struct recipient *unsent_next;  /* in the list of those to be sent to */
    const struct delivery *seen;    /* what arrived up to here was delivered ahead of the others */
    uint64_t seen_number;           /* its number */
    struct delivery_member *groups; /* the groups it is in */
    uint32_t group_count;
    bool is_unsent;
    struct subscriptions *subscriptions; /* of pubsub.h; NULL: none */
    _Atomic uint32_t shown_counts[3];    /* subscriptions, by enum channel_kind */
};

/* Sessions of one thread that get the same messages. Members are the thread's own; a publisher
 * reads `count` and commits under the lock by which members come and go (CHANNEL_LOCK). */
struct delivery_group {
    unsigned thread;                      /* immutable */
    struct delivery_group *next_of_owner; /* its owner's */
    uint32_t count;
    struct delivery_member *members;
    _Atomic uint64_t sent;       /* messages committed so far */
    _Atomic uint32_t references; /* its owner's and that of each entry under way */
};

struct delivery_member {
    struct delivery_member *next, *previous;               /* of the group */
    struct delivery_member *groups_next, *groups_previous; /* of the recipient */
    struct delivery_group *group;
    struct recipient *recipient;
    uint64_t since; /* of group->sent: earlier messages are not for it */
};

/* ---- recipients: the session's thread ---- */

/* The session's recipient, made if there is none. Borrows: valid until the session is closed.
 * NULL: no memory. Takes STATS_LOCK, under which other threads may look at session->recipient. */
struct recipient *delivery_enlist(struct session *session);
/* The session is closed; it has left its groups. Nothing is done when it has no recipient. */
void delivery_dismiss(struct session *session);

/* ---- groups ---- */

/* Returns owned, one reference. NULL: no memory. */
struct delivery_group *delivery_group_create(struct server *server, unsigned thread);
void delivery_group_release(struct server *server, struct delivery_group *group);
/* By the group's thread, under the lock that publishers to it hold. */
void delivery_group_join(struct delivery_group *group, struct delivery_member *member,
                         struct recipient *recipient);
void delivery_group_leave(struct delivery_member *member);

/* ---- posting: any thread of the server, partition locks may be held ---- */

/* Entries that were made but not committed: first all memory is obtained, then they all go. */
enum { DELIVERY_CROWDED_BYTES = 64 << 20 };

struct delivery_stage {
    struct delivery *first, **end;
};

void delivery_stage_init(struct delivery_stage *stage);
/* Errors: LARDER_NO_MEMORY, then the stage is as it was. */
enum larder_status delivery_stage_group(struct server *server, struct delivery_stage *stage,
                                        struct delivery_group *group,
                                        const struct delivery_message *message) LARDER_NODISCARD;
/* To one session, by its id and the index of its thread (session->thread->loop.index, which never
 * changes). A session that is gone when it arrives gets nothing. Same errors. */
enum larder_status delivery_stage_session(struct server *server, struct delivery_stage *stage,
                                          unsigned thread, uint64_t session_id,
                                          const struct delivery_message *message) LARDER_NODISCARD;
/* Bytes that lie in mailboxes, in steps: part of what the node counts as used. Any thread. */
int64_t delivery_bytes(const struct server *server);

/* Put all into the mailboxes. `from` is the calling thread. Can't fail. */
void delivery_commit(struct server_thread *from, struct delivery_stage *stage)
    EXCLUDES(MAILBOX_LOCK);
/* Forget them instead. */
void delivery_abort(struct server *server, struct delivery_stage *stage);

/* ---- arrival: the thread whose sessions they are for ---- */

/* Before a command of a session that has a recipient: what has arrived for it goes into the
 * thread's reply, ahead of the command's. */
void delivery_settle(struct session *session);
/* At the end of a pass: wake the other threads that got something, and send what has arrived. */
void delivery_end_pass(struct server_thread *thread);

/* ---- life ---- */

/* A thread's mailbox. Errors: LARDER_NO_MEMORY. */
enum larder_status delivery_thread_init(struct server_thread *thread) LARDER_NODISCARD;
/* No thread runs any more and all sessions are closed. */
void delivery_thread_finish(struct server_thread *thread);

#endif
