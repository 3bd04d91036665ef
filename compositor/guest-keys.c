#include "guest-keys.h"

#include <string.h>
#include <wlr/types/wlr_seat.h>

#include "clock.h"
#include "guest-desktop.h"
#include "guest.h"
#include "keyboard.h"
#include "seat.h"
#include "window.h"

void guest_keys_init(struct guest_keys *keys, struct seat *seat) {
	*keys = (struct guest_keys){.seat = seat};
}

void guest_keys_forget(struct guest_keys *keys) {
	key_hold_clear(&keys->hold);
}

bool guest_keys_focus(struct guest_keys *keys, struct window *window) {
	if (keys->window == window) {
		return true;
	}
	guest_keys_forget(keys);
	keys->window = window;
	keys->surface = NULL;
	keys->ready = false;
	return false;
}

bool guest_keys_runs(const struct guest_keys *keys) {
	const struct guest_head *head = keys->window != NULL ? keys->window->head : NULL;
	return head != NULL && head->guest->state == GUEST_RUNNING && head->guest->reason == NULL;
}

static void send(struct guest_keys *keys, uint32_t time_msec, struct key_out key) {
	struct guest_desktop *desktop = keys->window->head->desktop;
	wlr_seat_keyboard_notify_key(keys->seat->wlr, time_msec, key.keycode,
		key.pressed ? WL_KEYBOARD_KEY_STATE_PRESSED : WL_KEYBOARD_KEY_STATE_RELEASED);
	if (desktop != NULL && guest_desktop_ask(desktop, keys->serial + 1)) {
		keys->serial++;
		key_hold_add_sent(&keys->hold, key, keys->serial, clock_usec());
	}
}

static void send_held(struct guest_keys *keys) {
	struct key_out out[KEY_HOLD_MAX];
	uint64_t now = clock_usec();
	size_t n = key_hold_take(&keys->hold, now, out);
	for (size_t i = 0; i < n; i++) {
		send(keys, (uint32_t)(now / USEC_PER_MSEC), out[i]);
	}
	explicit_bzero(out, sizeof(out));
}

/* mulliond lets go of all that a lost device held, and the user still holds some of it. */
static void lose_device(struct guest_keys *keys) {
	const struct key_filter *filter = &keys->seat->keys;
	if (!guest_keys_runs(keys)) {
		guest_keys_forget(keys);
		return;
	}
	struct wlr_keyboard *keyboard = wlr_seat_get_keyboard(keys->seat->wlr);
	key_hold_unsend(&keys->hold);
	for (size_t i = 0; i < filter->delivered_len; i++) {
		if (keyboard != NULL && keyboard_is_modifier(keyboard, filter->delivered[i])) {
			key_hold_press_first(&keys->hold, filter->delivered[i], clock_usec());
		}
	}
}

void guest_keys_surface(struct guest_keys *keys, struct wlr_surface *surface) {
	if (keys->surface == surface || keys->window == NULL || keys->window->head == NULL) {
		return;
	}
	keys->surface = surface;
	keys->ready = false;
	if (surface == NULL) {
		lose_device(keys);
		return;
	}
	// It has asked for the seat's keyboard by the time at which it answers.
	struct guest_desktop *desktop = keys->window->head->desktop;
	if (desktop != NULL && guest_desktop_ask(desktop, keys->serial + 1)) {
		keys->serial++;
	} else {
		keys->ready = true;
		send_held(keys);
	}
}

bool guest_keys_send(
	struct guest_keys *keys, uint32_t time_msec, const struct key_out *out, size_t n) {
	// Without a surface the guest has a device only while it runs, or will have one.
	if (keys->surface == NULL && !guest_keys_runs(keys)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (keys->ready) {
			send(keys, time_msec, out[i]);
		} else {
			key_hold_add(&keys->hold, out[i], clock_usec());
		}
	}
	return true;
}

void guest_keys_answered(struct guest_keys *keys, const struct guest_head *head, uint32_t serial) {
	if (keys->window == NULL || keys->window->head != head || keys->surface == NULL) {
		return;
	}
	key_hold_confirm(&keys->hold, serial);
	if (!keys->ready && serial == keys->serial) {
		keys->ready = true;
		send_held(keys);
	}
}
