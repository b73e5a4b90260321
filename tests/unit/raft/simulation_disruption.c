/* SPDX-License-Identifier: BSD-3-Clause */
/* What keeps a group from being disturbed by one of its own (Ongaro 2014, 6.2 and 9.6), from what
 * the nodes were given and say of themselves:
 *
 * - who hears a leader gives no pre-vote, and leaves its term for no candidate but one that the
 *   leader itself told to campaign;
 * - nobody else campaigns without the pre-votes of a majority;
 * - a leader that no majority of the voters reaches steps down: at the second look at the latest,
 *   that is within two shortest election timeouts.
 *
 * So a node that was cut off and comes back deposes no leader that a majority hears. */
#include "simulation.h"

static bool is_following(const struct sim *s, const struct sim_node *node) {
    return node->seen.role == RAFT_LEADER || (raft_id_is_set(node->seen.leader) &&
                                              s->now_ms - node->leader_heard_ms < SIM_ELECTION_MS);
}

static bool has_given_pre_vote(const struct raft_output *out) {
    for (size_t i = 0; i < out->message_count; i++)
        if (out->messages[i].type == RAFT_PRE_VOTE_REPLY && out->messages[i].vote_reply.is_granted)
            return true;
    return false;
}

static void check_votes(struct sim *s, const struct sim_node *node, const struct raft_status *after,
                        const struct raft_output *out) {
    const struct raft_message *m = s->current;
    if (m == NULL || !is_following(s, node))
        return;
    if (m->type == RAFT_PRE_VOTE && has_given_pre_vote(out))
        sim_violate(s, "a pre-vote was given while a leader was heard");
    if (m->type == RAFT_VOTE && !m->vote.is_transfer && after->term > node->seen.term)
        sim_violate(s, "a candidate disturbed one that heard a leader");
}

static uint32_t count_voters(const struct raft_configuration *configuration) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < configuration->count; i++)
        count += configuration->members[i].is_voter;
    return count;
}

static void check_campaign(struct sim *s, uint32_t number, const struct raft_status *after) {
    struct sim_node *node = &s->nodes[number];
    bool is_new = after->role == RAFT_CANDIDATE &&
                  (node->seen.role != RAFT_CANDIDATE || after->term > node->seen.term);
    bool is_told = s->current != NULL && s->current->type == RAFT_TIMEOUT_NOW;
    if (!is_new || is_told)
        return;
    const struct raft_configuration *configuration = raft_get_configuration(node->raft);
    uint32_t granted = 0;
    for (uint32_t i = 0; i < configuration->count; i++) {
        uint32_t voter = sim_number(configuration->members[i].id);
        granted += configuration->members[i].is_voter &&
                   (voter == number || node->pre_voted_term[voter] == after->term);
    }
    if (2 * granted <= count_voters(configuration))
        sim_violate(s, "a term was raised without the pre-votes of a majority");
}

/* When a majority of the voters, the leader among them, was last heard within one look. */
static int64_t majority_heard_ms(const struct sim *s, uint32_t leader) {
    const struct sim_node *node = &s->nodes[leader];
    const struct raft_configuration *configuration = raft_get_configuration(node->raft);
    int64_t heard[SIM_NODES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < configuration->count; i++) {
        uint32_t voter = sim_number(configuration->members[i].id);
        if (!configuration->members[i].is_voter)
            continue;
        int64_t at_ms = voter == leader ? s->now_ms : node->heard_ms[voter];
        uint32_t at = count++;
        for (; at > 0 && heard[at - 1] < at_ms; at--)
            heard[at] = heard[at - 1];
        heard[at] = at_ms;
    }
    return count == 0 ? s->now_ms : heard[count / 2];
}

static void check_contact(struct sim *s, uint32_t number, const struct raft_status *after) {
    struct sim_node *node = &s->nodes[number];
    if (after->role != RAFT_LEADER)
        return;
    if (node->seen.role != RAFT_LEADER || after->term != node->seen.term ||
        after->configuration_index != node->seen.configuration_index)
        node->leads_since_ms = s->now_ms;
    int64_t from_ms = majority_heard_ms(s, number);
    if (from_ms < node->leads_since_ms)
        from_ms = node->leads_since_ms;
    if (s->now_ms - from_ms > 2 * SIM_ELECTION_MS + 2 * SIM_TICK_MS_MAX)
        sim_violate(s, "a leader stays without contact to a majority");
}

static void note_message(struct sim *s, uint32_t number, const struct raft_status *after) {
    struct sim_node *node = &s->nodes[number];
    const struct raft_message *m = s->current;
    if (after->role == RAFT_PRE_CANDIDATE && node->seen.role != RAFT_PRE_CANDIDATE)
        memset(node->pre_voted_term, 0, sizeof(node->pre_voted_term));
    if (m == NULL)
        return;
    bool is_of_leader = m->type == RAFT_APPEND || m->type == RAFT_SNAPSHOT;
    if (is_of_leader && raft_id_equal(after->leader, m->from) && m->term == after->term)
        node->leader_heard_ms = s->now_ms;
}

/* After a step of the core, before `seen` says what came of it. */
static void disruption_check(struct sim *s, uint32_t number, const struct raft_output *out) {
    struct sim_node *node = &s->nodes[number];
    const struct raft_status *after = raft_oracle_seen(s->oracle, number + 1);
    const struct raft_message *m = s->current;
    if (m != NULL) {
        uint32_t from = sim_number(m->from);
        node->heard_ms[from] = s->now_ms;
        if (m->type == RAFT_PRE_VOTE_REPLY && m->vote_reply.is_granted &&
            m->term == node->seen.term + 1)
            node->pre_voted_term[from] = m->term;
    }
    check_votes(s, node, after, out);
    check_campaign(s, number, after);
    check_contact(s, number, after);
    note_message(s, number, after);
}

/* A process begins: it has heard nobody. */
static void disruption_begin(struct sim_node *node) {
    memset(node->pre_voted_term, 0, sizeof(node->pre_voted_term));
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++)
        node->heard_ms[i] = INT64_MIN / 2;
    node->leader_heard_ms = node->leads_since_ms = INT64_MIN / 2;
}
