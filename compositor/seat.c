#include "seat.h"

#include <stdlib.h>
#include <wlr/backend.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_input_device.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_primary_selection.h>
#include <wlr/types/wlr_touch.h>
#include <wlr/types/wlr_virtual_keyboard_v1.h>
#include <wlr/types/wlr_virtual_pointer_v1.h>

#include "guest.h"
#include "keyboard.h"
#include "log.h"
#include "output.h"
#include "pointer-device.h"
#include "pointer-lock.h"
#include "server.h"
#include "window.h"

static void handle_new_input(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, new_input);
	struct wlr_input_device *device = data;
	switch (device->type) {
	case WLR_INPUT_DEVICE_KEYBOARD:
		keyboard_add_to_machine(seat, wlr_keyboard_from_input_device(device));
		break;
	case WLR_INPUT_DEVICE_POINTER:
		pointer_device_add(&seat->pointer, device);
		break;
	case WLR_INPUT_DEVICE_TOUCH:
		touch_add(&seat->touch, wlr_touch_from_input_device(device));
		break;
	default:
		log_debug("input device '%s' is none that is used", device->name);
		break;
	}
}

static void handle_new_virtual_keyboard(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, new_virtual_keyboard);
	struct wlr_virtual_keyboard_v1 *keyboard = data;
	keyboard_add(seat, &keyboard->keyboard);
}

static void handle_new_virtual_pointer(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, new_virtual_pointer);
	struct wlr_virtual_pointer_v1_new_pointer_event *event = data;
	struct wlr_input_device *device = &event->new_pointer->pointer.base;
	pointer_device_add(&seat->pointer, device);
	if (event->suggested_output != NULL) {
		wlr_cursor_map_input_to_output(
			seat->pointer.cursor, device, event->suggested_output);
	}
}

static void handle_request_set_selection(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, request_set_selection);
	struct wlr_seat_request_set_selection_event *event = data;
	wlr_seat_set_selection(seat->wlr, event->source, event->serial);
}

static void handle_request_set_primary_selection(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, request_set_primary_selection);
	struct wlr_seat_request_set_primary_selection_event *event = data;
	wlr_seat_set_primary_selection(seat->wlr, event->source, event->serial);
}

static void handle_request_start_drag(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, request_start_drag);
	struct wlr_seat_request_start_drag_event *event = data;
	struct wlr_touch_point *point;
	if (wlr_seat_validate_pointer_grab_serial(seat->wlr, event->origin, event->serial)) {
		wlr_seat_start_pointer_drag(seat->wlr, event->drag, event->serial);
	} else if (wlr_seat_validate_touch_grab_serial(
			   seat->wlr, event->origin, event->serial, &point)) {
		wlr_seat_start_touch_drag(seat->wlr, event->drag, event->serial, point);
	} else {
		wlr_data_source_destroy(event->drag->source);
	}
}

static void handle_drag_destroy(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, drag_destroy);
	wl_list_remove(&seat->drag_destroy.link);
	wl_list_init(&seat->drag_destroy.link);
	seat->drag_icon = NULL; // its node goes with the icon
	server_changed(seat->server);
}

static void handle_start_drag(struct wl_listener *listener, void *data) {
	struct seat *seat = wl_container_of(listener, seat, start_drag);
	struct wlr_drag *drag = data;
	if (drag->icon != NULL) {
		seat->drag_icon =
			wlr_scene_drag_icon_create(seat->server->layers[LAYER_OVERLAY], drag->icon);
	}
	wl_list_remove(&seat->drag_destroy.link);
	wl_signal_add(&drag->events.destroy, &seat->drag_destroy);
	pointer_refresh(&seat->pointer);
}

static void listen(
	struct wl_listener *listener, struct wl_signal *signal, wl_notify_func_t notify) {
	listener->notify = notify;
	wl_signal_add(signal, listener);
}

struct seat *seat_create(struct server *server) {
	struct seat *seat = calloc(1, sizeof(*seat));
	if (seat == NULL) {
		return NULL;
	}
	seat->server = server;
	wl_list_init(&seat->keyboards);
	seat->wlr = wlr_seat_create(server->display, "seat0");
	struct wlr_virtual_keyboard_manager_v1 *keyboards =
		wlr_virtual_keyboard_manager_v1_create(server->display);
	struct wlr_virtual_pointer_manager_v1 *pointers =
		wlr_virtual_pointer_manager_v1_create(server->display);
	if (seat->wlr == NULL || keyboards == NULL || pointers == NULL ||
		!pointer_init(&seat->pointer, seat)) {
		// The display frees what was made; no listener is on it yet.
		free(seat);
		return NULL;
	}
	touch_init(&seat->touch, seat);
	guest_keys_init(&seat->guest_keys, seat);
	seat_update_capabilities(seat);
	listen(&seat->new_input, &server->backend->events.new_input, handle_new_input);
	listen(&seat->new_virtual_keyboard, &keyboards->events.new_virtual_keyboard,
		handle_new_virtual_keyboard);
	listen(&seat->new_virtual_pointer, &pointers->events.new_virtual_pointer,
		handle_new_virtual_pointer);
	listen(&seat->request_set_selection, &seat->wlr->events.request_set_selection,
		handle_request_set_selection);
	listen(&seat->request_set_primary_selection,
		&seat->wlr->events.request_set_primary_selection,
		handle_request_set_primary_selection);
	listen(&seat->request_start_drag, &seat->wlr->events.request_start_drag,
		handle_request_start_drag);
	listen(&seat->start_drag, &seat->wlr->events.start_drag, handle_start_drag);
	seat->drag_destroy.notify = handle_drag_destroy;
	wl_list_init(&seat->drag_destroy.link);
	return seat;
}

void seat_destroy(struct seat *seat) {
	if (seat == NULL) {
		return;
	}
	struct wl_listener *listeners[] = {&seat->new_input, &seat->new_virtual_keyboard,
		&seat->new_virtual_pointer, &seat->request_set_selection,
		&seat->request_set_primary_selection, &seat->request_start_drag, &seat->start_drag,
		&seat->drag_destroy};
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		wl_list_remove(&listeners[i]->link);
	}
	keyboards_finish(seat);
	touch_finish(&seat->touch);
	pointer_finish(&seat->pointer);
	free(seat);
}

void seat_toggle_lock(struct seat *seat) {
	struct window *focused = seat->server->focused;
	if (seat->pointer.locked != NULL) {
		pointer_unlock(&seat->pointer);
	} else if (!pointer_constraints_toggle(&seat->pointer.constraints) && focused != NULL) {
		pointer_lock(&seat->pointer, focused);
	}
}

void seat_unlock(struct seat *seat, const struct window *window) {
	if (seat != NULL && seat->pointer.locked == window) {
		pointer_unlock(&seat->pointer);
	}
}

static void set_focus(struct seat *seat, struct wlr_surface *surface) {
	struct wlr_keyboard *keyboard = wlr_seat_get_keyboard(seat->wlr);
	if (surface == NULL) {
		wlr_seat_keyboard_notify_clear_focus(seat->wlr);
	} else {
		// Keys that are down belong to whoever saw them go down.
		wlr_seat_keyboard_notify_enter(seat->wlr, surface, NULL, 0,
			keyboard != NULL ? &keyboard->modifiers : NULL);
	}
}

void seat_focus(struct seat *seat, struct wlr_surface *surface) {
	struct window *locked = seat->pointer.locked;
	if (locked != NULL && (surface == NULL || locked->impl->surface(locked) != surface)) {
		pointer_unlock(&seat->pointer);
	}
	struct wlr_surface *before = seat->wlr->keyboard_state.focused_surface;
	bool replaced = guest_keys_focus(&seat->guest_keys, seat->server->focused) &&
		guest_keys_runs(&seat->guest_keys);
	if (before != surface && !replaced) {
		key_filter_focus_changed(&seat->keys);
	}
	if (before != surface) {
		set_focus(seat, surface);
	}
	guest_keys_surface(&seat->guest_keys, surface);
}

void seat_send_keys(struct seat *seat, uint32_t time_msec, const struct key_out *keys, size_t n) {
	if (guest_keys_send(&seat->guest_keys, time_msec, keys, n)) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		wlr_seat_keyboard_notify_key(seat->wlr, time_msec, keys[i].keycode,
			keys[i].pressed ? WL_KEYBOARD_KEY_STATE_PRESSED
					: WL_KEYBOARD_KEY_STATE_RELEASED);
	}
}

void seat_guest_answered(struct seat *seat, const struct guest_head *head, uint32_t serial) {
	guest_keys_answered(&seat->guest_keys, head, serial);
}

void seat_guest_ended(struct seat *seat, const struct guest *guest) {
	const struct window *focused = seat->server->focused;
	if (focused != NULL && focused->head != NULL && focused->head->guest == guest) {
		guest_keys_forget(&seat->guest_keys);
	}
}

uint32_t seat_modifiers(struct seat *seat) {
	struct wlr_keyboard *keyboard = wlr_seat_get_keyboard(seat->wlr);
	return keyboard != NULL ? wlr_keyboard_get_modifiers(keyboard) : 0;
}

void seat_window_gone(struct seat *seat, struct window *window) {
	if (seat != NULL) {
		pointer_window_gone(&seat->pointer, window);
		touch_window_gone(&seat->touch, window);
	}
}

void seat_refresh_pointer(struct seat *seat) {
	pointer_refresh(&seat->pointer);
}

void seat_guest_cursor_changed(struct seat *seat, struct guest *guest) {
	pointer_guest_cursor_changed(&seat->pointer, guest);
}

void seat_pointer_place(struct seat *seat, double *ret_x, double *ret_y) {
	*ret_x = seat->pointer.cursor->x;
	*ret_y = seat->pointer.cursor->y;
}

void seat_update_capabilities(struct seat *seat) {
	wlr_seat_set_capabilities(seat->wlr,
		WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD |
			(touch_present(&seat->touch) ? WL_SEAT_CAPABILITY_TOUCH : 0));
}

void seat_output_added(struct seat *seat, struct output *output) {
	// The first output gets the pointer in its middle.
	struct wlr_box box;
	if (seat->server->outputs.next->next == &seat->server->outputs &&
		output_box(output, &box)) {
		wlr_cursor_warp(seat->pointer.cursor, NULL, box.x + box.width / 2.0,
			box.y + box.height / 2.0);
	}
	touch_map(&seat->touch);
}

void seat_output_gone(struct seat *seat) {
	if (seat != NULL) {
		touch_map(&seat->touch);
	}
}
