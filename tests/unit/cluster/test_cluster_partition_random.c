/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients with sessions count, each its own key, while messages are lost, repeated and reordered,
 * primaries are deposed or hand off, members see configurations late and fall out of the in-sync
 * set. The k-th request of a client must answer k, however often it is sent and to whom. */
#include "unit/cluster/partition_world.h"

#include "base/random.h"
#include "support/test_seed.h"

enum { CLIENTS = 4, CONTEXTS = 1 << 15, PROPOSALS = 64 };

struct client {
    uint64_t number; /* of the open request */
    int64_t first_sent_us, sent_ms;
    uint32_t primary; /* whom it will ask */
};

static struct chaos {
    struct random random;
    struct client clients[CLIENTS];
    uint64_t numbers[CONTEXTS]; /* of what was asked with this context; 0: without a session */
    uint32_t askers[CONTEXTS];
    uint64_t context;
    struct config_entry proposals[PROPOSALS];
    uint32_t proposal_count;
    unsigned done, retries, failovers, hand_offs;
} chaos;

static uint64_t draw(uint64_t bound) {
    return random_below(&chaos.random, bound);
}

static bool chance(unsigned per_thousand) {
    return draw(1000) < per_thousand;
}

static void take_reply(const struct partition_reply *reply) {
    uint64_t number = chaos.numbers[reply->context];
    struct client *client = &chaos.clients[chaos.askers[reply->context]];
    if (number == 0)
        return;
    assert_int_not_equal(reply->answer, PARTITION_UNKNOWN_SESSION);
    assert_int_not_equal(reply->answer, PARTITION_RESULT_LOST);
    if (reply->answer != PARTITION_DONE) {
        client->primary = 1 + (uint32_t)draw(WORLD_MEMBERS);
        return;
    }
    char expected[32];
    (void)snprintf(expected, sizeof(expected), ":%u", (unsigned)number);
    assert_string_equal(world.reply, expected);
    if (number != client->number)
        return; /* answered before */
    client->number++;
    client->first_sent_us = 0;
    client->sent_ms = 0;
    chaos.done++;
}

static void ask(uint32_t asker) {
    struct client *client = &chaos.clients[asker];
    if (client->sent_ms != 0 && (world.now_ms - client->sent_ms < 300 || chance(500)))
        return;
    if (chaos.context + 1 == CONTEXTS)
        return;
    chaos.retries += client->sent_ms != 0;
    if (client->first_sent_us == 0)
        client->first_sent_us = world_time_us(world.now_ms);
    client->sent_ms = world.now_ms;
    uint64_t context = ++chaos.context;
    chaos.numbers[context] = client->number;
    chaos.askers[context] = asker;
    char command[32];
    (void)snprintf(command, sizeof(command), "INCR count:%u", asker);
    world_do_as(client->primary, context, command,
                (struct request_id){.client = {asker, 1},
                                    .number = client->number,
                                    .lowest = client->number,
                                    .first_sent_us = client->first_sent_us});
}

/* Somebody without a session, whose keys come and go. */
static void write_something(void) {
    static const char *const COMMANDS[] = {
        "SET key:%u value PX %u", "RPUSH list:%u %u", "LPOP list:%u", "DEL key:%u", "GET key:%u",
        "HSET hash:%u field %u"};
    char command[64];
    (void)snprintf(command, sizeof(command), COMMANDS[draw(6)], (unsigned)draw(30),
                   (unsigned)draw(1000) + 1);
    if (chaos.context + 1 < CONTEXTS)
        world_do(1 + (uint32_t)draw(WORLD_MEMBERS), ++chaos.context, command);
}

/* ---- the config group ---- */

static void note_proposal(void) {
    if (world.has_proposed && chaos.proposal_count < PROPOSALS)
        chaos.proposals[chaos.proposal_count++] = world.proposed;
    world.has_proposed = false;
}

static void decide(uint32_t at) {
    struct config_entry entry = chaos.proposals[at];
    chaos.proposals[at] = chaos.proposals[--chaos.proposal_count];
    if (world.entry_count < WORLD_ENTRIES)
        (void)world_commit(&entry);
}

static void change(enum config_entry_type type, uint32_t member) {
    const struct partition_config *p = &world.group->partitions[0];
    struct config_entry entry = {
        .type = type,
        .change = {.epoch = p->epoch, .member = member, .incarnation = 1, .term = p->term}};
    if (world.entry_count < WORLD_ENTRIES)
        (void)world_commit(&entry);
}

static void add_learners(void) {
    const struct partition_config *p = &world.group->partitions[0];
    for (uint32_t n = A; n <= C; n++)
        if (!member_set_has(&p->in_sync, n) && !member_set_has(&p->learners, n)) {
            change(CONFIG_ADD_LEARNER, n);
            return;
        }
}

static void fail_over(void) {
    const struct partition_config *p = &world.group->partitions[0];
    uint32_t next = p->in_sync.members[draw(p->in_sync.count)];
    if (next == p->primary)
        return;
    chaos.failovers++;
    change(CONFIG_ELECT, next);
}

static void hand_off(void) {
    uint32_t primary = world.group->partitions[0].primary;
    struct partition_input input = {.type = PARTITION_HAND_OFF,
                                    .member = 1 + (uint32_t)draw(WORLD_MEMBERS)};
    chaos.hand_offs += world_step(primary, input) == LARDER_OK;
}

/* ---- chance ---- */

static void meddle_with_messages(void) {
    for (unsigned i = 0; i < 8 && world.queued > 0; i++) {
        size_t at = chance(800) ? 0 : (size_t)draw(world.queued);
        if (chance(60)) {
            world_lose_at(at);
            continue;
        }
        if (chance(60) && world.queued < WORLD_QUEUE / 2) {
            struct world_frame copy = world.queue[at];
            copy.bytes = malloc(copy.size);
            assert_non_null(copy.bytes);
            memcpy(copy.bytes, world.queue[at].bytes, copy.size);
            world.queue[world.queued++] = copy;
        }
        world_deliver_at(at);
        note_proposal();
    }
    while (world.queued > WORLD_QUEUE / 2)
        world_lose_at((size_t)draw(world.queued));
}

static void step_member(uint32_t n) {
    if (chance(300))
        world_see(n);
    note_proposal();
    if (chance(700))
        world_tick(n);
    note_proposal();
    if (chance(200))
        world_hear_coordinator(n);
    for (uint32_t from = A; from <= C; from++)
        if (from != n && chance(150))
            world_promise(n, from, world.now_ms);
}

static void round_of_chance(void) {
    world.now_ms += 1 + (int64_t)draw(15);
    for (uint32_t client = 0; client < CLIENTS; client++)
        if (chance(200))
            ask(client);
    if (chance(300))
        write_something();
    note_proposal();
    for (uint32_t n = A; n <= C; n++)
        step_member(n);
    meddle_with_messages();
    if (chaos.proposal_count > 0 && chance(300))
        decide((uint32_t)draw(chaos.proposal_count));
    if (chance(20))
        add_learners();
    if (chance(4))
        fail_over();
    if (chance(3))
        hand_off();
}

/* Nothing is lost any more, and time goes on. */
static void calm_down(void) {
    for (int i = 0; i < 400; i++) {
        world.now_ms += 10;
        for (uint32_t n = A; n <= C; n++) {
            world_see(n);
            world_tick(n);
            note_proposal();
        }
        world_promise_all();
        while (world.queued > 0) {
            world_deliver_at(0);
            note_proposal();
        }
        while (chaos.proposal_count > 0)
            decide(0);
        add_learners();
    }
}

static void check_counts(void) {
    uint32_t primary = world.group->partitions[0].primary;
    for (uint32_t client = 0; client < CLIENTS; client++) {
        struct client *c = &chaos.clients[client];
        for (int i = 0; i < 64 && c->sent_ms != 0; i++) { /* what was open is answered */
            c->primary = primary;
            world.now_ms += 400;
            world_promise_all();
            ask(client);
            world_deliver("");
        }
        assert_int_equal(c->sent_ms, 0);
        char command[32], expected[32];
        (void)snprintf(command, sizeof(command), "GETRANGE count:%u 0 -1", client);
        world_do(primary, ++chaos.context, command);
        (void)snprintf(expected, sizeof(expected), "%u", (unsigned)c->number - 1);
        assert_int_equal(world.answer, PARTITION_DONE);
        assert_non_null(strstr(world.reply, expected));
    }
}

static void requests_are_applied_once_whatever_happens(void **state) {
    (void)state;
    struct partition_options options = {.sweep_every_us = 20000, .digest_every_us = 2560000};
    chaos = (struct chaos){.random = random_seeded(test_seed("cluster partition"))};
    world_begin(&options);
    world.is_quiet = true;
    world.on_reply = take_reply;
    for (uint32_t i = 0; i < CLIENTS; i++)
        chaos.clients[i] = (struct client){.number = 1, .primary = A};
    for (int phase = 0; phase < 3; phase++) {
        for (int i = 0; i < 2500; i++)
            round_of_chance();
        calm_down();
        const struct partition_config *p = &world.group->partitions[0];
        assert_int_equal(p->in_sync.count, WORLD_MEMBERS);
        check_counts();
        calm_down();
        assert_true(world_agree(A, B));
        assert_true(world_agree(A, C));
        for (uint32_t n = A; n <= C; n++)
            assert_int_equal(
                copying_counters(partition_copying(world.members[n].partition))->divergence_total,
                0);
    }
    print_message("%u requests, %u retries, %u failovers, %u hand-offs\n", chaos.done,
                  chaos.retries, chaos.failovers, chaos.hand_offs);
    assert_true(chaos.done > 200 && chaos.retries > 50 && chaos.failovers > 5);
    world_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_applied_once_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
