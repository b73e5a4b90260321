/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of what the access lists refused, newest first. A refusal like one of the latest few that
 * is not a minute old raises the count of that one and brings it to the front. Entries are numbered
 * from 0 as long as the server runs.
 *
 * Pure: the caller serialises use of one log and gives the time. */
#ifndef LARDER_SERVER_ACL_LOG_H
#define LARDER_SERVER_ACL_LOG_H

#include "base/alloc.h"
#include "base/slice.h"

enum acl_reason { ACL_REASON_COMMAND, ACL_REASON_KEY, ACL_REASON_CHANNEL, ACL_REASON_AUTH };

/* Where the command came from. */
enum acl_context { ACL_CONTEXT_TOPLEVEL, ACL_CONTEXT_MULTI, ACL_CONTEXT_SCRIPT };

struct acl_log_entry {
    struct acl_log_entry *older, *newer;
    uint64_t id, count;
    enum acl_reason reason;
    enum acl_context context;
    int64_t created_ms, updated_ms;
    struct slice object; /* command, key or channel; "AUTH" */
    struct slice user;   /* its name */
    struct slice client; /* as CLIENT INFO describes it, at the latest refusal */
    size_t bytes;        /* of the whole block; the texts follow in it */
};

struct acl_log {
    const struct allocator *allocator;
    struct acl_log_entry *newest, *oldest;
    size_t length;
    uint64_t next_id;
};

void acl_log_init(struct acl_log *log, const struct allocator *allocator);
void acl_log_finish(struct acl_log *log);

/* `what` gives reason, context, updated_ms and texts, which are copied. Without memory nothing is
 * logged. At most max_length entries are kept. */
void acl_log_add(struct acl_log *log, const struct acl_log_entry *what, size_t max_length);
/* Drop the oldest until max_length are left. */
void acl_log_limit(struct acl_log *log, size_t max_length);

#endif
