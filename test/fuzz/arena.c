#include "test/fuzz/arena.h"

#include "test/fuzz/fuzz.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_SIZE   (64u << 20)
#define PAGE         4096u
#define GAP          64u   /* poisoned, between blocks */
#define FORGET_EVERY 20000 /* restores */
#define FREED_MAX    1024  /* blocks of the snapshot that a run may free */

/* A copy goes over poisoned gaps, so it must be nobody's memcpy. */
typedef uint8_t line __attribute__((vector_size(64), may_alias));

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);

static struct {
	uint8_t *start, *copy;
	size_t used, kept; /* bytes allocated; as of the snapshot */
	size_t pages;      /* of the snapshot */
	bool open;
	uint32_t *written; /* pages to copy back */
	size_t n_written;
	unsigned restores;
	uint8_t *freed[FREED_MAX];
	size_t n_freed;
	struct sigaction before;
} arena;

static bool inside(const void *p)
{
	const uint8_t *at = p;
	return arena.start && at >= arena.start && at < arena.start + ARENA_SIZE;
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(p != MAP_FAILED);
	return p;
}

__attribute__((no_sanitize("address"))) static void copy_page(uint8_t *to, const uint8_t *from)
{
	for (size_t i = 0; i < PAGE; i += sizeof(line)) {
		*(line *)(void *)(to + i) = *(const line *)(const void *)(from + i);
		__asm__ volatile("" ::: "memory");
	}
}

/* ---- Allocation ------------------------------------------------------------------------------ */

static void *take(size_t size)
{
	uint8_t *p = arena.start + arena.used;
	size_t room = (size + GAP - 1) / GAP * GAP;
	must(room >= size && room <= ARENA_SIZE - GAP - arena.used);
	UNPOISON(p, GAP + size);
	memcpy(p, &size, sizeof size); /* for free, in front of the block */
	p += GAP;
	POISON(p - GAP, GAP);
	POISON(p + size, room - size);
	arena.used += GAP + room;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return arena.open ? take(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	if (!arena.open)
		return __real_calloc(n, size);
	must(size == 0 || n <= ARENA_SIZE / size);
	return memset(take(n * size), 0, n * size); /* an earlier run may have been here */
}

void __wrap_free(void *p)
{
	size_t size;
	if (!inside(p)) {
		__real_free(p);
		return;
	}
	uint8_t *head = (uint8_t *)p - GAP;
	UNPOISON(head, GAP);
	memcpy(&size, head, sizeof size);
	POISON(head, GAP + size);
	if (head < arena.start + arena.kept) {
		must(arena.n_freed < FREED_MAX);
		arena.freed[arena.n_freed++] = head;
	}
}

void arena_open(void)
{
	if (!arena.start)
		arena.start = map(ARENA_SIZE);
	arena.open = true;
}

void arena_close(void)
{
	arena.open = false;
}

/* ---- Back again ------------------------------------------------------------------------------ */

static void protect_all(void)
{
	arena.n_written = 0;
	must(mprotect(arena.start, arena.pages * PAGE, PROT_READ) == 0);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	size_t page = inside(info->si_addr)
		? (size_t)((uint8_t *)info->si_addr - arena.start) / PAGE
		: arena.pages;
	if (page < arena.pages) {
		arena.written[arena.n_written++] = (uint32_t)page;
		must(mprotect(arena.start + page * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	} else if (arena.before.sa_flags & SA_SIGINFO) {
		arena.before.sa_sigaction(number, info, context);
	} else {
		sigaction(SIGSEGV, &arena.before, NULL); /* and again */
	}
}

void arena_snapshot(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	/* The page that the snapshot ends in is not shared with what runs allocate. */
	size_t end = (arena.used + PAGE - 1) / PAGE * PAGE;
	POISON(arena.start + arena.used, end - arena.used);
	arena.used = arena.kept = end;
	arena.pages = arena.kept / PAGE;
	arena.copy = map(arena.kept);
	arena.written = map(arena.pages * sizeof *arena.written);
	for (size_t i = 0; i < arena.pages; i++)
		copy_page(arena.copy + i * PAGE, arena.start + i * PAGE);
	arena.n_freed = 0;
	sigemptyset(&action.sa_mask);
	must(sigaction(SIGSEGV, &action, &arena.before) == 0);
	protect_all();
}

static void revive(uint8_t *head)
{
	size_t size;
	UNPOISON(head, GAP);
	memcpy(&size, head, sizeof size);
	UNPOISON(head + GAP, size);
	POISON(head, GAP);
}

void arena_restore(void)
{
	for (size_t i = 0; i < arena.n_written; i++)
		copy_page(arena.start + arena.written[i] * PAGE,
			arena.copy + arena.written[i] * PAGE);
	while (arena.n_freed > 0)
		revive(arena.freed[--arena.n_freed]);
	POISON(arena.start + arena.kept, arena.used - arena.kept);
	arena.used = arena.kept;
	if (++arena.restores % FORGET_EVERY == 0)
		protect_all();
}
