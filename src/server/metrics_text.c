/* SPDX-License-Identifier: BSD-3-Clause */
/* The growing text of a metrics page. It doubles, and stays as it was when it can't. */
#include "server/metrics_http.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_CAPACITY = 4096 };

static bool make_room(struct metrics_text *text, size_t wanted) {
    size_t capacity = text->capacity == 0 ? FIRST_CAPACITY : text->capacity;
    while (capacity - text->size <= wanted)
        capacity *= 2;
    if (capacity == text->capacity)
        return true;
    char *data = allocator_resize(text->allocator, text->data, text->capacity, capacity);
    if (data == NULL) {
        text->is_out_of_memory = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void metrics_text_append(struct metrics_text *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = text->capacity - text->size;
    char *end = text->data == NULL ? NULL : text->data + text->size;
    int length = vsnprintf(end, room, format, arguments);
    if (length >= 0 && (size_t)length >= room && make_room(text, (size_t)length))
        (void)vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
    if (length >= 0 && text->capacity - text->size > (size_t)length)
        text->size += (size_t)length;
    va_end(again);
    va_end(arguments);
}

void metrics_text_describe(struct metrics_text *text, const char *name, const char *type,
                           const char *help) {
    metrics_text_append(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}
