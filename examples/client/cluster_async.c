/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster in an event loop: commands are sent when the map is there. */
#include <valkey/adapters/libevent.h>

enum { KEYS = 100 };

static int answers;

static void on_reply(valkeyClusterAsyncContext *acc, void *data, void *privdata) {
    const valkeyReply *reply = (valkeyReply *)data;
    (void)privdata;
    if (reply == NULL)
        fprintf(stderr, "failed: %s\n", acc->errstr);
    if (++answers == KEYS)
        valkeyClusterAsyncDisconnect(acc); /* the loop ends with the last connection */
}

static void on_event(const valkeyClusterContext *cc, int event, void *privdata) {
    valkeyClusterAsyncContext *acc = (valkeyClusterAsyncContext *)cc;
    (void)privdata;
    if (event != VALKEYCLUSTER_EVENT_READY)
        return;
    for (int i = 0; i < KEYS; i++)
        if (valkeyClusterAsyncCommand(acc, on_reply, NULL, "SET example:%d %d", i, i) != VALKEY_OK)
            fprintf(stderr, "not sent: %s\n", acc->errstr);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    struct event_base *base = event_base_new();
    valkeyClusterOptions options = {.initial_nodes = seeds, .event_callback = on_event};
    valkeyClusterOptionsUseLibevent(&options, base);
    valkeyClusterAsyncContext *acc = valkeyClusterAsyncConnectWithOptions(&options);
    if (acc == NULL || acc->err != 0)
        return 1;
    event_base_dispatch(base);
    valkeyClusterAsyncFree(acc);
    event_base_free(base);
    printf("answers: %d\n", answers);
    return 0;
}
