/* SPDX-License-Identifier: BSD-3-Clause */
/* Four threads run random transactions on a few registers: sections whose keys are declared, open
 * ones that find their keys as they go, optimistic ones that watch what they read, single commands
 * on several keys. Whether they could have run one after the other is checked afterwards; the
 * checker itself is checked on histories that could not. */
#include "base/random.h"
#include "node/interest.h"
#include "node/section.h"
#include "support/serializability.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/thread.h"
#include "support/test_seed.h"

enum {
    THREADS = 4,
    TRANSACTIONS = 8000, /* per thread */
    KEYS = 6,
    STEPS_MAX = 5,
    OPERATIONS_MAX = TRANSACTIONS * (STEPS_MAX + 1),
    NUMBER_WIDTH = 6, /* digits that a transaction appends */
};

struct worker {
    struct node *node;
    struct os_thread thread;
    struct node_client client;
    struct random random;
    unsigned index;
    uint32_t next_number;
    struct history_operation operations[OPERATIONS_MAX];
    size_t operation_count;
    _Atomic unsigned *waiting; /* threads that have not started yet: they begin together */
};

static uint32_t draw(struct worker *w, uint32_t below) {
    return (uint32_t)random_below(&w->random, below);
}

static uint32_t parse_number(const char *digits) {
    char text[NUMBER_WIDTH + 1] = "";
    memcpy(text, digits, NUMBER_WIDTH);
    return (uint32_t)strtoul(text, NULL, 10);
}

static void note(struct worker *w, struct history_operation operation) {
    client_require(w->operation_count < OPERATIONS_MAX, "too many operations");
    w->operations[w->operation_count++] = operation;
}

/* False: the command was refused, because its key is not held. */
static bool append(struct worker *w, uint32_t key, uint32_t number) {
    char line[64];
    (void)snprintf(line, sizeof(line), "APPEND r%u %0*u", key, NUMBER_WIDTH, number);
    if (node_client_run(&w->client, line)[0] != ':')
        return false;
    note(w, (struct history_operation){.transaction = number, .key = key});
    return true;
}

static void note_content(struct worker *w, uint32_t key, uint32_t number, const char *bulk) {
    struct history_operation read = {.transaction = number, .key = key, .is_read = true};
    if (bulk[0] == '$' && bulk[1] != '-') {
        size_t size = strtoul(bulk + 1, NULL, 10);
        const char *content = strchr(bulk, '\n') + 1;
        read.seen = (uint32_t)(size / NUMBER_WIDTH);
        read.last = parse_number(content + size - NUMBER_WIDTH);
    }
    note(w, read);
}

static bool read_register(struct worker *w, uint32_t key, uint32_t number) {
    char line[64];
    (void)snprintf(line, sizeof(line), "GET r%u", key);
    if (node_client_run(&w->client, line)[0] != '$')
        return false;
    note_content(w, key, number, w->client.text);
    return true;
}

static bool step(struct worker *w, uint32_t key, uint32_t number, bool *has_written) {
    if (draw(w, 2) == 0)
        return read_register(w, key, number);
    *has_written = append(w, key, number);
    return *has_written;
}

static struct slice name_of(uint32_t key, char *out) {
    (void)snprintf(out, 16, "r%u", key);
    return slice_of_string(out);
}

/* Reads come before writes of the same key, so that what a read saw is a prefix without its own. */
static void run_section(struct worker *w, uint32_t number, enum section_kind kind) {
    struct section_plan plan;
    uint32_t keys[STEPS_MAX];
    uint32_t count = 1 + draw(w, STEPS_MAX), first = draw(w, KEYS);
    char name[16];
    section_plan_init(&plan, w->node->allocator);
    plan.kind = kind;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = (first + i) % KEYS;
        if (kind == SECTION_DECLARED || i == 0)
            client_require(
                section_plan_add_key(&plan, w->node, name_of(keys[i], name)) == LARDER_OK, "plan");
    }
    client_require(node_section_begin(&w->client.thread, &plan) == LARDER_OK, "begin");
    bool has_written = false;
    for (uint32_t i = 0; i < count; i++)
        client_require(step(w, keys[i], number, &has_written), "a step in a section");
    node_section_end(&w->client.thread);
    section_plan_finish(&plan);
}

/* Read outside, write in a section unless what was read was changed meanwhile. */
static void run_optimistic(struct worker *w, uint32_t number) {
    struct watch_set watched = {0};
    uint32_t source = draw(w, KEYS), target = draw(w, KEYS);
    char name[16];
    size_t before = w->operation_count;
    client_require(node_watch(&w->client.thread, &watched, 0, name_of(source, name), false) ==
                       LARDER_OK,
                   "watch");
    client_require(read_register(w, source, number), "a read");
    struct section_plan plan;
    section_plan_init(&plan, w->node->allocator);
    client_require(node_watch_plan(w->node, &watched, &plan) == LARDER_OK &&
                       section_plan_add_key(&plan, w->node, name_of(target, name)) == LARDER_OK &&
                       node_section_begin(&w->client.thread, &plan) == LARDER_OK,
                   "begin");
    if (node_watch_is_broken(&w->client.thread, &watched))
        w->operation_count = before; /* it did not happen */
    else
        client_require(append(w, target, number), "a write");
    node_section_end(&w->client.thread);
    (void)node_unwatch(&w->client.thread, &watched, false);
    section_plan_finish(&plan);
}

static void run_multi_read(struct worker *w, uint32_t number) {
    const char *reply = node_client_run(&w->client, "MGET r0 r1 r2");
    client_require(strncmp(reply, "*3", 2) == 0, "MGET");
    const char *at = strchr(reply, '\n') + 1;
    for (uint32_t key = 0; key < 3; key++) {
        note_content(w, key, number, at);
        size_t size = at[1] == '-' ? 0 : strtoul(at + 1, NULL, 10);
        bool is_null = at[1] == '-';
        at = strchr(at, '\n') + 1;
        if (!is_null)
            at += size + 2;
    }
}

static void work(void *context) {
    struct worker *w = context;
    atomic_fetch_sub(w->waiting, 1);
    while (atomic_load(w->waiting) > 0)
        thread_yield();
    for (unsigned i = 0; i < TRANSACTIONS; i++) {
        uint32_t number = w->next_number++;
        switch (draw(w, 8)) {
        case 0:
        case 1:
        case 2: run_section(w, number, SECTION_DECLARED); break;
        case 3:
        case 4: run_section(w, number, SECTION_OPEN); break;
        case 5: run_section(w, number, SECTION_ALL); break;
        case 6: run_optimistic(w, number); break;
        default: run_multi_read(w, number); break;
        }
    }
}

static void read_registers(struct node_client *client, uint32_t **registers, size_t *lengths) {
    for (uint32_t key = 0; key < KEYS; key++) {
        char line[32];
        (void)snprintf(line, sizeof(line), "GET r%u", key);
        const char *bulk = node_client_run(client, line);
        size_t size = bulk[1] == '-' ? 0 : strtoul(bulk + 1, NULL, 10);
        const char *content = strchr(bulk, '\n') + 1;
        lengths[key] = size / NUMBER_WIDTH;
        registers[key] = malloc((lengths[key] + 1) * sizeof(uint32_t));
        for (size_t i = 0; i < lengths[key]; i++)
            registers[key][i] = parse_number(content + i * NUMBER_WIDTH);
    }
}

static void transactions_of_four_threads_have_a_serial_order(void **state) {
    (void)state;
    uint64_t seed = test_seed("serializability");
    struct node_options options = {.partition_count = 5, .seed = seed};
    struct node *node;
    assert_int_equal(node_create(&options, &node), LARDER_OK);
    struct worker *workers = calloc(THREADS, sizeof(*workers));
    _Atomic unsigned waiting = THREADS;
    for (unsigned i = 0; i < THREADS; i++) {
        struct worker *w = &workers[i];
        *w = (struct worker){
            .node = node, .index = i, .next_number = 1 + i * TRANSACTIONS, .waiting = &waiting};
        w->random = random_seeded(seed + i);
        node_client_init(&w->client, node);
        struct os_thread_options thread = {
            .run = work, .context = w, .name = "worker", .core = OS_THREAD_ANY_CORE};
        assert_int_equal(os_thread_start(&w->thread, &thread), LARDER_OK);
    }
    size_t count = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        os_thread_join(&workers[i].thread);
        count += workers[i].operation_count;
    }
    struct history_operation *all = malloc((count + 1) * sizeof(*all));
    count = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        memcpy(all + count, workers[i].operations, workers[i].operation_count * sizeof(*all));
        count += workers[i].operation_count;
    }
    uint32_t *registers[KEYS];
    size_t lengths[KEYS];
    read_registers(&workers[0].client, registers, lengths);
    struct history history = {.operations = all,
                              .count = count,
                              .transaction_count = THREADS * TRANSACTIONS,
                              .key_count = KEYS,
                              .registers = (const uint32_t *const *)registers,
                              .lengths = lengths};
    const char *reason;
    if (!history_is_serializable(&history, &reason))
        fail_msg("%s", reason);
    for (unsigned i = 0; i < THREADS; i++)
        node_client_finish(&workers[i].client);
    for (uint32_t key = 0; key < KEYS; key++)
        free(registers[key]);
    free(all);
    free(workers);
    node_destroy(node);
}

/* ---- the checker ---- */

static bool is_serializable(const struct history_operation *operations, size_t count,
                            const uint32_t *a, size_t a_length, const uint32_t *b,
                            size_t b_length) {
    const uint32_t *registers[] = {a, b};
    const size_t lengths[] = {a_length, b_length};
    const char *reason;
    struct history history = {operations, count, 3, 2, registers, lengths};
    return history_is_serializable(&history, &reason);
}

#define READ(t, k, n, l)                                                                           \
    { .transaction = t, .key = k, .is_read = true, .seen = n, .last = l }
#define WRITE(t, k)                                                                                \
    { .transaction = t, .key = k }

static void histories_without_a_serial_order_are_rejected(void **state) {
    (void)state;
    static const uint32_t ONE[] = {1}, TWO[] = {2}, ONE_TWO[] = {1, 2}, TWO_ONE[] = {2, 1};
    const struct history_operation good[] = {WRITE(1, 0), WRITE(1, 1), READ(2, 0, 1, 1),
                                             WRITE(2, 0), WRITE(2, 1), READ(3, 1, 1, 1)};
    assert_true(is_serializable(good, 5, ONE_TWO, 2, ONE_TWO, 2));
    assert_true(is_serializable(good, 6, ONE_TWO, 2, ONE_TWO, 2));
    /* Two writers in different order. */
    assert_false(is_serializable(good, 5, ONE_TWO, 2, TWO_ONE, 2));
    /* A lost write, and one that nobody made. */
    assert_false(is_serializable(good, 5, ONE_TWO, 2, ONE, 1));
    assert_false(is_serializable(good, 1, ONE_TWO, 2, NULL, 0));
    /* Write skew: each read the register that the other one wrote, before it did. */
    const struct history_operation skew[] = {READ(1, 1, 0, 0), WRITE(1, 0), READ(2, 0, 0, 0),
                                             WRITE(2, 1)};
    assert_false(is_serializable(skew, 4, ONE, 1, TWO, 1));
    /* A read between the two writes of one transaction. */
    const struct history_operation torn[] = {WRITE(1, 0), WRITE(1, 1), READ(2, 0, 1, 1),
                                             READ(2, 1, 0, 0)};
    assert_false(is_serializable(torn, 4, ONE, 1, ONE, 1));
    /* A read of what never stood there. */
    const struct history_operation dirty[] = {WRITE(1, 0), READ(2, 0, 1, 3)};
    assert_false(is_serializable(dirty, 2, ONE, 1, NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_without_a_serial_order_are_rejected),
        cmocka_unit_test(transactions_of_four_threads_have_a_serial_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
