/* SPDX-License-Identifier: BSD-3-Clause */
/* The shell of a member: what it gives out is done at once, what the storage answers is taken after
 * the step. */
#include "sim/cluster_member.h"

#include "cluster/member_frames.h"
#include "raft/codec.h"
#include "sim/cluster_data.h"
#include "sim/cluster_founding.h"
#include "sim/cluster_oracle.h"
#include "sim/cluster_protocol.h"
#include "sim/storage_answers.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_US = 20000, FRAME_TYPE_AT = 2 };

struct cluster_process {
    struct sim_machine *machine;
    const struct cluster_sim_settings *settings;
    struct cluster_oracle *oracle;
    struct cluster_founding *founding;
    const struct founding_plan *plan; /* of `founding`; NULL: it did not found its cluster */
    struct member_address contacts[MEMBER_CONTACTS_MAX];
    uint32_t contact_count;
    struct member_host host;
    struct cluster_member *member; /* NULL until it has entered a cluster */
    struct cluster_data *data;
    struct raft_storage storage;
    struct storage_answers answers;
    bool is_creating;  /* the first view comes before `member` is set */
    uint8_t *snapshot; /* owned: what was loaded last */
    size_t snapshot_bytes;
    uint8_t *frame; /* owned: the frame that is being sent */
    size_t frame_capacity;
};

struct member_address cluster_sim_address(uint32_t machine) {
    return (struct member_address){.host = "machine", .peer_port = (uint16_t)machine};
}

uint32_t cluster_sim_machine(const struct member_address *address) {
    return address->peer_port;
}

/* ---- what the member asks for ---- */

static void host_send(void *context, const struct member_address *to, struct slice frame) {
    struct cluster_process *p = context;
    if (frame.size + 1 > p->frame_capacity) {
        p->frame_capacity = 2 * (frame.size + 1);
        p->frame = sim_resize(p->frame, p->frame_capacity);
    }
    p->frame[0] = 'M';
    memcpy(p->frame + 1, frame.data, frame.size);
    struct slice whole = slice_of(p->frame, frame.size + 1);
    bool is_consensus = whole.data[FRAME_TYPE_AT] == FRAME_CONSENSUS;
    if (is_consensus || p->settings->is_rough)
        machine_send_datagram(p->machine, cluster_sim_machine(to), whole);
    else
        machine_send(p->machine, cluster_sim_machine(to), whole);
}

static struct slice load_snapshot(struct cluster_process *p) {
    free(p->snapshot);
    p->snapshot = raft_storage_load_snapshot(&p->storage);
    p->snapshot_bytes = p->snapshot == NULL ? 0 : p->storage.snapshot.size;
    return slice_of(p->snapshot, p->snapshot_bytes);
}

static struct slice host_load_snapshot(void *context) {
    return load_snapshot(context);
}

/* The oracle of the core sees every step first. */
static void host_store(void *context, const struct raft_output *out) {
    struct cluster_process *p = context;
    struct raft_oracle *core = p->answers.oracle;
    const struct raft *raft = member_raft(p->member);
    if (out->has_install) {
        struct raft_status status;
        raft_get_status(raft, &status);
        raft_storage_installed(&p->storage, &out->install, status.first_index);
    }
    raft_oracle_step(core, p->answers.number, raft, out,
                     out->has_install ? raft_oracle_state(core, out->install.index) : 0);
    for (size_t i = 0; i < out->apply_count; i++)
        cluster_oracle_entry(p->oracle, p->machine, &out->apply[i]);
    if (out->write.number != 0)
        raft_storage_write(&p->storage, &out->write);
    if (out->has_snapshot_chunk)
        raft_storage_store_chunk(&p->storage, &out->snapshot_chunk);
    for (size_t i = 0; i < out->snapshot_read_count; i++)
        raft_storage_read_chunk(&p->storage, &out->snapshot_reads[i]);
    if (out->has_new_role) {
        struct raft_status status;
        raft_get_status(raft, &status);
        machine_trace(p->machine, status.term, status.commit_index,
                      "config group: %s, term %" PRIu64 ", committed %" PRIu64,
                      raft_role_name(status.role), status.term, status.commit_index);
    }
}

static void host_take_snapshot(void *context, const struct raft_snapshot *snapshot,
                               const struct raft_configuration *voters, uint64_t keep_from,
                               struct slice bytes) {
    struct cluster_process *p = context;
    if (raft_storage_is_taking(&p->storage))
        return;
    uint8_t *copy = sim_resize(NULL, bytes.size + 1);
    memcpy(copy, bytes.data, bytes.size);
    raft_storage_take_snapshot(&p->storage, snapshot, voters, keep_from, copy);
}

static void listen_to_storage(struct cluster_process *p);

static enum larder_status host_begin_generation(void *context, uint16_t generation,
                                                const struct raft_hard_state *hard_state,
                                                const struct raft_snapshot *snapshot,
                                                const struct raft_configuration *voters,
                                                struct slice bytes) {
    struct cluster_process *p = context;
    enum larder_status status =
        raft_storage_begin_generation(&p->storage, generation, hard_state, snapshot, voters, bytes);
    if (status != LARDER_OK)
        return status;
    storage_answers_free(&p->answers);
    listen_to_storage(p);
    return LARDER_OK;
}

static void host_view(void *context, const struct configuration *configuration) {
    struct cluster_process *p = context;
    cluster_oracle_view(p->oracle, p->machine, configuration);
    if (p->is_creating)
        return;
    cluster_founding_view(p->founding, p->member, configuration);
    cluster_data_view(p->data, p->member, configuration);
}

static void host_hand_off(void *context, uint32_t partition, uint32_t to) {
    struct cluster_process *p = context;
    cluster_data_hand_off(p->data, partition, to);
}

static void host_partition_frame(void *context, uint32_t from, uint64_t incarnation,
                                 struct slice body) {
    struct cluster_process *p = context;
    (void)incarnation;
    cluster_data_take_frame(p->data, from, body);
}

static bool host_offer(void *context, uint32_t partition, struct member_remains *out) {
    const struct cluster_process *p = context;
    out->may_lack = false; /* logs are synced before anything is acknowledged */
    return cluster_data_offer(p->data, partition, &out->end);
}

static uint64_t host_copy_left(void *context, uint32_t partition) {
    const struct cluster_process *p = context;
    return cluster_data_copy_left(p->data, partition);
}

static const struct member_host HOST = {
    .send = host_send,
    .store = host_store,
    .take_snapshot = host_take_snapshot,
    .load_snapshot = host_load_snapshot,
    .begin_generation = host_begin_generation,
    .view = host_view,
    .hand_off = host_hand_off,
    .partition_frame = host_partition_frame,
    .offer = host_offer,
    .copy_left = host_copy_left,
};

/* ---- what the storage says ---- */

static void answered(void *owner, const struct raft_input *input) {
    struct cluster_process *p = owner;
    storage_answers_add(&p->answers, input);
}

static enum larder_status step(void *owner, struct raft_input *input) {
    struct cluster_process *p = owner;
    return member_storage(p->member, input, machine_now_us(p->machine));
}

static void listen_to_storage(struct cluster_process *p) {
    p->answers =
        (struct storage_answers){.storage = &p->storage,
                                 .oracle = cluster_oracle_core(p->oracle, p->storage.generation),
                                 .number = machine_node_id(p->machine).words[1],
                                 .step = step,
                                 .owner = p};
}

static void drain(struct cluster_process *p) {
    if (p->member == NULL || p->answers.is_giving)
        return;
    storage_answers_give(&p->answers);
    if (member_divergences(p->member) > 0)
        machine_violate(p->machine, "members have different configurations at one index");
    cluster_oracle_step(p->oracle, p->machine, p->member, p->data);
}

/* ---- life ---- */

static struct member self_of(struct sim_machine *machine,
                             const struct cluster_sim_settings *settings) {
    bool is_weightless = (settings->weightless >> machine_address(machine) & 1) != 0;
    struct member self = {.node = machine_node_id(machine),
                          .incarnation = machine_incarnation(machine),
                          .address = cluster_sim_address(machine_address(machine)),
                          .weight = is_weightless ? 0 : 100,
                          .is_durable = !machine->is_diskless};
    snprintf(self.host, sizeof(self.host), "host-%u", (unsigned)self.address.peer_port % 32);
    snprintf(self.zone, sizeof(self.zone), "zone-%u", (unsigned)self.address.peer_port % 3);
    return self;
}

static void fail(struct cluster_process *p, enum larder_status status) {
    if (status != LARDER_NO_MEMORY)
        machine_violate(p->machine, "a member can't start from what was durable");
    machine_exit(p->machine, larder_status_text(status));
}

/* Everybody that it knows of, without itself. */
static void add_contact(struct cluster_process *p, const struct member_address *address) {
    if (cluster_sim_machine(address) == machine_address(p->machine))
        return;
    for (uint32_t i = 0; i < p->contact_count; i++)
        if (cluster_sim_machine(&p->contacts[i]) == cluster_sim_machine(address))
            return;
    if (p->contact_count < MEMBER_CONTACTS_MAX)
        p->contacts[p->contact_count++] = *address;
}

static void begin_watching(struct cluster_process *p, const struct raft_restored *restored) {
    raft_oracle_start(p->answers.oracle, p->answers.number, member_raft(p->member), restored,
                      raft_oracle_state(p->answers.oracle, restored->snapshot.index));
}

/* The storage made durable what it found: take part. */
static void begin(void *owner) {
    struct cluster_process *p = owner;
    struct raft_restored restored;
    raft_storage_restored(&p->storage, &restored);
    restored.now_ms = machine_now_us(p->machine) / 1000;
    struct member_start start = {.restored = &restored,
                                 .plan = p->plan,
                                 .contacts = p->contacts,
                                 .contact_count = p->contact_count};
    if (restored.snapshot.index > 0)
        start.snapshot = load_snapshot(p);
    const struct member_options options = {
        .cluster = p->storage.cluster,
        .generation = p->storage.generation,
        .self = self_of(p->machine, p->settings),
        .partition_count = p->settings->partition_count,
        .members_max = 64,
        .seed = machine_random(p->machine),
        .heartbeat_us = p->settings->heartbeat_us,
        .entries_per_snapshot = 200,
        .entries_per_check = 20,
        .recovery_wait_us = 3000000,
        .calm_us = 1000000,
        .copy_timeout_us = 2000000,
    };
    p->is_creating = true;
    enum larder_status status =
        member_create(&options, &start, &p->host, machine_now_us(p->machine),
                      machine_allocator(p->machine), &p->member);
    p->is_creating = false;
    if (status != LARDER_OK) {
        p->member = NULL;
        fail(p, status);
        return;
    }
    begin_watching(p, &restored);
    raft_storage_release(&p->storage);
    if (member_configuration(p->member) != NULL)
        host_view(p, member_configuration(p->member));
    drain(p);
}

static void free_process(struct cluster_process *p) {
    cluster_data_destroy(p->data);
    member_destroy(p->member);
    cluster_founding_destroy(p->founding);
    storage_answers_free(&p->answers);
    free(p->frame);
    free(p->snapshot);
    free(p);
}

/* Found, join, or go on. */
static void enter(void *context, const struct founding_entry *entry) {
    struct cluster_process *p = context;
    struct raft_configuration voters = {0};
    p->plan = entry->plan;
    p->contact_count = 0;
    for (uint32_t i = 0; i < p->settings->founders; i++) {
        struct member_address seed = cluster_sim_address(i);
        add_contact(p, &seed);
    }
    for (uint32_t i = 0; i < entry->contact_count; i++)
        add_contact(p, &entry->contacts[i]);
    if (entry->plan != NULL)
        founding_voters(entry->plan, &voters);
    p->storage = (struct raft_storage){.machine = p->machine,
                                       .input = answered,
                                       .ready = begin,
                                       .owner = p,
                                       .cluster = entry->cluster,
                                       .generation = entry->generation,
                                       .last_ticket = p->storage.last_ticket};
    listen_to_storage(p);
    enum larder_status status = raft_storage_open(&p->storage, &voters);
    if (status != LARDER_OK)
        machine_exit(p->machine, larder_status_text(status));
}

static void withdraw(void *context) {
    struct cluster_process *p = context;
    cluster_data_withdraw(p->data);
    member_destroy(p->member);
    p->member = NULL;
    raft_storage_close(&p->storage);
    storage_answers_free(&p->answers);
}

static enum larder_status start(struct sim_machine *machine, const void *settings, void **out) {
    struct cluster_process *p = sim_resize(NULL, sizeof(*p));
    memset(p, 0, sizeof(*p));
    p->machine = machine;
    p->settings = settings;
    p->oracle = machine_oracle(machine);
    p->host = HOST;
    p->host.context = p;
    const struct cluster_founding_owner owner = {p, enter, withdraw};
    const struct member self = self_of(machine, p->settings);
    enum larder_status status = cluster_data_create(machine, p->settings, &p->data);
    if (status == LARDER_OK)
        status = cluster_founding_create(machine, p->settings, &self, &owner, &p->founding);
    if (status != LARDER_OK) {
        raft_storage_close(&p->storage);
        free_process(p);
        return status;
    }
    machine_wake_at(machine, machine_now_us(machine) + TICK_US);
    *out = p;
    return LARDER_OK;
}

/* It had promised something to other founders, or could have. */
static bool is_founding(const struct cluster_process *p) {
    enum founding_state state = cluster_founding_state(p->founding);
    return state == FOUNDING_PROPOSING || state == FOUNDING_ACCEPTED || state == FOUNDING_BOOTED;
}

static void stop(void *process) {
    struct cluster_process *p = process;
    if (is_founding(p))
        machine_count_event(p->machine, RARE_DEAD_FOUNDER);
    cluster_oracle_end(p->oracle, p->machine);
    raft_storage_close(&p->storage);
    free_process(p);
}

/* ---- inputs ---- */

static void wake(void *process) {
    struct cluster_process *p = process;
    machine_wake_at(p->machine, machine_now_us(p->machine) + TICK_US);
    cluster_founding_tick(p->founding);
    if (p->member == NULL)
        return;
    drain(p);
    member_tick(p->member, machine_now_us(p->machine), machine_wall_us(p->machine));
    cluster_data_tick(p->data);
    cluster_oracle_tick(p->oracle, p->machine, p->member, p->data);
    raft_storage_probe(&p->storage);
    storage_answers_offer_snapshot(&p->answers);
    drain(p);
}

static void deliver(void *process, uint32_t from, struct slice frame) {
    struct cluster_process *p = process;
    if (frame.size < 2)
        return;
    struct slice body = slice_of(frame.data + 1, frame.size - 1);
    if (frame.data[0] == 'F')
        cluster_founding_take_frame(p->founding, from, body);
    if (p->member == NULL)
        return;
    if (frame.data[0] == 'Q' && sim_address_is_client(from))
        cluster_data_take_request(p->data, from, body);
    else if (frame.data[0] == 'M')
        member_receive(p->member, body, machine_now_us(p->machine));
    drain(p);
}

static void synced(void *process, uint64_t ticket, enum larder_status status) {
    struct cluster_process *p = process;
    if (!cluster_data_synced(p->data, ticket, status) &&
        !cluster_founding_synced(p->founding, ticket, status))
        raft_storage_synced(&p->storage, ticket, status);
    drain(p);
}

static void link(void *process, uint32_t peer, enum sim_link_event event) {
    struct cluster_process *p = process;
    cluster_founding_link(p->founding, peer, event);
    if (p->member != NULL && event == SIM_LINK_BROKEN && sim_address_is_client(peer)) {
        cluster_data_disconnect(p->data, peer);
        drain(p);
    }
    if (p->member == NULL || sim_address_is_client(peer))
        return;
    const struct member_address address = cluster_sim_address(peer);
    if (event == SIM_LINK_BROKEN)
        member_reset(p->member, &address, machine_now_us(p->machine));
    else if (event == SIM_LINK_REFUSED)
        member_refused(p->member, &address, machine_now_us(p->machine));
    drain(p);
}

/* Voters and learners of the core, then members: number, node, incarnation, state. */
static int describe_configuration(const struct cluster_process *p, char *out, size_t size) {
    const struct raft_configuration *core = raft_get_configuration(member_raft(p->member));
    const struct configuration *c = member_configuration(p->member);
    size_t used = 0;
    for (uint32_t i = 0; i < core->count && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, " %s%" PRIu64,
                             core->members[i].is_voter ? "v" : "l", core->members[i].id.words[1]);
    for (uint32_t i = 0; c != NULL && i < c->member_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used,
                                 " #%" PRIu32 "=n%" PRIu64 ".%" PRIu64 "%s", c->members[i].number,
                                 c->members[i].node.words[1], c->members[i].incarnation,
                                 c->members[i].state == MEMBER_DOWN ? " down" : "");
    return (int)(used < size ? used : size - 1);
}

static void describe(const void *process, char *out, size_t size) {
    const struct cluster_process *p = process;
    struct raft_status s;
    if (p->member == NULL) {
        snprintf(out, size, "founding: %s",
                 founding_state_name(cluster_founding_state(p->founding)));
        return;
    }
    raft_get_status(member_raft(p->member), &s);
    int used =
        snprintf(out, size, "%s%s term %" PRIu64 " applied %" PRIu64 " number %" PRIu32,
                 raft_role_name(s.role), member_is_coordinator(p->member) ? " coordinator" : "",
                 s.term, member_applied(p->member), member_number(p->member));
    used += describe_configuration(p, out + used, size - (size_t)used);
    if (used > 0 && (size_t)used < size)
        cluster_data_describe(p->data, out + used, size - (size_t)used);
}

static void describe_frame(struct slice frame, char *out, size_t size) {
    struct member_frame decoded;
    if (frame.size > 1 && frame.data[0] == 'F') {
        cluster_founding_describe_frame(slice_of(frame.data + 1, frame.size - 1), out, size);
        return;
    }
    if (frame.size < 2 || frame.data[0] != 'M' ||
        member_frame_decode(slice_of(frame.data + 1, frame.size - 1), &decoded) != LARDER_OK) {
        cluster_protocol_describe(frame, out, size);
        return;
    }
    int used =
        snprintf(out, size, "%s index %" PRIu64, member_frame_name(decoded.type), decoded.index);
    if (decoded.type == FRAME_PARTITION && used > 0 && (size_t)used < size)
        cluster_data_describe_frame(decoded.body, out + used, size - (size_t)used);
}

const struct sim_process_type CLUSTER_MEMBER_PROCESS = {
    .name = "cluster member",
    .start = start,
    .deliver = deliver,
    .wake = wake,
    .synced = synced,
    .link = link,
    .stop = stop,
    .describe = describe,
    .describe_frame = describe_frame,
};

struct cluster_member *cluster_process_member(const void *process) {
    const struct cluster_process *p = process;
    return p->member;
}

enum founding_state cluster_process_founding(const void *process) {
    const struct cluster_process *p = process;
    return cluster_founding_state(p->founding);
}

struct cluster_data *cluster_process_data(const void *process) {
    const struct cluster_process *p = process;
    return p->data;
}

enum larder_status cluster_process_force(void *process, struct forced_generation *out) {
    struct cluster_process *p = process;
    struct raft_restored restored;
    if (p->member == NULL)
        return LARDER_DENIED;
    enum larder_status status = member_force_generation(p->member, machine_now_us(p->machine),
                                                        machine_wall_us(p->machine), out);
    if (status != LARDER_OK)
        return status;
    machine_trace(p->machine, out->generation, out->kept_count,
                  "generation %" PRIu16 " begins by force: %" PRIu32 " partitions kept, %" PRIu32
                  " lost",
                  out->generation, out->kept_count, out->lost_count);
    raft_storage_restored(&p->storage, &restored);
    begin_watching(p, &restored);
    drain(p);
    return LARDER_OK;
}
