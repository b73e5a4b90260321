/* SPDX-License-Identifier: BSD-3-Clause */
/* The sweep reads segment headers, whose histogram tells how many bytes have expired, and walks
 * only segments where that is worth it: a record is read at most about sixteen times before it
 * goes. */
#include "store/expiry.h"

#include "store/effect.h"
#include "store/partition_state.h"

enum { WORTH_SHARE = 16 /* of the live bytes */ };

bool partition_expel(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     uint32_t partition_id, const struct entry *entry, uint32_t class) {
    struct effects *effects = thread->effects;
    if (effects != NULL) {
        bool is_within = effects->record_end != effects->used;
        size_t size = effects_part_bound(1, entry->key.size);
        if ((is_within ? effects_reserve(effects, size) : effects_begin(effects, size)) !=
            LARDER_OK)
            return false;
        struct effect_part part = {.partition = partition_id,
                                   .collection = entry->collection,
                                   .time_ms = thread->now_ms,
                                   .command = keyspace->delete_command,
                                   .argument_count = 1};
        effects_append(effects, &part, &entry->key);
        if (!is_within)
            effects_commit(effects);
    }
    notices_changed(&thread->notices, partition_id, entry->collection, entry->key);
    notices_event(&thread->notices, class, class == NOTICE_EXPIRED ? "expired" : "evicted",
                  partition_id, entry->collection, entry->key);
    partition_remove(p, keyspace, thread, entry);
    return true;
}

static bool expel(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                  uint32_t partition_id, const struct entry *entry) {
    if (!partition_expel(p, keyspace, thread, partition_id, entry, NOTICE_EXPIRED))
        return false;
    counter_add(&thread->counters.expired_keys, 1);
    return true;
}

bool expiry_remove(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                   uint32_t partition_id, const struct entry *entry) {
    bool is_done = expel(p, keyspace, thread, partition_id, entry);
    cleaner_step(p, keyspace, thread);
    return is_done;
}

static bool is_worth_walking(const struct segment *segment, int64_t now_ms) {
    if (segment->expiring_count == 0)
        return false;
    return segment->latest_expiry_ms < now_ms ||
           segment_expired_bytes(segment, now_ms) * WORTH_SHARE >
               segment->live_bytes + segment->external_bytes;
}

/* One batch of the position's segment. Returns the live records looked at; 0 at its end, or when an
 * effect can't be written. */
static unsigned sweep_batch(struct partition *p, struct keyspace *keyspace,
                            struct store_thread *thread, uint32_t partition_id, int64_t now_ms) {
    struct segment *segment = p->expiry.segment;
    struct log_record batch[LOG_BATCH];
    unsigned count = log_collect(p, keyspace, &p->expiry, batch);
    bool was_busy = segment->is_busy, is_done = true;
    segment->is_busy = true;
    for (unsigned i = 0; i < count && is_done; i++) {
        if (!expiry_has_passed(record_expiry(batch[i].record, &batch[i].layout), now_ms))
            continue;
        struct entry entry;
        partition_decode(
            batch[i].record,
            index_word_of(&p->index, batch[i].hash, (uint64_t)(uintptr_t)batch[i].record),
            batch[i].hash, &entry);
        is_done = expel(p, keyspace, thread, partition_id, &entry);
    }
    segment->is_busy = was_busy;
    log_free_if_empty(p, thread, segment);
    return is_done ? count : 0;
}

bool expiry_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                 uint32_t partition_id, int64_t now_ms, uint32_t budget) {
    bool is_middle = p->expiry.segment != NULL && p->expiry.at > 0;
    if (p->expiry.segment == NULL)
        p->expiry = (struct log_position){.segment = log_next(p, NULL)};
    for (uint64_t spent = 0; p->expiry.segment != NULL && spent < budget;) {
        struct segment *segment = p->expiry.segment;
        spent++;
        if (is_middle || is_worth_walking(segment, now_ms)) {
            unsigned count = sweep_batch(p, keyspace, thread, partition_id, now_ms);
            spent += count;
            is_middle = count > 0 && p->expiry.segment == segment;
            if (is_middle || p->expiry.segment != segment)
                continue;
        }
        p->expiry = (struct log_position){.segment = log_next(p, segment)};
    }
    cleaner_step(p, keyspace, thread);
    return p->expiry.segment != NULL;
}
