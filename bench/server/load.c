/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection has a ring of the requests under way (key, template, start time), a send buffer and
 * a receive buffer; replies come in request order. A tick handles every ready connection in two
 * passes, receive and check, then refill and send, like the servers it drives: their ticks stay
 * full. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EVENT_COUNT = 1024, RECEIVE_START_BYTES = 16 * 1024, SECOND_NS = 1000000000 };

struct pending {
    uint64_t key;
    uint64_t start_ns;
    const struct request_template *template;
};

struct connection {
    int fd;
    bool waits_for_output;
    struct pending *pending; /* ring of pipeline_max */
    unsigned pending_start;
    unsigned pending_count;
    char *out;
    size_t out_capacity;
    size_t out_start;
    size_t out_end;
    char *in;
    size_t in_capacity;
    size_t in_end;
};

struct load {
    struct load_target target;
    int epoll_fd;
    unsigned next_connection;
    struct connection *connections;
};

/* State of one load_execute. */
struct execution {
    struct load *load;
    const struct load_run *run;
    struct load_result *result;
    struct random_source random;
    uint64_t issued;
    uint64_t answered;
    uint64_t limit;
    uint64_t start_ns;
    uint64_t end_ns; /* no new requests from here on */
    double interval_ns;
    bool is_broken;
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* ---- connecting ---- */

static int target_connect(const struct load_target *target) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(target->port)};
    const void *address = &local;
    socklen_t length = sizeof(local);
    int family = AF_UNIX;
    if (target->host[0] == '/') {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", target->host);
    } else if (inet_pton(AF_INET, target->host, &ip4.sin_addr) == 1) {
        address = &ip4;
        length = sizeof(ip4);
        family = AF_INET;
    } else if (inet_pton(AF_INET6, target->host, &ip6.sin6_addr) == 1) {
        address = &ip6;
        length = sizeof(ip6);
        family = AF_INET6;
    }
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, address, length) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static bool connection_open(struct load *load, struct connection *c) {
    c->fd = target_connect(&load->target);
    if (c->fd < 0)
        return false;
    c->in_capacity = RECEIVE_START_BYTES;
    c->in = malloc(c->in_capacity);
    c->pending = calloc(load->target.pipeline_max, sizeof(*c->pending));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    return c->in != NULL && c->pending != NULL &&
           epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

struct load *load_create(const struct load_target *target) {
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL)
        return NULL;
    load->target = *target;
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->connections = calloc(target->connections, sizeof(*load->connections));
    bool is_ok = load->epoll_fd >= 0 && load->connections != NULL;
    for (unsigned i = 0; load->connections != NULL && i < target->connections; i++)
        load->connections[i].fd = -1;
    for (unsigned i = 0; is_ok && i < target->connections; i++)
        is_ok = connection_open(load, &load->connections[i]);
    if (is_ok)
        return load;
    fprintf(stderr, "bench-load: %s port %u: %s\n", target->host, target->port, strerror(errno));
    load_destroy(load);
    return NULL;
}

void load_destroy(struct load *load) {
    if (load == NULL)
        return;
    for (unsigned i = 0; load->connections != NULL && i < load->target.connections; i++) {
        struct connection *c = &load->connections[i];
        if (c->fd >= 0)
            close(c->fd);
        free(c->pending);
        free(c->out);
        free(c->in);
    }
    free(load->connections);
    if (load->epoll_fd >= 0)
        close(load->epoll_fd);
    free(load);
}

/* ---- one connection ---- */

static void execution_break(struct execution *e, const char *problem) {
    e->is_broken = true;
    if (e->result->problem[0] == '\0')
        snprintf(e->result->problem, sizeof(e->result->problem), "%s", problem);
}

static void connection_watch(struct execution *e, struct connection *c, bool for_output) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (for_output)
        event.events |= EPOLLOUT;
    epoll_ctl(e->load->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->waits_for_output = for_output;
}

static void connection_flush(struct execution *e, struct connection *c) {
    while (c->out_start < c->out_end) {
        ssize_t sent = send(c->fd, c->out + c->out_start, c->out_end - c->out_start,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            execution_break(e, strerror(errno));
            return;
        }
        c->out_start += (size_t)sent;
    }
    if (c->out_start == c->out_end)
        c->out_start = c->out_end = 0;
    if (c->waits_for_output != (c->out_end > 0))
        connection_watch(e, c, c->out_end > 0);
}

/* Append the next request to the send buffer. */
static void connection_append(struct execution *e, struct connection *c, uint64_t start_ns) {
    const struct load_run *run = e->run;
    const struct request_template *t = run->templates[0];
    if (run->templates[1] != NULL && random_below(&e->random, 100) >= run->first_percent)
        t = run->templates[1];
    if (c->out_end + t->length > c->out_capacity) {
        size_t capacity = (c->out_end + t->length) * 2;
        char *out = realloc(c->out, capacity);
        if (out == NULL) {
            execution_break(e, "out of memory");
            return;
        }
        c->out = out;
        c->out_capacity = capacity;
    }
    unsigned at = c->pending_start + c->pending_count;
    if (at >= e->load->target.pipeline_max)
        at -= e->load->target.pipeline_max;
    uint64_t key = key_sequence_next(run->keys);
    c->pending[at] = (struct pending){.key = key, .start_ns = start_ns, .template = t};
    c->pending_count++;
    request_write(t, run->keyspace, key, c->out + c->out_end);
    c->out_end += t->length;
    e->issued++;
}

static void reply_account(struct execution *e, const struct pending *p, const struct reply *reply) {
    struct load_result *result = e->result;
    enum outcome outcome =
        request_check(p->template, e->run->keyspace, e->load->target.protocol, p->key, reply);
    if (outcome == OUTCOME_CORRECT)
        return;
    result->misses += outcome == OUTCOME_MISS;
    result->wrong += outcome == OUTCOME_WRONG;
    result->errors += outcome == OUTCOME_ERROR;
    if (result->problem[0] == '\0' && outcome == OUTCOME_ERROR)
        snprintf(result->problem, sizeof(result->problem), "error reply: %.*s",
                 (int)(reply->length < 100 ? reply->length : 100), reply->data);
    else if (result->problem[0] == '\0')
        snprintf(result->problem, sizeof(result->problem), "%s for key number %llu",
                 outcome == OUTCOME_MISS ? "miss" : "wrong reply", (unsigned long long)p->key);
}

/* Requests of a batch share their start time: record runs of equal ones at once. */
static void connection_read_replies(struct execution *e, struct connection *c) {
    uint64_t now = now_ns();
    size_t at = 0;
    uint64_t run_start_ns = 0;
    uint64_t run_count = 0;
    while (at < c->in_end && c->pending_count > 0) {
        struct reply reply;
        ptrdiff_t size = reply_read(e->load->target.protocol, c->in + at, c->in_end - at, &reply);
        if (size == REPLY_INCOMPLETE)
            break;
        if (size < 0) {
            execution_break(e, "malformed reply");
            break;
        }
        const struct pending *p = &c->pending[c->pending_start];
        reply_account(e, p, &reply);
        if (p->start_ns != run_start_ns) {
            histogram_record(&e->result->latency, now - run_start_ns, run_count);
            run_start_ns = p->start_ns;
            run_count = 0;
        }
        run_count++;
        at += (size_t)size;
        c->pending_count--;
        if (++c->pending_start == e->load->target.pipeline_max)
            c->pending_start = 0;
        e->answered++;
    }
    histogram_record(&e->result->latency, now - run_start_ns, run_count);
    if (at < c->in_end && c->pending_count == 0)
        execution_break(e, "more replies than requests");
    memmove(c->in, c->in + at, c->in_end - at);
    c->in_end -= at;
}

static void connection_receive(struct execution *e, struct connection *c) {
    if (c->in_end == c->in_capacity) {
        char *in = realloc(c->in, c->in_capacity * 2);
        if (in == NULL) {
            execution_break(e, "out of memory");
            return;
        }
        c->in = in;
        c->in_capacity *= 2;
    }
    ssize_t got = recv(c->fd, c->in + c->in_end, c->in_capacity - c->in_end, MSG_DONTWAIT);
    if (got == 0)
        execution_break(e, "the server closed a connection");
    else if (got < 0 && errno != EAGAIN)
        execution_break(e, strerror(errno));
    if (got <= 0)
        return;
    c->in_end += (size_t)got;
    connection_read_replies(e, c);
}

/* ---- the loop ---- */

static bool may_issue(const struct execution *e, uint64_t now) {
    return e->issued < e->limit && now < e->end_ns && !e->is_broken;
}

/* Closed loop: a connection whose batch is answered gets the next one. */
static void connection_refill(struct execution *e, struct connection *c, uint64_t now) {
    if (c->pending_count > 0 || !may_issue(e, now))
        return;
    for (unsigned i = 0; i < e->run->pipeline && e->issued < e->limit; i++)
        connection_append(e, c, now);
    connection_flush(e, c);
}

static struct connection *connection_with_room(struct execution *e) {
    struct load *load = e->load;
    for (unsigned i = 0; i < load->target.connections; i++) {
        struct connection *c = &load->connections[load->next_connection];
        load->next_connection = (load->next_connection + 1) % load->target.connections;
        if (c->pending_count < e->run->pipeline)
            return c;
    }
    return NULL;
}

/* Open loop: send what is due. Returns how long epoll may wait, in nanoseconds. */
static uint64_t issue_due(struct execution *e) {
    for (;;) {
        uint64_t now = now_ns();
        uint64_t due = e->start_ns + (uint64_t)((double)e->issued * e->interval_ns);
        if (e->issued >= e->limit || due >= e->end_ns || e->is_broken)
            return SECOND_NS;
        if (due > now)
            return due - now;
        struct connection *c = connection_with_room(e);
        if (c == NULL)
            return SECOND_NS;
        connection_append(e, c, due);
        connection_flush(e, c);
    }
}

static void tick(struct execution *e, uint64_t wait_ns) {
    struct epoll_event events[EVENT_COUNT];
    struct timespec wait = {(time_t)(wait_ns / SECOND_NS), (long)(wait_ns % SECOND_NS)};
    int count = epoll_pwait2(e->load->epoll_fd, events, EVENT_COUNT, &wait, NULL);
    for (int i = 0; i < count && !e->is_broken; i++) {
        struct connection *c = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0)
            connection_flush(e, c);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
            connection_receive(e, c);
    }
    if (e->run->rate > 0)
        return;
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++)
        connection_refill(e, events[i].data.ptr, now);
}

/* With open loop the requests that were due but never sent count as issued only when sent; the run
 * ends when everything sent is answered and nothing more may be sent. */
static bool is_finished(const struct execution *e) {
    if (e->is_broken)
        return true;
    if (e->answered < e->issued)
        return false;
    if (e->issued >= e->limit)
        return true;
    if (e->run->rate > 0)
        return e->start_ns + (uint64_t)((double)e->issued * e->interval_ns) >= e->end_ns;
    return now_ns() >= e->end_ns;
}

static void execution_loop(struct execution *e) {
    bool is_open = e->run->rate > 0;
    for (unsigned i = 0; !is_open && i < e->load->target.connections; i++)
        connection_refill(e, &e->load->connections[i], e->start_ns);
    while (!is_finished(e))
        tick(e, is_open ? issue_due(e) : SECOND_NS);
}

bool load_execute(struct load *load, const struct load_run *run, struct load_result *result) {
    memset(result, 0, sizeof(*result));
    histogram_init(&result->latency);
    struct execution e = {.load = load,
                          .run = run,
                          .result = result,
                          .random = {.state = run->seed},
                          .limit = run->request_limit > 0 ? run->request_limit : UINT64_MAX,
                          .start_ns = now_ns(),
                          .end_ns = UINT64_MAX};
    if (run->second_limit > 0)
        e.end_ns = e.start_ns + (uint64_t)(run->second_limit * SECOND_NS);
    if (run->rate > 0)
        e.interval_ns = (double)SECOND_NS / run->rate;
    execution_loop(&e);
    result->requests = e.answered;
    result->seconds = (double)(now_ns() - e.start_ns) / SECOND_NS;
    return !e.is_broken;
}
