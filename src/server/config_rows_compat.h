/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of Redis and Valkey that larder-server stores and reports without obeying them: rows
 * of CONFIG_TABLE, included inside its initializer by config_table.c and nowhere else. An option
 * that begins to work moves to config_rows.h and gets a field.
 *   STORED(kind, name, alias, default, flags, summary, further members of the row) */
/* clang-format off */

#define SECTION "Persistence"
STORED(INTEGERS, "save", NULL, "3600 1 300 100 60 10000", OPTION_ACCUMULATE,
       "Points at which a snapshot is written: pairs of seconds and changes.",
       .codec = &CONFIG_SAVE_CODEC)
STORED(BOOL, "appendonly", NULL, "no", 0,
       "Write every change to a log.")
STORED(CHOICE, "appendfsync", NULL, "everysec", 0,
       "How often the log is forced to disk.", .names = CONFIG_APPENDFSYNC_NAMES)
STORED(TEXT, "appendfilename", NULL, "appendonly.aof", OPTION_IMMUTABLE,
       "Name of the files of the log.", .check = config_check_file_name)
STORED(TEXT, "appenddirname", NULL, "appendonlydir", OPTION_IMMUTABLE,
       "Folder of the files of the log.", .check = config_check_folder_name)
STORED(TEXT, "dbfilename", NULL, "dump.rdb", OPTION_PROTECTED,
       "Name of the snapshot file.", .check = config_check_snapshot_name)
STORED(BOOL, "rdbchecksum", NULL, "yes", OPTION_IMMUTABLE,
       "End snapshots with a checksum.")
STORED(CHOICE, "rdb-version-check", NULL, "strict", 0,
       "Whether snapshots of newer versions are refused.", .names = CONFIG_RDB_VERSION_NAMES)
STORED(BOOL, "rdb-del-sync-files", NULL, "no", 0,
       "Remove snapshot files that replication left.")
STORED(BOOL, "rdb-save-incremental-fsync", NULL, "yes", 0,
       "Sync a snapshot while it is written.")
STORED(BOOL, "stop-writes-on-bgsave-error", NULL, "yes", 0,
       "Refuse writes after a snapshot failed.")
STORED(INTEGER, "rdb-key-save-delay", NULL, "0", OPTION_HIDDEN,
       "Pause per key while a snapshot is written, for tests.", RANGE(INT_MIN, INT_MAX))
STORED(INTEGER, "key-load-delay", NULL, "0", OPTION_HIDDEN,
       "Pause per key while data is loaded, for tests.", RANGE(INT_MIN, INT_MAX))
STORED(INTEGER, "loading-process-events-interval-bytes", NULL, "2097152", OPTION_HIDDEN,
       "Bytes loaded between two looks at clients.", RANGE(1024, INT_MAX))
STORED(BOOL, "no-appendfsync-on-rewrite", NULL, "no", 0,
       "Do not force the log to disk while it is rewritten.")
STORED(INTEGER, "auto-aof-rewrite-percentage", NULL, "100", 0,
       "Growth of the log, in percent, after which it is rewritten.", RANGE(0, INT_MAX))
STORED(MEMORY, "auto-aof-rewrite-min-size", NULL, "67108864", 0,
       "Size below which the log is not rewritten.", RANGE(0, LLONG_MAX))
STORED(BOOL, "aof-load-truncated", NULL, "yes", 0,
       "Load a log whose last entry is cut off.")
STORED(BOOL, "aof-use-rdb-preamble", NULL, "yes", 0,
       "Begin a rewritten log with a snapshot.")
STORED(BOOL, "aof-timestamp-enabled", NULL, "no", 0,
       "Write times into the log.")
STORED(BOOL, "aof-rewrite-incremental-fsync", NULL, "yes", 0,
       "Sync a log while it is rewritten.")
STORED(BOOL, "aof-disable-auto-gc", NULL, "no", 0,
       "Keep old files of the log.")
STORED(CHOICE, "sanitize-dump-payload", NULL, "no", 0,
       "Whether payloads of RESTORE and snapshots are checked in depth.",
       .names = CONFIG_SANITIZE_NAMES)

#undef SECTION
#define SECTION "Replication"
STORED(WORDS, "replicaof", "slaveof", NULL, OPTION_IMMUTABLE,
       "Address and port of the primary that this server follows.",
       .codec = &CONFIG_REPLICAOF_CODEC)
STORED(TEXT, "masterauth", "primaryauth", NULL, OPTION_SENSITIVE,
       "Password for the primary.")
STORED(TEXT, "masteruser", "primaryuser", NULL, 0,
       "User for the primary.")
STORED(BOOL, "replica-serve-stale-data", "slave-serve-stale-data", "yes", 0,
       "Answer reads while the primary is out of reach.")
STORED(BOOL, "replica-read-only", "slave-read-only", "yes", 0,
       "Refuse writes on replicas.")
STORED(BOOL, "replica-lazy-flush", "slave-lazy-flush", "no", 0,
       "Free old data in the background before a full copy is loaded.")
STORED(BOOL, "replica-announced", NULL, "yes", 0,
       "Show this replica to Sentinel.")
STORED(BOOL, "replica-ignore-maxmemory", "slave-ignore-maxmemory", "yes", 0,
       "Leave eviction to the primary.")
STORED(BOOL, "replica-ignore-disk-write-errors", NULL, "no", 0,
       "Go on when the disk of a replica fails.")
STORED(INTEGER, "replica-priority", "slave-priority", "100", 0,
       "Preference of this replica in a failover.", RANGE(0, INT_MAX))
STORED(TEXT, "replica-announce-ip", "slave-announce-ip", NULL, 0,
       "Address that this replica tells the primary.")
STORED(INTEGER, "replica-announce-port", "slave-announce-port", "0", 0,
       "Port that this replica tells the primary.", RANGE(0, 65535))
STORED(INTEGER, "min-replicas-to-write", "min-slaves-to-write", "0", 0,
       "Replicas that must be connected for writes to be accepted.", RANGE(0, INT_MAX))
STORED(INTEGER, "min-replicas-max-lag", "min-slaves-max-lag", "10", 0,
       "Seconds after which a silent replica no longer counts.", RANGE(0, INT_MAX))
STORED(INTEGER, "repl-timeout", NULL, "60", 0,
       "Seconds after which a replication link is given up.", RANGE(1, INT_MAX))
STORED(INTEGER, "repl-ping-replica-period", "repl-ping-slave-period", "10", 0,
       "Seconds between two signs of life to replicas.", RANGE(1, INT_MAX))
STORED(MEMORY, "repl-backlog-size", NULL, "1048576", 0,
       "Bytes kept for replicas that reconnect.", RANGE(1, LLONG_MAX))
STORED(INTEGER, "repl-backlog-ttl", NULL, "3600", 0,
       "Seconds after which an unused backlog is freed.", RANGE(0, LLONG_MAX))
STORED(BOOL, "repl-disable-tcp-nodelay", NULL, "no", 0,
       "Let replication packets be collected.")
STORED(BOOL, "repl-diskless-sync", NULL, "yes", 0,
       "Send full copies without a file.")
STORED(CHOICE, "repl-diskless-load", NULL, "disabled", 0,
       "Load full copies without a file.", .names = CONFIG_DISKLESS_LOAD_NAMES)
STORED(INTEGER, "repl-diskless-sync-delay", NULL, "5", 0,
       "Seconds to wait for more replicas before a full copy.", RANGE(0, INT_MAX))
STORED(INTEGER, "repl-diskless-sync-max-replicas", NULL, "0", 0,
       "Replicas that end this wait; 0 for no such number.", RANGE(0, INT_MAX))
STORED(BOOL, "repl-mptcp", NULL, "no", OPTION_IMMUTABLE,
       "Use multipath TCP for replication.")
STORED(BOOL, "dual-channel-replication-enabled", NULL, "no", 0,
       "Send a full copy and the changes over two connections.")
STORED(CHOICE, "propagation-error-behavior", NULL, "ignore", 0,
       "What a replica does when a replicated command fails.", .names = CONFIG_PROPAGATION_NAMES)
STORED(BOOL, "import-mode", NULL, "no", 0,
       "Keep expired keys while data is imported from another server.")

#undef SECTION
#define SECTION "Cluster"
STORED(BOOL, "cluster-enabled", NULL, "no", OPTION_IMMUTABLE,
       "Start in cluster mode.")
STORED(TEXT, "cluster-config-file", NULL, "nodes.conf", OPTION_IMMUTABLE,
       "File of the cluster state.")
STORED(INTEGER, "cluster-node-timeout", NULL, "15000", 0,
       "Milliseconds after which a silent node is suspected.", RANGE(0, LLONG_MAX))
STORED(INTEGER, "cluster-port", NULL, "0", OPTION_IMMUTABLE,
       "Port for other nodes; 0 is the client port plus 10000.", RANGE(0, 65535))
STORED(TEXT, "cluster-announce-ip", NULL, NULL, 0,
       "Address told to other nodes and clients.")
STORED(TEXT, "cluster-announce-client-ipv4", NULL, NULL, 0,
       "IPv4 address told to clients.")
STORED(TEXT, "cluster-announce-client-ipv6", NULL, NULL, 0,
       "IPv6 address told to clients.")
STORED(TEXT, "cluster-announce-hostname", NULL, NULL, 0,
       "Host name told to clients.", .check = config_check_host_name)
STORED(TEXT, "cluster-announce-human-nodename", NULL, NULL, 0,
       "Name of the node in logs.")
STORED(INTEGER, "cluster-announce-port", NULL, "0", 0,
       "Port told to other nodes and clients.", RANGE(0, 65535))
STORED(INTEGER, "cluster-announce-tls-port", NULL, "0", 0,
       "TLS port told to other nodes and clients.", RANGE(0, 65535))
STORED(INTEGER, "cluster-announce-bus-port", NULL, "0", 0,
       "Port for other nodes told to them.", RANGE(0, 65535))
STORED(BOOL, "cluster-require-full-coverage", NULL, "yes", 0,
       "Refuse commands while a slot has no owner.")
STORED(BOOL, "cluster-allow-reads-when-down", NULL, "no", 0,
       "Answer reads while the cluster is down.")
STORED(BOOL, "cluster-allow-pubsubshard-when-down", NULL, "yes", 0,
       "Serve sharded channels while the cluster is down.")
STORED(BOOL, "cluster-allow-replica-migration", NULL, "yes", 0,
       "Move replicas to primaries that have none.")
STORED(INTEGER, "cluster-migration-barrier", NULL, "1", 0,
       "Replicas a primary keeps when others move.", RANGE(0, INT_MAX))
STORED(BOOL, "cluster-replica-no-failover", "cluster-slave-no-failover", "no", 0,
       "Never promote this replica by itself.")
STORED(INTEGER, "cluster-replica-validity-factor", "cluster-slave-validity-factor", "10", 0,
       "How old the data of a replica to promote may be, in node timeouts.", RANGE(0, INT_MAX))
STORED(MEMORY, "cluster-link-sendbuf-limit", NULL, "0", 0,
       "Most bytes waiting to be sent to another node; 0 for no limit.", RANGE(0, LLONG_MAX))
STORED(CHOICE, "cluster-preferred-endpoint-type", NULL, "ip", 0,
       "How nodes are named to clients.", .names = CONFIG_ENDPOINT_NAMES)
STORED(INTEGER, "cluster-ping-interval", NULL, "1000", OPTION_HIDDEN,
       "Milliseconds between two random pings of nodes.", RANGE(1, INT_MAX))
STORED(INTEGER, "cluster-blacklist-ttl", NULL, "60", 0,
       "Seconds for which a forgotten node is not added again.", RANGE(0, LLONG_MAX))
STORED(INTEGER, "cluster-manual-failover-timeout", NULL, "5000", 0,
       "Milliseconds after which a manual failover is given up.", RANGE(1, INT_MAX))
STORED(BOOL, "cluster-slot-stats-enabled", NULL, "no", 0,
       "Count keys, network bytes and processor time per slot.")
STORED(INTEGER, "cluster-databases", NULL, "1", OPTION_IMMUTABLE,
       "Databases in cluster mode.", RANGE(1, INT_MAX))
STORED(INTEGER, "cluster-slot-migration-log-max-len", NULL, "1000", 0,
       "Entries kept about slot migrations.", RANGE(0, LLONG_MAX))
STORED(MEMORY, "slot-migration-max-failover-repl-bytes", NULL, "0", 0,
       "Bytes a slot migration may lag at its switch.", RANGE(-1, LLONG_MAX))

#undef SECTION
#define SECTION "Modules"
STORED(LINES, "loadmodule", NULL, NULL, OPTION_IMMUTABLE | OPTION_FILE_ONLY | OPTION_MERGE,
       "Loads a module.")
STORED(CHOICE, "enable-module-command", NULL, "no", OPTION_IMMUTABLE,
       "Whether MODULE may be used.", .names = CONFIG_PERMISSION_NAMES)

#undef SECTION
#define SECTION "Commands and scripts"
STORED(BOOL, "lua-enable-insecure-api", "lua-enable-deprecated-api", "no", OPTION_PROTECTED,
       "Give scripts the old unsafe functions.")
STORED(INTEGER, "list-compress-depth", NULL, "0", 0,
       "Parts at both ends of a list that are not compressed.", RANGE(0, INT_MAX))
STORED(BOOL, "lazyfree-lazy-eviction", NULL, "no", 0,
       "Free evicted values in the background.")
STORED(BOOL, "lazyfree-lazy-expire", NULL, "no", 0,
       "Free expired values in the background.")
STORED(BOOL, "lazyfree-lazy-server-del", NULL, "no", 0,
       "Free overwritten values in the background.")
STORED(BOOL, "lazyfree-lazy-user-del", NULL, "no", 0,
       "Make DEL free values in the background.")
STORED(BOOL, "lazyexpire-nested-arbitrary-keys", NULL, "yes", OPTION_HIDDEN,
       "Delete expired keys met by scripts that did not declare them.")
STORED(INTEGER, "commandlog-request-larger-than", NULL, "1048576", 0,
       "Bytes from which a request is logged as large.", RANGE(-1, LLONG_MAX))
STORED(INTEGER, "commandlog-large-request-max-len", NULL, "128", 0,
       "Entries of the log of large requests.", RANGE(0, LLONG_MAX))
STORED(INTEGER, "commandlog-reply-larger-than", NULL, "1048576", 0,
       "Bytes from which a reply is logged as large.", RANGE(-1, LLONG_MAX))
STORED(INTEGER, "commandlog-large-reply-max-len", NULL, "128", 0,
       "Entries of the log of large replies.", RANGE(0, LLONG_MAX))
STORED(BOOL, "extended-redis-compatibility", NULL, "no", 0,
       "Hide the name of the server behind that of Redis.")
STORED(TEXT, "locale-collate", NULL, NULL, 0,
       "Order of characters in SORT ALPHA.")

#undef SECTION
#define SECTION "Process"
STORED(BOOL, "io-threads-do-reads", NULL, "no", OPTION_IMMUTABLE,
       "Read requests in other threads.")
STORED(INTEGER, "prefetch-batch-max-size", NULL, "16", 0,
       "Most keys looked ahead in one batch.", RANGE(0, 128))
STORED(BOOL, "io-threads-always-active", NULL, "no", OPTION_HIDDEN,
       "Keep threads busy without load.")
STORED(INTEGER, "events-per-io-thread", NULL, "2", OPTION_HIDDEN,
       "Events per thread of a loop.", RANGE(0, INT_MAX))
STORED(BOOL, "dynamic-hz", NULL, "yes", 0,
       "Raise hz with the number of clients.")
STORED(BOOL, "activerehashing", NULL, "yes", 0,
       "Grow tables in idle time.")
STORED(BOOL, "activedefrag", NULL, "no", 0,
       "Move data to reduce fragmentation.")
STORED(INTEGER, "active-defrag-cycle-min", NULL, "1", 0,
       "Least processor time of defragmentation, in percent.", RANGE(1, 99))
STORED(INTEGER, "active-defrag-cycle-max", NULL, "25", 0,
       "Most processor time of defragmentation, in percent.", RANGE(1, 99))
STORED(INTEGER, "active-defrag-cycle-us", NULL, "500", 0,
       "Length of one turn of defragmentation in microseconds.", RANGE(0, 100000))
STORED(INTEGER, "active-defrag-threshold-lower", NULL, "10", 0,
       "Fragmentation at which it starts, in percent.", RANGE(0, 1000))
STORED(INTEGER, "active-defrag-threshold-upper", NULL, "100", 0,
       "Fragmentation at which it uses most time, in percent.", RANGE(0, 1000))
STORED(MEMORY, "active-defrag-ignore-bytes", NULL, "104857600", 0,
       "Wasted bytes below which it does not start.", RANGE(1, LLONG_MAX))
STORED(INTEGER, "active-defrag-max-scan-fields", NULL, "1000", 0,
       "Fields of one key handled in a turn.", RANGE(1, LLONG_MAX))
STORED(BOOL, "jemalloc-bg-thread", NULL, "yes", 0,
       "Let the allocator return memory in a thread.")
STORED(BOOL, "disable-thp", NULL, "yes", OPTION_IMMUTABLE,
       "Turn transparent huge pages off.")
STORED(CHOICE, "oom-score-adj", NULL, "no", 0,
       "Adjust how readily the kernel kills the process.", .names = CONFIG_OOM_SCORE_NAMES)
STORED(INTEGERS, "oom-score-adj-values", NULL, "0 200 800", 0,
       "Adjustments for a primary, a replica and a child.",
       RANGE(-2000, 2000), .codec = &CONFIG_OOM_SCORE_CODEC)
STORED(TEXT, "server-cpulist", "server_cpulist", NULL, OPTION_IMMUTABLE,
       "Processors to run on.")
STORED(TEXT, "bio-cpulist", "bio_cpulist", NULL, OPTION_IMMUTABLE,
       "Processors to run on.")
STORED(TEXT, "aof-rewrite-cpulist", "aof_rewrite_cpulist", NULL, OPTION_IMMUTABLE,
       "Processors to run on.")
STORED(TEXT, "bgsave-cpulist", "bgsave_cpulist", NULL, OPTION_IMMUTABLE,
       "Processors to run on.")
STORED(BOOL, "set-proc-title", NULL, "yes", OPTION_IMMUTABLE,
       "Show state in the process title.")
STORED(TEXT, "proc-title-template", NULL, "{title} {listen-addr} {server-mode}", 0,
       "Form of the process title.", .check = config_check_title_template)
STORED(TEXT, "ignore-warnings", NULL, NULL, 0,
       "Warnings about the system that do not stop the start.")
STORED(BOOL, "always-show-logo", NULL, "no", OPTION_IMMUTABLE,
       "Show a logo in the log at start.")
STORED(BOOL, "syslog-enabled", NULL, "no", OPTION_IMMUTABLE,
       "Log to syslog.")
STORED(TEXT, "syslog-ident", NULL, "larder", OPTION_IMMUTABLE,
       "Name in syslog.")
STORED(CHOICE, "syslog-facility", NULL, "local0", OPTION_IMMUTABLE,
       "Facility in syslog.", .names = CONFIG_SYSLOG_NAMES)
STORED(BOOL, "crash-memcheck-enabled", NULL, "yes", 0,
       "Test memory after a crash.")
STORED(BOOL, "use-exit-on-panic", NULL, "no", OPTION_HIDDEN,
       "Exit instead of aborting, for tests.")
STORED(INTEGER, "watchdog-period", NULL, "0", OPTION_HIDDEN,
       "Milliseconds after which a stuck server logs its stack.", RANGE(0, INT_MAX))
STORED(BOOL, "enable-debug-assert", NULL, "no", OPTION_HIDDEN | OPTION_IMMUTABLE,
       "Check more invariants, for tests.")
STORED(TEXT, "debug-context", NULL, NULL, OPTION_HIDDEN,
       "Text added to crash reports, for tests.")
STORED(CHOICES, "shutdown-on-sigint", NULL, "default", 0,
       "What SIGINT does about snapshots.",
       .names = CONFIG_SHUTDOWN_NAMES, .check = config_check_shutdown)
STORED(CHOICES, "shutdown-on-sigterm", NULL, "default", 0,
       "What SIGTERM does about snapshots.",
       .names = CONFIG_SHUTDOWN_NAMES, .check = config_check_shutdown)
STORED(TEXT, "bind-source-addr", NULL, NULL, 0,
       "Address that outgoing connections use.")
STORED(BOOL, "mptcp", NULL, "no", OPTION_IMMUTABLE,
       "Accept multipath TCP.")
STORED(BOOL, "tls-cluster", NULL, "no", 0,
       "Use TLS between nodes.")
STORED(BOOL, "tls-replication", NULL, "no", 0,
       "Use TLS for replication.")
STORED(TEXT, "tls-client-cert-file", NULL, NULL, 0,
       "Certificate for outgoing connections.")
STORED(TEXT, "tls-client-key-file", NULL, NULL, 0,
       "Private key for outgoing connections.")
STORED(TEXT, "tls-client-key-file-pass", NULL, NULL, OPTION_SENSITIVE,
       "Password of the private key for outgoing connections.")
STORED(CHOICE, "tls-auth-clients-user", NULL, "off", 0,
       "Take the user from the client certificate.", .names = CONFIG_TLS_USER_NAMES)
STORED(WORDS, "rdma-bind", NULL, NULL, 0,
       "Addresses for RDMA clients.")
STORED(INTEGER, "rdma-port", NULL, "0", 0,
       "Port for RDMA clients.", RANGE(0, 65535))
STORED(MEMORY, "rdma-rx-size", NULL, "1048576", OPTION_IMMUTABLE,
       "Receive buffer of an RDMA client.", RANGE(64 * 1024, 16 * 1024 * 1024))
STORED(INTEGER, "rdma-completion-vector", NULL, "-1", OPTION_IMMUTABLE,
       "Completion vector for RDMA.", RANGE(-1, 1024))
STORED(INTEGER, "list-max-ziplist-entries", NULL, "512", OPTION_FILE_ONLY,
       "Replaced by list-max-listpack-size.", RANGE(0, LLONG_MAX))
STORED(MEMORY, "list-max-ziplist-value", NULL, "64", OPTION_FILE_ONLY,
       "Replaced by list-max-listpack-size.", RANGE(0, LLONG_MAX))

STORED(TEXT, "unixsocketgroup", NULL, NULL, OPTION_IMMUTABLE,
       "Group that owns the Unix socket; empty keeps the group of the process.")
STORED(INTEGER, "socket-mark-id", NULL, "0", OPTION_IMMUTABLE,
       "Mark put on listening sockets for packet filters; 0 for none.", RANGE(0, UINT_MAX))
STORED(INTEGER, "shutdown-timeout", NULL, "10", 0,
       "Seconds that a shutdown waits for replies and replicas to be served.", RANGE(0, INT_MAX))
STORED(INTEGER, "maxmemory-eviction-tenacity", NULL, "10", 0,
       "How long one turn of eviction may take before commands go on.", RANGE(0, 100))
STORED(CHOICE, "log-timestamp-format", NULL, "legacy", 0,
       "How times are written: day and month name, ISO 8601, or milliseconds since 1970.",
       .names = CONFIG_LOG_TIME_NAMES)
STORED(BOOL, "hide-user-data-from-log", NULL, "yes", 0,
       "Keep keys, values and names of clients out of the log.")

#undef SECTION
/* clang-format on */
