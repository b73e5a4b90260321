/* SPDX-License-Identifier: BSD-3-Clause */
/* Slow, failing and full disks, and missing memory. */
#include "trace.c"

static void leader_without(struct trace *t, char name, const char *others) {
    trace_elect(t, name);
    trace_isolate(t, others);
}

static void follower_acknowledges_only_what_is_durable(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    leader_without(t, 'A', "C");
    trace_node(t, 'B')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_quiet(t);
    trace_deliver_all(t);
    trace_expect(t, "B -> A append-reply 1 held 2 durable 1\n"
                    "B writes 3: 1 < 2/1\n");
    trace_persist(t, 'B');
    trace_deliver_all(t);
    trace_expect(t, "B -> A append-reply 1 held 2 durable 2\n"
                    "A -> B append 1 commit 2 after 2/1:\n"
                    "A -> C append 1 commit 2 after 2/1:\n"
                    "A applies 2/1\n"
                    "B -> A append-reply 1 held 2 durable 2\n"
                    "B applies 2/1\n");
    trace_end(t);
}

static void leader_counts_its_own_entry_only_when_it_is_durable(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    leader_without(t, 'A', "C");
    trace_node(t, 'A')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "AB",
                      "A leader 1: 1/1 2/1 commit 1 of ABC\n"
                      "B follower 1: 1/1 2/1 commit 1 of ABC\n");
    trace_persist(t, 'A');
    trace_show_expect(t, "AB",
                      "A leader 1: 1/1 2/1 commit 2 of ABC\n"
                      "B follower 1: 1/1 2/1 commit 1 of ABC\n");
    trace_end(t);
}

/* Entry 2 of term 1 waits for B's disk when A, the leader of term 2, replaces it. What the disk
 * says about the first write afterwards says nothing about the second. */
static void acknowledgement_of_truncated_entries_does_not_count(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    leader_without(t, 'B', "B");
    trace_node(t, 'B')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'B', "lost"), LARDER_OK);
    trace_forget_leader(t, "C");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    trace_isolate(t, "C");
    trace_quiet(t);
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
    struct raft_persisted first = perform_write(t, 'B');
    assert_int_equal(first.index, 2);
    struct raft_persisted second = perform_write(t, 'B');
    trace_acknowledge(t, 'B', first);
    trace_deliver_all(t);
    trace_show(t, "AB");
    trace_expect(t, "A -> B append 2 commit 2 after 1/1: 2/2\n"
                    "A -> C append 2 commit 2 after 2/2:\n"
                    "B: leader -> follower, term 2\n"
                    "B applies 2/2\n"
                    "B writes 4: term 2, vote -; 1 < 2/2\n"
                    "A -> B append 2 commit 2 after 1/1: 2/2\n"
                    "A -> C append 2 commit 2 after 2/2:\n"
                    "A leader 2: 1/1 2/2 commit 2 of ABC\n"
                    "B follower 2: 1/1 2/2 commit 2 of ABC\n");
    trace_acknowledge(t, 'B', second);
    trace_deliver_all(t);
    trace_persist(t, 'B');
    trace_deliver_all(t);
    trace_expect(t, "B -> A append-reply 2 held 2 durable 2\n");
    trace_end(t);
}

static void append_to_c(struct trace *t, char leader, uint64_t term,
                        const struct raft_entry *entry) {
    struct raft_message append = {.type = RAFT_APPEND,
                                  .cluster = {{9, 9}},
                                  .from = trace_id(leader),
                                  .to = trace_id('C'),
                                  .term = term,
                                  .append = {.previous_index = 9, .previous_term = 1}};
    if (entry != NULL)
        append.append = (struct raft_append){.entries = entry, .entry_count = 1};
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &append};
    assert_int_equal(trace_step(t, 'C', input), LARDER_OK);
}

/* C's first write is acknowledged late. First its entry has been replaced; then it was replaced
 * again, by the very same entry, but the write that cuts what is between is still to come. */
static void late_acknowledgement_does_not_count_even_for_the_same_entry(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_node(t, 'C')->is_disk_held = true;
    struct raft_entry one = {1, 1, RAFT_ENTRY_NOOP, {NULL, 0}};
    struct raft_entry two = {1, 2, RAFT_ENTRY_NOOP, {NULL, 0}};
    append_to_c(t, 'A', 1, &one);
    append_to_c(t, 'B', 2, NULL);
    struct raft_persisted first = perform_write(t, 'C');
    trace_acknowledge(t, 'C', perform_write(t, 'C'));
    trace_expect(t, "C writes 1: term 1, vote -; 0 < 1/1\n"
                    "C writes 2: term 2, vote -\n"
                    "C -> B append-reply 2 rejected at 9, try 1/1\n");
    append_to_c(t, 'B', 2, &two);
    trace_expect(t, "C -> B append-reply 2 held 1 durable 0\n"
                    "C writes 3: 0 < 1/2\n");
    trace_acknowledge(t, 'C', first);
    trace_expect(t, "");
    append_to_c(t, 'A', 3, NULL);
    trace_persist(t, 'C');
    append_to_c(t, 'A', 3, &one);
    trace_quiet(t);
    trace_acknowledge(t, 'C', first);
    trace_expect(t, "");
    trace_persist(t, 'C');
    trace_expect(t, "C -> A append-reply 3 held 1 durable 1\n");
    trace_end(t);
}

/* The leader could not store entry 2. It steps down, and when it leads again that is another term:
 * an entry 2 of term 1 with other data can never exist. */
static void failed_append_does_not_free_the_index(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    leader_without(t, 'A', "");
    trace_node(t, 'A')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "first"), LARDER_OK);
    trace_deliver(t, 'A', 'B');
    trace_lose_all(t);
    trace_fail_writes(t, 'A');
    assert_int_equal(trace_propose(t, 'A', "second"), LARDER_AGAIN);
    trace_expect(t, "A -> B append 1 commit 1 after 1/1: 2/1\n"
                    "A -> C append 1 commit 1 after 1/1: 2/1\n"
                    "A writes 3: 1 < 2/1\n"
                    "B -> A append-reply 1 held 2 durable 1\n"
                    "B writes 3: 1 < 2/1\n"
                    "B -> A append-reply 1 held 2 durable 2\n"
                    "A: leader -> follower, term 1\n"
                    "A -> B timeout-now 1\n");
    trace_node(t, 'A')->is_disk_held = false;
    assert_int_equal(trace_step(t, 'A', (struct raft_input){.type = RAFT_STORAGE_READY}),
                     LARDER_OK);
    trace_expect(t, "A writes 4: term 1, vote A; 1 < 2/1\n");
    trace_lose_all(t);
    trace_forget_leader(t, "BC");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    assert_int_equal(trace_propose(t, 'A', "second"), LARDER_OK);
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A leader 2: 1/1 2/1 3/2 4/2 commit 4 of ABC\n"
                      "B follower 2: 1/1 2/1 3/2 4/2 commit 4 of ABC\n"
                      "C follower 2: 1/1 2/1 3/2 4/2 commit 4 of ABC\n");
    assert_true(
        slice_equal(raft_find_entry(trace_node(t, 'A')->raft, 2)->data, slice_of_string("first")));
    trace_end(t);
}

static void node_with_a_full_disk_neither_votes_nor_campaigns(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_node(t, 'B')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_deliver_all(t);
    trace_fail_writes(t, 'B');
    trace_lose_all(t);
    trace_quiet(t);
    trace_timeout(t, 'B');
    trace_expect(t, "");
    trace_forget_leader(t, "B");
    trace_timeout(t, 'C');
    trace_deliver(t, 'C', 'B');
    trace_expect(t, "C: follower -> pre-candidate, term 1\n"
                    "C -> A pre-vote 2 log 2/1\n"
                    "C -> B pre-vote 2 log 2/1\n"
                    "B -> C pre-vote-reply 1 refused\n");
    trace_end(t);
}

static void follower_with_a_full_disk_catches_up_when_there_is_space(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    trace_node(t, 'B')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_deliver_all(t);
    trace_fail_writes(t, 'B');
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    trace_quiet(t);
    trace_deliver_all(t);
    trace_expect(t, "B -> A append-reply 1 held 2 durable 1 stalled\n"
                    "C -> A append-reply 1 held 3 durable 2\n"
                    "C writes 4: 2 < 3/1\n"
                    "C -> A append-reply 1 held 3 durable 3\n"
                    "A -> C append 1 commit 3 after 3/1:\n"
                    "A applies 3/1\n"
                    "C -> A append-reply 1 held 3 durable 3\n"
                    "C applies 3/1\n");
    trace_node(t, 'B')->is_disk_held = false;
    assert_int_equal(trace_step(t, 'B', (struct raft_input){.type = RAFT_STORAGE_READY}),
                     LARDER_OK);
    trace_deliver_all(t);
    trace_pass(t, 'A', TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A leader 1: 1/1 2/1 3/1 commit 3 of ABC\n"
                      "B follower 1: 1/1 2/1 3/1 commit 3 of ABC\n"
                      "C follower 1: 1/1 2/1 3/1 commit 3 of ABC\n");
    trace_end(t);
}

static void all_disks_full_and_emptied_again(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    trace_elect(t, 'A');
    for (char name = 'A'; name <= 'C'; name++)
        trace_node(t, name)->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_deliver_all(t);
    for (char name = 'A'; name <= 'C'; name++)
        trace_fail_writes(t, name);
    trace_deliver_all(t);
    for (char name = 'A'; name <= 'C'; name++)
        trace_timeout(t, name);
    trace_show_expect(t, "ABC",
                      "A follower 1: 1/1 2/1 commit 1 of ABC\n"
                      "B follower 1: 1/1 2/1 commit 1 of ABC\n"
                      "C follower 1: 1/1 2/1 commit 1 of ABC\n");
    for (char name = 'A'; name <= 'C'; name++) {
        trace_node(t, name)->is_disk_held = false;
        assert_int_equal(trace_step(t, name, (struct raft_input){.type = RAFT_STORAGE_READY}),
                         LARDER_OK);
    }
    trace_forget_leader(t, "BC");
    trace_timeout(t, 'A');
    trace_deliver_all(t);
    trace_show_expect(t, "ABC",
                      "A leader 2: 1/1 2/1 3/2 commit 3 of ABC\n"
                      "B follower 2: 1/1 2/1 3/2 commit 3 of ABC\n"
                      "C follower 2: 1/1 2/1 3/2 commit 3 of ABC\n");
    trace_end(t);
}

static void log_that_was_durable_survives_a_restart_and_the_rest_does_not(void **state) {
    (void)state;
    struct trace *t = trace_begin("ABC", "");
    leader_without(t, 'A', "BC");
    assert_int_equal(trace_propose(t, 'A', "x"), LARDER_OK);
    trace_node(t, 'A')->is_disk_held = true;
    assert_int_equal(trace_propose(t, 'A', "y"), LARDER_OK);
    trace_crash(t, 'A');
    trace_start(t, 'A');
    trace_show_expect(t, "A", "A follower 1: 1/1 2/1 commit 0 of ABC\n");
    trace_end(t);
}

static void contradicting_disk_contents_are_refused(void **state) {
    (void)state;
    struct raft_options options = {.self = trace_id('A')};
    struct raft_entry entries[2] = {{1, 1, RAFT_ENTRY_NOOP, {NULL, 0}},
                                    {3, 1, RAFT_ENTRY_NOOP, {NULL, 0}}};
    struct raft_restored restored = {.hard_state = {.term = 1}, .entries = entries};
    struct raft *raft = NULL;
    restored.entry_count = 2;
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &raft), LARDER_CORRUPT);
    entries[1].index = 2;
    entries[1].term = 2;
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &raft), LARDER_CORRUPT);
    restored.hard_state.term = 2;
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &raft), LARDER_OK);
    raft_destroy(raft);
    entries[0].index = 7;
    restored.entry_count = 1;
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &raft), LARDER_CORRUPT);
    options.self = RAFT_NOBODY;
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &raft), LARDER_INVALID);
}

/* The first write of a node that finds these entries beside a snapshot of 5/2. */
static struct raft_write first_write_behind(struct raft_entry *entries, size_t count) {
    static struct raft_output out;
    struct raft_options options = {.self = trace_id('A')};
    struct raft_restored restored = {.hard_state = {.term = 3},
                                     .snapshot = {.index = 5, .term = 2},
                                     .entries = entries,
                                     .entry_count = count};
    struct raft *raft = NULL;
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &raft), LARDER_OK);
    struct raft_input tick = {.type = RAFT_TICK};
    assert_int_equal(raft_step(raft, &tick, &out), LARDER_OK);
    raft_destroy(raft);
    return out.write;
}

/* It crashed after a snapshot was stored and before its log began anew: what is appended from now
 * on would leave a gap, or stand behind entries of another history. */
static void log_that_a_snapshot_replaced_begins_anew_after_a_restart(void **state) {
    (void)state;
    struct raft_entry short_of_it[2] = {{2, 1, RAFT_ENTRY_NOOP, {NULL, 0}},
                                        {3, 1, RAFT_ENTRY_NOOP, {NULL, 0}}};
    struct raft_write write = first_write_behind(short_of_it, 2);
    assert_true(write.has_log && write.is_reset);
    assert_int_equal(write.after_index, 5);
    assert_int_equal(write.entry_count, 0);
    struct raft_entry of_another_history[2] = {{5, 1, RAFT_ENTRY_NOOP, {NULL, 0}},
                                               {6, 1, RAFT_ENTRY_NOOP, {NULL, 0}}};
    write = first_write_behind(of_another_history, 2);
    assert_true(write.has_log && write.is_reset);
    assert_int_equal(write.after_index, 5);
    assert_int_equal(write.entry_count, 0);
    struct raft_entry with_its_end[2] = {{5, 2, RAFT_ENTRY_NOOP, {NULL, 0}},
                                         {6, 3, RAFT_ENTRY_NOOP, {NULL, 0}}};
    assert_int_equal(first_write_behind(with_its_end, 1).number, 0);
    assert_int_equal(first_write_behind(with_its_end, 2).number, 0);
    assert_int_equal(first_write_behind(with_its_end + 1, 1).number, 0);
}

/* Allocations fail from the n-th on. */
struct scarce {
    size_t left;
};

static void *scarce_allocate(void *context, size_t size) {
    struct scarce *scarce = context;
    if (scarce->left == 0)
        return NULL;
    scarce->left--;
    return malloc(size);
}

static void *scarce_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    (void)old_size;
    struct scarce *scarce = context;
    if (scarce->left == 0)
        return NULL;
    scarce->left--;
    return realloc(pointer, new_size);
}

static void scarce_release(void *context, void *pointer, size_t size) {
    (void)context;
    (void)size;
    free(pointer);
}

static void missing_memory_means_busy_and_changes_nothing(void **state) {
    (void)state;
    struct scarce scarce = {.left = 1000};
    struct allocator allocator = {.allocate = scarce_allocate,
                                  .resize = scarce_resize,
                                  .release = scarce_release,
                                  .context = &scarce};
    struct raft_options options = {.self = trace_id('B')};
    struct raft_restored restored = {
        .configuration = {.count = 2, .members = {{trace_id('A'), true}, {trace_id('B'), true}}}};
    struct raft_entry entries[4];
    for (uint64_t i = 0; i < 4; i++)
        entries[i] = (struct raft_entry){i + 1, 3, RAFT_ENTRY_COMMAND, slice_of_string("data")};
    struct raft_message append = {.type = RAFT_APPEND,
                                  .from = trace_id('A'),
                                  .to = trace_id('B'),
                                  .term = 3,
                                  .append = {.entries = entries, .entry_count = 4}};
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &append};
    static struct raft_output out;
    for (size_t left = 0; left < 20; left++) {
        struct raft *raft = NULL;
        scarce.left = left;
        if (raft_create(&options, &restored, &allocator, &raft) != LARDER_OK) {
            assert_true(left < 2);
            continue;
        }
        scarce.left = left - 2;
        enum larder_status status = raft_step(raft, &input, &out);
        struct raft_status seen;
        raft_get_status(raft, &seen);
        assert_int_equal(status, left - 2 < 4 ? LARDER_BUSY : LARDER_OK);
        assert_int_equal(seen.term, status == LARDER_OK ? 3 : 0);
        assert_int_equal(seen.last_index, status == LARDER_OK ? 4 : 0);
        scarce.left = 1000;
        assert_int_equal(raft_step(raft, &input, &out), LARDER_OK);
        raft_destroy(raft);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follower_acknowledges_only_what_is_durable),
        cmocka_unit_test(leader_counts_its_own_entry_only_when_it_is_durable),
        cmocka_unit_test(acknowledgement_of_truncated_entries_does_not_count),
        cmocka_unit_test(late_acknowledgement_does_not_count_even_for_the_same_entry),
        cmocka_unit_test(failed_append_does_not_free_the_index),
        cmocka_unit_test(node_with_a_full_disk_neither_votes_nor_campaigns),
        cmocka_unit_test(follower_with_a_full_disk_catches_up_when_there_is_space),
        cmocka_unit_test(all_disks_full_and_emptied_again),
        cmocka_unit_test(log_that_was_durable_survives_a_restart_and_the_rest_does_not),
        cmocka_unit_test(contradicting_disk_contents_are_refused),
        cmocka_unit_test(log_that_a_snapshot_replaced_begins_anew_after_a_restart),
        cmocka_unit_test(missing_memory_means_busy_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
