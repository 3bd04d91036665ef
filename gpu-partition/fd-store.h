#ifndef GPU_PARTITION_FD_STORE_H
#define GPU_PARTITION_FD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "device-link.h"

/*
 * The service manager's file-descriptor store (systemd.service(5), FileDescriptorStoreMax=):
 * what a guest's device needs outlives even mulliond and the device together, and the next
 * mulliond gets it back as it gets sockets. Each descriptor has a name of its own,
 * guest.NAME.KEY. The manager is told from the event loop, a few at a time, and never waited
 * for: it may lag behind a little. It keeps an open file once, whatever its names. Without
 * such a manager ($FDSTORE is not set) all of this does nothing.
 */

/* Of a guest: first what LINK_SETUP brings, then what link_key_slot() counts, then QEMU's errors. */
#define FD_SHELF_ERRORS (LINK_FDS_MAX + LINK_SLOTS)
#define FD_SHELF_SLOTS (FD_SHELF_ERRORS + 1)

struct fd_shelf;
struct fd_store_given;

struct fd_store {
	int socket;                   // owned, connected to the manager; -1: nothing is kept
	sd_event_source *source;      // owned; on while something is to be told
	struct fd_shelf *first;       // borrowed: those with something to tell
	struct fd_store_given *given; // owned: what the manager has given back, until it is taken
};

/* One guest's place in the store; zeroed, it keeps nothing. */
struct fd_shelf {
	struct fd_store *store;      // borrowed
	const char *guest;           // borrowed: its name
	int fds[FD_SHELF_SLOTS];     // borrowed, -1: none
	bool kept[FD_SHELF_SLOTS];   // the manager has one of this name
	bool untold[FD_SHELF_SLOTS]; // the manager does not know of it
	unsigned untold_len;
	struct fd_shelf *next; // with something to tell
};

/* Finds the manager by the environment. Returns 0 or -errno. */
int fd_store_init(struct fd_store *store, sd_event *event);

/*
 * Tells what there is to tell, waiting a little; what was given back and not taken stays with
 * the manager. Its shelves end before it. Safe on a zeroed one.
 */
void fd_store_finish(struct fd_store *store);

/* True for the name of a descriptor that was put into a store. */
bool fd_store_owns(const char *name);

/* What the manager has passed under such a name becomes the store's. */
void fd_store_give(struct fd_store *store, const char *name, int fd);

/* Whether something was given back of this guest, and not taken. */
bool fd_store_has(const struct fd_store *store, const char *guest);

/* What was given back for a slot, and not taken: borrowed; or -1. */
int fd_store_peek(const struct fd_store *store, const char *guest, unsigned slot);

/* Has what was given back and that nobody took dropped by the manager, too. */
void fd_store_drop_rest(struct fd_store *store);

/* store may be NULL; it and the name are borrowed. */
void fd_shelf_init(struct fd_shelf *shelf, struct fd_store *store, const char *guest);

/* Tells what there is to tell, waiting a little. Safe on a zeroed one. */
void fd_shelf_finish(struct fd_shelf *shelf);

/*
 * Moves what was given back of this guest into ret_fds, FD_SHELF_SLOTS of them, -1 where there
 * is none; the shelf has them from then on, and the caller owns them. Returns how many there
 * were.
 */
size_t fd_shelf_take(struct fd_shelf *shelf, int *ret_fds);

/* A slot has another descriptor, or with -1 none; before it is closed. */
void fd_shelf_put(struct fd_shelf *shelf, unsigned slot, int fd);

/* Nothing of this guest is kept any more. */
void fd_shelf_clear(struct fd_shelf *shelf);

/* "guest.NAME.KEY" of a slot, and back; false for any other name. */
#define FD_STORE_NAME_MAX 128
void fd_store_name(const char *guest, unsigned slot, char name[FD_STORE_NAME_MAX]);
bool fd_store_slot(const char *name, const char *guest, unsigned *ret_slot);

#endif
