#include "guest-desktop.h"

#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_compositor.h>

#include "guest-client.h"
#include "guest-window.h"
#include "guest.h"
#include "mullion-guest-v1-protocol.h"
#include "seat.h"
#include "server.h"

#define GUEST_VERSION 2

struct guest_desktop_manager {
	struct server *server;
	struct wl_global *global;
};

struct guest_desktop {
	struct guest_head *head;
	struct wlr_surface *surface;
	struct wl_resource *resource;
	struct guest_desktop_size size; // as configured last, 0 before
	uint32_t visibility;            // as sent last, UINT32_MAX before
	struct wl_listener commit, surface_destroy;
};

static void desktop_handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static void desktop_handle_pong(
	struct wl_client *client, struct wl_resource *resource, uint32_t serial) {
	const struct guest_desktop *desktop = wl_resource_get_user_data(resource);
	if (desktop != NULL) {
		seat_guest_answered(desktop->head->guest->server->seat, desktop->head, serial);
	}
}

static const struct mullion_desktop_v1_interface desktop_impl = {
	.destroy = desktop_handle_destroy,
	.pong = desktop_handle_pong,
};

static const struct wlr_surface_role desktop_role = {
	.name = "mullion_desktop_v1",
};

/* The resource stays, inert, until the client destroys it. */
static void desktop_destroy(struct guest_desktop *desktop) {
	struct guest_head *head = desktop->head;
	wl_list_remove(&desktop->commit.link);
	wl_list_remove(&desktop->surface_destroy.link);
	wl_resource_set_user_data(desktop->resource, NULL);
	if (head->desktop == desktop) {
		head->desktop = NULL;
		guest_head_changed(head);
	}
	free(desktop);
}

static void handle_resource_destroy(struct wl_resource *resource) {
	struct guest_desktop *desktop = wl_resource_get_user_data(resource);
	if (desktop != NULL) {
		desktop_destroy(desktop);
	}
}

static void handle_surface_destroy(struct wl_listener *listener, void *data) {
	struct guest_desktop *desktop = wl_container_of(listener, desktop, surface_destroy);
	desktop_destroy(desktop);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct guest_desktop *desktop = wl_container_of(listener, desktop, commit);
	struct guest_window *window = desktop->head->window;
	if (wlr_surface_has_buffer(desktop->surface)) {
		wlr_surface_map(desktop->surface);
	} else {
		wlr_surface_unmap(desktop->surface);
	}
	if (window != NULL) {
		guest_window_committed(window);
	}
}

static void listen(
	struct wl_listener *listener, struct wl_signal *signal, wl_notify_func_t notify) {
	listener->notify = notify;
	wl_signal_add(signal, listener);
}

static void guest_handle_get_desktop(struct wl_client *client, struct wl_resource *resource,
	uint32_t id, struct wl_resource *surface_resource, uint32_t head) {
	struct guest *guest = guest_from_client(client);
	struct wlr_surface *surface = wlr_surface_from_resource(surface_resource);
	if (guest == NULL || head >= GUEST_HEADS_MAX || guest->heads[head].desktop != NULL) {
		wl_resource_post_error(resource, MULLION_GUEST_V1_ERROR_HEAD,
			"head %u does not exist or is shown already", head);
		return;
	}
	if (!wlr_surface_set_role(surface, &desktop_role, resource, MULLION_GUEST_V1_ERROR_ROLE)) {
		return;
	}
	struct guest_desktop *desktop = calloc(1, sizeof(*desktop));
	struct wl_resource *created = desktop == NULL
		? NULL
		: wl_resource_create(client, &mullion_desktop_v1_interface,
			  wl_resource_get_version(resource), id);
	if (created == NULL) {
		free(desktop);
		wl_client_post_no_memory(client);
		return;
	}
	desktop->head = &guest->heads[head];
	desktop->surface = surface;
	desktop->resource = created;
	desktop->visibility = UINT32_MAX;
	wl_resource_set_implementation(created, &desktop_impl, desktop, handle_resource_destroy);
	wlr_surface_set_role_object(surface, created);
	listen(&desktop->commit, &surface->events.commit, handle_commit);
	listen(&desktop->surface_destroy, &surface->events.destroy, handle_surface_destroy);
	desktop->head->desktop = desktop;
	guest_head_changed(desktop->head);
	if (desktop->head->window == NULL) {
		guest_desktop_set_visibility(desktop, MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	}
}

static void guest_handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static const struct mullion_guest_v1_interface guest_impl = {
	.destroy = guest_handle_destroy,
	.get_desktop = guest_handle_get_desktop,
};

static void handle_bind(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *resource =
		wl_resource_create(client, &mullion_guest_v1_interface, (int)version, id);
	if (resource == NULL) {
		wl_client_post_no_memory(client);
		return;
	}
	wl_resource_set_implementation(resource, &guest_impl, data, NULL);
}

struct guest_desktop_manager *guest_desktop_manager_create(struct server *server) {
	struct guest_desktop_manager *manager = calloc(1, sizeof(*manager));
	if (manager == NULL) {
		return NULL;
	}
	manager->server = server;
	manager->global = wl_global_create(
		server->display, &mullion_guest_v1_interface, GUEST_VERSION, manager, handle_bind);
	if (manager->global == NULL) {
		free(manager);
		return NULL;
	}
	return manager;
}

void guest_desktop_manager_destroy(struct guest_desktop_manager *manager) {
	if (manager != NULL) {
		wl_global_destroy(manager->global);
		free(manager);
	}
}

bool guest_desktop_is_global(
	const struct guest_desktop_manager *manager, const struct wl_global *global) {
	return manager != NULL && manager->global == global;
}

struct wlr_surface *guest_desktop_surface(const struct guest_desktop *desktop) {
	return desktop->surface;
}

void guest_desktop_configure(struct guest_desktop *desktop, const struct guest_desktop_size *size) {
	if (memcmp(&desktop->size, size, sizeof(*size)) != 0) {
		desktop->size = *size;
		mullion_desktop_v1_send_configure(
			desktop->resource, size->width, size->height, size->refresh, size->scale);
	}
}

void guest_desktop_set_visibility(struct guest_desktop *desktop, uint32_t visibility) {
	if (desktop->visibility != visibility) {
		desktop->visibility = visibility;
		mullion_desktop_v1_send_visibility(desktop->resource, visibility);
	}
}

bool guest_desktop_ask(struct guest_desktop *desktop, uint32_t serial) {
	if (wl_resource_get_version(desktop->resource) < MULLION_DESKTOP_V1_PING_SINCE_VERSION) {
		return false;
	}
	mullion_desktop_v1_send_ping(desktop->resource, serial);
	return true;
}
