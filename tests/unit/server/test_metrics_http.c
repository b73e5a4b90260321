/* SPDX-License-Identifier: BSD-3-Clause */
/* The monitoring port over real HTTP, spoken by hand. */
#include "os/poller.h"
#include "os/socket.h"
#include "server/metrics_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct source {
    _Atomic bool is_healthy;
    _Atomic int lines;
};

static void render(void *context, struct text_buffer *out) {
    struct source *source = context;
    metrics_describe(out, "larder_up", "gauge", "Whether the server runs.");
    for (int i = 0; i < source->lines; i++)
        text_buffer_format(out, "larder_up{line=\"%d\"} 1\n", i);
}

static bool is_healthy(void *context, struct text_buffer *out) {
    struct source *source = context;
    if (!source->is_healthy)
        text_buffer_format(out, "loading\n");
    return source->is_healthy;
}

static void wait_readable(int fd) {
    struct poller poller;
    struct poller_event event;
    size_t count = 0;
    assert_int_equal(poller_init(&poller), LARDER_OK);
    assert_int_equal(poller_add(&poller, fd, POLLER_READ, NULL), LARDER_OK);
    assert_int_equal(poller_wait(&poller, &event, 1, 10000, &count), LARDER_OK);
    assert_int_equal(count, 1);
    poller_finish(&poller);
}

/* The whole answer, headers and all. */
static const char *fetch(uint16_t port, const char *request_line) {
    static char answer[1 << 20];
    char request[256];
    size_t used = 0, size = 0;
    int fd = -1;
    int length = snprintf(request, sizeof request,
                          "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request_line);
    assert_int_equal(socket_connect_tcp("127.0.0.1", port, 5000, &fd, NULL), LARDER_OK);
    assert_int_equal(socket_send(fd, request, (size_t)length, &size), LARDER_OK);
    enum larder_status status = LARDER_AGAIN;
    while (status != LARDER_CLOSED) {
        wait_readable(fd);
        status = socket_receive(fd, answer + used, sizeof answer - 1 - used, &size);
        assert_true(status == LARDER_OK || status == LARDER_AGAIN || status == LARDER_CLOSED);
        used += size;
    }
    answer[used] = '\0';
    socket_close(fd);
    return answer;
}

static struct metrics_http *start(struct source *source, const struct allocator *allocator) {
    struct metrics_http_options options = {
        .render = render, .is_healthy = is_healthy, .context = source};
    struct metrics_http *http = NULL;
    struct error_text error;
    if (metrics_http_start(&options, allocator, &http, &error) != LARDER_OK)
        fail_msg("%s", error.text);
    return http;
}

static void metrics_and_health_are_served(void **state) {
    (void)state;
    struct source source = {.is_healthy = true, .lines = 2};
    struct metrics_http *http = start(&source, &ALLOCATOR_SYSTEM);
    uint16_t port = metrics_http_port(http);
    const char *answer = fetch(port, "GET /metrics");
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "\r\n\r\n# HELP larder_up Whether the server runs.\n"
                                   "# TYPE larder_up gauge\nlarder_up{line=\"0\"} 1\n"
                                   "larder_up{line=\"1\"} 1\n"));
    answer = fetch(port, "GET /healthz");
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "\r\n\r\nok\n"));
    source.is_healthy = false;
    answer = fetch(port, "GET /healthz");
    assert_non_null(strstr(answer, "HTTP/1.1 503"));
    assert_non_null(strstr(answer, "\r\n\r\nloading\n"));
    metrics_http_stop(http);
}

static void other_paths_and_methods_are_refused(void **state) {
    (void)state;
    struct source source = {.is_healthy = true, .lines = 1};
    struct metrics_http *http = start(&source, &ALLOCATOR_SYSTEM);
    uint16_t port = metrics_http_port(http);
    assert_non_null(strstr(fetch(port, "GET /"), "HTTP/1.1 404"));
    assert_non_null(strstr(fetch(port, "GET /metrics/../x"), "HTTP/1.1 404"));
    const char *answer = fetch(port, "DELETE /metrics");
    assert_non_null(strstr(answer, "HTTP/1.1 405"));
    assert_non_null(strstr(answer, "Allow: GET, HEAD"));
    answer = fetch(port, "HEAD /metrics");
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_null(strstr(answer, "larder_up"));
    metrics_http_stop(http);
}

static void large_page_is_served_whole(void **state) {
    (void)state;
    struct source source = {.is_healthy = true, .lines = 20000};
    struct metrics_http *http = start(&source, &ALLOCATOR_SYSTEM);
    const char *answer = fetch(metrics_http_port(http), "GET /metrics");
    assert_non_null(strstr(answer, "larder_up{line=\"0\"} 1\n"));
    assert_non_null(strstr(answer, "larder_up{line=\"19999\"} 1\n"));
    metrics_http_stop(http);
}

static void taken_port_is_told(void **state) {
    (void)state;
    struct source source = {.lines = 1};
    struct metrics_http *first = start(&source, &ALLOCATOR_SYSTEM), *second = NULL;
    struct metrics_http_options options = {.port = metrics_http_port(first), .render = render};
    struct error_text error;
    assert_int_equal(metrics_http_start(&options, &ALLOCATOR_SYSTEM, &second, &error),
                     LARDER_EXISTS);
    assert_null(second);
    assert_non_null(strstr(error.text, "Address already in use"));
    metrics_http_stop(first);
    metrics_http_stop(NULL);
}

static void connections_beyond_the_limit_wait_or_are_dropped(void **state) {
    (void)state;
    struct source source = {.is_healthy = true, .lines = 1};
    struct metrics_http *http = start(&source, &ALLOCATOR_SYSTEM);
    int idle[METRICS_CONNECTIONS_MAX * 2];
    for (int i = 0; i < METRICS_CONNECTIONS_MAX * 2; i++)
        assert_int_equal(
            socket_connect_tcp("127.0.0.1", metrics_http_port(http), 5000, &idle[i], NULL),
            LARDER_OK);
    for (int i = 0; i < METRICS_CONNECTIONS_MAX * 2; i++)
        socket_close(idle[i]);
    assert_non_null(strstr(fetch(metrics_http_port(http), "GET /healthz"), "HTTP/1.1 200"));
    metrics_http_stop(http);
}

struct failing {
    _Atomic int until_failure;
    _Atomic long held;
};

static void *failing_allocate(void *context, size_t size) {
    struct failing *failing = context;
    if (failing->until_failure-- == 0)
        return NULL;
    failing->held += (long)size;
    return malloc(size);
}

static void *failing_resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    struct failing *failing = context;
    if (failing->until_failure-- == 0)
        return NULL;
    failing->held += (long)new_size - (long)old_size;
    return realloc(pointer, new_size);
}

static void failing_release(void *context, void *pointer, size_t size) {
    struct failing *failing = context;
    failing->held -= (long)size;
    free(pointer);
}

static void lack_of_memory_is_answered(void **state) {
    (void)state;
    struct failing failing = {.until_failure = 0};
    struct allocator allocator = {.allocate = failing_allocate,
                                  .resize = failing_resize,
                                  .release = failing_release,
                                  .context = &failing};
    struct source source = {.is_healthy = true, .lines = 1000};
    struct metrics_http_options options = {.render = render, .context = &source};
    struct metrics_http *http = NULL;
    assert_int_equal(metrics_http_start(&options, &allocator, &http, NULL), LARDER_NO_MEMORY);
    failing.until_failure = -1;
    http = start(&source, &allocator);
    for (int allowed = 0; allowed < 3; allowed++) {
        failing.until_failure = allowed;
        assert_non_null(strstr(fetch(metrics_http_port(http), "GET /metrics"), "HTTP/1.1 503"));
    }
    failing.until_failure = -1;
    assert_non_null(strstr(fetch(metrics_http_port(http), "GET /metrics"), "HTTP/1.1 200"));
    metrics_http_stop(http);
    assert_int_equal(failing.held, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_and_health_are_served),
        cmocka_unit_test(other_paths_and_methods_are_refused),
        cmocka_unit_test(large_page_is_served_whole),
        cmocka_unit_test(taken_port_is_told),
        cmocka_unit_test(connections_beyond_the_limit_wait_or_are_dropped),
        cmocka_unit_test(lack_of_memory_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
