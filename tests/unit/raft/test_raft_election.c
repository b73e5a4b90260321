/* SPDX-License-Identifier: BSD-3-Clause */
/* Elections as traces: pre-vote, votes, lease, check-quorum, transfer, restart. */
#include "trace.c"

static void leader_is_elected_and_commits_a_noop(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_timeout(t, 'A');
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_deliver(t, 'A', 'C');
    trace_lose_all(t);
    trace_expect(t, "A: follower -> pre-candidate, term 0\n"
                    "A -> B pre-vote 1 log 0/0\n"
                    "A -> C pre-vote 1 log 0/0\n"
                    "B -> A pre-vote-reply 1 granted\n"
                    "A: pre-candidate -> candidate, term 1\n"
                    "A writes 1: term 1, vote A\n"
                    "A -> B vote 1 log 0/0\n"
                    "A -> C vote 1 log 0/0\n"
                    "C -> A pre-vote-reply 1 granted\n");
    trace_end(t);
    t = trace_begin("ABC", "");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    trace_expect(t, "A: follower -> pre-candidate, term 0\n"
                    "A -> B pre-vote 1 log 0/0\n"
                    "A -> C pre-vote 1 log 0/0\n"
                    "B -> A pre-vote-reply 1 granted\n"
                    "C -> A pre-vote-reply 1 granted\n"
                    "A: pre-candidate -> candidate, term 1\n"
                    "A writes 1: term 1, vote A\n"
                    "A -> B vote 1 log 0/0\n"
                    "A -> C vote 1 log 0/0\n"
                    "B writes 1: term 1, vote A\n"
                    "B -> A vote-reply 1 granted\n"
                    "C writes 1: term 1, vote A\n"
                    "C -> A vote-reply 1 granted\n"
                    "A: candidate -> leader, term 1\n"
                    "A -> B append 1 commit 0 after 0/0: 1/1\n"
                    "A -> C append 1 commit 0 after 0/0: 1/1\n"
                    "A writes 2: 0 < 1/1\n"
                    "B -> A append-reply 1 held 1 durable 0\n"
                    "B writes 2: 0 < 1/1\n"
                    "B -> A append-reply 1 held 1 durable 1\n"
                    "C -> A append-reply 1 held 1 durable 0\n"
                    "C writes 2: 0 < 1/1\n"
                    "C -> A append-reply 1 held 1 durable 1\n"
                    "A -> B append 1 commit 1 after 1/1:\n"
                    "A applies 1/1\n"
                    "A -> C append 1 commit 1 after 1/1:\n"
                    "B -> A append-reply 1 held 1 durable 1\n"
                    "B applies 1/1\n"
                    "C -> A append-reply 1 held 1 durable 1\n"
                    "C applies 1/1\n");
    trace_end(t);
}

static void sole_voter_elects_itself(void **state) {
    (void)state;
    struct trace *t = trace_begin("A", "");
    trace_timeout(t, 'A');
    trace_expect(t, "A: follower -> candidate, term 1\n"
                    "A writes 1: term 1, vote A\n"
                    "A: candidate -> leader, term 1\n"
                    "A writes 2: 0 < 1/1\n"
                    "A applies 1/1\n");
    trace_end(t);
}

static void node_that_was_cut_off_disturbs_nobody(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "C");
    for (int i = 0; i < 3; i++)
        trace_timeout(t, 'C');
    trace_show_expect(t, "ABC",
                      "A leader 1: 1/1 commit 1 of ABC\n"
                      "B follower 1: 1/1 commit 1 of ABC\n"
                      "C pre-candidate 1: 1/1 commit 1 of ABC\n");
    trace_isolate(t, "");
    trace_timeout(t, 'C');
    trace_deliver(t, 'C', 'A');
    trace_deliver(t, 'C', 'B');
    trace_expect(t, "C -> A pre-vote 2 log 1/1\n"
                    "C -> B pre-vote 2 log 1/1\n"
                    "A -> C pre-vote-reply 1 refused\n"
                    "B -> C pre-vote-reply 1 refused\n");
    trace_lose_all(t);
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A leader 1: 1/1 commit 1 of ABC\n"
                      "B follower 1: 1/1 commit 1 of ABC\n"
                      "C follower 1: 1/1 commit 1 of ABC\n");
    trace_end(t);
}

static void vote_request_is_ignored_while_the_leader_is_heard(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    struct raft_message vote = {.type = RAFT_VOTE,
                                .cluster = {{9, 9}},
                                .from = trace_id('C'),
                                .to = trace_id('B'),
                                .term = 9,
                                .vote = {.last_index = 9, .last_term = 8}};
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &vote};
    assert_int_equal(trace_step(t, 'B', input), LARDER_OK);
    trace_expect(t, "");
    trace_forget_leader(t, "B");
    assert_int_equal(trace_step(t, 'B', input), LARDER_OK);
    trace_expect(t, "B writes 3: term 9, vote C\n"
                    "B -> C vote-reply 9 granted\n");
    trace_end(t);
}

static void vote_leaves_only_when_it_is_durable(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_node(t, 'A')->is_disk_held = trace_node(t, 'B')->is_disk_held = true;
    trace_timeout(t, 'A');
    trace_deliver(t, 'A', 'B');
    trace_lose_all(t);
    trace_timeout(t, 'A');
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_expect(t, "A: follower -> pre-candidate, term 0\n"
                    "A -> B pre-vote 1 log 0/0\n"
                    "A -> C pre-vote 1 log 0/0\n"
                    "B -> A pre-vote-reply 1 granted\n"
                    "A -> B pre-vote 1 log 0/0\n"
                    "A -> C pre-vote 1 log 0/0\n"
                    "B -> A pre-vote-reply 1 granted\n"
                    "A: pre-candidate -> candidate, term 1\n"
                    "A writes 1: term 1, vote A\n");
    trace_persist(t, 'A');
    trace_expect(t, "A -> B vote 1 log 0/0\n"
                    "A -> C vote 1 log 0/0\n");
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'A', 'B');
    trace_expect(t, "C -> A pre-vote-reply 1 granted\n"
                    "B writes 1: term 1, vote A\n");
    trace_persist(t, 'B');
    trace_expect(t, "B -> A vote-reply 1 granted\n");
    trace_end(t);
}

/* Two candidates of term 1; B voted for A, forgets nothing over a crash, and refuses C. */
static void vote_is_remembered_over_a_restart(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_timeout(t, 'A');
    trace_timeout(t, 'C');
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'C', 'B');
    trace_deliver(t, 'B', 'A');
    trace_deliver(t, 'B', 'C');
    trace_deliver(t, 'A', 'B');
    trace_quiet(t);
    trace_crash(t, 'B');
    trace_start(t, 'B');
    trace_deliver(t, 'C', 'B');
    trace_expect(t, "B -> C vote-reply 1 refused\n");
    trace_end(t);
}

static void vote_that_was_not_durable_is_not_remembered(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_node(t, 'B')->is_disk_held = true;
    trace_timeout(t, 'A');
    trace_timeout(t, 'C');
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'C', 'B');
    trace_deliver(t, 'B', 'A');
    trace_deliver(t, 'B', 'C');
    trace_deliver(t, 'A', 'B');
    trace_crash(t, 'B');
    trace_quiet(t);
    trace_start(t, 'B');
    trace_node(t, 'B')->is_disk_held = false;
    trace_deliver(t, 'C', 'B');
    trace_expect(t, "B writes 1: term 1, vote C\n"
                    "B -> C vote-reply 1 granted\n");
    trace_end(t);
}

static void candidate_with_an_older_log_is_refused(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_isolate(t, "C");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    trace_forget_leader(t, "B");
    trace_timeout(t, 'C');
    trace_deliver_all(t);
    trace_expect(t, "C: follower -> pre-candidate, term 0\n"
                    "C -> A pre-vote 1 log 0/0\n"
                    "C -> B pre-vote 1 log 0/0\n"
                    "B -> C pre-vote-reply 1 refused\n"
                    "C: pre-candidate -> follower, term 1\n"
                    "C writes 1: term 1, vote -\n");
    trace_timeout(t, 'B');
    trace_deliver_all(t);
    trace_show_expect(t, "BC",
                      "B leader 2: 1/1 2/2 commit 2 of ABC\n"
                      "C follower 2: 1/1 2/2 commit 2 of ABC\n");
    trace_end(t);
}

/* A's first candidacy failed; a vote for it arrives in the next term and must not count. */
static void vote_of_an_older_term_does_not_count(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_timeout(t, 'A');
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_deliver(t, 'A', 'B');
    trace_timeout(t, 'A');
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'A', 'C');
    trace_lose_all(t);
    trace_forget_leader(t, "C");
    trace_timeout(t, 'A');
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    trace_quiet(t);
    struct raft_message late = {.type = RAFT_VOTE_REPLY,
                                .cluster = {{9, 9}},
                                .from = trace_id('B'),
                                .to = trace_id('A'),
                                .term = 1,
                                .vote_reply = {.is_granted = true}};
    assert_int_equal(
        trace_step(t, 'A', (struct raft_input){.type = RAFT_MESSAGE, .message = &late}), LARDER_OK);
    trace_expect(t, "");
    trace_show_expect(t, "A", "A candidate 2: commit 0 of ABC\n");
    trace_end(t);
}

static void leader_without_a_majority_steps_down(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    trace_pass(t, 'A', TRACE_ELECTION_MS / 2);
    trace_show_expect(t, "A", "A leader 1: 1/1 commit 1 of ABC\n");
    trace_pass(t, 'A', TRACE_ELECTION_MS);
    trace_expect(t, "A: leader -> follower, term 1\n");
    trace_end(t);
}

static void leader_that_hears_a_majority_stays(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "C");
    for (int i = 0; i < 30; i++) {
        trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
        trace_deliver_all(t);
    }
    trace_show_expect(t, "A", "A leader 1: 1/1 commit 1 of ABC\n");
    trace_end(t);
}

static void old_leader_learns_of_the_newer_term(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    trace_forget_leader(t, "C");
    trace_timeout(t, 'B');
    trace_deliver_all(t);
    trace_isolate(t, "");
    trace_quiet(t);
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_expect(t, "A -> B append 1 commit 1 after 1/1:\n"
                    "A -> C append 1 commit 1 after 1/1:\n"
                    "B -> A append-reply 2 rejected at 0, try 0/0\n"
                    "A: leader -> follower, term 2\n"
                    "A writes 3: term 2, vote -\n");
    trace_end(t);
}

static void leadership_is_transferred_without_waiting(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    struct raft_input transfer = {.type = RAFT_TRANSFER, .transfer_to = trace_id('B')};
    assert_int_equal(trace_step(t, 'A', transfer), LARDER_OK);
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_BUSY);
    trace_expect(t, "A -> B append 1 commit 1 after 1/1: 2/1\n"
                    "A -> C append 1 commit 1 after 1/1: 2/1\n"
                    "A writes 3: 1 < 2/1\n");
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_deliver(t, 'B', 'A');
    trace_expect(t, "B -> A append-reply 1 held 2 durable 1\n"
                    "B writes 3: 1 < 2/1\n"
                    "B -> A append-reply 1 held 2 durable 2\n"
                    "A -> B append 1 commit 2 after 2/1:\n"
                    "A -> C append 1 commit 2 after 2/1:\n"
                    "A -> B timeout-now 1\n"
                    "A applies 2/1\n");
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A follower 2: 1/1 2/1 3/2 commit 3 of ABC\n"
                      "B leader 2: 1/1 2/1 3/2 commit 3 of ABC\n"
                      "C follower 2: 1/1 2/1 3/2 commit 3 of ABC\n");
    trace_end(t);
}

static void transfer_that_does_not_happen_is_given_up(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "B");
    struct raft_input transfer = {.type = RAFT_TRANSFER, .transfer_to = trace_id('B')};
    assert_int_equal(trace_step(t, 'A', transfer), LARDER_OK);
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_BUSY);
    for (int i = 0; i < 10; i++) {
        trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
        trace_deliver_all(t);
    }
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    transfer.transfer_to = trace_id('F');
    assert_int_equal(trace_step(t, 'A', transfer), LARDER_NOT_FOUND);
    assert_int_equal(trace_step(t, 'C', transfer), LARDER_AGAIN);
    trace_end(t);
}

static void evidence_of_the_leaders_death_starts_an_election_at_once(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    struct raft_input gone = {.type = RAFT_LEADER_GONE};
    assert_int_equal(trace_step(t, 'B', gone), LARDER_OK);
    trace_deliver_all(t);
    trace_expect(t, "B: follower -> pre-candidate, term 1\n"
                    "B -> A pre-vote 2 log 1/1\n"
                    "B -> C pre-vote 2 log 1/1\n"
                    "C -> B pre-vote-reply 1 refused\n");
    assert_int_equal(trace_step(t, 'C', gone), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "BC",
                      "B follower 2: 1/1 2/2 commit 2 of ABC\n"
                      "C leader 2: 1/1 2/2 commit 2 of ABC\n");
    trace_end(t);
}

/* The vote can be had from the moment of the evidence, which others use to campaign in turn. */
static void evidence_of_the_leaders_death_lets_others_campaign_first(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    struct raft_input gone = {.type = RAFT_LEADER_GONE, .campaign_after_ms = 20};
    assert_int_equal(trace_step(t, 'C', gone), LARDER_OK);
    trace_expect(t, "");
    gone.campaign_after_ms = 0;
    assert_int_equal(trace_step(t, 'B', gone), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "BC",
                      "B leader 2: 1/1 2/2 commit 2 of ABC\n"
                      "C follower 2: 1/1 2/2 commit 2 of ABC\n");
    trace_end(t);
}

static void leader_restarts_as_a_follower_of_its_term(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_crash(t, 'A');
    trace_start(t, 'A');
    trace_show_expect(t, "A", "A follower 1: 1/1 commit 0 of ABC\n");
    trace_end(t);
}

static void message_of_another_cluster_generation_or_node_is_refused(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    struct raft_message m = {.type = RAFT_VOTE,
                             .cluster = {{9, 9}},
                             .from = trace_id('B'),
                             .to = trace_id('A'),
                             .term = 5,
                             .vote = {.last_index = 7, .last_term = 4}};
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &m};
    m.cluster.words[1] = 8;
    assert_int_equal(trace_step(t, 'A', input), LARDER_DENIED);
    m.cluster.words[1] = 9;
    m.generation = 1;
    assert_int_equal(trace_step(t, 'A', input), LARDER_DENIED);
    m.generation = 0;
    m.to = trace_id('C');
    assert_int_equal(trace_step(t, 'A', input), LARDER_DENIED);
    m.to = m.from = trace_id('A');
    assert_int_equal(trace_step(t, 'A', input), LARDER_INVALID);
    trace_show_expect(t, "A", "A follower 0: commit 0 of ABC\n");
    trace_end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leader_is_elected_and_commits_a_noop),
        cmocka_unit_test(sole_voter_elects_itself),
        cmocka_unit_test(node_that_was_cut_off_disturbs_nobody),
        cmocka_unit_test(vote_request_is_ignored_while_the_leader_is_heard),
        cmocka_unit_test(vote_leaves_only_when_it_is_durable),
        cmocka_unit_test(vote_is_remembered_over_a_restart),
        cmocka_unit_test(vote_that_was_not_durable_is_not_remembered),
        cmocka_unit_test(candidate_with_an_older_log_is_refused),
        cmocka_unit_test(vote_of_an_older_term_does_not_count),
        cmocka_unit_test(leader_without_a_majority_steps_down),
        cmocka_unit_test(leader_that_hears_a_majority_stays),
        cmocka_unit_test(old_leader_learns_of_the_newer_term),
        cmocka_unit_test(leadership_is_transferred_without_waiting),
        cmocka_unit_test(transfer_that_does_not_happen_is_given_up),
        cmocka_unit_test(evidence_of_the_leaders_death_starts_an_election_at_once),
        cmocka_unit_test(evidence_of_the_leaders_death_lets_others_campaign_first),
        cmocka_unit_test(leader_restarts_as_a_follower_of_its_term),
        cmocka_unit_test(message_of_another_cluster_generation_or_node_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
