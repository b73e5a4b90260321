/* SPDX-License-Identifier: BSD-3-Clause */
/* Three members with one partition each, over real stores: the config group is one configuration
 * that each sees as late as the test wants, messages are delivered or lost as the test says. Time
 * is in milliseconds; the members' wall clocks may differ. Traces have a line for what members say
 * and answer. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_PARTITION_WORLD_H
#define LARDER_TESTS_UNIT_CLUSTER_PARTITION_WORLD_H

#include "cluster/partition.h"
#include "node/partition_store.h"
#include "support/test_allocator.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { A = 1, B, C, WORLD_MEMBERS = 3, WORLD_QUEUE = 1024, WORLD_ENTRIES = 4096 };
enum { WORLD_WORDS_MAX = 64, WORLD_REPLY_MAX = 256 };

struct world_frame {
    uint8_t *bytes;
    size_t size;
    uint32_t from, to;
    bool is_copy;
};

struct world_member {
    struct cluster_partition *partition;
    struct lease_table *leases;
    struct configuration *view;
    struct store_host *host;
    struct test_allocator allocator, store_allocator;
    uint64_t written;
    int64_t wall_ahead_ms;
};

struct world {
    struct golden golden;
    struct configuration *group;
    struct config_entry entries[WORLD_ENTRIES];
    size_t entry_count;
    struct config_entry proposed;
    bool has_proposed;
    struct world_member members[WORLD_MEMBERS + 1];
    struct world_frame queue[WORLD_QUEUE];
    size_t queued;
    int64_t now_ms;
    int64_t park_ms; /* of deadlines */
    bool is_quiet, shows_messages;
    uint32_t pressure;         /* that members are told of the others */
    enum write_mode lock_mode; /* lock requests ask for */
    struct partition_output out;
    /* of the newest reply */
    uint64_t reply_context;
    int64_t as_of_us;
    uint64_t token; /* of the newest reply that had one */
    enum partition_answer answer;
    char reply[WORLD_REPLY_MAX];
    uint64_t committed[WORLD_MEMBERS + 1]; /* put out as committed so far */
    void (*on_reply)(const struct partition_reply *reply);
    /* a record became committed here; `record` is what it says if it is an effect */
    void (*on_commit)(uint32_t n, uint64_t sequence, const struct replica_record *raw,
                      const struct partition_record *record);
};

static struct world world;

__attribute__((unused)) static char world_name(uint32_t member) {
    return member == 0 ? '-' : (char)('A' + member - 1);
}

#define WORLD_SAY(...)                                                                             \
    do {                                                                                           \
        if (!world.is_quiet)                                                                       \
            golden_say(&world.golden, __VA_ARGS__);                                                \
    } while (0)

static const char *const WORLD_ANSWERS[] = {"?",     "DONE",     "RESULT LOST",    "WATCH BROKEN",
                                            "MOVED", "FENCED",   "REFUSED",        "CLOSED",
                                            "BUSY",  "IN DOUBT", "UNKNOWN SESSION"};

static struct configuration *world_configuration(void) {
    struct configuration *c = NULL;
    struct member founders[WORLD_MEMBERS] = {0};
    for (uint32_t i = 0; i < WORLD_MEMBERS; i++)
        founders[i] = (struct member){.node = {{i + 1, 1}}, .incarnation = 1, .weight = 1};
    assert_int_equal(
        configuration_create((struct raft_id){{1, 1}}, 1, 1, WORLD_MEMBERS, &ALLOCATOR_SYSTEM, &c),
        LARDER_OK);
    struct cluster_settings settings = CLUSTER_DEFAULT_SETTINGS;
    settings.replica_count = 3;
    assert_int_equal(configuration_found(c, founders, WORLD_MEMBERS, &settings), LARDER_OK);
    c->partitions[0].primary = A;
    c->ceiling = UINT64_C(1700000200000000); /* two minutes of lock tokens */
    return c;
}

static void world_send(uint32_t from, uint32_t to, bool is_copy, const void *message) {
    assert_true(world.queued < WORLD_QUEUE);
    struct world_frame *f = &world.queue[world.queued++];
    f->from = from;
    f->to = to;
    f->is_copy = is_copy;
    f->size =
        is_copy ? copying_message_encoded_size(message) : replica_message_encoded_size(message);
    f->bytes = malloc(f->size);
    assert_non_null(f->bytes);
    size_t size = is_copy ? copying_message_encode(message, f->bytes)
                          : replica_message_encode(message, f->bytes);
    assert_int_equal(size, f->size);
}

static void world_say_record(const struct replica_record *record) {
    static const char *const KINDS[] = {"?",      "effect",  "lock", "expire",
                                        "digest", "confirm", "reset"};
    struct partition_record r;
    if (record->kind == RECORD_TERM_START) {
        WORLD_SAY(" +%u start", (unsigned)record->term);
        return;
    }
    assert_int_equal(partition_record_decode(record->payload, &r), LARDER_OK);
    WORLD_SAY(" +%u %s", (unsigned)record->term, KINDS[r.kind]);
    if (r.has_request)
        WORLD_SAY(" of %u", (unsigned)r.id.number);
}

static void world_say_message(const struct replica_message *m) {
    static const char *const TYPES[] = {"?", "RECORDS", "BASE", "ACK", "REFUSE"};
    if (!world.shows_messages)
        return;
    WORLD_SAY("  %c>%c %s %u.%u", world_name(m->from), world_name(m->to), TYPES[m->type],
              (unsigned)m->position.term, (unsigned)m->position.sequence);
    for (uint32_t i = 0; i < m->record_count; i++)
        world_say_record(&m->records[i]);
    WORLD_SAY("\n");
}

static void world_take_reply(uint32_t n, const struct partition_reply *reply) {
    size_t size = reply->bytes.size < WORLD_REPLY_MAX - 1 ? reply->bytes.size : WORLD_REPLY_MAX - 1;
    world.reply_context = reply->context;
    world.answer = reply->answer;
    world.as_of_us = reply->as_of_us;
    memcpy(world.reply, size == 0 ? (const void *)"" : reply->bytes.data, size);
    while (size > 0 && (world.reply[size - 1] == '\n' || world.reply[size - 1] == '\r'))
        size--;
    world.reply[size] = 0;
    for (char *at = world.reply; *at != 0; at++)
        if (*at == '\r' || *at == '\n')
            *at = *at == '\r' ? '|' : ' ';
    WORLD_SAY("  %c: %u %s%s%s", world_name(n), (unsigned)reply->context,
              WORLD_ANSWERS[reply->answer], world.reply[0] == 0 ? "" : " ", world.reply);
    if (reply->lock_answer != 0)
        WORLD_SAY(" %s", lock_answer_name(reply->lock_answer));
    if (reply->token != 0) {
        WORLD_SAY(" %s", reply->token == world.token  ? "same"
                         : reply->token > world.token ? "newer"
                                                      : "older");
        world.token = reply->token;
    }
    WORLD_SAY("\n");
    if (world.on_reply != NULL)
        world.on_reply(reply);
}

static void world_take_committed(uint32_t n) {
    struct partition_output *out = &world.out;
    struct world_member *m = &world.members[n];
    if (out->replica.has_base)
        world.committed[n] = 0;
    if (out->committed_first <= out->committed_last) {
        assert_true(out->committed_first > world.committed[n]);
        assert_true(out->committed_last <= partition_replica(m->partition)->commit);
        world.committed[n] = out->committed_last;
    }
    for (uint64_t s = out->committed_first; s <= out->committed_last; s++) {
        struct partition_record record;
        struct replica_record raw = partition_get_record(m->partition, s, &record);
        if (world.on_commit != NULL)
            world.on_commit(n, s, &raw, &record);
    }
}

static void world_take_output(uint32_t n) {
    struct partition_output *out = &world.out;
    struct world_member *m = &world.members[n];
    assert_false(out->replica.is_broken);
    if (out->replica.has_new_role)
        WORLD_SAY("  %c is %s\n", world_name(n),
                  replica_role_name(partition_replica(m->partition)->role));
    if (out->replica.write.number != 0)
        m->written = out->replica.write.number;
    if (out->replica.has_proposal) {
        world.proposed = out->replica.proposal;
        world.has_proposed = true;
        WORLD_SAY("  %c proposes %s %c\n", world_name(n),
                  config_entry_name(out->replica.proposal.type),
                  world_name(out->replica.proposal.change.member));
    }
    world_take_committed(n);
    for (uint32_t i = 0; i < out->reply_count; i++)
        world_take_reply(n, &out->replies[i]);
    for (uint32_t i = 0; i < out->replica.message_count; i++) {
        world_say_message(&out->replica.messages[i]);
        world_send(n, out->replica.messages[i].to, false, &out->replica.messages[i]);
    }
    for (uint32_t i = 0; i < out->copies.message_count; i++)
        world_send(n, out->copies.messages[i].to, true, &out->copies.messages[i]);
}

static enum larder_status world_step(uint32_t n, struct partition_input input) {
    enum larder_status status;
    do {
        input.now_us = world.now_ms * 1000;
        status = partition_step(world.members[n].partition, &input, &world.out);
        world_take_output(n);
        input = (struct partition_input){.type = PARTITION_CONTINUE};
    } while (world.out.wants_step);
    return status;
}

__attribute__((unused)) static void world_see(uint32_t n) {
    struct world_member *m = &world.members[n];
    for (size_t i = (size_t)m->view->index; i < world.entry_count; i++) {
        uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
        enum config_outcome outcome;
        size_t size = config_entry_encode(&world.entries[i], bytes);
        assert_int_equal(configuration_apply(m->view, i + 1, slice_of(bytes, size), &outcome),
                         LARDER_OK);
    }
    lease_set_applied(m->leases, m->view->index);
    assert_int_equal(
        world_step(n, (struct partition_input){.type = PARTITION_VIEW, .configuration = m->view}),
        LARDER_OK);
}

__attribute__((unused)) static enum config_outcome world_commit(const struct config_entry *entry) {
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
    enum config_outcome outcome;
    assert_true(world.entry_count < WORLD_ENTRIES);
    world.entries[world.entry_count++] = *entry;
    size_t size = config_entry_encode(entry, bytes);
    assert_int_equal(
        configuration_apply(world.group, world.entry_count, slice_of(bytes, size), &outcome),
        LARDER_OK);
    return outcome;
}

__attribute__((unused)) static void world_change(enum config_entry_type type, uint32_t member) {
    const struct partition_config *p = &world.group->partitions[0];
    struct config_entry entry = {
        .type = type,
        .change = {.epoch = p->epoch, .member = member, .incarnation = 1, .term = p->term}};
    assert_int_equal(world_commit(&entry), CONFIG_APPLIED);
}

__attribute__((unused)) static void world_tick(uint32_t n) {
    int64_t wall_ms = 1700000000000 + world.now_ms;
    int64_t ahead_ms = world.members[n].wall_ahead_ms;
    assert_int_equal(
        world_step(n, (struct partition_input){.type = PARTITION_TICK,
                                               .tick = {(wall_ms + ahead_ms) * 1000, wall_ms * 1000,
                                                        world.pressure}}),
        LARDER_OK);
}

__attribute__((unused)) static void world_deliver_at(size_t at) {
    struct world_frame f = world.queue[at];
    world.queued--;
    memmove(&world.queue[at], &world.queue[at + 1], (world.queued - at) * sizeof(world.queue[0]));
    struct replica_record records[REPLICA_BATCH_RECORDS];
    struct replica_message message;
    struct copying_message copy;
    struct partition_input input = {.type = PARTITION_MESSAGE, .message = &message};
    if (f.is_copy) {
        assert_int_equal(copying_message_decode(slice_of(f.bytes, f.size), &copy), LARDER_OK);
        input = (struct partition_input){.type = PARTITION_COPY_MESSAGE, .copy = &copy};
    } else {
        assert_int_equal(replica_message_decode(slice_of(f.bytes, f.size), records, &message),
                         LARDER_OK);
    }
    (void)world_step(f.to, input);
    free(f.bytes);
}

__attribute__((unused)) static void world_lose_at(size_t at) {
    free(world.queue[at].bytes);
    world.queued--;
    memmove(&world.queue[at], &world.queue[at + 1], (world.queued - at) * sizeof(world.queue[0]));
}

/* Everything that is under way, but what goes to those in `deaf`. */
__attribute__((unused)) static void world_deliver(const char *deaf) {
    while (world.queued > 0)
        if (strchr(deaf, world_name(world.queue[0].to)) != NULL)
            world_lose_at(0);
        else
            world_deliver_at(0);
}

__attribute__((unused)) static void world_lose_all(void) {
    while (world.queued > 0)
        world_lose_at(0);
}

/* The words of a command, at spaces. */
static size_t world_words(const char *text, struct slice *words) {
    size_t count = 0;
    while (*text != 0) {
        size_t size = strcspn(text, " ");
        assert_true(count < WORLD_WORDS_MAX);
        words[count++] = slice_of(text, size);
        text += size + (text[size] == ' ');
    }
    return count;
}

__attribute__((unused)) static void world_request(uint32_t n, uint64_t context, const char *command,
                                                  struct partition_request request) {
    struct slice words[WORLD_WORDS_MAX];
    request.kind = PARTITION_COMMAND;
    request.context = context;
    request.argc = world_words(command, words);
    request.argv = words;
    if (request.deadline_us == 0)
        request.deadline_us = (world.now_ms + 2000) * 1000;
    world.answer = 0;
    assert_int_equal(
        world_step(n, (struct partition_input){.type = PARTITION_REQUEST, .request = &request}),
        LARDER_OK);
}

__attribute__((unused)) static void world_do(uint32_t n, uint64_t context, const char *command) {
    world_request(n, context, command, (struct partition_request){0});
}

/* Cluster time near now, for sessions. */
__attribute__((unused)) static int64_t world_time_us(int64_t at_ms) {
    return (1700000000000 + at_ms) * 1000;
}

__attribute__((unused)) static void world_do_as(uint32_t n, uint64_t context, const char *command,
                                                struct request_id id) {
    if (id.first_sent_us == 0)
        id.first_sent_us = world_time_us(world.now_ms);
    world_request(n, context, command, (struct partition_request){.id = &id});
}

/* Session `session` asks for a lock, or gives one back. */
__attribute__((unused)) static void world_lock(uint32_t n, uint64_t context,
                                               enum lock_request_type type, uint64_t session,
                                               uint64_t number, struct lock_request lock) {
    lock.type = type;
    lock.session = (struct raft_id){{session, 1}};
    lock.request = number;
    lock.connection = session;
    if (lock.name.size == 0)
        lock.name = SLICE_LITERAL("lock");
    struct partition_request request = {.kind = PARTITION_LOCK_REQUEST,
                                        .context = context,
                                        .deadline_us = (world.now_ms + 2000) * 1000,
                                        .write_mode = world.lock_mode,
                                        .lock = &lock};
    world.answer = 0;
    assert_int_equal(
        world_step(n, (struct partition_input){.type = PARTITION_REQUEST, .request = &request}),
        LARDER_OK);
}

__attribute__((unused)) static void world_promise(uint32_t to, uint32_t from, int64_t sent_ms) {
    assert_true(lease_give(world.members[to].leases, from, 1, world.now_ms * 1000));
    lease_take(world.members[from].leases, to, 1,
               &(struct lease_promise){sent_ms * 1000, 250000, world.members[to].view->index},
               world.now_ms * 1000);
}

__attribute__((unused)) static void world_hear_coordinator(uint32_t n) {
    lease_take_config(world.members[n].leases,
                      &(struct lease_promise){world.now_ms * 1000, 2000000, world.entry_count},
                      world.now_ms * 1000);
}

__attribute__((unused)) static void world_promise_all(void) {
    for (uint32_t from = A; from <= C; from++) {
        world_hear_coordinator(from);
        for (uint32_t to = A; to <= C; to++)
            if (to != from)
                world_promise(to, from, world.now_ms);
    }
}

static void world_make_member(uint32_t n, const struct partition_options *given) {
    struct world_member *m = &world.members[n];
    test_allocator_init(&m->allocator);
    test_allocator_init(&m->store_allocator);
    m->view = world_configuration();
    assert_int_equal(lease_table_create(WORLD_MEMBERS, 250000, 2000000, world.now_ms * 1000,
                                        &ALLOCATOR_SYSTEM, &m->leases),
                     LARDER_OK);
    for (uint32_t peer = A; peer <= C; peer++)
        if (peer != n)
            assert_true(lease_set_peer(m->leases, peer, 1));
    struct store_host_options host = {.partition_count = 1,
                                      .hash_seed = 1,
                                      .random_seed = n,
                                      .effect_bytes_max =
                                          partition_effect_max(given->replica.bytes_max),
                                      .allocator = &m->store_allocator.base};
    assert_int_equal(store_host_create(&host, &m->host), LARDER_OK);
    struct partition_options options = *given;
    options.replica.self = n;
    options.replica.incarnation = 1;
    assert_int_equal(partition_create(&options, m->leases, store_host_partition(m->host, 0),
                                      &m->allocator.base, &m->partition),
                     LARDER_OK);
}

/* A*, B and C in sync, A open in term 1, nothing under way; the time is 1000. */
__attribute__((unused)) static void world_begin(const struct partition_options *options) {
    world = (struct world){.is_quiet = true};
    world.group = world_configuration();
    for (uint32_t n = A; n <= C; n++)
        world_make_member(n, options);
    world.now_ms = 1000;
    for (uint32_t n = A; n <= C; n++)
        world_see(n);
    for (uint32_t n = A; n <= C; n++)
        world_tick(n);
    world_deliver("");
    world_promise_all();
    world_tick(A);
    world_deliver("");
    assert_int_equal(partition_replica(world.members[A].partition)->role, REPLICA_OPEN);
    world.is_quiet = false;
}

__attribute__((unused)) static void world_end(void) {
    world_lose_all();
    for (uint32_t n = A; n <= C; n++) {
        struct world_member *m = &world.members[n];
        partition_destroy(m->partition);
        store_host_destroy(m->host);
        lease_table_destroy(m->leases);
        configuration_destroy(m->view);
        assert_int_equal(m->allocator.heap_bytes, 0);
    }
    configuration_destroy(world.group);
}

/* Whether two members hold the same, beside the data too. */
__attribute__((unused)) static bool world_agree(uint32_t a, uint32_t b) {
    struct store_digest of_a, of_b;
    for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
        struct partition_store x = store_host_partition(world.members[a].host, 0);
        struct partition_store y = store_host_partition(world.members[b].host, 0);
        x.type->digest_bucket(x.context, bucket, &of_a);
        y.type->digest_bucket(y.context, bucket, &of_b);
        if (!store_digest_equal(of_a, of_b))
            return false;
    }
    partition_digest_beside(world.members[a].partition, &of_a);
    partition_digest_beside(world.members[b].partition, &of_b);
    return store_digest_equal(of_a, of_b);
}

/* min-insync changes, and all know. */
__attribute__((unused)) static void world_require_in_sync(uint32_t count) {
    struct config_entry entry = {.type = CONFIG_SETTINGS, .settings = world.group->settings};
    entry.settings.min_insync = count;
    assert_int_equal(world_commit(&entry), CONFIG_APPLIED);
    for (uint32_t n = A; n <= C; n++)
        world_see(n);
}

/* B goes on, as if A had fallen silent; A does not know. */
static inline void fail_over_to_b(void) {
    world.is_quiet = true;
    world_change(CONFIG_ELECT, B);
    world_see(B);
    world_see(C);
    world_deliver("A");
    world.now_ms += 250;
    world_tick(B);
    world_deliver("A");
    world_hear_coordinator(B);
    world_promise(C, B, world.now_ms);
    world_tick(B);
    world_deliver("A");
    world.is_quiet = false;
    assert_int_equal(partition_replica(world.members[B].partition)->role, REPLICA_OPEN);
}

#endif
