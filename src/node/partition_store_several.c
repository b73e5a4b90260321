/* SPDX-License-Identifier: BSD-3-Clause */
/* Several commands as one, in one section of the partition: what had expired of all their keys goes
 * first, then room is made, then they run. What they answer is theirs, an error of one stops none;
 * only lack of memory stops all, and takes back what the first ones did. */
#include "cluster/mutants.h"
#include "node/partition_store.h"
#include "node/section.h"

#define ABORTED_TEXT "EXECABORT Transaction discarded because of: " NODE_OUT_OF_MEMORY_TEXT

struct commands {
    const struct store_command *items;
    size_t count;
    bool denies_oom, is_write, has_script;
};

/* Whether they can run here at all. Errors: LARDER_INVALID (the reply says why), LARDER_NO_MEMORY.
 */
static enum larder_status check(struct hosted_partition *p, struct commands *commands) {
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < commands->count && status == LARDER_OK; i++) {
        const struct store_command *c = &commands->items[i];
        const struct command_spec *spec = hosted_find_command(c->argv, c->argc);
        struct key_list keys;
        if (!hosted_is_permitted(p, spec, c->argv, c->argc))
            return LARDER_INVALID;
        commands->denies_oom |= (spec->flags & COMMAND_FLAG_DENYOOM) != 0;
        commands->is_write |= hosted_is_write(spec);
        commands->has_script |= hosted_is_script(spec) && hosted_is_write(spec);
        status = hosted_list_keys(p->host, spec, c->argv, c->argc, &keys);
        if (status != LARDER_OK)
            return status;
        if (!hosted_has_only_own_keys(p, &keys, c->argv))
            status = LARDER_INVALID;
        hosted_drop_keys(p->host, &keys);
    }
    return status;
}

/* False: no memory. */
static bool for_each_key(struct hosted_partition *p, const struct store_command *c,
                         bool (*call)(struct hosted_partition *p, struct slice key)) {
    struct key_list keys;
    const struct command_spec *spec = hosted_find_command(c->argv, c->argc);
    bool is_done = hosted_list_keys(p->host, spec, c->argv, c->argc, &keys) == LARDER_OK;
    if (!is_done)
        return false;
    for (size_t i = 0; i < keys.count && is_done; i++)
        is_done = call(p, c->argv[keys.items[i].position]);
    hosted_drop_keys(p->host, &keys);
    return is_done;
}

static bool prepare(struct hosted_partition *p, const struct commands *commands) {
    for (size_t i = 0; i < commands->count; i++)
        if (!for_each_key(p, &commands->items[i], hosted_remove_expired))
            return false;
    p->host->has_room = true;
    if (!commands->denies_oom && !commands->has_script)
        return true;
    p->host->has_room =
        hosted_make_room(p); /* evicts: what is taken back later does not come back */
    return p->host->has_room || !commands->denies_oom;
}

/* Whoever fails has changed nothing itself, but a script. */
static bool run_one(struct hosted_partition *p, const struct store_command *c, bool is_last) {
    const struct command_spec *spec = hosted_find_command(c->argv, c->argc);
    bool is_flush = spec->id == COMMAND_FLUSHALL || spec->id == COMMAND_FLUSHDB;
    if (is_flush && !is_last)
        p->host->undo.is_possible = false;
    else if (hosted_is_write(spec) && !hosted_is_script(spec) && !is_last &&
             !for_each_key(p, c, hosted_undo_keep))
        return false;
    return hosted_run_command(p, spec, c->argv, c->argc);
}

static enum larder_status run_all(struct hosted_partition *p, const struct commands *commands) {
    struct reply *reply = &p->host->reply;
    struct reply_mark begin = reply_mark(reply);
    bool is_done = true;
    hosted_undo_begin(p->host);
    reply_array(reply, commands->count);
    for (size_t i = 0; i < commands->count && is_done; i++)
        is_done = run_one(p, &commands->items[i], i + 1 == commands->count);
    if (is_done && !reply->failed)
        return LARDER_OK;
    bool is_undone = CLUSTER_MUTATED(MUTANT_EXEC_PARTLY) || hosted_undo(p);
    reply_cut(reply, begin);
    reply_error(reply, ABORTED_TEXT);
    return is_undone ? LARDER_OK : LARDER_CORRUPT;
}

enum larder_status hosted_execute_all(void *context, int64_t now_ms,
                                      const struct store_command *items, size_t count,
                                      struct store_result *out) {
    struct hosted_partition *p = context;
    struct commands commands = {.items = items, .count = count};
    store_host_begin(p->host, now_ms);
    enum larder_status status = hosted_settle(p->host) ? check(p, &commands) : LARDER_NO_MEMORY;
    if (status == LARDER_OK)
        status = hosted_enter(p);
    if (status == LARDER_OK) {
        if (prepare(p, &commands))
            status = run_all(p, &commands);
        else
            reply_error(&p->host->reply, ABORTED_TEXT);
        node_section_end(&p->host->thread);
    }
    hosted_give(p->host, out);
    out->is_write = commands.is_write;
    return status;
}

enum larder_status hosted_expire_keys(void *context, int64_t now_ms, const struct slice *keys,
                                      size_t count, struct store_result *out) {
    struct hosted_partition *p = context;
    store_host_begin(p->host, now_ms);
    enum larder_status status = hosted_settle(p->host) ? hosted_enter(p) : LARDER_NO_MEMORY;
    if (status != LARDER_OK)
        return status;
    for (size_t i = 0; i < count && status == LARDER_OK; i++)
        if (store_host_partition_of(p->host, keys[i]) == p->id &&
            !hosted_remove_expired(p, keys[i]))
            status = LARDER_NO_MEMORY;
    node_section_end(&p->host->thread);
    hosted_give(p->host, out);
    return status;
}
