/* SPDX-License-Identifier: BSD-3-Clause */
/* Three replicas of one partition, the config group as one configuration that each of them sees as
 * late as the test wants, messages delivered or lost as the test says: the traces read as the
 * protocol. Time is in milliseconds. A line is what one replica put out. Each test begins and ends
 * with a world of its own (TEST). */
#ifndef LARDER_TESTS_UNIT_CLUSTER_REPLICA_FIXTURE_H
#define LARDER_TESTS_UNIT_CLUSTER_REPLICA_FIXTURE_H

#include "cluster/partition_replica.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { A = 1, B, C, NODES = 3, QUEUE = 256 };

struct envelope {
    uint8_t *bytes;
    size_t size;
    uint32_t to;
};

struct node {
    struct partition_replica *replica;
    struct lease_table *leases;
    struct configuration *view; /* as far as this node has applied */
    char store[4096];           /* payloads, in the order in which they took effect */
    uint64_t written;           /* number of the last write that was given out */
};

struct fixture {
    struct golden golden;
    struct configuration *group; /* what the config group has committed */
    struct config_entry entries[1024];
    size_t entry_count;
    struct config_entry proposed;
    bool has_proposed;
    struct node nodes[NODES + 1];
    struct envelope queue[QUEUE];
    size_t queued;
    int64_t now_ms;
    size_t records_max; /* of B's log; 0: the usual */
    bool is_quiet;
    struct replica_output out;
};

static struct fixture fixture;

static inline struct configuration *make_configuration(void) {
    struct configuration *c = NULL;
    struct member founders[NODES] = {0};
    for (uint32_t i = 0; i < NODES; i++)
        founders[i] = (struct member){.node = {{i + 1, 1}}, .incarnation = 1, .weight = 1};
    assert_int_equal(
        configuration_create((struct raft_id){{1, 1}}, 1, 1, NODES, &ALLOCATOR_SYSTEM, &c),
        LARDER_OK);
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 3;
    assert_int_equal(configuration_found(c, founders, NODES, &settings), LARDER_OK);
    return c;
}

static inline char name(uint32_t member) {
    return member == 0 ? '-' : (char)('A' + member - 1);
}

#define SAY(...)                                                                                   \
    do {                                                                                           \
        if (!fixture.is_quiet)                                                                     \
            golden_say(&fixture.golden, __VA_ARGS__);                                              \
    } while (0)

static inline void say_message(const struct replica_message *m) {
    static const char *const TYPES[] = {"?", "RECORDS", "BASE", "ACK", "REFUSE"};
    SAY("  %c>%c %s t%u %u.%u", name(m->from), name(m->to), TYPES[m->type], (unsigned)m->term,
        (unsigned)m->position.term, (unsigned)m->position.sequence);
    for (uint32_t i = 0; i < m->record_count; i++)
        SAY(" +%u%.*s", (unsigned)m->records[i].term, (int)m->records[i].payload.size,
            (const char *)m->records[i].payload.data);
    if (m->type == REPLICA_RECORDS || m->type == REPLICA_BASE)
        SAY(" commit %u", (unsigned)m->commit);
    SAY("%s\n", m->is_unsynced ? " unsynced" : "");
}

static inline void store(struct node *node, struct slice payload) {
    size_t used = strlen(node->store);
    assert_true(used + payload.size < sizeof(node->store));
    memcpy(node->store + used, payload.data, payload.size);
    node->store[used + payload.size] = 0;
}

static inline void take_output(uint32_t n) {
    static const char *const ANSWERS[] = {"?", "DONE", "MOVED", "REFUSED", "IN DOUBT"};
    struct fixture *f = &fixture;
    struct replica_output *out = &f->out;
    struct node *node = &f->nodes[n];
    assert_false(out->is_broken);
    if (out->has_new_role)
        SAY("  %c is %s\n", name(n), replica_role_name(node->replica->role));
    for (uint64_t s = out->apply_first; s <= out->apply_last; s++)
        store(node, replica_get_record(node->replica, s).payload);
    if (out->has_cut)
        SAY("  %c cut %u to %u\n", name(n), (unsigned)out->cut_first, (unsigned)out->cut_last);
    if (out->write.number != 0)
        node->written = out->write.number;
    for (uint32_t i = 0; i < out->reply_count; i++)
        SAY("  %c reply %u %s\n", name(n), (unsigned)out->replies[i].context,
            ANSWERS[out->replies[i].answer]);
    if (out->has_proposal) {
        f->proposed = out->proposal;
        f->has_proposed = true;
        SAY("  %c proposes %s %c@%u\n", name(n), config_entry_name(out->proposal.type),
            name(out->proposal.change.member), (unsigned)out->proposal.change.epoch);
    }
    for (uint32_t i = 0; i < out->message_count; i++) {
        const struct replica_message *m = &out->messages[i];
        say_message(m);
        assert_true(f->queued < QUEUE);
        struct envelope *e = &f->queue[f->queued++];
        e->size = replica_message_encoded_size(m);
        e->bytes = malloc(e->size);
        assert_int_equal(replica_message_encode(m, e->bytes), e->size);
        e->to = m->to;
    }
}

static inline enum larder_status step(uint32_t n, struct replica_input input) {
    input.now_us = fixture.now_ms * 1000;
    enum larder_status status = replica_step(fixture.nodes[n].replica, &input, &fixture.out);
    if (status == LARDER_OK)
        take_output(n);
    return status;
}

/* The node applies what the config group has committed. */
static inline void see(uint32_t n) {
    struct fixture *f = &fixture;
    struct node *node = &f->nodes[n];
    for (size_t i = (size_t)node->view->index; i < f->entry_count; i++) {
        uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
        enum config_outcome outcome;
        size_t size = config_entry_encode(&f->entries[i], bytes);
        assert_int_equal(configuration_apply(node->view, i + 1, slice_of(bytes, size), &outcome),
                         LARDER_OK);
    }
    lease_set_applied(node->leases, node->view->index);
    assert_int_equal(
        step(n, (struct replica_input){.type = REPLICA_VIEW, .configuration = node->view}),
        LARDER_OK);
}

static inline enum config_outcome commit(const struct config_entry *entry) {
    struct fixture *f = &fixture;
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    enum config_outcome outcome;
    f->entries[f->entry_count++] = *entry;
    size_t size = config_entry_encode(entry, bytes);
    assert_int_equal(configuration_apply(f->group, f->entry_count, slice_of(bytes, size), &outcome),
                     LARDER_OK);
    return outcome;
}

static inline void commit_change(enum config_entry_type type, uint32_t member) {
    const struct partition_config *p = &fixture.group->partitions[0];
    struct config_entry entry = {
        .type = type,
        .change = {.epoch = p->epoch, .member = member, .incarnation = 1, .term = p->term}};
    assert_int_equal(commit(&entry), CONFIG_APPLIED);
}

static inline void tick(uint32_t n) {
    assert_int_equal(step(n, (struct replica_input){.type = REPLICA_TICK}), LARDER_OK);
}

static inline void remove_first(void) {
    free(fixture.queue[0].bytes);
    fixture.queued--;
    memmove(fixture.queue, fixture.queue + 1, fixture.queued * sizeof(fixture.queue[0]));
}

static inline void deliver_first(void) {
    struct envelope e = fixture.queue[0];
    fixture.queued--;
    memmove(fixture.queue, fixture.queue + 1, fixture.queued * sizeof(fixture.queue[0]));
    struct replica_record records[REPLICA_BATCH_RECORDS];
    struct replica_message m;
    assert_int_equal(replica_message_decode(slice_of(e.bytes, e.size), records, &m), LARDER_OK);
    enum larder_status status =
        step(e.to, (struct replica_input){.type = REPLICA_MESSAGE, .message = &m});
    assert_true(status == LARDER_OK || status == LARDER_DENIED);
    free(e.bytes);
}

/* Everything that is under way, but what goes to those in `deaf`. */
static inline void deliver(const char *deaf) {
    while (fixture.queued > 0)
        if (strchr(deaf, name(fixture.queue[0].to)) != NULL)
            remove_first();
        else
            deliver_first();
}

/* A message that nobody sent now: late, or of another process. */
static inline void inject(struct replica_message message) {
    message.from_incarnation = message.from_incarnation == 0 ? 1 : message.from_incarnation;
    message.to_incarnation = 1;
    assert_int_equal(
        step(message.to, (struct replica_input){.type = REPLICA_MESSAGE, .message = &message}),
        LARDER_OK);
}

static inline void sync_node(uint32_t n) {
    assert_int_equal(
        step(n, (struct replica_input){.type = REPLICA_SYNCED, .number = fixture.nodes[n].written}),
        LARDER_OK);
}

static inline void lose_all(void) {
    while (fixture.queued > 0)
        remove_first();
}

static inline enum larder_status write_to(uint32_t n, uint64_t context, const char *payload) {
    enum larder_status status =
        replica_admit(fixture.nodes[n].replica, strlen(payload), fixture.now_ms * 1000);
    if (status != LARDER_OK)
        return status;
    store(&fixture.nodes[n], slice_of_string(payload));
    return step(n,
                (struct replica_input){.type = REPLICA_WRITE,
                                       .request = {.context = context,
                                                   .payload = slice_of_string(payload),
                                                   .deadline_us = (fixture.now_ms + 2000) * 1000}});
}

static inline void read_at(uint32_t n, uint64_t context) {
    assert_int_equal(replica_admit(fixture.nodes[n].replica, 0, fixture.now_ms * 1000), LARDER_OK);
    assert_int_equal(
        step(n, (struct replica_input){.type = REPLICA_READ,
                                       .request = {.context = context,
                                                   .deadline_us = (fixture.now_ms + 500) * 1000}}),
        LARDER_OK);
}

/* `from` sent a heartbeat at sent_ms, `to` answers now. */
static inline void promise(uint32_t to, uint32_t from, int64_t sent_ms) {
    struct fixture *f = &fixture;
    assert_true(lease_give(f->nodes[to].leases, from, 1, f->now_ms * 1000));
    lease_take(f->nodes[from].leases, to, 1,
               &(struct lease_promise){sent_ms * 1000, 250000, f->nodes[to].view->index},
               f->now_ms * 1000);
}

static inline void hear_coordinator(uint32_t n) {
    lease_take_config(
        fixture.nodes[n].leases,
        &(struct lease_promise){fixture.now_ms * 1000, 2000000, fixture.nodes[n].view->index},
        fixture.now_ms * 1000);
}

static inline void promise_all(void) {
    for (uint32_t from = A; from <= C; from++) {
        hear_coordinator(from);
        for (uint32_t to = A; to <= C; to++)
            if (to != from)
                promise(to, from, fixture.now_ms);
    }
}

static inline void make_replica(uint32_t n, bool waits_for_sync) {
    struct node *node = &fixture.nodes[n];
    assert_int_equal(lease_table_create(NODES, 250000, 2000000, fixture.now_ms * 1000,
                                        &ALLOCATOR_SYSTEM, &node->leases),
                     LARDER_OK);
    for (uint32_t peer = A; peer <= C; peer++)
        if (peer != n)
            assert_true(lease_set_peer(node->leases, peer, 1));
    struct replica_options options = {.self = n,
                                      .incarnation = 1,
                                      .waits_for_sync = waits_for_sync,
                                      .records_max = n == B ? fixture.records_max : 0};
    assert_int_equal(replica_create(&options, node->leases, &ALLOCATOR_SYSTEM, &node->replica),
                     LARDER_OK);
}

/* A*, B and C in sync, A open in term 1, nothing under way; the time is 1000. */
static inline void found(bool waits_for_sync) {
    fixture = (struct fixture){.is_quiet = true, .records_max = fixture.records_max};
    fixture.group = make_configuration();
    fixture.group->partitions[0].primary = A;
    for (uint32_t n = A; n <= C; n++) {
        fixture.nodes[n].view = make_configuration();
        fixture.nodes[n].view->partitions[0].primary = A;
        make_replica(n, waits_for_sync);
    }
    fixture.now_ms = 1000;
    for (uint32_t n = A; n <= C; n++)
        see(n);
    for (int round = 0; round < 4; round++) {
        for (uint32_t n = A; n <= C; n++)
            (void)step(n, (struct replica_input){.type = REPLICA_SYNCED,
                                                 .number = fixture.nodes[n].written});
        deliver("");
    }
    promise_all();
    assert_int_equal(fixture.nodes[A].replica->role, REPLICA_OPEN);
    assert_int_equal(fixture.nodes[C].replica->commit, 1);
    fixture.is_quiet = false;
}

static inline int begin(void **state) {
    (void)state;
    fixture.records_max = 0;
    found(false);
    return 0;
}

static inline int end(void **state) {
    (void)state;
    lose_all();
    for (uint32_t n = A; n <= C; n++) {
        replica_destroy(fixture.nodes[n].replica);
        lease_table_destroy(fixture.nodes[n].leases);
        configuration_destroy(fixture.nodes[n].view);
    }
    configuration_destroy(fixture.group);
    return 0;
}

static inline void expect(const char *text) {
    golden_expect(&fixture.golden, text);
}

static inline void write_and_deliver(uint32_t n, uint64_t count) {
    for (uint64_t i = 1; i <= count; i++) {
        assert_int_equal(write_to(n, i, "x"), LARDER_OK);
        deliver("");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
