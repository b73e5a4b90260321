/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says another process has used. */
#ifndef LARDER_BENCH_PROCESS_STATS_H
#define LARDER_BENCH_PROCESS_STATS_H

#include <stdint.h>
#include <sys/types.h>

struct process_stats {
    uint64_t cpu_ns;         /* run time of its living threads; exact while they sleep */
    uint64_t resident_bytes; /* Rss of smaps_rollup, statm where that can't be read */
};

/* Zeroes when there is no such process. Reads /proc; blocks for as long as that takes. */
struct process_stats process_stats_read(pid_t pid);

#endif
