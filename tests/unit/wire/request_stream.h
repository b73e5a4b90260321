/* SPDX-License-Identifier: BSD-3-Clause */
/* Feeds bytes to the request reader as a connection does: piece by piece, large arguments straight
 * into their blob, what is incomplete kept for the next piece. What was read is written into a
 * transcript, so that two ways of feeding the same bytes can be compared. Every piece lies in a
 * block of exactly its size, so that a sanitizer sees a read beyond it. */
#ifndef LARDER_TESTS_REQUEST_STREAM_H
#define LARDER_TESTS_REQUEST_STREAM_H

#include "wire/request.h"

#include <stdio.h>
#include <stdlib.h>

struct request_stream {
    const struct allocator *allocator; /* of the reader; the stream itself uses malloc */
    struct request_limits limits;
    struct request_arguments arguments;
    struct request_partial *partial;
    uint8_t *kept; /* not consumed yet */
    size_t kept_size;
    char *transcript;
    size_t transcript_size, transcript_capacity;
    size_t commands;
    bool is_broken, is_out_of_memory;
    struct request_error error;
};

static inline void stream_init(struct request_stream *s, const struct allocator *allocator) {
    *s = (struct request_stream){.allocator = allocator};
    s->limits = (struct request_limits){
        .argument_count = REQUEST_ARGUMENTS_MAX, .bulk_bytes = 1 << 29, .is_authenticated = true};
    request_arguments_init(&s->arguments, allocator);
}

static inline void stream_finish(struct request_stream *s) {
    request_partial_destroy(s->partial);
    request_arguments_finish(&s->arguments);
    free(s->kept);
    free(s->transcript);
}

static inline void stream_note(struct request_stream *s, const void *bytes, size_t size) {
    if (s->transcript_capacity - s->transcript_size < size) {
        s->transcript_capacity = 2 * (s->transcript_size + size);
        s->transcript = realloc(s->transcript, s->transcript_capacity);
        if (s->transcript == NULL)
            abort();
    }
    if (size > 0)
        memcpy(s->transcript + s->transcript_size, bytes, size);
    s->transcript_size += size;
}

static inline void stream_note_command(struct request_stream *s, const struct slice *argv,
                                       size_t argc) {
    char line[64];
    stream_note(s, line, (size_t)sprintf(line, "%zu:", argc));
    for (size_t i = 0; i < argc; i++) {
        stream_note(s, line, (size_t)sprintf(line, " %zu=", argv[i].size));
        stream_note(s, argv[i].data, argv[i].size);
    }
    stream_note(s, "\n", 1);
    s->commands++;
}

/* Into the blob of a large argument, as long as it wants bytes. Returns how many it took. */
static inline size_t stream_fill_large(struct request_stream *s, const uint8_t *data, size_t size) {
    size_t at = 0;
    uint8_t *room;
    bool failed = false;
    size_t wanted;
    while (at < size && (wanted = request_partial_room(s->partial, &room, &failed)) > 0) {
        size_t take = size - at < wanted ? size - at : wanted;
        memcpy(room, data + at, take);
        request_partial_filled(s->partial, take);
        at += take;
    }
    s->is_out_of_memory |= failed;
    return at;
}

/* Read all that is complete in `data`; returns what was consumed. */
static inline size_t stream_read(struct request_stream *s, const uint8_t *data, size_t size) {
    size_t at = 0, argc;
    for (;;) {
        s->arguments.count = 0;
        switch (request_read(&s->limits, data, size, &at, &s->arguments, &s->partial, &argc,
                             &s->error)) {
        case REQUEST_INCOMPLETE: return at;
        case REQUEST_NO_MEMORY: s->is_out_of_memory = true; return at;
        case REQUEST_BROKEN:
            s->is_broken = true;
            stream_note(s, s->error.text, strlen(s->error.text));
            return at;
        case REQUEST_COMPLETE: break;
        }
        stream_note_command(s, s->partial != NULL ? s->partial->slices : s->arguments.items, argc);
        request_partial_destroy(s->partial);
        s->partial = NULL;
    }
}

/* The next piece. Nothing happens once the stream is broken or out of memory. */
static inline void stream_feed(struct request_stream *s, const uint8_t *data, size_t size) {
    if (s->is_broken || s->is_out_of_memory || size == 0)
        return;
    size_t taken = s->kept_size == 0 ? stream_fill_large(s, data, size) : 0;
    if (s->is_out_of_memory || taken == size)
        return;
    size_t all_size = s->kept_size + (size - taken);
    uint8_t *all = malloc(all_size);
    if (all == NULL)
        abort();
    if (s->kept_size > 0)
        memcpy(all, s->kept, s->kept_size);
    memcpy(all + s->kept_size, data + taken, size - taken);
    free(s->kept);
    s->kept = NULL;
    size_t consumed = stream_read(s, all, all_size);
    s->kept_size = all_size - consumed;
    if (s->kept_size > 0) {
        s->kept = malloc(s->kept_size);
        if (s->kept == NULL)
            abort();
        memcpy(s->kept, all + consumed, s->kept_size);
    }
    free(all);
}

static inline bool stream_equal(const struct request_stream *a, const struct request_stream *b) {
    return a->is_broken == b->is_broken && a->commands == b->commands &&
           a->transcript_size == b->transcript_size &&
           (a->transcript_size == 0 ||
            memcmp(a->transcript, b->transcript, a->transcript_size) == 0);
}

#endif
