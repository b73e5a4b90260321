/* SPDX-License-Identifier: BSD-3-Clause */
/* One table of what system errors mean to callers, and their wording. strerror_r is the GNU
 * variant: it returns the text, which need not lie in the buffer it was given. */
#include "os/system_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_text_format(struct error_text *error, const char *format, ...) {
    if (error == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
}

enum larder_status system_error_status(int error_number) {
    switch (error_number) {
    case 0: return LARDER_OK;
    case EAGAIN:
    case EINPROGRESS: return LARDER_AGAIN;
    case ENOMEM:
    case ENOBUFS: return LARDER_NO_MEMORY;
    case EINVAL:
    case ENAMETOOLONG:
    case EAFNOSUPPORT: return LARDER_INVALID;
    case ENOSPC:
    case EDQUOT: return LARDER_NO_SPACE;
    case ENOENT:
    case ENOTDIR:
    case EADDRNOTAVAIL: return LARDER_NOT_FOUND;
    case EEXIST:
    case EADDRINUSE: return LARDER_EXISTS;
    case EMFILE:
    case ENFILE:
    case EBUSY: return LARDER_BUSY;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ECONNREFUSED: return LARDER_CLOSED;
    case ETIMEDOUT: return LARDER_TIMEOUT;
    case EACCES:
    case EPERM:
    case EROFS: return LARDER_DENIED;
    default: return LARDER_IO;
    }
}

enum larder_status system_error_report(struct error_text *error, int error_number,
                                       const char *format, ...) {
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        int written = vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        size_t used = written < 0 ? 0 : (size_t)written;
        if (used < sizeof error->text) {
            char buffer[128];
            const char *reason = strerror_r(error_number, buffer, sizeof buffer);
            (void)snprintf(error->text + used, sizeof error->text - used, ": %s", reason);
        }
    }
    return system_error_status(error_number);
}
