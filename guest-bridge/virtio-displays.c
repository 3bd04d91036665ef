#include "virtio-displays.h"

#include <linux/virtio_gpu.h>
#include <string.h>

#include "clock.h"
#include "gpu-command.h"

static unsigned heads(const struct virtio_displays *displays) {
	return displays->link->heads;
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct virtio_displays *displays = data;
	displays->ops->due(displays->data);
	return 0;
}

static void wait_for_replugs(struct virtio_displays *displays) {
	uint64_t due = PACE_NEVER;
	for (unsigned i = 0; i < heads(displays); i++) {
		uint64_t next = replug_due(&displays->replugs[i]);
		due = next < due ? next : due;
	}
	sd_event_source_set_time(displays->timer, due);
	sd_event_source_set_enabled(
		displays->timer, due != PACE_NEVER ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void init_replugs(struct virtio_displays *displays) {
	for (unsigned i = 0; i < heads(displays); i++) {
		bool unplugged = (displays->state->unplugged >> i & 1) != 0;
		bool out = displays->replugs[i].out;
		replug_init(&displays->replugs[i], unplugged, clock_usec());
		if (out) {
			replug_keep_out(&displays->replugs[i], true, clock_usec());
		}
	}
	wait_for_replugs(displays);
}

int virtio_displays_init(struct virtio_displays *displays, sd_event *event,
	struct device_state_gpu *state, const struct link_setup *link,
	const struct virtio_displays_ops *ops, void *data) {
	*displays =
		(struct virtio_displays){.state = state, .link = link, .ops = ops, .data = data};
	for (unsigned i = 0; i < heads(displays); i++) {
		struct device_state_display *display = &state->displays[i];
		if (display->width == 0) {
			*display = (struct device_state_display){
				link->prefer_width, link->prefer_height, link->refresh, 120};
		}
	}
	int error = sd_event_add_time(event, &displays->timer, CLOCK_MONOTONIC, PACE_NEVER,
		REPLUG_APART / 10, handle_timer, displays);
	if (error >= 0) {
		init_replugs(displays);
	}
	return error < 0 ? error : 0;
}

void virtio_displays_finish(struct virtio_displays *displays) {
	displays->timer = sd_event_source_disable_unref(displays->timer);
}

void virtio_displays_reset(struct virtio_displays *displays) {
	displays->state->events = 0;
	displays->state->unplugged = 0;
	for (unsigned i = 0; i < heads(displays); i++) {
		displays->state->unplugged |= (uint32_t)displays->replugs[i].out << i;
	}
	displays->unread = false;
	init_replugs(displays);
}

void virtio_displays_resize(struct virtio_displays *displays, unsigned head, uint32_t width,
	uint32_t height, uint32_t refresh, uint32_t scale) {
	if (displays->link->follow == 0 || head >= heads(displays) || width == 0 || height == 0) {
		return;
	}
	const struct device_state_display wanted = {
		.width = width < GPU_RESOURCE_SIZE_MAX ? width : GPU_RESOURCE_SIZE_MAX,
		.height = height < GPU_RESOURCE_SIZE_MAX ? height : GPU_RESOURCE_SIZE_MAX,
		.refresh = refresh != 0 ? refresh : displays->link->refresh,
		.scale = scale,
	};
	if (memcmp(&displays->state->displays[head], &wanted, sizeof(wanted)) == 0) {
		displays->resized &= ~(UINT32_C(1) << head);
		return;
	}
	displays->wanted[head] = wanted;
	displays->resized |= UINT32_C(1) << head;
	displays->ops->due(displays->data);
}

void virtio_displays_plug(struct virtio_displays *displays, unsigned head, bool plugged) {
	replug_keep_out(&displays->replugs[head], !plugged, clock_usec());
	displays->ops->due(displays->data);
}

void virtio_displays_shown(
	struct virtio_displays *displays, unsigned head, uint32_t width, uint32_t height) {
	const struct device_state_display *display = &displays->state->displays[head];
	if (width == display->width && height == display->height) {
		replug_followed(&displays->replugs[head]);
	} else if (width == 0) {
		replug_left(&displays->replugs[head], clock_usec());
	}
	wait_for_replugs(displays);
}

void virtio_displays_read(struct virtio_displays *displays) {
	displays->unread = false;
}

/* Linux clears the event after it has asked, and so also one that came in between. */
void virtio_displays_cleared(struct virtio_displays *displays) {
	if (displays->unread) {
		displays->ops->due(displays->data);
	}
}

static void tell(struct virtio_displays *displays) {
	displays->unread = true;
	displays->state->events |= VIRTIO_GPU_EVENT_DISPLAY;
	displays->ops->told(displays->data);
}

static bool take_sizes(struct virtio_displays *displays) {
	uint32_t resized = displays->resized;
	displays->resized = 0;
	for (unsigned i = 0; i < heads(displays); i++) {
		if ((resized >> i & 1) == 0) {
			continue;
		}
		displays->state->displays[i] = displays->wanted[i];
		if (displays->state->scanouts[i].resource != 0) {
			replug_told(&displays->replugs[i], clock_usec());
		}
	}
	return resized != 0;
}

static bool take_replugs(struct virtio_displays *displays) {
	uint64_t now = clock_usec();
	uint32_t unplugged = displays->state->unplugged;
	for (unsigned i = 0; i < heads(displays); i++) {
		if (replug_due(&displays->replugs[i]) <= now) {
			unplugged &= ~(UINT32_C(1) << i);
			unplugged |= (uint32_t)replug_take(&displays->replugs[i], now) << i;
		}
	}
	bool changed = unplugged != displays->state->unplugged;
	displays->state->unplugged = unplugged;
	return changed;
}

void virtio_displays_work(struct virtio_displays *displays) {
	bool changed = take_sizes(displays);
	changed |= take_replugs(displays);
	if (changed || (displays->unread && displays->state->events == 0)) {
		tell(displays);
	}
	wait_for_replugs(displays);
}
