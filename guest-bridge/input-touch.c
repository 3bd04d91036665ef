#include "input-touch.h"

#include "input.h"

#define PLACE_EVENTS 2 // x and y

static void flush(struct input_touch *touch) {
	if (touch->pending.count > 0) {
		touch->ops->input(touch->data, &touch->pending);
		touch->pending.count = 0;
	}
}

static void append(
	struct input_touch *touch, uint32_t type, const struct input_slot *slot, int32_t value) {
	touch->pending.events[touch->pending.count++] = (struct link_input_event){
		.type = type,
		.code = (uint32_t)(slot - touch->slots),
		.value = value,
	};
}

/* What belongs together goes in one message. */
static void make_room(struct input_touch *touch, uint32_t events) {
	if (touch->pending.count + events > LINK_INPUT_MAX) {
		flush(touch);
	}
}

static void append_place(
	struct input_touch *touch, const struct input_slot *slot, wl_fixed_t x, wl_fixed_t y) {
	const struct input_area *area = &slot->area;
	append(touch, LINK_INPUT_TOUCH_X, slot, input_area_x(area, x));
	append(touch, LINK_INPUT_TOUCH_Y, slot, input_area_y(area, y));
}

static struct input_slot *find(struct input_touch *touch, int32_t id) {
	for (size_t i = 0; i < LINK_INPUT_SLOTS; i++) {
		if (touch->slots[i].down && touch->slots[i].id == id) {
			return &touch->slots[i];
		}
	}
	return NULL;
}

static struct input_slot *find_free(struct input_touch *touch) {
	for (size_t i = 0; i < LINK_INPUT_SLOTS; i++) {
		if (!touch->slots[i].down) {
			return &touch->slots[i];
		}
	}
	return NULL;
}

static void lift(struct input_touch *touch, struct input_slot *slot) {
	slot->down = false;
	make_room(touch, 1);
	append(touch, LINK_INPUT_TOUCH, slot, 0);
}

static void lift_all(struct input_touch *touch) {
	for (size_t i = 0; i < LINK_INPUT_SLOTS; i++) {
		if (touch->slots[i].down) {
			lift(touch, &touch->slots[i]);
		}
	}
	flush(touch);
}

static void handle_down(void *data, struct wl_touch *wl, uint32_t serial, uint32_t time,
	struct wl_surface *surface, int32_t id, wl_fixed_t x, wl_fixed_t y) {
	struct input_touch *touch = data;
	struct input_slot *slot = find_free(touch);
	if (slot == NULL || find(touch, id) != NULL ||
		!touch->ops->touched(touch->data, surface, &slot->area)) {
		return;
	}
	slot->down = true;
	slot->id = id;
	make_room(touch, 1 + PLACE_EVENTS);
	append(touch, LINK_INPUT_TOUCH, slot, 1);
	append_place(touch, slot, x, y);
}

static void handle_up(void *data, struct wl_touch *wl, uint32_t serial, uint32_t time, int32_t id) {
	struct input_touch *touch = data;
	struct input_slot *slot = find(touch, id);
	if (slot != NULL) {
		lift(touch, slot);
	}
}

static void handle_motion(
	void *data, struct wl_touch *wl, uint32_t time, int32_t id, wl_fixed_t x, wl_fixed_t y) {
	struct input_touch *touch = data;
	const struct input_slot *slot = find(touch, id);
	if (slot != NULL) {
		make_room(touch, PLACE_EVENTS);
		append_place(touch, slot, x, y);
	}
}

static void handle_frame(void *data, struct wl_touch *wl) {
	flush(data);
}

/* What was done so far is not to count; a guest knows no more than lifting. */
static void handle_cancel(void *data, struct wl_touch *wl) {
	lift_all(data);
}

static void handle_shape(
	void *data, struct wl_touch *wl, int32_t id, wl_fixed_t major, wl_fixed_t minor) {
}

static void handle_orientation(
	void *data, struct wl_touch *wl, int32_t id, wl_fixed_t orientation) {
}

static const struct wl_touch_listener listener = {
	.down = handle_down,
	.up = handle_up,
	.motion = handle_motion,
	.frame = handle_frame,
	.cancel = handle_cancel,
	.shape = handle_shape,
	.orientation = handle_orientation,
};

void input_touch_init(
	struct input_touch *touch, struct wl_touch *wl, const struct input_ops *ops, void *data) {
	*touch = (struct input_touch){.wl = wl, .ops = ops, .data = data};
	wl_touch_add_listener(wl, &listener, touch);
}

void input_touch_finish(struct input_touch *touch) {
	if (touch->wl != NULL) {
		lift_all(touch);
		wl_touch_release(touch->wl);
		touch->wl = NULL;
	}
}
