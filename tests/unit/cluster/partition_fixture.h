/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of one partition at three members share, beside its world: a world of its own for
 * each test (TEST), and how the primary changes from A to B. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_PARTITION_FIXTURE_H
#define LARDER_TESTS_UNIT_CLUSTER_PARTITION_FIXTURE_H

#include "unit/cluster/partition_world.h"

static const struct lock_request PATIENT = {.hold_ms = 500, .wait_ms = 2000};

static inline int begin(void **state) {
    (void)state;
    world_begin(&(struct partition_options){.digest_every_us = -1});
    return 0;
}

static inline int end(void **state) {
    (void)state;
    world_end();
    return 0;
}

static inline void expect(const char *text) {
    golden_expect(&world.golden, text);
}

static inline void forget(void) {
    world.golden.size = 0;
    world.golden.text[0] = 0;
}

/* B is elected and waits for what it promised to A. */
static inline void elect_b(void) {
    world.is_quiet = true;
    world_promise(B, A, world.now_ms);
    world_change(CONFIG_ELECT, B);
    world_see(B);
    world_see(C);
    world_deliver("A");
    world_hear_coordinator(B);
    world_tick(B);
    world_deliver("A");
    world.is_quiet = false;
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_ELECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
