#ifndef GUEST_BRIDGE_BRIDGE_H
#define GUEST_BRIDGE_BRIDGE_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "device-link.h"
#include "scanout.h"

/*
 * A guest's desktop as a Wayland client. The bridge shows what the scanout says: straight
 * from the slice's memfd as wl_shm where the compositor knows the format, converted into
 * a buffer of its own otherwise. It looks at the aperture at most once a frame, compares
 * it in tiles with a shadow, and commits only what changed; it backs off when nothing
 * changes. It never blocks. Input that the compositor sends comes out of `input`.
 */

struct bridge;

struct bridge_ops {
	/* The current scanout, one snapshot of the registers. Asked for at each look. */
	void (*get_scanout)(void *data, struct scanout *ret);
	/* 256 entries of 0x00RRGGBB for SCANOUT_C8. */
	void (*get_palette)(void *data, uint32_t palette[256]);
	/* One Wayland frame of input, already scaled to LINK_INPUT_ABS_LIMIT. */
	void (*input)(void *data, const struct link_input *input);
	/* A comparison, and a commit, for the counters. */
	void (*looked)(void *data);
	void (*committed)(void *data);
};

/*
 * Creates a bridge for a slice, which must outlive it. Returns 0 or -errno.
 */
int bridge_create(struct bridge **ret, sd_event *event, const struct slice *slice,
	const struct bridge_ops *ops, void *data);

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

/* The mode may have changed (a mode set, a reset): take a new snapshot and look soon. */
void bridge_scanout_changed(struct bridge *bridge);

/* The guest hinted that it has drawn (a flip, a frame-done write): look soon. */
void bridge_drawn(struct bridge *bridge);

#endif
