/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition's replicas, as traces that read as the protocol: when a write is answered and
 * committed; how a new primary opens its term, and what becomes of the writes of the one before,
 * which may be cut, kept or in doubt. Other programs have the rest: _reads (leases, reads), _logs
 * (gaps, refusals, full logs), _growth (the in-sync set), _durable (disks). */
#include "unit/cluster/replica_fixture.h"

/* ---- writes ---- */

static void a_write_is_answered_when_all_in_sync_have_it(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
    for (uint32_t n = A; n <= C; n++)
        assert_string_equal(fixture.nodes[n].store, "x");
}

static void an_answer_waits_for_min_insync(void **state) {
    (void)state;
    fixture.is_quiet = true;
    struct config_entry settings = {.type = CONFIG_SETTINGS, .settings = fixture.group->settings};
    settings.settings.min_insync = 3;
    assert_int_equal(commit(&settings), CONFIG_APPLIED);
    for (uint32_t n = A; n <= C; n++)
        see(n);
    hear_coordinator(A);
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    commit_change(CONFIG_SHRINK, C);
    fixture.is_quiet = false;
    see(A);
    assert_int_equal(write_to(A, 2, "y"), LARDER_DENIED);
    lose_all();
    expect("  A>B RECORDS t1 1.2 commit 2\n");
    fixture.now_ms += 2000;
    tick(A);
    expect("  A reply 1 IN DOUBT\n"
           "  A>B RECORDS t1 1.2 commit 2\n"); /* what B knows of the commit was lost */
}

static void a_backup_applies_what_is_committed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    assert_int_equal(fixture.nodes[B].replica->log.last, 2);
    assert_string_equal(fixture.nodes[B].store, "");
}

/* ---- a new primary ---- */

static void a_new_primary_opens_after_its_promise_with_a_record_of_its_term(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.now_ms += 249;
    tick(B);
    assert_int_equal(write_to(B, 1, "x"), LARDER_BUSY);
    expect("  B is elected\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n"
           "  C>B REFUSE t2 1.1\n"
           "  C>B ACK t2 2.2\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n"
           "  C>B ACK t2 2.2\n");
    fixture.now_ms += 1;
    tick(B);
    hear_coordinator(B);
    assert_int_equal(write_to(B, 1, "x"), LARDER_OK);
    expect("  B is open\n"
           "  B>C RECORDS t2 2.2 commit 2\n"
           "  B>C RECORDS t2 2.2 +2x commit 2\n");
}

static void who_learns_of_a_term_late_asks_for_its_records(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    see(B);
    deliver("A");
    expect("  B is elected\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n");
    see(C);
    deliver("A");
    expect("  C>B REFUSE t2 1.1\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n"
           "  C>B ACK t2 2.2\n");
}

static void a_term_begins_with_a_committed_record(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, B);
    see(B);
    lose_all();
    fixture.now_ms += 250;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    see(C);
    fixture.now_ms += 100;
    tick(B);
    deliver("A");
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void what_was_not_compared_is_not_committed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B"); /* C has x, B has not */
    commit_change(CONFIG_ELECT, B);
    see(C);
    struct replica_message probe = {
        .type = REPLICA_RECORDS, .from = B, .to = C, .term = 2, .position = {1, 1}, .commit = 2};
    inject(probe);
    assert_int_equal(fixture.nodes[C].replica->commit, 1);
    assert_string_equal(fixture.nodes[C].store, "");
}

static void a_late_acknowledgement_does_not_count(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    see(B);
    lose_all();
    fixture.now_ms += 250;
    inject((struct replica_message){
        .type = REPLICA_ACK, .from = C, .to = B, .term = 1, .position = {1, 2}, .durable = 2});
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    inject((struct replica_message){.type = REPLICA_ACK,
                                    .from = C,
                                    .from_incarnation = 7,
                                    .to = B,
                                    .term = 2,
                                    .position = {2, 2},
                                    .durable = 2});
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    inject((struct replica_message){
        .type = REPLICA_ACK, .from = C, .to = B, .term = 2, .position = {2, 2}, .durable = 2});
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void an_older_term_is_told_so(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.is_quiet = false;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    assert_int_equal(fixture.out.wanted_index, 1);
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A REFUSE t2 2.2\n"
           "  C>A REFUSE t2 2.2\n");
}

/* ---- the one before ---- */

static void a_deposed_primary_answers_what_became_of_its_writes(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C"); /* B has x */
    assert_int_equal(write_to(A, 2, "y"), LARDER_OK);
    lose_all(); /* nobody has y */
    read_at(A, 3);
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.is_quiet = false;
    see(A);
    expect("  A is none\n"
           "  A reply 3 MOVED\n");
    fixture.is_quiet = true;
    fixture.now_ms += 250;
    tick(B);
    deliver("A");
    assert_string_equal(fixture.nodes[C].store, "x");
    commit_change(CONFIG_ADD_LEARNER, A);
    fixture.is_quiet = false;
    see(A);
    see(B);
    deliver("");
    assert_string_equal(fixture.nodes[B].store, "x");
    expect("  A is learner\n"
           "  B>A RECORDS t2 2.3 commit 3\n"
           "  A>B REFUSE t2 1.3\n"
           "  B>A RECORDS t2 1.2 +2 commit 3\n"
           "  A cut 3 to 3\n"
           "  A reply 1 DONE\n"
           "  A reply 2 MOVED\n"
           "  A>B ACK t2 2.3 unsynced\n");
    /* Its store has y, which nobody else has: it must fetch before it is added. */
    tick(B);
    expect("");
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_COPIED, .sequence = 3}),
                     LARDER_OK);
    tick(A);
    deliver("");
    expect("  A>B ACK t2 2.3\n"
           "  B proposes EXPAND A@3\n");
}

static void a_write_cut_by_a_primary_that_never_opened_may_still_be_kept(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B"); /* C has x, B has not */
    commit_change(CONFIG_ELECT, B);
    commit_change(CONFIG_ADD_LEARNER, A);
    see(A);
    see(B);
    fixture.is_quiet = false;
    deliver("C"); /* A follows B, but B's term has not begun: C has not heard of it */
    expect("  B>A RECORDS t2 1.1 +2 commit 1\n"
           "  A cut 2 to 2\n"
           "  A>B ACK t2 2.2 unsynced\n"
           "  A>B ACK t2 2.2 unsynced\n");
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, C);
    see(C);
    fixture.now_ms += 250;
    tick(C);
    see(A);
    lose_all();
    fixture.is_quiet = false;
    fixture.now_ms += 100;
    tick(C);
    deliver("B");
    assert_string_equal(fixture.nodes[C].store, "x");
    expect("  C>A RECORDS t3 1.2 +3 commit 3\n"
           "  A>C REFUSE t3 1.1\n"
           "  C>A RECORDS t3 1.1 +1x +3 commit 3\n"
           "  A reply 1 DONE\n"
           "  A>C ACK t3 3.3 unsynced\n");
}

/* B may have x, or not. */
static void a_log_that_begins_anew_does_not_tell_what_became_of_a_write(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    lose_all();
    commit_change(CONFIG_ELECT, B);
    commit_change(CONFIG_ADD_LEARNER, A);
    see(A);
    inject((struct replica_message){.type = REPLICA_BASE,
                                    .from = B,
                                    .to = A,
                                    .config_index = fixture.entry_count,
                                    .term = 2,
                                    .position = {2, 5},
                                    .commit = 5});
    assert_int_equal(fixture.nodes[A].replica->log.base.sequence, 5);
    lose_all();
    fixture.is_quiet = false;
    fixture.now_ms += 2000;
    tick(A);
    lose_all();
    expect("  A reply 1 IN DOUBT\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_answered_when_all_in_sync_have_it),
        TEST(an_answer_waits_for_min_insync),
        TEST(a_backup_applies_what_is_committed),
        TEST(a_new_primary_opens_after_its_promise_with_a_record_of_its_term),
        TEST(who_learns_of_a_term_late_asks_for_its_records),
        TEST(a_term_begins_with_a_committed_record),
        TEST(what_was_not_compared_is_not_committed),
        TEST(a_late_acknowledgement_does_not_count),
        TEST(an_older_term_is_told_so),
        TEST(a_deposed_primary_answers_what_became_of_its_writes),
        TEST(a_write_cut_by_a_primary_that_never_opened_may_still_be_kept),
        TEST(a_log_that_begins_anew_does_not_tell_what_became_of_a_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
