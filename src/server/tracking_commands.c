/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR. Options are all read before anything is done.
 */
#include "server/session_commands.h"
#include "server/tracking.h"

static uint32_t flags_of(const struct session *session) {
    return session->tracker == NULL
               ? 0
               : atomic_load_explicit(&session->tracker->flags, memory_order_relaxed);
}

static int shown(struct slice text) {
    enum { SHOWN_BYTES = 128 };
    return (int)(text.size < SHOWN_BYTES ? text.size : SHOWN_BYTES);
}

static void reply_no_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

/* ---- CLIENT TRACKING ---- */

struct tracking_options {
    struct tracking_request request;
    struct slice *prefixes; /* room for all words */
    size_t capacity;
};

/* REDIRECT id. False: the error was written. */
static bool read_redirect(struct session *session, struct call *call, struct slice word,
                          struct tracking_request *request) {
    int64_t id;
    if (request->redirect_id != 0) {
        reply_error(call->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!call_integer(call, word, &id))
        return false;
    bool is_there = false;
    server_stats_lock(session->server);
    for (const struct session *s = session->server->sessions; s != NULL; s = s->registry_next)
        is_there = is_there || (id > 0 && s->id == (uint64_t)id);
    server_stats_unlock(session->server);
    if (!is_there) {
        reply_error(call->reply, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    request->redirect_id = (uint64_t)id;
    return true;
}

/* The words after ON or OFF. False: the error was written. */
static bool read_options(struct session *session, struct call *call,
                         struct tracking_options *options) {
    static const struct {
        const char *word;
        uint32_t flag;
    } FLAGS[] = {{"bcast", TRACKER_BROADCAST},
                 {"optin", TRACKER_OPT_IN},
                 {"optout", TRACKER_OPT_OUT},
                 {"noloop", TRACKER_NO_LOOP}};
    struct tracking_request *request = &options->request;
    for (size_t i = 3; i < call->argc; i++) {
        uint32_t flag = 0;
        bool has_more = i + 1 < call->argc;
        for (size_t f = 0; f < sizeof(FLAGS) / sizeof(FLAGS[0]); f++)
            if (slice_equal_word(call->argv[i], FLAGS[f].word))
                flag = FLAGS[f].flag;
        if (flag != 0) {
            request->flags |= flag;
        } else if (slice_equal_word(call->argv[i], "redirect") && has_more) {
            if (!read_redirect(session, call, call->argv[++i], request))
                return false;
        } else if (slice_equal_word(call->argv[i], "prefix") && has_more) {
            options->prefixes[request->prefix_count++] = call->argv[++i];
        } else {
            (void)!call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* Why these options are not to be had together, or not now; NULL: they are. */
static const char *conflict(const struct session *session, const struct tracking_request *request) {
    enum { OPTS = TRACKER_OPT_IN | TRACKER_OPT_OUT };
    uint32_t now = flags_of(session), flags = request->flags;
    bool is_on = session->tracker != NULL;
    if ((flags & TRACKER_BROADCAST) == 0 && request->prefix_count > 0)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (is_on && (now & TRACKER_BROADCAST) != (flags & TRACKER_BROADCAST))
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    if ((flags & TRACKER_BROADCAST) != 0 && (flags & OPTS) != 0)
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((flags & OPTS) == OPTS)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (((flags & TRACKER_OPT_IN) != 0 && (now & TRACKER_OPT_OUT) != 0) ||
        ((flags & TRACKER_OPT_OUT) != 0 && (now & TRACKER_OPT_IN) != 0))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    return NULL;
}

static bool begins_with(struct slice text, struct slice prefix) {
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

/* Whether no key can have two of the client's prefixes. False: the error was written. */
static bool are_apart(struct session *session, struct call *call,
                      const struct tracking_request *request) {
    for (size_t i = 0; i < request->prefix_count; i++) {
        struct slice prefix = request->prefixes[i];
        struct slice other = tracking_overlap(session, prefix);
        if (other.data != NULL) {
            reply_error_format(call->reply,
                               "ERR Prefix '%.*s' overlaps with an existing prefix '%.*s'. "
                               "Prefixes for a single client must not overlap.",
                               shown(prefix), (const char *)prefix.data, shown(other),
                               (const char *)other.data);
            return false;
        }
        for (size_t j = i + 1; j < request->prefix_count; j++) {
            other = request->prefixes[j];
            if (!begins_with(prefix, other) && !begins_with(other, prefix))
                continue;
            reply_error_format(call->reply,
                               "ERR Prefix '%.*s' overlaps with another provided prefix '%.*s'. "
                               "Prefixes for a single client must not overlap.",
                               shown(prefix), (const char *)prefix.data, shown(other),
                               (const char *)other.data);
            return false;
        }
    }
    return true;
}

static void turn_on(struct session *session, struct call *call,
                    const struct tracking_request *request) {
    const char *reason = conflict(session, request);
    if (reason != NULL) {
        reply_error(call->reply, reason);
        return;
    }
    if (!are_apart(session, call, request))
        return;
    enum larder_status status = tracking_begin(session, request);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    else if (status == LARDER_NOT_FOUND)
        reply_error(call->reply, "ERR The client ID you want redirect to does not exist");
    else
        reply_no_memory(call);
}

void session_command_client_tracking(struct session *session, struct call *call) {
    const struct allocator *allocator = session->server->allocator;
    struct tracking_options options = {.capacity = call->argc};
    options.prefixes = allocator_allocate(allocator, options.capacity * sizeof(*options.prefixes));
    if (options.prefixes == NULL) {
        reply_no_memory(call);
        return;
    }
    options.request.prefixes = options.prefixes;
    if (read_options(session, call, &options)) {
        if (slice_equal_word(call->argv[2], "on")) {
            turn_on(session, call, &options.request);
        } else if (slice_equal_word(call->argv[2], "off")) {
            tracking_end(session);
            reply_ok(call->reply);
        } else {
            (void)!call_syntax_error(call);
        }
    }
    allocator_release(allocator, options.prefixes, options.capacity * sizeof(*options.prefixes));
}

/* ---- the others ---- */

void session_command_client_caching(struct session *session, struct call *call) {
    uint32_t flags = flags_of(session);
    struct slice word = call->argv[2];
    if (session->tracker == NULL) {
        reply_error(call->reply, "ERR CLIENT CACHING can be called only when the client is in "
                                 "tracking mode with OPTIN or OPTOUT mode enabled");
        return;
    }
    bool is_yes = slice_equal_word(word, "yes");
    if (!is_yes && !slice_equal_word(word, "no")) {
        (void)!call_syntax_error(call);
    } else if (is_yes && (flags & TRACKER_OPT_IN) == 0) {
        reply_error(call->reply,
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    } else if (!is_yes && (flags & TRACKER_OPT_OUT) == 0) {
        reply_error(call->reply,
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    } else {
        atomic_store_explicit(&session->tracker->flags, flags | TRACKER_CACHING,
                              memory_order_relaxed);
        reply_ok(call->reply);
    }
}

static bool is_broken(const struct session *session) {
    return session->tracker != NULL &&
           atomic_load_explicit(&session->tracker->is_broken, memory_order_relaxed);
}

static int64_t redirect_of(const struct session *session) {
    if (session->tracker == NULL)
        return -1;
    return (int64_t)atomic_load_explicit(&session->tracker->shown_redirect, memory_order_relaxed);
}

void session_command_client_getredir(struct session *session, struct call *call) {
    reply_integer(call->reply, redirect_of(session));
}

static void reply_flags(struct session *session, struct reply *reply) {
    uint32_t flags = flags_of(session);
    const struct {
        const char *name;
        bool is_shown;
    } WORDS[] = {
        {session->tracker != NULL ? "on" : "off", true},
        {"bcast", (flags & TRACKER_BROADCAST) != 0},
        {"optin", (flags & TRACKER_OPT_IN) != 0},
        {"caching-yes", (flags & TRACKER_OPT_IN) != 0 && (flags & TRACKER_CACHING) != 0},
        {"optout", (flags & TRACKER_OPT_OUT) != 0},
        {"caching-no", (flags & TRACKER_OPT_OUT) != 0 && (flags & TRACKER_CACHING) != 0},
        {"noloop", (flags & TRACKER_NO_LOOP) != 0},
        {"broken_redirect", is_broken(session)},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        count += WORDS[i].is_shown;
    reply_set(reply, count);
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (WORDS[i].is_shown)
            reply_bulk_text(reply, WORDS[i].name);
}

void session_command_client_trackinginfo(struct session *session, struct call *call) {
    struct slice prefix;
    size_t count = 0;
    reply_map(call->reply, 3);
    reply_bulk_text(call->reply, "flags");
    reply_flags(session, call->reply);
    reply_bulk_text(call->reply, "redirect");
    reply_integer(call->reply, redirect_of(session));
    reply_bulk_text(call->reply, "prefixes");
    while (tracking_prefix(session, count, &prefix))
        count++;
    reply_array(call->reply, count);
    for (size_t i = 0; tracking_prefix(session, i, &prefix); i++)
        reply_bulk(call->reply, prefix);
}
