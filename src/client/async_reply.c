/* SPDX-License-Identifier: BSD-3-Clause */
/* Matching replies with callbacks. The server answers in order, so a reply is for the head of the
 * queue, unless it is a message. In RESP3 messages and confirmations are pushes; in RESP2 they are
 * arrays that begin with a known word, and can come only while a channel is subscribed or a
 * SUBSCRIBE is at the head, when no ordinary reply has that shape. */
#include "client/async_internal.h"

#include <string.h>

enum message_kind { MESSAGE_NONE, MESSAGE_DATA, MESSAGE_SUBSCRIBED, MESSAGE_UNSUBSCRIBED };

struct message {
    enum message_kind kind;
    struct dict **table;
};

static struct message message_of(valkeyAsyncContext *ac, const valkeyReply *reply) {
    struct {
        const char *word;
        struct message message;
    } known[] = {
        {"message", {MESSAGE_DATA, &ac->sub.channels}},
        {"pmessage", {MESSAGE_DATA, &ac->sub.patterns}},
        {"smessage", {MESSAGE_DATA, &ac->sub.schannels}},
        {"subscribe", {MESSAGE_SUBSCRIBED, &ac->sub.channels}},
        {"psubscribe", {MESSAGE_SUBSCRIBED, &ac->sub.patterns}},
        {"ssubscribe", {MESSAGE_SUBSCRIBED, &ac->sub.schannels}},
        {"unsubscribe", {MESSAGE_UNSUBSCRIBED, &ac->sub.channels}},
        {"punsubscribe", {MESSAGE_UNSUBSCRIBED, &ac->sub.patterns}},
        {"sunsubscribe", {MESSAGE_UNSUBSCRIBED, &ac->sub.schannels}},
    };
    if ((reply->type == VALKEY_REPLY_ARRAY || reply->type == VALKEY_REPLY_PUSH) &&
        reply->elements >= 3 && reply->element[0]->str != NULL)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strcmp(known[i].word, reply->element[0]->str) == 0)
                return known[i].message;
    return (struct message){.kind = MESSAGE_NONE};
}

static bool is_waiting_for(const valkeyAsyncContext *ac, enum waiting_kind kind) {
    return ac->replies.head != NULL && ac->replies.head->subscribed == (int)kind;
}

static struct async_state *state_of(const valkeyAsyncContext *ac) {
    return &connection_of((valkeyContext *)(uintptr_t)&ac->c)->async;
}

/* Whether an array may be a message at all, in RESP2. */
static bool may_be_message(const valkeyAsyncContext *ac, const valkeyReply *reply) {
    if (reply->type == VALKEY_REPLY_PUSH)
        return true;
    if (ac->c.flags & VALKEY_SUPPORTS_PUSH)
        return false;
    return is_waiting_for(ac, WAITING_SUBSCRIBE) || is_waiting_for(ac, WAITING_UNSUBSCRIBE) ||
           state_of(ac)->confirmed > 0;
}

static void count_confirmed(valkeyAsyncContext *ac, valkeyCallback *entry, bool is_subscribed) {
    if (entry->subscribed == (int)is_subscribed)
        return;
    entry->subscribed = is_subscribed;
    state_of(ac)->confirmed += is_subscribed ? 1 : -1;
}

static void confirm_head(valkeyAsyncContext *ac, enum waiting_kind kind) {
    if (is_waiting_for(ac, kind) && --ac->replies.head->pending_subs <= 0)
        queue_pop(ac);
}

static void leave_if_unsubscribed(valkeyAsyncContext *ac) {
    if (subscriptions_count(ac->sub.channels) + subscriptions_count(ac->sub.patterns) +
            subscriptions_count(ac->sub.schannels) ==
        0)
        ac->c.flags &= ~VALKEY_SUBSCRIBED;
}

static bool handle_message(valkeyAsyncContext *ac, struct message message, valkeyReply *reply) {
    const valkeyReply *name = reply->element[1];
    valkeyCallback *entry =
        name->str == NULL ? NULL : subscriptions_find(*message.table, name->str, name->len);
    valkeyCallback callback = entry == NULL ? (valkeyCallback){0} : *entry;
    if (message.kind == MESSAGE_SUBSCRIBED) {
        if (entry != NULL) {
            entry->pending_subs -= entry->pending_subs > 0;
            count_confirmed(ac, entry, true);
        }
        confirm_head(ac, WAITING_SUBSCRIBE);
    } else if (message.kind == MESSAGE_UNSUBSCRIBED) {
        /* A server also unsubscribes on its own, when a shard channel's slot moves. */
        if (entry == NULL || entry->unsubscribe_sent)
            confirm_head(ac, WAITING_UNSUBSCRIBE);
        if (entry != NULL) {
            count_confirmed(ac, entry, false);
            if (entry->pending_subs == 0)
                subscriptions_remove(*message.table, name->str, name->len);
        }
        leave_if_unsubscribed(ac);
    }
    return async_run_callback(ac, &callback, reply);
}

static bool keep_unless_refused(valkeyCallback *entry, void *context) {
    const valkeyCallback *refused = context;
    return entry->subscribed || entry->fn != refused->fn || entry->privdata != refused->privdata ||
           --entry->pending_subs > 0;
}

/* The head gets this reply. */
static bool handle_answer(valkeyAsyncContext *ac, valkeyReply *reply) {
    valkeyCallback callback = *ac->replies.head;
    if (callback.subscribed != WAITING_MONITOR || reply->type == VALKEY_REPLY_ERROR)
        queue_pop(ac);
    if (callback.subscribed == WAITING_SUBSCRIBE) {
        subscriptions_filter(ac->sub.channels, keep_unless_refused, &callback);
        subscriptions_filter(ac->sub.patterns, keep_unless_refused, &callback);
        subscriptions_filter(ac->sub.schannels, keep_unless_refused, &callback);
        leave_if_unsubscribed(ac);
    }
    return async_run_callback(ac, &callback, reply);
}

static bool handle_push(valkeyAsyncContext *ac, valkeyReply *reply) {
    if (ac->push_cb == NULL)
        return false;
    int was_in_callback = ac->c.flags & VALKEY_IN_CALLBACK;
    ac->c.flags |= VALKEY_IN_CALLBACK;
    ac->push_cb(ac, reply);
    if (!was_in_callback)
        ac->c.flags &= ~VALKEY_IN_CALLBACK;
    return true;
}

/* Nobody waits for this reply: an error in that place is the server's last word. */
static bool handle_unexpected(valkeyAsyncContext *ac, const valkeyReply *reply) {
    (void)connection_fail(&ac->c, VALKEY_ERR_OTHER,
                          reply->type == VALKEY_REPLY_ERROR ? reply->str : "Unexpected reply");
    return false;
}

/* True: a callback got the reply. */
static bool handle_reply(valkeyAsyncContext *ac, valkeyReply *reply) {
    if (reply->type == VALKEY_REPLY_ATTR)
        return false;
    if (reply->type == VALKEY_REPLY_PUSH)
        ac->c.flags |= VALKEY_SUPPORTS_PUSH;
    struct message message = {.kind = MESSAGE_NONE};
    if (may_be_message(ac, reply))
        message = message_of(ac, reply);
    if (message.kind != MESSAGE_NONE)
        return handle_message(ac, message, reply);
    if (reply->type == VALKEY_REPLY_PUSH)
        return handle_push(ac, reply);
    return ac->replies.head != NULL ? handle_answer(ac, reply) : handle_unexpected(ac, reply);
}

void valkeyProcessCallbacks(valkeyAsyncContext *ac) {
    for (;;) {
        void *reply = NULL;
        int status = valkeyGetReplyFromReader(&ac->c, &reply);
        if (status == VALKEY_OK && reply == NULL)
            break;
        if (status == VALKEY_OK) {
            state_of(ac)->is_reply_taken = false;
            bool was_given = handle_reply(ac, reply);
            if (!state_of(ac)->is_reply_taken &&
                (!was_given || !(ac->c.flags & VALKEY_NO_AUTO_FREE_REPLIES)))
                freeReplyObject(reply);
        }
        if (ac->c.err != 0) {
            valkeyAsyncDisconnectInternal(ac);
            return;
        }
        if (async_settle(ac))
            return;
    }
    (void)async_settle(ac);
}
