/* SPDX-License-Identifier: BSD-3-Clause */
/* What a coordinator does about lost partitions. */
#include "unit/cluster/member_world.h"

static struct cluster_settings settings_of(uint32_t replicas) {
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = replicas;
    settings.loss_policy = LOSS_HOLD;
    return settings;
}

static uint32_t count_lost(void) {
    const struct configuration *c = world_view_of_coordinator();
    uint32_t lost = 0;
    for (uint32_t p = 0; p < c->partition_count; p++)
        lost += c->partitions[p].state == PARTITION_LOST;
    return lost;
}

/* Every process is another one; the last of a partition's members to come back is its source. */
static void after_a_total_restart_every_partition_finds_its_source(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(6, 4096, &settings);
    world.options.calm_us = INT64_MAX / 2;
    for (uint32_t i = 0; i < 6; i++) {
        world.places[i].incarnation = 1;
        world.places[i].has_data = true;
        world_start(i);
    }
    world_run(4000);
    assert_int_equal(count_lost(), 0);
    const struct configuration *c = world_view_of_coordinator();
    for (uint32_t p = 0; p < c->partition_count; p++)
        assert_true(c->partitions[p].term > 1 && c->partitions[p].reset_term == 0);
}

/* All are lost with a last set of four, as an older coordinator may have left them. */
static void lose_all(void) {
    for (uint32_t p = 0; p < world.configuration->partition_count; p++) {
        struct partition_config *config = &world.configuration->partitions[p];
        config->last = config->in_sync;
        config->in_sync = (struct member_set){0};
        config->primary = CLUSTER_NOBODY;
        config->state = PARTITION_LOST;
        config->lost_index = 5;
    }
}

static void of_several_sources_the_longest_log_is_taken(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(4, 300, &settings);
    lose_all();
    for (uint32_t i = 0; i < 4; i++) {
        world.places[i].has_data = true;
        world.places[i].sequence = i == 2 ? 9 : i;
        world_start(i);
    }
    world_run(3000);
    assert_int_equal(count_lost(), 0);
    const struct configuration *c = world_view_of_coordinator();
    for (uint32_t p = 0; p < c->partition_count; p++)
        assert_int_equal(c->partitions[p].in_sync.members[0], 3);
}

/* The longest log was offered, its process went, and the one after it has nothing. */
static void what_a_process_offered_goes_with_it(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(4, 300, &settings);
    lose_all();
    world.options.recovery_wait_us = 20000000;
    for (uint32_t i = 0; i < 3; i++)
        world_start(i);
    world_run(8000);
    assert_int_equal(world_coordinator(), 0);
    for (uint32_t i = 0; i < 3; i++) {
        world.places[i].has_data = true;
        world.places[i].sequence = i == 2 ? 9 : i;
    }
    world_run(1000);
    assert_int_equal(count_lost(), 300);
    world_stop(2);
    world.places[2].has_data = false;
    world_start(2);
    world_run(22000);
    assert_int_equal(count_lost(), 0);
    const struct configuration *c = world_view_of_coordinator();
    for (uint32_t p = 0; p < c->partition_count; p++)
        assert_int_equal(c->partitions[p].in_sync.members[0], 2);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(after_a_total_restart_every_partition_finds_its_source),
        TEST(of_several_sources_the_longest_log_is_taken),
        TEST(what_a_process_offered_goes_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
