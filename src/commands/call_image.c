/* SPDX-License-Identifier: BSD-3-Clause */
/* The effect of a whole value. A string's text is at hand when the effect is emitted, so only room
 * for it is reserved; a container is serialised beforehand. */
#include "commands/call.h"

enum { SET_WORDS_BYTES = 64 };

static bool is_emitting(const struct call *call) {
    return call->thread->effects != NULL && (call->flags & CALL_APPLY) == 0;
}

enum larder_status call_image_create(struct call *call, const struct key *key,
                                     const struct value *value, struct call_image *out) {
    uint8_t scratch[INT64_TEXT_MAX];
    out->bytes = NULL;
    if (!is_emitting(call))
        return LARDER_OK;
    if (value->kind == VALUE_OBJECT)
        return LARDER_INVALID;
    return call_reserve_effect(call, effects_part_bound(4, value_text(value, scratch).size +
                                                               key->text.size + SET_WORDS_BYTES));
}

void call_effect_image(struct call *call, struct call_image *image, const struct key *key,
                       const struct value *value, int64_t expiry_ms) {
    uint8_t scratch[INT64_TEXT_MAX];
    if (is_emitting(call))
        call_effect_set(call, key, value_text(value, scratch), expiry_ms);
    call_image_destroy(image);
}

void call_image_destroy(struct call_image *image) {
    blob_release(image->bytes);
    image->bytes = NULL;
}
