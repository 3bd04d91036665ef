#ifndef COMPOSITOR_POINTER_LOCK_H
#define COMPOSITOR_POINTER_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct pointer;
struct window;
struct wlr_input_device;
struct wlr_pointer_motion_event;

/*
 * A pointer that is locked to a guest: it is hidden and stays where it is, and its motion
 * goes to the guest as relative motion, buttons and wheel with it. Only the user locks it,
 * by a key that no guest sees, and the same key frees it; so does everything that takes the
 * keys from the window, ends its full screen, or takes its picture away.
 */

/* False where there is nothing to lock it to, or it is in use: a drag, a held button. */
bool pointer_lock(struct pointer *pointer, struct window *window);

/* Frees it where it is locked. */
void pointer_unlock(struct pointer *pointer);

/* Motion of a pointer device while it is locked. */
void pointer_lock_motion(struct pointer *pointer, uint32_t time_msec, double dx, double dy,
	double plain_dx, double plain_dy);

/* Likewise of one that tells places: only how far it has gone counts. */
void pointer_lock_motion_absolute(struct pointer *pointer, uint32_t time_msec,
	struct wlr_input_device *device, double x, double y);

/* Motion while it is not locked. An ordinary client hears of both kinds of motion; a guest of relative motion only while
 * the pointer is locked to it, as it has no way to tell which of the two counts. */
void pointer_tell_relative(struct pointer *pointer, const struct wlr_pointer_motion_event *event);

#endif
