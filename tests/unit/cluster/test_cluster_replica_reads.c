/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases of a partition's replicas. A read is answered when the promises of all in sync cover it
 * and what it saw is committed; a write is admitted while the config group was heard of; who
 * promised opens no term of its own before its promise has run out. Which promises count: those of
 * this process, for this term, of a configuration known here, from when they were asked for. */
#include "unit/cluster/replica_fixture.h"

/* ---- reads ---- */

static void a_read_needs_promises_of_all_in_sync_when_it_is_answered(void **state) {
    (void)state;
    read_at(A, 1);
    fixture.now_ms += 224;
    read_at(A, 2);
    fixture.now_ms += 1; /* 250 ms less a tenth */
    read_at(A, 3);
    promise(B, A, fixture.now_ms);
    tick(A);
    promise(C, A, fixture.now_ms - 50);
    tick(A);
    expect("  A reply 1 DONE\n"
           "  A reply 2 DONE\n"
           "  A reply 3 DONE\n");
    fixture.now_ms += 300;
    read_at(A, 4);
    fixture.now_ms += 500;
    tick(A);
    expect("  A reply 4 REFUSED\n");
}

static void a_read_waits_for_what_it_saw(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    read_at(A, 2);
    deliver("");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A reply 2 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
}

static void a_read_needs_the_promise_of_one_that_is_being_added(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    see(C);
    see(B);
    deliver("");
    assert_int_equal(fixture.proposed.type, CONFIG_EXPAND);
    fixture.is_quiet = false;
    fixture.now_ms += 230;
    promise(B, A, fixture.now_ms);
    read_at(A, 1);
    expect("");
    promise(C, A, fixture.now_ms);
    tick(A);
    expect("  A reply 1 DONE\n");
}

/* ---- promises ---- */

static void a_promise_from_before_the_term_does_not_count(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, B);
    see(B);
    deliver("AC");
    fixture.now_ms += 250;
    promise(C, B, fixture.now_ms); /* C does not know the term */
    see(C);
    tick(B);
    deliver("A");
    fixture.now_ms += 100;
    tick(B);
    deliver("A");
    hear_coordinator(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
    fixture.is_quiet = false;
    read_at(B, 1);
    expect("");
    promise(C, B, fixture.now_ms);
    fixture.is_quiet = true;
    tick(B);
    fixture.is_quiet = false;
    read_at(B, 2);
    expect("  B reply 2 DONE\n");
}

static void a_promise_that_knows_more_counts_when_it_is_known_here(void **state) {
    (void)state;
    commit_change(CONFIG_NOP, 0);
    fixture.now_ms += 230;
    see(B);
    promise(B, A, fixture.now_ms);
    promise(C, A, fixture.now_ms);
    hear_coordinator(A);
    read_at(A, 1);
    expect("");
    see(A);
    expect("  A reply 1 DONE\n");
}

static void a_promise_counts_from_when_it_was_asked_for(void **state) {
    (void)state;
    fixture.now_ms += 230;
    promise(B, A, fixture.now_ms - 100);
    promise(C, A, fixture.now_ms - 100);
    fixture.now_ms += 125;
    read_at(A, 1);
    expect("");
}

static void a_promise_of_another_process_does_not_count(void **state) {
    (void)state;
    struct node *a = &fixture.nodes[A];
    fixture.now_ms += 230;
    promise(B, A, fixture.now_ms);
    lease_take(a->leases, C, 7,
               &(struct lease_promise){fixture.now_ms * 1000, 250000, a->view->index},
               fixture.now_ms * 1000);
    read_at(A, 1);
    expect("");
    promise(C, A, fixture.now_ms);
    tick(A);
    expect("  A reply 1 DONE\n");
}

static void later_promises_do_not_prolong_the_restraint(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    fixture.is_quiet = true;
    see(B);
    see(C);
    deliver("A");
    fixture.now_ms += 200;
    promise(B, A, fixture.now_ms);
    fixture.now_ms += 50;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void a_fresh_process_opens_nothing_at_first(void **state) {
    (void)state;
    struct replica_record start = {.term = 1, .kind = RECORD_TERM_START};
    replica_destroy(fixture.nodes[B].replica);
    lease_table_destroy(fixture.nodes[B].leases);
    make_replica(B, false);
    assert_int_equal(replica_restore(fixture.nodes[B].replica, (struct log_position){0, 0}, &start,
                                     1, 1, 1, true),
                     LARDER_OK);
    fixture.is_quiet = true;
    commit_change(CONFIG_TRANSFER, B); /* released: no promise to wait for */
    see(B);
    see(C);
    see(A);
    deliver("");
    fixture.now_ms += 249;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    fixture.now_ms += 1;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

/* ---- the lease of the config group ---- */

static void without_the_config_group_nothing_is_admitted(void **state) {
    (void)state;
    fixture.now_ms += 1799;
    assert_int_equal(replica_admit(fixture.nodes[A].replica, 1, fixture.now_ms * 1000), LARDER_OK);
    fixture.now_ms += 1; /* 2 s less a tenth */
    assert_int_equal(replica_admit(fixture.nodes[A].replica, 1, fixture.now_ms * 1000),
                     LARDER_DENIED);
}

static void a_coordinator_that_knows_more_is_heard_when_it_is_known_here(void **state) {
    (void)state;
    struct node *a = &fixture.nodes[A];
    int64_t now_us = (fixture.now_ms += 1800) * 1000;
    commit_change(CONFIG_NOP, 0);
    lease_take_config(a->leases, &(struct lease_promise){now_us, 2000000, fixture.entry_count},
                      now_us);
    assert_int_equal(replica_admit(a->replica, 1, now_us), LARDER_DENIED);
    see(A);
    assert_int_equal(replica_admit(a->replica, 1, now_us), LARDER_OK);
}

static void set_policy(enum quorum_policy policy) {
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = fixture.group->settings};
    entry.settings.quorum_policy = policy;
    assert_int_equal(commit(&entry), CONFIG_APPLIED);
}

/* Who does not hear that policy isr has ended goes on alone, for ever; so the one who has says so,
 * when its term is open. */
static void the_primary_says_when_it_serves_under_the_config_lease(void **state) {
    (void)state;
    set_policy(QUORUM_IN_SYNC);
    commit_change(CONFIG_SHRINK, B);
    commit_change(CONFIG_SHRINK, C);
    see(A);
    lose_all();
    set_policy(QUORUM_MAJORITY);
    fixture.now_ms += 60000;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK); /* it has not heard */
    expect("  A reply 1 DONE\n");
    see(A);
    expect("  A proposes LEASED A@4\n");
    assert_int_equal(write_to(A, 2, "y"), LARDER_DENIED);
    hear_coordinator(A);
    assert_int_equal(commit(&fixture.proposed), CONFIG_APPLIED);
    see(A);
    expect("");
}

static void who_is_elected_says_so_when_its_term_is_open(void **state) {
    (void)state;
    fixture.is_quiet = true;
    set_policy(QUORUM_IN_SYNC);
    set_policy(QUORUM_MAJORITY);
    commit_change(CONFIG_ELECT, B);
    fixture.has_proposed = false;
    see(C);
    see(B);
    deliver("A");
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    assert_false(fixture.has_proposed);
    fixture.now_ms += 300; /* what it promised to A has run out */
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
    assert_true(fixture.has_proposed);
    assert_string_equal(config_entry_name(fixture.proposed.type), "LEASED");
    assert_int_equal(fixture.proposed.change.term, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_read_needs_promises_of_all_in_sync_when_it_is_answered),
        TEST(a_read_waits_for_what_it_saw),
        TEST(a_read_needs_the_promise_of_one_that_is_being_added),
        TEST(a_promise_from_before_the_term_does_not_count),
        TEST(a_promise_that_knows_more_counts_when_it_is_known_here),
        TEST(a_promise_counts_from_when_it_was_asked_for),
        TEST(a_promise_of_another_process_does_not_count),
        TEST(later_promises_do_not_prolong_the_restraint),
        TEST(a_fresh_process_opens_nothing_at_first),
        TEST(without_the_config_group_nothing_is_admitted),
        TEST(a_coordinator_that_knows_more_is_heard_when_it_is_known_here),
        TEST(the_primary_says_when_it_serves_under_the_config_lease),
        TEST(who_is_elected_says_so_when_its_term_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
