/* SPDX-License-Identifier: BSD-3-Clause */
/* A number that two keyspaces share if and, but for chance, only if they hold the same entries: the
 * same database numbers, keys, values and expiry times, in whatever order they came, wherever they
 * lie, with whatever hash seeds and partition counts. The sum modulo 2^128 of a 128-bit hash of
 * each entry, so partitions can be added up in any order.
 *
 * A value counts by its text: 12 as an integer and "12" as bytes are the same. Entries of ids that
 * are no database's don't count; expired ones that are still there do. Not for adversaries: the
 * hash has no secret, unless it is given one (digest_entry_keyed). */
#ifndef LARDER_STORE_DIGEST_H
#define LARDER_STORE_DIGEST_H

#include "store/partition.h"

struct digest {
    uint64_t low, high; /* 0, 0: nothing */
};

enum { DIGEST_TEXT_BYTES = 40 };

static inline bool digest_equal(struct digest a, struct digest b) {
    return a.low == b.low && a.high == b.high;
}

/* Sum of two digests. */
struct digest digest_add(struct digest a, struct digest b);

/* 40 lower-case hexadecimal digits, the last 32 of them the digest. No NUL. */
void digest_format(struct digest digest, uint8_t *out);

/* Of one entry, as if it were in this database. Any thread on its own entry. */
struct digest digest_entry(const struct entry *entry, uint32_t database);

/* With a secret: who does not know it can't make entries that differ and have the same sum. */
struct digest_key {
    uint64_t words[2];
};
struct digest digest_entry_keyed(const struct entry *entry, uint32_t database,
                                 struct digest_key key);

struct digest partition_digest(struct partition *p, const struct keyspace *keyspace)
    REQUIRES(PARTITION_LOCK);

/* SipHash-2-4 with 128 bits of output (Aumasson, Bernstein 2012). */
struct digest siphash128(const uint8_t key[16], struct slice bytes);

#endif
