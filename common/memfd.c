#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int memfd_create_sealed(const char *name, uint64_t size) {
	if (size == 0 || size > INT64_MAX) {
		return -EINVAL;
	}
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	int error = 0;
	if (ftruncate(fd, (off_t)size) < 0) {
		error = -errno;
	} else if (fallocate(fd, 0, 0, (off_t)size) < 0) {
		error = errno == ENOSPC ? -ENOMEM : -errno;
	} else if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		error = -errno;
	}
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

int memfd_check(int fd, uint64_t min_size, uint64_t *ret_size) {
	// Only memfds (and shmem) know seals: this refuses FUSE, disk and device files.
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
		return -EINVAL;
	}
	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		return -EINVAL;
	}
	if ((uint64_t)status.st_size < min_size) {
		return -ERANGE;
	}
	if (ret_size != NULL) {
		*ret_size = (uint64_t)status.st_size;
	}
	return 0;
}
