/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads from a node in the same process: 1M entries of 16 + 32 bytes, uniform keys, one thread.
 * Prints nanoseconds per get for single gets in a loop and for batches of 16, every value verified.
 */
#include "node/lookup.h"
#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES = 1000000, KEY_BYTES = 16, PAYLOAD_BYTES = 32, GETS = 4000000, BATCH = 16 };

static void make_key(uint8_t *out, uint64_t number) {
    memcpy(out, "key:", 4);
    for (int i = KEY_BYTES - 1; i >= 4; i--) {
        out[i] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
}

static void make_value(uint8_t *out, uint64_t number) {
    struct random random = random_seeded(number);
    for (int i = 0; i < PAYLOAD_BYTES; i += 8) {
        uint64_t word = random_next(&random) | 0x8080808080808080u; /* never the text of a number */
        memcpy(out + i, &word, sizeof(word));
    }
}

static void fail(const char *what) {
    (void)fprintf(stderr, "bench-embedded: %s\n", what);
    exit(1);
}

static void populate(struct node_thread *thread, struct reply *reply) {
    const struct command_spec *set = command_find("SET", 3);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint8_t key[KEY_BYTES], value[PAYLOAD_BYTES];
        make_key(key, i);
        make_value(value, i);
        struct slice argv[] = {SLICE_LITERAL("SET"), slice_of(key, sizeof(key)),
                               slice_of(value, sizeof(value))};
        struct call call = {.spec = set, .argc = 3, .argv = argv, .reply = reply};
        node_execute(thread, &call);
        if (reply->used != 5 || reply->data[0] != '+')
            fail("SET was refused");
        reply_clear(reply);
        if (i % 1000 == 0)
            node_thread_tick(thread, (int64_t)(clock_wall_us() / 1000));
    }
}

/* Nanoseconds per get. */
static double measure(struct node_thread *thread, size_t batch) {
    struct random random = random_seeded(7);
    struct node_get gets[BATCH];
    uint8_t keys[BATCH][KEY_BYTES], out[BATCH][PAYLOAD_BYTES], expected[PAYLOAD_BYTES];
    uint64_t numbers[BATCH], spent_ns = 0;
    for (size_t done = 0; done < GETS; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            numbers[i] = random_below(&random, ENTRIES);
            make_key(keys[i], numbers[i]);
            gets[i] = (struct node_get){
                .key = slice_of(keys[i], KEY_BYTES), .out = out[i], .capacity = PAYLOAD_BYTES};
        }
        uint64_t began = clock_monotonic_ns();
        for (size_t i = 0; i < BATCH; i += batch)
            node_get_strings(thread, 0, gets + i, batch);
        spent_ns += clock_monotonic_ns() - began;
        size_t checked = done / BATCH % BATCH;
        make_value(expected, numbers[checked]);
        for (size_t i = 0; i < BATCH; i++)
            if (!gets[i].is_found || gets[i].size != PAYLOAD_BYTES)
                fail("a key was missing");
        if (memcmp(out[checked], expected, PAYLOAD_BYTES) != 0)
            fail("a value was wrong");
    }
    return (double)spent_ns / GETS;
}

int main(void) {
    struct node_options options = {.seed = 1};
    struct node *node;
    struct node_thread thread;
    struct reply reply;
    if (node_create(&options, &node) != LARDER_OK || node_thread_init(&thread, node) != LARDER_OK)
        fail("no memory");
    reply_init(&reply, &ALLOCATOR_SYSTEM);
    node_thread_tick(&thread, (int64_t)(clock_wall_us() / 1000));
    populate(&thread, &reply);
    (void)measure(&thread, 1); /* warm up */
    (void)printf(
        "{\"row\": \"embedded-get\", \"title\": \"embedded get, 1M entries, single calls\", "
        "\"unit\": \"ns\", \"value\": %.1f}\n",
        measure(&thread, 1));
    (void)printf(
        "{\"row\": \"embedded-get-batch16\", \"title\": \"embedded get, 1M entries, batches "
        "of 16\", \"unit\": \"ns\", \"value\": %.1f}\n",
        measure(&thread, BATCH));
    reply_finish(&reply);
    node_thread_finish(&thread);
    node_destroy(node);
    return 0;
}
