#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PAGE UINT64_C(0x100000)
#define ALL (WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD | WL_SEAT_CAPABILITY_TOUCH)

static const struct fake_options usual;

static void assert_event(struct rig *rig, uint32_t i, uint32_t type, uint32_t slot, int32_t value) {
	assert_true(i < rig->input.count);
	assert_int_equal(rig->input.events[i].type, type);
	assert_int_equal(rig->input.events[i].code, slot);
	assert_int_equal(rig->input.events[i].value, value);
}

static void take_touch(struct rig *rig) {
	RIG_UNTIL(rig, rig->fake.head->commits == 1 && rig->fake.pointer != NULL);
	assert_null(rig->fake.touch);
	wl_seat_send_capabilities(rig->fake.seat, ALL);
	RIG_UNTIL(rig, rig->fake.touch != NULL);
}

static void start(struct rig *rig) {
	rig_init(rig, &usual);
	take_touch(rig);
}

static void down(struct rig *rig, unsigned head, int32_t id, int x, int y) {
	wl_touch_send_down(rig->fake.touch, 0, 0, rig->fake.head[head].resource, id,
		wl_fixed_from_int(x), wl_fixed_from_int(y));
}

static void move(struct rig *rig, int32_t id, int x, int y) {
	wl_touch_send_motion(rig->fake.touch, 0, id, wl_fixed_from_int(x), wl_fixed_from_int(y));
}

static void up(struct rig *rig, int32_t id) {
	wl_touch_send_up(rig->fake.touch, 0, 0, id);
}

/* Ends the frame, which becomes this many messages. */
static void frame(struct rig *rig, unsigned messages) {
	unsigned inputs = rig->inputs;
	wl_touch_send_frame(rig->fake.touch);
	RIG_UNTIL(rig, rig->inputs == inputs + messages);
}

static void a_touch_frame_is_one_message(void **state) {
	struct rig rig;
	start(&rig);
	down(&rig, 0, 7, (int)RIG_WIDTH / 2, 0);
	down(&rig, 0, 3, 0, (int)RIG_HEIGHT / 2);
	frame(&rig, 1);
	assert_int_equal(rig.input.count, 6);
	assert_event(&rig, 0, LINK_INPUT_TOUCH, 0, 1);
	assert_event(&rig, 1, LINK_INPUT_TOUCH_X, 0, 16384);
	assert_event(&rig, 2, LINK_INPUT_TOUCH_Y, 0, 0);
	assert_event(&rig, 3, LINK_INPUT_TOUCH, 1, 1);
	assert_event(&rig, 4, LINK_INPUT_TOUCH_X, 1, 0);
	assert_event(&rig, 5, LINK_INPUT_TOUCH_Y, 1, 16384);
	move(&rig, 3, -10, (int)RIG_HEIGHT * 2);
	up(&rig, 7);
	frame(&rig, 1);
	assert_int_equal(rig.input.count, 3);
	assert_event(&rig, 0, LINK_INPUT_TOUCH_X, 1, 0);
	assert_event(&rig, 1, LINK_INPUT_TOUCH_Y, 1, 32767);
	assert_event(&rig, 2, LINK_INPUT_TOUCH, 0, 0);
	// Its slot is the next one's.
	down(&rig, 0, 12, 0, 0);
	frame(&rig, 1);
	assert_event(&rig, 0, LINK_INPUT_TOUCH, 0, 1);
	rig_finish(&rig);
}

static void fingers_without_a_slot_are_ignored(void **state) {
	struct rig rig;
	start(&rig);
	for (int32_t id = 0; id < LINK_INPUT_SLOTS + 3; id++) {
		down(&rig, 0, id, 1, 1);
	}
	frame(&rig, 1);
	assert_int_equal(rig.input.count, 3 * LINK_INPUT_SLOTS);
	move(&rig, LINK_INPUT_SLOTS, 5, 5);
	up(&rig, LINK_INPUT_SLOTS);
	up(&rig, 2);
	frame(&rig, 1);
	assert_int_equal(rig.input.count, 1);
	assert_event(&rig, 0, LINK_INPUT_TOUCH, 2, 0);
	// One that was not taken is not taken later either.
	move(&rig, LINK_INPUT_SLOTS + 1, 5, 5);
	up(&rig, 77);
	wl_touch_send_frame(rig.fake.touch);
	rig_spin(&rig, 20);
	down(&rig, 0, 0, 9, 9);
	down(&rig, 0, 40, 9, 9);
	frame(&rig, 1);
	assert_int_equal(rig.input.count, 3);
	assert_event(&rig, 0, LINK_INPUT_TOUCH, 2, 1);
	rig_finish(&rig);
}

static void what_belongs_together_is_not_parted(void **state) {
	struct rig rig;
	start(&rig);
	down(&rig, 0, 0, 1, 1);
	frame(&rig, 1);
	for (int i = 0; i < 15; i++) {
		move(&rig, 0, i, i);
	}
	down(&rig, 0, 1, (int)RIG_WIDTH / 2, 1);
	frame(&rig, 2);
	assert_int_equal(rig.input.count, 3);
	assert_event(&rig, 0, LINK_INPUT_TOUCH, 1, 1);
	assert_event(&rig, 1, LINK_INPUT_TOUCH_X, 1, 16384);
	rig_finish(&rig);
}

/* Two fingers are down; then something happens that lifts them. */
static void assert_lifted(struct rig *rig, unsigned inputs) {
	RIG_UNTIL(rig, rig->inputs == inputs + 1);
	assert_int_equal(rig->input.count, 2);
	assert_event(rig, 0, LINK_INPUT_TOUCH, 0, 0);
	assert_event(rig, 1, LINK_INPUT_TOUCH, 1, 0);
}

static unsigned two_fingers(struct rig *rig) {
	down(rig, 0, 0, 1, 1);
	down(rig, 0, 1, 5, 5);
	frame(rig, 1);
	return rig->inputs;
}

static void cancelling_lifts_all(void **state) {
	struct rig rig;
	start(&rig);
	unsigned inputs = two_fingers(&rig);
	wl_touch_send_cancel(rig.fake.touch);
	assert_lifted(&rig, inputs);
	up(&rig, 0);
	wl_touch_send_frame(rig.fake.touch);
	rig_spin(&rig, 20);
	assert_int_equal(rig.inputs, inputs + 1);
	two_fingers(&rig);
	rig_finish(&rig);
}

static void a_touch_screen_that_goes_lifts_all(void **state) {
	struct rig rig;
	start(&rig);
	unsigned inputs = two_fingers(&rig);
	wl_seat_send_capabilities(
		rig.fake.seat, WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD);
	assert_lifted(&rig, inputs);
	RIG_UNTIL(&rig, rig.fake.touch == NULL);
	wl_seat_send_capabilities(rig.fake.seat, ALL);
	RIG_UNTIL(&rig, rig.fake.touch != NULL);
	two_fingers(&rig);
	rig_finish(&rig);
}

static void a_compositor_that_goes_lifts_all(void **state) {
	struct rig rig;
	start(&rig);
	unsigned inputs = two_fingers(&rig);
	wl_client_destroy(rig.fake.client);
	assert_lifted(&rig, inputs);
	rig_finish(&rig);
}

static void places_span_the_heads_side_by_side(void **state) {
	const struct rig_setup setup = {.heads = 3, .flushed = true};
	struct rig rig;
	rig_init_with(&rig, &setup);
	rig_set_head(&rig, 0, 512, 512, 0);
	rig_set_head(&rig, 1, 512, 1024, PAGE);
	RIG_UNTIL(&rig, rig.fake.head[1].commits == 1);
	take_touch(&rig);
	down(&rig, 1, 0, 0, 512);
	down(&rig, 0, 1, 256, 256);
	frame(&rig, 1);
	assert_event(&rig, 1, LINK_INPUT_TOUCH_X, 0, 16384);
	assert_event(&rig, 2, LINK_INPUT_TOUCH_Y, 0, 16384);
	assert_event(&rig, 4, LINK_INPUT_TOUCH_X, 1, 8192);
	assert_event(&rig, 5, LINK_INPUT_TOUCH_Y, 1, 8192);
	// Each stays on the head that it went down on.
	move(&rig, 0, 100000, 1024);
	move(&rig, 1, 512, 0);
	frame(&rig, 1);
	assert_event(&rig, 0, LINK_INPUT_TOUCH_X, 0, 32767);
	assert_event(&rig, 2, LINK_INPUT_TOUCH_X, 1, 16384);
	// The third has never shown anything.
	down(&rig, 2, 2, 5, 5);
	wl_touch_send_frame(rig.fake.touch);
	unsigned inputs = rig.inputs;
	rig_spin(&rig, 20);
	assert_int_equal(rig.inputs, inputs);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_touch_frame_is_one_message),
		cmocka_unit_test(fingers_without_a_slot_are_ignored),
		cmocka_unit_test(what_belongs_together_is_not_parted),
		cmocka_unit_test(cancelling_lifts_all),
		cmocka_unit_test(a_touch_screen_that_goes_lifts_all),
		cmocka_unit_test(a_compositor_that_goes_lifts_all),
		cmocka_unit_test(places_span_the_heads_side_by_side),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
