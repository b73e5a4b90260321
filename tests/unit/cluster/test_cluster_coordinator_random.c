/* SPDX-License-Identifier: BSD-3-Clause */
/* What a coordinator does about lost partitions and about copies, where processes begin anew with
 * less than they had, logs may lack their end, and copies get stuck. The members are real, their
 * partitions are not: nobody comes into sync by itself.
 *
 * - A lost partition goes on at a process of its last set that has it, and none of those that live
 *   has more: a complete log goes before one that may lack something, then the longer one. Whether
 *   something may be lost is told. While somebody who was in sync is silent, it is awaited.
 * - At no member more copies begin than are allowed, counted where they come from and go to. One
 *   without progress ends in time, and is not tried again at once. */
#include "unit/cluster/member_world.h"

#include "base/random.h"
#include "unit/cluster/seed_range.h"

enum { MEMBERS = 6, VOTERS = 3, PARTITIONS = 6, RESTARTS_US = 12000000 };

static const int64_t SECOND_US = 1000000;

struct watched_copy {
    bool is_there;
    uint64_t incarnation, term;
    int64_t since_us, given_up_us; /* 0: it was not */
};

static struct test {
    struct random random;
    uint64_t seed;
    uint32_t leader;
    int64_t started_us[MEMBERS];
    bool had_data[MEMBERS]; /* any of its processes */
    bool is_lost[PARTITIONS];
    int64_t lost_us[PARTITIONS];
    struct member_set last[PARTITIONS];
    struct watched_copy copies[PARTITIONS][MEMBERS];
    uint64_t restored, lacking, copied, given_up, again;
} test;

static uint64_t draw(uint64_t bound) {
    return random_below(&test.random, bound);
}

static bool chance(unsigned per_cent) {
    return draw(100) < per_cent;
}

static void require(bool is_right, const char *what, uint32_t p) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu, at %.2f s: %s (partition %u)",
                 (unsigned long long)test.seed, (double)world.now_us / 1e6, what, (unsigned)p);
}

/* The first member's, which never fails. */
static const struct configuration *view(void) {
    return member_configuration(world.places[0].member);
}

static int64_t age_us(uint32_t at) {
    return world.now_us - test.started_us[at];
}

/* ---- lost partitions ---- */

static bool has_more(const struct world_place *a, const struct world_place *b) {
    return a->may_lack != b->may_lack ? b->may_lack : a->sequence > b->sequence;
}

static void check_restored(const struct partition_config *config, uint32_t p) {
    uint32_t chosen = config->in_sync.members[0] - 1;
    const struct world_place *place = &world.places[chosen];
    test.restored++;
    require(member_set_has(&test.last[p], chosen + 1), "restored by one that was not in sync", p);
    if (age_us(chosen) < 3 * SECOND_US)
        return; /* it may have been chosen for what the process before it had */
    require(place->has_data, "restored by a process that has nothing", p);
    test.lacking += place->may_lack;
    require((config->loss_term == config->term) == place->may_lack,
            "whether something may be lost is not told", p);
    require(!place->may_lack || config->loss_after == place->sequence + p % 2,
            "what is left is told wrongly", p);
    for (uint8_t i = 0; i < test.last[p].count; i++) {
        uint32_t at = test.last[p].members[i] - 1;
        const struct world_place *other = &world.places[at];
        require(!other->has_data || age_us(at) < 5 * SECOND_US || !has_more(other, place),
                "restored by one that has less than another", p);
        require(test.had_data[at] ||
                    world.now_us - test.lost_us[p] >= world.options.recovery_wait_us - SECOND_US,
                "somebody who was in sync was not awaited", p);
    }
}

static void watch_loss(const struct partition_config *config, uint32_t p) {
    bool is_lost = config->state == PARTITION_LOST;
    if (is_lost && !test.is_lost[p]) {
        test.lost_us[p] = world.now_us;
        test.last[p] = config->last;
    }
    if (!is_lost && test.is_lost[p])
        check_restored(config, p);
    test.is_lost[p] = is_lost;
}

/* ---- copies ---- */

static uint32_t copies_at(uint32_t number) {
    uint32_t count = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct partition_config *config = &view()->partitions[p];
        count += config->primary == number ? config->learners.count : 0;
        count += member_set_has(&config->learners, number);
    }
    return count;
}

static void begin_copy(const struct partition_config *config, uint32_t p, uint32_t at,
                       uint64_t incarnation) {
    struct watched_copy *copy = &test.copies[p][at];
    test.copied++;
    bool is_again = copy->given_up_us != 0 && copy->incarnation == incarnation;
    test.again += is_again;
    require(!is_again || world.now_us - copy->given_up_us >=
                             world.options.copy_timeout_us / 2 - SECOND_US / 4,
            "a copy that was given up is tried again at once", p);
    require(copies_at(config->primary) <= world.options.moves_max, "too many copies from one", p);
    require(copies_at(at + 1) <= world.options.moves_max, "too many copies to one", p);
    *copy = (struct watched_copy){true, incarnation, config->term, world.now_us, 0};
}

static void watch_copy(const struct partition_config *config, uint32_t p, uint32_t at) {
    struct watched_copy *copy = &test.copies[p][at];
    const struct member *member = configuration_find_member(view(), at + 1);
    uint64_t incarnation = member == NULL ? 0 : member->incarnation;
    bool is_there = member_set_has(&config->learners, at + 1);
    int64_t ran_us = world.now_us - copy->since_us;
    if (is_there && !copy->is_there) {
        begin_copy(config, p, at, incarnation);
    } else if (is_there && (copy->incarnation != incarnation || copy->term != config->term)) {
        *copy = (struct watched_copy){true, incarnation, config->term, world.now_us, 0};
    } else if (is_there) {
        require(ran_us < world.options.copy_timeout_us + 2 * SECOND_US,
                "a copy without progress goes on", p);
    } else if (copy->is_there) {
        copy->is_there = false;
        bool is_given_up = ran_us >= world.options.copy_timeout_us && member != NULL &&
                           member->state != MEMBER_DOWN && config->state != PARTITION_LOST &&
                           copy->incarnation == incarnation && copy->term == config->term;
        copy->given_up_us = is_given_up ? world.now_us : 0;
        test.given_up += is_given_up;
    }
}

static void begin_times(void) {
    for (uint32_t p = 0; p < PARTITIONS; p++)
        for (uint32_t at = 0; at < MEMBERS; at++)
            test.copies[p][at].since_us = world.now_us;
}

static void make_progress(void) {
    world.left--;
    begin_times();
}

/* A new one counts from when it begins. */
static void watch_coordinator(void) {
    uint32_t leader = MEMBERS;
    for (uint32_t at = 0; at < MEMBERS; at++)
        if (member_is_coordinator(world.places[at].member))
            leader = at;
    if (leader == test.leader)
        return;
    test.leader = leader;
    begin_times();
    for (uint32_t p = 0; p < PARTITIONS; p++)
        for (uint32_t at = 0; at < MEMBERS; at++)
            test.copies[p][at].given_up_us = 0;
}

/* ---- a run ---- */

static void start(uint32_t at) {
    world_start(at);
    test.started_us[at] = world.now_us;
    test.had_data[at] |= world.places[at].has_data;
}

/* The next process has no more than this one. */
static void restart(uint32_t at) {
    struct world_place *place = &world.places[at];
    world_stop(at);
    place->has_data &= chance(60);
    place->may_lack |= chance(40);
    place->sequence = draw(place->sequence + 1);
    start(at);
}

static void draw_partition(uint32_t p) {
    struct partition_config *config = &world.configuration->partitions[p];
    if (chance(30)) { /* only its primary is in sync */
        config->in_sync = (struct member_set){.count = 1, .members = {config->primary}};
        config->state = PARTITION_DEGRADED;
        return;
    }
    config->last = config->in_sync;
    config->in_sync = (struct member_set){0};
    config->primary = CLUSTER_NOBODY;
    config->state = PARTITION_LOST;
    config->lost_index = 5;
    test.is_lost[p] = true;
    test.lost_us[p] = world.now_us;
    test.last[p] = config->last;
}

static void begin(uint64_t seed) {
    memset(&test, 0, offsetof(struct test, restored));
    test.seed = seed;
    test.random = random_seeded(seed);
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 2 + (uint32_t)draw(3);
    settings.loss_policy = LOSS_HOLD;
    settings.voter_count = VOTERS;
    world_found(MEMBERS, PARTITIONS, &settings);
    world.options.recovery_wait_us = (3 + (int64_t)draw(7)) * SECOND_US;
    world.options.copy_timeout_us = (3 + (int64_t)draw(3)) * SECOND_US;
    world.options.moves_max = 1 + (uint32_t)draw(3);
    world.left = 1000;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        draw_partition(p);
    for (uint32_t at = 0; at < MEMBERS; at++) {
        world.places[at].has_data = chance(80);
        world.places[at].may_lack = chance(50);
        world.places[at].sequence = draw(6);
        start(at);
    }
}

static void tick(void) {
    world_run(10);
    watch_coordinator();
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct partition_config *config = &view()->partitions[p];
        watch_loss(config, p);
        for (uint32_t at = 0; at < MEMBERS; at++)
            watch_copy(config, p, at);
    }
}

static bool has_source(uint32_t p) {
    for (uint8_t i = 0; i < test.last[p].count; i++)
        if (world.places[test.last[p].members[i] - 1].has_data)
            return true;
    return false;
}

static void run(uint64_t seed) {
    begin(seed);
    bool are_copies_alive = chance(30);
    unsigned restarts = (unsigned)draw(3);
    int64_t end_us = world.now_us + RESTARTS_US;
    while (world.now_us < end_us) {
        tick();
        if (restarts > 0 && chance(1) && chance(30))
            restart(VOTERS + (uint32_t)draw(MEMBERS - VOTERS));
        if (are_copies_alive && chance(1))
            make_progress();
    }
    end_us = world.now_us + world.options.recovery_wait_us + 8 * SECOND_US;
    while (world.now_us < end_us)
        tick();
    for (uint32_t p = 0; p < PARTITIONS; p++)
        require(!test.is_lost[p] || !has_source(p), "it stays lost though somebody has it", p);
    (void)world_end(NULL);
}

static void lost_partitions_and_copies_are_cared_for(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(30);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    print_message("%llu restored, %llu of them may lack something; %llu copies, %llu given up, "
                  "%llu tried again\n",
                  (unsigned long long)test.restored, (unsigned long long)test.lacking,
                  (unsigned long long)test.copied, (unsigned long long)test.given_up,
                  (unsigned long long)test.again);
    if (seeds.count < 20)
        return;
    assert_true(test.restored > 2 * seeds.count && test.lacking > seeds.count / 4);
    assert_true(test.given_up > seeds.count && test.again > seeds.count / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_partitions_and_copies_are_cared_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
