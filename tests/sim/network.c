/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to a frame is drawn when it is sent; cuts act when it is sent, connections when it
 * arrives. */
#include "sim/network.h"

#include "base/crc32c.h"
#include "sim/world.h"

#include <stdlib.h>

enum { LATENCY_MIN_US = 50, DATAGRAM = 0, INBOX_MAX_US = 2000000 };

static uint64_t *pair_number(struct sim_network *n, uint32_t a, uint32_t b) {
    return a < b ? &n->numbers[a * n->endpoint_count + b] : &n->numbers[b * n->endpoint_count + a];
}

void network_init(struct sim_network *network, struct sim_world *world, uint32_t endpoint_count,
                  uint64_t seed) {
    size_t pairs = (size_t)endpoint_count * endpoint_count;
    *network = (struct sim_network){.world = world,
                                    .endpoint_count = endpoint_count,
                                    .random = random_seeded(seed),
                                    .latency_us = 500};
    network->links = sim_resize(NULL, pairs * sizeof(*network->links));
    network->numbers = sim_resize(NULL, pairs * sizeof(*network->numbers));
    network->inbox_free_us = sim_resize(NULL, endpoint_count * sizeof(int64_t));
    network->reading_us = sim_resize(NULL, endpoint_count * sizeof(int64_t));
    memset(network->links, 0, pairs * sizeof(*network->links));
    memset(network->inbox_free_us, 0, endpoint_count * sizeof(int64_t));
    memset(network->reading_us, 0, endpoint_count * sizeof(int64_t));
    for (size_t i = 0; i < pairs; i++)
        network->numbers[i] = 1;
}

static void drop_held(struct sim_link *link) {
    for (size_t i = 0; i < link->held_count; i++)
        free(link->held[i].bytes);
    link->held_count = 0;
}

void network_finish(struct sim_network *network) {
    for (uint32_t i = 0; i < network->endpoint_count * network->endpoint_count; i++) {
        drop_held(&network->links[i]);
        free(network->links[i].held);
    }
    free(network->links);
    free(network->numbers);
    free(network->inbox_free_us);
    free(network->reading_us);
}

static bool network_chance(struct sim_network *n, uint32_t per_mille) {
    if (per_mille == 0 || random_below(&n->random, 1000) >= per_mille)
        return false;
    n->fault_count++;
    return true;
}

static int64_t draw_latency_us(struct sim_network *n) {
    int64_t most = network_chance(n, n->slow) ? n->slow_us : n->latency_us;
    return LATENCY_MIN_US + (int64_t)random_below(&n->random, (uint64_t)most + 1);
}

/* When a frame that is sent now arrives, were it not for order. */
static int64_t draw_arrival_us(struct sim_network *n, uint32_t from, uint32_t to) {
    const struct sim_link *link = network_link(n, from, to);
    int64_t arrival = n->world->now_us + draw_latency_us(n) + link->delay_us;
    if (arrival < link->clogged_until_us)
        arrival = link->clogged_until_us;
    if (n->reading_us[to] == 0)
        return arrival;
    if (arrival < n->inbox_free_us[to])
        arrival = n->inbox_free_us[to];
    n->inbox_free_us[to] = arrival + n->reading_us[to];
    return arrival;
}

static void schedule_frame(struct sim_network *n, uint32_t from, uint32_t to, int64_t time_us,
                           uint64_t number, uint8_t *bytes, size_t size) {
    world_schedule(n->world, &(struct sim_event){.time_us = time_us,
                                                 .type = SIM_EVENT_FRAME,
                                                 .stamp = number,
                                                 .bytes = bytes,
                                                 .size = size,
                                                 .target = (uint16_t)to,
                                                 .source = (uint16_t)from});
}

static uint8_t *copy_of(struct slice frame) {
    uint8_t *bytes = sim_resize(NULL, frame.size + 1);
    if (frame.size > 0)
        memcpy(bytes, frame.data, frame.size);
    return bytes;
}

static void damage_bytes(struct sim_network *n, uint8_t *bytes, size_t size) {
    for (uint64_t left = 1 + random_below(&n->random, 6); left > 0 && size > 0; left--) {
        uint8_t *byte = &bytes[random_below(&n->random, size)];
        *byte ^= (uint8_t)(1 + random_below(&n->random, 255));
    }
}

static void send_datagram_once(struct sim_network *n, uint32_t from, uint32_t to,
                               struct slice frame) {
    uint8_t *bytes = copy_of(frame);
    if (network_chance(n, n->damage))
        damage_bytes(n, bytes, frame.size);
    schedule_frame(n, from, to, draw_arrival_us(n, from, to), DATAGRAM, bytes, frame.size);
}

void network_send_datagram(struct sim_network *n, uint32_t from, uint32_t to, struct slice frame) {
    n->frame_count++;
    if (network_link(n, from, to)->is_cut || network_chance(n, n->loss))
        return;
    if (n->reading_us[to] > 0 && n->inbox_free_us[to] > n->world->now_us + INBOX_MAX_US)
        return;
    send_datagram_once(n, from, to, frame);
    if (network_chance(n, n->duplication))
        send_datagram_once(n, from, to, frame);
}

/* Tell `to` that connection `number` with `from` is gone, after all that was sent on it. */
static void tell(struct sim_network *n, uint32_t from, uint32_t to, uint64_t number,
                 enum sim_link_event what) {
    struct sim_link *link = network_link(n, from, to);
    if (link->is_cut)
        return;
    int64_t time_us = draw_arrival_us(n, from, to);
    if (time_us < link->last_arrival_us)
        time_us = link->last_arrival_us;
    world_schedule(n->world, &(struct sim_event){.time_us = time_us,
                                                 .type = SIM_EVENT_LINK,
                                                 .stamp = number,
                                                 .link = what,
                                                 .target = (uint16_t)to,
                                                 .source = (uint16_t)from});
}

/* Raise the pair's number if its connection is in use. Returns the number that ended, or 0. */
static uint64_t end_connection(struct sim_network *n, uint32_t a, uint32_t b) {
    uint64_t *number = pair_number(n, a, b);
    if (network_link(n, a, b)->believed != *number && network_link(n, b, a)->believed != *number)
        return 0;
    drop_held(network_link(n, a, b));
    drop_held(network_link(n, b, a));
    return (*number)++;
}

void network_reset(struct sim_network *n, uint32_t a, uint32_t b) {
    uint64_t ended = end_connection(n, a, b);
    if (ended == 0)
        return;
    tell(n, a, b, ended, SIM_LINK_BROKEN);
    tell(n, b, a, ended, SIM_LINK_BROKEN);
}

void network_forget(struct sim_network *n, uint32_t endpoint, bool tells_peers) {
    for (uint32_t peer = 0; peer < n->endpoint_count; peer++) {
        if (peer == endpoint)
            continue;
        uint64_t ended = end_connection(n, endpoint, peer);
        network_link(n, endpoint, peer)->believed = 0;
        if (ended != 0 && tells_peers)
            tell(n, endpoint, peer, ended, SIM_LINK_BROKEN);
    }
}

static bool is_reachable(const struct sim_network *n, uint32_t endpoint) {
    const struct sim_world *world = n->world;
    return endpoint >= world->options.machine_count || world->machines[endpoint].has_power;
}

/* A cut link keeps the frame for later. */
static void hold(struct sim_network *n, uint32_t from, uint32_t to, struct slice frame) {
    struct sim_link *link = network_link(n, from, to);
    if (link->held_count == SIM_HELD_MAX) {
        network_reset(n, from, to);
        return;
    }
    if (link->held_count == link->held_capacity) {
        link->held_capacity = link->held_capacity == 0 ? 16 : 2 * link->held_capacity;
        link->held = sim_resize(link->held, link->held_capacity * sizeof(*link->held));
    }
    link->held[link->held_count++] =
        (struct sim_held){copy_of(frame), (uint32_t)frame.size, link->believed};
}

/* Whether a damaged copy would be noticed; if not it is what arrives. */
static bool is_damage_noticed(struct sim_network *n, struct slice frame, uint8_t *bytes) {
    damage_bytes(n, bytes, frame.size);
    return crc32c(slice_of(bytes, frame.size)) != crc32c(frame);
}

static void send_in_order(struct sim_network *n, uint32_t from, uint32_t to, uint64_t number,
                          uint8_t *bytes, size_t size) {
    struct sim_link *link = network_link(n, from, to);
    int64_t time_us = draw_arrival_us(n, from, to);
    if (network_chance(n, n->loss))
        time_us += SIM_RETRANSMIT_US + (int64_t)random_below(&n->random, SIM_RETRANSMIT_US);
    if (time_us < link->last_arrival_us)
        time_us = link->last_arrival_us;
    link->last_arrival_us = time_us;
    schedule_frame(n, from, to, time_us, number, bytes, size);
}

void network_send(struct sim_network *n, uint32_t from, uint32_t to, struct slice frame) {
    struct sim_link *link = network_link(n, from, to);
    uint64_t number = *pair_number(n, from, to);
    n->frame_count++;
    if (link->believed == 0)
        link->believed = number;
    if (link->believed != number) {
        if (is_reachable(n, to) && !link->is_cut)
            tell(n, to, from, link->believed, SIM_LINK_BROKEN);
        return;
    }
    if (link->is_cut) {
        hold(n, from, to, frame);
        return;
    }
    bool is_choked =
        n->reading_us[to] > 0 && n->inbox_free_us[to] > n->world->now_us + INBOX_MAX_US;
    if (is_choked || network_chance(n, n->reset)) {
        network_reset(n, from, to);
        return;
    }
    uint8_t *bytes = copy_of(frame);
    if (network_chance(n, n->damage) && is_damage_noticed(n, frame, bytes)) {
        free(bytes);
        network_reset(n, from, to);
        return;
    }
    send_in_order(n, from, to, number, bytes, frame.size);
}

bool network_accept(struct sim_network *n, const struct sim_event *event, bool *out_is_opened) {
    struct sim_link *back = network_link(n, event->target, event->source);
    *out_is_opened = false;
    if (event->stamp == DATAGRAM || event->stamp == back->believed)
        return true;
    if (event->stamp != *pair_number(n, event->target, event->source))
        return false;
    back->believed = event->stamp;
    *out_is_opened = true;
    return true;
}

/* The number is used up: nothing else that was sent on it arrives, whoever listens by then. */
void network_refuse(struct sim_network *n, const struct sim_event *event) {
    if (event->stamp == DATAGRAM)
        return;
    if (event->stamp == *pair_number(n, event->target, event->source))
        (void)end_connection(n, event->target, event->source);
    tell(n, event->target, event->source, event->stamp, SIM_LINK_REFUSED);
}

bool network_accept_event(struct sim_network *n, const struct sim_event *event) {
    struct sim_link *link = network_link(n, event->target, event->source);
    if (link->believed != event->stamp)
        return false;
    link->believed = 0;
    return true;
}

void network_cut(struct sim_network *n, uint32_t from, uint32_t to) {
    network_link(n, from, to)->is_cut = true;
}

void network_heal(struct sim_network *n, uint32_t from, uint32_t to) {
    struct sim_link *link = network_link(n, from, to);
    if (!link->is_cut)
        return;
    link->is_cut = false;
    if (link->held_count > 0 && random_below(&n->random, 2) == 0) {
        network_reset(n, from, to);
        return;
    }
    for (size_t i = 0; i < link->held_count; i++)
        send_in_order(n, from, to, link->held[i].number, link->held[i].bytes, link->held[i].size);
    link->held_count = 0;
}

void network_clog(struct sim_network *n, uint32_t from, uint32_t to, int64_t until_us) {
    network_link(n, from, to)->clogged_until_us = until_us;
}

void network_set_reading(struct sim_network *n, uint32_t endpoint, int64_t us) {
    n->reading_us[endpoint] = us;
}

/* What clogs and slow readers held up comes at once, in its order. */
static void hurry(struct sim_network *n) {
    struct sim_world *world = n->world;
    int64_t time_us = world->now_us + n->latency_us;
    for (size_t i = 0; i < world->event_count; i++) {
        struct sim_event *event = &world->events[i];
        bool is_network = event->type == SIM_EVENT_FRAME || event->type == SIM_EVENT_LINK;
        if (is_network && event->time_us > time_us)
            event->time_us = time_us;
    }
    world_order_events(world);
}

void network_heal_all(struct sim_network *n) {
    n->loss = n->duplication = n->slow = n->damage = n->reset = 0;
    n->latency_us = 500;
    for (uint32_t from = 0; from < n->endpoint_count; from++) {
        n->reading_us[from] = 0;
        n->inbox_free_us[from] = 0;
        for (uint32_t to = 0; to < n->endpoint_count; to++) {
            struct sim_link *link = network_link(n, from, to);
            network_heal(n, from, to);
            link->delay_us = 0;
            link->clogged_until_us = 0;
            if (link->last_arrival_us > n->world->now_us + n->latency_us)
                link->last_arrival_us = n->world->now_us + n->latency_us;
        }
    }
    hurry(n);
}
