/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a message of copying: what is read is written again as the same bytes, and a learner
 * and a primary with a store take it. It is made to come from the right process and to answer one
 * of the first questions, so that its items reach the store. */
#include "cluster/copying.h"
#include "node/partition_store.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PRIMARY = 1, LEARNER = 2, QUESTIONS = 6 };

static void check(bool holds) {
    if (!holds)
        abort();
}

static enum larder_status read_rest(void *context, struct slice *out) {
    *out = slice_of(context, 8);
    return LARDER_OK;
}

static enum larder_status replace_rest(void *context, struct slice bytes) {
    (void)context;
    return bytes.size == 8 ? LARDER_OK : LARDER_CORRUPT;
}

static void take(struct store_host *host, const struct copying_message *given, uint32_t self) {
    uint8_t rest[8] = {0};
    struct copying *copying = NULL;
    struct copying_output out;
    struct partition_replica replica = {.held_from = UINT64_MAX};
    struct copying_options options = {
        .self = self,
        .incarnation = self,
        .store = store_host_partition(host, 0),
        .rest = {.context = rest, .read = read_rest, .replace = replace_rest},
        .allocator = &ALLOCATOR_SYSTEM,
        .message_bytes = 1000};
    struct copying_message message = *given;
    check(copying_create(&options, &copying) == LARDER_OK);
    replica.view = (struct partition_config){.term = 1, .primary = PRIMARY};
    replica.primary_incarnation = PRIMARY;
    replica.role = self == PRIMARY ? REPLICA_OPEN : REPLICA_LEARNER;
    replica.log.last = 5;
    if (self == LEARNER)
        copying_begin(copying, false);
    copying_follow(copying, &replica);
    copying_tick(copying, 1000000, &out);
    message.partition = 0;
    message.from = self == PRIMARY ? LEARNER : PRIMARY;
    message.from_incarnation = message.from;
    message.to = message.to_incarnation = self;
    message.term = 1;
    message.number %= QUESTIONS;
    (void)!copying_receive(copying, 1000000, &message, &out);
    copying_destroy(copying);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct copying_message message;
    struct store_host *host = NULL;
    struct store_host_options options = {.partition_count = 1, .hash_seed = 1, .random_seed = 1};
    if (copying_message_decode(slice_of(data, size), &message) != LARDER_OK)
        return 0;
    uint8_t *again = malloc(size);
    check(again != NULL && copying_message_encoded_size(&message) == size);
    check(copying_message_encode(&message, again) == size && memcmp(again, data, size) == 0);
    free(again);
    check(store_host_create(&options, &host) == LARDER_OK);
    take(host, &message, LEARNER);
    take(host, &message, PRIMARY);
    store_host_destroy(host);
    return 0;
}
