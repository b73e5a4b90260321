/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks. Pure code gets its time as an argument; only loops and programs read these. Any thread,
 * never blocks (except cycle_clock_init), cannot fail. */
#ifndef LARDER_OS_CLOCK_H
#define LARDER_OS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Since an arbitrary start; stands still while the machine is suspended. */
uint64_t clock_monotonic_ns(void);

/* Since boot; goes on while the machine is suspended. */
uint64_t clock_boot_ns(void);

/* Since 1970-01-01 UTC; may jump when the clock is set. */
uint64_t clock_wall_us(void);

/* Processor time that the calling thread has used. */
uint64_t clock_thread_cpu_ns(void);

/* A cheap counter for measuring short spans: the time stamp counter of x86-64 (about 20 cycles),
 * elsewhere clock_monotonic_ns. Cores of one machine agree on it only where it is invariant; for
 * spans that must be right everywhere use cycle_clock_now. */
static inline uint64_t clock_cycles(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return clock_monotonic_ns();
#endif
}

/* How the counter relates to time. Held by the caller; immutable after init. */
struct cycle_clock {
    uint64_t cycles_per_us;   /* at least 1; 1000 when the counter is the monotonic clock */
    uint64_t ns_per_cycle_32; /* nanoseconds per cycle, 32.32 fixed point */
    bool is_counter;          /* the processor's counter is invariant and is used */
};

/* Measure the counter against the monotonic clock. Blocks for about 2 ms. */
void cycle_clock_init(struct cycle_clock *clock);

static inline uint64_t clock_cycles_per_us(const struct cycle_clock *clock) {
    return clock->cycles_per_us;
}

/* The counter where it can be trusted, else the monotonic clock. */
static inline uint64_t cycle_clock_now(const struct cycle_clock *clock) {
    return clock->is_counter ? clock_cycles() : clock_monotonic_ns();
}

/* Length in ns of a span of cycle_clock_now (or of clock_cycles where is_counter). */
static inline uint64_t cycle_clock_to_ns(const struct cycle_clock *clock, uint64_t cycles) {
    __extension__ unsigned __int128 wide = (unsigned __int128)cycles * clock->ns_per_cycle_32;
    return (uint64_t)(wide >> 32);
}

#endif
