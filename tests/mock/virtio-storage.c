#include "virtio-storage.h"

const struct device_state_resource *virtio_storage_find(struct mock *mock, uint32_t id) {
	const struct device_state_store *store = &mock->host.state_file->store;
	uint32_t epoch = device_host_state(&mock->host)->gpu.epoch;
	for (unsigned i = 0; i < DEVICE_STATE_RESOURCES_MAX; i++) {
		if (store->resources[i].id == id && store->resources[i].epoch == epoch) {
			return &store->resources[i];
		}
	}
	return NULL;
}

const uint32_t *virtio_storage_pixels(struct mock *mock, uint32_t id) {
	const struct device_state_resource *resource = virtio_storage_find(mock, id);
	const struct link_setup *setup = &mock->host.setup;
	if (resource == NULL || resource->storage < setup->aperture_size ||
		resource->storage + UINT64_C(4) * resource->width * resource->height >
			setup->slice_size) {
		return NULL;
	}
	return (const uint32_t *)(mock->host.slice + resource->storage);
}

void virtio_storage_assert(struct mock *mock, struct guest_gpu_picture *picture) {
	const uint32_t *pixels = virtio_storage_pixels(mock, picture->id);
	assert_non_null(pixels);
	for (uint32_t y = 0; y < picture->height; y++) {
		for (uint32_t x = 0; x < picture->width; x++) {
			uint32_t is = pixels[(uint64_t)y * picture->width + x];
			uint32_t ought = *guest_gpu_picture_pixel(picture, x, y);
			if (is != ought) {
				fail_msg("the pixel at %u,%u of resource %u is %#x, not %#x", x, y,
					picture->id, is, ought);
			}
		}
	}
}
