#include "one-guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"

/* Its tests leak on purpose: what a hostile client makes, it never destroys. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
	return "detect_leaks=0";
}

#define START_MSEC 5000
#define FORMAT WL_SHM_FORMAT_XRGB8888

int desk_setup(void **state) {
	// Scaled pictures have the pixels that they had, for exact comparison.
	return desk_setup_with(state,
		&(struct session_options){
			.mullion_ini = "[desktop]\noutput = 1280x1024\nfilter = nearest\n"});
}

int desk_setup_with(void **state, const struct session_options *given) {
	static const char *const guests[] = {"work", NULL};
	struct session_options options = *given;
	if (options.guests == NULL) {
		options.guests = guests;
	}
	struct desk *desk = calloc(1, sizeof(*desk));
	*state = desk;
	if (desk == NULL || session_start(&desk->session, &options) < 0) {
		return -1;
	}
	desk->hand_in = desk->hand_out = -1;
	int fd = session_take_display(&desk->session, "work", START_MSEC);
	return fd >= 0 && peer_connect(&desk->peer, fd) ? 0 : -1;
}

static void stop_hand(struct desk *desk) {
	if (desk->hand > 0) {
		desk->hand_in = fd_close(desk->hand_in);
		desk->hand_out = fd_close(desk->hand_out);
		waitpid(desk->hand, NULL, 0);
		desk->hand = 0;
	}
}

int desk_teardown(void **state) {
	struct desk *desk = *state;
	stop_hand(desk);
	peer_finish(&desk->peer);
	session_run(&desk->session, 20);
	bool complaint = process_complained(&desk->session.process);
	if (complaint || !process_alive(&desk->session.process)) {
		char *log = process_log(&desk->session.process);
		print_error("--- the compositor's log\n%s---\n", log != NULL ? log : "");
		free(log);
	}
	int status = session_finish(&desk->session);
	free(desk);
	assert_false(complaint);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

void desk_sync(struct desk *desk) {
	assert_int_equal(peer_sync(&desk->peer), 0);
	session_run(&desk->session, 5);
	assert_int_equal(peer_sync(&desk->peer), 0);
}

struct peer_head *desk_show(
	struct desk *desk, unsigned number, int width, int height, uint32_t colour) {
	struct peer_head *head = &desk->peer.heads[number];
	if (head->desktop == NULL) {
		head = peer_make_head(&desk->peer, number);
	}
	wl_buffer_destroy(peer_fill(&desk->peer, head->surface, width, height, FORMAT, colour));
	desk_sync(desk);
	return head;
}

void desk_expect(struct desk *desk, const char *window, const char *key, int64_t value) {
	int64_t is = -2;
	for (int i = 0; i < 200 && (is = session_window(&desk->session, window, key)) != value;
		i++) {
		session_run(&desk->session, 10);
	}
	if (is != value) {
		fail_msg("%s: %s is %ld, not %ld", window, key, (long)is, (long)value);
	}
}

static void start_hand(struct desk *desk) {
	int in[2], out[2];
	char *path = process_find("tests/virtual-input");
	assert_non_null(path);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	desk->hand = fork();
	if (desk->hand == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		closefrom(3);
		setenv("XDG_RUNTIME_DIR", desk->session.folder, 1);
		setenv("WAYLAND_DISPLAY", desk->session.display, 1);
		execl(path, "virtual-input", NULL);
		_exit(127);
	}
	free(path);
	assert_true(desk->hand > 0);
	close(in[0]);
	close(out[1]);
	desk->hand_in = in[1];
	desk->hand_out = out[0];
}

static void command(struct desk *desk, const char *format, va_list args) {
	char line[200], answer[8];
	int length = vsnprintf(line, sizeof(line) - 1, format, args);
	assert_in_range(length, 1, sizeof(line) - 2);
	line[length++] = '\n';
	if (desk->hand == 0) {
		start_hand(desk);
	}
	assert_int_equal(write(desk->hand_in, line, (size_t)length), length);
	ssize_t n = read(desk->hand_out, answer, sizeof(answer));
	if (n != 3 || memcmp(answer, "ok\n", 3) != 0) {
		fail_msg("virtual-input has ended");
	}
}

void desk_do(struct desk *desk, const char *format, ...) {
	va_list args;
	va_start(args, format);
	command(desk, format, args);
	va_end(args);
	desk_sync(desk);
}

void desk_type(struct desk *desk, const char *format, ...) {
	va_list args;
	va_start(args, format);
	command(desk, format, args);
	va_end(args);
}

static uint32_t number_in(sd_json_variant *reply, const char *key) {
	return (uint32_t)sd_json_variant_unsigned(sd_json_variant_by_key(reply, key));
}

struct desk_picture desk_picture(struct desk *desk, const char *guest) {
	struct desk_picture picture;
	sd_json_variant *reply = NULL;
	sd_varlink_set_allow_fd_passing_input(desk->session.desktop, true);
	assert_int_equal(session_call(&desk->session, "Screenshot", guest != NULL ? "name" : NULL,
				 guest, &reply),
		0);
	picture.width = number_in(reply, "width");
	picture.height = number_in(reply, "height");
	size_t row = picture.width * sizeof(uint32_t), stride = number_in(reply, "stride");
	sd_json_variant_unref(reply);
	int fd = sd_varlink_take_fd(desk->session.desktop, 0);
	picture.pixels = malloc(row * picture.height);
	assert_non_null(picture.pixels);
	for (size_t y = 0; y < picture.height; y++) {
		assert_int_equal(
			pread(fd, (char *)picture.pixels + y * row, row, (off_t)(y * stride)), row);
	}
	close(fd);
	return picture;
}

struct desk_box desk_find(
	const struct desk_picture *picture, uint32_t colour, unsigned *ret_count) {
	int left = INT32_MAX, top = INT32_MAX, right = -1, bottom = -1;
	unsigned count = 0;
	for (int i = 0; i < (int)(picture->width * picture->height); i++) {
		if ((picture->pixels[i] & 0xffffff) != colour) {
			continue;
		}
		int x = i % (int)picture->width, y = i / (int)picture->width;
		left = x < left ? x : left;
		right = x > right ? x : right;
		top = y < top ? y : top;
		bottom = y > bottom ? y : bottom;
		count++;
	}
	if (ret_count != NULL) {
		*ret_count = count;
	}
	return count == 0 ? (struct desk_box){0}
			  : (struct desk_box){left, top, right - left + 1, bottom - top + 1};
}

void desk_lose_device(struct desk *desk) {
	peer_finish(&desk->peer);
	desk->peer = (struct peer){0};
	// As mulliond does: it tells that the guest is not shown.
	desk->session.guests[0].presented = 0;
	desk->session.watch = sd_varlink_close_unref(desk->session.watch);
}

void desk_take_device(struct desk *desk) {
	int fd = session_take_display(&desk->session, "work", START_MSEC);
	assert_true(fd >= 0 && peer_connect(&desk->peer, fd));
}
