/* SPDX-License-Identifier: BSD-3-Clause */
/* Members compare their configurations; who has another one than most of the voters stops. */
#include "unit/cluster/member_world.h"

enum { CHECK = 20 };

static void begin(uint32_t members, uint32_t voters) {
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.voter_count = voters;
    world_found(members, 4, &settings);
    world.options.entries_per_check = CHECK;
    for (uint32_t i = 0; i < members; i++)
        world_start(i);
    world_run(8000);
}

/* Enough entries for the next hashes, wherever somebody leads. */
static void make_entries(void) {
    for (uint32_t i = 0; i < CHECK; i++) {
        uint32_t at = world_coordinator();
        struct config_entry entry = {
            .type = CONFIG_CEILING,
            .ceiling = member_configuration(world.places[at].member)->ceiling + 1};
        member_propose(world.places[at].member, &entry);
        world_run(20);
    }
    world_run(200);
}

/* What a mistake or a broken memory would do. */
static void damage(uint32_t at) {
    struct configuration *c =
        (struct configuration *)(uintptr_t)member_configuration(world.places[at].member);
    c->partitions[1].reset_ceiling += at + 1;
}

static bool has_stopped(uint32_t at) {
    const struct cluster_member *m = world.places[at].member;
    return member_has_diverged(m) && member_number(m) == CLUSTER_NOBODY &&
           !member_is_coordinator(m);
}

static uint32_t state_of(uint32_t at, uint32_t seen_from) {
    return configuration_find_member(member_configuration(world.places[seen_from].member), at + 1)
        ->state;
}

static void equal_configurations_stay(void **state) {
    (void)state;
    begin(4, 3);
    make_entries();
    make_entries();
    for (uint32_t i = 0; i < 4; i++) {
        assert_false(member_has_diverged(world.places[i].member));
        assert_int_equal(member_divergences(world.places[i].member), 0);
    }
}

static void one_that_differs_stops_and_is_replaced_like_a_dead_one(void **state) {
    (void)state;
    begin(4, 3);
    damage(2);
    make_entries();
    assert_true(has_stopped(2));
    assert_true(member_divergences(world.places[2].member) > 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(i == 2 || !member_has_diverged(world.places[i].member));
    assert_int_equal(member_divergences(world.places[0].member), 1);
    world_run(3000);
    assert_int_equal(state_of(2, world_coordinator()), MEMBER_DOWN);
    uint64_t applied = member_applied(world.places[2].member);
    make_entries();
    assert_int_equal(member_applied(world.places[2].member), applied);
}

static void one_without_a_vote_stops_too(void **state) {
    (void)state;
    begin(4, 3);
    damage(3);
    make_entries();
    assert_true(has_stopped(3));
    for (uint32_t i = 0; i < 3; i++)
        assert_false(member_has_diverged(world.places[i].member));
}

/* Its duties go to one that the others agree with. */
static void a_coordinator_that_differs_stops(void **state) {
    (void)state;
    begin(3, 3);
    uint32_t gone = world_coordinator();
    assert_int_equal(gone, 0);
    damage(gone);
    for (uint32_t i = 0; i < 2 * CHECK; i++) {
        struct config_entry entry = {.type = CONFIG_CEILING,
                                     .ceiling =
                                         member_configuration(world.places[1].member)->ceiling + 1};
        member_propose(world.places[1].member, &entry);
        world_run(20);
    }
    assert_true(has_stopped(gone));
    world_run(3000);
    uint32_t next = world_coordinator();
    assert_int_not_equal(next, gone);
    assert_int_equal(state_of(gone, next), MEMBER_DOWN);
}

/* All three differ: nobody knows who is right. */
static void without_a_majority_all_go_on_and_count(void **state) {
    (void)state;
    begin(3, 3);
    damage(0);
    damage(1);
    make_entries();
    for (uint32_t i = 0; i < 3; i++) {
        assert_false(member_has_diverged(world.places[i].member));
        assert_int_equal(member_divergences(world.places[i].member), 2);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, world_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(equal_configurations_stay),
        TEST(one_that_differs_stops_and_is_replaced_like_a_dead_one),
        TEST(one_without_a_vote_stops_too),
        TEST(a_coordinator_that_differs_stops),
        TEST(without_a_majority_all_go_on_and_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
