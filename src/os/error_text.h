/* SPDX-License-Identifier: BSD-3-Clause */
/* A sentence for a person about why an operation of the system failed: "can't open file
 * '/etc/x.pem': Permission denied". Filled only by functions that a person configures or starts;
 * hot paths return a status alone. NUL-terminated, cut at the end if too long. Caller's memory,
 * one thread at a time. */
#ifndef LARDER_OS_ERROR_TEXT_H
#define LARDER_OS_ERROR_TEXT_H

#include "base/status.h"

struct error_text {
    char text[512];
};

/* Write the formatted message. `error` may be NULL: then nothing happens. */
void error_text_format(struct error_text *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
