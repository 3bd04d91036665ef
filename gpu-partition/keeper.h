#ifndef GPU_PARTITION_KEEPER_H
#define GPU_PARTITION_KEEPER_H

#include "device-link.h"

/*
 * Duplicates of what a guest's device got from its VMM: the connection, the files of guest
 * memory, the interrupts' eventfds. Whoever replaces a device that died gets them from
 * here. A device cannot have more kept than there are keys.
 */
struct keeper {
	int fds[LINK_SLOTS]; // owned, -1 where nothing is kept
};

void keeper_init(struct keeper *keeper);

/* Closes all; the keeper can be used again. */
void keeper_clear(struct keeper *keeper);

/* What LINK_STORE says; fd is the keeper's from then on. */
void keeper_store(struct keeper *keeper, const struct link_key *key, int fd);

/* What LINK_DROP says; nothing happens where nothing is kept. */
void keeper_drop(struct keeper *keeper, const struct link_key *key);

/* Sends LINK_STORED for all, over a link made by keeper_pair(). Returns 0 or -errno. */
int keeper_send(const struct keeper *keeper, int link);

/*
 * Makes a link whose buffer takes all that can be kept, with mulliond's end first. Returns 0
 * or -errno.
 */
int keeper_pair(int ret[2]);

#endif
