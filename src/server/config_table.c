/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of all options, and the names of choices. The order of names is the order in which a
 * refusal lists them, which clients of Redis know. Checks look at one parsed value. */
#include "server/config_internal.h"

#include <ctype.h>
#include <limits.h>

static const struct option_name CONFIG_POLICY_NAMES[] = {
    {"volatile-lru", CONFIG_VOLATILE_LRU},
    {"volatile-lfu", CONFIG_VOLATILE_LFU},
    {"volatile-random", CONFIG_VOLATILE_RANDOM},
    {"volatile-ttl", CONFIG_VOLATILE_TTL},
    {"allkeys-lru", CONFIG_ALLKEYS_LRU},
    {"allkeys-lfu", CONFIG_ALLKEYS_LFU},
    {"allkeys-random", CONFIG_ALLKEYS_RANDOM},
    {"noeviction", CONFIG_NOEVICTION},
    {"allkeys-s3fifo", CONFIG_ALLKEYS_S3FIFO},
    {"volatile-s3fifo", CONFIG_VOLATILE_S3FIFO},
    {NULL, 0}};

static const struct option_name CONFIG_LOGLEVEL_NAMES[] = {
    {"debug", CONFIG_LOG_DEBUG},     {"verbose", CONFIG_LOG_VERBOSE}, {"notice", CONFIG_LOG_NOTICE},
    {"warning", CONFIG_LOG_WARNING}, {"nothing", CONFIG_LOG_NOTHING}, {NULL, 0}};

static const struct option_name CONFIG_LOG_FORMAT_NAMES[] = {{"text", CONFIG_LOG_TEXT},
                                                             {"logfmt", CONFIG_LOG_LOGFMT},
                                                             {"legacy", CONFIG_LOG_TEXT},
                                                             {NULL, 0}};

static const struct option_name CONFIG_LOG_TIME_NAMES[] = {
    {"legacy", CONFIG_LOG_TIME_LEGACY},
    {"iso8601", CONFIG_LOG_TIME_ISO8601},
    {"milliseconds", CONFIG_LOG_TIME_MILLISECONDS},
    {NULL, 0}};

static const struct option_name CONFIG_PERMISSION_NAMES[] = {
    {"no", CONFIG_DENIED}, {"yes", CONFIG_ALLOWED}, {"local", CONFIG_ALLOWED_LOCALLY}, {NULL, 0}};

static const struct option_name CONFIG_SUPERVISED_NAMES[] = {{"upstart", CONFIG_SUPERVISED_UPSTART},
                                                             {"systemd", CONFIG_SUPERVISED_SYSTEMD},
                                                             {"auto", CONFIG_SUPERVISED_AUTO},
                                                             {"no", CONFIG_SUPERVISED_NO},
                                                             {NULL, 0}};

static const struct option_name CONFIG_TLS_AUTH_NAMES[] = {{"no", CONFIG_TLS_AUTH_NO},
                                                           {"yes", CONFIG_TLS_AUTH_YES},
                                                           {"optional", CONFIG_TLS_AUTH_OPTIONAL},
                                                           {NULL, 0}};

static const struct option_name CONFIG_ACL_PUBSUB_NAMES[] = {
    {"allchannels", CONFIG_ACL_ALL_CHANNELS}, {"resetchannels", CONFIG_ACL_NO_CHANNELS}, {NULL, 0}};

/* Choices nothing reads yet: their values are positions. */
static const struct option_name CONFIG_APPENDFSYNC_NAMES[] = {
    {"everysec", 0}, {"always", 1}, {"no", 2}, {NULL, 0}};
static const struct option_name CONFIG_RDB_VERSION_NAMES[] = {
    {"strict", 0}, {"relaxed", 1}, {NULL, 0}};
static const struct option_name CONFIG_SANITIZE_NAMES[] = {
    {"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};
static const struct option_name CONFIG_DISKLESS_LOAD_NAMES[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {"flush-before-load", 3}, {NULL, 0}};
static const struct option_name CONFIG_PROPAGATION_NAMES[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};
static const struct option_name CONFIG_ENDPOINT_NAMES[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};
static const struct option_name CONFIG_OOM_SCORE_NAMES[] = {
    {"no", 0}, {"yes", 1}, {"relative", 1}, {"absolute", 2}, {NULL, 0}};
static const struct option_name CONFIG_TLS_USER_NAMES[] = {{"off", 0}, {"CN", 1}, {NULL, 0}};
static const struct option_name CONFIG_SYSLOG_NAMES[] = {
    {"user", 0},   {"local0", 1}, {"local1", 2}, {"local2", 3}, {"local3", 4},
    {"local4", 5}, {"local5", 6}, {"local6", 7}, {"local7", 8}, {NULL, 0}};

enum { SHUTDOWN_SAVE = 1, SHUTDOWN_NOSAVE = 2, SHUTDOWN_NOW = 4, SHUTDOWN_FORCE = 8 };

static const struct option_name CONFIG_SHUTDOWN_NAMES[] = {
    {"default", 0},        {"save", SHUTDOWN_SAVE},   {"nosave", SHUTDOWN_NOSAVE},
    {"now", SHUTDOWN_NOW}, {"force", SHUTDOWN_FORCE}, {NULL, 0}};

#define FIELD(name) offsetof(struct server_config, name)

#define RANGE(low, high) .min = (low), .max = (high)

#define ROW(kind_, name_, alias_, default_, flags_, offset_, summary_)                             \
    .name = (name_), .alias = (alias_), .section = SECTION, .summary = (summary_),                 \
    .default_text = (default_), .kind = OPTION_##kind_, .flags = (flags_), .offset = (offset_)

#define OBEYED(kind_, name_, alias_, default_, flags_, field_, summary_, ...)                      \
    {ROW(kind_, name_, alias_, default_, flags_, FIELD(field_), summary_), __VA_ARGS__},

#define STORED(kind_, name_, alias_, default_, flags_, summary_, ...)                              \
    {ROW(kind_, name_, alias_, default_, (flags_) | OPTION_NO_EFFECT, OPTION_NO_FIELD, summary_),  \
     __VA_ARGS__},

static const struct option CONFIG_ROWS[] = {
#include "server/config_rows.h"

#include "server/config_rows_compat.h"
};

#define CONFIG_ROW_COUNT (sizeof(CONFIG_ROWS) / sizeof(CONFIG_ROWS[0]))

_Static_assert(CONFIG_ROW_COUNT <= CONFIG_OPTION_MAX, "raise CONFIG_OPTION_MAX");

const struct option_table CONFIG_TABLE = {CONFIG_ROWS, CONFIG_ROW_COUNT, FIELD(spare)};

static bool is_path(const struct option_text *text) {
    return memchr(text->data, '/', text->size) != NULL;
}

const char *config_check_dir(const union option_value *value) {
    if (memchr(value->text.data, '\0', value->text.size) != NULL)
        return "dir can't contain a zero byte";
    return value->text.size == 0 ? "dir can't be empty" : NULL;
}

const char *config_check_file_name(const union option_value *value) {
    if (value->text.size == 0)
        return "appendfilename can't be empty";
    return is_path(&value->text) ? "appendfilename can't be a path, just a filename" : NULL;
}

const char *config_check_folder_name(const union option_value *value) {
    if (value->text.size == 0)
        return "appenddirname can't be empty";
    return is_path(&value->text) ? "appenddirname can't be a path, just a dirname" : NULL;
}

const char *config_check_snapshot_name(const union option_value *value) {
    return is_path(&value->text) ? "dbfilename can't be a path, just a filename" : NULL;
}

const char *config_check_host_name(const union option_value *value) {
    enum { HOST_NAME_MAX_SIZE = 255 };
    if (value->text.size > HOST_NAME_MAX_SIZE)
        return "Hostnames must be less than 256 characters";
    for (size_t i = 0; i < value->text.size; i++) {
        unsigned char byte = (unsigned char)value->text.data[i];
        if (!isalnum(byte) && byte != '-' && byte != '.')
            return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    }
    return NULL;
}

static bool is_title_variable(struct slice name) {
    static const char *const NAMES[] = {"title",    "listen-addr", "server-mode", "port",
                                        "tls-port", "unixsocket",  "config-file"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (slice_equal(name, slice_of_string(NAMES[i])))
            return true;
    return false;
}

const char *config_check_title_template(const union option_value *value) {
    static const char REFUSAL[] = "template format is invalid or contains unknown variables";
    const char *at = value->text.data;
    const char *end = at + value->text.size;
    while ((at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        const char *close = memchr(at, '}', (size_t)(end - at));
        if (close == NULL || !is_title_variable(slice_of(at + 1, (size_t)(close - at - 1))))
            return REFUSAL;
        at = close + 1;
    }
    return NULL;
}

const char *config_check_shutdown(const union option_value *value) {
    int both = SHUTDOWN_SAVE | SHUTDOWN_NOSAVE;
    return (value->choice & both) == both
               ? "shutdown options SAVE and NOSAVE can't be used simultaneously"
               : NULL;
}
