/* SPDX-License-Identifier: BSD-3-Clause */
/* Members over a network in memory, begun from any configuration: each tick of 10 virtual ms every
 * member is called once, then all frames are delivered. What partitions would say, tests say. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_MEMBER_WORLD_H
#define LARDER_TESTS_UNIT_CLUSTER_MEMBER_WORLD_H

#include "cluster/member.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { WORLD_PLACES = 8, WORLD_FRAMES_MAX = 200000 };

struct world_place {
    struct cluster_member *member;
    struct member_host host;
    uint64_t incarnation;
    bool has_data;     /* offers what it was in sync with */
    bool may_lack;     /* ... of which the end may be missing */
    uint64_t sequence; /* where its logs end */
};

struct world_frame {
    uint32_t to;
    size_t size;
    uint8_t *bytes;
};

static struct {
    struct world_place places[WORLD_PLACES];
    struct world_frame *frames;
    size_t frame_first, frame_count;
    uint32_t cut; /* bit per member: it is cut off from all others */
    int64_t now_us;
    struct configuration *configuration; /* that all begin with */
    struct member_options options;       /* of all; self and seed are filled in */
    uint64_t left;                       /* of every copy */
} world;

static struct member_address world_address(uint32_t at) {
    return (struct member_address){.host = "here", .peer_port = (uint16_t)at};
}

/* Durable: a node keeps its id. */
static struct member world_self(uint32_t at) {
    return (struct member){.node = {{7, at + 1}},
                           .incarnation = world.places[at].incarnation,
                           .address = world_address(at),
                           .weight = 100,
                           .is_durable = true};
}

static void world_send(void *context, const struct member_address *to, struct slice frame) {
    uint32_t from = (uint32_t)((struct world_place *)context - world.places);
    if (to->peer_port >= WORLD_PLACES ||
        ((world.cut >> from | world.cut >> to->peer_port) & 1) != 0)
        return;
    assert_true(world.frame_count < WORLD_FRAMES_MAX);
    size_t at = (world.frame_first + world.frame_count++) % WORLD_FRAMES_MAX;
    world.frames[at] = (struct world_frame){to->peer_port, frame.size, malloc(frame.size)};
    memcpy(world.frames[at].bytes, frame.data, frame.size);
}

static void world_view(void *context, const struct configuration *configuration) {
    (void)context;
    assert_true(configuration_is_sound(configuration));
}

static void world_hand_off(void *context, uint32_t partition, uint32_t to) {
    (void)context;
    (void)partition;
    (void)to;
}

static void world_partition_frame(void *context, uint32_t from, uint64_t incarnation,
                                  struct slice body) {
    (void)context;
    (void)from;
    (void)incarnation;
    (void)body;
}

static bool world_offer(void *context, uint32_t partition, struct member_remains *out) {
    const struct world_place *place = context;
    out->end = (struct log_position){1, place->sequence + partition % 2};
    out->may_lack = place->may_lack;
    return place->has_data;
}

static uint64_t world_copy_left(void *context, uint32_t partition) {
    (void)context;
    (void)partition;
    return world.left;
}

/* A process at that place: the first one there, or another after world_stop. */
static void world_start_in(uint32_t at, const struct raft_configuration *core,
                           const struct member_address *contacts, uint32_t contact_count) {
    struct world_place *place = &world.places[at];
    const struct configuration *c = world.configuration;
    size_t size = configuration_encoded_size(c);
    uint8_t *bytes = malloc(size);
    configuration_encode(c, bytes);
    struct raft_restored restored = {.now_ms = world.now_us / 1000,
                                     .snapshot = {.index = c->index, .term = 1, .size = size},
                                     .configuration = *core,
                                     .hard_state = {.term = 1}};
    const struct member_start how = {.restored = &restored,
                                     .snapshot = slice_of(bytes, size),
                                     .contacts = contacts,
                                     .contact_count = contact_count};
    place->incarnation++;
    place->host.context = place;
    struct member_options options = world.options;
    options.self = world_self(at);
    options.seed = at + 1;
    assert_int_equal(member_create(&options, &how, &place->host, world.now_us, &ALLOCATOR_SYSTEM,
                                   &place->member),
                     LARDER_OK);
    free(bytes);
}

/* The first three members vote. */
__attribute__((unused)) static void world_start(uint32_t at) {
    const struct configuration *c = world.configuration;
    struct raft_configuration core = {0};
    for (uint32_t i = 0; i < 3 && i < c->member_count; i++)
        core.members[core.count++] =
            (struct raft_member){.id = c->members[i].node, .is_voter = true};
    const struct member_address contacts[] = {world_address(at == 0 ? 1 : 0),
                                              world_address(at == 2 ? 1 : 2)};
    world_start_in(at, &core, contacts, 2);
}

static void world_stop(uint32_t at) {
    member_destroy(world.places[at].member);
    world.places[at].member = NULL;
}

/* A new cluster, nobody started yet; the test may still change world.configuration. */
static void world_found(uint32_t members, uint32_t partitions,
                        const struct cluster_settings *settings) {
    memset(&world, 0, sizeof(world));
    world.now_us = 1000000;
    world.frames = calloc(WORLD_FRAMES_MAX, sizeof(*world.frames));
    world.options = (struct member_options){.cluster = {{1, 2}},
                                            .generation = 1,
                                            .partition_count = partitions,
                                            .members_max = WORLD_PLACES,
                                            .calm_us = 500000};
    struct member founders[WORLD_PLACES];
    for (uint32_t i = 0; i < WORLD_PLACES; i++)
        world.places[i].host = (struct member_host){.send = world_send,
                                                    .view = world_view,
                                                    .hand_off = world_hand_off,
                                                    .partition_frame = world_partition_frame,
                                                    .offer = world_offer,
                                                    .copy_left = world_copy_left};
    for (uint32_t i = 0; i < members; i++) {
        founders[i] = world_self(i);
        founders[i].incarnation = 1;
    }
    assert_int_equal(configuration_create(world.options.cluster, 1, partitions, WORLD_PLACES,
                                          &ALLOCATOR_SYSTEM, &world.configuration),
                     LARDER_OK);
    assert_int_equal(configuration_found(world.configuration, founders, members, settings),
                     LARDER_OK);
    configuration_advance(world.configuration, 10);
}

static void world_deliver(void) {
    while (world.frame_count > 0) {
        struct world_frame frame = world.frames[world.frame_first];
        world.frame_first = (world.frame_first + 1) % WORLD_FRAMES_MAX;
        world.frame_count--;
        if (world.places[frame.to].member != NULL)
            member_receive(world.places[frame.to].member, slice_of(frame.bytes, frame.size),
                           world.now_us);
        free(frame.bytes);
    }
}

static void world_run(int64_t ms) {
    for (int64_t end_us = world.now_us + ms * 1000; world.now_us < end_us;) {
        world.now_us += 10000;
        for (uint32_t i = 0; i < WORLD_PLACES; i++)
            if (world.places[i].member != NULL)
                member_tick(world.places[i].member, world.now_us, world.now_us + 1700000000000000);
        world_deliver();
    }
}

static int world_end(void **state) {
    (void)state;
    for (uint32_t i = 0; i < WORLD_PLACES; i++)
        world_stop(i);
    world_deliver();
    configuration_destroy(world.configuration);
    free(world.frames);
    return 0;
}

/* The only one there is among those that are not cut off. */
static uint32_t world_coordinator(void) {
    uint32_t at = WORLD_PLACES;
    for (uint32_t i = 0; i < WORLD_PLACES; i++)
        if (world.places[i].member != NULL && (world.cut >> i & 1) == 0 &&
            member_is_coordinator(world.places[i].member)) {
            assert_int_equal(at, WORLD_PLACES);
            at = i;
        }
    assert_int_not_equal(at, WORLD_PLACES);
    return at;
}

__attribute__((unused)) static const struct configuration *world_view_of_coordinator(void) {
    return member_configuration(world.places[world_coordinator()].member);
}

#endif
