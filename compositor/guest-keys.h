#ifndef COMPOSITOR_GUEST_KEYS_H
#define COMPOSITOR_GUEST_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key-hold.h"

struct guest_head;
struct seat;
struct window;
struct wlr_surface;

/*
 * The keys of a guest that has the focus, while its device is replaced: what the user types is
 * kept for the next one. Whatever else gets the focus, or where the guest ends, nothing is kept.
 */
struct guest_keys {
	struct seat *seat;
	struct window *window;       // that has the focus, NULL for none
	struct wlr_surface *surface; // that its device shows with the keys on it, NULL for none
	bool ready;                  // its device hears keys
	uint32_t serial;             // of the last question to it
	struct key_hold hold;
};

void guest_keys_init(struct guest_keys *keys, struct seat *seat);

/* The seat's focus is about to become this window. Returns false where it is another one. */
bool guest_keys_focus(struct guest_keys *keys, struct window *window);

/* That window is a guest's, and the guest goes on, with a device or until it has the next. */
bool guest_keys_runs(const struct guest_keys *keys);

/* Its device shows another surface, with the keys on it; or none (NULL). */
void guest_keys_surface(struct guest_keys *keys, struct wlr_surface *surface);

/* Takes keys for the window over, to be sent now or later. False where they are none of its
 * business. */
bool guest_keys_send(
	struct guest_keys *keys, uint32_t time_msec, const struct key_out *out, size_t n);

/* The head's device has answered the question of that serial. */
void guest_keys_answered(struct guest_keys *keys, const struct guest_head *head, uint32_t serial);

/* What was kept for a guest that has ended. */
void guest_keys_forget(struct guest_keys *keys);

#endif
