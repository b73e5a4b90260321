/* SPDX-License-Identifier: BSD-3-Clause */
/* SUBSCRIBE and its kin answer once per name, each time with a push; PUBLISH; PUBSUB. */
#include "server/pubsub.h"
#include "server/session_commands.h"

#include "base/glob.h"

static void refuse_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

/* EXEC or a script runs it. */
static bool is_in_section(const struct session *session) {
    return session->thread->node_thread.section.kind != SECTION_NONE;
}

/* ---- subscribing ---- */

/* What a confirmation counts: shard channels apart from the rest. */
static int64_t shown_count(const struct session *session, enum channel_kind kind) {
    if (kind == CHANNEL_SHARD)
        return pubsub_count(session, CHANNEL_SHARD);
    return (int64_t)pubsub_count(session, CHANNEL_PLAIN) + pubsub_count(session, CHANNEL_PATTERN);
}

/* `name` NULL: there was nothing to unsubscribe from. */
static void confirm(struct session *session, struct call *call, enum channel_kind kind,
                    const struct slice *name) {
    reply_push(call->reply, 3);
    reply_bulk_text(call->reply, call->spec->name);
    if (name != NULL)
        reply_bulk(call->reply, *name);
    else
        reply_null(call->reply);
    reply_integer(call->reply, shown_count(session, kind));
}

/* A transaction's reply is one reply, whatever is in it. */
static void note_push(struct session *session) {
    if (!is_in_section(session))
        session->flags |= SESSION_PUSHED;
}

/* Room to confirm each of the names. */
static bool reserve_confirmations(struct call *call) {
    enum { CONFIRMATION_OVERHEAD = 128 };
    size_t size = 0;
    for (size_t i = 1; i < call->argc; i++)
        size += call->argv[i].size + CONFIRMATION_OVERHEAD;
    return reply_reserve(call->reply, size);
}

/* All names are subscribed, or none. */
static void subscribe(struct session *session, struct call *call, enum channel_kind kind) {
    size_t added = 0;
    struct reply_mark begin = reply_mark(call->reply);
    enum larder_status status = reserve_confirmations(call) ? LARDER_OK : LARDER_NO_MEMORY;
    for (size_t i = 1; i < call->argc && status == LARDER_OK; i++) {
        bool is_new;
        status = pubsub_subscribe(session, kind, call->argv[i], &is_new);
        added += is_new;
        confirm(session, call, kind, &call->argv[i]);
    }
    if (status == LARDER_OK) {
        note_push(session);
        return;
    }
    pubsub_undo(session, added);
    reply_cut(call->reply, begin);
    refuse_memory(call);
}

static void unsubscribe(struct session *session, struct call *call, enum channel_kind kind) {
    if (!reserve_confirmations(call)) {
        refuse_memory(call);
        return;
    }
    note_push(session);
    for (size_t i = 1; i < call->argc; i++) {
        (void)pubsub_unsubscribe(session, kind, call->argv[i]);
        confirm(session, call, kind, &call->argv[i]);
    }
    if (call->argc > 1)
        return;
    struct slice name;
    if (!pubsub_any(session, kind, &name)) {
        confirm(session, call, kind, NULL);
        return;
    }
    do {
        /* The name is gone with the subscription: it is written first. */
        reply_push(call->reply, 3);
        reply_bulk_text(call->reply, call->spec->name);
        reply_bulk(call->reply, name);
        (void)pubsub_unsubscribe(session, kind, name);
        reply_integer(call->reply, shown_count(session, kind));
    } while (pubsub_any(session, kind, &name));
}

void session_command_subscribe(struct session *session, struct call *call) {
    subscribe(session, call, CHANNEL_PLAIN);
}

void session_command_psubscribe(struct session *session, struct call *call) {
    subscribe(session, call, CHANNEL_PATTERN);
}

void session_command_ssubscribe(struct session *session, struct call *call) {
    subscribe(session, call, CHANNEL_SHARD);
}

void session_command_unsubscribe(struct session *session, struct call *call) {
    unsubscribe(session, call, CHANNEL_PLAIN);
}

void session_command_punsubscribe(struct session *session, struct call *call) {
    unsubscribe(session, call, CHANNEL_PATTERN);
}

void session_command_sunsubscribe(struct session *session, struct call *call) {
    unsubscribe(session, call, CHANNEL_SHARD);
}

/* ---- publishing ---- */

static void publish(struct session *session, struct call *call, enum channel_kind kind) {
    struct server_thread *thread = session->thread;
    uint64_t receivers;
    enum larder_status status =
        is_in_section(session)
            ? pubsub_hold(thread, kind, call->argv[1], call->argv[2], &receivers)
            : pubsub_publish(thread, kind, call->argv[1], call->argv[2], &receivers);
    if (status != LARDER_OK) {
        refuse_memory(call);
        return;
    }
    /* Who publishes to itself has the message before the reply. */
    bool is_muted = (session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) != 0;
    if (session->recipient != NULL && !is_in_section(session) && !is_muted)
        delivery_settle(session);
    reply_integer(call->reply, (int64_t)receivers);
}

void session_command_publish(struct session *session, struct call *call) {
    publish(session, call, CHANNEL_PLAIN);
}

void session_command_spublish(struct session *session, struct call *call) {
    publish(session, call, CHANNEL_SHARD);
}

/* ---- PUBSUB ---- */

struct listing {
    struct reply *reply;
    bool has_pattern;
    struct slice pattern;
    size_t count;
};

static void list_channel(void *context, struct slice name) {
    struct listing *listing = context;
    if (listing->has_pattern && !glob_match(listing->pattern, name))
        return;
    reply_bulk(listing->reply, name);
    listing->count++;
}

static void list_channels(struct session *session, struct call *call, enum channel_kind kind) {
    if (call->argc > 3) {
        session_refuse_subcommand(call);
        return;
    }
    struct listing listing = {.reply = call->reply, .has_pattern = call->argc == 3};
    if (listing.has_pattern)
        listing.pattern = call->argv[2];
    size_t begin = reply_deferred_begin(call->reply);
    pubsub_visit(session->server, kind, list_channel, &listing);
    reply_deferred_end(call->reply, begin, '*', listing.count);
}

static void count_subscribers(struct session *session, struct call *call, enum channel_kind kind) {
    reply_array(call->reply, 2 * (call->argc - 2));
    for (size_t i = 2; i < call->argc; i++) {
        reply_bulk(call->reply, call->argv[i]);
        reply_integer(call->reply,
                      (int64_t)pubsub_subscriber_count(session->server, kind, call->argv[i]));
    }
}

void session_command_pubsub_channels(struct session *session, struct call *call) {
    list_channels(session, call, CHANNEL_PLAIN);
}

void session_command_pubsub_shardchannels(struct session *session, struct call *call) {
    list_channels(session, call, CHANNEL_SHARD);
}

void session_command_pubsub_numsub(struct session *session, struct call *call) {
    count_subscribers(session, call, CHANNEL_PLAIN);
}

void session_command_pubsub_shardnumsub(struct session *session, struct call *call) {
    count_subscribers(session, call, CHANNEL_SHARD);
}

void session_command_pubsub_numpat(struct session *session, struct call *call) {
    reply_integer(call->reply, (int64_t)pubsub_channel_count(session->server, CHANNEL_PATTERN));
}
