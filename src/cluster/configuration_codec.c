/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of entries and of the whole state. Integers are little-endian; decoding checks every count,
 * enumeration and flag, and that nothing is left over.
 *
 *   entry      type u8 | body
 *   member     number u32 | state u8 | departure u8 | node 16 | incarnation u64 | host 64 |
 *              ports 2 x u16 | zone 32 | machine 32 | weight u32 | durable u8
 *   set        count u8 | count times u32, ascending
 *   partition  epoch u64 | term u64 | term index u64 | lost index u64 | state u8 | primary u32 |
 *              released u8 | unleased u8 | reset term u64 | reset ceiling u64 |
 *              loss term u64 | loss after u64 | in sync, learners, target, last: sets
 *   snapshot   version u8 | cluster 16 | generation u16 | index u64 | ceiling u64 |
 *              last number u32 | settings 9 x u32 | longest leases 2 x u32 | members u32 |
 *              partitions u32 | members | partitions | crc u32
 */
#include "base/crc32c.h"
#include "base/hash.h"
#include "cluster/configuration.h"
#include "cluster/partition_config.h"
#include "raft/bytes.h"

enum {
    SNAPSHOT_VERSION = 1,
    SETTINGS_BYTES = 9 * 4,
    MEMBER_BYTES = 4 + 2 * 1 + 16 + 8 + CLUSTER_HOST_BYTES + 4 + 2 * CLUSTER_LABEL_BYTES + 4 + 1,
    PARTITION_BYTES_FIXED = 8 * 8 + 1 + 4 + 2,
    SNAPSHOT_HEADER_BYTES = 1 + 16 + 2 + 8 + 8 + 4 + SETTINGS_BYTES + 4 * 4,
};

_Static_assert(1 + MEMBER_BYTES <= CONFIG_ENTRY_BYTES_MAX, "a join fits");
_Static_assert(1 + 4 + 8 + 4 + 4 * 8 + 1 + 1 + 4 * CLUSTER_REPLICAS_MAX <= CONFIG_ENTRY_BYTES_MAX,
               "a change fits");

static void write_set(struct byte_writer *w, const struct member_set *set) {
    write_unsigned(w, set->count, 1);
    for (uint8_t i = 0; i < set->count; i++)
        write_unsigned(w, set->members[i], 4);
}

static struct member_set read_set(struct byte_reader *r) {
    struct member_set set = {0};
    uint64_t count = read_unsigned(r, 1);
    if (count > CLUSTER_REPLICAS_MAX) {
        r->is_failed = true;
        return set;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t member = (uint32_t)read_unsigned(r, 4);
        if (member == CLUSTER_NOBODY || (i > 0 && member <= set.members[i - 1]))
            r->is_failed = true;
        set.members[set.count++] = member;
    }
    return set;
}

static void read_text(struct byte_reader *r, char *out, size_t size) {
    struct slice bytes = read_bytes(r, size);
    if (bytes.size == 0)
        return;
    memcpy(out, bytes.data, size);
    const char *end = memchr(out, 0, size);
    for (const char *at = end; at != NULL && at < out + size; at++)
        if (*at != 0)
            end = NULL;
    if (end == NULL)
        r->is_failed = true;
}

static uint64_t read_enum(struct byte_reader *r, uint64_t last) {
    uint64_t value = read_unsigned(r, 1);
    if (value == 0 || value > last)
        r->is_failed = true;
    return value;
}

static enum member_departure read_departure(struct byte_reader *r) {
    uint64_t value = read_unsigned(r, 1);
    if (value >= DEPARTURE_END)
        r->is_failed = true;
    return (enum member_departure)value;
}

/* Text fields are NUL-padded, so that equal members give equal bytes. */
static void write_text(struct byte_writer *w, const char *text, size_t size) {
    size_t length = strnlen(text, size - 1);
    memcpy(w->at, text, length);
    memset(w->at + length, 0, size - length);
    w->at += size;
}

static void write_member(struct byte_writer *w, const struct member *m) {
    write_unsigned(w, m->number, 4);
    write_unsigned(w, m->state, 1);
    write_unsigned(w, m->departure, 1);
    write_id(w, m->node);
    write_unsigned(w, m->incarnation, 8);
    write_text(w, m->address.host, CLUSTER_HOST_BYTES);
    write_unsigned(w, m->address.client_port, 2);
    write_unsigned(w, m->address.peer_port, 2);
    write_text(w, m->zone, CLUSTER_LABEL_BYTES);
    write_text(w, m->host, CLUSTER_LABEL_BYTES);
    write_unsigned(w, m->weight, 4);
    write_unsigned(w, m->is_durable, 1);
}

static void read_member(struct byte_reader *r, struct member *m) {
    *m = (struct member){0};
    m->number = (uint32_t)read_unsigned(r, 4);
    m->state = (enum member_state)read_enum(r, MEMBER_DOWN);
    m->departure = read_departure(r);
    m->node = read_id(r);
    m->incarnation = read_unsigned(r, 8);
    read_text(r, m->address.host, CLUSTER_HOST_BYTES);
    m->address.client_port = (uint16_t)read_unsigned(r, 2);
    m->address.peer_port = (uint16_t)read_unsigned(r, 2);
    read_text(r, m->zone, CLUSTER_LABEL_BYTES);
    read_text(r, m->host, CLUSTER_LABEL_BYTES);
    m->weight = (uint32_t)read_unsigned(r, 4);
    m->is_durable = read_flag(r);
}

static void write_settings(struct byte_writer *w, const struct cluster_settings *s) {
    const uint32_t values[] = {
        s->replica_count,           s->min_insync, s->voter_count,     (uint32_t)s->loss_policy,
        (uint32_t)s->quorum_policy, s->lease_ms,   s->config_lease_ms, s->node_timeout_ms,
        (uint32_t)s->write_mode};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        write_unsigned(w, values[i], 4);
}

static struct cluster_settings read_settings(struct byte_reader *r) {
    uint32_t values[SETTINGS_BYTES / 4];
    for (size_t i = 0; i < SETTINGS_BYTES / 4; i++)
        values[i] = (uint32_t)read_unsigned(r, 4);
    return (struct cluster_settings){.replica_count = values[0],
                                     .min_insync = values[1],
                                     .voter_count = values[2],
                                     .loss_policy = (enum loss_policy)values[3],
                                     .quorum_policy = (enum quorum_policy)values[4],
                                     .lease_ms = values[5],
                                     .config_lease_ms = values[6],
                                     .node_timeout_ms = values[7],
                                     .write_mode = (enum write_mode)values[8]};
}

static void write_change(struct byte_writer *w, const struct config_partition_change *change) {
    write_unsigned(w, change->partition, 4);
    write_unsigned(w, change->epoch, 8);
    write_unsigned(w, change->member, 4);
    write_unsigned(w, change->incarnation, 8);
    write_unsigned(w, change->term, 8);
    write_unsigned(w, change->ceiling, 8);
    write_unsigned(w, change->may_have_lost, 1);
    write_unsigned(w, change->log_end, 8);
    write_set(w, &change->target);
}

static void read_change(struct byte_reader *r, struct config_partition_change *change) {
    change->partition = (uint32_t)read_unsigned(r, 4);
    change->epoch = read_unsigned(r, 8);
    change->member = (uint32_t)read_unsigned(r, 4);
    change->incarnation = read_unsigned(r, 8);
    change->term = read_unsigned(r, 8);
    change->ceiling = read_unsigned(r, 8);
    change->may_have_lost = read_flag(r);
    change->log_end = read_unsigned(r, 8);
    change->target = read_set(r);
}

size_t config_entry_encode(const struct config_entry *entry, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, entry->type, 1);
    switch (entry->type) {
    case CONFIG_JOIN: {
        struct member join = entry->join;
        join.number = CLUSTER_NOBODY;
        join.state = MEMBER_ACTIVE;
        join.departure = DEPARTURE_NONE;
        write_member(&w, &join);
        break;
    }
    case CONFIG_DOWN:
    case CONFIG_REMOVE:
        write_unsigned(&w, entry->member.number, 4);
        write_unsigned(&w, entry->member.incarnation, 8);
        break;
    case CONFIG_DRAIN:
        write_unsigned(&w, entry->drain.number, 4);
        write_unsigned(&w, entry->drain.incarnation, 8);
        write_unsigned(&w, entry->drain.departure, 1);
        break;
    case CONFIG_SETTINGS: write_settings(&w, &entry->settings); break;
    case CONFIG_CEILING: write_unsigned(&w, entry->ceiling, 8); break;
    default: write_change(&w, &entry->change);
    }
    return (size_t)(w.at - out);
}

enum larder_status config_entry_decode(struct slice bytes, struct config_entry *out) {
    struct byte_reader r = byte_reader_of(bytes);
    *out = (struct config_entry){
        .type = (enum config_entry_type)read_enum(&r, CONFIG_ENTRY_TYPE_END - 1)};
    if (r.is_failed)
        return LARDER_CORRUPT;
    switch (out->type) {
    case CONFIG_JOIN: read_member(&r, &out->join); break;
    case CONFIG_DOWN:
    case CONFIG_REMOVE:
        out->member.number = (uint32_t)read_unsigned(&r, 4);
        out->member.incarnation = read_unsigned(&r, 8);
        break;
    case CONFIG_DRAIN:
        out->drain.number = (uint32_t)read_unsigned(&r, 4);
        out->drain.incarnation = read_unsigned(&r, 8);
        out->drain.departure = read_departure(&r);
        break;
    case CONFIG_SETTINGS: out->settings = read_settings(&r); break;
    case CONFIG_CEILING: out->ceiling = read_unsigned(&r, 8); break;
    default: read_change(&r, &out->change);
    }
    return r.is_failed || r.left != 0 ? LARDER_CORRUPT : LARDER_OK;
}

static size_t set_bytes(const struct member_set *set) {
    return 1 + 4 * (size_t)set->count;
}

size_t configuration_encoded_size(const struct configuration *c) {
    size_t size = SNAPSHOT_HEADER_BYTES + (size_t)c->member_count * MEMBER_BYTES + 4;
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *p = &c->partitions[i];
        size += PARTITION_BYTES_FIXED + set_bytes(&p->in_sync) + set_bytes(&p->learners) +
                set_bytes(&p->target) + set_bytes(&p->last);
    }
    return size;
}

static void write_partition(struct byte_writer *w, const struct partition_config *p) {
    write_unsigned(w, p->epoch, 8);
    write_unsigned(w, p->term, 8);
    write_unsigned(w, p->term_index, 8);
    write_unsigned(w, p->lost_index, 8);
    write_unsigned(w, p->state, 1);
    write_unsigned(w, p->primary, 4);
    write_unsigned(w, p->is_released, 1);
    write_unsigned(w, p->is_unleased, 1);
    write_unsigned(w, p->reset_term, 8);
    write_unsigned(w, p->reset_ceiling, 8);
    write_unsigned(w, p->loss_term, 8);
    write_unsigned(w, p->loss_after, 8);
    write_set(w, &p->in_sync);
    write_set(w, &p->learners);
    write_set(w, &p->target);
    write_set(w, &p->last);
}

static struct partition_config read_partition(struct byte_reader *r) {
    struct partition_config p = {0};
    p.epoch = read_unsigned(r, 8);
    p.term = read_unsigned(r, 8);
    p.term_index = read_unsigned(r, 8);
    p.lost_index = read_unsigned(r, 8);
    p.state = (enum partition_state)read_enum(r, PARTITION_LOST);
    p.primary = (uint32_t)read_unsigned(r, 4);
    p.is_released = read_flag(r);
    p.is_unleased = read_flag(r);
    p.reset_term = read_unsigned(r, 8);
    p.reset_ceiling = read_unsigned(r, 8);
    p.loss_term = read_unsigned(r, 8);
    p.loss_after = read_unsigned(r, 8);
    p.in_sync = read_set(r);
    p.learners = read_set(r);
    p.target = read_set(r);
    p.last = read_set(r);
    return p;
}

static void write_header(struct byte_writer *w, const struct configuration *c) {
    write_unsigned(w, SNAPSHOT_VERSION, 1);
    write_id(w, c->cluster);
    write_unsigned(w, c->generation, 2);
    write_unsigned(w, c->index, 8);
    write_unsigned(w, c->ceiling, 8);
    write_unsigned(w, c->last_number, 4);
    write_settings(w, &c->settings);
    write_unsigned(w, c->longest_lease_ms, 4);
    write_unsigned(w, c->longest_config_lease_ms, 4);
    write_unsigned(w, c->member_count, 4);
    write_unsigned(w, c->partition_count, 4);
}

size_t configuration_encode(const struct configuration *c, uint8_t *out) {
    struct byte_writer w = {out};
    write_header(&w, c);
    for (uint32_t i = 0; i < c->member_count; i++)
        write_member(&w, &c->members[i]);
    for (uint32_t i = 0; i < c->partition_count; i++)
        write_partition(&w, &c->partitions[i]);
    write_unsigned(&w, crc32c(slice_of(out, (size_t)(w.at - out))), 4);
    return (size_t)(w.at - out);
}

static bool read_header(struct byte_reader *r, struct configuration *c) {
    if (read_unsigned(r, 1) != SNAPSHOT_VERSION || !raft_id_equal(read_id(r), c->cluster) ||
        read_unsigned(r, 2) != c->generation)
        return false;
    c->index = read_unsigned(r, 8);
    c->ceiling = read_unsigned(r, 8);
    c->last_number = (uint32_t)read_unsigned(r, 4);
    c->settings = read_settings(r);
    c->longest_lease_ms = (uint32_t)read_unsigned(r, 4);
    c->longest_config_lease_ms = (uint32_t)read_unsigned(r, 4);
    c->member_count = (uint32_t)read_unsigned(r, 4);
    return read_unsigned(r, 4) == c->partition_count && c->member_count <= c->members_max;
}

static void read_into(struct configuration *c, struct partition_config read, uint32_t partition) {
    c->partitions[partition] = read;
    if (read.reset_ceiling > c->reset_ceiling)
        c->reset_ceiling = read.reset_ceiling;
}

static bool read_state(struct byte_reader *r, struct configuration *c) {
    for (uint32_t i = 0; i < c->member_count && !r->is_failed; i++)
        read_member(r, &c->members[i]);
    for (uint32_t i = 0; i < c->partition_count && !r->is_failed; i++)
        read_into(c, read_partition(r), i);
    return !r->is_failed && r->left == 0 && configuration_is_sound(c);
}

enum larder_status configuration_restore(struct configuration *c, struct slice bytes) {
    if (bytes.size < SNAPSHOT_HEADER_BYTES + 4)
        return LARDER_CORRUPT;
    struct slice body = slice_of(bytes.data, bytes.size - 4);
    struct byte_reader tail = byte_reader_of(slice_of(bytes.data + body.size, 4));
    struct byte_reader r = byte_reader_of(body);
    struct configuration *read = NULL;
    if (read_unsigned(&tail, 4) != crc32c(body))
        return LARDER_CORRUPT;
    enum larder_status status = configuration_create(c->cluster, c->generation, c->partition_count,
                                                     c->members_max, c->allocator, &read);
    if (status != LARDER_OK)
        return status;
    if (!read_header(&r, read) || !read_state(&r, read)) {
        configuration_destroy(read);
        return LARDER_CORRUPT;
    }
    struct configuration previous = *c;
    *c = *read;
    *read = previous;
    configuration_destroy(read);
    return LARDER_OK;
}

enum larder_status configuration_peek_index(struct slice bytes, uint64_t *out) {
    struct byte_reader r = byte_reader_of(bytes);
    uint64_t version = read_unsigned(&r, 1);
    (void)read_bytes(&r, 16 + 2); /* cluster and generation: compared when it is restored */
    *out = read_unsigned(&r, 8);
    return r.is_failed || version != SNAPSHOT_VERSION ? LARDER_CORRUPT : LARDER_OK;
}

static uint64_t hash_written(uint64_t hash, const uint8_t *bytes, const struct byte_writer *w) {
    static const struct hash_seed SEED = {{0x636f6e6669677572, 0x6174696f6e686173}};
    return hash_key(&SEED, slice_of(bytes, (size_t)(w->at - bytes)), hash);
}

uint64_t configuration_hash(const struct configuration *c) {
    uint8_t bytes[MEMBER_BYTES + PARTITION_BYTES_FIXED + 4 * (1 + 4 * CLUSTER_REPLICAS_MAX)];
    struct byte_writer w = {bytes};
    write_header(&w, c);
    uint64_t hash = hash_written(0, bytes, &w);
    for (uint32_t i = 0; i < c->member_count; i++) {
        w.at = bytes;
        write_member(&w, &c->members[i]);
        hash = hash_written(hash, bytes, &w);
    }
    for (uint32_t i = 0; i < c->partition_count; i++) {
        w.at = bytes;
        write_partition(&w, &c->partitions[i]);
        hash = hash_written(hash, bytes, &w);
    }
    return hash;
}

const char *config_entry_name(enum config_entry_type type) {
    static const char *const NAMES[] = {
        [CONFIG_JOIN] = "JOIN",
        [CONFIG_DOWN] = "DOWN",
        [CONFIG_DRAIN] = "DRAIN",
        [CONFIG_REMOVE] = "REMOVE",
        [CONFIG_SETTINGS] = "SETTINGS",
        [CONFIG_CEILING] = "CEILING",
        [CONFIG_SHRINK] = "SHRINK",
        [CONFIG_EXPAND] = "EXPAND",
        [CONFIG_TRANSFER] = "TRANSFER",
        [CONFIG_ELECT] = "ELECT",
        [CONFIG_RESTORE] = "RESTORE",
        [CONFIG_RESET] = "RESET",
        [CONFIG_NOP] = "NOP",
        [CONFIG_ADD_LEARNER] = "ADD_LEARNER",
        [CONFIG_REMOVE_LEARNER] = "REMOVE_LEARNER",
        [CONFIG_TARGET] = "TARGET",
        [CONFIG_LEASED] = "LEASED",
    };
    return type > 0 && type < CONFIG_ENTRY_TYPE_END ? NAMES[type] : "?";
}

const char *config_outcome_name(enum config_outcome outcome) {
    static const char *const NAMES[] = {"?",       "applied", "stale",
                                        "refused", "full",    "unknown member"};
    return outcome >= CONFIG_APPLIED && outcome <= CONFIG_UNKNOWN_MEMBER ? NAMES[outcome]
                                                                         : NAMES[0];
}
