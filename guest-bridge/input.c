#include "input.h"

#include "fd.h"
#include "relative-pointer-client-protocol.h"

#define WHEEL_CLICK 120
#define SMOOTH_CLICK 15 // surface units that a wheel's click moves

static bool held_set(uint64_t *held, uint32_t code, bool down) {
	uint64_t bit = UINT64_C(1) << code % 64;
	bool was = (held[code / 64] & bit) != 0;
	if (down) {
		held[code / 64] |= bit;
	} else {
		held[code / 64] &= ~bit;
	}
	return was;
}

static void flush(struct input *input) {
	if (input->pending.count > 0) {
		input->ops->input(input->data, &input->pending);
		input->pending.count = 0;
	}
}

static void append(struct input *input, uint32_t type, uint32_t code, int32_t value) {
	input->pending.events[input->pending.count++] = (struct link_input_event){
		.type = type,
		.code = code,
		.value = value,
	};
	if (input->pending.count == LINK_INPUT_MAX) {
		flush(input);
	}
}

/* Passes a press on, and a release only of what the guest knows as pressed. */
static void press(struct input *input, uint64_t *held, uint32_t type, uint32_t code, bool down) {
	if (code >= INPUT_CODES || held_set(held, code, down) == down) {
		return;
	}
	append(input, type, code, down);
}

static void release_all(struct input *input, uint64_t *held, uint32_t type) {
	for (uint32_t code = 0; code < INPUT_CODES; code++) {
		press(input, held, type, code, false);
	}
	flush(input);
}

static void handle_keymap(
	void *data, struct wl_keyboard *keyboard, uint32_t format, int32_t fd, uint32_t size) {
	// The guest has a layout of its own; it gets the keys as they are numbered.
	fd_close(fd);
}

static void handle_key_enter(void *data, struct wl_keyboard *keyboard, uint32_t serial,
	struct wl_surface *surface, struct wl_array *keys) {
}

static void handle_key_leave(
	void *data, struct wl_keyboard *keyboard, uint32_t serial, struct wl_surface *surface) {
	struct input *input = data;
	release_all(input, input->keys, LINK_INPUT_KEY);
}

static void handle_key(void *data, struct wl_keyboard *keyboard, uint32_t serial, uint32_t time,
	uint32_t key, uint32_t state) {
	struct input *input = data;
	if (state == WL_KEYBOARD_KEY_STATE_PRESSED || state == WL_KEYBOARD_KEY_STATE_RELEASED) {
		press(input, input->keys, LINK_INPUT_KEY, key,
			state == WL_KEYBOARD_KEY_STATE_PRESSED);
		flush(input);
	}
}

static void handle_modifiers(void *data, struct wl_keyboard *keyboard, uint32_t serial,
	uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group) {
}

static void handle_repeat_info(
	void *data, struct wl_keyboard *keyboard, int32_t rate, int32_t delay) {
}

static const struct wl_keyboard_listener keyboard_listener = {
	.keymap = handle_keymap,
	.enter = handle_key_enter,
	.leave = handle_key_leave,
	.key = handle_key,
	.modifiers = handle_modifiers,
	.repeat_info = handle_repeat_info,
};

static void point(struct input *input, wl_fixed_t x, wl_fixed_t y) {
	const struct input_area *area = &input->area;
	if (area->width != 0 && area->height != 0) {
		append(input, LINK_INPUT_ABS_X, 0, input_area_x(area, x));
		append(input, LINK_INPUT_ABS_Y, 0, input_area_y(area, y));
	}
}

static void handle_pointer_enter(void *data, struct wl_pointer *pointer, uint32_t serial,
	struct wl_surface *surface, wl_fixed_t x, wl_fixed_t y) {
	struct input *input = data;
	input->left = false;
	input->ops->pointed(input->data, pointer, serial, surface);
	point(input, x, y);
}

static void handle_pointer_leave(
	void *data, struct wl_pointer *pointer, uint32_t serial, struct wl_surface *surface) {
	struct input *input = data;
	// From head to head the user drags on: mullion's compositor enters the next one at once.
	input->left = true;
	input->ops->pointed(input->data, pointer, serial, NULL);
	for (size_t axis = 0; axis < 2; axis++) {
		input->wheel120[axis] = 0;
		input->wheel_smooth[axis] = 0;
		input->rest[axis] = 0;
	}
}

static void handle_motion(
	void *data, struct wl_pointer *pointer, uint32_t time, wl_fixed_t x, wl_fixed_t y) {
	point(data, x, y);
}

static void handle_button(void *data, struct wl_pointer *pointer, uint32_t serial, uint32_t time,
	uint32_t button, uint32_t state) {
	struct input *input = data;
	press(input, input->buttons, LINK_INPUT_BUTTON, button,
		state == WL_POINTER_BUTTON_STATE_PRESSED);
}

/* A peer's numbers: the sum must not wrap. */
static int32_t add_clamped(int32_t a, int32_t b, int32_t limit) {
	int64_t sum = (int64_t)a + b;
	return sum > limit ? limit : sum < -limit ? -limit : (int32_t)sum;
}

#define WHEEL_LIMIT (100 * WHEEL_CLICK)

static void handle_axis(
	void *data, struct wl_pointer *pointer, uint32_t time, uint32_t axis, wl_fixed_t value) {
	struct input *input = data;
	if (axis < 2) {
		input->wheel_smooth[axis] = add_clamped(
			input->wheel_smooth[axis], value, wl_fixed_from_int(100 * SMOOTH_CLICK));
	}
}

static void handle_axis_value120(
	void *data, struct wl_pointer *pointer, uint32_t axis, int32_t value) {
	struct input *input = data;
	if (axis < 2) {
		input->wheel120[axis] = add_clamped(input->wheel120[axis], value, WHEEL_LIMIT);
		input->wheel_clicked[axis] = true;
	}
}

static void handle_axis_discrete(
	void *data, struct wl_pointer *pointer, uint32_t axis, int32_t clicks) {
	handle_axis_value120(data, pointer, axis,
		add_clamped(clicks, 0, WHEEL_LIMIT / WHEEL_CLICK) * WHEEL_CLICK);
}

static void handle_axis_source(void *data, struct wl_pointer *pointer, uint32_t source) {
}

static void handle_axis_stop(void *data, struct wl_pointer *pointer, uint32_t time, uint32_t axis) {
	struct input *input = data;
	if (axis < 2) {
		input->wheel_smooth[axis] = 0;
	}
}

static void handle_axis_relative_direction(
	void *data, struct wl_pointer *pointer, uint32_t axis, uint32_t direction) {
}

/* Whole clicks go to the guest, the rest stays. A wheel sends both kinds of value. */
static void turn_wheel(struct input *input, uint32_t axis) {
	int32_t clicks;
	if (input->wheel_clicked[axis]) {
		clicks = input->wheel120[axis] / WHEEL_CLICK;
		input->wheel120[axis] %= WHEEL_CLICK;
		input->wheel_smooth[axis] = 0;
		input->wheel_clicked[axis] = false;
	} else {
		clicks = input->wheel_smooth[axis] / wl_fixed_from_int(SMOOTH_CLICK);
		input->wheel_smooth[axis] %= wl_fixed_from_int(SMOOTH_CLICK);
	}
	if (clicks != 0) {
		bool vertical = axis == WL_POINTER_AXIS_VERTICAL_SCROLL;
		append(input, vertical ? LINK_INPUT_WHEEL : LINK_INPUT_HWHEEL, 0, clicks);
	}
}

static void handle_pointer_frame(void *data, struct wl_pointer *pointer) {
	struct input *input = data;
	turn_wheel(input, WL_POINTER_AXIS_VERTICAL_SCROLL);
	turn_wheel(input, WL_POINTER_AXIS_HORIZONTAL_SCROLL);
	flush(input);
}

static const struct wl_pointer_listener pointer_listener = {
	.enter = handle_pointer_enter,
	.leave = handle_pointer_leave,
	.motion = handle_motion,
	.button = handle_button,
	.axis = handle_axis,
	.frame = handle_pointer_frame,
	.axis_source = handle_axis_source,
	.axis_stop = handle_axis_stop,
	.axis_discrete = handle_axis_discrete,
	.axis_value120 = handle_axis_value120,
	.axis_relative_direction = handle_axis_relative_direction,
};

/* Whole units go to the guest, the rest waits. Without the compositor's acceleration: guests
 * have their own. */
static void move_by(struct input *input, unsigned axis, wl_fixed_t by) {
	const int32_t unit = wl_fixed_from_int(1);
	int32_t sum = add_clamped(input->rest[axis], by, LINK_INPUT_REL_LIMIT * unit);
	input->rest[axis] = sum % unit;
	if (sum / unit != 0) {
		append(input, axis == 0 ? LINK_INPUT_REL_X : LINK_INPUT_REL_Y, 0, sum / unit);
	}
}

static void handle_relative_motion(void *data, struct zwp_relative_pointer_v1 *relative,
	uint32_t time_high, uint32_t time_low, wl_fixed_t dx, wl_fixed_t dy, wl_fixed_t dx_plain,
	wl_fixed_t dy_plain) {
	move_by(data, 0, dx_plain);
	move_by(data, 1, dy_plain);
}

static const struct zwp_relative_pointer_v1_listener relative_listener = {
	.relative_motion = handle_relative_motion,
};

static void drop_keyboard(struct input *input) {
	if (input->keyboard != NULL) {
		release_all(input, input->keys, LINK_INPUT_KEY);
		wl_keyboard_release(input->keyboard);
		input->keyboard = NULL;
	}
}

static void drop_pointer(struct input *input) {
	if (input->pointer != NULL) {
		input->ops->pointed(input->data, input->pointer, 0, NULL);
		release_all(input, input->buttons, LINK_INPUT_BUTTON);
		if (input->relative != NULL) {
			zwp_relative_pointer_v1_destroy(input->relative);
			input->relative = NULL;
		}
		wl_pointer_release(input->pointer);
		input->pointer = NULL;
	}
}

static void take_relative(struct input *input) {
	if (input->relatives != NULL) {
		input->relative = zwp_relative_pointer_manager_v1_get_relative_pointer(
			input->relatives, input->pointer);
		zwp_relative_pointer_v1_add_listener(input->relative, &relative_listener, input);
	}
}

static void handle_capabilities(void *data, struct wl_seat *seat, uint32_t capabilities) {
	struct input *input = data;
	if ((capabilities & WL_SEAT_CAPABILITY_KEYBOARD) == 0) {
		drop_keyboard(input);
	} else if (input->keyboard == NULL) {
		input->keyboard = wl_seat_get_keyboard(seat);
		wl_keyboard_add_listener(input->keyboard, &keyboard_listener, input);
	}
	if ((capabilities & WL_SEAT_CAPABILITY_POINTER) == 0) {
		drop_pointer(input);
	} else if (input->pointer == NULL) {
		input->pointer = wl_seat_get_pointer(seat);
		wl_pointer_add_listener(input->pointer, &pointer_listener, input);
		take_relative(input);
	}
	if ((capabilities & WL_SEAT_CAPABILITY_TOUCH) == 0) {
		input_touch_finish(&input->touch);
	} else if (input->touch.wl == NULL) {
		input_touch_init(&input->touch, wl_seat_get_touch(seat), input->ops, input->data);
	}
}

static void handle_seat_name(void *data, struct wl_seat *seat, const char *name) {
}

static const struct wl_seat_listener seat_listener = {
	.capabilities = handle_capabilities,
	.name = handle_seat_name,
};

void input_init(struct input *input, struct wl_seat *seat,
	struct zwp_relative_pointer_manager_v1 *relatives, const struct input_ops *ops,
	void *data) {
	*input = (struct input){.seat = seat, .relatives = relatives, .ops = ops, .data = data};
	wl_seat_add_listener(seat, &seat_listener, input);
}

void input_finish(struct input *input) {
	drop_keyboard(input);
	drop_pointer(input);
	input_touch_finish(&input->touch);
	*input = (struct input){0};
}

void input_dispatched(struct input *input) {
	if (input->left) {
		input->left = false;
		release_all(input, input->buttons, LINK_INPUT_BUTTON);
	}
}

void input_set_area(struct input *input, const struct input_area *area) {
	input->area = *area;
}
