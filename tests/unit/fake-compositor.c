#include "fake-compositor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "mullion-guest-v1-protocol.h"
#include "presentation-time-protocol.h"
#include "xdg-shell-protocol.h"

static void destroy_resource(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

/* Sets a pointer to NULL when its resource goes. */
static void forget(struct wl_resource *resource) {
	struct fake *fake = wl_resource_get_user_data(resource);
	struct wl_resource **all[] = {&fake->surface, &fake->desktop, &fake->wm_base,
		&fake->xdg_surface, &fake->toplevel, &fake->seat, &fake->keyboard, &fake->pointer,
		&fake->frame};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] == resource) {
			*all[i] = NULL;
		}
	}
}

static struct wl_resource *make(struct fake *fake, struct wl_client *client,
	const struct wl_interface *interface, uint32_t version, uint32_t id, const void *requests) {
	struct wl_resource *resource = wl_resource_create(client, interface, (int)version, id);
	assert(resource != NULL);
	wl_resource_set_implementation(resource, requests, fake, forget);
	return resource;
}

/* wl_surface */

static void surface_attach(struct wl_client *client, struct wl_resource *resource,
	struct wl_resource *buffer, int32_t x, int32_t y) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->attached = buffer;
}

static void surface_damage_buffer(struct wl_client *client, struct wl_resource *resource, int32_t x,
	int32_t y, int32_t width, int32_t height) {
	struct fake *fake = wl_resource_get_user_data(resource);
	assert(fake->pending_len < FAKE_BOXES_MAX);
	fake->pending[fake->pending_len++] = (struct fake_box){x, y, width, height};
}

static void surface_frame(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->frame = make(fake, client, &wl_callback_interface, 1, id, NULL);
}

static void surface_set_region(
	struct wl_client *client, struct wl_resource *resource, struct wl_resource *region) {
}

static void surface_commit(struct wl_client *client, struct wl_resource *resource) {
	struct fake *fake = wl_resource_get_user_data(resource);
	if (fake->attached == NULL) {
		fake->empty_commits++;
		if (fake->xdg_surface != NULL) {
			xdg_surface_send_configure(fake->xdg_surface, ++fake->serial);
		}
		return;
	}
	fake->commits++;
	fake->last_buffer = fake->buffer;
	fake->buffer = fake->attached;
	fake->attached = NULL;
	memcpy(fake->boxes, fake->pending, sizeof(fake->boxes));
	fake->boxes_len = fake->pending_len;
	fake->pending_len = 0;
	if (!fake->options.hold_buffers && fake->last_buffer != NULL &&
		fake->last_buffer != fake->buffer) {
		wl_buffer_send_release(fake->last_buffer);
	}
	if (!fake->options.hold_frames) {
		fake_frame(fake);
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
	assert(fake->surface == NULL);
	fake->surface = make(fake, client, &wl_surface_interface, 4, id, &surface_requests);
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
	struct wl_resource *surface, uint32_t head) {
	struct fake *fake = wl_resource_get_user_data(resource);
	assert(head == 0 && fake->desktop == NULL);
	fake->desktop = make(fake, client, &mullion_desktop_v1_interface, 1, id, &desktop_requests);
	mullion_desktop_v1_send_visibility(fake->desktop, MULLION_DESKTOP_V1_VISIBILITY_VISIBLE);
}

static const struct mullion_guest_v1_interface guest_requests = {
	.destroy = destroy_resource,
	.get_desktop = get_desktop,
};

static void bind_guest(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	make(data, client, &mullion_guest_v1_interface, version, id, &guest_requests);
}

/* xdg_wm_base */

static void toplevel_set_string(
	struct wl_client *client, struct wl_resource *resource, const char *string) {
	struct fake *fake = wl_resource_get_user_data(resource);
	free(fake->title);
	fake->title = strdup(string);
}

static void toplevel_set_app_id(
	struct wl_client *client, struct wl_resource *resource, const char *string) {
}

static void toplevel_set_size(
	struct wl_client *client, struct wl_resource *resource, int32_t width, int32_t height) {
}

static const struct xdg_toplevel_interface toplevel_requests = {
	.destroy = destroy_resource,
	.set_title = toplevel_set_string,
	.set_app_id = toplevel_set_app_id,
	.set_max_size = toplevel_set_size,
	.set_min_size = toplevel_set_size,
};

static void get_toplevel(struct wl_client *client, struct wl_resource *resource, uint32_t id) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->toplevel = make(fake, client, &xdg_toplevel_interface, 1, id, &toplevel_requests);
}

static void ack_configure(struct wl_client *client, struct wl_resource *resource, uint32_t serial) {
}

static const struct xdg_surface_interface xdg_surface_requests = {
	.destroy = destroy_resource,
	.get_toplevel = get_toplevel,
	.ack_configure = ack_configure,
};

static void get_xdg_surface(struct wl_client *client, struct wl_resource *resource, uint32_t id,
	struct wl_resource *surface) {
	struct fake *fake = wl_resource_get_user_data(resource);
	fake->xdg_surface =
		make(fake, client, &xdg_surface_interface, 1, id, &xdg_surface_requests);
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

static const struct wl_pointer_interface pointer_requests = {
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

static const struct wl_seat_interface seat_requests = {
	.get_pointer = get_pointer,
	.get_keyboard = get_keyboard,
	.release = destroy_resource,
};

static void bind_seat(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct fake *fake = data;
	fake->seat = make(fake, client, &wl_seat_interface, version, id, &seat_requests);
	wl_seat_send_capabilities(
		fake->seat, WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD);
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
	}
	wl_global_create(fake->display, &wl_compositor_interface, 4, fake, bind_compositor);
	wl_global_create(fake->display, &xdg_wm_base_interface, 1, fake, bind_wm_base);
	wl_global_create(fake->display, &wl_seat_interface, 8, fake, bind_seat);
	if (!options->no_guest_role) {
		wl_global_create(fake->display, &mullion_guest_v1_interface, 1, fake, bind_guest);
	}
	if (!options->no_presentation) {
		wl_global_create(
			fake->display, &wp_presentation_interface, 1, fake, bind_presentation);
	}
}

void fake_finish(struct fake *fake) {
	wl_display_destroy_clients(fake->display);
	wl_display_destroy(fake->display);
	free(fake->title);
}

static void handle_client_gone(struct wl_listener *listener, void *data) {
	struct fake *fake = wl_container_of(listener, fake, client_gone);
	fake->client = NULL;
	fake->buffer = fake->last_buffer = fake->attached = NULL;
	fake->commits = 0;
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

void fake_frame(struct fake *fake) {
	if (fake->frame != NULL) {
		wl_callback_send_done(fake->frame, 0);
		wl_resource_destroy(fake->frame);
	}
}

struct wl_shm_buffer *fake_picture(struct fake *fake) {
	return fake->buffer != NULL ? wl_shm_buffer_get(fake->buffer) : NULL;
}
