/* SPDX-License-Identifier: BSD-3-Clause */
/* The one set of outcomes of library functions. Each row gives the name, the value (part of the
 * ABI: never renumber), the RESP error prefix and the text that RESP clients, larder_strerror and
 * language bindings show. A miss is a result, not an error, and has no row here. */
#ifndef LARDER_BASE_STATUS_H
#define LARDER_BASE_STATUS_H

#define LARDER_STATUS_TABLE(ROW)                                                                   \
    ROW(LARDER_OK, 0, "", "success")                                                               \
    ROW(LARDER_NO_MEMORY, 1, "OOM", "not enough memory for the operation")                         \
    ROW(LARDER_INVALID, 2, "ERR", "invalid argument")                                              \
    ROW(LARDER_WRONG_TYPE, 3, "WRONGTYPE",                                                         \
        "Operation against a key holding the wrong kind of value")                                 \
    ROW(LARDER_NOT_INTEGER, 4, "ERR", "value is not an integer or out of range")                   \
    ROW(LARDER_OVERFLOW, 5, "ERR", "increment or decrement would overflow")                        \
    ROW(LARDER_TOO_LARGE, 6, "ERR", "string exceeds maximum allowed size (proto-max-bulk-len)")    \
    ROW(LARDER_IO, 7, "IOERR", "input/output error")                                               \
    ROW(LARDER_NO_SPACE, 8, "MISCONF", "no space left on device")                                  \
    ROW(LARDER_NOT_FOUND, 9, "ERR", "not found")                                                   \
    ROW(LARDER_EXISTS, 10, "ERR", "already exists")                                                \
    ROW(LARDER_BUSY, 11, "BUSY", "busy, try again")                                                \
    ROW(LARDER_CLOSED, 12, "ERR", "closed")                                                        \
    ROW(LARDER_TIMEOUT, 13, "ERR", "timed out")                                                    \
    ROW(LARDER_DENIED, 14, "NOPERM", "permission denied")                                          \
    ROW(LARDER_PROTOCOL, 15, "ERR", "Protocol error")                                              \
    ROW(LARDER_SYNTAX, 16, "ERR", "syntax error")                                                  \
    ROW(LARDER_AGAIN, 17, "TRYAGAIN", "would block")                                               \
    ROW(LARDER_CORRUPT, 18, "ERR", "data is damaged")

enum larder_status {
#define LARDER_STATUS_ENUM(name, value, prefix, text) name = value,
    LARDER_STATUS_TABLE(LARDER_STATUS_ENUM)
#undef LARDER_STATUS_ENUM
};

#define LARDER_NODISCARD __attribute__((warn_unused_result))

/* The text of a status, static; "unknown status" for a value outside the table. Any thread. */
const char *larder_status_text(enum larder_status status);

/* The RESP error prefix of a status ("ERR", "OOM", ...), static. Any thread. */
const char *larder_status_prefix(enum larder_status status);

#endif
