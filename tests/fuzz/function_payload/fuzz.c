/* SPDX-License-Identifier: BSD-3-Clause */
/* The payload of FUNCTION RESTORE: any bytes are read without harm, and texts that were read are
 * the same after they were written and read again. The checksum is not asked for. */
#include "server/function_payload.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice left = slice_of(data, size), again, checked = left;
    struct reply copy;
    struct blob *text, *same;
    if (size > 4096)
        return 0;
    (void)function_payload_check(&checked);
    reply_init(&copy, &ALLOCATOR_SYSTEM);
    while (function_payload_next(&left, &ALLOCATOR_SYSTEM, &text) == FUNCTION_PAYLOAD_TEXT) {
        reply_clear(&copy);
        function_payload_add(&copy, blob_slice(text));
        function_payload_end(&copy);
        again = slice_of(copy.data, copy.used);
        if (!function_payload_check(&again) ||
            function_payload_next(&again, &ALLOCATOR_SYSTEM, &same) != FUNCTION_PAYLOAD_TEXT ||
            !slice_equal(blob_slice(text), blob_slice(same)))
            abort();
        blob_release(same);
        blob_release(text);
    }
    reply_finish(&copy);
    return 0;
}
