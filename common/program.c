#include "program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *join_if_executable(const char *directory, int length, const char *name) {
	char *path;
	if (asprintf(&path, "%.*s/%s", length, directory, name) < 0) {
		return NULL;
	}
	if (access(path, X_OK) == 0) {
		return path;
	}
	free(path);
	return NULL;
}

char *program_find(const char *name) {
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length > 0) {
		self[length] = '\0';
		char *slash = strrchr(self, '/');
		char *path = join_if_executable(self, (int)(slash - self), name);
		if (path != NULL) {
			return path;
		}
	}
	char *path = join_if_executable(MULLION_LIBEXECDIR, sizeof(MULLION_LIBEXECDIR) - 1, name);
	const char *directory = getenv("PATH");
	while (path == NULL && directory != NULL && directory[0] != '\0') {
		size_t part = strcspn(directory, ":");
		path = join_if_executable(directory, (int)part, name);
		directory += part + (directory[part] == ':');
	}
	return path;
}

char *program_runtime_dir(void) {
	char *path = NULL;
	const char *directory = getenv("MULLION_RUNTIME_DIR");
	if (directory != NULL) {
		path = strdup(directory);
	} else if ((directory = getenv("XDG_RUNTIME_DIR")) == NULL || directory[0] == '\0') {
		errno = ENOENT;
		return NULL;
	} else if (asprintf(&path, "%s/mullion", directory) < 0) {
		return NULL;
	}
	if (path != NULL && mkdir(path, 0700) < 0 && errno != EEXIST) {
		int error = errno;
		free(path);
		errno = error;
		return NULL;
	}
	return path;
}
