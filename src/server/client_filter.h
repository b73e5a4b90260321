/* SPDX-License-Identifier: BSD-3-Clause */
/* Which clients CLIENT LIST shows and CLIENT KILL ends: the filters of both commands, parsed, and
 * whether a client matches. Pure. */
#ifndef LARDER_SERVER_CLIENT_FILTER_H
#define LARDER_SERVER_CLIENT_FILTER_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"

/* What a client may be. Ours are normal or subscribers until there are replicas. */
enum client_type {
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_PRIMARY,
    CLIENT_TYPE_REPLICA,
    CLIENT_TYPE_PUBSUB
};

struct client_filter {
    bool has_type, has_user, has_address, has_local_address, has_ids, has_age;
    bool skips_me;
    enum client_type type;
    struct slice user, address, local_address; /* borrowed */
    int64_t age_s;                             /* at least this old */
    const struct slice *ids; /* borrowed words: decimal numbers, checked; the last ID filter's */
    size_t id_count;
};

/* A client as filters see it. */
struct client_traits {
    uint64_t id;
    bool is_me;
    enum client_type type;
    struct slice user;
    const char *address, *local_address;
    int64_t age_s;
};

/* Words of an error reply. */
struct client_filter_error {
    char text[160];
};

enum client_filter_use { CLIENT_FILTER_LIST, CLIENT_FILTER_KILL };

/* Parse "<name> <value> ..." words. LIST begins with skips_me false, KILL with true. Borrows the
 * words. Errors: LARDER_INVALID with the text of the reply. */
enum larder_status client_filter_parse(const struct slice *words, size_t count,
                                       enum client_filter_use use, struct client_filter *out,
                                       struct client_filter_error *error) LARDER_NODISCARD;

bool client_filter_matches(const struct client_filter *filter, const struct client_traits *traits);

/* Whether a text may be a client's name or version: printable ASCII without spaces. */
bool client_text_is_valid(struct slice text);

#define CLIENT_NAME_ERROR "ERR Client names cannot contain spaces, newlines or special characters."

#endif
