#ifndef GUEST_BRIDGE_VIRTIO_DISPLAYS_H
#define GUEST_BRIDGE_VIRTIO_DISPLAYS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "device-link.h"
#include "device-state.h"
#include "replug.h"

/*
 * What the driver is told of its monitors (virtio 1.3, 5.7.4 and 5.7.6.8): their sizes, and
 * that one is there. Changes come as they like, and are told by virtio_displays_work().
 */

struct virtio_displays_ops {
	/* virtio_displays_work() has something to do. */
	void (*due)(void *data);
	/* The event is set: to be committed, with an interrupt. */
	void (*told)(void *data);
};

struct virtio_displays {
	struct device_state_gpu *state; // borrowed
	const struct link_setup *link;  // borrowed
	const struct virtio_displays_ops *ops;
	void *data;
	uint32_t resized; // heads with a new size, in wanted; bit n: head n
	struct device_state_display wanted[DEVICE_STATE_HEADS];
	struct replug replugs[DEVICE_STATE_HEADS];
	sd_event_source *timer; // owned: one of replugs is due
	bool unread;            // the driver has not asked for them since they changed
};

/* Goes on from the state; a new one is as the guest's file says. Returns 0 or -errno. */
int virtio_displays_init(struct virtio_displays *displays, sd_event *event,
	struct device_state_gpu *state, const struct link_setup *link,
	const struct virtio_displays_ops *ops, void *data);

/* Safe on a zeroed one. */
void virtio_displays_finish(struct virtio_displays *displays);

/* As at power-on, but for the sizes, and for what its user has closed. */
void virtio_displays_reset(struct virtio_displays *displays);

/* The bridge's resized. */
void virtio_displays_resize(struct virtio_displays *displays, unsigned head, uint32_t width,
	uint32_t height, uint32_t refresh, uint32_t scale);

/* The bridge's plugged. */
void virtio_displays_plug(struct virtio_displays *displays, unsigned head, bool plugged);

/* A head shows a picture of this size, or none. */
void virtio_displays_shown(
	struct virtio_displays *displays, unsigned head, uint32_t width, uint32_t height);

/* The driver has been answered what its displays are; has cleared an event. */
void virtio_displays_read(struct virtio_displays *displays);
void virtio_displays_cleared(struct virtio_displays *displays);

/* To be called outside of any message. */
void virtio_displays_work(struct virtio_displays *displays);

#endif
