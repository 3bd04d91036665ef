#ifndef GPU_PARTITION_GUEST_SOCKET_H
#define GPU_PARTITION_GUEST_SOCKET_H

#include <sys/types.h>

#include "device-link.h"

/*
 * Where a guest's VMM connects to a function of its device: for the GPU `path` if that is
 * set, and that with "-keyboard" and so on for the others; else gpu.sock, keyboard.sock and
 * so on in guests/NAME in the runtime directory, which has mode 0700. Returns the path for the
 * caller to free; or NULL with one line of reason (see refuse()), also for one too long for
 * a socket.
 */
char *guest_socket_path(
	const char *path, const char *guest, enum link_function function, char **ret_reason);

/* Likewise guests/NAME/link.sock, where a later mulliond finds the guest's device. */
char *guest_socket_link_path(const char *guest, char **ret_reason);

/* Likewise guests/NAME/qmp.sock, where the guest's QEMU takes QMP connections. */
char *guest_socket_qmp_path(const char *guest, char **ret_reason);

/*
 * Listens there, for SOCK_STREAM or SOCK_SEQPACKET. A socket that nobody listens on any more is replaced; one in use is
 * refused, with its owner. Returns a non-blocking descriptor, or -1 with a reason.
 */
int guest_socket_listen(const char *path, int type, char **ret_reason);

/* Removes what a guest of which nothing runs has left in its directory, and that. */
void guest_socket_clean(const char *guest);

/* Connects there. Returns a non-blocking descriptor or -errno. */
int guest_socket_connect(const char *path, int type);

/*
 * The process of this user that listens where fd is connected to: a pidfd for the caller to
 * close, and its id; or -errno, -ESRCH where it is gone.
 */
int guest_socket_peer(int fd, pid_t *ret_pid);

/* Who listens on a stream socket: the process id, 0 where nobody does, or -errno. */
int guest_socket_owner(const char *path);

#endif
