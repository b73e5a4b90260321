/* SPDX-License-Identifier: BSD-3-Clause */
/* Every length and distance is checked before a byte is touched. */
#include "base/lzf.h"

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
