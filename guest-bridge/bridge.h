#ifndef GUEST_BRIDGE_BRIDGE_H
#define GUEST_BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "damage-boxes.h"
#include "device-link.h"
#include "device-state.h"
#include "scanout.h"

/*
 * A guest's desktop as a Wayland client, one surface a head. The bridge shows what a head's
 * scanout says: straight from the slice's memfd as wl_shm where the compositor knows the
 * format, converted into a buffer of its own otherwise. It never blocks. Input that the
 * compositor sends comes out of `input`.
 *
 * What the guest draws without a word it looks for: at most once a frame it compares the
 * frame buffer in tiles with what it was, and commits only what changed; it backs off when
 * nothing changes. A scanout whose changes are told (struct scanout, flushed) it never looks
 * at: bridge_flushed() says what to commit, at most once a frame.
 */

#define BRIDGE_CURSOR_SIZE 64 // pixels in a direction
#define BRIDGE_HEADS_MAX DEVICE_STATE_HEADS

struct bridge;

struct bridge_ops {
	/* A head's current scanout, one snapshot. Asked for at each look. */
	void (*get_scanout)(void *data, unsigned head, struct scanout *ret);
	/* 256 entries of 0x00RRGGBB for SCANOUT_C8. */
	void (*get_palette)(void *data, uint32_t palette[256]);
	/* One Wayland frame of input. Positions span all heads that show something, side by side
	 * from left to right in the order of their numbers, and all of LINK_INPUT_ABS_LIMIT. */
	void (*input)(void *data, const struct link_input *input);
	/*
	 * After bridge_flushed(), once: the compositor has taken a frame with what was told, or,
	 * where that was nothing, a frame's time has passed. Of a hidden head it comes at the
	 * slow rate of bridge_create(). Also comes where there is no compositor.
	 */
	void (*frame)(void *data, unsigned head);
	/* May be NULL. The size in which the compositor shows the head, in pixels; refresh in mHz, scale in
	 * 120ths; each is 0 where it is not known. Not while the user still resizes. */
	void (*resized)(void *data, unsigned head, uint32_t width, uint32_t height,
		uint32_t refresh, uint32_t scale);
	/* May be NULL. The user has closed the window of a head, but not of all: it is not shown any
	 * more; or it is again. */
	void (*plugged)(void *data, unsigned head, bool plugged);
	/* A comparison, and a commit, for the counters. */
	void (*looked)(void *data);
	void (*committed)(void *data);
};

struct bridge_setup {
	sd_event *event;
	const struct slice *slice; // outlives the bridge
	unsigned heads;            // 1 to BRIDGE_HEADS_MAX
	bool follow;               // heads are to have the size of their windows
	uint64_t hidden_usec;      // from frame to frame of a head that cannot be seen
	const struct bridge_ops *ops;
	void *data;
};

/* setup is copied. Returns 0 or -errno. */
int bridge_create(struct bridge **ret, const struct bridge_setup *setup);

/* Accepts NULL. */
void bridge_destroy(struct bridge *bridge);

/*
 * Shows the guest on this connected Wayland socket, which the bridge owns from then on,
 * also on failure; an older connection is closed. When the compositor goes, the bridge
 * waits for the next call. Returns 0 or -errno.
 */
int bridge_connect(struct bridge *bridge, int fd);

/* The Wayland socket on which it shows itself, borrowed; -1 while there is none. */
int bridge_display(const struct bridge *bridge);

/* True where the compositor says that no pixel of any head can be seen. */
bool bridge_hidden(const struct bridge *bridge);

/* The mode may have changed (a mode set, a reset): take a new snapshot and look soon. All of
 * the head is shown anew. */
void bridge_scanout_changed(struct bridge *bridge, unsigned head);

/* What such a head scans out, if its changes are told, is about to go with nothing in its place:
 * the last picture stays. bridge_scanout_changed() follows. */
void bridge_keep(struct bridge *bridge, unsigned head);

/* The guest hinted that it has drawn (a flip, a frame-done write): look soon. */
void bridge_drawn(struct bridge *bridge, unsigned head);

/*
 * A head whose scanout tells of changes scans out another place, and is the same otherwise:
 * boxes, in pixels of the scanout and inside it, are what differs from what was shown last,
 * and may be none. It is shown with the flush that mostly follows, or else soon.
 */
void bridge_flipped(struct bridge *bridge, unsigned head, const struct damage_boxes *boxes);

/* The guest has flushed such a head: boxes have changed. They may be none; ops->frame follows
 * anyway. */
void bridge_flushed(struct bridge *bridge, unsigned head, const struct damage_boxes *boxes);

/*
 * The pointer over the guest's heads: 64x64 pixels of ARGB8888 as the guest has them
 * (premultiplied or not), copied, and a hot spot in them. NULL: no pointer is drawn. Before
 * the first call the compositor's own is shown, and so it is again after
 * bridge_reset_cursor().
 */
void bridge_set_cursor(
	struct bridge *bridge, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y);
void bridge_reset_cursor(struct bridge *bridge);

#endif
