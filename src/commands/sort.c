/* SPDX-License-Identifier: BSD-3-Clause */
/* SORT and SORT_RO: gather the elements, find what each is to be ordered by, sort, and reply or
 * store what GET names for each. */
#include "commands/functions.h"
#include "commands/sort_pattern.h"
#include "commands/sort_vector.h"
#include "commands/string_value.h"
#include "ds/list.h"

struct sort_options {
    bool is_descending, is_alpha;
    int64_t start, count; /* LIMIT; count negative: all */
    bool has_by, has_store;
    bool is_unordered; /* some BY names no key: the elements stay as they stand */
    struct slice by;
    size_t store;     /* argument */
    size_t get_count; /* GETs, which stand where they stood */
};

struct sorting {
    struct call *call;
    struct sort_options options;
    struct sort_vector vector;
    struct sort_lookup lookup;
    size_t first, count; /* what of the vector is wanted */
};

/* ---- options ---- */

/* Whether the user may read the keys that this option leads to. False: the error was replied. */
static bool may_read_others(struct call *call, const char *option) {
    if ((call->flags & CALL_SOME_KEYS) == 0)
        return true;
    reply_error_format(call->reply,
                       "ERR %s option of SORT denied due to insufficient ACL permissions.", option);
    return false;
}

static bool parse_option(struct call *call, size_t *at, bool may_store,
                         struct sort_options *options) {
    struct slice word = call->argv[*at];
    size_t left = call->argc - 1 - *at;
    if (slice_equal_word(word, "ASC")) {
        options->is_descending = false;
    } else if (slice_equal_word(word, "DESC")) {
        options->is_descending = true;
    } else if (slice_equal_word(word, "ALPHA")) {
        options->is_alpha = true;
    } else if (slice_equal_word(word, "LIMIT") && left >= 2) {
        if (!call_integer(call, call->argv[*at + 1], &options->start) ||
            !call_integer(call, call->argv[*at + 2], &options->count))
            return false;
        *at += 2;
    } else if (slice_equal_word(word, "STORE") && left >= 1 && may_store) {
        options->has_store = true;
        options->store = ++*at;
    } else if (slice_equal_word(word, "BY") && left >= 1) {
        options->has_by = true;
        options->by = call->argv[++*at];
        if (!sort_pattern_has_star(options->by))
            options->is_unordered = true;
        else if (!may_read_others(call, "BY"))
            return false;
    } else if (slice_equal_word(word, "GET") && left >= 1) {
        if (!may_read_others(call, "GET"))
            return false;
        options->get_count++;
        ++*at;
    } else {
        call_syntax_error(call);
        return false;
    }
    return true;
}

/* False: an error was replied. */
static bool parse(struct call *call, bool may_store, struct sort_options *options) {
    *options = (struct sort_options){.count = -1};
    for (size_t i = 2; i < call->argc; i++)
        if (!parse_option(call, &i, may_store, options))
            return false;
    return true;
}

/* The pattern of the next GET from argument *at on, which it steps behind. There is one. */
static struct slice next_get(const struct call *call, size_t *at) {
    for (size_t i = *at;; i++) {
        if (slice_equal_word(call->argv[i], "GET")) {
            *at = i + 2;
            return call->argv[i + 1];
        }
        if (slice_equal_word(call->argv[i], "LIMIT"))
            i += 2;
        else if (slice_equal_word(call->argv[i], "BY") || slice_equal_word(call->argv[i], "STORE"))
            i++;
    }
}

/* ---- ordering ---- */

/* Turn LIMIT into a first position and a count of `length` elements. */
static void limit(struct sorting *sorting, size_t length) {
    int64_t start = sorting->options.start, count = sorting->options.count;
    sorting->first = start < 0 ? 0 : (uint64_t)start > length ? length : (size_t)start;
    size_t left = length - sorting->first;
    sorting->count = count < 0 || (uint64_t)count > left ? left : (size_t)count;
}

/* The weights that BY names. */
REQUIRES(PARTITION_LOCK)
static enum larder_status find_weights(struct sorting *sorting) {
    struct sort_vector *vector = &sorting->vector;
    for (size_t i = 0; i < vector->count; i++) {
        struct slice weight, text = sort_vector_text(vector, &vector->items[i].text);
        bool is_found;
        enum larder_status status =
            sort_lookup_value(&sorting->lookup, sorting->options.by, text, &weight, &is_found);
        if (status == LARDER_OK && is_found)
            status = sort_vector_set_weight(vector, i, weight);
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_OK;
}

/* *out_done: an error was replied. */
REQUIRES(PARTITION_LOCK)
static enum larder_status order(struct sorting *sorting, bool *out_done) {
    const struct sort_options *options = &sorting->options;
    struct sort_vector *vector = &sorting->vector;
    enum larder_status status = options->has_by ? find_weights(sorting) : LARDER_OK;
    if (status != LARDER_OK)
        return status;
    if (options->is_alpha)
        return sort_vector_sort(vector, options->has_by ? SORT_BY_WEIGHT : SORT_BY_TEXT,
                                options->is_descending, sorting->first + sorting->count);
    for (size_t i = 0; i < vector->count; i++) {
        if (sort_vector_set_score(vector, i, options->has_by))
            continue;
        reply_error(sorting->call->reply, "ERR One or more scores can't be converted into double");
        *out_done = true;
        return LARDER_OK;
    }
    return sort_vector_sort(vector, SORT_BY_SCORE, options->is_descending,
                            sorting->first + sorting->count);
}

/* Gather and sort. BY without a star leaves the order as it is; for a set, which has
 * none, what is stored or given to a script must still be the same everywhere. */
REQUIRES(PARTITION_LOCK)
static enum larder_status arrange(struct sorting *sorting, const struct object *object,
                                  bool *out_done) {
    struct sort_options *options = &sorting->options;
    bool is_unsorted = options->is_unordered;
    bool is_set = object->type->kind == OBJECT_SET;
    if (is_unsorted && is_set &&
        (options->has_store || (sorting->call->flags & CALL_SCRIPT) != 0)) {
        is_unsorted = options->has_by = false;
        options->is_alpha = true;
    }
    limit(sorting, object_length(object));
    if (!is_unsorted) {
        enum larder_status status =
            sort_vector_gather(&sorting->vector, object, 0, object_length(object), false);
        return status == LARDER_OK ? order(sorting, out_done) : status;
    }
    size_t first = sorting->first;
    sorting->first = 0;
    if (sorting->count == 0)
        return LARDER_OK;
    return sort_vector_gather(&sorting->vector, object, first, sorting->count,
                              options->is_descending && !is_set);
}

/* ---- what comes of it ---- */

/* Takes each output value in turn; `is_found` is false for a missing one. */
typedef enum larder_status (*sort_sink)(void *context, struct slice value, bool is_found);

REQUIRES(PARTITION_LOCK)
static enum larder_status put_out(struct sorting *sorting, sort_sink sink, void *context) {
    const struct sort_vector *vector = &sorting->vector;
    enum larder_status status = LARDER_OK;
    for (size_t i = sorting->first; i < sorting->first + sorting->count; i++) {
        struct slice text = sort_vector_text(vector, &vector->items[i].text);
        if (sorting->options.get_count == 0)
            status = sink(context, text, true);
        size_t at = 2;
        for (size_t k = 0; k < sorting->options.get_count && status == LARDER_OK; k++) {
            struct slice pattern = next_get(sorting->call, &at), value;
            bool is_found;
            status = sort_lookup_value(&sorting->lookup, pattern, text, &value, &is_found);
            if (status == LARDER_OK)
                status = sink(context, value, is_found);
        }
        if (status != LARDER_OK)
            break;
    }
    return status;
}

static size_t output_count(const struct sorting *sorting) {
    size_t each = sorting->options.get_count;
    return sorting->count * (each == 0 ? 1 : each);
}

static enum larder_status to_reply(void *context, struct slice value, bool is_found) {
    struct reply *reply = context;
    if (is_found)
        reply_bulk(reply, value);
    else
        reply_null(reply);
    return reply->failed ? LARDER_NO_MEMORY : LARDER_OK;
}

struct stored_list {
    struct object *list;
    const struct object_context *objects;
};

static enum larder_status to_list(void *context, struct slice value, bool is_found) {
    struct stored_list *stored = context;
    if (!is_found)
        value = slice_of(NULL, 0);
    return list_push(&stored->list, stored->objects, LIST_TAIL, &value, 1);
}

/* Put the list under its key, or nothing. Takes ownership. */
REQUIRES(PARTITION_LOCK)
static enum larder_status store(struct call *call, const struct key *key, struct object *list) {
    struct entry old;
    struct call_image image;
    bool is_there = call_write(call, key, &old);
    if (list == NULL) {
        if (is_there) {
            call_delete(call, key, &old);
            call_notify(call, NOTICE_GENERIC, "del", key);
            call_effect_delete(call, key);
        }
        return LARDER_OK;
    }
    struct value value = value_of_object(list);
    enum larder_status status = call_image_create(call, key, &value, &image);
    if (status != LARDER_OK) {
        object_destroy(list, call->keyspace->allocator);
        return status;
    }
    status = call_put_object(call, key, is_there ? &old : NULL, list, 0);
    if (status != LARDER_OK) {
        call_image_destroy(&image);
        return status;
    }
    call_notify(call, NOTICE_LIST, "sortstore", key);
    call_effect_image(call, &image, key, &value, 0);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status finish(struct sorting *sorting) {
    struct call *call = sorting->call;
    if (!sorting->options.has_store) {
        reply_array(call->reply, output_count(sorting));
        return put_out(sorting, to_reply, call->reply);
    }
    struct stored_list stored = {.objects = call_objects(call)};
    enum larder_status status = put_out(sorting, to_list, &stored);
    if (status != LARDER_OK) {
        object_destroy(stored.list, call->keyspace->allocator);
        return status;
    }
    struct key key = call_key_at(call, sorting->options.store);
    status = store(call, &key, stored.list);
    if (status == LARDER_OK)
        reply_integer(call->reply, (int64_t)output_count(sorting));
    return status;
}

static bool is_sortable(const struct entry *entry) {
    if (entry->value.kind != VALUE_OBJECT)
        return false;
    enum object_kind kind = entry->value.object->type->kind;
    return kind == OBJECT_LIST || kind == OBJECT_SET || kind == OBJECT_SORTED_SET;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status sort(struct call *call, bool may_store) {
    struct sorting sorting = {.call = call};
    struct entry entry;
    bool is_done = false;
    enum larder_status status = LARDER_OK;
    if (!parse(call, may_store, &sorting.options))
        return LARDER_OK;
    call->key = call_key_at(call, 1);
    bool is_there = call_read(call, &call->key, &entry);
    if (is_there && !is_sortable(&entry))
        return call_wrong_type(call);
    sort_vector_init(&sorting.vector, call->keyspace->allocator);
    sort_lookup_init(&sorting.lookup, call);
    if (is_there)
        status = arrange(&sorting, entry.value.object, &is_done);
    if (status == LARDER_OK && !is_done)
        status = finish(&sorting);
    sort_lookup_finish(&sorting.lookup);
    sort_vector_finish(&sorting.vector);
    return status;
}

enum larder_status command_sort(struct call *call) {
    return sort(call, true);
}

enum larder_status command_sort_ro(struct call *call) {
    return sort(call, false);
}
