/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's life, and executing: a command runs in a section of its one partition, so that the
 * deletion of what had expired, evictions and the command itself are one effect. An expired key is
 * deleted also by a read: that it was gone has then been said, and must hold after a failover to a
 * member whose clock is behind. */
#include "node/partition_store.h"

#include "cluster/mutants.h"
#include "node/section.h"
#include "store/eviction.h"
#include "store/expiry.h"

enum {
    SWEEP_RECORDS = 256,
    EVICTION_STEPS_MAX = 16,
    PRESSURE_STEPS = 8,           /* in so many steps a replica's machine is brought to its limit */
    OVERSHOOT_BYTES = 256 * 1024, /* holes in segments: evicted, to be given back by cleaning */
};

/* ---- life ---- */

static struct digest_key digest_key_of(uint64_t seed) {
    uint8_t bytes[16];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(seed >> 8 * (i % 8));
    struct digest key = siphash128(bytes, SLICE_LITERAL("digests of partitions"));
    return (struct digest_key){{key.low, key.high}};
}

static enum larder_status init_host(struct store_host *host,
                                    const struct store_host_options *options) {
    struct node_options node_options = {.allocator = host->allocator,
                                        .partition_count = options->partition_count,
                                        .database_count = 1,
                                        .seed = options->hash_seed,
                                        .emits_effects = true};
    enum larder_status status = node_create(&node_options, &host->node);
    if (status != LARDER_OK)
        return status;
    status = node_thread_init(&host->thread, host->node);
    if (status != LARDER_OK) {
        node_destroy(host->node);
        host->node = NULL;
        return status;
    }
    host->thread.store.random = random_seeded(options->random_seed);
    host->thread.effects.limit = options->effect_bytes_max;
    atomic_store(&host->node->max_memory_bytes, options->max_memory_bytes);
    atomic_store(&host->node->keyspace.policy, (uint32_t)options->policy);
    uint32_t count = host->node->keyspace.partition_count;
    host->partitions = allocator_allocate(host->allocator, count * sizeof(*host->partitions));
    if (host->partitions == NULL)
        return LARDER_NO_MEMORY;
    for (uint32_t id = 0; id < count; id++)
        host->partitions[id] = (struct hosted_partition){.host = host, .id = id};
    return LARDER_OK;
}

enum larder_status store_host_create(const struct store_host_options *options,
                                     struct store_host **out) {
    const struct allocator *a = options->allocator != NULL ? options->allocator : &ALLOCATOR_SYSTEM;
    if (options->hash_seed == 0)
        return LARDER_INVALID;
    struct store_host *host = allocator_allocate_zeroed(a, sizeof(*host));
    if (host == NULL)
        return LARDER_NO_MEMORY;
    host->allocator = a;
    reply_init(&host->reply, a);
    host->reply.protocol = 2;
    host->digest_key = CLUSTER_MUTATED(MUTANT_DIGEST_WITHOUT_SECRET)
                           ? (struct digest_key){{0, 0}}
                           : digest_key_of(options->hash_seed);
    effects_init(&host->items, a);
    effects_init(&host->undo.images, a);
    enum larder_status status = init_host(host, options);
    if (status != LARDER_OK) {
        store_host_destroy(host);
        return status;
    }
    *out = host;
    return LARDER_OK;
}

void store_host_destroy(struct store_host *host) {
    if (host == NULL)
        return;
    const struct allocator *a = host->allocator;
    if (host->partitions != NULL)
        allocator_release(a, host->partitions,
                          host->node->keyspace.partition_count * sizeof(*host->partitions));
    if (host->node != NULL)
        node_thread_finish(&host->thread);
    node_destroy(host->node);
    hosted_scripts_destroy(host);
    hosted_undo_finish(host);
    reply_finish(&host->reply);
    effects_finish(&host->items);
    allocator_release(a, host->arguments, host->argument_capacity * sizeof(*host->arguments));
    allocator_release(a, host->bytes, host->bytes_capacity);
    allocator_release(a, host, sizeof(*host));
}

uint32_t store_host_partition_of(const struct store_host *host, struct slice key) {
    return keyspace_partition_id(&host->node->keyspace, key);
}

void store_host_set_protocol(struct store_host *host, uint8_t protocol) {
    host->reply.protocol = protocol;
}

bool store_host_need_bytes(struct store_host *host, size_t size) {
    if (size <= host->bytes_capacity)
        return true;
    uint8_t *grown = allocator_resize(host->allocator, host->bytes, host->bytes_capacity, size);
    if (grown == NULL)
        return false;
    host->bytes = grown;
    host->bytes_capacity = size;
    return true;
}

void store_host_begin(struct store_host *host, int64_t now_ms) {
    effects_clear(&host->thread.effects);
    effects_clear(&host->items);
    reply_clear(&host->reply);
    node_thread_tick(&host->thread, now_ms);
    while (store_thread_free_dropped(&host->thread.store)) {
    }
}

/* ---- what a command may touch ---- */

const struct command_spec *hosted_find_command(const struct slice *argv, size_t argc) {
    const struct command_spec *spec =
        argc == 0 ? NULL : command_find((const char *)argv[0].data, argv[0].size);
    if (spec == NULL || spec->subcommand_count == 0 || argc < 2)
        return spec;
    return command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
}

enum larder_status hosted_list_keys(struct store_host *host, const struct command_spec *spec,
                                    const struct slice *argv, size_t argc, struct key_list *out) {
    struct command_keys keys = {.items = out->few, .capacity = HOSTED_KEYS_ON_STACK};
    out->items = out->few;
    enum larder_status status = command_get_keys(spec, argc, argv, &keys);
    out->count = status == LARDER_OK ? keys.count : 0;
    if (out->count <= HOSTED_KEYS_ON_STACK)
        return LARDER_OK; /* where the words name no keys the command says what is wrong */
    out->items = allocator_allocate(host->allocator, out->count * sizeof(*out->items));
    if (out->items == NULL)
        return LARDER_NO_MEMORY;
    keys = (struct command_keys){.items = out->items, .capacity = out->count};
    (void)command_get_keys(spec, argc, argv, &keys);
    return LARDER_OK;
}

void hosted_drop_keys(struct store_host *host, struct key_list *keys) {
    if (keys->items != keys->few)
        allocator_release(host->allocator, keys->items, keys->count * sizeof(*keys->items));
}

bool hosted_is_script(const struct command_spec *spec) {
    return spec->id == COMMAND_EVAL || spec->id == COMMAND_EVAL_RO || spec->id == COMMAND_FCALL ||
           spec->id == COMMAND_FCALL_RO;
}

bool hosted_is_write(const struct command_spec *spec) {
    return (spec->flags & (COMMAND_FLAG_WRITE | COMMAND_FLAG_MAY_REPLICATE)) != 0;
}

bool hosted_is_permitted(struct hosted_partition *p, const struct command_spec *spec,
                         const struct slice *argv, size_t argc) {
    struct reply *reply = &p->host->reply;
    if (spec == NULL || argc == 0) {
        reply_error(reply, "ERR unknown command");
        return false;
    }
    if (!command_arity_fits(spec, argc) || (spec->subcommand_count > 0 && argc < 2)) {
        reply_error_format(reply, "ERR wrong number of arguments for '%s' command", spec->name);
        return false;
    }
    if (spec->id == COMMAND_FLUSHALL || spec->id == COMMAND_FLUSHDB || hosted_is_script(spec))
        return true;
    if (command_functions[spec->id] == NULL || !command_has_keys(spec)) {
        reply_error_format(reply, "ERR '%s' is no command of one partition", spec->name);
        return false;
    }
    if (node_has_unknown_keys(spec, argc, argv)) {
        reply_error_format(reply, "ERR '%s' with keys that it does not name is denied in a cluster",
                           spec->name);
        return false;
    }
    return true;
}

bool hosted_has_only_own_keys(struct hosted_partition *p, const struct key_list *keys,
                              const struct slice *argv) {
    size_t own = 0;
    for (size_t i = 0; i < keys->count; i++)
        own += store_host_partition_of(p->host, argv[keys->items[i].position]) == p->id;
    if (own == keys->count)
        return true;
    if (own > 0)
        reply_error(&p->host->reply, "CROSSSLOT Keys in request don't hash to the same slot");
    else
        reply_error(&p->host->reply, "ERR the keys belong to another partition");
    return false;
}

/* ---- in the section ---- */

bool hosted_remove_expired(struct hosted_partition *hosted, struct slice text) NO_THREAD_SAFETY {
    struct node_thread *thread = &hosted->host->thread;
    struct keyspace *keyspace = &thread->node->keyspace;
    struct partition *p = keyspace_partition(keyspace, hosted->id);
    struct key key = keyspace_key(keyspace, text, keyspace_collection(keyspace, 0));
    int64_t now_ms = thread->store.now_ms;
    struct entry entry;
    for (;;) {
        if (!partition_find(p, keyspace, &key, &entry))
            return true;
        if (expiry_has_passed(entry.expiry_ms, now_ms))
            return expiry_remove(p, keyspace, &thread->store, hosted->id, &entry);
        if (entry.value.kind != VALUE_OBJECT || object_due_ms(entry.value.object) >= now_ms)
            return true;
        bool is_deleted;
        if (expiry_remove_elements(p, keyspace, &thread->store, hosted->id, &entry, &is_deleted) ==
            0)
            return is_deleted || object_due_ms(entry.value.object) >= now_ms;
    }
}

/* False: there is nothing to evict. */
static bool evict(struct hosted_partition *hosted, int64_t bytes) NO_THREAD_SAFETY {
    struct node_thread *thread = &hosted->host->thread;
    struct keyspace *keyspace = &thread->node->keyspace;
    struct partition *p = keyspace_partition(keyspace, hosted->id);
    uint32_t evicted;
    if (eviction_age(p, keyspace) == UINT64_MAX)
        return false;
    (void)eviction_step(p, keyspace, &thread->store, hosted->id, bytes, &evicted);
    return true;
}

/* Evict from this partition while the node is above its limit. */
static bool meet_own_limit(struct hosted_partition *hosted) {
    struct node_thread *thread = &hosted->host->thread;
    struct node *node = thread->node;
    int64_t limit = atomic_load_explicit(&node->max_memory_bytes, memory_order_relaxed);
    if (limit == 0)
        return true;
    for (unsigned i = 0; i < EVICTION_STEPS_MAX; i++) {
        store_thread_report(&thread->store, &node->keyspace);
        int64_t above = node_used_bytes(node) - limit;
        if (above <= 0 || (i > 0 && above <= OVERSHOOT_BYTES))
            return true;
        if (!evict(hosted, above))
            return false;
    }
    return false;
}

static int64_t partition_bytes(const struct hosted_partition *hosted) NO_THREAD_SAFETY {
    struct partition_usage usage =
        partition_usage(keyspace_partition(&hosted->host->node->keyspace, hosted->id));
    return (int64_t)(usage.live_bytes + usage.blob_bytes);
}

/* The other machine is to get rid of the part of it that is too much, of each partition alike. It
 * hears of it, and tells how it is, later, so that each time only some goes. */
static bool meet_limit_of_others(struct hosted_partition *hosted) {
    int64_t pressure = hosted->pressure;
    if (pressure <= 1000 || CLUSTER_MUTATED(MUTANT_PRESSURE_IGNORED))
        return true;
    int64_t goal = partition_bytes(hosted) * (pressure - 1000) / pressure / PRESSURE_STEPS + 1;
    int64_t until = partition_bytes(hosted) - goal;
    for (unsigned i = 0; i < EVICTION_STEPS_MAX && partition_bytes(hosted) > until; i++)
        if (!evict(hosted, goal))
            return false;
    return true;
}

bool hosted_make_room(struct hosted_partition *hosted) {
    return meet_own_limit(hosted) && meet_limit_of_others(hosted);
}

/* Everything goes: one part without arguments. */
static void flush(struct hosted_partition *hosted) {
    struct node_thread *thread = &hosted->host->thread;
    if (effects_reserve(&thread->effects, effects_part_bound(0, 0)) != LARDER_OK) {
        reply_error(&hosted->host->reply, NODE_OUT_OF_MEMORY_TEXT);
        return;
    }
    struct effect_part part = {
        .partition = hosted->id, .time_ms = thread->store.now_ms, .command = COMMAND_FLUSHALL};
    effects_append(&thread->effects, &part, NULL);
    hosted_clear_bucket(hosted, PARTITION_WHOLE);
    reply_ok(&hosted->host->reply);
}

static bool starts_with(struct slice text, const char *prefix) {
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

bool hosted_run_command(struct hosted_partition *hosted, const struct command_spec *spec,
                        const struct slice *argv, size_t argc) {
    struct reply *reply = &hosted->host->reply;
    size_t begin = reply->used;
    if (hosted_is_script(spec))
        return hosted_run_script(hosted, spec, argv, argc);
    if (spec->id == COMMAND_FLUSHALL || spec->id == COMMAND_FLUSHDB) {
        flush(hosted);
    } else {
        struct call call = {.spec = spec, .argc = argc, .argv = argv, .reply = reply};
        (void)node_execute(&hosted->host->thread, &call);
    }
    return !reply->failed && !starts_with(slice_of(reply->data + begin, reply->used - begin),
                                          "-" NODE_OUT_OF_MEMORY_TEXT);
}

/* False: what it changed can't be taken back. */
static bool run(struct hosted_partition *hosted, const struct command_spec *spec,
                const struct slice *argv, size_t argc, const struct key_list *keys) {
    struct store_host *host = hosted->host;
    bool has_memory = true;
    bool is_unrecorded = CLUSTER_MUTATED(MUTANT_EXPIRED_READ_UNRECORDED) &&
                         (spec->flags & COMMAND_FLAG_READONLY) != 0;
    for (size_t i = 0; i < keys->count && has_memory && !is_unrecorded; i++)
        has_memory = hosted_remove_expired(hosted, argv[keys->items[i].position]);
    if (has_memory && hosted_is_script(spec))
        host->has_room = !hosted_is_write(spec) || hosted_make_room(hosted);
    if (has_memory && (spec->flags & COMMAND_FLAG_DENYOOM) != 0)
        has_memory = hosted_make_room(hosted);
    if (!has_memory) {
        reply_error(&host->reply, NODE_OUT_OF_MEMORY_TEXT);
        return true;
    }
    hosted_undo_begin(host);
    return hosted_run_command(hosted, spec, argv, argc) || !hosted_is_script(spec) ||
           CLUSTER_MUTATED(MUTANT_SCRIPT_STOPPED_KEEPS) || hosted_undo(hosted);
}

enum larder_status hosted_enter(struct hosted_partition *p) {
    struct section_plan plan = {
        .kind = SECTION_DECLARED, .partitions = &p->id, .count = 1, .capacity = 1};
    return node_section_begin(&p->host->thread, &plan);
}

/* ---- results ---- */

/* The reply in one piece; empty for want of memory. */
static struct slice flat_reply(struct store_host *host) {
    struct reply *reply = &host->reply;
    if (reply->reference_count == 0)
        return slice_of(reply->data, reply->used);
    if (!store_host_need_bytes(host, reply->used + reply->reference_bytes))
        return slice_of(NULL, 0);
    size_t at = 0, to = 0;
    for (size_t i = 0; i <= reply->reference_count; i++) {
        bool is_last = i == reply->reference_count;
        size_t end = is_last ? reply->used : reply->references[i].at;
        memcpy(host->bytes + to, reply->data + at, end - at);
        to += end - at;
        at = end;
        if (is_last)
            break;
        struct slice blob = blob_slice(reply->references[i].blob);
        memcpy(host->bytes + to, blob.data, blob.size);
        to += blob.size;
    }
    return slice_of(host->bytes, to);
}

void hosted_give(struct store_host *host, struct store_result *out) {
    out->effect = slice_of(host->thread.effects.data, host->thread.effects.used);
    out->reply = flat_reply(host);
}

static void run_read(struct hosted_partition *hosted, const struct command_spec *spec,
                     const struct slice *argv, size_t argc) {
    struct call call = {.spec = spec, .argc = argc, .argv = argv, .reply = &hosted->host->reply};
    (void)node_execute(&hosted->host->thread, &call);
}

static enum larder_status run_any(struct hosted_partition *p, int64_t now_ms, bool only_reads,
                                  const struct slice *argv, size_t argc, struct store_result *out) {
    struct key_list keys = {.count = 0};
    store_host_begin(p->host, now_ms);
    if (!hosted_settle(p->host))
        return LARDER_NO_MEMORY;
    const struct command_spec *spec = hosted_find_command(argv, argc);
    enum larder_status status = LARDER_OK;
    if (!hosted_is_permitted(p, spec, argv, argc) ||
        (only_reads && ((spec->flags & COMMAND_FLAG_READONLY) == 0 || hosted_is_script(spec)))) {
        hosted_give(p->host, out);
        return LARDER_INVALID;
    }
    status = hosted_list_keys(p->host, spec, argv, argc, &keys);
    if (status != LARDER_OK)
        return status;
    if (!hosted_has_only_own_keys(p, &keys, argv))
        status = LARDER_INVALID;
    if (status == LARDER_OK)
        status = hosted_enter(p);
    if (status == LARDER_OK) {
        if (only_reads)
            run_read(p, spec, argv, argc);
        else
            status = run(p, spec, argv, argc, &keys) ? LARDER_OK : LARDER_CORRUPT;
        node_section_end(&p->host->thread);
    }
    hosted_drop_keys(p->host, &keys);
    hosted_give(p->host, out);
    out->is_write = hosted_is_write(spec);
    return status;
}

static enum larder_status execute(void *context, int64_t now_ms, const struct slice *argv,
                                  size_t argc, struct store_result *out) {
    return run_any(context, now_ms, false, argv, argc, out);
}

static enum larder_status only_read(void *context, int64_t now_ms, const struct slice *argv,
                                    size_t argc, struct store_result *out) {
    return run_any(context, now_ms, true, argv, argc, out);
}

static enum larder_status sweep(void *context, int64_t now_ms,
                                struct store_result *out) NO_THREAD_SAFETY {
    struct hosted_partition *hosted = context;
    struct node_thread *thread = &hosted->host->thread;
    struct keyspace *keyspace = &thread->node->keyspace;
    struct partition *p = keyspace_partition(keyspace, hosted->id);
    store_host_begin(hosted->host, now_ms);
    enum larder_status status =
        hosted_settle(hosted->host) ? hosted_enter(hosted) : LARDER_NO_MEMORY;
    if (status != LARDER_OK)
        return status;
    if (partition_has_expiring(p))
        (void)expiry_step(p, keyspace, &thread->store, hosted->id, now_ms, SWEEP_RECORDS);
    if (expiry_has_elements(p, now_ms))
        (void)expiry_step_elements(p, keyspace, &thread->store, hosted->id, now_ms, SWEEP_RECORDS);
    (void)hosted_make_room(hosted);
    node_section_end(thread);
    hosted_give(hosted->host, out);
    return LARDER_OK;
}

static void set_pressure(void *context, uint32_t per_mille) {
    struct hosted_partition *p = context;
    p->pressure = per_mille;
}

uint32_t store_host_pressure(const struct store_host *host) {
    int64_t limit = atomic_load_explicit(&host->node->max_memory_bytes, memory_order_relaxed);
    int64_t used = node_used_bytes(host->node);
    if (limit <= 0 || used <= 0)
        return 0;
    int64_t per_mille = used / limit >= UINT16_MAX / 1000 ? UINT16_MAX : used * 1000 / limit;
    return per_mille == 0 ? 1 : (uint32_t)per_mille;
}

static const struct partition_store_type HOSTED = {
    .execute = execute,
    .execute_all = hosted_execute_all,
    .expire_keys = hosted_expire_keys,
    .read = only_read,
    .set_pressure = set_pressure,
    .sweep = sweep,
    .apply = hosted_apply,
    .next_part = hosted_next_part,
    .read_bucket = hosted_read_bucket,
    .read_key = hosted_read_key,
    .clear_bucket = hosted_clear_bucket,
    .clear_key = hosted_clear_key,
    .digest_bucket = hosted_digest_bucket,
    .bucket_of = hosted_bucket_of,
};

struct partition_store store_host_partition(struct store_host *host, uint32_t id) {
    return (struct partition_store){.type = &HOSTED, .context = &host->partitions[id]};
}
