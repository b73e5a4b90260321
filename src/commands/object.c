/* SPDX-License-Identifier: BSD-3-Clause */
/* OBJECT: what clients and tools expect to learn about how a value is held. The names of encodings
 * are those that Redis would use for the same history of commands. */
#include "commands/functions.h"
#include "commands/string_value.h"
#include "store/access.h"

enum {
    EMBEDDED_STRING_MAX = 44, /* bytes of an "embstr" */
    SHARED_INTEGER_COUNT = 10000,
    SHARED_REFERENCES = INT32_MAX, /* reference count of an object that all keys share */
};

static const char *encoding_name(const struct value *value) {
    switch (value->kind) {
    case VALUE_INTEGER: return "int";
    case VALUE_OBJECT: return value->object->type->encoding;
    case VALUE_BYTES: return value->bytes.size <= EMBEDDED_STRING_MAX ? "embstr" : "raw";
    case VALUE_RAW:
    case VALUE_BLOB: break;
    }
    return "raw";
}

/* The key of every OBJECT subcommand is argv[2]. Replies null when it is not there. */
REQUIRES(PARTITION_LOCK)
static bool find_object(struct call *call, struct entry *out) {
    bool is_there = call_peek(call, &call->key, out);
    struct store_counters *counters = &call->thread->counters;
    counter_add(is_there ? &counters->hits : &counters->misses, 1); /* a miss is no event here */
    if (is_there)
        return true;
    reply_null(call->reply);
    return false;
}

enum larder_status command_object_encoding(struct call *call) {
    struct entry entry;
    if (find_object(call, &entry))
        reply_bulk_text(call->reply, encoding_name(&entry.value));
    return LARDER_OK;
}

/* Small integers count as shared unless the policy needs each key's own access time. */
enum larder_status command_object_refcount(struct call *call) {
    struct entry entry;
    if (!find_object(call, &entry))
        return LARDER_OK;
    bool is_shared = entry.value.kind == VALUE_INTEGER && entry.value.integer >= 0 &&
                     entry.value.integer < SHARED_INTEGER_COUNT &&
                     !access_is_tracked(call->keyspace);
    reply_integer(call->reply, is_shared ? SHARED_REFERENCES : 1);
    return LARDER_OK;
}

/* The access word of a record. False when it has none. */
static bool access_word(const struct entry *entry, uint32_t *out) {
    struct record_layout layout = record_parse(entry->record);
    if ((layout.flags & RECORD_HAS_ACCESS) == 0)
        return false;
    *out = (uint32_t)bytes_get(entry->record + layout.access_at, RECORD_ACCESS_BYTES);
    return true;
}

enum larder_status command_object_idletime(struct call *call) {
    struct entry entry;
    uint32_t access;
    if (!find_object(call, &entry))
        return LARDER_OK;
    enum eviction_policy policy = keyspace_policy(call->keyspace);
    if (policy_is_lfu(policy)) {
        reply_error(call->reply, "ERR An LFU maxmemory policy is selected, idle time not tracked. "
                                 "Please note that when switching between policies at runtime LRU "
                                 "and LFU data will take some time to adjust.");
        return LARDER_OK;
    }
    bool is_known = policy_is_lru(policy) && access_word(&entry, &access);
    reply_integer(call->reply, is_known ? access_idle_s(access, call->thread->now_ms) : 0);
    return LARDER_OK;
}

enum larder_status command_object_freq(struct call *call) {
    struct entry entry;
    uint32_t access;
    if (!find_object(call, &entry))
        return LARDER_OK;
    if (!policy_is_lfu(keyspace_policy(call->keyspace))) {
        reply_error(call->reply, "ERR An LFU maxmemory policy is not selected, access frequency "
                                 "not tracked. Please note that when switching between policies at "
                                 "runtime LRU and LFU data will take some time to adjust.");
        return LARDER_OK;
    }
    bool is_known = access_word(&entry, &access);
    reply_integer(call->reply,
                  is_known ? access_lfu_counter(call->keyspace, access, call->thread->now_ms) : 0);
    return LARDER_OK;
}

enum larder_status command_object_help(struct call *call) {
    static const char *const LINES[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    How the value is held in memory.",
        "FREQ <key>",
        "    How often the key was used lately, on a logarithmic scale (LFU policies).",
        "IDLETIME <key>",
        "    Seconds since the key was last used (LRU policies).",
        "REFCOUNT <key>",
        "    How many references the value has.",
        "HELP",
        "    This text.",
    };
    size_t count = sizeof(LINES) / sizeof(*LINES);
    if (!reply_reserve(call->reply, 1024))
        return LARDER_NO_MEMORY;
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_simple(call->reply, LINES[i]);
    return LARDER_OK;
}
