/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of messages, plans and marks. Integers are little-endian; members and settings are what
 * they are in entries of the configuration. Decoding checks every count, enumeration and flag, that
 * founders are in order and that nothing is left over.
 *
 *   entry    size u16 | config entry (JOIN: a member, SETTINGS)
 *   plan     cluster 16 | generation u16 | partitions u32 | alone u8 | settings entry | count u8 |
 *            count times: round u32 | seed u8 | member entry
 *   message  type u8 | node 16 | incarnation u64 | seed u8 | digest u64 | cluster 16 | body
 *   body     DISCOVER, STATUS   state u8 | round u32 | seen u64 | member entry
 *            PROPOSE            plan
 *            START              round u32 | plan
 *            BOOT               node 16 | incarnation u64 | round u32
 *            IS_FORMED          generation u16 | count u8 | count times: host 64 | ports 2 x u16
 *   mark     version u8 | what u8 | cluster 16 | generation u16 | has plan u8 | plan | crc u32
 */
#include "base/crc32c.h"
#include "cluster/founding_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum { MARK_VERSION = 1, MARK_NOTHING = 0, MARK_BOOTED, MARK_FORMED };

_Static_assert(FOUNDING_SEEDS_MAX *(1 + 4 + 2 + CONFIG_ENTRY_BYTES_MAX) + 1024 <=
                   FOUNDING_BYTES_MAX,
               "a plan fits");

static void write_entry(struct byte_writer *w, const struct config_entry *entry) {
    size_t size = config_entry_encode(entry, w->at + 2);
    write_unsigned(w, size, 2);
    w->at += size;
}

static void read_entry(struct byte_reader *r, enum config_entry_type type,
                       struct config_entry *out) {
    struct slice bytes = read_bytes(r, read_unsigned(r, 2));
    if (config_entry_decode(bytes, out) != LARDER_OK || out->type != type) {
        r->is_failed = true;
        *out = (struct config_entry){.type = type};
    }
}

static void write_member(struct byte_writer *w, const struct member *member) {
    struct config_entry entry = {.type = CONFIG_JOIN, .join = *member};
    write_entry(w, &entry);
}

static struct member read_member(struct byte_reader *r) {
    struct config_entry entry;
    read_entry(r, CONFIG_JOIN, &entry);
    if (!raft_id_is_set(entry.join.node) || entry.join.incarnation == 0 ||
        entry.join.number != CLUSTER_NOBODY || entry.join.state != MEMBER_ACTIVE)
        r->is_failed = true;
    entry.join.state = 0;
    return entry.join;
}

static void write_plan(struct byte_writer *w, const struct founding_plan *plan) {
    struct config_entry settings = {.type = CONFIG_SETTINGS, .settings = plan->settings};
    write_id(w, plan->cluster);
    write_unsigned(w, plan->generation, 2);
    write_unsigned(w, plan->partition_count, 4);
    write_unsigned(w, plan->is_alone, 1);
    write_entry(w, &settings);
    write_unsigned(w, plan->founder_count, 1);
    for (uint32_t i = 0; i < plan->founder_count; i++) {
        write_unsigned(w, plan->founders[i].round, 4);
        write_unsigned(w, plan->founders[i].seed, 1);
        write_member(w, &plan->founders[i].member);
    }
}

static bool is_above(struct raft_id a, struct raft_id b) {
    return a.words[0] != b.words[0] ? a.words[0] > b.words[0] : a.words[1] > b.words[1];
}

static void read_founders(struct byte_reader *r, struct founding_plan *plan) {
    for (uint32_t i = 0; i < plan->founder_count && !r->is_failed; i++) {
        struct founder *founder = &plan->founders[i];
        founder->round = (uint32_t)read_unsigned(r, 4);
        founder->seed = (uint8_t)read_unsigned(r, 1);
        founder->member = read_member(r);
        bool is_seed = founder->seed < FOUNDING_SEEDS_MAX ||
                       (plan->is_alone && founder->seed == FOUNDING_NO_SEED);
        if (!is_seed ||
            (i > 0 && !is_above(founder->member.node, plan->founders[i - 1].member.node)))
            r->is_failed = true;
    }
}

static void read_plan(struct byte_reader *r, struct founding_plan *plan) {
    struct config_entry settings;
    *plan = (struct founding_plan){0};
    plan->cluster = read_id(r);
    plan->generation = (uint16_t)read_unsigned(r, 2);
    plan->partition_count = (uint32_t)read_unsigned(r, 4);
    plan->is_alone = read_flag(r);
    read_entry(r, CONFIG_SETTINGS, &settings);
    plan->settings = settings.settings;
    plan->founder_count = (uint32_t)read_unsigned(r, 1);
    if (plan->founder_count == 0 || plan->founder_count > FOUNDING_SEEDS_MAX ||
        (plan->is_alone && plan->founder_count != 1) || !raft_id_is_set(plan->cluster))
        r->is_failed = true;
    read_founders(r, plan);
}

static void write_addresses(struct byte_writer *w, const struct founding_message *m) {
    write_unsigned(w, m->address_count, 1);
    for (uint32_t i = 0; i < m->address_count; i++) {
        const struct member_address *a = &m->addresses[i];
        size_t length = strnlen(a->host, CLUSTER_HOST_BYTES - 1);
        memset(w->at, 0, CLUSTER_HOST_BYTES);
        memcpy(w->at, a->host, length);
        w->at += CLUSTER_HOST_BYTES;
        write_unsigned(w, a->client_port, 2);
        write_unsigned(w, a->peer_port, 2);
    }
}

static void read_addresses(struct byte_reader *r, struct founding_message *m) {
    m->address_count = (uint32_t)read_unsigned(r, 1);
    if (m->address_count > FOUNDING_ADDRESSES_MAX)
        r->is_failed = true;
    for (uint32_t i = 0; i < m->address_count && !r->is_failed; i++) {
        struct member_address *a = &m->addresses[i];
        struct slice host = read_bytes(r, CLUSTER_HOST_BYTES);
        if (host.size == 0 || memchr(host.data, 0, host.size) == NULL) {
            r->is_failed = true;
            return;
        }
        memcpy(a->host, host.data, strnlen((const char *)host.data, CLUSTER_HOST_BYTES));
        a->client_port = (uint16_t)read_unsigned(r, 2);
        a->peer_port = (uint16_t)read_unsigned(r, 2);
    }
}

size_t founding_message_encode(const struct founding_message *m, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, m->type, 1);
    write_id(&w, m->node);
    write_unsigned(&w, m->incarnation, 8);
    write_unsigned(&w, m->seed, 1);
    write_unsigned(&w, m->digest, 8);
    write_id(&w, m->cluster);
    switch (m->type) {
    case FOUNDING_DISCOVER:
    case FOUNDING_STATUS:
        write_unsigned(&w, m->state, 1);
        write_unsigned(&w, m->round, 4);
        write_unsigned(&w, m->seen, 8);
        write_member(&w, &m->member);
        break;
    case FOUNDING_PROPOSE: write_plan(&w, m->plan); break;
    case FOUNDING_START:
        write_unsigned(&w, m->target_round, 4);
        write_plan(&w, m->plan);
        break;
    case FOUNDING_BOOT:
        write_id(&w, m->target);
        write_unsigned(&w, m->target_incarnation, 8);
        write_unsigned(&w, m->target_round, 4);
        break;
    case FOUNDING_IS_FORMED:
        write_unsigned(&w, m->generation, 2);
        write_addresses(&w, m);
        break;
    default: break;
    }
    return (size_t)(w.at - out);
}

static void read_body(struct byte_reader *r, struct founding_plan *plan,
                      struct founding_message *m) {
    switch (m->type) {
    case FOUNDING_DISCOVER:
    case FOUNDING_STATUS:
        m->state = (enum founding_state)read_unsigned(r, 1);
        if (m->state < FOUNDING_OPEN || m->state >= FOUNDING_STATE_END)
            r->is_failed = true;
        m->round = (uint32_t)read_unsigned(r, 4);
        m->seen = read_unsigned(r, 8);
        m->member = read_member(r);
        if (!raft_id_equal(m->member.node, m->node) || m->member.incarnation != m->incarnation)
            r->is_failed = true;
        break;
    case FOUNDING_PROPOSE:
    case FOUNDING_START:
        if (m->type == FOUNDING_START)
            m->target_round = (uint32_t)read_unsigned(r, 4);
        read_plan(r, plan);
        m->plan = plan;
        if (!raft_id_equal(plan->cluster, m->cluster))
            r->is_failed = true;
        break;
    case FOUNDING_BOOT:
        m->target = read_id(r);
        m->target_incarnation = read_unsigned(r, 8);
        m->target_round = (uint32_t)read_unsigned(r, 4);
        break;
    case FOUNDING_IS_FORMED:
        m->generation = (uint16_t)read_unsigned(r, 2);
        read_addresses(r, m);
        break;
    default: break;
    }
}

enum larder_status founding_message_decode(struct slice bytes, struct founding_plan *out_plan,
                                           struct founding_message *out) {
    struct byte_reader r = byte_reader_of(bytes);
    *out = (struct founding_message){0};
    out->type = (enum founding_message_type)read_unsigned(&r, 1);
    out->node = read_id(&r);
    out->incarnation = read_unsigned(&r, 8);
    out->seed = (uint8_t)read_unsigned(&r, 1);
    out->digest = read_unsigned(&r, 8);
    out->cluster = read_id(&r);
    bool needs_cluster = out->type != FOUNDING_DISCOVER && out->type != FOUNDING_STATUS;
    if (out->type < FOUNDING_DISCOVER || out->type >= FOUNDING_MESSAGE_END ||
        !raft_id_is_set(out->node) || (needs_cluster && !raft_id_is_set(out->cluster)))
        return LARDER_CORRUPT;
    read_body(&r, out_plan, out);
    return r.is_failed || r.left != 0 ? LARDER_CORRUPT : LARDER_OK;
}

size_t founding_mark_encode(const struct founding *f, uint8_t *out) {
    struct byte_writer w = {out};
    bool has_plan = raft_id_is_set(f->plan.cluster) && (f->is_member || f->has_booted);
    write_unsigned(&w, MARK_VERSION, 1);
    write_unsigned(&w, f->is_member ? MARK_FORMED : f->has_booted ? MARK_BOOTED : MARK_NOTHING, 1);
    write_id(&w, f->cluster);
    write_unsigned(&w, f->cluster_generation, 2);
    write_unsigned(&w, has_plan, 1);
    if (has_plan)
        write_plan(&w, &f->plan);
    write_unsigned(&w, crc32c(slice_of(out, (size_t)(w.at - out))), 4);
    return (size_t)(w.at - out);
}

static bool read_mark(struct founding *f, struct byte_reader *r) {
    uint64_t version = read_unsigned(r, 1), what = read_unsigned(r, 1);
    f->cluster = read_id(r);
    f->cluster_generation = (uint16_t)read_unsigned(r, 2);
    bool has_plan = read_flag(r);
    if (has_plan)
        read_plan(r, &f->plan);
    if (r->is_failed || r->left != 0 || version != MARK_VERSION || what > MARK_FORMED ||
        (what == MARK_BOOTED && !has_plan))
        return false;
    f->is_member = what == MARK_FORMED;
    f->has_booted = what == MARK_BOOTED;
    if (what != MARK_NOTHING)
        f->state = f->is_member ? FOUNDING_FORMED : FOUNDING_BOOTED;
    return true;
}

enum larder_status founding_mark_decode(struct founding *f, struct slice mark) {
    if (mark.size == 0 || CLUSTER_MUTATED(MUTANT_FOUNDING_MARK_IGNORED))
        return LARDER_OK;
    if (mark.size < 4)
        return LARDER_CORRUPT;
    struct slice body = slice_of(mark.data, mark.size - 4);
    struct byte_reader tail = byte_reader_of(slice_of(mark.data + body.size, 4));
    struct byte_reader r = byte_reader_of(body);
    if (read_unsigned(&tail, 4) != crc32c(body) || !read_mark(f, &r))
        return LARDER_CORRUPT;
    /* A booted plan must be this node's. */
    return f->has_booted && founding_index(&f->plan, f->self.node) < 0 ? LARDER_CORRUPT : LARDER_OK;
}

const char *founding_state_name(enum founding_state state) {
    static const char *const NAMES[] = {"?",      "OPEN",    "PROPOSING", "ACCEPTED",
                                        "BOOTED", "JOINING", "FORMED"};
    return state > 0 && state < FOUNDING_STATE_END ? NAMES[state] : NAMES[0];
}

const char *founding_message_name(enum founding_message_type type) {
    static const char *const NAMES[] = {"?",      "DISCOVER", "STATUS", "PROPOSE",
                                        "ACCEPT", "REFUSE",   "ABORT",  "BOOT",
                                        "BOOTED", "START",    "FORMED"};
    return type > 0 && type < FOUNDING_MESSAGE_END ? NAMES[type] : NAMES[0];
}
