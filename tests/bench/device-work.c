#include "device-work.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define FORMAT VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define COPY_SIZE (UINT64_C(80) << 20)

#define SMALL_WIDTH 100
#define SMALL_HEIGHT 20
#define SMALL_PAIRS 32 // fills a queue of 64
#define RECTS 16
#define FLIPS 64
#define SCROLL_LINES 16

#define BATCHES 6 // of one measurement
#define NOTIFIES 200
#define CALLS 300

static uint64_t picture_bytes(const struct guest_gpu_picture *picture) {
	return (uint64_t)picture->stride * picture->height;
}

static uint8_t *picture_memory(struct guest_gpu_picture *picture) {
	return virtio_guest_at(picture->guest, picture->address, picture_bytes(picture));
}

bool device_work_init(struct device_work *work, struct vmm *vmm, bool poll) {
	*work = (struct device_work){0};
	const struct virtio_guest_options options = {
		.ram_size = WORK_RAM, .poll = poll, .posted = true};
	work->copy = mmap(NULL, COPY_SIZE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int error = virtio_guest_start(&work->guest, vmm, &options);
	if (error < 0 || work->copy == MAP_FAILED) {
		fprintf(stderr, "the device does not start: %s: %s\n", strerror(-error),
			work->guest.complaint != NULL ? work->guest.complaint : "");
		return false;
	}
	return true;
}

void device_work_finish(struct device_work *work) {
	virtio_guest_finish(&work->guest);
	munmap(work->copy, COPY_SIZE);
}

/* Pictures as a task wants them. The driver begins anew, as its memory is only freed so. */
static bool make_pictures(struct device_work *work, const struct work_task *task) {
	if (work->made.width == task->width && work->made.height == task->height &&
		work->made.scattered == task->scattered) {
		return true;
	}
	work->made = (struct work_task){0};
	if (virtio_guest_drive(&work->guest) < 0) {
		return false;
	}
	for (unsigned i = 0; i < WORK_PICTURES; i++) {
		if (guest_gpu_picture_create(&work->pictures[i], &work->guest, i + 1, FORMAT,
			    task->width, task->height, task->scattered) != OK) {
			return false;
		}
	}
	work->made = *task;
	return true;
}

static bool read_proc(pid_t pid, const char *name, char *ret, size_t size) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return false;
	}
	size_t n = fread(ret, 1, size - 1, file);
	ret[n] = '\0';
	fclose(file);
	return n > 0;
}

/* The kernel's account is only exact while it sleeps. */
static bool await_sleep(pid_t pid) {
	char stat[512];
	for (unsigned i = 0; i < 5000; i++) {
		const char *end =
			read_proc(pid, "stat", stat, sizeof(stat)) ? strrchr(stat, ')') : NULL;
		if (end == NULL) {
			return false;
		}
		if (end[1] == ' ' && end[2] == 'S') {
			return true;
		}
		usleep(100);
	}
	return false;
}

/* us of processor time that the device has taken, or NAN. */
static double spent(const struct device_work *work) {
	char schedstat[128];
	if (!await_sleep(work->pid) ||
		!read_proc(work->pid, "schedstat", schedstat, sizeof(schedstat))) {
		return NAN;
	}
	return (double)strtoull(schedstat, NULL, 10) / 1000;
}

static double own_time(void) {
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1000;
}

void device_work_calibrate(struct device_work *work) {
	double before = spent(work);
	for (unsigned i = 0; i < NOTIFIES; i++) {
		virtio_guest_notify(&work->guest, GUEST_GPU_CURSOR);
	}
	work->notify = (spent(work) - before) / NOTIFIES;
}

/* All at once: one doorbell, and then all answers. Returns false where one is an error. */
static bool run_commands(
	struct device_work *work, const struct guest_gpu_request *requests, unsigned n) {
	for (unsigned i = 0; i < n; i++) {
		if (guest_gpu_submit(&work->guest, GUEST_GPU_CONTROL, &requests[i]) < 0) {
			return false;
		}
	}
	if (virtio_guest_kick(&work->guest, GUEST_GPU_CONTROL) < 0) {
		return false;
	}
	bool good = true;
	for (unsigned i = 0; i < n; i++) {
		struct virtio_guest_response response;
		struct virtio_gpu_ctrl_hdr answer;
		if (virtio_guest_wait(&work->guest, GUEST_GPU_CONTROL, &response) < 0) {
			return false;
		}
		int type = guest_gpu_answer(&response, &answer);
		good = good && (type == OK || type == VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	}
	return good;
}

/* Likewise. Returns us of processor time, or NAN. */
static double run_batch(
	struct device_work *work, const struct guest_gpu_request *requests, unsigned n) {
	double before = spent(work);
	return run_commands(work, requests, n) ? spent(work) - before - work->notify : NAN;
}

/* In batches of depth. Returns us of all. */
static double run_all(struct device_work *work, const struct guest_gpu_request *requests,
	unsigned n, unsigned depth) {
	double usec = 0;
	for (unsigned i = 0; i < n; i += depth) {
		usec += run_batch(work, &requests[i], n - i < depth ? n - i : depth);
	}
	return usec;
}

static void redraw(struct device_work *work, unsigned frames) {
	for (unsigned i = 0; i < frames; i++) {
		work->colour++;
		memset(picture_memory(&work->pictures[i]), work->colour,
			picture_bytes(&work->pictures[i]));
	}
}

static void scroll(struct guest_gpu_picture *picture, uint8_t colour) {
	uint8_t *pixels = picture_memory(picture);
	uint64_t lines = (uint64_t)SCROLL_LINES * picture->stride;
	memmove(pixels, pixels + lines, picture_bytes(picture) - lines);
	for (uint64_t i = picture_bytes(picture) - lines; i < picture_bytes(picture); i++) {
		pixels[i] = (uint8_t)(i * 7 + i / 977 + colour);
	}
}

static struct guest_gpu_rect small_rect(const struct guest_gpu_picture *picture, unsigned i) {
	return (struct guest_gpu_rect){
		.x = i * 331 % (picture->width - SMALL_WIDTH),
		.y = i * 211 % (picture->height - SMALL_HEIGHT),
		.width = SMALL_WIDTH,
		.height = SMALL_HEIGHT,
	};
}

static void draw_small(struct device_work *work, unsigned n) {
	work->colour++;
	for (unsigned i = 0; i < n; i++) {
		guest_gpu_picture_fill(&work->pictures[0], small_rect(&work->pictures[0], i),
			work->colour * 0x01010101u + i);
	}
}

static void prepare(struct device_work *work, enum work_kind kind, unsigned frames) {
	switch (kind) {
	case WORK_FULL:
	case WORK_MEMCPY:
		redraw(work, frames);
		break;
	case WORK_SCROLL:
		for (unsigned i = 0; i < frames; i++) {
			scroll(&work->pictures[i], ++work->colour);
		}
		break;
	case WORK_RECTS:
		draw_small(work, RECTS);
		break;
	default:
		break;
	}
}

/* us of a frame. */
static double run_frames(struct device_work *work, const struct work_task *task) {
	unsigned frames = task->kind == WORK_RECTS || task->depth < 2 ? 1 : task->depth / 2;
	struct guest_gpu_request requests[2 * WORK_PICTURES];
	for (unsigned i = 0; i < frames; i++) {
		struct guest_gpu_picture *picture = &work->pictures[i];
		struct guest_gpu_rect all = guest_gpu_picture_rect(picture);
		requests[2 * i] = guest_gpu_picture_transfer(picture, all);
		requests[2 * i + 1] = guest_gpu_flush(picture->id, all);
	}
	double usec = 0;
	for (unsigned i = 0; i < BATCHES; i++) {
		prepare(work, task->kind, frames);
		usec += run_all(work, requests, 2 * frames, task->depth);
	}
	return usec / (BATCHES * frames);
}

static double run_small(struct device_work *work) {
	struct guest_gpu_picture *picture = &work->pictures[0];
	struct guest_gpu_request requests[2 * SMALL_PAIRS];
	for (unsigned i = 0; i < SMALL_PAIRS; i++) {
		struct guest_gpu_rect rect = small_rect(picture, i);
		requests[2 * i] = guest_gpu_picture_transfer(picture, rect);
		requests[2 * i + 1] = guest_gpu_flush(picture->id, rect);
	}
	double usec = 0;
	for (unsigned i = 0; i < 8 * BATCHES; i++) {
		draw_small(work, SMALL_PAIRS);
		usec += run_batch(work, requests, 2 * SMALL_PAIRS);
	}
	return 8 * BATCHES * SMALL_PAIRS / usec * 1000;
}

static double run_flips(struct device_work *work) {
	struct guest_gpu_request requests[FLIPS];
	for (unsigned i = 0; i < FLIPS; i++) {
		struct guest_gpu_picture *picture = &work->pictures[i % 2];
		requests[i] =
			guest_gpu_set_scanout(0, picture->id, guest_gpu_picture_rect(picture));
	}
	double usec = 0;
	for (unsigned i = 0; i < BATCHES; i++) {
		usec += run_batch(work, requests, FLIPS);
	}
	struct guest_gpu_request off = guest_gpu_set_scanout(0, 0, (struct guest_gpu_rect){0});
	usec += run_batch(work, &off, 1);
	return usec / (BATCHES * FLIPS + 1);
}

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double run_queries(struct device_work *work) {
	double usec[CALLS];
	struct guest_gpu_request query = guest_gpu_bare(
		VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(struct virtio_gpu_resp_display_info));
	for (unsigned i = 0; i < CALLS; i++) {
		uint64_t start = clock_nsec();
		if (!run_commands(work, &query, 1)) {
			return NAN;
		}
		usec[i] = (double)(clock_nsec() - start) / 1000;
	}
	qsort(usec, CALLS, sizeof(usec[0]), compare);
	return usec[CALLS / 2];
}

static void move_to(int processor) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Where the device is: what was drawn lies in the caches of the other processor. */
static double run_memory(struct device_work *work, const struct work_task *task) {
	unsigned frames = task->depth < 2 ? 1 : task->depth / 2;
	uint64_t size = picture_bytes(&work->pictures[0]);
	double usec = 0;
	for (unsigned i = 0; i < BATCHES; i++) {
		prepare(work, task->kind, frames);
		move_to(WORK_DEVICE_PROCESSOR);
		double start = own_time();
		for (unsigned n = 0; n < frames; n++) {
			uint8_t *frame = picture_memory(&work->pictures[n]);
			if (task->kind == WORK_MEMCPY) {
				memcpy(work->copy + n * size, frame, size);
			} else if (memcmp(work->copy + n * size, frame, size) != 0) {
				memcpy(work->copy + n * size, frame, size);
			}
			__asm__ volatile("" : : "r"(work->copy) : "memory");
		}
		usec += own_time() - start;
		move_to(WORK_DRIVER_PROCESSOR);
	}
	return usec / (BATCHES * frames);
}

double device_work_run(struct device_work *work, const struct work_task *task) {
	if (!make_pictures(work, task)) {
		fprintf(stderr, "the device refuses the pictures\n");
		return NAN;
	}
	switch (task->kind) {
	case WORK_SMALL:
		return run_small(work);
	case WORK_FLIP:
		return run_flips(work);
	case WORK_QUERY:
		return run_queries(work);
	case WORK_MEMCPY:
	case WORK_MEMCMP:
		return run_memory(work, task);
	default:
		return run_frames(work, task);
	}
}
