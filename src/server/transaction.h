/* SPDX-License-Identifier: BSD-3-Clause */
/* MULTI, EXEC, DISCARD, WATCH, UNWATCH. A session in MULTI queues copies of its commands; EXEC runs
 * them in one section of the node, which holds the partitions of all their keys and of the watched
 * ones. The session's thread only. */
#ifndef LARDER_SERVER_TRANSACTION_H
#define LARDER_SERVER_TRANSACTION_H

#include "server/session.h"

/* Whether MULTI queues the command instead of running it. */
bool transaction_takes(const struct command_spec *spec);
/* Queue it and reply QUEUED; without memory the error, and the transaction is spoilt. */
void transaction_queue(struct server_thread *thread, struct session *session,
                       const struct command_input *input);
/* A command was refused, its error stands in the reply from `begin` on: EXEC will not run anything.
 * When it was EXEC itself, the transaction, if any, is over and the error says so. */
void transaction_spoil(struct session *session, const struct command_spec *spec,
                       struct reply_mark begin);
/* Among the queued commands one that needs memory, or else one that writes, or else any; EXEC's own
 * spec when none is queued. */
const struct command_spec *transaction_heaviest(const struct session *session);
/* Leave MULTI, forget the queue and the watched keys. */
void transaction_discard(struct session *session);

#endif
