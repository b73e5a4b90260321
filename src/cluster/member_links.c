/* SPDX-License-Identifier: BSD-3-Clause */
/* Heartbeats and what answers them.
 *
 *   HEARTBEAT to every close member  ->  PROMISE, if the configuration there names this process
 *   ... to the coordinator as well   ->  CONFIRM, after a majority of voters was heard since
 *
 * The coordinator serves all heartbeats that came before a round began with that one round of
 * ReadIndex (Ongaro 2014, section 6.4). */
#include "cluster/member_core.h"
#include "cluster/mutants.h"
#include "raft/bytes.h"

enum { VOTER_HEARD_US = 1000000 };

/* ---- sending ---- */

static const struct raft_member *seat_of(const struct cluster_member *m) {
    const struct raft_configuration *core = raft_get_configuration(m->raft);
    for (uint32_t i = 0; i < core->count; i++)
        if (raft_id_equal(core->members[i].id, m->options.self.node))
            return &core->members[i];
    return NULL;
}

bool member_has_seat(const struct cluster_member *m) {
    return seat_of(m) != NULL;
}

bool member_votes(const struct cluster_member *m) {
    const struct raft_member *seat = seat_of(m);
    return seat != NULL && seat->is_voter;
}

/* How far the copies are that come here. */
static void write_copies(struct cluster_member *m, struct byte_writer *w) {
    uint8_t *count = w->at++;
    *count = 0;
    for (uint32_t p = 0; p < m->configuration->partition_count && m->host->copy_left != NULL &&
                         *count < MEMBER_COPIES_MAX;
         p++) {
        if (!member_set_has(&m->configuration->partitions[p].learners, m->number))
            continue;
        write_unsigned(w, p, 4);
        write_unsigned(w, m->host->copy_left(m->host->context, p), 8);
        ++*count;
    }
}

static size_t write_heartbeat(struct cluster_member *m) {
    uint8_t *body = member_body(m);
    struct byte_writer w = {body};
    write_unsigned(&w, (uint64_t)m->now_us, 8);
    write_unsigned(&w, (uint64_t)m->wall_us, 8);
    write_unsigned(&w, m->pressure, 2);
    write_unsigned(&w, member_votes(m), 1);
    write_unsigned(&w, m->checkpoint.index, 8);
    write_unsigned(&w, m->checkpoint.hash, 8);
    uint8_t *count = w.at++;
    *count = 0;
    for (uint32_t i = 0; i < m->peer_count && *count < MEMBER_SUSPECTS_MAX; i++)
        if (failure_detector_suspects(m->detector, m->peers[i].number, m->now_us)) {
            write_unsigned(&w, m->peers[i].number, 4);
            ++*count;
        }
    write_copies(m, &w);
    return (size_t)(w.at - body);
}

static bool is_leader(const struct cluster_member *m, const struct raft_status *status,
                      uint32_t number) {
    const struct member *other = configuration_find_member(m->configuration, number);
    return other != NULL && raft_id_equal(other->node, status->leader);
}

bool member_hears_voter(const struct cluster_member *m, const struct member_peer *peer) {
    return peer->is_voter && m->now_us - peer->reported_us < VOTER_HEARD_US &&
           !CLUSTER_MUTATED(MUTANT_OBSERVER_ASKS_NOBODY);
}

/* Not to those that are down: they join again first. */
static void send_heartbeats(struct cluster_member *m) {
    struct raft_status status;
    raft_get_status(m->raft, &status);
    size_t size = write_heartbeat(m);
    bool is_observer = !member_has_seat(m);
    for (uint32_t i = 0; i < m->peer_count; i++) {
        const struct member_peer *peer = &m->peers[i];
        const struct member *other = configuration_find_member(m->configuration, peer->number);
        bool is_wanted = peer->is_close || is_leader(m, &status, peer->number) ||
                         (is_observer && member_hears_voter(m, peer));
        if (other != NULL && other->state != MEMBER_DOWN && is_wanted)
            member_send(m, &other->address, other->node, FRAME_HEARTBEAT, size);
    }
}

void member_reset(struct cluster_member *m, const struct member_address *address, int64_t now_us) {
    m->now_us = now_us;
    if (m->number == CLUSTER_NOBODY)
        return;
    size_t size = write_heartbeat(m);
    for (uint32_t i = 0; i < m->configuration->member_count; i++) {
        const struct member *other = &m->configuration->members[i];
        if (other->number != m->number && other->state != MEMBER_DOWN &&
            other->address.peer_port == address->peer_port &&
            strcmp(other->address.host, address->host) == 0)
            member_send(m, &other->address, other->node, FRAME_HEARTBEAT, size);
    }
}

/* ---- what of a lost partition is still here ---- */

/* As many as go into a frame, of partitions from *p on. */
static size_t write_offers(struct cluster_member *m, uint32_t *p) {
    struct byte_writer w = {member_body(m)};
    for (uint32_t count = 0;
         *p < m->configuration->partition_count && count < MEMBER_OFFERS_IN_FRAME; ++*p) {
        const struct partition_config *config = &m->configuration->partitions[*p];
        struct member_remains left;
        if (config->state != PARTITION_LOST || !member_set_has(&config->last, m->number) ||
            m->host->offer == NULL || !m->host->offer(m->host->context, *p, &left))
            continue;
        write_unsigned(&w, *p, 4);
        write_unsigned(&w, config->lost_index, 8);
        write_unsigned(&w, left.end.term, 8);
        write_unsigned(&w, left.end.sequence, 8);
        write_unsigned(&w, left.may_lack, 1);
        count++;
    }
    return (size_t)(w.at - member_body(m));
}

static void send_offers(struct cluster_member *m) {
    struct raft_status status;
    raft_get_status(m->raft, &status);
    const struct member *leader = configuration_find_node(m->configuration, status.leader);
    for (uint32_t p = 0; leader != NULL && p < m->configuration->partition_count;) {
        size_t size = write_offers(m, &p);
        if (size > 0 && leader->number == m->number)
            coordinator_take_offers(m, leader, slice_of(member_body(m), size));
        else if (size > 0)
            member_send(m, &leader->address, leader->node, FRAME_OFFER, size);
    }
}

void member_heartbeat(struct cluster_member *m) {
    if (m->number == CLUSTER_NOBODY)
        return;
    if (m->now_us >= m->heartbeat_us) {
        m->heartbeat_us = m->now_us + m->options.heartbeat_us;
        send_heartbeats(m);
    }
    if (m->now_us >= m->offer_us) {
        m->offer_us = m->now_us + 500000;
        send_offers(m);
    }
}

/* ---- receiving ---- */

static void take_suspects(struct cluster_member *m, struct member_peer *peer, struct byte_reader *r,
                          uint32_t count) {
    bool is_deaf = false;
    peer->suspect_count = count;
    for (uint32_t i = 0; i < count; i++) {
        peer->suspects[i] = (uint32_t)read_unsigned(r, 4);
        is_deaf |= peer->suspects[i] == m->number;
    }
    if (!is_deaf)
        peer->deaf_since_us = INT64_MAX;
    else if (peer->deaf_since_us == INT64_MAX)
        peer->deaf_since_us = m->now_us;
}

static void take_copies(struct cluster_member *m, const struct member *from,
                        struct byte_reader *r) {
    for (uint64_t count = read_unsigned(r, 1); count > 0; count--) {
        uint32_t p = (uint32_t)read_unsigned(r, 4);
        uint64_t left = read_unsigned(r, 8);
        if (m->coordinator.is_leading && !r->is_failed)
            coordinator_note_left(m, from, p, left);
    }
}

void member_take_heartbeat(struct cluster_member *m, const struct member *from, struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    int64_t sent_us = (int64_t)read_unsigned(&r, 8);
    int64_t wall_us = (int64_t)read_unsigned(&r, 8);
    uint32_t pressure = (uint32_t)read_unsigned(&r, 2);
    bool votes = read_flag(&r);
    struct member_checkpoint checkpoint = {.index = read_unsigned(&r, 8)};
    checkpoint.hash = read_unsigned(&r, 8);
    uint64_t count = read_unsigned(&r, 1);
    struct member_peer *peer = member_find_peer(m, from->number);
    if (r.is_failed || count > MEMBER_SUSPECTS_MAX || r.left < 4 * count || peer == NULL ||
        peer->incarnation != from->incarnation)
        return;
    failure_detector_heard(m->detector, from->number, from->incarnation, m->now_us);
    take_suspects(m, peer, &r, (uint32_t)count);
    take_copies(m, from, &r);
    peer->reported_us = m->now_us;
    peer->pressure = pressure;
    peer->is_voter = votes;
    member_compare(m, peer, checkpoint);
    peer->has_wall = true;
    peer->wall_offset_us = wall_us - m->now_us;
    if (sent_us > peer->asked_us)
        peer->asked_us = sent_us;
    /* one that hears nothing has no use for promises */
    if (m->number == CLUSTER_NOBODY || m->has_diverged || peer->deaf_since_us != INT64_MAX ||
        !lease_give(m->leases, from->number, from->incarnation, m->now_us))
        return;
    struct byte_writer w = {member_body(m)};
    write_unsigned(&w, (uint64_t)sent_us, 8);
    write_unsigned(&w, (uint64_t)m->leases->lease_us, 4);
    member_send(m, &from->address, from->node, FRAME_PROMISE, 12);
}

void member_take_promise(struct cluster_member *m, const struct member *from, uint64_t index,
                         struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    struct lease_promise promise = {.sent_us = (int64_t)read_unsigned(&r, 8), .index = index};
    promise.duration_us = (int64_t)read_unsigned(&r, 4);
    if (!r.is_failed && r.left == 0)
        lease_take(m->leases, from->number, from->incarnation, &promise, m->now_us);
}

void member_take_confirm(struct cluster_member *m, struct slice body) {
    struct byte_reader r = byte_reader_of(body);
    struct lease_promise answer = {.sent_us = (int64_t)read_unsigned(&r, 8)};
    answer.index = read_unsigned(&r, 8);
    answer.duration_us = (int64_t)read_unsigned(&r, 4);
    if (r.is_failed || r.left > 0)
        return;
    member_note_index(m, answer.index, RAFT_NOBODY);
    lease_take_config(m->leases, &answer, m->now_us);
}

/* ---- rounds of the coordinator ---- */

/* Each round asks every voter, so heartbeats are collected for a while. */
void member_confirm(struct cluster_member *m) {
    if (!m->coordinator.is_leading || m->is_round_open ||
        m->now_us - m->round_us < m->options.heartbeat_us / 2)
        return;
    for (uint32_t i = 0; i < m->peer_count; i++) {
        m->peers[i].in_round_us = m->peers[i].asked_us;
        m->peers[i].asked_us = INT64_MIN;
    }
    m->round_us = m->now_us;
    m->is_round_open = true;
    struct raft_input input = {.type = RAFT_READ, .read_context = ++m->round};
    if (member_raft_step(m, &input) != LARDER_OK)
        m->is_round_open = false;
}

void member_take_read(struct cluster_member *m, const struct raft_read_state *state) {
    if (!m->is_round_open || state->context != m->round)
        return;
    m->is_round_open = false;
    if (state->status != LARDER_OK)
        return;
    int64_t duration_us = m->leases->config_lease_us;
    lease_take_config(m->leases, &(struct lease_promise){m->round_us, duration_us, state->index},
                      m->now_us);
    for (uint32_t i = 0; i < m->peer_count; i++) {
        struct member_peer *peer = &m->peers[i];
        const struct member *other = configuration_find_member(m->configuration, peer->number);
        if (peer->in_round_us == INT64_MIN || other == NULL ||
            other->incarnation != peer->incarnation)
            continue;
        struct byte_writer w = {member_body(m)};
        write_unsigned(&w, (uint64_t)peer->in_round_us, 8);
        write_unsigned(&w, state->index, 8);
        write_unsigned(&w, (uint64_t)duration_us, 4);
        member_send(m, &other->address, other->node, FRAME_CONFIRM, 20);
        peer->in_round_us = INT64_MIN;
    }
}

void member_set_pressure(struct cluster_member *m, uint32_t per_mille) {
    m->pressure = per_mille < UINT16_MAX ? per_mille : UINT16_MAX;
}

static uint32_t highest_pressure(const struct cluster_member *m,
                                 const struct member_set *replicas) {
    uint32_t highest = 0;
    for (uint8_t i = 0; i < replicas->count; i++) {
        const struct member_peer *peer = member_find_peer(m, replicas->members[i]);
        if (peer != NULL && replicas->members[i] != m->number && peer->pressure > highest)
            highest = peer->pressure;
    }
    return highest;
}

uint32_t member_pressure(const struct cluster_member *m, uint32_t partition) {
    if (!m->has_configuration)
        return 0;
    const struct partition_config *p = &m->configuration->partitions[partition];
    uint32_t in_sync = highest_pressure(m, &p->in_sync);
    uint32_t learners = highest_pressure(m, &p->learners);
    return in_sync > learners ? in_sync : learners;
}

int64_t member_median_wall_us(const struct cluster_member *m, int64_t now_us, int64_t wall_us) {
    int64_t offsets[CLUSTER_MEMBERS_MAX];
    uint32_t count = 0;
    offsets[count++] = wall_us - now_us;
    for (uint32_t i = 0; i < m->peer_count && count < CLUSTER_MEMBERS_MAX; i++) {
        if (!m->peers[i].has_wall || now_us - m->peers[i].reported_us > 2000000)
            continue;
        uint32_t at = count++;
        int64_t offset = m->peers[i].wall_offset_us;
        for (; at > 0 && offsets[at - 1] > offset; at--)
            offsets[at] = offsets[at - 1];
        offsets[at] = offset;
    }
    return now_us + offsets[count / 2];
}
