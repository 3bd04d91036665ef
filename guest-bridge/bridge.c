#include "bridge.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "desktop.h"
#include "fd.h"
#include "input.h"
#include "log.h"
#include "pace.h"
#include "publish.h"
#include "wayland.h"

struct bridge {
	sd_event *event; // a reference
	const struct slice *slice;
	const struct bridge_ops *ops;
	void *data;
	sd_event_source *timer;
	uint64_t armed; // time of the timer, PACE_NEVER where it is off
	uint64_t hidden_usec;
	sd_event_source *frame_timer; // owned; answers flushes: enabled where one waits

	// One connection.
	struct wayland wayland;
	struct desktop desktop;
	struct publish publish;
	struct input input;
	struct pace pace;
	bool connected;
	bool configured;     // buffers may be committed
	bool starved;        // publish waits for a buffer
	const char *failure; // why the connection is to be closed
};

static void disconnect(struct bridge *bridge) {
	if (!bridge->connected) {
		return;
	}
	bridge->connected = false;
	bridge->configured = false;
	bridge->starved = false;
	bridge->failure = NULL;
	input_finish(&bridge->input);
	publish_finish(&bridge->publish);
	desktop_finish(&bridge->desktop);
	wayland_finish(&bridge->wayland);
	sd_event_source_set_enabled(bridge->timer, SD_EVENT_OFF);
	bridge->armed = PACE_NEVER;
}

static void lose(struct bridge *bridge, const char *reason) {
	log_info("the connection to the compositor is closed: %s", reason);
	disconnect(bridge);
}

/* Arms the timer for the next look. A look is exact where frames follow each other; one that
 * has backed off leaves the kernel room to join wake-ups. */
static void schedule(struct bridge *bridge) {
	bool able = bridge->configured && !bridge->starved && !wayland_blocked(&bridge->wayland);
	uint64_t next = able ? pace_next(&bridge->pace) : PACE_NEVER;
	if (next == bridge->armed) {
		return;
	}
	bridge->armed = next;
	if (next == PACE_NEVER) {
		sd_event_source_set_enabled(bridge->timer, SD_EVENT_OFF);
		return;
	}
	uint64_t now = clock_usec();
	uint64_t far = next > now ? next - now : 0;
	sd_event_source_set_time_accuracy(bridge->timer, far > PACE_IDLE / 4 ? far / 4 : 1);
	sd_event_source_set_time(bridge->timer, next);
	sd_event_source_set_enabled(bridge->timer, SD_EVENT_ONESHOT);
}

static void commit(struct bridge *bridge, const struct publish_picture *picture) {
	uint64_t aim = pace_committed(&bridge->pace, clock_usec());
	desktop_commit(&bridge->desktop, picture->buffer, picture->width, picture->height,
		&picture->boxes, aim);
	input_set_size(&bridge->input, picture->width, picture->height);
	bridge->ops->committed(bridge->data);
}

static void look(struct bridge *bridge) {
	struct scanout scanout = {0};
	uint32_t palette[256] = {0};
	bridge->ops->get_scanout(bridge->data, 0, &scanout);
	if (scanout.format == SCANOUT_C8) {
		bridge->ops->get_palette(bridge->data, palette);
	}
	struct publish_picture picture;
	enum publish_result result = publish_look(&bridge->publish, &scanout, palette, &picture);
	if (result == PUBLISH_BUSY) {
		bridge->starved = true;
		return;
	}
	bridge->ops->looked(bridge->data);
	pace_looked(&bridge->pace, clock_usec(), result == PUBLISH_CHANGED);
	if (result == PUBLISH_CHANGED) {
		commit(bridge, &picture);
	}
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct bridge *bridge = data;
	bridge->armed = PACE_NEVER;
	look(bridge);
	if (!wayland_flush(&bridge->wayland)) {
		lose(bridge, "it no longer reads");
		return 0;
	}
	schedule(bridge);
	return 0;
}

static void handle_configured(void *data) {
	struct bridge *bridge = data;
	bridge->configured = true;
}

static void handle_visible(void *data, bool visible) {
	struct bridge *bridge = data;
	pace_visible(&bridge->pace, visible);
}

static void handle_frame(void *data) {
	struct bridge *bridge = data;
	pace_frame(&bridge->pace);
}

static void handle_presented(void *data, uint64_t when, uint32_t refresh, uint64_t aim) {
	struct bridge *bridge = data;
	// A clock that runs ahead would put off all looks.
	if (when <= clock_usec() + PACE_IDLE) {
		pace_presented(&bridge->pace, when, refresh, aim);
	}
}

static void handle_closed(void *data) {
	struct bridge *bridge = data;
	bridge->failure = "its user has closed the window";
}

static const struct desktop_ops desktop_ops = {
	.configured = handle_configured,
	.visible = handle_visible,
	.frame = handle_frame,
	.presented = handle_presented,
	.closed = handle_closed,
};

static void handle_released(void *data) {
	struct bridge *bridge = data;
	bridge->starved = false;
}

static void handle_input(void *data, const struct link_input *input) {
	struct bridge *bridge = data;
	pace_wake(&bridge->pace);
	bridge->ops->input(bridge->data, input);
}

static void handle_ready(void *data) {
	struct bridge *bridge = data;
	if (desktop_init(&bridge->desktop, &bridge->wayland, &desktop_ops, bridge) < 0) {
		bridge->failure = "it lacks wl_compositor 4, wl_shm, or a role for a window";
		return;
	}
	if (bridge->wayland.seat != NULL) {
		input_init(&bridge->input, bridge->wayland.seat, handle_input, bridge);
	}
}

static void handle_gone(void *data, const char *reason) {
	lose(data, reason);
}

static void handle_dispatched(void *data) {
	struct bridge *bridge = data;
	if (bridge->failure != NULL) {
		lose(bridge, bridge->failure);
		return;
	}
	schedule(bridge);
}

static const struct wayland_ops wayland_ops = {
	.ready = handle_ready,
	.gone = handle_gone,
	.dispatched = handle_dispatched,
};

/* Flushes are answered once a frame. */
static int handle_frame_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct bridge *bridge = data;
	bridge->ops->frame(bridge->data, 0);
	return 0;
}

static int add_timer(struct bridge *bridge, sd_event_source **ret, sd_event_time_handler_t handle) {
	int error = sd_event_add_time(bridge->event, ret, CLOCK_MONOTONIC, 0, 1, handle, bridge);
	return error < 0 ? error : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int bridge_create(struct bridge **ret, const struct bridge_setup *setup) {
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	if (bridge == NULL) {
		return -ENOMEM;
	}
	bridge->event = sd_event_ref(setup->event);
	bridge->slice = setup->slice;
	bridge->ops = setup->ops;
	bridge->data = setup->data;
	bridge->hidden_usec = setup->hidden_usec;
	bridge->armed = PACE_NEVER;
	int error = add_timer(bridge, &bridge->timer, handle_timer);
	if (error >= 0) {
		error = add_timer(bridge, &bridge->frame_timer, handle_frame_timer);
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
	sd_event_source_disable_unref(bridge->timer);
	sd_event_source_disable_unref(bridge->frame_timer);
	sd_event_unref(bridge->event);
	free(bridge);
}

int bridge_connect(struct bridge *bridge, int fd) {
	disconnect(bridge);
	int error = wayland_init(&bridge->wayland, bridge->event, fd, &wayland_ops, bridge);
	if (error < 0) {
		return error;
	}
	bridge->connected = true;
	pace_init(&bridge->pace);
	publish_init(&bridge->publish, bridge->slice, &bridge->wayland, handle_released, bridge);
	return 0;
}

int bridge_display(const struct bridge *bridge) {
	return bridge->connected ? wl_display_get_fd(bridge->wayland.display) : -1;
}

void bridge_scanout_changed(struct bridge *bridge, unsigned head) {
	bridge_drawn(bridge, head);
}

void bridge_drawn(struct bridge *bridge, unsigned head) {
	if (bridge->connected) {
		pace_hint(&bridge->pace, clock_usec());
		schedule(bridge);
	}
}

void bridge_flushed(struct bridge *bridge, unsigned head, const struct damage_boxes *boxes) {
	bridge_drawn(bridge, head);
	int enabled = SD_EVENT_OFF;
	sd_event_source_get_enabled(bridge->frame_timer, &enabled);
	if (enabled == SD_EVENT_OFF) {
		bool seen = bridge->connected && !bridge->pace.hidden;
		uint64_t wait = seen ? bridge->pace.period : bridge->hidden_usec;
		sd_event_source_set_time(bridge->frame_timer, clock_usec() + wait);
		sd_event_source_set_enabled(bridge->frame_timer, SD_EVENT_ONESHOT);
	}
}

void bridge_set_cursor(
	struct bridge *bridge, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y) {
	// The compositor's own is always shown.
}

void bridge_reset_cursor(struct bridge *bridge) {
}
