/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of any bytes as stream ids and as bounds of ranges: what is taken for an id is printed and
 * read again as the same one; neighbours of an id differ from it by one step. Input: forms, text.
 */
#include "ds/stream_id.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void check_text(struct stream_id id) {
    uint8_t text[STREAM_ID_TEXT_MAX];
    struct stream_id again = {1, 1};
    bool has_sequence = false;
    size_t size = stream_id_format(id, text);
    check(size <= sizeof(text));
    check(stream_id_parse(slice_of(text, size), STREAM_ID_EXACT, 7, &again, &has_sequence));
    check(has_sequence && stream_id_equal(id, again));
}

static void check_neighbours(struct stream_id id) {
    struct stream_id next = id, previous = id;
    bool has_next = stream_id_increment(&next), has_previous = stream_id_decrement(&previous);
    check(has_next == !stream_id_equal(id, STREAM_ID_MAX));
    check(has_previous == !stream_id_is_zero(id));
    check(stream_id_compare(id, next) == (has_next ? -1 : 0));
    check(stream_id_compare(id, previous) == (has_previous ? 1 : 0));
    check(!has_next || (stream_id_decrement(&next) && stream_id_equal(next, id)));
    check(!has_previous || (stream_id_increment(&previous) && stream_id_equal(previous, id)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    unsigned forms = data[0] & 3;
    struct slice text = slice_of(data + 1, size - 1);
    const struct stream_id untouched = {11, 13};
    struct stream_id id = untouched, with_largest = untouched;
    bool has_sequence = false;
    bool is_id = stream_id_parse(text, forms, 0, &id, &has_sequence);
    check(is_id == stream_id_parse(text, forms, UINT64_MAX, &with_largest, NULL));
    if (!is_id) {
        check(stream_id_equal(id, untouched));
        return 0;
    }
    bool is_edge = text.size == 1 && (text.data[0] == '-' || text.data[0] == '+');
    bool is_whole = memchr(text.data, '-', text.size) != NULL || is_edge;
    check(is_edge || id.ms == with_largest.ms);
    check(id.sequence == with_largest.sequence || (!is_whole && id.sequence == 0));
    check(has_sequence || (forms & STREAM_ID_ANY_SEQUENCE) != 0);
    check_text(id);
    check_text(with_largest);
    check_neighbours(id);
    return 0;
}
