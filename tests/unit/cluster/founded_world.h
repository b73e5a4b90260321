/* SPDX-License-Identifier: BSD-3-Clause */
/* Members that found a cluster, over a network in memory, which can be cut between any two: each
 * tick of 10 virtual ms every member is called once, then all frames are delivered. There is no
 * data: partitions do nothing, or, with `has_partitions`, at once what the configuration and the
 * coordinator want of their primaries. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_FOUNDED_WORLD_H
#define LARDER_TESTS_UNIT_CLUSTER_FOUNDED_WORLD_H

#include "unit/cluster/golden.h"

#include "cluster/member.h"

#include <stdlib.h>

enum { MEMBERS = 6, PARTITIONS = 8, FRAMES_MAX = 20000 };

struct frame {
    uint32_t to;
    size_t size;
    uint8_t *bytes;
};

struct place {
    struct cluster_member *member;
    struct member_host host;
    uint64_t incarnation;
    uint32_t hand_offs;
    uint32_t handed_to; /* bit per member number */
};

static struct place places[MEMBERS];
static struct frame frames[FRAMES_MAX];
static size_t frame_first, frame_count;
static uint32_t cut;  /* bit per member: it is cut off from all others */
static uint32_t deaf; /* likewise: nothing reaches it */
static int64_t now_us;
static bool has_partitions, are_durable;
static uint16_t generation; /* as which members start */
static int64_t calm_us;
static struct cluster_settings settings;
static const struct allocator *allocator;

static inline struct member_address address_of(uint32_t at) {
    return (struct member_address){.host = "here", .peer_port = (uint16_t)at};
}

static inline void host_send(void *context, const struct member_address *to, struct slice frame) {
    struct place *from = context;
    uint32_t source = (uint32_t)(from - places), target = to->peer_port;
    if ((cut >> source & 1) != 0 || ((cut | deaf) >> target & 1) != 0)
        return;
    assert_true(frame_count < FRAMES_MAX);
    struct frame *kept = &frames[(frame_first + frame_count++) % FRAMES_MAX];
    *kept = (struct frame){target, frame.size, malloc(frame.size)};
    memcpy(kept->bytes, frame.data, frame.size);
}

static inline void host_view(void *context, const struct configuration *configuration) {
    (void)context;
    assert_true(configuration_is_sound(configuration));
}

static inline void host_hand_off(void *context, uint32_t partition, uint32_t to) {
    struct place *place = context;
    assert_true(partition < PARTITIONS && to != CLUSTER_NOBODY);
    place->hand_offs++;
    place->handed_to |= 1u << to;
    const struct configuration *c = member_configuration(place->member);
    const struct config_entry transfer = {
        .type = CONFIG_TRANSFER,
        .change = {.partition = partition, .epoch = c->partitions[partition].epoch, .member = to}};
    if (has_partitions)
        member_propose(place->member, &transfer);
}

/* Learners of what it leads have caught up. */
static inline void add_learners(const struct place *place) {
    const struct configuration *c = member_configuration(place->member);
    for (uint32_t p = 0; c != NULL && p < PARTITIONS; p++) {
        const struct partition_config *config = &c->partitions[p];
        if (config->primary != member_number(place->member) || config->learners.count == 0)
            continue;
        const struct member *learner = configuration_find_member(c, config->learners.members[0]);
        const struct config_entry expand = {.type = CONFIG_EXPAND,
                                            .change = {.partition = p,
                                                       .epoch = config->epoch,
                                                       .term = config->term,
                                                       .member = learner->number,
                                                       .incarnation = learner->incarnation}};
        member_propose(place->member, &expand);
    }
}

static inline void host_partition_frame(void *context, uint32_t from, uint64_t incarnation,
                                        struct slice body) {
    (void)context;
    (void)from;
    (void)incarnation;
    (void)body;
}

static inline struct member self_of(uint32_t at, uint64_t incarnation) {
    return (struct member){.node = {{7, at + 1 + (are_durable ? 0 : 100 * incarnation)}},
                           .incarnation = incarnation,
                           .address = address_of(at),
                           .weight = 100,
                           .is_durable = are_durable};
}

static inline enum larder_status start(uint32_t at, uint64_t incarnation, uint32_t founder_count) {
    struct place *place = &places[at];
    struct member_address contacts[MEMBERS];
    struct raft_configuration voters = {0};
    struct founding_plan plan = {.cluster = {{1, 2}},
                                 .generation = generation,
                                 .partition_count = PARTITIONS,
                                 .settings = settings,
                                 .founder_count = founder_count};
    struct member_start how = {.contacts = contacts};
    for (uint32_t i = 0; i < founder_count; i++)
        plan.founders[i].member = self_of(i, 1);
    if (founder_count > 0) {
        how.plan = &plan;
        founding_voters(&plan, &voters);
    }
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (i != at)
            contacts[how.contact_count++] = address_of(i);
    struct raft_restored restored = {.now_ms = now_us / 1000, .configuration = voters};
    how.restored = &restored;
    place->incarnation = incarnation;
    place->host = (struct member_host){.context = place,
                                       .send = host_send,
                                       .view = host_view,
                                       .hand_off = host_hand_off,
                                       .partition_frame = host_partition_frame};
    const struct member_options options = {.cluster = {{1, 2}},
                                           .generation = generation,
                                           .self = self_of(at, incarnation),
                                           .partition_count = PARTITIONS,
                                           .members_max = 16,
                                           .seed = at + 1,
                                           .entries_per_snapshot = 50,
                                           .remove_after_us = 3000000,
                                           .calm_us = calm_us,
                                           .restart_keep_us = 5000000};
    return member_create(&options, &how, &place->host, now_us, allocator, &place->member);
}

static inline void stop(uint32_t at) {
    member_destroy(places[at].member);
    places[at].member = NULL;
}

static inline void deliver_all(void) {
    while (frame_count > 0) {
        struct frame frame = frames[frame_first];
        frame_first = (frame_first + 1) % FRAMES_MAX;
        frame_count--;
        if (frame.to < MEMBERS && places[frame.to].member != NULL)
            member_receive(places[frame.to].member, slice_of(frame.bytes, frame.size), now_us);
        free(frame.bytes);
    }
}

static inline void run(int64_t ms) {
    for (int64_t end_us = now_us + ms * 1000; now_us < end_us;) {
        now_us += 10000;
        for (uint32_t i = 0; i < MEMBERS; i++)
            if (places[i].member != NULL)
                member_tick(places[i].member, now_us, now_us + 1700000000000000);
        for (uint32_t i = 0; i < MEMBERS && has_partitions; i++)
            if (places[i].member != NULL && member_number(places[i].member) != CLUSTER_NOBODY)
                add_learners(&places[i]);
        deliver_all();
    }
}

static inline int begin(void **state) {
    (void)state;
    now_us = 1000000;
    cut = deaf = 0;
    has_partitions = are_durable = false;
    generation = 1;
    calm_us = 500000;
    settings = CLUSTER_DEFAULT_SETTINGS;
    allocator = &ALLOCATOR_SYSTEM;
    memset(places, 0, sizeof(places));
    return 0;
}

static inline int end(void **state) {
    (void)state;
    deliver_all();
    for (uint32_t i = 0; i < MEMBERS; i++)
        stop(i);
    return 0;
}

static inline void found(uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(start(i, 1, count), LARDER_OK);
    run(2000);
}

static inline uint32_t coordinator(void) {
    uint32_t at = MEMBERS;
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (places[i].member != NULL && (cut >> i & 1) == 0 &&
            member_is_coordinator(places[i].member)) {
            assert_int_equal(at, MEMBERS);
            at = i;
        }
    assert_int_not_equal(at, MEMBERS);
    return at;
}

static inline const struct configuration *configuration_at(uint32_t at) {
    return member_configuration(places[at].member);
}

static inline void assert_equal_views(uint32_t mask) {
    uint64_t hash = configuration_hash(configuration_at(coordinator()));
    for (uint32_t i = 0; i < MEMBERS; i++)
        if ((mask >> i & 1) != 0)
            assert_true(configuration_hash(configuration_at(i)) == hash);
}

static inline bool has_voter(uint32_t at) {
    const struct raft_configuration *core =
        raft_get_configuration(member_raft(places[coordinator()].member));
    const struct raft_id id = self_of(at, places[at].incarnation).node;
    for (uint32_t i = 0; i < core->count; i++)
        if (raft_id_equal(core->members[i].id, id))
            return core->members[i].is_voter;
    return false;
}

#endif
