#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Preloaded into a daemon: counts what each of its threads asks of the allocator, in a file that the test
 * reads ($ALLOC_COUNT, an array of struct row). glibc's own functions do the work.
 */
#define ROWS 256

struct row {
	uint64_t tid; /* 0: free */
	_Atomic uint64_t count;
};

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static struct row *rows;
static _Atomic unsigned n_rows;
static __thread struct row *mine;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("ALLOC_COUNT");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd < 0 || ftruncate(fd, ROWS * sizeof *rows) < 0)
		return;
	void *at = mmap(NULL, ROWS * sizeof *rows, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		rows = at;
}

static void note(void)
{
	if (!rows)
		return;
	if (!mine) {
		unsigned i = atomic_fetch_add(&n_rows, 1);
		mine = &rows[i < ROWS ? i : ROWS - 1];
		mine->tid = (uint64_t)syscall(SYS_gettid);
	}
	atomic_fetch_add(&mine->count, 1);
}

void *malloc(size_t n)
{
	note();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	note();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	note();
	return __libc_realloc(p, n);
}
