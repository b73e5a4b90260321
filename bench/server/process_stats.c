/* SPDX-License-Identifier: BSD-3-Clause */
/* Run time comes from /proc/PID/task/TID/schedstat, whose first number is the scheduler's own sum
 * in nanoseconds; utime and stime in /proc/PID/stat are rounded to clock ticks. */
#include "process_stats.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t task_cpu_ns(pid_t pid, const char *task) {
    char path[320];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, task);
    FILE *file = fopen(path, "re");
    unsigned long long ns = 0;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    fclose(file);
    return ns;
}

static uint64_t process_cpu_ns(pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    uint64_t sum = 0;
    if (tasks == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        if (entry->d_name[0] != '.')
            sum += task_cpu_ns(pid, entry->d_name);
    closedir(tasks);
    return sum;
}

static uint64_t statm_resident_bytes(pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    unsigned long long pages = 0;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t process_resident_bytes(pid_t pid) {
    char path[64];
    char line[256];
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    unsigned long long kib = 0;
    if (file == NULL)
        return statm_resident_bytes(pid);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Rss: %llu kB", &kib) == 1)
            break;
    fclose(file);
    return kib > 0 ? kib * 1024 : statm_resident_bytes(pid);
}

struct process_stats process_stats_read(pid_t pid) {
    return (struct process_stats){process_cpu_ns(pid), process_resident_bytes(pid)};
}
