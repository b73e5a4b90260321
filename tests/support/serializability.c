/* SPDX-License-Identifier: BSD-3-Clause */
/* Edges go into one array, sorted by source; a depth-first search with an explicit stack looks for
 * a cycle. */
#include "support/serializability.h"

#include <stdlib.h>
#include <string.h>

struct edge {
    uint32_t from, to;
};

struct graph {
    struct edge *edges;
    size_t count, capacity;
};

static void add_edge(struct graph *g, uint32_t from, uint32_t to) {
    if (from == to || from == 0 || to == 0)
        return;
    if (g->count == g->capacity) {
        g->capacity = g->capacity == 0 ? 1024 : 2 * g->capacity;
        g->edges = realloc(g->edges, g->capacity * sizeof(*g->edges));
        if (g->edges == NULL)
            abort();
    }
    g->edges[g->count++] = (struct edge){from, to};
}

static int by_source(const void *a, const void *b) {
    const struct edge *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* A read that saw `seen` numbers saw a prefix of the final content: writers number seen - 1 and
 * before came first, the next one came later, unless it is the reader itself. */
static const char *add_read(struct graph *g, const struct history *h,
                            const struct history_operation *read) {
    const uint32_t *content = h->registers[read->key];
    size_t length = h->lengths[read->key];
    if (read->seen > length)
        return "a read saw more than was ever there";
    if (read->seen == 0 ? read->last != 0 : content[read->seen - 1] != read->last)
        return "a read saw what is no prefix of the final content";
    if (read->seen > 0)
        add_edge(g, content[read->seen - 1], read->transaction);
    if (read->seen < length)
        add_edge(g, read->transaction, content[read->seen]);
    return NULL;
}

static const char *check_writes(const struct history *h, uint32_t *counts) {
    for (size_t i = 0; i < h->count; i++)
        if (!h->operations[i].is_read)
            counts[h->operations[i].transaction]++;
    for (uint32_t k = 0; k < h->key_count; k++)
        for (size_t i = 0; i < h->lengths[k]; i++) {
            uint32_t number = h->registers[k][i];
            if (number == 0 || number > h->transaction_count || counts[number] == 0)
                return "a register holds what nobody wrote, or holds it twice";
            counts[number]--;
        }
    for (uint32_t t = 1; t <= h->transaction_count; t++)
        if (counts[t] != 0)
            return "a write is lost";
    return NULL;
}

struct frame {
    uint32_t node;
    size_t next;
};

static bool has_cycle(const struct graph *g, uint32_t count) {
    size_t *first = calloc((size_t)count + 2, sizeof(*first));
    uint8_t *colour = calloc((size_t)count + 1, 1); /* 0 new, 1 on the stack, 2 done */
    struct frame *stack = malloc(((size_t)count + 1) * sizeof(*stack));
    if (first == NULL || colour == NULL || stack == NULL)
        abort();
    for (size_t i = 0; i < g->count; i++)
        first[g->edges[i].from + 1]++;
    for (uint32_t t = 1; t <= count + 1; t++)
        first[t] += first[t - 1];
    bool found = false;
    for (uint32_t root = 1; root <= count && !found; root++) {
        if (colour[root] != 0)
            continue;
        size_t depth = 0;
        stack[depth++] = (struct frame){root, first[root]};
        colour[root] = 1;
        while (depth > 0 && !found) {
            struct frame *top = &stack[depth - 1];
            if (top->next == first[top->node + 1]) {
                colour[top->node] = 2;
                depth--;
                continue;
            }
            uint32_t to = g->edges[top->next++].to;
            found = colour[to] == 1;
            if (colour[to] != 0)
                continue;
            colour[to] = 1;
            stack[depth++] = (struct frame){to, first[to]};
        }
    }
    free(first);
    free(colour);
    free(stack);
    return found;
}

bool history_is_serializable(const struct history *h, const char **out_reason) {
    struct graph g = {NULL, 0, 0};
    uint32_t *counts = calloc((size_t)h->transaction_count + 1, sizeof(*counts));
    if (counts == NULL)
        abort();
    *out_reason = check_writes(h, counts);
    free(counts);
    for (uint32_t k = 0; k < h->key_count && *out_reason == NULL; k++)
        for (size_t i = 1; i < h->lengths[k]; i++)
            add_edge(&g, h->registers[k][i - 1], h->registers[k][i]);
    for (size_t i = 0; i < h->count && *out_reason == NULL; i++)
        if (h->operations[i].is_read)
            *out_reason = add_read(&g, h, &h->operations[i]);
    if (*out_reason == NULL && g.count > 0) {
        qsort(g.edges, g.count, sizeof(*g.edges), by_source);
        if (has_cycle(&g, h->transaction_count))
            *out_reason = "the transactions have no serial order";
    }
    free(g.edges);
    return *out_reason == NULL;
}
