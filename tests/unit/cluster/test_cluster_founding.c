/* SPDX-License-Identifier: BSD-3-Clause */
/* Golden traces of founding: what nodes say to each other (but for DISCOVER and its answer, which
 * all say all the time), what they become and how it ends. A letter is printed when it is sent. */
#include "unit/cluster/founding_world.h"

static struct world world;

static struct world *begin(uint32_t nodes, uint32_t seeds, bool is_durable) {
    world_init(&world, nodes, seeds, is_durable, 1);
    return &world;
}

static void start_all(struct world *w) {
    bool is_quiet = w->is_quiet;
    w->is_quiet = true;
    for (uint32_t i = 0; i < w->node_count; i++)
        world_start(w, i);
    w->is_quiet = is_quiet;
}

static void end(struct world *w, const char *expected) {
    golden_expect(&w->golden, expected);
    assert_false(w->has_twins);
    world_finish(w);
}

static void test_three_nodes_in_memory_found_a_cluster(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run(w, 1000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n");
}

/* BOOTED is said when the mark is durable; three of five voters are enough to start. */
static void test_five_nodes_with_disks_found_a_cluster(void **state) {
    (void)state;
    struct world *w = begin(5, 5, true);
    w->settings.voter_count = 5;
    start_all(w);
    world_run(w, 1000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "  A>D PROPOSE\n"
           "  A>E PROPOSE\n"
           "E is ACCEPTED\n"
           "  E>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "D is ACCEPTED\n"
           "  D>A ACCEPT\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "  A>D BOOT\n"
           "  A>E BOOT\n"
           "B is BOOTED\n"
           "E is BOOTED\n"
           "C is BOOTED\n"
           "D is BOOTED\n"
           "  B>A BOOTED\n"
           "  E>A BOOTED\n"
           "  C>A BOOTED\n"
           "  D>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C D E\n"
           "  A>B START\n"
           "  A>C START\n"
           "  A>D START\n"
           "  A>E START\n"
           "E is FORMED\n"
           "  E starts 1: A B C D E\n"
           "C is FORMED\n"
           "  C starts 1: A B C D E\n"
           "B is FORMED\n"
           "  B starts 1: A B C D E\n"
           "D is FORMED\n"
           "  D starts 1: A B C D E\n");
}

/* Three of five seeds are expected: the others join. */
static void test_a_late_starter_joins(void **state) {
    (void)state;
    struct world *w = begin(5, 4, true);
    w->expected = 3;
    w->is_quiet = true;
    for (uint32_t i = 0; i < 3; i++)
        world_start(w, i);
    world_run(w, 1000 * 1000);
    assert_int_equal(w->starts, 3);
    w->is_quiet = false;
    world_start(w, 3);
    world_start(w, 4);
    world_run(w, 1000 * 1000);
    end(w, "D begins as OPEN\n"
           "E begins as OPEN\n"
           "  B>E FORMED\n"
           "  A>D FORMED\n"
           "  B>D FORMED\n"
           "  A>E FORMED\n"
           "  C>E FORMED\n"
           "  C>D FORMED\n"
           "D is JOINING\n"
           "  D joins 1\n"
           "E is JOINING\n"
           "  E joins 1\n"
           "D is FORMED\n"
           "E is FORMED\n");
}

/* Two pairs that see each other, one of five seeds is not there yet: neither pair is enough; when
 * all see all there is one cluster. */
static void test_twins_in_a_split_found_one_cluster(void **state) {
    (void)state;
    struct world *w = begin(5, 5, true);
    w->expected = 3;
    start_all(w);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t j = 2; j < 5; j++)
            w->is_cut[i][j] = w->is_cut[j][i] = true;
    world_run(w, 3000 * 1000);
    assert_int_equal(w->starts, 3);
    assert_int_equal(founding_state(w->nodes[0].founding), FOUNDING_OPEN);
    memset(w->is_cut, 0, sizeof(w->is_cut));
    world_run(w, 3000 * 1000);
    end(w, "C is PROPOSING\n"
           "  C>D PROPOSE\n"
           "  C>E PROPOSE\n"
           "D is ACCEPTED\n"
           "  D>C ACCEPT\n"
           "E is ACCEPTED\n"
           "  E>C ACCEPT\n"
           "C is BOOTED\n"
           "  C>D BOOT\n"
           "  C>E BOOT\n"
           "E is BOOTED\n"
           "D is BOOTED\n"
           "  E>C BOOTED\n"
           "  D>C BOOTED\n"
           "C is FORMED\n"
           "  C starts 1: C D E\n"
           "  C>D START\n"
           "  C>E START\n"
           "E is FORMED\n"
           "  E starts 1: C D E\n"
           "D is FORMED\n"
           "  D starts 1: C D E\n"
           "  C>B FORMED\n"
           "  C>A FORMED\n"
           "  E>A FORMED\n"
           "  E>B FORMED\n"
           "  D>A FORMED\n"
           "  D>B FORMED\n"
           "B is JOINING\n"
           "  B joins 1\n"
           "A is JOINING\n"
           "  A joins 1\n"
           "B is FORMED\n"
           "A is FORMED\n");
}

static void test_in_memory_no_split_founds_anything(void **state) {
    (void)state;
    struct world *w = begin(5, 5, false);
    start_all(w);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t j = 2; j < 5; j++)
            w->is_cut[i][j] = w->is_cut[j][i] = true;
    world_run(w, 5000 * 1000);
    end(w, "");
}

/* The accept lives with its link: the others release it when the proposer is gone, and refuse that
 * founding for ever. The next process at its address is counted on. */
static void test_a_proposer_dies_when_it_has_proposed(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_PROPOSE);
    world_run(w, 10 * 1000);
    world_crash(w, 0, false);
    world_run(w, 2000 * 1000);
    assert_int_equal(w->starts, 0);
    world_start(w, 0);
    world_run(w, 2000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A dies\n"
           "B is OPEN\n"
           "C is OPEN\n"
           "A begins as OPEN\n"
           "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n");
}

/* All have accepted, it has booted and nobody knows. */
static void test_a_proposer_dies_before_boot_arrives(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_BOOT);
    world_lose(w, 0);
    world_crash(w, 0, false);
    world_run(w, 2000 * 1000);
    assert_int_equal(w->starts, 0);
    world_start(w, 0);
    world_run(w, 2000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "A dies\n"
           "C is OPEN\n"
           "B is OPEN\n"
           "A begins as OPEN\n"
           "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n");
}

/* All have booted: they find out from each other, and start without it. */
static void test_a_proposer_dies_when_all_have_booted(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_IS_BOOTED);
    world_crash(w, 0, false);
    world_run(w, 2000 * 1000);
    world_start(w, 0);
    world_run(w, 2000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "A dies\n"
           "  B>C BOOT\n"
           "  C>B BOOT\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n"
           "  B>C BOOTED\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n"
           "  C>B BOOTED\n"
           "A begins as OPEN\n"
           "  C>A FORMED\n"
           "  B>A FORMED\n"
           "A is JOINING\n"
           "  A joins 1\n"
           "A is FORMED\n");
}

static void test_a_proposer_dies_when_it_has_started(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_START);
    world_lose(w, 0);
    world_crash(w, 0, false);
    world_run(w, 2000 * 1000);
    world_start(w, 0);
    world_run(w, 2000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "A dies\n"
           "  B>C BOOT\n"
           "  C>B BOOT\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n"
           "  C>B BOOTED\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n"
           "  B>C BOOTED\n"
           "A begins as OPEN\n"
           "  C>A FORMED\n"
           "  B>A FORMED\n"
           "A is JOINING\n"
           "  A joins 1\n"
           "A is FORMED\n");
}

/* One that had accepted begins anew with an empty memory: what it accepted is void. */
static void test_a_founder_restarts_with_an_empty_memory(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_BOOT);
    world_crash(w, 2, false);
    world_start(w, 2);
    world_run(w, 3000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "C dies\n"
           "C begins as OPEN\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "  A>C BOOT\n"
           "  B>C BOOT\n"
           "B is OPEN\n"
           "A is OPEN\n"
           "  A>B ABORT\n"
           "  A>C ABORT\n"
           "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "  C>B BOOT\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n"
           "  B>C BOOTED\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n");
}

/* Five seeds on disk, and BOOT has reached B only: two of five are not enough. */
static void boot_one(struct world *w) {
    start_all(w);
    world_run_to(w, FOUNDING_BOOT);
    world_lose(w, 0);
    for (uint32_t i = 2; i < 5; i++)
        w->is_cut[0][i] = w->is_cut[1][i] = true;
    world_run(w, 500 * 1000);
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_BOOTED);
    assert_int_equal(w->starts, 0);
}

/* The mark survives: the founder is booted when it comes back, though as another process. */
static void test_a_booted_founder_restarts_with_its_mark(void **state) {
    (void)state;
    struct world *w = begin(5, 5, true);
    w->is_quiet = true;
    boot_one(w);
    world_crash(w, 1, true);
    world_run(w, 300 * 1000);
    w->is_quiet = false;
    world_start(w, 1);
    golden_expect(&w->golden, "B begins as BOOTED\n");
    w->is_quiet = true;
    memset(w->is_cut, 0, sizeof(w->is_cut));
    world_run(w, 1000 * 1000);
    assert_int_equal(w->starts, 5);
    assert_false(w->has_twins);
    world_finish(w);
}

/* Booted on disk: not even ABORT makes it leave, because others may count on it. */
static void test_who_booted_on_disk_leaves_only_when_nobody_can_start(void **state) {
    (void)state;
    struct world *w = begin(5, 5, true);
    w->is_quiet = true;
    boot_one(w);
    struct founding_message letter = {
        .type = FOUNDING_ABORT, .node = w->nodes[0].id, .incarnation = w->nodes[0].incarnation};
    uint8_t mark[FOUNDING_BYTES_MAX];
    assert_true(founding_mark_encode(w->nodes[1].founding, mark) > 37);
    memcpy(letter.cluster.words, mark + 21, 16);
    struct founding_input input = {.type = FOUNDING_MESSAGE, .message = &letter};
    world_step(w, 1, input);
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_BOOTED);
    letter.type = FOUNDING_REFUSE;
    for (uint32_t i = 2; i < 5; i++) {
        assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_BOOTED);
        letter.node = w->nodes[i].id;
        world_step(w, 1, input);
    }
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_OPEN);
    world_finish(w);
}

/* C hears A, A does not hear C: nobody sees enough until the cut is mended. */
static void test_a_one_way_cut_delays_founding(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    w->is_quiet = true;
    world_dial(w);
    w->is_cut[2][0] = true;
    world_run(w, 3000 * 1000);
    assert_int_equal(w->starts, 0);
    w->is_quiet = false;
    memset(w->is_cut, 0, sizeof(w->is_cut));
    world_run(w, 1000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n");
}

/* The cut falls between accept and boot: the proposer asks until it hears that it was refused. */
static void test_a_cut_in_the_middle_is_repaired(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_BOOT);
    world_lose(w, 0);
    w->is_cut[0][2] = true;
    world_break(w, 0, 2);
    world_run(w, 1000 * 1000);
    assert_int_equal(w->starts, 0);
    memset(w->is_cut, 0, sizeof(w->is_cut));
    world_run(w, 2000 * 1000);
    end(w, "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "C is OPEN\n"
           "  A>B BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "  B>C BOOT\n"
           "  C>B REFUSE\n"
           "B is OPEN\n"
           "  A>C BOOT\n"
           "  C>A REFUSE\n"
           "A is OPEN\n"
           "  A>B ABORT\n"
           "  A>C ABORT\n"
           "A is PROPOSING\n"
           "  A>B PROPOSE\n"
           "  A>C PROPOSE\n"
           "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "C is ACCEPTED\n"
           "  C>A ACCEPT\n"
           "A is BOOTED\n"
           "  A>B BOOT\n"
           "  A>C BOOT\n"
           "B is BOOTED\n"
           "  B>A BOOTED\n"
           "C is BOOTED\n"
           "  C>A BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A B C\n"
           "  A>B START\n"
           "  A>C START\n"
           "C is FORMED\n"
           "  C starts 1: A B C\n"
           "B is FORMED\n"
           "  B starts 1: A B C\n");
}

/* One founder, named by its operator; its mark is durable before anybody can hear of a cluster. */
static void test_a_named_founder_founds_alone_and_once(void **state) {
    (void)state;
    struct world *w = begin(3, 3, true);
    w->modes[0] = FOUNDING_BY_SELF;
    w->modes[1] = w->modes[2] = FOUNDING_BY_OTHERS;
    w->is_quiet = true;
    world_start(w, 1);
    world_start(w, 2);
    world_run(w, 1000 * 1000);
    w->is_quiet = false;
    world_start(w, 0);
    world_run(w, 1000 * 1000);
    world_crash(w, 0, true);
    world_run(w, 1000 * 1000);
    world_start(w, 0);
    world_run(w, 1000 * 1000);
    end(w, "A begins as OPEN\n"
           "A is BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A\n"
           "  A>B FORMED\n"
           "  A>C FORMED\n"
           "C is JOINING\n"
           "  C joins 1\n"
           "B is JOINING\n"
           "  B joins 1\n"
           "C is FORMED\n"
           "B is FORMED\n"
           "A dies\n"
           "A begins as FORMED\n");
}

/* It had accepted, and was restarted before BOOT came: the others start without it, and it starts
 * with their plan, to be a voter that knows the others. */
static void test_who_was_restarted_starts_late_with_the_plan(void **state) {
    (void)state;
    struct world *w = begin(5, 5, true);
    w->is_quiet = true;
    start_all(w);
    world_run_to(w, FOUNDING_BOOT);
    world_crash(w, 4, true);
    world_run(w, 1000 * 1000);
    assert_int_equal(w->starts, 4);
    world_start(w, 4);
    w->is_quiet = false;
    world_run(w, 1000 * 1000);
    end(w, "  B>E START\n"
           "  D>E START\n"
           "  C>E START\n"
           "  A>E START\n"
           "E is FORMED\n"
           "  E starts 1: A B C D E\n");
}

/* An answer to what it asked in an earlier round may come from somebody who is gone. */
static void test_an_older_answer_starts_nothing(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    w->is_quiet = true;
    start_all(w);
    world_run_to(w, FOUNDING_PROPOSE);
    struct founding_plan plan;
    struct founding_message start;
    const struct world_event *event = &w->events[0];
    while (event->kind != EVENT_LETTER || event->bytes[0] != FOUNDING_PROPOSE || event->to != 1)
        event++;
    assert_int_equal(founding_message_decode(slice_of(event->bytes, event->size), &plan, &start),
                     LARDER_OK);
    start.type = FOUNDING_START;
    struct founding_input input = {.type = FOUNDING_MESSAGE, .link = 0, .message = &start};
    start.target_round = 2;
    world_step(w, 1, input);
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_OPEN);
    start.target_round = 1;
    input.link = 100000; /* nobody was asked there */
    world_step(w, 1, input);
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_OPEN);
    input.link = 0;
    world_step(w, 1, input);
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_FORMED);
    world_finish(w);
}

/* It had booted and died: it goes on with the same cluster. */
static void test_a_named_founder_goes_on_with_its_mark(void **state) {
    (void)state;
    struct world *w = begin(1, 1, true);
    w->modes[0] = FOUNDING_BY_SELF;
    w->delay_us = 100 * 1000;
    world_start(w, 0);
    world_run(w, 50 * 1000);
    world_crash(w, 0, true);
    world_start(w, 0);
    world_run(w, 1000 * 1000);
    end(w, "A begins as OPEN\n"
           "A is BOOTED\n"
           "A dies\n"
           "A begins as BOOTED\n"
           "A is FORMED\n"
           "  A starts 1: A\n");
}

/* Who was told of other seeds is nobody to found with. */
static void test_other_seeds_are_strangers(void **state) {
    (void)state;
    struct world *w = begin(2, 2, false);
    w->is_quiet = true;
    world_start(w, 0);
    w->addresses[1].peer_port++;
    world_start(w, 1);
    world_run(w, 3000 * 1000);
    assert_int_equal(w->starts, 0);
    assert_int_equal(founding_strangers(w->nodes[0].founding), 1);
    world_finish(w);
}

/* While it is locked, a second proposer is refused, however long it takes. */
static void test_an_accept_is_neither_given_twice_nor_released_by_time(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    w->is_quiet = true;
    world_run_to(w, FOUNDING_PROPOSE);
    struct founding_plan plan;
    struct founding_message proposal;
    const struct world_event *event = &w->events[0];
    while (event->kind != EVENT_LETTER || event->bytes[0] != FOUNDING_PROPOSE || event->to != 1)
        event++;
    assert_int_equal(founding_message_decode(slice_of(event->bytes, event->size), &plan, &proposal),
                     LARDER_OK);
    world_run(w, 0);
    struct founding_plan other = plan;
    struct founding_message second = proposal;
    other.cluster.words[1]++;
    second.cluster = other.cluster;
    second.plan = &other;
    second.node = w->nodes[2].id;
    w->is_cut[1][0] = w->is_cut[0][1] = true;
    w->is_quiet = false;
    world_step(
        w, 1,
        (struct founding_input){.type = FOUNDING_MESSAGE, .link = 100000, .message = &proposal});
    for (int i = 0; i < 60; i++) {
        w->now_us += 200 * 1000;
        world_step(w, 1, (struct founding_input){.type = FOUNDING_TICK});
    }
    world_step(w, 1,
               (struct founding_input){.type = FOUNDING_MESSAGE, .link = 2, .message = &second});
    world_step(w, 1, (struct founding_input){.type = FOUNDING_BROKEN, .link = 100000});
    world_step(w, 1,
               (struct founding_input){.type = FOUNDING_MESSAGE, .link = 2, .message = &second});
    world_step(w, 1,
               (struct founding_input){.type = FOUNDING_MESSAGE, .link = 2, .message = &proposal});
    end(w, "B is ACCEPTED\n"
           "  B>A ACCEPT\n"
           "  B>C REFUSE\n"
           "B is OPEN\n"
           "  B>C REFUSE\n"
           "  B>C REFUSE\n");
}

/* C did not hear the proposal: neither A nor B, which accepted, may count on anything yet. */
static void test_nobody_boots_before_all_have_accepted(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    start_all(w);
    world_run_to(w, FOUNDING_PROPOSE);
    world_lose(w, 0);
    w->is_cut[0][2] = true;
    world_run(w, 500 * 1000);
    assert_int_equal(founding_state(w->nodes[0].founding), FOUNDING_PROPOSING);
    assert_int_equal(founding_state(w->nodes[1].founding), FOUNDING_ACCEPTED);
    world_finish(w);
}

/* It had accepted and was restarted, with its directory: BOOT means the process that is gone. */
static void test_a_restarted_founder_does_not_boot_for_its_former_process(void **state) {
    (void)state;
    struct world *w = begin(5, 5, true);
    w->is_quiet = true;
    start_all(w);
    world_run_to(w, FOUNDING_BOOT);
    struct founding_message letter = {.type = FOUNDING_BOOT,
                                      .node = w->nodes[0].id,
                                      .incarnation = w->nodes[0].incarnation,
                                      .cluster = {{1, 2}},
                                      .target = w->nodes[2].id,
                                      .target_incarnation = w->nodes[2].incarnation,
                                      .target_round = 1};
    world_crash(w, 2, true);
    world_start(w, 2);
    world_dial(w);
    w->is_quiet = false;
    world_step(w, 2,
               (struct founding_input){.type = FOUNDING_MESSAGE, .link = 0, .message = &letter});
    end(w, "  C>A REFUSE\n");
}

static void test_bad_options_and_bytes_are_refused(void **state) {
    (void)state;
    struct world *w = begin(3, 3, false);
    struct member self = {.node = {{1, 1}}, .incarnation = 1, .weight = 1};
    struct founding_options good = {.self = &self,
                                    .seeds = w->addresses,
                                    .seed_count = 3,
                                    .partition_count = 1,
                                    .settings = &w->settings};
    struct founding *f = NULL;
    struct slice none = slice_of(NULL, 0);
    for (int i = 0; i < 7; i++) {
        struct founding_options bad = good;
        switch (i) {
        case 0: bad.expected_nodes = 2; break; /* in memory: all */
        case 1:
            bad.expected_nodes = 1;
            bad.is_durable = true;
            break;
        case 2: bad.expected_nodes = 4; break;
        case 3: bad.self_seed = 3; break;
        case 4: bad.mode = FOUNDING_BY_SELF; break;
        case 5: bad.seed_count = FOUNDING_SEEDS_MAX + 1; break;
        case 6: bad.partition_count = 0; break;
        }
        assert_int_equal(founding_create(&bad, none, 0, &ALLOCATOR_SYSTEM, &f), LARDER_INVALID);
    }
    assert_int_equal(founding_create(&good, SLICE_LITERAL("mark"), 0, &ALLOCATOR_SYSTEM, &f),
                     LARDER_CORRUPT);
    struct founding_plan plan;
    struct founding_message message;
    assert_int_equal(founding_message_decode(SLICE_LITERAL("letter"), &plan, &message),
                     LARDER_CORRUPT);
    world_finish(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_nodes_in_memory_found_a_cluster),
        cmocka_unit_test(test_five_nodes_with_disks_found_a_cluster),
        cmocka_unit_test(test_a_late_starter_joins),
        cmocka_unit_test(test_twins_in_a_split_found_one_cluster),
        cmocka_unit_test(test_in_memory_no_split_founds_anything),
        cmocka_unit_test(test_a_proposer_dies_when_it_has_proposed),
        cmocka_unit_test(test_a_proposer_dies_before_boot_arrives),
        cmocka_unit_test(test_a_proposer_dies_when_all_have_booted),
        cmocka_unit_test(test_a_proposer_dies_when_it_has_started),
        cmocka_unit_test(test_a_founder_restarts_with_an_empty_memory),
        cmocka_unit_test(test_a_booted_founder_restarts_with_its_mark),
        cmocka_unit_test(test_who_booted_on_disk_leaves_only_when_nobody_can_start),
        cmocka_unit_test(test_a_one_way_cut_delays_founding),
        cmocka_unit_test(test_a_cut_in_the_middle_is_repaired),
        cmocka_unit_test(test_a_named_founder_founds_alone_and_once),
        cmocka_unit_test(test_a_named_founder_goes_on_with_its_mark),
        cmocka_unit_test(test_who_was_restarted_starts_late_with_the_plan),
        cmocka_unit_test(test_an_older_answer_starts_nothing),
        cmocka_unit_test(test_other_seeds_are_strangers),
        cmocka_unit_test(test_an_accept_is_neither_given_twice_nor_released_by_time),
        cmocka_unit_test(test_nobody_boots_before_all_have_accepted),
        cmocka_unit_test(test_a_restarted_founder_does_not_boot_for_its_former_process),
        cmocka_unit_test(test_bad_options_and_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
