/* SPDX-License-Identifier: BSD-3-Clause */
/* Beginning and ending sections. The marks of a section (owner, open, since) are set on each of its
 * locks while they are held: waiters read them to know what they are waiting for. */
#include "node/section.h"

#include "base/command_keys.h"
#include "node/interest.h"
#include "node/node_internal.h"
#include "os/clock.h"
#include "os/thread.h"

enum { KEYS_ON_STACK = 64, PATIENCE_US = 5000 };

void section_plan_init(struct section_plan *plan, const struct allocator *allocator) {
    *plan = (struct section_plan){.allocator = allocator, .kind = SECTION_DECLARED};
}

void section_plan_finish(struct section_plan *plan) {
    allocator_release(plan->allocator, plan->partitions,
                      plan->capacity * sizeof(*plan->partitions));
    section_plan_init(plan, plan->allocator);
}

enum larder_status section_plan_add_key(struct section_plan *plan, const struct node *node,
                                        struct slice key) {
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity == 0 ? 16 : 2 * plan->capacity;
        void *grown = allocator_resize(plan->allocator, plan->partitions,
                                       plan->capacity * sizeof(*plan->partitions),
                                       capacity * sizeof(*plan->partitions));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        plan->partitions = grown;
        plan->capacity = capacity;
    }
    plan->partitions[plan->count++] = keyspace_partition_id(&node->keyspace, key);
    return LARDER_OK;
}

bool node_has_unknown_keys(const struct command_spec *spec, size_t argc, const struct slice *argv) {
    if (spec->key_method != COMMAND_KEY_METHOD_SORT &&
        spec->key_method != COMMAND_KEY_METHOD_SORT_RO)
        return false;
    for (size_t i = 2; i + 1 < argc; i++)
        if ((slice_equal_word(argv[i], "BY") || slice_equal_word(argv[i], "GET")) &&
            memchr(argv[i + 1].data, '*', argv[i + 1].size) != NULL)
            return true;
    return false;
}

enum larder_status section_plan_add_command(struct section_plan *plan, const struct node *node,
                                            const struct command_spec *spec, size_t argc,
                                            const struct slice *argv) {
    struct command_key few[KEYS_ON_STACK], *items = few;
    struct command_keys keys = {.items = few, .capacity = KEYS_ON_STACK};
    if (node_has_unknown_keys(spec, argc, argv) && plan->kind != SECTION_ALL)
        plan->kind = SECTION_OPEN;
    if (command_get_keys(spec, argc, argv, &keys) != LARDER_OK)
        return LARDER_OK;
    size_t count = keys.count;
    if (count > KEYS_ON_STACK) {
        items = allocator_allocate(plan->allocator, count * sizeof(*items));
        if (items == NULL)
            return LARDER_NO_MEMORY;
        keys = (struct command_keys){.items = items, .capacity = count};
        if (command_get_keys(spec, argc, argv, &keys) != LARDER_OK)
            count = 0;
    }
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        status = section_plan_add_key(plan, node, argv[items[i].position]);
    if (items != few)
        allocator_release(plan->allocator, items, count * sizeof(*items));
    return status;
}

/* ---- locks ---- */

static size_t held_words(const struct node *node) {
    return (node->keyspace.partition_count + 63) / 64;
}

static enum larder_status reserve(struct node_thread *thread, size_t count) {
    struct node_section *s = &thread->section;
    const struct allocator *a = thread->node->allocator;
    if (s->held == NULL)
        s->held = allocator_allocate_zeroed(a, held_words(thread->node) * sizeof(*s->held));
    if (s->held == NULL)
        return LARDER_NO_MEMORY;
    if (count <= s->capacity)
        return LARDER_OK;
    void *grown =
        allocator_resize(a, s->order, s->capacity * sizeof(*s->order), count * sizeof(*s->order));
    if (grown == NULL)
        return LARDER_NO_MEMORY;
    s->order = grown;
    s->capacity = count;
    return LARDER_OK;
}

void node_section_finish(struct node_thread *thread) {
    struct node_section *s = &thread->section;
    const struct allocator *a = thread->node->allocator;
    allocator_release(a, s->held, held_words(thread->node) * sizeof(*s->held));
    allocator_release(a, s->order, s->capacity * sizeof(*s->order));
    *s = (struct node_section){.kind = SECTION_NONE};
}

bool node_section_holds(const struct node_thread *thread, uint32_t id) {
    const struct node_section *s = &thread->section;
    return s->kind != SECTION_NONE && (s->held[id / 64] >> id % 64 & 1) != 0;
}

/* The lock of the partition was taken. */
static void mark(struct node_thread *thread, uint32_t id) {
    struct node_section *s = &thread->section;
    struct partition_lock *lock = &thread->node->locks[id];
    s->held[id / 64] |= (uint64_t)1 << id % 64;
    s->order[s->count++] = id;
    atomic_store_explicit(&lock->owner, os_thread_self(), memory_order_release);
    atomic_store_explicit(&lock->script_since_ns, s->is_script ? s->since_ns : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&lock->is_open, s->kind == SECTION_OPEN, memory_order_relaxed);
}

static void unmark(struct node_thread *thread, uint32_t id) {
    struct partition_lock *lock = &thread->node->locks[id];
    thread->section.held[id / 64] &= ~((uint64_t)1 << id % 64);
    atomic_store_explicit(&lock->is_open, false, memory_order_relaxed);
    atomic_store_explicit(&lock->script_since_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&lock->owner, 0, memory_order_release);
}

static bool lock_script(struct node *node) NO_THREAD_SAFETY {
    uint64_t began = clock_monotonic_ns();
    int64_t after_ms = atomic_load_explicit(&node->busy_after_ms, memory_order_relaxed);
    while (!lock_acquire_for(&node->script_lock, PATIENCE_US))
        if (after_ms > 0 && clock_monotonic_ns() - began > (uint64_t)after_ms * 1000000)
            return false;
    return true;
}

enum larder_status node_section_begin(struct node_thread *thread,
                                      struct section_plan *plan) NO_THREAD_SAFETY {
    struct node *node = thread->node;
    struct node_section *s = &thread->section;
    size_t all = node->keyspace.partition_count;
    size_t count = plan->kind == SECTION_ALL ? all : plan->count;
    if (plan->kind != SECTION_ALL)
        count = plan->count = partition_set_sort(plan->partitions, plan->count);
    if (reserve(thread, plan->kind == SECTION_DECLARED ? count : all) != LARDER_OK)
        return LARDER_NO_MEMORY;
    if (thread->store.effects != NULL && effects_begin(&thread->effects, 0) != LARDER_OK)
        return LARDER_NO_MEMORY;
    bool is_locked = plan->kind != SECTION_OPEN || lock_script(node);
    if (is_locked && !partition_set_lock_patiently(
                         node, plan->kind == SECTION_ALL ? NULL : plan->partitions, count)) {
        if (plan->kind == SECTION_OPEN)
            lock_release(&node->script_lock);
        is_locked = false;
    }
    if (!is_locked) {
        if (thread->store.effects != NULL)
            effects_abort(&thread->effects);
        return LARDER_BUSY;
    }
    s->kind = plan->kind;
    s->is_script = plan->is_script;
    s->has_changed = s->is_outside = s->has_other_databases = false;
    s->since_ns = clock_monotonic_ns();
    s->count = 0;
    for (size_t i = 0; i < count; i++)
        mark(thread, plan->kind == SECTION_ALL ? (uint32_t)i : plan->partitions[i]);
    node_listen(thread);
    return LARDER_OK;
}

bool node_section_hold(struct node_thread *thread, uint32_t id) NO_THREAD_SAFETY {
    if (node_section_holds(thread, id))
        return true;
    if (thread->section.kind != SECTION_OPEN) {
        thread->section.is_outside = true;
        return false;
    }
    /* Whoever holds it waits for nothing, or lets go when it meets one of ours. */
    partition_lock(thread->node, id);
    mark(thread, id);
    node_listen(thread);
    return true;
}

bool node_section_hold_all(struct node_thread *thread) {
    for (uint32_t id = 0; id < thread->node->keyspace.partition_count; id++)
        if (!node_section_hold(thread, id))
            return false;
    return true;
}

void node_section_end(struct node_thread *thread) NO_THREAD_SAFETY {
    struct node *node = thread->node;
    struct node_section *s = &thread->section;
    node_tell(thread);
    if (s->has_other_databases)
        node_serve_database(thread, UINT32_MAX);
    if (thread->store.effects != NULL)
        effects_commit(&thread->effects);
    bool is_open = s->kind == SECTION_OPEN;
    for (size_t i = s->count; i-- > 0;) {
        partition_end_reserve(keyspace_partition(&node->keyspace, s->order[i]), &thread->store);
        unmark(thread, s->order[i]);
        lock_release(&node->locks[s->order[i]].lock);
    }
    s->count = 0;
    s->kind = SECTION_NONE;
    if (is_open)
        lock_release(&node->script_lock);
    node_serve_deferred(thread);
}
