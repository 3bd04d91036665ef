#include "slice.h"

#include <errno.h>
#include <sys/mman.h>

#include "checked.h"
#include "fd.h"
#include "memfd.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

/*
 * Maps the slice where large pages can back it, and asks for them: it is read once a frame,
 * and a quarter of that time goes into looking up small pages. They are the memfd's, so that
 * its other mappings may gain too. Where the kernel has none left, or does not know the
 * request, small ones stay. NULL with errno set where it cannot be mapped.
 */
static uint8_t *map_slice(int fd, uint64_t limit, uint64_t aperture) {
	uint64_t reserved;
	if (!checked_add(limit, HUGE_PAGE, &reserved)) {
		errno = ENOMEM;
		return NULL;
	}
	uint8_t *space = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (space == MAP_FAILED) {
		return NULL;
	}
	uint64_t before = -(uintptr_t)space % HUGE_PAGE;
	uint8_t *map =
		mmap(space + before, limit, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (map == MAP_FAILED) {
		munmap(space, reserved);
		return NULL;
	}
	uint64_t end = (before + limit + 4095) & ~UINT64_C(4095);
	if (before > 0) {
		munmap(space, before);
	}
	if (end < reserved) {
		munmap(space + end, reserved - end);
	}
	madvise(map, aperture, MADV_COLLAPSE);
	return map;
}

int slice_init(struct slice *slice, int fd, uint64_t base, uint64_t limit, uint64_t aperture) {
	*slice = (struct slice){.base = base, .limit = limit, .aperture = aperture, .fd = fd};
	uint64_t end;
	int error = aperture > limit || limit == 0 || !checked_add(base, limit, &end) ? -EINVAL : 0;
	if (error == 0) {
		error = memfd_check(fd, limit, NULL);
	}
	if (error == 0) {
		slice->map = map_slice(fd, limit, aperture);
		if (slice->map != NULL) {
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
