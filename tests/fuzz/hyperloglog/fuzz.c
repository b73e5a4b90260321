/* SPDX-License-Identifier: BSD-3-Clause */
/* A hyperloglog's bytes as a client may set them: whatever they are, nothing is read outside of
 * them, and raising a register of one whose runs are sound gives what an array of registers gives.
 * Input: how many marks of two bytes, these, the value. */
#include "ds/hyperloglog.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MARK_BYTES = 2, SPARSE_MAX = 3000 };

static void expect(bool is_true) {
    if (!is_true)
        abort();
}

static void raise_all(struct blob **image, const uint8_t *marks, size_t count) {
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0}, found[HYPERLOGLOG_REGISTERS] = {0};
    bool is_sound = hyperloglog_merge(blob_slice(*image), registers);
    for (size_t i = 0; i < count; i++) {
        struct hyperloglog_mark mark = {
            .index = (uint16_t)((marks[2 * i] << 6 | marks[2 * i + 1] >> 2) &
                                (HYPERLOGLOG_REGISTERS - 1)),
            .value = (uint8_t)(1 + (marks[2 * i + 1] & 3) * 14),
        };
        bool is_raised;
        enum larder_status status = hyperloglog_raise(image, mark, SPARSE_MAX, &is_raised);
        if (!is_sound)
            continue;
        expect(status == LARDER_OK);
        expect(is_raised == (registers[mark.index] < mark.value));
        if (is_raised)
            registers[mark.index] = mark.value;
    }
    uint64_t count_of_image;
    bool is_counted = hyperloglog_count(blob_slice(*image), &count_of_image);
    if (!is_sound)
        return;
    expect(hyperloglog_is_valid(blob_slice(*image)));
    expect(is_counted && count_of_image == hyperloglog_count_registers(registers));
    expect(hyperloglog_merge(blob_slice(*image), found));
    expect(memcmp(registers, found, sizeof(found)) == 0);
    expect(hyperloglog_make_dense(image) == LARDER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size - 1 < (size_t)data[0] * MARK_BYTES)
        return 0;
    size_t count = data[0];
    const uint8_t *marks = data + 1;
    struct slice value = slice_of(marks + count * MARK_BYTES, size - 1 - count * MARK_BYTES);
    if (!hyperloglog_is_valid(value))
        return 0;
    struct blob *image = blob_create(&ALLOCATOR_SYSTEM, value.size);
    if (image == NULL)
        return 0;
    memcpy(image->data, value.data, value.size);
    image->size = value.size;
    raise_all(&image, marks, count);
    blob_release(image);
    return 0;
}
