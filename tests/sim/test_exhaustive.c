/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that breaks when it was started again and then hears numbers in the wrong order: no
 * run with one deviation shows it, some with two do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "sim/exhaustive.h"
#include "sim/world.h"

enum { SPEAKER = 0, LISTENER = 1, PERIOD_US = 30000 };

struct toy {
    struct sim_machine *machine;
    uint8_t number; /* last said or heard */
};

static enum larder_status start(struct sim_machine *machine, const void *settings, void **out) {
    (void)settings;
    struct toy *toy = sim_resize(NULL, sizeof(*toy));
    *toy = (struct toy){.machine = machine};
    if (machine_address(machine) == SPEAKER)
        machine_wake_at(machine, machine_now_us(machine) + PERIOD_US);
    *out = toy;
    return LARDER_OK;
}

static void wake(void *process) {
    struct toy *toy = process;
    toy->number++;
    machine_send_datagram(toy->machine, LISTENER, slice_of(&toy->number, 1));
    machine_wake_at(toy->machine, machine_now_us(toy->machine) + PERIOD_US);
}

static void deliver(void *process, uint32_t from, struct slice frame) {
    struct toy *toy = process;
    (void)from;
    if (machine_incarnation(toy->machine) > 1 && frame.data[0] < toy->number)
        machine_violate(toy->machine, "a number fell");
    toy->number = frame.data[0];
}

static void synced(void *process, uint64_t ticket, enum larder_status status) {
    (void)process, (void)ticket, (void)status;
}

static void describe(const void *process, char *out, size_t size) {
    (void)process;
    snprintf(out, size, "toy");
}

static const struct sim_process_type TOY = {.name = "toy",
                                            .start = start,
                                            .deliver = deliver,
                                            .wake = wake,
                                            .synced = synced,
                                            .stop = free,
                                            .describe = describe};

static void *create_subject(uint64_t seed, struct sim_world_options *options) {
    (void)seed;
    options->type = &TOY;
    return sim_resize(NULL, 1);
}

static void attach_subject(void *subject, struct sim_world *world) {
    (void)subject, (void)world;
}

static void begin_subject_round(void *subject, uint64_t seed, bool is_frantic) {
    (void)subject, (void)seed, (void)is_frantic;
}

static void do_nothing(void *subject) {
    (void)subject;
}

static bool is_always_settled(void *subject) {
    (void)subject;
    return true;
}

static void get_no_counters(void *subject, struct sim_subject_counters *out) {
    (void)subject;
    *out = (struct sim_subject_counters){0};
}

static const struct sim_subject_type TOY_SUBJECT = {.name = "toy",
                                                    .machine_count = 2,
                                                    .create = create_subject,
                                                    .destroy = free,
                                                    .attach = attach_subject,
                                                    .begin_round = begin_subject_round,
                                                    .begin_calm = do_nothing,
                                                    .stop_clients = do_nothing,
                                                    .is_settled = is_always_settled,
                                                    .end_round = do_nothing,
                                                    .get_counters = get_no_counters};

static struct exhaustive_options options_of(uint32_t deviations, uint32_t crashes) {
    return (struct exhaustive_options){.subject = &TOY_SUBJECT,
                                       .seed = 1,
                                       .machine_count = 2,
                                       .decisions = 6,
                                       .deviations = deviations,
                                       .crashes = crashes};
}

static void what_takes_two_deviations_is_found_with_two(void **state) {
    (void)state;
    struct exhaustive_options options = options_of(1, 2);
    struct exhaustive_result result;
    exhaustive_run(&options, &result);
    assert_null(result.violation);
    assert_true(result.is_complete);
    /* the usual run, and six decisions with loss, delay, sleep and three ways to end */
    assert_int_equal(result.run_count, 1 + 6 * 6);
    options = options_of(2, 2);
    exhaustive_run(&options, &result);
    assert_string_equal(result.violation, "a number fell");
    assert_int_equal(result.choices.count, 2);
    assert_false(result.is_complete);
}

static void the_choices_alone_repeat_a_run(void **state) {
    (void)state;
    struct exhaustive_options options = options_of(2, 2);
    struct exhaustive_result found, again;
    struct exhaustive_choices choices;
    char text[100];
    exhaustive_run(&options, &found);
    exhaustive_print(&found.choices, text, sizeof(text));
    assert_true(exhaustive_parse(text, &choices));
    exhaustive_replay(&options, &choices, &again);
    assert_string_equal(again.violation, found.violation);
    assert_int_equal(again.violation_us, found.violation_us);
    assert_int_equal(again.run_count, 1);
    choices.count = 1;
    exhaustive_replay(&options, &choices, &again);
    assert_null(again.violation);
}

static void a_limit_ends_the_search_without_a_claim(void **state) {
    (void)state;
    struct exhaustive_options options = options_of(2, 2);
    struct exhaustive_result result;
    options.run_limit = 40;
    exhaustive_run(&options, &result);
    assert_true(result.run_count == 40 || result.violation != NULL);
    assert_false(result.is_complete);
    assert_int_equal(result.deviations, 1);
}

static void lists_of_choices_are_read_strictly(void **state) {
    (void)state;
    struct exhaustive_choices choices;
    char text[100];
    assert_true(exhaustive_parse("none", &choices));
    assert_int_equal(choices.count, 0);
    assert_true(exhaustive_parse("3:1,40:12", &choices));
    assert_int_equal(choices.count, 2);
    exhaustive_print(&choices, text, sizeof(text));
    assert_string_equal(text, "3:1,40:12");
    assert_false(exhaustive_parse("", &choices));
    assert_false(exhaustive_parse("3", &choices));
    assert_false(exhaustive_parse("3:1,", &choices));
    assert_false(exhaustive_parse("3:1 4:1", &choices));
    assert_false(exhaustive_parse("1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1", &choices));
}

/* The config group of three with all runs of one deviation, and the first few of two. */
static void a_small_config_group_is_clean(void **state) {
    (void)state;
    struct exhaustive_options options = {
        .subject = &CONFIG_GROUP_SUBJECT, .seed = 1, .decisions = 40, .run_limit = 1200};
    struct exhaustive_result result;
    exhaustive_run(&options, &result);
    if (result.violation != NULL) {
        char text[100];
        exhaustive_print(&result.choices, text, sizeof(text));
        fail_msg("choices %s: %s", text, result.violation);
    }
    assert_int_equal(result.run_count, 1200);
    assert_int_equal(result.deviations, 1);
    assert_true(result.distinct_count > 1000);
    assert_true(result.history_count > 1000);
}

/* Three machines that found a cluster, with promises on disk and in memory: all runs of one
 * deviation while they do. */
static void founding_a_small_cluster_is_clean(void **state) {
    (void)state;
    static const uint64_t SEEDS[] = {1, 3};
    for (size_t i = 0; i < 2; i++) {
        struct exhaustive_options options = {.subject = &CLUSTER_SUBJECT,
                                             .seed = SEEDS[i],
                                             .decisions = 70,
                                             .deviations = 1,
                                             .is_from_start = true};
        struct exhaustive_result result;
        exhaustive_run(&options, &result);
        if (result.violation != NULL) {
            char text[100];
            exhaustive_print(&result.choices, text, sizeof(text));
            fail_msg("seed %d, choices %s: %s", (int)SEEDS[i], text, result.violation);
        }
        assert_true(result.is_complete);
        assert_true(result.distinct_count > 300);
    }
}

/* Clients write; a machine dies, sleeps, or a frame or sync is late at each of the first places. */
static void a_small_settled_cluster_is_clean(void **state) {
    (void)state;
    static const uint64_t SEEDS[] = {1, 2}; /* three replicas; two */
    for (size_t i = 0; i < 2; i++) {
        struct exhaustive_options options = {
            .subject = &CLUSTER_SUBJECT, .seed = SEEDS[i], .decisions = 30, .deviations = 1};
        struct exhaustive_result result;
        exhaustive_run(&options, &result);
        if (result.violation != NULL) {
            char text[100];
            exhaustive_print(&result.choices, text, sizeof(text));
            fail_msg("seed %d, choices %s: %s", (int)SEEDS[i], text, result.violation);
        }
        assert_true(result.is_complete);
        assert_true(result.distinct_count > 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_takes_two_deviations_is_found_with_two),
        cmocka_unit_test(the_choices_alone_repeat_a_run),
        cmocka_unit_test(a_limit_ends_the_search_without_a_claim),
        cmocka_unit_test(lists_of_choices_are_read_strictly),
        cmocka_unit_test(a_small_config_group_is_clean),
        cmocka_unit_test(founding_a_small_cluster_is_clean),
        cmocka_unit_test(a_small_settled_cluster_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
