/* SPDX-License-Identifier: BSD-3-Clause */
/* Replicas with disks: what is not synced is neither acknowledged nor leaves the log, each in-sync
 * member must have synced a write, and a sync tells of what was written when it began, not of what
 * took its place. A primary whose disk is full has another one elected. */
#include "unit/cluster/replica_fixture.h"

/* ---- what is synced ---- */

static void what_is_not_synced_is_not_acknowledged(void **state) {
    (void)end(state);
    found(true);
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n");
    for (uint32_t n = A; n <= B; n++)
        assert_int_equal(step(n, (struct replica_input){.type = REPLICA_SYNCED,
                                                        .number = fixture.nodes[n].written}),
                         LARDER_OK);
    deliver("C");
    commit_change(CONFIG_SHRINK, C);
    see(A);
    lose_all();
    expect("  B>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n");
}

static void every_in_sync_member_must_have_synced(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    sync_node(A);
    sync_node(B);
    deliver("");
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    sync_node(C);
    fixture.is_quiet = false;
    deliver_first();
    lose_all();
    expect("  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n");
}

static void a_primary_without_a_disk_counts_what_is_durable(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    fixture.nodes[A].replica->options.waits_for_sync = false;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    sync_node(B);
    sync_node(C);
    deliver("");
    assert_int_equal(fixture.nodes[A].replica->commit, 2);
}

static void a_sync_of_what_was_cut_says_nothing_of_what_came_instead(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B");
    uint64_t of_cut = fixture.nodes[C].written;
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A"); /* C has B's first record in the place of x */
    assert_int_equal(replica_get_record(fixture.nodes[C].replica, 2).term, 2);
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_SYNCED, .number = of_cut}),
                     LARDER_OK);
    assert_int_equal(fixture.out.messages[0].durable, 1);
    sync_node(C);
    assert_int_equal(fixture.out.messages[0].durable, 2);
}

static void that_something_is_durable_is_asked_for_again(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    for (uint32_t n = A; n <= C; n++)
        sync_node(n);
    lose_all();
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    fixture.is_quiet = false;
    fixture.now_ms += 200;
    tick(A);
    deliver("");
    expect("  A>B RECORDS t1 1.2 commit 1\n"
           "  A>C RECORDS t1 1.2 commit 1\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
}

/* B is a learner with a slow disk and a small log. */
static void what_is_not_synced_does_not_leave_the_log(void **state) {
    (void)end(state);
    fixture.records_max = 8;
    found(true);
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, B);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, B);
    for (uint32_t n = A; n <= C; n++)
        see(n);
    assert_int_equal(step(B, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
        deliver("");
        sync_node(A);
        sync_node(C);
        deliver("");
    }
    const struct partition_replica *b = fixture.nodes[B].replica;
    assert_int_equal(fixture.nodes[A].replica->commit, 21);
    assert_int_equal(b->log.base.sequence, 0);
    assert_int_equal(b->log.last, 5);
    sync_node(B);
    assert_int_equal(b->synced, 5);
}

static void a_log_that_begins_anew_is_durable_when_it_was_synced(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B");
    uint64_t of_old_log = fixture.nodes[C].written;
    commit_change(CONFIG_SHRINK, C);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(C);
    inject((struct replica_message){.type = REPLICA_BASE,
                                    .from = A,
                                    .to = C,
                                    .config_index = fixture.entry_count,
                                    .term = 1,
                                    .position = {1, 9},
                                    .commit = 9});
    const struct partition_replica *c = fixture.nodes[C].replica;
    assert_int_equal(c->log.base.sequence, 9);
    assert_int_equal(c->synced, 0);
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_SYNCED, .number = of_old_log}),
                     LARDER_OK);
    assert_int_equal(c->synced, 0);
    sync_node(C);
    assert_int_equal(c->synced, 9);
}

/* ---- what is stored ---- */

static bool is_complete_to_a(uint32_t n) {
    const struct partition_replica *r = fixture.nodes[A].replica;
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].member == n)
            return !r->peers[i].is_unsynced;
    return false;
}

static void a_copy_counts_when_it_is_durable(void **state) {
    static const uint64_t STORED[] = {0, 1};
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    tick(C);
    deliver("");
    assert_false(is_complete_to_a(C));
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_COPIED, .sequence = 1}),
                     LARDER_OK);
    tick(C);
    deliver("");
    assert_false(is_complete_to_a(C));
    for (size_t i = 0; i < 2; i++) { /* the first is of before */
        assert_int_equal(
            step(C, (struct replica_input){.type = REPLICA_STORED, .sequence = STORED[i]}),
            LARDER_OK);
        tick(C);
        deliver("");
        assert_int_equal(is_complete_to_a(C), i == 1);
    }
}

/* ---- a full disk ---- */

static void a_primary_without_room_has_another_one_elected(void **state) {
    (void)end(state);
    found(true);
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_FULL, .is_full = true}),
                     LARDER_OK);
    expect("  A proposes ELECT B@1\n");
}

/* Else C could be elected, should A be gone before B leads. */
static void a_primary_without_room_first_lets_go_who_is_not_complete(void **state) {
    (void)end(state);
    found(true);
    for (uint32_t i = 0; i < fixture.nodes[A].replica->peer_count; i++)
        fixture.nodes[A].replica->peers[i].is_unsynced |=
            fixture.nodes[A].replica->peers[i].member == C;
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_FULL, .is_full = true}),
                     LARDER_OK);
    expect("  A proposes SHRINK C@1\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_synced_is_not_acknowledged),
        TEST(every_in_sync_member_must_have_synced),
        TEST(a_primary_without_a_disk_counts_what_is_durable),
        TEST(a_sync_of_what_was_cut_says_nothing_of_what_came_instead),
        TEST(that_something_is_durable_is_asked_for_again),
        TEST(what_is_not_synced_does_not_leave_the_log),
        TEST(a_log_that_begins_anew_is_durable_when_it_was_synced),
        TEST(a_copy_counts_when_it_is_durable),
        TEST(a_primary_without_room_has_another_one_elected),
        TEST(a_primary_without_room_first_lets_go_who_is_not_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
