/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a process into its cluster: one mark is stored at a time and the newest wins, a
 * founder begins when its disk says so, who joins gives up when nobody answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "cluster/founding_driver.h"
#include "raft/bytes.h"
#include "support/test_allocator.h"

#include <string.h>

enum { SEEDS = 3, FRAMES = 512 };

struct frame {
    uint32_t from, link;
    size_t size;
    uint8_t bytes[4096];
};

struct place {
    uint32_t number;
    struct founding_driver *driver;
    struct founding_driver_host host;
    uint8_t disk[FOUNDING_BYTES_MAX], writing[FOUNDING_BYTES_MAX];
    size_t disk_size, writing_size;
    bool is_writing;
    uint32_t begins, withdrawals;
    struct raft_id cluster;
    uint16_t generation;
    bool has_plan;
    uint32_t contacts;
};

static struct place places[SEEDS + 1];
static struct frame frames[FRAMES];
static size_t frame_count;
static int64_t now_us;
static bool is_durable, has_disk;

static struct member_address address_of(uint32_t number) {
    return (struct member_address){.host = "seed", .peer_port = (uint16_t)(number + 1)};
}

static void host_send(void *context, uint32_t link, struct slice frame) {
    struct place *p = context;
    assert_true(frame_count < FRAMES && frame.size <= sizeof(frames[0].bytes));
    struct frame *f = &frames[frame_count++];
    f->from = p->number;
    f->link = link;
    f->size = frame.size;
    memcpy(f->bytes, frame.data, frame.size);
}

static void host_store(void *context, struct slice mark) {
    struct place *p = context;
    assert_false(p->is_writing);
    p->is_writing = true;
    memcpy(p->writing, mark.data, mark.size);
    p->writing_size = mark.size;
}

static void host_begin(void *context, const struct founding_entry *entry) {
    struct place *p = context;
    p->begins++;
    p->cluster = entry->cluster;
    p->has_plan = entry->plan != NULL;
    p->contacts = entry->contact_count;
    p->generation = entry->generation;
}

static void host_withdraw(void *context) {
    struct place *p = context;
    p->withdrawals++;
}

static enum larder_status create(uint32_t number, uint64_t incarnation,
                                 const struct allocator *allocator) {
    struct place *p = &places[number];
    struct member_address seeds[SEEDS];
    struct member self = {.node = {{1, number + 1}},
                          .incarnation = incarnation,
                          .address = address_of(number),
                          .weight = 1};
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    for (uint32_t i = 0; i < SEEDS; i++)
        seeds[i] = address_of(i);
    const struct founding_options options = {.self = &self,
                                             .seeds = seeds,
                                             .seed_count = SEEDS,
                                             .self_seed =
                                                 number < SEEDS ? number : FOUNDING_NO_SEED,
                                             .is_durable = is_durable,
                                             .has_disk = has_disk,
                                             .generation = 1,
                                             .partition_count = 4,
                                             .settings = &settings,
                                             .seed = number + incarnation * 10};
    p->number = number;
    p->host = (struct founding_driver_host){.context = p,
                                            .send = host_send,
                                            .store = host_store,
                                            .begin = host_begin,
                                            .withdraw = host_withdraw};
    return founding_driver_create(&options, slice_of(p->disk, p->disk_size), &p->host, now_us,
                                  allocator, &p->driver);
}

static void start(uint32_t number, uint64_t incarnation) {
    assert_int_equal(create(number, incarnation, &ALLOCATOR_SYSTEM), LARDER_OK);
    founding_driver_start(places[number].driver, now_us);
}

/* Links from a seed's own numbers: behind the seeds come those that others opened. */
static void deliver(void) {
    for (size_t i = 0; i < frame_count; i++) {
        struct frame f = frames[i];
        bool is_dialled = f.link < SEEDS;
        uint32_t to = is_dialled ? f.link : f.link - SEEDS;
        if (places[to].driver != NULL)
            founding_driver_receive(places[to].driver, is_dialled ? SEEDS + f.from : f.from,
                                    slice_of(f.bytes, f.size), now_us);
    }
    frame_count = 0;
}

static void store(uint32_t number) {
    struct place *p = &places[number];
    if (!p->is_writing || p->driver == NULL)
        return;
    p->is_writing = false;
    memcpy(p->disk, p->writing, p->writing_size);
    p->disk_size = p->writing_size;
    founding_driver_stored(p->driver, now_us);
}

static void store_all(void) {
    for (uint32_t i = 0; i <= SEEDS; i++)
        store(i);
}

static void run(int64_t us, bool stores) {
    for (int64_t end_us = now_us + us; now_us < end_us; now_us += 50000) {
        for (uint32_t i = 0; i <= SEEDS; i++)
            if (places[i].driver != NULL)
                founding_driver_tick(places[i].driver, now_us);
        deliver();
        if (stores)
            store_all();
    }
}

static void stop(uint32_t number) {
    founding_driver_destroy(places[number].driver);
    places[number].driver = NULL;
    places[number].is_writing = false;
    for (uint32_t i = 0; i <= SEEDS; i++) {
        if (places[i].driver == NULL)
            continue;
        if (number < SEEDS)
            founding_driver_broken(places[i].driver, number, now_us);
        founding_driver_broken(places[i].driver, SEEDS + number, now_us);
    }
}

static int begin_test(void **state) {
    (void)state;
    memset(places, 0, sizeof(places));
    frame_count = 0;
    now_us = 1000000;
    is_durable = has_disk = true;
    return 0;
}

static int end_test(void **state) {
    (void)state;
    for (uint32_t i = 0; i <= SEEDS; i++)
        founding_driver_destroy(places[i].driver);
    return 0;
}

static void start_seeds(void) {
    for (uint32_t i = 0; i < SEEDS; i++)
        start(i, 1);
}

static void test_founders_begin_with_one_plan(void **state) {
    (void)state;
    start_seeds();
    run(2000000, true);
    for (uint32_t i = 0; i < SEEDS; i++) {
        assert_int_equal(places[i].begins, 1);
        assert_true(places[i].has_plan);
        assert_int_equal(places[i].contacts, SEEDS);
        assert_true(raft_id_equal(places[i].cluster, places[0].cluster));
    }
}

/* In memory nothing is promised on disk, but a member remembers of which cluster it is. */
static void test_a_founder_begins_when_its_disk_says_so(void **state) {
    (void)state;
    is_durable = false;
    start_seeds();
    run(2000000, false);
    for (uint32_t i = 0; i < SEEDS; i++) {
        assert_int_equal(founding_driver_state(places[i].driver), FOUNDING_FORMED);
        assert_true(places[i].is_writing);
        assert_int_equal(places[i].begins, 0);
    }
    store_all();
    for (uint32_t i = 0; i < SEEDS; i++)
        assert_int_equal(places[i].begins, 1);
}

static void test_without_a_disk_it_begins_at_once(void **state) {
    (void)state;
    is_durable = has_disk = false;
    start_seeds();
    run(2000000, false);
    for (uint32_t i = 0; i < SEEDS; i++) {
        assert_false(places[i].is_writing);
        assert_int_equal(places[i].begins, 1);
    }
}

/* Its disk is slow: the others start, and so does it, before it has stored that it booted. */
static void test_one_mark_is_stored_at_a_time(void **state) {
    (void)state;
    start_seeds();
    run(1000000, false);
    assert_int_equal(founding_driver_state(places[0].driver), FOUNDING_BOOTED);
    store(0);
    run(500000, false);
    assert_int_equal(founding_driver_state(places[1].driver), FOUNDING_BOOTED);
    store(2);
    run(500000, false);
    assert_int_equal(founding_driver_state(places[1].driver), FOUNDING_FORMED);
    assert_true(places[1].is_writing);
    store(1);
    assert_true(places[1].is_writing);
    assert_int_equal(places[1].begins, 0);
    store(1);
    assert_false(places[1].is_writing);
    assert_int_equal(places[1].begins, 1);
}

static void test_a_member_that_is_restarted_begins_at_once(void **state) {
    (void)state;
    start_seeds();
    run(2000000, true);
    struct raft_id cluster = places[0].cluster;
    stop(2);
    start(2, 2);
    assert_int_equal(places[2].begins, 2);
    assert_true(places[2].has_plan && raft_id_equal(places[2].cluster, cluster));
    /* and answers for its cluster */
    start(SEEDS, 1);
    run(1000000, true);
    assert_int_equal(places[SEEDS].begins, 1);
    assert_false(places[SEEDS].has_plan);
    assert_true(raft_id_equal(places[SEEDS].cluster, cluster));
}

static struct configuration *configuration_with(uint32_t number, struct raft_id cluster) {
    struct configuration *c = NULL;
    struct member members[1] = {
        {.node = {{1, number + 1}}, .incarnation = 1, .address = address_of(number), .weight = 1}};
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    assert_int_equal(configuration_create(cluster, 1, 4, 8, &ALLOCATOR_SYSTEM, &c), LARDER_OK);
    assert_int_equal(configuration_found(c, members, 1, &settings), LARDER_OK);
    return c;
}

/* The members are the same; only the generation is another one. */
static void test_a_new_generation_is_in_the_mark(void **state) {
    (void)state;
    struct forced_generation forced;
    start_seeds();
    run(2000000, true);
    assert_int_equal(places[2].generation, 1);
    struct configuration *c = configuration_with(2, places[2].cluster);
    founding_driver_view(places[2].driver, c, true, now_us);
    store(2);
    assert_false(places[2].is_writing);
    assert_true(configuration_force(c, 1, 0, &forced));
    founding_driver_view(places[2].driver, c, true, now_us);
    assert_true(places[2].is_writing);
    store(2);
    stop(2);
    start(2, 2);
    assert_int_equal(places[2].begins, 2);
    assert_int_equal(places[2].generation, 2);
    assert_false(places[2].has_plan); /* it is of the first generation */
    configuration_destroy(c);
}

static void test_who_joins_gives_up_when_no_member_answers(void **state) {
    (void)state;
    start_seeds();
    run(2000000, true);
    start(SEEDS, 1);
    run(2500000, true);
    assert_int_equal(places[SEEDS].begins, 1);
    assert_int_equal(places[SEEDS].withdrawals, 0);
    run(1500000, true);
    assert_int_equal(places[SEEDS].withdrawals, 1);
    assert_int_equal(places[SEEDS].begins, 2);
    /* A member has answered, but the configuration does not name it yet: it goes on. */
    struct configuration *c = configuration_with(0, places[0].cluster);
    founding_driver_view(places[SEEDS].driver, c, false, now_us);
    run(10000000, true);
    assert_int_equal(places[SEEDS].withdrawals, 1);
    assert_int_equal(founding_driver_state(places[SEEDS].driver), FOUNDING_JOINING);
    configuration_destroy(c);
    c = configuration_with(SEEDS, places[0].cluster);
    founding_driver_view(places[SEEDS].driver, c, true, now_us);
    assert_int_equal(founding_driver_state(places[SEEDS].driver), FOUNDING_FORMED);
    configuration_destroy(c);
    store_all();
    stop(SEEDS);
    start(SEEDS, 2);
    assert_int_equal(founding_driver_state(places[SEEDS].driver), FOUNDING_FORMED);
    assert_int_equal(places[SEEDS].begins, 3);
}

static void tell_formed(uint32_t to, struct raft_id cluster, uint16_t generation) {
    uint8_t frame[FOUNDING_FRAME_BYTES_MAX] = {1};
    const struct founding_message message = {.type = FOUNDING_IS_FORMED,
                                             .node = {{2, 1}},
                                             .incarnation = 1,
                                             .seed = FOUNDING_NO_SEED,
                                             .cluster = cluster,
                                             .generation = generation,
                                             .address_count = 1,
                                             .addresses = {address_of(0)}};
    size_t size = 1 + founding_message_encode(&message, frame + 1);
    struct byte_writer crc = {frame + size};
    write_unsigned(&crc, crc32c(slice_of(frame, size)), 4);
    founding_driver_receive(places[to].driver, 0, slice_of(frame, size + 4), now_us);
}

/* A member of the old generation told it first, and showed its configuration; it goes on telling.
 */
static void test_who_joins_follows_a_newer_generation(void **state) {
    (void)state;
    struct forced_generation forced;
    start_seeds();
    run(2000000, true);
    start(SEEDS, 1);
    run(500000, true);
    struct configuration *c = configuration_with(1, places[0].cluster);
    founding_driver_view(places[SEEDS].driver, c, false, now_us);
    run(5000000, true);
    assert_int_equal(places[SEEDS].withdrawals, 0);
    assert_int_equal(places[SEEDS].begins, 1);
    assert_true(configuration_force(c, 1, 0, &forced));
    founding_driver_view(places[1].driver, c, true, now_us);
    run(2500000, true);
    assert_int_equal(places[SEEDS].withdrawals, 1);
    assert_int_equal(places[SEEDS].begins, 2);
    assert_int_equal(places[SEEDS].generation, 2);
    founding_driver_view(places[SEEDS].driver, c, true, now_us);
    run(3000000, true);
    assert_int_equal(places[SEEDS].begins, 2);
    assert_int_equal(founding_driver_state(places[SEEDS].driver), FOUNDING_FORMED);
    configuration_destroy(c);
}

static void test_who_is_a_member_follows_nobody(void **state) {
    (void)state;
    const struct raft_id other = {{77, 7}};
    start_seeds();
    run(2000000, true);
    start(SEEDS, 1);
    run(500000, true);
    struct raft_id cluster = places[0].cluster;
    for (uint32_t i = 0; i <= SEEDS; i++) {
        tell_formed(i, other, 9); /* who joins is no member yet, but this is another cluster */
        tell_formed(i, cluster, 0);
        tell_formed(i, cluster, 1);
    }
    struct configuration *c = configuration_with(SEEDS, cluster);
    founding_driver_view(places[SEEDS].driver, c, true, now_us);
    for (uint32_t i = 0; i <= SEEDS; i++)
        tell_formed(i, cluster, 2);
    run(1000000, true);
    for (uint32_t i = 0; i <= SEEDS; i++) {
        assert_int_equal(founding_driver_state(places[i].driver), FOUNDING_FORMED);
        assert_int_equal(places[i].begins, 1);
        assert_int_equal(places[i].withdrawals, 0);
    }
    configuration_destroy(c);
}

static void test_damaged_frames_are_dropped(void **state) {
    (void)state;
    start_seeds();
    for (uint32_t i = 0; i < SEEDS; i++)
        founding_driver_tick(places[i].driver, now_us);
    assert_true(frame_count > 0);
    assert_string_equal(founding_frame_name(slice_of(frames[0].bytes, frames[0].size)), "DISCOVER");
    struct frame f = frames[0];
    frame_count = 0;
    for (size_t at = 0; at < f.size; at++) {
        f.bytes[at] ^= 1;
        founding_driver_receive(places[1].driver, SEEDS, slice_of(f.bytes, f.size), now_us);
        founding_driver_receive(places[1].driver, SEEDS, slice_of(f.bytes, at), now_us);
        f.bytes[at] ^= 1;
    }
    assert_int_equal(frame_count, 0);
    founding_driver_receive(places[1].driver, SEEDS, slice_of(f.bytes, f.size), now_us);
    assert_int_equal(frame_count, 1);
}

static void test_creation_gives_back_what_it_took_when_memory_runs_out(void **state) {
    (void)state;
    struct test_allocator limited;
    enum larder_status status = LARDER_NO_MEMORY;
    test_allocator_init(&limited);
    for (uint64_t i = 1; status == LARDER_NO_MEMORY; i++) {
        test_allocator_fail_in(&limited, i, 0);
        status = create(0, 1, &limited.base);
        if (status != LARDER_OK)
            assert_int_equal(limited.heap_blocks, 0);
    }
    assert_int_equal(status, LARDER_OK);
    founding_driver_destroy(places[0].driver);
    places[0].driver = NULL;
    assert_int_equal(limited.heap_blocks, 0);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(test_founders_begin_with_one_plan),
        TEST(test_a_founder_begins_when_its_disk_says_so),
        TEST(test_without_a_disk_it_begins_at_once),
        TEST(test_one_mark_is_stored_at_a_time),
        TEST(test_a_member_that_is_restarted_begins_at_once),
        TEST(test_a_new_generation_is_in_the_mark),
        TEST(test_who_joins_gives_up_when_no_member_answers),
        TEST(test_who_joins_follows_a_newer_generation),
        TEST(test_who_is_a_member_follows_nobody),
        TEST(test_damaged_frames_are_dropped),
        TEST(test_creation_gives_back_what_it_took_when_memory_runs_out),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
