/* SPDX-License-Identifier: BSD-3-Clause */
/* Watched and awaited keys on one node: what breaks a watch, what serves a waiting command, and
 * that neither is lost when there is no memory to note a change. */
#include "node/interest.h"

#include "node/section.h"
#include "node/waiting.h"
#include "support/test_allocator.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct test_allocator allocator;
    struct node *node;
    struct node_client client;
    struct waiter *served[8];
    size_t served_count;
};

static void note_served(void *context, struct waiter *waiter) {
    struct fixture *f = context;
    f->served[f->served_count++] = waiter;
}

static void setup(struct fixture *f) {
    *f = (struct fixture){.node = NULL};
    test_allocator_init(&f->allocator);
    struct node_options options = {
        .allocator = &f->allocator.base, .partition_count = 7, .seed = 3, .emits_effects = true};
    assert_int_equal(node_create(&options, &f->node), LARDER_OK);
    f->node->listener.context = f;
    f->node->listener.served = note_served;
    node_client_init(&f->client, f->node);
}

static void teardown(struct fixture *f) {
    node_client_finish(&f->client);
    node_destroy(f->node);
    assert_int_equal(f->allocator.heap_bytes, 0);
}

static bool is_broken(struct fixture *f, struct watch_set *set) {
    struct section_plan plan;
    section_plan_init(&plan, f->node->allocator);
    assert_int_equal(node_watch_plan(f->node, set, &plan), LARDER_OK);
    assert_int_equal(node_section_begin(&f->client.thread, &plan), LARDER_OK);
    bool result = node_watch_is_broken(&f->client.thread, set);
    node_section_end(&f->client.thread);
    section_plan_finish(&plan);
    return result;
}

static void watch(struct fixture *f, struct watch_set *set, const char *key) {
    assert_int_equal(node_watch(&f->client.thread, set, 0, slice_of_string(key), false), LARDER_OK);
}

/* The command waits: it gave no reply. */
static struct waiter *wait_for(struct fixture *f, const char *line) {
    struct slice words[8];
    size_t count = 0;
    char copy[128];
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = slice_of_string(word);
    struct call call = {.spec = client_spec(words, count),
                        .argc = count,
                        .argv = words,
                        .flags = CALL_MAY_BLOCK,
                        .reply = &f->client.reply};
    reply_clear(&f->client.reply);
    struct waiter *waiter = node_execute(&f->client.thread, &call);
    assert_int_equal(f->client.reply.used, 0);
    assert_non_null(waiter);
    return waiter;
}

static void expect_served(struct fixture *f, size_t index, const struct waiter *waiter,
                          const char *reply) {
    assert_true(index < f->served_count);
    assert_ptr_equal(f->served[index], waiter);
    assert_int_equal(waiter->reply.used, strlen(reply));
    assert_memory_equal(waiter->reply.data, reply, strlen(reply));
}

static void a_change_of_a_watched_key_breaks_the_watch(void **state) {
    (void)state;
    struct fixture f;
    struct watch_set set = {0};
    setup(&f);
    watch(&f, &set, "a");
    watch(&f, &set, "a");
    watch(&f, &set, "b");
    assert_int_equal(set.count, 2);
    (void)node_client_run(&f.client, "SET other 1");
    (void)node_client_run(&f.client, "GET a");
    (void)node_client_run(&f.client, "DEL a b");
    assert_false(is_broken(&f, &set));
    (void)node_client_run(&f.client, "SET b 1");
    assert_true(is_broken(&f, &set));
    (void)node_unwatch(&f.client.thread, &set, false);
    assert_false(is_broken(&f, &set));
    assert_int_equal(atomic_load(&f.node->changes_wanted), 0);
    teardown(&f);
}

static void a_change_that_no_memory_can_note_breaks_every_watch_of_the_partition(void **state) {
    (void)state;
    struct fixture f;
    struct watch_set set = {0};
    setup(&f);
    (void)node_client_run(&f.client, "SET {a}1 1");
    watch(&f, &set, "{a}2");
    notices_finish(&f.client.thread.store.notices); /* nothing is at hand */
    test_allocator_fail_in(&f.allocator, 1, 1);
    (void)node_client_run(&f.client, "DEL {a}1");
    test_allocator_fail_never(&f.allocator);
    assert_string_equal(f.client.text, ":1\r\n");
    assert_true(is_broken(&f, &set));
    (void)node_unwatch(&f.client.thread, &set, false);
    teardown(&f);
}

static void events_that_no_memory_can_note_are_counted(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    atomic_store(&f.node->events_wanted, NOTICE_GENERIC | NOTICE_STRING);
    (void)node_client_run(&f.client, "MSET {a}1 1 {a}2 2 {a}3 3");
    assert_int_equal(atomic_load(&f.node->lost_events), 0);
    notices_finish(&f.client.thread.store.notices);
    test_allocator_fail_in(&f.allocator, 1, 1);
    (void)node_client_run(&f.client, "DEL {a}1 {a}2 {a}3");
    test_allocator_fail_never(&f.allocator);
    assert_string_equal(f.client.text, ":3\r\n");
    assert_int_equal(atomic_load(&f.node->lost_events), 3);
    (void)node_client_run(&f.client, "SET {a}1 1");
    assert_int_equal(atomic_load(&f.node->lost_events), 3);
    teardown(&f);
}

static void waiting_commands_are_served_in_the_order_in_which_they_came(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    struct waiter *first = wait_for(&f, "BLPOP x list 0");
    struct waiter *second = wait_for(&f, "BRPOP list 0");
    struct waiter *third = wait_for(&f, "BLPOP list 0");
    (void)node_client_run(&f.client, "RPUSH list 1 2");
    assert_string_equal(f.client.text, ":2\r\n");
    assert_int_equal(f.served_count, 2);
    expect_served(&f, 0, first, "*2\r\n$4\r\nlist\r\n$1\r\n1\r\n");
    expect_served(&f, 1, second, "*2\r\n$4\r\nlist\r\n$1\r\n2\r\n");
    assert_string_equal(node_client_run(&f.client, "EXISTS list"), ":0\r\n");
    assert_true(node_wait_cancel(third));
    assert_false(node_wait_cancel(first));
    (void)node_client_run(&f.client, "RPUSH list 3");
    assert_int_equal(f.served_count, 2);
    node_wait_destroy(first);
    node_wait_destroy(second);
    node_wait_destroy(third);
    assert_int_equal(atomic_load(&f.node->changes_wanted), 0);
    teardown(&f);
}

static void a_move_is_served_although_its_destination_lies_elsewhere(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    struct waiter *last = wait_for(&f, "BLPOP c 0");
    struct waiter *middle = wait_for(&f, "BLMOVE b c LEFT RIGHT 0");
    struct waiter *first = wait_for(&f, "BLMOVE a b LEFT RIGHT 0");
    (void)node_client_run(&f.client, "RPUSH a traveller");
    assert_int_equal(f.served_count, 3);
    expect_served(&f, 0, first, "$9\r\ntraveller\r\n");
    expect_served(&f, 1, middle, "$9\r\ntraveller\r\n");
    expect_served(&f, 2, last, "*2\r\n$1\r\nc\r\n$9\r\ntraveller\r\n");
    for (size_t i = 0; i < 3; i++)
        node_wait_destroy(f.served[i]);
    teardown(&f);
}

static void a_section_serves_at_its_end_what_is_still_there(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    struct waiter *waiter = wait_for(&f, "BLPOP list 0");
    struct section_plan plan;
    section_plan_init(&plan, f.node->allocator);
    assert_int_equal(section_plan_add_key(&plan, f.node, SLICE_LITERAL("list")), LARDER_OK);
    assert_int_equal(node_section_begin(&f.client.thread, &plan), LARDER_OK);
    (void)node_client_run(&f.client, "RPUSH list 1 2");
    assert_string_equal(node_client_run(&f.client, "LPOP list"), "$1\r\n1\r\n");
    assert_int_equal(f.served_count, 0);
    node_section_end(&f.client.thread);
    assert_int_equal(f.served_count, 1);
    expect_served(&f, 0, waiter, "*2\r\n$4\r\nlist\r\n$1\r\n2\r\n");
    node_wait_destroy(waiter);
    section_plan_finish(&plan);
    teardown(&f);
}

static void a_declared_section_refuses_other_keys_and_an_open_one_takes_them(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    struct section_plan plan;
    section_plan_init(&plan, f.node->allocator);
    assert_int_equal(section_plan_add_key(&plan, f.node, SLICE_LITERAL("{a}1")), LARDER_OK);
    assert_int_equal(node_section_begin(&f.client.thread, &plan), LARDER_OK);
    assert_string_equal(node_client_run(&f.client, "SET {a}2 x"), "+OK\r\n");
    assert_false(f.client.thread.section.is_outside);
    (void)node_client_run(&f.client, "SET b x");
    assert_int_equal(f.client.text[0], '-');
    assert_true(f.client.thread.section.is_outside);
    node_section_end(&f.client.thread);
    assert_string_equal(node_client_run(&f.client, "EXISTS b"), ":0\r\n");
    plan.kind = SECTION_OPEN;
    assert_int_equal(node_section_begin(&f.client.thread, &plan), LARDER_OK);
    assert_string_equal(node_client_run(&f.client, "MSET b 1 c 2 d 3"), "+OK\r\n");
    node_section_end(&f.client.thread);
    for (uint32_t id = 0; id < f.node->keyspace.partition_count; id++)
        assert_int_equal(atomic_load(&f.node->locks[id].lock.state), LOCK_FREE);
    section_plan_finish(&plan);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_a_watched_key_breaks_the_watch),
        cmocka_unit_test(a_change_that_no_memory_can_note_breaks_every_watch_of_the_partition),
        cmocka_unit_test(events_that_no_memory_can_note_are_counted),
        cmocka_unit_test(waiting_commands_are_served_in_the_order_in_which_they_came),
        cmocka_unit_test(a_move_is_served_although_its_destination_lies_elsewhere),
        cmocka_unit_test(a_section_serves_at_its_end_what_is_still_there),
        cmocka_unit_test(a_declared_section_refuses_other_keys_and_an_open_one_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
