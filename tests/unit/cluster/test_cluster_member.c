/* SPDX-License-Identifier: BSD-3-Clause */
/* Members without data: what they decide together. */
#include "unit/cluster/founded_world.h"

#include "support/test_allocator.h"

static void founders_agree_and_the_oldest_coordinates(void **state) {
    (void)state;
    found(3);
    run(8000);
    assert_int_equal(coordinator(), 0);
    assert_equal_views(7);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(member_number(places[i].member), i + 1);
        assert_true(has_voter(i));
        assert_true(lease_config_holds(member_leases(places[i].member), now_us));
    }
}

static void every_pair_holds_promises(void **state) {
    (void)state;
    found(3);
    for (uint32_t i = 0; i < 3; i++) {
        struct member_set all = {.count = 3, .members = {1, 2, 3}};
        assert_true(lease_covers(member_leases(places[i].member), &all, i + 1, 0, now_us));
        assert_false(
            lease_covers(member_leases(places[i].member), &all, i + 1, 0, now_us + 300000));
    }
}

static void the_token_ceiling_is_ahead_of_the_wall_clock(void **state) {
    (void)state;
    found(3);
    assert_true(configuration_at(0)->ceiling > (uint64_t)now_us + 1700000000000000u + 60000000);
}

static void a_newcomer_is_let_in_by_any_member(void **state) {
    (void)state;
    found(3);
    assert_int_equal(start(4, 1, 0), LARDER_OK);
    run(2000);
    assert_int_equal(member_number(places[4].member), 4);
    assert_equal_views(1 | 2 | 4 | 16);
}

/* Its seats are taken, others lead its partitions, the vote goes to a living member. */
static void a_silent_member_is_declared_down(void **state) {
    (void)state;
    found(3);
    assert_int_equal(start(3, 1, 0), LARDER_OK);
    run(2000);
    uint32_t gone = coordinator() == 1 ? 2 : 1;
    cut = 1u << gone;
    run(700);
    const struct member *member =
        configuration_find_member(configuration_at(coordinator()), gone + 1);
    assert_int_equal(member->state, MEMBER_DOWN);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct partition_config *config = &configuration_at(coordinator())->partitions[p];
        assert_true(config->primary != gone + 1 && config->primary != CLUSTER_NOBODY);
    }
    run(2000);
    assert_false(has_voter(gone));
    assert_true(has_voter(3));
}

static void a_member_that_was_declared_down_joins_again(void **state) {
    (void)state;
    found(3);
    uint32_t gone = coordinator() == 1 ? 2 : 1;
    cut = 1u << gone;
    run(1000);
    cut = 0;
    run(2000);
    assert_int_equal(member_number(places[gone].member), gone + 1);
    assert_int_equal(configuration_find_member(configuration_at(0), gone + 1)->state,
                     MEMBER_ACTIVE);
    assert_equal_views(7);
}

static enum member_state state_of(uint32_t at) {
    return configuration_find_member(configuration_at(coordinator()), at + 1)->state;
}

/* Its silence of before does not bring it down again before it could say anything. */
static void the_silence_of_a_member_counts_from_its_return(void **state) {
    (void)state;
    found(3);
    uint32_t gone = coordinator() == 1 ? 2 : 1;
    for (uint32_t turn = 0; turn < 5; turn++) {
        cut = 1u << gone;
        run(700);
        assert_int_equal(state_of(gone), MEMBER_DOWN);
        cut = 0;
        for (uint32_t i = 0; i < 100 && state_of(gone) == MEMBER_DOWN; i++)
            run(10);
        cut = 1u << gone;
        run(200);
        assert_int_equal(state_of(gone), MEMBER_ACTIVE);
        cut = 0;
        run(1000);
        assert_int_equal(state_of(gone), MEMBER_ACTIVE);
    }
}

static void refused_connections_shorten_it(void **state) {
    (void)state;
    found(3);
    uint32_t gone = coordinator() == 1 ? 2 : 1;
    stop(gone);
    const struct member_address address = address_of(gone);
    for (uint32_t i = 0; i < 3; i++)
        if (i != gone)
            member_refused(places[i].member, &address, now_us);
    run(150);
    assert_int_equal(configuration_find_member(configuration_at(coordinator()), gone + 1)->state,
                     MEMBER_DOWN);
}

static void a_coordinator_that_is_gone_is_replaced_in_its_duties(void **state) {
    (void)state;
    found(3);
    uint32_t gone = coordinator();
    cut = 1u << gone;
    run(2500);
    assert_int_not_equal(coordinator(), gone);
    assert_int_equal(configuration_find_member(configuration_at(coordinator()), gone + 1)->state,
                     MEMBER_DOWN);
    assert_false(lease_config_holds(member_leases(places[gone].member), now_us));
    assert_false(member_is_coordinator(places[gone].member));
}

/* As if the host saw connections reset, then refused. */
static void reset_connections_of(uint32_t gone, uint32_t count) {
    const struct member_address address = address_of(gone);
    stop(gone);
    for (uint32_t i = 0; i < count; i++) {
        if (i == gone)
            continue;
        size_t before = frame_count;
        member_reset(places[i].member, &address, now_us);
        assert_int_equal(frame_count, before + 1); /* it asks at once */
        member_refused(places[i].member, &address, now_us);
    }
}

/* One voter after the other campaigns: they do not stand in each other's way. */
static void a_coordinator_whose_process_died_is_replaced_at_once(void **state) {
    (void)state;
    found(5);
    uint32_t gone = coordinator();
    reset_connections_of(gone, 5);
    run(100);
    assert_int_not_equal(coordinator(), gone);
    assert_int_equal(state_of(gone), MEMBER_DOWN);
}

static void who_hears_nobody_is_declared_down(void **state) {
    (void)state;
    found(5);
    uint32_t gone = coordinator() == 1 ? 2 : 1;
    deaf = 1u << gone;
    run(500);
    assert_int_equal(state_of(gone), MEMBER_ACTIVE);
    run(200);
    assert_int_equal(state_of(gone), MEMBER_DOWN);
}

/* It still sends, so nobody would miss it. */
static void a_coordinator_that_hears_nobody_is_replaced(void **state) {
    (void)state;
    found(5);
    uint32_t gone = coordinator();
    deaf = 1u << gone;
    run(900);
    assert_int_not_equal(coordinator(), gone);
    assert_int_equal(state_of(gone), MEMBER_DOWN);
}

/* In memory a restart is another node: the old one goes, the new one has a number of its own. */
static void a_new_process_at_an_address_replaces_the_old_one(void **state) {
    (void)state;
    found(3);
    uint32_t gone = coordinator() == 1 ? 2 : 1;
    stop(gone);
    assert_int_equal(start(gone, 2, 0), LARDER_OK);
    run(3000);
    assert_int_equal(member_number(places[gone].member), 4);
    assert_null(configuration_find_member(configuration_at(0), gone + 1));
    assert_true(has_voter(gone));
    assert_equal_views(7);
}

/* More entries than anybody keeps: whoever was away gets the whole configuration. */
static void one_that_was_away_for_long_catches_up(void **state) {
    (void)state;
    found(3);
    assert_int_equal(start(3, 1, 0), LARDER_OK);
    run(1000);
    cut = 8;
    run(1000);
    uint32_t at = coordinator();
    for (uint32_t i = 0; i < 400; i++) {
        struct config_entry entry = {.type = CONFIG_CEILING,
                                     .ceiling = configuration_at(at)->ceiling + 1};
        member_propose(places[at].member, &entry);
        run(10);
    }
    cut = 0;
    run(2000);
    assert_equal_views(15);
    assert_int_equal(member_number(places[3].member), 5); /* it had been removed */
}

static void one_that_leaves_gives_up_everything_first(void **state) {
    (void)state;
    found(3);
    assert_int_equal(start(3, 1, 0), LARDER_OK);
    run(2000);
    member_drain(places[3].member, DEPARTURE_LEAVE);
    run(6000);
    assert_true(member_may_leave(places[3].member));
    assert_null(configuration_find_member(configuration_at(0), 4));
    assert_equal_views(7);
}

static void primaries_that_are_not_wanted_are_asked_to_go(void **state) {
    (void)state;
    found(3);
    uint32_t leaving = coordinator() == 1 ? 2 : 1;
    member_drain(places[leaving].member, DEPARTURE_LEAVE);
    run(3000);
    assert_true(places[leaving].hand_offs > 0);
}

static const struct partition_config *partition_at_coordinator(uint32_t p) {
    return &configuration_at(coordinator())->partitions[p];
}

/* Its primary, the only one in sync, is declared down although it lives. */
static void lose(uint32_t p) {
    const struct member *primary = configuration_find_member(configuration_at(coordinator()),
                                                             partition_at_coordinator(p)->primary);
    const struct config_entry down = {.type = CONFIG_DOWN,
                                      .member = {primary->number, primary->incarnation}};
    member_propose(places[coordinator()].member, &down);
    run(20);
    assert_int_equal(partition_at_coordinator(p)->state, PARTITION_LOST);
}

static int64_t wait_while_lost(uint32_t p) {
    int64_t began_us = now_us;
    while (partition_at_coordinator(p)->state == PARTITION_LOST && now_us - began_us < 20000000)
        run(10);
    return now_us - began_us;
}

/* Given up and lost again between two looks of the coordinator, it waits as long as the first time:
 * whoever holds a lease now got it after that. */
static void a_partition_that_is_lost_again_at_once_waits_again(void **state) {
    (void)state;
    found(3);
    struct config_entry one = {.type = CONFIG_SETTINGS,
                               .settings = configuration_at(coordinator())->settings};
    one.settings.replica_count = 1;
    member_propose(places[coordinator()].member, &one);
    run(3000);
    uint32_t p = 0;
    while (p < PARTITIONS && (partition_at_coordinator(p)->primary == coordinator() + 1 ||
                              partition_at_coordinator(p)->in_sync.count > 1))
        p++;
    assert_true(p < PARTITIONS);
    lose(p);
    int64_t lease_us = (int64_t)one.settings.config_lease_ms * 1000;
    assert_true(wait_while_lost(p) >= 2 * lease_us - 50000);
    assert_int_not_equal(partition_at_coordinator(p)->primary, coordinator() + 1);
    lose(p);
    assert_true(wait_while_lost(p) >= 2 * lease_us - 50000);
    assert_int_equal(partition_at_coordinator(p)->state, PARTITION_OK);
}

static void frames_that_are_damaged_or_foreign_are_dropped(void **state) {
    (void)state;
    found(3);
    uint8_t bytes[200] = {1, 2, 3};
    member_receive(places[0].member, slice_of(bytes, sizeof(bytes)), now_us);
    member_receive(places[0].member, slice_of(bytes, 0), now_us);
    run(100);
    assert_equal_views(7);
}

static void creation_gives_back_what_it_took_when_memory_runs_out(void **state) {
    (void)state;
    struct test_allocator limited;
    enum larder_status status = LARDER_NO_MEMORY;
    test_allocator_init(&limited);
    allocator = &limited.base;
    for (uint64_t i = 1; status == LARDER_NO_MEMORY; i++) {
        test_allocator_fail_in(&limited, i, 0);
        status = start(0, 1, 3);
        if (status != LARDER_OK)
            assert_true(limited.heap_blocks == 0 && limited.heap_bytes == 0);
    }
    assert_int_equal(status, LARDER_OK);
    stop(0);
    assert_true(limited.heap_blocks == 0 && limited.heap_bytes == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(founders_agree_and_the_oldest_coordinates),
        TEST(every_pair_holds_promises),
        TEST(the_token_ceiling_is_ahead_of_the_wall_clock),
        TEST(a_newcomer_is_let_in_by_any_member),
        TEST(a_silent_member_is_declared_down),
        TEST(a_member_that_was_declared_down_joins_again),
        TEST(the_silence_of_a_member_counts_from_its_return),
        TEST(refused_connections_shorten_it),
        TEST(a_coordinator_that_is_gone_is_replaced_in_its_duties),
        TEST(a_coordinator_whose_process_died_is_replaced_at_once),
        TEST(who_hears_nobody_is_declared_down),
        TEST(a_coordinator_that_hears_nobody_is_replaced),
        TEST(a_new_process_at_an_address_replaces_the_old_one),
        TEST(one_that_was_away_for_long_catches_up),
        TEST(one_that_leaves_gives_up_everything_first),
        TEST(primaries_that_are_not_wanted_are_asked_to_go),
        TEST(a_partition_that_is_lost_again_at_once_waits_again),
        TEST(frames_that_are_damaged_or_foreign_are_dropped),
        TEST(creation_gives_back_what_it_took_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
