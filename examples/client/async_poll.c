/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks without an event library: the program waits for the connection itself. */
#include <valkey/adapters/poll.h>

#include <stdlib.h>

static int is_over;

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = (valkeyReply *)data;
    (void)privdata;
    printf("GET: %s\n", reply != NULL ? reply->str : ac->errstr);
    valkeyAsyncDisconnect(ac);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    if (status != VALKEY_OK)
        fprintf(stderr, "disconnected: %s\n", ac->errstr);
    is_over = 1;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    valkeyAsyncContext *ac = valkeyAsyncConnect(argv[1], atoi(argv[2]));
    if (ac == NULL || ac->err != 0)
        return 1;
    valkeyPollAttach(ac);
    valkeyAsyncSetDisconnectCallback(ac, on_disconnect);
    valkeyAsyncCommand(ac, NULL, NULL, "SET %s %s", "example:async", "hello");
    valkeyAsyncCommand(ac, on_reply, NULL, "GET example:async");
    while (!is_over)
        valkeyPollTick(ac, -1);
    return 0;
}
