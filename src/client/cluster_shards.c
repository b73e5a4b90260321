/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer to CLUSTER SHARDS: per shard its slots and its nodes with their roles and whether they
 * are well, each as names and values, in RESP2 as arrays and in RESP3 as maps. */
#include "client/cluster_ranges.h"

#include <string.h>

enum { PORT_MAX = 65535 };

struct member {
    struct address address;
    bool is_primary, is_well;
};

static bool is_list(const valkeyReply *reply) {
    return reply != NULL && (reply->type == VALKEY_REPLY_ARRAY || reply->type == VALKEY_REPLY_MAP);
}

/* The value of that name; NULL: there is none. */
static const valkeyReply *value_of(const valkeyReply *pairs, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        const valkeyReply *found = pairs->element[i];
        if (found->str != NULL && found->len == size && memcmp(found->str, name, size) == 0)
            return pairs->element[i + 1];
    }
    return NULL;
}

static bool says(const valkeyReply *pairs, const char *name, const char *text) {
    const valkeyReply *value = value_of(pairs, name);
    return value != NULL && value->str != NULL && strcmp(value->str, text) == 0;
}

/* The port for TLS or for plain connections, or the one that there is. 0: none. */
static int port_of(const valkeyReply *node, bool wants_tls) {
    const valkeyReply *first = value_of(node, wants_tls ? "tls-port" : "port");
    const valkeyReply *second = value_of(node, wants_tls ? "port" : "tls-port");
    const valkeyReply *port = first != NULL ? first : second;
    if (port == NULL || port->type != VALKEY_REPLY_INTEGER || port->integer < 1 ||
        port->integer > PORT_MAX)
        return 0;
    return (int)port->integer;
}

static bool read_member(const struct cluster_node *from, const valkeyReply *node, bool wants_tls,
                        struct member *out) {
    if (!is_list(node))
        return false;
    const valkeyReply *host = value_of(node, "endpoint");
    int port = port_of(node, wants_tls);
    if (host == NULL || port == 0 ||
        (host->type != VALKEY_REPLY_STRING && host->type != VALKEY_REPLY_NIL))
        return false;
    *out = (struct member){
        .address = address_of(from, host->str, host->str == NULL ? 0 : host->len, port),
        .is_primary = says(node, "role", "master") || says(node, "role", "primary"),
        .is_well = !says(node, "health", "fail") && !says(node, "health", "failed")};
    return true;
}

/* The index of who serves the slots: a primary that is well, or any. False: malformed. *out is
 * SIZE_MAX if there is none. */
static bool find_primary(const struct cluster_node *from, const valkeyReply *nodes, bool wants_tls,
                         size_t *out) {
    struct member member;
    bool is_well = false;
    *out = SIZE_MAX;
    for (size_t i = 0; i < nodes->elements; i++) {
        if (!read_member(from, nodes->element[i], wants_tls, &member))
            return false;
        if (!member.is_primary || (*out != SIZE_MAX && (is_well || !member.is_well)))
            continue;
        *out = i;
        is_well = member.is_well;
    }
    return true;
}

/* A range per pair of slots, all of the same primary. */
static enum add_result add_slots(const valkeyReply *slots, struct address address,
                                 struct ranges *ranges) {
    for (size_t i = 0; i + 1 < slots->elements; i += 2) {
        const valkeyReply *start = slots->element[i], *end = slots->element[i + 1];
        if (start->type != VALKEY_REPLY_INTEGER || end->type != VALKEY_REPLY_INTEGER ||
            start->integer < 0 || end->integer < start->integer ||
            end->integer >= VALKEYCLUSTER_SLOTS)
            return ADD_MALFORMED;
        enum add_result result = ranges_add(ranges, (struct range){.address = address,
                                                                   .start = (int)start->integer,
                                                                   .end = (int)end->integer,
                                                                   .primary = RANGES_NO_PRIMARY});
        if (result != ADDED)
            return result;
    }
    return slots->elements % 2 == 0 ? ADDED : ADD_MALFORMED;
}

/* Replicas that are well, of the primary whose first range is at `primary`. */
static enum add_result add_replicas(const struct cluster_node *from, const valkeyReply *nodes,
                                    bool wants_tls, size_t primary, struct ranges *ranges) {
    struct member member;
    for (size_t i = 0; i < nodes->elements; i++) {
        if (!read_member(from, nodes->element[i], wants_tls, &member))
            return ADD_MALFORMED;
        if (member.is_primary || !member.is_well)
            continue;
        enum add_result result = ranges_add(ranges, (struct range){.address = member.address,
                                                                   .start = -1,
                                                                   .end = -1,
                                                                   .is_replica = true,
                                                                   .primary = primary});
        if (result != ADDED)
            return result;
    }
    return ADDED;
}

enum add_result ranges_read_shards(const struct cluster_node *from, const valkeyReply *reply,
                                   bool wants_replicas, bool wants_tls, struct ranges *ranges) {
    for (size_t i = 0; i < reply->elements; i++) {
        const valkeyReply *shard = reply->element[i];
        const valkeyReply *slots = is_list(shard) ? value_of(shard, "slots") : NULL;
        const valkeyReply *nodes = is_list(shard) ? value_of(shard, "nodes") : NULL;
        size_t primary, first = ranges->count;
        struct member member;
        if (!is_list(slots) || !is_list(nodes) || !find_primary(from, nodes, wants_tls, &primary))
            return ADD_MALFORMED;
        if (slots->elements == 0 || primary == SIZE_MAX)
            continue;
        (void)read_member(from, nodes->element[primary], wants_tls, &member);
        enum add_result result = add_slots(slots, member.address, ranges);
        if (result == ADDED && wants_replicas)
            result = add_replicas(from, nodes, wants_tls, first, ranges);
        if (result != ADDED)
            return result;
    }
    return ADDED;
}
