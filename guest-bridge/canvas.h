#ifndef GUEST_BRIDGE_CANVAS_H
#define GUEST_BRIDGE_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "damage.h"

struct wl_buffer;
struct wl_shm;

/*
 * XRGB8888 buffers of the bridge's own, for pictures that the compositor cannot read where
 * the guest draws them. Two, because one that the compositor holds must not be written; the
 * second is made when it is first needed. A buffer remembers what it has not been told of.
 */

/* 7680 x 4320: what a guest can make the host allocate for one buffer. */
#define CANVAS_BYTES_MAX (UINT64_C(7680) * 4320 * 4)

struct canvas_buffer {
	struct canvas *canvas;
	struct wl_buffer *buffer;  // owned; NULL: not made yet
	uint32_t *pixels;          // owned, width * height
	bool busy;                 // the compositor holds it
	struct damage_boxes stale; // to be drawn before it is shown again
};

struct canvas {
	struct wl_shm *shm;
	uint32_t width, height;
	uint64_t size; // bytes of each buffer's memory
	struct canvas_buffer buffers[2];
	void (*released)(void *data);
	void *data;
};

/*
 * Makes a canvas with one black buffer. released is called when the compositor gives
 * a buffer back. Returns 0; -ERANGE above CANVAS_BYTES_MAX; -ENOMEM.
 */
int canvas_create(struct canvas **ret, struct wl_shm *shm, uint32_t width, uint32_t height,
	void (*released)(void *data), void *data);

/* Accepts NULL. */
void canvas_destroy(struct canvas *canvas);

/* Adds to what every buffer has still to be told of. */
void canvas_add_stale(struct canvas *canvas, const struct damage_boxes *boxes);

/* A buffer that may be written, or NULL where the compositor holds all or memory is short. */
struct canvas_buffer *canvas_acquire(struct canvas *canvas);

#endif
