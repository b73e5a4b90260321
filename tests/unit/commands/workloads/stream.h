/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of effects and of memory run of these commands. */
#ifndef LARDER_TESTS_WORKLOAD_STREAM_H
#define LARDER_TESTS_WORKLOAD_STREAM_H

/* Templates of test_effect_replay.c, each ended by a comma. */
/* clang-format off */
#define STREAM_EFFECT_WORKLOAD \
    "XADD st1 * a $v b $i", \
    "XADD st1 * a $l", \
    "XADD st2 2000000-* a 1", \
    "XADD st2 NOMKSTREAM * a $v", \
    "XGROUP CREATE st1 h 0 MKSTREAM ENTRIESREAD 3", \
    "XREADGROUP GROUP h c STREAMS st1 >", \
    "EXPIRE st2 1", \
    "XADD st1 * a $v b $v", \
    "XADD st1 * a $v", \
    "XADD st1 * 12 $i -7 $i", \
    "XADD st2 * x $i y $i", \
    "XADD st2 * x $i y $i", \
    "XADD st2 MAXLEN 20 * x $i z $i", \
    "XADD st1 MAXLEN ~ 20 * a $v", \
    "XADD st1 MINID ~ 1000200 LIMIT 5 * a $v", \
    "XADD st2 MINID 1000400 * a $v", \
    "XTRIM st1 MAXLEN 10", \
    "XTRIM st2 MAXLEN ~ 0 LIMIT 0", \
    "XTRIM st2 MINID ~ 1000800", \
    "XDEL st1 1000100 1000200-0 1000300-1", \
    "XDEL st2 1000100 1000110-0 1000120-1", \
    "XSETID st2 3000000-0 ENTRIESADDED 500000 MAXDELETEDID 5-5", \
    "XGROUP CREATE st1 g 0 MKSTREAM", \
    "XGROUP CREATE st2 g $$ MKSTREAM", \
    "XGROUP SETID st1 g 0", \
    "XGROUP SETID st2 g $$ ENTRIESREAD 5", \
    "XGROUP SETID st1 g 0 ENTRIESREAD 1", \
    "XGROUP CREATECONSUMER st1 g d", \
    "XGROUP DELCONSUMER st1 g d", \
    "XREADGROUP GROUP g c COUNT 3 STREAMS st1 >", \
    "XREADGROUP GROUP g d COUNT 2 STREAMS st1 st2 > >", \
    "XREADGROUP GROUP g c STREAMS st1 st2 st1 > > >", \
    "XREADGROUP GROUP g c COUNT 2 NOACK STREAMS st2 >", \
    "XREADGROUP GROUP g d COUNT 3 STREAMS st1 0", \
    "XACK st1 g 1000100 1000200 1000300 1000400 1000500", \
    "XCLAIM st1 g e 0 1000100 1000200 1000300 FORCE", \
    "XCLAIM st2 g e 1 1000100 1000200 1000300 IDLE 5 LASTID 1000500-0", \
    "XCLAIM st1 g c 0 1000100 1000101 1000300 FORCE JUSTID TIME 77 RETRYCOUNT 4", \
    "XAUTOCLAIM st1 g c 2 - COUNT 3", \
    "XAUTOCLAIM st1 g d 0 1000100 COUNT 20 JUSTID", \
    "XAUTOCLAIM st2 g d 0 - COUNT 5", \
    "XGROUP DESTROY st1 g", \
    "COPY st1 st2 REPLACE", \
    "DEL st1",

/* Lines that prepare the keys which the lines of test_command_memory.c use, and these lines, each
 * ended by a comma. */
#define STREAM_MEMORY_PREPARATION                                                                  \
    "XADD xs 1-1 a 1 b 2", "XADD xs 2-1 a 1 b @m", "XADD xs 3-1 c 1", "XADD xs 4-1 c 2",           \
    "XADD xt 1-1 a 1", "XADD xt 2-1 a @l", "XGROUP CREATE xs g 0", "XGROUP CREATE xt g 0",         \
    "XREADGROUP GROUP g c COUNT 3 STREAMS xs >", "XADD xd 1-1 a 1", "XGROUP CREATE xd g 0",        \
    "XREADGROUP GROUP g c STREAMS xd >", "XDEL xd 1-1",
#define STREAM_MEMORY_WORKLOAD                                                                     \
    "XADD n * a 1", "XADD n 1-* a @l b @m", "XADD xs * a 1 b 2", "XADD xs 9-9 x @m y @m",          \
    "XADD xs MAXLEN 2 * a 1", "XADD xs MINID ~ 3 * a @l", "XADD n NOMKSTREAM * a 1",               \
    "XADD xs 9-9 a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11 l 12 m 13 n 14 o 15",               \
    "XRANGE xs - +", "XREVRANGE xt + - COUNT 1", "XREAD STREAMS xs xt 0 0", "XDEL xs 1-1 2-1",     \
    "XDEL xs 1-1 2-1 3-1 4-1", "XTRIM xs MAXLEN 1", "XTRIM xs MINID 3", "XLEN xs",                 \
    "XGROUP CREATE n g 0 MKSTREAM", "XGROUP CREATE xs h 1-1 ENTRIESREAD 1",                        \
    "XGROUP SETID xs g 0", "XGROUP DESTROY xs g", "XGROUP CREATECONSUMER xs g d",                  \
    "XGROUP DELCONSUMER xs g c", "XREADGROUP GROUP g d STREAMS xs xt > >",                         \
    "XREADGROUP GROUP g c STREAMS xt >", "XREADGROUP GROUP g c STREAMS xs 0",                      \
    "XREADGROUP GROUP g d NOACK STREAMS xt >", "XACK xs g 1-1 2-1", "XPENDING xs g",               \
    "XPENDING xs g - + 10", "XCLAIM xs g d 0 1-1 2-1 4-1 FORCE", "XCLAIM xs g c 0 4-1 FORCE",      \
    "XCLAIM xs g d 0 1-1 JUSTID LASTID 4-1", "XAUTOCLAIM xs g d 0 - COUNT 2",                      \
    "XAUTOCLAIM xd g d 0 -", "XCLAIM xd g d 0 1-1", "XINFO STREAM xs FULL", "XINFO GROUPS xs",     \
    "XINFO CONSUMERS xs g", "XSETID xs 9-9", "DEL xs xt xd", "COPY xs n", "COPY xs n1 REPLACE", "RENAME xs n",
/* clang-format on */

#endif
