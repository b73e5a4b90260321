/* SPDX-License-Identifier: BSD-3-Clause */
/* Any messages, on any links, to a node that founds: what is read is written again as the same
 * bytes, and no step asks for anything that is not possible. Input: options u8, then steps:
 * kind u8 | link u8 | size u16 | bytes of a message. */
#include "cluster/founding.h"

#include <stdlib.h>

enum { SEEDS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static struct founding *make(uint8_t options_byte) {
    struct member self = {.node = {{2, 2}}, .incarnation = 7, .weight = 1};
    struct member_address seeds[SEEDS] = {{.host = "a", .peer_port = 1},
                                          {.host = "b", .peer_port = 1},
                                          {.host = "c", .peer_port = 1}};
    struct founding_options options = {.self = &self,
                                       .seeds = seeds,
                                       .seed_count = SEEDS,
                                       .self_seed = 1,
                                       .is_durable = (options_byte & 1) != 0,
                                       .generation = 1,
                                       .partition_count = 16,
                                       .settings = &CLUSTER_DEFAULT_SETTINGS};
    struct founding *founding = NULL;
    check(founding_create(&options, slice_of(NULL, 0), 0, &ALLOCATOR_SYSTEM, &founding) ==
          LARDER_OK);
    return founding;
}

static void check_output(const struct founding_output *out) {
    uint8_t bytes[FOUNDING_BYTES_MAX];
    check(out->letter_count <= FOUNDING_MESSAGES_MAX);
    for (uint32_t i = 0; i < out->letter_count; i++)
        check(founding_message_encode(&out->letters[i].message, bytes) <= FOUNDING_BYTES_MAX);
    if (out->outcome != FOUNDING_STARTS)
        return;
    struct configuration *configuration = NULL;
    check(founding_configure(out->plan, FOUNDING_SEEDS_MAX, &ALLOCATOR_SYSTEM, &configuration) ==
          LARDER_OK);
    configuration_destroy(configuration);
}

static void check_mark(const struct founding *founding) {
    uint8_t mark[FOUNDING_BYTES_MAX];
    check(founding_mark_encode(founding, mark) <= FOUNDING_BYTES_MAX);
}

static void take(struct founding *founding, uint8_t kind, uint32_t link, struct slice bytes,
                 int64_t now_us) {
    static struct founding_plan plan;
    struct founding_message message;
    struct founding_input input = {.now_us = now_us, .link = link};
    switch (kind % 5) {
    case 0:
        if (founding_message_decode(bytes, &plan, &message) != LARDER_OK)
            return;
        uint8_t again[FOUNDING_BYTES_MAX];
        check(founding_message_encode(&message, again) == bytes.size);
        check(memcmp(again, bytes.data, bytes.size) == 0);
        input.type = FOUNDING_MESSAGE;
        input.message = &message;
        break;
    case 1: input.type = FOUNDING_TICK; break;
    case 2: input.type = FOUNDING_BROKEN; break;
    case 3:
        input.type = FOUNDING_PERSISTED;
        input.number = link;
        break;
    default: input.type = FOUNDING_NOT_JOINED;
    }
    check_output(founding_step(founding, &input));
    check_mark(founding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct founding *founding = make(data[0]);
    size_t at = 1;
    for (int64_t now_us = 0; at + 4 <= size; now_us += 150000) {
        size_t length = (size_t)data[at + 2] | (size_t)data[at + 3] << 8;
        const uint8_t *step = data + at;
        at += 4;
        if (length > size - at)
            length = size - at;
        uint8_t *bytes = malloc(length + 1); /* of its own, so that a read behind it is seen */
        check(bytes != NULL);
        memcpy(bytes, data + at, length);
        take(founding, step[0], step[1], slice_of(bytes, length), now_us);
        free(bytes);
        at += length;
    }
    founding_destroy(founding);
    return 0;
}
