/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/real_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 64, START_MS = 10000 };

struct real_server {
    pid_t process;
    int port;
    char folder[64];
    char socket[96];
};

static void require(bool condition, const char *what) {
    if (condition)
        return;
    perror(what);
    abort();
}

static bool accepts(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool result = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return result;
}

static void run(const struct real_server *server, const char *program,
                const char *const *arguments) {
    char port[16];
    (void)snprintf(port, sizeof port, "%d", server->port);
    const char *words[ARGUMENTS_MAX] = {program,
                                        "--port",
                                        port,
                                        "--dir",
                                        server->folder,
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--logfile",
                                        "log",
                                        "--loglevel",
                                        "warning",
                                        "--unixsocket",
                                        server->socket,
                                        "--bind",
                                        "127.0.0.1",
                                        "::1",
                                        "--enable-debug-command",
                                        "yes",
                                        "--protected-mode",
                                        "no"};
    int count = 22;
    for (; arguments != NULL && *arguments != NULL && count < ARGUMENTS_MAX - 1; arguments++)
        words[count++] = *arguments;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(words[0], (char *const *)(void *)words);
    _exit(127);
}

static void run_sentinel(const struct real_server *server, const char *config) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp("redis-server", "redis-server", config, "--sentinel", "--dir", server->folder,
           "--logfile", "log", (char *)NULL);
    _exit(127);
}

struct real_server *real_server_start(int port, const char *const *arguments) {
    return real_server_start_program("redis-server", port, arguments);
}

static struct real_server *create(int port) {
    struct real_server *server = calloc(1, sizeof *server);
    require(server != NULL, "calloc");
    server->port = port;
    require(!accepts(port), "the server's port is taken");
    (void)snprintf(server->folder, sizeof server->folder, "/tmp/larder-client-XXXXXX");
    require(mkdtemp(server->folder) != NULL, "mkdtemp");
    (void)snprintf(server->socket, sizeof server->socket, "%s/socket", server->folder);
    return server;
}

static struct real_server *wait_until_it_accepts(struct real_server *server) {
    for (int waited = 0; !accepts(server->port); waited += 5) {
        require(waited < START_MS, "the server does not start");
        require(waitpid(server->process, NULL, WNOHANG) == 0, "the server ended");
        struct timespec moment = {.tv_nsec = 5000000};
        (void)nanosleep(&moment, NULL);
    }
    return server;
}

struct real_server *real_server_start_program(const char *program, int port,
                                              const char *const *arguments) {
    struct real_server *server = create(port);
    server->process = fork();
    require(server->process >= 0, "fork");
    if (server->process == 0)
        run(server, program, arguments);
    return wait_until_it_accepts(server);
}

struct real_server *real_server_start_sentinel(int port, const char *config) {
    struct real_server *server = create(port);
    server->process = fork();
    require(server->process >= 0, "fork");
    if (server->process == 0)
        run_sentinel(server, config);
    return wait_until_it_accepts(server);
}

int real_server_port(const struct real_server *server) {
    return server->port;
}

const char *real_server_socket(const struct real_server *server) {
    return server->socket;
}

void real_server_pause(struct real_server *server) {
    (void)kill(server->process, SIGSTOP);
}

void real_server_resume(struct real_server *server) {
    (void)kill(server->process, SIGCONT);
}

void real_server_stop(struct real_server *server) {
    if (server == NULL)
        return;
    (void)kill(server->process, SIGKILL);
    (void)waitpid(server->process, NULL, 0);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", server->folder);
    if (system(command) != 0)
        perror("rm");
    free(server);
}
