/* A root of its own in memory, which has nothing of the host but what is named. */
#include "sandbox-layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"

/* Only folders, links and mount points lie in it. */
#define ROOT_SIZE "256k"
#define ROOT_INODES "1024"

static int make_tmpfs(void) {
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0) {
		return -errno;
	}
	int root = -1;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "size", ROOT_SIZE, 0) == 0 &&
		fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", ROOT_INODES, 0) == 0 &&
		fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0 &&
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
		root = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	}
	int error = -errno;
	fd_close(fs);
	return root < 0 ? error : root;
}

/* Makes the folders above a place in the new root. Returns a descriptor of the last. */
static int open_parent(int root, const char *path, const char **ret_name) {
	char name[NAME_MAX + 1];
	int folder = fcntl(root, F_DUPFD_CLOEXEC, 0);
	while (folder >= 0) {
		path += strspn(path, "/");
		size_t length = strcspn(path, "/");
		if (path[length] == '\0' || length >= sizeof(name)) {
			break;
		}
		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		mkdirat(folder, name, 0755);
		int next = openat(folder, name, O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC);
		int error = errno;
		fd_close(folder);
		errno = error;
		folder = next;
		path += length;
	}
	*ret_name = path;
	return folder < 0 ? -errno : folder;
}

/* A place to mount on, of the kind of the source. */
static int make_place(int parent, const char *name, int source) {
	struct stat status;
	if (faccessat(parent, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		return 0; // within a folder that is shown already
	}
	if (fstat(source, &status) < 0) {
		return -errno;
	}
	if (S_ISDIR(status.st_mode)) {
		return mkdirat(parent, name, 0755) < 0 ? -errno : 0;
	}
	int fd = openat(parent, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		return -errno;
	}
	fd_close(fd);
	return 0;
}

static int attach(int root, const struct sandbox_path *path, int tree) {
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID};
	const char *name;
	if (path->access != SANDBOX_NODE) {
		// A block device as a disk is one of the paths that are written.
		attributes.attr_set |=
			path->access == SANDBOX_READ ? MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV : 0;
	}
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) <
		0) {
		return -errno;
	}
	int parent = open_parent(root, path->path, &name);
	if (parent < 0) {
		return parent;
	}
	int error = make_place(parent, name, tree);
	if (error == 0 && move_mount(tree, "", parent, name, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		error = -errno;
	}
	fd_close(parent);
	return error;
}

/* A link, as /lib is on a merged system, stays one: what it names is a path of its own. */
static int copy_link(int root, const char *path) {
	char target[PATH_MAX];
	const char *name;
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0) {
		return -errno;
	}
	target[length] = '\0';
	int parent = open_parent(root, path, &name);
	if (parent < 0) {
		return parent;
	}
	int error = symlinkat(target, parent, name) < 0 && errno != EEXIST ? -errno : 0;
	fd_close(parent);
	return error;
}

static bool is_top_level_link(const char *path) {
	struct stat status;
	return strchr(path + 1, '/') == NULL && lstat(path, &status) == 0 &&
		S_ISLNK(status.st_mode);
}

/* The host is still where it was: a mount over "/" changes no look-up that begins there. */
static int add_path(int root, const struct sandbox_path *path) {
	if (is_top_level_link(path->path)) {
		return copy_link(root, path->path);
	}
	int tree = open_tree(AT_FDCWD, path->path,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT);
	if (tree < 0) {
		return (errno == ENOENT || errno == ENOTDIR) && path->optional ? 0 : -errno;
	}
	int error = attach(root, path, tree);
	fd_close(tree);
	return error;
}

static int add_paths(int root, const struct sandbox *sandbox, const char **ret_path) {
	for (size_t i = 0; i < sandbox->paths_len; i++) {
		int error = add_path(root, &sandbox->paths[i]);
		if (error < 0) {
			*ret_path = sandbox->paths[i].path;
			return error;
		}
	}
	return 0;
}

/* Makes it the root, and lets the old one go. */
static int enter(int root) {
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	if (mount_setattr(root, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0 ||
		fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
		return -errno;
	}
	return 0;
}

static int check_empty(void) {
	int error = 0;
	DIR *directory = opendir("/");
	if (directory == NULL) {
		return -errno;
	}
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			error = -ENOTEMPTY;
		}
	}
	closedir(directory);
	return error;
}

int sandbox_make_root(const struct sandbox *sandbox, const char **ret_path) {
	*ret_path = NULL;
	// Nothing that is mounted here is seen outside, nor the other way round.
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return -errno;
	}
	int root = make_tmpfs();
	if (root < 0) {
		return root;
	}
	int error = 0;
	if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		error = -errno;
	}
	if (error == 0 && sandbox != NULL) {
		error = add_paths(root, sandbox, ret_path);
	}
	if (error == 0) {
		error = enter(root);
	}
	fd_close(root);
	return error == 0 && sandbox == NULL ? check_empty() : error;
}
