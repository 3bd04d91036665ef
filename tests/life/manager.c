#include "manager.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"

int manager_init(struct manager *manager, const char *directory) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*manager = (struct manager){.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
	snprintf(manager->path, sizeof(manager->path), "%s/notify", directory);
	memcpy(address.sun_path, manager->path, sizeof(address.sun_path));
	if (bind(manager->socket, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -1;
	}
	setenv("NOTIFY_SOCKET", manager->path, 1);
	return setenv("FDSTORE", "1024", 1);
}

void manager_finish(struct manager *manager) {
	while (manager->len > 0) {
		close(manager->kept[--manager->len].fd);
	}
	close(manager->socket);
	unlink(manager->path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("FDSTORE");
}

static bool is_kept(const struct manager *manager, int fd) {
	for (size_t i = 0; i < manager->len; i++) {
		if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, manager->kept[i].fd, fd) ==
			0) {
			return true;
		}
	}
	return false;
}

static void drop(struct manager *manager, const char *name) {
	for (size_t i = 0; i < manager->len;) {
		if (strcmp(manager->kept[i].name, name) == 0) {
			close(manager->kept[i].fd);
			manager->kept[i] = manager->kept[--manager->len];
		} else {
			i++;
		}
	}
}

static bool is_name(const char *name) {
	return name[0] != '\0' && strlen(name) <= 255 &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		strlen(name);
}

/* Takes a message's descriptors over. */
static bool obey(struct manager *manager, char *text, int *fds, size_t n) {
	bool store = false, remove = false;
	const char *name = "";
	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		store |= strcmp(line, "FDSTORE=1") == 0;
		remove |= strcmp(line, "FDSTOREREMOVE=1") == 0;
		name = strncmp(line, "FDNAME=", 7) == 0 ? line + 7 : name;
	}
	if (store == remove || !is_name(name) || n != (store ? 1 : 0)) {
		fd_close_many(fds, n);
		return false;
	}
	if (remove) {
		drop(manager, name);
	} else if (is_kept(manager, fds[0]) || manager->len == MANAGER_FDS_MAX) {
		close(fds[0]);
	} else {
		snprintf(manager->kept[manager->len].name, sizeof(manager->kept[0].name), "%s",
			name);
		manager->kept[manager->len++].fd = fds[0];
	}
	return true;
}

bool manager_read(struct manager *manager) {
	char text[1024];
	int fds[FD_MAX];
	size_t n;
	bool understood = true;
	ssize_t size;
	while ((size = fd_recv(manager->socket, text, sizeof(text) - 1, fds, &n, MSG_DONTWAIT)) >
		0) {
		text[size] = '\0';
		manager->words++;
		understood &= obey(manager, text, fds, n);
	}
	return understood;
}

size_t manager_count(const struct manager *manager, const char *prefix) {
	size_t n = 0;
	for (size_t i = 0; i < manager->len; i++) {
		n += strncmp(manager->kept[i].name, prefix, strlen(prefix)) == 0;
	}
	return n;
}

int manager_find(const struct manager *manager, const char *name) {
	for (size_t i = 0; i < manager->len; i++) {
		if (strcmp(manager->kept[i].name, name) == 0) {
			return manager->kept[i].fd;
		}
	}
	return -1;
}
