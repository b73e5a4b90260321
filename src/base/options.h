/* SPDX-License-Identifier: BSD-3-Clause */
/* Options: a table of named, typed values from which a configuration file, command-line arguments,
 * CONFIG GET/SET, help and documentation follow. A row says everything about one option; the value
 * lives in a struct of the caller at row->offset, with the C type that belongs to the row's kind:
 *
 *   OPTION_BOOL      bool                     yes, no
 *   OPTION_INTEGER   int64_t                  decimal within min..max
 *   OPTION_MEMORY    int64_t, bytes           number with b, k, kb, m, mb, g, gb (k is 1000, kb
 * 1024); with OPTION_PERCENT also N%, stored as -N OPTION_OCTAL     int64_t                  octal
 * within min..max (file modes) OPTION_CHOICE    int                      one name of row->names
 *   OPTION_CHOICES   int                      several names, their values joined by bitwise or
 *   OPTION_TEXT      struct option_text       any bytes
 *   OPTION_WORDS     struct option_words      words between spaces
 *   OPTION_INTEGERS  struct option_integers   numbers; the row's codec checks how many
 *   OPTION_DECIMALS  struct option_decimals   numbers with a fraction
 *   OPTION_LINES     struct option_words      one item per directive, its arguments quoted again
 *
 * A row with offset OPTION_NO_FIELD keeps its value in an array of union option_value at
 * table->spare_offset, one element per row: so options that are only stored and reported need no
 * field of their own.
 *
 * Pure: no I/O, no clock, no state beside the caller's struct. The caller serialises use of one
 * struct; tables are constant and shared by all threads. Every parse builds a complete new value
 * and only then is it swapped in, so a failed allocation or a bad value changes nothing. */
#ifndef LARDER_BASE_OPTIONS_H
#define LARDER_BASE_OPTIONS_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_BOOL,
    OPTION_INTEGER,
    OPTION_MEMORY,
    OPTION_OCTAL,
    OPTION_CHOICE,
    OPTION_CHOICES,
    OPTION_TEXT,
    OPTION_WORDS,
    OPTION_INTEGERS,
    OPTION_DECIMALS,
    OPTION_LINES
};

enum option_flag {
    OPTION_IMMUTABLE = 1 << 0, /* only at start */
    OPTION_SENSITIVE = 1 << 1, /* the value is a secret: never in logs */
    OPTION_NO_EFFECT = 1 << 2, /* accepted, stored and reported; nothing reads it */
    OPTION_PROTECTED = 1 << 3, /* changeable at run time only where protected options are enabled */
    OPTION_HIDDEN = 1 << 4,    /* reported only when asked for by its exact name */
    OPTION_FILE_ONLY = 1 << 5, /* a directive of the file, never seen by CONFIG */
    OPTION_PERCENT = 1 << 6,   /* OPTION_MEMORY that also takes N% */
    OPTION_MULTI = 1 << 7,     /* takes any number of arguments (list kinds imply it) */
    OPTION_MERGE = 1 << 8,     /* a new value starts from the current one */
    OPTION_ACCUMULATE = 1 << 9, /* repeated directives of one load add up */
    OPTION_VOLATILE = 1 << 10   /* setting the same value again still calls the apply callback */
};

/* Owned bytes with a NUL behind them. data is never NULL once set; "" (static) when size is 0. */
struct option_text {
    const char *data;
    size_t size; /* bytes, without the NUL */
};

struct option_words {
    struct option_text *items;
    size_t count;
};

struct option_integers {
    int64_t *items;
    size_t count;
};

struct option_decimals {
    double *items;
    size_t count;
};

union option_value {
    bool boolean;
    int choice;
    int64_t integer;
    struct option_text text;
    struct option_words words;
    struct option_integers integers;
    struct option_decimals decimals;
};

/* One name of a choice. A table ends with name NULL. Of several names with one value the first is
 * the one reported. */
struct option_name {
    const char *name;
    int value;
};

/* Why a value was refused: one line for people. */
struct option_error {
    char text[400];
};

/* Growing text. A failed allocation makes is_failed stay true; appends are then ignored. */
struct option_output {
    const struct allocator *allocator;
    char *data; /* NULL or NUL-terminated */
    size_t size;
    size_t capacity;
    bool is_failed;
};

/* What a parse works on. */
struct option_input {
    const struct allocator *allocator;
    const struct slice *args; /* borrowed for the call */
    size_t count;
    const union option_value *base; /* value to start from, or NULL to start from nothing */
};

struct option;

/* How a row of unusual syntax is read and written; either may be NULL for the kind's own way.
 * parse gets the arguments already split into words when the row takes several. */
struct option_codec {
    enum larder_status (*parse)(const struct option *option, const struct option_input *input,
                                union option_value *out_value, struct option_error *out_error);
    void (*format)(const struct option *option, const union option_value *value,
                   struct option_output *output);
};

struct option {
    const char *name;
    const char *alias;        /* second name, or NULL; reported besides the first */
    const char *section;      /* heading of generated files */
    const char *summary;      /* one sentence or more, without line breaks */
    const char *default_text; /* as it would be given to CONFIG SET; NULL is "" */
    const char *default_note; /* said in place of the default when it depends on the machine */
    enum option_kind kind;
    unsigned flags;
    size_t offset; /* of the field in the caller's struct, or OPTION_NO_FIELD */
    int64_t min;   /* of integer kinds */
    int64_t max;
    const struct option_name *names; /* of choice kinds */
    const struct option_codec *codec;
    /* A last look at a parsed value: NULL when it is fine, else why not (static text). */
    const char *(*check)(const union option_value *value);
};

#define OPTION_NO_FIELD SIZE_MAX

struct option_table {
    const struct option *rows;
    size_t count;
    size_t spare_offset; /* of union option_value[count] in the caller's struct */
};

/* The row with this name or alias, letters of any case; NULL if there is none. */
const struct option *options_find(const struct option_table *table, struct slice name);

/* Where the value of a row lives inside `fields`. Never NULL. */
void *options_field(const struct option_table *table, const struct option *option, void *fields);
const void *options_field_const(const struct option_table *table, const struct option *option,
                                const void *fields);

/* Give every field its default. `fields` need not be cleared before. On failure nothing is held.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID if a default of the table does not parse. */
LARDER_NODISCARD
enum larder_status options_init(const struct option_table *table, void *fields,
                                const struct allocator *allocator);

/* Release what the fields own. */
void options_finish(const struct option_table *table, void *fields,
                    const struct allocator *allocator);

/* Read a value. Returns owned in *out_value (release it with option_value_release).
 * Errors: LARDER_INVALID with the reason in out_error; LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status option_parse(const struct option *option, const struct option_input *input,
                                union option_value *out_value, struct option_error *out_error);

/* Append the value as CONFIG GET shows it. */
void option_format(const struct option *option, const union option_value *value,
                   struct option_output *output);

/* Append the value as arguments of a configuration file line: quoted where needed, memory in the
 * largest unit that divides it. Not for OPTION_LINES, whose items are such arguments. */
void option_format_line(const struct option *option, const union option_value *value,
                        struct option_output *output);

void option_value_release(const struct option *option, const struct allocator *allocator,
                          union option_value *value);

/* Copy between a field and a value: shallow, so what is owned moves with it. */
void option_value_load(const struct option *option, const void *field, union option_value *out);
void option_value_store(const struct option *option, void *field, const union option_value *value);

/* True when the option's own lines may carry more than one argument. */
bool option_is_multi(const struct option *option);

/* Append a copy of `text` to the list. Errors: LARDER_NO_MEMORY, the list is unchanged. */
LARDER_NODISCARD
enum larder_status option_words_append(const struct allocator *allocator,
                                       struct option_words *words, struct slice text);
LARDER_NODISCARD
enum larder_status option_words_copy(const struct allocator *allocator,
                                     const struct option_words *from, struct option_words *out);
void option_words_release(const struct allocator *allocator, struct option_words *words);

static inline struct slice option_text_slice(const struct option_text *text) {
    return slice_of(text->data, text->size);
}

/* Split a line into words: separated by blanks; "..." with the escapes \n \r \t \b \a \xHH and
 * backslash before any other byte; '...' with \' only. A closing quote must end its word.
 * Returns owned words. Errors: LARDER_INVALID for unbalanced quotes; LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status option_split_line(const struct allocator *allocator, struct slice line,
                                     struct option_words *out_words);

/* Append a word so that option_split_line reads the same bytes again: plain where that is enough,
 * else in double quotes. */
void option_quote(struct option_output *output, struct slice word);

void option_output_append(struct option_output *output, const void *bytes, size_t size);
void option_output_text(struct option_output *output, const char *text);
void option_output_integer(struct option_output *output, int64_t value);
void option_output_release(struct option_output *output);

/* Write the reason and return LARDER_INVALID. */
LARDER_NODISCARD
enum larder_status option_refuse(struct option_error *out_error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
