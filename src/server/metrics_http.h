/* SPDX-License-Identifier: BSD-3-Clause */
/* An HTTP port for monitoring: GET /metrics in Prometheus's text format, GET /healthz. One thread
 * of its own serves at most METRICS_CONNECTIONS_MAX connections; the loops are not involved. It
 * knows nothing of the server: what it shows comes from two callbacks. Built on libmicrohttpd;
 * without it (LARDER_HAVE_MICROHTTPD not defined) start fails with a sentence. */
#ifndef LARDER_SERVER_METRICS_HTTP_H
#define LARDER_SERVER_METRICS_HTTP_H

#include "base/text_buffer.h"
#include "os/error_text.h"

#include <stdbool.h>
#include <stdint.h>

enum { METRICS_CONNECTIONS_MAX = 16, METRICS_IDLE_SECONDS = 10 };

/* Append the two comment lines that open a metric. `type`: "counter", "gauge" or "histogram". */
void metrics_describe(struct text_buffer *text, const char *name, const char *type,
                      const char *help);

struct metrics_http_options {
    const char *address; /* as socket_listen_tcp; default 127.0.0.1 */
    uint16_t port;       /* 0: any free one */
    void (*render)(void *context, struct text_buffer *out); /* metrics thread */
    /* False: 503 with what it wrote to `out` as the reason. Metrics thread. NULL: always healthy.
     */
    bool (*is_healthy)(void *context, struct text_buffer *out);
    void *context; /* borrowed until stop */
};

struct metrics_http;

/* Returns owned. Errors: those of socket_listen_tcp (LARDER_EXISTS: the port is taken),
 * LARDER_NO_MEMORY, LARDER_INVALID (built without HTTP). */
LARDER_NODISCARD
enum larder_status metrics_http_start(const struct metrics_http_options *options,
                                      const struct allocator *allocator,
                                      struct metrics_http **out_http, struct error_text *error);

uint16_t metrics_http_port(const struct metrics_http *http);

/* Blocks until the callbacks have returned for the last time, then frees. NULL is allowed. */
void metrics_http_stop(struct metrics_http *http);

#endif
