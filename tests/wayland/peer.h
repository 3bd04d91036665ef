#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wayland-client.h>

#include "cursor-shape-client-protocol.h"
#include "mullion-guest-v1-client-protocol.h"
#include "relative-pointer-client-protocol.h"

/*
 * A Wayland client that stands where a guest's device stands, for doing what a device
 * that its guest has taken over might do. Nothing here checks anything for it.
 */
#define PEER_HEADS 16

/* A head that it shows. */
struct peer_head {
	struct peer *peer;
	struct wl_surface *surface;
	struct mullion_desktop_v1 *desktop;
	uint32_t width, height, refresh, scale; // as configured last
	unsigned configures;
	uint32_t visibility; // enum mullion_desktop_v1_visibility
};

/* What its wl_pointer has told. */
struct peer_pointer {
	struct wl_pointer *wl;
	uint32_t serial; // of the last enter
	struct wl_surface *inside;
	double x, y;
	unsigned enters, motions, buttons;
	struct zwp_relative_pointer_v1 *relative;
	double dx, dy; // relative motion, summed up, without acceleration
	unsigned relative_motions;
};

#define PEER_FINGERS 8

/* What its wl_touch has told; fingers by the compositor's number. */
struct peer_touch {
	struct wl_touch *wl;
	struct peer_finger {
		struct wl_surface *surface; // NULL while it is up
		double x, y;
		uint32_t serial;
	} fingers[PEER_FINGERS];
	unsigned downs, ups, motions, frames, cancels;
};

/* What its wl_keyboard has told. */
#define PEER_KEYS 256
struct peer_keyboard {
	struct wl_keyboard *wl;
	struct {
		uint32_t code;
		bool pressed;
	} keys[PEER_KEYS];
	unsigned len;
	struct wl_surface *inside;
};

struct peer {
	struct wl_display *display; // owned
	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct wl_shm *shm;
	struct mullion_guest_v1 *guest;
	struct wl_surface *surface;
	struct mullion_desktop_v1 *desktop;
	uint32_t shm_name; // of the global
	unsigned globals;
	bool xdg_shell, screencopy, data_device; // globals that no guest should see
	unsigned frames;                         // frame callbacks that came
	struct peer_head heads[PEER_HEADS];
	struct wl_seat *seat;
	struct zwp_relative_pointer_manager_v1 *relatives;
	struct wp_cursor_shape_manager_v1 *shapes;
	uint32_t capabilities; // of the seat
	struct peer_pointer pointer;
	struct peer_keyboard keyboard;
	bool mute; // answers no pings
	struct peer_touch touch;
};

/* Takes fd. Binds what there is. False where the connection fails. */
bool peer_connect(struct peer *peer, int fd);

/* Makes the surface a desktop. */
void peer_make_desktop(struct peer *peer);

/* Takes the seat's pointer, and hears of relative motion. */
void peer_take_pointer(struct peer *peer);

/* Takes the seat's touch. */
void peer_take_touch(struct peer *peer);

/* Takes the seat's keyboard. */
void peer_take_keyboard(struct peer *peer);

/* Makes a surface the desktop of a head, which peer.heads has then. */
struct peer_head *peer_make_head(struct peer *peer, uint32_t head);

/* Safe on a zeroed one. */
void peer_finish(struct peer *peer);

/* Waits until the compositor has handled all that was sent. Returns 0, or the -errno with
 * which the connection was lost (-EPROTO: a Wayland error), or -ETIMEDOUT. */
int peer_sync(struct peer *peer);

/* Sends what is queued, waiting at most timeout_msec for room. Returns 0 or -errno. */
int peer_flush(struct peer *peer, int timeout_msec);

/* A buffer with exactly these numbers on fd, which stays the caller's. */
struct wl_buffer *peer_buffer(struct peer *peer, int fd, int32_t pool_size, int32_t offset,
	int32_t width, int32_t height, int32_t stride, uint32_t format);

/* A black frame in sealed memory, attached, damaged and committed. */
struct wl_buffer *peer_show(struct peer *peer, int32_t width, int32_t height);

/* The same on any surface, of one colour. */
struct wl_buffer *peer_fill(struct peer *peer, struct wl_surface *surface, int32_t width,
	int32_t height, uint32_t format, uint32_t colour);

/* The same, of what a function says of each pixel. */
struct wl_buffer *peer_draw(struct peer *peer, struct wl_surface *surface, int32_t width,
	int32_t height, uint32_t format,
	uint32_t (*pixel)(uint32_t x, uint32_t y, uint32_t width, uint32_t height));

#endif
