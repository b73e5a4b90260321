/* SPDX-License-Identifier: BSD-3-Clause */
/* Key specifications are tried first: each names a begin (a fixed word, or the word after a
 * keyword) and a way on from there (a range, or a count followed by keys). Where a spec is unknown,
 * is incomplete and applies, or does not fit the words, the command's own method decides; it
 * decides alone if the flags of a key depend on the words. Positions are checked against argc
 * before use: the words come from the network. */
#include "base/command_keys.h"

#include <limits.h>

static void add_key(struct command_keys *keys, size_t position, uint32_t flags) {
    if (keys->count < keys->capacity)
        keys->items[keys->count] =
            (struct command_key){.position = (uint32_t)position, .flags = flags};
    keys->count++;
}

/* The word after the keyword, 0 if it does not occur before the last word. */
static int64_t find_keyword(const struct command_key_spec *spec, int64_t argc,
                            const struct slice *argv) {
    if (spec->start_from >= 0) {
        for (int64_t i = spec->start_from; i < argc - 1; i++)
            if (slice_equal_word(argv[i], spec->keyword))
                return i + 1;
        return 0;
    }
    for (int64_t i = argc + spec->start_from; i > 1; i--)
        if (slice_equal_word(argv[i], spec->keyword))
            return i + 1;
    return 0;
}

/* Sets the first and last key position of one spec; false if the words do not fit. */
static bool find_range(const struct command_key_spec *spec, int64_t begin, int64_t argc,
                       const struct slice *argv, int64_t *out_first, int64_t *out_last) {
    int64_t first = begin;
    int64_t last;
    if (spec->find == COMMAND_KEY_FIND_RANGE) {
        if (spec->last >= 0)
            last = first + spec->last;
        else if (spec->limit == 0)
            last = argc + spec->last;
        else
            last = first + (argc - first) / spec->limit + spec->last;
    } else {
        int64_t count;
        int64_t at = begin + spec->numkeys_index;
        if (spec->find != COMMAND_KEY_FIND_NUMKEYS || at >= argc ||
            !slice_to_int64(argv[at], &count) || count < 0 || count > argc)
            return false;
        first = begin + spec->first;
        last = first + (count - 1) * spec->step;
    }
    *out_first = first;
    *out_last = last;
    return first < argc && last < argc && last >= first;
}

/* `kind` is 0 for keys, COMMAND_KEY_NOT_KEY for channels. */
static bool find_by_specs(const struct command_spec *command, uint32_t kind, int64_t argc,
                          const struct slice *argv, struct command_keys *keys) {
    for (size_t i = 0; i < command->key_spec_count; i++) {
        const struct command_key_spec *spec = &command->key_specs[i];
        if ((spec->flags & COMMAND_KEY_NOT_KEY) != kind)
            continue;
        int64_t begin = spec->index;
        if (spec->begin == COMMAND_KEY_BEGIN_UNKNOWN)
            return false;
        if (spec->begin == COMMAND_KEY_BEGIN_KEYWORD) {
            begin = find_keyword(spec, argc, argv);
            if (begin == 0)
                continue;
        }
        int64_t first;
        int64_t last;
        if (!find_range(spec, begin, argc, argv, &first, &last))
            return false;
        for (int64_t at = first; at <= last; at += spec->step)
            add_key(keys, (size_t)at, spec->flags);
        if (spec->flags & COMMAND_KEY_INCOMPLETE)
            return false;
    }
    return true;
}

/* The number at the start of a text, as far as its digits go; 0 if there is none. */
static int64_t leading_number(struct slice text) {
    size_t i = 0;
    while (i < text.size && (text.data[i] == ' ' || (text.data[i] >= '\t' && text.data[i] <= '\r')))
        i++;
    if (i < text.size && text.data[i] == '+')
        i++;
    int64_t number = 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9' && number < INT_MAX; i++)
        number = number * 10 + (text.data[i] - '0');
    return number;
}

/* Keys after a count, then the key of a fixed position (the destination) if there is one. What is
 * done to them is unknown, because the command will refuse the count. */
static bool find_by_numkeys(const struct command_spec *command, int64_t argc,
                            const struct slice *argv, struct command_keys *keys) {
    const struct command_key_spec *counted = &command->key_specs[command->key_spec_count - 1];
    int64_t at = counted->index + counted->numkeys_index;
    int64_t first = counted->index + counted->first;
    if (at >= argc)
        return false;
    int64_t count = leading_number(argv[at]);
    if (count < 1 || count > argc - first)
        return false;
    for (int64_t i = 0; i < count; i++)
        add_key(keys, (size_t)(first + i), 0);
    for (size_t i = 0; i + 1 < command->key_spec_count; i++)
        add_key(keys, (size_t)command->key_specs[i].index, 0);
    return true;
}

/* A word and how many words after it belong to it. */
struct option {
    const char *word;
    size_t operands;
};

/* The number of operands if `word` is one of the `count` options, else 0. */
static size_t count_operands(struct slice word, const struct option *options, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (slice_equal_word(word, options[i].word))
            return options[i].operands;
    return 0;
}

/* SORT key ... [STORE destination]; the last STORE counts. */
static bool find_sort(size_t argc, const struct slice *argv, struct command_keys *keys) {
    static const struct option options[] = {{"limit", 2}, {"get", 1}, {"by", 1}};
    size_t destination = 0;
    add_key(keys, 1, COMMAND_KEY_RO | COMMAND_KEY_ACCESS);
    for (size_t i = 2; i < argc; i++) {
        if (slice_equal_word(argv[i], "store") && i + 1 < argc)
            destination = i + 1;
        i += count_operands(argv[i], options, sizeof options / sizeof *options);
    }
    if (destination != 0)
        add_key(keys, destination, COMMAND_KEY_OW | COMMAND_KEY_UPDATE);
    return true;
}

/* MIGRATE host port key db timeout ... or, with an empty key, ... KEYS key [key ...] */
static bool find_migrate(size_t argc, const struct slice *argv, struct command_keys *keys) {
    static const struct option options[] = {{"auth", 1}, {"auth2", 2}};
    const uint32_t flags = COMMAND_KEY_RW | COMMAND_KEY_ACCESS | COMMAND_KEY_DELETE;
    if (argc < 4)
        return false;
    for (size_t i = 6; i < argc; i++) {
        if (slice_equal_word(argv[i], "keys")) {
            if (argv[3].size > 0)
                return false;
            for (i++; i < argc; i++)
                add_key(keys, i, flags);
            return true;
        }
        i += count_operands(argv[i], options, sizeof options / sizeof *options);
    }
    add_key(keys, 3, flags);
    return true;
}

/* XREAD [option ...] STREAMS key [key ...] id [id ...]: the options are read strictly, which the
 * spec does not. What is done to the keys is unknown, because the command will refuse the words. */
static bool find_xread(size_t argc, const struct slice *argv, struct command_keys *keys) {
    static const struct option options[] = {{"block", 1}, {"count", 1}, {"group", 2}};
    for (size_t i = 1; i < argc; i++) {
        if (slice_equal_word(argv[i], "streams")) {
            size_t rest = argc - i - 1;
            for (size_t j = 0; j < rest / 2 && rest % 2 == 0; j++)
                add_key(keys, i + 1 + j, 0);
            return true;
        }
        size_t operands = count_operands(argv[i], options, sizeof options / sizeof *options);
        if (operands == 0 && !slice_equal_word(argv[i], "noack"))
            return false;
        i += operands;
    }
    return false;
}

static bool find_set(size_t argc, const struct slice *argv, struct command_keys *keys) {
    uint32_t flags = COMMAND_KEY_OW | COMMAND_KEY_UPDATE;
    for (size_t i = 3; i < argc; i++)
        if (slice_equal_word(argv[i], "get"))
            flags = COMMAND_KEY_RW | COMMAND_KEY_ACCESS | COMMAND_KEY_UPDATE;
    add_key(keys, 1, flags);
    return true;
}

/* BITFIELD only reads as long as all its operations are well-formed GETs. */
static bool find_bitfield(size_t argc, const struct slice *argv, struct command_keys *keys) {
    uint32_t flags = COMMAND_KEY_RO | COMMAND_KEY_ACCESS;
    for (size_t i = 2; i < argc;) {
        size_t left = argc - i - 1;
        if (slice_equal_word(argv[i], "get") && left >= 2) {
            i += 3;
        } else if (slice_equal_word(argv[i], "overflow") && left >= 1) {
            i += 2;
        } else {
            flags = COMMAND_KEY_RW | COMMAND_KEY_ACCESS | COMMAND_KEY_UPDATE;
            break;
        }
    }
    add_key(keys, 1, flags);
    return true;
}

static bool find_by_method(const struct command_spec *spec, size_t argc, const struct slice *argv,
                           struct command_keys *keys) {
    if (argc < 2)
        return false;
    switch ((enum command_key_method)spec->key_method) {
    case COMMAND_KEY_METHOD_SPECS: return false;
    case COMMAND_KEY_METHOD_NUMKEYS: return find_by_numkeys(spec, (int64_t)argc, argv, keys);
    case COMMAND_KEY_METHOD_SORT: return find_sort(argc, argv, keys);
    case COMMAND_KEY_METHOD_SORT_RO:
        add_key(keys, 1, COMMAND_KEY_RO | COMMAND_KEY_ACCESS);
        return true;
    case COMMAND_KEY_METHOD_MIGRATE: return find_migrate(argc, argv, keys);
    case COMMAND_KEY_METHOD_XREAD: return find_xread(argc, argv, keys);
    case COMMAND_KEY_METHOD_SET: return find_set(argc, argv, keys);
    case COMMAND_KEY_METHOD_BITFIELD: return find_bitfield(argc, argv, keys);
    }
    return false;
}

/* Whether the words decide about the flags, so that the specs alone would say too much. */
static bool flags_vary(const struct command_spec *spec) {
    return spec->key_method == COMMAND_KEY_METHOD_SET ||
           spec->key_method == COMMAND_KEY_METHOD_BITFIELD;
}

bool command_has_keys(const struct command_spec *spec) {
    for (size_t i = 0; i < spec->key_spec_count; i++)
        if (!(spec->key_specs[i].flags & COMMAND_KEY_NOT_KEY))
            return true;
    return false;
}

enum larder_status command_get_keys(const struct command_spec *spec, size_t argc,
                                    const struct slice *argv, struct command_keys *keys) {
    keys->count = 0;
    if (spec->last_key == 1 && spec->first_key == 1 && spec->key_spec_count == 1 && argc > 1 &&
        spec->key_method == COMMAND_KEY_METHOD_SPECS &&
        !(spec->key_specs->flags & COMMAND_KEY_NOT_KEY)) {
        add_key(keys, 1, spec->key_specs->flags);
        return LARDER_OK;
    }
    if (!command_has_keys(spec))
        return LARDER_OK;
    bool found = !flags_vary(spec) && find_by_specs(spec, 0, (int64_t)argc, argv, keys);
    if (!found) {
        keys->count = 0;
        if (!find_by_method(spec, argc, argv, keys))
            keys->count = 0;
    }
    if (keys->count == 0 && !(spec->flags & COMMAND_FLAG_NO_MANDATORY_KEYS))
        return LARDER_INVALID;
    return LARDER_OK;
}

enum larder_status command_get_channels(const struct command_spec *spec, size_t argc,
                                        const struct slice *argv, struct command_keys *keys) {
    keys->count = 0;
    if (find_by_specs(spec, COMMAND_KEY_NOT_KEY, (int64_t)argc, argv, keys))
        return LARDER_OK;
    keys->count = 0;
    return LARDER_INVALID;
}
