#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dma.h"
#include "fd.h"
#include "memfd.h"
#include "rig.h"
#include "vfio-user-server.h"

/*
 * The whole server in process, with the bochs display behind it. The input is what a
 * client does: it sends whole messages or loose bytes, with descriptors of many kinds,
 * reads its replies or does not, comes twice, goes and comes again. Between any two steps
 * the server may be replaced, and the client must not notice.
 */

#define MESSAGE_MAX 1024 // bytes of one step: libFuzzer's inputs are small
#define FDS_SENT_MAX (FD_MAX + 4)
#define STEPS_MAX 256

struct session {
	struct rig rig;
	sd_event *event;
	struct device_store store; // in plain memory
	struct keep keep;
	int listener, replies[2];
	struct irq irq;
	struct vfio_user_server *server;
	struct sockaddr_un address;
	socklen_t address_size;
	int client; // -1 when closed
	unsigned resets, comings, goings;
	struct vfio_user_header header; // of the reply that is being read
	size_t header_size, body_left;
};

static unsigned open_descriptors(void) {
	unsigned n = 0;
	for (int fd = 0; fd < 128; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static void handle_reset(void *data) {
	struct session *session = data;
	session->resets++;
	bochs_reset(&session->rig.bochs);
}

static void handle_connected(void *data, bool connected) {
	struct session *session = data;
	session->comings += connected;
	session->goings += !connected;
	FUZZ_CHECK(session->goings <= session->comings);
}

static const struct vfio_user_server_ops ops = {
	.reset = handle_reset,
	.connected = handle_connected,
};

static void serve(struct session *session) {
	const struct vfio_user_server_setup setup = {
		.event = session->event,
		.listen_fd = session->listener,
		.replies = {session->replies[0], session->replies[1]},
		.pci = &session->rig.pci,
		.irq = &session->irq,
		.store = &session->store,
		.keep = &session->keep,
		.ops = &ops,
		.data = session,
	};
	irq_init(&session->irq, session->event, &session->rig.state->irq, &session->keep, true, 4);
	FUZZ_CHECK(vfio_user_server_create(&session->server, &setup) == 0);
}

/* Another process goes on from what was committed. */
static void replace(struct session *session) {
	bool connected = session->rig.state->vmm_connected != 0;
	vfio_user_server_destroy(session->server);
	irq_finish(&session->irq);
	*session->store.work = session->store.file->slots[session->store.file->commit % 2];
	// It comes again for those who are told.
	session->goings += connected;
	serve(session);
}

static void start(struct session *session) {
	FUZZ_CHECK(sd_event_new(&session->event) >= 0);
	keep_init(&session->keep, -1);
	FUZZ_CHECK(pipe2(session->replies, O_CLOEXEC | O_NONBLOCK) == 0);
	int listening = session->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	session->address.sun_family = AF_UNIX;
	// An abstract name of the kernel's own choice.
	FUZZ_CHECK(bind(listening, (struct sockaddr *)&session->address, sizeof(sa_family_t)) == 0);
	session->address_size = sizeof(session->address);
	FUZZ_CHECK(getsockname(listening, (struct sockaddr *)&session->address,
			   &session->address_size) == 0);
	FUZZ_CHECK(listen(listening, 4) == 0);
	session->client = -1;
	serve(session);
}

static void run(struct session *session) {
	for (unsigned i = 0; i < 64 && sd_event_run(session->event, 0) > 0; i++) {
	}
}

static int come(struct session *session) {
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(fd >= 0);
	if (connect(fd, (struct sockaddr *)&session->address, session->address_size) < 0) {
		return fd_close(fd);
	}
	return fd;
}

/* Replies are whole, one after the other, and no larger than agreed. */
static void check_replies(struct session *session, const uint8_t *bytes, size_t size) {
	struct vfio_user_header *header = &session->header;
	while (size > 0) {
		if (session->body_left > 0) {
			size_t n = size < session->body_left ? size : session->body_left;
			session->body_left -= n;
			bytes += n;
			size -= n;
			continue;
		}
		((uint8_t *)header)[session->header_size++] = *bytes++;
		size--;
		if (session->header_size == sizeof(*header)) {
			FUZZ_CHECK(vfio_user_header_valid(header));
			FUZZ_CHECK((header->flags & VFIO_USER_FLAG_TYPE) == VFIO_USER_FLAG_REPLY);
			bool error = (header->flags & VFIO_USER_FLAG_ERROR) != 0;
			FUZZ_CHECK(error == (header->error != 0));
			FUZZ_CHECK(!error || header->size == sizeof(*header));
			session->body_left = header->size - sizeof(*header);
			session->header_size = 0;
		}
	}
}

static void read_replies(struct session *session) {
	static uint8_t bytes[VFIO_USER_MESSAGE_MAX];
	for (;;) {
		int fds[FD_MAX];
		size_t n = 0;
		ssize_t size =
			fd_recv(session->client, bytes, sizeof(bytes), fds, &n, MSG_DONTWAIT);
		if (size <= 0) {
			return;
		}
		check_replies(session, bytes, (size_t)size);
		fd_close_many(fds, n);
		run(session);
	}
}

static void leave(struct session *session) {
	session->client = fd_close(session->client);
	session->header_size = session->body_left = 0;
	run(session);
}

static int memory(uint64_t size, int seals) {
	int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	FUZZ_CHECK(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

/* The descriptor may be of any kind that a client could come by. */
static int make_fd(struct session *session, uint8_t kind) {
	int pair[2];
	switch (kind % 10) {
	case 0:
		return memory((uint64_t)(1 + kind / 10) * VFIO_USER_PAGE, F_SEAL_SHRINK);
	case 1:
		return memory(4 * VFIO_USER_PAGE, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	case 2:
		return memory(4 * VFIO_USER_PAGE, 0);
	case 3:
		return memory(4 * VFIO_USER_PAGE, F_SEAL_SHRINK | F_SEAL_WRITE);
	case 4:
		return eventfd(0, EFD_CLOEXEC);
	case 5: // full: a write to it would block
		FUZZ_CHECK((pair[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
		FUZZ_CHECK(eventfd_write(pair[0], UINT64_MAX - 1) == 0);
		fd_set_nonblock(pair[0], false);
		return pair[0];
	case 6:
		FUZZ_CHECK(pipe2(pair, O_CLOEXEC) == 0);
		fd_close(pair[kind / 10 % 2]);
		return pair[1 - kind / 10 % 2];
	case 7:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 8: // not its own one: the connection would outlive the client, until the deadline
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		fd_close(pair[0]);
		return pair[1];
	default:
		return dup(session->rig.slice.fd);
	}
}

static size_t make_fds(struct session *session, struct fuzz_input *input, int *fds) {
	size_t n = fuzz_u8(input) % (FDS_SENT_MAX + 1);
	for (size_t i = 0; i < n; i++) {
		fds[i] = make_fd(session, fuzz_u8(input));
	}
	return n;
}

static void send_bytes(
	struct session *session, const void *data, size_t size, const int *fds, size_t n) {
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
	} control = {0};
	struct iovec io = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
	if (n > 0) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	ssize_t sent = sendmsg(session->client, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)sent; // the server may have dropped us
}

static void hello(struct session *session) {
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true}}";
	struct {
		struct vfio_user_header header;
		uint16_t major, minor;
		char json[sizeof(json)];
	} message = {.header = {.command = VFIO_USER_VERSION}};
	memcpy(message.json, json, sizeof(json));
	message.header.size =
		(uint32_t)(offsetof(__typeof__(message), json) + sizeof(message.json));
	send_bytes(session, &message, message.header.size, NULL, 0);
}

/* A message whose length is right, for what lies deeper. */
static void send_message(struct session *session, struct fuzz_input *input, bool descriptors) {
	uint8_t message[sizeof(struct vfio_user_header) + MESSAGE_MAX];
	int fds[FDS_SENT_MAX];
	size_t n = descriptors ? make_fds(session, input, fds) : 0;
	struct vfio_user_header header = {
		.id = fuzz_u8(input),
		.command = fuzz_u8(input) % 20,
		.flags = fuzz_u8(input) & VFIO_USER_FLAG_NO_REPLY,
	};
	size_t size = fuzz_u16(input) % (MESSAGE_MAX + 1);
	size = size < input->size ? size : input->size;
	header.size = (uint32_t)(sizeof(header) + size);
	memcpy(message, &header, sizeof(header));
	fuzz_take(input, message + sizeof(header), size);
	send_bytes(session, message, sizeof(header) + size, fds, n);
	fd_close_many(fds, n);
}

static void send_loose(struct session *session, struct fuzz_input *input, bool descriptors) {
	uint8_t bytes[MESSAGE_MAX];
	int fds[FDS_SENT_MAX];
	size_t n = descriptors ? make_fds(session, input, fds) : 0;
	size_t size = 1 + fuzz_u8(input);
	size = size < input->size ? size : input->size;
	fuzz_take(input, bytes, size);
	if (size > 0) {
		send_bytes(session, bytes, size, fds, n);
	}
	fd_close_many(fds, n);
}

/* A second client gets nothing, and the first notices nothing. */
static void second_client(struct session *session) {
	int fd = come(session);
	run(session);
	char byte;
	if (fd >= 0 && session->rig.state->vmm_connected != 0) {
		FUZZ_CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
	}
	fd_close(fd);
	run(session);
}

static void step(struct session *session, struct fuzz_input *input) {
	if (session->client < 0) {
		session->client = come(session);
		run(session);
	}
	uint8_t what = fuzz_u8(input);
	switch (what % 8) {
	case 0:
		hello(session);
		break;
	case 1:
	case 2:
		send_message(session, input, what % 8 == 2);
		break;
	case 3:
	case 4:
		send_loose(session, input, what % 8 == 4);
		break;
	case 5:
		second_client(session);
		break;
	case 6:
		leave(session);
		break;
	case 7:
		fuzz_take(input, session->rig.slice.map, 64);
		break;
	}
	run(session);
	if ((what & 0x40) != 0) {
		replace(session);
		run(session);
	}
	if ((what & 0x80) == 0 && session->client >= 0) {
		read_replies(session);
	}
	rig_check_scanout(&session->rig);
}

static bool all_zero(const void *bytes, size_t size) {
	const uint8_t *byte = bytes;
	while (size > 0 && byte[size - 1] == 0) {
		size--;
	}
	return size == 0;
}

/* When its client has gone the function is as at power-on. */
static void check_power_on(struct session *session) {
	const struct device_state *state = session->rig.state;
	FUZZ_CHECK(state->vmm_connected == 0 && state->dma_maps == 0);
	FUZZ_CHECK(all_zero(&state->irq, sizeof(state->irq)));
	for (unsigned slot = 0; slot < LINK_SLOTS; slot++) {
		FUZZ_CHECK(session->keep.fds[slot] == -1);
	}
	FUZZ_CHECK(session->comings == session->goings);
	FUZZ_CHECK(memcmp(state->pci_config, session->rig.pci.initial, PCI_CONFIG_SIZE) == 0);
	FUZZ_CHECK(dma_resolve(vfio_user_server_dma(session->server), 0, 1, DMA_READ) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct session session = {0};
	session.store.file = calloc(1, sizeof(*session.store.file));
	session.store.work = calloc(1, sizeof(*session.store.work));
	FUZZ_CHECK(session.store.file != NULL && session.store.work != NULL);
	rig_init(&session.rig, &session.store.work->state);
	unsigned before = open_descriptors();
	start(&session);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&session, &input);
	}
	leave(&session);
	check_power_on(&session);
	vfio_user_server_destroy(session.server);
	irq_finish(&session.irq);
	keep_finish(&session.keep);
	fd_close(session.listener);
	fd_close_many(session.replies, 2);
	sd_event_unref(session.event);
	rig_finish(&session.rig);
	free(session.store.file);
	free(session.store.work);
	FUZZ_CHECK(open_descriptors() == before);
	return 0;
}
