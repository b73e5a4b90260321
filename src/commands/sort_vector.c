/* SPDX-License-Identifier: BSD-3-Clause */
/* Gathering, and a merge sort from the bottom up: stable, and it asks for its memory beforehand.
 * Where few are wanted, a heap holds the first ones of those seen so far, the last of them on top;
 * nearly every further element is refused after one comparison. */
#include "commands/sort_vector.h"

#include "ds/list.h"
#include "ds/sorted_set.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { FIRST_ARENA = 256, FIRST_ITEMS = 16, FEW_OF = 4 };

void sort_vector_init(struct sort_vector *vector, const struct allocator *allocator) {
    *vector = (struct sort_vector){.allocator = allocator};
}

void sort_vector_finish(struct sort_vector *vector) {
    allocator_release(vector->allocator, vector->items, vector->capacity * sizeof(*vector->items));
    allocator_release(vector->allocator, vector->arena, vector->arena_capacity);
}

static enum larder_status copy_text(struct sort_vector *vector, struct slice text,
                                    struct sort_text *out) {
    size_t needed = vector->arena_used + text.size + 1;
    if (needed > vector->arena_capacity) {
        size_t capacity = vector->arena_capacity == 0 ? FIRST_ARENA : 2 * vector->arena_capacity;
        if (capacity < needed)
            capacity = needed;
        uint8_t *grown =
            allocator_resize(vector->allocator, vector->arena, vector->arena_capacity, capacity);
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        vector->arena = grown;
        vector->arena_capacity = capacity;
    }
    uint8_t *at = vector->arena + vector->arena_used;
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    at[text.size] = '\0';
    *out = (struct sort_text){vector->arena_used, text.size};
    vector->arena_used = needed;
    return LARDER_OK;
}

static enum larder_status add(struct sort_vector *vector, struct slice text) {
    if (vector->count == vector->capacity) {
        size_t capacity = vector->capacity == 0 ? FIRST_ITEMS : 2 * vector->capacity;
        void *grown = allocator_resize(vector->allocator, vector->items,
                                       vector->capacity * sizeof(*vector->items),
                                       capacity * sizeof(*vector->items));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        vector->items = grown;
        vector->capacity = capacity;
    }
    struct sort_element *element = &vector->items[vector->count];
    *element = (struct sort_element){.score = 0};
    enum larder_status status = copy_text(vector, text, &element->text);
    vector->count += status == LARDER_OK;
    return status;
}

/* ---- gathering ---- */

static enum larder_status gather_list(struct sort_vector *vector, const struct object *list,
                                      size_t first, size_t count, bool is_reverse) {
    struct list_cursor cursor;
    struct packed_element element;
    uint8_t scratch[INT64_TEXT_MAX];
    enum larder_status status = LARDER_OK;
    (void)list_seek(list, is_reverse ? object_length(list) - 1 - first : first, &cursor);
    for (; count > 0 && status == LARDER_OK; count--) {
        if (!(is_reverse ? list_take_back(&cursor, &element) : list_take(&cursor, &element)))
            break;
        status = add(vector, packed_text(&element, scratch));
    }
    return status;
}

static enum larder_status gather_sorted_set(struct sort_vector *vector, const struct object *set,
                                            size_t first, size_t count, bool is_reverse) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    enum larder_status status = LARDER_OK;
    sorted_set_seek(set, is_reverse ? object_length(set) - first : first, &cursor);
    for (; count > 0 && status == LARDER_OK; count--) {
        if (!(is_reverse ? sorted_set_previous(&cursor, &member)
                         : sorted_set_next(&cursor, &member)))
            break;
        status = add(vector, member.member);
    }
    return status;
}

struct visited_set {
    struct sort_vector *vector;
    size_t skipped, left;
    enum larder_status status;
};

static void add_member(void *context, const struct slice *parts, size_t count) {
    struct visited_set *visited = context;
    (void)count;
    if (visited->skipped > 0) {
        visited->skipped--;
    } else if (visited->left > 0 && visited->status == LARDER_OK) {
        visited->left--;
        visited->status = add(visited->vector, parts[0]);
    }
}

enum larder_status sort_vector_gather(struct sort_vector *vector, const struct object *object,
                                      size_t first, size_t count, bool is_reverse) {
    if (object->type->kind == OBJECT_LIST)
        return gather_list(vector, object, first, count, is_reverse);
    if (object->type->kind == OBJECT_SORTED_SET)
        return gather_sorted_set(vector, object, first, count, is_reverse);
    struct visited_set visited = {vector, first, count, LARDER_OK};
    object->type->visit(object, add_member, &visited);
    return visited.status;
}

/* ---- what they are ordered by ---- */

enum larder_status sort_vector_set_weight(struct sort_vector *vector, size_t i,
                                          struct slice weight) {
    struct sort_element *element = &vector->items[i];
    enum larder_status status = copy_text(vector, weight, &element->weight);
    element->has_weight = status == LARDER_OK;
    return status;
}

/* As strtod reads it in the C locale, up to the zero byte: blanks in front, hexadecimal and inf are
 * numbers, and so is nothing at all. */
static bool parse_score(struct slice text, double *out) {
    int64_t integer;
    if (slice_to_int64(text, &integer)) {
        *out = (double)integer;
        return true;
    }
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (locale == (locale_t)0)
        return false;
    char *end;
    errno = 0;
    *out = strtod_l((const char *)text.data, &end, locale);
    bool is_number = *end == '\0' && errno != ERANGE && !isnan(*out);
    freelocale(locale);
    return is_number;
}

bool sort_vector_set_score(struct sort_vector *vector, size_t i, bool by_weight) {
    struct sort_element *element = &vector->items[i];
    if (by_weight && !element->has_weight)
        return true;
    const struct sort_text *text = by_weight ? &element->weight : &element->text;
    return parse_score(sort_vector_text(vector, text), &element->score);
}

/* ---- sorting ---- */

struct comparison {
    const struct sort_vector *vector;
    enum sort_order order;
    bool is_descending;
};

static int compare_texts(const struct sort_vector *vector, const struct sort_text *a,
                         const struct sort_text *b) {
    return slice_compare(sort_vector_text(vector, a), sort_vector_text(vector, b));
}

static int compare(const struct comparison *comparison, const struct sort_element *a,
                   const struct sort_element *b) {
    const struct sort_vector *vector = comparison->vector;
    int order = 0;
    switch (comparison->order) {
    case SORT_BY_SCORE:
        order = a->score < b->score ? -1 : a->score > b->score;
        if (order == 0)
            order = compare_texts(vector, &a->text, &b->text);
        break;
    case SORT_BY_TEXT: order = compare_texts(vector, &a->text, &b->text); break;
    case SORT_BY_WEIGHT:
        order = a->has_weight && b->has_weight ? compare_texts(vector, &a->weight, &b->weight)
                                               : a->has_weight - b->has_weight;
        break;
    }
    return comparison->is_descending ? -order : order;
}

/* Merge from[begin, middle) and from[middle, end) into to[begin, end). */
static void merge(const struct comparison *comparison, const struct sort_element *from,
                  struct sort_element *to, size_t begin, size_t middle, size_t end) {
    size_t left = begin, right = middle;
    for (size_t i = begin; i < end; i++) {
        bool takes_left =
            right == end || (left < middle && compare(comparison, &from[left], &from[right]) <= 0);
        to[i] = takes_left ? from[left++] : from[right++];
    }
}

/* ---- the first ones ---- */

/* Whether the item at place `a` comes after the one at `b`. */
static bool is_after(const struct comparison *comparison, size_t a, size_t b) {
    const struct sort_element *items = comparison->vector->items;
    int order = compare(comparison, &items[a], &items[b]);
    return order != 0 ? order > 0 : a > b;
}

/* The place on top may be too small: let it sink. */
static void sink(const struct comparison *comparison, size_t *heap, size_t count) {
    size_t moving = heap[0], at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_after(comparison, heap[child + 1], heap[child]))
            child++;
        if (!is_after(comparison, heap[child], moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void rise(const struct comparison *comparison, size_t *heap, size_t at) {
    size_t moving = heap[at];
    while (at > 0 && is_after(comparison, moving, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static enum larder_status select_first(const struct comparison *comparison,
                                       struct sort_vector *vector, size_t wanted) {
    const struct allocator *allocator = vector->allocator;
    size_t *heap = allocator_allocate(allocator, wanted * sizeof(*heap));
    struct sort_element *chosen = allocator_allocate(allocator, wanted * sizeof(*chosen));
    bool has_memory = heap != NULL && chosen != NULL;
    for (size_t i = 0; i < vector->count && has_memory; i++) {
        if (i < wanted) {
            heap[i] = i;
            rise(comparison, heap, i);
        } else if (is_after(comparison, heap[0], i)) {
            heap[0] = i;
            sink(comparison, heap, wanted);
        }
    }
    for (size_t left = wanted; left > 0 && has_memory; left--) {
        chosen[left - 1] = vector->items[heap[0]];
        heap[0] = heap[left - 1];
        sink(comparison, heap, left - 1);
    }
    if (has_memory)
        memcpy(vector->items, chosen, wanted * sizeof(*chosen));
    allocator_release(allocator, heap, wanted * sizeof(*heap));
    allocator_release(allocator, chosen, wanted * sizeof(*chosen));
    return has_memory ? LARDER_OK : LARDER_NO_MEMORY;
}

/* ---- all ---- */

enum larder_status sort_vector_sort(struct sort_vector *vector, enum sort_order order,
                                    bool is_descending, size_t wanted) {
    struct comparison comparison = {vector, order, is_descending};
    size_t count = vector->count;
    if (count < 2 || wanted == 0)
        return LARDER_OK;
    if (wanted <= count / FEW_OF)
        return select_first(&comparison, vector, wanted);
    struct sort_element *from = vector->items;
    struct sort_element *to = allocator_allocate(vector->allocator, vector->capacity * sizeof(*to));
    if (to == NULL)
        return LARDER_NO_MEMORY;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = begin + width < count ? begin + width : count;
            size_t end = middle + width < count ? middle + width : count;
            merge(&comparison, from, to, begin, middle, end);
        }
        struct sort_element *merged = to;
        to = from;
        from = merged;
    }
    vector->items = from;
    allocator_release(vector->allocator, to, vector->capacity * sizeof(*to));
    return LARDER_OK;
}
