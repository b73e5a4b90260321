/* SPDX-License-Identifier: BSD-3-Clause */
/* A member's copy of the configuration. Entries come from the core or, when others are ahead, from
 * any of them: what somebody has applied is committed, so it is the same. Each is applied exactly
 * once and in order: one that does not follow the last one waits until what is between was fetched.
 * The state as of the founding is in no entry, so a newcomer begins with a whole configuration. */
#include "base/crc32c.h"
#include "cluster/member_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum {
    LAG_US = 30000,    /* the core needs a moment to bring what others have */
    FETCH_US = 100000, /* between two questions */
    ENTRIES_MAX = 64,  /* in one answer */
    CLOSE_MEMBERS = 16 /* in clusters up to this size all hear all */
};

enum larder_status member_view_create(struct cluster_member *m, const struct member_start *start) {
    const struct member_options *o = &m->options;
    const struct cluster_settings *settings =
        start->plan == NULL ? &CLUSTER_DEFAULT_SETTINGS : &start->plan->settings;
    bool is_founding = start->plan != NULL && start->snapshot.size == 0;
    const struct failure_detector_options detector = {.most_us = settings->node_timeout_ms * 1000};
    m->peers = allocator_allocate_zeroed(m->allocator, o->members_max * sizeof(*m->peers));
    if (m->peers == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status =
        is_founding
            ? founding_configure(start->plan, o->members_max, m->allocator, &m->configuration)
            : configuration_create(o->cluster, o->generation, o->partition_count, o->members_max,
                                   m->allocator, &m->configuration);
    if (status == LARDER_OK)
        status = lease_table_create(o->members_max, settings->lease_ms * 1000,
                                    settings->config_lease_ms * 1000, m->now_us, m->allocator,
                                    &m->leases);
    if (status == LARDER_OK)
        status = failure_detector_create(&detector, o->members_max, m->now_us, m->allocator,
                                         &m->detector);
    if (status != LARDER_OK)
        return status;
    if (start->snapshot.size > 0)
        status = configuration_restore(m->configuration, start->snapshot);
    else if (!is_founding)
        return LARDER_OK;
    m->has_configuration = status == LARDER_OK;
    m->applied = m->snapshot_index = m->configuration->index;
    return status;
}

/* ---- applying ---- */

static void remember(struct cluster_member *m, uint64_t index, struct slice entry) {
    struct member_history_entry *at = &m->history[index % MEMBER_HISTORY];
    at->index = index;
    at->entry.size = (uint16_t)entry.size;
    if (entry.size > 0)
        memcpy(at->entry.bytes, entry.data, entry.size);
}

/* One that this version can't read was not made by a member of this version: it is passed over,
 * here as everywhere. */
static void apply(struct cluster_member *m, uint64_t index, struct slice entry) {
    enum config_outcome outcome;
    if (entry.size == 0 || entry.size > CONFIG_ENTRY_BYTES_MAX ||
        configuration_apply(m->configuration, index, entry, &outcome) != LARDER_OK) {
        configuration_advance(m->configuration, index);
        entry.size = 0;
    }
    remember(m, index, entry);
    m->applied = index;
    member_note_checkpoint(m);
    m->is_view_due = true;
}

void member_apply(struct cluster_member *m, const struct raft_entry *entry) {
    if (m->has_configuration && entry->index == m->applied + 1)
        apply(m, entry->index, entry->type == RAFT_ENTRY_COMMAND ? entry->data : slice_of(NULL, 0));
    else
        member_note_index(m, entry->index, RAFT_NOBODY);
}

static void restore(struct cluster_member *m, struct slice bytes) {
    if (configuration_restore(m->configuration, bytes) != LARDER_OK)
        return;
    m->has_configuration = true;
    m->applied = m->configuration->index;
    m->is_view_due = true;
}

/* A snapshot that can't be read is made up for by fetching. */
void member_install(struct cluster_member *m, struct slice snapshot, uint64_t index) {
    if (index > m->snapshot_index)
        m->snapshot_index = index;
    if (index > m->applied || !m->has_configuration)
        restore(m, snapshot);
    member_note_index(m, index, RAFT_NOBODY);
}

/* ---- those who lag ---- */

void member_note_index(struct cluster_member *m, uint64_t index, struct raft_id from) {
    if (index <= m->known_index)
        return;
    m->known_index = index;
    if (raft_id_is_set(from))
        m->known_from = from;
}

static size_t write_address(struct cluster_member *m) {
    const struct member_address *self = &m->options.self.address;
    struct byte_writer w = {member_body(m)};
    write_bytes(&w, slice_of(self->host, CLUSTER_HOST_BYTES));
    write_unsigned(&w, self->client_port, 2);
    write_unsigned(&w, self->peer_port, 2);
    return (size_t)(w.at - member_body(m));
}

static const struct member *any_peer(struct cluster_member *m) {
    uint32_t number = m->peers[m->peer_at++ % m->peer_count].number;
    return configuration_find_member(m->configuration, number);
}

/* Somebody has applied more than this member; or the coordinator is silent, perhaps because the
 * configuration does not name this member any more and nobody speaks to it. */
static bool is_lagging(const struct cluster_member *m) {
    return !m->has_configuration || m->known_index > m->applied ||
           !lease_config_holds(m->leases, m->now_us);
}

/* One of the core after the other: a voter that left and came back may be in no configuration, and
 * can't be elected or answer those who would be before it and they know each other's addresses. */
static void fetch_from_core(struct cluster_member *m, size_t size) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    if (core->count == 0 || CLUSTER_MUTATED(MUTANT_CORE_NOT_ASKED))
        return;
    struct raft_id node = core->members[m->core_at++ % core->count].id;
    const struct member_address *address = member_find_address(m, node);
    if (address != NULL && !raft_id_equal(node, m->options.self.node))
        member_send(m, address, node, FRAME_FETCH, size);
}

void member_fetch(struct cluster_member *m) {
    if (!is_lagging(m)) {
        m->lagging_since_us = INT64_MAX;
        return;
    }
    if (m->lagging_since_us == INT64_MAX)
        m->lagging_since_us = m->now_us;
    if (m->now_us - m->lagging_since_us < LAG_US || m->now_us - m->fetched_us < FETCH_US)
        return;
    m->fetched_us = m->now_us;
    size_t size = write_address(m);
    const struct member *from =
        m->has_configuration ? configuration_find_node(m->configuration, m->known_from) : NULL;
    if (from != NULL && m->known_index > m->applied)
        member_send(m, &from->address, from->node, FRAME_FETCH, size);
    else if (m->peer_count > 0 && (from = any_peer(m)) != NULL)
        member_send(m, &from->address, from->node, FRAME_FETCH, size);
    fetch_from_core(m, size);
    if (m->contact_count > 0)
        member_send(m, &m->contacts[m->fetch_at++ % m->contact_count], RAFT_NOBODY, FRAME_FETCH,
                    size);
}

static size_t write_entries(struct cluster_member *m, uint64_t after) {
    uint64_t last = after + ENTRIES_MAX < m->applied ? after + ENTRIES_MAX : m->applied;
    struct byte_writer w = {member_body(m)};
    write_unsigned(&w, last - after, 1);
    for (uint64_t index = after + 1; index <= last; index++) {
        const struct member_history_entry *at = &m->history[index % MEMBER_HISTORY];
        if (at->index != index)
            return 0;
        write_unsigned(&w, index, 8);
        write_unsigned(&w, at->entry.size, 2);
        write_bytes(&w, slice_of(at->entry.bytes, at->entry.size));
    }
    return (size_t)(w.at - member_body(m));
}

void member_take_fetch(struct cluster_member *m, const struct member_frame *frame) {
    struct byte_reader r = byte_reader_of(frame->body);
    struct member_address to = {0};
    struct slice host = read_bytes(&r, CLUSTER_HOST_BYTES);
    to.client_port = (uint16_t)read_unsigned(&r, 2);
    to.peer_port = (uint16_t)read_unsigned(&r, 2);
    if (r.is_failed || r.left > 0 || host.data[CLUSTER_HOST_BYTES - 1] != 0 || host.size == 0)
        return;
    memcpy(to.host, host.data, CLUSTER_HOST_BYTES);
    member_learn_address(m, frame->from, &to);
    bool is_new = frame->index == 0;
    if (!m->has_configuration || (frame->index >= m->applied && !is_new))
        return;
    size_t size = is_new ? 0 : write_entries(m, frame->index);
    if (size > 0) {
        member_send(m, &to, frame->from, FRAME_ENTRIES, size);
        return;
    }
    if (configuration_encoded_size(m->configuration) > m->frame_bytes - MEMBER_FRAME_OVERHEAD)
        return;
    size = configuration_encode(m->configuration, member_body(m));
    member_send(m, &to, frame->from, FRAME_SNAPSHOT, size);
}

void member_take_entries(struct cluster_member *m, struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    uint64_t count = read_unsigned(&r, 1);
    for (uint64_t i = 0; i < count && m->has_configuration; i++) {
        uint64_t index = read_unsigned(&r, 8);
        struct slice entry = read_bytes(&r, read_unsigned(&r, 2));
        if (r.is_failed || entry.size > CONFIG_ENTRY_BYTES_MAX)
            return;
        if (index == m->applied + 1)
            apply(m, index, entry);
    }
}

/* The state is compared before it is taken: index and cluster are in it. */
void member_take_snapshot(struct cluster_member *m, struct slice body) {
    uint64_t index;
    if (configuration_peek_index(body, &index) == LARDER_OK &&
        (!m->has_configuration || index > m->applied))
        restore(m, body);
}

/* ---- showing ---- */

struct member_peer *member_find_peer(const struct cluster_member *m, uint32_t number) {
    for (uint32_t i = 0; i < m->peer_count; i++)
        if (m->peers[i].number == number)
            return &m->peers[i];
    return NULL;
}

static void mark_close(struct cluster_member *m, const struct member_set *set) {
    for (uint8_t i = 0; i < set->count; i++) {
        struct member_peer *peer = member_find_peer(m, set->members[i]);
        if (peer != NULL)
            peer->is_close = true;
    }
}

/* One pass over the partitions for all peers: there may be thousands of either. */
static void mark_who_shares_a_partition(struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct partition_config *config = &c->partitions[p];
        if (!member_set_has(&config->in_sync, m->number) &&
            !member_set_has(&config->learners, m->number))
            continue;
        mark_close(m, &config->in_sync);
        mark_close(m, &config->learners);
    }
}

static bool is_voter(const struct cluster_member *m, struct raft_id node) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    for (uint32_t i = 0; i < core->count; i++)
        if (raft_id_equal(core->members[i].id, node))
            return core->members[i].is_voter;
    return false;
}

static void set_peers(struct cluster_member *m) {
    const struct configuration *c = m->configuration;
    bool votes = is_voter(m, m->options.self.node);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->peer_count; i++)
        if (configuration_find_member(c, m->peers[i].number) != NULL)
            m->peers[kept++] = m->peers[i];
    m->peer_count = kept;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *other = &c->members[i];
        if (raft_id_equal(other->node, m->options.self.node))
            continue;
        struct member_peer *peer = member_find_peer(m, other->number);
        if (peer == NULL)
            peer = &m->peers[m->peer_count++];
        if (peer->number != other->number || peer->incarnation != other->incarnation)
            *peer = (struct member_peer){.number = other->number,
                                         .incarnation = other->incarnation,
                                         .since_us = m->now_us,
                                         .asked_us = INT64_MIN,
                                         .in_round_us = INT64_MIN,
                                         .reported_us = INT64_MIN / 2,
                                         .deaf_since_us = INT64_MAX,
                                         .down_since_us = INT64_MAX};
        peer->is_close = c->member_count <= CLOSE_MEMBERS || votes || is_voter(m, other->node);
    }
    if (c->member_count > CLOSE_MEMBERS && !votes)
        mark_who_shares_a_partition(m);
}

static void set_leases(struct cluster_member *m) {
    struct lease_table *leases = m->leases;
    for (uint32_t i = leases->peer_count; i > 0; i--) {
        uint32_t number = leases->peers[i - 1].member;
        if (configuration_find_member(m->configuration, number) == NULL)
            lease_remove_peer(leases, number);
    }
    for (uint32_t i = 0; i < m->peer_count; i++)
        (void)lease_set_peer(leases, m->peers[i].number, m->peers[i].incarnation);
}

static const struct observed_peer *find_observed(const struct failure_detector *d,
                                                 uint32_t number) {
    for (uint32_t i = 0; i < d->peer_count; i++)
        if (d->peers[i].member == number)
            return &d->peers[i];
    return NULL;
}

/* One that is down is watched as nobody: when it joins again, its silence counts from then on. So
 * are all while this process has no number, as nobody speaks to it. */
static void set_detector(struct cluster_member *m) {
    struct failure_detector *d = m->detector;
    for (uint32_t i = d->peer_count; i > 0; i--)
        if (member_find_peer(m, d->peers[i - 1].member) == NULL)
            failure_detector_forget(d, d->peers[i - 1].member);
    for (uint32_t i = 0; i < m->peer_count; i++) {
        const struct member_peer *peer = &m->peers[i];
        const struct observed_peer *observed = find_observed(d, peer->number);
        const struct member *member = configuration_find_member(m->configuration, peer->number);
        bool is_silent =
            m->number == CLUSTER_NOBODY || (member != NULL && member->state == MEMBER_DOWN);
        uint64_t incarnation = is_silent ? 0 : peer->incarnation;
        if (observed == NULL || observed->incarnation != incarnation)
            (void)failure_detector_watch(d, peer->number, incarnation, m->now_us);
    }
}

/* Promises that were given hold as long as they say. A process that has just begun does not know
 * what it gave before. */
static void set_durations(struct cluster_member *m) {
    const struct cluster_settings *settings = &m->configuration->settings;
    m->leases->lease_us = settings->lease_ms * 1000;
    m->leases->config_lease_us = settings->config_lease_ms * 1000;
    if (!CLUSTER_MUTATED(MUTANT_FRESH_OPENS))
        m->leases->opens_from_us =
            m->started_us + (int64_t)m->configuration->longest_lease_ms * 1000;
}

void member_show_view(struct cluster_member *m) {
    const struct member *self = configuration_find_node(m->configuration, m->options.self.node);
    bool is_named = self != NULL && self->incarnation == m->options.self.incarnation &&
                    self->state != MEMBER_DOWN && !m->has_diverged;
    m->is_view_due = false;
    m->number = is_named ? self->number : CLUSTER_NOBODY;
    set_durations(m);
    lease_set_applied(m->leases, m->applied);
    m->host->view(m->host->context, m->configuration);
    set_peers(m);
    set_leases(m);
    set_detector(m);
    coordinator_view(m);
}

/* ---- own snapshots ---- */

void member_snapshot(struct cluster_member *m) {
    struct raft_configuration voters;
    const struct raft_entry *last = raft_find_entry(m->raft, m->applied);
    if (!m->has_configuration || m->has_diverged ||
        m->applied < m->snapshot_index + m->options.entries_per_snapshot || last == NULL ||
        raft_get_configuration_at(m->raft, m->applied, &voters) != LARDER_OK)
        return;
    struct raft_status status;
    raft_get_status(m->raft, &status);
    size_t size = configuration_encoded_size(m->configuration);
    if (status.given_index < m->applied || size > m->frame_bytes - MEMBER_FRAME_OVERHEAD)
        return;
    configuration_encode(m->configuration, member_body(m));
    struct slice bytes = slice_of(member_body(m), size);
    const struct raft_snapshot snapshot = {
        .index = m->applied, .term = last->term, .size = size, .checksum = crc32c(bytes)};
    uint64_t keep_from = m->applied > MEMBER_HISTORY ? m->applied - MEMBER_HISTORY : 1;
    keep_from = keep_from > status.first_index ? keep_from : status.first_index;
    if (m->host->store != NULL)
        m->host->take_snapshot(m->host->context, &snapshot, &voters, keep_from, bytes);
    else if (!volatile_storage_take(&m->storage, &snapshot, keep_from, bytes))
        return;
    m->snapshot_index = m->applied;
}
