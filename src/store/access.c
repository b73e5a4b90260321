/* SPDX-License-Identifier: BSD-3-Clause */
/* Access words. The LFU counter grows with probability 1 / (counter * factor + 1), so that 255
 * stands for about a million uses, and shrinks by one per lfu-decay-time minutes without a use. */
#include "store/access.h"

static uint32_t minutes_now(int64_t now_ms) {
    return (uint32_t)(now_ms / 60000) & 0xffff;
}

static uint32_t seconds_now(int64_t now_ms) {
    return (uint32_t)(now_ms / 1000) & ACCESS_MASK;
}

uint8_t access_lfu_counter(const struct keyspace *keyspace, uint32_t access, int64_t now_ms) {
    uint32_t counter = access & 0xff;
    int32_t decay = atomic_load_explicit(&keyspace->lfu_decay_min, memory_order_relaxed);
    if (decay <= 0)
        return (uint8_t)counter;
    uint32_t periods = ((minutes_now(now_ms) - (access >> 8)) & 0xffff) / (uint32_t)decay;
    return (uint8_t)(periods > counter ? 0 : counter - periods);
}

uint32_t access_idle_s(uint32_t access, int64_t now_ms) {
    return (seconds_now(now_ms) - access) & ACCESS_MASK;
}

uint32_t access_after_use(const struct keyspace *keyspace, struct store_thread *thread,
                          uint32_t access) {
    if (policy_is_lru(keyspace_policy(keyspace)))
        return seconds_now(thread->now_ms);
    uint32_t counter = access_lfu_counter(keyspace, access, thread->now_ms);
    if (counter < 255) {
        uint32_t over = counter > LFU_INITIAL ? counter - LFU_INITIAL : 0;
        int32_t factor = atomic_load_explicit(&keyspace->lfu_log_factor, memory_order_relaxed);
        if (random_below(&thread->random, (uint64_t)over * (uint64_t)(uint32_t)factor + 1) == 0)
            counter++;
    }
    return minutes_now(thread->now_ms) << 8 | counter;
}

uint32_t access_initial(const struct keyspace *keyspace, const struct store_thread *thread,
                        const struct entry *old) {
    if (old != NULL && (old->record[0] & RECORD_HAS_ACCESS) != 0) {
        struct record_layout l = record_parse(old->record);
        return (uint32_t)bytes_get(old->record + l.access_at, RECORD_ACCESS_BYTES);
    }
    if (policy_is_lru(keyspace_policy(keyspace)))
        return seconds_now(thread->now_ms);
    return minutes_now(thread->now_ms) << 8 | LFU_INITIAL;
}
