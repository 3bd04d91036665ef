#include "vfio-user-server.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "dma.h"
#include "fd.h"
#include "log.h"
#include "vfio-user-connection.h"
#include "vfio-user-regions.h"

struct vfio_user_server {
	struct vfio_user_server_setup setup;
	struct device_state *state;     // the store's working copy
	sd_event_source *listen_source; // owned

	struct vfio_user_connection *connection; // owned, NULL while there is no client
	struct dma dma;

	struct log_limit came, gone, refused_client, refused_request, lost;
};

static const struct link_key connection_key = {LINK_KIND_CONNECTION, 0, 0, 0};

/* A reply being put together. */
struct reply {
	void *body;  // room for the largest message
	size_t size; // bytes of it
	int fd;      // borrowed, -1 for none
};

const struct dma *vfio_user_server_dma(const struct vfio_user_server *server) {
	return &server->dma;
}

static void reset_device(struct vfio_user_server *server) {
	pci_reset(server->setup.pci);
	server->setup.ops->reset(server->setup.data);
}

static int handle_version(struct vfio_user_server *server, const struct vfio_user_request *request,
	size_t json_room, struct reply *reply) {
	if (server->state->vmm_connected != 0) {
		return -EINVAL;
	}
	const struct vfio_user_capabilities *client = &request->version.capabilities;
	server->state->client = (struct device_state_client){
		.max_data_xfer_size = client->max_data_xfer_size,
		.write_multiple = client->write_multiple,
	};
	struct vfio_user_version *version = reply->body;
	version->major = VFIO_USER_MAJOR;
	version->minor = VFIO_USER_MINOR;
	reply->size = sizeof(*version) +
		vfio_user_format_capabilities(version->json, json_room, client->write_multiple);
	server->state->vmm_connected = 1;
	server->state->vmm_sessions++;
	log_limited(&server->came, server->setup.level, "a VMM has connected to the %s",
		server->setup.name);
	server->setup.ops->connected(server->setup.data, true);
	return 0;
}

static int handle_map(struct vfio_user_server *server, const struct vfio_user_request *request,
	int *fds, size_t n) {
	int error = dma_add(&server->dma, &request->map, n == 1 ? fds : NULL);
	server->state->dma_maps = server->dma.table->count;
	return error;
}

static int handle_unmap(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct reply *reply) {
	const struct vfio_user_dma_unmap *unmap = &request->unmap;
	int error = 0;
	if (unmap->flags == VFIO_DMA_UNMAP_FLAG_ALL) {
		dma_clear(&server->dma);
	} else {
		error = dma_remove(&server->dma, unmap->address, unmap->size);
	}
	server->state->dma_maps = server->dma.table->count;
	memcpy(reply->body, unmap, sizeof(*unmap));
	reply->size = sizeof(*unmap);
	return error;
}

static int handle_info(struct reply *reply) {
	const struct vfio_user_device_info info = {
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
		.regions = VFIO_PCI_NUM_REGIONS,
		.irqs = VFIO_PCI_NUM_IRQS,
	};
	memcpy(reply->body, &info, sizeof(info));
	reply->size = sizeof(info);
	return 0;
}

static int handle_region_info(struct vfio_user_server *server,
	const struct vfio_user_request *request, struct reply *reply) {
	struct vfio_user_region_info *info = reply->body;
	if (!region_describe(server->setup.pci, request->region_info.index, info, &reply->fd)) {
		return -EINVAL;
	}
	reply->size = sizeof(*info);
	return 0;
}

static int handle_irq_info(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct reply *reply) {
	struct vfio_user_irq_info *info = reply->body;
	*info = (struct vfio_user_irq_info){
		.argsz = sizeof(*info),
		.index = request->irq_info.index,
	};
	if (!irq_describe(server->setup.irq, info->index, &info->count, &info->flags)) {
		return -EINVAL;
	}
	reply->size = sizeof(*info);
	return 0;
}

static int handle_access(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct reply *reply) {
	const struct vfio_user_access *access = &request->access;
	struct vfio_user_region_access *wire = reply->body;
	bool read = request->command == VFIO_USER_REGION_READ;
	if (read && access->count > server->state->client.max_data_xfer_size) {
		return -EINVAL;
	}
	int error = region_access(server->setup.pci, access, read ? wire->data : NULL);
	wire->offset = access->offset;
	wire->region = access->region;
	wire->count = access->count;
	reply->size = sizeof(*wire) + (read ? access->count : 0);
	return error;
}

/* Writes up to the first that fails; the reply says how many that were. */
static int handle_multi(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct reply *reply) {
	if (server->state->client.write_multiple == 0) {
		return -ENOTSUP;
	}
	uint64_t done = 0;
	int error = 0;
	struct vfio_user_access access;
	for (uint32_t i = 0; i < request->multi.count && error == 0; i++) {
		error = vfio_user_multi_access(request, i, &access)
			? region_access(server->setup.pci, &access, NULL)
			: -EINVAL;
		done += error == 0;
	}
	memcpy(reply->body, &done, sizeof(done));
	reply->size = sizeof(done);
	return error;
}

static int handle_request(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct vfio_user_message *message, struct reply *reply) {
	if (server->state->vmm_connected == 0 && request->command != VFIO_USER_VERSION) {
		return -EINVAL;
	}
	switch (request->command) {
	case VFIO_USER_VERSION:
		return handle_version(server, request,
			message->header.size - sizeof(message->header) -
				sizeof(struct vfio_user_version),
			reply);
	case VFIO_USER_DMA_MAP:
		return handle_map(server, request, message->fds, message->fds_len);
	case VFIO_USER_DMA_UNMAP:
		return handle_unmap(server, request, reply);
	case VFIO_USER_DEVICE_GET_INFO:
		return handle_info(reply);
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return handle_region_info(server, request, reply);
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		return handle_irq_info(server, request, reply);
	case VFIO_USER_DEVICE_SET_IRQS:
		return irq_set(
			server->setup.irq, &request->interrupts, message->fds, message->fds_len);
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		return handle_access(server, request, reply);
	case VFIO_USER_REGION_WRITE_MULTI:
		return handle_multi(server, request, reply);
	case VFIO_USER_DEVICE_RESET:
		server->state->resets++;
		reset_device(server);
		return 0;
	}
	return -ENOTSUP;
}

static void handle_message(void *data, struct vfio_user_message *message) {
	struct vfio_user_server *server = data;
	struct vfio_user_request request;
	struct reply reply = {
		.body = vfio_user_connection_reply_body(server->connection),
		.fd = -1,
	};
	int error = vfio_user_decode(&message->header, message->body, message->fds_len, &request);
	if (error == 0) {
		error = handle_request(server, &request, message, &reply);
	}
	if (error < 0) {
		log_limited(&server->refused_request, LOG_LEVEL_WARNING,
			"the VMM's request %u of %u bytes with %zu descriptors to the %s is "
			"refused: %s",
			message->header.command, message->header.size, message->fds_len,
			server->setup.name, strerror(-error));
	}
	if ((message->header.flags & VFIO_USER_FLAG_NO_REPLY) != 0) {
		return;
	}
	vfio_user_connection_reply(server->connection, &message->header,
		error == 0 ? reply.size : 0, error == 0 ? reply.fd : -1, -error);
}

static bool handle_kept(void *data) {
	struct vfio_user_server *server = data;
	return keep_tell_stores(server->setup.keep) == 0;
}

static void handle_committed(void *data) {
	struct vfio_user_server *server = data;
	keep_tell_drops(server->setup.keep);
}

/* The client is gone: the function is as at power-on. */
static void let_go(struct vfio_user_server *server) {
	bool connected = server->state->vmm_connected != 0;
	dma_clear(&server->dma);
	server->state->dma_maps = 0;
	irq_reset(server->setup.irq);
	server->state->vmm_connected = 0;
	if (connected) {
		reset_device(server);
		log_limited(&server->gone, server->setup.level, "the VMM is gone from the %s",
			server->setup.name);
	}
	device_store_commit(server->setup.store);
	keep_tell_drops(server->setup.keep);
	if (connected) {
		server->setup.ops->connected(server->setup.data, false);
	}
}

static void handle_closed(void *data, const char *why) {
	struct vfio_user_server *server = data;
	if (why != NULL) {
		log_limited(&server->lost, LOG_LEVEL_WARNING, "the VMM is dropped from the %s: %s",
			server->setup.name, why);
	}
	vfio_user_connection_destroy(server->connection);
	server->connection = NULL;
	// Closing alone would not do: mulliond has a duplicate.
	shutdown(keep_get(server->setup.keep, connection_key), SHUT_RDWR);
	keep_clear(server->setup.keep, connection_key);
	let_go(server);
}

static const struct vfio_user_connection_ops connection_ops = {
	.message = handle_message,
	.kept = handle_kept,
	.committed = handle_committed,
	.closed = handle_closed,
};

static int serve(struct vfio_user_server *server, int client, bool resume) {
	const struct vfio_user_server_setup *setup = &server->setup;
	return vfio_user_connection_create(&server->connection, setup->event, client,
		setup->replies, setup->store, resume, &connection_ops, server);
}

static int handle_accept(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct vfio_user_server *server = data;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0) {
		return 0;
	}
	if (server->connection != NULL) {
		log_limited(&server->refused_client, LOG_LEVEL_WARNING,
			"a second VMM is refused: one is connected to the %s", server->setup.name);
		fd_close(client);
		return 0;
	}
	int error = serve(server, client, false);
	if (error < 0) {
		log_limited(&server->refused_client, LOG_LEVEL_ERROR,
			"a VMM cannot be served by the %s: %s", server->setup.name,
			strerror(-error));
		fd_close(client);
		return 0;
	}
	device_store_commit(server->setup.store);
	keep_put(server->setup.keep, connection_key, client);
	// Where mulliond does not read now, the first message waits for it.
	keep_tell_stores(server->setup.keep);
	return 0;
}

bool vfio_user_server_busy(const struct vfio_user_server *server) {
	return server->connection != NULL && vfio_user_connection_busy(server->connection);
}

void vfio_user_server_tell(struct vfio_user_server *server) {
	if (vfio_user_server_busy(server)) {
		vfio_user_connection_resume(server->connection);
		return;
	}
	keep_tell_stores(server->setup.keep);
	keep_tell_drops(server->setup.keep);
}

/* Goes on with the client of an earlier process, or with none. */
static int go_on(struct vfio_user_server *server) {
	int client = keep_get(server->setup.keep, connection_key);
	if (client < 0) {
		let_go(server);
		return 0;
	}
	if (server->state->vmm_connected != 0) {
		log_write(server->setup.level, "the %s goes on with the VMM that is connected",
			server->setup.name);
		server->setup.ops->connected(server->setup.data, true);
	}
	device_store_commit(server->setup.store);
	return serve(server, client, true);
}

int vfio_user_server_create(
	struct vfio_user_server **ret, const struct vfio_user_server_setup *setup) {
	struct vfio_user_server *server = calloc(1, sizeof(*server));
	if (server == NULL) {
		return -ENOMEM;
	}
	server->setup = *setup;
	server->state = &setup->store->work->state;
	int error = dma_init(&server->dma, &setup->store->work->dma, setup->keep);
	if (error == 0) {
		error = fd_set_nonblock(setup->listen_fd, true);
	}
	if (error == 0) {
		error = sd_event_add_io(setup->event, &server->listen_source, setup->listen_fd,
			EPOLLIN, handle_accept, server);
	}
	if (error >= 0) {
		error = go_on(server);
	}
	if (error < 0) {
		vfio_user_server_destroy(server);
		return error;
	}
	*ret = server;
	return 0;
}

void vfio_user_server_destroy(struct vfio_user_server *server) {
	if (server == NULL) {
		return;
	}
	sd_event_source_disable_unref(server->listen_source);
	vfio_user_connection_destroy(server->connection);
	dma_finish(&server->dma);
	free(server);
}
