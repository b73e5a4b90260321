/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of workloads, the compiler from pattern to template, and the judge of replies. Adding a
 * command is adding a row to ROWS. */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 2100, MAX_REPEAT = 1000 };

struct row {
    const char *name;
    const char *resp;
    const char *memcached; /* NULL: not in that protocol */
    enum expectation expectation;
    const char *populate_resp;
    const char *populate_memcached;
};

#define SET_RESP      "SET {key} {value}"
#define SET_MEMCACHED "ms {key} {size} | {value}"

#define EVAL_THREE_CALLS                                                                           \
    "EVAL return{redis.call('INCR',KEYS[1]),redis.call('GET',KEYS[1]),redis.call('EXPIRE',KEYS["   \
    "1],9999)} 1 {key}"

static const struct row ROWS[] = {
    {"ping", "PING", "mn", EXPECT_STATUS, SET_RESP, SET_MEMCACHED},
    {"get", "GET {key}", "mg {key} v", EXPECT_VALUE, SET_RESP, SET_MEMCACHED},
    {"set", SET_RESP, SET_MEMCACHED, EXPECT_STATUS, SET_RESP, SET_MEMCACHED},
    {"set-ex", "SET {key} {value} EX 864000", "ms {key} {size} T864000 | {value}", EXPECT_STATUS,
     "SET {key} {value} EX 864000", "ms {key} {size} T864000 | {value}"},
    {"set-px", "SET {key} {value} PX 864000123", NULL, EXPECT_STATUS,
     "SET {key} {value} PX 864000123", NULL},
    {"del", "DEL {key}", "md {key}", EXPECT_DELETED, SET_RESP, SET_MEMCACHED},
    {"incr", "INCR {key}", "ma {key} v", EXPECT_ANY, "SET {key} 100", "ms {key} 3 | 100"},
    {"mget", "MGET {keys}", "get {keys}", EXPECT_VALUES, SET_RESP, SET_MEMCACHED},
    {"mset", "MSET {pairs}", NULL, EXPECT_STATUS, SET_RESP, NULL},
    {"exists", "EXISTS {key}", NULL, EXPECT_POSITIVE, SET_RESP, NULL},
    {"strlen", "STRLEN {key}", NULL, EXPECT_POSITIVE, SET_RESP, NULL},
    {"expire", "EXPIRE {key} 864000", "mg {key} T864000", EXPECT_ANY, SET_RESP, SET_MEMCACHED},
    {"hset", "HSET {key} field {value}", NULL, EXPECT_INTEGER, "HSET {key} field {value}", NULL},
    {"hget", "HGET {key} field", NULL, EXPECT_VALUE, "HSET {key} field {value}", NULL},
    {"lpush", "LPUSH {key} {value}", NULL, EXPECT_POSITIVE, "RPUSH {key} {value}", NULL},
    {"sadd", "SADD {key} {value}", NULL, EXPECT_INTEGER, "SADD {key} {value}", NULL},
    {"zadd", "ZADD {key} 1 {value}", NULL, EXPECT_INTEGER, "ZADD {key} 1 {value}", NULL},
    /* one large container, the key is what is in it */
    {"list-push", "LPUSH list {value}", NULL, EXPECT_POSITIVE, "LPUSH list {value}", NULL},
    {"list-pop", "LPOP list", NULL, EXPECT_ANY, "LPUSH list {value}", NULL},
    {"hash-set", "HSET hash {key} {value}", NULL, EXPECT_INTEGER, "HSET hash {key} {value}", NULL},
    {"hash-get", "HGET hash {key}", NULL, EXPECT_VALUE, "HSET hash {key} {value}", NULL},
    {"set-add", "SADD set {key}", NULL, EXPECT_INTEGER, "SADD set {key}", NULL},
    {"set-pop", "SPOP set", NULL, EXPECT_ANY, "SADD set {key}", NULL},
    {"sorted-add", "ZADD sorted 1 {key}", NULL, EXPECT_INTEGER, "ZINCRBY sorted 7 {key}", NULL},
    {"sorted-increment", "ZINCRBY sorted 3 {key}", NULL, EXPECT_ANY, "ZINCRBY sorted 7 {key}",
     NULL},
    {"sorted-range", "ZRANGE sorted 1000 1009", NULL, EXPECT_ANY, "ZINCRBY sorted 7 {key}", NULL},
    {"stream-add", "XADD stream * {key} {value}", NULL, EXPECT_ANY, "XADD stream * {key} {value}",
     NULL},
    {"eval", EVAL_THREE_CALLS, NULL, EXPECT_ANY, "SET {key} 100", NULL},
    {"publish", "PUBLISH channel {value}", NULL, EXPECT_INTEGER, "SET {key} 100", NULL},
};

static const struct row *row_find(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
        if (strlen(ROWS[i].name) == length && memcmp(ROWS[i].name, name, length) == 0)
            return &ROWS[i];
    return NULL;
}

const char *workload_names(void) {
    return "ping get set set-ex set-px del incr mget:N mset:N exists strlen expire hset hget lpush "
           "sadd zadd list-push list-pop hash-set hash-get set-add set-pop sorted-add "
           "sorted-increment sorted-range stream-add eval publish mixed:GET-PERCENT";
}

/* ---- pattern to words ---- */

struct words {
    struct word {
        const char *text;
        size_t length;
    } list[MAX_WORDS];
    size_t count;
};

static bool word_is(const struct word *word, const char *text) {
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

static void words_add(struct words *words, const char *text, size_t length) {
    if (words->count < MAX_WORDS)
        words->list[words->count++] = (struct word){text, length};
}

static void pattern_split(const char *pattern, unsigned repeat, struct words *words) {
    while (*pattern != '\0') {
        struct word word = {pattern, strcspn(pattern, " ")};
        bool is_pairs = word_is(&word, "{pairs}");
        if (is_pairs || word_is(&word, "{keys}"))
            for (unsigned i = 0; i < repeat; i++) {
                words_add(words, "{key}", 5);
                if (is_pairs)
                    words_add(words, "{value}", 7);
            }
        else
            words_add(words, word.text, word.length);
        pattern += word.length;
        pattern += *pattern == ' ';
    }
}

/* ---- words to template ---- */

struct builder {
    struct request_template *template;
    const struct keyspace *keyspace;
    bool is_full; /* memory ran out */
};

static char *builder_extend(struct builder *b, size_t length) {
    struct request_template *t = b->template;
    char *bytes = realloc(t->bytes, t->length + length + 1);
    if (bytes == NULL) {
        b->is_full = true;
        return NULL;
    }
    t->bytes = bytes;
    t->length += length;
    return bytes + t->length - length;
}

static void builder_text(struct builder *b, const char *text, size_t length) {
    char *to = builder_extend(b, length);
    if (to != NULL)
        memcpy(to, text, length);
}

static void builder_number(struct builder *b, const char *before, size_t number,
                           const char *after) {
    char text[64];
    int length = snprintf(text, sizeof(text), "%s%zu%s", before, number, after);
    builder_text(b, text, (size_t)length);
}

static void builder_slot(struct builder *b, bool is_value) {
    struct request_template *t = b->template;
    struct request_slot *slots = realloc(t->slots, (t->slot_count + 1) * sizeof(*slots));
    if (slots == NULL) {
        b->is_full = true;
        return;
    }
    t->slots = slots;
    slots[t->slot_count++] = (struct request_slot){(uint32_t)t->length, is_value};
    t->key_count += !is_value;
    char *to = builder_extend(b, is_value ? b->keyspace->value_size : b->keyspace->key_size);
    if (to != NULL && is_value)
        value_write(b->keyspace, 0, to);
    else if (to != NULL)
        key_write(b->keyspace, 0, to);
}

static void builder_word(struct builder *b, const struct word *word) {
    if (word_is(word, "{key}"))
        builder_slot(b, false);
    else if (word_is(word, "{value}"))
        builder_slot(b, true);
    else if (word_is(word, "{size}"))
        builder_number(b, "", b->keyspace->value_size, "");
    else
        builder_text(b, word->text, word->length);
}

static size_t word_size(const struct keyspace *keyspace, const struct word *word) {
    if (word_is(word, "{key}"))
        return keyspace->key_size;
    return word_is(word, "{value}") ? keyspace->value_size : word->length;
}

static void build_resp(struct builder *b, const struct words *words) {
    builder_number(b, "*", words->count, "\r\n");
    for (size_t i = 0; i < words->count; i++) {
        builder_number(b, "$", word_size(b->keyspace, &words->list[i]), "\r\n");
        builder_word(b, &words->list[i]);
        builder_text(b, "\r\n", 2);
    }
}

static void build_memcached(struct builder *b, const struct words *words) {
    bool is_line_start = true;
    for (size_t i = 0; i < words->count; i++) {
        if (word_is(&words->list[i], "|")) {
            builder_text(b, "\r\n", 2);
            is_line_start = true;
            continue;
        }
        if (!is_line_start)
            builder_text(b, " ", 1);
        builder_word(b, &words->list[i]);
        is_line_start = false;
    }
    builder_text(b, "\r\n", 2);
}

static bool template_init(struct request_template *t, const char *pattern, unsigned repeat,
                          enum protocol protocol, const struct keyspace *keyspace,
                          enum expectation expectation) {
    *t = (struct request_template){.expectation = expectation};
    struct words *words = calloc(1, sizeof(*words));
    if (words == NULL)
        return false;
    pattern_split(pattern, repeat, words);
    struct builder builder = {.template = t, .keyspace = keyspace};
    if (protocol == PROTOCOL_RESP)
        build_resp(&builder, words);
    else
        build_memcached(&builder, words);
    free(words);
    return !builder.is_full;
}

static void template_finish(struct request_template *t) {
    free(t->bytes);
    free(t->slots);
    *t = (struct request_template){0};
}

static const char *row_init(struct request_template *t, struct request_template *populate,
                            const struct row *row, unsigned repeat, enum protocol protocol,
                            const struct keyspace *keyspace, bool verify) {
    bool is_resp = protocol == PROTOCOL_RESP;
    const char *pattern = is_resp ? row->resp : row->memcached;
    const char *fill = is_resp ? row->populate_resp : row->populate_memcached;
    if (pattern == NULL)
        return "this workload has no memcached form";
    enum expectation expectation = verify ? row->expectation : EXPECT_ANY;
    if (!template_init(t, pattern, repeat, protocol, keyspace, expectation))
        return "out of memory";
    if (populate != NULL && !template_init(populate, fill, 1, protocol, keyspace, EXPECT_ANY))
        return "out of memory";
    return NULL;
}

bool workload_init(struct workload *w, const char *name, enum protocol protocol,
                   const struct keyspace *keyspace, bool verify, const char **problem) {
    *w = (struct workload){.first_percent = 100};
    size_t length = strcspn(name, ":");
    unsigned number = name[length] == ':' ? (unsigned)atoi(name + length + 1) : 1;
    bool is_mixed = length == 5 && memcmp(name, "mixed", 5) == 0;
    const struct row *row = is_mixed ? row_find("get", 3) : row_find(name, length);
    if (row == NULL || number < 1 || number > MAX_REPEAT || (is_mixed && number > 99)) {
        *problem = "unknown workload";
        return false;
    }
    *problem = row_init(&w->first, &w->populate, row, number, protocol, keyspace, verify);
    if (*problem == NULL && is_mixed) {
        w->first_percent = number;
        *problem = row_init(&w->second, NULL, row_find("set", 3), 1, protocol, keyspace, verify);
    }
    if (*problem != NULL)
        workload_finish(w);
    return *problem == NULL;
}

void workload_finish(struct workload *w) {
    template_finish(&w->first);
    template_finish(&w->second);
    template_finish(&w->populate);
}

/* ---- requests and replies ---- */

uint64_t request_key(const struct keyspace *keyspace, uint64_t number, size_t n) {
    if (n == 0)
        return number;
    return random_scale(random_mix(number + n * UINT64_C(0x9e3779b97f4a7c15)), keyspace->count);
}

void request_write(const struct request_template *t, const struct keyspace *keyspace,
                   uint64_t number, char *out) {
    memcpy(out, t->bytes, t->length);
    uint64_t key = number;
    size_t keys_written = 0;
    for (size_t i = 0; i < t->slot_count; i++) {
        char *to = out + t->slots[i].offset;
        if (t->slots[i].is_value) {
            value_write(keyspace, key, to);
        } else {
            key = request_key(keyspace, number, keys_written++);
            key_rewrite(keyspace, key, to);
        }
    }
}

static enum outcome check_value(const struct keyspace *keyspace, uint64_t key,
                                const struct reply *reply) {
    if (reply->type == REPLY_NULL)
        return OUTCOME_MISS;
    bool is_right =
        reply->type == REPLY_BULK && value_equals(keyspace, key, reply->data, reply->length);
    return is_right ? OUTCOME_CORRECT : OUTCOME_WRONG;
}

static enum outcome check_values(const struct request_template *t, const struct keyspace *keyspace,
                                 enum protocol protocol, uint64_t number,
                                 const struct reply *reply) {
    /* memcached leaves misses out and the reader doesn't keep element names: count them only. */
    if (reply->type != REPLY_ARRAY || (size_t)reply->integer != t->key_count)
        return protocol == PROTOCOL_MEMCACHED ? OUTCOME_MISS : OUTCOME_WRONG;
    if (protocol == PROTOCOL_MEMCACHED)
        return OUTCOME_CORRECT;
    enum outcome worst = OUTCOME_CORRECT;
    size_t at = 0;
    for (size_t i = 0; i < t->key_count; i++) {
        struct reply element;
        ptrdiff_t size = reply_read(protocol, reply->data + at, reply->length - at, &element);
        if (size <= 0)
            return OUTCOME_WRONG;
        enum outcome outcome = check_value(keyspace, request_key(keyspace, number, i), &element);
        worst = outcome > worst ? outcome : worst;
        at += (size_t)size;
    }
    return worst;
}

static enum outcome outcome_if(bool is_right) {
    return is_right ? OUTCOME_CORRECT : OUTCOME_WRONG;
}

enum outcome request_check(const struct request_template *t, const struct keyspace *keyspace,
                           enum protocol protocol, uint64_t number, const struct reply *reply) {
    if (reply->type == REPLY_ERROR)
        return OUTCOME_ERROR;
    switch (t->expectation) {
    case EXPECT_ANY: return OUTCOME_CORRECT;
    case EXPECT_STATUS: return outcome_if(reply->type == REPLY_STATUS);
    case EXPECT_INTEGER: return outcome_if(reply->type == REPLY_INTEGER);
    case EXPECT_DELETED:
        return outcome_if(protocol == PROTOCOL_MEMCACHED || reply->type == REPLY_INTEGER);
    case EXPECT_POSITIVE:
        if (reply->type == REPLY_NULL || (reply->type == REPLY_INTEGER && reply->integer == 0))
            return OUTCOME_MISS;
        return outcome_if(reply->type == REPLY_INTEGER);
    case EXPECT_VALUE: return check_value(keyspace, number, reply);
    case EXPECT_VALUES: break;
    }
    return check_values(t, keyspace, protocol, number, reply);
}
