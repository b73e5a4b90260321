/* SPDX-License-Identifier: BSD-3-Clause */
/* HSCAN and HRANDFIELD. */
#include "base/glob.h"
#include "commands/functions.h"
#include "commands/hash_value.h"
#include "commands/scan_options.h"
#include "ds/set.h"

/* ---- HSCAN ---- */

struct page {
    struct scan_options options;
    struct reply reply;
    size_t count; /* bulk strings */
};

static void show_pair(void *context, const struct hash_pair *pair) {
    struct page *page = context;
    if (page->options.has_pattern && !glob_match(page->options.pattern, pair->field))
        return;
    reply_bulk(&page->reply, pair->field);
    page->count++;
    if (page->options.has_novalues)
        return;
    reply_bulk(&page->reply, pair->value);
    page->count++;
}

enum larder_status command_hscan(struct call *call) {
    struct page page = {.count = 0};
    const struct object *hash;
    if (!scan_cursor_parse(call, call->argv[2], &page.options.cursor) || !hash_read(call, &hash))
        return LARDER_OK;
    if (hash == NULL) {
        scan_reply_nothing(call);
        return LARDER_OK;
    }
    if (!scan_options_parse(call, 3, SCAN_OPTION_NOVALUES, &page.options))
        return LARDER_OK;
    reply_init(&page.reply, call->keyspace->allocator);
    uint64_t cursor = hash_scan(hash, call_objects(call), page.options.cursor, page.options.count,
                                hash_now(call), show_pair, &page);
    return scan_reply_page(call, cursor, page.count, &page.reply);
}

/* ---- HRANDFIELD ---- */

static void reply_pair(struct call *call, const struct hash_pair *pair, bool with_values) {
    if (with_values && call->reply->protocol >= 3)
        reply_array(call->reply, 2);
    reply_bulk(call->reply, pair->field);
    if (with_values)
        reply_bulk(call->reply, pair->value);
}

static void reply_pair_count(struct call *call, size_t count, bool with_values) {
    reply_array(call->reply, with_values && call->reply->protocol < 3 ? 2 * count : count);
}

/* More than a third of the fields is chosen by passing over the rest (selection sampling, Knuth's
 * algorithm S). */
static void reply_walked(struct call *call, const struct object *hash, size_t count, size_t left,
                         bool with_values) {
    struct hash_walk walk;
    struct hash_pair pair;
    for (hash_walk_begin(&walk, hash, hash_now(call)); count > 0 && hash_next(&walk, &pair);
         left--) {
        if (random_below(&call->thread->random, left) >= count)
            continue;
        reply_pair(call, &pair, with_values);
        count--;
    }
}

/* Fewer are drawn into a set of fields. */
static enum larder_status reply_drawn(struct call *call, const struct object *hash, size_t count,
                                      bool with_values) {
    struct object *chosen = NULL;
    enum larder_status status = LARDER_OK;
    while (count > 0 && status == LARDER_OK) {
        uint8_t scratch[2 * INT64_TEXT_MAX];
        struct hash_pair pair;
        size_t added;
        hash_random(hash, &call->thread->random, hash_now(call), scratch, &pair);
        status = set_add(&chosen, call_objects(call), &pair.field, 1, &added);
        if (status != LARDER_OK || added == 0)
            continue;
        reply_pair(call, &pair, with_values);
        count--;
    }
    object_destroy(chosen, call->keyspace->allocator);
    return status;
}

static enum larder_status reply_different(struct call *call, const struct object *hash,
                                          size_t count, bool with_values) {
    size_t length = hash_length(hash, hash_now(call));
    if (count > length)
        count = length;
    reply_pair_count(call, count, with_values);
    if (count > length / 3) {
        reply_walked(call, hash, count, length, with_values);
        return LARDER_OK;
    }
    return reply_drawn(call, hash, count, with_values);
}

static void reply_repeated(struct call *call, const struct object *hash, uint64_t count,
                           bool with_values) {
    reply_pair_count(call, count, with_values);
    for (uint64_t i = 0; i < count && !call->reply->failed; i++) {
        uint8_t scratch[2 * INT64_TEXT_MAX];
        struct hash_pair pair;
        hash_random(hash, &call->thread->random, hash_now(call), scratch, &pair);
        reply_pair(call, &pair, with_values);
    }
}

/* False: the known error was replied. */
static bool parse_random(struct call *call, int64_t *out_count, bool *out_with_values) {
    if (!call_integer(call, call->argv[2], out_count))
        return false;
    if (*out_count == INT64_MIN) {
        reply_error(call->reply, "ERR value is out of range, value must between "
                                 "-9223372036854775807 and 9223372036854775807");
        return false;
    }
    *out_with_values = call->argc > 3;
    if (call->argc > 4 || (call->argc == 4 && !slice_equal_word(call->argv[3], "WITHVALUES"))) {
        (void)call_syntax_error(call);
        return false;
    }
    if (*out_with_values && (*out_count < -INT64_MAX / 2 || *out_count > INT64_MAX / 2)) {
        reply_error(call->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

enum larder_status command_hrandfield(struct call *call) {
    int64_t count = 1;
    bool with_values = false, has_count = call->argc > 2;
    const struct object *hash;
    if ((has_count && !parse_random(call, &count, &with_values)) || !hash_read(call, &hash))
        return LARDER_OK;
    if (hash != NULL && hash_length(hash, hash_now(call)) == 0)
        hash = NULL;
    if (hash == NULL && !has_count) {
        reply_null(call->reply);
    } else if (hash == NULL || count == 0) {
        reply_array(call->reply, 0);
    } else if (!has_count) {
        uint8_t scratch[2 * INT64_TEXT_MAX];
        struct hash_pair pair;
        hash_random(hash, &call->thread->random, hash_now(call), scratch, &pair);
        reply_bulk(call->reply, pair.field);
    } else if (count > 0) {
        return reply_different(call, hash, (size_t)count, with_values);
    } else {
        reply_repeated(call, hash, (uint64_t)-count, with_values);
    }
    return LARDER_OK;
}
