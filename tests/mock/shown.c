#include "shown.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "recorded.h"

int shown_start(void **state, const struct virtio_guest_options *driver, int patience) {
	struct shown *shown = calloc(1, sizeof(*shown));
	*state = shown;
	shown->mock.vmm.fd = -1;
	shown->patience = patience;
	const struct device_options options = {
		.slice_size = 32 << 20,
		.aperture_size = 16 << 20,
		.personality = LINK_PERSONALITY_VIRTIO_VGA,
	};
	int fd;
	shown->recorder = recorder_create(0, &fd);
	if (shown->recorder == NULL || device_host_start(&shown->mock.host, &options) < 0) {
		return -1;
	}
	int error = device_host_display(&shown->mock.host, fd);
	close(fd);
	if (error == 0) {
		error = vmm_open(&shown->mock.vmm, shown->mock.host.paths[0]);
	}
	return error == 0 ? virtio_guest_start(&shown->guest, &shown->mock.vmm, driver) : error;
}

int shown_end(void **state) {
	struct shown *shown = *state;
	virtio_guest_finish(&shown->guest);
	recorded_end(&shown->mock, shown->recorder);
	free(shown);
	return 0;
}

void shown_send(struct shown *shown, unsigned queue, struct guest_gpu_request request) {
	assert_true(guest_gpu_submit(&shown->guest, queue, &request) >= 0);
	assert_int_equal(virtio_guest_kick(&shown->guest, queue), 0);
}

int shown_await(struct shown *shown, unsigned queue) {
	uint64_t end = clock_usec() + (uint64_t)shown->patience * USEC_PER_MSEC;
	struct virtio_guest_response response;
	struct virtio_gpu_ctrl_hdr hdr;
	int taken;
	while ((taken = virtio_guest_take(&shown->guest, queue, &response)) == 0 &&
		clock_usec() < end) {
		recorder_run(shown->recorder, 1);
	}
	return taken == 1 ? guest_gpu_answer(&response, &hdr) : -1;
}

int shown_call(struct shown *shown, struct guest_gpu_request request) {
	shown_send(shown, GUEST_GPU_CONTROL, request);
	return shown_await(shown, GUEST_GPU_CONTROL);
}

void shown_draw(struct guest_gpu_picture *picture) {
	for (uint32_t y = 0; y < picture->height; y++) {
		for (uint32_t x = 0; x < picture->width; x++) {
			*guest_gpu_picture_pixel(picture, x, y) = (x * 7 & 0xff) << 16 |
				(y * 13 & 0xff) << 8 | ((x ^ y ^ picture->id * 31) & 0xff);
		}
	}
}

bool shown_is(struct recorder *recorder, void *data) {
	struct guest_gpu_picture *picture = data;
	if (recorder->width != picture->width || recorder->height != picture->height) {
		return false;
	}
	for (uint32_t y = 0; y < recorder->height; y++) {
		for (uint32_t x = 0; x < recorder->width; x++) {
			uint32_t pixel = *guest_gpu_picture_pixel(picture, x, y) & 0xffffff;
			if (recorder_pixel(recorder, x, y) != pixel) {
				return false;
			}
		}
	}
	return true;
}

void shown_assert(struct shown *shown, struct guest_gpu_picture *picture) {
	if (!recorder_wait(shown->recorder, shown_is, picture, shown->patience)) {
		fail_msg("resource %u is not shown", picture->id);
	}
}
