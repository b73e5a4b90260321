/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands to a cluster whose keys lie on several nodes, or that have no key. */
#include <valkey/cluster_commands.h>

#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    valkeyClusterContext *cc = valkeyClusterConnect(seeds);
    if (cc == NULL || cc->err != 0)
        return 1;
    freeReplyObject(valkeyClusterSpreadCommand(cc, "MSET apple 1 pear 2 plum 3"));
    valkeyReply *reply = valkeyClusterSpreadCommand(cc, "MGET pear apple plum");
    for (size_t i = 0; reply != NULL && i < reply->elements; i++)
        printf("value: %s\n", reply->element[i]->str);
    freeReplyObject(reply);
    reply = valkeyClusterSpreadCommand(cc, "DBSIZE");
    printf("keys in all nodes: %lld\n", reply != NULL ? reply->integer : -1);
    freeReplyObject(reply);
    reply = valkeyClusterSpreadCommand(cc, "DEL apple pear plum");
    printf("deleted: %lld\n", reply != NULL ? reply->integer : -1);
    freeReplyObject(reply);
    valkeyClusterFree(cc);
    return 0;
}
