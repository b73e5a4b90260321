/* SPDX-License-Identifier: BSD-3-Clause */
/* The story of a run, for people: what becomes of the configuration. */
#include "sim/cluster_oracle_core.h"
#include "sim/text.h"

#include <inttypes.h>

/* Members as number@machine. */
static void tell_set(struct sim_text *text, const struct configuration *c, const char *what,
                     const struct member_set *set) {
    if (set->count > 0)
        text_add(text, ", %s", what);
    for (uint8_t i = 0; i < set->count; i++) {
        const struct member *m = configuration_find_member(c, set->members[i]);
        text_add(text, " #%" PRIu32, set->members[i]);
        if (m != NULL)
            text_add(text, "@%" PRIu32, cluster_sim_machine(&m->address));
    }
}

static void tell_partition(const struct cluster_oracle *o, const struct configuration *c,
                           uint32_t p) {
    const struct partition_config *next = &c->partitions[p];
    char line[300];
    struct sim_text text = text_of(line, sizeof(line));
    const struct member_set primary = {.count = 1, .members = {next->primary}};
    if (next->primary != CLUSTER_NOBODY)
        tell_set(&text, c, "primary", &primary);
    tell_set(&text, c, "in sync", &next->in_sync);
    tell_set(&text, c, "learners", &next->learners);
    tell_set(&text, c, "last", &next->last);
    trace_print(&o->world->trace, o->world->now_us,
                "* entry %" PRIu64 ": p%" PRIu32 "%s, epoch %" PRIu64 ", term %" PRIu64 "%s%s",
                c->index, p, next->state == PARTITION_LOST ? " LOST" : "", next->epoch, next->term,
                line, next->is_unleased ? ", unleased" : "");
}

static void tell_members(const struct cluster_oracle *o, const struct configuration *c) {
    static const char *const STATES[] = {"?", "active", "draining", "down"};
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *m = &c->members[i], *was = oracle_find_member(o, m->number);
        if (was == NULL || was->state != m->state || was->incarnation != m->incarnation)
            trace_print(&o->world->trace, o->world->now_us,
                        "* entry %" PRIu64 ": #%" PRIu32 "@%" PRIu32 " is %s", c->index, m->number,
                        cluster_sim_machine(&m->address), STATES[m->state]);
    }
    for (uint32_t i = 0; i < o->member_count; i++)
        if (configuration_find_member(c, o->members[i].number) == NULL)
            trace_print(&o->world->trace, o->world->now_us,
                        "* entry %" PRIu64 ": #%" PRIu32 " is removed", c->index,
                        o->members[i].number);
}

static void tell_settings(const struct cluster_oracle *o, const struct configuration *c) {
    const struct cluster_settings *s = &c->settings;
    if (o->partition_count > 0 && memcmp(s, &o->settings, sizeof(*s)) != 0)
        trace_print(&o->world->trace, o->world->now_us,
                    "* entry %" PRIu64 ": settings: policy %s, %" PRIu32
                    " replicas, min-insync %" PRIu32 ", leases %" PRIu32 " and %" PRIu32 " ms",
                    c->index, s->quorum_policy == QUORUM_MAJORITY ? "majority" : "isr",
                    s->replica_count, s->min_insync, s->lease_ms, s->config_lease_ms);
}

void oracle_tell_configuration(const struct cluster_oracle *o, const struct configuration *c) {
    if (!trace_is_printing(&o->world->trace, o->world->now_us))
        return;
    tell_settings(o, c);
    tell_members(o, c);
    for (uint32_t p = 0; p < c->partition_count; p++)
        if (o->partition_count == 0 || c->partitions[p].epoch != o->partitions[p].config.epoch)
            tell_partition(o, c, p);
}
