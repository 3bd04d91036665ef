/*
 * The least that a viewer of QEMU's -display dbus,p2p=yes can be: takes the screen as shared
 * memory, hears of every change, and looks at one pixel. Prints the boxes that it sees as
 * watch-screen does.
 *
 *	dbus-screen QMP-SOCKET
 *
 * See QEMU's docs/interop/dbus-display.rst.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "clock.h"
#include "mark.h"

struct screen {
	uint8_t *map; // NULL before the first
	size_t size;
	uint32_t offset, stride;
	struct mark mark;
};

static void must(int result, const char *what) {
	if (result < 0) {
		fprintf(stderr, "dbus-screen: %s: %s\n", what, strerror(-result));
		exit(1);
	}
}

static void must_call(int result, const char *what) {
	must(result < 0 ? -errno : result, what);
}

/* Says a line to QMP, perhaps with a descriptor, and reads until it is answered. */
static void say(int qmp, const char *line, int fd) {
	char control[CMSG_SPACE(sizeof(fd))] = {0}, answer[4096];
	struct iovec text = {.iov_base = (void *)line, .iov_len = strlen(line)};
	struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	must_call((int)sendmsg(qmp, &message, 0), "QMP");
	ssize_t got;
	do {
		got = read(qmp, answer, sizeof(answer) - 1);
		must(got > 0 ? 0 : -EIO, "QMP");
		answer[got] = '\0';
		must(strstr(answer, "\"error\"") != NULL ? -EPROTO : 0, answer);
	} while (strstr(answer, "\"return\"") == NULL);
}

/* Returns a D-Bus connection to QEMU's display. */
static int connect_display(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int qmp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	must_call(connect(qmp, (struct sockaddr *)&address, sizeof(address)), path);
	must_call(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
	say(qmp, "{\"execute\":\"qmp_capabilities\"}\n", -1);
	say(qmp, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"screen\"}}\n", ends[1]);
	say(qmp,
		"{\"execute\":\"add_client\",\"arguments\":"
		"{\"protocol\":\"@dbus-display\",\"fdname\":\"screen\"}}\n",
		-1);
	close(ends[1]);
	return ends[0];
}

static int ignore(sd_bus_message *message, void *data, sd_bus_error *error) {
	return sd_bus_reply_method_return(message, NULL);
}

static void look(struct screen *screen) {
	size_t at = screen->offset + (size_t)(MARK_Y + 1) * screen->stride + (MARK_X + 1) * 4;
	uint32_t pixel;
	if (screen->map != NULL && at + sizeof(pixel) <= screen->size) {
		memcpy(&pixel, screen->map + at, sizeof(pixel));
		mark_see(&screen->mark, pixel, clock_nsec());
	}
}

static int take_map(sd_bus_message *message, void *data, sd_bus_error *error) {
	struct screen *screen = data;
	uint32_t width, height, format;
	int fd;
	if (screen->map != NULL) {
		munmap(screen->map, screen->size);
	}
	must(sd_bus_message_read(message, "huuuuu", &fd, &screen->offset, &width, &height,
		     &screen->stride, &format),
		"ScanoutMap");
	screen->size = screen->offset + (size_t)height * screen->stride;
	screen->map = mmap(NULL, screen->size, PROT_READ, MAP_SHARED, fd, 0);
	must_call(screen->map == MAP_FAILED ? -1 : 0, "the screen's memory");
	look(screen);
	return sd_bus_reply_method_return(message, NULL);
}

static int update_map(sd_bus_message *message, void *data, sd_bus_error *error) {
	look(data);
	return sd_bus_reply_method_return(message, NULL);
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface,
	const char *property, sd_bus_message *reply, void *data, sd_bus_error *error) {
	return sd_bus_message_append(reply, "as", 1, "org.qemu.Display1.Listener.Unix.Map");
}

static const sd_bus_vtable listener[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Scanout", "uuuuay", "", ignore, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Update", "iiiiuuay", "", ignore, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Disable", "", "", ignore, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("MouseSet", "iii", "", ignore, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("CursorDefine", "iiiiay", "", ignore, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable map[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("ScanoutMap", "huuuuu", "", take_map, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("UpdateMap", "iiii", "", update_map, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* QEMU is the server of both connections. */
static sd_bus *open_bus(int fd) {
	sd_bus *bus;
	must(sd_bus_new(&bus), "D-Bus");
	must(sd_bus_set_fd(bus, fd, fd), "D-Bus");
	must(sd_bus_negotiate_fds(bus, true), "D-Bus");
	must(sd_bus_set_trusted(bus, true), "D-Bus");
	return bus;
}

static int handle_registered(sd_bus_message *message, void *data, sd_bus_error *error) {
	const sd_bus_error *refused = sd_bus_message_get_error(message);
	must(refused != NULL ? -EPROTO : 0, refused != NULL ? refused->message : "");
	return 0;
}

int main(int argc, char **argv) {
	if (argc != 2) {
		fprintf(stderr, "usage: dbus-screen QMP-SOCKET\n");
		return 2;
	}
	struct screen state = {0};
	int ends[2];
	sd_bus *display = open_bus(connect_display(argv[1]));
	must(sd_bus_start(display), "the display");
	must_call(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
	sd_bus *screen = open_bus(ends[0]);
	const char *path = "/org/qemu/Display1/Listener";
	must(sd_bus_add_object_vtable(
		     screen, NULL, path, "org.qemu.Display1.Listener", listener, NULL),
		"the listener");
	must(sd_bus_add_object_vtable(
		     screen, NULL, path, "org.qemu.Display1.Listener.Unix.Map", map, &state),
		"the listener");
	must(sd_bus_call_method_async(display, NULL, NULL, "/org/qemu/Display1/Console_0",
		     "org.qemu.Display1.Console", "RegisterListener", handle_registered, NULL, "h",
		     ends[1]),
		"RegisterListener");
	must(sd_bus_flush(display), "the display");
	close(ends[1]);
	must(sd_bus_start(screen), "the screen");
	int busy;
	do {
		busy = sd_bus_process(screen, NULL);
		must(sd_bus_process(display, NULL), "the display");
		if (busy == 0) {
			busy = sd_bus_wait(screen, UINT64_MAX);
		}
	} while (busy >= 0);
	return 0;
}
