/* SPDX-License-Identifier: BSD-3-Clause */
/* Options whose syntax is their own. Each codec builds its list in one block of known size. */
#include "server/config_internal.h"
#include "store/notices.h"

static enum larder_status parse_number(struct slice text, int64_t min, int64_t max,
                                       enum option_kind kind, int64_t *out) {
    const struct option number = {.kind = kind, .min = min, .max = max};
    const struct option_input input = {.args = &text, .count = 1};
    union option_value value;
    struct option_error ignored;
    enum larder_status status = option_parse(&number, &input, &value, &ignored);
    *out = value.integer;
    return status;
}

static enum larder_status allocate_integers(const struct option_input *input, size_t count,
                                            struct option_integers *out) {
    *out = (struct option_integers){NULL, 0};
    if (count == 0)
        return LARDER_OK;
    int64_t *items = allocator_allocate_zeroed(input->allocator, count * sizeof(int64_t));
    if (items == NULL)
        return LARDER_NO_MEMORY;
    *out = (struct option_integers){items, count};
    return LARDER_OK;
}

static enum larder_status hz_parse(const struct option *option, const struct option_input *input,
                                   union option_value *out, struct option_error *error) {
    enum { HZ_MIN = 1, HZ_MAX = 500 };
    struct option plain = *option;
    plain.codec = NULL;
    enum larder_status status = option_parse(&plain, input, out, error);
    if (out->integer < HZ_MIN)
        out->integer = HZ_MIN;
    if (out->integer > HZ_MAX)
        out->integer = HZ_MAX;
    return status;
}

const struct option_codec CONFIG_HZ_CODEC = {hz_parse, NULL};

enum { LIMIT_NUMBERS = 3 * CONFIG_CLIENT_CLASSES, LIMIT_WORDS = 4 };

/* The class of clients with this name, CONFIG_CLIENT_CLASSES if there is none. */
static size_t find_class(struct slice name) {
    if (slice_equal_word(name, "normal"))
        return CONFIG_CLIENT_NORMAL;
    if (slice_equal_word(name, "replica") || slice_equal_word(name, "slave"))
        return CONFIG_CLIENT_REPLICA;
    return slice_equal_word(name, "pubsub") ? CONFIG_CLIENT_PUBSUB : CONFIG_CLIENT_CLASSES;
}

/* Read `class hard soft seconds` into the numbers of all classes. */
static enum larder_status limit_parse_class(const struct slice *words, int64_t *numbers,
                                            struct option_error *error) {
    size_t class = find_class(words[0]);
    if (class == CONFIG_CLIENT_CLASSES)
        return option_refuse(error,
                             "Invalid client class specified in buffer limit configuration.");
    int64_t *limits = numbers + 3 * class;
    if (parse_number(words[1], 0, INT64_MAX, OPTION_MEMORY, &limits[0]) != LARDER_OK ||
        parse_number(words[2], 0, INT64_MAX, OPTION_MEMORY, &limits[1]) != LARDER_OK ||
        parse_number(words[3], 0, INT32_MAX, OPTION_INTEGER, &limits[2]) != LARDER_OK)
        return option_refuse(
            error, "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    return LARDER_OK;
}

static enum larder_status limit_parse(const struct option *option, const struct option_input *input,
                                      union option_value *out, struct option_error *error) {
    if (input->count % LIMIT_WORDS != 0)
        return option_refuse(error, "Wrong number of arguments in buffer limit configuration.");
    enum larder_status status = allocate_integers(input, LIMIT_NUMBERS, &out->integers);
    if (status != LARDER_OK)
        return status;
    if (input->base != NULL && input->base->integers.count == LIMIT_NUMBERS)
        memcpy(out->integers.items, input->base->integers.items, LIMIT_NUMBERS * sizeof(int64_t));
    for (size_t i = 0; i < input->count && status == LARDER_OK; i += LIMIT_WORDS)
        status = limit_parse_class(input->args + i, out->integers.items, error);
    if (status != LARDER_OK)
        option_value_release(option, input->allocator, out);
    return status;
}

static void limit_format(const struct option *option, const union option_value *value,
                         struct option_output *output) {
    static const char *const CLASSES[] = {"normal", " slave", " pubsub"};
    (void)option;
    if (value->integers.count != LIMIT_NUMBERS)
        return;
    for (size_t class = 0; class < CONFIG_CLIENT_CLASSES; class ++) {
        option_output_text(output, CLASSES[class]);
        for (size_t i = 0; i < 3; i++) {
            option_output_text(output, " ");
            option_output_integer(output, value->integers.items[3 * class + i]);
        }
    }
}

const struct option_codec CONFIG_OUTPUT_LIMIT_CODEC = {limit_parse, limit_format};

static enum larder_status save_parse(const struct option *option, const struct option_input *input,
                                     union option_value *out, struct option_error *error) {
    if (input->count == 0)
        return LARDER_OK;
    if (input->count % 2 != 0)
        return option_refuse(error, "Invalid save parameters");
    size_t kept = input->base == NULL ? 0 : input->base->integers.count;
    enum larder_status status = allocate_integers(input, kept + input->count, &out->integers);
    if (status != LARDER_OK)
        return status;
    if (kept > 0)
        memcpy(out->integers.items, input->base->integers.items, kept * sizeof(int64_t));
    for (size_t i = 0; i < input->count; i++)
        if (parse_number(input->args[i], i % 2 == 0 ? 1 : 0, INT32_MAX, OPTION_INTEGER,
                         &out->integers.items[kept + i]) != LARDER_OK) {
            option_value_release(option, input->allocator, out);
            return option_refuse(error, "Invalid save parameters");
        }
    return LARDER_OK;
}

const struct option_codec CONFIG_SAVE_CODEC = {save_parse, NULL};

static enum larder_status replicaof_parse(const struct option *option,
                                          const struct option_input *input, union option_value *out,
                                          struct option_error *error) {
    if (input->count == 0)
        return LARDER_OK;
    if (input->count != 2)
        return option_refuse(error, "wrong number of arguments");
    if (slice_equal_word(input->args[0], "no") && slice_equal_word(input->args[1], "one"))
        return LARDER_OK;
    int64_t port;
    if (input->args[0].size == 0 ||
        parse_number(input->args[1], 0, UINT16_MAX, OPTION_INTEGER, &port) != LARDER_OK)
        return option_refuse(error, "Invalid master port");
    struct option plain = *option;
    plain.codec = NULL;
    return option_parse(&plain, input, out, error);
}

const struct option_codec CONFIG_REPLICAOF_CODEC = {replicaof_parse, NULL};

/* The letters of notify-keyspace-events, in the order in which they are reported. The first
 * EVENT_ALL_COUNT are what 'A' means. */
static const struct {
    char letter;
    uint32_t bit;
} EVENTS[] = {
    {'g', NOTICE_GENERIC},
    {'$', NOTICE_STRING},
    {'l', NOTICE_LIST},
    {'s', NOTICE_SET},
    {'h', NOTICE_HASH},
    {'z', NOTICE_SORTED_SET},
    {'x', NOTICE_EXPIRED},
    {'e', NOTICE_EVICTED},
    {'t', NOTICE_STREAM},
    {'d', NOTICE_MODULE},
    {'n', NOTICE_NEW},
    {'K', CONFIG_EVENTS_BY_KEY},
    {'E', CONFIG_EVENTS_BY_EVENT},
    {'m', NOTICE_MISS},
};
enum { EVENT_COUNT = sizeof(EVENTS) / sizeof(EVENTS[0]), EVENT_ALL_COUNT = 10 };

/* The events of a letter; 0: there is none. */
static uint32_t events_of(char letter) {
    uint32_t all = 0;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        if (EVENTS[i].letter == letter)
            return EVENTS[i].bit;
        all |= i < EVENT_ALL_COUNT ? EVENTS[i].bit : 0;
    }
    return letter == 'A' ? all : 0;
}

static enum larder_status events_parse(const struct option *option,
                                       const struct option_input *input, union option_value *out,
                                       struct option_error *error) {
    (void)option;
    for (size_t i = 0; i < input->args[0].size; i++) {
        uint32_t events = events_of((char)input->args[0].data[i]);
        if (events == 0)
            return option_refuse(error, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        out->integer |= events;
    }
    return LARDER_OK;
}

static void events_format(const struct option *option, const union option_value *value,
                          struct option_output *output) {
    (void)option;
    uint32_t all = events_of('A');
    bool is_all = ((uint32_t)value->integer & all) == all;
    if (is_all)
        option_output_text(output, "A");
    for (size_t i = is_all ? EVENT_ALL_COUNT : 0; i < EVENT_COUNT; i++)
        if (((uint32_t)value->integer & EVENTS[i].bit) != 0)
            option_output_append(output, &EVENTS[i].letter, 1);
}

const struct option_codec CONFIG_EVENTS_CODEC = {events_parse, events_format};

static enum larder_status oom_score_parse(const struct option *option,
                                          const struct option_input *input, union option_value *out,
                                          struct option_error *error) {
    enum { OOM_SCORES = 3 };
    if (input->count != OOM_SCORES)
        return option_refuse(error, "wrong number of arguments");
    struct option plain = *option;
    plain.codec = NULL;
    enum larder_status status = option_parse(&plain, input, out, error);
    if (status == LARDER_INVALID)
        return option_refuse(error, "Invalid %s, elements must be between %lld and %lld.",
                             option->name, (long long)option->min, (long long)option->max);
    return status;
}

const struct option_codec CONFIG_OOM_SCORE_CODEC = {oom_score_parse, NULL};
