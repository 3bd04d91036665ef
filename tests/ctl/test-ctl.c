/* mullionctl as a user runs it, against both interfaces served by this test. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <cairo.h>
#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>

#include "memfd.h"
#include "varlink-interfaces.h"

#define WIDTH 3
#define HEIGHT 2
#define STRIDE 16

static const char guest_json[] =
	"{\"name\":\"work\",\"number\":1,\"title\":\"W\xc3\xb6rk\",\"colour\":\"#3465a4\",\"state\":\"running\","
	"\"reason\":null,\"connected\":true,\"vmm\":\"qemu\",\"socket\":\"/run/x\",\"personality\":\"virtio-vga\",\"heads\":2,"
	"\"heapSize\":50331648,\"heapUsed\":6291456,\"resources\":3,"
	"\"accel\":\"tcg\",\"devicePid\":11,\"deviceRestarts\":3,\"vmmPid\":12,\"memory\":2147483648,\"sliceBase\":67108864,"
	"\"sliceLimit\":67108864,\"shown\":true,\"sandbox\":true,"
	"\"layers\":[\"gpu: seccomp\",\"gpu: own root\",\"vmm: seccomp\"]}";
static const char other_json[] =
	"{\"name\":\"dev\",\"number\":2,\"title\":\"x\\u001b[31m\",\"colour\":\"#4e9a06\",\"state\":\"off\","
	"\"connected\":false,\"vmm\":\"external\",\"personality\":\"bochs\",\"shown\":false,"
	"\"sandbox\":false}";

static char directory[] = "/tmp/test-ctl-XXXXXX";
static char output[65536];

/* The servers */

static int reply_text(sd_varlink *link, const char *text) {
	sd_json_variant *reply = NULL;
	if (sd_json_parse(text, 0, &reply, NULL, NULL) < 0) {
		abort();
	}
	int result = sd_varlink_reply(link, reply);
	sd_json_variant_unref(reply);
	return result;
}

static const char *name_in(sd_json_variant *parameters) {
	sd_json_variant *name = sd_json_variant_by_key(parameters, "name");
	return name == NULL ? "" : sd_json_variant_string(name);
}

static int serve_list(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	char text[2048];
	snprintf(text, sizeof(text), "{\"guests\":[%s,%s]}", guest_json, other_json);
	return reply_text(link, text);
}

static int serve_status(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	if (strcmp(name_in(parameters), "work") != 0) {
		return sd_varlink_errorbo(link, HOST_ERROR_NO_SUCH_GUEST,
			SD_JSON_BUILD_PAIR_STRING("name", name_in(parameters)));
	}
	char text[1024];
	snprintf(text, sizeof(text), "{\"guest\":%s}", guest_json);
	return reply_text(link, text);
}

static int serve_start(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	if (strcmp(name_in(parameters), "work") == 0) {
		return sd_varlink_reply(link, NULL);
	}
	return sd_varlink_errorbo(link, HOST_ERROR_REFUSED,
		SD_JSON_BUILD_PAIR_STRING("reason", "no such disk: \033[2J/x: give it"));
}

static int serve_table(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	return reply_text(link,
		"{\"rows\":[{\"guest\":\"work\",\"number\":1,\"pciAddress\":\"00:02.0\",\"segments\":["
		"{\"guestAddress\":4160749568,\"bar\":0,\"size\":67108864,\"machineAddress\":67108864},"
		"{\"guestAddress\":null,\"bar\":2,\"size\":4096,\"machineAddress\":null}],"
		"\"guestInterrupt\":\"intx\",\"guestVector\":11,\"machineBase\":67108864,"
		"\"machineLimit\":67108864,\"machineInterrupt\":\"eventfd\"}]}");
}

static int serve_vram(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	return reply_text(link,
		"{\"size\":268435456,\"free\":192937984,\"slices\":["
		"{\"guest\":\"work\",\"base\":67108864,\"limit\":67108864,\"aperture\":33554432},"
		"{\"guest\":\"dev\",\"base\":0,\"limit\":8388608,\"aperture\":8388608}]}");
}

static int serve_traps(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	static const char *const replies[] = {
		"{\"traps\":[{\"trap\":\"mode-set\",\"privileged\":true,\"count\":3},"
		"{\"trap\":\"dispi-read\",\"privileged\":false,\"count\":12045},"
		"{\"trap\":\"config-write\",\"privileged\":true,\"count\":7}],"
		"\"inputTraps\":[{\"trap\":\"flip\",\"privileged\":false,\"count\":0},"
		"{\"trap\":\"virtio-notify\",\"privileged\":false,\"count\":10}],"
		"\"time\":1000000,\"looks\":7,\"commits\":0,\"resets\":1}",
		"{\"traps\":[{\"trap\":\"mode-set\",\"privileged\":true,\"count\":5},"
		"{\"trap\":\"dispi-read\",\"privileged\":false,\"count\":12345},"
		"{\"trap\":\"config-write\",\"privileged\":true,\"count\":7}],"
		"\"inputTraps\":[{\"trap\":\"flip\",\"privileged\":false,\"count\":0},"
		"{\"trap\":\"virtio-notify\",\"privileged\":false,\"count\":20}],"
		"\"time\":3000000,\"looks\":7,\"commits\":120,\"resets\":1}",
	};
	static unsigned looks;
	return reply_text(link, replies[looks++ % 2]);
}

static int serve_shutdown(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	sd_varlink_close(link); // dies in the middle of it
	return 0;
}

static int serve_windows(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	return reply_text(link,
		"{\"windows\":[{\"guest\":\"work\",\"head\":2,\"x\":-20,\"y\":40,\"width\":1024,\"height\":768,"
		"\"modeWidth\":0,\"modeHeight\":0,\"stack\":0,\"focused\":true,\"fullscreen\":false,\"frames\":9,\"direct\":4}]}");
}

/* By the name: "work" a good picture, others each wrong in their own way. */
static int serve_screenshot(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	const char *name = name_in(parameters);
	uint64_t width = WIDTH, height = HEIGHT;
	int fd = memfd_create_sealed("picture", 4096);
	uint32_t pixels[HEIGHT * STRIDE / 4] = {
		0x00ff0000, 0x0000ff00, 0x000000ff, 0, 0x80123456, 0, 0xffffffff};
	if (pwrite(fd, pixels, sizeof(pixels), 0) != sizeof(pixels)) {
		abort();
	}
	if (strcmp(name, "huge") == 0) {
		height = 300;
	} else if (strcmp(name, "overflow") == 0) {
		width = UINT64_C(0x4000000000000001);
	} else if (strcmp(name, "unsealed") == 0) {
		close(fd);
		fd = memfd_create("picture", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, 4096), 0);
	}
	if (strcmp(name, "nothing") == 0) {
		close(fd);
	} else if (sd_varlink_push_fd(link, fd) < 0) {
		abort();
	}
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_UNSIGNED("width", width),
		SD_JSON_BUILD_PAIR_UNSIGNED("height", height),
		SD_JSON_BUILD_PAIR_UNSIGNED("stride", STRIDE));
}

/* Answers with its parameters in an error's words, so that the test sees them. */
static int serve_echo(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	char *text = NULL;
	if (sd_json_variant_format(parameters, 0, &text) < 0) {
		abort();
	}
	int result = sd_varlink_errorbo(
		link, DESKTOP_ERROR_REFUSED, SD_JSON_BUILD_PAIR_STRING("reason", text));
	free(text);
	return result;
}

static int allow_descriptors(sd_varlink_server *server, sd_varlink *link, void *data) {
	return sd_varlink_set_allow_fd_passing_output(link, true);
}

static sd_varlink_server *new_server(sd_event *event, const char *interface) {
	sd_varlink_server *server;
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, interface);
	if (sd_varlink_server_new(&server, SD_VARLINK_SERVER_MYSELF_ONLY) < 0 ||
		sd_varlink_server_bind_connect(server, allow_descriptors) < 0 ||
		sd_varlink_server_listen_address(server, path, 0600) < 0 ||
		sd_varlink_server_attach_event(server, event, 0) < 0) {
		abort();
	}
	return server;
}

static void serve(int ready) {
	sd_event *event;
	if (sd_event_new(&event) < 0) {
		abort();
	}
	sd_varlink_server *host = new_server(event, HOST_INTERFACE);
	sd_varlink_server *desktop = new_server(event, DESKTOP_INTERFACE);
	if (sd_varlink_server_add_interface(host, &vl_interface_host) < 0 ||
		sd_varlink_server_add_interface(desktop, &vl_interface_desktop) < 0 ||
		sd_varlink_server_bind_method_many(host, "io.mullion.Host.List", serve_list,
			"io.mullion.Host.Status", serve_status, "io.mullion.Host.Start",
			serve_start, "io.mullion.Host.Table", serve_table, "io.mullion.Host.Vram",
			serve_vram, "io.mullion.Host.Traps", serve_traps,
			"io.mullion.Host.Shutdown", serve_shutdown) < 0 ||
		sd_varlink_server_bind_method_many(desktop, "io.mullion.Desktop.Windows",
			serve_windows, "io.mullion.Desktop.Screenshot", serve_screenshot,
			"io.mullion.Desktop.Focus", serve_echo, "io.mullion.Desktop.Fullscreen",
			serve_echo, "io.mullion.Desktop.Move", serve_echo,
			"io.mullion.Desktop.Resize", serve_echo) < 0) {
		abort();
	}
	close(ready);
	sd_event_loop(event);
	_exit(0);
}

/* Starts the servers in a process of their own; returns when they listen. */
static int start_servers(void **state) {
	int ready[2];
	char byte;
	if (mkdtemp(directory) == NULL || pipe2(ready, O_CLOEXEC) < 0) {
		return -1;
	}
	setenv("MULLION_RUNTIME_DIR", directory, 1);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(ready[0]);
		serve(ready[1]);
	}
	close(ready[1]);
	bool ok = pid > 0 && read(ready[0], &byte, 1) == 0;
	close(ready[0]);
	*state = (void *)(intptr_t)pid;
	return ok ? 0 : -1;
}

static int stop_servers(void **state) {
	kill((pid_t)(intptr_t)*state, SIGKILL);
	waitpid((pid_t)(intptr_t)*state, NULL, 0);
	char command[64];
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	FILE *pipe = popen(command, "re");
	return pipe != NULL ? pclose(pipe) : -1;
}

/* Running mullionctl */

/* Runs with a shell's words; both outputs go to `output`. Returns the exit status. */
static int ctl(const char *words) {
	char command[1024];
	snprintf(command, sizeof(command), "timeout 30 \"$MULLIONCTL\" %s 2>&1", words);
	FILE *pipe = popen(command, "re");
	assert_non_null(pipe);
	size_t length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	int status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const char *words, int status, const char *text) {
	int result = ctl(words);
	assert_string_equal(output, text);
	assert_int_equal(result, status);
}

static void list_is_aligned_and_printable(void **state) {
	expect("list", 0,
		"NAME  NUMBER  STATE    VMM       ACCEL  MEMORY  VRAM                    SANDBOX  TITLE\n"
		"work       1  running  qemu      tcg        2G  0x04000000..0x07ffffff  on       W\xc3\xb6rk\n"
		"dev        2  off      external  -           -  -                       OFF      x?[31m\n");
}

static void json_is_the_reply(void **state) {
	assert_int_equal(ctl("--json status work"), 0);
	sd_json_variant *reply = NULL;
	assert_true(sd_json_parse(output, 0, &reply, NULL, NULL) >= 0);
	sd_json_variant *guest = sd_json_variant_by_key(reply, "guest");
	assert_non_null(guest);
	assert_int_equal(
		sd_json_variant_unsigned(sd_json_variant_by_key(guest, "sliceBase")), 67108864);
	sd_json_variant_unref(reply);
	assert_int_equal(ctl("windows -j"), 0);
	assert_int_equal(output[0], '{');
}

static void status_shows_all_of_a_guest(void **state) {
	expect("status work", 0,
		"Name:           work\n"
		"Title:          W\xc3\xb6rk\n"
		"Number:         1\n"
		"Colour:         #3465a4\n"
		"State:          running\n"
		"VMM:            qemu\n"
		"VMM's process:  12\n"
		"Accelerator:    tcg\n"
		"Memory:         2G\n"
		"GPU:            virtio-vga\n"
		"GPU's heads:    2\n"
		"GPU's process:  11\n"
		"GPU restarts:   3\n"
		"GPU's socket:   /run/x\n"
		"VMM connected:  yes\n"
		"VRAM slice:     0x04000000..0x07ffffff\n"
		"VRAM size:      64M\n"
		"VRAM heap:      6M of 48M, by 3 resources\n"
		"Shown:          yes\n"
		"Sandbox:        on\n"
		"GPU's layers:   seccomp, own root\n"
		"VMM's layers:   seccomp\n");
}

static void unknown_guest_is_one_line(void **state) {
	expect("status nobody", 1, "mullionctl: there is no guest 'nobody'\n");
}

static void refusal_is_the_reason_made_printable(void **state) {
	expect("start work", 0, "");
	expect("start other", 1, "mullionctl: no such disk: ?[2J/x: give it\n");
}

static void table_shows_segments(void **state) {
	expect("table", 0,
		"GUEST  NUMBER  PCI      BAR  SIZE  GUEST SEGMENT           MACHINE SEGMENT         GUEST INTERRUPT  MACHINE INTERRUPT\n"
		"work        1  00:02.0    0   64M  0xf8000000..0xfbffffff  0x04000000..0x07ffffff  intx 11          eventfd\n"
		"work        1  00:02.0    2    4K  -                       traps                   intx 11          eventfd\n");
}

static void vram_is_a_map_with_its_gaps(void **state) {
	expect("vram", 0,
		"GUEST   ADDRESSES               SIZE  APERTURE\n"
		"dev     0x00000000..0x007fffff    8M        8M\n"
		"(free)  0x00800000..0x03ffffff   56M         -\n"
		"work    0x04000000..0x07ffffff   64M       32M\n"
		"(free)  0x08000000..0x0fffffff  128M         -\n"
		"\n"
		"pool 256M, free 184M\n");
}

static void traps_are_counted_apart_with_their_rates(void **state) {
	expect("traps work", 0,
		"PRIVILEGED    COUNT  A SECOND\n"
		"mode-set          5       1.0\n"
		"config-write      7         0\n"
		"together         12       1.0\n"
		"\n"
		"UNPRIVILEGED  COUNT  A SECOND\n"
		"dispi-read    12345       150\n"
		"together      12345       150\n"
		"\n"
		"INPUT          COUNT  A SECOND\n"
		"virtio-notify     20       5.0\n"
		"\n"
		"looks 7 (0 a second), commits 120 (60 a second), resets 1\n");
}

static void windows_are_listed(void **state) {
	expect("windows", 0,
		"GUEST  HEAD    X   Y  SIZE      MODE  STACK  FOCUSED  FULL SCREEN  FRAMES  DIRECT\n"
		"work      2  -20  40  1024x768  -         0  yes      no                9       4\n");
}

static void arguments_arrive_at_the_compositor(void **state) {
	expect("focus work", 1, "mullionctl: {\"name\":\"work\"}\n");
	expect("fullscreen work", 1, "mullionctl: {\"name\":\"work\"}\n");
	expect("fullscreen off", 1, "mullionctl: {}\n");
	expect("move work -5 20", 1, "mullionctl: {\"name\":\"work\",\"x\":-5,\"y\":20}\n");
	expect("resize work 640x480", 1,
		"mullionctl: {\"name\":\"work\",\"width\":640,\"height\":480}\n");
	expect("resize work 640 480", 1,
		"mullionctl: {\"name\":\"work\",\"width\":640,\"height\":480}\n");
	expect("focus work:16", 1, "mullionctl: {\"name\":\"work\",\"head\":16}\n");
	expect("resize work:2 640x480", 1,
		"mullionctl: {\"name\":\"work\",\"head\":2,\"width\":640,\"height\":480}\n");
}

static void wrong_command_lines_have_status_2(void **state) {
	expect("nonsense", 2,
		"mullionctl: there is no command 'nonsense'; see mullionctl --help\n");
	expect("list --nonsense", 2,
		"mullionctl: there is no option '--nonsense'; see mullionctl --help\n");
	expect("status", 2, "mullionctl: usage: mullionctl status NAME\n");
	expect("list work", 2, "mullionctl: usage: mullionctl list\n");
	expect("move work 1 2x", 2, "mullionctl: '2x' is no number from -65536 to 65536\n");
	expect("move work 1 ''", 2, "mullionctl: '' is no number from -65536 to 65536\n");
	expect("focus work:17", 2, "mullionctl: '17' is no number from 1 to 16\n");
	expect("focus work:", 2, "mullionctl: '' is no number from 1 to 16\n");
	expect("resize work 640", 2, "mullionctl: '640' is no size such as 1024x768\n");
	expect("resize work 640x", 2, "mullionctl: '' is no number from 1 to 65536\n");
	expect("resize work 640x480x1", 2, "mullionctl: '480x1' is no number from 1 to 65536\n");
	expect("resize work 0 5", 2, "mullionctl: '0' is no number from 1 to 65536\n");
	expect("resize work 99999999999999999999 5", 2,
		"mullionctl: '99999999999999999999' is no number from 1 to 65536\n");
	assert_int_equal(ctl(""), 2);
}

static void name_that_is_no_utf8_is_refused(void **state) {
	assert_int_equal(ctl("status \"$(printf '\\377')\""), 1);
	assert_non_null(strstr(output, "is no guest's name"));
}

static uint32_t pixel(cairo_surface_t *surface, int x, int y) {
	const unsigned char *row =
		cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface);
	uint32_t value;
	memcpy(&value, row + x * 4, sizeof(value));
	return value;
}

static void screenshot_is_an_opaque_png(void **state) {
	char words[128], path[64];
	snprintf(path, sizeof(path), "%s/shot.png", directory);
	snprintf(words, sizeof(words), "screenshot work %s", path);
	expect(words, 0, "");
	cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
	assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
	assert_int_equal(cairo_image_surface_get_format(surface), CAIRO_FORMAT_RGB24);
	assert_int_equal(cairo_image_surface_get_width(surface), WIDTH);
	assert_int_equal(cairo_image_surface_get_height(surface), HEIGHT);
	assert_int_equal(pixel(surface, 0, 0) & 0xffffff, 0xff0000);
	assert_int_equal(pixel(surface, 2, 0) & 0xffffff, 0x0000ff);
	assert_int_equal(pixel(surface, 0, 1) & 0xffffff, 0x123456);
	assert_int_equal(pixel(surface, 2, 1) & 0xffffff, 0xffffff);
	cairo_surface_destroy(surface);
	snprintf(words, sizeof(words), "--json screenshot %s", path);
	expect(words, 0, "{\"width\":3,\"height\":2,\"stride\":16}\n");
}

static void wrong_pictures_are_refused(void **state) {
	static const struct {
		const char *name, *message;
	} wrong[] = {
		{"huge", "mullion sent a picture that is not as large as it says, or not sealed"},
		{"unsealed",
			"mullion sent a picture that is not as large as it says, or not sealed"},
		{"overflow", "mullion sent a picture of an impossible size"},
		{"nothing", "mullion sent no picture"},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char words[128], message[256], path[64];
		snprintf(path, sizeof(path), "%s/wrong.png", directory);
		snprintf(words, sizeof(words), "screenshot %s %s", wrong[i].name, path);
		snprintf(message, sizeof(message), "mullionctl: %s: %s\n", path, wrong[i].message);
		expect(words, 1, message);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void screenshot_leaves_nothing_where_it_cannot_write(void **state) {
	expect("screenshot /nonexistent/shot.png", 1,
		"mullionctl: /nonexistent/shot.png: No such file or directory\n");
	// A directory cannot be replaced by a file.
	char words[128], message[128], beside[64];
	glob_t found;
	snprintf(words, sizeof(words), "screenshot %s", directory);
	snprintf(message, sizeof(message), "mullionctl: %s: Is a directory\n", directory);
	expect(words, 1, message);
	snprintf(beside, sizeof(beside), "%s.*", directory);
	assert_int_equal(glob(beside, 0, NULL, &found), GLOB_NOMATCH);
}

static void full_output_is_a_failure(void **state) {
	expect("list 3>&1 >/dev/full 2>&3; exit $?", 1,
		"mullionctl: cannot write: the output is full or closed\n");
}

static void daemon_that_dies_is_one_line(void **state) {
	expect("shutdown", 1,
		"mullionctl: mulliond has gone while it was asked: Connection reset by peer\n");
}

static void dead_daemons_are_one_line(void **state) {
	char host[256], desktop[256];
	snprintf(host, sizeof(host),
		"mullionctl: mulliond is not running: %s/" HOST_INTERFACE
		": No such file or directory; start mullion, or: systemctl --user start mulliond\n",
		directory);
	snprintf(desktop, sizeof(desktop),
		"mullionctl: mullion, the compositor, is not running: %s/" DESKTOP_INTERFACE
		": No such file or directory; start mullion\n",
		directory);
	char sockets[2][128];
	snprintf(sockets[0], sizeof(sockets[0]), "%s/" HOST_INTERFACE, directory);
	snprintf(sockets[1], sizeof(sockets[1]), "%s/" DESKTOP_INTERFACE, directory);
	unlink(sockets[0]);
	unlink(sockets[1]);
	expect("list", 1, host);
	expect("windows", 1, desktop);
	expect("screenshot x.png", 1, desktop);
}

static void no_runtime_directory_is_one_line(void **state) {
	unsetenv("MULLION_RUNTIME_DIR");
	unsetenv("XDG_RUNTIME_DIR");
	expect("list", 1,
		"mullionctl: there is no runtime directory: XDG_RUNTIME_DIR is not set\n");
	setenv("MULLION_RUNTIME_DIR", directory, 1);
}

static void check_reports_files(void **state) {
	char path[64], words[160], message[512];
	snprintf(path, sizeof(path), "%s/guest.ini", directory);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs("[gpu]\nvram = 64\n", file);
	fclose(file);
	chmod(path, 0600);
	snprintf(words, sizeof(words), "check %s", path);
	snprintf(message, sizeof(message),
		"%s:2: [gpu] vram: '64' is too small, allowed: 1M to 1T, a multiple of 4K\n", path);
	expect(words, 1, message);
	snprintf(words, sizeof(words), "--json check %s", path);
	assert_int_equal(ctl(words), 1);
	assert_non_null(strstr(output, "{\"errors\":[\""));
	snprintf(words, sizeof(words), "check %s/missing.ini", directory);
	snprintf(message, sizeof(message),
		"%s/missing.ini: cannot be opened: No such file or directory\n", directory);
	expect(words, 1, message);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_is_aligned_and_printable),
		cmocka_unit_test(json_is_the_reply),
		cmocka_unit_test(status_shows_all_of_a_guest),
		cmocka_unit_test(unknown_guest_is_one_line),
		cmocka_unit_test(refusal_is_the_reason_made_printable),
		cmocka_unit_test(table_shows_segments),
		cmocka_unit_test(vram_is_a_map_with_its_gaps),
		cmocka_unit_test(traps_are_counted_apart_with_their_rates),
		cmocka_unit_test(windows_are_listed),
		cmocka_unit_test(arguments_arrive_at_the_compositor),
		cmocka_unit_test(wrong_command_lines_have_status_2),
		cmocka_unit_test(name_that_is_no_utf8_is_refused),
		cmocka_unit_test(screenshot_is_an_opaque_png),
		cmocka_unit_test(wrong_pictures_are_refused),
		cmocka_unit_test(screenshot_leaves_nothing_where_it_cannot_write),
		cmocka_unit_test(full_output_is_a_failure),
		cmocka_unit_test(daemon_that_dies_is_one_line),
		cmocka_unit_test(dead_daemons_are_one_line),
		cmocka_unit_test(no_runtime_directory_is_one_line),
		cmocka_unit_test(check_reports_files),
	};
	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
