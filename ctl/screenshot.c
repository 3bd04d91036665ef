#include "screenshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cairo.h>

#include "checked.h"
#include "memfd.h"

/* Bytes from the first pixel to the last; false where the numbers make no picture. */
static bool picture_size(const struct picture *picture, uint64_t *ret) {
	uint64_t size;
	if (picture->width < 1 || picture->width > PICTURE_MAX_SIZE || picture->height < 1 ||
		picture->height > PICTURE_MAX_SIZE || picture->stride < picture->width * 4 ||
		picture->stride % 4 != 0 || picture->stride > INT32_MAX) {
		return false;
	}
	return checked_mul(picture->stride, picture->height, &size) && size <= SIZE_MAX &&
		(*ret = size, true);
}

static cairo_status_t write_bytes(void *data, const unsigned char *bytes, unsigned length) {
	return fwrite(bytes, 1, length, data) == length ? CAIRO_STATUS_SUCCESS
							: CAIRO_STATUS_WRITE_ERROR;
}

static bool encode(const struct picture *picture, void *pixels, FILE *out) {
	// RGB24 leaves the fourth byte out of it: the PNG has no alpha.
	cairo_surface_t *surface = cairo_image_surface_create_for_data(pixels, CAIRO_FORMAT_RGB24,
		(int)picture->width, (int)picture->height, (int)picture->stride);
	cairo_status_t status = cairo_surface_write_to_png_stream(surface, write_bytes, out);
	cairo_surface_destroy(surface);
	return status == CAIRO_STATUS_SUCCESS;
}

/* Writes to a file beside the wanted one, which then takes its name. */
static const char *write_beside(const struct picture *picture, void *pixels, const char *file) {
	char *beside;
	if (asprintf(&beside, "%s.XXXXXX", file) < 0) {
		return strerror(ENOMEM);
	}
	const char *error = NULL;
	int fd = mkostemp(beside, O_CLOEXEC);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (out == NULL) {
		error = strerror(errno);
		if (fd >= 0) {
			close(fd);
		}
	} else {
		mode_t mask = umask(0);
		umask(mask);
		errno = 0;
		bool ok = encode(picture, pixels, out) && fchmod(fd, 0666 & ~mask) == 0;
		ok = fclose(out) == 0 && ok && rename(beside, file) == 0;
		error = ok ? NULL : strerror(errno != 0 ? errno : EIO);
	}
	if (error != NULL && fd >= 0) {
		unlink(beside);
	}
	free(beside);
	return error;
}

const char *picture_write_png(const struct picture *picture, const char *file) {
	uint64_t size;
	if (picture->fd < 0) {
		return "mullion sent no picture";
	}
	if (!picture_size(picture, &size)) {
		return "mullion sent a picture of an impossible size";
	}
	if (memfd_check(picture->fd, size, NULL) < 0) {
		return "mullion sent a picture that is not as large as it says, or not sealed";
	}
	void *pixels = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, picture->fd, 0);
	if (pixels == MAP_FAILED) {
		return strerror(errno);
	}
	const char *error = write_beside(picture, pixels, file);
	munmap(pixels, (size_t)size);
	return error;
}
