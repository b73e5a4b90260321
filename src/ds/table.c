/* SPDX-License-Identifier: BSD-3-Clause */
/* Linear hashing with overflow chains, at most 6.8 elements per bucket (85 %): above it the next
 * bucket in order splits, below half of it the last bucket merges into its partner. Removal fills
 * the hole with the chain's last element, so that an overflow bucket is free as soon as it is
 * empty. A split or merge that finds no memory is left for later: chains get longer meanwhile.
 *
 * An insert needs at most one overflow bucket, and `spare` holds as many as the reserved inserts
 * can take together. A split never needs more of them than it frees: an overflow bucket more stands
 * for seven elements more, the first of a chain for nine. */
#include "ds/table_chain.h"

#include <string.h>

enum {
    SPLIT_LOAD_PERCENT = 680, /* elements per 100 buckets */
    MERGE_LOAD_PERCENT = 320,
    CHAIN_ELEMENTS_MAX = 512, /* longer chains (hostile or unlucky) are left as they are */
    SPARE_KEPT = 1,           /* free overflow buckets that a table keeps */
};

static const uint32_t BUCKETS_MAX = (uint32_t)TABLE_ROOT_BLOCKS * TABLE_BLOCK_BUCKETS;

void table_init(struct table *table, table_key_of key_of) {
    *table = (struct table){.key_of = key_of};
}

/* ---- root, blocks, pages ---- */

/* Give an array room for `room` items of `item_bytes`; new items are zero. */
static bool resize_array(struct table *table, const struct allocator *allocator, void **array,
                         uint16_t *room, size_t new_room, size_t item_bytes) {
    size_t old_bytes = *room * item_bytes, new_bytes = new_room * item_bytes;
    uint8_t *fresh = allocator_resize(allocator, *array, old_bytes, new_bytes);
    if (fresh == NULL)
        return false;
    if (new_bytes > old_bytes)
        memset(fresh + old_bytes, 0, new_bytes - old_bytes);
    *array = fresh;
    *room = (uint16_t)new_room;
    table->bytes += new_bytes - old_bytes;
    return true;
}

/* Room for item `index` in an array that grows by doubling. */
static bool grow_array(struct table *table, const struct allocator *allocator, void **array,
                       uint16_t *room, size_t index, size_t item_bytes) {
    if (index < *room)
        return true;
    size_t new_room = *room == 0 ? 1 : (size_t)*room * 2;
    return resize_array(table, allocator, array, room, new_room, item_bytes);
}

static void shrink_array(struct table *table, const struct allocator *allocator, void **array,
                         uint16_t *room, size_t used, size_t item_bytes) {
    if (used * 4 <= *room)
        (void)resize_array(table, allocator, array, room, *room / 2u, item_bytes);
}

static bool ensure_block(struct table *table, const struct allocator *allocator, uint32_t page) {
    enum { POINTER = sizeof(void *) };
    uint32_t block = page / TABLE_BLOCK_PAGES;
    if (!grow_array(table, allocator, (void **)&table->root, &table->root_room, block, POINTER))
        return false;
    if (block == 0)
        return grow_array(table, allocator, (void **)&table->root[0], &table->block_room, page,
                          POINTER);
    uint16_t room = table->root[block] == NULL ? 0 : TABLE_BLOCK_PAGES;
    return room != 0 || resize_array(table, allocator, (void **)&table->root[block], &room,
                                     TABLE_BLOCK_PAGES, POINTER);
}

/* Make sure that bucket `number`, the next one, exists and is empty. */
static bool ensure_bucket(struct table *table, const struct allocator *allocator, uint32_t number) {
    uint32_t page = number / TABLE_PAGE_BUCKETS;
    if (number >= BUCKETS_MAX || !ensure_block(table, allocator, page))
        return false;
    uint64_t **pages = table->root[page / TABLE_BLOCK_PAGES];
    void **words = (void **)&pages[page % TABLE_BLOCK_PAGES];
    if (page == 0)
        return grow_array(table, allocator, words, &table->page_room, number, TABLE_BUCKET_BYTES);
    uint16_t room = *words == NULL ? 0 : TABLE_PAGE_BUCKETS;
    return room != 0 ||
           resize_array(table, allocator, words, &room, TABLE_PAGE_BUCKETS, TABLE_BUCKET_BYTES);
}

static void release_page(struct table *table, const struct allocator *allocator, uint32_t page) {
    uint32_t block = page / TABLE_BLOCK_PAGES;
    size_t bytes = (size_t)TABLE_PAGE_BUCKETS * TABLE_BUCKET_BYTES;
    if (page == 0)
        bytes = (size_t)table->page_room * TABLE_BUCKET_BYTES;
    else if (table->root[block][page % TABLE_BLOCK_PAGES] == NULL)
        bytes = 0;
    allocator_release(allocator, table->root[block][page % TABLE_BLOCK_PAGES], bytes);
    table->root[block][page % TABLE_BLOCK_PAGES] = NULL;
    table->bytes -= bytes;
    if (page % TABLE_BLOCK_PAGES != 0)
        return;
    bytes = sizeof(void *) * (block == 0 ? table->block_room : (size_t)TABLE_BLOCK_PAGES);
    allocator_release(allocator, table->root[block], bytes);
    table->root[block] = NULL;
    table->bytes -= bytes;
}

static uint32_t pages_of(uint32_t bucket_count) {
    return (bucket_count + TABLE_PAGE_BUCKETS - 1) / TABLE_PAGE_BUCKETS;
}

/* A split, or the first reservation, that was given up may have made the next page or its block. */
static void release_unused(struct table *table, const struct allocator *allocator,
                           uint32_t bucket_count) {
    uint32_t page = pages_of(bucket_count);
    uint32_t block = page / TABLE_BLOCK_PAGES, at = page % TABLE_BLOCK_PAGES;
    if (block >= table->root_room || table->root[block] == NULL ||
        (block == 0 && at >= table->block_room))
        return;
    if (at == 0 || table->root[block][at] != NULL)
        release_page(table, allocator, page);
}

/* Buckets from `count` on are no longer in use; `count` was one more before. */
static void release_bucket(struct table *table, const struct allocator *allocator, uint32_t count) {
    uint32_t pages = pages_of(count);
    if (count % TABLE_PAGE_BUCKETS == 0) {
        release_unused(table, allocator, count + 1);
        release_page(table, allocator, count / TABLE_PAGE_BUCKETS);
    }
    if (pages <= TABLE_BLOCK_PAGES / 4)
        shrink_array(table, allocator, (void **)&table->root[0], &table->block_room, pages,
                     sizeof(void *));
    if (count <= TABLE_PAGE_BUCKETS / 4)
        shrink_array(table, allocator, (void **)&table->root[0][0], &table->page_room, count,
                     TABLE_BUCKET_BYTES);
}

/* ---- overflow buckets ---- */

static void spare_give(struct table *table, uint64_t *bucket) {
    memset(bucket, 0, TABLE_BUCKET_BYTES);
    bucket[0] = (uint64_t)(uintptr_t)table->spare;
    table->spare = bucket;
    table->spare_count++;
}

static uint64_t *spare_take(struct table *table) {
    uint64_t *bucket = table->spare;
    table->spare = (uint64_t *)(uintptr_t)bucket[0];
    table->spare_count--;
    bucket[0] = 0;
    return bucket;
}

static bool spare_add(struct table *table, const struct allocator *allocator) {
    uint64_t *bucket = allocator_allocate(allocator, TABLE_BUCKET_BYTES);
    if (bucket == NULL)
        return false;
    table->bytes += TABLE_BUCKET_BYTES;
    spare_give(table, bucket);
    return true;
}

static void spare_trim(struct table *table, const struct allocator *allocator, uint32_t kept) {
    while (table->spare_count > kept) {
        allocator_release(allocator, spare_take(table), TABLE_BUCKET_BYTES);
        table->bytes -= TABLE_BUCKET_BYTES;
    }
}

/* Overflow buckets that `inserts` can take: each at most one, and together no more than one for
 * each chain, those that splits add meanwhile included, and one for each seven inserts. */
static uint64_t spare_needed(const struct table *table, uint64_t inserts) {
    uint64_t total = table->count + inserts;
    if (total <= TABLE_BUCKET_WORDS)
        return 0;
    uint64_t chains = total * 100 / SPLIT_LOAD_PERCENT + 2;
    if (chains < table->bucket_count)
        chains = table->bucket_count;
    uint64_t spread = chains + inserts / (TABLE_BUCKET_WORDS - 1) + 1;
    return inserts < spread ? inserts : spread;
}

enum larder_status table_reserve(struct table *table, const struct object_context *objects,
                                 size_t count) {
    const struct allocator *allocator = objects->allocator;
    if (count > UINT32_MAX - table->reserved)
        return LARDER_NO_MEMORY;
    if (table->bucket_count == 0) {
        if (!ensure_bucket(table, allocator, 0))
            return LARDER_NO_MEMORY;
        table->bucket_count = 1;
    }
    uint64_t needed = spare_needed(table, table->reserved + count);
    while (table->spare_count < needed) {
        if (!spare_add(table, allocator)) {
            if (table->reserved == 0)
                spare_trim(table, allocator, SPARE_KEPT);
            return LARDER_NO_MEMORY;
        }
    }
    table->reserved += (uint32_t)count;
    return LARDER_OK;
}

void table_end_reserve(struct table *table, const struct object_context *objects) {
    table->reserved = 0;
    spare_trim(table, objects->allocator, SPARE_KEPT);
}

/* ---- finding ---- */

uint64_t *table_find_word(const struct table *table, uint64_t hash, struct slice key) {
    if (table->count == 0)
        return NULL;
    uint64_t tag = tag_of(hash);
    uint64_t *bucket = bucket_of(table, hash);
    while (bucket != NULL) {
        for (size_t i = 0; i < TABLE_BUCKET_WORDS; i++)
            if ((bucket[i] & TABLE_TAG_MASK) == tag &&
                slice_equal(table->key_of(table_element(bucket[i])), key))
                return &bucket[i];
        bucket = bucket_next(bucket);
    }
    return NULL;
}

void table_prefetch(const struct table *table, uint64_t hash) {
    if (table->bucket_count != 0)
        __builtin_prefetch(bucket_of(table, hash));
}

/* ---- chains ---- */

static void chain_append(struct table *table, uint64_t *bucket, uint64_t word) {
    uint32_t length = 1;
    for (;;) {
        uint64_t *last = &bucket[TABLE_BUCKET_WORDS - 1];
        uint64_t *next = bucket_next(bucket);
        size_t room = next == NULL ? TABLE_BUCKET_WORDS : TABLE_BUCKET_WORDS - 1;
        size_t i = 0;
        while (i < room && bucket[i] != 0)
            i++;
        length += (uint32_t)i;
        if (i < room) {
            bucket[i] = word;
            break;
        }
        if (next == NULL) {
            next = spare_take(table);
            next[0] = *last;
            *last = (uint64_t)(uintptr_t)next;
            length--;
        }
        bucket = next;
    }
    if (length > table->longest)
        table->longest = length;
}

static size_t chain_length(const uint64_t *bucket) {
    size_t length = 0;
    for (; bucket != NULL; bucket = bucket_next(bucket))
        for (size_t i = 0; i < TABLE_BUCKET_WORDS; i++)
            length += is_element(bucket[i]);
    return length;
}

/* Take all elements out of a chain of at most CHAIN_ELEMENTS_MAX. */
static size_t chain_drain(struct table *table, uint64_t *bucket, uint64_t *out) {
    size_t count = 0;
    uint64_t *first = bucket;
    while (bucket != NULL) {
        uint64_t *next = bucket_next(bucket);
        for (size_t i = 0; i < TABLE_BUCKET_WORDS; i++)
            if (is_element(bucket[i]))
                out[count++] = bucket[i];
        if (bucket == first)
            memset(bucket, 0, TABLE_BUCKET_BYTES);
        else
            spare_give(table, bucket);
        bucket = next;
    }
    return count;
}

/* ---- growing and shrinking ---- */

static void split(struct table *table, const struct object_context *objects) {
    uint32_t count = table->bucket_count;
    uint32_t half = 1u << (31 - __builtin_clz(count));
    if (!ensure_bucket(table, objects->allocator, count))
        return;
    uint64_t *from = bucket_at(table, count - half), *to = bucket_at(table, count);
    if (chain_length(from) > CHAIN_ELEMENTS_MAX)
        return;
    uint64_t words[CHAIN_ELEMENTS_MAX];
    size_t length = chain_drain(table, from, words);
    for (size_t i = 0; i < length; i++)
        __builtin_prefetch(table_element(words[i]));
    table->bucket_count = count + 1;
    for (size_t i = 0; i < length; i++)
        chain_append(table, (element_hash(table, objects, words[i]) & half) != 0 ? to : from,
                     words[i]);
}

/* Overflow buckets of a chain: every bucket but the last gives one word to its link. */
static size_t overflow_length(size_t length) {
    return length <= TABLE_BUCKET_WORDS ? 0 : (length - 2) / (TABLE_BUCKET_WORDS - 1);
}

static void merge(struct table *table, const struct object_context *objects) {
    uint32_t last = table->bucket_count - 1;
    uint32_t half = 1u << (31 - __builtin_clz(last));
    uint64_t *from = bucket_at(table, last), *to = bucket_at(table, last - half);
    size_t length = chain_length(from), to_length = chain_length(to);
    if (length > CHAIN_ELEMENTS_MAX)
        return;
    size_t freed = overflow_length(length) + overflow_length(to_length);
    size_t needed = overflow_length(length + to_length);
    uint64_t kept = spare_needed(table, table->reserved);
    while (table->spare_count + freed < kept + needed)
        if (!spare_add(table, objects->allocator))
            return;
    uint64_t words[CHAIN_ELEMENTS_MAX];
    length = chain_drain(table, from, words);
    table->bucket_count = last;
    for (size_t i = 0; i < length; i++)
        chain_append(table, to, words[i]);
    release_bucket(table, objects->allocator, last);
}

static void balance(struct table *table, const struct object_context *objects) {
    uint64_t load = table->count * 100, buckets = table->bucket_count;
    if (load > buckets * SPLIT_LOAD_PERCENT)
        split(table, objects);
    else if (buckets > 1 && load < buckets * MERGE_LOAD_PERCENT)
        merge(table, objects);
    if (table->reserved == 0)
        spare_trim(table, objects->allocator, SPARE_KEPT);
}

/* ---- changes ---- */

void table_insert(struct table *table, const struct object_context *objects, uint64_t hash,
                  void *element) {
    chain_append(table, bucket_of(table, hash), tag_of(hash) | (uint64_t)(uintptr_t)element);
    table->count++;
    table->reserved--;
    balance(table, objects);
}

void table_remove(struct table *table, const struct object_context *objects, uint64_t hash,
                  uint64_t *word) {
    uint64_t *bucket = bucket_of(table, hash), *before = NULL, *next;
    while ((next = bucket_next(bucket)) != NULL) {
        before = bucket;
        bucket = next;
    }
    size_t i = TABLE_BUCKET_WORDS - 1;
    while (bucket[i] == 0)
        i--;
    *word = bucket[i];
    bucket[i] = 0;
    if (i == 0 && before != NULL) {
        /* The link's place is an element's place again, and empty. */
        before[TABLE_BUCKET_WORDS - 1] = 0;
        spare_give(table, bucket);
    }
    table->count--;
    balance(table, objects);
}

/* Release the elements of the chain of the last bucket, and it. */
static size_t free_last_chain(struct table *table, const struct allocator *allocator,
                              void (*release)(void *element, const struct allocator *allocator)) {
    size_t count = 0;
    uint32_t last = table->bucket_count - 1;
    uint64_t *first = bucket_at(table, last), *bucket = first;
    while (bucket != NULL) {
        uint64_t *next = bucket_next(bucket);
        for (size_t i = 0; i < TABLE_BUCKET_WORDS; i++) {
            if (!is_element(bucket[i]))
                continue;
            release(table_element(bucket[i]), allocator);
            count++;
        }
        if (bucket != first) {
            allocator_release(allocator, bucket, TABLE_BUCKET_BYTES);
            table->bytes -= TABLE_BUCKET_BYTES;
        }
        bucket = next;
    }
    if (last % TABLE_PAGE_BUCKETS == 0)
        release_page(table, allocator, last / TABLE_PAGE_BUCKETS);
    table->bucket_count = last;
    table->count -= count;
    return count;
}

bool table_free_some(struct table *table, const struct allocator *allocator, size_t budget,
                     void (*release)(void *element, const struct allocator *allocator)) {
    spare_trim(table, allocator, 0);
    release_unused(table, allocator, table->bucket_count);
    for (size_t spent = 0; table->bucket_count > 0;) {
        if (spent >= budget)
            return false;
        spent += 1 + free_last_chain(table, allocator, release);
    }
    /* A block whose first page found no memory has none to be freed with. */
    for (uint32_t block = 0; block < table->root_room; block++) {
        size_t room = block == 0 ? table->block_room : (size_t)TABLE_BLOCK_PAGES;
        allocator_release(allocator, table->root[block], room * sizeof(void *));
    }
    allocator_release(allocator, table->root, table->root_room * sizeof(void *));
    table_init(table, table->key_of);
    return true;
}
