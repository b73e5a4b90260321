/* SPDX-License-Identifier: BSD-3-Clause */
/* The private half of a valkeyReader; the public half comes first, so that one pointer is both. */
#ifndef LARDER_CLIENT_READER_H
#define LARDER_CLIENT_READER_H

#include "client/reply.h"

struct reader_level {
    valkeyReadTask task;
    size_t capacity;   /* of the element array, for replies built in an arena */
    bool is_attribute; /* its item is one inside a reply, which is skipped */
};

/* Tasks of a reader are the first members of levels. */
static inline struct reader_level *level_of(valkeyReadTask *task) {
    return (struct reader_level *)(void *)task;
}

enum { READER_LEVELS_INLINE = 8 };

struct reader {
    valkeyReader base;
    size_t capacity; /* bytes of base.buf */
    size_t scanned;  /* bytes behind base.pos known to hold no end of line */
    int skip_level;  /* level of the outermost attribute being skipped; 0: none */
    bool uses_arena; /* base.fn, at the start of this reply, was REPLY_FUNCTIONS */
    struct reply_builder builder;
    valkeyReadTask *levels_inline[READER_LEVELS_INLINE];
    struct reader_level first_levels[READER_LEVELS_INLINE];
};

static inline struct reader *reader_of(valkeyReader *base) {
    return (struct reader *)base;
}

/* reader.c: enter error state; frees the reply being built. Returns VALKEY_ERR. */
int reader_fail(struct reader *reader, int kind, const char *text);
int reader_fail_memory(struct reader *reader);

/* reader_parse.c: parse one item at base.pos. */
enum reader_step { READER_ADVANCED, READER_NEEDS_MORE, READER_FAILED };
enum reader_step reader_parse_item(struct reader *reader);

/* reader_run.c: build as many bulk strings in a row as are complete, from the current one on, which
 * is an element of an aggregate in an arena and not begun. COMPLETE: the last of them was the last
 * element; it is left as the current one. */
enum run_result { RUN_NONE, RUN_SOME, RUN_COMPLETE, RUN_NO_MEMORY };
enum run_result reader_run(struct reader *reader);

/* reader_build.c: room for more elements of an aggregate in an arena; false without memory. */
bool reader_grow_elements(struct reader *reader, struct reader_level *parent);
/* Make the object of the current level and hang it into its parent. False: no
 * memory. Nothing is made while an attribute is skipped or without build functions. */
bool reader_build_text(struct reader *reader, const char *text, size_t size);
bool reader_build_integer(struct reader *reader, long long value);
bool reader_build_double(struct reader *reader, double value, const char *text, size_t size);
bool reader_build_nil(struct reader *reader);
bool reader_build_boolean(struct reader *reader, bool value);
bool reader_build_aggregate(struct reader *reader, size_t elements);

#endif
