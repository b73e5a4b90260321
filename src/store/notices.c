/* SPDX-License-Identifier: BSD-3-Clause */
/* Two growing arrays: the notices and the bytes of their keys, which may be gone from the log by
 * the time of the delivery. */
#include "store/notices.h"

enum { FIRST_ITEMS = 16, FIRST_TEXT_BYTES = 512, KEPT_ITEMS = 1024, KEPT_TEXT_BYTES = 64 * 1024 };

void notices_init(struct notices *notices, const struct allocator *allocator) {
    *notices = (struct notices){.allocator = allocator};
}

void notices_finish(struct notices *notices) {
    allocator_release(notices->allocator, notices->items,
                      notices->capacity * sizeof(*notices->items));
    allocator_release(notices->allocator, notices->text, notices->text_capacity);
    notices_init(notices, notices->allocator);
}

void notices_clear(struct notices *notices) {
    uint32_t interest = notices->interest;
    if (notices->capacity > KEPT_ITEMS || notices->text_capacity > KEPT_TEXT_BYTES)
        notices_finish(notices);
    notices->interest = interest;
    notices->count = 0;
    notices->lost_events = 0;
    notices->text_used = 0;
    notices->is_incomplete = false;
}

void notices_renumber(struct notices *notices, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < notices->count; i++)
        if (notices->items[i].collection == from)
            notices->items[i].collection = to;
}

static bool reserve(struct notices *notices, size_t key_size) {
    if (notices->count == notices->capacity) {
        uint32_t capacity = notices->capacity == 0 ? FIRST_ITEMS : 2 * notices->capacity;
        void *grown = allocator_resize(notices->allocator, notices->items,
                                       notices->capacity * sizeof(*notices->items),
                                       capacity * sizeof(*notices->items));
        if (grown == NULL)
            return false;
        notices->items = grown;
        notices->capacity = capacity;
    }
    uint64_t needed = (uint64_t)notices->text_used + key_size;
    if (needed <= notices->text_capacity)
        return true;
    uint64_t capacity = notices->text_capacity == 0 ? FIRST_TEXT_BYTES : notices->text_capacity;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > UINT32_MAX)
        return false;
    void *grown =
        allocator_resize(notices->allocator, notices->text, notices->text_capacity, capacity);
    if (grown == NULL)
        return false;
    notices->text = grown;
    notices->text_capacity = (uint32_t)capacity;
    return true;
}

void notices_add(struct notices *notices, const char *event, uint32_t class, uint32_t partition,
                 uint32_t collection, struct slice key) {
    if (!reserve(notices, key.size)) {
        notices->is_incomplete = true;
        notices->lost_events += event != NULL;
        return;
    }
    if (key.size > 0)
        memcpy(notices->text + notices->text_used, key.data, key.size);
    notices->items[notices->count++] = (struct notice){
        .event = event,
        .class = class,
        .partition = partition,
        .collection = collection,
        .key_at = notices->text_used,
        .key_size = (uint32_t)key.size,
    };
    notices->text_used += (uint32_t)key.size;
}
