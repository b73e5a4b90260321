/* SPDX-License-Identifier: BSD-3-Clause */
/* The grammar of RESP2 and RESP3 (the protocol specification at redis.io and valkey.io). An item is
 * consumed only when all of its bytes are there, aggregates header by header; the levels in
 * base.task say where the next item belongs. An attribute inside a reply describes what follows it
 * and is not an element: it is checked and skipped. */
#include "client/reader.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Positions in aggregates are ints, hence at most INT_MAX / 2 pairs or elements. */
enum { NUMBER_BYTES_MAX = 20, DOUBLE_BYTES_MAX = 326, LENGTH_ELEMENTS_FACTOR = 2 };

static enum reader_step protocol_error(struct reader *reader, const char *text) {
    (void)reader_fail(reader, VALKEY_ERR_PROTOCOL, text);
    return READER_FAILED;
}

static enum reader_step no_memory(struct reader *reader) {
    (void)reader_fail_memory(reader);
    return READER_FAILED;
}

static valkeyReadTask *current(struct reader *reader) {
    return reader->base.task[reader->base.ridx];
}

/* The current item is complete: go on to the place of the next one. */
static enum reader_step advance(struct reader *reader) {
    valkeyReader *base = &reader->base;
    for (;;) {
        if (base->ridx == 0) {
            base->ridx = -1;
            return READER_ADVANCED;
        }
        valkeyReadTask *task = base->task[base->ridx];
        if (level_of(task)->is_attribute) {
            level_of(task)->is_attribute = false;
            if (base->ridx == reader->skip_level)
                reader->skip_level = 0;
            task->type = -1;
            task->elements = -1;
            return READER_ADVANCED;
        }
        if (task->idx + 1 < base->task[base->ridx - 1]->elements) {
            task->type = -1;
            task->elements = -1;
            task->idx++;
            return READER_ADVANCED;
        }
        base->ridx--;
    }
}

static enum reader_step after_build(struct reader *reader, bool is_built) {
    return is_built ? advance(reader) : no_memory(reader);
}

/* Room for one more level. */
static bool add_level(struct reader *reader) {
    valkeyReader *base = &reader->base;
    if (base->ridx + 1 < base->tasks)
        return true;
    size_t count = (size_t)base->tasks + 1;
    struct reader_level *level = vk_calloc(1, sizeof *level);
    valkeyReadTask **grown = NULL;
    if (level != NULL)
        grown = base->task == reader->levels_inline
                    ? vk_malloc(count * sizeof(*grown))
                    : vk_realloc(base->task, count * sizeof(*grown));
    if (grown == NULL) {
        vk_free(level);
        return false;
    }
    if (base->task == reader->levels_inline)
        memcpy(grown, reader->levels_inline, sizeof reader->levels_inline);
    grown[count - 1] = &level->task;
    base->task = grown;
    base->tasks = (int)count;
    return true;
}

/* The line behind the type byte, without its CR LF. */
static bool find_line(struct reader *reader, const char **line, size_t *size) {
    valkeyReader *base = &reader->base;
    const char *begin = base->buf + base->pos + 1, *end = base->buf + base->len;
    const char *at = begin + reader->scanned;
    while (at < end) {
        at = memchr(at, '\r', (size_t)(end - at));
        if (at == NULL) {
            at = end;
            break;
        }
        if (at + 1 == end)
            break;
        if (at[1] == '\n') {
            *line = begin;
            *size = (size_t)(at - begin);
            reader->scanned = 0;
            return true;
        }
        at++;
    }
    reader->scanned = (size_t)(at - begin);
    return false;
}

static void consume_line(struct reader *reader, size_t size) {
    reader->base.pos += 1 + size + 2;
}

enum number_result { NUMBER_COMPLETE, NUMBER_PARTIAL, NUMBER_BAD };

/* The decimal number on the line behind the type byte; *out_size is the line's length. */
static enum number_result read_number(const struct reader *reader, long long *out_value,
                                      size_t *out_size) {
    const valkeyReader *base = &reader->base;
    const char *begin = base->buf + base->pos + 1, *end = base->buf + base->len;
    const char *at = begin;
    bool is_negative = false;
    if (at < end && (*at == '-' || *at == '+'))
        is_negative = *at++ == '-';
    const char *digits = at;
    unsigned long long value = 0, limit = (unsigned long long)LLONG_MAX + is_negative;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (limit - digit) / 10 || at - digits >= NUMBER_BYTES_MAX)
            return NUMBER_BAD;
        value = value * 10 + digit;
    }
    if (at == end)
        return NUMBER_PARTIAL;
    if (at == digits || *at != '\r')
        return NUMBER_BAD;
    if (at + 1 == end)
        return NUMBER_PARTIAL;
    if (at[1] != '\n')
        return NUMBER_BAD;
    *out_value = is_negative ? (long long)(0 - value) : (long long)value;
    *out_size = (size_t)(at - begin);
    return NUMBER_COMPLETE;
}

static enum reader_step parse_integer(struct reader *reader) {
    long long value;
    size_t size;
    enum number_result result = read_number(reader, &value, &size);
    if (result == NUMBER_PARTIAL)
        return READER_NEEDS_MORE;
    if (result == NUMBER_BAD)
        return protocol_error(reader, "Bad integer value");
    consume_line(reader, size);
    return after_build(reader, reader_build_integer(reader, value));
}

static bool is_big_number(const char *text, size_t size) {
    size_t at = size > 0 && (text[0] == '-' || text[0] == '+');
    if (at == size)
        return false;
    for (; at < size; at++)
        if (text[at] < '0' || text[at] > '9')
            return false;
    return true;
}

static bool equals(const char *text, size_t size, const char *word) {
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

/* strtod in whatever locale the program has set. */
static bool read_decimal(const char *text, size_t size, double *out_value) {
    char copy[DOUBLE_BYTES_MAX + 32];
    const char *point = localeconv()->decimal_point;
    size_t point_size = strlen(point), used = 0;
    if (size == 0 || size > DOUBLE_BYTES_MAX || point_size > 16)
        return false;
    bool has_point = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && !has_point) {
            memcpy(copy + used, point, point_size);
            used += point_size;
            has_point = true;
        } else if (strchr("0123456789+-eE", text[i]) != NULL && text[i] != '\0') {
            copy[used++] = text[i];
        } else {
            return false;
        }
    }
    copy[used] = '\0';
    char *end;
    *out_value = strtod(copy, &end);
    return end == copy + used;
}

static bool read_double(const char *text, size_t size, double *out_value) {
    *out_value = (double)INFINITY;
    if (equals(text, size, "inf") || equals(text, size, "+inf"))
        return true;
    *out_value = -(double)INFINITY;
    if (equals(text, size, "-inf"))
        return true;
    *out_value = (double)NAN;
    if (equals(text, size, "nan") || equals(text, size, "-nan"))
        return true;
    return read_decimal(text, size, out_value);
}

static enum reader_step parse_line(struct reader *reader) {
    const char *line;
    size_t size;
    if (!find_line(reader, &line, &size))
        return READER_NEEDS_MORE;
    consume_line(reader, size);
    double value;
    switch (current(reader)->type) {
    case VALKEY_REPLY_NIL:
        if (size != 0)
            return protocol_error(reader, "Bad nil value");
        return after_build(reader, reader_build_nil(reader));
    case VALKEY_REPLY_BOOL:
        if (size != 1 || (line[0] != 't' && line[0] != 'f'))
            return protocol_error(reader, "Bad bool value");
        return after_build(reader, reader_build_boolean(reader, line[0] == 't'));
    case VALKEY_REPLY_DOUBLE:
        if (!read_double(line, size, &value))
            return protocol_error(reader, "Bad double value");
        return after_build(reader, reader_build_double(reader, value, line, size));
    case VALKEY_REPLY_BIGNUM:
        if (!is_big_number(line, size))
            return protocol_error(reader, "Bad bignum value");
        break;
    default: break;
    }
    return after_build(reader, reader_build_text(reader, line, size));
}

static enum reader_step parse_bulk(struct reader *reader) {
    valkeyReader *base = &reader->base;
    long long announced;
    size_t header;
    enum number_result result = read_number(reader, &announced, &header);
    if (result == NUMBER_PARTIAL)
        return READER_NEEDS_MORE;
    if (result == NUMBER_BAD)
        return protocol_error(reader, "Bad bulk string length");
    if (announced < -1 || announced > (long long)(SIZE_MAX / 4))
        return protocol_error(reader, "Bulk string length out of range");
    if (announced == -1) {
        consume_line(reader, header);
        return after_build(reader, reader_build_nil(reader));
    }
    size_t size = (size_t)announced, begin = base->pos + 1 + header + 2;
    if (base->len - begin < size + 2)
        return READER_NEEDS_MORE;
    const char *text = base->buf + begin;
    if (text[size] != '\r' || text[size + 1] != '\n')
        return protocol_error(reader, "Bulk string without line end");
    if (current(reader)->type == VALKEY_REPLY_VERB && (size < 4 || text[3] != ':'))
        return protocol_error(reader, "Verbatim string without a format");
    base->pos = begin + size + 2;
    return after_build(reader, reader_build_text(reader, text, size));
}

/* Enter the aggregate of the current level, which has `elements` > 0. */
static enum reader_step descend(struct reader *reader, long long elements) {
    valkeyReader *base = &reader->base;
    if (base->ridx + 1 >= VALKEY_READER_MAX_DEPTH)
        return protocol_error(reader, "Replies are nested too deeply");
    if (!add_level(reader))
        return no_memory(reader);
    valkeyReadTask *task = current(reader);
    task->elements = elements;
    base->ridx++;
    level_of(base->task[base->ridx])->is_attribute = false;
    *base->task[base->ridx] = (valkeyReadTask){
        .type = -1, .elements = -1, .idx = 0, .parent = task, .privdata = base->privdata};
    return READER_ADVANCED;
}

static enum reader_step parse_aggregate(struct reader *reader) {
    valkeyReader *base = &reader->base;
    valkeyReadTask *task = current(reader);
    long long elements;
    size_t header;
    enum number_result result = read_number(reader, &elements, &header);
    if (result == NUMBER_PARTIAL)
        return READER_NEEDS_MORE;
    if (result == NUMBER_BAD)
        return protocol_error(reader, "Bad multi-bulk length");
    bool has_pairs = task->type == VALKEY_REPLY_MAP || task->type == VALKEY_REPLY_ATTR;
    long long limit = base->maxelements > 0 ? base->maxelements : LLONG_MAX;
    if (elements < -1 || elements > limit || elements > INT_MAX / LENGTH_ELEMENTS_FACTOR)
        return protocol_error(reader, "Multi-bulk length out of range");
    consume_line(reader, header);
    if (elements == -1)
        return after_build(reader, reader_build_nil(reader));
    if (has_pairs)
        elements *= LENGTH_ELEMENTS_FACTOR;
    if (task->type == VALKEY_REPLY_ATTR && base->ridx > 0) {
        level_of(task)->is_attribute = true;
        if (reader->skip_level == 0)
            reader->skip_level = base->ridx;
    }
    task->elements = elements;
    if (!reader_build_aggregate(reader, (size_t)elements))
        return no_memory(reader);
    return elements == 0 ? advance(reader) : descend(reader, elements);
}

static int type_of(char byte) {
    switch (byte) {
    case '-': return VALKEY_REPLY_ERROR;
    case '+': return VALKEY_REPLY_STATUS;
    case ':': return VALKEY_REPLY_INTEGER;
    case ',': return VALKEY_REPLY_DOUBLE;
    case '_': return VALKEY_REPLY_NIL;
    case '$': return VALKEY_REPLY_STRING;
    case '*': return VALKEY_REPLY_ARRAY;
    case '%': return VALKEY_REPLY_MAP;
    case '~': return VALKEY_REPLY_SET;
    case '|': return VALKEY_REPLY_ATTR;
    case '>': return VALKEY_REPLY_PUSH;
    case '=': return VALKEY_REPLY_VERB;
    case '#': return VALKEY_REPLY_BOOL;
    case '(': return VALKEY_REPLY_BIGNUM;
    default: return -1;
    }
}

static enum reader_step unknown_type(struct reader *reader, char byte) {
    char text[64];
    if (byte >= ' ' && byte <= '~')
        (void)snprintf(text, sizeof text, "Protocol error, got \"%c\" as reply type byte", byte);
    else
        (void)snprintf(text, sizeof text, "Protocol error, got \"\\x%02x\" as reply type byte",
                       (unsigned char)byte);
    return protocol_error(reader, text);
}

/* Take the quick way as far as it goes. False: the current item is for the general one. */
static bool parse_run(struct reader *reader, enum reader_step *out_step) {
    valkeyReadTask *task = current(reader);
    if (!reader->uses_arena || task->parent == NULL || task->type >= 0 || reader->skip_level > 0)
        return false;
    enum run_result result = reader_run(reader);
    *out_step = result == RUN_COMPLETE    ? advance(reader)
                : result == RUN_NO_MEMORY ? no_memory(reader)
                                          : READER_ADVANCED;
    return result != RUN_NONE;
}

enum reader_step reader_parse_item(struct reader *reader) {
    valkeyReader *base = &reader->base;
    enum reader_step step;
    if (base->pos == base->len)
        return READER_NEEDS_MORE;
    valkeyReadTask *task = current(reader);
    if (base->buf[base->pos] == '$' && parse_run(reader, &step))
        return step;
    if (task->type < 0)
        task->type = type_of(base->buf[base->pos]);
    switch (task->type) {
    case VALKEY_REPLY_STRING:
    case VALKEY_REPLY_VERB: return parse_bulk(reader);
    case VALKEY_REPLY_INTEGER: return parse_integer(reader);
    case VALKEY_REPLY_ARRAY:
    case VALKEY_REPLY_MAP:
    case VALKEY_REPLY_SET:
    case VALKEY_REPLY_ATTR:
    case VALKEY_REPLY_PUSH: return parse_aggregate(reader);
    case -1: return unknown_type(reader, base->buf[base->pos]);
    default: return parse_line(reader);
    }
}
