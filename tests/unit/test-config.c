#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A configuration directory of its own, and what its loading says. */
struct fixture {
	char directory[64];
	char messages[16384]; // each ended by a newline, without the directory's name
	struct config config;
};

static struct fixture fixture;

static void collect(void *data, const char *message) {
	size_t used = strlen(fixture.messages), prefix = strlen(fixture.directory);
	if (strncmp(message, fixture.directory, prefix) == 0 && message[prefix] == '/') {
		message += prefix + 1;
	}
	snprintf(fixture.messages + used, sizeof(fixture.messages) - used, "%s\n", message);
}

static void write_bytes(const char *name, const char *bytes, size_t size) {
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", fixture.directory, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void write_file(const char *name, const char *text) {
	write_bytes(name, text, strlen(text));
}

static bool load(void) {
	config_finish(&fixture.config);
	fixture.messages[0] = '\0';
	return config_load(&fixture.config, collect, NULL);
}

static void expect_loads(void) {
	bool ok = load();
	assert_string_equal(fixture.messages, "");
	assert_true(ok);
}

static void expect_refused(const char *messages) {
	assert_false(load());
	assert_string_equal(fixture.messages, messages);
	assert_null(fixture.config.guests); // nothing half-applied
}

static int set_up(void **state) {
	fixture = (struct fixture){.directory = "/tmp/test-config-XXXXXX"};
	char guests[80];
	if (mkdtemp(fixture.directory) == NULL) {
		return -1;
	}
	snprintf(guests, sizeof(guests), "%s/guests", fixture.directory);
	setenv("MULLION_CONFIG_DIR", fixture.directory, 1);
	return mkdir(guests, 0700);
}

static int tear_down(void **state) {
	config_finish(&fixture.config);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture.directory);
	return system(command);
}

static void no_file_means_defaults(void **state) {
	expect_loads();
	assert_int_equal(fixture.config.host.vram, 1 << 30);
	assert_int_equal(fixture.config.guests_len, 0);
	assert_int_equal(fixture.config.host.key_vt[11].keysym, 0xffc9); // F12
	assert_int_equal(fixture.config.host.key_guest[8].keysym, '9');
	assert_int_equal(fixture.config.host.key_fullscreen.keysym, 'f');
	assert_int_equal(fixture.config.host.key_fullscreen.modifiers, CONFIG_MOD_SUPER);
}

static void a_guest_gets_what_its_file_says(void **state) {
	write_file("guests/work.ini",
		"[guest]\ntitle = Wörk\ncolour=#ff0080\nautostart = yes\nstop-timeout = 250ms\n"
		"[gpu]\nvram = 32M\naperture = 16M\nmode = 1280x800\nrefresh = 59.94Hz\n"
		"[machine]\nmemory = 512M\ncpus = 3\naccel = tcg\nfirmware = bios\n"
		"disk = disk.img\nkernel = /boot/vmlinuz\nappend = console=ttyS0 a=b\nnetwork=none\n");
	expect_loads();
	struct config_guest *guest = config_find_guest(&fixture.config, "work");
	assert_non_null(guest);
	assert_string_equal(guest->title, "Wörk");
	assert_int_equal(guest->number, 1);
	assert_int_equal(guest->colour.red, 0xff);
	assert_int_equal(guest->colour.blue, 0x80);
	assert_true(guest->autostart);
	assert_int_equal(guest->stop_timeout, 250000);
	assert_int_equal(guest->vram, 32 << 20);
	assert_int_equal(guest->aperture, 16 << 20);
	assert_int_equal(guest->width, 1280);
	assert_int_equal(guest->height, 800);
	assert_int_equal(guest->refresh, 59940);
	assert_int_equal(guest->memory, 512 << 20);
	assert_int_equal(guest->cpus, 3);
	assert_int_equal(guest->accel, CONFIG_ACCEL_TCG);
	assert_int_equal(guest->firmware, CONFIG_FIRMWARE_BIOS);
	assert_int_equal(guest->network, CONFIG_NETWORK_NONE);
	assert_string_equal(guest->append, "console=ttyS0 a=b");
	char disk[128];
	snprintf(disk, sizeof(disk), "%s/guests/disk.img", fixture.directory);
	assert_string_equal(guest->disk, disk);
	assert_string_equal(guest->kernel, "/boot/vmlinuz");
}

static void every_error_is_reported_with_its_line(void **state) {
	write_file("mullion.ini", "[mullion]\nvram = 2X\nvrma = 1G\n\n[kyes]\nnext = none\n");
	write_file("guests/a.ini", "[gpu]\nvram = 1M\nmode = 1024x768\nvram = 2M\n");
	expect_refused(
		"mullion.ini:2: [mullion] vram: '2X' is no size, allowed: 4M to 16T, a multiple of 4K\n"
		"mullion.ini:3: [mullion] vrma: no such key, did you mean vram? allowed: vram, log-level\n"
		"mullion.ini:5: [kyes]: no such section, did you mean [keys]? allowed: [mullion], [desktop], [keyboard], [keys]\n"
		"guests/a.ini:4: [gpu] vram: given twice, allowed: once; the first is in line 2\n");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_means_defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_gets_what_its_file_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			every_error_is_reported_with_its_line, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
