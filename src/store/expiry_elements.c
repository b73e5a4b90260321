/* SPDX-License-Identifier: BSD-3-Clause */
/* A partition remembers the earliest time at which an element of any of its containers may expire:
 * whatever stores a container lowers it. When that time is over the sweep walks the partition once
 * and finds the next such time on its way. The walk is by hash, not by place in the log, where
 * records move. */
#include "store/expiry.h"

#include "store/effect.h"
#include "store/partition_state.h"
#include "store/scan.h"

/* One part: the names are the command's arguments after the key. */
static bool emit(struct keyspace *keyspace, struct store_thread *thread, uint32_t partition_id,
                 const struct entry *entry, const struct slice *arguments, size_t count) {
    struct effects *effects = thread->effects;
    if (effects == NULL)
        return true;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += arguments[i].size;
    bool is_within = effects->record_end != effects->used;
    size_t bound = effects_part_bound(count, bytes);
    if ((is_within ? effects_reserve(effects, bound) : effects_begin(effects, bound)) != LARDER_OK)
        return false;
    struct effect_part part = {.partition = partition_id,
                               .collection = entry->collection,
                               .time_ms = thread->now_ms,
                               .command = keyspace->element_delete_command,
                               .argument_count = count};
    effects_append(effects, &part, arguments);
    if (!is_within)
        effects_commit(effects);
    return true;
}

static uint32_t notice_class(const struct object *object) {
    static const uint32_t CLASSES[OBJECT_KIND_COUNT] = {[OBJECT_LIST] = NOTICE_LIST,
                                                        [OBJECT_SET] = NOTICE_SET,
                                                        [OBJECT_HASH] = NOTICE_HASH,
                                                        [OBJECT_SORTED_SET] = NOTICE_SORTED_SET,
                                                        [OBJECT_STREAM] = NOTICE_STREAM};
    return CLASSES[object->type->kind];
}

size_t expiry_remove_elements(struct partition *p, struct keyspace *keyspace,
                              struct store_thread *thread, uint32_t partition_id,
                              struct entry *entry, bool *out_is_deleted) {
    struct object *object = entry->value.object;
    const struct object_expiry *expiry = object->type->expiry;
    struct slice arguments[1 + EXPIRY_ELEMENTS] = {entry->key};
    size_t count = expiry->expired(object, thread->now_ms, arguments + 1, EXPIRY_ELEMENTS);
    *out_is_deleted = false;
    if (count > 0 && !emit(keyspace, thread, partition_id, entry, arguments, 1 + count))
        return 0;
    for (size_t i = 1; i <= count; i++)
        expiry->remove(&object, &keyspace->objects, arguments[i]);
    if (count < EXPIRY_ELEMENTS)
        expiry->update_due(object);
    if (count == 0)
        return 0;
    notices_changed(&thread->notices, partition_id, entry->collection, entry->key);
    notices_event(&thread->notices, notice_class(object), expiry->event, partition_id,
                  entry->collection, entry->key);
    partition_replace_object(p, thread, entry, object);
    if (object_length(object) == 0) {
        *out_is_deleted = true;
        notices_event(&thread->notices, NOTICE_GENERIC, "del", partition_id, entry->collection,
                      entry->key);
        partition_remove(p, keyspace, thread, entry);
    }
    return count;
}

bool expiry_has_elements(const struct partition *p, int64_t now_ms) {
    return p->elements.is_walking || p->elements.due_ms < now_ms;
}

struct bucket_view {
    struct partition *p;
    int64_t now_ms;
    uint32_t seen;
    bool has_due;
    struct entry due; /* the first whose elements are due */
};

static void look(void *context, const struct entry *entry) {
    struct bucket_view *view = context;
    view->seen++;
    if (entry->value.kind != VALUE_OBJECT)
        return;
    int64_t due_ms = object_due_ms(entry->value.object);
    if (!view->has_due && due_ms < view->now_ms) {
        view->has_due = true;
        view->due = *entry;
    } else if (due_ms < view->p->elements.due_ms) {
        view->p->elements.due_ms = due_ms;
    }
}

bool expiry_step_elements(struct partition *p, struct keyspace *keyspace,
                          struct store_thread *thread, uint32_t partition_id, int64_t now_ms,
                          uint32_t budget) {
    if (!p->elements.is_walking) {
        p->elements.is_walking = true;
        p->elements.position = 0;
        p->elements.due_ms = INT64_MAX;
    }
    bool is_stuck = false;
    for (uint64_t spent = 0; p->elements.is_walking && spent < budget && !is_stuck;) {
        struct bucket_view view = {.p = p, .now_ms = now_ms};
        uint64_t next;
        partition_scan(p, keyspace, p->elements.position, look, &view, &next);
        spent += 1 + view.seen;
        if (view.has_due) { /* the bucket is looked at again */
            bool is_deleted;
            size_t removed =
                expiry_remove_elements(p, keyspace, thread, partition_id, &view.due, &is_deleted);
            spent += removed;
            is_stuck = removed == 0 && !is_deleted && object_due_ms(view.due.value.object) < now_ms;
            continue;
        }
        p->elements.position = next;
        p->elements.is_walking = next != 0;
    }
    cleaner_step(p, keyspace, thread);
    return p->elements.is_walking && !is_stuck;
}
