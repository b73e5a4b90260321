/* SPDX-License-Identifier: BSD-3-Clause */
/* Random changes of a hash against a naive reference, over several limits, with and without fields
 * that expire: the same pairs at every moment, memory counted exactly, both representations and the
 * passage between them. One change in three is tried with its first, second ... allocation refused
 * before it goes through, and is seen to have changed nothing. */
#include "ds/hash.h"

#include "support/test_allocator.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { UNIVERSE = 300, SET_MAX = 12, STEPS = 4000, TEXT_MAX = 80, VALUE_MAX = 120 };

struct expected {
    bool is_there;
    char value[VALUE_MAX];
    int64_t expiry_ms;
};

struct model {
    struct random random;
    struct test_allocator allocator;
    struct object_limits limits;
    struct hash_seed seed;
    struct object_context context;
    struct object *hash;
    struct expected fields[UNIVERSE];
    int64_t now_ms;
    bool has_expiry;
    unsigned refusals, passages, expired;
};

static unsigned below(struct model *m, unsigned bound) {
    return (unsigned)random_below(&m->random, bound);
}

/* Field number n: texts and integers of all widths, a few long ones. */
static struct slice field_of(unsigned n, char *out) {
    if (n % 3 == 0)
        (void)snprintf(out, TEXT_MAX, "%lld", (long long)n * (n % 2 == 0 ? 5000000000 : -70000));
    else
        (void)snprintf(out, TEXT_MAX, n % 100 == 1 ? "%070u" : "field:%u", n);
    return slice_of_string(out);
}

/* The number that field_of made this of. */
static unsigned number_of(struct slice field) {
    char text[TEXT_MAX], again[TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%.*s", (int)field.size, (const char *)field.data);
    bool is_named = strncmp(text, "field:", 6) == 0;
    long long number = strtoll(is_named ? text + 6 : text, NULL, 10);
    if (number < 0)
        number /= -70000;
    else if (number >= 5000000000)
        number /= 5000000000;
    assert_true(number < UNIVERSE && slice_equal(field_of((unsigned)number, again), field));
    return (unsigned)number;
}

static struct slice random_value(struct model *m, char *out) {
    unsigned choice = below(m, 30);
    if (choice < 10)
        (void)snprintf(out, VALUE_MAX, "%d", (int)below(m, 100000) - 50000);
    else
        (void)snprintf(out, VALUE_MAX, choice == 29 ? "%0100u" : "value:%u",
                       below(m, choice < 20 ? 10 : 100000));
    return slice_of_string(out);
}

static bool is_past(const struct model *m, const struct expected *field) {
    return field->expiry_ms != 0 && field->expiry_ms < m->now_ms;
}

static bool is_shown(const struct model *m, unsigned n) {
    return m->fields[n].is_there && !is_past(m, &m->fields[n]);
}

static size_t shown_count(const struct model *m) {
    size_t count = 0;
    for (unsigned n = 0; n < UNIVERSE; n++)
        count += is_shown(m, n);
    return count;
}

/* ---- what must hold at any time ---- */

static void check_pair(const struct model *m, unsigned n, const struct hash_pair *pair) {
    assert_true(slice_equal(pair->value, slice_of_string(m->fields[n].value)));
    assert_int_equal(pair->expiry_ms, m->fields[n].expiry_ms);
}

static void check_walk(struct model *m) {
    bool seen[UNIVERSE] = {false};
    struct hash_walk walk;
    struct hash_pair pair;
    for (hash_walk_begin(&walk, m->hash, m->now_ms); hash_next(&walk, &pair);) {
        unsigned n = number_of(pair.field);
        assert_true(is_shown(m, n) && !seen[n]);
        check_pair(m, n, &pair);
        seen[n] = true;
    }
    for (unsigned n = 0; n < UNIVERSE; n++)
        assert_int_equal(seen[n], is_shown(m, n));
}

static void check(struct model *m) {
    char text[TEXT_MAX];
    uint8_t scratch[INT64_TEXT_MAX];
    struct hash_pair pair;
    size_t all = 0;
    int64_t first_ms = INT64_MAX;
    for (unsigned n = 0; n < UNIVERSE; n++) {
        const struct expected *field = &m->fields[n];
        all += field->is_there;
        if (field->is_there && field->expiry_ms != 0 && field->expiry_ms < first_ms)
            first_ms = field->expiry_ms;
    }
    if (m->hash == NULL) {
        assert_int_equal(all, 0);
        assert_int_equal(m->allocator.heap_bytes, 0);
        return;
    }
    assert_int_equal(object_length(m->hash), all);
    assert_int_equal(object_bytes(m->hash), m->allocator.heap_bytes);
    assert_int_equal(hash_length(m->hash, m->now_ms), shown_count(m));
    assert_true(object_due_ms(m->hash) <= first_ms);
    for (unsigned n = 0; n < UNIVERSE; n++) {
        struct slice field = field_of(n, text);
        bool is_there = hash_get(m->hash, &m->context, field, m->now_ms, scratch, &pair);
        assert_int_equal(is_there, is_shown(m, n));
        if (is_there)
            check_pair(m, n, &pair);
    }
    check_walk(m);
}

/* ---- changes ---- */

/* Whether the next allocation but `tries` is to fail; the loop that asks goes on until none did. */
static void refuse(struct model *m, bool is_refused, unsigned nth) {
    if (is_refused)
        test_allocator_fail_in(&m->allocator, nth, 0);
}

static bool must_repeat(struct model *m, enum larder_status status) {
    test_allocator_fail_never(&m->allocator);
    if (status == LARDER_OK)
        return false;
    assert_int_equal(status, LARDER_NO_MEMORY);
    m->refusals++;
    check(m);
    return true;
}

static int64_t random_expiry(struct model *m) {
    return m->now_ms + 1 + below(m, 2000);
}

struct pairs {
    unsigned numbers[SET_MAX];
    char fields[SET_MAX][TEXT_MAX], values[SET_MAX][VALUE_MAX];
    struct slice texts[2 * SET_MAX];
    size_t count;
};

static void draw(struct model *m, struct pairs *out) {
    out->count = 1 + below(m, SET_MAX);
    for (size_t i = 0; i < out->count; i++) {
        out->numbers[i] = below(m, UNIVERSE);
        out->texts[2 * i] = field_of(out->numbers[i], out->fields[i]);
        out->texts[2 * i + 1] = random_value(m, out->values[i]);
    }
}

static void set(struct model *m) {
    struct pairs pairs;
    draw(m, &pairs);
    size_t added, expected = 0;
    unsigned choice = m->has_expiry ? below(m, 4) : 0;
    int64_t expiry_ms = choice == 0 ? 0 : choice == 1 ? random_expiry(m) : HASH_KEEP_EXPIRY;
    const struct object_type *before = m->hash != NULL ? m->hash->type : NULL;
    bool is_refused = below(m, 3) == 0;
    enum larder_status status;
    unsigned nth = 1;
    do {
        refuse(m, is_refused, nth++);
        status =
            hash_set(&m->hash, &m->context, pairs.texts, pairs.count, expiry_ms, m->now_ms, &added);
    } while (must_repeat(m, status));
    for (size_t i = 0; i < pairs.count; i++) {
        struct expected *field = &m->fields[pairs.numbers[i]];
        bool was_shown = is_shown(m, pairs.numbers[i]);
        expected += !was_shown;
        if (expiry_ms != HASH_KEEP_EXPIRY || !was_shown)
            field->expiry_ms = expiry_ms == HASH_KEEP_EXPIRY ? 0 : expiry_ms;
        field->is_there = true;
        memcpy(field->value, pairs.values[i], VALUE_MAX);
    }
    assert_int_equal(added, expected);
    m->passages += before != NULL && m->hash->type != before;
}

static void discard_if_empty(struct model *m) {
    if (m->hash == NULL || object_length(m->hash) > 0)
        return;
    object_destroy(m->hash, m->context.allocator);
    m->hash = NULL;
}

static void take_out(struct model *m, unsigned n) {
    char text[TEXT_MAX];
    if (m->hash == NULL)
        return;
    bool was_shown = is_shown(m, n);
    assert_int_equal(hash_remove(&m->hash, &m->context, field_of(n, text), m->now_ms), was_shown);
    m->fields[n] = (struct expected){.is_there = false};
    discard_if_empty(m);
}

/* Give some fields that are shown another time, or none. */
static void give_times(struct model *m) {
    struct pairs pairs;
    struct slice fields[SET_MAX];
    size_t count = 0;
    draw(m, &pairs);
    for (size_t i = 0; i < pairs.count; i++)
        if (is_shown(m, pairs.numbers[i])) {
            pairs.numbers[count] = pairs.numbers[i];
            fields[count++] = pairs.texts[2 * i];
        }
    if (m->hash == NULL || count == 0)
        return;
    int64_t expiry_ms = below(m, 3) == 0 ? 0 : random_expiry(m);
    const struct object_type *before = m->hash->type;
    bool is_refused = below(m, 3) == 0;
    enum larder_status status;
    unsigned nth = 1;
    do {
        refuse(m, is_refused, nth++);
        status = hash_reserve_expiry(&m->hash, &m->context, fields, count);
    } while (must_repeat(m, status));
    check(m);
    m->passages += m->hash->type != before;
    test_allocator_fail_in(&m->allocator, 1, 1);
    for (size_t i = 0; i < count; i++) {
        hash_set_expiry(m->hash, &m->context, fields[i], expiry_ms);
        m->fields[pairs.numbers[i]].expiry_ms = expiry_ms;
    }
    test_allocator_fail_never(&m->allocator);
}

/* What the sweep does: names of some that have expired, removed one by one. */
static void sweep(struct model *m) {
    enum { NAMES = 7 };
    struct slice names[NAMES];
    size_t count = NAMES;
    while (m->hash != NULL && m->hash->type->expiry != NULL && count == NAMES) {
        const struct object_expiry *expiry = m->hash->type->expiry;
        count = expiry->expired(m->hash, m->now_ms, names, NAMES);
        for (size_t i = 0; i < count; i++) {
            unsigned n = number_of(names[i]);
            assert_true(m->fields[n].is_there && is_past(m, &m->fields[n]));
            expiry->remove(&m->hash, &m->context, names[i]);
            m->fields[n] = (struct expected){.is_there = false};
            m->expired++;
        }
        expiry->update_due(m->hash);
        discard_if_empty(m);
    }
    for (unsigned n = 0; n < UNIVERSE; n++)
        assert_false(m->fields[n].is_there && is_past(m, &m->fields[n]));
}

/* ---- reading ---- */

static void add_digits(void *context, const struct slice *parts, size_t count) {
    const struct hash_seed seed = {{1, 2}};
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = sum * 31 + hash_key(&seed, parts[i], (uint32_t)i);
    *(uint64_t *)context += sum;
}

/* A number that equal contents have in common, whatever the order. */
static uint64_t content_of(const struct object *hash) {
    uint64_t content = 0;
    hash->type->visit(hash, add_digits, &content);
    return content;
}

static void copy_and_free(struct model *m) {
    if (m->hash == NULL)
        return;
    size_t before = m->allocator.heap_bytes;
    struct object *copy = NULL;
    for (unsigned nth = 1; copy == NULL; nth++) {
        assert_int_equal(m->allocator.heap_bytes, before);
        test_allocator_fail_in(&m->allocator, nth, 0);
        copy = m->hash->type->copy(m->hash, m->context.allocator);
        test_allocator_fail_never(&m->allocator);
    }
    assert_int_equal(object_bytes(copy), m->allocator.heap_bytes - before);
    assert_int_equal(object_length(copy), object_length(m->hash));
    assert_int_equal(object_due_ms(copy) == INT64_MAX, object_due_ms(m->hash) == INT64_MAX);
    assert_ptr_equal(copy->type, m->hash->type);
    assert_true(content_of(copy) == content_of(m->hash));
    while (!copy->type->free_some(copy, m->context.allocator, 7))
        ;
    assert_int_equal(m->allocator.heap_bytes, before);
}

struct seen {
    struct model *m;
    bool shown[UNIVERSE];
};

static void note_shown(void *context, const struct hash_pair *pair) {
    struct seen *seen = context;
    unsigned n = number_of(pair->field);
    check_pair(seen->m, n, pair);
    seen->shown[n] = true;
}

/* In two halves, between which the hash may grow and shrink: what stays is shown. */
static void scan(struct model *m) {
    struct seen seen = {.m = m};
    bool stayed[UNIVERSE];
    if (m->hash == NULL)
        return;
    for (unsigned n = 0; n < UNIVERSE; n++)
        stayed[n] = is_shown(m, n);
    uint64_t cursor =
        hash_scan(m->hash, &m->context, 0, 1 + below(m, 50), m->now_ms, note_shown, &seen);
    for (unsigned i = 0; cursor != 0 && i < 40 && object_length(m->hash) > 1; i++) {
        unsigned n = below(m, UNIVERSE);
        take_out(m, n);
        stayed[n] = false;
        assert_non_null(m->hash);
    }
    while (cursor != 0)
        cursor = hash_scan(m->hash, &m->context, cursor, 5, m->now_ms, note_shown, &seen);
    for (unsigned n = 0; n < UNIVERSE; n++)
        assert_true(!stayed[n] || seen.shown[n]);
}

static void pick(struct model *m) {
    uint8_t scratch[2 * INT64_TEXT_MAX];
    struct hash_pair pair;
    if (m->hash == NULL || shown_count(m) == 0)
        return;
    hash_random(m->hash, &m->random, m->now_ms, scratch, &pair);
    unsigned n = number_of(pair.field);
    assert_true(is_shown(m, n));
    check_pair(m, n, &pair);
}

/* ---- runs ---- */

static void step(struct model *m, bool is_growing) {
    unsigned choice = below(m, 20);
    if (choice < (is_growing ? 6u : 1u))
        set(m);
    else if (choice < 12)
        take_out(m, below(m, UNIVERSE));
    else if (choice < 14 && m->has_expiry)
        give_times(m);
    else if (choice < 16)
        pick(m);
    else if (choice == 16)
        scan(m);
    if (m->has_expiry && choice == 17) {
        m->now_ms += below(m, 300);
        if (below(m, 2) == 0)
            sweep(m);
    }
}

/* The passages between representations that it saw. */
static unsigned run(uint64_t seed, int64_t entries, int64_t value_bytes, bool has_expiry) {
    struct model *m = calloc(1, sizeof(*m));
    test_allocator_init(&m->allocator);
    m->random = random_seeded(seed);
    m->has_expiry = has_expiry;
    m->now_ms = 1000000;
    object_limits_init(&m->limits);
    atomic_store(&m->limits.hash_entries, entries);
    atomic_store(&m->limits.hash_value_bytes, value_bytes);
    m->seed = (struct hash_seed){{seed, ~seed}};
    m->context = (struct object_context){&m->allocator.base, &m->seed, &m->limits};
    for (unsigned i = 0; i < STEPS; i++) {
        /* It grows for some time, then shrinks to nothing. */
        step(m, i % 1300 < 600);
        if (i % 97 == 0) {
            check(m);
            copy_and_free(m);
        }
    }
    assert_true(m->refusals > 0);
    assert_int_equal(m->expired > 0, has_expiry);
    unsigned passages = m->passages;
    while (m->hash != NULL && !m->hash->type->free_some(m->hash, m->context.allocator, 5))
        ;
    assert_int_equal(m->allocator.heap_bytes, 0);
    free(m);
    return passages;
}

static void a_hash_is_what_the_reference_says_under_all_limits(void **state) {
    (void)state;
    uint64_t seed = test_seed("hash model");
    /* Too many fields, or a long value, end the flat one. */
    assert_true(run(seed, 16, VALUE_MAX, false) > 0);
    assert_true(run(seed + 1, 128, VALUE_MAX, false) > 0);
    (void)run(seed + 2, 5000, 64, false);
    /* No limit is ever passed. */
    assert_int_equal(run(seed + 3, 0, VALUE_MAX, false), 0);
    assert_int_equal(run(seed + 4, 5000, VALUE_MAX, false), 0);
    /* A field that expires ends it too. */
    assert_true(run(seed + 5, 5000, VALUE_MAX, true) + run(seed + 6, 5000, VALUE_MAX, true) > 0);
    (void)run(seed + 7, 128, 64, true);
    assert_int_equal(run(seed + 8, 0, VALUE_MAX, true), 0);
}

/* Whatever order they were given in, fields are gone in the order of their times. */
static void fields_expire_in_the_order_of_their_times(void **state) {
    (void)state;
    enum { FIELDS = 200 };
    struct model *m = calloc(1, sizeof(*m));
    test_allocator_init(&m->allocator);
    m->random = random_seeded(test_seed("hash expiry order"));
    object_limits_init(&m->limits);
    m->seed = (struct hash_seed){{3, 4}};
    m->context = (struct object_context){&m->allocator.base, &m->seed, &m->limits};
    size_t added;
    for (unsigned n = 0; n < FIELDS; n++) {
        char text[TEXT_MAX];
        struct slice pair[] = {field_of(n, text), SLICE_LITERAL("v")};
        m->fields[n] = (struct expected){true, "v", 1000 + below(m, 500)};
        assert_int_equal(
            hash_set(&m->hash, &m->context, pair, 1, m->fields[n].expiry_ms, 1, &added), LARDER_OK);
    }
    while (m->hash != NULL) {
        int64_t due_ms = object_due_ms(m->hash);
        m->now_ms = due_ms;
        check(m);
        assert_int_equal(shown_count(m), object_length(m->hash));
        unsigned before = m->expired;
        m->now_ms = due_ms + 1;
        sweep(m);
        assert_true(m->expired > before);
    }
    assert_int_equal(m->expired, FIELDS);
    assert_int_equal(m->allocator.heap_bytes, 0);
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_what_the_reference_says_under_all_limits),
        cmocka_unit_test(fields_expire_in_the_order_of_their_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
