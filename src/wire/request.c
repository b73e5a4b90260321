/* SPDX-License-Identifier: BSD-3-Clause */
/* The hot path reads a complete array of bulk strings without leaving read_array. Lengths are
 * checked against the limits before anything is made of them. */
#include "wire/request.h"

#include <ctype.h>
#include <stdio.h>

enum {
    UNAUTHENTICATED_ARGUMENTS = 10,
    UNAUTHENTICATED_BULK = 16384,
    PARTIAL_MIN_ARGUMENTS = 64, /* below that, reading again is cheaper than remembering */
    LARGE_FIRST_CAPACITY = 64 * 1024,
    LENGTH_DIGITS_MAX = 20,
};

static const char ERROR_MULTIBULK[] = "Protocol error: invalid multibulk length";
static const char ERROR_BULK[] = "Protocol error: invalid bulk length";

void request_arguments_init(struct request_arguments *arguments,
                            const struct allocator *allocator) {
    *arguments = (struct request_arguments){.allocator = allocator};
}

void request_arguments_finish(struct request_arguments *arguments) {
    allocator_release(arguments->allocator, arguments->items,
                      arguments->capacity * sizeof(*arguments->items));
    request_arguments_init(arguments, arguments->allocator);
}

static bool arguments_reserve(struct request_arguments *arguments, size_t count) {
    if (arguments->capacity - arguments->count >= count)
        return true;
    size_t capacity = arguments->capacity == 0 ? 256 : arguments->capacity;
    while (capacity - arguments->count < count)
        capacity *= 2;
    void *grown = allocator_resize(arguments->allocator, arguments->items,
                                   arguments->capacity * sizeof(*arguments->items),
                                   capacity * sizeof(*arguments->items));
    if (grown == NULL)
        return false;
    arguments->items = grown;
    arguments->capacity = capacity;
    return true;
}

static enum request_status broken(struct request_error *out_error, const char *text) {
    (void)snprintf(out_error->text, sizeof(out_error->text), "%s", text);
    return REQUEST_BROKEN;
}

enum number_status { NUMBER_OK, NUMBER_INCOMPLETE, NUMBER_BAD, NUMBER_TOO_LONG };

/* The number of a header line: data[*at] is its first byte; *at ends up behind CR LF. */
static inline enum number_status read_number(const uint8_t *data, size_t size, size_t *at,
                                             int64_t *out) {
    const uint8_t *p = data + *at, *end = data + size;
    /* Short lengths, the usual case. */
    if (end - p >= 4) {
        unsigned first = p[0] - (unsigned)'0', second = p[1] - (unsigned)'0';
        if (first <= 9 && p[1] == '\r' && p[2] == '\n') {
            *out = first;
            *at += 3;
            return NUMBER_OK;
        }
        if (first - 1 <= 8 && second <= 9 && p[2] == '\r' && p[3] == '\n') {
            *out = first * 10 + second;
            *at += 4;
            return NUMBER_OK;
        }
    }
    size_t left = (size_t)(end - p);
    const uint8_t *stop = memchr(p, '\r', left);
    if (stop == NULL)
        return left > REQUEST_INLINE_MAX ? NUMBER_TOO_LONG : NUMBER_INCOMPLETE;
    if (stop + 1 >= end)
        return NUMBER_INCOMPLETE;
    if (stop[1] != '\n' && stop - p > LENGTH_DIGITS_MAX)
        return NUMBER_BAD;
    if (!slice_to_int64(slice_of(p, (size_t)(stop - p)), out))
        return NUMBER_BAD;
    *at = (size_t)(stop + 2 - data);
    return NUMBER_OK;
}

static const char *bulk_length_error(const struct request_limits *limits, int64_t length) {
    if (length < 0 || (uint64_t)length > limits->bulk_bytes)
        return ERROR_BULK;
    if (!limits->is_authenticated && length > UNAUTHENTICATED_BULK)
        return "Protocol error: unauthenticated bulk length";
    return NULL;
}

/* The header of one bulk string. */
static inline enum request_status read_bulk_header(const struct request_limits *limits,
                                                   const uint8_t *data, size_t size, size_t *at,
                                                   int64_t *out_length,
                                                   struct request_error *out_error) {
    if (*at >= size)
        return REQUEST_INCOMPLETE;
    if (data[*at] != '$') {
        uint8_t got = data[*at];
        (void)snprintf(out_error->text, sizeof(out_error->text),
                       "Protocol error: expected '$', got '%c'", got);
        return REQUEST_BROKEN;
    }
    size_t next = *at + 1;
    switch (read_number(data, size, &next, out_length)) {
    case NUMBER_OK: break;
    case NUMBER_INCOMPLETE: return REQUEST_INCOMPLETE;
    case NUMBER_BAD: return broken(out_error, ERROR_BULK);
    case NUMBER_TOO_LONG: return broken(out_error, "Protocol error: too big bulk count string");
    }
    const char *error = bulk_length_error(limits, *out_length);
    if (error != NULL)
        return broken(out_error, error);
    *at = next;
    return REQUEST_COMPLETE;
}

/* ---- commands whose bytes have not all come ---- */

/* Where a small argument lies among the kept bytes, or which blob it is. */
struct partial_argument {
    size_t offset;
    size_t size;
    struct blob *blob;
};

static struct request_partial *partial_create(const struct allocator *allocator, size_t expected) {
    struct request_partial *partial = allocator_allocate_zeroed(allocator, sizeof(*partial));
    if (partial == NULL)
        return NULL;
    partial->allocator = allocator;
    partial->expected = expected;
    return partial;
}

void request_partial_destroy(struct request_partial *partial) {
    if (partial == NULL)
        return;
    const struct allocator *a = partial->allocator;
    for (size_t i = 0; i < partial->count; i++)
        blob_release(partial->items[i].blob);
    blob_release(partial->large);
    allocator_release(a, partial->items, partial->capacity * sizeof(*partial->items));
    allocator_release(a, partial->blobs, partial->expected * sizeof(*partial->blobs));
    allocator_release(a, partial->slices, partial->expected * sizeof(*partial->slices));
    allocator_release(a, partial->kept, partial->kept_capacity);
    allocator_release(a, partial, sizeof(*partial));
}

size_t request_partial_bytes(const struct request_partial *partial) {
    if (partial == NULL)
        return 0;
    size_t bytes =
        sizeof(*partial) + partial->kept_capacity + partial->capacity * sizeof(*partial->items);
    if (partial->large != NULL)
        bytes += blob_footprint(partial->large);
    for (size_t i = 0; i < partial->count; i++)
        if (partial->items[i].blob != NULL)
            bytes += blob_footprint(partial->items[i].blob);
    return bytes;
}

static bool partial_add(struct request_partial *partial, struct partial_argument argument) {
    if (partial->count == partial->capacity) {
        size_t capacity = partial->capacity == 0 ? 16 : 2 * partial->capacity;
        void *grown = allocator_resize(partial->allocator, partial->items,
                                       partial->capacity * sizeof(*partial->items),
                                       capacity * sizeof(*partial->items));
        if (grown == NULL)
            return false;
        partial->items = grown;
        partial->capacity = capacity;
    }
    partial->items[partial->count++] = argument;
    return true;
}

static bool partial_keep(struct request_partial *partial, struct slice bytes) {
    if (partial->kept_capacity - partial->kept_used < bytes.size) {
        size_t capacity = partial->kept_capacity == 0 ? 256 : partial->kept_capacity;
        while (capacity - partial->kept_used < bytes.size)
            capacity *= 2;
        void *grown =
            allocator_resize(partial->allocator, partial->kept, partial->kept_capacity, capacity);
        if (grown == NULL)
            return false;
        partial->kept = grown;
        partial->kept_capacity = capacity;
    }
    if (!partial_add(partial, (struct partial_argument){partial->kept_used, bytes.size, NULL}))
        return false;
    if (bytes.size > 0)
        memcpy(partial->kept + partial->kept_used, bytes.data, bytes.size);
    partial->kept_used += bytes.size;
    return true;
}

size_t request_partial_room(struct request_partial *partial, uint8_t **out_room, bool *out_failed) {
    *out_failed = false;
    if (partial == NULL || partial->large == NULL || partial->large->size == partial->large_size)
        return 0;
    struct blob *large = partial->large;
    if (large->size == large->capacity) {
        size_t capacity = 2 * large->capacity;
        large = blob_grow(large, capacity < partial->large_size ? capacity : partial->large_size);
        if (large == NULL) {
            *out_failed = true;
            return 0;
        }
        partial->large = large;
    }
    *out_room = large->data + large->size;
    size_t room = large->capacity - large->size, wanted = partial->large_size - large->size;
    return room < wanted ? room : wanted;
}

void request_partial_filled(struct request_partial *partial, size_t size) {
    partial->large->size += size;
}

/* Begin to receive a large argument; what has come of it is taken over. */
static bool partial_begin_large(struct request_partial *partial, const uint8_t *data, size_t size,
                                size_t *at, size_t length) {
    size_t have = size - *at < length ? size - *at : length;
    size_t capacity = have > LARGE_FIRST_CAPACITY ? have : LARGE_FIRST_CAPACITY;
    partial->large = blob_create(partial->allocator, capacity < length ? capacity : length);
    if (partial->large == NULL)
        return false;
    memcpy(partial->large->data, data + *at, have);
    partial->large->size = have;
    partial->large_size = length;
    *at += have;
    return true;
}

/* Take over bytes of the large argument and its CR LF. */
static enum request_status partial_end_large(struct request_partial *partial, const uint8_t *data,
                                             size_t size, size_t *at) {
    uint8_t *room;
    bool failed;
    size_t wanted;
    while (*at < size && (wanted = request_partial_room(partial, &room, &failed)) > 0) {
        size_t take = size - *at < wanted ? size - *at : wanted;
        memcpy(room, data + *at, take);
        request_partial_filled(partial, take);
        *at += take;
    }
    if (partial->large->size < partial->large_size)
        return *at < size ? REQUEST_NO_MEMORY : REQUEST_INCOMPLETE;
    if (size - *at < 2)
        return REQUEST_INCOMPLETE;
    struct blob *blob = partial->large;
    if (!partial_add(partial, (struct partial_argument){0, blob->size, blob}))
        return REQUEST_NO_MEMORY;
    partial->large = NULL;
    *at += 2;
    return REQUEST_COMPLETE;
}

/* All arguments are there: point slices at them. */
static enum request_status partial_complete(struct request_partial *partial, size_t *out_argc) {
    if (partial->slices == NULL)
        partial->slices =
            allocator_allocate(partial->allocator, partial->expected * sizeof(*partial->slices));
    if (partial->blobs == NULL)
        partial->blobs =
            allocator_allocate(partial->allocator, partial->expected * sizeof(*partial->blobs));
    if (partial->slices == NULL || partial->blobs == NULL)
        return REQUEST_NO_MEMORY;
    for (size_t i = 0; i < partial->count; i++) {
        const struct partial_argument *a = &partial->items[i];
        partial->blobs[i] = a->blob;
        partial->slices[i] =
            a->blob != NULL ? blob_slice(a->blob) : slice_of(partial->kept + a->offset, a->size);
    }
    *out_argc = partial->count;
    return REQUEST_COMPLETE;
}

static enum request_status partial_read(const struct request_limits *limits,
                                        struct request_partial *partial, const uint8_t *data,
                                        size_t size, size_t *at, size_t *out_argc,
                                        struct request_error *out_error) {
    while (partial->count < partial->expected) {
        if (partial->large != NULL) {
            enum request_status status = partial_end_large(partial, data, size, at);
            if (status != REQUEST_COMPLETE)
                return status;
            continue;
        }
        size_t next = *at;
        int64_t length;
        enum request_status status =
            read_bulk_header(limits, data, size, &next, &length, out_error);
        if (status != REQUEST_COMPLETE)
            return status;
        size_t bytes = (size_t)length;
        if (bytes > REQUEST_LARGE_BULK) {
            *at = next;
            if (!partial_begin_large(partial, data, size, at, bytes))
                return REQUEST_NO_MEMORY;
            continue;
        }
        if (size - next < bytes + 2)
            return REQUEST_INCOMPLETE;
        if (!partial_keep(partial, slice_of(data + next, bytes)))
            return REQUEST_NO_MEMORY;
        *at = next + bytes + 2;
    }
    return partial_complete(partial, out_argc);
}

/* ---- arrays ---- */

static const char *count_error(const struct request_limits *limits, int64_t count) {
    if (count > (int64_t)limits->argument_count)
        return ERROR_MULTIBULK;
    if (!limits->is_authenticated && count > UNAUTHENTICATED_ARGUMENTS)
        return "Protocol error: unauthenticated multibulk length";
    return NULL;
}

static enum request_status read_array(const struct request_limits *limits, const uint8_t *data,
                                      size_t size, size_t *at, struct request_arguments *arguments,
                                      struct request_partial **partial, size_t *out_argc,
                                      struct request_error *out_error) {
    size_t next = *at + 1;
    int64_t count;
    switch (read_number(data, size, &next, &count)) {
    case NUMBER_OK: break;
    case NUMBER_INCOMPLETE: return REQUEST_INCOMPLETE;
    case NUMBER_BAD: return broken(out_error, ERROR_MULTIBULK);
    case NUMBER_TOO_LONG: return broken(out_error, "Protocol error: too big mbulk count string");
    }
    const char *error = count_error(limits, count);
    if (error != NULL)
        return broken(out_error, error);
    *out_argc = 0;
    if (count <= 0) {
        *at = next;
        return REQUEST_COMPLETE;
    }
    size_t first = arguments->count, body = next;
    bool has_large = false;
    enum request_status status = REQUEST_COMPLETE;
    for (int64_t i = 0; i < count; i++) {
        int64_t length;
        status = read_bulk_header(limits, data, size, &next, &length, out_error);
        if (status != REQUEST_COMPLETE)
            break;
        size_t bytes = (size_t)length;
        if (size - next < bytes + 2) {
            has_large = bytes > REQUEST_LARGE_BULK;
            status = REQUEST_INCOMPLETE;
            break;
        }
        if (!arguments_reserve(arguments, 1)) {
            status = REQUEST_NO_MEMORY;
            break;
        }
        arguments->items[arguments->count++] = slice_of(data + next, bytes);
        next += bytes + 2;
    }
    if (status == REQUEST_COMPLETE) {
        *out_argc = (size_t)count;
        *at = next;
        return status;
    }
    size_t done = arguments->count - first;
    arguments->count = first;
    if (status != REQUEST_INCOMPLETE || (!has_large && done < PARTIAL_MIN_ARGUMENTS))
        return status;
    *partial = partial_create(arguments->allocator, (size_t)count);
    if (*partial == NULL)
        return REQUEST_NO_MEMORY;
    *at = body;
    return partial_read(limits, *partial, data, size, at, out_argc, out_error);
}

/* ---- inline commands ---- */

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (uint8_t)tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What follows a backslash: *out is the byte meant, the result how many characters say it. */
static size_t read_escape(const uint8_t *text, size_t size, uint8_t *out) {
    if (text[0] == 'x' && size > 2 && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
        *out = (uint8_t)(hex_value(text[1]) << 4 | hex_value(text[2]));
        return 3;
    }
    switch (text[0]) {
    case 'n': *out = '\n'; break;
    case 'r': *out = '\r'; break;
    case 't': *out = '\t'; break;
    case 'b': *out = '\b'; break;
    case 'a': *out = '\a'; break;
    default: *out = text[0]; break;
    }
    return 1;
}

/* One word from *from on. With `out` its bytes are written there (no more than it has characters),
 * without it only its end is looked for. *out_is_quoted: the bytes are not those of the line.
 * False: unbalanced quotes. */
static bool read_word(struct slice line, size_t *from, uint8_t *out, size_t *out_size,
                      bool *out_is_quoted) {
    size_t at = *from, used = 0;
    uint8_t quote = 0;
    *out_is_quoted = false;
    while (at < line.size && (quote != 0 || !isspace(line.data[at]))) {
        uint8_t c = line.data[at++];
        if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
            *out_is_quoted = true;
            continue;
        }
        if (quote != 0 && c == quote) {
            quote = 0;
            if (at < line.size && !isspace(line.data[at]))
                return false;
            break;
        }
        if (quote == '\'' && c == '\\' && at < line.size && line.data[at] == '\'')
            c = line.data[at++];
        else if (quote == '"' && c == '\\' && at < line.size)
            at += read_escape(line.data + at, line.size - at, &c);
        if (out != NULL)
            out[used] = c;
        used++;
    }
    *from = at;
    *out_size = used;
    return quote == 0;
}

static void skip_blanks(struct slice line, size_t *at) {
    while (*at < line.size && isspace(line.data[*at]))
        ++*at;
}

/* The words of a line without quotes: slices of the line. *out_is_quoted: there are quotes. */
static enum request_status read_plain_words(struct slice line, struct request_arguments *arguments,
                                            bool *out_is_quoted, struct request_error *out_error) {
    size_t from = 0, size;
    *out_is_quoted = false;
    for (skip_blanks(line, &from); from < line.size; skip_blanks(line, &from)) {
        size_t begin = from;
        bool is_quoted;
        if (!read_word(line, &from, NULL, &size, &is_quoted))
            return broken(out_error, "Protocol error: unbalanced quotes in request");
        *out_is_quoted |= is_quoted;
        if (!arguments_reserve(arguments, 1))
            return REQUEST_NO_MEMORY;
        arguments->items[arguments->count++] = slice_of(line.data + begin, size);
    }
    return REQUEST_COMPLETE;
}

/* The words of a line with quotes, which are known to be balanced: kept apart, unescaped. */
static enum request_status read_quoted_words(struct slice line, size_t count,
                                             const struct allocator *allocator,
                                             struct request_partial **partial, size_t *out_argc) {
    struct request_partial *p = partial_create(allocator, count);
    if (p == NULL)
        return REQUEST_NO_MEMORY;
    *partial = p;
    p->kept = allocator_allocate(allocator, line.size);
    if (p->kept == NULL)
        return REQUEST_NO_MEMORY;
    p->kept_capacity = line.size;
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        bool is_quoted;
        skip_blanks(line, &from);
        (void)read_word(line, &from, p->kept + p->kept_used, &size, &is_quoted);
        if (!partial_add(p, (struct partial_argument){p->kept_used, size, NULL}))
            return REQUEST_NO_MEMORY;
        p->kept_used += size;
    }
    return partial_complete(p, out_argc);
}

static enum request_status read_inline(const uint8_t *data, size_t size, size_t *at,
                                       struct request_arguments *arguments,
                                       struct request_partial **partial, size_t *out_argc,
                                       struct request_error *out_error) {
    size_t left = size - *at;
    const uint8_t *begin = data + *at;
    const uint8_t *end = memchr(begin, '\n', left);
    if (end == NULL) {
        if (left <= REQUEST_INLINE_MAX)
            return REQUEST_INCOMPLETE;
        return broken(out_error, "Protocol error: too big inline request");
    }
    struct slice line = slice_of(begin, (size_t)(end - begin));
    if (line.size > 0 && begin[line.size - 1] == '\r')
        line.size--;
    const uint8_t *nul = line.size > 0 ? memchr(begin, 0, line.size) : NULL;
    if (nul != NULL) /* a line is text: it ends there */
        line.size = (size_t)(nul - begin);
    size_t first = arguments->count;
    bool is_quoted;
    enum request_status status = read_plain_words(line, arguments, &is_quoted, out_error);
    size_t count = arguments->count - first;
    if (status != REQUEST_COMPLETE || is_quoted)
        arguments->count = first;
    if (status == REQUEST_COMPLETE && is_quoted)
        status = read_quoted_words(line, count, arguments->allocator, partial, out_argc);
    else
        *out_argc = count;
    if (status == REQUEST_COMPLETE)
        *at += (size_t)(end + 1 - begin);
    return status;
}

enum request_status request_read(const struct request_limits *limits, const uint8_t *data,
                                 size_t size, size_t *at, struct request_arguments *arguments,
                                 struct request_partial **partial, size_t *out_argc,
                                 struct request_error *out_error) {
    if (*partial != NULL)
        return partial_read(limits, *partial, data, size, at, out_argc, out_error);
    if (*at >= size)
        return REQUEST_INCOMPLETE;
    if (data[*at] == '*')
        return read_array(limits, data, size, at, arguments, partial, out_argc, out_error);
    return read_inline(data, size, at, arguments, partial, out_argc, out_error);
}
