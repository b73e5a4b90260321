/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration beside a naive model of its rules: sets are masks of member numbers, and every
 * rule is written down once more, as it is told in configuration.h. Entries are drawn, possible and
 * senseless ones; after each the outcome and the whole state must be equal, and whoever may go, as
 * departures.h judges, must be whom the rules let go. Two copies follow: one late, from the same
 * entries, one from snapshots. */
#include "unit/cluster/golden.h"

#include "cluster/configuration.h"
#include "unit/cluster/chance.h"
#include "unit/cluster/departure_rules.h"
#include "unit/cluster/seed_range.h"

enum { NODES = 6, MEMBERS_MAX = 5, PARTITIONS_MAX = 3, STEPS = 120, NUMBERS = 64 };

static const uint64_t RESET_ROOM = 1000000;

struct model_member {
    bool is_there;
    enum member_state state;
    enum member_departure departure;
    uint64_t node, incarnation;
    uint32_t weight;
};

struct model_partition {
    uint64_t epoch, term, term_index, lost_index, reset_term, reset_ceiling, loss_term, loss_after;
    unsigned primary; /* 0: nobody */
    bool is_released, is_unleased;
    uint64_t in_sync, learners, target, last; /* bit n: member n */
};

struct model {
    uint64_t index, ceiling;
    unsigned last_number, partition_count;
    struct cluster_settings settings;
    struct model_member members[NUMBERS];
    struct model_partition partitions[PARTITIONS_MAX];
};

static struct test {
    uint64_t seed;
    struct configuration *real, *late, *restored;
    struct model model;
    struct config_entry history[STEPS + 1];
    uint64_t outcomes[CONFIG_ENTRY_TYPE_END][CONFIG_UNKNOWN_MEMBER + 1];
    uint64_t departing, empty, pausing, safe, unsafe; /* judgements */
} test;

/* ---- the model ---- */

static uint64_t bit(unsigned number) {
    return UINT64_C(1) << number;
}

static unsigned size_of(uint64_t set) {
    return (unsigned)__builtin_popcountll(set);
}

static uint64_t mask_of(const struct member_set *set) {
    uint64_t mask = 0;
    for (uint8_t i = 0; i < set->count; i++)
        mask |= bit(set->members[i]);
    return mask;
}

static unsigned number_of_node(const struct model *m, uint64_t node) {
    for (unsigned n = 1; n < NUMBERS; n++)
        if (m->members[n].is_there && m->members[n].node == node)
            return n;
    return 0;
}

static unsigned member_count(const struct model *m) {
    unsigned count = 0;
    for (unsigned n = 1; n < NUMBERS; n++)
        count += m->members[n].is_there;
    return count;
}

static bool is_member(const struct model *m, uint64_t number) {
    return number < NUMBERS && m->members[number].is_there;
}

static bool is_process(const struct model *m, uint64_t number, uint64_t incarnation) {
    return is_member(m, number) && m->members[number].state != MEMBER_DOWN &&
           m->members[number].incarnation == incarnation;
}

static enum partition_state state_of(const struct model *m, const struct model_partition *p) {
    unsigned have = size_of(p->in_sync);
    if (have == 0)
        return PARTITION_LOST;
    return have < m->settings.replica_count ? PARTITION_DEGRADED : PARTITION_OK;
}

static void model_lead(struct model *m, struct model_partition *p, unsigned primary,
                       bool is_released) {
    p->primary = primary;
    p->term++;
    p->term_index = m->index;
    p->is_released = is_released;
    p->in_sync |= bit(primary);
    p->learners &= ~bit(primary);
    p->last = 0;
    p->lost_index = 0;
}

/* A process is gone: its partitions go to whoever of the in-sync set leads fewest, each in turn. */
static void model_vacate(struct model *m, unsigned number) {
    for (unsigned i = 0; i < m->partition_count; i++) {
        struct model_partition *p = &m->partitions[i];
        if (((p->in_sync | p->learners) & bit(number)) == 0)
            continue;
        p->epoch++;
        uint64_t was = p->in_sync;
        p->in_sync &= ~bit(number);
        p->learners &= ~bit(number);
        if (p->primary != number)
            continue;
        unsigned next = 0, fewest = 0;
        for (unsigned n = 1; n < NUMBERS; n++) {
            unsigned leads = 0;
            for (unsigned k = 0; k < m->partition_count; k++)
                leads += m->partitions[k].primary == n;
            if ((p->in_sync & bit(n)) != 0 && (next == 0 || leads < fewest)) {
                next = n;
                fewest = leads;
            }
        }
        if (next != 0) {
            model_lead(m, p, next, false);
        } else {
            p->primary = 0;
            p->last = was;
            p->lost_index = m->index;
            p->learners = 0;
        }
    }
}

static enum config_outcome model_join(struct model *m, const struct member *join) {
    if ((join->node.words[0] | join->node.words[1]) == 0 || join->incarnation == 0)
        return CONFIG_REFUSED;
    unsigned number = number_of_node(m, join->node.words[0]);
    if (is_process(m, number, join->incarnation) ||
        (number != 0 && join->incarnation < m->members[number].incarnation))
        return CONFIG_STALE;
    if (number == 0 && member_count(m) == MEMBERS_MAX)
        return CONFIG_FULL;
    if (number == 0)
        number = ++m->last_number;
    else
        model_vacate(m, number);
    m->members[number] = (struct model_member){.is_there = true,
                                               .state = MEMBER_ACTIVE,
                                               .node = join->node.words[0],
                                               .incarnation = join->incarnation,
                                               .weight = join->weight};
    return CONFIG_APPLIED;
}

static enum config_outcome model_remove(struct model *m, unsigned number) {
    uint64_t needed = 0;
    for (unsigned i = 0; i < m->partition_count; i++)
        needed |= m->partitions[i].in_sync | m->partitions[i].learners | m->partitions[i].last;
    if ((needed & bit(number)) != 0)
        return CONFIG_REFUSED;
    for (unsigned i = 0; i < m->partition_count; i++)
        if ((m->partitions[i].target & bit(number)) != 0) {
            m->partitions[i].target &= ~bit(number);
            m->partitions[i].epoch++;
        }
    m->members[number] = (struct model_member){0};
    return CONFIG_APPLIED;
}

static enum config_outcome model_member(struct model *m, const struct config_entry *entry) {
    unsigned number = entry->member.number;
    if (!is_member(m, number))
        return CONFIG_UNKNOWN_MEMBER;
    struct model_member *member = &m->members[number];
    if (entry->type == CONFIG_REMOVE)
        return model_remove(m, number);
    if (member->incarnation != entry->member.incarnation)
        return CONFIG_STALE;
    if (member->state == MEMBER_DOWN)
        return CONFIG_REFUSED;
    model_vacate(m, number);
    member->state = MEMBER_DOWN;
    return CONFIG_APPLIED;
}

static enum config_outcome model_drain(struct model *m, const struct config_entry *entry) {
    if (!is_member(m, entry->drain.number))
        return CONFIG_UNKNOWN_MEMBER;
    struct model_member *member = &m->members[entry->drain.number];
    if (member->incarnation != entry->drain.incarnation)
        return CONFIG_STALE;
    if (member->departure == entry->drain.departure)
        return CONFIG_REFUSED;
    if (member->state == MEMBER_DOWN) {
        if (member->departure != DEPARTURE_RESTART || entry->drain.departure != DEPARTURE_NONE)
            return CONFIG_REFUSED;
        member->departure = DEPARTURE_NONE;
        return CONFIG_APPLIED;
    }
    member->departure = entry->drain.departure;
    member->state = member->departure == DEPARTURE_NONE ? MEMBER_ACTIVE : MEMBER_DRAINING;
    return CONFIG_APPLIED;
}

static bool settings_are_sound(const struct cluster_settings *s) {
    bool are_counts = s->replica_count >= 1 && s->replica_count <= CLUSTER_REPLICAS_MAX &&
                      s->min_insync >= 1 && s->min_insync <= s->replica_count;
    bool are_voters = s->voter_count == 1 || s->voter_count == 3 || s->voter_count == 5;
    bool are_times =
        s->lease_ms >= 10 && s->config_lease_ms >= s->lease_ms && s->node_timeout_ms >= s->lease_ms;
    bool is_mode = s->write_mode == WRITES_COMMITTED || s->write_mode == WRITES_EXECUTED;
    return are_counts && are_voters && are_times && is_mode;
}

/* What may happen to a partition that has nobody in sync. */
static enum config_outcome model_lost(struct model *m, struct model_partition *p,
                                      enum config_entry_type type,
                                      const struct config_partition_change *c) {
    if (p->in_sync != 0)
        return CONFIG_REFUSED;
    if (!is_process(m, c->member, c->incarnation))
        return CONFIG_STALE;
    if (type == CONFIG_RESTORE && (p->last & bit(c->member)) == 0)
        return CONFIG_REFUSED;
    p->epoch++;
    model_lead(m, p, c->member, false);
    if (type == CONFIG_RESTORE && !c->may_have_lost)
        return CONFIG_APPLIED;
    p->learners = 0;
    if (type == CONFIG_RESTORE) {
        p->loss_term = p->term;
        p->loss_after = c->log_end;
    } else {
        p->reset_term = p->term;
    }
    p->reset_ceiling = m->ceiling;
    m->ceiling += RESET_ROOM;
    if (c->ceiling > m->ceiling)
        m->ceiling = c->ceiling;
    return CONFIG_APPLIED;
}

static enum config_outcome model_grow(struct model *m, struct model_partition *p,
                                      enum config_entry_type type,
                                      const struct config_partition_change *c) {
    if (!is_process(m, c->member, c->incarnation))
        return CONFIG_STALE;
    bool is_learner = (p->learners & bit(c->member)) != 0;
    if (type == CONFIG_ADD_LEARNER) {
        if (is_learner || (p->in_sync & bit(c->member)) != 0 || p->in_sync == 0)
            return CONFIG_REFUSED;
        p->learners |= bit(c->member);
    } else {
        if (c->term != p->term)
            return CONFIG_STALE;
        if (!is_learner)
            return CONFIG_REFUSED;
        p->learners &= ~bit(c->member);
        p->in_sync |= bit(c->member);
    }
    p->epoch++;
    return CONFIG_APPLIED;
}

static enum config_outcome model_elect(struct model *m, struct model_partition *p,
                                       enum config_entry_type type, uint64_t member) {
    if (member == p->primary || member >= NUMBERS || (p->in_sync & bit((unsigned)member)) == 0)
        return CONFIG_REFUSED;
    p->epoch++;
    if (type == CONFIG_ELECT)
        p->in_sync &= ~bit(p->primary);
    model_lead(m, p, (unsigned)member, type == CONFIG_TRANSFER);
    return CONFIG_APPLIED;
}

static enum config_outcome model_take_from(struct model_partition *p, uint64_t *set,
                                           uint64_t member) {
    if (member >= NUMBERS || (*set & bit((unsigned)member)) == 0 || member == p->primary)
        return CONFIG_REFUSED;
    *set &= ~bit((unsigned)member);
    p->epoch++;
    return CONFIG_APPLIED;
}

static enum config_outcome model_target(const struct model *m, struct model_partition *p,
                                        const struct member_set *target) {
    for (uint8_t i = 0; i < target->count; i++)
        if (!is_member(m, target->members[i]))
            return CONFIG_UNKNOWN_MEMBER;
    if (target->count == 0)
        return CONFIG_REFUSED;
    p->target = mask_of(target);
    p->epoch++;
    return CONFIG_APPLIED;
}

/* Policy isr has ended, and whoever leads it in the present term knows. */
static enum config_outcome model_leased(const struct model *m, struct model_partition *p,
                                        const struct config_partition_change *c) {
    if (c->term != p->term || !is_process(m, c->member, c->incarnation))
        return CONFIG_STALE;
    if (c->member != p->primary || !p->is_unleased || m->settings.quorum_policy == QUORUM_IN_SYNC)
        return CONFIG_REFUSED;
    p->is_unleased = false;
    p->epoch++;
    return CONFIG_APPLIED;
}

static enum config_outcome model_change(struct model *m, enum config_entry_type type,
                                        const struct config_partition_change *c) {
    if (c->partition >= m->partition_count)
        return CONFIG_REFUSED;
    struct model_partition *p = &m->partitions[c->partition];
    if (c->epoch != p->epoch)
        return CONFIG_STALE;
    switch (type) {
    case CONFIG_SHRINK: return model_take_from(p, &p->in_sync, c->member);
    case CONFIG_REMOVE_LEARNER: return model_take_from(p, &p->learners, c->member);
    case CONFIG_EXPAND:
    case CONFIG_ADD_LEARNER: return model_grow(m, p, type, c);
    case CONFIG_TRANSFER:
    case CONFIG_ELECT: return model_elect(m, p, type, c->member);
    case CONFIG_RESTORE:
    case CONFIG_RESET: return model_lost(m, p, type, c);
    case CONFIG_TARGET: return model_target(m, p, &c->target);
    case CONFIG_LEASED: return model_leased(m, p, c);
    default: p->epoch++; return CONFIG_APPLIED; /* NOP */
    }
}

static enum config_outcome model_settings(struct model *m, const struct cluster_settings *next) {
    if (!settings_are_sound(next))
        return CONFIG_REFUSED;
    bool begins =
        m->settings.quorum_policy != next->quorum_policy && next->quorum_policy == QUORUM_IN_SYNC;
    m->settings = *next;
    for (unsigned i = 0; begins && i < m->partition_count; i++) {
        m->partitions[i].is_unleased = true;
        m->partitions[i].epoch++;
    }
    return CONFIG_APPLIED;
}

static enum config_outcome model_apply(struct model *m, const struct config_entry *entry) {
    switch (entry->type) {
    case CONFIG_JOIN: return model_join(m, &entry->join);
    case CONFIG_DOWN:
    case CONFIG_REMOVE: return model_member(m, entry);
    case CONFIG_DRAIN: return model_drain(m, entry);
    case CONFIG_SETTINGS: return model_settings(m, &entry->settings);
    case CONFIG_CEILING:
        if (entry->ceiling <= m->ceiling)
            return CONFIG_STALE;
        m->ceiling = entry->ceiling;
        return CONFIG_APPLIED;
    default: return model_change(m, entry->type, &entry->change);
    }
}

/* ---- comparing ---- */

static const char *differs_in(const struct configuration *c) {
    const struct model *m = &test.model;
    if (c->index != m->index || c->ceiling != m->ceiling || c->last_number != m->last_number)
        return "index, ceiling or last number";
    if (memcmp(&c->settings, &m->settings, sizeof(c->settings)) != 0)
        return "settings";
    if (c->member_count != member_count(m))
        return "number of members";
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *real = &c->members[i];
        const struct model_member *member = &m->members[real->number];
        if (!member->is_there || member->state != real->state ||
            member->departure != real->departure || member->node != real->node.words[0] ||
            member->incarnation != real->incarnation || member->weight != real->weight)
            return "a member";
    }
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *real = &c->partitions[i];
        const struct model_partition *p = &m->partitions[i];
        if (real->epoch != p->epoch || real->term != p->term || real->term_index != p->term_index)
            return "epoch, term or the term's index";
        if (real->state != state_of(m, p) || real->lost_index != p->lost_index)
            return "state";
        if (real->primary != p->primary || real->is_released != p->is_released)
            return "primary or the mark of a hand-off";
        if (real->is_unleased != p->is_unleased)
            return "the mark of those who serve without the config lease";
        if (real->reset_term != p->reset_term || real->reset_ceiling != p->reset_ceiling)
            return "the last RESET";
        if (real->loss_term != p->loss_term || real->loss_after != p->loss_after)
            return "the last loss";
        if (mask_of(&real->in_sync) != p->in_sync || mask_of(&real->learners) != p->learners ||
            mask_of(&real->target) != p->target || mask_of(&real->last) != p->last)
            return "a set of members";
    }
    return configuration_is_sound(c) ? NULL : "soundness";
}

/* ---- entries ---- */

static uint64_t draw_incarnation(unsigned number) {
    const struct model_member *m = &test.model.members[number];
    return chance(75) ? m->incarnation : m->incarnation + draw(3) - 1;
}

static uint32_t draw_number(void) {
    unsigned most = test.model.last_number + 1;
    unsigned oldest = most > 8 ? most - 8 : 0;
    return (uint32_t)(oldest + draw(most - oldest + 1)) % NUMBERS;
}

static uint32_t draw_of(uint64_t set) {
    if (set == 0)
        return draw_number();
    for (uint64_t skip = draw(size_of(set)); skip > 0; skip--)
        set &= set - 1;
    return (uint32_t)__builtin_ctzll(set);
}

/* Rather somebody whom the change may concern. */
static uint32_t draw_whom(enum config_entry_type type, const struct model_partition *p) {
    if (chance(25))
        return draw_number();
    switch (type) {
    case CONFIG_SHRINK:
    case CONFIG_TRANSFER:
    case CONFIG_ELECT: return draw_of(p->in_sync);
    case CONFIG_EXPAND:
    case CONFIG_REMOVE_LEARNER: return draw_of(p->learners);
    case CONFIG_RESTORE: return draw_of(p->last);
    case CONFIG_LEASED: return p->primary;
    default: return draw_number();
    }
}

static struct config_partition_change draw_change(enum config_entry_type type) {
    uint32_t at = (uint32_t)draw(test.model.partition_count + (draw(20) == 0));
    const struct model_partition *p = &test.model.partitions[at % test.model.partition_count];
    struct config_partition_change c = {.partition = at, .member = draw_whom(type, p)};
    c.epoch = chance(90) ? p->epoch : p->epoch + draw(3) - 1;
    c.incarnation = draw_incarnation(c.member);
    c.term = chance(85) ? p->term : p->term + draw(3) - 1;
    c.may_have_lost = type == CONFIG_RESTORE && chance(30);
    c.log_end = draw(1000);
    if (type == CONFIG_RESET || c.may_have_lost)
        c.ceiling = test.model.ceiling + draw(3 * RESET_ROOM);
    for (uint64_t count = draw(4); type == CONFIG_TARGET && count > 0; count--) {
        uint32_t number = draw_number();
        if (number != CLUSTER_NOBODY)
            member_set_add(&c.target, number);
    }
    return c;
}

static struct member draw_join(void) {
    uint64_t node = draw(20) == 0 ? 0 : 1 + draw(NODES);
    unsigned number = number_of_node(&test.model, node);
    uint64_t known = test.model.members[number].incarnation;
    uint64_t late = known > 0 && chance(10) ? 1 : 0; /* of the process before it */
    return (struct member){.state = MEMBER_ACTIVE,
                           .node = {{node, 0}},
                           .incarnation = draw(20) == 0 ? 0 : known + draw(3) - late,
                           .weight = (uint32_t)draw(3)};
}

static struct cluster_settings draw_settings(void) {
    struct cluster_settings s = CLUSTER_DEFAULT_SETTINGS;
    s.replica_count = (uint32_t)draw(4);
    s.min_insync = (uint32_t)draw(3);
    s.voter_count = chance(80) ? 3 : (uint32_t)draw(6);
    s.quorum_policy = chance(30) ? QUORUM_IN_SYNC : QUORUM_MAJORITY;
    s.lease_ms = draw(8) == 0 ? 5 : 250;
    s.config_lease_ms = draw(8) == 0 ? 100 : 2000;
    s.write_mode = (enum write_mode)(1 + draw(draw(8) == 0 ? 3 : 2));
    return s;
}

static struct config_entry draw_entry(void) {
    /* what makes seats comes more often: else all are soon lost */
    static const enum config_entry_type GROWTH[] = {CONFIG_JOIN, CONFIG_ADD_LEARNER, CONFIG_EXPAND,
                                                    CONFIG_RESTORE, CONFIG_LEASED};
    struct config_entry entry = {.type =
                                     (enum config_entry_type)(1 + draw(CONFIG_ENTRY_TYPE_END - 1))};
    if (chance(45))
        entry.type = GROWTH[draw(5)];
    if (entry.type == CONFIG_JOIN) {
        entry.join = draw_join();
    } else if (entry.type == CONFIG_DRAIN) {
        entry.drain.number = draw_number();
        entry.drain.incarnation = draw_incarnation(entry.drain.number);
        entry.drain.departure = (enum member_departure)draw(DEPARTURE_END);
    } else if (entry.type < CONFIG_SETTINGS) {
        entry.member.number = draw_number();
        entry.member.incarnation = draw_incarnation(entry.member.number);
    } else if (entry.type == CONFIG_SETTINGS) {
        entry.settings = draw_settings();
    } else if (entry.type == CONFIG_CEILING) {
        entry.ceiling = test.model.ceiling + draw(1000) - (draw(4) == 0 ? 500 : 0);
    } else {
        entry.change = draw_change(entry.type);
    }
    return entry;
}

/* ---- a run ---- */

static void require(bool is_right, uint64_t step, const char *what) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu, entry %llu: %s", (unsigned long long)test.seed,
                 (unsigned long long)step, what);
}

static void begin_model(const struct configuration *c) {
    struct model *m = &test.model;
    *m = (struct model){.last_number = c->last_number,
                        .partition_count = c->partition_count,
                        .settings = c->settings};
    for (uint32_t i = 0; i < c->member_count; i++)
        m->members[c->members[i].number] =
            (struct model_member){.is_there = true,
                                  .state = MEMBER_ACTIVE,
                                  .node = c->members[i].node.words[0],
                                  .incarnation = c->members[i].incarnation,
                                  .weight = c->members[i].weight};
    for (uint32_t i = 0; i < c->partition_count; i++) {
        const struct partition_config *p = &c->partitions[i];
        m->partitions[i] =
            (struct model_partition){.epoch = 1,
                                     .term = 1,
                                     .primary = p->primary,
                                     .is_unleased = c->settings.quorum_policy == QUORUM_IN_SYNC,
                                     .in_sync = mask_of(&p->target),
                                     .target = mask_of(&p->target)};
    }
}

static struct configuration *create(uint32_t partitions) {
    struct configuration *c = NULL;
    assert_int_equal(configuration_create((struct raft_id){{9, 9}}, 1, partitions, MEMBERS_MAX,
                                          &ALLOCATOR_SYSTEM, &c),
                     LARDER_OK);
    return c;
}

static void begin(uint64_t seed) {
    test.seed = seed;
    chance_begin(seed);
    uint32_t partitions = 1 + (uint32_t)draw(PARTITIONS_MAX);
    uint32_t founder_count = 1 + (uint32_t)draw(MEMBERS_MAX);
    struct member founders[MEMBERS_MAX] = {0};
    for (uint32_t i = 0; i < founder_count; i++)
        founders[i] =
            (struct member){.node = {{i + 1, 0}}, .incarnation = 10 + draw(3), .weight = 1};
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 1 + (uint32_t)draw(3);
    settings.quorum_policy = chance(30) ? QUORUM_IN_SYNC : QUORUM_MAJORITY;
    test.real = create(partitions);
    test.late = create(partitions);
    test.restored = create(partitions);
    assert_int_equal(configuration_found(test.real, founders, founder_count, &settings), LARDER_OK);
    assert_int_equal(configuration_found(test.late, founders, founder_count, &settings), LARDER_OK);
    begin_model(test.real);
}

static void end(void) {
    configuration_destroy(test.real);
    configuration_destroy(test.late);
    configuration_destroy(test.restored);
}

static enum config_outcome apply_to(struct configuration *c, uint64_t index,
                                    const struct config_entry *entry) {
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    enum config_outcome outcome;
    size_t size = config_entry_encode(entry, bytes);
    require(configuration_apply(c, index, slice_of(bytes, size), &outcome) == LARDER_OK, index,
            "an entry is not read as it was written");
    return outcome;
}

static void compare_copies(uint64_t index) {
    uint8_t bytes[8192];
    size_t size = configuration_encode(test.real, bytes);
    require(size == configuration_encoded_size(test.real) && size <= sizeof(bytes), index,
            "a snapshot has another size than it said");
    require(configuration_restore(test.restored, slice_of(bytes, size)) == LARDER_OK, index,
            "a snapshot is not read as it was written");
    require(differs_in(test.restored) == NULL, index, "a snapshot says something else");
    for (uint64_t i = test.late->index + 1; i <= index; i++)
        (void)apply_to(test.late, i, &test.history[i]);
    require(configuration_hash(test.late) == configuration_hash(test.real) &&
                configuration_hash(test.restored) == configuration_hash(test.real),
            index, "copies of one index differ");
}

/* Some of the members and of the nodes that are none. */
static struct raft_configuration draw_core(void) {
    struct raft_configuration core = {0};
    for (uint64_t node = 1; node <= NODES; node++) {
        bool is_member = number_of_node(&test.model, node) != 0;
        if (chance(is_member ? 85 : 25))
            core.members[core.count++] =
                (struct raft_member){.id = {{node, 0}}, .is_voter = chance(70)};
    }
    return core;
}

/* Who may go, and whether anybody may be lost. */
static void judge(uint64_t index) {
    const struct configuration *c = test.real;
    const struct raft_configuration core = draw_core();
    for (uint32_t i = 0; i < c->member_count; i++) {
        const char *difference = rules_differ(c, &c->members[i]);
        require(difference == NULL, index, difference);
        test.departing += c->members[i].state == MEMBER_DRAINING;
        test.empty += departure_is_empty(c, &c->members[i]);
        test.pausing += departure_may_pause(c, &c->members[i]);
    }
    bool is_safe = cluster_is_safe(c, &core);
    require(is_safe == rules_safe(c, &core), index, "whether any member may be lost");
    test.safe += is_safe;
    test.unsafe += !is_safe;
}

static void step(uint64_t index) {
    struct config_entry entry = test.history[index] = draw_entry();
    enum config_outcome said = configuration_check(test.real, &entry);
    test.model.index = index;
    enum config_outcome expected = model_apply(&test.model, &entry);
    enum config_outcome outcome = apply_to(test.real, index, &entry);
    test.outcomes[entry.type][outcome]++;
    if (outcome != expected || said != outcome)
        print_message("%s: %s, not %s\n", config_entry_name(entry.type),
                      config_outcome_name(outcome), config_outcome_name(expected));
    require(outcome == expected, index, "another outcome than the model's");
    require(said == outcome, index, "check and apply disagree");
    const char *difference = differs_in(test.real);
    if (difference != NULL)
        print_message("after %s\n", config_entry_name(entry.type));
    require(difference == NULL, index, difference);
    judge(index);
    if (chance(5))
        compare_copies(index);
}

static void the_configuration_does_what_its_rules_say(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(2000);
    for (uint64_t i = 0; i < seeds.count; i++) {
        begin(seeds.first + i);
        judge(0);
        for (uint64_t index = 1; index <= STEPS && test.model.last_number < NUMBERS - 2; index++)
            step(index);
        compare_copies(test.real->index);
        end();
    }
    for (int type = CONFIG_JOIN; type < CONFIG_ENTRY_TYPE_END; type++) {
        const uint64_t *of = test.outcomes[type];
        print_message("%-14s applied %llu, stale %llu, refused %llu, full %llu, unknown %llu\n",
                      config_entry_name((enum config_entry_type)type), (unsigned long long)of[1],
                      (unsigned long long)of[2], (unsigned long long)of[3],
                      (unsigned long long)of[4], (unsigned long long)of[5]);
        assert_true(of[CONFIG_APPLIED] >= seeds.count / 10);
    }
    print_message("of %llu departing %llu empty, %llu may pause; safe %llu, not %llu\n",
                  (unsigned long long)test.departing, (unsigned long long)test.empty,
                  (unsigned long long)test.pausing, (unsigned long long)test.safe,
                  (unsigned long long)test.unsafe);
    assert_true(test.empty >= seeds.count / 10 && test.pausing >= seeds.count / 10);
    assert_true(test.safe >= seeds.count / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration_does_what_its_rules_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
