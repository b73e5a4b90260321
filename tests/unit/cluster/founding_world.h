/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes that found a cluster, connections between them and disks for their marks, in one process
 * and on one clock. Each node opens a connection to each seed; a connection delivers in order and
 * each end notices on its own when it broke. What a real member would do with an outcome is done
 * here in its place: who starts is a member shortly after, who joins is let in if a majority of the
 * cluster's first voters is alive. */
#ifndef LARDER_TESTS_UNIT_CLUSTER_FOUNDING_WORLD_H
#define LARDER_TESTS_UNIT_CLUSTER_FOUNDING_WORLD_H

#include "cluster/founding.h"

#include "base/random.h"
#include "unit/cluster/founding_watch.h"
#include "unit/cluster/golden.h"

#include <stdlib.h>

enum { WORLD_NODES = 7, WORLD_EVENTS = 8192, WORLD_STEP_US = 10000 };

enum world_event_kind { EVENT_LETTER, EVENT_BREAK, EVENT_PERSISTED, EVENT_MEMBER, EVENT_JOIN };

struct world_event {
    enum world_event_kind kind;
    int64_t due_us;
    uint64_t order;
    uint32_t to;
    uint64_t process; /* of `to` that it concerns */
    uint32_t peer;    /* LETTER, BREAK: the other end */
    bool is_dialler;  /* LETTER, BREAK: `to` opened the connection */
    uint64_t serial;  /* of the connection */
    uint64_t number;
    uint8_t *bytes;
    size_t size;
};

struct world_node {
    struct founding *founding; /* NULL: down */
    uint64_t process;          /* raised by each start */
    struct raft_id id;
    uint64_t incarnation;
    uint64_t dialled[WORLD_NODES]; /* serial of the connection to a seed; 0: none */
    uint64_t incoming[WORLD_NODES];
    uint8_t *disk, *written; /* the mark; and the one that is being written */
    size_t disk_size, written_size;
    struct raft_id stored; /* durable: the cluster whose configuration it holds */
    struct raft_id cluster, join;
    bool has_started;
    struct raft_id voters[5]; /* of what it started */
    uint32_t voter_count;
};

struct world {
    struct golden golden;
    bool is_quiet;
    bool is_printed; /* instead of kept: to look at a run */
    struct random random;
    struct founding_watch watch;
    bool has_random_ids; /* else ids are in the order of the nodes */
    uint32_t node_count, seed_count;
    enum founding_mode modes[WORLD_NODES];
    uint32_t expected;
    bool is_durable;
    struct cluster_settings settings;
    struct member_address addresses[WORLD_NODES];
    struct world_node nodes[WORLD_NODES];
    bool is_cut[WORLD_NODES][WORLD_NODES];        /* nothing gets from .. to .. */
    int64_t busy_us[WORLD_NODES][WORLD_NODES][2]; /* a connection delivers in order */
    struct world_event events[WORLD_EVENTS];
    size_t event_count;
    uint64_t orders, serials;
    int64_t now_us;
    int64_t delay_us;        /* of messages, at most; half of it at least */
    uint32_t loss_per_mille; /* of messages */
    uint32_t starts;
    struct raft_id clusters[64]; /* every one that was started */
    uint32_t cluster_count;
    bool has_twins; /* two clusters at once */
    bool stops_at;  /* run stops before the next letter of ... is handled */
    enum founding_message_type stop_type;
    bool has_stopped;
};

static char world_name(uint32_t node) {
    return (char)('A' + node);
}

#define WORLD_SAY(w, ...)                                                                          \
    do {                                                                                           \
        if ((w)->is_printed)                                                                       \
            print_message(__VA_ARGS__);                                                            \
        else if (!(w)->is_quiet)                                                                   \
            golden_say(&(w)->golden, __VA_ARGS__);                                                 \
    } while (0)

static void world_add(struct world *w, struct world_event event) {
    assert_true(w->event_count < WORLD_EVENTS);
    event.order = w->orders++;
    event.process = w->nodes[event.to].process;
    w->events[w->event_count++] = event;
}

/* By node id, whose last byte is the node's number and 1: the letter of the node that has it, small
 * for one that is gone. */
static char world_letter(const struct world *w, struct raft_id id) {
    uint32_t i = (uint32_t)(id.words[0] & 255) - 1;
    return i >= w->node_count                  ? '?'
           : raft_id_equal(w->nodes[i].id, id) ? world_name(i)
                                               : (char)('a' + i);
}

/* Clusters are named by the order in which they start. */
static uint32_t world_cluster(struct world *w, struct raft_id cluster) {
    for (uint32_t i = 0; i < w->cluster_count; i++)
        if (raft_id_equal(w->clusters[i], cluster))
            return i + 1;
    assert_true(w->cluster_count < 64);
    w->clusters[w->cluster_count++] = cluster;
    return w->cluster_count;
}

/* In memory, what is left of a cluster when all its seeds are dead is nobody's care. */
static void world_check(struct world *w) {
    struct raft_id found = RAFT_NOBODY;
    for (uint32_t i = 0; i < w->seed_count; i++) {
        const struct world_node *node = &w->nodes[i];
        if (node->founding == NULL || !raft_id_is_set(node->cluster))
            continue;
        if (raft_id_is_set(found) && !raft_id_equal(found, node->cluster))
            w->has_twins = true;
        found = node->cluster;
    }
    if (w->is_durable && w->cluster_count > 1)
        w->has_twins = true;
}

static struct founding_options world_options(struct world *w, uint32_t n,
                                             const struct member *self) {
    return (struct founding_options){.self = self,
                                     .mode = w->modes[n],
                                     .seeds = w->addresses,
                                     .seed_count = w->seed_count,
                                     .self_seed = n < w->seed_count ? n : FOUNDING_NO_SEED,
                                     .expected_nodes = w->expected,
                                     .is_durable = w->is_durable,
                                     .generation = 1,
                                     .partition_count = 16,
                                     .settings = &w->settings};
}

/* Whether a restart of the node, with what is durable now, would be booted for that cluster or have
 * started it: it asks the seeds with its name, or answers for it. */
static bool world_is_on_disk(struct world *w, uint32_t n, struct raft_id cluster) {
    struct world_node *node = &w->nodes[n];
    struct member self = {.node = node->id, .incarnation = 1, .weight = 1};
    struct founding_options options = world_options(w, n, &self);
    struct founding *restarted = NULL;
    bool is_known = false;
    if (!w->is_durable)
        return false;
    assert_int_equal(founding_create(&options, slice_of(node->disk, node->disk_size), w->now_us,
                                     &ALLOCATOR_SYSTEM, &restarted),
                     LARDER_OK);
    struct raft_id formed;
    uint16_t generation;
    const struct founding_plan *plan;
    if (founding_formed(restarted, &formed, &generation, &plan)) {
        is_known = raft_id_equal(formed, cluster);
    } else if (founding_state(restarted) == FOUNDING_BOOTED) {
        const struct founding_output *out = founding_step(
            restarted, &(struct founding_input){.type = FOUNDING_TICK, .now_us = w->now_us});
        is_known = out->letter_count > 0 && raft_id_equal(out->letters[0].message.cluster, cluster);
    }
    founding_destroy(restarted);
    return is_known;
}

static void world_watch(struct world *w, uint32_t from, const struct founding_message *m) {
    bool is_booted = m->type == FOUNDING_BOOT || m->type == FOUNDING_IS_BOOTED;
    watch_letter(&w->watch, m, is_booted && world_is_on_disk(w, from, m->cluster));
}

static void world_send(struct world *w, uint32_t from, const struct founding_letter *letter) {
    struct world_node *node = &w->nodes[from];
    world_watch(w, from, &letter->message);
    bool is_dialler = letter->link < w->seed_count;
    uint32_t to = is_dialler ? letter->link : letter->link % 100;
    uint64_t serial = is_dialler ? node->dialled[to] : letter->link / 100;
    if (serial == 0 || w->nodes[to].founding == NULL)
        return;
    enum founding_message_type type = letter->message.type;
    if (type != FOUNDING_DISCOVER && type != FOUNDING_STATUS)
        WORLD_SAY(w, "  %c>%c %s\n", world_name(from), world_name(to), founding_message_name(type));
    if (w->is_cut[from][to] || random_below(&w->random, 1000) < w->loss_per_mille)
        return;
    uint8_t bytes[FOUNDING_BYTES_MAX];
    size_t size = founding_message_encode(&letter->message, bytes);
    assert_true(size <= FOUNDING_BYTES_MAX);
    int64_t half = w->delay_us / 2;
    int64_t due = w->now_us + half + (int64_t)random_below(&w->random, (uint64_t)half + 1);
    int64_t *busy = &w->busy_us[from][to][is_dialler];
    if (due <= *busy)
        due = *busy;
    *busy = due;
    struct world_event event = {.kind = EVENT_LETTER,
                                .due_us = due,
                                .to = to,
                                .peer = from,
                                .is_dialler = !is_dialler,
                                .serial = serial,
                                .bytes = malloc(size),
                                .size = size};
    memcpy(event.bytes, bytes, size);
    world_add(w, event);
}

static void world_take_start(struct world *w, uint32_t n, const struct founding_plan *plan) {
    struct world_node *node = &w->nodes[n];
    WORLD_SAY(w, "  %c starts %u:", world_name(n), world_cluster(w, plan->cluster));
    world_cluster(w, plan->cluster);
    for (uint32_t i = 0; i < plan->founder_count; i++)
        WORLD_SAY(w, " %c", world_letter(w, plan->founders[i].member.node));
    WORLD_SAY(w, "\n");
    w->starts++;
    node->cluster = plan->cluster;
    node->has_started = true;
    node->voter_count = founding_voter_count(plan->founder_count, plan->settings.voter_count);
    for (uint32_t i = 0; i < node->voter_count; i++)
        node->voters[i] = plan->founders[i].member.node;
    struct configuration *c = NULL;
    assert_int_equal(founding_configure(plan, 16, &ALLOCATOR_SYSTEM, &c), LARDER_OK);
    assert_true(configuration_is_sound(c));
    configuration_destroy(c);
    world_add(
        w, (struct world_event){.kind = EVENT_MEMBER, .due_us = w->now_us + w->delay_us, .to = n});
}

static void world_step(struct world *w, uint32_t n, struct founding_input input) {
    struct world_node *node = &w->nodes[n];
    input.now_us = w->now_us;
    enum founding_state before = founding_state(node->founding);
    const struct founding_output *out = founding_step(node->founding, &input);
    assert_true(out->letter_count <= FOUNDING_MESSAGES_MAX);
    if (input.type == FOUNDING_TICK)
        watch_tick(&w->watch, before, founding_state(node->founding));
    if (founding_state(node->founding) != before)
        WORLD_SAY(w, "%c is %s\n", world_name(n),
                  founding_state_name(founding_state(node->founding)));
    if (out->mark_number != 0) {
        node->written = realloc(node->written, FOUNDING_BYTES_MAX);
        node->written_size = founding_mark_encode(node->founding, node->written);
        world_add(w, (struct world_event){.kind = EVENT_PERSISTED,
                                          .due_us = w->now_us + w->delay_us,
                                          .to = n,
                                          .number = out->mark_number});
    }
    if (out->outcome == FOUNDING_STARTS)
        world_take_start(w, n, out->plan);
    if (out->outcome == FOUNDING_JOINS) {
        WORLD_SAY(w, "  %c joins %u\n", world_name(n), world_cluster(w, out->cluster));
        assert_true(out->address_count > 0);
        node->join = out->cluster;
        world_add(w, (struct world_event){
                         .kind = EVENT_JOIN, .due_us = w->now_us + 4 * w->delay_us, .to = n});
    }
    for (uint32_t i = 0; i < out->letter_count; i++)
        world_send(w, n, &out->letters[i]);
    world_check(w);
}

static void world_make_member(struct world *w, uint32_t n, struct raft_id cluster) {
    struct world_node *node = &w->nodes[n];
    node->cluster = cluster;
    if (w->is_durable)
        node->stored = cluster;
    struct founding_input input = {.type = FOUNDING_MEMBER};
    input.formed.cluster = cluster;
    input.formed.generation = 1;
    input.formed.addresses = w->addresses;
    input.formed.address_count = w->node_count;
    world_step(w, n, input);
}

/* In memory a node that starts is a new one. */
static void world_start(struct world *w, uint32_t n) {
    struct world_node *node = &w->nodes[n];
    assert_null(node->founding);
    node->process = ++w->serials;
    uint64_t above = w->has_random_ids ? random_next(&w->random) << 8 : 0;
    if (node->id.words[0] == 0 || !w->is_durable)
        node->id = (struct raft_id){{above | (n + 1), node->process}};
    node->incarnation = node->process;
    node->cluster = node->join = RAFT_NOBODY;
    node->has_started = false;
    struct member self = {.node = node->id,
                          .incarnation = node->incarnation,
                          .address = w->addresses[n],
                          .weight = 1,
                          .is_durable = w->is_durable};
    struct founding_options options = world_options(w, n, &self);
    options.seed = random_next(&w->random);
    assert_int_equal(founding_create(&options, slice_of(node->disk, node->disk_size), w->now_us,
                                     &ALLOCATOR_SYSTEM, &node->founding),
                     LARDER_OK);
    WORLD_SAY(w, "%c begins as %s\n", world_name(n),
              founding_state_name(founding_state(node->founding)));
    if (raft_id_is_set(node->stored))
        world_make_member(w, n, node->stored);
}

static void world_break(struct world *w, uint32_t from, uint32_t to) {
    uint64_t serial = w->nodes[from].dialled[to];
    int64_t notices[2] = {w->now_us, w->now_us};
    for (int end = 0; end < 2; end++) {
        notices[end] += (int64_t)random_below(&w->random, (uint64_t)w->delay_us * 4 + 1);
        world_add(w, (struct world_event){.kind = EVENT_BREAK,
                                          .due_us = notices[end],
                                          .to = end == 0 ? from : to,
                                          .peer = end == 0 ? to : from,
                                          .is_dialler = end == 0,
                                          .serial = serial});
    }
}

/* A write that was under way may have reached the disk. */
static void world_crash(struct world *w, uint32_t n, bool reaches_disk) {
    struct world_node *node = &w->nodes[n];
    WORLD_SAY(w, "%c dies\n", world_name(n));
    founding_destroy(node->founding);
    node->founding = NULL;
    if (w->is_durable && reaches_disk && node->written_size > 0) {
        node->disk = realloc(node->disk, node->written_size);
        memcpy(node->disk, node->written, node->written_size);
        node->disk_size = node->written_size;
    }
    node->written_size = 0;
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (node->dialled[i] != 0)
            world_break(w, n, i);
        if (w->nodes[i].dialled[n] != 0)
            world_break(w, i, n);
        node->dialled[i] = node->incoming[i] = 0;
    }
}

static void world_take_break(struct world *w, const struct world_event *event) {
    struct world_node *node = &w->nodes[event->to];
    uint64_t *view = event->is_dialler ? &node->dialled[event->peer] : &node->incoming[event->peer];
    if (*view != event->serial)
        return;
    *view = 0;
    uint32_t link = event->is_dialler ? event->peer : (uint32_t)event->serial * 100 + event->peer;
    world_step(w, event->to, (struct founding_input){.type = FOUNDING_BROKEN, .link = link});
}

static void world_take_letter(struct world *w, const struct world_event *event) {
    struct world_node *node = &w->nodes[event->to];
    uint64_t view = event->is_dialler ? node->dialled[event->peer] : node->incoming[event->peer];
    struct founding_plan plan;
    struct founding_message message;
    if (view != event->serial)
        return;
    assert_int_equal(founding_message_decode(slice_of(event->bytes, event->size), &plan, &message),
                     LARDER_OK);
    struct founding_input input = {.type = FOUNDING_MESSAGE, .message = &message};
    input.link = event->is_dialler ? event->peer : (uint32_t)event->serial * 100 + event->peer;
    world_step(w, event->to, input);
}

/* Is a majority of the cluster's first voters alive? */
static bool world_is_live(const struct world *w, struct raft_id cluster) {
    for (uint32_t i = 0; i < w->node_count; i++) {
        const struct world_node *node = &w->nodes[i];
        if (node->founding == NULL || !raft_id_equal(node->cluster, cluster) || !node->has_started)
            continue;
        uint32_t alive = 0;
        for (uint32_t v = 0; v < node->voter_count; v++)
            for (uint32_t k = 0; k < w->node_count; k++)
                alive +=
                    w->nodes[k].founding != NULL && raft_id_equal(w->nodes[k].id, node->voters[v]);
        return 2 * alive > node->voter_count;
    }
    return w->is_durable && w->cluster_count > 0; /* its voters come back */
}

static void world_take(struct world *w, const struct world_event *event) {
    struct world_node *node = &w->nodes[event->to];
    if (node->founding == NULL || node->process != event->process)
        return;
    switch (event->kind) {
    case EVENT_LETTER: world_take_letter(w, event); return;
    case EVENT_BREAK: world_take_break(w, event); return;
    case EVENT_PERSISTED:
        node->disk = realloc(node->disk, node->written_size);
        memcpy(node->disk, node->written, node->written_size);
        node->disk_size = node->written_size;
        world_step(w, event->to,
                   (struct founding_input){.type = FOUNDING_PERSISTED, .number = event->number});
        return;
    case EVENT_MEMBER: world_make_member(w, event->to, node->cluster); return;
    case EVENT_JOIN:
        if (world_is_live(w, node->join))
            world_make_member(w, event->to, node->join);
        else
            world_step(w, event->to, (struct founding_input){.type = FOUNDING_NOT_JOINED});
        return;
    }
}

static void world_connect(struct world *w, uint32_t from, uint32_t to) {
    uint64_t old = w->nodes[to].incoming[from];
    w->nodes[from].dialled[to] = w->nodes[to].incoming[from] = ++w->serials;
    w->busy_us[from][to][1] = w->busy_us[to][from][0] = w->now_us;
    if (old != 0)
        world_step(
            w, to,
            (struct founding_input){.type = FOUNDING_BROKEN, .link = (uint32_t)old * 100 + from});
}

static void world_dial(struct world *w) {
    for (uint32_t i = 0; i < w->node_count; i++)
        for (uint32_t j = 0; j < w->seed_count; j++)
            if (i != j && w->nodes[i].founding != NULL && w->nodes[j].founding != NULL &&
                w->nodes[i].dialled[j] == 0 && !w->is_cut[i][j] && !w->is_cut[j][i])
                world_connect(w, i, j);
}

/* The next event that is due, in order of time; false: none, or one at which to stop. */
static bool world_next(struct world *w, struct world_event *out) {
    size_t best = WORLD_EVENTS;
    for (size_t i = 0; i < w->event_count; i++) {
        const struct world_event *e = &w->events[i];
        bool is_sooner = best == WORLD_EVENTS || e->due_us < w->events[best].due_us ||
                         (e->due_us == w->events[best].due_us && e->order < w->events[best].order);
        if (e->due_us <= w->now_us && is_sooner)
            best = i;
    }
    if (best == WORLD_EVENTS)
        return false;
    *out = w->events[best];
    if (w->stops_at && out->kind == EVENT_LETTER && out->bytes[0] == w->stop_type) {
        w->has_stopped = true;
        return false;
    }
    memmove(&w->events[best], &w->events[best + 1],
            (w->event_count - best - 1) * sizeof(w->events[0]));
    w->event_count--;
    return true;
}

static void world_run(struct world *w, int64_t duration_us) {
    int64_t end = w->now_us + duration_us;
    w->has_stopped = false;
    for (; w->now_us < end && !w->has_stopped; w->now_us += WORLD_STEP_US) {
        struct world_event event;
        world_dial(w);
        while (world_next(w, &event)) {
            world_take(w, &event);
            free(event.bytes);
        }
        if (w->has_stopped)
            return;
        for (uint32_t n = 0; n < w->node_count; n++)
            if (w->nodes[n].founding != NULL)
                world_step(w, n, (struct founding_input){.type = FOUNDING_TICK});
    }
}

/* Until the first letter of this kind has arrived, but is not handled yet. */
__attribute__((unused)) static void world_run_to(struct world *w, enum founding_message_type type) {
    w->stops_at = true;
    w->stop_type = type;
    world_run(w, 10 * 1000 * 1000);
    assert_true(w->has_stopped);
    w->stops_at = false;
}

/* What `from` has sent and has not arrived never will. */
__attribute__((unused)) static void world_lose(struct world *w, uint32_t from) {
    size_t kept = 0;
    for (size_t i = 0; i < w->event_count; i++) {
        if (w->events[i].kind == EVENT_LETTER && w->events[i].peer == from)
            free(w->events[i].bytes);
        else
            w->events[kept++] = w->events[i];
    }
    w->event_count = kept;
}

static void world_init(struct world *w, uint32_t nodes, uint32_t seeds, bool is_durable,
                       uint64_t seed) {
    memset(w, 0, sizeof(*w));
    w->random = random_seeded(seed);
    w->node_count = nodes;
    w->seed_count = seeds;
    w->is_durable = w->watch.is_durable = is_durable;
    w->watch.seed_count = seeds;
    w->settings = CLUSTER_DEFAULT_SETTINGS;
    w->delay_us = 2000;
    w->now_us = 1000 * 1000;
    for (uint32_t i = 0; i < nodes; i++) {
        snprintf(w->addresses[i].host, sizeof(w->addresses[i].host), "node-%c", world_name(i));
        w->addresses[i].peer_port = 7000;
    }
}

static void world_finish(struct world *w) {
    for (uint32_t i = 0; i < w->node_count; i++) {
        founding_destroy(w->nodes[i].founding);
        free(w->nodes[i].disk);
        free(w->nodes[i].written);
    }
    for (size_t i = 0; i < w->event_count; i++)
        free(w->events[i].bytes);
}

#endif
