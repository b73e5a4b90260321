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

/* Of three voters one is dead: without another one the third could decide nothing. */
static void nobody_goes_without_whom_there_is_no_majority(void **state) {
    static const enum member_departure WAYS[] = {DEPARTURE_LEAVE, DEPARTURE_RESTART};
    for (uint32_t way = 0; way < 2; way++) {
        begin_with_partitions(state);
        are_durable = true;
        found(3);
        uint32_t dead = coordinator() == 2 ? 1 : 2, leaving = 3 - coordinator() - dead;
        stop(dead);
        run(2000);
        assert_true(has_voter(leaving));
        drain(leaving, WAYS[way]);
        run(5000);
        assert_false(member_may_leave(places[leaving].member));
        end(state);
    }
}

/* By force it goes when the dead one has no vote any more: two of three decide that. */
static void the_votes_of_the_dead_are_taken_first(void **state) {
    (void)state;
    are_durable = true;
    found(3);
    uint32_t dead = coordinator() == 2 ? 1 : 2, leaving = 3 - coordinator() - dead;
    stop(dead);
    run(2000);
    drain(leaving, DEPARTURE_FORCED);
    run_until_it_may_leave(leaving);
    stop(leaving);
    run(3000);
    say("one decides");
    golden_expect(&golden, "one decides\n"
                           "  2 down, leads none, holds 0\n"
                           "  3 active, leads some, holds 8, votes\n");
}

/* Whom it makes a voter must be known to the core: one that joined later is, a moment after. */
static void the_only_member_leaves_when_another_has_joined(void **state) {
    (void)state;
    found(1);
    drain(0, DEPARTURE_FORCED);
    run(1000);
    assert_int_equal(start(1, 1, 0), LARDER_OK);
    run_until_it_may_leave(0);
    run(200);
    assert_int_equal(coordinator(), 1);
}

/* Either could go, but the other then could not. */
static void of_two_that_could_restart_one_goes(void **state) {
    (void)state;
    are_durable = true;
    settings.replica_count = 3;
    found(3);
    run(8000);
    assert_int_equal(coordinator(), 0);
    drain(1, DEPARTURE_RESTART);
    drain(2, DEPARTURE_RESTART);
    run(3000);
    assert_true(member_may_leave(places[1].member) != member_may_leave(places[2].member));
}

/* Nobody else has what it has, and nobody will: its disk keeps it. */
static void who_shares_nothing_restarts_at_once(void **state) {
    (void)state;
    are_durable = true;
    settings.replica_count = 1;
    found(4);
    run(8000);
    drain(3, DEPARTURE_RESTART);
    run_until_it_may_leave(3);
}

static void a_single_node_restarts_at_once(void **state) {
    (void)state;
    are_durable = true;
    found(1);
    run(3000);
    drain(0, DEPARTURE_RESTART);
    run_until_it_may_leave(0);
}

/* It was spoken to by nobody: that is no silence of theirs. */
static void who_comes_back_accuses_nobody(void **state) {
    (void)state;
    are_durable = true;
    settings.voter_count = 1;
    found(4);
    run(8000);
    drain(1, DEPARTURE_RESTART);
    run_until_it_may_leave(1);
    run(3000);
    drain(1, DEPARTURE_NONE);
    drain(0, DEPARTURE_RESTART);
    for (uint32_t i = 0; i < 150; i++) {
        run(10);
        for (uint32_t number = 3; number <= 4; number++)
            assert_int_equal(configuration_find_member(configuration_at(1), number)->state,
                             MEMBER_ACTIVE);
    }
    assert_int_equal(coordinator(), 1);
}

/* A member that has the last data of a lost partition stays for it, unless it is forced. */
static void a_source_stays_until_its_data_is_taken(void **state) {
    (void)state;
    found(3);
    struct configuration *c = NULL;
    assert_int_equal(configuration_create((struct raft_id){{1, 2}}, 1, 1, 4, &ALLOCATOR_SYSTEM, &c),
                     LARDER_OK);
    const struct member founder = self_of(0, 1);
    assert_int_equal(configuration_found(c, &founder, 1, &settings), LARDER_OK);
    c->members[0].state = MEMBER_DRAINING;
    c->members[0].departure = DEPARTURE_LEAVE;
    c->partitions[0].last = c->partitions[0].in_sync;
    c->partitions[0].in_sync = (struct member_set){0};
    assert_false(departure_is_empty(c, &c->members[0]));
    c->members[0].departure = DEPARTURE_FORCED;
    assert_true(departure_is_empty(c, &c->members[0]));
    configuration_destroy(c);
}

/* ---- restarts ---- */

static void say_targets(const char *what) {
    const struct configuration *c = configuration_at(coordinator());
    golden_say(&golden, "%s:", what);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct member_set *target = &c->partitions[p].target;
        for (uint8_t i = 0; i < target->count; i++)
            golden_say(&golden, "%s%u", i == 0 ? " " : "+", (unsigned)target->members[i]);
    }
    golden_say(&golden, "\n");
}

static void a_member_that_restarts_keeps_its_place(void **state) {
    (void)state;
    are_durable = true;
    found(4);
    run(2000);
    say_targets("before");
    drain(3, DEPARTURE_RESTART);
    run_until_it_may_leave(3);
    say("it has stopped");
    run(3000);
    say_targets("three seconds later");
    drain(3, DEPARTURE_NONE);
    run(2000);
    say_targets("it is back");
    say("it is back");
    golden_expect(&golden, "before: 1+2 1+3 2+4 3+4 1+2 3+4 1+3 2+4\n"
                           "it has stopped\n"
                           "  1 active, leads some, holds 4, votes\n"
                           "  2 active, leads some, holds 4, votes\n"
                           "  3 active, leads some, holds 4, votes\n"
                           "  4 down, leads none, holds 0\n"
                           "three seconds later: 1+2 1+3 2+4 3+4 1+2 3+4 1+3 2+4\n"
                           "it is back: 1+2 1+3 2+4 3+4 1+2 3+4 1+3 2+4\n"
                           "it is back\n"
                           "  1 active, leads some, holds 4, votes\n"
                           "  2 active, leads some, holds 4, votes\n"
                           "  3 active, leads some, holds 4, votes\n"
                           "  4 active, leads some, holds 4\n");
}

static void the_place_of_one_that_does_not_come_back_is_given_away(void **state) {
    (void)state;
    are_durable = true;
    found(4);
    run(2000);
    drain(3, DEPARTURE_RESTART);
    run_until_it_may_leave(3);
    run(8000);
    say("eight seconds later");
    say_targets("targets");
    golden_expect(&golden, "eight seconds later\n"
                           "  1 active, leads some, holds 6, votes\n"
                           "  2 active, leads some, holds 5, votes\n"
                           "  3 active, leads some, holds 5, votes\n"
                           "  4 down, leads none, holds 0\n"
                           "targets: 1+2 1+3 1+2 2+3 1+2 1+3 1+3 2+3\n");
}

static void in_memory_a_restart_is_a_leave(void **state) {
    (void)state;
    found(4);
    drain(3, DEPARTURE_RESTART);
    run_until_it_may_leave(3);
    run(500);
    assert_null(configuration_find_member(configuration_at(coordinator()), 4));
}

/* One after the other: what both hold would have nobody. */
static void the_second_waits_until_the_first_is_back(void **state) {
    (void)state;
    are_durable = true;
    found(3);
    run(8000);
    drain(1, DEPARTURE_RESTART);
    run_until_it_may_leave(1);
    drain(2, DEPARTURE_RESTART);
    run(3000);
    assert_false(member_may_leave(places[2].member));
    say("the second waits");
    drain(1, DEPARTURE_NONE);
    run_until_it_may_leave(2);
    say("the first is back");
    golden_expect(&golden, "the second waits\n"
                           "  1 active, leads some, holds 6, votes\n"
                           "  2 down, leads none, holds 0, votes\n"
                           "  3 draining, leads some, holds 5, votes\n"
                           "the first is back\n"
                           "  1 active, leads some, holds 6, votes\n"
                           "  2 active, leads some, holds 5, votes\n"
                           "  3 down, leads none, holds 0, votes\n");
}

/* A process that has just begun could not open what it is given. */
static void who_came_back_a_moment_ago_is_handed_nothing(void **state) {
    (void)state;
    are_durable = true;
    found(3);
    run(8000);
    assert_int_equal(coordinator(), 0);
    drain(1, DEPARTURE_RESTART);
    run_until_it_may_leave(1);
    stop(1);
    assert_int_equal(start(1, 2, 0), LARDER_OK);
    drain(2, DEPARTURE_RESTART);
    run(200);
    assert_int_equal(places[2].handed_to, 1u << 1);
    run(500);
    assert_int_equal(places[2].handed_to, 1u << 1 | 1u << 2);
}

/* With two of three left all writes go on; with one they would be refused. */
static void who_restarts_leaves_as_many_as_min_insync_asks_for(void **state) {
    (void)state;
    struct configuration *c = NULL;
    struct member founders[3];
    settings.replica_count = 3;
    settings.min_insync = 2;
    for (uint32_t i = 0; i < 3; i++)
        founders[i] = self_of(i, 1);
    assert_int_equal(configuration_create((struct raft_id){{1, 2}}, 1, 1, 4, &ALLOCATOR_SYSTEM, &c),
                     LARDER_OK);
    assert_int_equal(configuration_found(c, founders, 3, &settings), LARDER_OK);
    struct partition_config *p = &c->partitions[0];
    struct member *m = &c->members[p->primary == 3 ? 1 : 2];
    assert_false(departure_may_pause(c, m));
    m->state = MEMBER_DRAINING;
    m->departure = DEPARTURE_RESTART;
    assert_true(departure_may_pause(c, m));
    uint32_t other = 6 - m->number - p->primary;
    member_set_remove(&p->in_sync, other);
    assert_false(departure_may_pause(c, m)); /* the other could be in sync: it waits for that */
    c->members[other - 1].state = MEMBER_DOWN;
    assert_true(departure_may_pause(c, m));
    p->primary = m->number;
    assert_false(departure_may_pause(c, m));
    configuration_destroy(c);
}

/* ---- safety ---- */

static bool is_safe(uint32_t at) {
    return member_is_safe(places[at].member);
}

static void safe_is_what_survives_the_loss_of_any_one(void **state) {
    (void)state;
    are_durable = true;
    found(3);
    run(2000);
    assert_true(is_safe(0) && is_safe(1) && is_safe(2));
    drain(2, DEPARTURE_RESTART);
    run_until_it_may_leave(2);
    assert_false(is_safe(0) || is_safe(1) || is_safe(2));
    drain(2, DEPARTURE_NONE);
    run(2000);
    assert_true(is_safe(0) && is_safe(1) && is_safe(2));
    drain(2, DEPARTURE_LEAVE);
    run(5000);
    assert_int_equal(configuration_at(0)->member_count, 2);
    assert_false(is_safe(0) || is_safe(1)); /* one of them has the only vote */
}

static void replicas_that_are_missing_are_not_safe(void **state) {
    (void)state;
    settings.replica_count = 3;
    found(3);
    run(2000);
    assert_true(is_safe(0));
    const struct configuration *c = configuration_at(0);
    uint32_t p = 0;
    while (c->partitions[p].primary == 3)
        p++;
    has_partitions = false; /* nobody adds it again */
    const struct config_entry shrink = {
        .type = CONFIG_SHRINK,
        .change = {.partition = p, .epoch = c->partitions[p].epoch, .member = 3}};
    member_propose(places[0].member, &shrink);
    run(1000);
    assert_false(is_safe(0));
}

/* ---- balance ---- */

static uint32_t count_held(uint32_t number) {
    const struct configuration *c = configuration_at(coordinator());
    uint32_t held = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        held += member_set_has(&c->partitions[p].in_sync, number);
    return held;
}

/* A newcomer waits until nothing was amiss for long enough; whatever is missing does not. */
static void for_balance_nothing_moves_before_it_is_calm(void **state) {
    (void)state;
    calm_us = 4000000;
    found(3);
    run(6000);
    assert_int_equal(start(3, 1, 0), LARDER_OK);
    run(3000);
    assert_int_equal(count_held(4), 0);
    cut = 1u << (coordinator() == 2 ? 1 : 2);
    run(1500);
    assert_true(count_held(4) > 0); /* for those that had lost one */
    uint32_t held = count_held(4);
    cut = 0;
    run(2500);
    assert_int_equal(count_held(4), held);
    run(6000);
    golden_say(&golden, "needed %u, balanced %u\n", (unsigned)held, (unsigned)count_held(4));
    golden_expect(&golden, "needed 5, balanced 4\n");
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
        TEST(nobody_goes_without_whom_there_is_no_majority),
        TEST(the_votes_of_the_dead_are_taken_first),
        TEST(the_only_member_leaves_when_another_has_joined),
        TEST(of_two_that_could_restart_one_goes),
        TEST(who_shares_nothing_restarts_at_once),
        TEST(a_single_node_restarts_at_once),
        TEST(who_comes_back_accuses_nobody),
        TEST(a_source_stays_until_its_data_is_taken),
        TEST(a_member_that_restarts_keeps_its_place),
        TEST(the_place_of_one_that_does_not_come_back_is_given_away),
        TEST(in_memory_a_restart_is_a_leave),
        TEST(the_second_waits_until_the_first_is_back),
        TEST(who_came_back_a_moment_ago_is_handed_nothing),
        TEST(who_restarts_leaves_as_many_as_min_insync_asks_for),
        TEST(safe_is_what_survives_the_loss_of_any_one),
        TEST(replicas_that_are_missing_are_not_safe),
        TEST(for_balance_nothing_moves_before_it_is_calm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
