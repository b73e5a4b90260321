/* SPDX-License-Identifier: BSD-3-Clause */
/* The notification protocol is described in sd_notify(3); no library is needed for it. */
#include "server/supervise.h"

#include "os/clock.h"
#include "os/process.h"
#include "os/socket.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const MODE_NAMES[] = {
    [SUPERVISE_NO] = "no",
    [SUPERVISE_SYSTEMD] = "systemd",
    [SUPERVISE_UPSTART] = "upstart",
    [SUPERVISE_AUTO] = "auto",
};

bool supervise_mode_find(struct slice word, enum supervise_mode *out_mode) {
    for (int mode = SUPERVISE_NO; mode <= SUPERVISE_AUTO; mode++) {
        if (!slice_equal_word(word, MODE_NAMES[mode]))
            continue;
        *out_mode = (enum supervise_mode)mode;
        return true;
    }
    return false;
}

enum larder_status supervise_init(struct supervise *supervise, enum supervise_mode mode,
                                  struct error_text *error) {
    *supervise = (struct supervise){.mode = SUPERVISE_NO};
    const char *socket = getenv("NOTIFY_SOCKET");
    const char *job = getenv("UPSTART_JOB");
    if (mode == SUPERVISE_AUTO) {
        mode = SUPERVISE_NO;
        if (socket != NULL)
            mode = SUPERVISE_SYSTEMD;
        else if (job != NULL)
            mode = SUPERVISE_UPSTART;
    }
    if (mode == SUPERVISE_NO)
        return LARDER_OK;
    const char *variable = mode == SUPERVISE_SYSTEMD ? "NOTIFY_SOCKET" : "UPSTART_JOB";
    const char *value = mode == SUPERVISE_SYSTEMD ? socket : job;
    if (value == NULL || value[0] == '\0') {
        error_text_format(error, "supervised by %s was asked for, but %s is not set",
                          MODE_NAMES[mode], variable);
        return LARDER_NOT_FOUND;
    }
    if (mode == SUPERVISE_SYSTEMD) {
        int length = snprintf(supervise->notify_path, sizeof supervise->notify_path, "%s", value);
        if (length < 0 || (size_t)length >= sizeof supervise->notify_path) {
            error_text_format(error, "NOTIFY_SOCKET is too long");
            return LARDER_INVALID;
        }
    }
    (void)unsetenv(variable);
    supervise->mode = mode;
    return LARDER_OK;
}

static enum larder_status notify(const struct supervise *supervise, const char *text, int length,
                                 struct error_text *error) {
    if (supervise->mode != SUPERVISE_SYSTEMD)
        return LARDER_OK;
    return socket_send_unix_datagram(supervise->notify_path, slice_of(text, (size_t)length), error);
}

enum larder_status supervise_ready(const struct supervise *supervise, const char *status_text,
                                   struct error_text *error) {
    if (supervise->mode == SUPERVISE_UPSTART)
        process_stop_self();
    char text[256];
    int length = snprintf(text, sizeof text, "READY=1\nSTATUS=%.128s\nMAINPID=%lld\n", status_text,
                          (long long)process_id());
    return notify(supervise, text, length, error);
}

enum larder_status supervise_reloading(const struct supervise *supervise,
                                       struct error_text *error) {
    char text[96];
    int length = snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu\n",
                          (unsigned long long)(clock_monotonic_ns() / 1000));
    return notify(supervise, text, length, error);
}

enum larder_status supervise_stopping(const struct supervise *supervise, struct error_text *error) {
    static const char TEXT[] = "STOPPING=1\n";
    return notify(supervise, TEXT, (int)sizeof TEXT - 1, error);
}
