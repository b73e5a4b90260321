/* SPDX-License-Identifier: BSD-3-Clause */
/* A cache of one value in the program. The server says when the value is out of date: a push
 * message that comes with the next reply. */
#include <valkey/valkey.h>

#include <stdlib.h>
#include <string.h>

struct cache {
    char value[64];
    int is_fresh;
};

static void on_push(void *privdata, void *reply) {
    const valkeyReply *push = (valkeyReply *)reply;
    if (push->elements == 2 && strcmp(push->element[0]->str, "invalidate") == 0)
        ((struct cache *)privdata)->is_fresh = 0;
    freeReplyObject(reply);
}

static const char *get(valkeyContext *c, struct cache *cache) {
    if (cache->is_fresh)
        return cache->value;
    valkeyReply *reply = valkeyCommand(c, "GET example:cached");
    if (reply == NULL)
        return c->errstr;
    snprintf(cache->value, sizeof cache->value, "%s", reply->str != NULL ? reply->str : "");
    cache->is_fresh = 1;
    freeReplyObject(reply);
    return cache->value;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    struct cache cache = {.is_fresh = 0};
    valkeyOptions options = {.push_cb = on_push};
    VALKEY_OPTIONS_SET_TCP(&options, argv[1], atoi(argv[2]));
    VALKEY_OPTIONS_SET_PRIVDATA(&options, &cache, NULL);
    valkeyContext *c = valkeyConnectWithOptions(&options);
    valkeyContext *writer = valkeyConnect(argv[1], atoi(argv[2]));
    if (c == NULL || c->err != 0 || writer == NULL || writer->err != 0)
        return 1;
    freeReplyObject(valkeyCommand(writer, "SET example:cached old"));
    freeReplyObject(valkeyCommand(c, "HELLO 3"));
    freeReplyObject(valkeyCommand(c, "CLIENT TRACKING ON"));
    printf("asked: %s\n", get(c, &cache));
    printf("from memory: %s\n", get(c, &cache));
    freeReplyObject(valkeyCommand(writer, "SET example:cached new"));
    freeReplyObject(valkeyCommand(c, "PING")); /* any reply brings the message */
    printf("asked again: %s\n", get(c, &cache));
    valkeyFree(c);
    valkeyFree(writer);
    return 0;
}
