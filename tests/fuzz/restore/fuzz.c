/* SPDX-License-Identifier: BSD-3-Clause */
/* Payloads of RESTORE as anybody may send them, without their footer: nothing is read outside of
 * them, and what gives a value gives an equal one when that is serialised and read again. */
#include "base/crc64.h"
#include "commands/dump.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_true) {
    if (!is_true)
        abort();
}

static uint8_t *signed_payload(const uint8_t *data, size_t size) {
    uint8_t *payload = malloc(size + DUMP_FOOTER_BYTES);
    expect(payload != NULL);
    if (size > 0)
        memcpy(payload, data, size);
    payload[size] = DUMP_VERSION;
    payload[size + 1] = 0;
    uint64_t checksum = crc64(0, slice_of(payload, size + 2));
    for (unsigned i = 0; i < 8; i++)
        payload[size + 2 + i] = (uint8_t)(checksum >> 8 * i);
    return payload;
}

static void check_again(const struct dump_content *content, const struct object_context *objects) {
    struct value value = content->object != NULL ? value_of_object(content->object)
                                                 : value_of_bytes(content->string);
    struct blob *first = dump_create(&value, &ALLOCATOR_SYSTEM, DUMP_EXACT | DUMP_COMPRESSED);
    struct dump_content again;
    expect(first != NULL && dump_is_sound(blob_slice(first)));
    expect(dump_read(blob_slice(first), objects, &again) == LARDER_OK);
    expect((again.object == NULL) == (content->object == NULL));
    if (again.object == NULL)
        expect(slice_equal(again.string, content->string));
    else
        expect(object_length(again.object) == object_length(content->object));
    object_destroy(again.object, &ALLOCATOR_SYSTEM);
    dump_content_finish(&again, &ALLOCATOR_SYSTEM);
    blob_release(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct hash_seed SEED = {0};
    struct object_limits limits;
    object_limits_init(&limits);
    struct object_context objects = {&ALLOCATOR_SYSTEM, &SEED, &limits};
    uint8_t *payload = signed_payload(data, size);
    struct slice bytes = slice_of(payload, size + DUMP_FOOTER_BYTES);
    struct dump_content content;
    expect(dump_is_sound(bytes));
    if (dump_read(bytes, &objects, &content) == LARDER_OK) {
        check_again(&content, &objects);
        object_destroy(content.object, &ALLOCATOR_SYSTEM);
        dump_content_finish(&content, &ALLOCATOR_SYSTEM);
    }
    free(payload);
    return 0;
}
