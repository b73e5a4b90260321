/* SPDX-License-Identifier: BSD-3-Clause */
/* Readings come from getrusage, /proc and /sys; small text files are read into the stack. */
#include "os/process.h"
#include "os/file.h"
#include "os/system_error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* NUL-terminated content of a small file, empty if it can't be read. */
static void read_small_file(const char *path, char *text, size_t size) {
    struct file file;
    size_t count = 0;
    text[0] = '\0';
    if (file_open(&file, path, FILE_READ, 0, NULL) != LARDER_OK)
        return;
    if (file_read_at(&file, 0, text, size - 1, &count, NULL) != LARDER_OK)
        count = 0;
    text[count] = '\0';
    file_close(&file);
}

uint64_t process_resident_bytes(void) {
    char text[128];
    unsigned long long total = 0, resident = 0;
    read_small_file("/proc/self/statm", text, sizeof text);
    if (sscanf(text, "%llu %llu", &total, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_peak_resident_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static uint64_t to_us(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

void process_cpu_times(struct process_cpu_times *out_times) {
    struct rusage self = {0}, children = {0};
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    *out_times = (struct process_cpu_times){
        .user_us = to_us(self.ru_utime),
        .system_us = to_us(self.ru_stime),
        .children_user_us = to_us(children.ru_utime),
        .children_system_us = to_us(children.ru_stime),
    };
}

void process_thread_cpu_times(struct process_cpu_times *out_times) {
    struct rusage self = {0};
    (void)getrusage(RUSAGE_THREAD, &self);
    *out_times = (struct process_cpu_times){.user_us = to_us(self.ru_utime),
                                            .system_us = to_us(self.ru_stime)};
}

uint64_t process_raise_descriptor_limit(uint64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) {
        struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};
        if (raised.rlim_max < wanted)
            raised.rlim_max = wanted;
        if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
            raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &raised);
        }
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

int64_t process_id(void) {
    return getpid();
}

bool process_executable_path(char *path, size_t size) {
    ssize_t length = readlink("/proc/self/exe", path, size);
    bool is_known = length > 0 && (size_t)length < size;
    path[is_known ? length : 0] = '\0';
    return is_known;
}

bool process_working_directory(char *path, size_t size) {
    if (getcwd(path, size) != NULL)
        return true;
    path[0] = '\0';
    return false;
}

/* 0 if the file holds no number ("max" means no limit). */
static uint64_t read_number(const char *path) {
    char text[64];
    read_small_file(path, text, sizeof text);
    return strtoull(text, NULL, 10);
}

static uint64_t usable_memory_bytes(void) {
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limits[] = {read_number("/sys/fs/cgroup/memory.max"),
                         read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes")};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i] > 0 && limits[i] < bytes)
            bytes = limits[i];
    return bytes;
}

void machine_describe(struct machine_description *out_machine) {
    struct utsname names = {0};
    (void)uname(&names);
    *out_machine = (struct machine_description){.memory_bytes = usable_memory_bytes()};
    (void)snprintf(out_machine->system, sizeof out_machine->system, "%s", names.sysname);
    (void)snprintf(out_machine->release, sizeof out_machine->release, "%s", names.release);
    (void)snprintf(out_machine->architecture, sizeof out_machine->architecture, "%s",
                   names.machine);
}

enum huge_page_state machine_huge_page_state(void) {
    char text[128];
    read_small_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    if (strstr(text, "[always]") != NULL)
        return HUGE_PAGES_ALWAYS;
    return strstr(text, "[madvise]") != NULL ? HUGE_PAGES_ON_ADVICE : HUGE_PAGES_NEVER;
}

bool machine_overcommits_memory(void) {
    return read_number("/proc/sys/vm/overcommit_memory") == 1;
}

enum larder_status secure_random_bytes(void *buffer, size_t size) {
    uint8_t *next = buffer;
    while (size > 0) {
        ssize_t count = getrandom(next, size, 0);
        if (count < 0 && errno != EINTR)
            return LARDER_IO;
        if (count > 0) {
            next += count;
            size -= (size_t)count;
        }
    }
    return LARDER_OK;
}

enum larder_status process_write_pid_file(const char *path, struct error_text *error) {
    char text[32];
    int length = snprintf(text, sizeof text, "%lld\n", (long long)getpid());
    return file_write_atomically(path, slice_of(text, (size_t)length), 0644, error);
}
