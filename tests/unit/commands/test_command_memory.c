/* SPDX-License-Identifier: BSD-3-Clause */
/* Every command with every single allocation refused, and with no room left in the log: it either
 * succeeds or leaves keys and effects as they were, succeeds when it is run again, and loses no
 * memory either way. */
#include "unit/commands/call_driver.h"
#include "unit/commands/workloads/workloads.h"

static unsigned refusals; /* commands that ran out of memory in the current test */
static char large[5000], middle[1900], long_key[1500];

static const char *const KEYS[] = {"s",  "i",      "l",      "m",     "x",    "n",     "n1",  "n2",
                                   "n3", long_key, "list",   "tall",  "one",  "z1",    "z2",  "xs",
                                   "xt", "xd",     "sparse", "dense", "hash", "table", "lone"};
enum { KEY_COUNT = sizeof(KEYS) / sizeof(*KEYS), DATABASES = 2 };

/* @l stands for a large value, @m for the largest of inline size, @k for a long key. */
static const char *const LINES[] = {ALL_MEMORY_WORKLOADS "GET l",
                                    "MGET s l i",
                                    "STRLEN l",
                                    "GETRANGE l 0 -1",
                                    "LCS s m",
                                    "LCS s m IDX",
                                    "LCS l l LEN",
                                    "SET n v",
                                    "SET n @l",
                                    "SET n @m",
                                    "SET s @l",
                                    "SET l v",
                                    "SET l @l GET",
                                    "SET s v EX 10",
                                    "SET @k v",
                                    "SETNX n @m",
                                    "SETEX s 10 @l",
                                    "GETSET l @l",
                                    "GETDEL l",
                                    "GETEX l EX 10",
                                    "GETEX x PERSIST",
                                    "DELIFEQ i 12",
                                    "MSET s 1 n @l n1 @m n2 v",
                                    "MSET n @m n1 @m n2 @m n3 @m",
                                    "MSETNX n @l n1 @m n2 v",
                                    "APPEND s @m",
                                    "APPEND s @l",
                                    "APPEND l x",
                                    "APPEND l @l",
                                    "APPEND n @l",
                                    "SETRANGE s 3000 x",
                                    "SETRANGE n 10 @m",
                                    "SETRANGE l 10 abc",
                                    "INCR i",
                                    "INCR n",
                                    "INCRBY i 10000000",
                                    "INCRBYFLOAT i 1.5",
                                    "INCRBYFLOAT i 1e4900",
                                    "SETBIT s 3 1",
                                    "SETBIT n 30000 1",
                                    "SETBIT l 5 1",
                                    "BITCOUNT l",
                                    "BITPOS l 0",
                                    "BITOP OR n s m",
                                    "BITOP OR n l m",
                                    "BITOP NOT s s",
                                    "BITOP AND l none",
                                    "BITFIELD s INCRBY u8 0 1 GET u8 0",
                                    "BITFIELD n SET u8 40000 1",
                                    "BITFIELD l SET u8 8 1",
                                    "DEL s i l m x",
                                    "EXISTS s l",
                                    "TOUCH s l",
                                    "EXPIRE s 100",
                                    "EXPIRE l 100",
                                    "EXPIRE s -1",
                                    "PERSIST x",
                                    "RENAME s n",
                                    "RENAME m l",
                                    "RENAME l s",
                                    "RENAME x n",
                                    "RENAMENX l n",
                                    "COPY l n",
                                    "COPY m n",
                                    "COPY m s REPLACE",
                                    "COPY l m DB 1",
                                    "MOVE l 1",
                                    "MOVE m 1",
                                    "MOVE x 1",
                                    "OBJECT ENCODING l",
                                    "OBJECT HELP"};

static void fill_line(const char *line, char *out) {
    for (; *line != '\0'; line++) {
        if (*line != '@') {
            *out++ = *line;
            continue;
        }
        line++;
        const char *text = *line == 'l' ? large : *line == 'm' ? middle : long_key;
        strcpy(out, text);
        out += strlen(text);
    }
    *out = '\0';
}

static struct driver *prepared(void) {
    static char line[DRIVER_LINE_MAX];
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, 1);
    fill_line("MSET s small i 12 l @l m @m", line);
    EXPECT(d, line, "+OK\r\n");
    EXPECT(d, "SET x expiring PX 5000", "+OK\r\n");
    static const char *const PREPARATIONS[] = {ALL_MEMORY_PREPARATIONS NULL};
    for (size_t i = 0; PREPARATIONS[i] != NULL; i++) {
        fill_line(PREPARATIONS[i], line);
        assert_true(driver_run(d, line)[0] != '-');
    }
    /* Let replies and effects start from nothing, so that their allocations are met too. */
    reply_finish(&d->reply);
    reply_init(&d->reply, &d->allocator);
    d->reply.protocol = 2;
    effects_finish(&d->effects);
    effects_init(&d->effects, &d->allocator);
    (void)driver_fill(d);
    return d;
}

static void destroy(struct driver *d) {
    driver_finish(d);
    free(d);
}

static char *image_of(struct driver *d) {
    return driver_image(d, KEYS, KEY_COUNT, DATABASES);
}

/* What the line does when nothing is refused. */
static char *expected_image(const char *line, char **out_reply) {
    struct driver *d = prepared();
    *out_reply = strdup(driver_run(d, line));
    char *image = image_of(d);
    destroy(d);
    return image;
}

static void expect_success(struct driver *d, const char *line, const char *reply,
                           const char *image) {
    EXPECT(d, line, reply);
    char *after = image_of(d);
    assert_string_equal(after, image);
    free(after);
}

/* The command that was refused changed nothing, and goes through when it is run again. */
static void expect_untouched(struct driver *d, const char *before) {
    assert_int_equal(d->status, LARDER_NO_MEMORY);
    refusals++;
    assert_int_equal(d->effects.used, 0);
    assert_false(d->changed);
    char *after = image_of(d);
    assert_string_equal(after, before);
    free(after);
}

static bool refuse_one(const char *line, int64_t allocation, const char *reply, const char *image) {
    struct driver *d = prepared();
    char *before = image_of(d);
    size_t count = driver_split(d, line);
    d->retries = false;
    d->allocations_left = allocation;
    d->status = driver_call(d, d->words, count);
    bool was_refused = d->was_refused;
    d->allocations_left = -1;
    d->retries = true;
    if (d->status != LARDER_OK) {
        expect_untouched(d, before);
        expect_success(d, line, reply, image);
    } else {
        char *after = image_of(d);
        assert_string_equal(after, image);
        free(after);
    }
    free(before);
    destroy(d);
    return was_refused;
}

static void no_refused_allocation_leaves_half_a_command(void **state) {
    (void)state;
    static char line[DRIVER_LINE_MAX];
    refusals = 0;
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        char *reply;
        fill_line(LINES[i], line);
        char *image = expected_image(line, &reply);
        int64_t allocation = 0;
        while (refuse_one(line, allocation, reply, image))
            allocation++;
        assert_true(allocation > 0);
        free(image);
        free(reply);
    }
    assert_true(refusals > 100);
}

/* Use up what is in the reserve and in the open segments, but for `spare` bytes or so. */
static void exhaust(struct driver *d, size_t spare) NO_THREAD_SAFETY {
    reserve_drain(&d->thread.reserve, &d->keyspace.pool);
    char line[DRIVER_LINE_MAX];
    d->retries = false;
    for (size_t size = 1800; size > spare; size /= 2) {
        d->status = LARDER_OK;
        for (unsigned i = 0; d->status == LARDER_OK; i++) {
            int at = sprintf(line, "SET filler%zu.%u ", size, i);
            memset(line + at, 'f', size);
            line[(size_t)at + size] = '\0';
            size_t count = driver_split(d, line);
            d->status = driver_call(d, d->words, count);
        }
    }
    reply_clear(&d->reply);
    effects_clear(&d->effects);
}

static void run_exhausted(const char *line, size_t spare, const char *reply, const char *image) {
    struct driver *d = prepared();
    exhaust(d, spare);
    char *before = image_of(d);
    size_t count = driver_split(d, line);
    d->status = driver_call(d, d->words, count);
    d->retries = true;
    if (d->status != LARDER_OK) {
        expect_untouched(d, before);
        expect_success(d, line, reply, image);
    } else {
        char *after = image_of(d);
        assert_string_equal(after, image);
        free(after);
    }
    free(before);
    destroy(d);
}

static void a_full_log_leaves_no_half_command(void **state) {
    (void)state;
    static char line[DRIVER_LINE_MAX];
    static const size_t SPARES[] = {2, 100, 1000};
    refusals = 0;
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++) {
        char *reply;
        fill_line(LINES[i], line);
        char *image = expected_image(line, &reply);
        for (size_t k = 0; k < sizeof(SPARES) / sizeof(*SPARES); k++)
            run_exhausted(line, SPARES[k], reply, image);
        free(image);
        free(reply);
    }
    assert_true(refusals > 20);
}

int main(void) {
    memset(large, 'l', sizeof(large) - 1);
    memset(middle, 'm', sizeof(middle) - 1);
    memset(long_key, 'k', sizeof(long_key) - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_refused_allocation_leaves_half_a_command),
        cmocka_unit_test(a_full_log_leaves_no_half_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
