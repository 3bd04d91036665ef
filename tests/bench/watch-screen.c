/*
 * Tells when the boxes that `frames mark` draws (tests/guests/frames.c) are on the screen of a
 * Wayland compositor: prints the number of each, and the time of CLOCK_MONOTONIC, in
 * nanoseconds, at which the first output frame with it was committed. Until it is ended, or
 * nothing changes any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fd.h"
#include "mark.h"
#include "observer.h"

#define IDLE_MSEC 20000

static int connect_compositor(void) {
	const char *folder = getenv("XDG_RUNTIME_DIR"), *display = getenv("WAYLAND_DISPLAY");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (folder == NULL || display == NULL) {
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, display);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

/* The window may be anywhere: a look at as few pixels as find a box wherever it is. */
static void look(struct observer *observer, struct mark *mark) {
	for (uint32_t y = 0; y < observer->height; y += MARK_HEIGHT) {
		for (uint32_t x = 0; x < observer->width; x += MARK_WIDTH) {
			if (mark_see(mark, observer_pixel(observer, x, y), observer->committed)) {
				return;
			}
		}
	}
}

int main(void) {
	struct observer *observer = observer_create(connect_compositor());
	struct mark mark = {0};
	if (observer == NULL) {
		fprintf(stderr, "watch-screen: the screen cannot be watched\n");
		return EXIT_FAILURE;
	}
	while (observer_wait(observer, IDLE_MSEC)) {
		look(observer, &mark);
	}
	observer_destroy(observer);
	return EXIT_SUCCESS;
}
