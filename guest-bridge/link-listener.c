#include "link-listener.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

#define BACKLOG 4

static bool is_own(int fd) {
	struct ucred peer;
	socklen_t size = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == getuid();
}

static int handle_connection(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct link_listener *listener = data;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0) {
		return 0;
	}
	if (!is_own(client)) {
		log_warning("somebody else's process wanted to be this device's mulliond");
		fd_close(client);
		return 0;
	}
	listener->connected(listener->data, client);
	return 0;
}

int link_listener_init(struct link_listener *listener, sd_event *event, int fd,
	void (*connected)(void *data, int fd), void *data) {
	*listener = (struct link_listener){.connected = connected, .data = data};
	int error = listen(fd, BACKLOG) < 0 ? -errno : fd_set_nonblock(fd, true);
	if (error >= 0) {
		error = sd_event_add_io(
			event, &listener->source, fd, EPOLLIN, handle_connection, listener);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(listener->source, SD_EVENT_OFF);
	}
	if (error < 0) {
		link_listener_finish(listener);
	}
	return error < 0 ? error : 0;
}

void link_listener_wait(struct link_listener *listener, bool wait) {
	sd_event_source_set_enabled(listener->source, wait ? SD_EVENT_ON : SD_EVENT_OFF);
}

void link_listener_finish(struct link_listener *listener) {
	listener->source = sd_event_source_disable_unref(listener->source);
}
