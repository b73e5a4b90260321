/* SPDX-License-Identifier: BSD-3-Clause */
/* What pubsub.c (channels, publishing) and pubsub_session.c (subscriptions) share. */
#ifndef LARDER_SERVER_PUBSUB_INTERNAL_H
#define LARDER_SERVER_PUBSUB_INTERNAL_H

#include "server/pubsub.h"

/* A channel or pattern with at least one subscriber. */
struct channel {
    struct channel *next; /* of its bucket */
    uint64_t hash;        /* of the name */
    enum channel_kind kind;
    struct delivery_group *groups; /* one per thread that has subscribers, by next_of_owner */
    size_t name_size;
    uint8_t name[];
};

static inline struct slice channel_name(const struct channel *channel) {
    return slice_of(channel->name, channel->name_size);
}

uint64_t channel_hash(const struct server *server, struct slice name);

/* The lock under which a channel of this kind and hash may change: its stripe's, for a pattern all
 * of them. */
void channel_lock(const struct server *server, enum channel_kind kind, uint64_t hash)
    ACQUIRE(CHANNEL_LOCK);
void channel_unlock(const struct server *server, enum channel_kind kind, uint64_t hash)
    RELEASE(CHANNEL_LOCK);

/* Let a member in, as a session of `thread`; makes channel and group where they are missing.
 * Errors: LARDER_NO_MEMORY. */
enum larder_status channel_join(struct server *server, enum channel_kind kind, uint64_t hash,
                                struct slice name, unsigned thread, struct delivery_member *member,
                                struct recipient *recipient, struct channel **out_channel)
    REQUIRES(CHANNEL_LOCK) LARDER_NODISCARD;
/* The channel is freed when nobody is left. */
void channel_leave(struct server *server, struct channel *channel, struct delivery_member *member)
    REQUIRES(CHANNEL_LOCK);

#endif
