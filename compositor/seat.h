#ifndef COMPOSITOR_SEAT_H
#define COMPOSITOR_SEAT_H

#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_seat.h>

#include "guest-keys.h"
#include "key-filter.h"
#include "pointer.h"
#include "touch.h"

struct guest;
struct guest_head;
struct output;
struct server;
struct window;

/* Keyboards, pointers and touch screens, all as one seat, and who has the keys. */
struct seat {
	struct server *server;
	struct wlr_seat *wlr;
	struct wl_list keyboards;           // struct keyboard.link
	struct wlr_keyboard_group *machine; // its keyboards, NULL before there was one
	struct key_filter keys;
	struct guest_keys guest_keys;
	struct pointer pointer;
	struct touch touch;
	struct wlr_scene_tree *drag_icon; // NULL unless something is dragged

	struct wl_listener new_input, new_virtual_keyboard, new_virtual_pointer;
	struct wl_listener request_set_selection, request_set_primary_selection;
	struct wl_listener request_start_drag, start_drag, drag_destroy;
};

/* Returns NULL after logging why. */
struct seat *seat_create(struct server *server);

/* Accepts NULL. Before the display goes. */
void seat_destroy(struct seat *seat);

/* This surface, or none (NULL), gets the keys; the old one has every held key released. */
void seat_focus(struct seat *seat, struct wlr_surface *surface);

/* Sends what the key filter lets through. */
void seat_send_keys(struct seat *seat, uint32_t time_msec, const struct key_out *keys, size_t n);

/* The device of a head has answered guest_desktop_ask(). */
void seat_guest_answered(struct seat *seat, const struct guest_head *head, uint32_t serial);

/* A guest has ended: what was typed for it is nobody's. */
void seat_guest_ended(struct seat *seat, const struct guest *guest);

/* Shift, Ctrl, ... that are down: enum wlr_keyboard_modifier. */
uint32_t seat_modifiers(struct seat *seat);

/* The window is about to go: nothing may point to it. */
void seat_window_gone(struct seat *seat, struct window *window);

/* Locks the pointer to the focused guest, or frees it, also of what an ordinary client does. */
void seat_toggle_lock(struct seat *seat);

/* Frees it where it is locked to this window. */
void seat_unlock(struct seat *seat, const struct window *window);

/* What is below the pointer may have changed. */
void seat_refresh_pointer(struct seat *seat);

/* Its guest.cursor has. */
void seat_guest_cursor_changed(struct seat *seat, struct guest *guest);

void seat_pointer_place(struct seat *seat, double *ret_x, double *ret_y);

/* Clients are told of a touch screen only where there is one. */
void seat_update_capabilities(struct seat *seat);

void seat_output_added(struct seat *seat, struct output *output);
void seat_output_gone(struct seat *seat);

#endif
