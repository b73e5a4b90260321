/* SPDX-License-Identifier: BSD-3-Clause */
/* All keys of a cluster that begin with "example:". */
#include <valkey/cluster_scan.h>

#include <stdlib.h>

enum { KEYS = 50 };

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    valkeyClusterContext *cc = valkeyClusterConnect(seeds);
    if (cc == NULL || cc->err != 0)
        return 1;
    for (int i = 0; i < KEYS; i++)
        freeReplyObject(valkeyClusterCommand(cc, "SET example:%d %d", i, i));
    valkeyClusterScanOptions wanted = {.match = "example:*", .count = 100};
    valkeyClusterScan *scan = valkeyClusterScanCreate(cc, &wanted);
    size_t count = 0;
    valkeyReply *keys;
    while (scan != NULL && (keys = valkeyClusterScanNext(scan)) != NULL) {
        count += keys->elements;
        freeReplyObject(keys);
    }
    if (cc->err != 0)
        fprintf(stderr, "scan: %s\n", cc->errstr);
    printf("keys: %zu\n", count);
    valkeyClusterScanFree(scan);
    valkeyClusterFree(cc);
    return 0;
}
