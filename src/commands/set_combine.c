/* SPDX-License-Identifier: BSD-3-Clause */
/* Intersection, union and difference. An intersection walks the smallest set and asks the others. A
 * difference walks the first set and asks the others, or, when these are much smaller, copies the
 * first and takes out what they hold. */
#include "commands/functions.h"
#include "ds/set.h"

#include <stdlib.h>

enum { SOURCES_ON_STACK = 16 };

enum combination { INTERSECTION, UNION, DIFFERENCE };

/* The sets that a command names; NULL where there is none. */
struct sources {
    const struct object **sets;
    size_t count;
    const struct object *few[SOURCES_ON_STACK];
};

static void sources_finish(struct sources *sources, const struct call *call) {
    if (sources->sets != sources->few)
        allocator_release(call->keyspace->allocator, (void *)sources->sets,
                          sources->count * sizeof(*sources->sets));
}

/* *out_is_read false: one holds something else, the error was replied. Errors: LARDER_NO_MEMORY. */
REQUIRES(PARTITION_LOCK)
static enum larder_status sources_read(struct sources *sources, struct call *call, size_t first,
                                       size_t count, bool *out_is_read) {
    sources->sets = sources->few;
    sources->count = count;
    if (count > SOURCES_ON_STACK) {
        sources->sets =
            allocator_allocate(call->keyspace->allocator, count * sizeof(*sources->sets));
        if (sources->sets == NULL)
            return LARDER_NO_MEMORY;
    }
    *out_is_read = true;
    for (size_t i = 0; i < count && *out_is_read; i++) {
        struct key key = call_key_at(call, first + i);
        *out_is_read = call_read_object(call, &key, OBJECT_SET, &sources->sets[i]);
    }
    if (!*out_is_read)
        sources_finish(sources, call);
    return LARDER_OK;
}

static int by_length(const void *a, const void *b) {
    size_t x = object_length(*(const struct object *const *)a);
    size_t y = object_length(*(const struct object *const *)b);
    return x < y ? -1 : x > y;
}

/* What a combination does with each member that it finds; false: enough. */
typedef bool (*member_taker)(void *context, struct slice member);

static void intersect(struct sources *sources, const struct object_context *objects,
                      member_taker take, void *context) {
    for (size_t i = 0; i < sources->count; i++)
        if (sources->sets[i] == NULL)
            return;
    qsort((void *)sources->sets, sources->count, sizeof(*sources->sets), by_length);
    struct set_walk walk;
    struct slice member;
    for (set_walk_begin(&walk, sources->sets[0]); set_next(&walk, &member);) {
        size_t i = 1;
        while (i < sources->count && set_contains(sources->sets[i], objects, member))
            i++;
        if (i == sources->count && !take(context, member))
            return;
    }
}

static void subtract_by_asking(const struct sources *sources, const struct object_context *objects,
                               member_taker take, void *context) {
    struct set_walk walk;
    struct slice member;
    for (set_walk_begin(&walk, sources->sets[0]); set_next(&walk, &member);) {
        size_t i = 1;
        while (i < sources->count &&
               (sources->sets[i] == NULL || !set_contains(sources->sets[i], objects, member)))
            i++;
        if (i == sources->count && !take(context, member))
            return;
    }
}

/* ---- building a result ---- */

struct result {
    struct object *set; /* NULL: empty */
    const struct object_context *objects;
    enum larder_status status;
};

static bool add_to_result(void *context, struct slice member) {
    struct result *result = context;
    size_t added;
    result->status = set_add(&result->set, result->objects, &member, 1, &added);
    return result->status == LARDER_OK;
}

static void add_all(struct result *result, const struct object *set) {
    struct set_walk walk;
    struct slice member;
    for (set_walk_begin(&walk, set); set_next(&walk, &member);)
        if (!add_to_result(result, member))
            return;
}

static void take_out_all(struct result *result, const struct object *set) {
    struct set_walk walk;
    struct slice member;
    for (set_walk_begin(&walk, set); set_next(&walk, &member);)
        (void)set_remove(&result->set, result->objects, &member, 1);
}

static void subtract(const struct sources *sources, struct result *result) {
    size_t asked = 0, taken = 0;
    if (sources->sets[0] == NULL)
        return;
    size_t first = object_length(sources->sets[0]);
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->sets[i] == NULL)
            continue;
        asked += first;
        taken += object_length(sources->sets[i]);
    }
    if (asked / 2 <= taken) {
        subtract_by_asking(sources, result->objects, add_to_result, result);
        return;
    }
    add_all(result, sources->sets[0]);
    for (size_t i = 1; i < sources->count && result->status == LARDER_OK; i++)
        if (sources->sets[i] != NULL && result->set != NULL)
            take_out_all(result, sources->sets[i]);
}

static void combine(enum combination combination, struct sources *sources, struct result *result) {
    switch (combination) {
    case INTERSECTION: intersect(sources, result->objects, add_to_result, result); break;
    case UNION:
        for (size_t i = 0; i < sources->count && result->status == LARDER_OK; i++)
            if (sources->sets[i] != NULL)
                add_all(result, sources->sets[i]);
        break;
    case DIFFERENCE: subtract(sources, result); break;
    }
}

/* The result of the sets from argument `first` on. *out_is_read as in sources_read. */
REQUIRES(PARTITION_LOCK)
static enum larder_status compute(struct call *call, enum combination combination, size_t first,
                                  struct object **out, bool *out_is_read) {
    struct sources sources;
    *out = NULL;
    enum larder_status status =
        sources_read(&sources, call, first, call->argc - first, out_is_read);
    if (status != LARDER_OK || !*out_is_read)
        return status;
    struct result result = {.objects = call_objects(call)};
    combine(combination, &sources, &result);
    sources_finish(&sources, call);
    if (result.status != LARDER_OK) {
        object_destroy(result.set, call->keyspace->allocator);
        return result.status;
    }
    *out = result.set;
    return LARDER_OK;
}

/* ---- commands ---- */

REQUIRES(PARTITION_LOCK)
static enum larder_status reply_combination(struct call *call, enum combination combination) {
    struct object *result;
    bool is_read;
    enum larder_status status = compute(call, combination, 1, &result, &is_read);
    if (status != LARDER_OK || !is_read)
        return status;
    reply_set(call->reply, result != NULL ? object_length(result) : 0);
    if (result != NULL) {
        struct set_walk walk;
        struct slice member;
        for (set_walk_begin(&walk, result); set_next(&walk, &member);)
            reply_bulk(call->reply, member);
    }
    object_destroy(result, call->keyspace->allocator);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status store_result(struct call *call, const struct key *to,
                                       struct object *result, const char *event) {
    struct entry old;
    struct call_image image;
    struct value value = value_of_object(result);
    int64_t length = (int64_t)object_length(result);
    if (call_image_create(call, to, &value, &image) != LARDER_OK) {
        object_destroy(result, call->keyspace->allocator);
        return LARDER_NO_MEMORY;
    }
    const struct entry *there = call_write(call, to, &old) ? &old : NULL;
    if (call_put_object(call, to, there, result, 0) != LARDER_OK) {
        call_image_destroy(&image);
        return LARDER_NO_MEMORY;
    }
    call_effect_image(call, &image, to, &value, 0);
    call_notify(call, NOTICE_SET, event, to);
    reply_integer(call->reply, length);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status store_combination(struct call *call, enum combination combination,
                                            const char *event) {
    struct object *result;
    struct entry old;
    bool is_read;
    enum larder_status status = compute(call, combination, 2, &result, &is_read);
    if (status != LARDER_OK || !is_read)
        return status;
    struct key to = call_key_at(call, 1);
    if (result != NULL && object_length(result) > 0)
        return store_result(call, &to, result, event);
    object_destroy(result, call->keyspace->allocator);
    if (call_write(call, &to, &old)) {
        call_delete(call, &to, &old);
        call_notify(call, NOTICE_GENERIC, "del", &to);
        call_effect_delete(call, &to);
    }
    reply_integer(call->reply, 0);
    return LARDER_OK;
}

enum larder_status command_sinter(struct call *call) {
    return reply_combination(call, INTERSECTION);
}

enum larder_status command_sunion(struct call *call) {
    return reply_combination(call, UNION);
}

enum larder_status command_sdiff(struct call *call) {
    return reply_combination(call, DIFFERENCE);
}

enum larder_status command_sinterstore(struct call *call) {
    return store_combination(call, INTERSECTION, "sinterstore");
}

enum larder_status command_sunionstore(struct call *call) {
    return store_combination(call, UNION, "sunionstore");
}

enum larder_status command_sdiffstore(struct call *call) {
    return store_combination(call, DIFFERENCE, "sdiffstore");
}

/* ---- SINTERCARD ---- */

struct counting {
    int64_t count, limit; /* limit 0: none */
};

static bool count_member(void *context, struct slice member) {
    struct counting *counting = context;
    (void)member;
    counting->count++;
    return counting->limit == 0 || counting->count < counting->limit;
}

/* False: the error was replied. */
static bool parse_limit(struct call *call, size_t at, int64_t *out) {
    for (; at < call->argc; at += 2) {
        if (at + 1 == call->argc || !slice_equal_word(call->argv[at], "LIMIT")) {
            (void)call_syntax_error(call);
            return false;
        }
        if (!slice_to_int64(call->argv[at + 1], out) || *out < 0) {
            reply_error(call->reply, "ERR LIMIT can't be negative");
            return false;
        }
    }
    return true;
}

enum larder_status command_sintercard(struct call *call) {
    int64_t keys;
    struct counting counting = {0};
    if (!slice_to_int64(call->argv[1], &keys) || keys <= 0) {
        reply_error(call->reply, "ERR numkeys should be greater than 0");
        return LARDER_OK;
    }
    if ((uint64_t)keys > call->argc - 2) {
        reply_error(call->reply, "ERR Number of keys can't be greater than number of args");
        return LARDER_OK;
    }
    if (!parse_limit(call, 2 + (size_t)keys, &counting.limit))
        return LARDER_OK;
    struct sources sources;
    bool is_read;
    enum larder_status status = sources_read(&sources, call, 2, (size_t)keys, &is_read);
    if (status != LARDER_OK || !is_read)
        return status;
    intersect(&sources, call_objects(call), count_member, &counting);
    sources_finish(&sources, call);
    reply_integer(call->reply, counting.count);
    return LARDER_OK;
}
