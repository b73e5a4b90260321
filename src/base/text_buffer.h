/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing text, for INFO, CLIENT LIST, metrics and the like. Running out of memory is remembered:
 * later appends do nothing, and the owner asks once at the end. One thread at a time. */
#ifndef LARDER_BASE_TEXT_BUFFER_H
#define LARDER_BASE_TEXT_BUFFER_H

#include "base/alloc.h"
#include "base/slice.h"

struct text_buffer {
    const struct allocator *allocator;
    char *data; /* NUL-terminated once anything was appended */
    size_t size;
    size_t capacity;
    bool is_out_of_memory;
};

static inline void text_buffer_init(struct text_buffer *text, const struct allocator *allocator) {
    *text = (struct text_buffer){.allocator = allocator};
}
void text_buffer_finish(struct text_buffer *text);

void text_buffer_append(struct text_buffer *text, struct slice bytes);
/* printf-style. */
void text_buffer_format(struct text_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline struct slice text_buffer_slice(const struct text_buffer *text) {
    return slice_of(text->data, text->size);
}

#endif
