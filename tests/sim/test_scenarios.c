/* SPDX-License-Identifier: BSD-3-Clause */
/* Every script, with a few seeds; a script that says what is not true fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/scenario.h"

static const struct trace_options QUIET;

static void every_scenario_goes_as_it_says(void **state) {
    (void)state;
    const struct scenario_type *type;
    for (size_t i = 0; (type = scenario_find(i)) != NULL; i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct scenario_result result;
            scenario_run(type, seed, &QUIET, &result);
            if (result.violation != NULL)
                fail_msg("%s, seed %llu: %s: %s", type->name, (unsigned long long)seed,
                         result.violation, result.text);
        }
}

static void a_scenario_has_the_same_trace_every_time(void **state) {
    (void)state;
    struct scenario_result first, second, other;
    scenario_run(scenario_find(0), 1, &QUIET, &first);
    scenario_run(scenario_find(0), 1, &QUIET, &second);
    scenario_run(scenario_find(0), 2, &QUIET, &other);
    assert_string_equal(first.digest, second.digest);
    assert_string_not_equal(first.digest, other.digest);
}

static void expect_the_impossible(struct scenario *scenario) {
    scenario_expect(scenario, scenario_write(scenario, 1, 5, 5000), "a write");
    uint64_t value;
    scenario_expect(scenario, scenario_read(scenario, 1, 5000, &value), "a read");
    scenario_expect(scenario, value == 6, "the value is another one");
    scenario_expect(scenario, false, "only the first failure is told");
}

static void what_is_not_true_fails_a_scenario(void **state) {
    (void)state;
    static const struct scenario_type WRONG = {"wrong", "", expect_the_impossible, NULL};
    struct scenario_result result;
    scenario_run(&WRONG, 1, &QUIET, &result);
    assert_non_null(result.violation);
    assert_string_equal(result.text, "the value is another one");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scenario_goes_as_it_says),
        cmocka_unit_test(a_scenario_has_the_same_trace_every_time),
        cmocka_unit_test(what_is_not_true_fails_a_scenario),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
