/* SPDX-License-Identifier: BSD-3-Clause */
/* libmicrohttpd with one internal polling thread. The listening socket is made here, because only
 * then does a taken port get a clear sentence. A page is rendered into memory, copied into the
 * response by the library, and released. */
#include "server/metrics_http.h"

#include "os/socket.h"

#include <string.h>

void metrics_describe(struct text_buffer *text, const char *name, const char *type,
                      const char *help) {
    text_buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

#if defined(LARDER_HAVE_MICROHTTPD)
#include <microhttpd.h>

struct metrics_http {
    struct metrics_http_options options; /* immutable after start, as all fields */
    const struct allocator *allocator;
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type,
                              const char *body, size_t size) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_add_response_header(response, "Content-Type", type);
    if (result == MHD_YES && code == MHD_HTTP_METHOD_NOT_ALLOWED)
        result = MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (result == MHD_YES)
        result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_plain(struct MHD_Connection *connection, unsigned code,
                                    const char *text) {
    return answer(connection, code, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result answer_metrics(struct metrics_http *http,
                                      struct MHD_Connection *connection) {
    struct text_buffer text = {.allocator = http->allocator};
    http->options.render(http->options.context, &text);
    enum MHD_Result result = MHD_NO;
    if (text.is_out_of_memory)
        result = answer_plain(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory\n");
    else
        result = answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                        text.data == NULL ? "" : text.data, text.size);
    allocator_release(http->allocator, text.data, text.capacity);
    return result;
}

static enum MHD_Result answer_health(struct metrics_http *http, struct MHD_Connection *connection) {
    struct text_buffer text = {.allocator = http->allocator};
    bool is_healthy =
        http->options.is_healthy == NULL || http->options.is_healthy(http->options.context, &text);
    const char *fallback = is_healthy ? "ok\n" : "unhealthy\n";
    unsigned code = is_healthy ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    enum MHD_Result result = answer_plain(connection, code, text.size == 0 ? fallback : text.data);
    allocator_release(http->allocator, text.data, text.capacity);
    return result;
}

static enum MHD_Result handle_request(void *context, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **request) {
    (void)version;
    (void)upload;
    struct metrics_http *http = context;
    /* The library calls once per request before its body, and again until the body has ended. */
    if (*request == NULL) {
        *request = http;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_plain(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(http, connection);
    if (strcmp(url, "/healthz") == 0)
        return answer_health(http, connection);
    return answer_plain(connection, MHD_HTTP_NOT_FOUND, "see /metrics and /healthz\n");
}

enum larder_status metrics_http_start(const struct metrics_http_options *options,
                                      const struct allocator *allocator,
                                      struct metrics_http **out_http, struct error_text *error) {
    *out_http = NULL;
    struct metrics_http *http = allocator_allocate_zeroed(allocator, sizeof *http);
    if (http == NULL) {
        error_text_format(error, "not enough memory for the metrics port");
        return LARDER_NO_MEMORY;
    }
    http->options = *options;
    http->options.address = NULL;
    http->allocator = allocator;
    enum larder_status status =
        socket_listen_tcp(options->address == NULL ? "127.0.0.1" : options->address, options->port,
                          METRICS_CONNECTIONS_MAX, &http->listen_fd, error);
    if (status != LARDER_OK) {
        metrics_http_stop(http);
        return status;
    }
    http->port = socket_local_port(http->listen_fd);
    http->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL,
                                    handle_request, http, MHD_OPTION_LISTEN_SOCKET, http->listen_fd,
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNECTIONS_MAX,
                                    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)METRICS_IDLE_SECONDS,
                                    MHD_OPTION_END);
    if (http->daemon == NULL) {
        error_text_format(error, "can't start the metrics thread");
        metrics_http_stop(http);
        return LARDER_NO_MEMORY;
    }
    *out_http = http;
    return LARDER_OK;
}

uint16_t metrics_http_port(const struct metrics_http *http) {
    return http->port;
}

void metrics_http_stop(struct metrics_http *http) {
    if (http == NULL)
        return;
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon); /* closes the listening socket */
    else
        socket_close(http->listen_fd);
    allocator_release(http->allocator, http, sizeof *http);
}

#else

enum larder_status metrics_http_start(const struct metrics_http_options *options,
                                      const struct allocator *allocator,
                                      struct metrics_http **out_http, struct error_text *error) {
    (void)options;
    (void)allocator;
    *out_http = NULL;
    error_text_format(error, "this build has no metrics port: it was made without libmicrohttpd");
    return LARDER_INVALID;
}

uint16_t metrics_http_port(const struct metrics_http *http) {
    (void)http;
    return 0;
}

void metrics_http_stop(struct metrics_http *http) {
    (void)http;
}

#endif
