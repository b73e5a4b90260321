/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs commands on a keyspace of its own, as a node would on one thread: it checks the arity,
 * begins and commits the effects, fills the reserve and tries again when memory ran out, and cuts
 * the reply of what failed. Its allocator counts what is held and can refuse the n-th request. */
#ifndef LARDER_TESTS_CALL_DRIVER_H
#define LARDER_TESTS_CALL_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/call.h"
#include "store/digest.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    DRIVER_WORDS_MAX = 64,
    DRIVER_LINE_MAX = 1 << 14,
    DRIVER_NOW_MS = 1000000,
    DRIVER_RETRIES = 4,
};

struct driver {
    struct allocator allocator;
    int64_t held_bytes;
    int64_t allocations_left; /* requests until one is refused; negative: never */
    bool was_refused;
    struct keyspace keyspace;
    struct store_thread thread;
    struct effects effects;
    struct reply reply;
    uint32_t database;
    uint32_t flags;
    int64_t max_value_bytes;
    bool retries;          /* after LARDER_NO_MEMORY, as a node does */
    bool uses_blobs;       /* large arguments arrive in blobs */
    struct slice only_key; /* for the next calls; data NULL: all keys count */
    bool changed;          /* of the last call */
    struct call_wait wait; /* of the last call */
    enum larder_status status;
    struct slice words[DRIVER_WORDS_MAX];
    char line[DRIVER_LINE_MAX];
    size_t line_used;
};

static inline bool driver_may_allocate(struct driver *d) {
    if (d->allocations_left < 0)
        return true;
    if (d->allocations_left-- > 0)
        return true;
    d->allocations_left = -1;
    d->was_refused = true;
    return false;
}

static inline void *driver_allocate(void *context, size_t size) {
    struct driver *d = context;
    if (!driver_may_allocate(d))
        return NULL;
    d->held_bytes += (int64_t)size;
    return malloc(size);
}

static inline void *driver_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    struct driver *d = context;
    if (!driver_may_allocate(d))
        return NULL;
    d->held_bytes += (int64_t)new_size - (int64_t)old_size;
    return realloc(pointer, new_size);
}

static inline void driver_release(void *context, void *pointer, size_t size) {
    struct driver *d = context;
    if (pointer != NULL)
        d->held_bytes -= (int64_t)size;
    free(pointer);
}

static inline void *driver_map(void *context, size_t size) {
    struct driver *d = context;
    return driver_may_allocate(d) ? ALLOCATOR_SYSTEM.map(ALLOCATOR_SYSTEM.context, size) : NULL;
}

static inline void driver_unmap(void *context, void *pointer, size_t size) {
    (void)context;
    ALLOCATOR_SYSTEM.unmap(ALLOCATOR_SYSTEM.context, pointer, size);
}

/* Partition count 1 puts all keys together, where puts disturb each other most. */
static inline void driver_init(struct driver *d, uint32_t partition_count) {
    memset(d, 0, sizeof(*d));
    d->allocator = (struct allocator){driver_allocate, driver_resize, driver_release,
                                      driver_map,      driver_unmap,  d};
    d->allocations_left = -1;
    d->max_value_bytes = 512 << 20;
    d->retries = true;
    struct keyspace_options options = {
        .allocator = &d->allocator,
        .partition_count = partition_count,
        .delete_command = COMMAND_DEL,
        .element_delete_command = COMMAND_HDEL,
        .seed = 7,
    };
    assert_int_equal(keyspace_init(&d->keyspace, &options), LARDER_OK);
    store_thread_init(&d->thread, &d->keyspace, 11);
    d->thread.now_ms = DRIVER_NOW_MS;
    effects_init(&d->effects, &d->allocator);
    d->thread.effects = &d->effects;
    reply_init(&d->reply, &d->allocator);
    d->reply.protocol = 2;
}

static inline void driver_drop_wait(struct driver *d) {
    allocator_release(&d->allocator, d->wait.arguments,
                      d->wait.argument_capacity * sizeof(*d->wait.arguments));
    d->wait = (struct call_wait){0};
}

static inline void driver_finish(struct driver *d) NO_THREAD_SAFETY {
    driver_drop_wait(d);
    reply_finish(&d->reply);
    effects_finish(&d->effects);
    store_thread_finish(&d->thread, &d->keyspace);
    keyspace_finish(&d->keyspace);
    assert_int_equal(d->held_bytes, 0);
}

/* What a node does between batches, and after a failure for lack of memory. */
static inline bool driver_fill(struct driver *d) NO_THREAD_SAFETY {
    bool is_filled = reserve_fill(&d->thread.reserve, &d->keyspace.pool) == LARDER_OK;
    (void)store_thread_free_dropped(&d->thread);
    return is_filled;
}

static inline struct slice driver_first_key(const struct command_spec *spec,
                                            const struct slice *argv, size_t argc) {
    size_t index = (size_t)spec->first_key;
    return spec->first_key > 0 && index < argc ? argv[index] : slice_of(NULL, 0);
}

static inline enum larder_status driver_attempt(struct driver *d,
                                                struct call *call) NO_THREAD_SAFETY {
    struct reply_mark mark = reply_mark(&d->reply);
    if (d->thread.effects != NULL &&
        effects_begin(d->thread.effects, call_effect_bound(call)) != LARDER_OK)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_NO_MEMORY;
    if (reply_reserve(&d->reply, CALL_REPLY_RESERVED))
        status = command_functions[call->spec->id](call);
    for (uint32_t i = 0; call->reserved && i < d->keyspace.partition_count; i++)
        partition_end_reserve(keyspace_partition(&d->keyspace, i), &d->thread);
    call->reserved = false;
    if (d->thread.effects != NULL)
        effects_commit(d->thread.effects);
    if (status == LARDER_OK && d->reply.failed)
        status = LARDER_NO_MEMORY;
    if (status != LARDER_OK)
        reply_cut(&d->reply, mark);
    return status;
}

static inline enum larder_status driver_call(struct driver *d, const struct slice *argv,
                                             size_t argc) NO_THREAD_SAFETY {
    const struct command_spec *spec = command_find((const char *)argv[0].data, argv[0].size);
    assert_non_null(spec);
    if (spec->subcommand_count > 0) {
        assert_true(argc > 1);
        spec = command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
        assert_non_null(spec);
    }
    assert_non_null(command_functions[spec->id]);
    bool has_arity = spec->arity >= 0 ? argc == (size_t)spec->arity : argc >= (size_t)-spec->arity;
    if (!has_arity) {
        reply_error_format(&d->reply, "ERR wrong number of arguments for '%s' command", spec->name);
        return LARDER_OK;
    }
    struct call call = {
        .spec = spec,
        .argc = argc,
        .argv = argv,
        .keyspace = &d->keyspace,
        .thread = &d->thread,
        .database = d->database,
        .flags = d->flags,
        .max_value_bytes = d->max_value_bytes,
        .only_key = d->only_key,
        .reply = &d->reply,
    };
    driver_drop_wait(d);
    struct slice first = driver_first_key(spec, argv, argc);
    if (first.data != NULL)
        call.key = call_key(&call, first);
    struct blob *blobs[DRIVER_WORDS_MAX] = {NULL};
    for (size_t i = 0; d->uses_blobs && i < argc; i++) {
        if (argv[i].size < 2048)
            continue;
        blobs[i] = blob_create(&ALLOCATOR_SYSTEM, argv[i].size);
        memcpy(blobs[i]->data, argv[i].data, argv[i].size);
        blobs[i]->size = argv[i].size;
    }
    call.argv_blobs = d->uses_blobs ? blobs : NULL;
    enum larder_status status = driver_attempt(d, &call);
    /* A command over many partitions may need the reserve raised more than once. */
    for (unsigned i = 0; i < DRIVER_RETRIES && status == LARDER_NO_MEMORY && d->retries; i++) {
        reserve_raise(&d->thread.reserve);
        (void)driver_fill(d);
        status = driver_attempt(d, &call);
    }
    for (size_t i = 0; i < argc; i++)
        blob_release(blobs[i]);
    d->changed = call.changed;
    d->wait = call.wait;
    return status;
}

/* Split a line at blanks; "..." holds blanks, nothing is escaped. */
static inline size_t driver_split(struct driver *d, const char *line) {
    size_t count = 0;
    const char *at = line;
    while (*at != '\0') {
        if (*at == ' ') {
            at++;
            continue;
        }
        char stop = *at == '"' ? '"' : ' ';
        at += stop == '"';
        const char *end = strchr(at, stop);
        if (end == NULL)
            end = at + strlen(at);
        assert_true(count < DRIVER_WORDS_MAX);
        d->words[count++] = slice_of(at, (size_t)(end - at));
        at = *end == '"' ? end + 1 : end;
    }
    return count;
}

/* The reply's bytes, with blobs in their places, as text that lives until the next run. */
static inline const char *driver_reply_text(struct driver *d) {
    size_t at = 0, used = 0;
    for (size_t i = 0; i <= d->reply.reference_count; i++) {
        bool is_last = i == d->reply.reference_count;
        size_t end = is_last ? d->reply.used : d->reply.references[i].at;
        assert_true(used + (end - at) < DRIVER_LINE_MAX);
        if (end > at)
            memcpy(d->line + used, d->reply.data + at, end - at);
        used += end - at;
        at = end;
        if (is_last)
            break;
        struct slice blob = blob_slice(d->reply.references[i].blob);
        assert_true(used + blob.size < DRIVER_LINE_MAX);
        memcpy(d->line + used, blob.data, blob.size);
        used += blob.size;
    }
    d->line[used] = '\0';
    d->line_used = used;
    return d->line;
}

/* Run one line; returns the raw reply. */
static inline const char *driver_run(struct driver *d, const char *line) {
    size_t count = driver_split(d, line);
    reply_clear(&d->reply);
    (void)driver_fill(d);
    d->status = driver_call(d, d->words, count);
    if (d->status != LARDER_OK)
        reply_error_format(&d->reply, "%s %s", larder_status_prefix(d->status),
                           larder_status_text(d->status));
    return driver_reply_text(d);
}

#define EXPECT(d, line, reply) assert_string_equal(driver_run(d, line), reply)

/* ---- what a keyspace holds ---- */

static inline void driver_print_element(void *context, const struct slice *parts, size_t count) {
    FILE *out = context;
    for (size_t i = 0; i < count; i++) {
        fputc(i == 0 ? '(' : ' ', out);
        for (size_t k = 0; k < parts[i].size; k++)
            fprintf(out, parts[i].data[k] >= ' ' && parts[i].data[k] < 127 ? "%c" : "\\%02x",
                    parts[i].data[k]);
    }
    fputc(')', out);
}

/* Keys of database 0, expired ones included. */
static inline uint64_t driver_key_count(struct driver *d) NO_THREAD_SAFETY {
    uint64_t count = 0;
    for (uint32_t i = 0; i < d->keyspace.partition_count; i++)
        count +=
            partition_count(keyspace_partition(&d->keyspace, i), d->keyspace.collections[0]).keys;
    return count;
}

/* One line "key=value@expiry" per key given that is there, in the order given: equal texts mean
 * equal keyspaces as far as these keys go. Owned by the caller (free). */
static inline char *driver_image(struct driver *d, const char *const *keys, size_t key_count,
                                 uint32_t database_count) NO_THREAD_SAFETY {
    char *image = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&image, &size);
    for (uint32_t database = 0; database < database_count; database++) {
        for (size_t i = 0; i < key_count; i++) {
            struct key key = keyspace_key(&d->keyspace, slice_of_string(keys[i]),
                                          d->keyspace.collections[database]);
            struct entry entry;
            struct partition *p = keyspace_partition(&d->keyspace, key.partition);
            if (!partition_find(p, &d->keyspace, &key, &entry))
                continue;
            if (entry.expiry_ms != 0 && entry.expiry_ms < d->thread.now_ms)
                continue;
            uint8_t scratch[INT64_TEXT_MAX];
            struct slice text = value_text(&entry.value, scratch);
            fprintf(out, "%u %s=", database, keys[i]);
            if (entry.value.kind == VALUE_OBJECT) {
                /* Unordered containers show their elements as a digest, which no order changes. */
                const struct object_type *type = entry.value.object->type;
                uint8_t digest[DIGEST_TEXT_BYTES];
                digest_format(digest_entry(&entry, database), digest);
                fprintf(out, "%s %d %.*s", object_kind_name(type->kind),
                        (int)object_length(entry.value.object), DIGEST_TEXT_BYTES,
                        (const char *)digest);
                if (type->is_ordered)
                    type->visit(entry.value.object, driver_print_element, out);
            }
            for (size_t k = 0; k < text.size; k++)
                fprintf(out, text.data[k] >= ' ' && text.data[k] < 127 ? "%c" : "\\%02x",
                        text.data[k]);
            fprintf(out, "@%lld\n", (long long)entry.expiry_ms);
        }
    }
    fclose(out);
    return image;
}

#endif
