/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies to Lua values and back. The input is the reply of a command: any bytes are converted
 * without harm, and what a script returns of it is one whole reply. Its first byte says in which
 * protocols. */
#include "script/interpreter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool execute(void *context, size_t argc, const struct slice *argv, struct reply *reply) {
    (void)argc;
    (void)argv;
    reply_raw(reply, *(const struct slice *)context);
    return true;
}

static const char *tick(void *context) {
    (void)context;
    return NULL;
}

static void ignore_log(void *context, enum script_log_level level, struct slice text) {
    (void)context;
    (void)level;
    (void)text;
}

static int may_run(void *context, size_t argc, const struct slice *argv) {
    (void)context;
    (void)argc;
    (void)argv;
    return 1;
}

/* Where the reply at `at` ends, or 0: it is not one. */
static size_t pass_reply(struct slice bytes, size_t at) {
    const uint8_t *end = at < bytes.size ? memchr(bytes.data + at, '\r', bytes.size - at) : NULL;
    if (end == NULL || end + 1 == bytes.data + bytes.size || end[1] != '\n')
        return 0;
    char type = (char)bytes.data[at];
    struct slice line = slice_of(bytes.data + at + 1, (size_t)(end - bytes.data) - at - 1);
    int64_t count = 0;
    at = (size_t)(end - bytes.data) + 2;
    if (strchr("+-:_#,(", type) != NULL)
        return at;
    if (!slice_to_int64(line, &count))
        return 0;
    if (count < 0)
        return at;
    if (type == '$' || type == '=')
        return (size_t)count + 2 <= bytes.size - at ? at + (size_t)count + 2 : 0;
    for (count *= type == '%' ? 2 : 1; count > 0 && at != 0; count--)
        at = pass_reply(bytes, at);
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 4096)
        return 0;
    struct slice input = slice_of(data + 1, size - 1);
    struct script_options options = {
        .allocator = &ALLOCATOR_SYSTEM,
        .host = {&input, execute, tick, ignore_log, may_run},
        .redis_version = "7.2.4",
        .server_name = "larder",
        .server_version = "1.0.0",
    };
    struct script_interpreter *s = script_interpreter_create(&options);
    if (s == NULL)
        return 0;
    struct reply reply;
    reply_init(&reply, &ALLOCATOR_SYSTEM);
    reply.protocol = (data[0] & 1) != 0 ? 3 : 2;
    struct script_call call = {.name = "fuzz"};
    int function;
    struct slice text = (data[0] & 2) != 0
                            ? SLICE_LITERAL("redis.setresp(3) return redis.pcall('x')")
                            : SLICE_LITERAL("return redis.pcall('x')");
    if (script_compile(s, text, &function, &reply) != LARDER_OK)
        abort();
    if (!script_run(s, function, &call, &reply) ||
        pass_reply(slice_of(reply.data, reply.used), 0) != reply.used)
        abort();
    reply_finish(&reply);
    script_interpreter_destroy(s);
    return 0;
}
