/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands and replies over one connection. */
#include <valkey/valkey.h>

#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    struct timeval timeout = {.tv_sec = 2};
    valkeyContext *c = valkeyConnectWithTimeout(argv[1], atoi(argv[2]), timeout);
    if (c == NULL || c->err != 0) {
        fprintf(stderr, "connect: %s\n", c != NULL ? c->errstr : "Out of memory");
        valkeyFree(c);
        return 1;
    }
    static const char DATA[] = {'a', '\0', 'b'};
    valkeyReply *reply = valkeyCommand(c, "SET %s %b", "example:data", DATA, sizeof DATA);
    printf("SET: %s\n", reply != NULL ? reply->str : c->errstr);
    freeReplyObject(reply);

    reply = valkeyCommand(c, "GET example:data");
    if (reply != NULL)
        printf("GET: %zu bytes\n", reply->len);
    freeReplyObject(reply);

    freeReplyObject(valkeyCommand(c, "DEL example:list"));
    freeReplyObject(valkeyCommand(c, "RPUSH example:list %d %d %d", 1, 2, 3));
    reply = valkeyCommand(c, "LRANGE example:list 0 -1");
    for (size_t i = 0; reply != NULL && i < reply->elements; i++)
        printf("element %zu: %s\n", i, reply->element[i]->str);
    freeReplyObject(reply);

    reply = valkeyCommand(c, "LPUSH example:data x");
    if (reply != NULL && reply->type == VALKEY_REPLY_ERROR)
        printf("refused: %s\n", reply->str); /* the connection goes on */
    freeReplyObject(reply);
    valkeyFree(c);
    return 0;
}
