/* SPDX-License-Identifier: BSD-3-Clause */
/* The libraries of functions, sorted by name. A change is made to a new list, which is put in place
 * of the old one when nothing can fail any more. */
#include "server/script_store.h"

#include <stdlib.h>
#include <strings.h>

struct function_library *function_library_create(const struct allocator *a, struct slice text,
                                                 struct slice name, struct slice code,
                                                 struct script_functions *functions) {
    struct function_library *library = allocator_allocate_zeroed(a, sizeof(*library));
    if (library == NULL)
        return NULL;
    library->text = blob_create(a, text.size);
    if (library->text == NULL) {
        allocator_release(a, library, sizeof(*library));
        return NULL;
    }
    memcpy(library->text->data, text.data, text.size);
    library->text->size = text.size;
    library->name = slice_of(library->text->data + (name.data - text.data), name.size);
    library->code = slice_of(library->text->data + (code.data - text.data), code.size);
    library->functions = *functions;
    *functions = (struct script_functions){.allocator = a};
    atomic_init(&library->references, 1);
    return library;
}

void function_library_release(const struct allocator *a, struct function_library *library) {
    if (library == NULL ||
        atomic_fetch_sub_explicit(&library->references, 1, memory_order_acq_rel) > 1)
        return;
    script_functions_finish(&library->functions);
    blob_release(library->text);
    allocator_release(a, library, sizeof(*library));
}

static size_t footprint(const struct function_library *library) {
    return sizeof(*library) + blob_footprint(library->text) +
           library->functions.capacity * sizeof(*library->functions.items);
}

/* ---- lists ---- */

struct library_list {
    struct function_library **items;
    size_t count, capacity;
};

static int compare_names(const void *a, const void *b) {
    const struct function_library *x = *(struct function_library *const *)a;
    const struct function_library *y = *(struct function_library *const *)b;
    return slice_compare(x->name, y->name);
}

/* Put the list in place; what only the old one had is released. */
static void replace(struct script_store *store, struct library_list list)
    REQUIRES(SCRIPT_TABLE_LOCK) {
    struct library_list old = {store->libraries, store->library_count, store->library_capacity};
    store->libraries = list.items;
    store->library_count = list.count;
    store->library_capacity = list.capacity;
    store->library_bytes = store->function_count = 0;
    for (size_t i = 0; i < list.count; i++) {
        store->library_bytes += footprint(list.items[i]);
        store->function_count += list.items[i]->functions.count;
        function_library_acquire(list.items[i]);
    }
    for (size_t i = 0; i < old.count; i++)
        function_library_release(store->allocator, old.items[i]);
    allocator_release(store->allocator, old.items, old.capacity * sizeof(*old.items));
    atomic_fetch_add_explicit(&store->version, 1, memory_order_release);
}

static const struct function_library *find_by_name(struct function_library *const *items,
                                                   size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++)
        if (slice_equal(items[i]->name, name))
            return items[i];
    return NULL;
}

/* A function of the library that is in one of the list too, or NULL. */
static const char *find_clash(const struct library_list *list,
                              const struct function_library *library) {
    for (size_t i = 0; i < list->count; i++)
        for (size_t f = 0; f < list->items[i]->functions.count; f++)
            for (size_t g = 0; g < library->functions.count; g++)
                if (strcasecmp(list->items[i]->functions.items[f].name,
                               library->functions.items[g].name) == 0)
                    return library->functions.items[g].name;
    return NULL;
}

static void refuse_library(struct reply *error, struct slice name, const char *quote) {
    reply_error_format(error, "ERR Library %s%.*s%s already exists", quote,
                       (int)(name.size < 256 ? name.size : 256), (const char *)name.data, quote);
}

enum larder_status script_store_add_libraries(struct script_store *store,
                                              struct function_library **libraries, size_t count,
                                              enum function_policy policy, const char *quote,
                                              struct reply *error) {
    enum larder_status status = LARDER_OK;
    script_store_lock(store);
    struct library_list list = {.capacity = store->library_count + count};
    if (list.capacity > 0)
        list.items = allocator_allocate(store->allocator, list.capacity * sizeof(*list.items));
    if (list.items == NULL && list.capacity > 0) {
        script_store_unlock(store);
        reply_error(error, "OOM not enough memory for the library");
        return LARDER_NO_MEMORY;
    }
    for (size_t i = 0; i < store->library_count && policy != FUNCTIONS_FLUSH; i++) {
        struct function_library *old = store->libraries[i];
        if (find_by_name(libraries, count, old->name) == NULL) {
            list.items[list.count++] = old;
        } else if (policy == FUNCTIONS_APPEND) {
            refuse_library(error, old->name, quote);
            status = LARDER_EXISTS;
            break;
        }
    }
    for (size_t i = 0; i < count && status == LARDER_OK; i++) {
        const char *clash = find_clash(&list, libraries[i]);
        if (find_by_name(list.items, list.count, libraries[i]->name) != NULL) {
            refuse_library(error, libraries[i]->name, quote);
            status = LARDER_EXISTS;
        } else if (clash != NULL) {
            reply_error_format(error, "ERR Function %s already exists", clash);
            status = LARDER_EXISTS;
        } else {
            list.items[list.count++] = libraries[i];
        }
    }
    if (status == LARDER_OK) {
        if (list.count > 0)
            qsort(list.items, list.count, sizeof(*list.items), compare_names);
        if (policy == FUNCTIONS_FLUSH)
            atomic_fetch_add_explicit(&store->function_flushes, 1, memory_order_relaxed);
        replace(store, list);
    } else {
        allocator_release(store->allocator, list.items, list.capacity * sizeof(*list.items));
    }
    script_store_unlock(store);
    return status;
}

bool script_store_has_library(struct script_store *store, struct slice name) {
    script_store_lock(store);
    bool has = find_by_name(store->libraries, store->library_count, name) != NULL;
    script_store_unlock(store);
    return has;
}

bool script_store_delete_library(struct script_store *store, struct slice name) {
    bool is_found = false;
    script_store_lock(store);
    for (size_t i = 0; i < store->library_count && !is_found; i++) {
        struct function_library *library = store->libraries[i];
        if (!slice_equal(library->name, name))
            continue;
        is_found = true;
        store->library_bytes -= footprint(library);
        store->function_count -= library->functions.count;
        store->library_count--;
        for (size_t j = i; j < store->library_count; j++)
            store->libraries[j] = store->libraries[j + 1];
        function_library_release(store->allocator, library);
        atomic_fetch_add_explicit(&store->version, 1, memory_order_release);
    }
    script_store_unlock(store);
    return is_found;
}

void script_store_flush_libraries(struct script_store *store) {
    script_store_lock(store);
    atomic_fetch_add_explicit(&store->function_flushes, 1, memory_order_relaxed);
    replace(store, (struct library_list){NULL, 0, 0});
    script_store_unlock(store);
}

struct function_library **script_store_libraries(struct script_store *store, size_t *out_count,
                                                 uint64_t *out_version, bool *out_failed) {
    struct function_library **copy = NULL;
    script_store_lock(store);
    size_t count = store->library_count;
    if (count > 0)
        copy = allocator_allocate(store->allocator, count * sizeof(struct function_library *));
    *out_failed = copy == NULL && count > 0;
    *out_count = copy != NULL ? count : 0;
    *out_version = atomic_load_explicit(&store->version, memory_order_relaxed);
    for (size_t i = 0; i < *out_count; i++)
        copy[i] = function_library_acquire(store->libraries[i]);
    script_store_unlock(store);
    return copy;
}

void script_store_release_libraries(struct script_store *store, struct function_library **libraries,
                                    size_t count) {
    for (size_t i = 0; i < count; i++)
        function_library_release(store->allocator, libraries[i]);
    allocator_release(store->allocator, libraries, count * sizeof(struct function_library *));
}
