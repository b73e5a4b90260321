/* SPDX-License-Identifier: BSD-3-Clause */
/* Mode async: what a primary has answered before it was committed. When a newer term begins, its
 * log has a part of that from the first on, each record in its place; whether some is missing is
 * told, as then clients saw what is not there any more. */
#include "sim/cluster_oracle_core.h"

#include "base/crc32c.h"

static uint32_t digest_of(const struct partition_replica *r, uint64_t sequence) {
    struct replica_record record = replica_log_get(&r->log, sequence);
    return crc32c(record.payload) + (uint32_t)record.kind;
}

void oracle_note_early(struct cluster_oracle *o, uint32_t p, const struct partition_replica *r) {
    struct early_answers *early = &o->partitions[p].early;
    if (early->term != r->view.term)
        *early = (struct early_answers){.term = r->view.term, .last = r->commit};
    uint64_t from = early->last > r->log.base.sequence ? early->last : r->log.base.sequence;
    for (uint64_t s = from + 1; s <= r->log.last; s++)
        early->records[s % ORACLE_EARLY] = (struct early_record){s, digest_of(r, s)};
    early->last = r->log.last;
}

/* Where the log begins behind it all is committed: nothing can be said of it, so that it may be
 * missing. */
static bool is_lost(struct cluster_oracle *o, const struct sim_machine *machine,
                    const struct early_answers *early, const struct partition_replica *r) {
    bool is_missing = early->last <= r->log.base.sequence;
    uint64_t from = early->last > ORACLE_EARLY ? early->last - ORACLE_EARLY : 0;
    if (from < r->log.base.sequence)
        from = r->log.base.sequence;
    for (uint64_t s = from + 1; s <= early->last; s++) {
        const struct early_record *record = &early->records[s % ORACLE_EARLY];
        bool is_here = s <= r->log.last && replica_log_term(&r->log, s) == early->term;
        if (record->sequence != s)
            continue;
        if (is_here && (is_missing || digest_of(r, s) != record->digest))
            oracle_violate(o, machine, "I17: what is left of what was answered is no prefix of it");
        is_missing |= !is_here;
    }
    return is_missing;
}

bool cluster_oracle_began(struct cluster_oracle *o, const struct sim_machine *machine, uint32_t p) {
    const struct partition_replica *r = oracle_replica(o, machine->address, p);
    struct early_answers *early = &o->partitions[p].early;
    if (r == NULL || early->last == 0 || early->term >= r->view.term)
        return false;
    bool has_lost = is_lost(o, machine, early, r);
    early->last = 0;
    return has_lost;
}

void cluster_oracle_on_loss(struct cluster_oracle *o,
                            void (*call)(void *context, struct cluster_data *data,
                                         uint32_t partition),
                            void *context) {
    o->lost = call;
    o->lost_context = context;
}

void cluster_oracle_tell_loss(const struct cluster_oracle *o, struct cluster_data *data,
                              uint32_t partition) {
    world_count(o->world, RARE_EARLY_LOST);
    if (o->lost != NULL)
        o->lost(o->lost_context, data, partition);
}
