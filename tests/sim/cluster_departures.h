/* SPDX-License-Identifier: BSD-3-Clause */
/* An operator who sends members away: to restart, to leave, to leave by force; who changes his mind
 * at any time; and who ends a process when it may end. The swarm's supervisor starts another, on
 * some machines that left for good with an empty disk. */
#ifndef LARDER_TESTS_SIM_CLUSTER_DEPARTURES_H
#define LARDER_TESTS_SIM_CLUSTER_DEPARTURES_H

#include "sim/world.h"

#include "cluster/configuration.h"

struct cluster_departure {
    enum member_departure how; /* NONE: none is under way */
    uint64_t draw;
    uint64_t turn; /* raised with each: older calls are stale */
    uint64_t incarnation;
    int64_t since_us;
};

struct cluster_departures {
    struct sim_world *world;
    struct cluster_departure each[SIM_MACHINES_MAX];
    uint64_t let_go, taken_back;
};

void cluster_departures_init(struct cluster_departures *departures, struct sim_world *world);
/* A member is told to depart, if the machine that is drawn has one. */
void cluster_departures_draw(struct cluster_departures *departures, uint64_t draw);
/* All that are under way are taken back. */
void cluster_departures_end(struct cluster_departures *departures);

#endif
