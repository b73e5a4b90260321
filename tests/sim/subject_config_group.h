/* SPDX-License-Identifier: BSD-3-Clause */
/* For scripts, which drive the subject's clients themselves. */
#ifndef LARDER_TESTS_SIM_SUBJECT_CONFIG_GROUP_H
#define LARDER_TESTS_SIM_SUBJECT_CONFIG_GROUP_H

#include "sim/register_clients.h"

struct register_clients *config_group_subject_clients(void *subject);

#endif
