#include "config-keys.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <xkbcommon/xkbcommon.h>

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

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
	return remove(path);
}

static int tear_down(void **state) {
	config_finish(&fixture.config);
	return nftw(fixture.directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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
		"[gpu]\nvram = 32M\naperture = 16M\nsize = 1280x800\nrefresh = 59.94Hz\n"
		"personality = virtio-gpu\nheads = 2\nhidden-refresh = 0.5Hz\n"
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
	assert_false(guest->follow);
	assert_int_equal(guest->refresh, 59940);
	assert_int_equal(guest->personality, CONFIG_PERSONALITY_VIRTIO_GPU);
	assert_int_equal(guest->heads, 2);
	assert_int_equal(guest->hidden_refresh, 500);
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
	write_file("guests/a.ini", "[gpu]\nvram = 1M\nsize = 1024x768\nvram = 2M\n");
	expect_refused(
		"mullion.ini:2: [mullion] vram: '2X' is no size, allowed: 4M to 16T, a multiple of 4K\n"
		"mullion.ini:3: [mullion] vrma: no such key, did you mean vram? allowed: vram, log-level\n"
		"mullion.ini:5: [kyes]: no such section, did you mean [keys]? allowed: [mullion], [desktop], [keyboard], [keys], [output NAME]\n"
		"guests/a.ini:4: [gpu] vram: given twice, allowed: once; the first is in line 2\n");
}

/* One value of one key. expected is what comes of it, or, after '!', what is wrong. */
struct value_case {
	const char *section, *key, *value, *expected;
};

#define H "a longer text than 128 bytes, "
static const struct value_case host_values[] = {
	{"mullion", "vram", "4M", "4194304"},
	{"mullion", "vram", "4096K", "4194304"},
	{"mullion", "vram", "16T", "17592186044416"},
	{"mullion", "vram", "1073741824", "1073741824"},
	{"mullion", "vram", "3M", "!is too small"},
	{"mullion", "vram", "17T", "!is too large"},
	{"mullion", "vram", "0", "!is too small"},
	{"mullion", "vram", "-1", "!is no size"},
	{"mullion", "vram", "+1G", "!is no size"},
	{"mullion", "vram", "", "!is no size"},
	{"mullion", "vram", "1.5G", "!is no size"},
	{"mullion", "vram", "1g", "!is no size"},
	{"mullion", "vram", "1GB", "!is no size"},
	{"mullion", "vram", "1 G", "!is no size"},
	{"mullion", "vram", "0x100000", "!is no size"},
	{"mullion", "vram", "4194305", "!is no multiple of 4K"},
	{"mullion", "vram", "99999999999999999999999", "!is no size"},
	{"mullion", "vram", "18446744073709551615", "!is too large"},
	{"mullion", "vram", "18446744073709551616", "!is no size"},
	{"mullion", "vram", "99999999999T", "!is no size"},
	{"mullion", "log-level", "error", "error"},
	{"mullion", "log-level", "debug", "debug"},
	{"mullion", "log-level", "Debug", "!is no choice"},
	{"mullion", "log-level", "", "!is no choice"},
	{"desktop", "background", "#000000", "#000000"},
	{"desktop", "background", "#AbCdEf", "#abcdef"},
	{"desktop", "background", "abcdef", "!is no colour"},
	{"desktop", "background", "#abcde", "!is no colour"},
	{"desktop", "background", "#abcdef0", "!is no colour"},
	{"desktop", "background", "#abcdeg", "!is no colour"},
	{"desktop", "background", "auto", "!is no colour"},
	{"desktop", "font", "Sans Bold 12", "Sans Bold 12"},
	{"desktop", "font", "", "!is too short"},
	{"desktop", "font", H H H H H, "!is too long"},
	{"desktop", "border", "1", "1"},
	{"desktop", "border", "64", "64"},
	{"desktop", "border", "65", "!is too large"},
	{"desktop", "border", "0", "!is too small"},
	{"desktop", "border", "4px", "!is no number"},
	{"desktop", "border", "-4", "!is no number"},
	{"desktop", "border", "4294967300", "!is too large"},
	{"desktop", "border", "99999999999999999999999", "!is too large"},
	{"desktop", "filter", "bilinear", "0"},
	{"desktop", "filter", "nearest", "1"},
	{"desktop", "filter", "none", "!is no choice"},
	{"desktop", "terminal", "", ""},
	{"desktop", "terminal", "foot -e 'a;b'", "foot -e 'a;b'"},
	{"desktop", "output", "1920x1080", "1920x1080"},
	{"desktop", "output", "auto", "0x0"},
	{"desktop", "output", "0x0", "!is too small"},
	{"desktop", "output", "1920", "!is no width and height"},
	{"desktop", "output", "1920x", "!is no width and height"},
	{"desktop", "output", "1920x1080x2", "!is no width and height"},
	{"desktop", "output", "1920 x 1080", "!is no width and height"},
	{"desktop", "output", "-1x-1", "!is no width and height"},
	{"desktop", "output", "1920x16385", "!is too large"},
	{"desktop", "output", "4294967360x64", "!is no width and height"},
	{"keyboard", "layout", "de", "de"},
	{"keyboard", "variant", "intl", "intl"},
	{"keyboard", "options", "compose:ralt", "compose:ralt"},
	{"keyboard", "layout", H H H H H, "!is too long"},
	{"keyboard", "variant", H H H H H, "!is too long"},
	{"keyboard", "options", H H H H H H H H H, "!is too long"},
	{"keyboard", "repeat-rate", "0", "0"},
	{"keyboard", "repeat-rate", "200", "200"},
	{"keyboard", "repeat-rate", "201", "!is too large"},
	{"keyboard", "repeat-delay", "50", "50"},
	{"keyboard", "repeat-delay", "49", "!is too small"},
	{"keys", "fullscreen", "Super+F", "64+f"},
	{"keys", "fullscreen", "super+shift+f", "65+f"},
	{"keys", "fullscreen", "F11", "0+F11"},
	{"keys", "fullscreen", "none", "0+NoSymbol"},
	{"keys", "fullscreen", "Super+plus", "64+plus"},
	{"keys", "fullscreen", "F", "!is no key combination"},
	{"keys", "fullscreen", "Shift+F", "!is no key combination"},
	{"keys", "fullscreen", "Super", "!is no key combination"},
	{"keys", "fullscreen", "Super+", "!is no key combination"},
	{"keys", "fullscreen", "Super++", "!is no key combination"},
	{"keys", "fullscreen", "Super + F", "!is no key combination"},
	{"keys", "fullscreen", "Super+Super+F", "!is no key combination"},
	{"keys", "fullscreen", "Hyper+F", "!is no key combination"},
	{"keys", "fullscreen", "Super+Shift_L", "!is no key combination"},
	{"keys", "fullscreen", "", "!is no key combination"},
	{"keys", "next", "Alt+Tab", "8+Tab"},
	{"keys", "next", "Alt+Tabulator", "!is no key combination"},
	{"keys", "leave", "Ctrl+Alt+Delete", "12+Delete"},
	{"keys", "leave", "Ctrl-Alt-Delete", "!is no key combination"},
	{"keys", "terminal", "Super+T", "64+t"},
	{"keys", "terminal", "T", "!is no key combination"},
	{"keys", "close", "Super+W", "64+w"},
	{"keys", "close", "W", "!is no key combination"},
	{"keys", "grab", "Super+Escape", "64+Escape"},
	{"keys", "grab", "Escape+Super", "!is no key combination"},
	{"keys", "guest-1", "Super+F1", "64+F1"},
	{"keys", "guest-9", "none", "0+NoSymbol"},
	{"keys", "guest-9", "9", "!is no key combination"},
	{"keys", "vt-12", "Super+Alt+F12", "72+F12"},
	{"keys", "vt-12", "Super+Alt+F99", "!is no key combination"},
	{"keys", "drag", "Alt", "8"},
	{"keys", "drag", "Ctrl+Alt", "12"},
	{"keys", "drag", "", "!is no modifier"},
	{"keys", "drag", "Alt+", "!is no modifier"},
	{"keys", "drag", "Super+F", "!is no modifier"},
	{"keys", "drag", "Alt+Alt", "!is no modifier"},
	{"output NAME", "size", "2560x1440", "2560x1440"},
	{"output NAME", "size", "auto", "0x0"},
	{"output NAME", "size", "2560", "!is no width and height"},
	{"output NAME", "size", "2560x0", "!is too small"},
	{"output NAME", "refresh", "59.94Hz", "59940"},
	{"output NAME", "refresh", "auto", "0"},
	{"output NAME", "refresh", "60", "!is no frequency"},
	{"output NAME", "refresh", "501Hz", "!is too large"},
	{"output NAME", "scale", "1", "120"},
	{"output NAME", "scale", "1.5", "180"},
	{"output NAME", "scale", "1.333", "160"},
	{"output NAME", "scale", "0.5", "60"},
	{"output NAME", "scale", "8.000", "960"},
	{"output NAME", "scale", "0.49", "!is too small"},
	{"output NAME", "scale", "8.01", "!is too large"},
	{"output NAME", "scale", "1.3333", "!is no factor"},
	{"output NAME", "scale", "2x", "!is no factor"},
	{"output NAME", "scale", ".5", "!is no factor"},
	{0},
};

static const struct value_case guest_values[] = {
	{"guest", "title", "My work", "My work"},
	{"guest", "title", "\xe4\xbd\x9c\xe6\xa5\xad", "\xe4\xbd\x9c\xe6\xa5\xad"},
	{"guest", "title", H H H, "!is too long"},
	{"guest", "colour", "#010203", "#010203"},
	{"guest", "colour", "#000000", "#000000"},
	{"guest", "colour", "auto", "#3465a4"},
	{"guest", "colour", "red", "!is no colour"},
	{"guest", "autostart", "yes", "yes"},
	{"guest", "autostart", "off", "no"},
	{"guest", "autostart", "True", "yes"},
	{"guest", "autostart", "1", "!is neither"},
	{"guest", "autostart", "", "!is neither"},
	{"guest", "restart", "never", "0"},
	{"guest", "restart", "on-failure", "1"},
	{"guest", "restart", "always", "2"},
	{"guest", "restart", "sometimes", "!is no choice"},
	{"guest", "sandbox", "on", "yes"},
	{"guest", "sandbox", "off", "no"},
	{"guest", "sandbox", "weak", "!is neither"},
	{"guest", "stop-timeout", "250ms", "250000"},
	{"guest", "stop-timeout", "100000us", "100000"},
	{"guest", "stop-timeout", "60min", "3600000000"},
	{"guest", "stop-timeout", "61min", "!is too large"},
	{"guest", "stop-timeout", "0s", "!is too small"},
	{"guest", "stop-timeout", "30", "!is no time"},
	{"guest", "stop-timeout", "30 s", "!is no time"},
	{"guest", "stop-timeout", "-1s", "!is no time"},
	{"guest", "stop-timeout", "1h", "!is no time"},
	{"guest", "stop-timeout", "999999999999999999min", "!is no time"},
	{"gpu", "personality", "virtio-vga", "0"},
	{"gpu", "personality", "virtio-gpu", "1"},
	{"gpu", "personality", "bochs", "2"},
	{"gpu", "personality", "vga", "!is no choice"},
	{"gpu", "vram", "16M", "16777216"},
	{"gpu", "vram", "1000K", "!is too small"},
	{"gpu", "vram", "8389000", "!is no multiple of 4K"},
	{"gpu", "vram", "2T", "!is too large"},
	{"gpu", "vram", "auto", "!is no size"},
	{"gpu", "aperture", "16M", "16777216"},
	{"gpu", "aperture", "auto", "16777216"},
	{"gpu", "aperture", "512M", "!is too large"},
	{"gpu", "aperture", "0", "!is too small"},
	{"gpu", "heads", "1", "1"},
	{"gpu", "heads", "0", "!is too small"},
	{"gpu", "heads", "17", "!is too large"},
	{"gpu", "heads", "two", "!is no number"},
	{"gpu", "size", "follow", "1024x768"},
	{"gpu", "size", "64x64", "64x64"},
	{"gpu", "size", "1280x1024", "1280x1024"},
	{"gpu", "size", "63x64", "!is too small"},
	{"gpu", "size", "64x16385", "!is too large"},
	{"gpu", "size", "800*600", "!is no width and height"},
	{"gpu", "size", "auto", "!is no width and height"},
	{"gpu", "refresh", "60Hz", "60000"},
	{"gpu", "refresh", "59.94Hz", "59940"},
	{"gpu", "refresh", "59.9405Hz", "!is no frequency"},
	{"gpu", "refresh", "60", "!is no frequency"},
	{"gpu", "refresh", "60hz", "!is no frequency"},
	{"gpu", "refresh", "60.Hz", "!is no frequency"},
	{"gpu", "refresh", ".5Hz", "!is no frequency"},
	{"gpu", "refresh", "0Hz", "!is too small"},
	{"gpu", "refresh", "500.001Hz", "!is too large"},
	{"gpu", "refresh", "4294968Hz", "!is no frequency"},
	{"gpu", "hidden-refresh", "1Hz", "1000"},
	{"gpu", "hidden-refresh", "0.1Hz", "100"},
	{"gpu", "hidden-refresh", "60Hz", "60000"},
	{"gpu", "hidden-refresh", "0.099Hz", "!is too small"},
	{"gpu", "hidden-refresh", "60.001Hz", "!is too large"},
	{"gpu", "hidden-refresh", "follow", "!is no frequency"},
	{"machine", "vmm", "qemu", "0"},
	{"machine", "vmm", "external", "1"},
	{"machine", "vmm", "libvirt", "!is no choice"},
	{"machine", "socket", "", ""},
	{"machine", "socket", "/" H H H H, "!is too long a path"},
	{"machine", "qemu", "qemu-system-x86_64", "qemu-system-x86_64"},
	{"machine", "qemu", "/opt/qemu", "/opt/qemu"},
	{"machine", "qemu", "", "!is too short"},
	{"machine", "memory", "16M", "16777216"},
	{"machine", "memory", "16777217", "!is no multiple of 1M"},
	{"machine", "memory", "17825000", "!is no multiple of 1M"},
	{"machine", "memory", "15M", "!is too small"},
	{"machine", "memory", "17T", "!is too large"},
	{"machine", "cpus", "1", "1"},
	{"machine", "cpus", "256", "256"},
	{"machine", "cpus", "0", "!is too small"},
	{"machine", "cpus", "257", "!is too large"},
	{"machine", "cpus", "2.5", "!is no number"},
	{"machine", "accel", "auto", "0"},
	{"machine", "accel", "kvm", "1"},
	{"machine", "accel", "tcg", "2"},
	{"machine", "accel", "hax", "!is no choice"},
	{"machine", "firmware", "uefi", "0"},
	{"machine", "firmware", "bios", "1"},
	{"machine", "firmware", "UEFI", "!is no choice"},
	{"machine", "disk", "/x/a b.img", "/x/a b.img"},
	{"machine", "disk", "", ""},
	{"machine", "disk", "~root/x", "!names another user's home"},
	{"machine", "cdrom", "/x/a.iso", "/x/a.iso"},
	{"machine", "cdrom", "~", "!names another user's home"},
	{"machine", "kernel", "/boot/vmlinuz", "/boot/vmlinuz"},
	{"machine", "kernel", "~x", "!names another user's home"},
	{"machine", "initrd", "", ""},
	{"machine", "initrd", "~x", "!names another user's home"},
	{"machine", "append", "", ""},
	{"machine", "network", "user", "0"},
	{"machine", "network", "none", "1"},
	{"machine", "network", "bridge", "!is no choice"},
	{"machine", "input", "qmp", "0"},
	{"machine", "input", "virtio", "1"},
	{"machine", "input", "usb", "!is no choice"},
	{"machine", "extra", "-smbios 'type=1,serial=a b' \"x\"",
		"-smbios 'type=1,serial=a b' \"x\""},
	{"machine", "extra", "-name \"a", "!leaves a quote open"},
	{"machine", "extra", "-name 'a", "!leaves a quote open"},
	{"machine", "extra", "-name a\\", "!leaves a quote open"},
	{"machine", "paths", "", ""},
	{"machine", "paths", "/a:/b c", "/a:/b c"},
	{"machine", "paths", "/a::/b", "!has an empty path"},
	{"machine", "paths", ":/b", "!has an empty path"},
	{"machine", "paths", "/a:", "!has an empty path"},
	{"machine", "paths", "/a:~x", "!names another user's home"},
	{"machine", "read-only-paths", "/base.qcow2", "/base.qcow2"},
	{"machine", "read-only-paths", ":", "!has an empty path"},
	{0},
};
#undef H

/* The member that a key stands for, in a plain form. */
static void format_member(
	const struct config_key *key, const void *member, char *text, size_t size) {
	const uint64_t *large = member;
	const uint32_t *small = member;
	const struct config_colour *colour = member;
	const struct config_binding *binding = member;
	char name[64];
	switch (key->type) {
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		snprintf(text, size, "%llu", (unsigned long long)*large);
		break;
	case CONFIG_NUMBER:
	case CONFIG_FREQUENCY:
	case CONFIG_FACTOR:
	case CONFIG_MODIFIERS:
	case CONFIG_CHOICE:
		snprintf(text, size, "%u", *small);
		break;
	case CONFIG_MODE:
		snprintf(text, size, "%ux%u", small[0], small[1]);
		break;
	case CONFIG_COLOUR:
		snprintf(text, size, "#%02x%02x%02x", colour->red, colour->green, colour->blue);
		break;
	case CONFIG_BINDING:
		xkb_keysym_get_name(binding->keysym, name, sizeof(name));
		snprintf(text, size, "%u+%s", binding->modifiers, name);
		break;
	case CONFIG_BOOL:
		snprintf(text, size, "%s", *(const bool *)member ? "yes" : "no");
		break;
	default:
		snprintf(text, size, "%s", *(char *const *)member);
	}
}

static void check_value(enum config_scope scope, const struct value_case *value, const char *file) {
	char text[2048], expected[2048], allowed[256];
	uint32_t index;
	const struct config_key *key = config_key_find(scope, value->section, value->key, &index);
	assert_non_null(key);
	snprintf(text, sizeof(text), "\n[%s]\n%s = %s\n", value->section, value->key, value->value);
	write_file(file, text);
	bool ok = load();
	if (value->expected[0] != '!') {
		assert_string_equal(fixture.messages, "");
		void *target = scope == CONFIG_SCOPE_HOST ? (void *)&fixture.config.host
							  : (void *)&fixture.config.guests[0];
		format_member(key, config_key_member(key, index, target), text, sizeof(text));
		assert_string_equal(text, value->expected);
		assert_true(ok);
		return;
	}
	config_key_allowed(key, allowed, sizeof(allowed));
	bool long_value = strlen(value->value) > 60;
	snprintf(expected, sizeof(expected), "%s:3: [%s] %s: '%.60s%s' %s, allowed: %s\n", file,
		value->section, value->key, value->value, long_value ? "..." : "",
		value->expected + 1, allowed);
	assert_string_equal(fixture.messages, expected);
	assert_false(ok);
}

static void host_values_are_parsed_strictly(void **state) {
	for (const struct value_case *value = host_values; value->key != NULL; value++) {
		check_value(CONFIG_SCOPE_HOST, value, "mullion.ini");
	}
}

static void guest_values_are_parsed_strictly(void **state) {
	for (const struct value_case *value = guest_values; value->key != NULL; value++) {
		check_value(CONFIG_SCOPE_GUEST, value, "guests/a.ini");
	}
}

/* No key without a good and, where there is one, a bad value above. */
static void every_key_is_tested(void **state) {
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		int good = 0, bad = 0;
		bool host = key->scope == CONFIG_SCOPE_HOST;
		for (const struct value_case *value = host ? host_values : guest_values;
			value->key != NULL; value++) {
			uint32_t index;
			if (config_key_find(key->scope, value->section, value->key, &index) ==
				key) {
				good += value->expected[0] != '!';
				bad += value->expected[0] == '!';
			}
		}
		bool any_text = key->type == CONFIG_TEXT && key->max > 512;
		if (good == 0 || (bad == 0 && !any_text)) {
			fail_msg("[%s] %s has %d good and %d bad values", key->section, key->name,
				good, bad);
		}
	}
}

static void expect_file_error(const char *text, const char *message) {
	char expected[1024];
	write_file("guests/a.ini", text);
	snprintf(expected, sizeof(expected), "guests/a.ini%s\n", message);
	expect_refused(expected);
}

static void mistaken_names_get_a_hint(void **state) {
	expect_file_error("[gpu]\naperature = 1M\n",
		":2: [gpu] aperature: no such key, did you mean aperture? allowed: personality, vram, aperture, heads, size, refresh, hidden-refresh");
	expect_file_error("[gpu]\nmode = 800x600\n",
		":2: [gpu] mode: no such key, did you mean size? allowed: personality, vram, aperture, heads, size, refresh, hidden-refresh");
	expect_file_error("[gpu]\nmemory = 1M\n",
		":2: [gpu] memory: belongs in [machine], allowed: personality, vram, aperture, heads, size, refresh, hidden-refresh");
	expect_file_error("[guest]\nborder = 1\n",
		":2: [guest] border: belongs in [desktop] of mullion.ini, allowed: title, colour, autostart, stop-timeout, restart, sandbox");
	expect_file_error("[guest]\nxyzzy = 1\n",
		":2: [guest] xyzzy: no such key, allowed: title, colour, autostart, stop-timeout, restart, sandbox");
	expect_file_error("[Guest]\n",
		":1: [Guest]: no such section, did you mean [guest]? allowed: [guest], [gpu], [machine]");
	expect_file_error("[keys]\nnext = none\n",
		":1: [keys]: belongs in mullion.ini, allowed: [guest], [gpu], [machine]");
	expect_file_error("[]\n", ":1: []: no such section, allowed: [guest], [gpu], [machine]");
}

static void numbered_keys_have_bounds(void **state) {
	static const char *const wrong[] = {"guest-0", "guest-10", "guest-", "guest-01", "guest-N",
		"guest--1", "vt-13", "vt-4294967297"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[64];
		snprintf(text, sizeof(text), "[keys]\n%s = none\n", wrong[i]);
		write_file("mullion.ini", text);
		assert_false(load());
		assert_non_null(strstr(fixture.messages, ": no such key, "));
	}
}

static void outputs_have_a_section_each(void **state) {
	write_file("mullion.ini",
		"[output DP-1]\nscale = 1.5\n[output HEADLESS-1]\nsize = 800x600\n"
		"[output DP-1]\nrefresh = 75Hz\n");
	expect_loads();
	const struct config_host *host = &fixture.config.host;
	struct config_output output = config_find_output(host, "DP-1");
	assert_int_equal(output.scale, 180);
	assert_int_equal(output.refresh, 75000);
	assert_int_equal(output.width, 0);
	output = config_find_output(host, "HEADLESS-1");
	assert_int_equal(output.scale, CONFIG_SCALE);
	assert_int_equal(output.width, 800);
	output = config_find_output(host, "DP-2");
	assert_int_equal(output.scale, CONFIG_SCALE);
	assert_int_equal(output.refresh, 0);
}

static void sections_of_outputs_are_checked(void **state) {
	write_file("mullion.ini",
		"[output DP-1]\nscale = 2\n[output]\nscale = 2\n"
		"[output a b]\n[output 12345678901234567890123456789012]\n[outputs DP-1]\n"
		"[output DP-1]\nscale = 1\nmode = 1x1\n");
	expect_refused(
		"mullion.ini:3: [output]: names no screen, allowed: [output NAME], NAME of at most 31 bytes without white space\n"
		"mullion.ini:5: [output a b]: names no screen, allowed: [output NAME], NAME of at most 31 bytes without white space\n"
		"mullion.ini:6: [output 12345678901234567890123456789012]: names no screen, allowed: [output NAME], NAME of at most 31 bytes without white space\n"
		"mullion.ini:7: [outputs DP-1]: no such section, allowed: [mullion], [desktop], [keyboard], [keys], [output NAME]\n"
		"mullion.ini:9: [output DP-1] scale: given twice, allowed: once; the first is in line 2\n"
		"mullion.ini:10: [output DP-1] mode: no such key, did you mean size? allowed: size, refresh, scale\n");
	char text[512] = "", expected[256];
	for (int i = 0; i <= CONFIG_OUTPUTS_MAX; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[output O-%d]\n", i);
	}
	write_file("mullion.ini", text);
	snprintf(expected, sizeof(expected),
		"mullion.ini:%d: [output O-%d]: is one screen too many, allowed: %d\n",
		CONFIG_OUTPUTS_MAX + 1, CONFIG_OUTPUTS_MAX, CONFIG_OUTPUTS_MAX);
	expect_refused(expected);
	write_file("guests/a.ini", "[output DP-1]\nscale = 2\n");
	write_file("mullion.ini", "");
	expect_refused(
		"guests/a.ini:1: [output DP-1]: no such section, allowed: [guest], [gpu], [machine]\n");
}

static void broken_lines_are_reported(void **state) {
	expect_file_error("vram = 1M\n",
		":1: vram: stands before the first section, allowed: only below a [section]");
	expect_file_error("[gpu]\nvram\n",
		":2: neither a section nor a key, allowed: [section], key = value, or a comment after ;");
	expect_file_error("[gpu\nvram = 1M\n", ":1: no section, allowed: [name] alone on its line");
	expect_file_error("[gpu] vram = 1M\n", ":1: no section, allowed: [name] alone on its line");
	expect_file_error("[gpu]\nsize", // without an end of the line
		":2: neither a section nor a key, allowed: [section], key = value, or a comment after ;");
}

static void every_broken_line_is_reported(void **state) {
	write_file("guests/a.ini", "[gpu]\nx\n\ny\nvram = 0\nz\n");
	assert_false(load());
	unsigned lines = 0;
	for (const char *c = fixture.messages; *c != '\0'; c++) {
		lines += *c == '\n';
	}
	assert_int_equal(lines, 4);
}

static void layout_of_a_file_is_free(void **state) {
	write_file("guests/a.ini",
		"\xef\xbb\xbf; a comment\r\n# another\r\n\r\n  [gpu] ; and one\r\n"
		"\tvram=8M ; and one\r\n   aperture   =   4M\t\r\n[machine]\r\n[gpu]\r\nsize=640x480");
	expect_loads();
	assert_int_equal(fixture.config.guests[0].vram, 8 << 20);
	assert_int_equal(fixture.config.guests[0].aperture, 4 << 20);
	assert_int_equal(fixture.config.guests[0].width, 640);
	write_file("guests/a.ini", "[guest]\ntitle = a\tb\n");
	expect_loads();
	assert_string_equal(fixture.config.guests[0].title, "a b");
}

static void no_byte_hides(void **state) {
	write_bytes("guests/a.ini", "[guest]\ntitle = a\0b\n", 20);
	expect_refused("guests/a.ini:2: control character U+0000, allowed: printable text\n");
	expect_file_error("[guest]\ntitle = a\033[2Jb\n",
		":2: control character U+001B, allowed: printable text");
	expect_file_error("[guest]\ntitle = a\xe2\x80\xae"
			  "b\n", // writes from right to left
		":2: control character U+202E, allowed: printable text");
	expect_file_error("[guest]\ntitle = a\xc2\x9b"
			  "b\n",
		":2: control character U+009B, allowed: printable text");
	expect_file_error(
		"[guest]\ntitle = a\xff\n", ":2: byte 0xff is no UTF-8, allowed: text in UTF-8");
	expect_file_error("[guest]\ntitle = a\xc0\x80\n", // overlong
		":2: byte 0xc0 is no UTF-8, allowed: text in UTF-8");
	expect_file_error("[guest]\ntitle = a\xed\xa0\x80\n", // surrogate
		":2: byte 0xed is no UTF-8, allowed: text in UTF-8");
	expect_file_error("[guest]\ntitle = a\xe4\xbd\n", // cut off
		":2: byte 0xe4 is no UTF-8, allowed: text in UTF-8");
	expect_file_error(
		"[guest]\rtitle = a\n", ":1: control character U+000D, allowed: printable text");
}

static void long_lines_are_refused(void **state) {
	size_t size = 200000;
	char *text = malloc(size + 1);
	assert_non_null(text);
	memset(text, 'a', size);
	memcpy(text, "[gpu]\n", 6);
	write_bytes("guests/a.ini", text, size);
	expect_refused("guests/a.ini:2: line of 199994 bytes, allowed: 4200\n");
	text[4700] = '\n';
	memcpy(text + 4701, "vrum = 1\n", 9);
	write_bytes("guests/a.ini", text, 4710);
	assert_false(load());
	assert_non_null(strstr(fixture.messages, "guests/a.ini:2: line of"));
	assert_non_null(strstr(fixture.messages, "guests/a.ini:3: [gpu] vrum"));
	free(text);
}

static void long_values_arrive_whole(void **state) {
	char text[4200], append[2048];
	memset(append, 'x', sizeof(append) - 1);
	append[sizeof(append) - 1] = '\0';
	snprintf(text, sizeof(text), "[machine]\nkernel = /k\nappend = %s\n", append);
	write_file("guests/a.ini", text);
	expect_loads();
	assert_string_equal(fixture.config.guests[0].append, append);
}

static void huge_files_are_refused(void **state) {
	char *text = calloc(1, 1 << 20);
	assert_non_null(text);
	memset(text, '\n', 1 << 20);
	write_bytes("guests/a.ini", text, 1 << 20);
	expect_refused("guests/a.ini: is too large, allowed: 256 KiB\n");
	memset(text, 'x', 1 << 20); // a line of a megabyte
	write_bytes("guests/a.ini", text, 1 << 20);
	expect_refused("guests/a.ini: is too large, allowed: 256 KiB\n");
	memset(text, '\n', CONFIG_FILE_MAX);
	write_bytes("guests/a.ini", text, CONFIG_FILE_MAX);
	expect_loads();
	free(text);
}

static const char *path_of(const char *name) {
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", fixture.directory, name);
	return path;
}

static void files_that_others_can_write_are_refused(void **state) {
	static const mode_t modes[] = {0620, 0602, 0666, 0777};
	write_file("guests/a.ini", "[gpu]\nvram = 8M\nnonsense\n");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path_of("guests/a.ini"), modes[i]), 0);
		expect_refused("guests/a.ini: can be written by others: chmod go-w\n");
	}
	write_file("guests/a.ini", "");
	assert_int_equal(chmod(path_of("guests"), 0777), 0);
	expect_refused("guests: can be written by others: chmod go-w\n");
	assert_int_equal(chmod(path_of("guests"), 01777), 0);
	expect_loads();
}

static void files_of_others_are_refused(void **state) {
	if (geteuid() != 0) {
		skip(); // only root can give a file away
	}
	write_file("guests/a.ini", "");
	assert_int_equal(chown(path_of("guests/a.ini"), 12345, 0), 0);
	expect_refused(
		"guests/a.ini: belongs to another user: only your own and root's are read\n");
}

static void what_is_no_file_is_refused(void **state) {
	assert_int_equal(mkfifo(path_of("guests/a.ini"), 0600), 0);
	assert_int_equal(mkdir(path_of("guests/b.ini"), 0700), 0);
	assert_int_equal(symlink("/dev/zero", path_of("guests/c.ini")), 0);
	assert_int_equal(symlink("nowhere", path_of("guests/d.ini")), 0);
	assert_int_equal(symlink("nowhere", path_of("mullion.ini")), 0);
	expect_refused("mullion.ini: cannot be opened: No such file or directory\n"
		       "guests/a.ini: is no regular file\n"
		       "guests/b.ini: is no regular file\n"
		       "guests/c.ini: is no regular file\n"
		       "guests/d.ini: cannot be opened: No such file or directory\n");
}

static void names_of_guests_are_checked(void **state) {
	static const char *const wrong[] = {"Work", "-a", ".a", "a b", "a\033b", "w\xc3\xb6rk", "",
		"a23456789b123456789c123456789d123456789e123456789f123456789g1234"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char name[128];
		snprintf(name, sizeof(name), "guests/%s.ini", wrong[i]);
		write_file(name, "");
		bool hidden = wrong[i][0] == '.' || wrong[i][0] == '\0'; // as an editor's files are
		assert_int_equal(load(), hidden);
		if (!hidden) {
			assert_non_null(strstr(fixture.messages,
				"the file's name is no guest's, allowed: NAME.ini"));
		}
		assert_int_equal(remove(path_of(name)), 0);
	}
	write_file(
		"guests/a23456789b123456789c123456789d123456789e123456789f123456789g123.ini", "");
	write_file("guests/0.a_b-c.ini", "");
	write_file("guests/readme.txt", "nonsense");
	write_file("guests/a.ini~", "nonsense");
	expect_loads();
	assert_int_equal(fixture.config.guests_len, 2);
}

static void guests_are_numbered_by_name(void **state) {
	write_file("guests/b.ini", "");
	write_file("guests/a.ini", "");
	write_file("guests/a-1.ini", "");
	expect_loads();
	assert_string_equal(fixture.config.guests[0].name, "a");
	assert_string_equal(fixture.config.guests[1].name, "a-1");
	assert_string_equal(fixture.config.guests[2].name, "b");
	assert_int_equal(fixture.config.guests[2].number, 3);
	assert_string_equal(fixture.config.guests[2].title, "b");
	assert_memory_not_equal(&fixture.config.guests[0].colour, &fixture.config.guests[1].colour,
		sizeof(struct config_colour));
	assert_null(config_find_guest(&fixture.config, "c"));
}

static void too_many_guests_are_refused(void **state) {
	char name[32];
	for (int i = 0; i < CONFIG_GUESTS_MAX; i++) {
		snprintf(name, sizeof(name), "guests/g%02d.ini", i);
		write_file(name, "");
	}
	expect_loads();
	write_file("guests/h.ini", "");
	expect_refused("guests/h.ini: is one guest too many, allowed: 64\n");
}

static void slices_must_fit_into_the_pool(void **state) {
	write_file("mullion.ini", "[mullion]\nvram = 64M\n");
	write_file("guests/a.ini", "[guest]\nautostart=yes\n[gpu]\nvram = 40M\n");
	write_file("guests/b.ini", "[gpu]\nvram = 40M\n");
	expect_loads(); // b does not start by itself
	write_file("guests/c.ini", "[gpu]\nvram = 65M\n[guest]\nautostart = yes\n");
	write_file("guests/d.ini", "[guest]\nautostart = yes\n[gpu]\nvram = 32M\n");
	expect_refused(
		"guests/c.ini:2: [gpu] vram: 65M is more than the pool has, allowed: at most 64M ([mullion] vram)\n"
		"guests/d.ini:4: [gpu] vram: 32M makes 72M with the guests before it that start by themselves, allowed: 64M together ([mullion] vram), or autostart = no\n");
}

static void titles_must_differ(void **state) {
	write_file("guests/a.ini", "[guest]\ntitle = Bank\n");
	write_file("guests/b.ini", "[guest]\ntitle = Bank\n");
	write_file("guests/c.ini", "[guest]\n\ntitle = a\n");
	assert_false(load());
	assert_non_null(strstr(fixture.messages,
		"guests/b.ini:2: [guest] title: 'Bank' cannot be told from guest a ("));
	assert_non_null(strstr(fixture.messages,
		"guests/c.ini:3: [guest] title: 'a' cannot be told from guest a ("));
}

static void titles_of_heads_must_differ(void **state) {
	write_file("guests/a.ini", "[guest]\ntitle = Bank\n[gpu]\nvram = 64M\nheads = 2\n");
	write_file("guests/b.ini", "[guest]\ntitle = Bank 3\n");
	assert_true(load());
	write_file("guests/b.ini", "[guest]\ntitle = Bank 2\n");
	assert_false(load());
	assert_non_null(strstr(fixture.messages,
		"guests/b.ini:2: [guest] title: 'Bank 2' cannot be told from guest a ("));
}

static void aperture_must_fit_into_the_slice(void **state) {
	expect_file_error("[gpu]\nvram = 8M\naperture = 16M\n",
		":3: [gpu] aperture: 16M is more than the slice has, allowed: at most its vram of 8M, or auto");
	expect_file_error("[gpu]\npersonality = virtio-vga\naperture = 128M\n",
		":3: [gpu] aperture: 128M is more than the slice has, allowed: at most its vram of 64M, or auto");
	expect_file_error("[gpu]\naperture = 3M\n",
		":2: [gpu] aperture: 3M is no power of two, allowed: 1M, 2M, 4M and so on to 256M, or auto");
}

struct aperture_case {
	const char *lines;
	uint64_t aperture; // MiB
};

static void aperture_leaves_a_heap(void **state) {
	static const struct aperture_case cases[] = {
		{"personality = bochs", 64},
		{"personality = bochs\nvram = 100M", 64},
		{"personality = bochs\nvram = 1G", 256},
		{"personality = virtio-vga", 16},
		{"personality = virtio-vga\nvram = 1G", 16},
		{"personality = virtio-vga\nvram = 31M", 8},
		{"personality = virtio-vga\nvram = 12M\nsize = 1024x768", 4},
		{"personality = virtio-vga\nvram = 512M\nsize = 2560x1600", 16},
		{"personality = virtio-vga\nvram = 512M\nsize = 2561x1640", 32},
		{"personality = virtio-vga\nvram = 1G\nsize = 7680x4320", 128},
		{"personality = virtio-gpu", 1},
		{"personality = virtio-gpu\nvram = 1G\nsize = 7680x4320", 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		snprintf(text, sizeof(text), "[gpu]\n%s\n", cases[i].lines);
		write_file("guests/a.ini", text);
		expect_loads();
		assert_int_equal(fixture.config.guests[0].aperture, cases[i].aperture << 20);
	}
}

static void heap_must_hold_two_frames_of_each_head(void **state) {
	expect_file_error("[gpu]\npersonality = virtio-vga\nvram = 8M\nsize = 1280x800\n",
		":3: [gpu] vram: 2 frames of 1280x800 (2 for each head) do not fit into the heap of 4M, allowed: a vram of 12M or more");
	expect_file_error("[gpu]\npersonality = virtio-vga\nheads = 16\nsize = 1920x1080\n",
		":3: [gpu] heads: 32 frames of 1920x1080 (2 for each head) do not fit into the heap of 48M, allowed: a vram of 270M or more");
	expect_file_error("[gpu]\npersonality = virtio-vga\nvram = 64M\naperture = 64M\n",
		":3: [gpu] vram: 2 frames of 1024x768 (2 for each head) do not fit into the heap of 0, allowed: a vram of 70M or more");
	expect_file_error("[gpu]\npersonality = virtio-gpu\nvram = 1M\n",
		":3: [gpu] vram: 2 frames of 1024x768 (2 for each head) do not fit into the heap of 0, allowed: a vram of 7M or more");
	write_file(
		"guests/a.ini", "[gpu]\npersonality = virtio-vga\nvram = 12M\nsize = 1280x800\n");
	expect_loads();
	write_file("guests/a.ini",
		"[gpu]\npersonality = virtio-vga\nvram = 270M\nheads = 16\nsize = 1920x1080\n");
	expect_loads();
}

static void bochs_has_one_head_and_cannot_follow(void **state) {
	expect_file_error("[gpu]\nheads = 2\npersonality = bochs\n",
		":2: [gpu] heads: 2 are more than bochs has, allowed: 1, or personality = virtio-vga");
	write_file("guests/a.ini", "[gpu]\npersonality = bochs\nsize = follow\n");
	expect_loads();
	assert_false(fixture.config.guests[0].follow);
	assert_int_equal(fixture.config.guests[0].height, 768);
	write_file("guests/a.ini", "[gpu]\npersonality = virtio-vga\n");
	expect_loads();
	assert_true(fixture.config.guests[0].follow);
	assert_int_equal(fixture.config.guests[0].width, 1024);
}

static void frame_must_fit_into_the_aperture(void **state) {
	expect_file_error("[gpu]\npersonality = bochs\nvram = 4M\nsize = 1280x1024\n",
		":4: [gpu] size: 1280x1024 needs 5242880 bytes, allowed: what fits into the aperture of 4M, or a vram of 8M or more");
	expect_file_error("[gpu]\npersonality = virtio-vga\nsize = 16384x16384\n",
		":3: [gpu] size: 16384x16384 needs 1073741824 bytes, allowed: what fits into the aperture of 32M");
	expect_file_error("[gpu]\npersonality = virtio-vga\nsize = 3840x2400\n",
		":3: [gpu] size: 3840x2400 needs 36864000 bytes, allowed: what fits into the aperture of 32M, or a vram of 135M or more");
	expect_file_error("[gpu]\naperture = 2M\nvram = 64M\nsize = 1024x768\n",
		":4: [gpu] size: 1024x768 needs 3145728 bytes, allowed: what fits into the aperture of 2M, or a larger one");
	expect_file_error("[gpu]\npersonality = virtio-vga\nvram = 5M\n",
		":3: [gpu] vram: 1024x768 needs 3145728 bytes, allowed: what fits into the aperture of 2M, or a vram of 10M or more");
	write_file("guests/a.ini",
		"[gpu]\npersonality = bochs\nvram = 4M\nsize = 1024x1024\n"); // exactly
	expect_loads();
}

static void keys_that_need_others_are_checked(void **state) {
	expect_file_error("[machine]\ninitrd = /i\nappend = x\n",
		":2: [machine] initrd: is given without kernel, allowed: only together with it\n"
		"guests/a.ini:3: [machine] append: is given without kernel, allowed: only together with it");
	expect_file_error("[machine]\nsocket = /s\n",
		":2: [machine] socket: is given for mullion's own QEMU, allowed: only with vmm = external");
}

static void combinations_must_differ(void **state) {
	write_file("mullion.ini", "[keys]\nnext = Super+F\nvt-1 = none\nguest-1 = Ctrl+Alt+F2\n");
	expect_refused(
		"mullion.ini:2: [keys] next: is the same as fullscreen, allowed: each combination once\n"
		"mullion.ini:4: [keys] guest-1: is the same as vt-2, allowed: each combination once\n");
	write_file("mullion.ini", "[keys]\nnext = Super+F\nfullscreen = Super+Tab\n");
	expect_loads();
}

static void keyboards_must_exist(void **state) {
	write_file("mullion.ini",
		"[keyboard]\nlayout = de\nvariant = nodeadkeys\noptions = compose:ralt\n");
	expect_loads();
	write_file("mullion.ini", "[keyboard]\n\nlayout = xx-none\n");
	expect_refused(
		"mullion.ini:3: [keyboard] layout: makes no keyboard that xkb knows, allowed: names from xkeyboard-config(7)\n");
	write_file("mullion.ini", "[keyboard]\nlayout = de\nvariant = nonsense\n");
	expect_refused(
		"mullion.ini:3: [keyboard] variant: makes no keyboard that xkb knows, allowed: names from xkeyboard-config(7)\n");
}

static void paths_start_at_their_file(void **state) {
	setenv("HOME", "/home/me", 1);
	write_file("guests/a.ini", "[machine]\ndisk = ../x.img\ncdrom = ~/y.iso\nqemu = ./q\n");
	expect_loads();
	assert_string_equal(fixture.config.guests[0].disk, path_of("guests/../x.img"));
	assert_string_equal(fixture.config.guests[0].qemu, path_of("guests/./q"));
	assert_string_equal(fixture.config.guests[0].cdrom, "/home/me/y.iso");
}

static void directories_are_searched_the_xdg_way(void **state) {
	char home[256], dirs[256];
	static const char *const made[] = {"home", "home/mullion", "home/mullion/guests", "etc",
		"etc/mullion", "etc/mullion/guests"};
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		assert_int_equal(mkdir(path_of(made[i]), 0700), 0);
	}
	unsetenv("MULLION_CONFIG_DIR");
	snprintf(home, sizeof(home), "%s/home", fixture.directory);
	snprintf(dirs, sizeof(dirs), "relative:/nonexistent:%s/etc", fixture.directory);
	setenv("XDG_CONFIG_HOME", home, 1);
	setenv("XDG_CONFIG_DIRS", dirs, 1);
	write_file("etc/mullion/mullion.ini", "[mullion]\nvram = 512M\n");
	write_file("etc/mullion/guests/a.ini", "[gpu]\nvram = 12M\n");
	write_file("etc/mullion/guests/b.ini", "[gpu]\nvram = 16M\n");
	write_file("home/mullion/guests/b.ini", "[gpu]\nvram = 32M\n");
	expect_loads();
	assert_int_equal(fixture.config.host.vram, 512 << 20);
	assert_int_equal(fixture.config.guests_len, 2);
	assert_int_equal(config_find_guest(&fixture.config, "a")->vram, 12 << 20);
	assert_int_equal(config_find_guest(&fixture.config, "b")->vram, 32 << 20);
	write_file("home/mullion/mullion.ini", "[desktop]\nborder = 2\n");
	expect_loads();
	assert_int_equal(fixture.config.host.vram, 1 << 30);
	assert_int_equal(fixture.config.host.border, 2);
}

static void missing_directory_that_was_named_is_an_error(void **state) {
	setenv("MULLION_CONFIG_DIR", "/nonexistent", 1);
	expect_refused("/nonexistent: MULLION_CONFIG_DIR: No such file or directory\n");
}

static void one_file_is_checked_by_its_name(void **state) {
	write_file("mullion.ini", "[gpu]\n");
	assert_false(config_check_file(path_of("mullion.ini"), collect, NULL));
	assert_non_null(
		strstr(fixture.messages, "mullion.ini:1: [gpu]: belongs in a guest's file"));
	write_file("guests/a.ini", "[gpu]\nvram = 2G\n");
	assert_true(config_check_file(path_of("guests/a.ini"), collect, NULL));
	assert_false(config_check_file(path_of("guests/missing.ini"), NULL, NULL));
}

static void failed_load_leaves_the_old_one_in_force(void **state) {
	write_file("guests/a.ini", "[gpu]\nvram = 16M\n");
	expect_loads();
	struct config_guest *guests = fixture.config.guests;
	write_file("guests/a.ini", "[gpu]\nvram = 32M\nsize = 1\n");
	assert_false(config_load(&fixture.config, NULL, NULL));
	assert_ptr_equal(fixture.config.guests, guests);
	assert_int_equal(fixture.config.guests[0].vram, 16 << 20);
}

static void keys_are_printed_for_each_use(void **state) {
	static const char *const formats[] = {"text", "names", "scdoc-host", "scdoc-guest"};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		assert_true(config_print_keys(out, formats[i]));
		fclose(out);
		assert_int_equal(strstr(text, "fullscreen") != NULL, i != 3);
		assert_int_equal(strstr(text, "aperture") != NULL, i != 2);
		free(text);
	}
	assert_false(config_print_keys(stdout, "nonsense"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(no_file_means_defaults),
		TEST(a_guest_gets_what_its_file_says),
		TEST(every_error_is_reported_with_its_line),
		TEST(host_values_are_parsed_strictly),
		TEST(guest_values_are_parsed_strictly),
		TEST(every_key_is_tested),
		TEST(mistaken_names_get_a_hint),
		TEST(numbered_keys_have_bounds),
		TEST(outputs_have_a_section_each),
		TEST(sections_of_outputs_are_checked),
		TEST(broken_lines_are_reported),
		TEST(every_broken_line_is_reported),
		TEST(layout_of_a_file_is_free),
		TEST(no_byte_hides),
		TEST(long_lines_are_refused),
		TEST(long_values_arrive_whole),
		TEST(huge_files_are_refused),
		TEST(files_that_others_can_write_are_refused),
		TEST(files_of_others_are_refused),
		TEST(what_is_no_file_is_refused),
		TEST(names_of_guests_are_checked),
		TEST(guests_are_numbered_by_name),
		TEST(too_many_guests_are_refused),
		TEST(slices_must_fit_into_the_pool),
		TEST(titles_must_differ),
		TEST(titles_of_heads_must_differ),
		TEST(aperture_must_fit_into_the_slice),
		TEST(aperture_leaves_a_heap),
		TEST(frame_must_fit_into_the_aperture),
		TEST(heap_must_hold_two_frames_of_each_head),
		TEST(bochs_has_one_head_and_cannot_follow),
		TEST(keys_that_need_others_are_checked),
		TEST(combinations_must_differ),
		TEST(keyboards_must_exist),
		TEST(paths_start_at_their_file),
		TEST(directories_are_searched_the_xdg_way),
		TEST(missing_directory_that_was_named_is_an_error),
		TEST(one_file_is_checked_by_its_name),
		TEST(failed_load_leaves_the_old_one_in_force),
		TEST(keys_are_printed_for_each_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
