#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

/*
 * Gives a fuzz target the files of its corpus, one subtest each, where there is no
 * libFuzzer. Each runs in a process of its own: a crash or an endless loop is a failed
 * subtest, and the next begins from nothing.
 */

#define SECONDS_MAX 60
#define FILE_MAX_BYTES (1 << 20)

static int is_plain(const struct dirent *entry) {
	return entry->d_name[0] != '.';
}

static int run_file(const char *path) {
	FILE *file = fopen(path, "re");
	uint8_t *data = malloc(FILE_MAX_BYTES);
	if (file == NULL || data == NULL) {
		perror(path);
		return EXIT_FAILURE;
	}
	size_t size = fread(data, 1, FILE_MAX_BYTES, file);
	fclose(file);
	// In memory of its own size, as libFuzzer gives it.
	uint8_t *input = fuzz_copy(data, size);
	free(data);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
	return EXIT_SUCCESS;
}

static bool passes(const char *path) {
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		perror("fork");
		return false;
	}
	if (pid == 0) {
		alarm(SECONDS_MAX);
		exit(run_file(path));
	}
	int status;
	if (waitpid(pid, &status, 0) != pid) {
		return false;
	}
	if (WIFSIGNALED(status)) {
		printf("# %s: signal %d\n", path, WTERMSIG(status));
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
	struct dirent **entries;
	int n = argc == 2 ? scandir(argv[1], &entries, is_plain, alphasort) : -1;
	if (n <= 0) {
		fprintf(stderr, "usage: %s FOLDER, one with a corpus\n", argv[0]);
		return EXIT_FAILURE;
	}
	int failed = 0;
	printf("TAP version 13\n1..%d\n", n);
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		bool passed = passes(path);
		failed += !passed;
		printf("%sok %d %s\n", passed ? "" : "not ", i + 1, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
