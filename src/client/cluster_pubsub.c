/* SPDX-License-Identifier: BSD-3-Clause */
/* Subscriptions that follow the cluster: see cluster_pubsub.h. While some can't be placed it is
 * tried again after a delay that doubles, and with each new map. Links are asked for a sign of life
 * as often as a command may take, so that a silent node is noticed. */
#include "client/cluster_pubsub.h"

#include "client/async_internal.h"
#include "client/cluster_read.h"
#include "client/slot.h"

#include <stdlib.h>
#include <string.h>

enum { DELAY_MIN_MS = 20, DELAY_MAX_MS = 1000, KINDS = 3 };

static const char *const SUBSCRIBE[KINDS] = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"};
static const char *const UNSUBSCRIBE[KINDS] = {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"};

static void tell(const struct subscription *subscription, const valkeyClusterMessage *message) {
    if (subscription->fn != NULL)
        subscription->fn(async_context_of(subscription->cluster), message, subscription->privdata);
}

static void tell_event(const struct subscription *subscription, int event,
                       const valkeyReply *text) {
    const valkeyClusterMessage message = {.event = event,
                                          .kind = subscription->kind,
                                          .subscription = subscription->name,
                                          .subscription_size = subscription->size,
                                          .data = text == NULL ? NULL : text->str,
                                          .data_size = text == NULL ? 0 : text->len};
    tell(subscription, &message);
}

/* It is on no link: the last call. */
static void finish(struct subscription *subscription) {
    struct subscription **link = &subscription->cluster->async.subscriptions;
    while (*link != subscription)
        link = &(*link)->next;
    *link = subscription->next;
    tell(subscription, NULL);
    vk_free(subscription);
}

/* The next delay after a try that left some without a place. */
static void put_off(struct cluster_async *async, long long now_ms) {
    async->place_delay_ms *= 2;
    if (async->place_delay_ms < DELAY_MIN_MS)
        async->place_delay_ms = DELAY_MIN_MS;
    if (async->place_delay_ms > DELAY_MAX_MS)
        async->place_delay_ms = DELAY_MAX_MS;
    async->place_at_ms = now_ms + async->place_delay_ms;
}

/* It is not on its link any more. */
static void leave_link(struct subscription *subscription) {
    struct cluster *cluster = subscription->cluster;
    struct cluster_async *async = &cluster->async;
    bool was_confirmed = subscription->is_confirmed;
    if (subscription->on->ac->err != 0)
        read_avoid(subscription->on->node);
    subscription->on = NULL;
    subscription->is_confirmed = false;
    subscription->unsubscribes = 0;
    if (subscription->is_ended || async_cluster_is_ending(cluster)) {
        finish(subscription);
        return;
    }
    if (async->place_at_ms <= clock_now_ms())
        put_off(async, clock_now_ms());
    if (was_confirmed)
        tell_event(subscription, VALKEY_MESSAGE_LOST, NULL);
}

/* The server answered a SUBSCRIBE with an error. */
static void on_refusal(struct subscription *subscription, const valkeyReply *reply) {
    struct cluster *cluster = subscription->cluster;
    enum cluster_error error = cluster_error_of(reply->str);
    struct cluster_node *from = subscription->on->node;
    struct retries retries = {0};
    subscription->on = NULL;
    if (error == CLUSTER_ERROR_NONE && !subscription->is_ended) {
        tell_event(subscription, VALKEY_MESSAGE_REFUSED, reply);
        subscription->is_ended = true;
    }
    if (subscription->is_ended) {
        finish(subscription);
        return;
    }
    if (error == CLUSTER_ERROR_MOVED)
        (void)cluster_follow(cluster, from, reply->str, error, &retries);
    else
        cluster->async.place_at_ms = clock_now_ms() + DELAY_MIN_MS;
    async_map_want(cluster, from);
}

static void on_data(const struct subscription *subscription, const valkeyReply *reply) {
    const valkeyReply *channel = reply->element[reply->elements - 2];
    const valkeyReply *data = reply->element[reply->elements - 1];
    const valkeyClusterMessage message = {.event = VALKEY_MESSAGE_DATA,
                                          .kind = subscription->kind,
                                          .subscription = subscription->name,
                                          .subscription_size = subscription->size,
                                          .channel = channel->str,
                                          .channel_size = channel->len,
                                          .data = data->str,
                                          .data_size = data->len};
    if (channel->str != NULL && data->str != NULL)
        tell(subscription, &message);
}

static void on_unsubscribed(struct subscription *subscription) {
    if (subscription->unsubscribes == 0) {
        /* Nobody asked for that: the slot has left the node. */
        async_map_want(subscription->cluster, subscription->on->node);
        leave_link(subscription);
    } else if (--subscription->unsubscribes == 0 && subscription->is_ended) {
        leave_link(subscription);
    } else {
        /* It was wanted again meanwhile. */
        subscription->is_confirmed = false;
    }
}

static void handle(struct subscription *subscription, const valkeyReply *reply) {
    if (reply == NULL) {
        leave_link(subscription);
    } else if (reply->type == VALKEY_REPLY_ERROR) {
        on_refusal(subscription, reply);
    } else if (strstr(reply->element[0]->str, "unsubscribe") != NULL) {
        on_unsubscribed(subscription);
    } else if (strstr(reply->element[0]->str, "subscribe") != NULL) {
        if (subscription->is_ended || subscription->is_confirmed)
            return;
        subscription->is_confirmed = true;
        subscription->cluster->async.place_delay_ms = 0;
        tell_event(subscription, VALKEY_MESSAGE_SUBSCRIBED, NULL);
    } else if (!subscription->is_ended) {
        on_data(subscription, reply);
    }
}

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    struct subscription *subscription = privdata;
    struct cluster *cluster = subscription->cluster;
    (void)ac;
    async_cluster_enter(cluster);
    handle(subscription, data);
    async_cluster_leave(cluster);
}

static bool send_word(struct subscription *subscription, const char *const *words,
                      valkeyCallbackFn *fn) {
    const char *texts[] = {words[subscription->kind], subscription->name};
    const size_t sizes[] = {strlen(texts[0]), subscription->size};
    valkeyAsyncContext *ac = subscription->on->ac;
    if (valkeyAsyncCommandArgv(ac, fn, subscription, 2, texts, sizes) == VALKEY_OK)
        return true;
    /* The connection is in error: have its next event end it. */
    event_add_write(ac);
    return false;
}

static void on_link_gone(void *data) {
    struct subscription_link *gone = data;
    struct cluster *cluster = gone->node->cluster;
    async_cluster_enter(cluster);
    struct subscription_link **link = &cluster->async.links;
    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    gone->node->connections--;
    cluster->async.connections--;
    vk_free(gone);
    async_cluster_leave(cluster);
}

static void on_link_end(const valkeyAsyncContext *ac, int status) {
    struct cluster_node *node = ((struct subscription_link *)ac->data)->node;
    struct cluster *cluster = node->cluster;
    async_cluster_enter(cluster);
    if (status != VALKEY_OK) {
        read_avoid(node);
        node_note_error(node, ac->err, ac->errstr);
        async_map_want(cluster, NULL);
    }
    async_cluster_leave(cluster);
}

static void on_link_connect(valkeyAsyncContext *ac, int status) {
    on_link_end(ac, status);
}

static struct subscription_link *link_create(struct cluster *cluster, struct cluster_node *node) {
    struct subscription_link *link = vk_calloc(1, sizeof *link);
    valkeyAsyncContext *ac = link == NULL ? NULL : async_node_open(cluster, node);
    if (ac == NULL) {
        vk_free(link);
        return NULL;
    }
    *link = (struct subscription_link){.next = cluster->async.links, .node = node, .ac = ac};
    cluster->async.links = link;
    cluster->async.connections++;
    node->connections++;
    ac->data = link;
    ac->dataCleanup = on_link_gone;
    (void)valkeyAsyncSetConnectCallback(ac, on_link_connect);
    (void)valkeyAsyncSetDisconnectCallback(ac, on_link_end);
    (void)valkeyEnableKeepAlive(&ac->c);
    if (async_node_log_in(cluster, ac) != VALKEY_OK) {
        valkeyAsyncFree(ac);
        return NULL;
    }
    return link;
}

static bool is_usable(const valkeyAsyncContext *ac) {
    return ac->err == 0 && ac->c.err == 0 &&
           !(ac->c.flags & (VALKEY_DISCONNECTING | VALKEY_FREEING));
}

static struct subscription_link *link_of(const struct cluster *cluster,
                                         const struct cluster_node *node) {
    struct subscription_link *link = cluster->async.links;
    while (link != NULL && (!is_usable(link->ac) || (node != NULL && link->node != node)))
        link = link->next;
    return link;
}

/* A primary for what any node may serve, from a random one on; one that just failed is the last
 * choice. */
static struct cluster_node *any_node(const struct cluster *cluster) {
    struct cluster_node *avoided = NULL;
    size_t count = cluster->node_count, first = count == 0 ? 0 : (size_t)random() % count;
    for (size_t i = 0; i < count; i++) {
        struct cluster_node *node = cluster->nodes[(first + i) % count];
        if (!node->is_mapped || node->base.role != VALKEY_ROLE_PRIMARY)
            continue;
        if (node->avoid_until_ms <= clock_now_ms())
            return node;
        avoided = node;
    }
    return avoided;
}

/* The link that is to carry it; NULL: there is none just now. */
static struct subscription_link *find_link(struct cluster *cluster,
                                           const struct subscription *subscription) {
    if (subscription->kind != VALKEY_SUBSCRIBE_SHARD) {
        struct subscription_link *link = link_of(cluster, NULL);
        struct cluster_node *node = link == NULL ? any_node(cluster) : NULL;
        return node == NULL ? link : link_create(cluster, node);
    }
    unsigned slot = slot_of_key(subscription->name, subscription->size);
    struct cluster_node *node = (struct cluster_node *)(void *)cluster->context.table[slot];
    if (node == NULL)
        return NULL;
    struct subscription_link *link = link_of(cluster, node);
    return link != NULL ? link : link_create(cluster, node);
}

static void place(struct subscription *subscription) {
    subscription->on = find_link(subscription->cluster, subscription);
    if (subscription->on != NULL && !send_word(subscription, SUBSCRIBE, on_reply))
        subscription->on = NULL;
}

/* Signs of life are wanted as often as a command may take. */
static long long next_ping_ms(struct cluster *cluster, long long now_ms) {
    struct cluster_async *async = &cluster->async;
    long long after = deadline_after(cluster->context.command_timeout);
    if (after == DEADLINE_NONE || async->links == NULL)
        return -1;
    if (async->ping_at_ms <= now_ms) {
        for (struct subscription_link *link = async->links; link != NULL; link = link->next)
            if (is_usable(link->ac) && link->ac->replies.head == NULL &&
                valkeyAsyncFormattedCommand(link->ac, NULL, NULL, "*1\r\n$4\r\nPING\r\n", 14) !=
                    VALKEY_OK)
                event_add_write(link->ac);
        async->ping_at_ms = after;
    }
    return async->ping_at_ms;
}

void subscriptions_place(struct cluster *cluster) {
    struct cluster_async *async = &cluster->async;
    if (async->subscriptions == NULL || async_cluster_is_ending(cluster))
        return;
    long long now_ms = clock_now_ms();
    bool is_time = now_ms >= async->place_at_ms, is_missing = false, was_placed = false;
    for (struct subscription *at = async->subscriptions; at != NULL; at = at->next) {
        if (at->on == NULL && is_time) {
            place(at);
            was_placed = true;
        }
        is_missing |= at->on == NULL;
    }
    if (!is_missing) {
        async->place_at_ms = 0;
    } else if (was_placed) {
        put_off(async, now_ms);
        async_map_want(cluster, NULL);
    }
    long long at_ms = next_ping_ms(cluster, now_ms);
    if (is_missing && (at_ms < 0 || async->place_at_ms < at_ms))
        at_ms = async->place_at_ms;
    if (at_ms >= 0)
        cluster_timer_set(cluster, at_ms);
}

void subscriptions_sweep(struct cluster *cluster) {
    cluster->async.place_at_ms = 0;
    cluster->async.place_delay_ms = 0;
    for (struct subscription_link *link = cluster->async.links; link != NULL; link = link->next)
        if (!link->node->is_mapped && is_usable(link->ac)) {
            valkeySetError(&link->ac->c, VALKEY_ERR_OTHER, "The node has left the cluster");
            event_add_write(link->ac);
        }
}

void subscriptions_end(struct cluster *cluster) {
    struct cluster_async *async = &cluster->async;
    for (struct subscription_link *link = async->links, *next; link != NULL; link = next) {
        next = link->next;
        valkeyAsyncFree(link->ac);
    }
    for (struct subscription *at = async->subscriptions, *next; at != NULL; at = next) {
        next = at->next;
        if (at->on == NULL)
            finish(at);
    }
}

static struct subscription *find(const struct cluster *cluster, int kind, const char *name,
                                 size_t size) {
    struct subscription *at = cluster->async.subscriptions;
    while (at != NULL &&
           (at->kind != kind || at->size != size || memcmp(at->name, name, size) != 0))
        at = at->next;
    return at;
}

static struct subscription *add(struct cluster *cluster, int kind, const char *name, size_t size) {
    struct subscription *subscription =
        size > SIZE_MAX / 2 ? NULL : vk_calloc(1, sizeof *subscription + size + 1);
    if (subscription == NULL) {
        (void)cluster_fail_memory(cluster);
        return NULL;
    }
    subscription->cluster = cluster;
    subscription->kind = kind;
    subscription->size = size;
    memcpy(subscription->name, name, size);
    subscription->next = cluster->async.subscriptions;
    cluster->async.subscriptions = subscription;
    return subscription;
}

int valkeyClusterAsyncSubscribe(valkeyClusterAsyncContext *acc, int kind, const char *name,
                                size_t size, valkeyClusterMessageFn *fn, void *privdata) {
    struct cluster *cluster = cluster_of(&acc->cc);
    if (async_command_begin(cluster, 0) != VALKEY_OK)
        return VALKEY_ERR;
    int result = VALKEY_ERR;
    struct subscription *subscription = NULL;
    if (kind < 0 || kind >= KINDS)
        (void)cluster_fail(cluster, VALKEY_ERR_OTHER, "Unsupported options");
    else if ((subscription = find(cluster, kind, name, size)) == NULL)
        subscription = add(cluster, kind, name, size);
    if (subscription != NULL) {
        result = VALKEY_OK;
        subscription->fn = fn;
        subscription->privdata = privdata;
        if (subscription->is_ended && !send_word(subscription, SUBSCRIBE, on_reply))
            subscription->is_confirmed = false;
        subscription->is_ended = false;
        cluster->async.place_at_ms = 0;
    }
    async_cluster_leave(cluster);
    return result;
}

int valkeyClusterAsyncUnsubscribe(valkeyClusterAsyncContext *acc, int kind, const char *name,
                                  size_t size) {
    struct cluster *cluster = cluster_of(&acc->cc);
    if (async_command_begin(cluster, 0) != VALKEY_OK)
        return VALKEY_ERR;
    struct subscription *subscription = find(cluster, kind, name, size);
    int result = VALKEY_OK;
    if (subscription == NULL || subscription->is_ended) {
        result = cluster_fail(cluster, VALKEY_ERR_OTHER, "Not subscribed");
    } else {
        subscription->is_ended = true;
        if (subscription->on == NULL)
            finish(subscription);
        else
            subscription->unsubscribes += send_word(subscription, UNSUBSCRIBE, NULL);
    }
    async_cluster_leave(cluster);
    return result;
}
