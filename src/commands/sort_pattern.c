/* SPDX-License-Identifier: BSD-3-Clause */
/* The key of a pattern is looked up like one that the command names, once its partition is held. */
#include "commands/sort_pattern.h"

#include "commands/string_value.h"
#include "ds/hash.h"

void sort_lookup_init(struct sort_lookup *lookup, struct call *call) {
    *lookup = (struct sort_lookup){.call = call};
}

void sort_lookup_finish(struct sort_lookup *lookup) {
    allocator_release(lookup->call->keyspace->allocator, lookup->name, lookup->capacity);
}

/* Cut a pattern into what is before and behind its star, and the field behind "->", if any. */
static void cut(struct slice pattern, struct slice *out_before, struct slice *out_after,
                struct slice *out_field) {
    const uint8_t *star = memchr(pattern.data, '*', pattern.size);
    size_t before = (size_t)(star - pattern.data);
    *out_before = slice_of(pattern.data, before);
    *out_after = slice_of(star + 1, pattern.size - before - 1);
    *out_field = slice_of(NULL, 0);
    for (size_t i = 0; i + 2 < out_after->size; i++) {
        if (out_after->data[i] == '-' && out_after->data[i + 1] == '>') {
            *out_field = slice_of(out_after->data + i + 2, out_after->size - i - 2);
            out_after->size = i;
            return;
        }
    }
}

static enum larder_status build_name(struct sort_lookup *lookup, struct slice before,
                                     struct slice element, struct slice after, struct slice *out) {
    const struct allocator *allocator = lookup->call->keyspace->allocator;
    size_t size = before.size + element.size + after.size;
    if (size > lookup->capacity) {
        size_t capacity = size + 64;
        uint8_t *grown = allocator_resize(allocator, lookup->name, lookup->capacity, capacity);
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        lookup->name = grown;
        lookup->capacity = capacity;
    }
    const struct slice parts[] = {before, element, after};
    size_t used = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (parts[i].size > 0)
            memcpy(lookup->name + used, parts[i].data, parts[i].size);
        used += parts[i].size;
    }
    *out = slice_of(lookup->name, size);
    return LARDER_OK;
}

static bool is_hash(const struct value *value) {
    return value->kind == VALUE_OBJECT && value->object->type->kind == OBJECT_HASH;
}

enum larder_status sort_lookup_value(struct sort_lookup *lookup, struct slice pattern,
                                     struct slice element, struct slice *out, bool *out_found) {
    struct call *call = lookup->call;
    struct slice before, after, field, name;
    struct entry entry;
    *out_found = slice_equal(pattern, SLICE_LITERAL("#"));
    *out = element;
    if (*out_found || !sort_pattern_has_star(pattern))
        return LARDER_OK;
    cut(pattern, &before, &after, &field);
    if (build_name(lookup, before, element, after, &name) != LARDER_OK)
        return LARDER_NO_MEMORY;
    struct key key = call_key(call, name);
    if (call->hold != NULL && !call->hold(call, &key))
        return LARDER_DENIED;
    if (!call_read(call, &key, &entry))
        return LARDER_OK;
    if (field.size > 0) {
        struct hash_pair pair;
        *out_found =
            is_hash(&entry.value) && hash_get(entry.value.object, call_objects(call), field,
                                              call->thread->now_ms, lookup->scratch, &pair);
        if (*out_found)
            *out = pair.value;
        return LARDER_OK;
    }
    *out_found = entry_is_string(&entry);
    if (*out_found)
        *out = value_text(&entry.value, lookup->scratch);
    return LARDER_OK;
}
