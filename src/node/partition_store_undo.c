/* SPDX-License-Identifier: BSD-3-Clause */
/* Before a key is changed, its entry is written down as the record that makes it; to go back, all
 * these keys are deleted and the records applied, the first one last: so it does not matter if a
 * key was kept twice. What is deleted first makes room for what comes back, and so does a block of
 * memory that is held for nothing else. What finds no memory all the same is done later: until then
 * the store says that it has none, and does nothing else. */
#include "node/partition_store.h"

#include "base/command_spec.h"
#include "commands/call.h"

enum {
    IMAGE_BYTES_MAX = 64 * 1024,
    IMAGES_FIRST = 16,
    LOOK_BACK = 64, /* newest images among which a key is looked for */
    CUSHION_BYTES = 256 * 1024,
};

struct hosted_image {
    uint64_t hash;
    size_t at, end; /* its record in `images` */
    bool is_forgotten;
};

void hosted_undo_begin(struct store_host *host) {
    effects_clear(&host->undo.images);
    host->undo.count = 0;
    host->undo.is_possible = true;
    host->undo.mark = effects_mark(&host->thread.effects);
}

static void release_cushion(struct store_host *host) {
    allocator_release(host->allocator, host->undo.cushion, CUSHION_BYTES);
    host->undo.cushion = NULL;
}

void hosted_undo_finish(struct store_host *host) {
    release_cushion(host);
    effects_finish(&host->undo.images);
    allocator_release(host->allocator, host->undo.list,
                      host->undo.capacity * sizeof(*host->undo.list));
}

static struct slice record_of(const struct hosted_undo *undo, size_t i) {
    return slice_of(undo->images.data + undo->list[i].at, undo->list[i].end - undo->list[i].at);
}

static bool is_kept(struct hosted_partition *p, const struct key *key) {
    const struct hosted_undo *undo = &p->host->undo;
    struct effect_part part;
    for (size_t i = undo->count; i-- > 0 && undo->count - i <= LOOK_BACK;)
        if (undo->list[i].hash == key->hash &&
            hosted_read_part(p, record_of(undo, i), &part) == LARDER_OK &&
            slice_equal(p->host->arguments[0], key->text))
            return true;
    return false;
}

static bool need_image(struct store_host *host) {
    struct hosted_undo *undo = &host->undo;
    if (undo->count < undo->capacity)
        return true;
    size_t capacity = undo->capacity == 0 ? IMAGES_FIRST : 2 * undo->capacity;
    void *grown =
        allocator_resize(host->allocator, undo->list, undo->capacity * sizeof(*undo->list),
                         capacity * sizeof(*undo->list));
    if (grown == NULL)
        return false;
    undo->list = grown;
    undo->capacity = capacity;
    return true;
}

static enum larder_status write_absence(struct hosted_partition *p, const struct key *key) {
    struct effects *images = &p->host->undo.images;
    enum larder_status status = effects_reserve(images, effects_part_bound(1, key->text.size));
    if (status != LARDER_OK)
        return status;
    struct effect_part part = {.partition = p->id,
                               .collection = key->collection,
                               .time_ms = p->host->thread.store.now_ms,
                               .command = COMMAND_DEL,
                               .argument_count = 1};
    effects_append(images, &part, &key->text);
    return LARDER_OK;
}

bool hosted_undo_keep(struct hosted_partition *p, struct slice text) NO_THREAD_SAFETY {
    struct store_host *host = p->host;
    struct hosted_undo *undo = &host->undo;
    struct keyspace *keyspace = &host->node->keyspace;
    struct key key = hosted_key(p, text);
    struct entry entry;
    if (is_kept(p, &key))
        return true;
    if (undo->cushion == NULL)
        undo->cushion = allocator_allocate(host->allocator, CUSHION_BYTES);
    if (undo->cushion == NULL || !need_image(host) || effects_begin(&undo->images, 0) != LARDER_OK)
        return false;
    size_t at = undo->images.used;
    bool is_there = partition_find(keyspace_partition(keyspace, p->id), keyspace, &key, &entry);
    bool is_large = is_there && hosted_entry_size(&entry) > IMAGE_BYTES_MAX;
    enum larder_status status = is_there && !is_large ? hosted_write_entry(p, &entry, &undo->images)
                                                      : write_absence(p, &key);
    effects_commit(&undo->images);
    if (status != LARDER_OK)
        return false;
    undo->is_possible &= !is_large;
    undo->list[undo->count++] =
        (struct hosted_image){.hash = key.hash, .at = at, .end = undo->images.used};
    return true;
}

static bool put_back(struct hosted_partition *p) {
    struct store_host *host = p->host;
    struct hosted_undo *undo = &host->undo;
    struct effect_part part;
    for (size_t i = 0; i < undo->count; i++) {
        if (undo->list[i].is_forgotten)
            continue;
        if (hosted_read_part(p, record_of(undo, i), &part) != LARDER_OK)
            return false;
        hosted_delete_key(p, host->arguments[0]);
    }
    for (size_t i = undo->count; i-- > 0;) {
        if (undo->list[i].is_forgotten)
            continue;
        if (hosted_read_part(p, record_of(undo, i), &part) != LARDER_OK)
            return false;
        if (part.command == COMMAND_DEL)
            hosted_delete_key(p, host->arguments[0]);
        else if (hosted_apply_record(p, record_of(undo, i)) != LARDER_OK)
            return false;
    }
    return true;
}

bool hosted_settle(struct store_host *host) {
    struct hosted_undo *undo = &host->undo;
    if (undo->pending == NULL)
        return true;
    struct reply_mark mark = reply_mark(&host->reply);
    bool is_done = put_back(undo->pending);
    if (is_done)
        undo->pending = NULL;
    reply_cut(&host->reply, mark);
    return is_done;
}

bool hosted_undo(struct hosted_partition *p) {
    struct hosted_undo *undo = &p->host->undo;
    effects_cut(&p->host->thread.effects, undo->mark);
    if (!undo->is_possible)
        return false;
    release_cushion(p->host);
    undo->pending = p;
    (void)hosted_settle(p->host);
    return true;
}

void hosted_forget_undo(struct hosted_partition *p, uint32_t bucket, const struct slice *key) {
    struct hosted_undo *undo = &p->host->undo;
    struct effect_part part;
    if (undo->pending != p)
        return;
    for (size_t i = 0; i < undo->count; i++) {
        if (hosted_read_part(p, record_of(undo, i), &part) != LARDER_OK)
            continue;
        struct slice name = p->host->arguments[0];
        bool is_it = key == NULL ? bucket == PARTITION_WHOLE || hosted_bucket_of(p, name) == bucket
                                 : slice_equal(name, *key);
        undo->list[i].is_forgotten |= is_it;
    }
}
