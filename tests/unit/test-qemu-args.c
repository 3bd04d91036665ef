#include "qemu-args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-json.h>

#include <cmocka.h>

#include "accel.h"
#include "words.h"

static struct config_guest plain_guest(void) {
	return (struct config_guest){
		.name = (char *)"work",
		.qemu = (char *)"/usr/bin/qemu-system-x86_64",
		.memory = UINT64_C(512) << 20,
		.cpus = 1,
	};
}

static struct qemu_context bios_context(void) {
	return (struct qemu_context){
		.sockets = {"/run/mullion/guests/work/gpu.sock"},
		.disk_format = "raw",
		.qmp_fd = 3,
	};
}

/* The number of times that option (and value, unless NULL) stands in argv. */
static unsigned count(char **argv, const char *option, const char *value) {
	unsigned n = 0;
	for (; *argv != NULL; argv++) {
		n += strcmp(*argv, option) == 0 &&
			(value == NULL || (argv[1] != NULL && strcmp(argv[1], value) == 0));
	}
	return n;
}

/* The JSON of the first value of option that has key = wanted, parsed, or NULL. */
static sd_json_variant *find_json(
	char **argv, const char *option, const char *key, const char *wanted) {
	for (; *argv != NULL && argv[1] != NULL; argv++) {
		sd_json_variant *json = NULL;
		if (strcmp(*argv, option) != 0 || argv[1][0] != '{') {
			continue;
		}
		assert_return_code(sd_json_parse(argv[1], 0, &json, NULL, NULL), 0);
		sd_json_variant *value = sd_json_variant_by_key(json, key);
		if (value != NULL && strcmp(sd_json_variant_string(value), wanted) == 0) {
			return json;
		}
		sd_json_variant_unref(json);
	}
	return NULL;
}

static void every_machine_has_the_fixed_part(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	assert_string_equal(argv[0], "/usr/bin/qemu-system-x86_64");
	static const char *const wanted[][2] = {
		{"-nodefaults", NULL},
		{"-no-user-config", NULL},
		{"-display", "none"},
		{"-vga", "none"},
		{"-name", "work"},
		{"-machine", "q35,memory-backend=mem,vmport=off"},
		{"-object", "memory-backend-memfd,id=mem,size=536870912,share=on"},
		{"-m", "512M"},
		{"-smp", "1"},
		{"-accel", "tcg"},
		{"-chardev", "socket,id=qmp,fd=3,server=on,wait=off"},
		{"-qmp", "chardev:qmp"},
		{"-sandbox",
			"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"},
		{"-device", "usb-tablet,bus=usb.0"},
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(count(argv, wanted[i][0], wanted[i][1]), 1);
	}
	words_free(argv);
}

static void the_gpu_is_a_vfio_user_device_with_a_long_time_out(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	context.sockets[LINK_FUNCTION_GPU] = "/run/a,b \"c\"/gpu.sock";
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	sd_json_variant *gpu = find_json(argv, "-device", "driver", "vfio-user-pci");
	assert_non_null(gpu);
	assert_string_equal(sd_json_variant_string(sd_json_variant_by_key(gpu, "id")), "gpu");
	assert_string_equal(sd_json_variant_string(sd_json_variant_by_key(gpu, "addr")), "0x10");
	assert_int_equal(
		sd_json_variant_unsigned(sd_json_variant_by_key(gpu, "x-msg-timeout")), 20000);
	sd_json_variant *socket = sd_json_variant_by_key(gpu, "socket");
	assert_string_equal(sd_json_variant_string(sd_json_variant_by_key(socket, "path")),
		"/run/a,b \"c\"/gpu.sock");
	sd_json_variant_unref(gpu);
	words_free(argv);
}

static void every_function_is_a_device_in_a_slot_of_its_own(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	char **argv;
	context.option_rom = "/a/vgabios.bin";
	for (unsigned i = 1; i < LINK_FUNCTIONS; i++) {
		context.sockets[i] = link_function_name(i);
	}
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		char slot[8];
		snprintf(slot, sizeof(slot), "0x1%u", i);
		sd_json_variant *device = find_json(argv, "-device", "id", link_function_name(i));
		assert_non_null(device);
		assert_string_equal(
			sd_json_variant_string(sd_json_variant_by_key(device, "addr")), slot);
		sd_json_variant *socket = sd_json_variant_by_key(device, "socket");
		assert_string_equal(sd_json_variant_string(sd_json_variant_by_key(socket, "path")),
			context.sockets[i]);
		assert_int_equal(
			sd_json_variant_by_key(device, "romfile") != NULL, i == LINK_FUNCTION_GPU);
		sd_json_variant_unref(device);
	}
	// What firmware knows stays.
	assert_int_equal(count(argv, "-device", "usb-tablet,bus=usb.0"), 1);
	words_free(argv);
}

static void bios_gets_the_rom_of_its_card(void **state) {
	static const struct {
		enum config_personality personality;
		const char *found, *rom;
	} cases[] = {
		{CONFIG_PERSONALITY_BOCHS, NULL, "vgabios-bochs-display.bin"},
		{CONFIG_PERSONALITY_VIRTIO_VGA, "/a,b/vgabios.bin", "/a,b/vgabios.bin"},
		{CONFIG_PERSONALITY_VIRTIO_GPU, NULL, NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_guest guest = plain_guest();
		struct qemu_context context = bios_context();
		guest.personality = cases[i].personality;
		context.option_rom = cases[i].found;
		char **argv;
		assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
		sd_json_variant *gpu = find_json(argv, "-device", "driver", "vfio-user-pci");
		sd_json_variant *rom = sd_json_variant_by_key(gpu, "romfile");
		assert_int_equal(rom != NULL, cases[i].rom != NULL);
		if (rom != NULL) {
			assert_string_equal(sd_json_variant_string(rom), cases[i].rom);
		}
		sd_json_variant_unref(gpu);
		words_free(argv);
	}
}

static void acceleration_follows_the_context(void **state) {
	static const struct {
		bool kvm;
		uint32_t cpus;
		const char *accel, *cpu, *smp;
	} cases[] = {
		{true, 1, "kvm", "host", "1"},
		{true, 4, "kvm", "host", "4"},
		{false, 1, "tcg", "max,la57=off", "1"},
		{false, 2, "tcg,thread=multi", "max,la57=off", "2"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_guest guest = plain_guest();
		struct qemu_context context = bios_context();
		guest.cpus = cases[i].cpus;
		context.kvm = cases[i].kvm;
		char **argv;
		assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
		assert_int_equal(count(argv, "-accel", cases[i].accel), 1);
		assert_int_equal(count(argv, "-cpu", cases[i].cpu), 1);
		assert_int_equal(count(argv, "-smp", cases[i].smp), 1);
		words_free(argv);
	}
}

static void uefi_gets_its_code_read_only_and_its_variables_writable(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	context.firmware_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
	context.firmware_vars = "/state/work/OVMF_VARS_4M.fd";
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	assert_int_equal(count(argv, "-machine",
				 "q35,memory-backend=mem,vmport=off,pflash0=firmware-code,"
				 "pflash1=firmware-vars"),
		1);
	static const struct {
		const char *node, *file;
		bool read_only;
	} cases[] = {
		{"firmware-code", "/usr/share/OVMF/OVMF_CODE_4M.fd", true},
		{"firmware-vars", "/state/work/OVMF_VARS_4M.fd", false},
	};
	for (size_t i = 0; i < 2; i++) {
		sd_json_variant *node = find_json(argv, "-blockdev", "node-name", cases[i].node);
		assert_non_null(node);
		assert_int_equal(sd_json_variant_boolean(sd_json_variant_by_key(node, "read-only")),
			cases[i].read_only);
		sd_json_variant *file = sd_json_variant_by_key(node, "file");
		assert_string_equal(
			sd_json_variant_string(sd_json_variant_by_key(file, "filename")),
			cases[i].file);
		sd_json_variant_unref(node);
	}
	sd_json_variant *gpu = find_json(argv, "-device", "driver", "vfio-user-pci");
	assert_null(sd_json_variant_by_key(gpu, "romfile"));
	sd_json_variant_unref(gpu);
	words_free(argv);
}

static void disks_keep_their_format_and_odd_names(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	guest.disk = (char *)"/var/My disk, \"new\".img";
	guest.cdrom = (char *)"/var/a,b.iso";
	context.disk_format = "qcow2";
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	sd_json_variant *disk = find_json(argv, "-blockdev", "node-name", "disk");
	assert_string_equal(
		sd_json_variant_string(sd_json_variant_by_key(disk, "driver")), "qcow2");
	sd_json_variant *file = sd_json_variant_by_key(disk, "file");
	assert_string_equal(
		sd_json_variant_string(sd_json_variant_by_key(file, "filename")), guest.disk);
	sd_json_variant *cdrom = find_json(argv, "-blockdev", "node-name", "cdrom");
	assert_true(sd_json_variant_boolean(sd_json_variant_by_key(cdrom, "read-only")));
	assert_int_equal(count(argv, "-device", "virtio-blk-pci,drive=disk,bootindex=1"), 1);
	assert_int_equal(count(argv, "-device", "ide-cd,drive=cdrom,bootindex=2"), 1);
	sd_json_variant_unref(disk);
	sd_json_variant_unref(cdrom);
	words_free(argv);
}

static void empty_keys_add_nothing(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	guest.disk = guest.cdrom = guest.kernel = guest.initrd = guest.append = guest.extra =
		(char *)"";
	guest.network = CONFIG_NETWORK_NONE;
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	static const char *const absent[] = {
		"-blockdev", "-kernel", "-initrd", "-append", "-netdev", "-serial", ""};
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		assert_int_equal(count(argv, absent[i], NULL), 0);
	}
	words_free(argv);
}

static void kernel_and_network_are_passed_on(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	guest.kernel = (char *)"/boot/vmlinuz";
	guest.initrd = (char *)"/boot/initrd";
	guest.append = (char *)"quiet console=ttyS0";
	guest.network = CONFIG_NETWORK_USER;
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	assert_int_equal(count(argv, "-kernel", "/boot/vmlinuz"), 1);
	assert_int_equal(count(argv, "-initrd", "/boot/initrd"), 1);
	assert_int_equal(count(argv, "-append", "quiet console=ttyS0"), 1);
	assert_int_equal(count(argv, "-netdev", "user,id=net"), 1);
	words_free(argv);
}

static void extra_arguments_come_last(void **state) {
	struct config_guest guest = plain_guest();
	struct qemu_context context = bios_context();
	guest.extra = (char *)"-serial 'file:/tmp/my log' -rtc base=localtime";
	char **argv;
	assert_int_equal(qemu_args_build(&guest, &context, &argv), 0);
	size_t n = 0;
	while (argv[n] != NULL) {
		n++;
	}
	assert_string_equal(argv[n - 4], "-serial");
	assert_string_equal(argv[n - 3], "file:/tmp/my log");
	assert_string_equal(argv[n - 1], "base=localtime");
	words_free(argv);
	guest.extra = (char *)"-serial 'file:/tmp/log";
	assert_int_equal(qemu_args_build(&guest, &context, &argv), -EINVAL);
}

static void words_are_split_as_a_shell_does(void **state) {
	static const struct {
		const char *line;
		int result;
		const char *words[5];
	} cases[] = {
		{"", 0, {NULL}},
		{" \t\n", 0, {NULL}},
		{"a", 0, {"a"}},
		{" a  bc ", 0, {"a", "bc"}},
		{"'a b' c", 0, {"a b", "c"}},
		{"a'b c'd", 0, {"ab cd"}},
		{"''", 0, {""}},
		{"a \"\" b", 0, {"a", "", "b"}},
		{"\"a'b\" '\"'", 0, {"a'b", "\""}},
		{"a\\ b \\\\ \\'", 0, {"a b", "\\", "'"}},
		{"\"a\\\"b\\\\c\\d\"", 0, {"a\"b\\c\\d"}},
		{"'a\\b'", 0, {"a\\b"}},
		{"$HOME `ls` *;|", 0, {"$HOME", "`ls`", "*;|"}},
		{"'a", -EINVAL, {NULL}},
		{"\"a", -EINVAL, {NULL}},
		{"a\\", -EINVAL, {NULL}},
		{"\"a\\", -EINVAL, {NULL}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char **words = NULL;
		assert_int_equal(words_split(cases[i].line, &words), cases[i].result);
		size_t n = 0;
		for (; words != NULL && cases[i].words[n] != NULL; n++) {
			assert_non_null(words[n]);
			assert_string_equal(words[n], cases[i].words[n]);
		}
		assert_true(words == NULL || words[n] == NULL);
		words_free(words);
	}
}

static void only_whole_cpu_flags_count(void **state) {
	assert_true(accel_cpuinfo_has_kvm("flags\t\t: fpu vmx ssse3\n"));
	assert_true(accel_cpuinfo_has_kvm("processor : 0\nflags\t\t: fpu svm\n"));
	assert_true(accel_cpuinfo_has_kvm("flags : svm"));
	assert_false(accel_cpuinfo_has_kvm("flags\t\t: fpu vmx_foo xsvm\n"));
	assert_false(accel_cpuinfo_has_kvm("model name : vmx svm\nflags : fpu\n"));
	assert_false(accel_cpuinfo_has_kvm("flags : fpu\nbugs : vmx\n"));
	assert_false(accel_cpuinfo_has_kvm(""));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_machine_has_the_fixed_part),
		cmocka_unit_test(the_gpu_is_a_vfio_user_device_with_a_long_time_out),
		cmocka_unit_test(every_function_is_a_device_in_a_slot_of_its_own),
		cmocka_unit_test(bios_gets_the_rom_of_its_card),
		cmocka_unit_test(acceleration_follows_the_context),
		cmocka_unit_test(uefi_gets_its_code_read_only_and_its_variables_writable),
		cmocka_unit_test(disks_keep_their_format_and_odd_names),
		cmocka_unit_test(empty_keys_add_nothing),
		cmocka_unit_test(kernel_and_network_are_passed_on),
		cmocka_unit_test(extra_arguments_come_last),
		cmocka_unit_test(words_are_split_as_a_shell_does),
		cmocka_unit_test(only_whole_cpu_flags_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
