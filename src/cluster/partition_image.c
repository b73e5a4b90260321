/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/partition_image.h"

#include "cluster/partition_core.h"
#include "raft/bytes.h"

enum { ITEM_BYTES_MAX = 1 << 30, FIRST_CAPACITY = 4096 };

static bool make_room(struct partition_image *image, size_t more) {
    size_t need = image->size + more;
    if (need <= image->capacity)
        return true;
    size_t capacity = image->capacity == 0 ? FIRST_CAPACITY : image->capacity;
    while (capacity < need)
        capacity *= 2;
    uint8_t *grown = allocator_resize(image->allocator, image->bytes, image->capacity, capacity);
    if (grown == NULL)
        return false;
    image->bytes = grown;
    image->capacity = capacity;
    return true;
}

static enum larder_status add_bucket(const struct cluster_partition *p, uint32_t bucket,
                                     struct partition_image *image) {
    struct store_items items;
    enum larder_status status =
        p->store.type->read_bucket(p->store.context, bucket, ITEM_BYTES_MAX, &items);
    if (status != LARDER_OK || items.effect.size == 0)
        return status;
    if (items.left_out.size > 0 || !make_room(image, 4 + items.effect.size))
        return LARDER_NO_MEMORY;
    struct byte_writer w = {image->bytes + image->size};
    write_unsigned(&w, items.effect.size, 4);
    write_bytes(&w, items.effect);
    image->size += 4 + items.effect.size;
    return LARDER_OK;
}

/* The head with what lies beside; the items follow it, as in journal_image_encode. */
static enum larder_status add_head(const struct cluster_partition *p,
                                   struct partition_image *image) {
    size_t beside = partition_beside_size(p);
    uint8_t *bytes = allocator_allocate(image->allocator, beside);
    if (bytes == NULL)
        return LARDER_NO_MEMORY;
    const struct journal_image head = {
        .position = image->position, .beside = slice_of(bytes, partition_beside_encode(p, bytes))};
    bool has_room = make_room(image, journal_image_size(&head));
    if (has_room)
        image->size = journal_image_encode(&head, image->bytes);
    allocator_release(image->allocator, bytes, beside);
    return has_room ? LARDER_OK : LARDER_NO_MEMORY;
}

enum larder_status partition_image_take(const struct cluster_partition *p,
                                        struct partition_image *out) {
    const struct partition_replica *r = p->replica;
    *out = (struct partition_image){.allocator = p->allocator};
    out->position = (struct log_position){replica_log_term(&r->log, r->commit), r->commit};
    enum larder_status status = add_head(p, out);
    for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS && status == LARDER_OK; bucket++)
        status = add_bucket(p, bucket, out);
    if (status != LARDER_OK)
        partition_image_finish(out);
    return status;
}

void partition_image_finish(struct partition_image *image) {
    allocator_release(image->allocator, image->bytes, image->capacity);
    image->bytes = NULL;
    image->size = image->capacity = 0;
}

static enum larder_status put_items(struct cluster_partition *p, struct slice items) {
    size_t at = 0;
    struct slice effect;
    while (store_next_key(items, &at, &effect)) {
        size_t done = 0;
        enum larder_status status = p->store.type->apply(p->store.context, effect, &done);
        if (status != LARDER_OK)
            return status;
    }
    return at == items.size ? LARDER_OK : LARDER_CORRUPT;
}

enum larder_status partition_restore_found(struct cluster_partition *p,
                                           const struct journal_found *found) {
    uint64_t commit = found->commit;
    if (CLUSTER_MUTATED(MUTANT_RESTORE_APPLIES_TAIL))
        commit = found->base.sequence + found->record_count;
    enum larder_status status = put_items(p, found->items);
    if (status == LARDER_OK)
        status = partition_restore(p, found->base, found->beside, found->records,
                                   found->record_count, commit, true);
    return status;
}
