#ifndef TESTS_UNIT_FAKE_COMPOSITOR_H
#define TESTS_UNIT_FAKE_COMPOSITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server.h>

/*
 * The smallest compositor that a client of mullion's can be tried against, in the test's
 * own process: one client. It notes what it is sent and answers when told to.
 */

#define FAKE_BOXES_MAX 64
#define FAKE_SURFACES_MAX 17 // 16 heads and a pointer

struct fake_box {
	int32_t x, y, width, height;
};

enum fake_dmabufs {
	FAKE_DMABUFS_UNKNOWN,  // no zwp_linux_dmabuf_v1
	FAKE_DMABUFS_IMPLICIT, // only without a modifier; as a guest's are not
	FAKE_DMABUFS_REFUSED,  // none can be read
	FAKE_DMABUFS_TAKEN,
};

struct fake_options {
	enum fake_dmabufs dmabufs;
	bool no_guest_role;   // only xdg_wm_base
	bool no_presentation; // no wp_presentation
	bool no_shapes;       // no wp_cursor_shape_manager_v1
	bool scales;          // wp_fractional_scale_manager_v1 and wp_viewporter
	bool few_formats;     // only ARGB8888 and XRGB8888
	bool hold_frames;     // frame callbacks are answered by fake_frame() only
	bool hold_buffers;    // nothing is released
};

/* A wl_surface of the client's, and its role. */
struct fake_surface {
	struct fake *fake;
	struct wl_resource *resource; // NULL: there is none
	// NULL where it has none.
	struct wl_resource *desktop, *xdg_surface, *toplevel;
	struct wl_resource *fractional, *viewport;
	int32_t surface_width, surface_height; // by the viewport, 0 before
	char *title;                           // owned
	bool fixed;                            // a size was set for the toplevel

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
};

/* What the client said about the pointer's look. */
struct fake_cursor {
	unsigned requests;            // set_cursor or set_shape
	uint32_t serial;              // of the last
	struct fake_surface *surface; // NULL: hidden, or a shape
	uint32_t shape;               // 0: none
	int32_t hot_x, hot_y;
};

/* The dma-bufs of which the client has asked for buffers. */
struct fake_dmabufs_seen {
	unsigned asked, taken;
	// Of the last.
	uint64_t modifier;
	uint32_t offset, stride, format;
	int32_t width, height;
};

struct fake {
	struct fake_options options;
	struct fake_dmabufs_seen dmabufs;
	struct wl_display *display;
	struct wl_client *client; // NULL where it is gone
	struct wl_listener client_gone;
	struct fake_surface head[FAKE_SURFACES_MAX]; // all surfaces, heads first
	struct fake_cursor cursor;
	unsigned feedbacks; // asked for

	// Of the client; NULL where it has none.
	struct wl_resource *wm_base, *seat, *keyboard, *pointer, *touch, *relative;
	uint32_t serial;
};

void fake_init(struct fake *fake, const struct fake_options *options);
void fake_finish(struct fake *fake);

/* Makes a client and returns its end of the socket, the caller's. */
int fake_connect(struct fake *fake);

/* Reads and answers what there is, without waiting. */
void fake_run(struct fake *fake);

/* Answers the last frame callback. */
void fake_frame(struct fake_surface *surface);

/* The picture of the last commit; NULL where there is none. */
struct wl_shm_buffer *fake_picture(const struct fake_surface *surface);

#endif
