/* SPDX-License-Identifier: BSD-3-Clause */
/* SipHash-2-4-128 with a key of zeros over: database, expiry, key size (8 bytes each,
 * little-endian), key, value text. The key's size keeps key and value apart. */
#include "store/digest.h"

#include "store/partition_state.h"
#include "store/scan.h"

struct sip {
    uint64_t v[4];
    uint64_t tail; /* bytes not mixed in yet */
    uint64_t size; /* of all bytes so far */
};

static uint64_t rotate(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned rounds) {
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(struct sip *sip, uint64_t word) {
    sip->v[3] ^= word;
    sip_rounds(sip->v, 2);
    sip->v[0] ^= word;
}

static void sip_init(struct sip *sip, uint64_t k0, uint64_t k1) {
    *sip = (struct sip){.v = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee,
                              k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u}};
}

static void sip_add(struct sip *sip, struct slice bytes) {
    size_t at = 0;
    while (at < bytes.size && (sip->size % 8 != 0 || bytes.size - at < 8)) {
        sip->tail |= (uint64_t)bytes.data[at++] << 8 * (sip->size % 8);
        if (++sip->size % 8 == 0) {
            sip_word(sip, sip->tail);
            sip->tail = 0;
        }
    }
    for (; bytes.size - at >= 8; at += 8, sip->size += 8)
        sip_word(sip, hash_load8(bytes.data + at));
    if (at < bytes.size)
        sip_add(sip, slice_of(bytes.data + at, bytes.size - at));
}

static struct digest sip_finish(struct sip *sip) {
    struct digest digest;
    sip_word(sip, sip->tail | sip->size << 56);
    sip->v[2] ^= 0xee;
    sip_rounds(sip->v, 4);
    digest.low = sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
    sip->v[1] ^= 0xdd;
    sip_rounds(sip->v, 4);
    digest.high = sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
    return digest;
}

struct digest siphash128(const uint8_t key[16], struct slice bytes) {
    struct sip sip;
    sip_init(&sip, hash_load8(key), hash_load8(key + 8));
    sip_add(&sip, bytes);
    return sip_finish(&sip);
}

struct digest digest_add(struct digest a, struct digest b) {
    struct digest sum = {.low = a.low + b.low, .high = a.high + b.high};
    sum.high += sum.low < a.low;
    return sum;
}

void digest_format(struct digest digest, uint8_t *out) {
    for (size_t i = 0; i < DIGEST_TEXT_BYTES; i++)
        out[i] = '0';
    for (size_t i = 0; i < 16; i++) {
        out[DIGEST_TEXT_BYTES - 17 - i] = (uint8_t) "0123456789abcdef"[digest.high >> 4 * i & 15];
        out[DIGEST_TEXT_BYTES - 1 - i] = (uint8_t) "0123456789abcdef"[digest.low >> 4 * i & 15];
    }
}

/* ---- containers ---- */

struct element_sum {
    struct digest_key key;
    bool is_ordered;
    uint64_t position;
    struct digest sum;
};

static void add_element(void *context, const struct slice *parts, size_t count) {
    struct element_sum *to = context;
    struct sip sip;
    uint8_t size[8];
    sip_init(&sip, to->key.words[0] ^ (to->is_ordered ? ++to->position : 0),
             to->key.words[1] ^ count);
    for (size_t i = 0; i < count; i++) {
        bytes_put(size, parts[i].size, 8);
        sip_add(&sip, slice_of(size, sizeof(size)));
        sip_add(&sip, parts[i]);
    }
    to->sum = digest_add(to->sum, sip_finish(&sip));
}

/* The sum of its elements' hashes, which for ordered containers include the position. */
static void sip_add_object(struct sip *sip, const struct object *object, struct digest_key key) {
    struct element_sum elements = {.key = key, .is_ordered = object->type->is_ordered};
    object->type->visit(object, add_element, &elements);
    uint8_t bytes[17];
    bytes[0] = (uint8_t)object->type->kind;
    bytes_put(bytes + 1, elements.sum.low, 8);
    bytes_put(bytes + 9, elements.sum.high, 8);
    sip_add(sip, slice_of(bytes, sizeof(bytes)));
}

struct digest digest_entry(const struct entry *entry, uint32_t database) {
    return digest_entry_keyed(entry, database, (struct digest_key){{0, 0}});
}

struct digest digest_entry_keyed(const struct entry *entry, uint32_t database,
                                 struct digest_key key) {
    uint8_t text[INT64_TEXT_MAX], header[24];
    bytes_put(header, database, 8);
    bytes_put(header + 8, (uint64_t)entry->expiry_ms, 8);
    bytes_put(header + 16, entry->key.size, 8);
    struct sip sip;
    sip_init(&sip, key.words[0], key.words[1]);
    sip_add(&sip, slice_of(header, sizeof(header)));
    sip_add(&sip, entry->key);
    if (entry->value.kind == VALUE_OBJECT)
        sip_add_object(&sip, entry->value.object, key);
    else
        sip_add(&sip, value_text(&entry->value, text));
    return sip_finish(&sip);
}

struct digest_sum {
    const struct keyspace *keyspace;
    struct digest sum;
};

static void add_entry(void *context, const struct entry *entry) {
    struct digest_sum *to = context;
    for (uint32_t i = 0; i < to->keyspace->database_count; i++)
        if (keyspace_collection(to->keyspace, i) == entry->collection)
            to->sum = digest_add(to->sum, digest_entry(entry, i));
}

struct digest partition_digest(struct partition *p, const struct keyspace *keyspace) {
    struct digest_sum to = {.keyspace = keyspace};
    partition_visit(p, keyspace, add_entry, &to);
    return to.sum;
}
