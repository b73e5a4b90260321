/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on positions: the rows of the table in functions.c. */
#ifndef LARDER_COMMANDS_GEO_COMMANDS_H
#define LARDER_COMMANDS_GEO_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define GEO_COMMANDS(ROW)                                                                          \
    ROW(GEOADD, command_geoadd)                                                                    \
    ROW(GEODIST, command_geodist)                                                                  \
    ROW(GEOHASH, command_geohash)                                                                  \
    ROW(GEOPOS, command_geopos)                                                                    \
    ROW(GEORADIUS, command_georadius)                                                              \
    ROW(GEORADIUSBYMEMBER, command_georadiusbymember)                                              \
    ROW(GEORADIUSBYMEMBER_RO, command_georadiusbymember_ro)                                        \
    ROW(GEORADIUS_RO, command_georadius_ro)                                                        \
    ROW(GEOSEARCH, command_geosearch)                                                              \
    ROW(GEOSEARCHSTORE, command_geosearchstore)

#endif
