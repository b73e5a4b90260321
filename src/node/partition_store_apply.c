/* SPDX-License-Identifier: BSD-3-Clause */
/* Effects that come back: walked part by part, applied through the command functions. An effect is
 * one record; a position in it is the offset of a part, so that who was stopped for want of memory
 * goes on where it was. */
#include "node/partition_store.h"

#include "node/node_internal.h"

enum {
    RECORD_HEADER_BYTES = 8, /* size 4, part count 4: store/effect.h */
    SIZE_FIELD_BYTES = 4,
    ARGUMENTS_FIRST = 16,
    ATTEMPTS_MAX = 20,
};

static void put_u32(uint8_t *out, size_t value) {
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static bool need_arguments(struct store_host *host, size_t count) {
    if (count <= host->argument_capacity)
        return true;
    void *grown = allocator_resize(host->allocator, host->arguments,
                                   host->argument_capacity * sizeof(*host->arguments),
                                   count * sizeof(*host->arguments));
    if (grown == NULL)
        return false;
    host->arguments = grown;
    host->argument_capacity = count;
    return true;
}

/* The part at *at. Errors as next_part. */
static enum larder_status read_part(struct hosted_partition *p, struct slice effect, size_t *at,
                                    struct effect_part *out) {
    struct store_host *host = p->host;
    struct effect_reader reader;
    if (effect.size == 0 || *at == effect.size)
        return LARDER_NOT_FOUND;
    if (*at > effect.size || !need_arguments(host, ARGUMENTS_FIRST))
        return *at > effect.size ? LARDER_CORRUPT : LARDER_NO_MEMORY;
    effect_reader_init(&reader, effect);
    if (*at > 0) {
        reader.at = *at;
        reader.record_end = effect.size;
        reader.parts_left = 1;
    }
    enum larder_status status;
    while ((status = effect_reader_next(&reader, out, host->arguments, host->argument_capacity)) ==
           LARDER_TOO_LARGE)
        if (!need_arguments(host, out->argument_count))
            return LARDER_NO_MEMORY;
    if (status == LARDER_OK && (reader.record_end != effect.size || out->partition != p->id))
        return LARDER_CORRUPT;
    if (status != LARDER_OK)
        return status == LARDER_NOT_FOUND ? LARDER_CORRUPT : status;
    *at = reader.at;
    return LARDER_OK;
}

static bool is_flush(const struct effect_part *part) {
    return part->command == COMMAND_FLUSHALL;
}

bool store_host_refill(struct store_host *host) {
    if (!host->thread.store.reserve.is_starved)
        return false;
    reserve_raise(&host->thread.store.reserve);
    return node_thread_refill(&host->thread);
}

static enum larder_status apply_once(struct hosted_partition *p, const struct effect_part *part) {
    struct node_thread *thread = &p->host->thread;
    partition_lock(thread->node, p->id);
    node_listen(thread);
    enum larder_status status = call_apply_effect(&thread->node->keyspace, &thread->store, part,
                                                  p->host->arguments, &p->host->reply);
    node_tell(thread);
    partition_unlock(thread->node, p->id);
    node_serve_deferred(thread);
    return status;
}

static enum larder_status apply_part(struct hosted_partition *p, const struct effect_part *part) {
    struct store_host *host = p->host;
    enum larder_status status = LARDER_NO_MEMORY;
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        status = apply_once(p, part);
        if (status != LARDER_NO_MEMORY || !store_host_refill(host))
            break;
    }
    reserve_reset_targets(&host->thread.store.reserve);
    return status;
}

enum larder_status hosted_apply(void *context, struct slice effect, size_t *at) {
    struct hosted_partition *p = context;
    struct effect_part part;
    enum larder_status status = LARDER_OK;
    store_host_begin(p->host, p->host->thread.store.now_ms);
    if (!hosted_settle(p->host))
        return LARDER_NO_MEMORY;
    while (status == LARDER_OK) {
        size_t next = *at;
        status = read_part(p, effect, &next, &part);
        if (status != LARDER_OK)
            break;
        if (is_flush(&part))
            hosted_clear_bucket(p, PARTITION_WHOLE);
        else if (part.command == COMMAND_FLUSHDB || part.command == COMMAND_SWAPDB)
            return LARDER_CORRUPT; /* would concern all partitions of the host */
        else
            status = apply_part(p, &part);
        if (status == LARDER_OK)
            *at = next;
    }
    return status == LARDER_NOT_FOUND ? LARDER_OK : status;
}

enum larder_status hosted_read_part(struct hosted_partition *p, struct slice record,
                                    struct effect_part *out) {
    size_t at = 0;
    return read_part(p, record, &at, out);
}

enum larder_status hosted_apply_record(struct hosted_partition *p, struct slice record) {
    struct effect_part part;
    size_t at = 0;
    enum larder_status status;
    while ((status = read_part(p, record, &at, &part)) == LARDER_OK) {
        status = apply_part(p, &part);
        if (status != LARDER_OK)
            return status;
    }
    return status == LARDER_NOT_FOUND ? LARDER_OK : status;
}

/* The part from `from` to `to` with a header of its own. */
static enum larder_status wrap(struct store_host *host, struct slice effect, size_t from, size_t to,
                               struct slice *out) {
    size_t size = to - from;
    if (from <= RECORD_HEADER_BYTES && to == effect.size) {
        *out = effect;
        return LARDER_OK;
    }
    if (!store_host_need_bytes(host, RECORD_HEADER_BYTES + size))
        return LARDER_NO_MEMORY;
    put_u32(host->bytes, RECORD_HEADER_BYTES - SIZE_FIELD_BYTES + size);
    put_u32(host->bytes + SIZE_FIELD_BYTES, 1);
    memcpy(host->bytes + RECORD_HEADER_BYTES, effect.data + from, size);
    *out = slice_of(host->bytes, RECORD_HEADER_BYTES + size);
    return LARDER_OK;
}

enum larder_status hosted_next_part(void *context, struct slice effect, size_t *at,
                                    struct store_part *out) {
    struct hosted_partition *p = context;
    struct effect_part part;
    size_t from = *at, to = *at;
    enum larder_status status = read_part(p, effect, &to, &part);
    if (status != LARDER_OK)
        return status;
    if (is_flush(&part)) {
        out->bucket = PARTITION_WHOLE;
        out->key = slice_of(NULL, 0);
    } else {
        if (part.argument_count == 0)
            return LARDER_CORRUPT;
        out->key = p->host->arguments[0];
        out->bucket = hosted_bucket_of(p, out->key);
    }
    status = wrap(p->host, effect, from == 0 ? RECORD_HEADER_BYTES : from, to, &out->bytes);
    if (status == LARDER_OK)
        *at = to;
    return status;
}
