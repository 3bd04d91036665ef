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
	sd_event *event; // borrowed
	int listen_fd;   // owned
	sd_event_source *listen_source;
	struct pci_function *pci;
	struct irq *irq;
	struct device_state *state;
	const struct vfio_user_server_ops *ops;
	void *data;

	struct vfio_user_connection *connection; // owned, NULL while there is no client
	bool greeted;                            // VERSION is done
	struct vfio_user_capabilities client;
	struct dma dma;

	struct log_limit came, gone, refused_client, refused_request, lost;
};

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
	pci_reset(server->pci);
	server->ops->reset(server->data);
}

static int handle_version(struct vfio_user_server *server, const struct vfio_user_request *request,
	size_t json_room, struct reply *reply) {
	if (server->greeted) {
		return -EINVAL;
	}
	server->client = request->version.capabilities;
	struct vfio_user_version *version = reply->body;
	version->major = VFIO_USER_MAJOR;
	version->minor = VFIO_USER_MINOR;
	reply->size = sizeof(*version) +
		vfio_user_format_capabilities(
			version->json, json_room, server->client.write_multiple);
	server->greeted = true;
	server->state->vmm_connected = 1;
	server->state->vmm_sessions++;
	log_limited(&server->came, LOG_LEVEL_INFO, "a VMM has connected");
	server->ops->connected(server->data, true);
	return 0;
}

static int handle_map(struct vfio_user_server *server, const struct vfio_user_request *request,
	const int *fds, size_t n) {
	int error = dma_add(&server->dma, &request->map, n == 1 ? fds[0] : -1);
	server->state->dma_maps = server->dma.maps_len;
	return error;
}

static int handle_unmap(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct reply *reply) {
	const struct vfio_user_dma_unmap *unmap = &request->unmap;
	int error = 0;
	if (unmap->flags == VFIO_DMA_UNMAP_FLAG_ALL) {
		dma_finish(&server->dma);
	} else {
		error = dma_remove(&server->dma, unmap->address, unmap->size);
	}
	server->state->dma_maps = server->dma.maps_len;
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
	if (!region_describe(server->pci, request->region_info.index, info, &reply->fd)) {
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
	if (!irq_describe(server->irq, info->index, &info->count, &info->flags)) {
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
	if (read && access->count > server->client.max_data_xfer_size) {
		return -EINVAL;
	}
	int error = region_access(server->pci, access, read ? wire->data : NULL);
	wire->offset = access->offset;
	wire->region = access->region;
	wire->count = access->count;
	reply->size = sizeof(*wire) + (read ? access->count : 0);
	return error;
}

/* Writes up to the first that fails; the reply says how many that were. */
static int handle_multi(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct reply *reply) {
	if (!server->client.write_multiple) {
		return -ENOTSUP;
	}
	uint64_t done = 0;
	int error = 0;
	struct vfio_user_access access;
	for (uint32_t i = 0; i < request->multi.count && error == 0; i++) {
		error = vfio_user_multi_access(request, i, &access)
			? region_access(server->pci, &access, NULL)
			: -EINVAL;
		done += error == 0;
	}
	memcpy(reply->body, &done, sizeof(done));
	reply->size = sizeof(done);
	return error;
}

static int handle_request(struct vfio_user_server *server, const struct vfio_user_request *request,
	struct vfio_user_message *message, struct reply *reply) {
	if (!server->greeted && request->command != VFIO_USER_VERSION) {
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
		return irq_set(server->irq, &request->interrupts, message->fds, message->fds_len);
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
			"the VMM's request %u of %u bytes with %zu descriptors is refused: %s",
			message->header.command, message->header.size, message->fds_len,
			strerror(-error));
	}
	if ((message->header.flags & VFIO_USER_FLAG_NO_REPLY) != 0) {
		return;
	}
	vfio_user_connection_reply(server->connection, &message->header,
		error == 0 ? reply.size : 0, error == 0 ? reply.fd : -1, -error);
}

static void handle_closed(void *data, const char *why) {
	struct vfio_user_server *server = data;
	if (why != NULL) {
		log_limited(&server->lost, LOG_LEVEL_WARNING, "the VMM is dropped: %s", why);
	}
	vfio_user_connection_destroy(server->connection);
	server->connection = NULL;
	dma_finish(&server->dma);
	server->state->dma_maps = 0;
	irq_reset(server->irq);
	if (!server->greeted) {
		return;
	}
	server->greeted = false;
	server->state->vmm_connected = 0;
	reset_device(server);
	log_limited(&server->gone, LOG_LEVEL_INFO, "the VMM is gone");
	server->ops->connected(server->data, false);
}

static const struct vfio_user_connection_ops connection_ops = {
	.message = handle_message,
	.closed = handle_closed,
};

static int handle_accept(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct vfio_user_server *server = data;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0) {
		return 0;
	}
	if (server->connection != NULL) {
		log_limited(&server->refused_client, LOG_LEVEL_WARNING,
			"a second VMM is refused: one is connected");
		fd_close(client);
		return 0;
	}
	int error = vfio_user_connection_create(
		&server->connection, server->event, client, &connection_ops, server);
	if (error < 0) {
		log_limited(&server->refused_client, LOG_LEVEL_ERROR, "a VMM cannot be served: %s",
			strerror(-error));
	}
	return 0;
}

int vfio_user_server_create(struct vfio_user_server **ret, sd_event *event, int listen_fd,
	struct pci_function *pci, struct irq *irq, struct device_state *state,
	const struct vfio_user_server_ops *ops, void *data) {
	struct vfio_user_server *server = calloc(1, sizeof(*server));
	if (server == NULL) {
		fd_close(listen_fd);
		return -ENOMEM;
	}
	*server = (struct vfio_user_server){
		.event = event,
		.listen_fd = listen_fd,
		.pci = pci,
		.irq = irq,
		.state = state,
		.ops = ops,
		.data = data,
	};
	int error = fd_set_nonblock(listen_fd, true);
	if (error == 0) {
		error = sd_event_add_io(
			event, &server->listen_source, listen_fd, EPOLLIN, handle_accept, server);
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
	fd_close(server->listen_fd);
	free(server);
}
