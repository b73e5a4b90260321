/* SPDX-License-Identifier: BSD-3-Clause */
/* A generator turns the position in the trace and random draws into a key number. Scanned keys are
 * numbered from key_count up, so they never meet the Zipf keys. */
#include "trace.h"

#include "random_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFT_STEPS = 20 };

struct trace {
    struct trace_options options;
    uint64_t (*draw)(struct trace *trace);
    struct zipf zipf;
    struct random_source random;
    uint64_t position;
    uint64_t scanned;
    FILE *file;
    char *line;
    size_t line_capacity;
};

static uint64_t draw_zipf(struct trace *t) {
    return zipf_next(&t->zipf, &t->random) - 1;
}

static uint64_t draw_zipf_scan(struct trace *t) {
    uint64_t draws = t->options.key_count / 4 + 1;
    uint64_t scan = t->options.key_count / 8 + 1;
    if (t->position % (draws + scan) < draws)
        return draw_zipf(t);
    return t->options.key_count + t->scanned++;
}

static uint64_t draw_loop(struct trace *t) {
    return t->position % t->options.key_count;
}

static uint64_t draw_shift(struct trace *t) {
    uint64_t step = t->position * SHIFT_STEPS / t->options.request_count;
    uint64_t offset = step * t->options.key_count / SHIFT_STEPS;
    return (draw_zipf(t) + offset) % t->options.key_count;
}

static const struct generator {
    const char *name;
    bool has_exponent;
    uint64_t (*draw)(struct trace *trace);
} GENERATORS[] = {
    {"zipf", true, draw_zipf},
    {"zipf-scan", true, draw_zipf_scan},
    {"loop", false, draw_loop},
    {"shift", true, draw_shift},
};

static bool generator_select(struct trace *t, const char *text) {
    size_t length = strcspn(text, ":");
    double exponent = text[length] == ':' ? atof(text + length + 1) : 0;
    for (size_t i = 0; i < sizeof(GENERATORS) / sizeof(GENERATORS[0]); i++) {
        const struct generator *g = &GENERATORS[i];
        if (strlen(g->name) != length || memcmp(g->name, text, length) != 0)
            continue;
        if (g->has_exponent != (exponent > 0))
            return false;
        t->draw = g->draw;
        if (g->has_exponent)
            zipf_init(&t->zipf, t->options.key_count, exponent);
        return t->options.request_count > 0 && t->options.key_count > 0;
    }
    return false;
}

struct trace *trace_open(const struct trace_options *options) {
    struct trace *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->options = *options;
    t->random.state = options->seed;
    bool is_ok;
    if (options->path != NULL) {
        t->file = fopen(options->path, "re");
        is_ok = t->file != NULL;
        if (!is_ok)
            fprintf(stderr, "bench-trace: %s: %s\n", options->path, strerror(errno));
    } else {
        is_ok = options->generator != NULL && generator_select(t, options->generator);
        if (!is_ok)
            fprintf(stderr, "bench-trace: unknown or incomplete generator\n");
    }
    if (is_ok)
        return t;
    trace_close(t);
    return NULL;
}

void trace_close(struct trace *trace) {
    if (trace == NULL)
        return;
    if (trace->file != NULL)
        fclose(trace->file);
    free(trace->line);
    free(trace);
}

static bool file_next(struct trace *t, struct trace_request *out) {
    while (getline(&t->line, &t->line_capacity, t->file) > 0) {
        char *key = strchr(t->line, ',');
        char *size = key != NULL ? strchr(key + 1, ',') : NULL;
        if (size == NULL)
            continue;
        char *end;
        unsigned long long bytes = strtoull(size + 1, &end, 10);
        size_t length = (size_t)(size - key - 1);
        if (end == size + 1 || length == 0)
            continue;
        out->key_length = length < TRACE_KEY_MAX ? length : TRACE_KEY_MAX;
        memcpy(out->key, key + 1, out->key_length);
        out->size = bytes < t->options.size_limit ? (uint32_t)bytes : t->options.size_limit;
        return true;
    }
    return false;
}

static void generated_next(struct trace *t, struct trace_request *out) {
    uint64_t number = t->draw(t);
    out->key_length =
        (size_t)snprintf(out->key, sizeof(out->key), "t:%012llu", (unsigned long long)number);
    out->size = t->options.value_size;
}

bool trace_next(struct trace *trace, struct trace_request *out) {
    if (trace->options.request_count > 0 && trace->position >= trace->options.request_count)
        return false;
    if (trace->file == NULL)
        generated_next(trace, out);
    else if (!file_next(trace, out))
        return false;
    trace->position++;
    return true;
}
