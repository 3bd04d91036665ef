#include "bridge.h"

#include <errno.h>
#include <stdlib.h>

#include "cursor.h"
#include "head.h"
#include "input.h"
#include "log.h"
#include "publish.h"
#include "wayland.h"

struct bridge {
	struct bridge_setup setup; // event is a reference
	struct head heads[BRIDGE_HEADS_MAX];
	struct cursor cursor;

	// One connection.
	struct wayland wayland;
	struct publish_pool pool;
	struct input input;
	const struct head *pointed; // the pointer is on it; or NULL
	bool connected;
	const char *failure; // why the connection is to be closed
};

static void set_plugged(struct bridge *bridge, unsigned head, bool plugged) {
	if (bridge->setup.ops->plugged != NULL) {
		bridge->setup.ops->plugged(bridge->setup.data, head, plugged);
	}
}

static void disconnect(struct bridge *bridge) {
	if (!bridge->connected) {
		return;
	}
	bridge->connected = false;
	bridge->failure = NULL;
	input_finish(&bridge->input);
	cursor_disconnect(&bridge->cursor);
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		struct head *head = &bridge->heads[i];
		if (head->wayland == NULL && head->closed) {
			set_plugged(bridge, i, true);
		}
		head->closed = false;
		head_disconnect(head);
	}
	publish_pool_finish(&bridge->pool);
	wayland_finish(&bridge->wayland);
}

static void lose(struct bridge *bridge, const char *reason) {
	log_info("the connection to the compositor is closed: %s", reason);
	disconnect(bridge);
}

static void send_requests(void *data) {
	struct bridge *bridge = data;
	if (bridge->connected && !wayland_flush(&bridge->wayland)) {
		lose(bridge, "it no longer reads");
	}
}

/*
 * Where a head lies among all that are on: side by side, in the order of their numbers, as
 * GET_DISPLAY_INFO proposes. So guests place a display that is new to them, though Linux's driver
 * (6.12, 7.2) passes no places on; where a user has placed them in another way nobody tells us. One that is off can be pointed at, to wake it.
 */
static void find_area(
	const struct bridge *bridge, const struct head *head, struct input_area *ret) {
	*ret = (struct input_area){
		.width = head->width,
		.height = head->height,
		.surface_width = head->desktop.surface_width,
		.surface_height = head->desktop.surface_height,
	};
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		const struct head *other = &bridge->heads[i];
		if (!other->lit && other != head) {
			continue;
		}
		ret->x += other->number < head->number ? other->width : 0;
		ret->span_width += other->width;
		ret->span_height =
			other->height > ret->span_height ? other->height : ret->span_height;
	}
}

static void update_area(void *data) {
	struct bridge *bridge = data;
	struct input_area area;
	find_area(bridge, bridge->pointed != NULL ? bridge->pointed : &bridge->heads[0], &area);
	input_set_area(&bridge->input, &area);
}

static const struct head_ops head_ops = {
	.sent = send_requests,
	.sized = update_area,
};

static void handle_input(void *data, const struct link_input *input) {
	struct bridge *bridge = data;
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		head_wake(&bridge->heads[i]);
	}
	bridge->setup.ops->input(bridge->setup.data, input);
}

static void handle_pointed(
	void *data, struct wl_pointer *pointer, uint32_t serial, struct wl_surface *surface) {
	struct bridge *bridge = data;
	bridge->pointed = NULL;
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		if (head_owns(&bridge->heads[i], surface)) {
			bridge->pointed = &bridge->heads[i];
		}
	}
	cursor_pointed(&bridge->cursor, bridge->pointed != NULL ? pointer : NULL, serial,
		bridge->pointed != NULL ? bridge->pointed->desktop.scale : 0);
	update_area(bridge);
}

static bool handle_touched(void *data, struct wl_surface *surface, struct input_area *ret) {
	struct bridge *bridge = data;
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		if (head_owns(&bridge->heads[i], surface)) {
			find_area(bridge, &bridge->heads[i], ret);
			return ret->width != 0 && ret->height != 0;
		}
	}
	return false;
}

static const struct input_ops input_ops = {
	.input = handle_input,
	.pointed = handle_pointed,
	.touched = handle_touched,
};

static void handle_ready(void *data) {
	struct bridge *bridge = data;
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		if (head_connect(&bridge->heads[i], &bridge->wayland, &bridge->pool) < 0) {
			bridge->failure =
				"it lacks wl_compositor 4, wl_shm, or a role for a window";
			return;
		}
	}
	cursor_connect(&bridge->cursor, &bridge->wayland);
	if (bridge->wayland.seat != NULL) {
		// Elsewhere it would tell of motion that the guest hears of anyway.
		input_init(&bridge->input, bridge->wayland.seat,
			bridge->wayland.guest != NULL ? bridge->wayland.relative_pointers : NULL,
			&input_ops, bridge);
	}
}

static void handle_gone(void *data, const char *reason) {
	lose(data, reason);
}

static bool another_is_shown(const struct bridge *bridge, const struct head *head) {
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		const struct head *other = &bridge->heads[i];
		if (other != head && other->wayland != NULL && !other->closed &&
			other->width != 0) {
			return true;
		}
	}
	return false;
}

/* A window that its user closes is a monitor that is unplugged; the last one ends it all. */
static void close_head(struct bridge *bridge, struct head *head) {
	if (!another_is_shown(bridge, head)) {
		bridge->failure = "its user has closed the window";
		return;
	}
	head_disconnect(head);
	if (bridge->pointed == head) {
		bridge->pointed = NULL;
		cursor_pointed(&bridge->cursor, NULL, 0, 0);
	}
	update_area(bridge);
	set_plugged(bridge, head->number, false);
}

static void close_heads(struct bridge *bridge) {
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		struct head *head = &bridge->heads[i];
		if (head->closed && head->wayland != NULL) {
			close_head(bridge, head);
		}
	}
}

static void handle_dispatched(void *data) {
	struct bridge *bridge = data;
	close_heads(bridge);
	if (bridge->failure != NULL) {
		lose(bridge, bridge->failure);
		return;
	}
	input_dispatched(&bridge->input);
	cursor_update(&bridge->cursor);
	send_requests(bridge);
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		head_schedule(&bridge->heads[i]);
	}
}

static const struct wayland_ops wayland_ops = {
	.ready = handle_ready,
	.gone = handle_gone,
	.dispatched = handle_dispatched,
};

int bridge_create(struct bridge **ret, const struct bridge_setup *setup) {
	if (setup->heads < 1 || setup->heads > BRIDGE_HEADS_MAX) {
		return -EINVAL;
	}
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	if (bridge == NULL) {
		return -ENOMEM;
	}
	bridge->setup = *setup;
	sd_event_ref(setup->event);
	int error = cursor_init(&bridge->cursor, setup->event, send_requests, bridge);
	for (unsigned i = 0; i < setup->heads && error >= 0; i++) {
		error = head_init(&bridge->heads[i], i, &bridge->setup, &head_ops, bridge);
	}
	if (error < 0) {
		bridge_destroy(bridge);
		return error;
	}
	*ret = bridge;
	return 0;
}

void bridge_destroy(struct bridge *bridge) {
	if (bridge == NULL) {
		return;
	}
	disconnect(bridge);
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		head_finish(&bridge->heads[i]);
	}
	cursor_finish(&bridge->cursor);
	sd_event_unref(bridge->setup.event);
	free(bridge);
}

int bridge_connect(struct bridge *bridge, int fd) {
	disconnect(bridge);
	int error = wayland_init(&bridge->wayland, bridge->setup.event, fd, &wayland_ops, bridge);
	if (error < 0) {
		return error;
	}
	bridge->connected = true;
	publish_pool_init(&bridge->pool, bridge->setup.slice, &bridge->wayland);
	return 0;
}

int bridge_display(const struct bridge *bridge) {
	return bridge->connected ? wl_display_get_fd(bridge->wayland.display) : -1;
}

bool bridge_hidden(const struct bridge *bridge) {
	bool hidden = true;
	for (unsigned i = 0; i < bridge->setup.heads; i++) {
		hidden = hidden && pace_hidden(&bridge->heads[i].pace);
	}
	return hidden;
}

void bridge_scanout_changed(struct bridge *bridge, unsigned head) {
	head_scanout_changed(&bridge->heads[head]);
}

void bridge_keep(struct bridge *bridge, unsigned head) {
	head_keep(&bridge->heads[head]);
}

void bridge_drawn(struct bridge *bridge, unsigned head) {
	head_drawn(&bridge->heads[head]);
}

void bridge_flipped(struct bridge *bridge, unsigned head, const struct damage_boxes *boxes) {
	head_flipped(&bridge->heads[head], boxes);
}

void bridge_flushed(struct bridge *bridge, unsigned head, const struct damage_boxes *boxes) {
	head_flushed(&bridge->heads[head], boxes);
}

void bridge_set_cursor(
	struct bridge *bridge, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y) {
	cursor_set(&bridge->cursor, pixels, hot_x, hot_y);
}

void bridge_reset_cursor(struct bridge *bridge) {
	cursor_reset(&bridge->cursor);
}
