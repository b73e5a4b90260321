/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that share a cluster. */
#include <valkey/cluster_pool.h>

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 100 };

static void *count(void *pool) {
    for (int i = 0; i < ROUNDS; i++)
        freeReplyObject(
            valkeyClusterPoolCommand((valkeyClusterPool *)pool, NULL, "INCR example:%d", i % 10));
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char seeds[256];
    snprintf(seeds, sizeof seeds, "%s:%s", argv[1], argv[2]);
    valkeyPoolError error;
    valkeyClusterPoolOptions options = {.initial_nodes = seeds};
    valkeyClusterPool *pool = valkeyClusterPoolCreate(&options, &error);
    if (pool == NULL) {
        fprintf(stderr, "cluster: %s\n", error.errstr);
        return 1;
    }
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, pool);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    valkeyReply *reply = valkeyClusterPoolCommand(pool, &error, "GET example:0");
    printf("counted: %s\n", reply != NULL ? reply->str : error.errstr);
    freeReplyObject(reply);
    valkeyClusterPoolFree(pool);
    return 0;
}
