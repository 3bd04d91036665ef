#include "keeper.h"

#include <errno.h>
#include <sys/socket.h>

#include "fd.h"

/* The kernel doubles it, and takes under 1 KiB for a packet: room for LINK_SLOTS of them. */
#define BUFFER_SIZE 212992

void keeper_init(struct keeper *keeper) {
	for (unsigned slot = 0; slot < LINK_SLOTS; slot++) {
		keeper->fds[slot] = -1;
	}
}

void keeper_clear(struct keeper *keeper) {
	fd_close_many(keeper->fds, LINK_SLOTS);
}

void keeper_store(struct keeper *keeper, const struct link_key *key, int fd) {
	unsigned slot = link_key_slot(key);
	fd_close(keeper->fds[slot]);
	keeper->fds[slot] = fd;
}

void keeper_drop(struct keeper *keeper, const struct link_key *key) {
	keeper_store(keeper, key, -1);
}

int keeper_send(const struct keeper *keeper, int link) {
	for (unsigned slot = 0; slot < LINK_SLOTS; slot++) {
		const struct link_message message = {
			.type = LINK_STORED, .key = link_slot_key(slot)};
		if (keeper->fds[slot] < 0) {
			continue;
		}
		int error = link_send(link, &message, &keeper->fds[slot], 1);
		if (error < 0) {
			return error;
		}
	}
	return 0;
}

int keeper_pair(int ret[2]) {
	const int size = BUFFER_SIZE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0) {
		return -errno;
	}
	for (unsigned i = 0; i < 2; i++) {
		setsockopt(ret[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return 0;
}
