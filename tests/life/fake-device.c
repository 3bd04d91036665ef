/*
 * Stands in for mullion-device in test-guest. What it does follows from the name of the
 * guest in LINK_SETUP; see behave().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
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
#include "memfd.h"
#include "sandbox.h"

static struct device_state_file *state; // of all devices that this guest has had
static unsigned generation;             // from 1
static int link_fd = LINK_DEVICE_FD;

/* False at the end of the link. */
static bool receive(struct link_message *message, int *fds) {
	size_t n;
	struct pollfd link = {.fd = link_fd, .events = POLLIN};
	poll(&link, 1, -1);
	return link_receive(link_fd, message, fds, &n) == 1;
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
	link_send(link_fd, &message, NULL, 0);
}

/* As the device does it for another mulliond, or as told. */
static void adopt(struct link_setup setup, int *fds) {
	struct pollfd listener = {.fd = fds[LINK_FD_LINKS], .events = POLLIN};
	poll(&listener, 1, -1);
	close(link_fd);
	link_fd = accept(fds[LINK_FD_LINKS], NULL, NULL);
	struct link_message message = {.type = LINK_ADOPT, .setup = setup};
	if (strcmp(setup.name, "mute") == 0) {
		pause();
	} else if (strcmp(setup.name, "hides") == 0) {
		snprintf(message.setup.name, sizeof(message.setup.name), "other");
	} else if (strcmp(setup.name, "moves") == 0) {
		message.setup.slice_base += 65536;
	} else if (strcmp(setup.name, "grows") == 0) {
		message.setup.slice_size += 65536;
	} else if (strcmp(setup.name, "changes-its-card") == 0) {
		message.setup.personality = LINK_PERSONALITY_VIRTIO_GPU;
	} else if (strcmp(setup.name, "grows-heads") == 0) {
		message.setup.heads++;
	} else if (strcmp(setup.name, "wants-more") == 0) {
		message.setup.hidden_refresh *= 60;
	} else if (strcmp(setup.name, "swaps") == 0) {
		fds[LINK_FD_SLICE] = memfd_create_sealed("other", setup.slice_size);
	} else if (strcmp(setup.name, "swaps-state") == 0) {
		fds[LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE)] = fds[LINK_FD_SLICE];
	} else if (strcmp(setup.name, "swaps-socket") == 0) {
		fds[LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_LISTENER)] = fds[LINK_FD_LINKS];
	} else if (strcmp(setup.name, "typed-hides") == 0) {
		message.setup.functions = 1;
	} else if (strcmp(setup.name, "typed-swaps-state") == 0) {
		fds[LINK_FD_OF(LINK_FUNCTION_TOUCH, LINK_PORT_STATE)] =
			fds[LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE)];
	} else if (strcmp(setup.name, "typed-swaps-socket") == 0) {
		fds[LINK_FD_OF(LINK_FUNCTION_KEYBOARD, LINK_PORT_LISTENER)] =
			fds[LINK_FD_OF(LINK_FUNCTION_MOUSE, LINK_PORT_LISTENER)];
	}
	link_send(link_fd, &message, fds, LINK_FDS_OF(message.setup.functions));
	if (strcmp(setup.name, "breaks-off") == 0) {
		exit(0);
	}
	send_vmm(true);
	message.type = LINK_GO;
	link_send(link_fd, &message, NULL, 0);
}

static void behave(const char *name) {
	if (strcmp(name, "dies") == 0) {
		exit(3);
	} else if (strcmp(name, "is-not-shut-in") == 0) {
		const struct link_message message = {.type = LINK_SANDBOX,
			.sandbox = {.failed = SANDBOX_LANDLOCK, .error = EOPNOTSUPP}};
		link_send(link_fd, &message, NULL, 0);
		exit(SANDBOX_EXIT_STATUS + SANDBOX_LANDLOCK);
	} else if (strcmp(name, "lies-about-it") == 0) {
		const struct link_message message = {.type = LINK_SANDBOX,
			.sandbox = {.failed = SANDBOX_LANDLOCK, .error = EPERM}};
		link_send(link_fd, &message, NULL, 0);
		exit(SANDBOX_EXIT_STATUS + SANDBOX_SECCOMP);
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

/* What a VMM's connections, the guest's memory that all functions share, and an interrupt are to
 * the real one. */
static void store_connections(uint32_t functions) {
	if (generation > 1) {
		return;
	}
	int memory = memfd_create_sealed("ram", 4096);
	for (uint32_t i = 0; i < functions; i++) {
		const struct link_key connection = {LINK_KIND_CONNECTION, 0, 0, i};
		const struct link_key file = {LINK_KIND_MEMORY, 0, 0, i};
		send_key(LINK_STORE, &connection, eventfd(1, EFD_CLOEXEC));
		send_key(LINK_STORE, &file, memory);
	}
	send_key(LINK_STORE, &kept_key, eventfd(7, EFD_CLOEXEC));
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
	int given[FD_MAX], fds[FD_MAX];
	struct link_message message = {0};
	if (!receive(&message, given) || message.type != LINK_SETUP) {
		return 8;
	}
	const struct link_setup setup = message.setup;
	const char *name = setup.name;
	listen(given[LINK_FD_LINKS], 4);
	fill_state(&setup, given[LINK_FD_SLICE],
		given[LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE)]);
	behave(name);
	if (strstr(name, "keeps-vmm") != NULL) {
		store_connections(setup.functions);
	}
	send_vmm(true);
	for (;;) {
		if (!receive(&message, fds)) {
			adopt(setup, given);
		} else if (message.type == LINK_PING) {
			message.type = LINK_PONG;
			link_send(link_fd, &message, NULL, 0);
			behave_later(name);
		} else if (message.type == LINK_STORED) {
			take_back(&message, fds[0]);
		} else if (message.type == LINK_DISPLAY) {
			send(fds[0], "shown", 5, MSG_NOSIGNAL);
			close(fds[0]);
		}
	}
}
