/* SPDX-License-Identifier: BSD-3-Clause */
/* A subscription that a cluster context keeps, whatever becomes of the node that it is at. */
#include <valkey/adapters/libevent.h>
#include <valkey/cluster_pubsub.h>

#include <stdlib.h>

static void on_message(valkeyClusterAsyncContext *acc, const valkeyClusterMessage *message,
                       void *privdata) {
    (void)privdata;
    if (message == NULL) {
        printf("ended\n");
    } else if (message->event == VALKEY_MESSAGE_SUBSCRIBED) {
        valkeyClusterNodeIterator walk;
        valkeyClusterInitNodeIterator(&walk, &acc->cc);
        valkeyClusterAsyncCommandToNode(acc, valkeyClusterNodeNext(&walk), NULL, NULL,
                                        "PUBLISH news hello");
    } else if (message->event == VALKEY_MESSAGE_DATA) {
        printf("%s: %.*s\n", message->channel, (int)message->data_size, message->data);
        valkeyClusterAsyncDisconnect(acc);
    }
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    struct timeval timeout = {.tv_sec = 1}; /* a node that is silent for so long is left */
    struct event_base *base = event_base_new();
    valkeyClusterOptions options = {.initial_nodes = seeds, .command_timeout = &timeout};
    valkeyClusterOptionsUseLibevent(&options, base);
    valkeyClusterAsyncContext *acc = valkeyClusterAsyncConnectWithOptions(&options);
    if (acc == NULL || acc->err != 0)
        return 1;
    valkeyClusterAsyncSubscribe(acc, VALKEY_SUBSCRIBE_CHANNEL, "news", 4, on_message, NULL);
    event_base_dispatch(base); /* returns when the context has disconnected */
    valkeyClusterAsyncFree(acc);
    event_base_free(base);
    return 0;
}
