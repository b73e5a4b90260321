/* SPDX-License-Identifier: BSD-3-Clause */
/* Three scripted nodes with a third of the slots each. Slots of keys: bar 5061 is of node 0, c 7365
 * of node 1, foo 12182 of node 2. */
#ifndef LARDER_TESTS_CLIENT_FAKE_CLUSTER_H
#define LARDER_TESTS_CLIENT_FAKE_CLUSTER_H

#include "support/fake_server.h"

enum { FAKE_NODES = 3, FAKE_RULES = 12, FAKE_TEXT = 512 };

struct fake_cluster {
    struct fake_server *nodes[FAKE_NODES];
    int ports[FAKE_NODES];
    char seeds[FAKE_TEXT]; /* node 0 */
    char map[FAKE_TEXT];   /* reply to CLUSTER SLOTS */
    struct fake_rule rules[FAKE_NODES][FAKE_RULES];
    int rule_counts[FAKE_NODES]; /* may be set to 0 before others are added */
    bool has_answers;
};

/* All nodes answer CLUSTER SLOTS with `map`, and nothing else yet. */
void fake_cluster_start(struct fake_cluster *cluster);
void fake_cluster_stop(struct fake_cluster *cluster);
/* Rules apply in the order in which they were added, then that for CLUSTER SLOTS. */
void fake_cluster_add(struct fake_cluster *cluster, int node, struct fake_rule rule);
/* From now on "+n0" and so on to everything that no rule is for. */
void fake_cluster_answer(struct fake_cluster *cluster);
/* Write a map in which node owners[i] has the i-th third of the slots. */
void fake_cluster_write_map(const struct fake_cluster *cluster, char *out, const int *owners);

/* From now on the map says that node 0 has all slots and the others replicate it. */
void fake_cluster_use_replicas(struct fake_cluster *cluster);

#endif
