#ifndef GUEST_BRIDGE_DESKTOP_H
#define GUEST_BRIDGE_DESKTOP_H

#include <stdbool.h>
#include <stdint.h>

#include "damage.h"
#include "resize.h"
#include "wayland.h"

/*
 * The surface that is one head of a guest's desktop: in mullion_guest_v1's role where the
 * compositor has it, else as an ordinary xdg_toplevel, whose title says nothing that stems
 * from the guest. Carries commits out and tells what becomes of them.
 */

struct wl_buffer;

#define DESKTOP_FEEDBACKS 4

struct desktop_ops {
	/* Buffers may be committed. At least once. */
	void (*configured)(void *data);
	void (*visible)(void *data, bool visible);
	void (*fullscreen)(void *data, bool fullscreen);
	/* What the compositor shows it in, also while the user resizes; size 0: our choice. */
	void (*resized)(void *data, const struct resize_size *size);
	/* The compositor will draw again: the answer to a commit. */
	void (*frame)(void *data);
	/* when in us, refresh in ns (0: not known); aim as given to desktop_ask_presented(). */
	void (*presented)(void *data, uint64_t when, uint32_t refresh, uint64_t aim);
	/* The user has closed the xdg_toplevel. */
	void (*closed)(void *data);
};

struct desktop_setup {
	struct wayland *wayland; // outlives the desktop, and is ready
	unsigned head, heads;
	bool resizable; // a toplevel's size is the user's to choose, not the picture's
	const struct desktop_ops *ops;
	void *data;
};

struct desktop_feedback {
	struct desktop *desktop;
	struct wp_presentation_feedback *proxy; // owned, or NULL
	uint64_t aim;
};

struct desktop {
	struct wayland *wayland;
	bool resizable;
	struct wl_surface *surface;
	struct wl_callback *frame; // not yet answered, or NULL
	struct mullion_desktop_v1 *guest_desktop;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wp_fractional_scale_v1 *fractional;
	struct wp_viewport *viewport;
	uint32_t scale;                         // 120ths, of the toplevel's output
	uint32_t asked_width, asked_height;     // by the toplevel's configure, of the surface
	uint32_t surface_width, surface_height; // of the last commit, of the surface
	bool heard;                             // of a configure
	struct desktop_feedback feedbacks[DESKTOP_FEEDBACKS];
	const struct desktop_ops *ops;
	void *data;
};

/* Makes the surface. Returns 0; -EOPNOTSUPP where the compositor lacks what is needed;
 * -ENOMEM. */
int desktop_init(struct desktop *desktop, const struct desktop_setup *setup);

/* Safe on a zeroed one. */
void desktop_finish(struct desktop *desktop);

/* Asks to be told when the next commit is shown: one more wake-up. */
void desktop_ask_presented(struct desktop *desktop, uint64_t aim);

/* Shows a buffer of width x height, of which boxes have changed since the last commit. */
void desktop_commit(struct desktop *desktop, struct wl_buffer *buffer, uint32_t width,
	uint32_t height, const struct damage_boxes *boxes);

#endif
