#include "input-rig.h"

#include <linux/input.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "input-config.h"

#define EVENTS 0
#define STATUS 1
#define CONFIG 0x1000
#define EVENT_IDX (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define SYN EV_SYN, SYN_REPORT, 0

#define ASSERT_SEEN(rig, from, ...)                                                                \
	do {                                                                                       \
		const int32_t expected[][3] = {__VA_ARGS__};                                       \
		input_rig_assert_seen(                                                             \
			(rig), (from), expected, sizeof(expected) / sizeof(expected[0]));          \
	} while (0)

static struct input_rig rig;

static void select_config(uint8_t select, uint8_t subsel) {
	input_rig_put(&rig, CONFIG, select, 1);
	input_rig_put(&rig, CONFIG + 1, subsel, 1);
}

static unsigned config_size(uint8_t select, uint8_t subsel) {
	select_config(select, subsel);
	return (unsigned)input_rig_get(&rig, CONFIG + 2, 1);
}

static bool config_bit(uint8_t type, unsigned code) {
	unsigned size = config_size(VIRTIO_INPUT_CFG_EV_BITS, type);
	return code / 8 < size &&
		(input_rig_get(&rig, CONFIG + 8 + code / 8, 1) >> code % 8 & 1) != 0;
}

static void a_keyboard_says_what_it_is(void **state) {
	char text[17] = {0};
	input_rig_init(&rig, LINK_FUNCTION_KEYBOARD);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ID_NAME, 0), 16);
	for (unsigned i = 0; i < 16; i++) {
		text[i] = (char)input_rig_get(&rig, CONFIG + 8 + i, 1);
	}
	assert_string_equal(text, "mullion keyboard");
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ID_SERIAL, 0), 4);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ID_DEVIDS, 0), 8);
	assert_int_equal(input_rig_get(&rig, CONFIG + 8, 2), BUS_VIRTUAL);
	// udev takes for a keyboard what has all of the first keys.
	for (unsigned key = KEY_ESC; key <= KEY_SPACE; key++) {
		assert_true(config_bit(EV_KEY, key));
	}
	assert_true(config_bit(EV_LED, LED_CAPSL));
	assert_true(config_size(VIRTIO_INPUT_CFG_EV_BITS, EV_REP) > 0);
	assert_false(config_bit(EV_KEY, BTN_LEFT));
	assert_false(config_bit(EV_KEY, BTN_A));
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_EV_BITS, EV_ABS), 0);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_PROP_BITS, 0), 0);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_UNSET, 0), 0);
	assert_int_equal(config_size(0xff, 0xff), 0);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ID_NAME, 1), 0);
	input_rig_finish(&rig);
}

/* Linux writes the keys from KEY_MUTE on into a name of 2048 bytes, with up to 4 each. */
static void a_keyboard_has_no_more_keys_than_its_name_has_room_for(void **state) {
	unsigned keys = 0;
	for (unsigned key = KEY_MUTE; key < DEVICE_STATE_INPUT_CODES; key++) {
		keys += input_config_has(LINK_FUNCTION_KEYBOARD, EV_KEY, key);
	}
	assert_true(keys * 4 < 1500);
}

static void a_tablet_has_a_place_and_a_wheel(void **state) {
	input_rig_init(&rig, LINK_FUNCTION_TABLET);
	assert_true(config_bit(EV_ABS, ABS_X) && config_bit(EV_ABS, ABS_Y));
	assert_true(config_bit(EV_KEY, BTN_LEFT) && config_bit(EV_KEY, BTN_TASK));
	assert_true(config_bit(EV_REL, REL_WHEEL) && config_bit(EV_REL, REL_HWHEEL));
	assert_false(config_bit(EV_REL, REL_X));
	assert_false(config_bit(EV_KEY, BTN_TOUCH));
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y), 20);
	assert_int_equal(input_rig_get(&rig, CONFIG + 8, 4), 0);
	assert_int_equal(input_rig_get(&rig, CONFIG + 12, 4), LINK_INPUT_ABS_LIMIT);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ABS_INFO, ABS_Z), 0);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_PROP_BITS, 0), 0);
	input_rig_finish(&rig);
}

static void a_touch_screen_is_direct_and_has_slots(void **state) {
	input_rig_init(&rig, LINK_FUNCTION_TOUCH);
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_PROP_BITS, 0), 1);
	assert_int_equal(input_rig_get(&rig, CONFIG + 8, 1), 1 << INPUT_PROP_DIRECT);
	assert_true(config_bit(EV_ABS, ABS_MT_POSITION_X) && config_bit(EV_ABS, ABS_MT_POSITION_Y));
	assert_true(config_bit(EV_ABS, ABS_MT_TRACKING_ID) && config_bit(EV_KEY, BTN_TOUCH));
	assert_false(config_bit(EV_KEY, BTN_LEFT));
	assert_int_equal(config_size(VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_SLOT), 20);
	assert_int_equal(input_rig_get(&rig, CONFIG + 12, 4), LINK_INPUT_SLOTS - 1);
	input_rig_finish(&rig);
}

static void what_is_selected_survives(void **state) {
	input_rig_init(&rig, LINK_FUNCTION_MOUSE);
	select_config(VIRTIO_INPUT_CFG_EV_BITS, EV_REL);
	device_store_commit(&rig.store);
	input_rig_replace(&rig);
	assert_int_equal(input_rig_get(&rig, CONFIG, 2), VIRTIO_INPUT_CFG_EV_BITS | EV_REL << 8);
	assert_int_equal(input_rig_get(&rig, CONFIG + 2, 1), 2);
	// Nothing else can be written.
	input_rig_put(&rig, CONFIG + 2, UINT64_MAX, 8);
	assert_int_equal(input_rig_get(&rig, CONFIG + 2, 1), 2);
	input_rig_finish(&rig);
}

static void start(enum link_function function, uint64_t features, uint16_t size, unsigned buffers) {
	input_rig_init(&rig, function);
	input_rig_drive(&rig, features, size);
	input_rig_offer(&rig, EVENTS, buffers);
	input_rig_spin(&rig);
}

static void keys_are_told_in_order(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	input_rig_key(&rig, KEY_LEFTSHIFT, true);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_A, false);
	input_rig_key(&rig, KEY_B, false);
	// At once: nothing has to be run for it.
	input_rig_take(&rig, EVENTS);
	ASSERT_SEEN(&rig, 0, {EV_KEY, KEY_LEFTSHIFT, 1}, {SYN}, {EV_KEY, KEY_A, 1}, {SYN},
		{EV_KEY, KEY_A, 0}, {SYN});
	assert_int_equal(input_rig_get(&rig, 0x800, 1), 1);
	input_rig_finish(&rig);
}

static void what_a_device_has_not_is_not_told(void **state) {
	start(LINK_FUNCTION_KEYBOARD, 0, 64, 64);
	input_rig_key(&rig, BTN_LEFT, true);
	input_rig_key(&rig, 0x2ff, true);
	input_rig_key(&rig, 0x300, true);
	input_rig_key(&rig, UINT32_MAX, true);
	input_rig_take(&rig, EVENTS);
	assert_int_equal(rig.seen_len, 0);
	input_rig_finish(&rig);
}

static void frames_wait_for_all_of_their_room(uint64_t features) {
	start(LINK_FUNCTION_KEYBOARD, features, 64, 3);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_B, true);
	input_rig_key(&rig, KEY_B, false);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 0, {EV_KEY, KEY_A, 1}, {SYN});
	assert_true(input_rig_offer(&rig, EVENTS, 1));
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 2, {EV_KEY, KEY_B, 1}, {SYN});
	assert_true(input_rig_offer(&rig, EVENTS, 1));
	input_rig_spin(&rig);
	assert_int_equal(rig.seen_len, 4);
	assert_true(input_rig_offer(&rig, EVENTS, 60));
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 4, {EV_KEY, KEY_B, 0}, {SYN});
	input_rig_finish(&rig);
}

static void a_frame_waits_for_room_and_is_notified_of_it(void **state) {
	frames_wait_for_all_of_their_room(EVENT_IDX);
	frames_wait_for_all_of_their_room(0);
}

/* As a driver works, which gives back what it took. */
static void hundreds_of_keys_are_told_in_order(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	for (unsigned i = 0; i < 200; i++) {
		input_rig_key(&rig, KEY_Q + i % 10, true);
		input_rig_key(&rig, KEY_Q + i % 10, false);
	}
	for (unsigned turn = 0; turn < 20; turn++) {
		input_rig_spin(&rig);
		input_rig_fill(&rig);
	}
	assert_int_equal(rig.seen_len, 800);
	for (unsigned i = 0; i < 800; i += 2) {
		assert_int_equal(rig.seen[i].type, EV_KEY);
		assert_int_equal(rig.seen[i].code, KEY_Q + i / 4 % 10);
		assert_int_equal(rig.seen[i].value, i / 2 % 2 == 0);
		assert_int_equal(rig.seen[i + 1].type, EV_SYN);
	}
	input_rig_finish(&rig);
}

static void presses_without_end_are_told_as_fast_as_a_guest_reads(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	rig.function.press_usec = INPUT_FUNCTION_PRESS_USEC;
	uint64_t began = clock_usec();
	for (unsigned i = 0; i < 40; i++) {
		input_rig_key(&rig, KEY_Q + i / 2, i % 2 == 0);
	}
	input_rig_take(&rig, EVENTS);
	assert_true(rig.seen_len >= 2 * INPUT_FUNCTION_PRESSES);
	while (rig.seen_len < 80) {
		input_rig_fill(&rig);
		assert_true(sd_event_run(rig.event, UINT64_MAX) >= 0);
		input_rig_take(&rig, EVENTS);
		assert_true(rig.seen_len / 2 <= INPUT_FUNCTION_PRESSES + 1 +
				(clock_usec() - began) / INPUT_FUNCTION_PRESS_USEC);
	}
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(rig.seen[2 * i].code, KEY_Q + i / 2);
	}
	input_rig_finish(&rig);
}

static void motion_that_waits_is_one_motion(void **state) {
	start(LINK_FUNCTION_MOUSE, EVENT_IDX, 64, 0);
	for (int i = 0; i < 1000; i++) {
		input_rig_send(&rig, LINK_INPUT_REL_X, 0, 3);
		input_rig_send(&rig, LINK_INPUT_REL_Y, 0, -1);
	}
	input_rig_send(&rig, LINK_INPUT_WHEEL, 0, 2);
	input_rig_send(&rig, LINK_INPUT_HWHEEL, 0, 1);
	input_rig_send(&rig, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	input_rig_send(&rig, LINK_INPUT_REL_X, 0, 7);
	input_rig_send(&rig, LINK_INPUT_REL_X, 0, 7);
	input_rig_offer(&rig, EVENTS, 64);
	input_rig_spin(&rig);
	// The first was on its way already.
	ASSERT_SEEN(&rig, 0, {EV_REL, REL_X, 3}, {SYN}, {EV_REL, REL_X, 2997},
		{EV_REL, REL_Y, -1000}, {EV_REL, REL_HWHEEL, 1}, {EV_REL, REL_WHEEL, -2},
		{EV_KEY, BTN_LEFT, 1}, {SYN}, {EV_REL, REL_X, 14}, {SYN});
	input_rig_finish(&rig);
}

static void a_place_is_the_last_one(void **state) {
	const struct link_input click = {.count = 3,
		.events = {{LINK_INPUT_ABS_X, 0, 5}, {LINK_INPUT_ABS_Y, 0, 6},
			{LINK_INPUT_BUTTON, BTN_RIGHT, 1}}};
	start(LINK_FUNCTION_TABLET, EVENT_IDX, 64, 0);
	for (int i = 0; i < 1000; i++) {
		input_rig_send(&rig, LINK_INPUT_ABS_X, 0, 100 + i);
	}
	input_function_send(&rig.function, &click);
	input_rig_offer(&rig, EVENTS, 64);
	input_rig_spin(&rig);
	// The first was on its way already.
	ASSERT_SEEN(&rig, 0, {EV_ABS, ABS_X, 100}, {EV_ABS, ABS_Y, 0}, {SYN}, {EV_ABS, ABS_X, 5},
		{EV_ABS, ABS_Y, 6}, {EV_KEY, BTN_RIGHT, 1}, {SYN});
	input_rig_finish(&rig);
}

static void a_driver_that_takes_nothing_is_told_the_difference(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 2);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_A, false);
	for (unsigned i = 0; i < 10000; i++) {
		input_rig_key(&rig, KEY_B, i % 2 == 0);
	}
	for (unsigned key = KEY_1; key <= KEY_Z; key++) {
		input_rig_key(&rig, key, true);
	}
	input_rig_spin(&rig);
	assert_int_equal(rig.seen_len, 2);
	for (unsigned turn = 0; turn < 8; turn++) {
		input_rig_fill(&rig);
		input_rig_spin(&rig);
	}
	assert_int_equal(rig.function.backlog.len, 0);
	assert_true(rig.seen_len < 100);
	for (unsigned key = KEY_1; key <= KEY_Z; key++) {
		assert_true(input_rig_sees_held(&rig, key));
	}
	input_rig_fill(&rig);
	input_rig_key(&rig, KEY_A, false);
	input_rig_spin(&rig);
	assert_false(input_rig_sees_held(&rig, KEY_A));
	assert_int_equal(rig.seen[rig.seen_len - 1].type, EV_SYN);
	input_rig_finish(&rig);
}

static void no_key_stays_held_when_the_process_dies(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_B, true);
	input_rig_key(&rig, KEY_B, false);
	input_rig_replace(&rig);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 6, {EV_KEY, KEY_A, 0}, {SYN});
	input_rig_key(&rig, KEY_C, true);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 8, {EV_KEY, KEY_C, 1}, {SYN});
	input_rig_finish(&rig);
}

static void what_was_committed_is_shown_by_the_next_process(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_A, false);
	// As if the last process had died before the index.
	rig.queues[EVENTS].used->idx = 2;
	input_rig_replace(&rig);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 0, {EV_KEY, KEY_A, 1}, {SYN}, {EV_KEY, KEY_A, 0}, {SYN});
	input_rig_finish(&rig);
}

static void nothing_is_told_while_a_message_is_handled(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	rig.busy = true;
	input_rig_key(&rig, KEY_A, true);
	input_rig_spin(&rig);
	assert_int_equal(rig.seen_len, 0);
	rig.busy = false;
	input_function_resume(&rig.function);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 0, {EV_KEY, KEY_A, 1}, {SYN});
	input_rig_finish(&rig);
}

static void a_reset_forgets_what_was_pressed(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 3);
	input_rig_key(&rig, KEY_A, true);
	input_rig_key(&rig, KEY_B, true);
	input_rig_put(&rig, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_false(input_function_runs(&rig.function));
	input_rig_key(&rig, KEY_C, true);
	input_rig_drive(&rig, EVENT_IDX, 64);
	assert_true(input_function_runs(&rig.function));
	input_rig_offer(&rig, EVENTS, 64);
	input_rig_key(&rig, KEY_A, false);
	input_rig_key(&rig, KEY_C, false);
	input_rig_spin(&rig);
	assert_int_equal(rig.seen_len, 0);
	input_rig_finish(&rig);
}

static void fingers_are_told_with_their_slots(void **state) {
	const struct link_input two = {.count = 6,
		.events = {{LINK_INPUT_TOUCH, 0, 1}, {LINK_INPUT_TOUCH_X, 0, 10},
			{LINK_INPUT_TOUCH_Y, 0, 11}, {LINK_INPUT_TOUCH, 3, 1},
			{LINK_INPUT_TOUCH_X, 3, 30}, {LINK_INPUT_TOUCH_Y, 3, 31}}};
	start(LINK_FUNCTION_TOUCH, EVENT_IDX, 64, 64);
	input_function_send(&rig.function, &two);
	input_rig_take(&rig, EVENTS);
	ASSERT_SEEN(&rig, 0, {EV_ABS, ABS_MT_SLOT, 0}, {EV_ABS, ABS_MT_TRACKING_ID, 1},
		{EV_KEY, BTN_TOUCH, 1}, {EV_ABS, ABS_MT_SLOT, 3}, {EV_ABS, ABS_MT_TRACKING_ID, 2},
		{EV_ABS, ABS_MT_SLOT, 0}, {EV_ABS, ABS_MT_POSITION_X, 10},
		{EV_ABS, ABS_MT_POSITION_Y, 11}, {EV_ABS, ABS_MT_SLOT, 3},
		{EV_ABS, ABS_MT_POSITION_X, 30}, {EV_ABS, ABS_MT_POSITION_Y, 31},
		{EV_ABS, ABS_X, 10}, {EV_ABS, ABS_Y, 11}, {SYN});
	input_rig_send(&rig, LINK_INPUT_TOUCH, 0, 0);
	input_rig_take(&rig, EVENTS);
	ASSERT_SEEN(&rig, 14, {EV_ABS, ABS_MT_SLOT, 0}, {EV_ABS, ABS_MT_TRACKING_ID, -1},
		{EV_ABS, ABS_X, 30}, {EV_ABS, ABS_Y, 31}, {SYN});
	input_rig_send(&rig, LINK_INPUT_TOUCH_X, 3, 40);
	input_rig_send(&rig, LINK_INPUT_TOUCH_X, LINK_INPUT_SLOTS, 50);
	input_rig_send(&rig, LINK_INPUT_TOUCH, LINK_INPUT_SLOTS, 1);
	input_rig_take(&rig, EVENTS);
	ASSERT_SEEN(&rig, 19, {EV_ABS, ABS_MT_SLOT, 3}, {EV_ABS, ABS_MT_POSITION_X, 40},
		{EV_ABS, ABS_MT_POSITION_Y, 31}, {EV_ABS, ABS_X, 40}, {EV_ABS, ABS_Y, 31}, {SYN});
	// Another process lifts what is left.
	input_rig_replace(&rig);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 25, {EV_ABS, ABS_MT_SLOT, 3}, {EV_ABS, ABS_MT_TRACKING_ID, -1},
		{EV_KEY, BTN_TOUCH, 0}, {SYN});
	input_rig_finish(&rig);
}

static void a_small_queue_gets_a_frame_in_pieces(void **state) {
	const struct link_input one = {.count = 3,
		.events = {{LINK_INPUT_TOUCH, 0, 1}, {LINK_INPUT_TOUCH_X, 0, 10},
			{LINK_INPUT_TOUCH_Y, 0, 11}}};
	start(LINK_FUNCTION_TOUCH, EVENT_IDX, 2, 2);
	input_function_send(&rig.function, &one);
	input_rig_spin(&rig);
	assert_int_equal(rig.seen_len, 2);
	for (unsigned turn = 0; turn < 4; turn++) {
		input_rig_offer(&rig, EVENTS, 2);
		input_rig_spin(&rig);
	}
	ASSERT_SEEN(&rig, 0, {EV_ABS, ABS_MT_SLOT, 0}, {EV_ABS, ABS_MT_TRACKING_ID, 1},
		{EV_KEY, BTN_TOUCH, 1}, {EV_ABS, ABS_MT_SLOT, 0}, {EV_ABS, ABS_MT_POSITION_X, 10},
		{EV_ABS, ABS_MT_POSITION_Y, 11}, {EV_ABS, ABS_X, 10}, {EV_ABS, ABS_Y, 11}, {SYN});
	input_rig_finish(&rig);
}

static void lamps_are_taken_and_given_back(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	input_rig_offer(&rig, STATUS, 3);
	input_rig_spin(&rig);
	assert_int_equal(input_rig_take(&rig, STATUS), 3);
	assert_int_equal(rig.queues[STATUS].used->ring[2].len, 0);
	assert_true(input_rig_offer(&rig, STATUS, 64));
	assert_int_equal(sd_event_run(rig.event, 0) > 0, true);
	assert_int_equal(input_rig_take(&rig, STATUS), 64);
	input_rig_finish(&rig);
}

/* A driver that fills the queue again and again gets a turn like others. */
static void a_flood_of_status_is_taken_in_turns(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	unsigned taken = 0;
	for (unsigned turn = 0; turn < 10; turn++) {
		input_rig_offer(&rig, STATUS, 64);
		if (turn == 0) {
			input_rig_put(&rig, 0x2004, STATUS, 2);
		}
		sd_event_run(rig.event, 0);
		unsigned n = input_rig_take(&rig, STATUS);
		assert_true(n <= 64);
		taken += n;
		input_rig_key(&rig, KEY_A, turn % 2 == 0);
		assert_int_equal(input_rig_take(&rig, EVENTS), 2);
		input_rig_offer(&rig, EVENTS, 2);
	}
	assert_int_equal(taken, 640);
	input_rig_finish(&rig);
}

static void assert_stopped(void) {
	assert_int_equal(input_rig_get(&rig, VIRTIO_PCI_COMMON_STATUS, 1),
		0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(input_function_runs(&rig.function));
	assert_int_equal(rig.seen_len, 0);
	rig.buffer_size = sizeof(struct virtio_input_event);
	rig.readable = false;
	input_rig_drive(&rig, EVENT_IDX, 64);
	input_rig_offer(&rig, EVENTS, 64);
	input_rig_key(&rig, KEY_A, true);
	input_rig_spin(&rig);
	ASSERT_SEEN(&rig, 0, {EV_KEY, KEY_A, 1}, {SYN});
	input_rig_finish(&rig);
}

static void buffers_shorter_than_an_event_stop_the_device(void **state) {
	input_rig_init(&rig, LINK_FUNCTION_KEYBOARD);
	rig.buffer_size = sizeof(struct virtio_input_event) - 1;
	input_rig_drive(&rig, EVENT_IDX, 64);
	input_rig_offer(&rig, EVENTS, 64);
	input_rig_key(&rig, KEY_A, true);
	input_rig_spin(&rig);
	assert_stopped();
}

static void buffers_for_events_that_cannot_be_written_stop_the_device(void **state) {
	input_rig_init(&rig, LINK_FUNCTION_KEYBOARD);
	rig.readable = true;
	input_rig_drive(&rig, EVENT_IDX, 64);
	input_rig_offer(&rig, EVENTS, 64);
	input_rig_key(&rig, KEY_A, true);
	input_rig_spin(&rig);
	assert_stopped();
}

static void an_event_queue_whose_index_jumps_stops_the_device(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 0);
	rig.queues[EVENTS].avail->idx = 65;
	input_rig_key(&rig, KEY_A, true);
	input_rig_spin(&rig);
	assert_stopped();
}

static void a_driver_that_polls_does_not_count(void **state) {
	start(LINK_FUNCTION_KEYBOARD, 0, 64, 64);
	rig.queues[EVENTS].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_false(input_function_runs(&rig.function));
	rig.queues[EVENTS].avail->flags = 0;
	assert_true(input_function_runs(&rig.function));
	// It is handling an interrupt, and is told what follows.
	rig.queues[EVENTS].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_true(input_function_runs(&rig.function));
	input_rig_key(&rig, KEY_A, true);
	input_rig_take(&rig, EVENTS);
	ASSERT_SEEN(&rig, 0, {EV_KEY, KEY_A, 1}, {SYN});
	// The next driver polls.
	input_rig_drive(&rig, 0, 64);
	rig.queues[EVENTS].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_false(input_function_runs(&rig.function));
	// With an event index that flag says nothing.
	input_rig_drive(&rig, EVENT_IDX, 64);
	rig.queues[EVENTS].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_true(input_function_runs(&rig.function));
	input_rig_finish(&rig);
}

static void no_events_without_bus_mastering(void **state) {
	start(LINK_FUNCTION_KEYBOARD, EVENT_IDX, 64, 64);
	uint32_t none = 0;
	pci_config_write(&rig.function.pci, 4, &none, 2);
	assert_false(input_function_runs(&rig.function));
	input_rig_key(&rig, KEY_A, true);
	input_rig_spin(&rig);
	assert_int_equal(rig.seen_len, 0);
	input_rig_finish(&rig);
}

/* What an earlier process that went bad has left is released, and nothing more is said of it. */
static void a_state_of_noise_becomes_releases(void **state) {
	start(LINK_FUNCTION_TOUCH, EVENT_IDX, 64, 64);
	memset(&rig.store.work->state.input, 0xff, sizeof(struct device_state_input));
	device_store_commit(&rig.store);
	input_rig_replace(&rig);
	for (unsigned turn = 0; turn < 100; turn++) {
		input_rig_spin(&rig);
		input_rig_fill(&rig);
	}
	const struct device_state_pressed *told = &rig.store.work->state.input.told;
	for (unsigned i = 0; i < DEVICE_STATE_INPUT_CODES / 64; i++) {
		assert_int_equal(told->held[i], 0);
	}
	for (unsigned slot = 0; slot < DEVICE_STATE_CONTACTS; slot++) {
		assert_int_equal(told->contacts[slot].id, 0);
	}
	for (size_t i = 0; i < rig.seen_len; i++) {
		assert_true(rig.seen[i].type != EV_KEY || rig.seen[i].value == 0);
	}
	input_rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_keyboard_says_what_it_is),
		cmocka_unit_test(a_keyboard_has_no_more_keys_than_its_name_has_room_for),
		cmocka_unit_test(a_tablet_has_a_place_and_a_wheel),
		cmocka_unit_test(a_touch_screen_is_direct_and_has_slots),
		cmocka_unit_test(what_is_selected_survives),
		cmocka_unit_test(keys_are_told_in_order),
		cmocka_unit_test(what_a_device_has_not_is_not_told),
		cmocka_unit_test(a_frame_waits_for_room_and_is_notified_of_it),
		cmocka_unit_test(hundreds_of_keys_are_told_in_order),
		cmocka_unit_test(presses_without_end_are_told_as_fast_as_a_guest_reads),
		cmocka_unit_test(motion_that_waits_is_one_motion),
		cmocka_unit_test(a_place_is_the_last_one),
		cmocka_unit_test(a_driver_that_takes_nothing_is_told_the_difference),
		cmocka_unit_test(no_key_stays_held_when_the_process_dies),
		cmocka_unit_test(what_was_committed_is_shown_by_the_next_process),
		cmocka_unit_test(nothing_is_told_while_a_message_is_handled),
		cmocka_unit_test(a_reset_forgets_what_was_pressed),
		cmocka_unit_test(fingers_are_told_with_their_slots),
		cmocka_unit_test(a_small_queue_gets_a_frame_in_pieces),
		cmocka_unit_test(lamps_are_taken_and_given_back),
		cmocka_unit_test(a_flood_of_status_is_taken_in_turns),
		cmocka_unit_test(buffers_shorter_than_an_event_stop_the_device),
		cmocka_unit_test(buffers_for_events_that_cannot_be_written_stop_the_device),
		cmocka_unit_test(an_event_queue_whose_index_jumps_stops_the_device),
		cmocka_unit_test(a_driver_that_polls_does_not_count),
		cmocka_unit_test(no_events_without_bus_mastering),
		cmocka_unit_test(a_state_of_noise_becomes_releases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
