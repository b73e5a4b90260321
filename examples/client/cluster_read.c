/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads from the node that answers fastest, what was seen of the nodes, and a log. */
#include <valkey/cluster_read.h>
#include <valkey/cluster_statistics.h>

#include <stdlib.h>

enum { READS = 20, NODES_MAX = 64 };

static void on_log(const valkeyClusterContext *cc, int level, const char *message, void *privdata) {
    (void)cc;
    (void)privdata;
    fprintf(stderr, "%d %s\n", level, message);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    valkeyClusterOptions options = {.initial_nodes = seeds, .options = VALKEY_OPT_USE_REPLICAS};
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    if (cc == NULL || cc->err != 0)
        return 1;
    valkeyClusterSetLogCallback(cc, VALKEY_LOG_INFO, on_log, NULL);
    valkeyClusterSetReadFrom(cc, VALKEYCLUSTER_READ_NEAREST, NULL);
    freeReplyObject(valkeyClusterCommand(cc, "SET example 1"));
    valkeyReply *reply = NULL;
    for (int i = 0; i < READS; i++) {
        freeReplyObject(reply);
        reply = valkeyClusterCommand(cc, "GET example");
    }
    printf("value: %s\n", reply != NULL ? reply->str : cc->errstr);
    freeReplyObject(reply);

    valkeyClusterNode *nodes[NODES_MAX];
    size_t count = valkeyClusterGetNodes(cc, nodes, NODES_MAX);
    unsigned long long commands = 0;
    for (size_t i = 0; i < count && i < NODES_MAX; i++) {
        valkeyClusterNodeStatistics seen;
        if (valkeyClusterGetNodeStatistics(cc, nodes[i], &seen) == VALKEY_OK)
            commands += seen.commands;
    }
    printf("commands sent: %llu\n", commands);
    valkeyClusterFree(cc);
    return 0;
}
