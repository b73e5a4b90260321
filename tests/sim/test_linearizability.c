/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker of histories against histories whose verdict is known: written by hand, made by
 * playing a real object, made by breaking one, and small ones tried in every order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "sim/linearizability.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* call, return, kind, a, b, is_done, value */
#define OP(call, end, kind, a, b, done, value)                                                     \
    { (call), (end), (kind), (a), (b), {(done), (value)}, 0 }
#define WRITE(call, end, a)                   OP(call, end, OPERATION_WRITE, a, 0, true, 0)
#define READ(call, end, value)                OP(call, end, OPERATION_READ, 0, 0, true, value)
#define COMPARE(call, end, a, b, done, value) OP(call, end, OPERATION_COMPARE, a, b, done, value)
#define ADD(call, end, a, value)              OP(call, end, OPERATION_ADD, a, 0, true, value)
#define PUT(call, end, a, done)               OP(call, end, OPERATION_SET_ADD, a, 0, done, 0)
#define TAKE(call, end, a, done)              OP(call, end, OPERATION_SET_REMOVE, a, 0, done, 0)
#define NEVER                                 OPERATION_UNKNOWN

#define ASSERT_VERDICT(expected, ...)                                                              \
    do {                                                                                           \
        const struct operation history[] = {__VA_ARGS__};                                          \
        assert_int_equal(history_check(history, COUNT_OF(history), 0, NULL), expected);            \
    } while (0)
#define ASSERT_GOOD(...) ASSERT_VERDICT(HISTORY_LINEARIZABLE, __VA_ARGS__)
#define ASSERT_BAD(...)  ASSERT_VERDICT(HISTORY_NOT_LINEARIZABLE, __VA_ARGS__)

static void operations_that_overlap_may_take_either_order(void **state) {
    (void)state;
    ASSERT_GOOD(WRITE(0, 10, 1), WRITE(5, 15, 2), READ(20, 30, 1));
    ASSERT_GOOD(WRITE(0, 10, 1), WRITE(5, 15, 2), READ(20, 30, 2));
    ASSERT_GOOD(WRITE(0, 10, 1), READ(5, 8, 0), READ(6, 9, 1));
    ASSERT_GOOD(WRITE(0, 100, 1), READ(10, 20, 0), READ(30, 40, 1));
    ASSERT_GOOD(READ(0, 5, 0));
    /* it changes nothing at first, and is needed later */
    ASSERT_GOOD(WRITE(0, 100, 0), WRITE(10, 12, 5), READ(13, 14, 5), READ(20, 30, 0));
}

static void a_stale_read_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD(WRITE(0, 10, 1), READ(20, 30, 0));
    ASSERT_BAD(WRITE(0, 10, 1), WRITE(20, 30, 2), READ(40, 50, 1));
    /* once the new value was read, nobody may read the old one later */
    ASSERT_BAD(WRITE(0, 100, 1), READ(10, 20, 1), READ(30, 40, 0));
}

static void a_lost_write_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD(WRITE(0, 10, 1), WRITE(20, 30, 2), READ(40, 50, 1), READ(60, 70, 1));
    ASSERT_BAD(ADD(0, 10, 1, 1), ADD(20, 30, 1, 1));
    ASSERT_BAD(PUT(0, 10, 3, true), PUT(20, 30, 3, true));
}

static void a_write_that_comes_back_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD(WRITE(0, 10, 1), WRITE(20, 30, 2), READ(40, 50, 2), READ(60, 70, 1));
}

static void a_double_application_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD(ADD(0, 10, 1, 1), READ(20, 30, 2));
    ASSERT_BAD(ADD(0, 10, 1, 1), ADD(5, NEVER, 1, 0), READ(20, 30, 3));
    ASSERT_GOOD(ADD(0, 10, 1, 1), ADD(5, NEVER, 1, 0), READ(20, 30, 2));
    ASSERT_BAD(TAKE(0, 10, 3, true));
}

static void a_value_from_nowhere_is_noticed(void **state) {
    (void)state;
    ASSERT_BAD(WRITE(0, 10, 1), READ(20, 30, 7));
    ASSERT_BAD(READ(0, 10, 1), WRITE(20, 30, 1));
}

static void two_winners_of_a_compare_and_set_are_noticed(void **state) {
    (void)state;
    ASSERT_BAD(COMPARE(0, 10, 0, 1, true, 0), COMPARE(5, 15, 0, 2, true, 0));
    ASSERT_GOOD(COMPARE(0, 10, 0, 1, true, 0), COMPARE(5, 15, 0, 2, false, 1));
    ASSERT_GOOD(COMPARE(0, 10, 0, 1, true, 0), COMPARE(5, 15, 1, 2, true, 1));
    ASSERT_BAD(COMPARE(0, 10, 0, 1, true, 0), COMPARE(20, 30, 1, 2, false, 1));
}

static void an_unknown_operation_may_happen_late_or_never(void **state) {
    (void)state;
    ASSERT_GOOD(WRITE(0, NEVER, 1), READ(20, 30, 0), READ(40, 50, 0));
    ASSERT_GOOD(WRITE(0, NEVER, 1), READ(20, 30, 0), READ(40, 50, 1));
    ASSERT_GOOD(WRITE(0, NEVER, 1), WRITE(10, 20, 2), READ(30, 40, 2), READ(50, 60, 1));
    ASSERT_BAD(WRITE(0, NEVER, 1), READ(20, 30, 1), READ(40, 50, 0));
    /* once, not twice */
    ASSERT_BAD(WRITE(0, NEVER, 1), READ(20, 30, 1), WRITE(40, 50, 2), READ(60, 70, 2),
               READ(80, 90, 1));
    /* not before its call */
    ASSERT_BAD(READ(0, 10, 1), WRITE(20, NEVER, 1));
    ASSERT_GOOD(COMPARE(0, NEVER, 0, 5, true, 0), READ(20, 30, 5), WRITE(40, 50, 6));
}

static void equal_unknown_operations_count_as_often_as_called(void **state) {
    (void)state;
    ASSERT_GOOD(ADD(0, NEVER, 1, 0), ADD(1, NEVER, 1, 0), ADD(2, NEVER, 1, 0), READ(10, 20, 2),
                READ(30, 40, 3));
    ASSERT_BAD(ADD(0, NEVER, 1, 0), ADD(1, NEVER, 1, 0), READ(10, 20, 3));
    ASSERT_BAD(ADD(0, NEVER, 1, 0), READ(10, 20, 1), ADD(25, NEVER, 1, 0), READ(30, 40, 3));
    ASSERT_GOOD(PUT(0, NEVER, 1, false), TAKE(5, 10, 1, true), TAKE(20, 30, 1, false));
    ASSERT_BAD(PUT(0, NEVER, 1, false), TAKE(5, 10, 1, true), TAKE(20, 30, 1, true));
}

/* Most of what was asked of a set while nobody answered: any of it may have been done, at any time.
 * The last read is of what can be or, if `is_wrong`, can't. */
static enum history_verdict check_set_after_silence(bool is_wrong) {
    enum { ELEMENTS = 8, SILENT = 12, KNOWN = 16 };
    struct operation history[2 * ELEMENTS * SILENT + 2 * KNOWN + 1];
    size_t count = 0;
    int64_t us = 0;
    for (uint64_t i = 0; i < SILENT; i++)
        for (uint64_t a = 0; a < ELEMENTS; a++) {
            history[count++] = (struct operation)PUT(us++, NEVER, a, true);
            history[count++] = (struct operation)TAKE(us++, NEVER, a, true);
        }
    for (uint64_t i = 0; i < KNOWN; i++, us += 20) {
        history[count++] = (struct operation)PUT(us, us + 15, i % ELEMENTS, i % 3 == 0);
        history[count++] = (struct operation)READ(us + 10, us + 18, 1ull << i % ELEMENTS | i % 5);
    }
    us = is_wrong ? us : us + 1;
    history[count++] = (struct operation)READ(us, us + 1, is_wrong ? 1ull << ELEMENTS : 0);
    return history_check(history, count, 100000, NULL);
}

static void what_a_set_may_have_done_in_silence_is_decided(void **state) {
    (void)state;
    assert_int_equal(check_set_after_silence(false), HISTORY_LINEARIZABLE);
    assert_int_equal(check_set_after_silence(true), HISTORY_NOT_LINEARIZABLE);
}

static void a_search_that_grows_too_large_is_not_a_verdict(void **state) {
    (void)state;
    struct operation history[21];
    for (size_t i = 0; i < 20; i++)
        history[i] = (struct operation)ADD(0, NEVER, (uint64_t)1 << i, 0);
    history[20] = (struct operation)READ(10, 20, (uint64_t)1 << 40);
    assert_int_equal(history_check(history, COUNT_OF(history), 1000, NULL), HISTORY_UNDECIDED);
}

/* ---- random histories ---- */

enum { CLIENTS = 4 };

struct player {
    struct random random;
    uint64_t value, next_value;
    struct operation history[400];
    size_t count;
    size_t limit;
};

static void draw_operation(struct player *player, struct operation *operation, int family) {
    struct random *random = &player->random;
    static const enum operation_kind KINDS[3][3] = {
        {OPERATION_READ, OPERATION_WRITE, OPERATION_COMPARE},
        {OPERATION_READ, OPERATION_ADD, OPERATION_ADD},
        {OPERATION_READ, OPERATION_SET_ADD, OPERATION_SET_REMOVE}};
    operation->kind = KINDS[family][random_below(random, 3)];
    operation->a = family == 2 ? random_below(random, 4) : 1 + random_below(random, 3);
    if (family > 0 && random_below(random, 12) == 0) { /* counters and sets are set anew, too */
        operation->kind = OPERATION_WRITE;
        operation->a = random_below(random, 6);
    } else if (operation->kind == OPERATION_WRITE)
        operation->a = random_below(random, 4) == 0 ? 0 : ++player->next_value;
    if (operation->kind == OPERATION_COMPARE) {
        operation->a = random_below(random, player->next_value + 1);
        operation->b = ++player->next_value;
    }
}

/* Clients take turns at a real object: each operation takes effect at a moment inside its interval,
 * unless its outcome is unknown, and then at any moment later or never. */
static void play(struct player *player, int family, size_t operations) {
    struct random *random = &player->random;
    struct operation *open[CLIENTS] = {0};
    bool has_happened[CLIENTS] = {0};
    int64_t now = 0;
    player->count = 0;
    player->value = player->next_value = 0;
    while (player->count < operations) {
        size_t client = random_below(random, CLIENTS);
        now += 1 + (int64_t)random_below(random, 3);
        struct operation *operation = open[client];
        if (operation == NULL) {
            operation = open[client] = &player->history[player->count++];
            *operation =
                (struct operation){.call_us = now, .return_us = NEVER, .client = (uint32_t)client};
            draw_operation(player, operation, family);
            has_happened[client] = false;
        } else if (!has_happened[client] && random_below(random, 20) > 0) {
            operation->result =
                operation_apply(operation->kind, operation->a, operation->b, &player->value);
            has_happened[client] = true;
        } else {
            if (has_happened[client] && random_below(random, 15) > 0)
                operation->return_us = now;
            open[client] = NULL;
        }
    }
}

static void what_a_real_object_did_is_linearizable(void **state) {
    (void)state;
    static struct player player;
    for (uint64_t seed = 0; seed < 600; seed++) {
        player.random = random_seeded(seed);
        play(&player, (int)(seed % 3), 20 + seed % 150);
        enum history_verdict verdict = history_check(player.history, player.count, 0, NULL);
        if (verdict != HISTORY_LINEARIZABLE)
            fail_msg("seed %llu: verdict %d", (unsigned long long)seed, (int)verdict);
    }
}

/* ---- all orders, for small histories ---- */

static bool some_order_fits(const struct operation *history, size_t count, uint32_t done,
                            uint64_t value) {
    bool is_complete = true;
    for (size_t i = 0; i < count; i++)
        if ((done >> i & 1) == 0 && history[i].return_us != NEVER)
            is_complete = false;
    if (is_complete)
        return true;
    for (size_t i = 0; i < count; i++) {
        const struct operation *next = &history[i];
        bool may_come = (done >> i & 1) == 0;
        for (size_t k = 0; k < count; k++)
            if ((done >> k & 1) == 0 && k != i && history[k].return_us < next->call_us)
                may_come = false;
        if (!may_come)
            continue;
        uint64_t after = value;
        struct operation_result result = operation_apply(next->kind, next->a, next->b, &after);
        bool is_right = next->return_us == NEVER ||
                        ((next->kind == OPERATION_WRITE || next->kind == OPERATION_ADD ||
                          next->kind == OPERATION_READ || result.is_done == next->result.is_done) &&
                         (next->kind == OPERATION_WRITE || next->kind == OPERATION_SET_ADD ||
                          next->kind == OPERATION_SET_REMOVE ||
                          (next->kind == OPERATION_COMPARE && next->result.is_done) ||
                          result.value == next->result.value));
        if (is_right && some_order_fits(history, count, done | 1u << i, after))
            return true;
    }
    return false;
}

/* Play, then break one answer: the verdict must be that of trying every order. */
static void the_verdict_is_that_of_trying_every_order(void **state) {
    (void)state;
    static struct player player;
    size_t bad = 0, good = 0;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        player.random = random_seeded(seed + 7777);
        play(&player, (int)(seed % 3), 8);
        for (size_t i = 0; i < player.count; i++)
            if (random_below(&player.random, 4) == 0)
                player.history[i].return_us = NEVER;
        struct operation *broken = &player.history[random_below(&player.random, 8)];
        if (random_below(&player.random, 2) == 0)
            broken->result.value = random_below(&player.random, player.next_value + 6);
        else
            broken->result.is_done = !broken->result.is_done;
        bool expected = some_order_fits(player.history, player.count, 0, 0);
        enum history_verdict verdict = history_check(player.history, player.count, 0, NULL);
        if (verdict != (expected ? HISTORY_LINEARIZABLE : HISTORY_NOT_LINEARIZABLE))
            fail_msg("seed %llu: verdict %d", (unsigned long long)seed, (int)verdict);
        good += expected;
        bad += !expected;
    }
    assert_true(good > 300 && bad > 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_that_overlap_may_take_either_order),
        cmocka_unit_test(a_stale_read_is_noticed),
        cmocka_unit_test(a_lost_write_is_noticed),
        cmocka_unit_test(a_write_that_comes_back_is_noticed),
        cmocka_unit_test(a_double_application_is_noticed),
        cmocka_unit_test(a_value_from_nowhere_is_noticed),
        cmocka_unit_test(two_winners_of_a_compare_and_set_are_noticed),
        cmocka_unit_test(an_unknown_operation_may_happen_late_or_never),
        cmocka_unit_test(equal_unknown_operations_count_as_often_as_called),
        cmocka_unit_test(what_a_set_may_have_done_in_silence_is_decided),
        cmocka_unit_test(a_search_that_grows_too_large_is_not_a_verdict),
        cmocka_unit_test(what_a_real_object_did_is_linearizable),
        cmocka_unit_test(the_verdict_is_that_of_trying_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
