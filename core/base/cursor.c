#include "core/base/cursor.h"

#include <string.h>

const uint8_t *read_bytes(struct reader *r, size_t len)
{
	if (r->failed || reader_left(r) < len) {
		r->failed = true;
		return NULL;
	}
	const uint8_t *p = r->at;
	r->at += len;
	return p;
}

void read_copy(struct reader *r, void *out, size_t len)
{
	const uint8_t *p = read_bytes(r, len);
	if (p && len)
		memcpy(out, p, len);
	else if (len)
		memset(out, 0, len);
}

uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 1);
	return p ? *p : 0;
}

uint16_t read_u16(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 2);
	return p ? load_u16(p) : 0;
}

uint32_t read_u32(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 4);
	return p ? load_u32(p) : 0;
}

uint64_t read_u64(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 8);
	return p ? (uint64_t)load_u32(p) << 32 | load_u32(p + 4) : 0;
}

struct reader read_sub(struct reader *r, size_t len)
{
	const uint8_t *p = read_bytes(r, len);
	if (!p)
		return (struct reader){.at = r->at, .end = r->at, .failed = true};
	return reader_of(p, len);
}

uint8_t *write_space(struct writer *w, size_t len)
{
	if (w->failed || (size_t)(w->end - w->at) < len) {
		w->failed = true;
		return NULL;
	}
	uint8_t *p = w->at;
	w->at += len;
	return p;
}

void write_bytes(struct writer *w, const void *data, size_t len)
{
	uint8_t *p = write_space(w, len);
	if (p && len)
		memcpy(p, data, len);
}

void write_zeros(struct writer *w, size_t len)
{
	uint8_t *p = write_space(w, len);
	if (p && len)
		memset(p, 0, len);
}

void write_u8(struct writer *w, uint8_t v)
{
	write_bytes(w, &v, 1);
}

void write_u16(struct writer *w, uint16_t v)
{
	uint8_t *p = write_space(w, 2);
	if (p)
		store_u16(p, v);
}

void write_u32(struct writer *w, uint32_t v)
{
	uint8_t *p = write_space(w, 4);
	if (p)
		store_u32(p, v);
}

void write_u64(struct writer *w, uint64_t v)
{
	write_u32(w, (uint32_t)(v >> 32));
	write_u32(w, (uint32_t)v);
}

void write_u16_at(struct writer *w, size_t offset, uint16_t v)
{
	if (!w->failed && offset + 2 <= writer_len(w))
		store_u16(w->start + offset, v);
}
