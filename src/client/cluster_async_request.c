/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on their way through an asynchronous cluster. What can't be served just now waits in a
 * list; the timer of some connection brings it back. An event loop without timers gets it sent
 * again at once. */
#include "client/cluster_async.h"

#include "client/async_internal.h"
#include "client/cluster_read.h"
#include "client/command_text.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

static void on_answer(valkeyAsyncContext *ac, void *data, void *privdata);

static void unlink_request(struct async_request **list, const struct async_request *request) {
    while (*list != NULL && *list != request)
        list = &(*list)->next;
    if (*list != NULL)
        *list = request->next;
}

/* The last reply of a request that is in no list. */
static void finish(struct async_request *request, void *reply) {
    struct cluster *cluster = request->cluster;
    struct async_reply_to to = request->to;
    cluster->async.pending -= request->channels == 0;
    vk_free(request);
    if (to.fn != NULL)
        to.fn(async_context_of(cluster), reply, to.privdata);
}

static void on_zone(valkeyAsyncContext *ac, void *data, void *privdata) {
    (void)privdata;
    read_take_zone(ac->data, data);
}

/* What a node is told or asked before it gets a read. */
static int send_before_read(struct cluster_node *node, valkeyAsyncContext *ac) {
    if (!node->is_readonly && valkeyAsyncFormattedCommand(ac, NULL, NULL, READ_READONLY,
                                                          sizeof READ_READONLY - 1) != VALKEY_OK)
        return VALKEY_ERR;
    node->is_readonly = true;
    if (!read_wants_zone(node))
        return VALKEY_OK;
    node->is_zone_asked = true;
    return valkeyAsyncFormattedCommand(ac, on_zone, NULL, READ_INFO, sizeof READ_INFO - 1);
}

/* VALKEY_ERR: cc->err is set, the request is where it was. */
static int send_to(struct cluster *cluster, struct cluster_node *node,
                   struct async_request *request, bool is_asking) {
    valkeyAsyncContext *ac = async_node_connect(cluster, node);
    if (ac == NULL)
        return VALKEY_ERR;
    if (ac->replies.head == NULL && ac->c.flags & VALKEY_CONNECTED) {
        node_timing_arm(node);
        node_timing_start(node);
    }
    if ((!request->is_read || send_before_read(node, ac) == VALKEY_OK) &&
        (!is_asking || valkeyAsyncFormattedCommand(ac, NULL, NULL, CLUSTER_ASKING,
                                                   sizeof CLUSTER_ASKING - 1) == VALKEY_OK) &&
        valkeyAsyncFormattedCommand(ac, on_answer, request, request->command, request->size) ==
            VALKEY_OK) {
        request->on = ac;
        node->statistics.commands++;
        if (request->channels > 0) {
            request->next = cluster->async.streams;
            cluster->async.streams = request;
        }
        return VALKEY_OK;
    }
    /* The connection is in error: have its next event end it. */
    event_add_write(ac);
    return cluster_fail(cluster, ac->c.err, ac->c.errstr);
}

static int send_by_slot(struct cluster *cluster, struct async_request *request) {
    valkeyClusterNode *node = cluster->context.table[request->slot];
    if (node == NULL)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "slot not served by any node");
    struct cluster_node *primary = (struct cluster_node *)(void *)node;
    struct cluster_node *chosen = request->is_read ? read_choose(cluster, primary) : primary;
    while (chosen != primary && async_node_connect(cluster, chosen) == NULL) {
        read_avoid(chosen);
        chosen = read_choose(cluster, primary);
    }
    return send_to(cluster, chosen, request, false);
}

struct shape {
    bool is_silent; /* its callback will not be called */
    int channels;   /* of a stream */
};

static struct shape shape_of(const char *command, size_t size) {
    struct command_cursor words;
    const char *name;
    size_t name_size;
    struct shape shape = {0};
    if (!command_cursor_open(&words, command, size) ||
        !command_cursor_next(&words, &name, &name_size))
        return shape;
    bool has_prefix = name_size == 10 || name_size == 12; /* of patterns and shards */
    const char *verb = name + has_prefix;
    size_t verb_size = name_size - has_prefix;
    if (verb_size == 7 && strncasecmp(verb, "MONITOR", 7) == 0)
        shape.channels = 1;
    else if (verb_size == 9 && strncasecmp(verb, "SUBSCRIBE", 9) == 0)
        shape.channels = words.count > 1 ? (int)words.count - 1 : 0;
    else if (verb_size == 11 && strncasecmp(verb, "UNSUBSCRIBE", 11) == 0)
        shape.is_silent = true;
    return shape;
}

/* Confirmations of an UNSUBSCRIBE go to the callbacks of the channels. */
static int send_unsubscribe(struct cluster *cluster, struct cluster_node *node, int slot,
                            const char *command, size_t size) {
    valkeyClusterNode *target = node != NULL ? &node->base : cluster->context.table[slot];
    if (target == NULL)
        return cluster_fail(cluster, VALKEY_ERR_OTHER, "slot not served by any node");
    valkeyAsyncContext *ac = async_node_connect(cluster, (struct cluster_node *)(void *)target);
    if (ac == NULL)
        return VALKEY_ERR;
    if (valkeyAsyncFormattedCommand(ac, NULL, NULL, command, size) == VALKEY_OK)
        return VALKEY_OK;
    event_add_write(ac);
    return cluster_fail(cluster, ac->c.err, ac->c.errstr);
}

int async_request_start(struct cluster *cluster, struct cluster_node *node, int slot,
                        const struct async_reply_to *to, const char *command, size_t size) {
    struct shape shape = shape_of(command, size);
    if (shape.is_silent)
        return send_unsubscribe(cluster, node, slot, command, size);
    struct async_request *request = size > SIZE_MAX / 2 ? NULL : vk_malloc(sizeof *request + size);
    if (request == NULL)
        return cluster_fail_memory(cluster);
    *request = (struct async_request){.cluster = cluster,
                                      .slot = node != NULL ? -1 : slot,
                                      .channels = shape.channels,
                                      .to = *to,
                                      .size = size};
    request->is_read =
        node == NULL && shape.channels == 0 && read_may_choose(cluster, command, size);
    memcpy(request->command, command, size);
    int result =
        node != NULL ? send_to(cluster, node, request, false) : send_by_slot(cluster, request);
    if (result == VALKEY_OK)
        cluster->async.pending += shape.channels == 0;
    else
        vk_free(request);
    return result;
}

static void resend(struct cluster *cluster, struct async_request *request) {
    unlink_request(&cluster->async.waiting, request);
    if (send_by_slot(cluster, request) != VALKEY_OK)
        finish(request, NULL);
}

/* The first that waits until `now_ms` at most. */
static struct async_request *find_due(const struct cluster *cluster, long long now_ms) {
    struct async_request *at = cluster->async.waiting;
    while (at != NULL && at->retries.at_ms > now_ms)
        at = at->next;
    return at;
}

static void on_wake(valkeyAsyncContext *ac) {
    struct cluster *cluster = ((struct cluster_node *)ac->data)->cluster;
    async_cluster_enter(cluster);
    async_requests_resend(cluster);
    async_cluster_leave(cluster);
}

/* Have some connection's timer call when the next one is due. */
static bool set_timer(struct cluster *cluster) {
    long long next_ms = LLONG_MAX;
    for (const struct async_request *at = cluster->async.waiting; at != NULL; at = at->next)
        if (at->retries.at_ms < next_ms)
            next_ms = at->retries.at_ms;
    for (size_t i = 0; i < cluster->node_count; i++) {
        valkeyAsyncContext *ac = async_node_usable(cluster->nodes[i]);
        if (ac != NULL && async_wake_at(ac, next_ms, on_wake))
            return true;
    }
    return false;
}

void async_requests_resend(struct cluster *cluster) {
    long long now_ms = clock_now_ms();
    struct async_request *due;
    while ((due = find_due(cluster, now_ms)) != NULL)
        resend(cluster, due);
    if (cluster->async.waiting == NULL || set_timer(cluster))
        return;
    while ((due = find_due(cluster, LLONG_MAX)) != NULL)
        resend(cluster, due);
}

void async_requests_abandon(struct cluster *cluster) {
    struct async_request *request;
    while ((request = cluster->async.waiting) != NULL) {
        cluster->async.waiting = request->next;
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "disconnecting");
        finish(request, NULL);
    }
}

void async_streams_end(struct cluster *cluster) {
    struct async_request **link = &cluster->async.streams;
    while (*link != NULL) {
        struct async_request *request = *link;
        if (request->on->c.flags & VALKEY_FREEING) {
            *link = request->next;
            vk_free(request);
        } else {
            link = &request->next;
        }
    }
}

/* Send the request again after a while, if there is time left for that. */
static int put_off(struct cluster *cluster, struct async_request *request) {
    if (!retries_put_off(cluster, &request->retries))
        return VALKEY_ERR;
    request->next = cluster->async.waiting;
    cluster->async.waiting = request;
    async_requests_resend(cluster);
    return VALKEY_OK;
}

/* Do what an error about the cluster asks for. VALKEY_ERR: cc->err is set. */
static int try_again(struct cluster *cluster, struct cluster_node *from,
                     struct async_request *request, const char *text, enum cluster_error error) {
    if (error == CLUSTER_ERROR_DOWN)
        async_map_want(cluster, from);
    if (error != CLUSTER_ERROR_MOVED && error != CLUSTER_ERROR_ASK) {
        from->statistics.retries++;
        cluster_log(cluster, VALKEY_LOG_DEBUG, "%s answered %s", from->base.addr, text);
        return put_off(cluster, request);
    }
    struct cluster_node *node = cluster_follow(cluster, from, text, error, &request->retries);
    if (node == NULL)
        return VALKEY_ERR;
    if (error == CLUSTER_ERROR_MOVED)
        async_map_want(cluster, from);
    if (retries_are_many(&request->retries))
        return put_off(cluster, request);
    return send_to(cluster, node, request, error == CLUSTER_ERROR_ASK);
}

/* Whether a channel of a stream ends with this reply. */
static bool is_end(const valkeyReply *reply) {
    static const char UNSUBSCRIBE[] = "unsubscribe";
    if (reply == NULL)
        return true;
    if (reply->elements == 0 || reply->element[0]->str == NULL)
        return false;
    const char *word = reply->element[0]->str;
    return strcmp(word, UNSUBSCRIBE) == 0 ||
           (word[0] != '\0' && strcmp(word + 1, UNSUBSCRIBE) == 0);
}

static void continue_stream(struct cluster *cluster, struct async_request *request,
                            valkeyReply *reply) {
    bool is_over = reply != NULL && reply->type == VALKEY_REPLY_ERROR;
    if (is_over || (is_end(reply) && --request->channels == 0)) {
        request->channels = 1; /* a stream still */
        unlink_request(&cluster->async.streams, request);
        finish(request, reply);
    } else if (request->to.fn != NULL) {
        request->to.fn(async_context_of(cluster), reply, request->to.privdata);
    }
}

/* A read whose replica failed is asked of whoever is there. False: nobody is. */
static bool ask_another(struct cluster *cluster, struct cluster_node *from,
                        struct async_request *request) {
    if (!request->is_read || from->base.role != VALKEY_ROLE_REPLICA ||
        async_cluster_is_ending(cluster) ||
        ++request->retries.redirects > cluster->context.max_retry_count)
        return false;
    read_avoid(from);
    return send_by_slot(cluster, request) == VALKEY_OK;
}

static void handle_answer(struct cluster *cluster, valkeyAsyncContext *ac,
                          struct async_request *request, valkeyReply *reply) {
    enum cluster_error error = CLUSTER_ERROR_NONE;
    if (reply != NULL && reply->type == VALKEY_REPLY_ERROR && request->slot >= 0)
        error = cluster_error_of(reply->str);
    if (reply == NULL && ac->err != 0 && ac->err != VALKEY_ERR_TIMEOUT &&
        ask_another(cluster, ac->data, request))
        return;
    if (error != CLUSTER_ERROR_NONE) {
        if (request->channels > 0)
            unlink_request(&cluster->async.streams, request);
        if (try_again(cluster, ac->data, request, reply->str, error) != VALKEY_OK)
            finish(request, NULL);
    } else if (request->channels > 0) {
        continue_stream(cluster, request, reply);
    } else {
        connection_of(&ac->c)->async.is_reply_taken = reply != NULL && request->to.takes_reply;
        finish(request, reply);
    }
}

static void on_answer(valkeyAsyncContext *ac, void *data, void *privdata) {
    struct async_request *request = privdata;
    struct cluster *cluster = request->cluster;
    async_cluster_enter(cluster);
    if (data != NULL)
        node_timing_end(ac->data);
    if (data == NULL && ac->err != 0) {
        async_map_want(cluster, NULL);
        (void)cluster_fail(cluster, ac->err, ac->errstr);
    } else if (data == NULL) {
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "disconnecting");
    } else {
        cluster_clear_error(cluster);
    }
    handle_answer(cluster, ac, request, data);
    async_cluster_leave(cluster);
}
