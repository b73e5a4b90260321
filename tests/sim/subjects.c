/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/subject.h"

#include <string.h>

const struct sim_subject_type *const SIM_SUBJECTS[] = {
    &CLUSTER_SUBJECT,
    &CONFIG_GROUP_SUBJECT,
    NULL,
};

const struct sim_subject_type *sim_subject_find(const char *name) {
    for (size_t i = 0; SIM_SUBJECTS[i] != NULL; i++)
        if (strcmp(SIM_SUBJECTS[i]->name, name) == 0)
            return SIM_SUBJECTS[i];
    return NULL;
}
