/* SPDX-License-Identifier: BSD-3-Clause */
/* Merging replies. Elements are taken out of the parts' replies, not copied. What servers send is
 * checked: a reply of another shape than the command promises is an error. */
#include "client/cluster_spread.h"
#include "client/reply.h"

#include <string.h>

static valkeyReply *take(struct spread_part *part) {
    valkeyReply *reply = part->reply;
    part->reply = NULL;
    return reply;
}

static valkeyReply *unexpected(struct cluster *cluster) {
    (void)cluster_fail(cluster, VALKEY_ERR_PROTOCOL, "Replies of nodes don't fit together");
    return NULL;
}

static bool is_aggregate(const valkeyReply *reply) {
    return reply->type == VALKEY_REPLY_ARRAY || reply->type == VALKEY_REPLY_SET ||
           reply->type == VALKEY_REPLY_MAP;
}

/* An aggregate of `count` elements that are still missing. NULL: cc->err is set. */
static valkeyReply *make_array(struct cluster *cluster, int type, size_t count) {
    struct reply_builder builder;
    valkeyReply *reply = NULL;
    if (count < SIZE_MAX / 2 / sizeof(valkeyReply *))
        reply = reply_build_root(&builder, type, count * sizeof(valkeyReply *));
    if (reply == NULL) {
        (void)cluster_fail_memory(cluster);
        return NULL;
    }
    if (count > 0) {
        reply->element = reply_build_bytes(&builder, count * sizeof(valkeyReply *));
        memset(reply->element, 0, count * sizeof(valkeyReply *));
        reply->elements = count;
    }
    reply_build_finish(&builder);
    return reply;
}

/* The value of each key to the key's place in the command. */
static valkeyReply *merge_by_key(struct cluster *cluster, struct spread_plan *plan) {
    valkeyReply *merged = make_array(cluster, VALKEY_REPLY_ARRAY, plan->key_count);
    for (size_t i = 0; merged != NULL && i < plan->part_count; i++) {
        const struct spread_part *part = &plan->parts[i];
        if (part->reply->type != VALKEY_REPLY_ARRAY || part->reply->elements != part->key_count) {
            freeReplyObject(merged);
            return unexpected(cluster);
        }
        for (size_t j = 0; j < part->key_count; j++) {
            merged->element[plan->order[part->first_key + j]] = part->reply->element[j];
            part->reply->element[j] = NULL;
        }
    }
    return merged;
}

static valkeyReply *merge_none(struct cluster *cluster, struct spread_plan *plan) {
    valkeyReply *merged = make_array(cluster, VALKEY_REPLY_ARRAY, plan->part_count);
    for (size_t i = 0; merged != NULL && i < plan->part_count; i++)
        merged->element[i] = take(&plan->parts[i]);
    return merged;
}

static valkeyReply *merge_arrays(struct cluster *cluster, struct spread_plan *plan) {
    size_t count = 0, at = 0;
    for (size_t i = 0; i < plan->part_count; i++) {
        const valkeyReply *reply = plan->parts[i].reply;
        if (!is_aggregate(reply) || reply->type != plan->parts[0].reply->type)
            return merge_none(cluster, plan);
        count += reply->elements;
    }
    valkeyReply *merged = make_array(cluster, plan->parts[0].reply->type, count);
    for (size_t i = 0; merged != NULL && i < plan->part_count; i++) {
        const valkeyReply *reply = plan->parts[i].reply;
        for (size_t j = 0; j < reply->elements; j++) {
            merged->element[at++] = reply->element[j];
            reply->element[j] = NULL;
        }
    }
    return merged;
}

static long long combine(enum merge merge, long long a, long long b) {
    long long sum;
    switch (merge) {
    case MERGE_MIN: return a < b ? a : b;
    case MERGE_MAX: return a > b ? a : b;
    case MERGE_AND: return a != 0 && b != 0;
    case MERGE_OR: return a != 0 || b != 0;
    default: return __builtin_add_overflow(a, b, &sum) ? a : sum;
    }
}

/* Fold `from` into `into`: integers, or arrays of as many integers. */
static bool fold(enum merge merge, valkeyReply *into, const valkeyReply *from) {
    if (into->type == VALKEY_REPLY_INTEGER && from->type == VALKEY_REPLY_INTEGER) {
        into->integer = combine(merge, into->integer, from->integer);
        return true;
    }
    if (into->type != VALKEY_REPLY_ARRAY || from->type != VALKEY_REPLY_ARRAY ||
        into->elements != from->elements)
        return false;
    for (size_t i = 0; i < into->elements; i++) {
        valkeyReply *element = into->element[i];
        const valkeyReply *other = from->element[i];
        if (element->type != VALKEY_REPLY_INTEGER || other->type != VALKEY_REPLY_INTEGER)
            return false;
        element->integer = combine(merge, element->integer, other->integer);
    }
    return true;
}

static valkeyReply *merge_numbers(struct cluster *cluster, struct spread_plan *plan) {
    for (size_t i = 1; i < plan->part_count; i++)
        if (!fold(plan->merge, plan->parts[0].reply, plan->parts[i].reply))
            return unexpected(cluster);
    return take(&plan->parts[0]);
}

/* The first reply that is an error, or is none. NULL: there is no such. */
static struct spread_part *find(const struct spread_plan *plan, bool is_error) {
    for (size_t i = 0; i < plan->part_count; i++)
        if ((plan->parts[i].reply->type == VALKEY_REPLY_ERROR) == is_error)
            return &plan->parts[i];
    return NULL;
}

valkeyReply *spread_merge(struct cluster *cluster, struct spread_plan *plan) {
    if (plan->part_count == 1 && plan->merge != MERGE_NONE)
        return take(&plan->parts[0]);
    struct spread_part *error = find(plan, true), *success = find(plan, false);
    if (plan->merge == MERGE_ONE_SUCCEEDED && success != NULL)
        return take(success);
    if (error != NULL)
        return take(error);
    switch (plan->merge) {
    case MERGE_NONE:
        return plan->parts[0].node == NULL ? take(&plan->parts[0]) : merge_none(cluster, plan);
    case MERGE_ARRAYS:
        return plan->key_count > 0 ? merge_by_key(cluster, plan) : merge_arrays(cluster, plan);
    case MERGE_ALL_SUCCEEDED:
    case MERGE_ONE_SUCCEEDED: return take(&plan->parts[0]);
    default: return merge_numbers(cluster, plan);
    }
}
