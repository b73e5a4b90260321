/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_GEO_H
#define LARDER_TESTS_WORKLOAD_GEO_H

/* Templates of test_effect_replay.c, each ended by a comma. */
#define GEO_EFFECT_WORKLOAD                                                                        \
    "GEOADD $k $f $f $v $f 1.5 $i", "GEORADIUS $k 1 1 1000 km STORE $k",                           \
        "GEOSEARCHSTORE $k $k FROMLONLAT 1 1 BYBOX 900 900 km COUNT 3 STOREDIST",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define GEO_MEMORY_PREPARATION "GEOADD g 1 1 a 2 2 b 3 3 @k",
#define GEO_MEMORY_WORKLOAD                                                                        \
    "GEOADD n 1 1 a 2 2 b", "GEOADD g 4 4 a 5 5 c", "GEOPOS g a b",                                \
        "GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1000 km ASC WITHCOORD",                               \
        "GEORADIUS g 1 1 1000 km STORE n",

#endif
