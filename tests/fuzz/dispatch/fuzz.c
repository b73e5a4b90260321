/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands of any kind on a live server: each gets exactly one well-formed reply, afterwards no
 * lock is held, every partition counts what it holds, and emptying gives all memory back.
 *
 * Input: a byte of settings, then commands as lines of words. "#x" stands for the name of the
 * command numbered x, "@x" for a value of one of SIZES, "$x" for one of OPTIONS. */
#include "../../threads/resp_reader.h"
#include "../../threads/server_driver.h"

#include "store/flush.h"
#include "support/store_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    COMMANDS_MAX = 64,
    WORDS_MAX = 32,
    REQUEST_MAX = 4 << 20,
    REPLY_MAX = 16 << 20,
    QUIET_PASSES = 16, /* a large argument takes some of its own */
    LIMIT_BYTES = 6 << 20,
};

static const size_t SIZES[] = {0, 1, 12, 100, 1000, 1900, 2048, 2049, 5000, 33000, 70000};

static const char *const OPTIONS[] = {
    "ex",
    "px",
    "exat",
    "pxat",
    "nx",
    "xx",
    "gt",
    "lt",
    "keepttl",
    "get",
    "set",
    "len",
    "idx",
    "replace",
    "db",
    "incrby",
    "match",
    "count",
    "type",
    "async",
    "string",
    "ifeq",
    "and",
    "or",
    "xor",
    "not",
    "byte",
    "bit",
    "overflow",
    "wrap",
    "sat",
    "fail",
    "u8",
    "i63",
    "#1",
    "withvalues",
    "persist",
    "minmatchlen",
    "sync",
    "-1",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "1e400",
    "1.5",
    "4294967295",
};

/* What would end the server or the connection, stop it for a time, take its replies away, or write
 * to files: not for this fuzzer. */
static const char *const LEFT_OUT[] = {
    "shutdown",
    "quit",
    "monitor",
    "client|reply",
    "client|pause",
    "client|kill",
    "debug",
    "config|set",
    "config|rewrite",
    "save",
    "bgsave",
    "bgrewriteaof",
    "failover",
    "psync",
    "sync",
    "replicaof",
    "slaveof",
    "module|load",
    "wait",
    "waitaof",
    "subscribe",
    "psubscribe",
    "ssubscribe",
    "unsubscribe",
    "acl|save",
    "punsubscribe",
    "sunsubscribe",
    /* which wait, answer more than once, or bring messages of their own */
    "blmove",
    "blmpop",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzmpop",
    "bzpopmax",
    "bzpopmin",
    "xread",
    "xreadgroup",
    "client|tracking",
    "acl|setuser",
    "acl|load",
    "acl|deluser",
    "hello",
};

static struct server_driver DRIVER;
static uint8_t *REQUEST, *REPLY;
static char *LARGE_VALUE;

static bool is_left_out(const struct slice *words, size_t count) {
    if (slice_equal_word(words[0], "post") || slice_equal_word(words[0], "host:"))
        return true;
    const struct command_spec *spec = command_find((const char *)words[0].data, words[0].size);
    if (spec != NULL && spec->subcommand_count > 0 && count > 1) {
        const struct command_spec *sub =
            command_find_subcommand(spec, (const char *)words[1].data, words[1].size);
        spec = sub != NULL ? sub : spec;
    }
    for (size_t i = 0; spec != NULL && i < sizeof(LEFT_OUT) / sizeof(*LEFT_OUT); i++) {
        const char *parent = spec->parent >= 0 ? command_table[spec->parent].name : "";
        if (strcmp(spec->name, LEFT_OUT[i]) == 0 || strcmp(parent, LEFT_OUT[i]) == 0)
            return true;
    }
    return false;
}

/* A word of the input may stand for one or two words of the command. */
static size_t expand(struct slice word, struct slice *out) {
    uint8_t number = word.size == 2 ? word.data[1] : 0;
    out[0] = word;
    if (word.size != 2)
        return 1;
    if (word.data[0] == '@') {
        out[0] = slice_of(LARGE_VALUE, SIZES[number % (sizeof(SIZES) / sizeof(*SIZES))]);
    } else if (word.data[0] == '$') {
        out[0] = slice_of_string(OPTIONS[number % (sizeof(OPTIONS) / sizeof(*OPTIONS))]);
    } else if (word.data[0] == '#') {
        const struct command_spec *spec = &command_table[number % COMMAND_COUNT];
        if (number >= 128) /* those that are built come up more often */
            while (!command_is_built(spec))
                spec = &command_table[(spec->id + 1) % COMMAND_COUNT];
        out[0] = slice_of_string(spec->short_name);
        if (spec->parent < 0)
            return 1;
        out[1] = out[0];
        out[0] = slice_of_string(command_table[spec->parent].name);
        return 2;
    }
    return 1;
}

/* Append the command that a line stands for. False: it is left out. */
static bool add_command(const uint8_t *line, size_t size, size_t *used) {
    struct slice words[WORDS_MAX + 1];
    size_t count = 0, bytes = 0;
    for (size_t at = 0; at < size && count < WORDS_MAX;) {
        const uint8_t *end = memchr(line + at, ' ', size - at);
        size_t length = end != NULL ? (size_t)(end - line) - at : size - at;
        if (length > 0)
            count += expand(slice_of(line + at, length), &words[count]);
        at += length + 1;
    }
    for (size_t i = 0; i < count; i++)
        bytes += words[i].size + 32;
    if (count == 0 || bytes + 32 > REQUEST_MAX - *used || is_left_out(words, count))
        return false;
    *used += (size_t)sprintf((char *)REQUEST + *used, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        *used += (size_t)sprintf((char *)REQUEST + *used, "$%zu\r\n", words[i].size);
        if (words[i].size > 0)
            memcpy(REQUEST + *used, words[i].data, words[i].size);
        *used += words[i].size;
        memcpy(REQUEST + *used, "\r\n", 2);
        *used += 2;
    }
    return true;
}

static void exchange(size_t request_size, size_t expected) {
    int client = server_driver_connect(&DRIVER);
    size_t sent = 0, received = 0, scanned = 0, replies = 0;
    bool is_closed = false;
    for (unsigned quiet = 0; quiet < QUIET_PASSES; quiet++) {
        size_t now = driver_send(client, REQUEST + sent, request_size - sent);
        sent += now;
        server_driver_step(&DRIVER);
        size_t got = driver_receive(client, REPLY + received, REPLY_MAX - received, &is_closed);
        received += got;
        driver_require(!is_closed && received < REPLY_MAX, "the server closed or said too much");
        if (now > 0 || got > 0)
            quiet = 0;
        long size;
        while ((size = resp_scan(REPLY + scanned, received - scanned)) > 0) {
            scanned += (size_t)size;
            replies++;
        }
        driver_require(size == RESP_INCOMPLETE, "a malformed reply");
    }
    driver_require(sent == request_size && scanned == received, "a reply without its end");
    driver_require(replies == expected, "not one reply per command");
    (void)close(client);
    server_driver_step(&DRIVER);
    server_driver_step(&DRIVER);
}

static void check_and_empty(void) NO_THREAD_SAFETY {
    struct node *node = DRIVER.server->node;
    struct node_thread *thread = &DRIVER.server->threads[0].node_thread;
    struct detached detached = {.segments = NULL};
    for (uint32_t i = 0; i < node->keyspace.partition_count; i++) {
        driver_require(atomic_load(&node->locks[i].lock.state) == LOCK_FREE, "a lock is held");
        struct partition *p = keyspace_partition(&node->keyspace, i);
        partition_check(p, &node->keyspace);
        partition_clear(p, &node->keyspace, &thread->store, &detached);
        partition_check(p, &node->keyspace);
    }
    while (detached_free(&detached, &thread->store, 1000))
        continue;
    node_thread_tick(thread, thread->store.now_ms);
    /* What is left: tables of counts, ghosts and levels of the index. */
    driver_require(keyspace_memory_bytes(&node->keyspace) < 64 * 1024, "emptied, but not free");
    driver_require(atomic_load(&server_driver_loop(&DRIVER)->connection_count) == 0,
                   "a connection is left");
}

static void start(void) {
    enum { LARGE_BYTES = 70000 };
    server_driver_create(&DRIVER, "port 0\nthreads 1\npartitions 5\nproto-max-bulk-len 1mb\n"
                                  "enable-debug-command no\nlatency-monitor-threshold 1\n"
                                  "slowlog-log-slower-than 0\nslowlog-max-len 8\n");
    REQUEST = malloc(REQUEST_MAX);
    REPLY = malloc(REPLY_MAX);
    LARGE_VALUE = malloc(LARGE_BYTES);
    driver_require(REQUEST != NULL && REPLY != NULL && LARGE_VALUE != NULL, "malloc");
    memset(LARGE_VALUE, 'x', LARGE_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (DRIVER.server == NULL)
        start();
    if (size == 0)
        return 0;
    struct node *node = DRIVER.server->node;
    uint32_t policy = (data[0] >> 1) % (EVICTION_VOLATILE_TTL + 1);
    atomic_store(&node->max_memory_bytes, (data[0] & 1) != 0 ? LIMIT_BYTES : 0);
    atomic_store(&node->keyspace.policy, policy);
    size_t request_size = 0, expected = 0;
    const uint8_t *at = data + 1, *end = data + size;
    while (at < end && expected < COMMANDS_MAX) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = stop != NULL ? (size_t)(stop - at) : (size_t)(end - at);
        expected += add_command(at, length, &request_size);
        at += length + (stop != NULL);
    }
    if (expected > 0)
        exchange(request_size, expected);
    check_and_empty();
    return 0;
}
