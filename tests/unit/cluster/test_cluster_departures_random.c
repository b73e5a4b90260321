/* SPDX-License-Identifier: BSD-3-Clause */
/* Small clusters whose members go and come in all ways at any time, one crashing or cut off now and
 * then, when anybody may be lost. After each tick the coordinator's configuration must show that
 * nobody went who was needed: for a majority, for a partition, or as a voter whom another can
 * replace; that who departs leads no longer than it must; that nothing moved for balance amid
 * changes; and that nothing was handed to a process that has just begun. In the end all is whole
 * again, and where nothing failed whoever can leave has left.
 *
 * LARDER_TEST_SEED=<seed> LARDER_TEST_SEEDS=1 tells the story of one world. */
#include "unit/cluster/founded_world.h"

#include "unit/cluster/chance.h"
#include "unit/cluster/departure_rules.h"
#include "unit/cluster/seed_range.h"

enum { STEPS = 30, TICKS_KEPT = 16, SLACK_TICKS = 12, NUMBERS = 64 };

static const int64_t TICK_US = 10000, SECOND_US = 1000000, NEVER_US = INT64_MIN / 2;

struct watched_place {
    enum member_departure wish;
    int64_t started_us;
    int64_t heal_us;   /* when it is started again or its links are mended */
    bool has_failed;   /* ever */
    int64_t active_us; /* since when the coordinator's view has had it so; NEVER_US: it has not */
    int64_t spare_us;  /* ... as an active member without a vote */
};

static struct test {
    uint64_t seed;
    bool is_told, has_faults;
    struct watched_place watched[MEMBERS];
    struct configuration *before; /* of the tick before */
    int64_t fault_us;             /* the last crash or cut began or ended */
    int64_t burdened_us;          /* since when somebody leads who departs and could hand over */
    int64_t unhealthy_us;         /* since when; INT64_MAX: it is healthy */
    int64_t unrest_us[TICKS_KEPT];
    int64_t changed_us;         /* members were others the tick before */
    int64_t due_us[PARTITIONS]; /* the last tick at which the target had to change */
    uint64_t tick;
    uint64_t drains, let_go, voters_gone, faults, balanced, hand_offs;
} test;

static void tell(const char *what, uint32_t number) {
    if (test.is_told)
        print_message("%8.2f s: %s %u\n", (double)now_us / 1e6, what, (unsigned)number);
}

static void require(bool is_right, const char *what, uint32_t number) {
    if (!is_right)
        fail_msg("LARDER_TEST_SEED=%llu, at %.2f s: %s (%u)", (unsigned long long)test.seed,
                 (double)now_us / 1e6, what, (unsigned)number);
}

/* ---- who is who ---- */

static bool is_running(uint32_t at) {
    return places[at].member != NULL && (cut >> at & 1) == 0;
}

/* The place where that member's process still runs and can be heard; MEMBERS: none. */
static uint32_t place_of(const struct member *m) {
    uint32_t at = m->address.peer_port;
    bool is_it = is_running(at) && m->incarnation == places[at].incarnation &&
                 raft_id_equal(m->node, self_of(at, places[at].incarnation).node);
    return is_it ? at : MEMBERS;
}

/* Who leads and has applied most; MEMBERS: nobody. */
static uint32_t find_coordinator(void) {
    uint32_t best = MEMBERS;
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (is_running(i) && member_is_coordinator(places[i].member) &&
            (best == MEMBERS ||
             member_applied(places[i].member) > member_applied(places[best].member)))
            best = i;
    return best;
}

static const struct raft_configuration *core_of(uint32_t at) {
    return raft_get_configuration(member_raft(places[at].member));
}

/* 1: it votes, 0: it does not, -1: the core does not know it. */
static int vote_in(const struct raft_configuration *core, struct raft_id id) {
    for (uint32_t i = 0; i < core->count; i++)
        if (raft_id_equal(core->members[i].id, id))
            return core->members[i].is_voter;
    return -1;
}

static void hand_off(void *context, uint32_t partition, uint32_t to) {
    const struct place *place = context;
    const struct configuration *c = member_configuration(place->member);
    const struct member *m = configuration_find_member(c, to);
    uint32_t at = m == NULL ? MEMBERS : place_of(m);
    test.hand_offs++;
    require(at == MEMBERS || now_us - test.watched[at].started_us >= c->longest_lease_ms * 1000,
            "a process that has just begun is handed a partition", to);
    host_hand_off(context, partition, to);
}

/* A member is told as number, state, departure and vote. */
static void tell_all(const struct configuration *c, uint32_t leader) {
    static const char STATES[] = "?+-0", WAYS[] = " rlf";
    if (!test.is_told || leader == MEMBERS)
        return;
    print_message("%8.2f s, led from %u:", (double)now_us / 1e6, (unsigned)leader);
    for (uint32_t i = 0; i < c->member_count; i++)
        print_message(" %u@%u%c%c%s", (unsigned)c->members[i].number,
                      (unsigned)c->members[i].address.peer_port, STATES[c->members[i].state],
                      WAYS[c->members[i].departure],
                      vote_in(core_of(leader), c->members[i].node) == 1 ? "v" : "");
    print_message("\n");
}

/* ---- what is watched ---- */

static bool is_place(const struct member *m) {
    return m != NULL && m->weight > 0 &&
           (m->state == MEMBER_ACTIVE || m->departure == DEPARTURE_RESTART);
}

static uint32_t wanted_in(const struct configuration *c) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->member_count; i++)
        count += is_place(&c->members[i]);
    return count < c->settings.replica_count ? count : c->settings.replica_count;
}

static bool is_due(const struct configuration *c, const struct member_set *target) {
    bool is_due = target->count != wanted_in(c);
    for (uint8_t i = 0; i < target->count; i++)
        is_due |= !is_place(configuration_find_member(c, target->members[i]));
    return is_due;
}

/* All have what they can have, and nobody goes or is awaited. */
static bool is_healthy(const struct configuration *c) {
    bool is_healthy =
        rules_in_state(c, MEMBER_DRAINING) == 0 && rules_departing(c, DEPARTURE_RESTART) == 0;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        is_healthy &=
            c->partitions[p].in_sync.count >= wanted_in(c) && c->partitions[p].learners.count == 0;
    return is_healthy;
}

static bool has_same_members(const struct configuration *a, const struct configuration *b) {
    bool is_same = a->member_count == b->member_count;
    for (uint32_t i = 0; is_same && i < a->member_count; i++)
        is_same = a->members[i].number == b->members[i].number &&
                  a->members[i].state == b->members[i].state;
    return is_same;
}

static void note_spares(const struct configuration *c, const struct raft_configuration *core) {
    bool is_active[MEMBERS] = {false}, is_spare[MEMBERS] = {false};
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *m = &c->members[i];
        uint32_t at = place_of(m);
        if (at == MEMBERS || m->state != MEMBER_ACTIVE)
            continue;
        is_active[at] = true;
        is_spare[at] = vote_in(core, m->node) == 0;
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct watched_place *w = &test.watched[i];
        w->active_us = !is_active[i] ? NEVER_US : w->active_us == NEVER_US ? now_us : w->active_us;
        w->spare_us = !is_spare[i] ? NEVER_US : w->spare_us == NEVER_US ? now_us : w->spare_us;
    }
}

static bool is_long_since(int64_t since_us, int64_t us) {
    return since_us != NEVER_US && now_us - since_us >= us;
}

static bool is_anybody_spare(void) {
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (is_long_since(test.watched[i].spare_us, SECOND_US))
            return true;
    return false;
}

/* Somebody who was let go while its process could be heard. */
static void check_gone(const struct configuration *c, const struct raft_configuration *core,
                       const struct member *gone) {
    bool votes = vote_in(core, gone->node) == 1;
    test.let_go++;
    test.voters_gone += votes;
    tell(votes ? "let go, a voter:" : "let go:", gone->number);
    require(!votes || rules_majority_without(c, core, gone->number),
            "a member went without which there is no majority", gone->number);
    require(!votes || gone->departure != DEPARTURE_LEAVE || !is_anybody_spare(),
            "a voter left whom another could have replaced", gone->number);
}

static void check_departures(const struct configuration *c, const struct raft_configuration *core) {
    for (uint32_t i = 0; i < test.before->member_count; i++) {
        const struct member *was = &test.before->members[i];
        const struct member *is = configuration_find_member(c, was->number);
        bool is_gone = was->state == MEMBER_DRAINING && (is == NULL || is->state == MEMBER_DOWN);
        if (is_gone && place_of(was) != MEMBERS && now_us - test.fault_us > 3 * SECOND_US)
            check_gone(c, core, was);
    }
}

/* Who is taken out of an in-sync set, and lives, can be done without. */
static void check_enough(const struct configuration *c, uint32_t p) {
    const struct partition_config *was = &test.before->partitions[p], *is = &c->partitions[p];
    uint64_t out = rules_mask(&was->in_sync) & ~rules_mask(&is->in_sync);
    if (is->epoch != was->epoch + 1 || now_us - test.changed_us <= SLACK_TICKS * TICK_US)
        return;
    for (uint8_t i = 0; i < was->in_sync.count; i++) {
        uint32_t number = was->in_sync.members[i];
        require((out & rules_bit(number)) == 0 || rules_leave_enough(test.before, was, number),
                "a partition is left with fewer replicas than it could have", p);
    }
}

/* Its only replica restarts, and nobody else could have one. */
static bool is_paused(const struct configuration *c, const struct partition_config *was) {
    const struct member *last = configuration_find_member(c, was->primary);
    uint64_t live = rules_in_state(c, MEMBER_ACTIVE) | rules_in_state(c, MEMBER_DRAINING);
    return last != NULL && last->departure == DEPARTURE_RESTART &&
           (c->settings.replica_count == 1 || (live & rules_with_weight(c)) == 0);
}

static void check_partitions(const struct configuration *c) {
    int64_t unrest_us = test.unrest_us[(test.tick - SLACK_TICKS) % TICKS_KEPT];
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct partition_config *was = &test.before->partitions[p], *is = &c->partitions[p];
        require(is->state != PARTITION_LOST || was->state == PARTITION_LOST ||
                    now_us - test.fault_us < 5 * SECOND_US || is_paused(c, was),
                "a partition was lost though nobody failed", p);
        check_enough(c, p);
        if (is_due(test.before, &was->target) || is_due(c, &was->target))
            test.due_us[p] = now_us;
        if (rules_mask(&was->target) == rules_mask(&is->target) ||
            now_us - test.due_us[p] <= SLACK_TICKS * TICK_US)
            continue;
        test.balanced++;
        require(now_us - unrest_us >= calm_us - SLACK_TICKS * TICK_US,
                "a replica is moved for balance amid changes", p);
    }
}

/* A coordinator that departs, and somebody who never failed and could lead instead. */
static void check_leader(const struct configuration *c, uint32_t leader) {
    bool is_successor = false;
    for (uint32_t i = 0; i < MEMBERS; i++)
        is_successor |= i != leader && !test.watched[i].has_failed &&
                        is_long_since(test.watched[i].active_us, SECOND_US);
    const struct member *self = configuration_find_member(c, member_number(places[leader].member));
    if (self == NULL || self->state != MEMBER_DRAINING || !is_successor)
        test.burdened_us = now_us;
    require(now_us - test.burdened_us < 6 * SECOND_US, "a coordinator that departs leads on",
            self == NULL ? 0 : self->number);
}

/* What lasts for less than a review of the coordinator's may escape it. */
static void note_unrest(const struct configuration *c) {
    bool is_now = !has_same_members(test.before, c);
    if (is_healthy(c))
        test.unhealthy_us = INT64_MAX;
    else if (test.unhealthy_us == INT64_MAX)
        test.unhealthy_us = now_us;
    is_now |= test.unhealthy_us != INT64_MAX && now_us - test.unhealthy_us >= 6 * TICK_US;
    int64_t last_us = test.unrest_us[(test.tick - 1) % TICKS_KEPT];
    test.unrest_us[test.tick % TICKS_KEPT] = is_now ? now_us : last_us;
}

static void keep(const struct configuration *c) {
    static uint8_t bytes[65536];
    size_t size = configuration_encoded_size(c);
    assert_true(size <= sizeof(bytes));
    (void)configuration_encode(c, bytes);
    assert_int_equal(configuration_restore(test.before, slice_of(bytes, size)), LARDER_OK);
}

static void tick(void) {
    run(TICK_US / 1000);
    test.tick++;
    uint32_t leader = find_coordinator();
    const struct configuration *c = leader == MEMBERS ? test.before : configuration_at(leader);
    if (c->index < test.before->index)
        c = test.before;
    if (!has_same_members(test.before, c)) {
        test.changed_us = now_us;
        tell_all(c, leader);
    }
    if (leader != MEMBERS) {
        note_spares(c, core_of(leader));
        check_leader(c, leader);
        check_departures(c, core_of(leader));
    } else {
        test.burdened_us = now_us;
    }
    check_partitions(c);
    note_unrest(c);
    if (c != test.before && c->index != test.before->index)
        keep(c);
}

/* ---- what happens ---- */

static void begin_process(uint32_t at) {
    tell("a process begins at", at);
    assert_int_equal(start(at, places[at].incarnation + 1, 0), LARDER_OK);
    places[at].host.hand_off = hand_off;
    test.watched[at].started_us = now_us;
    test.watched[at].wish = DEPARTURE_NONE;
}

static void wish(uint32_t at, enum member_departure departure) {
    static const char *const WAYS[] = {"stays:", "restarts:", "leaves:", "is forced out:"};
    tell(WAYS[departure], at);
    test.drains += departure != DEPARTURE_NONE;
    test.watched[at].wish = departure;
    member_drain(places[at].member, departure);
}

static bool is_anybody_departing(void) {
    bool is_any = false;
    for (uint32_t i = 0; i < MEMBERS; i++)
        is_any |= test.watched[i].wish != DEPARTURE_NONE;
    return is_any;
}

/* Only when anybody may be lost, and nobody is about to go. */
static void fail_one(uint32_t at) {
    uint32_t leader = find_coordinator();
    if (leader == MEMBERS || cut != 0 || is_anybody_departing() ||
        !rules_safe(configuration_at(leader), core_of(leader)) ||
        member_number(places[at].member) == CLUSTER_NOBODY)
        return;
    tell(are_durable ? "cut off:" : "crashes:", at);
    test.faults++;
    test.watched[at].has_failed = true;
    test.fault_us = now_us;
    test.watched[at].heal_us = now_us + (int64_t)draw(10) * SECOND_US;
    if (are_durable)
        cut |= 1u << at;
    else
        stop(at);
    for (int i = 0; i < 250; i++)
        tick();
}

static void mend(uint32_t at) {
    if ((cut >> at & 1) == 0)
        return;
    tell("heard again:", at);
    cut &= ~(1u << at);
    test.fault_us = now_us;
}

/* A process that was let go ends, or is told to stay after all. One with a disk comes back as it
 * was: what Raft promised is not forgotten. */
static void go(uint32_t at) {
    if (are_durable || chance(30)) {
        wish(at, DEPARTURE_NONE);
        return;
    }
    tell("ends:", at);
    stop(at);
    test.watched[at].wish = DEPARTURE_NONE;
    test.watched[at].heal_us = now_us + (int64_t)draw(5) * SECOND_US;
}

static void act(void) {
    uint32_t at = (uint32_t)draw(MEMBERS);
    struct watched_place *w = &test.watched[at];
    if (places[at].member == NULL) {
        if (now_us >= w->heal_us)
            begin_process(at);
    } else if ((cut >> at & 1) != 0) {
        if (now_us >= w->heal_us)
            mend(at);
    } else if (member_may_leave(places[at].member)) {
        go(at);
    } else if (w->wish != DEPARTURE_NONE) {
        if (chance(15))
            wish(at, DEPARTURE_NONE);
    } else if (test.has_faults && chance(50)) {
        fail_one(at);
    } else if (chance(test.has_faults ? 30 : 60)) {
        wish(at, (enum member_departure)(DEPARTURE_RESTART + draw(3)));
    }
}

static void pause(void) {
    uint64_t ticks = chance(40) ? draw(6) : draw(chance(20) ? 500 : 120);
    for (uint64_t i = 0; i < ticks; i++)
        tick();
}

/* ---- the end ---- */

static uint32_t count_leaving(enum member_departure way) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < MEMBERS; i++)
        count += places[i].member != NULL && test.watched[i].wish == way &&
                 !member_may_leave(places[i].member);
    return count;
}

/* Two that share a partition would wait for each other. */
static void let_restarting_stay(void) {
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (places[i].member != NULL && test.watched[i].wish == DEPARTURE_RESTART)
            wish(i, DEPARTURE_NONE);
}

static uint32_t count_staying(void) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < MEMBERS; i++)
        count += places[i].member != NULL && test.watched[i].wish == DEPARTURE_NONE;
    return count;
}

static void finish(void) {
    tell("the end begins", 0);
    for (uint32_t i = 0; i < MEMBERS; i++)
        mend(i);
    let_restarting_stay();
    uint32_t staying = test.faults > 0 ? 0 : count_staying();
    for (uint32_t i = 0; i < 3000; i++) {
        if (count_leaving(DEPARTURE_LEAVE) + count_leaving(DEPARTURE_FORCED) == 0)
            break;
        tick();
    }
    require(staying < settings.replica_count || count_leaving(DEPARTURE_LEAVE) == 0,
            "somebody who can leave does not", 0);
    require(staying == 0 || count_leaving(DEPARTURE_FORCED) == 0,
            "somebody who leaves by force does not", 0);
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (places[i].member != NULL && test.watched[i].wish != DEPARTURE_NONE)
            wish(i, DEPARTURE_NONE);
    for (uint32_t i = 0; i < 2000 && (i < 100 || !is_healthy(test.before)); i++)
        tick();
    require(is_healthy(test.before), "the cluster does not become whole", 0);
}

static void begin_world(uint64_t seed) {
    begin(NULL);
    struct configuration *before = test.before;
    test.seed = seed;
    chance_begin(seed);
    memset(test.watched, 0, sizeof(test.watched));
    has_partitions = true;
    are_durable = chance(50);
    calm_us = 2 * SECOND_US;
    test.has_faults = chance(40);
    test.faults = 0;
    settings.replica_count = 1 + (uint32_t)draw(3);
    settings.min_insync = 1 + (uint32_t)draw(settings.replica_count < 2 ? 1 : 2);
    settings.voter_count = 1 + 2 * (uint32_t)draw(3);
    uint32_t count = 1 + (uint32_t)draw(5);
    found(count);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        places[i].host.hand_off = i < count ? hand_off : NULL;
        test.watched[i].active_us = test.watched[i].spare_us = NEVER_US;
    }
    configuration_destroy(before);
    assert_int_equal(configuration_create((struct raft_id){{1, 2}}, 1, PARTITIONS, 16,
                                          &ALLOCATOR_SYSTEM, &test.before),
                     LARDER_OK);
    keep(configuration_at(coordinator()));
    test.fault_us = NEVER_US;
    test.burdened_us = test.changed_us = now_us;
    test.unhealthy_us = INT64_MAX;
    test.tick = TICKS_KEPT;
    for (uint32_t i = 0; i < TICKS_KEPT; i++)
        test.unrest_us[i] = now_us;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        test.due_us[p] = now_us;
    if (test.is_told)
        print_message("%u members, %u replicas (%u), %u voters, %s\n", (unsigned)count,
                      (unsigned)settings.replica_count, (unsigned)settings.min_insync,
                      (unsigned)settings.voter_count, are_durable ? "durable" : "in memory");
}

static void nobody_goes_who_is_needed(void **state) {
    struct seed_range seeds = seed_range(400);
    uint64_t faults = 0;
    test.is_told = seeds.count == 1;
    for (uint64_t i = 0; i < seeds.count; i++) {
        begin_world(seeds.first + i);
        for (uint32_t step = 0; step < STEPS && test.before->last_number < NUMBERS - 12; step++) {
            act();
            pause();
        }
        finish();
        faults += test.faults;
        end(state);
    }
    configuration_destroy(test.before);
    test.before = NULL;
    print_message(
        "drains %llu, let go %llu (%llu voters), faults %llu, targets changed for balance "
        "%llu, hand-offs %llu\n",
        (unsigned long long)test.drains, (unsigned long long)test.let_go,
        (unsigned long long)test.voters_gone, (unsigned long long)faults,
        (unsigned long long)test.balanced, (unsigned long long)test.hand_offs);
    assert_true(test.let_go >= seeds.count / 2 && test.balanced >= seeds.count / 4);
    assert_true(faults >= seeds.count / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_goes_who_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
