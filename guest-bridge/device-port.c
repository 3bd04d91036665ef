#include "device-port.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "fd.h"
#include "log.h"

_Static_assert(VFIO_USER_MESSAGE_MAX <= LINK_REPLIES_SIZE, "the longest reply fits");

void device_port_init(struct device_port *port, enum link_function function, const int *fds,
	int link, void (*waiting)(void *data), void *data) {
	*port = (struct device_port){.function = function, .fds = fds};
	keep_init(&port->keep, function, link);
	keep_watch(&port->keep, waiting, data);
}

int device_port_open(struct device_port *port, bool *ret_new) {
	int error = device_store_open(&port->store, port->fds[LINK_PORT_STATE], ret_new);
	if (error == 0) {
		port->store.work->state.generation++;
	}
	return error;
}

static bool is_listening(int fd) {
	int domain = 0, type = 0, listening = 0;
	socklen_t size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* A pipe that is too small would lose a reply. */
static bool is_pipe_of_replies(const int fds[2]) {
	return fcntl(fds[1], F_GETPIPE_SZ) >= LINK_REPLIES_SIZE &&
		fd_set_nonblock(fds[0], true) == 0 && fd_set_nonblock(fds[1], true) == 0;
}

int device_port_serve(struct device_port *port, sd_event *event, struct pci_function *pci,
	struct irq *irq, const struct vfio_user_server_ops *ops, void *data) {
	const struct vfio_user_server_setup setup = {
		.event = event,
		.name = link_function_name(port->function),
		.level = port->function == LINK_FUNCTION_GPU ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
		.listen_fd = port->fds[LINK_PORT_LISTENER],
		.replies = {port->fds[LINK_PORT_REPLIES_READ], port->fds[LINK_PORT_REPLIES_WRITE]},
		.pci = pci,
		.irq = irq,
		.store = &port->store,
		.keep = &port->keep,
		.ops = ops,
		.data = data,
	};
	if (!is_listening(setup.listen_fd) || !is_pipe_of_replies(setup.replies)) {
		return -EINVAL;
	}
	return vfio_user_server_create(&port->server, &setup);
}

bool device_port_busy(const struct device_port *port) {
	return vfio_user_server_busy(port->server);
}

void device_port_stop(struct device_port *port) {
	vfio_user_server_destroy(port->server);
	port->server = NULL;
}

void device_port_finish(struct device_port *port) {
	device_store_close(&port->store);
	keep_finish(&port->keep);
}
