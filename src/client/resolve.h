/* SPDX-License-Identifier: BSD-3-Clause */
/* Names to addresses without waiting longer than one wants to. The resolver of the C library only
 * blocks, so a name that is not an address is looked up by a thread of its own, which ends by
 * itself when nobody wants its answer any more. */
#ifndef LARDER_CLIENT_RESOLVE_H
#define LARDER_CLIENT_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>

struct resolution;

/* Begin to look up a host; `families` are tried in that order until one has addresses. NULL: no
 * memory, or no thread. */
struct resolution *resolution_start(const char *host, int port, int flags, const int families[2]);
/* Wait until `deadline` (DEADLINE_NONE: as long as it takes; one that has passed: not at all).
 * False: no answer yet. *out_list is owned by the caller (freeaddrinfo), NULL if *out_failure, an
 * EAI_ value, is not 0. An answer is given once. */
bool resolution_wait(struct resolution *resolution, long long deadline, struct addrinfo **out_list,
                     int *out_failure);
/* NULL is ignored. */
void resolution_end(struct resolution *resolution);
/* The same at once, in the calling thread. Returns an EAI_ value or 0. */
int resolve_now(const char *host, int port, int flags, const int families[2],
                struct addrinfo **out_list);

#endif
