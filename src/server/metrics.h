/* SPDX-License-Identifier: BSD-3-Clause */
/* What GET /metrics shows: the server's figures in Prometheus's text format, under the names that
 * dashboards for Redis servers read. */
#ifndef LARDER_SERVER_METRICS_H
#define LARDER_SERVER_METRICS_H

#include "server/metrics_http.h"

/* Append all metrics. `context` is the struct server. Any thread. */
void metrics_render(void *context, struct text_buffer *out);

#endif
