#ifndef COMPOSITOR_KEY_HOLD_H
#define COMPOSITOR_KEY_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key-filter.h"

/*
 * Keys on their way to a guest: typed while its device is away, or sent to a device that has
 * not said yet that it passed them on. The next device gets them, in order. At most
 * KEY_HOLD_MAX, none older than KEY_HOLD_TIME; what finds no room is lost, but a press that
 * found room has room for its release. Pure; times are in us.
 */

#define KEY_HOLD_MAX 128
#define KEY_HOLD_TIME UINT64_C(10000000)

struct key_held {
	struct key_out key;
	uint64_t time;
	uint32_t serial; // what confirms it; counts only where it was sent
	bool sent;
};

struct key_hold {
	struct key_held keys[KEY_HOLD_MAX]; // the sent ones first
	size_t len;
};

/* Not sent yet. */
void key_hold_add(struct key_hold *hold, struct key_out key, uint64_t now);

/* It was sent, and nothing waits; serials grow, and wrap. */
void key_hold_add_sent(struct key_hold *hold, struct key_out key, uint32_t serial, uint64_t now);

/* The device has passed on what was sent with serials up to this one. */
void key_hold_confirm(struct key_hold *hold, uint32_t serial);

/* The device has gone: nothing counts as sent. */
void key_hold_unsend(struct key_hold *hold);

/* The guest has let this modifier go, unlike the user: it is pressed first, unless what is held
 * begins with it anyway. */
void key_hold_press_first(struct key_hold *hold, uint32_t keycode, uint64_t now);

/* Takes out what was not sent, oldest first, without what is too old. Returns how many. */
size_t key_hold_take(struct key_hold *hold, uint64_t now, struct key_out ret[KEY_HOLD_MAX]);

/* They may be a password: nothing of them stays in memory. */
void key_hold_clear(struct key_hold *hold);

#endif
