/* SPDX-License-Identifier: BSD-3-Clause */
/* One connection subscribes, another publishes. */
#include <valkey/valkey.h>

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    valkeyContext *subscriber = valkeyConnect(argv[1], atoi(argv[2]));
    valkeyContext *publisher = valkeyConnect(argv[1], atoi(argv[2]));
    if (subscriber == NULL || subscriber->err != 0 || publisher == NULL || publisher->err != 0)
        return 1;
    freeReplyObject(valkeyCommand(subscriber, "SUBSCRIBE example:news"));
    freeReplyObject(valkeyCommand(publisher, "PUBLISH example:news hello"));
    freeReplyObject(valkeyCommand(publisher, "PUBLISH example:news bye"));
    for (int is_over = 0; !is_over;) {
        void *data;
        if (valkeyGetReply(subscriber, &data) != VALKEY_OK)
            return 1;
        valkeyReply *reply = data; /* "message", channel, text */
        printf("%s: %s\n", reply->element[1]->str, reply->element[2]->str);
        is_over = strcmp(reply->element[2]->str, "bye") == 0;
        freeReplyObject(reply);
    }
    valkeyFree(subscriber);
    valkeyFree(publisher);
    return 0;
}
