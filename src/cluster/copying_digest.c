/* SPDX-License-Identifier: BSD-3-Clause */
/* Digests in the log: taken of the whole bucket each time, never added up, so that one mistake does
 * not hide in them for ever. */
#include "cluster/copying_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

static void digest_of(const struct copying *c, uint32_t bucket, struct store_digest *out) {
    if (bucket == COPYING_REST)
        c->options.rest.digest(c->options.rest.context, out);
    else
        c->options.store.type->digest_bucket(c->options.store.context, bucket, out);
}

bool copying_digest_of(const struct copying *c, uint32_t bucket,
                       uint8_t out[COPYING_STORE_DIGEST_BYTES]) {
    struct store_digest digest;
    struct byte_writer w = byte_writer_of(out);
    digest_of(c, bucket, &digest);
    write_unsigned(&w, digest.low, 8);
    write_unsigned(&w, digest.high, 8);
    return digest.low != 0 || digest.high != 0;
}

bool copying_take_digest(struct copying *c, int64_t now_us, struct copying_digest *out) {
    if (!c->may_serve || c->options.digest_every_us < 0 || now_us < c->digest_us)
        return false;
    uint32_t count = c->options.rest.digest == NULL ? PARTITION_BUCKETS : COPYING_UNITS;
    c->digest_us = now_us + c->options.digest_every_us / count;
    out->bucket = c->digest_bucket;
    c->digest_bucket = (c->digest_bucket + 1) % count;
    digest_of(c, out->bucket, &out->digest);
    return true;
}

void copying_digest_encode(const struct copying_digest *digest, uint8_t out[COPYING_DIGEST_BYTES]) {
    struct byte_writer w = byte_writer_of(out);
    write_unsigned(&w, digest->bucket, 2);
    write_unsigned(&w, digest->digest.low, 8);
    write_unsigned(&w, digest->digest.high, 8);
}

enum larder_status copying_digest_decode(struct slice bytes, struct copying_digest *out) {
    struct byte_reader r = byte_reader_of(bytes);
    out->bucket = (uint32_t)read_unsigned(&r, 2);
    out->digest.low = read_unsigned(&r, 8);
    out->digest.high = read_unsigned(&r, 8);
    bool is_sound = !r.is_failed && r.left == 0 && out->bucket < COPYING_UNITS;
    return is_sound ? LARDER_OK : LARDER_CORRUPT;
}

/* Whether the bucket here is as of all records before `sequence`. */
static bool is_comparable(const struct copying *c, uint64_t sequence, uint32_t bucket) {
    const struct copying_unit *u = &c->units[bucket];
    if (u->is_unsynced || u->as_of >= sequence ||
        (bucket == COPYING_REST && c->options.rest.digest == NULL))
        return false;
    for (const struct copying_key *key = c->keys.first; key != NULL; key = key->next)
        if (key->bucket == bucket && (key->is_unsynced || key->as_of >= sequence))
            return false;
    return true;
}

bool copying_compare(struct copying *c, uint64_t sequence, const struct copying_digest *digest) {
    struct store_digest own;
    c->applied = sequence;
    if (!is_comparable(c, sequence, digest->bucket))
        return true;
    digest_of(c, digest->bucket, &own);
    c->counters.digests++;
    if (store_digest_equal(own, digest->digest) || CLUSTER_MUTATED(MUTANT_DIGEST_IGNORED))
        return true;
    c->counters.divergence_total++;
    copying_unsync_unit(c, digest->bucket);
    return false;
}
