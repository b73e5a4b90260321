/* SPDX-License-Identifier: BSD-3-Clause */
/* Who watches commands: MONITOR clients, the slow log, the latency monitor, the counts of errors by
 * their first word; and the rates that INFO shows. */
#ifndef LARDER_SERVER_OBSERVE_H
#define LARDER_SERVER_OBSERVE_H

#include "server/figures.h"
#include "server/latency.h"
#include "server/monitor.h"
#include "server/session.h"
#include "server/slow_log.h"

/* Show a command to all MONITOR clients. Called after it ran, when there are any. Commands marked
 * skip_monitor or admin are not shown, and secrets among the arguments are replaced. `by_script`: a
 * script called it, which is shown in place of the client's address. */
void observe_command(struct session *session, const struct command_spec *spec, size_t argc,
                     const struct slice *argv, bool by_script);
/* As observe_command, for a command that runs a script: called before it runs, since it is shown
 * above what the script calls. Does nothing while there are no MONITOR clients. */
void observe_script(struct session *session, const struct call *call);

/* A command took at least as long as the slow log's or the latency monitor's threshold. Commands
 * marked skip_slowlog are not logged. */
void observe_slow(struct session *session, const struct command_spec *spec, size_t argc,
                  const struct slice *argv, uint64_t duration_us);

/* Something that holds up clients took this long: a spike for the latency monitor if it is on and
 * this reaches its threshold. */
void observe_event(struct server *server, enum latency_event event, uint64_t duration_us);

/* A client got this error reply ("-ERR ..." or what follows the '-'). */
void observe_error(struct server *server, struct slice error);

/* Errors: LARDER_NO_MEMORY. */
enum larder_status observe_init(struct server *server) LARDER_NODISCARD;
void observe_finish(struct server *server);

/* Every 100 ms, by the first thread: take a sample of the counters that INFO shows as rates. */
void observe_tick(struct server *server);

/* ---- for the commands that show it ---- */

enum { RATE_SAMPLES = 16, ERROR_KINDS_MAX = 128, ERROR_KIND_BYTES = 32 };

enum rate { RATE_COMMANDS, RATE_BYTES_RECEIVED, RATE_BYTES_SENT, RATE_COUNT };

/* A counter's growth per second over the last samples. */
struct rate_samples {
    uint64_t last_value;
    uint64_t last_ns;
    uint64_t per_second[RATE_SAMPLES]; /* ring */
    size_t next;
};

struct error_kind {
    char name[ERROR_KIND_BYTES]; /* NUL-terminated, never empty */
    uint64_t count;
};

/* All that is observed. server->slow_log and server->latency are its parts. */
struct observations {
    /* guarded by STATS_LOCK */
    struct slow_log slow_log;
    struct latency_monitor latency;
    struct monitor_feed monitors;
    struct rate_samples rates[RATE_COUNT];
    struct error_kind errors[ERROR_KINDS_MAX];
    size_t error_kind_count;
    struct figures_base base;
    int64_t startup_bytes;    /* used at the first tick */
    bool has_too_many_errors; /* kinds beyond the table are no longer told apart */
};

static inline struct observations *observations_of(const struct server *server) {
    return (struct observations *)((uint8_t *)server->slow_log -
                                   offsetof(struct observations, slow_log));
}

uint64_t observe_rate(const struct server *server, enum rate rate) REQUIRES(STATS_LOCK);

/* What stands for an argument in MONITOR and the slow log: itself, or "(redacted)". */
struct slice observe_argument(const struct command_spec *spec, size_t argc,
                              const struct slice *argv, size_t index);

#endif
