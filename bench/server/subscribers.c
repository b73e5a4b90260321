/* SPDX-License-Identifier: BSD-3-Clause */
/* bench-subscribers PORT COUNT CHANNEL: COUNT connections subscribe to a channel of the server on
 * 127.0.0.1 and read whatever comes. Prints "ready" when all are subscribed; ends with its standard
 * input, then prints how many bytes came. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BUFFER_BYTES = 1 << 18, CONNECTIONS_MAX = 10000 };

static char buffer[BUFFER_BYTES];

static int subscribe(uint16_t port, const char *channel) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    char command[300];
    int size = snprintf(command, sizeof(command), "SUBSCRIBE %s\r\n", channel);
    if (write(fd, command, (size_t)size) != size || read(fd, buffer, sizeof(buffer)) <= 0 ||
        buffer[0] != '*')
        return -1;
    return fd;
}

/* True while the standard input is open. */
static int watch(int poller, uint64_t *bytes) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
        ssize_t got = read(events[i].data.fd, buffer, sizeof(buffer));
        if (got <= 0 && events[i].data.fd == STDIN_FILENO)
            return 0;
        if (got <= 0) {
            (void)fprintf(stderr, "bench-subscribers: the server closed a connection\n");
            exit(1);
        }
        *bytes += (uint64_t)got;
    }
    return 1;
}

int main(int argc, char **argv) {
    int count = argc == 4 ? atoi(argv[2]) : 0;
    if (count <= 0 || count > CONNECTIONS_MAX) {
        (void)fprintf(stderr, "usage: bench-subscribers PORT COUNT CHANNEL\n");
        return 2;
    }
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    (void)epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    for (int i = 0; i < count; i++) {
        int fd = subscribe((uint16_t)atoi(argv[1]), argv[3]);
        event.data.fd = fd;
        if (fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) {
            (void)fprintf(stderr, "bench-subscribers: can't subscribe to port %s\n", argv[1]);
            return 1;
        }
    }
    (void)puts("ready");
    (void)fflush(stdout);
    uint64_t bytes = 0;
    while (watch(poller, &bytes))
        ;
    (void)printf("%llu\n", (unsigned long long)bytes);
    return 0;
}
