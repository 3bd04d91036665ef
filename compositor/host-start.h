#ifndef COMPOSITOR_HOST_START_H
#define COMPOSITOR_HOST_START_H

#include <sys/types.h>

#include "log.h"
#include "process.h"

/*
 * Connects to the socket at path, without blocking. Returns a descriptor or -errno;
 * -ENOENT or -ECONNREFUSED where nobody listens.
 */
int host_connect(const char *path);

/*
 * Starts mulliond with a new listening socket at path (a dead one is replaced), so that a
 * connection made right afterwards waits for it. Returns its process id or -errno after
 * logging why at this level.
 */
pid_t host_start(struct processes *processes, const char *path, enum log_level level,
	process_exited_func exited, void *data);

#endif
