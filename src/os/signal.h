/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals as events, for the main of a program only: the library itself leaves signals alone. The
 * asked-for signals are blocked in the calling thread and all threads that it starts later, and are
 * read from a descriptor instead, so that no code runs in a handler. */
#ifndef LARDER_OS_SIGNAL_H
#define LARDER_OS_SIGNAL_H

#include "base/status.h"

#include <stdbool.h>

enum signal_event {
    SIGNAL_NONE,
    SIGNAL_TERMINATE, /* SIGTERM */
    SIGNAL_INTERRUPT, /* SIGINT */
    SIGNAL_RELOAD,    /* SIGHUP */
};

struct signal_source {
    int fd; /* immutable after init */
};

/* Before any thread is started. SIGPIPE is ignored from then on.
 * Errors: LARDER_BUSY (descriptor limit), LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status signal_source_init(struct signal_source *source);

/* Signals keep being blocked: one that comes while the program ends changes nothing. */
void signal_source_finish(struct signal_source *source);

/* The next signal that has arrived, SIGNAL_NONE if none has. Never blocks; wait for source->fd to
 * be readable with a poller. */
enum signal_event signal_source_take(struct signal_source *source);

/* Undo the blocking in the calling thread, so that a second Ctrl-C ends the program. */
void signal_source_restore_default(void);

#endif
