/* SPDX-License-Identifier: BSD-3-Clause */
/* Formatted commands. The format is cut into words at spaces before values are put in, so a value
 * may hold anything. A word with a conversion counts even if it comes out empty. */
#include "client/command_text.h"

#include "valkey/valkey.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum { CONVERSION_BYTES_MAX = 24 };

/* A va_list that functions can share. */
struct values {
    va_list list;
};

static void words_init(struct command_words *words) {
    words->text = words->text_inline;
    words->used = 0;
    words->capacity = sizeof words->text_inline;
    words->sizes = words->sizes_inline;
    words->count = 0;
    words->sizes_capacity = COMMAND_WORDS_INLINE;
}

void command_words_finish(struct command_words *words) {
    if (words->text != words->text_inline)
        vk_free(words->text);
    if (words->sizes != words->sizes_inline)
        vk_free(words->sizes);
    words_init(words);
}

/* A block twice as large that begins with the old content; the old one is freed unless inline. */
static void *grow(void *old, const void *in_place, size_t used, size_t size) {
    if (old != in_place)
        return vk_realloc(old, size);
    void *grown = vk_malloc(size);
    if (grown != NULL)
        memcpy(grown, old, used);
    return grown;
}

static char *text_reserve(struct command_words *words, size_t size) {
    if (words->capacity - words->used < size) {
        if (size > SIZE_MAX / 4 || words->used > SIZE_MAX / 4)
            return NULL;
        size_t wanted = (words->used + size) * 2;
        char *grown = grow(words->text, words->text_inline, words->used, wanted);
        if (grown == NULL)
            return NULL;
        words->text = grown;
        words->capacity = wanted;
    }
    return words->text + words->used;
}

static bool add_text(struct command_words *words, const char *text, size_t size) {
    char *room = text_reserve(words, size);
    if (room == NULL)
        return false;
    if (size > 0)
        memcpy(room, text, size);
    words->used += size;
    return true;
}

/* What was added since text offset `begin` is a word. */
static bool end_word(struct command_words *words, size_t begin) {
    if (words->count == words->sizes_capacity) {
        size_t wanted = words->sizes_capacity * 2;
        size_t *grown = grow(words->sizes, words->sizes_inline, words->count * sizeof *words->sizes,
                             wanted * sizeof *words->sizes);
        if (grown == NULL)
            return false;
        words->sizes = grown;
        words->sizes_capacity = wanted;
    }
    words->sizes[words->count++] = words->used - begin;
    return true;
}

enum modifier { MODIFIER_NONE, MODIFIER_CHAR, MODIFIER_SHORT, MODIFIER_LONG, MODIFIER_LONG_LONG };

struct conversion {
    char text[CONVERSION_BYTES_MAX]; /* as printf wants it */
    size_t size;                     /* bytes of the format it took */
    enum modifier modifier;
    char letter;
};

static enum modifier read_modifier(const char **at) {
    bool is_double = (*at)[0] != '\0' && (*at)[1] == (*at)[0];
    if (**at == 'h') {
        *at += is_double ? 2 : 1;
        return is_double ? MODIFIER_CHAR : MODIFIER_SHORT;
    }
    if (**at == 'l') {
        *at += is_double ? 2 : 1;
        return is_double ? MODIFIER_LONG_LONG : MODIFIER_LONG;
    }
    return MODIFIER_NONE;
}

/* Read a numeric conversion; `format` stands at its percent sign. */
static bool read_conversion(const char *format, struct conversion *out) {
    const char *at = format + 1;
    at += strspn(at, "#0-+ ");
    at += strspn(at, "0123456789");
    if (*at == '.') {
        at++;
        at += strspn(at, "0123456789");
    }
    out->modifier = read_modifier(&at);
    if (*at == '\0' || strchr("diouxXeEfFgGaA", *at) == NULL)
        return false;
    out->letter = *at;
    out->size = (size_t)(at + 1 - format);
    if (out->size >= sizeof out->text)
        return false;
    memcpy(out->text, format, out->size);
    out->text[out->size] = '\0';
    return strchr("eEfFgGaA", out->letter) == NULL || out->modifier == MODIFIER_NONE;
}

/* printf the next value; the types are those that promotion leaves. */
static int print_number(const struct conversion *conversion, struct values *values, char *out,
                        size_t size) {
    if (strchr("eEfFgGaA", conversion->letter) != NULL)
        return snprintf(out, size, conversion->text, va_arg(values->list, double));
    switch (conversion->modifier) {
    case MODIFIER_LONG: return snprintf(out, size, conversion->text, va_arg(values->list, long));
    case MODIFIER_LONG_LONG:
        return snprintf(out, size, conversion->text, va_arg(values->list, long long));
    default: return snprintf(out, size, conversion->text, va_arg(values->list, int));
    }
}

static enum command_status add_number(struct command_words *words, const char **format,
                                      struct values *values) {
    struct conversion conversion;
    if (!read_conversion(*format, &conversion))
        return COMMAND_BAD_FORMAT;
    *format += conversion.size;
    struct values again;
    va_copy(again.list, values->list);
    char text[64];
    int size = print_number(&conversion, values, text, sizeof text);
    enum command_status status = COMMAND_OK;
    if (size < 0) {
        status = COMMAND_BAD_FORMAT;
    } else if ((size_t)size < sizeof text) {
        status = add_text(words, text, (size_t)size) ? COMMAND_OK : COMMAND_NO_MEMORY;
    } else {
        char *room = text_reserve(words, (size_t)size + 1);
        if (room == NULL)
            status = COMMAND_NO_MEMORY;
        else
            words->used += (size_t)print_number(&conversion, &again, room, (size_t)size + 1);
    }
    va_end(again.list);
    return status;
}

/* Put in the value of the conversion at *format. */
static enum command_status add_value(struct command_words *words, const char **format,
                                     struct values *values) {
    const char *text;
    size_t size;
    switch ((*format)[1]) {
    case 's':
        text = va_arg(values->list, const char *);
        if (text == NULL)
            return COMMAND_BAD_FORMAT;
        size = strlen(text);
        break;
    case 'b':
        text = va_arg(values->list, const char *);
        size = va_arg(values->list, size_t);
        if (text == NULL && size > 0)
            return COMMAND_BAD_FORMAT;
        break;
    case '%':
        text = "%";
        size = 1;
        break;
    default: return add_number(words, format, values);
    }
    *format += 2;
    return add_text(words, text, size) ? COMMAND_OK : COMMAND_NO_MEMORY;
}

static enum command_status read_words(struct command_words *words, const char *format,
                                      struct values *values) {
    while (*format != '\0') {
        if (*format == ' ') {
            format++;
            continue;
        }
        size_t begin = words->used;
        while (*format != ' ' && *format != '\0') {
            if (*format == '%') {
                enum command_status status = add_value(words, &format, values);
                if (status != COMMAND_OK)
                    return status;
                continue;
            }
            size_t size = strcspn(format, " %");
            if (!add_text(words, format, size))
                return COMMAND_NO_MEMORY;
            format += size;
        }
        if (!end_word(words, begin))
            return COMMAND_NO_MEMORY;
    }
    return COMMAND_OK;
}

enum command_status command_words_format(struct command_words *words, const char *format,
                                         va_list values) {
    words_init(words);
    struct values copy;
    va_copy(copy.list, values);
    enum command_status status = read_words(words, format, &copy);
    va_end(copy.list);
    return status;
}

static size_t decimal_size(size_t value) {
    size_t size = 1;
    for (; value >= 10; value /= 10)
        size++;
    return size;
}

/* `mark`, the number, CR LF. Returns the end. */
static char *write_header(char *out, char mark, size_t value) {
    size_t digits = decimal_size(value);
    *out++ = mark;
    for (size_t i = digits; i > 0; i--, value /= 10)
        out[i - 1] = (char)('0' + value % 10);
    out += digits;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static char *write_word(char *out, const char *word, size_t size) {
    out = write_header(out, '$', size);
    if (size > 0)
        memcpy(out, word, size);
    out += size;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

/* Add a word's bytes on the wire to *total; false when that overflows. */
static bool count_word(size_t *total, size_t size) {
    size_t more = 1 + decimal_size(size) + 2 + 2;
    if (size > SIZE_MAX / 2 - more || *total > SIZE_MAX / 2 - size - more)
        return false;
    *total += size + more;
    return true;
}

size_t command_words_size(const struct command_words *words) {
    size_t total = 1 + decimal_size(words->count) + 2;
    for (size_t i = 0; i < words->count; i++)
        if (!count_word(&total, words->sizes[i]))
            return 0;
    return total;
}

void command_words_write(const struct command_words *words, char *out) {
    const char *text = words->text;
    out = write_header(out, '*', words->count);
    for (size_t i = 0; i < words->count; i++) {
        out = write_word(out, text, words->sizes[i]);
        text += words->sizes[i];
    }
}

size_t command_array_size(int count, const char **words, const size_t *sizes) {
    size_t total = 1 + decimal_size((size_t)count) + 2;
    for (int i = 0; i < count; i++)
        if (!count_word(&total, sizes != NULL ? sizes[i] : strlen(words[i])))
            return 0;
    return total;
}

void command_array_write(int count, const char **words, const size_t *sizes, char *out) {
    out = write_header(out, '*', (size_t)count);
    for (int i = 0; i < count; i++)
        out = write_word(out, words[i], sizes != NULL ? sizes[i] : strlen(words[i]));
}

bool command_read_number(const char *text, const char *end, size_t *out_value) {
    size_t value = 0;
    const char *at = text;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (value > SIZE_MAX / 100)
            return false;
        value = value * 10 + (size_t)(*at - '0');
    }
    *out_value = value;
    return at > text;
}

/* "<mark><number>" and the line's end; *at is moved behind it. */
static bool read_header(const char **at, const char *end, char mark, size_t *out_value) {
    const char *line = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    if (line == NULL || **at != mark || !command_read_number(*at + 1, line, out_value))
        return false;
    *at = line + 1;
    return true;
}

bool command_cursor_open(struct command_cursor *cursor, const char *command, size_t size) {
    *cursor = (struct command_cursor){.at = command, .end = command + size};
    return read_header(&cursor->at, cursor->end, '*', &cursor->count);
}

bool command_cursor_next(struct command_cursor *cursor, const char **word, size_t *size) {
    if (!read_header(&cursor->at, cursor->end, '$', size))
        return false;
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left < 2 || *size > left - 2)
        return false;
    *word = cursor->at;
    cursor->at += *size + 2;
    return true;
}
