#include "desktop.h"

#include <errno.h>
#include <stdio.h>
#include <wayland-client.h>

#include "clock.h"
#include "fractional-scale-client-protocol.h"
#include "mullion-guest-v1-client-protocol.h"
#include "presentation-time-client-protocol.h"
#include "viewporter-client-protocol.h"
#include "xdg-shell-client-protocol.h"

#define SCALE_ONE 120

static void handle_size(void *data, struct mullion_desktop_v1 *object, uint32_t width,
	uint32_t height, uint32_t refresh, uint32_t scale) {
	struct desktop *desktop = data;
	const struct resize_size size = {width, height, refresh, scale};
	desktop->ops->resized(desktop->data, &size);
}

static void handle_visibility(void *data, struct mullion_desktop_v1 *object, uint32_t state) {
	struct desktop *desktop = data;
	// A hidden head may be shown in full screen again: then nothing has changed.
	if (state != MULLION_DESKTOP_V1_VISIBILITY_HIDDEN) {
		desktop->ops->fullscreen(
			desktop->data, state == MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN);
	}
	desktop->ops->visible(desktop->data, state != MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
}

static void handle_ping(void *data, struct mullion_desktop_v1 *object, uint32_t serial) {
	mullion_desktop_v1_pong(object, serial);
}

static const struct mullion_desktop_v1_listener guest_desktop_listener = {
	.configure = handle_size,
	.visibility = handle_visibility,
	.ping = handle_ping,
};

/* wp_fractional_scale_v1 rounds so. */
static uint32_t to_pixels(uint32_t length, uint32_t scale) {
	return (uint32_t)(((uint64_t)length * scale + SCALE_ONE / 2) / SCALE_ONE);
}

static uint32_t to_surface(uint32_t pixels, uint32_t scale) {
	uint64_t length = ((uint64_t)pixels * SCALE_ONE + scale / 2) / scale;
	return length > 0 ? (uint32_t)length : 1;
}

static void tell_size(struct desktop *desktop) {
	const struct resize_size size = {
		.width = to_pixels(desktop->asked_width, desktop->scale),
		.height = to_pixels(desktop->asked_height, desktop->scale),
		.scale = desktop->fractional != NULL ? desktop->scale : 0,
	};
	if (desktop->resizable && desktop->heard) {
		desktop->ops->resized(desktop->data, &size);
	}
}

static void handle_preferred_scale(
	void *data, struct wp_fractional_scale_v1 *fractional, uint32_t scale) {
	struct desktop *desktop = data;
	if (scale > 0 && scale != desktop->scale) {
		desktop->scale = scale;
		tell_size(desktop);
	}
}

static const struct wp_fractional_scale_v1_listener fractional_listener = {
	.preferred_scale = handle_preferred_scale,
};

static void handle_xdg_configure(void *data, struct xdg_surface *xdg_surface, uint32_t serial) {
	struct desktop *desktop = data;
	xdg_surface_ack_configure(xdg_surface, serial);
	desktop->heard = true;
	tell_size(desktop);
	desktop->ops->configured(desktop->data);
}

static const struct xdg_surface_listener xdg_surface_listener = {
	.configure = handle_xdg_configure,
};

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
	int32_t height, struct wl_array *states) {
	struct desktop *desktop = data;
	desktop->asked_width = width > 0 ? (uint32_t)width : 0;
	desktop->asked_height = height > 0 ? (uint32_t)height : 0;
	bool fullscreen = false;
	const uint32_t *state;
	wl_array_for_each(state, states) {
		fullscreen = fullscreen || *state == XDG_TOPLEVEL_STATE_FULLSCREEN;
	}
	desktop->ops->fullscreen(desktop->data, fullscreen);
}

static void handle_toplevel_close(void *data, struct xdg_toplevel *toplevel) {
	struct desktop *desktop = data;
	desktop->ops->closed(desktop->data);
}

static void handle_toplevel_bounds(
	void *data, struct xdg_toplevel *toplevel, int32_t width, int32_t height) {
}

static void handle_toplevel_capabilities(
	void *data, struct xdg_toplevel *toplevel, struct wl_array *capabilities) {
}

/* Also of versions that were not bound: libwayland ends the process for an event that has no
 * function, whatever the version. */
static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_toplevel_close,
	.configure_bounds = handle_toplevel_bounds,
	.wm_capabilities = handle_toplevel_capabilities,
};

static int take_guest_role(struct desktop *desktop, unsigned head) {
	desktop->guest_desktop =
		mullion_guest_v1_get_desktop(desktop->wayland->guest, desktop->surface, head);
	if (desktop->guest_desktop == NULL) {
		return -ENOMEM;
	}
	mullion_desktop_v1_add_listener(desktop->guest_desktop, &guest_desktop_listener, desktop);
	desktop->ops->configured(desktop->data);
	return 0;
}

static void set_title(struct desktop *desktop, const struct desktop_setup *setup) {
	char title[64] = "mullion guest";
	if (setup->heads > 1) {
		snprintf(title, sizeof(title), "mullion guest, head %u", setup->head + 1);
	}
	xdg_toplevel_set_title(desktop->toplevel, title);
}

/* A pixel of the guest's is one of the screen only where the surface has another size than its
 * buffer. */
static void take_scale(struct desktop *desktop) {
	struct wayland *wayland = desktop->wayland;
	if (wayland->fractional_scales == NULL || wayland->viewporter == NULL) {
		return;
	}
	desktop->viewport = wp_viewporter_get_viewport(wayland->viewporter, desktop->surface);
	desktop->fractional = wp_fractional_scale_manager_v1_get_fractional_scale(
		wayland->fractional_scales, desktop->surface);
	if (desktop->fractional != NULL) {
		wp_fractional_scale_v1_add_listener(
			desktop->fractional, &fractional_listener, desktop);
	}
}

static int take_toplevel_role(struct desktop *desktop, const struct desktop_setup *setup) {
	desktop->xdg_surface =
		xdg_wm_base_get_xdg_surface(desktop->wayland->wm_base, desktop->surface);
	if (desktop->xdg_surface == NULL) {
		return -ENOMEM;
	}
	xdg_surface_add_listener(desktop->xdg_surface, &xdg_surface_listener, desktop);
	desktop->toplevel = xdg_surface_get_toplevel(desktop->xdg_surface);
	if (desktop->toplevel == NULL) {
		return -ENOMEM;
	}
	xdg_toplevel_add_listener(desktop->toplevel, &toplevel_listener, desktop);
	set_title(desktop, setup);
	take_scale(desktop);
	xdg_toplevel_set_app_id(desktop->toplevel, "mullion-device");
	wl_surface_commit(desktop->surface);
	return 0;
}

static void set_opaque(struct desktop *desktop) {
	struct wl_region *region = wl_compositor_create_region(desktop->wayland->compositor);
	if (region != NULL) {
		wl_region_add(region, 0, 0, INT32_MAX, INT32_MAX);
		wl_surface_set_opaque_region(desktop->surface, region);
		wl_region_destroy(region);
	}
}

int desktop_init(struct desktop *desktop, const struct desktop_setup *setup) {
	struct wayland *wayland = setup->wayland;
	*desktop = (struct desktop){
		.wayland = wayland,
		.resizable = setup->resizable,
		.scale = SCALE_ONE,
		.ops = setup->ops,
		.data = setup->data,
	};
	if (wayland->compositor == NULL || wayland->shm == NULL ||
		(wayland->guest == NULL && wayland->wm_base == NULL)) {
		return -EOPNOTSUPP;
	}
	desktop->surface = wl_compositor_create_surface(wayland->compositor);
	if (desktop->surface == NULL) {
		return -ENOMEM;
	}
	set_opaque(desktop);
	int error = wayland->guest != NULL ? take_guest_role(desktop, setup->head)
					   : take_toplevel_role(desktop, setup);
	if (error < 0) {
		desktop_finish(desktop);
	}
	return error;
}

void desktop_finish(struct desktop *desktop) {
	for (size_t i = 0; i < DESKTOP_FEEDBACKS; i++) {
		if (desktop->feedbacks[i].proxy != NULL) {
			wp_presentation_feedback_destroy(desktop->feedbacks[i].proxy);
		}
	}
	if (desktop->frame != NULL) {
		wl_callback_destroy(desktop->frame);
	}
	if (desktop->guest_desktop != NULL) {
		mullion_desktop_v1_destroy(desktop->guest_desktop);
	}
	if (desktop->fractional != NULL) {
		wp_fractional_scale_v1_destroy(desktop->fractional);
	}
	if (desktop->viewport != NULL) {
		wp_viewport_destroy(desktop->viewport);
	}
	if (desktop->toplevel != NULL) {
		xdg_toplevel_destroy(desktop->toplevel);
	}
	if (desktop->xdg_surface != NULL) {
		xdg_surface_destroy(desktop->xdg_surface);
	}
	if (desktop->surface != NULL) {
		wl_surface_destroy(desktop->surface);
	}
	*desktop = (struct desktop){0};
}

static void handle_frame(void *data, struct wl_callback *callback, uint32_t time) {
	struct desktop *desktop = data;
	wl_callback_destroy(callback);
	desktop->frame = NULL;
	desktop->ops->frame(desktop->data);
}

static const struct wl_callback_listener frame_listener = {
	.done = handle_frame,
};

/* One at a time: a surface that cannot be seen gets no answer to any of them. */
static void request_frame(struct desktop *desktop) {
	if (desktop->frame != NULL) {
		return;
	}
	desktop->frame = wl_surface_frame(desktop->surface);
	if (desktop->frame != NULL) {
		wl_callback_add_listener(desktop->frame, &frame_listener, desktop);
	}
}

static void feedback_finish(struct desktop_feedback *feedback) {
	wp_presentation_feedback_destroy(feedback->proxy);
	feedback->proxy = NULL;
}

static void handle_sync_output(
	void *data, struct wp_presentation_feedback *proxy, struct wl_output *output) {
}

static void handle_presented(void *data, struct wp_presentation_feedback *proxy, uint32_t sec_hi,
	uint32_t sec_lo, uint32_t nsec, uint32_t refresh, uint32_t seq_hi, uint32_t seq_lo,
	uint32_t flags) {
	struct desktop_feedback *feedback = data;
	struct desktop *desktop = feedback->desktop;
	uint64_t when = ((uint64_t)sec_hi << 32 | sec_lo) * USEC_PER_SEC + nsec / 1000;
	feedback_finish(feedback);
	if (desktop->wayland->monotonic) {
		desktop->ops->presented(desktop->data, when, refresh, feedback->aim);
	}
}

static void handle_discarded(void *data, struct wp_presentation_feedback *proxy) {
	feedback_finish(data);
}

static const struct wp_presentation_feedback_listener feedback_listener = {
	.sync_output = handle_sync_output,
	.presented = handle_presented,
	.discarded = handle_discarded,
};

/* Where all are out the compositor is behind: then this commit goes without. */
void desktop_ask_presented(struct desktop *desktop, uint64_t aim) {
	if (desktop->wayland->presentation == NULL) {
		return;
	}
	for (size_t i = 0; i < DESKTOP_FEEDBACKS; i++) {
		struct desktop_feedback *feedback = &desktop->feedbacks[i];
		if (feedback->proxy != NULL) {
			continue;
		}
		feedback->desktop = desktop;
		feedback->aim = aim;
		feedback->proxy =
			wp_presentation_feedback(desktop->wayland->presentation, desktop->surface);
		if (feedback->proxy != NULL) {
			wp_presentation_feedback_add_listener(
				feedback->proxy, &feedback_listener, feedback);
		}
		return;
	}
}

/* What is asked for, where the guest has followed, and else what its pixels come to. */
static uint32_t surface_length(const struct desktop *desktop, uint32_t pixels, uint32_t asked) {
	return to_pixels(asked, desktop->scale) == pixels ? asked
							  : to_surface(pixels, desktop->scale);
}

static void resize(struct desktop *desktop, uint32_t width, uint32_t height) {
	uint32_t surface_width = width, surface_height = height;
	if (desktop->viewport != NULL) {
		surface_width = surface_length(desktop, width, desktop->asked_width);
		surface_height = surface_length(desktop, height, desktop->asked_height);
	}
	if (surface_width == desktop->surface_width && surface_height == desktop->surface_height) {
		return;
	}
	desktop->surface_width = surface_width;
	desktop->surface_height = surface_height;
	if (desktop->viewport != NULL) {
		wp_viewport_set_destination(
			desktop->viewport, (int32_t)surface_width, (int32_t)surface_height);
	}
	if (desktop->toplevel != NULL && !desktop->resizable) {
		xdg_toplevel_set_min_size(
			desktop->toplevel, (int32_t)surface_width, (int32_t)surface_height);
		xdg_toplevel_set_max_size(
			desktop->toplevel, (int32_t)surface_width, (int32_t)surface_height);
	}
}

void desktop_commit(struct desktop *desktop, struct wl_buffer *buffer, uint32_t width,
	uint32_t height, const struct damage_boxes *boxes) {
	resize(desktop, width, height);
	wl_surface_attach(desktop->surface, buffer, 0, 0);
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		wl_surface_damage_buffer(desktop->surface, (int32_t)box->x, (int32_t)box->y,
			(int32_t)box->width, (int32_t)box->height);
	}
	request_frame(desktop);
	wl_surface_commit(desktop->surface);
}
