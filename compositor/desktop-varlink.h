#ifndef COMPOSITOR_DESKTOP_VARLINK_H
#define COMPOSITOR_DESKTOP_VARLINK_H

struct desktop_varlink;
struct server;

/* Serves io.mullion.Desktop to this user. */

/* Returns NULL after logging why; another session on the same socket is a reason. */
struct desktop_varlink *desktop_varlink_create(struct server *server);

/* Accepts NULL. */
void desktop_varlink_destroy(struct desktop_varlink *varlink);

/* The windows may have changed: who waits for that is told where they have. */
void desktop_varlink_changed(struct desktop_varlink *varlink);

#endif
