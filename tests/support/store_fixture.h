/* SPDX-License-Identifier: BSD-3-Clause */
/* A keyspace with one thread over a counting allocator, and what tests do with it. Puts fill the
 * reserve and try again, as a node does. No locks: tests have one thread. */
#ifndef LARDER_TESTS_STORE_FIXTURE_H
#define LARDER_TESTS_STORE_FIXTURE_H

#include "store/keyspace.h"
#include "store/partition.h"
#include "support/test_allocator.h"

struct store_fixture {
    struct test_allocator allocator;
    struct keyspace keyspace;
    struct store_thread thread;
};

struct store_fixture_options {
    uint32_t partition_count; /* default 1 */
    uint32_t database_count;  /* default 16 */
    uint64_t seed;
    enum eviction_policy policy;
};

/* Allocates the fixture; fails the test where it can't. */
struct store_fixture *store_fixture_create(const struct store_fixture_options *options);
/* Checks that everything was given back. */
void store_fixture_destroy(struct store_fixture *fixture);

struct partition *store_fixture_partition(struct store_fixture *fixture, const struct key *key);

/* Fill the reserve, free dropped blobs: what a node does between commands. */
void store_fixture_rest(struct store_fixture *fixture);
/* What a node does after LARDER_NO_MEMORY: ask for more of what was missing. */
enum larder_status store_fixture_refill(struct store_fixture *fixture);

/* Put and find by text in a collection. Values above the inline limit become blobs. */
void store_fixture_set(struct store_fixture *fixture, struct slice key, uint32_t collection,
                       struct slice value, int64_t expiry_ms);
bool store_fixture_find(struct store_fixture *fixture, struct slice key, uint32_t collection,
                        struct entry *out);
bool store_fixture_delete(struct store_fixture *fixture, struct slice key, uint32_t collection);

/* A blob with these bytes. */
struct blob *store_fixture_blob(struct store_fixture *fixture, struct slice bytes);

/* Walks every structure of the partition and compares all counters. Fails the test with a message
 * where something is off. */
void partition_check(const struct partition *p, const struct keyspace *keyspace);
/* All partitions, and that memory_delta and memory_bytes are what the allocator holds for them. */
void store_fixture_check(struct store_fixture *fixture);

#endif
