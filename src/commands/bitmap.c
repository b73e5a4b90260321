/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on single bits and on ranges of bits of a string. */
#include "commands/bitmap.h"

#include "commands/bits.h"
#include "commands/functions.h"
#include "commands/string_value.h"

bool bitmap_offset(struct call *call, struct slice text, unsigned width, uint64_t *out_bit) {
    bool is_counted = width != 0 && text.size > 0 && text.data[0] == '#';
    int64_t factor = is_counted ? (int64_t)width : 1;
    int64_t offset;
    if (is_counted)
        text = slice_of(text.data + 1, text.size - 1);
    if (!slice_to_int64(text, &offset) || offset < 0 ||
        __builtin_mul_overflow(offset, factor, &offset) || offset >> 3 >= call->max_value_bytes) {
        reply_error(call->reply, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *out_bit = (uint64_t)offset;
    return true;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status change_bit(struct call *call, const struct entry *old, size_t size,
                                     uint64_t bit, unsigned value) {
    struct string_edit edit;
    if (string_edit_begin(&edit, call, old, size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    bits_set(edit.data, bit, value);
    if (string_edit_commit(&edit, call, &call->key) != LARDER_OK)
        return LARDER_NO_MEMORY;
    call_effect_verbatim(call);
    call_notify(call, NOTICE_STRING, "setbit", &call->key);
    return LARDER_OK;
}

enum larder_status command_setbit(struct call *call) {
    uint64_t bit;
    if (!bitmap_offset(call, call->argv[2], 0, &bit))
        return LARDER_OK;
    int64_t value;
    if (!slice_to_int64(call->argv[3], &value) || value < 0 || value > 1) {
        reply_error(call->reply, "ERR bit is not an integer or out of range");
        return LARDER_OK;
    }
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    if (old != NULL && !entry_is_string(old))
        return call_wrong_type(call);
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = old != NULL ? value_text(&old->value, scratch) : slice_of(NULL, 0);
    unsigned before = bits_get(text, bit);
    size_t needed = (size_t)(bit >> 3) + 1;
    if (needed > text.size || before != (unsigned)value) {
        size_t size = needed > text.size ? needed : text.size;
        enum larder_status status = change_bit(call, old, size, bit, (unsigned)value);
        if (status != LARDER_OK)
            return status;
    }
    reply_integer(call->reply, before);
    return LARDER_OK;
}

/* Look up a string for reading. False when the command is over: there is none (`missing` was
 * replied) or it is no string. */
REQUIRES(PARTITION_LOCK)
static bool read_bits(struct call *call, int64_t missing, struct entry *entry, uint8_t *scratch,
                      struct slice *out) {
    if (!call_read(call, &call->key, entry)) {
        reply_integer(call->reply, missing);
        return false;
    }
    if (!entry_is_string(entry)) {
        call_wrong_type(call);
        return false;
    }
    *out = value_text(&entry->value, scratch);
    return true;
}

enum larder_status command_getbit(struct call *call) {
    struct entry entry;
    struct slice text;
    uint8_t scratch[INT64_TEXT_MAX];
    uint64_t bit;
    if (bitmap_offset(call, call->argv[2], 0, &bit) && read_bits(call, 0, &entry, scratch, &text))
        reply_integer(call->reply, bits_get(text, bit));
    return LARDER_OK;
}

/* Bits from first to last, both included and inside the string; none when is_empty. */
struct bit_range {
    uint64_t first, last;
    bool is_empty;
};

static bool parse_unit(struct call *call, size_t index, bool *out_is_bit) {
    *out_is_bit = false;
    if (index >= call->argc || slice_equal_word(call->argv[index], "BYTE"))
        return true;
    *out_is_bit = slice_equal_word(call->argv[index], "BIT");
    if (!*out_is_bit)
        call_syntax_error(call);
    return *out_is_bit;
}

/* The bits between two positions that count from the end when negative. */
static struct bit_range clamp_range(int64_t start, int64_t end, bool is_bit, size_t size) {
    int64_t total = is_bit ? (int64_t)size * 8 : (int64_t)size;
    if (start < 0)
        start = start < -total ? 0 : start + total;
    if (end < 0)
        end = end < -total ? 0 : end + total;
    if (end >= total)
        end = total - 1;
    if (start > end)
        return (struct bit_range){.is_empty = true};
    return (struct bit_range){
        .first = (uint64_t)(is_bit ? start : start * 8),
        .last = (uint64_t)(is_bit ? end : end * 8 + 7),
    };
}

/* Read [start [end [BYTE | BIT]]] from argv[2] on, for a string of `size` bytes. False when an
 * error reply was written. */
static bool parse_count_range(struct call *call, size_t size, struct bit_range *out) {
    int64_t start = 0, end = -1;
    bool is_bit;
    if (call->argc > 5) {
        call_syntax_error(call);
        return false;
    }
    if ((call->argc > 2 && !call_integer(call, call->argv[2], &start)) ||
        (call->argc > 3 && !call_integer(call, call->argv[3], &end)))
        return false;
    if (start < 0 && end < 0 && start > end) {
        *out = (struct bit_range){.is_empty = true};
        return true;
    }
    if (!parse_unit(call, 4, &is_bit))
        return false;
    *out = clamp_range(start, end, is_bit, size);
    return true;
}

/* The same from argv[3] on, where the unit is looked at before the end and a reversed range is only
 * empty when it is so inside the string. */
static bool parse_search_range(struct call *call, size_t size, struct bit_range *out) {
    int64_t start = 0, end = -1;
    bool is_bit;
    if (call->argc > 6) {
        call_syntax_error(call);
        return false;
    }
    if ((call->argc > 3 && !call_integer(call, call->argv[3], &start)) ||
        !parse_unit(call, 5, &is_bit) ||
        (call->argc > 4 && !call_integer(call, call->argv[4], &end)))
        return false;
    *out = clamp_range(start, end, is_bit, size);
    return true;
}

enum larder_status command_bitcount(struct call *call) {
    struct entry entry;
    struct slice text;
    uint8_t scratch[INT64_TEXT_MAX];
    struct bit_range range;
    if (!read_bits(call, 0, &entry, scratch, &text))
        return LARDER_OK;
    if (!parse_count_range(call, text.size, &range))
        return LARDER_OK;
    uint64_t count = range.is_empty ? 0 : bits_count_range(text, range.first, range.last);
    reply_integer(call->reply, (int64_t)count);
    return LARDER_OK;
}

enum larder_status command_bitpos(struct call *call) {
    struct entry entry;
    struct slice text;
    uint8_t scratch[INT64_TEXT_MAX];
    struct bit_range range;
    int64_t value;
    if (!call_integer(call, call->argv[2], &value))
        return LARDER_OK;
    if (value != 0 && value != 1) {
        reply_error(call->reply, "ERR The bit argument must be 1 or 0.");
        return LARDER_OK;
    }
    if (!read_bits(call, value == 0 ? 0 : -1, &entry, scratch, &text))
        return LARDER_OK;
    if (!parse_search_range(call, text.size, &range))
        return LARDER_OK;
    int64_t position = -1;
    if (!range.is_empty) {
        position = bits_find(text, (unsigned)value, range.first, range.last);
        /* Without an end the string goes on with zeros. */
        if (position < 0 && value == 0 && call->argc < 5)
            position = (int64_t)text.size * 8;
    }
    reply_integer(call->reply, position);
    return LARDER_OK;
}
