/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that share a few connections; their commands travel together. */
#include <valkey/pool.h>

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 8, COMMANDS = 100 };

static void *work(void *pool) {
    for (int i = 0; i < COMMANDS; i++) {
        valkeyPoolError error;
        valkeyReply *reply = valkeyPoolCommand(pool, &error, "INCR example:shared");
        if (reply == NULL)
            fprintf(stderr, "%s\n", error.errstr);
        freeReplyObject(reply);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    valkeyPoolOptions options = {.connections = 2};
    VALKEY_OPTIONS_SET_TCP(&options.connection, argv[1], atoi(argv[2]));
    valkeyPool *pool = valkeyPoolCreate(&options);
    if (pool == NULL)
        return 1;
    freeReplyObject(valkeyPoolCommand(pool, NULL, "DEL example:shared"));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, pool);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    valkeyReply *reply = valkeyPoolCommand(pool, NULL, "GET example:shared");
    printf("counted: %s\n", reply != NULL ? reply->str : "nothing");
    freeReplyObject(reply);
    /* A transaction needs a connection of its own. */
    valkeyContext *c = valkeyPoolTake(pool, NULL);
    if (c != NULL) {
        freeReplyObject(valkeyCommand(c, "MULTI"));
        freeReplyObject(valkeyCommand(c, "DEL example:shared"));
        freeReplyObject(valkeyCommand(c, "EXEC"));
        valkeyPoolGive(pool, c);
    }
    valkeyPoolFree(pool);
    return 0;
}
