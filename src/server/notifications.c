/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing is put together while nobody is subscribed to anything. */
#include "server/notifications.h"

#include "server/pubsub.h"
#include "store/notices.h"

#include <stdio.h>

enum { PREFIX_MAX = 40 };

void notifications_set(struct server *server, uint32_t events) {
    bool goes_nowhere = (events & (CONFIG_EVENTS_BY_KEY | CONFIG_EVENTS_BY_EVENT)) == 0;
    atomic_store_explicit(&server->events, events, memory_order_relaxed);
    atomic_store_explicit(&server->node->events_wanted, goes_nowhere ? 0 : events & NOTICE_EVENTS,
                          memory_order_relaxed);
}

static void note_lost(struct server *server) {
    atomic_fetch_add_explicit(&server->node->lost_events, 1, memory_order_relaxed);
}

void notifications_tick(struct server *server) {
    uint64_t lost = atomic_load_explicit(&server->node->lost_events, memory_order_relaxed);
    if (lost > 0 && !server->has_told_of_lost_events)
        log_write(server->log, LOG_LEVEL_WARNING,
                  "There was no memory to publish %llu keyspace events; INFO counts further ones.",
                  (unsigned long long)lost);
    server->has_told_of_lost_events = lost > 0;
}

static void publish(struct server_thread *from, const char *space, uint32_t database,
                    struct slice name, struct slice message) {
    uint8_t small[256];
    struct blob *large = NULL;
    uint8_t *channel = small;
    if (name.size > sizeof(small) - PREFIX_MAX) {
        large = blob_create(from->server->allocator, PREFIX_MAX + name.size);
        if (large == NULL) {
            note_lost(from->server);
            return;
        }
        channel = large->data;
    }
    int prefix = snprintf((char *)channel, PREFIX_MAX, "__%s@%u__:", space, database);
    if (name.size > 0)
        memcpy(channel + prefix, name.data, name.size);
    uint64_t receivers;
    if (pubsub_publish(from, CHANNEL_PLAIN, slice_of(channel, (size_t)prefix + name.size), message,
                       &receivers) != LARDER_OK)
        note_lost(from->server);
    blob_release(large);
}

void notifications_publish(void *context, struct node_thread *thread, uint32_t database,
                           uint32_t class, const char *event, struct slice key) {
    (void)class;
    struct server *server = context;
    struct server_thread *from =
        (struct server_thread *)((uint8_t *)thread - offsetof(struct server_thread, node_thread));
    if (pubsub_channel_count(server, CHANNEL_PLAIN) == 0 &&
        pubsub_channel_count(server, CHANNEL_PATTERN) == 0)
        return;
    uint32_t events = atomic_load_explicit(&server->events, memory_order_relaxed);
    struct slice name = slice_of_string(event);
    if ((events & CONFIG_EVENTS_BY_KEY) != 0)
        publish(from, "keyspace", database, key, name);
    if ((events & CONFIG_EVENTS_BY_EVENT) != 0)
        publish(from, "keyevent", database, name, key);
}
