#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int fd_close(int fd) {
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

void fd_close_many(int *fds, size_t n) {
	for (size_t i = 0; i < n; i++) {
		fds[i] = fd_close(fds[i]);
	}
}

ssize_t fd_send(int socket, const void *data, size_t size, const int *fds, size_t n, int flags) {
	if (n > FD_MAX) {
		return -EMSGSIZE;
	}
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * FD_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (n > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * n);
	}
	ssize_t sent = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

ssize_t fd_recv(int socket, void *data, size_t size, int *ret_fds, size_t *ret_n, int flags) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * FD_MAX)];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	if (received < 0) {
		return -errno;
	}
	int fds[FD_MAX];
	size_t n = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
		header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + n, CMSG_DATA(header), count * sizeof(int));
		n += count;
	}
	if ((message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
		fd_close_many(fds, n);
		return -EMSGSIZE;
	}
	memcpy(ret_fds, fds, n * sizeof(int));
	*ret_n = n;
	return received;
}

static int change_flag(int fd, int get, int set, int flag, bool on) {
	int flags = fcntl(fd, get);
	if (flags < 0 || fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0) {
		return -errno;
	}
	return 0;
}

int fd_set_nonblock(int fd, bool on) {
	return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on) {
	return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}
