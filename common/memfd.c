#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int memfd_allocate(int fd, uint64_t size, int none) {
	if (fallocate(fd, 0, 0, (off_t)size) < 0) {
		return errno == ENOSPC ? -ENOMEM : -errno;
	}
	return 0;
}

int memfd_create_sealed(const char *name, uint64_t size) {
	return memfd_create_sealed_by(name, size, memfd_allocate, -1);
}

int memfd_create_sealed_by(
	const char *name, uint64_t size, memfd_allocate_func allocate, int data) {
	if (size == 0 || size > INT64_MAX) {
		return -EINVAL;
	}
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	int error = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	if (error == 0 && allocate != NULL) {
		error = allocate(fd, size, data);
	}
	if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
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
