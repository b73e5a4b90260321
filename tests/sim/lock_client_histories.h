/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients of locks saw, per lock and per partition, and what of it is remembered over rounds.
 * For lock_clients.c. */
#ifndef LARDER_TESTS_SIM_LOCK_CLIENT_HISTORIES_H
#define LARDER_TESTS_SIM_LOCK_CLIENT_HISTORIES_H

#include "sim/lock_clients.h"

struct slice lock_clients_name(uint32_t lock, uint8_t out[LOCK_NAME_BYTES]);
/* The first key is in the lock's partition, the second anywhere. */
struct slice lock_clients_key(uint32_t lock, uint32_t key, uint8_t out[LOCK_NAME_BYTES]);
/* Where the command goes. */
uint32_t lock_clients_partition_of(const struct lock_clients *clients,
                                   const struct lock_client_command *command);

void lock_events_add(struct lock_event_list *list, const struct lock_event *event);
/* The client's command has returned; INT64_MAX: what became of it is not known. */
void lock_client_note(struct lock_client *client, int64_t return_us);
void lock_clients_print(const struct lock_clients *clients, const struct lock_event_list *list,
                        const char *what, uint32_t number);
/* A round begins: with what is known of the ones before. */
void lock_clients_recall(struct lock_clients *clients);
/* Check, remember and recall. */
void lock_clients_check_histories(struct lock_clients *clients);

#endif
