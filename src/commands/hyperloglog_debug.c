/* SPDX-License-Identifier: BSD-3-Clause */
/* PFDEBUG looks into a hyperloglog; PFSELFTEST tries the algorithm itself: that both forms hold the
 * same registers, and that the estimate is as good as it is said to be. */
#include "commands/functions.h"
#include "commands/hyperloglog_value.h"

#include <math.h>
#include <stdio.h>

enum {
    TESTED_ELEMENTS = 100000,
    TESTED_SPARSE_BYTES = 1000,
    REGISTER_REPLY_BYTES = 5, /* :63 CR LF */
};

/* ---- PFDEBUG ---- */

struct debugged {
    struct key key;
    struct entry entry;
    struct slice bytes;
};

/* Store the dense form. Errors: LARDER_NO_MEMORY, LARDER_CORRUPT. */
REQUIRES(PARTITION_LOCK)
static enum larder_status densify(struct call *call, const struct debugged *value) {
    struct blob *image = hyperloglog_image(call, value->bytes);
    if (image == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = hyperloglog_make_dense(&image);
    if (status == LARDER_OK)
        status = hyperloglog_store_image(call, &value->key, &value->entry, image);
    blob_release(image);
    return status;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status debug_registers(struct call *call, const struct debugged *value) {
    uint8_t *registers =
        allocator_allocate_zeroed(call->keyspace->allocator, HYPERLOGLOG_REGISTERS);
    if (registers == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    if (!hyperloglog_merge(value->bytes, registers))
        status = LARDER_CORRUPT;
    else if (!reply_reserve(call->reply, REGISTER_REPLY_BYTES * (HYPERLOGLOG_REGISTERS + 4)))
        status = LARDER_NO_MEMORY;
    else if (!hyperloglog_is_dense(value->bytes))
        status = densify(call, value);
    if (status == LARDER_OK) {
        reply_array(call->reply, HYPERLOGLOG_REGISTERS);
        for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++)
            reply_integer(call->reply, registers[i]);
    }
    allocator_release(call->keyspace->allocator, registers, HYPERLOGLOG_REGISTERS);
    return status;
}

static enum larder_status debug_decode(struct call *call, const struct debugged *value) {
    if (hyperloglog_is_dense(value->bytes)) {
        reply_error(call->reply, "ERR HLL encoding is not sparse");
        return LARDER_OK;
    }
    struct reply text; /* only its buffer is used */
    struct hyperloglog_run run;
    size_t at = HYPERLOGLOG_HEADER_BYTES;
    reply_init(&text, call->keyspace->allocator);
    while (hyperloglog_next_run(value->bytes, &at, &run)) {
        char word[24];
        int size = run.value > 0
                       ? snprintf(word, sizeof(word), "v:%u,%u ", run.value, run.span)
                       : snprintf(word, sizeof(word), "%c:%u ", run.is_long ? 'Z' : 'z', run.span);
        reply_raw(&text, slice_of(word, (size_t)size));
    }
    enum larder_status status = text.failed ? LARDER_NO_MEMORY : LARDER_OK;
    if (status == LARDER_OK)
        reply_bulk(call->reply, slice_of(text.data, text.used > 0 ? text.used - 1 : 0));
    reply_finish(&text);
    return status;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status debug_to_dense(struct call *call, const struct debugged *value) {
    bool is_sparse = !hyperloglog_is_dense(value->bytes);
    enum larder_status status = is_sparse ? densify(call, value) : LARDER_OK;
    if (status == LARDER_OK)
        reply_integer(call->reply, is_sparse);
    return status;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status debug(struct call *call, const struct debugged *value) {
    struct slice word = call->argv[1];
    if (slice_equal_word(word, "GETREG"))
        return debug_registers(call, value);
    if (slice_equal_word(word, "DECODE"))
        return debug_decode(call, value);
    if (slice_equal_word(word, "TODENSE"))
        return debug_to_dense(call, value);
    if (slice_equal_word(word, "ENCODING"))
        reply_simple(call->reply, hyperloglog_is_dense(value->bytes) ? "dense" : "sparse");
    else
        reply_error_format(call->reply, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)word.size,
                           (const char *)word.data);
    return LARDER_OK;
}

enum larder_status command_pfdebug(struct call *call) {
    struct debugged value = {.key = call_key_at(call, 2)};
    if (!call_write(call, &value.key, &value.entry)) {
        reply_error(call->reply, "ERR The specified key does not exist");
        return LARDER_OK;
    }
    if (!hyperloglog_of(call, &value.entry, &value.bytes))
        return LARDER_OK;
    enum larder_status status = debug(call, &value);
    return status == LARDER_CORRUPT ? hyperloglog_corrupt(call) : status;
}

/* ---- PFSELFTEST ---- */

/* Whether a count of `expected` different elements is within six standard errors. */
static bool is_near(uint64_t count, uint64_t expected) {
    double error = 1.04 / sqrt(HYPERLOGLOG_REGISTERS);
    double allowed = ceil(error * 6 * (double)expected);
    double difference = fabs((double)count - (double)expected);
    return difference <= (expected == 10 ? 1 : allowed);
}

/* The same elements into both forms; compared at the powers of ten. */
static enum larder_status try_elements(struct call *call, struct blob **dense,
                                       struct blob **mixed) {
    uint64_t first = random_next(&call->thread->random);
    uint64_t checked = 1;
    for (uint64_t i = 1; i <= TESTED_ELEMENTS; i++) {
        uint64_t element = first ^ i;
        struct hyperloglog_mark mark = hyperloglog_mark(slice_of(&element, sizeof(element)));
        bool is_raised, is_raised_too;
        enum larder_status status = hyperloglog_raise(dense, mark, 0, &is_raised);
        if (status == LARDER_OK)
            status = hyperloglog_raise(mixed, mark, TESTED_SPARSE_BYTES, &is_raised_too);
        if (status != LARDER_OK)
            return status;
        if (i != checked)
            continue;
        uint64_t count, count_too;
        if (is_raised != is_raised_too || !hyperloglog_count(blob_slice(*dense), &count) ||
            !hyperloglog_count(blob_slice(*mixed), &count_too) || count != count_too)
            return LARDER_CORRUPT;
        if (!is_near(count, i)) {
            reply_error_format(call->reply,
                               "TESTFAILED %llu different elements were counted as %llu",
                               (unsigned long long)i, (unsigned long long)count);
            return LARDER_OK;
        }
        checked *= 10;
    }
    reply_ok(call->reply);
    return LARDER_OK;
}

enum larder_status command_pfselftest(struct call *call) {
    struct blob *dense = hyperloglog_image(call, slice_of(NULL, 0));
    struct blob *mixed = hyperloglog_image(call, slice_of(NULL, 0));
    enum larder_status status = LARDER_NO_MEMORY;
    if (dense != NULL && mixed != NULL)
        status = hyperloglog_make_dense(&dense);
    if (status == LARDER_OK)
        status = try_elements(call, &dense, &mixed);
    blob_release(dense);
    blob_release(mixed);
    if (status == LARDER_CORRUPT) {
        reply_error(call->reply, "TESTFAILED the dense and the sparse form differ");
        status = LARDER_OK;
    }
    return status;
}
