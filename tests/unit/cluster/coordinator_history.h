/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test of coordinators remembers from tick to tick: what members told, which copies there
 * are and what they showed, what the coordinator's configuration was before, and since when nothing
 * has disturbed it.
 *
 * A disturbance is an event of the test, another coordinator or another process in the
 * configuration: for a moment after one it is not said who knew what. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_COORDINATOR_HISTORY_H
#define LARDER_TESTS_UNIT_CLUSTER_COORDINATOR_HISTORY_H

#include "unit/cluster/member_world.h"

enum {
    RULES_PARTITIONS = 6,
    RULES_MEMBERS = WORLD_PLACES + 1, /* by number */
    STEP_US = 10000,
    ROUND_US = 150000, /* reviews, heartbeats and commits between cause and effect */
    SOON_US = 1200000, /* offers are repeated, and what is due is done */
    LONG_US = 2000000, /* nobody who was there for so long is unknown */
    CALM_MEMORY = 16,
};

struct rules_said {
    uint64_t incarnation, lost_index;
    int64_t first_us, last_us;
    int64_t since_us; /* the first after the last disturbance */
    struct member_remains remains;
};

struct rules_seat {
    bool is_there;
    uint64_t incarnation, term;
    uint64_t least; /* that was left */
    int64_t begun_us, moved_us;
    int64_t late_us; /* it moved, or began anew, when its time may have been over already */
    uint32_t failures;
    int64_t retry_us; /* 0: it was not given up */
};

static struct {
    uint64_t seed;
    uint32_t coordinator; /* place; WORLD_PLACES: none, or it is cut off */
    uint32_t led_place;   /* the last one, ... */
    uint64_t led_term;    /* ... in this term of the group, since coordinator_us */
    int64_t led_us;       /* it is neither another one nor was it cut off since */
    int64_t coordinator_us, primary_us;
    int64_t disturbed_us, stalled_us; /* stalled: nobody could decide */
    int64_t calm_since_us[CALM_MEMORY];
    struct configuration *before;
    struct rules_said said[RULES_PARTITIONS][RULES_MEMBERS];
    struct rules_seat seats[RULES_PARTITIONS][RULES_MEMBERS];
    int64_t lost_us[RULES_PARTITIONS];
    int64_t started_us[WORLD_PLACES];
    int64_t there_us[WORLD_PLACES]; /* neither begun anew nor cut off since */
} rules;

static struct {
    uint64_t restored, waited, over_longer, lacking, in_unrest;
    uint64_t copies, full, given_up, again, balanced, handed_off;
} seen;

#define EXPECT(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %llu, %lld ms: ", (unsigned long long)rules.seed,                    \
                        (long long)(world.now_us / 1000));                                         \
            print_error(__VA_ARGS__);                                                              \
            print_error("\n");                                                                     \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static bool is_cut(uint32_t place) {
    return (world.cut >> place & 1) != 0;
}

static uint32_t place_of(const struct configuration *c, uint32_t number) {
    const struct member *member = configuration_find_member(c, number);
    return member == NULL ? WORLD_PLACES : (uint32_t)member->node.words[1] - 1;
}

static void disturb(void) {
    rules.disturbed_us = world.now_us;
}

static void stall(void) {
    rules.stalled_us = world.now_us;
    disturb();
}

/* Cut off, or no longer so. */
static void rules_note_cut(uint32_t place) {
    rules.there_us[place] = world.now_us;
    disturb();
}

static void rules_note_start(uint32_t place) {
    rules.started_us[place] = rules.there_us[place] = world.now_us;
    disturb();
}

static int64_t latest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- what members tell ---- */

static uint32_t leader_of(uint32_t place) {
    struct raft_status status;
    raft_get_status(member_raft(world.places[place].member), &status);
    return (uint32_t)status.leader.words[1] - 1;
}

/* A leader takes it once it is coordinator, which may be in this very tick. */
static void rules_hear_offer(uint32_t place, uint32_t p, const struct member_remains *remains) {
    const struct cluster_member *m = world.places[place].member;
    uint32_t to = leader_of(place);
    bool is_taken = to < WORLD_PLACES && world.places[to].member != NULL && leader_of(to) == to &&
                    (to == place || (!is_cut(place) && !is_cut(to)));
    if (!is_taken)
        return;
    struct rules_said *said = &rules.said[p][member_number(m)];
    uint64_t lost_index = member_configuration(m)->partitions[p].lost_index;
    if (said->incarnation != world.places[place].incarnation || said->lost_index != lost_index)
        said->first_us = said->since_us = world.now_us;
    if (said->since_us <= rules.disturbed_us)
        said->since_us = world.now_us;
    said->incarnation = world.places[place].incarnation;
    said->lost_index = lost_index;
    said->last_us = world.now_us;
    said->remains = *remains;
}

static void note_late(struct rules_seat *seat) {
    if (world.now_us - seat->moved_us >= world.options.copy_timeout_us - ROUND_US)
        seat->late_us = world.now_us;
}

static void rules_hear_left(uint32_t place, uint32_t p, uint64_t left) {
    struct rules_seat *seat = &rules.seats[p][member_number(world.places[place].member)];
    if (is_cut(place) || left == 0 || left >= seat->least)
        return;
    note_late(seat);
    seat->least = left;
    seat->moved_us = world.now_us;
}

/* Somebody there has said so of this loss, to this coordinator. */
static const struct rules_said *find_said(uint32_t p, uint32_t number) {
    const struct rules_said *said = &rules.said[p][number];
    bool counts = said->lost_index == rules.before->partitions[p].lost_index &&
                  said->last_us >= rules.coordinator_us;
    return counts ? said : NULL;
}

/* ---- members ---- */

static bool is_present(const struct configuration *c, uint32_t number, uint64_t incarnation) {
    const struct member *member = configuration_find_member(c, number);
    return member != NULL && member->state != MEMBER_DOWN && member->incarnation == incarnation;
}

static bool may_hold(const struct member *member) {
    return member != NULL && member->weight > 0 && member->state == MEMBER_ACTIVE;
}

static uint32_t count_possible(const struct configuration *c) {
    uint32_t places = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        places += may_hold(&c->members[i]);
    return places < c->settings.replica_count ? places : c->settings.replica_count;
}

static void note_unrest(const struct configuration *c) {
    memmove(rules.calm_since_us + 1, rules.calm_since_us,
            (CALM_MEMORY - 1) * sizeof(rules.calm_since_us[0]));
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (c->partitions[p].in_sync.count < count_possible(c) ||
            c->partitions[p].learners.count > 0)
            rules.calm_since_us[0] = world.now_us;
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].state == MEMBER_DRAINING)
            rules.calm_since_us[0] = world.now_us;
}

/* ---- from tick to tick ---- */

static void begin_seat(struct rules_seat *seat, uint64_t term) {
    seat->begun_us = seat->moved_us = world.now_us;
    seat->least = UINT64_MAX;
    seat->term = term;
}

static void remember(const struct configuration *c) {
    size_t size = configuration_encoded_size(c);
    uint8_t *bytes = malloc(size);
    configuration_encode(c, bytes);
    if (rules.before == NULL)
        assert_int_equal(configuration_create(world.options.cluster, 1, c->partition_count,
                                              WORLD_PLACES, &ALLOCATOR_SYSTEM, &rules.before),
                         LARDER_OK);
    assert_int_equal(configuration_restore(rules.before, slice_of(bytes, size)), LARDER_OK);
    free(bytes);
}

static void note_members(const struct configuration *c) {
    bool is_same = c->member_count == rules.before->member_count, are_there = is_same;
    for (uint32_t i = 0; are_there && i < c->member_count; i++) {
        const struct member *was = &rules.before->members[i], *is = &c->members[i];
        are_there = was->state == is->state;
        is_same &= are_there && was->incarnation == is->incarnation;
    }
    if (!is_same)
        disturb();
    if (!are_there)
        rules.calm_since_us[0] = world.now_us;
}

static uint64_t term_of(uint32_t place) {
    struct raft_status status;
    raft_get_status(member_raft(world.places[place].member), &status);
    return status.term;
}

/* One that was cut off may not know yet that there is another. */
static uint32_t find_coordinator(void) {
    uint32_t found = WORLD_PLACES;
    for (uint32_t i = 0; i < WORLD_PLACES; i++)
        if (world.places[i].member != NULL && !is_cut(i) &&
            member_is_coordinator(world.places[i].member) && leader_of(i) == i &&
            (found == WORLD_PLACES || term_of(i) > term_of(found)))
            found = i;
    return found;
}

/* A new one knows nothing of what its predecessor waited for. */
static void begin_term_of(uint32_t place, uint64_t term) {
    rules.led_place = place;
    rules.led_term = term;
    rules.coordinator_us = world.now_us;
    for (uint32_t i = 0; i < CALM_MEMORY; i++)
        rules.calm_since_us[i] = world.now_us;
    for (uint32_t p = 0; p < RULES_PARTITIONS; p++)
        rules.lost_us[p] = world.now_us;
}

/* Another one, or one that was cut off. */
static void begin_coordinator(uint32_t place) {
    rules.coordinator = place;
    rules.led_us = world.now_us;
    stall();
    if (place == WORLD_PLACES)
        return;
    if (rules.led_place != place || rules.led_term != term_of(place))
        begin_term_of(place, term_of(place));
    const struct configuration *c = member_configuration(world.places[place].member);
    remember(c);
    memset(rules.seats, 0, sizeof(rules.seats));
    for (uint32_t p = 0; p < c->partition_count; p++)
        for (uint8_t i = 0; i < c->partitions[p].learners.count; i++) {
            uint32_t number = c->partitions[p].learners.members[i];
            struct rules_seat *seat = &rules.seats[p][number];
            seat->is_there = true;
            seat->incarnation = configuration_find_member(c, number)->incarnation;
            begin_seat(seat, c->partitions[p].term);
        }
}

/* Without a majority that answers nothing can be done. */
static void note_stall(uint32_t place) {
    struct raft_status status;
    raft_get_status(member_raft(world.places[place].member), &status);
    if (status.commit_index < status.last_index)
        stall();
}

static void rules_begin(uint64_t seed) {
    memset(&rules, 0, sizeof(rules));
    rules.seed = seed;
    rules.coordinator = WORLD_PLACES;
}

#endif
