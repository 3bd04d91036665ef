#include "guest-client.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <wlr/types/wlr_compositor.h>

#include "checked.h"
#include "clock.h"
#include "fd.h"
#include "guest-desktop.h"
#include "guest.h"
#include "log.h"
#include "memfd.h"
#include "mullion-guest-v1-protocol.h"
#include "server.h"

#define OBJECTS_MAX 512 // Wayland objects of one device
#define SURFACES_MAX 24 // a picture a head, a cursor
#define POOLS_MAX 32    // and dma-bufs to become buffers; each holds descriptors of ours
#define SIZE_MAX_PIXELS 16384
#define COMMITS_MAX 3000 // a second; each head is paced by the screen's refresh

/* A surface of a guest's device, to count its commits. */
struct guest_surface {
	struct wl_listener client_commit, destroy;
	struct wlr_surface *surface;
};

struct guest_client {
	struct guest *guest;
	struct wl_client *wl;
	struct wl_listener destroy, resource_created;
	unsigned uncounted;     // objects that may come before any bound can be reached
	uint64_t commits_since; // us
	unsigned commits;
	struct log_limit log_limit;
};

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct guest_client *client = wl_container_of(listener, client, destroy);
	wl_list_remove(&client->destroy.link);
	wl_list_remove(&client->resource_created.link);
	struct guest *guest = client->guest;
	log_debug("guest '%s': its device has disconnected", guest->name);
	free(client);
	guest_client_gone(guest);
}

struct guest *guest_from_client(const struct wl_client *wl) {
	struct wl_listener *listener =
		wl_client_get_destroy_listener((struct wl_client *)wl, handle_destroy);
	if (listener == NULL) {
		return NULL;
	}
	struct guest_client *client = wl_container_of(listener, client, destroy);
	return client->guest;
}

struct counts {
	unsigned objects, surfaces, pools;
};

static enum wl_iterator_result count(struct wl_resource *resource, void *data) {
	struct counts *counts = data;
	const char *class = wl_resource_get_class(resource);
	counts->objects++;
	counts->surfaces += strcmp(class, "wl_surface") == 0;
	counts->pools += strcmp(class, "wl_shm_pool") == 0 ||
		strcmp(class, "zwp_linux_buffer_params_v1") == 0;
	return WL_ITERATOR_CONTINUE;
}

static unsigned least(unsigned a, unsigned b) {
	return a < b ? a : b;
}

static void handle_resource_created(struct wl_listener *listener, void *data) {
	struct guest_client *client = wl_container_of(listener, client, resource_created);
	struct counts counts = {0};
	if (client->uncounted > 0) {
		client->uncounted--;
		return;
	}
	wl_client_for_each_resource(client->wl, count, &counts);
	if (counts.objects > OBJECTS_MAX || counts.surfaces > SURFACES_MAX ||
		counts.pools > POOLS_MAX) {
		log_limited(&client->log_limit, LOG_LEVEL_WARNING,
			"guest '%s': %u objects, %u surfaces and %u pools of its device are too many: "
			"disconnected",
			client->guest->name, counts.objects, counts.surfaces, counts.pools);
		wl_client_post_implementation_error(client->wl, "too many objects");
		return;
	}
	client->uncounted = least(OBJECTS_MAX - counts.objects,
		least(SURFACES_MAX - counts.surfaces, POOLS_MAX - counts.pools));
}

struct guest_client *guest_client_create(struct guest *guest, int *ret_socket) {
	struct guest_client *client = calloc(1, sizeof(*client));
	int sockets[2];
	if (client == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		log_error("guest '%s' cannot be shown: %s", guest->name, strerror(errno));
		free(client);
		return NULL;
	}
	client->wl = wl_client_create(guest->server->display, sockets[0]);
	if (client->wl == NULL) {
		log_error("guest '%s' cannot be shown: %s", guest->name, strerror(errno));
		fd_close_many(sockets, 2);
		free(client);
		return NULL;
	}
	client->guest = guest;
	client->destroy.notify = handle_destroy;
	wl_client_add_destroy_listener(client->wl, &client->destroy);
	client->resource_created.notify = handle_resource_created;
	wl_client_add_resource_created_listener(client->wl, &client->resource_created);
	*ret_socket = sockets[1];
	return client;
}

void guest_client_destroy(struct guest_client *client) {
	if (client != NULL) {
		wl_client_destroy(client->wl);
	}
}

static void count_commit(struct guest_client *client) {
	uint64_t now = clock_usec();
	if (now - client->commits_since >= USEC_PER_SEC) {
		client->commits_since = now;
		client->commits = 0;
	}
	if (++client->commits == COMMITS_MAX) {
		log_limited(&client->log_limit, LOG_LEVEL_WARNING,
			"guest '%s': more than %d commits a second of its device: disconnected",
			client->guest->name, COMMITS_MAX);
		wl_client_post_implementation_error(client->wl, "too many commits");
	}
}

/* A dma-buf cannot shrink; the kernel maps none beyond its end. */
static bool dma_buf_check(int fd, uint64_t min_size) {
	struct statfs status;
	off_t size = lseek(fd, 0, SEEK_END);
	return fstatfs(fd, &status) == 0 && status.f_type == DMA_BUF_MAGIC && size >= 0 &&
		(uint64_t)size >= min_size;
}

/*
 * Whether the memory behind a buffer is as large as it says and stays so: a device that
 * shrinks it below our feet would cost us a fault for every page.
 */
static bool memory_is_sound(struct wlr_buffer *buffer) {
	struct wlr_shm_attributes shm;
	uint64_t rows, end;
	return !wlr_buffer_get_shm(buffer, &shm) ||
		(shm.offset >= 0 && shm.stride >= 0 && shm.height >= 0 &&
			checked_mul((uint64_t)shm.stride, (uint64_t)shm.height, &rows) &&
			checked_add(rows, (uint64_t)shm.offset, &end) &&
			(memfd_check(shm.fd, end, NULL) == 0 || dma_buf_check(shm.fd, end)));
}

/* Errors are those of mullion_guest_v1, whatever the surface is for. */
static void check_commit(struct wlr_surface *surface) {
	const struct wlr_surface_state *pending = &surface->pending;
	struct wl_resource *resource =
		surface->role_resource != NULL ? surface->role_resource : surface->resource;
	if (pending->buffer_width > SIZE_MAX_PIXELS || pending->buffer_height > SIZE_MAX_PIXELS) {
		wlr_surface_reject_pending(surface, resource, MULLION_GUEST_V1_ERROR_SIZE,
			"%dx%d is larger than %d", pending->buffer_width, pending->buffer_height,
			SIZE_MAX_PIXELS);
	} else if ((pending->committed & WLR_SURFACE_STATE_BUFFER) != 0 &&
		pending->buffer != NULL && !memory_is_sound(pending->buffer)) {
		wlr_surface_reject_pending(surface, resource, MULLION_GUEST_V1_ERROR_MEMORY,
			"a buffer's memory is not sealed against shrinking, or too small");
	}
}

/* Before wlroots takes the pixels over. */
static void handle_client_commit(struct wl_listener *listener, void *data) {
	struct guest_surface *surface = wl_container_of(listener, surface, client_commit);
	struct guest *guest = guest_from_client(wl_resource_get_client(surface->surface->resource));
	if (guest != NULL && guest->client != NULL) {
		count_commit(guest->client);
	}
	check_commit(surface->surface);
}

static void handle_surface_destroy(struct wl_listener *listener, void *data) {
	struct guest_surface *surface = wl_container_of(listener, surface, destroy);
	wl_list_remove(&surface->client_commit.link);
	wl_list_remove(&surface->destroy.link);
	free(surface);
}

void guest_client_handle_new_surface(struct wl_listener *listener, void *data) {
	struct wlr_surface *wlr = data;
	if (guest_from_client(wl_resource_get_client(wlr->resource)) == NULL) {
		return;
	}
	struct guest_surface *surface = calloc(1, sizeof(*surface));
	if (surface == NULL) {
		wl_client_post_no_memory(wl_resource_get_client(wlr->resource));
		return;
	}
	surface->surface = wlr;
	surface->client_commit.notify = handle_client_commit;
	wl_signal_add(&wlr->events.client_commit, &surface->client_commit);
	surface->destroy.notify = handle_surface_destroy;
	wl_signal_add(&wlr->events.destroy, &surface->destroy);
}

bool guest_client_global_filter(
	const struct wl_client *client, const struct wl_global *global, void *data) {
	static const char *const for_guests[] = {
		"wl_compositor",
		"wl_shm",
		"wl_seat",
		"wp_presentation",
		"wp_cursor_shape_manager_v1",
		"zwp_relative_pointer_manager_v1",
	};
	struct server *server = data;
	bool of_guests = guest_desktop_is_global(server->guest_desktop, global);
	if (guest_from_client(client) == NULL) {
		return !of_guests;
	}
	const char *name = wl_global_get_interface(global)->name;
	for (size_t i = 0; i < sizeof(for_guests) / sizeof(for_guests[0]); i++) {
		if (strcmp(name, for_guests[i]) == 0) {
			return true;
		}
	}
	return of_guests || (server->guest_dmabufs && strcmp(name, "zwp_linux_dmabuf_v1") == 0);
}
