/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/lock_client_histories.h"

#include "base/hash.h"
#include "sim/world.h"

#include <inttypes.h>

struct slice lock_clients_name(uint32_t lock, uint8_t out[LOCK_NAME_BYTES]) {
    int size = snprintf((char *)out, LOCK_NAME_BYTES, "L%" PRIu32, lock);
    return slice_of(out, (size_t)size);
}

struct slice lock_clients_key(uint32_t lock, uint32_t key, uint8_t out[LOCK_NAME_BYTES]) {
    const char *format = key == 0 ? "{L%" PRIu32 "}" : "F%" PRIu32;
    int size = snprintf((char *)out, LOCK_NAME_BYTES, format, lock);
    return slice_of(out, (size_t)size);
}

static uint32_t partition_of(const struct lock_clients *clients, struct slice name) {
    return (uint32_t)key_slot(name) * clients->partition_count / SLOT_COUNT;
}

uint32_t lock_clients_partition(const struct lock_clients *clients, uint32_t lock) {
    uint8_t name[LOCK_NAME_BYTES];
    return partition_of(clients, lock_clients_name(lock, name));
}

uint32_t lock_clients_partition_of(const struct lock_clients *clients,
                                   const struct lock_client_command *c) {
    uint8_t name[LOCK_NAME_BYTES];
    return partition_of(clients, c->is_write ? lock_clients_key(c->lock, c->key, name)
                                             : lock_clients_name(c->lock, name));
}

void lock_events_add(struct lock_event_list *list, const struct lock_event *event) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        list->events = sim_resize(list->events, list->capacity * sizeof(*list->events));
    }
    list->events[list->count++] = *event;
}

/* Tokens newer than `token` may have been used on these keys, or as good as that. */
static void note_newer(struct lock_event_list *list, uint32_t partition, int64_t from_us,
                       uint64_t token) {
    lock_events_add(list, &(struct lock_event){.kind = LOCK_WRITE,
                                               .call_us = from_us,
                                               .return_us = INT64_MAX,
                                               .token = token,
                                               .key = partition});
}

void lock_clients_note_reset(struct lock_clients *clients, uint32_t partition) {
    clients->was_reset[partition] = true;
}

void lock_clients_note_floor(struct lock_clients *clients, uint32_t partition, int64_t from_us,
                             uint64_t floor) {
    clients->floors[partition] = floor;
    for (uint32_t i = 0; i < LOCK_CLIENT_LOCKS && from_us != INT64_MAX; i++)
        note_newer(&clients->locks[i], partition, from_us, floor);
}

static void note_token(struct lock_client *client, int64_t return_us) {
    struct lock_clients *clients = client->clients;
    lock_events_add(&clients->partitions[lock_clients_partition(clients, client->command.lock)],
                    &(struct lock_event){.kind = LOCK_GRANT,
                                         .call_us = client->called_us,
                                         .return_us = return_us,
                                         .token = client->result_token});
}

/* return_us INT64_MAX: what became of the request is not known. */
void lock_client_note(struct lock_client *client, int64_t return_us) {
    const struct lock_client_command *c = &client->command;
    struct lock_event_list *list = &client->clients->locks[c->lock];
    struct lock_event event = {.kind = LOCK_WRITE,
                               .call_us = client->called_us,
                               .return_us = return_us,
                               .token = c->token,
                               .hold_us = (int64_t)c->hold_ms * 1000};
    bool is_done = return_us != INT64_MAX;
    if (c->is_write) {
        event.key = lock_clients_partition_of(client->clients, c);
        event.is_stale = is_done && client->is_stale;
        lock_events_add(list, &event);
    } else if (c->type == LOCK_REQUEST_ACQUIRE && is_done) {
        event.kind = LOCK_GRANT;
        event.token = client->result_token;
        lock_events_add(list, &event);
        note_token(client, return_us);
    } else if (c->type == LOCK_REQUEST_RENEW && is_done) {
        event.kind = LOCK_RENEW;
        lock_events_add(list, &event);
    } else if (c->type == LOCK_REQUEST_FORCE) {
        event.kind = LOCK_FORCE;
        if (client->retries > 0 || client->clients->world->network.duplication > 0)
            event.return_us = INT64_MAX; /* another copy may still come, and take it once more */
        lock_events_add(list, &event);
        note_newer(list, lock_clients_partition_of(client->clients, c), client->called_us,
                   UINT64_MAX);
        if (is_done)
            note_token(client, return_us);
    }
}

void lock_clients_print(const struct lock_clients *clients, const struct lock_event_list *list,
                        const char *what, uint32_t number) {
    static const char *const KINDS[] = {"grant", "renew", "release", "force", "write"};
    struct sim_world *world = clients->world;
    trace_print(&world->trace, world->now_us, "history of %s %" PRIu32 ":", what, number);
    for (size_t i = 0; i < list->count; i++) {
        const struct lock_event *e = &list->events[i];
        trace_print(&world->trace, e->call_us,
                    "%zu: %s token %" PRIu64 " hold %" PRId64 " key %" PRIu64 "%s until %" PRId64,
                    i, KINDS[e->kind], e->token, e->hold_us, e->key, e->is_stale ? " stale" : "",
                    e->return_us == INT64_MAX ? -1 : e->return_us);
    }
}

static void check(struct lock_clients *clients, struct lock_event_list *list, bool checks_time,
                  const char *what, uint32_t number) {
    const struct lock_history_options options = {.checks_time = checks_time,
                                                 .drift_ppm = SIM_DRIFT_MAX_PPM};
    size_t first, second;
    clients->counters.histories += list->count > 0;
    const char *wrong = lock_history_check(list->events, list->count, &options, &first, &second);
    if (wrong == NULL)
        return;
    lock_clients_print(clients, list, what, number);
    trace_print(&clients->world->trace, clients->world->now_us, "I8: events %zu and %zu", first,
                second);
    world_violate(clients->world, -1, wrong);
}

/* What later rounds are compared with. */
static void remember(struct lock_clients *clients) {
    for (uint32_t p = 0; p < clients->partition_count; p++)
        for (size_t i = 0; i < clients->partitions[p].count; i++)
            if (clients->partitions[p].events[i].token > clients->newest[p])
                clients->newest[p] = clients->partitions[p].events[i].token;
    for (uint32_t l = 0; l < LOCK_CLIENT_LOCKS; l++)
        for (size_t i = 0; i < clients->locks[l].count; i++) {
            const struct lock_event *e = &clients->locks[l].events[i];
            if (e->kind == LOCK_WRITE && e->return_us != INT64_MAX && !e->is_stale &&
                e->token > clients->newest_written[l][e->key])
                clients->newest_written[l][e->key] = e->token;
        }
}

void lock_clients_recall(struct lock_clients *clients) {
    int64_t us = clients->world->now_us - 1;
    for (uint32_t p = 0; p < clients->partition_count; p++) {
        struct lock_event event = {.call_us = us, .return_us = us, .token = clients->newest[p]};
        clients->partitions[p].count = 0;
        clients->was_reset[p] = false;
        if (event.token > 0)
            lock_events_add(&clients->partitions[p], &event);
    }
    for (uint32_t l = 0; l < LOCK_CLIENT_LOCKS; l++) {
        clients->locks[l].count = 0;
        for (uint32_t p = 0; p < clients->partition_count; p++) {
            struct lock_event event = {.kind = LOCK_WRITE,
                                       .call_us = us,
                                       .return_us = us,
                                       .token = clients->newest_written[l][p],
                                       .key = p};
            if (event.token > 0)
                lock_events_add(&clients->locks[l], &event);
            if (clients->floors[p] > 0)
                note_newer(&clients->locks[l], p, us, clients->floors[p]);
        }
    }
}

void lock_clients_check_histories(struct lock_clients *clients) {
    for (uint32_t l = 0; l < LOCK_CLIENT_LOCKS; l++)
        check(clients, &clients->locks[l], !clients->was_reset[lock_clients_partition(clients, l)],
              "lock", l);
    for (uint32_t p = 0; p < clients->partition_count; p++)
        check(clients, &clients->partitions[p], false, "tokens of partition", p);
    remember(clients);
    lock_clients_recall(clients);
}
