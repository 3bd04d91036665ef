#include "fake-compositor.h"

#include <assert.h>
#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cursor-shape-protocol.h"
#include "fractional-scale-protocol.h"
#include "linux-dmabuf-protocol.h"
#include "mullion-guest-v1-protocol.h"
#include "presentation-time-protocol.h"
#include "relative-pointer-protocol.h"
#include "viewporter-protocol.h"
#include "xdg-shell-protocol.h"

static void destroy_resource(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static void forget_in(struct wl_resource **all[], size_t n, struct wl_resource *resource) {
	for (size_t i = 0; i < n; i++) {
		if (*all[i] == resource) {
			*all[i] = NULL;
		}
	}
}

/* Sets a pointer to NULL when its resource goes. */
static void forget(struct wl_resource *resource) {
	struct fake *fake = wl_resource_get_user_data(resource);
	struct wl_resource **all[] = {&fake->wm_base, &fake->seat, &fake->keyboard, &fake->pointer,
		&fake->touch, &fake->relative};
	forget_in(all, sizeof(all) / sizeof(all[0]), resource);
}

static void forget_surface(struct wl_resource *resource) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	struct wl_resource **all[] = {&surface->resource, &surface->desktop, &surface->xdg_surface,
		&surface->toplevel, &surface->frame, &surface->fractional, &surface->viewport};
	forget_in(all, sizeof(all) / sizeof(all[0]), resource);
}

static struct wl_resource *make_resource(struct wl_client *client,
	const struct wl_interface *interface, uint32_t version, uint32_t id, const void *requests,
	void *data, wl_resource_destroy_func_t destroyed) {
	struct wl_resource *resource = wl_resource_create(client, interface, (int)version, id);
	assert(resource != NULL);
	wl_resource_set_implementation(resource, requests, data, destroyed);
	return resource;
}

static struct wl_resource *make(struct fake *fake, struct wl_client *client,
	const struct wl_interface *interface, uint32_t version, uint32_t id, const void *requests) {
	return make_resource(client, interface, version, id, requests, fake, forget);
}

/* Of a surface. */
static struct wl_resource *make_part(struct fake_surface *surface, struct wl_client *client,
	const struct wl_interface *interface, uint32_t version, uint32_t id, const void *requests) {
	return make_resource(client, interface, version, id, requests, surface, forget_surface);
}

/* wl_surface */

static void surface_attach(struct wl_client *client, struct wl_resource *resource,
	struct wl_resource *buffer, int32_t x, int32_t y) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	surface->attached = buffer;
}

static void surface_damage_buffer(struct wl_client *client, struct wl_resource *resource, int32_t x,
	int32_t y, int32_t width, int32_t height) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	assert(surface->pending_len < FAKE_BOXES_MAX);
	surface->pending[surface->pending_len++] = (struct fake_box){x, y, width, height};
}

static void surface_frame(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	surface->frame = make_part(surface, client, &wl_callback_interface, 1, id, NULL);
}

static void surface_set_region(
	struct wl_client *client, struct wl_resource *resource, struct wl_resource *region) {
}

static void surface_commit(struct wl_client *client, struct wl_resource *resource) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	if (surface->attached == NULL) {
		surface->empty_commits++;
		if (surface->xdg_surface != NULL) {
			xdg_surface_send_configure(surface->xdg_surface, ++surface->fake->serial);
		}
		return;
	}
	surface->commits++;
	surface->last_buffer = surface->buffer;
	surface->buffer = surface->attached;
	surface->attached = NULL;
	memcpy(surface->boxes, surface->pending, sizeof(surface->boxes));
	surface->boxes_len = surface->pending_len;
	surface->pending_len = 0;
	if (!surface->fake->options.hold_buffers && surface->last_buffer != NULL &&
		surface->last_buffer != surface->buffer) {
		wl_buffer_send_release(surface->last_buffer);
	}
	if (!surface->fake->options.hold_frames) {
		fake_frame(surface);
	}
}

static const struct wl_surface_interface surface_requests = {
	.destroy = destroy_resource,
	.attach = surface_attach,
	.frame = surface_frame,
	.set_opaque_region = surface_set_region,
	.set_input_region = surface_set_region,
	.commit = surface_commit,
	.damage_buffer = surface_damage_buffer,
};

/* wl_compositor */

static void region_box(struct wl_client *client, struct wl_resource *resource, int32_t x, int32_t y,
	int32_t width, int32_t height) {
}

static const struct wl_region_interface region_requests = {
	.destroy = destroy_resource,
	.add = region_box,
	.subtract = region_box,
};

static void create_surface(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	struct fake_surface *surface = fake->head;
	while (surface->resource != NULL) {
		surface++;
		assert(surface < fake->head + FAKE_SURFACES_MAX);
	}
	free(surface->title);
	*surface = (struct fake_surface){.fake = fake};
	surface->resource =
		make_part(surface, client, &wl_surface_interface, 4, id, &surface_requests);
}

static void create_region(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	make(wl_resource_get_user_data(resource), client, &wl_region_interface, 1, id,
		&region_requests);
}

static const struct wl_compositor_interface compositor_requests = {
	.create_surface = create_surface,
	.create_region = create_region,
};

static void bind_compositor(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &wl_compositor_interface, version, id, &compositor_requests);
}

/* wp_presentation: every commit is shown at once. */

static void ask_feedback(struct wl_client *client, struct wl_resource *resource,
	struct wl_resource *surface, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	struct wl_resource *feedback =
		make(fake, client, &wp_presentation_feedback_interface, 1, id, NULL);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	wp_presentation_feedback_send_presented(
		feedback, 0, (uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, 16666667, 0, 0, 0);
	wl_resource_destroy(feedback);
	fake->feedbacks++;
}

static const struct wp_presentation_interface presentation_requests = {
	.destroy = destroy_resource,
	.feedback = ask_feedback,
};

static void bind_presentation(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	wp_presentation_send_clock_id(
		make(data, client, &wp_presentation_interface, version, id, &presentation_requests),
		CLOCK_MONOTONIC);
}

/* mullion_guest_v1 */

static const struct mullion_desktop_v1_interface desktop_requests = {
	.destroy = destroy_resource,
};

static void get_desktop(struct wl_client *client, struct wl_resource *resource, uint32_t id,
	struct wl_resource *surface_resource, uint32_t head) {
	struct fake_surface *surface = wl_resource_get_user_data(surface_resource);
	assert(surface->desktop == NULL && surface == &surface->fake->head[head]);
	surface->desktop =
		make_part(surface, client, &mullion_desktop_v1_interface, 1, id, &desktop_requests);
	mullion_desktop_v1_send_visibility(surface->desktop, MULLION_DESKTOP_V1_VISIBILITY_VISIBLE);
}

static const struct mullion_guest_v1_interface guest_requests = {
	.destroy = destroy_resource,
	.get_desktop = get_desktop,
};

static void bind_guest(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &mullion_guest_v1_interface, version, id, &guest_requests);
}

/* wp_fractional_scale_manager_v1 and wp_viewporter */

static const struct wp_fractional_scale_v1_interface fractional_requests = {
	.destroy = destroy_resource,
};

static void get_fractional(struct wl_client *client, struct wl_resource *resource, uint32_t id,
	struct wl_resource *surface_resource) {
	struct fake_surface *surface = wl_resource_get_user_data(surface_resource);
	surface->fractional = make_part(
		surface, client, &wp_fractional_scale_v1_interface, 1, id, &fractional_requests);
}

static const struct wp_fractional_scale_manager_v1_interface fractionals_requests = {
	.destroy = destroy_resource,
	.get_fractional_scale = get_fractional,
};

static void bind_fractionals(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &wp_fractional_scale_manager_v1_interface, version, id,
		&fractionals_requests);
}

static void set_source(struct wl_client *client, struct wl_resource *resource, wl_fixed_t x,
	wl_fixed_t y, wl_fixed_t width, wl_fixed_t height) {
	assert(false);
}

static void set_destination(
	struct wl_client *client, struct wl_resource *resource, int32_t width, int32_t height) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	surface->surface_width = width;
	surface->surface_height = height;
}

static const struct wp_viewport_interface viewport_requests = {
	.destroy = destroy_resource,
	.set_source = set_source,
	.set_destination = set_destination,
};

static void get_viewport(struct wl_client *client, struct wl_resource *resource, uint32_t id,
	struct wl_resource *surface_resource) {
	struct fake_surface *surface = wl_resource_get_user_data(surface_resource);
	surface->viewport =
		make_part(surface, client, &wp_viewport_interface, 1, id, &viewport_requests);
}

static const struct wp_viewporter_interface viewporter_requests = {
	.destroy = destroy_resource,
	.get_viewport = get_viewport,
};

static void bind_viewporter(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &wp_viewporter_interface, version, id, &viewporter_requests);
}

/* xdg_wm_base */

static void toplevel_set_title(
	struct wl_client *client, struct wl_resource *resource, const char *string) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	free(surface->title);
	surface->title = strdup(string);
}

static void toplevel_set_app_id(
	struct wl_client *client, struct wl_resource *resource, const char *string) {
}

static void toplevel_set_size(
	struct wl_client *client, struct wl_resource *resource, int32_t width, int32_t height) {
	((struct fake_surface *)wl_resource_get_user_data(resource))->fixed = true;
}

static const struct xdg_toplevel_interface toplevel_requests = {
	.destroy = destroy_resource,
	.set_title = toplevel_set_title,
	.set_app_id = toplevel_set_app_id,
	.set_max_size = toplevel_set_size,
	.set_min_size = toplevel_set_size,
};

static void get_toplevel(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake_surface *surface = wl_resource_get_user_data(resource);
	surface->toplevel =
		make_part(surface, client, &xdg_toplevel_interface, 1, id, &toplevel_requests);
}

static void ack_configure(struct wl_client *client, struct wl_resource *resource, uint32_t serial) {
}

static const struct xdg_surface_interface xdg_surface_requests = {
	.destroy = destroy_resource,
	.get_toplevel = get_toplevel,
	.ack_configure = ack_configure,
};

static void get_xdg_surface(struct wl_client *client, struct wl_resource *resource, uint32_t id,
	struct wl_resource *surface_resource) {
	struct fake_surface *surface = wl_resource_get_user_data(surface_resource);
	surface->xdg_surface =
		make_part(surface, client, &xdg_surface_interface, 1, id, &xdg_surface_requests);
}

static void pong(struct wl_client *client, struct wl_resource *resource, uint32_t serial) {
}

static const struct xdg_wm_base_interface wm_base_requests = {
	.destroy = destroy_resource,
	.get_xdg_surface = get_xdg_surface,
	.pong = pong,
};

static void bind_wm_base(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct fake *fake = data;
	fake->wm_base = make(fake, client, &xdg_wm_base_interface, version, id, &wm_base_requests);
}

/* wl_seat */

static void set_cursor(struct wl_client *client, struct wl_resource *resource, uint32_t serial,
	struct wl_resource *surface, int32_t hot_x, int32_t hot_y) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->cursor = (struct fake_cursor){
		.requests = fake->cursor.requests + 1,
		.serial = serial,
		.surface = surface != NULL ? wl_resource_get_user_data(surface) : NULL,
		.hot_x = hot_x,
		.hot_y = hot_y,
	};
}

static const struct wl_pointer_interface pointer_requests = {
	.set_cursor = set_cursor,
	.release = destroy_resource,
};

static const struct wl_keyboard_interface keyboard_requests = {
	.release = destroy_resource,
};

static void get_pointer(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->pointer = make(fake, client, &wl_pointer_interface,
		(uint32_t)wl_resource_get_version(resource), id, &pointer_requests);
}

static void get_keyboard(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->keyboard = make(fake, client, &wl_keyboard_interface,
		(uint32_t)wl_resource_get_version(resource), id, &keyboard_requests);
}

static const struct wl_touch_interface touch_requests = {
	.release = destroy_resource,
};

static void get_touch(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->touch = make(fake, client, &wl_touch_interface,
		(uint32_t)wl_resource_get_version(resource), id, &touch_requests);
}

static const struct wl_seat_interface seat_requests = {
	.get_pointer = get_pointer,
	.get_keyboard = get_keyboard,
	.get_touch = get_touch,
	.release = destroy_resource,
};

static void bind_seat(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct fake *fake = data;
	fake->seat = make(fake, client, &wl_seat_interface, version, id, &seat_requests);
	wl_seat_send_capabilities(
		fake->seat, WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD);
}

/* wp_cursor_shape_manager_v1 */

static void set_shape(
	struct wl_client *client, struct wl_resource *resource, uint32_t serial, uint32_t shape) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->cursor = (struct fake_cursor){
		.requests = fake->cursor.requests + 1,
		.serial = serial,
		.shape = shape,
	};
}

static const struct wp_cursor_shape_device_v1_interface shape_requests = {
	.destroy = destroy_resource,
	.set_shape = set_shape,
};

static void get_shape_device(struct wl_client *client, struct wl_resource *resource, uint32_t id,
	struct wl_resource *pointer) {
	make(wl_resource_get_user_data(resource), client, &wp_cursor_shape_device_v1_interface, 1,
		id, &shape_requests);
}

static const struct wp_cursor_shape_manager_v1_interface shapes_requests = {
	.destroy = destroy_resource,
	.get_pointer = get_shape_device,
};

static void bind_shapes(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &wp_cursor_shape_manager_v1_interface, version, id, &shapes_requests);
}

/* zwp_relative_pointer_manager_v1 */

static const struct zwp_relative_pointer_v1_interface relative_requests = {
	.destroy = destroy_resource,
};

static void get_relative_pointer(struct wl_client *client, struct wl_resource *resource,
	uint32_t id, struct wl_resource *pointer) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->relative =
		make(fake, client, &zwp_relative_pointer_v1_interface, 1, id, &relative_requests);
}

static const struct zwp_relative_pointer_manager_v1_interface relatives_requests = {
	.destroy = destroy_resource,
	.get_relative_pointer = get_relative_pointer,
};

static void bind_relatives(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &zwp_relative_pointer_manager_v1_interface, version, id,
		&relatives_requests);
}

/* zwp_linux_dmabuf_v1 */

static const struct wl_buffer_interface buffer_requests = {.destroy = destroy_resource};

static void add_dmabuf(struct wl_client *client, struct wl_resource *resource, int32_t fd,
	uint32_t plane, uint32_t offset, uint32_t stride, uint32_t high, uint32_t low) {
	struct fake *fake = wl_resource_get_user_data(resource);
	assert(plane == 0);
	close(fd);
	fake->dmabufs.offset = offset;
	fake->dmabufs.stride = stride;
	fake->dmabufs.modifier = (uint64_t)high << 32 | low;
}

static void create_dmabuf(struct wl_client *client, struct wl_resource *resource, int32_t width,
	int32_t height, uint32_t format, uint32_t flags) {
	struct fake *fake = wl_resource_get_user_data(resource);
	assert(flags == 0);
	fake->dmabufs.asked++;
	fake->dmabufs.width = width;
	fake->dmabufs.height = height;
	fake->dmabufs.format = format;
	if (fake->options.dmabufs != FAKE_DMABUFS_TAKEN) {
		zwp_linux_buffer_params_v1_send_failed(resource);
		return;
	}
	fake->dmabufs.taken++;
	zwp_linux_buffer_params_v1_send_created(
		resource, make(fake, client, &wl_buffer_interface, 1, 0, &buffer_requests));
}

static const struct zwp_linux_buffer_params_v1_interface params_requests = {
	.destroy = destroy_resource,
	.add = add_dmabuf,
	.create = create_dmabuf,
};

static void create_params(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	make(wl_resource_get_user_data(resource), client, &zwp_linux_buffer_params_v1_interface, 3,
		id, &params_requests);
}

static const struct zwp_linux_dmabuf_v1_interface dmabuf_requests = {
	.destroy = destroy_resource,
	.create_params = create_params,
};

static void bind_dmabuf(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct fake *fake = data;
	struct wl_resource *resource =
		make(fake, client, &zwp_linux_dmabuf_v1_interface, version, id, &dmabuf_requests);
	const uint64_t modifiers[] = {DRM_FORMAT_MOD_INVALID, DRM_FORMAT_MOD_LINEAR};
	size_t n = fake->options.dmabufs == FAKE_DMABUFS_IMPLICIT ? 1 : 2;
	for (size_t i = 0; i < n; i++) {
		zwp_linux_dmabuf_v1_send_modifier(resource, DRM_FORMAT_XRGB8888,
			(uint32_t)(modifiers[i] >> 32), (uint32_t)modifiers[i]);
	}
}

/* The compositor itself */

void fake_init(struct fake *fake, const struct fake_options *options) {
	*fake = (struct fake){.options = *options};
	fake->display = wl_display_create();
	assert(fake->display != NULL);
	wl_display_init_shm(fake->display);
	if (!options->few_formats) {
		wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_RGB565);
		wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_XRGB1555);
		wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_RGB888);
		wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_XBGR8888);
		wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_BGRX8888);
		wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_RGBX8888);
	}
	wl_global_create(fake->display, &wl_compositor_interface, 4, fake, bind_compositor);
	wl_global_create(fake->display, &xdg_wm_base_interface, 1, fake, bind_wm_base);
	wl_global_create(fake->display, &wl_seat_interface, 8, fake, bind_seat);
	if (options->scales) {
		wl_global_create(fake->display, &wp_fractional_scale_manager_v1_interface, 1, fake,
			bind_fractionals);
		wl_global_create(fake->display, &wp_viewporter_interface, 1, fake, bind_viewporter);
	}
	if (!options->no_guest_role) {
		wl_global_create(fake->display, &mullion_guest_v1_interface, 1, fake, bind_guest);
	}
	wl_global_create(
		fake->display, &zwp_relative_pointer_manager_v1_interface, 1, fake, bind_relatives);
	if (!options->no_shapes) {
		wl_global_create(
			fake->display, &wp_cursor_shape_manager_v1_interface, 1, fake, bind_shapes);
	}
	if (options->dmabufs != FAKE_DMABUFS_UNKNOWN) {
		wl_global_create(
			fake->display, &zwp_linux_dmabuf_v1_interface, 4, fake, bind_dmabuf);
	}
	if (!options->no_presentation) {
		wl_global_create(
			fake->display, &wp_presentation_interface, 1, fake, bind_presentation);
	}
}

void fake_finish(struct fake *fake) {
	wl_display_destroy_clients(fake->display);
	wl_display_destroy(fake->display);
	for (size_t i = 0; i < FAKE_SURFACES_MAX; i++) {
		free(fake->head[i].title);
	}
}

static void handle_client_gone(struct wl_listener *listener, void *data) {
	struct fake *fake = wl_container_of(listener, fake, client_gone);
	fake->client = NULL;
	for (size_t i = 0; i < FAKE_SURFACES_MAX; i++) {
		struct fake_surface *surface = &fake->head[i];
		surface->buffer = surface->last_buffer = surface->attached = NULL;
		surface->commits = 0;
	}
}

int fake_connect(struct fake *fake) {
	int pair[2];
	int error = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	assert(error == 0);
	assert(fake->client == NULL);
	fake->client = wl_client_create(fake->display, pair[0]);
	assert(fake->client != NULL);
	fake->client_gone.notify = handle_client_gone;
	wl_client_add_destroy_listener(fake->client, &fake->client_gone);
	return pair[1];
}

void fake_run(struct fake *fake) {
	wl_event_loop_dispatch(wl_display_get_event_loop(fake->display), 0);
	wl_display_flush_clients(fake->display);
}

void fake_frame(struct fake_surface *surface) {
	if (surface->frame != NULL) {
		wl_callback_send_done(surface->frame, 0);
		wl_resource_destroy(surface->frame);
	}
}

struct wl_shm_buffer *fake_picture(const struct fake_surface *surface) {
	return surface->buffer != NULL ? wl_shm_buffer_get(surface->buffer) : NULL;
}
