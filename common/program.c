#include "program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *join_if_there(const char *directory, int length, const char *name, int mode) {
	char *path;
	if (asprintf(&path, "%.*s/%s", length, directory, name) < 0) {
		return NULL;
	}
	if (access(path, mode) == 0) {
		return path;
	}
	free(path);
	return NULL;
}

static char *find_beside(const char *name, int mode) {
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length <= 0) {
		return NULL;
	}
	self[length] = '\0';
	return join_if_there(self, (int)(strrchr(self, '/') - self), name, mode);
}

char *program_find(const char *name) {
	char *path = find_beside(name, X_OK);
	if (path == NULL) {
		path = join_if_there(
			MULLION_LIBEXECDIR, sizeof(MULLION_LIBEXECDIR) - 1, name, X_OK);
	}
	const char *directory = getenv("PATH");
	while (path == NULL && directory != NULL && directory[0] != '\0') {
		size_t part = strcspn(directory, ":");
		path = join_if_there(directory, (int)part, name, X_OK);
		directory += part + (directory[part] == ':');
	}
	return path;
}

char *program_find_data(const char *name) {
	char *path = find_beside(name, R_OK);
	return path != NULL
		? path
		: join_if_there(MULLION_DATADIR, sizeof(MULLION_DATADIR) - 1, name, R_OK);
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
