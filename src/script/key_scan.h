/* SPDX-License-Identifier: BSD-3-Clause */
/* Does a script touch only the keys it was given? A look at its text that says yes only when it is
 * sure. Pure. */
#ifndef LARDER_SCRIPT_KEY_SCAN_H
#define LARDER_SCRIPT_KEY_SCAN_H

#include "base/slice.h"

/* Every call of a command names it literally, and each of its keys is an element of KEYS, straight
 * or through a local that is set once to such an element. See the README for what is understood. */
bool key_scan_is_declared(struct slice code);

#endif
