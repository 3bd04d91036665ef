#include "touch.h"

#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/types/wlr_touch.h>

#include "guest-window.h"
#include "output.h"
#include "pointer-target.h"
#include "seat.h"
#include "server.h"
#include "window.h"

/* A touch screen. */
struct touch_device {
	struct touch *touch;
	struct wlr_touch *wlr;
	struct wl_list link; // touch.devices
	struct wl_listener destroy;
};

static struct touch_point *find(struct touch *touch, int32_t id) {
	for (size_t i = 0; i < TOUCH_POINTS; i++) {
		if (touch->points[i].down && touch->points[i].id == id) {
			return &touch->points[i];
		}
	}
	return NULL;
}

static struct touch_point *find_free(struct touch *touch) {
	for (size_t i = 0; i < TOUCH_POINTS; i++) {
		if (!touch->points[i].down) {
			return &touch->points[i];
		}
	}
	return NULL;
}

static bool holds(const struct touch *touch, int32_t id) {
	return touch->grip.mode != GRIP_NONE && touch->grip_id == id;
}

/* The protocol knows only to cancel all that a client has. */
static void cancel_client(struct touch *touch, int32_t id) {
	struct wlr_seat *seat = touch->seat->wlr;
	const struct wlr_touch_point *cancelled = wlr_seat_touch_get_point(seat, id);
	if (cancelled != NULL) {
		wlr_seat_touch_notify_cancel(seat, cancelled->client);
	}
	for (size_t i = 0; i < TOUCH_POINTS; i++) {
		struct touch_point *point = &touch->points[i];
		point->down = point->down && wlr_seat_touch_get_point(seat, point->id) != NULL;
	}
}

static void cancel_all(struct touch *touch) {
	for (size_t i = 0; i < TOUCH_POINTS; i++) {
		if (touch->points[i].down) {
			cancel_client(touch, touch->points[i].id);
			touch->points[i].down = false;
		}
	}
	grip_cancel(&touch->grip);
}

/* The configured modifier drags a window by any part, as with the pointer's button. */
static bool pressed_with_modifier(struct touch *touch, const struct pointer_target *target) {
	uint32_t modifier = touch->seat->server->config.host.drag_modifier;
	if (modifier == 0 || (seat_modifiers(touch->seat) & modifier) != modifier ||
		target->window == NULL || target->window->fullscreen != NULL) {
		return false;
	}
	grip_move(&touch->grip, target->window, touch->grip_x, touch->grip_y);
	return true;
}

/* A finger on what mullion draws, or as good as that; false where it belongs to a client. */
static bool pressed_on_frame(
	struct touch *touch, const struct pointer_target *target, int32_t id, uint32_t time_msec) {
	struct key_out keys[KEY_FILTER_OUT];
	if (touch->grip.mode != GRIP_NONE) {
		return target->surface == NULL;
	}
	touch->grip_id = id;
	if (pressed_with_modifier(touch, target)) {
		key_filter_pointer(&touch->seat->keys, true, keys);
		return true;
	}
	grip_press(&touch->grip, target, touch->grip_x, touch->grip_y, time_msec);
	return target->surface == NULL;
}

static void press_surface(struct touch *touch, const struct wlr_touch_down_event *event,
	const struct pointer_target *target, double lx, double ly) {
	struct seat *seat = touch->seat;
	struct touch_point *point = find_free(touch);
	struct key_out keys[KEY_FILTER_OUT];
	if (point == NULL || !wlr_surface_accepts_touch(seat->wlr, target->surface)) {
		return;
	}
	seat_send_keys(seat, event->time_msec, keys, key_filter_pointer(&seat->keys, false, keys));
	if (wlr_seat_touch_notify_down(seat->wlr, target->surface, event->time_msec,
		    event->touch_id, target->x, target->y) == 0) {
		return;
	}
	*point = (struct touch_point){
		.down = true,
		.id = event->touch_id,
		.window = target->window,
		.surface_x = lx - target->x,
		.surface_y = ly - target->y,
	};
}

static void handle_down(struct wl_listener *listener, void *data) {
	struct touch *touch = wl_container_of(listener, touch, down);
	const struct wlr_touch_down_event *event = data;
	double lx, ly;
	wlr_cursor_absolute_to_layout_coords(
		touch->seat->pointer.cursor, &event->touch->base, event->x, event->y, &lx, &ly);
	if (find(touch, event->touch_id) != NULL) {
		// Or its motion would go on to where it was.
		cancel_client(touch, event->touch_id);
	}
	if (touch->grip.mode == GRIP_NONE) {
		touch->grip_x = lx;
		touch->grip_y = ly;
	}
	struct pointer_target target = pointer_target_at(touch->seat->server, lx, ly);
	if (target.window != NULL) {
		window_focus(target.window);
	}
	if (!pressed_on_frame(touch, &target, event->touch_id, event->time_msec)) {
		press_surface(touch, event, &target, lx, ly);
	}
}

/* Where on the finger's surface a point of the layout lies; false where that shows nothing. */
static bool point_on_surface(
	const struct touch_point *point, double lx, double ly, double *ret_x, double *ret_y) {
	if (point->window->head == NULL) {
		*ret_x = lx - point->surface_x;
		*ret_y = ly - point->surface_y;
		return true;
	}
	double scale_x, scale_y;
	struct wlr_surface *surface =
		guest_window_point(point->window, lx, ly, ret_x, ret_y, &scale_x, &scale_y);
	if (surface == NULL) {
		return false;
	}
	// A guest knows no place outside its screen.
	int right = surface->current.width - 1, bottom = surface->current.height - 1;
	*ret_x = *ret_x < 0 ? 0 : *ret_x > right ? right : *ret_x;
	*ret_y = *ret_y < 0 ? 0 : *ret_y > bottom ? bottom : *ret_y;
	return true;
}

static bool drags_data(const struct touch *touch, int32_t id) {
	const struct wlr_drag *drag = touch->seat->wlr->drag;
	return drag != NULL && drag->grab_type == WLR_DRAG_GRAB_KEYBOARD_TOUCH &&
		drag->touch_id == id;
}

/* What is dragged goes to whatever is below the finger. */
static void move_data(struct touch *touch, uint32_t time_msec, int32_t id, double lx, double ly) {
	struct seat *seat = touch->seat;
	struct pointer_target target = pointer_target_at(seat->server, lx, ly);
	if (seat->drag_icon != NULL) {
		wlr_scene_node_set_position(&seat->drag_icon->node, (int)lx, (int)ly);
	}
	if (target.surface != NULL) {
		wlr_seat_touch_point_focus(
			seat->wlr, target.surface, time_msec, id, target.x, target.y);
		wlr_seat_touch_notify_motion(seat->wlr, time_msec, id, target.x, target.y);
	}
}

static void handle_motion(struct wl_listener *listener, void *data) {
	struct touch *touch = wl_container_of(listener, touch, motion);
	const struct wlr_touch_motion_event *event = data;
	const struct touch_point *point = find(touch, event->touch_id);
	double lx, ly, x, y;
	wlr_cursor_absolute_to_layout_coords(
		touch->seat->pointer.cursor, &event->touch->base, event->x, event->y, &lx, &ly);
	if (holds(touch, event->touch_id)) {
		touch->grip_x = lx;
		touch->grip_y = ly;
		grip_drag(&touch->grip, lx, ly);
	} else if (drags_data(touch, event->touch_id)) {
		move_data(touch, event->time_msec, event->touch_id, lx, ly);
	} else if (point != NULL && point_on_surface(point, lx, ly, &x, &y)) {
		wlr_seat_touch_notify_motion(
			touch->seat->wlr, event->time_msec, event->touch_id, x, y);
	}
}

static void handle_up(struct wl_listener *listener, void *data) {
	struct touch *touch = wl_container_of(listener, touch, up);
	const struct wlr_touch_up_event *event = data;
	struct touch_point *point = find(touch, event->touch_id);
	if (holds(touch, event->touch_id)) {
		grip_release(&touch->grip, touch->grip_x, touch->grip_y);
	} else if (point != NULL) {
		point->down = false;
		wlr_seat_touch_notify_up(touch->seat->wlr, event->time_msec, event->touch_id);
	}
}

static void handle_cancel(struct wl_listener *listener, void *data) {
	struct touch *touch = wl_container_of(listener, touch, cancel);
	const struct wlr_touch_cancel_event *event = data;
	if (holds(touch, event->touch_id)) {
		grip_cancel(&touch->grip);
	} else {
		cancel_client(touch, event->touch_id);
	}
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct touch *touch = wl_container_of(listener, touch, frame);
	wlr_seat_touch_notify_frame(touch->seat->wlr);
}

/* The one that the device names, else the first. */
static struct output *find_output(const struct touch *touch, const struct wlr_touch *wlr) {
	struct server *server = touch->seat->server;
	struct output *output, *first = NULL;
	wl_list_for_each (output, &server->outputs, link) {
		if (wlr->output_name != NULL && strcmp(output->wlr->name, wlr->output_name) == 0) {
			return output;
		}
		first = first != NULL ? first : output;
	}
	return first;
}

void touch_map(struct touch *touch) {
	struct touch_device *device;
	wl_list_for_each (device, &touch->devices, link) {
		struct output *output = find_output(touch, device->wlr);
		wlr_cursor_map_input_to_output(touch->seat->pointer.cursor, &device->wlr->base,
			output != NULL ? output->wlr : NULL);
	}
}

static void remove_device(struct touch_device *device) {
	wl_list_remove(&device->destroy.link);
	wl_list_remove(&device->link);
	free(device);
}

static void handle_device_destroy(struct wl_listener *listener, void *data) {
	struct touch_device *device = wl_container_of(listener, device, destroy);
	struct touch *touch = device->touch;
	remove_device(device);
	// Which fingers were on it is not known.
	cancel_all(touch);
	seat_update_capabilities(touch->seat);
}

void touch_add(struct touch *touch, struct wlr_touch *wlr) {
	struct touch_device *device = calloc(1, sizeof(*device));
	if (device == NULL) {
		return;
	}
	device->touch = touch;
	device->wlr = wlr;
	device->destroy.notify = handle_device_destroy;
	wl_signal_add(&wlr->base.events.destroy, &device->destroy);
	wl_list_insert(touch->devices.prev, &device->link);
	wlr_cursor_attach_input_device(touch->seat->pointer.cursor, &wlr->base);
	touch_map(touch);
	seat_update_capabilities(touch->seat);
}

bool touch_present(const struct touch *touch) {
	return !wl_list_empty(&touch->devices);
}

/* Takes the finger of that serial from its client; *ret_x and *ret_y are where it is. */
static bool take_from_client(
	struct touch *touch, struct window *window, uint32_t serial, double *ret_x, double *ret_y) {
	struct wlr_touch_point *wlr = NULL;
	if (touch->grip.mode != GRIP_NONE ||
		!wlr_seat_validate_touch_grab_serial(touch->seat->wlr, NULL, serial, &wlr)) {
		return false;
	}
	const struct touch_point *point = find(touch, wlr->touch_id);
	if (point == NULL || point->window != window) {
		return false;
	}
	touch->grip_id = point->id;
	touch->grip_x = *ret_x = point->surface_x + wlr->sx;
	touch->grip_y = *ret_y = point->surface_y + wlr->sy;
	cancel_client(touch, point->id);
	return true;
}

bool touch_begin_move(struct touch *touch, struct window *window, uint32_t serial) {
	double x, y;
	if (!take_from_client(touch, window, serial, &x, &y)) {
		return false;
	}
	grip_move(&touch->grip, window, x, y);
	return true;
}

bool touch_begin_resize(
	struct touch *touch, struct window *window, uint32_t edges, uint32_t serial) {
	double x, y;
	if (!take_from_client(touch, window, serial, &x, &y)) {
		return false;
	}
	grip_resize(&touch->grip, window, edges, x, y);
	return true;
}

void touch_window_gone(struct touch *touch, struct window *window) {
	for (size_t i = 0; i < TOUCH_POINTS; i++) {
		struct touch_point *point = &touch->points[i];
		if (point->down && point->window == window) {
			cancel_client(touch, point->id);
			point->down = false;
		}
	}
	grip_window_gone(&touch->grip, window);
}

void touch_init(struct touch *touch, struct seat *seat) {
	struct wlr_cursor *cursor = seat->pointer.cursor;
	touch->seat = seat;
	wl_list_init(&touch->devices);
	touch->down.notify = handle_down;
	wl_signal_add(&cursor->events.touch_down, &touch->down);
	touch->up.notify = handle_up;
	wl_signal_add(&cursor->events.touch_up, &touch->up);
	touch->motion.notify = handle_motion;
	wl_signal_add(&cursor->events.touch_motion, &touch->motion);
	touch->cancel.notify = handle_cancel;
	wl_signal_add(&cursor->events.touch_cancel, &touch->cancel);
	touch->frame.notify = handle_frame;
	wl_signal_add(&cursor->events.touch_frame, &touch->frame);
}

void touch_finish(struct touch *touch) {
	struct wl_listener *listeners[] = {
		&touch->down, &touch->up, &touch->motion, &touch->cancel, &touch->frame};
	if (touch->seat == NULL) {
		return;
	}
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		wl_list_remove(&listeners[i]->link);
	}
	struct touch_device *device, *next;
	wl_list_for_each_safe (device, next, &touch->devices, link) {
		remove_device(device);
	}
	touch->seat = NULL;
}
