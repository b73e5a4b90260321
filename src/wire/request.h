/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads commands as clients send them: RESP arrays of bulk strings, or inline commands (words on a
 * line, quoted as in a shell). Bytes only: knows no command.
 *
 * A command that is complete in the buffer is read in one pass and its arguments borrow the buffer.
 * One that is not is read again when more has come; if it has many arguments or a large one, what
 * was read is kept in a `struct request_partial`, so that no byte is read twice and a large
 * argument goes straight into its own blob. The words of an inline command with quotes are kept in
 * a partial too. The bytes read are never changed, so they can be read again. One thread at a time.
 */
#ifndef LARDER_WIRE_REQUEST_H
#define LARDER_WIRE_REQUEST_H

#include "base/blob.h"
#include "base/slice.h"

enum {
    REQUEST_INLINE_MAX = 64 * 1024,
    REQUEST_ARGUMENTS_MAX = 1024 * 1024,
    REQUEST_LARGE_BULK = 32 * 1024, /* larger arguments are received into blobs */
};

struct request_limits {
    size_t argument_count; /* at most REQUEST_ARGUMENTS_MAX */
    size_t bulk_bytes;     /* proto-max-bulk-len */
    bool is_authenticated; /* else at most 10 arguments of 16 KiB */
};

enum request_status {
    REQUEST_COMPLETE,   /* *out_argc arguments were appended; may be 0 (an empty line) */
    REQUEST_INCOMPLETE, /* more bytes are needed; nothing was consumed unless a partial was begun */
    REQUEST_BROKEN,     /* protocol error: reply *out_error and close */
    REQUEST_NO_MEMORY,
};

/* Why a request is broken, without the "ERR " prefix. Written on REQUEST_BROKEN only. */
struct request_error {
    char text[64];
};

/* Arguments of all commands of a batch, one after another. */
struct request_arguments {
    struct slice *items;
    size_t count;
    size_t capacity;
    const struct allocator *allocator;
};

void request_arguments_init(struct request_arguments *arguments, const struct allocator *allocator);
void request_arguments_finish(struct request_arguments *arguments);

/* A command whose bytes have not all come. */
struct request_partial {
    const struct allocator *allocator;
    size_t expected; /* arguments announced */
    size_t count;    /* arguments read */
    size_t capacity;
    struct partial_argument *items;
    struct blob *large;   /* being received: the caller appends bytes to it until `large_size` */
    size_t large_size;    /* announced bytes */
    struct blob **blobs;  /* per argument, set when complete: the blob that holds it or NULL */
    struct slice *slices; /* per argument, set when complete */
    uint8_t *kept;        /* bytes of the small arguments */
    size_t kept_used, kept_capacity;
};

/* Read the next command from data[*at .. size). On REQUEST_COMPLETE *at is behind it. *partial is
 * NULL or what an earlier call began; when it is set and the command is complete, the arguments are
 * (*partial)->slices and the caller destroys it after use. A complete partial given again is
 * answered with REQUEST_COMPLETE once more and consumes nothing. */
enum request_status request_read(const struct request_limits *limits, const uint8_t *data,
                                 size_t size, size_t *at, struct request_arguments *arguments,
                                 struct request_partial **partial, size_t *out_argc,
                                 struct request_error *out_error);

/* Room for more bytes of the large argument being received: *out_room is where they go and the
 * result how many are wanted; 0 when none is being received. The blob grows as bytes arrive, never
 * from the announced length. *out_failed: there is no memory. */
size_t request_partial_room(struct request_partial *partial, uint8_t **out_room, bool *out_failed);
/* `size` bytes were written at the room. */
void request_partial_filled(struct request_partial *partial, size_t size);

/* Bytes held, for memory limits. */
size_t request_partial_bytes(const struct request_partial *partial);
/* NULL is allowed. */
void request_partial_destroy(struct request_partial *partial);

#endif
