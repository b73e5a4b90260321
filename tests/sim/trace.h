/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened in a run, as a digest and, if wanted, as lines for people. Every event adds a word
 * that its time and what is known of it are folded into; the digest is a chain of SHA-1 over blocks
 * of them, so two runs with the same digest did the same things at the same times. */
#ifndef LARDER_TESTS_SIM_TRACE_H
#define LARDER_TESTS_SIM_TRACE_H

#include "base/sha1.h"

#include <stdbool.h>
#include <stdio.h>

enum { TRACE_BLOCK_WORDS = 512 };

struct trace_options {
    FILE *out;     /* NULL: no lines */
    bool is_story; /* no lines about connections and what goes over them */
};

struct sim_trace {
    uint64_t event_count;
    size_t used; /* words in the block */
    struct {
        uint8_t chain[SHA1_BYTES]; /* digest of all blocks before */
        uint8_t padding[4];
        uint64_t words[TRACE_BLOCK_WORDS];
    } block;
    struct trace_options options;
    int64_t out_from_us;
};

void trace_init(struct sim_trace *trace, const struct trace_options *options);
/* One event. */
void trace_event(struct sim_trace *trace, int64_t time_us, uint64_t what, uint64_t who,
                 uint64_t detail);
/* Whether lines are wanted at this time. */
static inline bool trace_is_printing(const struct sim_trace *trace, int64_t time_us) {
    return trace->options.out != NULL && time_us >= trace->out_from_us;
}
static inline bool trace_is_printing_frames(const struct sim_trace *trace, int64_t time_us) {
    return !trace->options.is_story && trace_is_printing(trace, time_us);
}
void trace_print(struct sim_trace *trace, int64_t time_us, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of all events so far. */
void trace_digest(const struct sim_trace *trace, char out[SHA1_HEX_BYTES + 1]);

#endif
