/* SPDX-License-Identifier: BSD-3-Clause */
/* A cache in the program that the server keeps fresh. */
#include <valkey/cache.h>

#include <stdlib.h>

static const char *get(valkeyContext *c, valkeyCache *cache) {
    const valkeyReply *reply = valkeyCacheCommand(cache, "GET example:cached");
    return reply == NULL ? c->errstr : reply->str != NULL ? reply->str : "none";
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    valkeyContext *c = valkeyConnect(argv[1], atoi(argv[2]));
    valkeyContext *writer = valkeyConnect(argv[1], atoi(argv[2]));
    if (c == NULL || c->err != 0 || writer == NULL || writer->err != 0)
        return 1;
    freeReplyObject(valkeyCommand(writer, "SET example:cached old"));
    valkeyCache *cache = valkeyCacheCreate(c, 1 << 20);
    if (cache == NULL) {
        fprintf(stderr, "cache: %s\n", c->errstr);
        return 1;
    }
    printf("asked: %s\n", get(c, cache));
    printf("from memory: %s\n", get(c, cache));
    freeReplyObject(valkeyCommand(writer, "SET example:cached new"));
    /* An answer of the server to anything else brings the message in any case. */
    valkeyCacheCommand(cache, "PING");
    printf("asked again: %s\n", get(c, cache));
    valkeyCacheStatistics seen;
    valkeyCacheGetStatistics(cache, &seen);
    printf("from memory %d times\n", (int)seen.hits);
    valkeyCacheFree(cache);
    valkeyFree(c);
    valkeyFree(writer);
    return 0;
}
