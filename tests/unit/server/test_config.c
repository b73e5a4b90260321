/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading, CONFIG GET and CONFIG SET with its roll-back, and the generated texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config.h"

/* Everything a test of loading needs: a fresh config, the warnings it gave, the last error, and a
 * folder of its own. */
struct fixture {
    struct server_config config;
    struct config_error error;
    char warnings[2048];
    char folder[64];
    char path[128];
};

static void note_warning(void *context, const char *text) {
    struct fixture *f = context;
    size_t used = strlen(f->warnings);
    (void)snprintf(f->warnings + used, sizeof(f->warnings) - used, "%s\n", text);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/config-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof(f->path), "%s/larder.conf", f->folder);
    assert_int_equal(config_init(&f->config, &ALLOCATOR_SYSTEM, 2), LARDER_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    config_finish(&f->config);
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static struct config_warnings warnings_of(struct fixture *f) {
    return (struct config_warnings){note_warning, f};
}

/* Load the arguments up to NULL behind the program name. */
static enum larder_status load(struct fixture *f, char *const *arguments) {
    char *argv[16] = {"larder-server"};
    int argc = 1;
    while (arguments[argc - 1] != NULL) {
        argv[argc] = arguments[argc - 1];
        argc++;
    }
    return config_load(&f->config, argc, argv, warnings_of(f), &f->error);
}

#define LOAD(f, ...) load(f, (char *const[]){__VA_ARGS__, NULL})

static enum larder_status load_text(struct fixture *f, const char *text) {
    return config_load_text(&f->config, "test", slice_of_string(text), warnings_of(f), &f->error);
}

static void assert_value(const struct fixture *f, const char *name, const char *expected) {
    struct option_output value = {.allocator = &ALLOCATOR_SYSTEM};
    assert_true(config_format(&f->config, slice_of_string(name), &value));
    assert_string_equal(value.data == NULL ? "" : value.data, expected);
    option_output_release(&value);
}

/* CONFIG SET of the words up to NULL. */
static enum larder_status set(struct fixture *f, const char *const *words) {
    struct slice pairs[16];
    size_t count = 0;
    for (; words[count] != NULL; count++)
        pairs[count] = slice_of_string(words[count]);
    f->error.text[0] = '\0';
    return config_set(&f->config, pairs, count / 2, false, warnings_of(f), &f->error);
}

#define SET(f, ...) set(f, (const char *const[]){__VA_ARGS__, NULL})

static void a_file_is_read_and_arguments_win_over_it(void **state) {
    struct fixture *f = *state;
    write_file(f->path,
               "# comment\n\n  port 7000 \r\nTIMEOUT 3\ntimeout 4\nmaxmemory 10mb\n"
               "bind 127.0.0.1 -::1\nrequirepass \"a b\\\"c\"\nrename-command CONFIG \"\"");
    assert_int_equal(LOAD(f, f->path, "--maxmemory", "20mb", "--hz", "900"), LARDER_OK);
    assert_int_equal(f->config.port, 7000);
    assert_int_equal(f->config.timeout_s, 4);
    assert_int_equal(f->config.maxmemory_bytes, 20 << 20);
    assert_int_equal(f->config.hz, 500);
    assert_string_equal(f->config.requirepass.data, "a b\"c");
    assert_string_equal(f->config.rename_command.items[0].data, "CONFIG \"\"");
    assert_value(f, "bind", "127.0.0.1 -::1");
    assert_string_equal(f->config.path.data, f->path);
    assert_string_equal(f->warnings, "");
}

static void dir_becomes_absolute(void **state) {
    struct fixture *f = *state;
    char here[4096], expected[4200];
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(LOAD(f, "--dir", "./data"), LARDER_OK);
    (void)snprintf(expected, sizeof(expected), "%s/data", here);
    assert_string_equal(f->config.dir.data, expected);
    assert_int_equal(LOAD(f, "--dir", "/tmp"), LARDER_OK);
    assert_string_equal(f->config.dir.data, "/tmp");
    assert_int_equal(LOAD(f, "--dir", "."), LARDER_OK);
    assert_string_equal(f->config.dir.data, here);
}

static void arguments_take_several_values_one_or_none(void **state) {
    struct fixture *f = *state;
    assert_int_equal(LOAD(f, "--save", "60", "1000", "--daemonize", "--timeout", "7"), LARDER_OK);
    assert_value(f, "save", "60 1000");
    assert_true(f->config.daemonize);
    assert_int_equal(f->config.timeout_s, 7);
    assert_int_equal(LOAD(f, "--save", "", "--requirepass", "--secret", "--io-threads", "3"),
                     LARDER_OK);
    assert_value(f, "save", "");
    assert_value(f, "requirepass", "--secret");
    assert_value(f, "threads", "3");
    assert_int_equal(LOAD(f, "--save", "60 1", "--save", "5", "6"), LARDER_OK);
    assert_value(f, "save", "60 1 5 6");
    assert_int_equal(LOAD(f, "--save"), LARDER_OK);
    assert_value(f, "save", "");
}

static void repeated_directives_win_merge_or_add_up(void **state) {
    struct fixture *f = *state;
    assert_int_equal(load_text(f, "save 60 1\nsave 5 6\nclient-output-buffer-limit normal 1k 2k 3\n"
                                  "client-output-buffer-limit replica 4 5 6\n"
                                  "rename-command A B\nrename-command C D\nuser a on\n"),
                     LARDER_OK);
    assert_value(f, "save", "60 1 5 6");
    assert_value(f, "client-output-buffer-limit",
                 "normal 1000 2000 3 slave 4 5 6 pubsub 33554432 8388608 60");
    assert_int_equal(f->config.rename_command.count, 2);
    assert_int_equal(f->config.client_output_buffer_limit.items[3], 4);
    assert_int_equal(load_text(f, "save \"\""), LARDER_OK);
    assert_value(f, "save", "");
}

static void options_without_effect_warn_once_when_not_default(void **state) {
    struct fixture *f = *state;
    assert_int_equal(load_text(f, "appendonly yes\nappendonly yes\nrdbchecksum yes\nport 1\n"
                                  "replicaof no one\nslaveof 127.0.0.1 6380\nloadmodule x y\n"),
                     LARDER_OK);
    assert_string_equal(f->warnings, "option 'appendonly' has no effect\n"
                                     "option 'replicaof' has no effect\n"
                                     "option 'loadmodule' has no effect\n");
    assert_value(f, "replicaof", "127.0.0.1 6380");
    f->warnings[0] = '\0';
    assert_int_equal(SET(f, "appendfsync", "no", "repl-timeout", "60"), LARDER_OK);
    assert_string_equal(f->warnings, "option 'appendfsync' has no effect\n");
}

static void errors_of_a_file_name_place_line_and_reason(void **state) {
    struct fixture *f = *state;
    static const char *const CASES[][2] = {
        {"port 1\nnosuch 1", "test, line 2: 'nosuch 1': there is no option of this name; "
                             "`larder-server --help` lists all"},
        {"timeout", "test, line 1: 'timeout': wrong number of arguments"},
        {"\n timeout 1 2", "test, line 2: 'timeout 1 2': wrong number of arguments"},
        {"timeout \"5", "test, line 1: 'timeout \"5': quotes do not match: close each, and leave a "
                        "space behind the closing one"},
        {"maxmemory 1xx", "test, line 1: 'maxmemory 1xx': argument must be a memory value"},
        {"save 60", "test, line 1: 'save 60': Invalid save parameters"},
        {"requirepass secret extra", "test, line 1: 'requirepass ...': wrong number of arguments"},
        {"databases 0",
         "test, line 1: 'databases 0': argument must be between 1 and 2147483647 inclusive"}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(load_text(f, CASES[i][0]), LARDER_INVALID);
        assert_string_equal(f->error.text, CASES[i][1]);
    }
    assert_int_equal(LOAD(f, "--nosuch", "1"), LARDER_INVALID);
    assert_int_equal(LOAD(f, "--port", "1", "2"), LARDER_INVALID);
    assert_string_equal(f->error.text, "command line: '--port': wrong number of arguments");
    assert_int_equal(LOAD(f, "/nonexistent/larder.conf"), LARDER_IO);
    assert_string_equal(f->error.text, "cannot open configuration file "
                                       "'/nonexistent/larder.conf': No such file or directory");
}

static void includes_follow_globs_and_stop_at_a_depth(void **state) {
    struct fixture *f = *state;
    char text[512], path[256];
    (void)snprintf(path, sizeof(path), "%s/a.inc", f->folder);
    write_file(path, "timeout 1\nport 1\n");
    (void)snprintf(path, sizeof(path), "%s/b.inc", f->folder);
    write_file(path, "timeout 2\n");
    (void)snprintf(text, sizeof(text), "include %s/*.inc\ninclude %s/none*.x\nport 2\n", f->folder,
                   f->folder);
    write_file(f->path, text);
    assert_int_equal(LOAD(f, f->path), LARDER_OK);
    assert_int_equal(f->config.timeout_s, 2);
    assert_int_equal(f->config.port, 2);
    (void)snprintf(text, sizeof(text), "include %s\n", f->path);
    write_file(f->path, text);
    assert_int_equal(LOAD(f, f->path), LARDER_INVALID);
    assert_non_null(strstr(f->error.text, "included files are nested too deep"));
    (void)snprintf(text, sizeof(text), "include %s/missing\n", f->folder);
    write_file(f->path, text);
    assert_int_equal(LOAD(f, f->path), LARDER_IO);
    assert_non_null(strstr(f->error.text, "larder.conf, line 1: 'include "));
}

static void note_pair(void *context, struct slice name, struct slice value) {
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 4096 - used, "%.*s=%.*s;", (int)name.size, (const char *)name.data,
                   (int)value.size, (const char *)value.data);
}

static const char *get(struct fixture *f, const char *first, const char *second) {
    static char text[4096];
    text[0] = '\0';
    struct slice patterns[] = {slice_of_string(first), slice_of_string(second)};
    assert_int_equal(config_get(&f->config, patterns, 2, note_pair, text), LARDER_OK);
    return text;
}

static void get_reports_names_patterns_and_aliases_once(void **state) {
    struct fixture *f = *state;
    assert_string_equal(get(f, "TimeOut", "nosuch"), "TimeOut=0;");
    assert_string_equal(get(f, "timeout", "TIMEOUT"), "timeout=0;");
    assert_string_equal(get(f, "slave-p*", "replica-p*"),
                        "replica-priority=100;slave-priority=100;");
    assert_string_equal(get(f, "maxmemory", "maxmemory-[ps]*"),
                        "maxmemory=0;maxmemory-policy=noeviction;maxmemory-samples=5;");
    assert_string_equal(get(f, "key-load-*", "user"), "");
    assert_string_equal(get(f, "key-load-delay", "include"), "key-load-delay=0;");
    assert_string_equal(get(f, "save", "appendonly"),
                        "save=3600 1 300 100 60 10000;appendonly=no;");
}

static void set_takes_all_or_none(void **state) {
    struct fixture *f = *state;
    assert_int_equal(SET(f, "maxmemory", "1gb", "TIMEOUT", "9"), LARDER_OK);
    assert_int_equal(f->config.maxmemory_bytes, 1 << 30);
    assert_int_equal(SET(f, "timeout", "10", "hz", "x"), LARDER_INVALID);
    assert_string_equal(f->error.text, "CONFIG SET failed (possibly related to argument 'hz') - "
                                       "argument couldn't be parsed into an integer");
    assert_int_equal(f->config.timeout_s, 9);
}

static void set_refuses_as_redis_does(void **state) {
    struct fixture *f = *state;
    static const char *const CASES[][5] = {
        {"databases", "3", NULL, NULL, "databases') - can't set immutable config"},
        {"dir", "/tmp", NULL, NULL, "dir') - can't set protected config"},
        {"timeout", "1", "Timeout", "2", "Timeout') - duplicate parameter"},
        {"slave-priority", "1", "replica-priority", "2",
         "replica-priority') - duplicate parameter"},
        {"shutdown-on-sigint", "save nosave", NULL, NULL,
         "shutdown options SAVE and NOSAVE can't be used simultaneously"},
        {"notify-keyspace-events", "KEq", NULL, NULL,
         "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
        {"client-output-buffer-limit", "foo 1 2 3", NULL, NULL,
         "Invalid client class specified in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1 2", NULL, NULL,
         "Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit", "normal x 2 3", NULL, NULL,
         "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
        {"oom-score-adj-values", "1 2", NULL, NULL, "wrong number of arguments"},
        {"oom-score-adj-values", "1 2 3000", NULL, NULL,
         "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
        {"cluster-announce-hostname", "a b", NULL, NULL,
         "Hostnames may only contain alphanumeric characters, hyphens or dots"},
        {"proc-title-template", "{foo", NULL, NULL,
         "template format is invalid or contains unknown variables"},
        {"save", "60 -1", NULL, NULL, "Invalid save parameters"},
        {"maxmemory-policy", "foo", NULL, NULL,
         "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, "
         "volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction, allkeys-s3fifo, "
         "volatile-s3fifo"}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(set(f, CASES[i]), LARDER_INVALID);
        assert_non_null(strstr(f->error.text, "CONFIG SET failed (possibly related to argument '"));
        const char *end = f->error.text + strlen(f->error.text) - strlen(CASES[i][4]);
        assert_string_equal(end, CASES[i][4]);
    }
    assert_int_equal(SET(f, "timeout", "1", "nosuch", "3"), LARDER_INVALID);
    assert_string_equal(f->error.text,
                        "Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    assert_int_equal(SET(f, "user", "x"), LARDER_INVALID);
    assert_int_equal(f->config.timeout_s, 0);
}

static void protected_options_are_set_where_enabled(void **state) {
    struct fixture *f = *state;
    struct slice pair[] = {SLICE_LITERAL("dir"), SLICE_LITERAL("/tmp")};
    struct config_warnings none = {NULL, NULL};
    f->config.enable_protected_configs = CONFIG_ALLOWED_LOCALLY;
    assert_int_equal(config_set(&f->config, pair, 1, false, none, &f->error), LARDER_INVALID);
    assert_int_equal(config_set(&f->config, pair, 1, true, none, &f->error), LARDER_OK);
    f->config.enable_protected_configs = CONFIG_ALLOWED;
    assert_int_equal(config_set(&f->config, pair, 1, false, none, &f->error), LARDER_OK);
    assert_value(f, "dir", "/tmp");
}

static void keyspace_event_letters_are_put_in_order(void **state) {
    struct fixture *f = *state;
    static const char *const CASES[][2] = {
        {"KEA", "AKE"}, {"KEg$lshzxe", "g$lshzxeKE"}, {"", ""}, {"nmKxd", "xdnKm"}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(SET(f, "notify-keyspace-events", CASES[i][0]), LARDER_OK);
        assert_value(f, "notify-keyspace-events", CASES[i][1]);
    }
}

/* Counts its calls and what it saw; refuses a timeout of 13. */
struct observer {
    int calls;
    int64_t timeout_s;
    int64_t maxmemory_bytes;
};

static bool observe(void *context, const struct server_config *config, const char **out_reason) {
    struct observer *o = context;
    o->calls++;
    o->timeout_s = config->timeout_s;
    o->maxmemory_bytes = config->maxmemory_bytes;
    *out_reason = "thirteen";
    return config->timeout_s != 13;
}

static void apply_runs_once_and_only_for_changes(void **state) {
    struct fixture *f = *state;
    struct observer both = {0};
    assert_int_equal(config_on_apply(&f->config, "nosuch", observe, &both), LARDER_NOT_FOUND);
    assert_int_equal(config_on_apply(&f->config, "timeout", observe, &both), LARDER_OK);
    assert_int_equal(config_on_apply(&f->config, "maxmemory", observe, &both), LARDER_OK);
    assert_int_equal(SET(f, "hz", "11"), LARDER_OK);
    assert_int_equal(SET(f, "timeout", "0"), LARDER_OK);
    assert_int_equal(both.calls, 0);
    assert_int_equal(SET(f, "maxmemory", "5mb", "timeout", "1"), LARDER_OK);
    assert_int_equal(both.calls, 1);
    assert_int_equal(both.maxmemory_bytes, 5 << 20);
    struct observer tls = {0};
    assert_int_equal(config_on_apply(&f->config, "tls-cert-file", observe, &tls), LARDER_OK);
    assert_int_equal(SET(f, "tls-cert-file", ""), LARDER_OK);
    assert_int_equal(tls.calls, 1);
}

static void a_refused_apply_restores_all_options(void **state) {
    struct fixture *f = *state;
    struct observer first = {0}, second = {0}, third = {0};
    assert_int_equal(config_on_apply(&f->config, "maxmemory", observe, &first), LARDER_OK);
    f->config.timeout_s = 2;
    assert_int_equal(config_on_apply(&f->config, "timeout", observe, &second), LARDER_OK);
    assert_int_equal(config_on_apply(&f->config, "hz", observe, &third), LARDER_OK);
    assert_int_equal(SET(f, "hz", "20", "bind", "1.2.3.4", "timeout", "13"), LARDER_INVALID);
    assert_string_equal(f->error.text,
                        "CONFIG SET failed (possibly related to argument 'timeout') - thirteen");
    assert_int_equal(f->config.timeout_s, 2);
    assert_int_equal(f->config.hz, 10);
    assert_value(f, "bind", "* -::*");
    assert_int_equal(first.calls, 0);
    assert_int_equal(second.calls, 2);
    assert_int_equal(second.timeout_s, 2);
    assert_int_equal(third.calls, 0);
}

static void append_text(void *context, const char *bytes, size_t size) {
    struct option_output *output = context;
    option_output_append(output, bytes, size);
}

/* Every "#name value" line of the default file, without its '#', must load and change nothing. */
static void the_default_file_holds_the_defaults(void **state) {
    struct fixture *f = *state;
    struct option_output text = {.allocator = &ALLOCATOR_SYSTEM};
    struct option_output changes = {.allocator = &ALLOCATOR_SYSTEM};
    struct config_writer writer = {append_text, &text};
    assert_int_equal(config_print_default_file(&writer), LARDER_OK);
    size_t options = 0;
    for (char *at = text.data; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
        if (at[0] == '#' && at[1] != ' ' && at[1] != '\n') {
            at[0] = ' ';
            options++;
        }
    assert_true(options > 50);
    assert_int_equal(load_text(f, text.data), LARDER_OK);
    assert_string_equal(f->warnings, "");
    assert_int_equal(config_write_changes(&f->config, &changes), LARDER_OK);
    assert_int_equal(changes.size, 0);
    option_output_release(&text);
}

static void docs_and_help_name_every_option(void **state) {
    (void)state;
    struct option_output docs = {.allocator = &ALLOCATOR_SYSTEM};
    struct option_output help = {.allocator = &ALLOCATOR_SYSTEM};
    assert_int_equal(config_print_docs(&(struct config_writer){append_text, &docs}), LARDER_OK);
    assert_int_equal(config_print_help(&(struct config_writer){append_text, &help}), LARDER_OK);
    for (size_t i = 0; i < CONFIG_TABLE.count; i++) {
        char cell[128];
        (void)snprintf(cell, sizeof(cell), "| `%s`", CONFIG_TABLE.rows[i].name);
        assert_non_null(strstr(docs.data, cell));
        assert_non_null(strstr(help.data, CONFIG_TABLE.rows[i].name));
    }
    option_output_release(&docs);
    option_output_release(&help);
}

#define LOADED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOADED(a_file_is_read_and_arguments_win_over_it),
        LOADED(dir_becomes_absolute),
        LOADED(arguments_take_several_values_one_or_none),
        LOADED(repeated_directives_win_merge_or_add_up),
        LOADED(options_without_effect_warn_once_when_not_default),
        LOADED(errors_of_a_file_name_place_line_and_reason),
        LOADED(includes_follow_globs_and_stop_at_a_depth),
        LOADED(get_reports_names_patterns_and_aliases_once),
        LOADED(set_takes_all_or_none),
        LOADED(set_refuses_as_redis_does),
        LOADED(protected_options_are_set_where_enabled),
        LOADED(keyspace_event_letters_are_put_in_order),
        LOADED(apply_runs_once_and_only_for_changes),
        LOADED(a_refused_apply_restores_all_options),
        LOADED(the_default_file_holds_the_defaults),
        cmocka_unit_test(docs_and_help_name_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
