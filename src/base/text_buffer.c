/* SPDX-License-Identifier: BSD-3-Clause */
/* Doubling growth; formatting is tried in place and repeated once if it did not fit. */
#include "base/text_buffer.h"

#include <stdarg.h>
#include <stdio.h>

static bool reserve(struct text_buffer *text, size_t size) {
    if (text->is_out_of_memory)
        return false;
    if (text->capacity - text->size > size)
        return true;
    size_t capacity = text->capacity == 0 ? 256 : text->capacity;
    while (capacity - text->size <= size)
        capacity *= 2;
    char *data = allocator_resize(text->allocator, text->data, text->capacity, capacity);
    if (data == NULL) {
        text->is_out_of_memory = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_buffer_finish(struct text_buffer *text) {
    allocator_release(text->allocator, text->data, text->capacity);
    text_buffer_init(text, text->allocator);
}

void text_buffer_append(struct text_buffer *text, struct slice bytes) {
    if (!reserve(text, bytes.size))
        return;
    if (bytes.size > 0)
        memcpy(text->data + text->size, bytes.data, bytes.size);
    text->size += bytes.size;
    text->data[text->size] = '\0';
}

void text_buffer_format(struct text_buffer *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = text->capacity - text->size;
    int length =
        vsnprintf(text->data == NULL ? NULL : text->data + text->size, room, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length >= room) {
        bool has_room = reserve(text, (size_t)length);
        if (has_room)
            (void)vsnprintf(text->data + text->size, text->capacity - text->size, format, again);
        else
            length = 0;
    }
    va_end(again);
    if (length > 0 && !text->is_out_of_memory)
        text->size += (size_t)length;
}
