/*
 * Stands in for mullion-device in test-guest. What it does follows from the name of the
 * guest in LINK_SETUP; see behave().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-link.h"
#include "device-state.h"
#include "fd.h"

static struct device_state_file *state; // of all devices that this guest has had
static unsigned generation;             // from 1

static struct link_message receive(int *fds) {
	struct link_message message = {0};
	size_t n;
	struct pollfd link = {.fd = LINK_DEVICE_FD, .events = POLLIN};
	poll(&link, 1, -1);
	if (link_receive(LINK_DEVICE_FD, &message, fds, &n) != 1) {
		exit(0);
	}
	return message;
}

/* Leaves in its state what the test wants to see of its memory. */
static void fill_state(const struct link_setup *setup, int slice, int state_fd) {
	struct stat status;
	struct device_state_file *map =
		mmap(NULL, DEVICE_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (map == MAP_FAILED || fstat(slice, &status) < 0) {
		exit(9);
	}
	map->live.looks = (uint64_t)status.st_size;
	map->live.commits = status.st_ino;
	state = map;
	generation = ++map->slots[0].state.generation;
	map->slots[0].state.resets = setup->slice_base;
	map->slots[0].state.traps[TRAP_VRAM] = UINT64_MAX;
	map->size = sizeof(*map);
	map->version = DEVICE_STATE_VERSION;
	map->magic = DEVICE_STATE_MAGIC;
}

static void send_vmm(bool connected) {
	struct link_message message = {.type = LINK_VMM, .vmm.connected = connected};
	link_send(LINK_DEVICE_FD, &message, NULL, 0);
}

static void behave(const char *name) {
	if (strcmp(name, "dies") == 0) {
		exit(3);
	} else if (strcmp(name, "crashes") == 0) {
		raise(SIGKILL);
	} else if (strcmp(name, "garbage") == 0) {
		send(LINK_DEVICE_FD, "garbage garbage", 15, 0);
	} else if (strcmp(name, "hangs-up") == 0) {
		signal(SIGTERM, SIG_IGN);
		shutdown(LINK_DEVICE_FD, SHUT_RDWR);
		for (;;) {
			pause();
		}
	} else if (strcmp(name, "deaf") == 0) {
		signal(SIGTERM, SIG_IGN);
	} else if (strcmp(name, "floods") == 0) {
		for (bool connected = true;; connected = !connected) {
			send_vmm(connected);
		}
	}
}

static const struct link_key kept_key = {LINK_KIND_IRQ, 0, 0, 0};
static const struct link_key dropped_key = {LINK_KIND_MEMORY, 0, 1, 0};

static void send_key(enum link_type type, const struct link_key *key, int fd) {
	const struct link_message message = {.type = type, .key = *key};
	link_send(LINK_DEVICE_FD, &message, &fd, fd >= 0 ? 1 : 0);
}

/* The first device leaves two descriptors, and takes one of them back. */
static void store(void) {
	int fd = eventfd(7, EFD_CLOEXEC);
	send_key(LINK_STORE, &dropped_key, fd);
	send_key(LINK_STORE, &kept_key, fd);
	send_key(LINK_DROP, &dropped_key, -1);
}

/* A later one says in its state what it got back. */
static void take_back(const struct link_message *message, int fd) {
	uint64_t value = 0;
	if (memcmp(&message->key, &kept_key, sizeof(kept_key)) == 0 &&
		read(fd, &value, sizeof(value)) == sizeof(value)) {
		state->live.replying = value;
	}
	state->live.partial++;
	close(fd);
}

/* Once it has been asked for its pulse. */
static void behave_later(const char *name) {
	if (strcmp(name, "keeps-dying") == 0) {
		raise(SIGKILL);
	}
	if (generation > 1) {
		return;
	}
	if (strcmp(name, "dies-once") == 0) {
		store();
		raise(SIGKILL);
	} else if (strcmp(name, "babbles-once") == 0) {
		send(LINK_DEVICE_FD, "garbage garbage", 15, 0);
	} else if (strcmp(name, "hangs-once") == 0) {
		raise(SIGSTOP);
	} else if (strcmp(name, "hangs-up-once") == 0) {
		shutdown(LINK_DEVICE_FD, SHUT_RDWR);
		pause();
	}
}

int main(void) {
	int fds[FD_MAX];
	struct link_message message = receive(fds);
	if (message.type != LINK_SETUP) {
		return 8;
	}
	fill_state(&message.setup, fds[LINK_FD_SLICE], fds[LINK_FD_STATE]);
	const char *name = strdup(message.setup.name);
	behave(name);
	send_vmm(true);
	for (;;) {
		message = receive(fds);
		if (message.type == LINK_PING) {
			message.type = LINK_PONG;
			link_send(LINK_DEVICE_FD, &message, NULL, 0);
			behave_later(name);
		} else if (message.type == LINK_STORED) {
			take_back(&message, fds[0]);
		} else if (message.type == LINK_DISPLAY) {
			send(fds[0], "shown", 5, MSG_NOSIGNAL);
			close(fds[0]);
		}
	}
}
