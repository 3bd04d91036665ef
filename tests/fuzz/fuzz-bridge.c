#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge.h"
#include "clock.h"
#include "device-link.h"
#include "fd.h"
#include "log.h"
#include "memfd.h"
#include "touch-pointer.h"

/*
 * The bridge of two heads against a compositor that says what it likes: the input is its side
 * of the connection, as events whose length is right or as loose bytes, and between them what
 * a guest does. Whatever that is, the bridge stays usable, all input that it hands on is such
 * as mulliond accepts, and no head has more frames than flushes.
 */

#define SLICE_SIZE (1 << 20) // bytes
#define WIDTH 64             // pixels
#define HEIGHT 48
#define HEADS 2
#define STEPS_MAX 512
#define WORDS_MAX 64
#define OBJECT_REGISTRY 2

struct compositor {
	sd_event *event;
	struct slice slice;
	struct bridge *bridge;
	struct scanout scanout[HEADS];
	unsigned unanswered[HEADS]; // flushes, but for one a frame
	int fd;                     // -1 when closed
	int link[2];                // what the bridge hands on goes through here
	struct touch_pointer touch_pointer;
	bool fingers[LINK_INPUT_SLOTS]; // that are down
	uint32_t callback;              // the last wl_callback that the bridge asked for
};

static unsigned open_descriptors(void) {
	unsigned n = 0;
	for (int fd = 0; fd < 128; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static void get_scanout(void *data, unsigned head, struct scanout *ret) {
	*ret = ((struct compositor *)data)->scanout[head];
}

static void get_palette(void *data, uint32_t palette[256]) {
	for (uint32_t i = 0; i < 256; i++) {
		palette[i] = i * 0x010101;
	}
}

static void handle_input(void *data, const struct link_input *input) {
	struct compositor *compositor = data;
	struct link_message message = {.type = LINK_INPUT, .input = *input}, received;
	int fds[FD_MAX];
	size_t n;
	for (uint32_t i = 0; i < input->count; i++) {
		const struct link_input_event *event = &input->events[i];
		bool finger = event->type >= LINK_INPUT_TOUCH && event->type <= LINK_INPUT_TOUCH_Y;
		FUZZ_CHECK(!finger || event->code < LINK_INPUT_SLOTS);
		FUZZ_CHECK(event->type != LINK_INPUT_TOUCH ||
			(event->value == 1) != compositor->fingers[event->code]);
		if (event->type == LINK_INPUT_TOUCH) {
			compositor->fingers[event->code] = event->value == 1;
		}
	}
	// As a device does it whose guest has no touch screen.
	touch_pointer_convert(&compositor->touch_pointer, &message.input);
	if (message.input.count == 0) {
		return;
	}
	FUZZ_CHECK(link_send(compositor->link[0], &message, NULL, 0) == 0);
	FUZZ_CHECK(link_receive(compositor->link[1], &received, fds, &n) == 1);
}

static void handle_frame(void *data, unsigned head) {
	struct compositor *compositor = data;
	FUZZ_CHECK(compositor->unanswered[head] > 0);
	compositor->unanswered[head]--;
}

static void handle_resized(void *data, unsigned head, uint32_t width, uint32_t height,
	uint32_t refresh, uint32_t scale) {
	FUZZ_CHECK(head < HEADS && width > 0 && height > 0);
}

static void count(void *data) {
}

static const struct bridge_ops ops = {
	.get_scanout = get_scanout,
	.get_palette = get_palette,
	.input = handle_input,
	.frame = handle_frame,
	.resized = handle_resized,
	.looked = count,
	.committed = count,
};

static void run(struct compositor *compositor) {
	for (unsigned i = 0; i < 64 && sd_event_run(compositor->event, 0) > 0; i++) {
	}
}

/* Looks only for what an answer needs: wl_display.sync and wl_surface.frame end in the new
 * object's id. */
static void follow(struct compositor *compositor, const uint32_t *words, size_t n) {
	while (n >= 2) {
		size_t size = words[1] >> 18;
		if (size < 2 || size > n) {
			return;
		}
		bool sync = words[0] == 1 && (words[1] & 0xffff) == 0;
		bool frame = words[0] > 2 && (words[1] & 0xffff) == 3;
		if (size == 3 && (sync || frame)) {
			compositor->callback = words[2];
		}
		words += size;
		n -= size;
	}
}

static void drain(struct compositor *compositor) {
	static uint32_t words[4096];
	int fds[FD_MAX];
	size_t n = 0;
	ssize_t size;
	while ((size = fd_recv(compositor->fd, words, sizeof(words), fds, &n, MSG_DONTWAIT)) > 0) {
		fd_close_many(fds, n);
		follow(compositor, words, (size_t)size / sizeof(words[0]));
	}
}

static void say(struct compositor *compositor, const void *bytes, size_t size, int fd) {
	if (size > 0) {
		fd_send(compositor->fd, bytes, size, &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
	}
	fd_close(fd);
	run(compositor);
	drain(compositor);
	run(compositor);
}

static void say_event(struct compositor *compositor, uint32_t object, uint16_t opcode,
	const uint32_t *words, size_t n, int fd) {
	uint32_t message[2 + WORDS_MAX] = {
		object, (uint32_t)(2 + n) * sizeof(uint32_t) << 16 | opcode};
	if (n > 0) {
		memcpy(message + 2, words, n * sizeof(uint32_t));
	}
	say(compositor, message, (2 + n) * sizeof(uint32_t), fd);
}

/* wl_registry.global of one that the bridge knows. */
static void say_global(struct compositor *compositor, uint8_t which, uint32_t version) {
	static const char *const names[] = {
		"wl_compositor",
		"wl_shm",
		"wl_seat",
		"wp_presentation",
		"mullion_guest_v1",
		"xdg_wm_base",
		"wl_output",
		"wp_cursor_shape_manager_v1",
	};
	const char *name = names[which % (sizeof(names) / sizeof(names[0]))];
	uint32_t words[16] = {1 + which, (uint32_t)strlen(name) + 1};
	memcpy(words + 2, name, strlen(name));
	size_t n = 2 + (strlen(name) + 4) / 4;
	words[n++] = version;
	say_event(compositor, OBJECT_REGISTRY, 0, words, n, -1);
}

/* What a keymap may come in. */
static int make_fd(uint8_t kind) {
	int pair[2];
	switch (kind % 4) {
	case 0:
		return -1;
	case 1:
		return memfd_create_sealed("keymap", 4096);
	case 2:
		return memfd_create("keymap", MFD_CLOEXEC);
	default:
		FUZZ_CHECK(pipe2(pair, O_CLOEXEC) == 0);
		fd_close(pair[1]);
		return pair[0];
	}
}

static void any_event(struct compositor *compositor, struct fuzz_input *input) {
	uint32_t words[WORDS_MAX];
	uint8_t object = fuzz_u8(input), opcode = fuzz_u8(input), shape = fuzz_u8(input);
	size_t n = shape % 16;
	for (size_t i = 0; i < n; i++) {
		uint8_t small = fuzz_u8(input);
		words[i] = small < 0xf0 ? small : fuzz_u32(input);
	}
	say_event(compositor, object, opcode % 16, words, n, make_fd(shape / 16));
}

static void set_scanout(struct compositor *compositor, unsigned head, bool flushed, uint8_t what) {
	struct scanout *scanout = &compositor->scanout[head];
	*scanout = (struct scanout){.format = SCANOUT_NONE};
	enum scanout_format format = what % (flushed ? SCANOUT_RGBX8888 + 1 : 6);
	uint32_t stride = WIDTH * scanout_format_bytes(format) + what / 6 % 8;
	if (format != SCANOUT_NONE) {
		FUZZ_CHECK(scanout_compute(&compositor->slice, compositor->slice.limit, format,
			WIDTH, HEIGHT, stride, what / 48 * UINT64_C(4097), scanout));
		scanout->flushed = flushed;
	}
	bridge_scanout_changed(compositor->bridge, head);
}

static void flush_head(struct compositor *compositor, unsigned head, uint8_t what) {
	const struct damage_box box = {what % WIDTH, what % HEIGHT, 1, 1};
	const struct damage_boxes boxes = {.len = what % 2, .box = {box}};
	compositor->unanswered[head]++;
	bridge_flushed(compositor->bridge, head, &boxes);
}

static void set_cursor(struct compositor *compositor, uint8_t what) {
	uint32_t pixels[BRIDGE_CURSOR_SIZE * BRIDGE_CURSOR_SIZE];
	memset(pixels, what, sizeof(pixels));
	if (what % 8 == 0) {
		bridge_reset_cursor(compositor->bridge);
	} else {
		bridge_set_cursor(compositor->bridge, what % 8 == 1 ? NULL : pixels, what, what);
	}
}

/* What a guest does; kind 0 is drawing without a word. */
static void act(struct compositor *compositor, uint8_t kind, struct fuzz_input *input) {
	switch (kind % 4) {
	case 0:
		compositor->slice.map[fuzz_u16(input)] ^= 1;
		bridge_drawn(compositor->bridge, kind / 4 % HEADS);
		break;
	case 1:
		flush_head(compositor, kind / 4 % HEADS, fuzz_u8(input));
		break;
	case 2:
		set_cursor(compositor, fuzz_u8(input));
		break;
	case 3:
		set_scanout(compositor, kind / 4 % HEADS, true, fuzz_u8(input));
		break;
	}
}

static void step(struct compositor *compositor, struct fuzz_input *input) {
	uint8_t what = fuzz_u8(input), bytes[256];
	size_t size;
	switch (what % 8) {
	case 0: {
		uint8_t which = fuzz_u8(input);
		say_global(compositor, which, fuzz_u8(input));
		break;
	}
	case 1: {
		const uint32_t serial = fuzz_u8(input);
		say_event(compositor, compositor->callback, 0, &serial, 1, -1);
		break;
	}
	case 2:
	case 3:
	case 4:
		any_event(compositor, input);
		break;
	case 5:
		size = 1 + (size_t)fuzz_u8(input) % sizeof(bytes);
		size = size < input->size ? size : input->size;
		fuzz_take(input, bytes, size);
		say(compositor, bytes, size, make_fd(what / 8));
		break;
	case 6:
		set_scanout(compositor, 0, false, fuzz_u8(input));
		run(compositor);
		break;
	case 7:
		act(compositor, what / 8, input);
		run(compositor);
		break;
	}
}

static void connect_bridge(struct compositor *compositor) {
	int pair[2];
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	compositor->fd = pair[0];
	FUZZ_CHECK(bridge_connect(compositor->bridge, pair[1]) == 0);
	drain(compositor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	log_init("fuzz", NULL, LOG_LEVEL_ERROR);
	unsigned before = open_descriptors();
	struct fuzz_input input = {data, size};
	struct compositor compositor = {.fd = -1};
	int fd = memfd_create_sealed("slice", SLICE_SIZE);
	FUZZ_CHECK(fd >= 0 && slice_init(&compositor.slice, fd, 0, SLICE_SIZE, SLICE_SIZE) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, compositor.link) == 0);
	FUZZ_CHECK(sd_event_new(&compositor.event) >= 0);
	const struct bridge_setup setup = {
		.event = compositor.event,
		.slice = &compositor.slice,
		.heads = HEADS,
		.follow = true,
		.hidden_usec = USEC_PER_MSEC,
		.ops = &ops,
		.data = &compositor,
	};
	FUZZ_CHECK(bridge_create(&compositor.bridge, &setup) == 0);
	set_scanout(&compositor, 0, false, SCANOUT_XRGB8888);
	connect_bridge(&compositor);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&compositor, &input);
	}
	fd_close(compositor.fd);
	run(&compositor);
	// A compositor that comes after such a one is served.
	connect_bridge(&compositor);
	FUZZ_CHECK(compositor.callback != 0);
	fd_close(compositor.fd);
	run(&compositor);
	bridge_destroy(compositor.bridge);
	sd_event_unref(compositor.event);
	fd_close_many(compositor.link, 2);
	slice_finish(&compositor.slice);
	FUZZ_CHECK(open_descriptors() == before);
	return 0;
}
