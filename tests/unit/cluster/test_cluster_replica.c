/* SPDX-License-Identifier: BSD-3-Clause */
/* Three replicas of one partition, the config group as one configuration that each of them sees as
 * late as the test wants, messages delivered or lost as the test says: the traces read as the
 * protocol. Time is in milliseconds. A line is what one replica put out. */
#include "cluster/partition_replica.h"

#include "base/random.h"
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

static struct configuration *make_configuration(void) {
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

static char name(uint32_t member) {
    return member == 0 ? '-' : (char)('A' + member - 1);
}

#define SAY(...)                                                                                   \
    do {                                                                                           \
        if (!fixture.is_quiet)                                                                     \
            golden_say(&fixture.golden, __VA_ARGS__);                                              \
    } while (0)

static void say_message(const struct replica_message *m) {
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

static void store(struct node *node, struct slice payload) {
    size_t used = strlen(node->store);
    assert_true(used + payload.size < sizeof(node->store));
    memcpy(node->store + used, payload.data, payload.size);
    node->store[used + payload.size] = 0;
}

static void take_output(uint32_t n) {
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

static enum larder_status step(uint32_t n, struct replica_input input) {
    input.now_us = fixture.now_ms * 1000;
    enum larder_status status = replica_step(fixture.nodes[n].replica, &input, &fixture.out);
    if (status == LARDER_OK)
        take_output(n);
    return status;
}

/* The node applies what the config group has committed. */
static void see(uint32_t n) {
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

static enum config_outcome commit(const struct config_entry *entry) {
    struct fixture *f = &fixture;
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    enum config_outcome outcome;
    f->entries[f->entry_count++] = *entry;
    size_t size = config_entry_encode(entry, bytes);
    assert_int_equal(configuration_apply(f->group, f->entry_count, slice_of(bytes, size), &outcome),
                     LARDER_OK);
    return outcome;
}

static void commit_change(enum config_entry_type type, uint32_t member) {
    const struct partition_config *p = &fixture.group->partitions[0];
    struct config_entry entry = {
        .type = type,
        .change = {.epoch = p->epoch, .member = member, .incarnation = 1, .term = p->term}};
    assert_int_equal(commit(&entry), CONFIG_APPLIED);
}

static void tick(uint32_t n) {
    assert_int_equal(step(n, (struct replica_input){.type = REPLICA_TICK}), LARDER_OK);
}

static void remove_first(void) {
    free(fixture.queue[0].bytes);
    fixture.queued--;
    memmove(fixture.queue, fixture.queue + 1, fixture.queued * sizeof(fixture.queue[0]));
}

static void deliver_first(void) {
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
static void deliver(const char *deaf) {
    while (fixture.queued > 0)
        if (strchr(deaf, name(fixture.queue[0].to)) != NULL)
            remove_first();
        else
            deliver_first();
}

/* A message that nobody sent now: late, or of another process. */
static void inject(struct replica_message message) {
    message.from_incarnation = message.from_incarnation == 0 ? 1 : message.from_incarnation;
    message.to_incarnation = 1;
    assert_int_equal(
        step(message.to, (struct replica_input){.type = REPLICA_MESSAGE, .message = &message}),
        LARDER_OK);
}

static void sync_node(uint32_t n) {
    assert_int_equal(
        step(n, (struct replica_input){.type = REPLICA_SYNCED, .number = fixture.nodes[n].written}),
        LARDER_OK);
}

static void lose_all(void) {
    while (fixture.queued > 0)
        remove_first();
}

static enum larder_status write_to(uint32_t n, uint64_t context, const char *payload) {
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

static void read_at(uint32_t n, uint64_t context) {
    assert_int_equal(replica_admit(fixture.nodes[n].replica, 0, fixture.now_ms * 1000), LARDER_OK);
    assert_int_equal(
        step(n, (struct replica_input){.type = REPLICA_READ,
                                       .request = {.context = context,
                                                   .deadline_us = (fixture.now_ms + 500) * 1000}}),
        LARDER_OK);
}

/* `from` sent a heartbeat at sent_ms, `to` answers now. */
static void promise(uint32_t to, uint32_t from, int64_t sent_ms) {
    struct fixture *f = &fixture;
    assert_true(lease_give(f->nodes[to].leases, from, 1, f->now_ms * 1000));
    lease_take(f->nodes[from].leases, to, 1,
               &(struct lease_promise){sent_ms * 1000, 250000, f->nodes[to].view->index},
               f->now_ms * 1000);
}

static void hear_coordinator(uint32_t n) {
    lease_take_config(
        fixture.nodes[n].leases,
        &(struct lease_promise){fixture.now_ms * 1000, 2000000, fixture.nodes[n].view->index},
        fixture.now_ms * 1000);
}

static void promise_all(void) {
    for (uint32_t from = A; from <= C; from++) {
        hear_coordinator(from);
        for (uint32_t to = A; to <= C; to++)
            if (to != from)
                promise(to, from, fixture.now_ms);
    }
}

static void make_replica(uint32_t n, bool waits_for_sync) {
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
static void found(bool waits_for_sync) {
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

static int begin(void **state) {
    (void)state;
    fixture.records_max = 0;
    found(false);
    return 0;
}

static int end(void **state) {
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

static void expect(const char *text) {
    golden_expect(&fixture.golden, text);
}

static void a_write_is_answered_when_all_in_sync_have_it(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
    for (uint32_t n = A; n <= C; n++)
        assert_string_equal(fixture.nodes[n].store, "x");
}

static void a_silent_backup_is_removed_before_the_answer(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    fixture.is_quiet = true;
    deliver("C");
    fixture.now_ms += 240;
    tick(A);
    deliver("C");
    fixture.is_quiet = false;
    fixture.now_ms += 20;
    tick(A);
    tick(A); /* a proposal changes nothing yet */
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    assert_int_equal(commit(&fixture.proposed), CONFIG_APPLIED);
    see(A);
    deliver("C");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  A proposes SHRINK C@1\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n");
}

static void a_gap_is_refused_and_filled(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    lose_all();
    fixture.is_quiet = false;
    assert_int_equal(write_to(A, 2, "y"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.2 +1y commit 1\n"
           "  A>C RECORDS t1 1.2 +1y commit 1\n"
           "  B>A REFUSE t1 1.1\n"
           "  A>B RECORDS t1 1.1 +1x +1y commit 1\n"
           "  B>A ACK t1 1.3\n");
}

/* B's log is full of what is not committed, and was sent again what it had refused. */
static void fill_log_of_b(void) {
    fixture.records_max = 8;
    found(false);
    fixture.is_quiet = true;
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    deliver("CA");
    assert_int_equal(fixture.nodes[B].replica->log.last, 5);
    assert_int_equal(write_to(A, 5, "y"), LARDER_OK);
    lose_all();
    fixture.is_quiet = false;
    assert_int_equal(write_to(A, 6, "z"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.6 +1z commit 1\n"
           "  A>C RECORDS t1 1.6 +1z commit 1\n"
           "  B>A REFUSE t1 1.5\n"
           "  A>B RECORDS t1 1.5 +1y +1z commit 1\n"
           "  B>A ACK t1 1.5\n");
}

static void what_was_refused_is_not_sent_again_at_once(void **state) {
    (void)end(state);
    fill_log_of_b();
    assert_int_equal(write_to(A, 7, "v"), LARDER_OK);
    deliver("C");
    expect("  A>C RECORDS t1 1.7 +1v commit 1\n");
    fixture.now_ms += 110;
    tick(A);
    deliver("C");
    expect("  A>B RECORDS t1 1.5 +1y +1z +1v commit 1\n"
           "  A>C RECORDS t1 1.1 +1x +1x +1x +1x +1y +1z +1v commit 1\n"
           "  B>A ACK t1 1.5\n");
}

/* B refused one message when it had less and another one later; both come twice, in any order. */
static void late_refusals_ask_for_nothing_that_is_under_way(void **state) {
    (void)state;
    fixture.is_quiet = true;
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    lose_all();
    fixture.is_quiet = false;
    for (uint64_t i = 0; i < 6; i++)
        inject((struct replica_message){
            .type = REPLICA_REFUSE, .from = B, .to = A, .term = 1, .position = {1, 2 - i % 2}});
    deliver("C");
    expect("  A>B RECORDS t1 1.2 +1x +1x commit 1\n"
           "  A>B RECORDS t1 1.1 +1x +1x +1x commit 1\n"
           "  B>A REFUSE t1 1.1\n"
           "  B>A ACK t1 1.4\n");
}

static void who_has_no_room_is_told_what_is_committed(void **state) {
    (void)end(state);
    fill_log_of_b();
    assert_int_equal(write_to(A, 7, "v"), LARDER_OK);
    lose_all();
    fixture.golden.size = 0;
    inject((struct replica_message){
        .type = REPLICA_ACK, .from = C, .to = A, .term = 1, .position = {1, 5}, .durable = 5});
    deliver("C");
    expect("  A reply 1 DONE\n"
           "  A reply 2 DONE\n"
           "  A reply 3 DONE\n"
           "  A reply 4 DONE\n"
           "  A>B RECORDS t1 1.5 commit 5\n"
           "  A>C RECORDS t1 1.8 commit 5\n"
           "  B>A ACK t1 1.5\n"
           "  A>B RECORDS t1 1.7 +1v commit 5\n"
           "  B>A REFUSE t1 1.5\n"
           "  A>B RECORDS t1 1.5 +1y +1z +1v commit 5\n"
           "  B>A ACK t1 1.8\n");
}

static void a_new_primary_opens_after_its_promise_with_a_record_of_its_term(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.now_ms += 249;
    tick(B);
    assert_int_equal(write_to(B, 1, "x"), LARDER_BUSY);
    expect("  B is elected\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n"
           "  C>B REFUSE t2 1.1\n"
           "  C>B ACK t2 2.2\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n"
           "  C>B ACK t2 2.2\n");
    fixture.now_ms += 1;
    tick(B);
    hear_coordinator(B);
    assert_int_equal(write_to(B, 1, "x"), LARDER_OK);
    expect("  B is open\n"
           "  B>C RECORDS t2 2.2 commit 2\n"
           "  B>C RECORDS t2 2.2 +2x commit 2\n");
}

static void who_learns_of_a_term_late_asks_for_its_records(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    see(B);
    deliver("A");
    expect("  B is elected\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n");
    see(C);
    deliver("A");
    expect("  C>B REFUSE t2 1.1\n"
           "  B>C RECORDS t2 1.1 +2 commit 1\n"
           "  C>B ACK t2 2.2\n");
}

static void later_promises_do_not_prolong_the_restraint(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    fixture.is_quiet = true;
    see(B);
    see(C);
    deliver("A");
    fixture.now_ms += 200;
    promise(B, A, fixture.now_ms);
    fixture.now_ms += 50;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void a_read_needs_promises_of_all_in_sync_when_it_is_answered(void **state) {
    (void)state;
    read_at(A, 1);
    fixture.now_ms += 224;
    read_at(A, 2);
    fixture.now_ms += 1; /* 250 ms less a tenth */
    read_at(A, 3);
    promise(B, A, fixture.now_ms);
    tick(A);
    promise(C, A, fixture.now_ms - 50);
    tick(A);
    expect("  A reply 1 DONE\n"
           "  A reply 2 DONE\n"
           "  A reply 3 DONE\n");
    fixture.now_ms += 300;
    read_at(A, 4);
    fixture.now_ms += 500;
    tick(A);
    expect("  A reply 4 REFUSED\n");
}

static void a_read_waits_for_what_it_saw(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    read_at(A, 2);
    deliver("");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A reply 2 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
}

static void a_promise_from_before_the_term_does_not_count(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, B);
    see(B);
    deliver("AC");
    fixture.now_ms += 250;
    promise(C, B, fixture.now_ms); /* C does not know the term */
    see(C);
    tick(B);
    deliver("A");
    fixture.now_ms += 100;
    tick(B);
    deliver("A");
    hear_coordinator(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
    fixture.is_quiet = false;
    read_at(B, 1);
    expect("");
    promise(C, B, fixture.now_ms);
    fixture.is_quiet = true;
    tick(B);
    fixture.is_quiet = false;
    read_at(B, 2);
    expect("  B reply 2 DONE\n");
}

static void a_promise_that_knows_more_counts_when_it_is_known_here(void **state) {
    (void)state;
    commit_change(CONFIG_NOP, 0);
    fixture.now_ms += 230;
    see(B);
    promise(B, A, fixture.now_ms);
    promise(C, A, fixture.now_ms);
    hear_coordinator(A);
    read_at(A, 1);
    expect("");
    see(A);
    expect("  A reply 1 DONE\n");
}

static void a_deposed_primary_answers_what_became_of_its_writes(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C"); /* B has x */
    assert_int_equal(write_to(A, 2, "y"), LARDER_OK);
    lose_all(); /* nobody has y */
    read_at(A, 3);
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.is_quiet = false;
    see(A);
    expect("  A is none\n"
           "  A reply 3 MOVED\n");
    fixture.is_quiet = true;
    fixture.now_ms += 250;
    tick(B);
    deliver("A");
    assert_string_equal(fixture.nodes[C].store, "x");
    commit_change(CONFIG_ADD_LEARNER, A);
    fixture.is_quiet = false;
    see(A);
    see(B);
    deliver("");
    assert_string_equal(fixture.nodes[B].store, "x");
    expect("  A is learner\n"
           "  B>A RECORDS t2 2.3 commit 3\n"
           "  A>B REFUSE t2 1.3\n"
           "  B>A RECORDS t2 1.2 +2 commit 3\n"
           "  A cut 3 to 3\n"
           "  A reply 1 DONE\n"
           "  A reply 2 MOVED\n"
           "  A>B ACK t2 2.3 unsynced\n");
    /* Its store has y, which nobody else has: it must fetch before it is added. */
    tick(B);
    expect("");
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_COPIED, .sequence = 3}),
                     LARDER_OK);
    tick(A);
    deliver("");
    expect("  A>B ACK t2 2.3\n"
           "  B proposes EXPAND A@3\n");
}

static void a_write_cut_by_a_primary_that_never_opened_may_still_be_kept(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B"); /* C has x, B has not */
    commit_change(CONFIG_ELECT, B);
    commit_change(CONFIG_ADD_LEARNER, A);
    see(A);
    see(B);
    fixture.is_quiet = false;
    deliver("C"); /* A follows B, but B's term has not begun: C has not heard of it */
    expect("  B>A RECORDS t2 1.1 +2 commit 1\n"
           "  A cut 2 to 2\n"
           "  A>B ACK t2 2.2 unsynced\n"
           "  A>B ACK t2 2.2 unsynced\n");
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, C);
    see(C);
    fixture.now_ms += 250;
    tick(C);
    see(A);
    lose_all();
    fixture.is_quiet = false;
    fixture.now_ms += 100;
    tick(C);
    deliver("B");
    assert_string_equal(fixture.nodes[C].store, "x");
    expect("  C>A RECORDS t3 1.2 +3 commit 3\n"
           "  A>C REFUSE t3 1.1\n"
           "  C>A RECORDS t3 1.1 +1x +3 commit 3\n"
           "  A reply 1 DONE\n"
           "  A>C ACK t3 3.3 unsynced\n");
}

static void an_answer_waits_for_min_insync(void **state) {
    (void)state;
    fixture.is_quiet = true;
    struct config_entry settings = {.type = CONFIG_SETTINGS, .settings = fixture.group->settings};
    settings.settings.min_insync = 3;
    assert_int_equal(commit(&settings), CONFIG_APPLIED);
    for (uint32_t n = A; n <= C; n++)
        see(n);
    hear_coordinator(A);
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    commit_change(CONFIG_SHRINK, C);
    fixture.is_quiet = false;
    see(A);
    assert_int_equal(write_to(A, 2, "y"), LARDER_DENIED);
    lose_all();
    expect("  A>B RECORDS t1 1.2 commit 2\n");
    fixture.now_ms += 2000;
    tick(A);
    expect("  A reply 1 IN DOUBT\n"
           "  A>B RECORDS t1 1.2 commit 2\n"); /* what B knows of the commit was lost */
}

static void set_policy(enum quorum_policy policy) {
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = fixture.group->settings};
    entry.settings.quorum_policy = policy;
    assert_int_equal(commit(&entry), CONFIG_APPLIED);
}

/* Who does not hear that policy isr has ended goes on alone, for ever; so the one who has says so,
 * when its term is open. */
static void the_primary_says_when_it_serves_under_the_config_lease(void **state) {
    (void)state;
    set_policy(QUORUM_IN_SYNC);
    commit_change(CONFIG_SHRINK, B);
    commit_change(CONFIG_SHRINK, C);
    see(A);
    lose_all();
    set_policy(QUORUM_MAJORITY);
    fixture.now_ms += 60000;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK); /* it has not heard */
    expect("  A reply 1 DONE\n");
    see(A);
    expect("  A proposes LEASED A@4\n");
    assert_int_equal(write_to(A, 2, "y"), LARDER_DENIED);
    hear_coordinator(A);
    assert_int_equal(commit(&fixture.proposed), CONFIG_APPLIED);
    see(A);
    expect("");
}

static void who_is_elected_says_so_when_its_term_is_open(void **state) {
    (void)state;
    fixture.is_quiet = true;
    set_policy(QUORUM_IN_SYNC);
    set_policy(QUORUM_MAJORITY);
    commit_change(CONFIG_ELECT, B);
    fixture.has_proposed = false;
    see(C);
    see(B);
    deliver("A");
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    assert_false(fixture.has_proposed);
    fixture.now_ms += 300; /* what it promised to A has run out */
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
    assert_true(fixture.has_proposed);
    assert_string_equal(config_entry_name(fixture.proposed.type), "LEASED");
    assert_int_equal(fixture.proposed.change.term, 2);
}

static void without_the_config_group_nothing_is_admitted(void **state) {
    (void)state;
    fixture.now_ms += 1799;
    assert_int_equal(replica_admit(fixture.nodes[A].replica, 1, fixture.now_ms * 1000), LARDER_OK);
    fixture.now_ms += 1; /* 2 s less a tenth */
    assert_int_equal(replica_admit(fixture.nodes[A].replica, 1, fixture.now_ms * 1000),
                     LARDER_DENIED);
}

static void a_learner_must_acknowledge_from_before_it_is_added(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    commit_change(CONFIG_ADD_LEARNER, C);
    fixture.is_quiet = false;
    see(A);
    see(C);
    see(B);
    deliver("");
    expect("  A proposes EXPAND C@3\n"
           "  C is learner\n");
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n");
    fixture.now_ms += 600; /* the outcome is unknown: settled by NOP, and C counts until then */
    tick(A);
    tick(A);
    lose_all();
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    assert_int_equal(commit(&fixture.proposed), CONFIG_APPLIED);
    see(A);
    lose_all();
    expect("  A proposes NOP -@3\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n");
    assert_int_equal(fixture.nodes[A].replica->pending.count, 0);
}

static void a_backup_found_to_differ_is_removed_until_it_was_repaired(void **state) {
    (void)state;
    assert_int_equal(step(B, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    tick(B);
    deliver("");
    expect("  B>A ACK t1 1.1 unsynced\n"
           "  A proposes SHRINK B@1\n");
    commit_change(CONFIG_SHRINK, B);
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    assert_false(fixture.nodes[A].replica->is_unsynced); /* a primary's data is what there is */
}

static void a_hand_off_drains_and_the_next_one_opens_at_once(void **state) {
    (void)state;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_HAND_OFF, .member = B}),
                     LARDER_OK);
    assert_int_equal(write_to(A, 2, "y"), LARDER_BUSY);
    deliver("");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  A is draining\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A proposes TRANSFER B@1\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
    fixture.now_ms += 600;
    tick(A);
    assert_int_equal(fixture.nodes[A].replica->role, REPLICA_DRAINING);
    expect("  A proposes NOP -@1\n");
    commit_change(CONFIG_TRANSFER, B);
    promise(B, A, fixture.now_ms);
    see(A);
    see(B);
    see(C);
    deliver("");
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
    assert_int_equal(fixture.nodes[A].replica->role, REPLICA_BACKUP);
    fixture.golden.size = 0;
}

static void what_is_not_synced_is_not_acknowledged(void **state) {
    (void)end(state);
    found(true);
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A ACK t1 1.2\n");
    for (uint32_t n = A; n <= B; n++)
        assert_int_equal(step(n, (struct replica_input){.type = REPLICA_SYNCED,
                                                        .number = fixture.nodes[n].written}),
                         LARDER_OK);
    deliver("C");
    commit_change(CONFIG_SHRINK, C);
    see(A);
    lose_all();
    expect("  B>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n");
}

static void a_primary_without_room_has_another_one_elected(void **state) {
    (void)end(state);
    found(true);
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_FULL, .is_full = true}),
                     LARDER_OK);
    expect("  A proposes ELECT B@1\n");
}

/* Else C could be elected, should A be gone before B leads. */
static void a_primary_without_room_first_lets_go_who_is_not_complete(void **state) {
    (void)end(state);
    found(true);
    for (uint32_t i = 0; i < fixture.nodes[A].replica->peer_count; i++)
        fixture.nodes[A].replica->peers[i].is_unsynced |=
            fixture.nodes[A].replica->peers[i].member == C;
    assert_int_equal(step(A, (struct replica_input){.type = REPLICA_FULL, .is_full = true}),
                     LARDER_OK);
    expect("  A proposes SHRINK C@1\n");
}

static void a_primary_without_a_disk_counts_what_is_durable(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    fixture.nodes[A].replica->options.waits_for_sync = false;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    sync_node(B);
    sync_node(C);
    deliver("");
    assert_int_equal(fixture.nodes[A].replica->commit, 2);
}

static bool is_complete_to_a(uint32_t n) {
    const struct partition_replica *r = fixture.nodes[A].replica;
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].member == n)
            return !r->peers[i].is_unsynced;
    return false;
}

static void a_copy_counts_when_it_is_durable(void **state) {
    static const uint64_t STORED[] = {0, 1};
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    tick(C);
    deliver("");
    assert_false(is_complete_to_a(C));
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_COPIED, .sequence = 1}),
                     LARDER_OK);
    tick(C);
    deliver("");
    assert_false(is_complete_to_a(C));
    for (size_t i = 0; i < 2; i++) { /* the first is of before */
        assert_int_equal(
            step(C, (struct replica_input){.type = REPLICA_STORED, .sequence = STORED[i]}),
            LARDER_OK);
        tick(C);
        deliver("");
        assert_int_equal(is_complete_to_a(C), i == 1);
    }
}

static void an_older_term_is_told_so(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.is_quiet = false;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    assert_int_equal(fixture.out.wanted_index, 1);
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    expect("  A>B RECORDS t1 1.1 +1x commit 1\n"
           "  A>C RECORDS t1 1.1 +1x commit 1\n"
           "  B>A REFUSE t2 2.2\n"
           "  C>A REFUSE t2 2.2\n");
}

static void a_fresh_process_opens_nothing_at_first(void **state) {
    (void)state;
    struct replica_record start = {.term = 1, .kind = RECORD_TERM_START};
    replica_destroy(fixture.nodes[B].replica);
    lease_table_destroy(fixture.nodes[B].leases);
    make_replica(B, false);
    assert_int_equal(replica_restore(fixture.nodes[B].replica, (struct log_position){0, 0}, &start,
                                     1, 1, 1, true),
                     LARDER_OK);
    fixture.is_quiet = true;
    commit_change(CONFIG_TRANSFER, B); /* released: no promise to wait for */
    see(B);
    see(C);
    see(A);
    deliver("");
    fixture.now_ms += 249;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    fixture.now_ms += 1;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void a_promise_counts_from_when_it_was_asked_for(void **state) {
    (void)state;
    fixture.now_ms += 230;
    promise(B, A, fixture.now_ms - 100);
    promise(C, A, fixture.now_ms - 100);
    fixture.now_ms += 125;
    read_at(A, 1);
    expect("");
}

static void a_promise_of_another_process_does_not_count(void **state) {
    (void)state;
    struct node *a = &fixture.nodes[A];
    fixture.now_ms += 230;
    promise(B, A, fixture.now_ms);
    lease_take(a->leases, C, 7,
               &(struct lease_promise){fixture.now_ms * 1000, 250000, a->view->index},
               fixture.now_ms * 1000);
    read_at(A, 1);
    expect("");
    promise(C, A, fixture.now_ms);
    tick(A);
    expect("  A reply 1 DONE\n");
}

static void a_coordinator_that_knows_more_is_heard_when_it_is_known_here(void **state) {
    (void)state;
    struct node *a = &fixture.nodes[A];
    int64_t now_us = (fixture.now_ms += 1800) * 1000;
    commit_change(CONFIG_NOP, 0);
    lease_take_config(a->leases, &(struct lease_promise){now_us, 2000000, fixture.entry_count},
                      now_us);
    assert_int_equal(replica_admit(a->replica, 1, now_us), LARDER_DENIED);
    see(A);
    assert_int_equal(replica_admit(a->replica, 1, now_us), LARDER_OK);
}

static void a_read_needs_the_promise_of_one_that_is_being_added(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    see(C);
    see(B);
    deliver("");
    assert_int_equal(fixture.proposed.type, CONFIG_EXPAND);
    fixture.is_quiet = false;
    fixture.now_ms += 230;
    promise(B, A, fixture.now_ms);
    read_at(A, 1);
    expect("");
    promise(C, A, fixture.now_ms);
    tick(A);
    expect("  A reply 1 DONE\n");
}

static void a_late_acknowledgement_does_not_count(void **state) {
    (void)state;
    commit_change(CONFIG_ELECT, B);
    see(B);
    lose_all();
    fixture.now_ms += 250;
    inject((struct replica_message){
        .type = REPLICA_ACK, .from = C, .to = B, .term = 1, .position = {1, 2}, .durable = 2});
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    inject((struct replica_message){.type = REPLICA_ACK,
                                    .from = C,
                                    .from_incarnation = 7,
                                    .to = B,
                                    .term = 2,
                                    .position = {2, 2},
                                    .durable = 2});
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    inject((struct replica_message){
        .type = REPLICA_ACK, .from = C, .to = B, .term = 2, .position = {2, 2}, .durable = 2});
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void what_finds_no_room_is_not_acknowledged(void **state) {
    (void)end(state);
    fixture.records_max = 8; /* four of them for first records of terms */
    found(false);
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    fixture.is_quiet = true;
    while (fixture.queued > 0)
        if (fixture.queue[0].to == B)
            deliver_first();
        else
            remove_first();
    assert_int_equal(replica_get_record(fixture.nodes[B].replica, 5).term, 1);
    assert_int_equal(fixture.out.message_count, 1);
    assert_int_equal(fixture.out.messages[0].type, REPLICA_ACK);
    assert_int_equal(fixture.out.messages[0].position.sequence, 5);
    fixture.golden.size = 0;
}

/* B's log is full of what is not committed as far as it knows. */
static void the_first_record_of_a_term_finds_room(void **state) {
    (void)end(state);
    fixture.records_max = 8;
    found(false);
    fixture.is_quiet = true;
    for (uint64_t i = 1; i <= 12; i++)
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
    deliver("AC");
    const struct partition_replica *b = fixture.nodes[B].replica;
    assert_int_equal(b->log.last, 5);
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A");
    fixture.now_ms += 300;
    tick(B);
    deliver("A");
    assert_int_equal(b->role, REPLICA_OPEN);
    assert_int_equal(b->commit, 6);
}

static void every_in_sync_member_must_have_synced(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    sync_node(A);
    sync_node(B);
    deliver("");
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    sync_node(C);
    fixture.is_quiet = false;
    deliver_first();
    lose_all();
    expect("  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n");
}

static void a_sync_of_what_was_cut_says_nothing_of_what_came_instead(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B");
    uint64_t of_cut = fixture.nodes[C].written;
    commit_change(CONFIG_ELECT, B);
    see(B);
    see(C);
    deliver("A"); /* C has B's first record in the place of x */
    assert_int_equal(replica_get_record(fixture.nodes[C].replica, 2).term, 2);
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_SYNCED, .number = of_cut}),
                     LARDER_OK);
    assert_int_equal(fixture.out.messages[0].durable, 1);
    sync_node(C);
    assert_int_equal(fixture.out.messages[0].durable, 2);
}

static void a_term_begins_with_a_committed_record(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_ELECT, B);
    see(B);
    lose_all();
    fixture.now_ms += 250;
    tick(B);
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_ELECTED);
    see(C);
    fixture.now_ms += 100;
    tick(B);
    deliver("A");
    assert_int_equal(fixture.nodes[B].replica->role, REPLICA_OPEN);
}

static void what_was_not_compared_is_not_committed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B"); /* C has x, B has not */
    commit_change(CONFIG_ELECT, B);
    see(C);
    struct replica_message probe = {
        .type = REPLICA_RECORDS, .from = B, .to = C, .term = 2, .position = {1, 1}, .commit = 2};
    inject(probe);
    assert_int_equal(fixture.nodes[C].replica->commit, 1);
    assert_string_equal(fixture.nodes[C].store, "");
}

static void a_learner_behind_what_is_committed_is_not_proposed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    see(B);
    lose_all();
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    assert_int_equal(fixture.nodes[A].replica->commit, 2);
    struct replica_message ack = {.type = REPLICA_ACK,
                                  .from = C,
                                  .to = A,
                                  .config_index = fixture.entry_count,
                                  .term = 1,
                                  .position = {1, 1},
                                  .durable = 1,
                                  .number = 1};
    inject(ack);
    assert_false(fixture.has_proposed);
    lose_all();
    ack.position.sequence = ack.durable = 2;
    fixture.is_quiet = false;
    inject(ack);
    lose_all();
    expect("  A proposes EXPAND C@3\n");
}

/* C was complete when it sent the first acknowledgement, and was found to differ since. */
static void an_old_acknowledgement_does_not_make_a_replica_complete(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    see(B);
    see(C);
    lose_all();
    struct replica_message ack = {.type = REPLICA_ACK,
                                  .from = C,
                                  .to = A,
                                  .config_index = fixture.entry_count,
                                  .term = 1,
                                  .position = {1, 1},
                                  .durable = 1,
                                  .number = 8,
                                  .is_unsynced = true};
    inject(ack);
    ack.number = 7;
    ack.is_unsynced = false;
    inject(ack);
    assert_false(fixture.has_proposed);
    lose_all();
    ack.number = 9;
    fixture.is_quiet = false;
    inject(ack);
    lose_all();
    expect("  A proposes EXPAND C@3\n");
}

/* It was in sync and complete when it sent that, then left, and came back incomplete. */
static void what_was_said_before_it_had_a_seat_does_not_count(void **state) {
    (void)state;
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, C);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(A);
    lose_all();
    struct replica_message ack = {.type = REPLICA_ACK,
                                  .from = C,
                                  .to = A,
                                  .term = 1,
                                  .position = {1, 1},
                                  .durable = 1,
                                  .number = 7};
    inject(ack);
    assert_false(fixture.has_proposed);
    lose_all();
    ack.config_index = fixture.entry_count;
    fixture.is_quiet = false;
    inject(ack);
    lose_all();
    expect("  A proposes EXPAND C@3\n");
}

static void what_was_said_last_is_asked_for_again(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    for (int i = 0; i < 4; i++)
        deliver_first(); /* records and acknowledgements */
    lose_all();
    assert_int_equal(fixture.nodes[A].replica->commit, 2);
    assert_int_equal(fixture.nodes[B].replica->commit, 1);
    fixture.is_quiet = false;
    fixture.now_ms += 200;
    tick(A);
    deliver("");
    expect("  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
    assert_int_equal(fixture.nodes[B].replica->commit, 2);
    fixture.now_ms += 200;
    tick(A);
    expect("");
}

static void that_something_is_durable_is_asked_for_again(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("");
    for (uint32_t n = A; n <= C; n++)
        sync_node(n);
    lose_all();
    assert_int_equal(fixture.nodes[A].replica->commit, 1);
    fixture.is_quiet = false;
    fixture.now_ms += 200;
    tick(A);
    deliver("");
    expect("  A>B RECORDS t1 1.2 commit 1\n"
           "  A>C RECORDS t1 1.2 commit 1\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n"
           "  A reply 1 DONE\n"
           "  A>B RECORDS t1 1.2 commit 2\n"
           "  A>C RECORDS t1 1.2 commit 2\n"
           "  B>A ACK t1 1.2\n"
           "  C>A ACK t1 1.2\n");
}

/* B is a learner with a slow disk and a small log. */
static void what_is_not_synced_does_not_leave_the_log(void **state) {
    (void)end(state);
    fixture.records_max = 8;
    found(true);
    fixture.is_quiet = true;
    commit_change(CONFIG_SHRINK, B);
    see(A);
    commit_change(CONFIG_ADD_LEARNER, B);
    for (uint32_t n = A; n <= C; n++)
        see(n);
    assert_int_equal(step(B, (struct replica_input){.type = REPLICA_DIVERGED}), LARDER_OK);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(write_to(A, i, "x"), LARDER_OK);
        deliver("");
        sync_node(A);
        sync_node(C);
        deliver("");
    }
    const struct partition_replica *b = fixture.nodes[B].replica;
    assert_int_equal(fixture.nodes[A].replica->commit, 21);
    assert_int_equal(b->log.base.sequence, 0);
    assert_int_equal(b->log.last, 5);
    sync_node(B);
    assert_int_equal(b->synced, 5);
}

static void a_log_that_begins_anew_is_durable_when_it_was_synced(void **state) {
    (void)end(state);
    found(true);
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("B");
    uint64_t of_old_log = fixture.nodes[C].written;
    commit_change(CONFIG_SHRINK, C);
    commit_change(CONFIG_ADD_LEARNER, C);
    see(C);
    inject((struct replica_message){.type = REPLICA_BASE,
                                    .from = A,
                                    .to = C,
                                    .config_index = fixture.entry_count,
                                    .term = 1,
                                    .position = {1, 9},
                                    .commit = 9});
    const struct partition_replica *c = fixture.nodes[C].replica;
    assert_int_equal(c->log.base.sequence, 9);
    assert_int_equal(c->synced, 0);
    assert_int_equal(step(C, (struct replica_input){.type = REPLICA_SYNCED, .number = of_old_log}),
                     LARDER_OK);
    assert_int_equal(c->synced, 0);
    sync_node(C);
    assert_int_equal(c->synced, 9);
}

/* B may have x, or not. */
static void a_log_that_begins_anew_does_not_tell_what_became_of_a_write(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    lose_all();
    commit_change(CONFIG_ELECT, B);
    commit_change(CONFIG_ADD_LEARNER, A);
    see(A);
    inject((struct replica_message){.type = REPLICA_BASE,
                                    .from = B,
                                    .to = A,
                                    .config_index = fixture.entry_count,
                                    .term = 2,
                                    .position = {2, 5},
                                    .commit = 5});
    assert_int_equal(fixture.nodes[A].replica->log.base.sequence, 5);
    lose_all();
    fixture.is_quiet = false;
    fixture.now_ms += 2000;
    tick(A);
    lose_all();
    expect("  A reply 1 IN DOUBT\n");
}

static void a_backup_applies_what_is_committed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    assert_int_equal(write_to(A, 1, "x"), LARDER_OK);
    deliver("C");
    assert_int_equal(fixture.nodes[B].replica->log.last, 2);
    assert_string_equal(fixture.nodes[B].store, "");
}

static void write_and_deliver(uint32_t n, uint64_t count) {
    for (uint64_t i = 1; i <= count; i++) {
        assert_int_equal(write_to(n, i, "x"), LARDER_OK);
        deliver("");
    }
}

/* B's log holds little, B leads in terms 2 and 4, and what it sent to C in term 2 comes in term 4:
 * B takes the refusal for one of what it sends now. */
static void a_refusal_of_an_older_term_says_where_the_log_ends(void **state) {
    (void)end(state);
    fixture.records_max = 8;
    found(false);
    fixture.is_quiet = true;
    write_and_deliver(A, 20);
    const struct partition_replica *b = fixture.nodes[B].replica;
    assert_true(b->log.base.sequence > 0);
    for (uint32_t term = 2; term <= 4; term++) {
        commit_change(CONFIG_TRANSFER, term == 3 ? A : B);
        for (uint32_t n = A; n <= C; n++)
            see(n);
        lose_all();
    }
    inject((struct replica_message){
        .type = REPLICA_RECORDS, .from = B, .to = C, .term = 2, .position = {1, 21}, .commit = 21});
    deliver("");
    fixture.now_ms += 300;
    tick(B);
    deliver("");
    assert_int_equal(b->role, REPLICA_OPEN);
}

/* The log is longer than what may be under way, so the new term begins with a question. */
static void a_backup_that_is_silent_from_the_first_is_removed(void **state) {
    (void)state;
    fixture.is_quiet = true;
    write_and_deliver(A, 1100);
    commit_change(CONFIG_TRANSFER, B);
    see(B);
    see(C);
    deliver("A");
    for (int i = 0; i < 3; i++) {
        fixture.now_ms += 100;
        tick(B);
        deliver("A");
    }
    assert_true(fixture.has_proposed);
    assert_int_equal(fixture.proposed.type, CONFIG_SHRINK);
    assert_int_equal(fixture.proposed.change.member, A);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_answered_when_all_in_sync_have_it),
        TEST(a_silent_backup_is_removed_before_the_answer),
        TEST(a_gap_is_refused_and_filled),
        TEST(what_was_refused_is_not_sent_again_at_once),
        TEST(late_refusals_ask_for_nothing_that_is_under_way),
        TEST(who_has_no_room_is_told_what_is_committed),
        TEST(a_new_primary_opens_after_its_promise_with_a_record_of_its_term),
        TEST(who_learns_of_a_term_late_asks_for_its_records),
        TEST(later_promises_do_not_prolong_the_restraint),
        TEST(a_read_needs_promises_of_all_in_sync_when_it_is_answered),
        TEST(a_read_waits_for_what_it_saw),
        TEST(a_promise_from_before_the_term_does_not_count),
        TEST(a_promise_that_knows_more_counts_when_it_is_known_here),
        TEST(a_deposed_primary_answers_what_became_of_its_writes),
        TEST(a_write_cut_by_a_primary_that_never_opened_may_still_be_kept),
        TEST(an_answer_waits_for_min_insync),
        TEST(the_primary_says_when_it_serves_under_the_config_lease),
        TEST(who_is_elected_says_so_when_its_term_is_open),
        TEST(without_the_config_group_nothing_is_admitted),
        TEST(a_learner_must_acknowledge_from_before_it_is_added),
        TEST(a_backup_found_to_differ_is_removed_until_it_was_repaired),
        TEST(a_hand_off_drains_and_the_next_one_opens_at_once),
        TEST(what_is_not_synced_is_not_acknowledged),
        TEST(a_primary_without_room_has_another_one_elected),
        TEST(a_primary_without_room_first_lets_go_who_is_not_complete),
        TEST(a_primary_without_a_disk_counts_what_is_durable),
        TEST(a_copy_counts_when_it_is_durable),
        TEST(an_older_term_is_told_so),
        TEST(a_fresh_process_opens_nothing_at_first),
        TEST(a_promise_counts_from_when_it_was_asked_for),
        TEST(a_promise_of_another_process_does_not_count),
        TEST(a_coordinator_that_knows_more_is_heard_when_it_is_known_here),
        TEST(a_read_needs_the_promise_of_one_that_is_being_added),
        TEST(a_late_acknowledgement_does_not_count),
        TEST(what_finds_no_room_is_not_acknowledged),
        TEST(the_first_record_of_a_term_finds_room),
        TEST(every_in_sync_member_must_have_synced),
        TEST(a_sync_of_what_was_cut_says_nothing_of_what_came_instead),
        TEST(a_term_begins_with_a_committed_record),
        TEST(what_was_not_compared_is_not_committed),
        TEST(a_learner_behind_what_is_committed_is_not_proposed),
        TEST(an_old_acknowledgement_does_not_make_a_replica_complete),
        TEST(what_was_said_before_it_had_a_seat_does_not_count),
        TEST(what_was_said_last_is_asked_for_again),
        TEST(that_something_is_durable_is_asked_for_again),
        TEST(what_is_not_synced_does_not_leave_the_log),
        TEST(a_log_that_begins_anew_is_durable_when_it_was_synced),
        TEST(a_log_that_begins_anew_does_not_tell_what_became_of_a_write),
        TEST(a_backup_applies_what_is_committed),
        TEST(a_refusal_of_an_older_term_says_where_the_log_ends),
        TEST(a_backup_that_is_silent_from_the_first_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
