/* SPDX-License-Identifier: BSD-3-Clause */
/* Members. The newest configuration in the log is in force from the moment it is appended, and
 * again the one before it if it is cut. Changes touch one member and come one at a time, so that
 * the majorities before and after overlap (Ongaro 2014, 4.1); and only after an entry of the
 * leader's own term is committed, because otherwise a change of an older term may come back (the
 * error found in 2015).
 *
 * Replacing a dead voter adds first and removes then. Even numbers of voters are passed through
 * only: two voters survive less than one, four no more than three. */
#include "raft/core.h"

struct raft_peer *raft_find_peer(struct raft *raft, struct raft_id id) {
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        if (raft_id_equal(raft->peers[i].id, id))
            return &raft->peers[i];
    return NULL;
}

bool raft_is_voter(const struct raft *raft) {
    for (uint32_t i = 0; i < raft->configuration.count; i++)
        if (raft_is_self(raft, raft->peers[i].id))
            return raft->peers[i].is_voter;
    return false;
}

bool raft_has_quorum(const struct raft *raft,
                     bool (*counts)(const struct raft *raft, const struct raft_peer *peer)) {
    uint32_t voters = 0;
    uint32_t counted = 0;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        voters += raft->peers[i].is_voter;
        counted += raft->peers[i].is_voter && counts(raft, &raft->peers[i]);
    }
    return counted > voters / 2;
}

/* Peers of the configuration in force, keeping what is known of those that stay. */
static void rebuild_peers(struct raft *raft) {
    struct raft_peer old[RAFT_MEMBERS_MAX];
    uint32_t old_count = 0;
    for (; old_count < RAFT_MEMBERS_MAX && raft_id_is_set(raft->peers[old_count].id); old_count++)
        old[old_count] = raft->peers[old_count];
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct raft_peer *peer = &raft->peers[i];
        *peer = (struct raft_peer){.next = raft_log_last_index(&raft->log) + 1,
                                   .contact_ms = raft->now_ms,
                                   .heartbeat_due_ms = raft->now_ms};
        if (i >= raft->configuration.count)
            continue;
        peer->id = raft->configuration.members[i].id;
        for (uint32_t j = 0; j < old_count; j++)
            if (raft_id_equal(old[j].id, peer->id))
                *peer = old[j];
        peer->is_voter = raft->configuration.members[i].is_voter;
    }
}

/* The newest configuration at or before `index`, which is in the log or its base. */
static uint64_t configuration_at(const struct raft *raft, uint64_t index,
                                 struct raft_configuration *out) {
    for (; index > raft->log.base_index; index--) {
        const struct raft_entry *entry = raft_log_find(&raft->log, index);
        if (entry->type == RAFT_ENTRY_CONFIGURATION &&
            raft_configuration_decode(entry->data, out) == LARDER_OK)
            return index;
    }
    *out = raft->base_configuration;
    return raft->base_configuration_index;
}

void raft_adopt_configuration(struct raft *raft) {
    struct raft_configuration found;
    uint64_t index = configuration_at(raft, raft_log_last_index(&raft->log), &found);
    if (RAFT_MUTATED(MUTANT_CONFIGURATION_KEPT) && index < raft->configuration_index)
        return;
    raft->configuration = found;
    raft->configuration_index = index;
    rebuild_peers(raft);
}

void raft_compact(struct raft *raft, uint64_t index) {
    if (index <= raft->log.base_index)
        return;
    struct raft_configuration configuration;
    raft->base_configuration_index = configuration_at(raft, index, &configuration);
    raft->base_configuration = configuration;
    raft_log_compact(&raft->log, index);
}

bool raft_is_electable(const struct raft *raft) {
    if (raft_is_voter(raft))
        return true;
    if (raft->configuration_index <= raft->commit)
        return false;
    struct raft_configuration before;
    (void)configuration_at(raft, raft->configuration_index - 1, &before);
    for (uint32_t i = 0; i < before.count; i++)
        if (raft_is_self(raft, before.members[i].id))
            return before.members[i].is_voter;
    return false;
}

enum larder_status raft_get_configuration_at(const struct raft *raft, uint64_t index,
                                             struct raft_configuration *out) {
    if (index < raft->log.base_index || index > raft->commit)
        return LARDER_NOT_FOUND;
    (void)configuration_at(raft, index, out);
    return LARDER_OK;
}

static bool is_caught_up(const struct raft *raft, const struct raft_peer *peer) {
    return peer->durable >= raft->commit &&
           raft->now_ms - peer->contact_ms < raft->options.election_ms;
}

static uint32_t count_voters(const struct raft_configuration *configuration) {
    uint32_t voters = 0;
    for (uint32_t i = 0; i < configuration->count; i++)
        voters += configuration->members[i].is_voter;
    return voters;
}

static enum larder_status add_learner(struct raft_configuration *configuration, struct raft_id id) {
    if (!raft_id_is_set(id) || configuration->count == RAFT_MEMBERS_MAX)
        return LARDER_INVALID;
    configuration->members[configuration->count++] = (struct raft_member){.id = id};
    return LARDER_OK;
}

/* Voters that have any other voter beside them may stop being one. */
static enum larder_status change_member(struct raft *raft, struct raft_configuration *configuration,
                                        const struct raft_change *change, uint32_t at) {
    struct raft_member *member = &configuration->members[at];
    uint32_t voters = count_voters(configuration);
    if (change->type == RAFT_PROMOTE) {
        if (member->is_voter)
            return LARDER_EXISTS;
        if (voters == RAFT_VOTERS_MAX)
            return LARDER_INVALID;
        if (!is_caught_up(raft, &raft->peers[at]))
            return LARDER_BUSY;
        member->is_voter = true;
        return LARDER_OK;
    }
    if (member->is_voter && voters == 1)
        return LARDER_INVALID;
    if (change->type == RAFT_DEMOTE) {
        if (!member->is_voter)
            return LARDER_NOT_FOUND;
        member->is_voter = false;
        return LARDER_OK;
    }
    configuration->count--;
    memmove(member, member + 1, (configuration->count - at) * sizeof(*member));
    return LARDER_OK;
}

static bool is_change_allowed(const struct raft *raft) {
    bool is_settled = raft->configuration_index <= raft->commit || RAFT_MUTATED(MUTANT_TWO_CHANGES);
    bool is_own = raft_is_term_committed(raft) || RAFT_MUTATED(MUTANT_CHANGE_BEFORE_COMMIT);
    return is_settled && is_own && !raft_id_is_set(raft->transfer_to) && raft->spare != NULL;
}

enum larder_status raft_change_configuration(struct raft *raft, const struct raft_change *change) {
    if (raft->role != RAFT_LEADER)
        return LARDER_AGAIN;
    if (!is_change_allowed(raft))
        return LARDER_BUSY;
    struct raft_configuration changed = raft->configuration;
    uint32_t at = 0;
    while (at < changed.count && !raft_id_equal(changed.members[at].id, change->id))
        at++;
    enum larder_status status;
    if (change->type == RAFT_ADD_LEARNER)
        status = at < changed.count ? LARDER_EXISTS : add_learner(&changed, change->id);
    else
        status = at == changed.count ? LARDER_NOT_FOUND : change_member(raft, &changed, change, at);
    if (status != LARDER_OK)
        return status;
    uint8_t *data = raft->spare;
    raft->spare = NULL;
    size_t size = raft_configuration_encode(&changed, data);
    raft_append_own(raft, RAFT_ENTRY_CONFIGURATION, data, size);
    raft_adopt_configuration(raft);
    return LARDER_OK;
}

static bool is_dead(const struct raft *raft, const struct raft_peer *peer) {
    if (raft_is_self(raft, peer->id))
        return false;
    return peer->is_dead || (raft->policy.dead_after_ms > 0 &&
                             raft->now_ms - peer->contact_ms >= raft->policy.dead_after_ms);
}

/* The learner to promote: none while it would only make the number of voters even. */
static const struct raft_peer *find_candidate_voter(const struct raft *raft, uint32_t voters,
                                                    uint32_t live) {
    const struct raft_peer *found = NULL;
    uint32_t ready = 0;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (peer->is_voter || is_dead(raft, peer) || !is_caught_up(raft, peer))
            continue;
        ready++;
        if (found == NULL)
            found = peer;
    }
    uint32_t target = raft->policy.voters_target;
    bool is_growth = voters < target && voters % 2 == 1;
    if (live >= target || voters > target || (is_growth && ready < 2))
        return NULL;
    return found;
}

static const struct raft_peer *find_surplus_voter(const struct raft *raft) {
    const struct raft_peer *found = NULL;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        const struct raft_peer *peer = &raft->peers[i];
        if (!peer->is_voter || raft_is_self(raft, peer->id))
            continue;
        if (is_dead(raft, peer))
            return peer;
        found = peer;
    }
    return found;
}

void raft_apply_policy(struct raft *raft) {
    uint32_t target = raft->policy.voters_target;
    if (target == 0 || !is_change_allowed(raft) || !raft_is_voter(raft))
        return;
    uint32_t voters = 0;
    uint32_t live = 0;
    for (uint32_t i = 0; i < raft->configuration.count; i++) {
        voters += raft->peers[i].is_voter;
        live += raft->peers[i].is_voter && !is_dead(raft, &raft->peers[i]);
    }
    const struct raft_peer *peer = find_candidate_voter(raft, voters, live);
    struct raft_change change = {.type = RAFT_PROMOTE};
    if (peer == NULL && voters > target) {
        change.type = RAFT_DEMOTE;
        peer = find_surplus_voter(raft);
    }
    if (peer == NULL)
        return;
    change.id = peer->id;
    /* A refusal only means that the next tick tries again. */
    enum larder_status ignored = raft_change_configuration(raft, &change);
    (void)ignored;
}
