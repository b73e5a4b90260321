/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of contexts. */
#include "client/connection.h"

#include <errno.h>
#include <string.h>

void valkeySetError(valkeyContext *c, int type, const char *text) {
    c->err = type;
    if (text == NULL) {
        valkeySetErrorFromErrno(c, type, NULL);
        return;
    }
    (void)snprintf(c->errstr, sizeof c->errstr, "%s", text);
}

void valkeySetErrorFromErrno(valkeyContext *c, int type, const char *prefix) {
    int number = errno;
    char text[96];
    const char *message = strerror_r(number, text, sizeof text);
    c->err = type;
    (void)snprintf(c->errstr, sizeof c->errstr, "%s%s%s", prefix != NULL ? prefix : "",
                   prefix != NULL ? ": " : "", message);
    errno = number;
}

int connection_fail(valkeyContext *c, int type, const char *text) {
    valkeySetError(c, type, text);
    return VALKEY_ERR;
}

int connection_fail_errno(valkeyContext *c, int number, const char *prefix) {
    errno = number;
    valkeySetErrorFromErrno(c, VALKEY_ERR_IO, prefix);
    return VALKEY_ERR;
}

int connection_fail_memory(valkeyContext *c) {
    return connection_fail(c, VALKEY_ERR_OOM, "Out of memory");
}
