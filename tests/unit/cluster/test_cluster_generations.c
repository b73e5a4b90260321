/* SPDX-License-Identifier: BSD-3-Clause */
/* Members without partitions over a network in memory: a new generation by force when the majority
 * is gone, and clusters of more members than the consensus core knows. Each tick of 10 virtual ms
 * every member is called once, then all frames are delivered. */
#include "cluster/member.h"

#include "support/test_allocator.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { MEMBERS = 42, PARTITIONS = 8, FRAMES_MAX = 100000, CONTACTS = 5 };

static const int64_t WALL_US = 1700000000000000;

struct frame {
    uint32_t to;
    size_t size;
    uint8_t *bytes;
};

struct place {
    struct cluster_member *member;
    struct member_host host;
};

static struct place places[MEMBERS];
static struct frame frames[FRAMES_MAX];
static size_t frame_first, frame_count;
static bool is_cut[MEMBERS]; /* from all others */
static int64_t now_us;
static struct test_allocator memory;

static struct member_address address_of(uint32_t at) {
    return (struct member_address){.host = "here", .peer_port = (uint16_t)at};
}

static void host_send(void *context, const struct member_address *to, struct slice frame) {
    const struct place *from = context;
    uint32_t source = (uint32_t)(from - places), target = to->peer_port;
    if (target >= MEMBERS || is_cut[source] || is_cut[target])
        return;
    assert_true(frame_count < FRAMES_MAX);
    struct frame *kept = &frames[(frame_first + frame_count++) % FRAMES_MAX];
    *kept = (struct frame){target, frame.size, malloc(frame.size)};
    assert_non_null(kept->bytes);
    memcpy(kept->bytes, frame.data, frame.size);
}

static void host_view(void *context, const struct configuration *configuration) {
    (void)context;
    assert_true(configuration_is_sound(configuration));
}

static void host_hand_off(void *context, uint32_t partition, uint32_t to) {
    (void)context;
    assert_true(partition < PARTITIONS && to != CLUSTER_NOBODY);
}

static void host_partition_frame(void *context, uint32_t from, uint64_t incarnation,
                                 struct slice body) {
    (void)context;
    (void)from;
    (void)incarnation;
    (void)body;
}

static struct member self_of(uint32_t at, uint64_t incarnation) {
    return (struct member){.node = {{7, at + 1 + 100 * incarnation}},
                           .incarnation = incarnation,
                           .address = address_of(at),
                           .weight = 100};
}

static void start(uint32_t at, uint64_t incarnation, uint16_t generation, uint32_t founder_count) {
    static struct founding_plan plan;
    struct place *place = &places[at];
    struct member_address contacts[CONTACTS];
    struct raft_configuration voters = {0};
    plan = (struct founding_plan){.cluster = {{1, 2}},
                                  .generation = generation,
                                  .partition_count = PARTITIONS,
                                  .settings = CLUSTER_DEFAULT_SETTINGS,
                                  .founder_count = founder_count};
    struct member_start how = {.contacts = contacts, .contact_count = CONTACTS};
    for (uint32_t i = 0; i < founder_count; i++)
        plan.founders[i].member = self_of(i, 1);
    if (founder_count > 0) {
        how.plan = &plan;
        founding_voters(&plan, &voters);
    }
    for (uint32_t i = 0; i < CONTACTS; i++)
        contacts[i] = address_of(i);
    struct raft_restored restored = {.now_ms = now_us / 1000, .configuration = voters};
    how.restored = &restored;
    place->host = (struct member_host){.context = place,
                                       .send = host_send,
                                       .view = host_view,
                                       .hand_off = host_hand_off,
                                       .partition_frame = host_partition_frame};
    const struct member_options options = {.cluster = {{1, 2}},
                                           .generation = generation,
                                           .self = self_of(at, incarnation),
                                           .partition_count = PARTITIONS,
                                           .members_max = MEMBERS + 2,
                                           .seed = at + 1,
                                           .entries_per_snapshot = 50,
                                           .remove_after_us = 3000000,
                                           .calm_us = 500000};
    assert_int_equal(
        member_create(&options, &how, &place->host, now_us, &memory.base, &place->member),
        LARDER_OK);
}

static void stop(uint32_t at) {
    member_destroy(places[at].member);
    places[at].member = NULL;
}

static void deliver_all(void) {
    while (frame_count > 0) {
        struct frame frame = frames[frame_first];
        frame_first = (frame_first + 1) % FRAMES_MAX;
        frame_count--;
        if (places[frame.to].member != NULL)
            member_receive(places[frame.to].member, slice_of(frame.bytes, frame.size), now_us);
        free(frame.bytes);
    }
}

static void run(int64_t ms) {
    for (int64_t end_us = now_us + ms * 1000; now_us < end_us;) {
        now_us += 10000;
        for (uint32_t i = 0; i < MEMBERS; i++)
            if (places[i].member != NULL)
                member_tick(places[i].member, now_us, now_us + WALL_US);
        deliver_all();
    }
}

static int begin(void **state) {
    (void)state;
    now_us = 1000000;
    memset(is_cut, 0, sizeof(is_cut));
    memset(places, 0, sizeof(places));
    test_allocator_init(&memory);
    return 0;
}

static int end(void **state) {
    (void)state;
    deliver_all();
    for (uint32_t i = 0; i < MEMBERS; i++)
        stop(i);
    assert_int_equal(memory.heap_bytes, 0);
    return 0;
}

static void found(uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        start(i, 1, 1, count);
    run(2000);
}

static const struct configuration *configuration_at(uint32_t at) {
    return member_configuration(places[at].member);
}

static enum larder_status force(uint32_t at, struct forced_generation *out) {
    return member_force_generation(places[at].member, now_us, now_us + WALL_US, out);
}

/* ---- what becomes of the configuration ---- */

static void what_the_survivor_was_in_sync_with_is_kept(void **state) {
    (void)state;
    struct configuration *c = NULL;
    struct member founders[3] = {self_of(0, 1), self_of(1, 1), self_of(2, 1)};
    struct forced_generation forced;
    assert_int_equal(configuration_create((struct raft_id){{1, 2}}, 3, 4, 3, &ALLOCATOR_SYSTEM, &c),
                     LARDER_OK);
    assert_int_equal(configuration_found(c, founders, 3, &CLUSTER_DEFAULT_SETTINGS), LARDER_OK);
    c->index = 10;
    c->ceiling = 5000;
    const struct member_set all = {.count = 3, .members = {1, 2, 3}}, second = {1, {2}},
                            others = {.count = 2, .members = {1, 3}};
    for (uint32_t p = 0; p < 4; p++) {
        c->partitions[p].in_sync = others;
        c->partitions[p].primary = 1;
        c->partitions[p].learners = (struct member_set){0};
    }
    c->partitions[0].in_sync = all;     /* a backup */
    c->partitions[1].learners = second; /* has half of it */
    c->partitions[3].state = PARTITION_LOST;
    c->partitions[3].primary = CLUSTER_NOBODY;
    c->partitions[3].in_sync = (struct member_set){0};
    c->partitions[3].last = all; /* one of the last that had it */
    uint64_t term = c->partitions[0].term, epoch = c->partitions[1].epoch;
    assert_true(configuration_force(c, 2, 700000000, &forced));
    assert_int_equal(forced.generation, 4);
    assert_int_equal(forced.kept_count, 2);
    assert_int_equal(forced.lost_count, 2);
    assert_int_equal(forced.members_removed, 2);
    assert_true(configuration_is_sound(c));
    assert_int_equal(c->index, 11);
    assert_int_equal(c->member_count, 1);
    assert_int_equal(c->partitions[0].primary, 2);
    assert_int_equal(c->partitions[0].term, term + 1);
    assert_int_equal(c->partitions[1].state, PARTITION_LOST);
    assert_int_equal(c->partitions[1].epoch, epoch + 1);
    assert_int_equal(c->partitions[2].state, PARTITION_LOST);
    assert_int_equal(c->partitions[3].primary, 2);
    /* above what a coordinator with a clock two minutes ahead may have allowed */
    assert_true(c->reset_ceiling >= 700000000 + 240000000);
    assert_true(c->ceiling > c->reset_ceiling);
    size_t size = configuration_encoded_size(c);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    configuration_encode(c, bytes);
    uint64_t above = c->reset_ceiling;
    assert_int_equal(configuration_restore(c, slice_of(bytes, size)), LARDER_OK);
    assert_true(c->reset_ceiling == above);
    free(bytes);
    assert_false(configuration_force(c, 9, 0, &forced));
    configuration_destroy(c);
}

/* ---- the member ---- */

static void the_last_of_a_cluster_begins_a_new_generation(void **state) {
    (void)state;
    struct forced_generation forced;
    found(3);
    assert_int_equal(force(1, &forced), LARDER_AGAIN); /* the coordinator is there */
    uint64_t index = configuration_at(1)->index;
    is_cut[0] = is_cut[2] = true;
    run(3000);
    assert_int_equal(force(1, &forced), LARDER_AGAIN); /* ... or was a moment ago */
    run(2000);
    assert_int_equal(force(1, &forced), LARDER_OK);
    assert_int_equal(forced.generation, 2);
    assert_int_equal(forced.kept_count + forced.lost_count, PARTITIONS);
    assert_true(forced.kept_count > 0);
    run(3000);
    assert_true(member_is_coordinator(places[1].member));
    assert_true(lease_config_holds(member_leases(places[1].member), now_us));
    assert_true(configuration_at(1)->index > index);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        assert_true(configuration_at(1)->partitions[p].state == PARTITION_LOST ||
                    configuration_at(1)->partitions[p].primary == 2);
}

/* They were not dead, or come back: they stay what they are, and the new generation does not hear
 * them. */
static void members_of_the_old_generation_are_refused(void **state) {
    (void)state;
    struct forced_generation forced;
    found(3);
    is_cut[1] = true;
    run(5000);
    assert_int_equal(force(1, &forced), LARDER_OK);
    run(2000);
    uint64_t index = member_applied(places[1].member);
    memset(is_cut, 0, sizeof(is_cut));
    run(5000);
    assert_int_equal(configuration_at(1)->member_count, 1);
    assert_int_equal(configuration_at(1)->generation, 2);
    assert_true(member_is_coordinator(places[1].member));
    assert_true(member_applied(places[1].member) < index + 20);
    for (uint32_t i = 0; i < 3; i += 2)
        assert_int_equal(configuration_at(i)->generation, 1);
}

static void they_come_back_as_new_nodes(void **state) {
    (void)state;
    struct forced_generation forced;
    found(3);
    is_cut[0] = is_cut[2] = true;
    run(5000);
    assert_int_equal(force(1, &forced), LARDER_OK);
    stop(0);
    stop(2);
    memset(is_cut, 0, sizeof(is_cut));
    start(0, 2, 2, 0);
    start(2, 2, 2, 0);
    run(8000);
    const struct configuration *c = configuration_at(1);
    assert_int_equal(c->member_count, 3);
    for (uint32_t i = 0; i < 3; i += 2) {
        assert_true(member_number(places[i].member) > 3); /* numbers are not given twice */
        assert_true(configuration_hash(configuration_at(i)) == configuration_hash(c));
    }
    const struct raft_configuration *core = raft_get_configuration(member_raft(places[1].member));
    uint32_t voters = 0;
    for (uint32_t i = 0; i < core->count; i++)
        voters += core->members[i].is_voter;
    assert_int_equal(voters, 3);
}

/* Whatever allocation fails, it is as before, or has changed over. */
static void a_force_without_memory_changes_nothing(void **state) {
    (void)state;
    struct forced_generation forced;
    enum larder_status status = LARDER_NO_MEMORY;
    found(3);
    is_cut[0] = is_cut[2] = true;
    run(5000);
    uint64_t hash = configuration_hash(configuration_at(1));
    for (uint64_t fail_in = 1; status == LARDER_NO_MEMORY; fail_in++) {
        test_allocator_fail_in(&memory, fail_in, 1);
        status = force(1, &forced);
        test_allocator_fail_never(&memory);
        if (status == LARDER_NO_MEMORY)
            assert_true(configuration_hash(configuration_at(1)) == hash);
    }
    assert_int_equal(status, LARDER_OK);
    run(2000);
    assert_true(member_is_coordinator(places[1].member));
}

/* ---- settings of leases ---- */

static void a_promise_counts_for_as_long_as_its_giver_said(void **state) {
    (void)state;
    struct lease_table *table = NULL;
    const struct member_set both = {.count = 2, .members = {1, 2}};
    assert_int_equal(lease_table_create(4, 500000, 2000000, 0, &ALLOCATOR_SYSTEM, &table),
                     LARDER_OK);
    assert_true(lease_set_peer(table, 2, 1));
    lease_set_applied(table, 5);
    lease_take(table, 2, 1, &(struct lease_promise){1000000, 100000, 5}, 1010000);
    assert_true(lease_covers(table, &both, 1, 5, 1080000));
    assert_false(lease_covers(table, &both, 1, 5, 1101000)); /* whatever is set here */
    table->lease_us = 10000;
    lease_take(table, 2, 1, &(struct lease_promise){2000000, 100000, 5}, 2010000);
    assert_true(lease_covers(table, &both, 1, 5, 2080000));
    lease_take_config(table, &(struct lease_promise){3000000, 50000, 5}, 3000000);
    assert_true(lease_config_holds(table, 3040000));
    assert_false(lease_config_holds(table, 3060000));
    lease_table_destroy(table);
}

static void set_config_lease(uint32_t lease_ms) {
    struct config_entry entry = {.type = CONFIG_SETTINGS,
                                 .settings = configuration_at(0)->settings};
    entry.settings.config_lease_ms = lease_ms;
    entry.settings.node_timeout_ms = 2000;
    entry.settings.loss_policy = LOSS_RESET;
    member_propose(places[0].member, &entry);
    run(500);
    assert_int_equal(configuration_at(0)->settings.config_lease_ms, lease_ms);
}

static uint32_t count_lost(void) {
    uint32_t lost = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        lost += configuration_at(0)->partitions[p].state == PARTITION_LOST;
    return lost;
}

/* Somebody may still have an answer of the coordinator that was given for six seconds. */
static void a_reset_waits_for_leases_of_former_settings(void **state) {
    (void)state;
    found(5);
    run(8000);
    set_config_lease(6000);
    set_config_lease(1000);
    assert_int_equal(configuration_at(0)->longest_config_lease_ms, 6000);
    for (uint32_t i = 2; i < 5; i++)
        stop(i);
    run(2500);
    assert_true(count_lost() > 0);
    run(6000);
    assert_true(count_lost() > 0);
    run(8000);
    assert_int_equal(count_lost(), 0);
}

/* ---- changes of the policy ---- */

static void set_policy(uint32_t at, enum quorum_policy policy) {
    struct config_entry entry = {.type = CONFIG_SETTINGS,
                                 .settings = configuration_at(at)->settings};
    entry.settings.quorum_policy = policy;
    entry.settings.loss_policy = LOSS_RESET;
    member_propose(places[at].member, &entry);
    run(500);
    assert_int_equal(configuration_at(at)->settings.quorum_policy, policy);
}

/* What the replicas of the partitions say, here for them. */
static void say_leased(uint32_t at) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        const struct configuration *c = configuration_at(at);
        const struct partition_config *config = &c->partitions[p];
        const struct member *primary = configuration_find_member(c, config->primary);
        struct config_entry entry = {.type = CONFIG_LEASED,
                                     .change = {.partition = p,
                                                .epoch = config->epoch,
                                                .member = primary->number,
                                                .incarnation = primary->incarnation,
                                                .term = config->term}};
        member_propose(places[at].member, &entry);
    }
    run(500);
}

static uint32_t count_resets(uint32_t at) {
    uint32_t resets = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        resets += configuration_at(at)->partitions[p].reset_term != 0;
    return resets;
}

/* Two are cut off under policy isr and lead all that they are in sync with by themselves: they have
 * not heard that the policy is another one now. */
static void policy_isr_ends_while_somebody_serves_by_itself(void **state) {
    (void)state;
    found(5);
    run(8000);
    set_policy(0, QUORUM_IN_SYNC);
    is_cut[3] = is_cut[4] = true;
    run(50);
    set_policy(0, QUORUM_MAJORITY);
    run(30000);
    assert_int_equal(configuration_at(3)->settings.quorum_policy, QUORUM_IN_SYNC);
    assert_true(count_lost() > 0);
    assert_int_equal(count_resets(0), 0);
    struct config_entry by_hand = {.type = CONFIG_RESET};
    for (uint32_t p = 0; p < PARTITIONS; p++)
        if (configuration_at(0)->partitions[p].state == PARTITION_LOST) {
            by_hand.change =
                (struct config_partition_change){.partition = p,
                                                 .epoch = configuration_at(0)->partitions[p].epoch,
                                                 .member = member_number(places[0].member),
                                                 .incarnation = 1};
            member_propose(places[0].member, &by_hand);
        }
    run(1000);
    assert_int_equal(count_lost(), 0);
}

static void policy_isr_has_ended_everywhere(void **state) {
    (void)state;
    found(5);
    run(8000);
    set_policy(0, QUORUM_IN_SYNC);
    set_policy(0, QUORUM_MAJORITY);
    say_leased(0);
    for (uint32_t i = 2; i < 5; i++)
        stop(i);
    run(2500);
    assert_true(count_lost() > 0);
    run(10000);
    assert_int_equal(count_lost(), 0);
    assert_true(count_resets(0) > 0);
}

/* ---- observers ---- */

/* The core has seats for 32; the others follow what is committed by asking for it. */
static void forty_members_follow_one_configuration(void **state) {
    (void)state;
    found(3);
    for (uint32_t i = 3; i < 40; i++) {
        start(i, 1, 1, 0);
        run(100);
    }
    run(8000);
    const struct configuration *c = configuration_at(0);
    assert_int_equal(c->member_count, 40);
    const struct raft_configuration *core = raft_get_configuration(member_raft(places[0].member));
    assert_true(core->count <= RAFT_MEMBERS_MAX);
    uint64_t before = c->index;
    struct config_entry raise = {.type = CONFIG_CEILING, .ceiling = c->ceiling + 1000000};
    member_propose(places[39].member, &raise);
    run(2000);
    assert_true(configuration_at(0)->index > before);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(member_number(places[i].member) != CLUSTER_NOBODY, true);
        assert_true(configuration_hash(configuration_at(i)) ==
                    configuration_hash(configuration_at(0)));
        assert_true(lease_config_holds(member_leases(places[i].member), now_us));
    }
}

/* A voter that is gone is replaced whoever is in the core and who is not. */
static void a_voter_of_a_large_cluster_is_replaced(void **state) {
    (void)state;
    found(3);
    for (uint32_t i = 3; i < 36; i++)
        start(i, 1, 1, 0);
    run(12000);
    assert_int_equal(configuration_at(0)->member_count, 36);
    stop(1);
    run(6000);
    const struct raft_configuration *core = raft_get_configuration(member_raft(places[0].member));
    uint32_t voters = 0;
    for (uint32_t i = 0; i < core->count; i++) {
        assert_false(core->members[i].is_voter &&
                     raft_id_equal(core->members[i].id, self_of(1, 1).node));
        voters += core->members[i].is_voter;
    }
    assert_int_equal(voters, 3);
    assert_int_equal(configuration_at(35)->member_count, 35); /* it had no disk: it was removed */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_the_survivor_was_in_sync_with_is_kept),
        TEST(the_last_of_a_cluster_begins_a_new_generation),
        TEST(members_of_the_old_generation_are_refused),
        TEST(they_come_back_as_new_nodes),
        TEST(a_force_without_memory_changes_nothing),
        TEST(a_promise_counts_for_as_long_as_its_giver_said),
        TEST(a_reset_waits_for_leases_of_former_settings),
        TEST(policy_isr_ends_while_somebody_serves_by_itself),
        TEST(policy_isr_has_ended_everywhere),
        TEST(forty_members_follow_one_configuration),
        TEST(a_voter_of_a_large_cluster_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
