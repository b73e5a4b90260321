/* SPDX-License-Identifier: BSD-3-Clause */
/* What the leader of the config group does besides: it declares members down, keeps the core's
 * members those of the configuration and hands leadership on (coordinator_votes.c), raises the
 * token ceiling, decides what becomes of lost partitions (coordinator_lost.c) and moves replicas
 * (coordinator_replicas.c).
 *
 * It decides on the committed state only, a step at a time: until its own newest entry is applied
 * it waits. All it does may be repeated by its successor, or lost: every entry is checked again
 * when it is applied. */
#include "cluster/departures.h"
#include "cluster/member_core.h"
#include "raft/bytes.h"

enum {
    REVIEW_US = 50000,  /* between two looks at partitions and members */
    REPORT_US = 500000, /* a suspicion counts for so long */
    DEAF_US = 200000,   /* a link that works one way only is noticed after */
    CEILING_EVERY_US = 30000000,
    PARTITIONS_TOUCHED_MAX = 2000000, /* by entries proposed at once, each of which touches all */
};

enum larder_status coordinator_create(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    uint32_t partitions = m->options.partition_count, members = m->options.members_max;
    c->losses = allocator_allocate_zeroed(m->allocator, partitions * sizeof(*c->losses));
    c->copies = allocator_allocate_zeroed(m->allocator, members * sizeof(*c->copies));
    return c->losses == NULL || c->copies == NULL ? LARDER_NO_MEMORY : coordinator_moves_create(m);
}

void coordinator_forget_placement(struct coordinator *c) {
    placement_destroy(c->placement);
    placement_abandon(c->plan);
    c->placement = NULL;
    c->plan = NULL;
}

void coordinator_destroy(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    allocator_release(m->allocator, c->losses, m->options.partition_count * sizeof(*c->losses));
    allocator_release(m->allocator, c->copies, m->options.members_max * sizeof(*c->copies));
    coordinator_moves_destroy(m);
    coordinator_forget_placement(c);
}

bool coordinator_propose(struct cluster_member *m, const struct config_entry *entry) {
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    if (configuration_check(m->configuration, entry) != CONFIG_APPLIED)
        return true;
    return member_append(m, slice_of(bytes, config_entry_encode(entry, bytes)),
                         &m->coordinator.proposed_index);
}

struct config_entry coordinator_change(const struct cluster_member *m, enum config_entry_type type,
                                       uint32_t partition, uint32_t number) {
    const struct partition_config *config = &m->configuration->partitions[partition];
    const struct member *member = configuration_find_member(m->configuration, number);
    return (struct config_entry){.type = type,
                                 .change = {.partition = partition,
                                            .epoch = config->epoch,
                                            .member = number,
                                            .incarnation = member == NULL ? 0 : member->incarnation,
                                            .term = config->term}};
}

bool coordinator_propose_change(struct cluster_member *m, enum config_entry_type type,
                                uint32_t partition, uint32_t number) {
    const struct config_entry entry = coordinator_change(m, type, partition, number);
    return coordinator_propose(m, &entry);
}

/* ---- members ---- */

uint32_t coordinator_count_reports(const struct cluster_member *m, uint32_t suspect) {
    uint32_t reports = 0;
    for (uint32_t i = 0; i < m->peer_count; i++) {
        const struct member_peer *peer = &m->peers[i];
        if (peer->number == suspect || m->now_us - peer->reported_us > REPORT_US)
            continue;
        for (uint32_t k = 0; k < peer->suspect_count; k++)
            reports += peer->suspects[k] == suspect;
    }
    return reports;
}

static uint32_t count_living(const struct configuration *c) {
    uint32_t living = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        living += c->members[i].state != MEMBER_DOWN;
    return living;
}

/* A newer process at the same address: the older one is gone. */
static bool is_replaced(const struct configuration *c, const struct member *member) {
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *other = &c->members[i];
        if (other->number > member->number && other->state != MEMBER_DOWN &&
            other->address.peer_port == member->address.peer_port &&
            strcmp(other->address.host, member->address.host) == 0)
            return true;
    }
    return false;
}

/* It sends, and has said for a while that it does not hear this member: the link works one way
 * only. If this is the coordinator, it can't learn of any change and is of no use where it is. */
bool coordinator_finds_deaf(const struct cluster_member *m, uint32_t number) {
    const struct member_peer *peer = member_find_peer(m, number);
    return peer != NULL && peer->deaf_since_us != INT64_MAX &&
           m->now_us - peer->reported_us <= REPORT_US &&
           peer->reported_us - peer->deaf_since_us >= DEAF_US;
}

static bool is_to_go_down(const struct cluster_member *m, const struct member *member,
                          uint32_t others) {
    if (member->state == MEMBER_DOWN || member->number == m->number)
        return false;
    return is_replaced(m->configuration, member) || coordinator_finds_deaf(m, member->number) ||
           failure_detector_confirms(m->detector, member->number,
                                     coordinator_count_reports(m, member->number), others,
                                     m->now_us);
}

/* One at a time: without this one the next may be needed. */
static bool is_let_go(const struct cluster_member *m, const struct member *member, bool *is_first) {
    if (!*is_first || member->state == MEMBER_DOWN || member->number == m->number ||
        !coordinator_has_departed(m, member))
        return false;
    *is_first = false;
    return true;
}

static bool is_to_be_removed(const struct cluster_member *m, const struct member *member) {
    if (member->state != MEMBER_DOWN)
        return false;
    const struct member_peer *peer = member_find_peer(m, member->number);
    return departure_is_for_good(member) || is_replaced(m->configuration, member) ||
           (!member->is_durable && peer != NULL &&
            m->now_us - peer->down_since_us >= m->options.remove_after_us);
}

/* Its place was kept for long enough. */
static bool is_given_up(const struct cluster_member *m, const struct member *member) {
    const struct member_peer *peer = member_find_peer(m, member->number);
    return member->state == MEMBER_DOWN && departure_keeps_place(member) && peer != NULL &&
           m->now_us - peer->down_since_us >= m->options.restart_keep_us;
}

static bool review_members(struct cluster_member *m) {
    struct configuration *c = m->configuration;
    uint32_t living = count_living(c);
    uint32_t others = living > 2 ? living - 2 : 0;
    uint32_t touched = 0;
    bool is_first = true;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *member = &c->members[i];
        struct config_entry entry = {
            .member = {.number = member->number, .incarnation = member->incarnation}};
        if (is_to_go_down(m, member, others) || is_let_go(m, member, &is_first))
            entry.type = CONFIG_DOWN;
        else if (is_to_be_removed(m, member))
            entry.type = CONFIG_REMOVE;
        else if (is_given_up(m, member))
            entry = (struct config_entry){
                .type = CONFIG_DRAIN,
                .drain = {member->number, member->incarnation, DEPARTURE_NONE}};
        else
            continue;
        touched += c->partition_count;
        if (!coordinator_propose(m, &entry) || touched >= PARTITIONS_TOUCHED_MAX)
            return false;
    }
    return true;
}

static uint64_t hash_members(const struct configuration *c) {
    uint64_t hash = c->settings.replica_count;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *member = &c->members[i];
        uint64_t word = (uint64_t)member->number << 32 | (uint64_t)member->state << 24 |
                        (member->weight & 0xffffff);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

void coordinator_view(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    uint64_t hash = hash_members(m->configuration);
    for (uint32_t i = 0; i < m->configuration->member_count; i++) {
        const struct member *member = &m->configuration->members[i];
        struct member_peer *peer = member_find_peer(m, member->number);
        if (peer == NULL)
            continue;
        if (member->state != MEMBER_DOWN) {
            peer->down_since_us = INT64_MAX;
            continue;
        }
        peer->deaf_since_us = INT64_MAX;
        if (peer->down_since_us == INT64_MAX) {
            peer->down_since_us = m->now_us;
            if (member->departure == DEPARTURE_NONE)
                failure_detector_failed(m->detector, member->number, m->now_us);
        }
    }
    if (hash == c->members_hash)
        return;
    c->members_hash = hash;
    c->changed_us = m->now_us;
    coordinator_forget_placement(c);
}

/* ---- the rest ---- */

static void review_ceiling(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    if (m->now_us - c->ceiling_us < CEILING_EVERY_US)
        return;
    c->ceiling_us = m->now_us;
    const struct config_entry entry = {
        .type = CONFIG_CEILING, .ceiling = (uint64_t)(m->wall_us + COORDINATOR_CEILING_AHEAD_US)};
    (void)coordinator_propose(m, &entry);
}

static void begin(struct cluster_member *m, uint64_t term) {
    struct coordinator *c = &m->coordinator;
    c->is_leading = true;
    c->term = term;
    c->since_us = c->transferred_us = m->now_us;
    c->ceiling_us = m->now_us - CEILING_EVERY_US;
    c->changed_us = c->unrest_us = m->now_us;
    c->is_calm = false;
    c->proposed_index = 0;
    c->reviewed_us = m->now_us - REVIEW_US;
    c->moves.count = 0;
    memset(c->losses, 0, m->options.partition_count * sizeof(*c->losses));
    coordinator_forget_placement(c);
    m->is_round_open = false;
}

/* It leads when it is elected and has applied an entry of its own term: then all that was committed
 * before is applied too. */
static void note_role(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    struct raft_status status;
    raft_get_status(m->raft, &status);
    const struct raft_entry *last = raft_find_entry(m->raft, m->applied);
    bool is_leading = status.role == RAFT_LEADER && m->has_configuration &&
                      status.given_index <= m->applied && last != NULL && last->term == status.term;
    if (!is_leading && (status.role != RAFT_LEADER || c->term != status.term))
        c->is_leading = false;
    else if (is_leading && (!c->is_leading || c->term != status.term))
        begin(m, status.term);
}

void coordinator_tick(struct cluster_member *m) {
    struct coordinator *c = &m->coordinator;
    note_role(m);
    if (!c->is_leading || m->now_us - c->reviewed_us < REVIEW_US)
        return;
    c->reviewed_us = m->now_us;
    coordinator_review_votes(m);
    if (m->applied < c->proposed_index)
        return;
    if (review_members(m) && coordinator_review_lost(m)) {
        review_ceiling(m);
        coordinator_review_replicas(m);
    }
}
