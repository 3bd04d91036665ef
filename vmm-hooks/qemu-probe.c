#include "qemu-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "process.h"

#define PROBE_TIMEOUT_US (10 * USEC_PER_SEC)
#define PROBE_OUTPUT_MAX (256 * 1024) // bytes

struct qemu_probe {
	TAILQ_ENTRY(qemu_probe) link; // probes
	sd_event *event;              // owned reference
	struct process process;
	int output;                                      // owned, -1 when closed
	sd_event_source *output_source, *timer, *answer; // owned
	char *program;                                   // owned
	struct stat file;
	char *untrusted_text; // owned, PROBE_OUTPUT_MAX bytes, NUL-terminated
	size_t len;
	bool exited;
	char how[PROCESS_HOW_MAX];
	char *reason; // owned
	qemu_probe_func done;
	void *data;
};

/* In the order of their creation, which is that of their answers: only the first asks. */
static TAILQ_HEAD(, qemu_probe) probes = TAILQ_HEAD_INITIALIZER(probes);

/* The last QEMU that was found good. */
static struct stat known_file;

static bool same_file(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int handle_answer(sd_event_source *source, void *data) {
	struct qemu_probe *probe = data;
	probe->done(probe->data, probe->reason);
	return 0;
}

static void finish_asking(struct qemu_probe *probe, const char *problem) {
	probe->output_source = sd_event_source_disable_unref(probe->output_source);
	probe->timer = sd_event_source_disable_unref(probe->timer);
	process_finish(&probe->process);
	if (problem == NULL) {
		known_file = probe->file;
	} else if (asprintf(&probe->reason, "%s %s", probe->program, problem) < 0) {
		probe->reason = strdup(problem);
	}
	sd_event_source_set_enabled(probe->answer, SD_EVENT_ONESHOT);
}

static void judge(struct qemu_probe *probe) {
	if (strstr(probe->untrusted_text, "\"vfio-user-pci\"") != NULL) {
		finish_asking(probe, NULL);
	} else if (strstr(probe->untrusted_text, "name \"") != NULL) {
		finish_asking(probe,
			"has no vfio-user-pci device: install QEMU 10.1 or newer (Debian 13: "
			"qemu-system-x86 from trixie-backports)");
	} else {
		char problem[PROCESS_HOW_MAX + 80];
		snprintf(problem, sizeof(problem), "%s when asked for its devices: is it a QEMU?",
			probe->how);
		finish_asking(probe, problem);
	}
}

/* Both ends of the story must be in before it is judged. */
static void handle_exit(void *data, const siginfo_t *info) {
	struct qemu_probe *probe = data;
	process_how(info, probe->how);
	probe->exited = true;
	if (probe->output < 0) {
		judge(probe);
	}
}

static int handle_output(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct qemu_probe *probe = data;
	size_t room = PROBE_OUTPUT_MAX - 1 - probe->len;
	ssize_t n = read(fd, probe->untrusted_text + probe->len, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (n > 0) {
		probe->len += (size_t)n;
		return 0;
	}
	probe->output_source = sd_event_source_disable_unref(probe->output_source);
	probe->output = fd_close(probe->output);
	if (probe->exited) {
		judge(probe);
	}
	return 0;
}

static int handle_timeout(sd_event_source *source, uint64_t usec, void *data) {
	finish_asking(data, "did not say in ten seconds which devices it has: that is no QEMU");
	return 0;
}

static int ask(struct qemu_probe *probe) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -errno;
	}
	probe->output = ends[0];
	fd_set_nonblock(ends[1], false);
	char *argv[] = {probe->program, (char *)"-device", (char *)"help", NULL};
	struct process_spec spec = {probe->program, argv, NULL, 0, ends[1], -1};
	int error = process_start(&probe->process, probe->event, &spec, handle_exit, probe);
	close(ends[1]);
	if (error >= 0) {
		error = sd_event_add_io(probe->event, &probe->output_source, probe->output, EPOLLIN,
			handle_output, probe);
	}
	if (error >= 0) {
		error = sd_event_add_time_relative(probe->event, &probe->timer, CLOCK_MONOTONIC,
			PROBE_TIMEOUT_US, 0, handle_timeout, probe);
	}
	return error;
}

/* Gives the first in the queue its turn. */
static void kick(void) {
	struct qemu_probe *probe = TAILQ_FIRST(&probes);
	if (probe == NULL) {
		return;
	}
	if (same_file(&probe->file, &known_file)) {
		sd_event_source_set_enabled(probe->answer, SD_EVENT_ONESHOT);
	} else if (ask(probe) < 0) {
		finish_asking(probe, "cannot be started");
	}
}

int qemu_probe_create(struct qemu_probe **ret, sd_event *event, const char *program,
	qemu_probe_func done, void *data) {
	struct qemu_probe *probe = calloc(1, sizeof(*probe));
	if (probe == NULL) {
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&probes, probe, link);
	probe->event = sd_event_ref(event);
	probe->output = -1;
	probe->done = done;
	probe->data = data;
	probe->program = strdup(program);
	probe->untrusted_text = calloc(1, PROBE_OUTPUT_MAX);
	int error = probe->program != NULL && probe->untrusted_text != NULL ? 0 : -ENOMEM;
	if (error >= 0 && stat(program, &probe->file) < 0) {
		error = -errno;
	}
	if (error >= 0) {
		error = sd_event_add_defer(event, &probe->answer, handle_answer, probe);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(probe->answer, SD_EVENT_OFF);
	}
	if (error < 0) {
		qemu_probe_destroy(probe);
		return error;
	}
	*ret = probe;
	if (TAILQ_FIRST(&probes) == probe) {
		kick();
	}
	return 0;
}

void qemu_probe_destroy(struct qemu_probe *probe) {
	if (probe == NULL) {
		return;
	}
	bool first = TAILQ_FIRST(&probes) == probe;
	TAILQ_REMOVE(&probes, probe, link);
	process_finish(&probe->process);
	sd_event_source_disable_unref(probe->output_source);
	sd_event_source_disable_unref(probe->timer);
	sd_event_source_disable_unref(probe->answer);
	sd_event_unref(probe->event);
	fd_close(probe->output);
	free(probe->program);
	free(probe->untrusted_text);
	free(probe->reason);
	free(probe);
	if (first) {
		kick();
	}
}
