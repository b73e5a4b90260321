/* SPDX-License-Identifier: BSD-3-Clause */
/* A small world for replicas of one partition: up to five machines with a replica, a lease table
 * and a view of their own each, a config group that is one configuration with a history, and a
 * network whose links delay, lose, repeat and reorder. Machines see the history late and skip
 * entries; their clocks have speeds of their own; disks make writes durable late. Everything
 * follows from the seed. Times are microseconds; those of a machine are on its own clock.
 *
 * The test that includes this says what is to be looked at: rules_*. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_REPLICA_WORLD_H
#define LARDER_TESTS_UNIT_CLUSTER_REPLICA_WORLD_H

#include "unit/cluster/golden.h"

#include "base/random.h"
#include "cluster/partition_replica.h"

enum {
    MACHINES_MAX = 5,
    COORDINATOR = MACHINES_MAX, /* as an end of links */
    FRAMES_MAX = 400,
    FRAME_BYTES = 3072,
    ENTRIES_MAX = 400,
    SEQUENCES_MAX = 1024,
    RECORDS_MAX = 192, /* of a log in memory */
    DISK_WRITES_MAX = 24,
};

struct cell { /* of a log */
    uint64_t term;
    uint32_t value; /* 0: the start of a term */
};

struct disk {
    struct log_position base;
    uint64_t last, commit;
    bool is_complete;
    struct cell cells[SEQUENCES_MAX];
};

struct disk_write {
    struct replica_write write;
    struct log_position base;
    int64_t due_us;
    struct cell cells[RECORDS_MAX];
};

/* What a machine was given and has done, for the rules. */
struct promise {
    uint32_t machine;
    uint64_t incarnation;
    int64_t sent_us, duration_us;
    uint64_t index;
};

enum { PROMISES_KEPT = 64 };

struct witness {
    uint32_t promise_count; /* ever */
    struct promise promises[PROMISES_KEPT];
    uint32_t confirm_count;
    struct promise confirms[PROMISES_KEPT]; /* of the coordinator */
    int64_t gave_until_us[MACHINES_MAX];    /* promised to the processes of `gave_to` */
    uint64_t gave_to[MACHINES_MAX];
    int64_t blocked_until_us; /* by what was promised to former primaries */
    struct partition_config view;
    enum replica_role role;
    uint64_t role_term;
    uint64_t expanding_epoch[MACHINES_MAX]; /* of the last EXPAND of the machine; 0: none */
    uint64_t shrinking_epoch;               /* of the last SHRINK */
    uint64_t transfer_epoch;
    uint64_t unsynced_term[MACHINES_MAX];   /* said in this term that its data is not complete */
    uint64_t unsynced_of[MACHINES_MAX];     /* ... this process of it ... */
    uint64_t unsynced_number[MACHINES_MAX]; /* ... in its newest word of that */
    uint64_t checked;                       /* committed records up to here were compared */
    uint64_t commit, reset_term;
    uint64_t acknowledged; /* by all peers together */
};

struct machine {
    bool is_up, is_mute, is_suspected;
    uint64_t incarnation;
    int64_t offset_us, speed_percent, started_us;
    int64_t tick_us, heartbeat_us, restart_us, paused_until_us, join_us; /* of the true clock */
    struct partition_replica *replica;
    struct lease_table *leases;
    struct configuration *view;
    bool needs_copy;
    bool has_failed_disk; /* takes nothing any more: the process must end */
    size_t records_max;
    struct disk disk;
    uint32_t write_count;
    struct disk_write writes[DISK_WRITES_MAX];
    struct witness witness;
};

enum frame_type {
    FRAME_MESSAGE,
    FRAME_HEARTBEAT,
    FRAME_PROMISE,
    FRAME_ASK,     /* the coordinator, for a confirmation */
    FRAME_CONFIRM, /* it is still the coordinator, and had committed `index` */
    FRAME_PROPOSE,
    FRAME_COPY_ASK,
    FRAME_COPY,
};

struct frame {
    enum frame_type type;
    uint32_t from, to;
    int64_t due_us;
    uint64_t incarnation, term, index; /* of the sender */
    int64_t sent_us, duration_us;
    struct config_entry entry;
    size_t size;
    uint8_t bytes[FRAME_BYTES];
};

struct link {
    bool is_cut;
    int64_t delay_us; /* at most, but for one in some that takes ten times as long */
    unsigned loss;    /* per mille */
};

static struct world {
    struct random random;
    uint64_t seed;
    const char *violation;
    uint32_t violator;
    /* drawn per seed */
    uint32_t machine_count;
    bool is_durable;
    int64_t lease_us, config_lease_us, tick_us, disk_us;
    /* state */
    int64_t now_us;
    bool is_calm;
    struct configuration *group;
    uint32_t entry_count;
    size_t entry_sizes[ENTRIES_MAX];
    uint8_t entries[ENTRIES_MAX][CONFIG_ENTRY_BYTES_MAX];
    struct machine machines[MACHINES_MAX];
    struct link links[MACHINES_MAX + 1][MACHINES_MAX + 1];
    unsigned slow, duplication; /* per mille */
    uint32_t frame_count;
    struct frame *frames[FRAMES_MAX];
    struct frame pool[FRAMES_MAX];
    struct replica_output out;
} world;

/* What the test looks at. */
static void rules_take_group(const struct partition_config *before);
static void rules_begin_process(uint32_t n);
static void rules_after_step(uint32_t n, const struct replica_input *input);

static uint64_t draw(uint64_t bound) {
    return random_below(&world.random, bound);
}

static bool chance(unsigned per_mille) {
    return draw(1000) < per_mille;
}

static void violate(uint32_t n, const char *what) {
    if (world.violation == NULL) {
        world.violation = what;
        world.violator = n;
    }
}

static int64_t local_us(uint32_t n) {
    const struct machine *m = &world.machines[n];
    return m->offset_us + world.now_us * m->speed_percent / 100;
}

static const struct partition_config *group_partition(void) {
    return &world.group->partitions[0];
}

/* ---- the network ---- */

static struct frame *new_frame(enum frame_type type, uint32_t from, uint32_t to) {
    const struct link *link = &world.links[from][to];
    if (world.frame_count == FRAMES_MAX || link->is_cut || chance(link->loss))
        return NULL;
    struct frame *f = world.frames[world.frame_count++];
    f->type = type;
    f->from = from;
    f->to = to;
    f->due_us = world.now_us + 1 + (int64_t)draw((uint64_t)link->delay_us);
    if (chance(world.slow))
        f->due_us += (int64_t)draw(10 * (uint64_t)link->delay_us + 100000);
    f->incarnation = from == COORDINATOR ? 0 : world.machines[from].incarnation;
    return f;
}

static void maybe_repeat(const struct frame *f) {
    if (world.frame_count == FRAMES_MAX || !chance(world.duplication))
        return;
    struct frame *again = world.frames[world.frame_count++];
    *again = *f;
    again->due_us += (int64_t)draw(20000);
}

static void send_message(uint32_t from, const struct replica_message *m) {
    struct frame *f = new_frame(FRAME_MESSAGE, from, m->to - 1);
    if (f == NULL)
        return;
    f->size = replica_message_encoded_size(m);
    assert_true(f->size <= FRAME_BYTES);
    assert_int_equal(replica_message_encode(m, f->bytes), f->size);
    maybe_repeat(f);
}

static void send_entry(uint32_t from, const struct config_entry *entry) {
    struct frame *f = new_frame(FRAME_PROPOSE, from, COORDINATOR);
    if (f == NULL)
        return;
    f->entry = *entry;
    maybe_repeat(f);
}

/* ---- disks ---- */

static void keep_write(uint32_t n, const struct replica_write *write) {
    struct machine *m = &world.machines[n];
    m->has_failed_disk |= m->write_count == DISK_WRITES_MAX;
    if (!world.is_durable || m->has_failed_disk)
        return;
    struct disk_write *kept = &m->writes[m->write_count++];
    kept->write = *write;
    kept->base = m->replica->log.base;
    kept->due_us = world.now_us + (int64_t)draw((uint64_t)world.disk_us + 1);
    assert_true(write->last < SEQUENCES_MAX && write->last - write->after <= RECORDS_MAX);
    for (uint64_t s = write->after + 1; s <= write->last; s++) {
        struct replica_record record = replica_get_record(m->replica, s);
        struct cell *cell = &kept->cells[s - write->after - 1];
        *cell = (struct cell){.term = record.term};
        if (record.payload.size > 0)
            memcpy(&cell->value, record.payload.data, sizeof(cell->value));
    }
}

static void perform_first_write(uint32_t n) {
    struct machine *m = &world.machines[n];
    const struct disk_write *w = &m->writes[0];
    if (w->write.is_reset)
        m->disk.base = w->base;
    for (uint64_t s = w->write.after + 1; s <= w->write.last; s++)
        m->disk.cells[s] = w->cells[s - w->write.after - 1];
    m->disk.last = w->write.last;
    m->disk.commit = w->write.commit;
    m->write_count--;
    memmove(&m->writes[0], &m->writes[1], m->write_count * sizeof(m->writes[0]));
}

static bool disk_has(uint32_t n, uint64_t sequence, uint64_t term) {
    const struct disk *d = &world.machines[n].disk;
    return sequence <= d->base.sequence || (sequence <= d->last && d->cells[sequence].term == term);
}

/* ---- processes ---- */

static void take_output(uint32_t n) {
    struct machine *m = &world.machines[n];
    const struct replica_output *out = &world.out;
    if (out->is_broken)
        violate(n, "a committed record would have been cut");
    if (out->write.number != 0)
        keep_write(n, &out->write);
    m->needs_copy |= out->has_base || out->has_cut;
    for (uint32_t i = 0; i < out->message_count; i++)
        send_message(n, &out->messages[i]);
    if (out->has_proposal)
        send_entry(n, &out->proposal);
}

static enum larder_status step(uint32_t n, struct replica_input input) {
    struct machine *m = &world.machines[n];
    if (world.violation != NULL)
        return LARDER_BUSY;
    input.now_us = local_us(n);
    enum larder_status status = replica_step(m->replica, &input, &world.out);
    if (status == LARDER_OK) {
        rules_after_step(n, &input);
        take_output(n);
    }
    return status;
}

static struct configuration *new_configuration(void) {
    struct configuration *c = NULL;
    assert_int_equal(
        configuration_create((struct raft_id){{1, 1}}, 1, 1, MACHINES_MAX, &ALLOCATOR_SYSTEM, &c),
        LARDER_OK);
    return c;
}

static void set_leases(uint32_t n) {
    struct machine *m = &world.machines[n];
    for (uint32_t i = 0; i < m->view->member_count; i++) {
        const struct member *other = &m->view->members[i];
        uint32_t at = other->number - 1;
        if (at == n)
            continue;
        assert_true(lease_set_peer(m->leases, other->number, other->incarnation));
        if (m->witness.gave_to[at] != other->incarnation)
            m->witness.gave_until_us[at] = INT64_MIN;
    }
}

/* As a member does when its configuration says something else. */
static void set_durations(struct machine *m) {
    m->leases->lease_us = (int64_t)m->view->settings.lease_ms * 1000;
    m->leases->config_lease_us = (int64_t)m->view->settings.config_lease_ms * 1000;
    if (m->leases->opens_from_us > m->started_us)
        m->leases->opens_from_us = m->started_us + (int64_t)m->view->longest_lease_ms * 1000;
}

/* The machine applies the history up to `index` and looks at what came of it. */
static void see(uint32_t n, uint64_t index) {
    struct machine *m = &world.machines[n];
    while (m->view->index < index) {
        uint64_t next = m->view->index + 1;
        enum config_outcome outcome;
        assert_int_equal(
            configuration_apply(m->view, next,
                                slice_of(world.entries[next - 1], world.entry_sizes[next - 1]),
                                &outcome),
            LARDER_OK);
    }
    set_durations(m);
    lease_set_applied(m->leases, m->view->index);
    (void)step(n, (struct replica_input){.type = REPLICA_VIEW, .configuration = m->view});
    set_leases(n);
}

static void restore_log(struct machine *m) {
    static struct replica_record records[SEQUENCES_MAX];
    struct disk *d = &m->disk;
    uint64_t kept = d->commit - d->base.sequence;
    kept = kept < 8 ? kept : draw(8);
    if (d->last - d->commit + kept > m->records_max)
        kept = 0;
    uint64_t from = d->commit - kept;
    if (from > d->base.sequence)
        d->base = (struct log_position){d->cells[from].term, from};
    for (uint64_t s = from + 1; s <= d->last; s++)
        records[s - from - 1] = (struct replica_record){
            .term = d->cells[s].term,
            .kind = d->cells[s].value == 0 ? RECORD_TERM_START : RECORD_EFFECT,
            .payload = slice_of(&d->cells[s].value, d->cells[s].value == 0 ? 0 : 4)};
    assert_int_equal(replica_restore(m->replica, d->base, records, d->last - from, d->commit,
                                     d->commit, d->is_complete),
                     LARDER_OK);
    m->needs_copy = !d->is_complete;
}

static void start_machine(uint32_t n) {
    struct machine *m = &world.machines[n];
    m->incarnation++;
    m->is_up = true;
    m->is_suspected = false;
    m->started_us = local_us(n);
    m->tick_us = m->heartbeat_us = m->join_us = world.now_us;
    m->needs_copy = false;
    m->view = new_configuration();
    uint8_t bytes[8192];
    size_t size = configuration_encode(world.group, bytes);
    assert_true(size <= sizeof(bytes));
    assert_int_equal(configuration_restore(m->view, slice_of(bytes, size)), LARDER_OK);
    assert_int_equal(lease_table_create(MACHINES_MAX, world.lease_us, world.config_lease_us,
                                        m->started_us, &ALLOCATOR_SYSTEM, &m->leases),
                     LARDER_OK);
    struct replica_options options = {.self = n + 1,
                                      .incarnation = m->incarnation,
                                      .waits_for_sync = world.is_durable,
                                      .records_max = m->records_max,
                                      .bytes_max = 16 * 1024,
                                      .requests_max = 48,
                                      .shrink_after_us = world.lease_us,
                                      .resend_after_us = world.lease_us / 3,
                                      .settle_after_us = 2 * world.lease_us,
                                      .expand_lag = 8};
    assert_int_equal(replica_create(&options, m->leases, &ALLOCATOR_SYSTEM, &m->replica),
                     LARDER_OK);
    if (world.is_durable && m->disk.last > 0)
        restore_log(m);
    rules_begin_process(n);
    see(n, m->view->index);
}

static void destroy_process(uint32_t n) {
    struct machine *m = &world.machines[n];
    if (!m->is_up)
        return;
    replica_destroy(m->replica);
    lease_table_destroy(m->leases);
    configuration_destroy(m->view);
    m->replica = NULL;
    m->is_up = false;
}

/* With a disk, some first part of the writes under way is done; without, nothing is left. */
static void crash_machine(uint32_t n, int64_t down_us) {
    struct machine *m = &world.machines[n];
    if (!m->is_up)
        return;
    m->disk.is_complete = !m->replica->is_unsynced;
    for (uint64_t done = draw(m->write_count + 1); done > 0; done--)
        perform_first_write(n);
    m->write_count = 0;
    m->has_failed_disk = false;
    destroy_process(n);
    m->restart_us = world.now_us + down_us;
    m->paused_until_us = 0;
}

static bool is_named(uint32_t n) {
    const struct machine *m = &world.machines[n];
    const struct member *self = configuration_find_member(m->view, n + 1);
    return self != NULL && self->incarnation == m->incarnation && self->state != MEMBER_DOWN;
}

static bool is_of_living_process(uint32_t number) {
    const struct member *member = configuration_find_member(world.group, number);
    return member != NULL && world.machines[number - 1].is_up &&
           world.machines[number - 1].incarnation == member->incarnation &&
           member->state != MEMBER_DOWN;
}

/* ---- the config group ---- */

static bool commit_entry(const struct config_entry *entry) {
    if (world.entry_count == ENTRIES_MAX)
        return false;
    uint32_t at = world.entry_count++;
    enum config_outcome outcome;
    struct partition_config before = *group_partition();
    world.entry_sizes[at] = config_entry_encode(entry, world.entries[at]);
    assert_int_equal(configuration_apply(world.group, at + 1,
                                         slice_of(world.entries[at], world.entry_sizes[at]),
                                         &outcome),
                     LARDER_OK);
    if (outcome == CONFIG_APPLIED)
        rules_take_group(&before);
    return outcome == CONFIG_APPLIED;
}

static bool commit_change(enum config_entry_type type, uint32_t number) {
    const struct partition_config *p = group_partition();
    const struct member *member = configuration_find_member(world.group, number);
    return commit_entry(
        &(struct config_entry){.type = type,
                               .change = {.epoch = p->epoch,
                                          .member = number,
                                          .incarnation = member == NULL ? 0 : member->incarnation,
                                          .term = p->term}});
}

/* ---- delivering ---- */

static void take_heartbeat(uint32_t n, const struct frame *f) {
    struct machine *m = &world.machines[n];
    int64_t now_us = local_us(n);
    if (!is_named(n) || !lease_give(m->leases, f->from + 1, f->incarnation, now_us))
        return;
    if (m->witness.gave_to[f->from] != f->incarnation)
        m->witness.gave_until_us[f->from] = INT64_MIN;
    m->witness.gave_to[f->from] = f->incarnation;
    if (now_us + m->leases->lease_us > m->witness.gave_until_us[f->from])
        m->witness.gave_until_us[f->from] = now_us + m->leases->lease_us;
    struct frame *promise = new_frame(FRAME_PROMISE, n, f->from);
    if (promise == NULL)
        return;
    promise->sent_us = f->sent_us;
    promise->duration_us = m->leases->lease_us;
    promise->index = m->view->index;
    maybe_repeat(promise);
}

static void note_promise(struct promise *kept, uint32_t *count, const struct frame *f) {
    kept[(*count)++ % PROMISES_KEPT] = (struct promise){.machine = f->from,
                                                        .incarnation = f->incarnation,
                                                        .sent_us = f->sent_us,
                                                        .duration_us = f->duration_us,
                                                        .index = f->index};
}

static void take_copy(uint32_t n, const struct frame *f) {
    struct machine *m = &world.machines[n];
    if (f->type == FRAME_COPY_ASK) {
        if (m->replica->role != REPLICA_OPEN)
            return;
        struct frame *answer = new_frame(FRAME_COPY, n, f->from);
        if (answer == NULL)
            return;
        answer->term = m->replica->view.term;
        answer->index = m->replica->log.last;
        return;
    }
    bool is_seated = m->replica->role == REPLICA_BACKUP || m->replica->role == REPLICA_LEARNER;
    if (!m->needs_copy || !is_seated || f->term != m->replica->view.term ||
        f->index > m->replica->commit)
        return;
    m->needs_copy = false;
    (void)step(n, (struct replica_input){.type = REPLICA_COPIED, .sequence = f->index});
}

static void take_message(uint32_t n, const struct frame *f) {
    struct replica_record records[REPLICA_BATCH_RECORDS];
    struct replica_message message;
    assert_int_equal(replica_message_decode(slice_of(f->bytes, f->size), records, &message),
                     LARDER_OK);
    (void)step(n, (struct replica_input){.type = REPLICA_MESSAGE, .message = &message});
    /* whoever sees a newer index asks for it */
    if (world.violation == NULL && message.config_index > world.machines[n].view->index &&
        chance(300))
        see(n, message.config_index);
}

static void deliver_to_machine(const struct frame *f) {
    uint32_t n = f->to;
    struct machine *m = &world.machines[n];
    switch (f->type) {
    case FRAME_MESSAGE: take_message(n, f); break;
    case FRAME_HEARTBEAT: take_heartbeat(n, f); break;
    case FRAME_PROMISE:
        note_promise(m->witness.promises, &m->witness.promise_count, f);
        lease_take(m->leases, f->from + 1, f->incarnation,
                   &(struct lease_promise){f->sent_us, f->duration_us, f->index}, local_us(n));
        break;
    case FRAME_CONFIRM:
        note_promise(m->witness.confirms, &m->witness.confirm_count, f);
        lease_take_config(m->leases, &(struct lease_promise){f->sent_us, f->duration_us, f->index},
                          local_us(n));
        break;
    default: take_copy(n, f); break;
    }
}

static void deliver_to_coordinator(const struct frame *f) {
    if (f->type == FRAME_PROPOSE) {
        (void)commit_entry(&f->entry);
        return;
    }
    struct frame *confirm = new_frame(FRAME_CONFIRM, COORDINATOR, f->from);
    if (confirm == NULL)
        return;
    confirm->sent_us = f->sent_us;
    confirm->duration_us = (int64_t)world.group->settings.config_lease_ms * 1000;
    confirm->index = world.entry_count;
}

static void deliver_due(int64_t coordinator_from_us) {
    for (uint32_t i = 0; i < world.frame_count && world.violation == NULL;) {
        struct frame *f = world.frames[i];
        bool is_held = f->to == COORDINATOR ? world.now_us < coordinator_from_us
                                            : world.machines[f->to].paused_until_us > world.now_us;
        if (f->due_us > world.now_us || is_held) {
            i++;
            continue;
        }
        world.frames[i] = world.frames[--world.frame_count];
        world.frames[world.frame_count] = f;
        struct frame taken = *f; /* its place may be taken by what comes of it */
        if (f->to == COORDINATOR)
            deliver_to_coordinator(&taken);
        else if (world.machines[f->to].is_up)
            deliver_to_machine(&taken);
    }
}

/* ---- the time of a machine ---- */

static void send_heartbeats(uint32_t n) {
    struct machine *m = &world.machines[n];
    for (uint32_t to = 0; to < world.machine_count && !m->is_mute; to++) {
        struct frame *f = to == n ? NULL : new_frame(FRAME_HEARTBEAT, n, to);
        if (f != NULL)
            f->sent_us = local_us(n);
    }
    struct frame *ask = new_frame(FRAME_ASK, n, COORDINATOR);
    if (ask != NULL)
        ask->sent_us = local_us(n);
}

static void ask_to_join(uint32_t n) {
    struct machine *m = &world.machines[n];
    m->join_us = world.now_us + 10000;
    send_entry(n, &(struct config_entry){.type = CONFIG_JOIN,
                                         .join = {.node = {{n + 1, 1}},
                                                  .incarnation = m->incarnation,
                                                  .weight = 1,
                                                  .is_durable = world.is_durable}});
}

static void sync_disk(uint32_t n) {
    struct machine *m = &world.machines[n];
    uint64_t number = 0;
    while (!m->has_failed_disk && m->write_count > 0 && m->writes[0].due_us <= world.now_us) {
        number = m->writes[0].write.number;
        perform_first_write(n);
    }
    if (number != 0)
        (void)step(n, (struct replica_input){.type = REPLICA_SYNCED, .number = number});
}

/* What was copied is durable some time later. */
static void store_image(uint32_t n) {
    const struct partition_replica *r = world.machines[n].replica;
    if (r->is_unstored && !r->is_unsynced && chance(300))
        (void)step(n, (struct replica_input){.type = REPLICA_STORED, .sequence = r->commit});
}

static void tick_machine(uint32_t n) {
    struct machine *m = &world.machines[n];
    m->tick_us = world.now_us + world.tick_us / 2 + (int64_t)draw((uint64_t)world.tick_us);
    (void)step(n, (struct replica_input){.type = REPLICA_TICK});
    sync_disk(n);
    store_image(n);
    if (world.now_us >= m->heartbeat_us) {
        m->heartbeat_us = world.now_us + world.lease_us / 5;
        send_heartbeats(n);
    }
    if (!is_named(n) && world.now_us >= m->join_us)
        ask_to_join(n);
    uint32_t primary = m->replica->view.primary;
    if (m->needs_copy && primary != CLUSTER_NOBODY && primary != n + 1 && chance(300))
        (void)new_frame(FRAME_COPY_ASK, n, primary - 1);
    if (m->replica->role >= REPLICA_ELECTED)
        m->needs_copy = false;
}

#endif
