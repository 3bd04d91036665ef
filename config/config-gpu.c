/* How a guest's slice is divided into aperture and heap, and whether that is enough. */
#include "config-check.h"

#define MIB (UINT64_C(1) << 20)
#define PAGE UINT64_C(4096)
#define APERTURE_MIN MIB
#define APERTURE_MAX (256 * MIB)
#define APERTURE_USUAL (16 * MIB) // the modes of firmware, up to 2560x1600
#define FRAMES_PER_HEAD 2         // one that is shown, one that is drawn
#define FOLLOW_WIDTH 1024
#define FOLLOW_HEIGHT 768

static const struct config_key *gpu_key(const char *name) {
	uint32_t index;
	return config_key_find(CONFIG_SCOPE_GUEST, "gpu", name, &index);
}

static bool is_bad(const struct config_marks *marks, const char *name) {
	return marks->of[gpu_key(name) - config_keys][0].bad;
}

/* Of the keys that together make a mistake, the first that the file has, so that the error has
 * a line. */
static const struct config_key *first_given(
	const struct config_marks *marks, const char *const *names, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (marks->of[gpu_key(names[i]) - config_keys][0].line != 0) {
			return gpu_key(names[i]);
		}
	}
	return gpu_key(names[0]);
}

static bool has_heap(const struct config_guest *guest) {
	return guest->personality != CONFIG_PERSONALITY_BOCHS;
}

/* Firmware and simple drivers draw into the aperture. */
static bool draws_into_aperture(const struct config_guest *guest) {
	return guest->personality != CONFIG_PERSONALITY_VIRTIO_GPU;
}

static uint64_t frame_of(const struct config_guest *guest) {
	return (uint64_t)guest->width * guest->height * 4;
}

/* Bytes of heap; 0 where there is none. */
static uint64_t heap_needed(const struct config_guest *guest) {
	uint64_t frame = (frame_of(guest) + PAGE - 1) / PAGE * PAGE;
	return has_heap(guest) ? guest->heads * FRAMES_PER_HEAD * frame : 0;
}

/* The largest aperture of at most that size. */
static uint64_t largest_aperture(uint64_t size) {
	uint64_t aperture = APERTURE_MAX;
	while (aperture > size && aperture > APERTURE_MIN) {
		aperture /= 2;
	}
	return aperture;
}

/* The aperture that a slice of that size gets where the file does not say. */
static uint64_t choose_aperture(const struct config_guest *guest, uint64_t vram) {
	if (!has_heap(guest)) {
		return largest_aperture(vram);
	}
	uint64_t aperture = APERTURE_MIN, most = largest_aperture(vram / 2);
	if (draws_into_aperture(guest)) {
		aperture = APERTURE_USUAL;
		while (aperture < frame_of(guest) && aperture < APERTURE_MAX) {
			aperture *= 2;
		}
	}
	return aperture < most ? aperture : most;
}

static void settle_size(struct config_guest *guest) {
	if (guest->width == 0) {
		guest->width = FOLLOW_WIDTH;
		guest->height = FOLLOW_HEIGHT;
		guest->follow = has_heap(guest);
	}
}

static void check_heads(const struct config_guest *guest, const struct config_marks *marks,
	struct config_report *report) {
	if (guest->heads > 1 && !has_heap(guest)) {
		config_report_key(report, guest->file, marks, gpu_key("heads"), 0,
			"%u are more than bochs has, allowed: 1, or personality = virtio-vga",
			guest->heads);
	}
}

static void check_aperture(const struct config_guest *guest, const struct config_marks *marks,
	struct config_report *report) {
	char size[24], limit[24];
	config_format_size(guest->aperture, size, sizeof(size));
	config_format_size(guest->vram, limit, sizeof(limit));
	if ((guest->aperture & (guest->aperture - 1)) != 0) {
		config_report_key(report, guest->file, marks, gpu_key("aperture"), 0,
			"%s is no power of two, allowed: 1M, 2M, 4M and so on to 256M, or auto",
			size);
	} else if (guest->aperture > guest->vram) {
		config_report_key(report, guest->file, marks, gpu_key("aperture"), 0,
			"%s is more than the slice has, allowed: at most its vram of %s, or auto",
			size, limit);
	}
}

static bool frame_fits(const struct config_guest *guest, uint64_t aperture) {
	return !draws_into_aperture(guest) || frame_of(guest) <= aperture;
}

/* The next larger slice, in whole MiB, that is enough, where a larger one can be. */
static uint64_t least_vram(const struct config_guest *guest, bool automatic) {
	uint64_t vram = guest->vram / MIB * MIB, aperture;
	do {
		vram += MIB;
		aperture = automatic ? choose_aperture(guest, vram) : guest->aperture;
	} while (!frame_fits(guest, aperture) || vram < aperture + heap_needed(guest));
	return vram;
}

static void check_frame(const struct config_guest *guest, bool automatic,
	const struct config_marks *marks, struct config_report *report) {
	static const char *const names[] = {"size", "vram", "aperture"};
	if (frame_fits(guest, guest->aperture)) {
		return;
	}
	char aperture[24], least[24], remedy[64] = "";
	config_format_size(guest->aperture, aperture, sizeof(aperture));
	if (frame_fits(guest, APERTURE_MAX) && automatic) {
		config_format_size(least_vram(guest, true), least, sizeof(least));
		snprintf(remedy, sizeof(remedy), ", or a vram of %s or more", least);
	} else if (frame_fits(guest, APERTURE_MAX)) {
		snprintf(remedy, sizeof(remedy), ", or a larger one");
	}
	config_report_key(report, guest->file, marks, first_given(marks, names, 3), 0,
		"%ux%u needs %llu bytes, allowed: what fits into the aperture of %s%s",
		guest->width, guest->height, (unsigned long long)frame_of(guest), aperture, remedy);
}

static void check_heap(const struct config_guest *guest, bool automatic,
	const struct config_marks *marks, struct config_report *report) {
	static const char *const names[] = {"vram", "heads", "size", "aperture", "personality"};
	uint64_t heap = guest->vram > guest->aperture ? guest->vram - guest->aperture : 0;
	if (heap >= heap_needed(guest)) {
		return;
	}
	char size[24], least[24];
	config_format_size(heap, size, sizeof(size));
	config_format_size(least_vram(guest, automatic), least, sizeof(least));
	config_report_key(report, guest->file, marks, first_given(marks, names, 5), 0,
		"%u frames of %ux%u (%u for each head) do not fit into the heap of %s, allowed: a vram of %s or more",
		guest->heads * FRAMES_PER_HEAD, guest->width, guest->height, FRAMES_PER_HEAD, size,
		least);
}

void config_check_gpu(struct config_guest *guest, const struct config_marks *marks,
	struct config_report *report) {
	static const char *const names[] = {"personality", "heads", "size", "vram", "aperture"};
	unsigned before = report->count;
	bool bad = false, automatic = guest->aperture == 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bad = bad || is_bad(marks, names[i]);
	}
	settle_size(guest);
	if (automatic) {
		guest->aperture = choose_aperture(guest, guest->vram);
	}
	if (bad) {
		return;
	}
	check_heads(guest, marks, report);
	check_aperture(guest, marks, report);
	if (report->count == before) {
		check_frame(guest, automatic, marks, report);
	}
	if (report->count == before) {
		check_heap(guest, automatic, marks, report);
	}
}
