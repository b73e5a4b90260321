/* SPDX-License-Identifier: BSD-3-Clause */
/* One load on one server with one client library, compiled once for ours and once, with
 * BENCH_HIREDIS, for libhiredis. Prints the client's CPU time per command in nanoseconds, and
 * commands per second. Every reply is checked.
 *
 *     bench-client-... MODE PORT COMMANDS
 *
 * Modes: sync, pipeline-N, async (1000 outstanding), lrange (arrays of 500 elements, key "list");
 * with ours also cluster (pipeline of 100 over all nodes), cluster-async (1000 outstanding over all
 * nodes), pool and connect (64 threads, by a pool of two connections or by one connection per
 * command). */
#ifdef BENCH_HIREDIS
#include <hiredis/adapters/libevent.h>
#include <hiredis/hiredis.h>
#define valkeyContext         redisContext
#define valkeyReply           redisReply
#define valkeyAsyncContext    redisAsyncContext
#define valkeyConnect         redisConnect
#define valkeyFree            redisFree
#define valkeyCommand         redisCommand
#define valkeyAppendCommand   redisAppendCommand
#define valkeyGetReply        redisGetReply
#define valkeyAsyncConnect    redisAsyncConnect
#define valkeyAsyncCommand    redisAsyncCommand
#define valkeyAsyncDisconnect redisAsyncDisconnect
#define valkeyLibeventAttach  redisLibeventAttach
#define VALKEY_REPLY_ARRAY    REDIS_REPLY_ARRAY
#define VALKEY_OK             REDIS_OK
#else
#include <valkey/adapters/libevent.h>
#include <valkey/cluster.h>
#include <valkey/pool.h>
#endif

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    OUTSTANDING = 1000,
    ELEMENTS = 500,
    CLUSTER_PIPELINE = 100,
    CLUSTER_KEYS = 100,
    THREADS = 64
};

static int port;
static long commands;

static void require(bool condition, const char *what) {
    if (condition)
        return;
    (void)fprintf(stderr, "%s\n", what);
    exit(1);
}

static void expect(valkeyReply *reply) {
    require(reply != NULL && reply->str != NULL && strcmp(reply->str, "value") == 0, "wrong reply");
    freeReplyObject(reply);
}

static valkeyContext *connect_blocking(void) {
    valkeyContext *c = valkeyConnect("127.0.0.1", port);
    require(c != NULL && c->err == 0, "connect");
    return c;
}

static void run_pipeline(int depth) {
    valkeyContext *c = connect_blocking();
    for (long i = 0; i < commands; i += depth) {
        for (int j = 0; j < depth; j++)
            require(valkeyAppendCommand(c, "GET %s", "key") == VALKEY_OK, "append");
        for (int j = 0; j < depth; j++) {
            void *reply = NULL;
            require(valkeyGetReply(c, &reply) == VALKEY_OK, "reply");
            expect(reply);
        }
    }
    valkeyFree(c);
}

static void run_sync(void) {
    valkeyContext *c = connect_blocking();
    for (long i = 0; i < commands; i++)
        expect(valkeyCommand(c, "GET %s", "key"));
    valkeyFree(c);
}

static void run_lrange(void) {
    valkeyContext *c = connect_blocking();
    for (long i = 0; i < commands; i++) {
        valkeyReply *reply = valkeyCommand(c, "LRANGE list 0 %d", ELEMENTS - 1);
        require(reply != NULL && reply->type == VALKEY_REPLY_ARRAY && reply->elements == ELEMENTS,
                "wrong array");
        freeReplyObject(reply);
    }
    valkeyFree(c);
}

static long sent, answered;

static void on_reply(valkeyAsyncContext *ac, void *data, void *privdata) {
    const valkeyReply *reply = data;
    (void)privdata;
    require(reply != NULL && reply->str != NULL && strcmp(reply->str, "value") == 0, "wrong reply");
    answered++;
    if (sent < commands) {
        sent++;
        require(valkeyAsyncCommand(ac, on_reply, NULL, "GET %s", "key") == VALKEY_OK, "send");
    } else if (answered == commands) {
        valkeyAsyncDisconnect(ac);
    }
}

static void run_async(void) {
    struct event_base *base = event_base_new();
    valkeyAsyncContext *ac = valkeyAsyncConnect("127.0.0.1", port);
    require(ac != NULL && ac->err == 0, "connect");
    valkeyLibeventAttach(ac, base);
    for (sent = 0; sent < OUTSTANDING && sent < commands; sent++)
        require(valkeyAsyncCommand(ac, on_reply, NULL, "GET %s", "key") == VALKEY_OK, "send");
    (void)event_base_dispatch(base);
    require(answered == commands, "replies are missing");
    event_base_free(base);
}

#ifndef BENCH_HIREDIS
static char seed[32];

/* A context of the cluster, whose keys hold what replies must be. */
static valkeyClusterContext *connect_cluster(void) {
    (void)snprintf(seed, sizeof seed, "127.0.0.1:%d", port);
    valkeyClusterContext *cc = valkeyClusterConnect(seed);
    require(cc != NULL && cc->err == 0, "connect");
    for (int i = 0; i < CLUSTER_KEYS; i++)
        freeReplyObject(valkeyClusterCommand(cc, "SET key:%d value", i));
    return cc;
}

static void run_cluster(void) {
    valkeyClusterContext *cc = connect_cluster();
    for (long i = 0; i < commands; i += CLUSTER_PIPELINE) {
        for (int j = 0; j < CLUSTER_PIPELINE; j++)
            require(valkeyClusterAppendCommand(cc, "GET key:%d", j % CLUSTER_KEYS) == VALKEY_OK,
                    "append");
        for (int j = 0; j < CLUSTER_PIPELINE; j++) {
            void *reply = NULL;
            require(valkeyClusterGetReply(cc, &reply) == VALKEY_OK, "reply");
            expect(reply);
        }
    }
    valkeyClusterFree(cc);
}

static void on_cluster_reply(valkeyClusterAsyncContext *acc, void *data, void *privdata);

static void send_one(valkeyClusterAsyncContext *acc) {
    int key = (int)(sent++ % CLUSTER_KEYS);
    require(valkeyClusterAsyncCommand(acc, on_cluster_reply, NULL, "GET key:%d", key) == VALKEY_OK,
            "send");
}

static void on_cluster_reply(valkeyClusterAsyncContext *acc, void *data, void *privdata) {
    const valkeyReply *reply = data;
    (void)privdata;
    require(reply != NULL && reply->str != NULL && strcmp(reply->str, "value") == 0, "wrong reply");
    answered++;
    if (sent < commands)
        send_one(acc);
    else if (answered == commands)
        valkeyClusterAsyncDisconnect(acc);
}

static void run_cluster_async(void) {
    valkeyClusterFree(connect_cluster());
    struct event_base *base = event_base_new();
    valkeyClusterOptions options = {.initial_nodes = seed,
                                    .options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE};
    require(valkeyClusterOptionsUseLibevent(&options, base) == VALKEY_OK, "options");
    valkeyClusterAsyncContext *acc = valkeyClusterAsyncConnectWithOptions(&options);
    require(acc != NULL && acc->err == 0, "connect");
    while (sent < OUTSTANDING && sent < commands)
        send_one(acc);
    (void)event_base_dispatch(base);
    require(answered == commands, "replies are missing");
    valkeyClusterAsyncFree(acc);
    event_base_free(base);
}

static valkeyPool *pool;

static void *work(void *unused) {
    (void)unused;
    for (long i = 0; i < commands / THREADS; i++) {
        if (pool != NULL) {
            expect(valkeyPoolCommand(pool, NULL, "GET %s", "key"));
        } else {
            valkeyContext *c = connect_blocking();
            expect(valkeyCommand(c, "GET %s", "key"));
            valkeyFree(c);
        }
    }
    return NULL;
}

static void run_threads(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, work, NULL) == 0, "thread");
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

static void run_pool(void) {
    valkeyPoolOptions options = {.connections = 2};
    VALKEY_OPTIONS_SET_TCP(&options.connection, "127.0.0.1", port);
    pool = valkeyPoolCreate(&options);
    run_threads();
    valkeyPoolFree(pool);
}
#endif

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu_seconds(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static double now_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    require(argc == 4, "arguments: MODE PORT COMMANDS");
    const char *mode = argv[1];
    port = atoi(argv[2]);
    commands = atol(argv[3]);
    double cpu = cpu_seconds(), begin = now_seconds();
    if (strcmp(mode, "sync") == 0)
        run_sync();
    else if (strncmp(mode, "pipeline-", 9) == 0)
        run_pipeline(atoi(mode + 9));
    else if (strcmp(mode, "async") == 0)
        run_async();
    else if (strcmp(mode, "lrange") == 0)
        run_lrange();
#ifndef BENCH_HIREDIS
    else if (strcmp(mode, "cluster") == 0)
        run_cluster();
    else if (strcmp(mode, "cluster-async") == 0)
        run_cluster_async();
    else if (strcmp(mode, "pool") == 0)
        run_pool();
    else if (strcmp(mode, "connect") == 0)
        run_threads();
#endif
    else
        require(false, "unknown mode");
    cpu = cpu_seconds() - cpu;
    printf("%.1f %.0f\n", cpu * 1e9 / (double)commands, (double)commands / (now_seconds() - begin));
    return 0;
}
