/*
 * Work for a screen, on the guest's own display, by KMS and dumb buffers.
 *
 *	frames WHAT RATE SECONDS WIDTHxHEIGHT
 *
 *	full   page flips between two pictures that differ everywhere
 *	small  a box of 100x20 changes, and all of the picture is said to have changed
 *	none   nothing changes, and all of the picture is said to have changed
 *	rate   as full, as fast as the display takes it, whatever RATE is
 *	mark   as small, on black, at a pace that meets every phase of a display's refresh; before
 *	       each time the box's number, which its colour has as well, goes to port 0xe9
 *	still  both pictures are shown once, and then nothing is done
 *
 * Prints a line when the picture has been up for half a second, and one at the end with the
 * frames of the time between the two.
 */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_IDS 16
#define MAX_MODES 128
#define WARM_NSEC 500000000
#define MARK_PORT 0xe9
#define MARK_COLOUR 0xa55a00 // and its number
#define MARK_PERIOD_NSEC 53100000

struct buffer {
	uint32_t framebuffer, pitch;
	uint64_t size;
	uint8_t *pixels;
};

struct screen {
	int fd;
	uint32_t connector, crtc, width, height;
	struct buffer buffers[2];
};

static int call(int fd, unsigned long request, void *argument) {
	int result;
	do {
		result = ioctl(fd, request, argument);
	} while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result;
}

static void must(bool done, const char *what) {
	if (!done) {
		fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void find_screen(struct screen *screen) {
	uint32_t connectors[MAX_IDS], crtcs[MAX_IDS];
	static struct drm_mode_modeinfo modes[MAX_MODES];
	struct drm_mode_card_res resources = {
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = MAX_IDS,
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = MAX_IDS,
	};
	screen->fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	must(screen->fd >= 0, "/dev/dri/card0");
	must(call(screen->fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) == 0 &&
			resources.count_connectors > 0 && resources.count_crtcs > 0,
		"no display");
	screen->connector = connectors[0];
	screen->crtc = crtcs[0];
	// The kernel wants to have looked at the monitor once.
	struct drm_mode_get_connector connector = {
		.connector_id = screen->connector,
		.modes_ptr = (uintptr_t)modes,
	};
	call(screen->fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector);
}

static void make_buffer(const struct screen *screen, struct buffer *buffer) {
	struct drm_mode_create_dumb dumb = {
		.width = screen->width,
		.height = screen->height,
		.bpp = 32,
	};
	must(call(screen->fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) == 0, "no buffer");
	struct drm_mode_fb_cmd framebuffer = {
		.width = dumb.width,
		.height = dumb.height,
		.pitch = dumb.pitch,
		.bpp = 32,
		.depth = 24,
		.handle = dumb.handle,
	};
	must(call(screen->fd, DRM_IOCTL_MODE_ADDFB, &framebuffer) == 0, "no frame buffer");
	struct drm_mode_map_dumb map = {.handle = dumb.handle};
	must(call(screen->fd, DRM_IOCTL_MODE_MAP_DUMB, &map) == 0, "no map");
	void *pixels = mmap(
		NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, screen->fd, (off_t)map.offset);
	must(pixels != MAP_FAILED, "no memory");
	*buffer = (struct buffer){
		.framebuffer = framebuffer.fb_id,
		.pitch = dumb.pitch,
		.size = dumb.size,
		.pixels = pixels,
	};
}

static void paint(struct buffer *buffer, uint32_t seed) {
	uint32_t *pixels = (uint32_t *)buffer->pixels;
	for (size_t i = 0; i < buffer->size / sizeof(*pixels); i++) {
		pixels[i] = (uint32_t)(i + seed) * 0x9e3779b1u;
	}
}

static void paint_box(struct buffer *buffer, uint32_t colour) {
	for (uint32_t y = 40; y < 60; y++) {
		uint32_t *row = (uint32_t *)(buffer->pixels + (size_t)y * buffer->pitch);
		for (uint32_t x = 50; x < 150; x++) {
			row[x] = colour;
		}
	}
}

static void set_mode(const struct screen *screen) {
	struct drm_mode_crtc crtc = {
		.crtc_id = screen->crtc,
		.fb_id = screen->buffers[0].framebuffer,
		.set_connectors_ptr = (uintptr_t)&screen->connector,
		.count_connectors = 1,
		.mode_valid = 1,
		.mode =
			{
				.hdisplay = screen->width,
				.hsync_start = screen->width + 16,
				.hsync_end = screen->width + 48,
				.htotal = screen->width + 80,
				.vdisplay = screen->height,
				.vsync_start = screen->height + 3,
				.vsync_end = screen->height + 9,
				.vtotal = screen->height + 20,
				.vrefresh = 60,
				.clock = (screen->width + 80) * (screen->height + 20) * 60 / 1000,
			},
	};
	must(call(screen->fd, DRM_IOCTL_MODE_SETCRTC, &crtc) == 0, "no mode");
}

static void mark_dirty(const struct screen *screen) {
	struct drm_mode_fb_dirty_cmd dirty = {.fb_id = screen->buffers[0].framebuffer};
	must(call(screen->fd, DRM_IOCTL_MODE_DIRTYFB, &dirty) == 0, "nothing can be made dirty");
}

/* Returns when it is done. */
static void flip(const struct screen *screen, unsigned to) {
	struct drm_mode_crtc_page_flip request = {
		.crtc_id = screen->crtc,
		.fb_id = screen->buffers[to].framebuffer,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	must(call(screen->fd, DRM_IOCTL_MODE_PAGE_FLIP, &request) == 0, "no flip");
	char event[64];
	struct pollfd input = {.fd = screen->fd, .events = POLLIN};
	must(poll(&input, 1, 5000) == 1 && read(screen->fd, event, sizeof(event)) > 0, "no event");
}

static uint64_t now_nsec(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t nsec) {
	const struct timespec until = {
		.tv_sec = (time_t)(nsec / 1000000000),
		.tv_nsec = (long)(nsec % 1000000000),
	};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static bool is(const char *what, const char *work) {
	return strcmp(what, work) == 0;
}

static void do_frame(struct screen *screen, const char *what, unsigned frame) {
	if (is(what, "full") || is(what, "rate")) {
		flip(screen, frame % 2);
		return;
	}
	if (is(what, "still")) {
		if (frame <= 2) {
			flip(screen, frame % 2);
		}
		return;
	}
	if (is(what, "small")) {
		paint_box(&screen->buffers[0], frame * 0x00654321);
	}
	if (is(what, "mark")) {
		paint_box(&screen->buffers[0], MARK_COLOUR | (frame & 0xff));
		outb((unsigned char)frame, MARK_PORT);
	}
	mark_dirty(screen);
}

static uint64_t period_of(const char *what, const char *rate) {
	if (is(what, "rate")) {
		return 0;
	}
	return is(what, "mark") ? MARK_PERIOD_NSEC : 1000000000 / strtoull(rate, NULL, 10);
}

static unsigned do_frames(struct screen *screen, const char *what, unsigned *frame, uint64_t period,
	uint64_t length) {
	unsigned done = 0;
	uint64_t start = now_nsec(), next = start;
	while (now_nsec() - start < length) {
		do_frame(screen, what, ++*frame);
		done++;
		uint64_t now = now_nsec();
		next += period;
		if (next > now) {
			sleep_until(next);
		} else {
			next = now;
		}
	}
	return done;
}

int main(int argc, char **argv) {
	struct screen screen = {0};
	if (argc != 5 || sscanf(argv[4], "%ux%u", &screen.width, &screen.height) != 2) {
		fprintf(stderr,
			"usage: frames full|small|none|rate|mark|still RATE SECONDS WIDTHxHEIGHT\n");
		return 2;
	}
	uint64_t period = period_of(argv[1], argv[2]);
	uint64_t length = strtoull(argv[3], NULL, 10) * 1000000000;
	unsigned frame = 0;
	find_screen(&screen);
	bool marks = is(argv[1], "mark");
	must(!marks || ioperm(MARK_PORT, 1, 1) == 0, "port");
	for (unsigned i = 0; i < 2; i++) {
		make_buffer(&screen, &screen.buffers[i]);
		if (!marks) {
			paint(&screen.buffers[i], i * 7919);
		}
	}
	set_mode(&screen);
	do_frames(&screen, argv[1], &frame, period, WARM_NSEC);
	printf("frames %s %s begin\n", argv[1], argv[4]);
	fflush(stdout);
	unsigned done = do_frames(&screen, argv[1], &frame, period, length);
	printf("frames %s %s end %u\n", argv[1], argv[4], done);
	return 0;
}
