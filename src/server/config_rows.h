/* SPDX-License-Identifier: BSD-3-Clause */
/* The options that larder-server obeys: rows of CONFIG_TABLE, included inside its initializer by
 * config_table.c and nowhere else.
 *   OBEYED(kind, name, alias, default, flags, field, summary, further members of the row) */
/* clang-format off */

#define SECTION "Network"
OBEYED(WORDS, "bind", NULL, "* -::*", 0, bind,
       "Addresses to listen on, separated by spaces. An address with a - before it may be "
       "missing on this machine. An empty value closes the TCP listeners.")
OBEYED(INTEGER, "port", NULL, "6379", 0, port,
       "TCP port for clients; 0 listens on no TCP port.", RANGE(0, 65535))
OBEYED(INTEGER, "tcp-backlog", NULL, "511", OPTION_IMMUTABLE, tcp_backlog,
       "Length of the queue of connections that the kernel holds until they are accepted.",
       RANGE(0, INT_MAX))
OBEYED(TEXT, "unixsocket", NULL, NULL, OPTION_IMMUTABLE, unixsocket,
       "Path of a Unix socket to listen on besides TCP; empty for none.")
OBEYED(OCTAL, "unixsocketperm", NULL, "0", OPTION_IMMUTABLE, unixsocketperm,
       "Mode of the Unix socket in octal; 0 leaves it to the umask.", RANGE(0, 0777))
OBEYED(INTEGER, "timeout", NULL, "0", 0, timeout_s,
       "Seconds after which a client that sends nothing is disconnected; 0 never.",
       RANGE(0, INT_MAX))
OBEYED(INTEGER, "tcp-keepalive", NULL, "300", 0, tcp_keepalive_s,
       "Seconds between keepalive probes on idle connections; 0 turns them off.", RANGE(0, INT_MAX))
OBEYED(BOOL, "protected-mode", NULL, "yes", 0, protected_mode,
       "While no password is set, accept only clients from the loopback interface and from Unix"
       " sockets.")
OBEYED(INTEGER, "maxclients", NULL, "10000", 0, maxclients,
       "Largest number of connected clients; more are answered with an error and closed.",
       RANGE(1, UINT_MAX))
OBEYED(INTEGER, "max-new-connections-per-cycle", NULL, "10", 0, max_new_connections_per_cycle,
       "Connections that one thread accepts in one turn of its loop.", RANGE(1, 1000))

#undef SECTION
#define SECTION "TLS"
OBEYED(INTEGER, "tls-port", NULL, "0", 0, tls_port,
       "TCP port for TLS clients; 0 turns TLS off.", RANGE(0, 65535))
OBEYED(TEXT, "tls-cert-file", NULL, NULL, OPTION_VOLATILE, tls_cert_file,
       "File with the certificate of this server (PEM). Setting it again reads the file again.")
OBEYED(TEXT, "tls-key-file", NULL, NULL, OPTION_VOLATILE, tls_key_file,
       "File with the private key of the certificate (PEM).")
OBEYED(TEXT, "tls-key-file-pass", NULL, NULL, OPTION_SENSITIVE, tls_key_file_pass,
       "Password of the private key file.")
OBEYED(TEXT, "tls-ca-cert-file", NULL, NULL, OPTION_VOLATILE, tls_ca_cert_file,
       "File with the certificates of the authorities that sign client certificates (PEM).")
OBEYED(TEXT, "tls-ca-cert-dir", NULL, NULL, OPTION_VOLATILE, tls_ca_cert_dir,
       "Folder with the certificates of trusted authorities, named by hash.")
OBEYED(TEXT, "tls-dh-params-file", NULL, NULL, OPTION_VOLATILE, tls_dh_params_file,
       "File with Diffie-Hellman parameters for old TLS 1.2 clients.")
OBEYED(CHOICE, "tls-auth-clients", NULL, "yes", 0, tls_auth_clients,
       "Whether clients must show a certificate that a trusted authority signed; optional "
       "checks it where one is shown.", .names = CONFIG_TLS_AUTH_NAMES)
OBEYED(TEXT, "tls-protocols", NULL, NULL, 0, tls_protocols,
       "Accepted protocol versions, for instance \"TLSv1.2 TLSv1.3\"; empty accepts these two.")
OBEYED(TEXT, "tls-ciphers", NULL, NULL, 0, tls_ciphers,
       "Accepted ciphers of TLS 1.2 in the syntax of OpenSSL; empty for its default.")
OBEYED(TEXT, "tls-ciphersuites", NULL, NULL, 0, tls_ciphersuites,
       "Accepted cipher suites of TLS 1.3; empty for the default of OpenSSL.")
OBEYED(BOOL, "tls-prefer-server-ciphers", NULL, "no", 0, tls_prefer_server_ciphers,
       "Take the first cipher of the list of the server rather than of the client.")
OBEYED(BOOL, "tls-session-caching", NULL, "yes", 0, tls_session_caching,
       "Let clients resume sessions without a full handshake.")
OBEYED(INTEGER, "tls-session-cache-size", NULL, "20480", 0, tls_session_cache_size,
       "Sessions kept for resumption; 0 keeps any number.", RANGE(0, INT_MAX))
OBEYED(INTEGER, "tls-session-cache-timeout", NULL, "300", 0, tls_session_cache_timeout_s,
       "Seconds for which a session can be resumed.", RANGE(0, INT_MAX))
OBEYED(INTEGER, "max-new-tls-connections-per-cycle", NULL, "1",
       0, max_new_tls_connections_per_cycle,
       "TLS connections that one thread accepts in one turn of its loop.", RANGE(1, 1000))

#undef SECTION
#define SECTION "General"
OBEYED(INTEGER, "threads", "io-threads", "1", OPTION_IMMUTABLE, threads,
       "Threads that serve clients; each runs an event loop of its own.",
       RANGE(1, 128), .default_note = "the number of processors, at most 8")
OBEYED(INTEGER, "partitions", NULL, "271", OPTION_IMMUTABLE, partitions,
       "Parts into which the keys are divided. Each part is locked on its own, so it should be "
       "well above the number of threads.", RANGE(1, 16384))
OBEYED(INTEGER, "databases", NULL, "16", OPTION_IMMUTABLE, databases,
       "Number of databases that SELECT can choose from.", RANGE(1, INT_MAX))
OBEYED(BOOL, "daemonize", NULL, "no", OPTION_IMMUTABLE, daemonize,
       "Go into the background after start.")
OBEYED(CHOICE, "supervised", NULL, "no", OPTION_IMMUTABLE, supervised,
       "Who supervises the process and is told that it is ready: systemd, upstart, or found out"
       " from the environment (auto).", .names = CONFIG_SUPERVISED_NAMES)
OBEYED(TEXT, "pidfile", NULL, NULL, OPTION_IMMUTABLE, pidfile,
       "File that holds the process id while the server runs; empty for none.")
OBEYED(TEXT, "dir", NULL, ".", OPTION_PROTECTED | OPTION_VOLATILE, dir,
       "Folder for the files of the server; it is created if it is missing.",
       .check = config_check_dir)
OBEYED(INTEGER, "hz", NULL, "10", 0, hz,
       "Rounds of background work per second, from 1 to 500; values outside are brought into "
       "this range.", RANGE(0, INT_MAX), .codec = &CONFIG_HZ_CODEC)
OBEYED(INTEGER, "active-expire-effort", NULL, "1", 0, active_expire_effort,
       "How much time the search for expired keys may take.", RANGE(1, 10))
OBEYED(BOOL, "lazyfree-lazy-user-flush", NULL, "no", 0, lazyfree_lazy_user_flush,
       "FLUSHALL and FLUSHDB without SYNC or ASYNC free memory in the background.")
OBEYED(BOOL, "rdbcompression", NULL, "yes", 0, rdbcompression,
       "Compress strings in DUMP payloads and snapshots.")
OBEYED(TEXT, "availability-zone", NULL, NULL, 0, availability_zone,
       "Name of the zone this server runs in, told to clients that ask.")

#undef SECTION
#define SECTION "Log and metrics"
OBEYED(CHOICE, "loglevel", NULL, "notice", 0, loglevel,
       "Least importance of what is logged.", .names = CONFIG_LOGLEVEL_NAMES)
OBEYED(TEXT, "logfile", NULL, NULL, OPTION_IMMUTABLE, logfile,
       "File for the log, opened again on SIGHUP; empty is standard output.")
OBEYED(CHOICE, "log-format", NULL, "text", 0, log_format,
       "Lines of plain text, or of key=value pairs.", .names = CONFIG_LOG_FORMAT_NAMES)
OBEYED(BOOL, "crash-log-enabled", NULL, "yes", 0, crash_log_enabled,
       "Write a report with a stack trace to the log when the server crashes.")
OBEYED(INTEGER, "metrics-port", NULL, "0", OPTION_IMMUTABLE, metrics_port,
       "Port of the HTTP listener for /metrics and /healthz; 0 turns it off.", RANGE(0, 65535))
OBEYED(TEXT, "metrics-bind", NULL, "127.0.0.1", OPTION_IMMUTABLE, metrics_bind,
       "Address of the HTTP listener for /metrics and /healthz.")

#undef SECTION
#define SECTION "Security"
OBEYED(TEXT, "requirepass", NULL, NULL, OPTION_SENSITIVE, requirepass,
       "Password of the default user; empty needs none.")
OBEYED(LINES, "user", NULL, NULL,
       OPTION_IMMUTABLE | OPTION_FILE_ONLY | OPTION_MERGE | OPTION_SENSITIVE, user,
       "Defines a user with access rules: its name, then words as ACL SETUSER takes them.")
OBEYED(TEXT, "aclfile", NULL, NULL, OPTION_IMMUTABLE, aclfile,
       "File that holds the users, one `user` line each, for ACL LOAD and ACL SAVE; not together "
       "with user directives.")
OBEYED(INTEGER, "acllog-max-len", NULL, "128", 0, acllog_max_len,
       "Entries that the log of refused commands and logins keeps.", RANGE(0, LLONG_MAX))
OBEYED(CHOICE, "acl-pubsub-default", NULL, "resetchannels", 0, acl_pubsub_default,
       "Channels that a new user may use: all or none.", .names = CONFIG_ACL_PUBSUB_NAMES)
OBEYED(LINES, "rename-command", NULL, NULL,
       OPTION_IMMUTABLE | OPTION_FILE_ONLY | OPTION_MERGE, rename_command,
       "Gives a command another name, or with an empty name removes it.")
OBEYED(CHOICE, "enable-debug-command", NULL, "no", OPTION_IMMUTABLE, enable_debug_command,
       "Whether DEBUG may be used: by nobody, everybody, or clients on local connections.",
       .names = CONFIG_PERMISSION_NAMES)
OBEYED(CHOICE, "enable-protected-configs", NULL, "no", OPTION_IMMUTABLE, enable_protected_configs,
       "Whether CONFIG SET may change protected options such as dir.",
       .names = CONFIG_PERMISSION_NAMES)

#undef SECTION
#define SECTION "Memory"
OBEYED(MEMORY, "maxmemory", NULL, "0", 0, maxmemory_bytes,
       "Most memory the server may use for everything it holds; 0 for no limit.",
       RANGE(0, LLONG_MAX))
OBEYED(CHOICE, "maxmemory-policy", NULL, "noeviction", 0, maxmemory_policy,
       "What happens when maxmemory is reached: commands that need memory fail (noeviction), or"
       " keys are evicted. allkeys-s3fifo is the best choice for a pure cache.",
       .names = CONFIG_POLICY_NAMES)
OBEYED(INTEGER, "maxmemory-samples", NULL, "5", 0, maxmemory_samples,
       "Candidates compared per eviction by the lru, lfu and ttl policies.", RANGE(1, INT_MAX))
OBEYED(MEMORY, "maxmemory-clients", NULL, "0", OPTION_PERCENT, maxmemory_clients_bytes,
       "Most memory that all client connections may use together, in bytes or as N% of "
       "maxmemory; the largest are then disconnected. 0 for no limit.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "lfu-log-factor", NULL, "10", 0, lfu_log_factor,
       "How many uses it takes to raise the frequency counter of the lfu policies.",
       RANGE(0, INT_MAX))
OBEYED(INTEGER, "lfu-decay-time", NULL, "1", 0, lfu_decay_time_min,
       "Minutes after which the frequency counter of an unused key is lowered.", RANGE(0, INT_MAX))

#undef SECTION
#define SECTION "Limits of one client"
OBEYED(MEMORY, "client-query-buffer-limit", NULL, "1073741824", 0, client_query_buffer_limit_bytes,
       "Most bytes of unfinished commands that a client may have sent.",
       RANGE(1024 * 1024, LLONG_MAX))
OBEYED(MEMORY, "proto-max-bulk-len", NULL, "536870912", 0, proto_max_bulk_len_bytes,
       "Largest size of one argument.", RANGE(1024 * 1024, LLONG_MAX))
OBEYED(INTEGERS, "client-output-buffer-limit", NULL,
       "replica 256mb 64mb 60 pubsub 32mb 8mb 60", OPTION_MERGE, client_output_buffer_limit,
       "For each class of clients (normal, replica, pubsub): bytes of unread replies at which a"
       " client is disconnected, bytes it may keep for some time, and that time in seconds. 0 "
       "for no limit.", .codec = &CONFIG_OUTPUT_LIMIT_CODEC)

#undef SECTION
#define SECTION "Slow log and latency"
OBEYED(INTEGER, "slowlog-log-slower-than", "commandlog-execution-slower-than", "10000",
       0, slowlog_log_slower_than_us,
       "Commands that take more microseconds than this go to the slow log; -1 turns it off, 0 "
       "logs all.", RANGE(-1, LLONG_MAX))
OBEYED(INTEGER, "tracking-table-max-keys", NULL, "1000000", 0, tracking_table_max_keys,
       "Largest number of keys that are remembered for clients with CLIENT TRACKING; when there "
       "are more, clients are told that some have changed. 0 sets no limit.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "slowlog-max-len", "commandlog-slow-execution-max-len", "128", 0, slowlog_max_len,
       "Entries that the slow log keeps.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "latency-monitor-threshold", NULL, "0", 0, latency_monitor_threshold_ms,
       "Events that take at least this many milliseconds are kept for LATENCY; 0 turns it off.",
       RANGE(0, LLONG_MAX))
OBEYED(BOOL, "latency-tracking", NULL, "yes", 0, latency_tracking,
       "Keep a histogram of the execution times of each command.")
OBEYED(DECIMALS, "latency-tracking-info-percentiles", NULL, "50 99 99.9",
       0, latency_tracking_info_percentiles,
       "Percentiles of the execution times that INFO latencystats shows.", RANGE(0, 100))

#undef SECTION
#define SECTION "Data types"
OBEYED(INTEGER, "list-max-listpack-size", "list-max-ziplist-size", "-2", 0,
       list_max_listpack_size,
       "Largest block of a list: elements, or -1 to -5 for 4 to 64 kb.", RANGE(INT_MIN, INT_MAX))
OBEYED(INTEGER, "hash-max-listpack-entries", "hash-max-ziplist-entries", "512", 0,
       hash_max_listpack_entries,
       "Most fields of a compact hash.", RANGE(0, LLONG_MAX))
OBEYED(MEMORY, "hash-max-listpack-value", "hash-max-ziplist-value", "64", 0,
       hash_max_listpack_value_bytes,
       "Longest field or value in a compact hash.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "zset-max-listpack-entries", "zset-max-ziplist-entries", "128", 0,
       zset_max_listpack_entries,
       "Most members of a compact sorted set.", RANGE(0, LLONG_MAX))
OBEYED(MEMORY, "zset-max-listpack-value", "zset-max-ziplist-value", "64", 0,
       zset_max_listpack_value_bytes,
       "Longest member of a compact sorted set.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "set-max-intset-entries", NULL, "512", 0,
       set_max_intset_entries,
       "Most members of a compact set of integers.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "set-max-listpack-entries", NULL, "128", 0,
       set_max_listpack_entries,
       "Most members of a compact set.", RANGE(0, LLONG_MAX))
OBEYED(MEMORY, "set-max-listpack-value", NULL, "64", 0,
       set_max_listpack_value_bytes,
       "Longest member of a compact set.", RANGE(0, LLONG_MAX))
OBEYED(MEMORY, "hll-sparse-max-bytes", NULL, "3000", 0,
       hll_sparse_max_bytes,
       "Largest sparse form of a HyperLogLog.", RANGE(0, LLONG_MAX))
OBEYED(MEMORY, "stream-node-max-bytes", NULL, "4096", 0,
       stream_node_max_bytes,
       "Largest node of a stream; 0 for any size.", RANGE(0, LLONG_MAX))
OBEYED(INTEGER, "stream-node-max-entries", NULL, "100", 0,
       stream_node_max_entries,
       "Most entries of a node of a stream; 0 for any number.", RANGE(0, LLONG_MAX))

#undef SECTION
#define SECTION "Keyspace events"
OBEYED(INTEGER, "notify-keyspace-events", NULL, NULL, 0, notify_keyspace_events,
       "Classes of keyspace events that are published, as letters, with K to the channel of the "
       "key, with E to the channel of the event; empty for none.", .codec = &CONFIG_EVENTS_CODEC)

#undef SECTION
#define SECTION "Scripts"
OBEYED(INTEGER, "busy-reply-threshold", "lua-time-limit", "5000", 0, busy_reply_threshold_ms,
       "Milliseconds after which a running script lets others be told that the server is busy, and "
       "can be stopped by SCRIPT KILL; 0 never.",
       RANGE(0, LLONG_MAX))
OBEYED(MEMORY, "lua-memory-limit", NULL, "256mb", 0, lua_memory_limit_bytes,
       "Most memory that scripts may take in one interpreter, of which each thread has one for EVAL "
       "and one for functions; 0 any.",
       RANGE(0, LLONG_MAX))

#undef SECTION
#define SECTION "Files"
OBEYED(LINES, "include", NULL, NULL, OPTION_IMMUTABLE | OPTION_FILE_ONLY | OPTION_MERGE, include,
       "Reads another file, or all files that match a pattern, in this place.")

#undef SECTION
/* clang-format on */
