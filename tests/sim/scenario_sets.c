/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/scenario.h"

const struct scenario_type *const SCENARIO_SETS[] = {
    CONFIG_GROUP_SCENARIOS, CLUSTER_SCENARIOS,
    MOVES_SCENARIOS,        FOUNDING_SCENARIOS,
    DURABLE_SCENARIOS,      POLICY_SCENARIOS,
    FORCED_SCENARIOS,       DEPARTURE_SCENARIOS,
    FAILOVER_SCENARIOS,     NULL,
};
