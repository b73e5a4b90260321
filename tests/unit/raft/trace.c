/* SPDX-License-Identifier: BSD-3-Clause */
/* The language of the golden traces. */
#include "trace.h"

#define TRACE_UNUSED __attribute__((unused))

static struct raft_id trace_id(char name) {
    return (struct raft_id){{1, (uint64_t)name}};
}

static char trace_name(struct raft_id id) {
    return raft_id_is_set(id) ? (char)id.words[1] : '-';
}

static struct trace_node *trace_node(struct trace *t, char name) {
    return &t->nodes[name - 'A'];
}

__attribute__((format(printf, 2, 3))) static void trace_print(struct trace *t, const char *format,
                                                              ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(t->text + t->length, TRACE_TEXT - t->length, format, arguments);
    va_end(arguments);
    t->length += (size_t)length;
    assert_true(t->length < TRACE_TEXT);
}

static void print_entries(struct trace *t, const struct raft_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++)
        trace_print(t, " %d/%d", (int)entries[i].index, (int)entries[i].term);
}

static void print_append_reply(struct trace *t, const struct raft_message *m) {
    const struct raft_append_reply *r = &m->append_reply;
    if (r->is_rejected)
        trace_print(t, "append-reply %d rejected at %d, try %d/%d", (int)m->term,
                    (int)r->previous_index, (int)r->hint_index, (int)r->hint_term);
    else
        trace_print(t, "append-reply %d held %d durable %d%s", (int)m->term, (int)r->held,
                    (int)r->durable, r->is_stalled ? " stalled" : "");
}

static void print_one(struct trace *t, const struct raft_message *m) {
    static const char *const NAMES[] = {[RAFT_PRE_VOTE] = "pre-vote",
                                        [RAFT_VOTE] = "vote",
                                        [RAFT_PRE_VOTE_REPLY] = "pre-vote-reply",
                                        [RAFT_VOTE_REPLY] = "vote-reply"};
    trace_print(t, "%c -> %c ", trace_name(m->from), trace_name(m->to));
    switch (m->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        trace_print(t, "%s %d log %d/%d%s", NAMES[m->type], (int)m->term, (int)m->vote.last_index,
                    (int)m->vote.last_term, m->vote.is_transfer ? " transfer" : "");
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        trace_print(t, "%s %d %s", NAMES[m->type], (int)m->term,
                    m->vote_reply.is_granted ? "granted" : "refused");
        break;
    case RAFT_APPEND:
        trace_print(t, "append %d commit %d after %d/%d:", (int)m->term, (int)m->append.commit,
                    (int)m->append.previous_index, (int)m->append.previous_term);
        print_entries(t, m->append.entries, m->append.entry_count);
        break;
    case RAFT_APPEND_REPLY: print_append_reply(t, m); break;
    case RAFT_SNAPSHOT:
        trace_print(t, "snapshot %d of %d/%d offset %d size %d", (int)m->term,
                    (int)m->snapshot.snapshot.index, (int)m->snapshot.snapshot.term,
                    (int)m->snapshot.offset, (int)m->snapshot.data.size);
        break;
    case RAFT_SNAPSHOT_REPLY:
        trace_print(t, "snapshot-reply %d of %d/%d offset %d", (int)m->term,
                    (int)m->snapshot_reply.snapshot.index, (int)m->snapshot_reply.snapshot.term,
                    (int)m->snapshot_reply.offset);
        break;
    case RAFT_TIMEOUT_NOW: trace_print(t, "timeout-now %d", (int)m->term); break;
    }
    trace_print(t, "\n");
}

static void queue_message(struct trace *t, const struct raft_message *m) {
    if (trace_node(t, trace_name(m->from))->is_isolated ||
        trace_node(t, trace_name(m->to))->is_isolated)
        return;
    assert_true(t->message_count < TRACE_MESSAGES);
    struct trace_message *queued = &t->messages[t->message_count++];
    queued->size = raft_message_encoded_size(m);
    queued->bytes = malloc(queued->size);
    queued->from = trace_name(m->from);
    queued->to = trace_name(m->to);
    assert_int_equal(raft_message_encode(m, queued->bytes), queued->size);
}

static void copy_entry(struct trace_entry *to, const struct raft_entry *from) {
    assert_true(from->data.size <= sizeof(to->data));
    to->entry = *from;
    if (from->data.size > 0)
        memcpy(to->data, from->data.data, from->data.size);
}

static void queue_write(struct trace *t, char name, const struct raft_write *write) {
    struct trace_node *node = trace_node(t, name);
    assert_true(node->write_count < TRACE_WRITES);
    struct trace_write *queued = &node->writes[node->write_count++];
    queued->write = *write;
    for (size_t i = 0; i < write->entry_count; i++)
        copy_entry(&queued->entries[i], &write->entries[i]);
    trace_print(t, "%c writes %d:", name, (int)write->number);
    if (write->has_hard_state)
        trace_print(t, " term %d, vote %c", (int)write->hard_state.term,
                    trace_name(write->hard_state.vote));
    if (write->has_log) {
        trace_print(t, "%s%s %d <", write->has_hard_state ? ";" : "",
                    write->is_reset ? " snapshot" : "", (int)write->after_index);
        print_entries(t, write->entries, write->entry_count);
    }
    trace_print(t, "\n");
}

static enum larder_status trace_step(struct trace *t, char name, struct raft_input input);

/* The oldest waiting write reaches the disk; what PERSISTED has to say. */
static struct raft_persisted perform_write(struct trace *t, char name) {
    struct trace_node *node = trace_node(t, name);
    assert_true(node->write_count > 0);
    struct trace_write *done = &node->writes[0];
    const struct raft_write *write = &done->write;
    struct raft_persisted persisted = {write->number, write->last_index, write->last_term};
    if (write->has_hard_state)
        node->hard_state = write->hard_state;
    if (write->is_reset)
        node->log_count = 0;
    if (write->has_log) {
        while (node->log_count > 0 &&
               node->log[node->log_count - 1].entry.index > write->after_index)
            node->log_count--;
        for (size_t i = 0; i < write->entry_count; i++)
            node->log[node->log_count++] = done->entries[i];
    }
    node->write_count--;
    memmove(node->writes, node->writes + 1, node->write_count * sizeof(node->writes[0]));
    return persisted;
}

static void trace_acknowledge(struct trace *t, char name, struct raft_persisted persisted) {
    assert_int_equal(
        trace_step(t, name, (struct raft_input){.type = RAFT_PERSISTED, .persisted = persisted}),
        LARDER_OK);
}

static void answer_snapshots(struct trace *t, char name) {
    struct trace_node *node = trace_node(t, name);
    size_t count = t->out.snapshot_read_count;
    struct raft_snapshot_read reads[RAFT_MEMBERS_MAX];
    memcpy(reads, t->out.snapshot_reads, count * sizeof(reads[0]));
    if (t->out.has_snapshot_chunk) {
        const struct raft_snapshot_chunk *chunk = &t->out.snapshot_chunk;
        memcpy(node->snapshot_bytes + chunk->offset, chunk->data.data, chunk->data.size);
        node->snapshot = chunk->snapshot;
        node->configuration = chunk->configuration;
        node->stored = chunk->offset + chunk->data.size;
        struct raft_input stored = {.type = RAFT_SNAPSHOT_STORED,
                                    .snapshot_stored = {chunk->snapshot, node->stored}};
        (void)!trace_step(t, name, stored);
    }
    for (size_t i = 0; i < count; i++) {
        struct raft_input data = {
            .type = RAFT_SNAPSHOT_DATA,
            .snapshot_data = {.to = reads[i].to,
                              .snapshot = reads[i].snapshot,
                              .offset = reads[i].offset,
                              .data =
                                  slice_of(node->snapshot_bytes + reads[i].offset, reads[i].size)}};
        (void)!trace_step(t, name, data);
    }
}

static void print_output(struct trace *t, char name) {
    const struct raft_output *out = &t->out;
    struct raft_status status;
    struct trace_node *node = trace_node(t, name);
    raft_get_status(node->raft, &status);
    if (status.role != node->role)
        trace_print(t, "%c: %s -> %s, term %d\n", name, raft_role_name(node->role),
                    raft_role_name(status.role), (int)status.term);
    node->role = status.role;
    for (size_t i = 0; i < out->message_count; i++)
        print_one(t, &out->messages[i]);
    if (out->has_install)
        trace_print(t, "%c installs %d/%d\n", name, (int)out->install.index,
                    (int)out->install.term);
    if (out->apply_count > 0) {
        trace_print(t, "%c applies", name);
        print_entries(t, out->apply, out->apply_count);
        trace_print(t, "\n");
    }
    for (size_t i = 0; i < out->read_count; i++)
        trace_print(t, "%c read %d %s %d\n", name, (int)out->reads[i].context,
                    out->reads[i].status == LARDER_OK ? "at" : "failed", (int)out->reads[i].index);
}

static enum larder_status trace_step(struct trace *t, char name, struct raft_input input) {
    struct trace_node *node = trace_node(t, name);
    if (node->raft == NULL)
        return LARDER_CLOSED;
    input.now_ms = node->now_ms;
    enum larder_status status = raft_step(node->raft, &input, &t->out);
    if (status != LARDER_OK)
        return status;
    print_output(t, name);
    for (size_t i = 0; i < t->out.message_count; i++)
        queue_message(t, &t->out.messages[i]);
    if (t->out.write.number != 0)
        queue_write(t, name, &t->out.write);
    answer_snapshots(t, name);
    while (!node->is_disk_held && node->write_count > 0)
        trace_acknowledge(t, name, perform_write(t, name));
    return LARDER_OK;
}

static TRACE_UNUSED void trace_persist(struct trace *t, char name) {
    struct trace_node *node = trace_node(t, name);
    for (size_t count = node->write_count; count > 0; count--)
        trace_acknowledge(t, name, perform_write(t, name));
}

/* All writes that wait fail, without a trace on the disk. */
static TRACE_UNUSED void trace_fail_writes(struct trace *t, char name) {
    struct trace_node *node = trace_node(t, name);
    struct raft_input failed = {.type = RAFT_PERSIST_FAILED,
                                .failed_number = node->writes[0].write.number};
    node->write_count = 0;
    assert_int_equal(trace_step(t, name, failed), LARDER_OK);
}

static void trace_start(struct trace *t, char name) {
    struct trace_node *node = trace_node(t, name);
    static struct raft_entry entries[TRACE_LOG];
    for (size_t i = 0; i < node->log_count; i++) {
        entries[i] = node->log[i].entry;
        entries[i].data.data = node->log[i].data;
    }
    struct raft_options options = {.cluster = {{9, 9}},
                                   .self = trace_id(name),
                                   .seed = (uint64_t)name,
                                   .election_ms = TRACE_ELECTION_MS,
                                   .heartbeat_ms = TRACE_HEARTBEAT_MS,
                                   .snapshot_chunk_bytes = 5};
    struct raft_restored restored = {.now_ms = node->now_ms,
                                     .hard_state = node->hard_state,
                                     .snapshot = node->snapshot,
                                     .configuration = node->configuration,
                                     .entries = entries,
                                     .entry_count = node->log_count};
    assert_int_equal(raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &node->raft), LARDER_OK);
    node->role = RAFT_FOLLOWER;
}

/* `names` are founding voters, `joiners` nodes that know nothing. */
static struct trace *trace_begin(const char *names, const char *joiners) {
    struct trace *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    for (const char *name = names; *name != '\0'; name++)
        t->founders.members[t->founders.count++] = (struct raft_member){trace_id(*name), true};
    for (const char *name = names; *name != '\0'; name++) {
        trace_node(t, *name)->configuration = t->founders;
        trace_start(t, *name);
    }
    for (const char *name = joiners; *name != '\0'; name++)
        trace_start(t, *name);
    return t;
}

static void trace_drop_at(struct trace *t, size_t at) {
    free(t->messages[at].bytes);
    t->message_count--;
    memmove(t->messages + at, t->messages + at + 1,
            (t->message_count - at) * sizeof(t->messages[0]));
}

static void trace_end(struct trace *t) {
    while (t->message_count > 0)
        trace_drop_at(t, 0);
    for (size_t i = 0; i < TRACE_NODES; i++)
        raft_destroy(t->nodes[i].raft);
    free(t);
}

static TRACE_UNUSED void trace_crash(struct trace *t, char name) {
    struct trace_node *node = trace_node(t, name);
    raft_destroy(node->raft);
    node->raft = NULL;
    node->write_count = 0;
}

static void deliver_at(struct trace *t, size_t at) {
    struct trace_message queued = t->messages[at];
    t->message_count--;
    memmove(t->messages + at, t->messages + at + 1,
            (t->message_count - at) * sizeof(t->messages[0]));
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message m;
    assert_int_equal(raft_message_decode(slice_of(queued.bytes, queued.size), entries, &m),
                     LARDER_OK);
    if (!trace_node(t, queued.to)->is_isolated && !trace_node(t, queued.from)->is_isolated)
        (void)!trace_step(t, queued.to, (struct raft_input){.type = RAFT_MESSAGE, .message = &m});
    free(queued.bytes);
}

/* The oldest message from one node to another. */
static TRACE_UNUSED void trace_deliver(struct trace *t, char from, char to) {
    size_t at = 0;
    while (at < t->message_count && (t->messages[at].from != from || t->messages[at].to != to))
        at++;
    assert_true(at < t->message_count);
    deliver_at(t, at);
}

static void trace_deliver_all(struct trace *t) {
    for (size_t rounds = 0; t->message_count > 0; rounds++) {
        assert_true(rounds < 10000);
        deliver_at(t, 0);
    }
}

static TRACE_UNUSED void trace_lose_all(struct trace *t) {
    while (t->message_count > 0)
        trace_drop_at(t, 0);
}

static TRACE_UNUSED void trace_isolate(struct trace *t, const char *names) {
    for (size_t i = 0; i < TRACE_NODES; i++)
        t->nodes[i].is_isolated = strchr(names, (int)('A' + i)) != NULL;
}

static void trace_tick_at(struct trace *t, char name, int64_t now_ms) {
    struct trace_node *node = trace_node(t, name);
    if (now_ms > node->now_ms)
        node->now_ms = now_ms;
    (void)!trace_step(t, name, (struct raft_input){.type = RAFT_TICK});
}

/* The node's election timeout passes. */
static void trace_timeout(struct trace *t, char name) {
    struct raft_status status;
    raft_get_status(trace_node(t, name)->raft, &status);
    trace_tick_at(t, name, status.election_deadline_ms);
}

/* Time passes for one node. */
static TRACE_UNUSED void trace_pass(struct trace *t, char name, int64_t ms) {
    trace_tick_at(t, name, trace_node(t, name)->now_ms + ms);
}

/* So much time without a leader that the nodes would vote again; none of them times out. */
static TRACE_UNUSED void trace_forget_leader(struct trace *t, const char *names) {
    for (; *names != '\0'; names++)
        trace_node(t, *names)->now_ms += TRACE_ELECTION_MS;
}

static TRACE_UNUSED enum larder_status trace_propose(struct trace *t, char name, const char *text) {
    return trace_step(t, name,
                      (struct raft_input){.type = RAFT_PROPOSE, .command = slice_of_string(text)});
}

static TRACE_UNUSED enum larder_status trace_change(struct trace *t, char name,
                                                    enum raft_change_type type, char member) {
    return trace_step(t, name,
                      (struct raft_input){.type = RAFT_CHANGE, .change = {type, trace_id(member)}});
}

static TRACE_UNUSED enum larder_status trace_read(struct trace *t, char name, uint64_t context) {
    return trace_step(t, name, (struct raft_input){.type = RAFT_READ, .read_context = context});
}

/* A line per node: role, term, log, commit index, voters and (learners) of its configuration. */
static void trace_show(struct trace *t, const char *names) {
    for (; *names != '\0'; names++) {
        struct raft_status s;
        const struct raft *raft = trace_node(t, *names)->raft;
        raft_get_status(raft, &s);
        trace_print(t, "%c %s %d:", *names, raft_role_name(s.role), (int)s.term);
        for (uint64_t index = s.first_index; index <= s.last_index; index++)
            print_entries(t, raft_find_entry(raft, index), 1);
        trace_print(t, " commit %d", (int)s.commit_index);
        const struct raft_configuration *c = raft_get_configuration(raft);
        trace_print(t, " of ");
        for (uint32_t i = 0; i < c->count; i++)
            trace_print(t, c->members[i].is_voter ? "%c" : "(%c)", trace_name(c->members[i].id));
        trace_print(t, "\n");
    }
}

static void trace_quiet(struct trace *t) {
    t->length = 0;
    t->text[0] = '\0';
}

static void trace_expect(struct trace *t, const char *expected) {
    if (getenv("LARDER_TRACE") != NULL)
        printf("----\n%s", t->text);
    else
        assert_string_equal(t->text, expected);
    trace_quiet(t);
}

/* The node becomes leader with everybody's help and commits its no-op. */
static TRACE_UNUSED void trace_elect(struct trace *t, char name) {
    trace_timeout(t, name);
    trace_deliver_all(t);
    trace_pass(t, name, TRACE_HEARTBEAT_MS);
    trace_deliver_all(t);
    assert_int_equal(trace_node(t, name)->role, RAFT_LEADER);
    trace_quiet(t);
}

static TRACE_UNUSED void trace_show_expect(struct trace *t, const char *names,
                                           const char *expected) {
    trace_quiet(t);
    trace_show(t, names);
    trace_expect(t, expected);
}
