/* SPDX-License-Identifier: BSD-3-Clause */
/* COMMAND: what commands there are and where their keys are. Only commands that exist here are
 * told about. */
#include "base/command_keys.h"
#include "base/glob.h"
#include "base/options.h"
#include "server/session_commands.h"

struct named_bit {
    uint64_t bit;
    const char *name;
};

static const struct named_bit FLAGS[] = {
#define FLAG_ROW(name, bit, text) {COMMAND_FLAG_##name, text},
    COMMAND_FLAG_TABLE(FLAG_ROW)
#undef FLAG_ROW
};

static const struct named_bit CATEGORIES[] = {
#define CATEGORY_ROW(name, bit, text) {COMMAND_CATEGORY_##name, "@" text},
    COMMAND_CATEGORY_TABLE(CATEGORY_ROW)
#undef CATEGORY_ROW
};

static const struct named_bit KEY_FLAGS[] = {
#define KEY_FLAG_ROW(name, bit, text) {COMMAND_KEY_##name, text},
    COMMAND_KEY_FLAG_TABLE(KEY_FLAG_ROW)
#undef KEY_FLAG_ROW
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The names of the bits that are set, as a set. */
static void reply_bits(struct reply *reply, uint64_t bits, const struct named_bit *names,
                       size_t count) {
    size_t set = 0;
    for (size_t i = 0; i < count; i++)
        set += (bits & names[i].bit) != 0;
    reply_set(reply, set);
    for (size_t i = 0; i < count; i++)
        if ((bits & names[i].bit) != 0)
            reply_simple(reply, names[i].name);
}

/* ---- COMMAND INFO ---- */

static void reply_step(struct reply *reply, const char *name, const char *type) {
    reply_bulk_text(reply, name);
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, type);
    reply_bulk_text(reply, "spec");
}

static void reply_pair(struct reply *reply, const char *name, int64_t value) {
    reply_bulk_text(reply, name);
    reply_integer(reply, value);
}

static void reply_key_begin(struct reply *reply, const struct command_key_spec *key) {
    switch ((enum command_key_begin)key->begin) {
    case COMMAND_KEY_BEGIN_INDEX:
        reply_step(reply, "begin_search", "index");
        reply_map(reply, 1);
        reply_pair(reply, "index", key->index);
        return;
    case COMMAND_KEY_BEGIN_KEYWORD:
        reply_step(reply, "begin_search", "keyword");
        reply_map(reply, 2);
        reply_bulk_text(reply, "keyword");
        reply_bulk_text(reply, key->keyword);
        reply_pair(reply, "startfrom", key->start_from);
        return;
    case COMMAND_KEY_BEGIN_UNKNOWN: break;
    }
    reply_step(reply, "begin_search", "unknown");
    reply_map(reply, 0);
}

static void reply_key_find(struct reply *reply, const struct command_key_spec *key) {
    switch ((enum command_key_find)key->find) {
    case COMMAND_KEY_FIND_RANGE:
        reply_step(reply, "find_keys", "range");
        reply_map(reply, 3);
        reply_pair(reply, "lastkey", key->last);
        reply_pair(reply, "keystep", key->step);
        reply_pair(reply, "limit", key->limit);
        return;
    case COMMAND_KEY_FIND_NUMKEYS:
        reply_step(reply, "find_keys", "keynum");
        reply_map(reply, 3);
        reply_pair(reply, "keynumidx", key->numkeys_index);
        reply_pair(reply, "firstkey", key->first);
        reply_pair(reply, "keystep", key->step);
        return;
    case COMMAND_KEY_FIND_UNKNOWN: break;
    }
    reply_step(reply, "find_keys", "unknown");
    reply_map(reply, 0);
}

static void reply_key_spec(struct reply *reply, const struct command_key_spec *key) {
    reply_map(reply, key->notes != NULL ? 4 : 3);
    if (key->notes != NULL) {
        reply_bulk_text(reply, "notes");
        reply_bulk_text(reply, key->notes);
    }
    reply_bulk_text(reply, "flags");
    reply_bits(reply, key->flags, KEY_FLAGS, COUNT_OF(KEY_FLAGS));
    reply_key_begin(reply, key);
    reply_key_find(reply, key);
}

static size_t count_built(const struct command_spec *specs, size_t count) {
    size_t built = 0;
    for (size_t i = 0; i < count; i++)
        built += command_is_built(&specs[i]);
    return built;
}

static void reply_info(struct reply *reply, const struct command_spec *spec) {
    reply_array(reply, 10);
    reply_bulk_text(reply, spec->name);
    reply_integer(reply, spec->arity);
    reply_bits(reply, spec->flags & ~(uint64_t)COMMAND_FLAGS_HIDDEN, FLAGS, COUNT_OF(FLAGS));
    reply_integer(reply, spec->first_key);
    reply_integer(reply, spec->last_key);
    reply_integer(reply, spec->key_step);
    reply_bits(reply, spec->categories, CATEGORIES, COUNT_OF(CATEGORIES));
    reply_set(reply, spec->tip_count);
    for (size_t i = 0; i < spec->tip_count; i++)
        reply_bulk_text(reply, spec->tips[i]);
    reply_set(reply, spec->key_spec_count);
    for (size_t i = 0; i < spec->key_spec_count; i++)
        reply_key_spec(reply, &spec->key_specs[i]);
    size_t built = count_built(spec->subcommands, spec->subcommand_count);
    if (built == 0)
        reply_set(reply, 0);
    else
        reply_array(reply, built);
    for (size_t i = 0; i < spec->subcommand_count; i++)
        if (command_is_built(&spec->subcommands[i]))
            reply_info(reply, &spec->subcommands[i]);
}

static bool is_listed(const struct command_spec *spec) {
    return spec->parent < 0 && command_is_built(spec);
}

static size_t count_listed(void) {
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        count += is_listed(&command_table[i]);
    return count;
}

void session_command_command(struct session *session, struct call *call) {
    (void)session;
    reply_array(call->reply, count_listed());
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (is_listed(&command_table[i]))
            reply_info(call->reply, &command_table[i]);
}

void session_command_command_count(struct session *session, struct call *call) {
    (void)session;
    reply_integer(call->reply, (int64_t)count_listed());
}

void session_command_command_info(struct session *session, struct call *call) {
    if (call->argc == 2) {
        session_command_command(session, call);
        return;
    }
    reply_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        const struct command_spec *spec = command_find_full(call->argv[i]);
        if (spec == NULL)
            reply_null(call->reply);
        else
            reply_info(call->reply, spec);
    }
}

const struct command_spec *command_find_full(struct slice name) {
    const uint8_t *bar = name.size > 0 ? memchr(name.data, '|', name.size) : NULL;
    const char *text = (const char *)name.data;
    size_t first = bar == NULL ? name.size : (size_t)(bar - name.data);
    const struct command_spec *spec = command_find(text, first);
    if (spec != NULL && bar != NULL)
        spec = command_find_subcommand(spec, text + first + 1, name.size - first - 1);
    return spec != NULL && command_is_built(spec) ? spec : NULL;
}

/* ---- COMMAND LIST ---- */

struct list_filter {
    bool has_pattern, has_category, matches_nothing;
    struct slice pattern;
    uint64_t category;
};

static bool parse_list_filter(struct call *call, struct list_filter *out) {
    *out = (struct list_filter){.has_pattern = false};
    if (call->argc == 2)
        return true;
    if (call->argc != 5 || !slice_equal_word(call->argv[2], "filterby"))
        return false;
    struct slice value = call->argv[4];
    if (slice_equal_word(call->argv[3], "pattern")) {
        out->has_pattern = true;
        out->pattern = value;
    } else if (slice_equal_word(call->argv[3], "aclcat")) {
        out->has_category = true;
        for (size_t i = 0; i < COUNT_OF(CATEGORIES); i++)
            if (slice_equal_word(value, CATEGORIES[i].name + 1))
                out->category = CATEGORIES[i].bit;
    } else if (slice_equal_word(call->argv[3], "module")) {
        out->matches_nothing = true;
    } else {
        return false;
    }
    return true;
}

static bool passes(const struct list_filter *filter, const struct command_spec *spec) {
    if (filter->matches_nothing)
        return false;
    if (filter->has_category)
        return (spec->categories & filter->category) != 0;
    return !filter->has_pattern ||
           glob_match_any_case(filter->pattern, slice_of_string(spec->name));
}

void session_command_command_list(struct session *session, struct call *call) {
    (void)session;
    struct list_filter filter;
    if (!parse_list_filter(call, &filter)) {
        (void)!call_syntax_error(call);
        return;
    }
    size_t begin = reply_deferred_begin(call->reply), count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (!command_is_built(&command_table[i]) || !passes(&filter, &command_table[i]))
            continue;
        reply_bulk_text(call->reply, command_table[i].name);
        count++;
    }
    reply_deferred_end(call->reply, begin, '*', count);
}

/* ---- COMMAND GETKEYS ---- */

static const struct command_spec *find_called(const struct slice *argv, size_t argc) {
    const struct command_spec *spec = command_find((const char *)argv[0].data, argv[0].size);
    if (spec != NULL && spec->subcommand_count > 0 && argc > 1) {
        const struct command_spec *sub =
            command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
        spec = sub != NULL ? sub : spec;
    }
    return spec != NULL && command_is_built(spec) ? spec : NULL;
}

static void reply_keys(struct call *call, const struct slice *argv, const struct command_keys *keys,
                       bool with_flags) {
    reply_array(call->reply, keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        if (with_flags)
            reply_array(call->reply, 2);
        reply_bulk(call->reply, argv[keys->items[i].position]);
        if (with_flags)
            reply_bits(call->reply, keys->items[i].flags, KEY_FLAGS, COUNT_OF(KEY_FLAGS));
    }
}

static void get_keys(struct session *session, struct call *call, bool with_flags) {
    const struct allocator *a = session->server->allocator;
    const struct slice *argv = call->argv + 2;
    size_t argc = call->argc - 2, bytes = argc * sizeof(struct command_key);
    const struct command_spec *spec = find_called(argv, argc);
    if (spec == NULL) {
        reply_error(call->reply, "ERR Invalid command specified");
    } else if (!command_has_keys(spec)) {
        reply_error(call->reply, "ERR The command has no key arguments");
    } else if (!command_arity_fits(spec, argc)) {
        reply_error(call->reply, "ERR Invalid number of arguments specified for command");
    } else {
        /* A command can't name more keys than it has words. */
        struct command_keys keys = {allocator_allocate(a, bytes), argc, 0};
        if (keys.items == NULL)
            reply_error(call->reply, "OOM not enough memory for the operation");
        else if (command_get_keys(spec, argc, argv, &keys) != LARDER_OK)
            reply_error(call->reply, "ERR Invalid arguments specified for command");
        else if (keys.count == 0)
            reply_array(call->reply, 0);
        else
            reply_keys(call, argv, &keys, with_flags);
        allocator_release(a, keys.items, bytes);
    }
}

void session_command_command_getkeys(struct session *session, struct call *call) {
    get_keys(session, call, false);
}

void session_command_command_getkeysandflags(struct session *session, struct call *call) {
    get_keys(session, call, true);
}
