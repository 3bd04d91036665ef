#include "vmm.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define SEND_FDS_MAX 253

static int set_timeout(int fd, int timeout_msec) {
	struct timeval timeout = {
		.tv_sec = timeout_msec / 1000,
		.tv_usec = timeout_msec % 1000 * 1000,
	};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
		return -errno;
	}
	return 0;
}

int vmm_connect(struct vmm *vmm, const char *path, int timeout_msec) {
	*vmm = (struct vmm){.fd = -1, .next_id = 1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	vmm->buffer = calloc(2, VMM_MESSAGE_MAX);
	vmm->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (vmm->buffer == NULL || vmm->fd < 0) {
		return -errno;
	}
	if (connect(vmm->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return set_timeout(vmm->fd, timeout_msec);
}

void vmm_close(struct vmm *vmm) {
	vmm->fd = fd_close(vmm->fd);
	fd_close_many(vmm->fds, vmm->fds_used);
	vmm->fds_used = 0;
	free(vmm->buffer);
	vmm->buffer = NULL;
}

static int socket_error(int error) {
	switch (error) {
	case EAGAIN:
		return -ETIMEDOUT;
	case EPIPE:
		return -ECONNRESET;
	default:
		return -error;
	}
}

int vmm_send_raw(struct vmm *vmm, const void *bytes, size_t size, const int *fds, size_t n) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * SEND_FDS_MAX)];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (n > SEND_FDS_MAX) {
		return -EMSGSIZE;
	}
	if (n > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * n);
	}
	size_t sent = 0;
	while (sent < size) {
		iov.iov_base = (char *)bytes + sent;
		iov.iov_len = size - sent;
		ssize_t part = sendmsg(vmm->fd, &message, MSG_NOSIGNAL);
		if (part < 0 && errno == EINTR) {
			continue;
		}
		if (part < 0) {
			return socket_error(errno);
		}
		sent += (size_t)part;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return 0;
}

int vmm_send(struct vmm *vmm, enum vfu_command command, uint32_t flags, const void *body,
	size_t size, const int *fds, size_t n) {
	uint8_t small[512];
	size_t total = sizeof(struct vfu_header) + size;
	uint8_t *bytes = total <= sizeof(small) ? small : calloc(1, total);
	if (bytes == NULL) {
		return -ENOMEM;
	}
	struct vfu_header header = {
		.id = vmm->next_id++,
		.command = (uint16_t)command,
		.size = (uint32_t)total,
		.flags = flags,
	};
	memcpy(bytes, &header, sizeof(header));
	if (size > 0) {
		memcpy(bytes + sizeof(header), body, size);
	}
	int result = vmm_send_raw(vmm, bytes, total, fds, n);
	if (bytes != small) {
		free(bytes);
	}
	return result;
}

/* Takes more bytes, and the descriptors that come with them. Returns 0 or -errno. */
static int fill(struct vmm *vmm) {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * VMM_FDS_MAX)];
	} control;
	struct iovec iov = {
		.iov_base = vmm->buffer + vmm->buffer_used,
		.iov_len = VMM_MESSAGE_MAX - vmm->buffer_used,
	};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size;
	do {
		// SIGSTOP and SIGCONT interrupt a wait that has a time-out.
		size = recvmsg(vmm->fd, &message, MSG_CMSG_CLOEXEC);
	} while (size < 0 && errno == EINTR);
	if (size < 0) {
		return socket_error(errno);
	}
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
		header = CMSG_NXTHDR(&message, header)) {
		const int *fds = (const int *)CMSG_DATA(header);
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			if (vmm->fds_used == VMM_FDS_MAX) {
				close(fds[i]);
			} else {
				vmm->fds[vmm->fds_used++] = fds[i];
			}
		}
	}
	vmm->buffer_used += (size_t)size;
	return size == 0 ? -ECONNRESET : 0;
}

static int protocol_error(struct vmm *vmm, const char *complaint) {
	vmm->complaint = complaint;
	return -EPROTO;
}

/* The last message that was handed out lies at the buffer's start until now. */
static void forget_last(struct vmm *vmm, size_t size) {
	vmm->buffer_used -= size;
	memmove(vmm->buffer, vmm->buffer + size, vmm->buffer_used);
}

int vmm_receive(struct vmm *vmm, struct vmm_message *ret) {
	struct vfu_header header;
	int error = 0;
	while (error == 0 && vmm->buffer_used < sizeof(header)) {
		error = fill(vmm);
	}
	if (error < 0) {
		return error;
	}
	memcpy(&header, vmm->buffer, sizeof(header));
	if (header.size < sizeof(header) || header.size > VMM_MESSAGE_MAX) {
		return protocol_error(vmm, "the size in the header is impossible");
	}
	while (error == 0 && vmm->buffer_used < header.size) {
		error = fill(vmm);
	}
	if (error < 0) {
		return error;
	}
	*ret = (struct vmm_message){
		.header = header,
		.size = header.size - sizeof(header),
		.fds_len = vmm->fds_used,
	};
	memcpy(ret->fds, vmm->fds, vmm->fds_used * sizeof(int));
	vmm->fds_used = 0;
	if (vmm->buffer_used == header.size) {
		// The common case: nothing behind it, so the bytes may stay where they are.
		vmm->buffer_used = 0;
		ret->body = vmm->buffer + sizeof(header);
		return 0;
	}
	// Replies behind each other: this one goes to the second half.
	uint8_t *body = vmm->buffer + VMM_MESSAGE_MAX;
	memcpy(body, vmm->buffer + sizeof(header), ret->size);
	ret->body = body;
	forget_last(vmm, header.size);
	return 0;
}

void vmm_message_drop_fds(struct vmm_message *message) {
	fd_close_many(message->fds, message->fds_len);
	message->fds_len = 0;
}

int vmm_wait_closed(struct vmm *vmm, int timeout_msec) {
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	for (;;) {
		uint64_t now = clock_usec();
		if (now >= end) {
			return -ETIMEDOUT;
		}
		struct pollfd poll_fd = {.fd = vmm->fd, .events = POLLIN};
		if (poll(&poll_fd, 1, (int)((end - now) / USEC_PER_MSEC) + 1) <= 0) {
			continue;
		}
		vmm->buffer_used = 0;
		int error = fill(vmm);
		fd_close_many(vmm->fds, vmm->fds_used);
		vmm->fds_used = 0;
		if (error < 0 && error != -ETIMEDOUT) {
			return 0;
		}
	}
}
