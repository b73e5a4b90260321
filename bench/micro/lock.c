/* SPDX-License-Identifier: BSD-3-Clause */
/* Do two threads on two cores do twice the work of one? Each runs GETs and SETs on uniform keys of
 * one node through node_execute. Prints the ratio of their throughputs. */
#include "node/node.h"
#include "os/clock.h"
#include "os/thread.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES = 1000000, KEY_BYTES = 16, OPERATIONS = 3000000, TICK_OPERATIONS = 256 };

struct worker {
    struct os_thread thread;
    struct node *node;
    uint64_t seed;
    uint64_t spent_ns;
    _Atomic bool *start;
};

static void make_key(uint8_t *out, uint64_t number) {
    memcpy(out, "key:", 4);
    for (int i = KEY_BYTES - 1; i >= 4; i--) {
        out[i] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
}

static void fail(const char *what) {
    (void)fprintf(stderr, "bench-lock: %s\n", what);
    exit(1);
}

static void operate(struct node_thread *thread, struct reply *reply, bool is_write,
                    uint64_t number) {
    static const uint8_t VALUE[] = "0123456789abcdef0123456789abcdef";
    uint8_t key[KEY_BYTES];
    make_key(key, number);
    struct slice argv[] = {is_write ? SLICE_LITERAL("SET") : SLICE_LITERAL("GET"),
                           slice_of(key, sizeof(key)), slice_of(VALUE, sizeof(VALUE) - 1)};
    struct call call = {
        .spec = &command_table[is_write ? COMMAND_SET : COMMAND_GET],
        .argc = is_write ? 3 : 2,
        .argv = argv,
        .reply = reply,
    };
    node_execute(thread, &call);
    if (reply->used == 0 || reply->data[0] == '-')
        fail("a command was refused");
    reply_clear(reply);
}

static void run(void *context) {
    struct worker *worker = context;
    struct node_thread thread;
    struct reply reply;
    reply_init(&reply, &ALLOCATOR_SYSTEM);
    if (node_thread_init(&thread, worker->node) != LARDER_OK)
        fail("no memory");
    struct random random = random_seeded(worker->seed);
    while (!atomic_load(worker->start))
        thread_yield();
    uint64_t began = clock_monotonic_ns();
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        if (i % TICK_OPERATIONS == 0)
            node_thread_tick(&thread, (int64_t)(clock_wall_us() / 1000));
        operate(&thread, &reply, i % 4 == 0, random_below(&random, ENTRIES));
    }
    worker->spent_ns = clock_monotonic_ns() - began;
    node_thread_finish(&thread);
    reply_finish(&reply);
}

/* Operations per second of `count` threads together. */
static double measure(struct node *node, unsigned count) {
    struct worker workers[2];
    _Atomic bool start = false;
    for (unsigned i = 0; i < count; i++) {
        workers[i] = (struct worker){.node = node, .seed = i + 1, .start = &start};
        struct os_thread_options options = {
            .run = run, .context = &workers[i], .name = "worker", .core = (int)i};
        if (os_thread_start(&workers[i].thread, &options) != LARDER_OK)
            fail("can't start a thread");
    }
    atomic_store(&start, true);
    double rate = 0;
    for (unsigned i = 0; i < count; i++) {
        os_thread_join(&workers[i].thread);
        rate += OPERATIONS / ((double)workers[i].spent_ns / 1e9);
    }
    return rate;
}

int main(void) {
    struct node_options options = {.seed = 1};
    struct node *node;
    struct node_thread thread;
    struct reply reply;
    if (node_create(&options, &node) != LARDER_OK || node_thread_init(&thread, node) != LARDER_OK)
        fail("no memory");
    reply_init(&reply, &ALLOCATOR_SYSTEM);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        if (i % TICK_OPERATIONS == 0)
            node_thread_tick(&thread, (int64_t)(clock_wall_us() / 1000));
        operate(&thread, &reply, true, i);
    }
    double one = measure(node, 1), two = measure(node, 2);
    (void)printf(
        "{\"row\": \"threads-2\", \"title\": \"two threads to one, 3 GETs per SET, uniform "
        "keys\", \"value\": %.3f}\n",
        two / one);
    reply_finish(&reply);
    node_thread_finish(&thread);
    node_destroy(node);
    return 0;
}
