/* SPDX-License-Identifier: BSD-3-Clause */
/* Flushed and exchanged databases: their effects give a second node the same keys, and what a
 * transaction still has to tell follows its database. */
#include "node/keyspace_admin.h"

#include "node/interest.h"
#include "node/section.h"
#include "support/test_allocator.h"
#include "support/test_seed.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PARTITIONS = 7, DATABASES = 4, KEYS = 12, STEPS = 4000, ARGUMENTS_MAX = 16 };

struct fixture {
    struct test_allocator allocator;
    struct node *node;
    struct node_client client;
    char events[256];
};

static void note_event(void *context, struct node_thread *thread, uint32_t database, uint32_t class,
                       const char *event, struct slice key) {
    struct fixture *f = context;
    (void)thread;
    (void)class;
    size_t used = strlen(f->events);
    (void)snprintf(f->events + used, sizeof(f->events) - used, "%u %s %.*s\n", database, event,
                   (int)key.size, (const char *)key.data);
}

static void setup(struct fixture *f, bool emits_effects) {
    *f = (struct fixture){.node = NULL};
    test_allocator_init(&f->allocator);
    struct node_options options = {.allocator = &f->allocator.base,
                                   .partition_count = PARTITIONS,
                                   .database_count = DATABASES,
                                   .seed = 3,
                                   .emits_effects = emits_effects};
    assert_int_equal(node_create(&options, &f->node), LARDER_OK);
    node_client_init(&f->client, f->node);
}

static void teardown(struct fixture *f) {
    node_client_finish(&f->client);
    node_destroy(f->node);
    assert_int_equal(f->allocator.heap_bytes, 0);
}

static void dispose(struct fixture *f, struct node_flush *flush) {
    while (node_flush_step(&f->client.thread, flush, 3))
        node_client_tick(&f->client, 0);
}

static void run(struct fixture *f, uint32_t database, const char *line) {
    f->client.database = database;
    node_client_run(&f->client, line);
}

static void flush_database(struct fixture *f, uint32_t database) {
    struct node_flush flush = {.has_dead = false};
    assert_int_equal(node_flush_database(&f->client.thread, database, &flush), LARDER_OK);
    dispose(f, &flush);
}

static void flush_all(struct fixture *f) {
    struct node_flush flush = {.has_dead = false};
    assert_int_equal(node_flush_all(&f->client.thread, &flush), LARDER_OK);
    dispose(f, &flush);
}

/* What the first has emitted, on the second. */
static void apply(struct fixture *from, struct fixture *to) NO_THREAD_SAFETY {
    struct effects *effects = &from->client.thread.effects;
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[ARGUMENTS_MAX];
    enum larder_status status;
    effect_reader_init(&reader, slice_of(effects->data, effects->used));
    while ((status = effect_reader_next(&reader, &part, arguments, ARGUMENTS_MAX)) == LARDER_OK) {
        assert_int_equal(call_apply_effect(&to->node->keyspace, &to->client.thread.store, &part,
                                           arguments, &to->client.reply),
                         LARDER_OK);
        node_client_tick(&to->client, 0);
    }
    assert_int_equal(status, LARDER_NOT_FOUND);
    effects_clear(effects);
}

static void compare(struct fixture *a, struct fixture *b) {
    char line[32], expected[64];
    for (uint32_t database = 0; database < DATABASES; database++) {
        for (unsigned key = 0; key < KEYS; key++) {
            (void)sprintf(line, "GET k%u", key);
            run(a, database, line);
            (void)snprintf(expected, sizeof(expected), "%s", a->client.text);
            run(b, database, line);
            assert_string_equal(b->client.text, expected);
        }
    }
}

static void effects_of_flushes_and_swaps_give_equal_databases(void **state) {
    (void)state;
    struct random random = random_seeded(test_seed("keyspace administration"));
    struct fixture primary, copy;
    char line[64];
    setup(&primary, true);
    setup(&copy, false);
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t database = (uint32_t)random_below(&random, DATABASES);
        uint32_t other = (uint32_t)random_below(&random, DATABASES);
        unsigned choice = (unsigned)random_below(&random, 60);
        if (choice == 0) {
            flush_all(&primary);
        } else if (choice < 4) {
            flush_database(&primary, database);
        } else if (choice < 8 && database != other) {
            assert_int_equal(node_swap_databases(&primary.client.thread, database, other),
                             LARDER_OK);
        } else {
            (void)sprintf(line, choice < 45 ? "SET k%u %u" : "DEL k%u",
                          (unsigned)random_below(&random, KEYS), step);
            run(&primary, database, line);
        }
        if (random_below(&random, 20) == 0) {
            apply(&primary, &copy);
            compare(&primary, &copy);
        }
    }
    teardown(&primary);
    teardown(&copy);
}

/* Begin a section over the whole keyspace, as EXEC with FLUSHDB in it does. */
static void begin(struct fixture *f) {
    struct section_plan plan;
    section_plan_init(&plan, f->node->allocator);
    plan.kind = SECTION_ALL;
    assert_int_equal(node_section_begin(&f->client.thread, &plan), LARDER_OK);
    section_plan_finish(&plan);
}

static bool is_broken(struct fixture *f, struct watch_set *set) {
    begin(f);
    bool result = node_watch_is_broken(&f->client.thread, set);
    node_section_end(&f->client.thread);
    return result;
}

/* A key that a transaction deletes before it empties or exchanges its database was changed. */
static void a_watch_breaks_when_its_key_is_deleted_before_the_flush(void **state) {
    (void)state;
    for (unsigned variant = 0; variant < 3; variant++) {
        struct fixture f;
        struct watch_set set = {.count = 0};
        struct node_flush flush = {.has_dead = false};
        setup(&f, false);
        run(&f, 0, "SET watched 1");
        run(&f, 1, "SET other 1");
        assert_int_equal(node_watch(&f.client.thread, &set, 0, SLICE_LITERAL("watched"), false),
                         LARDER_OK);
        begin(&f);
        run(&f, 0, "DEL watched");
        enum larder_status status = variant == 0 ? node_flush_database(&f.client.thread, 0, &flush)
                                    : variant == 1 ? node_flush_all(&f.client.thread, &flush)
                                                   : node_swap_databases(&f.client.thread, 0, 2);
        assert_int_equal(status, LARDER_OK);
        node_section_end(&f.client.thread);
        dispose(&f, &flush);
        assert_true(is_broken(&f, &set));
        assert_true(node_unwatch(&f.client.thread, &set, false));
        teardown(&f);
    }
}

static void events_before_a_flush_name_their_database(void **state) {
    (void)state;
    struct fixture f;
    struct node_flush flush = {.has_dead = false};
    setup(&f, false);
    f.node->listener.context = &f;
    f.node->listener.event = note_event;
    atomic_store(&f.node->events_wanted, NOTICE_STRING);
    run(&f, 1, "SET other 1");
    f.events[0] = '\0';
    begin(&f);
    run(&f, 0, "SET a 1");
    assert_int_equal(node_swap_databases(&f.client.thread, 0, 2), LARDER_OK);
    run(&f, 2, "SET b 1");
    assert_int_equal(node_flush_database(&f.client.thread, 2, &flush), LARDER_OK);
    run(&f, 2, "SET c 1");
    node_section_end(&f.client.thread);
    dispose(&f, &flush);
    assert_string_equal(f.events, "0 set a\n2 set b\n2 set c\n");
    teardown(&f);
}

static void a_flush_without_memory_for_its_effects_changes_nothing(void **state) {
    (void)state;
    struct fixture f;
    struct node_flush flush = {.has_dead = false};
    setup(&f, true);
    run(&f, 0, "SET k 1");
    effects_finish(&f.client.thread.effects);
    test_allocator_fail_in(&f.allocator, 1, 1);
    assert_int_equal(node_flush_all(&f.client.thread, &flush), LARDER_NO_MEMORY);
    assert_int_equal(node_flush_database(&f.client.thread, 0, &flush), LARDER_NO_MEMORY);
    assert_int_equal(node_swap_databases(&f.client.thread, 0, 1), LARDER_NO_MEMORY);
    test_allocator_fail_never(&f.allocator);
    assert_int_equal(f.client.thread.effects.used, 0);
    run(&f, 0, "GET k");
    assert_string_equal(f.client.text, "$1\r\n1\r\n");
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_of_flushes_and_swaps_give_equal_databases),
        cmocka_unit_test(a_watch_breaks_when_its_key_is_deleted_before_the_flush),
        cmocka_unit_test(events_before_a_flush_name_their_database),
        cmocka_unit_test(a_flush_without_memory_for_its_effects_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
