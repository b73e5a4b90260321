/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_data.h"

#include "base/hash.h"
#include "cluster/mutants.h"
#include "node/partition_store.h"
#include "raft/bytes.h"
#include "sim/cluster_oracle.h"
#include "sim/cluster_protocol.h"
#include "sim/partition_log.h"
#include "sim/script_steps.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOG_BYTES = 64 * 1024, LOG_RECORDS = 512 }; /* of a replica */
enum { REQUESTS_MAX = 1024, DEADLINE_US = 1000000, ANSWERLESS_US = 30000000, BODY_MAX = 2 << 20 };
enum { IDLE_TICKS = 8 };              /* a partition without a role here gets one of so many */
enum { BODY_REPLICA = 1, BODY_COPY }; /* first byte of what members' partitions send */

/* Some requests are made ones of another form, which must do and answer the same: a transaction of
 * the command and a read, a script that calls it. Which ones follows from their numbers, so that it
 * is the same wherever and how often they come. */
enum request_form { FORM_COMMAND, FORM_EXEC, FORM_SCRIPT };

struct waiting {
    bool is_used;
    enum request_form form;
    uint32_t client;
    uint64_t number;
    uint32_t turn; /* of this place */
    struct cluster_asked asked;
    int64_t until_us; /* a lock request that was superseded, or whose client is gone, has no answer
                       * by then and never gets one */
};

struct cluster_data {
    uint64_t step_count, tick_count;
    struct sim_machine *machine;
    const struct cluster_sim_settings *settings;
    struct cluster_member *member;
    struct store_host *store;
    uint32_t number; /* that the partitions were made for */
    struct cluster_partition *partitions[CLUSTER_SIM_PARTITIONS_MAX];
    struct config_entry proposed[CLUSTER_SIM_PARTITIONS_MAX]; /* last, by each */
    bool is_durable;
    uint32_t opened_for; /* the logs are open for partitions of this number */
    struct partition_log logs[CLUSTER_SIM_PARTITIONS_MAX]; /* if durable */
    bool was_in_sync[CLUSTER_SIM_PARTITIONS_MAX]; /* so what is here is what the cluster counts on:
                                                     this process was, or its log is of one that was
                                                   */
    bool is_full[CLUSTER_SIM_PARTITIONS_MAX];     /* as its replica knows */
    uint64_t began[CLUSTER_SIM_PARTITIONS_MAX];   /* newest term that it led with a whole store */
    struct partition_output out;
    struct waiting waiting[REQUESTS_MAX];
    uint32_t place;
    uint8_t *body; /* owned */
};

static void end_partitions(struct cluster_data *d) {
    for (uint32_t p = 0; p < d->settings->partition_count; p++) {
        partition_destroy(d->partitions[p]);
        d->partitions[p] = NULL;
    }
    store_host_destroy(d->store);
    d->store = NULL;
    d->number = CLUSTER_NOBODY;
    memset(d->was_in_sync, 0, sizeof(d->was_in_sync));
    memset(d->is_full, 0, sizeof(d->is_full));
    memset(d->began, 0, sizeof(d->began));
}

/* Without memory it is tried again with the next view. */
static void open_logs(struct cluster_data *d, uint32_t number) {
    enum larder_status status = LARDER_OK;
    for (uint32_t p = 0; p < d->settings->partition_count && status == LARDER_OK; p++) {
        status = partition_log_open(&d->logs[p], d->machine, p);
        if (status == LARDER_OK)
            cluster_oracle_found_log(machine_oracle(d->machine), d->machine, &d->logs[p]);
    }
    if (status == LARDER_OK)
        d->opened_for = number;
    else if (status != LARDER_NO_MEMORY)
        machine_exit(d->machine, "the disk failed");
}

enum larder_status cluster_data_create(struct sim_machine *machine,
                                       const struct cluster_sim_settings *settings,
                                       struct cluster_data **out) {
    struct cluster_data *d = sim_resize(NULL, sizeof(*d));
    memset(d, 0, sizeof(*d));
    d->machine = machine;
    d->settings = settings;
    d->is_durable = settings->is_durable && !machine->is_diskless &&
                    (settings->in_memory >> machine_address(machine) & 1) == 0;
    d->body = sim_resize(NULL, BODY_MAX);
    *out = d;
    return LARDER_OK;
}

void cluster_data_destroy(struct cluster_data *d) {
    if (d == NULL)
        return;
    end_partitions(d);
    free(d->body);
    free(d);
}

/* They were those of a member. */
static void leave_partitions(struct cluster_data *d) {
    cluster_oracle_end_partitions(machine_oracle(d->machine), d->machine);
    end_partitions(d);
}

void cluster_data_withdraw(struct cluster_data *d) {
    leave_partitions(d);
    d->member = NULL;
    d->opened_for = CLUSTER_NOBODY;
}

/* ---- what partitions give out ---- */

static uint32_t machine_of(const struct cluster_data *d, uint32_t number) {
    const struct configuration *c = member_configuration(d->member);
    const struct member *member = c == NULL ? NULL : configuration_find_member(c, number);
    return member == NULL ? UINT32_MAX : cluster_sim_machine(&member->address);
}

static void send_reply(struct cluster_data *d, const struct waiting *waiting,
                       enum config_group_answer answer, uint32_t in_charge, int64_t time_us,
                       uint64_t term, struct slice bytes) {
    cluster_reply_encode(waiting->number, answer, in_charge, time_us, term, d->body);
    if (bytes.size > BODY_MAX - CLUSTER_REPLY_HEADER_BYTES)
        return;
    if (bytes.size > 0)
        memcpy(d->body + CLUSTER_REPLY_HEADER_BYTES, bytes.data, bytes.size);
    machine_send(d->machine, waiting->client,
                 slice_of(d->body, CLUSTER_REPLY_HEADER_BYTES + bytes.size));
}

static enum config_group_answer answer_of(enum partition_answer answer) {
    switch (answer) {
    case PARTITION_DONE:
    case PARTITION_FENCED: return ANSWER_OK;
    case PARTITION_MOVED: return ANSWER_NOT_LEADER;
    case PARTITION_RESULT_LOST:
    case PARTITION_IN_DOUBT:
    case PARTITION_UNKNOWN_SESSION: return ANSWER_UNKNOWN;
    default: return ANSWER_FAILED;
    }
}

/* Of an EXEC the first answer. */
static struct slice unformed(enum request_form form, struct slice bytes) {
    enum { ARRAY_BYTES = 4, NUMBER_BYTES = 4 }; /* "*2\r\n", ":1\r\n" */
    if (form != FORM_EXEC || bytes.size < ARRAY_BYTES + NUMBER_BYTES || bytes.data[0] != '*')
        return bytes;
    return slice_of(bytes.data + ARRAY_BYTES, bytes.size - ARRAY_BYTES - NUMBER_BYTES);
}

static void take_reply(struct cluster_data *d, uint32_t p, const struct partition_reply *reply) {
    struct waiting *waiting = &d->waiting[reply->context % REQUESTS_MAX];
    if (!waiting->is_used || waiting->turn != (uint32_t)(reply->context / REQUESTS_MAX)) {
        machine_violate(d->machine, "a reply to nobody, or a second one");
        return;
    }
    waiting->is_used = false;
    cluster_oracle_answer(machine_oracle(d->machine), d->machine, p, &waiting->asked, reply,
                          partition_stored(d->partitions[p]));
    uint8_t text[CLUSTER_LOCK_REPLY_BYTES];
    struct slice bytes = slice_of(NULL, 0);
    if (reply->answer == PARTITION_FENCED)
        bytes = slice_of_string("-FENCED\r\n");
    else if (reply->answer == PARTITION_DONE && waiting->asked.is_lock)
        bytes = slice_of(text, cluster_lock_reply_encode(reply->lock_answer, reply->token, text));
    else if (reply->answer == PARTITION_DONE)
        bytes = unformed(waiting->form, reply->bytes);
    send_reply(d, waiting, answer_of(reply->answer),
               machine_of(d, partition_replica(d->partitions[p])->view.primary),
               partition_time_us(d->partitions[p]), partition_term(d->partitions[p]), bytes);
}

static void send_messages(struct cluster_data *d) {
    const struct partition_output *out = &d->out;
    for (uint32_t i = 0; i < out->replica.message_count; i++) {
        const struct replica_message *message = &out->replica.messages[i];
        if (1 + replica_message_encoded_size(message) > BODY_MAX)
            continue;
        d->body[0] = BODY_REPLICA;
        size_t size = replica_message_encode(message, d->body + 1);
        member_send_partition(d->member, message->to, slice_of(d->body, 1 + size));
    }
    for (uint32_t i = 0; i < out->copies.message_count; i++) {
        const struct copying_message *message = &out->copies.messages[i];
        if (1 + copying_message_encoded_size(message) > BODY_MAX)
            continue;
        d->body[0] = BODY_COPY;
        size_t size = copying_message_encode(message, d->body + 1);
        member_send_partition(d->member, message->to, slice_of(d->body, 1 + size));
    }
}

/* A proposal for an epoch for which there was one already settles that: its outcome is unknown. */
static void count_proposal(struct cluster_data *d, uint32_t p, const struct config_entry *entry) {
    const struct config_entry *before = &d->proposed[p];
    bool is_settling = before->change.epoch == entry->change.epoch && entry->type != before->type;
    if (is_settling && before->type == CONFIG_EXPAND)
        machine_count_event(d->machine, RARE_EXPAND_UNKNOWN);
    if (is_settling && before->type == CONFIG_TRANSFER)
        machine_count_event(d->machine, RARE_HANDOFF_UNKNOWN);
    d->proposed[p] = *entry;
}

static void count_reply(struct cluster_data *d, uint32_t p, const struct partition_reply *reply) {
    const struct partition_config *newest = cluster_oracle_partition(machine_oracle(d->machine), p);
    if (reply->answer == PARTITION_DONE && newest != NULL &&
        partition_replica(d->partitions[p])->view.epoch + 2 <= newest->epoch)
        machine_count_event(d->machine, RARE_READ_TWO_VIEWS_BEHIND);
}

/* ---- what is to be durable ---- */

/* Where nothing was logged yet and the member is in sync, its data is nothing, and that is known.
 */
static void log_beginning(struct cluster_data *d, uint32_t p) {
    const struct partition_replica *r = partition_replica(d->partitions[p]);
    const struct replica_write nothing = {.number = r->write_number};
    if (d->is_durable && r->log.last == 0)
        partition_log_write(&d->logs[p], r, &nothing);
}

static void use_write(struct cluster_data *d, uint32_t p) {
    const struct partition_output *out = &d->out;
    const struct partition_replica *r = partition_replica(d->partitions[p]);
    if (d->is_durable && out->replica.write.number != 0)
        partition_log_write(&d->logs[p], r, &out->replica.write);
    bool is_in_sync = r->role >= REPLICA_BACKUP;
    if (is_in_sync && !d->was_in_sync[p])
        log_beginning(d, p);
    d->was_in_sync[p] |= is_in_sync;
}

/* It makes the time of the partition; as an open one it executes. */
static bool is_leading(const struct cluster_data *d, uint32_t p) {
    const struct partition_replica *r = partition_replica(d->partitions[p]);
    bool is_open = r->role == REPLICA_OPEN || r->role == REPLICA_DRAINING;
    return is_open && partition_stored(d->partitions[p]) == r->applied;
}

/* Whether it begins to lead without something that the one before it had answered. */
static bool begins_with_loss(struct cluster_data *d, uint32_t p) {
    uint64_t term = partition_term(d->partitions[p]);
    if (d->began[p] == term || !is_leading(d, p))
        return false;
    d->began[p] = term;
    return cluster_oracle_began(machine_oracle(d->machine), d->machine, p);
}

static void use_output(struct cluster_data *d, uint32_t p) {
    const struct partition_output *out = &d->out;
    bool has_lost = begins_with_loss(d, p);
    if (out->replica.is_broken)
        machine_violate(d->machine, "I4: a committed record would have been cut");
    if (out->committed_last > partition_replica(d->partitions[p])->commit)
        machine_violate(d->machine, "I14: effects leave before they are committed");
    if (out->replica.has_proposal && out->replica.proposal.type == CONFIG_TRANSFER &&
        partition_replica(d->partitions[p])->commit < partition_replica(d->partitions[p])->log.last)
        machine_violate(d->machine, "I14: a hand-off is asked for before all is committed");
    if (out->has_diverged)
        machine_violate(d->machine, "I7: a replica differs from its primary");
    if (out->replica.has_new_role) {
        const struct partition_replica *r = partition_replica(d->partitions[p]);
        machine_trace(d->machine, p, r->view.term,
                      "p%" PRIu32 ": %s, term %" PRIu64 ", log to %" PRIu64 ", committed %" PRIu64,
                      p, replica_role_name(r->role), r->view.term, r->log.last, r->commit);
        if (r->role == REPLICA_ELECTED && r->commit + 1 < r->log.last)
            machine_count_event(d->machine, RARE_FAILOVER_WITH_TAIL);
    }
    use_write(d, p);
    for (uint32_t i = 0; i < out->reply_count; i++) {
        count_reply(d, p, &out->replies[i]);
        take_reply(d, p, &out->replies[i]);
    }
    send_messages(d);
    if (out->replica.has_proposal) {
        count_proposal(d, p, &out->replica.proposal);
        member_propose(d->member, &out->replica.proposal);
    }
    if (has_lost)
        cluster_oracle_tell_loss(machine_oracle(d->machine), d, p);
}

static enum larder_status step(struct cluster_data *d, uint32_t p,
                               const struct partition_input *input) {
    struct partition_input next = *input;
    enum larder_status first = LARDER_OK;
    next.now_us = machine_now_us(d->machine);
    do {
        d->step_count++;
        enum larder_status status = partition_step(d->partitions[p], &next, &d->out);
        if (next.type == input->type)
            first = status;
        if (status != LARDER_OK)
            return first;
        use_output(d, p);
        next = (struct partition_input){.type = PARTITION_CONTINUE, .now_us = next.now_us};
    } while (d->out.wants_step);
    return first;
}

/* ---- inputs ---- */

/* From what its log says, if that is anything. */
static enum larder_status restore(struct cluster_data *d, uint32_t p) {
    struct journal_found found;
    uint8_t *bytes;
    enum larder_status status =
        partition_log_load(&d->logs[p], machine_allocator(d->machine), &found, &bytes);
    if (status != LARDER_OK)
        return status;
    if (found.has_data) {
        status = partition_restore_found(d->partitions[p], &found);
        d->was_in_sync[p] = true;
        machine_trace(d->machine, p, found.base.sequence + found.record_count,
                      "partition %" PRIu32 " as of %" PRIu64 " and its log to %" PRIu64
                      " found on disk",
                      p, found.commit, found.base.sequence + found.record_count);
    }
    bool is_anew = !found.has_data;
    journal_finish(&found, machine_allocator(d->machine));
    free(bytes);
    if (status == LARDER_OK)
        partition_log_begin(&d->logs[p], is_anew);
    return status;
}

/* Whether what was found may be used: soon after they were opened. */
static bool are_logs_ready(struct cluster_data *d, uint32_t number) {
    if (d->is_durable && d->opened_for != number)
        open_logs(d, number);
    if (d->is_durable && d->opened_for != number)
        return false;
    for (uint32_t p = 0; p < d->settings->partition_count && d->is_durable; p++)
        if (d->logs[p].is_recovering)
            return false;
    return true;
}

/* Without memory it is tried again with the next view. */
static void begin_partitions(struct cluster_data *d, uint32_t number) {
    size_t log_bytes = d->settings->log_bytes > 0 ? d->settings->log_bytes : LOG_BYTES;
    size_t log_records = d->settings->log_records > 0 ? d->settings->log_records : LOG_RECORDS;
    const struct store_host_options host = {.allocator = machine_allocator(d->machine),
                                            .partition_count = d->settings->partition_count,
                                            .hash_seed = 0x5eed,
                                            .effect_bytes_max = partition_effect_max(log_bytes),
                                            .random_seed = machine_random(d->machine)};
    enum larder_status status = store_host_create(&host, &d->store);
    for (uint32_t p = 0; p < d->settings->partition_count && status == LARDER_OK; p++) {
        const struct partition_options options = {
            .replica = {.partition = p,
                        .self = number,
                        .incarnation = machine_incarnation(d->machine),
                        .waits_for_sync = d->is_durable,
                        .records_max = log_records,
                        .bytes_max = log_bytes},
            .session_bytes_max = d->settings->session_bytes,
            .digest_every_us = d->settings->digest_every_us,
            .copy_bytes_per_second = d->settings->copy_bytes_per_second};
        status =
            partition_create(&options, member_leases(d->member), store_host_partition(d->store, p),
                             machine_allocator(d->machine), &d->partitions[p]);
        if (status == LARDER_OK && d->is_durable)
            status = restore(d, p);
    }
    if (status == LARDER_IO)
        machine_exit(d->machine, "the disk failed");
    else if (status != LARDER_OK && status != LARDER_NO_MEMORY)
        machine_violate(d->machine, "a partition can't begin with what its log says");
    d->number = number;
    if (status != LARDER_OK)
        end_partitions(d);
}

void cluster_data_view(struct cluster_data *d, struct cluster_member *member,
                       const struct configuration *configuration) {
    d->member = member;
    uint32_t number = member_number(member);
    if (number != CLUSTER_NOBODY && number != d->number) {
        leave_partitions(d);
        if (are_logs_ready(d, number))
            begin_partitions(d, number);
    }
    for (uint32_t p = 0; p < d->settings->partition_count && d->store != NULL; p++)
        (void)step(
            d, p,
            &(struct partition_input){.type = PARTITION_VIEW, .configuration = configuration});
}

static void watch_time(struct cluster_data *d, uint32_t p, int64_t median_us) {
    cluster_oracle_time(machine_oracle(d->machine), d->machine, p, is_leading(d, p),
                        partition_time_us(d->partitions[p]), median_us);
}

/* Images when they are wanted; whether there is room. */
static void keep_log(struct cluster_data *d, uint32_t p) {
    struct partition_log *log = &d->logs[p];
    const struct cluster_partition *partition = d->partitions[p];
    struct partition_image image;
    partition_log_mend(log, partition_replica(partition));
    if (log->has_gap != d->is_full[p]) {
        d->is_full[p] = log->has_gap;
        (void)step(d, p,
                   &(struct partition_input){.type = PARTITION_FULL, .is_full = log->has_gap});
    }
    bool is_wanted = partition_log_wants_image(log) || partition_wants_image(partition);
    if (!is_wanted || !partition_log_may_image(log) || !partition_may_image(partition) ||
        partition_image_take(partition, &image) != LARDER_OK)
        return;
    partition_log_put_image(log, &image, partition_replica(partition));
    partition_image_finish(&image);
    machine_note(d->machine, p, image.position.sequence);
}

void cluster_data_tick(struct cluster_data *d) {
    if (d->member == NULL || member_number(d->member) == CLUSTER_NOBODY)
        return;
    if (d->store == NULL)
        cluster_data_view(d, d->member, member_configuration(d->member));
    if (d->store != NULL)
        member_set_pressure(d->member, store_host_pressure(d->store));
    int64_t wall_us = machine_wall_us(d->machine);
    int64_t median_us = member_median_wall_us(d->member, machine_now_us(d->machine), wall_us);
    bool is_seldom = d->tick_count++ % IDLE_TICKS != 0;
    for (uint32_t p = 0; p < d->settings->partition_count && d->store != NULL; p++) {
        if (is_seldom && partition_replica(d->partitions[p])->role == REPLICA_NONE)
            continue;
        (void)step(
            d, p,
            &(struct partition_input){.type = PARTITION_TICK,
                                      .tick = {wall_us, median_us, member_pressure(d->member, p)}});
        watch_time(d, p, median_us);
        if (d->is_durable)
            keep_log(d, p);
    }
}

bool cluster_data_synced(struct cluster_data *d, uint64_t ticket, enum larder_status status) {
    if ((ticket & PARTITION_LOG_TICKET) == 0)
        return false;
    for (uint32_t p = 0; p < d->settings->partition_count; p++) {
        struct partition_log_synced synced;
        if (!partition_log_owns(&d->logs[p], ticket))
            continue;
        partition_log_synced(&d->logs[p], status, &synced);
        if (d->store != NULL && synced.number > 0)
            (void)step(
                d, p, &(struct partition_input){.type = PARTITION_SYNCED, .number = synced.number});
        if (d->store != NULL && synced.has_image)
            (void)step(d, p,
                       &(struct partition_input){.type = PARTITION_STORED, .number = synced.image});
    }
    return true;
}

bool cluster_data_offer(const struct cluster_data *d, uint32_t partition,
                        struct log_position *out_end) {
    bool has_data = d->was_in_sync[partition] || CLUSTER_MUTATED(MUTANT_OFFER_NOTHING);
    if (d->store == NULL || !has_data)
        return false;
    const struct partition_replica *r = partition_replica(d->partitions[partition]);
    *out_end = replica_log_end(&r->log);
    return !r->is_unsynced;
}

uint64_t cluster_data_copy_left(const struct cluster_data *d, uint32_t partition) {
    return d->store == NULL ? UINT64_MAX : partition_copy_left(d->partitions[partition]);
}

void cluster_data_hand_off(struct cluster_data *d, uint32_t partition, uint32_t to) {
    if (d->store != NULL)
        (void)step(d, partition,
                   &(struct partition_input){.type = PARTITION_HAND_OFF, .member = to});
}

static void take_replica_message(struct cluster_data *d, uint32_t from, struct slice bytes) {
    struct replica_record records[REPLICA_BATCH_RECORDS];
    struct replica_message message;
    if (replica_message_decode(bytes, records, &message) != LARDER_OK ||
        message.partition >= d->settings->partition_count)
        machine_violate(d->machine, "a message between replicas does not decode");
    else if (message.from == from) /* else the sender had another number when it wrote this */
        (void)step(d, message.partition,
                   &(struct partition_input){.type = PARTITION_MESSAGE, .message = &message});
}

static void take_copy_message(struct cluster_data *d, uint32_t from, struct slice bytes) {
    struct copying_message message;
    if (copying_message_decode(bytes, &message) != LARDER_OK ||
        message.partition >= d->settings->partition_count)
        machine_violate(d->machine, "a message of a copy does not decode");
    else if (message.from == from) /* else the sender had another number when it wrote this */
        (void)step(d, message.partition,
                   &(struct partition_input){.type = PARTITION_COPY_MESSAGE, .copy = &message});
}

void cluster_data_take_frame(struct cluster_data *d, uint32_t from, struct slice body) {
    if (d->store == NULL || body.size < 1)
        return;
    struct slice message = slice_of(body.data + 1, body.size - 1);
    if (body.data[0] == BODY_REPLICA)
        take_replica_message(d, from, message);
    else
        take_copy_message(d, from, message);
}

static struct waiting *find_place(struct cluster_data *d) {
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        struct waiting *waiting = &d->waiting[d->place++ % REQUESTS_MAX];
        if (!waiting->is_used ||
            (waiting->asked.is_lock && waiting->until_us < machine_now_us(d->machine)))
            return waiting;
    }
    return NULL;
}

static struct cluster_asked asked_of(const struct cluster_request *request) {
    const struct slice *word = &request->argv[0];
    return (struct cluster_asked){.client = request->session.words[1],
                                  .number = request->number,
                                  .mode = request->read_mode,
                                  .is_lock = request->has_lock,
                                  .is_read = slice_equal(*word, slice_of_string("GET")) ||
                                             slice_equal(*word, slice_of_string("SMEMBERS")),
                                  .may_expire = request->may_expire,
                                  .is_again = request->is_again,
                                  .is_at_once = true,
                                  .watched_term = request->watched_term};
}

/* A read that was executed in this step has deleted what had expired. (One that was sent again may
 * be answered as it was before.) */
static void check_expired(struct cluster_data *d, uint32_t p,
                          const struct cluster_request *request) {
    const struct partition_replica *r = partition_replica(d->partitions[p]);
    struct partition_store store = store_host_partition(d->store, p);
    struct store_result result;
    struct slice item;
    int64_t time_ms = partition_time_us(d->partitions[p]) / 1000;
    bool is_there =
        store.type->read_key(store.context, request->argv[1], &item) == LARDER_OK && item.size > 0;
    if (is_there && r->role == REPLICA_OPEN &&
        store.type->read(store.context, time_ms, request->argv, request->argc, &result) ==
            LARDER_OK &&
        result.reply.size > 1 && memcmp(result.reply.data, "$-", 2) == 0)
        machine_violate(d->machine, "I14: a read says that a key expired and no record does");
}

static enum request_form form_of(const struct cluster_request *request,
                                 const struct cluster_asked *asked) {
    bool is_plain =
        !request->has_lock && !request->may_expire && request->read_mode != PARTITION_READ_STALE;
    if (is_plain && request->number % 8 == 3)
        return FORM_EXEC;
    return is_plain && request->number % 8 == 5 && !asked->is_read ? FORM_SCRIPT : FORM_COMMAND;
}

struct formed_request {
    struct slice words[CLUSTER_ARGUMENTS_MAX + 4];
    struct store_command commands[2];
};

static void form_request(struct partition_request *command, enum request_form form,
                         struct formed_request *formed) {
    struct slice *words = formed->words;
    struct slice key = command->argv[1];
    if (form == FORM_EXEC) {
        words[0] = SLICE_LITERAL("EXISTS");
        words[1] = key;
        formed->commands[0] = (struct store_command){command->argv, command->argc};
        formed->commands[1] = (struct store_command){words, 2};
        command->kind = PARTITION_EXEC;
        command->commands = formed->commands;
        command->command_count = 2;
        command->argc = 0;
    } else if (form == FORM_SCRIPT) {
        words[0] = SLICE_LITERAL("EVAL");
        words[1] = SLICE_LITERAL("return redis.call(unpack(ARGV))");
        words[2] = SLICE_LITERAL("1");
        words[3] = key;
        memcpy(words + 4, command->argv, command->argc * sizeof(*words));
        command->argv = words;
        command->argc += 4;
    }
}

void cluster_data_take_request(struct cluster_data *d, uint32_t client, struct slice body) {
    struct cluster_request request;
    if (cluster_request_decode(body, &request) != LARDER_OK) {
        machine_violate(d->machine, "a request does not decode");
        return;
    }
    struct waiting *place = find_place(d);
    struct waiting asker = {.client = client,
                            .number = request.number,
                            .asked = asked_of(&request),
                            .until_us = machine_now_us(d->machine) + ANSWERLESS_US};
    if (place == NULL || d->store == NULL) {
        send_reply(d, &asker, ANSWER_FAILED, UINT32_MAX, 0, 0, slice_of(NULL, 0));
        return;
    }
    request.lock.connection = client;
    asker.is_used = true;
    asker.turn = place->turn + 1;
    asker.form = form_of(&request, &asker.asked);
    *place = asker;
    const struct request_id id = {.client = {request.session.words[0], request.session.words[1]},
                                  .number = request.number,
                                  .lowest = request.lowest,
                                  .first_sent_us = request.first_sent_us};
    struct formed_request formed;
    struct partition_request command = {
        .kind = request.has_lock ? PARTITION_LOCK_REQUEST : PARTITION_COMMAND,
        .context = (uint64_t)(place - d->waiting) + (uint64_t)place->turn * REQUESTS_MAX,
        .deadline_us = machine_now_us(d->machine) + DEADLINE_US,
        .id = request.has_lock ? NULL : &id,
        .read_mode = request.read_mode,
        .watched_term = request.watched_term,
        .fences = &request.fence,
        .fence_count = request.has_fence ? 1 : 0,
        .lock = request.has_lock ? &request.lock : NULL,
        .argv = request.argv,
        .argc = request.argc};
    uint32_t p = cluster_data_partition_of(d, request.argv[1]);
    form_request(&command, asker.form, &formed);
    if (request.watched_term != 0)
        cluster_oracle_watch(machine_oracle(d->machine), &place->asked);
    bool is_ready = is_leading(d, p);
    bool is_first = cluster_oracle_is_first(machine_oracle(d->machine), request.number);
    if (step(d, p, &(struct partition_input){.type = PARTITION_REQUEST, .request = &command}) !=
        LARDER_OK)
        machine_violate(d->machine, "a request was not taken");
    place->asked.is_at_once = false;
    bool is_asked_still = place->is_used && place->turn == asker.turn;
    if (is_ready && is_first && is_asked_still && request.may_expire && place->asked.is_read &&
        request.read_mode != PARTITION_READ_STALE)
        check_expired(d, p, &request);
}

void cluster_data_disconnect(struct cluster_data *d, uint32_t client) {
    for (uint32_t p = 0; p < d->settings->partition_count && d->store != NULL; p++)
        (void)step(d, p,
                   &(struct partition_input){.type = PARTITION_DISCONNECT, .connection = client});
}

/* ---- questions ---- */

/* At no time: what nobody found expired is there, as the clock may be an earlier one later. */
static bool look_up(struct cluster_data *d, uint64_t key, uint64_t *out) {
    enum { BEFORE_ALL_MS = 0 };
    const struct register_command read = {.key = key, .kind = OPERATION_READ};
    uint8_t frame[REGISTER_FRAME_MAX];
    struct cluster_request request;
    struct store_result result = {0};
    struct config_group_reply reply;
    size_t size = CLUSTER_PROTOCOL.encode(&read, 0, frame);
    if (cluster_request_decode(slice_of(frame + 1, size - 1), &request) != LARDER_OK)
        return false;
    uint32_t p = cluster_data_partition_of(d, request.argv[1]);
    struct partition_store store = store_host_partition(d->store, p);
    if (store.type->read(store.context, BEFORE_ALL_MS, request.argv, request.argc, &result) !=
            LARDER_OK ||
        result.reply.size > BODY_MAX - CLUSTER_REPLY_HEADER_BYTES)
        return false;
    cluster_reply_encode(0, ANSWER_OK, 0, 0, 0, d->body);
    memcpy(d->body + CLUSTER_REPLY_HEADER_BYTES, result.reply.data, result.reply.size);
    if (CLUSTER_PROTOCOL.decode(slice_of(d->body, CLUSTER_REPLY_HEADER_BYTES + result.reply.size),
                                &read, &reply) != LARDER_OK)
        return false;
    *out = reply.result.value;
    return reply.answer == ANSWER_OK;
}

/* Who looks from outside needs no memory of the machine. */
bool cluster_data_value(struct cluster_data *d, uint64_t key, uint64_t *out) {
    uint32_t failure_rate = d->machine->memory.failure_rate;
    d->machine->memory.failure_rate = 0;
    bool is_there = look_up(d, key, out);
    d->machine->memory.failure_rate = failure_rate;
    return is_there;
}

uint64_t cluster_data_steps(const struct cluster_data *d) {
    return d->step_count;
}

const struct partition_replica *cluster_data_replica(const struct cluster_data *d,
                                                     uint32_t partition) {
    return d->store == NULL ? NULL : partition_replica(d->partitions[partition]);
}

uint64_t cluster_data_floor(const struct cluster_data *d, uint32_t partition) {
    return locks_floor(partition_locks(d->partitions[partition]));
}

struct store_digest cluster_data_digest(const struct cluster_data *d, uint32_t partition) {
    struct partition_store store = store_host_partition(d->store, partition);
    struct store_digest sum = {0};
    partition_digest_beside(d->partitions[partition], &sum);
    for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
        struct store_digest one;
        store.type->digest_bucket(store.context, bucket, &one);
        sum.low += one.low;
        sum.high += one.high;
    }
    return sum;
}

uint64_t cluster_data_stored(const struct cluster_data *d, uint32_t partition) {
    return partition_stored(d->partitions[partition]);
}

uint32_t cluster_data_partition_of(const struct cluster_data *d, struct slice key) {
    return (uint32_t)key_slot(key) * d->settings->partition_count / SLOT_COUNT;
}

void cluster_data_describe(const struct cluster_data *d, char *out, size_t size) {
    for (uint32_t p = 0; d->store != NULL && p < d->settings->partition_count; p++) {
        const struct partition_replica *r = partition_replica(d->partitions[p]);
        int used = snprintf(out, size, " | %s %" PRIu64 ":%" PRIu64 "/%" PRIu64 "%s",
                            replica_role_name(r->role), r->view.term, r->commit, r->log.last,
                            r->is_unsynced ? " unsynced" : "");
        if (used < 0 || (size_t)used >= size)
            return;
        out += used;
        size -= (size_t)used;
    }
}

void cluster_data_describe_frame(struct slice body, char *out, size_t size) {
    static const char *const NAMES[] = {"?", "records", "base", "ack", "refuse"};
    struct replica_record records[REPLICA_BATCH_RECORDS];
    struct replica_message m;
    if (body.size == 0 || body.data[0] != BODY_REPLICA ||
        replica_message_decode(slice_of(body.data + 1, body.size - 1), records, &m) != LARDER_OK) {
        snprintf(out, size, " copy");
        return;
    }
    snprintf(out, size,
             " p%" PRIu32 " %s term %" PRIu64 " at %" PRIu64 ":%" PRIu64 " records %" PRIu32
             " commit %" PRIu64,
             m.partition, NAMES[m.type], m.term, m.position.term, m.position.sequence,
             m.record_count, m.commit);
}

uint32_t cluster_data_frame_kind(struct slice body, uint32_t partition) {
    struct replica_record records[REPLICA_BATCH_RECORDS];
    struct replica_message message;
    struct copying_message copy;
    struct slice rest = slice_of(body.data + 1, body.size - 1);
    if (body.size < 2)
        return 0;
    if (body.data[0] == BODY_REPLICA &&
        replica_message_decode(rest, records, &message) == LARDER_OK)
        return message.partition == partition ? STEP_FRAME_REPLICA + message.type : 0;
    if (body.data[0] == BODY_COPY && copying_message_decode(rest, &copy) == LARDER_OK)
        return copy.partition == partition ? STEP_FRAME_COPYING + copy.type : 0;
    return 0;
}
