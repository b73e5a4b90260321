/* SPDX-License-Identifier: BSD-3-Clause */
/* Splitting the elements of a bucket chain over two never takes more buckets than they had, since a
 * new first bucket has room for eight and each further one adds seven. So only what adds an
 * element, or merges two chains, may need memory; a table that finds none to grow gets longer
 * chains. */
#include "ds/score_table.h"

enum {
    WORDS = 8,
    FIRST_BUCKETS = 16,
    SEGMENT_BUCKETS = 512,
    ADDRESS_BITS = 48,
    FURTHER = 1,         /* bit 0 of the last word */
    GROW_PER_TWO = 11,   /* elements for each two buckets above which it grows */
    SHRINK_PER_TWO = 5,  /* and below which it shrinks */
    CHAIN_ON_STACK = 64, /* elements */
};

/* ---- buckets ---- */

static struct score_bucket *bucket_at(const struct score_table *table, uint64_t index) {
    return &table->segments[index / SEGMENT_BUCKETS][index % SEGMENT_BUCKETS];
}

/* The largest power of two that is not above the number of buckets. */
static uint64_t level_of(const struct score_table *table) {
    return (uint64_t)1 << (63 - __builtin_clzll(table->bucket_count));
}

static uint64_t index_of(const struct score_table *table, uint64_t hash) {
    uint64_t level = level_of(table);
    uint64_t index = hash & (2 * level - 1);
    return index < table->bucket_count ? index : index & (level - 1);
}

static uint64_t word_of(uint64_t hash, const struct scored_element *element) {
    return hash >> ADDRESS_BITS << ADDRESS_BITS | (uint64_t)(uintptr_t)element;
}

static struct scored_element *element_of(uint64_t word) {
    return (struct scored_element *)(uintptr_t)(word & (((uint64_t)1 << ADDRESS_BITS) - 1));
}

static bool has_further(const struct score_bucket *bucket) {
    return (bucket->words[WORDS - 1] & FURTHER) != 0;
}

static struct score_bucket *further(const struct score_bucket *bucket) {
    return (struct score_bucket *)(uintptr_t)(bucket->words[WORDS - 1] & ~(uint64_t)FURTHER);
}

/* Words of this bucket that are elements. */
static unsigned used(const struct score_bucket *bucket) {
    if (has_further(bucket))
        return WORDS - 1;
    unsigned count = WORDS;
    while (count > 0 && bucket->words[count - 1] == 0)
        count--;
    return count;
}

static struct score_bucket *create_further(struct score_table *table,
                                           const struct allocator *allocator) {
    struct score_bucket *bucket = allocator_allocate_zeroed(allocator, sizeof(*bucket));
    table->further_count += bucket != NULL;
    return bucket;
}

static void release_further(struct score_table *table, const struct allocator *allocator,
                            struct score_bucket *bucket) {
    table->further_count--;
    allocator_release(allocator, bucket, sizeof(*bucket));
}

/* ---- chains ---- */

static enum larder_status chain_add(struct score_table *table, const struct allocator *allocator,
                                    struct score_bucket *bucket, uint64_t word) {
    while (has_further(bucket))
        bucket = further(bucket);
    unsigned at = used(bucket);
    if (at == WORDS) {
        struct score_bucket *next = create_further(table, allocator);
        if (next == NULL)
            return LARDER_NO_MEMORY;
        next->words[0] = bucket->words[WORDS - 1];
        bucket->words[WORDS - 1] = (uint64_t)(uintptr_t)next | FURTHER;
        bucket = next;
        at = 1;
    }
    bucket->words[at] = word;
    return LARDER_OK;
}

static uint64_t *chain_find(struct score_bucket *bucket, uint64_t word) {
    for (;;) {
        for (unsigned i = 0; i < WORDS; i++)
            if (bucket->words[i] == word)
                return &bucket->words[i];
        bucket = further(bucket);
    }
}

/* Take a word out; the chain's last one takes its place. */
static void chain_remove(struct score_table *table, const struct allocator *allocator,
                         struct score_bucket *bucket, uint64_t *place) {
    struct score_bucket *before = NULL;
    while (has_further(bucket)) {
        before = bucket;
        bucket = further(bucket);
    }
    unsigned last = used(bucket) - 1;
    *place = bucket->words[last];
    bucket->words[last] = 0;
    if (before == NULL || last > 1)
        return;
    /* One element is left behind `before`, whose last word has room for it. */
    before->words[WORDS - 1] = bucket->words[0];
    release_further(table, allocator, bucket);
}

static size_t chain_length(const struct score_bucket *bucket) {
    size_t length = 0;
    for (; has_further(bucket); bucket = further(bucket))
        length += WORDS - 1;
    return length + used(bucket);
}

/* ---- growing and shrinking ---- */

static bool add_segment(struct score_table *table, const struct allocator *allocator) {
    if (table->segment_count == table->segment_capacity) {
        uint32_t capacity = 2 * table->segment_capacity;
        void *grown = allocator_resize(allocator, table->segments,
                                       table->segment_capacity * sizeof(*table->segments),
                                       capacity * sizeof(*table->segments));
        if (grown == NULL)
            return false;
        table->segments = grown;
        table->segment_capacity = capacity;
    }
    struct score_bucket *segment =
        allocator_allocate(allocator, SEGMENT_BUCKETS * sizeof(*segment));
    if (segment == NULL)
        return false;
    table->segments[table->segment_count++] = segment;
    return true;
}

static bool grow_first_segment(struct score_table *table, const struct allocator *allocator) {
    uint32_t capacity = 2 * table->first_capacity;
    void *grown = allocator_resize(allocator, table->segments[0],
                                   table->first_capacity * sizeof(struct score_bucket),
                                   capacity * sizeof(struct score_bucket));
    if (grown == NULL)
        return false;
    table->segments[0] = grown;
    table->first_capacity = capacity;
    return true;
}

static bool has_room_for_bucket(struct score_table *table, const struct allocator *allocator) {
    if (table->bucket_count < SEGMENT_BUCKETS)
        return table->bucket_count < table->first_capacity || grow_first_segment(table, allocator);
    return table->bucket_count < (uint64_t)table->segment_count * SEGMENT_BUCKETS ||
           add_segment(table, allocator);
}

/* Writes a chain anew with spare buckets. */
struct chain_writer {
    struct score_bucket *bucket;
    unsigned at;
};

static void chain_write(struct chain_writer *writer, struct score_bucket **spare, uint64_t word) {
    if (writer->at == WORDS) {
        struct score_bucket *next = *spare;
        *spare = further(next);
        memset(next, 0, sizeof(*next));
        next->words[0] = writer->bucket->words[WORDS - 1];
        writer->bucket->words[WORDS - 1] = (uint64_t)(uintptr_t)next | FURTHER;
        *writer = (struct chain_writer){next, 1};
    }
    writer->bucket->words[writer->at++] = word;
}

/* Copies a chain's elements to `out`, empties its first bucket and links the others as spare ones,
 * through their last word as ever, the last of them with none. */
static void chain_take(struct score_bucket *bucket, uint64_t *out, struct score_bucket **spare) {
    *spare = has_further(bucket) ? further(bucket) : NULL;
    for (struct score_bucket *at = bucket;; at = further(at)) {
        unsigned count = used(at);
        memcpy(out, at->words, count * sizeof(*out));
        out += count;
        if (!has_further(at)) {
            at->words[WORDS - 1] = FURTHER;
            break;
        }
    }
    memset(bucket, 0, sizeof(*bucket));
}

static void release_spare(struct score_table *table, const struct allocator *allocator,
                          struct score_bucket *spare) {
    while (spare != NULL) {
        struct score_bucket *next = further(spare);
        release_further(table, allocator, spare);
        spare = next;
    }
}

/* The bucket that is next in turn gives a share of its elements to a new one. Without memory the
 * table stays as it is. */
static void grow(struct score_table *table, const struct allocator *allocator,
                 const struct hash_seed *seed) {
    uint64_t level = level_of(table), fresh = table->bucket_count;
    uint64_t fixed[CHAIN_ON_STACK], *words = fixed;
    if (!has_room_for_bucket(table, allocator))
        return;
    struct score_bucket *from = bucket_at(table, fresh & (level - 1)), *spare;
    size_t length = chain_length(from);
    if (length > CHAIN_ON_STACK)
        words = allocator_allocate(allocator, length * sizeof(*words));
    if (words == NULL)
        return;
    for (unsigned i = 0; i < used(from); i++)
        __builtin_prefetch(element_of(from->words[i]));
    chain_take(from, words, &spare);
    struct score_bucket *to = bucket_at(table, fresh);
    memset(to, 0, sizeof(*to));
    table->bucket_count++;
    struct chain_writer stay = {from, 0}, move = {to, 0};
    for (size_t i = 0; i < length; i++) {
        uint64_t hash = score_table_hash(seed, scored_element_member(element_of(words[i])));
        chain_write((hash & level) != 0 ? &move : &stay, &spare, words[i]);
    }
    release_spare(table, allocator, spare);
    if (words != fixed)
        allocator_release(allocator, words, length * sizeof(*words));
}

static void shrink_segments(struct score_table *table, const struct allocator *allocator) {
    while (table->segment_count > 1 &&
           table->bucket_count <= (uint64_t)(table->segment_count - 1) * SEGMENT_BUCKETS)
        allocator_release(allocator, table->segments[--table->segment_count],
                          SEGMENT_BUCKETS * sizeof(struct score_bucket));
    uint32_t half = table->first_capacity / 2;
    if (table->segment_count > 1 || table->bucket_count > half / 2)
        return;
    void *smaller = allocator_resize(allocator, table->segments[0],
                                     table->first_capacity * sizeof(struct score_bucket),
                                     half * sizeof(struct score_bucket));
    if (smaller == NULL)
        return;
    table->segments[0] = smaller;
    table->first_capacity = half;
}

/* The last bucket goes back into the one that it was split from. Without memory it stays. */
static void shrink(struct score_table *table, const struct allocator *allocator) {
    struct score_bucket *last = bucket_at(table, table->bucket_count - 1);
    if (has_further(last))
        return; /* rare; it goes when more of its elements have gone */
    table->bucket_count--;
    struct score_bucket *to = bucket_at(table, table->bucket_count & (level_of(table) - 1));
    unsigned count = used(last), moved = 0;
    while (moved < count && chain_add(table, allocator, to, last->words[moved]) == LARDER_OK)
        moved++;
    if (moved == count) {
        shrink_segments(table, allocator);
        return;
    }
    while (moved > 0)
        chain_remove(table, allocator, to, chain_find(to, last->words[--moved]));
    table->bucket_count++;
}

/* ---- the table ---- */

enum larder_status score_table_init(struct score_table *table, const struct allocator *allocator) {
    size_t first_bytes = FIRST_BUCKETS * sizeof(struct score_bucket);
    *table = (struct score_table){.segment_count = 1,
                                  .segment_capacity = 1,
                                  .bucket_count = FIRST_BUCKETS,
                                  .first_capacity = FIRST_BUCKETS};
    table->segments = allocator_allocate(allocator, sizeof(*table->segments));
    if (table->segments == NULL)
        return LARDER_NO_MEMORY;
    table->segments[0] = allocator_allocate_zeroed(allocator, first_bytes);
    if (table->segments[0] != NULL)
        return LARDER_OK;
    allocator_release(allocator, table->segments, sizeof(*table->segments));
    return LARDER_NO_MEMORY;
}

bool score_table_free_some(struct score_table *table, const struct allocator *allocator,
                           size_t budget) {
    while (table->bucket_count > 0) {
        if (budget-- == 0)
            return false;
        struct score_bucket *bucket = bucket_at(table, --table->bucket_count);
        while (has_further(bucket)) {
            struct score_bucket *next = further(bucket);
            bucket->words[WORDS - 1] = next->words[WORDS - 1];
            release_further(table, allocator, next);
        }
        if (table->bucket_count % SEGMENT_BUCKETS == 0 && table->segment_count > 1)
            allocator_release(allocator, table->segments[--table->segment_count],
                              SEGMENT_BUCKETS * sizeof(struct score_bucket));
    }
    if (table->segments == NULL)
        return true;
    allocator_release(allocator, table->segments[0],
                      table->first_capacity * sizeof(struct score_bucket));
    allocator_release(allocator, table->segments,
                      table->segment_capacity * sizeof(*table->segments));
    table->segments = NULL;
    return true;
}

size_t score_table_bytes(const struct score_table *table) {
    size_t buckets = table->first_capacity + table->further_count +
                     (table->segment_count - 1) * (size_t)SEGMENT_BUCKETS;
    return buckets * sizeof(struct score_bucket) +
           table->segment_capacity * sizeof(*table->segments);
}

struct scored_element *score_table_find(const struct score_table *table, uint64_t hash,
                                        struct slice member) {
    const struct score_bucket *bucket = bucket_at(table, index_of(table, hash));
    uint64_t tag = hash >> ADDRESS_BITS;
    for (;; bucket = further(bucket)) {
        unsigned count = has_further(bucket) ? WORDS - 1 : WORDS;
        for (unsigned i = 0; i < count; i++) {
            if (bucket->words[i] >> ADDRESS_BITS != tag || bucket->words[i] == 0)
                continue;
            struct scored_element *element = element_of(bucket->words[i]);
            if (slice_equal(scored_element_member(element), member))
                return element;
        }
        if (!has_further(bucket))
            return NULL;
    }
}

enum larder_status score_table_insert(struct score_table *table, const struct allocator *allocator,
                                      const struct hash_seed *seed, uint64_t hash,
                                      struct scored_element *element) {
    enum larder_status status = chain_add(table, allocator, bucket_at(table, index_of(table, hash)),
                                          word_of(hash, element));
    if (status != LARDER_OK)
        return status;
    table->count++;
    if (2 * table->count > GROW_PER_TWO * table->bucket_count)
        grow(table, allocator, seed);
    return LARDER_OK;
}

void score_table_remove(struct score_table *table, const struct allocator *allocator,
                        const struct hash_seed *seed, const struct scored_element *element) {
    uint64_t hash = score_table_hash(seed, scored_element_member(element));
    struct score_bucket *bucket = bucket_at(table, index_of(table, hash));
    chain_remove(table, allocator, bucket, chain_find(bucket, word_of(hash, element)));
    table->count--;
    if (2 * table->count < SHRINK_PER_TWO * table->bucket_count &&
        table->bucket_count > FIRST_BUCKETS)
        shrink(table, allocator);
}

/* ---- scanning ---- */

static uint64_t reversed(uint64_t value) {
    value = __builtin_bswap64(value);
    value = (value & 0x0f0f0f0f0f0f0f0fu) << 4 | (value >> 4 & 0x0f0f0f0f0f0f0f0fu);
    value = (value & 0x3333333333333333u) << 2 | (value >> 2 & 0x3333333333333333u);
    return (value & 0x5555555555555555u) << 1 | (value >> 1 & 0x5555555555555555u);
}

uint64_t score_table_scan(const struct score_table *table, uint64_t cursor,
                          void (*show)(void *context, const struct scored_element *element),
                          void *context) {
    uint64_t level = level_of(table);
    bool is_split = (cursor & (level - 1)) + level < table->bucket_count;
    uint64_t mask = is_split ? 2 * level - 1 : level - 1;
    const struct score_bucket *bucket = bucket_at(table, cursor & mask);
    for (;; bucket = further(bucket)) {
        unsigned count = used(bucket);
        for (unsigned i = 0; i < count; i++)
            show(context, element_of(bucket->words[i]));
        if (!has_further(bucket))
            break;
    }
    /* Counting upwards from the highest bit that the bucket's number uses: what a bucket holds goes
     * on to those behind it when it is split, and comes from them when they are merged. */
    return reversed(reversed(cursor | ~mask) + 1);
}
