/* SPDX-License-Identifier: BSD-3-Clause */
/* Random commands of all types for the store of one partition. */
#ifndef LARDER_TESTS_STORE_WORKLOAD_H
#define LARDER_TESTS_STORE_WORKLOAD_H

#include "base/random.h"
#include "cluster/partition_store.h"
#include "unit/commands/workloads/workloads.h"

#include <stdio.h>
#include <string.h>

enum { WORKLOAD_LINE_MAX = 1 << 14, WORKLOAD_WORDS_MAX = 64 };

/* $k key, $v small value, $l large value, $i integer, $f float, $b bit offset, $o byte offset,
 * $t lifetime in ms, $d database, $$ a dollar sign */
static const char *const WORKLOAD_TEMPLATES[] = {ALL_EFFECT_WORKLOADS "SET $k $v",
                                                 "SET $k $v",
                                                 "SET $k $l",
                                                 "SET $k $i",
                                                 "SET $k $v PX $t",
                                                 "SET $k $v PX $t",
                                                 "SET $k $v XX KEEPTTL",
                                                 "GETDEL $k",
                                                 "GETEX $k PX $t",
                                                 "MSET $k $v $k $l $k $i",
                                                 "APPEND $k $v",
                                                 "SETRANGE $k $o $v",
                                                 "INCR $k",
                                                 "INCRBYFLOAT $k $f",
                                                 "SETBIT $k $b 1",
                                                 "BITOP OR $k $k $k",
                                                 "DEL $k $k",
                                                 "PEXPIRE $k $t",
                                                 "PERSIST $k",
                                                 "RENAME $k $k",
                                                 "COPY $k $k REPLACE",
                                                 "GET $k",
                                                 "MGET $k $k",
                                                 "TTL $k",
                                                 "EXISTS $k $k"};
enum { WORKLOAD_TEMPLATE_COUNT = sizeof(WORKLOAD_TEMPLATES) / sizeof(*WORKLOAD_TEMPLATES) };

struct workload_line {
    char text[WORKLOAD_LINE_MAX];
    struct slice words[WORKLOAD_WORDS_MAX];
    size_t count;
};

static inline size_t workload_expand(struct random *random, char kind, unsigned keys, char *out) {
    switch (kind) {
    case '$': return (size_t)sprintf(out, "$");
    case 'k': return (size_t)sprintf(out, "k%u", (unsigned)random_below(random, keys));
    case 'v': return (size_t)sprintf(out, "value%d", (int)random_below(random, 2000));
    case 'i': return (size_t)sprintf(out, "%d", (int)random_below(random, 400) - 200);
    case 'f':
        return (size_t)sprintf(out, "%d.%d", (int)random_below(random, 20) - 10,
                               (int)random_below(random, 100));
    case 'b': return (size_t)sprintf(out, "%d", (int)random_below(random, 3000));
    case 'o': return (size_t)sprintf(out, "%d", (int)random_below(random, 400));
    case 't': return (size_t)sprintf(out, "%d", 1 + (int)random_below(random, 2000));
    case 'd': return (size_t)sprintf(out, "0");
    default: break;
    }
    size_t size = 1500 + random_below(random, 1500);
    memset(out, 'a' + (int)random_below(random, 26), size);
    return size;
}

/* Split line->text, whose words may stand in double quotes. */
static inline void workload_split(struct workload_line *line) {
    const char *at = line->text;
    line->count = 0;
    while (*at != '\0') {
        if (*at == ' ') {
            at++;
            continue;
        }
        char stop = *at == '"' ? '"' : ' ';
        at += stop == '"';
        const char *end = strchr(at, stop);
        if (end == NULL)
            end = at + strlen(at);
        line->words[line->count++] = slice_of(at, (size_t)(end - at));
        at = *end == '"' ? end + 1 : end;
    }
}

static inline void workload_draw(struct random *random, unsigned keys, struct workload_line *line) {
    const char *at = WORKLOAD_TEMPLATES[random_below(random, WORKLOAD_TEMPLATE_COUNT)];
    char *out = line->text;
    while (*at != '\0') {
        if (*at != '$') {
            *out++ = *at++;
            continue;
        }
        out += workload_expand(random, at[1], keys, out);
        at += 2;
    }
    *out = '\0';
    workload_split(line);
}

/* The first bucket in which two stores differ; PARTITION_BUCKETS: none. */
static inline uint32_t workload_difference(struct partition_store *a, struct partition_store *b) {
    for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
        struct store_digest first, second;
        a->type->digest_bucket(a->context, bucket, &first);
        b->type->digest_bucket(b->context, bucket, &second);
        if (!store_digest_equal(first, second))
            return bucket;
    }
    return PARTITION_BUCKETS;
}

#endif
