/* SPDX-License-Identifier: BSD-3-Clause */
/* The log as traces: commit, repair, figure 8, reads. */
#include "trace.c"

static void entry_commits_when_a_majority_has_it(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "C");
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    assert_int_equal(t->out.message_count, 0);
    trace_deliver_all(t);
    trace_expect(t, "A -> B append 1 commit 1 after 1/1: 2/1\n"
                    "A -> C append 1 commit 1 after 1/1: 2/1\n"
                    "A writes 3: 1 < 2/1\n"
                    "B -> A append-reply 1 held 2 durable 1\n"
                    "B writes 3: 1 < 2/1\n"
                    "B -> A append-reply 1 held 2 durable 2\n"
                    "A -> B append 1 commit 2 after 2/1:\n"
                    "A -> C append 1 commit 2 after 2/1:\n"
                    "A applies 2/1\n"
                    "B -> A append-reply 1 held 2 durable 2\n"
                    "B applies 2/1\n");
    assert_int_equal(trace_propose(t, 'B', "y"), LARDER_AGAIN);
    trace_end(t);
}

static void lost_append_is_found_by_the_next_heartbeat(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "C");
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_deliver_all(t);
    trace_isolate(t, "");
    trace_quiet(t);
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    trace_deliver(t, 'A', 'C');
    trace_expect(t, "A -> B append 1 commit 2 after 2/1:\n"
                    "A -> C append 1 commit 2 after 2/1:\n"
                    "C -> A append-reply 1 rejected at 2, try 1/1\n"
                    "A -> C append 1 commit 2 after 1/1: 2/1\n"
                    "C -> A append-reply 1 held 2 durable 1\n"
                    "C applies 2/1\n"
                    "C writes 3: 1 < 2/1\n"
                    "C -> A append-reply 1 held 2 durable 2\n");
    trace_end(t);
}

/* The first append comes again after the second one: what it says is true, and cuts nothing. */
static void old_append_that_comes_late_cuts_nothing(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'A', 'C');
    trace_show_expect(t, "C", "C follower 1: 1/1 2/1 3/1 commit 1 of ABC\n");
    struct raft_entry x = {2, 1, RAFT_ENTRY_COMMAND, slice_of_string("x")};
    struct raft_message again = {
        .type = RAFT_APPEND,
        .cluster = {{9, 9}},
        .from = trace_id('A'),
        .to = trace_id('C'),
        .term = 1,
        .append = {.previous_index = 1, .previous_term = 1, .entries = &x, .entry_count = 1}};
    assert_int_equal(
        trace_step(t, 'C', (struct raft_input){.type = RAFT_MESSAGE, .message = &again}),
        LARDER_OK);
    trace_expect(t, "C -> A append-reply 1 held 3 durable 3\n");
    trace_end(t);
}

static void entries_that_came_out_of_order_are_asked_for_again(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    struct trace_message held = t->messages[1];
    assert_int_equal(held.to, 'C');
    t->message_count = 1;
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    trace_quiet(t);
    trace_deliver(t, 'A', 'C');
    trace_expect(t, "C -> A append-reply 1 rejected at 2, try 1/1\n");
    t->messages[t->message_count++] = held;
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A leader 1: 1/1 2/1 3/1 commit 3 of ABC\n"
                      "B follower 1: 1/1 2/1 3/1 commit 3 of ABC\n"
                      "C follower 1: 1/1 2/1 3/1 commit 3 of ABC\n");
    trace_end(t);
}

static void uncommitted_tail_of_an_old_leader_is_replaced(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    assert_int_equal(trace_propose(t, 'A', "lost"), LARDER_OK);
    assert_int_equal(trace_propose(t, 'A', "lost too"), LARDER_OK);
    trace_forget_leader(t, "C");
    trace_timeout(t, 'B');
    trace_deliver_all(t);
    assert_int_equal(trace_propose(t, 'B', "kept"), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A leader 1: 1/1 2/1 3/1 commit 1 of ABC\n"
                      "B leader 2: 1/1 2/2 3/2 commit 3 of ABC\n"
                      "C follower 2: 1/1 2/2 3/2 commit 3 of ABC\n");
    trace_isolate(t, "");
    trace_pass(t, 'B', TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A follower 2: 1/1 2/2 3/2 commit 3 of ABC\n"
                      "B leader 2: 1/1 2/2 3/2 commit 3 of ABC\n"
                      "C follower 2: 1/1 2/2 3/2 commit 3 of ABC\n");
    trace_end(t);
}

/* Figure 8 of the paper. A (S1) leads term 1 and gives entry 2 to B only; E (S5) leads term 2 with
 * an entry of its own; A leads again and copies entry 2 to C, so that it is on a majority, but is
 * of term 1. It must not commit: E may still win and replace it. */
static void entry_of_an_older_term_does_not_commit_by_counting(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABCDE", "");
    trace_elect(t, 'A');
    trace_isolate(t, "CDE");
    assert_int_equal(trace_propose(t, 'A', "two"), LARDER_OK);
    trace_deliver(t, 'A', 'B');
    trace_lose_all(t);
    trace_isolate(t, "AB");
    trace_forget_leader(t, "CD");
    trace_timeout(t, 'E');
    for (int i = 0; i < 2; i++) {
        trace_deliver(t, 'E', 'C');
        trace_deliver(t, 'C', 'E');
        trace_deliver(t, 'E', 'D');
        trace_deliver(t, 'D', 'E');
    }
    trace_lose_all(t);
    trace_show_expect(t, "ABCDE",
                      "A leader 1: 1/1 2/1 commit 1 of ABCDE\n"
                      "B follower 1: 1/1 2/1 commit 1 of ABCDE\n"
                      "C follower 2: 1/1 commit 1 of ABCDE\n"
                      "D follower 2: 1/1 commit 1 of ABCDE\n"
                      "E leader 2: 1/1 2/2 commit 1 of ABCDE\n");
    trace_crash(t, 'E');
    trace_isolate(t, "");
    trace_forget_leader(t, "BCD");
    trace_crash(t, 'A');
    trace_start(t, 'A');
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    trace_timeout(t, 'A');
    for (int i = 0; i < 2; i++) {
        trace_deliver(t, 'A', 'B');
        trace_deliver(t, 'B', 'A');
        trace_deliver(t, 'A', 'C');
        trace_deliver(t, 'C', 'A');
    }
    trace_lose_all(t);
    trace_show_expect(t, "ABCD",
                      "A leader 3: 1/1 2/1 3/3 commit 0 of ABCDE\n"
                      "B follower 3: 1/1 2/1 commit 1 of ABCDE\n"
                      "C follower 3: 1/1 commit 1 of ABCDE\n"
                      "D follower 2: 1/1 commit 1 of ABCDE\n");
    struct raft_message reply = {.type = RAFT_APPEND_REPLY,
                                 .cluster = {{9, 9}},
                                 .to = trace_id('A'),
                                 .term = 3,
                                 .append_reply = {.held = 2, .durable = 2}};
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &reply};
    reply.from = trace_id('B');
    assert_int_equal(trace_step(t, 'A', input), LARDER_OK);
    reply.from = trace_id('C');
    assert_int_equal(trace_step(t, 'A', input), LARDER_OK);
    trace_show_expect(t, "A", "A leader 3: 1/1 2/1 3/3 commit 0 of ABCDE\n");
    reply.append_reply.held = reply.append_reply.durable = 3;
    assert_int_equal(trace_step(t, 'A', input), LARDER_OK);
    reply.from = trace_id('B');
    assert_int_equal(trace_step(t, 'A', input), LARDER_OK);
    trace_show_expect(t, "A", "A leader 3: 1/1 2/1 3/3 commit 3 of ABCDE\n");
    trace_end(t);
}

/* B holds an entry of term 1 that A replaced; a heartbeat that was compared only with what is
 * before it must not commit it. */
static void follower_commits_only_what_was_compared(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'B');
    trace_isolate(t, "B");
    assert_int_equal(trace_propose(t, 'B', "lost"), LARDER_OK);
    trace_forget_leader(t, "C");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    trace_quiet(t);
    trace_isolate(t, "");
    struct raft_message heartbeat = {
        .type = RAFT_APPEND,
        .cluster = {{9, 9}},
        .from = trace_id('A'),
        .to = trace_id('B'),
        .term = 2,
        .append = {.previous_index = 1, .previous_term = 1, .commit = 2}};
    assert_int_equal(
        trace_step(t, 'B', (struct raft_input){.type = RAFT_MESSAGE, .message = &heartbeat}),
        LARDER_OK);
    trace_show_expect(t, "B", "B follower 2: 1/1 2/1 commit 1 of ABC\n");
    trace_end(t);
}

static void append_that_would_change_what_is_committed_is_refused(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    struct raft_entry other = {1, 2, RAFT_ENTRY_NOOP, {NULL, 0}};
    struct raft_message append = {.type = RAFT_APPEND,
                                  .cluster = {{9, 9}},
                                  .from = trace_id('B'),
                                  .to = trace_id('C'),
                                  .term = 2,
                                  .append = {.entries = &other, .entry_count = 1}};
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &append};
    assert_int_equal(trace_step(t, 'C', input), LARDER_CORRUPT);
    trace_show_expect(t, "C", "C follower 1: 1/1 commit 1 of ABC\n");
    trace_end(t);
}

static void read_waits_for_a_majority_that_still_follows(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_read(t, 'A', 7), LARDER_OK);
    trace_expect(t, "A -> B append 1 commit 1 after 1/1:\n"
                    "A -> C append 1 commit 1 after 1/1:\n");
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'B', 'A');
    trace_expect(t, "B -> A append-reply 1 held 1 durable 1\n"
                    "A read 7 at 1\n");
    assert_int_equal(trace_read(t, 'B', 8), LARDER_AGAIN);
    trace_end(t);
}

/* An answer to a heartbeat that left before the read was asked for proves nothing. */
static void read_is_not_confirmed_by_an_older_answer(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver(t, 'A', 'B');
    assert_int_equal(trace_read(t, 'A', 7), LARDER_OK);
    trace_quiet(t);
    trace_deliver(t, 'B', 'A');
    trace_expect(t, "");
    trace_end(t);
}

static void read_fails_when_leadership_is_lost(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "A");
    assert_int_equal(trace_read(t, 'A', 7), LARDER_OK);
    trace_quiet(t);
    trace_pass(t, 'A', TRACE_ELECTION_MS);
    trace_expect(t, "A: leader -> follower, term 1\n"
                    "A read 7 failed 1\n");
    trace_end(t);
}

/* A new leader does not know how far the old one committed until its own no-op is. */
static void read_waits_for_the_first_commit_of_the_term(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_timeout(t, 'A');
    for (int i = 0; i < 2; i++) {
        trace_deliver(t, 'A', 'B');
        trace_deliver(t, 'B', 'A');
    }
    assert_int_equal(trace_node(t, 'A')->role, RAFT_LEADER);
    assert_int_equal(trace_read(t, 'A', 7), LARDER_BUSY);
    trace_deliver_all(t);
    assert_int_equal(trace_read(t, 'A', 7), LARDER_OK);
    trace_end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_commits_when_a_majority_has_it),
        cmocka_unit_test(lost_append_is_found_by_the_next_heartbeat),
        cmocka_unit_test(old_append_that_comes_late_cuts_nothing),
        cmocka_unit_test(entries_that_came_out_of_order_are_asked_for_again),
        cmocka_unit_test(uncommitted_tail_of_an_old_leader_is_replaced),
        cmocka_unit_test(entry_of_an_older_term_does_not_commit_by_counting),
        cmocka_unit_test(follower_commits_only_what_was_compared),
        cmocka_unit_test(append_that_would_change_what_is_committed_is_refused),
        cmocka_unit_test(read_waits_for_a_majority_that_still_follows),
        cmocka_unit_test(read_is_not_confirmed_by_an_older_answer),
        cmocka_unit_test(read_fails_when_leadership_is_lost),
        cmocka_unit_test(read_waits_for_the_first_commit_of_the_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
