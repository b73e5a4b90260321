/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding rows, and owning values. A value moves between a field and a union by its size, so the
 * code that sets several options at once can keep the old values aside and put them back without
 * any step that can fail. */
#include "base/options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct option *options_find(const struct option_table *table, struct slice name) {
    for (size_t i = 0; i < table->count; i++) {
        const struct option *row = &table->rows[i];
        if (slice_equal_word(name, row->name) ||
            (row->alias != NULL && slice_equal_word(name, row->alias)))
            return row;
    }
    return NULL;
}

const void *options_field_const(const struct option_table *table, const struct option *option,
                                const void *fields) {
    size_t offset = option->offset;
    if (offset == OPTION_NO_FIELD) {
        size_t row = (size_t)(option - table->rows);
        offset = table->spare_offset + row * sizeof(union option_value);
    }
    return (const char *)fields + offset;
}

void *options_field(const struct option_table *table, const struct option *option, void *fields) {
    const char *field = options_field_const(table, option, fields);
    return (char *)fields + (field - (const char *)fields);
}

bool option_is_multi(const struct option *option) {
    return (option->flags & OPTION_MULTI) != 0 || option->kind >= OPTION_WORDS ||
           option->kind == OPTION_CHOICES;
}

static size_t field_size(const struct option *option) {
    switch (option->kind) {
    case OPTION_BOOL: return sizeof(bool);
    case OPTION_INTEGER:
    case OPTION_MEMORY:
    case OPTION_OCTAL: return sizeof(int64_t);
    case OPTION_CHOICE:
    case OPTION_CHOICES: return sizeof(int);
    case OPTION_TEXT: return sizeof(struct option_text);
    case OPTION_WORDS:
    case OPTION_LINES: return sizeof(struct option_words);
    case OPTION_INTEGERS: return sizeof(struct option_integers);
    case OPTION_DECIMALS: return sizeof(struct option_decimals);
    }
    return 0;
}

void option_value_load(const struct option *option, const void *field, union option_value *out) {
    memset(out, 0, sizeof(*out));
    memcpy(out, field, field_size(option));
}

void option_value_store(const struct option *option, void *field, const union option_value *value) {
    memcpy(field, value, field_size(option));
}

static void text_release(const struct allocator *allocator, struct option_text *text) {
    if (text->size > 0)
        allocator_release(allocator, (void *)(uintptr_t)text->data, text->size + 1);
    *text = (struct option_text){"", 0};
}

void option_words_release(const struct allocator *allocator, struct option_words *words) {
    for (size_t i = 0; i < words->count; i++)
        text_release(allocator, &words->items[i]);
    if (words->count > 0)
        allocator_release(allocator, words->items, words->count * sizeof(words->items[0]));
    *words = (struct option_words){NULL, 0};
}

void option_value_release(const struct option *option, const struct allocator *allocator,
                          union option_value *value) {
    switch (option->kind) {
    case OPTION_TEXT: text_release(allocator, &value->text); break;
    case OPTION_WORDS:
    case OPTION_LINES: option_words_release(allocator, &value->words); break;
    case OPTION_INTEGERS:
        if (value->integers.count > 0)
            allocator_release(allocator, value->integers.items,
                              value->integers.count * sizeof(int64_t));
        value->integers = (struct option_integers){NULL, 0};
        break;
    case OPTION_DECIMALS:
        if (value->decimals.count > 0)
            allocator_release(allocator, value->decimals.items,
                              value->decimals.count * sizeof(double));
        value->decimals = (struct option_decimals){NULL, 0};
        break;
    default: break;
    }
}

enum larder_status option_words_append(const struct allocator *allocator,
                                       struct option_words *words, struct slice text) {
    struct option_text item = {"", 0};
    if (text.size > 0) {
        char *copy = allocator_allocate(allocator, text.size + 1);
        if (copy == NULL)
            return LARDER_NO_MEMORY;
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        item = (struct option_text){copy, text.size};
    }
    size_t old_size = words->count * sizeof(words->items[0]);
    struct option_text *items =
        allocator_resize(allocator, words->items, old_size, old_size + sizeof(words->items[0]));
    if (items == NULL) {
        text_release(allocator, &item);
        return LARDER_NO_MEMORY;
    }
    items[words->count++] = item;
    words->items = items;
    return LARDER_OK;
}

enum larder_status option_words_copy(const struct allocator *allocator,
                                     const struct option_words *from, struct option_words *out) {
    *out = (struct option_words){NULL, 0};
    for (size_t i = 0; i < from->count; i++) {
        enum larder_status status =
            option_words_append(allocator, out, option_text_slice(&from->items[i]));
        if (status != LARDER_OK) {
            option_words_release(allocator, out);
            return status;
        }
    }
    return LARDER_OK;
}

static enum larder_status set_default(const struct option_table *table, const struct option *option,
                                      void *fields, const struct allocator *allocator) {
    union option_value value;
    memset(&value, 0, sizeof(value));
    if (option->kind != OPTION_LINES) {
        const char *text = option->default_text == NULL ? "" : option->default_text;
        struct slice argument = slice_of_string(text);
        struct option_input input = {.allocator = allocator, .args = &argument, .count = 1};
        struct option_error error;
        enum larder_status status = option_parse(option, &input, &value, &error);
        if (status != LARDER_OK)
            return status;
    }
    option_value_store(option, options_field(table, option, fields), &value);
    return LARDER_OK;
}

static void finish_rows(const struct option_table *table, size_t count, void *fields,
                        const struct allocator *allocator) {
    for (size_t i = 0; i < count; i++) {
        const struct option *row = &table->rows[i];
        void *field = options_field(table, row, fields);
        union option_value value;
        option_value_load(row, field, &value);
        option_value_release(row, allocator, &value);
        option_value_store(row, field, &value);
    }
}

enum larder_status options_init(const struct option_table *table, void *fields,
                                const struct allocator *allocator) {
    for (size_t i = 0; i < table->count; i++) {
        enum larder_status status = set_default(table, &table->rows[i], fields, allocator);
        if (status != LARDER_OK) {
            finish_rows(table, i, fields, allocator);
            return status;
        }
    }
    return LARDER_OK;
}

void options_finish(const struct option_table *table, void *fields,
                    const struct allocator *allocator) {
    finish_rows(table, table->count, fields, allocator);
}

enum larder_status option_refuse(struct option_error *out_error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out_error->text, sizeof(out_error->text), format, args);
    va_end(args);
    return LARDER_INVALID;
}
