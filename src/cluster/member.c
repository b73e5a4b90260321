/* SPDX-License-Identifier: BSD-3-Clause */
/* The member's step: inputs go to the consensus core one after the other, each output is used up
 * before the next input. What is asked for while an output is being used waits in a queue. */
#include "cluster/member.h"

#include "cluster/departures.h"
#include "cluster/member_core.h"
#include "raft/bytes.h"
#include "raft/codec.h"

#include <assert.h>

enum { CAMPAIGN_FIRST_MS = 20, CAMPAIGN_EVERY_MS = 30 };

/* ---- creation ---- */

static void set_defaults(struct member_options *o) {
    o->members_max = o->members_max == 0 ? 64 : o->members_max;
    o->election_ms = o->election_ms == 0 ? 300 : o->election_ms;
    o->heartbeat_us = o->heartbeat_us == 0 ? 50000 : o->heartbeat_us;
    o->entries_per_check = o->entries_per_check == 0 ? 1000 : o->entries_per_check;
    o->entries_per_snapshot = o->entries_per_snapshot == 0 ? 1000 : o->entries_per_snapshot;
    o->remove_after_us = o->remove_after_us == 0 ? 30000000 : o->remove_after_us;
    o->recovery_wait_us = o->recovery_wait_us == 0 ? 10000000 : o->recovery_wait_us;
    o->calm_us = o->calm_us == 0 ? 30000000 : o->calm_us;
    o->restart_keep_us = o->restart_keep_us == 0 ? 300000000 : o->restart_keep_us;
    o->moves_max = o->moves_max == 0 ? 2 : o->moves_max;
    o->moves_max = o->moves_max < MEMBER_COPIES_MAX ? o->moves_max : MEMBER_COPIES_MAX;
    o->copy_timeout_us = o->copy_timeout_us == 0 ? 60000000 : o->copy_timeout_us;
}

enum larder_status member_create_core(const struct cluster_member *m, uint16_t generation,
                                      const struct raft_restored *restored, struct raft **out) {
    const struct raft_options options = {
        .cluster = m->options.cluster,
        .generation = generation,
        .self = m->options.self.node,
        .seed = m->options.seed,
        .election_ms = m->options.election_ms,
    };
    return raft_create(&options, restored, m->allocator, out);
}

/* Frames hold the largest message of the core, or the whole configuration. */
static enum larder_status create_frame(struct cluster_member *m) {
    size_t configuration =
        256 + (size_t)m->options.members_max * 256 + (size_t)m->options.partition_count * 256;
    size_t body = RAFT_MESSAGE_BYTES_MAX > configuration ? RAFT_MESSAGE_BYTES_MAX : configuration;
    m->frame_bytes = MEMBER_FRAME_OVERHEAD + body;
    m->frame = allocator_allocate(m->allocator, m->frame_bytes);
    m->proposals =
        allocator_allocate_zeroed(m->allocator, MEMBER_PROPOSALS_MAX * sizeof(*m->proposals));
    m->history = allocator_allocate_zeroed(m->allocator, MEMBER_HISTORY * sizeof(*m->history));
    return m->frame == NULL || m->proposals == NULL || m->history == NULL ? LARDER_NO_MEMORY
                                                                          : LARDER_OK;
}

enum larder_status member_create(const struct member_options *options,
                                 const struct member_start *start, const struct member_host *host,
                                 int64_t now_us, const struct allocator *allocator,
                                 struct cluster_member **out) {
    if (!raft_id_is_set(options->self.node) || options->self.incarnation == 0 ||
        start->contact_count > MEMBER_CONTACTS_MAX)
        return LARDER_INVALID;
    struct cluster_member *m = allocator_allocate_zeroed(allocator, sizeof(*m));
    if (m == NULL)
        return LARDER_NO_MEMORY;
    m->options = *options;
    set_defaults(&m->options);
    m->host = host;
    m->allocator = allocator;
    m->now_us = m->started_us = m->heartbeat_us = m->join_us = now_us;
    m->lagging_since_us = INT64_MAX;
    memcpy(m->contacts, start->contacts, start->contact_count * sizeof(m->contacts[0]));
    m->contact_count = start->contact_count;
    member_learn_from_entries(m, start->restored->entries, start->restored->entry_count);
    volatile_storage_init(&m->storage, allocator);
    enum larder_status status = create_frame(m);
    if (status == LARDER_OK)
        status = member_create_core(m, m->options.generation, start->restored, &m->raft);
    if (status == LARDER_OK)
        status = member_view_create(m, start);
    if (status == LARDER_OK)
        status = coordinator_create(m);
    if (status != LARDER_OK) {
        member_destroy(m);
        return status;
    }
    m->is_in_step = true;
    if (m->has_configuration)
        member_show_view(m);
    m->is_in_step = false;
    *out = m;
    return LARDER_OK;
}

void member_destroy(struct cluster_member *m) {
    if (m == NULL)
        return;
    const struct allocator *a = m->allocator;
    coordinator_destroy(m);
    raft_destroy(m->raft);
    configuration_destroy(m->configuration);
    lease_table_destroy(m->leases);
    failure_detector_destroy(m->detector);
    volatile_storage_finish(&m->storage);
    allocator_release(a, m->peers, m->options.members_max * sizeof(*m->peers));
    allocator_release(a, m->proposals, MEMBER_PROPOSALS_MAX * sizeof(*m->proposals));
    allocator_release(a, m->history, MEMBER_HISTORY * sizeof(*m->history));
    allocator_release(a, m->frame, m->frame_bytes);
    allocator_release(a, m, sizeof(*m));
}

/* ---- sending ---- */

void member_send(struct cluster_member *m, const struct member_address *to, struct raft_id node,
                 enum member_frame_type type, size_t body_bytes) {
    if (m->has_diverged)
        return;
    const struct member_frame frame = {.type = type,
                                       .cluster = m->options.cluster,
                                       .generation = m->options.generation,
                                       .from = m->options.self.node,
                                       .to = node,
                                       .incarnation = m->options.self.incarnation,
                                       .index = m->applied,
                                       .body = slice_of(member_body(m), body_bytes)};
    size_t size = member_frame_seal(&frame, m->frame);
    m->host->send(m->host->context, to, slice_of(m->frame, size));
}

void member_send_partition(struct cluster_member *m, uint32_t to, struct slice body) {
    const struct member *peer =
        m->has_configuration ? configuration_find_member(m->configuration, to) : NULL;
    if (peer == NULL || body.size > m->frame_bytes - MEMBER_FRAME_OVERHEAD)
        return;
    memcpy(member_body(m), body.data, body.size);
    member_send(m, &peer->address, peer->node, FRAME_PARTITION, body.size);
}

static void send_consensus(struct cluster_member *m, const struct raft_message *message) {
    const struct member_address *address = member_find_address(m, message->to);
    if (address == NULL)
        return;
    size_t size = raft_message_encode(message, member_body(m));
    member_send(m, address, message->to, FRAME_CONSENSUS, size);
}

/* ---- the core ---- */

static void use_output(struct cluster_member *m) {
    const struct raft_output *out = &m->out;
    if (out->write.has_log)
        member_learn_from_entries(m, out->write.entries, out->write.entry_count);
    if (m->host->store != NULL)
        m->host->store(m->host->context, out);
    else
        volatile_storage_keep(&m->storage, out);
    if (out->has_install)
        member_install(m,
                       m->host->store == NULL ? volatile_storage_snapshot(&m->storage)
                                              : m->host->load_snapshot(m->host->context),
                       out->install.index);
    for (size_t i = 0; i < out->apply_count; i++)
        member_apply(m, &out->apply[i]);
    for (size_t i = 0; i < out->read_count; i++)
        member_take_read(m, &out->reads[i]);
    for (size_t i = 0; i < out->message_count; i++)
        send_consensus(m, &out->messages[i]);
}

enum larder_status member_raft_step(struct cluster_member *m, struct raft_input *input) {
    assert(!m->is_stepping);
    input->now_ms = m->now_us / 1000;
    m->is_stepping = true;
    enum larder_status status = raft_step(m->raft, input, &m->out);
    if (status == LARDER_OK)
        use_output(m);
    m->is_stepping = false;
    return status;
}

bool member_append(struct cluster_member *m, struct slice entry, uint64_t *out_index) {
    struct raft_input input = {.type = RAFT_PROPOSE, .command = entry};
    if (member_raft_step(m, &input) != LARDER_OK)
        return false;
    if (out_index != NULL)
        *out_index = m->out.proposed_index;
    return true;
}

/* ---- steps ---- */

static void take_answers(struct cluster_member *m) {
    struct raft_input answer;
    while (m->host->store == NULL && volatile_storage_answer(&m->storage, &answer)) {
        enum larder_status status = member_raft_step(m, &answer);
        volatile_storage_settle(&m->storage, &answer, status);
        if (status == LARDER_BUSY)
            return;
    }
}

/* Whatever the input was: what follows from it. */
static void settle(struct cluster_member *m) {
    do {
        take_answers(m);
        if (m->is_view_due)
            member_show_view(m);
        member_flush_proposals(m);
    } while (m->is_view_due || m->storage.has_persisted);
    member_snapshot(m);
}

/* A step of the caller's ends. */
static void leave(struct cluster_member *m) {
    settle(m);
    m->is_in_step = false;
}

static void enter(struct cluster_member *m, int64_t now_us) {
    assert(!m->is_in_step);
    m->is_in_step = true;
    m->now_us = now_us;
}

void member_propose(struct cluster_member *m, const struct config_entry *entry) {
    if (m->has_diverged)
        return;
    member_queue_proposal(m, entry);
    if (m->is_in_step)
        return;
    enter(m, m->now_us);
    leave(m);
}

/* One voter after the other, in the order of the core's members, when all have noticed. */
static int64_t campaign_after_ms(const struct cluster_member *m, struct raft_id leader) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    int64_t ms = CAMPAIGN_FIRST_MS;
    for (uint32_t i = 0; i < core->count; i++) {
        if (raft_id_equal(core->members[i].id, m->options.self.node))
            return ms;
        if (core->members[i].is_voter && !raft_id_equal(core->members[i].id, leader))
            ms += CAMPAIGN_EVERY_MS;
    }
    return ms;
}

/* Its process is gone, or it hears nobody and leads nothing. */
static void tell_of_gone_leader(struct cluster_member *m) {
    const struct member *leader = member_find_leader(m);
    if (leader == NULL || leader->number == m->number ||
        raft_id_equal(leader->node, m->refused_leader) ||
        !(failure_detector_is_gone(m->detector, leader->number, m->now_us) ||
          coordinator_finds_deaf(m, leader->number)))
        return;
    m->refused_leader = leader->node;
    struct raft_input input = {.type = RAFT_LEADER_GONE,
                               .campaign_after_ms = campaign_after_ms(m, leader->node)};
    (void)member_raft_step(m, &input);
}

void member_tick(struct cluster_member *m, int64_t now_us, int64_t wall_us) {
    if (m->has_diverged)
        return;
    enter(m, now_us);
    m->wall_us = wall_us;
    failure_detector_tick(m->detector, now_us);
    tell_of_gone_leader(m);
    struct raft_input input = {.type = RAFT_TICK};
    (void)member_raft_step(m, &input);
    member_join(m);
    member_fetch(m);
    member_heartbeat(m);
    settle(m);
    coordinator_tick(m);
    member_confirm(m);
    leave(m);
}

enum larder_status member_storage(struct cluster_member *m, const struct raft_input *answer,
                                  int64_t now_us) {
    if (m->has_diverged)
        return LARDER_OK;
    enter(m, now_us);
    struct raft_input input = *answer;
    enum larder_status status = member_raft_step(m, &input);
    leave(m);
    return status;
}

void member_refused(struct cluster_member *m, const struct member_address *address,
                    int64_t now_us) {
    m->now_us = now_us;
    for (uint32_t i = 0; m->has_configuration && i < m->configuration->member_count; i++) {
        const struct member *other = &m->configuration->members[i];
        if (other->address.peer_port == address->peer_port &&
            strcmp(other->address.host, address->host) == 0)
            failure_detector_refused(m->detector, other->number, now_us);
    }
}

static void take_consensus(struct cluster_member *m, struct slice body) {
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;
    if (raft_message_decode(body, entries, &message) != LARDER_OK)
        return;
    struct raft_input input = {.type = RAFT_MESSAGE, .message = &message};
    (void)member_raft_step(m, &input);
    m->refused_leader = RAFT_NOBODY;
}

static void take_propose(struct cluster_member *m, struct slice body) {
    struct config_entry entry;
    if (body.size < 2 || body.size > 1 + CONFIG_ENTRY_BYTES_MAX || body.data[0] > 1)
        return;
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    struct slice copy = slice_of(bytes, body.size - 1);
    memcpy(bytes, body.data + 1, copy.size);
    if (config_entry_decode(copy, &entry) == LARDER_OK)
        member_route_proposal(m, copy, body.data[0] == 1);
}

static void take_hand_off(struct cluster_member *m, struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    uint32_t partition = (uint32_t)read_unsigned(&r, 4);
    uint32_t to = (uint32_t)read_unsigned(&r, 4);
    if (!r.is_failed && r.left == 0 && partition < m->options.partition_count)
        m->host->hand_off(m->host->context, partition, to);
}

/* No answer of this member would reach it: it leads nobody, and is elected by nobody. */
static bool is_from_deaf(const struct cluster_member *m, struct raft_id from) {
    const struct member *sender =
        m->has_configuration ? configuration_find_node(m->configuration, from) : NULL;
    return sender != NULL && coordinator_finds_deaf(m, sender->number);
}

/* What any process may say, member or not: consensus checks for itself who speaks (a voter must
 * hear others before it knows the configuration that names them), and a newcomer asks to join. */
static void take_from_anybody(struct cluster_member *m, const struct member_frame *frame) {
    switch (frame->type) {
    case FRAME_CONSENSUS:
        if (!is_from_deaf(m, frame->from))
            take_consensus(m, frame->body);
        return;
    case FRAME_PROPOSE: take_propose(m, frame->body); return;
    case FRAME_ENTRIES: member_take_entries(m, frame->body); return;
    case FRAME_SNAPSHOT: member_take_snapshot(m, frame->body); return;
    case FRAME_FETCH: member_take_fetch(m, frame); return;
    default: return;
    }
}

static void take_from_member(struct cluster_member *m, const struct member_frame *frame,
                             const struct member *sender) {
    switch (frame->type) {
    case FRAME_HEARTBEAT: member_take_heartbeat(m, sender, frame->body); return;
    case FRAME_PROMISE: member_take_promise(m, sender, frame->index, frame->body); return;
    case FRAME_CONFIRM: member_take_confirm(m, frame->body); return;
    case FRAME_HAND_OFF: take_hand_off(m, frame->body); return;
    case FRAME_OFFER: coordinator_take_offers(m, sender, frame->body); return;
    case FRAME_PARTITION:
        m->host->partition_frame(m->host->context, sender->number, sender->incarnation,
                                 frame->body);
        return;
    default: take_from_anybody(m, frame);
    }
}

void member_receive(struct cluster_member *m, struct slice bytes, int64_t now_us) {
    struct member_frame frame;
    if (m->has_diverged || member_frame_decode(bytes, &frame) != LARDER_OK ||
        !raft_id_equal(frame.cluster, m->options.cluster) ||
        frame.generation != m->options.generation ||
        raft_id_equal(frame.from, m->options.self.node) ||
        (raft_id_is_set(frame.to) && !raft_id_equal(frame.to, m->options.self.node)))
        return;
    enter(m, now_us);
    member_note_index(m, frame.index, frame.from);
    const struct member *sender =
        m->has_configuration ? configuration_find_node(m->configuration, frame.from) : NULL;
    bool is_known =
        sender != NULL && sender->incarnation == frame.incarnation && sender->state != MEMBER_DOWN;
    if (is_known)
        take_from_member(m, &frame, sender);
    else
        take_from_anybody(m, &frame);
    leave(m);
}

void member_drain(struct cluster_member *m, enum member_departure departure) {
    bool keeps_nothing = departure == DEPARTURE_RESTART && !m->options.self.is_durable;
    m->departure = keeps_nothing ? DEPARTURE_LEAVE : departure;
}

/* ---- questions ---- */

const struct configuration *member_configuration(const struct cluster_member *m) {
    return m->has_configuration ? m->configuration : NULL;
}

struct lease_table *member_leases(struct cluster_member *m) {
    return m->leases;
}

uint32_t member_number(const struct cluster_member *m) {
    return m->number;
}

const struct raft *member_raft(const struct cluster_member *m) {
    return m->raft;
}

bool member_is_coordinator(const struct cluster_member *m) {
    return m->coordinator.is_leading && !m->has_diverged;
}

uint64_t member_applied(const struct cluster_member *m) {
    return m->applied;
}

bool member_may_leave(const struct cluster_member *m) {
    if (m->departure == DEPARTURE_NONE || !m->has_configuration)
        return false;
    const struct member *self = configuration_find_member(m->configuration, m->number);
    bool is_last = m->departure == DEPARTURE_RESTART && self != NULL &&
                   departure_is_of_all(m->configuration, self);
    return m->number == CLUSTER_NOBODY || is_last;
}

bool member_is_safe(const struct cluster_member *m) {
    return m->has_configuration && m->number != CLUSTER_NOBODY && m->applied >= m->known_index &&
           cluster_is_safe(m->configuration, raft_get_configuration(m->raft));
}
