/* SPDX-License-Identifier: BSD-3-Clause */
/* Inline commands: every line is read, or refused for its quotes, as by a plain reader written from
 * the rules, wherever it was cut; and words written back in quotes are read as the same words. */
#include "../../unit/wire/request_stream.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MAX = 2048, WORDS_MAX = LINE_MAX };

struct words {
    size_t count;
    size_t sizes[WORDS_MAX];
    size_t used;
    uint8_t bytes[LINE_MAX];
};

static void require(bool condition) {
    if (!condition)
        abort();
}

static int digit(uint8_t c) {
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* The rules: a state per byte. False: quotes that don't end, or end inside a word. */
static bool read_line(const uint8_t *line, size_t size, struct words *out) {
    static const char ESCAPES[] = "n\nr\rt\tb\ba\a";
    enum { BLANK, PLAIN, SINGLE, DOUBLE, CLOSED } state = BLANK;
    *out = (struct words){.count = 0};
    for (size_t i = 0; i < size; i++) {
        uint8_t c = line[i];
        bool is_blank = isspace(c) != 0;
        if (state == CLOSED && !is_blank)
            return false;
        if (state != SINGLE && state != DOUBLE && is_blank) {
            state = BLANK;
            continue;
        }
        if (state == BLANK) {
            out->sizes[out->count++] = 0;
            state = PLAIN;
        }
        if (state == PLAIN && (c == '\'' || c == '"')) {
            state = c == '"' ? DOUBLE : SINGLE;
            continue;
        }
        if ((state == SINGLE && c == '\'') || (state == DOUBLE && c == '"')) {
            state = CLOSED;
            continue;
        }
        uint8_t next = i + 1 < size ? line[i + 1] : 0;
        if (state == SINGLE && c == '\\' && i + 1 < size && next == '\'') {
            c = '\'';
            i++;
        } else if (state == DOUBLE && c == '\\' && i + 1 < size) {
            i++;
            c = next;
            for (size_t e = 0; e < sizeof(ESCAPES) - 1; e += 2)
                if (next == (uint8_t)ESCAPES[e])
                    c = (uint8_t)ESCAPES[e + 1];
            if (next == 'x' && i + 2 < size && digit(line[i + 1]) >= 0 && digit(line[i + 2]) >= 0) {
                c = (uint8_t)(16 * digit(line[i + 1]) + digit(line[i + 2]));
                i += 2;
            }
        }
        out->bytes[out->used++] = c;
        out->sizes[out->count - 1]++;
    }
    return state != SINGLE && state != DOUBLE;
}

static void note_words(struct request_stream *expected, const struct words *words) {
    struct slice argv[WORDS_MAX];
    size_t at = 0;
    for (size_t i = 0; i < words->count; i++) {
        argv[i] = slice_of(words->bytes + at, words->sizes[i]);
        at += words->sizes[i];
    }
    stream_note_command(expected, argv, words->count);
}

/* The words in double quotes with every byte escaped are the same words. */
static void check_written_back(const struct words *words) {
    size_t capacity = 4 * words->used + 3 * words->count + 2, used = 0, at = 0;
    uint8_t *line = malloc(capacity);
    require(line != NULL);
    for (size_t i = 0; i < words->count; i++) {
        line[used++] = '"';
        for (size_t k = 0; k < words->sizes[i]; k++, used += 4)
            require(sprintf((char *)line + used, "\\x%02x", words->bytes[at + k]) == 4);
        at += words->sizes[i];
        line[used++] = '"';
        line[used++] = ' ';
    }
    line[used++] = '\n';
    struct request_stream expected, actual;
    stream_init(&expected, &ALLOCATOR_SYSTEM);
    note_words(&expected, words);
    stream_init(&actual, &ALLOCATOR_SYSTEM);
    stream_feed(&actual, line, used);
    require(stream_equal(&expected, &actual));
    stream_finish(&expected);
    stream_finish(&actual);
    free(line);
}

/* What the rules make of all lines, until one is refused. */
static void expect_lines(struct request_stream *expected, const uint8_t *data, size_t size) {
    static struct words words;
    while (size > 0 && !expected->is_broken) {
        const uint8_t *end = memchr(data, '\n', size);
        if (end == NULL)
            return;
        size_t length = (size_t)(end - data), taken = length + 1;
        if (length > 0 && data[length - 1] == '\r')
            length--;
        const uint8_t *nul = length > 0 ? memchr(data, 0, length) : NULL;
        if (nul != NULL)
            length = (size_t)(nul - data);
        if (read_line(data, length, &words)) {
            note_words(expected, &words);
            if (words.count > 0)
                check_written_back(&words);
        } else {
            static const char ERROR[] = "Protocol error: unbalanced quotes in request";
            expected->is_broken = true;
            stream_note(expected, ERROR, sizeof(ERROR) - 1);
        }
        data += taken;
        size -= taken;
    }
}

/* Whether some line begins with '*': that is no inline command. */
static bool has_array(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (data[i] == '*' && (i == 0 || data[i - 1] == '\n'))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > LINE_MAX || has_array(data + 1, size - 1))
        return 0;
    size_t cut = data[0] % size;
    data++;
    size--;
    struct request_stream expected, whole, pieces;
    stream_init(&expected, &ALLOCATOR_SYSTEM);
    expect_lines(&expected, data, size);
    stream_init(&whole, &ALLOCATOR_SYSTEM);
    stream_feed(&whole, data, size);
    require(stream_equal(&expected, &whole));
    stream_init(&pieces, &ALLOCATOR_SYSTEM);
    stream_feed(&pieces, data, cut);
    stream_feed(&pieces, data + cut, size - cut);
    require(stream_equal(&expected, &pieces));
    stream_finish(&expected);
    stream_finish(&whole);
    stream_finish(&pieces);
    return 0;
}
