#ifndef GUEST_BRIDGE_PUBLISH_H
#define GUEST_BRIDGE_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "damage.h"
#include "scanout.h"
#include "wayland.h"

/*
 * Turns what a head scans out into wl_buffers. Where the compositor can read the guest's
 * own pixels, the buffer lies in the slice's memfd, or is a blob, and nothing is copied; otherwise what
 * changed is converted into a canvas. A display that is off is a black picture of the last size, unless the last one is kept.
 */

/* Buffers kept, so that a guest that flips between pages finds them again. */
#define PUBLISH_DIRECT_MAX 4

/* The slice as a compositor sees it: all of it, as far as wl_shm can count. */
struct publish_pool {
	const struct slice *slice;
	struct wayland *wayland;
	struct wl_shm_pool *pool; // owned, from its first use
};

/* A picture in the slice, or in a blob; that is a dma-buf where the compositor takes it, else
 * shared memory as well. */
struct publish_direct {
	struct publish *publish;
	struct wl_buffer *buffer;                 // owned, or NULL
	struct zwp_linux_buffer_params_v1 *asked; // owned: the compositor has been asked; or NULL
	bool refused;                             // it does not take this dma-buf
	struct scanout scanout;
	uint64_t used; // the look that last showed it
};

struct publish {
	struct publish_pool *pool;
	struct publish_direct direct[PUBLISH_DIRECT_MAX];
	struct canvas *canvas;  // owned; NULL where the scanout is shown directly
	struct canvas *retired; // owned; of an older mode, shown until a picture replaces it
	bool replaced;          // that picture has come
	/* Empty where the guest's word for what has changed is enough. Of a blob it may tell
	 * more than that: it has nothing that a transfer has compared. */
	struct damage damage;
	uint8_t *copy;          // owned; of what is looked for and converted, else NULL
	struct scanout scanout; // of the last look
	bool fresh;             // no picture of its mode has come yet
	uint32_t width, height; // of the last picture, 0: there was none
	struct scanout shown;   // the last picture, where it was a direct one
	bool passed_over;       // another one like it is scanned out, and was not shown
	uint32_t palette[256];  // of the last look, for SCANOUT_C8
	uint64_t looks;
	void (*released)(void *data);
	void *data;
};

/* A picture to be committed at once. */
struct publish_picture {
	struct wl_buffer *buffer; // stays publish's
	uint32_t width, height;
	struct damage_boxes boxes; // what changed since the last picture
};

enum publish_result {
	PUBLISH_SAME,
	PUBLISH_CHANGED,
	PUBLISH_BUSY, // not looked: no buffer is free or known yet; released() will be called
};

/* For one connection, which outlives the pool, as does the slice. */
void publish_pool_init(
	struct publish_pool *pool, const struct slice *slice, struct wayland *wayland);

/* Safe on a zeroed one. Its buffers may be destroyed later. */
void publish_pool_finish(struct publish_pool *pool);

/* The pool outlives it. released() is called whenever the compositor gives a canvas' buffer
 * back, or has said whether it takes a dma-buf. */
void publish_init(struct publish *publish, struct publish_pool *pool, void (*released)(void *data),
	void *data);

/* Safe on a zeroed one. */
void publish_finish(struct publish *publish);

/*
 * Looks at what scanout says; palette has 256 entries of 0x00RRGGBB and is read for
 * SCANOUT_C8 only. Fills *ret only with PUBLISH_CHANGED.
 */
enum publish_result publish_look(struct publish *publish, const struct scanout *scanout,
	const uint32_t *palette, struct publish_picture *ret);

/*
 * Takes the guest's word for what has changed since the last picture (struct scanout,
 * flushed), or for that its display is off; all: everything has. In a blob boxes are looked at. Where another one of the
 * same size and format is scanned out now, boxes are what differs from the last picture.
 */
enum publish_result publish_told(struct publish *publish, const struct scanout *scanout,
	const uint32_t *palette, const struct damage_boxes *boxes, bool all,
	struct publish_picture *ret);

/*
 * The scanout's memory is about to become another's, and nothing takes its place: a copy of what
 * it shows becomes the picture of the display that is off.
 */
void publish_keep(struct publish *publish, const struct scanout *scanout);

/* Makes the next look find that everything has changed. */
void publish_invalidate(struct publish *publish);

/*
 * The guest scans out a picture in the slice that is like the last one, which stays in its place
 * for now. The guest may draw into that meanwhile, and a compositor show some of it: the next
 * picture from another place is new altogether.
 */
void publish_pass_over(struct publish *publish, const struct scanout *scanout);

/* Whether the last picture shows another place of the slice or of a blob than this scanout. */
bool publish_flips(const struct publish *publish, const struct scanout *scanout);

/* Whether a compositor that knows the format can read a scanout where it lies, in a pool of
 * pool_size bytes. */
bool publish_layout_fits(const struct scanout *scanout, uint64_t pool_size);

#endif
