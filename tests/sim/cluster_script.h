/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of scripts about whole members (scenarios_*.c): who is who, what clients do. Every
 * partition has three replicas unless the script's subject says otherwise. */
#ifndef LARDER_TESTS_SIM_CLUSTER_SCRIPT_H
#define LARDER_TESTS_SIM_CLUSTER_SCRIPT_H

#include "sim/cluster_data.h"
#include "sim/lock_clients.h"
#include "sim/scenario.h"

/* Keys of one kind each (register_clients.h); NONE: no machine. */
enum { KEY = 1, OTHER_KEY = 2, EXPIRING = 3, COUNTER = 4, SET_KEY = 6 };
static const uint32_t NONE = UINT32_MAX;

/* A row of a list of scripts. */
#define CLUSTER_SCRIPT(name, about, function)                                                      \
    { name, about, function, &CLUSTER_SCRIPT_SUBJECT }

/* NULL: it is down or recovers. */
struct cluster_member *script_member_at(const struct scenario *s, uint32_t machine);
/* The machine of the member of this number. */
uint32_t script_machine_of(const struct scenario *s, uint32_t number);
uint32_t script_partition_of(const struct scenario *s, uint64_t key);
/* The newest that any member applied. */
const struct partition_config *script_config_of(const struct scenario *s, uint64_t key);
uint32_t script_primary_of(const struct scenario *s, uint64_t key);
/* The n-th in-sync backup. */
uint32_t script_backup_of(const struct scenario *s, uint64_t key, uint32_t which);
/* NULL: none. */
const struct partition_replica *script_replica_at(const struct scenario *s, uint32_t machine,
                                                  uint64_t key);
bool script_has_role(const struct scenario *s, uint32_t machine, uint64_t key,
                     enum replica_role role);
/* Until some machine has the role; NONE: nobody within `ms`. */
void script_wait_for_role(struct scenario *s, uint64_t key, enum replica_role role, int64_t ms,
                          uint32_t *out);

/* Ask the primary until it answers. */
bool script_ask(struct scenario *s, uint64_t key, enum operation_kind kind, uint64_t a, int64_t ms,
                struct scenario_answer *out);
/* A write that must be acknowledged within `ms`. */
void script_write(struct scenario *s, uint64_t key, uint64_t value, int64_t ms, const char *what);
/* The same of a key that expires. */
void script_write_for(struct scenario *s, uint64_t key, uint64_t value, uint32_t ttl_ms);
void script_expect_value(struct scenario *s, uint64_t key, uint64_t value);

/* A request about a lock in KEY's partition, to its primary until it is answered; by one of the
 * clients of locks. */
const struct lock_client *script_ask_lock(struct scenario *s, uint32_t client,
                                          const struct lock_client_command *command);
/* A lock in the key's partition. */
uint32_t script_lock_beside(struct scenario *s, uint64_t key);

/* All processes anew, before they are a cluster: settings were changed. */
void script_restart(struct scenario *s);
/* A new cluster has settled, and KEY is 10. */
void script_begin(struct scenario *s);
/* Everybody starts, all is available again, and KEY is `value`. */
void script_end(struct scenario *s, uint64_t value);

#endif
