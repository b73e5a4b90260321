/* SPDX-License-Identifier: BSD-3-Clause */
/* The network between endpoints (machines, then clients): a directed link for each pair, and one
 * connection at a time for each unordered pair.
 *
 * A connection has a number. Each end believes in one number, or in none; a frame carries its
 * sender's. Breaking a connection raises the pair's number at once, but an end goes on believing
 * in the old one, and receiving what was sent on it, until it is told or sends into the void. Loss
 * delays the frames of a connection (they are sent again); only datagrams are really lost.
 *
 * A cut link holds the frames of connections back; when it heals they arrive after all, or the
 * connection is broken. */
#ifndef LARDER_TESTS_SIM_NETWORK_H
#define LARDER_TESTS_SIM_NETWORK_H

#include "base/random.h"
#include "sim/process.h"

struct sim_world;
struct sim_event;

enum { SIM_HELD_MAX = 512, SIM_RETRANSMIT_US = 200000 };

struct sim_held {
    uint8_t *bytes;
    uint32_t size;
    uint64_t number;
};

struct sim_link {
    bool is_cut;
    int64_t clogged_until_us; /* nothing arrives before */
    int64_t delay_us;         /* added to every frame */
    int64_t last_arrival_us;  /* of the connection's frames */
    uint64_t believed;        /* by the sending end; 0: no connection */
    struct sim_held *held;
    size_t held_count, held_capacity;
};

struct sim_network {
    struct sim_world *world;
    uint32_t endpoint_count;
    struct sim_link *links; /* [from][to] */
    uint64_t *numbers;      /* [lower][higher] endpoint: of the connection; from 1 */
    int64_t *inbox_free_us; /* per endpoint: when it has read all that came, if it is slow */
    int64_t *reading_us;    /* per endpoint: how long it reads one frame */
    struct random random;
    /* faults of every link; per 1,000 frames */
    uint32_t loss, duplication, slow, damage, reset;
    int64_t latency_us; /* at most, of a frame that is not slow */
    int64_t slow_us;    /* at most, of one that is */
    uint64_t fault_count, frame_count;
};

void network_init(struct sim_network *network, struct sim_world *world, uint32_t endpoint_count,
                  uint64_t seed);
void network_finish(struct sim_network *network);

static inline struct sim_link *network_link(const struct sim_network *network, uint32_t from,
                                            uint32_t to) {
    return &network->links[from * network->endpoint_count + to];
}

/* Over the connection, or as a datagram. Copies the bytes. */
void network_send(struct sim_network *network, uint32_t from, uint32_t to, struct slice frame);
void network_send_datagram(struct sim_network *network, uint32_t from, uint32_t to,
                           struct slice frame);
/* A frame reached the target. Whether it is to be delivered; *out_is_opened: as the first one of a
 * connection that the target did not know. */
bool network_accept(struct sim_network *network, const struct sim_event *event,
                    bool *out_is_opened);
/* Nobody listens at the target's machine, which is up: the connection ends before it began. */
void network_refuse(struct sim_network *network, const struct sim_event *event);
/* A LINK event reached its target. Whether it tells it anything new. */
bool network_accept_event(struct sim_network *network, const struct sim_event *event);

/* Break the connection of two endpoints; both are told if they can be reached. */
void network_reset(struct sim_network *network, uint32_t a, uint32_t b);
/* The endpoint's process ended: its connections are gone. Peers are told unless it lost power. */
void network_forget(struct sim_network *network, uint32_t endpoint, bool tells_peers);

void network_cut(struct sim_network *network, uint32_t from, uint32_t to);
void network_heal(struct sim_network *network, uint32_t from, uint32_t to);
void network_clog(struct sim_network *network, uint32_t from, uint32_t to, int64_t until_us);
/* The endpoint takes so long for each frame; 0 = it keeps up. */
void network_set_reading(struct sim_network *network, uint32_t endpoint, int64_t us);
/* All links whole, no faults of links or endpoints, no rates. */
void network_heal_all(struct sim_network *network);

#endif
