/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions and memory under chance. Clients watch keys and write them if nobody did meanwhile,
 * some with tokens of several locks; what was not answered is sent again, and what was answered
 * comes late. Others write, remove, flush and let expire the same keys, and watch so many that
 * watches are dropped. Machines are above their limits, or are told that others are, and evict.
 * transaction_rules.h says what must hold. */
#include "unit/cluster/seed_range.h"
#include "unit/cluster/transaction_rules.h"

/* ---- requests ---- */

static void take(uint32_t member, struct partition_request request) {
    request.deadline_us = (world.now_ms + 2000) * 1000;
    assert_int_equal(world_step(member, (struct partition_input){.type = PARTITION_REQUEST,
                                                                 .request = &request}),
                     LARDER_OK);
}

static size_t say_action(const struct sent *s, uint64_t at, uint32_t i, char *text,
                         struct slice *words) {
    const char *name = key_names[s->keys[i]];
    int padding = s->keys[i] < WATCHED ? 0 : LONG;
    if (s->actions[i] == SET)
        (void)snprintf(text, LONG + 64, "SET %s v%0*u", name, padding, (unsigned)at);
    else if (s->actions[i] == SET_FOR_A_WHILE)
        (void)snprintf(text, LONG + 64, "SET %s v%0*u PX %u", name, padding, (unsigned)at,
                       s->life_ms);
    else if (s->actions[i] == REMOVE)
        (void)snprintf(text, LONG + 64, "DEL %s", name);
    else
        (void)snprintf(text, LONG + 64, "FLUSHALL");
    return world_words(text, words);
}

static void send_to(uint32_t member, uint64_t at) {
    static char texts[KEYS_EACH][LONG + 64];
    static struct slice words[2 * KEYS_EACH][WORLD_WORDS_MAX];
    struct store_command commands[2 * KEYS_EACH];
    const struct sent *s = &test.sent[at];
    struct request_id id = {
        .client = {s->session, 1}, .number = at, .lowest = at, .first_sent_us = s->first_sent_us};
    for (uint32_t i = 0; i < s->key_count; i++) {
        words[2 * i][0] = SLICE_LITERAL("GET");
        words[2 * i][1] = slice_of_string(key_names[s->keys[i]]);
        commands[2 * i] = (struct store_command){words[2 * i], 2};
        commands[2 * i + 1] = (struct store_command){
            words[2 * i + 1], say_action(s, at, i, texts[i], words[2 * i + 1])};
    }
    struct partition_request request = {.kind = PARTITION_EXEC,
                                        .context = at,
                                        .id = &id,
                                        .fences = s->fences,
                                        .fence_count = s->fence_count,
                                        .watches = s->watches,
                                        .watch_count = s->watch_count,
                                        .commands = commands,
                                        .command_count = 2 * s->key_count};
    if (s->client == OTHERS) {
        request.kind = PARTITION_COMMAND;
        request.argv = commands[1].argv;
        request.argc = commands[1].argc;
    }
    take(member, request);
}

static struct sent *new_request(uint32_t client, uint64_t session) {
    struct sent *s = &test.sent[++test.sent_count];
    *s = (struct sent){.client = client,
                       .session = session,
                       .life_ms = 1 + (unsigned)draw(300),
                       .first_sent_us = world_time_us(world.now_ms)};
    return s;
}

static void draw_keys(struct sent *s) {
    s->key_count = 1 + (uint32_t)draw(KEYS_EACH);
    uint32_t first = (uint32_t)draw(WATCHED);
    for (uint32_t i = 0; i < s->key_count; i++) {
        s->keys[i] = (first + i) % WATCHED;
        s->actions[i] = (enum action)draw(FLUSH);
    }
}

/* Of some locks, one after the other: newer ones, the newest, older ones. */
static void draw_tokens(struct sent *s) {
    for (uint32_t lock = 0; lock < LOCKS; lock++) {
        if (chance(400))
            continue;
        uint64_t newest = test.tokens[lock], back = chance(200) ? draw(4) : 0;
        s->locks[s->fence_count] = lock;
        s->fences[s->fence_count++] = (struct partition_fence){
            slice_of_string(LOCK_NAMES[lock]), back < newest ? newest - back + draw(3) : 1};
    }
}

static void begin_watch(struct client *client) {
    struct slice words[KEYS_EACH];
    client->watch_count = 1 + (uint32_t)draw(KEYS_EACH);
    for (uint32_t i = 0; i < client->watch_count; i++) {
        client->watched[i] = (uint32_t)draw(WATCHED);
        words[i] = slice_of_string(key_names[client->watched[i]]);
    }
    client->watching = WATCHES + ++test.watch_count;
    client->asked_ms = world.now_ms;
    take(client->primary, (struct partition_request){.kind = PARTITION_WATCH,
                                                     .context = client->watching,
                                                     .argv = words,
                                                     .argc = client->watch_count});
}

static void begin_exec(uint32_t c) {
    struct client *client = &test.clients[c];
    struct sent *s = new_request(c, client->session);
    draw_keys(s);
    if (chance(400))
        draw_tokens(s);
    s->watch_count = client->watch_count;
    memcpy(s->watches, client->watches, sizeof(s->watches));
    memcpy(s->watched, client->watched, sizeof(s->watched));
    client->watch_count = 0;
    client->open = test.sent_count;
    client->asked_ms = INT64_MIN / 2;
}

static void act_as_client(uint32_t c) {
    struct client *client = &test.clients[c];
    if (client->watching != 0 && world.now_ms - client->asked_ms > 300) {
        client->watching = 0; /* gives up */
        client->watch_count = 0;
    }
    if (client->watching != 0 || world.now_ms < client->acts_ms || test.sent_count + 8 >= REQUESTS)
        return;
    if (client->open == 0 && client->watch_count == 0 && chance(700)) {
        begin_watch(client);
        return;
    }
    if (client->open == 0)
        begin_exec(c);
    if (world.now_ms - client->asked_ms < 300)
        return;
    client->asked_ms = world.now_ms;
    send_to(client->primary, client->open);
}

/* Something that was sent before comes again. */
static void repeat_something(void) {
    uint64_t back = draw(10);
    if (back >= test.sent_count)
        return;
    uint64_t at = test.sent_count - back;
    const struct sent *s = &test.sent[at];
    bool is_open = s->client != OTHERS && test.clients[s->client].open == at;
    if (is_open && test.clients[s->client].asked_ms < 0)
        return; /* not sent yet */
    totals.late += !is_open;
    send_to(1 + (uint32_t)draw(WORLD_MEMBERS), at);
}

static uint32_t any_member(void) {
    uint32_t primary = world.group->partitions[0].primary;
    return chance(800) ? primary : 1 + (uint32_t)draw(WORLD_MEMBERS);
}

static void act_as_others(void) {
    if (test.sent_count + 8 >= REQUESTS)
        return;
    struct sent *s = new_request(OTHERS, ++test.session_count);
    s->key_count = 1;
    s->keys[0] = (uint32_t)(chance(500) ? draw(WATCHED) : draw(KEYS));
    s->actions[0] = chance(20) ? FLUSH : (enum action)draw(FLUSH);
    send_to(any_member(), test.sent_count);
}

static void watch_many(void) {
    static char names[CROWD_EACH][12];
    struct slice words[CROWD_EACH];
    for (uint32_t i = 0; i < CROWD_EACH; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "w%u", (unsigned)draw(CROWD));
        words[i] = slice_of_string(names[i]);
    }
    take(any_member(),
         (struct partition_request){
             .kind = PARTITION_WATCH, .context = WATCHES, .argv = words, .argc = CROWD_EACH});
}

/* ---- memory ---- */

static void set_memory(uint32_t n, enum eviction_policy policy, int64_t limit) {
    struct node *node = world.members[n].host->node;
    atomic_store(&node->keyspace.policy, (uint32_t)policy);
    atomic_store(&node->max_memory_bytes, limit);
}

static void change_pressure(void) {
    world.pressure = chance(500) ? (uint32_t)draw(1001) : 1001 + (uint32_t)draw(1500);
    test.is_full |= world.pressure > 1000;
}

static void change_limits(void) {
    for (uint32_t n = A; n <= C; n++) {
        int64_t used = node_used_bytes(world.members[n].host->node);
        set_memory(n, test.policy, chance(300) ? 0 : used / 2 + (int64_t)draw((uint64_t)used));
    }
    test.is_full = true;
}

/* ---- a run ---- */

static void round_of_chance(void) {
    world.now_ms += 1 + (int64_t)draw(10);
    for (uint32_t c = 0; c < CLIENTS; c++)
        if (chance(300))
            act_as_client(c);
    if (chance(150))
        repeat_something();
    if (chance(300))
        act_as_others();
    if (test.is_crowded && chance(100))
        watch_many();
    if (test.is_pressed && chance(10))
        change_pressure();
    if (test.is_limited && chance(10))
        change_limits();
    note_proposal();
    for (uint32_t n = A; n <= C; n++)
        step_member(n);
    if (chance(100))
        compare(1 + (uint32_t)draw(WORLD_MEMBERS));
    meddle_with_messages();
    if (group_chaos.proposal_count > 0 && chance(300))
        decide((uint32_t)draw(group_chaos.proposal_count));
    if (chance(40))
        add_learners();
    if (chance(4))
        fail_over();
    if (chance(4))
        hand_off();
    if (test.is_short && chance(60))
        run_short_of_memory();
    if (chance(60))
        have_memory_again();
}

static void pass(int ms) {
    for (int i = 0; i < ms; i += 10) {
        world.now_ms += 10;
        world_promise_all();
        for (uint32_t n = A; n <= C; n++)
            world_tick(n);
        world_deliver("");
    }
}

/* Nobody is above a limit any more; then another machine is. */
static void check_room(void) {
    uint32_t primary = world.group->partitions[0].primary;
    for (uint32_t n = A; n <= C; n++)
        set_memory(n, test.policy, 0);
    world.pressure = 0;
    pass(200);
    test.is_full = false;
    for (uint32_t key = WATCHED; key < KEYS; key++) {
        struct sent *s = new_request(OTHERS, ++test.session_count);
        s->key_count = 1;
        s->keys[0] = key;
        s->actions[0] = chance(500) ? SET : SET_FOR_A_WHILE;
        s->life_ms += 10000;
        send_to(primary, test.sent_count);
        world_deliver("");
    }
    pass(400);
    require(count_long() == KEYS - WATCHED, "a key is missing that was to stay");
    world.pressure = 1200 + (uint32_t)draw(3000);
    test.is_full = true;
    pass(400);
    unsigned left = count_long();
    totals.squeezed += left < KEYS - WATCHED;
    require(left < KEYS - WATCHED || test.policy == EVICTION_NONE,
            "a primary makes no room for a machine that is full");
}

static void check_end(void) {
    require(world.group->partitions[0].in_sync.count == WORLD_MEMBERS, "somebody stays away");
    require(world_agree(A, B) && world_agree(A, C), "replicas stay different");
    for (uint32_t n = A; n <= C; n++) {
        require(holds_the_same(n), "a member holds something else than what is committed");
        require(copying_counters(partition_copying(world.members[n].partition))->divergence_total ==
                    0,
                "data differs that nobody damaged");
    }
}

static void begin(uint64_t seed) {
    memset(&test, 0, sizeof(test));
    test.seed = seed;
    group_chaos = (struct group_chaos){.random = random_seeded(seed)};
    test.is_short = chance(200);
    test.is_crowded = chance(400);
    test.is_pressed = chance(250);
    test.is_limited = chance(250);
    test.policy = (enum eviction_policy)draw(EVICTION_VOLATILE_TTL + 1);
    for (uint32_t key = 0; key < KEYS; key++)
        (void)snprintf(key_names[key], sizeof(key_names[key]), "k%u", key);
    struct store_host_options host = {.partition_count = 1, .hash_seed = 1, .random_seed = 9};
    assert_int_equal(store_host_create(&host, &test.host), LARDER_OK);
    test.judge = store_host_partition(test.host, 0);
    struct partition_options options = {.sweep_every_us = chance(500) ? 10000 : 100000,
                                        .digest_every_us = 2560000};
    world_begin(&options);
    world.is_quiet = true;
    world.on_reply = take_reply;
    world.on_commit = take_record;
    test.length = partition_replica(world.members[A].partition)->commit;
    for (uint64_t s = 1; s <= test.length; s++)
        test.terms[s] = 1;
    for (uint32_t n = A; n <= C; n++)
        set_memory(n, test.policy, 0);
    for (uint32_t c = 0; c < CLIENTS; c++)
        test.clients[c] = (struct client){.session = ++test.session_count, .primary = A};
}

static void run(uint64_t seed) {
    begin(seed);
    for (int i = 0; i < ROUNDS; i++)
        round_of_chance();
    have_memory_again();
    calm_down();
    check_end();
    check_room();
    check_end();
    world_end();
    store_host_destroy(test.host);
}

static void transactions_and_memory_are_as_promised(void **state) {
    (void)state;
    struct seed_range seeds = seed_range(40);
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    print_message(
        "%u requests executed, %u answered, %u late copies; %u watches broken, %u dropped; "
        "%u fenced; %u keys expired, %u evicted, %u flushes; %u comparisons, %u squeezed\n",
        totals.executed, totals.answered, totals.late, totals.changed, totals.dropped,
        totals.fenced, totals.expired, totals.evicted, totals.flushed, totals.compared,
        totals.squeezed);
    if (seeds.count < 20)
        return;
    assert_true(totals.answered > 50 * seeds.count && totals.late > 20 * seeds.count &&
                totals.changed > 10 * seeds.count && totals.dropped > seeds.count / 2);
    assert_true(totals.fenced > 2 * seeds.count && totals.expired > 10 * seeds.count &&
                totals.evicted > 10 * seeds.count && totals.flushed > seeds.count);
    assert_true(totals.compared > 10 * seeds.count && totals.squeezed > seeds.count / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_and_memory_are_as_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
