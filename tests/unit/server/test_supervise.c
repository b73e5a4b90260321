/* SPDX-License-Identifier: BSD-3-Clause */
/* A service manager played by the test, and a daemon of its own. */
#include "os/file.h"
#include "os/process.h"
#include "server/supervise.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* `name` starting with '@' is in the abstract name space. */
static int bind_manager(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static void expect_message(int manager, const char *expected) {
    char message[512];
    ssize_t size = recv(manager, message, sizeof message - 1, MSG_DONTWAIT);
    assert_true(size > 0);
    message[size] = '\0';
    assert_non_null(strstr(message, expected));
}

static void speak_to(const char *name) {
    struct supervise supervise;
    struct error_text error = {.text = ""};
    int manager = bind_manager(name);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    assert_int_equal(supervise_init(&supervise, SUPERVISE_AUTO, &error), LARDER_OK);
    assert_int_equal(supervise.mode, SUPERVISE_SYSTEMD);
    assert_null(getenv("NOTIFY_SOCKET"));
    char expected[96];
    (void)snprintf(expected, sizeof expected, "READY=1\nSTATUS=Ready\nMAINPID=%d\n", (int)getpid());
    if (supervise_ready(&supervise, "Ready", &error) != LARDER_OK)
        fail_msg("%s", error.text);
    expect_message(manager, expected);
    assert_int_equal(supervise_reloading(&supervise, &error), LARDER_OK);
    expect_message(manager, "RELOADING=1\nMONOTONIC_USEC=");
    assert_int_equal(supervise_stopping(&supervise, &error), LARDER_OK);
    expect_message(manager, "STOPPING=1\n");
    assert_int_equal(close(manager), 0);
    if (name[0] != '@')
        assert_int_equal(unlink(name), 0);
    assert_int_equal(supervise_stopping(&supervise, &error),
                     name[0] == '@' ? LARDER_CLOSED : LARDER_NOT_FOUND);
}

static void systemd_is_told_each_stage(void **state) {
    (void)state;
    char name[96];
    (void)snprintf(name, sizeof name, "/tmp/larder-notify-%d", (int)getpid());
    speak_to(name);
    (void)snprintf(name, sizeof name, "@larder-notify-%d", (int)getpid());
    speak_to(name);
}

static void without_a_manager_nothing_is_said(void **state) {
    (void)state;
    struct supervise supervise;
    struct error_text error;
    assert_int_equal(supervise_init(&supervise, SUPERVISE_AUTO, &error), LARDER_OK);
    assert_int_equal(supervise.mode, SUPERVISE_NO);
    assert_int_equal(supervise_ready(&supervise, "Ready", &error), LARDER_OK);
    assert_int_equal(supervise_init(&supervise, SUPERVISE_SYSTEMD, &error), LARDER_NOT_FOUND);
    assert_non_null(strstr(error.text, "NOTIFY_SOCKET"));
    assert_int_equal(supervise.mode, SUPERVISE_NO);
}

static void modes_have_names(void **state) {
    (void)state;
    enum supervise_mode mode = SUPERVISE_NO;
    assert_true(supervise_mode_find(SLICE_LITERAL("SystemD"), &mode));
    assert_int_equal(mode, SUPERVISE_SYSTEMD);
    assert_false(supervise_mode_find(SLICE_LITERAL("runit"), &mode));
}

static void upstart_finds_the_ready_server_stopped(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct supervise supervise;
        (void)setenv("UPSTART_JOB", "larder", 1);
        if (supervise_init(&supervise, SUPERVISE_UPSTART, NULL) != LARDER_OK)
            _exit(1);
        _exit(supervise_ready(&supervise, "Ready", NULL) == LARDER_OK ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void daemon_lives_on_in_a_session_of_its_own(void **state) {
    (void)state;
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        if (process_daemonize(NULL) != LARDER_OK)
            _exit(1);
        int64_t seen[2] = {getpid(), getsid(0)};
        _exit(write(channel[1], seen, sizeof seen) == sizeof seen ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    int64_t seen[2] = {0, 0};
    assert_int_equal(read(channel[0], seen, sizeof seen), sizeof seen);
    assert_int_not_equal(seen[0], child);
    assert_int_equal(seen[0], seen[1]);
    assert_int_equal(close(channel[0]), 0);
    assert_int_equal(close(channel[1]), 0);
}

int main(void) {
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("UPSTART_JOB");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(systemd_is_told_each_stage),
        cmocka_unit_test(without_a_manager_nothing_is_said),
        cmocka_unit_test(modes_have_names),
        cmocka_unit_test(upstart_finds_the_ready_server_stopped),
        cmocka_unit_test(daemon_lives_on_in_a_session_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
