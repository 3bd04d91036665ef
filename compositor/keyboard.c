#include "keyboard.h"

#include <stdlib.h>
#include <wlr/backend/session.h>
#include <wlr/backend/wayland.h>
#include <wlr/config.h>
#include <wlr/interfaces/wlr_keyboard.h>
#include <wlr/types/wlr_keyboard.h>
#include <wlr/types/wlr_keyboard_group.h>
#include <xkbcommon/xkbcommon-keysyms.h>
#if WLR_HAS_X11_BACKEND
#include <wlr/backend/x11.h>
#endif

#include "bindings.h"
#include "guest.h"
#include "log.h"
#include "seat.h"
#include "server.h"
#include "window.h"

#define EVDEV_OFFSET 8 // xkb keycodes are evdev's and 8

/* The key's symbol in this layout without any modifier; XKB_KEY_NoSymbol for none. */
static xkb_keysym_t plain_keysym(
	struct xkb_keymap *keymap, xkb_keycode_t code, xkb_layout_index_t layout) {
	const xkb_keysym_t *symbols;
	int n = xkb_keymap_key_get_syms_by_level(keymap, code, layout, 0, &symbols);
	return n == 1 ? symbols[0] : XKB_KEY_NoSymbol;
}

static struct action find_action(struct keyboard *keyboard, uint32_t keycode) {
	struct wlr_keyboard *wlr = keyboard->wlr;
	struct server *server = keyboard->seat->server;
	if (wlr->xkb_state == NULL) {
		return (struct action){.type = ACTION_NONE};
	}
	xkb_keycode_t code = keycode + EVDEV_OFFSET;
	uint32_t modifiers = wlr_keyboard_get_modifiers(wlr);
	xkb_layout_index_t layout = xkb_state_key_get_layout(wlr->xkb_state, code);
	struct action action = bindings_find(
		&server->config.host, modifiers, plain_keysym(wlr->keymap, code, layout));
	if (action.type == ACTION_NONE && layout != 0) {
		// Super+F also where the layout in force has no Latin letters.
		action = bindings_find(
			&server->config.host, modifiers, plain_keysym(wlr->keymap, code, 0));
	}
	if ((action.type == ACTION_VT && server->session == NULL) ||
		(action.type == ACTION_TERMINAL && server->config.host.terminal[0] == '\0')) {
		action.type = ACTION_NONE;
	}
	return action;
}

static enum key_kind kind_of(const struct wlr_keyboard *wlr, uint32_t keycode) {
	if (wlr->xkb_state == NULL) {
		return KEY_PLAIN;
	}
	switch (plain_keysym(wlr->keymap, keycode + EVDEV_OFFSET, 0)) {
	case XKB_KEY_Super_L:
	case XKB_KEY_Super_R:
		return KEY_SUPER;
	case XKB_KEY_Shift_L:
	case XKB_KEY_Shift_R:
	case XKB_KEY_Control_L:
	case XKB_KEY_Control_R:
	case XKB_KEY_Alt_L:
	case XKB_KEY_Alt_R:
	case XKB_KEY_Meta_L:
	case XKB_KEY_Meta_R:
	case XKB_KEY_ISO_Level3_Shift:
		return KEY_MODIFIER;
	default:
		return KEY_PLAIN;
	}
}

bool keyboard_is_modifier(const struct wlr_keyboard *wlr, uint32_t keycode) {
	return kind_of(wlr, keycode) != KEY_PLAIN;
}

static void act(struct server *server, struct action action) {
	struct window *focused = server->focused;
	switch (action.type) {
	case ACTION_NONE:
		break;
	case ACTION_FULLSCREEN:
		if (focused != NULL) {
			window_toggle_fullscreen(focused);
		}
		break;
	case ACTION_NEXT:
		window_focus_next(server);
		break;
	case ACTION_CLOSE:
		if (focused != NULL) {
			focused->impl->close(focused);
		}
		break;
	case ACTION_TERMINAL:
		server_spawn(server, server->config.host.terminal);
		break;
	case ACTION_LEAVE:
		server_leave(server);
		break;
	case ACTION_GRAB:
		seat_toggle_lock(server->seat);
		break;
	case ACTION_GUEST: {
		struct window *window = guest_window_by_number(server, action.number);
		if (window != NULL) {
			window_focus(window);
		}
		break;
	}
	case ACTION_VT:
		wlr_session_change_vt(server->session, action.number);
		break;
	}
}

static void handle_key(struct wl_listener *listener, void *data) {
	struct keyboard *keyboard = wl_container_of(listener, keyboard, key);
	struct seat *seat = keyboard->seat;
	const struct wlr_keyboard_key_event *event = data;
	struct action action = {.type = ACTION_NONE};
	struct key_out out[KEY_FILTER_OUT];
	size_t n;
	if (event->state == WL_KEYBOARD_KEY_STATE_PRESSED) {
		action = find_action(keyboard, event->keycode);
		enum key_kind kind = action.type != ACTION_NONE
			? KEY_BOUND
			: kind_of(keyboard->wlr, event->keycode);
		n = key_filter_press(&seat->keys, event->keycode, kind, out);
	} else {
		n = key_filter_release(&seat->keys, event->keycode, out);
	}
	wlr_seat_set_keyboard(seat->wlr, keyboard->wlr);
	seat_send_keys(seat, event->time_msec, out, n);
	act(seat->server, action);
}

static void handle_modifiers(struct wl_listener *listener, void *data) {
	struct keyboard *keyboard = wl_container_of(listener, keyboard, modifiers);
	wlr_seat_set_keyboard(keyboard->seat->wlr, keyboard->wlr);
	wlr_seat_keyboard_notify_modifiers(keyboard->seat->wlr, &keyboard->wlr->modifiers);
}

static void remove_keyboard(struct keyboard *keyboard) {
	wl_list_remove(&keyboard->key.link);
	wl_list_remove(&keyboard->modifiers.link);
	wl_list_remove(&keyboard->destroy.link);
	wl_list_remove(&keyboard->link);
	free(keyboard);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct keyboard *keyboard = wl_container_of(listener, keyboard, destroy);
	remove_keyboard(keyboard);
}

static const char *or_null(const char *string) {
	return string != NULL && string[0] != '\0' ? string : NULL;
}

static void set_keymap(struct wlr_keyboard *wlr, const struct config_host *host) {
	const struct xkb_rule_names names = {
		.layout = or_null(host->keyboard_layout),
		.variant = or_null(host->keyboard_variant),
		.options = or_null(host->keyboard_options),
	};
	struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	if (context == NULL) {
		return;
	}
	struct xkb_keymap *keymap =
		xkb_keymap_new_from_names(context, &names, XKB_KEYMAP_COMPILE_NO_FLAGS);
	if (keymap == NULL) {
		log_error("no keyboard layout '%s' with variant '%s' and options '%s': see "
			  "xkeyboard-config(7); taking the default one",
			host->keyboard_layout, host->keyboard_variant, host->keyboard_options);
		keymap = xkb_keymap_new_from_names(context, NULL, XKB_KEYMAP_COMPILE_NO_FLAGS);
	}
	if (keymap != NULL) {
		wlr_keyboard_set_keymap(wlr, keymap);
		xkb_keymap_unref(keymap);
	}
	xkb_context_unref(context);
	wlr_keyboard_set_repeat_info(wlr, (int)host->repeat_rate, (int)host->repeat_delay);
}

void keyboard_add(struct seat *seat, struct wlr_keyboard *wlr) {
	struct keyboard *keyboard = calloc(1, sizeof(*keyboard));
	if (keyboard == NULL) {
		return;
	}
	keyboard->seat = seat;
	keyboard->wlr = wlr;
	keyboard->key.notify = handle_key;
	wl_signal_add(&wlr->events.key, &keyboard->key);
	keyboard->modifiers.notify = handle_modifiers;
	wl_signal_add(&wlr->events.modifiers, &keyboard->modifiers);
	keyboard->destroy.notify = handle_destroy;
	wl_signal_add(&wlr->base.events.destroy, &keyboard->destroy);
	wl_list_insert(&seat->keyboards, &keyboard->link);
	wlr_seat_set_keyboard(seat->wlr, wlr);
}

/* The session around us has put all of its keyboards together, and says itself which modifiers are
 * in force, of which a group would not hear. */
static bool is_of_other_session(struct wlr_keyboard *wlr) {
#if WLR_HAS_X11_BACKEND
	if (wlr_input_device_is_x11(&wlr->base)) {
		return true;
	}
#endif
	return wlr_input_device_is_wl(&wlr->base);
}

void keyboard_add_to_machine(struct seat *seat, struct wlr_keyboard *wlr) {
	const struct config_host *host = &seat->server->config.host;
	if (is_of_other_session(wlr)) {
		set_keymap(wlr, host);
		keyboard_add(seat, wlr);
		return;
	}
	if (seat->machine == NULL) {
		seat->machine = wlr_keyboard_group_create();
		if (seat->machine == NULL) {
			return;
		}
		set_keymap(&seat->machine->keyboard, host);
		keyboard_add(seat, &seat->machine->keyboard);
	}
	// The group takes only what is as it is.
	const struct wlr_keyboard *machine = &seat->machine->keyboard;
	wlr_keyboard_set_keymap(wlr, machine->keymap);
	wlr_keyboard_set_repeat_info(wlr, (int)host->repeat_rate, (int)host->repeat_delay);
	wlr_keyboard_notify_modifiers(
		wlr, 0, 0, machine->modifiers.locked, machine->modifiers.group);
	if (!wlr_keyboard_group_add_keyboard(seat->machine, wlr)) {
		keyboard_add(seat, wlr);
	}
}

void keyboards_finish(struct seat *seat) {
	struct keyboard *keyboard, *next;
	wl_list_for_each_safe (keyboard, next, &seat->keyboards, link) {
		remove_keyboard(keyboard);
	}
	if (seat->machine != NULL) {
		wlr_keyboard_group_destroy(seat->machine);
		seat->machine = NULL;
	}
}
