/*
 * Shows the test card on the guest's own display, by KMS and a dumb buffer, as a
 * graphical program would.
 *
 *	testcard SECONDS [WIDTHxHEIGHT]
 *	testcard moving NUMBER RATE
 *
 * It takes the mode that the monitor prefers, or one of that size. It ends after SECONDS
 * (0: never), at a key typed on standard input, or at a signal; the console then has the
 * display again. Prints one line when the card is up.
 *
 * The second form draws the moving picture of that number instead, RATE frames a second,
 * with a mode set now and then, and prints a line with number and uptime (ms) of each frame.
 */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "card.h"
#include "moving.h"

#define MAX_IDS 16
#define MAX_MODES 128
#define MOVING_BUFFERS 3
#define MOVING_MODE_EVERY 40 // frames

struct display {
	int fd;
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode;
	struct drm_mode_create_dumb buffer;
	uint32_t framebuffer;
};

static int call(int fd, unsigned long request, void *argument) {
	int result;
	do {
		result = ioctl(fd, request, argument);
	} while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result;
}

static const struct drm_mode_modeinfo *preferred_mode(
	const struct drm_mode_modeinfo *modes, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			return &modes[i];
		}
	}
	return count > 0 ? &modes[0] : NULL;
}

/* Takes the connector where something is connected. The first call makes the kernel
 * read the EDID and says how many modes there are. */
static bool probe_connector(struct display *display, uint32_t id) {
	static struct drm_mode_modeinfo modes[MAX_MODES];
	struct drm_mode_get_connector connector = {.connector_id = id};
	if (call(display->fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector) < 0 ||
		connector.connection != 1 || connector.count_modes > MAX_MODES) {
		return false;
	}
	connector = (struct drm_mode_get_connector){
		.connector_id = id,
		.modes_ptr = (uintptr_t)modes,
		.count_modes = connector.count_modes,
	};
	if (call(display->fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector) < 0) {
		return false;
	}
	const struct drm_mode_modeinfo *mode = preferred_mode(modes, connector.count_modes);
	if (mode == NULL) {
		return false;
	}
	display->connector = id;
	display->mode = *mode;
	return true;
}

static bool find_display(struct display *display) {
	uint32_t connectors[MAX_IDS], crtcs[MAX_IDS];
	struct drm_mode_card_res resources = {
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = MAX_IDS,
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = MAX_IDS,
	};
	if (call(display->fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0 ||
		resources.count_crtcs == 0 || resources.count_crtcs > MAX_IDS ||
		resources.count_connectors > MAX_IDS) {
		return false;
	}
	display->crtc = crtcs[0];
	for (uint32_t i = 0; i < resources.count_connectors; i++) {
		if (probe_connector(display, connectors[i])) {
			return true;
		}
	}
	return false;
}

static bool create_buffer(struct display *display) {
	display->buffer = (struct drm_mode_create_dumb){
		.width = display->mode.hdisplay,
		.height = display->mode.vdisplay,
		.bpp = 32,
	};
	if (call(display->fd, DRM_IOCTL_MODE_CREATE_DUMB, &display->buffer) < 0) {
		return false;
	}
	struct drm_mode_fb_cmd framebuffer = {
		.width = display->buffer.width,
		.height = display->buffer.height,
		.pitch = display->buffer.pitch,
		.bpp = 32,
		.depth = 24,
		.handle = display->buffer.handle,
	};
	if (call(display->fd, DRM_IOCTL_MODE_ADDFB, &framebuffer) < 0) {
		return false;
	}
	display->framebuffer = framebuffer.fb_id;
	return true;
}

static uint8_t *map_buffer(struct display *display) {
	struct drm_mode_map_dumb map = {.handle = display->buffer.handle};
	if (call(display->fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0) {
		return NULL;
	}
	void *pixels = mmap(NULL, display->buffer.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		display->fd, (off_t)map.offset);
	return pixels != MAP_FAILED ? pixels : NULL;
}

static bool draw(struct display *display) {
	uint8_t *pixels = map_buffer(display);
	if (pixels == NULL) {
		return false;
	}
	for (uint32_t y = 0; y < display->buffer.height; y++) {
		uint32_t *row = (uint32_t *)(pixels + (size_t)y * display->buffer.pitch);
		for (uint32_t x = 0; x < display->buffer.width; x++) {
			row[x] = card_pixel(x, y, display->buffer.width, display->buffer.height);
		}
	}
	munmap(pixels, display->buffer.size);
	return true;
}

static bool show(struct display *display) {
	struct drm_mode_crtc crtc = {
		.crtc_id = display->crtc,
		.fb_id = display->framebuffer,
		.set_connectors_ptr = (uintptr_t)&display->connector,
		.count_connectors = 1,
		.mode = display->mode,
		.mode_valid = 1,
	};
	if (call(display->fd, DRM_IOCTL_MODE_SETCRTC, &crtc) < 0) {
		return false;
	}
	// Drivers that draw straight into VRAM have no such call and need none.
	struct drm_mode_fb_dirty_cmd dirty = {.fb_id = display->framebuffer};
	call(display->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty);
	return true;
}

/* A mode that no monitor has told of: 60 Hz, with some blanking. */
static void make_mode(struct drm_mode_modeinfo *mode, unsigned width, unsigned height) {
	*mode = (struct drm_mode_modeinfo){
		.hdisplay = width,
		.hsync_start = width + 16,
		.hsync_end = width + 48,
		.htotal = width + 80,
		.vdisplay = height,
		.vsync_start = height + 3,
		.vsync_end = height + 9,
		.vtotal = height + 20,
		.vrefresh = 60,
	};
	mode->clock = (uint32_t)mode->htotal * mode->vtotal * 60 / 1000;
}

static int open_card(void) {
	for (int i = 0; i < 50; i++) {
		int fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
		if (fd >= 0) {
			return fd;
		}
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return -1;
}

static void on_signal(int number) {
}

/* Until the time is over, a key is typed, or a signal comes. */
static void hold(int seconds) {
	struct termios before, raw;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	if (terminal) {
		raw = before;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	}
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	struct pollfd input = {.fd = terminal ? STDIN_FILENO : -1, .events = POLLIN};
	poll(&input, 1, seconds > 0 ? seconds * 1000 : -1);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	}
}

static void draw_moving(
	const struct display *display, uint8_t *pixels, uint32_t number, uint32_t frame) {
	for (uint32_t y = 0; y < display->buffer.height; y++) {
		uint32_t *row = (uint32_t *)(pixels + (size_t)y * display->buffer.pitch);
		for (uint32_t x = 0; x < display->buffer.width; x++) {
			row[x] = moving_pixel(x, y, number, frame);
		}
	}
}

static bool switch_off(struct display *display) {
	struct drm_mode_crtc crtc = {.crtc_id = display->crtc};
	return call(display->fd, DRM_IOCTL_MODE_SETCRTC, &crtc) == 0;
}

/* Draws into buffers that are not shown, and shows one after the other. */
static int move(struct display *display, uint32_t number, uint32_t rate) {
	struct display views[MOVING_BUFFERS];
	uint8_t *pixels[MOVING_BUFFERS];
	for (size_t i = 0; i < MOVING_BUFFERS; i++) {
		views[i] = *display;
		if (!create_buffer(&views[i]) || (pixels[i] = map_buffer(&views[i])) == NULL) {
			fprintf(stderr, "testcard: no buffer: %s\n", strerror(errno));
			return 1;
		}
	}
	for (uint32_t frame = 1;; frame++) {
		size_t i = frame % MOVING_BUFFERS;
		draw_moving(&views[i], pixels[i], number, frame);
		if ((frame % MOVING_MODE_EVERY == 0 && !switch_off(&views[i])) ||
			!show(&views[i])) {
			fprintf(stderr, "testcard: frame %u: %s\n", frame, strerror(errno));
			return 1;
		}
		struct timespec now, pause = {.tv_nsec = 1000000000L / rate};
		clock_gettime(CLOCK_BOOTTIME, &now);
		printf("frame %u %lld\n", frame,
			(long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv) {
	bool moving = argc == 4 && strcmp(argv[1], "moving") == 0;
	int seconds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
	struct display display = {.fd = open_card()};
	if (display.fd < 0) {
		fprintf(stderr, "testcard: /dev/dri/card0: %s\n", strerror(errno));
		return 1;
	}
	unsigned width, height;
	bool found = find_display(&display);
	if (found && moving) {
		return move(&display, (uint32_t)strtoul(argv[2], NULL, 10),
			(uint32_t)strtoul(argv[3], NULL, 10));
	}
	if (argc > 2 && sscanf(argv[2], "%ux%u", &width, &height) == 2) {
		make_mode(&display.mode, width, height);
	}
	if (!found || !create_buffer(&display) || !draw(&display) || !show(&display)) {
		fprintf(stderr, "testcard: the card cannot be shown: %s\n", strerror(errno));
		return 1;
	}
	printf("card %ux%u\n", display.buffer.width, display.buffer.height);
	fflush(stdout);
	hold(seconds);
	return 0;
}
