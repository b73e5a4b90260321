/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition's configuration (Lin et al. 2008, section 3.2): a primary, an in-sync set that it
 * belongs to, and an epoch that every change raises.
 *
 *   from            entry             to
 *   in sync {A,B}   SHRINK B          {A}; B has no seat
 *   learner C       EXPAND C          C in sync
 *   primary A       TRANSFER B        primary B, term + 1, released, A stays in sync
 *   primary A       ELECT B, DOWN A   primary B, term + 1, A has no seat
 *   {A}             DOWN A            LOST, last {A}
 *   LOST            RESTORE A         {A}, term + 1; tokens as after RESET if something may be lost
 *   LOST            RESET C           {C}, term + 1, empty
 *   unleased        LEASED A          primary A serves under the config lease, and nobody else
 */
#include "cluster/partition_config.h"

#include "cluster/mutants.h"

#include <assert.h>

void partition_config_settle(const struct configuration *c, struct partition_config *p) {
    if (p->in_sync.count == 0)
        p->state = PARTITION_LOST;
    else if (p->in_sync.count < c->settings.replica_count)
        p->state = PARTITION_DEGRADED;
    else
        p->state = PARTITION_OK;
}

static bool is_live(const struct configuration *c, uint32_t number, uint64_t incarnation) {
    const struct member *m = configuration_find_member(c, number);
    if (m == NULL || m->state == MEMBER_DOWN)
        return false;
    return m->incarnation == incarnation;
}

static enum config_outcome check_growth(const struct configuration *c,
                                        const struct partition_config *p,
                                        enum config_entry_type type,
                                        const struct config_partition_change *change) {
    bool is_any = type == CONFIG_EXPAND && CLUSTER_MUTATED(MUTANT_EXPAND_ANY_INCARNATION);
    if (!is_any && !is_live(c, change->member, change->incarnation))
        return CONFIG_STALE;
    if (type == CONFIG_ADD_LEARNER) {
        if (member_set_has(&p->in_sync, change->member) ||
            member_set_has(&p->learners, change->member) || p->state == PARTITION_LOST)
            return CONFIG_REFUSED;
        return p->learners.count < CLUSTER_REPLICAS_MAX ? CONFIG_APPLIED : CONFIG_FULL;
    }
    if (change->term != p->term && !CLUSTER_MUTATED(MUTANT_EXPAND_ANY_TERM))
        return CONFIG_STALE;
    if (!member_set_has(&p->learners, change->member))
        return CONFIG_REFUSED;
    return p->in_sync.count < CLUSTER_REPLICAS_MAX ? CONFIG_APPLIED : CONFIG_FULL;
}

static enum config_outcome check_lost(const struct configuration *c,
                                      const struct partition_config *p, enum config_entry_type type,
                                      const struct config_partition_change *change) {
    if (p->state != PARTITION_LOST)
        return CONFIG_REFUSED;
    if (!is_live(c, change->member, change->incarnation))
        return CONFIG_STALE;
    if (type == CONFIG_RESTORE && !member_set_has(&p->last, change->member) &&
        !CLUSTER_MUTATED(MUTANT_RESTORE_ANY))
        return CONFIG_REFUSED;
    return CONFIG_APPLIED;
}

static enum config_outcome check_new_primary(const struct partition_config *p,
                                             const struct config_partition_change *change) {
    if (p->state == PARTITION_LOST || change->member == p->primary)
        return CONFIG_REFUSED;
    if (!member_set_has(&p->in_sync, change->member)) {
        bool is_outside = CLUSTER_MUTATED(MUTANT_ELECT_OUTSIDE) &&
                          member_set_has(&p->learners, change->member) &&
                          p->in_sync.count < CLUSTER_REPLICAS_MAX;
        return is_outside ? CONFIG_APPLIED : CONFIG_REFUSED;
    }
    return CONFIG_APPLIED;
}

/* Its term is open, so nobody serves in an older one. */
static enum config_outcome check_leased(const struct configuration *c,
                                        const struct partition_config *p,
                                        const struct config_partition_change *change) {
    if (change->term != p->term || !is_live(c, change->member, change->incarnation))
        return CONFIG_STALE;
    bool may_say = change->member == p->primary && p->is_unleased &&
                   c->settings.quorum_policy == QUORUM_MAJORITY;
    return may_say ? CONFIG_APPLIED : CONFIG_REFUSED;
}

enum config_outcome partition_config_check(const struct configuration *c,
                                           enum config_entry_type type,
                                           const struct config_partition_change *change) {
    if (change->partition >= c->partition_count)
        return CONFIG_REFUSED;
    const struct partition_config *p = &c->partitions[change->partition];
    if (change->epoch != p->epoch && !CLUSTER_MUTATED(MUTANT_EPOCH_IGNORED))
        return CONFIG_STALE;
    switch (type) {
    case CONFIG_SHRINK:
        if (change->member == p->primary && !CLUSTER_MUTATED(MUTANT_SHRINK_TO_NONE))
            return CONFIG_REFUSED;
        return member_set_has(&p->in_sync, change->member) ? CONFIG_APPLIED : CONFIG_REFUSED;
    case CONFIG_EXPAND:
    case CONFIG_ADD_LEARNER: return check_growth(c, p, type, change);
    case CONFIG_TRANSFER:
    case CONFIG_ELECT: return check_new_primary(p, change);
    case CONFIG_RESTORE:
    case CONFIG_RESET: return check_lost(c, p, type, change);
    case CONFIG_REMOVE_LEARNER:
        return member_set_has(&p->learners, change->member) ? CONFIG_APPLIED : CONFIG_REFUSED;
    case CONFIG_TARGET:
        for (uint8_t i = 0; i < change->target.count; i++)
            if (configuration_find_member(c, change->target.members[i]) == NULL)
                return CONFIG_UNKNOWN_MEMBER;
        return change->target.count > 0 ? CONFIG_APPLIED : CONFIG_REFUSED;
    case CONFIG_LEASED: return check_leased(c, p, change);
    default: return CONFIG_APPLIED; /* NOP */
    }
}

enum { RESET_LEASES = 2 }; /* config leases to wait before data is given up */

bool configuration_may_reset(const struct configuration *c, uint32_t partition, int64_t lost_us) {
    uint32_t longest_ms = CLUSTER_MUTATED(MUTANT_RESET_FORGETS_LEASES) ? c->settings.config_lease_ms
                                                                       : c->longest_config_lease_ms;
    bool is_isr = c->settings.quorum_policy == QUORUM_IN_SYNC;
    bool is_unleased = c->partitions[partition].is_unleased;
    if (!is_isr && CLUSTER_MUTATED(MUTANT_RESET_FORGETS_POLICY))
        is_unleased = false;
    if (is_isr && CLUSTER_MUTATED(MUTANT_RESET_UNDER_ISR))
        is_unleased = false;
    bool is_over = lost_us >= (int64_t)RESET_LEASES * longest_ms * 1000 ||
                   CLUSTER_MUTATED(MUTANT_RESET_AT_ONCE);
    return !is_unleased && is_over;
}

static void begin_term(struct configuration *c, struct partition_config *p, uint32_t primary) {
    p->primary = primary;
    if (!CLUSTER_MUTATED(MUTANT_SAME_TERM))
        p->term++;
    p->term_index = c->index;
    p->lost_index = 0;
    if (!CLUSTER_MUTATED(MUTANT_RELEASED_STAYS))
        p->is_released = false;
    p->last = (struct member_set){0};
    bool has_room = member_set_add(&p->in_sync, primary);
    assert(has_room);
    (void)has_room;
    member_set_remove(&p->learners, primary);
}

bool partition_config_force(struct configuration *c, struct partition_config *p, uint32_t number) {
    bool is_kept =
        member_set_has(&p->in_sync, number) || member_set_has(&p->last, number) ||
        (CLUSTER_MUTATED(MUTANT_FORCED_LEARNER_LEADS) && member_set_has(&p->learners, number));
    p->epoch++;
    p->in_sync = p->learners = p->target = p->last = (struct member_set){0};
    p->is_released = false;
    if (is_kept) {
        begin_term(c, p, number);
    } else {
        p->primary = CLUSTER_NOBODY;
        p->lost_index = c->index;
    }
    partition_config_settle(c, p);
    return is_kept;
}

/* New tokens go on above all that may have been given here. */
static void leave_tokens(struct configuration *c, struct partition_config *p,
                         const struct config_partition_change *change) {
    p->reset_ceiling = c->reset_ceiling = c->ceiling;
    if (CLUSTER_MUTATED(MUTANT_RESET_KEEPS_CEILING))
        return;
    /* of partitions that are reset at once, each finds room above what the one before took */
    uint64_t least = c->ceiling + CONFIG_RESET_ROOM_US;
    c->ceiling = change->ceiling > least ? change->ceiling : least;
}

static void apply_reset(struct configuration *c, struct partition_config *p,
                        const struct config_partition_change *change) {
    p->learners = (struct member_set){0};
    begin_term(c, p, change->member);
    p->reset_term = p->term;
    leave_tokens(c, p, change);
}

/* Tokens of what may be lost may have been given. */
static void apply_restore(struct configuration *c, struct partition_config *p,
                          const struct config_partition_change *change) {
    begin_term(c, p, change->member);
    if (!change->may_have_lost || CLUSTER_MUTATED(MUTANT_LOSS_UNTOLD))
        return;
    p->loss_term = p->term;
    p->loss_after = change->log_end;
    if (!CLUSTER_MUTATED(MUTANT_LOSS_KEEPS_TOKENS))
        leave_tokens(c, p, change);
}

static void take_seat(struct configuration *c, struct partition_config *p, uint32_t number);

void partition_config_apply(struct configuration *c, enum config_entry_type type,
                            const struct config_partition_change *change) {
    struct partition_config *p = &c->partitions[change->partition];
    uint32_t former = p->primary;
    if (type != CONFIG_NOP || !CLUSTER_MUTATED(MUTANT_NOP_KEEPS_EPOCH))
        p->epoch++;
    switch (type) {
    case CONFIG_SHRINK: take_seat(c, p, change->member); break;
    case CONFIG_EXPAND:
        member_set_remove(&p->learners, change->member);
        member_set_add(&p->in_sync, change->member);
        break;
    case CONFIG_ADD_LEARNER: member_set_add(&p->learners, change->member); break;
    case CONFIG_REMOVE_LEARNER: member_set_remove(&p->learners, change->member); break;
    case CONFIG_TRANSFER:
        begin_term(c, p, change->member);
        p->is_released = true;
        break;
    case CONFIG_ELECT:
        begin_term(c, p, change->member);
        member_set_remove(&p->in_sync, former);
        break;
    case CONFIG_RESTORE: apply_restore(c, p, change); break;
    case CONFIG_RESET: apply_reset(c, p, change); break;
    case CONFIG_TARGET: p->target = change->target; break;
    case CONFIG_LEASED: p->is_unleased = false; break;
    default: break;
    }
    partition_config_settle(c, p);
}

/* Of the in-sync members the one that leads the fewest partitions, then the oldest. */
static uint32_t next_primary(const struct configuration *c, const struct partition_config *p) {
    uint32_t best = CLUSTER_NOBODY, fewest = UINT32_MAX;
    for (uint8_t i = 0; i < p->in_sync.count; i++) {
        const struct member *m = configuration_find_member(c, p->in_sync.members[i]);
        uint32_t count = c->scratch[m - c->members];
        if (count < fewest) {
            fewest = count;
            best = m->number;
        }
    }
    if (best == CLUSTER_NOBODY && p->learners.count > 0 &&
        CLUSTER_MUTATED(MUTANT_LOST_ELECTS_LEARNER))
        return p->learners.members[0];
    return best;
}

static void take_seat(struct configuration *c, struct partition_config *p, uint32_t number) {
    struct member_set before = p->in_sync;
    member_set_remove(&p->learners, number);
    member_set_remove(&p->in_sync, number);
    if (p->primary != number)
        return;
    uint32_t next = next_primary(c, p);
    if (next != CLUSTER_NOBODY) {
        begin_term(c, p, next);
        c->scratch[configuration_find_member(c, next) - c->members]++;
        return;
    }
    p->primary = CLUSTER_NOBODY;
    p->last = before;
    p->lost_index = c->index;
    p->learners = (struct member_set){0};
}

void partition_config_take_seats(struct configuration *c, uint32_t number) {
    memset(c->scratch, 0, c->member_count * sizeof(*c->scratch));
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct member *m = configuration_find_member(c, c->partitions[i].primary);
        if (m != NULL)
            c->scratch[m - c->members]++;
    }
    for (uint32_t i = 0; i < c->partition_count; i++) {
        struct partition_config *p = &c->partitions[i];
        if (!member_set_has(&p->in_sync, number) && !member_set_has(&p->learners, number))
            continue;
        p->epoch++;
        take_seat(c, p, number);
        partition_config_settle(c, p);
    }
}
