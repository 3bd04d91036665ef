#include "slice.h"

#include <errno.h>
#include <sys/mman.h>

#include "checked.h"
#include "fd.h"
#include "memfd.h"

int slice_init(struct slice *slice, int fd, uint64_t base, uint64_t limit, uint64_t aperture) {
	*slice = (struct slice){.base = base, .limit = limit, .aperture = aperture, .fd = fd};
	uint64_t end;
	int error = aperture > limit || limit == 0 || !checked_add(base, limit, &end) ? -EINVAL : 0;
	if (error == 0) {
		error = memfd_check(fd, limit, NULL);
	}
	if (error == 0) {
		void *map = mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED) {
			slice->map = map;
			return 0;
		}
		error = -errno;
	}
	slice_finish(slice);
	return error;
}

void slice_finish(struct slice *slice) {
	if (slice->map != NULL) {
		munmap(slice->map, slice->limit);
		slice->map = NULL;
	}
	slice->fd = fd_close(slice->fd);
}

void *slice_range(const struct slice *slice, uint64_t offset, uint64_t length) {
	if (slice->map == NULL || !checked_range(offset, length, slice->limit)) {
		return NULL;
	}
	return slice->map + offset;
}
