#ifndef VMM_HOOKS_KEY_REPEAT_H
#define VMM_HOOKS_KEY_REPEAT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "device-link.h"

/*
 * The repeat of a held key. A PS/2 keyboard repeats by itself and guests count on it,
 * but QEMU's leaves that to whoever sends the keys.
 */
struct key_repeat {
	sd_event_source *timer; // owned
	uint32_t code;          // KEY_*; 0: none is repeated
	uint64_t delay, period; // us; period 0: no repeats
	void (*repeat)(void *data, uint32_t code);
	void *data;
};

/* rate in repeats a second, 0 for none; delay in ms. Returns 0 or -errno. */
int key_repeat_init(struct key_repeat *repeat, sd_event *event, uint32_t rate, uint32_t delay,
	void (*func)(void *data, uint32_t code), void *data);

/* Safe on a zeroed one. */
void key_repeat_finish(struct key_repeat *repeat);

/* The user pressed or released a key. The last one pressed is repeated, but for
 * modifiers and locks. */
void key_repeat_key(struct key_repeat *repeat, uint32_t code, bool pressed);

#endif
