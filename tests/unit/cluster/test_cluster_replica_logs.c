/* SPDX-License-Identifier: BSD-3-Clause */
/* How a backup's log comes to hold what the primary's does: gaps are refused and filled, what was
 * lost is asked for again, late refusals ask for nothing. A log that is full takes no records, says
 * where it ends, and has room kept for the first record of a term. */
#include "unit/cluster/replica_fixture.h"

/* ---- gaps and refusals ---- */

static void a_gap_is_refused_and_filled(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    lose_all();
    fixture.is_quiet = false;
    assert_int_equal(write_to(A, 2, "y"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.2 +1y commit 1\n"
           "  A>C RECORDS t1 1.2 +1y commit 1\n"
           "  B>A REFUSE t1 1.1\n"
           "  A>B RECORDS t1 1.1 +1x +1y commit 1\n"
           "  B>A ACK t1 1.3\n");
}

/* B refused one message when it had less and another one later; both come twice, in any order. */
static void late_refusals_ask_for_nothing_that_is_under_way(void **state) {
    (void)state;
    fixture.is_quiet = true;
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    lose_all();
    fixture.is_quiet = false;
    for (uint64_t i = 0; i < 6; i++)
        inject((struct replica_message){
            .type = REPLICA_REFUSE, .from = B, .to = A, .term = 1, .position = {1, 2 - i % 2}});
    deliver("C");
    expect("  A>B RECORDS t1 1.2 +1x +1x commit 1\n"
           "  A>B RECORDS t1 1.1 +1x +1x +1x commit 1\n"
           "  B>A REFUSE t1 1.1\n"
           "  B>A ACK t1 1.4\n");
}

static void what_was_said_last_is_asked_for_again(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    for (int i = 0; i < 4; i++)
        deliver_first(); /* records and acknowledgements */
    lose_all();
    assert_int_equal(fixture.nodes[A].replica->commit, 2);
    assert_int_equal(fixture.nodes[B].replica->commit, 1);
    fixture.is_quiet = false;
    fixture.now_ms += 200;
    tick(A);
    deliver("");
    expect("  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
    assert_int_equal(fixture.nodes[B].replica->commit, 2);
    fixture.now_ms += 200;
    tick(A);
    expect("");
}

/* ---- full logs ---- */

/* B's log is full of what is not committed, and was sent again what it had refused. */
static void fill_log_of_b(void) {
    fixture.records_max = 8;
    found(false);
    fixture.is_quiet = true;
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    deliver("CA");
    assert_int_equal(fixture.nodes[B].replica->log.last, 5);
    assert_int_equal(write_to(A, 5, "y"), LARDER_OK);
    lose_all();
    fixture.is_quiet = false;
    assert_int_equal(write_to(A, 6, "z"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.6 +1z commit 1\n"
           "  A>C RECORDS t1 1.6 +1z commit 1\n"
           "  B>A REFUSE t1 1.5\n"
           "  A>B RECORDS t1 1.5 +1y +1z commit 1\n"
           "  B>A ACK t1 1.5\n");
}

static void what_was_refused_is_not_sent_again_at_once(void **state) {
    (void)end(state);
    fill_log_of_b();
    assert_int_equal(write_to(A, 7, "v"), LARDER_OK);
    deliver("C");
    expect("  A>C RECORDS t1 1.7 +1v commit 1\n");
    fixture.now_ms += 110;
    tick(A);
    deliver("C");
    expect("  A>B RECORDS t1 1.5 +1y +1z +1v commit 1\n"
           "  A>C RECORDS t1 1.1 +1x +1x +1x +1x +1y +1z +1v commit 1\n"
           "  B>A ACK t1 1.5\n");
}

static void who_has_no_room_is_told_what_is_committed(void **state) {
    (void)end(state);
    fill_log_of_b();
    assert_int_equal(write_to(A, 7, "v"), LARDER_OK);
    lose_all();
    fixture.golden.size = 0;
    inject((struct replica_message){
        .type = REPLICA_ACK, .from = C, .to = A, .term = 1, .position = {1, 5}, .durable = 5});
    deliver("C");
    expect("  A reply 1 DONE\n"
           "  A reply 2 DONE\n"
           "  A reply 3 DONE\n"
           "  A reply 4 DONE\n"
           "  A>B RECORDS t1 1.5 commit 5\n"
           "  A>C RECORDS t1 1.8 commit 5\n"
           "  B>A ACK t1 1.5\n"
           "  A>B RECORDS t1 1.7 +1v commit 5\n"
           "  B>A REFUSE t1 1.5\n"
           "  A>B RECORDS t1 1.5 +1y +1z +1v commit 5\n"
           "  B>A ACK t1 1.8\n");
}

static void what_finds_no_room_is_not_acknowledged(void **state) {
    (void)end(state);
    fixture.records_max = 8; /* four of them for first records of terms */
    found(false);
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    fixture.is_quiet = true;
    while (fixture.queued > 0)
        if (fixture.queue[0].to == B)
            deliver_first();
        else
            remove_first();
    assert_int_equal(replica_get_record(fixture.nodes[B].replica, 5).term, 1);
    assert_int_equal(fixture.out.message_count, 1);
    assert_int_equal(fixture.out.messages[0].type, REPLICA_ACK);
    assert_int_equal(fixture.out.messages[0].position.sequence, 5);
    fixture.golden.size = 0;
}

/* B's log is full of what is not committed as far as it knows. */
static void the_first_record_of_a_term_finds_room(void **state) {
    (void)end(state);
    fixture.records_max = 8;
    found(false);
    fixture.is_quiet = true;
    for (uint64_t i = 1; i <= 12; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    deliver("AC");
    const struct partition_replica *b = fixture.nodes[B].replica;
    assert_int_equal(b->log.last, 5);
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.now_ms += 300;
    tick(B);
    deliver("A");
    assert_int_equal(b->role, REPLICA_OPEN);
    assert_int_equal(b->commit, 6);
}

/* B's log holds little, B leads in terms 2 and 4, and what it sent to C in term 2 comes in term 4:
 * B takes the refusal for one of what it sends now. */
static void a_refusal_of_an_older_term_says_where_the_log_ends(void **state) {
    (void)end(state);
    fixture.records_max = 8;
    found(false);
    fixture.is_quiet = true;
    write_and_deliver(A, 20);
    const struct partition_replica *b = fixture.nodes[B].replica;
    assert_true(b->log.base.sequence > 0);
    for (uint32_t term = 2; term <= 4; term++) {
        commit_change(CONFIG_TRANSFER, term == 3 ? A : B);
        for (uint32_t n = A; n <= C; n++)
            see(n);
        lose_all();
    }
    inject((struct replica_message){
        .type = REPLICA_RECORDS, .from = B, .to = C, .term = 2, .position = {1, 21}, .commit = 21});
    deliver("");
    fixture.now_ms += 300;
    tick(B);
    deliver("");
    assert_int_equal(b->role, REPLICA_OPEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_gap_is_refused_and_filled),
        TEST(late_refusals_ask_for_nothing_that_is_under_way),
        TEST(what_was_said_last_is_asked_for_again),
        TEST(what_was_refused_is_not_sent_again_at_once),
        TEST(who_has_no_room_is_told_what_is_committed),
        TEST(what_finds_no_room_is_not_acknowledged),
        TEST(the_first_record_of_a_term_finds_room),
        TEST(a_refusal_of_an_older_term_says_where_the_log_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
