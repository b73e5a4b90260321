/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading: every length and distance is checked before a byte is touched. Writing: a table
 * remembers where three bytes of each hash were seen last; if they are there again, the match is
 * taken as far as it goes, else a literal is written. Where nothing matches for long, steps get
 * wider. */
#include "base/lzf.h"

enum {
    LITERALS_MAX = 32,
    MATCH_MIN = 3,
    MATCH_MAX = 264,
    DISTANCE_MAX = 8192,
    PLACES_MAX = 4096, /* of the table; short texts use less, which has to be cleared */
    PLACES_MIN = 64,
    PATIENCE_BITS = 5, /* literals in a row, as a power of two, after which steps grow */
};

static bool copy_literals(struct slice input, size_t *at, uint8_t *out, size_t *made, size_t size,
                          size_t count) {
    if (count > input.size - *at || count > size - *made)
        return false;
    memcpy(out + *made, input.data + *at, count);
    *at += count;
    *made += count;
    return true;
}

bool lzf_decompress(struct slice input, uint8_t *out, size_t size) {
    size_t at = 0, made = 0;
    while (at < input.size) {
        uint8_t control = input.data[at++];
        if (control < 32) {
            if (!copy_literals(input, &at, out, &made, size, (size_t)control + 1))
                return false;
            continue;
        }
        size_t length = control >> 5, distance = (size_t)(control & 31) << 8;
        if (length == 7) {
            if (at == input.size)
                return false;
            length += input.data[at++];
        }
        if (at == input.size)
            return false;
        distance += (size_t)input.data[at++] + 1;
        length += 2;
        if (distance > made || length > size - made)
            return false;
        for (size_t i = 0; i < length; i++, made++) /* they may overlap */
            out[made] = out[made - distance];
    }
    return made == size;
}

/* ---- writing ---- */

struct compression {
    struct slice input;
    uint8_t *out;
    size_t capacity, used;
    unsigned shift; /* of a hash, so that it is an index of the table */
    uint32_t places[PLACES_MAX];
};

static uint32_t hash_at(const struct compression *c, size_t at) {
    const uint8_t *p = c->input.data + at;
    uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    return three * 2654435761u >> c->shift;
}

static bool put_literals(struct compression *c, size_t begin, size_t end) {
    while (begin < end) {
        size_t count = end - begin < LITERALS_MAX ? end - begin : LITERALS_MAX;
        if (c->capacity - c->used < count + 1)
            return false;
        c->out[c->used++] = (uint8_t)(count - 1);
        memcpy(c->out + c->used, c->input.data + begin, count);
        c->used += count;
        begin += count;
    }
    return true;
}

static bool put_match(struct compression *c, size_t distance, size_t length) {
    size_t back = distance - 1, more = length - 2;
    if (c->capacity - c->used < (more < 7 ? 2 : 3))
        return false;
    c->out[c->used++] = (uint8_t)((more < 7 ? more : 7) << 5 | back >> 8);
    if (more >= 7)
        c->out[c->used++] = (uint8_t)(more - 7);
    c->out[c->used++] = (uint8_t)back;
    return true;
}

/* How many bytes at `at` are those at `from`, at least MATCH_MIN; 0: fewer. */
static size_t match_length(const struct compression *c, size_t from, size_t at) {
    const uint8_t *data = c->input.data;
    size_t max = c->input.size - at < MATCH_MAX ? c->input.size - at : MATCH_MAX, length = 0;
    while (length < max && data[from + length] == data[at + length])
        length++;
    return length < MATCH_MIN ? 0 : length;
}

static void begin_table(struct compression *c) {
    size_t places = PLACES_MIN;
    for (c->shift = 26; places < PLACES_MAX && places < c->input.size; places *= 2)
        c->shift--;
    memset(c->places, 0, places * sizeof(*c->places));
}

size_t lzf_compress(struct slice input, uint8_t *out, size_t capacity) {
    struct compression c; /* begin_table clears what is used of the table */
    c.input = input;
    c.out = out;
    c.capacity = capacity;
    c.used = 0;
    size_t at = 0, literals = 0; /* those from `literals` on are not written yet */
    if (input.size > UINT32_MAX)
        return 0;
    begin_table(&c);
    while (at + MATCH_MIN <= input.size) {
        uint32_t *place = &c.places[hash_at(&c, at)];
        size_t seen = *place; /* one behind it; 0: never */
        size_t length = 0;
        *place = (uint32_t)at + 1;
        if (seen > 0 && at - (seen - 1) <= DISTANCE_MAX)
            length = match_length(&c, seen - 1, at);
        if (length == 0) {
            at += 1 + ((at - literals) >> PATIENCE_BITS);
            continue;
        }
        if (!put_literals(&c, literals, at) || !put_match(&c, at - (seen - 1), length))
            return 0;
        at += length;
        literals = at;
    }
    return put_literals(&c, literals, input.size) ? c.used : 0;
}
