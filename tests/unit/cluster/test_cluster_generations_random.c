/* SPDX-License-Identifier: BSD-3-Clause */
/* Small clusters in memory that lose their majority, or one member its links to all others, at any
 * time, while members come and go and learners catch up now and then. An operator makes one member
 * begin a new generation by force, too early too; processes of the old generation go on, start
 * again as what they were, and come back as new nodes. After each tick members of one generation
 * must have one configuration at one index, and what the new one began with must follow from what
 * its first member knew. In the end the new generation is whole.
 *
 * LARDER_TEST_SEED=<seed> LARDER_TEST_SEEDS=1 tells the story of one world. */
#include "unit/cluster/founded_world.h"

#include "unit/cluster/chance.h"
#include "unit/cluster/seed_range.h"

enum { INDEXES_MAX = 4096, GENERATIONS = 4, CONFIGURATION_BYTES = 65536 };

static const int64_t TICK_US = 10000, SECOND_US = 1000000, WALL_US = 1700000000000000;

/* By the documentation of member_force_generation: twice the longest config lease. */
static const int64_t HEARD_US = 2900000, GONE_US = 8000000;

static struct test {
    uint64_t seed;
    bool is_told;
    unsigned growth;              /* per cent of ticks in which a member's learners catch up */
    int64_t heard_us[MEMBERS];    /* since when it has had a coordinator in reach, or ... */
    int64_t gone_us[MEMBERS];     /* ... has had none; INT64_MAX: not so */
    uint32_t born[MEMBERS];       /* generation of the process */
    uint64_t incarnation;         /* the last one that was given */
    struct configuration *before; /* what the survivor knew */
    uint64_t floor[GENERATIONS];  /* tokens of the generation are above */
    uint32_t last_number;         /* given before */
    uint32_t survivor;
    uint64_t hashes[GENERATIONS][INDEXES_MAX];
    uint64_t forced, refused, kept, lost, learned, late;
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

/* ---- what is watched ---- */

static bool is_connected(uint32_t at) {
    return places[at].member != NULL && (cut >> at & 1) == 0;
}

static bool has_coordinator(uint32_t at) {
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (places[i].member != NULL && member_is_coordinator(places[i].member) &&
            test.born[i] == test.born[at] && (i == at || (is_connected(i) && is_connected(at))))
            return true;
    return false;
}

static void watch_coordinators(void) {
    for (uint32_t i = 0; i < MEMBERS; i++) {
        bool is_named =
            places[i].member != NULL && member_number(places[i].member) != CLUSTER_NOBODY;
        bool has_one = is_named && has_coordinator(i);
        if (!has_one)
            test.heard_us[i] = INT64_MAX;
        else if (test.heard_us[i] == INT64_MAX)
            test.heard_us[i] = now_us;
        if (!is_named || has_one)
            test.gone_us[i] = INT64_MAX;
        else if (test.gone_us[i] == INT64_MAX)
            test.gone_us[i] = now_us;
    }
}

static void watch_configurations(void) {
    for (uint32_t i = 0; i < MEMBERS; i++) {
        const struct configuration *c =
            places[i].member == NULL ? NULL : member_configuration(places[i].member);
        if (c == NULL || c->index == 0)
            continue;
        require(c->generation < GENERATIONS && c->index < INDEXES_MAX, "it goes on for ever", i);
        require(c->generation >= test.born[i], "a process changed to an older generation", i);
        test.born[i] = c->generation;
        uint64_t *known = &test.hashes[c->generation][c->index], hash = configuration_hash(c);
        require(*known == 0 || *known == hash, "two configurations at one index", i);
        *known = hash;
        if (c->generation > 1)
            require(c->reset_ceiling >= test.floor[c->generation], "tokens are given again", i);
        if (c->generation + 1 < GENERATIONS && test.floor[c->generation + 1] != 0)
            require(c->ceiling <= test.floor[c->generation + 1], "the former gives tokens above",
                    i);
    }
}

static void tick(void) {
    now_us += TICK_US;
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (places[i].member != NULL)
            member_tick(places[i].member, now_us, now_us + WALL_US);
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (places[i].member != NULL && member_number(places[i].member) != CLUSTER_NOBODY &&
            chance(test.growth))
            add_learners(&places[i]);
    deliver_all();
    watch_coordinators();
    watch_configurations();
}

static void ticks(uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        tick();
}

/* ---- what happens ---- */

static void stop_at(uint32_t at) {
    if (places[at].member == NULL)
        return;
    tell("stops", at);
    stop(at);
    test.heard_us[at] = test.gone_us[at] = INT64_MAX;
}

static void start_at(uint32_t at, uint16_t as) {
    stop_at(at);
    tell(as == 1 ? "starts" : "starts in the new generation", at);
    generation = as;
    assert_int_equal(start(at, ++test.incarnation, 0), LARDER_OK);
    test.born[at] = as;
}

static void keep(const struct configuration *c) {
    static uint8_t bytes[CONFIGURATION_BYTES];
    size_t size = configuration_encoded_size(c);
    assert_true(size <= sizeof(bytes));
    (void)configuration_encode(c, bytes);
    test.before->generation = c->generation;
    assert_int_equal(configuration_restore(test.before, slice_of(bytes, size)), LARDER_OK);
}

/* What it led or would have led, had it been the last, it leads; nothing else. Only if it knew all
 * of its log, else the rest has changed what it knew. */
static void check_partitions(uint32_t at, uint32_t number) {
    const struct configuration *c = configuration_at(at);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct partition_config *old = &test.before->partitions[p], *now = &c->partitions[p];
        bool had = member_set_has(&old->in_sync, number) || member_set_has(&old->last, number);
        test.learned += member_set_has(&old->learners, number);
        require(had == (now->state != PARTITION_LOST), had ? "given up" : "led, not had", p);
        require(now->epoch > old->epoch && now->term >= old->term + had, "an old term or epoch", p);
        if (had)
            require(now->primary == number && now->in_sync.count == 1, "led by another", p);
        test.kept += had;
        test.lost += !had;
    }
}

static void check_beginning(uint32_t at, uint32_t number, bool knew_all,
                            const struct forced_generation *forced) {
    const struct configuration *c = configuration_at(at);
    uint16_t next = (uint16_t)(test.before->generation + 1);
    require(forced->generation == next && c->generation == next, "not the next generation", at);
    require(c->member_count == 1 && c->members[0].number == number, "not alone", at);
    require(forced->kept_count + forced->lost_count == PARTITIONS, "partitions uncounted", at);
    if (knew_all)
        check_partitions(at, number);
    require(c->reset_ceiling >= test.before->ceiling, "tokens are given again", at);
    test.floor[next] = c->reset_ceiling;
    test.last_number = test.before->last_number;
}

/* Whether a new generation has begun. */
static bool force_at(uint32_t at) {
    struct cluster_member *m = places[at].member;
    const struct configuration *c = m == NULL ? NULL : member_configuration(m);
    struct raft_status status;
    struct forced_generation forced;
    if (c == NULL)
        return false;
    raft_get_status(member_raft(m), &status);
    keep(c);
    uint32_t number = member_number(m);
    bool knew_all = status.last_index == member_applied(m);
    enum larder_status done = member_force_generation(m, now_us, now_us + WALL_US, &forced);
    tell(done == LARDER_OK ? "begins a new generation" : "may not begin a new generation", at);
    bool is_heard = test.heard_us[at] != INT64_MAX && now_us - test.heard_us[at] > HEARD_US;
    bool is_gone = test.gone_us[at] != INT64_MAX && now_us - test.gone_us[at] > GONE_US;
    const struct member *self = configuration_find_member(test.before, number);
    require(!(is_heard && done == LARDER_OK), "forced, with a coordinator in reach", at);
    require(!(is_gone && self != NULL && self->state != MEMBER_DOWN && done != LARDER_OK),
            "not forced, though all are gone", at);
    test.refused += done != LARDER_OK;
    if (done != LARDER_OK)
        return false;
    test.forced++;
    test.late += !knew_all;
    test.survivor = at;
    test.born[at] = forced.generation;
    check_beginning(at, number, knew_all, &forced);
    return true;
}

static void act(void) {
    uint32_t at = (uint32_t)draw(MEMBERS);
    uint64_t kind = draw(100);
    if (kind < 35)
        start_at(at, 1);
    else if (kind < 50)
        stop_at(at);
    else if (kind < 65)
        cut ^= 1u << at;
    else if (kind < 75)
        cut = 0;
    ticks(chance(60) ? draw(30) : draw(300));
}

/* Most are gone, or one is cut off, until it is forced. */
static bool lose_majority(void) {
    uint32_t at = (uint32_t)draw(MEMBERS);
    for (uint32_t i = 0; i < 20 && (places[at].member == NULL ||
                                    member_number(places[at].member) == CLUSTER_NOBODY);
         i++)
        at = (uint32_t)draw(MEMBERS);
    uint32_t others = (1u << MEMBERS) - 1 - (1u << at);
    uint64_t way = draw(3);
    tell(way == 0 ? "is cut off" : way == 1 ? "all are cut off but" : "all have stopped but", at);
    if (way < 2)
        cut = way == 0 ? 1u << at : others;
    for (uint32_t i = 0; i < MEMBERS && way == 2; i++)
        if (i != at)
            stop_at(i);
    for (int64_t until_us = now_us + GONE_US + 2 * SECOND_US; now_us < until_us;) {
        if (force_at(at))
            return true;
        ticks(1 + draw(200));
    }
    return false;
}

static bool is_new(uint32_t at, uint16_t as) {
    return places[at].member != NULL && test.born[at] == as;
}

/* Who is not dead goes on for a while as what it was; then all come back as new nodes. */
static void recover(void) {
    uint16_t as = (uint16_t)configuration_at(test.survivor)->generation;
    if (chance(70))
        cut = 0;
    for (uint64_t left = draw(6); left > 0; left--) {
        uint32_t at = (uint32_t)draw(MEMBERS);
        if (!is_new(at, as))
            start_at(at, chance(50) ? (uint16_t)(as - 1) : as);
        ticks(draw(200));
    }
    cut = 0;
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (!is_new(i, as))
            start_at(i, as);
    test.growth = 100;
}

static bool is_whole(void) {
    const struct configuration *c = configuration_at(test.survivor);
    bool is_it = c->member_count == MEMBERS;
    for (uint32_t i = 0; i < MEMBERS && is_it; i++) {
        const struct configuration *own = configuration_at(i);
        is_it = own != NULL && c->members[i].state == MEMBER_ACTIVE &&
                configuration_hash(own) == configuration_hash(c);
    }
    return is_it;
}

static void finish(void) {
    for (int64_t until_us = now_us + 60 * SECOND_US; now_us < until_us && !is_whole();)
        ticks(50);
    require(is_whole(), "the new generation is not whole", test.survivor);
    const struct configuration *c = configuration_at(test.survivor);
    for (uint32_t i = 0; i < MEMBERS; i++)
        require(i == test.survivor || member_number(places[i].member) > test.last_number,
                "a number is given twice", i);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        require(c->partitions[p].state == PARTITION_LOST ||
                    c->partitions[p].primary != CLUSTER_NOBODY,
                "nobody leads", p);
}

static void begin_world(uint64_t seed) {
    struct configuration *before = test.before;
    begin(NULL);
    memset(&test.hashes, 0, sizeof(test.hashes));
    memset(&test.floor, 0, sizeof(test.floor));
    test.seed = seed;
    chance_begin(seed);
    test.growth = (unsigned)draw(chance(60) ? 4 : 40);
    has_partitions = true;
    settings.replica_count = 1 + (uint32_t)draw(3);
    settings.min_insync = 1;
    settings.voter_count = 1 + 2 * (uint32_t)draw(3);
    uint32_t count = 2 + (uint32_t)draw(MEMBERS - 1);
    if (before == NULL)
        assert_int_equal(configuration_create((struct raft_id){{1, 2}}, 1, PARTITIONS, 16,
                                              &ALLOCATOR_SYSTEM, &test.before),
                         LARDER_OK);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        test.heard_us[i] = test.gone_us[i] = INT64_MAX;
        test.born[i] = 1;
    }
    test.incarnation = 1;
    tell("founders:", count);
    found(count);
}

static void what_is_forced_follows_from_what_was_known(void **state) {
    struct seed_range seeds = seed_range(200);
    test.is_told = seeds.count == 1;
    for (uint64_t i = 0; i < seeds.count; i++) {
        begin_world(seeds.first + i);
        for (uint64_t left = draw(10); left > 0; left--)
            act();
        for (uint64_t times = 1 + chance(30); times > 0; times--)
            if (lose_majority()) {
                recover();
                finish();
            }
        end(state);
    }
    configuration_destroy(test.before);
    test.before = NULL;
    print_message("forced %llu (%llu with a rest of the log), refused %llu, partitions kept %llu, "
                  "lost %llu, learned by the survivor %llu\n",
                  (unsigned long long)test.forced, (unsigned long long)test.late,
                  (unsigned long long)test.refused, (unsigned long long)test.kept,
                  (unsigned long long)test.lost, (unsigned long long)test.learned);
    assert_true(test.forced >= seeds.count / 4 && test.refused >= seeds.count / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_forced_follows_from_what_was_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
