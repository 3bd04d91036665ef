#ifndef TESTS_VIRTIO_STORAGE_H
#define TESTS_VIRTIO_STORAGE_H

#include "guest-gpu.h"
#include "mock.h"

/* What the device has of a guest's resources, in its state and in the slice. */

/* The record of one in force, or NULL. */
const struct device_state_resource *virtio_storage_find(struct mock *mock, uint32_t id);

/* Its pixels; NULL where it does not lie in the slice's heap. */
const uint32_t *virtio_storage_pixels(struct mock *mock, uint32_t id);

/* They are those of the picture, byte by byte. */
void virtio_storage_assert(struct mock *mock, struct guest_gpu_picture *picture);

#endif
