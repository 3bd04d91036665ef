/*
 * A device of several functions, each with a connection of its own: one that comes or goes
 * leaves the others alone, and all of them go on when the device is killed at any moment.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "memfd.h"
#include "mock.h"

#define ROUNDS 60
#define PAGE 4096
#define MAPS 3
#define MSIX_IRQ 2
#define INTERRUPT_LINE 0x3c
#define ACTION_TRIGGER_EVENTFD 0x24
#define ACTION_TRIGGER_NONE 0x21
#define BASE UINT64_C(0x100000000)

/* One function's client. */
struct client {
	struct vmm vmm;
	int ram; // owned
	unsigned seed;
	uint64_t writes;   // of configuration space
	const char *wrong; // what went wrong first
	atomic_bool *stop;
	pthread_t thread;
};

struct clients {
	struct device_host host;
	struct client list[LINK_FUNCTIONS];
	atomic_bool stop;
};

static void expect(struct client *client, bool good, const char *what) {
	if (!good && client->wrong == NULL) {
		client->wrong = what;
	}
}

static void turn_config(struct client *client) {
	uint8_t line = (uint8_t)rand_r(&client->seed), seen = 0;
	expect(client, vmm_write8(&client->vmm, VFU_REGION_CONFIG, INTERRUPT_LINE, line) == 0,
		"a write");
	client->writes++;
	expect(client,
		vmm_read(&client->vmm, VFU_REGION_CONFIG, INTERRUPT_LINE, &seen, 1) == 0 &&
			seen == line,
		"what was written is not there");
}

static void turn_memory(struct client *client) {
	for (uint64_t i = 0; i < MAPS; i++) {
		expect(client,
			vmm_dma_map(&client->vmm, BASE + i * PAGE, PAGE, 3, client->ram, 0) == 0,
			"a map of memory");
	}
	for (uint64_t i = 0; i < MAPS; i++) {
		expect(client, vmm_dma_unmap(&client->vmm, BASE + i * PAGE, PAGE) == 0,
			"an unmap of memory");
	}
}

static void turn_interrupts(struct client *client) {
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count = 0;
	struct vmm *vmm = &client->vmm;
	expect(client, vmm_set_irqs(vmm, ACTION_TRIGGER_EVENTFD, MSIX_IRQ, 0, 1, &fd, 1) == 0,
		"an interrupt's eventfd");
	expect(client,
		vmm_set_irqs(vmm, ACTION_TRIGGER_NONE, MSIX_IRQ, 0, 1, NULL, 0) == 0 &&
			read(fd, &count, sizeof(count)) == sizeof(count),
		"an interrupt is not raised");
	expect(client, vmm_set_irqs(vmm, ACTION_TRIGGER_NONE, MSIX_IRQ, 0, 0, NULL, 0) == 0,
		"the end of an interrupt");
	close(fd);
}

static void *run(void *data) {
	static void (*const kinds[])(struct client *client) = {
		turn_config, turn_memory, turn_interrupts};
	struct client *client = data;
	while (!atomic_load(client->stop) && client->wrong == NULL) {
		kinds[(unsigned)rand_r(&client->seed) % ARRAY_SIZE(kinds)](client);
	}
	return NULL;
}

static int connect_client(struct clients *clients, unsigned function) {
	struct client *client = &clients->list[function];
	return vmm_open(&client->vmm, clients->host.paths[function]);
}

static int setup(void **state) {
	const struct device_options options = {
		.personality = LINK_PERSONALITY_VIRTIO_VGA,
		.aperture_size = 8 << 20,
		.functions = LINK_FUNCTIONS,
	};
	struct clients *clients = calloc(1, sizeof(*clients));
	*state = clients;
	int error = device_host_start(&clients->host, &options);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		struct client *client = &clients->list[i];
		*client = (struct client){.vmm.fd = -1, .seed = i, .stop = &clients->stop};
		client->ram = memfd_create_sealed("ram", PAGE);
		error = error < 0 ? error : connect_client(clients, i);
	}
	return error;
}

static int teardown(void **state) {
	struct clients *clients = *state;
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		vmm_close(&clients->list[i].vmm);
		close(clients->list[i].ram);
	}
	int status = device_host_stop(&clients->host);
	fd_close(clients->host.process.log);
	free(clients);
	return status;
}

/* What a function's own state says. */
static struct device_state state_of(const struct clients *clients, unsigned function) {
	static struct device_state_view view;
	int fd = clients->host.fds[LINK_FD_OF(function, LINK_PORT_STATE)];
	void *map = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED && device_state_read(map, &view));
	munmap(map, DEVICE_STATE_SIZE);
	return view.state;
}

static void expect_kept(const struct clients *clients, unsigned function, unsigned n) {
	assert_int_equal(device_host_wait_kept(&clients->host, function, n, MOCK_PROMPT_MSEC), n);
}

static void each_is_a_function_of_its_own(void **state) {
	struct clients *clients = *state;
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		uint16_t ids[2];
		struct vmm *vmm = &clients->list[i].vmm;
		assert_int_equal(vmm_read(vmm, VFU_REGION_CONFIG, 0, ids, sizeof(ids)), 0);
		assert_int_equal(ids[0], 0x1af4);
		assert_int_equal(ids[1], i == LINK_FUNCTION_GPU ? 0x1050 : 0x1052);
		turn_config(&clients->list[i]);
		assert_null(clients->list[i].wrong);
		expect_kept(clients, i, 1);
	}
}

static void a_client_that_leaves_takes_only_its_function_along(void **state) {
	struct clients *clients = *state;
	struct link_message message;
	// Only the GPU's is told of.
	assert_int_equal(device_host_receive(&clients->host, &message, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(message.type, LINK_SANDBOX);
	assert_int_equal(device_host_receive(&clients->host, &message, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(message.type, LINK_VMM);
	assert_int_equal(message.vmm.connected, 0);
	assert_int_equal(device_host_receive(&clients->host, &message, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(message.vmm.connected, 1);
	for (unsigned i = LINK_FUNCTION_KEYBOARD; i < LINK_FUNCTIONS; i++) {
		turn_memory(&clients->list[i]);
		vmm_close(&clients->list[i].vmm);
		expect_kept(clients, i, 0);
		assert_int_equal(state_of(clients, i).vmm_connected, 0);
		for (unsigned j = 0; j < LINK_FUNCTIONS; j++) {
			assert_int_equal(state_of(clients, j).vmm_connected, j != i);
		}
		assert_int_equal(connect_client(clients, i), 0);
		expect_kept(clients, i, 1);
	}
	vmm_close(&clients->list[LINK_FUNCTION_GPU].vmm);
	assert_int_equal(device_host_receive(&clients->host, &message, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(message.type, LINK_VMM);
	assert_int_equal(message.vmm.connected, 0);
	turn_config(&clients->list[LINK_FUNCTION_TOUCH]);
	assert_null(clients->list[LINK_FUNCTION_TOUCH].wrong);
}

static void killed_at_any_moment_all_of_them_go_on(void **state) {
	struct clients *clients = *state;
	unsigned seed = (unsigned)clock_usec();
	uint64_t before[LINK_FUNCTIONS];
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		before[i] = state_of(clients, i).traps[TRAP_CONFIG_WRITE];
		assert_int_equal(
			pthread_create(&clients->list[i].thread, NULL, run, &clients->list[i]), 0);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		usleep((useconds_t)(rand_r(&seed) % 30000)); // some die while they start
		assert_int_equal(device_host_replace(&clients->host), 0);
	}
	atomic_store(&clients->stop, true);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		pthread_join(clients->list[i].thread, NULL);
	}
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		const struct client *client = &clients->list[i];
		if (client->wrong != NULL) {
			fail_msg("function %u: %s", i, client->wrong);
		}
		const struct device_state shown = state_of(clients, i);
		assert_in_range(shown.generation, ROUNDS / 4, ROUNDS + 1);
		assert_int_equal(shown.vmm_sessions, 1);
		assert_int_equal(shown.dma_maps, 0);
		assert_int_equal(shown.traps[TRAP_CONFIG_WRITE] - before[i], client->writes);
		expect_kept(clients, i, 1);
	}
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test(each_is_a_function_of_its_own),
		test(a_client_that_leaves_takes_only_its_function_along),
		test(killed_at_any_moment_all_of_them_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
