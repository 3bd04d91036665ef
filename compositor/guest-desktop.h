#ifndef COMPOSITOR_GUEST_DESKTOP_H
#define COMPOSITOR_GUEST_DESKTOP_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct guest_desktop;
struct guest_desktop_manager;
struct server;
struct wlr_surface;

/* mullion_guest_v1: the role of a surface that shows a guest's screen. */

/* Returns NULL without memory. */
struct guest_desktop_manager *guest_desktop_manager_create(struct server *server);

/* Accepts NULL. Before the display goes, after its clients. */
void guest_desktop_manager_destroy(struct guest_desktop_manager *manager);

bool guest_desktop_is_global(
	const struct guest_desktop_manager *manager, const struct wl_global *global);

struct wlr_surface *guest_desktop_surface(const struct guest_desktop *desktop);

/* What mullion_desktop_v1.configure tells. */
struct guest_desktop_size {
	uint32_t width, height; // pixels of the output
	uint32_t refresh;       // mHz, 0 for unknown
	uint32_t scale;         // 120ths
};

/* Tells the device what changed since the last call; nothing where nothing did. */
void guest_desktop_configure(struct guest_desktop *desktop, const struct guest_desktop_size *size);
void guest_desktop_set_visibility(struct guest_desktop *desktop, uint32_t visibility);

/*
 * Asks the device to say when it has passed on all keys that it was sent before;
 * seat_guest_answered() follows. False where it is too old to understand that.
 */
bool guest_desktop_ask(struct guest_desktop *desktop, uint32_t serial);

#endif
