/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll. The kernel's event records are packed on x86-64, so they are copied out of a local array;
 * with at most POLLER_BATCH_MAX per call that array is 6 KiB of stack. */
#include "os/poller.h"
#include "os/system_error.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum larder_status poller_init(struct poller *poller) {
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    return poller->fd < 0 ? system_error_status(errno) : LARDER_OK;
}

void poller_finish(struct poller *poller) {
    if (poller->fd >= 0)
        (void)close(poller->fd);
    poller->fd = -1;
}

static enum larder_status control(struct poller *poller, int operation, int fd, uint32_t events,
                                  void *data) {
    struct epoll_event event = {.data.ptr = data};
    if ((events & POLLER_READ) != 0)
        event.events |= EPOLLIN;
    if ((events & POLLER_WRITE) != 0)
        event.events |= EPOLLOUT;
    return epoll_ctl(poller->fd, operation, fd, &event) == 0 ? LARDER_OK
                                                             : system_error_status(errno);
}

enum larder_status poller_add(struct poller *poller, int fd, uint32_t events, void *data) {
    return control(poller, EPOLL_CTL_ADD, fd, events, data);
}

enum larder_status poller_modify(struct poller *poller, int fd, uint32_t events, void *data) {
    return control(poller, EPOLL_CTL_MOD, fd, events, data);
}

void poller_remove(struct poller *poller, int fd) {
    (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, &(struct epoll_event){0});
}

static uint32_t flags_from_system(uint32_t events) {
    uint32_t flags = 0;
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0)
        flags |= POLLER_READ;
    if ((events & EPOLLOUT) != 0)
        flags |= POLLER_WRITE;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        flags |= POLLER_CLOSED;
    return flags;
}

enum larder_status poller_wait(struct poller *poller, struct poller_event *events, size_t capacity,
                               int timeout_ms, size_t *out_count) {
    struct epoll_event ready[POLLER_BATCH_MAX];
    *out_count = 0;
    int limit = capacity < POLLER_BATCH_MAX ? (int)capacity : POLLER_BATCH_MAX;
    int count = epoll_wait(poller->fd, ready, limit, timeout_ms);
    if (count < 0)
        return errno == EINTR ? LARDER_OK : LARDER_IO;
    for (int i = 0; i < count; i++) {
        events[i].data = ready[i].data.ptr;
        events[i].events = flags_from_system(ready[i].events);
    }
    *out_count = (size_t)count;
    return LARDER_OK;
}
