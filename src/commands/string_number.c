/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings as numbers. Integers are exact; floats are long double, written with up to 17 decimals,
 * and their effect is the result, because another machine's long double may differ. */
#include "commands/functions.h"
#include "commands/string_value.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool to_integer(const struct value *value, int64_t *out) {
    if (value->kind == VALUE_INTEGER) {
        *out = value->integer;
        return true;
    }
    uint8_t scratch[INT64_TEXT_MAX];
    return slice_to_int64(value_text(value, scratch), out);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status add(struct call *call, int64_t increment) {
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    int64_t number = 0, sum;
    if (old != NULL && !entry_is_string(old))
        return call_wrong_type(call);
    if (old != NULL && !to_integer(&old->value, &number)) {
        reply_error(call->reply, "ERR value is not an integer or out of range");
        return LARDER_OK;
    }
    if (__builtin_add_overflow(number, increment, &sum)) {
        reply_error(call->reply, "ERR increment or decrement would overflow");
        return LARDER_OK;
    }
    int64_t expiry_ms = old != NULL ? old->expiry_ms : 0;
    if (call_put(call, &call->key, old, value_of_integer(sum), expiry_ms) != LARDER_OK)
        return LARDER_NO_MEMORY;
    call_effect_verbatim(call);
    call_notify(call, NOTICE_STRING, "incrby", &call->key);
    reply_integer(call->reply, sum);
    return LARDER_OK;
}

enum larder_status command_incr(struct call *call) {
    return add(call, 1);
}

enum larder_status command_decr(struct call *call) {
    return add(call, -1);
}

enum larder_status command_incrby(struct call *call) {
    int64_t increment;
    return call_integer(call, call->argv[2], &increment) ? add(call, increment) : LARDER_OK;
}

enum larder_status command_decrby(struct call *call) {
    int64_t decrement;
    if (!call_integer(call, call->argv[2], &decrement))
        return LARDER_OK;
    if (decrement == INT64_MIN) {
        reply_error(call->reply, "ERR decrement would overflow");
        return LARDER_OK;
    }
    return add(call, -decrement);
}

/* ---- INCRBYFLOAT ---- */

/* The C locale object is static in the C library: asking for it allocates nothing. */
static locale_t c_locale(void) {
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool string_to_float(struct slice text, long double *out) {
    char copy[STRING_FLOAT_MAX];
    if (text.size == 0 || text.size >= sizeof(copy) || text.data[0] <= ' ')
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    locale_t locale = c_locale();
    if (locale == (locale_t)0)
        return false;
    char *end;
    errno = 0;
    long double value = strtold_l(copy, &end, locale);
    freelocale(locale);
    if (end != copy + text.size || isnan(value) ||
        (errno == ERANGE && (isinf(value) || value == 0)))
        return false;
    *out = value;
    return true;
}

size_t string_format_float(long double value, char *out) {
    locale_t locale = c_locale();
    locale_t previous = uselocale(locale);
    int length = snprintf(out, STRING_FLOAT_MAX, "%.17Lf", value);
    uselocale(previous);
    freelocale(locale);
    size_t size = length > 0 ? (size_t)length : 0;
    while (size > 0 && out[size - 1] == '0')
        size--;
    if (size > 0 && out[size - 1] == '.')
        size--;
    if (size == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        size = 1;
    }
    return size;
}

/* A small result stays text: only integer commands and SET store integers. */
REQUIRES(PARTITION_LOCK)
static enum larder_status put_float(struct call *call, const struct entry *old, struct slice text) {
    int64_t expiry_ms = old != NULL ? old->expiry_ms : 0;
    if (!reply_reserve(call->reply, text.size + CALL_REPLY_RESERVED) ||
        call_reserve_effect(call, text.size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    enum larder_status status =
        text.size <= RECORD_INLINE_VALUE_MAX
            ? call_put(call, &call->key, old, value_of_bytes(text), expiry_ms)
            : call_put_string(call, &call->key, old, text, NULL, expiry_ms);
    if (status != LARDER_OK)
        return status;
    call_effect_set(call, &call->key, text, expiry_ms);
    call_notify(call, NOTICE_STRING, "incrbyfloat", &call->key);
    reply_bulk(call->reply, text);
    return LARDER_OK;
}

enum larder_status command_incrbyfloat(struct call *call) {
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    uint8_t scratch[INT64_TEXT_MAX];
    long double number = 0, increment;
    if (old != NULL && !entry_is_string(old))
        return call_wrong_type(call);
    if ((old != NULL && !string_to_float(value_text(&old->value, scratch), &number)) ||
        !string_to_float(call->argv[2], &increment)) {
        reply_error(call->reply, "ERR value is not a valid float");
        return LARDER_OK;
    }
    number += increment;
    if (isnan(number) || isinf(number)) {
        reply_error(call->reply, "ERR increment would produce NaN or Infinity");
        return LARDER_OK;
    }
    char text[STRING_FLOAT_MAX];
    return put_float(call, old, slice_of(text, string_format_float(number, text)));
}
