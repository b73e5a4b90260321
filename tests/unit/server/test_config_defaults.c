/* SPDX-License-Identifier: BSD-3-Clause */
/* The default of every option that redis-server 7.0.15 of Debian 12 reports, recorded from its
 * CONFIG GET *, against ours. The differences that are meant stand in their own list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "server/config.h"

struct expected {
    const char *name;
    const char *value;
};

static const struct expected RECORDED[] = {
    {"acl-pubsub-default", "resetchannels"},
    {"aclfile", ""},
    {"acllog-max-len", "128"},
    {"active-defrag-cycle-max", "25"},
    {"active-defrag-cycle-min", "1"},
    {"active-defrag-ignore-bytes", "104857600"},
    {"active-defrag-max-scan-fields", "1000"},
    {"active-defrag-threshold-lower", "10"},
    {"active-defrag-threshold-upper", "100"},
    {"active-expire-effort", "1"},
    {"activedefrag", "no"},
    {"activerehashing", "yes"},
    {"always-show-logo", "no"},
    {"aof-disable-auto-gc", "no"},
    {"aof-load-truncated", "yes"},
    {"aof-rewrite-incremental-fsync", "yes"},
    {"aof-timestamp-enabled", "no"},
    {"aof-use-rdb-preamble", "yes"},
    {"aof_rewrite_cpulist", ""},
    {"appenddirname", "appendonlydir"},
    {"appendfilename", "appendonly.aof"},
    {"appendfsync", "everysec"},
    {"appendonly", "no"},
    {"auto-aof-rewrite-min-size", "67108864"},
    {"auto-aof-rewrite-percentage", "100"},
    {"bgsave_cpulist", ""},
    {"bind", "* -::*"},
    {"bind-source-addr", ""},
    {"bio_cpulist", ""},
    {"busy-reply-threshold", "5000"},
    {"client-output-buffer-limit",
     "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
    {"client-query-buffer-limit", "1073741824"},
    {"cluster-allow-pubsubshard-when-down", "yes"},
    {"cluster-allow-reads-when-down", "no"},
    {"cluster-allow-replica-migration", "yes"},
    {"cluster-announce-bus-port", "0"},
    {"cluster-announce-hostname", ""},
    {"cluster-announce-ip", ""},
    {"cluster-announce-port", "0"},
    {"cluster-announce-tls-port", "0"},
    {"cluster-config-file", "nodes.conf"},
    {"cluster-enabled", "no"},
    {"cluster-link-sendbuf-limit", "0"},
    {"cluster-migration-barrier", "1"},
    {"cluster-node-timeout", "15000"},
    {"cluster-port", "0"},
    {"cluster-preferred-endpoint-type", "ip"},
    {"cluster-replica-no-failover", "no"},
    {"cluster-replica-validity-factor", "10"},
    {"cluster-require-full-coverage", "yes"},
    {"cluster-slave-no-failover", "no"},
    {"cluster-slave-validity-factor", "10"},
    {"crash-log-enabled", "yes"},
    {"crash-memcheck-enabled", "yes"},
    {"daemonize", "no"},
    {"databases", "16"},
    {"dbfilename", "dump.rdb"},
    {"disable-thp", "yes"},
    {"dynamic-hz", "yes"},
    {"enable-debug-command", "no"},
    {"enable-module-command", "no"},
    {"enable-protected-configs", "no"},
    {"hash-max-listpack-entries", "512"},
    {"hash-max-listpack-value", "64"},
    {"hash-max-ziplist-entries", "512"},
    {"hash-max-ziplist-value", "64"},
    {"hll-sparse-max-bytes", "3000"},
    {"hz", "10"},
    {"ignore-warnings", ""},
    {"io-threads-do-reads", "no"},
    {"jemalloc-bg-thread", "yes"},
    {"latency-monitor-threshold", "0"},
    {"latency-tracking", "yes"},
    {"latency-tracking-info-percentiles", "50 99 99.9"},
    {"lazyfree-lazy-eviction", "no"},
    {"lazyfree-lazy-expire", "no"},
    {"lazyfree-lazy-server-del", "no"},
    {"lazyfree-lazy-user-del", "no"},
    {"lazyfree-lazy-user-flush", "no"},
    {"lfu-decay-time", "1"},
    {"lfu-log-factor", "10"},
    {"list-compress-depth", "0"},
    {"list-max-listpack-size", "-2"},
    {"list-max-ziplist-size", "-2"},
    {"logfile", ""},
    {"loglevel", "notice"},
    {"lua-time-limit", "5000"},
    {"masterauth", ""},
    {"masteruser", ""},
    {"maxclients", "10000"},
    {"maxmemory", "0"},
    {"maxmemory-clients", "0"},
    {"maxmemory-eviction-tenacity", "10"},
    {"maxmemory-policy", "noeviction"},
    {"maxmemory-samples", "5"},
    {"min-replicas-max-lag", "10"},
    {"min-replicas-to-write", "0"},
    {"min-slaves-max-lag", "10"},
    {"min-slaves-to-write", "0"},
    {"no-appendfsync-on-rewrite", "no"},
    {"notify-keyspace-events", ""},
    {"oom-score-adj", "no"},
    {"oom-score-adj-values", "0 200 800"},
    {"pidfile", ""},
    {"port", "6379"},
    {"proc-title-template", "{title} {listen-addr} {server-mode}"},
    {"propagation-error-behavior", "ignore"},
    {"protected-mode", "yes"},
    {"proto-max-bulk-len", "536870912"},
    {"rdb-del-sync-files", "no"},
    {"rdb-save-incremental-fsync", "yes"},
    {"rdbchecksum", "yes"},
    {"rdbcompression", "yes"},
    {"repl-backlog-size", "1048576"},
    {"repl-backlog-ttl", "3600"},
    {"repl-disable-tcp-nodelay", "no"},
    {"repl-diskless-load", "disabled"},
    {"repl-diskless-sync", "yes"},
    {"repl-diskless-sync-delay", "5"},
    {"repl-diskless-sync-max-replicas", "0"},
    {"repl-ping-replica-period", "10"},
    {"repl-ping-slave-period", "10"},
    {"repl-timeout", "60"},
    {"replica-announce-ip", ""},
    {"replica-announce-port", "0"},
    {"replica-announced", "yes"},
    {"replica-ignore-disk-write-errors", "no"},
    {"replica-ignore-maxmemory", "yes"},
    {"replica-lazy-flush", "no"},
    {"replica-priority", "100"},
    {"replica-read-only", "yes"},
    {"replica-serve-stale-data", "yes"},
    {"replicaof", ""},
    {"requirepass", ""},
    {"sanitize-dump-payload", "no"},
    {"save", "3600 1 300 100 60 10000"},
    {"server_cpulist", ""},
    {"set-max-intset-entries", "512"},
    {"set-proc-title", "yes"},
    {"shutdown-on-sigint", "default"},
    {"shutdown-on-sigterm", "default"},
    {"shutdown-timeout", "10"},
    {"slave-announce-ip", ""},
    {"slave-announce-port", "0"},
    {"slave-ignore-maxmemory", "yes"},
    {"slave-lazy-flush", "no"},
    {"slave-priority", "100"},
    {"slave-read-only", "yes"},
    {"slave-serve-stale-data", "yes"},
    {"slaveof", ""},
    {"slowlog-log-slower-than", "10000"},
    {"slowlog-max-len", "128"},
    {"socket-mark-id", "0"},
    {"stop-writes-on-bgsave-error", "yes"},
    {"stream-node-max-bytes", "4096"},
    {"stream-node-max-entries", "100"},
    {"supervised", "no"},
    {"syslog-enabled", "no"},
    {"syslog-facility", "local0"},
    {"tcp-backlog", "511"},
    {"tcp-keepalive", "300"},
    {"timeout", "0"},
    {"tls-auth-clients", "yes"},
    {"tls-ca-cert-dir", ""},
    {"tls-ca-cert-file", ""},
    {"tls-cert-file", ""},
    {"tls-ciphers", ""},
    {"tls-ciphersuites", ""},
    {"tls-client-cert-file", ""},
    {"tls-client-key-file", ""},
    {"tls-client-key-file-pass", ""},
    {"tls-cluster", "no"},
    {"tls-dh-params-file", ""},
    {"tls-key-file", ""},
    {"tls-key-file-pass", ""},
    {"tls-port", "0"},
    {"tls-prefer-server-ciphers", "no"},
    {"tls-protocols", ""},
    {"tls-replication", "no"},
    {"tls-session-cache-size", "20480"},
    {"tls-session-cache-timeout", "300"},
    {"tls-session-caching", "yes"},
    {"tracking-table-max-keys", "1000000"},
    {"unixsocket", ""},
    {"unixsocketperm", "0"},
    {"zset-max-listpack-entries", "128"},
    {"zset-max-listpack-value", "64"},
    {"zset-max-ziplist-entries", "128"},
    {"zset-max-ziplist-value", "64"},
};

/* dir: theirs is the working directory of the recording. io-threads: ours is another name of
 * threads and follows the processors. syslog-ident: each server's own name. */
static const struct expected DIFFERENT[] = {
    {"dir", "."}, {"io-threads", "3"}, {"syslog-ident", "larder"}};

enum { CORES = 3 };

static void assert_default(const struct server_config *config, const struct expected *row) {
    struct option_output value = {.allocator = &ALLOCATOR_SYSTEM};
    if (!config_format(config, slice_of_string(row->name), &value))
        fail_msg("option '%s' is unknown", row->name);
    const char *text = value.data == NULL ? "" : value.data;
    if (strcmp(text, row->value) != 0)
        fail_msg("option '%s' is '%s' instead of '%s'", row->name, text, row->value);
    option_output_release(&value);
}

static void every_option_of_redis_has_its_recorded_default(void **state) {
    (void)state;
    static struct server_config config;
    assert_int_equal(config_init(&config, &ALLOCATOR_SYSTEM, CORES), LARDER_OK);
    for (size_t i = 0; i < sizeof(RECORDED) / sizeof(RECORDED[0]); i++)
        assert_default(&config, &RECORDED[i]);
    config_finish(&config);
}

static void intentional_differences_are_these(void **state) {
    (void)state;
    static struct server_config config;
    assert_int_equal(config_init(&config, &ALLOCATOR_SYSTEM, CORES), LARDER_OK);
    for (size_t i = 0; i < sizeof(DIFFERENT) / sizeof(DIFFERENT[0]); i++)
        assert_default(&config, &DIFFERENT[i]);
    config_finish(&config);
}

static void names_of_newer_servers_are_known(void **state) {
    (void)state;
    static const char *const NAMES[] = {"set-max-listpack-entries",
                                        "set-max-listpack-value",
                                        "locale-collate",
                                        "cluster-announce-human-nodename",
                                        "enable-debug-assert",
                                        "extended-redis-compatibility",
                                        "availability-zone",
                                        "import-mode",
                                        "lua-enable-insecure-api",
                                        "log-timestamp-format",
                                        "dual-channel-replication-enabled",
                                        "commandlog-reply-larger-than",
                                        "rdma-port",
                                        "cluster-slot-stats-enabled",
                                        "hide-user-data-from-log",
                                        "rdb-version-check",
                                        "prefetch-batch-max-size",
                                        "unixsocketgroup",
                                        "cluster-announce-client-ipv4",
                                        "max-new-tls-connections-per-cycle",
                                        "primaryauth",
                                        "server_cpulist",
                                        "server-cpulist"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        assert_non_null(options_find(&CONFIG_TABLE, slice_of_string(NAMES[i])));
}

static void threads_default_to_the_cores_but_not_above_eight(void **state) {
    (void)state;
    static struct server_config config;
    static const int64_t CASES[][2] = {{0, 1}, {1, 1}, {8, 8}, {64, 8}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(config_init(&config, &ALLOCATOR_SYSTEM, CASES[i][0]), LARDER_OK);
        assert_int_equal(config.threads, CASES[i][1]);
        config_finish(&config);
    }
}

static void every_row_is_complete_and_named_once(void **state) {
    (void)state;
    for (size_t i = 0; i < CONFIG_TABLE.count; i++) {
        const struct option *row = &CONFIG_TABLE.rows[i];
        assert_true(strlen(row->summary) > 10 && row->summary[strlen(row->summary) - 1] == '.');
        assert_ptr_equal(options_find(&CONFIG_TABLE, slice_of_string(row->name)), row);
        if (row->alias != NULL)
            assert_ptr_equal(options_find(&CONFIG_TABLE, slice_of_string(row->alias)), row);
        bool is_choice = row->kind == OPTION_CHOICE || row->kind == OPTION_CHOICES;
        assert_int_equal(is_choice, row->names != NULL);
        bool has_effect = (row->flags & OPTION_NO_EFFECT) == 0;
        assert_int_equal(has_effect, row->offset != OPTION_NO_FIELD);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_of_redis_has_its_recorded_default),
        cmocka_unit_test(intentional_differences_are_these),
        cmocka_unit_test(names_of_newer_servers_are_known),
        cmocka_unit_test(threads_default_to_the_cores_but_not_above_eight),
        cmocka_unit_test(every_row_is_complete_and_named_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
