#ifndef WARREN_BASE_CURSOR_H
#define WARREN_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Bounds-checked cursors, the only code that touches packet bytes. The error is sticky: read or
 * write straight through, then look at `failed` once. A reader that failed yields zeros and empty
 * sub-cursors; a writer that failed writes nothing more. All integers are big-endian.
 */
struct reader {
	const uint8_t *at, *end;
	bool failed;
};

struct writer {
	uint8_t *start, *at, *end;
	bool failed;
};

static inline struct reader reader_of(const void *data, size_t len)
{
	return (struct reader){.at = data, .end = (const uint8_t *)data + len};
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

/* The next len bytes, borrowed from the input, or NULL (and failed) when there are fewer. */
const uint8_t *read_bytes(struct reader *r, size_t len);
/* Copies len bytes to out, or zeroes it. */
void read_copy(struct reader *r, void *out, size_t len);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* A cursor over the next len bytes alone; r moves past them. Fails r and is failed when short. */
struct reader read_sub(struct reader *r, size_t len);

static inline struct writer writer_of(void *data, size_t cap)
{
	return (struct writer){.start = data, .at = data, .end = (uint8_t *)data + cap};
}

static inline size_t writer_len(const struct writer *w)
{
	return (size_t)(w->at - w->start);
}

/* len bytes to be filled by the caller, or NULL (and failed) when there is no room. */
uint8_t *write_space(struct writer *w, size_t len);
void write_bytes(struct writer *w, const void *data, size_t len);
void write_zeros(struct writer *w, size_t len);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
/* Overwrites two bytes written before, at offset from the start; no-op on a failed writer. */
void write_u16_at(struct writer *w, size_t offset, uint16_t v);

/* Fixed-offset access for headers whose length the caller has checked. */
static inline uint16_t load_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Eight bytes as they lie in memory, for sums and hashes. */
static inline uint64_t load_native64(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof word);
	return word;
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
	store_u16(p, (uint16_t)(v >> 16));
	store_u16(p + 2, (uint16_t)v);
}

#endif
