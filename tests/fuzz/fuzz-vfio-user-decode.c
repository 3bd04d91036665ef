#include "fuzz.h"

#include <linux/vfio.h>

#include "fd.h"
#include "vfio-user.h"

/* The decoder alone: a count of descriptors, a header, a body. What passes is as promised. */

static bool inside(const void *pointer, size_t length, const uint8_t *body, size_t size) {
	const uint8_t *start = pointer;
	return start >= body && (size_t)(start - body) <= size &&
		length <= size - (size_t)(start - body);
}

static void check_access(
	const struct vfio_user_access *access, uint32_t max, const uint8_t *body, size_t size) {
	FUZZ_CHECK(access->count >= 1 && access->count <= max);
	FUZZ_CHECK(access->offset + access->count > access->offset);
	FUZZ_CHECK(access->data == NULL || inside(access->data, access->count, body, size));
}

static void check_range(uint64_t address, uint64_t size) {
	FUZZ_CHECK(size != 0 && (address | size) % VFIO_USER_PAGE == 0);
	FUZZ_CHECK(address + (size - 1) >= address);
}

static void check_multi(const struct vfio_user_request *request, const uint8_t *body, size_t size) {
	struct vfio_user_access access;
	FUZZ_CHECK(request->multi.count >= 1 && request->multi.count <= VFIO_USER_MULTI_MAX);
	for (uint32_t i = 0; i < request->multi.count; i++) {
		FUZZ_CHECK(vfio_user_multi_access(request, i, &access));
		check_access(&access, 8, body, size);
	}
	FUZZ_CHECK(!vfio_user_multi_access(request, request->multi.count, &access));
}

static void check_interrupts(const struct vfio_user_interrupts *interrupts, size_t fds,
	const uint8_t *body, size_t size) {
	FUZZ_CHECK(interrupts->start + interrupts->count >= interrupts->start);
	FUZZ_CHECK(__builtin_popcount(interrupts->data) == 1);
	FUZZ_CHECK(__builtin_popcount(interrupts->action) == 1);
	FUZZ_CHECK((interrupts->bools != NULL) == (interrupts->data == VFIO_IRQ_SET_DATA_BOOL));
	FUZZ_CHECK(interrupts->bools == NULL ||
		inside(interrupts->bools, interrupts->count, body, size));
	FUZZ_CHECK(fds == 0 || fds == interrupts->count);
}

static void check(
	const struct vfio_user_request *request, size_t fds, const uint8_t *body, size_t size) {
	switch (request->command) {
	case VFIO_USER_VERSION:
		FUZZ_CHECK(request->version.major == VFIO_USER_MAJOR);
		FUZZ_CHECK(request->version.capabilities.max_msg_fds >= 1);
		FUZZ_CHECK(request->version.capabilities.max_data_xfer_size >= 1);
		break;
	case VFIO_USER_DMA_MAP:
		FUZZ_CHECK(fds <= 1);
		check_range(request->map.address, request->map.size);
		FUZZ_CHECK(request->map.offset + request->map.size <= INT64_MAX);
		break;
	case VFIO_USER_DMA_UNMAP:
		if (request->unmap.flags == 0) {
			check_range(request->unmap.address, request->unmap.size);
		}
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		check_access(&request->access, VFIO_USER_DATA_MAX, body, size);
		FUZZ_CHECK((request->access.data == NULL) ==
			(request->command == VFIO_USER_REGION_READ));
		break;
	case VFIO_USER_REGION_WRITE_MULTI:
		check_multi(request, body, size);
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		check_interrupts(&request->interrupts, fds, body, size);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	size_t fds = fuzz_u8(&input) % (VFIO_USER_FDS_MAX + 2);
	struct vfio_user_header header;
	fuzz_take(&input, &header, sizeof(header));
	if (!vfio_user_header_valid(&header)) {
		struct vfio_user_request unused;
		uint64_t body = 0;
		FUZZ_CHECK(vfio_user_decode(&header, &body, fds, &unused) < 0);
	}
	// The transport decodes what is complete only: the length in the header is right.
	header.size = (uint32_t)(sizeof(header) + input.size);
	uint8_t *body = fuzz_copy(input.data, input.size);
	struct vfio_user_request request;
	memset(&request, 0x5a, sizeof(request));
	struct vfio_user_request before = request;
	if (vfio_user_decode(&header, body, fds, &request) == 0) {
		FUZZ_CHECK(header.size <= VFIO_USER_MESSAGE_MAX && fds <= VFIO_USER_FDS_MAX);
		check(&request, fds, body, input.size);
	} else {
		FUZZ_CHECK(memcmp(&before, &request, sizeof(request)) == 0);
	}
	free(body);
	return 0;
}
