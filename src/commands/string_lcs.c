/* SPDX-License-Identifier: BSD-3-Clause */
/* LCS: the longest common subsequence of two strings by dynamic programming. cell(i, j) is the
 * length for the first i bytes of one and the first j of the other. The string and the ranges are
 * read off by walking back from the last cell, so they need the whole table; the length alone
 * needs two rows. */
#include "commands/functions.h"
#include "commands/string_value.h"

struct lcs_options {
    bool is_length;
    bool is_ranges;
    bool with_length;
    int64_t length_min;
};

struct lcs {
    struct slice a, b;
    uint32_t *cells; /* row_count rows of b.size + 1 */
    size_t row_count;
};

/* Ranges of equal bytes, both ends included; empty when size is 0. */
struct lcs_range {
    size_t a, b, size;
};

static uint32_t *cell(const struct lcs *lcs, size_t i, size_t j) {
    return &lcs->cells[(i % lcs->row_count) * (lcs->b.size + 1) + j];
}

static uint32_t fill(const struct lcs *lcs) {
    memset(lcs->cells, 0, (lcs->b.size + 1) * sizeof(*lcs->cells));
    for (size_t i = 1; i <= lcs->a.size; i++) {
        const uint32_t *above = cell(lcs, i - 1, 0);
        uint32_t *row = cell(lcs, i, 0);
        uint8_t byte = lcs->a.data[i - 1];
        row[0] = 0;
        for (size_t j = 1; j <= lcs->b.size; j++) {
            uint32_t longer = above[j] > row[j - 1] ? above[j] : row[j - 1];
            row[j] = byte == lcs->b.data[j - 1] ? above[j - 1] + 1 : longer;
        }
    }
    return *cell(lcs, lcs->a.size, lcs->b.size);
}

/* Walks back to the next equal pair before (*i, *j), and onto it. False when there is none. */
static bool step_back(const struct lcs *lcs, size_t *i, size_t *j) {
    while (*i > 0 && *j > 0) {
        if (lcs->a.data[*i - 1] == lcs->b.data[*j - 1]) {
            --*i;
            --*j;
            return true;
        }
        if (*cell(lcs, *i - 1, *j) > *cell(lcs, *i, *j - 1))
            --*i;
        else
            --*j;
    }
    return false;
}

static bool reply_range(struct reply *reply, const struct lcs_options *options,
                        const struct lcs_range *range) {
    if (range->size == 0 || (int64_t)range->size < options->length_min)
        return false;
    reply_array(reply, options->with_length ? 3 : 2);
    reply_array(reply, 2);
    reply_integer(reply, (int64_t)range->a);
    reply_integer(reply, (int64_t)(range->a + range->size - 1));
    reply_array(reply, 2);
    reply_integer(reply, (int64_t)range->b);
    reply_integer(reply, (int64_t)(range->b + range->size - 1));
    if (options->with_length)
        reply_integer(reply, (int64_t)range->size);
    return true;
}

static void reply_ranges(struct reply *reply, const struct lcs *lcs,
                         const struct lcs_options *options, uint32_t length) {
    reply_map(reply, 2);
    reply_bulk_text(reply, "matches");
    size_t begin = reply_deferred_begin(reply);
    size_t count = 0, i = lcs->a.size, j = lcs->b.size;
    struct lcs_range range = {0};
    while (step_back(lcs, &i, &j)) {
        if (range.size > 0 && range.a == i + 1 && range.b == j + 1) {
            range = (struct lcs_range){i, j, range.size + 1};
            continue;
        }
        count += reply_range(reply, options, &range);
        range = (struct lcs_range){i, j, 1};
    }
    count += reply_range(reply, options, &range);
    reply_deferred_end(reply, begin, '*', count);
    reply_bulk_text(reply, "len");
    reply_integer(reply, length);
}

static enum larder_status reply_subsequence(struct call *call, const struct lcs *lcs,
                                            uint32_t length) {
    if (length == 0) {
        reply_bulk(call->reply, slice_of(NULL, 0));
        return LARDER_OK;
    }
    uint8_t *text = allocator_allocate(call->keyspace->allocator, length);
    if (text == NULL)
        return LARDER_NO_MEMORY;
    size_t i = lcs->a.size, j = lcs->b.size, at = length;
    while (step_back(lcs, &i, &j))
        text[--at] = lcs->a.data[i];
    reply_bulk(call->reply, slice_of(text, length));
    allocator_release(call->keyspace->allocator, text, length);
    return LARDER_OK;
}

static bool parse_options(struct call *call, struct lcs_options *out) {
    *out = (struct lcs_options){0};
    for (size_t i = 3; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (slice_equal_word(word, "IDX")) {
            out->is_ranges = true;
        } else if (slice_equal_word(word, "LEN")) {
            out->is_length = true;
        } else if (slice_equal_word(word, "WITHMATCHLEN")) {
            out->with_length = true;
        } else if (slice_equal_word(word, "MINMATCHLEN") && i + 1 < call->argc) {
            if (!call_integer(call, call->argv[++i], &out->length_min))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    if (out->is_length && out->is_ranges) {
        reply_error(call->reply,
                    "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static enum larder_status compare(struct call *call, const struct lcs_options *options,
                                  struct lcs *lcs) {
    uint64_t rows = (uint64_t)lcs->a.size + 1, columns = (uint64_t)lcs->b.size + 1;
    if (rows >= UINT32_MAX || columns >= UINT32_MAX) {
        reply_error(call->reply, "ERR String too long for LCS");
        return LARDER_OK;
    }
    if (rows * columns > (uint64_t)call->max_value_bytes / sizeof(*lcs->cells)) {
        reply_error(call->reply,
                    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return LARDER_OK;
    }
    lcs->row_count = options->is_length ? 2 : (size_t)rows;
    size_t bytes = lcs->row_count * (size_t)columns * sizeof(*lcs->cells);
    lcs->cells = allocator_allocate(call->keyspace->allocator, bytes);
    if (lcs->cells == NULL)
        return LARDER_NO_MEMORY;
    uint32_t length = fill(lcs);
    enum larder_status status = LARDER_OK;
    if (options->is_length)
        reply_integer(call->reply, length);
    else if (options->is_ranges)
        reply_ranges(call->reply, lcs, options, length);
    else
        status = reply_subsequence(call, lcs, length);
    allocator_release(call->keyspace->allocator, lcs->cells, bytes);
    return status;
}

enum larder_status command_lcs(struct call *call) {
    struct entry a, b;
    struct key key_a = call_key_at(call, 1), key_b = call_key_at(call, 2);
    /* Counting a use may move records, so both are looked up again before they are read. */
    bool has_a = call_read(call, &key_a, &a);
    bool has_b = call_read(call, &key_b, &b);
    has_a = has_a && call_peek(call, &key_a, &a);
    has_b = has_b && call_peek(call, &key_b, &b);
    if ((has_a && !entry_is_string(&a)) || (has_b && !entry_is_string(&b))) {
        reply_error(call->reply, "ERR The specified keys must contain string values");
        return LARDER_OK;
    }
    struct lcs_options options;
    if (!parse_options(call, &options))
        return LARDER_OK;
    uint8_t scratch_a[INT64_TEXT_MAX], scratch_b[INT64_TEXT_MAX];
    struct lcs lcs = {
        .a = has_a ? value_text(&a.value, scratch_a) : slice_of("", 0),
        .b = has_b ? value_text(&b.value, scratch_b) : slice_of("", 0),
    };
    return compare(call, &options, &lcs);
}
