/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/cluster_worlds.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t pick(struct random *random, const uint32_t *from, size_t count) {
    return from[random_below(random, count)];
}

#define PICK(random, ...)                                                                          \
    pick(random, (const uint32_t[]){__VA_ARGS__}, COUNT(((const uint32_t[]){__VA_ARGS__})))

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static void draw_durations(struct random *random, struct cluster_settings *s) {
    s->lease_ms = PICK(random, 80, 150, 250, 250, 250, 500, 900);
    s->config_lease_ms = PICK(random, 500, 1000, 1000, 2000);
    s->node_timeout_ms = PICK(random, 500, 1000, 2000);
    if (s->config_lease_ms < s->lease_ms)
        s->config_lease_ms = s->lease_ms;
    if (s->node_timeout_ms < s->lease_ms)
        s->node_timeout_ms = s->lease_ms;
}

void cluster_world_draw(uint64_t seed, uint32_t machine_count, struct cluster_sim_settings *out) {
    struct random random = random_seeded(seed ^ 0x776f726c64);
    struct cluster_settings *s = &out->cluster;
    *s = CLUSTER_DEFAULT_SETTINGS;
    out->partition_count = machine_count < 5 ? 1 : PICK(&random, 2, 4, 4, 6);
    out->is_rough = random_below(&random, 2) == 0;
    s->voter_count = machine_count < 5 ? 3 : PICK(&random, 3, 5, 5);
    s->replica_count = least(PICK(&random, 1, 2, 2, 2, 3, 3, 3, 4), machine_count);
    s->min_insync = least(PICK(&random, 1, 1, 2), s->replica_count);
    s->quorum_policy = random_below(&random, 5) == 0 ? QUORUM_IN_SYNC : QUORUM_MAJORITY;
    draw_durations(&random, s);
    out->heartbeat_us = (s->lease_ms < 250 ? 50 : PICK(&random, 50, 100, 100)) * 1000;
    out->log_bytes = PICK(&random, 64, 64, 128, 256) * 1024;
    out->log_records = PICK(&random, 96, 256, 512);
    out->session_bytes = PICK(&random, 0, 0, 6000, 9000);
    out->digest_every_us = PICK(&random, 1000000, 4000000, 60000000);
    out->copy_bytes_per_second = PICK(&random, 0, 0, 4000);
    random = random_seeded(seed ^ 0x6561726c79);
    s->write_mode = random_below(&random, 12) == 0 ? WRITES_EXECUTED : WRITES_COMMITTED;
}

struct cluster_settings cluster_settings_draw(uint64_t draw, const struct configuration *c) {
    struct random random = random_seeded(draw);
    struct cluster_settings s = c->settings;
    switch (random_below(&random, 4)) {
    case 0: s.min_insync = least(PICK(&random, 1, 1, 2), s.replica_count); break;
    case 1: draw_durations(&random, &s); break;
    default:
        s.quorum_policy = s.quorum_policy == QUORUM_MAJORITY ? QUORUM_IN_SYNC : QUORUM_MAJORITY;
    }
    return s;
}

/* ---- changes that must be refused ---- */

static uint32_t any_of(const struct member_set *set, uint64_t draw) {
    return set->count == 0 ? CLUSTER_NOBODY : set->members[draw % set->count];
}

static uint32_t outsider(const struct configuration *c, const struct member_set *set,
                         uint64_t draw) {
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct member *m = &c->members[(draw + i) % c->member_count];
        if (m->state != MEMBER_DOWN && !member_set_has(set, m->number))
            return m->number;
    }
    return CLUSTER_NOBODY;
}

static bool draw_growth(uint64_t draw, const struct configuration *c,
                        const struct partition_config *p, struct config_entry *out) {
    out->type = CONFIG_EXPAND;
    out->change.member = any_of(&p->learners, draw >> 20);
    const struct member *m = configuration_find_member(c, out->change.member);
    if (m == NULL)
        return false;
    bool is_reborn = (draw >> 30 & 1) != 0;
    out->change.incarnation = m->incarnation - is_reborn;
    out->change.term = p->term - !is_reborn;
    return true;
}

static bool draw_primary(uint64_t draw, const struct configuration *c,
                         const struct partition_config *p, struct config_entry *out) {
    bool is_learner = p->learners.count > 0 && (draw >> 31 & 1) != 0;
    out->type = (draw >> 30 & 1) != 0 ? CONFIG_TRANSFER : CONFIG_ELECT;
    out->change.member =
        is_learner ? any_of(&p->learners, draw >> 20) : outsider(c, &p->in_sync, draw >> 20);
    return out->change.member != CLUSTER_NOBODY && p->state != PARTITION_LOST;
}

static bool draw_restore(uint64_t draw, const struct configuration *c,
                         const struct partition_config *p, struct config_entry *out) {
    out->type = CONFIG_RESTORE;
    out->change.member = outsider(c, &p->last, draw >> 20);
    const struct member *m = configuration_find_member(c, out->change.member);
    if (m == NULL || p->state != PARTITION_LOST)
        return false;
    out->change.incarnation = m->incarnation;
    return true;
}

static bool draw_down(uint64_t draw, const struct configuration *c, struct config_entry *out) {
    const struct member *m = &c->members[(draw >> 20) % c->member_count];
    *out = (struct config_entry){.type = CONFIG_DOWN,
                                 .member = {m->number, m->incarnation - 1 - (draw >> 40 & 1)}};
    return true;
}

bool cluster_stray_draw(uint64_t draw, const struct configuration *c, struct config_entry *out) {
    uint32_t partition = (uint32_t)((draw >> 8) % c->partition_count);
    const struct partition_config *p = &c->partitions[partition];
    *out = (struct config_entry){
        .change = {.partition = partition, .epoch = p->epoch, .term = p->term}};
    for (uint32_t i = 0; i < c->partition_count; i++)
        if (c->partitions[i].state == PARTITION_LOST && (draw & 8) != 0) {
            out->change.partition = i;
            out->change.epoch = c->partitions[i].epoch;
            return draw_restore(draw, c, &c->partitions[i], out);
        }
    switch (draw % 5) {
    case 0: return draw_growth(draw, c, p, out);
    case 1: return draw_primary(draw, c, p, out);
    case 2: return draw_down(draw, c, out);
    case 3:
        out->type = CONFIG_SHRINK;
        out->change.member = p->primary;
        return p->primary != CLUSTER_NOBODY;
    default:
        out->type = CONFIG_SHRINK;
        out->change.member = any_of(&p->in_sync, draw >> 20);
        out->change.epoch -= 1 + (draw >> 40 & 1);
        return out->change.member != CLUSTER_NOBODY;
    }
}
