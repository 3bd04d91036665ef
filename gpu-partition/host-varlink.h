#ifndef GPU_PARTITION_HOST_VARLINK_H
#define GPU_PARTITION_HOST_VARLINK_H

#include "guests.h"

/* Serves io.mullion.Host, for this user alone. */
struct host_varlink;

/*
 * Listens on listener where that is >= 0 (it is then the server's), else on path. Guests
 * must outlive it. stop() is called when somebody asks for the daemon's end. Returns 0 or
 * -errno.
 */
int host_varlink_create(struct host_varlink **ret, struct guests *guests, const char *path,
	int listener, void (*stop)(void *data), void *data);

/* Accepts NULL; sends what waits to be sent. */
void host_varlink_destroy(struct host_varlink *host);

/* Some guest changed: answers who waits for it, and tells who watches. */
void host_varlink_changed(struct host_varlink *host);

#endif
