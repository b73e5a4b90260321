/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns: every request and every end of one raises the client's turn, so a timeout or a pause that
 * was scheduled for an earlier one finds that it is stale. */
#include "sim/register_clients.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TIMEOUT_US = 1500000, RETRIES_MAX = 3 };

static void later(struct register_client *client, int64_t us,
                  void (*call)(void *context, uint64_t turn)) {
    struct sim_world *world = client->clients->world;
    world_call_at(world, world->now_us + us, call, client, client->turn);
}

static void think(struct register_client *client);
static void act(void *context, uint64_t turn);

static size_t encode_for_config_group(const struct register_command *command, int64_t first_sent_us,
                                      uint8_t out[REGISTER_FRAME_MAX]) {
    (void)first_sent_us;
    config_group_request_encode(command, out);
    return CONFIG_GROUP_REQUEST_BYTES;
}

static enum larder_status decode_from_config_group(struct slice frame,
                                                   const struct register_command *command,
                                                   struct config_group_reply *out) {
    enum larder_status status = config_group_reply_decode(frame, out);
    return status == LARDER_OK && out->number != command->number ? LARDER_NOT_FOUND : status;
}

const struct register_protocol CONFIG_GROUP_PROTOCOL = {.encode = encode_for_config_group,
                                                        .decode = decode_from_config_group};

static size_t slot_of(const struct register_client *client, uint64_t key) {
    return client->clients->protocol->is_by_key ? key % ROUND_KEYS : 0;
}

static int64_t *offset_of(struct register_client *client) {
    const struct register_clients *clients = client->clients;
    bool has_places = clients->protocol->has_more && clients->partition_count > 0;
    uint32_t place =
        has_places ? clients->protocol->place(client->command.key, clients->partition_count) : 0;
    return &client->offsets_us[place];
}

static void note_time(struct register_client *client, int64_t time_us) {
    int64_t *offset_us = offset_of(client);
    *offset_us = time_us - client->clients->world->now_us;
    client->is_time_known[offset_us - client->offsets_us] = true;
}

void register_clients_note(struct register_clients *clients, uint64_t key,
                           const struct operation *operation) {
    uint64_t first = clients->round * ROUND_KEYS + 1;
    if (key < first || key >= first + ROUND_KEYS)
        return;
    struct register_history *history = &clients->histories[key - first];
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 64 : 2 * history->capacity;
        history->operations =
            sim_resize(history->operations, history->capacity * sizeof(*history->operations));
    }
    history->operations[history->count++] = *operation;
}

static bool was_lost_since(const struct register_clients *clients, int64_t us) {
    return clients->lost_us != NULL && clients->lost_us(clients->lost_context) >= us;
}

/* Each time that it was sent it may have been executed, if that was lost before the next. */
static void note_lost(struct register_client *client, const struct operation *operation) {
    struct operation lost = *operation;
    lost.return_us = OPERATION_UNKNOWN;
    for (uint32_t i = 0; client->clients->is_early && i < client->retries; i++)
        if (lost.kind != OPERATION_READ)
            register_clients_note(client->clients, client->command.key, &lost);
}

static void note(struct register_client *client, int64_t return_us,
                 const struct operation_result *result) {
    struct operation operation = {.call_us = client->called_us,
                                  .return_us = return_us,
                                  .kind = client->command.kind,
                                  .a = client->command.a,
                                  .b = client->command.b,
                                  .client = client->index};
    if (result != NULL)
        operation.result = *result;
    if (client->command.read == REGISTER_READ_STALE)
        operation.call_us = client->clients->began_us; /* what it saw may be old */
    register_clients_note(client->clients, client->command.key, &operation);
    note_lost(client, &operation);
    if (operation.kind != OPERATION_READ && was_lost_since(client->clients, client->called_us)) {
        /* done and given up, and done again because it was sent again */
        operation.return_us = OPERATION_UNKNOWN;
        operation.result = (struct operation_result){0};
        register_clients_note(client->clients, client->command.key, &operation);
    }
    if (client->command.ttl_ms == 0)
        return;
    /* the value may go at any time, how early depends on clocks */
    const struct operation expiry = {.call_us = client->called_us,
                                     .return_us = OPERATION_UNKNOWN,
                                     .kind = OPERATION_COMPARE,
                                     .a = client->command.a,
                                     .client = client->index};
    register_clients_note(client->clients, client->command.key, &expiry);
}

/* Not those that were sent with a guess of the time. */
static void keep_former(struct register_client *client) {
    if (!client->was_time_known)
        return;
    client->former[client->former_at++ % REGISTER_FORMER_MAX] =
        (struct register_former){client->command, client->called_us, client->first_sent_us};
}

/* Of the newest ones rather; nobody waits for the answer. */
static void send_former(struct register_client *client) {
    struct register_clients *clients = client->clients;
    if (clients->is_early)
        return;
    uint32_t back = random_below(&client->random, 2) == 0
                        ? 1
                        : 1 + (uint32_t)random_below(&client->random, REGISTER_FORMER_MAX);
    if (back > client->former_at)
        return;
    struct register_former *former =
        &client->former[(client->former_at - back) % REGISTER_FORMER_MAX];
    if (was_lost_since(clients, former->called_us))
        return;
    uint8_t frame[REGISTER_FRAME_MAX];
    former->command.is_again = true;
    size_t size = clients->protocol->encode(&former->command, former->first_sent_us, frame);
    uint32_t target =
        (uint32_t)random_below(&client->random, clients->world->options.machine_count);
    if (random_below(&client->random, 2) == 0)
        target = client->targets[slot_of(client, former->command.key)];
    world_client_send(clients->world, client->index, target, slice_of(frame, size));
}

static void send(struct register_client *client);

static uint32_t any_machine(struct register_client *client) {
    return (uint32_t)random_below(&client->random, client->clients->world->options.machine_count);
}

static void send_again(void *context, uint64_t turn) {
    struct register_client *client = context;
    if (client->turn == turn && client->is_waiting)
        send(client);
}

/* Ask again, perhaps elsewhere, for what may have been done already. */
static bool retry(struct register_client *client) {
    if (!client->clients->protocol->has_retries || client->retries >= RETRIES_MAX)
        return false;
    client->retries++;
    client->turn++;
    client->command.is_again = true;
    client->target = any_machine(client);
    later(client, 1 + (int64_t)random_below(&client->random, 200000), send_again);
    return true;
}

/* It is not known what became of the request. */
static void give_up(struct register_client *client) {
    if (retry(client))
        return;
    client->is_waiting = false;
    client->outcome = OUTCOME_UNKNOWN;
    client->turn++;
    client->clients->counters.unknown++;
    keep_former(client);
    client->targets[slot_of(client, client->command.key)] = any_machine(client);
    note(client, OPERATION_UNKNOWN, NULL);
    think(client);
}

static void on_timeout(void *context, uint64_t turn) {
    struct register_client *client = context;
    if (client->turn == turn && client->is_waiting)
        give_up(client);
}

static void send(struct register_client *client) {
    struct register_clients *clients = client->clients;
    uint8_t frame[REGISTER_FRAME_MAX];
    client->turn++;
    size_t size = clients->protocol->encode(&client->command, client->first_sent_us, frame);
    world_client_send(clients->world, client->index, client->target, slice_of(frame, size));
    later(client, TIMEOUT_US, on_timeout);
}

static void request(struct register_client *client, uint32_t target,
                    const struct register_command *command) {
    struct register_clients *clients = client->clients;
    client->is_waiting = true;
    client->outcome = OUTCOME_NONE;
    client->target = target;
    client->retries = 0;
    client->called_us = clients->world->now_us;
    client->command = *command;
    const int64_t *offset_us = offset_of(client);
    client->first_sent_us = client->called_us + *offset_us;
    client->was_time_known = client->is_time_known[offset_us - client->offsets_us];
    client->command.client = client->index;
    client->command.number = ++clients->next_number;
    send(client);
}

void register_client_request(struct register_client *client, uint32_t target, uint64_t key,
                             enum operation_kind kind, uint64_t a, uint64_t b) {
    request(client, target, &(struct register_command){.key = key, .kind = kind, .a = a, .b = b});
}

void register_client_send(struct register_client *client, uint32_t target,
                          const struct register_command *command) {
    request(client, target, command);
}

static bool is_expiring(const struct register_client *client, uint64_t key) {
    return client->clients->protocol->has_more && client->clients->protocol->expires(key);
}

static enum operation_kind draw_kind(struct register_client *client, uint64_t key) {
    uint64_t draw = random_below(&client->random, 100);
    if (draw < 35)
        return OPERATION_READ;
    if (is_expiring(client, key))
        return draw < 70 ? OPERATION_READ : OPERATION_WRITE;
    if (key % ROUND_KEYS < 4)
        return draw < 70 ? OPERATION_WRITE : OPERATION_COMPARE;
    if (key % ROUND_KEYS < 6)
        return OPERATION_ADD;
    return draw < 70 ? OPERATION_SET_ADD : OPERATION_SET_REMOVE;
}

static void draw_more(struct register_client *client, struct register_command *command,
                      uint32_t *target) {
    struct random *random = &client->random;
    uint64_t draw = random_below(random, 100);
    if (random_below(random, 100) < 15)
        send_former(client);
    if (command->kind == OPERATION_READ && draw < 12) {
        command->read = REGISTER_READ_STALE;
        if (random_below(random, 2) == 0) /* else who was the primary once */
            *target = any_machine(client);
    } else if (command->kind == OPERATION_READ && draw < 25) {
        command->read = REGISTER_READ_ROUND;
    } else if (command->kind == OPERATION_WRITE && is_expiring(client, command->key)) {
        command->ttl_ms = draw < 70 ? 20 + (uint32_t)random_below(random, 1500) : 0;
    }
    if (command->kind != OPERATION_READ && draw >= 85)
        command->watched_term = client->terms[slot_of(client, command->key)];
}

static void act(void *context, uint64_t turn) {
    struct register_client *client = context;
    if (client->turn != turn || client->is_waiting || !client->clients->is_active)
        return;
    struct register_clients *clients = client->clients;
    struct random *random = &client->random;
    uint64_t key = clients->round * ROUND_KEYS + 1 + random_below(random, ROUND_KEYS);
    struct register_command command = {.key = key, .kind = draw_kind(client, key)};
    if (command.kind == OPERATION_WRITE)
        command.a = ++clients->next_value;
    if (command.kind == OPERATION_COMPARE) {
        command.a = random_below(random, 5) == 0 ? 0 : client->last_value;
        command.b = ++clients->next_value;
    }
    if (command.kind == OPERATION_ADD)
        command.a = 1 + random_below(random, 2);
    if (command.kind == OPERATION_SET_ADD || command.kind == OPERATION_SET_REMOVE)
        command.a = random_below(random, 8);
    uint32_t target = client->targets[slot_of(client, key)];
    if (clients->protocol->has_more)
        draw_more(client, &command, &target);
    request(client, target, &command);
}

static void think(struct register_client *client) {
    int64_t us = 1 + (int64_t)random_below(&client->random, (uint64_t)client->clients->think_us);
    if (client->clients->is_active)
        later(client, us, act);
}

/* Nothing happened; look for somebody who can help. A request that was sent before under its number
 * may have happened then: it goes on. */
static void turn_to(struct register_client *client, uint32_t leader) {
    uint32_t machines = client->clients->world->options.machine_count;
    uint32_t target = leader < machines ? leader : any_machine(client);
    int64_t us = 20000 + (int64_t)random_below(&client->random, 80000);
    client->targets[slot_of(client, client->command.key)] = client->target = target;
    client->turn++;
    if (client->retries > 0) {
        if (client->retries++ < 4 * RETRIES_MAX)
            later(client, us, send_again);
        else
            give_up(client);
        return;
    }
    client->is_waiting = false;
    if (client->clients->is_active)
        later(client, us, act);
}

static void on_reply(void *context, uint32_t from, struct slice frame) {
    struct register_client *client = context;
    struct config_group_reply reply;
    (void)from;
    enum larder_status status = client->clients->protocol->decode(frame, &client->command, &reply);
    if (status == LARDER_CORRUPT)
        world_violate(client->clients->world, -1, "a reply does not decode");
    if (status != LARDER_OK || !client->is_waiting)
        return;
    if (reply.time_us != 0)
        note_time(client, reply.time_us);
    if (reply.term != 0)
        client->terms[slot_of(client, client->command.key)] = reply.term;
    if (reply.answer == ANSWER_UNKNOWN) {
        give_up(client);
        return;
    }
    if (reply.answer != ANSWER_OK) {
        turn_to(client, reply.answer == ANSWER_NOT_LEADER ? reply.leader : client->target);
        return;
    }
    client->is_waiting = false;
    client->outcome = OUTCOME_DONE;
    client->result = reply.result;
    client->turn++;
    client->clients->counters.operations++;
    client->clients->answered++;
    keep_former(client);
    if (client->command.kind == OPERATION_READ || client->command.kind == OPERATION_COMPARE)
        client->last_value = reply.result.value;
    note(client, client->clients->world->now_us, &reply.result);
    think(client);
}

static void on_link(void *context, uint32_t peer, enum sim_link_event event) {
    struct register_client *client = context;
    if (!client->is_waiting || peer != client->target)
        return;
    if (event == SIM_LINK_BROKEN)
        give_up(client);
    else if (event == SIM_LINK_REFUSED)
        turn_to(client, UINT32_MAX);
}

void register_clients_init(struct register_clients *clients, struct sim_world *world,
                           const struct register_protocol *protocol, uint32_t count,
                           uint64_t seed) {
    struct random random = random_seeded(seed);
    *clients = (struct register_clients){
        .world = world, .protocol = protocol, .count = count, .think_us = 300000};
    for (uint32_t i = 0; i < count; i++) {
        struct register_client *client = &clients->each[i];
        *client = (struct register_client){
            .clients = clients, .index = i, .random = random_seeded(random_next(&random))};
        for (uint32_t k = 0; k < REGISTER_PLACES_MAX; k++)
            client->offsets_us[k] = SIM_WALL_EPOCH_US;
        world_set_client(
            world, i,
            &(struct sim_client){.deliver = on_reply, .link = on_link, .context = client});
    }
}

void register_clients_finish(struct register_clients *clients) {
    for (size_t i = 0; i < ROUND_KEYS; i++)
        free(clients->histories[i].operations);
}

void register_clients_begin(struct register_clients *clients, uint64_t seed, bool is_hasty) {
    struct random random = random_seeded(seed);
    clients->is_active = true;
    clients->round++;
    clients->answered = 0;
    clients->began_us = clients->world->now_us;
    clients->think_us = 50000 + (int64_t)random_below(&random, 500000);
    if (is_hasty)
        clients->think_us /= 5;
    for (uint32_t i = 0; i < clients->count; i++) {
        clients->each[i].random = random_seeded(random_next(&random));
        clients->each[i].last_value = 0;
        think(&clients->each[i]);
    }
}

void register_clients_stop(struct register_clients *clients) {
    clients->is_active = false;
}

bool register_clients_are_idle(const struct register_clients *clients) {
    for (uint32_t i = 0; i < clients->count; i++)
        if (clients->each[i].is_waiting)
            return false;
    return true;
}

/* Into the trace, in the order of calls. */
static void print_history(const struct register_clients *clients, uint64_t key,
                          const struct register_history *history, size_t reached) {
    static const char *const KINDS[] = {"?",   "read",    "write",     "compare",
                                        "add", "set add", "set remove"};
    struct sim_world *world = clients->world;
    trace_print(&world->trace, world->now_us, "history of key %" PRIu64 ":", key);
    if (reached < history->count)
        trace_print(
            &world->trace, history->operations[reached].call_us,
            "this one of client %" PRIu32 " fits nowhere:", history->operations[reached].client);
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *o = &history->operations[i];
        if (o->return_us == OPERATION_UNKNOWN)
            trace_print(&world->trace, o->call_us,
                        "client %" PRIu32 " %s %" PRIu64 " %" PRIu64 ": not known", o->client,
                        KINDS[o->kind], o->a, o->b);
        else
            trace_print(&world->trace, o->call_us,
                        "client %" PRIu32 " %s %" PRIu64 " %" PRIu64 ": %s %" PRIu64
                        " after %" PRId64 " us",
                        o->client, KINDS[o->kind], o->a, o->b,
                        o->result.is_done ? "done" : "not done", o->result.value,
                        o->return_us - o->call_us);
    }
}

void register_client_abandon(struct register_client *client) {
    if (!client->is_waiting)
        return;
    client->is_waiting = false;
    client->outcome = OUTCOME_UNKNOWN;
    client->turn++;
    client->clients->counters.unknown++;
    note(client, OPERATION_UNKNOWN, NULL);
}

/* Nobody will learn what became of a request that is still under way. */
static void end_waiting(struct register_clients *clients) {
    for (uint32_t i = 0; i < clients->count; i++)
        register_client_abandon(&clients->each[i]);
}

void register_clients_check(struct register_clients *clients) {
    end_waiting(clients);
    for (size_t i = 0; i < ROUND_KEYS; i++) {
        struct register_history *history = &clients->histories[i];
        if (history->count == 0)
            continue;
        clients->counters.histories++;
        size_t reached;
        enum history_verdict verdict =
            history_check(history->operations, history->count, 0, &reached);
        if (verdict == HISTORY_NOT_LINEARIZABLE)
            print_history(clients, clients->round * ROUND_KEYS + 1 + i, history, reached);
        if (verdict == HISTORY_NOT_LINEARIZABLE)
            world_violate(clients->world, -1, "I10: the history of a key is not linearizable");
        clients->counters.undecided += verdict == HISTORY_UNDECIDED;
        history->count = 0;
    }
}
