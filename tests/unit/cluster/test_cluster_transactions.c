/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that are more than one command, or depend on something: EXEC with watches and tokens,
 * scripts, requests that are given up. */
#include "cluster/partition_core.h"
#include "unit/cluster/partition_world.h"

enum { COMMANDS_MAX = 8 };

static int begin(void **state) {
    (void)state;
    world_begin(&(struct partition_options){.digest_every_us = -1});
    return 0;
}

static int end(void **state) {
    (void)state;
    world_end();
    return 0;
}

static void expect(const char *text) {
    golden_expect(&world.golden, text);
}

static void forget(void) {
    world.golden.size = 0;
    world.golden.text[0] = 0;
}

static void take(uint32_t n, struct partition_request request) {
    request.deadline_us = (world.now_ms + 2000) * 1000;
    world.answer = 0;
    assert_int_equal(
        world_step(n, (struct partition_input){.type = PARTITION_REQUEST, .request = &request}),
        LARDER_OK);
}

/* Commands are separated by "; ". */
static void exec(uint32_t n, uint64_t context, const char *text, struct partition_request request) {
    static char copy[COMMANDS_MAX][256];
    static struct slice words[COMMANDS_MAX][WORLD_WORDS_MAX];
    struct store_command commands[COMMANDS_MAX];
    size_t count = 0;
    while (*text != 0) {
        const char *stop = strstr(text, "; ");
        size_t size = stop == NULL ? strlen(text) : (size_t)(stop - text);
        assert_true(count < COMMANDS_MAX && size < sizeof(copy[0]));
        memcpy(copy[count], text, size);
        copy[count][size] = 0;
        commands[count] =
            (struct store_command){words[count], world_words(copy[count], words[count])};
        count++;
        text += size + (stop == NULL ? 0 : 2);
    }
    request.kind = PARTITION_EXEC;
    request.context = context;
    request.commands = commands;
    request.command_count = count;
    take(n, request);
}

static uint64_t watched_term, watched_sequence;

static void note_watch(const struct partition_reply *reply) {
    if (reply->watched_sequence == 0)
        return;
    watched_term = reply->watched_term;
    watched_sequence = reply->watched_sequence;
}

/* What a client holds after WATCH. */
static struct partition_watch watch(uint32_t n, const char *key) {
    struct slice text = slice_of_string(key);
    world.on_reply = note_watch;
    watched_sequence = 0;
    take(n, (struct partition_request){
                .kind = PARTITION_WATCH, .context = 99, .argv = &text, .argc = 1});
    world_deliver("");
    assert_true(watched_sequence > 0);
    return (struct partition_watch){text, watched_term, watched_sequence};
}

static void exec_if(uint32_t n, uint64_t context, const char *text,
                    const struct partition_watch *watched) {
    exec(n, context, text, (struct partition_request){.watches = watched, .watch_count = 1});
}

/* Its store finds no more than this. */
static void leave_memory(uint32_t n, size_t bytes) {
    struct test_allocator *a = &world.members[n].store_allocator;
    a->bytes_max = a->heap_bytes + a->mapped_bytes + bytes + 1;
}

/* ---- EXEC ---- */

static void a_transaction_is_one_record(void **state) {
    (void)state;
    world.shows_messages = true;
    exec(A, 1, "SET k 1; INCR k; SET text t; INCR text; GET k", (struct partition_request){0});
    expect("  A>B RECORDS 1.1 +1 effect\n"
           "  A>C RECORDS 1.1 +1 effect\n");
    world.shows_messages = false;
    world_deliver("");
    expect("  A: 1 DONE *5| +OK| :2| +OK| -ERR value is not an integer or out of range| $1| 2\n");
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

static void a_transaction_that_only_reads_is_a_read(void **state) {
    (void)state;
    exec(A, 1, "GET k; EXISTS k", (struct partition_request){0});
    assert_int_equal(world.queued, 0);
    expect("  A: 1 DONE *2| $-1| :0\n");
}

static void a_transaction_with_a_command_that_cannot_run_does_nothing(void **state) {
    (void)state;
    exec(A, 1, "SET k 1; NOTHING k", (struct partition_request){0});
    exec(A, 2, "SET k 1; PING", (struct partition_request){0});
    exec(A, 3, "EXISTS k", (struct partition_request){0});
    expect("  A: 1 DONE -ERR unknown command\n"
           "  A: 2 DONE -ERR 'ping' is no command of one partition\n"
           "  A: 3 DONE *1| :0\n");
}

static void a_transaction_sent_again_is_answered_and_not_executed(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)};
    exec(A, 1, "INCR k; INCR k", (struct partition_request){.id = &id});
    world_deliver("");
    exec(A, 2, "INCR k; INCR k", (struct partition_request){.id = &id});
    fail_over_to_b();
    exec(B, 3, "INCR k; INCR k", (struct partition_request){.id = &id});
    exec(B, 4, "GET k", (struct partition_request){0});
    expect("  A: 1 DONE *2| :1| :2\n"
           "  A: 2 DONE *2| :1| :2\n"
           "  B: 3 DONE *2| :1| :2\n"
           "  B: 4 DONE *1| $1| 2\n");
}

static void a_transaction_is_parked_whole(void **state) {
    (void)state;
    struct partition_fence fences[] = {{SLICE_LITERAL("one"), 5}, {SLICE_LITERAL("two"), 6}};
    world_change(CONFIG_ELECT, B);
    world_see(B);
    world_see(C);
    exec(B, 1, "SET k v; APPEND k w",
         (struct partition_request){.fences = fences, .fence_count = 2});
    memset(fences, 0, sizeof(fences));
    world_deliver("A");
    world.now_ms += 250;
    world_hear_coordinator(B);
    world_promise(C, B, world.now_ms);
    world_tick(B);
    world_deliver("A");
    world_tick(B);
    world_deliver("A");
    expect("  B is elected\n"
           "  B is open\n"
           "  B: 1 DONE *2| +OK| :2\n");
    assert_int_equal(
        locks_fence_of(partition_locks(world.members[C].partition), SLICE_LITERAL("two")), 6);
    assert_true(world_agree(B, C));
}

/* Whatever allocation fails, the store has all of it or nothing, and so have the others. */
static void without_memory_a_transaction_does_nothing(void **state) {
    (void)state;
    static char text[256], value[100];
    unsigned refused = 0, done = 0;
    world.is_quiet = true;
    memset(value, 'v', sizeof(value) - 1);
    for (unsigned i = 0; i < 400; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "SET old%u 1", i);
        world_do(A, 1, key);
        world_deliver("");
        leave_memory(A, (size_t)(i % 60) * 16384);
        (void)snprintf(text, sizeof(text),
                       "INCR old%u; HSET h%u f %s; RPUSH l x; DEL old%u; SADD s%u a b c", i, i,
                       value, i, i);
        exec(A, 2, text, (struct partition_request){0});
        world.members[A].store_allocator.bytes_max = 0;
        world_deliver("");
        bool is_done = world.answer == PARTITION_DONE && world.reply[0] == '*';
        bool is_refused =
            world.answer == PARTITION_BUSY || strncmp(world.reply, "-EXECABORT", 10) == 0;
        assert_true(is_done || is_refused);
        refused += is_refused;
        done += is_done;
        (void)snprintf(text, sizeof(text), "EXISTS old%u h%u s%u", i, i, i);
        world_do(A, 3, text);
        assert_string_equal(world.reply, is_done ? ":2" : ":1");
        world_do(A, 4, "LLEN l");
        (void)snprintf(text, sizeof(text), ":%u", done);
        assert_string_equal(world.reply, text);
        world.now_ms += 1;
        world_promise_all();
    }
    assert_true(refused > 20);
    assert_true(done > 20);
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

/* The last command wants more than there is; what the first ones did must go. */
static void what_was_done_before_memory_ran_out_is_taken_back(void **state) {
    (void)state;
    exec(A, 1, "SET k 1; RPUSH l a b; HSET h f v; SET gone x", (struct partition_request){0});
    world_deliver("");
    forget();
    leave_memory(A, 200000);
    exec(A, 2, "INCR k; RPUSH l c; DEL h; SET new v; DEL gone; SETRANGE big 500000 x; INCR k",
         (struct partition_request){0});
    world.members[A].store_allocator.bytes_max = 0;
    world_deliver("");
    exec(A, 3, "GET k; LRANGE l 0 -1; HGET h f; EXISTS new; GET gone; EXISTS big",
         (struct partition_request){0});
    expect("  A: 2 DONE -EXECABORT Transaction discarded because of: OOM command not allowed when "
           "used memory > 'maxmemory'.\n"
           "  A: 3 DONE *6| $1| 1| *2| $1| a| $1| b| $1| v| :0| $1| x| :0\n");
    assert_true(world_agree(A, B));
}

/* Nor is there any to put things back: nothing else is done before that, and then all is well. */
static void what_finds_no_memory_to_be_put_back_waits_for_it(void **state) {
    (void)state;
    struct test_allocator *a = &world.members[A].store_allocator;
    unsigned waited = 0;
    world.is_quiet = true;
    for (unsigned i = 1; i < 60; i++) {
        exec(A, 1, "SET k 1; DEL l; HSET l a 1 b 2 c 3 d 4", (struct partition_request){0});
        world_deliver("");
        test_allocator_fail_in(a, i, 1);
        exec(A, 2, "INCR k; DEL l; SETRANGE m 100000 x", (struct partition_request){0});
        world_deliver("");
        world_do(A, 3, "GET k");
        waited += world.answer == PARTITION_BUSY;
        test_allocator_fail_never(a);
        world_tick(A);
        world_do(A, 4, "DEL m");
        world_deliver("");
        bool is_done = strcmp(world.reply, ":1") == 0;
        world_do(A, 5, "HLEN l");
        assert_string_equal(world.reply, is_done ? ":0" : ":4");
        world_do(A, 6, "GET k");
        assert_string_equal(world.reply, is_done ? "$1| 2" : "$1| 1");
        assert_true(world_agree(A, B));
        world.now_ms += 1;
        world_promise_all();
    }
    assert_true(waited > 0);
    assert_true(world_agree(A, C));
}

/* ---- watched keys ---- */

static void a_transaction_whose_key_was_changed_is_not_done(void **state) {
    (void)state;
    struct partition_watch k = watch(A, "k"), other = watch(A, "other");
    world.is_quiet = true;
    world_do(A, 1, "SET k v");
    world_deliver("");
    world.is_quiet = false;
    forget();
    exec_if(A, 2, "SET k w", &k);
    exec_if(A, 3, "SET other w", &other);
    world_deliver("");
    world_do(A, 4, "GET k");
    expect("  A: 2 WATCH BROKEN\n"
           "  A: 3 DONE *1| +OK\n"
           "  A: 4 DONE $1| v\n");
    k = watch(A, "k");
    world_do(A, 5, "SETNX k x"); /* changes nothing */
    forget();
    exec_if(A, 6, "SET k w", &k);
    world_deliver("");
    expect("  A: 6 DONE *1| +OK\n");
}

static void a_key_that_expires_or_is_flushed_is_changed(void **state) {
    (void)state;
    world_do(A, 1, "SET k v PX 100");
    world_do(A, 1, "SET l v PX 100");
    world_deliver("");
    struct partition_watch k = watch(A, "k"), l = watch(A, "l"), none = watch(A, "none");
    world.now_ms += 200;
    world_promise_all();
    forget();
    exec_if(A, 2, "SET k w", &k);
    world_deliver("");
    world_tick(A); /* sweeps the other one */
    world_deliver("");
    exec_if(A, 3, "SET l w", &l);
    exec_if(A, 4, "SET none w", &none);
    world_deliver("");
    expect("  A: 2 WATCH BROKEN\n"
           "  A: 3 WATCH BROKEN\n"
           "  A: 4 DONE *1| +OK\n");
    k = watch(A, "k");
    world_do(A, 5, "FLUSHALL");
    world_deliver("");
    forget();
    exec_if(A, 6, "SET k w", &k);
    expect("  A: 6 WATCH BROKEN\n");
    assert_true(world_agree(A, B));
}

static void a_watch_that_was_dropped_is_broken(void **state) {
    (void)state;
    struct partition_watch first = watch(A, "k"), invented = first;
    invented.key = SLICE_LITERAL("never watched");
    world.is_quiet = true;
    for (unsigned i = 0; i < 8000; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key%u", i);
        (void)watch(A, key);
    }
    world.is_quiet = false;
    forget();
    exec_if(A, 1, "SET k v", &first);
    exec_if(A, 2, "SET k v", &invented);
    world_deliver("");
    fail_over_to_b();
    exec_if(B, 3, "SET k v", &first);
    expect("  A: 1 WATCH BROKEN\n"
           "  A: 2 WATCH BROKEN\n"
           "  B: 3 WATCH BROKEN\n");
}

/* That a watch is broken is true for ever, that there is no memory is not. */
static void without_memory_no_watch_is_broken(void **state) {
    (void)state;
    struct test_allocator *a = &world.members[A].store_allocator;
    struct partition_watch k = watch(A, "k");
    unsigned waited = 0;
    world.is_quiet = true;
    for (unsigned i = 1; i < 60; i++) {
        exec(A, 1, "DEL l; HSET l a 1 b 2 c 3 d 4", (struct partition_request){0});
        world_deliver("");
        test_allocator_fail_in(a, i, 1);
        exec(A, 2, "DEL l; SETRANGE m 100000 x", (struct partition_request){0});
        world_deliver("");
        exec_if(A, 3, "GET k", &k);
        waited += world.answer == PARTITION_BUSY;
        assert_int_not_equal(world.answer, PARTITION_WATCH_BROKEN);
        test_allocator_fail_never(a);
        world_tick(A);
        exec_if(A, 4, "GET k", &k);
        assert_int_equal(world.answer, PARTITION_DONE);
        world_do(A, 5, "DEL m");
        world_deliver("");
        world.now_ms += 1;
        world_promise_all();
    }
    assert_true(waited > 0);
}

/* Who was told that its watch is broken is not executed when it is sent again, though the key is
 * watched anew and nothing was changed. */
static void a_dropped_watch_stays_broken(void **state) {
    (void)state;
    static char names[8000][16];
    static struct slice keys[8000];
    struct slice name = SLICE_LITERAL("k");
    struct partition_watch first = watch(A, "k");
    for (unsigned i = 0; i < 8000; i++)
        keys[i] = slice_of(names[i], (size_t)snprintf(names[i], sizeof(names[i]), "key%u", i));
    take(A, (struct partition_request){
                .kind = PARTITION_WATCH, .context = 99, .argv = keys, .argc = 8000});
    forget();
    exec_if(A, 1, "SET k v", &first);
    world_deliver("");
    take(A, (struct partition_request){
                .kind = PARTITION_WATCH, .context = 99, .argv = &name, .argc = 1});
    exec_if(A, 2, "SET k v", &first);
    world_deliver("");
    expect("  A: 1 WATCH BROKEN\n"
           "  A: 99 DONE\n"
           "  A: 2 WATCH BROKEN\n");
}

/* It broke its watch itself, and then the term changed: neither is what became of it. */
static void what_was_done_is_told_whatever_became_of_the_watch(void **state) {
    (void)state;
    struct partition_watch k = watch(A, "k");
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)};
    struct partition_request request = {
        .id = &id, .watched_term = k.term, .watches = &k, .watch_count = 1};
    forget();
    exec(A, 1, "INCR k", request);
    world_deliver("");
    exec(A, 2, "INCR k", request);
    fail_over_to_b();
    exec(B, 3, "INCR k", request);
    expect("  A: 1 DONE *1| :1\n"
           "  A: 2 DONE *1| :1\n"
           "  B: 3 DONE *1| :1\n");
}

/* ---- tokens ---- */

static void every_token_of_a_transaction_must_be_valid(void **state) {
    (void)state;
    struct partition_fence good[] = {{SLICE_LITERAL("one"), 5}, {SLICE_LITERAL("two"), 6}};
    struct partition_fence bad[] = {{SLICE_LITERAL("one"), 7}, {SLICE_LITERAL("two"), 5}};
    struct partition_fence both[] = {{SLICE_LITERAL("one"), 8}, {SLICE_LITERAL("one"), 9}};
    exec(A, 1, "SET k 1; SET l 1", (struct partition_request){.fences = good, .fence_count = 2});
    world_deliver("");
    exec(A, 2, "SET k 2; SET l 2", (struct partition_request){.fences = bad, .fence_count = 2});
    exec(A, 3, "SET k 3; SET l 3", (struct partition_request){.fences = both, .fence_count = 2});
    world_deliver("");
    fail_over_to_b();
    bad[0].token = 4;
    exec(B, 4, "SET k 4", (struct partition_request){.fences = bad, .fence_count = 1});
    bad[0].token = 5; /* refused as a whole before: 7 was not seen */
    exec(B, 5, "GET k", (struct partition_request){.fences = bad, .fence_count = 1});
    expect("  A: 1 DONE *2| +OK| +OK\n"
           "  A: 2 FENCED\n"
           "  A: 3 FENCED\n"
           "  B: 4 FENCED\n"
           "  B: 5 DONE *1| $1| 1\n");
    assert_true(world_agree(B, C));
}

static void too_many_tokens_are_refused(void **state) {
    (void)state;
    struct partition_fence many[PARTITION_FENCES_MAX + 1];
    char names[PARTITION_FENCES_MAX + 1] = "abcdefghi";
    for (size_t i = 0; i <= PARTITION_FENCES_MAX; i++)
        many[i] = (struct partition_fence){slice_of(names + i, 1), 5};
    exec(A, 1, "SET k 1",
         (struct partition_request){.fences = many, .fence_count = PARTITION_FENCES_MAX + 1});
    exec(A, 2, "SET k 1",
         (struct partition_request){.fences = many, .fence_count = PARTITION_FENCES_MAX});
    world_deliver("");
    expect("  A: 1 REFUSED\n"
           "  A: 2 DONE *1| +OK\n");
    assert_true(world_agree(A, B));
}

/* A mark that found memory is logged, whatever became of the rest. */
static void without_memory_for_marks_replicas_stay_equal(void **state) {
    (void)state;
    world.is_quiet = true;
    for (uint64_t i = 0; i < 200; i++) {
        struct partition_fence fences[3];
        char names[3][16];
        for (unsigned k = 0; k < 3; k++) {
            int size = snprintf(names[k], sizeof(names[k]), "%c%u", 'a' + (char)k, (unsigned)i);
            fences[k] = (struct partition_fence){slice_of(names[k], (size_t)size), 5 + i};
        }
        test_allocator_fail_in(&world.members[A].allocator, 1 + i % 8, 1);
        exec(A, 1, "INCR k", (struct partition_request){.fences = fences, .fence_count = 3});
        test_allocator_fail_never(&world.members[A].allocator);
        world_deliver("");
        world_promise_all();
    }
    world_do(A, 2, "SET last v");
    world_deliver("");
    assert_true(world_agree(A, B));
    assert_true(world_agree(A, C));
}

/* ---- scripts ---- */

static void run_script(uint32_t n, uint64_t context, const char *script, const char *key,
                       struct partition_request request) {
    struct slice words[] = {SLICE_LITERAL("EVAL"), slice_of_string(script), SLICE_LITERAL("1"),
                            slice_of_string(key)};
    request.kind = PARTITION_COMMAND;
    request.context = context;
    request.argv = words;
    request.argc = 4;
    take(n, request);
}

static void a_script_is_one_record_of_what_it_changed(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)};
    static const char SCRIPT[] =
        "for i = 1, 3 do redis.call('RPUSH', KEYS[1], i) end "
        "if redis.call('LLEN', KEYS[1]) > 2 then redis.call('LPOP', KEYS[1]) end "
        "return redis.call('LRANGE', KEYS[1], 0, -1)";
    world.shows_messages = true;
    run_script(A, 1, SCRIPT, "l", (struct partition_request){.id = &id});
    expect("  A>B RECORDS 1.1 +1 effect of 1\n"
           "  A>C RECORDS 1.1 +1 effect of 1\n");
    world.shows_messages = false;
    world_deliver("");
    run_script(A, 2, SCRIPT, "l", (struct partition_request){.id = &id});
    expect("  A: 1 DONE *2| $1| 2| $1| 3\n"
           "  A: 2 DONE *2| $1| 2| $1| 3\n");
    assert_true(world_agree(A, B));
}

static void a_script_may_fail_in_the_middle(void **state) {
    (void)state;
    run_script(A, 1, "redis.call('SET', KEYS[1], 'v') return redis.call('INCR', KEYS[1])", "k",
               (struct partition_request){0});
    world_deliver("");
    assert_int_equal(world.reply[0], '-');
    forget();
    world_do(A, 2, "GET k"); /* as a script without a cluster: what it did stays */
    run_script(A, 3, "return redis.call('GET', 'other')", "k", (struct partition_request){0});
    run_script(A, 4, "return redis.pcall('PING').err", "k", (struct partition_request){0});
    world_deliver("");
    assert_non_null(strstr(world.golden.text, "non declared key"));
    assert_non_null(strstr(world.golden.text, "not allowed from script"));
    assert_non_null(strstr(world.golden.text, "A: 2 DONE $1| v\n"));
    assert_true(world_agree(A, B));
}

static void a_script_that_does_not_end_is_stopped_and_has_done_nothing(void **state) {
    (void)state;
    world_do(A, 1, "SET k v");
    world_deliver("");
    forget();
    run_script(A, 2, "redis.call('DEL', KEYS[1]) while true do end", "k",
               (struct partition_request){0});
    world_deliver("");
    world_do(A, 3, "GET k");
    expect("  A: 2 DONE -ERR The script ran for too long.\n"
           "  A: 3 DONE $1| v\n");
    assert_true(world_agree(A, B));
}

static void without_memory_a_script_does_nothing(void **state) {
    (void)state;
    static const char SCRIPT[] = "redis.call('INCR', KEYS[1]) redis.call('INCR', KEYS[1]) "
                                 "return redis.call('APPEND', KEYS[1], string.rep('0', 200))";
    unsigned stopped = 0;
    world.is_quiet = true;
    run_script(A, 1, SCRIPT, "first", (struct partition_request){0});
    world_deliver("");
    for (unsigned i = 0; i < 200; i++) {
        char key[16], command[32];
        (void)snprintf(key, sizeof(key), "k%u", i);
        leave_memory(A, (size_t)(i % 50) * 8192);
        run_script(A, 2, SCRIPT, key, (struct partition_request){0});
        world.members[A].store_allocator.bytes_max = 0;
        world_deliver("");
        bool is_done = strcmp(world.reply, ":201") == 0;
        stopped += !is_done;
        (void)snprintf(command, sizeof(command), "STRLEN %s", key);
        world_do(A, 3, command);
        assert_string_equal(world.reply, is_done ? ":201" : ":0");
        world_promise_all();
    }
    assert_true(stopped > 20);
    assert_true(world_agree(A, B));
}

/* What a backup may do with a command that only reads, it can't do with a script. */
static void scripts_that_only_read_run_at_the_primary(void **state) {
    (void)state;
    struct slice words[] = {SLICE_LITERAL("EVAL_RO"),
                            SLICE_LITERAL("return redis.call('GET', KEYS[1])"), SLICE_LITERAL("1"),
                            SLICE_LITERAL("k")};
    struct partition_request request = {.kind = PARTITION_COMMAND,
                                        .context = 2,
                                        .read_mode = PARTITION_READ_STALE,
                                        .argv = words,
                                        .argc = 4};
    world_do(A, 1, "SET k v");
    world_deliver("");
    take(B, request);
    take(A, request);
    words[1] = SLICE_LITERAL("return redis.call('SET', KEYS[1], 'w')");
    request.context = 3;
    take(A, request);
    assert_non_null(strstr(world.golden.text, "  B: 2 MOVED\n  A: 2 DONE $1| v\n"));
    assert_non_null(strstr(world.golden.text, "A: 3 DONE -ERR Write commands are not allowed"));
}

static void a_function_of_a_library_is_a_script(void **state) {
    (void)state;
    struct slice error;
    struct slice words[] = {SLICE_LITERAL("FCALL"), SLICE_LITERAL("twice"), SLICE_LITERAL("1"),
                            SLICE_LITERAL("k"), SLICE_LITERAL("21")};
    assert_int_equal(store_host_load_functions(
                         world.members[A].host,
                         SLICE_LITERAL("#!lua name=lib\nredis.register_function('twice', "
                                       "function(keys, args) return redis.call('INCRBY', keys[1], "
                                       "2 * args[1]) end)"),
                         &error),
                     LARDER_OK);
    take(A, (struct partition_request){
                .kind = PARTITION_COMMAND, .context = 1, .argv = words, .argc = 5});
    world_deliver("");
    expect("  A: 1 DONE :42\n");
    assert_int_equal(
        store_host_load_functions(world.members[A].host, SLICE_LITERAL("#!lua name=x\n("), &error),
        LARDER_INVALID);
    assert_true(error.size > 0);
    assert_true(world_agree(A, B));
}

/* ---- giving up ---- */

static void an_abandoned_request_is_never_executed(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)};
    struct partition_request abandon = {.kind = PARTITION_ABANDON, .context = 2, .id = &id};
    take(A, abandon);
    world_deliver("");
    world_do_as(A, 3, "INCR k", id); /* a frame that was under way */
    fail_over_to_b();
    world_do_as(B, 4, "INCR k", id);
    take(B, abandon);
    world_do(B, 5, "EXISTS k");
    expect("  A: 2 DONE\n"
           "  A: 3 REFUSED\n"
           "  B: 4 REFUSED\n"
           "  B: 2 DONE\n"
           "  B: 5 DONE :0\n");
    assert_true(world_agree(B, C));
}

static void what_was_executed_can_not_be_abandoned(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)};
    world_do_as(A, 1, "INCR k", id);
    world_deliver("");
    take(A, (struct partition_request){.kind = PARTITION_ABANDON, .context = 2, .id = &id});
    expect("  A: 1 DONE :1\n"
           "  A: 2 DONE :1\n");
}

/* ---- recovery by force ---- */

/* Its member goes on alone, in a new generation (member_force_generation). */
static struct forced_generation force(uint32_t n) {
    struct world_member *m = &world.members[n];
    struct forced_generation forced;
    world_lose_all();
    assert_true(configuration_force(m->view, n, (uint64_t)world_time_us(world.now_ms), &forced));
    lease_set_applied(m->leases, m->view->index);
    assert_int_equal(
        world_step(n, (struct partition_input){.type = PARTITION_VIEW, .configuration = m->view}),
        LARDER_OK);
    world_hear_coordinator(n);
    world.now_ms += 250; /* what it promised to the old primary has run out */
    world_tick(n);
    world_tick(n);
    return forced;
}

static void who_goes_on_by_force_has_every_acknowledged_write(void **state) {
    (void)state;
    struct request_id id = {
        .client = {7, 7}, .number = 1, .lowest = 1, .first_sent_us = world_time_us(1000)};
    world_lock(A, 1, LOCK_REQUEST_ACQUIRE, 1, 1,
               (struct lock_request){.hold_ms = 10000, .name = SLICE_LITERAL("lock")});
    exec(A, 2, "INCR k; RPUSH l a", (struct partition_request){.id = &id});
    world_deliver("");
    world_do(A, 3, "SET unacknowledged v");
    expect("  A: 1 DONE GRANTED newer\n"
           "  A: 2 DONE *2| :1| :1\n");
    struct forced_generation forced = force(B);
    assert_int_equal(forced.kept_count, 1);
    assert_int_equal(forced.lost_count, 0);
    expect("  B is elected\n"
           "  B is open\n");
    exec(B, 4, "INCR k; RPUSH l a", (struct partition_request){.id = &id});
    exec(B, 5, "GET k; LLEN l", (struct partition_request){0});
    world_lock(B, 6, LOCK_REQUEST_FORCE, 2, 1, (struct lock_request){0});
    world_lock(B, 7, LOCK_REQUEST_ACQUIRE, 2, 2, (struct lock_request){.hold_ms = 1000});
    expect("  B: 4 DONE *2| :1| :1\n"
           "  B: 5 DONE *2| $1| 1| :1\n"
           "  B: 6 DONE DONE newer\n"
           "  B: 7 DONE GRANTED newer\n");
    assert_true(world.token > world.members[B].view->reset_ceiling);
}

static void who_was_not_in_sync_leads_nothing_by_force(void **state) {
    (void)state;
    world_do(A, 1, "SET k v");
    world_deliver("");
    world.is_quiet = true;
    world_change(CONFIG_SHRINK, C);
    world_change(CONFIG_ADD_LEARNER, C);
    world_see(C);
    world.is_quiet = false;
    forget();
    struct forced_generation forced = force(C);
    assert_int_equal(forced.kept_count, 0);
    assert_int_equal(forced.lost_count, 1);
    world_do(C, 2, "GET k");
    expect("  C is none\n"
           "  C: 2 MOVED\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_is_one_record),
        TEST(a_transaction_that_only_reads_is_a_read),
        TEST(a_transaction_with_a_command_that_cannot_run_does_nothing),
        TEST(a_transaction_sent_again_is_answered_and_not_executed),
        TEST(a_transaction_is_parked_whole),
        TEST(without_memory_a_transaction_does_nothing),
        TEST(what_was_done_before_memory_ran_out_is_taken_back),
        TEST(what_finds_no_memory_to_be_put_back_waits_for_it),
        TEST(a_transaction_whose_key_was_changed_is_not_done),
        TEST(a_key_that_expires_or_is_flushed_is_changed),
        TEST(a_watch_that_was_dropped_is_broken),
        TEST(a_dropped_watch_stays_broken),
        TEST(without_memory_no_watch_is_broken),
        TEST(what_was_done_is_told_whatever_became_of_the_watch),
        TEST(every_token_of_a_transaction_must_be_valid),
        TEST(too_many_tokens_are_refused),
        TEST(without_memory_for_marks_replicas_stay_equal),
        TEST(a_script_is_one_record_of_what_it_changed),
        TEST(a_script_may_fail_in_the_middle),
        TEST(a_script_that_does_not_end_is_stopped_and_has_done_nothing),
        TEST(without_memory_a_script_does_nothing),
        TEST(scripts_that_only_read_run_at_the_primary),
        TEST(a_function_of_a_library_is_a_script),
        TEST(an_abandoned_request_is_never_executed),
        TEST(what_was_executed_can_not_be_abandoned),
        TEST(who_goes_on_by_force_has_every_acknowledged_write),
        TEST(who_was_not_in_sync_leads_nothing_by_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
