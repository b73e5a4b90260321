/* SPDX-License-Identifier: BSD-3-Clause */
/* Placement within bounds, from 1 to 1,000 members: balance, spread, moves after a change, ranges,
 * the size of the table and the time it takes. With PLACEMENT_FIGURES set it prints them as a
 * table. */
#include "cluster/placement.h"

#include "support/test_allocator.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>
#include <time.h>

static struct member make_member(uint32_t number, uint32_t zones, uint32_t weight) {
    struct member m = {.node = {{number, 9}}, .incarnation = 1, .weight = weight};
    (void)snprintf(m.zone, sizeof(m.zone), "zone-%u", number % zones);
    /* Two members on a machine, where there are many. */
    (void)snprintf(m.host, sizeof(m.host), "machine-%u", zones > 3 ? number / 2 : number);
    return m;
}

static struct configuration *make(uint32_t members, uint32_t partitions, uint32_t replicas,
                                  uint32_t zones, bool has_weights) {
    static struct member founders[CLUSTER_MEMBERS_MAX];
    struct configuration *c = NULL;
    assert_int_equal(configuration_create((struct raft_id){{1, 2}}, 1, partitions,
                                          CLUSTER_MEMBERS_MAX, &ALLOCATOR_SYSTEM, &c),
                     LARDER_OK);
    for (uint32_t i = 0; i < members; i++)
        founders[i] = make_member(i + 1, zones, has_weights ? 1 + i % 3 : 1);
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = replicas;
    assert_int_equal(configuration_found(c, founders, members, &settings), LARDER_OK);
    return c;
}

static void apply(struct configuration *c, const struct config_entry *entry) {
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    enum config_outcome outcome;
    assert_int_equal(configuration_apply(c, c->index + 1,
                                         slice_of(bytes, config_entry_encode(entry, bytes)),
                                         &outcome),
                     LARDER_OK);
    assert_int_equal(outcome, CONFIG_APPLIED);
}

/* What a newcomer of weight 1 should get. */
static uint32_t fair_share(const struct configuration *c) {
    uint32_t weights = 1;
    for (uint32_t i = 0; i < c->member_count; i++)
        weights += c->members[i].weight;
    return c->partition_count * c->settings.replica_count / weights;
}

static struct placement *place(struct configuration *c, struct placement_figures *figures) {
    struct placement *pl = NULL;
    assert_int_equal(placement_create(c, &ALLOCATOR_SYSTEM, &pl), LARDER_OK);
    assert_int_equal(placement_measure(c, pl, figures), LARDER_OK);
    for (uint32_t p = 0; p < c->partition_count; p++)
        assert_true(member_set_has(&pl->targets[p], pl->primaries[p]));
    return pl;
}

static double seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

struct size_case {
    uint32_t members, partitions, replicas, zones;
    bool has_weights;
};

static void loads_are_fair_and_changes_move_little(void **state) {
    (void)state;
    static const struct size_case CASES[] = {
        {3, 271, 2, 3, false},      {5, 271, 2, 3, false},       {10, 271, 3, 5, false},
        {10, 271, 3, 5, true},      {100, 4096, 3, 4, false},    {300, 16384, 3, 6, true},
        {1000, 16384, 2, 4, false}, {1000, 16384, 3, 10, false},
    };
    bool is_shown = getenv("PLACEMENT_FIGURES") != NULL;
    if (is_shown)
        printf("| members | partitions | replicas | most over share, replicas | primaries | ranges "
               "| moved by a join (ideal) | moved by a loss (ideal) | table bytes | ms |\n");
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct size_case *k = &CASES[i];
        struct placement_figures first, joined, lost;
        double began = seconds();
        struct configuration *c =
            make(k->members, k->partitions, k->replicas, k->zones, k->has_weights);
        struct placement *pl = place(c, &first);
        double took = seconds() - began;
        assert_int_equal(pl->moves, 0);
        assert_true(first.replicas_beyond <= 1 && first.primaries_beyond <= 2);
        assert_int_equal(first.shared_hosts, 0);
        if (k->replicas <= k->zones && !k->has_weights)
            assert_int_equal(first.shared_zones, 0);
        placement_destroy(pl);

        uint32_t ideal = fair_share(c);
        uint32_t new_number = 0, join_moves = 0, loss_moves = 0, held = 0;
        if (k->members < CLUSTER_MEMBERS_MAX) {
            struct config_entry join = {.type = CONFIG_JOIN,
                                        .join = make_member(k->members + 1, k->zones, 1)};
            apply(c, &join);
            new_number = c->last_number;
            pl = place(c, &joined);
            join_moves = pl->moves;
            assert_true(joined.replicas_beyond <= 1);
            placement_destroy(pl);
            struct config_entry down = {.type = CONFIG_DOWN, .member = {new_number, 1}};
            apply(c, &down);
        }
        for (uint32_t p = 0; p < c->partition_count; p++)
            held += member_set_has(&c->partitions[p].in_sync, 1);
        struct config_entry down = {.type = CONFIG_DOWN, .member = {1, 1}};
        apply(c, &down);
        pl = place(c, &lost);
        loss_moves = pl->moves;
        assert_true(k->members - 1 < k->replicas || lost.replicas_beyond <= 1);
        placement_destroy(pl);
        assert_true(join_moves <= ideal + ideal / 5 + k->members / 2 + 2);
        assert_true(loss_moves <= held + held / 2 + k->members / 2);
        if (is_shown)
            printf("| %u%s | %u | %u | %.1f %% | %.1f %% | %u | %u (%u) | %u (%u) | %zu | %.1f |\n",
                   k->members, k->has_weights ? " weighted" : "", k->partitions, k->replicas,
                   100 * first.replica_imbalance, 100 * first.primary_imbalance, first.ranges,
                   join_moves, ideal, loss_moves, held, configuration_encoded_size(c), 1000 * took);
        configuration_destroy(c);
    }
}

static void with_too_few_members_each_holds_everything(void **state) {
    (void)state;
    struct configuration *c = make(2, 8, 3, 1, false);
    for (uint32_t p = 0; p < 8; p++)
        assert_int_equal(c->partitions[p].in_sync.count, 2);
    assert_int_equal(c->partitions[0].state, PARTITION_DEGRADED);
    configuration_destroy(c);
}

static void a_draining_member_gets_nothing(void **state) {
    (void)state;
    struct configuration *c = make(4, 64, 2, 4, false);
    struct config_entry drain = {.type = CONFIG_DRAIN, .drain = {2, 1, DEPARTURE_LEAVE}};
    apply(c, &drain);
    struct placement_figures figures;
    struct placement *pl = place(c, &figures);
    for (uint32_t p = 0; p < 64; p++)
        assert_false(member_set_has(&pl->targets[p], 2));
    placement_destroy(pl);
    configuration_destroy(c);
}

static struct configuration *make_with_losses(void) {
    struct configuration *c = make(60, 600, 3, 4, true);
    for (uint32_t number = 1; number <= 6; number++) {
        struct config_entry down = {.type = CONFIG_DOWN, .member = {number, 1}};
        apply(c, &down);
    }
    return c;
}

static void in_parts_the_same_comes_of_it(void **state) {
    (void)state;
    struct configuration *c = make_with_losses();
    struct placement_figures figures;
    struct placement *whole = place(c, &figures);
    struct placement_plan *plan;
    assert_int_equal(placement_begin(c, &ALLOCATOR_SYSTEM, &plan), LARDER_OK);
    uint32_t parts = 1;
    while (!placement_continue(plan, c, 500))
        parts++;
    assert_true(parts > 100);
    struct placement *pl = placement_end(plan);
    assert_true(pl->moves > 0 && pl->moves == whole->moves);
    assert_memory_equal(pl->targets, whole->targets, 600 * sizeof(*pl->targets));
    assert_memory_equal(pl->primaries, whole->primaries, 600 * sizeof(*pl->primaries));
    placement_destroy(pl);
    placement_destroy(whole);
    configuration_destroy(c);
}

static void what_is_abandoned_or_short_of_memory_gives_all_back(void **state) {
    (void)state;
    struct configuration *c = make_with_losses();
    struct test_allocator limited;
    struct placement_plan *plan;
    enum larder_status status = LARDER_NO_MEMORY;
    test_allocator_init(&limited);
    for (uint64_t i = 1; status == LARDER_NO_MEMORY; i++) {
        test_allocator_fail_in(&limited, i, 0);
        status = placement_begin(c, &limited.base, &plan);
        if (status != LARDER_OK)
            assert_true(limited.heap_blocks == 0 && limited.heap_bytes == 0);
    }
    assert_int_equal(status, LARDER_OK);
    assert_false(placement_continue(plan, c, 500));
    placement_abandon(plan);
    assert_true(limited.heap_blocks == 0 && limited.heap_bytes == 0);
    configuration_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_are_fair_and_changes_move_little),
        cmocka_unit_test(with_too_few_members_each_holds_everything),
        cmocka_unit_test(a_draining_member_gets_nothing),
        cmocka_unit_test(in_parts_the_same_comes_of_it),
        cmocka_unit_test(what_is_abandoned_or_short_of_memory_gives_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
