/* SPDX-License-Identifier: BSD-3-Clause */
/* What the process is and uses, and what the machine is. Any thread. Readings that the system
 * doesn't give are 0. */
#ifndef LARDER_OS_PROCESS_H
#define LARDER_OS_PROCESS_H

#include "os/error_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory of the process held in RAM. Reads /proc: microseconds, for INFO and not for loops. */
uint64_t process_resident_bytes(void);

/* The largest that process_resident_bytes has been. */
uint64_t process_peak_resident_bytes(void);

struct process_cpu_times {
    uint64_t user_us;
    uint64_t system_us;
    uint64_t children_user_us; /* of children that have been waited for */
    uint64_t children_system_us;
};
void process_cpu_times(struct process_cpu_times *out_times);

/* Processor time of the calling thread, user and system; children's fields are 0. */
void process_thread_cpu_times(struct process_cpu_times *out_times);

/* Raise the limit on open descriptors to `wanted`, or as near as is permitted. Returns the limit
 * that holds then. Programs only. */
uint64_t process_raise_descriptor_limit(uint64_t wanted);

int64_t process_id(void);

/* Absolute path of the running program; false, and an empty text, if it can't be told. */
bool process_executable_path(char *path, size_t size);

/* The current directory, in the same manner. */
bool process_working_directory(char *path, size_t size);

struct machine_description {
    char system[65];       /* "Linux" */
    char release[65];      /* "6.1.0-18-amd64" */
    char architecture[65]; /* "x86_64" */
    uint64_t memory_bytes; /* what this process may use: the machine's, or its control group's */
};
void machine_describe(struct machine_description *out_machine);

enum huge_page_state { HUGE_PAGES_NEVER, HUGE_PAGES_ON_ADVICE, HUGE_PAGES_ALWAYS };

/* How the kernel gives transparent huge pages; NEVER when it has none. */
enum huge_page_state machine_huge_page_state(void);

/* Whether the kernel lets processes promise more memory than there is (vm.overcommit_memory). */
bool machine_overcommits_memory(void);

/* Fill `buffer` with bytes fit for secrets. Blocks only early in boot.
 * Errors: LARDER_IO (no source of randomness; the buffer must not be used). */
LARDER_NODISCARD
enum larder_status secure_random_bytes(void *buffer, size_t size);

/* The linker's build id of the running program in hexadecimal; an empty text if it has none or
 * `size` doesn't suffice. */
void process_build_id(char *text, size_t size);

/* Go to the background: the caller's process ends with status 0, a child without a terminal goes
 * on, its standard streams at /dev/null. Programs only, before any thread is started.
 * Errors: LARDER_BUSY (process limit), LARDER_NO_MEMORY, LARDER_IO. */
LARDER_NODISCARD
enum larder_status process_daemonize(struct error_text *error);

/* Stop until somebody sends SIGCONT, as the upstart supervisor expects of a ready program. */
void process_stop_self(void);

/* Write the process id and a newline to `path`. The file is replaced whole. */
LARDER_NODISCARD
enum larder_status process_write_pid_file(const char *path, struct error_text *error);

#endif
