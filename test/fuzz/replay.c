/*
 * Replays a corpus through a fuzz target without a fuzzer: every file named, and every file in every
 * directory named, once. Also feeds each input truncated at every length, since that is where
 * parsers that trust a length go wrong.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed; /* inputs run so far */

static void replay(const uint8_t *data, size_t len)
{
	/* A copy of the exact size, so that a sanitizer sees the first byte read too far. */
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		abort();
	memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	replayed++;
}

static int replay_file(const char *path)
{
	uint8_t data[65536];
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	size_t len = fread(data, 1, sizeof data, f);
	fclose(f);
	for (size_t cut = 0; cut <= len; cut += len > 4096 ? 97 : 1)
		replay(data, cut);
	replay(data, len);
	return 0;
}

static int replay_path(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0) {
		perror(path);
		return 1;
	}
	if (!S_ISDIR(st.st_mode))
		return replay_file(path);
	DIR *dir = opendir(path);
	if (!dir) {
		perror(path);
		return 1;
	}
	int failed = 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		char child[4096];
		snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
		failed |= replay_path(child);
	}
	closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= replay_path(argv[i]);
	printf("%lu inputs replayed\n", replayed);
	return failed || replayed == 0;
}
