/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster: single commands, a pipeline over all nodes, and a walk over them. */
#include <valkey/cluster.h>

#include <stdlib.h>

enum { KEYS = 100 };

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    struct timeval timeout = {.tv_sec = 2};
    valkeyClusterOptions options = {
        .initial_nodes = seeds, .connect_timeout = &timeout, .command_timeout = &timeout};
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    if (cc == NULL || cc->err != 0) {
        fprintf(stderr, "cluster: %s\n", cc != NULL ? cc->errstr : "Out of memory");
        valkeyClusterFree(cc);
        return 1;
    }
    valkeyReply *reply = valkeyClusterCommand(cc, "SET %s %d", "example", 42);
    printf("SET: %s\n", reply != NULL ? reply->str : cc->errstr);
    freeReplyObject(reply);

    for (int i = 0; i < KEYS; i++)
        valkeyClusterAppendCommand(cc, "SET example:%d %d", i, i);
    for (int i = 0; i < KEYS; i++) {
        void *stored;
        if (valkeyClusterGetReply(cc, &stored) != VALKEY_OK)
            fprintf(stderr, "key %d: %s\n", i, cc->errstr);
        freeReplyObject(stored);
    }

    long long keys = 0;
    valkeyClusterNodeIterator walk;
    valkeyClusterInitNodeIterator(&walk, cc);
    valkeyClusterNode *node;
    while ((node = valkeyClusterNodeNext(&walk)) != NULL) {
        reply = valkeyClusterCommandToNode(cc, node, "DBSIZE");
        if (reply != NULL)
            keys += reply->integer;
        freeReplyObject(reply);
    }
    printf("keys: %lld\n", keys);
    valkeyClusterFree(cc);
    return 0;
}
