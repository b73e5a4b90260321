/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop of events, the network, and what clients and faults do. */
#include "simulation.h"

#include "simulation_disk.c"
#include "simulation_disruption.c"

static bool event_is_before(const struct sim_event *a, const struct sim_event *b) {
    return a->time_ms < b->time_ms || (a->time_ms == b->time_ms && a->order < b->order);
}

static void sim_schedule(struct sim *s, const struct sim_event *event) {
    if (s->event_count == s->event_capacity) {
        s->event_capacity = s->event_capacity == 0 ? 256 : 2 * s->event_capacity;
        s->events = realloc(s->events, s->event_capacity * sizeof(*s->events));
    }
    size_t at = s->event_count++;
    struct sim_event added = *event;
    added.order = s->order++;
    for (; at > 0 && event_is_before(&added, &s->events[(at - 1) / 2]); at = (at - 1) / 2)
        s->events[at] = s->events[(at - 1) / 2];
    s->events[at] = added;
}

static struct sim_event take_event(struct sim *s) {
    struct sim_event first = s->events[0];
    struct sim_event last = s->events[--s->event_count];
    size_t at = 0;
    for (size_t child = 1; child < s->event_count; child = 2 * at + 1) {
        if (child + 1 < s->event_count && event_is_before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!event_is_before(&s->events[child], &last))
            break;
        s->events[at] = s->events[child];
        at = child;
    }
    s->events[at] = last;
    return first;
}

static void send_once(struct sim *s, const struct raft_message *message) {
    struct sim_event event = {.type = EVENT_MESSAGE, .node = sim_number(message->to)};
    event.size = raft_message_encoded_size(message);
    event.bytes = malloc(event.size);
    if (raft_message_encode(message, event.bytes) != event.size)
        sim_violate(s, "a message has another size than it said");
    event.time_ms =
        s->now_ms + 1 + (int64_t)random_below(&s->random, (uint64_t)s->faults.message_ms + 1);
    if (!s->is_calm && sim_chance(s, s->faults.slow_message))
        event.time_ms += (int64_t)random_below(&s->random, 600);
    sim_schedule(s, &event);
}

static void send_message(struct sim *s, uint32_t from, const struct raft_message *message) {
    uint32_t to = sim_number(message->to);
    if (to >= s->node_count) {
        sim_violate(s, "a message to a node that does not exist");
        return;
    }
    if (s->is_cut[from][to] || (!s->is_calm && sim_chance(s, s->faults.loss)))
        return;
    send_once(s, message);
    if (!s->is_calm && sim_chance(s, s->faults.duplication))
        send_once(s, message);
}

static void answer(struct sim *s, uint32_t number, struct raft_input input) {
    sim_schedule(s, &(struct sim_event){.time_ms = s->now_ms + 1 +
                                                   (int64_t)random_below(
                                                       &s->random, (uint64_t)s->faults.disk_ms + 1),
                                        .type = EVENT_INPUT,
                                        .node = number,
                                        .incarnation = s->nodes[number].incarnation,
                                        .input = input});
}

static void store_chunk(struct sim *s, uint32_t number, const struct raft_snapshot_chunk *chunk) {
    struct sim_node *node = &s->nodes[number];
    struct raft_input input = {.type = RAFT_SNAPSHOT_STORED,
                               .snapshot_stored = {.snapshot = chunk->snapshot}};
    if (chunk->offset != 0 && chunk->offset != node->arrived)
        sim_violate(s, "a chunk does not follow the one before");
    memcpy(node->arriving.bytes + chunk->offset, chunk->data.data, chunk->data.size);
    node->arriving.identity = chunk->snapshot;
    node->arriving.configuration = chunk->configuration;
    node->arrived = chunk->offset + chunk->data.size;
    input.snapshot_stored.offset = node->arrived;
    bool is_whole = node->arrived == chunk->snapshot.size;
    if (node->disk.is_full) {
        input.type = RAFT_SNAPSHOT_DISCARDED;
        node->arrived = 0;
    } else if (is_whole &&
               crc32c(slice_of(node->arriving.bytes, node->arrived)) != chunk->snapshot.checksum) {
        sim_violate(s, "a snapshot arrived damaged");
    }
    answer(s, number, input);
}

static void read_chunk(struct sim *s, uint32_t number, const struct raft_snapshot_read *read) {
    const struct sim_snapshot *own = &s->nodes[number].disk.snapshot;
    struct raft_input input = {
        .type = RAFT_SNAPSHOT_DATA,
        .snapshot_data = {.to = read->to, .snapshot = read->snapshot, .offset = read->offset}};
    if (own->identity.index == read->snapshot.index)
        input.snapshot_data.data = slice_of(own->bytes + read->offset, read->size);
    answer(s, number, input);
}

static void crash_node(struct sim *s, uint32_t number) {
    struct sim_node *node = &s->nodes[number];
    if (node->raft == NULL)
        return;
    s->counters.crashes++;
    raft_destroy(node->raft);
    node->raft = NULL;
    node->incarnation++;
    disk_crash(s, number);
}

/* What the snapshot that arrived says of the state; 0 if it is another one. */
static uint64_t arrived_state(const struct sim_node *node, const struct raft_output *out) {
    uint64_t state = 0;
    if (out->has_install && node->arriving.identity.index == out->install.index)
        memcpy(&state, node->arriving.bytes, sizeof(state));
    return state;
}

static void check_reads(struct sim *s, const struct raft_output *out) {
    for (size_t i = 0; i < out->read_count; i++)
        if (out->reads[i].status == LARDER_OK &&
            out->reads[i].index < s->read_floor[out->reads[i].context & 1023])
            sim_violate(s, "a read misses what was committed before it");
}

/* Let the oracle look at a step before anything is done with its output. */
static void check_step(struct sim *s, uint32_t number, const struct raft_output *out) {
    struct sim_node *node = &s->nodes[number];
    raft_oracle_step(s->oracle, number + 1, node->raft, out, arrived_state(node, out));
    check_reads(s, out);
    disruption_check(s, number, out);
    if (out->has_install)
        node->applied = out->install.index;
    if (out->apply_count > 0)
        node->applied = out->apply[out->apply_count - 1].index;
    node->seen = *raft_oracle_seen(s->oracle, number + 1);
    if (node->seen.last_index >= SIM_LOG_MAX)
        s->is_exhausted = true;
}

static void sim_input(struct sim *s, uint32_t number, struct raft_input input) {
    struct sim_node *node = &s->nodes[number];
    if (node->raft == NULL || s->violation != NULL)
        return;
    input.now_ms = s->now_ms;
    s->counters.steps++;
    if (input.type == RAFT_PERSIST_FAILED)
        raft_oracle_persist_failed(s->oracle, number + 1, input.failed_number);
    enum larder_status status = raft_step(node->raft, &input, &s->out);
    if (status == LARDER_CORRUPT || status == LARDER_DENIED)
        sim_violate(s, "a correct message was refused as corrupt");
    if (status != LARDER_OK)
        return;
    struct raft_output *out = &s->out;
    check_step(s, number, out);
    if (out->write.number != 0)
        disk_begin_write(s, number, &out->write);
    for (size_t i = 0; i < out->message_count; i++)
        send_message(s, number, &out->messages[i]);
    for (size_t i = 0; i < out->snapshot_read_count; i++)
        read_chunk(s, number, &out->snapshot_reads[i]);
    if (out->has_snapshot_chunk)
        store_chunk(s, number, &out->snapshot_chunk);
    if (node->seen.role == RAFT_LEADER && !s->is_calm && sim_chance(s, s->faults.short_reign))
        crash_node(s, number);
}

static void start_node(struct sim *s, uint32_t number) {
    struct sim_node *node = &s->nodes[number];
    struct sim_disk *disk = &node->disk;
    struct raft_options options = {.cluster = {{7, 7}},
                                   .generation = 1,
                                   .self = sim_id(number),
                                   .seed = random_next(&s->random),
                                   .election_ms = SIM_ELECTION_MS,
                                   .heartbeat_ms = 40,
                                   .snapshot_chunk_bytes = 16};
    static struct raft_entry entries[SIM_LOG_MAX];
    for (size_t i = 0; i < disk->count; i++)
        entries[i] = (struct raft_entry){disk->log[i].index, disk->log[i].term, disk->log[i].type,
                                         slice_of(disk->log[i].data, disk->log[i].size)};
    struct raft_restored restored = {.now_ms = s->now_ms,
                                     .hard_state = disk->hard_state,
                                     .snapshot = disk->snapshot.identity,
                                     .configuration = disk->snapshot.configuration,
                                     .entries = entries,
                                     .entry_count = disk->count};
    node->incarnation++;
    disruption_begin(node);
    if (raft_create(&options, &restored, &ALLOCATOR_SYSTEM, &node->raft) != LARDER_OK) {
        node->raft = NULL;
        sim_violate(s, "a node can't restart from its disk");
        return;
    }
    node->applied = disk->snapshot.identity.index;
    uint64_t state;
    memcpy(&state, disk->snapshot.bytes, sizeof(state));
    node->arrived = 0;
    raft_oracle_start(s->oracle, number + 1, node->raft, &restored, state);
    node->seen = *raft_oracle_seen(s->oracle, number + 1);
    struct raft_input policy = {.type = RAFT_POLICY,
                                .policy = {.voters_target = 3, .dead_after_ms = 500}};
    if (s->faults.has_policy)
        sim_input(s, number, policy);
}

static uint32_t find_leader(struct sim *s) {
    uint64_t term = 0;
    uint32_t found = s->node_count;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct sim_node *node = &s->nodes[i];
        if (node->raft != NULL && node->seen.role == RAFT_LEADER && node->seen.term >= term) {
            term = node->seen.term;
            found = i;
        }
    }
    return found;
}

static uint32_t any_node(struct sim *s) {
    return (uint32_t)random_below(&s->random, s->node_count);
}

/* One that takes itself for the leader, also if the others have another. */
static uint32_t any_leader(struct sim *s) {
    uint32_t from = any_node(s);
    for (uint32_t i = 0; i < s->node_count; i++) {
        uint32_t number = (from + i) % s->node_count;
        if (s->nodes[number].raft != NULL && s->nodes[number].seen.role == RAFT_LEADER)
            return number;
    }
    return from;
}

static void propose(struct sim *s, uint32_t number) {
    uint64_t command = ++s->commands;
    sim_input(
        s, number,
        (struct raft_input){.type = RAFT_PROPOSE, .command = slice_of(&command, sizeof(command))});
}

static void take_snapshot(struct sim *s, uint32_t number) {
    struct sim_node *node = &s->nodes[number];
    if (node->raft == NULL || node->applied <= node->seen.snapshot_index || node->disk.is_full)
        return;
    struct sim_snapshot taken = {0};
    uint64_t state = raft_oracle_state(s->oracle, node->applied);
    memcpy(taken.bytes, &state, sizeof(state));
    taken.bytes[20] = (uint8_t)number;
    taken.identity =
        (struct raft_snapshot){.index = node->applied,
                               .term = raft_oracle_committed_term(s->oracle, node->applied),
                               .size = SIM_SNAPSHOT_BYTES,
                               .checksum = crc32c(slice_of(taken.bytes, SIM_SNAPSHOT_BYTES))};
    if (raft_get_configuration_at(node->raft, node->applied, &taken.configuration) != LARDER_OK)
        sim_violate(s, "the configuration of an applied index is not known");
    uint64_t first = node->seen.first_index;
    uint64_t keep_from = first + random_below(&s->random, node->applied + 2 - first);
    struct raft_input input = {.type = RAFT_SNAPSHOT_TAKEN,
                               .snapshot_taken = {taken.identity, keep_from}};
    sim_input(s, number, input);
    if (node->seen.snapshot_index != taken.identity.index)
        return;
    node->disk.snapshot = taken;
    raft_oracle_snapshot(s->oracle, number + 1, taken.identity.index);
}

static void change_members(struct sim *s, uint32_t leader) {
    struct raft_input input = {
        .type = RAFT_CHANGE,
        .change = {(enum raft_change_type)random_below(&s->random, 4), sim_id(any_node(s))}};
    uint64_t before = s->nodes[leader].seen.configuration_index;
    sim_input(s, leader, input);
    s->counters.changes += s->nodes[leader].seen.configuration_index != before;
}

static void act_as_client(struct sim *s) {
    uint32_t leader = find_leader(s);
    if (sim_chance(s, s->faults.snapshot))
        take_snapshot(s, any_node(s));
    if (leader == s->node_count)
        return;
    if (sim_chance(s, 100))
        leader = any_node(s);
    propose(s, leader);
    if (sim_chance(s, s->faults.read)) {
        uint64_t context = s->reads++;
        s->read_floor[context & 1023] = raft_oracle_committed_index(s->oracle);
        sim_input(s, sim_chance(s, 300) ? any_leader(s) : leader,
                  (struct raft_input){.type = RAFT_READ, .read_context = context});
    }
    if (sim_chance(s, s->faults.change))
        change_members(s, leader);
    if (sim_chance(s, s->faults.transfer)) {
        s->counters.transfers++;
        sim_input(s, leader,
                  (struct raft_input){.type = RAFT_TRANSFER, .transfer_to = sim_id(any_node(s))});
    }
}

static void make_space(struct sim *s, uint32_t number) {
    struct sim_disk *disk = &s->nodes[number].disk;
    disk->is_full = false;
    if (!disk->is_refusing || disk->is_mending)
        return;
    disk->is_mending = true;
    /* after the failure, which may be still on its way */
    sim_schedule(s, &(struct sim_event){.time_ms = s->now_ms + s->faults.disk_ms + 1,
                                        .type = EVENT_INPUT,
                                        .node = number,
                                        .incarnation = s->nodes[number].incarnation,
                                        .input = {.type = RAFT_STORAGE_READY}});
}

static void cut_links(struct sim *s) {
    uint32_t side = (uint32_t)random_below(&s->random, 1u << s->node_count);
    bool is_one_way = sim_chance(s, 300);
    for (uint32_t a = 0; a < s->node_count; a++)
        for (uint32_t b = 0; b < s->node_count; b++) {
            bool is_across = (side >> a & 1) != (side >> b & 1);
            s->is_cut[a][b] = is_across && (!is_one_way || (side >> a & 1));
        }
}

static void act_as_fault(struct sim *s) {
    uint32_t number = any_node(s);
    if (sim_chance(s, 400) && find_leader(s) < s->node_count)
        number = find_leader(s);
    if (sim_chance(s, s->faults.crash))
        crash_node(s, number);
    else if (s->nodes[number].raft == NULL)
        start_node(s, number);
    number = any_node(s);
    if (s->faults.short_reign > 0 && s->nodes[number].raft == NULL)
        start_node(s, number);
    if (sim_chance(s, s->faults.crash / 8))
        for (uint32_t i = 0; i < s->node_count; i++)
            crash_node(s, i);
    number = any_node(s);
    if (sim_chance(s, s->faults.disk_full))
        s->nodes[number].disk.is_full = true;
    else if (sim_chance(s, 300))
        make_space(s, number);
    if (sim_chance(s, s->faults.cut))
        cut_links(s);
    else if (sim_chance(s, 200))
        memset(s->is_cut, 0, sizeof(s->is_cut));
}

static void deliver(struct sim *s, const struct sim_event *event) {
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;
    if (raft_message_decode(slice_of(event->bytes, event->size), entries, &message) != LARDER_OK) {
        sim_violate(s, "a message does not decode");
        return;
    }
    s->current = &message;
    sim_input(s, event->node, (struct raft_input){.type = RAFT_MESSAGE, .message = &message});
    s->current = NULL;
}

static void handle(struct sim *s, const struct sim_event *event) {
    struct sim_event next = *event;
    bool is_current = event->incarnation == s->nodes[event->node].incarnation;
    switch (event->type) {
    case EVENT_TICK:
        sim_input(s, event->node, (struct raft_input){.type = RAFT_TICK});
        next.time_ms +=
            SIM_TICK_MS_MAX / 2 + (int64_t)random_below(&s->random, SIM_TICK_MS_MAX / 2);
        sim_schedule(s, &next);
        break;
    case EVENT_MESSAGE: deliver(s, event); break;
    case EVENT_DISK:
        if (is_current)
            disk_proceed(s, event->node);
        break;
    case EVENT_INPUT:
        if (is_current && event->input.type == RAFT_STORAGE_READY)
            s->nodes[event->node].disk.is_refusing = s->nodes[event->node].disk.is_mending = false;
        if (is_current)
            sim_input(s, event->node, event->input);
        break;
    case EVENT_CLIENT:
        act_as_client(s);
        next.time_ms += 5 + (int64_t)random_below(&s->random, (uint64_t)s->faults.client_ms);
        if (!s->is_calm)
            sim_schedule(s, &next);
        break;
    case EVENT_FAULT:
        act_as_fault(s);
        next.time_ms += 20 + (int64_t)random_below(&s->random, 100);
        if (!s->is_calm)
            sim_schedule(s, &next);
        break;
    }
}

static void run_until(struct sim *s, int64_t end_ms) {
    while (s->violation == NULL && !s->is_exhausted && s->event_count > 0 &&
           s->events[0].time_ms <= end_ms) {
        struct sim_event event = take_event(s);
        s->now_ms = event.time_ms;
        if (!s->is_calm || (event.type != EVENT_CLIENT && event.type != EVENT_FAULT))
            handle(s, &event);
        free(event.bytes);
    }
}

static uint32_t draw_rate(struct sim *s, uint32_t most) {
    return sim_chance(s, 350) ? 0 : (uint32_t)random_below(&s->random, most + 1);
}

static void draw_faults(struct sim *s) {
    s->faults = (struct sim_faults){.loss = draw_rate(s, 200),
                                    .duplication = draw_rate(s, 200),
                                    .slow_message = draw_rate(s, 200),
                                    .crash = draw_rate(s, 300),
                                    .disk_full = draw_rate(s, 150),
                                    .cut = draw_rate(s, 200),
                                    .change = draw_rate(s, 200),
                                    .transfer = draw_rate(s, 60),
                                    .read = draw_rate(s, 500),
                                    .snapshot = draw_rate(s, 300),
                                    .has_policy = sim_chance(s, 300)};
    s->faults.disk_ms = sim_chance(s, 300) ? 0 : (int64_t)random_below(&s->random, 60);
    s->faults.short_reign = sim_chance(s, 250) ? (uint32_t)random_below(&s->random, 100) : 0;
    s->faults.message_ms = (int64_t)random_below(&s->random, 30);
    s->faults.client_ms = sim_chance(s, 850) ? 40 : 1000;
}

static void take_violation(void *context, uint64_t node, const char *text) {
    (void)node;
    sim_violate(context, text);
}

static void sim_begin(struct sim *s, uint64_t seed) {
    s->seed = seed;
    s->random = random_seeded(seed);
    s->now_ms = 0;
    s->order = s->commands = s->reads = 0;
    s->is_calm = s->is_exhausted = false;
    s->violation = NULL;
    memset(s->is_cut, 0, sizeof(s->is_cut));
    s->oracle = raft_oracle_create(take_violation, s);
    draw_faults(s);
    uint32_t voters = sim_chance(s, 500) ? 3 : 5;
    s->node_count = voters + (s->faults.change > 0 || s->faults.has_policy ? 2 : 0);
    struct raft_configuration founders = {.count = voters};
    for (uint32_t i = 0; i < voters; i++)
        founders.members[i] = (struct raft_member){sim_id(i), true};
    for (uint32_t i = 0; i < s->node_count; i++) {
        struct sim_disk *disk = &s->nodes[i].disk;
        disk->hard_state = (struct raft_hard_state){0};
        disk->snapshot = (struct sim_snapshot){0};
        disk->count = disk->write_count = 0;
        disk->is_full = disk->is_refusing = disk->is_mending = false;
        if (i < voters)
            disk->snapshot.configuration = founders;
        s->nodes[i].incarnation = 0;
        start_node(s, i);
        sim_schedule(s, &(struct sim_event){.type = EVENT_TICK, .time_ms = i, .node = i});
    }
    sim_schedule(s, &(struct sim_event){.type = EVENT_CLIENT, .time_ms = 1});
    sim_schedule(s, &(struct sim_event){.type = EVENT_FAULT, .time_ms = 100});
}

static void sim_end(struct sim *s) {
    struct raft_oracle_counters counters;
    raft_oracle_get_counters(s->oracle, &counters);
    s->counters.elections += counters.elections;
    s->counters.commits += counters.commits;
    s->counters.installs += counters.installs;
    s->counters.reads += counters.reads;
    s->counters.truncations += counters.truncations;
    raft_oracle_destroy(s->oracle);
    s->oracle = NULL;
    for (size_t i = 0; i < s->event_count; i++)
        free(s->events[i].bytes);
    s->event_count = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        raft_destroy(s->nodes[i].raft);
        s->nodes[i].raft = NULL;
        disk_forget(&s->nodes[i].disk, s->nodes[i].disk.write_count);
    }
}

/* A leader exists and every member of its configuration has applied its whole log. */
static bool is_settled(struct sim *s, uint64_t wanted_index) {
    uint32_t leader = find_leader(s);
    if (leader == s->node_count)
        return false;
    const struct sim_node *node = &s->nodes[leader];
    const struct raft_configuration *configuration = raft_get_configuration(node->raft);
    uint64_t last = node->seen.last_index;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct sim_node *member = &s->nodes[sim_number(configuration->members[i].id)];
        if (member->applied < last)
            return false;
    }
    return raft_oracle_committed_index(s->oracle) > wanted_index;
}

/* After the faults stop, within ten virtual seconds a new command is applied everywhere. */
static void calm_down(struct sim *s) {
    s->is_calm = true;
    memset(s->is_cut, 0, sizeof(s->is_cut));
    for (uint32_t i = 0; i < s->node_count; i++) {
        make_space(s, i);
        if (s->nodes[i].raft == NULL)
            start_node(s, i);
    }
    uint64_t before = raft_oracle_committed_index(s->oracle);
    int64_t end_ms = s->now_ms + 10000;
    bool is_done = false;
    while (!is_done && s->now_ms < end_ms && s->violation == NULL && !s->is_exhausted) {
        uint32_t leader = find_leader(s);
        if (leader < s->node_count && raft_oracle_committed_index(s->oracle) == before)
            propose(s, leader);
        run_until(s, s->now_ms + 40);
        is_done = is_settled(s, before);
    }
    if (!is_done && !s->is_exhausted)
        sim_violate(s, "liveness: no progress after the faults stopped");
}

/* One seed from beginning to end. Returns whether everything held; s->violation says what did not.
 */
static bool sim_run(struct sim *s, uint64_t seed) {
    sim_begin(s, seed);
    run_until(s, 1500 + (int64_t)random_below(&s->random, 2500));
    if (s->violation == NULL && !s->is_exhausted)
        calm_down(s);
    sim_end(s);
    return s->violation == NULL;
}
