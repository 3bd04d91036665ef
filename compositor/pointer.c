#include "pointer.h"

#include <linux/input-event-codes.h>
#include <time.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_cursor_shape_v1.h>
#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_relative_pointer_v1.h>
#include <wlr/types/wlr_seat.h>

#include "guest-client.h"
#include "guest-cursor.h"
#include "guest.h"
#include "pointer-device.h"
#include "pointer-lock.h"
#include "pointer-target.h"
#include "seat.h"
#include "server.h"
#include "window.h"

#define BUTTON_BITS 32

static void show(struct pointer *pointer, const char *shape) {
	// A session without a mouse has no arrow in the middle of its screen.
	if (pointer->used) {
		pointer_look_shape(&pointer->look, shape);
	}
}

/* Whether a point of the layout is on the picture of a guest that has the pointer. */
static bool over_guest(const struct pointer *pointer, const struct pointer_target *target) {
	const struct wlr_seat *seat = pointer->seat->wlr;
	return target->window != NULL && target->window->head != NULL && target->surface != NULL &&
		target->surface == seat->pointer_state.focused_surface && seat->drag == NULL;
}

static void show_guests(struct pointer *pointer, struct window *window) {
	if (pointer->used) {
		pointer_look_guest(&pointer->look, window, pointer->cursor->x, pointer->cursor->y);
	}
}

static void light_close(struct pointer *pointer, struct window *window) {
	if (pointer->hot == window) {
		return;
	}
	if (pointer->hot != NULL) {
		frame_set_close_hot(&pointer->hot->frame, false);
	}
	pointer->hot = window;
	if (window != NULL) {
		frame_set_close_hot(&window->frame, true);
	}
}

/* A button is down on a surface: it gets the motion wherever that goes. */
static bool held_by_surface(struct pointer *pointer) {
	struct wlr_seat *seat = pointer->seat->wlr;
	return seat->pointer_state.button_count > 0 &&
		seat->pointer_state.focused_surface != NULL && seat->drag == NULL;
}

static void send_motion_to_holder(struct pointer *pointer, uint32_t time_msec) {
	struct wlr_seat *seat = pointer->seat->wlr;
	struct wlr_surface *surface = seat->pointer_state.focused_surface;
	double x = (pointer->cursor->x - pointer->surface_x) * pointer->scale_x;
	double y = (pointer->cursor->y - pointer->surface_y) * pointer->scale_y;
	if (guest_from_client(wl_resource_get_client(surface->resource)) != NULL) {
		// A guest's tablet knows no place outside its screen.
		int right = surface->current.width - 1, bottom = surface->current.height - 1;
		x = x < 0 ? 0 : x > right ? right : x;
		y = y < 0 ? 0 : y > bottom ? bottom : y;
	}
	wlr_seat_pointer_notify_motion(seat, time_msec, x, y);
}

static void hold(struct pointer *pointer, const struct pointer_target *target) {
	pointer->scale_x = target->scale_x;
	pointer->scale_y = target->scale_y;
	pointer->surface_x = pointer->cursor->x - target->x / target->scale_x;
	pointer->surface_y = pointer->cursor->y - target->y / target->scale_y;
}

/*
 * While a button holds the pointer for a guest, it may be anywhere. From one of the guest's
 * heads to another it drags on, as it would on a machine with several screens.
 */
static void move_while_held(struct pointer *pointer) {
	struct wlr_seat *seat = pointer->seat->wlr;
	struct wlr_surface *surface = seat->pointer_state.focused_surface;
	struct guest *guest = guest_from_client(wl_resource_get_client(surface->resource));
	if (guest == NULL) {
		return;
	}
	struct pointer_target target =
		pointer_target_at(pointer->seat->server, pointer->cursor->x, pointer->cursor->y);
	if (target.surface != NULL && target.surface != surface && target.window->head != NULL &&
		target.window->head->guest == guest) {
		wlr_seat_pointer_notify_enter(seat, target.surface, target.x, target.y);
		hold(pointer, &target);
	}
	if (over_guest(pointer, &target)) {
		show_guests(pointer, target.window);
	} else {
		show(pointer, "default");
	}
}

static void pass_motion(struct pointer *pointer, uint32_t time_msec) {
	struct wlr_seat *seat = pointer->seat->wlr;
	if (pointer->locked != NULL) {
		return;
	}
	if (held_by_surface(pointer)) {
		move_while_held(pointer);
		send_motion_to_holder(pointer, time_msec);
		return;
	}
	struct pointer_target target =
		pointer_target_at(pointer->seat->server, pointer->cursor->x, pointer->cursor->y);
	light_close(pointer, target.part == FRAME_CLOSE ? target.window : NULL);
	if (target.surface == NULL) {
		wlr_seat_pointer_notify_clear_focus(seat);
		show(pointer,
			target.part == FRAME_BORDER ? pointer_look_edges(target.edges) : "default");
		return;
	}
	if (seat->pointer_state.focused_surface != target.surface && target.window->head == NULL) {
		// Until the client says otherwise.
		show(pointer, "default");
	}
	wlr_seat_pointer_notify_enter(seat, target.surface, target.x, target.y);
	if (over_guest(pointer, &target)) {
		show_guests(pointer, target.window);
	} else if (target.window->head != NULL) {
		show(pointer, "default");
	}
	wlr_seat_pointer_notify_motion(seat, time_msec, target.x, target.y);
}

static void moved(struct pointer *pointer, uint32_t time_msec) {
	if (!pointer->used) {
		pointer->used = true;
		show(pointer, "default");
	}
	struct seat *seat = pointer->seat;
	if (seat->drag_icon != NULL) {
		wlr_scene_node_set_position(
			&seat->drag_icon->node, (int)pointer->cursor->x, (int)pointer->cursor->y);
	}
	if (grip_drags(&pointer->grip)) {
		grip_drag(&pointer->grip, pointer->cursor->x, pointer->cursor->y);
	} else {
		pass_motion(pointer, time_msec);
		pointer_constraints_update(&pointer->constraints);
	}
}

void pointer_refresh(struct pointer *pointer) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (pointer->grip.mode == GRIP_NONE && pointer->used) {
		pass_motion(pointer, (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000));
		wlr_seat_pointer_notify_frame(pointer->seat->wlr);
		pointer_constraints_update(&pointer->constraints);
	}
}

static void handle_motion(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, motion);
	struct wlr_pointer_motion_event *event = data;
	if (pointer->locked != NULL) {
		pointer_lock_motion(pointer, event->time_msec, event->delta_x, event->delta_y,
			event->unaccel_dx, event->unaccel_dy);
		return;
	}
	pointer_tell_relative(pointer, event);
	if (!pointer_constraints_lock(&pointer->constraints)) {
		double x = pointer->cursor->x + event->delta_x;
		double y = pointer->cursor->y + event->delta_y;
		pointer_constraints_confine(&pointer->constraints, &x, &y);
		wlr_cursor_move(pointer->cursor, &event->pointer->base, x - pointer->cursor->x,
			y - pointer->cursor->y);
		moved(pointer, event->time_msec);
	}
}

static void handle_motion_absolute(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, motion_absolute);
	struct wlr_pointer_motion_absolute_event *event = data;
	struct wlr_input_device *device = &event->pointer->base;
	double x, y;
	if (pointer->locked != NULL || pointer_constraints_lock(&pointer->constraints)) {
		pointer_lock_motion_absolute(pointer, event->time_msec, device, event->x, event->y);
		return;
	}
	wlr_cursor_absolute_to_layout_coords(pointer->cursor, device, event->x, event->y, &x, &y);
	pointer_constraints_confine(&pointer->constraints, &x, &y);
	wlr_cursor_warp_closest(pointer->cursor, device, x, y);
	moved(pointer, event->time_msec);
}

/* What is dragged is below the pointer all the time. */
static void take_from_client(struct pointer *pointer) {
	const struct grip *grip = &pointer->grip;
	if (grip_drags(grip)) {
		wlr_seat_pointer_notify_clear_focus(pointer->seat->wlr);
		pointer_look_shape(&pointer->look,
			grip->mode == GRIP_MOVE ? "grabbing" : pointer_look_edges(grip->edges));
		pointer_constraints_update(&pointer->constraints);
	}
}

void pointer_begin_move(struct pointer *pointer, struct window *window) {
	grip_move(&pointer->grip, window, pointer->cursor->x, pointer->cursor->y);
	take_from_client(pointer);
}

void pointer_begin_resize(struct pointer *pointer, struct window *window, uint32_t edges) {
	grip_resize(&pointer->grip, window, edges, pointer->cursor->x, pointer->cursor->y);
	take_from_client(pointer);
}

/* The configured modifier with a button drags a window by any part; true where it does. */
static bool pressed_with_modifier(
	struct pointer *pointer, const struct pointer_target *target, uint32_t button) {
	struct server *server = pointer->seat->server;
	uint32_t modifier = server->config.host.drag_modifier;
	if (modifier == 0 || (seat_modifiers(pointer->seat) & modifier) != modifier ||
		target->window == NULL || target->window->fullscreen != NULL ||
		(button != BTN_LEFT && button != BTN_RIGHT)) {
		return false;
	}
	window_focus(target->window);
	if (button == BTN_LEFT) {
		pointer_begin_move(pointer, target->window);
	} else {
		pointer_begin_resize(pointer, target->window,
			grip_nearest_edges(target->window, pointer->cursor->x, pointer->cursor->y));
	}
	return true;
}

/* A button on what mullion draws; false where it belongs to a client. */
static bool pressed_on_frame(struct pointer *pointer, const struct pointer_target *target,
	uint32_t button, uint32_t time_msec) {
	if (target->window != NULL) {
		window_focus(target->window);
	}
	if (button == BTN_LEFT) {
		grip_press(
			&pointer->grip, target, pointer->cursor->x, pointer->cursor->y, time_msec);
		take_from_client(pointer);
	}
	return target->surface == NULL;
}

static uint32_t button_bit(uint32_t button) {
	return button >= BTN_LEFT && button < BTN_LEFT + BUTTON_BITS ? 1u << (button - BTN_LEFT)
								     : 0;
}

static void press(struct pointer *pointer, const struct wlr_pointer_button_event *event) {
	struct seat *seat = pointer->seat;
	struct key_out keys[KEY_FILTER_OUT];
	if (pointer->grip.mode != GRIP_NONE) {
		pointer->swallowed |= button_bit(event->button);
		return;
	}
	if (pointer->locked != NULL) {
		seat_send_keys(
			seat, event->time_msec, keys, key_filter_pointer(&seat->keys, false, keys));
	}
	if (held_by_surface(pointer) || pointer->locked != NULL) {
		wlr_seat_pointer_notify_button(
			seat->wlr, event->time_msec, event->button, event->state);
		return;
	}
	struct pointer_target target =
		pointer_target_at(seat->server, pointer->cursor->x, pointer->cursor->y);
	if (pressed_with_modifier(pointer, &target, event->button)) {
		pointer->swallowed |= button_bit(event->button);
		key_filter_pointer(&seat->keys, true, keys);
		return;
	}
	if (pressed_on_frame(pointer, &target, event->button, event->time_msec)) {
		pointer->swallowed |= button_bit(event->button);
		return;
	}
	pass_motion(pointer, event->time_msec);
	hold(pointer, &target);
	seat_send_keys(seat, event->time_msec, keys, key_filter_pointer(&seat->keys, false, keys));
	wlr_seat_pointer_notify_button(seat->wlr, event->time_msec, event->button, event->state);
}

static void release(struct pointer *pointer, const struct wlr_pointer_button_event *event) {
	uint32_t bit = button_bit(event->button);
	bool swallowed = (pointer->swallowed & bit) != 0;
	pointer->swallowed &= ~bit;
	if (!swallowed) {
		wlr_seat_pointer_notify_button(
			pointer->seat->wlr, event->time_msec, event->button, event->state);
	}
	if (pointer->grip.mode != GRIP_NONE) {
		grip_release(&pointer->grip, pointer->cursor->x, pointer->cursor->y);
		pointer_refresh(pointer);
	} else if (pointer->seat->wlr->pointer_state.button_count == 0) {
		// Where it was let go need not be where it was pressed.
		pass_motion(pointer, event->time_msec);
	}
}

void pointer_button(struct pointer *pointer, const struct wlr_pointer_button_event *event) {
	if (event->state == WL_POINTER_BUTTON_STATE_PRESSED) {
		press(pointer, event);
	} else {
		release(pointer, event);
	}
}

static void handle_button(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, button);
	pointer_device_button(pointer, data);
	pointer_button(pointer, data);
}

static void handle_axis(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, axis);
	struct seat *seat = pointer->seat;
	struct wlr_pointer_axis_event *event = data;
	if (pointer->grip.mode != GRIP_NONE) {
		return;
	}
	struct key_out keys[KEY_FILTER_OUT];
	seat_send_keys(seat, event->time_msec, keys, key_filter_pointer(&seat->keys, false, keys));
	wlr_seat_pointer_notify_axis(seat->wlr, event->time_msec, event->orientation, event->delta,
		event->delta_discrete, event->source, event->relative_direction);
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, frame);
	wlr_seat_pointer_notify_frame(pointer->seat->wlr);
}

/* Only who has the pointer may say how it looks, and not while a window is dragged. */
static bool may_set(struct pointer *pointer, struct wlr_seat_client *client) {
	return pointer->grip.mode == GRIP_NONE &&
		client == pointer->seat->wlr->pointer_state.focused_client;
}

static void handle_request_set_cursor(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, request_set_cursor);
	struct wlr_seat_pointer_request_set_cursor_event *event = data;
	if (!may_set(pointer, event->seat_client)) {
		return;
	}
	struct guest *guest = guest_from_client(event->seat_client->client);
	if (guest != NULL) {
		guest_cursor_set(
			&guest->cursor, event->surface, event->hotspot_x, event->hotspot_y);
	} else {
		pointer_look_surface(
			&pointer->look, event->surface, event->hotspot_x, event->hotspot_y);
	}
}

static void handle_request_set_shape(struct wl_listener *listener, void *data) {
	struct pointer *pointer = wl_container_of(listener, pointer, request_set_shape);
	struct wlr_cursor_shape_manager_v1_request_set_shape_event *event = data;
	struct guest *guest = guest_from_client(event->seat_client->client);
	if (!may_set(pointer, event->seat_client)) {
		return;
	}
	if (guest != NULL) {
		// Whatever shape it asks for: a guest draws its own, or has ours.
		guest_cursor_reset(&guest->cursor);
		pointer_refresh(pointer);
	} else {
		show(pointer, wlr_cursor_shape_v1_name(event->shape));
	}
}

bool pointer_init(struct pointer *pointer, struct seat *seat) {
	pointer->seat = seat;
	pointer->scale_x = pointer->scale_y = 1;
	wl_list_init(&pointer->devices);
	pointer->cursor = wlr_cursor_create();
	struct wlr_cursor_shape_manager_v1 *shapes =
		wlr_cursor_shape_manager_v1_create(seat->server->display, 1);
	pointer->relative = wlr_relative_pointer_manager_v1_create(seat->server->display);
	if (pointer->cursor == NULL || shapes == NULL || pointer->relative == NULL ||
		!pointer_look_init(&pointer->look, seat->server, pointer->cursor) ||
		!pointer_constraints_init(&pointer->constraints, pointer)) {
		if (pointer->cursor != NULL) {
			wlr_cursor_destroy(pointer->cursor);
		}
		return false;
	}
	wlr_cursor_attach_output_layout(pointer->cursor, seat->server->output_layout);
	const struct {
		struct wl_listener *listener;
		struct wl_signal *signal;
		wl_notify_func_t notify;
	} listeners[] = {
		{&pointer->motion, &pointer->cursor->events.motion, handle_motion},
		{&pointer->motion_absolute, &pointer->cursor->events.motion_absolute,
			handle_motion_absolute},
		{&pointer->button, &pointer->cursor->events.button, handle_button},
		{&pointer->axis, &pointer->cursor->events.axis, handle_axis},
		{&pointer->frame, &pointer->cursor->events.frame, handle_frame},
		{&pointer->request_set_cursor, &seat->wlr->events.request_set_cursor,
			handle_request_set_cursor},
		{&pointer->request_set_shape, &shapes->events.request_set_shape,
			handle_request_set_shape},
	};
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		listeners[i].listener->notify = listeners[i].notify;
		wl_signal_add(listeners[i].signal, listeners[i].listener);
	}
	return true;
}

void pointer_finish(struct pointer *pointer) {
	if (pointer->cursor == NULL) {
		return;
	}
	struct wl_listener *listeners[] = {&pointer->motion, &pointer->motion_absolute,
		&pointer->button, &pointer->axis, &pointer->frame, &pointer->request_set_cursor,
		&pointer->request_set_shape};
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		wl_list_remove(&listeners[i]->link);
	}
	pointer_devices_finish(pointer);
	pointer_constraints_finish(&pointer->constraints);
	pointer_look_finish(&pointer->look);
	wlr_cursor_destroy(pointer->cursor);
	pointer->cursor = NULL;
}

void pointer_guest_cursor_changed(struct pointer *pointer, struct guest *guest) {
	if (pointer->grip.mode != GRIP_NONE || pointer->locked != NULL) {
		return;
	}
	struct pointer_target target =
		pointer_target_at(pointer->seat->server, pointer->cursor->x, pointer->cursor->y);
	if (over_guest(pointer, &target) && target.window->head->guest == guest) {
		show_guests(pointer, target.window);
	}
}

void pointer_window_gone(struct pointer *pointer, struct window *window) {
	pointer_look_window_gone(&pointer->look, window);
	if (pointer->locked == window) {
		pointer_unlock(pointer);
	}
	grip_window_gone(&pointer->grip, window);
	if (pointer->hot == window) {
		pointer->hot = NULL;
	}
}
