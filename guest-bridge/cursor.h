#ifndef GUEST_BRIDGE_CURSOR_H
#define GUEST_BRIDGE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bridge.h"

/*
 * How the pointer looks over a guest's heads. The picture is sent when the pointer comes and
 * when it changes, at most once in CURSOR_PERIOD, and never when it only moves. Where nothing
 * is set the compositor is asked for its own arrow (wp_cursor_shape_v1); one that cannot be
 * asked shows what it likes until the first picture, and again from the next enter on.
 */

#define CURSOR_PERIOD UINT64_C(16667) // us
#define CURSOR_PIXELS (BRIDGE_CURSOR_SIZE * BRIDGE_CURSOR_SIZE)

struct wayland;
struct wl_pointer;

enum cursor_kind {
	CURSOR_DEFAULT, // the compositor's own
	CURSOR_HIDDEN,
	CURSOR_PICTURE,
};

struct cursor_buffer {
	struct wl_buffer *buffer; // owned, or NULL
	uint32_t *pixels;         // in the cursor's map
	bool busy;                // the compositor holds it
};

struct cursor {
	enum cursor_kind kind;
	uint32_t pixels[CURSOR_PIXELS]; // premultiplied
	uint32_t hot_x, hot_y;
	sd_event_source *timer;   // owned
	void (*sent)(void *data); // requests were made outside of the connection's events
	void *data;

	// One connection.
	struct wayland *wayland;      // NULL while there is none
	struct wl_surface *surface;   // owned, from the first use
	struct wp_viewport *viewport; // owned, of the surface, or NULL
	uint32_t scale;               // 120ths, of the head that the pointer is on
	struct cursor_buffer buffers[2];
	uint32_t *map;              // owned: the buffers' memory
	struct wl_pointer *pointer; // while it is on a head
	uint32_t serial;            // of its enter
	bool dirty;                 // how it looks has not been sent since the enter
	bool drawn;                 // the surface shows pixels
	uint64_t sent_at;
};

/* Returns 0 or -errno. */
int cursor_init(struct cursor *cursor, sd_event *event, void (*sent)(void *data), void *data);

/* Safe on a zeroed one. Not while it is connected. */
void cursor_finish(struct cursor *cursor);

/* The connection is ready and outlives cursor_disconnect(), which is safe without one. */
void cursor_connect(struct cursor *cursor, struct wayland *wayland);
void cursor_disconnect(struct cursor *cursor);

/* As bridge_set_cursor() and bridge_reset_cursor(). */
void cursor_set(struct cursor *cursor, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y);
void cursor_reset(struct cursor *cursor);

/* The pointer is on a head, whose pixels are of that scale; pointer NULL: it is not. */
void cursor_pointed(
	struct cursor *cursor, struct wl_pointer *pointer, uint32_t serial, uint32_t scale);

/* Events were handled: sends what could not be sent before. */
void cursor_update(struct cursor *cursor);

#endif
