#ifndef GPU_PARTITION_GPU_PORTS_H
#define GPU_PARTITION_GPU_PORTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gpu.h"

/* What each function of a GPU's device is served with (enum link_port_fd), part of struct gpu. */

/*
 * Makes it for all functions. socket is where an external VMM connects, or NULL. Returns 0; or
 * -1 with one line of reason, and gpu_ports_remove() is needed in either case.
 */
int gpu_ports_make(struct gpu *gpu, const char *socket, char **ret_reason);

/* Fills in states and sockets, which stay the GPU's. Returns 0 or -errno. */
int gpu_ports_record(const struct gpu *gpu, struct guest_record *record);

/* What the record knows of them without their descriptors. Returns 0 or -ENOMEM. */
int gpu_ports_recall(struct gpu *gpu, const struct guest_record *record);

/* Compares descriptors with the record; NULL, or what is wrong with them. */
const char *gpu_ports_find_lie(
	const struct gpu *gpu, const struct guest_record *record, const int *untrusted_fds);

/* Whether it is this sealed memfd, or listens there. */
bool gpu_is_memory(int untrusted_fd, uint64_t size, ino_t inode);
bool gpu_is_socket(int untrusted_fd, int type, const char *path);

/* Removes the sockets' paths where they are ours, and frees them. */
void gpu_ports_remove(struct gpu *gpu);

#endif
