/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: cutting the log, sending in chunks of five bytes, resuming, installing. */
#include "trace.c"

static struct raft_snapshot snapshot_of(struct trace *t, char name, uint64_t index) {
    struct trace_node *node = trace_node(t, name);
    memcpy(node->snapshot_bytes, "twelve bytes", TRACE_SNAPSHOT_BYTES);
    const struct raft_entry *entry = raft_find_entry(node->raft, index);
    return (struct raft_snapshot){.index = index,
                                  .term = entry != NULL ? entry->term : 0,
                                  .size = TRACE_SNAPSHOT_BYTES,
                                  .checksum =
                                      crc32c(slice_of(node->snapshot_bytes, TRACE_SNAPSHOT_BYTES))};
}

static enum larder_status take_snapshot(struct trace *t, char name, uint64_t index,
                                        uint64_t keep_from) {
    struct trace_node *node = trace_node(t, name);
    struct raft_input taken = {.type = RAFT_SNAPSHOT_TAKEN,
                               .snapshot_taken = {snapshot_of(t, name, index), keep_from}};
    enum larder_status status = trace_step(t, name, taken);
    if (status == LARDER_OK) {
        node->snapshot = taken.snapshot_taken.snapshot;
        assert_int_equal(raft_get_configuration_at(node->raft, index, &node->configuration),
                         LARDER_OK);
    }
    return status;
}

/* A and B are at entry 3, C only at entry 1; the leader's log begins behind 3. */
static struct trace *begin_with_lagging_c(void) {
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_isolate(t, "C");
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    trace_deliver_all(t);
    assert_int_equal(take_snapshot(t, 'A', 3, 4), LARDER_OK);
    assert_int_equal(take_snapshot(t, 'B', 3, 4), LARDER_OK);
    trace_isolate(t, "");
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_quiet(t);
    return t;
}

static void log_is_cut_behind_a_snapshot(void **state) {
    (void)state;
    struct trace *t = trace_begin("A", "");
    trace_elect(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    assert_int_equal(take_snapshot(t, 'A', 4, 5), LARDER_INVALID);
    assert_int_equal(take_snapshot(t, 'A', 2, 4), LARDER_INVALID);
    assert_int_equal(take_snapshot(t, 'A', 2, 2), LARDER_OK);
    trace_show_expect(t, "A", "A leader 1: 2/1 3/1 commit 3 of A\n");
    trace_crash(t, 'A');
    trace_start(t, 'A');
    trace_show_expect(t, "A", "A follower 1: 3/1 commit 2 of A\n");
    trace_timeout(t, 'A');
    trace_expect(t, "A: follower -> candidate, term 2\n"
                    "A writes 1: term 2, vote A\n"
                    "A: candidate -> leader, term 2\n"
                    "A writes 2: 3 < 4/2\n"
                    "A applies 3/1 4/2\n");
    trace_end(t);
}

static void member_that_lags_behind_the_log_gets_the_snapshot(void **state) {
    (void)state;
    struct trace *t = begin_with_lagging_c();
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    for (int i = 0; i < 3; i++) {
        trace_deliver(t, 'A', 'C');
        trace_deliver(t, 'C', 'A');
    }
    trace_expect(t, "C -> A append-reply 1 rejected at 3, try 1/1\n"
                    "A -> C snapshot 1 of 3/1 offset 0 size 5\n"
                    "C -> A snapshot-reply 1 of 3/1 offset 5\n"
                    "A -> C snapshot 1 of 3/1 offset 5 size 5\n"
                    "C -> A snapshot-reply 1 of 3/1 offset 10\n"
                    "A -> C snapshot 1 of 3/1 offset 10 size 2\n"
                    "C installs 3/1\n"
                    "C writes 3: snapshot 3 <\n"
                    "C -> A append-reply 1 held 3 durable 3\n");
    trace_lose_all(t);
    assert_int_equal(trace_propose(t, 'A', "z"), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "AC",
                      "A leader 1: 4/1 commit 4 of ABC\n"
                      "C follower 1: 4/1 commit 4 of ABC\n");
    trace_end(t);
}

static void lost_chunk_is_sent_again(void **state) {
    (void)state;
    struct trace *t = begin_with_lagging_c();
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    trace_lose_all(t);
    trace_quiet(t);
    for (int i = 0; i < 11; i++) {
        trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
        trace_deliver_all(t);
    }
    trace_show_expect(t, "AC",
                      "A leader 1: commit 3 of ABC\n"
                      "C follower 1: commit 3 of ABC\n");
    trace_end(t);
}

/* B leads with the same snapshot and is told how far C is. */
static void new_leader_with_the_same_snapshot_resumes(void **state) {
    (void)state;
    struct trace *t = begin_with_lagging_c();
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    for (int i = 0; i < 2; i++) {
        trace_deliver(t, 'A', 'C');
        trace_deliver(t, 'C', 'A');
    }
    trace_lose_all(t);
    trace_isolate(t, "A");
    trace_forget_leader(t, "C");
    trace_timeout(t, 'B');
    for (int i = 0; i < 3; i++) {
        trace_deliver(t, 'B', 'C');
        trace_deliver(t, 'C', 'B');
    }
    trace_quiet(t);
    trace_deliver_all(t);
    trace_expect(t, "C -> B snapshot-reply 2 of 3/1 offset 10\n"
                    "B -> C snapshot 2 of 3/1 offset 10 size 2\n"
                    "C installs 3/1\n"
                    "C writes 4: snapshot 3 <\n"
                    "C -> B append-reply 2 held 3 durable 3\n"
                    "B -> C append 2 commit 3 after 3/1: 4/2\n"
                    "C -> B append-reply 2 held 4 durable 3\n"
                    "C writes 5: 3 < 4/2\n"
                    "C -> B append-reply 2 held 4 durable 4\n"
                    "B -> C append 2 commit 4 after 4/2:\n"
                    "B applies 4/2\n"
                    "C -> B append-reply 2 held 4 durable 4\n"
                    "C applies 4/2\n");
    trace_end(t);
}

/* What is acknowledged of a snapshot is on disk: the write that begins the log anew. */
static void installed_snapshot_is_acknowledged_when_it_is_durable(void **state) {
    (void)state;
    struct trace *t = begin_with_lagging_c();
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    trace_node(t, 'C')->is_disk_held = true;
    for (int i = 0; i < 2; i++) {
        trace_deliver(t, 'A', 'C');
        trace_deliver(t, 'C', 'A');
    }
    trace_quiet(t);
    trace_deliver(t, 'A', 'C');
    trace_expect(t, "C installs 3/1\n"
                    "C writes 3: snapshot 3 <\n");
    trace_persist(t, 'C');
    trace_expect(t, "C -> A append-reply 1 held 3 durable 3\n");
    trace_end(t);
}

static void tail_that_contradicts_the_snapshot_is_dropped(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'C');
    trace_isolate(t, "C");
    for (int i = 0; i < 4; i++)
        assert_int_equal(trace_propose(t, 'C', "lost"), LARDER_OK);
    trace_forget_leader(t, "B");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    assert_int_equal(trace_propose(t, 'A', "kept"), LARDER_OK);
    trace_deliver_all(t);
    assert_int_equal(take_snapshot(t, 'A', 3, 4), LARDER_OK);
    trace_show_expect(t, "AC",
                      "A leader 2: commit 3 of ABC\n"
                      "C leader 1: 1/1 2/1 3/1 4/1 5/1 commit 1 of ABC\n");
    trace_isolate(t, "");
    for (int i = 0; i < 12; i++) {
        trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
        trace_deliver_all(t);
    }
    trace_show_expect(t, "AC",
                      "A leader 2: commit 3 of ABC\n"
                      "C follower 2: commit 3 of ABC\n");
    trace_crash(t, 'C');
    trace_start(t, 'C');
    trace_show_expect(t, "C", "C follower 2: commit 3 of ABC\n");
    trace_end(t);
}

static void snapshot_waits_while_another_one_is_sent(void **state) {
    (void)state;
    struct trace *t = begin_with_lagging_c();
    trace_deliver(t, 'A', 'C');
    trace_deliver(t, 'C', 'A');
    assert_int_equal(trace_propose(t, 'A', "z"), LARDER_OK);
    trace_deliver(t, 'A', 'B');
    trace_deliver(t, 'A', 'B');
    for (int i = 0; i < 3; i++)
        trace_deliver(t, 'B', 'A');
    trace_show_expect(t, "A", "A leader 1: 4/1 commit 4 of ABC\n");
    assert_int_equal(take_snapshot(t, 'A', 4, 5), LARDER_BUSY);
    trace_deliver_all(t);
    assert_int_equal(take_snapshot(t, 'A', 4, 5), LARDER_OK);
    trace_end(t);
}

static void joiner_learns_the_configuration_from_a_snapshot(void **state) {
    (void)state;
    struct trace *t = trace_begin("A", "B");
    trace_elect(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    assert_int_equal(take_snapshot(t, 'A', 2, 3), LARDER_OK);
    assert_int_equal(trace_change(t, 'A', RAFT_ADD_LEARNER, 'B'), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "AB",
                      "A leader 1: 3/1 commit 3 of A(B)\n"
                      "B follower 1: 3/1 commit 3 of A(B)\n");
    trace_end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_cut_behind_a_snapshot),
        cmocka_unit_test(member_that_lags_behind_the_log_gets_the_snapshot),
        cmocka_unit_test(lost_chunk_is_sent_again),
        cmocka_unit_test(new_leader_with_the_same_snapshot_resumes),
        cmocka_unit_test(installed_snapshot_is_acknowledged_when_it_is_durable),
        cmocka_unit_test(tail_that_contradicts_the_snapshot_is_dropped),
        cmocka_unit_test(snapshot_waits_while_another_one_is_sent),
        cmocka_unit_test(joiner_learns_the_configuration_from_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
