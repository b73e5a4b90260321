/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether members have the same configuration. Each takes the hash of its own after every so many
 * entries and tells the newest in its heartbeats; equal indexes must have equal hashes.
 *
 * A difference means a mistake in the code or in a machine's memory, and nothing that a member with
 * a wrong configuration does is safe. Who is right is what most of the voters say: a member that
 * they contradict with one voice stops. It is silent from then on, so it is replaced like a dead
 * one. Where no majority agrees, differences are counted and all go on. */
#include "cluster/member_core.h"
#include "cluster/mutants.h"

void member_note_checkpoint(struct cluster_member *m) {
    if (m->applied % m->options.entries_per_check == 0)
        m->checkpoint =
            (struct member_checkpoint){m->applied, configuration_hash(m->configuration)};
}

static bool is_living_voter(const struct cluster_member *m, const struct member_peer *peer) {
    const struct member *member = configuration_find_member(m->configuration, peer->number);
    return peer->is_voter && member != NULL && member->state != MEMBER_DOWN;
}

/* Of voters that live, those that have this hash where the own newest one was taken. */
static uint32_t count_voters(const struct cluster_member *m, uint64_t hash, uint32_t *out_all) {
    uint32_t agreeing = 0;
    *out_all = member_votes(m);
    for (uint32_t i = 0; i < m->peer_count; i++) {
        const struct member_peer *peer = &m->peers[i];
        if (!is_living_voter(m, peer))
            continue;
        ++*out_all;
        agreeing += peer->checkpoint.index == m->checkpoint.index && peer->checkpoint.hash == hash;
    }
    return agreeing;
}

void member_compare(struct cluster_member *m, struct member_peer *peer,
                    struct member_checkpoint told) {
    peer->checkpoint = told;
    if (told.index == 0 || told.index != m->checkpoint.index || told.hash == m->checkpoint.hash)
        return;
    if (peer->differed_at != told.index)
        m->divergences++;
    peer->differed_at = told.index;
    uint32_t all;
    uint32_t agreeing = count_voters(m, told.hash, &all);
    bool is_contradicted = CLUSTER_MUTATED(MUTANT_DIVERGED_BY_ONE) || 2 * agreeing > all;
    if (!is_contradicted || CLUSTER_MUTATED(MUTANT_DIVERGED_GOES_ON))
        return;
    m->has_diverged = true;
    m->is_view_due = true;
}

bool member_has_diverged(const struct cluster_member *m) {
    return m->has_diverged;
}

uint64_t member_divergences(const struct cluster_member *m) {
    return m->divergences;
}
