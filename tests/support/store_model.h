/* SPDX-License-Identifier: BSD-3-Clause */
/* A naive keyspace to compare the store with: an array of slots, one per possible key. Each slot's
 * key is made from its number; sizes include the limits at which keys become blobs. */
#ifndef LARDER_TESTS_STORE_MODEL_H
#define LARDER_TESTS_STORE_MODEL_H

#include "support/store_fixture.h"

struct model_entry {
    bool is_there;
    enum value_kind kind;
    int64_t integer;
    uint8_t *bytes; /* owned by the model */
    size_t size;
    int64_t expiry_ms;
};

struct store_model {
    struct store_fixture *fixture;
    struct random random;
    size_t slot_count;
    uint32_t collection_count; /* slot i is in collection i % collection_count */
    struct model_entry *entries;
    size_t count; /* that are there */
    uint8_t scratch[4096];
    uint64_t refusals; /* operations answered with LARDER_NO_MEMORY */
};

void store_model_init(struct store_model *model, struct store_fixture *fixture, uint64_t seed,
                      size_t slot_count, uint32_t collection_count);
void store_model_finish(struct store_model *model);

/* The key of a slot; text lies in `out` (4096 bytes). */
struct key store_model_key(const struct store_model *model, size_t slot, uint8_t *out);

/* One random operation on a random slot, on both sides; results are compared. With may_fail an
 * operation may answer LARDER_NO_MEMORY and then must have changed nothing. */
void store_model_step(struct store_model *model, bool may_fail);
/* Delete the slot's entry on both sides. */
void store_model_delete(struct store_model *model, size_t slot);
/* Compare one slot, all slots. */
void store_model_compare(struct store_model *model, size_t slot);
void store_model_compare_all(struct store_model *model);
/* The entry left the store by itself (evicted, expired): forget it. */
void store_model_forget(struct store_model *model, size_t slot);

#endif
