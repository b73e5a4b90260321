/* SPDX-License-Identifier: BSD-3-Clause */
/* How the in-sync set of a partition grows, and who leaves it: a learner is proposed when it is
 * complete and has what is committed, as far as it said so in the seat it has now; a backup that is
 * silent, or found to differ, is removed; a primary hands off when nothing of it is under way. */
#include "unit/cluster/replica_fixture.h"

/* ---- who is added ---- */

static void a_learner_must_acknowledge_from_before_it_is_added(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    commit_change(CONFIG_ADD_LEARNER, C);
    fixture.is_quiet = false;
    see(A);
    see(C);
    see(B);
    deliver("");
    expect("  A proposes EXPAND C@3\n"
           "  C is learner\n");
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n");
    fixture.now_ms += 600; /* the outcome is unknown: settled by NOP, and C counts until then */
    tick(A);
    tick(A);
    lose_all();
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    assert_int_equal(commit(&fixture.proposed), CONFIG_APPLIED);
    see(A);
    lose_all();
    expect("  A proposes NOP -@3\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n");
    assert_int_equal(fixture.nodes[A].replica->pending.count, 0);
}

static void a_learner_behind_what_is_committed_is_not_proposed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    see(B);
    lose_all();
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    assert_int_equal(fixture.nodes[A].replica->commit, 2);
    struct replica_message ack = {.type = REPLICA_ACK,
                                  .from = C,
                                  .to = A,
                                  .config_index = fixture.entry_count,
                                  .term = 1,
                                  .position = {1, 1},
                                  .durable = 1,
                                  .number = 1};
    inject(ack);
    assert_false(fixture.has_proposed);
    lose_all();
    ack.position.sequence = ack.durable = 2;
    fixture.is_quiet = false;
    inject(ack);
    lose_all();
    expect("  A proposes EXPAND C@3\n");
}

/* C was complete when it sent the first acknowledgement, and was found to differ since. */
static void an_old_acknowledgement_does_not_make_a_replica_complete(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    see(B);
    see(C);
    lose_all();
    struct replica_message ack = {.type = REPLICA_ACK,
                                  .from = C,
                                  .to = A,
                                  .config_index = fixture.entry_count,
                                  .term = 1,
                                  .position = {1, 1},
                                  .durable = 1,
                                  .number = 8,
                                  .is_unsynced = true};
    inject(ack);
    ack.number = 7;
    ack.is_unsynced = false;
    inject(ack);
    assert_false(fixture.has_proposed);
    lose_all();
    ack.number = 9;
    fixture.is_quiet = false;
    inject(ack);
    lose_all();
    expect("  A proposes EXPAND C@3\n");
}

/* It was in sync and complete when it sent that, then left, and came back incomplete. */
static void what_was_said_before_it_had_a_seat_does_not_count(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    lose_all();
    struct replica_message ack = {.type = REPLICA_ACK,
                                  .from = C,
                                  .to = A,
                                  .term = 1,
                                  .position = {1, 1},
                                  .durable = 1,
                                  .number = 7};
    inject(ack);
    assert_false(fixture.has_proposed);
    lose_all();
    ack.config_index = fixture.entry_count;
    fixture.is_quiet = false;
    inject(ack);
    lose_all();
    expect("  A proposes EXPAND C@3\n");
}

/* ---- who leaves ---- */

static void a_silent_backup_is_removed_before_the_answer(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    fixture.is_quiet = true;
    deliver("C");
    fixture.now_ms += 240;
    tick(A);
    deliver("C");
    fixture.is_quiet = false;
    fixture.now_ms += 20;
    tick(A);
    tick(A); /* a proposal changes nothing yet */
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    assert_int_equal(commit(&fixture.proposed), CONFIG_APPLIED);
    see(A);
    deliver("C");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  A proposes SHRINK C@1\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n");
}

/* The log is longer than what may be under way, so the new term begins with a question. */
static void a_backup_that_is_silent_from_the_first_is_removed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    write_and_deliver(A, 1100);
    commit_change(CONFIG_TRANSFER, B);
    see(B);
    see(C);
    deliver("A");
    for (int i = 0; i < 3; i++) {
        fixture.now_ms += 100;
        tick(B);
        deliver("A");
    }
    assert_true(fixture.has_proposed);
    assert_int_equal(fixture.proposed.type, CONFIG_SHRINK);
    assert_int_equal(fixture.proposed.change.member, A);
}

static void a_backup_found_to_differ_is_removed_until_it_was_repaired(void **state) {
    (void)state;
    assert_int_equal(step(B, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    tick(B);
    deliver("");
    expect("  B>A ACK t1 1.1 unsynced\n"
           "  A proposes SHRINK B@1\n");
    commit_change(CONFIG_SHRINK, B);
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    assert_false(fixture.nodes[A].replica->is_unsynced); /* a primary's data is what there is */
}

static void a_hand_off_drains_and_the_next_one_opens_at_once(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_HAND_OFF, .member = B}),
                     LARDER_OK);
    assert_int_equal(write_to(A, 2, "y"), LARDER_BUSY);
    deliver("");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  A is draining\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A proposes TRANSFER B@1\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
    fixture.now_ms += 600;
    tick(A);
    assert_int_equal(fixture.nodes[A].replica->role, REPLICA_DRAINING);
    expect("  A proposes NOP -@1\n");
    commit_change(CONFIG_TRANSFER, B);
    promise(B, A, fixture.now_ms);
    see(A);
    see(B);
    see(C);
    deliver("");
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
    assert_int_equal(fixture.nodes[A].replica->role, REPLICA_BACKUP);
    fixture.golden.size = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_learner_must_acknowledge_from_before_it_is_added),
        TEST(a_learner_behind_what_is_committed_is_not_proposed),
        TEST(an_old_acknowledgement_does_not_make_a_replica_complete),
        TEST(what_was_said_before_it_had_a_seat_does_not_count),
        TEST(a_silent_backup_is_removed_before_the_answer),
        TEST(a_backup_that_is_silent_from_the_first_is_removed),
        TEST(a_backup_found_to_differ_is_removed_until_it_was_repaired),
        TEST(a_hand_off_drains_and_the_next_one_opens_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
