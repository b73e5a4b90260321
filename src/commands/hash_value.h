/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes as commands meet them. Private to src/commands. */
#ifndef LARDER_COMMANDS_HASH_VALUE_H
#define LARDER_COMMANDS_HASH_VALUE_H

#include "commands/call.h"
#include "ds/hash.h"

/* The time as of which fields have expired. An effect is applied without regard to time. */
static inline int64_t hash_now(const struct call *call) {
    return (call->flags & CALL_APPLY) != 0 ? 0 : call->thread->now_ms;
}

/* The hash at the first key, for reading; *out NULL: there is none. False: WRONGTYPE was replied.
 */
static inline bool hash_read(struct call *call, const struct object **out) REQUIRES(PARTITION_LOCK);
static inline bool hash_read(struct call *call, const struct object **out) {
    return call_read_object(call, &call->key, OBJECT_HASH, out);
}

/* A field of a hash, which may be NULL. */
static inline bool hash_find(struct call *call, const struct object *hash, struct slice field,
                             uint8_t *scratch, struct hash_pair *out) {
    return hash != NULL && hash_get(hash, call_objects(call), field, hash_now(call), scratch, out);
}

/* Emit HSET key field value, with the expiry time unless it is 0. */
void hash_effect_set(struct call *call, struct slice field, struct slice value, int64_t expiry_ms);

#endif
