/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading fields, by name or all. */
#include "commands/functions.h"
#include "commands/hash_value.h"

enum larder_status command_hget(struct call *call) {
    const struct object *hash;
    struct hash_pair pair;
    uint8_t scratch[INT64_TEXT_MAX];
    if (!hash_read(call, &hash))
        return LARDER_OK;
    if (hash_find(call, hash, call->argv[2], scratch, &pair))
        reply_bulk(call->reply, pair.value);
    else
        reply_null(call->reply);
    return LARDER_OK;
}

enum larder_status command_hmget(struct call *call) {
    const struct object *hash;
    struct hash_pair pair;
    uint8_t scratch[INT64_TEXT_MAX];
    if (!hash_read(call, &hash))
        return LARDER_OK;
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        if (hash_find(call, hash, call->argv[i], scratch, &pair))
            reply_bulk(call->reply, pair.value);
        else
            reply_null(call->reply);
    }
    return LARDER_OK;
}

enum larder_status command_hexists(struct call *call) {
    const struct object *hash;
    struct hash_pair pair;
    uint8_t scratch[INT64_TEXT_MAX];
    if (hash_read(call, &hash))
        reply_integer(call->reply, hash_find(call, hash, call->argv[2], scratch, &pair));
    return LARDER_OK;
}

enum larder_status command_hstrlen(struct call *call) {
    const struct object *hash;
    struct hash_pair pair;
    uint8_t scratch[INT64_TEXT_MAX];
    if (!hash_read(call, &hash))
        return LARDER_OK;
    bool is_there = hash_find(call, hash, call->argv[2], scratch, &pair);
    reply_integer(call->reply, is_there ? (int64_t)pair.value.size : 0);
    return LARDER_OK;
}

enum larder_status command_hlen(struct call *call) {
    const struct object *hash;
    if (hash_read(call, &hash))
        reply_integer(call->reply, hash != NULL ? (int64_t)hash_length(hash, hash_now(call)) : 0);
    return LARDER_OK;
}

enum parts { PART_FIELD = 1, PART_VALUE = 2 };

REQUIRES(PARTITION_LOCK)
static enum larder_status reply_all(struct call *call, unsigned parts) {
    const struct object *hash;
    if (!hash_read(call, &hash))
        return LARDER_OK;
    int64_t now_ms = hash_now(call);
    size_t length = hash != NULL ? hash_length(hash, now_ms) : 0;
    if (parts == (PART_FIELD | PART_VALUE))
        reply_map(call->reply, length);
    else
        reply_array(call->reply, length);
    if (hash == NULL)
        return LARDER_OK;
    struct hash_walk walk;
    struct hash_pair pair;
    for (hash_walk_begin(&walk, hash, now_ms); hash_next(&walk, &pair);) {
        if ((parts & PART_FIELD) != 0)
            reply_bulk(call->reply, pair.field);
        if ((parts & PART_VALUE) != 0)
            reply_bulk(call->reply, pair.value);
    }
    return LARDER_OK;
}

enum larder_status command_hgetall(struct call *call) {
    return reply_all(call, PART_FIELD | PART_VALUE);
}

enum larder_status command_hkeys(struct call *call) {
    return reply_all(call, PART_FIELD);
}

enum larder_status command_hvals(struct call *call) {
    return reply_all(call, PART_VALUE);
}
