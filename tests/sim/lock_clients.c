/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns: as in register_clients.c. */
#include "sim/lock_client_histories.h"

#include "sim/cluster_protocol.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TIMEOUT_US = 1500000, RETRIES_MAX = 3, REFUSALS_MAX = 12 };

/* ---- requests ---- */

static void later(struct lock_client *client, int64_t us,
                  void (*call)(void *context, uint64_t turn)) {
    struct sim_world *world = client->clients->world;
    world_call_at(world, world->now_us + us, call, client, client->turn);
}

static void act(void *context, uint64_t turn);

static void think(struct lock_client *client) {
    if (client->clients->is_active)
        later(client,
              1 + (int64_t)random_below(&client->random, (uint64_t)client->clients->think_us), act);
}

static uint32_t any_machine(struct lock_client *client) {
    return (uint32_t)random_below(&client->random, client->clients->world->options.machine_count);
}

static size_t encode(const struct lock_client *client, uint8_t out[REGISTER_FRAME_MAX]) {
    static const char *const WORDS[] = {"?",      "ACQUIRE", "RENEW", "RELEASE",
                                        "CANCEL", "FORCE",   "END"};
    const struct lock_client_command *c = &client->command;
    uint8_t lock[LOCK_NAME_BYTES], key[LOCK_NAME_BYTES], token[INT64_TEXT_MAX];
    struct cluster_request request = {.number = client->number,
                                      .session = {{0x6c6f636b, client->index + 1}},
                                      .lowest = client->number,
                                      .first_sent_us = client->first_sent_us,
                                      .is_again = client->retries > 0};
    if (c->is_write) {
        request.argc = 4;
        request.argv[0] = slice_of_string("SET");
        request.argv[1] = lock_clients_key(c->lock, c->key, key);
        request.argv[2] = slice_of(token, uint64_format(c->token, token));
        request.argv[3] = slice_of_string("GET");
        request.has_fence = true;
        request.fence = (struct partition_fence){lock_clients_name(c->lock, lock), c->token};
    } else {
        request.argc = 2;
        request.argv[0] = slice_of_string(WORDS[c->type]);
        request.argv[1] = lock_clients_name(c->lock, lock);
        request.has_lock = true;
        request.lock = (struct lock_request){
            .type = c->type,
            .session = {{((uint64_t)client->index + 1) << 32 | 0x4c4b, client->session}},
            .request = c->type == LOCK_REQUEST_CANCEL ? client->session : client->number,
            .token = c->token,
            .hold_ms = c->hold_ms,
            .wait_ms = c->wait_ms};
    }
    return cluster_request_encode(&request, out);
}

static void give_up(struct lock_client *client);

static void on_timeout(void *context, uint64_t turn) {
    struct lock_client *client = context;
    if (client->turn == turn && client->is_waiting)
        give_up(client);
}

static void send(struct lock_client *client) {
    uint8_t frame[REGISTER_FRAME_MAX];
    client->turn++;
    size_t size = encode(client, frame);
    world_client_send(client->clients->world, client->index, client->target, slice_of(frame, size));
    later(client, TIMEOUT_US + (int64_t)client->command.wait_ms * 1000, on_timeout);
}

static void send_again(void *context, uint64_t turn) {
    struct lock_client *client = context;
    if (client->turn == turn && client->is_waiting)
        send(client);
}

static uint32_t *target_of(struct lock_client *client) {
    return &client->targets[lock_clients_partition_of(client->clients, &client->command)];
}

void lock_client_request(struct lock_client *client, uint32_t target,
                         const struct lock_client_command *command) {
    struct lock_clients *clients = client->clients;
    client->is_waiting = true;
    client->outcome = OUTCOME_NONE;
    client->target = target;
    client->retries = 0;
    client->number = ++clients->next_number;
    client->called_us = clients->world->now_us;
    client->first_sent_us = client->called_us + client->offset_us;
    client->command = *command;
    client->is_stale = false;
    client->result_token = 0;
    bool is_acquire = !command->is_write && command->type == LOCK_REQUEST_ACQUIRE;
    if (is_acquire)
        client->session = client->number;
    if (!command->is_write && command->type == LOCK_REQUEST_RELEASE)
        lock_events_add(&clients->locks[command->lock],
                        &(struct lock_event){.kind = LOCK_RELEASE,
                                             .call_us = client->called_us,
                                             .return_us = INT64_MAX,
                                             .token = command->token});
    send(client);
}

static void end_request(struct lock_client *client, enum register_outcome outcome) {
    client->is_waiting = false;
    client->outcome = outcome;
    client->turn++;
}

static void request(struct lock_client *client, const struct lock_client_command *command) {
    lock_client_request(
        client, client->targets[lock_clients_partition_of(client->clients, command)], command);
}

/* What may have been granted is not wanted any more. */
static void cancel(struct lock_client *client) {
    struct lock_client_command command = {.type = LOCK_REQUEST_CANCEL,
                                          .lock = client->command.lock};
    request(client, &command);
}

static void end_unknown(struct lock_client *client) {
    const struct lock_client_command c = client->command;
    lock_client_note(client, INT64_MAX);
    end_request(client, OUTCOME_UNKNOWN);
    client->clients->counters.unknown++;
    *target_of(client) = any_machine(client);
    if (!c.is_write && c.type == LOCK_REQUEST_ACQUIRE && client->clients->is_active)
        cancel(client);
    else
        think(client);
}

static void give_up(struct lock_client *client) {
    if (client->retries >= RETRIES_MAX) {
        end_unknown(client);
        return;
    }
    client->retries++;
    client->turn++;
    client->target = any_machine(client);
    later(client, 1 + (int64_t)random_below(&client->random, 200000), send_again);
}

/* Not done; what was sent before under the number may have been. */
static void turn_to(struct lock_client *client, uint32_t leader) {
    uint32_t machines = client->clients->world->options.machine_count;
    client->target = leader < machines ? leader : any_machine(client);
    *target_of(client) = client->target;
    client->turn++;
    if (client->retries > 0 && client->retries++ < REFUSALS_MAX) {
        later(client, 20000 + (int64_t)random_below(&client->random, 80000), send_again);
    } else if (client->retries > 0) {
        end_unknown(client);
    } else {
        if (client->command.is_write)
            lock_client_note(client, INT64_MAX); /* refused, but its mark may have been kept */
        end_request(client, OUTCOME_REFUSED);
        think(client);
    }
}

/* ---- answers ---- */

static bool take_lock_answer(struct lock_client *client, struct slice bytes) {
    const struct lock_client_command *c = &client->command;
    struct lock_clients *clients = client->clients;
    if (!cluster_lock_reply_decode(bytes, &client->answer, &client->result_token))
        return false;
    if (client->answer != LOCK_GRANTED && client->answer != LOCK_DONE) {
        client->is_holding = client->is_holding && c->type != LOCK_REQUEST_RENEW;
        return true;
    }
    lock_client_note(client, clients->world->now_us);
    if (c->type == LOCK_REQUEST_ACQUIRE) {
        clients->granted++;
        client->is_holding = true;
        client->lock = c->lock;
        client->token = client->result_token;
        client->hold_ms = c->hold_ms;
    }
    if (c->type == LOCK_REQUEST_ACQUIRE || c->type == LOCK_REQUEST_RENEW)
        client->lost_us = lock_lost_at_us(client->called_us, c->hold_ms);
    return true;
}

/* The value that was there came with an older token. */
static bool take_write_answer(struct lock_client *client, struct slice bytes) {
    struct lock_clients *clients = client->clients;
    client->is_stale = bytes.size > 7 && memcmp(bytes.data, "-FENCED", 7) == 0;
    clients->written++;
    clients->fenced += client->is_stale;
    lock_client_note(client, clients->world->now_us);
    if (client->is_stale)
        return true;
    if (!cluster_value_decode(bytes, &client->result_token))
        return false;
    if (client->result_token > client->command.token) {
        lock_clients_print(clients, &clients->locks[client->command.lock], "lock",
                           client->command.lock);
        world_violate(clients->world, -1, "I8: a fenced write replaced one with a newer token");
    }
    return true;
}

static void on_reply(void *context, uint32_t from, struct slice frame) {
    struct lock_client *client = context;
    struct lock_clients *clients = client->clients;
    struct config_group_reply reply;
    struct slice bytes;
    (void)from;
    if (cluster_reply_decode(frame, &reply, &bytes) != LARDER_OK) {
        world_violate(clients->world, -1, "a reply does not decode");
        return;
    }
    if (!client->is_waiting || reply.number != client->number)
        return;
    if (reply.time_us != 0)
        client->offset_us = reply.time_us - clients->world->now_us;
    bool is_error = bytes.size > 1 && bytes.data[0] == '-' && bytes.data[1] != 'F';
    if (reply.answer == ANSWER_UNKNOWN) {
        give_up(client);
        return;
    }
    if (reply.answer != ANSWER_OK || is_error) {
        turn_to(client, reply.answer == ANSWER_NOT_LEADER ? reply.leader : client->target);
        return;
    }
    if (!(client->command.is_write ? take_write_answer(client, bytes)
                                   : take_lock_answer(client, bytes)))
        world_violate(clients->world, -1, "a reply does not decode");
    *target_of(client) = client->target;
    end_request(client, OUTCOME_DONE);
    clients->counters.operations++;
    think(client);
}

static void on_link(void *context, uint32_t peer, enum sim_link_event event) {
    struct lock_client *client = context;
    if (!client->is_waiting || peer != client->target)
        return;
    if (event == SIM_LINK_BROKEN)
        give_up(client);
    else if (event == SIM_LINK_REFUSED)
        turn_to(client, UINT32_MAX);
}

/* ---- what they do ---- */

static void act_without(struct lock_client *client, struct lock_client_command *c) {
    struct random *random = &client->random;
    uint64_t draw = random_below(random, 100);
    c->lock =
        (uint32_t)((client->clients->round * 2 + random_below(random, 2)) % LOCK_CLIENT_LOCKS);
    c->type = LOCK_REQUEST_ACQUIRE;
    if (draw < 5) {
        c->type = LOCK_REQUEST_FORCE;
    } else if (draw < 20 && client->token != 0) { /* it has not noticed that it lost the lock */
        c->is_write = true;
        c->lock = client->lock;
        c->token = client->token;
    } else {
        c->hold_ms = 300 + (uint32_t)random_below(random, 3000);
        c->wait_ms = draw < 50 ? 0 : (uint32_t)random_below(random, 3000);
    }
}

static void act(void *context, uint64_t turn) {
    struct lock_client *client = context;
    if (client->turn != turn || client->is_waiting || !client->clients->is_active)
        return;
    struct random *random = &client->random;
    struct lock_client_command command = {.lock = client->lock, .token = client->token};
    client->is_holding = client->is_holding && client->clients->world->now_us < client->lost_us;
    uint64_t draw = random_below(random, 100);
    command.key = (uint32_t)random_below(random, 2);
    if (!client->is_holding) {
        command.token = 0;
        act_without(client, &command);
    } else if (draw < 55) {
        command.is_write = true;
    } else if (draw < 75) {
        command.type = LOCK_REQUEST_RENEW;
        command.hold_ms = client->hold_ms;
    } else {
        command.type = LOCK_REQUEST_RELEASE;
        client->is_holding = false;
    }
    request(client, &command);
}

/* ---- life ---- */

void lock_clients_init(struct lock_clients *clients, struct sim_world *world,
                       uint32_t partition_count, uint32_t first, uint32_t count) {
    *clients = (struct lock_clients){.world = world,
                                     .partition_count = partition_count,
                                     .count = count < LOCK_CLIENTS_MAX ? count : LOCK_CLIENTS_MAX,
                                     .think_us = 300000};
    for (uint32_t i = 0; i < clients->count; i++) {
        struct lock_client *client = &clients->each[i];
        *client = (struct lock_client){.clients = clients,
                                       .index = first + i,
                                       .random = random_seeded(first + i),
                                       .offset_us = SIM_WALL_EPOCH_US};
        world_set_client(
            world, client->index,
            &(struct sim_client){.deliver = on_reply, .link = on_link, .context = client});
    }
}

void lock_clients_finish(struct lock_clients *clients) {
    for (uint32_t i = 0; i < LOCK_CLIENT_LOCKS; i++)
        free(clients->locks[i].events);
    for (uint32_t i = 0; i < CLUSTER_SIM_PARTITIONS_MAX; i++)
        free(clients->partitions[i].events);
}

void lock_clients_begin(struct lock_clients *clients, uint64_t seed, bool is_hasty) {
    struct random random = random_seeded(seed ^ 0x10c);
    clients->is_active = true;
    clients->round++;
    clients->think_us = 50000 + (int64_t)random_below(&random, 400000);
    if (is_hasty)
        clients->think_us /= 5;
    for (uint32_t i = 0; i < clients->count; i++) {
        struct lock_client *client = &clients->each[i];
        client->random = random_seeded(random_next(&random));
        client->is_holding = false;
        client->token = 0;
        think(client);
    }
    lock_clients_recall(clients);
}

void lock_clients_stop(struct lock_clients *clients) {
    clients->is_active = false;
}

void lock_clients_check(struct lock_clients *clients) {
    for (uint32_t i = 0; i < clients->count; i++)
        if (clients->each[i].is_waiting) {
            lock_client_note(&clients->each[i], INT64_MAX);
            end_request(&clients->each[i], OUTCOME_UNKNOWN);
            clients->counters.unknown++;
        }
    lock_clients_check_histories(clients);
}
