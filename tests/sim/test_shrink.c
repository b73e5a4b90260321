/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that breaks when it is started for the third time: shrinking must find out that two
 * faults are enough, and which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "sim/shrink.h"

static enum larder_status start_fragile(struct sim_machine *machine, const void *settings,
                                        void **out) {
    (void)settings;
    if (machine_address(machine) == 1 && machine_incarnation(machine) == 3)
        machine_violate(machine, "started three times");
    *out = machine;
    return LARDER_OK;
}

static void take_frame(void *process, uint32_t from, struct slice frame) {
    (void)process, (void)from, (void)frame;
}

static void do_nothing(void *process) {
    (void)process;
}

static void take_synced(void *process, uint64_t ticket, enum larder_status status) {
    (void)process, (void)ticket, (void)status;
}

static void describe_fragile(const void *process, char *out, size_t size) {
    (void)process;
    snprintf(out, size, "fragile");
}

static const struct sim_process_type FRAGILE = {.name = "fragile",
                                                .start = start_fragile,
                                                .deliver = take_frame,
                                                .wake = do_nothing,
                                                .synced = take_synced,
                                                .stop = do_nothing,
                                                .describe = describe_fragile};

static void *create_subject(uint64_t seed, struct sim_world_options *options) {
    (void)seed;
    options->type = &FRAGILE;
    return malloc(1);
}

static void attach_subject(void *subject, struct sim_world *world) {
    (void)subject, (void)world;
}

static void begin_subject_round(void *subject, uint64_t seed, bool is_frantic) {
    (void)subject, (void)seed, (void)is_frantic;
}

static void operate_nothing(void *subject, uint64_t draw) {
    (void)subject, (void)draw;
}

static uint32_t find_no_leader(void *subject) {
    (void)subject;
    return UINT32_MAX;
}

static bool is_always_settled(void *subject) {
    (void)subject;
    return true;
}

static void get_no_counters(void *subject, struct sim_subject_counters *out) {
    (void)subject;
    *out = (struct sim_subject_counters){0};
}

static void describe_subject(void *subject, char *out, size_t size) {
    describe_fragile(subject, out, size);
}

static const struct sim_subject_type FRAGILE_SUBJECT = {.name = "fragile",
                                                        .machine_count = 3,
                                                        .create = create_subject,
                                                        .destroy = free,
                                                        .attach = attach_subject,
                                                        .begin_round = begin_subject_round,
                                                        .operate = operate_nothing,
                                                        .begin_calm = do_nothing,
                                                        .stop_clients = do_nothing,
                                                        .find_leader = find_no_leader,
                                                        .is_settled = is_always_settled,
                                                        .end_round = do_nothing,
                                                        .get_counters = get_no_counters,
                                                        .describe = describe_subject};

static void two_faults_are_left_of_many(void **state) {
    (void)state;
    static struct shrunk shrunk;
    uint32_t found = 0;
    for (uint64_t seed = 1; seed < 30 && found < 5; seed++) {
        struct swarm_options options = {
            .subject = &FRAGILE_SUBJECT, .seed = seed, .length_us = 60000000, .only_round = 0};
        struct swarm_result result;
        swarm_run(&options, &result);
        if (result.violation == NULL)
            continue;
        found++;
        assert_string_equal(result.violation, "started three times");
        shrink(&options, &result, 1000, &shrunk);
        assert_true(shrunk.is_same_violation);
        assert_int_equal(shrunk.options.only_count, 2);
        swarm_run(&shrunk.options, &result);
        assert_string_equal(result.violation, "started three times");
    }
    assert_int_equal(found, 5);
}

static void the_arguments_name_what_is_left_out(void **state) {
    (void)state;
    static const uint32_t ONLY[] = {3, 9};
    struct swarm_options options = {
        .seed = 7, .only_round = 2, .round_us = 12000000, .only_faults = ONLY, .only_count = 2};
    char text[200];
    options.is_rate_off[RATE_LOSS] = options.is_rate_off[RATE_RESET] = true;
    shrink_print_arguments(&options, text, sizeof(text));
    assert_string_equal(text, "--seed 7 --round 2 --until 12 --without loss,reset --only 3,9");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_faults_are_left_of_many),
        cmocka_unit_test(the_arguments_name_what_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
