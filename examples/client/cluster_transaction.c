/* SPDX-License-Identifier: BSD-3-Clause */
/* In a cluster: read a value and write twice of it, unless somebody changes it meanwhile; and wait
 * for a job. All keys of a transaction have the same {tag}. */
#include <valkey/cluster_transaction.h>

#include <stdlib.h>

/* 1: done, 0: changed meanwhile, below 0: failed. */
static int double_it(valkeyClusterContext *cc) {
    valkeyClusterTransaction *transaction = valkeyClusterTransactionBegin(cc, "{example}", 9);
    if (transaction == NULL)
        return -1;
    int result = -1;
    freeReplyObject(valkeyClusterTransactionCommand(transaction, "WATCH {example}n"));
    valkeyReply *value = valkeyClusterTransactionCommand(transaction, "GET {example}n");
    if (value != NULL && value->str != NULL) {
        valkeyClusterTransactionAppend(transaction, "SET {example}n %d", atoi(value->str) * 2);
        valkeyReply *reply = valkeyClusterTransactionExec(transaction);
        if (reply != NULL)
            result = reply->type == VALKEY_REPLY_ARRAY;
        freeReplyObject(reply);
    }
    freeReplyObject(value);
    valkeyClusterTransactionEnd(transaction);
    return result;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    valkeyClusterContext *cc = valkeyClusterConnect(seeds);
    if (cc == NULL || cc->err != 0)
        return 1;
    freeReplyObject(valkeyClusterCommand(cc, "SET {example}n 21"));
    int result;
    while ((result = double_it(cc)) == 0) {
    }
    valkeyReply *reply = valkeyClusterCommand(cc, "GET {example}n");
    printf("doubled: %s\n", result > 0 && reply != NULL ? reply->str : cc->errstr);
    freeReplyObject(reply);
    freeReplyObject(valkeyClusterCommand(cc, "RPUSH jobs first"));
    reply = valkeyClusterBlockingCommand(cc, NULL, "BLPOP jobs 10");
    printf("job: %s\n", reply != NULL && reply->elements == 2 ? reply->element[1]->str : "none");
    freeReplyObject(reply);
    valkeyClusterFree(cc);
    return 0;
}
