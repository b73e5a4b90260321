/* SPDX-License-Identifier: BSD-3-Clause */
/* What a member wants to be entered in the configuration goes to the coordinator: which address
 * that is, and the queue of what waits. */
#include "cluster/member_core.h"

enum { JOIN_US = 200000 };

/* ---- addresses ---- */

static struct member_known_address *find_known_address(struct cluster_member *m,
                                                       struct raft_id node) {
    uint32_t count = m->known_address_count;
    for (uint32_t i = 0; i < count && i < MEMBER_ADDRESSES_MAX; i++)
        if (raft_id_equal(m->known_addresses[i].node, node))
            return &m->known_addresses[i];
    return NULL;
}

void member_learn_address(struct cluster_member *m, struct raft_id node,
                          const struct member_address *address) {
    struct member_known_address *known = find_known_address(m, node);
    if (!raft_id_is_set(node))
        return;
    if (known == NULL)
        known = &m->known_addresses[m->known_address_count++ % MEMBER_ADDRESSES_MAX];
    *known = (struct member_known_address){node, *address};
}

void member_learn_from_entries(struct cluster_member *m, const struct raft_entry *entries,
                               size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct config_entry entry;
        if (entries[i].type == RAFT_ENTRY_COMMAND &&
            config_entry_decode(entries[i].data, &entry) == LARDER_OK && entry.type == CONFIG_JOIN)
            member_learn_address(m, entry.join.node, &entry.join.address);
    }
}

const struct member_address *member_find_address(struct cluster_member *m, struct raft_id node) {
    const struct member *member =
        m->has_configuration ? configuration_find_node(m->configuration, node) : NULL;
    if (member != NULL)
        return &member->address;
    const struct member_known_address *known = find_known_address(m, node);
    return known == NULL ? NULL : &known->address;
}

/* ---- proposals ---- */

static bool is_applicable(const struct cluster_member *m, struct slice bytes) {
    struct config_entry entry;
    return m->has_configuration && config_entry_decode(bytes, &entry) == LARDER_OK &&
           configuration_check(m->configuration, &entry) == CONFIG_APPLIED;
}

static void forward(struct cluster_member *m, const struct member_address *to, struct raft_id node,
                    bool is_forwarded, struct slice entry) {
    uint8_t *body = member_body(m);
    body[0] = is_forwarded;
    memcpy(body + 1, entry.data, entry.size);
    member_send(m, to, node, FRAME_PROPOSE, 1 + entry.size);
}

const struct member *member_find_leader(const struct cluster_member *m) {
    struct raft_status status;
    raft_get_status(m->raft, &status);
    return m->has_configuration && raft_id_is_set(status.leader)
               ? configuration_find_node(m->configuration, status.leader)
               : NULL;
}

/* It knows who leads and passes it on. */
static void ask_a_voter(struct cluster_member *m, struct slice entry) {
    for (uint32_t i = 0; i < m->peer_count; i++) {
        const struct member_peer *peer = &m->peers[m->peer_at++ % m->peer_count];
        const struct member *other = configuration_find_member(m->configuration, peer->number);
        if (other == NULL || !member_hears_voter(m, peer))
            continue;
        forward(m, &other->address, other->node, false, entry);
        return;
    }
}

void member_route_proposal(struct cluster_member *m, struct slice entry, bool is_forwarded) {
    struct raft_status status;
    raft_get_status(m->raft, &status);
    if (status.role == RAFT_LEADER) {
        if (is_applicable(m, entry))
            (void)member_append(m, entry, NULL);
        return;
    }
    const struct member *leader = member_find_leader(m);
    if (leader != NULL && !is_forwarded)
        forward(m, &leader->address, leader->node, true, entry);
    else if (leader == NULL && !is_forwarded && !member_has_seat(m))
        ask_a_voter(m, entry);
}

void member_flush_proposals(struct cluster_member *m) {
    while (m->proposal_count > 0) {
        struct member_proposal proposal = m->proposals[m->proposal_first];
        m->proposal_first = (m->proposal_first + 1) % MEMBER_PROPOSALS_MAX;
        m->proposal_count--;
        member_route_proposal(m, slice_of(proposal.bytes, proposal.size), false);
    }
}

void member_queue_proposal(struct cluster_member *m, const struct config_entry *entry) {
    if (m->proposal_count == MEMBER_PROPOSALS_MAX)
        return;
    uint32_t at = (m->proposal_first + m->proposal_count++) % MEMBER_PROPOSALS_MAX;
    m->proposals[at].size = (uint16_t)config_entry_encode(entry, m->proposals[at].bytes);
}

/* Its own wish counts, not one of a process before it or one that came late. */
static void drain(struct cluster_member *m) {
    const struct member *self = configuration_find_member(m->configuration, m->number);
    const struct config_entry entry = {
        .type = CONFIG_DRAIN, .drain = {m->number, m->options.self.incarnation, m->departure}};
    if (self->departure != m->departure)
        member_queue_proposal(m, &entry);
}

/* Admission is asked of one contact after the other, until the configuration names this process. */
void member_join(struct cluster_member *m) {
    if (m->now_us < m->join_us)
        return;
    m->join_us = m->now_us + JOIN_US;
    if (m->number != CLUSTER_NOBODY)
        drain(m);
    if (m->departure != DEPARTURE_NONE || m->number != CLUSTER_NOBODY)
        return;
    const struct config_entry join = {.type = CONFIG_JOIN, .join = m->options.self};
    if (m->has_configuration)
        member_queue_proposal(m, &join);
    if (m->contact_count == 0)
        return;
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    size_t size = config_entry_encode(&join, bytes);
    const struct member_address *contact = &m->contacts[m->join_at++ % m->contact_count];
    forward(m, contact, RAFT_NOBODY, false, slice_of(bytes, size));
}
