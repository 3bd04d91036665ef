#include "qemu-args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-json.h>

#include "words.h"

/* Longer than the default, so that a device that is restarted or debugged is not lost. */
#define MESSAGE_TIMEOUT_MS 20000

/* The GPU's; the other functions follow. Fixed, and past the slots that QEMU gives to other
 * devices: those never move them. */
#define GPU_SLOT 0x10

/* A growing argument vector; the first error sticks. */
struct args {
	char **words; // owned, NULL-terminated
	size_t len;
	int error;
};

/* Takes the word over. */
static void args_take(struct args *args, char *word) {
	char **words =
		word != NULL ? reallocarray(args->words, args->len + 2, sizeof(char *)) : NULL;
	if (words == NULL) {
		args->error = -ENOMEM;
		free(word);
		return;
	}
	args->words = words;
	words[args->len++] = word;
	words[args->len] = NULL;
}

static void __attribute__((format(printf, 3, 4))) args_add(
	struct args *args, const char *option, const char *format, ...) {
	args_take(args, strdup(option));
	char *value = NULL;
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&value, format, ap) < 0) {
		value = NULL;
	}
	va_end(ap);
	args_take(args, value);
}

/* JSON where a value may hold a comma, which QEMU's plain syntax would split at. */
static void args_add_json(struct args *args, const char *option, sd_json_variant *json) {
	char *value = NULL;
	if (json == NULL || sd_json_variant_format(json, 0, &value) < 0) {
		value = NULL;
	}
	args_take(args, strdup(option));
	args_take(args, value);
	sd_json_variant_unref(json);
}

static bool is_set(const char *string) {
	return string != NULL && string[0] != '\0';
}

static void add_blockdev(
	struct args *args, const char *node, const char *driver, const char *path, bool read_only) {
	sd_json_variant *json = NULL;
	sd_json_buildo(&json, SD_JSON_BUILD_PAIR_STRING("driver", driver),
		SD_JSON_BUILD_PAIR_STRING("node-name", node),
		SD_JSON_BUILD_PAIR_BOOLEAN("read-only", read_only),
		SD_JSON_BUILD_PAIR_CONDITION(!read_only, "discard", SD_JSON_BUILD_STRING("unmap")),
		SD_JSON_BUILD_PAIR_OBJECT("file", SD_JSON_BUILD_PAIR_STRING("driver", "file"),
			SD_JSON_BUILD_PAIR_STRING("filename", path)));
	args_add_json(args, "-blockdev", json);
}

static void add_machine(
	struct args *args, const struct config_guest *guest, const struct qemu_context *context) {
	args_add(args, "-name", "%s", guest->name);
	bool uefi = context->firmware_code != NULL;
	if (uefi) {
		add_blockdev(args, "firmware-code", "raw", context->firmware_code, true);
		add_blockdev(args, "firmware-vars", "raw", context->firmware_vars, false);
	}
	// No VMware mouse: a Linux guest would prefer it, and with it lose relative motion.
	args_add(args, "-machine", "q35,memory-backend=mem,vmport=off%s",
		uefi ? ",pflash0=firmware-code,pflash1=firmware-vars" : "");
	args_add(args, "-object", "memory-backend-memfd,id=mem,size=%" PRIu64 ",share=on",
		guest->memory);
	args_add(args, "-m", "%" PRIu64 "M", guest->memory >> 20);
	args_add(args, "-smp", "%" PRIu32, guest->cpus);
	if (context->kvm) {
		args_add(args, "-accel", "kvm");
		args_add(args, "-cpu", "host");
	} else {
		args_add(args, "-accel", "tcg%s", guest->cpus > 1 ? ",thread=multi" : "");
		// 5-level paging only slows emulation down.
		args_add(args, "-cpu", "max,la57=off");
	}
}

static void add_storage(
	struct args *args, const struct config_guest *guest, const struct qemu_context *context) {
	// 0 is the kernel's, where there is one.
	if (is_set(guest->disk)) {
		add_blockdev(args, "disk", context->disk_format, guest->disk, false);
		args_add(args, "-device", "virtio-blk-pci,drive=disk,bootindex=1");
	}
	if (is_set(guest->cdrom)) {
		add_blockdev(args, "cdrom", "raw", guest->cdrom, true);
		args_add(args, "-device", "ide-cd,drive=cdrom,bootindex=2");
	}
	if (is_set(guest->kernel)) {
		args_add(args, "-kernel", "%s", guest->kernel);
	}
	if (is_set(guest->initrd)) {
		args_add(args, "-initrd", "%s", guest->initrd);
	}
	if (is_set(guest->append)) {
		args_add(args, "-append", "%s", guest->append);
	}
}

/* SeaBIOS draws through the card's option ROM; UEFI has its own drivers. */
static const char *option_rom(
	const struct config_guest *guest, const struct qemu_context *context) {
	if (context->firmware_code != NULL) {
		return NULL;
	}
	return guest->personality == CONFIG_PERSONALITY_BOCHS ? "vgabios-bochs-display.bin"
							      : context->option_rom;
}

static void add_function(
	struct args *args, enum link_function function, const char *socket, const char *rom) {
	char slot[16];
	sd_json_variant *json = NULL;
	snprintf(slot, sizeof(slot), "0x%x", GPU_SLOT + function);
	sd_json_buildo(&json, SD_JSON_BUILD_PAIR_STRING("driver", "vfio-user-pci"),
		SD_JSON_BUILD_PAIR_STRING("id", link_function_name(function)),
		SD_JSON_BUILD_PAIR_STRING("bus", "pcie.0"), SD_JSON_BUILD_PAIR_STRING("addr", slot),
		SD_JSON_BUILD_PAIR_OBJECT("socket", SD_JSON_BUILD_PAIR_STRING("type", "unix"),
			SD_JSON_BUILD_PAIR_STRING("path", socket)),
		SD_JSON_BUILD_PAIR_UNSIGNED("x-msg-timeout", MESSAGE_TIMEOUT_MS),
		SD_JSON_BUILD_PAIR_CONDITION(rom != NULL, "romfile", SD_JSON_BUILD_STRING(rom)));
	args_add_json(args, "-device", json);
}

static void add_devices(
	struct args *args, const struct config_guest *guest, const struct qemu_context *context) {
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		if (context->sockets[i] != NULL) {
			add_function(args, i, context->sockets[i],
				i == LINK_FUNCTION_GPU ? option_rom(guest, context) : NULL);
		}
	}
	// Keys go to q35's PS/2 keyboard, which firmware and every kernel know. A USB
	// keyboard would take them all, also where the guest has no driver for it.
	args_add(args, "-device", "qemu-xhci,id=usb");
	args_add(args, "-device", "usb-tablet,bus=usb.0");
	if (guest->network == CONFIG_NETWORK_USER) {
		args_add(args, "-netdev", "user,id=net");
		args_add(args, "-device", "virtio-net-pci,netdev=net,romfile=");
	}
}

/* The words of the guest's own arguments move over. */
static void add_extra(struct args *args, const char *extra) {
	char **words;
	if (!is_set(extra)) {
		return;
	}
	int error = words_split(extra, &words);
	if (error < 0) {
		args->error = error;
		return;
	}
	for (size_t i = 0; words[i] != NULL; i++) {
		args_take(args, words[i]);
	}
	free(words);
}

int qemu_args_build(
	const struct config_guest *guest, const struct qemu_context *context, char ***ret_argv) {
	struct args args = {0};
	args_take(&args, strdup(guest->qemu));
	args_take(&args, strdup("-nodefaults"));
	args_take(&args, strdup("-no-user-config"));
	args_add(&args, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	args_add(&args, "-display", "none");
	args_add(&args, "-vga", "none");
	args_add(&args, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off", context->qmp_fd);
	args_add(&args, "-qmp", "chardev:qmp");
	add_machine(&args, guest, context);
	add_storage(&args, guest, context);
	add_devices(&args, guest, context);
	add_extra(&args, guest->extra);
	if (args.error < 0) {
		words_free(args.words);
		return args.error;
	}
	*ret_argv = args.words;
	return 0;
}
