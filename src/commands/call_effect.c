/* SPDX-License-Identifier: BSD-3-Clause */
/* Effects leave a command as parts of the record that the caller began, and come back here to be
 * executed by the same functions. */
#include "commands/call.h"

enum {
    APPLY_ARGUMENTS = 16,                  /* parts with more take memory from the heap */
    SET_SUFFIX_BYTES = 4 + INT64_TEXT_MAX, /* PXAT and its time */
};

static bool is_emitting(const struct call *call) {
    return call->thread->effects != NULL && (call->flags & CALL_APPLY) == 0;
}

static void emit(struct call *call, uint32_t partition, uint32_t collection, enum command_id id,
                 const struct slice *arguments, size_t count) {
    struct effect_part part = {
        .partition = partition,
        .collection = collection,
        .time_ms = call->thread->now_ms,
        .command = (uint32_t)id,
        .argument_count = count,
    };
    effects_append(call->thread->effects, &part, arguments);
}

size_t call_effect_bound(const struct call *call) {
    size_t bound = 0;
    for (size_t i = 1; i < call->argc; i++)
        bound += effects_part_bound(4, call->argv[i].size + SET_SUFFIX_BYTES);

    const struct command_spec *spec = call->spec;
    size_t first = 1, last = call->argc - 1, step = 1;
    if (spec->first_key > 0) {
        first = (size_t)spec->first_key;
        step = (size_t)spec->key_step;
        if (spec->last_key >= 0)
            last = (size_t)spec->last_key;
    }
    for (size_t i = first; i <= last && i < call->argc; i += step)
        bound += effects_part_bound(1, call->argv[i].size);
    return bound;
}

enum larder_status call_reserve_effect(struct call *call, size_t size) {
    return is_emitting(call) ? effects_reserve(call->thread->effects, size) : LARDER_OK;
}

void call_effect(struct call *call, enum command_id id, const struct slice *arguments,
                 size_t count) {
    if (!is_emitting(call))
        return;
    const struct keyspace *keyspace = call->keyspace;
    uint32_t partition = call->key.text.data == arguments[0].data
                             ? call->key.partition
                             : keyspace_partition_id(keyspace, arguments[0]);
    emit(call, partition, keyspace_collection(keyspace, call->database), id, arguments, count);
}

/* Words of a command's name: a subcommand has two. */
static size_t name_words(const struct command_spec *spec) {
    return spec->parent < 0 ? 1 : 2;
}

void call_effect_verbatim(struct call *call) {
    size_t words = name_words(call->spec);
    call_effect(call, (enum command_id)call->spec->id, call->argv + words, call->argc - words);
}

void call_effect_set(struct call *call, const struct key *key, struct slice value,
                     int64_t expiry_ms) {
    if (!is_emitting(call))
        return;
    uint8_t text[INT64_TEXT_MAX];
    struct slice arguments[4] = {key->text, value};
    size_t count = 2;
    if (expiry_ms != 0) {
        arguments[count++] = SLICE_LITERAL("PXAT");
        arguments[count++] = slice_of(text, int64_format(expiry_ms, text));
    }
    emit(call, key->partition, key->collection, COMMAND_SET, arguments, count);
}

void call_effect_restore(struct call *call, const struct key *key, struct slice payload,
                         int64_t expiry_ms) {
    if (!is_emitting(call))
        return;
    uint8_t text[INT64_TEXT_MAX];
    struct slice arguments[] = {
        key->text,
        slice_of(text, int64_format(expiry_ms, text)),
        payload,
        SLICE_LITERAL("REPLACE"),
        SLICE_LITERAL("ABSTTL"),
    };
    emit(call, key->partition, key->collection, COMMAND_RESTORE, arguments,
         sizeof(arguments) / sizeof(*arguments));
}

void call_effect_delete(struct call *call, const struct key *key) {
    if (is_emitting(call))
        emit(call, key->partition, key->collection, COMMAND_DEL, &key->text, 1);
}

void call_effect_expiry(struct call *call, const struct key *key, int64_t expiry_ms) {
    if (!is_emitting(call))
        return;
    uint8_t text[INT64_TEXT_MAX];
    struct slice arguments[2] = {key->text};
    if (expiry_ms == 0) {
        emit(call, key->partition, key->collection, COMMAND_PERSIST, arguments, 1);
        return;
    }
    arguments[1] = slice_of(text, int64_format(expiry_ms, text));
    emit(call, key->partition, key->collection, COMMAND_PEXPIREAT, arguments, 2);
}

/* ---- applying ---- */

/* The number of the database that holds a collection. False when none does. */
static bool find_database(const struct keyspace *keyspace, uint32_t collection,
                          uint32_t *out_database) {
    for (uint32_t i = 0; i < keyspace->database_count; i++) {
        if (keyspace_collection(keyspace, i) == collection) {
            *out_database = i;
            return true;
        }
    }
    return false;
}

static bool has_arity(const struct command_spec *spec, size_t argc) {
    return spec->arity >= 0 ? argc == (size_t)spec->arity : argc >= (size_t)-spec->arity;
}

static bool is_applicable(const struct effect_part *part) {
    if (part->command >= COMMAND_COUNT || part->argument_count == 0)
        return false;
    const struct command_spec *spec = &command_table[part->command];
    return command_functions[part->command] != NULL && (spec->flags & COMMAND_FLAG_WRITE) != 0 &&
           has_arity(spec, part->argument_count + name_words(spec));
}

static enum larder_status run(struct call *call, const struct effect_part *part)
    REQUIRES(PARTITION_LOCK);

static enum larder_status run(struct call *call, const struct effect_part *part) {
    call->key = keyspace_key(call->keyspace, call->argv[name_words(call->spec)], part->collection);
    if (call->key.partition != part->partition)
        return LARDER_CORRUPT;
    struct reply_mark mark = reply_mark(call->reply);
    enum larder_status status = command_functions[part->command](call);
    if (call->reserved)
        partition_end_reserve(keyspace_partition(call->keyspace, part->partition), call->thread);
    bool is_refused = call->reply->used > mark.used && call->reply->data[mark.used] == '-';
    reply_cut(call->reply, mark);
    if (status == LARDER_OK && is_refused)
        return LARDER_CORRUPT;
    return status == LARDER_OK || status == LARDER_NO_MEMORY ? status : LARDER_CORRUPT;
}

static bool is_of_databases(const struct effect_part *part) {
    return part->command == COMMAND_FLUSHDB || part->command == COMMAND_SWAPDB;
}

/* Pairs of a database and its collection id. All is checked before anything changes. */
REQUIRES(PARTITION_LOCK)
static enum larder_status apply_to_databases(struct keyspace *keyspace,
                                             const struct effect_part *part,
                                             const struct slice *arguments) {
    uint64_t database, collection;
    if (part->argument_count == 0 || part->argument_count % 2 != 0)
        return LARDER_CORRUPT;
    for (size_t i = 0; i < part->argument_count; i += 2)
        if (!slice_to_uint64(arguments[i], &database) || database >= keyspace->database_count ||
            !slice_to_uint64(arguments[i + 1], &collection) || collection >= UINT32_MAX)
            return LARDER_CORRUPT;
    for (size_t i = 0; i < part->argument_count; i += 2) {
        (void)slice_to_uint64(arguments[i], &database);
        (void)slice_to_uint64(arguments[i + 1], &collection);
        atomic_store_explicit(&keyspace->collections[database], (uint32_t)collection,
                              memory_order_relaxed);
        if (keyspace->next_collection <= collection)
            keyspace->next_collection = (uint32_t)collection + 1;
    }
    return LARDER_OK;
}

enum larder_status call_apply_effect(struct keyspace *keyspace, struct store_thread *thread,
                                     const struct effect_part *part, const struct slice *arguments,
                                     struct reply *scratch) {
    if (is_of_databases(part))
        return apply_to_databases(keyspace, part, arguments);
    if (!is_applicable(part))
        return LARDER_CORRUPT;
    struct slice fixed[APPLY_ARGUMENTS];
    size_t words = name_words(&command_table[part->command]);
    struct call call = {
        .spec = &command_table[part->command],
        .argc = part->argument_count + words,
        .argv = fixed,
        .keyspace = keyspace,
        .thread = thread,
        .flags = CALL_APPLY,
        .max_value_bytes = INT64_MAX,
        .reply = scratch,
    };
    if (!find_database(keyspace, part->collection, &call.database))
        return LARDER_OK;
    struct slice *argv = fixed;
    size_t bytes = call.argc * sizeof(*argv);
    if (call.argc > APPLY_ARGUMENTS) {
        argv = allocator_allocate(keyspace->allocator, bytes);
        if (argv == NULL)
            return LARDER_NO_MEMORY;
    }
    argv[0] = argv[words - 1] = slice_of_string(call.spec->short_name);
    memcpy(argv + words, arguments, part->argument_count * sizeof(*argv));
    call.argv = argv;
    enum larder_status status = run(&call, part);
    if (argv != fixed)
        allocator_release(keyspace->allocator, argv, bytes);
    return status;
}
