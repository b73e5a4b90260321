/* SPDX-License-Identifier: BSD-3-Clause */
/* From configuration to behaviour: at start for all settings, at CONFIG SET for those that changed.
 */
#ifndef LARDER_SERVER_SETTINGS_H
#define LARDER_SERVER_SETTINGS_H

#include "server/server.h"

/* A text option as a C string, never NULL. Borrowed from the configuration. */
static inline const char *option_text_or_empty(const struct option_text *text) {
    return text->data != NULL ? text->data : "";
}

/* Put every setting into effect and register what CONFIG SET of each does. Before the threads run.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID and others with a text (certificates). */
enum larder_status settings_apply_all(struct server *server,
                                      struct error_text *error) LARDER_NODISCARD;

/* Stop what settings started: the metrics port. */
void settings_finish(struct server *server);

/* Reload the TLS certificates from their files; the old ones stay when that fails. */
enum larder_status settings_reload_tls(struct server *server, struct error_text *error)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;

#endif
