/* SPDX-License-Identifier: BSD-3-Clause */
/* What a coordinator does about lost partitions and about copies, and how there comes to be one. */
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

static void expect_led_by(uint32_t member) {
    const struct configuration *c = world_view_of_coordinator();
    for (uint32_t p = 0; p < c->partition_count; p++)
        assert_int_equal(c->partitions[p].in_sync.members[0], member);
}

/* None of the processes had waited for syncs. */
static void a_log_that_may_lack_something_is_restored_and_that_is_told(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(4, 10, &settings);
    lose_all();
    uint64_t ceiling = world.configuration->ceiling;
    for (uint32_t i = 0; i < 4; i++) {
        world.places[i].has_data = world.places[i].may_lack = true;
        world.places[i].sequence = i == 2 ? 9 : i;
        world_start(i);
    }
    world_run(3000);
    assert_int_equal(count_lost(), 0);
    expect_led_by(3);
    const struct configuration *c = world_view_of_coordinator();
    for (uint32_t p = 0; p < c->partition_count; p++) {
        assert_int_equal(c->partitions[p].loss_term, 2);
        assert_int_equal(c->partitions[p].loss_after, 9 + p % 2);
        assert_true(c->partitions[p].reset_ceiling >= ceiling);
        assert_true(c->partitions[p].reset_ceiling < c->ceiling);
        assert_int_equal(c->partitions[p].reset_term, 0);
    }
}

/* Behind its end there was nothing that anybody acknowledged. */
static void a_log_that_has_all_goes_before_a_longer_one(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(4, 10, &settings);
    lose_all();
    for (uint32_t i = 0; i < 4; i++) {
        world.places[i].has_data = true;
        world.places[i].may_lack = i != 1;
        world.places[i].sequence = i == 2 ? 9 : 3;
        world_start(i);
    }
    world_run(3000);
    assert_int_equal(count_lost(), 0);
    expect_led_by(2);
    const struct configuration *c = world_view_of_coordinator();
    for (uint32_t p = 0; p < c->partition_count; p++)
        assert_int_equal(c->partitions[p].loss_term, 0);
}

/* The rest of the last set may have more: it is awaited for as long as for any. */
static void those_who_may_have_more_are_awaited(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(4, 10, &settings);
    lose_all();
    world.options.recovery_wait_us = 6000000;
    for (uint32_t i = 0; i < 4; i++) {
        world.places[i].has_data = i < 3;
        world.places[i].may_lack = true;
        world_start(i);
    }
    world_run(5000);
    assert_int_equal(count_lost(), 10);
    world_run(9000);
    assert_int_equal(count_lost(), 0);
    assert_int_equal(world_view_of_coordinator()->partitions[0].loss_term, 2);
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

/* Of all partitions from the first one on, as many as `count` have only their primary in sync. */
static void leave_primaries(uint32_t count) {
    for (uint32_t p = 0; p < count; p++) {
        struct partition_config *config = &world.configuration->partitions[p];
        config->in_sync = (struct member_set){.count = 1, .members = {config->primary}};
        config->state = PARTITION_DEGRADED;
    }
}

static void start_all(uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        world_start(i);
}

static const struct configuration *view(void) {
    return member_configuration(world.places[0].member);
}

/* What becomes of the only learner there is, in tenths of a second since it was first seen. */
static void watch_learner(struct golden *golden, int64_t ms) {
    static int64_t first_us;
    bool is_there = false;
    first_us = 0;
    for (int64_t end_us = world.now_us + ms * 1000; world.now_us < end_us;) {
        world_run(10);
        bool was_there = is_there;
        is_there = view()->partitions[0].learners.count > 0;
        first_us = first_us == 0 && is_there ? world.now_us : first_us;
        if (is_there != was_there)
            golden_say(golden, "%.1f %s\n", (double)((world.now_us - first_us) / 100000) / 10,
                       is_there ? "copied to" : "given up");
    }
}

static void a_copy_without_progress_is_given_up_and_tried_again_ever_later(void **state) {
    (void)state;
    struct golden golden = {0};
    const struct cluster_settings settings = settings_of(2);
    world_found(2, 1, &settings);
    leave_primaries(1);
    world.options.copy_timeout_us = 4000000;
    world.left = 77;
    start_all(2);
    watch_learner(&golden, 50000);
    golden_expect(&golden, "0.0 copied to\n"
                           "4.1 given up\n"
                           "6.1 copied to\n"
                           "10.2 given up\n"
                           "14.2 copied to\n"
                           "18.3 given up\n"
                           "26.3 copied to\n"
                           "30.4 given up\n"
                           "38.4 copied to\n"
                           "42.5 given up\n");
}

static void a_copy_has_time_while_less_is_left_than_ever(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(2);
    world_found(2, 1, &settings);
    leave_primaries(1);
    world.options.copy_timeout_us = 4000000;
    world.left = 100;
    start_all(2);
    for (uint32_t i = 0; i < 10; i++) {
        world_run(3000);
        assert_int_equal(view()->partitions[0].learners.count, 1);
        world.left--;
    }
    world_run(3900);
    assert_int_equal(view()->partitions[0].learners.count, 1);
    world_run(300);
    assert_int_equal(view()->partitions[0].learners.count, 0);
}

/* Who sends itself no heartbeats knows all the same how far it is. */
static void the_coordinators_own_copy_has_time_too(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(2);
    world_found(2, 1, &settings);
    world.configuration->partitions[0].primary = 2;
    leave_primaries(1);
    world.options.copy_timeout_us = 4000000;
    world.left = 100;
    start_all(2);
    for (uint32_t i = 0; i < 10; i++) {
        world_run(3000);
        assert_int_equal(world_coordinator(), 0);
        assert_true(member_set_has(&view()->partitions[0].learners, 1));
        world.left--;
    }
    world_run(4300);
    assert_int_equal(view()->partitions[0].learners.count, 0);
}

/* One source of everything: two copies at a time go out, although three could come in. */
static void copies_are_limited_where_they_come_from_too(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(4);
    world_found(4, 6, &settings);
    for (uint32_t p = 0; p < 6; p++)
        world.configuration->partitions[p].primary = 1;
    leave_primaries(6);
    start_all(4);
    for (uint32_t i = 0; i < 300; i++) {
        world_run(10);
        uint32_t copies = 0;
        for (uint32_t p = 0; p < 6; p++)
            copies += view()->partitions[p].learners.count;
        assert_true(copies <= 2 && (copies == 2 || i < 200));
    }
}

/* Whose last replica is in danger comes before who lacks one of three. */
static void the_barest_partitions_are_copied_first(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(3);
    world_found(3, 3, &settings);
    leave_primaries(3);
    for (uint32_t p = 0; p < 2; p++) {
        struct partition_config *config = &world.configuration->partitions[p];
        member_set_add(&config->in_sync, config->primary == 1 ? 2 : 1);
    }
    world.options.moves_max = 1;
    start_all(3);
    world_run(2000);
    const struct configuration *c = view();
    assert_int_equal(c->partitions[2].learners.count, 1);
    assert_int_equal(c->partitions[0].learners.count + c->partitions[1].learners.count, 0);
}

/* Both were let go and came back when nobody led any more; the one that is named is gone. Only one
 * of them was told where the other is. */
static void voters_that_no_configuration_names_elect_a_leader(void **state) {
    (void)state;
    const struct cluster_settings settings = settings_of(2);
    world_found(1, 4, &settings);
    struct raft_configuration core = {0};
    for (uint32_t at = 3; at < 5; at++)
        core.members[core.count++] = (struct raft_member){world_self(at).node, true};
    const struct member_address contacts[] = {world_address(0), world_address(4)};
    world_start_in(3, &core, contacts, 2);
    world_start_in(4, &core, contacts, 1);
    world_run(5000);
    (void)world_coordinator();
    for (uint32_t at = 3; at < 5; at++)
        assert_int_not_equal(member_number(world.places[at].member), CLUSTER_NOBODY);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(after_a_total_restart_every_partition_finds_its_source),
        TEST(of_several_sources_the_longest_log_is_taken),
        TEST(a_log_that_may_lack_something_is_restored_and_that_is_told),
        TEST(a_log_that_has_all_goes_before_a_longer_one),
        TEST(those_who_may_have_more_are_awaited),
        TEST(what_a_process_offered_goes_with_it),
        TEST(a_copy_without_progress_is_given_up_and_tried_again_ever_later),
        TEST(a_copy_has_time_while_less_is_left_than_ever),
        TEST(the_coordinators_own_copy_has_time_too),
        TEST(copies_are_limited_where_they_come_from_too),
        TEST(the_barest_partitions_are_copied_first),
        TEST(voters_that_no_configuration_names_elect_a_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
