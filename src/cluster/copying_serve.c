/* SPDX-License-Identifier: BSD-3-Clause */
/* The answering side: an open primary reads what it is asked for and says as of when: the end of
 * its log, all of which its store has. It keeps nothing about who asks, but for the image of an
 * entry that goes in pieces. */
#include "cluster/copying_core.h"
#include "cluster/mutants.h"

enum { IMAGE_AGE_US = 10 * 1000 * 1000 };

static void free_image(struct copying *c, struct copying_image *image) {
    copying_bytes_free(c, &image->key);
    copying_bytes_free(c, &image->bytes);
    *image = (struct copying_image){.member = CLUSTER_NOBODY};
}

void copying_drop_images(struct copying *c) {
    for (unsigned i = 0; i < COPYING_IMAGES_MAX; i++)
        free_image(c, &c->images[i]);
}

void copying_age_images(struct copying *c, int64_t now_us) {
    for (unsigned i = 0; i < COPYING_IMAGES_MAX; i++)
        if (c->images[i].member != CLUSTER_NOBODY && now_us - c->images[i].used_us >= IMAGE_AGE_US)
            free_image(c, &c->images[i]);
}

/* The member's image, or the place for one: the one that was used the longest ago. */
static struct copying_image *image_of(struct copying *c, uint32_t member) {
    struct copying_image *best = &c->images[0];
    for (unsigned i = 0; i < COPYING_IMAGES_MAX; i++) {
        struct copying_image *image = &c->images[i];
        if (image->member == member)
            return image;
        if (best->member != CLUSTER_NOBODY &&
            (image->member == CLUSTER_NOBODY || image->used_us < best->used_us))
            best = image;
    }
    return best;
}

static struct copying_message *reply_to(struct copying *c, const struct copying_message *m,
                                        enum copying_message_type type,
                                        struct copying_output *out) {
    struct copying_message *answer = &out->messages[out->message_count++];
    *answer = (struct copying_message){.type = type,
                                       .partition = c->options.partition,
                                       .from = c->options.self,
                                       .from_incarnation = c->options.incarnation,
                                       .to = m->from,
                                       .to_incarnation = m->from_incarnation,
                                       .term = c->term,
                                       .number = m->number,
                                       .unit = m->unit,
                                       .as_of = c->last};
    return answer;
}

/* Whether the bucket is there as it is here. */
static bool is_same(const struct copying *c, const struct copying_message *m) {
    uint8_t own[COPYING_STORE_DIGEST_BYTES];
    return m->unit != COPYING_REST && m->bytes.size == sizeof(own) &&
           copying_digest_of(c, m->unit, own) &&
           (memcmp(own, m->bytes.data, sizeof(own)) == 0 ||
            CLUSTER_MUTATED(MUTANT_SAME_ANY_DIGEST));
}

static enum larder_status answer_unit(struct copying *c, const struct copying_message *m,
                                      struct copying_output *out) {
    const struct partition_store *store = &c->options.store;
    struct store_items items = {{NULL, 0}, {NULL, 0}};
    enum larder_status status;
    if (m->unit >= COPYING_UNITS)
        return LARDER_CORRUPT;
    if (is_same(c, m)) {
        reply_to(c, m, COPYING_SAME, out);
        return LARDER_OK;
    }
    if (m->unit == COPYING_REST)
        status = c->options.rest.read(c->options.rest.context, &items.effect);
    else
        status =
            store->type->read_bucket(store->context, m->unit, c->options.message_bytes, &items);
    if (status != LARDER_OK)
        return status;
    struct copying_message *answer = reply_to(c, m, COPYING_UNIT, out);
    answer->bytes = items.effect;
    answer->keys = items.left_out;
    return LARDER_OK;
}

/* ---- pieces ---- */

static void send_piece(struct copying *c, const struct copying_message *m,
                       const struct copying_image *image, size_t offset,
                       struct copying_output *out) {
    struct copying_message *answer = reply_to(c, m, COPYING_PIECE, out);
    size_t left = image->bytes.size - offset;
    size_t size = left < c->options.message_bytes ? left : c->options.message_bytes;
    answer->as_of = image->as_of;
    answer->keys = copying_bytes_slice(&image->key);
    answer->offset = offset;
    answer->total = image->bytes.size;
    answer->bytes = size == 0 ? slice_of(NULL, 0) : slice_of(image->bytes.data + offset, size);
}

static enum larder_status make_image(struct copying *c, int64_t now_us,
                                     const struct copying_message *m, struct slice key,
                                     struct slice effect, struct copying_image **out) {
    struct copying_image *image = image_of(c, m->from);
    free_image(c, image);
    if (!copying_bytes_set_key(c, &image->key, key) ||
        !copying_bytes_append(c, &image->bytes, effect)) {
        free_image(c, image);
        return LARDER_NO_MEMORY;
    }
    image->member = m->from;
    image->incarnation = m->from_incarnation;
    image->as_of = c->last;
    image->used_us = now_us;
    *out = image;
    return LARDER_OK;
}

static bool is_image_of(const struct copying_image *image, const struct copying_message *m) {
    return image->member == m->from && image->incarnation == m->from_incarnation &&
           image->as_of == m->as_of && image->key.size == m->keys.size &&
           memcmp(image->key.data, m->keys.data, m->keys.size) == 0 &&
           m->offset <= image->bytes.size;
}

static enum larder_status answer_piece(struct copying *c, int64_t now_us,
                                       const struct copying_message *m,
                                       struct copying_output *out) {
    const struct partition_store *store = &c->options.store;
    struct copying_image *image = image_of(c, m->from);
    struct slice key, effect;
    size_t at = 0;
    bool is_kept = is_image_of(image, m) && !CLUSTER_MUTATED(MUTANT_PIECES_MIXED);
    if (is_kept) {
        image->used_us = now_us;
        send_piece(c, m, image, (size_t)m->offset, out);
        return LARDER_OK;
    }
    if (!store_next_key(m->keys, &at, &key))
        return LARDER_CORRUPT;
    enum larder_status status = store->type->read_key(store->context, key, &effect);
    if (status == LARDER_OK)
        status = make_image(c, now_us, m, key, effect, &image);
    if (status == LARDER_OK && CLUSTER_MUTATED(MUTANT_PIECES_MIXED)) {
        image->as_of = m->as_of;
        send_piece(c, m, image,
                   m->offset < image->bytes.size ? (size_t)m->offset : image->bytes.size, out);
    } else if (status == LARDER_OK) {
        send_piece(c, m, image, 0, out);
    }
    return status;
}

/* ---- keys ---- */

static bool append_entry(struct copying *c, struct slice key, struct slice effect) {
    return copying_bytes_append_number(c, &c->answer, key.size, 4) &&
           copying_bytes_append(c, &c->answer, key) &&
           copying_bytes_append_number(c, &c->answer, effect.size, 4) &&
           copying_bytes_append(c, &c->answer, effect);
}

/* Entries until the message is full. One that is too long goes in pieces if it is the first; else
 * it is left for a question that begins with it. */
static enum larder_status answer_keys(struct copying *c, int64_t now_us,
                                      const struct copying_message *m, struct copying_output *out) {
    const struct partition_store *store = &c->options.store;
    struct slice key, effect;
    size_t at = 0;
    c->answer.size = 0;
    while (c->answer.size < c->options.message_bytes && store_next_key(m->keys, &at, &key)) {
        enum larder_status status = store->type->read_key(store->context, key, &effect);
        if (status != LARDER_OK)
            return status;
        bool is_long = effect.size > c->options.message_bytes;
        if (is_long && c->answer.size == 0) {
            struct copying_image *image;
            status = make_image(c, now_us, m, key, effect, &image);
            if (status == LARDER_OK)
                send_piece(c, m, image, 0, out);
            return status;
        }
        if (!is_long && !append_entry(c, key, effect))
            return LARDER_NO_MEMORY;
    }
    reply_to(c, m, COPYING_KEYS, out)->bytes = copying_bytes_slice(&c->answer);
    return LARDER_OK;
}

enum larder_status copying_answer(struct copying *c, int64_t now_us,
                                  const struct copying_message *m, struct copying_output *out) {
    if (!c->may_serve || m->term != c->term)
        return LARDER_OK;
    switch (m->type) {
    case COPYING_ASK_UNIT: return answer_unit(c, m, out);
    case COPYING_ASK_KEYS: return answer_keys(c, now_us, m, out);
    default: return answer_piece(c, now_us, m, out);
    }
}
