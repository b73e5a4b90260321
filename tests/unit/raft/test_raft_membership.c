/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations: learners, promotion, one change at a time, the error of 2015, replacement. */
#include "trace.c"

static void beat(struct trace *t, char leader) {
    trace_pass(t, leader, TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
}

static void learner_catches_up_and_is_promoted(void **state) {
    (void)state;
    struct trace *t = trace_begin("A", "B");
    trace_elect(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'B'), LARDER_OK);
    assert_int_equal(trace_change(t, 'A', RAFT_PROMOTE, 'B'), LARDER_BUSY);
    trace_quiet(t);
    trace_deliver_all(t);
    trace_expect(t, "B writes 1: term 1, vote -\n"
                    "B -> A append-reply 1 rejected at 3, try 0/0\n"
                    "A -> B append 1 commit 3 after 0/0: 1/1 2/1 3/1\n"
                    "B -> A append-reply 1 held 3 durable 0\n"
                    "B applies 1/1 2/1 3/1\n"
                    "B writes 2: 0 < 1/1 2/1 3/1\n"
                    "B -> A append-reply 1 held 3 durable 3\n");
    assert_int_equal(trace_change(t, 'A', RAFT_PROMOTE, 'B'), LARDER_OK);
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 3/1 4/1 commit 3 of AB\n");
    trace_deliver_all(t);
    trace_show_expect(t, "AB",
                      "A leader 1: 1/1 2/1 3/1 4/1 commit 4 of AB\n"
                      "B follower 1: 1/1 2/1 3/1 4/1 commit 4 of AB\n");
    trace_end(t);
}

static void learner_counts_for_nothing(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "D");
    trace_elect(t, 'A');
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'D'), LARDER_OK);
    trace_deliver_all(t);
    beat(t, 'A');
    trace_isolate(t, "BC");
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "AD",
                      "A leader 1: 1/1 2/1 3/1 commit 2 of ABC(D)\n"
                      "D follower 1: 1/1 2/1 3/1 commit 2 of ABC(D)\n");
    trace_timeout(t, 'D');
    trace_expect(t, "");
    trace_end(t);
}

static void second_change_waits_for_the_first(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "DE");
    trace_elect(t, 'A');
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'D'), LARDER_OK);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'E'), LARDER_BUSY);
    trace_deliver_all(t);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'E'), LARDER_OK);
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 3/1 commit 2 of ABC(D)(E)\n");
    trace_end(t);
}

static void impossible_changes_are_refused(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_change(t, 'B', RAFT_ADD_LEARNER, 'D'), LARDER_AGAIN);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'B'), LARDER_EXISTS);
    assert_int_equal(trace_change(t, 'A', RAFT_PROMOTE, 'B'), LARDER_EXISTS);
    assert_int_equal(trace_change(t, 'A', RAFT_PROMOTE, 'D'), LARDER_NOT_FOUND);
    assert_int_equal(trace_change(t, 'A', RAFT_REMOVE, 'D'), LARDER_NOT_FOUND);
    trace_end(t);
    t = trace_begin("A", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_change(t, 'A', RAFT_REMOVE, 'A'), LARDER_INVALID);
    assert_int_equal(trace_change(t, 'A', RAFT_DEMOTE, 'A'), LARDER_INVALID);
    trace_show_expect(t, "A", "A leader 1: 1/1 commit 1 of A\n");
    trace_end(t);
}

/* The error of 2015: A of term 1 appends a change that only A has; B of term 2 makes another one
 * and commits it with a majority that does not overlap; A comes back and goes on with its own. It
 * can't begin: neither leader may change anything before an entry of its own term is committed, and
 * B's no-op makes A's log too old to lead again. */
static void change_waits_for_a_commit_in_the_own_term(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABCD", "E");
    trace_elect(t, 'A');
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'E'), LARDER_OK);
    trace_lose_all(t);
    trace_isolate(t, "A");
    trace_forget_leader(t, "CD");
    trace_timeout(t, 'B');
    for (int i = 0; i < 2; i++) {
        trace_deliver(t, 'B', 'C');
        trace_deliver(t, 'C', 'B');
        trace_deliver(t, 'B', 'D');
        trace_deliver(t, 'D', 'B');
    }
    assert_int_equal(trace_node(t, 'B')->role, RAFT_LEADER);
    assert_int_equal(trace_change(t, 'B', RAFT_REMOVE, 'A'), LARDER_BUSY);
    trace_show_expect(t, "AB",
                      "A leader 1: 1/1 2/1 commit 1 of ABCD(E)\n"
                      "B leader 2: 1/1 2/2 commit 1 of ABCD\n");
    trace_deliver_all(t);
    assert_int_equal(trace_change(t, 'B', RAFT_REMOVE, 'A'), LARDER_OK);
    trace_deliver_all(t);
    trace_isolate(t, "");
    trace_forget_leader(t, "BCD");
    trace_timeout(t, 'A');
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A follower 2: 1/1 2/1 commit 1 of ABCD(E)\n"
                      "B leader 2: 1/1 2/2 3/2 commit 3 of BCD\n"
                      "C follower 2: 1/1 2/2 3/2 commit 3 of BCD\n");
    trace_end(t);
}

static void truncated_configuration_is_no_longer_in_force(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "D");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'D'), LARDER_OK);
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 commit 1 of ABC(D)\n");
    trace_forget_leader(t, "C");
    trace_timeout(t, 'B');
    trace_deliver_all(t);
    trace_isolate(t, "");
    beat(t, 'B');
    trace_show_expect(t, "A", "A follower 2: 1/1 2/2 commit 2 of ABC\n");
    trace_end(t);
}

static void removed_leader_steps_down_when_that_is_committed(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_change(t, 'A', RAFT_REMOVE, 'A'), LARDER_OK);
    trace_quiet(t);
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_deliver(t, 'B', 'A');
    trace_expect(t, "B -> A append-reply 1 held 2 durable 1\n"
                    "B writes 3: 1 < 2/1\n"
                    "B -> A append-reply 1 held 2 durable 2\n");
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    trace_deliver(t, 'C', 'A');
    trace_expect(t, "C -> A append-reply 1 held 2 durable 1\n"
                    "C writes 3: 1 < 2/1\n"
                    "C -> A append-reply 1 held 2 durable 2\n"
                    "A: leader -> follower, term 1\n"
                    "A -> B append 1 commit 2 after 2/1:\n"
                    "A -> C append 1 commit 2 after 2/1:\n"
                    "A -> B timeout-now 1\n"
                    "A applies 2/1\n");
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A follower 1: 1/1 2/1 commit 2 of BC\n"
                      "B leader 2: 1/1 2/1 3/2 commit 3 of BC\n"
                      "C follower 2: 1/1 2/1 3/2 commit 3 of BC\n");
    trace_timeout(t, 'A');
    trace_expect(t, "");
    trace_end(t);
}

/* A demoted itself, nobody else has the entry, and B needs A's vote, which A's longer log refuses.
 * Only A can end that: it campaigns although its own newest configuration does not count it. */
static void node_demoted_by_an_uncommitted_change_may_still_be_elected(void **state) {
    (void)state;
    struct trace *t = trace_begin("AB", "");
    trace_elect(t, 'A');
    trace_isolate(t, "B");
    assert_int_equal(trace_change(t, 'A', RAFT_DEMOTE, 'A'), LARDER_OK);
    trace_crash(t, 'A');
    trace_start(t, 'A');
    trace_isolate(t, "");
    trace_forget_leader(t, "A");
    trace_timeout(t, 'B');
    trace_deliver_all(t);
    trace_show_expect(t, "AB",
                      "A follower 1: 1/1 2/1 commit 0 of (A)B\n"
                      "B pre-candidate 1: 1/1 commit 1 of AB\n");
    trace_forget_leader(t, "B");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    beat(t, 'A');
    trace_show_expect(t, "AB",
                      "A follower 3: 1/1 2/1 3/2 4/3 commit 4 of (A)B\n"
                      "B leader 3: 1/1 2/1 3/2 4/3 commit 4 of (A)B\n");
    trace_end(t);
}

static void set_policy(struct trace *t, char name, uint32_t voters, int64_t dead_after_ms) {
    struct raft_input policy = {.type = RAFT_POLICY, .policy = {voters, dead_after_ms}};
    assert_int_equal(trace_step(t, name, policy), LARDER_OK);
}

static void policy_grows_to_three_voters_only_with_two_learners(void **state) {
    (void)state;
    struct trace *t = trace_begin("A", "BC");
    trace_elect(t, 'A');
    set_policy(t, 'A', 3, 0);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'B'), LARDER_OK);
    for (int i = 0; i < 3; i++)
        beat(t, 'A');
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 commit 2 of A(B)\n");
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'C'), LARDER_OK);
    for (int i = 0; i < 3; i++)
        beat(t, 'A');
    trace_show_expect(t, "AC",
                      "A leader 1: 1/1 2/1 3/1 4/1 5/1 commit 5 of ABC\n"
                      "C follower 1: 1/1 2/1 3/1 4/1 5/1 commit 5 of ABC\n");
    set_policy(t, 'A', 1, 0);
    for (int i = 0; i < 3; i++)
        beat(t, 'A');
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 3/1 4/1 5/1 6/1 7/1 commit 7 of A(B)(C)\n");
    trace_end(t);
}

static void dead_voter_is_replaced_by_a_learner(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "D");
    trace_elect(t, 'A');
    set_policy(t, 'A', 3, 0);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'D'), LARDER_OK);
    for (int i = 0; i < 3; i++)
        beat(t, 'A');
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 commit 2 of ABC(D)\n");
    trace_isolate(t, "C");
    struct raft_input dead = {.type = RAFT_MEMBER_DEAD, .member_dead = {trace_id('C'), true}};
    assert_int_equal(trace_step(t, 'A', dead), LARDER_OK);
    beat(t, 'A');
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 3/1 commit 3 of ABCD\n");
    beat(t, 'A');
    trace_show_expect(t, "ABD",
                      "A leader 1: 1/1 2/1 3/1 4/1 commit 4 of AB(C)D\n"
                      "B follower 1: 1/1 2/1 3/1 4/1 commit 4 of AB(C)D\n"
                      "D follower 1: 1/1 2/1 3/1 4/1 commit 4 of AB(C)D\n");
    trace_end(t);
}

static void silent_voter_is_dead_after_the_time_of_the_policy(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "D");
    trace_elect(t, 'A');
    set_policy(t, 'A', 3, 5 * TRACE_HEARTBEAT_MS);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'D'), LARDER_OK);
    trace_isolate(t, "C");
    for (int i = 0; i < 4; i++)
        beat(t, 'A');
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 commit 2 of ABC(D)\n");
    for (int i = 0; i < 4; i++)
        beat(t, 'A');
    trace_show_expect(t, "A", "A leader 1: 1/1 2/1 3/1 4/1 commit 4 of AB(C)D\n");
    trace_end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learner_catches_up_and_is_promoted),
        cmocka_unit_test(learner_counts_for_nothing),
        cmocka_unit_test(second_change_waits_for_the_first),
        cmocka_unit_test(impossible_changes_are_refused),
        cmocka_unit_test(change_waits_for_a_commit_in_the_own_term),
        cmocka_unit_test(truncated_configuration_is_no_longer_in_force),
        cmocka_unit_test(removed_leader_steps_down_when_that_is_committed),
        cmocka_unit_test(node_demoted_by_an_uncommitted_change_may_still_be_elected),
        cmocka_unit_test(policy_grows_to_three_voters_only_with_two_learners),
        cmocka_unit_test(dead_voter_is_replaced_by_a_learner),
        cmocka_unit_test(silent_voter_is_dead_after_the_time_of_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
