#include "qemu-check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel.h"
#include "firmware.h"
#include "program.h"
#include "refuse.h"

#define OPTION_ROM "vgabios-virtio-vga.bin"

static bool is_set(const char *string) {
	return string != NULL && string[0] != '\0';
}

/* Where a shell would find it; NULL where it would not. */
static char *find_in_path(const char *name) {
	if (strchr(name, '/') != NULL) {
		return access(name, X_OK) == 0 ? strdup(name) : NULL;
	}
	const char *directory = getenv("PATH");
	while (directory != NULL && directory[0] != '\0') {
		size_t length = strcspn(directory, ":");
		char *path;
		if (asprintf(&path, "%.*s/%s", (int)length, directory, name) < 0) {
			return NULL;
		}
		if (access(path, X_OK) == 0) {
			return path;
		}
		free(path);
		directory += length + (directory[length] == ':');
	}
	return NULL;
}

/* Opens what the guest's file names, or refuses. Returns a descriptor or -1. */
static int open_file(const struct config_guest *guest, const char *key, const char *path, int flags,
	char **ret_reason) {
	struct stat status;
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return refuse(ret_reason, "%s %s: %s: mend '%s' in %s", key, path, strerror(errno),
			key, guest->file);
	}
	if (fstat(fd, &status) < 0 || (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))) {
		close(fd);
		return refuse(ret_reason,
			"%s %s: neither a file nor a block device: mend '%s' in %s", key, path, key,
			guest->file);
	}
	return fd;
}

static int check_disk(
	const struct config_guest *guest, const char **ret_format, char **ret_reason) {
	static const char qcow2_magic[] = {'Q', 'F', 'I', '\xfb'};
	char magic[sizeof(qcow2_magic)];
	*ret_format = "raw";
	if (!is_set(guest->disk)) {
		return 0;
	}
	int fd = open_file(guest, "disk", guest->disk, O_RDWR, ret_reason);
	if (fd < 0) {
		return -1;
	}
	if (pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
		memcmp(magic, qcow2_magic, sizeof(magic)) == 0) {
		*ret_format = "qcow2";
	}
	close(fd);
	return 0;
}

static int check_readable(
	const struct config_guest *guest, const char *key, const char *path, char **ret_reason) {
	if (!is_set(path)) {
		return 0;
	}
	int fd = open_file(guest, key, path, O_RDONLY, ret_reason);
	if (fd < 0) {
		return -1;
	}
	close(fd);
	return 0;
}

/* Bytes that can be had without swapping; UINT64_MAX where the kernel does not tell. */
static uint64_t memory_available(void) {
	uint64_t kib, bytes = UINT64_MAX;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1) {
			bytes = kib * 1024;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return bytes;
}

static int check_memory(const struct config_guest *guest, char **ret_reason) {
	uint64_t available = memory_available();
	if (guest->memory <= available) {
		return 0;
	}
	return refuse(ret_reason,
		"%" PRIu64 " MiB of memory are needed, %" PRIu64
		" MiB are free: end something, or lower 'memory' in %s",
		guest->memory >> 20, available >> 20, guest->file);
}

static int check_accel(const struct config_guest *guest, bool *ret_kvm, char **ret_reason) {
	switch (accel_choose(guest->accel, ret_kvm)) {
	case 0:
		return 0;
	case -EACCES:
		return refuse(ret_reason,
			"no permission for /dev/kvm: join the group kvm, or set accel = auto in %s",
			guest->file);
	default:
		return refuse(ret_reason,
			"no KVM here (neither vmx nor svm, or no /dev/kvm): set accel = auto in %s",
			guest->file);
	}
}

/* QEMU has the bochs display's; virtio-gpu alone has none, and shows nothing yet. */
static int check_option_rom(const struct config_guest *guest, char **ret, char **ret_reason) {
	if (guest->personality != CONFIG_PERSONALITY_VIRTIO_VGA) {
		return 0;
	}
	*ret = program_find_data(OPTION_ROM);
	if (*ret == NULL) {
		return refuse(ret_reason,
			"no " OPTION_ROM
			", through which BIOS draws: build mullion where SeaBIOS is "
			"installed, or set firmware = uefi or personality = bochs in %s",
			guest->file);
	}
	return 0;
}

static int check_all(
	const struct config_guest *guest, struct qemu_needs *needs, char **ret_reason) {
	needs->program = find_in_path(guest->qemu);
	if (needs->program == NULL) {
		return refuse(ret_reason,
			"no QEMU '%s': install qemu-system-x86 10.1 or newer, or mend 'qemu' in %s",
			guest->qemu, guest->file);
	}
	if (check_disk(guest, &needs->disk_format, ret_reason) < 0 ||
		check_readable(guest, "cdrom", guest->cdrom, ret_reason) < 0 ||
		check_readable(guest, "kernel", guest->kernel, ret_reason) < 0 ||
		check_readable(guest, "initrd", guest->initrd, ret_reason) < 0 ||
		check_accel(guest, &needs->kvm, ret_reason) < 0 ||
		check_memory(guest, ret_reason) < 0) {
		return -1;
	}
	if (guest->firmware == CONFIG_FIRMWARE_BIOS) {
		return check_option_rom(guest, &needs->option_rom, ret_reason);
	}
	return firmware_prepare(
		guest->name, &needs->firmware_code, &needs->firmware_vars, ret_reason);
}

int qemu_check(const struct config_guest *guest, struct qemu_needs *ret, char **ret_reason) {
	struct qemu_needs needs = {0};
	if (check_all(guest, &needs, ret_reason) < 0) {
		qemu_needs_finish(&needs);
		return -1;
	}
	*ret = needs;
	return 0;
}

void qemu_needs_finish(struct qemu_needs *needs) {
	free(needs->program);
	free(needs->firmware_vars);
	free(needs->option_rom);
	*needs = (struct qemu_needs){0};
}
