/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of records and of the whole state. Integers are little-endian; decoding checks every count
 * and flag and that nothing is left over.
 *
 *   name     size u16 | bytes
 *   record   type u8 | name | token u64 | session 16 | request u64 | hold ms u32 | cluster us u64
 *   lock     name | token u64 | owner 16 | hold ms u32 | depth u32 | count u8 | count times u64:
 *            requests, the oldest first
 *   mark     name | token u64 | raised us u64
 *   state    version u8 | last u64 | floor u64 | locks u32 | marks u32 | locks | marks, in the
 *            order in which they were raised
 */
#include "base/crc64.h"
#include "cluster/locks_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum {
    STATE_VERSION = 1,
    STATE_HEADER_BYTES = 1 + 8 + 8 + 4 + 4,
    LOCK_BYTES_FIXED = 2 + 8 + 16 + 4 + 4 + 1,
    MARK_BYTES_FIXED = 2 + 8 + 8,
};

_Static_assert(1 + 2 + LOCK_NAME_MAX + 8 + 16 + 8 + 4 + 8 <= LOCK_RECORD_BYTES_MAX,
               "a record fits");

static void write_name(struct byte_writer *w, const uint8_t *name, size_t size) {
    write_unsigned(w, size, 2);
    write_bytes(w, slice_of(name, size));
}

static struct slice read_name(struct byte_reader *r, bool may_be_empty) {
    struct slice name = read_bytes(r, read_unsigned(r, 2));
    if (name.size > LOCK_NAME_MAX || (name.size == 0 && !may_be_empty))
        r->is_failed = true;
    return name;
}

size_t lock_record_encode(const struct lock_record *record, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, record->type, 1);
    write_name(&w, record->name.data, record->name.size);
    write_unsigned(&w, record->token, 8);
    write_id(&w, record->session);
    write_unsigned(&w, record->request, 8);
    write_unsigned(&w, record->hold_ms, 4);
    write_unsigned(&w, record->cluster_us, 8);
    return (size_t)(w.at - out);
}

enum larder_status lock_record_decode(struct slice bytes, struct lock_record *out) {
    struct byte_reader r = byte_reader_of(bytes);
    *out = (struct lock_record){.type = (enum lock_record_type)read_unsigned(&r, 1)};
    bool is_end = out->type == LOCK_RECORD_END;
    out->name = read_name(&r, is_end);
    out->token = read_unsigned(&r, 8);
    out->session = read_id(&r);
    out->request = read_unsigned(&r, 8);
    out->hold_ms = (uint32_t)read_unsigned(&r, 4);
    out->cluster_us = read_unsigned(&r, 8);
    bool needs_session = out->type == LOCK_RECORD_GRANT || is_end;
    bool is_sound = out->type >= LOCK_RECORD_GRANT && out->type < LOCK_RECORD_TYPE_END &&
                    (is_end || out->token != 0) && (!needs_session || raft_id_is_set(out->session));
    return r.is_failed || r.left != 0 || !is_sound ? LARDER_CORRUPT : LARDER_OK;
}

static size_t lock_bytes(const struct lock *lock) {
    return LOCK_BYTES_FIXED + lock->name_size + 8 * (size_t)lock->request_count;
}

static void write_lock(struct byte_writer *w, const struct lock *lock) {
    write_name(w, lock->name, lock->name_size);
    write_unsigned(w, lock->token, 8);
    write_id(w, lock->owner);
    write_unsigned(w, lock->hold_ms, 4);
    write_unsigned(w, lock->depth, 4);
    write_unsigned(w, lock->request_count, 1);
    for (uint8_t i = 0; i < lock->request_count; i++) {
        int at = lock->request_next + LOCK_REQUESTS_KEPT - lock->request_count + i;
        write_unsigned(w, lock->requests[at % LOCK_REQUESTS_KEPT], 8);
    }
}

static void write_mark(struct byte_writer *w, const struct mark *mark) {
    write_name(w, mark->name, mark->name_size);
    write_unsigned(w, mark->token, 8);
    write_unsigned(w, mark->raised_us, 8);
}

/* Locks that are free and only waited for are nothing to others. */
static uint32_t count_held(const struct locks *l, size_t *out_bytes) {
    struct table_walk walk = {0};
    const struct lock *lock;
    uint32_t count = 0;
    *out_bytes = 0;
    while ((lock = table_next(&l->table, &walk)) != NULL)
        if (lock->depth > 0) {
            count++;
            *out_bytes += lock_bytes(lock);
        }
    return count;
}

size_t locks_encoded_size(const struct locks *l) {
    size_t bytes;
    count_held(l, &bytes);
    for (const struct link *at = l->mark_order.next; at != &l->mark_order; at = at->next)
        bytes += MARK_BYTES_FIXED + LINK_OWNER(at, const struct mark, order)->name_size;
    return STATE_HEADER_BYTES + bytes;
}

size_t locks_encode(const struct locks *l, uint8_t *out) {
    struct byte_writer w = {out};
    struct table_walk walk = {0};
    const struct lock *lock;
    size_t bytes;
    bool has_marks = !CLUSTER_MUTATED(MUTANT_FENCE_MARKS_NOT_COPIED);
    write_unsigned(&w, STATE_VERSION, 1);
    write_unsigned(&w, l->last, 8);
    write_unsigned(&w, l->floor, 8);
    write_unsigned(&w, count_held(l, &bytes), 4);
    write_unsigned(&w, has_marks ? l->marks.count : 0, 4);
    while ((lock = table_next(&l->table, &walk)) != NULL)
        if (lock->depth > 0)
            write_lock(&w, lock);
    for (const struct link *at = l->mark_order.next; at != &l->mark_order && has_marks;
         at = at->next)
        write_mark(&w, LINK_OWNER(at, const struct mark, order));
    return (size_t)(w.at - out);
}

static enum larder_status read_lock(struct byte_reader *r, struct locks *l) {
    struct slice name = read_name(r, false);
    struct lock read = {0};
    read.token = read_unsigned(r, 8);
    read.owner = read_id(r);
    read.hold_ms = (uint32_t)read_unsigned(r, 4);
    read.depth = (uint32_t)read_unsigned(r, 4);
    read.request_count = (uint8_t)read_unsigned(r, 1);
    if (read.request_count > LOCK_REQUESTS_KEPT)
        return LARDER_CORRUPT;
    for (uint8_t i = 0; i < read.request_count; i++)
        read.requests[i] = read_unsigned(r, 8);
    if (r->is_failed || read.depth == 0 || read.token == 0 || !raft_id_is_set(read.owner) ||
        locks_find_lock(l, name) != NULL)
        return LARDER_CORRUPT;
    struct lock *lock = locks_insert_lock(l, name);
    if (lock == NULL)
        return LARDER_NO_MEMORY;
    lock->owner = read.owner;
    lock->token = read.token;
    lock->hold_ms = read.hold_ms;
    lock->depth = read.depth;
    memcpy(lock->requests, read.requests, sizeof(read.requests));
    lock->request_count = read.request_count;
    lock->request_next = read.request_count % LOCK_REQUESTS_KEPT;
    return LARDER_OK;
}

static enum larder_status read_mark(struct byte_reader *r, struct locks *l) {
    struct slice name = read_name(r, false);
    uint64_t token = read_unsigned(r, 8), raised_us = read_unsigned(r, 8);
    if (r->is_failed || token == 0 || locks_find_mark(l, name) != NULL)
        return LARDER_CORRUPT;
    struct mark *mark = locks_insert_mark(l, name);
    if (mark == NULL)
        return LARDER_NO_MEMORY;
    mark->token = token;
    mark->raised_us = raised_us;
    link_append(&l->mark_order, &mark->order);
    return LARDER_OK;
}

static enum larder_status read_state(struct byte_reader *r, struct locks *l) {
    enum larder_status status = LARDER_OK;
    if (read_unsigned(r, 1) != STATE_VERSION)
        return LARDER_CORRUPT;
    l->last = read_unsigned(r, 8);
    l->floor = read_unsigned(r, 8);
    uint64_t lock_count = read_unsigned(r, 4), mark_count = read_unsigned(r, 4);
    for (uint64_t i = 0; i < lock_count && status == LARDER_OK; i++)
        status = read_lock(r, l);
    for (uint64_t i = 0; i < mark_count && status == LARDER_OK; i++)
        status = read_mark(r, l);
    if (status == LARDER_OK && (r->is_failed || r->left != 0))
        status = LARDER_CORRUPT;
    return status;
}

static void swap_tables(struct table *a, struct table *b) {
    struct table kept = *a;
    *a = *b;
    *b = kept;
}

static void move_links(struct link *from, struct link *to) {
    while (!link_is_alone(from))
        link_append(to, from->next);
}

enum larder_status locks_decode(struct locks *l, struct slice bytes) {
    struct byte_reader r = byte_reader_of(bytes);
    struct locks *read = NULL;
    struct locks_options options = l->options;
    options.waiters_max = 1;
    enum larder_status status = locks_create(&options, l->allocator, &read);
    if (status != LARDER_OK)
        return status;
    status = read_state(&r, read);
    if (status == LARDER_OK)
        status = deadlines_reserve(&l->expiries, (uint32_t)read->table.count);
    if (status == LARDER_OK) {
        struct link old;
        locks_follow(l);
        link_init(&old);
        move_links(&l->mark_order, &old);
        move_links(&read->mark_order, &l->mark_order);
        move_links(&old, &read->mark_order);
        swap_tables(&l->table, &read->table);
        swap_tables(&l->marks, &read->marks);
        l->last = read->last;
        l->floor = read->floor;
    }
    locks_destroy(read);
    return status;
}

/* Sums don't depend on the order; a CRC alone would cancel out in them. */
static uint64_t mixed(uint64_t hash) {
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    return hash ^ hash >> 31;
}

static void add_digest(struct store_digest *digest, struct slice bytes) {
    digest->low += mixed(crc64(1, bytes));
    digest->high += mixed(crc64(2, bytes));
}

struct store_digest locks_digest(const struct locks *l) {
    uint8_t bytes[LOCK_BYTES_FIXED + 8 * LOCK_REQUESTS_KEPT + LOCK_NAME_MAX];
    struct store_digest digest = {0};
    struct table_walk walk = {0};
    const struct lock *lock;
    struct byte_writer w = {bytes};
    write_unsigned(&w, l->last, 8);
    write_unsigned(&w, l->floor, 8);
    add_digest(&digest, slice_of(bytes, (size_t)(w.at - bytes)));
    while ((lock = table_next(&l->table, &walk)) != NULL) {
        if (lock->depth == 0)
            continue;
        w.at = bytes;
        write_lock(&w, lock);
        add_digest(&digest, slice_of(bytes, (size_t)(w.at - bytes)));
    }
    for (const struct link *at = l->mark_order.next; at != &l->mark_order; at = at->next) {
        w.at = bytes;
        write_mark(&w, LINK_OWNER(at, const struct mark, order));
        add_digest(&digest, slice_of(bytes, (size_t)(w.at - bytes)));
    }
    return digest;
}
