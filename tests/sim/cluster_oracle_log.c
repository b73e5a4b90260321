/* SPDX-License-Identifier: BSD-3-Clause */
/* I3, I4 and I13: what is committed is the same everywhere and in the log of all who are in sync,
 * from the moment on in which the first member knows that it is; its times never fall. */
#include "sim/cluster_oracle_core.h"

#include "base/crc32c.h"
#include "cluster/partition_record.h"
#include "sim/partition_log.h"

#include <stdlib.h>

void oracle_forget_log(struct watched_partition *w) {
    w->committed = (struct log_position){0, 0};
    memset(w->records, 0, sizeof(w->records));
}

static struct committed_record describe(struct cluster_oracle *o, const struct sim_machine *machine,
                                        const struct partition_replica *r, uint64_t sequence) {
    struct replica_record record = replica_log_get(&r->log, sequence);
    struct committed_record out = {
        .sequence = sequence,
        .term = record.term,
        .digest = crc32c(record.payload) + (uint32_t)record.kind,
    };
    struct partition_record decoded;
    if (record.kind == RECORD_EFFECT &&
        partition_record_decode(record.payload, &decoded) == LARDER_OK) {
        out.time_us = decoded.time_us;
        oracle_check_watch(o, machine, &decoded, record.term);
    }
    return out;
}

static void check_time(struct cluster_oracle *o, const struct sim_machine *machine,
                       const struct watched_partition *w, const struct committed_record *record) {
    for (uint64_t back = 1; record->time_us != 0 && back <= 8 && back < record->sequence; back++) {
        const struct committed_record *before =
            &w->records[(record->sequence - back) % ORACLE_RECORDS];
        if (before->sequence != record->sequence - back)
            return;
        if (before->time_us > record->time_us)
            oracle_violate(o, machine, "I13: the time of a partition ran back");
        if (before->time_us != 0)
            return;
    }
}

static void note_record(struct cluster_oracle *o, const struct sim_machine *machine,
                        struct watched_partition *w, const struct partition_replica *r,
                        uint64_t sequence) {
    struct committed_record *known = &w->records[sequence % ORACLE_RECORDS];
    if (known->sequence > sequence)
        return;
    struct committed_record record = describe(o, machine, r, sequence);
    if (known->sequence == sequence) {
        if (known->term != record.term || known->digest != record.digest)
            oracle_violate(o, machine, "I4: two members committed different records in one place");
        return;
    }
    *known = record;
    check_time(o, machine, w, known);
}

static void check_holds(struct cluster_oracle *o, const struct sim_machine *machine,
                        const struct watched_partition *w, const struct partition_replica *r) {
    if (r->view.reset_term != w->config.reset_term || !oracle_is_in_sync(o, w, r) ||
        w->committed.sequence == 0)
        return;
    uint64_t term = replica_log_term(&r->log, w->committed.sequence);
    bool is_there = w->committed.sequence <= r->log.base.sequence || term == w->committed.term;
    if (r->log.last < w->committed.sequence || !is_there)
        oracle_violate(o, machine, "I3: an in-sync member lacks what is committed");
}

static void check_others(struct cluster_oracle *o, uint32_t p) {
    for (uint32_t i = 0; i < o->world->options.machine_count; i++) {
        const struct partition_replica *r = oracle_replica(o, i, p);
        if (r != NULL)
            check_holds(o, &o->world->machines[i], &o->partitions[p], r);
    }
}

/* What a primary counts as acknowledged is in the log of the process that it counts, as long as
 * that is in the same term. */
void oracle_check_acknowledged(struct cluster_oracle *o, const struct sim_machine *machine,
                               uint32_t p, const struct partition_replica *r) {
    for (uint32_t i = 0; i < o->world->options.machine_count; i++) {
        const struct partition_replica *other = oracle_replica(o, i, p);
        for (uint32_t k = 0; other != NULL && other != r && k < r->peer_count; k++) {
            const struct replica_peer *peer = &r->peers[k];
            if (peer->member != other->options.self || peer->received == 0 ||
                peer->incarnation != other->options.incarnation || other->view.term != r->view.term)
                continue;
            uint64_t at = peer->received;
            bool is_known = at > r->log.base.sequence && at > other->log.base.sequence;
            if (other->log.last < at ||
                (is_known && replica_log_term(&other->log, at) != replica_log_term(&r->log, at)))
                oracle_violate(o, machine, "I3: what counts as acknowledged is not there");
        }
    }
}

static bool is_same_log(const struct watched_log *a, const struct watched_log *b) {
    return a->commit == b->commit && a->last == b->last && a->index == b->index &&
           a->base == b->base && a->last_term == b->last_term && a->reset_term == b->reset_term &&
           a->committed.sequence == b->committed.sequence && a->committed.term == b->committed.term;
}

void oracle_check_log(struct cluster_oracle *o, struct sim_machine *machine, uint32_t p,
                      const struct partition_replica *r) {
    struct watched_partition *w = &o->partitions[p];
    struct watched_process *seen = &o->processes[machine->address];
    const struct watched_log log = {.commit = r->commit,
                                    .base = r->log.base.sequence,
                                    .last = r->log.last,
                                    .last_term = replica_log_term(&r->log, r->log.last),
                                    .reset_term = r->view.reset_term,
                                    .index = o->index,
                                    .committed = w->committed};
    if (is_same_log(&log, &seen->logs[p]))
        return;
    seen->logs[p] = log;
    bool is_anew = seen->reset_terms[p] != r->view.reset_term || !oracle_is_in_sync(o, w, r);
    if (r->commit < seen->commits[p] && !is_anew)
        oracle_violate(o, machine, "I4: a commit position fell");
    bool is_backup = r->role == REPLICA_BACKUP || r->role == REPLICA_LEARNER;
    if (is_backup && seen->commits[p] != 0 && r->commit > seen->commits[p] && !is_anew &&
        r->matched_term == r->view.term && r->commit > r->matched)
        oracle_violate(o, machine, "I4: a backup commits what it did not compare");
    bool is_current = r->view.reset_term == w->config.reset_term;
    uint64_t from = r->commit < seen->commits[p] ? 0 : seen->commits[p];
    if (from < r->log.base.sequence)
        from = r->log.base.sequence;
    for (uint64_t s = from + 1; is_current && s <= r->commit && s <= r->log.last; s++)
        note_record(o, machine, w, r, s);
    seen->commits[p] = r->commit;
    seen->reset_terms[p] = r->view.reset_term;
    if (is_current && r->commit > w->committed.sequence) {
        w->committed = (struct log_position){replica_log_term(&r->log, r->commit), r->commit};
        check_others(o, p);
    } else {
        check_holds(o, machine, w, r);
    }
}

/* ---- logs on disk ---- */

void oracle_note_held(struct cluster_oracle *o, struct sim_machine *machine, uint32_t p) {
    const struct partition_replica *r = oracle_replica(o, machine->address, p);
    const struct watched_partition *w = &o->partitions[p];
    struct held_log *held = &o->held[machine->address][p];
    if (r == NULL || member_set_has(&w->config.last, r->options.self))
        return; /* its disk is as it was */
    *held = (struct held_log){.node = machine->node_id, .reset_term = w->config.reset_term};
    if (oracle_is_in_sync(o, w, r) && r->view.reset_term == w->config.reset_term)
        held->committed = w->committed;
}

static bool log_has(const struct journal_found *found, struct log_position position) {
    uint64_t base = found->base.sequence;
    if (!found->has_data || base + found->record_count < position.sequence)
        return false;
    return position.sequence <= base ||
           found->records[position.sequence - base - 1].term == position.term;
}

void cluster_oracle_found_log(struct cluster_oracle *o, struct sim_machine *machine,
                              const struct partition_log *log) {
    const struct held_log *held = &o->held[machine->address][log->partition];
    struct journal_found found;
    uint8_t *bytes;
    if (held->committed.sequence == 0 || !raft_id_equal(held->node, machine->node_id) ||
        held->reset_term != o->partitions[log->partition].config.reset_term ||
        partition_log_load(log, &ALLOCATOR_SYSTEM, &found, &bytes) != LARDER_OK)
        return;
    if (!log_has(&found, held->committed))
        oracle_violate(o, machine,
                       "I3: a restart of an in-sync member finds less than what is committed");
    journal_finish(&found, &ALLOCATOR_SYSTEM);
    free(bytes);
}

void cluster_oracle_forget_disk(struct cluster_oracle *o, const struct sim_machine *machine) {
    memset(o->held[machine->address], 0, sizeof(o->held[0]));
}
