/* SPDX-License-Identifier: BSD-3-Clause */
/* Members that go: who waits for what, told as what the coordinator's configuration says. */
#include "unit/cluster/founded_world.h"

#include "cluster/departures.h"

static struct golden golden;

static int begin_with_partitions(void **state) {
    begin(state);
    golden.size = 0;
    has_partitions = true;
    return 0;
}

/* Each member: state, partitions led and held, and whether it votes. */
static void say(const char *what) {
    static const char *const STATES[] = {"?", "active", "draining", "down"};
    const struct configuration *c = configuration_at(coordinator());
    golden_say(&golden, "%s\n", what);
    for (uint32_t i = 0; i < c->member_count; i++) {
        uint32_t leads = 0, holds = 0;
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            leads += c->partitions[p].primary == c->members[i].number;
            holds += member_set_has(&c->partitions[p].in_sync, c->members[i].number);
        }
        uint32_t at = c->members[i].address.peer_port;
        golden_say(&golden, "  %u %s, leads %s, holds %u%s\n", (unsigned)c->members[i].number,
                   STATES[c->members[i].state], leads == 0 ? "none" : "some", (unsigned)holds,
                   has_voter(at) ? ", votes" : "");
    }
}

static void drain(uint32_t at, enum member_departure departure) {
    member_drain(places[at].member, departure);
}

/* ---- how many replicas stay ---- */

static void of_two_members_none_leaves_until_another_joins(void **state) {
    (void)state;
    found(2);
    drain(1, DEPARTURE_LEAVE);
    run(5000);
    say("nobody else could hold a second replica");
    assert_false(member_may_leave(places[1].member));
    assert_int_equal(start(2, 1, 0), LARDER_OK);
    run(5000);
    say("another joined");
    assert_true(member_may_leave(places[1].member));
    golden_expect(&golden, "nobody else could hold a second replica\n"
                           "  1 active, leads some, holds 8, votes\n"
                           "  2 draining, leads none, holds 8\n"
                           "another joined\n"
                           "  1 active, leads some, holds 8, votes\n"
                           "  3 active, leads some, holds 8\n");
}

static void of_three_members_none_leaves_what_needs_three(void **state) {
    (void)state;
    settings.replica_count = 3;
    settings.min_insync = 2;
    found(3);
    drain(2, DEPARTURE_LEAVE);
    run(5000);
    say("three replicas");
    assert_false(member_may_leave(places[2].member));
    golden_expect(&golden, "three replicas\n"
                           "  1 active, leads some, holds 8, votes\n"
                           "  2 active, leads some, holds 8, votes\n"
                           "  3 draining, leads none, holds 8, votes\n");
}

static void of_three_members_one_leaves_what_needs_two(void **state) {
    (void)state;
    found(3);
    drain(2, DEPARTURE_LEAVE);
    run(8000);
    say("two replicas");
    assert_true(member_may_leave(places[2].member));
    golden_expect(&golden, "two replicas\n"
                           "  1 active, leads some, holds 8, votes\n"
                           "  2 active, leads some, holds 8\n");
}

static void who_leaves_by_force_does_not_wait(void **state) {
    (void)state;
    found(2);
    drain(1, DEPARTURE_LEAVE);
    run(5000);
    assert_false(member_may_leave(places[1].member));
    drain(1, DEPARTURE_FORCED);
    run(2000);
    say("by force");
    assert_true(member_may_leave(places[1].member));
    golden_expect(&golden, "by force\n"
                           "  1 active, leads some, holds 8, votes\n");
}

static void a_drain_that_is_taken_back_leaves_no_trace(void **state) {
    (void)state;
    found(2);
    drain(1, DEPARTURE_LEAVE);
    run(3000);
    drain(1, DEPARTURE_NONE);
    run(3000);
    say("taken back");
    assert_false(member_may_leave(places[1].member));
    golden_expect(&golden, "taken back\n"
                           "  1 active, leads some, holds 8, votes\n"
                           "  2 active, leads some, holds 8\n");
}

static void whoever_had_left_and_stays_joins_again(void **state) {
    (void)state;
    found(3);
    drain(2, DEPARTURE_LEAVE);
    run(8000);
    assert_true(member_may_leave(places[2].member));
    drain(2, DEPARTURE_NONE);
    run(5000);
    assert_false(member_may_leave(places[2].member));
    assert_int_equal(member_number(places[2].member), 4);
}

/* A request of the process before, or one that came late, is corrected by the member itself. */
static void only_the_member_itself_decides_that_it_goes(void **state) {
    (void)state;
    found(3);
    const struct config_entry late = {.type = CONFIG_DRAIN, .drain = {3, 1, DEPARTURE_LEAVE}};
    const struct config_entry older = {.type = CONFIG_DRAIN, .drain = {3, 0, DEPARTURE_LEAVE}};
    const struct configuration *c = configuration_at(coordinator());
    assert_int_equal(configuration_check(c, &older), CONFIG_STALE);
    member_propose(places[0].member, &late);
    run(50);
    assert_int_equal(configuration_find_member(c, 3)->state, MEMBER_DRAINING);
    run(500);
    assert_int_equal(configuration_find_member(c, 3)->state, MEMBER_ACTIVE);
}

/* ---- votes ---- */

/* The configuration when it first says that the member may go. */
static void run_until_it_may_leave(uint32_t at) {
    for (uint32_t i = 0; i < 1000 && !member_may_leave(places[at].member); i++)
        run(10);
    assert_true(member_may_leave(places[at].member));
}

static void another_votes_before_a_voter_leaves(void **state) {
    (void)state;
    found(3);
    assert_int_equal(start(3, 1, 0), LARDER_OK);
    run(3000);
    drain(1, DEPARTURE_LEAVE);
    run_until_it_may_leave(1);
    say("before it is removed");
    golden_expect(&golden, "before it is removed\n"
                           "  1 active, leads some, holds 5, votes\n"
                           "  2 down, leads none, holds 0\n"
                           "  3 active, leads some, holds 6, votes\n"
                           "  4 active, leads some, holds 5, votes\n");
}

static void the_coordinator_hands_leadership_over_and_leaves(void **state) {
    (void)state;
    found(3);
    assert_int_equal(start(3, 1, 0), LARDER_OK);
    run(8000);
    assert_int_equal(coordinator(), 0);
    drain(0, DEPARTURE_LEAVE);
    run_until_it_may_leave(0);
    run(200);
    assert_int_equal(coordinator(), 1);
    say("led by the next");
    golden_expect(&golden, "led by the next\n"
                           "  2 active, leads some, holds 6, votes\n"
                           "  3 active, leads some, holds 5, votes\n"
                           "  4 active, leads some, holds 5, votes\n");
}

/* Of two members one votes. It makes the other a voter, hands over, and goes. */
static void the_only_voter_is_replaced_before_it_leaves(void **state) {
    (void)state;
    found(2);
    assert_true(has_voter(0) && !has_voter(1));
    drain(0, DEPARTURE_FORCED);
    run_until_it_may_leave(0);
    run(200);
    assert_int_equal(coordinator(), 1);
    say("alone");
    golden_expect(&golden, "alone\n"
                           "  2 active, leads some, holds 8, votes\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_with_partitions, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(of_two_members_none_leaves_until_another_joins),
        TEST(of_three_members_none_leaves_what_needs_three),
        TEST(of_three_members_one_leaves_what_needs_two),
        TEST(who_leaves_by_force_does_not_wait),
        TEST(a_drain_that_is_taken_back_leaves_no_trace),
        TEST(whoever_had_left_and_stays_joins_again),
        TEST(only_the_member_itself_decides_that_it_goes),
        TEST(another_votes_before_a_voter_leaves),
        TEST(the_coordinator_hands_leadership_over_and_leaves),
        TEST(the_only_voter_is_replaced_before_it_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
