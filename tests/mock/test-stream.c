/*
 * What arrives on the vfio-user socket before any of it means something: rows 1 to 7 of
 * the list of bad inputs (headers, pieces, descriptors, order, second clients, floods).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "memfd.h"
#include "mock.h"

#define SOME_FDS 3

/* Descriptors to attach; the device must close its copies. */
static void open_some(int *fds, size_t n) {
	for (size_t i = 0; i < n; i++) {
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
}

static struct vfu_header command_header(uint16_t command, uint32_t size) {
	return (struct vfu_header){.id = 77, .command = command, .size = size};
}

/* Row 1 */

static void impossible_size_drops_the_client(void **state) {
	struct mock *mock = *state;
	const uint32_t sizes[] = {0, 1, 15, 0x7fffffff, 0x80000000, 0xffffffff};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fds[SOME_FDS];
		open_some(fds, SOME_FDS);
		struct vfu_header header = command_header(VFU_GET_INFO, sizes[i]);
		vmm_send_raw(&mock->vmm, &header, sizeof(header), fds, SOME_FDS);
		fd_close_many(fds, SOME_FDS);
		char what[32];
		snprintf(what, sizeof(what), "size %#x", sizes[i]);
		mock_assert_dropped(mock, MOCK_PROMPT_MSEC, what);
	}
}

static void impossible_size_is_answered_with_einval_if_at_all(void **state) {
	struct mock *mock = *state;
	struct vfu_header header = command_header(VFU_GET_INFO, 15);
	assert_int_equal(vmm_send_raw(&mock->vmm, &header, sizeof(header), NULL, 0), 0);
	struct vmm_message reply;
	int error = vmm_receive(&mock->vmm, &reply);
	if (error == 0) {
		assert_int_equal(reply.header.flags & VFU_TYPE_MASK, VFU_TYPE_REPLY);
		assert_true((reply.header.flags & VFU_ERROR) != 0);
		assert_int_equal(reply.header.error, EINVAL);
	} else {
		assert_int_equal(error, -ECONNRESET);
	}
}

/* Row 2 */

/* While one client keeps the device waiting, nobody else waits. */
static void assert_second_refused(struct mock *mock) {
	struct vmm second;
	int error = vmm_connect(&second, mock->host.paths[0], VMM_TIMEOUT_MSEC);
	if (error == 0) {
		assert_int_equal(vmm_wait_closed(&second, MOCK_PROMPT_MSEC), 0);
	}
	vmm_close(&second);
}

static void half_a_header_with_descriptors_runs_into_the_deadline(void **state) {
	struct mock *mock = *state;
	int fds[SOME_FDS];
	open_some(fds, SOME_FDS);
	struct vfu_header header = command_header(VFU_DMA_MAP, 48);
	assert_int_equal(vmm_send_raw(&mock->vmm, &header, 8, fds, SOME_FDS), 0);
	fd_close_many(fds, SOME_FDS);
	assert_second_refused(mock);
	mock_assert_dropped(mock, MOCK_DEADLINE_MSEC, "half a header");
}

static void header_without_its_body_runs_into_the_deadline(void **state) {
	struct mock *mock = *state;
	int fds[SOME_FDS];
	open_some(fds, SOME_FDS);
	struct vfu_header header = command_header(VFU_DMA_MAP, 48);
	assert_int_equal(vmm_send_raw(&mock->vmm, &header, sizeof(header), fds, SOME_FDS), 0);
	fd_close_many(fds, SOME_FDS);
	assert_second_refused(mock);
	mock_assert_dropped(mock, MOCK_DEADLINE_MSEC, "a header without its body");
}

static void dripping_does_not_extend_the_deadline(void **state) {
	struct mock *mock = *state;
	struct vfu_header header = command_header(VFU_REGION_WRITE, 4096);
	assert_int_equal(vmm_send_raw(&mock->vmm, &header, sizeof(header), NULL, 0), 0);
	uint64_t end = clock_usec() + MOCK_DEADLINE_MSEC * USEC_PER_MSEC;
	while (vmm_send_raw(&mock->vmm, "", 1, NULL, 0) == 0) {
		assert_true(clock_usec() < end);
		usleep(50000);
	}
	mock_assert_dropped(mock, MOCK_PROMPT_MSEC, "a body that drips in");
}

static void leaving_in_the_middle_of_a_message_is_clean(void **state) {
	struct mock *mock = *state;
	struct vfu_header header = command_header(VFU_DMA_MAP, 48);
	for (size_t size = 1; size <= sizeof(header); size++) {
		int fds[SOME_FDS];
		open_some(fds, SOME_FDS);
		assert_int_equal(vmm_send_raw(&mock->vmm, &header, size, fds, SOME_FDS), 0);
		fd_close_many(fds, SOME_FDS);
		mock_reconnect(mock);
	}
}

/* Row 3 */

static void messages_in_single_bytes_are_accepted(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_header header;
		struct vfu_version version;
		char json[4];
	} hello = {.header = command_header(VFU_VERSION, 23), .json = "{}"};
	for (size_t i = 0; i < hello.header.size; i++) {
		assert_int_equal(vmm_send_raw(&mock->vmm, (char *)&hello + i, 1, NULL, 0), 0);
	}
	struct vmm_message reply;
	assert_int_equal(vmm_receive(&mock->vmm, &reply), 0);
	assert_int_equal(reply.header.flags & VFU_ERROR, 0);
	struct {
		struct vfu_header header;
		struct vfu_device_info info;
	} question = {.header = command_header(VFU_GET_INFO, 32), .info = {.argsz = 16}};
	for (size_t i = 0; i < sizeof(question); i++) {
		assert_int_equal(vmm_send_raw(&mock->vmm, (char *)&question + i, 1, NULL, 0), 0);
	}
	assert_int_equal(vmm_receive(&mock->vmm, &reply), 0);
	assert_int_equal(reply.header.flags & VFU_ERROR, 0);
	assert_int_equal(reply.size, sizeof(question.info));
}

static void descriptor_may_come_with_a_later_piece(void **state) {
	struct mock *mock = *state;
	int fd = memfd_create_sealed("ram", 1 << 20);
	struct {
		struct vfu_header header;
		struct vfu_dma_map map;
	} message = {
		.header = command_header(VFU_DMA_MAP, 48),
		.map = {.argsz = 32, .flags = 3, .size = 1 << 20},
	};
	assert_int_equal(vmm_send_raw(&mock->vmm, &message, 5, NULL, 0), 0);
	usleep(20000);
	assert_int_equal(
		vmm_send_raw(&mock->vmm, (char *)&message + 5, sizeof(message) - 5, &fd, 1), 0);
	close(fd);
	struct vmm_message reply;
	assert_int_equal(vmm_receive(&mock->vmm, &reply), 0);
}

static void several_messages_in_one_piece_are_all_answered(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_header header;
		struct vfu_device_info info;
	} questions[20];
	for (uint16_t i = 0; i < ARRAY_SIZE(questions); i++) {
		questions[i].header = command_header(VFU_GET_INFO, 32);
		questions[i].header.id = i;
		questions[i].info = (struct vfu_device_info){.argsz = 16};
	}
	assert_int_equal(vmm_send_raw(&mock->vmm, questions, sizeof(questions), NULL, 0), 0);
	for (uint16_t i = 0; i < ARRAY_SIZE(questions); i++) {
		struct vmm_message reply;
		assert_int_equal(vmm_receive(&mock->vmm, &reply), 0);
		assert_int_equal(reply.header.id, i);
	}
}

/* Row 4 */

static void too_many_descriptors_are_refused(void **state) {
	struct mock *mock = *state;
	const size_t counts[] = {2, 16, 17, 64, 253};
	int fds[253];
	open_some(fds, ARRAY_SIZE(fds));
	struct vfu_dma_map map = {.argsz = sizeof(map), .flags = 3, .size = 4096};
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		int answer = mock_answer(mock, VFU_DMA_MAP, &map, sizeof(map), fds, counts[i]);
		mock_assert_refused(mock, answer, "DMA_MAP with several descriptors");
		assert_int_equal(device_host_wait_fds(&mock->host, mock->fds + 1, MOCK_PROMPT_MSEC),
			mock->fds + 1);
	}
	fd_close_many(fds, ARRAY_SIZE(fds));
}

static void descriptors_on_commands_without_any_are_refused(void **state) {
	struct mock *mock = *state;
	const struct {
		uint16_t command;
		uint32_t size;
	} commands[] = {
		{VFU_DMA_UNMAP, 24},
		{VFU_GET_INFO, 16},
		{VFU_GET_REGION_INFO, 32},
		{VFU_GET_IRQ_INFO, 16},
		{VFU_REGION_READ, 16},
		{VFU_REGION_WRITE, 20},
		{VFU_WRITE_MULTI, 32},
		{VFU_RESET, 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		uint32_t body[16] = {commands[i].size, 0, 0, 4};
		int fds[SOME_FDS];
		open_some(fds, SOME_FDS);
		int answer = mock_answer(
			mock, commands[i].command, body, commands[i].size, fds, SOME_FDS);
		fd_close_many(fds, SOME_FDS);
		char what[32];
		snprintf(what, sizeof(what), "command %u", commands[i].command);
		mock_assert_refused(mock, answer, what);
	}
}

static void descriptors_on_version_are_refused(void **state) {
	struct mock *mock = *state;
	char body[8] = {0, 0, 0, 0, '{', '}', 0};
	int fd;
	open_some(&fd, 1);
	int answer = mock_answer(mock, VFU_VERSION, body, 7, &fd, 1);
	close(fd);
	mock_assert_refused(mock, answer, "VERSION with a descriptor");
}

/* Row 5 */

static void reply_without_a_request_is_refused(void **state) {
	struct mock *mock = *state;
	for (uint16_t command = 0; command < 17; command++) {
		assert_int_equal(
			vmm_send(&mock->vmm, command, VFU_TYPE_REPLY, NULL, 0, NULL, 0), 0);
		mock_assert_dropped(mock, MOCK_PROMPT_MSEC, "a reply without a request");
	}
}

static void unknown_message_type_is_refused(void **state) {
	struct mock *mock = *state;
	for (uint32_t type = 2; type < 16; type++) {
		struct vfu_device_info info = {.argsz = sizeof(info)};
		assert_int_equal(
			vmm_send(&mock->vmm, VFU_GET_INFO, type, &info, sizeof(info), NULL, 0), 0);
		struct vmm_message reply;
		int error = vmm_receive(&mock->vmm, &reply);
		assert_true(error == -ECONNRESET ||
			(error == 0 && (reply.header.flags & VFU_ERROR) != 0));
		mock_reconnect(mock);
	}
}

static void unknown_command_is_refused(void **state) {
	struct mock *mock = *state;
	const uint16_t commands[] = {0, 14, 16, 17, 255, 0x8001, 0xffff};
	const char body[64] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int answer = mock_answer(mock, commands[i], body, sizeof(body), NULL, 0);
		mock_assert_refused(mock, answer, "an unknown command");
		assert_int_not_equal(answer, -ETIMEDOUT);
	}
}

static void server_to_client_commands_are_refused(void **state) {
	struct mock *mock = *state;
	const char body[64] = {0};
	for (uint16_t command = VFU_DMA_READ; command <= VFU_DMA_WRITE; command++) {
		int answer = mock_answer(mock, command, body, sizeof(body), NULL, 0);
		mock_assert_refused(mock, answer, "DMA_READ or DMA_WRITE from the client");
	}
}

static void commands_before_version_are_refused(void **state) {
	struct mock *mock = *state;
	for (uint16_t command = VFU_DMA_MAP; command <= VFU_WRITE_MULTI; command++) {
		uint32_t body[16] = {32, 0, 0, 4};
		mock_reconnect_silent(mock);
		int answer = mock_answer(mock, command, body, sizeof(body), NULL, 0);
		mock_assert_refused(mock, answer, "a command before VERSION");
	}
}

static void second_version_is_refused(void **state) {
	struct mock *mock = *state;
	mock_assert_refused(mock, vmm_negotiate(&mock->vmm), "a second VERSION");
}

static void version_that_we_do_not_speak_is_refused(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_version version;
		char json[4];
	} body = {.version = {.major = 1}, .json = "{}"};
	mock_assert_refused(
		mock, mock_answer(mock, VFU_VERSION, &body, 7, NULL, 0), "major version 1");
}

static void short_version_is_refused(void **state) {
	struct mock *mock = *state;
	const char body[4] = {0};
	for (size_t size = 0; size < sizeof(body); size++) {
		mock_reconnect_silent(mock);
		int answer = mock_answer(mock, VFU_VERSION, body, size, NULL, 0);
		mock_assert_refused(mock, answer, "a VERSION without its numbers");
	}
}

static int answer_to_json(struct mock *mock, const char *json, size_t size) {
	char *body = calloc(1, sizeof(struct vfu_version) + size);
	assert_non_null(body);
	memcpy(body + sizeof(struct vfu_version), json, size);
	mock_reconnect_silent(mock);
	int answer =
		mock_answer(mock, VFU_VERSION, body, sizeof(struct vfu_version) + size, NULL, 0);
	free(body);
	return answer;
}

static void broken_json_is_refused(void **state) {
	struct mock *mock = *state;
	const char *const texts[] = {
		"{",
		"}",
		"nonsense",
		"{\"capabilities\":",
		"{\"capabilities\": {\"max_msg_fds\": }}",
		"{\"capabilities\": {}} {}",
		"\xff\xfe{}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int answer = answer_to_json(mock, texts[i], strlen(texts[i]) + 1);
		mock_assert_refused(mock, answer, texts[i]);
	}
}

static void json_without_its_nul_is_refused(void **state) {
	struct mock *mock = *state;
	mock_assert_refused(mock, answer_to_json(mock, "{}", 2), "JSON without NUL");
	mock_assert_refused(mock, answer_to_json(mock, "{}\0{}", 5), "JSON with a NUL inside");
}

static void deep_json_is_refused(void **state) {
	struct mock *mock = *state;
	char text[4096];
	const size_t depth = 1500;
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = '\0';
	mock_assert_refused(mock, answer_to_json(mock, text, 2 * depth + 1), "deep arrays");
	size_t length = 0;
	for (int i = 0; i < 500; i++) {
		memcpy(text + length, "{\"a\":", 5);
		length += 5;
	}
	memset(text + length, '}', 500);
	text[length + 500] = '\0';
	mock_assert_refused(mock, answer_to_json(mock, text, length + 501), "deep objects");
}

static void huge_json_is_refused(void **state) {
	struct mock *mock = *state;
	const size_t size = 900 * 1024;
	char *text = calloc(1, size);
	assert_non_null(text);
	memset(text, ' ', size - 1);
	text[0] = '{';
	text[size - 2] = '}';
	mock_assert_refused(mock, answer_to_json(mock, text, size), "900 KiB of JSON");
	free(text);
}

/* Row 6 */

static void second_client_is_refused_and_the_first_unharmed(void **state) {
	struct mock *mock = *state;
	for (int i = 0; i < 20; i++) {
		assert_second_refused(mock);
		mock_assert_served(mock);
	}
	assert_int_equal(device_host_state(&mock->host)->vmm_connected, 1);
}

static void many_waiting_clients_do_not_disturb_the_first(void **state) {
	struct mock *mock = *state;
	struct vmm others[12];
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		vmm_connect(&others[i], mock->host.paths[0], VMM_TIMEOUT_MSEC);
	}
	mock_assert_served(mock);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		vmm_close(&others[i]);
	}
}

/* Row 7 */

static void replies_never_read_are_bounded(void **state) {
	struct mock *mock = *state;
	const struct vfu_region_access whole = {.region = VFU_REGION_CONFIG, .count = 256};
	uint64_t end = clock_usec() + MOCK_DEADLINE_MSEC * USEC_PER_MSEC;
	bool dropped = false;
	fd_set_nonblock(mock->vmm.fd, true);
	while (!dropped && clock_usec() < end) {
		int error =
			vmm_send(&mock->vmm, VFU_REGION_READ, 0, &whole, sizeof(whole), NULL, 0);
		dropped = error == -ECONNRESET;
		if (error == -ETIMEDOUT) {
			usleep(10000);
		}
	}
	long memory = process_memory(mock->host.process.pid);
	assert_in_range(memory, 0, mock->memory + 16 * 1024);
	assert_true(dropped);
}

static void flood_without_replies_leaves_the_device_responsive(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_region_access access;
		uint8_t value[8];
	} write = {.access = {.region = VFU_REGION_BAR2, .offset = 0x504, .count = 2}};
	for (unsigned i = 0; i < 50000; i++) {
		write.value[0] = (uint8_t)i;
		assert_int_equal(
			vmm_send(&mock->vmm, VFU_REGION_WRITE, VFU_NO_REPLY, &write, 18, NULL, 0),
			0);
	}
	mock_assert_served(mock);
}

static void errors_to_commands_without_reply_stay_silent(void **state) {
	struct mock *mock = *state;
	const struct vfu_region_access bad = {.region = 99, .count = 4};
	for (int i = 0; i < 100; i++) {
		vmm_send(&mock->vmm, VFU_REGION_READ, VFU_NO_REPLY, &bad, sizeof(bad), NULL, 0);
	}
	struct vfu_device_info info;
	int error = vmm_get_info(&mock->vmm, &info);
	assert_true(error == 0 || error == -ECONNRESET);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		mock_test(impossible_size_drops_the_client),
		mock_test(impossible_size_is_answered_with_einval_if_at_all),
		mock_test(half_a_header_with_descriptors_runs_into_the_deadline),
		mock_test(header_without_its_body_runs_into_the_deadline),
		mock_test(dripping_does_not_extend_the_deadline),
		mock_test(leaving_in_the_middle_of_a_message_is_clean),
		mock_test_silent(messages_in_single_bytes_are_accepted),
		mock_test(descriptor_may_come_with_a_later_piece),
		mock_test(several_messages_in_one_piece_are_all_answered),
		mock_test(too_many_descriptors_are_refused),
		mock_test(descriptors_on_commands_without_any_are_refused),
		mock_test_silent(descriptors_on_version_are_refused),
		mock_test(reply_without_a_request_is_refused),
		mock_test(unknown_message_type_is_refused),
		mock_test(unknown_command_is_refused),
		mock_test(server_to_client_commands_are_refused),
		mock_test_silent(commands_before_version_are_refused),
		mock_test(second_version_is_refused),
		mock_test_silent(version_that_we_do_not_speak_is_refused),
		mock_test_silent(short_version_is_refused),
		mock_test_silent(broken_json_is_refused),
		mock_test_silent(json_without_its_nul_is_refused),
		mock_test_silent(deep_json_is_refused),
		mock_test_silent(huge_json_is_refused),
		mock_test(second_client_is_refused_and_the_first_unharmed),
		mock_test(many_waiting_clients_do_not_disturb_the_first),
		mock_test(replies_never_read_are_bounded),
		mock_test(flood_without_replies_leaves_the_device_responsive),
		mock_test(errors_to_commands_without_reply_stay_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
