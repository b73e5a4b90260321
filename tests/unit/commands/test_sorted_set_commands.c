/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/commands/call_driver.h"

static struct driver *begin(uint8_t protocol) {
    struct driver *d = malloc(sizeof(*d));
    driver_init(d, 3);
    d->thread.effects = NULL;
    d->reply.protocol = protocol;
    return d;
}

static void end(struct driver *d) {
    driver_finish(d);
    free(d);
}

#define BAD_FLOAT "-ERR value is not a valid float\r\n"
#define SYNTAX    "-ERR syntax error\r\n"

static void zadd_obeys_its_options(void **state) {
    (void)state;
    struct driver *d = begin(2);
    EXPECT(d, "ZADD z 1 a 2 b", ":2\r\n");
    EXPECT(d, "ZADD z XX CH 5 a 6 none", ":1\r\n");
    EXPECT(d, "ZADD z NX 9 a 3 c", ":1\r\n");
    EXPECT(d, "ZADD z GT CH 4 a 7 b", ":1\r\n");
    EXPECT(d, "ZADD z LT CH 4 a 8 b", ":1\r\n");
    EXPECT(d, "ZADD z INCR 1.5 a", "$3\r\n5.5\r\n");
    EXPECT(d, "ZADD z GT INCR -1 a", "$-1\r\n");
    EXPECT(d, "ZADD none XX 1 a", ":0\r\n");
    EXPECT(d, "EXISTS none", ":0\r\n");
    EXPECT(d, "ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n");
    EXPECT(d, "ZADD z GT LT 1 a",
           "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n");
    EXPECT(d, "ZADD z INCR 1 a 2 b",
           "-ERR INCR option supports a single increment-element pair\r\n");
    EXPECT(d, "ZADD z 1 a x b", BAD_FLOAT);
    EXPECT(d, "ZADD z 1 a 2", SYNTAX);
    EXPECT(d, "ZADD z inf i", ":1\r\n");
    EXPECT(d, "ZINCRBY z -inf i", "-ERR resulting score is not a number (NaN)\r\n");
    EXPECT(d, "ZSCORE z i", "$3\r\ninf\r\n");
    end(d);
}

static void ranges_by_rank_score_and_name_agree(void **state) {
    (void)state;
    struct driver *d = begin(2);
    EXPECT(d, "ZADD z 0 a 0 b 0 c 0 d", ":4\r\n");
    EXPECT(d, "ZRANGE z 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(d, "ZRANGE z 0 0 REV WITHSCORES", "*2\r\n$1\r\nd\r\n$1\r\n0\r\n");
    EXPECT(d, "ZRANGE z [b (d BYLEX", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(d, "ZRANGE z + - BYLEX REV LIMIT 1 2", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n");
    EXPECT(d, "ZRANGE z -inf +inf BYSCORE LIMIT 3 -1", "*1\r\n$1\r\nd\r\n");
    EXPECT(d, "ZRANGE z (0 5 BYSCORE", "*0\r\n");
    EXPECT(d, "ZLEXCOUNT z - [c", ":3\r\n");
    EXPECT(d, "ZCOUNT z 0 (0", ":0\r\n");
    EXPECT(d, "ZREVRANGEBYLEX z [c [b", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n");
    EXPECT(d, "ZRANGE z 0 1 LIMIT 0 1",
           "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
           "BYLEX\r\n");
    EXPECT(d, "ZRANGE z - + BYLEX WITHSCORES",
           "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n");
    EXPECT(d, "ZRANGE z a b BYLEX", "-ERR min or max not valid string range item\r\n");
    EXPECT(d, "ZCOUNT z a 1", "-ERR min or max is not a float\r\n");
    EXPECT(d, "ZRANGESTORE t z 1 -1", ":3\r\n");
    EXPECT(d, "ZREMRANGEBYRANK t 0 1", ":2\r\n");
    EXPECT(d, "ZREMRANGEBYSCORE t 0 0", ":1\r\n");
    EXPECT(d, "EXISTS t", ":0\r\n");
    EXPECT(d, "ZRANGESTORE z none 0 -1", ":0\r\n");
    EXPECT(d, "EXISTS z", ":0\r\n");
    end(d);
}

static void scores_are_doubles_in_resp3(void **state) {
    (void)state;
    struct driver *d = begin(3);
    EXPECT(d, "ZADD z 1 a 2.5 b", ":2\r\n");
    EXPECT(d, "ZRANGE z 0 -1 WITHSCORES", "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n");
    EXPECT(d, "ZSCORE z b", ",2.5\r\n");
    EXPECT(d, "ZMSCORE z a none", "*2\r\n,1\r\n_\r\n");
    EXPECT(d, "ZRANK z b WITHSCORE", "*2\r\n:1\r\n,2.5\r\n");
    EXPECT(d, "ZREVRANK z none WITHSCORE", "_\r\n");
    EXPECT(d, "ZUNION 2 z z WITHSCORES WEIGHTS 1 2",
           "*2\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nb\r\n,7.5\r\n");
    EXPECT(d, "ZPOPMIN z", "*2\r\n$1\r\na\r\n,1\r\n");
    EXPECT(d, "ZPOPMAX z 5", "*1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n");
    EXPECT(d, "ZPOPMAX z", "*0\r\n");
    end(d);
}

static void sets_count_as_score_one(void **state) {
    (void)state;
    struct driver *d = begin(2);
    EXPECT(d, "SADD s a b x", ":3\r\n");
    EXPECT(d, "ZADD z 5 a 6 b 7 c", ":3\r\n");
    EXPECT(d, "ZINTER 2 s z WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n6\r\n$1\r\nb\r\n$1\r\n7\r\n");
    EXPECT(d, "ZINTER 2 s z AGGREGATE MAX WITHSCORES WEIGHTS 10 1",
           "*4\r\n$1\r\na\r\n$2\r\n10\r\n$1\r\nb\r\n$2\r\n10\r\n");
    EXPECT(d, "ZDIFF 2 s z", "*1\r\n$1\r\nx\r\n");
    EXPECT(d, "ZINTERCARD 2 s z LIMIT 1", ":1\r\n");
    EXPECT(d, "ZUNIONSTORE s 2 s z", ":4\r\n");
    EXPECT(d, "TYPE s", "+zset\r\n");
    EXPECT(d, "ZDIFFSTORE s 2 z z", ":0\r\n");
    EXPECT(d, "EXISTS s", ":0\r\n");
    EXPECT(d, "ZUNION 0 z", "-ERR at least 1 input key is needed for 'zunion' command\r\n");
    EXPECT(d, "ZUNION 1 z WEIGHTS x", "-ERR weight value is not a float\r\n");
    EXPECT(d, "ZINTERCARD 1 z LIMIT -1", "-ERR LIMIT can't be negative\r\n");
    end(d);
}

static void popping_takes_the_first_key_that_has_any(void **state) {
    (void)state;
    struct driver *d = begin(2);
    EXPECT(d, "ZADD z2 1 a 2 b 3 c", ":3\r\n");
    EXPECT(d, "ZMPOP 2 z1 z2 MAX COUNT 2",
           "*2\r\n$2\r\nz2\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    EXPECT(d, "BZPOPMIN z1 z2 0", "*3\r\n$2\r\nz2\r\n$1\r\na\r\n$1\r\n1\r\n");
    EXPECT(d, "BZPOPMIN z1 z2 0", "*-1\r\n");
    EXPECT(d, "BZMPOP 0 1 z1 MIN", "*-1\r\n");
    EXPECT(d, "ZMPOP 1 z1 MIN COUNT 0", "-ERR count should be greater than 0\r\n");
    EXPECT(d, "BZPOPMAX z1 -1", "-ERR timeout is negative\r\n");
    end(d);
}

static void a_blocking_pop_asks_to_wait_where_it_may(void **state) {
    (void)state;
    struct driver *d = begin(2);
    d->flags = CALL_MAY_BLOCK;
    (void)driver_run(d, "BZPOPMIN z1 z2 0.5");
    assert_int_equal(d->status, LARDER_AGAIN);
    (void)driver_run(d, "BZMPOP 0 2 z1 z2 MAX");
    assert_int_equal(d->status, LARDER_AGAIN);
    EXPECT(d, "ZADD z2 1 a", ":1\r\n");
    EXPECT(d, "BZPOPMIN z1 z2 0.5", "*3\r\n$2\r\nz2\r\n$1\r\na\r\n$1\r\n1\r\n");
    end(d);
}

static void every_command_refuses_other_types(void **state) {
    (void)state;
    static const char *const LINES[] = {
        "ZADD k 1 a",          "ZINCRBY k 1 a",       "ZREM k a",      "ZCARD k",
        "ZSCORE k a",          "ZRANK k a",           "ZRANGE k 0 -1", "ZCOUNT k 0 1",
        "ZPOPMIN k",           "ZMPOP 1 k MIN",       "BZPOPMAX k 0",  "ZUNION 1 k",
        "ZRANGESTORE z k 0 1", "ZRANDMEMBER k",       "ZSCAN k 0",     "ZREMRANGEBYRANK k 0 1",
        "GEOADD k 1 1 a",      "GEOPOS k a",          "GEODIST k a b", "GEOHASH k a",
        "GEORADIUS k 1 1 1 m", "ZREMRANGEBYLEX k - +"};
    struct driver *d = begin(2);
    EXPECT(d, "SET k v", "+OK\r\n");
    for (size_t i = 0; i < sizeof(LINES) / sizeof(*LINES); i++)
        EXPECT(d, LINES[i],
               "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    end(d);
}

static void events_have_their_known_names(void **state) {
    (void)state;
    static const struct {
        const char *line, *event;
    } STEPS[] = {{"ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g", "zadd"},
                 {"ZINCRBY z 1 a", "zincr"},
                 {"ZADD z INCR 1 a", "zincr"},
                 {"ZREM z a", "zrem"},
                 {"ZPOPMIN z", "zpopmin"},
                 {"ZMPOP 1 z MAX", "zpopmax"},
                 {"ZREMRANGEBYRANK z 0 0", "zremrangebyrank"},
                 {"ZREMRANGEBYSCORE z 4 4", "zremrangebyscore"},
                 {"ZREMRANGEBYLEX z - +", "zremrangebylex"},
                 {"ZADD y 1 a 2 b", "zadd"},
                 {"ZRANGESTORE x y 0 -1", "zrangestore"},
                 {"ZUNIONSTORE x 1 y", "zunionstore"},
                 {"ZINTERSTORE x 1 y", "zinterstore"},
                 {"ZDIFFSTORE x 1 y", "zdiffstore"},
                 {"GEOADD g 1 1 a", "zadd"},
                 {"GEOSEARCHSTORE x g FROMLONLAT 1 1 BYRADIUS 1 km", "geosearchstore"},
                 {"GEORADIUS g 1 1 1 km STORE x", "georadiusstore"}};
    struct driver *d = begin(2);
    d->thread.notices.interest = NOTICE_SORTED_SET;
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(*STEPS); i++) {
        notices_clear(&d->thread.notices);
        assert_true(driver_run(d, STEPS[i].line)[0] != '-');
        assert_int_equal(d->thread.notices.count, 1);
        assert_string_equal(d->thread.notices.items[0].event, STEPS[i].event);
    }
    d->thread.notices.interest = NOTICE_EVENTS;
    notices_clear(&d->thread.notices);
    EXPECT(d, "ZREM g a", ":1\r\n");
    assert_int_equal(d->thread.notices.count, 2);
    assert_string_equal(d->thread.notices.items[0].event, "zrem");
    assert_string_equal(d->thread.notices.items[1].event, "del");
    end(d);
}

static void positions_are_found_as_documented(void **state) {
    (void)state;
    struct driver *d = begin(2);
    EXPECT(d, "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2\r\n");
    EXPECT(d, "GEODIST Sicily Palermo Catania", "$11\r\n166274.1516\r\n");
    EXPECT(d, "GEODIST Sicily Palermo Catania km", "$8\r\n166.2742\r\n");
    EXPECT(d, "GEODIST Sicily Palermo none", "$-1\r\n");
    EXPECT(d, "GEOHASH Sicily Palermo none", "*2\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n");
    EXPECT(d, "GEOPOS Sicily Palermo none",
           "*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n");
    EXPECT(
        d, "GEORADIUS Sicily 15 37 200 km WITHDIST ASC",
        "*2\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n");
    EXPECT(d, "GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 400 400 km DESC COUNT 1",
           "*1\r\n$7\r\nCatania\r\n");
    EXPECT(d, "GEOSEARCHSTORE t Sicily FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST", ":1\r\n");
    EXPECT(d, "ZRANGE t 0 -1", "*1\r\n$7\r\nCatania\r\n");
    EXPECT(d, "GEOADD Sicily 181 0 x",
           "-ERR invalid longitude,latitude pair 181.000000,0.000000\r\n");
    EXPECT(d, "GEODIST Sicily a b yd",
           "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n");
    EXPECT(d, "GEOSEARCH Sicily ANY BYRADIUS 1 m COUNT 1",
           "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH\r\n");
    end(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zadd_obeys_its_options),
        cmocka_unit_test(ranges_by_rank_score_and_name_agree),
        cmocka_unit_test(scores_are_doubles_in_resp3),
        cmocka_unit_test(sets_count_as_score_one),
        cmocka_unit_test(popping_takes_the_first_key_that_has_any),
        cmocka_unit_test(a_blocking_pop_asks_to_wait_where_it_may),
        cmocka_unit_test(every_command_refuses_other_types),
        cmocka_unit_test(events_have_their_known_names),
        cmocka_unit_test(positions_are_found_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
