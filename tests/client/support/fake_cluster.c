/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/fake_cluster.h"

#include <stdio.h>
#include <string.h>

void fake_cluster_write_map(const struct fake_cluster *cluster, char *out, const int *owners) {
    static const int FIRST[] = {0, 5461, 10923}, LAST[] = {5460, 10922, 16383};
    size_t used = (size_t)snprintf(out, FAKE_TEXT, "*3\r\n");
    for (int i = 0; i < 3; i++)
        used += (size_t)snprintf(out + used, FAKE_TEXT - used,
                                 "*3\r\n:%d\r\n:%d\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n",
                                 FIRST[i], LAST[i], cluster->ports[owners[i]]);
}

static void use(struct fake_cluster *cluster, int node) {
    static const char *const ANSWERS[] = {"+n0\r\n", "+n1\r\n", "+n2\r\n"};
    struct fake_rule *rules = cluster->rules[node];
    int count = cluster->rule_counts[node];
    rules[count++] = (struct fake_rule){.command = "CLUSTER SLOTS", .reply = cluster->map};
    if (cluster->has_answers)
        rules[count++] = (struct fake_rule){.reply = ANSWERS[node]};
    fake_server_use(cluster->nodes[node], rules, (size_t)count);
}

void fake_cluster_add(struct fake_cluster *cluster, int node, struct fake_rule rule) {
    cluster->rules[node][cluster->rule_counts[node]++] = rule;
    use(cluster, node);
}

void fake_cluster_answer(struct fake_cluster *cluster) {
    cluster->has_answers = true;
    for (int i = 0; i < FAKE_NODES; i++)
        use(cluster, i);
}

void fake_cluster_start(struct fake_cluster *cluster) {
    memset(cluster, 0, sizeof *cluster);
    for (int i = 0; i < FAKE_NODES; i++) {
        cluster->nodes[i] = fake_server_start(0, NULL, 0);
        cluster->ports[i] = fake_server_port(cluster->nodes[i]);
    }
    fake_cluster_write_map(cluster, cluster->map, (int[]){0, 1, 2});
    for (int i = 0; i < FAKE_NODES; i++)
        use(cluster, i);
    (void)snprintf(cluster->seeds, sizeof cluster->seeds, "127.0.0.1:%d", cluster->ports[0]);
}

void fake_cluster_stop(struct fake_cluster *cluster) {
    for (int i = 0; i < FAKE_NODES; i++)
        fake_server_stop(cluster->nodes[i]);
}

void fake_cluster_use_replicas(struct fake_cluster *cluster) {
    size_t used = (size_t)snprintf(cluster->map, FAKE_TEXT, "*1\r\n*5\r\n:0\r\n:16383\r\n");
    for (int i = 0; i < FAKE_NODES; i++)
        used += (size_t)snprintf(cluster->map + used, FAKE_TEXT - used,
                                 "*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$2\r\nid\r\n", cluster->ports[i]);
}
