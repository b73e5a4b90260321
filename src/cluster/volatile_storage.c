/* SPDX-License-Identifier: BSD-3-Clause */
#include "cluster/volatile_storage.h"

#include "base/crc32c.h"

void volatile_storage_init(struct volatile_storage *s, const struct allocator *allocator) {
    *s = (struct volatile_storage){.allocator = allocator};
}

static void drop(struct volatile_storage *s, struct volatile_image *image) {
    if (image->bytes != NULL)
        allocator_release(s->allocator, image->bytes, image->snapshot.size + 1);
    *image = (struct volatile_image){0};
}

void volatile_storage_finish(struct volatile_storage *s) {
    drop(s, &s->newest);
    drop(s, &s->own);
    drop(s, &s->arriving);
}

static bool same(const struct raft_snapshot *a, const struct raft_snapshot *b) {
    return a->index == b->index && a->term == b->term && a->size == b->size &&
           a->checksum == b->checksum;
}

static bool begin_image(struct volatile_storage *s, struct volatile_image *image,
                        const struct raft_snapshot *snapshot) {
    uint8_t *bytes = allocator_allocate(s->allocator, snapshot->size + 1);
    if (bytes == NULL)
        return false;
    drop(s, image);
    *image = (struct volatile_image){.snapshot = *snapshot, .bytes = bytes};
    return true;
}

static void keep_chunk(struct volatile_storage *s, const struct raft_snapshot_chunk *chunk) {
    s->stored.snapshot = chunk->snapshot;
    bool is_good = true;
    if (chunk->offset == 0) {
        is_good = begin_image(s, &s->arriving, &chunk->snapshot);
        s->arrived_bytes = 0;
    }
    is_good = is_good && s->arriving.bytes != NULL &&
              same(&s->arriving.snapshot, &chunk->snapshot) && chunk->offset == s->arrived_bytes &&
              chunk->data.size <= chunk->snapshot.size - chunk->offset;
    if (is_good) {
        if (chunk->data.size > 0)
            memcpy(s->arriving.bytes + chunk->offset, chunk->data.data, chunk->data.size);
        s->arrived_bytes += chunk->data.size;
        bool is_whole = s->arrived_bytes == chunk->snapshot.size;
        is_good = !is_whole ||
                  crc32c(slice_of(s->arriving.bytes, s->arrived_bytes)) == chunk->snapshot.checksum;
    }
    s->stored.offset = s->arrived_bytes;
    s->has_stored = is_good;
    s->has_discarded = !is_good;
    if (!is_good)
        drop(s, &s->arriving);
}

void volatile_storage_keep(struct volatile_storage *s, const struct raft_output *out) {
    if (out->write.number != 0) {
        s->has_persisted = true;
        s->persisted =
            (struct raft_persisted){out->write.number, out->write.last_index, out->write.last_term};
    }
    if (out->has_install) {
        drop(s, &s->newest);
        s->newest = s->arriving;
        s->arriving = (struct volatile_image){0};
    }
    if (out->has_snapshot_chunk)
        keep_chunk(s, &out->snapshot_chunk);
    for (size_t i = 0; i < out->snapshot_read_count && s->read_count < RAFT_MEMBERS_MAX; i++)
        s->reads[s->read_count++] = out->snapshot_reads[i];
}

bool volatile_storage_take(struct volatile_storage *s, const struct raft_snapshot *snapshot,
                           uint64_t keep_from, struct slice bytes) {
    if (s->own.bytes != NULL || !begin_image(s, &s->own, snapshot))
        return false;
    memcpy(s->own.bytes, bytes.data, bytes.size);
    s->has_taken = true;
    s->taken = (struct raft_snapshot_taken){*snapshot, keep_from};
    return true;
}

static struct raft_snapshot_data read_data(const struct volatile_storage *s,
                                           const struct raft_snapshot_read *read) {
    struct raft_snapshot_data data = {
        .to = read->to, .snapshot = read->snapshot, .offset = read->offset};
    const struct volatile_image *image = &s->newest;
    if (image->bytes == NULL || !same(&image->snapshot, &read->snapshot) ||
        read->offset > read->snapshot.size)
        return data;
    uint64_t left = read->snapshot.size - read->offset;
    data.data = slice_of(image->bytes + read->offset, left < read->size ? left : read->size);
    return data;
}

bool volatile_storage_answer(struct volatile_storage *s, struct raft_input *out) {
    *out = (struct raft_input){0};
    if (s->has_persisted) {
        s->has_persisted = false;
        out->type = RAFT_PERSISTED;
        out->persisted = s->persisted;
    } else if (s->has_discarded || s->has_stored) {
        out->type = s->has_stored ? RAFT_SNAPSHOT_STORED : RAFT_SNAPSHOT_DISCARDED;
        out->snapshot_stored = s->stored;
        s->has_stored = s->has_discarded = false;
    } else if (s->has_taken) {
        s->has_taken = false;
        out->type = RAFT_SNAPSHOT_TAKEN;
        out->snapshot_taken = s->taken;
    } else if (s->read_count > 0) {
        out->type = RAFT_SNAPSHOT_DATA;
        out->snapshot_data = read_data(s, &s->reads[--s->read_count]);
    }
    return out->type != 0;
}

static void end_taking(struct volatile_storage *s, bool is_accepted) {
    if (is_accepted) {
        drop(s, &s->newest);
        s->newest = s->own;
        s->own = (struct volatile_image){0};
    }
    drop(s, &s->own);
}

void volatile_storage_settle(struct volatile_storage *s, const struct raft_input *answer,
                             enum larder_status status) {
    bool is_busy = status == LARDER_BUSY;
    switch (answer->type) {
    case RAFT_PERSISTED: s->has_persisted |= is_busy; return;
    case RAFT_SNAPSHOT_STORED: s->has_stored |= is_busy; return;
    case RAFT_SNAPSHOT_DISCARDED: s->has_discarded |= is_busy; return;
    case RAFT_SNAPSHOT_TAKEN:
        s->has_taken |= is_busy;
        if (!is_busy)
            end_taking(s, status == LARDER_OK);
        return;
    default: return; /* a read is asked for again */
    }
}

struct slice volatile_storage_snapshot(const struct volatile_storage *s) {
    return s->newest.bytes == NULL ? slice_of(NULL, 0)
                                   : slice_of(s->newest.bytes, s->newest.snapshot.size);
}

bool volatile_storage_begin(struct volatile_storage *s, const struct raft_snapshot *snapshot,
                            struct slice bytes) {
    uint8_t *copy = allocator_allocate(s->allocator, bytes.size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, bytes.data, bytes.size);
    volatile_storage_finish(s);
    volatile_storage_init(s, s->allocator);
    s->newest = (struct volatile_image){.snapshot = *snapshot, .bytes = copy};
    return true;
}
