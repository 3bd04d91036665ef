#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/util/log.h>

#include "clock.h"
#include "config-keys.h"
#include "fd.h"
#include "guest-window.h"
#include "guest.h"
#include "host-link.h"
#include "log.h"
#include "memfd.h"
#include "output.h"
#include "seat.h"
#include "server.h"
#include "window.h"

/*
 * The compositor, headless and in process, against a guest's device that says what it
 * likes on the Wayland socket that was made for it: requests whose length is right, or
 * loose bytes, with descriptors. Whatever that is, the session goes on, the device's
 * connection takes everything of its with it, and another guest's window stays.
 */

#define STEPS_MAX 256
#define WORDS_MAX 32
#define GLOBALS_MAX 64
#define OBJECT_DISPLAY 1
#define OBJECT_REGISTRY 2

struct global {
	uint32_t name, version;
	char interface[64];
};

struct device {
	int fd; // -1 when closed
	uint32_t next_id;
	uint8_t registry[8192]; // what came before the first request
	size_t registry_size;
	struct global globals[GLOBALS_MAX];
	size_t globals_len;
};

static struct server server;
static int presented = -1; // the socket that the compositor last gave to a device

/* mulliond's place. */

struct host_link *host_link_create(struct server *s) {
	return NULL;
}

void host_link_destroy(struct host_link *host) {
}

bool host_link_present(struct host_link *host, const char *guest, int socket) {
	fd_close(presented);
	presented = socket;
	return false;
}

void host_link_stop(struct host_link *host, const char *guest) {
}

void host_link_shutdown(struct host_link *host, void (*done)(void *data), void *data) {
}

static unsigned open_descriptors(void) {
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static void no_log(const char *format, va_list args) {
}

static void run(void) {
	for (unsigned i = 0; i < 8; i++) {
		wl_event_loop_dispatch(server.loop.wayland, 0);
		wl_display_flush_clients(server.display);
		while (sd_event_run(server.loop.sd, 0) > 0) {
		}
	}
}

/* A folder of its own for the sockets; it is gone with the process. */
static char folder[] = "/tmp/fuzz-compositor-XXXXXX";

static void remove_folder(void) {
	static const char *const left[] = {
		"wayland-0", "wayland-0.lock", "mullion/io.mullion.Desktop", "mullion", ""};
	char path[128];
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, left[i]);
		remove(path);
	}
}

static void start_server(void) {
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	atexit(remove_folder);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	unsetenv("MULLION_RUNTIME_DIR");
	setenv("WLR_BACKENDS", "headless", 1);
	setenv("WLR_RENDERER", "pixman", 1);
	setenv("WLR_HEADLESS_OUTPUTS", "1", 1);
	wlr_log_init(WLR_SILENT, NULL);
	wl_log_set_handler_server(no_log);
	struct config config = {0};
	FUZZ_CHECK(config_set_defaults(CONFIG_SCOPE_HOST, &config.host));
	config.host.output_width = 320;
	config.host.output_height = 240;
	FUZZ_CHECK(server_init(&server, &config));
	FUZZ_CHECK(wlr_backend_start(server.backend));
	// For whoever wants to end the fuzzing.
	sigset_t signals;
	sigfillset(&signals);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	run();
}

static void report_guests(bool hostile) {
	struct guest_report report = {.name = "good", .title = "good", .number = 1};
	report.state = GUEST_RUNNING;
	report.shown = true;
	guest_reports_begin(&server);
	guest_report(&server, &report);
	if (hostile) {
		report.name = report.title = "hostile";
		report.number = 2;
		report.shown = false;
		guest_report(&server, &report);
	}
	guest_reports_end(&server);
	run();
}

static void show_frame(void) {
	struct output *output;
	wl_list_for_each (output, &server.outputs, link) {
		wlr_output_send_frame(output->wlr);
	}
	run();
}

static void say(struct device *device, const void *bytes, size_t size, int fd) {
	if (size > 0 && device->fd >= 0) {
		fd_send(device->fd, bytes, size, &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
	}
	fd_close(fd);
	run();
}

/* Takes what the compositor has sent; before the first request of the input it is kept. */
static void drain(struct device *device, bool keep) {
	uint8_t bytes[4096];
	int fds[FD_MAX];
	size_t n = 0;
	ssize_t size;
	while ((size = fd_recv(device->fd, bytes, sizeof(bytes), fds, &n, MSG_DONTWAIT)) > 0) {
		fd_close_many(fds, n);
		if (keep && (size_t)size <= sizeof(device->registry) - device->registry_size) {
			memcpy(device->registry + device->registry_size, bytes, (size_t)size);
			device->registry_size += (size_t)size;
		}
	}
}

static void request(struct device *device, uint32_t object, uint16_t opcode, const uint32_t *words,
	size_t n, int fd) {
	uint32_t message[2 + WORDS_MAX] = {
		object, (uint32_t)(2 + n) * sizeof(uint32_t) << 16 | opcode};
	if (n > 0) {
		memcpy(message + 2, words, n * sizeof(uint32_t));
	}
	say(device, message, (2 + n) * sizeof(uint32_t), fd);
	drain(device, false);
}

/* The names of the globals, from the events of wl_registry. */
static void read_globals(struct device *device) {
	size_t at = 0;
	while (at + 16 <= device->registry_size && device->globals_len < GLOBALS_MAX) {
		uint32_t head[4];
		memcpy(head, device->registry + at, sizeof(head));
		size_t size = head[1] >> 16, string = head[3];
		FUZZ_CHECK(size >= 20 && string >= 1 && at + 16 + string <= device->registry_size);
		struct global *global = &device->globals[device->globals_len++];
		global->name = head[2];
		snprintf(global->interface, sizeof(global->interface), "%.*s", (int)string,
			(const char *)device->registry + at + 16);
		memcpy(&global->version, device->registry + at + size - 4, sizeof(uint32_t));
		at += size;
	}
}

/* By its place in a list of ours first, so that an input means the same in other versions. */
static const struct global *pick_global(const struct device *device, uint8_t which) {
	static const char *const interfaces[] = {"wl_compositor", "wl_shm", "wl_seat",
		"wp_presentation", "mullion_guest_v1", "wp_cursor_shape_manager_v1",
		"zwp_relative_pointer_manager_v1"};
	const size_t n = sizeof(interfaces) / sizeof(interfaces[0]);
	for (size_t i = 0; which < n && i < device->globals_len; i++) {
		if (strcmp(device->globals[i].interface, interfaces[which]) == 0) {
			return &device->globals[i];
		}
	}
	return &device->globals[which % device->globals_len];
}

static void bind_global(struct device *device, uint8_t which) {
	const struct global *global = pick_global(device, which);
	uint32_t words[WORDS_MAX] = {global->name, (uint32_t)strlen(global->interface) + 1};
	memcpy(words + 2, global->interface, strlen(global->interface));
	size_t n = 2 + (strlen(global->interface) + 4) / 4;
	words[n++] = global->version;
	words[n++] = device->next_id++;
	request(device, OBJECT_REGISTRY, 0, words, n, -1);
}

static int make_fd(uint8_t kind) {
	int fd = -1;
	switch (kind % 6) {
	case 0:
		return -1;
	case 1:
		return memfd_create_sealed("sealed", 65536);
	case 2:
		fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		FUZZ_CHECK(fd >= 0 && ftruncate(fd, 65536) == 0);
		return fd;
	case 3: // smaller than it is said to be
		fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		FUZZ_CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
		FUZZ_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
		return fd;
	case 4:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	default:
		return open("/", O_PATH | O_CLOEXEC);
	}
}

/* Words are small numbers, the next new id, or anything. */
static uint32_t pick_word(struct device *device, struct fuzz_input *input) {
	uint8_t small = fuzz_u8(input);
	if (small < 0xf0) {
		return small;
	}
	if (small == 0xf0) {
		return device->next_id++;
	}
	return small < 0xf8 ? fuzz_u16(input) : fuzz_u32(input);
}

static void any_request(struct device *device, struct fuzz_input *input) {
	uint32_t words[WORDS_MAX];
	uint8_t object = fuzz_u8(input), opcode = fuzz_u8(input), shape = fuzz_u8(input);
	size_t n = shape % 16;
	for (size_t i = 0; i < n; i++) {
		words[i] = pick_word(device, input);
	}
	request(device, object, opcode % 32, words, n, make_fd(shape / 16));
}

/* What the session's user does about the device's window. */
static void user_act(struct window *window, uint8_t what, struct fuzz_input *input) {
	struct pointer *pointer = &server.seat->pointer;
	uint8_t a = fuzz_u8(input), b = fuzz_u8(input);
	switch (what % 4) {
	case 0:
		window_content_resized(window, 1 + a * 2, 1 + b * 2);
		break;
	case 1: // points at it, or near it
		pointer->used = true;
		wlr_cursor_warp(
			pointer->cursor, NULL, window->shown.x - 8 + a, window->shown.y - 8 + b);
		pointer_refresh(pointer);
		break;
	case 2:
		window_focus(window);
		seat_toggle_lock(server.seat);
		break;
	case 3:
		window_toggle_fullscreen(window);
		break;
	}
}

static void step(struct device *device, struct fuzz_input *input) {
	uint8_t what = fuzz_u8(input), bytes[256];
	size_t size;
	switch (what % 8) {
	case 0:
		bind_global(device, fuzz_u8(input));
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		any_request(device, input);
		break;
	case 5:
		size = 1 + (size_t)fuzz_u8(input) % sizeof(bytes);
		size = size < input->size ? size : input->size;
		fuzz_take(input, bytes, size);
		say(device, bytes, size, make_fd(what / 8));
		break;
	case 6:
		show_frame();
		break;
	case 7: {
		struct guest *guest = guest_find(&server, "hostile");
		if (guest != NULL && guest->heads[0].window != NULL) {
			user_act(guest_window_base(guest->heads[0].window), what / 8, input);
		}
		run();
		break;
	}
	}
}

static void connect_device(struct device *device) {
	*device = (struct device){.fd = presented, .next_id = OBJECT_REGISTRY + 1};
	presented = -1;
	FUZZ_CHECK(device->fd >= 0);
	const uint32_t get_registry[] = {OBJECT_DISPLAY, 12 << 16 | 1, OBJECT_REGISTRY};
	say(device, get_registry, sizeof(get_registry), -1);
	drain(device, true);
	read_globals(device);
	FUZZ_CHECK(device->globals_len > 0);
}

static void check_after(unsigned descriptors) {
	struct guest *good = guest_find(&server, "good");
	FUZZ_CHECK(good != NULL && good->heads[0].window != NULL);
	FUZZ_CHECK(guest_find(&server, "hostile") == NULL);
	FUZZ_CHECK(wl_list_length(&server.windows) == 1);
	FUZZ_CHECK(open_descriptors() <= descriptors);
}

static void one_device(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct device device;
	report_guests(true);
	connect_device(&device);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&device, &input);
	}
	show_frame();
	fd_close(device.fd);
	run();
	struct guest *guest = guest_find(&server, "hostile");
	FUZZ_CHECK(guest != NULL && guest->client == NULL && guest->heads[0].desktop == NULL);
	report_guests(false);
	show_frame();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	log_init("fuzz", NULL, LOG_LEVEL_ERROR);
	if (server.display == NULL) {
		start_server();
		// Fonts and buffers are opened once, by the first of all.
		one_device(NULL, 0);
		one_device(NULL, 0);
	}
	unsigned descriptors = open_descriptors();
	one_device(data, size);
	check_after(descriptors);
	return 0;
}
