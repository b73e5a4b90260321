/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients with sessions count, each its own key, while messages are lost, repeated and reordered,
 * primaries are deposed or hand off, members see configurations late and fall out of the in-sync
 * set, and memory is short now and then. What a request answers is one more than the one before it,
 * or an error that changed nothing, and the same however often it is sent and to whom. Others take
 * turns with a lock: tokens grow from one turn to the next, and while one holds it nobody else is
 * granted it, though most ask to be answered before that is committed. Who waits for one hears that
 * its time is over, also while too few are in sync to grant it. */
#include "unit/cluster/partition_chaos.h"

#include "unit/cluster/seed_range.h"

enum {
    CLIENTS = 4,
    HOLDERS = 3,
    CONTEXTS = 1 << 15,
    HOLD_MS = 300,
    NUMBERS = 1 << 12,
    WAITERS = 4
};

struct client {
    uint64_t number; /* of the open request */
    int64_t first_sent_us, sent_ms;
    uint32_t primary; /* whom it will ask */
    uint64_t count;   /* so many were applied */
};

/* A session that acquires and releases the lock, one request after the other. */
struct holder {
    uint64_t number; /* of the open request */
    uint64_t token;  /* held, to be released */
    uint64_t last;   /* the newest that it was granted */
    uint64_t seen;   /* the newest token known anywhere when the request was first sent */
    int64_t sent_ms, first_ms;
    int64_t held_until_ms; /* as far as it knows */
    uint32_t primary;
};

static struct chaos {
    struct client clients[CLIENTS];
    struct holder holders[HOLDERS];
    uint64_t newest_token;
    uint64_t values[CLIENTS][NUMBERS]; /* what each request answered; 0: an error */
    bool is_lock[CONTEXTS];
    uint64_t numbers[CONTEXTS]; /* of what was asked with this context; 0: without a session */
    uint32_t askers[CONTEXTS];
    uint64_t context;
    uint64_t first_waiting;       /* context of the first that waits in vain */
    int64_t waits_until[WAITERS]; /* 0: answered */
    unsigned done, retries, errors, lost, busy, turns, stale;
} chaos;

/* A lock is granted above all tokens that anybody knew when it was asked for, or with the token of
 * the session that holds it still: one that was told it waited in vain, by one primary, may hold it
 * by another's grant. */
static void take_lock_reply(const struct partition_reply *reply) {
    struct holder *h = &chaos.holders[chaos.askers[reply->context]];
    if (chaos.numbers[reply->context] != h->number)
        return; /* of a request that was given up or answered before */
    bool is_known = reply->answer == PARTITION_DONE && reply->lock_answer != LOCK_MOVED &&
                    reply->lock_answer != LOCK_REFUSED;
    if (!is_known) {
        h->primary = 1 + (uint32_t)draw(WORLD_MEMBERS);
        return;
    }
    h->number++;
    h->sent_ms = 0;
    h->held_until_ms = 0;
    if (reply->lock_answer != LOCK_GRANTED) {
        h->token = 0;
        return;
    }
    assert_true(reply->token > h->seen || (reply->token == h->seen && h->seen == h->last));
    h->held_until_ms = lock_lost_at_us(h->first_ms * 1000, HOLD_MS) / 1000;
    for (uint32_t i = 0; h->held_until_ms > world.now_ms && i < HOLDERS; i++)
        assert_true(chaos.holders[i].held_until_ms <= world.now_ms || &chaos.holders[i] == h);
    h->token = h->last = reply->token;
    chaos.newest_token = reply->token > chaos.newest_token ? reply->token : chaos.newest_token;
    chaos.turns++;
}

static void take_reply(const struct partition_reply *reply) {
    uint64_t number = chaos.numbers[reply->context];
    if (chaos.is_lock[reply->context])
        take_lock_reply(reply);
    if (number == 0 || chaos.is_lock[reply->context])
        return;
    struct client *client = &chaos.clients[chaos.askers[reply->context]];
    uint64_t *value = &chaos.values[chaos.askers[reply->context]][number];
    assert_int_not_equal(reply->answer, PARTITION_UNKNOWN_SESSION);
    bool is_lost = reply->answer == PARTITION_RESULT_LOST;
    chaos.busy += reply->answer == PARTITION_BUSY;
    if (reply->answer != PARTITION_DONE && !is_lost) {
        client->primary = 1 + (uint32_t)draw(WORLD_MEMBERS);
        return;
    }
    uint64_t told = world.reply[0] == ':' ? strtoull(world.reply + 1, NULL, 10) : 0;
    if (number != client->number) { /* answered before */
        assert_true(is_lost || told == *value);
        return;
    }
    chaos.lost += is_lost;
    chaos.errors += !is_lost && told == 0;
    client->count += is_lost || told != 0;
    if (told != 0)
        assert_int_equal(told, client->count);
    *value = is_lost ? client->count : told;
    client->number++;
    client->first_sent_us = 0;
    client->sent_ms = 0;
    chaos.done++;
}

static void turn_lock(uint32_t n) {
    struct holder *h = &chaos.holders[n];
    if (chaos.context + 1 == CONTEXTS || (h->sent_ms != 0 && world.now_ms - h->sent_ms < 400))
        return;
    if (h->sent_ms == 0) {
        h->seen = chaos.newest_token;
        h->first_ms = world.now_ms;
    }
    h->sent_ms = world.now_ms;
    uint64_t context = ++chaos.context;
    chaos.numbers[context] = h->number;
    chaos.askers[context] = n;
    chaos.is_lock[context] = true;
    if (h->token != 0)
        h->held_until_ms = 0;
    world.lock_mode = chance(800) ? WRITES_EXECUTED : WRITES_COMMITTED;
    enum lock_request_type type = h->token == 0 ? LOCK_REQUEST_ACQUIRE : LOCK_REQUEST_RELEASE;
    world_lock(h->primary, context, type, 100 + n, h->number,
               (struct lock_request){.token = h->token, .hold_ms = HOLD_MS, .wait_ms = 300});
}

static void ask(uint32_t asker) {
    struct client *client = &chaos.clients[asker];
    if (client->sent_ms != 0 && (world.now_ms - client->sent_ms < 300 || chance(500)))
        return;
    if (chaos.context + 1 == CONTEXTS || client->number + 1 == NUMBERS)
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
    const char *format = COMMANDS[draw(6)];
    unsigned key = (unsigned)draw(30), value = (unsigned)draw(1000) + 1;
    (void)snprintf(command, sizeof(command), format, key, value);
    if (chaos.context + 1 == CONTEXTS)
        return;
    enum partition_read_mode mode = (enum partition_read_mode)draw(3);
    enum write_mode writes = chance(500) ? WRITES_EXECUTED : WRITES_COMMITTED;
    world_request(1 + (uint32_t)draw(WORLD_MEMBERS), ++chaos.context, command,
                  (struct partition_request){.read_mode = mode, .write_mode = writes});
    chaos.stale += world.answer == PARTITION_DONE && world.as_of_us != 0;
}

/* ---- chance ---- */

static void round_of_chance(void) {
    world.now_ms += 1 + (int64_t)draw(15);
    for (uint32_t client = 0; client < CLIENTS; client++)
        if (chance(200))
            ask(client);
    for (uint32_t holder = 0; holder < HOLDERS; holder++)
        if (chance(100))
            turn_lock(holder);
    if (chance(300))
        write_something();
    if (chance(60))
        run_short_of_memory();
    if (chance(60))
        have_memory_again();
    note_proposal();
    for (uint32_t n = A; n <= C; n++)
        step_member(n);
    meddle_with_messages();
    if (group_chaos.proposal_count > 0 && chance(300))
        decide((uint32_t)draw(group_chaos.proposal_count));
    if (chance(20))
        add_learners();
    if (chance(4))
        fail_over();
    if (chance(3))
        hand_off();
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
        (void)snprintf(expected, sizeof(expected), "%u", (unsigned)c->count);
        assert_int_equal(world.answer, PARTITION_DONE);
        assert_true(c->count == 0 || strstr(world.reply, expected) != NULL);
    }
}

/* ---- locks that nobody can be granted ---- */

static void take_waiter_reply(const struct partition_reply *reply) {
    uint64_t i = reply->context - chaos.first_waiting;
    if (i >= WAITERS)
        return;
    assert_int_equal(reply->answer, PARTITION_DONE);
    assert_int_equal(reply->lock_answer, LOCK_TIMED_OUT);
    assert_true(chaos.waits_until[i] != 0 && world.now_ms >= chaos.waits_until[i]);
    chaos.waits_until[i] = 0;
}

static void ask_for_scarce(uint32_t primary, uint64_t session, uint32_t wait_ms) {
    uint64_t context = ++chaos.context;
    world_lock(primary, context, LOCK_REQUEST_ACQUIRE, 200 + session, context,
               (struct lock_request){
                   .name = SLICE_LITERAL("scarce"), .hold_ms = 5000, .wait_ms = wait_ms});
    world_deliver("");
}

/* One holds the lock, others ask for it, and a backup is lost while they wait. */
static void wait_in_vain(void) {
    uint32_t min_insync = world.group->settings.min_insync;
    uint32_t primary = world.group->partitions[0].primary;
    world_require_in_sync(WORLD_MEMBERS);
    ask_for_scarce(primary, 0, 0);
    world.on_reply = take_waiter_reply;
    chaos.first_waiting = chaos.context + 1;
    for (uint64_t i = 0; i < WAITERS; i++) {
        uint32_t wait_ms = 1 + (uint32_t)draw(1500);
        chaos.waits_until[i] = world.now_ms + wait_ms;
        ask_for_scarce(primary, 1 + i, wait_ms);
    }
    int lost_at = (int)draw(100);
    for (int i = 0; i < 160; i++) {
        if (i == lost_at)
            change(CONFIG_SHRINK, primary % WORLD_MEMBERS + 1);
        world.now_ms += 10;
        world_see(primary);
        world_hear_coordinator(primary);
        world_promise_all();
        world_tick(primary);
        world_deliver("");
    }
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_int_equal(chaos.waits_until[i], 0);
    world.on_reply = take_reply;
    world_require_in_sync(min_insync);
}

static void run(uint64_t seed) {
    struct partition_options options = {.sweep_every_us = 20000, .digest_every_us = 2560000};
    chaos = (struct chaos){0};
    print_message("LARDER_TEST_SEED=%llu: ", (unsigned long long)seed);
    group_chaos = (struct group_chaos){.random = random_seeded(seed)};
    world_begin(&options);
    world.is_quiet = true;
    world.on_reply = take_reply;
    for (uint32_t i = 0; i < CLIENTS; i++)
        chaos.clients[i] = (struct client){.number = 1, .primary = A};
    for (uint32_t i = 0; i < HOLDERS; i++)
        chaos.holders[i] = (struct holder){.number = 1, .primary = A};
    for (int phase = 0; phase < 3; phase++) {
        for (int i = 0; i < 2500; i++)
            round_of_chance();
        have_memory_again();
        calm_down();
        const struct partition_config *p = &world.group->partitions[0];
        assert_int_equal(p->in_sync.count, WORLD_MEMBERS);
        check_counts();
        wait_in_vain();
        calm_down();
        assert_true(world_agree(A, B));
        assert_true(world_agree(A, C));
        for (uint32_t n = A; n <= C; n++)
            assert_int_equal(
                copying_counters(partition_copying(world.members[n].partition))->divergence_total,
                0);
    }
    print_message("%u requests, %u retries, %u busy, %u errors, %u results "
                  "lost, %u failovers, "
                  "%u hand-offs, %u locks, %u stale reads\n",
                  chaos.done, chaos.retries, chaos.busy, chaos.errors, chaos.lost,
                  group_chaos.failovers, group_chaos.hand_offs, chaos.turns, chaos.stale);
    assert_true(chaos.done > 200 && chaos.retries > 50 && group_chaos.failovers > 5);
    assert_true(chaos.busy > 0 && chaos.turns > 50 && chaos.stale > 20);
    world_end();
}

static void requests_are_applied_once_whatever_happens(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(6);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_applied_once_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
