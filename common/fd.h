#ifndef COMMON_FD_H
#define COMMON_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The most descriptors one message may carry, on every link of mullion. */
#define FD_MAX 24

/* Closes fd unless it is negative; returns -1, for `fd = fd_close(fd)`. */
int fd_close(int fd);

/* Closes n descriptors and sets each to -1. */
void fd_close_many(int *fds, size_t n);

/*
 * Sends one message with n descriptors (n <= FD_MAX), which stay the caller's.
 * Never raises SIGPIPE. Returns the bytes sent or -errno.
 */
ssize_t fd_send(int socket, const void *data, size_t size, const int *fds, size_t n, int flags);

/*
 * Receives one message. ret_fds has room for FD_MAX and gets *ret_n descriptors,
 * close-on-exec, the caller's from then on. A message with more of them than fit
 * (MSG_CTRUNC) or longer than size on a packet socket (MSG_TRUNC) is -EMSGSIZE, and
 * all that came with it is closed. Returns bytes, 0 at the end of the stream, or -errno.
 */
ssize_t fd_recv(int socket, void *data, size_t size, int *ret_fds, size_t *ret_n, int flags);

/* Sets or clears O_NONBLOCK. Returns 0 or -errno. */
int fd_set_nonblock(int fd, bool on);

/* Sets or clears FD_CLOEXEC. Returns 0 or -errno. */
int fd_set_cloexec(int fd, bool on);

#endif
