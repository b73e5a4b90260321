/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing the values of each kind. The texts of refusals are those that clients of
 * CONFIG SET know. Options that take several words get them split before the kind's reader runs,
 * so that `save "60 1000"` and `save 60 1000` are one. */
#include "base/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_space(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static enum larder_status check_range(const struct option *option, int64_t value,
                                      struct option_error *error) {
    if (value >= option->min && value <= option->max)
        return LARDER_OK;
    const char *format = option->kind == OPTION_OCTAL
                             ? "argument must be between %llo and %llo inclusive"
                             : "argument must be between %lld and %lld inclusive";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return option_refuse(error, format, (long long)option->min, (long long)option->max);
#pragma GCC diagnostic pop
}

static enum larder_status parse_bool(struct slice text, bool *out, struct option_error *error) {
    *out = slice_equal_word(text, "yes");
    if (*out || slice_equal_word(text, "no"))
        return LARDER_OK;
    return option_refuse(error, "argument must be 'yes' or 'no'");
}

static enum larder_status parse_integer(const struct option *option, struct slice text,
                                        int64_t *out, struct option_error *error) {
    if (!slice_to_int64(text, out))
        return option_refuse(error, "argument couldn't be parsed into an integer");
    return check_range(option, *out, error);
}

static enum larder_status parse_octal(const struct option *option, struct slice text, int64_t *out,
                                      struct option_error *error) {
    int64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 7 || value > INT32_MAX)
            return option_refuse(error, "argument couldn't be parsed as an octal number");
        value = value * 8 + digit;
    }
    *out = value;
    return check_range(option, value, error);
}

/* The number of bytes in a unit of memory, 0 if it is none. */
static int64_t unit_bytes(struct slice unit) {
    static const struct {
        const char *name;
        int64_t bytes;
    } UNITS[] = {{"", 1},        {"b", 1},        {"k", 1000},         {"kb", 1024},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000LL}, {"gb", 1 << 30}};
    for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
        if (slice_equal_word(unit, UNITS[i].name))
            return UNITS[i].bytes;
    return 0;
}

static enum larder_status parse_memory(const struct option *option, struct slice text, int64_t *out,
                                       struct option_error *error) {
    size_t digits = 0;
    int64_t value = 0;
    bool is_huge = false;
    for (; digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.data[digits] - '0', &value))
            is_huge = true;
    struct slice unit = slice_of(text.data + digits, text.size - digits);
    bool takes_percent = (option->flags & OPTION_PERCENT) != 0;
    if (takes_percent && digits > 0 && slice_equal_word(unit, "%")) {
        if (is_huge || value > 100)
            return option_refuse(error, "percentage argument must be less or equal to 100");
        *out = -value;
        return LARDER_OK;
    }
    int64_t bytes = unit_bytes(unit);
    if (bytes == 0 || (digits == 0 && unit.size > 0))
        return option_refuse(error, takes_percent ? "argument must be a memory or percent value"
                                                  : "argument must be a memory value");
    if (is_huge || __builtin_mul_overflow(value, bytes, &value))
        return option_refuse(error, "argument must be between %lld and %lld inclusive",
                             (long long)option->min, (long long)option->max);
    *out = value;
    return check_range(option, value, error);
}

static enum larder_status refuse_choice(const struct option *option, struct option_error *error) {
    enum larder_status status = option_refuse(error, "argument(s) must be one of the following: ");
    for (const struct option_name *name = option->names; name->name != NULL; name++) {
        size_t used = strlen(error->text);
        (void)snprintf(error->text + used, sizeof(error->text) - used, "%s%s",
                       name == option->names ? "" : ", ", name->name);
    }
    return status;
}

static enum larder_status parse_choices(const struct option *option,
                                        const struct option_input *input, int *out,
                                        struct option_error *error) {
    *out = 0;
    for (size_t i = 0; i < input->count; i++) {
        const struct option_name *name = option->names;
        while (name->name != NULL && !slice_equal_word(input->args[i], name->name))
            name++;
        if (name->name == NULL)
            return refuse_choice(option, error);
        *out |= name->value;
    }
    return input->count > 0 ? LARDER_OK : refuse_choice(option, error);
}

static enum larder_status parse_text(const struct option_input *input, struct option_text *out) {
    struct option_words one = {NULL, 0};
    enum larder_status status = option_words_append(input->allocator, &one, input->args[0]);
    if (status != LARDER_OK)
        return status;
    *out = one.items[0];
    allocator_release(input->allocator, one.items, sizeof(one.items[0]));
    return LARDER_OK;
}

static enum larder_status parse_words(const struct option_input *input, struct option_words *out) {
    for (size_t i = 0; i < input->count; i++) {
        enum larder_status status = option_words_append(input->allocator, out, input->args[i]);
        if (status != LARDER_OK) {
            option_words_release(input->allocator, out);
            return status;
        }
    }
    return LARDER_OK;
}

static enum larder_status parse_lines(const struct option_input *input, struct option_words *out,
                                      struct option_error *error) {
    static const struct option_words NONE = {NULL, 0};
    if (input->count == 0)
        return option_refuse(error, "wrong number of arguments");
    struct option_output line = {.allocator = input->allocator};
    for (size_t i = 0; i < input->count; i++) {
        if (i > 0)
            option_output_text(&line, " ");
        option_quote(&line, input->args[i]);
    }
    enum larder_status status = LARDER_NO_MEMORY;
    if (!line.is_failed)
        status = option_words_copy(input->allocator,
                                   input->base == NULL ? &NONE : &input->base->words, out);
    if (status == LARDER_OK) {
        status = option_words_append(input->allocator, out, slice_of(line.data, line.size));
        if (status != LARDER_OK)
            option_words_release(input->allocator, out);
    }
    option_output_release(&line);
    return status;
}

static enum larder_status parse_integers(const struct option *option,
                                         const struct option_input *input,
                                         struct option_integers *out, struct option_error *error) {
    if (input->count == 0)
        return LARDER_OK;
    size_t size = input->count * sizeof(int64_t);
    int64_t *items = allocator_allocate(input->allocator, size);
    if (items == NULL)
        return LARDER_NO_MEMORY;
    for (size_t i = 0; i < input->count; i++) {
        enum larder_status status = parse_integer(option, input->args[i], &items[i], error);
        if (status != LARDER_OK) {
            allocator_release(input->allocator, items, size);
            return status;
        }
    }
    *out = (struct option_integers){items, input->count};
    return LARDER_OK;
}

static bool parse_decimal(struct slice text, double *out) {
    char copy[64];
    if (text.size == 0 || text.size >= sizeof(copy) || is_space(text.data[0]))
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    char *end;
    *out = strtod(copy, &end);
    return end == copy + text.size && isfinite(*out);
}

static enum larder_status parse_decimals(const struct option *option,
                                         const struct option_input *input,
                                         struct option_decimals *out, struct option_error *error) {
    if (input->count == 0)
        return LARDER_OK;
    size_t size = input->count * sizeof(double);
    double *items = allocator_allocate(input->allocator, size);
    if (items == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < input->count && status == LARDER_OK; i++) {
        if (!parse_decimal(input->args[i], &items[i]))
            status = option_refuse(error, "Invalid %s parameters", option->name);
        else if (items[i] < (double)option->min || items[i] > (double)option->max)
            status = option_refuse(error, "%s parameters should sit between [%lld.0,%lld.0]",
                                   option->name, (long long)option->min, (long long)option->max);
    }
    if (status != LARDER_OK) {
        allocator_release(input->allocator, items, size);
        return status;
    }
    *out = (struct option_decimals){items, input->count};
    return LARDER_OK;
}

static enum larder_status parse_kind(const struct option *option, const struct option_input *input,
                                     union option_value *out, struct option_error *error) {
    if (option->codec != NULL && option->codec->parse != NULL)
        return option->codec->parse(option, input, out, error);
    switch (option->kind) {
    case OPTION_BOOL: return parse_bool(input->args[0], &out->boolean, error);
    case OPTION_INTEGER: return parse_integer(option, input->args[0], &out->integer, error);
    case OPTION_MEMORY: return parse_memory(option, input->args[0], &out->integer, error);
    case OPTION_OCTAL: return parse_octal(option, input->args[0], &out->integer, error);
    case OPTION_CHOICE:
    case OPTION_CHOICES: return parse_choices(option, input, &out->choice, error);
    case OPTION_TEXT: return parse_text(input, &out->text);
    case OPTION_WORDS: return parse_words(input, &out->words);
    case OPTION_LINES: return parse_lines(input, &out->words, error);
    case OPTION_INTEGERS: return parse_integers(option, input, &out->integers, error);
    case OPTION_DECIMALS: return parse_decimals(option, input, &out->decimals, error);
    }
    return LARDER_INVALID;
}

static enum larder_status parse_checked(const struct option *option,
                                        const struct option_input *input, union option_value *out,
                                        struct option_error *error) {
    enum larder_status status = parse_kind(option, input, out, error);
    const char *refusal = NULL;
    if (status == LARDER_OK && option->check != NULL)
        refusal = option->check(out);
    if (refusal != NULL) {
        option_value_release(option, input->allocator, out);
        status = option_refuse(error, "%s", refusal);
    }
    return status;
}

/* Find the next word of `text` from *at on; an empty slice when there is none. */
static struct slice next_piece(struct slice text, size_t *at) {
    while (*at < text.size && is_space(text.data[*at]))
        *at += 1;
    size_t start = *at;
    while (*at < text.size && !is_space(text.data[*at]))
        *at += 1;
    return slice_of(text.data + start, *at - start);
}

static enum larder_status parse_split(const struct option *option, const struct option_input *input,
                                      union option_value *out, struct option_error *error) {
    size_t at = 0, count = 0;
    while (next_piece(input->args[0], &at).size > 0)
        count++;
    size_t size = (count == 0 ? 1 : count) * sizeof(struct slice);
    struct slice *pieces = allocator_allocate(input->allocator, size);
    if (pieces == NULL)
        return LARDER_NO_MEMORY;
    at = 0;
    for (size_t i = 0; i < count; i++)
        pieces[i] = next_piece(input->args[0], &at);
    struct option_input split = *input;
    split.args = pieces;
    split.count = count;
    enum larder_status status = parse_checked(option, &split, out, error);
    allocator_release(input->allocator, pieces, size);
    return status;
}

enum larder_status option_parse(const struct option *option, const struct option_input *input,
                                union option_value *out_value, struct option_error *out_error) {
    memset(out_value, 0, sizeof(*out_value));
    bool is_multi = option_is_multi(option);
    if (!is_multi && input->count != 1)
        return option_refuse(out_error, "wrong number of arguments");
    if (is_multi && input->count == 1 && option->kind != OPTION_LINES)
        return parse_split(option, input, out_value, out_error);
    return parse_checked(option, input, out_value, out_error);
}

static void format_octal(struct option_output *output, int64_t value) {
    char text[32];
    int length = snprintf(text, sizeof(text), "%llo", (unsigned long long)value);
    option_output_append(output, text, (size_t)length);
}

static void format_choices(const struct option *option, int value, struct option_output *output) {
    int left = value;
    const char *between = "";
    for (const struct option_name *name = option->names; name->name != NULL; name++) {
        bool is_meant = option->kind == OPTION_CHOICE || name->value == 0
                            ? name->value == value
                            : (left & name->value) == name->value;
        if (!is_meant)
            continue;
        option_output_text(output, between);
        option_output_text(output, name->name);
        between = " ";
        left &= ~name->value;
        if (left == 0)
            return;
    }
}

/* Six places at most, and no zeros at the end. */
static void format_decimal(struct option_output *output, double value) {
    char text[400];
    int length = snprintf(text, sizeof(text), "%.6f", value);
    while (length > 0 && text[length - 1] == '0')
        length--;
    if (length > 0 && text[length - 1] == '.')
        length--;
    option_output_append(output, text, (size_t)length);
}

static void format_words(const struct option_words *words, bool is_quoted,
                         struct option_output *output) {
    for (size_t i = 0; i < words->count; i++) {
        if (i > 0)
            option_output_text(output, " ");
        struct slice word = option_text_slice(&words->items[i]);
        if (is_quoted)
            option_quote(output, word);
        else
            option_output_append(output, word.data, word.size);
    }
}

void option_format(const struct option *option, const union option_value *value,
                   struct option_output *output) {
    if (option->codec != NULL && option->codec->format != NULL) {
        option->codec->format(option, value, output);
        return;
    }
    switch (option->kind) {
    case OPTION_BOOL: option_output_text(output, value->boolean ? "yes" : "no"); break;
    case OPTION_INTEGER:
    case OPTION_MEMORY:
        option_output_integer(output, value->integer < 0 && option->kind == OPTION_MEMORY
                                          ? -value->integer
                                          : value->integer);
        if (option->kind == OPTION_MEMORY && value->integer < 0)
            option_output_text(output, "%");
        break;
    case OPTION_OCTAL: format_octal(output, value->integer); break;
    case OPTION_CHOICE:
    case OPTION_CHOICES: format_choices(option, value->choice, output); break;
    case OPTION_TEXT: option_output_append(output, value->text.data, value->text.size); break;
    case OPTION_WORDS:
    case OPTION_LINES: format_words(&value->words, false, output); break;
    case OPTION_INTEGERS:
        for (size_t i = 0; i < value->integers.count; i++) {
            option_output_text(output, i > 0 ? " " : "");
            option_output_integer(output, value->integers.items[i]);
        }
        break;
    case OPTION_DECIMALS:
        for (size_t i = 0; i < value->decimals.count; i++) {
            option_output_text(output, i > 0 ? " " : "");
            format_decimal(output, value->decimals.items[i]);
        }
        break;
    }
}

static void format_memory_line(int64_t value, struct option_output *output) {
    static const char *const UNITS[] = {"", "kb", "mb", "gb"};
    size_t unit = 0;
    while (unit < 3 && value > 0 && value % 1024 == 0) {
        value /= 1024;
        unit++;
    }
    option_output_integer(output, value);
    option_output_text(output, UNITS[unit]);
}

void option_format_line(const struct option *option, const union option_value *value,
                        struct option_output *output) {
    size_t start = output->size;
    if (option->codec == NULL && option->kind == OPTION_MEMORY && value->integer >= 0)
        format_memory_line(value->integer, output);
    else if (option->kind == OPTION_TEXT)
        option_quote(output, option_text_slice(&value->text));
    else if (option->kind == OPTION_WORDS)
        format_words(&value->words, true, output);
    else
        option_format(option, value, output);
    if (output->size == start)
        option_output_text(output, "\"\"");
}
