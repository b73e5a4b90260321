/* SPDX-License-Identifier: BSD-3-Clause */
/* Marks what the shared library exports; everything else in it is hidden. */
#ifndef VALKEY_VISIBILITY_H
#define VALKEY_VISIBILITY_H

#if defined(__GNUC__) || defined(__clang__)
#define LIBVALKEY_API __attribute__((visibility("default")))
#else
#define LIBVALKEY_API
#endif

#endif
