/* SPDX-License-Identifier: BSD-3-Clause */
/* The clocks of the kernel (read without entering it, through the vDSO), and the calibration of
 * the processor's counter: two readings of both about 2 ms apart. The counter counts at a constant
 * rate in every power state when CPUID leaf 0x80000007 has bit 8 of EDX set. */
#include "os/clock.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { CALIBRATION_NS = 2000000, SAMPLE_ATTEMPTS = 8 };

static uint64_t read_clock_ns(clockid_t id) {
    struct timespec now = {0};
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void) {
    return read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void) {
    return read_clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_us(void) {
    return read_clock_ns(CLOCK_REALTIME) / 1000;
}

uint64_t clock_thread_cpu_ns(void) {
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static bool counter_is_invariant(void) {
#if defined(__x86_64__)
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx))
        return false;
    return (edx & 1u << 8) != 0;
#else
    return false;
#endif
}

struct sample {
    uint64_t ns;
    uint64_t cycles;
};

/* Both clocks at one moment: of several readings the one that took least, so that an interruption
 * between the two is not taken for their relation. */
static struct sample read_both(void) {
    struct sample best = {0, 0};
    uint64_t least_ns = UINT64_MAX;
    for (int i = 0; i < SAMPLE_ATTEMPTS; i++) {
        uint64_t before_ns = clock_monotonic_ns();
        uint64_t cycles = clock_cycles();
        uint64_t spent_ns = clock_monotonic_ns() - before_ns;
        if (spent_ns >= least_ns)
            continue;
        least_ns = spent_ns;
        best = (struct sample){.ns = before_ns + spent_ns / 2, .cycles = cycles};
    }
    return best;
}

void cycle_clock_init(struct cycle_clock *clock) {
    *clock = (struct cycle_clock){.cycles_per_us = 1000, .ns_per_cycle_32 = 1ull << 32};
    if (!counter_is_invariant())
        return;
    struct sample start = read_both();
    while (clock_monotonic_ns() - start.ns < CALIBRATION_NS)
        continue;
    struct sample end = read_both();
    uint64_t elapsed_ns = end.ns - start.ns;
    uint64_t elapsed_cycles = end.cycles - start.cycles;
    if (elapsed_cycles < elapsed_ns / 1000)
        return;
    clock->is_counter = true;
    clock->cycles_per_us = elapsed_cycles * 1000 / elapsed_ns;
    __extension__ unsigned __int128 wide = (unsigned __int128)elapsed_ns << 32;
    clock->ns_per_cycle_32 = (uint64_t)(wide / elapsed_cycles);
}
