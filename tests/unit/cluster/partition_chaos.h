/* SPDX-License-Identifier: BSD-3-Clause */
/* What chance does to the members of partition_world.h: messages are lost, repeated and reordered,
 * configurations are seen late, primaries are deposed or hand off, who fell out of the in-sync set
 * comes back, allocations fail. The test draws when. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_PARTITION_CHAOS_H
#define LARDER_TESTS_UNIT_CLUSTER_PARTITION_CHAOS_H

#include "unit/cluster/partition_world.h"

#include "base/random.h"

enum { PROPOSALS = 64 };

static struct group_chaos {
    struct random random;
    struct config_entry proposals[PROPOSALS]; /* that the config group has not decided */
    uint32_t proposal_count;
    unsigned failovers, hand_offs;
} group_chaos;

static uint64_t draw(uint64_t bound) {
    return random_below(&group_chaos.random, bound);
}

static bool chance(unsigned per_thousand) {
    return draw(1000) < per_thousand;
}

static void note_proposal(void) {
    if (world.has_proposed && group_chaos.proposal_count < PROPOSALS)
        group_chaos.proposals[group_chaos.proposal_count++] = world.proposed;
    world.has_proposed = false;
}

static void decide(uint32_t at) {
    struct config_entry entry = group_chaos.proposals[at];
    group_chaos.proposals[at] = group_chaos.proposals[--group_chaos.proposal_count];
    if (world.entry_count < WORLD_ENTRIES)
        (void)world_commit(&entry);
}

static void change(enum config_entry_type type, uint32_t member) {
    const struct partition_config *p = &world.group->partitions[0];
    struct config_entry entry = {
        .type = type,
        .change = {.epoch = p->epoch, .member = member, .incarnation = 1, .term = p->term}};
    if (world.entry_count < WORLD_ENTRIES)
        (void)world_commit(&entry);
}

static void add_learners(void) {
    const struct partition_config *p = &world.group->partitions[0];
    for (uint32_t n = A; n <= C; n++)
        if (!member_set_has(&p->in_sync, n) && !member_set_has(&p->learners, n)) {
            change(CONFIG_ADD_LEARNER, n);
            return;
        }
}

static void lose_all_from(uint32_t member) {
    for (size_t i = world.queued; i-- > 0;)
        if (world.queue[i].from == member)
            world_lose_at(i);
}

/* What the primary sent last may be lost with it. */
static void fail_over(void) {
    const struct partition_config *p = &world.group->partitions[0];
    uint32_t next = p->in_sync.members[draw(p->in_sync.count)];
    if (next == p->primary)
        return;
    group_chaos.failovers++;
    if (chance(700))
        lose_all_from(p->primary);
    change(CONFIG_ELECT, next);
}

static void hand_off(void) {
    uint32_t primary = world.group->partitions[0].primary;
    struct partition_input input = {.type = PARTITION_HAND_OFF,
                                    .member = 1 + (uint32_t)draw(WORLD_MEMBERS)};
    group_chaos.hand_offs += world_step(primary, input) == LARDER_OK;
}

static void meddle_with_messages(void) {
    for (unsigned i = 0; i < 8 && world.queued > 0; i++) {
        size_t at = chance(800) ? 0 : (size_t)draw(world.queued);
        if (chance(60)) {
            world_lose_at(at);
            continue;
        }
        if (chance(60) && world.queued < WORLD_QUEUE / 2) {
            struct world_frame copy = world.queue[at];
            copy.bytes = malloc(copy.size);
            assert_non_null(copy.bytes);
            memcpy(copy.bytes, world.queue[at].bytes, copy.size);
            world.queue[world.queued++] = copy;
        }
        world_deliver_at(at);
        note_proposal();
    }
    while (world.queued > WORLD_QUEUE / 2)
        world_lose_at((size_t)draw(world.queued));
}

static void step_member(uint32_t n) {
    if (chance(300))
        world_see(n);
    note_proposal();
    if (chance(700))
        world_tick(n);
    note_proposal();
    if (chance(200))
        world_hear_coordinator(n);
    for (uint32_t from = A; from <= C; from++)
        if (from != n && chance(150))
            world_promise(n, from, world.now_ms);
}

static void run_short_of_memory(void) {
    struct world_member *m = &world.members[1 + draw(WORLD_MEMBERS)];
    struct test_allocator *short_of = chance(500) ? &m->allocator : &m->store_allocator;
    uint64_t after = 1 + draw(6);
    test_allocator_fail_in(short_of, after, chance(500));
}

static void have_memory_again(void) {
    for (uint32_t n = A; n <= C; n++) {
        test_allocator_fail_never(&world.members[n].allocator);
        test_allocator_fail_never(&world.members[n].store_allocator);
    }
}

/* Nothing is lost any more, and time goes on. */
static void calm_down(void) {
    for (int i = 0; i < 400; i++) {
        world.now_ms += 10;
        for (uint32_t n = A; n <= C; n++) {
            world_see(n);
            world_tick(n);
            note_proposal();
        }
        world_promise_all();
        while (world.queued > 0) {
            world_deliver_at(0);
            note_proposal();
        }
        while (group_chaos.proposal_count > 0)
            decide(0);
        add_learners();
    }
}

#endif
