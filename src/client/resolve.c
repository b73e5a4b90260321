/* SPDX-License-Identifier: BSD-3-Clause */
/* One detached thread per name. What it shares with the caller is counted: the last of the two
 * frees it. That memory is of the C library, not of the allocator table, because the thread may
 * outlive whoever set the table. */
#include "client/resolve.h"

#include "client/connection.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct resolution {
    /* immutable */
    int port, flags, families[2];
    pthread_mutex_t lock;
    pthread_cond_t is_done;
    /* guarded by lock */
    int holders;
    bool has_answer;
    int failure;
    struct addrinfo *list;
    char host[];
};

int resolve_now(const char *host, int port, int flags, const int families[2],
                struct addrinfo **out_list) {
    char service[16];
    int result = 0;
    (void)snprintf(service, sizeof service, "%d", port);
    for (int i = 0; i < 2; i++) {
        struct addrinfo hints = {.ai_family = families[i],
                                 .ai_socktype = SOCK_STREAM,
                                 .ai_flags = flags | AI_NUMERICSERV};
        result = getaddrinfo(host, service, &hints, out_list);
        if (result == 0)
            return 0;
    }
    *out_list = NULL;
    return result;
}

/* Lock held; it is gone afterwards. */
static void release(struct resolution *resolution) {
    bool is_last = --resolution->holders == 0;
    (void)pthread_mutex_unlock(&resolution->lock);
    if (!is_last)
        return;
    if (resolution->list != NULL)
        freeaddrinfo(resolution->list);
    (void)pthread_cond_destroy(&resolution->is_done);
    (void)pthread_mutex_destroy(&resolution->lock);
    free(resolution);
}

static void *look_up(void *argument) {
    struct resolution *resolution = argument;
    struct addrinfo *list = NULL;
    int failure = resolve_now(resolution->host, resolution->port, resolution->flags,
                              resolution->families, &list);
    (void)pthread_mutex_lock(&resolution->lock);
    resolution->failure = failure;
    resolution->list = list;
    resolution->has_answer = true;
    (void)pthread_cond_broadcast(&resolution->is_done);
    release(resolution);
    return NULL;
}

static struct resolution *create(const char *host, int port, int flags, const int families[2]) {
    size_t size = strlen(host) + 1;
    struct resolution *resolution = calloc(1, sizeof *resolution + size);
    pthread_condattr_t attributes;
    if (resolution == NULL)
        return NULL;
    resolution->port = port;
    resolution->flags = flags;
    resolution->families[0] = families[0];
    resolution->families[1] = families[1];
    resolution->holders = 2;
    memcpy(resolution->host, host, size);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&resolution->is_done, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&resolution->lock, NULL);
    return resolution;
}

struct resolution *resolution_start(const char *host, int port, int flags, const int families[2]) {
    struct resolution *resolution = create(host, port, flags, families);
    if (resolution == NULL)
        return NULL;
    pthread_t thread;
    if (pthread_create(&thread, NULL, look_up, resolution) == 0) {
        (void)pthread_detach(thread);
        return resolution;
    }
    (void)pthread_mutex_lock(&resolution->lock);
    resolution->holders--;
    release(resolution);
    return NULL;
}

bool resolution_wait(struct resolution *resolution, long long deadline, struct addrinfo **out_list,
                     int *out_failure) {
    struct timespec end = {.tv_sec = (time_t)(deadline / 1000),
                           .tv_nsec = (long)(deadline % 1000) * 1000000};
    int result = 0;
    (void)pthread_mutex_lock(&resolution->lock);
    while (!resolution->has_answer && result != ETIMEDOUT)
        result = deadline == DEADLINE_NONE
                     ? pthread_cond_wait(&resolution->is_done, &resolution->lock)
                     : pthread_cond_timedwait(&resolution->is_done, &resolution->lock, &end);
    bool has_answer = resolution->has_answer;
    if (has_answer) {
        *out_failure = resolution->failure;
        *out_list = resolution->list;
        resolution->list = NULL;
    }
    (void)pthread_mutex_unlock(&resolution->lock);
    return has_answer;
}

void resolution_end(struct resolution *resolution) {
    if (resolution == NULL)
        return;
    (void)pthread_mutex_lock(&resolution->lock);
    release(resolution);
}
