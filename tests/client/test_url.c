/* SPDX-License-Identifier: BSD-3-Clause */
/* URLs of servers: every form, what is refused, connecting by one. */
#include "support/failing_allocator.h"
#include "support/fake_server.h"
#include "support/real_server.h"
#include "support/testing.h"

#include <valkey/url.h>

#include <stdio.h>

enum { PORT = 21610 };

static void expect_text(const char *text, const char *wanted) {
    if (wanted == NULL)
        assert_null(text);
    else
        assert_string_equal(text, wanted);
}

static void every_form_is_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        valkeyUrl wanted;
    } CASES[] = {
        {"redis://host", {.host = "host", .port = 6379, .nodes = "host:6379"}},
        {"valkey://host:7000/", {.host = "host", .port = 7000, .nodes = "host:7000"}},
        {"rediss://h/15",
         {.wants_tls = 1, .host = "h", .port = 6379, .nodes = "h:6379", .database = 15}},
        {"valkeys://h:1", {.wants_tls = 1, .host = "h", .port = 1, .nodes = "h:1"}},
        {"redis://user:pa%40s%3as@h:2/3",
         {.username = "user",
          .password = "pa@s:s",
          .host = "h",
          .port = 2,
          .nodes = "h:2",
          .database = 3}},
        {"redis://:secret@h", {.password = "secret", .host = "h", .port = 6379, .nodes = "h:6379"}},
        {"redis://:a@b@h", {.password = "a@b", .host = "h", .port = 6379, .nodes = "h:6379"}},
        {"redis://user@h", {.username = "user", .host = "h", .port = 6379, .nodes = "h:6379"}},
        {"redis://user:@h",
         {.username = "user", .password = "", .host = "h", .port = 6379, .nodes = "h:6379"}},
        {"redis://[::1]", {.host = "::1", .port = 6379, .nodes = "::1:6379"}},
        {"redis://[fe80::1%25eth0]:70,b,[::2]:3/1",
         {.host = "fe80::1%eth0",
          .port = 70,
          .nodes = "fe80::1%eth0:70,b:6379,::2:3",
          .database = 1}},
        {"unix:///tmp/a%20b", {.type = VALKEY_CONN_UNIX, .host = "/tmp/a b"}},
        {"unix://u:p@/tmp/s?db=4",
         {.type = VALKEY_CONN_UNIX,
          .username = "u",
          .password = "p",
          .host = "/tmp/s",
          .database = 4}},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        const char *error;
        valkeyUrl *url = valkeyUrlParse(CASES[i].text, &error);
        const valkeyUrl *wanted = &CASES[i].wanted;
        if (url == NULL)
            fail_msg("%s: %s", CASES[i].text, error);
        assert_int_equal(url->type, wanted->type);
        assert_int_equal(url->wants_tls, wanted->wants_tls);
        expect_text(url->username, wanted->username);
        expect_text(url->password, wanted->password);
        expect_text(url->host, wanted->host);
        assert_int_equal(url->port, wanted->port);
        expect_text(url->nodes, wanted->nodes);
        assert_int_equal(url->database, wanted->database);
        valkeyUrlFree(url);
    }
    valkeyUrlFree(NULL);
}

static void other_texts_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *error;
    } CASES[] = {{NULL, "Unknown scheme in URL"},
                 {"", "Unknown scheme in URL"},
                 {"http://h", "Unknown scheme in URL"},
                 {"redis:/h", "Unknown scheme in URL"},
                 {"redis://", "Bad address in URL"},
                 {"redis://:1", "Bad address in URL"},
                 {"redis://h:", "Bad address in URL"},
                 {"redis://h:0", "Bad address in URL"},
                 {"redis://h:65536", "Bad address in URL"},
                 {"redis://h:1x", "Bad address in URL"},
                 {"redis://h:99999999999", "Bad address in URL"},
                 {"redis://[::1", "Bad address in URL"},
                 {"redis://[::1]x", "Bad address in URL"},
                 {"redis://a,,b", "Bad address in URL"},
                 {"redis://a,", "Bad address in URL"},
                 {"redis://h/x", "Bad database in URL"},
                 {"redis://h/-1", "Bad database in URL"},
                 {"redis://h/99999999999", "Bad database in URL"},
                 {"redis://h?x=1", "Unknown parameter in URL"},
                 {"redis://h#x", "Unknown parameter in URL"},
                 {"redis://:%4@h", "Bad percent encoding in URL"},
                 {"redis://:%zz@h", "Bad percent encoding in URL"},
                 {"redis://%00", "Bad percent encoding in URL"},
                 {"unix://", "Bad path in URL"},
                 {"unix://tmp", "Bad path in URL"},
                 {"unix:///a?x", "Unknown parameter in URL"},
                 {"unix:///a?db=", "Bad database in URL"}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        const char *error = NULL;
        assert_null(valkeyUrlParse(CASES[i].text, &error));
        assert_string_equal(error, CASES[i].error);
        assert_null(valkeyUrlParse(CASES[i].text, NULL));
        valkeyContext *c = valkeyConnectUrl(CASES[i].text);
        assert_int_equal(c->err, VALKEY_ERR_OTHER);
        assert_string_equal(c->errstr, CASES[i].error);
        valkeyFree(c);
    }
}

static void a_server_is_connected_to_as_the_url_says(void **state) {
    (void)state;
    static const char *const ARGUMENTS[] = {"--requirepass", "p@ss", NULL};
    struct real_server *server = real_server_start(PORT, ARGUMENTS);
    char urls[2][256];
    (void)snprintf(urls[0], sizeof urls[0], "redis://default:p%%40ss@127.0.0.1:%d/3", PORT);
    (void)snprintf(urls[1], sizeof urls[1], "unix://:p%%40ss@%s?db=3", real_server_socket(server));
    for (int i = 0; i < 2; i++) {
        valkeyContext *c = valkeyConnectUrl(urls[i]);
        assert_string_equal(c->errstr, "");
        valkeyReply *reply = valkeyCommand(c, "CLIENT LIST");
        assert_non_null(strstr(reply->str, " db=3 "));
        freeReplyObject(reply);
        valkeyFree(c);
    }
    valkeyContext *c = valkeyConnectUrl("redis://:other@127.0.0.1:21610");
    assert_int_equal(c->err, VALKEY_ERR_OTHER);
    assert_non_null(strstr(c->errstr, "WRONGPASS"));
    valkeyFree(c);
    c = valkeyConnectUrl("rediss://127.0.0.1:21610");
    assert_string_equal(c->errstr, "This URL asks for TLS");
    valkeyFree(c);
    real_server_stop(server);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const struct fake_rule RULES[] = {{.reply = "+OK\r\n"}};
    struct fake_server *server = fake_server_start(0, RULES, 1);
    char text[128];
    (void)snprintf(text, sizeof text, "redis://user:pass@127.0.0.1:%d,other/1",
                   fake_server_port(server));
    int at = 0;
    for (bool has_failed = true; has_failed; at++) {
        failing_allocator_install(at);
        valkeyContext *c = valkeyConnectUrl(text);
        has_failed = failing_allocator_has_failed();
        assert_true(c != NULL || has_failed);
        if (c != NULL && has_failed)
            assert_string_equal(c->errstr, "Out of memory");
        if (!has_failed)
            assert_int_equal(c->err, 0);
        valkeyFree(c);
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
    }
    assert_true(at > 8);
    fake_server_stop(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_taken_apart),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(a_server_is_connected_to_as_the_url_says),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
