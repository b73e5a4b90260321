/* SPDX-License-Identifier: BSD-3-Clause */
/* larder-server. Start: configuration, directory, daemon, signals, log, crash report, server. The
 * main thread then waits for signals and for SHUTDOWN, and takes everything down in reverse. */
#include "base/text_buffer.h"
#include "os/file.h"
#include "os/poller.h"
#include "os/process.h"
#include "os/signal.h"
#include "server/crash_report.h"
#include "server/log_file.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/supervise.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(LARDER_HAVE_JEMALLOC)
/* Read by jemalloc at its start: give unused pages back within a second, by a thread of its own, so
 * that resident memory follows what is used also when no client is active. */
__attribute__((used, visibility("default"))) const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
#endif

enum { EXIT_OK = 0, EXIT_FAILED = 1, DESCRIPTORS_BESIDES_CLIENTS = 32 };

struct program {
    struct server_config config;
    struct log_file log_file;
    struct log log;
    struct crash_report crash_report;
    struct supervise supervise;
    struct signal_source signals;
    struct wakeup shutdown;
    struct poller poller;
    struct server *server;
    struct text_buffer warnings; /* of the configuration */
    char executable[1024];
};

static void write_out(void *context, const char *bytes, size_t size) {
    (void)fwrite(bytes, 1, size, context);
}

/* The full name of every command that is built, one per line. */
static void print_commands(void) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (command_is_built(&command_table[i]))
            (void)printf("%s\n", command_table[i].name);
}

/* Answers what needs no server. Whether there was such a thing to answer. */
static bool answer(int argc, char *const argv[]) {
    struct config_writer out = {write_out, stdout};
    for (int i = 1; i < argc; i++) {
        struct slice word = slice_of_string(argv[i]);
        if (slice_equal_word(word, "--version") || slice_equal_word(word, "-v")) {
            (void)printf("larder-server %s (speaks the protocol of Redis %s)\n", LARDER_VERSION,
                         SERVER_REDIS_VERSION);
            return true;
        }
        if (slice_equal_word(word, "--help") || slice_equal_word(word, "-h"))
            return config_print_help(&out) == LARDER_OK;
        if (slice_equal_word(word, "--print-config"))
            return config_print_default_file(&out) == LARDER_OK;
        if (slice_equal_word(word, "--print-config-docs"))
            return config_print_docs(&out) == LARDER_OK;
        if (slice_equal_word(word, "--print-commands")) {
            print_commands();
            return true;
        }
    }
    return false;
}

/* Warnings come before the log is open; they are kept, one per line. */
static void collect_warning(void *context, const char *text) {
    text_buffer_format(context, "%s\n", text);
}

static void log_warnings(struct log *log, struct text_buffer *warnings) {
    char *line = warnings->data;
    for (char *end; line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1)
        log_write(log, LOG_LEVEL_WARNING, "%.*s", (int)(end - line), line);
    text_buffer_finish(warnings);
}

/* Take --check-config out of the arguments. */
static bool take_check_flag(int *argc, char *argv[]) {
    bool found = false;
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (slice_equal_word(slice_of_string(argv[i]), "--check-config"))
            found = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return found;
}

static enum larder_status enter_directory(const struct server_config *config,
                                          struct error_text *error) {
    const char *dir = option_text_or_empty(&config->dir);
    if (dir[0] == '\0')
        return LARDER_OK;
    enum larder_status status = directory_create(dir, 0755, error);
    if (status != LARDER_OK)
        return status;
    return directory_enter(dir, error);
}

static enum larder_status open_log(struct program *program, struct error_text *error) {
    const struct server_config *config = &program->config;
    enum larder_status status = log_file_open(
        &program->log_file, option_text_or_empty(&config->logfile),
        config->log_format == CONFIG_LOG_LOGFMT ? LOG_FORMAT_LOGFMT : LOG_FORMAT_TEXT, error);
    if (status == LARDER_OK)
        log_init(&program->log, (enum log_level)config->loglevel, log_file_sink,
                 &program->log_file);
    return status;
}

static void advise(const struct program *program) {
    const struct server_config *config = &program->config;
    struct log *log = program->server->log;
    if (config->maxmemory_bytes > 0 && config->maxmemory_policy == CONFIG_NOEVICTION)
        log_write(log, LOG_LEVEL_NOTICE,
                  "maxmemory is set and maxmemory-policy is noeviction: writes will fail when "
                  "memory is full. For a pure cache use maxmemory-policy allkeys-s3fifo.");
    uint64_t wanted = (uint64_t)config->maxclients + DESCRIPTORS_BESIDES_CLIENTS;
    uint64_t got = process_raise_descriptor_limit(wanted);
    if (got < wanted)
        log_write(log, LOG_LEVEL_WARNING,
                  "The limit on open files is %llu: about %llu clients instead of the configured "
                  "maxclients %lld can connect. Raise it with 'ulimit -n'.",
                  (unsigned long long)got,
                  (unsigned long long)(got > DESCRIPTORS_BESIDES_CLIENTS
                                           ? got - DESCRIPTORS_BESIDES_CLIENTS
                                           : 0),
                  (long long)config->maxclients);
}

static void say_hello(const struct program *program) {
    const struct server_config *config = &program->config;
    struct log *log = program->server->log;
    log_write(log, LOG_LEVEL_NOTICE,
              "larder-server %s starts: pid %lld, %u threads, %u partitions, configuration %s",
              LARDER_VERSION, (long long)process_id(), program->server->thread_count,
              program->server->node->keyspace.partition_count,
              config->path.size > 0 ? config->path.data : "by default and arguments");
    if (config->port != 0)
        log_write(log, LOG_LEVEL_NOTICE, "Ready to accept connections on port %lld",
                  (long long)config->port);
    if (config->tls_port != 0)
        log_write(log, LOG_LEVEL_NOTICE, "Ready to accept TLS connections on port %lld",
                  (long long)config->tls_port);
    if (program->server->unix_path[0] != '\0')
        log_write(log, LOG_LEVEL_NOTICE, "Ready to accept connections at %s",
                  program->server->unix_path);
}

/* SIGHUP: the log is opened anew and the certificates are read again. */
static void reload(struct program *program) {
    struct error_text error = {{0}};
    struct server *server = program->server;
    if (log_file_reopen(&program->log_file, &error) != LARDER_OK)
        log_write(&program->log, LOG_LEVEL_WARNING, "The log stays as it was: %s", error.text);
    server_config_lock(server);
    enum larder_status status = settings_reload_tls(server, &error);
    server_config_unlock(server);
    if (status != LARDER_OK)
        log_write(&program->log, LOG_LEVEL_WARNING, "The certificates stay as they were: %s",
                  error.text);
    else
        log_write(&program->log, LOG_LEVEL_NOTICE, "Reloaded on SIGHUP");
}

/* Blocks until a signal or SHUTDOWN ends the server. */
static void wait_for_end(struct program *program) {
    for (;;) {
        struct poller_event events[2];
        size_t count = 0;
        (void)!poller_wait(&program->poller, events, 2, POLLER_WAIT_FOREVER, &count);
        for (size_t i = 0; i < count; i++)
            if (events[i].data == &program->shutdown)
                return;
        switch (signal_source_take(&program->signals)) {
        case SIGNAL_TERMINATE:
            log_write(&program->log, LOG_LEVEL_WARNING, "Received SIGTERM, shutting down");
            return;
        case SIGNAL_INTERRUPT:
            log_write(&program->log, LOG_LEVEL_WARNING, "Received SIGINT, shutting down");
            return;
        case SIGNAL_RELOAD: reload(program); break;
        case SIGNAL_NONE: break;
        }
    }
}

static enum larder_status open_waiting(struct program *program) {
    enum larder_status status = wakeup_init(&program->shutdown);
    if (status == LARDER_OK)
        status = poller_init(&program->poller);
    if (status == LARDER_OK)
        status = poller_add(&program->poller, wakeup_fd(&program->shutdown), POLLER_READ,
                            &program->shutdown);
    if (status == LARDER_OK)
        status = poller_add(&program->poller, program->signals.fd, POLLER_READ, &program->signals);
    return status;
}

static enum larder_status run(struct program *program, struct error_text *error) {
    struct server_options options = {
        .config = &program->config,
        .log = &program->log,
        .log_file = &program->log_file,
        .executable = program->executable,
    };
    enum larder_status status = server_create(&options, &program->server, error);
    if (status != LARDER_OK)
        return status;
    program->server->shutdown_wakeup = &program->shutdown;
    log_warnings(&program->log, &program->warnings);
    advise(program);
    status = server_start(program->server);
    if (status == LARDER_OK) {
        say_hello(program);
        (void)!supervise_ready(&program->supervise, "Ready to accept connections", NULL);
        wait_for_end(program);
        (void)!supervise_stopping(&program->supervise, NULL);
        signal_source_restore_default();
    }
    server_stop(program->server);
    server_join(program->server);
    program->config = program->server->config;
    server_destroy_parts(program->server);
    log_write(&program->log, LOG_LEVEL_WARNING, "larder-server is ready to exit, bye bye...");
    return status;
}

static enum larder_status prepare(struct program *program, struct error_text *error) {
    struct server_config *config = &program->config;
    enum larder_status status = enter_directory(config, error);
    if (status == LARDER_OK)
        status =
            supervise_init(&program->supervise, (enum supervise_mode)config->supervised, error);
    if (status == LARDER_OK && config->daemonize)
        status = process_daemonize(error);
    if (status == LARDER_OK && config->pidfile.size > 0)
        status = process_write_pid_file(config->pidfile.data, error);
    if (status == LARDER_OK)
        status = signal_source_init(&program->signals);
    if (status == LARDER_OK)
        status = open_log(program, error);
    if (status == LARDER_OK && config->crash_log_enabled)
        status = crash_report_install(&program->crash_report, program->log_file.file.fd);
    if (status == LARDER_OK)
        status = open_waiting(program);
    return status;
}

static int fail(const char *text) {
    (void)fprintf(stderr, "larder-server: %s\n", text);
    return EXIT_FAILED;
}

int main(int argc, char *argv[]) {
    static struct program program;
    struct error_text error = {{0}};
    struct config_error config_error = {{0}};
    if (answer(argc, argv))
        return EXIT_OK;
    bool only_checks = take_check_flag(&argc, argv);
    text_buffer_init(&program.warnings, &ALLOCATOR_SYSTEM);
    struct config_warnings warnings = {collect_warning, &program.warnings};
    if (config_init(&program.config, &ALLOCATOR_SYSTEM, thread_core_count()) != LARDER_OK)
        return fail("not enough memory");
    if (config_load(&program.config, argc, argv, warnings, &config_error) != LARDER_OK)
        return fail(config_error.text);
    if (only_checks) {
        if (program.warnings.size > 0)
            (void)fputs(program.warnings.data, stderr);
        (void)printf("The configuration is valid.\n");
        text_buffer_finish(&program.warnings);
        config_finish(&program.config);
        return EXIT_OK;
    }
    (void)!process_executable_path(program.executable, sizeof(program.executable));
    enum larder_status status = prepare(&program, &error);
    if (status == LARDER_OK)
        status = run(&program, &error);
    if (status == LARDER_OK && program.config.pidfile.size > 0)
        (void)unlink(program.config.pidfile.data);
    config_finish(&program.config);
    if (status == LARDER_OK)
        return EXIT_OK;
    return fail(error.text[0] != '\0' ? error.text : larder_status_text(status));
}
