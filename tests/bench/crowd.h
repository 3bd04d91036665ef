#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Wayland clients that draw a frame whenever the compositor asks for one, all in this process:
 * as the desktops of guests where the compositor has that role, else as ordinary windows.
 */

#define CROWD_MAX 32

struct crowd_client;
struct wl_display;

struct crowd {
	struct crowd_client *clients[CROWD_MAX]; // owned
	unsigned len;
};

struct crowd_box {
	int32_t x, y, width, height; // pixels
};

/* Takes a connection, and has a window of these pixels there from the first crowd_draw() on.
 * name: of an ordinary window, as its app id; fullscreen: what that asks for. Returns false
 * where that cannot be done. */
bool crowd_join(struct crowd *crowd, struct wl_display *display, const char *name, int32_t width,
	int32_t height, bool fullscreen);

void crowd_finish(struct crowd *crowd);

/* Lets each client draw this many frames, of which the box changes. Returns false where they
 * are not all asked for in time. */
bool crowd_draw(struct crowd *crowd, unsigned frames, struct crowd_box box);

#endif
