/* SPDX-License-Identifier: BSD-3-Clause */
/* What Raft promises, checked after every step of a node (figure 3 of the paper and what it rests
 * on). Log matching is checked by registering each (index, term) ever seen with its content and the
 * term before it: two logs that agree on an entry then agree on everything before. */
#include "simulation.h"

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t content_of(const struct raft_entry *entry) {
    return mix((uint64_t)entry->type, crc32c(entry->data) + 1u);
}

/* Whether the entry was already known. */
static bool oracle_register(struct sim *s, const struct raft_entry *entry, uint64_t previous_term) {
    uint64_t hash = mix(mix(1, entry->index), entry->term);
    for (uint32_t probe = 0;; probe++) {
        struct sim_registered *slot = &s->registered[(hash + probe) & (SIM_REGISTER_SLOTS - 1)];
        if (slot->stamp != s->seed + 1) {
            *slot = (struct sim_registered){s->seed + 1, entry->index, entry->term, previous_term,
                                            content_of(entry)};
            return false;
        }
        if (slot->index != entry->index || slot->term != entry->term)
            continue;
        if (slot->content != content_of(entry))
            sim_violate(s, "log matching: two entries with one index and term");
        if (previous_term != UINT64_MAX && slot->previous_term != UINT64_MAX &&
            slot->previous_term != previous_term)
            sim_violate(s, "log matching: different entries before the same one");
        return true;
    }
}

static void oracle_log(struct sim *s, const struct raft *raft, const struct raft_status *status) {
    for (uint64_t index = status->last_index; index >= status->first_index; index--) {
        const struct raft_entry *before = raft_find_entry(raft, index - 1);
        if (oracle_register(s, raft_find_entry(raft, index),
                            before != NULL ? before->term : UINT64_MAX) &&
            index < status->last_index)
            break;
    }
}

static void oracle_leader(struct sim *s, uint32_t number, const struct raft_status *status) {
    const struct raft *raft = s->nodes[number].raft;
    uint32_t *leader = &s->leader_of[status->term];
    if (*leader != 0 && *leader != number + 1)
        sim_violate(s, "election safety: two leaders in one term");
    if (*leader == 0)
        s->counters.elections++;
    *leader = number + 1;
    for (uint64_t index = status->first_index; index <= s->committed_index; index++) {
        const struct raft_entry *entry = raft_find_entry(raft, index);
        if (s->committed[index].known_in < status->term &&
            (entry == NULL || content_of(entry) != s->committed[index].content ||
             entry->term != s->committed[index].term))
            sim_violate(s, "leader completeness: a leader lacks a committed entry");
    }
}

/* What a leader takes for committed is durable on a majority of the voters. */
static void oracle_commit(struct sim *s, uint32_t number, const struct raft_status *status) {
    const struct raft *raft = s->nodes[number].raft;
    const struct raft_configuration *configuration = raft_get_configuration(raft);
    const struct raft_entry *entry = raft_find_entry(raft, status->commit_index);
    uint32_t voters = 0, durable = 0;
    for (uint32_t i = 0; i < configuration->count; i++) {
        if (!configuration->members[i].is_voter)
            continue;
        struct sim_disk *disk = &s->nodes[sim_number(configuration->members[i].id)].disk;
        voters++;
        durable += entry != NULL && disk_has(disk, entry->index, entry->term);
    }
    if (entry != NULL && durable <= voters / 2)
        sim_violate(s, "durable majority: committed on fewer voters than a majority");
}

static void oracle_apply(struct sim *s, struct sim_node *node, const struct raft_entry *entry,
                         uint64_t term) {
    if (entry->index != node->applied + 1)
        sim_violate(s, "entries are applied out of order");
    if (entry->index >= SIM_LOG_MAX) {
        s->is_exhausted = true;
        return;
    }
    node->applied = entry->index;
    node->state = mix(mix(node->state, entry->term), content_of(entry));
    struct sim_committed *committed = &s->committed[entry->index];
    if (committed->term == 0) {
        *committed = (struct sim_committed){entry->term, content_of(entry), node->state, term};
        s->counters.commits++;
    }
    if (entry->index > s->committed_index)
        s->committed_index = entry->index;
    if (committed->term != entry->term || committed->content != content_of(entry) ||
        committed->state != node->state)
        sim_violate(s, "state machine safety: different entries applied at one index");
}

static void oracle_vote(struct sim *s, uint32_t number, uint64_t term, uint32_t candidate) {
    uint32_t *vote = &s->vote_of[number][term];
    if (*vote != 0 && *vote != candidate + 1)
        sim_violate(s, "vote once: two votes in one term");
    *vote = candidate + 1;
    const struct raft_hard_state *durable = &s->nodes[number].disk.hard_state;
    if (durable->term < term || (durable->term == term && sim_number(durable->vote) != candidate))
        sim_violate(s, "a vote left before it was durable");
}

static void oracle_message(struct sim *s, uint32_t number, const struct raft_message *message) {
    struct sim_node *node = &s->nodes[number];
    if (message->term >= SIM_TERMS_MAX) {
        s->is_exhausted = true;
        return;
    }
    if (message->type == RAFT_VOTE)
        oracle_vote(s, number, message->term, number);
    if (message->type == RAFT_VOTE_REPLY && message->vote_reply.is_granted)
        oracle_vote(s, number, message->term, sim_number(message->to));
    if (message->type != RAFT_APPEND_REPLY)
        return;
    uint64_t durable = message->append_reply.durable;
    const struct raft_entry *entry = raft_find_entry(node->raft, durable);
    if (durable > 0 && !disk_has(&node->disk, durable, entry != NULL ? entry->term : 0))
        sim_violate(s, "an entry was acknowledged before it was durable");
}

static void oracle_reads(struct sim *s, const struct raft_output *out) {
    for (size_t i = 0; i < out->read_count; i++) {
        if (out->reads[i].status != LARDER_OK)
            continue;
        s->counters.reads++;
        if (out->reads[i].index < s->read_floor[out->reads[i].context & 1023])
            sim_violate(s, "a read misses what was committed before it");
    }
}

static void oracle_step(struct sim *s, uint32_t number, const struct raft_output *out) {
    struct sim_node *node = &s->nodes[number];
    struct raft_status status;
    raft_get_status(node->raft, &status);
    if (status.term >= SIM_TERMS_MAX || status.last_index >= SIM_LOG_MAX) {
        s->is_exhausted = true;
        return;
    }
    if (status.term < node->seen.term || status.commit_index < node->seen.commit_index)
        sim_violate(s, "the term or the commit index fell");
    for (size_t i = 0; i < out->message_count; i++)
        oracle_message(s, number, &out->messages[i]);
    if (status.last_index != node->seen.last_index || status.last_term != node->seen.last_term)
        oracle_log(s, node->raft, &status);
    s->counters.truncations += status.last_index < node->seen.last_index;
    bool is_new_leader = status.role == RAFT_LEADER &&
                         (node->seen.role != RAFT_LEADER || node->seen.term != status.term);
    if (is_new_leader)
        oracle_leader(s, number, &status);
    if (status.role == RAFT_LEADER && status.commit_index > node->seen.commit_index)
        oracle_commit(s, number, &status);
    if (out->has_install) {
        s->counters.installs++;
        node->applied = out->install.index;
        memcpy(&node->state, node->arriving.bytes, sizeof(node->state));
        if (node->arriving.identity.index != node->applied ||
            node->state != s->committed[node->applied].state)
            sim_violate(s, "an installed snapshot differs from what was applied");
    }
    for (size_t i = 0; i < out->apply_count; i++)
        oracle_apply(s, node, &out->apply[i], status.term);
    oracle_reads(s, out);
    node->seen = status;
}
