#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-link.h"
#include "device-store.h"
#include "dma.h"
#include "fd.h"
#include "keep.h"
#include "memfd.h"
#include "rig.h"
#include "vfio-user-server.h"

/*
 * The whole server in process, with the bochs display behind it. The input is what a
 * client does: it sends whole messages or loose bytes, with descriptors of many kinds,
 * reads its replies or does not, comes twice, goes and comes again. Meanwhile the server's
 * process may be replaced by another, and the test, in the place of mulliond, keeps what
 * the next one needs.
 */

#define MESSAGE_MAX 1024 // bytes of one step: libFuzzer's inputs are small
#define FDS_SENT_MAX (VFIO_USER_FDS_MAX + 4)
#define STEPS_MAX 256

/* What lives as long as the guest. */
struct host {
	int state, listener, replies[2];
	int link;                      // mulliond's end
	int kept[LINK_FUNCTION_SLOTS]; // what devices have stored
	struct sockaddr_un address;
	socklen_t address_size;
};

struct session {
	struct host host;

	// One process.
	struct rig rig;
	sd_event *event;
	int link;
	struct device_store store;
	struct keep keep;
	struct irq irq;
	struct vfio_user_server *server;
	bool connected;

	int client;                     // -1 when closed
	struct vfio_user_header header; // of the reply that is being read
	size_t header_size, body_left;
};

static unsigned open_descriptors(void) {
	unsigned n = 0;
	for (int fd = 0; fd < 512; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static void handle_reset(void *data) {
	struct session *session = data;
	bochs_reset(&session->rig.bochs);
}

static void handle_connected(void *data, bool connected) {
	struct session *session = data;
	FUZZ_CHECK(session->connected != connected);
	session->connected = connected;
}

static const struct vfio_user_server_ops ops = {
	.reset = handle_reset,
	.connected = handle_connected,
};

/* mulliond: takes what the device gives it to keep, and forgets what it drops. */
static void keep_for_device(struct host *host) {
	struct link_message message;
	int fds[FD_MAX];
	size_t n;
	int result;
	while ((result = link_receive(host->link, &message, fds, &n)) == 1) {
		FUZZ_CHECK(message.type == LINK_STORE || message.type == LINK_DROP);
		int *kept = &host->kept[link_key_slot(&message.key)];
		FUZZ_CHECK(message.type == LINK_STORE || *kept >= 0);
		fd_close(*kept);
		*kept = message.type == LINK_STORE ? fds[0] : -1;
	}
	FUZZ_CHECK(result == -EAGAIN || result == 0);
}

static void start_host(struct host *host) {
	// One for all inputs: making it anew takes longer than most of them.
	static int state = -1;
	if (state < 0) {
		FUZZ_CHECK((state = memfd_create_sealed("state", DEVICE_STATE_SIZE)) >= 0);
	}
	static const uint8_t zero[DEVICE_STATE_SIZE];
	FUZZ_CHECK(pwrite(state, zero, sizeof(zero), 0) == sizeof(zero));
	host->state = state;
	host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	host->address.sun_family = AF_UNIX;
	// An abstract name of the kernel's own choice.
	FUZZ_CHECK(
		bind(host->listener, (struct sockaddr *)&host->address, sizeof(sa_family_t)) == 0);
	host->address_size = sizeof(host->address);
	FUZZ_CHECK(getsockname(host->listener, (struct sockaddr *)&host->address,
			   &host->address_size) == 0);
	FUZZ_CHECK(listen(host->listener, 4) == 0);
	FUZZ_CHECK(pipe2(host->replies, O_CLOEXEC | O_NONBLOCK) == 0);
	FUZZ_CHECK(fcntl(host->replies[1], F_SETPIPE_SZ, LINK_REPLIES_SIZE) >= 0);
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS; slot++) {
		host->kept[slot] = -1;
	}
}

static void stop_host(struct host *host) {
	fd_close(host->listener);
	fd_close_many(host->replies, 2);
}

static void start_process(struct session *session) {
	struct host *host = &session->host;
	int link[2];
	bool is_new;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0);
	host->link = link[0];
	session->link = link[1];
	FUZZ_CHECK(sd_event_new(&session->event) >= 0);
	FUZZ_CHECK(device_store_open(&session->store, host->state, &is_new) == 0);
	keep_init(&session->keep, LINK_FUNCTION_GPU, session->link);
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS; slot++) {
		if (host->kept[slot] >= 0) {
			keep_restore(&session->keep, link_slot_key(slot), dup(host->kept[slot]));
		}
	}
	struct device_state *state = &session->store.work->state;
	if (is_new) {
		rig_init(&session->rig, state);
	} else {
		rig_take_over(&session->rig, state);
	}
	irq_init(&session->irq, session->event, &state->irq, &session->keep, true, 4);
	const struct vfio_user_server_setup setup = {
		.event = session->event,
		.name = "gpu",
		.level = LOG_LEVEL_DEBUG,
		.listen_fd = host->listener,
		.replies = {host->replies[0], host->replies[1]},
		.pci = &session->rig.pci,
		.irq = &session->irq,
		.store = &session->store,
		.keep = &session->keep,
		.ops = &ops,
		.data = session,
	};
	FUZZ_CHECK(vfio_user_server_create(&session->server, &setup) == 0);
}

/* Without any farewell, as a process that is killed. */
static void end_process(struct session *session) {
	vfio_user_server_destroy(session->server);
	irq_finish(&session->irq);
	keep_finish(&session->keep);
	device_store_close(&session->store);
	sd_event_unref(session->event);
	fd_close(session->link);
	keep_for_device(&session->host);
	fd_close(session->host.link);
	session->connected = false;
}

static void run(struct session *session) {
	for (unsigned i = 0; i < 64 && sd_event_run(session->event, 0) > 0; i++) {
		keep_for_device(&session->host);
		vfio_user_server_tell(session->server);
	}
}

static int come(struct session *session) {
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(fd >= 0);
	if (connect(fd, (struct sockaddr *)&session->host.address, session->host.address_size) <
		0) {
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

static void replace_process(struct session *session) {
	end_process(session);
	start_process(session);
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
	if ((what & 0x20) != 0) {
		replace_process(session); // what was sent is still in the socket
	}
	run(session);
	if ((what & 0x40) != 0) {
		replace_process(session);
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

/* When its client has gone the function is as at power-on, and nothing is kept for it. */
static void check_power_on(struct session *session) {
	const struct device_state *state = session->rig.state;
	FUZZ_CHECK(state->vmm_connected == 0 && state->dma_maps == 0);
	FUZZ_CHECK(all_zero(&state->irq, sizeof(state->irq)));
	FUZZ_CHECK(!session->connected);
	FUZZ_CHECK(memcmp(state->pci_config, session->rig.pci.initial, PCI_CONFIG_SIZE) == 0);
	FUZZ_CHECK(dma_resolve(vfio_user_server_dma(session->server), 0, 1, DMA_READ) == NULL);
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS; slot++) {
		FUZZ_CHECK(session->host.kept[slot] == -1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct session session = {.client = -1};
	rig_prepare();
	start_host(&session.host);
	unsigned before = open_descriptors();
	start_process(&session);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&session, &input);
	}
	leave(&session);
	check_power_on(&session);
	rig_finish(&session.rig);
	end_process(&session);
	FUZZ_CHECK(open_descriptors() == before);
	stop_host(&session.host);
	return 0;
}
