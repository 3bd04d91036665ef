#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

void words_free(char **words) {
	for (char **word = words; word != NULL && *word != NULL; word++) {
		free(*word);
	}
	free(words);
}

/* Takes one word from *line into word, which has room for all of the line. */
static int take_word(const char **line, char *word) {
	const char *c = *line;
	char quote = '\0';
	for (; *c != '\0' && (quote != '\0' || strchr(blanks, *c) == NULL); c++) {
		if (quote == '\0' && (*c == '\'' || *c == '"')) {
			quote = *c;
		} else if (quote != '\0' && *c == quote) {
			quote = '\0';
		} else if (*c != '\\' || quote == '\'') {
			*word++ = *c;
		} else if (c[1] == '\0') {
			return -EINVAL;
		} else {
			// Between double quotes a backslash quotes only itself and the quote.
			if (quote == '"' && c[1] != '"' && c[1] != '\\') {
				*word++ = *c;
			}
			*word++ = *++c;
		}
	}
	*word = '\0';
	*line = c;
	return quote == '\0' ? 0 : -EINVAL;
}

int words_split(const char *line, char ***ret_words) {
	size_t length = strlen(line), count = 0;
	// Words are separated by at least one blank.
	char **words = calloc(length / 2 + 2, sizeof(char *));
	char *word = calloc(length + 1, 1);
	int error = words != NULL && word != NULL ? 0 : -ENOMEM;
	while (error == 0) {
		line += strspn(line, blanks);
		if (*line == '\0') {
			break;
		}
		error = take_word(&line, word);
		if (error == 0 && (words[count++] = strdup(word)) == NULL) {
			error = -ENOMEM;
		}
	}
	free(word);
	if (error < 0) {
		words_free(words);
		return error;
	}
	*ret_words = words;
	return 0;
}
