/* SPDX-License-Identifier: BSD-3-Clause */
/* Every write first makes room for all it will append, so that it happens whole or not at all. */
#include "wire/reply.h"

#include "base/double_text.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    REPLY_FIRST_CAPACITY = 1024,
    HEADER_MAX = 24,               /* type, 64-bit number, CR LF */
    BLOB_BY_REFERENCE_MIN = 16384, /* smaller blobs are cheaper to copy than to send apart */
};

void reply_init(struct reply *reply, const struct allocator *allocator) {
    *reply = (struct reply){.allocator = allocator, .protocol = 2};
}

static void release_references(struct reply *reply, size_t from) {
    for (size_t i = from; i < reply->reference_count; i++)
        blob_release(reply->references[i].blob);
    reply->reference_count = from;
}

void reply_finish(struct reply *reply) {
    release_references(reply, 0);
    allocator_release(reply->allocator, reply->data, reply->capacity);
    allocator_release(reply->allocator, reply->references,
                      reply->reference_capacity * sizeof(*reply->references));
    reply_init(reply, reply->allocator);
}

void reply_clear(struct reply *reply) {
    release_references(reply, 0);
    reply->used = 0;
    reply->reference_bytes = 0;
    reply->failed = false;
}

static bool grow(struct reply *reply, size_t size) {
    size_t capacity = reply->capacity == 0 ? REPLY_FIRST_CAPACITY : reply->capacity;
    if (size > SIZE_MAX / 4 || reply->used > SIZE_MAX / 4) {
        reply->failed = true;
        return false;
    }
    while (capacity - reply->used < size)
        capacity *= 2;
    void *data = allocator_resize(reply->allocator, reply->data, reply->capacity, capacity);
    if (data == NULL) {
        reply->failed = true;
        return false;
    }
    reply->data = data;
    reply->capacity = capacity;
    return true;
}

/* A writer's check: false also while an earlier write of the same reply has failed. */
static inline bool has_room(struct reply *reply, size_t size) {
    if (reply->failed)
        return false;
    return reply->capacity - reply->used >= size || grow(reply, size);
}

bool reply_reserve(struct reply *reply, size_t size) {
    return has_room(reply, size);
}

struct reply_mark reply_mark(const struct reply *reply) {
    return (struct reply_mark){reply->used, reply->reference_count, reply->reference_bytes};
}

void reply_cut(struct reply *reply, struct reply_mark mark) {
    reply->used = mark.used;
    release_references(reply, mark.reference_count);
    reply->reference_bytes = mark.reference_bytes;
    reply->failed = false;
}

static inline void put(struct reply *reply, const void *bytes, size_t size) {
    memcpy(reply->data + reply->used, bytes, size);
    reply->used += size;
}

static inline void put_end(struct reply *reply) {
    put(reply, "\r\n", 2);
}

static inline void put_header(struct reply *reply, char type, uint64_t number) {
    reply->data[reply->used++] = (uint8_t)type;
    if (number < 10)
        reply->data[reply->used++] = (uint8_t)('0' + number);
    else
        reply->used += uint64_format(number, reply->data + reply->used);
    put_end(reply);
}

void reply_raw(struct reply *reply, struct slice bytes) {
    if (has_room(reply, bytes.size) && bytes.size > 0)
        put(reply, bytes.data, bytes.size);
}

void reply_ok(struct reply *reply) {
    if (has_room(reply, 5))
        put(reply, "+OK\r\n", 5);
}

static void put_line(struct reply *reply, char type, const char *text) {
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    if (!has_room(reply, size + 3))
        return;
    reply->data[reply->used++] = (uint8_t)type;
    for (size_t i = 0; i < size; i++)
        reply->data[reply->used++] = (uint8_t)(text[i] == '\r' || text[i] == '\n' ? ' ' : text[i]);
    put_end(reply);
}

void reply_simple(struct reply *reply, const char *text) {
    put_line(reply, '+', text);
}

void reply_error(struct reply *reply, const char *text) {
    put_line(reply, '-', text);
}

void reply_error_format(struct reply *reply, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    reply_error(reply, text);
}

void reply_integer(struct reply *reply, int64_t value) {
    if (!has_room(reply, HEADER_MAX))
        return;
    reply->data[reply->used++] = ':';
    reply->used += int64_format(value, reply->data + reply->used);
    put_end(reply);
}

static void bulk_as(struct reply *reply, char type, struct slice bytes) {
    if (!has_room(reply, bytes.size + HEADER_MAX))
        return;
    put_header(reply, type, bytes.size);
    if (bytes.size > 0)
        put(reply, bytes.data, bytes.size);
    put_end(reply);
}

void reply_bulk(struct reply *reply, struct slice bytes) {
    bulk_as(reply, '$', bytes);
}

void reply_bulk_text(struct reply *reply, const char *text) {
    reply_bulk(reply, slice_of_string(text));
}

void reply_bulk_integer(struct reply *reply, int64_t value) {
    uint8_t text[INT64_TEXT_MAX];
    reply_bulk(reply, slice_of(text, int64_format(value, text)));
}

static bool reserve_reference(struct reply *reply) {
    if (reply->reference_count < reply->reference_capacity)
        return true;
    size_t old = reply->reference_capacity, capacity = old == 0 ? 8 : 2 * old;
    void *grown =
        allocator_resize(reply->allocator, reply->references, old * sizeof(*reply->references),
                         capacity * sizeof(*reply->references));
    if (grown == NULL) {
        reply->failed = true;
        return false;
    }
    reply->references = grown;
    reply->reference_capacity = capacity;
    return true;
}

void reply_blob(struct reply *reply, struct blob *blob) {
    if (blob->size < BLOB_BY_REFERENCE_MIN) {
        reply_bulk(reply, blob_slice(blob));
        return;
    }
    if (!has_room(reply, 2 * HEADER_MAX) || !reserve_reference(reply))
        return;
    put_header(reply, '$', blob->size);
    reply_reference(reply, blob);
    put_end(reply);
}

void reply_reference(struct reply *reply, struct blob *blob) {
    if (reply->failed || !reserve_reference(reply))
        return;
    reply->references[reply->reference_count++] =
        (struct reply_reference){.at = reply->used, .blob = blob_acquire(blob)};
    reply->reference_bytes += blob->size;
}

void reply_drop_front(struct reply *reply, size_t size, size_t count) {
    for (size_t i = 0; i < count; i++) {
        reply->reference_bytes -= reply->references[i].blob->size;
        blob_release(reply->references[i].blob);
    }
    reply->reference_count -= count;
    for (size_t i = 0; i < reply->reference_count; i++) {
        reply->references[i] = reply->references[i + count];
        reply->references[i].at -= size;
    }
    reply->used -= size;
    memmove(reply->data, reply->data + size, reply->used);
}

void reply_null(struct reply *reply) {
    if (!has_room(reply, HEADER_MAX))
        return;
    if (reply->protocol == 3)
        put(reply, "_\r\n", 3);
    else
        put(reply, "$-1\r\n", 5);
}

void reply_null_array(struct reply *reply) {
    if (!has_room(reply, HEADER_MAX))
        return;
    if (reply->protocol == 3)
        put(reply, "_\r\n", 3);
    else
        put(reply, "*-1\r\n", 5);
}

static void aggregate(struct reply *reply, char type, size_t count) {
    if (has_room(reply, HEADER_MAX))
        put_header(reply, type, count);
}

void reply_array(struct reply *reply, size_t count) {
    aggregate(reply, '*', count);
}

void reply_map(struct reply *reply, size_t count) {
    if (reply->protocol == 3)
        aggregate(reply, '%', count);
    else
        aggregate(reply, '*', 2 * count);
}

void reply_set(struct reply *reply, size_t count) {
    aggregate(reply, reply->protocol == 3 ? '~' : '*', count);
}

void reply_push(struct reply *reply, size_t count) {
    aggregate(reply, reply->protocol == 3 ? '>' : '*', count);
}

void reply_double(struct reply *reply, double value) {
    uint8_t text[DOUBLE_FORMAT_MAX];
    size_t size = double_format(value, text);
    if (reply->protocol != 3) {
        reply_bulk(reply, slice_of(text, size));
        return;
    }
    if (!has_room(reply, size + 3))
        return;
    reply->data[reply->used++] = ',';
    put(reply, text, size);
    put_end(reply);
}

void reply_boolean(struct reply *reply, bool value) {
    if (reply->protocol != 3)
        reply_integer(reply, value);
    else if (has_room(reply, 4))
        put(reply, value ? "#t\r\n" : "#f\r\n", 4);
}

void reply_verbatim(struct reply *reply, struct slice text) {
    if (reply->protocol != 3) {
        reply_bulk(reply, text);
        return;
    }
    if (!has_room(reply, text.size + HEADER_MAX + 4))
        return;
    put_header(reply, '=', text.size + 4);
    put(reply, "txt:", 4);
    if (text.size > 0)
        put(reply, text.data, text.size);
    put_end(reply);
}

size_t reply_deferred_begin(struct reply *reply) {
    return reply->used;
}

void reply_deferred_end(struct reply *reply, size_t begin, char type, size_t count) {
    if (reply->protocol != 3) {
        if (type == '%')
            count *= 2;
        type = '*';
    }
    uint8_t header[HEADER_MAX];
    size_t size = 1 + uint64_format(count, header + 1);
    header[0] = (uint8_t)type;
    header[size++] = '\r';
    header[size++] = '\n';
    if (!has_room(reply, size))
        return;
    memmove(reply->data + begin + size, reply->data + begin, reply->used - begin);
    memcpy(reply->data + begin, header, size);
    reply->used += size;
    for (size_t i = reply->reference_count; i > 0 && reply->references[i - 1].at >= begin; i--)
        reply->references[i - 1].at += size;
}
