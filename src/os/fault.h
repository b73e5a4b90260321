/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program may still say when it dies of SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT. Programs
 * only: handlers belong to a process, so this is the one module with state of its own that outlives
 * calls. Threads made by os_thread_start report even an overflow of their stack. */
#ifndef LARDER_OS_FAULT_H
#define LARDER_OS_FAULT_H

#include "base/slice.h"
#include "base/status.h"

enum { FAULT_REGISTERS_MAX = 40 };

struct fault_register {
    const char *name;
    uint64_t value;
};

struct fault {
    const char *signal_name; /* "SIGSEGV" */
    int signal_number;
    int code;         /* si_code: why, in the system's numbering */
    uint64_t address; /* what was accessed, or where the instruction lies */
    uint64_t sender;  /* id of the process that sent the signal, if one did; else 0 */
    char thread[16];  /* name of the thread */
    size_t register_count;
    struct fault_register registers[FAULT_REGISTERS_MAX];
};

/* From now on a fatal signal calls `report` once, in the thread that failed, and then ends the
 * process by that same signal's default action (core dump included). If several threads fail, the
 * first reports. Once per process. `report` may call only what is safe in a signal handler:
 * file_write_quietly and fault_write_backtrace among it.
 * Errors: LARDER_NO_MEMORY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status fault_handler_install(void (*report)(void *context, const struct fault *fault),
                                         void *context);

/* Write the calling thread's stack to `fd`, one frame per line. Inside `report` only. */
void fault_write_backtrace(int fd);

#endif
