/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks in an sd-event loop. */
#include <valkey/adapters/libsdevent.h>

#include <stdlib.h>

static struct sd_event *event;

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = (valkeyReply *)data;
    (void)privdata;
    printf("GET: %s\n", reply != NULL ? reply->str : ac->errstr);
    valkeyAsyncDisconnect(ac);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    if (status != VALKEY_OK)
        fprintf(stderr, "disconnected: %s\n", ac->errstr);
    sd_event_exit(event, 0);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    sd_event_new(&event);
    valkeyAsyncContext *ac = valkeyAsyncConnect(argv[1], atoi(argv[2]));
    if (ac == NULL || ac->err != 0)
        return 1;
    valkeyLibsdeventAttach(ac, event);
    valkeyAsyncSetDisconnectCallback(ac, on_disconnect);
    valkeyAsyncCommand(ac, NULL, NULL, "SET %s %s", "example:async", "hello");
    valkeyAsyncCommand(ac, on_reply, NULL, "GET example:async");
    sd_event_loop(event);
    sd_event_unref(event);
    return 0;
}
