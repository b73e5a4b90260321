/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster as scripts see it: five machines, three replicas of each partition, five voters. */
#ifndef LARDER_TESTS_SIM_SUBJECT_CLUSTER_H
#define LARDER_TESTS_SIM_SUBJECT_CLUSTER_H

#include "sim/cluster_oracle.h"
#include "sim/lock_clients.h"
#include "sim/register_clients.h"
#include "sim/subject.h"

extern const struct sim_subject_type CLUSTER_SCRIPT_SUBJECT;
/* The same with logs on disk. */
extern const struct sim_subject_type CLUSTER_DURABLE_SUBJECT;
/* Two members; and two with data beside a third that only votes. One partition, two replicas. */
extern const struct sim_subject_type CLUSTER_PAIR_SUBJECT;
extern const struct sim_subject_type CLUSTER_WITNESS_SUBJECT;

/* Of this subject, or of the swarm's. */
struct register_clients *cluster_subject_clients(void *subject);
struct lock_clients *cluster_subject_locks(void *subject);
struct cluster_oracle *cluster_subject_oracle(void *subject);
/* What processes begin with; a change concerns those that start later. */
struct cluster_sim_settings *cluster_subject_settings(void *subject);

#endif
