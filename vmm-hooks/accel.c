#include "accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool flags_have_kvm(const char *line, size_t length) {
	const char *end = line + length;
	while (line < end) {
		size_t word = strcspn(line, " \t\n");
		if (word == 3 && (memcmp(line, "vmx", 3) == 0 || memcmp(line, "svm", 3) == 0)) {
			return true;
		}
		line += word + 1;
	}
	return false;
}

bool accel_cpuinfo_has_kvm(const char *cpuinfo) {
	while (*cpuinfo != '\0') {
		size_t length = strcspn(cpuinfo, "\n");
		if (strncmp(cpuinfo, "flags", 5) == 0 && flags_have_kvm(cpuinfo, length)) {
			return true;
		}
		cpuinfo += length + (cpuinfo[length] == '\n');
	}
	return false;
}

/* The first processor's flags are enough, and lie in the first 16 KiB. */
static bool cpu_has_kvm(void) {
	char text[16384] = "";
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	size_t size = 0;
	ssize_t n;
	while ((n = read(fd, text + size, sizeof(text) - 1 - size)) > 0) {
		size += (size_t)n;
	}
	close(fd);
	text[size] = '\0';
	return accel_cpuinfo_has_kvm(text);
}

static int open_kvm(void) {
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return errno == EACCES || errno == EPERM ? -EACCES : -ENODEV;
	}
	close(fd);
	return 0;
}

int accel_choose(enum config_accel accel, bool *ret_kvm) {
	if (accel == CONFIG_ACCEL_TCG) {
		*ret_kvm = false;
		return 0;
	}
	int error = cpu_has_kvm() ? open_kvm() : -ENODEV;
	if (error < 0 && accel == CONFIG_ACCEL_KVM) {
		return error;
	}
	*ret_kvm = error == 0;
	return 0;
}
