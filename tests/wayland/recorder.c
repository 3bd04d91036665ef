#include "recorder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-server.h>

#include "clock.h"
#include "mullion-guest-v1-protocol.h"
#include "presentation-time-protocol.h"

#define TICK_MSEC 16
#define REFRESH_NSEC 16666667
#define CALLBACKS_MAX 64

struct recorder_private {
	struct recorder *recorder;
	struct wl_display *display;
	struct wl_event_loop *loop;
	struct wl_event_source *tick;
	struct wl_client *client;
	struct wl_listener client_destroy;
	struct wl_resource *desktop; // mullion_desktop_v1, or NULL
	bool visible;

	// The client's one surface.
	struct wl_resource *pending, *current; // wl_buffer
	struct wl_listener pending_destroy, current_destroy;
	bool attached;
	struct recorder_box damage[RECORDER_BOXES];
	size_t damage_len;
	struct wl_list frames;          // wl_resource.link
	struct wl_list feedbacks;       // wl_resource.link, not yet committed
	struct wl_list shown_feedbacks; // wl_resource.link, to be answered at the tick
};

static struct recorder_private *from(struct wl_resource *resource) {
	return wl_resource_get_user_data(resource);
}

static void set_buffer(
	struct wl_resource **slot, struct wl_listener *listener, struct wl_resource *buffer) {
	if (*slot != NULL) {
		wl_list_remove(&listener->link);
	}
	*slot = buffer;
	if (buffer != NULL) {
		wl_resource_add_destroy_listener(buffer, listener);
	}
}

static void handle_pending_destroy(struct wl_listener *listener, void *data) {
	struct recorder_private *p = wl_container_of(listener, p, pending_destroy);
	set_buffer(&p->pending, &p->pending_destroy, NULL);
}

static void handle_current_destroy(struct wl_listener *listener, void *data) {
	struct recorder_private *p = wl_container_of(listener, p, current_destroy);
	set_buffer(&p->current, &p->current_destroy, NULL);
}

static void unlink_resource(struct wl_resource *resource) {
	wl_list_remove(wl_resource_get_link(resource));
}

static void destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

/* Pixels */

static uint32_t pixel_value(const uint8_t *row, uint32_t x, uint32_t format) {
	uint32_t pixel = 0;
	switch (format) {
	case WL_SHM_FORMAT_RGB565:
		memcpy(&pixel, row + 2 * x, 2);
		return (pixel >> 11) * 255 / 31 << 16 | (pixel >> 5 & 63) * 255 / 63 << 8 |
			(pixel & 31) * 255 / 31;
	case WL_SHM_FORMAT_XRGB1555:
		memcpy(&pixel, row + 2 * x, 2);
		return (pixel >> 10 & 31) * 255 / 31 << 16 | (pixel >> 5 & 31) * 255 / 31 << 8 |
			(pixel & 31) * 255 / 31;
	case WL_SHM_FORMAT_RGB888:
		memcpy(&pixel, row + 3 * x, 3);
		return pixel;
	default:
		memcpy(&pixel, row + 4 * x, 4);
		return pixel & 0xffffff;
	}
}

static bool in_damage(const struct recorder_private *p, int32_t x, int32_t y) {
	for (size_t i = 0; i < p->damage_len; i++) {
		const struct recorder_box *box = &p->damage[i];
		if (x >= box->x && y >= box->y && x - box->x < box->width &&
			y - box->y < box->height) {
			return true;
		}
	}
	return false;
}

/* A client that names too little damage leaves old pixels on the screen. The guest may
 * be drawing at this moment, so this counts, and only a still picture can be judged. */
static bool copy_pixels(struct recorder_private *p, const uint8_t *data, bool same_size) {
	struct recorder *r = p->recorder;
	bool outside = false;
	for (uint32_t y = 0; y < r->height; y++) {
		uint32_t *row = r->pixels + (uint64_t)y * r->width;
		for (uint32_t x = 0; x < r->width; x++) {
			uint32_t pixel = pixel_value(data + (uint64_t)y * r->stride, x, r->format);
			outside = outside ||
				(same_size && pixel != row[x] &&
					!in_damage(p, (int32_t)x, (int32_t)y));
			row[x] = pixel;
		}
	}
	return outside;
}

static void record(struct recorder_private *p) {
	struct recorder *r = p->recorder;
	struct wl_shm_buffer *shm = wl_shm_buffer_get(p->pending);
	if (shm == NULL) {
		return;
	}
	uint32_t width = (uint32_t)wl_shm_buffer_get_width(shm);
	uint32_t height = (uint32_t)wl_shm_buffer_get_height(shm);
	bool same_size = r->pixels != NULL && r->width == width && r->height == height;
	if (!same_size) {
		free(r->pixels);
		r->pixels = calloc((size_t)width * height, sizeof(*r->pixels));
	}
	r->width = width;
	r->height = height;
	r->stride = (uint32_t)wl_shm_buffer_get_stride(shm);
	r->format = wl_shm_buffer_get_format(shm);
	wl_shm_buffer_begin_access(shm);
	r->out_of_box += copy_pixels(p, wl_shm_buffer_get_data(shm), same_size);
	wl_shm_buffer_end_access(shm);
	memcpy(r->damage, p->damage, sizeof(r->damage));
	r->damage_len = p->damage_len;
	r->commit_time = clock_nsec();
	r->commits++;
}

/* wl_surface */

static void surface_attach(struct wl_client *client, struct wl_resource *surface,
	struct wl_resource *buffer, int32_t x, int32_t y) {
	struct recorder_private *p = from(surface);
	set_buffer(&p->pending, &p->pending_destroy, buffer);
	p->attached = true;
}

static void surface_damage(struct wl_client *client, struct wl_resource *surface, int32_t x,
	int32_t y, int32_t width, int32_t height) {
	struct recorder_private *p = from(surface);
	if (p->damage_len < RECORDER_BOXES) {
		p->damage[p->damage_len++] = (struct recorder_box){x, y, width, height};
	}
}

static void surface_frame(struct wl_client *client, struct wl_resource *surface, uint32_t id) {
	struct recorder_private *p = from(surface);
	struct wl_resource *callback = wl_resource_create(client, &wl_callback_interface, 1, id);
	wl_resource_set_implementation(callback, NULL, p, unlink_resource);
	wl_list_insert(&p->frames, wl_resource_get_link(callback));
}

static void surface_commit(struct wl_client *client, struct wl_resource *surface) {
	struct recorder_private *p = from(surface);
	bool shown = p->attached && p->pending != NULL;
	if (client != p->client) {
		return;
	}
	if (shown) {
		record(p);
		if (p->current != NULL && p->current != p->pending) {
			wl_buffer_send_release(p->current);
		}
		set_buffer(&p->current, &p->current_destroy, p->pending);
	} else if (p->attached) {
		p->recorder->unmapped++;
		set_buffer(&p->current, &p->current_destroy, NULL);
	}
	wl_list_insert_list(&p->shown_feedbacks, &p->feedbacks);
	wl_list_init(&p->feedbacks);
	set_buffer(&p->pending, &p->pending_destroy, NULL);
	p->attached = false;
	p->damage_len = 0;
	if (shown && p->recorder->on_commit != NULL) {
		p->recorder->on_commit(p->recorder, p->recorder->data);
	}
}

static void surface_set_region(
	struct wl_client *client, struct wl_resource *surface, struct wl_resource *region) {
}

static void surface_set_number(
	struct wl_client *client, struct wl_resource *surface, int32_t number) {
}

static const struct wl_surface_interface surface_implementation = {
	.destroy = destroy,
	.attach = surface_attach,
	.damage = surface_damage,
	.frame = surface_frame,
	.set_opaque_region = surface_set_region,
	.set_input_region = surface_set_region,
	.commit = surface_commit,
	.set_buffer_transform = surface_set_number,
	.set_buffer_scale = surface_set_number,
	.damage_buffer = surface_damage,
};

static void region_change(struct wl_client *client, struct wl_resource *region, int32_t x,
	int32_t y, int32_t width, int32_t height) {
}

static const struct wl_region_interface region_implementation = {
	.destroy = destroy,
	.add = region_change,
	.subtract = region_change,
};

static void compositor_create_surface(
	struct wl_client *client, struct wl_resource *compositor, uint32_t id) {
	struct wl_resource *surface = wl_resource_create(
		client, &wl_surface_interface, wl_resource_get_version(compositor), id);
	wl_resource_set_implementation(surface, &surface_implementation, from(compositor), NULL);
}

static void compositor_create_region(
	struct wl_client *client, struct wl_resource *compositor, uint32_t id) {
	struct wl_resource *region = wl_resource_create(client, &wl_region_interface, 1, id);
	wl_resource_set_implementation(region, &region_implementation, NULL, NULL);
}

static const struct wl_compositor_interface compositor_implementation = {
	.create_surface = compositor_create_surface,
	.create_region = compositor_create_region,
};

static void bind_compositor(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *resource =
		wl_resource_create(client, &wl_compositor_interface, (int)version, id);
	wl_resource_set_implementation(resource, &compositor_implementation, data, NULL);
}

/* wp_presentation */

static void presentation_feedback(struct wl_client *client, struct wl_resource *presentation,
	struct wl_resource *surface, uint32_t id) {
	struct recorder_private *p = from(presentation);
	struct wl_resource *feedback =
		wl_resource_create(client, &wp_presentation_feedback_interface, 1, id);
	wl_resource_set_implementation(feedback, NULL, p, unlink_resource);
	wl_list_insert(&p->feedbacks, wl_resource_get_link(feedback));
}

static const struct wp_presentation_interface presentation_implementation = {
	.destroy = destroy,
	.feedback = presentation_feedback,
};

static void bind_presentation(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *resource =
		wl_resource_create(client, &wp_presentation_interface, 1, id);
	wl_resource_set_implementation(resource, &presentation_implementation, data, NULL);
	wp_presentation_send_clock_id(resource, CLOCK_MONOTONIC);
}

/* mullion_guest_v1 */

static void forget_desktop(struct wl_resource *desktop) {
	struct recorder_private *p = from(desktop);
	if (p->desktop == desktop) {
		p->desktop = NULL;
	}
}

static const struct mullion_desktop_v1_interface desktop_implementation = {
	.destroy = destroy,
};

static void send_visibility(struct recorder_private *p) {
	if (p->desktop != NULL) {
		mullion_desktop_v1_send_visibility(p->desktop,
			p->visible ? MULLION_DESKTOP_V1_VISIBILITY_VISIBLE
				   : MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	}
}

static void guest_get_desktop(struct wl_client *client, struct wl_resource *guest, uint32_t id,
	struct wl_resource *surface, uint32_t head) {
	struct recorder_private *p = from(guest);
	struct wl_resource *desktop =
		wl_resource_create(client, &mullion_desktop_v1_interface, 1, id);
	wl_resource_set_implementation(desktop, &desktop_implementation, p, forget_desktop);
	p->desktop = desktop;
	mullion_desktop_v1_send_configure(desktop, 1024, 768, 60000, 120);
	send_visibility(p);
}

static const struct mullion_guest_v1_interface guest_implementation = {
	.destroy = destroy,
	.get_desktop = guest_get_desktop,
};

static void bind_guest(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *resource =
		wl_resource_create(client, &mullion_guest_v1_interface, 1, id);
	wl_resource_set_implementation(resource, &guest_implementation, data, NULL);
}

/* The 60 Hz output */

static void answer_feedback(struct wl_resource *feedback) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	wp_presentation_feedback_send_presented(feedback, (uint32_t)((uint64_t)now.tv_sec >> 32),
		(uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, REFRESH_NSEC, 0, 0, 0);
	wl_resource_destroy(feedback);
}

static int handle_tick(void *data) {
	struct recorder_private *p = data;
	wl_event_source_timer_update(p->tick, TICK_MSEC);
	struct wl_resource *resource, *next;
	wl_resource_for_each_safe(resource, next, &p->shown_feedbacks) {
		answer_feedback(resource);
	}
	if (!p->visible) {
		return 0;
	}
	wl_resource_for_each_safe(resource, next, &p->frames) {
		wl_callback_send_done(resource, (uint32_t)(clock_usec() / 1000));
		wl_resource_destroy(resource);
	}
	return 0;
}

static void handle_client_destroy(struct wl_listener *listener, void *data) {
	struct recorder_private *p = wl_container_of(listener, p, client_destroy);
	wl_list_remove(&listener->link);
	p->client = NULL;
	p->recorder->gone = true;
}

int recorder_connect(struct recorder *recorder) {
	struct recorder_private *p = recorder->private;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return -1;
	}
	if (p->client != NULL) {
		wl_list_remove(&p->client_destroy.link);
		p->client = NULL;
	}
	recorder->gone = false;
	p->client = wl_client_create(p->display, pair[0]);
	if (p->client == NULL) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	wl_client_add_destroy_listener(p->client, &p->client_destroy);
	return pair[1];
}

static bool init(struct recorder_private *p, unsigned flags) {
	p->display = wl_display_create();
	if (p->display == NULL || wl_display_init_shm(p->display) < 0) {
		return false;
	}
	if ((flags & RECORDER_FORMATS_ALL) != 0) {
		wl_display_add_shm_format(p->display, WL_SHM_FORMAT_RGB565);
		wl_display_add_shm_format(p->display, WL_SHM_FORMAT_XRGB1555);
		wl_display_add_shm_format(p->display, WL_SHM_FORMAT_RGB888);
	}
	wl_global_create(p->display, &wl_compositor_interface, 4, p, bind_compositor);
	wl_global_create(p->display, &wp_presentation_interface, 1, p, bind_presentation);
	wl_global_create(p->display, &mullion_guest_v1_interface, 1, p, bind_guest);
	p->loop = wl_display_get_event_loop(p->display);
	p->tick = wl_event_loop_add_timer(p->loop, handle_tick, p);
	return p->tick != NULL && wl_event_source_timer_update(p->tick, TICK_MSEC) == 0;
}

struct recorder *recorder_create(unsigned flags, int *ret_fd) {
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	struct recorder_private *p = calloc(1, sizeof(*p));
	if (recorder == NULL || p == NULL) {
		free(p);
		free(recorder);
		return NULL;
	}
	*p = (struct recorder_private){
		.recorder = recorder,
		.visible = true,
		.client_destroy.notify = handle_client_destroy,
		.pending_destroy.notify = handle_pending_destroy,
		.current_destroy.notify = handle_current_destroy,
	};
	wl_list_init(&p->frames);
	wl_list_init(&p->feedbacks);
	wl_list_init(&p->shown_feedbacks);
	recorder->private = p;
	int fd = init(p, flags) ? recorder_connect(recorder) : -1;
	if (fd < 0) {
		recorder_destroy(recorder);
		return NULL;
	}
	*ret_fd = fd;
	return recorder;
}

void recorder_destroy(struct recorder *recorder) {
	if (recorder == NULL) {
		return;
	}
	struct recorder_private *p = recorder->private;
	if (p->display != NULL) {
		wl_display_destroy_clients(p->display);
		if (p->tick != NULL) {
			wl_event_source_remove(p->tick);
		}
		wl_display_destroy(p->display);
	}
	free(p);
	free(recorder->pixels);
	free(recorder);
}

bool recorder_wait(struct recorder *recorder, bool (*done)(struct recorder *recorder, void *data),
	void *data, int timeout_msec) {
	struct recorder_private *p = recorder->private;
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	for (;;) {
		wl_display_flush_clients(p->display);
		if (done != NULL && done(recorder, data)) {
			return true;
		}
		uint64_t now = clock_usec();
		if (now >= end) {
			return false;
		}
		wl_event_loop_dispatch(p->loop, (int)((end - now + 999) / USEC_PER_MSEC));
	}
}

void recorder_run(struct recorder *recorder, int msec) {
	recorder_wait(recorder, NULL, NULL, msec);
}

static bool more_commits(struct recorder *recorder, void *data) {
	return recorder->commits > *(uint64_t *)data;
}

bool recorder_wait_commit(struct recorder *recorder, int timeout_msec) {
	uint64_t commits = recorder->commits;
	return recorder_wait(recorder, more_commits, &commits, timeout_msec);
}

void recorder_set_visible(struct recorder *recorder, bool visible) {
	recorder->private->visible = visible;
	send_visibility(recorder->private);
}

uint64_t recorder_damage_pixels(const struct recorder *recorder) {
	uint64_t sum = 0;
	for (size_t i = 0; i < recorder->damage_len; i++) {
		sum += (uint64_t)recorder->damage[i].width * (uint64_t)recorder->damage[i].height;
	}
	return sum;
}
