/* SPDX-License-Identifier: BSD-3-Clause */
/* Linear hashing with overflow chains. Load is kept at entries <= 6.8 per bucket (85 %): above it
 * the next bucket in order splits, below half of it the last bucket merges into its partner. Chains
 * have no holes before their last entry but inside a bucket: removal fills the hole with the
 * chain's last entry, so that an overflow bucket is given back as soon as it is empty. */
#include "store/index.h"

#include <string.h>

enum {
    SPLIT_LOAD_PERCENT = 680, /* entries per 100 buckets */
    MERGE_LOAD_PERCENT = 320,
};

/* ---- the directory of pages ---- */

static unsigned page_level(uint32_t page, uint32_t *out_first) {
    unsigned level = page == 0 ? 0 : 32 - (unsigned)__builtin_clz(page);
    *out_first = level == 0 ? 0 : 1u << (level - 1);
    return level;
}

static size_t level_bytes(unsigned level) {
    return sizeof(index_word *) * (level == 0 ? 1 : (size_t)1 << (level - 1));
}

static enum larder_status ensure_page(struct index *index, const struct allocator *allocator,
                                      struct reserve *reserve, uint32_t page) {
    uint32_t first;
    unsigned level = page_level(page, &first);
    if (level >= INDEX_LEVELS)
        return LARDER_NO_MEMORY;
    index_word **pages = atomic_load_explicit(&index->levels[level], memory_order_relaxed);
    if (pages == NULL) {
        pages = allocator_allocate_zeroed(allocator, level_bytes(level));
        if (pages == NULL)
            return LARDER_NO_MEMORY;
        /* release: index_hint_bucket of another thread sees the zeroed array */
        atomic_store_explicit(&index->levels[level], pages, memory_order_release);
        index->bytes += level_bytes(level);
    }
    if (pages[page - first] == NULL) {
        index_word *fresh = reserve_take_index_page(reserve);
        if (fresh == NULL)
            return LARDER_NO_MEMORY;
        __atomic_store_n(&pages[page - first], fresh, __ATOMIC_RELEASE);
        index->bytes += PAGE_BYTES;
    }
    return LARDER_OK;
}

/* ---- overflow buckets ---- */

/* A bucket in use begins with an entry, a free one with a link: that tells them apart. */
static void overflow_give(struct index *index, index_word *bucket) {
    index_word *next = index->overflow_free;
    for (size_t i = 1; i < BUCKET_WORDS; i++)
        index_store(&bucket[i], 0);
    index_store(&bucket[0], (uint64_t)(uintptr_t)next);
    if (next != NULL)
        index_store(&next[1], (uint64_t)(uintptr_t)bucket);
    index->overflow_free = bucket;
    index->overflow_free_count++;
}

/* Take this free bucket; it is left empty. */
static void overflow_take_out(struct index *index, index_word *bucket) {
    index_word *next = (index_word *)(uintptr_t)index_load(&bucket[0]);
    index_word *before = (index_word *)(uintptr_t)index_load(&bucket[1]);
    if (before != NULL)
        index_store(&before[0], (uint64_t)(uintptr_t)next);
    else
        index->overflow_free = next;
    if (next != NULL)
        index_store(&next[1], (uint64_t)(uintptr_t)before);
    index_store(&bucket[0], 0);
    index_store(&bucket[1], 0);
    index->overflow_free_count--;
}

static index_word *overflow_take(struct index *index) {
    index_word *bucket = index->overflow_free;
    overflow_take_out(index, bucket);
    return bucket;
}

/* The page's last bucket links the pages; the others are free buckets. */
static index_word *page_link(index_word *page) {
    return page + (BUCKETS_PER_PAGE - 1) * BUCKET_WORDS;
}

static bool overflow_add_page(struct index *index, struct reserve *reserve) {
    index_word *page = reserve_take_index_page(reserve);
    if (page == NULL)
        return false;
    index_store(page_link(page), (uint64_t)(uintptr_t)index->overflow_pages);
    index->overflow_pages = page;
    index->overflow_page_count++;
    index->bytes += PAGE_BYTES;
    for (size_t i = BUCKETS_PER_PAGE - 1; i-- > 0;)
        overflow_give(index, page + i * BUCKET_WORDS);
    return true;
}

/* Put another bucket in the place of one in use: the link that leads there is found from the hash
 * of an entry in it. */
static void overflow_relocate(struct index *index, index_word *bucket, index_hash_of hash_of,
                              const void *context) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    uint64_t hash = hash_of(context, index_load(&bucket[0]) & INDEX_ADDRESS_MASK);
    index_word *before = index_bucket(index, index_bucket_of(count, hash)), *next;
    while ((next = index_next(index_load(&before[BUCKET_WORDS - 1]))) != bucket)
        before = next;
    index_word *copy = overflow_take(index);
    for (size_t i = 0; i < BUCKET_WORDS; i++)
        index_store(&copy[i], index_load(&bucket[i]));
    index_store(&before[BUCKET_WORDS - 1], (uint64_t)(uintptr_t)copy);
}

/* Give one page back when more than half of all overflow buckets are free. */
static void overflow_shrink(struct index *index, struct reserve *reserve, index_hash_of hash_of,
                            const void *context) {
    enum { PER_PAGE = BUCKETS_PER_PAGE - 1 };
    uint64_t total = (uint64_t)index->overflow_page_count * PER_PAGE;
    if (index->overflow_free_count < index->overflow_kept + 2 * PER_PAGE ||
        (uint64_t)index->overflow_free_count * 2 <= total)
        return;
    index_word *page = index->overflow_pages;
    for (size_t i = 0; i < PER_PAGE; i++) {
        index_word *bucket = page + i * BUCKET_WORDS;
        if ((index_load(&bucket[0]) & INDEX_TAG_MASK) == 0)
            overflow_take_out(index, bucket);
    }
    for (size_t i = 0; i < PER_PAGE; i++)
        if (index_load(&page[i * BUCKET_WORDS]) != 0)
            overflow_relocate(index, page + i * BUCKET_WORDS, hash_of, context);
    index->overflow_pages = (index_word *)(uintptr_t)index_load(page_link(page));
    index->overflow_page_count--;
    index->bytes -= PAGE_BYTES;
    reserve_give_index_page(reserve, page);
}

/* All overflow buckets are free, or nobody follows a link to them any more. */
static void overflow_give_pages(struct index *index, struct reserve *reserve) {
    index_word *page = index->overflow_pages;
    while (page != NULL) {
        index_word *next = (index_word *)(uintptr_t)index_load(page_link(page));
        reserve_give_index_page(reserve, page);
        index->bytes -= PAGE_BYTES;
        page = next;
    }
    index->overflow_page_count = 0;
    index->overflow_free = NULL;
    index->overflow_pages = NULL;
    index->overflow_free_count = 0;
}

/* ---- hints ---- */

const index_word *index_hint_bucket(const struct index *index, uint64_t hash) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_acquire);
    if (count == 0)
        return NULL;
    uint32_t bucket = index_bucket_of(count, hash);
    uint32_t first, page = bucket / BUCKETS_PER_PAGE;
    unsigned level = page_level(page, &first);
    index_word **pages = atomic_load_explicit(&index->levels[level], memory_order_acquire);
    if (pages == NULL)
        return NULL;
    index_word *words = __atomic_load_n(&pages[page - first], __ATOMIC_ACQUIRE);
    return words == NULL ? NULL : words + (size_t)(bucket % BUCKETS_PER_PAGE) * BUCKET_WORDS;
}

const void *index_hint_record(const index_word *bucket, uint64_t hash) {
    uint64_t tag = index_tag(hash);
    for (unsigned hops = 0; bucket != NULL && hops < 4; hops++) {
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            uint64_t word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) == tag)
                return index_record(word);
        }
        bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
    }
    return NULL;
}

/* ---- changes ---- */

enum larder_status index_reserve(struct index *index, const struct allocator *allocator,
                                 struct reserve *reserve, size_t count) {
    if (atomic_load_explicit(&index->bucket_count, memory_order_relaxed) == 0) {
        enum larder_status status = ensure_page(index, allocator, reserve, 0);
        if (status != LARDER_OK)
            return status;
        atomic_store_explicit(&index->bucket_count, 1, memory_order_release);
    }
    /* A chain of up to 8 entries is one bucket; beyond that an insert takes at most one more. */
    if (index->entry_count + count <= BUCKET_WORDS)
        return LARDER_OK;
    while (index->overflow_free_count < count)
        if (!overflow_add_page(index, reserve))
            return LARDER_NO_MEMORY;
    return LARDER_OK;
}

static index_word *chain_append(struct index *index, index_word *bucket, uint64_t word) {
    for (;;) {
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            if (index_load(&bucket[i]) == 0) {
                index_store(&bucket[i], word);
                return &bucket[i];
            }
        }
        index_word *last = &bucket[BUCKET_WORDS - 1];
        index_word *next = index_next(index_load(last));
        if (next == NULL) {
            next = overflow_take(index);
            index_store(&next[0], index_load(last));
            index_store(last, (uint64_t)(uintptr_t)next);
        }
        bucket = next;
    }
}

index_word *index_insert(struct index *index, uint64_t hash, uint64_t address, unsigned frequency) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    uint64_t word = index_tag(hash) | (uint64_t)frequency << 48 | address;
    index->entry_count++;
    return chain_append(index, index_bucket(index, index_bucket_of(count, hash)), word);
}

/* The last entry of the chain, and the bucket before its bucket (NULL if it is the first). */
static index_word *chain_last(index_word *bucket, index_word **out_bucket,
                              index_word **out_before) {
    index_word *before = NULL, *next;
    while ((next = index_next(index_load(&bucket[BUCKET_WORDS - 1]))) != NULL) {
        before = bucket;
        bucket = next;
    }
    size_t i = BUCKET_WORDS;
    while (i > 0 && index_load(&bucket[i - 1]) == 0)
        i--;
    *out_bucket = bucket;
    *out_before = before;
    return i == 0 ? NULL : &bucket[i - 1];
}

void index_remove(struct index *index, uint64_t hash, index_word *word) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    index_word *bucket, *before;
    index_word *last =
        chain_last(index_bucket(index, index_bucket_of(count, hash)), &bucket, &before);
    index_store(word, index_load(last));
    index_store(last, 0);
    index->entry_count--;
    if (before == NULL || last != &bucket[0])
        return;
    /* The overflow bucket is empty: the link's place is an entry's place again, and empty. */
    index_store(&before[BUCKET_WORDS - 1], 0);
    overflow_give(index, bucket);
}

index_word *index_word_of(const struct index *index, uint64_t hash, uint64_t address) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    if (count == 0)
        return NULL;
    index_word *bucket = index_bucket(index, index_bucket_of(count, hash));
    while (bucket != NULL) {
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            uint64_t word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) != 0 && (word & INDEX_ADDRESS_MASK) == address)
                return &bucket[i];
        }
        bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
    }
    return NULL;
}

/* ---- growing and shrinking ---- */

/* Take all entries out of a chain into `out`, give back its overflow buckets. */
static size_t chain_drain(struct index *index, index_word *bucket, uint64_t *out, size_t capacity) {
    size_t count = 0;
    index_word *first = bucket;
    while (bucket != NULL) {
        index_word *next = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            uint64_t word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) != 0 && count < capacity)
                out[count++] = word;
            index_store(&bucket[i], 0);
        }
        if (bucket != first)
            overflow_give(index, bucket);
        bucket = next;
    }
    return count;
}

static size_t chain_length(const index_word *bucket) {
    size_t count = 0;
    while (bucket != NULL) {
        for (size_t i = 0; i < BUCKET_WORDS; i++)
            count += (index_load(&bucket[i]) & INDEX_TAG_MASK) != 0;
        bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
    }
    return count;
}

/* Overflow buckets of a chain: every bucket but the last gives one word to its link. */
static size_t overflow_needed(size_t length) {
    return length <= BUCKET_WORDS ? 0 : (length - 2) / (BUCKET_WORDS - 1);
}

enum { CHAIN_ENTRIES_MAX = 512 }; /* longer chains (hostile or unlucky) are left as they are */

static void split(struct index *index, const struct allocator *allocator, struct reserve *reserve,
                  index_hash_of hash_of, const void *context) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    uint32_t half = 1u << (31 - __builtin_clz(count));
    uint32_t source = count - half;
    if (ensure_page(index, allocator, reserve, count / BUCKETS_PER_PAGE) != LARDER_OK)
        return;
    index_word *from = index_bucket(index, source);
    size_t length = chain_length(from);
    /* An overflow bucket more stands for 7 entries more, and the first for 9, so two chains never
     * need more of them than the one that they come from. */
    if (length > CHAIN_ENTRIES_MAX)
        return;
    uint64_t words[CHAIN_ENTRIES_MAX];
    length = chain_drain(index, from, words, CHAIN_ENTRIES_MAX);
    for (size_t i = 0; i < length; i++)
        __builtin_prefetch(index_record(words[i]));
    atomic_store_explicit(&index->bucket_count, count + 1, memory_order_release);
    index_word *to = index_bucket(index, count);
    for (size_t i = 0; i < length; i++) {
        uint64_t hash = hash_of(context, words[i] & INDEX_ADDRESS_MASK);
        chain_append(index, (hash & half) != 0 ? to : from, words[i]);
    }
}

static void give_page_of(struct index *index, struct reserve *reserve, uint32_t bucket) {
    if (bucket % BUCKETS_PER_PAGE != 0 || bucket == 0)
        return;
    uint32_t first, page = bucket / BUCKETS_PER_PAGE;
    unsigned level = page_level(page, &first);
    index_word **pages = atomic_load_explicit(&index->levels[level], memory_order_relaxed);
    index_word *words = pages[page - first];
    __atomic_store_n(&pages[page - first], NULL, __ATOMIC_RELEASE);
    reserve_give_index_page(reserve, words);
    index->bytes -= PAGE_BYTES;
}

static void merge(struct index *index, struct reserve *reserve) {
    uint32_t last = atomic_load_explicit(&index->bucket_count, memory_order_relaxed) - 1;
    uint32_t half = 1u << (31 - __builtin_clz(last));
    index_word *from = index_bucket(index, last);
    index_word *to = index_bucket(index, last - half);
    size_t length = chain_length(from), to_length = chain_length(to);
    if (length > CHAIN_ENTRIES_MAX)
        return;
    size_t returned = overflow_needed(length) + overflow_needed(to_length);
    size_t needed = overflow_needed(length + to_length);
    if (needed > returned &&
        index->overflow_free_count < index->overflow_kept + needed - returned &&
        !overflow_add_page(index, reserve))
        return;
    uint64_t words[CHAIN_ENTRIES_MAX];
    length = chain_drain(index, from, words, CHAIN_ENTRIES_MAX);
    atomic_store_explicit(&index->bucket_count, last, memory_order_release);
    for (size_t i = 0; i < length; i++)
        chain_append(index, to, words[i]);
    give_page_of(index, reserve, last);
}

void index_balance(struct index *index, const struct allocator *allocator, struct reserve *reserve,
                   index_hash_of hash_of, const void *context) {
    uint32_t count = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    if (count == 0)
        return;
    if (index->entry_count == 0 && index->overflow_kept == 0)
        overflow_give_pages(index, reserve);
    uint64_t load = index->entry_count * 100;
    if (load > (uint64_t)count * SPLIT_LOAD_PERCENT && count < UINT32_MAX / 2)
        split(index, allocator, reserve, hash_of, context);
    else if (count > 1 && load < (uint64_t)count * MERGE_LOAD_PERCENT) {
        merge(index, reserve);
        overflow_shrink(index, reserve, hash_of, context);
    }
}

void index_clear(struct index *index, struct reserve *reserve) {
    atomic_store_explicit(&index->bucket_count, 0, memory_order_release);
    overflow_give_pages(index, reserve);
    for (unsigned level = 0; level < INDEX_LEVELS; level++) {
        index_word **pages = atomic_load_explicit(&index->levels[level], memory_order_relaxed);
        if (pages == NULL)
            continue;
        for (size_t i = 0; i < level_bytes(level) / sizeof(*pages); i++) {
            if (pages[i] == NULL)
                continue;
            reserve_give_index_page(reserve, pages[i]);
            __atomic_store_n(&pages[i], NULL, __ATOMIC_RELEASE);
            index->bytes -= PAGE_BYTES;
        }
    }
    index->entry_count = 0;
}

void index_finish(struct index *index, const struct allocator *allocator) {
    for (unsigned level = 0; level < INDEX_LEVELS; level++)
        allocator_release(allocator,
                          atomic_load_explicit(&index->levels[level], memory_order_relaxed),
                          level_bytes(level));
}
