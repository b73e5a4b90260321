/* SPDX-License-Identifier: BSD-3-Clause */
/* I5, I9 and I14 at the moment in which a member answers a client. */
#include "sim/cluster_oracle_core.h"

#include "cluster/partition_record.h"

/* ---- requests by their ids ---- */

static bool is_of_request(const struct replica_record *record, uint64_t client, uint64_t number) {
    struct partition_record decoded;
    return record->kind == RECORD_EFFECT &&
           partition_record_decode(record->payload, &decoded) == LARDER_OK && decoded.has_request &&
           decoded.id.client[1] == client && decoded.id.number == number;
}

/* Whether the process led that term. */
static bool has_led(const struct watched_partition *w, const struct sim_machine *machine,
                    uint64_t term) {
    for (uint64_t i = 0; i < w->opened_count && i < 64; i++) {
        const struct opened_term *opened = &w->opened[(w->opened_count - 1 - i) % ORACLE_TERMS_MAX];
        if (opened->term == term)
            return opened->machine == machine->address &&
                   opened->incarnation == machine->incarnation;
    }
    return false;
}

/* Whether somebody who may be elected still has a record of the request that may be committed,
 * made by this process. */
static bool may_be_applied(const struct cluster_oracle *o, const struct sim_machine *machine,
                           uint32_t p, const struct cluster_asked *asked) {
    for (uint32_t i = 0; i < o->world->options.machine_count; i++) {
        const struct partition_replica *r = oracle_replica(o, i, p);
        if (r == NULL || !oracle_is_in_sync(o, &o->partitions[p], r))
            continue;
        uint64_t from = r->commit > r->log.base.sequence ? r->commit : r->log.base.sequence;
        for (uint64_t s = from + 1; s <= r->log.last; s++) {
            struct replica_record record = replica_log_get(&r->log, s);
            if (is_of_request(&record, asked->client, asked->number) &&
                has_led(&o->partitions[p], machine, record.term))
                return true;
        }
    }
    return false;
}

void cluster_oracle_watch(struct cluster_oracle *o, const struct cluster_asked *asked) {
    o->watches[asked->number % ORACLE_WATCHES] = (struct watched_request){
        .client = asked->client, .number = asked->number, .term = asked->watched_term};
}

void oracle_check_watch(struct cluster_oracle *o, const struct sim_machine *machine,
                        const struct partition_record *record, uint64_t term) {
    const struct watched_request *watch = &o->watches[record->id.number % ORACLE_WATCHES];
    if (record->has_request && watch->term != 0 && watch->number == record->id.number &&
        watch->client == record->id.client[1] && watch->term != term)
        oracle_violate(o, machine, "I14: a request of one term was executed in another");
}

/* ---- answers ---- */

static void check_stale(struct cluster_oracle *o, const struct sim_machine *machine,
                        const struct partition_replica *r) {
    bool has_tail = r->executed_term != 0 && r->executed > r->commit;
    if (r->is_unsynced || has_tail)
        oracle_violate(o, machine, "I14: a stale read of what may be cut or is not there yet");
}

/* After a round it matters that nobody led when that began, not now. */
static void check_read(struct cluster_oracle *o, struct sim_machine *machine, uint32_t p,
                       const struct partition_replica *r, uint64_t stored, bool is_confirmed) {
    struct cluster_member *member = cluster_process_member(machine->process);
    if (r->view.term < o->partitions[p].newest_open && !is_confirmed)
        oracle_violate(o, machine, "I5: a read was answered when a newer term was open");
    if (r->role == REPLICA_OPEN && stored < r->applied)
        oracle_violate(o, machine, "I14: a primary answers that has not applied its log");
    if (oracle_is_serving(r) && !is_confirmed)
        oracle_check_answer(o, machine, member, p, r);
}

/* Whoever is cut off goes on with what it has heard last. */
static void count_settings(struct cluster_oracle *o, const struct partition_replica *r) {
    const struct cluster_settings *own = &r->settings, *newest = &o->after->settings;
    bool is_old = own->quorum_policy != newest->quorum_policy ||
                  own->min_insync != newest->min_insync || own->lease_ms != newest->lease_ms ||
                  own->config_lease_ms != newest->config_lease_ms ||
                  own->node_timeout_ms != newest->node_timeout_ms;
    if (is_old)
        world_count(o->world, RARE_ANSWER_BY_OLD_SETTINGS);
    if (is_old && own->quorum_policy == QUORUM_IN_SYNC && newest->quorum_policy == QUORUM_MAJORITY)
        world_count(o->world, RARE_ANSWER_BY_ENDED_ISR);
}

bool cluster_oracle_is_first(struct cluster_oracle *o, uint64_t number) {
    uint64_t *known = &o->asked[number % ORACLE_WATCHES];
    bool is_first = *known < number;
    if (is_first)
        *known = number;
    return is_first;
}

void cluster_oracle_answer(struct cluster_oracle *o, struct sim_machine *machine, uint32_t p,
                           const struct cluster_asked *asked, const struct partition_reply *reply,
                           uint64_t stored) {
    const struct partition_replica *r = oracle_replica(o, machine->address, p);
    if (r == NULL)
        return;
    if (oracle_is_old(o, machine)) {
        if (reply->answer == PARTITION_DONE && asked->mode != PARTITION_READ_STALE)
            oracle_violate(o, machine, "I16: a member of an old generation answered");
        return;
    }
    bool is_refused = reply->answer == PARTITION_MOVED || reply->answer == PARTITION_REFUSED ||
                      reply->answer == PARTITION_CLOSED || reply->answer == PARTITION_BUSY ||
                      reply->answer == PARTITION_WATCH_BROKEN;
    if (is_refused && !asked->is_again && !asked->is_read && may_be_applied(o, machine, p, asked))
        oracle_violate(o, machine, "I9: a request was refused that may still be applied");
    bool is_error = reply->bytes.size > 0 && reply->bytes.data[0] == '-';
    if (reply->answer != PARTITION_DONE || asked->is_lock || is_error)
        return;
    if (oracle_is_serving(r))
        count_settings(o, r);
    if (reply->as_of_us != 0)
        check_stale(o, machine, r);
    if (asked->mode == PARTITION_READ_STALE && r->role < REPLICA_ELECTED)
        return; /* if it was executed by this member as a primary, it is committed now */
    if (r->settings.write_mode == WRITES_EXECUTED && r->role >= REPLICA_OPEN &&
        r->view.term >= o->partitions[p].newest_open)
        oracle_note_early(o, p, r);
    if (asked->is_read && asked->mode == PARTITION_READ_ROUND && asked->is_at_once &&
        r->view.in_sync.count > 1)
        oracle_violate(o, machine, "I14: a read by a round was answered without one");
    if (asked->is_read && asked->mode != PARTITION_READ_ROUND && !asked->may_expire)
        check_read(o, machine, p, r, stored, reply->is_confirmed);
    if (!asked->is_read && r->view.in_sync.count < r->settings.min_insync)
        oracle_violate(o, machine, "I14: a write was answered with too few in sync");
}
