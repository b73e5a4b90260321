/* SPDX-License-Identifier: BSD-3-Clause */
/* The coordinator's own decisions in small random worlds of members: lost partitions, copies,
 * balance and hand-offs (coordinator_rules.h). What partitions would do, this test does: it has
 * remains or none, copies or does not, answers hand-offs or ignores them.
 *
 * In most worlds somebody goes or is cut off every now and then. In some no voter fails,
 * others begin anew at any time with less than they had, and all that is waited for takes longer;
 * at their end nothing is lost that somebody has. */
#include "unit/cluster/chance.h"
#include "unit/cluster/coordinator_rules.h"
#include "unit/cluster/seed_range.h"

enum { FIRST_VOTERS = 3, UNREST_US = 9000000, LONG_UNREST_US = 12000000, REST_US = 8000000 };

enum copy_kind {
    COPY_STEADY,
    COPY_SLOW,
    COPY_STUCK,
    COPY_WAVERING,
    COPY_AT_NOTHING,
    COPY_FITFUL,
    COPY_KINDS
};

struct remains {
    bool is_there;
    int64_t from_us; /* it is still being read until then */
    struct member_remains said;
};

static struct test {
    uint32_t founders, members;
    bool are_voters_safe, are_copies_stuck;
    unsigned restarts;              /* still to come, where voters are safe */
    uint64_t fits;                  /* of progress, in fitful copies */
    int64_t start_us[WORLD_PLACES]; /* of late ones, and of those that come back; INT64_MAX: no */
    int64_t uncut_us, unrest_until_us, end_us;
    uint32_t missing; /* place that is down or cut off; WORLD_PLACES: none */
    int64_t returned_us;
    bool was_there[WORLD_PLACES];
    struct remains remains[WORLD_PLACES][RULES_PARTITIONS];
    enum copy_kind kinds[WORLD_PLACES][RULES_PARTITIONS];
    uint32_t to[RULES_PARTITIONS]; /* whom the partition is to be handed to */
} test;

static struct { uint64_t lessened, cut_coordinators, stuck_worlds; } drawn;

/* ---- in place of partitions ---- */

static bool offer(void *context, uint32_t p, struct member_remains *out) {
    uint32_t place = (uint32_t)((struct world_place *)context - world.places);
    const struct remains *remains = &test.remains[place][p];
    if (!remains->is_there || world.now_us < remains->from_us)
        return false;
    *out = remains->said;
    rules_hear_offer(place, p, out);
    return true;
}

static uint64_t left_of(enum copy_kind kind, int64_t age_us) {
    switch (kind) {
    case COPY_STEADY: return age_us > 1500000 ? 0 : 1500 - (uint64_t)age_us / 1000;
    case COPY_SLOW: return 1000 - (uint64_t)(age_us / (world.options.copy_timeout_us * 6 / 10));
    case COPY_WAVERING: return age_us < 300000 ? 50 : 50 + (uint64_t)age_us / 70000 % 5;
    case COPY_AT_NOTHING: return 0;
    case COPY_FITFUL: return 1000 - test.fits;
    default: return 77;
    }
}

static uint64_t copy_left(void *context, uint32_t p) {
    uint32_t place = (uint32_t)((struct world_place *)context - world.places);
    uint32_t number = member_number(world.places[place].member);
    const struct rules_seat *seat = &rules.seats[p][number];
    uint64_t left = left_of(test.kinds[place][p], world.now_us - seat->begun_us);
    rules_hear_left(place, p, left);
    return left;
}

static void hand_off(void *context, uint32_t p, uint32_t to) {
    uint32_t place = (uint32_t)((struct world_place *)context - world.places);
    rules_hear_hand_off(place, p, to);
    test.to[p] = to;
}

static void propose(enum config_entry_type type, uint32_t p, uint32_t number) {
    const struct configuration *c = rules.before;
    const struct partition_config *config = &c->partitions[p];
    const struct config_entry entry = {
        .type = type,
        .change = {.partition = p,
                   .epoch = config->epoch,
                   .member = number,
                   .incarnation = configuration_find_member(c, number)->incarnation,
                   .term = config->term}};
    member_propose(world.places[rules.coordinator].member, &entry);
}

static void act_as_partitions(void) {
    for (uint32_t p = 0; p < rules.before->partition_count; p++) {
        const struct member_set *learners = &rules.before->partitions[p].learners;
        uint32_t to = test.to[p];
        test.to[p] = CLUSTER_NOBODY;
        if (to != CLUSTER_NOBODY && chance(60)) {
            propose(CONFIG_TRANSFER, p, to);
            continue;
        }
        for (uint8_t i = 0; i < learners->count; i++) {
            const struct rules_seat *seat = &rules.seats[p][learners->members[i]];
            uint32_t place = place_of(rules.before, learners->members[i]);
            if (test.kinds[place][p] == COPY_STEADY && world.now_us - seat->begun_us > 1500000)
                propose(CONFIG_EXPAND, p, learners->members[i]);
        }
    }
}

/* ---- processes ---- */

static void draw_remains(struct remains *remains) {
    remains->is_there = chance(75);
    remains->from_us = world.now_us + (chance(50) ? 0 : (int64_t)draw(2500000));
    remains->said = (struct member_remains){{1 + draw(2), draw(6)}, chance(40)};
}

/* The next process has no more than the one before. */
static void lessen(struct remains *remains) {
    drawn.lessened += remains->is_there;
    remains->is_there &= chance(60);
    remains->from_us = world.now_us;
    remains->said.may_lack |= chance(40);
    remains->said.end.sequence = draw(remains->said.end.sequence + 1);
}

static void start(uint32_t place) {
    bool has_less = test.was_there[place] && chance(test.are_voters_safe ? 100 : 50);
    for (uint32_t p = 0; p < RULES_PARTITIONS; p++) {
        if (has_less)
            lessen(&test.remains[place][p]);
        else
            draw_remains(&test.remains[place][p]);
        test.kinds[place][p] = chance(50) ? COPY_STEADY : (enum copy_kind)draw(COPY_KINDS);
        if (test.are_copies_stuck)
            test.kinds[place][p] = COPY_STUCK;
    }
    test.was_there[place] = true;
    test.start_us[place] = INT64_MAX;
    rules_note_start(place);
    world_start(place);
}

/* All agree and are there: whoever goes now is the only one that is missing. */
static bool is_settled(void) {
    if (test.missing != WORLD_PLACES || rules.coordinator == WORLD_PLACES ||
        world.now_us - test.returned_us < 500000)
        return false;
    uint64_t applied = member_applied(world.places[rules.coordinator].member);
    for (uint32_t i = 0; i < WORLD_PLACES; i++) {
        const struct cluster_member *m = world.places[i].member;
        if (m != NULL && (member_applied(m) != applied || member_number(m) == CLUSTER_NOBODY))
            return false;
    }
    return true;
}

static bool is_voter(uint32_t place) {
    const struct raft_configuration *voters =
        raft_get_configuration(member_raft(world.places[rules.coordinator].member));
    for (uint32_t i = 0; i < voters->count; i++)
        if (voters->members[i].id.words[1] == place + 1)
            return voters->members[i].is_voter;
    return false;
}

/* A process in these worlds forgets its votes, so who votes falls silent only. */
static void lose_somebody(void) {
    uint32_t place = (uint32_t)draw(test.members);
    if (world.places[place].member == NULL)
        return;
    test.missing = place;
    disturb();
    if (is_voter(place) || chance(25)) {
        drawn.cut_coordinators += place == rules.coordinator;
        world.cut = 1u << place;
        rules_note_cut(place);
        test.uncut_us = world.now_us + 200000 + (int64_t)draw(3500000);
        return;
    }
    world_stop(place);
    test.start_us[place] = world.now_us + 50000 + (int64_t)draw(chance(50) ? 600000 : 3500000);
}

static void bring_back(void) {
    for (uint32_t i = 0; i < test.members; i++)
        if (world.places[i].member == NULL && world.now_us >= test.start_us[i]) {
            start(i);
            if (test.missing == i) {
                test.missing = WORLD_PLACES;
                test.returned_us = world.now_us;
            }
        }
    if (world.cut == 0 || world.now_us < test.uncut_us)
        return;
    world.cut = 0;
    rules_note_cut(test.missing);
    test.missing = WORLD_PLACES;
    test.returned_us = world.now_us;
}

static void begin_somebody_anew(void) {
    uint32_t place = FIRST_VOTERS + (uint32_t)draw(WORLD_PLACES - FIRST_VOTERS);
    if (world.places[place].member == NULL)
        return;
    test.restarts--;
    world_stop(place);
    start(place);
}

static void something_happens(void) {
    bring_back();
    test.fits += test.fits < 900 && chance(1);
    if (world.now_us < test.unrest_until_us) {
        if (!test.are_voters_safe && chance(1) && is_settled())
            lose_somebody();
        if (test.restarts > 0 && chance(1) && chance(50))
            begin_somebody_anew();
    }
    if (rules.coordinator != WORLD_PLACES && draw(100) == 0) {
        const struct config_entry entry = {.type = CONFIG_CEILING,
                                           .ceiling = rules.before->ceiling + 1};
        member_propose(world.places[rules.coordinator].member, &entry);
    }
}

/* ---- worlds ---- */

static struct member_set draw_set(uint32_t most) {
    struct member_set set = {0};
    uint32_t count = 1 + (uint32_t)draw(most);
    for (uint32_t i = 0; i < count; i++)
        member_set_add(&set, 1 + (uint32_t)draw(test.founders));
    return set;
}

/* As an older coordinator may have left it. */
static void draw_partition(struct partition_config *config, bool is_lost) {
    uint32_t replicas = world.configuration->settings.replica_count;
    if (chance(30))
        config->target = draw_set(replicas);
    if (is_lost) {
        config->last = draw_set(6);
        config->in_sync = (struct member_set){0};
        config->primary = CLUSTER_NOBODY;
        config->state = PARTITION_LOST;
        config->lost_index = 2 + draw(7);
        return;
    }
    if (chance(50)) {
        config->in_sync = draw_set(replicas);
        config->primary = config->in_sync.members[draw(config->in_sync.count)];
        config->state = config->in_sync.count < replicas ? PARTITION_DEGRADED : PARTITION_OK;
    }
    uint32_t learner = 1 + (uint32_t)draw(test.founders);
    if (chance(20) && !member_set_has(&config->in_sync, learner))
        member_set_add(&config->learners, learner);
}

/* Where voters are safe, all lasts longer. */
static void draw_times(void) {
    world.options.recovery_wait_us = 3000000 + (int64_t)draw(7000000);
    world.options.copy_timeout_us = 3000000 + (int64_t)draw(3000000);
    test.unrest_until_us = world.now_us + LONG_UNREST_US;
    test.end_us = test.unrest_until_us + world.options.recovery_wait_us + REST_US;
}

static void draw_world(uint64_t seed) {
    chance_begin(seed);
    test = (struct test){.missing = WORLD_PLACES};
    test.are_voters_safe = chance(20);
    test.are_copies_stuck = chance(test.are_voters_safe ? 50 : 5);
    test.restarts = test.are_voters_safe ? (unsigned)draw(3) : 0;
    drawn.stuck_worlds += test.are_copies_stuck;
    test.members = 3 + (uint32_t)draw(4);
    test.founders = 3 + (uint32_t)draw(test.members - 2);
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 1 + (uint32_t)draw(4);
    settings.loss_policy = LOSS_HOLD;
    settings.voter_count = chance(50) && !test.are_voters_safe ? 1 : FIRST_VOTERS;
    if (chance(50))
        settings.lease_ms = settings.config_lease_ms = settings.node_timeout_ms =
            2000 + (uint32_t)draw(2000);
    world_found(test.founders, 1 + (uint32_t)draw(RULES_PARTITIONS), &settings);
    world.options.calm_us = 300000 + (int64_t)draw(1500000);
    world.options.recovery_wait_us = 500000 + (int64_t)draw(4000000);
    world.options.copy_timeout_us = 1000000 + (int64_t)draw(1000000);
    world.options.moves_max = (uint32_t)draw(4);
    test.unrest_until_us = test.end_us = world.now_us + UNREST_US;
    if (test.are_voters_safe)
        draw_times();
    bool after_loss = chance(50);
    for (uint32_t p = 0; p < world.configuration->partition_count; p++)
        draw_partition(&world.configuration->partitions[p], chance(after_loss ? 95 : 20));
    bool are_others = chance(30);
    for (uint32_t i = 0; i < WORLD_PLACES; i++) {
        world.places[i].host.offer = offer;
        world.places[i].host.copy_left = copy_left;
        world.places[i].host.hand_off = hand_off;
        bool is_late = i >= 3 && chance(30);
        test.start_us[i] = is_late ? world.now_us + (int64_t)draw(5000000) : 0;
        /* founders were there when the cluster began */
        world.places[i].incarnation = i < test.founders && (are_others || is_late);
    }
}

/* Everybody is there, and has been for longer than anything is waited for: all may answer, with a
 * vote and without, and what somebody has is not lost. */
static void check_end(void) {
    for (uint32_t place = 0; place < WORLD_PLACES; place++) {
        struct cluster_member *m = world.places[place].member;
        EXPECT(m == NULL || lease_config_holds(member_leases(m), world.now_us),
               "%u may not answer at the end", place);
    }
    for (uint32_t p = 0; p < rules.before->partition_count; p++) {
        const struct partition_config *config = &rules.before->partitions[p];
        for (uint8_t i = 0; config->state == PARTITION_LOST && i < config->last.count; i++) {
            uint32_t place = place_of(rules.before, config->last.members[i]);
            EXPECT(!test.remains[place][p].is_there, "%u is lost though %u has it", p,
                   config->last.members[i]);
        }
    }
}

static void run(uint64_t seed) {
    rules_begin(seed);
    draw_world(seed);
    for (uint32_t step = 0; world.now_us < test.end_us; step++) {
        something_happens();
        world_run(STEP_US / 1000);
        rules_check();
        if (rules.coordinator != WORLD_PLACES && step % 5 == 0)
            act_as_partitions();
    }
    if (test.are_voters_safe)
        check_end();
    configuration_destroy(rules.before);
    world_end(NULL);
}

static void print_seen(void) {
    print_message("lost: %llu restored (%llu after a wait, %llu over a longer log, %llu may lack "
                  "something), %llu others known amid unrest; %llu remains lessened\n",
                  (unsigned long long)seen.restored, (unsigned long long)seen.waited,
                  (unsigned long long)seen.over_longer, (unsigned long long)seen.lacking,
                  (unsigned long long)seen.in_unrest, (unsigned long long)drawn.lessened);
    print_message("copies: %llu (%llu with no more room), %llu given up, %llu tried again; %llu "
                  "worlds where none ends\n",
                  (unsigned long long)seen.copies, (unsigned long long)seen.full,
                  (unsigned long long)seen.given_up, (unsigned long long)seen.again,
                  (unsigned long long)drawn.stuck_worlds);
    print_message("%llu moved for balance, %llu hand-offs, %llu coordinators cut off\n",
                  (unsigned long long)seen.balanced, (unsigned long long)seen.handed_off,
                  (unsigned long long)drawn.cut_coordinators);
}

static void a_coordinator_keeps_its_rules(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(300);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    print_seen();
    if (seeds.count < 200)
        return;
    assert_true(seen.restored > seeds.count / 2 && seen.waited > seeds.count / 10);
    assert_true(seen.over_longer > 0 && seen.lacking > seeds.count / 10 && seen.in_unrest > 0);
    assert_true(seen.full > 0 && seen.given_up > seeds.count / 2 && seen.again > seeds.count / 4);
    assert_true(seen.balanced > 0 && seen.handed_off > 0);
    assert_true(drawn.lessened > 0 && drawn.cut_coordinators > 0 && drawn.stuck_worlds > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_coordinator_keeps_its_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
