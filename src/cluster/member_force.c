/* SPDX-License-Identifier: BSD-3-Clause */
/* A new generation by force. Everything that may fail comes first: the new configuration, a new
 * core that begins with it as a snapshot, and its way to the disk. Then the member changes over,
 * and the partitions see it as they see any change: a new term that this member leads. */
#include "base/crc32c.h"
#include "cluster/member_core.h"
#include "cluster/mutants.h"
#include "raft/codec.h"

#include <assert.h>

/* Entries that it has and does not know to be committed may have been answered. */
static void apply_rest_of_log(struct cluster_member *m, struct configuration *c) {
    const struct raft_entry *entry;
    enum config_outcome outcome;
    while ((entry = raft_find_entry(m->raft, c->index + 1)) != NULL)
        if (entry->type != RAFT_ENTRY_COMMAND ||
            configuration_apply(c, entry->index, entry->data, &outcome) != LARDER_OK)
            configuration_advance(c, entry->index);
}

/* As bytes in the body of the frame. *out: owned. */
static enum larder_status copy_configuration(struct cluster_member *m, struct configuration **out) {
    size_t size = configuration_encoded_size(m->configuration);
    enum larder_status status =
        configuration_create(m->options.cluster, m->options.generation, m->options.partition_count,
                             m->options.members_max, m->allocator, out);
    if (status != LARDER_OK)
        return status;
    configuration_encode(m->configuration, member_body(m));
    status = configuration_restore(*out, slice_of(member_body(m), size));
    if (status != LARDER_OK) {
        configuration_destroy(*out);
        *out = NULL;
    }
    return status;
}

static bool is_coordinator_about(const struct cluster_member *m) {
    int64_t wait_us = 2 * (int64_t)m->configuration->longest_config_lease_ms * 1000;
    return m->coordinator.is_leading || m->now_us - m->leases->config.counted.sent_us < wait_us;
}

/* What the new core begins with. */
struct beginning {
    struct raft_restored restored;
    struct slice bytes; /* in the body of the frame */
};

static struct beginning begin_with(struct cluster_member *m, const struct configuration *c) {
    struct raft_status status;
    raft_get_status(m->raft, &status);
    size_t size = configuration_encode(c, member_body(m));
    struct slice bytes = slice_of(member_body(m), size);
    uint64_t term = status.term + 1;
    return (struct beginning){
        .restored =
            {.now_ms = m->now_us / 1000,
             .hard_state = {.term = term},
             .snapshot = {.index = c->index, .term = term, .size = size, .checksum = crc32c(bytes)},
             .configuration = {.count = 1, .members = {{m->options.self.node, true}}}},
        .bytes = bytes};
}

static enum larder_status keep(struct cluster_member *m, const struct beginning *b,
                               uint16_t generation) {
    const struct raft_restored *r = &b->restored;
    if (m->host->store != NULL)
        return m->host->begin_generation(m->host->context, generation, &r->hard_state, &r->snapshot,
                                         &r->configuration, b->bytes);
    return volatile_storage_begin(&m->storage, &r->snapshot, b->bytes) ? LARDER_OK
                                                                       : LARDER_NO_MEMORY;
}

/* Nothing of the old generation is under way any more. */
static void change_over(struct cluster_member *m, struct configuration *c, struct raft *raft) {
    struct coordinator *leading = &m->coordinator;
    raft_destroy(m->raft);
    configuration_destroy(m->configuration);
    m->raft = raft;
    m->configuration = c;
    m->options.generation = c->generation;
    m->applied = m->snapshot_index = m->known_index = c->index;
    m->known_from = m->refused_leader = RAFT_NOBODY;
    m->lagging_since_us = INT64_MAX;
    m->proposal_count = m->proposal_first = 0;
    m->checkpoint = (struct member_checkpoint){0};
    m->is_round_open = false;
    memset(m->history, 0, MEMBER_HISTORY * sizeof(*m->history));
    m->leases->config.counted.sent_us = INT64_MIN / 2;
    m->leases->config.ahead_count = 0;
    leading->is_leading = false;
    leading->term = leading->proposed_index = 0;
    leading->moves.count = 0;
    memset(leading->losses, 0, m->options.partition_count * sizeof(*leading->losses));
}

enum larder_status member_force_generation(struct cluster_member *m, int64_t now_us,
                                           int64_t wall_us, struct forced_generation *out) {
    struct configuration *c = NULL;
    struct raft *raft = NULL;
    assert(!m->is_in_step && !m->is_stepping);
    m->now_us = now_us;
    if (!m->has_configuration || m->number == CLUSTER_NOBODY || m->options.generation == UINT16_MAX)
        return LARDER_DENIED;
    if (is_coordinator_about(m) && !CLUSTER_MUTATED(MUTANT_FORCED_UNCHECKED))
        return LARDER_AGAIN;
    enum larder_status status = copy_configuration(m, &c);
    if (status != LARDER_OK)
        return status;
    apply_rest_of_log(m, c);
    if (!configuration_force(c, m->number, (uint64_t)wall_us, out))
        status = LARDER_DENIED;
    if (CLUSTER_MUTATED(MUTANT_FORCED_SAME_GENERATION))
        c->generation = m->options.generation;
    struct beginning b = begin_with(m, c);
    if (status == LARDER_OK)
        status = member_create_core(m, c->generation, &b.restored, &raft);
    if (status == LARDER_OK)
        status = keep(m, &b, c->generation);
    if (status != LARDER_OK) {
        raft_destroy(raft);
        configuration_destroy(c);
        return status;
    }
    change_over(m, c, raft);
    m->is_in_step = true;
    member_show_view(m);
    m->is_in_step = false;
    return LARDER_OK;
}
