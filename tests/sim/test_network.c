/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sender may conclude from what it is told about its connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "sim/world.h"

enum { SLOW_US = 100000 };

/* What the one machine and the one client saw. */
struct seen {
    uint8_t frames[16];
    size_t frame_count;
    uint32_t broken, refused;
};

struct listener {
    struct sim_machine *machine;
    struct seen *seen;
};

static enum larder_status start(struct sim_machine *machine, const void *settings, void **out) {
    struct listener *listener = sim_resize(NULL, sizeof(*listener));
    *listener = (struct listener){machine, (struct seen *)(uintptr_t)settings};
    *out = listener;
    return LARDER_OK;
}

static void deliver(void *process, uint32_t from, struct slice frame) {
    struct listener *listener = process;
    (void)from;
    listener->seen->frames[listener->seen->frame_count++] = frame.data[0];
}

static void stop(void *process) {
    free(process);
}

static const struct sim_process_type LISTENER = {
    .name = "listener", .start = start, .deliver = deliver, .stop = stop};

static void take_link(void *context, uint32_t peer, enum sim_link_event event) {
    struct seen *seen = context;
    (void)peer;
    seen->broken += event == SIM_LINK_BROKEN;
    seen->refused += event == SIM_LINK_REFUSED;
}

/* The machine has power and no process; what it answers takes long. */
static struct sim_world *begin(struct seen *seen) {
    *seen = (struct seen){.frame_count = 0};
    struct sim_world *world = world_create(&(struct sim_world_options){
        .seed = 1, .machine_count = 1, .client_count = 1, .type = &LISTENER, .settings = seen});
    world_set_client(world, 0, &(struct sim_client){.link = take_link, .context = seen});
    network_link(&world->network, 0, 1)->delay_us = SLOW_US;
    return world;
}

static void say(struct sim_world *world, uint8_t word) {
    world_client_send(world, 0, 0, slice_of(&word, 1));
}

static void frames_of_a_connection_arrive_once_and_in_order(void **state) {
    (void)state;
    struct seen seen;
    struct sim_world *world = begin(&seen);
    assert_true(machine_start(world_machine(world, 0)));
    world->network.loss = 300;
    for (uint8_t word = 1; word <= 10; word++)
        say(world, word);
    world_run_for(world, 10000000);
    assert_int_equal(seen.frame_count, 10);
    for (uint8_t i = 0; i < 10; i++)
        assert_int_equal(seen.frames[i], i + 1);
    world_destroy(world);
}

/* It does not know of the refusal yet when it sends again, and somebody listens by then. */
static void after_a_refusal_nothing_of_the_same_connection_arrives(void **state) {
    (void)state;
    struct seen seen;
    struct sim_world *world = begin(&seen);
    say(world, 1);
    world_run_for(world, 10000);
    assert_true(machine_start(world_machine(world, 0)));
    say(world, 2);
    world_run_for(world, SLOW_US + 50000);
    assert_int_equal(seen.frame_count, 0);
    assert_int_equal(seen.refused, 1);
    say(world, 3);
    world_run_for(world, 10000);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.frames[0], 3);
    world_run_for(world, 1000000);
    assert_int_equal(seen.refused, 1);
    world_destroy(world);
}

static void the_end_of_a_process_breaks_its_connections(void **state) {
    (void)state;
    struct seen seen;
    struct sim_world *world = begin(&seen);
    assert_true(machine_start(world_machine(world, 0)));
    say(world, 1);
    world_run_for(world, 10000);
    machine_crash(world_machine(world, 0));
    assert_true(machine_start(world_machine(world, 0)));
    say(world, 2);
    world_run_for(world, 1000000);
    assert_int_equal(seen.frame_count, 1);
    assert_int_equal(seen.broken, 1);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_a_connection_arrive_once_and_in_order),
        cmocka_unit_test(after_a_refusal_nothing_of_the_same_connection_arrives),
        cmocka_unit_test(the_end_of_a_process_breaks_its_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
