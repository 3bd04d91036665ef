#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "config-check.h"
#include "fd.h"
#include "guest-socket.h"
#include "guests.h"
#include "log.h"
#include "program.h"

/* All devices are asked at once: one that is stuck costs this, however many are. */
#define ANSWER_US (3 * USEC_PER_SEC)

/* For a peer whose queue is full. */
#define CONNECT_US USEC_PER_SEC
#define CONNECT_STEP_MS 10

#define LEFT_MAX (2 * CONFIG_GUESTS_MAX)

/* A guest of an earlier mulliond. */
struct left {
	char name[CONFIG_NAME_MAX + 1];
	struct guest_record record; // owned
	int link, qmp;              // owned, -1 where nobody listens
};

/*
 * Frees the path. Connections of mullionds that died may wait before this one: QEMU takes
 * few at a time.
 */
static int connect_to(char *path, int type) {
	uint64_t end = clock_usec() + CONNECT_US;
	int fd = path != NULL ? guest_socket_connect(path, type) : -ENOMEM;
	while (fd == -EAGAIN && clock_usec() < end) {
		poll(NULL, 0, CONNECT_STEP_MS);
		fd = guest_socket_connect(path, type);
	}
	free(path);
	return fd < 0 ? -1 : fd;
}

/* Kills who listens there. */
static void kill_peer(struct guests *guests, int fd) {
	pid_t pid;
	struct process process = {0};
	int pidfd = fd >= 0 ? guest_socket_peer(fd, &pid) : -1;
	if (pidfd >= 0 && process_adopt(&process, guests->event, pid, pidfd, NULL, NULL) == 0) {
		process_finish(&process);
	}
}

/*
 * A listener that the service manager has kept takes connections though its device is gone;
 * but it knows who listened last.
 */
static bool is_dead(const struct guests *guests, const char *name) {
	pid_t pid;
	int listener = fd_store_peek(&guests->store, name, LINK_FD_LINKS);
	if (listener < 0) {
		return false;
	}
	struct pollfd poll_fd = {.fd = guest_socket_peer(listener, &pid), .events = POLLIN};
	bool dead = poll_fd.fd < 0 || poll(&poll_fd, 1, 0) > 0;
	fd_close(poll_fd.fd);
	return dead;
}

/* Finds what there is; false where nothing is known of it. */
static bool look(struct guests *guests, const char *name, struct left *ret) {
	*ret = (struct left){.link = -1, .qmp = -1};
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	if (!is_dead(guests, name)) {
		ret->link = connect_to(guest_socket_link_path(name, NULL), SOCK_SEQPACKET);
	}
	ret->qmp = connect_to(guest_socket_qmp_path(name, NULL), SOCK_STREAM);
	int error = guest_record_load(name, &ret->record);
	if (error == 0) {
		return true;
	}
	if (ret->link >= 0 || ret->qmp >= 0) {
		log_error(
			"guest '%s': killed: there is no record of it: %s", name, strerror(-error));
		kill_peer(guests, ret->link);
		kill_peer(guests, ret->qmp);
	}
	fd_close(ret->link);
	fd_close(ret->qmp);
	guest_record_finish(&ret->record);
	guest_socket_clean(name);
	return false;
}

static size_t find_left(struct guests *guests, struct left *left) {
	char *path = NULL, *runtime = program_runtime_dir();
	DIR *directory = NULL;
	if (runtime != NULL && asprintf(&path, "%s/guests", runtime) >= 0) {
		directory = opendir(path);
		free(path);
	}
	free(runtime);
	size_t n = 0;
	struct dirent *entry;
	while (directory != NULL && n < LEFT_MAX && (entry = readdir(directory)) != NULL) {
		if (config_name_allowed(entry->d_name, strlen(entry->d_name))) {
			n += look(guests, entry->d_name, &left[n]);
		}
	}
	if (directory != NULL) {
		closedir(directory);
	}
	return n;
}

/* The pool may have been made smaller meanwhile; a slice that is in use stays. */
static void make_room(struct vram *vram, const struct guest_record *record) {
	uint64_t end = record->base + record->limit;
	if (end > vram->size && end > record->base) {
		log_warning("the VRAM map stays at %llu MiB for the guests that lie there",
			(unsigned long long)(end >> 20));
		vram->size = end;
	}
}

/* One without a file is worth a place only while something of it is there. */
static bool is_there(const struct guests *guests, const struct left *left) {
	return left->link >= 0 || left->qmp >= 0 || fd_store_has(&guests->store, left->name);
}

static void take(struct guests *guests, struct left *left, uint64_t deadline) {
	struct guest *guest = guests_find(guests, left->name);
	bool there = is_there(guests, left);
	if (guest == NULL && there) {
		guest = guests_add_orphan(guests, left->name, &left->record);
	}
	if (guest == NULL && !there) {
		log_warning("guest '%s': ended while no mulliond ran", left->name);
		guest_socket_clean(left->name);
	} else if (guest == NULL) {
		log_error("guest '%s': killed: there is no place for it", left->name);
		kill_peer(guests, left->link);
		kill_peer(guests, left->qmp);
		fd_close(left->link);
		fd_close(left->qmp);
		guest_socket_clean(left->name);
	} else {
		make_room(&guests->vram, &left->record);
		guest_adopt(guest, &left->record, left->link, left->qmp, deadline);
	}
	guest_record_finish(&left->record);
}

void guests_adopt(struct guests *guests) {
	struct left *left = calloc(LEFT_MAX, sizeof(*left));
	if (left == NULL) {
		log_error("no guest can be taken over: out of memory");
		return;
	}
	size_t n = find_left(guests, left);
	uint64_t deadline = clock_usec() + ANSWER_US;
	for (size_t i = 0; i < n; i++) {
		take(guests, &left[i], deadline);
	}
	free(left);
	fd_store_drop_rest(&guests->store);
}
