/* SPDX-License-Identifier: BSD-3-Clause */
/* The text side of options: a growing output, and the quoting rules of redis.conf. A word is
 * collected in an output and then copied to its exact size. */
#include "base/options.h"

#include <string.h>

enum { OUTPUT_FIRST_CAPACITY = 64 };

void option_output_append(struct option_output *output, const void *bytes, size_t size) {
    if (output->is_failed || size == 0)
        return;
    size_t needed = output->size + size + 1;
    if (needed > output->capacity) {
        size_t capacity = output->capacity == 0 ? OUTPUT_FIRST_CAPACITY : output->capacity;
        while (capacity < needed)
            capacity *= 2;
        char *data = allocator_resize(output->allocator, output->data, output->capacity, capacity);
        if (data == NULL) {
            output->is_failed = true;
            return;
        }
        output->data = data;
        output->capacity = capacity;
    }
    memcpy(output->data + output->size, bytes, size);
    output->size += size;
    output->data[output->size] = '\0';
}

void option_output_text(struct option_output *output, const char *text) {
    option_output_append(output, text, strlen(text));
}

void option_output_integer(struct option_output *output, int64_t value) {
    uint8_t digits[INT64_TEXT_MAX];
    option_output_append(output, digits, int64_format(value, digits));
}

void option_output_release(struct option_output *output) {
    allocator_release(output->allocator, output->data, output->capacity);
    *output = (struct option_output){.allocator = output->allocator};
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == '\0';
}

static bool needs_quotes(struct slice word) {
    if (word.size == 0 || word.data[0] == '#')
        return true;
    for (size_t i = 0; i < word.size; i++) {
        uint8_t byte = word.data[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '\'' || byte == '\\')
            return true;
    }
    return false;
}

static void quote_byte(struct option_output *output, uint8_t byte) {
    static const char HEX[] = "0123456789abcdef";
    char escape[4] = {'\\', 'x', HEX[byte >> 4], HEX[byte & 15]};
    size_t size = 2;
    switch (byte) {
    case '\n': escape[1] = 'n'; break;
    case '\r': escape[1] = 'r'; break;
    case '\t': escape[1] = 't'; break;
    case '\a': escape[1] = 'a'; break;
    case '\b': escape[1] = 'b'; break;
    case '"':
    case '\\': escape[1] = (char)byte; break;
    default: size = 4; break;
    }
    if (size == 4 && byte >= ' ' && byte < 0x7f)
        option_output_append(output, &byte, 1);
    else
        option_output_append(output, escape, size);
}

void option_quote(struct option_output *output, struct slice word) {
    if (!needs_quotes(word)) {
        option_output_append(output, word.data, word.size);
        return;
    }
    option_output_text(output, "\"");
    for (size_t i = 0; i < word.size; i++)
        quote_byte(output, word.data[i]);
    option_output_text(output, "\"");
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* The byte behind a backslash at line.data[*at]; moves *at behind the escape. */
static uint8_t unescape(struct slice line, size_t *at) {
    const uint8_t *escape = line.data + *at;
    size_t left = line.size - *at;
    if (left >= 3 && escape[0] == 'x' && hex_digit(escape[1]) >= 0 && hex_digit(escape[2]) >= 0) {
        *at += 3;
        return (uint8_t)(hex_digit(escape[1]) * 16 + hex_digit(escape[2]));
    }
    *at += 1;
    switch (escape[0]) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return escape[0];
    }
}

/* A quoted stretch whose opening quote is at *at. False if it does not close or does not end its
 * word. */
static bool read_quoted(struct slice line, size_t *at, struct option_output *word) {
    uint8_t quote = line.data[(*at)++];
    while (*at < line.size && line.data[*at] != quote) {
        uint8_t byte = line.data[(*at)++];
        if (byte == '\\' && *at < line.size) {
            if (quote == '"')
                byte = unescape(line, at);
            else if (line.data[*at] == '\'')
                byte = line.data[(*at)++];
        }
        option_output_append(word, &byte, 1);
    }
    if (*at == line.size)
        return false;
    *at += 1;
    return *at == line.size || is_blank(line.data[*at]);
}

static bool read_word(struct slice line, size_t *at, struct option_output *word) {
    while (*at < line.size && !is_blank(line.data[*at])) {
        if (line.data[*at] == '"' || line.data[*at] == '\'')
            return read_quoted(line, at, word);
        option_output_append(word, &line.data[(*at)++], 1);
    }
    return true;
}

static enum larder_status next_word(const struct allocator *allocator, struct slice line,
                                    size_t *at, struct option_words *words) {
    struct option_output word = {.allocator = allocator};
    enum larder_status status = LARDER_INVALID;
    if (read_word(line, at, &word))
        status = word.is_failed
                     ? LARDER_NO_MEMORY
                     : option_words_append(allocator, words, slice_of(word.data, word.size));
    option_output_release(&word);
    return status;
}

enum larder_status option_split_line(const struct allocator *allocator, struct slice line,
                                     struct option_words *out_words) {
    *out_words = (struct option_words){NULL, 0};
    for (size_t at = 0;;) {
        while (at < line.size && is_blank(line.data[at]))
            at++;
        if (at == line.size)
            return LARDER_OK;
        enum larder_status status = next_word(allocator, line, &at, out_words);
        if (status != LARDER_OK) {
            option_words_release(allocator, out_words);
            return status;
        }
    }
}
