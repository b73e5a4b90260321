/* SPDX-License-Identifier: BSD-3-Clause */
/* What a coordinator may do and must do, from docs/consistency.md, checked from outside: by what
 * members are asked for and by how the coordinator's configuration changes from tick to tick.
 *
 *   lost       goes on at who said it has the best log, by a process that is still a member, when
 *              all of the last set have spoken or recovery_wait is over, and says whether something
 *              may be lost, and after what; and then it does
 *   copies     few at a time at both ends; given up without progress, not with it; then the member
 *              is left alone for that partition, each time for longer
 *   balance    not before all was whole and quiet for calm_us
 *   hand-offs  not to a process that may not open yet */
#ifndef LARDER_TESTS_UNIT_CLUSTER_COORDINATOR_RULES_H
#define LARDER_TESTS_UNIT_CLUSTER_COORDINATOR_RULES_H

#include "unit/cluster/coordinator_history.h"

/* ---- lost partitions ---- */

/* It may take what another log lacks, or is of an older term, or shorter. */
static bool is_worse(const struct member_remains *a, const struct member_remains *b) {
    if (a->may_lack != b->may_lack)
        return a->may_lack;
    return a->end.term != b->end.term ? a->end.term < b->end.term
                                      : a->end.sequence < b->end.sequence;
}

static bool has_waited(uint32_t p) {
    return world.now_us - latest(rules.lost_us[p], rules.coordinator_us) >=
           world.options.recovery_wait_us - 2 * STEP_US;
}

/* The coordinator knows it: said a moment ago with no disturbance since, or long ago. */
static bool is_known(const struct configuration *c, const struct rules_said *said,
                     uint32_t number) {
    int64_t ago_us = world.now_us - LONG_US;
    uint32_t place = place_of(c, number);
    if (!is_present(c, number, said->incarnation))
        return false;
    if (said->since_us > rules.disturbed_us && said->since_us <= world.now_us - 2 * STEP_US)
        return true;
    bool is_old = said->first_us <= ago_us && !is_cut(place) && rules.there_us[place] <= ago_us &&
                  rules.led_us <= ago_us;
    seen.in_unrest += is_old;
    return is_old;
}

static void check_told(const struct partition_config *config, uint32_t p,
                       const struct member_remains *remains) {
    EXPECT((config->loss_term == config->term) == remains->may_lack,
           "%u: whether something may be lost is not told", p);
    EXPECT(!remains->may_lack || config->loss_after == remains->end.sequence,
           "%u: what is left is told wrongly", p);
    seen.lacking += remains->may_lack;
}

static void check_restore(const struct configuration *c, uint32_t p) {
    const struct member_set *last = &rules.before->partitions[p].last;
    uint32_t at = c->partitions[p].primary;
    const struct rules_said *best = find_said(p, at);
    EXPECT(member_set_has(last, at) && best != NULL, "%u goes on at %u, which said nothing", p, at);
    EXPECT(is_present(c, at, best->incarnation), "%u goes on at %u by an offer of a former process",
           p, at);
    check_told(&c->partitions[p], p, &best->remains);
    seen.restored++;
    bool have_all = true;
    for (uint8_t i = 0; i < last->count; i++) {
        uint32_t other = last->members[i];
        const struct rules_said *said = find_said(p, other);
        have_all &= said != NULL;
        if (other == at || said == NULL || !is_known(c, said, other))
            continue;
        EXPECT(!is_worse(&best->remains, &said->remains), "%u goes on at %u, %u has more", p, at,
               other);
        seen.over_longer += said->remains.may_lack && !best->remains.may_lack &&
                            said->remains.end.term >= best->remains.end.term;
    }
    EXPECT(have_all || has_waited(p), "%u goes on at %u, others have said nothing", p, at);
    seen.waited += !have_all;
}

/* Nothing has happened for a while, and what is needed was said a while ago. */
static void check_still_lost(uint32_t p) {
    const struct member_set *last = &rules.before->partitions[p].last;
    int64_t long_ago_us = world.now_us - SOON_US;
    bool have_all = true, have_one = false;
    if (rules.disturbed_us > long_ago_us || rules.lost_us[p] > long_ago_us)
        return;
    for (uint8_t i = 0; i < last->count; i++) {
        const struct rules_said *said = find_said(p, last->members[i]);
        bool has_said = said != NULL && said->first_us < long_ago_us &&
                        said->last_us > rules.disturbed_us &&
                        is_present(rules.before, last->members[i], said->incarnation);
        have_all &= has_said;
        have_one |= has_said;
    }
    bool is_over = world.now_us - latest(rules.lost_us[p], rules.coordinator_us) >=
                   world.options.recovery_wait_us + SOON_US;
    EXPECT(!have_one || !(have_all || is_over), "%u is still lost", p);
}

static void check_lost(const struct configuration *c) {
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct partition_config *was = &rules.before->partitions[p];
        const struct partition_config *is = &c->partitions[p];
        if (was->state == PARTITION_LOST && is->epoch == was->epoch + 1 && is->term > was->term)
            check_restore(c, p);
        else if (was->state == PARTITION_LOST && is->epoch == was->epoch)
            check_still_lost(p);
        if (is->state == PARTITION_LOST && is->lost_index != was->lost_index)
            rules.lost_us[p] = world.now_us;
    }
}

/* ---- copies ---- */

static uint32_t count_copies(const struct configuration *c, uint32_t number) {
    uint32_t copies = 0;
    for (uint32_t p = 0; p < c->partition_count; p++)
        for (uint8_t i = 0; i < c->partitions[p].learners.count; i++)
            copies += c->partitions[p].primary == number ||
                      c->partitions[p].learners.members[i] == number;
    return copies;
}

static void check_begun(const struct configuration *c, uint32_t p, uint32_t number,
                        struct rules_seat *seat) {
    uint64_t incarnation = configuration_find_member(c, number)->incarnation;
    uint32_t most = world.options.moves_max == 0 ? 2 : world.options.moves_max;
    seen.copies++;
    if (world.now_us - rules.primary_us > ROUND_US) {
        uint32_t from = count_copies(c, c->partitions[p].primary), to = count_copies(c, number);
        EXPECT(from <= most && to <= most, "%u is copied to %u: %u there, %u where it comes from",
               p, number, to, from);
        seen.full += from == most || to == most;
    }
    bool is_same = seat->incarnation == incarnation && seat->retry_us > 0;
    if (is_same) {
        EXPECT(world.now_us >= seat->retry_us - ROUND_US, "%u is copied to %u again %lld ms early",
               p, number, (long long)(seat->retry_us - world.now_us) / 1000);
        seen.again++;
    }
    if (!is_same || world.now_us - seat->retry_us > world.options.copy_timeout_us - 4 * ROUND_US)
        seat->failures = 0;
    seat->incarnation = incarnation;
    begin_seat(seat, c->partitions[p].term);
}

static void check_ended(const struct configuration *c, uint32_t p, uint32_t number,
                        struct rules_seat *seat) {
    const struct partition_config *was = &rules.before->partitions[p], *is = &c->partitions[p];
    const struct member *member = configuration_find_member(c, number);
    if (member_set_has(&is->in_sync, number))
        seat->failures = 0, seat->retry_us = 0;
    if (member_set_has(&is->in_sync, number) || !member_set_has(&is->target, number) ||
        !member_set_has(&was->target, number) || member->state != MEMBER_ACTIVE ||
        member->incarnation != seat->incarnation || is->term != was->term ||
        is->state == PARTITION_LOST)
        return;
    int64_t stuck_us = world.now_us - latest(seat->begun_us, seat->moved_us);
    if (stuck_us < world.options.copy_timeout_us - ROUND_US) {
        EXPECT(rules.disturbed_us >= seat->begun_us - ROUND_US ||
                   world.now_us - seat->late_us <= ROUND_US,
               "the copy of %u to %u was given up by %u although it went on %lld ms ago", p, number,
               rules.coordinator + 1, (long long)stuck_us / 1000);
        return;
    }
    /* counted from when its time was over: the entry may have waited for a majority */
    int64_t wait_us = world.options.copy_timeout_us / 2;
    for (uint32_t i = 0; i < seat->failures && i < 2; i++)
        wait_us *= 2;
    seat->failures++;
    seat->retry_us = world.now_us - stuck_us + world.options.copy_timeout_us + wait_us;
    seen.given_up++;
}

static void check_copy(const struct configuration *c, uint32_t p, uint32_t number) {
    struct rules_seat *seat = &rules.seats[p][number];
    const struct member *member = configuration_find_member(c, number);
    bool is_there = member_set_has(&c->partitions[p].learners, number);
    if (is_there && seat->is_there && seat->term != c->partitions[p].term)
        note_late(seat);
    if (is_there && (!seat->is_there || seat->incarnation != member->incarnation))
        check_begun(c, p, number, seat);
    else if (is_there && seat->term != c->partitions[p].term)
        begin_seat(seat, c->partitions[p].term);
    else if (!is_there && seat->is_there)
        check_ended(c, p, number, seat);
    seat->is_there = is_there;
    int64_t moved_us = latest(seat->begun_us, seat->moved_us);
    int64_t quiet_us = world.now_us - latest(moved_us, rules.disturbed_us);
    int64_t decided_us = world.now_us - latest(moved_us, rules.stalled_us);
    EXPECT(!is_there || (quiet_us <= world.options.copy_timeout_us + 4 * ROUND_US &&
                         decided_us <= world.options.copy_timeout_us + SOON_US),
           "the copy of %u to %u goes on without progress", p, number);
}

static void check_copies(const struct configuration *c) {
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (c->partitions[p].primary != rules.before->partitions[p].primary &&
            rules.before->partitions[p].state != PARTITION_LOST)
            rules.primary_us = world.now_us;
    for (uint32_t p = 0; p < c->partition_count; p++)
        for (uint32_t i = 0; i < c->member_count; i++)
            check_copy(c, p, c->members[i].number);
}

/* ---- balance and hand-offs ---- */

static bool may_balance(void) {
    for (uint32_t i = 0; i < CALM_MEMORY; i++)
        if (world.now_us - rules.calm_since_us[i] >= world.options.calm_us - ROUND_US)
            return true;
    return false;
}

static void check_targets(const struct configuration *c) {
    for (uint32_t p = 0; p < c->partition_count; p++) {
        const struct member_set *was = &rules.before->partitions[p].target;
        const struct member_set *is = &c->partitions[p].target;
        if (memcmp(was, is, sizeof(*was)) == 0)
            continue;
        bool is_due = was->count != count_possible(c) || was->count != count_possible(rules.before);
        for (uint8_t i = 0; i < was->count; i++)
            is_due |= !may_hold(configuration_find_member(c, was->members[i])) ||
                      !may_hold(configuration_find_member(rules.before, was->members[i]));
        EXPECT(is_due || may_balance(), "%u is moved for balance amid unrest", p);
        seen.balanced += !is_due;
    }
}

static void rules_hear_hand_off(uint32_t place, uint32_t p, uint32_t to) {
    if (rules.before == NULL || is_cut(place) || rules.coordinator == WORLD_PLACES)
        return;
    const struct configuration *c = rules.before;
    const struct partition_config *config = &c->partitions[p];
    const struct member *primary = configuration_find_member(c, config->primary);
    uint32_t to_place = place_of(c, to);
    EXPECT(to_place < WORLD_PLACES, "%u is to be handed to %u, which is no member", p, to);
    EXPECT(!is_present(c, to, world.places[to_place].incarnation) ||
               world.now_us - rules.started_us[to_place] >= (int64_t)c->longest_lease_ms * 1000,
           "%u is to be handed to %u, which may not open", p, to);
    seen.handed_off++;
    if (world.now_us - rules.disturbed_us < SOON_US)
        return;
    bool is_wanted = primary != NULL && primary->state == MEMBER_ACTIVE &&
                     member_set_has(&config->target, config->primary);
    const struct configuration *now = member_configuration(world.places[rules.coordinator].member);
    EXPECT(member_set_has(&config->in_sync, to) || member_set_has(&now->partitions[p].in_sync, to),
           "%u is to be handed to %u, not in sync", p, to);
    EXPECT(!is_wanted || may_balance(), "%u is to be handed to %u amid unrest", p, to);
}

/* ---- from tick to tick ---- */

static void rules_check(void) {
    uint32_t place = find_coordinator();
    if (place != rules.coordinator || place == WORLD_PLACES) {
        begin_coordinator(place);
        return;
    }
    const struct configuration *c = member_configuration(world.places[place].member);
    note_stall(place);
    note_unrest(c);
    note_members(c);
    check_lost(c);
    check_copies(c);
    check_targets(c);
    if (c->index != rules.before->index)
        remember(c);
}

#endif
