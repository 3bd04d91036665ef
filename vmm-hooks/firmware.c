#include "firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refuse.h"

/* Where distributions keep OVMF: both parts as raw images. */
static const struct {
	const char *code, *vars;
} images[] = {
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
};

/* Makes every missing directory above the last '/' of path. */
static int make_parents(char *path) {
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int result = mkdir(path, 0700);
		*slash = '/';
		if (result < 0 && errno != EEXIST) {
			return -errno;
		}
	}
	return 0;
}

static int copy_bytes(int from, int to) {
	char buffer[65536];
	ssize_t n;
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		if (write(to, buffer, (size_t)n) != n) {
			return errno != 0 ? -errno : -ENOSPC;
		}
	}
	return n < 0 ? -errno : 0;
}

/* Never leaves half a file under its own name. */
static int copy_file(const char *from_path, const char *to_path) {
	char *part = NULL;
	if (asprintf(&part, "%s.part", to_path) < 0) {
		return -ENOMEM;
	}
	int from = open(from_path, O_RDONLY | O_CLOEXEC);
	int to = from < 0 ? -1 : open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	errno = to < 0 ? errno : 0;
	int error = to < 0 ? -errno : copy_bytes(from, to);
	if (from >= 0) {
		close(from);
	}
	if (to >= 0 && close(to) < 0 && error == 0) {
		error = -errno;
	}
	if (error == 0 && rename(part, to_path) < 0) {
		error = -errno;
	}
	if (error < 0 && to >= 0) {
		unlink(part);
	}
	free(part);
	return error;
}

static char *vars_path(const char *guest) {
	char *path = NULL;
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int length = -1;
	if (state != NULL && state[0] == '/') {
		length = asprintf(&path, "%s/mullion/%s/OVMF_VARS_4M.fd", state, guest);
	} else if (home != NULL && home[0] == '/') {
		length = asprintf(&path, "%s/.local/state/mullion/%s/OVMF_VARS_4M.fd", home, guest);
	}
	return length < 0 ? NULL : path;
}

int firmware_prepare(const char *guest, const char **ret_code, char **ret_vars, char **ret_reason) {
	size_t i = 0, n = sizeof(images) / sizeof(images[0]);
	while (i < n && (access(images[i].code, R_OK) < 0 || access(images[i].vars, R_OK) < 0)) {
		i++;
	}
	if (i == n) {
		return refuse(ret_reason,
			"no UEFI firmware at %s: install the package ovmf, or set firmware = bios",
			images[0].code);
	}
	char *vars = vars_path(guest);
	if (vars == NULL) {
		return refuse(ret_reason,
			"no place for the firmware's variables: set XDG_STATE_HOME or HOME");
	}
	int error = make_parents(vars);
	if (error == 0 && access(vars, F_OK) < 0) {
		error = copy_file(images[i].vars, vars);
	}
	if (error == 0 && access(vars, R_OK | W_OK) < 0) {
		error = -errno;
	}
	if (error < 0) {
		refuse(ret_reason, "%s, the firmware's variables, cannot be written: %s", vars,
			strerror(-error));
		free(vars);
		return -1;
	}
	*ret_code = images[i].code;
	*ret_vars = vars;
	return 0;
}
