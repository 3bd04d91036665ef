#include "fd-store.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "fd.h"
#include "log.h"

#define PREFIX "guest."

/*
 * Told in one go, and how often at most: a new guest's descriptors are there within the first
 * goes, and a device that stores and drops without end keeps nobody busy.
 */
#define BATCH 16
#define RATE_US (100 * USEC_PER_MSEC)
#define RATE 32

#define FINISH_US (200 * USEC_PER_MSEC)

struct fd_store_given {
	struct fd_store_given *next;
	int fd;    // owned, -1 when closed
	bool drop; // the manager is to drop it, too
	char name[FD_STORE_NAME_MAX];
};

static const char *const shared_names[LINK_FDS_SHARED] = {
	[LINK_FD_SLICE] = "slice",
	[LINK_FD_LINKS] = "links",
};

static const char *const port_names[LINK_PORT_FDS] = {
	[LINK_PORT_LISTENER] = "listener",
	[LINK_PORT_STATE] = "state",
	[LINK_PORT_REPLIES_READ] = "replies-read",
	[LINK_PORT_REPLIES_WRITE] = "replies-write",
};

/* "keyboard-" for what is a function's own; nothing for the GPU's. */
static int name_function(uint32_t function, char *name, size_t size) {
	return function == LINK_FUNCTION_GPU
		? 0
		: snprintf(name, size, "%s-", link_function_name(function));
}

static void name_key(unsigned slot, char *name, size_t size) {
	if (slot < LINK_FDS_SHARED) {
		snprintf(name, size, "%s", shared_names[slot]);
		return;
	}
	if (slot == FD_SHELF_ERRORS) {
		snprintf(name, size, "errors");
		return;
	}
	if (slot < LINK_FDS_MAX) {
		slot -= LINK_FDS_SHARED;
		int length = name_function(slot / LINK_PORT_FDS, name, size);
		snprintf(name + length, size - (size_t)length, "%s",
			port_names[slot % LINK_PORT_FDS]);
		return;
	}
	struct link_key key = link_slot_key(slot - LINK_FDS_MAX);
	int length = name_function(key.function, name, size);
	name += length;
	size -= (size_t)length;
	switch (key.kind) {
	case LINK_KIND_MEMORY:
		snprintf(name, size, "memory-%u", key.number);
		break;
	case LINK_KIND_IRQ:
		snprintf(name, size, "irq-%u-%u", key.index, key.number);
		break;
	case LINK_KIND_UNMASK:
		snprintf(name, size, "unmask-%u", key.index);
		break;
	default:
		snprintf(name, size, "vmm");
		break;
	}
}

void fd_store_name(const char *guest, unsigned slot, char name[FD_STORE_NAME_MAX]) {
	char key[32];
	name_key(slot, key, sizeof(key));
	snprintf(name, FD_STORE_NAME_MAX, PREFIX "%s.%s", guest, key);
}

bool fd_store_slot(const char *name, const char *guest, unsigned *ret_slot) {
	char key[32];
	size_t length = strlen(guest);
	if (!fd_store_owns(name) || strncmp(name + strlen(PREFIX), guest, length) != 0 ||
		name[strlen(PREFIX) + length] != '.') {
		return false;
	}
	name += strlen(PREFIX) + length + 1;
	for (unsigned slot = 0; slot < FD_SHELF_SLOTS; slot++) {
		name_key(slot, key, sizeof(key));
		if (strcmp(name, key) == 0) {
			*ret_slot = slot;
			return true;
		}
	}
	return false;
}

bool fd_store_owns(const char *name) {
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* Returns a socket, -1 where there is no manager that keeps descriptors, or another -errno. */
static int connect_manager(void) {
	const char *path = getenv("NOTIFY_SOCKET"), *max = getenv("FDSTORE");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (path == NULL || max == NULL || strtoul(max, NULL, 10) == 0 ||
		(path[0] != '/' && path[0] != '@')) {
		return -1;
	}
	size_t length = strlen(path);
	if (length >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') {
		address.sun_path[0] = '\0';
	}
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0) {
		return fd;
	}
	int error = -errno;
	fd_close(fd);
	return error;
}

static int send_word(struct fd_store *store, bool keep, const char *name, int fd) {
	char text[FD_STORE_NAME_MAX + 64];
	// Whether the other end is still there is for the guest's device to find out.
	int length = snprintf(text, sizeof(text), "%s=1\nFDNAME=%s%s",
		keep ? "FDSTORE" : "FDSTOREREMOVE", name, keep ? "\nFDPOLL=0" : "");
	ssize_t sent =
		fd_send(store->socket, text, (size_t)length, &fd, keep ? 1 : 0, MSG_DONTWAIT);
	return sent < 0 ? (int)sent : 0;
}

static void set_told(struct fd_shelf *shelf, unsigned slot) {
	shelf->untold[slot] = false;
	shelf->untold_len--;
}

static int tell_slot(struct fd_store *store, struct fd_shelf *shelf, unsigned slot) {
	char name[FD_STORE_NAME_MAX];
	int error = 0;
	fd_store_name(shelf->guest, slot, name);
	if (shelf->kept[slot]) {
		error = send_word(store, false, name, -1);
		shelf->kept[slot] = error < 0;
	}
	if (error == 0 && shelf->fds[slot] >= 0) {
		error = send_word(store, true, name, shelf->fds[slot]);
		shelf->kept[slot] = error == 0;
	}
	if (error == 0) {
		set_told(shelf, slot);
	}
	return error;
}

static void unlink_shelf(struct fd_store *store, struct fd_shelf *shelf) {
	struct fd_shelf **link = &store->first;
	while (*link != NULL && *link != shelf) {
		link = &(*link)->next;
	}
	if (*link != NULL) {
		*link = shelf->next;
	}
	shelf->next = NULL;
}

static void append_shelf(struct fd_store *store, struct fd_shelf *shelf) {
	struct fd_shelf **link = &store->first;
	while (*link != NULL) {
		link = &(*link)->next;
	}
	*link = shelf;
	shelf->next = NULL;
}

/* Some of one guest's; the others get their turn before it has another. */
static int tell_shelf(struct fd_store *store, struct fd_shelf *shelf) {
	unsigned told = 0;
	int error = 0;
	for (unsigned slot = 0; slot < FD_SHELF_SLOTS && told < BATCH && error == 0; slot++) {
		if (shelf->untold[slot]) {
			error = tell_slot(store, shelf, slot);
			told++;
		}
	}
	unlink_shelf(store, shelf);
	if (shelf->untold_len > 0) {
		append_shelf(store, shelf);
	}
	return error;
}

static void free_given(struct fd_store_given **link) {
	struct fd_store_given *given = *link;
	*link = given->next;
	fd_close(given->fd);
	free(given);
}

static int tell_drops(struct fd_store *store) {
	struct fd_store_given **link = &store->given;
	int error = 0;
	for (unsigned told = 0; *link != NULL && told < BATCH && error == 0;) {
		if (!(*link)->drop) {
			link = &(*link)->next;
			continue;
		}
		error = send_word(store, false, (*link)->name, -1);
		if (error == 0) {
			free_given(link);
			told++;
		}
	}
	return error;
}

static bool has_drops(const struct fd_store *store) {
	const struct fd_store_given *given = store->given;
	while (given != NULL && !given->drop) {
		given = given->next;
	}
	return given != NULL;
}

/* Returns 0; -EAGAIN where the manager does not read now, or -errno. */
static int tell(struct fd_store *store) {
	int error = tell_drops(store);
	if (error == 0 && store->first != NULL) {
		error = tell_shelf(store, store->first);
	}
	// The latter: too many descriptors of this user are under way.
	return error == -EINTR || error == -ETOOMANYREFS ? -EAGAIN : error;
}

static void give_up(struct fd_store *store, int error) {
	log_error("the service manager keeps no descriptors any more (%s): when a guest's GPU "
		  "process and mulliond die together, that guest ends",
		strerror(-error));
	store->source = sd_event_source_disable_unref(store->source);
	store->socket = fd_close(store->socket);
}

static int handle_writable(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct fd_store *store = data;
	int error = tell(store);
	if (error < 0 && error != -EAGAIN) {
		give_up(store, error);
	} else if (store->first == NULL && !has_drops(store)) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	return 0;
}

static int watch(struct fd_store *store, sd_event *event) {
	int error = sd_event_add_io(
		event, &store->source, store->socket, EPOLLOUT, handle_writable, store);
	if (error >= 0) {
		error = sd_event_source_set_ratelimit(store->source, RATE_US, RATE);
	}
	// Whatever a guest waits for comes first.
	if (error >= 0) {
		error = sd_event_source_set_priority(store->source, SD_EVENT_PRIORITY_IDLE);
	}
	return error < 0 ? error : sd_event_source_set_enabled(store->source, SD_EVENT_OFF);
}

int fd_store_init(struct fd_store *store, sd_event *event) {
	*store = (struct fd_store){.socket = connect_manager()};
	if (store->socket < -1) {
		log_warning("the service manager cannot be told of descriptors: %s",
			strerror(-store->socket));
		store->socket = -1;
	}
	int error = store->socket >= 0 ? watch(store, event) : 0;
	if (error < 0) {
		fd_store_finish(store);
	}
	return error < 0 ? error : 0;
}

/* Tells all that there is to tell, within a bound; afterwards a manager is none any more. */
static void tell_all(struct fd_store *store) {
	uint64_t end = clock_usec() + FINISH_US;
	while (store->source != NULL && (store->first != NULL || has_drops(store))) {
		int error = tell(store);
		struct pollfd socket = {.fd = store->socket, .events = POLLOUT};
		if (clock_usec() >= end || (error < 0 && error != -EAGAIN)) {
			give_up(store, error < 0 ? error : -ETIMEDOUT);
		} else if (error == -EAGAIN) {
			poll(&socket, 1, 10);
		}
	}
}

void fd_store_finish(struct fd_store *store) {
	tell_all(store);
	while (store->given != NULL) {
		free_given(&store->given);
	}
	if (store->source != NULL) {
		store->source = sd_event_source_disable_unref(store->source);
		store->socket = fd_close(store->socket);
	}
	store->first = NULL;
}

static void wake(struct fd_store *store) {
	if (store->source != NULL) {
		sd_event_source_set_enabled(store->source, SD_EVENT_ON);
	}
}

void fd_store_give(struct fd_store *store, const char *name, int fd) {
	struct fd_store_given *given = calloc(1, sizeof(*given));
	if (given == NULL || strlen(name) >= sizeof(given->name)) {
		free(given);
		fd_close(fd);
		return;
	}
	snprintf(given->name, sizeof(given->name), "%s", name);
	given->fd = fd;
	given->next = store->given;
	store->given = given;
}

bool fd_store_has(const struct fd_store *store, const char *guest) {
	const struct fd_store_given *given = store->given;
	unsigned slot;
	while (given != NULL && (given->fd < 0 || !fd_store_slot(given->name, guest, &slot))) {
		given = given->next;
	}
	return given != NULL;
}

int fd_store_peek(const struct fd_store *store, const char *guest, unsigned slot) {
	char name[FD_STORE_NAME_MAX];
	fd_store_name(guest, slot, name);
	for (const struct fd_store_given *given = store->given; given != NULL;
		given = given->next) {
		if (given->fd >= 0 && strcmp(given->name, name) == 0) {
			return given->fd;
		}
	}
	return -1;
}

void fd_store_drop_rest(struct fd_store *store) {
	for (struct fd_store_given *given = store->given; given != NULL; given = given->next) {
		given->fd = fd_close(given->fd);
		given->drop = true;
	}
	wake(store);
}

void fd_shelf_init(struct fd_shelf *shelf, struct fd_store *store, const char *guest) {
	*shelf = (struct fd_shelf){.store = store, .guest = guest};
	memset(shelf->fds, -1, sizeof(shelf->fds));
}

void fd_shelf_finish(struct fd_shelf *shelf) {
	if (shelf->store != NULL) {
		tell_all(shelf->store);
		unlink_shelf(shelf->store, shelf);
	}
	*shelf = (struct fd_shelf){0};
}

size_t fd_shelf_take(struct fd_shelf *shelf, int *ret_fds) {
	size_t n = 0;
	memset(ret_fds, -1, FD_SHELF_SLOTS * sizeof(*ret_fds));
	struct fd_store_given **link = shelf->store != NULL ? &shelf->store->given : NULL;
	while (link != NULL && *link != NULL) {
		unsigned slot;
		struct fd_store_given *given = *link;
		if (given->fd < 0 || !fd_store_slot(given->name, shelf->guest, &slot) ||
			ret_fds[slot] >= 0) {
			link = &given->next;
			continue;
		}
		shelf->fds[slot] = ret_fds[slot] = given->fd;
		shelf->kept[slot] = true;
		given->fd = -1;
		free_given(link);
		n++;
	}
	return n;
}

void fd_shelf_put(struct fd_shelf *shelf, unsigned slot, int fd) {
	if (shelf->store == NULL || shelf->store->source == NULL) {
		return;
	}
	shelf->fds[slot] = fd;
	if (!shelf->untold[slot]) {
		shelf->untold[slot] = true;
		if (shelf->untold_len++ == 0) {
			append_shelf(shelf->store, shelf);
		}
	}
	wake(shelf->store);
}

void fd_shelf_clear(struct fd_shelf *shelf) {
	for (unsigned slot = 0; slot < FD_SHELF_SLOTS; slot++) {
		if (shelf->kept[slot] || shelf->fds[slot] >= 0) {
			fd_shelf_put(shelf, slot, -1);
		}
	}
}
