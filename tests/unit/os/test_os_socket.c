/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets over loopback and unix domain: text of addresses, status of every ending. */
#include "os/poller.h"
#include "os/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct socket_peer accept_when_ready(int listener) {
    struct poller poller;
    struct poller_event event;
    struct socket_peer peer;
    size_t count = 0;
    assert_int_equal(poller_init(&poller), LARDER_OK);
    assert_int_equal(poller_add(&poller, listener, POLLER_READ, NULL), LARDER_OK);
    assert_int_equal(poller_wait(&poller, &event, 1, 5000, &count), LARDER_OK);
    assert_int_equal(count, 1);
    assert_int_equal(socket_accept(listener, &peer), LARDER_OK);
    poller_finish(&poller);
    return peer;
}

static void bytes_pass_both_ways(int a, int b) {
    size_t size = 0;
    char buffer[16];
    assert_int_equal(socket_receive(b, buffer, sizeof buffer, &size), LARDER_AGAIN);
    assert_int_equal(socket_send(a, "hello", 5, &size), LARDER_OK);
    assert_int_equal(size, 5);
    assert_int_equal(socket_receive(b, buffer, sizeof buffer, &size), LARDER_OK);
    assert_int_equal(size, 5);
    struct slice parts[] = {SLICE_LITERAL("ab"), SLICE_LITERAL(""), SLICE_LITERAL("cde")};
    assert_int_equal(socket_sendv(b, parts, 3, &size), LARDER_OK);
    assert_int_equal(size, 5);
    assert_int_equal(socket_receive(a, buffer, sizeof buffer, &size), LARDER_OK);
    assert_true(slice_equal(slice_of(buffer, size), SLICE_LITERAL("abcde")));
}

static void loopback_round_trip(const char *address, const char *expected_format) {
    struct error_text error;
    struct socket_peer peer;
    char text[SOCKET_TEXT_MAX], expected[SOCKET_TEXT_MAX];
    int listener = -1, client = -1;
    if (socket_listen_tcp(address, 0, 16, &listener, &error) != LARDER_OK)
        fail_msg("%s", error.text);
    assert_int_equal(socket_accept(listener, &peer), LARDER_AGAIN);
    uint16_t port = socket_local_port(listener);
    assert_int_equal(socket_connect_tcp(address, port, 5000, &client, &error), LARDER_OK);
    peer = accept_when_ready(listener);
    assert_true(peer.is_loopback);
    assert_false(peer.is_unix);
    assert_int_equal(peer.port, socket_local_port(client));
    socket_peer_text(&peer, text, sizeof text);
    (void)snprintf(expected, sizeof expected, "%s:%u", expected_format, peer.port);
    assert_string_equal(text, expected);
    socket_local_text(peer.fd, text, sizeof text);
    (void)snprintf(expected, sizeof expected, "%s:%u", expected_format, port);
    assert_string_equal(text, expected);
    socket_set_keepalive(peer.fd, 300);
    socket_set_keepalive(peer.fd, 0);
    bytes_pass_both_ways(client, peer.fd);
    socket_close(client);
    socket_close(peer.fd);
    socket_close(listener);
}

static void tcp_over_ipv4_carries_bytes_and_addresses(void **state) {
    (void)state;
    loopback_round_trip("127.0.0.1", "127.0.0.1");
}

static void tcp_over_ipv6_carries_bytes_and_addresses(void **state) {
    (void)state;
    int probe = -1;
    enum larder_status status = socket_listen_tcp("::1", 0, 1, &probe, NULL);
    socket_close(probe);
    if (status == LARDER_OK)
        loopback_round_trip("::1", "[::1]");
    else
        assert_true(status == LARDER_NOT_FOUND || status == LARDER_INVALID);
}

static void taken_port_and_foreign_address_are_told_apart(void **state) {
    (void)state;
    struct error_text error;
    char expected[128];
    int first = -1, second = -1;
    assert_int_equal(socket_listen_tcp("*", 0, 4, &first, &error), LARDER_OK);
    uint16_t port = socket_local_port(first);
    assert_int_equal(socket_listen_tcp("127.0.0.1", port, 4, &second, &error), LARDER_EXISTS);
    (void)snprintf(expected, sizeof expected,
                   "can't listen on 127.0.0.1 port %u: Address already in use", port);
    assert_string_equal(error.text, expected);
    assert_int_equal(second, -1);
    assert_int_equal(socket_listen_tcp("192.0.2.1", 0, 4, &second, &error), LARDER_NOT_FOUND);
    socket_close(first);
    assert_int_equal(socket_connect_tcp("127.0.0.1", port, 1000, &second, &error), LARDER_CLOSED);
}

static void wildcards_of_both_families_listen_on_one_port(void **state) {
    (void)state;
    int ipv4 = -1, ipv6 = -1;
    assert_int_equal(socket_listen_tcp("*", 0, 4, &ipv4, NULL), LARDER_OK);
    enum larder_status status = socket_listen_tcp("::*", socket_local_port(ipv4), 4, &ipv6, NULL);
    assert_true(status == LARDER_OK || status == LARDER_INVALID);
    socket_close(ipv4);
    socket_close(ipv6);
}

static void sending_to_a_closed_peer_is_a_status_and_no_signal(void **state) {
    (void)state;
    int pair[2];
    size_t size = 1;
    assert_int_equal(socket_pair(pair), LARDER_OK);
    socket_close(pair[1]);
    assert_int_equal(socket_send(pair[0], "x", 1, &size), LARDER_CLOSED);
    assert_int_equal(size, 0);
    struct slice part = SLICE_LITERAL("x");
    assert_int_equal(socket_sendv(pair[0], &part, 1, &size), LARDER_CLOSED);
    char byte;
    assert_int_equal(socket_receive(pair[0], &byte, 1, &size), LARDER_CLOSED);
    socket_close(pair[0]);
    assert_int_equal(socket_receive(pair[0], &byte, 1, &size), LARDER_IO);
}

static void full_socket_takes_part_then_would_block(void **state) {
    (void)state;
    static uint8_t block[1 << 20];
    int pair[2];
    size_t size = 0, total = 0;
    assert_int_equal(socket_pair(pair), LARDER_OK);
    enum larder_status status = LARDER_OK;
    while ((status = socket_send(pair[0], block, sizeof block, &size)) == LARDER_OK)
        total += size;
    assert_int_equal(status, LARDER_AGAIN);
    assert_true(total > 0 && total < (8u << 20));
    socket_shutdown(pair[0]);
    size_t received = 0;
    while ((status = socket_receive(pair[1], block, sizeof block, &size)) == LARDER_OK)
        received += size;
    assert_int_equal(status, LARDER_CLOSED);
    assert_int_equal(received, total);
    socket_close(pair[0]);
    socket_close(pair[1]);
}

static void unix_socket_has_its_mode_and_replaces_a_stale_file(void **state) {
    (void)state;
    char directory[] = "/tmp/larder-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/socket", directory);
    struct error_text error;
    struct stat info;
    int listener = -1, other = -1, client = -1;
    mode_t old_umask = umask(077);
    assert_int_equal(socket_listen_unix(path, 0770, 16, &listener, &error), LARDER_OK);
    (void)umask(old_umask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0770);
    assert_int_equal(socket_listen_unix(path, 0, 16, &other, &error), LARDER_EXISTS);
    assert_int_equal(socket_connect_unix(path, &client, &error), LARDER_OK);
    /* The probe of the refused second listener comes first and has gone. */
    struct socket_peer peer = accept_when_ready(listener);
    socket_close(peer.fd);
    peer = accept_when_ready(listener);
    assert_true(peer.is_unix && peer.is_loopback);
    assert_string_equal(peer.address, path);
    char text[SOCKET_TEXT_MAX];
    socket_peer_text(&peer, text, sizeof text);
    assert_memory_equal(text, path, strlen(path));
    assert_string_equal(text + strlen(path), ":0");
    bytes_pass_both_ways(client, peer.fd);
    socket_close(client);
    socket_close(peer.fd);
    socket_close(listener);
    assert_int_equal(socket_connect_unix(path, &client, &error), LARDER_CLOSED);
    assert_int_equal(socket_listen_unix(path, 0, 16, &listener, &error), LARDER_OK);
    socket_close(listener);
    assert_int_equal(unlink(path), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(socket_listen_unix(path, 0, 16, &listener, &error), LARDER_EXISTS);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void overlong_unix_path_is_refused(void **state) {
    (void)state;
    char path[200];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    struct error_text error;
    int fd = -1;
    assert_int_equal(socket_listen_unix(path, 0, 1, &fd, &error), LARDER_INVALID);
    assert_int_equal(socket_connect_unix(path, &fd, &error), LARDER_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_over_ipv4_carries_bytes_and_addresses),
        cmocka_unit_test(tcp_over_ipv6_carries_bytes_and_addresses),
        cmocka_unit_test(taken_port_and_foreign_address_are_told_apart),
        cmocka_unit_test(wildcards_of_both_families_listen_on_one_port),
        cmocka_unit_test(sending_to_a_closed_peer_is_a_status_and_no_signal),
        cmocka_unit_test(full_socket_takes_part_then_would_block),
        cmocka_unit_test(unix_socket_has_its_mode_and_replaces_a_stale_file),
        cmocka_unit_test(overlong_unix_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
