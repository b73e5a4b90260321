/* SPDX-License-Identifier: BSD-3-Clause */
/* One accepting thread, one thread per connection, one lock for rules, log and connection list. */
#include "support/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, RECEIVE_MAX = 1 << 16 };

struct connection_thread {
    struct fake_server *server;
    pthread_t thread;
    int fd;
    char *received;
    size_t used, capacity;
};

struct fake_server {
    int listen_fd, port;
    pthread_t thread;
    pthread_mutex_t lock;
    const struct fake_rule *rules;
    size_t rule_count;
    int *uses;
    struct connection_thread *connections[CONNECTIONS_MAX];
    int connection_count;
    bool is_stopping;
    char *log;
    size_t log_used, log_capacity;
    char *log_copy;
};

static void require(bool condition, const char *what) {
    if (condition)
        return;
    perror(what);
    abort();
}

static void sleep_ms(int ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};
    while (nanosleep(&time, &time) != 0) {
    }
}

static void send_pieces(int fd, const char *data, size_t size, size_t piece) {
    if (piece == 0)
        piece = size;
    while (size > 0) {
        size_t part = size < piece ? size : piece;
        ssize_t sent = send(fd, data, part, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
        if (size > 0 && piece < 4096)
            sleep_ms(1);
    }
}

/* Words of the complete command at `data`, joined by spaces in *text (owned). Returns its bytes, 0
 * when it is not complete. */
static size_t read_command(const char *data, size_t size, char **text) {
    const char *at = data, *end = data + size;
    char *line = memchr(at, '\n', size);
    if (line == NULL)
        return 0;
    require(*at == '*', "fake server: not a command");
    long words = strtol(at + 1, NULL, 10);
    at = line + 1;
    char *joined = malloc(size + 1);
    size_t used = 0;
    for (long i = 0; i < words; i++) {
        line = memchr(at, '\n', (size_t)(end - at));
        if (line == NULL)
            goto incomplete;
        size_t length = (size_t)strtol(at + 1, NULL, 10);
        at = line + 1;
        if ((size_t)(end - at) < length + 2)
            goto incomplete;
        if (i > 0)
            joined[used++] = ' ';
        memcpy(joined + used, at, length);
        used += length;
        at += length + 2;
    }
    joined[used] = '\0';
    *text = joined;
    return (size_t)(at - data);
incomplete:
    free(joined);
    return 0;
}

static bool begins_with(const char *text, const char *beginning) {
    return beginning == NULL || strncasecmp(text, beginning, strlen(beginning)) == 0;
}

static void add_to_log(struct fake_server *server, const char *text) {
    size_t size = strlen(text);
    if (server->log_capacity - server->log_used < size + 2) {
        server->log_capacity = (server->log_used + size + 2) * 2;
        server->log = realloc(server->log, server->log_capacity);
        require(server->log != NULL, "realloc");
    }
    memcpy(server->log + server->log_used, text, size);
    server->log_used += size;
    server->log[server->log_used++] = '\n';
    server->log[server->log_used] = '\0';
}

static struct fake_rule pick_rule(struct fake_server *server, const char *command) {
    struct fake_rule rule = {.reply = "-ERR no rule for this command\r\n"};
    pthread_mutex_lock(&server->lock);
    add_to_log(server, command);
    for (size_t i = 0; i < server->rule_count; i++) {
        const struct fake_rule *candidate = &server->rules[i];
        if (!begins_with(command, candidate->command))
            continue;
        if (candidate->times > 0 && server->uses[i] >= candidate->times)
            continue;
        server->uses[i]++;
        rule = *candidate;
        break;
    }
    pthread_mutex_unlock(&server->lock);
    return rule;
}

static void reset_on_close(int fd) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Answer by the rule; what becomes of the connection. */
static enum fake_after answer(struct connection_thread *connection, const char *command) {
    struct fake_rule rule = pick_rule(connection->server, command);
    if (rule.delay_ms > 0)
        sleep_ms(rule.delay_ms);
    if (rule.reply != NULL)
        send_pieces(connection->fd, rule.reply,
                    rule.reply_size > 0 ? rule.reply_size : strlen(rule.reply), rule.piece);
    if (rule.after == FAKE_RESET)
        reset_on_close(connection->fd);
    return rule.after;
}

static bool receive(struct connection_thread *connection) {
    if (connection->capacity - connection->used < RECEIVE_MAX) {
        connection->capacity = connection->capacity * 2 + RECEIVE_MAX;
        connection->received = realloc(connection->received, connection->capacity);
        require(connection->received != NULL, "realloc");
    }
    ssize_t count = recv(connection->fd, connection->received + connection->used, RECEIVE_MAX, 0);
    if (count > 0)
        connection->used += (size_t)count;
    return count > 0;
}

static void *serve(void *argument) {
    struct connection_thread *connection = argument;
    enum fake_after state = FAKE_KEEP;
    while ((state == FAKE_KEEP || state == FAKE_SILENT) && receive(connection)) {
        size_t at = 0;
        while (state == FAKE_KEEP) {
            char *command;
            size_t size = read_command(connection->received + at, connection->used - at, &command);
            if (size == 0)
                break;
            at += size;
            state = answer(connection, command);
            free(command);
        }
        memmove(connection->received, connection->received + at, connection->used - at);
        connection->used -= at;
    }
    pthread_mutex_lock(&connection->server->lock);
    (void)close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&connection->server->lock);
    return NULL;
}

static void *accept_all(void *argument) {
    struct fake_server *server = argument;
    for (;;) {
        int fd = accept(server->listen_fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection_thread *connection = calloc(1, sizeof *connection);
        require(connection != NULL, "calloc");
        *connection = (struct connection_thread){.server = server, .fd = fd};
        pthread_mutex_lock(&server->lock);
        require(server->connection_count < CONNECTIONS_MAX, "fake server: too many connections");
        server->connections[server->connection_count++] = connection;
        require(pthread_create(&connection->thread, NULL, serve, connection) == 0, "thread");
        pthread_mutex_unlock(&server->lock);
    }
}

struct fake_server *fake_server_start(int port, const struct fake_rule *rules, size_t count) {
    struct fake_server *server = calloc(1, sizeof *server);
    require(server != NULL, "calloc");
    pthread_mutex_init(&server->lock, NULL);
    fake_server_use(server, rules, count);
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    (void)setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((unsigned short)port)};
    socklen_t size = sizeof address;
    require(bind(server->listen_fd, (struct sockaddr *)&address, size) == 0, "fake server: bind");
    require(listen(server->listen_fd, 128) == 0, "listen");
    require(getsockname(server->listen_fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    server->port = ntohs(address.sin_port);
    require(pthread_create(&server->thread, NULL, accept_all, server) == 0, "thread");
    return server;
}

void fake_server_use(struct fake_server *server, const struct fake_rule *rules, size_t count) {
    pthread_mutex_lock(&server->lock);
    server->rules = rules;
    server->rule_count = count;
    free(server->uses);
    server->uses = calloc(count + 1, sizeof *server->uses);
    pthread_mutex_unlock(&server->lock);
}

int fake_server_port(const struct fake_server *server) {
    return server->port;
}

int fake_server_connections(struct fake_server *server) {
    pthread_mutex_lock(&server->lock);
    int count = server->connection_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

const char *fake_server_log(struct fake_server *server) {
    pthread_mutex_lock(&server->lock);
    free(server->log_copy);
    server->log_copy = strdup(server->log == NULL ? "" : server->log);
    pthread_mutex_unlock(&server->lock);
    return server->log_copy;
}

int fake_server_count(struct fake_server *server, const char *command) {
    int count = 0;
    for (const char *line = fake_server_log(server); *line != '\0';) {
        count += begins_with(line, command);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return count;
}

void fake_server_stop(struct fake_server *server) {
    if (server == NULL)
        return;
    (void)shutdown(server->listen_fd, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listen_fd);
    for (int i = 0; i < server->connection_count; i++) {
        struct connection_thread *connection = server->connections[i];
        pthread_mutex_lock(&server->lock);
        if (connection->fd >= 0)
            (void)shutdown(connection->fd, SHUT_RDWR);
        pthread_mutex_unlock(&server->lock);
        (void)pthread_join(connection->thread, NULL);
        free(connection->received);
        free(connection);
    }
    pthread_mutex_destroy(&server->lock);
    free(server->uses);
    free(server->log);
    free(server->log_copy);
    free(server);
}
