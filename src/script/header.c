/* SPDX-License-Identifier: BSD-3-Clause */
/* The first line: "#!lua flags=no-writes,allow-oom" of a script, "#!lua name=library". */
#include "script/library.h"

const char *const SCRIPT_FLAG_NAME[SCRIPT_FLAG_NAMES] = {
    "no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys",
};

enum { SHOWN_BYTES = 128 };

static bool refuse(struct reply *error, const char *text, struct slice word) {
    int size = (int)(word.size < SHOWN_BYTES ? word.size : SHOWN_BYTES);
    reply_error_format(error, "ERR %s%.*s", text, size, (const char *)word.data);
    return false;
}

/* The next word of the line, or an empty one. */
static struct slice next_word(struct slice *line) {
    while (line->size > 0 &&
           (line->data[0] == ' ' || line->data[0] == '\t' || line->data[0] == '\r'))
        *line = slice_of(line->data + 1, line->size - 1);
    size_t size = 0;
    while (size < line->size && line->data[size] != ' ' && line->data[size] != '\t' &&
           line->data[size] != '\r')
        size++;
    struct slice word = slice_of(line->data, size);
    *line = slice_of(line->data + size, line->size - size);
    return word;
}

static bool take_prefix(struct slice *word, const char *prefix) {
    size_t size = strlen(prefix);
    if (word->size < size || memcmp(word->data, prefix, size) != 0)
        return false;
    *word = slice_of(word->data + size, word->size - size);
    return true;
}

/* Split off the first line. False: there is no second one. */
static bool split(struct slice text, struct slice *line, struct slice *code) {
    const uint8_t *end = memchr(text.data, '\n', text.size);
    if (end == NULL)
        return false;
    *line = slice_of(text.data, (size_t)(end - text.data));
    *code = slice_of(end, text.size - line->size);
    return true;
}

static bool read_flags(struct slice list, uint32_t *out, struct reply *error) {
    while (list.size > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.size);
        size_t size = comma != NULL ? (size_t)(comma - list.data) : list.size;
        struct slice word = slice_of(list.data, size);
        size_t i = 0;
        while (i < SCRIPT_FLAG_NAMES && !slice_equal(word, slice_of_string(SCRIPT_FLAG_NAME[i])))
            i++;
        if (i == SCRIPT_FLAG_NAMES)
            return refuse(error, "Unexpected flag in script shebang: ", word);
        *out |= 1u << i;
        size += comma != NULL;
        list = slice_of(list.data + size, list.size - size);
    }
    return true;
}

bool script_read_header(struct slice text, struct script_header *out, struct reply *error) {
    struct slice line;
    *out = (struct script_header){.code = text};
    if (text.size < 2 || memcmp(text.data, "#!", 2) != 0)
        return true;
    if (!split(text, &line, &out->code))
        return refuse(error, "Invalid script shebang", slice_of("", 0));
    out->flags = SCRIPT_HAS_FLAGS;
    struct slice word = next_word(&line);
    if (!slice_equal(word, SLICE_LITERAL("#!lua")))
        return refuse(error, "Unexpected engine in script shebang: ", word);
    while ((word = next_word(&line)).size > 0) {
        struct slice value = word;
        if (!take_prefix(&value, "flags="))
            return refuse(error, "Unknown lua shebang option: ", word);
        if (!read_flags(value, &out->flags, error))
            return false;
    }
    return true;
}

bool script_is_name(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return name.size > 0;
}

bool script_read_library_header(struct slice text, struct script_header *out, struct reply *error) {
    struct slice line, empty = slice_of("", 0);
    *out = (struct script_header){.code = text};
    if (text.size < 2 || memcmp(text.data, "#!", 2) != 0)
        return refuse(error, "Missing library metadata", empty);
    if (!split(text, &line, &out->code))
        return refuse(error, "Invalid library metadata", empty);
    struct slice word = next_word(&line);
    out->engine = slice_of(word.data + 2, word.size - 2);
    bool has_name = false;
    while ((word = next_word(&line)).size > 0) {
        struct slice value = word;
        if (!take_prefix(&value, "name="))
            return refuse(error, "Invalid metadata value given: ", word);
        if (has_name)
            return refuse(error, "Invalid metadata value, name argument was given multiple times",
                          empty);
        has_name = true;
        out->name = value;
    }
    if (!has_name)
        return refuse(error, "Library name was not given", empty);
    if (!script_is_name(out->name))
        return refuse(error,
                      "Library names can only contain letters, numbers, or underscores(_) "
                      "and must be at least one character long",
                      empty);
    if (slice_equal_word(out->engine, "lua"))
        return true;
    int shown = (int)(out->engine.size < SHOWN_BYTES ? out->engine.size : SHOWN_BYTES);
    reply_error_format(error, "ERR Engine '%.*s' not found", shown, (const char *)out->engine.data);
    return false;
}
