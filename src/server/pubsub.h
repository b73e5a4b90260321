/* SPDX-License-Identifier: BSD-3-Clause */
/* Publishing and subscribing. Channels lie in a table of stripes, each under its own lock
 * (CHANNEL_LOCK); shard channels have a name space of their own; patterns lie in a table that is
 * changed under the locks of all stripes, so that whoever holds one may read it.
 *
 * A channel has a delivery group per thread that has subscribers. A publisher puts one entry per
 * group into the mailboxes while it holds the channel's stripe: so all subscribers of a channel get
 * its messages in one order, and each publisher's come in the order in which it published, over all
 * channels. A session's subscriptions are its own thread's. */
#ifndef LARDER_SERVER_PUBSUB_H
#define LARDER_SERVER_PUBSUB_H

#include "server/delivery.h"

enum channel_kind {
    CHANNEL_PLAIN,   /* SUBSCRIBE */
    CHANNEL_SHARD,   /* SSUBSCRIBE */
    CHANNEL_PATTERN, /* PSUBSCRIBE */
    CHANNEL_KINDS
};

struct pubsub;

/* Errors: LARDER_NO_MEMORY. */
enum larder_status pubsub_create(struct server *server) LARDER_NODISCARD;
/* All sessions are closed. */
void pubsub_destroy(struct server *server);

/* ---- subscriptions: the session's thread ---- */

/* Errors: LARDER_NO_MEMORY; *out_is_new: it was not subscribed before. */
enum larder_status pubsub_subscribe(struct session *session, enum channel_kind kind,
                                    struct slice name, bool *out_is_new) LARDER_NODISCARD;
/* Take back the last `count` new subscriptions. */
void pubsub_undo(struct session *session, size_t count);
/* False: it was not subscribed. `name` may be what pubsub_any gave. */
bool pubsub_unsubscribe(struct session *session, enum channel_kind kind, struct slice name);
/* Any of its subscriptions of a kind: borrowed until it ends. False: there is none. */
bool pubsub_any(const struct session *session, enum channel_kind kind, struct slice *out_name);
/* Whether all subscriptions of a kind pass; stops at the first that doesn't. */
bool pubsub_all_pass(const struct session *session, enum channel_kind kind,
                     bool (*test)(void *context, struct slice name), void *context);
/* End all subscriptions: RESET, and the end of the session. */
void pubsub_leave(struct session *session);
/* Subscriptions of a session of any thread; of another's under STATS_LOCK. */
uint32_t pubsub_count(const struct session *session, enum channel_kind kind);

/* ---- publishing: any thread of the server, partition locks may be held ---- */

/* `kind` is not CHANNEL_PATTERN. *out_receivers: how many subscriptions it goes to.
 * Errors: LARDER_NO_MEMORY, nobody gets it. */
enum larder_status pubsub_publish(struct server_thread *from, enum channel_kind kind,
                                  struct slice channel, struct slice message,
                                  uint64_t *out_receivers) LARDER_NODISCARD;

/* The same for a publisher inside a section (EXEC, a script): it leaves when pubsub_let_go is
 * called, which can't fail. Whoever subscribes meanwhile may get it. */
enum larder_status pubsub_hold(struct server_thread *from, enum channel_kind kind,
                               struct slice channel, struct slice message,
                               uint64_t *out_receivers) LARDER_NODISCARD;
/* Publish what the thread has held, in order. The section has ended. */
void pubsub_let_go(struct server_thread *thread);

/* ---- what there is: any thread ---- */

/* Channels (or distinct patterns) with subscribers. */
uint64_t pubsub_channel_count(const struct server *server, enum channel_kind kind);
uint64_t pubsub_subscriber_count(const struct server *server, enum channel_kind kind,
                                 struct slice name);
/* Each channel with subscribers; plain or shard. Called under CHANNEL_LOCK. */
typedef void (*pubsub_visitor)(void *context, struct slice name);
void pubsub_visit(const struct server *server, enum channel_kind kind, pubsub_visitor visitor,
                  void *context);

#endif
