/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands as they go over the wire: *<words>CRLF and per word $<bytes>CRLF<word>CRLF. A command is
 * built in two steps, so that it is written once to where it goes: collect the words, then write.
 */
#ifndef LARDER_CLIENT_COMMAND_TEXT_H
#define LARDER_CLIENT_COMMAND_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { COMMAND_TEXT_INLINE = 512, COMMAND_WORDS_INLINE = 32 };

/* Words read from a format; their bytes one after another. In the caller's memory. */
struct command_words {
    char *text;
    size_t used, capacity; /* bytes */
    size_t *sizes;         /* per word */
    size_t count, sizes_capacity;
    char text_inline[COMMAND_TEXT_INLINE];
    size_t sizes_inline[COMMAND_WORDS_INLINE];
};

enum command_status { COMMAND_OK = 0, COMMAND_NO_MEMORY = -1, COMMAND_BAD_FORMAT = -2 };

/* Read format and values. Finish is needed whatever the result. */
enum command_status command_words_format(struct command_words *words, const char *format,
                                         va_list values);
void command_words_finish(struct command_words *words);

/* Bytes on the wire; 0 when that does not fit in a size_t. */
size_t command_words_size(const struct command_words *words);
/* Write that many bytes. */
void command_words_write(const struct command_words *words, char *out);

/* The same for an array of words; `sizes` NULL: C strings. */
size_t command_array_size(int count, const char **words, const size_t *sizes);
void command_array_write(int count, const char **words, const size_t *sizes, char *out);

/* Looking through a command on the wire, whoever made it. */
struct command_cursor {
    const char *at, *end; /* behind the words read so far; the end of the command */
    size_t count;         /* words announced */
};

/* False: it does not begin like a command. */
bool command_cursor_open(struct command_cursor *cursor, const char *command, size_t size);
/* The next word, borrowed from the command; false at the end and when it is malformed. */
bool command_cursor_next(struct command_cursor *cursor, const char **word, size_t *size);
/* The decimal number that these bytes begin with; false: there is none, or it is too large. */
bool command_read_number(const char *text, const char *end, size_t *out_value);

#endif
