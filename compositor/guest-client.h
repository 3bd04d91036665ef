#ifndef COMPOSITOR_GUEST_CLIENT_H
#define COMPOSITOR_GUEST_CLIENT_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct guest;
struct guest_client;
struct server;

/*
 * A guest's device as a Wayland client. Who it is follows from the socketpair that we
 * made for it, never from what it says; what it sees of us, and how much of us it can
 * use, is bounded. An error of its own costs it this connection and nobody else anything.
 */

/*
 * Makes the connection. ret_socket is the device's end, the caller's to close. Returns
 * NULL after logging why.
 */
struct guest_client *guest_client_create(struct guest *guest, int *ret_socket);

/* Disconnects it; guest.client is NULL afterwards. Accepts NULL. */
void guest_client_destroy(struct guest_client *client);

/* Whose connection this is; NULL for an ordinary client's. */
struct guest *guest_from_client(const struct wl_client *client);

/* Which globals a client sees; data is the server. For wl_display_set_global_filter. */
bool guest_client_global_filter(
	const struct wl_client *client, const struct wl_global *global, void *data);

/*
 * For compositor.events.new_surface: counts the commits of a guest's surfaces, and ends the
 * connection of a device that floods us with them.
 */
void guest_client_handle_new_surface(struct wl_listener *listener, void *data);

#endif
