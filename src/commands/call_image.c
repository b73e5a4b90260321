/* SPDX-License-Identifier: BSD-3-Clause */
/* The effect of a whole value. A string's text is at hand when the effect is emitted, so only room
 * for it is reserved; a container is serialised beforehand. */
#include "commands/call.h"
#include "commands/dump.h"

enum {
    WORDS_BYTES = 64, /* of SET or RESTORE besides key and value */
    WORDS_COUNT = 5,
};

static bool is_emitting(const struct call *call) {
    return call->thread->effects != NULL && (call->flags & CALL_APPLY) == 0;
}

enum larder_status call_image_create(struct call *call, const struct key *key,
                                     const struct value *value, struct call_image *out) {
    uint8_t scratch[INT64_TEXT_MAX];
    size_t size;
    out->bytes = NULL;
    if (!is_emitting(call))
        return LARDER_OK;
    if (value->kind == VALUE_OBJECT) {
        out->bytes = dump_create(value, call->keyspace->allocator, DUMP_EXACT);
        if (out->bytes == NULL)
            return LARDER_NO_MEMORY;
        size = out->bytes->size;
    } else {
        size = value_text(value, scratch).size;
    }
    enum larder_status status = call_reserve_effect(
        call, effects_part_bound(WORDS_COUNT, size + key->text.size + WORDS_BYTES));
    if (status != LARDER_OK)
        call_image_destroy(out);
    return status;
}

void call_effect_image(struct call *call, struct call_image *image, const struct key *key,
                       const struct value *value, int64_t expiry_ms) {
    uint8_t scratch[INT64_TEXT_MAX];
    if (image->bytes != NULL)
        call_effect_restore(call, key, blob_slice(image->bytes), expiry_ms);
    else if (is_emitting(call) && value->kind != VALUE_OBJECT)
        call_effect_set(call, key, value_text(value, scratch), expiry_ms);
    call_image_destroy(image);
}

void call_image_destroy(struct call_image *image) {
    blob_release(image->bytes);
    image->bytes = NULL;
}
