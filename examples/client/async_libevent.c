/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks in a libevent loop, which ends when nothing is left to wait for. */
#include <valkey/adapters/libevent.h>

#include <stdlib.h>

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = (valkeyReply *)data;
    (void)privdata;
    printf("GET: %s\n", reply != NULL ? reply->str : ac->errstr);
    valkeyAsyncDisconnect(ac);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    if (status != VALKEY_OK)
        fprintf(stderr, "disconnected: %s\n", ac->errstr);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    struct event_base *base = event_base_new();
    valkeyAsyncContext *ac = valkeyAsyncConnect(argv[1], atoi(argv[2]));
    if (ac == NULL || ac->err != 0)
        return 1;
    valkeyLibeventAttach(ac, base);
    valkeyAsyncSetDisconnectCallback(ac, on_disconnect);
    valkeyAsyncCommand(ac, NULL, NULL, "SET %s %s", "example:async", "hello");
    valkeyAsyncCommand(ac, on_reply, NULL, "GET example:async");
    event_base_dispatch(base);
    event_base_free(base);
    return 0;
}
