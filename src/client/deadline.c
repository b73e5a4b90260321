/* SPDX-License-Identifier: BSD-3-Clause */
/* Timeouts as points of time, so that several waits can share one. */
#include "client/connection.h"

#include <limits.h>
#include <time.h>

long long clock_now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool timeout_is_valid(const struct timeval *timeout) {
    return timeout->tv_sec >= 0 && timeout->tv_sec <= INT_MAX / 1000 && timeout->tv_usec >= 0 &&
           timeout->tv_usec <= 1000000;
}

long long deadline_after(const struct timeval *timeout) {
    if (timeout == NULL || (timeout->tv_sec == 0 && timeout->tv_usec == 0))
        return DEADLINE_NONE;
    return clock_now_ms() + (long long)timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000;
}

int deadline_left_ms(long long deadline) {
    if (deadline == DEADLINE_NONE)
        return -1;
    long long left = deadline - clock_now_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
