/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO: the server's figures as text in sections. */
#ifndef LARDER_SERVER_INFO_H
#define LARDER_SERVER_INFO_H

#include "base/text_buffer.h"
#include "server/server.h"

/* Append the sections that `words` name (section names, "default", "all", "everything", in any
 * case), each once and in fixed order; no words: the default ones. Unknown words add nothing.
 * `now_ms` is the time. Takes CONFIG_LOCK, partition locks one after the other and STATS_LOCK. */
void info_append(struct server *server, const struct slice *words, size_t count, int64_t now_ms,
                 struct text_buffer *out);

/* "1.50M", as the _human fields have it. */
struct info_size_text {
    char text[32];
};
struct info_size_text info_size(uint64_t bytes);

#endif
