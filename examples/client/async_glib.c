/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks in a GLib main loop. */
#include <valkey/adapters/glib.h>

#include <stdlib.h>

static GMainLoop *loop;

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = (valkeyReply *)data;
    (void)privdata;
    printf("GET: %s\n", reply != NULL ? reply->str : ac->errstr);
    valkeyAsyncDisconnect(ac);
}

static void on_disconnect(const valkeyAsyncContext *ac, int status) {
    if (status != VALKEY_OK)
        fprintf(stderr, "disconnected: %s\n", ac->errstr);
    g_main_loop_quit(loop);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    loop = g_main_loop_new(NULL, FALSE);
    valkeyAsyncContext *ac = valkeyAsyncConnect(argv[1], atoi(argv[2]));
    if (ac == NULL || ac->err != 0)
        return 1;
    GSource *source = valkey_source_new(ac);
    g_source_attach(source, NULL);
    g_source_unref(source);
    valkeyAsyncSetDisconnectCallback(ac, on_disconnect);
    valkeyAsyncCommand(ac, NULL, NULL, "SET %s %s", "example:async", "hello");
    valkeyAsyncCommand(ac, on_reply, NULL, "GET example:async");
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    return 0;
}
