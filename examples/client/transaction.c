/* SPDX-License-Identifier: BSD-3-Clause */
/* Doubles a number, again and again until nobody has changed it meanwhile. */
#include <valkey/valkey.h>

#include <stdlib.h>

/* 1: done, 0: somebody was faster, -1: the connection failed. */
static int try_to_double(valkeyContext *c, const char *key) {
    freeReplyObject(valkeyCommand(c, "WATCH %s", key));
    valkeyReply *reply = valkeyCommand(c, "GET %s", key);
    if (reply == NULL)
        return -1;
    long number = reply->str != NULL ? atol(reply->str) : 0;
    freeReplyObject(reply);
    freeReplyObject(valkeyCommand(c, "MULTI"));
    freeReplyObject(valkeyCommand(c, "SET %s %ld", key, 2 * number));
    reply = valkeyCommand(c, "EXEC");
    if (reply == NULL)
        return -1;
    int done = reply->type == VALKEY_REPLY_ARRAY;
    freeReplyObject(reply);
    return done;
}

int main(int argc, char **argv) {
    valkeyContext *c = argc == 3 ? valkeyConnect(argv[1], atoi(argv[2])) : NULL;
    if (c == NULL || c->err != 0)
        return 1;
    freeReplyObject(valkeyCommand(c, "SET example:number 21"));
    int done;
    while ((done = try_to_double(c, "example:number")) == 0) {
    }
    valkeyReply *reply = valkeyCommand(c, "GET example:number");
    if (done < 0 || reply == NULL)
        return 1;
    printf("doubled: %s\n", reply->str);
    freeReplyObject(reply);
    valkeyFree(c);
    return 0;
}
