#include "pointer-constraint.h"

#include <stdio.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_pointer_constraints_v1.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/util/region.h>

#include "bindings.h"
#include "pointer.h"
#include "seat.h"
#include "server.h"
#include "window.h"

#define NOTICE_TIME 3000 // ms

/* The one that is asked for now; NULL for none. */
static struct wlr_pointer_constraint_v1 *find(const struct pointer_constraints *constraints) {
	const struct pointer *pointer = constraints->pointer;
	struct wlr_seat *seat = pointer->seat->wlr;
	struct window *window = pointer->seat->server->focused;
	struct wlr_surface *surface = seat->pointer_state.focused_surface;
	if (window == NULL || window->head != NULL || window == constraints->freed ||
		surface == NULL || seat->drag != NULL || pointer->grip.mode != GRIP_NONE ||
		wlr_surface_get_root_surface(surface) != window->impl->surface(window)) {
		return NULL;
	}
	return wlr_pointer_constraints_v1_constraint_for_surface(constraints->wlr, surface, seat);
}

static bool contains(const struct wlr_pointer_constraint_v1 *constraint, double x, double y) {
	return pixman_region32_contains_point(&constraint->region, (int)x, (int)y, NULL);
}

/* Programs that draw a pointer of their own say where ours is to come back. */
static void warp_to_hint(const struct pointer_constraints *constraints) {
	const struct wlr_pointer_constraint_v1 *constraint = constraints->active;
	double x = constraint->current.cursor_hint.x, y = constraint->current.cursor_hint.y;
	struct wlr_seat *seat = constraints->pointer->seat->wlr;
	if (constraint->type == WLR_POINTER_CONSTRAINT_V1_LOCKED &&
		constraint->current.cursor_hint.enabled && contains(constraint, x, y) &&
		seat->pointer_state.focused_surface == constraint->surface) {
		wlr_cursor_warp(constraints->pointer->cursor, NULL, constraints->surface_x + x,
			constraints->surface_y + y);
		wlr_seat_pointer_warp(seat, x, y);
	}
}

static void forget(struct pointer_constraints *constraints) {
	warp_to_hint(constraints);
	wl_list_remove(&constraints->active_destroy.link);
	wl_list_init(&constraints->active_destroy.link);
	constraints->active = NULL;
	notice_hide(&constraints->pointer->seat->server->notice);
}

static void deactivate(struct pointer_constraints *constraints) {
	struct wlr_pointer_constraint_v1 *constraint = constraints->active;
	if (constraint != NULL) {
		forget(constraints);
		// It may go with that.
		wlr_pointer_constraint_v1_send_deactivated(constraint);
	}
}

static void handle_active_destroy(struct wl_listener *listener, void *data) {
	struct pointer_constraints *constraints =
		wl_container_of(listener, constraints, active_destroy);
	forget(constraints);
	server_changed(constraints->pointer->seat->server);
}

static void tell(const struct pointer_constraints *constraints) {
	struct server *server = constraints->pointer->seat->server;
	bool locked = constraints->active->type == WLR_POINTER_CONSTRAINT_V1_LOCKED;
	char key[BINDING_TEXT_MAX], text[256];
	bindings_describe(&server->config.host.key_grab, key);
	snprintf(text, sizeof(text), "A program has %s the pointer. %s frees it.",
		locked ? "locked" : "confined", key);
	notice_show(&server->notice, window_output(server->focused), text, NOTICE_TIME);
}

static void activate(
	struct pointer_constraints *constraints, struct wlr_pointer_constraint_v1 *constraint) {
	struct pointer *pointer = constraints->pointer;
	const struct wlr_seat_pointer_state *state = &pointer->seat->wlr->pointer_state;
	if (!contains(constraint, state->sx, state->sy)) {
		return;
	}
	constraints->active = constraint;
	constraints->surface_x = pointer->cursor->x - state->sx;
	constraints->surface_y = pointer->cursor->y - state->sy;
	wl_signal_add(&constraint->events.destroy, &constraints->active_destroy);
	pointer->absolute_known = false;
	wlr_pointer_constraint_v1_send_activated(constraint);
	tell(constraints);
}

void pointer_constraints_update(struct pointer_constraints *constraints) {
	const struct window *focused = constraints->pointer->seat->server->focused;
	if (constraints->freed != focused) {
		constraints->freed = NULL;
	}
	struct wlr_pointer_constraint_v1 *wanted = find(constraints);
	if (constraints->active != wanted) {
		deactivate(constraints);
	}
	if (wanted != NULL && constraints->active == NULL) {
		activate(constraints, wanted);
	}
}

bool pointer_constraints_lock(const struct pointer_constraints *constraints) {
	return constraints->active != NULL &&
		constraints->active->type == WLR_POINTER_CONSTRAINT_V1_LOCKED;
}

void pointer_constraints_confine(
	const struct pointer_constraints *constraints, double *lx, double *ly) {
	if (constraints->active == NULL) {
		return;
	}
	const struct wlr_cursor *cursor = constraints->pointer->cursor;
	const double left = constraints->surface_x, top = constraints->surface_y;
	double x, y;
	if (!wlr_region_confine(&constraints->active->region, cursor->x - left, cursor->y - top,
		    *lx - left, *ly - top, &x, &y)) {
		// Its region is elsewhere now.
		x = cursor->x - left;
		y = cursor->y - top;
	}
	*lx = left + x;
	*ly = top + y;
}

bool pointer_constraints_toggle(struct pointer_constraints *constraints) {
	const struct window *focused = constraints->pointer->seat->server->focused;
	if (constraints->active != NULL) {
		constraints->freed = focused;
	} else if (focused != NULL && constraints->freed == focused) {
		constraints->freed = NULL;
	} else {
		return false;
	}
	pointer_constraints_update(constraints);
	return true;
}

static void handle_new_constraint(struct wl_listener *listener, void *data) {
	struct pointer_constraints *constraints =
		wl_container_of(listener, constraints, new_constraint);
	pointer_constraints_update(constraints);
}

bool pointer_constraints_init(struct pointer_constraints *constraints, struct pointer *pointer) {
	constraints->pointer = pointer;
	constraints->wlr = wlr_pointer_constraints_v1_create(pointer->seat->server->display);
	if (constraints->wlr == NULL) {
		return false;
	}
	constraints->new_constraint.notify = handle_new_constraint;
	wl_signal_add(&constraints->wlr->events.new_constraint, &constraints->new_constraint);
	constraints->active_destroy.notify = handle_active_destroy;
	wl_list_init(&constraints->active_destroy.link);
	return true;
}

void pointer_constraints_finish(struct pointer_constraints *constraints) {
	if (constraints->wlr != NULL) {
		wl_list_remove(&constraints->new_constraint.link);
		wl_list_remove(&constraints->active_destroy.link);
		constraints->wlr = NULL;
	}
}
