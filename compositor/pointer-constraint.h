#ifndef COMPOSITOR_POINTER_CONSTRAINT_H
#define COMPOSITOR_POINTER_CONSTRAINT_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct pointer;
struct window;
struct wlr_pointer_constraint_v1;
struct wlr_pointer_constraints_v1;

/*
 * What ordinary clients ask of the pointer (pointer-constraints-unstable-v1): that it stays where
 * it is, so that only its motion counts, or that it does not leave a part of their surface. They
 * get it while their window has the keys and the pointer is on that surface. The key that locks
 * the pointer to a guest sets it free; it stays so until that key is pressed again or another
 * window has had the keys. Guests see none of this: to them only the user locks it.
 */
struct pointer_constraints {
	struct pointer *pointer;
	struct wlr_pointer_constraints_v1 *wlr;
	struct wlr_pointer_constraint_v1 *active; // or NULL
	double surface_x, surface_y;              // layout, origin of its surface
	const struct window *freed;               // by the user; or NULL. Never looked into

	struct wl_listener new_constraint, active_destroy;
};

/* Once the pointer's cursor is there. Returns false without memory. */
bool pointer_constraints_init(struct pointer_constraints *constraints, struct pointer *pointer);

/* Safe on a zeroed one. */
void pointer_constraints_finish(struct pointer_constraints *constraints);

/* Who has the pointer, or the keys, may have changed. */
void pointer_constraints_update(struct pointer_constraints *constraints);

/* Whether it is to stay where it is. */
bool pointer_constraints_lock(const struct pointer_constraints *constraints);

/* Where it comes to on its way to a point of the layout; where nothing holds it, there. */
void pointer_constraints_confine(
	const struct pointer_constraints *constraints, double *lx, double *ly);

/* Frees the pointer of the focused window's client, or lets it have it again. False where that
 * is not what a client has asked for. */
bool pointer_constraints_toggle(struct pointer_constraints *constraints);

#endif
