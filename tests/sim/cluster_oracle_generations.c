/* SPDX-License-Identifier: BSD-3-Clause */
/* I16, and what is expected over the beginning of a generation by force. */
#include "sim/cluster_oracle_core.h"

/* Whether the survivor has everything that was acknowledged, as far as anybody knew; it may know
 * less. */
static bool has_everything(const struct watched_partition *w, uint32_t survivor) {
    return w->config.state == PARTITION_LOST ? member_set_has(&w->config.last, survivor)
                                             : member_set_has(&w->config.in_sync, survivor);
}

/* What the survivor lacks is given up although no entry says so: it was taken out of the in-sync
 * set by entries that it never saw. */
static void give_up(struct cluster_oracle *o, struct watched_partition *w,
                    const struct partition_config *next) {
    oracle_forget_log(w);
    if (w->reset_count == ORACLE_RESETS_MAX) {
        oracle_violate(o, NULL, "the oracle has no room for another RESET");
        return;
    }
    w->resets[w->reset_count++] =
        (struct given_up){.from_us = o->world->now_us, .until_us = INT64_MAX, .term = next->term};
}

/* Terms of the old generation that the survivor never heard of may come again. */
static void begin_partition(struct cluster_oracle *o, struct watched_partition *w,
                            const struct partition_config *next) {
    w->opened_count = w->newest_open = 0;
    bool is_kept = next->primary != CLUSTER_NOBODY;
    if (is_kept && !has_everything(w, next->primary))
        give_up(o, w, next);
}

void oracle_begin_generation(struct cluster_oracle *o, struct sim_machine *machine,
                             const struct configuration *first) {
    bool is_first = o->generation == 0;
    o->generation = first->generation;
    if (is_first)
        return;
    if (first->generation >= ORACLE_GENERATIONS || first->member_count != 1)
        oracle_violate(o, machine, "a generation begins that the oracle can't follow");
    for (uint32_t p = 0; p < first->partition_count; p++)
        begin_partition(o, &o->partitions[p], &first->partitions[p]);
    memset(o->hashed, 0, ORACLE_INDEXES * sizeof(*o->hashed));
    memset(o->applied_index, 0, ORACLE_INDEXES * sizeof(*o->applied_index));
    configuration_destroy(o->before);
    configuration_destroy(o->after);
    o->before = o->after = NULL;
    o->index = o->partition_count = 0;
}

bool oracle_is_old(const struct cluster_oracle *o, const struct sim_machine *machine) {
    const struct cluster_member *member =
        machine_is_running(machine) ? cluster_process_member(machine->process) : NULL;
    const struct configuration *c = member == NULL ? NULL : member_configuration(member);
    return c != NULL && c->generation < o->generation;
}

void oracle_check_old(struct cluster_oracle *o, struct sim_machine *machine,
                      struct cluster_member *member, const struct cluster_data *data) {
    for (uint32_t p = 0; p < o->partition_count; p++) {
        const struct partition_replica *r = cluster_data_replica(data, p);
        if (r != NULL && oracle_is_serving(r) &&
            oracle_has_lease(member, r, machine_now_us(machine)))
            oracle_violate(o, machine, "I16: a primary of an old generation may answer reads");
    }
}
