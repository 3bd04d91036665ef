#include "pointer-device.h"

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <time.h>
#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_seat.h>

#include "pointer.h"
#include "seat.h"

#define BUTTONS 32 // from BTN_LEFT on; others are not followed

struct pointer_device {
	struct pointer *pointer;
	struct wlr_pointer *wlr;
	struct wl_list link; // pointer.devices
	uint32_t held;       // bit n: BTN_LEFT + n
	struct wl_listener destroy;
};

static void remove_device(struct pointer_device *device) {
	wl_list_remove(&device->destroy.link);
	wl_list_remove(&device->link);
	free(device);
}

static void release_all(struct pointer_device *device) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (device->held != 0) {
		// Nobody wants to close a window by that.
		grip_cancel(&device->pointer->grip);
	}
	for (uint32_t i = 0; i < BUTTONS; i++) {
		if ((device->held & 1u << i) != 0) {
			const struct wlr_pointer_button_event event = {
				.pointer = device->wlr,
				.time_msec = (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000),
				.button = BTN_LEFT + i,
				.state = WL_POINTER_BUTTON_STATE_RELEASED,
			};
			pointer_button(device->pointer, &event);
		}
	}
	wlr_seat_pointer_notify_frame(device->pointer->seat->wlr);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct pointer_device *device = wl_container_of(listener, device, destroy);
	release_all(device);
	remove_device(device);
}

void pointer_device_add(struct pointer *pointer, struct wlr_input_device *wlr) {
	struct pointer_device *device = calloc(1, sizeof(*device));
	if (device == NULL) {
		return;
	}
	device->pointer = pointer;
	device->wlr = wlr_pointer_from_input_device(wlr);
	device->destroy.notify = handle_destroy;
	wl_signal_add(&wlr->events.destroy, &device->destroy);
	wl_list_insert(&pointer->devices, &device->link);
	wlr_cursor_attach_input_device(pointer->cursor, wlr);
}

void pointer_device_button(struct pointer *pointer, const struct wlr_pointer_button_event *event) {
	if (event->button < BTN_LEFT || event->button >= BTN_LEFT + BUTTONS) {
		return;
	}
	uint32_t bit = 1u << (event->button - BTN_LEFT);
	struct pointer_device *device;
	wl_list_for_each (device, &pointer->devices, link) {
		if (device->wlr == event->pointer) {
			bool pressed = event->state == WL_POINTER_BUTTON_STATE_PRESSED;
			device->held = pressed ? device->held | bit : device->held & ~bit;
		}
	}
}

void pointer_devices_finish(struct pointer *pointer) {
	struct pointer_device *device, *next;
	wl_list_for_each_safe (device, next, &pointer->devices, link) {
		remove_device(device);
	}
}
