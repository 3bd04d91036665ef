#ifndef COMPOSITOR_HOST_LINK_H
#define COMPOSITOR_HOST_LINK_H

#include <stdbool.h>

struct host_link;
struct server;

/*
 * mulliond, seen from the session: its list of guests, and what we ask of it. Everything is
 * asynchronous. Where nobody listens, mulliond is started, and then it is also ours to end,
 * as is one that an earlier compositor of this session started.
 */

/* Returns NULL after logging why. */
struct host_link *host_link_create(struct server *server);

/* Accepts NULL. Leaves mulliond as it is. */
void host_link_destroy(struct host_link *host);

/* Gives a guest's device a display: the Wayland socket, which becomes the link's. True where
 * guest_presented() follows. */
bool host_link_present(struct host_link *host, const char *guest, int socket);

/* Power-down. */
void host_link_stop(struct host_link *host, const char *guest);

/*
 * Ends the mulliond that we started, with all of its guests, and then calls done, at once
 * where it is not ours. Where it takes longer than the guests' time-outs allow, it is
 * ended by signals. A second call does that at once.
 */
void host_link_shutdown(struct host_link *host, void (*done)(void *data), void *data);

#endif
