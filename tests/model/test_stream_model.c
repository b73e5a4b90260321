/* SPDX-License-Identifier: BSD-3-Clause */
/* Random operations on a stream and on a naive one, with nodes of several sizes: same results, same
 * content, exact accounting, equal copies; with refused allocations the operation changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "ds/stream.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ENTRIES_MAX = 4000,
    PENDING_MAX = 4000,
    GROUPS = 3,
    CONSUMERS = 4,
    TEXTS_MAX = 6,
    TEXT_BYTES = 96,
    OPERATIONS = 30000,
    REFUSED_OPERATIONS = 3000,
};

struct model_entry {
    struct stream_id id;
    size_t count;
    char texts[TEXTS_MAX][TEXT_BYTES];
};

struct model_pending {
    struct stream_id id;
    unsigned consumer;
    int64_t time_ms;
    uint64_t count;
};

struct model_group {
    bool is_there;
    bool has_consumer[CONSUMERS];
    struct stream_id last_id;
    int64_t entries_read;
    size_t pending_count;
    struct model_pending pending[PENDING_MAX];
};

struct model {
    size_t count;
    struct model_entry entries[ENTRIES_MAX];
    struct stream_id last_id, max_deleted_id;
    uint64_t entries_added;
    struct model_group groups[GROUPS];
};

struct trial {
    struct random random;
    struct test_allocator allocator;
    struct object_limits limits;
    struct hash_seed seed;
    struct object_context context;
    struct object *stream;
    struct model *model;
    bool refuses; /* one allocation of each operation */
    unsigned attempt;
    unsigned refused;
};

static const char *const GROUP_NAMES[GROUPS] = {"", "g", "group"};
static const char *const CONSUMER_NAMES[CONSUMERS] = {"c", "", "consumer", "d"};

static uint64_t below(struct trial *t, uint64_t bound) {
    return random_below(&t->random, bound);
}

/* ---- pictures ---- */

static void print_parts(void *context, const struct slice *parts, size_t count) {
    FILE *out = context;
    for (size_t i = 0; i < count; i++) {
        fputc(i == 0 ? '(' : '|', out);
        fwrite(parts[i].data, 1, parts[i].size, out);
    }
    fputc('\n', out);
}

static char *picture_of(const struct object *stream) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    stream->type->visit(stream, print_parts, out);
    fclose(out);
    return text;
}

static void print_id(FILE *out, struct stream_id id) {
    fprintf(out, "|%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.sequence);
}

static void print_group(FILE *out, const struct model *m, unsigned g) {
    static const unsigned ORDER[CONSUMERS] = {1, 0, 2, 3};
    const struct model_group *group = &m->groups[g];
    fprintf(out, "(group|%s", GROUP_NAMES[g]);
    print_id(out, group->last_id);
    fprintf(out, "|%lld\n", (long long)group->entries_read);
    for (unsigned i = 0; i < CONSUMERS; i++)
        if (group->has_consumer[ORDER[i]])
            fprintf(out, "(consumer|%s|%s\n", GROUP_NAMES[g], CONSUMER_NAMES[ORDER[i]]);
    for (size_t i = 0; i < group->pending_count; i++) {
        const struct model_pending *p = &group->pending[i];
        fprintf(out, "(pending|%s", GROUP_NAMES[g]);
        print_id(out, p->id);
        fprintf(out, "|%s|%lld|%llu\n", CONSUMER_NAMES[p->consumer], (long long)p->time_ms,
                (unsigned long long)p->count);
    }
}

static char *picture_of_model(const struct model *m) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < m->count; i++) {
        fprintf(out, "(entry");
        print_id(out, m->entries[i].id);
        for (size_t k = 0; k < m->entries[i].count; k++)
            fprintf(out, "|%s", m->entries[i].texts[k]);
        fputc('\n', out);
    }
    fprintf(out, "(counters");
    print_id(out, m->last_id);
    print_id(out, m->max_deleted_id);
    fprintf(out, "|%llu\n", (unsigned long long)m->entries_added);
    for (unsigned g = 0; g < GROUPS; g++)
        if (m->groups[g].is_there)
            print_group(out, m, g);
    fclose(out);
    return text;
}

static void compare(struct trial *t) {
    char *expected = picture_of_model(t->model), *found = picture_of(t->stream);
    assert_string_equal(found, expected);
    assert_int_equal(object_bytes(t->stream), t->allocator.heap_bytes);
    assert_int_equal(object_length(t->stream), t->model->count);
    free(expected);
    free(found);
}

/* ---- operations ----
 * Each tells whether it found no memory; then it changed nothing and is done again. */

/* Attempt after attempt the refusal comes later, until the operation gets by without it. */
static void refuse_one(struct trial *t) {
    if (t->refuses)
        test_allocator_fail_in(&t->allocator, 1 + below(t, UINT64_C(2) << t->attempt++), 0);
}

/* Whether an operation that returned this status is over. */
static bool is_over(struct trial *t, enum larder_status status, const char *before) {
    test_allocator_fail_never(&t->allocator);
    if (status == LARDER_OK)
        return true;
    assert_int_equal(status, LARDER_NO_MEMORY);
    assert_true(t->refuses);
    char *after = picture_of(t->stream);
    assert_string_equal(after, before);
    assert_int_equal(object_bytes(t->stream), t->allocator.heap_bytes);
    free(after);
    t->refused++;
    return false;
}

#define UNTIL_OVER(t, expression)                                                                  \
    do {                                                                                           \
        char *before_ = (t)->refuses ? picture_of((t)->stream) : NULL;                             \
        enum larder_status status_;                                                                \
        do {                                                                                       \
            refuse_one(t);                                                                         \
            status_ = (expression);                                                                \
        } while (!is_over(t, status_, before_));                                                   \
        free(before_);                                                                             \
    } while (0)

static void fill_text(struct trial *t, char *out, bool is_name) {
    switch (below(t, is_name ? 3 : 5)) {
    case 0: sprintf(out, "n%d", (int)below(t, 3)); break;
    case 1: sprintf(out, "name"); break;
    case 2: sprintf(out, "%d", (int)below(t, 1000) - 500); break;
    case 3: sprintf(out, "%lld", (long long)random_next(&t->random)); break;
    default: {
        size_t size = below(t, TEXT_BYTES);
        memset(out, 'x', size);
        out[size] = '\0';
    }
    }
}

static void add(struct trial *t) {
    struct model *m = t->model;
    if (m->count == ENTRIES_MAX)
        return;
    struct model_entry entry = {.id = m->last_id, .count = 2 + 2 * below(t, TEXTS_MAX / 2)};
    if (below(t, 2) == 0)
        entry.id.sequence += 1 + below(t, 3);
    else
        entry.id = (struct stream_id){entry.id.ms + 1 + below(t, 300), below(t, 3)};
    struct slice texts[TEXTS_MAX];
    bool has_usual_names = below(t, 3) != 0;
    for (size_t i = 0; i < entry.count; i++) {
        fill_text(t, entry.texts[i], i % 2 == 0);
        if (has_usual_names && i % 2 == 0)
            sprintf(entry.texts[i], "f%d", (int)i);
        texts[i] = slice_of_string(entry.texts[i]);
    }
    UNTIL_OVER(t, stream_append(t->stream, &t->context, entry.id, texts, entry.count));
    m->entries[m->count++] = entry;
    m->last_id = entry.id;
    m->entries_added++;
}

/* The first entry that is not below the id. */
static size_t position_of(const struct model *m, struct stream_id id) {
    size_t at = 0;
    while (at < m->count && stream_id_is_less(m->entries[at].id, id))
        at++;
    return at;
}

static bool is_at(const struct model *m, size_t at, struct stream_id id) {
    return at < m->count && stream_id_equal(m->entries[at].id, id);
}

/* Mostly an id that is there. */
static struct stream_id some_id(struct trial *t) {
    const struct model *m = t->model;
    if (m->count > 0 && below(t, 4) != 0)
        return m->entries[below(t, m->count)].id;
    return (struct stream_id){below(t, m->last_id.ms + 2), below(t, 4)};
}

static void drop_front(struct model *m, size_t count) {
    m->count -= count;
    memmove(m->entries, m->entries + count, m->count * sizeof(*m->entries));
}

static void delete_one(struct trial *t) {
    struct model *m = t->model;
    struct stream_id id = some_id(t);
    size_t at = position_of(m, id);
    bool is_there = is_at(m, at, id);
    assert_int_equal(stream_delete(t->stream, &t->allocator.base, id), is_there);
    if (!is_there)
        return;
    m->count--;
    memmove(&m->entries[at], &m->entries[at + 1], (m->count - at) * sizeof(*m->entries));
    if (stream_id_is_less(m->max_deleted_id, id))
        m->max_deleted_id = id;
}

static void trim(struct trial *t) {
    struct model *m = t->model;
    struct stream_trim trim = {
        .is_by_length = below(t, 2) == 0,
        .is_approximate = below(t, 2) == 0,
        .max_length = m->count - below(t, m->count / 8 + 1),
        .min_id = m->count == 0 ? m->last_id : m->entries[below(t, m->count / 8 + 1)].id,
    };
    if (trim.is_approximate && below(t, 2) == 0)
        trim.limit = 1 + below(t, 20);
    size_t exact =
        trim.is_by_length ? m->count - (size_t)trim.max_length : position_of(m, trim.min_id);
    size_t deleted = (size_t)stream_trim(t->stream, &t->allocator.base, &trim);
    if (trim.is_approximate)
        assert_true(deleted <= exact && (trim.limit == 0 || deleted <= trim.limit));
    else
        assert_int_equal(deleted, exact);
    drop_front(m, deleted);
}

static void look_up(struct trial *t) {
    const struct model *m = t->model;
    struct stream_id start = some_id(t), end = some_id(t);
    struct stream_cursor cursor;
    struct stream_entry entry;
    bool is_reverse = below(t, 2) == 0;
    assert_int_equal(stream_find(t->stream, start, &entry), is_at(m, position_of(m, start), start));
    stream_cursor_init(&cursor, t->stream, start, end, is_reverse);
    size_t from = position_of(m, start), to = position_of(m, end);
    to += is_at(m, to, end);
    for (; from < to; is_reverse ? to-- : from++) {
        const struct model_entry *expected = &m->entries[is_reverse ? to - 1 : from];
        assert_true(stream_cursor_next(&cursor, &entry));
        assert_true(stream_id_equal(entry.id, expected->id));
        assert_int_equal(2 * entry.field_count, expected->count);
    }
    assert_false(stream_cursor_next(&cursor, &entry));
}

/* ---- groups ---- */

static struct stream_group *group_at(struct trial *t, unsigned g) {
    return stream_find_group(t->stream, slice_of_string(GROUP_NAMES[g]));
}

static struct stream_consumer *consumer_at(struct trial *t, unsigned g, unsigned c) {
    return stream_find_consumer(group_at(t, g), slice_of_string(CONSUMER_NAMES[c]));
}

static enum larder_status create_group(struct trial *t, unsigned g, struct stream_id id) {
    return stream_create_group(t->stream, &t->allocator.base, slice_of_string(GROUP_NAMES[g]), id,
                               7) == NULL
               ? LARDER_NO_MEMORY
               : LARDER_OK;
}

static enum larder_status create_consumer(struct trial *t, unsigned g, unsigned c) {
    return stream_create_consumer(t->stream, &t->allocator.base, group_at(t, g),
                                  slice_of_string(CONSUMER_NAMES[c]), 5) == NULL
               ? LARDER_NO_MEMORY
               : LARDER_OK;
}

/* The group and the consumer are there afterwards. */
static void ensure(struct trial *t, unsigned g, unsigned c) {
    struct model_group *group = &t->model->groups[g];
    if (!group->is_there) {
        struct stream_id id = some_id(t);
        UNTIL_OVER(t, create_group(t, g, id));
        memset(group, 0, sizeof(*group));
        group->is_there = true;
        group->last_id = id;
        group->entries_read = 7;
    }
    if (!group->has_consumer[c]) {
        UNTIL_OVER(t, create_consumer(t, g, c));
        group->has_consumer[c] = true;
    }
}

static size_t pending_position(const struct model_group *group, struct stream_id id) {
    size_t at = 0;
    while (at < group->pending_count && stream_id_is_less(group->pending[at].id, id))
        at++;
    return at;
}

static bool is_pending(const struct model_group *group, size_t at, struct stream_id id) {
    return at < group->pending_count && stream_id_equal(group->pending[at].id, id);
}

static void set_pending(struct model_group *group, struct model_pending pending) {
    size_t at = pending_position(group, pending.id);
    if (!is_pending(group, at, pending.id)) {
        memmove(&group->pending[at + 1], &group->pending[at],
                (group->pending_count - at) * sizeof(pending));
        group->pending_count++;
    }
    group->pending[at] = pending;
}

static void drop_pending(struct model_group *group, size_t at) {
    group->pending_count--;
    memmove(&group->pending[at], &group->pending[at + 1],
            (group->pending_count - at) * sizeof(*group->pending));
}

/* Several ids at once, ascending or not, all or none. */
struct claims {
    unsigned group, consumer;
    size_t count;
    struct stream_id ids[40];
};

static enum larder_status prepare_claims(struct trial *t, const struct claims *claims) {
    struct stream_group *group = group_at(t, claims->group);
    struct stream_consumer *consumer = consumer_at(t, claims->group, claims->consumer);
    enum larder_status status = LARDER_OK;
    size_t i = 0;
    for (; i < claims->count && status == LARDER_OK; i++)
        status =
            stream_claim_prepare(t->stream, &t->allocator.base, group, consumer, claims->ids[i]);
    for (size_t k = 0; status != LARDER_OK && k < i; k++)
        stream_claim_abort(t->stream, &t->allocator.base, group, consumer, claims->ids[k]);
    return status;
}

static void claim(struct trial *t) {
    struct claims claims = {
        (unsigned)below(t, GROUPS), (unsigned)below(t, CONSUMERS), 1 + below(t, 40), {{0, 0}}};
    struct model_group *group = &t->model->groups[claims.group];
    ensure(t, claims.group, claims.consumer);
    if (group->pending_count + claims.count > PENDING_MAX)
        return;
    struct stream_id next = {below(t, t->model->last_id.ms + 2), 0};
    bool is_ascending = below(t, 2) == 0;
    for (size_t i = 0; i < claims.count; i++) {
        claims.ids[i] = is_ascending ? next : some_id(t);
        (void)stream_id_increment(&next);
    }
    UNTIL_OVER(t, prepare_claims(t, &claims));
    for (size_t i = 0; i < claims.count; i++) {
        int64_t time_ms = (int64_t)below(t, 100000);
        uint64_t count = below(t, 9);
        stream_claim_commit(t->stream, &t->allocator.base, group_at(t, claims.group),
                            consumer_at(t, claims.group, claims.consumer), claims.ids[i], time_ms,
                            count);
        set_pending(group, (struct model_pending){claims.ids[i], claims.consumer, time_ms, count});
    }
}

static void acknowledge(struct trial *t) {
    unsigned g = (unsigned)below(t, GROUPS);
    struct model_group *group = &t->model->groups[g];
    if (!group->is_there)
        return;
    for (unsigned i = 0; i < 30; i++) {
        struct stream_id id = some_id(t);
        if (group->pending_count > 0 && below(t, 3) != 0)
            id = group->pending[below(t, group->pending_count)].id;
        size_t at = pending_position(group, id);
        bool is_there = is_pending(group, at, id);
        assert_int_equal(stream_acknowledge(t->stream, &t->allocator.base, group_at(t, g), id),
                         is_there);
        if (is_there)
            drop_pending(group, at);
    }
}

static void walk_pending(struct trial *t) {
    unsigned g = (unsigned)below(t, GROUPS), c = (unsigned)below(t, CONSUMERS);
    const struct model_group *group = &t->model->groups[g];
    if (!group->is_there || !group->has_consumer[c])
        return;
    bool is_of_one = below(t, 2) == 0;
    struct stream_id start = some_id(t), id;
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    stream_pending_seek(&cursor, group_at(t, g), is_of_one ? consumer_at(t, g, c) : NULL, start);
    for (size_t at = pending_position(group, start); at < group->pending_count; at++) {
        if (is_of_one && group->pending[at].consumer != c)
            continue;
        assert_true(stream_pending_next(&cursor, &id, &pending));
        assert_true(stream_id_equal(id, group->pending[at].id));
        assert_ptr_equal(pending, stream_find_pending(group_at(t, g), id));
    }
    assert_false(stream_pending_next(&cursor, &id, &pending));
}

static void delete_consumer(struct trial *t) {
    unsigned g = (unsigned)below(t, GROUPS), c = (unsigned)below(t, CONSUMERS);
    struct model_group *group = &t->model->groups[g];
    if (!group->is_there || !group->has_consumer[c])
        return;
    stream_delete_consumer(t->stream, &t->allocator.base, group_at(t, g), consumer_at(t, g, c));
    group->has_consumer[c] = false;
    for (size_t i = group->pending_count; i-- > 0;)
        if (group->pending[i].consumer == c)
            drop_pending(group, i);
}

static void destroy_group(struct trial *t) {
    unsigned g = (unsigned)below(t, GROUPS);
    if (!t->model->groups[g].is_there)
        return;
    stream_destroy_group(t->stream, &t->allocator.base, group_at(t, g));
    t->model->groups[g].is_there = false;
}

/* The copy takes the place of the original, which is freed a little at a time. */
static void copy(struct trial *t) {
    struct object *copied = NULL;
    size_t held = t->allocator.heap_bytes;
    while (copied == NULL) {
        refuse_one(t);
        copied = t->stream->type->copy(t->stream, &t->allocator.base);
        test_allocator_fail_never(&t->allocator);
        if (copied == NULL) {
            assert_int_equal(t->allocator.heap_bytes, held);
            assert_true(t->refuses);
            t->refused++;
        }
    }
    while (!t->stream->type->free_some(t->stream, &t->allocator.base, 1 + below(t, 100)))
        ;
    t->stream = copied;
}

static void operate(struct trial *t) {
    uint64_t kind = below(t, 1000);
    t->attempt = 0;
    if (kind < 500)
        add(t);
    else if (kind < 600)
        delete_one(t);
    else if (kind < 620)
        trim(t);
    else if (kind < 700)
        look_up(t);
    else if (kind < 850)
        claim(t);
    else if (kind < 950)
        acknowledge(t);
    else if (kind < 980)
        walk_pending(t);
    else if (kind < 985)
        delete_consumer(t);
    else if (kind < 987)
        destroy_group(t);
    else if (kind < 990)
        copy(t);
}

static void run(uint64_t seed, bool refuses, unsigned operations) {
    struct trial *t = calloc(1, sizeof(*t));
    t->model = calloc(1, sizeof(*t->model));
    t->random = random_seeded(seed);
    t->refuses = refuses;
    test_allocator_init(&t->allocator);
    object_limits_init(&t->limits);
    static const int64_t NODE_BYTES[] = {4096, 200, 1}, NODE_ENTRIES[] = {100, 5, 0};
    atomic_store(&t->limits.stream_node_bytes, NODE_BYTES[below(t, 3)]);
    atomic_store(&t->limits.stream_node_entries, NODE_ENTRIES[below(t, 3)]);
    t->context = (struct object_context){&t->allocator.base, &t->seed, &t->limits};
    t->stream = stream_create(&t->context);
    for (unsigned i = 0; i < operations; i++) {
        operate(t);
        if (i % 64 == 0)
            compare(t);
    }
    compare(t);
    assert_true(!refuses || t->refused > operations / 20);
    object_destroy(t->stream, &t->allocator.base);
    assert_int_equal(t->allocator.heap_bytes, 0);
    free(t->model);
    free(t);
}

static void a_stream_does_what_a_naive_one_does(void **state) {
    (void)state;
    uint64_t seed = test_seed("stream model");
    for (unsigned i = 0; i < 4; i++)
        run(seed + i, false, OPERATIONS / 4);
}

static void a_refused_allocation_changes_nothing(void **state) {
    (void)state;
    uint64_t seed = test_seed("stream without memory");
    for (unsigned i = 0; i < 3; i++)
        run(seed + 100 + i, true, REFUSED_OPERATIONS / 3);
}

/* Every id once, in an order that jumps about. */
static struct stream_id scattered(uint64_t i, uint64_t factor) {
    enum { PRIME = 20011 };
    uint64_t number = i * factor % PRIME;
    return (struct stream_id){number / 7, number % 7};
}

static void check_order(const struct stream_tree *tree) {
    size_t count = 0;
    struct stream_id before = {0, 0};
    struct stream_place place = stream_tree_first(tree);
    for (; place.page != NULL; stream_place_next(&place), count++) {
        struct stream_id id = stream_place_item(&place)->id;
        assert_true(stream_id_is_less(before, id));
        before = id;
    }
    assert_int_equal(count, tree->count);
}

static void a_tree_keeps_ids_in_order_however_they_come_and_go(void **state) {
    (void)state;
    enum { IDS = 20010 };
    static char values[IDS + 1];
    struct test_allocator allocator;
    struct stream_tree tree = {.root = NULL};
    test_allocator_init(&allocator);
    for (uint64_t i = 1; i <= IDS; i++)
        assert_int_equal(stream_tree_insert(&tree, &allocator.base, scattered(i, 7919), &values[i]),
                         LARDER_OK);
    for (uint64_t i = 1; i <= IDS; i++)
        assert_ptr_equal(stream_tree_find(&tree, scattered(i, 7919)), &values[i]);
    check_order(&tree);
    for (uint64_t i = 1; i <= IDS; i++) {
        struct stream_id id = scattered(i, 104729);
        void *value = stream_tree_find(&tree, id);
        assert_non_null(value);
        assert_ptr_equal(stream_tree_remove(&tree, &allocator.base, id), value);
        assert_null(stream_tree_remove(&tree, &allocator.base, id));
        assert_int_equal(tree.bytes, allocator.heap_bytes);
        if (i % 2000 == 0)
            check_order(&tree);
    }
    assert_int_equal(allocator.heap_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_keeps_ids_in_order_however_they_come_and_go),
        cmocka_unit_test(a_stream_does_what_a_naive_one_does),
        cmocka_unit_test(a_refused_allocation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
