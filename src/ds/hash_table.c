/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes as a table of elements. Setting makes all elements first; then they take the place of
 * those that have the same field, or are inserted, which can't fail any more. */
#include "ds/hash_internal.h"

enum { ELEMENTS_ON_STACK = 16 };

static unsigned varint_size(uint64_t value) {
    unsigned size = 1;
    for (; value >= 128; value >>= 7)
        size++;
    return size;
}

static uint8_t *varint_put(uint8_t *at, uint64_t value) {
    for (; value >= 128; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static const uint8_t *varint_get(const uint8_t *at, uint64_t *out) {
    uint64_t value = *at & 0x7f;
    for (unsigned shift = 7; (*at++ & 0x80) != 0; shift += 7)
        value |= (uint64_t)(*at & 0x7f) << shift;
    *out = value;
    return at;
}

/* ---- elements ---- */

void hash_element_read(const void *element, struct hash_pair *out) {
    uint64_t head, value_size;
    const uint8_t *at = varint_get(varint_get(element, &head), &value_size);
    out->expiry_ms = 0;
    if ((head & 1) != 0) {
        memcpy(&out->expiry_ms, at, sizeof(out->expiry_ms));
        at += sizeof(out->expiry_ms);
    }
    out->field = slice_of(at, head >> 1);
    out->value = slice_of(at + (head >> 1), value_size);
}

static struct slice element_field(const void *element) {
    struct hash_pair pair;
    hash_element_read(element, &pair);
    return pair.field;
}

static size_t element_size(const void *element) {
    struct hash_pair pair;
    hash_element_read(element, &pair);
    return (size_t)(pair.value.data + pair.value.size - (const uint8_t *)element);
}

/* With a place for an expiry time, whether there is one or not. */
static void *element_create(const struct object_context *context, const struct hash_pair *pair,
                            bool has_expiry) {
    uint64_t head = (uint64_t)pair->field.size << 1 | has_expiry;
    size_t size = varint_size(head) + varint_size(pair->value.size) +
                  (has_expiry ? sizeof(pair->expiry_ms) : 0) + pair->field.size + pair->value.size;
    uint8_t *element = allocator_allocate(context->allocator, size);
    if (element == NULL)
        return NULL;
    uint8_t *at = varint_put(varint_put(element, head), pair->value.size);
    if (has_expiry) {
        memcpy(at, &pair->expiry_ms, sizeof(pair->expiry_ms));
        at += sizeof(pair->expiry_ms);
    }
    if (pair->field.size > 0)
        memcpy(at, pair->field.data, pair->field.size);
    if (pair->value.size > 0)
        memcpy(at + pair->field.size, pair->value.data, pair->value.size);
    return element;
}

static bool element_has_expiry(const void *element) {
    return (*(const uint8_t *)element & 1) != 0;
}

static void element_destroy(void *element, const struct allocator *allocator) {
    allocator_release(allocator, element, element_size(element));
}

/* ---- the sums that a hash keeps ---- */

static void count_in(struct full_hash *hash, const void *element) {
    struct hash_pair pair;
    hash_element_read(element, &pair);
    hash->element_bytes += element_size(element);
    if (pair.expiry_ms == 0)
        return;
    hash->expiring++;
    if (pair.expiry_ms < hash->due_ms)
        hash->due_ms = pair.expiry_ms;
}

static void count_out(struct full_hash *hash, const void *element) {
    struct hash_pair pair;
    hash_element_read(element, &pair);
    hash->element_bytes -= element_size(element);
    if (pair.expiry_ms == 0)
        return;
    if (--hash->expiring == 0)
        hash->due_ms = INT64_MAX;
}

/* Put an element in or in the place of the one with its field. True: the field is new. */
static bool place(struct full_hash *hash, const struct object_context *context, void *element,
                  int64_t now_ms) {
    struct slice field = element_field(element);
    uint64_t key_hash = table_hash(context, field);
    uint64_t *word = table_find_word(&hash->table, key_hash, field);
    if (word == NULL) {
        table_insert(&hash->table, context, key_hash, element);
        count_in(hash, element);
        return true;
    }
    struct hash_pair old;
    void *replaced = table_element(*word);
    hash_element_read(replaced, &old);
    bool was_past = hash_is_past(old.expiry_ms, now_ms);
    count_in(hash, element);
    count_out(hash, replaced);
    table_replace(word, element);
    element_destroy(replaced, context->allocator);
    return was_past;
}

/* ---- setting ---- */

static int64_t kept_expiry(const struct full_hash *hash, const struct object_context *context,
                           struct slice field, int64_t now_ms) {
    struct hash_pair old;
    void *element = table_find(&hash->table, table_hash(context, field), field);
    if (element == NULL)
        return 0;
    hash_element_read(element, &old);
    return hash_is_past(old.expiry_ms, now_ms) ? 0 : old.expiry_ms;
}

static void *make(const struct full_hash *hash, const struct object_context *context,
                  const struct slice *pair, int64_t expiry_ms, int64_t now_ms) {
    if (expiry_ms == HASH_KEEP_EXPIRY)
        expiry_ms = kept_expiry(hash, context, pair[0], now_ms);
    return element_create(
        context, &(struct hash_pair){.field = pair[0], .value = pair[1], .expiry_ms = expiry_ms},
        expiry_ms != 0);
}

/* The value of a field that stays as long as it was is written where it lies. */
static bool set_in_place(struct full_hash *hash, const struct object_context *context,
                         const struct slice *pair, int64_t expiry_ms, int64_t now_ms) {
    struct hash_pair old;
    void *element = table_find(&hash->table, table_hash(context, pair[0]), pair[0]);
    if (element == NULL)
        return false;
    hash_element_read(element, &old);
    bool keeps = old.expiry_ms == 0 && (expiry_ms == 0 || expiry_ms == HASH_KEEP_EXPIRY);
    if (old.value.size != pair[1].size || !keeps || hash_is_past(old.expiry_ms, now_ms))
        return false;
    if (pair[1].size > 0)
        memcpy((uint8_t *)(uintptr_t)old.value.data, pair[1].data, pair[1].size);
    return true;
}

enum larder_status full_hash_set(struct full_hash *hash, const struct object_context *context,
                                 const struct slice *pairs, size_t count, int64_t expiry_ms,
                                 int64_t now_ms, size_t *out_added) {
    *out_added = 0;
    if (count == 1 && set_in_place(hash, context, pairs, expiry_ms, now_ms))
        return LARDER_OK;
    void *few[ELEMENTS_ON_STACK], **made = few;
    if (count > ELEMENTS_ON_STACK)
        made = allocator_allocate(context->allocator, count * sizeof(*made));
    if (made == NULL)
        return LARDER_NO_MEMORY;
    bool is_complete = table_reserve(&hash->table, context, count) == LARDER_OK;
    size_t made_count = 0;
    while (is_complete && made_count < count) {
        made[made_count] = make(hash, context, pairs + 2 * made_count, expiry_ms, now_ms);
        is_complete = made[made_count] != NULL;
        made_count += is_complete;
    }
    for (size_t i = 0; i < made_count; i++) {
        if (is_complete)
            *out_added += place(hash, context, made[i], now_ms);
        else
            element_destroy(made[i], context->allocator);
    }
    table_end_reserve(&hash->table, context);
    if (made != few)
        allocator_release(context->allocator, made, count * sizeof(*made));
    return is_complete ? LARDER_OK : LARDER_NO_MEMORY;
}

/* ---- expiry ---- */

enum larder_status full_hash_reserve_expiry(struct full_hash *hash,
                                            const struct object_context *context,
                                            struct slice field) {
    struct hash_pair pair;
    uint64_t *word = table_find_word(&hash->table, table_hash(context, field), field);
    if (word == NULL || element_has_expiry(table_element(*word)))
        return LARDER_OK;
    void *old = table_element(*word);
    hash_element_read(old, &pair);
    void *fresh = element_create(context, &pair, true);
    if (fresh == NULL)
        return LARDER_NO_MEMORY;
    count_out(hash, old);
    count_in(hash, fresh);
    table_replace(word, fresh);
    element_destroy(old, context->allocator);
    return LARDER_OK;
}

void full_hash_set_expiry(struct full_hash *hash, const struct object_context *context,
                          struct slice field, int64_t expiry_ms) {
    struct hash_pair pair;
    void *element = table_find(&hash->table, table_hash(context, field), field);
    if (element == NULL || !element_has_expiry(element))
        return;
    count_out(hash, element);
    hash_element_read(element, &pair);
    memcpy((uint8_t *)(uintptr_t)pair.field.data - sizeof(expiry_ms), &expiry_ms,
           sizeof(expiry_ms));
    count_in(hash, element);
}

bool full_hash_remove(struct full_hash *hash, const struct object_context *context,
                      struct slice field, int64_t now_ms) {
    struct hash_pair pair;
    uint64_t key_hash = table_hash(context, field);
    uint64_t *word = table_find_word(&hash->table, key_hash, field);
    if (word == NULL)
        return false;
    void *element = table_element(*word);
    hash_element_read(element, &pair);
    bool was_past = hash_is_past(pair.expiry_ms, now_ms);
    table_remove(&hash->table, context, key_hash, word);
    count_out(hash, element);
    element_destroy(element, context->allocator);
    return !was_past;
}

/* ---- as the store sees it ---- */

static size_t full_bytes(const struct object *hash) {
    return sizeof(struct full_hash) + full_of(hash)->table.bytes + full_of(hash)->element_bytes;
}

static size_t full_length(const struct object *hash) {
    return full_of(hash)->table.count;
}

static bool full_free_some(struct object *hash, const struct allocator *allocator, size_t budget) {
    if (!table_free_some(&full_of(hash)->table, allocator, budget, element_destroy))
        return false;
    allocator_release(allocator, hash, sizeof(struct full_hash));
    return true;
}

struct object *full_hash_create(const struct object_context *context) {
    struct full_hash *hash = allocator_allocate(context->allocator, sizeof(*hash));
    if (hash == NULL)
        return NULL;
    *hash =
        (struct full_hash){.object.type = &HASH_FULL, .seed = context->seed, .due_ms = INT64_MAX};
    table_init(&hash->table, element_field);
    return &hash->object;
}

static struct object *full_copy(const struct object *hash, const struct allocator *allocator) {
    const struct full_hash *from = full_of(hash);
    struct object_context context = {.allocator = allocator, .seed = from->seed};
    struct object *copy = full_hash_create(&context);
    if (copy == NULL)
        return NULL;
    struct table_walk walk = {0};
    const void *element;
    bool is_complete =
        table_reserve(&full_of(copy)->table, &context, from->table.count) == LARDER_OK;
    while (is_complete && (element = table_next(&from->table, &walk)) != NULL) {
        struct hash_pair pair;
        hash_element_read(element, &pair);
        void *twin = element_create(&context, &pair, pair.expiry_ms != 0);
        is_complete = twin != NULL;
        if (is_complete)
            (void)place(full_of(copy), &context, twin, 0);
    }
    if (is_complete)
        return copy;
    object_destroy(copy, allocator);
    return NULL;
}

static void full_visit(const struct object *hash, object_visitor visitor, void *context) {
    struct table_walk walk = {0};
    const void *element;
    while ((element = table_next(&full_of(hash)->table, &walk)) != NULL) {
        struct hash_pair pair;
        uint8_t text[INT64_TEXT_MAX];
        hash_element_read(element, &pair);
        struct slice parts[] = {pair.field, pair.value,
                                slice_of(text, int64_format(pair.expiry_ms, text))};
        visitor(context, parts, pair.expiry_ms != 0 ? 3 : 2);
    }
}

const struct object_type HASH_FULL = {
    .kind = OBJECT_HASH,
    .encoding = "hashtable",
    .bytes = full_bytes,
    .length = full_length,
    .free_some = full_free_some,
    .copy = full_copy,
    .visit = full_visit,
    .expiry = &HASH_EXPIRY,
};
