/* SPDX-License-Identifier: BSD-3-Clause */
/* What a coordinator may do and must do, from docs/consistency.md, checked from outside: by what
 * members are asked for and by how the coordinator's configuration changes from tick to tick.
 *
 *   lost       goes on at who said it has the best log, by a process that is still a member, when
 *              all of the last set have spoken or recovery_wait is over; and then it does
 *   copies     few at a time at both ends; given up without progress, not with it; then the member
 *              is left alone for that partition, each time for longer
 *   balance    not before all was whole and quiet for calm_us
 *   hand-offs  not to a process that may not open yet
 *
 * A disturbance is an event of the test, another coordinator or another process in the
 * configuration: for a moment after one it is not said who knew what. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_COORDINATOR_RULES_H
#define LARDER_TESTS_UNIT_CLUSTER_COORDINATOR_RULES_H

#include "unit/cluster/member_world.h"

enum {
    RULES_PARTITIONS = 4,
    RULES_MEMBERS = WORLD_PLACES + 1, /* by number */
    STEP_US = 10000,
    ROUND_US = 150000, /* reviews, heartbeats and commits between cause and effect */
    SOON_US = 1200000, /* offers are repeated, and what is due is done */
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
    uint32_t failures;
    int64_t retry_us; /* 0: it was not given up */
};

static struct {
    uint64_t seed;
    uint32_t coordinator; /* place; WORLD_PLACES: none, or it is cut off */
    uint32_t led_place;   /* the last one, ... */
    uint64_t led_term;    /* ... in this term of the group, since coordinator_us */
    int64_t coordinator_us, disturbed_us, primary_us;
    int64_t calm_since_us[CALM_MEMORY];
    struct configuration *before;
    struct rules_said said[RULES_PARTITIONS][RULES_MEMBERS];
    struct rules_seat seats[RULES_PARTITIONS][RULES_MEMBERS];
    int64_t lost_us[RULES_PARTITIONS];
    int64_t started_us[WORLD_PLACES];
} rules;

static struct {
    uint64_t restored, waited, over_longer, copies, given_up, again, balanced, handed_off, full;
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

static int64_t latest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- what members tell ---- */

static void rules_hear_offer(uint32_t place, uint32_t p, const struct member_remains *remains) {
    const struct cluster_member *m = world.places[place].member;
    struct raft_status status;
    raft_get_status(member_raft(m), &status);
    uint32_t to = (uint32_t)status.leader.words[1] - 1;
    bool is_taken = to < WORLD_PLACES && world.places[to].member != NULL &&
                    (to == place || (!is_cut(place) && !is_cut(to))) &&
                    member_is_coordinator(world.places[to].member);
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

static void rules_hear_left(uint32_t place, uint32_t p, uint64_t left) {
    struct rules_seat *seat = &rules.seats[p][member_number(world.places[place].member)];
    if (is_cut(place) || left == 0 || left >= seat->least)
        return;
    seat->least = left;
    seat->moved_us = world.now_us;
}

/* ---- lost partitions ---- */

/* It may take what another log lacks, or is of an older term, or shorter. */
static bool is_worse(const struct member_remains *a, const struct member_remains *b) {
    if (a->may_lack != b->may_lack)
        return a->may_lack;
    return a->end.term != b->end.term ? a->end.term < b->end.term
                                      : a->end.sequence < b->end.sequence;
}

static bool is_present(const struct configuration *c, uint32_t number, uint64_t incarnation) {
    const struct member *member = configuration_find_member(c, number);
    return member != NULL && member->state != MEMBER_DOWN && member->incarnation == incarnation;
}

/* Somebody there has said so of this loss, to this coordinator. */
static const struct rules_said *find_said(uint32_t p, uint32_t number) {
    const struct rules_said *said = &rules.said[p][number];
    bool counts = said->lost_index == rules.before->partitions[p].lost_index &&
                  said->last_us >= rules.coordinator_us;
    return counts ? said : NULL;
}

static bool has_waited(uint32_t p) {
    return world.now_us - latest(rules.lost_us[p], rules.coordinator_us) >=
           world.options.recovery_wait_us - 2 * STEP_US;
}

static void check_restore(const struct configuration *c, uint32_t p) {
    const struct member_set *last = &rules.before->partitions[p].last;
    uint32_t at = c->partitions[p].primary;
    const struct rules_said *best = find_said(p, at);
    EXPECT(member_set_has(last, at) && best != NULL, "%u goes on at %u, which said nothing", p, at);
    EXPECT(is_present(c, at, best->incarnation), "%u goes on at %u by an offer of a former process",
           p, at);
    seen.restored++;
    bool have_all = true;
    for (uint8_t i = 0; i < last->count; i++) {
        uint32_t other = last->members[i];
        const struct rules_said *said = find_said(p, other);
        have_all &= said != NULL;
        if (other == at || said == NULL || !is_present(c, other, said->incarnation) ||
            said->since_us <= rules.disturbed_us || said->since_us > world.now_us - 2 * STEP_US)
            continue;
        EXPECT(!is_worse(&best->remains, &said->remains), "%u goes on at %u, %u has more", p, at,
               other);
        seen.over_longer += said->remains.may_lack && !best->remains.may_lack &&
                            said->remains.end.term >= best->remains.end.term;
    }
    EXPECT(have_all || has_waited(p), "%u goes on at %u, others have said nothing", p, at);
    seen.waited += !have_all;
}

/* Nothing has happened for a while, and what is needed was said a while ago. */
static void check_still_lost(uint32_t p) {
    const struct member_set *last = &rules.before->partitions[p].last;
    int64_t long_ago_us = world.now_us - SOON_US;
    bool have_all = true, have_one = false;
    if (rules.disturbed_us > long_ago_us || rules.lost_us[p] > long_ago_us)
        return;
    for (uint8_t i = 0; i < last->count; i++) {
        const struct rules_said *said = find_said(p, last->members[i]);
        bool has_said = said != NULL && said->first_us < long_ago_us &&
                        said->last_us > rules.disturbed_us &&
                        is_present(rules.before, last->members[i], said->incarnation);
        have_all &= has_said;
        have_one |= has_said;
    }
    bool is_over = world.now_us - latest(rules.lost_us[p], rules.coordinator_us) >=
                   world.options.recovery_wait_us + SOON_US;
    EXPECT(!have_one || !(have_all || is_over), "%u is still lost", p);
}

static void check_lost(const struct configuration *c) {
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct partition_config *was = &rules.before->partitions[p];
        const struct partition_config *is = &c->partitions[p];
        if (was->state == PARTITION_LOST && is->epoch == was->epoch + 1 && is->term > was->term)
            check_restore(c, p);
        else if (was->state == PARTITION_LOST && is->epoch == was->epoch)
            check_still_lost(p);
        if (is->state == PARTITION_LOST && is->lost_index != was->lost_index)
            rules.lost_us[p] = world.now_us;
    }
}

/* ---- copies ---- */

static uint32_t count_copies(const struct configuration *c, uint32_t number) {
    uint32_t copies = 0;
    for (uint32_t p = 0; p < c->partition_count; p++)
        for (uint8_t i = 0; i < c->partitions[p].learners.count; i++)
            copies += c->partitions[p].primary == number ||
                      c->partitions[p].learners.members[i] == number;
    return copies;
}

static void begin_seat(struct rules_seat *seat, uint64_t term) {
    seat->begun_us = seat->moved_us = world.now_us;
    seat->least = UINT64_MAX;
    seat->term = term;
}

static void check_begun(const struct configuration *c, uint32_t p, uint32_t number,
                        struct rules_seat *seat) {
    uint64_t incarnation = configuration_find_member(c, number)->incarnation;
    uint32_t most = world.options.moves_max == 0 ? 2 : world.options.moves_max;
    seen.copies++;
    if (world.now_us - rules.primary_us > ROUND_US) {
        uint32_t from = count_copies(c, c->partitions[p].primary), to = count_copies(c, number);
        EXPECT(from <= most && to <= most, "%u is copied to %u: %u there, %u where it comes from",
               p, number, to, from);
        seen.full += from == most || to == most;
    }
    bool is_same = seat->incarnation == incarnation && seat->retry_us > 0;
    if (is_same) {
        EXPECT(world.now_us >= seat->retry_us - ROUND_US, "%u is copied to %u again %lld ms early",
               p, number, (long long)(seat->retry_us - world.now_us) / 1000);
        seen.again++;
    }
    if (!is_same || world.now_us - seat->retry_us > world.options.copy_timeout_us - 4 * ROUND_US)
        seat->failures = 0;
    seat->incarnation = incarnation;
    begin_seat(seat, c->partitions[p].term);
}

static void check_ended(const struct configuration *c, uint32_t p, uint32_t number,
                        struct rules_seat *seat) {
    const struct partition_config *was = &rules.before->partitions[p], *is = &c->partitions[p];
    const struct member *member = configuration_find_member(c, number);
    if (member_set_has(&is->in_sync, number))
        seat->failures = 0, seat->retry_us = 0;
    if (member_set_has(&is->in_sync, number) || !member_set_has(&is->target, number) ||
        !member_set_has(&was->target, number) || member->state != MEMBER_ACTIVE ||
        member->incarnation != seat->incarnation || is->term != was->term ||
        is->state == PARTITION_LOST)
        return;
    int64_t stuck_us = world.now_us - latest(seat->begun_us, seat->moved_us);
    if (stuck_us < world.options.copy_timeout_us - ROUND_US) {
        EXPECT(rules.disturbed_us >= seat->begun_us - ROUND_US,
               "the copy of %u to %u was given up by %u although it went on %lld ms ago", p, number,
               rules.coordinator + 1, (long long)stuck_us / 1000);
        return;
    }
    /* counted from when its time was over: the entry may have waited for a majority */
    int64_t wait_us = world.options.copy_timeout_us / 2;
    for (uint32_t i = 0; i < seat->failures && i < 2; i++)
        wait_us *= 2;
    seat->failures++;
    seat->retry_us = world.now_us - stuck_us + world.options.copy_timeout_us + wait_us;
    seen.given_up++;
}

static void check_copy(const struct configuration *c, uint32_t p, uint32_t number) {
    struct rules_seat *seat = &rules.seats[p][number];
    const struct member *member = configuration_find_member(c, number);
    bool is_there = member_set_has(&c->partitions[p].learners, number);
    if (is_there && (!seat->is_there || seat->incarnation != member->incarnation))
        check_begun(c, p, number, seat);
    else if (is_there && seat->term != c->partitions[p].term)
        begin_seat(seat, c->partitions[p].term);
    else if (!is_there && seat->is_there)
        check_ended(c, p, number, seat);
    seat->is_there = is_there;
    int64_t since_us = latest(latest(seat->begun_us, seat->moved_us), rules.disturbed_us);
    EXPECT(!is_there || world.now_us - since_us <= world.options.copy_timeout_us + 4 * ROUND_US,
           "the copy of %u to %u goes on without progress", p, number);
}

static void check_copies(const struct configuration *c) {
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (c->partitions[p].primary != rules.before->partitions[p].primary)
            rules.primary_us = world.now_us;
    for (uint32_t p = 0; p < c->partition_count; p++)
        for (uint32_t i = 0; i < c->member_count; i++)
            check_copy(c, p, c->members[i].number);
}

/* ---- balance and hand-offs ---- */

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

static bool may_balance(void) {
    for (uint32_t i = 0; i < CALM_MEMORY; i++)
        if (world.now_us - rules.calm_since_us[i] >= world.options.calm_us - ROUND_US)
            return true;
    return false;
}

static void check_targets(const struct configuration *c) {
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct member_set *was = &rules.before->partitions[p].target;
        const struct member_set *is = &c->partitions[p].target;
        if (memcmp(was, is, sizeof(*was)) == 0)
            continue;
        bool is_due = was->count != count_possible(c) || was->count != count_possible(rules.before);
        for (uint8_t i = 0; i < was->count; i++)
            is_due |= !may_hold(configuration_find_member(c, was->members[i])) ||
                      !may_hold(configuration_find_member(rules.before, was->members[i]));
        EXPECT(is_due || may_balance(), "%u is moved for balance amid unrest", p);
        seen.balanced += !is_due;
    }
}

static void rules_hear_hand_off(uint32_t place, uint32_t p, uint32_t to) {
    if (rules.before == NULL || is_cut(place) || rules.coordinator == WORLD_PLACES)
        return;
    const struct configuration *c = rules.before;
    const struct partition_config *config = &c->partitions[p];
    const struct member *primary = configuration_find_member(c, config->primary);
    uint32_t to_place = place_of(c, to);
    EXPECT(to_place < WORLD_PLACES, "%u is to be handed to %u, which is no member", p, to);
    EXPECT(!is_present(c, to, world.places[to_place].incarnation) ||
               world.now_us - rules.started_us[to_place] >= (int64_t)c->longest_lease_ms * 1000,
           "%u is to be handed to %u, which may not open", p, to);
    seen.handed_off++;
    if (world.now_us - rules.disturbed_us < SOON_US)
        return;
    bool is_wanted = primary != NULL && primary->state == MEMBER_ACTIVE &&
                     member_set_has(&config->target, config->primary);
    const struct configuration *now = member_configuration(world.places[rules.coordinator].member);
    EXPECT(member_set_has(&config->in_sync, to) || member_set_has(&now->partitions[p].in_sync, to),
           "%u is to be handed to %u, not in sync", p, to);
    EXPECT(!is_wanted || may_balance(), "%u is to be handed to %u amid unrest", p, to);
}

/* ---- from tick to tick ---- */

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

static uint32_t find_coordinator(void) {
    for (uint32_t i = 0; i < WORLD_PLACES; i++)
        if (world.places[i].member != NULL && !is_cut(i) &&
            member_is_coordinator(world.places[i].member))
            return i;
    return WORLD_PLACES;
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
    disturb();
    if (place == WORLD_PLACES)
        return;
    struct raft_status status;
    raft_get_status(member_raft(world.places[place].member), &status);
    if (rules.led_place != place || rules.led_term != status.term)
        begin_term_of(place, status.term);
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
        disturb();
}

static void rules_check(void) {
    uint32_t place = find_coordinator();
    if (place != rules.coordinator || place == WORLD_PLACES) {
        begin_coordinator(place);
        return;
    }
    const struct configuration *c = member_configuration(world.places[place].member);
    note_stall(place);
    note_unrest(c);
    note_members(c);
    check_lost(c);
    check_copies(c);
    check_targets(c);
    if (c->index != rules.before->index)
        remember(c);
}

static void rules_begin(uint64_t seed) {
    memset(&rules, 0, sizeof(rules));
    rules.seed = seed;
    rules.coordinator = WORLD_PLACES;
}

#endif
