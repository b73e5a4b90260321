/* SPDX-License-Identifier: BSD-3-Clause */
/* Random runs of 3 and 5 voters (and joiners) under faults: what Raft promises holds after every
 * step, and progress comes back when the faults stop. LARDER_TEST_SEED starts elsewhere,
 * LARDER_TEST_SEEDS runs more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "simulation.c"

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void print_counters(const struct sim_counters *c, uint64_t exhausted) {
    printf(
        "steps %llu, elections %llu, commits %llu, crashes %llu, failed writes %llu, changes %llu,"
        " installs %llu, reads %llu, transfers %llu, truncations %llu, out of room %llu\n",
        (unsigned long long)c->steps, (unsigned long long)c->elections,
        (unsigned long long)c->commits, (unsigned long long)c->crashes,
        (unsigned long long)c->disk_failures, (unsigned long long)c->changes,
        (unsigned long long)c->installs, (unsigned long long)c->reads,
        (unsigned long long)c->transfers, (unsigned long long)c->truncations,
        (unsigned long long)exhausted);
}

static void print_nodes(const struct sim *s) {
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct raft_status *seen = &s->nodes[i].seen;
        printf("node %u: %s term %llu log %llu..%llu durable %llu commit %llu applied %llu "
               "configuration %llu leader %llu%s\n",
               i + 1, raft_role_name(seen->role), (unsigned long long)seen->term,
               (unsigned long long)seen->first_index, (unsigned long long)seen->last_index,
               (unsigned long long)seen->durable_index, (unsigned long long)seen->commit_index,
               (unsigned long long)s->nodes[i].applied,
               (unsigned long long)seen->configuration_index,
               (unsigned long long)seen->leader.words[1],
               seen->is_storage_failed ? ", storage failed" : "");
    }
}

static void promises_hold_under_random_faults(void **state) {
    (void)state;
    uint64_t first = setting("LARDER_TEST_SEED", 1);
    uint64_t count = setting("LARDER_TEST_SEEDS", 2000);
    uint64_t exhausted = 0;
    struct sim *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    printf("seeds %llu to %llu\n", (unsigned long long)first,
           (unsigned long long)(first + count - 1));
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!sim_run(s, seed)) {
            print_nodes(s);
            fail_msg("LARDER_TEST_SEED=%llu, %lld ms: %s", (unsigned long long)seed,
                     (long long)s->now_ms, s->violation);
        }
        exhausted += s->is_exhausted;
    }
    print_counters(&s->counters, exhausted);
    assert_true(exhausted * 100 <= count);
    assert_true(count < 500 ||
                (s->counters.elections > count && s->counters.commits > 10 * count &&
                 s->counters.crashes > count && s->counters.installs > count / 10 &&
                 s->counters.disk_failures > count / 10 && s->counters.changes > count / 10 &&
                 s->counters.reads > count && s->counters.truncations > count / 20));
    free(s->events);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(promises_hold_under_random_faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
