/* SPDX-License-Identifier: BSD-3-Clause */
/* Members whose configurations become different in any way compare them: who has another one than
 * most of the voters stops, nobody else does, and where the voters do not agree all go on. */
#include "unit/cluster/member_world.h"

#include "base/random.h"
#include "unit/cluster/seed_range.h"

enum { MEMBERS_MAX = 6, VOTERS = 3, KINDS = 3, CHECK = 4 };

static struct random chosen;

static void propose_from(uint32_t at) {
    const struct cluster_member *m = world.places[at].member;
    struct config_entry entry = {.type = CONFIG_CEILING,
                                 .ceiling = member_configuration(m)->ceiling + 1};
    member_propose(world.places[at].member, &entry);
    world_run(20);
}

/* What a mistake or a broken memory would do, in one of some ways. */
static void damage(uint32_t at, uint64_t kind) {
    struct configuration *c =
        (struct configuration *)(uintptr_t)member_configuration(world.places[at].member);
    c->partitions[1].reset_ceiling += kind;
}

/* What most of the voters have; KINDS: they do not agree. */
static uint64_t find_right(const uint64_t *kinds) {
    uint32_t counts[KINDS] = {0};
    for (uint32_t i = 0; i < VOTERS; i++)
        counts[kinds[i]]++;
    for (uint64_t kind = 0; kind < KINDS; kind++)
        if (2 * counts[kind] > VOTERS)
            return kind;
    return KINDS;
}

static bool run(uint64_t seed) {
    chosen = random_seeded(seed);
    uint32_t count = VOTERS + (uint32_t)random_below(&chosen, MEMBERS_MAX - VOTERS + 1);
    uint64_t kinds[MEMBERS_MAX];
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.voter_count = VOTERS;
    world_found(count, 3, &settings);
    world.options.entries_per_check = CHECK;
    for (uint32_t i = 0; i < count; i++)
        world_start(i);
    world_run(1000 + (int64_t)random_below(&chosen, 1000));
    for (uint32_t i = 0; i < count; i++) {
        kinds[i] = random_below(&chosen, 100) < 60 ? 0 : random_below(&chosen, KINDS);
        damage(i, kinds[i]);
    }
    for (uint32_t i = 0; i < 4 * CHECK; i++)
        propose_from((uint32_t)random_below(&chosen, count));
    world_run(200);
    uint64_t right = find_right(kinds);
    bool has_any = false;
    for (uint32_t i = 0; i < count; i++) {
        bool is_wrong = right != KINDS && kinds[i] != right;
        has_any |= is_wrong;
        if (member_has_diverged(world.places[i].member) != is_wrong)
            fail_msg("LARDER_TEST_SEED=%llu: member %u, of configuration %u, %s",
                     (unsigned long long)seed, i + 1, (unsigned)kinds[i],
                     is_wrong ? "goes on though most voters have another one"
                              : "stops though most voters do not have another one");
    }
    (void)world_end(NULL);
    return has_any;
}

static void who_differs_from_most_voters_stops(void **state) {
    (void)state;
    unsigned stopped = 0;
    struct seed_range seeds = seed_range(60);
    for (uint64_t i = 0; i < seeds.count; i++)
        stopped += run(seeds.first + i);
    print_message("somebody stops in %u worlds\n", stopped);
    assert_true(seeds.count < 20 || stopped > seeds.count / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_differs_from_most_voters_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
