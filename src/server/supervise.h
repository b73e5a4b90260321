/* SPDX-License-Identifier: BSD-3-Clause */
/* Life under a service manager: tell systemd (the readiness protocol: text lines sent to the unix
 * datagram socket that NOTIFY_SOCKET names) or upstart (stop until continued) that the server is
 * ready. Main thread only. */
#ifndef LARDER_SERVER_SUPERVISE_H
#define LARDER_SERVER_SUPERVISE_H

#include "base/slice.h"
#include "os/error_text.h"

enum supervise_mode { SUPERVISE_NO, SUPERVISE_SYSTEMD, SUPERVISE_UPSTART, SUPERVISE_AUTO };

enum { SUPERVISE_PATH_MAX = 112 };

struct supervise {
    enum supervise_mode mode; /* what is in effect: never SUPERVISE_AUTO */
    char notify_path[SUPERVISE_PATH_MAX];
};

/* "no", "systemd", "upstart", "auto" in any case of letters; false for another word. */
bool supervise_mode_find(struct slice word, enum supervise_mode *out_mode);

/* Find out who supervises, from the environment, and take its variables out of the environment, so
 * that children don't speak in the server's name. A mode that was asked for but whose variable is
 * missing becomes SUPERVISE_NO, with LARDER_NOT_FOUND and a sentence for the log: the server runs
 * on. Before any thread is started. */
LARDER_NODISCARD
enum larder_status supervise_init(struct supervise *supervise, enum supervise_mode mode,
                                  struct error_text *error);

/* The server accepts connections. Under upstart this stops the process until it is continued.
 * `status_text` is shown by systemctl. Errors: those of socket_send_unix_datagram. */
LARDER_NODISCARD
enum larder_status supervise_ready(const struct supervise *supervise, const char *status_text,
                                   struct error_text *error);

/* The configuration is being read again; supervise_ready when that is done. */
LARDER_NODISCARD
enum larder_status supervise_reloading(const struct supervise *supervise, struct error_text *error);

/* The server has begun to end. */
LARDER_NODISCARD
enum larder_status supervise_stopping(const struct supervise *supervise, struct error_text *error);

#endif
