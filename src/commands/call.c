/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands do to keys. Time only hides: an expired key is a miss for everybody, and is taken
 * out of the store by the first write that meets it. While an effect is applied no key expires by
 * time, since the deletion is an effect of its own. */
#include "commands/call.h"

struct partition *call_partition(const struct call *call, const struct key *key) {
    return keyspace_partition(call->keyspace, key->partition);
}

struct key call_key(const struct call *call, struct slice text) {
    return keyspace_key(call->keyspace, text, keyspace_collection(call->keyspace, call->database));
}

struct key call_key_at(const struct call *call, size_t index) {
    struct slice text = call->argv[index];
    if (call->key.text.data == text.data && call->key.text.size == text.size)
        return call->key;
    return call_key(call, text);
}

static bool is_expired(const struct call *call, const struct entry *entry) {
    return entry->expiry_ms != 0 && entry->expiry_ms < call->thread->now_ms &&
           (call->flags & CALL_APPLY) == 0;
}

/* Others may want to know. */
static void changed(const struct call *call, const struct key *key) {
    notices_changed(&call->thread->notices, key->partition, key->collection, key->text);
}

bool call_peek(struct call *call, const struct key *key, struct entry *out) {
    return partition_find(call_partition(call, key), call->keyspace, key, out) &&
           !is_expired(call, out);
}

bool call_inspect(struct call *call, const struct key *key, struct entry *out) {
    bool is_there = call_peek(call, key, out);
    struct store_counters *counters = &call->thread->counters;
    counter_add(is_there ? &counters->hits : &counters->misses, 1);
    if (!is_there)
        call_notify(call, NOTICE_MISS, "keymiss", key);
    return is_there;
}

bool call_read(struct call *call, const struct key *key, struct entry *out) {
    if (!call_inspect(call, key, out))
        return false;
    if ((call->flags & CALL_NO_TOUCH) == 0)
        partition_touch(call_partition(call, key), call->keyspace, call->thread, out);
    return true;
}

bool call_write(struct call *call, const struct key *key, struct entry *out) {
    struct partition *p = call_partition(call, key);
    if (!partition_find(p, call->keyspace, key, out))
        return false;
    if (!is_expired(call, out))
        return true;
    partition_delete(p, call->keyspace, call->thread, out);
    counter_add(&call->thread->counters.expired_keys, 1);
    changed(call, key);
    call_notify(call, NOTICE_EXPIRED, "expired", key);
    call_effect_delete(call, key);
    return false;
}

void call_use(struct call *call, const struct key *key, struct entry *entry) {
    partition_touch(call_partition(call, key), call->keyspace, call->thread, entry);
}

enum larder_status call_reserve(struct call *call, const struct key *key, size_t value_size) {
    call->reserved = true;
    return partition_reserve(call_partition(call, key), call->keyspace, call->thread, key,
                             value_size);
}

enum larder_status call_put(struct call *call, const struct key *key, const struct entry *old,
                            struct value value, int64_t expiry_ms) {
    enum larder_status status = partition_put(call_partition(call, key), call->keyspace,
                                              call->thread, key, old, value, expiry_ms);
    if (status != LARDER_OK)
        return status;
    call->changed = true;
    changed(call, key);
    if (old == NULL)
        call_notify(call, NOTICE_NEW, "new", key);
    /* A blob that was there before keeps the reference it had; the one given is left over. */
    if (value.kind == VALUE_BLOB && old != NULL && old->value.kind == VALUE_BLOB &&
        old->value.blob == value.blob)
        blob_release(value.blob);
    return LARDER_OK;
}

static struct blob *copy_to_blob(const struct call *call, struct slice bytes) {
    struct blob *blob = blob_create(call->keyspace->allocator, bytes.size);
    if (blob == NULL)
        return NULL;
    memcpy(blob->data, bytes.data, bytes.size);
    blob->size = bytes.size;
    return blob;
}

static enum larder_status put_blob(struct call *call, const struct key *key,
                                   const struct entry *old, struct slice bytes, struct blob *blob,
                                   int64_t expiry_ms) REQUIRES(PARTITION_LOCK);

static enum larder_status put_blob(struct call *call, const struct key *key,
                                   const struct entry *old, struct slice bytes, struct blob *blob,
                                   int64_t expiry_ms) {
    struct blob *held = blob != NULL ? blob_acquire(blob) : copy_to_blob(call, bytes);
    if (held == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = call_put(call, key, old, value_of_blob(held), expiry_ms);
    if (status != LARDER_OK)
        blob_release(held);
    return status;
}

enum larder_status call_put_string(struct call *call, const struct key *key,
                                   const struct entry *old, struct slice bytes, struct blob *blob,
                                   int64_t expiry_ms) {
    int64_t integer;
    if (bytes.size > RECORD_INLINE_VALUE_MAX)
        return put_blob(call, key, old, bytes, blob, expiry_ms);
    if (slice_to_int64(bytes, &integer))
        return call_put(call, key, old, value_of_integer(integer), expiry_ms);
    return call_put(call, key, old, value_of_bytes(bytes), expiry_ms);
}

enum larder_status call_set_expiry(struct call *call, const struct key *key, struct entry *entry,
                                   int64_t expiry_ms) {
    enum larder_status status = partition_set_expiry(call_partition(call, key), call->keyspace,
                                                     call->thread, entry, expiry_ms);
    if (status == LARDER_OK) {
        call->changed = true;
        changed(call, key);
    }
    return status;
}

void call_delete(struct call *call, const struct key *key, const struct entry *entry) {
    partition_delete(call_partition(call, key), call->keyspace, call->thread, entry);
    call->changed = true;
    changed(call, key);
}

void call_mark_changed(struct call *call, const struct key *key) {
    call->changed = true;
    changed(call, key);
}
