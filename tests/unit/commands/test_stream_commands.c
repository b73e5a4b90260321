/* SPDX-License-Identifier: BSD-3-Clause */
/* Stream commands: replies and errors as clients know them, ids from the clock, waiting, effects,
 * events. */
#include "unit/commands/call_driver.h"

static int set_up(void **state) {
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, 1);
    *state = d;
    return 0;
}

static int tear_down(void **state) {
    driver_finish(*state);
    free(*state);
    return 0;
}

#define BAD_ID "-ERR Invalid stream ID specified as stream command argument\r\n"
#define EQUAL_ID                                                                                   \
    "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"
#define ENTRY(id, value) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\na\r\n$1\r\n" value "\r\n"
#define WRONG_TYPE       "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

static void a_destroyed_group_of_many_entries_is_freed_in_slices(void **state) {
    enum { ENTRIES = 20000 };
    struct driver *d = *state;
    char line[64];
    for (int i = 1; i <= ENTRIES; i++) {
        (void)snprintf(line, sizeof(line), "XADD s %d-1 a 1", i);
        driver_run(d, line);
    }
    int64_t entries_bytes = d->held_bytes;
    EXPECT(d, "XGROUP CREATE s g 0", "+OK\r\n");
    for (int i = 0; i < ENTRIES; i += 100)
        driver_run(d, "XREADGROUP GROUP g c COUNT 100 STREAMS s >");
    int64_t full_bytes = d->held_bytes;
    EXPECT(d, "XGROUP DESTROY s g", ":1\r\n");
    assert_true(d->held_bytes > full_bytes - (full_bytes - entries_bytes) / 2);
    EXPECT(d, "XGROUP CREATE s g 0", "+OK\r\n"); /* the name is free at once */
    unsigned slices = 1;
    for (int64_t before = d->held_bytes; store_thread_free_dropped(&d->thread); slices++) {
        assert_true(d->held_bytes < before);
        before = d->held_bytes;
    }
    assert_true(slices > 4);
    assert_true(full_bytes - d->held_bytes > (full_bytes - entries_bytes) * 3 / 4);
    EXPECT(d, "XLEN s", ":20000\r\n");
}

static void ids_come_from_the_clock_and_never_go_back(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XADD s * a 1", "$9\r\n1000000-0\r\n");
    EXPECT(d, "XADD s * a 1", "$9\r\n1000000-1\r\n");
    d->thread.now_ms -= 500;
    EXPECT(d, "XADD s * a 1", "$9\r\n1000000-2\r\n");
    d->thread.now_ms += 501;
    EXPECT(d, "XADD s * a 1", "$9\r\n1000001-0\r\n");
    EXPECT(d, "XADD s 1000001-* a 1", "$9\r\n1000001-1\r\n");
    EXPECT(d, "XADD s 1000002-* a 1", "$9\r\n1000002-0\r\n");
    EXPECT(d, "XADD s 1000002 a 1", EQUAL_ID);
    EXPECT(d, "XADD s 5-* a 1", EQUAL_ID);
    EXPECT(d, "XADD s 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0\r\n");
    EXPECT(d, "XADD t 0-* a 1", "$3\r\n0-1\r\n");
    EXPECT(d, "XADD t 18446744073709551615-18446744073709551615 a 1",
           "$41\r\n18446744073709551615-18446744073709551615\r\n");
    EXPECT(d, "XADD t * a 1",
           "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n");
    EXPECT(d, "XLEN s", ":6\r\n");
    EXPECT(d, "OBJECT ENCODING s", "$6\r\nstream\r\n");
    EXPECT(d, "TYPE s", "+stream\r\n");
}

static void xadd_reads_its_options(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XADD s NOMKSTREAM * a 1", "$-1\r\n");
    EXPECT(d, "EXISTS s", ":0\r\n");
    EXPECT(d, "XADD s 1-1 a", "-ERR wrong number of arguments for 'xadd' command\r\n");
    EXPECT(d, "XADD s 1-1 a 1 b", "-ERR wrong number of arguments for 'xadd' command\r\n");
    EXPECT(d, "XADD s 1-1-1 a 1", BAD_ID);
    EXPECT(d, "XADD s MAXLEN 1 MINID 1 * a 1",
           "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n");
    EXPECT(d, "XADD s MAXLEN -1 * a 1", "-ERR The MAXLEN argument must be >= 0.\r\n");
    EXPECT(d, "XADD s MAXLEN ~ 1 LIMIT -1 * a 1", "-ERR The LIMIT argument must be >= 0.\r\n");
    EXPECT(d, "XADD s MAXLEN = 1 LIMIT 1 * a 1",
           "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n");
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 2-1 a 2", "$3\r\n2-1\r\n");
    EXPECT(d, "XADD s MAXLEN 2 3-1 a 3", "$3\r\n3-1\r\n");
    EXPECT(d, "XRANGE s - +", "*2\r\n" ENTRY("2-1", "2") ENTRY("3-1", "3"));
    EXPECT(d, "XADD s MAXLEN ~ 1 4-1 a 4", "$3\r\n4-1\r\n");
    EXPECT(d, "XLEN s", ":3\r\n");
    EXPECT(d, "XADD s MINID 4 5-1 a 5", "$3\r\n5-1\r\n");
    EXPECT(d, "XLEN s", ":2\r\n");
    EXPECT(d, "SET x 1", "+OK\r\n");
    EXPECT(d, "XADD x * a 1", WRONG_TYPE);
}

static void ranges_are_inclusive_or_exclusive(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 1-2 a 2", "$3\r\n1-2\r\n");
    EXPECT(d, "XADD s 2-0 a 3", "$3\r\n2-0\r\n");
    EXPECT(d, "XRANGE s 1 1", "*2\r\n" ENTRY("1-1", "1") ENTRY("1-2", "2"));
    EXPECT(d, "XRANGE s (1-1 (2-0", "*1\r\n" ENTRY("1-2", "2"));
    EXPECT(d, "XREVRANGE s + - COUNT 2", "*2\r\n" ENTRY("2-0", "3") ENTRY("1-2", "2"));
    EXPECT(d, "XREVRANGE s (2-0 1-2", "*1\r\n" ENTRY("1-2", "2"));
    EXPECT(d, "XRANGE s 3 2", "*0\r\n");
    EXPECT(d, "XRANGE s - + COUNT 0", "*-1\r\n");
    EXPECT(d, "XRANGE s (18446744073709551615-18446744073709551615 +",
           "-ERR invalid start ID for the interval\r\n");
    EXPECT(d, "XRANGE s - (0-0", "-ERR invalid end ID for the interval\r\n");
    EXPECT(d, "XRANGE s (- +", BAD_ID);
    EXPECT(d, "XRANGE none - +", "*0\r\n");
}

static void deleting_and_trimming_leave_the_stream(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 1-2 a 2", "$3\r\n1-2\r\n");
    EXPECT(d, "XDEL s 1-1 1-1 9-9", ":1\r\n");
    EXPECT(d, "XDEL s x", BAD_ID);
    EXPECT(d, "XDEL none x", ":0\r\n");
    EXPECT(d, "XTRIM s MAXLEN 0", ":1\r\n");
    EXPECT(d, "XTRIM s MAXLEN 0", ":0\r\n");
    assert_false(d->changed);
    EXPECT(d, "XTRIM s LIMIT 1",
           "-ERR syntax error, LIMIT cannot be used without specifying a "
           "trimming strategy\r\n");
    EXPECT(d, "XLEN s", ":0\r\n");
    EXPECT(d, "EXISTS s", ":1\r\n");
    EXPECT(d, "XADD s 1-2 a 2", EQUAL_ID);
    EXPECT(d, "XSETID s 7-7 ENTRIESADDED 9 MAXDELETEDID 1-1", "+OK\r\n");
    EXPECT(d, "XADD s 7-* a 2", "$3\r\n7-8\r\n");
    EXPECT(d, "XSETID s 1-1",
           "-ERR The ID specified in XSETID is smaller than the target stream top item\r\n");
    EXPECT(d, "XSETID none 1-1", "-ERR no such key\r\n");
}

/* ---- groups ---- */

static void groups_deliver_acknowledge_and_claim(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 2-1 a 2", "$3\r\n2-1\r\n");
    EXPECT(d, "XGROUP CREATE s g 0", "+OK\r\n");
    EXPECT(d, "XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists\r\n");
    EXPECT(d, "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
           "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1", "1"));
    EXPECT(d, "XREADGROUP GROUP g d STREAMS s s > >",
           "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("2-1", "2"));
    EXPECT(d, "XREADGROUP GROUP g d STREAMS s >", "*-1\r\n");
    assert_false(d->changed);
    EXPECT(d, "XREADGROUP GROUP g c STREAMS s 0",
           "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1", "1"));
    d->thread.now_ms += 50;
    EXPECT(d, "XPENDING s g",
           "*4\r\n:2\r\n$3\r\n1-1\r\n$3\r\n2-1\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n"
           "1\r\n*2\r\n$1\r\nd\r\n$1\r\n1\r\n");
    EXPECT(d, "XPENDING s g IDLE 50 - + 9 c", "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:50\r\n:2\r\n");
    EXPECT(d, "XPENDING s g IDLE 51 - + 9", "*0\r\n");
    EXPECT(d, "XCLAIM s g d 51 1-1", "*0\r\n");
    EXPECT(d, "XCLAIM s g d 50 1-1 1-1", "*1\r\n" ENTRY("1-1", "1"));
    EXPECT(d, "XPENDING s g - + 9 d",
           "*2\r\n*4\r\n$3\r\n1-1\r\n$1\r\nd\r\n:0\r\n:3\r\n*4\r\n$3\r\n2-1\r\n$1\r\nd\r\n:50\r\n"
           ":1\r\n");
    EXPECT(d, "XACK s g 1-1 1-1", ":1\r\n");
    EXPECT(d, "XDEL s 2-1", ":1\r\n");
    EXPECT(d, "XREADGROUP GROUP g d STREAMS s 0",
           "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-1\r\n*-1\r\n");
    EXPECT(d, "XAUTOCLAIM s g c 0 -", "*3\r\n$3\r\n0-0\r\n*0\r\n*1\r\n$3\r\n2-1\r\n");
    EXPECT(d, "XPENDING s g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
    EXPECT(d, "XGROUP DELCONSUMER s g d", ":0\r\n");
    EXPECT(d, "XGROUP DESTROY s g", ":1\r\n");
    EXPECT(d, "XPENDING s g", "-NOGROUP No such key 's' or consumer group 'g'\r\n");
}

static void autoclaim_goes_on_where_it_stopped(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XGROUP CREATE s g 0 MKSTREAM", "+OK\r\n");
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 2-1 a 2", "$3\r\n2-1\r\n");
    EXPECT(d, "XADD s 3-1 a 3", "$3\r\n3-1\r\n");
    driver_run(d, "XREADGROUP GROUP g c STREAMS s >");
    EXPECT(d, "XAUTOCLAIM s g d 0 - COUNT 2",
           "*3\r\n$3\r\n3-1\r\n*2\r\n" ENTRY("1-1", "1") ENTRY("2-1", "2") "*0\r\n");
    EXPECT(d, "XAUTOCLAIM s g d 0 3-1 COUNT 2 JUSTID",
           "*3\r\n$3\r\n0-0\r\n*1\r\n$3\r\n3-1\r\n*0\r\n");
    EXPECT(d, "XAUTOCLAIM s g d 0 - COUNT 0", "-ERR COUNT must be > 0\r\n");
}

static void groups_know_how_far_they_are(void **state) {
    struct driver *d = *state;
    d->reply.protocol = 3;
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 2-1 a 2", "$3\r\n2-1\r\n");
    EXPECT(d, "XADD s 3-1 a 3", "$3\r\n3-1\r\n");
    EXPECT(d, "XGROUP CREATE s g 0", "+OK\r\n");
    EXPECT(d, "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
           "%1\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1", "1"));
#define GROUP_INFO(read, lag)                                                                      \
    "*1\r\n%6\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n"        \
    "$17\r\nlast-delivered-id\r\n$3\r\n1-1\r\n$12\r\nentries-read\r\n" read "$3\r\nlag\r\n" lag
    EXPECT(d, "XINFO GROUPS s", GROUP_INFO(":1\r\n", ":2\r\n"));
    EXPECT(d, "XDEL s 2-1", ":1\r\n");
    EXPECT(d, "XINFO GROUPS s", GROUP_INFO(":1\r\n", "_\r\n"));
    EXPECT(d, "XINFO STREAM none", "-ERR no such key\r\n");
}

/* ---- waiting ---- */

/* Run as a node runs a client that may wait; the call stays for the test to look at. */
static enum larder_status run_waiting(struct driver *d, struct call *call, const char *line,
                                      const char *only_key) NO_THREAD_SAFETY {
    size_t count = driver_split(d, line);
    const struct command_spec *spec =
        command_find((const char *)d->words[0].data, d->words[0].size);
    *call = (struct call){
        .spec = spec,
        .argc = count,
        .argv = d->words,
        .keyspace = &d->keyspace,
        .thread = &d->thread,
        .flags = CALL_MAY_BLOCK,
        .max_value_bytes = d->max_value_bytes,
        .reply = &d->reply,
    };
    if (only_key != NULL)
        call->only_key = slice_of_string(only_key);
    reply_clear(&d->reply);
    enum larder_status status = driver_attempt(d, call);
    allocator_release(&d->allocator, call->wait.arguments,
                      call->wait.argument_capacity * sizeof(*call->wait.arguments));
    call->wait.arguments = NULL;
    return status;
}

static void readers_wait_and_are_served_by_key(void **state) {
    struct driver *d = *state;
    struct call call;
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    assert_int_equal(run_waiting(d, &call, "XREAD BLOCK 100 STREAMS s t $ $", NULL), LARDER_AGAIN);
    assert_true(call.wait.is_array);
    assert_int_equal(call.wait.until_ms, d->thread.now_ms + 100);
    assert_int_equal(call.wait.argument_count, 2);
    EXPECT(d, "XADD s 2-1 a 2", "$3\r\n2-1\r\n");
    const char *again = "XREAD BLOCK 100 STREAMS s t 1-1 0-0";
    assert_int_equal(run_waiting(d, &call, again, "t"), LARDER_AGAIN);
    assert_int_equal(run_waiting(d, &call, again, "s"), LARDER_OK);
    assert_string_equal(driver_reply_text(d), "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("2-1", "2"));
    EXPECT(d, "DEL s", ":1\r\n");
    assert_int_equal(run_waiting(d, &call, again, "s"), LARDER_AGAIN);
    EXPECT(d, "SET s 1", "+OK\r\n");
    assert_int_equal(run_waiting(d, &call, again, "s"), LARDER_AGAIN);
    EXPECT(d, "XREAD BLOCK 100 STREAMS t $", "*-1\r\n");
}

static void a_group_that_vanishes_ends_the_waiting(void **state) {
    struct driver *d = *state;
    struct call call;
    const char *line = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";
    EXPECT(d, "XGROUP CREATE s g 0 MKSTREAM", "+OK\r\n");
    assert_int_equal(run_waiting(d, &call, line, NULL), LARDER_AGAIN);
    assert_false(call.changed);
    assert_int_equal(call.wait.until_ms, 0);
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    assert_int_equal(run_waiting(d, &call, line, "s"), LARDER_OK);
    assert_string_equal(driver_reply_text(d), "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1", "1"));
    assert_int_equal(run_waiting(d, &call, line, "s"), LARDER_AGAIN);
    EXPECT(d, "XGROUP DESTROY s g", ":1\r\n");
    assert_int_equal(run_waiting(d, &call, line, "s"), LARDER_OK);
    assert_string_equal(driver_reply_text(d),
                        "-NOGROUP the consumer group this client was blocked on no longer "
                        "exists\r\n");
    EXPECT(d, "DEL s", ":1\r\n");
    assert_int_equal(run_waiting(d, &call, line, "s"), LARDER_OK);
    assert_string_equal(driver_reply_text(d), "-UNBLOCKED the stream key no longer exists\r\n");
}

static void xread_checks_its_words(void **state) {
    struct driver *d = *state;
    EXPECT(d, "XADD s 1-1 a 1", "$3\r\n1-1\r\n");
    EXPECT(d, "XADD s 2-1 a 2", "$3\r\n2-1\r\n");
    EXPECT(d, "XREAD STREAMS s +", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("2-1", "2"));
    EXPECT(d, "XREAD STREAMS s 2-1", "*-1\r\n");
    EXPECT(d, "XREAD COUNT 1 STREAMS s 0", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n" ENTRY("1-1", "1"));
    EXPECT(d, "XREAD STREAMS s t 0",
           "-ERR Unbalanced XREAD list of streams: for each stream key "
           "an ID or '$' must be specified.\r\n");
    EXPECT(d, "XREAD STREAMS s >",
           "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
           "<consumer> option.\r\n");
    EXPECT(d, "XREADGROUP COUNT 1 STREAMS s t 0 0", "-ERR Missing GROUP option for XREADGROUP\r\n");
    EXPECT(d, "XREADGROUP GROUP g c STREAMS s >",
           "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n");
}

/* ---- effects and events ---- */

/* The commands of the effects staged, with their arguments, one per line. */
static void print_effects(struct driver *d, char *out) {
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[32];
    *out = '\0';
    effect_reader_init(&reader, slice_of(d->effects.data, d->effects.used));
    while (effect_reader_next(&reader, &part, arguments, 32) == LARDER_OK) {
        out += sprintf(out, "%s", command_table[part.command].name);
        for (size_t i = 0; i < part.argument_count; i++)
            out += sprintf(out, " %.*s", (int)arguments[i].size, (const char *)arguments[i].data);
        out += sprintf(out, "\n");
    }
    effects_clear(&d->effects);
}

static void effects_are_exact(void **state) {
    struct driver *d = *state;
    char text[4096];
    driver_run(d, "XADD s MAXLEN ~ 5 LIMIT 3 * a 1");
    driver_run(d, "XADD s 2000000-* a 2");
    driver_run(d, "XADD s MAXLEN 1 * a 3");
    driver_run(d, "XGROUP CREATE s g $");
    driver_run(d, "XADD s MINID 2000001 2000001 a 4");
    print_effects(d, text);
    assert_string_equal(text, "xadd s 1000000-0 a 1\n"
                              "xadd s 2000000-0 a 2\n"
                              "xadd s MAXLEN = 1 2000000-1 a 3\n"
                              "xgroup|create s g 2000000-1 ENTRIESREAD -1 MKSTREAM\n"
                              "xadd s MINID = 2000001-0 2000001-0 a 4\n");
    driver_run(d, "XREADGROUP GROUP g c STREAMS s >");
    driver_run(d, "XAUTOCLAIM s g d 0 - COUNT 1 JUSTID");
    print_effects(d, text);
    assert_string_equal(text, "xgroup|createconsumer s g c\n"
                              "xclaim s g c 0 2000001-0 TIME 1000000 RETRYCOUNT 1 FORCE JUSTID\n"
                              "xgroup|setid s g 2000001-0 ENTRIESREAD 4\n"
                              "xgroup|createconsumer s g d\n"
                              "xclaim s g d 0 2000001-0 TIME 1000000 RETRYCOUNT 1 FORCE JUSTID\n");
}

static void entries_read_together_are_one_effect(void **state) {
    struct driver *d = *state;
    char text[4096];
    for (unsigned i = 0; i < 70; i++)
        driver_run(d, "XADD s * a 1");
    driver_run(d, "XGROUP CREATE s g 0");
    effects_clear(&d->effects);
    driver_run(d, "XREADGROUP GROUP g c COUNT 3 STREAMS s >");
    print_effects(d, text);
    assert_string_equal(text, "xgroup|createconsumer s g c\n"
                              "xclaim s g c 0 1000000-0 1000000-1 1000000-2 TIME 1000000 "
                              "RETRYCOUNT 1 FORCE JUSTID\n"
                              "xgroup|setid s g 1000000-2 ENTRIESREAD 3\n");
    EXPECT(d, "XPENDING s g - + 1", "*1\r\n*4\r\n$9\r\n1000000-0\r\n$1\r\nc\r\n:0\r\n:1\r\n");
}

static void events_are_told(void **state) {
    struct driver *d = *state;
    static const char *const LINES[][3] = {
        {"XADD s MAXLEN 0 * a 1", "xadd", "xtrim"},
        {"XADD s * a 1", "xadd", NULL},
        {"XGROUP CREATE s g 0", "xgroup-create", NULL},
        {"XREADGROUP GROUP g c STREAMS s >", "xgroup-createconsumer", NULL},
        {"XGROUP SETID s g 0", "xgroup-setid", NULL},
        {"XGROUP DELCONSUMER s g c", "xgroup-delconsumer", NULL},
        {"XGROUP CREATECONSUMER s g c", "xgroup-createconsumer", NULL},
        {"XGROUP DESTROY s g", "xgroup-destroy", NULL},
        {"XSETID s 2000000-0", "xsetid", NULL},
        {"XDEL s 1000000-1", "xdel", NULL},
        {"XTRIM s MAXLEN 0", NULL, NULL},
    };
    d->thread.notices.interest = NOTICE_STREAM;
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        notices_clear(&d->thread.notices);
        assert_true(driver_run(d, LINES[i][0])[0] != '-');
        size_t count = LINES[i][1] == NULL ? 0 : LINES[i][2] == NULL ? 1 : 2;
        assert_int_equal(d->thread.notices.count, count);
        for (size_t k = 0; k < count; k++)
            assert_string_equal(d->thread.notices.items[k].event, LINES[i][1 + k]);
    }
    d->thread.notices.interest = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_destroyed_group_of_many_entries_is_freed_in_slices),
        TEST(ids_come_from_the_clock_and_never_go_back),
        TEST(xadd_reads_its_options),
        TEST(ranges_are_inclusive_or_exclusive),
        TEST(deleting_and_trimming_leave_the_stream),
        TEST(groups_deliver_acknowledge_and_claim),
        TEST(autoclaim_goes_on_where_it_stopped),
        TEST(groups_know_how_far_they_are),
        TEST(readers_wait_and_are_served_by_key),
        TEST(a_group_that_vanishes_ends_the_waiting),
        TEST(xread_checks_its_words),
        TEST(effects_are_exact),
        TEST(entries_read_together_are_one_effect),
        TEST(events_are_told),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
