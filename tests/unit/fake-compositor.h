#ifndef TESTS_UNIT_FAKE_COMPOSITOR_H
#define TESTS_UNIT_FAKE_COMPOSITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server.h>

/*
 * The smallest compositor that a client of mullion's can be tried against, in the test's
 * own process: one client, one surface. It notes what it is sent and answers when told to.
 */

#define FAKE_BOXES_MAX 64

struct fake_box {
	int32_t x, y, width, height;
};

struct fake_options {
	bool no_guest_role;   // only xdg_wm_base
	bool no_presentation; // no wp_presentation
	bool few_formats;     // only ARGB8888 and XRGB8888
	bool hold_frames;     // frame callbacks are answered by fake_frame() only
	bool hold_buffers;    // nothing is released
};

struct fake {
	struct fake_options options;
	struct wl_display *display;
	struct wl_client *client; // NULL where it is gone
	struct wl_listener client_gone;

	// Of the client; NULL where it has none.
	struct wl_resource *surface, *desktop, *wm_base, *xdg_surface, *toplevel, *seat, *keyboard,
		*pointer;
	char *title;

	// The next commit.
	struct wl_resource *attached;
	struct fake_box pending[FAKE_BOXES_MAX];
	size_t pending_len;
	struct wl_resource *frame; // the last callback not yet answered

	// The last commit, and their number.
	unsigned commits;
	unsigned empty_commits; // without a buffer
	struct wl_resource *buffer;
	struct wl_resource *last_buffer; // the one before
	struct fake_box boxes[FAKE_BOXES_MAX];
	size_t boxes_len;
	uint32_t serial;
};

void fake_init(struct fake *fake, const struct fake_options *options);
void fake_finish(struct fake *fake);

/* Makes a client and returns its end of the socket, the caller's. */
int fake_connect(struct fake *fake);

/* Reads and answers what there is, without waiting. */
void fake_run(struct fake *fake);

/* Answers the last frame callback. */
void fake_frame(struct fake *fake);

/* The picture of the last commit; NULL where there is none. */
struct wl_shm_buffer *fake_picture(struct fake *fake);

#endif
