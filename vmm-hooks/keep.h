#ifndef VMM_HOOKS_KEEP_H
#define VMM_HOOKS_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "device-link.h"

/*
 * The descriptors that a function got from its VMM and that must outlive the device. Whoever uses
 * one looks it up here; mulliond is told of each, so that the next device gets it back.
 * Telling has an order: what a message brought is stored before that message is
 * committed, and what it took away is dropped afterwards, so that at any moment mulliond
 * holds at least what the committed state names.
 */
struct keep {
	enum link_function function;
	int link;                       // borrowed; -1: nobody keeps anything
	int fds[LINK_FUNCTION_SLOTS];   // owned, -1 where there is none
	bool told[LINK_FUNCTION_SLOTS]; // mulliond knows what lies in the slot
	unsigned untold;                // slots of which it does not
	void (*waiting)(
		void *data); // may be NULL: there is something to tell, where there was nothing
	void *data;
};

/* link may be -1. Keys below need not name the function. */
void keep_init(struct keep *keep, enum link_function function, int link);

/* waiting() comes from within any of the calls below. */
void keep_watch(struct keep *keep, void (*waiting)(void *data), void *data);

/* Closes all; nothing is dropped at mulliond. */
void keep_finish(struct keep *keep);

/* Another mulliond, which gets everything with the next stores; -1: none any more. */
void keep_set_link(struct keep *keep, int link);

/* The descriptor, borrowed, or -1. */
int keep_get(const struct keep *keep, struct link_key key);

/* Takes fd over. What the key had before is closed. */
void keep_put(struct keep *keep, struct link_key key, int fd);

/* Takes over what mulliond has given back. */
void keep_restore(struct keep *keep, struct link_key key, int fd);

/* Closes what the key has. */
void keep_clear(struct keep *keep, struct link_key key);

/*
 * Tells mulliond what is new, or what is gone. Returns 0, or -EAGAIN where it does not read
 * just now: call again when the link can be written. A broken link is like none.
 */
int keep_tell_stores(struct keep *keep);
int keep_tell_drops(struct keep *keep);

#endif
