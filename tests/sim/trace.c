/* SPDX-License-Identifier: BSD-3-Clause */
/* A Merkle-Damgard chain over a one-shot hash: digest(n) = SHA-1(digest(n - 1), block n). */
#include "sim/trace.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void trace_init(struct sim_trace *trace, const struct trace_options *options) {
    memset(trace, 0, sizeof(*trace));
    trace->options = *options;
}

void trace_event(struct sim_trace *trace, int64_t time_us, uint64_t what, uint64_t who,
                 uint64_t detail) {
    uint64_t word = hash_fold((uint64_t)time_us ^ 0x9e3779b97f4a7c15u, what ^ 0xd6e8feb86659fd93u);
    word = hash_fold(word ^ who, detail ^ 0xa0761d6478bd642fu);
    trace->block.words[trace->used++] = word;
    trace->event_count++;
    if (trace->used < TRACE_BLOCK_WORDS)
        return;
    uint8_t digest[SHA1_BYTES];
    sha1(slice_of(&trace->block, sizeof(trace->block)), digest);
    memcpy(trace->block.chain, digest, sizeof(digest));
    trace->used = 0;
}

void trace_print(struct sim_trace *trace, int64_t time_us, const char *format, ...) {
    if (!trace_is_printing(trace, time_us))
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(trace->options.out, "%" PRId64 ".%06" PRId64 " ", time_us / 1000000, time_us % 1000000);
    vfprintf(trace->options.out, format, arguments);
    fputc('\n', trace->options.out);
    va_end(arguments);
}

void trace_digest(const struct sim_trace *trace, char out[SHA1_HEX_BYTES + 1]) {
    size_t head = sizeof(trace->block) - sizeof(trace->block.words);
    sha1_hex(slice_of(&trace->block, head + trace->used * sizeof(uint64_t)), out);
}
