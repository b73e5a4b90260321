/* SPDX-License-Identifier: BSD-3-Clause */
/* Keyspace events as publications:
 *
 *   __keyspace@<database>__:<key>     message: the event's name, with the letter K
 *   __keyevent@<database>__:<event>   message: the key, with the letter E
 *
 * They leave while the key's partition is locked, so that those of a key come in the order of its
 * changes. One that finds no memory is lost, as publications are for whoever is not there; INFO
 * counts them, and the log tells of the first ones. */
#ifndef LARDER_SERVER_NOTIFICATIONS_H
#define LARDER_SERVER_NOTIFICATIONS_H

#include "server/server.h"

/* `events`: enum notice_interest and enum config_events. */
void notifications_set(struct server *server, uint32_t events);

/* node_listener.event; the context is the server. */
void notifications_publish(void *context, struct node_thread *thread, uint32_t database,
                           uint32_t class, const char *event, struct slice key);

/* Every 100 ms, by the first thread: tell the log of lost events, once. */
void notifications_tick(struct server *server);

#endif
