/* SPDX-License-Identifier: BSD-3-Clause */
/* A random workload of all write commands runs on one keyspace; its effects, applied to an empty
 * one whose clock stands elsewhere, give the same keys, values and expiry times. */
#include "support/test_seed.h"
#include "unit/commands/call_driver.h"
#include "unit/commands/workloads/workloads.h"

enum { PARTITIONS = 7, DATABASES = 3, COMMANDS = 30000, ARGUMENTS_MAX = 256 };

static char long_key[1200];

static const char *const KEYS[] = {"a", "b",    "c",      "d",       "e",   "f",
                                   "g", "{a}1", "{a}2",   "{a}3",    "12",  "key with blanks",
                                   "",  "h",    long_key, "counter", "st1", "st2"};
/* The last ones are used by templates that name them, and stay what they are for longer. */
enum { KEY_COUNT = sizeof(KEYS) / sizeof(*KEYS), NAMED_KEYS = 2 };

/* $k key, $v small value, $l large value, $i integer, $f float, $b bit offset, $o byte offset,
 * $t lifetime in ms, $d database, $$ a dollar sign */
static const char *const TEMPLATES[] = {
    ALL_EFFECT_WORKLOADS "SET $k $v",
    "SET $k $v",
    "SET $k $l",
    "SET $k $i",
    "SET $k $v EX 1",
    "SET $k $v PX $t",
    "SET $k $v NX",
    "SET $k $v XX KEEPTTL",
    "SET $k $v NX GET PX $t",
    "SET $k $v IFEQ $v",
    "SET $k $v PXAT 5",
    "SETNX $k $v",
    "SETEX $k 1 $v",
    "PSETEX $k $t $v",
    "GETSET $k $v",
    "GETDEL $k",
    "GETEX $k PX $t",
    "GETEX $k PERSIST",
    "GETEX $k EXAT 1",
    "DELIFEQ $k $i",
    "MSET $k $v $k $l $k $i",
    "MSET $k $v",
    "MSETNX $k $v $k $i",
    "APPEND $k $v",
    "APPEND $k $l",
    "SETRANGE $k $o $v",
    "SETRANGE $k $o $l",
    "INCR $k",
    "DECR $k",
    "INCRBY $k $i",
    "DECRBY $k $i",
    "INCRBYFLOAT $k $f",
    "INCR counter",
    "INCRBYFLOAT counter $f",
    "SETBIT $k $b 1",
    "SETBIT $k $b 0",
    "BITOP AND $k $k $k",
    "BITOP OR $k $k $k $k",
    "BITOP XOR $k $k $k",
    "BITOP NOT $k $k",
    "BITFIELD $k SET u8 $b $i INCRBY i17 $b $i GET u4 0",
    "BITFIELD $k SET u8 $b 1 SET u8 $b 2 SET i5 $b 3 SET u9 $b 4 SET u63 $b 5",
    "BITFIELD $k OVERFLOW FAIL INCRBY u3 $b 5 OVERFLOW SAT INCRBY i64 $b $i",
    "DEL $k",
    "DEL $k $k $k",
    "UNLINK $k",
    "EXPIRE $k 1",
    "PEXPIRE $k $t",
    "PEXPIREAT $k 7",
    "PEXPIRE $k $t GT",
    "PERSIST $k",
    "RENAME $k $k",
    "RENAMENX $k $k",
    "COPY $k $k",
    "COPY $k $k REPLACE",
    "COPY $k $k DB $d REPLACE",
    "MOVE $k $d",
    "GET $k",
    "MGET $k $k",
    "GETRANGE $k 0 $o",
    "BITCOUNT $k",
    "BITPOS $k 1",
    "TOUCH $k",
    "TTL $k",
    "EXISTS $k $k"};
enum { TEMPLATE_COUNT = sizeof(TEMPLATES) / sizeof(*TEMPLATES) };

static size_t expand(struct random *random, char kind, char *out) {
    switch (kind) {
    case '$': return (size_t)sprintf(out, "$");
    case 'k':
        return (size_t)sprintf(out, "\"%s\"", KEYS[random_below(random, KEY_COUNT - NAMED_KEYS)]);
    case 'v': return (size_t)sprintf(out, "value%d", (int)random_below(random, 2000));
    case 'i': return (size_t)sprintf(out, "%d", (int)random_below(random, 400) - 200);
    case 'f': {
        int whole = (int)random_below(random, 20) - 10;
        return (size_t)sprintf(out, "%d.%d", whole, (int)random_below(random, 100));
    }
    case 'b': return (size_t)sprintf(out, "%d", (int)random_below(random, 30000));
    case 'o': return (size_t)sprintf(out, "%d", (int)random_below(random, 4000));
    case 't': return (size_t)sprintf(out, "%d", 1 + (int)random_below(random, 20000));
    case 'd': return (size_t)sprintf(out, "%d", (int)random_below(random, DATABASES));
    default: break;
    }
    size_t size = 1500 + random_below(random, 1500);
    memset(out, 'a' + (int)random_below(random, 26), size);
    return size;
}

static void random_line(struct random *random, char *out) {
    const char *at = TEMPLATES[random_below(random, TEMPLATE_COUNT)];
    while (*at != '\0') {
        if (*at != '$') {
            *out++ = *at++;
            continue;
        }
        out += expand(random, at[1], out);
        at += 2;
    }
    *out = '\0';
}

/* Applies everything staged in `from`, as of another time of day. */
static void apply_all(struct driver *from, struct driver *to) NO_THREAD_SAFETY {
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[ARGUMENTS_MAX];
    enum larder_status status;
    int64_t now_ms = to->thread.now_ms;
    to->thread.now_ms = from->thread.now_ms * 10;
    reply_clear(&to->reply);
    effect_reader_init(&reader, slice_of(from->effects.data, from->effects.used));
    while ((status = effect_reader_next(&reader, &part, arguments, ARGUMENTS_MAX)) == LARDER_OK) {
        status = call_apply_effect(&to->keyspace, &to->thread, &part, arguments, &to->reply);
        if (status == LARDER_NO_MEMORY) {
            reserve_raise(&to->thread.reserve);
            assert_true(driver_fill(to));
            status = call_apply_effect(&to->keyspace, &to->thread, &part, arguments, &to->reply);
        }
        assert_int_equal(status, LARDER_OK);
        assert_int_equal(to->reply.used, 0);
        (void)driver_fill(to);
    }
    assert_int_equal(status, LARDER_NOT_FOUND);
    effects_clear(&from->effects);
    to->thread.now_ms = now_ms;
}

static void compare(struct driver *a, struct driver *b) {
    b->thread.now_ms = a->thread.now_ms;
    char *image_a = driver_image(a, KEYS, KEY_COUNT, DATABASES);
    char *image_b = driver_image(b, KEYS, KEY_COUNT, DATABASES);
    assert_string_equal(image_a, image_b);
    free(image_a);
    free(image_b);
}

static void effects_of_a_random_workload_give_an_equal_keyspace(void **state) {
    (void)state;
    uint64_t seed = test_seed("effect replay");
    struct random random = random_seeded(seed);
    memset(long_key, 'L', sizeof(long_key) - 1);
    struct driver *primary = malloc(sizeof(*primary)), *copy = malloc(sizeof(*copy));
    driver_init(primary, PARTITIONS);
    driver_init(copy, PARTITIONS);
    copy->thread.effects = NULL;
    char line[DRIVER_LINE_MAX];
    for (unsigned i = 0; i < COMMANDS; i++) {
        primary->database = (uint32_t)random_below(&random, DATABASES);
        primary->uses_blobs = random_below(&random, 2) == 0;
        random_line(&random, line);
        size_t count = driver_split(primary, line);
        reply_clear(&primary->reply);
        (void)driver_fill(primary);
        enum larder_status status = driver_call(primary, primary->words, count);
        if (status != LARDER_OK)
            print_message("command %u: %.60s\n", i, line);
        assert_int_equal(status, LARDER_OK);
        if (random_below(&random, 3) == 0)
            primary->thread.now_ms += (int64_t)random_below(&random, 30);
        if (i % 500 == 499) {
            apply_all(primary, copy);
            compare(primary, copy);
        }
    }
    driver_finish(primary);
    driver_finish(copy);
    free(primary);
    free(copy);
}

static void a_command_that_changes_nothing_has_no_effect(void **state) {
    (void)state;
    static const char *const LINES[] = {
        "SET k w NX",      "SET none w XX",       "SET k w IFEQ x",
        "SETNX k w",       "MSETNX k 1 j 2",      "DEL none",
        "GETDEL none",     "DELIFEQ k x",         "GETEX k",
        "GETEX k PERSIST", "EXPIRE none 1",       "EXPIRE k 1 XX",
        "PERSIST k",       "RENAME k k",          "RENAMENX k k",
        "COPY k n",        "MOVE none 1",         "SETRANGE none 0 \"\"",
        "SETBIT k 1 1",    "BITFIELD k GET u8 0", "INCR k",
        "INCRBYFLOAT k 1", "BITOP AND none none", "GET k"};
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, PARTITIONS);
    EXPECT(d, "MSET k v n 1", "+OK\r\n");
    effects_clear(&d->effects);
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        driver_run(d, LINES[i]);
        assert_int_equal(d->effects.used, 0);
        assert_false(d->changed);
    }
    driver_finish(d);
    free(d);
}

static void what_is_no_effect_is_refused(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, PARTITIONS);
    struct slice arguments[] = {SLICE_LITERAL("k"), SLICE_LITERAL("v"), SLICE_LITERAL("v")};
    uint32_t home = keyspace_partition_id(&d->keyspace, arguments[0]);
    const struct effect_part bad[] = {
        {home, 0, 0, COMMAND_COUNT, 2},                  /* no command */
        {home, 0, 0, COMMAND_GET, 1},                    /* no write */
        {home, 0, 0, COMMAND_SAVE, 1},                   /* not of this table */
        {home, 0, 0, COMMAND_SET, 1},                    /* wrong arity */
        {home, 0, 0, COMMAND_SET, 0},                    /* no key */
        {home, 0, 0, COMMAND_SET, 3},                    /* a syntax error */
        {(home + 1) % PARTITIONS, 0, 0, COMMAND_SET, 2}, /* not its partition */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(call_apply_effect(&d->keyspace, &d->thread, &bad[i], arguments, &d->reply),
                         LARDER_CORRUPT);
    struct effect_part flushed = {home, 99, 0, COMMAND_SET, 2};
    assert_int_equal(call_apply_effect(&d->keyspace, &d->thread, &flushed, arguments, &d->reply),
                     LARDER_OK);
    assert_int_equal(d->reply.used, 0);
    EXPECT(d, "EXISTS k", ":0\r\n");
    driver_finish(d);
    free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_of_a_random_workload_give_an_equal_keyspace),
        cmocka_unit_test(a_command_that_changes_nothing_has_no_effect),
        cmocka_unit_test(what_is_no_effect_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
