/* SPDX-License-Identifier: BSD-3-Clause */
/* First the name is looked up by a thread, then its addresses race as in a blocking connect. */
#include "client/connect_opening.h"

#include "client/connect_race.h"
#include "client/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP_MS = 10 };

struct opening {
    struct resolution *resolution; /* NULL: answered */
    struct addrinfo *list, *sources;
    const struct addrinfo *next; /* address to be tried */
    struct attempts attempts;
    long long next_at_ms; /* when, if nothing fails before */
};

static struct opening *opening_of(valkeyContext *c) {
    return connection_of(c)->async.opening;
}

int opening_create(valkeyContext *c, const int families[2], struct addrinfo *sources) {
    struct opening *opening = vk_calloc(1, sizeof *opening);
    connection_of(c)->async.opening = opening;
    if (opening == NULL) {
        if (sources != NULL)
            freeaddrinfo(sources);
        return connection_fail_memory(c);
    }
    opening->sources = sources;
    opening->attempts.failure = ETIMEDOUT;
    c->fd = socket(families[0] == AF_UNSPEC ? AF_INET : families[0],
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failure = errno;
    if (c->fd >= 0)
        opening->resolution = resolution_start(c->tcp.host, c->tcp.port, 0, families);
    if (opening->resolution != NULL)
        return VALKEY_OK;
    opening_end(c);
    return c->fd >= 0 ? connection_fail_memory(c) : connection_fail_errno(c, failure, NULL);
}

void opening_end(valkeyContext *c) {
    struct opening *opening = opening_of(c);
    if (opening == NULL)
        return;
    connection_of(c)->async.opening = NULL;
    resolution_end(opening->resolution);
    attempts_end(&opening->attempts);
    if (opening->list != NULL)
        freeaddrinfo(opening->list);
    if (opening->sources != NULL)
        freeaddrinfo(opening->sources);
    vk_free(opening);
}

static enum opening_result fail(valkeyContext *c, int failure) {
    (void)connection_fail_errno(c, failure, NULL);
    opening_end(c);
    return OPENING_FAILED;
}

/* What a program may have set on the placeholder. */
static void copy_options(int from, int to) {
    static const struct {
        int level, name;
    } OPTIONS[] = {{SOL_SOCKET, SO_KEEPALIVE},
                   {IPPROTO_TCP, TCP_KEEPIDLE},
                   {IPPROTO_TCP, TCP_KEEPINTVL},
                   {IPPROTO_TCP, TCP_KEEPCNT},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT}};
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        int value;
        socklen_t size = sizeof value;
        if (getsockopt(from, OPTIONS[i].level, OPTIONS[i].name, &value, &size) == 0)
            (void)setsockopt(to, OPTIONS[i].level, OPTIONS[i].name, &value, size);
    }
}

static enum opening_result win(valkeyContext *c, int winner) {
    const struct attempts *attempts = &opening_of(c)->attempts;
    const struct addrinfo *address = attempts->addresses[winner];
    copy_options(c->fd, attempts->items[winner].fd);
    if (dup3(attempts->items[winner].fd, c->fd, O_CLOEXEC) < 0)
        return fail(c, errno);
    int result = connect_keep_address(c, address->ai_addr, address->ai_addrlen);
    if (result == VALKEY_OK)
        result = valkeySetTcpNoDelay(c);
    opening_end(c);
    return result == VALKEY_OK ? OPENING_DONE : OPENING_FAILED;
}

static enum opening_result race_on(valkeyContext *c) {
    struct opening *opening = opening_of(c);
    struct attempts *attempts = &opening->attempts;
    int winner = attempts->count > 0 ? attempts_wait(attempts, 0) : -1;
    while (winner < 0 && opening->next != NULL && attempts->count < ATTEMPTS_MAX &&
           (attempts->count == 0 || clock_now_ms() >= opening->next_at_ms)) {
        winner = attempts_add(c, attempts, opening->next, opening->sources);
        opening->next = opening->next->ai_next;
        opening->next_at_ms = clock_now_ms() + STAGGER_MS;
    }
    if (winner >= 0)
        return win(c, winner);
    if (attempts->count == 0 && opening->next == NULL)
        return fail(c, attempts->failure);
    return OPENING_WAITS;
}

enum opening_result opening_step(valkeyContext *c) {
    struct opening *opening = opening_of(c);
    int failure = 0;
    if (opening->resolution == NULL)
        return race_on(c);
    if (!resolution_wait(opening->resolution, 0, &opening->list, &failure))
        return OPENING_WAITS;
    resolution_end(opening->resolution);
    opening->resolution = NULL;
    opening->next = opening->list;
    if (failure == 0)
        return race_on(c);
    (void)connect_fail_name(c, failure);
    opening_end(c);
    return OPENING_FAILED;
}

enum opening_result opening_finish(valkeyContext *c) {
    enum opening_result result;
    while ((result = opening_step(c)) == OPENING_WAITS)
        (void)poll(NULL, 0, STEP_MS);
    return result;
}
