/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's last words: when it dies of a fatal signal, a report goes to the log's descriptor:
 * signal and address, version and build id, thread, registers, stack. Then the process ends as it
 * would have, core dump included. Keys and values don't appear, but registers may hold bits of
 * them. Server program only, once per process. */
#ifndef LARDER_SERVER_CRASH_REPORT_H
#define LARDER_SERVER_CRASH_REPORT_H

#include "base/status.h"

enum { CRASH_REPORT_BUILD_ID_MAX = 65 };

/* Caller's memory, to the end of the process. */
struct crash_report {
    int fd; /* borrowed; immutable after install, as all fields */
    char build_id[CRASH_REPORT_BUILD_ID_MAX];
};

/* Errors: LARDER_NO_MEMORY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status crash_report_install(struct crash_report *report, int log_fd);

#endif
