/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments that nearly every command reads, and the errors that go with them. */
#include "commands/call.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { DOUBLE_TEXT_MAX = 1024 }; /* bytes of a float argument */

bool call_integer(struct call *call, struct slice text, int64_t *out) {
    if (slice_to_int64(text, out))
        return true;
    reply_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

/* strtod of the C locale, whatever the host program has set: the C locale object is static, so
 * that asking for it costs nothing and can't fail. */
static bool parse_double(struct slice text, double *out) {
    int64_t integer;
    if (slice_to_int64(text, &integer)) {
        *out = (double)integer;
        return true;
    }
    char copy[DOUBLE_TEXT_MAX + 1];
    if (text.size == 0 || text.size > DOUBLE_TEXT_MAX || text.data[0] <= ' ')
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (locale == (locale_t)0)
        return false;
    char *end;
    errno = 0;
    double value = strtod_l(copy, &end, locale);
    freelocale(locale);
    bool is_out_of_range = errno == ERANGE && (isinf(value) || value == 0);
    if (end != copy + text.size || is_out_of_range || isnan(value))
        return false;
    *out = value;
    return true;
}

bool call_double(struct call *call, struct slice text, double *out) {
    if (parse_double(text, out))
        return true;
    reply_error(call->reply, "ERR value is not a valid float");
    return false;
}

enum larder_status call_wait_argument(struct call *call, size_t index, struct slice text) {
    struct call_wait *wait = &call->wait;
    if (wait->argument_count == wait->argument_capacity) {
        size_t capacity = wait->argument_capacity == 0 ? 4 : 2 * wait->argument_capacity;
        void *grown = allocator_resize(call->keyspace->allocator, wait->arguments,
                                       wait->argument_capacity * sizeof(*wait->arguments),
                                       capacity * sizeof(*wait->arguments));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        wait->arguments = grown;
        wait->argument_capacity = capacity;
    }
    struct call_wait_argument *argument = &wait->arguments[wait->argument_count++];
    argument->index = index;
    argument->size = (uint8_t)text.size;
    memcpy(argument->text, text.data, text.size);
    return LARDER_OK;
}

/* Milliseconds of a timeout in seconds, rounded up. False: out of range. */
static bool seconds_to_ms(double seconds, int64_t *out_ms) {
    double ms = ceil(seconds * 1000);
    if (ms >= 9223372036854775808.0)
        return false;
    *out_ms = ms <= -9223372036854775808.0 ? INT64_MIN : (int64_t)ms;
    return true;
}

bool call_timeout(struct call *call, struct slice text, bool is_ms) {
    int64_t timeout_ms;
    double seconds;
    if (is_ms ? !slice_to_int64(text, &timeout_ms) : !parse_double(text, &seconds)) {
        reply_error_format(call->reply, "ERR timeout is not %s or out of range",
                           is_ms ? "an integer" : "a float");
        return false;
    }
    if (!is_ms && !seconds_to_ms(seconds, &timeout_ms)) {
        reply_error(call->reply, "ERR timeout is out of range");
        return false;
    }
    if (timeout_ms < 0) {
        reply_error(call->reply, "ERR timeout is negative");
        return false;
    }
    call->wait.until_ms = 0;
    if (timeout_ms > 0 &&
        __builtin_add_overflow(timeout_ms, call->thread->now_ms, &call->wait.until_ms)) {
        reply_error(call->reply, "ERR timeout is out of range");
        return false;
    }
    return true;
}

enum larder_status call_syntax_error(struct call *call) {
    reply_error(call->reply, "ERR syntax error");
    return LARDER_OK;
}

enum larder_status call_wrong_type(struct call *call) {
    reply_error(call->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return LARDER_OK;
}

enum larder_status call_wrong_arity(struct call *call) {
    reply_error_format(call->reply, "ERR wrong number of arguments for '%s' command",
                       call->spec->name);
    return LARDER_OK;
}
