/* SPDX-License-Identifier: BSD-3-Clause */
/* The cursor of a page is known only after its elements, which wait in a reply of their own. */
#include "commands/scan_options.h"

#include "base/glob.h"

enum { COUNT_DEFAULT = 10 };

/* An unsigned decimal, a sign allowed, as strtoul reads it; the empty text is 0. */
bool scan_cursor_parse(struct call *call, struct slice text, uint64_t *out) {
    uint64_t value = 0;
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool is_negative = at == 1 && text.data[0] == '-';
    bool is_valid = at == 0 || text.size > 1;
    for (; at < text.size && is_valid; at++) {
        uint8_t digit = (uint8_t)(text.data[at] - '0');
        is_valid = digit <= 9 && !__builtin_mul_overflow(value, 10u, &value) &&
                   !__builtin_add_overflow(value, digit, &value);
    }
    if (!is_valid)
        reply_error(call->reply, "ERR invalid cursor");
    *out = is_negative ? 0 - value : value;
    return is_valid;
}

bool scan_options_parse(struct call *call, size_t first, unsigned allowed,
                        struct scan_options *out) {
    out->count = COUNT_DEFAULT;
    out->has_pattern = out->has_novalues = false;
    for (size_t at = first; at < call->argc; at++) {
        struct slice word = call->argv[at];
        bool has_value = at + 1 < call->argc;
        if (has_value && slice_equal_word(word, "COUNT")) {
            int64_t count;
            if (!call_integer(call, call->argv[++at], &count))
                return false;
            if (count < 1) {
                (void)call_syntax_error(call);
                return false;
            }
            out->count = (size_t)count;
        } else if (has_value && slice_equal_word(word, "MATCH")) {
            out->pattern = call->argv[++at];
            out->has_pattern = !glob_is_all(out->pattern);
        } else if ((allowed & SCAN_OPTION_NOVALUES) != 0 && slice_equal_word(word, "NOVALUES")) {
            out->has_novalues = true;
        } else {
            (void)call_syntax_error(call);
            return false;
        }
    }
    return true;
}

void scan_reply_nothing(struct call *call) {
    reply_array(call->reply, 2);
    reply_bulk_text(call->reply, "0");
    reply_array(call->reply, 0);
}

enum larder_status scan_reply_page(struct call *call, uint64_t cursor, size_t count,
                                   struct reply *page) {
    uint8_t text[INT64_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, slice_of(text, uint64_format(cursor, text)));
    reply_array(call->reply, count);
    reply_raw(call->reply, slice_of(page->data, page->used));
    bool is_whole = !page->failed;
    reply_finish(page);
    return is_whole ? LARDER_OK : LARDER_NO_MEMORY;
}
