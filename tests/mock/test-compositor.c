/*
 * A guest that has taken its device over, against the real compositor: row 27 of the list of
 * bad inputs. The hostile client sits on the socket that the compositor made for guest
 * 'hostile'; guest 'good' has a real mullion-device and must go on being shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest-bochs.h"
#include "mock.h"
#include "peer.h"
#include "session.h"

/* This program leaks on purpose: what a hostile client makes, it never destroys. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
	return "detect_leaks=0";
}

#define FDS 16 // with a message that takes none
#define START_MSEC 5000
#define SHOWN_MSEC 5000
#define PROMPT_USEC (2 * USEC_PER_SEC)
#define WIDTH 640
#define HEIGHT 480
#define STRIDE (WIDTH * 4)
#define SIZE (STRIDE * HEIGHT)

struct fight {
	struct session session;
	struct device_host device; // of 'good'
	struct vmm vmm;
	struct bochs_guest guest;
	struct peer peer; // 'hostile'
	int raw;          // its socket, for bytes that libwayland would not send; borrowed
	int fds;          // the compositor's, with the hostile client connected
	long memory;      // KiB, likewise
	uint32_t colour;
};

/* The other guest draws, and that is shown. */
static bool good_guest_is_shown(struct fight *fight) {
	int64_t before = session_window(&fight->session, "good", "frames");
	uint64_t end = clock_usec() + SHOWN_MSEC * USEC_PER_MSEC;
	while (clock_usec() < end) {
		fight->colour += 0x010305;
		bochs_fill(&fight->guest, 0, 0, WIDTH, HEIGHT, fight->colour & 0xffffff);
		session_run(&fight->session, 20);
		int64_t frames = session_window(&fight->session, "good", "frames");
		if (before >= 0 && frames > before) {
			return true;
		}
	}
	return false;
}

static int start_good_guest(struct fight *fight) {
	const struct device_options options = {.name = "good", .slice_size = 4 << 20};
	int error = device_host_start(&fight->device, &options);
	int display = session_take_display(&fight->session, "good", START_MSEC);
	if (error == 0) {
		error = display < 0 ? -ETIMEDOUT : device_host_display(&fight->device, display);
	}
	fd_close(display);
	if (error == 0) {
		error = vmm_open(&fight->vmm, fight->device.paths[0]);
	}
	if (error == 0) {
		error = bochs_start(&fight->guest, &fight->vmm);
	}
	return error == 0 ? bochs_set_mode(&fight->guest, WIDTH, HEIGHT, 32) : error;
}

static int setup(void **state) {
	static const char *const guests[] = {"good", "hostile", NULL};
	const struct session_options options = {.guests = guests};
	struct fight *fight = calloc(1, sizeof(*fight));
	struct rlimit limit_before;
	*state = fight;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
	fight->vmm.fd = -1;
	fight->guest.vram.fd = -1;
	fight->device = (struct device_host){.process.log = -1, .link = -1, .messages = {-1, -1}};
	memset(fight->device.fds, -1, sizeof(fight->device.fds));
	// As most systems start their sessions.
	const struct rlimit usual = {1024, limit_before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &usual);
	int error = session_start(&fight->session, &options);
	setrlimit(RLIMIT_NOFILE, &limit_before);
	if (error == 0) {
		error = start_good_guest(fight);
	}
	if (error < 0 || !good_guest_is_shown(fight)) {
		char *log = process_log(&fight->session.process);
		print_error("no session: %s\n%s\n", strerror(-error), log != NULL ? log : "");
		free(log);
		return -1;
	}
	fight->raw = session_take_display(&fight->session, "hostile", START_MSEC);
	if (fight->raw < 0 || !peer_connect(&fight->peer, fight->raw)) {
		return -1;
	}
	fight->fds = process_fds(fight->session.process.pid);
	fight->memory = process_memory(fight->session.process.pid);
	return 0;
}

static int teardown(void **state) {
	struct fight *fight = *state;
	pid_t pid = fight->session.process.pid;
	peer_finish(&fight->peer);
	bool shown = good_guest_is_shown(fight);
	bool device = process_alive(&fight->device.process);
	uint64_t end = clock_usec() + PROMPT_USEC;
	while (process_fds(pid) >= fight->fds && clock_usec() < end) {
		session_run(&fight->session, 5);
	}
	int fds = process_fds(pid);
	long memory = process_memory(pid);
	bool complaint = process_complained(&fight->session.process);
	if (complaint || !shown || !process_alive(&fight->session.process)) {
		char *log = process_log(&fight->session.process);
		print_error("--- the compositor's log\n%s---\n", log != NULL ? log : "");
		free(log);
	}
	bochs_finish(&fight->guest);
	vmm_close(&fight->vmm);
	device_host_stop(&fight->device);
	int status = session_finish(&fight->session);
	int before_fds = fight->fds;
	long before_memory = fight->memory;
	free(fight);
	assert_true(shown);
	assert_true(device);
	assert_false(complaint);
	assert_in_range(fds, 1, before_fds - 1);
	if (getenv("MULLION_SANITIZED") == NULL) {
		assert_in_range(memory, 1, before_memory + 8 * 1024);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

static int make_memory(size_t size) {
	int fd = memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

static void show(struct fight *fight, struct wl_buffer *buffer) {
	wl_surface_attach(fight->peer.surface, buffer, 0, 0);
	wl_surface_damage_buffer(fight->peer.surface, 0, 0, INT32_MAX, INT32_MAX);
	wl_surface_commit(fight->peer.surface);
}

static void assert_thrown_out(struct fight *fight, const char *what) {
	int error = 0;
	for (int i = 0; error == 0 && i < 100; i++) {
		error = peer_sync(&fight->peer);
		session_run(&fight->session, 5);
	}
	if (error == 0 || error == -ETIMEDOUT) {
		fail_msg("%s: still connected", what);
	}
}

static void assert_kept(struct fight *fight, const char *what) {
	int error = peer_sync(&fight->peer);
	if (error < 0) {
		fail_msg("%s: thrown out: %s", what, strerror(-error));
	}
}

/* What a guest's client may see */

static void guest_sees_no_global_of_the_desktop(void **state) {
	struct fight *fight = *state;
	assert_non_null(fight->peer.guest);
	assert_false(fight->peer.xdg_shell);
	assert_false(fight->peer.screencopy);
	assert_false(fight->peer.data_device);
}

static void ordinary_client_sees_no_guest_role(void **state) {
	struct fight *fight = *state;
	struct peer ordinary;
	assert_true(peer_connect(&ordinary, session_connect(&fight->session)));
	assert_null(ordinary.guest);
	assert_true(ordinary.xdg_shell);
	peer_finish(&ordinary);
}

static void hidden_global_cannot_be_bound_by_its_number(void **state) {
	struct fight *fight = *state;
	static const struct wl_interface screencopy = {
		"zwlr_screencopy_manager_v1", 3, 0, NULL, 0, NULL};
	for (uint32_t name = 1; name < 64 && peer_sync(&fight->peer) == 0; name++) {
		wl_registry_bind(fight->peer.registry, name, &screencopy, 1);
	}
	assert_thrown_out(fight, "a bind of screencopy");
}

static void honest_frame_is_shown(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	struct wl_buffer *buffer = peer_show(&fight->peer, WIDTH, HEIGHT);
	assert_kept(fight, "an honest frame");
	for (int i = 0; i < 100 && session_window(&fight->session, "hostile", "modeWidth") != WIDTH;
		i++) {
		session_run(&fight->session, 20);
	}
	assert_int_equal(session_window(&fight->session, "hostile", "modeWidth"), WIDTH);
	assert_int_equal(session_window(&fight->session, "hostile", "modeHeight"), HEIGHT);
	wl_buffer_destroy(buffer);
}

/* Buffers */

static void try_buffer(struct fight *fight, const char *what, int32_t pool, int32_t offset,
	int32_t width, int32_t height, int32_t stride, uint32_t format) {
	int fd = make_memory(SIZE);
	peer_make_desktop(&fight->peer);
	show(fight, peer_buffer(&fight->peer, fd, pool, offset, width, height, stride, format));
	close(fd);
	assert_thrown_out(fight, what);
}

#define BUFFER_TEST(name, what, ...)                                                               \
	static void name(void **state) {                                                           \
		try_buffer(*state, what, __VA_ARGS__);                                             \
	}

#define XRGB WL_SHM_FORMAT_XRGB8888

BUFFER_TEST(
	buffer_past_its_pool_is_an_error, "one row more", SIZE, 0, WIDTH, HEIGHT + 1, STRIDE, XRGB)
BUFFER_TEST(buffer_with_offset_past_its_pool_is_an_error, "offset", SIZE, 4, WIDTH, HEIGHT, STRIDE,
	XRGB)
BUFFER_TEST(negative_offset_is_an_error, "offset", SIZE, -4096, WIDTH, HEIGHT, STRIDE, XRGB)
BUFFER_TEST(short_stride_is_an_error, "stride", SIZE, 0, WIDTH, HEIGHT, STRIDE - 4, XRGB)
BUFFER_TEST(negative_stride_is_an_error, "stride", SIZE, 0, WIDTH, HEIGHT, -STRIDE, XRGB)
BUFFER_TEST(zero_width_is_an_error, "width", SIZE, 0, 0, HEIGHT, STRIDE, XRGB)
BUFFER_TEST(negative_height_is_an_error, "height", SIZE, 0, WIDTH, -1, STRIDE, XRGB)
BUFFER_TEST(size_that_wraps_is_an_error, "stride * height wraps", SIZE, 0, 0x4000, 0x10000, 0x10000,
	XRGB)
BUFFER_TEST(unknown_format_is_an_error, "format", SIZE, 0, WIDTH, HEIGHT, STRIDE, 0x12345678)
BUFFER_TEST(pool_of_nothing_is_an_error, "pool size 0", 0, 0, WIDTH, HEIGHT, STRIDE, XRGB)
BUFFER_TEST(pool_of_negative_size_is_an_error, "pool size -1", -1, 0, WIDTH, HEIGHT, STRIDE, XRGB)
BUFFER_TEST(
	buffer_wider_than_any_screen_is_an_error, "16388 wide", SIZE, 0, 16388, 4, 16388 * 4, XRGB)

static void odd_stride_harms_nobody(void **state) {
	struct fight *fight = *state;
	int fd = make_memory(SIZE + HEIGHT * 3);
	peer_make_desktop(&fight->peer);
	show(fight,
		peer_buffer(
			&fight->peer, fd, SIZE + HEIGHT * 3, 0, WIDTH, HEIGHT, STRIDE + 3, XRGB));
	peer_sync(&fight->peer);
	session_run(&fight->session, 100);
	close(fd);
}

static void pool_larger_than_its_file_is_an_error(void **state) {
	struct fight *fight = *state;
	int fd = make_memory(4096);
	peer_make_desktop(&fight->peer);
	show(fight, peer_buffer(&fight->peer, fd, SIZE, 0, WIDTH, HEIGHT, STRIDE, XRGB));
	assert_thrown_out(fight, "a pool larger than its file");
	close(fd);
}

static void memory_that_can_shrink_is_an_error(void **state) {
	struct fight *fight = *state;
	int fd = memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	peer_make_desktop(&fight->peer);
	show(fight, peer_buffer(&fight->peer, fd, SIZE, 0, WIDTH, HEIGHT, STRIDE, XRGB));
	peer_flush(&fight->peer, 1000);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_thrown_out(fight, "memory without a seal");
	close(fd);
}

static void file_on_a_disk_is_an_error(void **state) {
	struct fight *fight = *state;
	int fd = open(fight->session.folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, SIZE) == 0);
	peer_make_desktop(&fight->peer);
	show(fight, peer_buffer(&fight->peer, fd, SIZE, 0, WIDTH, HEIGHT, STRIDE, XRGB));
	assert_thrown_out(fight, "a file");
	close(fd);
}

/* An ordinary client of the host may show memory that it can take away. */
static void ordinary_client_that_truncates_harms_nobody(void **state) {
	struct fight *fight = *state;
	struct peer ordinary;
	int fd = memfd_create("frame", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_true(peer_connect(&ordinary, session_connect(&fight->session)));
	struct wl_buffer *buffer = peer_buffer(&ordinary, fd, SIZE, 0, WIDTH, HEIGHT, STRIDE, XRGB);
	assert_int_equal(peer_sync(&ordinary), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	wl_surface_attach(ordinary.surface, buffer, 0, 0);
	wl_surface_damage_buffer(ordinary.surface, 0, 0, WIDTH, HEIGHT);
	wl_surface_commit(ordinary.surface);
	peer_sync(&ordinary);
	session_run(&fight->session, 50);
	wl_buffer_destroy(buffer);
	peer_finish(&ordinary);
	close(fd);
}

static void descriptor_that_is_no_memory_is_an_error(void **state) {
	struct fight *fight = *state;
	int pipes[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	wl_shm_create_pool(fight->peer.shm, pipes[0], SIZE);
	assert_thrown_out(fight, "a pipe as pool");
	fd_close_many(pipes, 2);
}

static void shrinking_a_pool_is_an_error(void **state) {
	struct fight *fight = *state;
	int fd = make_memory(SIZE);
	struct wl_shm_pool *pool = wl_shm_create_pool(fight->peer.shm, fd, SIZE);
	wl_shm_pool_resize(pool, 4096);
	assert_thrown_out(fight, "a pool that shrinks");
	wl_shm_pool_destroy(pool);
	close(fd);
}

static void absurd_damage_harms_nobody(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	const int32_t numbers[] = {INT32_MIN, -1, 0, 1, INT32_MAX};
	for (size_t i = 0; i < 5 * 5 * 5 * 5; i++) {
		wl_surface_damage_buffer(fight->peer.surface, numbers[i % 5], numbers[i / 5 % 5],
			numbers[i / 25 % 5], numbers[i / 125]);
		wl_surface_damage(fight->peer.surface, numbers[i / 125], numbers[i / 25 % 5],
			numbers[i / 5 % 5], numbers[i % 5]);
	}
	wl_surface_commit(fight->peer.surface);
	peer_sync(&fight->peer);
	session_run(&fight->session, 100);
}

static void impossible_scale_is_an_error(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	wl_surface_set_buffer_scale(fight->peer.surface, 0);
	wl_surface_commit(fight->peer.surface);
	assert_thrown_out(fight, "scale 0");
}

/* Roles */

static void second_desktop_is_an_error(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	assert_kept(fight, "the first desktop");
	struct wl_surface *second = wl_compositor_create_surface(fight->peer.compositor);
	mullion_guest_v1_get_desktop(fight->peer.guest, second, 0);
	assert_thrown_out(fight, "a second desktop on head 0");
}

static void surface_has_one_role(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	mullion_guest_v1_get_desktop(fight->peer.guest, fight->peer.surface, 1);
	assert_thrown_out(fight, "two roles");
}

static void head_out_of_range_is_an_error(void **state) {
	struct fight *fight = *state;
	mullion_guest_v1_get_desktop(fight->peer.guest, fight->peer.surface, 16);
	assert_thrown_out(fight, "head 16");
}

static void desktop_without_its_surface_harms_nobody(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	assert_kept(fight, "a frame");
	wl_surface_destroy(fight->peer.surface);
	fight->peer.surface = NULL;
	peer_sync(&fight->peer);
	session_run(&fight->session, 50);
	session_call(&fight->session, "Fullscreen", "name", "hostile", NULL);
	session_call(&fight->session, "Fullscreen", NULL, NULL, NULL);
	session_call(&fight->session, "Focus", "name", "good", NULL);
}

static void leaving_in_full_screen_harms_nobody(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, 1280, 1024);
	assert_kept(fight, "a frame");
	assert_int_equal(session_call(&fight->session, "Fullscreen", "name", "hostile", NULL), 0);
	session_run(&fight->session, 50);
	peer_finish(&fight->peer);
	session_run(&fight->session, 50);
	session_call(&fight->session, "Fullscreen", NULL, NULL, NULL);
	session_call(&fight->session, "Focus", "name", "good", NULL);
}

/* Floods */

static void flood_of_commits_is_ended(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	int error = 0;
	for (unsigned i = 0; error == 0 && i < 200000; i++) {
		wl_surface_damage_buffer(fight->peer.surface, 0, 0, WIDTH, HEIGHT);
		wl_surface_commit(fight->peer.surface);
		if (i % 500 == 0) {
			error = peer_flush(&fight->peer, 5000);
		}
	}
	assert_thrown_out(fight, "200,000 commits");
}

static void flood_of_frame_callbacks_is_ended(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	int error = 0;
	for (unsigned i = 0; error == 0 && i < 20000; i++) {
		wl_surface_frame(fight->peer.surface);
		if (i % 200 == 0) {
			error = peer_flush(&fight->peer, 5000);
		}
	}
	assert_thrown_out(fight, "20,000 frame callbacks");
}

static void flood_of_surfaces_is_ended(void **state) {
	struct fight *fight = *state;
	int error = 0;
	for (unsigned i = 0; error == 0 && i < 20000; i++) {
		wl_compositor_create_surface(fight->peer.compositor);
		if (i % 200 == 0) {
			error = peer_flush(&fight->peer, 5000);
		}
	}
	assert_thrown_out(fight, "20,000 surfaces");
}

static void flood_of_pools_is_ended(void **state) {
	struct fight *fight = *state;
	int fd = make_memory(SIZE), error = 0;
	for (unsigned i = 0; error == 0 && i < 2000; i++) {
		wl_shm_create_pool(fight->peer.shm, fd, SIZE);
		error = peer_flush(&fight->peer, 5000);
	}
	assert_thrown_out(fight, "2,000 pools");
	close(fd);
}

static void flood_of_syncs_that_are_never_read_is_bounded(void **state) {
	struct fight *fight = *state;
	uint64_t end = clock_usec() + 3 * USEC_PER_SEC;
	int error = 0;
	for (unsigned i = 0; error == 0 && i < 400000 && clock_usec() < end; i++) {
		wl_display_sync(fight->peer.display);
		if (i % 200 == 0) {
			error = peer_flush(&fight->peer, 1000);
		}
	}
	assert_in_range(process_memory(fight->session.process.pid), 1, fight->memory + 64 * 1024);
	assert_true(good_guest_is_shown(fight));
}

/* Bytes */

static void send_bytes(struct fight *fight, const void *bytes, size_t size, const char *what) {
	assert_true(fd_send(fight->raw, bytes, size, NULL, 0, 0) >= 0);
	assert_thrown_out(fight, what);
}

static void message_shorter_than_its_header_is_an_error(void **state) {
	const uint32_t message[] = {1, 0};
	send_bytes(*state, message, sizeof(message), "length 0");
}

static void unknown_object_is_an_error(void **state) {
	const uint32_t message[] = {0xfefefefe, 8 << 16};
	send_bytes(*state, message, sizeof(message), "an object that does not exist");
}

static void unknown_request_is_an_error(void **state) {
	const uint32_t message[] = {1, 8 << 16 | 77};
	send_bytes(*state, message, sizeof(message), "a request that does not exist");
}

static void string_longer_than_its_message_is_an_error(void **state) {
	// wl_registry.bind with an interface name of 1 MiB that is not there.
	const uint32_t message[] = {2, 24 << 16, 1, 1 << 20, 0x41414141, 1};
	send_bytes(*state, message, sizeof(message), "a string without its bytes");
}

static void megabyte_of_control_characters_is_an_error(void **state) {
	struct fight *fight = *state;
	char *bytes = calloc(1, 1 << 20);
	assert_non_null(bytes);
	memset(bytes, 0x1b, 1 << 20);
	fd_set_nonblock(fight->raw, true);
	fd_send(fight->raw, bytes, 1 << 20, NULL, 0, MSG_DONTWAIT);
	free(bytes);
	assert_thrown_out(fight, "a megabyte of escapes");
	assert_false(process_log_contains(&fight->session.process, "\x1b"));
}

static void half_a_message_harms_nobody(void **state) {
	struct fight *fight = *state;
	assert_true(fd_send(fight->raw, "\1\0\0\0\0", 5, NULL, 0, 0) == 5);
	session_run(&fight->session, 50);
	assert_true(good_guest_is_shown(fight));
}

static void descriptors_that_nobody_asked_for_harm_nobody(void **state) {
	struct fight *fight = *state;
	int fds[FDS];
	for (size_t i = 0; i < FDS; i++) {
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	}
	// wl_surface.damage takes none; each comes with sixteen.
	assert_kept(fight, "a surface");
	const uint32_t surface = wl_proxy_get_id((struct wl_proxy *)fight->peer.surface);
	const uint32_t message[6] = {surface, sizeof(message) << 16 | 2, 0, 0, 1, 1};
	for (int i = 0; i < 500; i++) {
		if (fd_send(fight->raw, message, sizeof(message), fds, FDS, 0) < 0) {
			break;
		}
	}
	fd_close_many(fds, FDS);
	session_run(&fight->session, 100);
	// libwayland keeps them until the client goes, as teardown sees. That is bounded, and
	// leaves enough for the others: new clients, and screenshots.
	assert_in_range(process_fds(fight->session.process.pid), 1, fight->fds + 8000);
	struct peer ordinary;
	assert_true(peer_connect(&ordinary, session_connect(&fight->session)));
	peer_finish(&ordinary);
	assert_int_equal(session_call(&fight->session, "Screenshot", NULL, NULL, NULL), 0);
	assert_true(good_guest_is_shown(fight));
}

static void guest_whose_client_left_is_shown_again(void **state) {
	struct fight *fight = *state;
	peer_finish(&fight->peer);
	// As mulliond does: it tells that the guest is not shown.
	fight->session.guests[1].presented = 0;
	sd_varlink_close_unref(fight->session.watch);
	fight->session.watch = NULL;
	int fd = session_take_display(&fight->session, "hostile", START_MSEC);
	assert_true(fd >= 0);
	assert_true(peer_connect(&fight->peer, fd));
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	assert_kept(fight, "the second connection");
}

#define fight_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* The screen's pixels, or one guest's; the caller's to free. */
static uint8_t *take_picture(struct fight *fight, const char *guest, size_t *ret_size) {
	sd_json_variant *reply = NULL;
	sd_varlink_set_allow_fd_passing_input(fight->session.desktop, true);
	assert_int_equal(session_call(&fight->session, "Screenshot", guest != NULL ? "name" : NULL,
				 guest, &reply),
		0);
	size_t size = sd_json_variant_unsigned(sd_json_variant_by_key(reply, "stride")) *
		sd_json_variant_unsigned(sd_json_variant_by_key(reply, "height"));
	sd_json_variant_unref(reply);
	int fd = sd_varlink_take_fd(fight->session.desktop, 0);
	uint8_t *pixels = malloc(size);
	assert_non_null(pixels);
	assert_int_equal(pread(fd, pixels, size, 0), size);
	close(fd);
	*ret_size = size;
	return pixels;
}

static void assert_same_picture(struct fight *fight, const char *guest, const uint8_t *expected,
	size_t expected_size, const char *when) {
	size_t size;
	uint8_t *pixels = take_picture(fight, guest, &size);
	if (size != expected_size || memcmp(pixels, expected, size) != 0) {
		fail_msg("%s: %s looks different", when, guest != NULL ? guest : "the screen");
	}
	free(pixels);
}

static void connect_again(struct fight *fight) {
	int fd = session_take_display(&fight->session, "hostile", START_MSEC);
	assert_true(fd >= 0);
	assert_true(peer_connect(&fight->peer, fd));
	fight->raw = fd;
}

/* mulliond has replaced the device, and tells that it has no display. */
static void tell_of_new_device(struct fight *fight) {
	fight->session.guests[1].presented = 0;
	sd_varlink_close_unref(fight->session.watch);
	fight->session.watch = NULL;
}

static void wait_for_mode(struct fight *fight, int width) {
	assert_kept(fight, "its picture");
	for (int i = 0; i < 100 && session_window(&fight->session, "hostile", "modeWidth") != width;
		i++) {
		session_run(&fight->session, 20);
	}
	assert_int_equal(session_window(&fight->session, "hostile", "modeWidth"), width);
}

/* Devices that are replaced faster than mulliond answers: it may take what crosses in any order. */
static void a_device_is_not_left_with_a_display_that_is_over(void **state) {
	struct fight *fight = *state;
	fight->session.hold = true;
	peer_finish(&fight->peer);
	for (int i = 0; i < 3; i++) {
		tell_of_new_device(fight);
		session_run(&fight->session, 500);
	}
	assert_in_range(fight->session.held_len, 1, SESSION_HELD_MAX - 1);
	session_let_go(&fight->session);
	// The first to be taken may be over, and then another follows.
	session_run(&fight->session, 500);
	connect_again(fight);
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	assert_kept(fight, "its display");
	wait_for_mode(fight, WIDTH);
}

static void pool_that_grows_is_read_where_it_is(void **state) {
	struct fight *fight = *state;
	int fd = make_memory(2 * (size_t)SIZE);
	for (int i = 0; i < SIZE; i += 4) {
		assert_int_equal(pwrite(fd, &(uint32_t){(uint32_t)i}, 4, i), 4);
	}
	struct wl_shm_pool *pool = wl_shm_create_pool(fight->peer.shm, fd, SIZE);
	peer_make_desktop(&fight->peer);
	show(fight,
		wl_shm_pool_create_buffer(pool, 0, WIDTH, HEIGHT, STRIDE, WL_SHM_FORMAT_XRGB8888));
	wait_for_mode(fight, WIDTH);
	size_t screen_size, own_size;
	uint8_t *screen = take_picture(fight, NULL, &screen_size);
	uint8_t *own = take_picture(fight, "hostile", &own_size);
	wl_shm_pool_resize(pool, 2 * SIZE);
	assert_kept(fight, "a pool that grows");
	assert_same_picture(fight, "hostile", own, own_size, "a pool that grew");
	assert_same_picture(fight, NULL, screen, screen_size, "a pool that grew");
	wl_shm_pool_destroy(pool);
	close(fd);
	free(screen);
	free(own);
}

static void window_keeps_its_picture_while_its_device_is_replaced(void **state) {
	struct fight *fight = *state;
	static const char *const keys[] = {
		"x", "y", "width", "height", "stack", "modeWidth", "modeHeight"};
	int64_t before[ARRAY_SIZE(keys)];
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH / 2, HEIGHT / 2);
	wait_for_mode(fight, WIDTH / 2);
	assert_int_equal(session_call(&fight->session, "Focus", "name", "hostile", NULL), 0);
	session_run(&fight->session, 100);
	size_t screen_size, own_size;
	uint8_t *screen = take_picture(fight, NULL, &screen_size);
	uint8_t *own = take_picture(fight, "hostile", &own_size);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		before[i] = session_window(&fight->session, "hostile", keys[i]);
	}
	for (int round = 0; round < 20; round++) {
		peer_finish(&fight->peer);
		assert_same_picture(fight, NULL, screen, screen_size, "no device");
		assert_same_picture(fight, "hostile", own, own_size, "no device");
		tell_of_new_device(fight);
		connect_again(fight);
		peer_make_desktop(&fight->peer);
		assert_kept(fight, "a desktop without a picture");
		assert_same_picture(fight, NULL, screen, screen_size, "a device without a picture");
		peer_show(&fight->peer, WIDTH / 2, HEIGHT / 2);
		assert_kept(fight, "its first picture");
		assert_same_picture(fight, NULL, screen, screen_size, "a new device");
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			assert_int_equal(
				session_window(&fight->session, "hostile", keys[i]), before[i]);
		}
	}
	free(screen);
	free(own);
}

static void new_device_may_have_another_mode(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	wait_for_mode(fight, WIDTH);
	peer_finish(&fight->peer);
	tell_of_new_device(fight);
	connect_again(fight);
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH / 2, HEIGHT / 2);
	wait_for_mode(fight, WIDTH / 2);
	size_t size;
	free(take_picture(fight, "hostile", &size));
	assert_int_equal(size, SIZE / 4);
}

static void full_screen_stays_while_its_device_is_replaced(void **state) {
	struct fight *fight = *state;
	peer_make_desktop(&fight->peer);
	peer_show(&fight->peer, WIDTH, HEIGHT);
	wait_for_mode(fight, WIDTH);
	assert_int_equal(session_call(&fight->session, "Fullscreen", "name", "hostile", NULL), 0);
	session_run(&fight->session, 100);
	size_t size;
	uint8_t *screen = take_picture(fight, NULL, &size);
	for (int round = 0; round < 5; round++) {
		peer_finish(&fight->peer);
		assert_same_picture(fight, NULL, screen, size, "no device");
		tell_of_new_device(fight);
		connect_again(fight);
		peer_make_desktop(&fight->peer);
		peer_show(&fight->peer, WIDTH, HEIGHT);
		assert_kept(fight, "its first picture");
		assert_same_picture(fight, NULL, screen, size, "a new device");
	}
	assert_int_equal(session_call(&fight->session, "Fullscreen", NULL, NULL, NULL), 0);
	free(screen);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		fight_test(guest_sees_no_global_of_the_desktop),
		fight_test(ordinary_client_sees_no_guest_role),
		fight_test(hidden_global_cannot_be_bound_by_its_number),
		fight_test(honest_frame_is_shown),
		fight_test(buffer_past_its_pool_is_an_error),
		fight_test(buffer_with_offset_past_its_pool_is_an_error),
		fight_test(negative_offset_is_an_error),
		fight_test(short_stride_is_an_error),
		fight_test(negative_stride_is_an_error),
		fight_test(zero_width_is_an_error),
		fight_test(negative_height_is_an_error),
		fight_test(size_that_wraps_is_an_error),
		fight_test(unknown_format_is_an_error),
		fight_test(pool_of_nothing_is_an_error),
		fight_test(pool_of_negative_size_is_an_error),
		fight_test(buffer_wider_than_any_screen_is_an_error),
		fight_test(odd_stride_harms_nobody),
		fight_test(pool_larger_than_its_file_is_an_error),
		fight_test(memory_that_can_shrink_is_an_error),
		fight_test(file_on_a_disk_is_an_error),
		fight_test(ordinary_client_that_truncates_harms_nobody),
		fight_test(descriptor_that_is_no_memory_is_an_error),
		fight_test(shrinking_a_pool_is_an_error),
		fight_test(absurd_damage_harms_nobody),
		fight_test(impossible_scale_is_an_error),
		fight_test(second_desktop_is_an_error),
		fight_test(surface_has_one_role),
		fight_test(head_out_of_range_is_an_error),
		fight_test(desktop_without_its_surface_harms_nobody),
		fight_test(leaving_in_full_screen_harms_nobody),
		fight_test(flood_of_commits_is_ended),
		fight_test(flood_of_frame_callbacks_is_ended),
		fight_test(flood_of_surfaces_is_ended),
		fight_test(flood_of_pools_is_ended),
		fight_test(flood_of_syncs_that_are_never_read_is_bounded),
		fight_test(message_shorter_than_its_header_is_an_error),
		fight_test(unknown_object_is_an_error),
		fight_test(unknown_request_is_an_error),
		fight_test(string_longer_than_its_message_is_an_error),
		fight_test(megabyte_of_control_characters_is_an_error),
		fight_test(half_a_message_harms_nobody),
		fight_test(descriptors_that_nobody_asked_for_harm_nobody),
		fight_test(guest_whose_client_left_is_shown_again),
		fight_test(a_device_is_not_left_with_a_display_that_is_over),
		fight_test(pool_that_grows_is_read_where_it_is),
		fight_test(window_keeps_its_picture_while_its_device_is_replaced),
		fight_test(new_device_may_have_another_mode),
		fight_test(full_screen_stays_while_its_device_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
