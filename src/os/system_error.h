/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside os/ only: errno becomes a status and a sentence here, and goes no further. */
#ifndef LARDER_OS_SYSTEM_ERROR_H
#define LARDER_OS_SYSTEM_ERROR_H

#include "os/error_text.h"

/* The status that stands for this errno value; LARDER_IO when none fits better. */
enum larder_status system_error_status(int error_number);

/* Fill `error` (may be NULL) with the formatted message, a colon and the system's text for
 * `error_number`. Returns the status for it, so that a failing function can end with this call. */
enum larder_status system_error_report(struct error_text *error, int error_number,
                                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
