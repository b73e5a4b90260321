/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of larder-server. Every directive is a row of one table (config_table.c and
 * config_table_compat.c): from it follow the file format, command-line arguments, CONFIG GET, SET
 * and REWRITE, --help, larder.conf and docs/configuration.md. A directive that larder-server obeys
 * has a field here; every other directive that Redis or Valkey knows is stored and reported, and
 * leaves one warning when it is given a value that is not its default.
 *
 * Ownership and threads: the struct belongs to the caller, who lets one thread at a time into these
 * functions (the loader at start, later one admin lock). Other threads never read it: they get
 * their settings through apply callbacks. Texts are valid until the option is set again. */
#ifndef LARDER_SERVER_CONFIG_H
#define LARDER_SERVER_CONFIG_H

#include "base/options.h"

enum { CONFIG_OPTION_MAX = 320 }; /* rows the stores of a config have room for */

enum config_maxmemory_policy {
    CONFIG_NOEVICTION,
    CONFIG_ALLKEYS_LRU,
    CONFIG_ALLKEYS_LFU,
    CONFIG_ALLKEYS_RANDOM,
    CONFIG_ALLKEYS_S3FIFO,
    CONFIG_VOLATILE_LRU,
    CONFIG_VOLATILE_LFU,
    CONFIG_VOLATILE_RANDOM,
    CONFIG_VOLATILE_TTL,
    CONFIG_VOLATILE_S3FIFO
};

enum config_loglevel {
    CONFIG_LOG_DEBUG,
    CONFIG_LOG_VERBOSE,
    CONFIG_LOG_NOTICE,
    CONFIG_LOG_WARNING,
    CONFIG_LOG_NOTHING
};

enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_LOGFMT };

enum config_log_time {
    CONFIG_LOG_TIME_LEGACY,
    CONFIG_LOG_TIME_ISO8601,
    CONFIG_LOG_TIME_MILLISECONDS
};

/* Values of enable-debug-command, enable-protected-configs, enable-module-command. */
enum config_permission { CONFIG_DENIED, CONFIG_ALLOWED, CONFIG_ALLOWED_LOCALLY };

/* Channels that a new user may use. */
enum config_acl_pubsub { CONFIG_ACL_ALL_CHANNELS, CONFIG_ACL_NO_CHANNELS };

enum config_supervised {
    CONFIG_SUPERVISED_NO,
    CONFIG_SUPERVISED_AUTO,
    CONFIG_SUPERVISED_SYSTEMD,
    CONFIG_SUPERVISED_UPSTART
};

enum config_tls_auth { CONFIG_TLS_AUTH_NO, CONFIG_TLS_AUTH_YES, CONFIG_TLS_AUTH_OPTIONAL };

/* The classes of client-output-buffer-limit, in the order of its numbers: hard bytes, soft bytes,
 * soft seconds of each class. */
enum config_client_class {
    CONFIG_CLIENT_NORMAL,
    CONFIG_CLIENT_REPLICA,
    CONFIG_CLIENT_PUBSUB,
    CONFIG_CLIENT_CLASSES
};

/* notify-keyspace-events: classes (enum notice_interest), and to which channels they go. */
enum config_events {
    CONFIG_EVENTS_BY_KEY = 1 << 20,   /* K */
    CONFIG_EVENTS_BY_EVENT = 1 << 21, /* E */
};

/* An apply callback: the new values are in `config`; make them so. False refuses: *out_reason is
 * then a static text, all options of the same CONFIG SET go back, and the callbacks that had
 * already run are called again with the old values. */
struct server_config;
typedef bool config_apply_fn(void *context, const struct server_config *config,
                             const char **out_reason);

struct config_hook {
    const struct option *option;
    config_apply_fn *apply;
    void *context;
};

struct server_config {
    /* network */
    struct option_words bind; /* addresses; "-" before one: not being available is no error */
    int64_t port;             /* 0: no plain TCP */
    int64_t tcp_backlog;
    struct option_text unixsocket; /* path; "" is none */
    int64_t unixsocketperm;        /* file mode; 0 leaves it to the umask */
    int64_t timeout_s;             /* idle clients; 0 never */
    int64_t tcp_keepalive_s;       /* 0 off */
    bool protected_mode;
    int64_t maxclients;
    int64_t max_new_connections_per_cycle;

    /* tls */
    int64_t tls_port; /* 0: no TLS */
    struct option_text tls_cert_file;
    struct option_text tls_key_file;
    struct option_text tls_key_file_pass;
    struct option_text tls_ca_cert_file;
    struct option_text tls_ca_cert_dir;
    struct option_text tls_dh_params_file;
    int tls_auth_clients;             /* enum config_tls_auth */
    struct option_text tls_protocols; /* "" or names like "TLSv1.2 TLSv1.3" */
    struct option_text tls_ciphers;
    struct option_text tls_ciphersuites;
    bool tls_prefer_server_ciphers;
    bool tls_session_caching;
    int64_t tls_session_cache_size; /* sessions */
    int64_t tls_session_cache_timeout_s;
    int64_t max_new_tls_connections_per_cycle;

    /* general */
    int64_t threads;
    int64_t partitions;
    int64_t databases;
    bool daemonize;
    int supervised; /* enum config_supervised */
    struct option_text pidfile;
    struct option_text dir;       /* absolute after config_load */
    int64_t hz;                   /* background rounds per second, 1..500 */
    int64_t active_expire_effort; /* 1..10 */
    bool lazyfree_lazy_user_flush;
    bool rdbcompression;
    int64_t busy_reply_threshold_ms; /* 0 never */
    int64_t lua_memory_limit_bytes;  /* 0 none */
    struct option_text availability_zone;

    /* log and metrics */
    int loglevel;               /* enum config_loglevel */
    struct option_text logfile; /* "" is standard output */
    int log_format;             /* enum config_log_format */
    bool crash_log_enabled;
    int64_t metrics_port; /* 0 off */
    struct option_text metrics_bind;

    /* security */
    struct option_text requirepass;     /* "" none */
    struct option_words rename_command; /* lines "NAME NEW"; NEW "" removes */
    struct option_words user;           /* lines "NAME RULES", quoted as arguments */
    struct option_text aclfile;         /* path; "" none */
    int64_t acllog_max_len;
    int acl_pubsub_default;          /* enum config_acl_pubsub */
    int64_t tracking_table_max_keys; /* 0: no limit */
    int enable_debug_command;        /* enum config_permission */
    int enable_protected_configs;    /* enum config_permission */

    /* memory */
    int64_t maxmemory_bytes; /* 0 no limit */
    int maxmemory_policy;    /* enum config_maxmemory_policy */
    int64_t maxmemory_samples;
    int64_t maxmemory_clients_bytes; /* 0 no limit; -N: N percent of maxmemory */
    int64_t lfu_log_factor;
    int64_t lfu_decay_time_min;

    /* limits of one client */
    int64_t client_query_buffer_limit_bytes;
    int64_t proto_max_bulk_len_bytes;
    struct option_integers client_output_buffer_limit; /* 3 numbers per config_client_class */

    /* slow log and latency */
    /* when a container stops being compact */
    int64_t list_max_listpack_size;
    int64_t hash_max_listpack_entries;
    int64_t hash_max_listpack_value_bytes;
    int64_t zset_max_listpack_entries;
    int64_t zset_max_listpack_value_bytes;
    int64_t set_max_intset_entries;
    int64_t set_max_listpack_entries;
    int64_t set_max_listpack_value_bytes;
    int64_t hll_sparse_max_bytes;
    int64_t stream_node_max_bytes;
    int64_t stream_node_max_entries;
    int64_t slowlog_log_slower_than_us; /* -1 off, 0 everything */
    int64_t slowlog_max_len;
    int64_t notify_keyspace_events;       /* enum notice_interest, enum config_events */
    int64_t latency_monitor_threshold_ms; /* 0 off */
    bool latency_tracking;
    struct option_decimals latency_tracking_info_percentiles; /* 0..100 */

    /* read by the loader itself */
    struct option_words include; /* lines */

    /* private to config*.c */
    union option_value spare[CONFIG_OPTION_MAX]; /* options without a field, by row */
    const struct allocator *allocator;
    struct config_hook *hooks;
    size_t hook_count;
    int64_t core_count;
    struct option_text path;      /* absolute path of the main file, "" if there is none */
    struct option_text start_dir; /* where relative paths of include begin, "" for here */
};

/* All options. */
extern const struct option_table CONFIG_TABLE;

/* Room for a message about a line of a file. */
struct config_error {
    char text[1024];
};

/* Called with one line of text for what should be logged as a warning. */
typedef void config_warn_fn(void *context, const char *text);

struct config_warnings {
    config_warn_fn *warn; /* NULL: warnings are dropped */
    void *context;
};

/* All options at their defaults. core_count: processors of the machine, from which the default of
 * `threads` follows. On failure nothing is held. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_init(struct server_config *config, const struct allocator *allocator,
                               int64_t core_count);

/* Release all. A config whose init failed must not be finished. */
void config_finish(struct server_config *config);

/* Read `[file] [--name value ...]`, argv[0] being the program. argv[1] that does not begin with
 * "--" is the file; "-" reads standard input. Arguments come after the file and so win. A yes/no
 * option without a value is yes, `--save` without one is no save points. An argument that begins
 * with "--" is a value only where its option has none yet and it names no option. Blocks on files.
 * Relative paths, those of include too, begin at the working directory of the call.
 * Afterwards `dir` is an absolute path; neither is it created nor made the working directory.
 * Errors, with a text that names file, line and remedy: LARDER_INVALID, LARDER_IO (a file that
 * cannot be read), LARDER_NO_MEMORY. Values read before the error stay. */
LARDER_NODISCARD
enum larder_status config_load(struct server_config *config, int argc, char *const argv[],
                               struct config_warnings warnings, struct config_error *out_error);

/* Read directives from memory. `source` names them in errors. Does not touch files: `include` is
 * stored, not followed. Errors: LARDER_INVALID, LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_load_text(struct server_config *config, const char *source,
                                    struct slice text, struct config_warnings warnings,
                                    struct config_error *out_error);

/* Register what happens when an option is changed by config_set. Several options may share one
 * callback and context: it then runs once per config_set. `name` must be an option.
 * Errors: LARDER_NOT_FOUND; LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_on_apply(struct server_config *config, const char *name,
                                   config_apply_fn *apply, void *context);

/* One name and value of CONFIG GET; both borrowed for the call. */
typedef void config_get_fn(void *context, struct slice name, struct slice value);

/* Report every option that matches one of the patterns once. A pattern without wildcards is a name
 * and is reported in the letters given. Errors: LARDER_NO_MEMORY (some may have been reported). */
LARDER_NODISCARD
enum larder_status config_get(const struct server_config *config, const struct slice *patterns,
                              size_t count, config_get_fn *report, void *context);

/* The current value of one option (any of its names) as CONFIG GET shows it, appended to output;
 * false if there is no such option. */
bool config_format(const struct server_config *config, struct slice name,
                   struct option_output *output);

/* Set several options, all or none. pairs: name, value, name, value ...; pair_count of them.
 * is_local: the client is on a local connection (matters to protected options).
 * Errors: LARDER_INVALID with the text of the reply (without "ERR "); LARDER_NO_MEMORY. In each
 * case the old values are in force. */
LARDER_NODISCARD
enum larder_status config_set(struct server_config *config, const struct slice *pairs,
                              size_t pair_count, bool is_local, struct config_warnings warnings,
                              struct config_error *out_error);

/* Write the current values into the file at `path`, or into the file that was loaded if path is
 * NULL. Comments, order and the spelling of unchanged lines stay; the last line of a changed option
 * is replaced and its earlier ones removed; changed options that the file lacks are appended. The
 * new file is written beside the old one, synced and renamed over it: a crash leaves one of them.
 * Blocks. Errors: LARDER_NOT_FOUND (no file was loaded), LARDER_INVALID (the file on disk has
 * errors), LARDER_IO, LARDER_NO_SPACE, LARDER_NO_MEMORY; the old file is then untouched. */
LARDER_NODISCARD
enum larder_status config_rewrite(struct server_config *config, const char *path,
                                  struct config_error *out_error);

/* Append every option whose value is not its default, one line each, so that config_load_text of
 * the result on a fresh config gives the same configuration. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_write_changes(const struct server_config *config,
                                        struct option_output *output);

/* Where generated text goes. */
struct config_writer {
    void (*write)(void *context, const char *bytes, size_t size);
    void *context;
};

/* The commented larder.conf: every option that has an effect, at its default behind a '#'. */
LARDER_NODISCARD
enum larder_status config_print_default_file(const struct config_writer *writer);

/* docs/configuration.md. */
LARDER_NODISCARD
enum larder_status config_print_docs(const struct config_writer *writer);

/* The text of --help. */
LARDER_NODISCARD
enum larder_status config_print_help(const struct config_writer *writer);

#endif
