/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies in RESP2 or RESP3, appended to one growing buffer. A loop thread has one such buffer for
 * all connections of a tick; an embedding caller has its own. Large values are not copied: the
 * buffer remembers {position, blob} and the sender puts the blob's bytes there.
 *
 * A write that finds no memory sets `failed` and writes nothing from then on, so callers check once
 * per command: reply_mark before, reply_failed after, reply_cut to take back a half-written reply.
 * One thread at a time. */
#ifndef LARDER_WIRE_REPLY_H
#define LARDER_WIRE_REPLY_H

#include "base/blob.h"
#include "base/slice.h"

struct reply_reference {
    size_t at;         /* the blob's bytes come before buffer offset `at` */
    struct blob *blob; /* one reference held */
};

struct reply {
    uint8_t *data;
    size_t used;     /* bytes in data, without referenced blobs */
    size_t capacity; /* bytes */
    struct reply_reference *references;
    size_t reference_count;
    size_t reference_capacity;
    size_t reference_bytes; /* sum of the sizes of all referenced blobs */
    const struct allocator *allocator;
    uint8_t protocol; /* 2 or 3: which the next writes use */
    bool failed;      /* out of memory since the last reply_cut or reply_clear */
};

struct reply_mark {
    size_t used;
    size_t reference_count;
    size_t reference_bytes;
};

/* No allocation. */
void reply_init(struct reply *reply, const struct allocator *allocator);
/* Releases memory and references. */
void reply_finish(struct reply *reply);
/* Forget the content, keep the memory, release references. */
void reply_clear(struct reply *reply);

/* Make sure that `size` more bytes fit, so that writes of that size can't fail. False when there is
 * no memory (and `failed` is set). */
bool reply_reserve(struct reply *reply, size_t size);

struct reply_mark reply_mark(const struct reply *reply);
/* Take back everything since the mark and clear `failed`. */
void reply_cut(struct reply *reply, struct reply_mark mark);

void reply_raw(struct reply *reply, struct slice bytes);
/* +OK */
void reply_ok(struct reply *reply);
/* +text; the text holds no CR or LF. */
void reply_simple(struct reply *reply, const char *text);
/* -text; the text starts with its prefix ("ERR ..."), CR and LF in it become spaces, those at its
 * end are dropped. */
void reply_error(struct reply *reply, const char *text);
/* printf-formatted error, at most 512 bytes. */
void reply_error_format(struct reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void reply_integer(struct reply *reply, int64_t value);
void reply_bulk(struct reply *reply, struct slice bytes);
void reply_bulk_text(struct reply *reply, const char *text);
/* The integer's decimal text as a bulk string. */
void reply_bulk_integer(struct reply *reply, int64_t value);
/* The blob's bytes as a bulk string; takes a reference when it is large enough to be worth it. */
void reply_blob(struct reply *reply, struct blob *blob);
/* The blob's bytes alone, by reference whatever its size. */
void reply_reference(struct reply *reply, struct blob *blob);
/* Forget the first `size` bytes and the first `count` references, all of which lie before them. */
void reply_drop_front(struct reply *reply, size_t size, size_t count);
/* $-1 in RESP2, _ in RESP3. */
void reply_null(struct reply *reply);
/* *-1 in RESP2, _ in RESP3. */
void reply_null_array(struct reply *reply);
void reply_array(struct reply *reply, size_t count);
/* RESP3 map of `count` pairs; RESP2 array of 2 * count. */
void reply_map(struct reply *reply, size_t count);
/* RESP3 set; RESP2 array. */
void reply_set(struct reply *reply, size_t count);
/* RESP3 push; RESP2 array. */
void reply_push(struct reply *reply, size_t count);
/* RESP3 double; RESP2 bulk string of the shortest text that reads back the same. */
void reply_double(struct reply *reply, double value);
/* RESP3 #t/#f; RESP2 integer 1/0. */
void reply_boolean(struct reply *reply, bool value);
/* RESP3 verbatim string of format txt; RESP2 bulk string. */
void reply_verbatim(struct reply *reply, struct slice text);

/* An aggregate whose length is known only at its end: remember the position, write the elements,
 * then put the header in front of them. type: '*', '%' or '~' (the latter two become '*' in RESP2,
 * a map's count then doubles). */
size_t reply_deferred_begin(struct reply *reply);
void reply_deferred_end(struct reply *reply, size_t begin, char type, size_t count);

#endif
