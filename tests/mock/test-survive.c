/*
 * A device that is killed at any moment, while its guest sets modes, draws, and maps
 * memory. Another goes on in its place: every request is handled once and answered once,
 * and nothing is lost.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest-bochs.h"
#include "memfd.h"
#include "mock.h"

#define ROUNDS 200
#define PAGE 4096
#define FILES 3
#define FILE_SIZE (1 << 20)
#define PALETTE_INDEX 0x8 // port 0x3c8
#define PALETTE_DATA 0x9
#define PALETTE_READ 0x7
#define ERROR_IRQ 3

struct guest {
	struct mock *mock;
	struct bochs_guest bochs;
	int files[FILES];
	uint64_t accesses; // of the palette's ports that were made
	atomic_bool stop;
	const char *wrong; // what went wrong first
	int error;
	unsigned turns;
	uint64_t longest; // us that one request took
	unsigned seed;
};

/* Remembers the first thing that goes wrong, and says whether something has. */
static bool expect(struct guest *guest, bool good, const char *what, int error) {
	if (!good && guest->wrong == NULL) {
		guest->wrong = what;
		guest->error = error;
	}
	return guest->wrong == NULL;
}

static uint8_t read_port(struct guest *guest, unsigned port) {
	guest->accesses++;
	return vmm_read8(&guest->mock->vmm, VFU_REGION_BAR2, BOCHS_VGA + port);
}

/* A write that is not answered: nobody notices at once if it is lost, or done twice. */
static void post_port(struct guest *guest, unsigned port, uint8_t value) {
	struct {
		struct vfu_region_access access;
		uint8_t value;
	} body = {{.offset = BOCHS_VGA + port, .region = VFU_REGION_BAR2, .count = 1}, value};
	guest->accesses++;
	int error = vmm_send(&guest->mock->vmm, VFU_REGION_WRITE, VFU_NO_REPLY, &body,
		sizeof(body.access) + 1, NULL, 0);
	expect(guest, error == 0, "a posted write", error);
}

/* The palette's ports count for themselves: one write more or less shifts all that follow. */
static void turn_palette(struct guest *guest) {
	uint8_t colours[24], first = (uint8_t)rand_r(&guest->seed);
	post_port(guest, PALETTE_INDEX, first);
	for (size_t i = 0; i < sizeof(colours); i++) {
		colours[i] = (uint8_t)rand_r(&guest->seed) & 0x3f;
		post_port(guest, PALETTE_DATA, colours[i]);
	}
	post_port(guest, PALETTE_READ, first);
	for (size_t i = 0; i < sizeof(colours); i++) {
		uint8_t colour = read_port(guest, PALETTE_DATA);
		expect(guest, colour == colours[i], "a colour is not what was written", colour);
	}
}

static void turn_mode(struct guest *guest) {
	uint16_t width = (uint16_t)(64 + rand_r(&guest->seed) % 100 * 8);
	uint16_t height = (uint16_t)(64 + rand_r(&guest->seed) % 500);
	int error = bochs_set_mode(&guest->bochs, width, height, 32);
	expect(guest, error == 0, "a mode set", error);
	guest->accesses++; // it writes one of those ports
	uint16_t seen = bochs_read(&guest->bochs, BOCHS_XRES);
	expect(guest, seen == width, "the width", seen);
	seen = bochs_read(&guest->bochs, BOCHS_YRES);
	expect(guest, seen == height, "the height", seen);
	for (uint8_t i = 0; i < 8; i++) {
		bochs_fill(&guest->bochs, 0, 0, width, 8, i);
		bochs_hint(&guest->bochs);
	}
}

static void turn_config(struct guest *guest) {
	struct vmm *vmm = &guest->mock->vmm;
	uint8_t line = (uint8_t)rand_r(&guest->seed), space[256];
	int error = vmm_write8(vmm, VFU_REGION_CONFIG, 0x3c, line);
	expect(guest, error == 0, "a write to configuration space", error);
	error = vmm_read(vmm, VFU_REGION_CONFIG, 0, space, sizeof(space));
	expect(guest, error == 0 && space[0] == 0x34 && space[0x3c] == line, "configuration space",
		error);
}

static void turn_vram(struct guest *guest) {
	struct vmm *vmm = &guest->mock->vmm;
	uint64_t offset = guest->bochs.vram.size - PAGE + (unsigned)rand_r(&guest->seed) % 1000 * 4;
	uint32_t value = (uint32_t)rand_r(&guest->seed), seen;
	memcpy(guest->bochs.vram.map + offset, &value, sizeof(value));
	int error = vmm_read(vmm, VFU_REGION_BAR0, offset, &seen, sizeof(seen));
	expect(guest, error == 0 && seen == value, "VRAM", error);
}

static void turn_memory(struct guest *guest) {
	struct vmm *vmm = &guest->mock->vmm;
	const uint64_t base = UINT64_C(0x100000000);
	for (uint64_t i = 0; i < 12; i++) {
		int fd = guest->files[(unsigned)rand_r(&guest->seed) % FILES];
		int error = vmm_dma_map(vmm, base + i * PAGE, PAGE, 3, i % 4 != 3 ? fd : -1, 0);
		expect(guest, error == 0, "a map of memory", error);
	}
	for (uint64_t i = 12; i-- > 0;) {
		int error = vmm_dma_unmap(vmm, base + i * PAGE, PAGE);
		expect(guest, error == 0, "an unmap of memory", error);
	}
}

static void turn_interrupts(struct guest *guest) {
	struct vmm *vmm = &guest->mock->vmm;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count = 0;
	int error = vmm_set_irqs(vmm, 0x24, ERROR_IRQ, 0, 1, &fd, 1);
	expect(guest, error == 0, "an interrupt's eventfd", error);
	error = vmm_set_irqs(vmm, 0x21, ERROR_IRQ, 0, 1, NULL, 0);
	bool raised = read(fd, &count, sizeof(count)) == sizeof(count) && count > 0;
	expect(guest, error == 0 && raised, "an interrupt is not raised", error);
	error = vmm_set_irqs(vmm, 0x21, ERROR_IRQ, 0, 0, NULL, 0);
	expect(guest, error == 0, "the end of an interrupt", error);
	close(fd);
}

static void *run_guest(void *data) {
	static void (*const kinds[])(struct guest *guest) = {
		turn_palette, turn_mode, turn_config, turn_vram, turn_memory, turn_interrupts};
	struct guest *guest = data;
	while (!atomic_load(&guest->stop) && guest->wrong == NULL) {
		uint64_t before = clock_usec();
		kinds[(unsigned)rand_r(&guest->seed) % ARRAY_SIZE(kinds)](guest);
		uint64_t took = clock_usec() - before;
		guest->longest = took > guest->longest ? took : guest->longest;
		guest->turns++;
	}
	return NULL;
}

static void guest_init(struct guest *guest, struct mock *mock) {
	*guest = (struct guest){.mock = mock, .seed = (unsigned)getpid()};
	assert_int_equal(bochs_start(&guest->bochs, &mock->vmm), 0);
	for (size_t i = 0; i < FILES; i++) {
		guest->files[i] = memfd_create_sealed("ram", FILE_SIZE);
		assert_true(guest->files[i] >= 0);
	}
	memset(guest->bochs.vram.map, 0x5a, guest->bochs.vram.size);
}

static void guest_finish(struct guest *guest) {
	bochs_finish(&guest->bochs);
	fd_close_many(guest->files, FILES);
}

static int compare(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void assert_kept(const struct mock *mock, unsigned n) {
	assert_int_equal(
		device_host_wait_kept(&mock->host, LINK_FUNCTION_GPU, n, MOCK_PROMPT_MSEC), n);
}

/* Kills the device and waits until the next one has handled something; returns us. */
static uint64_t kill_once(struct guest *guest, bool wait) {
	struct device_host *host = &guest->mock->host;
	uint64_t before = clock_usec();
	int error = device_host_replace(host);
	expect(guest, error == 0, "the next device", error);
	uint64_t sequence = device_host_state(host)->last.sequence;
	while (wait && guest->wrong == NULL && clock_usec() - before < 5 * USEC_PER_SEC &&
		device_host_state(host)->last.sequence == sequence) {
		usleep(100);
	}
	return clock_usec() - before;
}

static void assert_all_went_well(struct guest *guest) {
	const char *complaint = guest->mock->vmm.complaint;
	if (guest->wrong != NULL) {
		fail_msg("%s (%d, %s)", guest->wrong, guest->error,
			complaint != NULL ? complaint : "no complaint");
	}
}

/* What there is of the guest is as if no device had ever died. */
static void assert_nothing_lost(struct guest *guest, uint64_t accesses) {
	struct mock *mock = guest->mock;
	mock_assert_served(mock);
	const struct device_state *shown = device_host_state(&mock->host);
	assert_int_equal(shown->traps[TRAP_PALETTE], accesses + guest->accesses);
	assert_int_equal(shown->dma_maps, 0);
	assert_int_equal(shown->vmm_sessions, 3);
	for (uint64_t i = 8 << 20; i < guest->bochs.vram.size - PAGE; i += 64) {
		assert_int_equal(guest->bochs.vram.map[i], 0x5a);
	}
	// Nothing is kept but the connection.
	int fds = device_host_wait_fds(&mock->host, mock->fds + 1, MOCK_PROMPT_MSEC);
	assert_int_equal(fds, mock->fds + 1);
	assert_kept(mock, 1);
}

static void killed_at_any_moment_it_loses_nothing(void **state) {
	struct mock *mock = *state;
	struct guest guest;
	pthread_t thread;
	static uint64_t took[ROUNDS];
	size_t n = 0;
	unsigned seed = (unsigned)clock_usec();
	guest_init(&guest, mock);
	uint64_t accesses = device_host_state(&mock->host)->traps[TRAP_PALETTE];
	assert_int_equal(pthread_create(&thread, NULL, run_guest, &guest), 0);
	for (unsigned i = 0; i < ROUNDS && guest.wrong == NULL; i++) {
		usleep((useconds_t)(rand_r(&seed) % 3000));
		bool wait = i % 4 != 0; // the others are killed while they start
		uint64_t usec = kill_once(&guest, wait);
		took[n] = usec;
		n += wait;
	}
	atomic_store(&guest.stop, true);
	pthread_join(thread, NULL);
	assert_all_went_well(&guest);
	qsort(took, n, sizeof(took[0]), compare);
	print_message("# %u turns in %d rounds; recovery: median %.1f ms, longest %.1f ms\n",
		guest.turns, ROUNDS, (double)took[n / 2] / 1000, (double)took[n - 1] / 1000);
	assert_nothing_lost(&guest, accesses);
	guest_finish(&guest);
}

static void send_map(struct mock *mock, uint64_t address, int fd) {
	const struct vfu_dma_map map = {
		.argsz = sizeof(map), .flags = 3, .address = address, .size = PAGE};
	assert_int_equal(vmm_send(&mock->vmm, VFU_DMA_MAP, 0, &map, sizeof(map), &fd, fd >= 0), 0);
}

static void send_unmap(struct mock *mock, uint64_t address) {
	const struct vfu_dma_unmap unmap = {
		.argsz = sizeof(unmap), .address = address, .size = PAGE};
	assert_int_equal(vmm_send(&mock->vmm, VFU_DMA_UNMAP, 0, &unmap, sizeof(unmap), NULL, 0), 0);
}

/* As QEMU sends its changes of the memory map: without waiting for a reply. */
static void descriptors_stay_with_their_own_message(void **state) {
	struct mock *mock = *state;
	int files[] = {memfd_create_sealed("a", PAGE), memfd_create_sealed("b", PAGE)};
	pid_t device = mock->host.process.pid;
	kill(device, SIGSTOP);
	for (uint64_t i = 0; i < 8; i++) {
		send_map(mock, (2 * i) * PAGE, -1);
		send_map(mock, (2 * i + 1) * PAGE, files[i % 2]);
		send_unmap(mock, (2 * i) * PAGE);
	}
	kill(device, SIGCONT);
	for (unsigned i = 0; i < 24; i++) {
		struct vmm_message reply;
		assert_int_equal(vmm_receive(&mock->vmm, &reply), 0);
		assert_int_equal(reply.header.flags & VFU_ERROR, 0);
	}
	const struct device_state_slot *slot =
		&mock->host.state_file->slots[mock->host.state_file->commit % 2];
	assert_int_equal(slot->dma.count, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(slot->dma.maps[i].file, i % 2);
	}
	fd_close_many(files, 2);
}

/* A message that comes in pieces is not there for the next device: its client is dropped. */
static void a_client_in_the_middle_of_a_message_is_dropped(void **state) {
	struct mock *mock = *state;
	struct vfu_header header = {.id = 9, .command = VFU_GET_INFO, .size = 32};
	assert_int_equal(vmm_send_raw(&mock->vmm, &header, 8, NULL, 0), 0);
	for (uint64_t end = clock_usec() + USEC_PER_SEC;
		device_host_live(&mock->host)->partial == 0;) {
		assert_true(clock_usec() < end);
	}
	usleep(10000);
	assert_int_equal(device_host_replace(&mock->host), 0);
	mock_assert_dropped(mock, MOCK_PROMPT_MSEC, "a client whose message is lost");
	mock_assert_served(mock);
}

static int count_threads(pid_t pid) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	int n = 0;
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		n += entry->d_name[0] != '.';
	}
	closedir(dir);
	return n;
}

/* A guest that reboots for ever: memory comes and goes, and so do modes. */
static void a_thousand_resets_leave_nothing_behind(void **state) {
	struct mock *mock = *state;
	struct guest guest;
	guest_init(&guest, mock);
	pid_t device = mock->host.process.pid;
	long memory = 0;
	int fds = 0;
	for (unsigned i = 0; i < 1000; i++) {
		turn_memory(&guest);
		turn_interrupts(&guest);
		assert_int_equal(bochs_set_mode(&guest.bochs, 640, 480, 32), 0);
		assert_int_equal(vmm_reset(&mock->vmm), 0);
		if (i == 100) {
			memory = process_memory(device);
			fds = process_fds(device);
		}
	}
	assert_all_went_well(&guest);
	assert_int_equal(process_fds(device), fds);
	mock_assert_memory_flat(mock, memory);
	assert_int_equal(count_threads(device), 1);
	assert_int_equal(device_host_state(&mock->host)->resets, 1000);
	assert_kept(mock, 1);
	guest_finish(&guest);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		mock_test(killed_at_any_moment_it_loses_nothing),
		mock_test(descriptors_stay_with_their_own_message),
		mock_test(a_client_in_the_middle_of_a_message_is_dropped),
		mock_test(a_thousand_resets_leave_nothing_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
