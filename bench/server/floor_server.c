/* SPDX-License-Identifier: BSD-3-Clause */
/* bench-floor: the do-nothing server that every other server is measured against.
 *
 * A tick is: receive from all ready connections into one shared buffer, count the complete
 * commands, then send that many "+OK\r\n" per connection in one call. Nothing is looked up, copied
 * or kept, so its cost per command is the price of sockets, wake-ups and of finding command
 * boundaries: no server that speaks RESP over epoll can be cheaper on the same kernel.
 *
 * Boundaries are found by a fast pass over whole commands; a command that the buffer cuts is run
 * through a byte-wise state machine whose few words of state are all that survives between ticks.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECEIVE_BYTES = 256 * 1024,
    EVENT_COUNT = 512,
    MAX_THREADS = 64,
    REPLY_BYTES = 5,
    REPLY_COUNT = 16384,
};

enum scan_phase {
    SCAN_START,   /* before the first byte of a command */
    SCAN_COUNT,   /* in the line that gives the number of arguments */
    SCAN_ARG,     /* before the '$' of an argument */
    SCAN_LENGTH,  /* in the line that gives the length of an argument */
    SCAN_PAYLOAD, /* in the bytes of an argument or the line end after it */
    SCAN_INLINE,  /* in a command that is a plain line */
};

struct scan {
    enum scan_phase phase;
    uint64_t number;     /* digits seen so far of the current line */
    uint64_t args_left;  /* arguments still to come, the current one included */
    uint64_t bytes_left; /* of the payload and its line end */
};

struct connection {
    int fd;
    bool waits_for_output;
    struct scan scan;
    uint64_t unsent_bytes;
    unsigned unsent_offset; /* position within "+OK\r\n" where the next send starts */
};

struct worker {
    int epoll_fd;
    int listen_fd; /* -1 on all but the first */
    struct worker *workers;
    unsigned worker_count;
    unsigned next_worker;
    char *receive_buffer;
    const char *replies;
};

/* ---- finding command boundaries ---- */

/* Read "<type><digits>\r\n" at p. Returns the byte after it, or NULL when the buffer ends first or
 * the bytes are something else (the byte-wise pass then decides). */
static const char *header_skip(const char *p, const char *end, char type, uint64_t *number) {
    if (end - p < 4 || *p != type)
        return NULL;
    p++;
    uint64_t value = 0;
    while (p < end && (unsigned char)(*p - '0') < 10)
        value = value * 10 + (uint64_t)(*p++ - '0');
    if (end - p < 2 || *p != '\r')
        return NULL;
    *number = value;
    return p + 2;
}

/* Returns the byte after the command that starts at p, or NULL when it isn't all there. */
static const char *command_skip(const char *p, const char *end) {
    uint64_t args;
    p = header_skip(p, end, '*', &args);
    while (p != NULL && args > 0) {
        uint64_t length;
        p = header_skip(p, end, '$', &length);
        if (p == NULL || length > (uint64_t)(end - p) || (uint64_t)(end - p) - length < 2)
            return NULL;
        p += length + 2;
        args--;
    }
    return p;
}

static uint64_t scan_line_end(struct scan *scan) {
    uint64_t finished = 0;
    switch (scan->phase) {
    case SCAN_COUNT:
        scan->args_left = scan->number;
        finished = scan->number == 0;
        scan->phase = finished ? SCAN_START : SCAN_ARG;
        break;
    case SCAN_LENGTH:
        scan->bytes_left = scan->number + 2;
        scan->phase = SCAN_PAYLOAD;
        break;
    default:
        finished = 1;
        scan->phase = SCAN_START;
        break;
    }
    scan->number = 0;
    return finished;
}

/* Feed bytes until one command is complete or the buffer is used up. Returns the next byte. */
static const char *scan_slowly(struct scan *scan, const char *p, const char *end,
                               uint64_t *commands) {
    uint64_t finished = 0;
    while (p < end && finished == 0) {
        if (scan->phase == SCAN_PAYLOAD) {
            uint64_t step = (uint64_t)(end - p);
            if (step > scan->bytes_left)
                step = scan->bytes_left;
            p += step;
            scan->bytes_left -= step;
            if (scan->bytes_left == 0) {
                finished = --scan->args_left == 0;
                scan->phase = finished ? SCAN_START : SCAN_ARG;
            }
            continue;
        }
        char byte = *p++;
        if (scan->phase == SCAN_START)
            scan->phase = byte == '*' ? SCAN_COUNT : SCAN_INLINE;
        else if (scan->phase == SCAN_ARG)
            scan->phase = SCAN_LENGTH;
        else if (byte >= '0' && byte <= '9')
            scan->number = scan->number * 10 + (uint64_t)(byte - '0');
        if (byte == '\n')
            finished = scan_line_end(scan);
    }
    *commands += finished;
    return p;
}

static uint64_t count_commands(struct scan *scan, const char *p, const char *end) {
    uint64_t commands = 0;
    while (p < end) {
        const char *next = scan->phase == SCAN_START ? command_skip(p, end) : NULL;
        if (next != NULL) {
            commands++;
            p = next;
        } else {
            p = scan_slowly(scan, p, end, &commands);
        }
    }
    return commands;
}

/* ---- connections ---- */

static void connection_watch(struct worker *w, struct connection *c, int operation) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (c->unsent_bytes > 0)
        event.events |= EPOLLOUT;
    epoll_ctl(w->epoll_fd, operation, c->fd, &event);
}

static void connection_destroy(struct connection *c) {
    close(c->fd);
    free(c);
}

static void accept_all(struct worker *w) {
    for (;;) {
        int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct connection *c = calloc(1, sizeof(*c));
        if (c == NULL) {
            close(fd);
            return;
        }
        c->fd = fd;
        connection_watch(&w->workers[w->next_worker++ % w->worker_count], c, EPOLL_CTL_ADD);
    }
}

/* Returns false when the peer has closed. Edge-triggered: unless the peer has hung up, a full
 * buffer may mean that more is waiting, anything less that the next byte will raise a new event. */
static bool connection_receive(struct worker *w, struct connection *c, bool has_hung_up) {
    ssize_t got;
    do {
        got = recv(c->fd, w->receive_buffer, RECEIVE_BYTES, 0);
        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        uint64_t commands = count_commands(&c->scan, w->receive_buffer, w->receive_buffer + got);
        c->unsent_bytes += commands * REPLY_BYTES;
    } while (got == RECEIVE_BYTES || has_hung_up);
    return true;
}

static bool connection_send(struct worker *w, struct connection *c) {
    while (c->unsent_bytes > 0) {
        uint64_t room = (uint64_t)REPLY_BYTES * REPLY_COUNT - c->unsent_offset;
        size_t want = (size_t)(c->unsent_bytes < room ? c->unsent_bytes : room);
        ssize_t sent = send(c->fd, w->replies + c->unsent_offset, want, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                return false;
            break;
        }
        c->unsent_bytes -= (uint64_t)sent;
        c->unsent_offset = (unsigned)((c->unsent_offset + (uint64_t)sent) % REPLY_BYTES);
    }
    if ((c->unsent_bytes > 0) != c->waits_for_output) {
        c->waits_for_output = c->unsent_bytes > 0;
        connection_watch(w, c, EPOLL_CTL_MOD);
    }
    return true;
}

/* Returns whether the connection lives on. One that was closed still gets its last replies. */
static bool connection_handle(struct worker *w, struct connection *c, uint32_t events) {
    bool has_hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (events == EPOLLOUT || connection_receive(w, c, has_hung_up))
        return true;
    connection_send(w, c);
    connection_destroy(c);
    return false;
}

static void *worker_run(void *argument) {
    struct worker *w = argument;
    struct epoll_event events[EVENT_COUNT];
    struct connection *to_send[EVENT_COUNT];
    for (;;) {
        int count = epoll_wait(w->epoll_fd, events, EVENT_COUNT, -1);
        int send_count = 0;
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL)
                accept_all(w);
            else if (connection_handle(w, c, events[i].events) && c->unsent_bytes > 0)
                to_send[send_count++] = c;
        }
        for (int i = 0; i < send_count; i++)
            if (!connection_send(w, to_send[i]))
                connection_destroy(to_send[i]);
    }
    return NULL;
}

/* ---- start ---- */

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 1024) != 0) {
        fprintf(stderr, "bench-floor: port %u: %s\n", port, strerror(errno));
        exit(1);
    }
    return fd;
}

static void worker_init(struct worker *w, struct worker *all, unsigned count, const char *replies) {
    *w = (struct worker){.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                         .listen_fd = -1,
                         .workers = all,
                         .worker_count = count,
                         .receive_buffer = malloc(RECEIVE_BYTES),
                         .replies = replies};
    if (w->epoll_fd < 0 || w->receive_buffer == NULL) {
        fprintf(stderr, "bench-floor: %s\n", strerror(errno));
        exit(1);
    }
}

static void pin_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        fprintf(stderr, "bench-floor: cpu %d: %s\n", cpu, strerror(errno));
}

static const char *replies_create(void) {
    char *replies = malloc((size_t)REPLY_BYTES * REPLY_COUNT);
    if (replies == NULL)
        exit(1);
    for (size_t i = 0; i < REPLY_COUNT; i++)
        memcpy(replies + i * REPLY_BYTES, "+OK\r\n", REPLY_BYTES);
    return replies;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"cpu", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    uint16_t port = 6379;
    unsigned threads = 1;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            port = (uint16_t)atoi(optarg);
        else if (option == 't')
            threads = (unsigned)atoi(optarg);
        else if (option == 'c')
            pin_to(atoi(optarg));
        else
            return 2;
    }
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "bench-floor: --threads takes 1 to %d\n", MAX_THREADS);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct worker workers[MAX_THREADS];
    const char *replies = replies_create();
    for (unsigned i = 0; i < threads; i++)
        worker_init(&workers[i], workers, threads, replies);
    workers[0].listen_fd = listen_on(port);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(workers[0].epoll_fd, EPOLL_CTL_ADD, workers[0].listen_fd, &event);
    for (unsigned i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker_run, &workers[i]) != 0)
            return 1;
    }
    worker_run(&workers[0]);
    return 0;
}
