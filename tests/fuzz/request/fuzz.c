/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes from a client, cut at positions that the input names and read piece by piece: the commands,
 * or the protocol error, are those of the same bytes read at once, and as read byte by byte.
 * Input: how many cuts, two bytes for each, then what the client sends. */
#include "../../unit/wire/request_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS_MAX = 15, BYTE_BY_BYTE_MAX = 512 };

static void start(struct request_stream *s, bool is_authenticated) {
    stream_init(s, &ALLOCATOR_SYSTEM);
    s->limits.is_authenticated = is_authenticated;
    s->limits.bulk_bytes = 1 << 20;
    s->limits.argument_count = 4096;
}

static void feed_in_steps(struct request_stream *s, const uint8_t *bytes, size_t size,
                          size_t step) {
    for (size_t at = 0; at < size; at += step)
        stream_feed(s, bytes + at, size - at < step ? size - at : step);
}

static void require_equal(struct request_stream *whole, struct request_stream *pieces) {
    if (whole->is_out_of_memory || pieces->is_out_of_memory || !stream_equal(whole, pieces))
        abort();
    stream_finish(pieces);
}

/* Pieces end at the cuts, which lie wherever they fall. */
static void feed_cut(struct request_stream *s, const uint8_t *bytes, size_t size,
                     const uint8_t *cuts, size_t cut_count) {
    size_t at = 0;
    for (size_t i = 0; i < cut_count && at < size; i++) {
        size_t piece = (size_t)(cuts[2 * i] | cuts[2 * i + 1] << 8) % (size - at + 1);
        stream_feed(s, bytes + at, piece);
        at += piece;
    }
    stream_feed(s, bytes + at, size - at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t cut_count = data[0] & CUTS_MAX;
    bool is_authenticated = (data[0] & 0x80) == 0;
    if (size < 1 + 2 * cut_count)
        return 0;
    const uint8_t *cuts = data + 1, *bytes = cuts + 2 * cut_count;
    size_t length = size - 1 - 2 * cut_count;
    struct request_stream whole, pieces;
    start(&whole, is_authenticated);
    stream_feed(&whole, bytes, length);
    start(&pieces, is_authenticated);
    feed_cut(&pieces, bytes, length, cuts, cut_count);
    require_equal(&whole, &pieces);
    if (length <= BYTE_BY_BYTE_MAX) {
        start(&pieces, is_authenticated);
        feed_in_steps(&pieces, bytes, length, 1);
        require_equal(&whole, &pieces);
        for (size_t cut = 1; cut < length; cut++) {
            start(&pieces, is_authenticated);
            stream_feed(&pieces, bytes, cut);
            stream_feed(&pieces, bytes + cut, length - cut);
            require_equal(&whole, &pieces);
        }
    }
    stream_finish(&whole);
    return 0;
}
