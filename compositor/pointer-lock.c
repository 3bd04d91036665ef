#include "pointer-lock.h"

#include <stdio.h>
#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_relative_pointer_v1.h>
#include <wlr/types/wlr_seat.h>

#include "bindings.h"
#include "clock.h"
#include "guest-client.h"
#include "guest-window.h"
#include "guest.h"
#include "pointer.h"
#include "seat.h"
#include "server.h"
#include "window.h"

#define NOTICE_TIME 3000 // ms

/* In full screen there is no title that could say it. */
static void tell(struct server *server, struct window *window) {
	char key[BINDING_TEXT_MAX], text[256];
	if (window->fullscreen == NULL) {
		return;
	}
	const struct guest *guest = window->head->guest;
	bindings_describe(&server->config.host.key_grab, key);
	snprintf(text, sizeof(text), "The pointer is locked to %s. %s frees it.",
		guest->title != NULL ? guest->title : guest->name, key);
	notice_show(&server->notice, window->fullscreen, text, NOTICE_TIME);
}

bool pointer_lock(struct pointer *pointer, struct window *window) {
	struct wlr_seat *seat = pointer->seat->wlr;
	struct wlr_surface *surface = window->impl->surface(window);
	if (window->head == NULL || surface == NULL || pointer->grip.mode != GRIP_NONE ||
		seat->drag != NULL || seat->pointer_state.button_count > 0) {
		return false;
	}
	const struct wlr_box *shown = &window->shown;
	if (!wlr_box_contains_point(shown, pointer->cursor->x, pointer->cursor->y)) {
		wlr_cursor_warp(pointer->cursor, NULL, shown->x + shown->width / 2.0,
			shown->y + shown->height / 2.0);
	}
	double x, y;
	guest_window_point(window, pointer->cursor->x, pointer->cursor->y, &x, &y,
		&pointer->scale_x, &pointer->scale_y);
	pointer->surface_x = shown->x;
	pointer->surface_y = shown->y;
	pointer->locked = window;
	pointer->absolute_known = false;
	wlr_seat_pointer_notify_enter(seat, surface, x, y);
	wlr_seat_pointer_notify_frame(seat);
	pointer_look_hide(&pointer->look);
	window->head->pointer_locked = true;
	guest_describe(window->head->guest);
	tell(pointer->seat->server, window);
	return true;
}

void pointer_unlock(struct pointer *pointer) {
	struct window *window = pointer->locked;
	if (window == NULL) {
		return;
	}
	pointer->locked = NULL;
	window->head->pointer_locked = false;
	guest_describe(window->head->guest);
	notice_hide(&pointer->seat->server->notice);
	if (!pointer->used) {
		wlr_seat_pointer_notify_clear_focus(pointer->seat->wlr);
	}
	// What is below it now is looked for when all has changed that is about to.
	server_changed(pointer->seat->server);
}

void pointer_lock_motion(struct pointer *pointer, uint32_t time_msec, double dx, double dy,
	double plain_dx, double plain_dy) {
	wlr_relative_pointer_manager_v1_send_relative_motion(pointer->relative, pointer->seat->wlr,
		time_msec * USEC_PER_MSEC, dx, dy, plain_dx, plain_dy);
}

void pointer_lock_motion_absolute(struct pointer *pointer, uint32_t time_msec,
	struct wlr_input_device *device, double x, double y) {
	double lx, ly;
	wlr_cursor_absolute_to_layout_coords(pointer->cursor, device, x, y, &lx, &ly);
	if (pointer->absolute_known) {
		double dx = lx - pointer->absolute_x, dy = ly - pointer->absolute_y;
		pointer_lock_motion(pointer, time_msec, dx, dy, dx, dy);
	}
	pointer->absolute_known = true;
	pointer->absolute_x = lx;
	pointer->absolute_y = ly;
}

void pointer_tell_relative(struct pointer *pointer, const struct wlr_pointer_motion_event *event) {
	struct wlr_seat *seat = pointer->seat->wlr;
	struct wlr_seat_client *client = seat->pointer_state.focused_client;
	if (client != NULL && guest_from_client(client->client) == NULL) {
		wlr_relative_pointer_manager_v1_send_relative_motion(pointer->relative, seat,
			event->time_msec * USEC_PER_MSEC, event->delta_x, event->delta_y,
			event->unaccel_dx, event->unaccel_dy);
	}
}
