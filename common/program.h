#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

/*
 * Where another of mullion's programs lies: beside the running one (a build folder),
 * else in mullion's libexec directory, else beside it by PATH. Returns a path for the
 * caller to free, or NULL where there is none.
 */
char *program_find(const char *name);

/* Likewise a file of mullion's: beside the running program, else in mullion's data directory. */
char *program_find_data(const char *name);

/*
 * The directory of mullion's sockets, $XDG_RUNTIME_DIR/mullion, made with mode 0700
 * where it is missing. MULLION_RUNTIME_DIR names another one (for tests). Returns a
 * path for the caller to free, or NULL with errno set; ENOENT where neither variable is set.
 */
char *program_runtime_dir(void);

#endif
