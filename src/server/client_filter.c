/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters are a row of words each; ID takes as many numbers as follow. */
#include "server/client_filter.h"

#include <stdio.h>

static enum larder_status refuse(struct client_filter_error *error, const char *text) {
    (void)snprintf(error->text, sizeof(error->text), "ERR %s", text);
    return LARDER_INVALID;
}

static bool is_id(struct slice word) {
    uint64_t id;
    return slice_to_uint64(word, &id);
}

static enum larder_status parse_type(struct slice word, struct client_filter *out,
                                     struct client_filter_error *error) {
    static const struct {
        const char *name;
        enum client_type type;
    } TYPES[] = {
        {"normal", CLIENT_TYPE_NORMAL},   {"master", CLIENT_TYPE_PRIMARY},
        {"primary", CLIENT_TYPE_PRIMARY}, {"slave", CLIENT_TYPE_REPLICA},
        {"replica", CLIENT_TYPE_REPLICA}, {"pubsub", CLIENT_TYPE_PUBSUB},
    };
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (!slice_equal_word(word, TYPES[i].name))
            continue;
        out->has_type = true;
        out->type = TYPES[i].type;
        return LARDER_OK;
    }
    (void)snprintf(error->text, sizeof(error->text), "ERR Unknown client type '%.*s'",
                   (int)(word.size < 100 ? word.size : 100), (const char *)word.data);
    return LARDER_INVALID;
}

static enum larder_status parse_ids(const struct slice *words, size_t count,
                                    enum client_filter_use use, struct client_filter *out,
                                    size_t *taken, struct client_filter_error *error) {
    const char *text =
        use == CLIENT_FILTER_KILL ? "client-id should be greater than 0" : "Invalid client ID";
    size_t n = 0;
    for (; n < count && is_id(words[n]); n++)
        if (use == CLIENT_FILTER_KILL && words[n].data[0] == '0')
            return refuse(error, text);
    if (n == 0)
        return refuse(error, text);
    out->has_ids = true;
    out->ids = words;
    out->id_count = n;
    *taken = n;
    return LARDER_OK;
}

static enum larder_status parse_age(struct slice word, struct client_filter *out,
                                    struct client_filter_error *error) {
    out->has_age = true;
    if (!slice_to_int64(word, &out->age_s))
        return refuse(error, "maxage is not an integer or out of range");
    return out->age_s > 0 ? LARDER_OK : refuse(error, "maxage should be greater than 0");
}

/* One filter with its value or values, of which words[0] is the first. */
static enum larder_status parse_one(struct slice name, const struct slice *words, size_t count,
                                    enum client_filter_use use, struct client_filter *out,
                                    size_t *taken, struct client_filter_error *error) {
    *taken = 1;
    if (slice_equal_word(name, "id"))
        return parse_ids(words, count, use, out, taken, error);
    if (slice_equal_word(name, "type"))
        return parse_type(words[0], out, error);
    if (slice_equal_word(name, "user")) {
        out->has_user = true;
        out->user = words[0];
        return LARDER_OK;
    }
    if (slice_equal_word(name, "maxage"))
        return parse_age(words[0], out, error);
    if (slice_equal_word(name, "addr")) {
        out->has_address = true;
        out->address = words[0];
        return LARDER_OK;
    }
    if (slice_equal_word(name, "laddr")) {
        out->has_local_address = true;
        out->local_address = words[0];
        return LARDER_OK;
    }
    if (slice_equal_word(name, "skipme")) {
        out->skips_me = slice_equal_word(words[0], "yes");
        if (out->skips_me || slice_equal_word(words[0], "no"))
            return LARDER_OK;
    }
    return refuse(error, "syntax error");
}

static bool is_filter_name(struct slice word) {
    static const char *const NAMES[] = {"id", "type", "user", "maxage", "addr", "laddr", "skipme"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (slice_equal_word(word, NAMES[i]))
            return true;
    return false;
}

enum larder_status client_filter_parse(const struct slice *words, size_t count,
                                       enum client_filter_use use, struct client_filter *out,
                                       struct client_filter_error *error) {
    *out = (struct client_filter){.skips_me = use == CLIENT_FILTER_KILL};
    bool follows_ids = false;
    for (size_t i = 0; i < count;) {
        size_t taken;
        if (follows_ids && !is_filter_name(words[i]))
            return refuse(error, use == CLIENT_FILTER_KILL ? "syntax error" : "Invalid client ID");
        if (i + 1 == count)
            return refuse(error, "syntax error");
        enum larder_status status =
            parse_one(words[i], &words[i + 1], count - i - 1, use, out, &taken, error);
        if (status != LARDER_OK)
            return status;
        follows_ids = slice_equal_word(words[i], "id");
        i += 1 + taken;
    }
    return LARDER_OK;
}

static bool has_id(const struct client_filter *filter, uint64_t id) {
    for (size_t i = 0; i < filter->id_count; i++) {
        uint64_t wanted;
        if (slice_to_uint64(filter->ids[i], &wanted) && wanted == id)
            return true;
    }
    return false;
}

bool client_filter_matches(const struct client_filter *filter, const struct client_traits *traits) {
    if (filter->skips_me && traits->is_me)
        return false;
    if (filter->has_type && filter->type != traits->type)
        return false;
    if (filter->has_user && !slice_equal(filter->user, traits->user))
        return false;
    if (filter->has_address && !slice_equal(filter->address, slice_of_string(traits->address)))
        return false;
    if (filter->has_local_address &&
        !slice_equal(filter->local_address, slice_of_string(traits->local_address)))
        return false;
    if (filter->has_age && traits->age_s < filter->age_s)
        return false;
    return !filter->has_ids || has_id(filter, traits->id);
}

bool client_text_is_valid(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    return true;
}
