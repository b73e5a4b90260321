/* SPDX-License-Identifier: BSD-3-Clause */
/* DUMP and RESTORE. The effect of RESTORE is itself, with an absolute time. */
#include "commands/dump.h"

#include "commands/functions.h"
#include "store/access.h"

enum larder_status command_dump(struct call *call) {
    struct entry entry;
    if (!call_read(call, &call->key, &entry)) {
        reply_null(call->reply);
        return LARDER_OK;
    }
    struct keyspace *keyspace = call->keyspace;
    bool compresses = atomic_load_explicit(&keyspace->compresses_dumps, memory_order_relaxed);
    struct blob *payload =
        dump_create(&entry.value, keyspace->allocator, compresses ? DUMP_COMPRESSED : 0);
    if (payload == NULL)
        return LARDER_NO_MEMORY;
    reply_blob(call->reply, payload);
    blob_release(payload);
    return LARDER_OK;
}

/* ---- RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] ---- */

struct restore_options {
    bool replaces, is_absolute;
    int64_t idle_s, frequency; /* -1: not given */
};

static bool parse_bounded(struct call *call, struct slice text, int64_t max, const char *error,
                          int64_t *out) {
    if (!call_integer(call, text, out))
        return false;
    if (*out >= 0 && *out <= max)
        return true;
    reply_error(call->reply, error);
    return false;
}

/* False: the error was replied. */
static bool parse_options(struct call *call, struct restore_options *out) {
    *out = (struct restore_options){.idle_s = -1, .frequency = -1};
    for (size_t i = 4; i < call->argc; i++) {
        struct slice word = call->argv[i];
        bool has_value = i + 1 < call->argc;
        if (slice_equal_word(word, "REPLACE")) {
            out->replaces = true;
        } else if (slice_equal_word(word, "ABSTTL")) {
            out->is_absolute = true;
        } else if (slice_equal_word(word, "IDLETIME") && has_value && out->frequency == -1) {
            if (!parse_bounded(call, call->argv[++i], INT64_MAX,
                               "ERR Invalid IDLETIME value, must be >= 0", &out->idle_s))
                return false;
        } else if (slice_equal_word(word, "FREQ") && has_value && out->idle_s == -1) {
            if (!parse_bounded(call, call->argv[++i], UINT8_MAX,
                               "ERR Invalid FREQ value, must be >= 0 and <= 255", &out->frequency))
                return false;
        } else {
            (void)call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* When the value is to expire, 0 for never. False: the error was replied. */
static bool parse_expiry(struct call *call, const struct restore_options *options, int64_t *out) {
    if (!parse_bounded(call, call->argv[2], INT64_MAX, "ERR Invalid TTL value, must be >= 0", out))
        return false;
    if (*out == 0 || options->is_absolute)
        return true;
    int64_t now_ms = call->thread->now_ms;
    *out = *out > INT64_MAX - now_ms ? INT64_MAX : *out + now_ms;
    return true;
}

/* Give the new entry the past that was told of, where the eviction policy looks at it. */
REQUIRES(PARTITION_LOCK)
static void set_access(struct call *call, const struct restore_options *options) {
    struct entry entry;
    enum eviction_policy policy = keyspace_policy(call->keyspace);
    int64_t now_s = call->thread->now_ms / 1000;
    bool is_idle = options->idle_s >= 0 && policy_is_lru(policy);
    bool is_counted = options->frequency >= 0 && policy_is_lfu(policy);
    if ((!is_idle && !is_counted) || !call_peek(call, &call->key, &entry))
        return;
    struct record_layout layout = record_parse(entry.record);
    if ((layout.flags & RECORD_HAS_ACCESS) == 0)
        return;
    uint64_t access = is_idle ? (uint64_t)(now_s - options->idle_s)
                              : (uint64_t)(now_s / 60) << 8 | (uint64_t)options->frequency;
    bytes_put(entry.record + layout.access_at, access & ACCESS_MASK, RECORD_ACCESS_BYTES);
}

/* Takes ownership of the content's container. */
REQUIRES(PARTITION_LOCK)
static enum larder_status store_content(struct call *call, const struct entry *old,
                                        const struct dump_content *content, int64_t expiry_ms) {
    if (content->object != NULL)
        return call_put_object(call, &call->key, old, content->object, expiry_ms);
    return call_put_string(call, &call->key, old, content->string, NULL, expiry_ms);
}

/* The value is over already: only what it replaces goes. */
REQUIRES(PARTITION_LOCK)
static void restore_nothing(struct call *call, const struct entry *old) {
    if (old != NULL) {
        call_delete(call, &call->key, old);
        call_effect_delete(call, &call->key);
        call_notify(call, NOTICE_GENERIC, "del", &call->key);
    }
    reply_ok(call->reply);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status restore(struct call *call, const struct restore_options *options,
                                  const struct entry *old, struct dump_content *content,
                                  int64_t expiry_ms) {
    if (expiry_ms != 0 && call_is_past(call, expiry_ms)) {
        object_destroy(content->object, call->keyspace->allocator);
        restore_nothing(call, old);
        return LARDER_OK;
    }
    enum larder_status status = store_content(call, old, content, expiry_ms);
    if (status != LARDER_OK)
        return status;
    set_access(call, options);
    call_effect_restore(call, &call->key, call->argv[3], expiry_ms);
    if (old != NULL) /* what was there is gone: it counts as a new key */
        call_notify(call, NOTICE_NEW, "new", &call->key);
    call_notify(call, NOTICE_GENERIC, "restore", &call->key);
    reply_ok(call->reply);
    return LARDER_OK;
}

enum larder_status command_restore(struct call *call) {
    struct restore_options options;
    struct dump_content content;
    struct entry entry;
    int64_t expiry_ms;
    if (!parse_options(call, &options))
        return LARDER_OK;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    if (old != NULL && !options.replaces) {
        reply_error(call->reply, "BUSYKEY Target key name already exists.");
        return LARDER_OK;
    }
    if (!parse_expiry(call, &options, &expiry_ms))
        return LARDER_OK;
    if (!dump_is_sound(call->argv[3])) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
        return LARDER_OK;
    }
    enum larder_status status = dump_read(call->argv[3], call_objects(call), &content);
    if (status == LARDER_CORRUPT) {
        reply_error(call->reply, "ERR Bad data format");
        return LARDER_OK;
    }
    if (status != LARDER_OK)
        return status;
    status = restore(call, &options, old, &content, expiry_ms);
    dump_content_finish(&content, call->keyspace->allocator);
    return status;
}
