/* SPDX-License-Identifier: BSD-3-Clause */
/* signalfd. */
#include "os/signal.h"
#include "os/system_error.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void handled_signals(sigset_t *out_set) {
    sigemptyset(out_set);
    sigaddset(out_set, SIGTERM);
    sigaddset(out_set, SIGINT);
    sigaddset(out_set, SIGHUP);
}

enum larder_status signal_source_init(struct signal_source *source) {
    sigset_t set;
    handled_signals(&set);
    source->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (source->fd < 0)
        return system_error_status(errno);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return LARDER_OK;
}

void signal_source_finish(struct signal_source *source) {
    if (source->fd >= 0)
        (void)close(source->fd);
    source->fd = -1;
}

enum signal_event signal_source_take(struct signal_source *source) {
    struct signalfd_siginfo info;
    ssize_t count = 0;
    do
        count = read(source->fd, &info, sizeof info);
    while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof info)
        return SIGNAL_NONE;
    switch (info.ssi_signo) {
    case SIGTERM: return SIGNAL_TERMINATE;
    case SIGINT: return SIGNAL_INTERRUPT;
    default: return SIGNAL_RELOAD;
    }
}

void signal_source_restore_default(void) {
    sigset_t set;
    handled_signals(&set);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
