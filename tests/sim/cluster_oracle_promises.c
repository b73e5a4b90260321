/* SPDX-License-Identifier: BSD-3-Clause */
/* I5 by what it rests on: whoever counts on a promise is right to. The end of a lease at one
 * machine and the end of a restraint at another are compared in true time, as their clocks would
 * run if nothing changed their drift; so a lease that is too long is found although nobody was
 * elected in the moment by which it is. */
#include "sim/cluster_oracle_core.h"

enum { ROUNDING_US = 200 };

bool oracle_is_serving(const struct partition_replica *r) {
    return r->role == REPLICA_OPEN || (r->role == REPLICA_DRAINING && !r->proposal.is_open);
}

static struct member_set peers_of(const struct partition_replica *r) {
    struct member_set peers = r->view.in_sync;
    for (uint8_t i = 0; i < r->pending.count; i++)
        member_set_add(&peers, r->pending.members[i]);
    return peers;
}

bool oracle_has_lease(struct cluster_member *member, const struct partition_replica *r,
                      int64_t now_us) {
    struct lease_table *leases = member_leases(member);
    struct member_set peers = peers_of(r);
    return lease_covers(leases, &peers, r->options.self, r->view.term_index, now_us) &&
           (r->settings.quorum_policy != QUORUM_MAJORITY || lease_config_holds(leases, now_us));
}

/* Until when, by the clock of its machine, a peer's process lets no newer term of the partition
 * begin; INT64_MAX: it can't begin one. */
static int64_t restrained_until(const struct cluster_oracle *o, uint32_t machine, uint32_t p,
                                const struct partition_replica *r) {
    const struct partition_replica *peer = oracle_replica(o, machine, p);
    if (peer == NULL)
        return INT64_MAX;
    int64_t fresh_us = peer->leases->opens_from_us;
    int64_t promised_us = lease_promised_until(peer->leases, r->options.self);
    if (peer->view.term < r->view.term)
        promised_us = INT64_MIN; /* it does not know that a promise to this member concerns p */
    else if (peer->view.term > r->view.term && peer->view.primary != r->options.self)
        promised_us = peer->blocked_until_us;
    return promised_us > fresh_us ? promised_us : fresh_us;
}

static const struct sim_machine *machine_of(const struct cluster_oracle *o, uint32_t number) {
    const struct member *member = oracle_find_member(o, number);
    return member == NULL ? NULL : &o->world->machines[cluster_sim_machine(&member->address)];
}

static void check_peers(struct cluster_oracle *o, struct sim_machine *machine,
                        struct cluster_member *member, uint32_t p,
                        const struct partition_replica *r) {
    int64_t now_us = machine_now_us(machine);
    struct member_set peers = peers_of(r);
    for (uint8_t i = 0; i < peers.count; i++) {
        const struct sim_machine *other = machine_of(o, peers.members[i]);
        if (other == NULL || other == machine)
            continue;
        int64_t until_us = restrained_until(o, other->address, p, r);
        if (until_us == INT64_MAX)
            continue;
        int64_t from_us = now_us;
        if (until_us > machine_now_us(other))
            from_us = clock_boot_us(&machine->clock, clock_true_us(&other->clock, until_us));
        if (oracle_has_lease(member, r, from_us + ROUNDING_US))
            oracle_violate(o, machine, "I5: a primary counts on a promise that does not hold");
    }
}

/* What anybody applied a config lease ago is known here: a coordinator that waits for as long may
 * give the partition away. */
static void check_config(struct cluster_oracle *o, struct sim_machine *machine,
                         struct cluster_member *member, const struct partition_replica *r) {
    uint64_t next = member_applied(member) + 1;
    size_t at = next % ORACLE_INDEXES;
    int64_t lease_us = (int64_t)o->after->longest_config_lease_ms * 1000;
    if (r->settings.quorum_policy == QUORUM_MAJORITY && o->applied_index[at] == next &&
        o->applied[at] + lease_us < o->world->now_us)
        oracle_violate(o, machine, "I5: a primary serves that has not heard of the config group");
}

void oracle_check_answer(struct cluster_oracle *o, struct sim_machine *machine,
                         struct cluster_member *member, uint32_t p,
                         const struct partition_replica *r) {
    struct member_set peers = peers_of(r);
    for (uint8_t i = 0; i < peers.count; i++) {
        const struct sim_machine *other = machine_of(o, peers.members[i]);
        if (other != NULL && other != machine &&
            restrained_until(o, other->address, p, r) <= machine_now_us(other))
            oracle_violate(o, machine, "I5: a read was answered that nobody's promise covers");
    }
    check_config(o, machine, member, r);
}

void oracle_check_promises(struct cluster_oracle *o, struct sim_machine *machine,
                           struct cluster_member *member, uint32_t p,
                           const struct partition_replica *r) {
    if (!oracle_is_serving(r) || !oracle_has_lease(member, r, machine_now_us(machine)))
        return;
    check_peers(o, machine, member, p, r);
    check_config(o, machine, member, r);
}
