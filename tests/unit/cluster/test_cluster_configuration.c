/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration as a table: each entry in each state, what it says and what it leaves. A
 * partition is shown as  epoch/term state members, where * is the primary, + a learner, ~ one of
 * the last in-sync set of a lost partition, ! a term that was released, 0 one that began empty. */
#include "cluster/configuration.h"

#include "base/random.h"
#include "unit/cluster/golden.h"

enum { A = 1, B, C, D };
enum { PARTITIONS = 4 };

struct fixture {
    struct configuration *c;
    struct golden golden;
    uint64_t index;
};

static struct member make_member(uint32_t number, uint64_t incarnation) {
    struct member m = {.node = {{number, 7}}, .incarnation = incarnation, .weight = 1};
    (void)snprintf(m.address.host, sizeof(m.address.host), "10.0.0.%u", number);
    (void)snprintf(m.host, sizeof(m.host), "machine-%u", number);
    m.address.client_port = 6379;
    m.address.peer_port = 16379;
    return m;
}

static int begin(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){0};
    struct fixture *f = &fixture;
    assert_int_equal(
        configuration_create((struct raft_id){{1, 2}}, 1, PARTITIONS, 4, &ALLOCATOR_SYSTEM, &f->c),
        LARDER_OK);
    struct member founders[] = {make_member(A, 11), make_member(B, 12), make_member(C, 13)};
    assert_int_equal(configuration_found(f->c, founders, 3, &CLUSTER_DEFAULT_SETTINGS), LARDER_OK);
    /* A known table: 0 = A*B, all others by placement. */
    struct partition_config *p = &f->c->partitions[0];
    p->primary = A;
    p->in_sync = p->target = (struct member_set){2, {A, B}};
    *state = f;
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    configuration_destroy(f->c);
    return 0;
}

static void say_set(struct golden *g, const struct member_set *set, const char *mark,
                    uint32_t primary) {
    for (uint8_t i = 0; i < set->count; i++)
        golden_say(g, "%s%c%s", mark, (int)('A' + set->members[i] - 1),
                   set->members[i] == primary ? "*" : "");
}

static void say_partition(struct fixture *f, uint32_t partition) {
    static const char *const STATES[] = {"?", "OK", "DEGRADED", "LOST"};
    const struct partition_config *p = &f->c->partitions[partition];
    golden_say(&f->golden, "%u/%u %s ", (unsigned)p->epoch, (unsigned)p->term, STATES[p->state]);
    say_set(&f->golden, &p->in_sync, "", p->primary);
    say_set(&f->golden, &p->learners, "+", 0);
    say_set(&f->golden, &p->last, "~", 0);
    golden_say(&f->golden, "%s%s%s\n", p->is_released ? "!" : "", p->reset_term != 0 ? "0" : "",
               p->is_unleased ? "?" : "");
}

static enum config_outcome apply(struct fixture *f, const struct config_entry *entry) {
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    size_t size = config_entry_encode(entry, bytes);
    enum config_outcome outcome = 0, checked = configuration_check(f->c, entry);
    uint64_t before = configuration_hash(f->c);
    assert_int_equal(configuration_apply(f->c, ++f->index, slice_of(bytes, size), &outcome),
                     LARDER_OK);
    assert_int_equal(outcome, checked);
    assert_true(configuration_is_sound(f->c));
    if (outcome != CONFIG_APPLIED) {
        f->c->index--;
        assert_true(configuration_hash(f->c) == before);
        f->c->index++;
    }
    return outcome;
}

/* One entry on partition 0, its outcome and what is left. */
static void change(struct fixture *f, enum config_entry_type type, uint64_t epoch, uint32_t member,
                   uint64_t incarnation, uint64_t term) {
    struct config_entry entry = {
        .type = type,
        .change = {.epoch = epoch, .member = member, .incarnation = incarnation, .term = term}};
    enum config_outcome outcome = apply(f, &entry);
    golden_say(&f->golden, "%s %c@%u: %s -> ", config_entry_name(type),
               member == 0 ? '-' : (int)('A' + member - 1), (unsigned)epoch,
               config_outcome_name(outcome));
    say_partition(f, 0);
}

static void down(struct fixture *f, uint32_t member, uint64_t incarnation) {
    struct config_entry entry = {.type = CONFIG_DOWN, .member = {member, incarnation}};
    enum config_outcome outcome = apply(f, &entry);
    golden_say(&f->golden, "DOWN %c: %s -> ", (int)('A' + member - 1),
               config_outcome_name(outcome));
    say_partition(f, 0);
}

static void join(struct fixture *f, uint32_t node, uint64_t incarnation) {
    struct config_entry entry = {.type = CONFIG_JOIN, .join = make_member(node, incarnation)};
    enum config_outcome outcome = apply(f, &entry);
    golden_say(&f->golden, "JOIN %c: %s -> ", (int)('A' + node - 1), config_outcome_name(outcome));
    say_partition(f, 0);
}

static void of_several_proposals_for_one_epoch_one_wins(void **state) {
    struct fixture *f = *state;
    change(f, CONFIG_SHRINK, 1, B, 0, 0);
    change(f, CONFIG_ELECT, 1, B, 0, 0);
    change(f, CONFIG_NOP, 1, 0, 0, 0);
    change(f, CONFIG_NOP, 2, 0, 0, 0);
    change(f, CONFIG_SHRINK, 2, A, 0, 0);
    golden_expect(&f->golden, "SHRINK B@1: applied -> 2/1 DEGRADED A*\n"
                              "ELECT B@1: stale -> 2/1 DEGRADED A*\n"
                              "NOP -@1: stale -> 2/1 DEGRADED A*\n"
                              "NOP -@2: applied -> 3/1 DEGRADED A*\n"
                              "SHRINK A@2: stale -> 3/1 DEGRADED A*\n");
}

static void each_change_says_no_where_it_makes_no_sense(void **state) {
    struct fixture *f = *state;
    change(f, CONFIG_SHRINK, 1, A, 0, 0);
    change(f, CONFIG_SHRINK, 1, C, 0, 0);
    change(f, CONFIG_ELECT, 1, A, 0, 0);
    change(f, CONFIG_ELECT, 1, C, 0, 0);
    change(f, CONFIG_TRANSFER, 1, C, 0, 0);
    change(f, CONFIG_EXPAND, 1, C, 13, 1);
    change(f, CONFIG_ADD_LEARNER, 1, B, 12, 0);
    change(f, CONFIG_ADD_LEARNER, 1, D, 14, 0);
    change(f, CONFIG_REMOVE_LEARNER, 1, C, 0, 0);
    change(f, CONFIG_RESTORE, 1, C, 13, 0);
    change(f, CONFIG_RESET, 1, C, 13, 0);
    change(f, CONFIG_TARGET, 1, 0, 0, 0);
    golden_expect(&f->golden, "SHRINK A@1: refused -> 1/1 OK A*B\n"
                              "SHRINK C@1: refused -> 1/1 OK A*B\n"
                              "ELECT A@1: refused -> 1/1 OK A*B\n"
                              "ELECT C@1: refused -> 1/1 OK A*B\n"
                              "TRANSFER C@1: refused -> 1/1 OK A*B\n"
                              "EXPAND C@1: refused -> 1/1 OK A*B\n"
                              "ADD_LEARNER B@1: refused -> 1/1 OK A*B\n"
                              "ADD_LEARNER D@1: stale -> 1/1 OK A*B\n"
                              "REMOVE_LEARNER C@1: refused -> 1/1 OK A*B\n"
                              "RESTORE C@1: refused -> 1/1 OK A*B\n"
                              "RESET C@1: refused -> 1/1 OK A*B\n"
                              "TARGET -@1: refused -> 1/1 OK A*B\n");
}

static void only_the_living_incarnation_of_a_learner_of_this_term_is_added(void **state) {
    struct fixture *f = *state;
    change(f, CONFIG_ADD_LEARNER, 1, C, 12, 0);
    change(f, CONFIG_ADD_LEARNER, 1, C, 13, 0);
    change(f, CONFIG_EXPAND, 2, C, 12, 1);
    change(f, CONFIG_EXPAND, 2, C, 13, 2);
    change(f, CONFIG_EXPAND, 2, C, 13, 1);
    join(f, C, 23);
    change(f, CONFIG_EXPAND, 4, C, 13, 1);
    golden_expect(&f->golden, "ADD_LEARNER C@1: stale -> 1/1 OK A*B\n"
                              "ADD_LEARNER C@1: applied -> 2/1 OK A*B+C\n"
                              "EXPAND C@2: stale -> 2/1 OK A*B+C\n"
                              "EXPAND C@2: stale -> 2/1 OK A*B+C\n"
                              "EXPAND C@2: applied -> 3/1 OK A*BC\n"
                              "JOIN C: applied -> 4/1 OK A*B\n"
                              "EXPAND C@4: stale -> 4/1 OK A*B\n");
}

static void the_primary_changes_within_the_set_and_raises_the_term(void **state) {
    struct fixture *f = *state;
    change(f, CONFIG_TRANSFER, 1, B, 0, 0);
    change(f, CONFIG_ELECT, 2, A, 0, 0);
    change(f, CONFIG_SHRINK, 3, A, 0, 0);
    golden_expect(&f->golden, "TRANSFER B@1: applied -> 2/2 OK AB*!\n"
                              "ELECT A@2: applied -> 3/3 DEGRADED A*\n"
                              "SHRINK A@3: refused -> 3/3 DEGRADED A*\n");
    assert_int_equal(f->c->partitions[0].term_index, 2);
}

static void a_failure_is_one_entry_for_all_partitions_of_a_process(void **state) {
    struct fixture *f = *state;
    down(f, A, 10);
    down(f, A, 11);
    down(f, A, 11);
    golden_expect(&f->golden, "DOWN A: stale -> 1/1 OK A*B\n"
                              "DOWN A: applied -> 2/2 DEGRADED B*\n"
                              "DOWN A: refused -> 2/2 DEGRADED B*\n");
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        assert_false(member_set_has(&f->c->partitions[p].in_sync, A));
        assert_int_not_equal(f->c->partitions[p].primary, A);
    }
}

static void the_last_one_gone_the_partition_is_lost_until_it_returns(void **state) {
    struct fixture *f = *state;
    change(f, CONFIG_ADD_LEARNER, 1, C, 13, 0);
    down(f, A, 11);
    down(f, B, 12);
    change(f, CONFIG_ADD_LEARNER, 4, C, 13, 0);
    change(f, CONFIG_ELECT, 4, C, 0, 0);
    change(f, CONFIG_RESTORE, 4, B, 12, 0);
    join(f, A, 21);
    change(f, CONFIG_RESTORE, 4, A, 21, 0);
    join(f, B, 22);
    change(f, CONFIG_RESTORE, 4, B, 12, 0);
    change(f, CONFIG_RESTORE, 4, B, 22, 0);
    golden_expect(&f->golden, "ADD_LEARNER C@1: applied -> 2/1 OK A*B+C\n"
                              "DOWN A: applied -> 3/2 DEGRADED B*+C\n"
                              "DOWN B: applied -> 4/2 LOST ~B\n"
                              "ADD_LEARNER C@4: refused -> 4/2 LOST ~B\n"
                              "ELECT C@4: refused -> 4/2 LOST ~B\n"
                              "RESTORE B@4: stale -> 4/2 LOST ~B\n"
                              "JOIN A: applied -> 4/2 LOST ~B\n"
                              "RESTORE A@4: refused -> 4/2 LOST ~B\n"
                              "JOIN B: applied -> 4/2 LOST ~B\n"
                              "RESTORE B@4: stale -> 4/2 LOST ~B\n"
                              "RESTORE B@4: applied -> 5/3 DEGRADED B*\n");
}

static void a_reset_begins_empty_and_raises_the_ceiling(void **state) {
    struct fixture *f = *state;
    down(f, A, 11);
    down(f, B, 12);
    struct config_entry reset = {
        .type = CONFIG_RESET,
        .change = {.epoch = 3, .member = C, .incarnation = 13, .ceiling = 5000000}};
    assert_int_equal(apply(f, &reset), CONFIG_APPLIED);
    say_partition(f, 0);
    down(f, C, 13);
    golden_expect(&f->golden, "DOWN A: applied -> 2/2 DEGRADED B*\n"
                              "DOWN B: applied -> 3/2 LOST ~B\n"
                              "4/3 DEGRADED C*0\n"
                              "DOWN C: applied -> 5/3 LOST ~C0\n");
    assert_int_equal(f->c->ceiling, 5000000);
    assert_int_equal(f->c->reset_ceiling, f->c->partitions[0].reset_ceiling);
}

static void a_restarted_member_has_no_seats(void **state) {
    struct fixture *f = *state;
    join(f, B, 12);
    join(f, B, 22);
    join(f, B, 12);
    join(f, A, 21);
    join(f, D, 14);
    join(f, 5, 15);
    golden_expect(&f->golden, "JOIN B: stale -> 1/1 OK A*B\n"
                              "JOIN B: applied -> 2/1 DEGRADED A*\n"
                              "JOIN B: stale -> 2/1 DEGRADED A*\n"
                              "JOIN A: applied -> 3/1 LOST ~A\n"
                              "JOIN D: applied -> 3/1 LOST ~A\n"
                              "JOIN E: full -> 3/1 LOST ~A\n");
}

static void a_member_is_removed_only_when_nothing_needs_it(void **state) {
    struct fixture *f = *state;
    struct config_entry remove = {.type = CONFIG_REMOVE, .member = {B, 0}};
    assert_int_equal(apply(f, &remove), CONFIG_REFUSED);
    down(f, B, 12);
    assert_int_equal(apply(f, &remove), CONFIG_APPLIED);
    assert_int_equal(apply(f, &remove), CONFIG_UNKNOWN_MEMBER);
    assert_null(configuration_find_member(f->c, B));
    struct config_entry again = {.type = CONFIG_JOIN, .join = make_member(B, 12)};
    assert_int_equal(apply(f, &again), CONFIG_APPLIED);
    assert_int_equal(configuration_find_node(f->c, (struct raft_id){{B, 7}})->number, 4);
    assert_int_equal(configuration_oldest(f->c)->number, A);
}

static void what_holds_a_lost_partition_is_not_removed(void **state) {
    struct fixture *f = *state;
    down(f, A, 11);
    down(f, B, 12);
    struct config_entry remove = {.type = CONFIG_REMOVE, .member = {B, 0}};
    assert_int_equal(apply(f, &remove), CONFIG_REFUSED);
}

static void settings_and_the_ceiling_are_checked(void **state) {
    struct fixture *f = *state;
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = CLUSTER_DEFAULT_SETTINGS};
    entry.settings.replica_count = 3;
    assert_int_equal(apply(f, &entry), CONFIG_APPLIED);
    assert_int_equal(f->c->partitions[0].state, PARTITION_DEGRADED);
    entry.settings.min_insync = 4;
    assert_int_equal(apply(f, &entry), CONFIG_REFUSED);
    struct config_entry ceiling = {.type = CONFIG_CEILING, .ceiling = 9};
    assert_int_equal(apply(f, &ceiling), CONFIG_APPLIED);
    ceiling.ceiling = 8;
    assert_int_equal(apply(f, &ceiling), CONFIG_STALE);
}

static void set_policy(struct fixture *f, enum quorum_policy policy) {
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = f->c->settings};
    entry.settings.quorum_policy = policy;
    assert_int_equal(apply(f, &entry), CONFIG_APPLIED);
    golden_say(&f->golden, "%s -> ", policy == QUORUM_IN_SYNC ? "isr" : "majority");
    say_partition(f, 0);
}

/* The mark (?) stays until the primary of the term that is open says that it knows. */
static void who_may_not_know_that_policy_isr_has_ended_is_remembered(void **state) {
    struct fixture *f = *state;
    set_policy(f, QUORUM_IN_SYNC);
    change(f, CONFIG_LEASED, 2, A, 11, 1);
    set_policy(f, QUORUM_MAJORITY);
    change(f, CONFIG_LEASED, 1, A, 11, 1); /* of before policy isr */
    change(f, CONFIG_LEASED, 2, B, 12, 1);
    change(f, CONFIG_LEASED, 2, A, 10, 1);
    change(f, CONFIG_ELECT, 2, B, 0, 0);
    change(f, CONFIG_LEASED, 3, B, 12, 1);
    change(f, CONFIG_LEASED, 3, B, 12, 2);
    change(f, CONFIG_LEASED, 4, B, 12, 2);
    golden_expect(&f->golden, "isr -> 2/1 OK A*B?\n"
                              "LEASED A@2: refused -> 2/1 OK A*B?\n"
                              "majority -> 2/1 OK A*B?\n"
                              "LEASED A@1: stale -> 2/1 OK A*B?\n"
                              "LEASED B@2: refused -> 2/1 OK A*B?\n"
                              "LEASED A@2: stale -> 2/1 OK A*B?\n"
                              "ELECT B@2: applied -> 3/2 DEGRADED B*?\n"
                              "LEASED B@3: stale -> 3/2 DEGRADED B*?\n"
                              "LEASED B@3: applied -> 4/2 DEGRADED B*\n"
                              "LEASED B@4: refused -> 4/2 DEGRADED B*\n");
}

static struct config_entry random_entry(struct random *random, const struct configuration *c) {
    struct config_entry entry = {0};
    entry.type = (enum config_entry_type)(1 + random_below(random, CONFIG_ENTRY_TYPE_END - 1));
    uint32_t who = 1 + (uint32_t)random_below(random, 4);
    uint64_t incarnation = 10 + random_below(random, 4);
    if (entry.type == CONFIG_JOIN) {
        entry.join = make_member(who, incarnation);
    } else if (entry.type < CONFIG_SETTINGS) {
        entry.member.number = who;
        entry.member.incarnation = incarnation;
    } else if (entry.type == CONFIG_SETTINGS) {
        entry.settings = CLUSTER_DEFAULT_SETTINGS;
        entry.settings.replica_count = 1 + (uint32_t)random_below(random, 3);
        entry.settings.quorum_policy =
            random_below(random, 3) == 0 ? QUORUM_IN_SYNC : QUORUM_MAJORITY;
    } else if (entry.type == CONFIG_CEILING) {
        entry.ceiling = random_below(random, 1000);
    } else {
        uint32_t p = (uint32_t)random_below(random, PARTITIONS);
        const struct member *m = configuration_find_member(c, who);
        entry.change.partition = p;
        entry.change.epoch = c->partitions[p].epoch - (random_below(random, 8) == 0);
        entry.change.member = who;
        entry.change.incarnation = m == NULL ? 1 : m->incarnation;
        entry.change.term = c->partitions[p].term;
        if (entry.type == CONFIG_TARGET)
            member_set_add(&entry.change.target, who);
    }
    return entry;
}

/* The rules of the header, entry by entry: terms, epochs and primaries of each partition. */
static void check_step(const struct partition_config *before, const struct partition_config *after,
                       enum config_entry_type type) {
    assert_true(after->epoch >= before->epoch && after->term >= before->term);
    if (after->primary != before->primary && after->primary != CLUSTER_NOBODY) {
        assert_true(after->term == before->term + 1);
        if (type != CONFIG_RESET && type != CONFIG_RESTORE)
            assert_true(member_set_has(&before->in_sync, after->primary));
    }
    for (uint8_t i = 0; i < after->in_sync.count; i++)
        if (!member_set_has(&before->in_sync, after->in_sync.members[i]))
            assert_true(type == CONFIG_EXPAND || type == CONFIG_RESET || type == CONFIG_RESTORE);
    if (memcmp(&before->in_sync, &after->in_sync, sizeof(after->in_sync)) != 0)
        assert_true(after->epoch > before->epoch);
}

static void random_entries_keep_the_rules_and_all_copies_equal(void **state) {
    struct fixture *f = *state;
    struct random random = {.state = 4711};
    struct configuration *copy = NULL;
    assert_int_equal(
        configuration_create((struct raft_id){{1, 2}}, 1, PARTITIONS, 4, &ALLOCATOR_SYSTEM, &copy),
        LARDER_OK);
    unsigned applied = 0;
    for (int step = 0; step < 20000; step++) {
        struct partition_config before[PARTITIONS];
        memcpy(before, f->c->partitions, sizeof(before));
        struct config_entry entry = random_entry(&random, f->c);
        applied += apply(f, &entry) == CONFIG_APPLIED;
        for (uint32_t p = 0; p < PARTITIONS; p++)
            check_step(&before[p], &f->c->partitions[p], entry.type);
        if (step % 100 != 0)
            continue;
        uint8_t bytes[8192];
        size_t size = configuration_encode(f->c, bytes);
        assert_int_equal(size, configuration_encoded_size(f->c));
        assert_int_equal(configuration_restore(copy, slice_of(bytes, size)), LARDER_OK);
        assert_true(configuration_hash(copy) == configuration_hash(f->c));
        bytes[random_below(&random, size)] ^= 1;
        assert_int_equal(configuration_restore(copy, slice_of(bytes, size)), LARDER_CORRUPT);
    }
    assert_true(applied > 2000);
    configuration_destroy(copy);
}

static void damaged_entries_are_refused_whole(void **state) {
    struct fixture *f = *state;
    struct config_entry entries[] = {
        {.type = CONFIG_JOIN, .join = make_member(D, 14)},
        {.type = CONFIG_DOWN, .member = {A, 11}},
        {.type = CONFIG_SETTINGS, .settings = CLUSTER_DEFAULT_SETTINGS},
        {.type = CONFIG_TARGET, .change = {.epoch = 1, .target = {2, {A, C}}}},
    };
    uint64_t before = configuration_hash(f->c);
    for (size_t i = 0; i < 4; i++) {
        uint8_t bytes[CONFIG_ENTRY_BYTES_MAX + 1];
        size_t size = config_entry_encode(&entries[i], bytes);
        struct config_entry out;
        enum config_outcome outcome;
        assert_int_equal(config_entry_decode(slice_of(bytes, size), &out), LARDER_OK);
        bytes[size] = 0;
        for (size_t cut = 0; cut <= size + 1; cut++)
            if (cut != size)
                assert_int_equal(configuration_apply(f->c, 1, slice_of(bytes, cut), &outcome),
                                 LARDER_CORRUPT);
        bytes[0] = CONFIG_ENTRY_TYPE_END;
        assert_int_equal(configuration_apply(f->c, 1, slice_of(bytes, size), &outcome),
                         LARDER_CORRUPT);
    }
    assert_true(configuration_hash(f->c) == before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(of_several_proposals_for_one_epoch_one_wins),
        TEST(each_change_says_no_where_it_makes_no_sense),
        TEST(only_the_living_incarnation_of_a_learner_of_this_term_is_added),
        TEST(the_primary_changes_within_the_set_and_raises_the_term),
        TEST(a_failure_is_one_entry_for_all_partitions_of_a_process),
        TEST(the_last_one_gone_the_partition_is_lost_until_it_returns),
        TEST(a_reset_begins_empty_and_raises_the_ceiling),
        TEST(a_restarted_member_has_no_seats),
        TEST(a_member_is_removed_only_when_nothing_needs_it),
        TEST(what_holds_a_lost_partition_is_not_removed),
        TEST(settings_and_the_ceiling_are_checked),
        TEST(who_may_not_know_that_policy_isr_has_ended_is_remembered),
        TEST(random_entries_keep_the_rules_and_all_copies_equal),
        TEST(damaged_entries_are_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
