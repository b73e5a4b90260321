/* SPDX-License-Identifier: BSD-3-Clause */
/* Glob patterns: a table of cases, and random patterns against a matcher that tries everything. */
#include "base/glob.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool matches(const char *pattern, const char *text) {
    return glob_match(slice_of_string(pattern), slice_of_string(text));
}

static void patterns_match_as_documented(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool result;
    } CASES[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", false},
        {"*", "abc", true},
        {"a*", "abc", true},
        {"a*c", "abc", true},
        {"a*d", "abc", false},
        {"*b*", "abc", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"?", "", false},
        {"[abc]", "b", true},
        {"[abc]", "d", false},
        {"[^abc]", "d", true},
        {"[^abc]", "a", false},
        {"[a-c]", "b", true},
        {"[c-a]", "b", true},
        {"[a-c]", "d", false},
        {"[^a-c]x", "dx", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\", "a\\", true},
        {"[\\]]", "]", true},
        {"[a", "a", true},
        {"[a", "b", false},
        {"[]", "a", false},
        {"[^]", "a", true},
        {"a**b", "axxb", true},
        {"*a*b*c*", "xaxbxcx", true},
        {"A", "a", false},
        {"k[0-9]*", "k1x", true},
        {"[a-", "-", true},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        if (matches(CASES[i].pattern, CASES[i].text) != CASES[i].result)
            fail_msg("'%s' on '%s'", CASES[i].pattern, CASES[i].text);
}

/* '*' and '?' and letters only, by trying every length for '*'. */
static bool matches_naively(const uint8_t *p, size_t np, const uint8_t *t, size_t nt) {
    if (np == 0)
        return nt == 0;
    if (p[0] == '*') {
        for (size_t skip = 0; skip <= nt; skip++)
            if (matches_naively(p + 1, np - 1, t + skip, nt - skip))
                return true;
        return false;
    }
    return nt > 0 && (p[0] == '?' || p[0] == t[0]) && matches_naively(p + 1, np - 1, t + 1, nt - 1);
}

static void random_patterns_match_as_by_trying_everything(void **state) {
    (void)state;
    struct random random = random_seeded(42);
    unsigned hits = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t pattern[8], text[10];
        size_t np = random_below(&random, 9), nt = random_below(&random, 11);
        for (size_t i = 0; i < np; i++)
            pattern[i] = (uint8_t) "ab?**"[random_below(&random, 5)];
        for (size_t i = 0; i < nt; i++)
            text[i] = (uint8_t) "ab"[random_below(&random, 2)];
        bool wanted = nt == 0 ? np == 0 : matches_naively(pattern, np, text, nt);
        hits += wanted;
        if (glob_match(slice_of(pattern, np), slice_of(text, nt)) != wanted)
            fail_msg("seed 42, round %d", round);
    }
    assert_in_range(hits, 1000, 19000);
}

static void many_stars_take_no_exponential_time(void **state) {
    (void)state;
    char pattern[201], text[5001];
    for (int i = 0; i < 200; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[199] = 'b';
    for (int i = 0; i < 5000; i++)
        text[i] = 'a';
    assert_false(glob_match(slice_of(pattern, 200), slice_of(text, 5000)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_documented),
        cmocka_unit_test(random_patterns_match_as_by_trying_everything),
        cmocka_unit_test(many_stars_take_no_exponential_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
