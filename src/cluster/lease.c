/* SPDX-License-Identifier: BSD-3-Clause */
/* Of all promises of a peer that this member knows as much as, the newest counts: it was sent last
 * and, as applied indices only grow, knows most. Those that know more wait in `ahead`. */
#include "cluster/lease.h"

#include "cluster/mutants.h"

static const struct lease_promise NO_PROMISE = {.sent_us = INT64_MIN / 2};

enum larder_status lease_table_create(uint32_t peers_max, int64_t lease_us, int64_t config_lease_us,
                                      int64_t now_us, const struct allocator *allocator,
                                      struct lease_table **out) {
    struct lease_table *table = allocator_allocate_zeroed(allocator, sizeof(*table));
    if (table == NULL)
        return LARDER_NO_MEMORY;
    table->peers = allocator_allocate_zeroed(allocator, peers_max * sizeof(*table->peers));
    if (table->peers == NULL) {
        allocator_release(allocator, table, sizeof(*table));
        return LARDER_NO_MEMORY;
    }
    table->allocator = allocator;
    table->peers_max = peers_max;
    table->lease_us = lease_us;
    table->config_lease_us = config_lease_us;
    table->opens_from_us = CLUSTER_MUTATED(MUTANT_FRESH_OPENS) ? now_us : now_us + lease_us;
    table->config.counted = NO_PROMISE;
    *out = table;
    return LARDER_OK;
}

void lease_table_destroy(struct lease_table *table) {
    if (table == NULL)
        return;
    allocator_release(table->allocator, table->peers, table->peers_max * sizeof(*table->peers));
    allocator_release(table->allocator, table, sizeof(*table));
}

static struct lease_peer *find_peer(const struct lease_table *table, uint32_t member) {
    for (uint32_t i = 0; i < table->peer_count; i++)
        if (table->peers[i].member == member)
            return &table->peers[i];
    return NULL;
}

bool lease_set_peer(struct lease_table *table, uint32_t member, uint64_t incarnation) {
    struct lease_peer *peer = find_peer(table, member);
    if (peer != NULL && peer->incarnation == incarnation)
        return true;
    if (peer == NULL) {
        if (table->peer_count == table->peers_max)
            return false;
        peer = &table->peers[table->peer_count++];
    }
    *peer = (struct lease_peer){.member = member,
                                .incarnation = incarnation,
                                .counted = NO_PROMISE,
                                .promised_until_us = INT64_MIN};
    return true;
}

void lease_remove_peer(struct lease_table *table, uint32_t member) {
    struct lease_peer *peer = find_peer(table, member);
    if (peer != NULL)
        *peer = table->peers[--table->peer_count];
}

static void count_known(struct lease_peer *peer, uint64_t applied) {
    uint8_t known = 0;
    while (known < peer->ahead_count && peer->ahead[known].index <= applied)
        peer->counted = peer->ahead[known++];
    peer->ahead_count = (uint8_t)(peer->ahead_count - known);
    for (uint8_t i = 0; i < peer->ahead_count; i++)
        peer->ahead[i] = peer->ahead[known + i];
}

void lease_set_applied(struct lease_table *table, uint64_t index) {
    table->applied_index = index;
    count_known(&table->config, index);
    for (uint32_t i = 0; i < table->peer_count; i++)
        count_known(&table->peers[i], index);
}

bool lease_give(struct lease_table *table, uint32_t member, uint64_t incarnation, int64_t now_us) {
    struct lease_peer *peer = find_peer(table, member);
    if (peer == NULL || peer->incarnation != incarnation)
        return false;
    if (now_us + table->lease_us > peer->promised_until_us)
        peer->promised_until_us = now_us + table->lease_us;
    return true;
}

/* Promises that come in another order than they were asked for are dropped. When the list is full
 * the newest replaces the last: the older ones become known sooner. */
static void keep(struct lease_peer *peer, struct lease_promise promise, uint64_t applied) {
    const struct lease_promise *last =
        peer->ahead_count > 0 ? &peer->ahead[peer->ahead_count - 1] : &peer->counted;
    if (promise.sent_us <= last->sent_us || promise.index < last->index)
        return;
    if (peer->ahead_count == LEASE_AHEAD_MAX)
        peer->ahead_count--;
    peer->ahead[peer->ahead_count++] = promise;
    count_known(peer, applied);
}

void lease_take(struct lease_table *table, uint32_t member, uint64_t incarnation,
                const struct lease_promise *promise, int64_t now_us) {
    struct lease_peer *peer = find_peer(table, member);
    if (peer == NULL || promise->sent_us > now_us)
        return;
    if (peer->incarnation != incarnation && !CLUSTER_MUTATED(MUTANT_LEASE_ANY_INCARNATION))
        return;
    struct lease_promise kept = *promise;
    if (CLUSTER_MUTATED(MUTANT_LEASE_FROM_RECEIPT))
        kept.sent_us = now_us;
    if (CLUSTER_MUTATED(MUTANT_LEASE_OWN_DURATION))
        kept.duration_us = table->lease_us;
    bool is_any = CLUSTER_MUTATED(MUTANT_LEASE_FUTURE_VIEW);
    keep(peer, kept, is_any ? UINT64_MAX : table->applied_index);
}

void lease_take_config(struct lease_table *table, const struct lease_promise *answer,
                       int64_t now_us) {
    if (answer->sent_us > now_us)
        return;
    bool is_any = CLUSTER_MUTATED(MUTANT_CONFIG_LEASE_BEHIND);
    keep(&table->config, *answer, is_any ? UINT64_MAX : table->applied_index);
}

static bool holds(const struct lease_promise *promise, int64_t now_us) {
    int64_t counted_us = CLUSTER_MUTATED(MUTANT_LEASE_WITHOUT_DRIFT)
                             ? promise->duration_us
                             : cluster_shortened_us(promise->duration_us);
    return now_us < promise->sent_us + counted_us;
}

bool lease_covers(const struct lease_table *table, const struct member_set *peers, uint32_t self,
                  uint64_t term_index, int64_t now_us) {
    bool is_any_held = false;
    for (uint8_t i = 0; i < peers->count; i++) {
        if (peers->members[i] == self)
            continue;
        const struct lease_peer *peer = find_peer(table, peers->members[i]);
        bool is_held =
            peer != NULL &&
            (peer->counted.index >= term_index || CLUSTER_MUTATED(MUTANT_LEASE_OLD_VIEW)) &&
            holds(&peer->counted, now_us);
        is_any_held |= is_held;
        if (!is_held && !CLUSTER_MUTATED(MUTANT_LEASE_ONE_PEER))
            return false;
    }
    return !CLUSTER_MUTATED(MUTANT_LEASE_ONE_PEER) || is_any_held || peers->count <= 1;
}

bool lease_config_holds(const struct lease_table *table, int64_t now_us) {
    return CLUSTER_MUTATED(MUTANT_CONFIG_LEASE_IGNORED) || holds(&table->config.counted, now_us);
}

int64_t lease_promised_until(const struct lease_table *table, uint32_t member) {
    const struct lease_peer *peer = find_peer(table, member);
    return peer == NULL ? INT64_MIN : peer->promised_until_us;
}
