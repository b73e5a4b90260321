/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread that is held up, by a slow script that it runs or by one that holds a lock it waits for,
 * serves its connections nonetheless: commands that are marked allow_busy run, others are answered
 * -BUSY. So a script can be stopped whichever thread a client happens to be connected to. */
#ifndef LARDER_SERVER_BUSY_H
#define LARDER_SERVER_BUSY_H

#include "server/session.h"

/* Serve what has come for the thread. Between two commands of a script, or while waiting for a
 * lock. The thread itself; does nothing inside itself. */
void busy_poll(struct server_thread *thread);
/* The thread of the node's listener that called: node_listener.stalled. */
void busy_stalled(struct server *server);

/* Whether a script is slow on any thread; never with a busy-reply-threshold of 0. */
bool busy_has_slow_script(const struct server *server);
/* Whether a command may run while its thread is held up. */
bool busy_allows(const struct command_spec *spec);
/* Whether the command needs partitions that a slow script may hold, without being one that
 * node_execute runs: SCAN, FLUSHALL ... With may_wait those that look at keys wait until the
 * scripts that run have ended, or one of them is slow. */
bool busy_holds_up(const struct server *server, const struct command_spec *spec, bool may_wait);
/* Write the error that names the command which ends what holds the thread up. */
void busy_reply(struct reply *reply, bool is_function);
/* The same for a command that may not run. */
void busy_refuse(const struct server_thread *thread, struct reply *reply);

#endif
